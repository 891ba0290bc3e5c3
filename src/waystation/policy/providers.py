"""From the policy's providers to what the relay needs: paths filled in, endpoints ready-made."""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import msgspec

from waystation.model import TOOL_WIRES, AuthScheme, Operation, Provider, Terms, Wire
from waystation.policy.betas import betas_of
from waystation.policy.document import ProviderSpec
from waystation.policy.kinds import KINDS, path_key, region_of

Translatable = Callable[[Wire, tuple[Wire, ...]], Wire | None]
"""(what a tool speaks, what a provider speaks) → which of the latter to translate to, if any
(`waystation.wire.translate.translatable`)."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where one kind of request to one route goes. Everything is bytes that can be sent as they are."""

    host: str
    port: int
    tls: bool
    target: bytes
    """Path and fixed query. Join the client's own query with `target_with`."""
    wire: Wire
    """The protocol to speak there; another than was asked in means that the request is translated."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """The provider's fixed headers, names in lower case; the credential's header is not among them."""
    authority: bytes = b""
    """Value of the `host` header."""

    def target_with(self, query: bytes) -> bytes:
        """The target with a client's query string (without its `?`) appended."""
        if not query:
            return self.target
        return self.target + (b"&" if b"?" in self.target else b"?") + query


def compile_provider(
    provider_id: str,
    spec: ProviderSpec,
    *,
    built_in_url: str = "",
    translatable: Translatable | None = None,
    opened: bool = False,
) -> Provider:
    """The provider as the policy states it, the kind's usual values filled in.

    `built_in_url`: where the gateway's own server of a built-in kind listens. Without `translatable` it can be
    asked in its own protocols only. `opened`: people may ask for its models under whatever names they have.
    """
    kind = KINDS[spec.kind]
    usual_url = built_in_url if kind.built_in else kind.base_url
    paths = dict(kind.paths)
    if spec.api_version is not None:
        paths |= kind.versioned_paths
    paths |= spec.paths
    if spec.api_version is not None:
        paths = {key: path.replace("{api_version}", spec.api_version) for key, path in paths.items()}
    region = region_of(kind, spec.region, spec.base_url)
    paths = {key: _placed(path, region, own_base=spec.base_url is not None) for key, path in paths.items()}
    wires = spec.wires or kind.wires
    auth = kind.auth if spec.credential is not None else AuthScheme.NONE
    if auth is AuthScheme.SIGV4 and not (spec.credential or "").startswith("aws:"):
        auth = AuthScheme.BEARER  # an API key instead of credentials
    return Provider(
        id=provider_id,
        kind=spec.kind,
        base_url=(spec.base_url or (usual_url or "").replace("{region}", region)).rstrip("/"),
        wires=wires,
        paths=paths,
        auth=auth,
        credential=spec.credential,
        headers=tuple(spec.headers.items()),
        price_provider=spec.price_provider or kind.price_provider,
        usage_in_stream=spec.usage_in_stream,
        terms=Terms(spec.terms.no_training, spec.terms.retention_days, spec.terms.region),
        verify_tls=spec.verify_tls,
        betas=spec.betas if spec.betas is not None else betas_of(spec.kind),
        translations=_translations(wires, translatable) if translatable is not None else {},
        region=region,
        discover=any(path_key(wire, Operation.LIST_MODELS) in paths for wire in wires)
        and (kind.discover and opened if spec.discover is None else spec.discover),
    )


def _placed(path: str, region: str, *, own_base: bool) -> str:
    """A path for its region. One that is a whole URL is only its path where the policy has a base of its own."""
    if not path.startswith("https://"):
        return path
    path = path.replace("{region}", region)
    if not own_base:
        return path
    url = urlsplit(path)
    return url.path + (f"?{url.query}" if url.query else "")


def _translations(spoken: tuple[Wire, ...], translatable: Translatable) -> dict[Wire, Wire]:
    """What to translate to, by what was asked in. Embeddings have one protocol each, and nothing to translate."""
    found: dict[Wire, Wire] = {}
    for source in TOOL_WIRES:
        if source not in spoken and source is not Wire.EMBEDDINGS:
            target = translatable(source, spoken)
            if target is not None:
                found[source] = target
    return found


