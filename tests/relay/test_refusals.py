"""Every refusal reaches the tool in its own protocol's shape, with one sentence to act on."""

import json
import re

import pytest

from tests.relay.conftest import open_relay, policy_text
from tests.relay.scripted import ScriptedProvider, whole
from tests.relay.tool import ANSWER, AUTH, MESSAGES, ask, request_bytes, sent
from waystation.model import Outcome
from waystation.relay import RelaySettings

SURFACES = [
    ("/anthropic/v1/messages", MESSAGES),
    ("/openai/v1/responses", {"model": "gpt-5.4", "input": "hi"}),
    ("/openai/v1/chat/completions", {"model": "gpt-5.4", "messages": []}),
    ("/gemini/v1beta/models/gemini-2.5-pro:generateContent", {"contents": []}),
]


def message_of(path: str, body: bytes) -> str:
    """The sentence, found where that surface's tools look for it."""
    error = json.loads(body)["error"]
    if path.startswith("/anthropic"):
        assert json.loads(body)["type"] == "error"
        assert set(error) >= {"type", "message"}
    elif path.startswith("/openai"):
        assert set(error) >= {"message", "type", "code"}
    else:
        assert set(error) >= {"code", "message", "status"}
    return str(error["message"])


@pytest.mark.parametrize(("path", "body"), SURFACES)
async def test_without_a_token_nothing_leaves(path: str, body: object, kind: str) -> None:
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        for headers in (
            [],
            [("authorization", "Bearer expired")],
            [("x-api-key", "sk-ant-foreign")],
            [("authorization", "Basic eDp5")],
        ):
            answer = await ask(gateway.port, path, body, headers=headers)
            assert answer.status == 401
            assert message_of(path, answer.body)
            assert b"sk-ant-foreign" not in answer.body
        assert provider.requests == []
        assert gateway.ledger.rows == []


@pytest.mark.parametrize(
    "header",
    [
        ("authorization", "Bearer {}"),
        ("authorization", "bearer {}"),
        ("x-api-key", "{}"),
        ("x-goog-api-key", "{}"),
    ],
)
async def test_the_token_is_taken_wherever_the_tool_puts_it(header: tuple[str, str], kind: str) -> None:
    name, value = header
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(
            gateway.port, "/anthropic/v1/messages", MESSAGES, headers=[(name, value.format(AUTH[1][7:]))]
        )
        assert answer.status == 200
        assert b"ws-token" not in provider.requests[0].head


async def test_a_key_in_the_url_is_refused_with_the_reason(kind: str) -> None:
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        path = f"/gemini/v1beta/models/gemini-2.5-pro:generateContent?key={AUTH[1][7:]}"
        answer = await ask(gateway.port, path, {"contents": []}, headers=[])
    assert answer.status == 400
    assert "x-goog-api-key" in answer.json["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize(("path", "body"), SURFACES)
async def test_an_unknown_model_is_named_with_the_nearest(
    path: str, body: dict[str, object], kind: str
) -> None:
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        path = path.replace("gemini-2.5-pro", "gemini-2.5-pr0")
        asked = {**body, "model": f"{body['model']}x"} if "model" in body else body
        answer = await ask(gateway.port, path, asked)
        (row,) = gateway.ledger.rows
    assert answer.status == 400  # not 404: Codex would try that six times
    sentence = message_of(path, answer.body)
    assert any(name in sentence for name in ("claude-sonnet-4-5", "gpt-5.4", "gemini-2.5-pro"))
    assert (row.outcome, row.attempt, row.http_status, row.cost_nano) == (Outcome.REFUSED, 0, 400, 0)


async def test_a_model_of_another_group_is_refused_with_where_to_ask(kind: str) -> None:
    extra = "  secret:\n    groups: [research]\n    routes: [{provider: anth, model: claude-opus-4-5}]\naccess:\n  contact: 'ask #ai-platform'\n  groups: {research: {}}\n"
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url, extra=extra), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", {**MESSAGES, "model": "secret"})
            (row,) = gateway.ledger.rows
    assert answer.status == 400
    assert "research" in answer.json["error"]["message"]
    assert "#ai-platform" in answer.json["error"]["message"]
    assert row.decision == "models.secret.groups"


