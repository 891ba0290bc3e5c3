"""The command line: which command, and what its exit code and errors look like.

`way token` is on the way of the tools' requests, so nothing is imported before it is known to be needed.
"""

from __future__ import annotations

import sys

from way.errors import FAILED, OK, USAGE, WayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

HELP = """\
way: your coding tools, through your organisation's gateway.

  way claude [args …]     start Claude Code; likewise codex, gemini, opencode, qwen, pi, copilot, cn.
                          Everything after the tool's name is the tool's own.
  way login [address]     sign in. --device: with a code on another device. --link URL: with a one-time link.
  way logout              sign out, here and at the gateway
  way status              who you are, where, and what way has changed on this machine
  way doctor [--wire]     look for what is wrong; --wire also sends a small request through everything
  way token               print an access token that is good for some minutes more
  way revert [tool]       undo what way changed in your files
  way uninstall           all of that, and remove way itself

Each command that prints also knows --json. Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 not signed in,
4 the gateway cannot be reached, 5 doctor found something, 127 the tool is not installed; a started tool's
own exit code is passed on.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
    except WayError as error:
        _fail(str(error), as_json="--json" in words)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = FAILED
    if code < 0:
        from way.launch import die_like

        die_like(-code)
    sys.exit(code)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return OK if words else USAGE
    name, rest = words[0], words[1:]
    if name == "token":
        return _token(rest)
    if name in ("-V", "--version", "version"):
        from way import __version__

        print(f"way {__version__}")
        return OK
    from way import commands

    command = commands.find(name)
    if command is not None:
        return command(rest)
    return _tool(name, rest)


def _token(words: list[str]) -> int:
    from way import session

    as_json, caller = False, ""
    rest = iter(words)
    for word in rest:
        if word == "--json":
            as_json = True
        elif word == "--caller":
            caller = next(rest, "")
        else:
            _fail(f"`way token` does not know {word!r}; it knows --json and --caller.")
            return USAGE
    if caller == "parent":
        import os

        caller = str(os.getppid())
    token = session.token_for(int(caller)) if caller.isdigit() else session.fresh_token()
    if as_json:
        import json

        secrets = session.require().secrets()
        expires = int(secrets.expires_at) if secrets is not None else 0
        print(json.dumps({"access_token": token, "token_type": "Bearer", "expires_at": expires}))
    else:
        print(token)
    return OK


def _tool(name: str, words: list[str]) -> int:
    from way import commands, launch, tools

    tool = tools.find(name)
    if tool is None:
        _fail(f"way knows no command or tool {name!r}; `way help` lists them.")
        return USAGE
    code = launch.start(tool, words, commands.signed_in)
    if code >= 0 and tool.needs_relay:
        import os

        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # without waiting for a token request that the relay may have under way
    return code


def _fail(message: str, *, as_json: bool = False) -> None:
    if as_json:
        import json

        print(json.dumps({"error": message}))
    else:
        print(f"way: {message}", file=sys.stderr)
