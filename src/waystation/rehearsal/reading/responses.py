"""OpenAI Responses: body → Ask."""

from __future__ import annotations

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.rehearsal.ask import Ask, Json, Part, Result, Tool
from waystation.rehearsal.reading.chat import invalid, must_call
from waystation.rehearsal.reading.exchanges import Turn, last_exchanges
from waystation.rehearsal.signature import is_ours
from waystation.rehearsal.words import own_words

_CALLS = ("function_call", "custom_tool_call", "local_shell_call")
_OUTPUTS = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")


def read(body: Json, earlier: list[Json] | None = None) -> Ask:
    """`earlier` are the items of the response that `previous_response_id` names. Raises Rejection."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    given = body.get("input")
    if given is None and earlier is None:
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    items = [*(earlier or []), *as_items(given)]
    _check(items)
    last, before = last_exchanges(_user_turns(items))
    form = (body.get("text") or {}).get("format") or {}
    reasoning = body.get("reasoning") or {}
    system = [str(body.get("instructions") or "")]
    system += [t for m in _messages(items, "system", "developer") for t in _texts(m)]
    return Ask(
        Wire.RESPONSES,
        model,
        body,
        stream=body.get("stream") is True,
        system="\n".join(system),
        context="\n".join(t for m in _messages(items, "user") for t in _texts(m)),
        prompt=last.words,
        tools=tuple(_tools(body.get("tools") or [])),
        rounds=last.rounds,
        results=last.results,
        earlier=(before.words, before.rounds),
        parts=tuple(_parts(body, items)),
        max_output=body.get("max_output_tokens"),
        reasons=reasoning.get("effort") != "none" if reasoning else None,
        shows_reasoning=bool(reasoning.get("summary") or reasoning.get("generate_summary")),
        schema=form.get("schema") if form.get("type") == "json_schema" else None,
        must_call=must_call(body.get("tool_choice")),
    )


def as_items(given: Any) -> list[Json]:
    """`input` as a list of items: a plain string is one user message."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return [i for i in given if isinstance(i, dict)] if isinstance(given, list) else []


def _kind(item: Json) -> str:
    return str(item.get("type") or ("message" if "role" in item else ""))


def _messages(items: list[Json], *roles: str) -> list[Json]:
    return [i for i in items if _kind(i) == "message" and i.get("role") in roles]


def _texts(item: Json) -> list[str]:
    content = item.get("content")
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    return [p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str)]


def _tools(declared: list[Any], namespace: str = "") -> list[Tool]:
    found: list[Tool] = []
    for tool in declared:
        if not isinstance(tool, dict):
            continue
        kind, name = tool.get("type"), tool.get("name")
        about = str(tool.get("description") or "")
        if kind == "namespace" and isinstance(name, str):
            found += _tools(tool.get("tools") or [], name)
        elif kind == "function" and isinstance(name, str):
            schema = tool.get("parameters")
            found.append(Tool(name, schema if isinstance(schema, dict) else {}, about, namespace=namespace))
        elif kind == "custom" and isinstance(name, str):
            found.append(Tool(name, {}, about, freeform=True, namespace=namespace))
    return found


def _check(items: list[Json]) -> None:
    called = {str(i.get("call_id")) for i in items if _kind(i) in _CALLS}
    answered = {str(i.get("call_id")) for i in items if _kind(i) in _OUTPUTS}
    for n, item in enumerate(items):
        kind = _kind(item)
        if kind in _OUTPUTS and str(item.get("call_id")) not in called:
            raise invalid(
                f"No tool call found for function call output with call_id {item.get('call_id')}.", "input"
            )
        if kind in _CALLS and str(item.get("call_id")) not in answered:
            raise invalid(f"No tool output found for function call {item.get('call_id')}.", "input")
        sealed = item.get("encrypted_content")
        if kind == "reasoning" and sealed is not None and not is_ours(sealed):
            raise invalid(
                f"The encrypted content for item {item.get('id')} could not be verified. "
                "Reason: Encrypted content could not be decrypted or parsed.",
                f"input[{n}].encrypted_content",
                "invalid_encrypted_content",
            )


def _user_turns(items: list[Json]) -> list[Turn]:
    """A round is a run of outputs: parallel calls come back together."""
    turns: list[Turn] = []
    in_outputs = False
    for item in items:
        kind = _kind(item)
        if kind in _OUTPUTS:
            result = Result(_output_text(item.get("output")))
            earlier = turns.pop().results if in_outputs else ()
            turns.append(Turn((*earlier, result)))
            in_outputs = True
        elif kind in _CALLS:
            in_outputs = False
        elif kind == "message" and item.get("role") == "user" and (words := own_words(_texts(item))):
            turns.append(Turn(words=words))
            in_outputs = False
    return turns


def _output_text(output: Any) -> str:
    if isinstance(output, str):
        return output
    return "\n".join(_texts({"content": output}))


def _parts(body: Json, items: list[Json]) -> list[Part]:
    pieces = [body.get("tools") or [], body.get("instructions") or "", *items]
    return [Part(msgspec.json.encode(p)) for p in pieces if p]
