"""SCIM's filters and paths (RFC 7644 sections 3.4.2.2 and 3.5.2): read strictly, evaluated over plain JSON. Pure."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from waystation.identity.scim.errors import ScimError, invalid_filter, invalid_path

_LONGEST = 4096
_DEEPEST = 32
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\\x00-\x1f]|\\.)*")|(?P<mark>[()\[\]])|(?P<word>[^\s()\[\]"]+))""", re.DOTALL
)
_NAME = re.compile(
    r"(?:(?P<urn>urn:[A-Za-z0-9.:_-]+):)?(?P<name>\$?[A-Za-z][A-Za-z0-9_$-]*)(?:\.(?P<sub>\$?[A-Za-z][A-Za-z0-9_$-]*))?"
)
_CASE_EXACT = frozenset({"id", "externalid", "value", "$ref"})
_NOTHING = object()


class AttributePath(msgspec.Struct, frozen=True):
    """`name`, `name.sub`, or either of an extension schema."""

    name: str
    sub: str = ""
    schema: str = ""
    """The extension's URN; empty for the core schema."""


class Compare(msgspec.Struct, frozen=True):
    path: AttributePath
    operator: str
    value: Any = None


class Both(msgspec.Struct, frozen=True):
    left: "Filter"
    right: "Filter"


class Either(msgspec.Struct, frozen=True):
    left: "Filter"
    right: "Filter"


class Negated(msgspec.Struct, frozen=True):
    inner: "Filter"


class Within(msgspec.Struct, frozen=True):
    """`emails[type eq "work"]`: one element for which all of it holds."""

    path: AttributePath
    inner: "Filter"


Filter: TypeAlias = Compare | Both | Either | Negated | Within


class PatchPath(msgspec.Struct, frozen=True):
    """`name`, `name.sub`, `name[filter]` or `name[filter].sub`."""

    path: AttributePath
    inner: Filter | None = None
    sub: str = ""


def parse_filter(text: str) -> Filter:
    """Raises ScimError (`invalidFilter`), whatever the text is."""
    parser = _Parser(text, invalid_filter)
    found = parser.either(0)
    parser.end()
    return found


def parse_path(text: str) -> PatchPath:
    """Raises ScimError (`invalidPath`)."""
    head, bracket, rest = text.partition("[")
    path = attribute_path(head.strip(), invalid_path)
    if not bracket:
        return PatchPath(path, None, path.sub)
    inner_text, closed, tail = rest.rpartition("]")
    if not closed or path.sub:
        raise invalid_path(f"The path {text[:80]!r} cannot be read.")
    parser = _Parser(inner_text, invalid_path)
    inner = parser.either(0)
    parser.end()
    if not tail:
        return PatchPath(path, inner)
    if not re.fullmatch(r"\.\$?[A-Za-z][A-Za-z0-9_$-]*", tail):
        raise invalid_path(f"The path {text[:80]!r} cannot be read.")
    return PatchPath(path, inner, tail[1:])


def attribute_path(text: str, refuse: Callable[[str], ScimError] = invalid_filter) -> AttributePath:
    match = _NAME.fullmatch(text) if len(text) <= 512 else None
    if match is None:
        raise refuse(f"{text[:80]!r} is not the name of an attribute.")
    schema = match["urn"] or ""
    if schema.startswith("urn:ietf:params:scim:schemas:core:2.0:"):
        schema = ""
    return AttributePath(match["name"], match["sub"] or "", schema)


class _Parser:
    def __init__(self, text: str, refuse: Callable[[str], ScimError]) -> None:
        self._refuse = refuse
        if len(text) > _LONGEST:
            raise refuse("The filter is too long.")
        self._tokens = list(self._scan(text))
        self._at = 0

    def _scan(self, text: str) -> Iterator[str]:
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._refuse(f"The filter cannot be read at character {position + 1}.")
            yield match["text"] or match["mark"] or match["word"]
            position = match.end()

    def either(self, depth: int) -> Filter:
        found = self._both(depth)
        while self._word("or"):
            found = Either(found, self._both(depth))
        return found

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._refuse(f"The filter goes on where it should end: {self._tokens[self._at][:40]!r}.")

    def _both(self, depth: int) -> Filter:
        found = self._term(depth)
        while self._word("and"):
            found = Both(found, self._term(depth))
        return found

    def _term(self, depth: int) -> Filter:
        if depth >= _DEEPEST or self._at > 512:
            raise self._refuse("The filter is nested too deeply, or has too many terms.")
        if self._peek() == "(":
            return self._bracketed(depth, ")")
        if self._peek().lower() == "not" and self._peek(1) == "(":
            self._take()
            return Negated(self._bracketed(depth, ")"))
        path = attribute_path(self._take(), self._refuse)
        if self._peek() == "[":
            return Within(path, self._bracketed(depth, "]"))
        operator = self._take().lower()
        if operator == "pr":
            return Compare(path, operator)
        if operator not in _OPERATORS:
            raise self._refuse(f"{operator[:40]!r} is not one of {', '.join(_OPERATORS)} and pr.")
        return Compare(path, operator, self._value())

    def _bracketed(self, depth: int, closing: str) -> Filter:
        self._take()
        found = self.either(depth + 1)
        if self._take() != closing:
            raise self._refuse(f"A {closing!r} is missing in the filter.")
        return found

    def _value(self) -> Any:
        token = self._take()
        try:
            value = msgspec.json.decode(token if token.startswith('"') else token.lower())
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise self._refuse(f"{token[:40]!r} is not a value: texts stand in double quotes.") from None
        if isinstance(value, list | dict):
            raise self._refuse("A value is a text, a number, true, false or null.")
        return value

    def _peek(self, ahead: int = 0) -> str:
        position = self._at + ahead
        return self._tokens[position] if position < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise self._refuse("The filter ends too early.")
        self._at += 1
        return token

    def _word(self, word: str) -> bool:
        if self._peek().lower() == word:
            self._at += 1
            return True
        return False


