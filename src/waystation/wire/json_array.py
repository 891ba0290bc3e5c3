"""The elements of a JSON array of objects, read from bytes that arrive cut anywhere."""

import re

from waystation.wire.sse import DEFAULT_CAP, SSEOverflow

_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'["\\]')


class JsonElements:
    """Finds where each object of a streamed array ends; also reads a single object outside an array."""

    __slots__ = ("_cap", "_depth", "_escaped", "_fragments", "_in_array", "_in_string", "_seen", "_size")

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self._cap = cap
        self._depth = 0
        self._in_array = False
        self._in_string = False
        self._escaped = False
        self._seen = 0
        self._fragments: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The objects that `chunk` completes. Raises SSEOverflow where one is larger than the cap."""
        elements: list[bytes] = []
        start = 0 if self._fragments else -1
        at = 0
        while True:
            if self._in_string:
                at = self._skip_string(chunk, at)
                if at < 0:
                    break
            match = _STRUCTURE.search(chunk, at)
            if match is None:
                break
            at = match.end()
            mark = match[0]
            if mark == b'"':
                self._in_string = True
            elif mark in b"{[":
                if mark == b"[" and self._depth == 0:
                    self._in_array = True
                elif self._depth == self._in_array and start < 0:
                    start = match.start()
                self._depth += 1
            else:
                self._depth = max(0, self._depth - 1)
                if self._depth == self._in_array and start >= 0:
                    self._fragments.append(chunk[start:at])
                    elements.append(b"".join(self._fragments))
                    self._fragments.clear()
                    self._size = 0
                    self._seen += 1
                    start = -1
        if start >= 0:
            self._fragments.append(chunk[start:] if start else chunk)
            self._size += len(chunk) - start
            if self._size > self._cap:
                raise SSEOverflow(self._cap)
        return elements

    def append(self, element: bytes) -> bytes:
        """The bytes that add a last element and close the array; nothing where it broke inside an element."""
        if self._fragments or not self._in_array or self._depth != 1:
            return b""
        return (b",\n" if self._seen else b"") + element + b"]\n"

    def _skip_string(self, chunk: bytes, at: int) -> int:
        """Offset behind the end of the open string; -1 if it goes on beyond the chunk."""
        if self._escaped and at < len(chunk):
            at += 1
            self._escaped = False
        while (match := _STRING_END.search(chunk, at)) is not None:
            at = match.end()
            if match[0] == b'"':
                self._in_string = False
                return at
            if at == len(chunk):
                self._escaped = True
                return -1
            at += 1
        return -1
