"""The repository's own files and the pages among them, for the tests that read them."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_MADE = {"node_modules", "build", "dist", "__pycache__"}
_HIDDEN = {".ci", ".gitignore"}


def _tracked() -> list[Path]:
    """What git keeps; outside of a repository, or without git, all that is not made by a tool."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for path in ROOT.rglob("*") if path.is_file() and _ours(path.relative_to(ROOT))]
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def _ours(path: Path) -> bool:
    return not any(
        part in _MADE or part.endswith(".egg-info") or (part.startswith(".") and part not in _HIDDEN)
        for part in path.parts
    )


TRACKED = sorted(_tracked())
MARKDOWN = [path for path in TRACKED if path.suffix == ".md"]
_FENCE = re.compile(r"(?ms)^(`{3,})([a-z]*)[^\n]*\n(.*?)^\1[ ]*$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|<img[^>]*\ssrc=\"([^\"]+)\"")


def fenced(page: Path, language: str) -> list[str]:
    """The page's fenced blocks of one language, in order."""
    return [block[2] for block in _FENCE.findall(page.read_text("utf-8")) if block[1] == language]


def links(page: Path) -> list[str]:
    """Where the page's links and pictures lead within the repository."""
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text("utf-8")))
    found = [a or b for a, b in _LINK.findall(prose)]
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as the usual forges make them."""
    headings = re.findall(r"(?m)^#{1,6}\s+(.+?)\s*$", _FENCE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
