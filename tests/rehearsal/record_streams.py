"""Writes tests/fixtures/streams: canonical streams of all protocols, for everybody's property tests.

Run `python -m tests.rehearsal.record_streams` after a wanted change of the provider's bytes; a test fails
until that is done. `index.json` says for each stream what a reader must find in it.
"""

import json
from typing import Any

from tests.rehearsal.asking import FIXTURES, NOON, body, headers, target

from waystation.model import Usage, Wire
from waystation.rehearsal import Line, Rehearsal, Script, Step
from waystation.rehearsal.exchange import Request

STREAMS = FIXTURES / "streams"

WORDS = 'The sea, said she — “l’océan” 🌊 — is deep; 深い. It has {braces}, "quotes", \\slashes\\ and data: [DONE]\n\nlines.'
"""Chosen to hurt: multi-byte characters, escapes, and text that looks like a stream's own framing."""

ALL = Usage(input=1200, cache_read=8000, cache_write_5m=300, cache_write_1h=0, output=90, reasoning=20)
HOUR = Usage(input=12, cache_read=0, cache_write_5m=30, cache_write_1h=70_000, output=5)
USAGE_FIELDS = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "web_searches",
)

PARALLEL = (
    Line(thinking="Two things at once."),
    Line(text="I will do both."),
    Line(tool="write", input={"path": "a.txt", "content": WORDS}),
    Line(tool="bash", input={"command": "printf 'x\\n' > b.txt && cat b.txt"}),
)
SCENES: dict[str, tuple[Step, str]] = {
    # name: (step, finish)
    "text": (Step(reply=(Line(text=WORDS),), usage=ALL), "stop"),
    "thinking": (Step(reply=(Line(thinking=WORDS), Line(text="Done.")), usage=ALL), "stop"),
    "parallel": (Step(reply=PARALLEL, usage=ALL), "tools"),
    "length": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("incomplete",)), "length"),
    "grow": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("grow",)), "stop"),
    "hour": (Step(reply=(Line(text="Cached."),), usage=HOUR), "stop"),
    "comments": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("comments",)), "stop"),
    "malformed": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("malformed at=3",)), "stop"),
    "no-usage": (Step(reply=(Line(text=WORDS),), faults=("no-usage",)), "stop"),
    "error-first": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("error at=first",)), "error"),
    "error-later": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("error at=content",)), "error"),
    "cut": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("cut at=content",)), "cut"),
    "eof": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("eof",)), "cut"),
}
ONLY: dict[str, tuple[Step, str, Wire]] = {
    "interleaved-calls": (Step(reply=PARALLEL, usage=ALL, faults=("interleave",)), "tools", Wire.CHAT),
    "interleaved-items": (Step(reply=PARALLEL, usage=ALL, faults=("interleave",)), "tools", Wire.RESPONSES),
    "failed": (Step(reply=(Line(text=WORDS),), usage=ALL, faults=("failed",)), "failed", Wire.RESPONSES),
    "error-failed": (Step(usage=ALL, faults=("error at=content as=failed",)), "error", Wire.RESPONSES),
    "freeform": (
        Step(reply=(Line(tool="apply_patch", input="*** Begin Patch\n*** End Patch"),), usage=ALL),
        "tools",
        Wire.RESPONSES,
    ),
    "error-chunk": (Step(usage=ALL, faults=("error at=content as=chunk",)), "error", Wire.CHAT),
}


def stream(step: Step, wire: Wire) -> bytes:
    provider = Rehearsal(Script(steps=(step,)), clock=lambda: NOON)
    said = body(wire, "say something that is quite long", stream=True, with_tools=True, think=True)
    raw = json.dumps(said).encode()
    reply = provider.reply(Request("POST", target(wire, stream=True), headers(wire), raw))
    return b"".join(move for move in reply.moves if isinstance(move, bytes))


def expected(name: str, step: Step, finish: str, wire: Wire) -> dict[str, Any]:
    """What a reader of the wire must make of the stream; usage in disjoint buckets, null where none is said.

    Some protocols cannot say all of it: only Anthropic tells the lifetimes of cache writes, Gemini knows no
    writes, OpenAI's Chat Completions tells no usage before the end.
    """
    usage: Usage | None = step.usage
    if name == "no-usage":
        usage = None
    ended_early = finish in ("error", "cut")
    told_before_the_end = name == "eof" and wire is Wire.CHAT  # only `[DONE]` is missing
    if usage is not None and ended_early and wire in (Wire.RESPONSES, Wire.CHAT) and not told_before_the_end:
        usage = None
    entry: dict[str, Any] = {"file": f"{wire}.{name}.sse", "wire": str(wire), "scene": name, "finish": finish}
    if usage is None or not ended_early or told_before_the_end:
        entry["usage"] = _said(usage, name, wire)
    return entry


def _said(usage: Usage | None, name: str, wire: Wire) -> dict[str, int] | None:
    if usage is None:
        return None
    said = {field: int(getattr(usage, field)) for field in USAGE_FIELDS}
    if wire is Wire.GENERATE:
        said["input"] += said["cache_write_5m"] + said["cache_write_1h"]
        said["cache_write_5m"] = said["cache_write_1h"] = 0
    elif wire is not Wire.MESSAGES:
        said["cache_write_5m"] += said["cache_write_1h"]
        said["cache_write_1h"] = 0
    if name == "grow" and wire is Wire.MESSAGES:
        said["web_searches"] = 1
    return said


def record() -> dict[str, bytes]:
    """Every file by name."""
    files: dict[str, bytes] = {}
    index: list[dict[str, Any]] = []
    scenes = [
        (n, s, f, w)
        for n, (s, f) in SCENES.items()
        for w in (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE)
    ]
    scenes += [(n, s, f, w) for n, (s, f, w) in ONLY.items()]
    for name, step, finish, wire in scenes:
        entry = expected(name, step, finish, wire)
        files[entry["file"]] = stream(step, wire)
        index.append(entry)
    files["index.json"] = (json.dumps(index, indent=1) + "\n").encode()
    return files


if __name__ == "__main__":
    STREAMS.mkdir(parents=True, exist_ok=True)
    for path in STREAMS.iterdir():
        path.unlink()
    for name, data in record().items():
        (STREAMS / name).write_bytes(data)
