"""What the fields of the conversation are called where the tool speaks: for notes to its developer."""

from waystation.model import Wire

_NAMES: dict[str, dict[Wire, str]] = {
    "max_output": {
        Wire.MESSAGES: "max_tokens",
        Wire.RESPONSES: "max_output_tokens",
        Wire.CHAT: "max_completion_tokens",
        Wire.GENERATE: "generationConfig.maxOutputTokens",
    },
    "thinking": {
        Wire.MESSAGES: "thinking",
        Wire.RESPONSES: "reasoning",
        Wire.CHAT: "reasoning_effort",
        Wire.GENERATE: "generationConfig.thinkingConfig",
    },
    "thoughts": {
        Wire.MESSAGES: "messages.thinking",
        Wire.RESPONSES: "input.reasoning",
        Wire.CHAT: "messages.reasoning",
        Wire.GENERATE: "contents.thought",
    },
    "tool_choice": {Wire.GENERATE: "toolConfig.functionCallingConfig"},
    "parallel_tools": {Wire.MESSAGES: "tool_choice.disable_parallel_tool_use"},
    "format": {
        Wire.MESSAGES: "output_config.format",
        Wire.RESPONSES: "text.format",
        Wire.CHAT: "response_format",
        Wire.GENERATE: "generationConfig.responseSchema",
    },
    "image": {
        Wire.MESSAGES: "messages.image",
        Wire.RESPONSES: "input.input_image",
        Wire.CHAT: "messages.image_url",
        Wire.GENERATE: "contents.inlineData",
    },
    "document": {
        Wire.MESSAGES: "messages.document",
        Wire.RESPONSES: "input.input_file",
        Wire.CHAT: "messages.file",
        Wire.GENERATE: "contents.inlineData",
    },
}


def called(field: str, source: Wire) -> str:
    """The caller's name of a field of the conversation."""
    return _NAMES.get(field, {}).get(source, "parallel_tool_calls" if field == "parallel_tools" else field)
