"""Asking a provider for its models over real sockets: pages, bounds, and all the ways there is no answer."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.relay.scripted import Connection, Received, ScriptedProvider, whole
from tests.security.authority import Authority, tls_fronts
from waystation.model import ListedModel
from waystation.policy import compile_plan, load
from waystation.rehearsal import RehearsalServer, Script, Vendor, rehearsal_thread
from waystation.relay import Credential, ListingBounds, NoAnswer, UpstreamPools, list_models
from waystation.vault import open_aws


@pytest.fixture
async def pools() -> AsyncIterator[UpstreamPools]:
    made = UpstreamPools(asyncio.get_running_loop(), connect_timeout=2)
    yield made
    made.close()


async def ask(
    pools: UpstreamPools,
    url: str,
    kind: str = "anthropic-compatible",
    *,
    credential: Credential = (b"x-api-key", b"k"),
    bounds: ListingBounds | None = None,
    extra: str = "",
) -> tuple[ListedModel, ...]:
    text = f"version: 1\nproviders: {{p: {{kind: {kind}, base_url: '{url}'{extra}}}}}\n"
    plan = compile_plan(load(text, filename="test.yaml"), version=1)
    provider = plan.providers["p"]
    return await list_models(pools, provider, plan.lists_of(provider), credential, bounds)


@pytest.mark.parametrize(
    ("vendor", "kind", "path", "pages"),
    [
        (Vendor.ANTHROPIC, "anthropic-compatible", "/anthropic", 3),
        (Vendor.GEMINI, "google, credential: 'env:K'", "/gemini", 3),
        (Vendor.OPENAI, "openai-compatible", "/openai/v1", 1),
    ],
)
async def test_every_page_is_asked_for(
    pools: UpstreamPools, vendor: Vendor, kind: str, path: str, pages: int
) -> None:
    names = tuple(f"m-{i}" for i in range(2500))
    async with RehearsalServer(Script(models={vendor: names}), keyless=True) as server:
        found = await ask(pools, server.url + path, kind, credential=None)
        assert tuple(model.id for model in found) == names
        assert len(server.requests) == pages
        assert all(request.method == "GET" for request in server.requests)


async def test_what_is_sent_is_what_the_provider_needs(pools: UpstreamPools) -> None:
    async with RehearsalServer(Script(keys=("k",))) as server:
        assert await ask(pools, server.url + "/anthropic", extra=", headers: {x-team: a}")
        [request] = server.requests
        assert request.target == "/anthropic/v1/models?limit=1000"
        assert request.header("x-api-key") == "k"
        assert request.header("anthropic-version") == "2023-06-01"
        assert request.header("x-team") == "a"
        assert str(request.header("user-agent")).startswith("waystation/")
        assert request.body == b""


async def test_each_request_to_aws_is_signed_with_its_query(pools: UpstreamPools) -> None:
    """The rehearsal provider computes the signatures again."""
    env = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    account = open_aws("aws:env", "us-east-1", env)
    async with RehearsalServer(Script(keys=("AKIAEXAMPLE",), aws={"AKIAEXAMPLE": "secret"})) as server:
        kind = "bedrock, region: us-east-1, credential: 'aws:env'"
        models = await ask(pools, server.url + "/bedrock", kind, credential=account.sign)
        found = {model.id for model in models}
        assert {"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-2-lite-v1:0"} <= found
        assert [request.target for request in server.requests] == [
            "/bedrock/foundation-models",
            "/bedrock/inference-profiles?type=SYSTEM_DEFINED",
        ]


LIST = b'{"data":[{"id":"a"}]}'


async def late(_: Received, connection: Connection) -> None:
    await asyncio.sleep(5)


async def drip(_: Received, connection: Connection) -> None:
    """Never silent for long, never done."""
    await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await connection.chunk(b" ")
        await asyncio.sleep(0.01)


async def cut(_: Received, connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n" + LIST)
    await connection.close()


async def reset(_: Received, connection: Connection) -> None:
    await connection.reset()


async def garbage(_: Received, connection: Connection) -> None:
    await connection.send(b"SSH-2.0-OpenSSH\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (whole(LIST, "401 Unauthorized"), "it answered 401"),
        (whole(LIST, "302 Found", headers=b"location: http://127.0.0.1:9/\r\n"), "it answered 302"),
        (whole(LIST, "500 Oops"), "it answered 500"),
        (whole(b"<html>", content_type=b"text/html"), "its answer is no list of models"),
        (whole(b"{}"), "its answer is no list of models"),
        (whole(b" " * 2000), "its answer is too large"),
        (whole(gzip.compress(b" " * 100_000), headers=b"content-encoding: gzip\r\n"), "too large"),
        (whole(b"no gzip", headers=b"content-encoding: gzip\r\n"), "cannot be decoded"),
        (late, "did not answer within 0.3 seconds"),
        (drip, "did not answer within 0.3 seconds"),
        (cut, "it broke off its answer"),
        (reset, "it closed the connection"),
        (garbage, "not HTTP"),
    ],
)
async def test_no_answer_says_why(pools: UpstreamPools, script: object, why: str) -> None:
    bounds = ListingBounds(page_within=0.3, page_at_most=1000)
    async with ScriptedProvider(script) as provider:  # type: ignore[arg-type]  # a script, by the table's loose type
        with pytest.raises(NoAnswer, match=why) as refused:
            await ask(pools, provider.url, bounds=bounds)
        assert "x-api-key" not in str(refused.value)
        assert len(provider.requests) <= 2


async def test_a_compressed_answer_is_read_though_nobody_asked_for_one(pools: UpstreamPools) -> None:
    async with ScriptedProvider(
        whole(gzip.compress(LIST), headers=b"content-encoding: gzip\r\n")
    ) as provider:
        assert [m.id for m in await ask(pools, provider.url)] == ["a"]
        assert provider.requests[0].header("accept-encoding") == "identity"


async def test_nobody_there(pools: UpstreamPools) -> None:
    with pytest.raises(NoAnswer, match="it was not reached"):
        await ask(pools, "http://127.0.0.1:1")


async def endless(received: Received, connection: Connection) -> None:
    """A page for each request, the same way on for ever."""
    count = received.line.count("m") + len(received.line)
    page = json.dumps({"data": [{"id": f"m{count}"}], "has_more": True, "last_id": "m" * (count % 97)})
    await whole(page.encode())(received, connection)


async def test_a_list_without_end_is_given_up(pools: UpstreamPools) -> None:
    async with ScriptedProvider(endless) as provider:
        with pytest.raises(NoAnswer, match="more than 5 pages"):
            await ask(pools, provider.url, bounds=ListingBounds(pages=5))
        assert len(provider.requests) == 5


async def test_a_page_that_leads_to_itself_is_the_last(pools: UpstreamPools) -> None:
    page = b'{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}'
    async with ScriptedProvider(whole(page)) as provider:
        assert [m.id for m in await ask(pools, provider.url)] == ["a"]
        assert len(provider.requests) == 2


async def test_too_many_models_are_no_list(pools: UpstreamPools) -> None:
    page = json.dumps({"data": [{"id": f"m{i}"} for i in range(30)]}).encode()
    async with ScriptedProvider(whole(page)) as provider:
        with pytest.raises(NoAnswer, match="more than 20 models"):
            await ask(pools, provider.url, bounds=ListingBounds(models=20))


async def test_half_a_list_is_none(pools: UpstreamPools) -> None:
    first = b'{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}'
    async with ScriptedProvider(whole(first), whole(b"{}", "503 Busy")) as provider:
        with pytest.raises(NoAnswer, match="it answered 503"):
            await ask(pools, provider.url)


def test_the_certificate_is_checked(tmp_path: Path) -> None:
    theirs = Authority(tmp_path, "theirs")
    with (
        rehearsal_thread(keyless=True) as behind,
        tls_fronts(behind.port, theirs.issue("127.0.0.1")) as [port],
    ):

        async def listed(extra: str) -> int:
            pools = UpstreamPools(asyncio.get_running_loop())
            try:
                return len(await ask(pools, f"https://127.0.0.1:{port}/anthropic", extra=extra))
            finally:
                pools.close()

        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            asyncio.run(listed(""))
        assert not behind.requests
        assert asyncio.run(listed(", verify_tls: false")) > 0
