"""`waystation policy …`: check, compare, apply, list, show and roll back the policy document."""

import datetime
import getpass
import json
import os
import sys
from collections.abc import Sized
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from waystation import policy
from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.policy import Change, Plan, PolicyDocument, PolicyError, PolicyErrors
from waystation.pricing import PriceBook
from waystation.store import StoredPolicy, VersionConflict, open_store

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Check, compare, apply and roll back the policy."
)

File = Annotated[
    Path, typer.Argument(help="The policy, YAML or JSON; `-` reads standard input.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Note = Annotated[str, typer.Option(help="Why; kept with the version.")]


class PolicyStore(Protocol):
    """Where versions are kept; `waystation.store.PolicyRepository` is one."""

    def current(self) -> StoredPolicy | None: ...

    def append(self, text: str, *, who: str, note: str, base_version: int | None) -> StoredPolicy: ...

    def history(self) -> list[StoredPolicy]: ...


@app.command()
def check(file: File, as_json: AsJson = False) -> None:
    """Read a policy and report every fault, without applying anything."""
    text, name = _read(file)
    document, plan, book = _load_or_exit(text, name, as_json)
    notes = _notes(document, plan, book)
    if as_json:
        _print_json({"ok": True, "errors": [], "notes": notes})
        return
    console = Console()
    sections: dict[str, Sized] = {
        "provider": document.policy.providers,
        "model": document.policy.models,
        "group": document.policy.access.groups,
    }
    counts = ", ".join(f"{len(s)} {noun}{'' if len(s) == 1 else 's'}" for noun, s in sections.items())
    console.print(f"[bold green]✓[/] {escape(name)} is sound: {counts}.", soft_wrap=True)
    _print_notes(console, notes)


@app.command()
def diff(file: File, data: Data = DEFAULT_DATA, database: Database = "", as_json: AsJson = False) -> None:
    """Say what a policy would change against the one in force."""
    text, name = _read(file)
    document, _, _ = _load_or_exit(text, name, as_json)
    current = _store(data, database).current()
    changes = policy.diff(_document_of(current), document)
    if as_json:
        _print_json({"base_version": _version(current), "changes": _plain(changes)})
        return
    _print_changes(Console(), changes, against=_title(current))


@app.command()
def apply(
    file: File,
    note: Note = "",
    base: Annotated[
        int | None,
        typer.Option(
            help="Refuse unless this version is in force (0: the embedded default).", show_default=False
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Check a policy, show its changes and put it in force. A faulty one is refused whole."""
    text, name = _read(file)
    document, plan, book = _load_or_exit(text, name, as_json)
    store = _store(data, database)
    current = store.current()
    if base is not None and base != _version(current):
        title = _title(current)
        _refuse(
            f"{title[0].upper()}{title[1:]} is in force, not version {base}: compare, then apply.", as_json
        )
    changes = policy.diff(_document_of(current), document)
    stored = None
    if current is None or current.text != text:
        stored = _append(store, text, note or (name if name != "<stdin>" else ""), current, as_json)
    if as_json:
        _print_json(
            {
                "applied": stored is not None,
                "version": stored.version if stored is not None else _version(current),
                "changes": _plain(changes),
                "notes": _notes(document, plan, book),
            }
        )
        return
    console = Console()
    _print_changes(console, changes, against=_title(current))
    _print_notes(console, _notes(document, plan, book))
    if stored is None:
        console.print(f"Nothing to do: {_title(current)} is this very text.")
    else:
        console.print(
            f"[bold green]✓[/] Version {stored.version} is in force; gateways take it within a second."
        )


@app.command()
def history(data: Data = DEFAULT_DATA, database: Database = "", as_json: AsJson = False) -> None:
    """List every version that was ever in force, the newest first."""
    versions = _store(data, database).history()
    if as_json:
        _print_json([_without_text(v) for v in versions])
        return
    if not versions:
        Console().print("No policy was ever applied: the embedded default is in force.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("version", "when (UTC)", "who", "sha256", "note"):
        table.add_column(column, justify="right" if column == "version" else "left", overflow="fold")
    for index, version in enumerate(versions):
        style = "bold" if index == 0 else ""
        number = f"{version.version}" + (" ●" if index == 0 else "")
        table.add_row(
            number,
            _when(version),
            escape(version.who),
            version.sha256[:12],
            escape(version.note),
            style=style,
        )
    Console().print(table)


@app.command()
def rollback(
    version: Annotated[int, typer.Argument(help="The version to put back in force.")],
    note: Note = "",
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Put an older version back in force, as a new version."""
    store = _store(data, database)
    versions = store.history()
    old = _find(versions, version, as_json)
    current = versions[0]
    document, _, _ = _load_or_exit(old.text, f"policy version {version}", as_json)
    changes = policy.diff(_document_of(current), document)
    if old.sha256 == current.sha256:
        _refuse(
            f"Version {current.version}, which is in force, is the same text as version {version}.", as_json
        )
    stored = _append(store, old.text, note or f"rollback to version {version}", current, as_json)
    if as_json:
        _print_json({"applied": True, "version": stored.version, "changes": _plain(changes)})
        return
    console = Console()
    _print_changes(console, changes, against=_title(current))
    console.print(f"[bold green]✓[/] Version {stored.version} is in force: the text of version {version}.")


@app.command()
def show(
    version: Annotated[int | None, typer.Option(help="An older version.", show_default=False)] = None,
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Print the policy in force, or the embedded default as this environment makes it."""
    store = _store(data, database)
    stored = store.current() if version is None else _find(store.history(), version, as_json)
    text = stored.text if stored is not None else _embedded_default()
    if as_json:
        facts = {"version": 0, "text": text} if stored is None else {**_without_text(stored), "text": text}
        _print_json(facts)
    elif sys.stdout.isatty():
        Console().print(Syntax(text.rstrip("\n"), "yaml", background_color="default"))
    else:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the policy document."""
    _print_json(policy.json_schema())


def _read(file: Path) -> tuple[str, str]:
    """The text and the name it goes by in errors."""
    name = "<stdin>" if str(file) == "-" else str(file)
    try:
        raw = sys.stdin.buffer.read() if name == "<stdin>" else file.read_bytes()
        return raw.decode("utf-8"), name
    except UnicodeDecodeError as bad:
        line = raw[: bad.start].count(b"\n") + 1
        _fail([PolicyError(name, line, 1, "", "the file is not UTF-8 text")], "", as_json=False)
    except OSError as bad:
        _refuse(f"{name} cannot be read: {bad.strerror}.", as_json=False)


def _load_or_exit(text: str, name: str, as_json: bool) -> tuple[PolicyDocument, Plan, PriceBook]:
    """The document and what it compiles to; on faults prints them all and ends with exit status 1."""
    try:
        document = policy.load(text, filename=name)
        book = PriceBook.builtin(policy.price_overrides(document), policy.price_factors(document))
        return document, policy.compile_plan(document, version=0, prices=book), book
    except PolicyErrors as errors:
        _fail(errors.errors, text, as_json=as_json)


def _fail(errors: list[PolicyError], text: str, *, as_json: bool) -> NoReturn:
    if as_json:
        _print_json({"ok": False, "errors": [msgspec.to_builtins(e) for e in errors]})
        raise typer.Exit(1)
    console = Console(stderr=True)
    for error in errors:
        place = Text(f"{error.file}:{error.line}:{error.column}", style="bold")
        if error.field:
            place.append(f"  {error.field}", style="cyan")
        console.print(place, soft_wrap=True)
        line, caret = policy.excerpt(text, error)
        if line.strip():
            number = str(error.line)
            console.print(Text(f"  {number} │ {line}", style="dim"), soft_wrap=True)
            console.print(Text(f"  {' ' * len(number)} │ ", style="dim") + Text(caret, style="bold red"))
        console.print(Text(f"  {error.message}\n", style="red"), soft_wrap=True)
    count = "one fault" if len(errors) == 1 else f"{len(errors)} faults"
    console.print(f"[bold red]✗[/] {count}; nothing was applied.")
    raise typer.Exit(1)


def _refuse(message: str, as_json: bool) -> NoReturn:
    if as_json:
        _print_json({"ok": False, "message": message})
    else:
        Console(stderr=True).print(f"[bold red]✗[/] {escape(message)}")
    raise typer.Exit(1)


def _notes(document: PolicyDocument, plan: Plan, book: PriceBook) -> list[str]:
    """What is allowed but worth a look: a cost that nobody will know, a certificate that nobody checks."""
    now = int(datetime.datetime.now(datetime.UTC).timestamp() * 1_000_000)
    notes = [
        f"{route.id} has no known price, so its cost will be unknown (state one in models.{name}.price)."
        for name, route in plan.named_routes()
        if book.rates_for(route, now) is None
    ]
    notes += [
        f"providers.{name}: its certificate is not checked (verify_tls: false)."
        for name, provider in document.policy.providers.items()
        if not provider.verify_tls
    ]
    return notes


def _print_notes(console: Console, notes: list[str]) -> None:
    for note in notes:
        console.print(f"[yellow]•[/] {escape(note)}", soft_wrap=True)


def _print_changes(console: Console, changes: list[Change], *, against: str) -> None:
    if not changes:
        console.print(f"No change against {against}.")
        return
    console.print(f"[bold]Changes against {against}[/]")
    styles = {"+": "green", "-": "red", "~": "yellow"}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    for change in changes:
        table.add_row(Text(change.sign, style=f"bold {styles[change.sign]}"), Text(change.sentence))
    console.print(table)


def _store(data: Path, database: str) -> PolicyStore:
    return open_store(data.expanduser(), database or None).policies


def _append(
    store: PolicyStore, text: str, note: str, current: StoredPolicy | None, as_json: bool
) -> StoredPolicy:
    base = current.version if current is not None else None
    try:
        return store.append(text, who=getpass.getuser(), note=note, base_version=base)
    except VersionConflict as conflict:
        _refuse(str(conflict), as_json)


def _find(versions: list[StoredPolicy], version: int, as_json: bool) -> StoredPolicy:
    for stored in versions:
        if stored.version == version:
            return stored
    known = f"there are versions 1 to {versions[0].version}" if versions else "no policy was ever applied"
    _refuse(f"There is no version {version}: {known}.", as_json)


def _document_of(current: StoredPolicy | None) -> PolicyDocument | None:
    """The document in force. A stored one that this release no longer understands compares as if empty."""
    text = current.text if current is not None else _embedded_default()
    try:
        return policy.load(text, filename=_title(current))
    except PolicyErrors:
        return None


def _embedded_default() -> str:
    return policy.default_policy(os.environ, "")


def _title(current: StoredPolicy | None) -> str:
    return "the embedded default" if current is None else f"version {current.version}"


def _version(current: StoredPolicy | None) -> int:
    return 0 if current is None else current.version


def _when(version: StoredPolicy) -> str:
    return datetime.datetime.fromtimestamp(version.at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _without_text(version: StoredPolicy) -> dict[str, Any]:
    return {k: v for k, v in msgspec.structs.asdict(version).items() if k != "text"}


def _plain(changes: list[Change]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(change) for change in changes]


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
