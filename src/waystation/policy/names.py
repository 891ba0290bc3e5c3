"""Names: patterns over model names, and the nearest valid name for a mistyped one."""

import difflib
import re
from collections.abc import Iterable, Sequence


def is_pattern(name: str) -> bool:
    return "*" in name


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """`*` stands for any text, also none; everything else for itself."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def by_precision(patterns: Iterable[str]) -> list[str]:
    """Most precise first: longest text before the first `*`, then most text in all, then as written."""
    return sorted(patterns, key=lambda p: (-len(p.partition("*")[0]), -len(p.replace("*", ""))))


def nearest(name: str, valid: Iterable[str], *, limit: int = 1, cutoff: float = 0.6) -> list[str]:
    """The valid names that `name` was most likely meant to be, best first; case does not count."""
    folded = {v.lower(): v for v in valid}
    return [folded[m] for m in difflib.get_close_matches(name.lower()[:80], folded, n=limit, cutoff=cutoff)]


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A clause to end an error with: the nearest valid name, else the valid ones if they are few."""
    names = list(valid)
    if close := nearest(name, names):
        return f"did you mean “{close[0]}”?"
    if not names:
        return "none is defined"
    if len(names) <= 12:
        return f"valid: {listing(sorted(names), 'and')}"
    return ""


def listing(names: Sequence[str], conjunction: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {conjunction} {names[-1]}"
