"""The packaged table of provider kinds (`kinds.yaml`)."""

import importlib.resources
import re
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
    """None: the policy must say. `{region}` in it is the policy's `region`."""
    built_in: bool = False
    """The gateway runs one itself, so a base URL is only needed for another."""
    base_without: str | None = None
    """What people are used to writing at the end of the base URL though the paths here begin with it."""
    price_provider: str | None = None
    discover: bool = True
    """Its list says what can be asked for, so that it is worth asking."""
    suggest: str | None = None
    """The usual reference to the credential, for error messages."""


def path_key(wire: Wire, operation: Operation, *, stream: bool = False, action: str = "") -> str:
    """Key of the path template for one kind of request."""
    if wire is Wire.GENERATE and operation is Operation.EMBED:
        return f"{wire}:batch_embed" if action == "batchEmbedContents" else f"{wire}:embed"
    if operation is Operation.LIST_MODELS and action:
        return f"{wire}:list_{action}"
    if operation in (Operation.COUNT_TOKENS, Operation.LIST_MODELS):
        return f"{wire}:{operation}"
    if wire in (Wire.GENERATE, Wire.CONVERSE) and stream:
        return f"{wire}:stream"
    return str(wire)


def _load() -> dict[str, ProviderKind]:
    text = importlib.resources.files(__package__).joinpath("kinds.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, ProviderKind])


_IN_HOST = re.compile(r"\bbedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


def region_of(kind: ProviderKind, region: str | None, base_url: str | None) -> str:
    """The region that a policy's provider is in, by its `region` or its own base URL; empty where neither
    says."""
    if region is not None:
        return region
    found = _IN_HOST.search(base_url or "") if kind.auth is AuthScheme.SIGV4 else None
    return found[1] if found is not None else ""


KINDS = _load()
PATH_KEYS = tuple(dict.fromkeys(key for kind in KINDS.values() for key in kind.paths))
"""Every key that a policy's `paths` may have."""
