"""Decoding what a provider or a newer tool sent, without demanding that we know all of it.

Unknown fields are skipped; a known field of an unexpected type is as good as missing, and spoils nothing
beside it.
"""

import types
import typing
from typing import Annotated, Any, TypeVar

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A number of tokens or calls; anything else that claims to be one is not believed."""

T = TypeVar("T", bound=msgspec.Struct)


def decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T | None:
    """`data` as the decoder's struct; None if it is not JSON, or not an object."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        return _salvage_json(data, decoder.type)
    except UnicodeDecodeError:
        return _salvage_json(data.decode("utf-8", "replace").encode(), decoder.type)
    except (msgspec.DecodeError, RecursionError):
        return None


def _salvage_json(data: bytes, into: type[T]) -> T | None:
    try:
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
    return salvage(value, into) if isinstance(value, dict) else None


def salvage(value: dict[str, Any], into: type[T]) -> T:
    """Each field of `into` that can be had from `value`; the others keep their defaults."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(into):
        if field.encode_name not in value:
            continue
        item = value[field.encode_name]
        try:
            found[field.name] = msgspec.convert(item, field.type, strict=False)
        except (msgspec.ValidationError, RecursionError):
            nested, many = _struct_in(field.type)
            if nested is None:
                continue
            if many and isinstance(item, list):
                found[field.name] = [salvage(part, nested) for part in item if isinstance(part, dict)]
            elif not many and isinstance(item, dict):
                found[field.name] = salvage(item, nested)
    return into(**found)


def _struct_in(annotation: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The struct in `S | None` or `list[S] | None`, and whether it is a list of them."""
    options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    for option in options:
        many = typing.get_origin(option) is list
        inner = typing.get_args(option)[0] if many else option
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return inner, many
    return None, False


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
