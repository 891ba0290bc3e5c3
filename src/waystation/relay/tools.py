"""Which coding tool or agent framework is asking, by what it says of itself."""

import re

_AGENTS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (rb"claude-cli/.*\bagent-sdk/([\w.-]+)", "claude-agent-sdk"),
        (rb"claude-cli/([\w.-]+)", "claude"),
        (rb"codex(?:_exec|_cli_rs|-tui|_vscode)?/([\w.-]+)", "codex"),
        (rb"GeminiCLI(?:-\w+)?/([\w.-]+)", "gemini"),
        (rb"opencode/([\w.-]+)", "opencode"),
        (rb"QwenCode/([\w.-]+)", "qwen"),
        (rb"(?i)copilot(?:-cli)?/([\w.-]+)", "copilot"),
        (rb"(?i)cursor(?:-\w+)?/([\w.-]+)", "cursor"),
        (rb"ls/JS ([\w.-]+)", "cn"),
        (rb"^langchain-anthropic/([\w.-]+)", "langchain"),
        (rb"^Agents/Python ([\w.-]+)", "openai-agents"),
        (rb"\bgoogle-adk/([\w.-]+)", "google-adk"),
        (rb"\bpydantic-ai/([\w.-]+)", "pydantic-ai"),
        (rb"(?i)^(?:async)?anthropic/(?:python|js) ([\w.-]+)", "anthropic-sdk"),
        (rb"(?i)^(?:async)?openai/(?:python|js) ([\w.-]+)", "openai-sdk"),
        (rb"google-genai-sdk/([\w.-]+)", "google-genai-sdk"),
        (rb"curl/([\w.-]+)", "curl"),
    )
)

_NAME = re.compile(rb"[a-z][a-z0-9-]{0,31}")
_known: dict[tuple[bytes, bytes], tuple[str, str]] = {}
_KNOWN_LIMIT = 4096


def identify_tool(agent: bytes, named: bytes = b"") -> tuple[str, str]:
    """(tool, version) by its User-Agent; ("unknown", "") where that gives nothing away. Never raises.

    `named` is what `way` says it has started: some tools only name the SDK that they are built with. Both are
    what the other side says of itself, good for figures and not for decisions that must hold.
    """
    found = _known.get((agent, named))
    if found is None:
        found = _read_agent(agent)
        if found[0] != named.decode("latin-1") and _NAME.fullmatch(named):
            found = (named.decode("ascii"), "")
        if len(_known) >= _KNOWN_LIMIT:  # a flood of made-up agents must not grow memory
            _known.clear()
        _known[agent, named] = found
    return found


def _read_agent(agent: bytes) -> tuple[str, str]:
    for pattern, name in _AGENTS:
        match = pattern.search(agent)
        if match:
            return name, match[1].decode("ascii", "replace")[:32]
    return "unknown", ""
