"""A canonical conversation as JSON that people can read and edit: each part says its type, defaults are left out."""

import enum
import typing
from typing import Any

import msgspec

from waystation.model import Usage
from waystation.wire import canonical

_TYPES: dict[str, type[msgspec.Struct]] = {
    name: kind
    for name in canonical.__all__
    if isinstance(kind := getattr(canonical, name), type) and issubclass(kind, msgspec.Struct)
} | {"Usage": Usage}


def to_json(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        said = {"type": type(value).__name__}
        for field in msgspec.structs.fields(type(value)):
            inner = getattr(value, field.name)
            if inner != field.default and not (field.default_factory is not msgspec.NODEFAULT and not inner):
                said[field.name] = to_json(inner)
        return said
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value.value if isinstance(value, enum.Enum) else value


def from_json(value: Any) -> Any:
    """The inverse; what is not a Struct's own field (a schema, a grammar) stays plain JSON."""
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict) or value.get("type") not in _TYPES:
        return value
    kind = _TYPES[value["type"]]
    hints = typing.get_type_hints(kind)
    return kind(**{name: _field(hints[name], item) for name, item in value.items() if name != "type"})


def _field(hint: Any, value: Any) -> Any:
    for option in typing.get_args(hint) or (hint,):
        if isinstance(option, type) and issubclass(option, enum.Enum) and isinstance(value, str):
            return option(value)
        if (option is dict or typing.get_origin(option) is dict) and isinstance(value, dict):
            return value if value.get("type") not in _TYPES else from_json(value)
    return from_json(value)
