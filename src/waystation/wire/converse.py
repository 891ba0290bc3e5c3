"""Amazon Bedrock Converse: usage, stream and answer. Shapes from botocore's model of `bedrock-runtime`.

Only providers speak it. `inputTokens` does not include cached tokens, as in Anthropic's protocol.
"""

import msgspec

from waystation.model import Operation, Refusal, Usage, Wire
from waystation.wire import eventstream, tolerant
from waystation.wire.eventstream import EventStreamDecoder, Frame
from waystation.wire.reading import BodyReading
from waystation.wire.sse import DEFAULT_CAP
from waystation.wire.stream_error import StreamError, seconds_in
from waystation.wire.tap import StreamTap
from waystation.wire.tolerant import Count

_STATUS_OF_EXCEPTION = {
    "validationexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "modelerrorexception": 424,
    "modelstreamerrorexception": 424,
    "throttlingexception": 429,
    "modelnotreadyexception": 429,
    "servicequotaexceededexception": 429,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}
_TYPE_OF_STATUS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
"""What a body does not say: the exception's name is in a header of the answer (`x-amzn-errortype`)."""
MALFORMED = ("malformed_model_output", "malformed_tool_use")
"""Stop reasons with which the model's own output could not be read: what came until then is no answer."""


class _CacheDetail(msgspec.Struct, gc=False):
    ttl: str | None = None
    input_tokens: Count | None = msgspec.field(name="inputTokens", default=None)


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_write_input_tokens: Count | None = None
    cache_details: list[_CacheDetail] | None = None


class _ServiceTier(msgspec.Struct, gc=False):
    type: str | None = None


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    """What is read of a whole answer, of `messageStop` and of `metadata` alike."""

    usage: _Usage | None = None
    stop_reason: str | None = None
    service_tier: _ServiceTier | None = None


class _Error(msgspec.Struct, gc=False):
    message: str | None = None
    capital_message: str | None = msgspec.field(name="Message", default=None)
    type: str | None = msgspec.field(name="__type", default=None)
    original_message: str | None = msgspec.field(name="originalMessage", default=None)
    original_status: Count | None = msgspec.field(name="originalStatusCode", default=None)


_answer = msgspec.json.Decoder(_Answer)
_error = msgspec.json.Decoder(_Error)


def _read_usage(answer: _Answer) -> Usage | None:
    usage = answer.usage
    if usage is None:
        return None
    plain, read, written = usage.input_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens
    output, total = usage.output_tokens, usage.total_tokens
    if plain is None and output is None and total is None:
        return None
    details = [d for d in usage.cache_details or () if d.input_tokens is not None]
    long = sum(d.input_tokens or 0 for d in details if d.ttl == "1h")
    short = sum(d.input_tokens or 0 for d in details if d.ttl != "1h")
    mismatch = False
    if written is not None and details:
        mismatch = written != short + long
        short += max(0, written - short - long)
    elif written is not None:
        short = written
    found = Usage(
        input=plain or 0,
        cache_read=read or 0,
        cache_write_5m=short,
        cache_write_1h=long,
        output=output or 0,
        tier=(answer.service_tier.type if answer.service_tier else None) or "",
        mismatch=mismatch,
    )
    # `totalTokens` is documented as input and output; whether cached tokens are in it, models differ.
    if total is not None and total not in (found.total, found.input + found.output):
        return msgspec.structs.replace(found, mismatch=True)
    return found


def read_failure(frame: Frame) -> StreamError:
    """The error in an `exception` frame, or in the `error` frame of a failure that the service has no name
    for.

    A failure of the model's (424) in the midst of a stream is no fault of the request's: "retry your
    request".
    """
    name = frame.name
    if frame.type == "error":
        message = str(frame.headers.get(":error-message", ""))
        return StreamError(
            name or "error", message, _STATUS_OF_EXCEPTION.get(name.lower(), 500), seconds_in(message)
        )
    error = tolerant.decode(_error, frame.payload) or _Error()
    message = error.message or error.capital_message or error.original_message or ""
    status = _STATUS_OF_EXCEPTION.get(name.lower(), 500)
    if status == 424:
        original = error.original_status or 0
        status = original if 400 <= original <= 599 else 500
    return StreamError(name or "error", message, status, seconds_in(message))


