"""Server-sent events, read from bytes that arrive cut anywhere.

https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in LF, CR LF or CR, an empty line
ends an event. Only whole events are ever decoded, so a code point cut by the network is never seen half.
"""

import msgspec

DEFAULT_CAP = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_EMPTY_LINES = (b"\n", b"\r\n", b"\r")


class SSEOverflow(ValueError):
    """One event is larger than the cap. The stream cannot be read any further and must end with an error."""

    def __init__(self, cap: int) -> None:
        super().__init__(f"an event of the stream is larger than {cap} bytes")
        self.cap = cap


class SSEEvent(msgspec.Struct, frozen=True):
    """One whole event."""

    type: str
    """The `event:` field; `message` where there is none."""
    data: bytes
    """The `data:` lines, joined by line feeds."""
    id: str = ""


class EventSplitter:
    """Cuts a byte stream where its events end, holding back the event that is still incomplete.

    Costs one search of each chunk; the incomplete event is a list of fragments, joined once when it is
    complete, so that a line of many megabytes is not copied again for each chunk of it.
    """

    __slots__ = ("_cap", "_cr", "fragments", "pending")

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self._cap = cap
        self._cr = False
        self.fragments: list[bytes] = []
        """The incomplete event; always this same list."""
        self.pending = 0
        """Its length."""

    def feed(self, chunk: bytes) -> bytes:
        """All events that are complete now, as they were sent; `b""` if there are none.

        Raises SSEOverflow where the incomplete event is larger than the cap.
        """
        if not self._cr and b"\r" in chunk:
            self._cr = True
        fragments = self.fragments
        end = self._last_end(chunk)
        if end < 0:
            if chunk:
                fragments.append(chunk)
                self.pending += len(chunk)
                if self.pending > self._cap:
                    raise SSEOverflow(self._cap)
            return b""
        if end == len(chunk):
            head, rest = chunk, b""
        else:
            head, rest = chunk[:end], chunk[end:]
        if fragments:
            fragments.append(head)
            head = b"".join(fragments)
            fragments.clear()
        if rest:
            fragments.append(rest)
        self.pending = len(rest)
        if self.pending > self._cap:
            raise SSEOverflow(self._cap)
        return head

    def close(self) -> bytes:
        """What is left when the stream ends: an event without its empty line, or part of one."""
        rest = b"".join(self.fragments)
        self.fragments.clear()
        self.pending = 0
        return rest

    def split(self, region: bytes) -> list[bytes]:
        """The events of what `feed` returned, each with its separator: joined they are `region` again."""
        if not self._cr:
            *whole, rest = region.split(b"\n\n")
            parts = [part + b"\n\n" for part in whole]
            if rest:  # one more line feed, behind an odd number of them
                parts.append(rest)
            return parts
        parts = []
        event: list[bytes] = []
        for line in region.splitlines(keepends=True):
            event.append(line)
            if line in _EMPTY_LINES:
                parts.append(b"".join(event))
                event.clear()
        if event:
            parts.append(b"".join(event))
        return parts

    def _last_end(self, chunk: bytes) -> int:
        """Offset in `chunk` behind its last event separator (which may have begun before it); -1 if none."""
        if self._cr:
            return self._last_end_any(chunk)
        found = chunk.rfind(b"\n\n")
        if found >= 0:
            return found + 2
        if chunk[:1] == b"\n" and self.fragments and self.fragments[-1][-1:] == b"\n":
            return 1
        return -1

    def _last_end_any(self, chunk: bytes) -> int:
        """The same where lines may end in any of the three ways."""
        before = b""
        if chunk[:1] in (b"\n", b"\r"):
            for fragment in reversed(self.fragments):
                before = fragment[-3:] + before
                if len(before) >= 3:
                    break
        text = before + chunk
        stop = len(text)
        while True:
            at = text.rfind(b"\n\r", 0, stop)
            at = max(at, text.rfind(b"\n\n", max(at, 0), stop), text.rfind(b"\r\r", max(at, 0), stop))
            if at < 0:
                return -1
            end = at + 2
            if text[at + 1] == 0x0D:
                if end == len(text):  # this CR may be the first half of a CR LF: nothing ends here yet
                    stop = at + 1
                    continue
                if text[end] == 0x0A:
                    end += 1
            return end - len(before) if end > len(before) else -1


def parse_event(raw: bytes) -> tuple[bytes, bytes | None, bytes]:
    """Type, data and id of one event; data is None for a comment or an event without data."""
    if raw.startswith(_BOM):
        raw = raw[3:]
    name = ident = b""
    data: bytes | None = None
    more: list[bytes] | None = None
    for line in raw.splitlines():
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            if data is None:
                data = value
            elif more is None:
                more = [data, value]
            else:
                more.append(value)
        elif line.startswith(b"event:"):
            name = line[7:] if line[6:7] == b" " else line[6:]
        elif line.startswith(b"id:"):
            ident = line[4:] if line[3:4] == b" " else line[3:]
    return name, data if more is None else b"\n".join(more), ident


class SSEDecoder:
    """Bytes in, whole events out. Comments, `retry:` and unknown fields are skipped."""

    __slots__ = ("_splitter",)

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self._splitter = EventSplitter(cap)

    def feed(self, chunk: bytes) -> list[SSEEvent]:
        """The events that `chunk` completes. Raises SSEOverflow where an event is larger than the cap."""
        return self._events(self._splitter.feed(chunk))

    def close(self) -> list[SSEEvent]:
        """The last event, if the stream ended without the empty line behind it."""
        rest = self._splitter.close()
        return self._events(rest + b"\n\n") if rest else []

    def _events(self, region: bytes) -> list[SSEEvent]:
        events = []
        for raw in self._splitter.split(region):
            name, data, ident = parse_event(raw)
            if data is not None:
                events.append(
                    SSEEvent(
                        type=name.decode("utf-8", "replace") or "message",
                        data=data,
                        id=ident.decode("utf-8", "replace"),
                    )
                )
        return events
