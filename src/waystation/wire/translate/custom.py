"""Tools that take free text, as functions, and back (E30, E31).

A model that has no such tools gets a function with one string property. What it answers is JSON; the tool gets
the text inside of it, piece by piece as it comes.
"""

import re
from enum import Enum
from typing import Any

import msgspec

from waystation.wire.canonical import CustomTool

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The raw text, whole and exact."}},
    "required": ["input"],
    "additionalProperties": False,
}
_HOW = (
    "Put the raw text of the input, whole and exactly as described, into the string `input`. The text itself is "
    "not JSON: nothing around it, no code fence."
)
_SPECIAL = re.compile(r'["\\]')
_HEAD = ("{", '"input"', ":", '"')
_LONGEST_HEAD = 1024
_BLANK = " \t\r\n"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}
_HEX = re.compile(r"[0-9a-fA-F]{0,4}\Z")
_LOST = "\ufffd"


def description(tool: CustomTool) -> str:
    """What a model must know of the tool to call it as a function."""
    pieces = [tool.description, _HOW] if tool.description else [_HOW]
    form = tool.format or {}
    definition = form.get("definition")
    if isinstance(definition, str) and definition:
        syntax = form.get("syntax")
        kind = "regular expression" if syntax == "regex" else f"{syntax} grammar"
        pieces.append(f"The text must match this {kind}:\n{definition}")
    return "\n\n".join(pieces)


def arguments(text: str) -> str:
    """The call of such a function, for the history."""
    return msgspec.json.encode({"input": text}).decode()


def raw_input(text: str) -> str:
    """The free text in the whole arguments of a call."""
    reader = InputReader()
    return reader.feed(text) + reader.close()


class _State(Enum):
    HEAD = 0
    """Not known yet."""
    STRING = 1
    """In the one string that was asked for."""
    WHOLE = 2
    """JSON, perhaps, of another shape."""
    RAW = 3
    """No JSON at all."""
    DONE = 4


class InputReader:
    """The free text in the arguments of a call, fed cut anywhere.

    `{"input": "…"}` is passed on as it comes. A model that sends something else is understood where that is
    possible: another single property, a bare JSON string, or the text itself without any JSON; where it may be
    JSON, that is known only at its end.
    """

    __slots__ = ("_pending", "_state")

    def __init__(self) -> None:
        self._state = _State.HEAD
        self._pending: list[str] = []
        """What cannot be judged yet: the beginning, an escape that is cut, or all of an unexpected shape."""

    def feed(self, text: str) -> str:
        """What is known of the free text by now, beyond what was returned before."""
        state = self._state
        if state is _State.STRING:
            return self._string(text)
        if state is _State.HEAD:
            return self._head(text)
        if state is _State.RAW:
            return text
        if state is _State.WHOLE:
            self._pending.append(text)
        return ""

    def close(self) -> str:
        """The arguments are complete; returns what was held back. An escape cut in the middle is lost."""
        if self._state is _State.STRING:
            return ""
        return _understood("".join(self._pending))

    def _head(self, text: str) -> str:
        seen = "".join((*self._pending, text))
        found, at = _after_head(seen)
        if found is None and at < _LONGEST_HEAD:
            self._pending = [seen]
            return ""
        self._pending = []
        if found:
            self._state = _State.STRING
            return self._string(seen[at:])
        if seen.lstrip(_BLANK)[:1] in ("{", '"'):
            self._state = _State.WHOLE
            self._pending.append(seen)
            return ""
        self._state = _State.RAW
        return seen

    def _string(self, text: str) -> str:
        if self._pending:
            text = self._pending.pop() + text
        pieces: list[str] = []
        at = 0
        while (found := _SPECIAL.search(text, at)) is not None:
            start = found.start()
            pieces.append(text[at:start])
            if text[start] == '"':
                self._state = _State.DONE  # whatever other properties there are
                return "".join(pieces)
            plain, at = _unescape(text, start)
            if not at:
                self._pending.append(text[start:])
                return "".join(pieces)
            pieces.append(plain)
        if not pieces:
            return text
        pieces.append(text[at:])
        return "".join(pieces)


def _after_head(seen: str) -> tuple[bool | None, int]:
    """Whether `seen` begins with `{"input": "`, and the offset behind it; None if it ends too early to tell."""
    at = 0
    for token in _HEAD:
        while seen[at : at + 1] and seen[at] in _BLANK:
            at += 1
        piece = seen[at : at + len(token)]
        if piece != token:
            return (None if token.startswith(piece) else False), at
        at += len(token)
    return True, at


def _unescape(text: str, start: int) -> tuple[str, int]:
    """The character of the escape at `start`, and where the text goes on; 0 if the escape is cut."""
    letter = text[start + 1 : start + 2]
    if not letter:
        return "", 0
    if letter != "u":
        # Models forget to double the backslash of `\d`.
        return _ESCAPES.get(letter, "\\" + letter), start + 2
    digits = text[start + 2 : start + 6]
    if not _HEX.match(digits):
        return "\\u", start + 2
    if len(digits) < 4:
        return "", 0
    code = int(digits, 16)
    end = start + 6
    if 0xD800 <= code < 0xDC00:
        rest = text[end : end + 6]
        if "\\u".startswith(rest[:2]) and _HEX.match(rest[2:]) and len(rest) < 6:
            return "", 0
        low = int(rest[2:], 16) if rest[:2] == "\\u" and _HEX.match(rest[2:]) else 0
        if 0xDC00 <= low < 0xE000:
            return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), end + 6
        return _LOST, end
    return (_LOST if 0xDC00 <= code < 0xE000 else chr(code)), end


def _understood(text: str) -> str:
    """The free text in arguments of another shape than was asked for."""
    try:
        value = msgspec.json.decode(text) if text else ""
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict):
        if "input" in value:
            value = value["input"]
        else:
            strings = [item for item in value.values() if isinstance(item, str)]
            value = strings[0] if len(strings) == 1 else text if value else ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
