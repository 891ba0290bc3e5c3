"""From the policy's providers to what the relay needs: paths filled in, endpoints ready-made."""

from urllib.parse import quote, urlsplit

import msgspec

from waystation.model import AuthScheme, Operation, Provider, Terms, Wire
from waystation.policy.document import ProviderSpec
from waystation.policy.kinds import KINDS, path_key


class Endpoint(msgspec.Struct, frozen=True):
    """Where one kind of request to one route goes. Everything is bytes that can be sent as they are."""

    host: str
    port: int
    tls: bool
    target: bytes
    """Path and fixed query. Join the client's own query with `target_with`."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """The provider's fixed headers, names in lower case; the credential's header is not among them."""
    authority: bytes = b""
    """Value of the `host` header."""

    def target_with(self, query: bytes) -> bytes:
        """The target with a client's query string (without its `?`) appended."""
        if not query:
            return self.target
        return self.target + (b"&" if b"?" in self.target else b"?") + query


def compile_provider(provider_id: str, spec: ProviderSpec, *, built_in_url: str = "") -> Provider:
    """The provider as the policy states it, the kind's usual values filled in.

    `built_in_url`: where the gateway's own server of a built-in kind listens.
    """
    kind = KINDS[spec.kind]
    usual_url = built_in_url if kind.built_in else kind.base_url
    paths = dict(kind.paths)
    if spec.api_version is not None:
        paths |= kind.versioned_paths
    paths |= spec.paths
    if spec.api_version is not None:
        paths = {key: path.replace("{api_version}", spec.api_version) for key, path in paths.items()}
    return Provider(
        id=provider_id,
        kind=spec.kind,
        base_url=(spec.base_url or usual_url or "").rstrip("/"),
        wires=spec.wires or kind.wires,
        paths=paths,
        auth=kind.auth if spec.credential is not None else AuthScheme.NONE,
        credential=spec.credential,
        headers=tuple(spec.headers.items()),
        price_provider=spec.price_provider or kind.price_provider,
        usage_in_stream=spec.usage_in_stream,
        terms=Terms(spec.terms.no_training, spec.terms.retention_days, spec.terms.region),
        verify_tls=spec.verify_tls,
    )


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
        url = urlsplit(provider.base_url)
        tls = url.scheme == "https"
        host = url.hostname or ""
        port = url.port or (443 if tls else 80)
        shown_host = f"[{host}]" if ":" in host else host
        endpoint = Endpoint(
            host=host,
            port=port,
            tls=tls,
            target=b"",
            headers=tuple((n.lower().encode("ascii"), v.encode("ascii")) for n, v in provider.headers),
            authority=(shown_host if url.port is None else f"{shown_host}:{port}").encode("ascii"),
        )
        for wire in provider.wires:
            for operation, stream, action in _REQUESTS:
                path = provider.paths.get(path_key(wire, operation, stream=stream, action=action))
                if path is None or not _makes_sense(wire, operation):
                    continue
                key = (provider.id, wire, operation, stream, action)
                path = url.path + path
                if "{model}" in path:
                    self._templates[key] = (endpoint, path)
                else:
                    self._ready[key] = msgspec.structs.replace(endpoint, target=path.encode("ascii"))


_REQUESTS = tuple(
    (operation, stream, action)
    for operation in Operation
    for stream in (False, True)
    for action in ("", "batchEmbedContents")
    if not action or operation is Operation.EMBED
)


def _makes_sense(wire: Wire, operation: Operation) -> bool:
    if operation is Operation.EMBED:
        return wire in (Wire.EMBEDDINGS, Wire.GENERATE)
    return not (operation is Operation.GENERATE and wire is Wire.EMBEDDINGS)
