"""Usage: one reader a protocol, for streams and whole answers, into buckets that never overlap."""

import json
from typing import Any

import pytest

from tests.wire.streams import events_of, fixture, observe, play, sse
from waystation.model import Operation, Usage, UsageSource, Wire
from waystation.wire import make_tap, read_body

MESSAGES = Usage(
    input=15,
    cache_read=20480,
    cache_write_5m=200,
    cache_write_1h=500,
    output=181,
    reasoning=60,
    web_searches=2,
    tier="standard",
)
RESPONSES = Usage(
    input=200,
    cache_read=1800,
    cache_write_5m=250,
    cache_write_1h=50,
    output=140,
    reasoning=64,
    tier="priority",
)
CHAT = Usage(input=200, cache_read=1800, cache_write_5m=300, output=140, reasoning=64, tier="default")
GENERATE = Usage(input=600, cache_read=1800, output=104, reasoning=64, tier="priority")


def body_usage(wire: Wire, usage: dict[str, Any], **fields: Any) -> Usage | None:
    key = "usageMetadata" if wire is Wire.GENERATE else "usage"
    return read_body(wire, Operation.GENERATE, 200, json.dumps({key: usage, **fields}).encode()).usage


@pytest.mark.parametrize(
    ("stream", "body", "wire", "expected"),
    [
        ("messages.sse", "messages.json", Wire.MESSAGES, MESSAGES),
        ("responses.sse", "responses.json", Wire.RESPONSES, RESPONSES),
        ("chat.sse", "chat.json", Wire.CHAT, CHAT),
        ("generate.sse", "generate.json", Wire.GENERATE, GENERATE),
        ("generate_array.json", "generate.json", Wire.GENERATE, GENERATE),
    ],
)
def test_E41_stream_and_whole_answer_count_alike(stream: str, body: str, wire: Wire, expected: Usage) -> None:
    streamed = observe(wire, [fixture(stream)]).usage
    if wire is Wire.GENERATE:  # traffic type is in the stream's last event and in the body
        assert streamed == expected
    reading = read_body(wire, Operation.GENERATE, 200, fixture(body))
    assert reading.usage == streamed == expected
    assert reading.error is None
    assert reading.finish_reason == observe(wire, [fixture(stream)]).finish_reason


def test_E40_cache_writes_are_not_counted_twice() -> None:
    usage = body_usage(
        Wire.MESSAGES, {"input_tokens": 6, "cache_creation_input_tokens": 159217, "output_tokens": 2745}
    )
    assert usage == Usage(input=6, cache_write_5m=159217, output=2745)
    assert usage.total == 6 + 159217 + 2745


def test_E42_tokens_read_from_a_cache_are_counted_beside_the_input() -> None:
    usage = body_usage(
        Wire.MESSAGES, {"input_tokens": 3, "cache_read_input_tokens": 90_000, "output_tokens": 1}
    )
    assert usage == Usage(input=3, cache_read=90_000, output=1)
    assert usage.prompt == 90_003


def test_E43_one_hour_writes_may_come_in_the_last_event_only() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}
    delta = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {
            "input_tokens": None,
            "output_tokens": 7,
            "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100},
        },
    }
    usage = observe(Wire.MESSAGES, [sse(json.dumps(start), json.dumps(delta))]).usage
    assert usage == Usage(input=5, cache_write_1h=100, output=7)


def test_E43_writes_beyond_the_split_have_the_default_lifetime_and_are_flagged() -> None:
    split = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    usage = body_usage(Wire.MESSAGES, {"cache_creation_input_tokens": 100, "cache_creation": split})
    assert usage == Usage(cache_write_5m=80, cache_write_1h=20, mismatch=True)


