"""Finding the person's own words among what coding tools wrap around them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WRAPPED = re.compile(r"<([A-Za-z][\w.-]*)(?:\s[^<>]*)?>.*?</\1\s*>", re.DOTALL)
"""`<system-reminder>…</system-reminder>`, `<environment_context>…` and the like: context, not words."""

_SET_UP = re.compile(
    r"^This is the [\w .-]{1,40}\. We are setting up the context|^Tool loaded\.$", re.IGNORECASE
)
"""How Gemini CLI's family opens the message that describes the workspace; and what Claude Code says beside the result
of its search for tools."""

_DIRECTORY = re.compile(
    r"<(?:cwd|working_directory)>\s*(?P<tag>[^<\n]+?)\s*</"
    r"|(?:(?:primary |current )?working directory|workspace (?:root|directory)|cwd|in the directory"
    r"|workspace directories)\**\s*(?:is|:|=)?\s*\**\s*\n?\s*(?:[-*]\s*)?[`\"']?"
    r"(?P<line>/[^\s`\"'<>,()]+|[A-Za-z]:\\[^\s`\"'<>]+)",
    re.IGNORECASE,
)


def own_words(texts: Iterable[str]) -> str:
    """The user's words in one message's texts, without wrapped context and quotes around the whole."""
    kept: list[str] = []
    for text in texts:
        bare = _WRAPPED.sub("", text).strip() if "<" in text else text.strip()
        if bare and not _SET_UP.match(bare):
            kept.append(bare)
    words = "\n".join(kept)
    if len(words) > 1 and words[0] == words[-1] and words[0] in "\"'" and words[0] not in words[1:-1]:
        words = words[1:-1].strip()
    return words


def working_directory(*texts: str) -> str | None:
    """The directory that the tool says it works in, or None. Looked for in each text in turn."""
    for text in texts:
        found = _DIRECTORY.search(text)
        if found:
            return (found["tag"] or found["line"]).rstrip("/.,;:") or "/"
    return None
