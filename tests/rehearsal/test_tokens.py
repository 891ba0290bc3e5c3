"""Token counts by the documented rule, and the prompt caches that remember."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rehearsal.asking import NOON, body, provider, send

from waystation.model import Wire
from waystation.rehearsal import Rehearsal
from waystation.rehearsal.ask import Part
from waystation.rehearsal.tokens import PromptCache, prompt_tokens

LONG = "x" * 8000


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


def anthropic(to: Rehearsal, *blocks: tuple[str, str], key: str = "k") -> tuple[int, int, int, int]:
    """(input, read, write 5m, write 1h) of a request with these system blocks: (text, ttl or "")."""
    system: list[dict[str, Any]] = []
    for text, ttl in blocks:
        block: dict[str, Any] = {"type": "text", "text": text}
        if ttl:
            block["cache_control"] = {"type": "ephemeral"} | ({"ttl": ttl} if ttl != "5m" else {})
        system.append(block)
    usage = send(to, Wire.MESSAGES, body(Wire.MESSAGES, "say hi", system=system), key=key).json["usage"]
    written = usage["cache_creation"]
    assert usage["cache_creation_input_tokens"] == sum(written.values())
    return (
        usage["input_tokens"],
        usage["cache_read_input_tokens"],
        written["ephemeral_5m_input_tokens"],
        written["ephemeral_1h_input_tokens"],
    )


def test_anthropic_writes_at_a_breakpoint_and_reads_it_the_next_time() -> None:
    to = provider()
    fresh, read, five, hour = anthropic(to, (LONG, "5m"), ("tail", ""))
    assert (read, hour) == (0, 0)
    assert five > 2000
    again = anthropic(to, (LONG, "5m"), ("another tail", ""))
    assert again[1:] == (five, 0, 0)
    assert again[0] > fresh


def test_anthropic_splits_writes_at_the_last_one_hour_breakpoint() -> None:
    to = provider()
    _, read, five, hour = anthropic(to, (LONG, "1h"), (LONG, "5m"))
    assert read == 0
    assert five > 1900
    assert hour > 1900
    _, read_then, more, _ = anthropic(to, (LONG, "1h"), (LONG, "5m"), (LONG, "5m"))
    assert read_then == five + hour
    assert more > 1900


def test_nothing_is_cached_without_a_breakpoint_or_below_the_smallest_size() -> None:
    to = provider()
    for blocks in (((LONG, ""),), (("short", "5m"),)):
        for _ in range(2):
            assert anthropic(to, *blocks)[1:] == (0, 0, 0)


def test_a_cache_belongs_to_its_key_and_ends_after_its_lifetime() -> None:
    clock = Clock()
    to = Rehearsal(clock=clock)
    wrote = anthropic(to, (LONG, "5m"))[2]
    assert anthropic(to, (LONG, "5m"), key="other")[1] == 0
    clock.now += 299
    assert anthropic(to, (LONG, "5m"))[1] == wrote
    clock.now += 299  # the read began the five minutes anew
    assert anthropic(to, (LONG, "5m"))[1] == wrote
    clock.now += 301
    assert anthropic(to, (LONG, "5m"))[1:3] == (0, wrote)


@pytest.mark.parametrize("wire", [Wire.RESPONSES, Wire.CHAT, Wire.GENERATE])
def test_the_others_cache_prefixes_by_themselves_in_steps_of_128(wire: Wire) -> None:
    to = provider()

    def cached(words: str) -> int:
        said = send(to, wire, body(wire, words), stream=False).json
        if wire is Wire.GENERATE:
            return int(said["usageMetadata"].get("cachedContentTokenCount", 0))
        usage = said["usage"]
        return int(
            usage["input_tokens_details" if wire is Wire.RESPONSES else "prompt_tokens_details"][
                "cached_tokens"
            ]
        )

    assert cached(LONG + " first") == 0
    hit = cached(LONG + " second")
    assert hit >= 1024
    assert hit % 128 == 0
    assert cached("another " + LONG) == 0


def test_openai_reports_cache_writes_from_gpt_5_6_on() -> None:
    to = provider()
    for model, writes in (("gpt-5.4", False), ("gpt-5.6", True), ("gpt-6-sol", True)):
        usage = send(to, Wire.RESPONSES, body(Wire.RESPONSES, LONG) | {"model": model}).json["usage"]
        assert (usage["input_tokens_details"]["cache_write_tokens"] > 0) is writes
        assert (
            usage["input_tokens"]
            == send(to, Wire.RESPONSES, body(Wire.RESPONSES, LONG)).json["usage"]["input_tokens"]
        )


parts = st.lists(
    st.builds(
        lambda n, c, ttl: Part(bytes([c]) * n, ttl),
        st.integers(0, 6000),
        st.integers(65, 70),
        st.sampled_from(["", "5m", "1h"]),
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(parts, min_size=1, max_size=4))
def test_the_buckets_always_add_up_to_the_prompt(prompts: list[list[Part]]) -> None:
    cache = PromptCache(lambda: 0.0, size=50)
    for prompt in prompts:
        for usage in (cache.explicit(b"a", prompt), cache.automatic(b"b", prompt, counts_writes=True)):
            assert usage.prompt == prompt_tokens(prompt)
            assert min(usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h) >= 0


def test_the_memory_is_bounded() -> None:
    cache = PromptCache(lambda: 0.0, size=10)
    for n in range(100):
        cache.automatic(b"", [Part(str(n).encode() + b"x" * 9000)])
    assert len(cache) == 10


def test_an_image_counts_the_same_whatever_its_bytes() -> None:
    def counted(data: str) -> int:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
        said = body(Wire.MESSAGES, "")
        said["messages"] = [{"role": "user", "content": [image, {"type": "text", "text": "say hi"}]}]
        return int(send(provider(), Wire.MESSAGES, said).json["usage"]["input_tokens"])

    assert counted("AAAA") == counted("AAAA" * 100_000) > 1600
