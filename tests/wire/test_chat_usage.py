"""E48: usage on Chat Completions is asked for upstream, and kept from a caller who did not ask."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.streams import events_of, fixture, observe, sse
from waystation.model import Operation, Usage, Wire
from waystation.wire import read_request, request_usage_in_stream

WITHOUT_USAGE_CHUNK = b"".join(events_of("chat.sse")[:-2] + events_of("chat.sse")[-1:])


def test_E48_usage_is_asked_for() -> None:
    body = b'{"model":"m","messages":[],"stream":true}'
    assert request_usage_in_stream(body) == (
        b'{"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true}'
    )


@pytest.mark.parametrize(
    "options",
    [
        "null",
        "{}",
        '{"include_usage":false}',
        '{ "include_usage" : null }',
        '"odd"',
        '{"include_usage":true}',
    ],
)
@pytest.mark.parametrize("key", ["stream_options", "stream\\u005foptions"])
def test_E48_an_option_that_is_there_is_set_right(options: str, key: str) -> None:
    body = f'{{"model":"m", "x": [{{"stream_options": 1}}],"{key}": {options} ,"stream":true}}'.encode()
    changed = request_usage_in_stream(body)
    assert json.loads(changed)["stream_options"] == {"include_usage": True}
    assert {**json.loads(changed), "stream_options": 0} == {**json.loads(body), "stream_options": 0}


def test_E48_other_stream_options_stay() -> None:
    body = b'{"stream_options":{"include_obfuscation":false,"x":1.50},"model":"m"}'
    changed = request_usage_in_stream(body)
    assert b'"include_obfuscation":false,"x":1.50,"include_usage":true' in changed


def test_E48_a_nested_option_is_not_the_one() -> None:
    body = b'{"messages":[{"stream_options":{"include_usage":false}}]}'
    changed = request_usage_in_stream(body)
    assert json.loads(changed)["stream_options"] == {"include_usage": True}
    assert b'"messages":[{"stream_options":{"include_usage":false}}]' in changed


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["stream_options", "stream", "a", "ä\n"]), values, max_size=4))
def test_E48_whatever_the_body(value: dict[str, object]) -> None:
    for body in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False)):
        changed = json.loads(request_usage_in_stream(body.encode()))
        assert changed.pop("stream_options")["include_usage"] is True
        assert changed == {key: item for key, item in value.items() if key != "stream_options"}


def test_E48_the_usage_chunk_is_dropped_and_still_counted() -> None:
    data = fixture("chat.sse")
    for at in range(len(data) + 1):
        seen = observe(Wire.CHAT, [data[:at], data[at:]], drop_usage_chunk=True)
        assert seen.forwarded == WITHOUT_USAGE_CHUNK
        assert seen.usage == observe(Wire.CHAT, [data]).usage
        assert seen.terminal


def test_E48_the_usage_chunk_stays_for_a_caller_who_asked() -> None:
    assert observe(Wire.CHAT, [fixture("chat.sse")]).forwarded == fixture("chat.sse")


def test_E48_it_is_dropped_without_a_last_empty_line_too() -> None:
    data = b"".join(events_of("chat.sse")[:-1]).rstrip()
    assert observe(Wire.CHAT, [data], drop_usage_chunk=True).forwarded == b"".join(events_of("chat.sse")[:-2])


def test_E48_nothing_else_is_dropped() -> None:
    content = '{"choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":1}}'
    filters = '{"choices":[],"usage":null}'
    data = sse(filters, content, content)
    seen = observe(Wire.CHAT, [data], drop_usage_chunk=True)
    assert seen.forwarded == data
    assert seen.usage is not None


def test_E48_no_other_protocol_drops_anything() -> None:
    for name, wire in [("responses.sse", Wire.RESPONSES), ("messages.sse", Wire.MESSAGES)]:
        assert observe(wire, [fixture(name)], drop_usage_chunk=True).forwarded == fixture(name)


@pytest.mark.parametrize(
    ("options", "asked"), [("{}", False), ('{"include_usage":true}', True), ("null", False)]
)
def test_E48_the_request_says_whether_the_caller_asked(options: str, asked: bool) -> None:
    body = f'{{"model":"m","stream":true,"stream_options":{options}}}'.encode()
    facts = read_request(Wire.CHAT, Operation.GENERATE, body, model_in_path=None)
    assert facts.include_usage is asked


def test_usage_in_every_chunk_is_read_as_it_grows() -> None:
    def chunk(tokens: int) -> str:
        choice = '{"index":0,"delta":{"content":"a"},"finish_reason":null}'
        usage = f'{{"prompt_tokens":9,"completion_tokens":{tokens},"total_tokens":{9 + tokens}}}'
        return f'{{"choices":[{choice}],"usage":{usage}}}'

    seen = observe(Wire.CHAT, [sse(chunk(1)), sse(chunk(2)), sse(chunk(3), chunk(4))])
    assert seen.usage is not None
    assert (seen.usage.input, seen.usage.output) == (9, 4)
    assert observe(Wire.CHAT, [sse(chunk(1), "[DONE]")]).usage == Usage(
        input=9, output=1, source=seen.usage.source
    )
