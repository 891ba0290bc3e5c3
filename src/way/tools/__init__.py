"""One file a coding tool: how it is found, set up, started and left as it was.

A new tool is one new module here with a `TOOL`; nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from way.tools.tool import Tool

_NOT_TOOLS = frozenset({"tool", "arguments", "projects"})


def names() -> list[str]:
    """All tools that way can start."""
    import pkgutil

    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _NOT_TOOLS)


def find(name: str) -> Tool | None:
    """The tool of that name, None where way does not know it."""
    if not name.isidentifier() or name in _NOT_TOOLS or name.startswith("_"):
        return None
    module = f"{__name__}.{name}"
    try:
        found: Tool = importlib.import_module(module).TOOL
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None
    return found


def every() -> list[Tool]:
    return [tool for tool in map(find, names()) if tool is not None]


def executable(tool: Tool, environment: dict[str, str]) -> str:
    """The tool's program: `WAY_<TOOL>_BIN`, else from PATH, else where npm and its kin put things; or ""."""
    explicit = environment.get(f"WAY_{tool.name.upper()}_BIN", "")
    if explicit:
        return explicit if os.access(explicit, os.X_OK) else ""
    folders = [f for f in environment.get("PATH", "").split(os.pathsep) if f]
    for folder in [*folders, *_usual_folders()]:
        for suffix in _SUFFIXES:
            candidate = os.path.join(folder, tool.binary + suffix)
            if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                return candidate
    return ""


_SUFFIXES = (".exe", ".cmd", ".bat") if os.name == "nt" else ("",)


def _usual_folders() -> list[str]:
    """Where tools are installed by people whose PATH does not say so (yet)."""
    home = os.path.expanduser("~")
    if os.name == "nt":
        return [os.path.join(os.environ.get("APPDATA", home), "npm"), os.path.join(home, ".local", "bin")]
    fixed = (
        ".local/bin",
        ".claude/local",
        ".opencode/bin",
        ".npm-global/bin",
        ".npm-packages/bin",
        ".bun/bin",
        ".volta/bin",
        ".local/share/pnpm",
        "Library/pnpm",
    )
    folders = [os.path.join(home, part) for part in fixed]
    versions = os.path.join(home, ".nvm", "versions", "node")
    if os.path.isdir(versions):
        folders += [os.path.join(versions, v, "bin") for v in sorted(os.listdir(versions), reverse=True)]
    return [*folders, "/opt/homebrew/bin", "/usr/local/bin"]
