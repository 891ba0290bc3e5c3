"""Changing one value in somebody else's JSON file and nothing else: not its comments, order or spacing.

Understands JSON with `//` and `/* */` comments and trailing commas, as the coding tools' settings allow.
All functions raise ValueError for text that is not such an object; positions are offsets into the text.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MISSING: Any = object()
_DEEPEST = 100


class _Member:
    __slots__ = ("end", "key", "start", "value")

    def __init__(self, key: str, start: int, value: _Value) -> None:
        self.key = key
        self.start = start
        self.value = value
        self.end = value.end


class _Value:
    """A value's span; `members` are those of an object, None for anything else."""

    __slots__ = ("data", "end", "members", "start")

    def __init__(self, start: int, end: int, data: object, members: list[_Member] | None) -> None:
        self.start = start
        self.end = end
        self.data = data
        self.members = members

    def find(self, key: str) -> _Member | None:
        """The last one of that name: the one that parsers take."""
        found = [member for member in self.members or () if member.key == key]
        return found[-1] if found else None


def parse(text: str) -> Any:
    return _document(text).data


def get(text: str, path: Sequence[str]) -> Any:
    """The value at the path, MISSING where there is none."""
    value: _Value | None = _document(text)
    for key in path:
        member = value.find(key) if value is not None else None
        value = member.value if member else None
    return MISSING if value is None else value.data


def literal(text: str, path: Sequence[str]) -> str | None:
    """The value's own text, None where there is none."""
    value: _Value | None = _document(text)
    for key in path:
        member = value.find(key) if value is not None else None
        value = member.value if member else None
    return None if value is None else text[value.start : value.end]


def put(text: str, path: Sequence[str], value_text: str) -> str:
    """The text with this literal at the path; objects on the way are made where they are missing."""
    here = _document(text)
    for depth, key in enumerate(path):
        if here.members is None:
            raise ValueError(f"{'.'.join(path[:depth])} is not an object")
        member = here.find(key)
        if member is None:
            return _insert(text, here, path[depth:], value_text)
        here = member.value
    return text[: here.start] + value_text + text[here.end :]


def drop(text: str, path: Sequence[str]) -> str:
    """The text without the member at the path; the same text where there is none."""
    here = _document(text)
    for key in path[:-1]:
        member = here.find(key)
        if member is None:
            return text
        here = member.value
    member = here.find(path[-1])
    if member is None:
        return text
    start, end = member.start, member.end
    after = _skip(text, end)
    if text[after : after + 1] == ",":
        end = after + 1
        return text[:start] + text[_skip(text, end) :] if _skip(text, end) < len(text) else text[:start]
    earlier = [m for m in here.members or () if m.end <= start]
    if earlier:
        comma = text.index(",", earlier[-1].end)
        start = comma
    else:
        start = here.start + 1
        end = max(end, here.end - 1) if not text[end : here.end - 1].strip() else end
    return text[:start] + text[end:]


def _insert(text: str, parent: _Value, path: Sequence[str], value_text: str) -> str:
    for key in reversed(path[1:]):
        value_text = f"{{{json.dumps(key)}: {value_text}}}"
    member = f"{json.dumps(path[0])}: {value_text}"
    members = parent.members or []
    if not members:
        return text[: parent.start + 1] + member + text[parent.start + 1 :]
    last = members[-1]
    first = members[0].start
    lead = text[parent.start + 1 : first]
    gap = "\n" + lead.rpartition("\n")[2] if "\n" in lead else " "
    if gap.strip():
        gap = "\n"
    return text[: last.end] + "," + gap + member + text[last.end :]


def _document(text: str) -> _Value:
    value = _value(text, _skip(text, 1 if text.startswith("\ufeff") else 0), 0)
    if _skip(text, value.end) != len(text):
        raise ValueError("there is something after the end")
    if value.members is None:
        raise ValueError("it is not an object")
    return value


def _value(text: str, at: int, depth: int) -> _Value:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    opening = text[at : at + 1]
    if opening == "{":
        return _object(text, at, depth)
    if opening == "[":
        return _array(text, at, depth)
    data, end = _DECODER.raw_decode(text, at)  # a JSONDecodeError is a ValueError
    return _Value(at, end, data, None)


_DECODER = json.JSONDecoder()


def _object(text: str, start: int, depth: int) -> _Value:
    members: list[_Member] = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        key, end = _DECODER.raw_decode(text, at)
        if not isinstance(key, str):
            raise ValueError("a name is not a string")
        colon = _skip(text, end)
        if text[colon : colon + 1] != ":":
            raise ValueError(f"a colon is missing after {key!r}")
        value = _value(text, _skip(text, colon + 1), depth + 1)
        members.append(_Member(key, at, value))
        at = _after_item(text, value.end, "}")
    return _Value(start, at + 1, {m.key: m.value.data for m in members}, members)


def _array(text: str, start: int, depth: int) -> _Value:
    items: list[object] = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "]":
        value = _value(text, at, depth + 1)
        items.append(value.data)
        at = _after_item(text, value.end, "]")
    return _Value(start, at + 1, items, None)


def _after_item(text: str, at: int, closing: str) -> int:
    at = _skip(text, at)
    following = text[at : at + 1]
    if following == ",":
        return _skip(text, at + 1)
    if following != closing:
        raise ValueError(f"a comma or {closing} is missing")
    return at


def _skip(text: str, at: int) -> int:
    """Past white space and comments."""
    while True:
        while text[at : at + 1] in (" ", "\t", "\n", "\r") and at < len(text):
            at += 1
        if text.startswith("//", at):
            newline = text.find("\n", at)
            at = len(text) if newline < 0 else newline + 1
        elif text.startswith("/*", at):
            closing = text.find("*/", at + 2)
            if closing < 0:
                raise ValueError("a comment does not end")
            at = closing + 2
        else:
            return at
