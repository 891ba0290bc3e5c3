"""Everything that is asked for beside the turns: limits, thinking, the answer's format.

What only a maker's models know goes into `additionalModelRequestFields`, in the maker's own words.
"""

import string
from typing import Any

import msgspec

from waystation.wire.canonical import Conversation, Effort, OutputFormat, Thinking
from waystation.wire.codecs.converse.models import ModelFacts
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.codecs.messages.thinking import BUDGETS, LEAST_BUDGET, effort_of

Json = dict[str, Any]
EXTRAS = (
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "projectIdentifier",
    "additionalModelResponseFieldPaths",
)
_TIERS = ("priority", "default", "flex", "reserved")
_CLAUDES = ("claude-budget", "claude-adaptive")
_NOVA_HIGH = {"type": "enabled", "maxReasoningEffort": "high"}
_METADATA_LIMIT = 256
_METADATA_SIGNS = frozenset(string.ascii_letters + string.digits + " :_@$#=/+,-.")
_JSON_WANTED = "Answer with one JSON value and nothing else, without a code fence around it."
_FITTING = " It must fit this JSON Schema: "


def write_options(conversation: Conversation, facts: ModelFacts, target: Target, notes: Notes) -> Json:
    """The request's fields beside `messages`, `system` and `toolConfig`."""
    fields: Json = {}
    extra = conversation.extras
    for name, value in extra.items():
        if name in EXTRAS:
            fields[name] = value
        elif name not in ("additionalModelRequestFields", "anthropic_beta"):
            notes.drop(name)
    own = extra.get("additionalModelRequestFields")
    more: Json = dict(own) if isinstance(own, dict) else {}
    thinking = _write_thinking(conversation, facts, more, notes)
    inference = _write_inference(conversation, facts, more, notes, thinking=thinking)
    if conversation.format is not None and writes_schema(conversation.format, facts):
        _write_format(conversation.format, fields)
    taken = target.betas if facts.claude is not None or not facts.known else ()
    _write_betas(extra.get("anthropic_beta"), taken, more, notes)
    if conversation.stop and facts.claude is not None:
        fields.setdefault("additionalModelResponseFieldPaths", ["/stop_sequence"])
    if conversation.user:
        _write_user(conversation.user, fields, notes)
    if conversation.service_tier in _TIERS:
        fields["serviceTier"] = {"type": conversation.service_tier}
    elif conversation.service_tier:
        notes.drop("service_tier")
    for name in ("seed", "presence_penalty", "frequency_penalty"):
        if getattr(conversation, name) is not None:
            notes.drop(name)
    if conversation.verbosity:
        notes.drop("verbosity")
    if inference:
        fields["inferenceConfig"] = inference
    if more:
        fields["additionalModelRequestFields"] = more
    return fields


def writes_schema(form: OutputFormat, facts: ModelFacts) -> bool:
    """Whether the format goes into its own field; if not, it is asked for in words (`in_words`)."""
    return form.schema is not None and facts.structured


def in_words(form: OutputFormat) -> str:
    """The wish for JSON as an instruction."""
    if form.schema is None:
        return _JSON_WANTED
    return _JSON_WANTED + _FITTING + msgspec.json.encode(form.schema).decode()


def _write_inference(
    conversation: Conversation, facts: ModelFacts, more: Json, notes: Notes, *, thinking: bool
) -> Json:
    """`thinking`: the model will think, and Claude then takes no sampling parameters."""
    temperature, top_p, top_k = conversation.temperature, conversation.top_p, conversation.top_k
    samples = facts.samples and not (thinking and facts.thinking in _CLAUDES)
    if not samples:
        if temperature not in (None, 1.0):
            notes.drop("temperature")
        if top_p is not None:
            notes.drop("top_p")
        temperature = top_p = None
    elif temperature is not None and top_p is not None and facts.one_of_temperature_and_top_p:
        notes.drop("top_p")
        top_p = None
    if temperature is not None and temperature > 1:
        notes.change("temperature=1")
        temperature = 1.0
    inference: Json = {}
    if conversation.max_output is not None:
        if facts.thinking == "nova" and more.get("reasoningConfig") == _NOVA_HIGH:
            notes.drop("max_tokens")  # it refuses a limit at this effort
        else:
            inference["maxTokens"] = max(1, conversation.max_output)
    if temperature is not None:
        inference["temperature"] = max(0.0, temperature)
    if top_p is not None:
        inference["topP"] = min(1.0, max(0.0, top_p))
    stop = [word for word in conversation.stop if word.strip()]
    if stop:
        inference["stopSequences"] = stop
    if top_k is not None:
        if not facts.top_k or not samples:
            notes.drop("top_k")
        elif facts.top_k == "nova":
            more["inferenceConfig"] = {"topK": top_k}
        else:
            more["top_k"] = top_k
    return inference


