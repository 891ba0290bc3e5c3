"""Eight real tools × five providers' protocols: who is started how, what each is asked to do, and what may be lost."""

import dataclasses
import json
from pathlib import Path

from tests.clients.laptop import ALL_TOOLS, TOOLS, Laptop, Tool
from tests.crossroads import FAMILIES

from waystation.model import Wire

TASK = (
    "Think it over. create hello.txt containing hi, "
    "then read hello.txt and create notes.txt containing alpha and run echo ran >> ran.txt in parallel, "
    "then replace hi with hi there in hello.txt and read notes.txt in parallel, "
    "then replace alpha with beta in notes.txt and read hello.txt in parallel"
)
"""The file task, then an edit in two steps (several tools edit only what they have read), with parallel calls."""
FILES = {"hello.txt": "hi there", "notes.txt": "beta", "ran.txt": "ran"}
"""What there must be then. A call that ran twice would show: in one more line, or in an edit that fails."""
CALLS = (1, 3, 2, 2)
"""By the model's answers."""
LAST_RESULT = "hi there"
"""Which the model quotes in its last answer."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A tool as it is started here."""

    title: str
    tool: Tool
    wires: tuple[Wire, ...]
    """What it can be set to speak. `way` takes the provider's own if that is among them, else the first that is
    usual for the model."""
    families: tuple[Wire, ...] = tuple(FAMILIES)
    prefixes: tuple[str, str] = ("", "")
    """Before the name of a model that speaks Messages, and of any other."""
    catalogue: bool = False
    """Codex is told of the models what it knows of its own; see `codex_catalogue`."""

    def named(self, family: Wire) -> str:
        return self.prefixes[family is not Wire.MESSAGES] + FAMILIES[family].model


_OPENCODE = ("waystation-anthropic/", "waystation/")
_THREE = (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)
ROWS = {
    "claude": Row("Claude Code", TOOLS["claude"], (Wire.MESSAGES,)),
    "codex": Row("Codex", TOOLS["codex"], (Wire.RESPONSES,)),
    "codex-patch": Row("Codex, with its patch tool", TOOLS["codex"], (Wire.RESPONSES,), catalogue=True),
    "gemini": Row("Gemini CLI", TOOLS["gemini"], (Wire.GENERATE,)),
    "opencode": Row("OpenCode", TOOLS["opencode-chat"], (Wire.CHAT, Wire.MESSAGES), prefixes=_OPENCODE),
    "opencode-anthropic": Row(
        "OpenCode, by its Anthropic provider",
        TOOLS["opencode-anthropic"],
        (Wire.MESSAGES,),
        families=(Wire.RESPONSES, Wire.GENERATE, Wire.CONVERSE),
        prefixes=(_OPENCODE[0], _OPENCODE[0]),
    ),
    "qwen": Row("Qwen Code", ALL_TOOLS["qwen"], (Wire.CHAT,)),
    "pi": Row("pi", ALL_TOOLS["pi"], (Wire.CHAT, Wire.MESSAGES), prefixes=_OPENCODE),
    "copilot": Row("Copilot CLI", ALL_TOOLS["copilot"], _THREE),
    "cn": Row("Continue CLI", ALL_TOOLS["cn"], _THREE),
}
CELLS = [(name, family) for name, row in ROWS.items() for family in row.families]

_EVERYWHERE: dict[Wire, set[str]] = {
    # What Claude Code says of itself and its bill in its instructions; it would make every prompt another one.
    Wire.MESSAGES: {"x-anthropic-billing-header", "context_management"},
    # Tools that OpenAI's servers run.
    Wire.RESPONSES: {"tools.web_search", "tools.tool_search"},
    Wire.CHAT: set(),
    Wire.GENERATE: {"top_k"},
}
_THERE: dict[tuple[Wire, Wire], set[str]] = {
    (Wire.MESSAGES, Wire.CHAT): {"cache_control", "user"},
    (Wire.MESSAGES, Wire.CONVERSE): {"anthropic-beta", "tools.eager_input_streaming"},
    (Wire.RESPONSES, Wire.MESSAGES): {"verbosity"},
    (Wire.RESPONSES, Wire.CHAT): {"prompt_cache_key", "verbosity"},
    (Wire.RESPONSES, Wire.GENERATE): {"verbosity", "parallel_tool_calls"},
    (Wire.RESPONSES, Wire.CONVERSE): {"verbosity"},
    (Wire.GENERATE, Wire.MESSAGES): {"top_p"},
    (Wire.GENERATE, Wire.RESPONSES): {"top_p"},
    (Wire.GENERATE, Wire.CONVERSE): {"top_p"},
}


PROVIDED = {"tools.web_search": "web search", "tools.tool_search": "tool search"}
"""Of those names, the tools that a provider runs itself, or that only its models know."""


def may_be_left_out(asked: Wire, spoken: Wire) -> set[str]:
    """The names that `x-waystation-dropped` may have for this pair; anything else is a loss that nobody knew of."""
    return set() if asked is spoken else _EVERYWHERE[asked] | _THERE.get((asked, spoken), set())


def codex_catalogue(laptop: Laptop) -> Path:
    """Codex' own list of models, with what it knows of one of them said of ours.

    Of a model that is not in its list it assumes the least: no `apply_patch`, no reasoning.
    """
    models = json.loads(laptop.plain("codex", "debug", "models"))["models"]
    known = next(model for model in models if model["slug"] == "gpt-5.5")
    ours = [{**known, "slug": family.model, "upgrade": None} for family in FAMILIES.values()]
    path = laptop.home / "codex-models.json"
    path.write_text(json.dumps({"models": ours}))
    return path
