"""The real coding tools' own requests, to models on Bedrock and back: what is sent is what Amazon's SDK would
send, the rehearsed Bedrock accepts it, and the tool gets a whole stream in its own protocol."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.wire.bedrock_model import check_request
from waystation.model import Wire
from waystation.policy.betas import betas_of
from waystation.policy.families import capabilities_of
from waystation.rehearsal import Rehearsal, Script
from waystation.rehearsal.exchange import Request
from waystation.wire.codecs import AnswerHead, Target
from waystation.wire.translate import Translation

_REQUESTS = sorted((Path(__file__).parents[2] / "fixtures" / "requests").glob("*.json"))
_MODELS = (
    "eu.anthropic.claude-opus-4-6-v1",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-opus-5-5",
    "us.meta.llama4-maverick-17b-instruct-v1:0",
    "us.amazon.nova-2-lite-v1:0",
)
_ENDINGS = {
    "/messages": Wire.MESSAGES,
    "/responses": Wire.RESPONSES,
    "/chat/completions": Wire.CHAT,
    "enerateContent": Wire.GENERATE,
}


def _asked(path: Path) -> tuple[Wire, bytes]:
    recorded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    address = recorded["target"].partition("?")[0]
    wire = next(wire for ending, wire in _ENDINGS.items() if address.endswith(ending))
    return wire, json.dumps(recorded["body"]).encode()


@pytest.mark.parametrize("model", _MODELS)
@pytest.mark.parametrize("path", _REQUESTS, ids=lambda path: path.stem)
def test_every_tool_reaches_models_on_bedrock(path: Path, model: str) -> None:
    source, body = _asked(path)
    conversation = Translation.read(source, body, model="m", stream=True)
    betas = betas_of("bedrock") or ()
    target = Target(Wire.CONVERSE, "bedrock", model, capabilities_of(model), betas=betas)
    translation = Translation(source, conversation, target, AnswerHead("id", 0, "m", conversation))
    check_request(translation.body)
    address = f"/bedrock/model/{model.replace(':', '%3A')}/converse-stream"
    reply = Rehearsal(Script()).reply(
        Request("POST", address, ((b"authorization", b"Bearer k"),), translation.body)
    )
    answer = b"".join(move for move in reply.moves if isinstance(move, bytes))
    assert reply.status == 200, answer
    tap = translation.tap()
    told = tap.feed(answer) + tap.close()
    assert tap.terminal
    assert tap.error is None
    assert tap.usage is not None
    assert b"rehearsal" in told.lower()
