"""One test for each rule that an incident elsewhere has taught (the table of S1 to S14): the ones that concern this stage."""

import asyncio
import json
import re
import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.traffic import WIRES
from tests.rehearsal.asking import body, target
from tests.relay.scripted import Received
from tests.relay.tool import ask, request_bytes, sent
from tests.security.oddities import ODDITIES, odd_provider
from tests.stage import Stage, eventually, fetch, free_port, keyed_policy, staged
from waystation.model import Wire
from waystation.rehearsal import Script, Step
from waystation.rehearsal.serve import Recorded

pytestmark = pytest.mark.faults
KEY = "sk-the-gateways-own-key-for-its-providers"
TOKEN_PLACES = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(
        tmp_path_factory.mktemp("incidents"),
        policy=lambda url: keyed_policy(url, "env:PROVIDER_SECRET"),
        env={"PROVIDER_SECRET": KEY},
        script=Script(keys=(KEY,)),
    ) as running:
        yield running


@pytest.fixture
def stage(_running: Stage) -> Stage:
    _running.provider.requests.clear()
    _running.provider.rehearsal.prompter.clear()
    return _running


class Verbatim(NamedTuple):
    """A gateway before a provider that answers with odd bytes."""

    port: int
    auth: tuple[str, str]
    received: list[Received]


@pytest.fixture(scope="module")
def verbatim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verbatim]:
    with odd_provider() as provider:
        folder = tmp_path_factory.mktemp("verbatim")
        with staged(folder, policy=lambda _: _same_names(provider.url), env={"KEY": "k"}) as running:
            yield Verbatim(running.port, running.auth, provider.requests)


# S2: injection where credentials are looked up


@pytest.mark.parametrize(
    "evil", ["' OR '1'='1", "x'; DROP TABLE users; --", 'wsr_" OR 1=1 --', "wsr_%", "%00"]
)
def test_S2_a_credential_is_never_a_piece_of_sql(stage: Stage, evil: str) -> None:
    for place in ("authorization", "x-api-key"):
        value = f"Bearer {evil}" if place == "authorization" else evil
        answer = stage.say(Wire.MESSAGES, headers={"authorization": "", place: value})
        assert answer.status == 401
    for form in (
        {"grant_type": "refresh_token", "refresh_token": evil},
        {"grant_type": "urn:waystation:one-time-link", "code": evil},
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": evil},
    ):
        data = urllib.parse.urlencode({"client_id": "way", **form}).encode()
        assert fetch(f"{stage.url}/oauth/token", data=data).status == 400
    assert fetch(f"{stage.url}/welcome/{urllib.parse.quote(evil)}").status in (404, 410)
    assert stage.say(Wire.MESSAGES).status == 200, "everybody is still there"


# S5: what is allowed hangs on the route, never on the text of the address or the Host header


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1/healthz",
        "127.0.0.1/healthz?",
        "127.0.0.1#",
        "healthz",
        "127.0.0.1:80@evil.example",
        "evil.example/anthropic",
        "[::1",
        "",
        "127.0.0.1\\..\\healthz",
    ],
)
async def test_S5_a_crafted_host_header_opens_nothing(stage: Stage, host: str) -> None:
    said = json.dumps(body(Wire.MESSAGES, "hi")).encode()
    for method, path, raw in (
        ("POST", "/anthropic/v1/messages", said),
        ("GET", "/api/v1/me", b""),
        ("GET", "/api/v1/sessions", b""),
    ):
        lines = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(raw)}\r\n\r\n"
        async with sent(stage.port, lines.encode() + raw) as answer:
            await answer.all()
        assert answer.status in (400, 401, 421), answer.body
    assert stage.provider.requests == []


@pytest.mark.parametrize(
    "address", ["http://evil.example/anthropic/v1/messages", "//evil.example/anthropic/v1/messages"]
)
async def test_S5_an_absolute_address_does_not_choose_the_upstream(stage: Stage, address: str) -> None:
    said = json.dumps(body(Wire.MESSAGES, "hi")).encode()
    async with sent(stage.port, _raw("POST", address, said, stage.auth, host="evil.example")) as answer:
        await answer.all()
    assert answer.status in (200, 400, 404, 421)
    assert [request.header("host") for request in stage.provider.requests] in (
        [],
        [f"127.0.0.1:{stage.provider.port}"],
    )


