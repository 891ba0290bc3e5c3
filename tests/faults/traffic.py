"""Traffic as it comes on a bad day: tools that hang up anywhere, before a provider that breaks in every known way."""

import asyncio
import dataclasses
import json
import random
from collections.abc import Sequence
from typing import Any

from tests.relay.tool import Answer, sent
from tests.stage import Stage
from waystation.model import Wire

WIRES = (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE)
FAULTS = (
    "",
    "401",
    "404",
    "429 retry-after=1",
    "500",
    "529",
    "reset",
    "reset at=head",
    "reset at=first",
    "reset at=content",
    "reset at=end",
    "cut at=start",
    "cut at=first",
    "cut at=content",
    "cut at=content ending=rst",
    "cut at=end ending=fin",
    "eof at=start",
    "eof at=head",
    "eof at=content",
    "eof",
    "error at=first",
    "error at=content",
    "error at=end",
    "error at=content as=failed",
    "error at=content as=chunk",
    "stall at=start seconds=0.1",
    "stall at=head seconds=0.1",
    "stall at=content seconds=0.1",
    "delay seconds=0.1",
    "drip bytes=11 ms=0",
    "pace ms=3",
    "huge mb=1",
    "malformed at=first",
    "malformed at=content",
    "comments",
    "informational code=103 count=2",
    "length delta=10",
    "length delta=-10",
    "close",
    "close-quietly",
    "gzip",
    "gzip label=no",
    "not-json",
    "empty",
    "grow",
    "incomplete",
    "failed",
    "interleave",
    "no-usage",
)
"""Each kind of docs/rehearsal.md, in the forms that end differently."""

PATIENCES = ("stays", "stays", "stays", "leaves at once", "leaves at the head", "leaves in the middle")
_UNREADABLE = ("gzip", "not-json", "empty", "length")
"""Faults after which a stream's body is nothing that its protocol knows, or not even all of it came."""


@dataclasses.dataclass(frozen=True)
class Call:
    """One request to be made. `marker` names it on both sides of the gateway: it is the tool's session id."""

    marker: str
    wire: Wire
    stream: bool
    fault: str
    patience: str
    where: float = 1.0
    """For who leaves in the middle: after which part of what a whole answer would be."""

    @property
    def words(self) -> str:
        return f"{f'[[rehearse: {self.fault}]] ' if self.fault else ''}long 24"

    def bytes(self, stage: Stage) -> bytes:
        more: dict[str, Any] = {}
        if self.wire is Wire.CHAT and self.stream and self.where < 0.5:
            more["stream_options"] = (
                None  # as OpenCode does: the gateway has to ask for usage by itself (E48)
            )
        headers = (("x-session-id", self.marker),)
        return stage.request(self.wire, self.words, stream=self.stream, headers=headers, **more)


@dataclasses.dataclass
class Seen:
    """What the tool saw of one call."""

    call: Call
    status: int = 0
    request_id: str | None = None
    body: bytes = b""
    whole: bool = False
    """The answer came to its end as HTTP has it."""

    @property
    def ending(self) -> str:
        """How the answer ended for the tool: `success`, `error` or `nothing` (none that its protocol knows)."""
        if not self.whole:
            return "nothing"
        if self.status != 200:
            return "error"
        if not self.call.stream:
            answer = _object(self.body)
            return "nothing" if answer is None else "error" if answer.get("status") == "failed" else "success"
        kind, data = (events(self.body) or [("", "")])[-1]
        if data == "[DONE]":
            return "success"
        try:
            last = json.loads(data)
        except ValueError:
            return "nothing"
        if "error" in (kind, last.get("type")) or last.get("error") or last.get("type") == "response.failed":
            return "error"
        finished = last.get("type") in ("message_stop", "response.completed", "response.incomplete")
        if self.call.wire is Wire.CHAT:  # some servers leave `[DONE]` out: a finish reason will do
            finished = b'"finish_reason":"' in self.body
        return (
            "success"
            if finished or any(c.get("finishReason") for c in last.get("candidates", ()))
            else "nothing"
        )

    @property
    def readable(self) -> bool:
        """Whether its provider answered in its protocol at all."""
        return not self.call.fault.startswith(_UNREADABLE)


def events(body: bytes) -> list[tuple[str, str]]:
    """(type, data) of each event, read line by line as a browser would."""
    found: list[tuple[str, str]] = []
    kind, data = "", list[str]()
    for line in body.decode().replace("\r\n", "\n").split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                found.append((kind, "\n".join(data)))
            kind, data = "", []
        elif field == "event":
            kind = value
        elif field == "data":
            data.append(value)
    return found


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def every_fault(seed: int) -> list[Call]:
    """Each fault on each protocol, streamed and not, with tools that stay or leave by chance, in any order."""
    chance = random.Random(seed)
    calls = [
        Call(f"{seed}-{n}", wire, stream, fault, chance.choice(PATIENCES), chance.random())
        for n, (fault, wire, stream) in enumerate(
            (fault, wire, stream) for fault in FAULTS for wire in WIRES for stream in (True, False)
        )
    ]
    chance.shuffle(calls)
    return calls


async def make(stage: Stage, calls: Sequence[Call], *, at_once: int) -> list[Seen]:
    """Makes the calls, so many at a time."""
    turn = asyncio.Semaphore(at_once)

    async def one(call: Call) -> Seen:
        async with turn:
            return await _make(stage, call)

    return await asyncio.gather(*(one(call) for call in calls))


async def _make(stage: Stage, call: Call) -> Seen:
    seen = Seen(call)
    async with sent(stage.port, call.bytes(stage)) as answer:
        if call.patience == "leaves at once":
            await asyncio.sleep(call.where * 0.02)  # chance: while connecting, waiting or reading
        elif call.patience == "leaves at the head":
            await answer.head()
        elif call.patience == "leaves in the middle":
            await answer.at_least(int(call.where * 4000))
        else:
            await answer.all()
        _note(seen, answer)
        if not answer.complete:
            answer.hang_up()
    return seen


def _note(seen: Seen, answer: Answer) -> None:
    seen.status = answer.status
    seen.request_id = answer.header("x-waystation-request-id")
    seen.body = answer.body
    seen.whole = answer.complete
