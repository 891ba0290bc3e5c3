"""What tools do beside their main work, in each protocol that they speak, before each that providers speak.

Real tools show these only now and then, so here the requests are made: pictures, a prompt that is cached, a context
window that is full, a limit, and a question for a count.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import crossroads
from tests.compatibility.plugin import Prove
from tests.crossroads import FAMILIES
from tests.rehearsal.asking import body, target
from tests.relay.crossing import heard, spent
from tests.stage import Fetched, Stage, fetch, staged
from waystation.model import TOOL_WIRES, Usage, Wire
from waystation.rehearsal import Line, Step

Json = dict[str, Any]
TOLD = tuple(wire for wire in TOOL_WIRES if wire is not Wire.EMBEDDINGS)
PAIRS = [(asked, spoken) for asked in TOLD for spoken in FAMILIES]
IDS = [f"{asked}-{spoken}" for asked, spoken in PAIRS]
pairs = pytest.mark.parametrize(("asked", "spoken"), PAIRS, ids=IDS)


def picture(colour: int) -> str:
    """A picture of one pixel, as base64; another for each colour."""
    head = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ")
    return base64.b64encode(head + bytes([colour]) * 24).decode()


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("compatibility"), policy=crossroads.policy) as running:
        yield running


@pytest.fixture
def stage(_running: Stage) -> Stage:
    """With no script, and nothing received."""
    _running.provider.rehearsal.prompter.clear()
    _running.provider.requests.clear()
    return _running


def ask(
    stage: Stage, asked: Wire, model: str, said: Json, *, stream: bool = False, counts: bool = False
) -> Fetched:
    """A request of a tool that speaks `asked`."""
    path = target(asked, stream=stream, model=model)
    if asked is not Wire.GENERATE:
        said = {**said, "model": model}
    if counts:
        path = {
            Wire.MESSAGES: f"{path}/count_tokens",
            Wire.RESPONSES: f"{path}/input_tokens",
            Wire.GENERATE: path.replace("generateContent", "countTokens"),
        }[asked]
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", **dict([stage.auth])}
    return fetch(stage.url + path, data=json.dumps(said).encode(), headers=headers)


# ------------------------------------------------------------------------------------------------ images


@pairs
@pytest.mark.feature("images", "asked", "spoken")
def test_pictures_reach_the_model(stage: Stage, asked: Wire, spoken: Wire) -> None:
    family = FAMILIES[spoken]
    answer = ask(stage, asked, family.sees or family.model, with_pictures(asked))
    assert answer.status == 200, answer.body
    sent = json.loads(stage.provider.requests[-1].body)
    assert seen(sent) == [picture(1), *([picture(2)] if asked is not Wire.CHAT else [])]
    assert "image" not in (answer.headers.get("x-waystation-dropped") or "")


@pytest.mark.parametrize("asked", TOLD)
def test_a_model_that_sees_nothing_is_told_that_there_was_a_picture(stage: Stage, asked: Wire) -> None:
    answer = ask(stage, asked, FAMILIES[Wire.CHAT].model, with_pictures(asked))
    assert answer.status == 200, answer.body
    sent = stage.provider.requests[-1].body
    if asked is not Wire.CHAT:  # which passes as it came
        assert picture(1).encode() not in sent


def with_pictures(asked: Wire) -> Json:
    """A conversation with a picture of the user's, and one that a tool answered with where the protocol has that."""
    one, two = picture(1), picture(2)
    said = body(asked, "What is on it?", with_tools=True)
    if asked is Wire.MESSAGES:

        def source(data: str) -> Json:
            return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}

        said["messages"] = [
            {"role": "user", "content": [{"type": "text", "text": "say hi"}, source(one)]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [source(two)]}],
            },
        ]
    elif asked is Wire.RESPONSES:

        def image(data: str) -> Json:
            return {"type": "input_image", "image_url": f"data:image/png;base64,{data}", "detail": "auto"}

        said["input"] = [
            {"role": "user", "content": [{"type": "input_text", "text": "say hi"}, image(one)]},
            {"type": "function_call", "call_id": "call_1", "name": "bash", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": [image(two)]},
        ]
    elif asked is Wire.CHAT:
        image_url = {"url": f"data:image/png;base64,{one}"}
        content = [{"type": "text", "text": "say hi"}, {"type": "image_url", "image_url": image_url}]
        said["messages"] = [{"role": "user", "content": content}]
    else:

        def blob(data: str) -> Json:
            return {"inlineData": {"mimeType": "image/png", "data": data}}

        returned = {"name": "bash", "response": {"output": "a picture"}, "parts": [blob(two)]}
        seal = {"thoughtSignature": "skip_thought_signature_validator"}
        said["contents"] = [
            {"role": "user", "parts": [{"text": "say hi"}, blob(one)]},
            {"role": "model", "parts": [{"functionCall": {"name": "bash", "args": {}}, **seal}]},
            {"role": "user", "parts": [{"functionResponse": returned}]},
        ]
    return said


def seen(said: Any) -> list[str]:
    """The pictures in a provider's request, in order; what stands in a text is none."""
    if isinstance(said, dict):
        return [data for key, value in said.items() if key != "text" for data in seen(value)]
    if isinstance(said, list):
        return [data for value in said for data in seen(value)]
    data = said.rpartition(",")[2] if isinstance(said, str) else ""
    return [data] if data in (picture(1), picture(2)) else []


# ------------------------------------------------------------------------------------------------ usage, caching


@pairs
@pytest.mark.feature("usage", "asked", "spoken")
def test_the_tool_is_told_what_the_provider_counted(stage: Stage, asked: Wire, spoken: Wire) -> None:
    usage = Usage(input=1_234, cache_read=98_765, output=4_321, reasoning=21)
    stage.provider.play(Step(reply=(Line(text="It is done."),), usage=usage))
    for stream in (False, True):
        answer = ask(stage, asked, FAMILIES[spoken].model, body(asked, "go", stream=stream), stream=stream)
        told = _heard(asked, answer, stream=stream)
        assert spent(asked, told) == (99_999, 4_321)
        assert cached(asked, told) == 98_765


@pairs
@pytest.mark.feature("caching", "asked", "spoken")
def test_a_second_request_is_served_from_the_cache(stage: Stage, asked: Wire, spoken: Wire) -> None:
    """Marks are set where the provider wants some and the tool's protocol has none."""
    read = [_long(stage, asked, spoken, tail) for tail in ("say one", "say two")]
    assert read[0] == 0
    assert read[1] > 1_000


def _long(stage: Stage, asked: Wire, spoken: Wire, tail: str) -> int:
    """Tokens that the tool hears were read from the cache, for instructions of 3,000 tokens and these words."""
    instructions = f"These are the rules of {asked} with {spoken}. " * 200
    said = body(asked, tail, with_tools=True)
    if asked is Wire.MESSAGES:
        mark = {"cache_control": {"type": "ephemeral"}}
        said["system"] = [{"type": "text", "text": instructions, **mark}]
    elif asked is Wire.RESPONSES:
        said["instructions"] = instructions
    elif asked is Wire.CHAT:
        said["messages"].insert(0, {"role": "system", "content": instructions})
    else:
        said["systemInstruction"] = {"parts": [{"text": instructions}]}
    answer = ask(stage, asked, FAMILIES[spoken].model, said)
    return cached(asked, _heard(asked, answer, stream=False))


def _heard(asked: Wire, answer: Fetched, *, stream: bool) -> Json:
    assert answer.status == 200, answer.body
    return heard(asked, answer, stream=stream).usage  # type: ignore[arg-type]  # it looks at status and body only


def cached(asked: Wire, usage: Json) -> int:
    if asked is Wire.MESSAGES:
        return int(usage["cache_read_input_tokens"] or 0)
    if asked is Wire.GENERATE:
        return int(usage.get("cachedContentTokenCount", 0))
    details = "input_tokens_details" if asked is Wire.RESPONSES else "prompt_tokens_details"
    return int((usage.get(details) or {}).get("cached_tokens", 0))


# ------------------------------------------------------------------------------------------------ errors, counts

TOO_LONG = {
    Wire.MESSAGES: "prompt is too long: 210000 tokens > 200000 maximum",
    Wire.RESPONSES: "Your input exceeds the context window of this model. Please adjust your input and try again.",
    Wire.CHAT: "This model's maximum context length is 200000 tokens. However, your messages resulted in 210000 tokens.",
    Wire.GENERATE: "The input token count (210000) exceeds the maximum number of tokens allowed (200000).",
    Wire.CONVERSE: "Input is too long for requested model.",
}
"""As each provider says it."""


@pairs
@pytest.mark.feature("errors", "asked", "spoken")
def test_E90_a_full_window_is_said_so_that_the_tool_compacts(stage: Stage, asked: Wire, spoken: Wire) -> None:
    words = TOO_LONG[spoken].replace("'", "")
    code = " code=context_length_exceeded" if spoken in (Wire.RESPONSES, Wire.CHAT) else ""
    stage.provider.play(Step(faults=(f"400 message='{words}'{code}",)))
    answer = ask(stage, asked, FAMILIES[spoken].model, body(asked, "go", stream=True), stream=True)
    told = answer.body.decode()
    if asked is Wire.MESSAGES:
        assert (answer.status, "prompt is too long" in told) == (400, True), told
    elif asked is Wire.GENERATE:
        assert (answer.status, "exceeds the maximum number of tokens allowed" in told) == (400, True), told
    elif asked is Wire.CHAT:
        assert (answer.status, "context_length_exceeded" in told) == (400, True), told
    elif asked is not spoken:
        # Codex gives up at a 400; it compacts where a stream says that it failed for this.
        assert (answer.status, "response.failed" in told) == (200, True), told
        assert "context_length_exceeded" in told


@pairs
@pytest.mark.feature("errors", "asked", "spoken")
def test_a_limit_is_said_with_the_time_to_wait(stage: Stage, asked: Wire, spoken: Wire) -> None:
    stage.provider.play(Step(faults=("429 retry-after=7",)))
    answer = ask(stage, asked, FAMILIES[spoken].model, body(asked, "go"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "7"), answer.body
    words = {Wire.MESSAGES: "rate_limit_error", Wire.GENERATE: "RESOURCE_EXHAUSTED"}
    assert words.get(asked, "rate_limit") in answer.body.decode()


@pairs
def test_E83_a_count_is_always_answered(stage: Stage, proves: Prove, asked: Wire, spoken: Wire) -> None:
    if asked is Wire.CHAT:
        proves("counting", asked, spoken, "not asked")
        return
    said = body(asked, "How many tokens are these words? " * 50)
    if asked is Wire.MESSAGES:
        del said["max_tokens"]
    answer = ask(stage, asked, FAMILIES[spoken].model, said, counts=True)
    assert answer.status == 200, answer.body
    count = answer.json["totalTokens" if asked is Wire.GENERATE else "input_tokens"]
    assert 300 < count < 900
    estimated = answer.headers.get("x-waystation-estimated") == "true"
    proves("counting", asked, spoken, "partial: an estimate, biased high" if estimated else "full")