# S6: the gateway does not rewrite what passes


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
async def test_S6_what_passes_is_not_changed_by_a_byte(verbatim: Verbatim, wire: Wire, stream: bool) -> None:
    """Odd spacing, escapes, key order, unknown fields and events, CR LF: all of it is somebody's own."""
    said = ODDITIES[wire].said.replace(b"@stream", b"true" if stream else b"false")
    headers = (verbatim.auth, ("content-type", "application/json"))
    answer = await ask(verbatim.port, target(wire, stream=stream), said, headers=headers)
    assert answer.body == (ODDITIES[wire].streamed if stream else ODDITIES[wire].answered)
    assert verbatim.received[-1].body == said


# S9: a page elsewhere must not reach us by rebinding its name, nor use a browser's sign-in


async def test_S9_a_rebound_name_reaches_neither_console_nor_api_nor_sign_in(stage: Stage) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/api/v1/me"),
        ("POST", "/oauth/token"),
        ("POST", "/oauth/device"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    ):
        async with sent(stage.port, _raw(method, path, b"", stage.auth, host="rebound.example")) as answer:
            await answer.all()
        assert answer.status == 421, path


async def test_S9_a_browsers_sign_in_is_no_token_for_the_relay(stage: Stage) -> None:
    """Requests to models take bearer tokens only: nothing that a browser adds by itself counts."""
    link = json.loads(stage.gateway.command("sign-in-link", "--json").stdout)["url"]
    page = fetch(link)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.body.decode()))
    before = (page.headers["set-cookie"] or "").partition(";")[0]
    own = {"origin": stage.url, "sec-fetch-site": "same-origin", "cookie": before}
    opened = fetch(link, data=urllib.parse.urlencode(hidden).encode(), headers=own)
    assert opened.status == 303, opened.body
    cookie = "; ".join(value.partition(";")[0] for value in opened.headers.get_all("set-cookie", []))
    assert fetch(f"{stage.url}/api/v1/me", headers={"cookie": cookie}).status == 200, "it is a real sign-in"
    said = json.dumps(body(Wire.MESSAGES, "hi")).encode()
    answer = await ask(
        stage.port, target(Wire.MESSAGES), said, headers=(("cookie", cookie), ("origin", stage.url))
    )
    assert answer.status == 401
    assert stage.provider.requests == []


# S10: internal headers, default secrets, and where requests go


@pytest.mark.parametrize("wire", WIRES)
async def test_S10_internal_headers_stop_at_the_door_in_both_directions(stage: Stage, wire: Wire) -> None:
    stage.provider.play(
        Step(headers={"x-waystation-request-id": "forged", "x-waystation-principal": "forged"})
    )
    internal = {
        "x-waystation-request-id": "forged",
        "x-waystation-principal": "usr_owner",
        "x-forwarded-for": "10.0.0.1",
        "x-forwarded-host": "evil.example",
        "x-original-url": "/evil",
        "x-http-method-override": "DELETE",
        "forwarded": "for=10.0.0.1;host=evil.example",
        "mcp-init-host": "evil.example",
        "x-envoy-original-path": "/evil",
        "proxy-authorization": "Basic Zm9vOmJhcg==",
        "cookie": "a=b",
        "te": "trailers",
        "via": "1.1 evil",
    }
    async with sent(stage.port, stage.request(wire, "say hi", headers=tuple(internal.items()))) as answer:
        await answer.all()
    assert answer.status == 200
    (request,) = stage.provider.requests
    passed = {name.decode().lower() for name, _ in request.headers}
    assert not passed & set(internal)
    ids = [value for name, value in answer.headers if name == "x-waystation-request-id"]
    assert len(ids) == 1
    assert ids[0].startswith("req_")
    assert "forged" not in str(answer.headers)
    assert stage.row(ids[0])["principal_name"] != "usr_owner"


@pytest.mark.parametrize(
    "secret", ["secret-api-key", "rehearsal", "sk-1234", "admin", "changeme", "master", "way", "test"]
)
def test_S10_there_is_no_default_secret(stage: Stage, secret: str) -> None:
    for header in (f"Bearer {secret}", f"Basic {secret}"):
        assert stage.say(Wire.MESSAGES, headers={"authorization": header}).status == 401
        assert fetch(f"{stage.url}/api/v1/me", headers={"authorization": header}).status == 401
    assert stage.provider.requests == []


