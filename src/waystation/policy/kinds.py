"""The packaged table of provider kinds (`kinds.yaml`)."""

import importlib.resources
from typing import Literal

import msgspec
import yaml

from waystation.model import AuthScheme, Operation, Wire


class ProviderKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of a vendor or a sort of server before a policy says anything about it."""

    title: str
    auth: AuthScheme
    credential: Literal["required", "optional", "none"]
    wires: tuple[Wire, ...]
    """Spoken unless the policy says otherwise."""
    paths: dict[str, str]
    """By path key; more than `wires` may be here, for servers that speak more than is usual."""
    versioned_paths: dict[str, str] = {}
    """Take the place of `paths` entries when the policy sets `api_version`."""
    base_url: str | None = None
    """None: the policy must say."""
    built_in: bool = False
    """The gateway runs one itself, so a base URL is only needed for another."""
    base_without: str | None = None
    """What people are used to writing at the end of the base URL though the paths here begin with it."""
    price_provider: str | None = None
    suggest: str | None = None
    """The usual reference to the credential, for error messages."""


def path_key(wire: Wire, operation: Operation, *, stream: bool = False, action: str = "") -> str:
    """Key of the path template for one kind of request."""
    if wire is Wire.GENERATE and operation is Operation.EMBED:
        return f"{wire}:batch_embed" if action == "batchEmbedContents" else f"{wire}:embed"
    if operation in (Operation.COUNT_TOKENS, Operation.LIST_MODELS):
        return f"{wire}:{operation}"
    if wire is Wire.GENERATE and stream:
        return f"{wire}:stream"
    return str(wire)


def _load() -> dict[str, ProviderKind]:
    text = importlib.resources.files(__package__).joinpath("kinds.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, ProviderKind])


KINDS = _load()
PATH_KEYS = tuple(dict.fromkeys(key for kind in KINDS.values() for key in kind.paths))
"""Every key that a policy's `paths` may have."""
