"""Providers' lists of models on disk, so that a start without a network still knows them."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from waystation.policy import ProviderList

_log = logging.getLogger("waystation.models")
_NAME = "models.json"


class _File(msgspec.Struct, frozen=True):
    version: int
    providers: dict[str, ProviderList]


def read_lists(data: Path) -> dict[str, ProviderList]:
    """What was kept; nothing where there is nothing, or nothing that this version can read."""
    try:
        kept = msgspec.json.decode((data / _NAME).read_bytes(), type=_File)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("kept lists of models not read", extra={"fields": {"reason": type(error).__name__}})
        return {}
    return kept.providers if kept.version == 1 else {}


def write_lists(data: Path, lists: Mapping[str, ProviderList]) -> None:
    """Replaces the file whole. Raises OSError."""
    path = data / _NAME
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(msgspec.json.encode(_File(1, dict(lists))))
    temporary.replace(path)
