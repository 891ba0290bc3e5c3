"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(envvar="WAYSTATION_DATA", help="Where the gateway keeps everything.")]
DEFAULT_DATA = Path("~/.waystation")
Database = Annotated[
    str,
    typer.Option(envvar="WAYSTATION_DATABASE", help="SQLAlchemy URL; SQLite in the data folder if absent."),
]
Lake = Annotated[
    str, typer.Option(envvar="WAYSTATION_LAKE", help="The `requests` table, if not in the data folder.")
]
