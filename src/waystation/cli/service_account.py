"""`waystation service-account …`: accounts for CI and agents, and whose tokens they accept instead of a secret."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from waystation import identity
from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.cli.people import AsJson, open_control_state, print_json, print_table
from waystation.identity import BASE_URL, OPERATOR, Identity
from waystation.model import PrincipalKind
from waystation.store import Federation

app = typer.Typer(no_args_is_help=True, help="Service accounts, and which CI may act as them.")
_USUAL = "http://127.0.0.1:8080"


@contextmanager
def _identity(data: Path, database: str) -> Iterator[Identity]:
    with open_control_state(data, database) as store:
        base_url = store.facts.get(BASE_URL) or _USUAL
        yield identity.build(store, base_url=base_url, agents=lambda _principal: {})


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it is called, e.g. ci-payments.")],
    group: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="Repeatable. Default: member.")] = None,
    cost_center: Annotated[str, typer.Option(help="Who pays.")] = "",
    data: Data = DEFAULT_DATA,
    database: Database = "",
) -> None:
    """Add a service account. It has no secret: let CI in by `trust`, or mint a token with `waystation token mint`."""
    with _identity(data, database) as home:
        home.service.add_user(
            name,
            by=OPERATOR,
            roles=role or ("member",),
            groups=group or (),
            cost_center=cost_center,
            kind=PrincipalKind.SERVICE,
        )
    typer.echo(f"Added {name}.")


@app.command("trust")
def trust(
    name: Annotated[str, typer.Argument(help="The service account.")],
    issuer: Annotated[
        str, typer.Option(help="Who signs the tokens, e.g. https://token.actions.githubusercontent.com.")
    ],
    audience: Annotated[str, typer.Option(help="What the tokens must be made for.")],
    subject: Annotated[
        str, typer.Option(help="Which subjects, e.g. repo:acme/shop:ref:refs/heads/*; * stops at a colon.")
    ],
    private_network: Annotated[
        bool, typer.Option("--private-network", help="The issuer may be on the company's own network.")
    ] = False,
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Let tokens of a CI platform be exchanged for short access tokens of a service account (RFC 8693)."""
    with _identity(data, database) as home:
        made = home.machines.trust(
            name,
            issuer=issuer,
            audience=audience,
            subject=subject,
            network="private" if private_network else "public",
            by=OPERATOR,
        )
        address = f"{home.base_url}/oauth/token"
    if as_json:
        print_json(made)
        return
    typer.echo(f"{name} trusts {subject} of {issuer} ({made.id}).\nTokens are exchanged at {address}.")


@app.command("untrust")
def untrust(
    rule: Annotated[str, typer.Argument(help="Its id, from `waystation service-account list`.")],
    data: Data = DEFAULT_DATA,
    database: Database = "",
) -> None:
    """Exchange no further tokens by this rule."""
    with _identity(data, database) as home:
        home.machines.untrust(rule, by=OPERATOR)
    typer.echo(
        "Tokens by this rule are refused from now on; those that are out end within a quarter of an hour."
    )


@app.command("list")
def list_accounts(data: Data = DEFAULT_DATA, database: Database = "", as_json: AsJson = False) -> None:
    """Show service accounts and whom they trust."""
    with _identity(data, database) as home:
        found = home.machines.accounts(by=OPERATOR)
    if as_json:
        print_json(
            {"service_accounts": [{"name": a.name, "groups": a.groups, "federations": f} for a, f in found]}
        )
        return
    nobody: list[Federation | None] = [None]
    rows = [
        (account.name, " ".join(account.groups), rule.id if rule else "", rule.subject if rule else "nobody")
        for account, rules in found
        for rule in (rules or nobody)
    ]
    print_table(("name", "groups", "rule", "trusts"), rows)
