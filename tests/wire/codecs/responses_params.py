"""A request as the official SDK's types see it: `ResponseCreateParams`, and no field beside those."""

import json
from collections.abc import Iterable
from typing import Any, get_type_hints

from openai.types.responses import response_input_item_param as items
from openai.types.responses import response_output_message_param as output_message
from openai.types.responses import tool_param
from openai.types.responses.custom_tool_param import CustomToolParam
from openai.types.responses.function_tool_param import FunctionToolParam
from openai.types.responses.namespace_tool_param import NamespaceToolParam
from openai.types.responses.response_create_params import ResponseCreateParamsBase, ToolChoice
from openai.types.responses.response_custom_tool_call_output_param import ResponseCustomToolCallOutputParam
from openai.types.responses.response_custom_tool_call_param import ResponseCustomToolCallParam
from openai.types.responses.response_function_tool_call_param import ResponseFunctionToolCallParam
from openai.types.responses.response_reasoning_item_param import ResponseReasoningItemParam
from openai.types.responses.response_text_config_param import ResponseTextConfigParam
from openai.types.shared_params.reasoning import Reasoning
from pydantic import TypeAdapter

Json = dict[str, Any]

_ITEMS: dict[str, Any] = {
    "function_call": ResponseFunctionToolCallParam,
    "custom_tool_call": ResponseCustomToolCallParam,
    "function_call_output": items.FunctionCallOutput,
    "custom_tool_call_output": ResponseCustomToolCallOutputParam,
    "reasoning": ResponseReasoningItemParam,
}
_TOOLS: dict[str, Any] = {
    "function": FunctionToolParam,
    "custom": CustomToolParam,
    "namespace": NamespaceToolParam,
}
_adapters: dict[Any, TypeAdapter[Any]] = {}


def check(body: bytes) -> Json:
    """The request, decoded. Raises where the types reject it."""
    request = json.loads(body)
    assert isinstance(request.pop("stream"), bool)
    head = {name: value for name, value in request.items() if name not in ("input", "tools")}
    _valid(ResponseCreateParamsBase, head)
    for name, kind in (
        ("reasoning", Reasoning),
        ("text", ResponseTextConfigParam),
        ("tool_choice", ToolChoice),
    ):
        if name in request:
            _valid(kind, request[name])
    for item in request["input"]:
        check_item(item)
    for tool in request.get("tools", ()):
        _valid(_TOOLS.get(tool["type"], tool_param.ToolParam), tool)
    return json.loads(body)  # type: ignore[no-any-return] # a test's own body


def check_item(item: Json) -> None:
    kind = item["type"]
    if kind == "message":
        assistant = item["role"] == "assistant"
        _valid(output_message.ResponseOutputMessageParam if assistant else items.Message, item)
    elif kind in _ITEMS:
        _valid(_ITEMS[kind], item)


def _valid(kind: Any, value: Any) -> None:
    """The type takes it, down to the elements of its iterables, and knows all its fields."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    _exhaust(_adapters[kind].validate_python(value))
    if isinstance(value, dict) and hasattr(kind, "__required_keys__"):
        assert set(value) <= set(get_type_hints(kind)), set(value) - set(get_type_hints(kind))


def _exhaust(value: Any) -> None:
    """Pydantic looks at the elements of an Iterable only as they are taken out."""
    if isinstance(value, dict):
        for inner in value.values():
            _exhaust(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _exhaust(inner)
