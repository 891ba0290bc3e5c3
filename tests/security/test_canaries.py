"""Secrets and contents pass through the gateway and stay nowhere: every byte that it leaves behind is looked through."""

import base64
import contextlib
import gzip
import json
import sqlite3
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.faults.traffic import WIRES
from tests.gateway import running_gateway
from tests.rehearsal.asking import body, target
from tests.relay.tool import Answer, ask, sent
from tests.stage import Stage, Tokens, eventually, fetch, free_port, keyed_policy, ledger_rows, staged
from waystation.model import Operation, Wire
from waystation.rehearsal import Line, Script, Step, When

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


class Canaries:
    """Marked secrets; each is found again in whatever form a careless program would write it."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def new(self, name: str, prefix: str = "") -> str:
        secret = f"{prefix}canary{uuid.uuid4().hex}"
        self.add(name, secret)
        return secret

    def add(self, name: str, secret: str) -> None:
        self.names[name] = secret

    def found_in(self, data: bytes) -> set[str]:
        return {
            name
            for name, secret in self.names.items()
            if any(form in data for form in _forms(secret.encode()))
        }


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.decode().encode("utf-16-le")
    yield urllib.parse.quote(secret, safe="").encode()
    for shift in range(3):  # base64 of a longer text that holds it at any place
        whole = base64.b64encode(bytes(shift) + secret)
        yield whole[4 if shift else 0 : -4]
        yield whole[4 if shift else 0 : -4].replace(b"+", b"-").replace(b"/", b"_")


@pytest.mark.parametrize("engine", ["listener", "asgi"])
async def test_no_secret_and_no_content_is_left_anywhere(tmp_path: Path, engine: str) -> None:
    canaries = Canaries()
    key = canaries.new("provider key", "sk-ant-")
    answer = canaries.new("answer")
    words = ["--log-level", "debug", "--port", str(free_port()), "--lake-interval", "0.2"]
    if engine == "asgi":
        words.append("--plain-asgi")
    with staged(
        tmp_path,
        *words,
        policy=lambda url: keyed_policy(url, "env:CANARY_KEY"),
        env={"CANARY_KEY": key},
        script=Script(steps=(_answers(answer),), keys=(key,)),
    ) as stage:
        _add_tokens(canaries, "", stage.tokens)
        told = b""
        await _conversations(stage, canaries, answer)
        await _provider_errors(stage, canaries)
        await _refusals(stage, canaries)
        await _malformed(stage, canaries)
        _sign_ins(stage, canaries)
        told += _surfaces(stage)
        await _killed_in_flight(stage, canaries)
        with running_gateway(
            stage.gateway.data, *words, "--policy", str(tmp_path / "policy.yaml"), env={"CANARY_KEY": key}
        ) as again:
            told += _surfaces(Stage(again, stage.provider, stage.tokens))
            assert "killed" in {row["outcome"] for row in ledger_rows(again.data)}
            kept = _everything(again.data)
        kept |= _everything(again.data)  # once more, after the last drain into the lake
        arrived = b"".join(
            request.body + repr(request.headers).encode() for request in stage.provider.requests
        )
    _assert_the_test_can_fail(canaries, arrived, kept)
    leaks = {
        where: found
        for where, data in {**kept, "surfaces": told}.items()
        if (found := canaries.found_in(data))
    }
    assert leaks == {}


def _answers(answer: str) -> Step:
    return Step(
        when=When(contains="tell the secret"), reply=(Line(thinking=answer), Line(text=f"It is {answer}."))
    )


def _add_tokens(canaries: Canaries, name: str, tokens: Tokens) -> None:
    canaries.add(f"{name} access token", tokens.access)
    canaries.add(f"{name} access token's signature", tokens.access.rpartition(".")[2])
    canaries.add(f"{name} refresh token", tokens.refresh)


async def _conversations(stage: Stage, canaries: Canaries, answer: str) -> None:
    """Prompts and answers, streamed and not, in each protocol, plain and compressed; cookies and queries with them."""
    for wire in WIRES:
        for stream in (True, False):
            prompt = canaries.new(f"prompt of {wire}")
            extra = (
                ("cookie", f"session={canaries.new('cookie')}"),
                ("x-unknown", canaries.new("unknown header")),
                ("user-agent", f"tool/{canaries.new('user agent')}"),
            )
            request = stage.request(wire, f"tell the secret {prompt}", stream=stream, headers=extra)
            mark = canaries.new("query").encode()
            line, rest = request.split(b" HTTP/1.1\r\n", 1)
            request = line + (b"&" if b"?" in line else b"?") + b"x=" + mark + b" HTTP/1.1\r\n" + rest
            async with sent(stage.port, request) as got:
                await got.all()
            assert got.status == 200
            assert answer.encode() in got.body.replace(b'"}}', b"") or stream
    packed = gzip.compress(json.dumps(body(Wire.MESSAGES, canaries.new("packed prompt"))).encode())
    assert (await _post(stage, target(Wire.MESSAGES), packed, ("content-encoding", "gzip"))).status == 200
    counted = json.dumps(body(Wire.MESSAGES, canaries.new("counted prompt"))).encode()
    assert (await _post(stage, "/anthropic/v1/messages/count_tokens", counted)).status == 200
    embedded = json.dumps({"model": "text-embedding-3-small", "input": canaries.new("embedded")}).encode()
    assert (await _post(stage, "/openai/v1/embeddings", embedded)).status == 200


async def _provider_errors(stage: Stage, canaries: Canaries) -> None:
    """What a provider says in an error may quote the prompt or the key."""
    faults = ["400 message={}", "401 message={}", "429 message={}", "500 message={}", "529 message={}"]
    faults += [
        "error at=first message={}",
        "error at=content message={}",
        "not-json",
        "cut at=content",
        "reset",
    ]
    for wire in WIRES:
        for fault in faults:
            secret = canaries.new(f"{fault} of {wire}")
            words = f"[[rehearse: {fault.format(secret)}]] say {secret}"
            async with sent(stage.port, stage.request(wire, words, stream=True)) as got:
                await got.all()
            assert got.status != 500 or fault.startswith("500")
    stage.provider.play(
        Step(
            when=When(operation=Operation.EMBED),
            faults=(f"500 message={canaries.new('embedding error')}",),
            times=1,
        )
    )
    embedded = json.dumps({"model": "text-embedding-3-small", "input": "x"}).encode()
    await _post(stage, "/openai/v1/embeddings", embedded)


async def _refusals(stage: Stage, canaries: Canaries) -> None:
    """Tokens that are not ours, in every place; addresses that mean nothing; models that nobody has."""
    for place in ("authorization", "x-api-key", "x-goog-api-key"):
        for prefix in ("", "sk-ant-api03-", "eyJhbGciOiJFZERTQSJ9.eyJzdWIi.", "wsr_"):
            secret = canaries.new(f"foreign token in {place}", prefix)
            value = f"Bearer {secret}" if place == "authorization" else secret
            raw = json.dumps(body(Wire.MESSAGES, "hi")).encode()
            assert (
                await ask(stage.port, target(Wire.MESSAGES), raw, headers=((place, value),))
            ).status == 401
    query = canaries.new("key in the query")
    assert (await _post(stage, f"{target(Wire.GENERATE)}?key={query}", b"{}")).status == 400
    lost = canaries.new("unknown address")
    assert (await _post(stage, f"/openai/v1/{lost}", b"{}")).status == 404
    upgrade = (
        stage.auth,
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", canaries.new("ws")),
    )
    assert (await ask(stage.port, "/openai/v1/responses", method="GET", headers=upgrade)).status == 426


async def _malformed(stage: Stage, canaries: Canaries) -> None:
    """Bodies and heads that cannot be read; whoever reports an error is tempted to quote them."""
    for wire in WIRES:
        for shape in (
            b'{"model": "claude-haiku-4-5", "messages": [{"content": "%s"',
            b'{"model": "%s \xff"}',
            b'{"model": {"%s": 1}}',
            b'{"model": "claude-haiku-4-5", "model": "x%s"}',
            b'["%s"]',
            b'{"model": "claude-haiku-4-5", "stream": "%s"}',
            b'{"model": "claude-haiku-4-5", "max_tokens": "%s"}',
            b"%s" + b"[" * 100_000,
        ):
            raw = shape % canaries.new(f"malformed body of {wire}").encode()
            got = await _post(stage, target(wire), raw)
            assert 400 <= got.status < 500 or wire is Wire.GENERATE, got.body
            for coding in ("gzip", "zstd", "br", "rot13"):
                got = await _post(stage, target(wire), raw, ("content-encoding", coding))
                assert 400 <= got.status < 500
    for head in (
        "GET /anthropic HTTP/9.%s\r\n\r\n",
        "%s\r\n\r\n",
        "POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nno colon %s\r\n\r\n",
        "POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %s\r\n\r\n",
        "POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\nx: %s\r\n\r\n",
        "GET /api/v1/me HTTP/1.1\r\nhost: %s\r\n\r\n",
        "GET /%s HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    ):
        with contextlib.suppress(OSError):
            async with sent(stage.port, (head % canaries.new("malformed head")).encode()) as got:
                await got.all()


def _sign_ins(stage: Stage, canaries: Canaries) -> None:
    """Every credential that the sign-in addresses take: wrong ones, spent ones, good ones."""
    visitor = stage.visitor("canary@example.com")
    _add_tokens(canaries, "visitor's", visitor.tokens)
    token = f"{stage.url}/oauth/token"
    for form in (
        {"grant_type": "refresh_token", "refresh_token": canaries.new("made-up refresh token", "wsr_")},
        {
            "grant_type": "authorization_code",
            "code": canaries.new("code"),
            "code_verifier": canaries.new("verifier"),
        },
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": canaries.new("device code"),
        },
        {"grant_type": "urn:waystation:one-time-link", "code": canaries.new("link")},
        {"grant_type": canaries.new("grant type"), "password": canaries.new("password")},
    ):
        assert fetch(token, data=urllib.parse.urlencode({"client_id": "way", **form}).encode()).status == 400
    form = {"grant_type": "refresh_token", "client_id": "way", "refresh_token": visitor.tokens.refresh}
    renewed = fetch(token, data=urllib.parse.urlencode(form).encode()).json
    _add_tokens(canaries, "renewed", Tokens(renewed["access_token"], renewed["refresh_token"]))
    device = fetch(f"{stage.url}/oauth/device", data=b"client_id=way&scope=openid+offline_access").json
    canaries.add("pending device code", device["device_code"])
    cookie = {
        "cookie": f"ws={canaries.new('console cookie')}",
        "referer": f"http://x/{canaries.new('referer')}",
    }
    for path in (
        "/",
        f"/welcome/{canaries.new('welcome code')}",
        f"/nowhere/{canaries.new('path')}",
        "/api/v1/me",
    ):
        assert fetch(f"{stage.url}{path}?q={canaries.new('page query')}", headers=cookie).status < 500
    bearer = {"authorization": f"Bearer {canaries.new('token for the API')}"}
    assert fetch(f"{stage.url}/api/v1/me", headers=bearer).status == 401


async def _killed_in_flight(stage: Stage, canaries: Canaries) -> None:
    """The journal remembers who was asking what of whom when the gateway died, but not the words."""
    words = f"[[rehearse: stall seconds=60]] say {canaries.new('prompt in flight')} two three four five"
    request = stage.request(Wire.MESSAGES, words, stream=True, headers=(("x-session-id", "in-flight"),))
    async with sent(stage.port, request) as got:
        await got.until(b"content_block_delta")
        segments = stage.gateway.data / "journal" / "node-1"
        eventually(lambda: any(b"in-flight" in path.read_bytes() for path in segments.glob("*.wsj1")))
        stage.gateway.process.kill()
        stage.gateway.process.wait()


def _surfaces(stage: Stage) -> bytes:
    paths = (
        "/healthz",
        "/readyz",
        "/metrics",
        "/",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
    )
    return b"".join(fetch(stage.url + path).body for path in paths)


def _everything(data: Path) -> dict[str, bytes]:
    """Every byte of the data folder and the log; and what the tables say, since Parquet is compressed."""
    found = {str(path): path.read_bytes() for path in data.rglob("*") if path.is_file()}
    log = data.with_name(data.name + ".log")
    found[str(log)] = log.read_bytes()
    found["ledger rows"] = repr(ledger_rows(data)).encode()
    with contextlib.closing(sqlite3.connect(data / "control.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: database.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables}
    found["control state"] = repr(rows).encode()
    return found


def _assert_the_test_can_fail(canaries: Canaries, arrived: bytes, kept: Mapping[str, bytes]) -> None:
    """The secrets did go through, and what is looked through is not empty."""
    passed = canaries.found_in(arrived)
    assert "provider key" in passed
    assert {f"prompt of {wire}" for wire in WIRES} <= passed
    assert not any("access token" in name or "cookie" in name for name in passed), passed
    assert len(kept["ledger rows"]) > 10_000
    assert any(name.endswith(".wsj1") and data for name, data in kept.items())
    assert any(name.endswith(".parquet") for name in kept)
    assert any(b'"level":"debug"' in data or b'"level":"warning"' in data for data in kept.values())


async def _post(stage: Stage, path: str, raw: bytes, *more: tuple[str, str]) -> Answer:
    headers: Sequence[tuple[str, str]] = (stage.auth, ("anthropic-version", "2023-06-01"), *more)
    return await ask(stage.port, path, raw, headers=headers)
