"""Opening a Delta table that may not be there yet."""

from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError


def open_table(address: str) -> DeltaTable | None:
    """The table in a folder or at a URL; None where there is none."""
    if "://" not in address and not (Path(address) / "_delta_log").is_dir():
        return None
    try:
        return DeltaTable(address)
    except TableNotFoundError:
        return None