def test_E44_the_protocol_decides_what_input_includes_not_the_model() -> None:
    inclusive = {
        "prompt_tokens": 1000,
        "completion_tokens": 5,
        "total_tokens": 1005,
        "prompt_tokens_details": {"cached_tokens": 900},
    }
    usage = body_usage(Wire.CHAT, inclusive, model="claude-sonnet-4-5")
    assert usage == Usage(input=100, cache_read=900, output=5)


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (Wire.MESSAGES, {"input_tokens": 0, "output_tokens": 0}),
        (Wire.RESPONSES, {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}),
        (Wire.CHAT, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
        (Wire.GENERATE, {"promptTokenCount": 0, "totalTokenCount": 0}),
    ],
)
def test_E46_an_explicit_zero_is_an_answer(wire: Wire, usage: dict[str, int]) -> None:
    assert body_usage(wire, usage) == Usage()
    assert read_body(wire, Operation.GENERATE, 200, b'{"id": "x", "usage": null}').usage is None


@pytest.mark.parametrize("name", ["responses.sse", "responses_incomplete.sse", "responses_failed.sse"])
def test_E47_usage_is_read_from_every_terminal_event(name: str) -> None:
    seen = observe(Wire.RESPONSES, [fixture(name)])
    assert seen.usage == RESPONSES
    assert seen.terminal


def test_E49_usage_that_grows_during_the_stream_is_read_at_its_end() -> None:
    def usage(tokens: int, searches: int) -> str:
        inner = {
            "input_tokens": tokens,
            "output_tokens": 9,
            "server_tool_use": {"web_search_requests": searches},
        }
        return json.dumps({"type": "message_delta", "delta": {}, "usage": inner})

    start = json.dumps({"type": "message_start", "message": {"usage": {"input_tokens": 2230}}})
    seen = observe(Wire.MESSAGES, [sse(start, usage(9000, 1), usage(12284, 3))]).usage
    assert seen is not None
    assert (seen.input, seen.web_searches) == (12284, 3)


def test_usage_is_partial_until_the_provider_has_finished_saying_it() -> None:
    events = events_of("messages.sse")
    tap = make_tap(Wire.MESSAGES)
    tap.feed(b"".join(events[:4]))
    usage = tap.usage
    assert usage is not None
    assert (usage.source, usage.input, usage.output) == (UsageSource.PARTIAL, 12, 1)
    tap.feed(b"".join(events[4:]))
    assert tap.usage == MESSAGES


def test_compaction_is_billed_beside_the_answer_it_made_room_for() -> None:
    iterations = [
        {"type": "message", "input_tokens": 10, "output_tokens": 4},
        {
            "type": "compaction",
            "input_tokens": 500,
            "output_tokens": 60,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 8,
        },
    ]
    usage = body_usage(
        Wire.MESSAGES, {"input_tokens": 10, "output_tokens": 4, "iterations": iterations}, stop_reason="x"
    )
    assert usage == Usage(input=510, cache_read=7, cache_write_5m=8, output=64)


def test_E101_gemini_thoughts_are_output() -> None:
    usage = body_usage(
        Wire.GENERATE,
        {
            "promptTokenCount": 10,
            "candidatesTokenCount": 6,
            "thoughtsTokenCount": 190,
            "totalTokenCount": 206,
        },
    )
    assert usage == Usage(input=10, output=196, reasoning=190)


def test_E101_parts_that_do_not_add_up_are_flagged_and_not_guessed() -> None:
    usage = body_usage(
        Wire.GENERATE,
        {
            "promptTokenCount": 10,
            "candidatesTokenCount": 196,
            "thoughtsTokenCount": 190,
            "totalTokenCount": 206,
        },
    )
    assert usage == Usage(input=10, output=386, reasoning=190, mismatch=True)


def test_E102_gemini_cached_tokens_are_a_part_of_the_prompt() -> None:
    usage = body_usage(
        Wire.GENERATE,
        {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 900,
            "candidatesTokenCount": 1,
            "totalTokenCount": 1001,
        },
    )
    assert usage == Usage(input=100, cache_read=900, output=1)


