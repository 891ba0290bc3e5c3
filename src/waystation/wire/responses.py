"""OpenAI Responses: usage, stream and answer. Shapes from the `openai` SDK's types.

Here `input_tokens` includes cached tokens, those read and those written.
"""

from typing import Any

import msgspec

from waystation.model import Operation, Refusal, Usage, UsageSource, Wire
from waystation.wire import tolerant
from waystation.wire.errors import ResponseSoFar, failed_response
from waystation.wire.reading import BodyReading
from waystation.wire.sse import parse_event
from waystation.wire.stream_error import StreamError, read_error
from waystation.wire.tap import EditingTap
from waystation.wire.tolerant import Count


class _WriteDetails(msgspec.Struct, gc=False):
    ttl_30m_tokens: Count | None = None
    ttl_12h_tokens: Count | None = None


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_write_tokens_details: _WriteDetails | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: Count | None = None
    output_tokens_details: _OutputDetails | None = None
    total_tokens: Count | None = None


class _WebSearch(msgspec.Struct, gc=False):
    num_requests: Count | None = None


class _ToolUsage(msgspec.Struct, gc=False):
    web_search: _WebSearch | None = None


class _Incomplete(msgspec.Struct, gc=False):
    reason: str | None = None


class _Response(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    created_at: Count | None = None
    status: str | None = None
    usage: _Usage | None = None
    service_tier: str | None = None
    tool_usage: _ToolUsage | None = None
    incomplete_details: _Incomplete | None = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    sequence_number: Count | None = None
    response: _Response | None = None
    error: Any = None
    code: Any = None
    message: str | None = None
    param: str | None = None


_event = msgspec.json.Decoder(_Event)
_response = msgspec.json.Decoder(_Response)

_PREAMBLE = frozenset({"response.created", "response.queued", "response.in_progress"})
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
# An event that starts otherwise is never rewritten: part of it may have been forwarded before it was known.
_ERROR_STARTS = (
    b"event: error",
    b"event:error",
    b'data: {"type":"error"',
    b'data: {"type": "error"',
    b'data: {"error"',
    b'data:{"type":"error"',
    b'data:{"error"',
)


class UsageReader:
    """Merges usage field by field; of each field the last value that is not null wins."""

    __slots__ = ("_fields",)

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}

    def read(self, response: _Response) -> None:
        usage = response.usage
        inputs = (usage.input_tokens_details if usage else None) or _InputDetails()
        writes = inputs.cache_write_tokens_details or _WriteDetails()
        outputs = (usage.output_tokens_details if usage else None) or _OutputDetails()
        searches = response.tool_usage.web_search if response.tool_usage else None
        self._fields.update(
            (name, value)
            for name, value in (
                ("input", usage.input_tokens if usage else None),
                ("cached", inputs.cached_tokens),
                ("written", inputs.cache_write_tokens),
                ("written_12h", writes.ttl_12h_tokens),
                ("output", usage.output_tokens if usage else None),
                ("reasoning", outputs.reasoning_tokens),
                ("total", usage.total_tokens if usage else None),
                ("searches", searches.num_requests if searches else None),
                ("tier", response.service_tier),
            )
            if value is not None
        )

    def usage(self, *, final: bool) -> Usage | None:
        fields = self._fields
        if "input" not in fields and "output" not in fields:
            return None
        get = fields.get
        prompt, cached, written, output = (get(n, 0) for n in ("input", "cached", "written", "output"))
        written_long = min(get("written_12h", 0), written)
        return Usage(
            input=max(0, prompt - cached - written),
            cache_read=cached,
            cache_write_5m=written - written_long,
            cache_write_1h=written_long,
            output=output,
            reasoning=min(get("reasoning", 0), output),
            web_searches=get("searches", 0),
            tier=get("tier", ""),
            source=UsageSource.PROVIDER if final else UsageSource.PARTIAL,
            mismatch=cached + written > prompt or get("total", prompt + output) != prompt + output,
        )


