"""The few facts of a request body that decisions are made from, read in one pass."""

from typing import Any

import msgspec

from waystation.model import Operation, Wire
from waystation.wire import tolerant
from waystation.wire.bad_body import BadBody

_NOT_AN_OBJECT = "The request body must be a JSON object."


class RequestFacts(msgspec.Struct, frozen=True, gc=False):
    """What a request asks for, whatever its protocol."""

    wire: Wire
    operation: Operation
    model: str
    stream: bool
    max_output: int | None
    """The most output tokens the request allows; None where it sets no limit."""
    tool_session: str
    """The tool's own session id, where the body carries one; else empty."""
    include_usage: bool
    """Chat Completions only: the caller asked for usage in its stream."""
    previous_response_id: str | None
    """Responses only: the response that this one continues."""


class _Metadata(msgspec.Struct, gc=False):
    user_id: str | None = None


class _UserId(msgspec.Struct, gc=False):
    session_id: str = ""


class _Messages(msgspec.Struct, gc=False):
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    metadata: _Metadata | None = None


class _Responses(msgspec.Struct, gc=False):
    model: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    prompt_cache_key: str | None = None
    previous_response_id: str | None = None


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Chat(msgspec.Struct, gc=False):
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    prompt_cache_key: str | None = None
    stream_options: _StreamOptions | None = None


class _Embeddings(msgspec.Struct, gc=False):
    model: str | None = None


class _GenerationConfig(msgspec.Struct, gc=False, rename="camel"):
    max_output_tokens: int | None = None


class _Generate(msgspec.Struct, gc=False, rename="camel"):
    generation_config: _GenerationConfig | None = None


_DECODERS: dict[Wire, msgspec.json.Decoder[Any]] = {
    Wire.MESSAGES: msgspec.json.Decoder(_Messages),
    Wire.RESPONSES: msgspec.json.Decoder(_Responses),
    Wire.CHAT: msgspec.json.Decoder(_Chat),
    Wire.EMBEDDINGS: msgspec.json.Decoder(_Embeddings),
    Wire.GENERATE: msgspec.json.Decoder(_Generate),
}
_user_id = msgspec.json.Decoder(_UserId).decode


def read_request(
    wire: Wire,
    operation: Operation,
    body: bytes,
    *,
    model_in_path: str | None,
    stream_in_path: bool = False,
) -> RequestFacts:
    """The facts of one request body.

    Where the protocol names the model (or streaming) in the path, that decides and the body is only checked.
    Raises BadBody for a body that is not a JSON object in UTF-8, nests too deeply to be read, names no model,
    or holds a `model` or `stream` of another type. A field of no interest here is never looked at.
    """
    if not body.isascii():
        _check_utf8(body)
    try:
        fields = _DECODERS[wire].decode(body)
    except msgspec.ValidationError:
        fields = _read_leniently(wire, body)
    except msgspec.DecodeError as error:
        raise BadBody(f"The request body is not valid JSON: {_reason(error)}.") from None
    except RecursionError:
        raise BadBody("The request body is nested too deeply.") from None

    model = model_in_path
    if model is None:
        model = getattr(fields, "model", None)
        if not model:
            raise BadBody("The request body names no model; set the field 'model'.", param="model")
    stream = stream_in_path or bool(getattr(fields, "stream", None))
    max_output: int | None = None
    session = ""
    include_usage = False
    previous: str | None = None
    if wire is Wire.MESSAGES:
        max_output = fields.max_tokens
        if fields.metadata is not None and fields.metadata.user_id:
            session = _session_of(fields.metadata.user_id)
    elif wire is Wire.RESPONSES:
        max_output = fields.max_output_tokens
        session = fields.prompt_cache_key or ""
        previous = fields.previous_response_id
    elif wire is Wire.CHAT:
        max_output = fields.max_completion_tokens
        if max_output is None:
            max_output = fields.max_tokens
        session = fields.prompt_cache_key or ""
        include_usage = fields.stream_options is not None and bool(fields.stream_options.include_usage)
    elif wire is Wire.GENERATE and fields.generation_config is not None:
        max_output = fields.generation_config.max_output_tokens
    return RequestFacts(wire, operation, model, stream, max_output, session, include_usage, previous)


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadBody(f"The request body is not valid UTF-8 (byte {error.start}).") from None


def _read_leniently(wire: Wire, body: bytes) -> Any:
    """The fields that have the right type. Which of the others are wrong is for the provider to say, save
    two."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise BadBody("The request body cannot be read as JSON.") from None
    if not isinstance(value, dict):
        raise BadBody(_NOT_AN_OBJECT)
    if wire is not Wire.GENERATE:
        if not isinstance(value.get("model"), str | None):
            raise BadBody("The field 'model' must be a string.", param="model")
        if not isinstance(value.get("stream"), bool | None):
            raise BadBody("The field 'stream' must be true or false.", param="stream")
    struct: type[msgspec.Struct] = _DECODERS[wire].type
    return tolerant.salvage(value, struct)


def _session_of(user_id: str) -> str:
    """The session in Anthropic's `metadata.user_id`: JSON since Claude Code 2, `…_session_<id>` before."""
    if user_id.startswith("{"):
        try:
            return _user_id(user_id).session_id
        except (ValueError, RecursionError):
            return ""
    return user_id.rpartition("_session_")[2] if "_session_" in user_id else ""


def _reason(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ").rstrip(".").lower()
