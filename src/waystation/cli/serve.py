"""`waystation serve`: start the gateway, and say what to type next."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from waystation.cli.options import DEFAULT_DATA, Data, Database

app = typer.Typer()


@app.command()
def serve(
    data: Data = DEFAULT_DATA,
    host: Annotated[str, typer.Option(envvar="WAYSTATION_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="WAYSTATION_PORT", help="Port; 0 takes any free one.")] = 8080,
    base_url: Annotated[
        str,
        typer.Option(envvar="WAYSTATION_BASE_URL", help="URL by which tools and browsers reach the gateway."),
    ] = "",
    policy: Annotated[Path | None, typer.Option(help="Policy file to apply at start.")] = None,
    database: Database = "",
    node: Annotated[
        str, typer.Option(envvar="WAYSTATION_NODE", help="Name of this node's journal.")
    ] = "node-1",
    lake_interval: Annotated[
        float, typer.Option(help="Seconds between drains of the journal to the lake.")
    ] = 30.0,
    discovery_interval: Annotated[
        float,
        typer.Option(
            envvar="WAYSTATION_DISCOVERY_INTERVAL",
            help="Seconds between looks at which models the providers list; 0 for never.",
        ),
    ] = 21600.0,
    valkey: Annotated[
        str,
        typer.Option(
            envvar="WAYSTATION_VALKEY",
            help="Valkey or Redis server through which gateways share limits, e.g. redis://host:6379/0.",
        ),
    ] = "",
    drain_timeout: Annotated[
        int, typer.Option(help="Seconds that streams get to finish after SIGTERM.")
    ] = 600,
    plain_asgi: Annotated[bool, typer.Option(help="Relay as plain ASGI (slower; a fallback).")] = False,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file: serve https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with its key.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_json: Annotated[
        bool | None, typer.Option("--log-json/--log-plain", help="By default JSON unless on a terminal.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the start-up facts as one JSON line.")
    ] = False,
) -> None:
    """Start the gateway on embedded defaults, or with a policy file."""
    from waystation.app import Settings, keep_large_blocks

    keep_large_blocks()  # before anything large is allocated
    import sys

    from waystation.app import logs, run
    from waystation.ledger import JournalBusy
    from waystation.policy import PolicyErrors
    from waystation.store import StoreError

    structured = not sys.stderr.isatty() if log_json is None else log_json
    logs.set_up(log_level, as_json=structured)
    settings = Settings(
        data=data.expanduser(),
        host=host,
        port=port,
        base_url=base_url,
        policy=policy,
        database=database,
        node=node,
        lake_interval=lake_interval,
        discovery_interval=discovery_interval,
        valkey=valkey,
        drain_timeout=drain_timeout,
        plain_asgi=plain_asgi,
        log_level=log_level,
        log_json=structured,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
    )
    try:
        run(settings, _print_json if as_json else _print_welcome)
    except PolicyErrors as errors:
        typer.echo(str(errors), err=True)
        raise typer.Exit(2) from None
    except (JournalBusy, StoreError) as error:  # their messages say what to do
        typer.echo(f"The gateway cannot start: {error}", err=True)
        raise typer.Exit(1) from None


def _own_command() -> str:
    """How this person can call us again: by name if that is on the PATH, else as they did."""
    import shutil
    import sys

    return "waystation" if shutil.which("waystation") else sys.argv[0]


def _data_option(announcement: Any) -> str:
    """What must be said again for other commands to find this gateway's figures, if it is not where they look."""
    import os
    import shlex

    looked_at = os.environ.get("WAYSTATION_DATA", DEFAULT_DATA)
    if Path(looked_at).expanduser() == Path(announcement.data):
        return ""
    return f" --data {shlex.quote(announcement.data)}"


def _client(url: str) -> tuple[str, str]:
    """(the command that gets `way` on this machine, how it is called then). A fresh Debian has no curl; the client
    that came with the gateway does as well."""
    import shutil
    import sys

    beside = Path(sys.executable).parent / "way"
    if shutil.which("curl") is None and beside.exists():
        return f"{beside} login {url}", str(beside)
    return f"curl -fsS {url}/install | sh", "way"


def _print_json(announcement: Any) -> None:
    import msgspec

    typer.echo(json.dumps(msgspec.to_builtins(announcement)))


def _print_welcome(announcement: Any) -> None:
    from rich.console import Console
    from rich.text import Text

    text = Text("\n  ")
    text.append("Waystation", style="bold")
    text.append(f" is up at {announcement.url}\n")
    if announcement.rehearsal:
        text.append(
            "  No provider key was found: answers come from the built-in rehearsal provider.\n"
            "  It is not a model; it plays along, so that you can try everything without a key.\n",
            style="yellow",
        )
    steps: list[tuple[str, str, str]] = []
    if announcement.welcome:
        steps.append(
            ("Open this link (once, within 30 minutes) to become the owner:", announcement.welcome, "")
        )
    get_client, client = _client(announcement.url)
    steps += [
        ("In another terminal, get the client:", get_client, ""),
        ("Work:", f"{client} claude", "   or codex, gemini, opencode, qwen, pi, copilot, cn"),
        ("See who spent what:", f"{_own_command()} usage{_data_option(announcement)}", ""),
    ]
    for number, (what, command, note) in enumerate(steps, 1):
        text.append(f"\n  {number}. {what}\n     ")
        text.append(command, style="bold cyan")
        text.append(f"{note}\n")
    text.append("\n  Ctrl-C stops the gateway; streams in flight finish first.\n", style="dim")
    Console().print(text, soft_wrap=True)  # a link broken over two lines cannot be clicked