def corrupt_stream(why: str) -> StreamError:
    """The error that a stream ends with whose frames can no longer be told apart."""
    return StreamError("corrupt_event_stream", f"The provider's stream is corrupt: {why}.", 502)


def malformed_answer(stop_reason: str) -> StreamError:
    """The error that stands for a stop reason in MALFORMED."""
    return StreamError(
        stop_reason, "The model's output could not be read by the provider. Please ask again.", 500
    )


def failure_frame(error: StreamError | Refusal) -> bytes:
    """The exception frame that ends a stream."""
    status = error.http_status if isinstance(error, StreamError) else 500
    name = _TYPE_OF_STATUS.get(status, "InternalServerException")
    return eventstream.exception(name[0].lower() + name[1:], msgspec.json.encode({"message": error.message}))


class ConverseTap(StreamTap):
    """Bedrock's stream: messageStart, content blocks, messageStop, metadata; or an exception.

    The usage comes last, in `metadata`, so that is the end; a body that ends after `messageStop` is whole
    too.
    """

    __slots__ = ("_decoder", "_usage")

    wire = Wire.CONVERSE
    event_overhead = 150

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        super().__init__(cap)
        self._decoder = EventStreamDecoder(cap)
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage | None:
        return self._usage

    def feed(self, chunk: bytes) -> bytes:
        for frame in self._decoder.feed(chunk):
            self._frame(frame)
        if self._decoder.corrupt:
            self._fail(corrupt_stream(self._decoder.corrupt))
        return chunk

    def close(self) -> bytes:
        if self.finish_reason and not self._decoder.pending:
            self.terminal = True
        return b""

    @property
    def at_boundary(self) -> bool:
        return not self._decoder.pending

    def failure(self, error: StreamError | Refusal) -> bytes:
        """An exception frame; behind a frame that was cut off, nobody can read it."""
        return failure_frame(error)

    def _frame(self, frame: Frame) -> None:
        if frame.type == "event":
            name = frame.name
            if name == "messageStop" or name == "metadata":
                self._ending(name, frame.payload)
            elif name != "messageStart":
                self.committed = True
                self.output_events += 1
                self.output_bytes_seen += frame.size
        else:
            self._fail(read_failure(frame))

    def _ending(self, name: str, payload: bytes) -> None:
        self.committed = True
        answer = tolerant.decode(_answer, payload) or _Answer()
        if answer.stop_reason is not None:
            self.finish_reason = answer.stop_reason
            if answer.stop_reason in MALFORMED and self.error is None:
                self.error = malformed_answer(answer.stop_reason)
        found = _read_usage(answer)
        if found is not None:
            self._usage = found
        if name == "metadata":
            self.terminal = True


def read_body(operation: Operation, status: int, body: bytes) -> BodyReading:
    """What a whole answer says."""
    if status >= 400:
        return BodyReading(error=_body_error(status, body))
    answer = tolerant.decode(_answer, body)
    if answer is None or operation is not Operation.GENERATE:
        return BodyReading()
    reason = answer.stop_reason or ""
    error = malformed_answer(reason) if reason in MALFORMED else None
    return BodyReading(usage=_read_usage(answer), error=error, finish_reason=reason)


def _body_error(status: int, body: bytes) -> StreamError:
    error = tolerant.decode(_error, body) or _Error()
    message = error.message or error.capital_message or error.original_message or ""
    named = (error.type or "").rpartition("#")[2]
    kind = named or _TYPE_OF_STATUS.get(status, "error")
    return StreamError(kind, message, status, seconds_in(message))
