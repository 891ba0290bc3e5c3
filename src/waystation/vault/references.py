"""`env:NAME` and `file:PATH` references to secrets."""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn


class SecretUnavailable(Exception):
    """The reference cannot be resolved. The message names the reference, never a value."""


class Secret:
    """A secret's text, readable only on purpose."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def resolve(reference: str, env: Mapping[str, str]) -> Secret:
    """The secret that a reference names.

    `env:NAME` is read from `env`; `file:PATH` from a file, whose surrounding white space is dropped.
    Raises SecretUnavailable where there is nothing, or nothing usable as a header value.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        text = env.get(name, "").strip()
        if not text:
            raise SecretUnavailable(
                f"{reference}: the environment variable {name} is not set for the gateway"
            )
    elif kind == "file":
        try:
            text = Path(name).expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnavailable(f"{reference}: {type(error).__name__}") from None
        if not text:
            raise SecretUnavailable(f"{reference}: the file is empty")
    elif kind == "aws":
        raise SecretUnavailable(f"{reference}: AWS credentials sign requests, they are no key to send")
    else:
        raise SecretUnavailable(f"{reference}: this version reads env: and file: references")
    if not text.isprintable() or not text.isascii():
        raise SecretUnavailable(f"{reference}: it holds characters that cannot stand in a header")
    return Secret(text)
