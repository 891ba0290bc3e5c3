"""Choosing, among the tools that the caller declared, the one for a job, and filling in its input."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import Any

from waystation.rehearsal.answer import Call
from waystation.rehearsal.ask import Json, Tool
from waystation.rehearsal.jobs import Edit, Job, Read, Run, Use, Write

_WRITERS = ("write", "writefile", "createfile", "filewrite", "create", "savefile")
_EDITORS = ("edit", "editfile", "replace", "strreplace", "searchreplace", "fileedit", "multiedit")
_SHELLS = (
    "bash", "shell", "execcommand", "runshellcommand", "shellcommand", "runcommand", "executecommand",
    "terminal", "runinterminal", "execute", "exec", "powershell",
)  # fmt: skip
_READERS = ("read", "readfile", "view", "viewfile", "fileread", "openfile")
_PATCHERS = ("applypatch",)

_OWNER = re.compile(r".*(?:\.|__)(?=.)")
"""What stands before a tool's own name: a namespace, or Claude Code's `mcp__SERVER__`."""

_PATH_NAMES = (
    "file_path",
    "filePath",
    "filepath",
    "path",
    "absolute_path",
    "target_file",
    "filename",
    "file",
)
_CONTENT_NAMES = ("content", "contents", "text", "file_text", "fileText", "file_content")
_OLD_NAMES = ("old_string", "oldString", "old_str", "oldText", "old_text", "search")
_NEW_NAMES = ("new_string", "newString", "new_str", "newText", "new_text", "replace")
_COMMAND_NAMES = ("command", "cmd", "script", "input")
_PATCH_NAMES = ("patchText", "patch", "input", "patch_text")

_WANTS_ABSOLUTE = re.compile(r"absolute|full path", re.IGNORECASE)


def call_for(job: Job, tools: tuple[Tool, ...], directory: str | None) -> Call | None:
    """A call of a declared tool that does the job, valid by that tool's schema; None if no tool can do it.

    `directory` is the caller's working directory, where it is known: it makes paths absolute for tools that
    ask for absolute ones. A tool that asks for an absolute path is passed over where none can be made.
    """
    if isinstance(job, Use):
        return _use(job, tools)
    if isinstance(job, Run):
        return _run(job.command, f"Run {job.command}", tools)
    if isinstance(job, Read):
        return _file_call(_READERS, job.path, {}, f"Read {job.path}", tools, directory) or _run(
            f"cat {shlex.quote(job.path)}", f"Read {job.path}", tools
        )
    if isinstance(job, Edit):
        about = f"Edit {job.path}"
        hunk = f"*** Update File: {job.path}\n@@\n{_signed('-', job.old)}{_signed('+', job.new)}"
        return _edit(job, tools, directory) or _patch(hunk, about, tools) or _run(_sed(job), about, tools)
    about = f"Write {job.path}"
    return (
        _file_call(_WRITERS, job.path, {_CONTENT_NAMES: job.content}, about, tools, directory)
        or _patch(f"*** Add File: {job.path}\n{_signed('+', job.content)}", about, tools)
        or _run(_printf(job), about, tools)
    )


def _plain(name: str) -> str:
    """`Write`, `write_file`, `fs.write-file` and `mcp__fs__write_file` alike, without separators or case."""
    return re.sub(r"[^a-z0-9]", "", _OWNER.sub("", name).lower())


def _named(names: tuple[str, ...], tools: tuple[Tool, ...]) -> list[Tool]:
    return sorted((t for t in tools if _plain(t.name) in names), key=lambda t: names.index(_plain(t.name)))


def _property(properties: Json, names: tuple[str, ...]) -> str | None:
    return next((n for n in names if n in properties), None)


def _call(tool: Tool, given: Json, about: str) -> Call:
    """Add what else the schema requires: `about` as a description, the plainest value elsewhere."""
    filled = dict(given)
    for name in tool.schema.get("required") or ():
        if name not in filled:
            spec = tool.properties.get(name, {})
            is_words = name in ("description", "instruction", "explanation", "justification", "summary")
            filled[name] = about[:80] if is_words else plainest(spec)
    return Call(tool.name, filled, tool.namespace)


def _file_call(
    names: tuple[str, ...],
    path: str,
    given: dict[tuple[str, ...], str],
    about: str,
    tools: tuple[Tool, ...],
    directory: str | None,
) -> Call | None:
    """A call of one of these tools on the file. `given` is what else it must take, by the names that may have."""
    for tool in _named(names, tools):
        where = _property(tool.properties, _PATH_NAMES)
        more = _filled(tool.properties, given)
        if where is None or more is None:
            continue
        says = f"{tool.properties[where].get('description', '')} {tool.description}"
        target = path
        if not posixpath.isabs(path) and (directory is not None or _WANTS_ABSOLUTE.search(says)):
            if directory is None:
                continue
            target = posixpath.join(directory, path)
        return _call(tool, {where: target, **more}, about)
    return None


def _filled(properties: Json, given: dict[tuple[str, ...], str]) -> Json | None:
    """The values under the names that these properties have; None if one has no place.

    A list of objects that have places for all of them takes them as its one item (pi's and cn's edits).
    """
    named = {_property(properties, names): value for names, value in given.items()}
    if None not in named:
        return {name: value for name, value in named.items() if name is not None}
    for name, spec in properties.items():
        items = spec.get("items") if isinstance(spec, dict) else None
        inner = items.get("properties") if isinstance(items, dict) else None
        filled = _filled(inner, given) if isinstance(inner, dict) else None
        if filled is not None:
            return {name: [filled]}
    return None


def _edit(job: Edit, tools: tuple[Tool, ...], directory: str | None) -> Call | None:
    given: dict[tuple[str, ...], str] = {_OLD_NAMES: job.old, _NEW_NAMES: job.new}
    about = f"Replace {job.old} with {job.new}"
    return _file_call(_EDITORS, job.path, given, about, tools, directory)


def _signed(sign: str, text: str) -> str:
    """The lines of a patch."""
    return "".join(f"{sign}{line}\n" for line in text.split("\n"))


def _patch(section: str, about: str, tools: tuple[Tool, ...]) -> Call | None:
    patch = f"*** Begin Patch\n{section}*** End Patch"
    for tool in _named(_PATCHERS, tools):
        if tool.freeform:
            return Call(tool.name, patch, tool.namespace)
        name = _property(tool.properties, _PATCH_NAMES)
        if name is not None:
            return _call(tool, {name: patch}, about)
    return None


def _run(command: str, about: str, tools: tuple[Tool, ...]) -> Call | None:
    for tool in _named(_SHELLS, tools):
        name = _property(tool.properties, _COMMAND_NAMES)
        if name is None:
            continue
        takes = tool.properties[name].get("type")
        value: Any = ["bash", "-lc", command] if takes == "array" else command
        return _call(tool, {name: value}, about)
    return None


def _printf(job: Write) -> str:
    return f"printf '%s\\n' {shlex.quote(job.content)} > {shlex.quote(job.path)}"


def _sed(job: Edit) -> str:
    old = re.sub(r"([\\/.*^$\[\]])", r"\\\1", job.old)
    new = re.sub(r"([\\/&])", r"\\\1", job.new)
    path = shlex.quote(job.path)
    return f"sed -i.rehearsal {shlex.quote(f's/{old}/{new}/')} {path} && rm {shlex.quote(f'{job.path}.rehearsal')}"


def _use(job: Use, tools: tuple[Tool, ...]) -> Call | None:
    """By exact name, else by the end of it: MCP tools come with their server's name in front."""
    named = [t for t in tools if t.name == job.name] or [t for t in tools if t.name.endswith(job.name)]
    if not named:
        return None
    tool = named[0]
    return (
        Call(tool.name, job.name, tool.namespace)
        if tool.freeform
        else _call(tool, job.input or {}, "Rehearse")
    )


def plainest(schema: Any, words: str = "rehearsal") -> Any:
    """The plainest value that a JSON Schema allows: defaults and constants first, required members only.

    Strings become `words`, fitted to the length limits. Patterns and formats are not solved.
    """
    if not isinstance(schema, dict):
        return words
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return plainest(schema[key][0], words)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        kind = kind.lower()  # Gemini's own schemas say OBJECT
    if kind == "object" or (kind is None and "properties" in schema):
        members = schema.get("properties") or {}
        return {name: plainest(members.get(name, {}), words) for name in schema.get("required") or ()}
    if kind == "array":
        return [plainest(schema.get("items", {}), words) for _ in range(schema.get("minItems", 0))]
    return _scalar(kind, schema, words)


def _scalar(kind: Any, schema: Json, words: str) -> Any:
    if kind in ("integer", "number"):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is None and isinstance(schema.get("exclusiveMinimum"), (int, float)):
            low = schema["exclusiveMinimum"] + 1
        value = max(1, low) if low is not None else 1
        return min(value, high) if high is not None else value
    if kind == "boolean":
        return False
    if kind == "null":
        return None
    text = words.ljust(schema.get("minLength", 0), ".")
    return text[: schema["maxLength"]] if "maxLength" in schema else text
