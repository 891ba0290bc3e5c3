"""The rehearsal model: a scripted agent that does simple work with the tools that its caller declared.

It says in its own words that it is not a real model, and never does anything that the user's words did not
ask for.
"""

from __future__ import annotations

import re

import msgspec

from waystation.rehearsal.answer import Answer, Call, Finish, Said, Text, Thinking
from waystation.rehearsal.ask import Ask, Tool
from waystation.rehearsal.declared import call_for, plainest
from waystation.rehearsal.jobs import Edit, Job, Read, Run, Stage, Use, Wish, Write, parse, worded
from waystation.rehearsal.words import working_directory

LABEL = "[rehearsal]"

_TITLE = re.compile(r"\b(title|topic|summar(?:y|ize|ise))\b", re.IGNORECASE)
_SESSION = re.compile(r"<session>\s*(.*?)\s*</session>", re.DOTALL)
_SUMMARISES = re.compile(
    r"\bsummary (?:of|from) the (?:[\w ]{0,40} )?conversation\b|\bcompaction\b|\bhandoff summary\b"
    r"|\bRespond with TEXT ONLY\. Do NOT call any tools",  # Claude Code, whose other words stand between tags
    re.IGNORECASE,
)
"""How tools ask for what a conversation goes on from when it has become too long."""
_STILL = f"{LABEL} Still to do: "
_DIRECTIVE = re.compile(r"\[\[rehearse:.*?\]\]", re.DOTALL)


def answer(ask: Ask) -> Answer:
    """What the model says to this request. A pure function of the request."""
    words = _wanted(ask.prompt)
    wish = parse(words)
    if ask.earlier[0] and _SUMMARISES.search(words):
        return Answer((Text(summary(*ask.earlier)),))
    if ask.schema is not None and not ask.tools:
        return Answer((*_thoughts(ask, wish), Text(_json(ask, _session(ask) or words))))
    if is_aside(ask):
        return Answer((Text(title(_session(ask) or words)),))
    if ask.must_call is not None and ask.rounds == 0 and ask.tools:
        return _forced(ask, wish)
    if any(r.failed for r in ask.results):
        return Answer(
            (Text(f"{LABEL} The tool reported an error, so I stop here: {_quote(ask.results[-1].text)}"),)
        )
    batches = _batches(wish)
    if ask.rounds < len(batches) and ask.tools:
        return _work(ask, wish, batches[ask.rounds])
    return Answer((*_thoughts(ask, wish), Text(_closing(ask, wish, words, bool(batches)))))


def is_aside(ask: Ask) -> bool:
    """Whether this is a tool's own side call for a title or a summary and not the person's conversation."""
    return not ask.tools and _TITLE.search(ask.system[:2000]) is not None


def _session(ask: Ask) -> str:
    """Claude Code hands over what is to get a title in an element of its own."""
    found = _SESSION.search(ask.context)
    return found[1] if found else ""


def _wanted(prompt: str) -> str:
    """The words to act on: what is left of them, where a summary of ours says so."""
    _, said, rest = prompt.rpartition(_STILL)
    return _DIRECTIVE.sub("", rest.partition("\n")[0] if said else prompt).strip()


def summary(prompt: str, rounds: int) -> str:
    """What a conversation can go on from: the jobs of these words that are left after so many rounds."""
    rest = _batches(parse(_wanted(prompt)))[rounds:]
    if not rest:
        return f"{LABEL} All is done."
    return _STILL + ", then ".join(
        " and ".join(map(worded, batch)) + (" in parallel" if len(batch) > 1 else "") for batch in rest
    )


def title(words: str) -> str:
    """A short title for a conversation that began with these words."""
    first = re.sub(r"\s+", " ", words).strip(" .\"'") or "Rehearsal"
    return f"{LABEL} {first[:40].rstrip()}"


def _json(ask: Ask, words: str) -> str:
    return msgspec.json.encode(plainest(ask.schema, title(words))).decode()


