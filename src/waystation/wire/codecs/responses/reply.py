"""Whole answers."""

import msgspec

from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Part, Reply, Text, ToolCall
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.responses.fields import string
from waystation.wire.codecs.responses.output_items import read_item
from waystation.wire.codecs.responses.reader import stop_reason
from waystation.wire.codecs.responses.writer import ResponsesWriter

_NO_ANSWER = "The provider's answer is not a response object."


def read_reply(body: bytes) -> Reply:
    """See the door."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        raise BadBody(_NO_ANSWER) from None
    if not isinstance(raw, dict) or not isinstance(raw.get("output"), list):
        raise BadBody(_NO_ANSWER)
    status = raw.get("status")
    if raw.get("error") is not None or status not in (None, "completed", "incomplete"):
        raise BadBody("The provider's answer is not finished, or failed.")
    parts: list[Part] = []
    for item in raw["output"]:
        if isinstance(item, dict):
            parts.extend(read_item(item))
    details = raw.get("incomplete_details")
    incomplete = None
    if status == "incomplete":
        incomplete = string(details, "reason") if isinstance(details, dict) else ""
    called = any(isinstance(part, ToolCall) for part in parts)
    refused = any(isinstance(part, Text) and part.refusal for part in parts)
    return Reply(
        tuple(parts),
        stop_reason(incomplete, called=called, refused=refused),
        id=string(raw, "id"),
        model=string(raw, "model"),
    )


def write_reply(reply: Reply, head: AnswerHead) -> bytes:
    """What the stream of the same answer would end with."""
    writer = ResponsesWriter(head)
    writer.write(reply.events())
    return msgspec.json.encode(writer.response)
