"""Gemini generateContent: body and the model of the path → Ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.rehearsal.ask import Ask, Json, Part, Rejection, Result, Tool
from waystation.rehearsal.reading.exchanges import Turn, last_exchanges
from waystation.rehearsal.signature import is_ours, seals_calls
from waystation.rehearsal.words import own_words

_UNSEALED = (
    "skip_thought_signature_validator",
    "context_engineering_is_the_way_to_go",
    "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",  # both again, as Google's Python SDK sends bytes
    "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
)
"""What Google documents for calls that Gemini did not make."""


def read(body: Json, model: str, *, stream: bool) -> Ask:
    """Raises Rejection as the API would. Field names may be in either case style, as protobuf allows."""
    contents = body.get("contents")
    if isinstance(contents, dict):
        contents = [contents]
    if not isinstance(contents, list) or not contents:
        raise _invalid("* GenerateContentRequest.contents: contents is not specified\n")
    turns = [(c.get("role") or "user", _list(c.get("parts"))) for c in contents if isinstance(c, dict)]
    for i, (_, parts) in enumerate(turns):
        if not parts:
            raise _invalid(
                f"* GenerateContentRequest.contents[{i}].parts: contents.parts must not be empty.\n"
            )
    config = _field(body, "generationConfig") or {}
    thinking = _field(config, "thinkingConfig") or {}
    system = _field(body, "systemInstruction") or {}
    tools = _tools(_list(body.get("tools")))
    _check_calls(turns)
    _check_seals(turns, model)
    last, before = last_exchanges(_user_turns(turns))
    wants_json = _field(config, "responseMimeType") == "application/json"
    schema = _field(config, "responseJsonSchema") or _field(config, "responseSchema")
    return Ask(
        Wire.GENERATE,
        model,
        body,
        stream=stream,
        system="\n".join(_texts(_list(system.get("parts")))),
        context="\n".join(t for role, parts in turns if role == "user" for t in _texts(parts)),
        prompt=last.words,
        tools=tuple(tools),
        rounds=last.rounds,
        results=last.results,
        earlier=(before.words, before.rounds),
        parts=tuple(_parts(body, system, turns)),
        max_output=_field(config, "maxOutputTokens"),
        stop=tuple(_field(config, "stopSequences") or ()),
        reasons=_field(thinking, "thinkingBudget") != 0 if thinking else None,
        shows_reasoning=_field(thinking, "includeThoughts") is True,
        schema=(schema or {"type": "object"}) if wants_json else None,
        must_call=_must_call(_field(body, "toolConfig") or {}),
    )


def _invalid(message: str) -> Rejection:
    return Rejection(400, message, kind="INVALID_ARGUMENT")


def _list(value: Any) -> list[Json]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _field(of: Json, name: str) -> Any:
    if name in of:
        return of[name]
    return of.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name))


def _texts(parts: list[Json]) -> list[str]:
    return [p["text"] for p in parts if isinstance(p.get("text"), str) and not p.get("thought")]


def _tools(declared: list[Json]) -> list[Tool]:
    found: list[Tool] = []
    for tool in declared:
        for function in _list(_field(tool, "functionDeclarations")):
            if not isinstance(function.get("name"), str):
                raise _invalid(
                    "* GenerateContentRequest.tools[0].function_declarations[0].name: "
                    "Invalid function name.\n"
                )
            schema = _field(function, "parametersJsonSchema") or plain_schema(
                function.get("parameters") or {}
            )
            found.append(Tool(function["name"], schema, str(function.get("description", ""))))
    return found


def plain_schema(schema: Any) -> Any:
    """Gemini's own Schema (`type: STRING`) as JSON Schema."""
    if isinstance(schema, list):
        return [plain_schema(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        k: v.lower()
        if k == "type" and isinstance(v, str)
        else plain_schema(v)
        if isinstance(v, (dict, list))
        else v
        for k, v in schema.items()
    }


def _must_call(config: Json) -> str | None:
    calling = _field(config, "functionCallingConfig") or {}
    if calling.get("mode") != "ANY":
        return None
    allowed = _field(calling, "allowedFunctionNames") or []
    return str(allowed[0]) if allowed else ""


def _calls(parts: list[Json]) -> int:
    return sum(_field(p, "functionCall") is not None for p in parts)


def _returns(parts: list[Json]) -> list[Json]:
    return [r for p in parts if isinstance(r := _field(p, "functionResponse"), dict)]


def _check_calls(turns: list[tuple[str, list[Json]]]) -> None:
    for i, (role, parts) in enumerate(turns[:-1]):
        if role == "model" and (called := _calls(parts)) and len(_returns(turns[i + 1][1])) != called:
            raise _invalid(
                "Please ensure that the number of function response parts is equal to the number of "
                "function call parts of the function call turn."
            )


def _check_seals(turns: list[tuple[str, list[Json]]], model: str) -> None:
    """Each seal must be one of ours; newer models want one on the first call of each step of the current turn."""
    current = seals_calls(model)
    for i, (role, parts) in reversed(list(enumerate(turns))):
        seals = (_field(part, "thoughtSignature") for part in parts)
        if any(seal is not None and seal not in _UNSEALED and not is_ours(seal) for seal in seals):
            raise _invalid("Corrupted thought signature.")
        current = current and (role == "model" or not own_words(_texts(parts)))
        call = next((p for p in parts if _field(p, "functionCall") is not None), None)
        if current and role == "model" and call is not None and _field(call, "thoughtSignature") is None:
            raise _invalid(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{_field(call, 'functionCall').get('name')}`, position {i + 1}."
            )


def _user_turns(turns: list[tuple[str, list[Json]]]) -> Iterator[Turn]:
    for role, parts in turns:
        if role != "model":
            results = tuple(_result(r.get("response")) for r in _returns(parts))
            yield Turn(results, own_words(_texts(parts)))


def _result(response: Any) -> Result:
    if not isinstance(response, dict):
        return Result(str(response))
    text = response.get("output", response.get("error", response.get("content")))
    return Result(
        text if isinstance(text, str) else msgspec.json.encode(response).decode(), "error" in response
    )


def _parts(body: Json, system: Json, turns: list[tuple[str, list[Json]]]) -> list[Part]:
    pieces: list[Any] = [body.get("tools") or [], system, *([role, parts] for role, parts in turns)]
    return [Part(msgspec.json.encode(p)) for p in pieces if p]