def matches(wanted: Filter, resource: dict[str, Any]) -> bool:
    """Whether the filter holds for a resource, or for one element of a multi-valued attribute."""
    if isinstance(wanted, Both):
        return matches(wanted.left, resource) and matches(wanted.right, resource)
    if isinstance(wanted, Either):
        return matches(wanted.left, resource) or matches(wanted.right, resource)
    if isinstance(wanted, Negated):
        return not matches(wanted.inner, resource)
    if isinstance(wanted, Within):
        found = lookup(resource, wanted.path)
        elements = found if isinstance(found, list) else [found]
        return any(isinstance(element, dict) and matches(wanted.inner, element) for element in elements)
    return _compare(wanted, resource)


def lookup(resource: dict[str, Any], path: AttributePath) -> Any:
    """The value at a path by names that are compared without case; an own `_NOTHING` where there is none."""
    inside: Any = resource
    if path.schema:
        inside = child(inside, path.schema)
    return child(inside, path.name)


def child(inside: Any, name: str) -> Any:
    if isinstance(inside, dict):
        if name in inside:
            return inside[name]
        lower = name.lower()
        for key, value in inside.items():
            if key.lower() == lower:
                return value
    return _NOTHING


def absent(value: Any) -> bool:
    return value is _NOTHING


def _compare(wanted: Compare, resource: dict[str, Any]) -> bool:
    found = lookup(resource, wanted.path)
    values = found if isinstance(found, list) else [found]
    name = wanted.path.sub or wanted.path.name
    if wanted.path.sub:
        values = [child(value, wanted.path.sub) for value in values]
    elif wanted.operator != "pr" and any(isinstance(value, dict) for value in values):
        values = [child(value, "value") for value in values]  # what a multi-valued attribute stands for
    present = [
        value for value in values if value is not _NOTHING and value is not None and value not in ("", [], {})
    ]
    if wanted.operator == "pr":
        return bool(present)
    if wanted.operator == "ne":
        return not any(_OPERATORS["eq"](*_comparable(value, wanted.value, name)) for value in present)
    if wanted.value is None:
        return wanted.operator == "eq" and not present
    return any(_OPERATORS[wanted.operator](*_comparable(value, wanted.value, name)) for value in present)


def _comparable(found: Any, value: Any, name: str) -> tuple[Any, Any]:
    if isinstance(found, bool) and isinstance(value, str):  # Entra writes `active eq "True"`
        value = {"true": True, "false": False}.get(value.lower(), value)
    if isinstance(found, str) and isinstance(value, str) and name.lower() not in _CASE_EXACT:
        return found.lower(), value.lower()
    return found, value


def _alike(found: Any, value: Any) -> bool:
    numbers = isinstance(found, int | float) and isinstance(value, int | float)
    return (type(found) is type(value) or numbers) and isinstance(found, bool) == isinstance(value, bool)


def _ordered(found: Any, value: Any) -> bool:
    return _alike(found, value) and not isinstance(found, bool)


def _texts(found: Any, value: Any) -> bool:
    return isinstance(found, str) and isinstance(value, str)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda found, value: _alike(found, value) and bool(found == value),
    "ne": lambda found, value: not (_alike(found, value) and bool(found == value)),
    "co": lambda found, value: _texts(found, value) and value in found,
    "sw": lambda found, value: _texts(found, value) and found.startswith(value),
    "ew": lambda found, value: _texts(found, value) and found.endswith(value),
    "gt": lambda found, value: _ordered(found, value) and bool(found > value),
    "ge": lambda found, value: _ordered(found, value) and bool(found >= value),
    "lt": lambda found, value: _ordered(found, value) and bool(found < value),
    "le": lambda found, value: _ordered(found, value) and bool(found <= value),
}
