"""Protocol cores: pure functions and state machines over bytes, without I/O and without a clock.

The door of the room. Requests: `decode_body`, `read_request`, `set_model`. Answers: `make_tap` for a stream,
`read_body` for a whole one; both read usage with the same readers, into disjoint buckets. Words to the caller
in the caller's own protocol: `refusal_response`, `convert_stream_error`, `terminal_event`, `keepalive`,
`model_list`, `model_shape`. Providers' lists of models: `read_list`, `FIRST_PAGE`.

What cannot be read raises BadBody (a request), SSEOverflow (a stream) or NotAList (a list of models); nothing
else is raised for any input.
"""

from waystation.model import Operation, Wire
from waystation.wire import anthropic, chat, converse, gemini, responses
from waystation.wire.anthropic import MessagesTap
from waystation.wire.bad_body import BadBody
from waystation.wire.chat import ChatTap
from waystation.wire.coding import decode_body
from waystation.wire.converse import ConverseTap
from waystation.wire.errors import convert_stream_error, keepalive, refusal_response, terminal_event
from waystation.wire.estimate import estimate_tokens
from waystation.wire.gemini import GenerateTap
from waystation.wire.listing import FIRST_PAGE, ListPage, NotAList, read_list
from waystation.wire.models import model_list, model_shape
from waystation.wire.reading import BodyReading
from waystation.wire.request import RequestFacts, read_request
from waystation.wire.responses import ResponsesTap, responses_error_to_failed
from waystation.wire.shape import Shape, read_shape
from waystation.wire.splice import request_usage_in_stream, set_model
from waystation.wire.sse import DEFAULT_CAP, SSEDecoder, SSEEvent, SSEOverflow
from waystation.wire.stream_error import STATUS_BY_TYPE, StreamError
from waystation.wire.tap import StreamTap

__all__ = [
    "DEFAULT_CAP",
    "FIRST_PAGE",
    "STATUS_BY_TYPE",
    "BadBody",
    "BodyReading",
    "ListPage",
    "NotAList",
    "RequestFacts",
    "SSEDecoder",
    "SSEEvent",
    "SSEOverflow",
    "Shape",
    "StreamError",
    "StreamTap",
    "convert_stream_error",
    "decode_body",
    "estimate_tokens",
    "keepalive",
    "make_tap",
    "model_list",
    "model_shape",
    "read_body",
    "read_list",
    "read_request",
    "read_shape",
    "refusal_response",
    "request_usage_in_stream",
    "responses_error_to_failed",
    "set_model",
    "terminal_event",
]


def make_tap(wire: Wire, *, drop_usage_chunk: bool = False, cap: int = DEFAULT_CAP) -> StreamTap:
    """A tap for one streamed answer.

    `drop_usage_chunk` is for Chat Completions only: keep the usage chunk that we asked for and the caller did
    not from the caller. `cap` bounds one event, in bytes.
    """
    if wire is Wire.MESSAGES:
        return MessagesTap(cap)
    if wire is Wire.RESPONSES:
        return ResponsesTap(cap)
    if wire is Wire.GENERATE:
        return GenerateTap(cap)
    if wire is Wire.CONVERSE:
        return ConverseTap(cap)
    return ChatTap(cap, drop_usage_chunk=drop_usage_chunk)


def read_body(wire: Wire, operation: Operation, status: int, body: bytes) -> BodyReading:
    """What a whole answer says: usage, why it ended, and the error it may be. Never raises."""
    if wire is Wire.MESSAGES:
        return anthropic.read_body(operation, status, body)
    if wire is Wire.RESPONSES:
        return responses.read_body(operation, status, body)
    if wire is Wire.GENERATE:
        return gemini.read_body(operation, status, body)
    if wire is Wire.CONVERSE:
        return converse.read_body(operation, status, body)
    return chat.read_body(operation, status, body)
