"""The tap of a translated stream: the provider's bytes in, the tool's out."""

from collections.abc import Callable

from waystation.model import Refusal, Usage, Wire
from waystation.wire import make_tap
from waystation.wire.canonical import Event, Failed, Finish
from waystation.wire.codecs import StreamReader, StreamWriter
from waystation.wire.sse import DEFAULT_CAP
from waystation.wire.stream_error import StreamError
from waystation.wire.tap import StreamTap
from waystation.wire.translate.raising import Raiser


class TranslatedTap(StreamTap):
    """One streamed answer, read for usage and errors by the provider's own tap, and for content by its codec.

    `terminal` means here that the tool's stream has its end: a success where the provider said that it was done,
    else an error. A stream that just stops gets neither; the caller then ends it with `failure` (E15).
    """

    __slots__ = ("_provider", "_raiser", "_reader", "_restated", "_target", "_writer")

    def __init__(
        self,
        target: Wire,
        reader: StreamReader,
        raiser: Raiser,
        writer: StreamWriter,
        restated: Callable[[StreamError], StreamError],
        cap: int = DEFAULT_CAP,
    ) -> None:
        super().__init__(cap)
        self._target = target
        self._provider = make_tap(target, cap=cap)
        self._reader = reader
        self._raiser = raiser
        self._writer = writer
        self._restated = restated

    @property
    def usage(self) -> Usage | None:
        return self._provider.usage

    @property
    def skipped(self) -> int:
        """Events of the provider that could not be read (E112)."""
        return self._reader.skipped

    @property
    def output_chars(self) -> int:
        return self._provider.output_chars

    @property
    def at_boundary(self) -> bool:
        return True  # a writer gives whole events only

    def failure(self, error: StreamError | Refusal) -> bytes:
        return self._writer.failure(error)

    def feed(self, chunk: bytes) -> bytes:
        self._provider.feed(chunk)
        return self._say(self._reader.feed(chunk), done=True)

    def close(self) -> bytes:
        """The upstream body has ended; returns the end of the tool's stream, if the provider came to one."""
        provider = self._provider
        provider.close()
        events = self._reader.close()
        # Some servers of Chat Completions end without `[DONE]`: a finish reason and a clean end will do.
        done = provider.terminal or (self._target is Wire.CHAT and provider.finish_reason != "")
        return self._say(events, done=done)

    def _say(self, events: list[Event], *, done: bool) -> bytes:
        """What the tool gets of `events`. `done`: an end among them is to be believed."""
        provider = self._provider
        if self.terminal:  # nothing follows an end
            return b""
        error = provider.error
        end = type(events[-1]) if events else None
        if end is Failed:
            failed = events.pop()
            if error is None and isinstance(failed, Failed):
                error = failed.error
        elif end is Finish and (error is not None or not done):
            events.pop()
        elif end is Finish:
            self.terminal = True
        usage = provider.usage if end is Finish else None
        out = self._writer.write(self._raiser.raised(events, usage)) if events else b""
        if error is not None:
            self.error = error
            self.terminal = True
            out += self._writer.failure(self._restated(error))
        self.committed = provider.committed or self.terminal
        self.output_events = provider.output_events
        self.output_bytes_seen = provider.output_bytes_seen
        self.finish_reason = provider.finish_reason
        return out
