"""Playing faults: what they do to an answer, to its events and to the reply that carries them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from waystation.model import Wire
from waystation.rehearsal import refusals
from waystation.rehearsal.answer import Answer, Finish, Text
from waystation.rehearsal.ask import Rejection
from waystation.rehearsal.exchange import Break, Framing, Move, Pause, Reply
from waystation.rehearsal.faults import Fault
from waystation.rehearsal.speaking.events import Event, Role
from waystation.rehearsal.vendor import vendor_of
from waystation.wire import eventstream

_CONTENT_BEFORE = 3
_HTML = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    b"<body>rehearsed: this is not JSON</body>\r\n</html>\r\n"
)

Item = Event | Move


def refusal_of(fault: Fault, wire: Wire) -> Rejection:
    """The refusal that a `status` or `error` fault means, in the provider's words unless it has others."""
    overloaded = 529 if wire is Wire.MESSAGES else 503
    status = fault.status or fault.whole("status", overloaded)
    refused = refusals.rejection(
        vendor_of(wire), status, fault.text("message"), fault.text("type"), fault.text("code") or None
    )
    headers = [("retry-after", fault.text("retry-after"))] if "retry-after" in fault.options else []
    if "header" in fault.options:
        name, _, value = fault.text("header").partition(":")
        headers.append((name.strip(), value.strip()))
    refused.headers = tuple(headers)
    return refused


def spoil_answer(answer: Answer, faults: Iterable[Fault]) -> None:
    """Faults of what is said, before usage is counted."""
    for fault in faults:
        match fault.kind:
            case "huge":
                size = int(fault.number("mb", 8) * 1024 * 1024)
                answer.said = (Text("x" * size), *(s for s in answer.said if not isinstance(s, Text)))
            case "interleave":
                answer.interleave = True
            case "incomplete":
                answer.finish = Finish.LENGTH
            case "failed":
                answer.finish = Finish.FAILED
            case "no-usage":
                answer.usage_known = False


def spoil_usage(answer: Answer, faults: Iterable[Fault]) -> None:
    """`grow`: the first event claims a third of the prompt; a server-side search made it grow."""
    if any(f.kind == "grow" for f in faults):
        answer.first_usage = msgspec.structs.replace(
            answer.usage, input=answer.usage.input // 3, output=1, reasoning=0
        )
        answer.usage = msgspec.structs.replace(answer.usage, web_searches=max(answer.usage.web_searches, 1))


def spoil_events(events: Iterator[Event], wire: Wire, faults: Sequence[Fault]) -> Iterator[Move]:
    """The stream as moves, with what happens inside it."""
    items: Iterator[Item] = events
    for fault in faults:
        match fault.kind:
            case "error":
                items = _interrupted(items, fault, wire)
            case "malformed":
                items = _inserted(items, fault, _malformed(wire))
            case "comments":
                items = _commented(items) if wire is not Wire.CONVERSE else items
            case "stall":
                items = _inserted(items, fault, Pause(fault.number("seconds", 30)))
            case "reset" if fault.text("at", "start") != "start":
                items = _ended(items, fault, (Break.RESET,))
            case "eof" if fault.text("at", "end") != "start":
                items = _ended(items, fault, _ending(fault))
            case "cut":
                items = _cut(items, fault)
            case "pace":
                items = _paced(items, fault.number("ms", 10) / 1000)
    return _dripped(items, faults)


def _reached(fault: Fault, default: str, items: Iterator[Item]) -> Iterator[tuple[bool, Item]]:
    """Each item, with whether the fault's place comes right before it: true once at most."""
    at = fault.text("at", default)
    done = False
    index = content = 0
    for item in items:
        here = False
        if not done and isinstance(item, Event):
            over = item.role in (Role.CLOSING, Role.TERMINAL)
            here = (
                at == "head"
                or (at == "first" and item.role is not Role.PREAMBLE)
                or (at == "content" and (content >= _CONTENT_BEFORE or over))
                or (at == "end" and item.role is Role.TERMINAL)
                or at == str(index)
            )
            done = here
        yield here, item
        if isinstance(item, Event):
            index += 1
            content += item.role is Role.CONTENT


def _inserted(items: Iterator[Item], fault: Fault, what: Item) -> Iterator[Item]:
    for here, item in _reached(fault, "content", items):
        if here:
            yield what
        yield item


def _ended(items: Iterator[Item], fault: Fault, ending: tuple[Break, ...]) -> Iterator[Item]:
    for here, item in _reached(fault, "content" if fault.kind == "reset" else "end", items):
        if here:
            yield from ending
            return
        yield item


