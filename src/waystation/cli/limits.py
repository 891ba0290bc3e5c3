"""`waystation limits`: who reached a limit lately, and who is near one now. `waystation budget …`: raises.

They work on the gateway's own files: whoever can read its data directory may do all of this.
"""

import datetime
import getpass
import re
import time
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.limits.words import owner as owner_words
from waystation.limits.words import usd
from waystation.policy.limit_rules import NANO

app = typer.Typer(help="Who reached a limit lately, and who is near one now.")
budget = typer.Typer(no_args_is_help=True, help="Raise a budget for a time.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_BAR = 20


@app.command()
def show_limits(
    since: Annotated[str, typer.Option(help="How far back: `30m`, `24h`, `7d`.")] = "7d",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show who is near a limit now, and who reached one lately."""
    from waystation.ledger import limit_events
    from waystation.ledger.event_log import folders

    folder = data.expanduser()
    first = datetime.datetime.now(datetime.UTC) - _span(since)
    events = [e for e in limit_events.read(folder, str(folder / "lake" / "limit_events")) if e["at"] >= first]
    states = [_state(path) for path in folders(folder)]
    if as_json:
        told = [msgspec.to_builtins(e) for e in events]
        typer.echo(
            msgspec.json.format(msgspec.json.encode({"now": states, "events": told}), indent=2).decode()
        )
        return
    _print_now([account for state in states for account in state["accounts"]])
    _print_events(events)


@budget.command("raise")
def raise_budget(
    name: Annotated[str, typer.Argument(help="The budget's name in the policy.")],
    by: Annotated[str, typer.Option("--usd", help="How much more, in US dollars.")],
    until: Annotated[
        str, typer.Option(help="`2026-12-01`, `2026-12-01T12:00` (UTC), or from now: `8h`, `3d`.")
    ],
    owner: Annotated[
        str,
        typer.Option("--for", help="One person, group, cost centre or model; everybody under it if absent."),
    ] = "",
    approver: Annotated[str, typer.Option(help="Who approves it; your name on this machine if absent.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Let somebody spend more for a time. It is kept, and in the audit log; gateways take it within a second."""
    amount = _amount(by)
    end = _moment(until)
    if end <= time.time():
        _fail("That is in the past: say an end that is still to come.")
    from waystation import policy
    from waystation.policy.names import did_you_mean

    with _store(data, database) as store:
        stored = store.policies.current()
        known = policy.load(stored.text, filename="the policy").policy.budgets if stored is not None else {}
        if name not in known:
            _fail(f"The policy has no budget “{name}”; {did_you_mean(name, known)}.".replace("?.", "?"))
        made = store.raises.add(
            name, owner, amount, until=int(end), approver=approver or getpass.getuser(), reason=reason
        )
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        return
    whose = f" for {owner}" if owner else ""
    typer.echo(f"The budget “{name}” is {usd(amount)} more{whose} until {_when(made.until)}.")
    typer.echo(f"Take it back: waystation budget withdraw {made.id}")


@budget.command("list")
def list_raises(
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Show the raises in force."""
    with _store(data, database) as store:
        found = store.raises.every() if every else store.raises.active()
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode({"raises": found}), indent=2).decode())
        return
    rows = [
        (r.id, r.budget, r.owner or "everybody", usd(r.amount_nano), _end(r), r.approver, r.reason)
        for r in found
    ]
    _print_table(("raise", "budget", "for", "more", "until", "approved by", "why"), rows, "No raises.")


@budget.command("withdraw")
def withdraw_raise(
    raise_id: Annotated[str, typer.Argument(help="Its id, from `waystation budget list`.")],
    by: Annotated[str, typer.Option(help="Who takes it back; your name on this machine if absent.")] = "",
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """End a raise now."""
    with _store(data, database) as store:
        found = store.raises.withdraw(raise_id, by=by or getpass.getuser())
    if found is None:
        _fail("There is no such raise in force: see `waystation budget list`.")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    typer.echo(f"The budget “{found.budget}” is as the policy says again.")


def _store(data: Path, database: str) -> Any:
    import contextlib

    from waystation.store import StoreError, open_store

    folder = data.expanduser()
    if not (folder / "master.key").exists():
        _fail(
            f"There is no gateway's data in {folder}: start it once with `waystation serve`, or give --data."
        )
    try:
        return contextlib.closing(open_store(folder, database or None))
    except StoreError as error:
        _fail(str(error))


def _state(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode((folder / "limits.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return {"node": folder.name, "accounts": []}
    return found


def _print_now(accounts: list[dict[str, Any]]) -> None:
    rows = []
    for a in accounts[:40]:
        for what, used, limit in _figures(a):
            percent = min(999, used * 100 // limit) if limit else 100
            rows.append(
                (a["rule"], owner_words(a["per"], a["owner"]), what, f"{bar(percent)} {percent:>3} %")
            )
    _print_table(("limit", "whose", "used", ""), rows, "Nobody has used anything that is limited.")


def _figures(account: dict[str, Any]) -> list[tuple[str, int, int]]:
    if account["kind"] == "budget":
        used, limit = account["used"], account["limit"]
        return [(f"{usd(used)} of {usd(limit)} a {account['period']}", used, limit)]
    found = [(kind, account[kind]) for kind in ("requests", "tokens", "concurrent") if kind in account]
    return [(f"{w['used']:,} of {w['limit']:,} {kind}", w["used"], w["limit"]) for kind, w in found]


def _print_events(events: list[dict[str, Any]]) -> None:
    rows = [
        (
            _when(e["at"].timestamp()),
            e["kind"] + (f" {e['percent']} %" if e["percent"] else ""),
            e["rule"],
            owner_words(e["per"], e["owner"]),
            e["principal_name"],
            e["tool"],
            e["model"],
            str(e["count"]),
        )
        for e in events[-100:]
    ]
    head = ("when", "what", "limit", "whose", "who", "tool", "model", "times")
    _print_table(head, rows, "Nobody reached a limit.")


def bar(percent: int) -> str:
    full = min(_BAR, percent * _BAR // 100)
    return "█" * full + "░" * (_BAR - full)


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: names are not markup
    Console().print(table if rows else nothing)


def _amount(text: str) -> int:
    try:
        amount = Decimal(text.lstrip("$"))
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or not 0 < amount <= 1_000_000_000:
        _fail(f"“{text}” is no amount: say how many US dollars more, e.g. --usd 20.")
    return int(amount * NANO)


def _moment(text: str) -> float:
    if re.fullmatch(r"\d{1,5}[mhd]", text):
        return time.time() + _span(text).total_seconds()
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        _fail(f"“{text}” is no time: say 2026-12-01, 2026-12-01T12:00 (UTC), 8h or 3d.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _span(text: str) -> datetime.timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if found is None:
        _fail(f"“{text}” is no span of time: say 30m, 24h or 7d.")
    unit = {"m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return datetime.timedelta(**{unit: int(found[1])})


def _end(found: Any) -> str:
    return _when(found.until) if found.withdrawn_at is None else "withdrawn"


def _when(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
