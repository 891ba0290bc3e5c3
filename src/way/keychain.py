"""The operating system's own store for secrets, by the commands it ships with (Windows: by its library).

`available()` says which one there is: "macos", "secret-service", "dpapi" or "" (then the session lives in a
0600 file). `WAY_STORAGE=file` keeps out of it. A secret travels by standard input, never as an argument:
other users can read a command line.
"""

from __future__ import annotations

import base64
import os
import sys

SERVICE = "waystation-way"
_PATIENCE = 10.0
"""Seconds for a store that may be asking its owner to unlock it."""
_MACOS_LINE_LIMIT = 4000
"""`security -i` reads commands into 4096 bytes and cuts what is longer."""


def available() -> str:
    if os.environ.get("WAY_STORAGE") == "file":
        return ""
    if sys.platform == "darwin":
        return "macos" if os.access("/usr/bin/security", os.X_OK) else ""
    if sys.platform == "win32":
        return "dpapi"
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if not bus:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        bus = runtime if runtime and os.path.exists(os.path.join(runtime, "bus")) else ""
    return "secret-service" if bus and _secret_tool() else ""


def store(kind: str, account: str, secret: bytes) -> bool:
    """Keeps the secret; False where the store will not take it (locked, no session, too long)."""
    text = base64.b64encode(secret).decode("ascii")
    if kind == "macos":
        line = f'add-generic-password -U -s "{SERVICE}" -a "{_plain(account)}" -w "{text}"\n'
        if len(line) > _MACOS_LINE_LIMIT:
            return False
        return _run(["/usr/bin/security", "-i"], line)[0] == 0 and load(kind, account) == secret
    if kind == "secret-service":
        command = [_secret_tool(), "store", "--label=Waystation sign-in", "service", SERVICE]
        return _run([*command, "account", account], text)[0] == 0 and load(kind, account) == secret
    return False


def load(kind: str, account: str) -> bytes | None:
    if kind == "macos":
        command = ["/usr/bin/security", "find-generic-password", "-s", SERVICE, "-a", _plain(account), "-w"]
    elif kind == "secret-service":
        command = [_secret_tool(), "lookup", "service", SERVICE, "account", account]
    else:
        return None
    code, output = _run(command, "")
    if code != 0 or not output.strip():
        return None
    try:
        return base64.b64decode(output.strip(), validate=True)
    except ValueError:
        return None


def delete(kind: str, account: str) -> None:
    if kind == "macos":
        _run(["/usr/bin/security", "delete-generic-password", "-s", SERVICE, "-a", _plain(account)], "")
    elif kind == "secret-service":
        _run([_secret_tool(), "clear", "service", SERVICE, "account", account], "")


def _plain(account: str) -> str:
    """An account name (a gateway's address) as one word of `security -i`."""
    return account.replace("\\", "").replace('"', "")


def _secret_tool() -> str:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        candidate = os.path.join(folder, "secret-tool")
        if folder and os.access(candidate, os.X_OK):
            return candidate
    return ""


def _run(command: list[str], standard_input: str) -> tuple[int, str]:
    import subprocess

    try:
        done = subprocess.run(
            command, input=standard_input, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout


def seal(secret: bytes) -> bytes:
    """Windows: encrypts for this user on this machine (DPAPI)."""
    return _dpapi("CryptProtectData", secret)


def unseal(sealed: bytes) -> bytes:
    return _dpapi("CryptUnprotectData", sealed)


if sys.platform == "win32":

    def _dpapi(function: str, data: bytes) -> bytes:
        import ctypes
        from ctypes import wintypes

        class Blob(ctypes.Structure):
            _fields_ = (("size", wintypes.DWORD), ("data", ctypes.POINTER(ctypes.c_char)))

        buffer = ctypes.create_string_buffer(data, len(data))
        given = Blob(len(data), ctypes.cast(buffer, ctypes.POINTER(ctypes.c_char)))
        result = Blob()
        call = getattr(ctypes.windll.crypt32, function)
        if not call(ctypes.byref(given), None, None, None, None, 0, ctypes.byref(result)):
            raise ctypes.WinError()
        try:
            return ctypes.string_at(result.data, result.size)
        finally:
            ctypes.windll.kernel32.LocalFree(result.data)

else:

    def _dpapi(function: str, data: bytes) -> bytes:
        raise OSError(f"{function} is a part of Windows, asked for {len(data)} bytes")
