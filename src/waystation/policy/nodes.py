"""YAML (or JSON, which is YAML) as a tree whose every value knows its line and column.

Read as YAML 1.2's core schema: `no`, `on` and `2026-01-01` are text, as the published schema says.
Refused: tags, anchors and aliases (a policy does not need them, and they are how small files become huge),
duplicate keys, keys that are not plain text, several documents in a file, more than `MAX_DEPTH` levels,
more than `MAX_NODES` values.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal

import yaml

from waystation.policy.errors import Path, PolicyError, render_path

MAX_LENGTH = 4 * 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 200_000

Kind = Literal["map", "list", "text", "int", "float", "bool", "null"]

_PLAIN: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"~|null|Null|NULL|"), "null"),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), "bool"),
    (re.compile(r"[-+]?[0-9]+"), "int"),
    (
        re.compile(
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
        ),
        "float",
    ),
)
_JSON_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a pair: it is text in Python, but in no encoding."""
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node:
    """A value with its place. `text` holds a scalar as written; `items` a list; `fields` a map, in order."""

    __slots__ = ("column", "fields", "items", "keys", "kind", "line", "text")

    def __init__(self, kind: Kind, line: int, column: int, text: str = "") -> None:
        self.kind = kind
        self.line = line
        self.column = column
        self.text = text
        self.items: list[Node] = []
        self.fields: dict[str, Node] = {}
        self.keys: dict[str, Node] = {}
        """The keys' own places, for errors about a key."""

    def at(self, path: Path) -> "Node":
        """The node at `path`, or the nearest one above it that exists."""
        node = self
        for step in path:
            below = node.child(step)
            if below is None:
                break
            node = below
        return node

    def child(self, step: str | int) -> "Node | None":
        """The value under a key, or at an index, of this node; None if there is none."""
        if isinstance(step, int):
            return self.items[step] if 0 <= step < len(self.items) else None
        return self.fields.get(step)

    def has(self, path: Path) -> bool:
        """Whether something other than null is written at `path`."""
        return path[-1] in self.names_at(path[:-1]) and self.at(path).kind != "null"

    def names_at(self, path: Path) -> tuple[str, ...]:
        """The keys of the map that stands at exactly `path`; none if there is no map."""
        node: Node | None = self
        for step in path:
            node = None if node is None else node.child(step)
        return tuple(node.fields) if node is not None else ()

    def key_at(self, path: Path) -> "Node":
        """The key under which the last step of `path` stands; the value where it is in a list or absent."""
        parent = self.at(path[:-1])
        key = parent.keys.get(str(path[-1])) if path else None
        return key or self.at(path)


class Unreadable(Exception):
    """The text is not a document at all; `error` says where and why."""

    def __init__(self, error: PolicyError) -> None:
        super().__init__(str(error))
        self.error = error


def parse(text: str, filename: str) -> tuple[Node, list[PolicyError]]:
    """The tree, and the faults that do not stop it from being one (duplicate keys). Raises Unreadable."""
    if len(text) > MAX_LENGTH:
        raise Unreadable(
            PolicyError(filename, 1, 1, "", f"the document is larger than {MAX_LENGTH} characters")
        )
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in ("{", "["):
        text = _as_yaml(text)
    if half := _SURROGATE.search(text):
        raise _bad_character(text, half.start(), filename)
    try:
        return _Composer(filename, yaml.parse(text, Loader=_Loader)).document()
    except yaml.MarkedYAMLError as bad:
        raise Unreadable(_marked(bad, text, filename)) from None
    except yaml.reader.ReaderError as bad:
        raise _bad_character(text, bad.position, filename) from None


def _bad_character(text: str, position: int, filename: str) -> Unreadable:
    before = text[:position]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    message = "there is a character here that YAML does not allow (a control character?)"
    return Unreadable(PolicyError(filename, line, column, "", message))


def _as_yaml(text: str) -> str:
    """JSON as YAML takes it: raw tabs (white space in JSON, never inside a string) become spaces, and the
    two halves of an escaped character beyond the basic plane become that character."""
    return _JSON_PAIR.sub(
        lambda m: (
            m[0].encode("ascii").decode("unicode-escape").encode("utf-16", "surrogatepass").decode("utf-16")
        ),
        text.replace("\t", " "),
    )


def _marked(bad: yaml.MarkedYAMLError, text: str, filename: str) -> PolicyError:
    mark = bad.problem_mark or bad.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    here = lines[line - 1] if line <= len(lines) else ""
    if "\t" in here[: len(here) - len(here.lstrip())]:
        message = "a tab indents this line; YAML is indented with spaces only"
        return PolicyError(filename, line, 1, "", message)
    message = f"this is not valid YAML: {bad.problem or bad.context}"
    if bad.context and bad.problem:
        message += f" ({bad.context})"
    return PolicyError(filename, line, column, "", message)


class _Composer:
    """Builds the tree from the parser's events."""

    def __init__(self, filename: str, events: Iterator[Any]) -> None:
        self._filename = filename
        self._events = events
        self._errors: list[PolicyError] = []
        self._count = 0

    def document(self) -> tuple[Node, list[PolicyError]]:
        root = Node("null", 1, 1)
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refuse(
                        event, (), "a second document (`---`) begins here; a policy is one document"
                    )
                first = next(self._events)
                root = self._node(first, (), 0)
        return root, self._errors

    def _node(self, event: Any, path: Path, depth: int) -> Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise self._refuse(event, path, f"the document has more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            raise self._refuse(event, path, f"values are nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(
                event, path, "aliases (`*name`) are not allowed in a policy: write the value out"
            )
        if event.anchor is not None:
            raise self._refuse(
                event, path, "anchors (`&name`) are not allowed in a policy: write the value out"
            )
        if event.tag is not None:
            raise self._refuse(event, path, "tags (`!name`) are not allowed in a policy")
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.MappingStartEvent):
            return self._map(Node("map", line, column), path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            node = Node("list", line, column)
            while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
                node.items.append(self._node(item, (*path, len(node.items)), depth + 1))
            return node
        return Node(_scalar_kind(event), line, column, event.value)

    def _map(self, node: Node, path: Path, depth: int) -> Node:
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, path, depth + 1)
            if key.kind in ("map", "list"):
                raise self._refuse(event, path, "a key must be text")
            below = (*path, key.text)
            value = self._node(next(self._events), below, depth + 1)
            if key.text in node.fields:
                first = node.keys[key.text].line
                message = f"given twice: it is already set on line {first}"
                self._errors.append(
                    PolicyError(self._filename, key.line, key.column, render_path(below), message)
                )
                continue
            node.keys[key.text] = key
            node.fields[key.text] = value
        return node

    def _refuse(self, event: Any, path: Path, message: str) -> Unreadable:
        mark = event.start_mark
        return Unreadable(
            PolicyError(self._filename, mark.line + 1, mark.column + 1, render_path(path), message)
        )


def _scalar_kind(event: Any) -> Kind:
    if not event.implicit[0]:
        return "text"
    for pattern, kind in _PLAIN:
        if pattern.fullmatch(event.value):
            return kind
    return "text"
