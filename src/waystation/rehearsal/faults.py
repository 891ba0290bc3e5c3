"""The faults that can be rehearsed, and their one-line grammar: `KIND [OPTION=VALUE …]`, joined by `;`.

The same text works in a script file, in a test and in a prompt: `[[rehearse: 429 retry-after=3 times=1]]`.
docs/rehearsal.md lists them for people.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterable

import msgspec

from waystation.rehearsal.ask import Ask

_DIRECTIVE = re.compile(r"\[\[\s*rehearse:\s*(.*?)\s*\]\]", re.DOTALL)


class BadFault(ValueError):
    """The text names no fault that can be rehearsed. The message says why, and the nearest that can."""


_Option = Callable[[str], str]
"""Returns the value, or raises ValueError that says what it is not."""


def _number(text: str) -> str:
    try:
        float(text)
    except ValueError:
        raise ValueError("not a number") from None
    return text


def _whole(text: str) -> str:
    if not text.lstrip("+-").isdigit():
        raise ValueError("not a whole number")
    return text


def _place(text: str) -> str:
    if text not in PLACES and not text.isdigit():
        raise ValueError(f"neither a number of events nor one of {', '.join(PLACES)}")
    return text


def _words(text: str) -> str:
    return text


def _one_of(*allowed: str) -> _Option:
    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"not one of {', '.join(allowed)}")
        return text

    return check


PLACES = ("start", "head", "first", "content", "end")
"""`start`: before any byte of the answer. `head`: after the status and headers. `first`: before the first
content. `content`: after the third content event, or before what follows the content if that is sooner.
`end`: before the terminal event. A number: after so many events."""


_ENDINGS = _one_of("http", "fin", "rst")
_COMMON: dict[str, _Option] = {"times": _whole, "skip": _whole}
_KINDS: dict[str, dict[str, _Option]] = {
    "status": {"retry-after": _words, "message": _words, "type": _words, "code": _words, "header": _words},
    "reset": {"at": _place},
    "cut": {"at": _place, "ending": _ENDINGS},
    "eof": {"at": _place, "ending": _ENDINGS},
    "stall": {"at": _place, "seconds": _number},
    "delay": {"seconds": _number},
    "error": {
        "at": _place,
        "status": _whole,
        "message": _words,
        "type": _words,
        "code": _words,
        "as": _one_of("event", "failed", "chunk"),
    },
    "drip": {"bytes": _whole, "ms": _number},
    "pace": {"ms": _number},
    "huge": {"mb": _number},
    "malformed": {"at": _place},
    "comments": {},
    "informational": {"code": _whole, "count": _whole},
    "length": {"delta": _whole},
    "close": {},
    "close-quietly": {},
    "gzip": {"label": _one_of("yes", "no")},
    "not-json": {},
    "empty": {},
    "grow": {},
    "incomplete": {},
    "failed": {},
    "interleave": {},
    "no-usage": {},
}
KINDS = tuple(_KINDS)


class Fault(msgspec.Struct, frozen=True):
    """One fault. `status` is for kind `status` only; options not given have the defaults of the kind."""

    kind: str
    status: int = 0
    options: dict[str, str] = {}

    def text(self, option: str, default: str = "") -> str:
        return self.options.get(option, default)

    def number(self, option: str, default: float) -> float:
        return float(self.options.get(option, default))

    def whole(self, option: str, default: int) -> int:
        return int(self.options.get(option, default))

    @property
    def times(self) -> int:
        """Only the first so many matching requests suffer; 0 means all."""
        return self.whole("times", 0)

    @property
    def skip(self) -> int:
        """So many matching requests are spared first."""
        return self.whole("skip", 0)


def parse_fault(text: str) -> Fault:
    """`429 retry-after=3`, `cut at=content`, …. Raises BadFault."""
    try:
        name, *rest = shlex.split(text)
    except ValueError as bad:
        raise BadFault(f"cannot read the fault {text!r}: {bad or 'it is empty'}") from None
    status = int(name) if name.isdigit() else 0
    kind = "status" if status else name
    if kind not in _KINDS or (kind == "status" and not 100 <= status <= 599):
        raise BadFault(
            f"unknown fault {name!r}{_near(name, KINDS)}; use an HTTP status or one of {', '.join(KINDS)}"
        )
    known = _COMMON | _KINDS[kind]
    options: dict[str, str] = {}
    for pair in rest:
        option, equals, value = pair.partition("=")
        if option not in known or not equals:
            raise BadFault(
                f"unknown option {option!r} of {name}{_near(option, known)}; it has {', '.join(known)}"
            )
        try:
            options[option] = known[option](value)
        except ValueError as bad:
            raise BadFault(f"{option}={value} of {name} is {bad}") from None
    return Fault(kind, status, options)


def _near(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Several faults, joined by `;`. Raises BadFault."""
    return tuple(parse_fault(part) for part in text.split(";") if part.strip())


def directives(ask: Ask) -> tuple[Fault, ...]:
    """The faults that the user's last words ask for. Raises BadFault."""
    return tuple(f for found in _DIRECTIVE.findall(ask.prompt) for f in parse_faults(found))
