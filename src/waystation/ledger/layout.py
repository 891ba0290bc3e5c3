"""Where the ledger lies in the gateway's data directory.

DATA/journal/<node>/     one journal a node
DATA/lake/requests/      the table, unless the lake is in an object store
"""

import sys
from pathlib import Path


def journal_directory(data: Path, node: str) -> Path:
    return data / "journal" / node


def journal_directories(data: Path) -> list[Path]:
    """The journals of all nodes that keep theirs here."""
    parent = data / "journal"
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def lake_directory(data: Path) -> Path:
    return data / "lake" / "requests"


def drain_command(data: Path, node: str, *, interval: float = 30.0, lake: str | None = None) -> list[str]:
    """The command of the lake writer, to be started as a child: it ends when its parent does.

    SIGTERM makes it move what is left and end; send it after the journal is closed.
    """
    return [
        sys.executable,
        *("-m", "waystation.ledger.drain"),
        *("--journal", str(journal_directory(data, node))),
        *("--lake", lake or str(lake_directory(data))),
        *("--node", node),
        *("--interval", str(interval)),
    ]
