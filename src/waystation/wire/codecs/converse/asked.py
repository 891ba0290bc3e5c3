"""The request's fields beside its turns and tools, read back: see `options`."""

from typing import Any

import msgspec

from waystation.wire.canonical import Effort, OutputFormat, Thinking
from waystation.wire.codecs.converse.options import EXTRAS

Json = dict[str, Any]
_KNOWN = frozenset(
    (
        *EXTRAS,
        "messages",
        "system",
        "toolConfig",
        "inferenceConfig",
        "additionalModelRequestFields",
        "serviceTier",
        "outputConfig",
        "modelId",
    )
)


def read_options(fields: Json) -> Json:
    """The same fields of a request, as arguments of Conversation."""
    inference, own = _object(fields, "inferenceConfig"), dict(_object(fields, "additionalModelRequestFields"))
    read: Json = {
        "max_output": _whole(inference.get("maxTokens")),
        "temperature": _number(inference.get("temperature")),
        "top_p": _number(inference.get("topP")),
        "stop": _texts(inference.get("stopSequences")),
        "thinking": _read_thinking(fields, own),
        "format": _read_format(fields),
    }
    if _whole(own.get("top_k")) is not None:
        read["top_k"] = own.pop("top_k")
    elif own.get("inferenceConfig") and _whole(_object(own, "inferenceConfig").get("topK")) is not None:
        read["top_k"] = own.pop("inferenceConfig")["topK"]
    tier = _object(fields, "serviceTier").get("type")
    if isinstance(tier, str):
        read["service_tier"] = tier
    extras = {name: fields[name] for name in EXTRAS if name in fields}
    metadata = extras.get("requestMetadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("user"), str):
        read["user"] = metadata["user"]
        extras["requestMetadata"] = {k: v for k, v in metadata.items() if k != "user"}
        if not extras["requestMetadata"]:
            del extras["requestMetadata"]
    if extras.get("additionalModelResponseFieldPaths") == ["/stop_sequence"]:
        del extras["additionalModelResponseFieldPaths"]
    if isinstance(own.get("anthropic_beta"), list):
        extras["anthropic_beta"] = own.pop("anthropic_beta")
    choice = own.get("tool_choice")
    if isinstance(choice, dict) and isinstance(choice.get("disable_parallel_tool_use"), bool):
        read["parallel_tools"] = not choice["disable_parallel_tool_use"]
        del own["tool_choice"]
    if own:
        extras["additionalModelRequestFields"] = own
    unknown = fields.keys() - _KNOWN
    read["extras"] = extras | {name: fields[name] for name in sorted(unknown)}
    return read


def _read_thinking(fields: Json, own: Json) -> Thinking | None:
    """Takes what it understands out of `own`."""
    effort = _effort(_object(fields, "outputConfig").get("effort"))
    config = own.get("output_config")
    if isinstance(config, dict) and config.keys() == {"effort"} and _effort(config["effort"]) is not None:
        effort = _effort(own.pop("output_config")["effort"])
    if _effort(own.get("reasoning_effort")) is not None:
        effort = _effort(own.pop("reasoning_effort"))
    reasoning = own.get("reasoning")
    if isinstance(reasoning, dict) and _effort(reasoning.get("effort")) is not None:
        effort = _effort(own.pop("reasoning")["effort"])
    nova = own.get("reasoningConfig")
    if isinstance(nova, dict):
        del own["reasoningConfig"]
        return Thinking(effort=_effort(nova.get("maxReasoningEffort")) or Effort.NONE)
    thinking = own.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if not isinstance(thinking, dict) or kind not in ("enabled", "disabled", "adaptive"):
        return Thinking(effort=effort) if effort is not None else None
    del own["thinking"]
    if kind == "disabled":
        return Thinking(effort=effort, budget=0)
    display = thinking.get("display")
    return Thinking(
        effort=effort,
        budget=_whole(thinking.get("budget_tokens")) if kind == "enabled" else None,
        adaptive=kind == "adaptive",
        show="none" if display == "omitted" else "summary" if display == "summarized" else "",
    )


def _read_format(fields: Json) -> OutputFormat | None:
    structure = _object(_object(_object(fields, "outputConfig"), "textFormat"), "structure")
    definition = _object(structure, "jsonSchema")
    text = definition.get("schema")
    if not isinstance(text, str):
        return None
    try:
        schema = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    name, description = definition.get("name", ""), definition.get("description", "")
    return OutputFormat(
        schema=schema if isinstance(schema, dict) else None,
        name=name if isinstance(name, str) else "",
        description=description if isinstance(description, str) else "",
    )


def _object(fields: Json, name: str) -> Json:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _effort(value: Any) -> Effort | None:
    return Effort(value) if isinstance(value, str) and value in set(Effort) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()