def test_E102_gemini_stream_figures_are_cumulative() -> None:
    def chunk(candidates: int) -> str:
        usage = {
            "promptTokenCount": 10,
            "candidatesTokenCount": candidates,
            "totalTokenCount": 10 + candidates,
        }
        return json.dumps({"candidates": [{"content": {}}], "usageMetadata": usage})

    tap, _ = play(Wire.GENERATE, [sse(chunk(5)), sse(chunk(9), chunk(30))])
    assert tap.usage == Usage(input=10, output=30, source=UsageSource.PARTIAL)


def test_E111_the_tier_is_the_one_that_was_served() -> None:
    served = observe(Wire.RESPONSES, [fixture("responses.sse")]).usage  # asked: auto, served: priority
    assert served is not None
    assert served.tier == "priority"
    fast = body_usage(
        Wire.MESSAGES, {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard", "speed": "fast"}
    )
    assert fast is not None
    assert fast.tier == "fast"


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102, "prompt_cache_hit_tokens": 64},
        {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102, "cached_tokens": 64},
    ],
    ids=["deepseek", "moonshot"],
)
def test_cached_tokens_in_other_servers_places(usage: dict[str, int]) -> None:
    assert body_usage(Wire.CHAT, usage) == Usage(input=36, cache_read=64, output=2)


def test_reasoning_left_out_of_completion_tokens_is_found_by_the_total() -> None:
    usage = body_usage(
        Wire.CHAT,
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
    )
    assert usage == Usage(input=32, output=103, reasoning=94)


def test_a_total_that_does_not_add_up_is_flagged() -> None:
    assert body_usage(Wire.CHAT, {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 70}) == Usage(
        input=3, output=4, mismatch=True
    )


def test_openai_web_searches_are_counted() -> None:
    usage = body_usage(
        Wire.RESPONSES,
        {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        tool_usage={"web_search": {"num_requests": 4}},
    )
    assert usage == Usage(input=1, output=1, web_searches=4)


def test_embeddings_are_counted_as_input() -> None:
    reading = read_body(Wire.EMBEDDINGS, Operation.EMBED, 200, fixture("embeddings.json"))
    assert reading.usage == Usage(input=8)


def test_counting_tokens_uses_none() -> None:
    for wire, body in [
        (Wire.MESSAGES, b'{"input_tokens": 2095}'),
        (Wire.GENERATE, b'{"totalTokens": 31, "usageMetadata": {"promptTokenCount": 31}}'),
    ]:
        assert read_body(wire, Operation.COUNT_TOKENS, 200, body).usage is None


@pytest.mark.parametrize("bad", ["12", -3, 10**30, 1.5, True, [1], {"x": 1}])
def test_one_unbelievable_figure_does_not_spoil_the_others(bad: Any) -> None:
    usage = body_usage(Wire.MESSAGES, {"input_tokens": bad, "output_tokens": 7, "service_tier": "batch"})
    assert usage is not None
    assert (usage.output, usage.tier) == (7, "batch")
    assert usage.input == (12 if bad == "12" else 0)


def test_usage_of_a_wrong_shape_in_one_event_leaves_the_others_standing() -> None:
    start = json.dumps({"type": "message_start", "message": {"usage": {"input_tokens": 5}}})
    odd = json.dumps({"type": "message_delta", "delta": "none", "usage": {"output_tokens": 7.0}})
    assert observe(Wire.MESSAGES, [sse(start, odd)]).usage == Usage(
        input=5, output=7, source=UsageSource.PARTIAL
    )


def test_output_that_the_provider_never_finished_counting_is_not_called_final() -> None:
    start = json.dumps(
        {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}
    )
    end = json.dumps({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    seen = observe(Wire.MESSAGES, [sse(start, end, '{"type":"message_stop"}')])
    assert seen.terminal
    assert seen.usage == Usage(input=5, output=1, source=UsageSource.PARTIAL)
