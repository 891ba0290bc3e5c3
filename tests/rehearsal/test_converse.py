"""The rehearsal provider as Amazon Bedrock: Amazon's own SDK, unchanged, against the served provider."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EventStreamError
from botocore.session import Session
from tests.rehearsal.asking import NOON, SCHEMA
from tests.wire.bedrock_model import check_request, parse_reply, parse_stream
from urllib3.exceptions import ProtocolError

from waystation.model import Operation, Usage, Wire
from waystation.rehearsal import Line, Rehearsal, RehearsalServer, Script, Step, When, rehearsal_thread
from waystation.rehearsal.exchange import Request
from waystation.vault import open_aws
from waystation.wire import StreamTap, make_tap, read_body
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Failed,
    Finish,
    FunctionTool,
    Reasoning,
    Role,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import Notes, Target
from waystation.wire.codecs.converse import CODEC

pytestmark = pytest.mark.sdk

CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3"
KEY, SECRET = "AKIAREHEARSAL0000000", "a-secret-that-both-sides-know"
TOOLS = {"tools": [{"toolSpec": {"name": "write", "description": "w", "inputSchema": {"json": SCHEMA}}}]}
Make = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    with rehearsal_thread(Script(aws={KEY: SECRET})) as running:
        yield running


@pytest.fixture
def make(server: RehearsalServer, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)

    def client(key: str = KEY, secret: str = SECRET, token: str | None = None) -> Any:
        return Session().create_client(
            "bedrock-runtime",
            region_name="eu-central-1",
            endpoint_url=server.url + "/bedrock",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"max_attempts": 0}, read_timeout=3),
        )

    return client


def said(words: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": words}]}]


def heard(stream: Any) -> tuple[str, list[dict[str, Any]]]:
    events = list(stream["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta.get("text", "") for delta in deltas), events


# -------------------------------------------------------------------- the SDK
@pytest.mark.parametrize("model", [CLAUDE, ARN, "anthropic.claude-v2"])
def test_the_sdk_is_answered_whole_and_streamed(make: Make, server: RehearsalServer, model: str) -> None:
    client = make()
    whole = client.converse(modelId=model, messages=said("say hello"))
    assert whole["output"]["message"]["content"] == [{"text": "[rehearsal] hello"}]
    assert whole["stopReason"] == "end_turn"
    assert whole["usage"]["totalTokens"] > 0
    words, events = heard(client.converse_stream(modelId=model, messages=said("say hello")))
    assert words == "[rehearsal] hello"
    assert [next(iter(event)) for event in events[-2:]] == ["messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"]["outputTokens"] == whole["usage"]["outputTokens"]


def test_the_sdk_works_a_tool_through_with_thoughts_replayed(make: Make) -> None:
    client = make()
    asked = said("think. create a.txt containing hi")
    more = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    first = client.converse(
        modelId=CLAUDE, messages=asked, toolConfig=TOOLS, additionalModelRequestFields=more
    )
    message = first["output"]["message"]
    assert first["stopReason"] == "tool_use"
    assert "reasoningContent" in message["content"][0]
    call = message["content"][-1]["toolUse"]
    assert call["input"] == {"path": "a.txt", "content": "hi"}
    result = {"toolUseId": call["toolUseId"], "content": [{"text": "written"}]}
    asked += [message, {"role": "user", "content": [{"toolResult": result}]}]
    second = client.converse(
        modelId=CLAUDE, messages=asked, toolConfig=TOOLS, additionalModelRequestFields=more
    )
    assert second["stopReason"] == "end_turn"
    assert "written" in second["output"]["message"]["content"][-1]["text"]

    spoilt = json.loads(json.dumps(message))
    spoilt["content"][0]["reasoningContent"]["reasoningText"]["text"] += "."
    with pytest.raises(ClientError, match="signature"):
        client.converse(modelId=CLAUDE, messages=[asked[0], spoilt, asked[2]], toolConfig=TOOLS)


def test_caches_are_written_and_read_at_cache_points(make: Make) -> None:
    client = make()
    long = {"text": "Be brief. " * 600}
    system = [long, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    first = client.converse(modelId=CLAUDE, system=system, messages=said("say a"))["usage"]
    second = client.converse(modelId=CLAUDE, system=system, messages=said("say b"))["usage"]
    assert first["cacheDetails"] == [{"ttl": "1h", "inputTokens": first["cacheWriteInputTokens"]}]
    assert second["cacheReadInputTokens"] == first["cacheWriteInputTokens"] > 1000


def test_tokens_are_counted(make: Make) -> None:
    counted = make().count_tokens(
        modelId="anthropic.claude-x", input={"converse": {"messages": said("hello")}}
    )
    assert counted["inputTokens"] > 0


def test_models_are_listed(server: RehearsalServer) -> None:
    client = Session().create_client(
        "bedrock",
        region_name="eu-central-1",
        endpoint_url=server.url + "/bedrock",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    models = client.list_foundation_models()["modelSummaries"]
    assert "anthropic.claude-sonnet-4-5-20250929-v1:0" in {model["modelId"] for model in models}
    [profile] = client.list_inference_profiles(typeEquals="SYSTEM_DEFINED")["inferenceProfileSummaries"]
    assert profile["inferenceProfileId"] == "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


# -------------------------------------------------------------------- signatures
def test_a_true_signature_is_let_in_and_a_false_one_is_not(make: Make) -> None:
    make(token="session/token+x==").converse(modelId=ARN, messages=said("say hello"))
    with pytest.raises(ClientError, match="does not match") as caught:
        make(secret="another").converse(modelId=CLAUDE, messages=said("say hello"))
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    make(key="AKIAUNKNOWN", secret="whatever").converse(modelId=CLAUDE, messages=said("say hello"))


def _signed(body: bytes, **change: Any) -> tuple[int, str]:
    env = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    account = open_aws("aws:env", change.pop("region", "eu-central-1"), env)
    target = b"/bedrock/model/eu.anthropic.claude-x-v1%3A0/converse"
    now = change.pop("signed_at", NOON)
    host = (b"host", b"127.0.0.1:80")
    headers = [host, *account.sign(b"POST", target, [host], body, now)]
    headers = [(name, change.get(name.decode().replace("-", "_"), value)) for name, value in headers]
    sent = change.get("sent", body)
    provider = Rehearsal(Script(aws={KEY: SECRET}), clock=lambda: NOON)
    reply = provider.reply(Request("POST", target.decode(), tuple(h for h in headers if h[1]), sent))
    kind = dict(reply.headers).get(b"x-amzn-errortype", b"").decode().partition(":")[0]
    return reply.status, kind


def test_our_own_signature_is_true() -> None:
    body = json.dumps({"messages": said("say hello")}).encode()
    assert _signed(body) == (200, "")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"sent": b'{"messages":[]}'}, "InvalidSignatureException"),
        ({"host": b"elsewhere"}, "InvalidSignatureException"),
        ({"signed_at": NOON - 3600}, "InvalidSignatureException"),
        ({"x_amz_date": b""}, "IncompleteSignatureException"),
        ({"authorization": b""}, "MissingAuthenticationTokenException"),
        ({"authorization": b"AWS4-HMAC-SHA256 Credential=x"}, "IncompleteSignatureException"),
    ],
)
def test_what_is_wrong_with_a_signature_is_told(change: dict[str, Any], kind: str) -> None:
    body = json.dumps({"messages": said("say hello")}).encode()
    assert _signed(body, **change) == (403, kind)


def test_an_api_key_is_a_bearer_token() -> None:
    provider = Rehearsal(Script(keys=("a-bedrock-key",)))
    for key, status in ((b"a-bedrock-key", 200), (b"another", 403)):
        headers = ((b"authorization", b"Bearer " + key),)
        assert provider.reply(Request("POST", "/bedrock/model/x/converse", headers, _ASKED)).status == status


# -------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"role": "assistant", "content": [{"text": "hi"}]}], "start with a user message"),
        (said("a") + said("b"), "alternate"),
        (said(" "), "is blank"),
        ([{"role": "user", "content": []}], "is empty"),
        (
            [
                *said("go"),
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "write", "input": {}}}]},
                *said("never mind"),
            ],
            "Expected toolResult blocks at messages.2.content for the following Ids: t1",
        ),
        (
            [{"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}]}}]}],
            "exceeds the number of toolUse blocks",
        ),
    ],
)  # fmt: skip
def test_what_bedrock_refuses_is_refused_in_its_words(make: Make, messages: Any, words: str) -> None:
    with pytest.raises(ClientError, match=words) as caught:
        make().converse(modelId=CLAUDE, messages=messages, toolConfig=TOOLS)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_tools_in_the_history_must_be_declared(make: Make) -> None:
    call = {"toolUse": {"toolUseId": "t1", "name": "write", "input": {}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}]}}
    turns = [*said("go"), {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    with pytest.raises(ClientError, match="toolConfig field must be defined"):
        make().converse(modelId=CLAUDE, messages=turns)


def test_E82_an_unknown_beta_flag_fails_the_request(make: Make) -> None:
    more = {"anthropic_beta": ["claude-code-20250219"]}
    with pytest.raises(ClientError, match="invalid beta flag"):
        make().converse(modelId=CLAUDE, messages=said("hi"), additionalModelRequestFields=more)


# -------------------------------------------------------------------- faults
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("429", "ThrottlingException"),
        ("503", "ServiceUnavailableException"),
        ("500", "InternalServerException"),
        ("424", "ModelErrorException"),
        ("400 message='Input is too long for requested model.'", "ValidationException"),
    ],
)
def test_statuses_are_errors_to_the_sdk(make: Make, server: RehearsalServer, fault: str, code: str) -> None:
    server.play(Step(when=When(wire=Wire.CONVERSE), faults=(fault,)))
    for call in (make().converse, make().converse_stream):
        with pytest.raises(ClientError) as caught:
            call(modelId=CLAUDE, messages=said("say hello"))
        assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("error at=first status=429", "throttlingException"),
        ("error status=500", "internalServerException"),
        ("error", "serviceUnavailableException"),
        ("error status=424", "modelStreamErrorException"),
    ],
)
def test_errors_in_the_stream_are_errors_to_the_sdk(
    make: Make, server: RehearsalServer, fault: str, code: str
) -> None:
    server.play(Step(faults=(fault,)))
    with pytest.raises(EventStreamError) as caught:
        heard(make().converse_stream(modelId=CLAUDE, messages=said("long 20")))
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("fault", ["reset", "reset at=content", "cut ending=rst", "cut ending=fin"])
def test_broken_connections(make: Make, server: RehearsalServer, fault: str) -> None:
    server.play(Step(faults=(fault,)))
    with pytest.raises((BotoCoreError, ProtocolError)):
        heard(make().converse_stream(modelId=CLAUDE, messages=said("long 20")))


def test_a_stall_and_drips_are_only_slow(make: Make, server: RehearsalServer) -> None:
    server.play(Step(faults=("stall seconds=0.2; drip bytes=7 ms=0",)))
    words, _ = heard(make().converse_stream(modelId=CLAUDE, messages=said("long 20")))
    assert len(words) == 80


# -------------------------------------------------------------------- our codec against it
def _stream(step: Step | None, body: bytes) -> bytes:
    provider = Rehearsal(Script(steps=(step,) if step else ()), clock=lambda: NOON)
    target = f"/bedrock/model/{CLAUDE.replace(':', '%3A')}/converse-stream"
    reply = provider.reply(Request("POST", target, ((b"authorization", b"Bearer k"),), body))
    assert reply.status == 200, b"".join(m for m in reply.moves if isinstance(m, bytes))
    assert dict(reply.headers)[b"content-type"] == b"application/vnd.amazon.eventstream"
    return b"".join(move for move in reply.moves if isinstance(move, bytes))


_ASKED = json.dumps({"messages": said("say it")}).encode()
_ALL = Usage(input=1200, cache_read=8000, cache_write_5m=300, cache_write_1h=50, output=90)
_LINES = (
    Line(text="l’océan 🌊 — {braces}"),
    Line(tool="write", input={"path": "a", "content": "b"}),
    Line(tool="bash", input={}),
)


def _watch(data: bytes) -> StreamTap:
    tap = make_tap(Wire.CONVERSE)
    tap.feed(data)
    tap.close()
    return tap


def test_its_streams_are_what_the_sdk_and_we_read() -> None:
    data = _stream(Step(reply=_LINES, usage=_ALL), _ASKED)
    theirs = parse_stream(data)
    reader = CODEC.reader()
    events = [*reader.feed(data), *reader.close()]
    text = "".join(
        e["contentBlockDelta"]["delta"].get("text", "") for e in theirs if "contentBlockDelta" in e
    )
    assert text == "l’océan 🌊 — {braces}"
    assert "".join(e.text for e in events if isinstance(e, Delta)).startswith(text)
    assert events[-1] == Finish(StopReason.TOOL_USE)
    assert _watch(data).usage == _ALL


def test_its_whole_answers_are_what_the_sdk_and_we_read() -> None:
    provider = Rehearsal(Script(steps=(Step(reply=_LINES, usage=_ALL),)), clock=lambda: NOON)
    reply = provider.reply(
        Request("POST", "/bedrock/model/x/converse", ((b"authorization", b"Bearer k"),), _ASKED)
    )
    body = b"".join(move for move in reply.moves if isinstance(move, bytes))
    assert len(parse_reply(body)["output"]["message"]["content"]) == 3
    assert [type(part) for part in CODEC.read_reply(body).parts] == [Text, ToolCall, ToolCall]
    assert read_body(Wire.CONVERSE, Operation.GENERATE, 200, body).usage == _ALL


@pytest.mark.parametrize(
    ("fault", "terminal", "failed"),
    [
        ("error at=first", True, True),
        ("error at=content", True, True),
        ("cut", False, False),
        ("eof", False, False),
        ("malformed at=3", True, False),
        ("comments", True, False),
        ("no-usage", True, False),
        ("incomplete", True, False),
    ],
)
def test_E93_faults_as_our_tap_and_reader_see_them(fault: str, terminal: bool, failed: bool) -> None:
    data = _stream(Step(words="long 30", faults=(fault,)), _ASKED)
    tap = _watch(data)
    assert tap.terminal is terminal
    assert (tap.error is not None) is failed
    if fault == "error at=first":
        assert tap.output_events == 0
    reader = CODEC.reader()
    events = [*reader.feed(data), *reader.close()]
    assert any(isinstance(e, Finish) for e in events) is (terminal and not failed)
    assert any(isinstance(e, Failed) for e in events) is failed
    assert reader.skipped == (1 if fault.startswith("malformed") else 0)


def test_a_conversation_of_ours_is_worked_through() -> None:
    """What our codec writes is accepted, thoughts come back sealed and are accepted again."""
    target = Target(Wire.CONVERSE, "bedrock", CLAUDE)
    tools = (FunctionTool("write", "w", SCHEMA),)
    turns = [Turn(Role.USER, (Text("think. create a.txt containing hi"),))]
    provider = Rehearsal(Script(), clock=lambda: NOON)
    for round_number in range(2):
        conversation = Conversation(
            model="m", turns=tuple(turns), tools=tools, max_output=4000, thinking=Thinking(budget=2000)
        )
        body = CODEC.write_request(conversation, target, Notes())
        check_request(body)
        path = f"/bedrock/model/{CLAUDE.replace(':', '%3A')}/converse"
        reply = provider.reply(Request("POST", path, ((b"authorization", b"Bearer k"),), body))
        raw = b"".join(move for move in reply.moves if isinstance(move, bytes))
        assert reply.status == 200, raw
        answer = CODEC.read_reply(raw)
        if round_number:
            assert answer.reason is StopReason.END
            return
        assert isinstance(answer.parts[0], Reasoning)
        turns.append(Turn(Role.ASSISTANT, answer.parts))
        calls = [part for part in answer.parts if isinstance(part, ToolCall)]
        turns.append(Turn(Role.USER, tuple(ToolResult(call.id, (Text("ok"),)) for call in calls)))