class EndpointTable:
    """Endpoints of all providers. Those with the model in the path are made when first asked for."""

    _REMEMBERED = 4096

    def __init__(self, providers: dict[str, Provider]) -> None:
        self._ready: dict[tuple[str, Wire, Operation, bool, str], Endpoint] = {}
        self._templates: dict[tuple[str, Wire, Operation, bool, str], tuple[Endpoint, str]] = {}
        self._filled: dict[tuple[str, str, str], Endpoint] = {}
        for provider in providers.values():
            self._add(provider)

    def find(
        self, provider: Provider, model: str, wire: Wire, operation: Operation, stream: bool, action: str
    ) -> Endpoint | None:
        """None where the provider has no address for such a request."""
        key = (provider.id, wire, operation, stream, action)
        ready = self._ready.get(key)
        if ready is not None:
            return ready
        template = self._templates.get(key)
        if template is None:
            return None if action == "" else self.find(provider, model, wire, operation, stream, "")
        endpoint, path = template
        filled_key = (provider.id, path, model)
        filled = self._filled.get(filled_key)
        if filled is None:
            target = path.replace("{model}", quote(model, safe="")).encode("ascii")
            filled = msgspec.structs.replace(endpoint, target=target)
            while len(self._filled) >= self._REMEMBERED:  # model names come from requests
                self._filled.pop(next(iter(self._filled)), None)
            self._filled[filled_key] = filled
        return filled

    def _add(self, provider: Provider) -> None:
        if not provider.base_url:
            return  # a built-in server that nobody runs here: no address, so no route
        for wire in provider.wires:
            for operation, stream, action in _REQUESTS:
                path = provider.paths.get(path_key(wire, operation, stream=stream, action=action))
                if path is None or not _makes_sense(wire, operation):
                    continue
                key = (provider.id, wire, operation, stream, action)
                here, path = _address(provider, wire, path)
                if "{model}" in path:
                    self._templates[key] = (here, path)
                else:
                    self._ready[key] = msgspec.structs.replace(here, target=path.encode("ascii"))
        for asked, spoken in provider.translations.items():
            self._lead(provider.id, asked, spoken)

    def _lead(self, provider: str, asked: Wire, spoken: Wire) -> None:
        """Requests in one protocol go to the addresses of another."""
        for operation in (Operation.GENERATE, Operation.COUNT_TOKENS):
            for stream in (False, True):
                here, there = (
                    (provider, asked, operation, stream, ""),
                    (provider, spoken, operation, stream, ""),
                )
                if there in self._ready:
                    self._ready[here] = self._ready[there]
                elif there in self._templates:
                    endpoint, path = self._templates[there]
                    if spoken is Wire.GENERATE and stream and operation is Operation.GENERATE:
                        path += (
                            "&alt=sse" if "?" in path else "?alt=sse"
                        )  # else one JSON array (a native client asks)
                    self._templates[here] = (endpoint, path)


def _address(provider: Provider, wire: Wire, path: str) -> tuple[Endpoint, str]:
    """The endpoint of a path, its target still empty, and the whole path."""
    url = urlsplit(path if path.startswith("https://") else provider.base_url + path)
    tls = url.scheme == "https"
    host = url.hostname or ""
    port = url.port or (443 if tls else 80)
    shown_host = f"[{host}]" if ":" in host else host
    endpoint = Endpoint(
        host=host,
        port=port,
        tls=tls,
        target=b"",
        wire=wire,
        headers=tuple((n.lower().encode("ascii"), v.encode("ascii")) for n, v in provider.headers),
        authority=(shown_host if url.port is None else f"{shown_host}:{port}").encode("ascii"),
    )
    return endpoint, url.path + (f"?{url.query}" if url.query else "")


LISTS = ("", "profiles")
"""The actions of LIST_MODELS: a provider's models; what else can be asked there as a model (Amazon Bedrock)."""
_REQUESTS = tuple(
    (operation, stream, action)
    for operation in Operation
    for stream in (False, True)
    for action in {Operation.EMBED: ("", "batchEmbedContents"), Operation.LIST_MODELS: LISTS}.get(
        operation, ("",)
    )
)


def _makes_sense(wire: Wire, operation: Operation) -> bool:
    if operation is Operation.EMBED:
        return wire in (Wire.EMBEDDINGS, Wire.GENERATE)
    return not (operation is Operation.GENERATE and wire is Wire.EMBEDDINGS)
