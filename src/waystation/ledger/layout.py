"""Where the ledger lies in the gateway's data directory.

DATA/journal/<node>/     one journal a node
DATA/lake/requests/      the table, unless the lake is in an object store
"""

from pathlib import Path


def journal_directories(data: Path) -> list[Path]:
    """The journals of all nodes that keep theirs here."""
    parent = data / "journal"
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def lake_directory(data: Path) -> Path:
    return data / "lake" / "requests"