class ResponsesTap(EditingTap):
    """OpenAI's typed events. An `error` event is rewritten to `response.failed`, which is what clients end
    on."""

    __slots__ = ("_final", "_reader", "_response")

    wire = Wire.RESPONSES
    event_overhead = 230

    def __init__(self, cap: int) -> None:
        super().__init__(cap)
        self._reader = UsageReader()
        self._final = False
        self._response = ResponseSoFar()

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage(final=self._final)

    def failure(self, error: StreamError | Refusal) -> bytes:
        return self._mend() + failed_response(error, self._so_far())

    def _so_far(self) -> ResponseSoFar:
        # No event is as short as 64 bytes, so this is beyond every sequence number that was sent.
        sequence = self._response.sequence_number + self.output_bytes_seen // 64 + 1
        return msgspec.structs.replace(self._response, sequence_number=sequence)

    def _must_hold(self) -> bool:
        start = b"".join(self._fragments[:32])[:32]
        return any(start.startswith(known[: len(start)]) for known in _ERROR_STARTS)

    def _plain(self, region: bytes) -> int:
        events = region.count(b"\n\n")
        # A line that ends in ".delta" can only be an event's name: data ends with a brace.
        return events if region.count(b".delta\n") == events else 0

    def _event(self, name: bytes, data: bytes, raw: bytes) -> bytes | None:
        event = tolerant.decode(_event, data)
        if event is None:
            if data != b"[DONE]":
                self._content(raw)
            return None
        kind = event.type or name.decode("utf-8", "replace")
        if event.sequence_number is not None:
            self._response.sequence_number = event.sequence_number
        if kind in _PREAMBLE:
            if event.response is not None:
                self._remember(event.response)
        elif kind in _TERMINAL:
            self._end(kind, event.response or _Response())
        elif kind == "error" or event.error is not None:
            error = _read_error_event(event)
            self._fail(error)
            self.finish_reason = "failed"
            return failed_response(error, self._so_far()) if raw.startswith(_ERROR_STARTS) else None
        else:
            self._content(raw)
        return None

    def _remember(self, response: _Response) -> None:
        so_far = self._response
        so_far.id = response.id or so_far.id
        so_far.model = response.model or so_far.model
        so_far.created_at = response.created_at or so_far.created_at

    def _end(self, kind: str, response: _Response) -> None:
        self.committed = self.terminal = self._final = True
        self._remember(response)
        self._reader.read(response)
        self.finish_reason = _finish_reason(response) or kind.removeprefix("response.")
        if response.error is not None:
            self._fail(read_error(response.error))
        elif kind == "response.failed":
            self._fail(StreamError("error", "", 500))


def _read_error_event(event: _Event) -> StreamError:
    """`{"type":"error","code","message","param"}`, or the `error` object that some servers send instead."""
    if event.error is not None:
        return read_error(event.error)
    return read_error({"code": event.code, "message": event.message})


def _finish_reason(response: _Response) -> str:
    if response.incomplete_details is not None and response.incomplete_details.reason:
        return response.incomplete_details.reason
    return response.status or ""


def responses_error_to_failed(raw: bytes) -> bytes:
    """One SSE event; if it is an `error` event, the `response.failed` event that says the same.

    Codex and the SDKs wait for a terminal event and take no notice of `error`. Code and message are kept.
    """
    name, data, _ = parse_event(raw)
    event = tolerant.decode(_event, data) if data is not None else None
    if event is None:
        return raw
    kind = event.type or name.decode("utf-8", "replace")
    if kind != "error" and (kind or event.error is None):
        return raw
    sequence = event.sequence_number or 0
    return failed_response(_read_error_event(event), ResponseSoFar(sequence_number=sequence))


def read_body(operation: Operation, status: int, body: bytes) -> BodyReading:
    """What a whole answer says."""
    response = tolerant.decode(_response, body)
    if response is None:
        return BodyReading(error=read_error(None, status) if status >= 400 else None)
    error = read_error(response.error, status) if response.error is not None or status >= 400 else None
    if operation is not Operation.GENERATE:
        return BodyReading(error=error)
    reader = UsageReader()
    reader.read(response)
    return BodyReading(usage=reader.usage(final=True), error=error, finish_reason=_finish_reason(response))
