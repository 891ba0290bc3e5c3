"""What is wrong with a policy document, said so that its writer can fix it in one go."""

import re

import msgspec

Path = tuple[str | int, ...]
"""Where a value stands: field names, map keys and list indexes from the top."""

_SECRET = re.compile(
    r"""^Bearer\s
    | \b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{8,}
    | \b(?:gh[opsu]_|github_pat_|glpat-|xox[a-z]-|AIza|AKIA|ya29\.|hf_|gsk_|xai-)[A-Za-z0-9_-]{8,}
    | \beyJ[A-Za-z0-9_-]{10,}\.
    | PRIVATE\ KEY""",
    re.VERBOSE,
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DENSE = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_SHOWN = 60


class PolicyError(msgspec.Struct, frozen=True):
    """One fault, at one place."""

    file: str
    line: int
    """From 1."""
    column: int
    """From 1."""
    field: str
    """Path of the field, e.g. `models.gpt-5.routes[0].provider`; empty for the document itself."""
    message: str
    """A sentence, with the nearest valid name where there is one. Never repeats what looks like a secret."""
    sensitive: bool = False
    """The line may hold a secret: show its place, not its text."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


class PolicyErrors(ValueError):
    """Everything that is wrong with a document, in the order of its lines. Nothing of it was applied."""

    def __init__(self, errors: list[PolicyError]) -> None:
        self.errors = sorted(errors, key=lambda e: (e.line, e.column, e.field))
        super().__init__("\n".join(map(str, self.errors)))


def render_path(path: Path) -> str:
    """`("models", "gpt-5", "routes", 0)` → `models.gpt-5.routes[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def looks_like_secret(text: str) -> bool:
    """Whether a value could be a key or token: a known prefix, or a long dense mix of letters and digits."""
    if _SECRET.search(text):
        return True
    if _UUID.fullmatch(text.strip()):
        return False
    return any(
        re.search("[0-9]", run) and re.search("[a-z]", run) and re.search("[A-Z]", run)
        for run in _DENSE.findall(text)
    )


def shown(text: str) -> str:
    """The value as an error may repeat it: quoted, short, and not at all if it could be a secret."""
    if looks_like_secret(text):
        return "a value that looks like a secret (not shown)"
    text = "".join(c if c.isprintable() else "·" for c in text)
    return f"“{text[:_SHOWN]}…”" if len(text) > _SHOWN else f"“{text}”"


def excerpt(text: str, error: PolicyError) -> tuple[str, str]:
    """The offending line and a second line with a caret below the place.

    If the line may hold a secret, everything from the place on is replaced by dots.
    """
    lines = text.splitlines()
    line = lines[error.line - 1].replace("\t", " ") if 0 < error.line <= len(lines) else ""
    if error.sensitive or looks_like_secret(line):
        line = line[: error.column - 1] + "•" * 8
        if looks_like_secret(line):
            line = "•" * 8
    return line, " " * min(error.column - 1, len(line)) + "^"
