"""What we do not know passes untouched: blocks, events and fields of newer providers and tools."""

import pytest

from tests.wire.streams import STREAMS, events_of, fixture, observe, sse
from waystation.model import Operation, Wire
from waystation.wire import make_tap, read_request, set_model


def test_E23_redacted_thinking_passes_byte_for_byte() -> None:
    data = fixture("messages.sse")
    assert b'"type":"redacted_thinking","data":"EmwKAhgBEgy3va3pzix/LafPsn4a"' in data
    for size in (1, 13, 100_000):
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        assert observe(Wire.MESSAGES, chunks).forwarded == data


def test_E23_redacted_thinking_in_a_request_is_left_alone() -> None:
    history = b'[{"role":"assistant","content":[{"type":"redacted_thinking","data":"Em wK+/=="}]}]'
    body = b'{"model":"a","messages":%s,"max_tokens":5}' % history
    assert set_model(body, "a", "b") == body.replace(b'"model":"a"', b'"model":"b"')


def test_E81_server_tool_blocks_and_open_stop_reasons_pass() -> None:
    data = fixture("messages_unknown.sse")
    seen = observe(Wire.MESSAGES, [data])
    assert seen.forwarded == data
    assert seen.error is None  # a failed search inside an answer is no failure of the answer
    assert (seen.terminal, seen.finish_reason) == (True, "pause_turn")


@pytest.mark.parametrize("name", ["messages.sse", "responses.sse", "chat.sse", "generate.sse"])
def test_E96_unknown_events_pass_and_change_nothing(name: str) -> None:
    wire = STREAMS[name]
    usual = observe(wire, [fixture(name)])
    unknown = sse('{"type":"hologram.delta","payload":{"usage":"none","error_code":3}}', event="hologram")
    events = events_of(name)
    for place in range(len(events)):
        data = b"".join([*events[:place], unknown, *events[place:]])
        seen = observe(wire, [data])
        assert seen.forwarded == data
        assert (seen.usage, seen.terminal, seen.error, seen.finish_reason) == usual[1:3] + usual[4:6]


def test_E96_an_unknown_first_event_commits() -> None:
    tap = make_tap(Wire.RESPONSES)
    tap.feed(sse('{"type":"response.hologram.started"}', event="response.hologram.started"))
    assert tap.committed


def test_E96_unknown_request_fields_are_no_concern_of_ours() -> None:
    body = b'{"model":"m","hologram":{"depth":[1,{"model":"n"}]},"stream":true,"max_tokens":"many"}'
    facts = read_request(Wire.MESSAGES, Operation.GENERATE, body, model_in_path=None)
    assert (facts.model, facts.stream, facts.max_output) == ("m", True, None)
