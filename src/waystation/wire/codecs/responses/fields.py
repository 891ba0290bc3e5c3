"""Fields of JSON that anybody may have written."""

from typing import Any

import msgspec

Json = dict[str, Any]


def string(raw: Json, field: str) -> str:
    """A field that is a string; empty where it is missing or something else."""
    value = raw.get(field)
    return value if isinstance(value, str) else ""


def compact(value: Any) -> str:
    """`value` as JSON; empty where it is nested too deeply to be written."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return ""
