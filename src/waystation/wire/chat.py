"""OpenAI Chat Completions and Embeddings: usage, stream and answer. Shapes from the `openai` SDK's types.

Here `prompt_tokens` includes cached tokens, those read and those written.
"""

from typing import Any

import msgspec

from waystation.model import Operation, Refusal, Usage, UsageSource, Wire
from waystation.wire import tolerant
from waystation.wire.errors import terminal_event
from waystation.wire.reading import BodyReading
from waystation.wire.stream_error import StreamError, read_error
from waystation.wire.tap import EditingTap
from waystation.wire.tolerant import Count


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    prompt_cache_hit_tokens: Count | None = None
    cached_tokens: Count | None = None
    completion_tokens: Count | None = None
    completion_tokens_details: _CompletionDetails | None = None
    total_tokens: Count | None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    delta: dict[str, Any] | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    service_tier: str | None = None
    error: Any = None


class _WholeChoice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Completion(msgspec.Struct, gc=False):
    choices: list[_WholeChoice] | None = None
    usage: _Usage | None = None
    service_tier: str | None = None
    error: Any = None


_UNFINISHED = b'"finish_reason":null'
_NO_HEAD = b"\0"
_chunk = msgspec.json.Decoder(_Chunk)
_completion = msgspec.json.Decoder(_Completion)


class UsageReader:
    """Merges usage field by field; of each field the last value that is not null wins."""

    __slots__ = ("_fields", "_tier")

    def __init__(self) -> None:
        self._fields: dict[str, int] = {}
        self._tier = ""

    def read(self, usage: _Usage | None, tier: str | None) -> None:
        if tier is not None:
            self._tier = tier
        if usage is None:
            return
        prompt = usage.prompt_tokens_details or _PromptDetails()
        completion = usage.completion_tokens_details or _CompletionDetails()
        cached = prompt.cached_tokens
        if cached is None:  # DeepSeek and Moonshot have their own places for it
            hits = usage.prompt_cache_hit_tokens
            cached = usage.cached_tokens if hits is None else hits
        self._fields.update(
            (name, value)
            for name, value in (
                ("prompt", usage.prompt_tokens),
                ("cached", cached),
                ("written", prompt.cache_write_tokens),
                ("completion", usage.completion_tokens),
                ("reasoning", completion.reasoning_tokens),
                ("total", usage.total_tokens),
            )
            if value is not None
        )

    def usage(self, *, final: bool) -> Usage | None:
        if not self._fields:
            return None
        names = ("prompt", "cached", "written", "completion", "reasoning")
        prompt, cached, written, output, reasoning = (self._fields.get(name, 0) for name in names)
        total = self._fields.get("total", prompt + output)
        if total == prompt + output + reasoning:
            output += reasoning  # some servers leave reasoning out of completion_tokens; their total says so
        return Usage(
            input=max(0, prompt - cached - written),
            cache_read=cached,
            cache_write_5m=written,
            output=output,
            reasoning=min(reasoning, output),
            tier=self._tier,
            source=UsageSource.PROVIDER if final else UsageSource.PARTIAL,
            mismatch=cached + written > prompt or total != prompt + output,
        )


class ChatTap(EditingTap):
    """OpenAI's chunks, ended by `[DONE]`.

    With `drop_usage_chunk`, the chunk that holds nothing but usage is kept from a caller who did not ask for
    it.
    """

    __slots__ = ("_drop", "_final", "_head", "_reader", "_rest")

    wire = Wire.CHAT
    event_overhead = 240

    def __init__(self, cap: int, *, drop_usage_chunk: bool) -> None:
        super().__init__(cap)
        self._drop = drop_usage_chunk
        self._final = False
        self._head = _NO_HEAD
        self._rest = b""
        """What stands before the choices of an ordinary chunk, and behind them: often the same all along."""
        self._reader = UsageReader()

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage(final=self._final)

    def failure(self, error: StreamError | Refusal) -> bytes:
        return self._mend() + terminal_event(Wire.CHAT, error)

    def _must_hold(self) -> bool:
        return self._drop

    def _plain(self, region: bytes) -> int:
        # As compact servers write it; where there are spaces between the tokens, every event is parsed.
        if region.startswith(self._head) and region.find(b"\n") == len(region) - 2:
            at = region.rfind(_UNFINISHED)
            if at > 0:
                rest = region[at:]
                if rest != self._rest:
                    if b'"usage":{' in rest or b'"error"' in rest:
                        return 0
                    self._rest = rest
                return 1
        if b'"usage":{' in region or b'"error"' in region:
            return 0
        events = region.count(b"\n\n")
        return events if region.count(_UNFINISHED) == events else 0

    def _event(self, name: bytes, data: bytes, raw: bytes) -> bytes | None:
        if data.strip() == b"[DONE]":
            self.committed = self.terminal = True
            return None
        chunk = tolerant.decode(_chunk, data)
        if chunk is None:
            self._content(raw)
            return None
        self._reader.read(chunk.usage, chunk.service_tier)
        reasons = [choice.finish_reason for choice in chunk.choices or () if choice.finish_reason is not None]
        if reasons:
            self.finish_reason = reasons[0]
        elif chunk.choices and chunk.error is None and chunk.usage is None:
            self._head = raw[: raw.find(b'"choices"')] or _NO_HEAD
        if chunk.usage is not None and (self.finish_reason or not chunk.choices):
            self._final = True
        if chunk.error is not None or name == b"error":  # before "no choices": an error chunk may have none
            self._fail(read_error(chunk.error))
        elif reasons:
            self.committed = True
            self._content(raw)
        elif chunk.choices:
            if self.committed or any(_says_something(choice) for choice in chunk.choices):
                self._content(raw)
        elif chunk.choices is None and chunk.usage is None:
            self._content(raw)  # not a chunk that we know
        elif self._drop and chunk.usage is not None:
            return b""
        return None


def _says_something(choice: _Choice) -> bool:
    return any(value not in ("", None, []) for key, value in (choice.delta or {}).items() if key != "role")


def read_body(operation: Operation, status: int, body: bytes) -> BodyReading:
    """What a whole answer says; for Embeddings too, whose usage has the same fields."""
    completion = tolerant.decode(_completion, body)
    if completion is None:
        return BodyReading(error=read_error(None, status) if status >= 400 else None)
    failed = status >= 400 or completion.error is not None
    error = read_error(completion.error, status) if failed else None
    if operation not in (Operation.GENERATE, Operation.EMBED):
        return BodyReading(error=error)
    reader = UsageReader()
    reader.read(completion.usage, completion.service_tier)
    reason = next((c.finish_reason for c in completion.choices or () if c.finish_reason), "")
    return BodyReading(usage=reader.usage(final=True), error=error, finish_reason=reason)
