"""Names of the protocols that tools and providers speak."""

from enum import StrEnum


class Surface(StrEnum):
    """A family of addresses that we offer to tools; also what a provider is reached by."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GEMINI = "gemini"


class Wire(StrEnum):
    """One request/response protocol with its own body, stream, usage and error shapes."""

    MESSAGES = "anthropic.messages"
    RESPONSES = "openai.responses"
    CHAT = "openai.chat"
    EMBEDDINGS = "openai.embeddings"
    GENERATE = "gemini.generate"
    CONVERSE = "bedrock.converse"
    """Spoken by providers only: no tool asks us in it."""

    @property
    def surface(self) -> Surface:
        """Where tools speak it. Raises ValueError for CONVERSE."""
        return Surface(self.value.partition(".")[0])


TOOL_WIRES = tuple(wire for wire in Wire if wire is not Wire.CONVERSE)
"""The protocols that tools ask us in; the others only providers speak."""


class Operation(StrEnum):
    """What a request asks for. Only GENERATE and EMBED cost money."""

    GENERATE = "generate"
    COUNT_TOKENS = "count_tokens"
    EMBED = "embed"
    LIST_MODELS = "list_models"