# -------------------------------------------------------------------- thinking
def _write_thinking(conversation: Conversation, facts: ModelFacts, more: Json, notes: Notes) -> bool:
    """Returns whether the model will think, as far as the request says."""
    wish = conversation.thinking
    if wish is None or wish == Thinking():
        return False
    off = wish.effort is Effort.NONE or wish.budget == 0
    style = facts.thinking
    if style == "none":
        if not off:
            notes.drop("thinking")
        return False
    if style == "claude-adaptive":
        return _write_adaptive(wish, more, off=off)
    if style == "claude-budget":
        return _write_budget(wish, conversation.max_output, more, notes, off=off)
    effort = _effort(wish)
    if style == "nova":
        more["reasoningConfig"] = {"type": "disabled"}
        if not off:
            more["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": _low_to_high(effort)}
    elif style == "reasoning":
        more["reasoning"] = {"effort": "none" if off else "low" if effort is Effort.MINIMAL else effort}
    elif not off:
        more["reasoning_effort"] = _low_to_high(effort)
    return not off


def _write_adaptive(wish: Thinking, more: Json, *, off: bool) -> bool:
    if off:
        more["thinking"] = {"type": "disabled"}
        return False
    thinking = {"type": "adaptive"}
    if wish.show:
        thinking["display"] = "omitted" if wish.show == "none" else "summarized"
    more["thinking"] = thinking
    # Without an effort, no thoughts come back from Bedrock; `high` is what Claude does unasked.
    effort = _effort(wish)
    more["output_config"] = {"effort": "low" if effort is Effort.MINIMAL else effort}
    return True


def _write_budget(wish: Thinking, max_output: int | None, more: Json, notes: Notes, *, off: bool) -> bool:
    if off:
        more["thinking"] = {"type": "disabled"}
        return False
    wanted = wish.budget if wish.budget is not None else BUDGETS[wish.effort or Effort.HIGH]
    budget = max(LEAST_BUDGET, wanted)
    if max_output is not None and budget >= max_output:
        budget = max(LEAST_BUDGET, max_output * 3 // 4)  # thoughts count towards the limit
        if budget >= max_output:
            notes.drop("thinking")
            return False
    if budget != wanted:
        notes.change(f"thinking={budget}")
    more["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return True


def _effort(wish: Thinking) -> Effort:
    """A word for how hard to think, where the wish may be a number of tokens."""
    if wish.effort is not None and wish.effort is not Effort.NONE:
        return wish.effort
    return effort_of(wish.budget) if wish.budget else Effort.HIGH


def _low_to_high(effort: Effort) -> str:
    if effort in (Effort.MINIMAL, Effort.LOW):
        return "low"
    return "medium" if effort is Effort.MEDIUM else "high"


# -------------------------------------------------------------------- the rest
def _write_format(form: OutputFormat, fields: Json) -> None:
    definition: Json = {"schema": msgspec.json.encode(form.schema).decode()}
    if form.name:
        definition["name"] = form.name
    if form.description:
        definition["description"] = form.description
    structure = {"type": "json_schema", "structure": {"jsonSchema": definition}}
    fields["outputConfig"] = {"textFormat": structure}


def _write_betas(asked: Any, taken: tuple[str, ...], more: Json, notes: Notes) -> None:
    """E82: only the flags that are known to be taken; one other fails the whole request."""
    if not isinstance(asked, list):
        return
    betas = [flag for flag in asked if isinstance(flag, str)]
    allowed = [flag for flag in dict.fromkeys(betas) if flag in taken]
    if len(allowed) < len(set(betas)):
        notes.drop("anthropic-beta")
    if allowed:
        more["anthropic_beta"] = allowed


def _write_user(user: str, fields: Json, notes: Notes) -> None:
    """Into the account's own invocation log, where it can be looked for."""
    plain = "".join(sign for sign in user if sign in _METADATA_SIGNS)[:_METADATA_LIMIT]
    metadata = fields.get("requestMetadata", {})
    if plain and isinstance(metadata, dict):
        fields["requestMetadata"] = {"user": plain, **metadata}
    else:
        notes.drop("user")
