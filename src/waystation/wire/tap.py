"""Watching a provider's stream pass by: what it used, how it ended, whether it failed."""

from waystation.model import Refusal, Usage, Wire
from waystation.wire.sse import DEFAULT_CAP, EventSplitter, parse_event
from waystation.wire.stream_error import StreamError

SEPARATOR = b"\n\n"


class StreamTap:
    """One streamed answer of a provider. Bytes are fed as they come, cut anywhere, and come back to be
    forwarded.

    A chunk comes back as the same object unless an event in it must be dropped or rewritten. After the first
    content event, only events that may matter are parsed: a chunk of plain deltas costs a few searches.
    `feed` and `close` raise SSEOverflow where one event exceeds the cap; what was read until then still
    holds.
    """

    __slots__ = (
        "_fragments",
        "_splitter",
        "_torn",
        "committed",
        "error",
        "finish_reason",
        "output_bytes_seen",
        "output_events",
        "terminal",
    )

    wire: Wire
    event_overhead: int
    """Bytes of a typical delta event that are not the model's own text."""

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self._splitter = EventSplitter(cap)
        self._fragments = self._splitter.fragments
        self._torn = b""
        """The last bytes of an event that the end of the body cut off after it had been forwarded."""
        self.committed = False
        """A content event (or one that we do not know), an error or a terminal event was seen: what came
        before it is a preamble that another attempt could still replace."""
        self.terminal = False
        """The protocol's own end was seen; the connection may close now and all is well, unless `error` is
        set."""
        self.error: StreamError | None = None
        """The first error inside the stream."""
        self.finish_reason = ""
        """Why the model stopped, in the provider's own word."""
        self.output_bytes_seen = 0
        """Bytes of content events, framing included."""
        self.output_events = 0
        """Number of content events; 0 with `committed` set means that the stream failed before any
        content."""

    @property
    def usage(self) -> Usage | None:
        """What the provider said so far; None until it said something.

        Its source is PARTIAL until the provider has given its final figures.
        """
        raise NotImplementedError

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the stream; returns the bytes to forward now."""
        if self.committed and not self._fragments and chunk[-2:] == SEPARATOR:
            events = self._plain(chunk)
            if events:
                self.output_events += events
                self.output_bytes_seen += len(chunk)
                return chunk
        return self._scan(chunk)

    def close(self) -> bytes:
        """The upstream body has ended; returns bytes that were held back."""
        rest = self._splitter.close()
        self._torn = rest[-3:]
        if rest:
            for raw in self._splitter.split(rest + SEPARATOR):
                self._note(raw)
        return b""

    @property
    def at_boundary(self) -> bool:
        """Whether what was forwarded ends with a whole event, so that a keep-alive may follow."""
        return not self._fragments and not self._torn

    @property
    def output_chars(self) -> int:
        """Roughly how much of the content events was the model's own text, in bytes; at least one an
        event."""
        return max(self.output_bytes_seen - self.output_events * self.event_overhead, self.output_events)

    def failure(self, error: StreamError | Refusal) -> bytes:
        """The bytes that end this stream in its own dialect after it broke, wherever it broke."""
        raise NotImplementedError

    def _mend(self) -> bytes:
        """Bytes that end an event which was cut off, so that the one behind it is read on its own."""
        if self.at_boundary:
            return b""
        return _rest_of_code_point(self._torn or b"".join(self._fragments[-3:])[-3:]) + SEPARATOR

    def _plain(self, region: bytes, /) -> int:
        """The number of events in `region` if all are ordinary deltas, which cannot matter here; else 0.

        `region` is one or more whole events.
        """
        raise NotImplementedError

    def _event(self, name: bytes, data: bytes, raw: bytes, /) -> bytes | None:
        """Take note of one event. Returns what to forward in its place; None for the event as it is."""
        raise NotImplementedError

    def _scan(self, chunk: bytes) -> bytes:
        region = self._splitter.feed(chunk)
        if region and not self._skip(region):
            for raw in self._splitter.split(region):
                self._note(raw)
        return chunk

    def _skip(self, region: bytes) -> bool:
        """Count `region` as content without a closer look, if that is all it is."""
        events = self._plain(region) if self.committed else 0
        if events:
            self.output_events += events
            self.output_bytes_seen += len(region)
        return events > 0

    def _note(self, raw: bytes) -> bytes | None:
        if self._skip(raw):
            return None
        name, data, _ = parse_event(raw)
        return None if data is None else self._event(name, data, raw)

    def _content(self, raw: bytes) -> None:
        self.committed = True
        self.output_events += 1
        self.output_bytes_seen += len(raw)

    def _fail(self, error: StreamError) -> None:
        self.committed = True
        self.terminal = True
        if self.error is None:
            self.error = error


def _rest_of_code_point(tail: bytes) -> bytes:
    """Bytes that make the UTF-8 sequence at the end of `tail` a whole one; readers give up on half of one."""
    for start in range(len(tail) - 1, -1, -1):
        lead = tail[start]
        if lead < 0x80:
            return b""
        if lead >= 0xC0:
            missing = (1 if lead < 0xE0 else 2 if lead < 0xF0 else 3) - (len(tail) - start - 1)
            first = {0xE0: b"\xa0", 0xF0: b"\x90"}.get(lead, b"\x80") if start == len(tail) - 1 else b"\x80"
            return (first + b"\x80\x80")[: max(0, missing)]
    return b""


class EditingTap(StreamTap):
    """A tap that may have to drop or rewrite an event, and therefore holds back one that is still
    incomplete."""

    __slots__ = ("_held",)

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        super().__init__(cap)
        self._held = False
        """All of the incomplete event is held back; otherwise all of it has been forwarded."""

    def _must_hold(self) -> bool:
        """Whether the incomplete event (`_fragments`) may turn out to be one that is dropped or rewritten."""
        raise NotImplementedError

    @property
    def at_boundary(self) -> bool:
        return self._held or super().at_boundary

    def close(self) -> bytes:
        sent = 0 if self._held else self._splitter.pending
        self._held = False
        rest = self._splitter.close()
        self._torn = rest[-3:] if sent else b""
        if not rest:
            return b""
        pieces, edited = self._edit(rest + SEPARATOR, sent)
        return b"".join(pieces) if edited else b"".join(pieces).removesuffix(SEPARATOR)

    def _scan(self, chunk: bytes) -> bytes:
        held = self._held
        sent = 0 if held else self._splitter.pending
        region = self._splitter.feed(chunk)
        pieces: list[bytes] = []
        edited = False
        if region:
            pieces, edited = self._edit(region, sent)
            sent = 0
        if self._splitter.pending:
            self._held = not sent and self._must_hold()
            if not self._held:
                pieces.extend([chunk] if sent else self._fragments)
        else:
            self._held = False
        return b"".join(pieces) if edited or held or self._held else chunk

    def _edit(self, region: bytes, sent: int) -> tuple[list[bytes], bool]:
        """What to forward of `region`, whose first `sent` bytes are gone already, and whether that changed
        it."""
        if self._skip(region):
            return [region[sent:]], False
        pieces = []
        edited = False
        for raw in self._splitter.split(region):
            replacement = self._note(raw)
            if replacement is None or sent:
                pieces.append(raw[sent:])
                sent = max(0, sent - len(raw))
            else:
                pieces.append(replacement)
                edited = True
        return pieces, edited
