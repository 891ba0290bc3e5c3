"""The names of tools, in a form that each protocol takes, and back.

Namespaces are flattened into the name (E32); what is too long or has characters that a protocol refuses is cut
or replaced and gets a short hash (E76). The map is made for each request from the tools that it declares, in
their order, so that the same tools always get the same names.
"""

import re
from hashlib import blake2b

import msgspec

from waystation.model import Wire

_LONGEST = 64
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_HASH = 8
_NOISE = re.compile(r"[^a-z0-9]")
_PREFIXES = re.compile(r"[./:]")


class Origin(msgspec.Struct, frozen=True):
    """A tool as its own tool (the program that asked us) knows it."""

    name: str
    namespace: str = ""
    custom: bool = False


class Names:
    """The names in one request, for one target."""

    __slots__ = ("_back", "_bare", "_declared", "_fitted", "_near", "_target")

    def __init__(self, target: Wire) -> None:
        self._target = target
        self._fitted: dict[tuple[str, str], str] = {}
        self._back: dict[str, Origin] = {}
        self._declared: dict[str, None] = {}
        self._bare: dict[str, str] = {}
        self._near: dict[str, set[str]] | None = None

    @property
    def flat(self) -> bool:
        """Whether the target has no namespaces."""
        return self._target is not Wire.RESPONSES

    def declare(self, origin: Origin) -> str | None:
        """The name for a tool that the request declares; None if it declares that one twice."""
        key = origin.namespace, origin.name
        if key in self._fitted:
            return None
        name = self._fit(origin)
        self._declared[name] = None
        self._bare.setdefault(origin.name, name)
        return name

    def fitted(self, namespace: str, name: str, *, custom: bool) -> str:
        """The name of a tool that the conversation speaks of; it need not be declared any more. A history may have
        a declared tool by its flat name, from when its namespace was not told apart."""
        found = self._fitted.get((namespace, name))
        if found is None:
            flat = not namespace and name in self._declared
            found = name if flat else self._fit(Origin(name, namespace, custom))
        return found

    def known(self, namespace: str, name: str) -> str | None:
        """The fitted name of a declared tool; a choice may leave its namespace out."""
        fitted = self._fitted.get((namespace, name))
        if fitted is None and not namespace:
            return self._bare.get(name)
        return fitted if fitted in self._declared else None

    def origin(self, answered: str) -> Origin:
        """The tool that a model means. Models bend long names a little: what means exactly one declared tool
        is taken for it, anything else stays as the model said it and is the tool's to refuse."""
        found = self._back.get(answered)
        if found is not None:
            return found
        near = self._near
        if near is None:
            near = self._near = self._nearly()
        for form in (answered, _PREFIXES.split(answered)[-1]):
            names = near.get(_fold(form))
            if names is not None and len(names) == 1:
                return self._back[next(iter(names))]
        return Origin(answered)

    def _nearly(self) -> dict[str, set[str]]:
        """Declared names by what is left of them without case and punctuation; and by their last part, where
        that is not another tool's whole name."""
        near: dict[str, set[str]] = {}
        for name in self._declared:
            near.setdefault(_fold(name), set()).add(name)
        parts: dict[str, set[str]] = {}
        for name in self._declared:
            parts.setdefault(_fold(self._back[name].name), set()).add(name)
        return {**parts, **near}

    def _fit(self, origin: Origin) -> str:
        whole = _flat(origin) if self.flat else origin.name
        name = _UNSAFE.sub("_", whole)
        if self._target is Wire.GENERATE and not (name[:1].isalpha() or name[:1] == "_"):
            name = f"_{name}"
        if name != whole or len(name) > _LONGEST:
            # What was changed gets a hash at once: its name must not depend on which others there are.
            name = _hashed(name or "tool", f"{origin.namespace}\0{origin.name}")
        again = 0
        while name in self._back:
            name = _hashed(name, f"{origin.namespace}\0{origin.name}\0{again}")
            again += 1
        self._fitted[origin.namespace, origin.name] = name
        self._back[name] = origin
        return name


def _flat(origin: Origin) -> str:
    if not origin.namespace:
        return origin.name
    return f"{origin.namespace}{'' if origin.namespace.endswith('__') else '__'}{origin.name}"


def _hashed(name: str, what: str) -> str:
    digest = blake2b(what.encode(), digest_size=_HASH // 2).hexdigest()
    return f"{name[: _LONGEST - _HASH - 1]}_{digest}"


def _fold(name: str) -> str:
    return _NOISE.sub("", name.lower())
