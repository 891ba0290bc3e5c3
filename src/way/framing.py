"""Where an HTTP/1.1 message ends, without changing a byte of it. No I/O.

The relay passes bodies on as they come, chunk marks and all; it only has to know when a message is over.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_HEAD = 128 * 1024
_MAX_LINE = 4096
"""Of a chunk's size line or a trailer."""


class BadMessage(ValueError):
    """Not HTTP/1.1, or two ways to say how long it is: nothing that may be passed on."""


class Head:
    """First line and headers, as they were sent: names and values are untouched bytes, in order."""

    __slots__ = ("headers", "start")

    def __init__(self, start: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.start = start
        self.headers = headers

    @staticmethod
    def parse(raw: bytes) -> Head:
        """`raw` is everything before the empty line."""
        lines = raw.split(b"\r\n")
        headers: list[tuple[bytes, bytes]] = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if (
                not colon
                or not name
                or name != name.strip()
                or b"\n" in line
                or b"\r" in line
                or b"\0" in line
            ):
                raise BadMessage("a header line is malformed")
            headers.append((name, value.strip(b" \t")))
        return Head(lines[0], headers)

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]

    def first(self, name: bytes) -> bytes:
        """The header's value, b"" where it is not there."""
        found = self.all(name)
        return found[0] if found else b""

    def tokens(self, name: bytes) -> list[bytes]:
        """The comma-separated items of all headers of that name, in lower case."""
        return [
            item.strip().lower() for value in self.all(name) for item in value.split(b",") if item.strip()
        ]

    def encode(self, *, without: Iterable[bytes], extra: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
        dropped = frozenset(without)
        lines = [self.start]
        lines += [k + b": " + v for k, v in self.headers if k.lower() not in dropped]
        lines += [k + b": " + v for k, v in extra]
        return b"\r\n".join(lines) + b"\r\n\r\n"


class Body:
    """Counts a body through. `feed` says how many of the bytes belong to it; `done` when it is complete."""

    __slots__ = ("_left", "_line", "_state", "done", "until_close")

    def __init__(self, length: int = 0, *, chunked: bool = False, until_close: bool = False) -> None:
        self.until_close = until_close
        self.done = not chunked and not until_close and length == 0
        self._left = length
        self._line = b""
        self._state = "size" if chunked else "data"

    @staticmethod
    def of_request(head: Head) -> Body:
        coding, length = _framing(head)
        if coding and coding != [b"chunked"]:
            raise BadMessage("this transfer coding is not known")
        return Body(chunked=True) if coding else Body(length or 0)

    @staticmethod
    def of_response(head: Head, method: bytes, status: int) -> Body:
        coding, length = _framing(head)
        if method == b"HEAD" or status in (204, 304):
            return Body(0)
        if coding:
            return Body(chunked=True) if coding[-1] == b"chunked" else Body(until_close=True)
        return Body(until_close=True) if length is None else Body(length)

    def feed(self, data: bytes) -> int:
        if self.done:
            return 0
        if self.until_close:
            return len(data)
        if self._state == "data":
            taken = min(self._left, len(data))
            self._left -= taken
            self.done = self._left == 0
            return taken
        return self._feed_chunks(data)

    def _feed_chunks(self, data: bytes) -> int:
        at = 0
        while at < len(data) and not self.done:
            if self._state == "chunk":  # its bytes and the line end after them
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken
                if self._left == 0:
                    self._state = "size"
                continue
            newline = data.find(b"\n", at)
            end = len(data) if newline < 0 else newline + 1
            self._line += data[at:end]
            at = end
            if len(self._line) > _MAX_LINE:
                raise BadMessage("a chunk's first line is too long")
            if newline >= 0:
                line, self._line = self._line, b""
                self._take_line(line)
        return at

    def _take_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            raise BadMessage("a chunk's line does not end in CR LF")
        if self._state == "trailer":
            self.done = line == b"\r\n"
            return
        digits = line.split(b";", 1)[0].strip()
        if not digits or len(digits) > 16 or any(d not in b"0123456789abcdefABCDEF" for d in digits):
            raise BadMessage("a chunk's size is not a number")
        size = int(digits, 16)
        self._left = size + 2
        self._state = "chunk" if size else "trailer"


def _framing(head: Head) -> tuple[list[bytes], int | None]:
    coding = head.tokens(b"transfer-encoding")
    lengths = head.all(b"content-length")
    if coding and lengths:
        raise BadMessage("it has a length and is chunked")
    if len(lengths) > 1 or (lengths and not lengths[0].isdigit()):
        raise BadMessage("its length is not one number")
    return coding, int(lengths[0]) if lengths else None
