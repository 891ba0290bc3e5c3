"""What rating history again has changed, for people and for programs."""

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from waystation.billing.rerate import Rerating
from waystation.cli.usage_table import printable
from waystation.ledger.summary import dollars


def rerating_json(found: Rerating, *, dry_run: bool) -> str:
    document = {"dry_run": dry_run} | msgspec.to_builtins(found)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def print_rerating(console: Console, found: Rerating, *, dry_run: bool) -> None:
    looked = f"{found.attempts:,} attempts looked at, price book {found.price_version}."
    if not found.changes:
        console.print(Text(f"Nothing changes: {looked}"), soft_wrap=True)
    else:
        console.print(_table(found))
        changed = sum(change.attempts for change in found.changes)
        done = "would be appended" if dry_run else "appended to the rerates table"
        console.print(Text(f"{changed:,} corrections {done}; {looked}"), soft_wrap=True)
    if found.unknown:
        console.print(
            Text(
                f"{found.unknown:,} attempts have no price in this book; they stay as they are.", style="dim"
            ),
            soft_wrap=True,
        )


def _table(found: Rerating) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in ("Month", "Provider", "Model"):
        table.add_column(heading)
    for heading in ("Attempts", "Before (USD)", "After (USD)", "Change (USD)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for change in found.changes:
        figures = (change.before_nano, change.after_nano, change.after_nano - change.before_nano)
        table.add_row(
            change.month,
            Text(printable(change.provider)),
            Text(printable(change.model)),
            f"{change.attempts:,}",
            *(dollars(nano, thousands=",") for nano in figures),
        )
    return table
