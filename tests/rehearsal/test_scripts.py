"""Script files and steps: which request gets what."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.rehearsal.asking import body, headers, provider, send, send_raw
from tests.rehearsal.test_agent import calls, text

from waystation.model import Operation, Wire
from waystation.rehearsal import BadScript, Line, Rehearsal, Step, Vendor, When, as_script, load_script

EXAMPLE = """
keys: [secret]
steps:
  - when: {wire: anthropic.messages, contains: weather, call: 2}
    faults: [429 retry-after=3]
  - when: {contains: weather, tools: true, rounds: 0}
    reply:
      - thinking: Where are they?
      - text: Let me look.
      - {tool: lookup, input: {city: Oslo}}
  - when: {model: "gpt-*"}
    times: 1
    reply: [{text: once}]
    usage: {input: 7, cache_read: 3, output: 2}
    headers: {x-scripted: "yes"}
  - when: {model: "gpt-*"}
    reply: [{text: "cut sho"}]
    finish: length
"""


def scripted(tmp_path: Path, text: str = EXAMPLE) -> Rehearsal:
    path = tmp_path / "play.yaml"
    path.write_text(text, encoding="utf-8")
    return Rehearsal(load_script(path))


def test_a_script_file_is_played_step_by_step(tmp_path: Path) -> None:
    to = scripted(tmp_path)
    weather = body(Wire.MESSAGES, "What is the WEATHER like?", with_tools=True)
    first = send(to, Wire.MESSAGES, weather, key="secret").json
    assert [b["type"] for b in first["content"]] == ["thinking", "text", "tool_use"]
    assert calls(Wire.MESSAGES, first) == [("lookup", {"city": "Oslo"})]
    assert first["stop_reason"] == "tool_use"
    assert send(to, Wire.MESSAGES, weather, key="secret").status == 429
    assert send(to, Wire.MESSAGES, weather, key="secret").status == 200


def test_a_step_that_is_used_up_gives_way_to_the_next(tmp_path: Path) -> None:
    to = scripted(tmp_path)
    once = send(to, Wire.CHAT, body(Wire.CHAT, "hi"), key="secret")
    assert text(Wire.CHAT, once.json) == "once"
    assert once.headers["x-scripted"] == "yes"
    assert once.json["usage"]["prompt_tokens"] == 10
    for _ in range(2):
        then = send(to, Wire.CHAT, body(Wire.CHAT, "hi"), key="secret").json
        assert text(Wire.CHAT, then) == "cut sho"
        assert then["choices"][0]["finish_reason"] == "length"


def test_what_the_script_does_not_mention_the_agent_answers(tmp_path: Path) -> None:
    said = send(scripted(tmp_path), Wire.MESSAGES, body(Wire.MESSAGES, "say hi"), key="secret").json
    assert text(Wire.MESSAGES, said) == "[rehearsal] hi"


def test_the_scripts_keys_are_the_only_ones(tmp_path: Path) -> None:
    to = scripted(tmp_path)
    for key, status in (("secret", 200), ("other", 401)):
        assert send(to, Wire.MESSAGES, body(Wire.MESSAGES, "hi"), key=key).status == status


def test_a_step_can_be_for_other_operations_than_generating() -> None:
    to = provider(
        Step(when=When(operation=Operation.COUNT_TOKENS), faults=("404",)),
        Step(when=When(operation=Operation.LIST_MODELS), faults=("503 times=1",)),
        Step(when=When(operation=Operation.EMBED, model="text-*"), faults=("500",)),
    )
    count = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    where = "/anthropic/v1/messages/count_tokens"
    assert send_raw(to, "POST", where, headers(Wire.MESSAGES), count).status == 404
    statuses = [send_raw(to, "GET", "/openai/v1/models", headers(Wire.CHAT)).status for _ in range(2)]
    assert statuses == [503, 200]
    embed = b'{"model":"text-embedding-3-small","input":"a"}'
    assert send_raw(to, "POST", "/openai/v1/embeddings", headers(Wire.CHAT), embed).status == 500
    assert send(to, Wire.MESSAGES, body(Wire.MESSAGES, "hi")).status == 200


def test_a_step_can_put_other_words_in_the_users_mouth() -> None:
    to = provider(Step(words="create b.txt containing yes"))
    said = send(to, Wire.RESPONSES, body(Wire.RESPONSES, "anything", with_tools=True)).json
    assert calls(Wire.RESPONSES, said) == [("write", {"path": "b.txt", "content": "yes"})]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"steps": [{"wen": {}}]}, "wen"),
        ({"steps": [{"faults": ["rezet"]}]}, "did you mean 'reset'?"),
        ({"steps": [{"when": {"wire": "anthropic"}}]}, "$.steps[0].when.wire"),
        ({"steps": [{"reply": [{"text": "a", "tool": "b"}]}]}, "exactly one of text, thinking, tool"),
        ({"steps": [{"finish": "sometimes"}]}, "finish"),
        ([], "script"),
    ],
)
def test_a_script_that_cannot_be_played_says_where_it_is_wrong(document: Any, says: str) -> None:
    with pytest.raises(BadScript) as caught:
        as_script(document)
    assert says in str(caught.value)


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("steps: [", encoding="utf-8")
    with pytest.raises(BadScript, match=r"bad\.yaml"):
        load_script(path)


def test_json_is_a_script_too(tmp_path: Path) -> None:
    path = tmp_path / "play.json"
    path.write_text(json.dumps({"steps": [{"reply": [{"text": "json"}]}]}), encoding="utf-8")
    assert load_script(path).steps[0].reply == (Line(text="json"),)


def test_lists_have_the_models_that_a_script_names_page_by_page() -> None:
    names = [f"claude-{i}" for i in range(1500)]
    to = Rehearsal(as_script({"models": {"anthropic": names, "bedrock": ["eu.a.b", "c.d"]}}))

    def listed(path: str, wire: Wire = Wire.MESSAGES) -> dict[str, Any]:
        return dict(send_raw(to, "GET", path, headers(wire)).json)

    first = listed("/anthropic/v1/models?limit=9999")
    assert [m["id"] for m in first["data"]] == names[:1000]
    assert first["has_more"]
    rest = listed(f"/anthropic/v1/models?limit=1000&after_id={first['last_id']}")
    assert ([m["id"] for m in rest["data"]], rest["has_more"]) == (names[1000:], False)
    profiles = listed("/bedrock/inference-profiles?type=SYSTEM_DEFINED", Wire.CONVERSE)
    assert [p["inferenceProfileId"] for p in profiles["inferenceProfileSummaries"]] == ["eu.a.b"]
    models = listed("/bedrock/foundation-models", Wire.CONVERSE)
    assert [m["modelId"] for m in models["modelSummaries"]] == ["c.d"]
    assert "gpt-5.5" in {m["id"] for m in listed("/openai/v1/models", Wire.CHAT)["data"]}
    to.lists[Vendor.OPENAI] = ("gpt-9",)
    assert [m["id"] for m in listed("/openai/v1/models", Wire.CHAT)["data"]] == ["gpt-9"]
