"""The commands other than `token`: each reads its options, does one thing and prints it for people or as JSON."""

from __future__ import annotations

import argparse
import json
import sys

from way import session
from way.errors import OK, PROBLEMS, USAGE, SignedOut, Unreachable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from way.session import Session

    Command = Callable[[list[str]], int]


def find(name: str) -> Command | None:
    return {
        "login": login,
        "logout": logout,
        "status": status,
        "doctor": doctor,
        "revert": revert,
        "uninstall": uninstall,
        "renew-agents": renew_agents,
        "self-install": self_install,
    }.get(name)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `way {self.prog} --help` says what there is.")


def _parser(name: str, description: str) -> _Parser:
    parser = _Parser(prog=name, usage=f"way {name} [options]", description=description, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(as_json: bool, fields: dict[str, Any], lines: list[str]) -> None:
    print(json.dumps(fields, indent=2) if as_json else "\n".join(lines))


def login(words: list[str]) -> int:
    parser = _parser("login", "Sign in to a gateway.")
    parser.add_argument("address", nargs="?", default="", help="the gateway, or a one-time link of it")
    parser.add_argument("--device", action="store_true", help="approve on another device with a short code")
    parser.add_argument("--link", default="", help="use up a one-time link (https://gateway/welcome/…)")
    parser.add_argument("--insecure-http", action="store_true", help="allow http to another machine")
    given = parser.parse_args(words)
    signed = _sign_in(given.address, link=given.link, device=given.device, insecure_http=given.insecure_http)
    where = "in the system's key store" if signed.storage != "file" else f"in {session.path()}"
    _print(
        given.json,
        {"gateway": signed.gateway, "name": signed.name, "storage": signed.storage},
        [f"Signed in to {signed.gateway} as {signed.name} (kept {where}). Now type: way claude"],
    )
    return OK


def _sign_in(address: str, *, link: str = "", device: bool = False, insecure_http: bool = False) -> Session:
    from way import agents
    from way import login as signing_in
    from way.address import normal, split_welcome
    from way.errors import WayError

    if address and not link and split_welcome(address)[0]:
        address, link = "", address
    if link:
        linked, link = split_welcome(link)
        if not linked:
            raise UsageError("A one-time link looks like https://gateway/welcome/…; copy all of it.")
        if address and normal(address, insecure_http=True) != normal(linked, insecure_http=True):
            raise UsageError("The one-time link belongs to another gateway than the address given.")
        address = linked
    gateway = signing_in.gateway_to_use(address, insecure_http=insecure_http)
    signed = signing_in.sign_in(gateway, link=link, device=device, insecure_http=insecure_http, say=_say)
    agents.forget()
    try:
        agents.renew(signed)
    except WayError as error:
        _say(f"way: {error}")
    return signed


def signed_in() -> Session:
    """The session for starting a tool, with a token that is good; signs in first where nobody is (any more)."""
    try:
        session.fresh_token()
    except Unreachable as error:
        _say(f"way: {error}")  # the tool may have things to do without a model
    except SignedOut as reason:
        if not sys.stderr.isatty():
            raise
        _say(f"way: {reason.reason}, so that comes first.")
        return _sign_in("")
    return session.require()


def logout(words: list[str]) -> int:
    given = _parser("logout", "Sign out, here and at the gateway.").parse_args(words)
    from way import agents
    from way import login as signing_in

    ended = signing_in.sign_out()
    agents.forget()
    _print(
        given.json,
        {"signed_out": ended is not None, "gateway": ended.gateway if ended else None},
        [f"Signed out of {ended.gateway}." if ended else "You were not signed in."],
    )
    return OK


def status(words: list[str]) -> int:
    given = _parser("status", "Who you are, where, and what way has changed here.").parse_args(words)
    from way.status import collect, lines

    found = collect()
    _print(given.json, found, lines(found))
    return OK


def doctor(words: list[str]) -> int:
    parser = _parser("doctor", "Look for what is wrong between your tools and the gateway.")
    parser.add_argument("--wire", action="store_true", help="also send small requests through everything")
    given = parser.parse_args(words)
    from way.doctor import examine, lines

    checks = examine(wire=given.wire)
    failed = any(check.verdict == "fail" for check in checks)
    _print(given.json, {"ok": not failed, "checks": [check.fields() for check in checks]}, lines(checks))
    return PROBLEMS if failed else OK


def revert(words: list[str]) -> int:
    parser = _parser("revert", "Undo what way changed in your files.")
    parser.add_argument("tool", nargs="?", default="", help="only this tool's changes")
    given = parser.parse_args(words)
    from way import files

    done = files.revert(given.tool)
    fields = [{"owner": edit.owner, "path": edit.path, "outcome": outcome} for edit, outcome in done]
    shown = [f"{edit.path}: {outcome}" for edit, outcome in done] or ["There is nothing to undo."]
    _print(given.json, {"reverted": fields}, shown)
    return OK


def uninstall(words: list[str]) -> int:
    given = _parser("uninstall", "Sign out, undo all changes and remove way.").parse_args(words)
    from way.install import remove_everything

    removed = remove_everything()
    _print(given.json, {"removed": removed}, [*(f"Removed {path}" for path in removed), "way is gone."])
    return OK


def renew_agents(words: list[str]) -> int:
    """For way itself: run behind a tool's start."""
    from way import agents

    if words:
        return USAGE
    agents.renew(session.require())
    return OK


def self_install(words: list[str]) -> int:
    """For the install script: `python way.pyz self-install --gateway URL`."""
    parser = _parser("self-install", "Put this way into your home folder.")
    parser.add_argument("--gateway", default="", help="the gateway it was downloaded from")
    parser.add_argument("--keep-path", action="store_true", help="do not add ~/.local/bin to PATH")
    given = parser.parse_args(words)
    from way.install import install

    fields, shown = install(given.gateway, may_change_path=not given.keep_path)
    _print(given.json, fields, shown)
    return OK
