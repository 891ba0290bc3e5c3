"""What the user's words ask the rehearsal model to do. docs/rehearsal.md documents the small grammar."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec

MOST_TOKENS = 1_000_000
"""`long N` says at most this much."""


class Write(msgspec.Struct, frozen=True):
    path: str
    content: str


class Edit(msgspec.Struct, frozen=True):
    """Put `new` where `old` stands. Tools that patch by lines need `old` to be a whole line."""

    path: str
    old: str
    new: str


class Run(msgspec.Struct, frozen=True):
    command: str


class Read(msgspec.Struct, frozen=True):
    path: str


class Use(msgspec.Struct, frozen=True):
    """Call a tool by its name, e.g. one that comes from an MCP server."""

    name: str
    input: dict[str, Any] | None


Job = Write | Edit | Run | Read | Use


class Stage(msgspec.Struct, frozen=True):
    """Jobs that stand together: one call a round, or all calls in one round."""

    jobs: tuple[Job, ...]
    parallel: bool = False


class Wish(msgspec.Struct, frozen=True):
    """Everything that one message asks for."""

    stages: tuple[Stage, ...] = ()
    """One after the other. Words without a job that want parallel calls have one stage without jobs."""
    say: str | None = None
    think: str | None = None
    long: int = 0

    @property
    def jobs(self) -> tuple[Job, ...]:
        return tuple(job for stage in self.stages for job in stage.jobs)


_LEAD = r"(?:^|[\n.;,]\s*|\b(?:and|then|please|now|to)\s+)"
_PATH = r"[`\"']?(?P<path>[\w./~\\:+-]*[\w+-])[`\"']?"
_WRITE = re.compile(
    _LEAD + r"(?:create|write|make)\s+(?:(?:a|the)\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?" + _PATH +
    r"\s+(?:containing|with(?:\s+the)?(?:\s+(?:content|contents|text))?|that\s+(?:contains|says))\s*:?\s+(?P<text>[^\n]+)",
    re.IGNORECASE,
)  # fmt: skip
_EDIT = re.compile(
    _LEAD + r"(?:replace|change)\s+(?P<old>[^\n]+?)\s+(?:with|to|by)\s+(?P<new>[^\n]+?)\s+in\s+"
    r"(?:the\s+)?(?:file\s+)?[`\"']?(?P<path>[\w./~\\:+-]*[./][\w./+-]*[\w+-])[`\"']?",
    re.IGNORECASE,
)
_RUN = re.compile(
    _LEAD + r"(?:run|execute)(?:\s+the\s+command)?\s*:?\s+"
    r"(?!(?:the|a|an|all|my|your|our|it|this|that|these|those)\b)(?P<command>[^\n]+)",
    re.IGNORECASE,
)
"""Not "run the tests": that is prose, and no command."""
_READ = re.compile(
    _LEAD
    + r"(?:read|show|open|cat)\s+(?:the\s+)?(?:file\s+)?[`\"']?(?P<path>[\w./~\\:+-]*[./][\w./+-]*[\w+-])",
    re.IGNORECASE,
)
_USE = re.compile(
    _LEAD + r"(?:call|use)\s+(?:the\s+)?(?:tool\s+)?`?(?P<name>[\w.-]+)`?"
    r"(?:\s+tool\b)?(?:\s+with\s+(?P<input>\{.*\})|(?<=\stool))",
    re.IGNORECASE | re.DOTALL,
)
_SAY = re.compile(_LEAD + r"(?:say|answer|reply(?:\s+with)?)\s*:?\s+(?P<text>[^\n]+)", re.IGNORECASE)
_THINK = re.compile(
    r"\bthink(?:\s+(?:about|of|through))?\b\s*:?\s*(?P<text>(?:[^\n.;]|[.;](?=\S))*)", re.IGNORECASE
)
_LONG = re.compile(r"\blong\s+(?P<n>\d{1,7})\b", re.IGNORECASE)
_PARALLEL = re.compile(r"\b(?:in\s+)?parallel\b", re.IGNORECASE)
_VERB = r"(?=(?:create|write|make|replace|change|run|execute|read|show|open|say|call|use)\b)"
_NEXT_JOB = re.compile(
    rf",?\s+(?:and|then|and\s+then)\s+{_VERB}|,?\s+in\s+parallel\b",
    re.IGNORECASE,
)
_NEXT_STAGE = re.compile(rf"\bthen\s+{_VERB}", re.IGNORECASE)
"""What is parallel before it is not parallel with what follows."""


def parse(words: str) -> Wish:
    """Read the wishes in the order they are written. Words that ask for nothing known make an empty Wish."""
    found: list[tuple[int, Job]] = []
    taken: list[tuple[int, int]] = []

    def take(match: re.Match[str], group: str) -> str:
        """The group, up to where the next job's words begin."""
        text = _before_next_job(match[group])
        taken.append((match.start(), match.start(group) + len(text)))
        return _unquoted(text)

    def free(match: re.Match[str]) -> bool:
        return not any(start < match.start() + 1 < end for start, end in taken)

    found += [(m.start(), Write(m["path"], take(m, "text"))) for m in _spread(_WRITE, words)]
    found += [(m.start(), _edit(m, take)) for m in _spread(_EDIT, words) if free(m)]
    found += [(m.start(), Run(take(m, "command"))) for m in _spread(_RUN, words) if free(m)]
    say = next((take(m, "text") for m in _spread(_SAY, words) if free(m)), None)
    found += [(m.start(), Read(m["path"])) for m in _spread(_READ, words) if free(m)]
    for match in _spread(_USE, words):
        if free(match) and (job := _use(match)):
            found.append((match.start(), job))
    think = next((_before_next_job(m["text"]) for m in _THINK.finditer(words) if free(m)), None)
    long = next((min(int(m["n"]), MOST_TOKENS) for m in _LONG.finditer(words) if free(m)), 0)
    parallel = [m.start() for m in _PARALLEL.finditer(words) if free(m)]
    starts = [m.start() for m in _NEXT_STAGE.finditer(words)]
    bounds = [at for at in starts if not any(start < at < end for start, end in taken)]
    return Wish(_staged(sorted(found, key=lambda f: f[0]), bounds, parallel), say, think, long)


