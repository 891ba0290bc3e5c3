"""Anthropic Messages: usage, stream and answer. Shapes from the `anthropic` SDK's types.

Here `input_tokens` does not include cached tokens.
"""

from typing import Any

import msgspec

from waystation.model import Operation, Refusal, Usage, UsageSource, Wire
from waystation.wire import tolerant
from waystation.wire.errors import terminal_event
from waystation.wire.reading import BodyReading
from waystation.wire.stream_error import StreamError, read_error
from waystation.wire.tap import StreamTap
from waystation.wire.tolerant import Count


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _ServerToolUse(msgspec.Struct, gc=False):
    web_search_requests: Count | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: Count | None = None


class _Iteration(msgspec.Struct, gc=False):
    type: str | None = None
    input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: Count | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: Count | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerToolUse | None = None
    service_tier: str | None = None
    speed: str | None = None
    iterations: list[_Iteration] | None = None


class _Message(msgspec.Struct, gc=False):
    type: str | None = None
    usage: _Usage | None = None
    stop_reason: str | None = None
    error: Any = None


class _Delta(msgspec.Struct, gc=False):
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    message: _Message | None = None
    usage: _Usage | None = None
    delta: _Delta | None = None
    error: Any = None


_event = msgspec.json.Decoder(_Event)
_message = msgspec.json.Decoder(_Message)


class UsageReader:
    """Merges usage field by field over all events; of each field the last value that is not null wins."""

    __slots__ = (
        "_iterations",
        "_output",
        "_read",
        "_reasoning",
        "_searches",
        "_seen",
        "_speed",
        "_tier",
        "_uncached",
        "_w1h",
        "_w5m",
        "_written",
    )

    def __init__(self) -> None:
        self._seen = False
        self._uncached = self._read = self._output = self._reasoning = self._searches = 0
        self._tier = self._speed = ""
        self._written: int | None = None
        self._w5m: int | None = None
        self._w1h: int | None = None
        self._iterations: list[_Iteration] = []

    def read(self, usage: _Usage) -> None:
        if usage.input_tokens is not None:
            self._uncached, self._seen = usage.input_tokens, True
        if usage.cache_read_input_tokens is not None:
            self._read, self._seen = usage.cache_read_input_tokens, True
        if usage.cache_creation_input_tokens is not None:
            self._written, self._seen = usage.cache_creation_input_tokens, True
        if usage.output_tokens is not None:
            self._output, self._seen = usage.output_tokens, True
        if usage.service_tier is not None:
            self._tier, self._seen = usage.service_tier, True
        if usage.speed is not None:
            self._speed, self._seen = usage.speed, True
        if usage.cache_creation is not None:
            self._read_writes(usage.cache_creation)
        if usage.output_tokens_details is not None:
            self._reasoning, self._seen = usage.output_tokens_details.thinking_tokens or 0, True
        if usage.server_tool_use is not None and usage.server_tool_use.web_search_requests is not None:
            self._searches, self._seen = usage.server_tool_use.web_search_requests, True
        if usage.iterations is not None:
            self._iterations = usage.iterations

    def _read_writes(self, split: _CacheCreation) -> None:
        if split.ephemeral_5m_input_tokens is not None:
            self._w5m, self._seen = split.ephemeral_5m_input_tokens, True
        if split.ephemeral_1h_input_tokens is not None:
            self._w1h, self._seen = split.ephemeral_1h_input_tokens, True

    def usage(self, *, final: bool) -> Usage | None:
        if not self._seen:
            return None
        write_5m, write_1h, mismatch = _split_writes(self._written, self._w5m, self._w1h)
        total = Usage(
            self._uncached,
            self._read,
            write_5m,
            write_1h,
            self._output,
            min(self._reasoning, self._output),
            self._searches,
            "fast" if self._speed == "fast" else self._tier,
            UsageSource.PROVIDER if final else UsageSource.PARTIAL,
            mismatch,
        )
        for iteration in self._iterations:
            # "A `compaction` entry's tokens are not included in the top-level `usage` fields" (SDK,
            # BetaUsage).
            if iteration.type == "compaction":
                total = _with_iteration(total, iteration)
        return total


def _split_writes(total: int | None, w5m: int | None, w1h: int | None) -> tuple[int, int, bool]:
    """Cache writes by lifetime, and whether total and parts disagree. Without the split all are 5-minute
    writes."""
    if w5m is None and w1h is None:
        return total or 0, 0, False
    short, long = w5m or 0, w1h or 0
    if total is None or total == short + long:
        return short, long, False
    # The parts are the finer statement; what they leave of the total has the default lifetime.
    return short + max(0, total - short - long), long, True


def _with_iteration(total: Usage, part: _Iteration) -> Usage:
    split = part.cache_creation or _CacheCreation()
    write_5m, write_1h, mismatch = _split_writes(
        part.cache_creation_input_tokens, split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens
    )
    return msgspec.structs.replace(
        total,
        input=total.input + (part.input_tokens or 0),
        cache_read=total.cache_read + (part.cache_read_input_tokens or 0),
        cache_write_5m=total.cache_write_5m + write_5m,
        cache_write_1h=total.cache_write_1h + write_1h,
        output=total.output + (part.output_tokens or 0),
        mismatch=total.mismatch or mismatch,
    )


class MessagesTap(StreamTap):
    """Anthropic's stream: message_start, pings and content blocks, message_delta, message_stop; or an
    error."""

    __slots__ = ("_final", "_reader")

    wire = Wire.MESSAGES
    event_overhead = 118

    def __init__(self, cap: int) -> None:
        super().__init__(cap)
        self._reader = UsageReader()
        self._final = False

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage(final=self._final)

    def failure(self, error: StreamError | Refusal) -> bytes:
        # The SDKs skip a ping without reading its data, which makes the rest of a cut-off event harmless.
        mend = self._mend().replace(b"\n\n", b"\nevent: ping\n\n")
        return mend + terminal_event(Wire.MESSAGES, error)

    def _plain(self, region: bytes) -> int:
        events = region.count(b"\n\n")
        return events if region.count(b"event: content_block_delta\n") == events else 0

    def _event(self, name: bytes, data: bytes, raw: bytes) -> bytes | None:
        event = tolerant.decode(_event, data)
        kind = (event.type if event else None) or name.decode("utf-8", "replace")
        if event is None:
            if kind == "error":  # the SDKs raise on the event's name alone
                self._fail(read_error(data.decode("utf-8", "replace")))
            elif kind != "ping":
                self._content(raw)
        elif kind == "message_start":
            if event.message is not None and event.message.usage is not None:
                self._reader.read(event.message.usage)
        elif kind == "message_delta":
            self.committed = True
            if event.usage is not None:
                self._reader.read(event.usage)
            if event.delta is not None and event.delta.stop_reason is not None:
                self.finish_reason = event.delta.stop_reason
                self._final = event.usage is not None
        elif kind == "message_stop":
            self.committed = self.terminal = True
        elif kind == "error":
            self._fail(read_error(event.error if event.error is not None else ""))
        elif kind != "ping":
            self._content(raw)
        return None


def read_body(operation: Operation, status: int, body: bytes) -> BodyReading:
    """What a whole answer says."""
    message = tolerant.decode(_message, body)
    if status >= 400 or (message is not None and message.type == "error"):
        return BodyReading(error=read_error(message.error if message else None, status))
    if message is None or operation is not Operation.GENERATE:
        return BodyReading()
    reader = UsageReader()
    if message.usage is not None:
        reader.read(message.usage)
    return BodyReading(usage=reader.usage(final=True), finish_reason=message.stop_reason or "")
