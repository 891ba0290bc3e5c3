"""`waystation sign-in-link`, `waystation users …`, `waystation sessions …`.

They work on the gateway's own files: whoever can read its data directory may do all of this. A running
gateway takes changes over within half a second.
"""

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from waystation import identity
from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.identity import BASE_URL, OPERATOR, IdentityService, NotAllowed, NotFound, session_fields
from waystation.model import PrincipalKind
from waystation.store import NameTaken, Store, StoreError, User, open_store

sign_in_link = typer.Typer(help="Print a fresh one-time sign-in link.")
users = typer.Typer(no_args_is_help=True, help="List, add and switch off people and service accounts.")
sessions = typer.Typer(no_args_is_help=True, help="List and revoke sign-ins.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_USUAL = "http://127.0.0.1:8080"


@sign_in_link.command()
def make_sign_in_link(
    name: Annotated[str | None, typer.Argument(help="Whose; the owner's if absent.")] = None,
    data: Data = DEFAULT_DATA,
    database: Database = "",
    base_url: Annotated[
        str,
        typer.Option(envvar="WAYSTATION_BASE_URL", help="Address of the gateway, if not as last started."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Print a one-time link that signs in whoever opens it first. It is good for 30 minutes."""
    with identity_service(data, database) as (service, known_url):
        link = service.sign_in_link(name, by=OPERATOR, base_url=base_url.rstrip("/") or known_url)
    if as_json:
        print_json({"url": link.url, "user": link.user_name, "expires_at": link.expires_at})
        return
    typer.echo(f"Signs in as {link.user_name}, once, within 30 minutes:\n\n  {link.url}\n")
    typer.echo("Open it in a browser, or in a terminal: way login --link <that link>")


@users.command("list")
def list_users(data: Data = DEFAULT_DATA, database: Database = "", as_json: AsJson = False) -> None:
    """Show everybody."""
    with identity_service(data, database) as (service, _):
        found = service.users(by=OPERATOR)
    if as_json:
        print_json({"users": [_user(user) for user in found]})
        return
    rows = [
        (
            user.name,
            user.kind.value,
            " ".join(user.roles),
            " ".join(user.groups),
            user.cost_center,
            _state(user),
        )
        for user in found
    ]
    print_table(("name", "kind", "roles", "groups", "cost centre", ""), rows)


@users.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="A mail address; for a service account, a name.")],
    role: Annotated[list[str] | None, typer.Option(help="Repeatable. Default: member.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    cost_center: Annotated[str, typer.Option(help="Who pays.")] = "",
    service: Annotated[bool, typer.Option("--service", help="A service account, not a person.")] = False,
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Add a person or a service account."""
    kind = PrincipalKind.SERVICE if service else PrincipalKind.USER
    with identity_service(data, database) as (service_, _):
        user = service_.add_user(
            name,
            by=OPERATOR,
            roles=role or ["member"],
            groups=group or [],
            cost_center=cost_center,
            kind=kind,
        )
    if as_json:
        print_json(_user(user))
        return
    typer.echo(f"Added {user.name} ({' '.join(user.roles)}).")
    if kind is PrincipalKind.USER:
        typer.echo(f"Let them in: waystation sign-in-link {user.name}")


@users.command("disable")
def disable_user(
    name: Annotated[str, typer.Argument(help="Name or id.")],
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Switch somebody off: every sign-in ends, every token is refused within a second."""
    with identity_service(data, database) as (service, _):
        user = service.disable_user(name, by=OPERATOR)
    if as_json:
        print_json({"id": user.id, "name": user.name, "active": False})
        return
    typer.echo(f"{user.name} is switched off. Undo: waystation users enable {user.name}")


@users.command("enable")
def enable_user(
    name: Annotated[str, typer.Argument(help="Name or id.")],
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Let somebody who was switched off sign in again."""
    with identity_service(data, database) as (service, _):
        user = service.enable_user(name, by=OPERATOR)
    if as_json:
        print_json({"id": user.id, "name": user.name, "active": True})
        return
    typer.echo(f"{user.name} may sign in again.")


@users.command("roles")
def set_roles(
    name: Annotated[str, typer.Argument(help="Whose.")],
    role: Annotated[list[str], typer.Option(help="Repeatable: exactly these, from their next request on.")],
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Give somebody exactly these roles: owner, admin, auditor, finance, member."""
    with identity_service(data, database) as (service, _):
        user = service.set_roles(name, role, by=OPERATOR)
    if as_json:
        print_json(_user(user))
        return
    typer.echo(f"{user.name}: {' '.join(user.roles)}")


@sessions.command("list")
def list_sessions(data: Data = DEFAULT_DATA, database: Database = "", as_json: AsJson = False) -> None:
    """Show who is signed in where."""
    with identity_service(data, database) as (service, _):
        found = service.sessions(by=OPERATOR)
    if as_json:
        print_json({"sessions": [session_fields(session) for session in found]})
        return
    rows = [
        (
            session.id,
            session.user_name,
            session.client,
            session.device,
            session.address,
            when(session.used_at),
        )
        for session in found
    ]
    print_table(("session", "who", "by", "device", "address", "last used"), rows)


@sessions.command("revoke")
def revoke_session(
    session: Annotated[str, typer.Argument(help="Its id, from `waystation sessions list`.")],
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Sign a device or browser out; its tokens are refused within a second."""
    with identity_service(data, database) as (service, _):
        ended = service.end_session(session, by=OPERATOR)
    if as_json:
        print_json({"id": ended.id, "user": ended.user_name, "revoked": True})
        return
    typer.echo(f"{ended.user_name} is signed out on {ended.device or ended.client}.")


@contextmanager
def open_control_state(data: Path, database: str) -> Iterator[Store]:
    """The gateway's control state, from its files. Turns the room's errors into one line and exit status 1."""
    folder = data.expanduser()
    if not (folder / "master.key").exists():
        _fail(
            f"There is no gateway's data in {folder}: start it once with `waystation serve`, or give --data."
        )
    try:
        store = open_store(folder, database or None)
        try:
            yield store
        finally:
            store.close()
    except (NotAllowed, NotFound, NameTaken, StoreError, ValueError) as error:
        _fail(str(error))


@contextmanager
def identity_service(data: Path, database: str) -> Iterator[tuple[IdentityService, str]]:
    """The identity service over the gateway's files, and the address the gateway was last started under."""
    with open_control_state(data, database) as store:
        base_url = store.facts.get(BASE_URL) or _USUAL
        built = identity.build(store, base_url=base_url, agents=lambda _principal: {})
        yield built.service, base_url


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: names are not markup
    Console().print(table if rows else "Nobody.")


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "kind": user.kind.value,
        "roles": user.roles,
        "groups": user.groups,
        "cost_center": user.cost_center,
        "active": user.active,
        "created_at": user.created_at,
    }


def _state(user: User) -> str:
    return "" if user.active else "switched off"


def when(at: int) -> str:
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M")
