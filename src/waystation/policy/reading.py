"""From the tree to the structs of `document`, driven by their own types, with every fault reported.

What cannot be read is left out of the result (or takes its default), so that the checks after this can still
look at the rest. The result is only used if no fault was found.
"""

import datetime
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from msgspec import inspect as types

from waystation.policy.errors import Path, PolicyError, render_path, shown
from waystation.policy.names import did_you_mean, listing
from waystation.policy.nodes import Node

_ARTICLES = {
    "map": "a mapping (`field: value`)",
    "list": "a list",
    "text": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}


class _Missing:
    """Stands for what could not be read."""


_MISSING: Final = _Missing()


class Reader:
    """Reads one document; `errors` fills as it goes."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.errors: list[PolicyError] = []

    def read(self, node: Node, cls: type[msgspec.Struct]) -> Any:
        """An instance of `cls`, or None if not even its required fields could be read."""
        value = self._value(node, types.type_info(cls), (), {})
        return None if value is _MISSING else value

    def fault(self, node: Node, path: Path, message: str, *, sensitive: bool = False) -> None:
        self.errors.append(
            PolicyError(self.filename, node.line, node.column, render_path(path), message, sensitive)
        )

    def _value(self, node: Node, kind: types.Type, path: Path, hints: dict[str, Any]) -> Any:
        match kind:
            case types.Metadata():
                return self._value(node, kind.type, path, {**hints, **(kind.extra or {})})
            case types.UnionType():
                return self._union(node, kind, path, hints)
            case types.StructType():
                return self._struct(node, kind, path)
            case types.DictType():
                return self._dict(node, kind, path, hints)
            case types.VarTupleType():
                return self._list(node, kind, path)
            case _:
                return self._scalar(node, kind, path, hints)

    def _union(self, node: Node, kind: types.UnionType, path: Path, hints: dict[str, Any]) -> Any:
        options = [t for t in kind.types if not isinstance(t, types.NoneType)]
        if node.kind == "null" and len(options) < len(kind.types):
            return None
        if len(options) > 1:
            wanted = types.VarTupleType if node.kind == "list" else types.StructType
            options = [t for t in options if isinstance(t, wanted)] or options
        return self._value(node, options[0], path, hints)

    def _struct(self, node: Node, kind: types.StructType, path: Path) -> Any:
        if not self._is(node, "map", path):
            return _MISSING
        fields = {f.encode_name: f for f in kind.fields}
        values: dict[str, Any] = {}
        for name, below in node.fields.items():
            field = fields.get(name)
            if field is None:
                where = f"`{render_path(path)}` has no such field" if path else "there is no such section"
                self.fault(node.keys[name], (*path, name), f"{where}; {did_you_mean(name, fields)}")
                continue
            value = self._value(below, field.type, (*path, name), {})
            if value is not _MISSING:
                values[field.name] = value
        complete = True
        for field in kind.fields:
            if field.required and field.encode_name not in node.fields:
                self.fault(node, path, f"the field `{field.encode_name}` is missing")
            complete = complete and (not field.required or field.name in values)
        return kind.cls(**values) if complete else _MISSING

    def _dict(self, node: Node, kind: types.DictType, path: Path, hints: dict[str, Any]) -> Any:
        if node.kind == "null":
            return {}
        if not self._is(node, "map", path):
            return _MISSING
        result: dict[Any, Any] = {}
        for name, below in node.fields.items():
            key_node, key_path = node.keys[name], (*path, name)
            if hints.get("keys") and name not in hints["keys"]:
                self.fault(key_node, key_path, f"there is no such key; {did_you_mean(name, hints['keys'])}")
                continue
            text = Node("text", key_node.line, key_node.column, name)
            key = self._value(text, kind.key_type, key_path, {})
            value = self._value(below, kind.value_type, key_path, {})
            if key is not _MISSING and value is not _MISSING:
                result[key] = value
        return result

    def _list(self, node: Node, kind: types.VarTupleType, path: Path) -> Any:
        if not self._is(node, "list", path):
            return _MISSING
        if kind.min_length and len(node.items) < kind.min_length:
            self.fault(node, path, "the list is empty; give at least one, or leave the field out")
            return _MISSING
        items = [self._value(n, kind.item_type, (*path, i), {}) for i, n in enumerate(node.items)]
        return tuple(item for item in items if item is not _MISSING)

    def _scalar(self, node: Node, kind: types.Type, path: Path, hints: dict[str, Any]) -> Any:
        match kind:
            case types.StrType():
                return self._text(node, kind, path, hints)
            case types.BoolType():
                return node.text.lower() == "true" if self._is(node, "bool", path) else _MISSING
            case types.IntType():
                return self._int(node, kind, path)
            case types.FloatType():
                return self._float(node, kind, path)
            case types.DecimalType():
                return self._decimal(node, path, hints)
            case types.DateType():
                return self._date(node, path)
            case types.EnumType():
                return self._choice(node, path, {str(member.value): member for member in kind.cls})
            case types.LiteralType():
                return self._choice(node, path, {str(value): value for value in kind.values})
            case _:  # pragma: no cover - a type that `document` does not use
                raise NotImplementedError(kind)

    def _text(self, node: Node, kind: types.StrType, path: Path, hints: dict[str, Any]) -> Any:
        if node.kind in ("int", "float", "bool"):
            self.fault(node, path, f"expected text, found {_found(node)}; put it in quotes")
            return _MISSING
        if not self._is(node, "text", path):
            return _MISSING
        choices = hints.get("choices")
        if choices:
            return self._choice(node, path, {c: c for c in choices})
        if kind.pattern is not None and not re.search(kind.pattern, node.text):
            sensitive = bool(hints.get("sensitive"))
            found = "" if sensitive else f", found {shown(node.text)}"
            self.fault(
                node, path, f"expected {hints.get('expected', 'other text')}{found}", sensitive=sensitive
            )
            return _MISSING
        return node.text

    def _choice(self, node: Node, path: Path, choices: dict[str, Any]) -> Any:
        if node.kind in ("map", "list"):
            self._is(node, "text", path)
            return _MISSING
        if node.text in choices:
            return choices[node.text]
        if len(choices) == 1:
            self.fault(node, path, f"expected `{next(iter(choices))}`, found {shown(node.text)}")
        else:
            self.fault(
                node, path, f"{shown(node.text)} is not valid here; {did_you_mean(node.text, choices)}"
            )
        return _MISSING

    def _int(self, node: Node, kind: types.IntType, path: Path) -> Any:
        if not self._is(node, "int", path):
            return _MISSING
        value = int(node.text) if len(node.text) < 19 else None
        low, high = kind.ge, kind.le
        if value is None or (low is not None and value < low) or (high is not None and value > high):
            bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
            self.fault(node, path, f"expected a whole number of {listing(bounds, 'and') or 'fewer digits'}")
            return _MISSING
        return value

    def _float(self, node: Node, kind: types.FloatType, path: Path) -> Any:
        try:
            value = float(node.text) if node.kind in ("int", "float") else math.nan
        except ValueError:
            value = math.nan
        bounds = [
            words
            for words, bound, kept in (
                (f"at least {kind.ge}", kind.ge, kind.ge is None or value >= kind.ge),
                (f"more than {kind.gt}", kind.gt, kind.gt is None or value > kind.gt),
                (f"at most {kind.le}", kind.le, kind.le is None or value <= kind.le),
            )
            if bound is not None and not kept
        ]
        if bounds or not math.isfinite(value):
            self.fault(node, path, f"expected a number {listing(bounds, 'and')}".rstrip())
            return _MISSING
        return value

    def _decimal(self, node: Node, path: Path, hints: dict[str, Any]) -> Any:
        """From the text as written: a price never passes through a binary fraction."""
        expected = hints["expected"]
        try:
            value = Decimal(node.text) if node.kind in ("int", "float", "text") else None
        except InvalidOperation:
            value = None
        if value is None or not value.is_finite():
            self.fault(node, path, f"expected {expected}, found {_found(node)}")
            return _MISSING
        exponent = value.normalize().as_tuple().exponent
        most = hints.get("most", 1_000_000)
        if value < 0 or value > most:
            self.fault(node, path, f"expected {expected}: between 0 and {most:,}")
            return _MISSING
        if isinstance(exponent, int) and -exponent > hints["decimals"]:
            self.fault(node, path, f"has more than {hints['decimals']} decimals, finer than prices are kept")
            return _MISSING
        return value

    def _date(self, node: Node, path: Path) -> Any:
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", node.text):
                return datetime.date.fromisoformat(node.text)
        except ValueError:
            pass
        self.fault(node, path, f"expected a date, `YYYY-MM-DD`, found {_found(node)}")
        return _MISSING

    def _is(self, node: Node, kind: str, path: Path) -> bool:
        if node.kind == kind:
            return True
        self.fault(node, path, f"expected {_ARTICLES[kind]}, found {_found(node)}")
        return False


def _found(node: Node) -> str:
    if node.kind in ("map", "list", "null"):
        return _ARTICLES[node.kind]
    if node.kind in ("int", "float"):
        return f"the number {shown(node.text)}"
    return shown(node.text)
