"""Gemini generateContent: usage, stream and answer. Shapes from the `google-genai` SDK's types.

Here `promptTokenCount` includes cached tokens, `candidatesTokenCount` does not include thoughts, and usage in
a stream is cumulative.
"""

from typing import Any

import msgspec

from waystation.model import Operation, Refusal, Usage, UsageSource, Wire
from waystation.wire import tolerant
from waystation.wire.errors import error_object, terminal_event
from waystation.wire.json_array import JsonElements
from waystation.wire.reading import BodyReading
from waystation.wire.stream_error import StreamError, read_error
from waystation.wire.tap import StreamTap
from waystation.wire.tolerant import Count


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    total_token_count: Count | None = None
    traffic_type: str | None = None
    service_tier: str | None = None


class _Candidate(msgspec.Struct, gc=False, rename="camel"):
    finish_reason: str | None = None


class _PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _Usage | None = None
    error: Any = None


_answer = msgspec.json.Decoder(_Answer)

_TIERS = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned",
}


class UsageReader:
    """Keeps the last value of each field that is not null; a stream's figures are cumulative, never
    summed."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: _Usage | None = None

    def read(self, usage: _Usage) -> None:
        seen = self._seen
        if seen is not None:  # spelled out, for this runs for every event
            if usage.prompt_token_count is None:
                usage.prompt_token_count = seen.prompt_token_count
            if usage.cached_content_token_count is None:
                usage.cached_content_token_count = seen.cached_content_token_count
            if usage.candidates_token_count is None:
                usage.candidates_token_count = seen.candidates_token_count
            if usage.thoughts_token_count is None:
                usage.thoughts_token_count = seen.thoughts_token_count
            if usage.tool_use_prompt_token_count is None:
                usage.tool_use_prompt_token_count = seen.tool_use_prompt_token_count
            if usage.total_token_count is None:
                usage.total_token_count = seen.total_token_count
            if usage.traffic_type is None:
                usage.traffic_type = seen.traffic_type
            if usage.service_tier is None:
                usage.service_tier = seen.service_tier
        self._seen = usage

    def usage(self, *, final: bool) -> Usage | None:
        seen = self._seen
        if seen is None:
            return None
        prompt = seen.prompt_token_count or 0
        cached = seen.cached_content_token_count or 0
        thoughts = seen.thoughts_token_count or 0
        output = (seen.candidates_token_count or 0) + thoughts
        tool_results = seen.tool_use_prompt_token_count or 0
        total = seen.total_token_count
        closes = total is None or total == prompt + output + tool_results
        return Usage(
            # Results of server-side tools are "provided back to the model as input" and not part of the
            # prompt.
            input=max(0, prompt - cached) + tool_results,
            cache_read=cached,
            output=output,
            reasoning=thoughts,
            tier=seen.service_tier or _tier(seen.traffic_type),
            source=UsageSource.PROVIDER if final else UsageSource.PARTIAL,
            mismatch=not closes or cached > prompt,
        )


def _tier(traffic_type: str | None) -> str:
    return _TIERS.get(traffic_type, traffic_type.lower()) if traffic_type else ""


class GenerateTap(StreamTap):
    """Gemini's stream: server-sent events with `alt=sse`, else one JSON array; which of them, its bytes tell.

    It has no terminal event: once a finish reason was seen, the end of the body is the end.
    """

    __slots__ = ("_cap", "_elements", "_reader", "_started")

    wire = Wire.GENERATE
    event_overhead = 300

    def __init__(self, cap: int) -> None:
        super().__init__(cap)
        self._cap = cap
        self._reader = UsageReader()
        self._started = False
        self._elements: JsonElements | None = None

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage(final=self.terminal and self.error is None)

    def feed(self, chunk: bytes) -> bytes:
        if self._elements is not None:
            self._read_elements(chunk)
            return chunk
        if not self._started and not self._start(chunk):
            return chunk
        if chunk.startswith(b"data: ") and not self._fragments:
            end = chunk.find(b"\n")
            if end == len(chunk) - 2 and chunk[-1:] == b"\n":
                self._event(b"", chunk[6:end], chunk)
                return chunk
            if end == len(chunk) - 3 and chunk[-4:] == b"\r\n\r\n":
                self._event(b"", chunk[6 : end - 1], chunk)
                return chunk
        return self._scan(chunk)

    def close(self) -> bytes:
        return super().close() if self._elements is None else b""

    @property
    def at_boundary(self) -> bool:
        # There is nothing that could keep a JSON array alive without being part of it.
        return self._elements is None and super().at_boundary

    def failure(self, error: StreamError | Refusal) -> bytes:
        if self._elements is not None:
            return self._elements.append(error_object(Wire.GENERATE, error))
        return self._mend() + terminal_event(Wire.GENERATE, error)

    def _start(self, chunk: bytes) -> bool:
        """Decide by the first byte that is not blank; whether this chunk is still to be read as events."""
        first = chunk.lstrip()[:1]
        if not first:
            return False
        self._started = True
        if first in b"[{":
            self._elements = JsonElements(self._cap)
            self._read_elements(chunk)
            return False
        return True

    def _read_elements(self, chunk: bytes) -> None:
        if self._elements is not None:
            for element in self._elements.feed(chunk):
                self._event(b"", element, element)

    def _plain(self, _region: bytes) -> int:
        return 0  # every chunk carries the usage so far

    def _event(self, _name: bytes, data: bytes, raw: bytes) -> bytes | None:
        answer = tolerant.decode(_answer, data)
        if answer is None:
            self._content(raw)
            return None
        if answer.usage_metadata is not None:
            self._reader.read(answer.usage_metadata)
        if answer.error is not None:
            self._fail(read_error(answer.error))
            return None
        reason = _finish_reason(answer)
        if reason:
            self.finish_reason = reason
            self.terminal = True
        if reason or answer.candidates or self.committed or answer.usage_metadata is None:
            self._content(raw)
        return None


def _finish_reason(answer: _Answer) -> str:
    for candidate in answer.candidates or ():
        if candidate.finish_reason and candidate.finish_reason != "FINISH_REASON_UNSPECIFIED":
            return candidate.finish_reason
    if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
        return answer.prompt_feedback.block_reason
    return ""


def read_body(operation: Operation, status: int, body: bytes) -> BodyReading:
    """What a whole answer says; an array of answers too, which is what an unread stream or some errors look
    like."""
    answers = _read_answers(body)
    error = next((read_error(answer.error, status) for answer in answers if answer.error is not None), None)
    if error is None and status >= 400:
        error = read_error(None, status)
    if operation not in (Operation.GENERATE, Operation.EMBED):
        return BodyReading(error=error)
    reader = UsageReader()
    for answer in answers:
        if answer.usage_metadata is not None:
            reader.read(answer.usage_metadata)
    reason = next((reason for answer in answers if (reason := _finish_reason(answer))), "")
    return BodyReading(usage=reader.usage(final=True), error=error, finish_reason=reason)


def _read_answers(body: bytes) -> list[_Answer]:
    elements = JsonElements(len(body)).feed(body) if body.lstrip()[:1] == b"[" else [body]
    return [answer for answer in (tolerant.decode(_answer, element) for element in elements) if answer]
