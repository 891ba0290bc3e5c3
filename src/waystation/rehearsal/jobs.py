"""What the user's words ask the rehearsal model to do. docs/rehearsal.md documents the small grammar."""

from __future__ import annotations

import re
from typing import Any

import msgspec

MOST_TOKENS = 1_000_000
"""`long N` says at most this much."""


class Write(msgspec.Struct, frozen=True):
    path: str
    content: str


class Run(msgspec.Struct, frozen=True):
    command: str


class Read(msgspec.Struct, frozen=True):
    path: str


class Use(msgspec.Struct, frozen=True):
    """Call a tool by its name, e.g. one that comes from an MCP server."""

    name: str
    input: dict[str, Any] | None


Job = Write | Run | Read | Use


class Wish(msgspec.Struct, frozen=True):
    """Everything that one message asks for."""

    jobs: tuple[Job, ...] = ()
    say: str | None = None
    think: str | None = None
    long: int = 0
    parallel: bool = False


_LEAD = r"(?:^|[\n.;,]\s*|\b(?:and|then|please|now|to)\s+)"
_PATH = r"[`\"']?(?P<path>[\w./~\\:+-]*[\w+-])[`\"']?"
_WRITE = re.compile(
    _LEAD + r"(?:create|write|make)\s+(?:(?:a|the)\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?" + _PATH +
    r"\s+(?:containing|with(?:\s+the)?(?:\s+(?:content|contents|text))?|that\s+(?:contains|says))\s*:?\s+(?P<text>[^\n]+)",
    re.IGNORECASE,
)  # fmt: skip
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
_NEXT_JOB = re.compile(
    r",?\s+(?:and|then|and\s+then)\s+(?=(?:create|write|make|run|execute|read|show|open|say|call|use)\b)"
    r"|,?\s+in\s+parallel\b",
    re.IGNORECASE,
)


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
    found += [(m.start(), Run(take(m, "command"))) for m in _spread(_RUN, words) if free(m)]
    say = next((take(m, "text") for m in _spread(_SAY, words) if free(m)), None)
    found += [(m.start(), Read(m["path"])) for m in _spread(_READ, words) if free(m)]
    for match in _spread(_USE, words):
        if free(match) and (job := _use(match)):
            found.append((match.start(), job))
    think = next((_before_next_job(m["text"]) for m in _THINK.finditer(words) if free(m)), None)
    long = next((min(int(m["n"]), MOST_TOKENS) for m in _LONG.finditer(words) if free(m)), 0)
    parallel = any(free(m) for m in _PARALLEL.finditer(words))
    jobs = tuple(job for _, job in sorted(found, key=lambda f: f[0]))
    return Wish(jobs, say, think, long, parallel)


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
