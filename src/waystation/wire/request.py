"""The few facts of a request body that decisions are made from, read in one pass."""

from collections.abc import Callable
from typing import Any

import msgspec

from waystation.model import Operation, Wire
from waystation.wire import tolerant
from waystation.wire.bad_body import BadBody

NOT_AN_OBJECT = "The request body must be a JSON object."
NO_MODEL = "The request body names no model; set the field 'model'."
MODEL_TYPE = "The field 'model' must be a string."
MODEL_TWICE = "The field 'model' is given twice; name one model."
LONGEST_MODEL = 256
"""Characters of a model's name: it goes into the ledger and into memories of past answers."""
MODEL_LONG = f"The name of the model is longer than {LONGEST_MODEL} characters; no model has such a name."
_LONGEST_SESSION = 128
STREAM_TYPE = "The field 'stream' must be true or false."
TOO_DEEP = "The request body is nested too deeply."


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


class _Name:
    """The type of `model` to the decoder, so that it hands over every one it meets, not only the last."""

    __slots__ = ()


_NAME = _Name()


class _Metadata(msgspec.Struct, gc=False):
    user_id: str | None = None


class _UserId(msgspec.Struct, gc=False):
    session_id: str = ""


class _Messages(msgspec.Struct, gc=False):
    model: _Name = _NAME
    stream: bool | None = None
    max_tokens: int | None = None
    metadata: _Metadata | None = None


class _Responses(msgspec.Struct, gc=False):
    model: _Name = _NAME
    stream: bool | None = None
    max_output_tokens: int | None = None
    prompt_cache_key: str | None = None
    previous_response_id: str | None = None


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Chat(msgspec.Struct, gc=False):
    model: _Name = _NAME
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    prompt_cache_key: str | None = None
    stream_options: _StreamOptions | None = None


class _Embeddings(msgspec.Struct, gc=False):
    model: _Name = _NAME
    stream: bool | None = None


class _GenerationConfig(msgspec.Struct, gc=False, rename="camel"):
    max_output_tokens: int | None = None


class _Generate(msgspec.Struct, gc=False, rename="camel"):
    generation_config: _GenerationConfig | None = None


class _OnlyModel(msgspec.Struct, gc=False):
    model: _Name = _NAME


_STRUCTS: dict[Wire, type[msgspec.Struct]] = {
    Wire.MESSAGES: _Messages,
    Wire.RESPONSES: _Responses,
    Wire.CHAT: _Chat,
    Wire.EMBEDDINGS: _Embeddings,
    Wire.GENERATE: _Generate,
}
_json = msgspec.json.decode
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
    Raises BadBody for a body that is not a JSON object in UTF-8 or nests too deeply to be read; that names no
    model, or one twice in whatever spelling (readers disagree on which of them counts, so policy could see
    one and the provider another); or whose `model` or `stream` has another type. Fields of no interest here
    are never looked at.
    """
    if not body.isascii():
        _check_utf8(body)
    names: list[object] = []
    fields: Any
    try:
        fields = _json(body, type=_STRUCTS[wire], dec_hook=_collect(names))
    except msgspec.ValidationError:
        fields = _read_leniently(_STRUCTS[wire], body, names)
    except msgspec.DecodeError as error:
        raise BadBody(f"The request body is not valid JSON: {_reason(error)}.") from None
    except RecursionError:
        raise BadBody(TOO_DEEP) from None
    model = model_in_path if model_in_path is not None else _the_one(names)
    if len(model) > LONGEST_MODEL:
        raise BadBody(MODEL_LONG, param="model")
    stream = stream_in_path
    max_output: int | None = None
    session = ""
    include_usage = False
    previous: str | None = None
    if wire is Wire.MESSAGES:
        stream = stream or fields.stream is True
        max_output = fields.max_tokens
        if fields.metadata is not None and fields.metadata.user_id:
            session = _session_of(fields.metadata.user_id)
    elif wire is Wire.RESPONSES:
        stream = stream or fields.stream is True
        max_output = fields.max_output_tokens
        session = fields.prompt_cache_key or ""
        previous = fields.previous_response_id
    elif wire is Wire.CHAT:
        stream = stream or fields.stream is True
        max_output = fields.max_completion_tokens
        if max_output is None:
            max_output = fields.max_tokens
        session = fields.prompt_cache_key or ""
        include_usage = fields.stream_options is not None and fields.stream_options.include_usage is True
    elif wire is Wire.GENERATE and fields.generation_config is not None:
        max_output = fields.generation_config.max_output_tokens
    session = session[:_LONGEST_SESSION]
    return RequestFacts(wire, operation, model, stream, max_output, session, include_usage, previous)


def models_named(body: bytes) -> list[object]:
    """Every value that the body's top level gives to `model`. `body` is a JSON object."""
    names: list[object] = []
    _json(body, type=_OnlyModel, dec_hook=_collect(names))
    return names


def _collect(names: list[object]) -> Callable[[type, Any], _Name]:
    def hook(_type: type, value: Any) -> _Name:
        names.append(value)
        return _NAME

    return hook


def _the_one(names: list[object]) -> str:
    if len(names) > 1:
        raise BadBody(MODEL_TWICE, param="model")
    if not names or names[0] == "":
        raise BadBody(NO_MODEL, param="model")
    if not isinstance(names[0], str):
        raise BadBody(MODEL_TYPE, param="model")
    return names[0]


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadBody(f"The request body is not valid UTF-8 (byte {error.start}).") from None


def _read_leniently(struct: type[msgspec.Struct], body: bytes, names: list[object]) -> msgspec.Struct:
    """The fields that have the right type. Which others are wrong is for the provider to say, save
    `stream`."""
    names.clear()
    try:
        value = _json(body)
        if not isinstance(value, dict):
            raise BadBody(NOT_AN_OBJECT)
        names.extend(models_named(body))
    except msgspec.DecodeError as error:
        raise BadBody(f"The request body is not valid JSON: {_reason(error)}.") from None
    except RecursionError:
        raise BadBody(TOO_DEEP) from None
    if struct is not _Generate and not isinstance(value.get("stream"), bool | None):
        raise BadBody(STREAM_TYPE, param="stream")
    value.pop("model", None)
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
    reason = str(error).removeprefix("JSON is malformed: ").removeprefix("Input data was ").rstrip(".")
    return reason[:1].lower() + reason[1:]