def _staged(jobs: list[tuple[int, Job]], bounds: list[int], parallel: list[int]) -> tuple[Stage, ...]:
    """The jobs by stage, each with whether its words say parallel. Everything is given by where it stands."""
    stages: list[Stage] = []
    waiting = False
    for start, end in pairwise((0, *bounds, sys.maxsize)):
        here = tuple(job for at, job in jobs if start <= at < end)
        waiting = waiting or any(start <= at < end for at in parallel)
        if here:
            stages.append(Stage(here, waiting))
            waiting = False
    if waiting:
        stages.append(Stage((), True))
    return tuple(stages)


def worded(job: Job) -> str:
    """Words that `parse` reads as this job."""
    match job:
        case Write(path, content):
            return f"create {path} containing {content}"
        case Edit(path, old, new):
            return f"replace {old} with {new} in {path}"
        case Run(command):
            return f"run {command}"
        case Read(path):
            return f"read {path}"
        case Use(name, given):
            return f"call {name} with {msgspec.json.encode(given or {}).decode()}"


def _before_next_job(text: str) -> str:
    return _NEXT_JOB.split(text, maxsplit=1)[0].rstrip(" ")


def _spread(pattern: re.Pattern[str], words: str) -> list[re.Match[str]]:
    """All matches, looking on from where the next job's words begin inside a match, not from its end."""
    matches: list[re.Match[str]] = []
    at = 0
    while match := pattern.search(words, at):
        matches.append(match)
        nested = _NEXT_JOB.search(words, match.start() + 1, match.end())
        at = max(nested.start() if nested else match.end(), match.start() + 1)
    return matches


def _edit(match: re.Match[str], take: Callable[[re.Match[str], str], str]) -> Edit:
    return Edit(take(match, "path"), _unquoted(match["old"]), _unquoted(match["new"]))


def _use(match: re.Match[str]) -> Use | None:
    given = match["input"]
    if given is None:
        return Use(match["name"], None)
    try:
        decoded = msgspec.json.decode(given.encode())
    except msgspec.DecodeError:
        return None
    return Use(match["name"], decoded) if isinstance(decoded, dict) else None


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "`\"'" and text[0] not in text[1:-1]:
        return text[1:-1]
    return text