async def test_a_model_that_may_not_be_translated_to(kind: str) -> None:
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url, extra="translation: never\n"), kind=kind) as gateway,
    ):
        answer = await ask(
            gateway.port, "/openai/v1/responses", {"model": "claude-sonnet-4-5", "input": "hi"}
        )
        assert not provider.requests
    assert answer.status == 400
    sentence = answer.json["error"]["message"]
    assert "claude-sonnet-4-5 cannot be asked over OpenAI Responses" in sentence
    assert "the policy does not let requests for it be translated" in sentence


async def test_a_provider_whose_key_is_missing_is_said_so(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind, credentials={}) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
    assert answer.status == 400
    assert "no key for the provider anth" in answer.json["error"]["message"]


BAD_BODIES = [
    (b"", "empty"),
    (b"{", "truncated"),
    (b'{"model": "claude-sonnet-4-5"', "cut"),
    (b"\xff\xfe{}", "not UTF-8"),
    (b'{"model":"claude-sonnet-4-5","x":"\xff"}', "not UTF-8 inside"),
    (b"[]", "not an object"),
    (b"null", "null"),
    (b"{}", "no model"),
    (b'{"model": 5}', "model of another type"),
    (b'{"model": ""}', "empty model"),
    (b'{"model":"claude-sonnet-4-5","model":"gpt-5.4"}', "model twice"),
    (b'{"model":"claude-sonnet-4-5","mod\\u0065l":"gpt-5.4"}', "model twice, spelt differently"),
    (b'{"model":"claude-sonnet-4-5","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "very deep"),
]


@pytest.mark.parametrize("body", [b for b, _ in BAD_BODIES], ids=[name for _, name in BAD_BODIES])
@pytest.mark.parametrize(
    "path", ["/anthropic/v1/messages", "/openai/v1/responses", "/openai/v1/chat/completions"]
)
async def test_E02_a_bad_body_is_a_400_in_the_callers_shape(path: str, body: bytes) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        answer = await ask(gateway.port, path, body)
        assert answer.status == 400, answer.body
        assert message_of(path, answer.body)
        assert provider.requests == []


async def test_a_body_over_the_limit_is_a_413_before_it_is_read(kind: str) -> None:
    settings = RelaySettings(max_body=1000)
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind, settings=settings) as gateway:
            declared = await ask(gateway.port, "/anthropic/v1/messages", b"x" * 2000)
            chunked = request_bytes(
                "POST", "/anthropic/v1/messages", b"", [AUTH, ("transfer-encoding", "chunked")], length=False
            )
            async with sent(gateway.port, chunked + b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n") as answer:
                await answer.all()
    assert (declared.status, answer.status) == (413, 413)
    assert declared.json["type"] == "error"
    assert provider.requests == []


async def test_a_bomb_is_stopped_at_the_decoded_limit(kind: str) -> None:
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(b"\0" * 50_000_000)
    settings = RelaySettings(max_decoded_body=1_000_000)
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind, settings=settings) as gateway:
            answer = await ask(
                gateway.port, "/openai/v1/responses", bomb, headers=[AUTH, ("content-encoding", "zstd")]
            )
    assert answer.status == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/anthropic/v1/nothing", 404),
        ("GET", "/anthropic/v1/messages", 405),
        ("DELETE", "/openai/v1/responses", 405),
        ("POST", "/gemini/v1beta/models/x:explode", 404),
        ("GET", "/gemini/v1beta/models/x:generateContent", 405),
        ("PUT", "/openai/v1/models", 405),
    ],
)
async def test_addresses_that_mean_nothing(method: str, path: str, status: int, kind: str) -> None:
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, path, b"", method=method)
    assert answer.status == status
    assert message_of(path, answer.body)


async def test_claude_codes_greeting_needs_no_token(kind: str) -> None:
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        async with sent(gateway.port, request_bytes("HEAD", "/anthropic", headers=[])) as answer:
            await answer.head()
    assert answer.status == 200


async def test_E100_a_websocket_is_answered_426(kind: str) -> None:
    headers = [
        AUTH,
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ]
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        async with sent(
            gateway.port, request_bytes("GET", "/openai/v1/responses", headers=headers)
        ) as answer:
            await answer.head()
        assert answer.status == 426
        assert (await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)).status == 200


