"""The head that a connection repeats, recognised without parsing it again.

Tools keep a connection and send the same head with each request, but for the length of the body. Once the
parser has passed such a head, the next one that is the same byte for byte, digits of the length aside, means
the same: comparing costs a tenth of parsing. Anything else at all goes to the parser.
"""

import re

from waystation.relay.downstream import Request
from waystation.relay.headers import RequestHead

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ?([0-9]{1,10})\r\n")
_END = b"\r\n\r\n"
_LARGEST_HEAD = 16384


class KnownHead:
    """One head, split where its content-length stands."""

    __slots__ = ("_after", "_before", "head", "method", "path", "query")

    def __init__(self, before: bytes, after: bytes, request: Request) -> None:
        self._before = before
        self._after = after
        self.method = request.method
        self.path = request.path
        self.query = request.query
        self.head: RequestHead = request.head

    @classmethod
    def of(cls, raw: bytes, request: Request, length: bytes) -> "KnownHead | None":
        """The head that `raw` begins with, which the parser has just read as `request`; None if it is not one
        that could be recognised: split over two reads, without exactly one length, or with chunks."""
        end = raw.find(_END, 0, _LARGEST_HEAD)
        if end < 0 or not length:
            return None
        places = list(_LENGTH.finditer(raw, 0, end + 2))
        if len(places) != 1 or places[0][1] != length:
            return None
        if any(name in (b"transfer-encoding", b"upgrade") for name, _ in request.head.headers):
            return None
        start, stop = places[0].span(1)
        return cls(raw[:start], raw[stop : end + len(_END)], request)

    def read(self, data: bytes, limit: int) -> tuple[int, bytes] | None:
        """(length of the body, as much of it as is there) if `data` begins with this head and holds no more
        than one request of at most `limit` bytes; else None."""
        before, after = self._before, self._after
        if not data.startswith(before):
            return None
        start = len(before)
        stop = data.find(b"\r", start, start + 11)
        digits = data[start:stop]
        if not digits.isdigit() or not data.startswith(after, stop):
            return None
        length = int(digits)
        body = data[stop + len(after) :]
        if length > limit or len(body) > length:
            return None
        return length, body