def _cut(items: Iterator[Item], fault: Fault) -> Iterator[Item]:
    for here, item in _reached(fault, "content", items):
        if here and isinstance(item, Event):
            yield item.data[: max(len(item.data) // 2, 1)]
            yield from _ending(fault)
            return
        yield item


def _ending(fault: Fault) -> tuple[Break, ...]:
    """`http`: the response ends as HTTP wants it and only the stream in it is short. Else the connection."""
    return {"http": (), "fin": (Break.HANG_UP,), "rst": (Break.RESET,)}[fault.text("ending", "http")]


def _interrupted(items: Iterator[Item], fault: Fault, wire: Wire) -> Iterator[Item]:
    """An error event, and the stream ends there: without `[DONE]` or the protocol's own terminal event."""
    refused = refusal_of(fault, wire)
    sent = 0
    first: Event | None = None
    for here, item in _reached(fault, "content", items):
        if here:
            form = fault.text("as", "event")
            if wire is Wire.RESPONSES and form == "failed":
                yield refusals.failed_response(refused, sent, first)
            elif wire is Wire.CHAT and form == "chunk":
                yield refusals.error_chunk(refused, first)
            else:
                yield refusals.in_stream(wire, refused, sent)
            return
        yield item
        if isinstance(item, Event):
            first = first or item
            sent += 1


def _malformed(wire: Wire) -> bytes:
    if wire is Wire.CONVERSE:
        return eventstream.event("contentBlockDelta", b'{"rehearsed": "this JSON never ends')
    name = {
        Wire.MESSAGES: b"event: content_block_delta\n",
        Wire.RESPONSES: b"event: response.output_text.delta\n",
    }
    return name.get(wire, b"") + b'data: {"rehearsed": "this JSON never ends\n\n'


def _commented(items: Iterator[Item]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Event):
            yield b": rehearsal keep-alive\n\n"
        yield item


def _paced(items: Iterator[Item], seconds: float) -> Iterator[Item]:
    for i, item in enumerate(items):
        if i and isinstance(item, Event):
            yield Pause(seconds)
        yield item


def _dripped(items: Iterator[Item], faults: Sequence[Fault]) -> Iterator[Move]:
    drip = next((f for f in faults if f.kind == "drip"), None)
    size = drip.whole("bytes", 1) if drip else 0
    pause = Pause(drip.number("ms", 1) / 1000) if drip else None
    for item in items:
        move = item.data if isinstance(item, Event) else item
        if not size or not isinstance(move, bytes):
            yield move
            continue
        for start in range(0, len(move), size):
            yield move[start : start + size]
            if pause is not None and pause.seconds > 0:
                yield pause


def spoil_whole(reply: Reply, body: bytes, wire: Wire, faults: Sequence[Fault]) -> None:
    """The same for a body that is not a stream: its two halves are its events."""
    half = max(len(body) // 2, 1)
    halves = [Event(Role.CONTENT, body[:half]), Event(Role.TERMINAL, body[half:])]
    usable = [f for f in faults if f.kind in ("stall", "reset", "eof", "cut", "drip", "pace")]
    between = [msgspec.structs.replace(f, options={**f.options, **_halfway(f)}) for f in usable]
    reply.moves = spoil_events(iter(halves), wire, between)


def _halfway(fault: Fault) -> dict[str, str]:
    """In a plain body every place but the start is its middle, and an early end is never clean."""
    if fault.text("at") == "start" or (fault.kind == "reset" and "at" not in fault.options):
        return {"at": "start"}
    ending = fault.text("ending", "fin")
    return {"at": "1"} | (
        {"ending": "fin" if ending == "http" else ending} if fault.kind in ("cut", "eof") else {}
    )


def spoil_reply(reply: Reply, faults: Sequence[Fault]) -> None:
    """Faults around the body: of the connection, the head and the framing."""
    before: list[Move] = list(reply.before_head)
    for fault in faults:
        at = fault.text("at")
        match fault.kind:
            case "delay":
                before.append(Pause(fault.number("seconds", 1)))
            case "stall" if at == "start":
                before.append(Pause(fault.number("seconds", 30)))
            case "reset" if at in ("", "start"):
                before.append(Break.RESET)
            case "eof" | "cut" if at == "start":
                before.append(Break.HANG_UP)
            case "informational":
                before += [_informational(fault.whole("code", 103))] * fault.whole("count", 1)
            case "close":
                reply.close = True
            case "close-quietly":
                reply.close_quietly = True
            case "not-json" | "empty":
                _replace_body(reply, _HTML if fault.kind == "not-json" else b"")
            case "gzip":
                _compress(reply, labelled=fault.text("label", "yes") != "no")
            case "length":
                _misstate(reply, fault.whole("delta", 10))
    reply.before_head = tuple(before)


def _informational(code: int) -> bytes:
    names = {100: b"Continue", 102: b"Processing", 103: b"Early Hints"}
    link = b"link: </rehearsal.css>; rel=preload\r\n" if code == 103 else b""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (code, names.get(code, b"Informational"), link)


def _replace_body(reply: Reply, body: bytes) -> None:
    reply.headers = [(k, b"text/html" if k == b"content-type" else v) for k, v in reply.headers]
    reply.moves, reply.framing, reply.length = iter((body,) if body else ()), Framing.LENGTH, len(body)


def _compress(reply: Reply, *, labelled: bool) -> None:
    if labelled:
        reply.headers.append((b"content-encoding", b"gzip"))
    if reply.framing is Framing.LENGTH:
        moves = list(reply.moves)
        body = b"".join(m for m in moves if isinstance(m, bytes))
        packed = gzip.compress(body, mtime=0)
        reply.moves, reply.length = iter((packed,)), len(packed)
    else:
        reply.moves = _deflated(reply.moves)


def _deflated(moves: Iterator[Move]) -> Iterator[Move]:
    """gzip a stream, flushing after each piece so that nothing is held back."""
    packer = zlib.compressobj(wbits=31)
    for move in moves:
        yield packer.compress(move) + packer.flush(zlib.Z_SYNC_FLUSH) if isinstance(move, bytes) else move
    yield packer.flush()


def _misstate(reply: Reply, delta: int) -> None:
    """A Content-Length that is off. Too long: the connection ends first. Too short: bytes are left over."""
    moves = list(reply.moves)
    real = sum(len(m) for m in moves if isinstance(m, bytes))
    reply.moves, reply.framing, reply.length = iter(moves), Framing.LENGTH, max(real + delta, 0)
    reply.close_quietly = reply.close_quietly or delta > 0