async def test_model_lists_hold_what_one_may_use_in_each_surfaces_shape(kind: str) -> None:
    extra = "  secret:\n    groups: [research]\n    routes: [{provider: anth, model: claude-opus-4-5}]\naccess:\n  groups: {research: {}}\n"
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url, extra=extra), kind=kind) as gateway:
            anthropic = await ask(gateway.port, "/anthropic/v1/models?limit=1000", method="GET")
            openai = await ask(gateway.port, "/openai/v1/models", method="GET")
            gemini = await ask(gateway.port, "/gemini/v1beta/models", method="GET")
            one = await ask(gateway.port, "/anthropic/v1/models/claude-sonnet-4-5", method="GET")
            none = await ask(gateway.port, "/anthropic/v1/models/secret", method="GET")
            stranger = await ask(gateway.port, "/openai/v1/models", method="GET", headers=[])
    everything = ["claude-sonnet-4-5", "gpt-5.4", "gemini-2.5-pro", "fast"]  # any tool reaches any model
    assert [m["id"] for m in anthropic.json["data"]] == everything
    assert anthropic.json["has_more"] is False
    assert [m["id"] for m in openai.json["data"]] == everything
    assert openai.json["object"] == "list"
    assert [m["name"] for m in gemini.json["models"]] == [f"models/{name}" for name in everything]
    assert one.json["id"] == "claude-sonnet-4-5"
    assert none.status == 404
    assert stranger.status == 401


async def test_E83_E84_count_tokens_is_forwarded_or_estimated_but_never_billed(kind: str) -> None:
    counted = b'{"input_tokens": 728}'
    async with (
        ScriptedProvider(whole(counted)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, "/anthropic/v1/messages/count_tokens?beta=true", MESSAGES)
        stranger = await ask(gateway.port, "/anthropic/v1/messages/count_tokens", MESSAGES, headers=[])
        (row,) = gateway.ledger.rows
        line = provider.requests[0].line
    assert (answer.status, answer.body) == (200, counted)
    assert line.startswith("POST /v1/messages/count_tokens?beta=true ")
    assert stranger.status == 401
    assert (row.operation, row.cost_nano, row.input_tokens) == ("count_tokens", 0, 0)


async def test_E96_unknown_fields_and_events_pass(kind: str) -> None:
    body = {
        **MESSAGES,
        "a_field_from_next_year": {"x": [1, None]},
        "messages": [{"role": "user", "content": [{"type": "hologram", "data": "…"}]}],
    }
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        assert (await ask(gateway.port, "/anthropic/v1/messages", body)).status == 200
        assert json.loads(provider.requests[0].body) == body


async def test_rows_carry_the_groups_and_cost_centre_that_the_policy_adds(kind: str) -> None:
    extra = "access:\n  groups:\n    payments: {members: [Ada@example.com], cost_center: CC-7}\n"
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url, extra=extra), kind=kind) as gateway:
            await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
            (row,) = gateway.ledger.rows
    assert row.groups == ("eng", "payments")
    assert row.cost_center == "R&D"  # the directory's word goes before the policy's


_OPENCODE_RETRIES = re.compile(
    r"429|500|502|503|504|524"
    r"|rate increased too quickly|rate[ _-]?limit|too many requests|overloaded|service[ _-]unavailable"
    r"|internal[ _]error|internal server error|server[ _-]error|provider[ _-]returned[ _-]error"
    r"|terminated|fetch failed|failed to fetch|network[-_\s]error|upstream connect|connection (?:error|refused|lost)"
    r"|try your request again|retry your request|resource[ _]exhausted"
    r"|\btry again (?:later|in\b)|\b(?:currently|temporarily) at capacity\b",
    re.IGNORECASE,
)
"""What makes OpenCode 1.18.33 ask again, up to five times, wherever it stands in an error's body; from its bundle."""


@pytest.mark.parametrize(("path", "body"), SURFACES)
async def test_a_policy_refusal_holds_nothing_that_looks_like_a_busy_provider(
    path: str, body: dict[str, object], kind: str
) -> None:
    path = path.replace("gemini-2.5-pro", "mistake-9")
    if "model" in body:
        body = body | {"model": "mistake-9"}
    async with open_relay(policy_text("http://127.0.0.1:9"), kind=kind) as gateway:
        for _ in range(20):  # the request's id is in the body, and different each time
            answer = await ask(gateway.port, path, body)
            assert answer.status == 400
            assert not _OPENCODE_RETRIES.search(answer.body.decode()), answer.body


async def test_request_ids_are_letters_and_all_different(kind: str) -> None:
    async with open_relay(policy_text("http://127.0.0.1:9"), kind=kind) as gateway:
        made = [gateway.relay.new_request_id() for _ in range(3000)]
    assert len(set(made)) == 3000
    assert not any(re.search(r"\d", each) for each in made)
