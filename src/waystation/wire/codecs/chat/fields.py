"""One field of a tool's request, checked. What is missing or null is unset; what has the wrong type is a BadBody
that names the field."""

from typing import Any

from waystation.wire.bad_body import BadBody


def wrong(where: str, wanted: str) -> BadBody:
    return BadBody(f"The field '{where}' must be {wanted}.", param=where)


def number(raw: dict[str, Any], name: str) -> float | None:
    value = raw.get(name)
    if value is None or type(value) in (float, int):
        return value
    raise wrong(name, "a number")


def integer(raw: dict[str, Any], name: str) -> int | None:
    value = raw.get(name)
    if value is None or type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise wrong(name, "a whole number")


def boolean(raw: dict[str, Any], name: str, where: str = "") -> bool | None:
    value = raw.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise wrong(f"{where}.{name}" if where else name, "true or false")


def string(raw: dict[str, Any], name: str, where: str = "") -> str:
    """Empty where it is unset."""
    value = raw.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise wrong(f"{where}.{name}" if where else name, "a string")


def array(raw: dict[str, Any], name: str, where: str = "") -> list[Any]:
    """Empty where it is unset."""
    value = raw.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise wrong(f"{where}.{name}" if where else name, "an array")


def object_in(raw: dict[str, Any], name: str, where: str = "") -> dict[str, Any] | None:
    value = raw.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise wrong(f"{where}.{name}" if where else name, "an object")
