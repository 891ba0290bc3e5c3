"""Scripts: what the rehearsal provider says and does instead of acting on its own."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from waystation.model import Operation, Usage, Wire
from waystation.rehearsal.answer import Answer, Call, Finish, Said, Text, Thinking
from waystation.rehearsal.ask import Ask
from waystation.rehearsal.faults import BadFault, Fault, parse_faults
from waystation.rehearsal.vendor import Vendor


class BadScript(ValueError):
    """The script cannot be used; the message names the field."""


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests a step is for: those that meet every condition given."""

    wire: Wire | None = None
    operation: Operation | None = Operation.GENERATE
    model: str = ""
    """Shell-style pattern, e.g. `claude-*`."""
    contains: str = ""
    """Text in the user's last words; any case."""
    key: str = ""
    """The API key that the request came with."""
    stream: bool | None = None
    tools: bool | None = None
    """Whether the request declares tools: false picks out title and summary calls."""
    rounds: int | None = None
    """How often tools were called since the user's last words: 0 picks out the first request of a turn."""
    call: int = 0
    """Only the so-manieth request that meets the other conditions, from 1; 0 means each."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing said: exactly one of `text`, `thinking`, `tool`."""

    text: str | None = None
    thinking: str | None = None
    tool: str | None = None
    input: dict[str, Any] | str = {}
    """The tool's input; text for a freeform tool."""
    namespace: str = ""

    def said(self) -> Said:
        if self.text is not None:
            return Text(self.text)
        if self.thinking is not None:
            return Thinking(self.thinking)
        return Call(self.tool or "", self.input, self.namespace)


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do for the requests that `when` matches. Without `reply` the agent answers as ever."""

    when: When = When()
    times: int = 0
    """Use the step for so many requests, then pass on to later steps; 0 means always."""
    reply: tuple[Line, ...] = ()
    words: str = ""
    """Act as if the user had said this."""
    finish: Finish | None = None
    usage: Usage | None = None
    """Report exactly this."""
    faults: tuple[str, ...] = ()
    """Each in the grammar of `waystation.rehearsal.faults`."""
    headers: dict[str, str] = {}
    """Added to the response's."""

    def __post_init__(self) -> None:
        for line in self.reply:
            if sum(v is not None for v in (line.text, line.thinking, line.tool)) != 1:
                raise ValueError("a line of a reply has exactly one of text, thinking, tool")
        self.parsed_faults()

    def parsed_faults(self) -> tuple[Fault, ...]:
        return tuple(f for text in self.faults for f in parse_faults(text))

    def answer(self) -> Answer | None:
        """The scripted answer, or None where the agent is to answer."""
        if not self.reply:
            return None
        said = tuple(line.said() for line in self.reply)
        called = any(isinstance(s, Call) for s in said)
        return Answer(said, self.finish or (Finish.TOOLS if called else Finish.STOP))


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps in order: for each request the first that matches and is not used up is played."""

    steps: tuple[Step, ...] = ()
    keys: tuple[str, ...] | None = None
    """API keys to accept; without it any key that is not empty is. Of AWS credentials, the access key."""
    aws: dict[str, str] = {}
    """Secrets by access key: signatures made with these are recomputed, those of others only looked at."""
    models: dict[Vendor, tuple[str, ...]] = {}
    """What the vendors' lists of models have, instead of the usual names."""


class Facts(msgspec.Struct, frozen=True):
    """What `When` looks at."""

    operation: Operation
    wire: Wire | None
    model: str
    key: str
    ask: Ask | None


def meets(when: When, facts: Facts) -> bool:
    """Whether a request meets all conditions save `call`, which only `Prompter` can count."""
    ask = facts.ask
    return (
        when.operation in (None, facts.operation)
        and when.wire in (None, facts.wire)
        and (not when.model or fnmatchcase(facts.model, when.model))
        and (not when.key or when.key == facts.key)
        and (not when.contains or (ask is not None and when.contains.lower() in ask.prompt.lower()))
        and (when.stream is None or (ask is not None and ask.stream is when.stream))
        and (when.tools is None or (ask is not None and bool(ask.tools) is when.tools))
        and (when.rounds is None or (ask is not None and ask.rounds == when.rounds))
    )


class _Cue:
    """A step with how many requests met its conditions, and how many were answered by it."""

    __slots__ = ("met", "played", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.met = 0
        self.played = 0

    def takes(self, facts: Facts) -> bool:
        if not meets(self.step.when, facts):
            return False
        self.met += 1
        used_up = self.step.times and self.played >= self.step.times
        return not used_up and self.step.when.call in (0, self.met)


class Prompter:
    """Follows a script through the requests of one server, counting what has been used."""

    def __init__(self, script: Script) -> None:
        self._cues = [_Cue(step) for step in script.steps]

    def add(self, *steps: Step) -> None:
        """Append steps; those already there keep their counts. Safe from any thread."""
        self._cues += [_Cue(step) for step in steps]

    def clear(self) -> None:
        """Forget all steps. Safe from any thread."""
        self._cues = []

    def cue(self, facts: Facts) -> tuple[Step, int] | None:
        """The step for this request and how often it was played before; None where the script has none."""
        takers = [cue for cue in self._cues if cue.takes(facts)]
        if not takers:
            return None
        chosen = takers[0]
        chosen.played += 1
        return chosen.step, chosen.played - 1


def load_script(path: Path) -> Script:
    """Read a YAML or JSON script file. Raises BadScript, or OSError if it cannot be read."""
    import yaml  # only here: a provider without a script file does not pay for the import

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as bad:
        raise BadScript(f"{path}: {bad}") from bad
    return as_script(document, name=str(path))


def as_script(document: Any, *, name: str = "script") -> Script:
    """A decoded document as a script. Raises BadScript."""
    try:
        return msgspec.convert(document if document is not None else {}, Script)
    except (msgspec.ValidationError, BadFault) as bad:
        raise BadScript(f"{name}: {bad}") from bad
