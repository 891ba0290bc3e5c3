"""Reading and changing the tool's own command line without understanding all of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def has_option(args: Sequence[str], *names: str) -> bool:
    """Whether one of the options is given, as `--name value`, `--name=value` or `-nvalue`; not after `--`."""
    for arg in args:
        if arg == "--":
            return False
        for name in names:
            if arg == name or arg.startswith(f"{name}="):
                return True
            if len(name) == 2 and arg.startswith(name) and not arg.startswith("--") and len(arg) > 2:
                return True
    return False


def take_option(args: list[str], name: str) -> str | None:
    """Removes `--name value` or `--name=value` (the last one counts) and returns the value."""
    value = None
    kept: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg == "--":
            kept += [arg, *rest]
        elif arg == name:
            value = next(rest, value)
        elif arg.startswith(f"{name}="):
            value = arg[len(name) + 1 :]
        else:
            kept.append(arg)
    args[:] = kept
    return value
