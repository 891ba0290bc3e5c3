"""An answer's events, written as the stream that a tool reads.

The order of events is what the official SDK and Codex build on: an item is added before anything of it comes,
and done, whole, before the next one is added.
"""

from io import StringIO
from typing import Any

import msgspec

from waystation.model import Refusal, Wire
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
    Finish,
    Media,
    Native,
    PartEnd,
    PartStart,
    Reasoning,
    Text,
    ToolCall,
)
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.responses import answer
from waystation.wire.codecs.responses.fields import Json
from waystation.wire.errors import ResponseSoFar, failed_response
from waystation.wire.stream_error import StreamError

_encode = msgspec.json.Encoder().encode


class ResponsesWriter:
    """See `StreamWriter`. Texts in a row are parts of one message, which is done when something else begins:
    Codex takes the last message for the answer."""

    __slots__ = (
        "_content",
        "_delta",
        "_ended",
        "_head",
        "_items",
        "_message",
        "_open",
        "_part",
        "_refused",
        "_sequence",
        "_started",
        "_words",
        "response",
    )

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._sequence = 0
        self._started = False
        self._ended = False
        self._items: list[Json] = []
        """The finished ones; the length is the next one's index."""
        self._message = ""
        """The id of the open message."""
        self._content: list[Json] = []
        """Its finished parts."""
        self._part: Text | Reasoning | ToolCall | None = None
        """The open part."""
        self._open = False
        """Whether the tool knows of it: a text or a summary is begun with its first word."""
        self._words = StringIO()
        """What came of it."""
        self._delta = b""
        """How each further piece of it begins."""
        self._refused = False
        self.response: Json = {}
        """The whole of it, once it is finished."""

    def write(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if type(event) is Delta and self._open and event.text:  # nearly all of them
                out.append(self._piece(event.text))
            elif not self._ended:
                self._write(event, out)
        return b"".join(out)

    def failure(self, error: StreamError | Refusal) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        self._open = False
        head = self._head
        so_far = ResponseSoFar(answer.response_id(head), head.model, head.created, self._sequence)
        return failed_response(error, so_far)

    def _write(self, event: Event, out: list[bytes]) -> None:
        if isinstance(event, Delta):
            if event.text:
                self._say(event.text, out)
            return
        if not self._started and not isinstance(event, Failed):
            self._start(out)
        if isinstance(event, PartStart):
            self._start_part(event, out)
        elif isinstance(event, PartEnd):
            self._end_part(event, out)
        elif isinstance(event, Finish):
            self._finish(event, out)
        elif isinstance(event, Failed):
            out.append(self.failure(event.error))

    def _start(self, out: list[bytes]) -> None:
        self._started = True
        begun = answer.response(self._head, "in_progress", [])
        out.append(self._event("response.created", {"response": begun}))
        out.append(self._event("response.in_progress", {"response": begun}))

    def _start_part(self, event: PartStart, out: list[bytes]) -> None:
        part = event.part
        self._words = StringIO()
        self._open = False
        if isinstance(part, Native) and part.wire is not Wire.RESPONSES:
            return  # nothing that this protocol could say
        if not isinstance(part, Text | Media) or answer.is_picture(part):
            self._end_message(out)
        if isinstance(part, Text | Reasoning | ToolCall):
            self._part = part
        elif isinstance(part, Media):
            self._media(part, out)
        elif isinstance(part, Native):
            self._add(part.raw, out)
            self._done(part.raw, out)
        if isinstance(part, ToolCall):
            self._begin(out)
        if isinstance(part, Text | Reasoning) and part.text:
            self._say(part.text, out)
        elif isinstance(part, ToolCall) and part.arguments:
            self._say(part.arguments, out)

    def _say(self, text: str, out: list[bytes]) -> None:
        if not self._open:
            self._begin(out)
        out.append(self._piece(text))

    def _begin(self, out: list[bytes]) -> None:
        """The open part has its first word."""
        part = self._part
        self._open = True
        where: Json = {"item_id": "", "output_index": len(self._items)}
        if isinstance(part, ToolCall):
            kind = "custom_tool_call_input" if part.custom else "function_call_arguments"
            where["item_id"] = self._id("ctc" if part.custom else "fc")
            self._add(answer.call_item(where["item_id"], part, "", "in_progress"), out)
        elif isinstance(part, Reasoning):
            kind = "reasoning_summary_text"
            where |= {"item_id": self._id("rs"), "summary_index": 0}
            self._add(answer.reasoning_item(where["item_id"], "", part.seal), out)
            empty = {"type": "summary_text", "text": ""}
            out.append(self._event("response.reasoning_summary_part.added", {**where, "part": empty}))
        else:
            refusal = isinstance(part, Text) and part.refusal
            kind = "refusal" if refusal else "output_text"
            if not self._message:
                self._message = self._id("msg")
                self._add(answer.message_item(self._message, [], "in_progress"), out)
            where |= {"item_id": self._message, "content_index": len(self._content)}
            empty = answer.text_part("", refusal)
            out.append(self._event("response.content_part.added", {**where, "part": empty}))
            if not refusal:
                where["logprobs"] = []
        event = f"response.{kind}.delta"
        head = _encode({"type": event, **where})
        self._delta = b"event: %b\ndata: %b," % (event.encode(), head[:-1]) + b'"delta":'

    def _piece(self, text: str) -> bytes:
        self._words.write(text)
        piece = b'%b%b,"sequence_number":%d}\n\n' % (self._delta, _encode(text), self._sequence)
        self._sequence += 1
        return piece

    def _end_part(self, event: PartEnd, out: list[bytes]) -> None:
        part, self._part = self._part, None
        if isinstance(part, ToolCall):
            self._end_call(part, out)
        elif isinstance(part, Reasoning):
            self._end_reasoning(part, event, out)
        elif isinstance(part, Text) and self._open:
            self._end_text(part, out)
        self._open = False

    def _end_text(self, part: Text, out: list[bytes]) -> None:
        text = self._words.getvalue()
        where = {
            "item_id": self._message,
            "output_index": len(self._items),
            "content_index": len(self._content),
        }
        whole = answer.text_part(text, part.refusal)
        if part.refusal:
            self._refused = True
            out.append(self._event("response.refusal.done", {**where, "refusal": text}))
        else:
            out.append(self._event("response.output_text.done", {**where, "text": text, "logprobs": []}))
        out.append(self._event("response.content_part.done", {**where, "part": whole}))
        self._content.append(whole)

    def _end_reasoning(self, part: Reasoning, event: PartEnd, out: list[bytes]) -> None:
        ident, text = self._id("rs"), self._words.getvalue()
        if self._open:
            where = {"item_id": ident, "output_index": len(self._items), "summary_index": 0}
            whole = {"type": "summary_text", "text": text}
            out.append(self._event("response.reasoning_summary_text.done", {**where, "text": text}))
            out.append(self._event("response.reasoning_summary_part.done", {**where, "part": whole}))
        seal = part.seal if event.seal is None else event.seal
        item = answer.reasoning_item(ident, text, seal)
        if not self._open:
            if seal is None:
                return  # nothing was thought that anybody could see or replay
            self._add(item, out)
        self._done(item, out)

    def _end_call(self, part: ToolCall, out: list[bytes]) -> None:
        if not part.custom and not self._words.tell():
            out.append(self._piece("{}"))  # what takes no arguments is called with none, in JSON all the same
        text = self._words.getvalue()
        ident = self._id("ctc" if part.custom else "fc")
        kind = "custom_tool_call_input" if part.custom else "function_call_arguments"
        field = "input" if part.custom else "arguments"
        where = {"item_id": ident, "output_index": len(self._items), field: text}
        out.append(self._event(f"response.{kind}.done", where))
        self._done(answer.call_item(ident, part, text), out)

    def _media(self, part: Media, out: list[bytes]) -> None:
        """A picture is an item; of another medium the tool is told in words that it was there."""
        if answer.is_picture(part):
            item = answer.image_item(self._id("ig"), part)
            self._add({**item, "status": "in_progress", "result": None}, out)
            self._done(item, out)
            return
        self._part = Text("")
        self._say(answer.media_words(part), out)

    def _end_message(self, out: list[bytes], status: str = "completed") -> None:
        if self._message:
            item = answer.message_item(self._message, self._content, status)
            self._message, self._content = "", []
            self._done(item, out)

    def _finish(self, event: Finish, out: list[bytes]) -> None:
        status, incomplete = answer.ending(event.reason, self._refused)
        self._end_message(out, status)
        self.response = answer.response(self._head, status, self._items, event.usage, incomplete)
        out.append(self._event(f"response.{status}", {"response": self.response}))
        self._ended = True

    def _id(self, prefix: str) -> str:
        return answer.item_id(prefix, self._head, len(self._items))

    def _add(self, item: Json, out: list[bytes]) -> None:
        out.append(
            self._event("response.output_item.added", {"output_index": len(self._items), "item": item})
        )

    def _done(self, item: Json, out: list[bytes]) -> None:
        out.append(self._event("response.output_item.done", {"output_index": len(self._items), "item": item}))
        self._items.append(item)

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        data = _encode({"type": kind, **fields, "sequence_number": self._sequence})
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
