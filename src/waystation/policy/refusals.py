"""The sentences a developer reads when a model cannot be had. Each says what can be done about it."""

from collections.abc import Iterable, Sequence

from waystation.model import Refusal, RefusalKind, Surface, Wire
from waystation.policy.names import is_pattern, listing, nearest

WIRE_NAMES: dict[Wire, str] = {
    Wire.MESSAGES: "Anthropic Messages",
    Wire.RESPONSES: "OpenAI Responses",
    Wire.CHAT: "OpenAI Chat Completions",
    Wire.EMBEDDINGS: "OpenAI Embeddings",
    Wire.GENERATE: "Gemini",
    Wire.CONVERSE: "Amazon Bedrock Converse",
}
_LISTS: dict[Surface, str] = {
    Surface.ANTHROPIC: "GET /anthropic/v1/models",
    Surface.OPENAI: "GET /openai/v1/models",
    Surface.GEMINI: "GET /gemini/v1beta/models",
}


def unknown_model(asked: str, wire: Wire, usable: Iterable[str]) -> Refusal:
    """No entry, alias or pattern fits the name. `usable`: names the person may use over this wire."""
    names = list(usable)
    close = nearest(asked, (n for n in names if not is_pattern(n)), limit=3, cutoff=0.65)
    message = f"There is no model {_quoted(asked)} here."
    if close:
        message += f" Did you mean {listing(close)}?"
    elif names:
        message += f" You can use {_some(names)}."
    else:
        message += f" No model that you may use can be asked over {WIRE_NAMES[wire]}."
    if names:
        message += f" {_LISTS[wire.surface]} lists yours."
    return Refusal(RefusalKind.UNKNOWN_MODEL, message, rule="models", param="model")


def not_allowed(model: str, groups: Sequence[str], rule: str, contact: str, usable: Iterable[str]) -> Refusal:
    """The model exists, but for others. `groups`: who has it; empty where nobody was named."""
    if groups:
        noun = "group" if len(groups) == 1 else "groups"
        message = f"The model {model} is only for the {noun} {listing(list(groups))}, which you are not in."
    else:
        message = f"The model {model} is not open to anybody yet."
    message += f" Ask {contact} for access" if contact else " Ask whoever runs this gateway for access"
    names = list(usable)
    message += f", or use {_some(names)}." if names else "."
    return Refusal(RefusalKind.MODEL_NOT_ALLOWED, message, rule=rule, param="model")


def no_route(model: str, wire: Wire, speaks: Iterable[Wire], rule: str, usable: Iterable[str]) -> Refusal:
    """The model exists and is allowed, but none of its providers speaks the caller's protocol, or one that it
    could be translated to."""
    return _unreachable(model, wire, f"its providers speak {_spoken(speaks)}", rule, usable)


def not_translated(
    model: str, wire: Wire, speaks: Iterable[Wire], rule: str, usable: Iterable[str]
) -> Refusal:
    """It could be translated, but the policy says that it must not be."""
    reason = (
        f"its providers speak {_spoken(speaks)}, and the policy does not let requests for it be translated"
    )
    return _unreachable(model, wire, reason, rule, usable)


def _unreachable(model: str, wire: Wire, reason: str, rule: str, usable: Iterable[str]) -> Refusal:
    message = f"The model {model} cannot be asked over {WIRE_NAMES[wire]}: {reason}."
    names = list(usable)
    if names:
        message += f" Over {WIRE_NAMES[wire]} you can use {_some(names)}."
    return Refusal(RefusalKind.NO_ROUTE, message, rule=rule, param="model")


def _spoken(wires: Iterable[Wire]) -> str:
    return listing([WIRE_NAMES[wire] for wire in wires], "and")


def _quoted(asked: str) -> str:
    text = "".join(c if c.isprintable() else "·" for c in asked)
    return f"“{text[:80]}…”" if len(text) > 80 else f"“{text}”"


def _some(names: list[str]) -> str:
    return listing(names) if len(names) <= 4 else f"{', '.join(names[:3])} or {len(names) - 3} more"