def test_S10_each_gateway_makes_keys_of_its_own(stage: Stage, tmp_path: Path) -> None:
    with staged(tmp_path) as other:
        ours, theirs = stage.gateway.data / "master.key", other.gateway.data / "master.key"
        assert ours.read_bytes() != theirs.read_bytes()
        keys = [fetch(f"{url}/.well-known/jwks.json").json["keys"] for url in (stage.url, other.url)]
        assert keys[0][0]["x"] != keys[1][0]["x"]
        assert stage.gateway.welcome.rpartition("/")[2] != other.gateway.welcome.rpartition("/")[2]
        assert other.say(Wire.MESSAGES, headers={"authorization": f"Bearer {stage.token}"}).status == 401
        folder = other.gateway.data
        for private in ("control.db", "gateway.json", "master.key", "journal/node-1"):
            assert (folder / private).stat().st_mode & 0o077 == 0, private
        with closing(sqlite3.connect(folder / "control.db")) as database:
            (sealed,) = database.execute("SELECT * FROM signing_keys").fetchone()[-1:]
        assert sealed is None or b"PRIVATE KEY" not in (
            sealed if isinstance(sealed, bytes) else str(sealed).encode()
        )


@pytest.mark.parametrize(
    "model",
    [
        "gemini-x%0d%0aHost:%20evil.example%0d%0a",
        "gemini-x%20HTTP/1.1%0d%0aevil:%201",
        "gemini-x/../../../admin",
        "gemini-x%2f..%2f..%2fadmin",
        "gemini-x%3fkey=stolen",
        "gemini-x%23",
        "gemini-x@evil.example",
        "gemini-%00",
    ],
)
async def test_S10_a_model_in_the_path_stays_one_segment_of_the_path(stage: Stage, model: str) -> None:
    said = json.dumps(body(Wire.GENERATE, "hi")).encode()
    path = f"/gemini/v1beta/models/{model}:generateContent"
    async with sent(stage.port, _raw("POST", path, said, stage.auth)) as answer:
        await answer.all()
    assert answer.status < 500
    for request in stage.provider.requests:
        inner = request.target.removeprefix("/gemini/v1beta/models/").removesuffix(":generateContent")
        assert "/" not in inner
        assert "?" not in inner
        assert request.header("host") == f"127.0.0.1:{stage.provider.port}"
        assert request.header("evil") is None


# S13: the gateway's token ends at the gateway


@pytest.mark.parametrize("place", TOKEN_PLACES)
@pytest.mark.parametrize("wire", WIRES)
def test_S13_the_token_is_never_passed_upstream(stage: Stage, wire: Wire, place: str) -> None:
    value = f"Bearer {stage.token}" if place == "authorization" else stage.token
    fields = {"authorization": value} if place == "authorization" else {"authorization": "", place: value}
    fields |= {"cookie": f"token={stage.token}", "x-waystation-token": stage.token, "x-my-token": stage.token}
    for stream in (True, False):
        assert stage.say(wire, stream=stream, headers=fields).status == 200
    assert len(stage.provider.requests) == 2
    for request in stage.provider.requests:
        assert_only_our_key(request, stage.token)


def test_S13_a_token_beside_the_real_one_goes_nowhere_either(stage: Stage) -> None:
    """Claude Code's helper sends two headers; a tool's left-over vendor key must not reach the vendor."""
    left_over = "sk-ant-api03-left-over-from-before"
    assert stage.say(Wire.MESSAGES, headers={"x-api-key": left_over}).status == 200
    (request,) = stage.provider.requests
    assert_only_our_key(request, left_over)


