"""A connection that repeats its head: the second request means what it would have meant on a new connection."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from tests.relay.conftest import Harness, Tokens, open_relay, policy_text
from tests.relay.scripted import ScriptedProvider, whole
from tests.relay.tool import ANSWER, AUTH, Answer, request_bytes
from waystation.model import Refusal, RefusalKind
from waystation.relay import RelaySettings

PATH = "/anthropic/v1/messages"


def body(text: str, model: str = "claude-sonnet-4-5") -> bytes:
    return json.dumps(
        {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": text}]}
    ).encode()


def request(
    raw: bytes, headers: Sequence[tuple[str, str]] = (AUTH, ("anthropic-version", "2023-06-01"))
) -> bytes:
    return request_bytes("POST", PATH, raw, headers)


async def converse(gateway: Harness, *writes: Sequence[bytes]) -> list[Answer]:
    """One connection; each turn is written piece by piece, and its answer read before the next turn."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    answers = []
    for pieces in writes:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)  # so that the pieces arrive as they were cut, mostly
        answers.append(await Answer(reader, writer).all())
    writer.close()
    return answers


async def test_a_repeated_head_with_bodies_of_any_length() -> None:
    bodies = [body("a"), body("b" * 5), body("c" * 200_000), body("d"), body("e" * 9000)]
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        answers = await converse(gateway, *([request(raw)] for raw in bodies))
        rows = gateway.ledger.rows
    assert [answer.body for answer in answers] == [ANSWER] * 5
    assert [got.body for got in provider.requests] == bodies
    assert [row.bytes_in for row in rows] == [len(raw) for raw in bodies]
    assert len({row.request_id for row in rows}) == 5


async def test_the_second_request_cut_anywhere_arrives_whole() -> None:
    first, second = request(body("one")), request(body("two, and longer"))
    cuts = [*range(1, len(second), 23), len(second) - 1]
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        for cut in cuts:
            answers = await converse(gateway, [first], [second[:cut], second[cut:]])
            assert [answer.status for answer in answers] == [200, 200], cut
    assert {got.body for got in provider.requests[1::2]} == {body("two, and longer")}


async def test_two_requests_in_one_write_behind_a_first() -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(body("1")))
        await Answer(reader, writer).all()
        writer.write(request(body("2")) + request(body("3"))[:60])
        await Answer(reader, writer).all()
        writer.write(request(body("3"))[60:])
        await Answer(reader, writer).all()
        writer.close()
    assert [got.body for got in provider.requests] == [body("1"), body("2"), body("3")]


async def test_a_head_that_differs_in_anything_is_read_anew() -> None:
    other = [AUTH, ("anthropic-version", "2023-06-02")]
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        await converse(gateway, [request(body("1"))], [request(body("2"), other)], [request(body("3"))])
    versions = [got.header("anthropic-version") for got in provider.requests]
    assert versions == ["2023-06-01", "2023-06-02", "2023-06-01"]


async def test_another_model_on_the_same_head_goes_to_its_own_place() -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        await converse(
            gateway,
            *([request(body("x", model))] for model in ("claude-sonnet-4-5", "fast", "claude-sonnet-4-5")),
        )
        rows = gateway.ledger.rows
    assert [row.upstream_model for row in rows] == [
        "claude-sonnet-4-5",
        "claude-haiku-4-5",
        "claude-sonnet-4-5",
    ]
    assert [json.loads(got.body)["model"] for got in provider.requests] == [
        row.upstream_model for row in rows
    ]


async def test_a_token_that_was_revoked_between_two_requests_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = Refusal(RefusalKind.REVOKED, "This sign-in was ended.", rule="identity.session")
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(body("1")))
        assert (await Answer(reader, writer).all()).status == 200
        monkeypatch.setattr(Tokens, "verify", lambda _self, _token: refusal)
        writer.write(request(body("2")))
        answer = await Answer(reader, writer).all()
        writer.close()
    assert answer.status == 401
    assert "was ended" in answer.json["error"]["message"]
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "length",
    ["+5", "5 ", "0x5", "5,5", "-1", "", "99999999999"],
    ids=["sign", "space", "hex", "list", "minus", "none", "huge"],
)
async def test_a_length_that_is_not_plain_digits_is_left_to_the_parser(length: str) -> None:
    good = request(body("1"))
    bad = good.replace(b"content-length: %d" % len(body("1")), b"content-length: " + length.encode())
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(
            policy_text(provider.url), settings=RelaySettings(tick=0.05, receive_timeout=0.3)
        ) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(good)
            await Answer(reader, writer).all()
            writer.write(bad)
            answer = await Answer(reader, writer).all()
            writer.close()
    # "5 " is legal white space and five bytes of JSON are not JSON; all else is no HTTP, or too large.
    assert answer.status in (400, 413)
    assert len(provider.requests) == 1
