"""Where way keeps its own things, and how it writes them.

`WAY_HOME` replaces all of these places with one folder (used by tests and by people who want it elsewhere).
Nothing here imports more than `os` and `sys`: `way token` runs through this module on each call.
"""

from __future__ import annotations

import os
import sys


def home() -> str:
    """The folder of the session, the caches and the backups. Not created here."""
    override = os.environ.get("WAY_HOME")
    if override:
        return os.path.abspath(override)
    if sys.platform == "win32":
        return os.path.join(os.environ.get("APPDATA") or os.path.expanduser("~"), "way")
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "way")


def data() -> str:
    """The folder that the installer unpacks the program into."""
    override = os.environ.get("WAY_HOME")
    if override:
        return os.path.join(os.path.abspath(override), "program")
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.expanduser("~"), "way")
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(base, "way")


def in_home(*parts: str) -> str:
    return os.path.join(home(), *parts)


def ensure_folder(path: str) -> None:
    """Makes the folder, readable by its owner only, where it is not there yet."""
    if not os.path.isdir(path):
        os.makedirs(path, mode=0o700, exist_ok=True)


def read(path: str) -> bytes | None:
    """The file's bytes, or None where there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_atomically(path: str, content: bytes, *, mode: int = 0o600) -> None:
    """Replaces the file whole, or leaves the old one whole; `mode` holds from the first byte on.

    Synced to disk: a refresh token that was rotated and then lost to a power cut would sign its owner out.
    """
    ensure_folder(os.path.dirname(path))
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: str) -> bool:
    """Deletes the file; whether there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def self_command() -> list[str]:
    """The command that runs this very way again, whatever it was started as: words for exec, not for a shell.

    Isolated (`-I`) and without site packages (`-S`): a project's PYTHONPATH or a broken virtual environment
    must not reach the code that hands out tokens, and it starts twice as fast.
    """
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    launcher = read(os.path.join(root, "LAUNCHER"))
    if launcher is not None:
        path = launcher.decode("utf-8").strip()
        if os.path.isfile(path):
            return [path]
    program = (
        root if os.path.isfile(root) else os.path.join(root, "way", "__main__.py")
    )  # as a file: 6 ms less
    return [sys.executable or "python3", "-I", "-S", program]
