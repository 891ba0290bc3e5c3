"""The command tree, with each branch imported when it is first asked for."""

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from waystation import __version__

_COMMANDS: dict[str, tuple[str, str, str]] = {
    # name: (module, attribute, help)
    "serve": ("waystation.cli.serve", "app", "Start the gateway."),
    "usage": ("waystation.cli.usage", "app", "Who spent what, on what, when."),
    "bill": ("waystation.cli.bill", "app", "The month's bill, its exports, and what providers say."),
    "models": ("waystation.cli.models", "app", "What can be asked for, what it costs, who may."),
    "limits": ("waystation.cli.limits", "app", "Who reached a limit lately, and who is near one now."),
    "budget": ("waystation.cli.limits", "budget", "Raise a budget for a time."),
    "policy": ("waystation.cli.policy", "app", "Check, compare, apply and roll back the policy."),
    "sign-in-link": ("waystation.cli.people", "sign_in_link", "Print a fresh one-time sign-in link."),
    "users": ("waystation.cli.people", "users", "List, add and switch off people and service accounts."),
    "sessions": ("waystation.cli.people", "sessions", "List and revoke sign-ins."),
    "audit": ("waystation.cli.audit", "app", "Verify and export the audit log."),
    "scim": ("waystation.cli.scim", "app", "Let the company's directory in (SCIM 2.0)."),
    "service-account": (
        "waystation.cli.service_account",
        "app",
        "Service accounts, and which CI may act as them.",
    ),
    "token": ("waystation.cli.token", "app", "Mint a token for a service account."),
    "rehearsal": ("waystation.cli.rehearsal", "app", "Run the rehearsal provider by itself."),
}


class _LazyGroup(TyperGroup):
    """Knows the names of all commands, and imports only the one that is run."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's signature
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, attribute, text = entry
        if _only_listing():
            return TyperCommand(cmd_name, help=text, short_help=text)
        command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
        command.name = cmd_name
        return command


def _only_listing() -> bool:
    """Whether this run only prints the list of commands, which needs none of them."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    return not words or words[0] not in _COMMANDS


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold keys
)


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
