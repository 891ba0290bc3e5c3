"""Which model each coding tool starts with, for one person."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from waystation.model import TOOL_WIRES, ModelEntry, Wire


class _Tool(NamedTuple):
    wires: tuple[Wire, ...]
    """Protocols it can be set to, the one we would rather use first."""
    family: str
    """Its vendor's models, which it is tuned to; preferred where the policy gives no hint."""
    has_default: bool = False
    """It starts with one of these by itself."""


TOOLS: dict[str, _Tool] = {
    "claude": _Tool((Wire.MESSAGES,), "claude", has_default=True),
    "codex": _Tool((Wire.RESPONSES,), "gpt", has_default=True),
    "gemini": _Tool((Wire.GENERATE,), "gemini", has_default=True),
    "opencode": _Tool((Wire.CHAT, Wire.MESSAGES), ""),
    "copilot": _Tool((Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES), ""),
    "qwen": _Tool((Wire.CHAT,), "qwen"),
    "pi": _Tool((Wire.CHAT, Wire.MESSAGES), ""),
    "cn": _Tool((Wire.RESPONSES, Wire.CHAT, Wire.MESSAGES), ""),
}
"""The tools whose protocols were measured; a tool that only a policy's `agents` names gets that model."""

_SMALL = "/small"
_ANY = tuple(wire for wire in TOOL_WIRES if wire is not Wire.EMBEDDINGS)


_Candidate = tuple[ModelEntry, Collection[Wire], Collection[Wire], tuple[str, ...]]
"""Entry, protocols that its providers speak, those that it can be asked in (translated ones too), `agents` hints."""


def choose_models(
    models: Sequence[_Candidate], found: Sequence[_Candidate] = ()
) -> dict[str, dict[str, object]]:
    """Per tool: `model`, `wire` (how to reach it), `small_model` if named, and `models`, all that it can use.

    `models` is what the policy names and the person may use, in the policy's order; `found` what else is known to
    be there. A hint decides; without one it is the first model of the tool's own vendor, else the first that speaks
    its protocol, else the first. A model is reached without translation where that can be.

    What was found is chosen only for a tool that could not start otherwise: the policy names nothing for it, and it
    has no default of its own among them. A tool that nothing here can serve is left out.
    """
    hinted = {hint.removesuffix(_SMALL) for *_, hints in models for hint in hints}
    chosen: dict[str, dict[str, object]] = {}
    for name in dict.fromkeys((*TOOLS, *sorted(hinted))):
        tool = TOOLS.get(name, _Tool(_ANY, ""))
        usable, others = _usable(tool, models), _usable(tool, found)
        if not usable and not others:
            continue
        answer: dict[str, object] = {}
        theirs = [m for m in others if tool.family and m[0].id.startswith(tool.family)]
        if usable:
            native = {entry.id for entry, spoken, *_ in models if _of(tool.wires, spoken)}
            picks = (
                [m for m in usable if name in m[2]]
                or [m for m in usable if tool.family and m[0].id.startswith(tool.family)]
                or [m for m in usable if m[0].id in native]
                or usable
            )
        else:
            picks = [] if tool.has_default and theirs else theirs or others
        if picks:
            entry, wires, _ = picks[0]
            answer |= {"model": entry.id, "wire": str(wires[0])}
        small = next((e.id for e, _, hints in usable if name + _SMALL in hints), None)
        if small is not None:
            answer["small_model"] = small
        answer["models"] = [_offered(e, ws) for e, ws, _ in (*usable, *others)]
        chosen[name] = answer
    return chosen


def _usable(
    tool: _Tool, models: Sequence[_Candidate]
) -> list[tuple[ModelEntry, tuple[Wire, ...], tuple[str, ...]]]:
    """What the tool can be set to: entry, how it is reached, hints."""
    return [
        (entry, wires, hints)
        for entry, spoken, reachable, hints in models
        if (wires := _of(tool.wires, spoken) or _of(tool.wires, reachable))
    ]


def _of(wanted: tuple[Wire, ...], there: Collection[Wire]) -> tuple[Wire, ...]:
    return tuple(wire for wire in wanted if wire in there)


def _offered(entry: ModelEntry, wires: tuple[Wire, ...]) -> dict[str, object]:
    offered: dict[str, object] = {
        "id": entry.id,
        "name": entry.display_name or entry.id,
        "wires": [str(w) for w in wires],
    }
    if entry.context_window is not None:
        offered["context_window"] = entry.context_window
    if entry.max_output is not None:
        offered["max_output"] = entry.max_output
    return offered
