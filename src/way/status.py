"""`way status`: who, where, with what, and what is different on this machine because of way."""

from __future__ import annotations

import os
import time

from way import __version__, allowance, files, installed, paths, session, tools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def collect() -> dict[str, Any]:
    """Everything that can be said without asking the gateway; and what is left of budgets and limits, if it answers."""
    found = session.load()
    secrets = found.secrets() if found is not None else None
    now = time.time()
    asks = found is not None and secrets is not None and secrets.good_for(now) > 0  # not worth a new token
    return {
        "version": __version__,
        "signed_in": secrets is not None,
        "gateway": found.gateway if found is not None else installed.gateway() or None,
        "name": found.name if found is not None and secrets is not None else None,
        "storage": found.storage if found is not None and secrets is not None else None,
        "token_seconds_left": max(0, int(secrets.good_for(now))) if secrets is not None else None,
        "tools": {tool.name: tools.executable(tool, dict(os.environ)) or None for tool in tools.every()},
        "changed_files": [
            {"path": edit.path, "owner": edit.owner, "why": edit.why, "until": _until(edit)}
            for edit in files.edits()
        ],
        "own_folder": paths.home(),
        "limits": allowance.ask(found.gateway, secrets.access_token) if asks and found and secrets else None,
    }


def _until(edit: files.Edit) -> str:
    return "reverted" if edit.lasting else "the tool ends"


def lines(found: dict[str, Any]) -> list[str]:
    shown: list[str] = []
    if found["signed_in"]:
        place = "its own file" if found["storage"] == "file" else "the system's key store"
        shown.append(f"Signed in to {found['gateway']} as {found['name']} (kept in {place})")
        left = found["token_seconds_left"]
        shown.append(
            f"Token: good for {_duration(left)} more, renewed by itself"
            if left
            else "Token: renewed at its next use"
        )
    elif found["gateway"]:
        shown.append(f"Not signed in to {found['gateway']}: run `way login`")
    else:
        shown.append("Not signed in: run `way login https://your-gateway`")
    left = allowance.lines(found["limits"] or [])
    if left:
        shown += ["Yours to use:", *left]
    shown.append("Tools:")
    for name, path in found["tools"].items():
        shown.append(f"  {name:<10} {path or 'not installed'}")
    if found["changed_files"]:
        shown.append("Changed in your files:")
        shown += [
            f"  {edit['path']} ({edit['why']}; until {edit['until']})" for edit in found["changed_files"]
        ]
    else:
        shown.append("Changed in your files: nothing")
    shown.append(f"way {found['version']}, its own folder is {found['own_folder']}")
    return shown


def _duration(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"
