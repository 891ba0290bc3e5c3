"""What the installer wrote down. Its own module, so that signing in does not load the installer."""

from __future__ import annotations

import json
import os

from way import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def record_path() -> str:
    return os.path.join(paths.data(), "installed.json")


def record() -> dict[str, Any]:
    """{} where way was not put here by its installer (a checkout, a package manager)."""
    raw = paths.read(record_path())
    try:
        found = json.loads(raw) if raw is not None else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def gateway() -> str:
    """The gateway that way was downloaded from, or ""."""
    found = record().get("gateway")
    return found if isinstance(found, str) else ""
