"""A gateway at which every tool's protocol meets every provider's: five providers, each of which speaks one.

All five are played by one rehearsal server. Model names are real ones, since what a tool offers and what the gateway
knows of a model hang on its name.
"""

import dataclasses

from waystation.model import Wire


@dataclasses.dataclass(frozen=True)
class Family:
    """Models of one kind, behind the protocol that their provider speaks."""

    title: str
    wire: Wire
    model: str
    """What tools ask for."""
    upstream: str
    """The provider's own name of it."""
    sees: str
    """A model of the same provider that takes pictures."""


FAMILIES = {
    family.wire: family
    for family in (
        Family("Claude (Anthropic Messages)", Wire.MESSAGES, "claude-sonnet-4-5", "claude-sonnet-4-5", ""),
        Family("GPT (OpenAI Responses)", Wire.RESPONSES, "gpt-5.4", "gpt-5.4", ""),
        Family("open models (Chat Completions)", Wire.CHAT, "qwen3-coder", "qwen3-coder", "qwen3-vl"),
        Family("Gemini (generateContent)", Wire.GENERATE, "gemini-3-pro", "gemini-3-pro", ""),
        Family(
            "Claude on Bedrock (Converse)",
            Wire.CONVERSE,
            "bedrock-claude",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "",
        ),
    )
}


def policy(url: str) -> str:
    """The document, with the server at `url` for every provider."""
    lines = ["version: 1", "routing: {affinity: none, patience: 0}", "providers:"]
    lines += [
        f"  {provider(wire)}: {{kind: rehearsal, base_url: '{url}', wires: [{wire}]}}" for wire in FAMILIES
    ]
    lines.append("models:")
    for wire, family in FAMILIES.items():
        lines += _model(family.model, wire, family.upstream)
        if family.sees:
            lines += _model(family.sees, wire, family.sees)
    return "\n".join([*lines, "access: {default: allow}", ""])


def provider(wire: Wire) -> str:
    return f"only-{wire.value.replace('.', '-')}"


def _model(name: str, wire: Wire, upstream: str) -> list[str]:
    return [f"  {name}:", f"    routes: [{{provider: {provider(wire)}, model: '{upstream}'}}]"]
