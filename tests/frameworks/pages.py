"""The programs of the pages in docs/frameworks, put together as their readers do it.

A page's last Python block is the agent; each block before it is one way to make the `model` that the agent uses.
"""

import re
from typing import NamedTuple

from tests.documents import ROOT, fenced

PAGES = ROOT / "docs" / "frameworks"
NATIVE = {
    "anthropic.messages": "claude-sonnet-4-5",
    "openai.responses": "gpt-5.4",
    "openai.chat": "gpt-5.4",
    "gemini.generate": "gemini-2.5-pro",
}
"""The model of the vendor that a protocol comes from: what the pages' programs name."""


SPOKEN = {
    "claude": {"anthropic.messages"},
    "gpt": {"openai.responses", "openai.chat"},
    "gemini": {"gemini.generate"},
    "qwen3": {"openai.chat"},
}
"""What each family's provider speaks, as the gateway of these tests knows it."""


def blocks(page: str) -> list[str]:
    """The page's Python."""
    return fenced(PAGES / f"{page}.md", "python")


def family(model: str) -> str:
    return model.partition("-")[0]


class Program(NamedTuple):
    page: str
    wire: str
    named: str
    """What the ledger calls it, by what it says of itself."""
    asks_way: bool = False
    """It calls `way token`; the others have a service account's token."""

    @property
    def id(self) -> str:
        return f"{self.page}-{self.wire}{'-way' if self.asks_way else ''}"

    def text(self, model: str) -> str:
        """The whole of agent.py, with another model's name in it, and nothing else changed."""
        *ways, agent = blocks(self.page)
        mine = ways[[program for program in PROGRAMS if program.page == self.page].index(self)]
        text, places = re.subn(f'"{re.escape(NATIVE[self.wire])}"', f'"{model}"', mine)
        assert places == 1, mine
        return text + "\n\n" + agent


PROGRAMS = [
    Program("langgraph", "anthropic.messages", "langchain"),
    Program("langgraph", "openai.responses", "langgraph"),
    Program("langgraph", "openai.chat", "langgraph", asks_way=True),
    Program("openai-agents", "openai.responses", "openai-agents"),
    Program("openai-agents", "openai.chat", "openai-agents", asks_way=True),
    Program("claude-agent-sdk", "anthropic.messages", "claude-agent-sdk"),
    Program("claude-agent-sdk", "anthropic.messages", "claude-agent-sdk", asks_way=True),
    Program("google-adk", "gemini.generate", "google-adk"),
    Program("pydantic-ai", "anthropic.messages", "pydantic-ai"),
    Program("pydantic-ai", "openai.responses", "pydantic-ai"),
    Program("pydantic-ai", "openai.chat", "pydantic-ai", asks_way=True),
    Program("pydantic-ai", "gemini.generate", "pydantic-ai"),
]
"""In the order of each page's blocks."""
