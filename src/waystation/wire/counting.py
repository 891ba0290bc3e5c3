"""Counting the tokens of a request by another protocol's counter, or by our own estimate (E83, E84).

A counter takes less than a whole request: each provider refuses the fields of generation that it has no use for.
"""

import msgspec

from waystation.model import Wire
from waystation.wire import tolerant
from waystation.wire.canonical import Conversation, Media, MediaKind, Part, ToolResult
from waystation.wire.estimate import estimate_tokens
from waystation.wire.tolerant import Count

_FIELDS: dict[Wire, tuple[str, ...]] = {
    # anthropic.types.MessageCountTokensParams, openai.types.responses.InputTokenCountParams, and what the Bedrock
    # API calls ConverseTokensRequest.
    Wire.MESSAGES: ("model", "messages", "system", "thinking", "tool_choice", "tools", "output_config"),
    Wire.RESPONSES: (
        "model",
        "input",
        "instructions",
        "parallel_tool_calls",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "truncation",
    ),
    Wire.CONVERSE: ("messages", "system", "toolConfig", "additionalModelRequestFields"),
}
_IMAGE = 1_600
"""Tokens of an image: Anthropic's most; other vendors' usual sizes are below."""
_BYTES_PER_TOKEN = {MediaKind.DOCUMENT: 16, MediaKind.AUDIO: 64, MediaKind.VIDEO: 256}
"""Of base64, by what vendors say of pages and seconds, at low bit rates; biased high."""
_UNSEEN = 1_600
"""For what is only pointed at."""


def asked_for(source: Wire, body: bytes) -> bytes:
    """The request that a body for a counter is about, in the shape of one that generates."""
    if source is not Wire.GENERATE:
        return body
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return body  # whoever reads it says what is wrong
    inner = fields.get("generateContentRequest", fields.get("generate_content_request"))
    return bytes(inner) if inner is not None else body


def to_counter(target: Wire, model: str, body: bytes) -> bytes:
    """A request that generates, as the counter of `target` takes it."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if target is Wire.GENERATE:
        counted = {"model": f"models/{model}", **fields}
        return msgspec.json.encode({"generateContentRequest": counted})
    kept = {name: fields[name] for name in _FIELDS[target] if name in fields}
    return msgspec.json.encode({"input": {"converse": kept}} if target is Wire.CONVERSE else kept)


class _Counted(msgspec.Struct, gc=False):
    input_tokens: Count | None = None
    inputTokens: Count | None = None  # noqa: N815 - the field's own name
    totalTokens: Count | None = None  # noqa: N815 - the field's own name


_counted = msgspec.json.Decoder(_Counted)


def counted(body: bytes) -> int | None:
    """What a counter answered, whichever it is; None if that is no count."""
    found = tolerant.decode(_counted, body)
    if found is None:
        return None
    return next(
        (n for n in (found.input_tokens, found.inputTokens, found.totalTokens) if n is not None), None
    )


def count_answer(source: Wire, tokens: int) -> bytes:
    """The answer of a counter, for a tool."""
    return msgspec.json.encode(
        {"totalTokens": tokens} if source is Wire.GENERATE else {"input_tokens": tokens}
    )


def estimate_request(conversation: Conversation, rendered: bytes) -> int:
    """Tokens that a rendered request may come to, tools and instructions with it; biased high.

    Images and files are not taken for the text that their base64 is: a screenshot would count as a hundred
    thousand tokens, and make the tool compact for nothing.
    """
    media = [m for turn in conversation.turns for part in turn.parts for m in _media(part)]
    text = len(rendered) - sum(len(m.data) for m in media)
    return estimate_tokens(max(text, 0)) + sum(map(_tokens_of, media))


def _media(part: Part) -> tuple[Media, ...]:
    if isinstance(part, Media):
        return (part,)
    if isinstance(part, ToolResult):
        return tuple(inner for inner in part.content if isinstance(inner, Media))
    return ()


def _tokens_of(media: Media) -> int:
    if media.kind is MediaKind.IMAGE:
        return _IMAGE
    if not media.data:
        return _UNSEEN
    if media.media_type == "text/plain":
        return estimate_tokens(len(media.data.encode("utf-8", "replace")))
    return max(_UNSEEN, len(media.data) // _BYTES_PER_TOKEN[media.kind])
