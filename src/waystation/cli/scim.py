"""`waystation scim …`: tokens for the company's directory, which keeps people and groups up to date."""

from typing import Annotated

import typer

from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.cli.people import AsJson, identity_service, print_json, print_table, when
from waystation.identity import OPERATOR

app = typer.Typer(no_args_is_help=True, help="Let the company's directory in (SCIM 2.0).")
token = typer.Typer(no_args_is_help=True, help="Tokens of provisioners.")
app.add_typer(token, name="token")


@token.command("add")
def add(
    label: Annotated[str, typer.Argument(help="What it is for, e.g. Okta.")],
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Make a token for a directory's provisioning. It is shown once and kept nowhere."""
    with identity_service(data, database) as (service, url):
        made, secret = service.add_provisioner(label, by=OPERATOR)
    address = f"{url}/scim/v2"
    if as_json:
        print_json({"id": made.id, "label": made.label, "url": address, "token": secret})
        return
    typer.echo(
        f"For {label}, in the directory's own words:\n\n  Base URL   {address}\n  Token      {secret}\n"
    )
    typer.echo(f"It is not shown again. To end it: waystation scim token revoke {made.id}")


@token.command("list")
def list_tokens(data: Data = DEFAULT_DATA, database: Database = "", as_json: AsJson = False) -> None:
    """Show who may provision, and when they last did."""
    with identity_service(data, database) as (service, _):
        found = service.provisioners(by=OPERATOR)
    if as_json:
        print_json({"provisioners": found})
        return
    rows = [
        (
            p.id,
            p.label,
            when(p.created_at),
            when(p.used_at) if p.used_at else "never",
            "revoked" if p.revoked_at else "",
        )
        for p in found
    ]
    print_table(("id", "for", "made", "last here", ""), rows)


@token.command("revoke")
def revoke(
    provisioner: Annotated[str, typer.Argument(help="Its id, from `waystation scim token list`.")],
    data: Data = DEFAULT_DATA,
    database: Database = "",
) -> None:
    """Refuse a provisioner's token from now on. People and groups stay as they are."""
    with identity_service(data, database) as (service, _):
        service.end_provisioner(provisioner, by=OPERATOR)
    typer.echo("It may not come in any more.")
