"""A real gateway between tests and a provider that they script, with somebody signed in.

    with staged(tmp_path) as stage:
        stage.provider.play(Step(...))
        ...  # ask stage.url with stage.token; then stage.rows()

The gateway is the `waystation serve` process of `tests.gateway`; the provider is a rehearsal server in a thread of
the test, so that it outlives a gateway that is killed and knows every request that reached a provider.
"""

import contextlib
import dataclasses
import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any

from tests.gateway import RunningGateway, running_gateway
from tests.rehearsal.asking import body, target
from tests.relay.tool import request_bytes
from waystation import identity
from waystation.identity import OPERATOR
from waystation.ledger.queries import open_usage
from waystation.model import PrincipalKind, Wire
from waystation.policy import default_policy
from waystation.rehearsal import RehearsalServer, Script, rehearsal_thread
from waystation.store import open_store

Row = dict[str, Any]
NO_PAUSES = "\nrouting: {patience: 0}\n"
"""What a provider does wrong once is then not made good behind the test's back."""


@dataclasses.dataclass(frozen=True)
class Tokens:
    access: str
    refresh: str


@dataclasses.dataclass
class Stage:
    gateway: RunningGateway
    provider: RehearsalServer
    tokens: Tokens

    @property
    def url(self) -> str:
        return self.gateway.url

    @property
    def port(self) -> int:
        return urllib.parse.urlsplit(self.gateway.url).port or 0

    @property
    def token(self) -> str:
        return self.tokens.access

    @property
    def auth(self) -> tuple[str, str]:
        return ("authorization", f"Bearer {self.tokens.access}")

    def request(
        self,
        wire: Wire,
        words: str,
        *,
        stream: bool = False,
        headers: Sequence[tuple[str, str]] = (),
        **more: Any,
    ) -> bytes:
        """The bytes of a request that says these words, in one of the protocols that generate."""
        fields = (
            self.auth,
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
            *headers,
        )
        said = json.dumps(body(wire, words, stream=stream, **more)).encode()
        return request_bytes("POST", target(wire, stream=stream), said, fields)

    def say(
        self,
        wire: Wire,
        words: str = "say hi",
        *,
        stream: bool = False,
        headers: Mapping[str, str] = {},
        **more: Any,
    ) -> "Fetched":
        """Makes that request, and waits for its whole answer."""
        fields = dict([self.auth]) | {
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            **headers,
        }
        said = json.dumps(body(wire, words, stream=stream, **more)).encode()
        return fetch(self.url + target(wire, stream=stream), data=said, headers=fields)

    def visitor(self, name: str) -> "Stage":
        """The same, as somebody else who has just signed in; they are added if need be."""
        with self.identity(self.url) as (service, known):
            if name not in known:
                service.add_user(name, by=OPERATOR)
            link = service.sign_in_link(name, by=OPERATOR).url
        return dataclasses.replace(self, tokens=sign_in(self.url, link))

    def service(self, name: str, *, lifetime: int, made_for: str = "") -> "Stage":
        """The same, as a service account with a token for so many seconds (and for another gateway's address)."""
        with self.identity(made_for or self.url) as (service, known):
            if name not in known:
                service.add_user(name, by=OPERATOR, kind=PrincipalKind.SERVICE)
            minted = service.service_token(name, by=OPERATOR, lifetime=lifetime)
        return dataclasses.replace(self, tokens=Tokens(minted.access_token, ""))

    @contextlib.contextmanager
    def identity(self, base_url: str) -> Iterator[tuple[identity.IdentityService, set[str]]]:
        """The gateway's people, by its files, as the operator's commands have them; and their names."""
        store = open_store(self.gateway.data)
        try:
            service = identity.build(store, base_url=base_url, agents=lambda _: {}).service
            yield service, {user.name for user in service.users(by=OPERATOR)}
        finally:
            store.close()

    def rows(self) -> list[Row]:
        return ledger_rows(self.gateway.data)

    def row(self, request_id: str | None) -> Row:
        """The one row of a request that took one attempt, or was refused."""
        return only(row for row in self.rows() if row["request_id"] == request_id)


@contextlib.contextmanager
def staged(
    folder: Path,
    *words: str,
    policy: Callable[[str], str] = lambda url: default_policy({}, url),
    env: Mapping[str, str] | None = None,
    script: Script = Script(),  # noqa: B008 - frozen
) -> Iterator[Stage]:
    """`policy` makes the document from the provider's URL; `words` go to `waystation serve`."""
    with rehearsal_thread(script, keyless=script.keys is None) as provider:
        document = folder / "policy.yaml"
        text = policy(provider.url)
        document.write_text(text if "\nrouting:" in text else text + NO_PAUSES)
        with running_gateway(folder / "data", "--policy", str(document), *words, env=env) as gateway:
            yield Stage(gateway, provider, sign_in(gateway.url, gateway.welcome))


def keyed_policy(url: str, reference: str) -> str:
    """Providers of three vendors' kinds, played by the rehearsal server at `url`, each with that credential."""
    kinds = {"anth": "anthropic", "oai": "openai", "goog": "google"}
    paths = {"anth": "/anthropic", "oai": "/openai/v1", "goog": "/gemini"}
    providers = "".join(
        f"  {name}: {{kind: {kind}, base_url: '{url}{paths[name]}', credential: '{reference}'}}\n"
        for name, kind in kinds.items()
    )
    models = "".join(
        f"  '{pattern}': {{routes: [{{provider: {name}}}]}}\n"
        for pattern, name in (("claude-*", "anth"), ("gpt-*", "oai"), ("text-*", "oai"), ("gemini-*", "goog"))
    )
    return f"version: 1\nproviders:\n{providers}models:\n{models}"


def sign_in(url: str, link: str) -> Tokens:
    """As `way login --link` does it."""
    form = {"grant_type": "urn:waystation:one-time-link", "client_id": "way", "code": link}
    answer = fetch(f"{url}/oauth/token", data=urllib.parse.urlencode(form).encode())
    assert answer.status == 200, answer
    told = answer.json
    return Tokens(told["access_token"], told["refresh_token"])


def ledger_rows(data: Path) -> list[Row]:
    """Every row of a gateway's ledger, journal and lake together, by time."""
    return _rows(sorted(path for path in (data / "journal").iterdir() if path.is_dir()), data)


def lake_rows(data: Path) -> list[Row]:
    """What the lake holds by itself."""
    return _rows([], data)


def _rows(journals: list[Path], data: Path) -> list[Row]:
    with open_usage(journals, data / "lake" / "requests") as view:
        found = view.connection.execute("SELECT * FROM requests ORDER BY started_at, attempt_id")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]


def only(things: Iterator[Row]) -> Row:
    found = list(things)
    assert len(found) == 1, found
    return found[0]


def eventually(holds: Callable[[], Any], what: str = "", seconds: float = 15) -> Any:
    """What `holds` gives as soon as that is true. Fails, with `what`, where it does not become so."""
    give_up = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < give_up, f"still not so after {seconds} s: {what or holds}"
        time.sleep(0.02)  # between two looks at another process; there is nothing to wait on
    return found


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclasses.dataclass(frozen=True)
class Fetched:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(
    url: str,
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    context: Any = None,
) -> Fetched:
    """One request by the standard library, whatever its answer's status. Redirects are not followed."""
    request = urllib.request.Request(url, data=data, headers=dict(headers or {}), method=method)
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=20) as answer:
            return Fetched(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Fetched(error.code, error.headers, error.read())


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
