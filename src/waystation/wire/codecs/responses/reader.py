"""A provider's stream, read into events.

Items may come interleaved by `output_index`; here each waits until those before it are complete (E10). Not every
server sends every event: what deltas did not say is taken from the `.done` events, what those did not say from
the whole item, and from the whole response in the last resort.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from waystation.wire import tolerant
from waystation.wire.canonical import Event, Failed, Finish, Started, StopReason
from waystation.wire.codecs.responses.fields import Json, string
from waystation.wire.codecs.responses.output_items import (
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenReasoning,
    open_item,
)
from waystation.wire.sse import DEFAULT_CAP, EventSplitter, parse_event
from waystation.wire.stream_error import StreamError, read_error


class _Incomplete(msgspec.Struct, gc=False):
    reason: str | None = None


class _Response(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    output: Any = None
    error: Any = None
    incomplete_details: _Incomplete | None = None


class _Event(msgspec.Struct, gc=False):
    """The fields of all events that matter here."""

    type: str | None = None
    delta: str | None = None
    output_index: int | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    part: Any = None
    item: Any = None
    response: _Response | None = None
    error: Any = None
    code: Any = None
    message: str | None = None


T = TypeVar("T", bound=OpenItem)
_event = msgspec.json.Decoder(_Event)
_DONE = b"[DONE]"
_INCOMPLETE = {"max_output_tokens": StopReason.MAX_TOKENS, "content_filter": StopReason.REFUSAL}


def stop_reason(incomplete: str | None, *, called: bool, refused: bool) -> StopReason:
    """Why an answer ended (E106): `incomplete` is the reason that it gives itself, None for a complete one."""
    if incomplete is not None:
        return _INCOMPLETE.get(incomplete, StopReason.MAX_TOKENS)
    if called:
        return StopReason.TOOL_USE
    return StopReason.REFUSAL if refused else StopReason.END


class ResponsesReader:
    """See `StreamReader`."""

    __slots__ = (
        "_by_id",
        "_by_index",
        "_called",
        "_ended",
        "_items",
        "_last",
        "_out",
        "_refused",
        "_splitter",
        "_started",
        "skipped",
    )

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self.skipped = 0
        self._splitter = EventSplitter(cap)
        self._items: deque[OpenItem] = deque()
        """Those not passed on yet, in order; what comes of the first goes on at once."""
        self._by_index: dict[int, OpenItem] = {}
        self._by_id: dict[str, OpenItem] = {}
        self._last: OpenItem | None = None
        self._started = False
        self._called = False
        self._refused = False
        self._ended = False
        self._out: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        region = self._splitter.feed(data)
        return self._read(region) if region else []

    def close(self) -> list[Event]:
        rest = self._splitter.close()
        return self._read(rest + b"\n\n") if rest else []

    def _read(self, region: bytes) -> list[Event]:
        for raw in self._splitter.split(region):
            name, data, _ = parse_event(raw)
            if data is None or self._ended:
                continue
            event = tolerant.decode(_event, data)
            if event is None:
                self.skipped += data != _DONE
                continue
            self._take(event.type or name.decode("utf-8", "replace"), event)
        out, self._out = self._out, []
        return out

    def _take(self, kind: str, event: _Event) -> None:
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)
            self._pass_on()
        elif not kind and event.error is not None:
            self._error(event)

    def _pass_on(self) -> None:
        items = self._items
        while items:
            first = items[0]
            if first.events:
                self._start(None)
                self._out.extend(first.events)
                first.events.clear()
            if not first.closed:
                return
            items.popleft()
            self._called = self._called or (isinstance(first, OpenCall) and first.started)
            self._refused = self._refused or (isinstance(first, OpenMessage) and first.refused)

    def _start(self, response: _Response | None) -> None:
        if not self._started:
            self._started = True
            response = response or _Response()
            self._out.append(Started(response.id or "", response.model or ""))

    # The response as a whole.

    def _created(self, event: _Event) -> None:
        self._start(event.response)

    def _completed(self, event: _Event) -> None:
        self._end(event, None)

    def _incomplete(self, event: _Event) -> None:
        details = event.response.incomplete_details if event.response is not None else None
        self._end(event, (details.reason if details is not None else None) or "")

    def _end(self, event: _Event, incomplete: str | None) -> None:
        response = event.response or _Response()
        if response.error is not None:
            self._failed(event)
            return
        self._start(response)
        output = response.output if isinstance(response.output, list) else []
        seen = bool(self._by_index or self._by_id)
        for raw in output:
            if not isinstance(raw, dict):
                continue
            item = self._by_id.get(string(raw, "id")) or self._by_id.get(string(raw, "call_id"))
            if item is None and not seen:  # else it may have been seen by another name; never twice
                item = self._add(raw, None)
            if item is not None:
                item.finish(raw)
        for item in self._items:
            item.finish(None)
        self._pass_on()
        self._out.append(Finish(stop_reason(incomplete, called=self._called, refused=self._refused)))
        self._ended = True

    def _failed(self, event: _Event) -> None:
        response = event.response or _Response()
        error = StreamError("error", "", 500) if response.error is None else read_error(response.error)
        self._out.append(Failed(error))
        self._ended = True

    def _error(self, event: _Event) -> None:
        """`{"type":"error","code","message"}`, or an `error` object that some servers send instead (E16)."""
        given = event.error if event.error is not None else {"code": event.code, "message": event.message}
        self._out.append(Failed(read_error(given)))
        self._ended = True

    # Items.

    def _item_added(self, event: _Event) -> None:
        if not isinstance(event.item, dict):
            return
        before = self._find(event)
        ident = string(event.item, "id") or string(event.item, "call_id")
        if before is not None and not before.closed:
            if before.ident in (ident, ""):
                return  # announced by its own delta, or twice
            before.finish(None)
        self._add(event.item, event.output_index)

    def _item_done(self, event: _Event) -> None:
        if not isinstance(event.item, dict):
            return
        ident = string(event.item, "id") or string(event.item, "call_id")
        item = self._by_id.get(ident) or self._find(event)
        if item is None or (item.closed and item.ident not in (ident, "")):
            item = self._add(event.item, event.output_index)
        item.finish(event.item)

    def _text_delta(self, event: _Event) -> None:
        self._message(event).say(event.content_index or 0, event.delta or "", refusal=False)

    def _refusal_delta(self, event: _Event) -> None:
        self._message(event).say(event.content_index or 0, event.delta or "", refusal=True)

    def _text_done(self, event: _Event) -> None:
        self._message(event).complete(event.content_index or 0, event.text or "", refusal=False)

    def _refusal_done(self, event: _Event) -> None:
        self._message(event).complete(event.content_index or 0, event.refusal or "", refusal=True)

    def _summary_delta(self, event: _Event) -> None:
        self._reasoning(event).say(event.summary_index or 0, event.delta or "", full=False)

    def _summary_done(self, event: _Event) -> None:
        self._reasoning(event).complete(event.summary_index or 0, event.text or "", full=False)

    def _thought_delta(self, event: _Event) -> None:
        self._reasoning(event).say(event.content_index or 0, event.delta or "", full=True)

    def _thought_done(self, event: _Event) -> None:
        self._reasoning(event).complete(event.content_index or 0, event.text or "", full=True)

    def _arguments_delta(self, event: _Event) -> None:
        self._call(event).say(event.delta or "")

    def _arguments_done(self, event: _Event) -> None:
        self._call(event).complete(event.arguments or event.input or "")

    def _message(self, event: _Event) -> OpenMessage:
        item = self._find(event)
        return item if isinstance(item, OpenMessage) else self._unannounced(event, item, OpenMessage())

    def _reasoning(self, event: _Event) -> OpenReasoning:
        item = self._find(event)
        return item if isinstance(item, OpenReasoning) else self._unannounced(event, item, OpenReasoning())

    def _call(self, event: _Event) -> OpenCall:
        item = self._find(event)
        return item if isinstance(item, OpenCall) else self._unannounced(event, item, OpenCall())

    def _find(self, event: _Event) -> OpenItem | None:
        """Some servers give an item another id in each event, so its index counts for more."""
        if event.output_index is None and not event.item_id:
            return self._last
        found = self._by_index.get(event.output_index) if event.output_index is not None else None
        return found or self._by_id.get(event.item_id or "")

    def _add(self, raw: Json, index: int | None) -> OpenItem:
        item = open_item(raw)
        self._know(item, index, string(raw, "id"))
        self._know(item, index, string(raw, "call_id"))
        self._items.append(item)
        return item

    def _unannounced(self, event: _Event, other: OpenItem | None, item: T) -> T:
        """An item that its own delta announces. Where `other` is in its place the delta is nonsense, and is
        read into an item that nobody asks for."""
        if other is None:
            self._know(item, event.output_index, event.item_id or "")
            self._items.append(item)
        return item

    def _know(self, item: OpenItem, index: int | None, ident: str) -> None:
        self._last = item
        if index is not None:
            self._by_index[index] = item
        if ident:
            self._by_id[ident] = item


_HANDLERS: dict[str, Callable[[ResponsesReader, _Event], None]] = {
    "response.created": ResponsesReader._created,
    "response.in_progress": ResponsesReader._created,
    "response.completed": ResponsesReader._completed,
    "response.done": ResponsesReader._completed,
    "response.incomplete": ResponsesReader._incomplete,
    "response.failed": ResponsesReader._failed,
    "error": ResponsesReader._error,
    "response.output_item.added": ResponsesReader._item_added,
    "response.output_item.done": ResponsesReader._item_done,
    "response.output_text.delta": ResponsesReader._text_delta,
    "response.output_text.done": ResponsesReader._text_done,
    "response.refusal.delta": ResponsesReader._refusal_delta,
    "response.refusal.done": ResponsesReader._refusal_done,
    "response.reasoning_summary_text.delta": ResponsesReader._summary_delta,
    "response.reasoning_summary_text.done": ResponsesReader._summary_done,
    "response.reasoning_text.delta": ResponsesReader._thought_delta,
    "response.reasoning_text.done": ResponsesReader._thought_done,
    "response.function_call_arguments.delta": ResponsesReader._arguments_delta,
    "response.function_call_arguments.done": ResponsesReader._arguments_done,
    "response.custom_tool_call_input.delta": ResponsesReader._arguments_delta,
    "response.custom_tool_call_input.done": ResponsesReader._arguments_done,
}
"""Events of any other type say nothing that the items themselves do not say at their end."""
