"""Putting way into the home folder, and taking it out again. No administrator, nothing outside the home.

The program is unpacked and compiled, so that it starts quickly, into a folder named by its content: a new
version never changes files under a running one. A launcher of a few lines starts the newest.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import zipfile

from way import __version__, files, installed, paths
from way.errors import UsageError, WayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWNER = "path"
_KEPT_VERSIONS = 2
"""Folders of earlier versions that stay: programs started from them may still be running."""


def launcher_folder() -> str:
    override = os.environ.get("WAY_BIN")
    if override:
        return os.path.abspath(override)
    if sys.platform == "win32":
        return os.path.join(paths.data(), "bin")
    return os.path.join(os.path.expanduser("~"), ".local", "bin")


def launcher_path() -> str:
    return os.path.join(launcher_folder(), "way.cmd" if sys.platform == "win32" else "way")


def install(gateway: str, *, may_change_path: bool = True) -> tuple[dict[str, Any], list[str]]:
    """Installs the archive that is running. Doing it twice changes nothing. Returns facts and lines to show."""
    if gateway:
        from way.address import normal

        gateway = normal(gateway, insecure_http=True)  # it was downloaded from there already
    archive = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not zipfile.is_zipfile(archive):
        raise UsageError(
            "`self-install` is for the install script: it installs the way.pyz that it runs from."
        )
    program = _unpack(archive)
    launcher = launcher_path()
    _write_launcher(launcher, program)
    record = {"gateway": gateway, "launcher": launcher, "program": program, "version": __version__}
    paths.write_atomically(installed.record_path(), json.dumps(record, indent=1).encode("utf-8"))
    _drop_old_versions(program)
    on_path = _is_on_path(launcher_folder())
    shown = [f"Installed way {__version__} as {launcher}."]
    changed = ""
    if not on_path and may_change_path:
        changed = _add_to_path(launcher_folder())
        if changed:
            shown.append(
                f"Added {launcher_folder()} to PATH in {changed}; `way uninstall` takes it out again."
            )
    way = "way" if on_path else launcher
    shown.append(f"Now type: {way} claude   (or codex, gemini, opencode; it signs you in first)")
    return {**record, "on_path": on_path, "path_changed_in": changed or None}, shown


def remove_everything() -> list[str]:
    """Signs out, undoes all edits and deletes what way put on this machine. Returns what was deleted."""
    from way import login

    try:
        login.sign_out()
    except WayError as error:
        print(f"way: {error}", file=sys.stderr)
    files.revert()
    gone: list[str] = []
    launcher = installed.record().get("launcher")
    if isinstance(launcher, str) and _is_our_launcher(launcher) and paths.remove(launcher):
        gone.append(launcher)
    for folder, names in ((paths.data(), _IN_DATA), (paths.home(), _IN_HOME)):
        if os.path.isdir(folder):
            gone += _remove_ours(folder, names)
    return gone


_IN_DATA = ("versions", "bin", "installed.json")
_IN_HOME = ("session.json", "session.lock", "agents.json", "edits", "edits.lock", "handed", "run", "program")


def _remove_ours(folder: str, names: tuple[str, ...]) -> list[str]:
    """Deletes what is ours by name, and the folder only if nothing else is in it: WAY_HOME may be any folder."""
    gone: list[str] = []
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
            gone.append(path)
        elif paths.remove(path):
            gone.append(path)
    try:
        os.rmdir(folder)
    except OSError:
        return gone
    return [folder]


def _unpack(archive: str) -> str:
    """The folder of this version, unpacked and compiled if it is not there yet."""
    from hashlib import sha256

    with open(archive, "rb") as file:
        digest = sha256(file.read()).hexdigest()
    target = os.path.join(paths.data(), "versions", digest[:12])
    if os.path.isfile(os.path.join(target, "LAUNCHER")):
        os.utime(target)
        return target
    fresh = f"{target}.{os.getpid()}.new"
    paths.ensure_folder(fresh)
    with zipfile.ZipFile(archive) as content:
        content.extractall(fresh)
    import compileall

    compileall.compile_dir(fresh, quiet=2, stripdir=fresh, prependdir=target)
    paths.write_atomically(os.path.join(fresh, "LAUNCHER"), launcher_path().encode("utf-8"))
    if os.path.isdir(target):  # half of an earlier one
        shutil.rmtree(target)
    os.rename(fresh, target)
    return target


def _write_launcher(path: str, program: str) -> None:
    """The Python that installed way runs it; if that one goes away, whichever `python3` there is."""
    python = sys.executable
    package = os.path.join(program, "way", "__main__.py")
    if sys.platform == "win32":
        text = f'@"{python}" -I -S "{package}" %*\r\n'
    else:
        text = (
            f'#!/bin/sh\npython={shlex.quote(python)}; [ -x "$python" ] || python=python3  # way\'s launcher\n'
            f'exec "$python" -I -S {shlex.quote(package)} "$@"\n'
        )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path) and not _is_our_launcher(path):
        raise WayError(f"{path} is another program; move it, or set WAY_BIN to another folder.")
    paths.write_atomically(path, text.encode("utf-8"), mode=0o755)


def _is_our_launcher(path: str) -> bool:
    try:
        text = (paths.read(path) or b"").decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return "way's launcher" in text or (path.endswith(".cmd") and "-I -S" in text)


def _drop_old_versions(current: str) -> None:
    folder = os.path.dirname(current)
    others = [entry.path for entry in os.scandir(folder) if entry.is_dir() and entry.path != current]
    others.sort(key=os.path.getmtime, reverse=True)
    for old in others[_KEPT_VERSIONS:]:
        shutil.rmtree(old, ignore_errors=True)


def _is_on_path(folder: str) -> bool:
    listed = os.environ.get("PATH", "").split(os.pathsep)
    return any(os.path.realpath(item) == os.path.realpath(folder) for item in listed if item)


def _add_to_path(folder: str) -> str:
    """Adds the folder to PATH where the person's shell reads it. Returns the file, "" where we know none."""
    if sys.platform == "win32":
        return ""
    home = os.path.expanduser("~")
    shell = os.path.basename(os.environ.get("SHELL", ""))
    quoted = folder.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    if shell == "fish":
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        target = os.path.join(config, "fish", "conf.d", "way.fish")
        block = f'# Added by way (`way uninstall` removes it).\nfish_add_path "{quoted}"\n'
    else:
        bash = ".bash_profile" if sys.platform == "darwin" else ".bashrc"
        names = {"zsh": ".zshrc", "bash": bash}
        target = os.path.join(home, names.get(shell, ".profile"))
        block = f'# Added by way (`way uninstall` removes it).\nexport PATH="{quoted}:$PATH"\n'
    added = files.append_block(_OWNER, target, block, why=f"so that your shell finds {folder}")
    return target if added else ""
