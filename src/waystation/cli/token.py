"""`waystation token mint`: an access token for a service account (CI, a batch job, a benchmark).

It works on the gateway's own files, like `waystation users`. The token is printed once, kept nowhere, lives an
hour at most and cannot be renewed: whatever uses it asks for another one.
"""

import datetime
import re
from typing import Annotated

import typer

from waystation import identity
from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.identity import BASE_URL, OPERATOR, NotAllowed
from waystation.model import PrincipalKind
from waystation.store import NameTaken, SealError, open_store

app = typer.Typer(no_args_is_help=True)
_USUAL = "http://127.0.0.1:8080"
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST = 3600


@app.callback()
def token() -> None:
    """Mint a token for a service account."""


@app.command()
def mint(
    user: Annotated[str, typer.Option(help="Name of the service account; added if there is none.")],
    ttl: Annotated[str, typer.Option(help="How long it is good for: 15m, 1h (the most).")] = "30m",
    data: Data = DEFAULT_DATA,
    database: Database = "",
    base_url: Annotated[
        str,
        typer.Option(envvar="WAYSTATION_BASE_URL", help="Address of the gateway, if not as last started."),
    ] = "",
) -> None:
    """Print an access token on standard output, and when it expires on standard error."""
    lifetime = _seconds(ttl)
    try:
        store = open_store(data.expanduser(), database or None)
        try:
            url = base_url.rstrip("/") or store.facts.get(BASE_URL) or _USUAL
            service = identity.build(store, base_url=url, agents=lambda _principal: {}).service
            if store.users.find(user) is None:
                service.add_user(user, by=OPERATOR, kind=PrincipalKind.SERVICE)
            minted = service.service_token(user, by=OPERATOR, lifetime=lifetime)
        finally:
            store.close()
    except (NotAllowed, NameTaken, SealError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    ends = datetime.datetime.fromtimestamp(minted.expires_at, datetime.UTC).astimezone()
    typer.echo(f"For {user} at {url}, until {ends:%Y-%m-%d %H:%M:%S}.", err=True)
    typer.echo(minted.access_token)


def _seconds(ttl: str) -> int:
    """`90s`, `15m`, `1h` as seconds. Ends the command with a sentence where it is none of these or too long."""
    found = re.fullmatch(r"(\d{1,5})([smh])", ttl.strip().lower())
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise typer.BadParameter(
            f"{ttl!r} is not a time like 90s, 15m or 1h, of one hour at most", param_hint="--ttl"
        )
    return seconds
