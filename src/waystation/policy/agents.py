"""Which model each coding tool starts with, for one person."""

from collections.abc import Sequence
from typing import NamedTuple

from waystation.model import ModelEntry, Wire


class _Tool(NamedTuple):
    wires: tuple[Wire, ...]
    """Protocols it can be set to, the one we would rather use first."""
    family: str
    """Its vendor's models, which it is tuned to; preferred where the policy gives no hint."""


TOOLS: dict[str, _Tool] = {
    "claude": _Tool((Wire.MESSAGES,), "claude"),
    "codex": _Tool((Wire.RESPONSES,), "gpt"),
    "gemini": _Tool((Wire.GENERATE,), "gemini"),
    "opencode": _Tool((Wire.CHAT, Wire.MESSAGES), ""),
    "copilot": _Tool((Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES), ""),
    "qwen": _Tool((Wire.CHAT,), "qwen"),
    "pi": _Tool((Wire.CHAT,), ""),
    "cn": _Tool((Wire.RESPONSES, Wire.CHAT), ""),
}
"""The tools whose protocols were measured; a tool that only a policy's `agents` names gets that model."""

_SMALL = "/small"


def choose_models(
    models: Sequence[tuple[ModelEntry, tuple[Wire, ...], tuple[str, ...]]],
) -> dict[str, dict[str, object]]:
    """Per tool: `model`, `wire` (how to reach it), `small_model` if named, and `models`, all that it can use.

    `models` is what the person may use, in the policy's order: entry, wires, `agents` hints. A hint decides;
    without one it is the first model of the tool's own vendor, else the first that speaks its protocol.
    A tool that nothing here can serve is left out.
    """
    hinted = {hint.removesuffix(_SMALL) for _, _, hints in models for hint in hints}
    chosen: dict[str, dict[str, object]] = {}
    for name in dict.fromkeys((*TOOLS, *sorted(hinted))):
        tool = TOOLS.get(name, _Tool(tuple(Wire), ""))
        usable = [
            (entry, wires, hints)
            for entry, spoken, hints in models
            if (wires := tuple(w for w in tool.wires if w in spoken and w is not Wire.EMBEDDINGS))
        ]
        if not usable:
            continue
        picks = (
            [m for m in usable if name in m[2]]
            or [m for m in usable if tool.family and m[0].id.startswith(tool.family)]
            or usable
        )
        entry, wires, _ = picks[0]
        answer: dict[str, object] = {"model": entry.id, "wire": str(wires[0])}
        small = next((e.id for e, _, hints in usable if name + _SMALL in hints), None)
        if small is not None:
            answer["small_model"] = small
        answer["models"] = [
            {"id": e.id, "name": e.display_name or e.id, "wires": [str(w) for w in ws]} for e, ws, _ in usable
        ]
        chosen[name] = answer
    return chosen
