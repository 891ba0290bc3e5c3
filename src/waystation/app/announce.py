"""What a starting gateway tells the person and the programs around it."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec


class Announcement(msgspec.Struct, frozen=True):
    url: str
    pid: int
    welcome: str | None
    """One-time link for the first owner; None once there is one."""
    rehearsal: bool
    """Whether answers come from the rehearsal provider."""
    data: str
    policy_version: int
    """0: the embedded default."""

    def __repr__(self) -> str:
        return f"Announcement(url={self.url!r}, pid={self.pid})"  # the welcome link signs somebody in


def write_gateway_file(data: Path, announcement: Announcement) -> Callable[[], None]:
    """Writes DATA/gateway.json (mode 0600: it may hold the welcome link) and returns what removes it."""
    path = data / "gateway.json"
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(announcement)) + b"\n")
    temporary.replace(path)
    return lambda: path.unlink(missing_ok=True)