async def test_S13_a_token_counts_for_the_request_that_it_came_with(stage: Stage) -> None:
    """One connection, several askers, as behind a proxy that pools: what was proven before does not count."""
    visitor = stage.visitor("second@example.com")
    said = json.dumps(body(Wire.CHAT, "hi")).encode()
    askers = [stage.auth, ("x-nothing", "1"), visitor.auth, ("authorization", "Bearer nonsense"), stage.auth]
    requests = b"".join(request_bytes("POST", target(Wire.CHAT), said, (asker,)) for asker in askers)
    async with sent(stage.port, requests + request_bytes("GET", "/openai/v1/models", headers=())) as answers:
        raw = b""
        while raw.count(b"HTTP/1.1 ") <= len(askers) and not answers.closed:
            raw += await answers.raw()
    statuses = [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 401, 200, 401, 200, 401]
    ids = re.findall(rb"x-waystation-request-id: (\w+)", raw)
    names = [
        row["principal_name"] for one in ids for row in stage.rows() if row["request_id"] == one.decode()
    ]
    assert names == [names[0], "second@example.com", names[0]]


def test_S13_a_token_for_another_audience_is_refused(stage: Stage) -> None:
    """Signed by the very key, but made for another gateway's address."""
    elsewhere = stage.service("ci", lifetime=600, made_for="https://other.example")
    answer = elsewhere.say(Wire.MESSAGES)
    assert answer.status == 401
    assert "another gateway" in answer.json["error"]["message"]


def assert_only_our_key(request: Recorded, foreign: str) -> None:
    everything = request.target + repr(request.headers) + request.body.decode()
    assert foreign not in everything
    keys = [
        value.decode()
        for name, value in request.headers
        if name.lower() in (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")
    ]
    assert [key.removeprefix("Bearer ") for key in keys] == [KEY]


# S14: the gateway fetches nothing that a request names


async def test_S14_addresses_inside_a_request_are_not_fetched(stage: Stage) -> None:
    touched: list[str] = []

    async def touch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        touched.append(repr(await reader.read(100)))
        writer.close()

    listener = await asyncio.start_server(touch, "127.0.0.1", free_port())
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/latest/meta-data"
    async with listener:
        for wire, raw in _with_image(url).items():
            answer = await ask(
                stage.port,
                target(wire),
                json.dumps(raw).encode(),
                headers=(stage.auth, ("anthropic-version", "2023-06-01")),
            )
            assert answer.status == 200, answer.body
        await asyncio.to_thread(eventually, lambda: len(stage.provider.requests) == len(WIRES))
        assert touched == []
    assert all(url.encode() in request.body for request in stage.provider.requests), "it passed as it came"


# What the tests are made of


def _raw(method: str, path: str, raw: bytes, *fields: tuple[str, str], host: str = "127.0.0.1") -> bytes:
    head = request_bytes(method, path, raw, fields)
    return head.replace(b"host: 127.0.0.1\r\n", f"host: {host}\r\n".encode(), 1)


def _same_names(url: str) -> str:
    """Providers at the bytes' own server, whose models have the names that tools ask for."""
    return (
        "version: 1\nproviders:\n"
        f"  anth: {{kind: anthropic-compatible, base_url: '{url}'}}\n"
        f"  oai: {{kind: openai-compatible, base_url: '{url}/v1', wires: [openai.chat, openai.responses]}}\n"
        f"  goog: {{kind: google, base_url: '{url}', credential: 'env:KEY'}}\n"
        "models:\n"
        "  claude-sonnet-4-5: {routes: [{provider: anth}]}\n"
        "  gpt-5.4: {routes: [{provider: oai}]}\n"
        "  gemini-2.5-pro: {routes: [{provider: goog}]}\n"
    )


def _with_image(url: str) -> dict[Wire, Any]:
    return {
        Wire.MESSAGES: {
            "model": "claude-sonnet-4-5",
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "url", "url": url}},
                        {"type": "text", "text": "say hi"},
                    ],
                }
            ],
        },
        Wire.RESPONSES: {
            "model": "gpt-5.4",
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_image", "image_url": url},
                        {"type": "input_text", "text": "say hi"},
                    ],
                }
            ],
        },
        Wire.CHAT: {
            "model": "gpt-5.4",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": url}},
                        {"type": "text", "text": "say hi"},
                    ],
                }
            ],
        },
        Wire.GENERATE: {
            "contents": [
                {
                    "role": "user",
                    "parts": [{"fileData": {"fileUri": url, "mimeType": "image/png"}}, {"text": "say hi"}],
                }
            ]
        },
    }