def _thoughts(ask: Ask, wish: Wish) -> tuple[Thinking, ...]:
    """A model that may reason does so once a turn, before its first words or calls; one told to think, each time."""
    asked = wish.think is not None
    if not (asked if ask.reasons is None else ask.reasons) or (ask.rounds and not asked):
        return ()
    about = wish.think or "what the words ask for and which declared tool does it"
    return (Thinking(f"This is a rehearsal, so I only act out thinking about {about}."),)


def _batches(wish: Wish) -> list[tuple[Job, ...]]:
    """What is called in each round: one job, or all of a stage whose words say parallel."""
    stages = wish.stages
    if len(stages) == 1 and stages[0].parallel and len(stages[0].jobs) < 2:
        first = stages[0].jobs or (Run("echo rehearsal one"),)
        stages = (Stage((*first, Run("echo rehearsal two")), True),)
    return [
        batch
        for stage in stages
        for batch in ([stage.jobs] if stage.parallel else [(j,) for j in stage.jobs])
    ]


def _work(ask: Ask, wish: Wish, batch: tuple[Job, ...]) -> Answer:
    directory = working_directory(ask.context, ask.system)
    calls = [call_for(job, ask.tools, directory) for job in batch]
    made = tuple(c for c in calls if c is not None)
    if not made:
        return Answer((Text(f"{LABEL} None of the declared tools can {_describe(batch[0])}."),))
    before: tuple[Said, ...] = _thoughts(ask, wish)
    if ask.rounds == 0:
        before = (*before, Text(f"{LABEL} I will {' and '.join(_describe(job) for job in batch)}."))
    return Answer((*before, *made), Finish.TOOLS)


def _forced(ask: Ask, wish: Wish) -> Answer:
    """`tool_choice` demands a call: the job's own tool if it qualifies, else the named or first one."""
    named = [t for t in ask.tools if t.name == ask.must_call] if ask.must_call else list(ask.tools)
    tool: Tool = named[0] if named else ask.tools[0]
    directory = working_directory(ask.context, ask.system)
    for job in wish.jobs:
        call = call_for(job, tuple(named), directory)
        if call is not None:
            return Answer((call,), Finish.TOOLS)
    filled = "rehearsal" if tool.freeform else plainest({"type": "object", **tool.schema})
    return Answer((Call(tool.name, filled, tool.namespace),), Finish.TOOLS)


def _closing(ask: Ask, wish: Wish, words: str, worked: bool) -> str:
    if wish.long:
        return long_text(wish.long)
    if wish.say is not None:
        return f"{LABEL} {wish.say}"
    if ask.rounds:
        got = _quote(ask.results[-1].text) if ask.results else ""
        return f"{LABEL} Done." + (f" The tool answered: {got}" if got else "")
    if worked:
        return f"{LABEL} I would {_describe(wish.jobs[0])}, but this request declares no tools."
    if wish.think is not None:
        return f"{LABEL} I have thought about {wish.think or 'it'}."
    return (
        f"{LABEL} I am Waystation's rehearsal provider, not a real model. You said: {_quote(words)} "
        'Try "create hello.txt containing hi".'
    )


def long_text(tokens: int) -> str:
    """Text of exactly so many tokens by the rehearsal's rule of four bytes a token."""
    sentence = f"{LABEL} all of these words are filler to make a long answer. "
    return (sentence * (tokens * 4 // len(sentence) + 1))[: tokens * 4]


def _describe(job: Job) -> str:
    match job:
        case Write(path, _):
            return f"create {path}"
        case Edit(path, old, new):
            return f"replace {_quote(old)} with {_quote(new)} in {path}"
        case Run(command):
            return f"run {_quote(command)}"
        case Read(path):
            return f"read {path}"
        case Use(name, _):
            return f"call {name}"


def _quote(text: str) -> str:
    flat = re.sub(r"\s+", " ", text).strip()
    return f'"{flat[:200]}…"' if len(flat) > 200 else f'"{flat}"' if flat else ""
