"""What Google's SDK and API say of a request and an answer of ours."""

import json
from typing import Any

from google.genai import types

Json = dict[str, Any]

FIELDS = {
    "systemInstruction",
    "contents",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "labels",
}


def check_request(body: bytes) -> Json:
    """A request that the SDK's types and the API's rules for contents accept."""
    request: Json = json.loads(body)
    assert request.keys() <= FIELDS
    if "systemInstruction" in request:
        types.Content.model_validate_json(json.dumps(request["systemInstruction"]))
    for tool in request.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(request.get("toolConfig", {}))
    config = dict(request.get("generationConfig", {}))
    types.GenerationConfig.model_validate(config)
    _check_contents(request["contents"])
    return request


def _check_contents(contents: list[Json]) -> None:
    assert contents
    assert [content["role"] for content in contents] == ["user", "model"] * (len(contents) // 2) + [
        "user"
    ] * (len(contents) % 2)
    for content in contents:
        types.Content.model_validate_json(json.dumps(content))
        assert content["parts"]
        results = ["functionResponse" in part for part in content["parts"]]
        assert results == sorted(results, reverse=True), "results come first"
        for part in content["parts"]:
            kinds = part.keys() - {"thought", "thoughtSignature", "videoMetadata"}
            assert len(kinds) == 1, part
            assert part.get("text") != "" or "thoughtSignature" in part


def check_answer(answer: Json) -> types.GenerateContentResponse:
    """An answer, or a chunk of one, that the SDK reads and keeps in a chat's history."""
    found = types.GenerateContentResponse.model_validate_json(json.dumps(answer))
    assert found.candidates is not None
    (candidate,) = found.candidates
    assert candidate.content is not None
    assert candidate.content.role == "model"
    assert candidate.content.parts
    assert types.Part() not in candidate.content.parts
    return found


def chunks(stream: bytes) -> list[Json]:
    """The chunks of a stream as server-sent events."""
    *events, rest = stream.split(b"\n\n")
    assert rest == b""
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    return [json.loads(event[6:]) for event in events]
