"""The command tree, with each branch imported when it is first asked for."""

import importlib
import sys
from typing import Any

import click
import typer
from typer.core import TyperGroup

from waystation import __version__

_COMMANDS: dict[str, tuple[str, str, str]] = {
    # name: (module, attribute, help)
    "serve": ("waystation.cli.serve", "app", "Start the gateway."),
    "usage": ("waystation.cli.usage", "app", "Who spent what, on what, when."),
    "policy": ("waystation.cli.policy", "app", "Check, compare, apply and roll back the policy."),
    "rehearsal": ("waystation.cli.rehearsal", "app", "Run the rehearsal provider by itself."),
    "sign-in-link": (
        "waystation.cli.people",
        "sign_in_link",
        "Print a fresh one-time sign-in link for an owner.",
    ),
    "users": ("waystation.cli.people", "users", "List, add and disable people."),
    "sessions": ("waystation.cli.people", "sessions", "List and revoke sign-ins."),
    "token": ("waystation.cli.token", "app", "Mint a token for a service account."),
}


class _LazyGroup(TyperGroup):
    """Knows the names of all commands, and imports only the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if _only_listing():
            return click.Command(cmd_name, help=entry[2], short_help=entry[2])
        module, attribute, _ = entry
        found: Any = getattr(importlib.import_module(module), attribute)
        command: click.Command = typer.main.get_command(found) if isinstance(found, typer.Typer) else found
        command.name = cmd_name
        return command


def _only_listing() -> bool:
    """Whether this run only prints the list of commands, which needs none of them."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    return not words or words[0] not in _COMMANDS


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, rich_markup_mode="rich")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"waystation {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """One governed door between every coding agent and every model."""
    _ = version


def main() -> None:
    app()
