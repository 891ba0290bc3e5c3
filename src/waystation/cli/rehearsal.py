"""`waystation rehearsal`: the rehearsal provider by itself, for trying tools and gateways without keys."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from waystation.rehearsal import BadScript, RehearsalServer, Script, load_script

app = typer.Typer()


@app.command()
def rehearsal(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    script: Annotated[
        Path | None, typer.Option(help="YAML or JSON file of scripted answers and faults.", dir_okay=False)
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve scripted answers in every provider's protocol: no key and no model needed."""
    try:
        played = load_script(script) if script is not None else Script()
    except (BadScript, OSError) as bad:
        typer.echo(f"The script cannot be used: {bad}", err=True)
        raise typer.Exit(2) from None
    try:
        asyncio.run(_serve(played, host, port))
    except OSError as bad:
        typer.echo(f"Cannot listen on {host}:{port}: {bad.strerror or bad}", err=True)
        raise typer.Exit(1) from None


async def _serve(script: Script, host: str, port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with RehearsalServer(script, host=host, port=port, record=0) as server:
        typer.echo(f"The rehearsal provider is at {server.url} (scripted answers, not a real model).")
        addresses = (
            ("Anthropic", "/anthropic"),
            ("OpenAI", "/openai/v1"),
            ("Gemini", "/gemini"),
            ("Bedrock", "/bedrock"),
        )
        for name, path in addresses:
            typer.echo(f"  {name:<10} {server.url}{path}")
        await stopping.wait()


if __name__ == "__main__":
    app()
