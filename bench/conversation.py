"""What is translated: a coding agent's conversation of about 300 KB, in each tool's protocol."""

import json

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Effort,
    Event,
    Finish,
    FunctionTool,
    PartEnd,
    PartStart,
    Role,
    Started,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import AnswerHead, Notes, Target, codec_for
from waystation.wire.translate.lower import lower

SOURCES = (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE)
TARGETS = (*SOURCES, Wire.CONVERSE)
PAIRS = [(source, target) for source in SOURCES for target in TARGETS if source is not target]
NAMES = {
    Wire.MESSAGES: "messages",
    Wire.RESPONSES: "responses",
    Wire.CHAT: "chat",
    Wire.GENERATE: "generate",
    Wire.CONVERSE: "converse",
}
MODELS = {
    Wire.MESSAGES: "claude-sonnet-4-5",
    Wire.RESPONSES: "gpt-5",
    Wire.CHAT: "gpt-5",
    Wire.GENERATE: "gemini-2.5-pro",
    Wire.CONVERSE: "anthropic.claude-sonnet-4-5-20250929-v1:0",
}
_CODE = (
    'def handler(request):\n    """Return \\"ok\\"."""\n    value = request.get("key", {})\n'
    '    if not value:\n\t\treturn {"status": 404, "body": "not found\\n"}\n    return value\n'
)


def conversation(size: int) -> Conversation:
    """About `size` bytes as JSON: instructions, twenty tools, and turns with two calls and two results each."""
    schema = {
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "description": "a path"},
            "limit": {"type": "integer"},
            "options": {
                "type": "object",
                "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
            },
        },
        "additionalProperties": False,
    }
    about = "Runs a command in the workspace and returns its output. " * 4
    arguments = json.dumps({"path": "src/file.py", "content": _CODE * 2})
    output = _CODE * 6
    turns = [Turn(Role.USER, (Text(f"Fix this. {_CODE}"),))]
    left = size - 32_000
    while left > 0:
        calls = tuple(ToolCall(f"toolu_{len(turns)}_{n}", f"tool_{n}", arguments) for n in range(2))
        turns.append(Turn(Role.ASSISTANT, (Text("I look at it."), *calls)))
        turns.append(Turn(Role.USER, tuple(ToolResult(call.id, (Text(output),)) for call in calls)))
        left -= 2 * (len(json.dumps(arguments)) + len(json.dumps(output)) + 200)
    return Conversation(
        model="asked-for",
        stream=True,
        system=(Text("You are a coding agent. " + _CODE * 80),),
        turns=tuple(turns),
        tools=tuple(FunctionTool(f"tool_{n}", about, schema) for n in range(20)),
        max_output=32_000,
        thinking=Thinking(effort=Effort.HIGH),
    )


def target_of(wire: Wire) -> Target:
    return Target(wire, "there", MODELS[wire], Capabilities(max_output=64_000, context_window=1_000_000))


def body(source: Wire, size: int) -> bytes:
    """The conversation as a tool of that protocol sends it."""
    where = target_of(source)
    other = Wire.CHAT if source is not Wire.CHAT else Wire.RESPONSES
    lowered = lower(conversation(size), other, where, Notes()).conversation
    return codec_for(source).write_request(lowered, where, Notes())


def chunks(wire: Wire, number: int) -> list[bytes]:
    """A provider's stream of `number` small deltas of text, each read by itself."""
    asked = Conversation(model="asked-for", stream=True)
    writer = codec_for(wire).writer(AnswerHead("up", 1, MODELS[wire], asked))
    events: list[Event] = [Started("up", MODELS[wire]), PartStart(Text(""))]
    events += [Delta(f"word{n} ") for n in range(number)]
    events += [PartEnd(), Finish(StopReason.END)]
    return [chunk for chunk in (writer.write([event]) for event in events) if chunk]
