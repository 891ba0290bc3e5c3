"""What can go wrong, in sentences that say what to do next. Exit codes are part of the command line's contract."""

from __future__ import annotations

OK = 0
FAILED = 1
"""Something went wrong that none of the codes below names."""
USAGE = 2
SIGNED_OUT = 3
"""Nobody is signed in, or the sign-in has ended: `way login` is the next step."""
UNREACHABLE = 4
"""The gateway did not answer."""
PROBLEMS = 5
"""`way doctor` found something to put right."""
TOOL_MISSING = 127
"""The coding tool is not installed (the shell's own code for that)."""


class WayError(Exception):
    """One sentence for the person at the keyboard, and the code to exit with. Never holds a secret."""

    exit_code = FAILED

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(WayError):
    exit_code = USAGE


class SignedOut(WayError):
    """`reason` is why, `message` adds what to type; a command that signs in by itself says only the reason."""

    exit_code = SIGNED_OUT

    def __init__(self, reason: str, command: str = "way login") -> None:
        super().__init__(f"{reason}; run `{command}`.")
        self.reason = reason


class Unreachable(WayError):
    exit_code = UNREACHABLE


class ToolMissing(WayError):
    exit_code = TOOL_MISSING
