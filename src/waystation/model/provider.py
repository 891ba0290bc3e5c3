"""Where a request can go."""

from enum import StrEnum

import msgspec

from waystation.model.capabilities import Capabilities
from waystation.model.wire import Wire


class AuthScheme(StrEnum):
    """How a provider wants its credential."""

    NONE = "none"
    BEARER = "bearer"
    """`Authorization: Bearer <key>` (OpenAI and most compatible servers)"""
    X_API_KEY = "x-api-key"
    """`x-api-key: <key>` (Anthropic)"""
    X_GOOG_API_KEY = "x-goog-api-key"
    """`x-goog-api-key: <key>` (Google AI)"""
    API_KEY = "api-key"
    """`api-key: <key>` (Azure OpenAI)"""
    SIGV4 = "sigv4"
    """AWS's Signature Version 4: each request is signed with keys that are themselves never sent (Bedrock)"""


class Terms(msgspec.Struct, frozen=True):
    """What the provider promises about data sent to it. None means that nobody stated it."""

    no_training: bool | None = None
    retention_days: int | None = None
    region: str | None = None


class Provider(msgspec.Struct, frozen=True):
    """An account at a model vendor, or a server of open models. Data only: no secret is in it."""

    id: str
    kind: str
    """Key of the built-in entry it was made from: anthropic, openai, google, azure-openai, openai-compatible,
    anthropic-compatible, rehearsal."""
    base_url: str
    """Scheme, host, port and path prefix, without a trailing slash."""
    wires: tuple[Wire, ...]
    paths: dict[str, str]
    """Path template by wire or operation key (see `policy.providers`), `{model}` filled at compile time."""
    auth: AuthScheme
    credential: str | None = None
    """Reference to the secret (`env:NAME`, `file:PATH`, `vault:NAME`, `aws:…`); resolved outside the plan."""
    headers: tuple[tuple[str, str], ...] = ()
    """Fixed headers added to each request."""
    price_provider: str | None = None
    """Provider id in the price book; None means that prices must come from the policy."""
    usage_in_stream: bool = True
    """Chat Completions only: the server understands `stream_options.include_usage`."""
    terms: Terms = Terms()
    verify_tls: bool = True
    translations: dict[Wire, Wire] = {}
    """For each protocol that tools ask in and this provider does not speak: the one of its own that such requests
    are translated to. A protocol that is in neither cannot be asked here."""
    betas: tuple[str, ...] | None = None
    """The Anthropic beta flags that it takes; None for all (E82)."""
    region: str = ""
    """AWS: the region that it runs in, which SIGV4's signatures are made for."""
    discover: bool = False
    """Ask it for its list of models."""


class Route(msgspec.Struct, frozen=True):
    """Provider + the provider's own model id: one concrete place a request can go."""

    id: str
    """`provider/upstream-model`"""
    provider: Provider
    model: str
    """The provider's own model id."""
    weight: int = 1
    priority: int = 0
    """Lower is tried first."""
    max_in_flight: int | None = None
    """How many requests may be under way to it at once, from this process."""
    native: bool = True
    """Its provider speaks the protocol that was asked in. False: the request is translated, and within a priority
    such a route comes after those that need not be."""
    capabilities: Capabilities = Capabilities()
    """What the model can do, as far as the policy, the price data or our own table says."""
