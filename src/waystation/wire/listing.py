"""Providers' own lists of models: what an answer says, and how to ask for the page after it.

Each list is read for what it states of a model; nothing is concluded from a name here. A line that makes no sense
is left out, and spoils nothing beside it.
"""

import datetime
import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from waystation.model import Capabilities, ListedModel, Wire
from waystation.wire import tolerant
from waystation.wire.tolerant import Count

_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_LONGEST_TITLE = 120
_LAST_SECOND = 4_102_444_800
"""2100: a later date is a mistake (milliseconds, mostly)."""

FIRST_PAGE: dict[Wire, bytes] = {Wire.MESSAGES: b"limit=1000", Wire.GENERATE: b"pageSize=1000"}
"""What to append to the address of a list, where the usual page is small."""


class NotAList(ValueError):
    """What came back is no list of models. The message says so in a few words, without any of it."""


class ListPage(msgspec.Struct, frozen=True):
    """One answer."""

    models: tuple[ListedModel, ...]
    following: bytes = b""
    """The query that asks for the next page; empty where this is the last."""


def read_list(wire: Wire, body: bytes) -> ListPage:
    """What a provider that speaks `wire` answered. Raises NotAList."""
    if wire is Wire.MESSAGES:
        return _anthropic(body)
    if wire is Wire.GENERATE:
        return _gemini(body)
    if wire is Wire.CONVERSE:
        return _bedrock(body)
    return _openai(body)


# ------------------------------------------------------------------ Anthropic
class _Support(msgspec.Struct):
    supported: bool | None = None


class _ThinkingTypes(msgspec.Struct):
    adaptive: _Support | None = None
    enabled: _Support | None = None


class _Thinking(msgspec.Struct):
    supported: bool | None = None
    types: _ThinkingTypes | None = None


class _AnthropicCapabilities(msgspec.Struct):
    image_input: _Support | None = None
    pdf_input: _Support | None = None
    structured_outputs: _Support | None = None
    thinking: _Thinking | None = None


class _AnthropicModel(msgspec.Struct):
    id: str | None = None
    display_name: str | None = None
    created_at: str | None = None
    lifecycle: str | None = None
    max_input_tokens: Count | None = None
    max_tokens: Count | None = None
    capabilities: _AnthropicCapabilities | None = None


class _AnthropicList(msgspec.Struct):
    data: list[_AnthropicModel] | None = None
    has_more: bool | None = None
    last_id: str | None = None


_ANTHROPIC = msgspec.json.Decoder(_AnthropicList)


def _anthropic(body: bytes) -> ListPage:
    listed = tolerant.decode(_ANTHROPIC, body)
    if listed is None or listed.data is None:
        raise NotAList("its answer is no list of models")
    models = _named(
        ListedModel(m.id or "", _title(m.display_name), _date(m.created_at), _of_anthropic(m))
        for m in listed.data
        if m.lifecycle != "retired"  # listed for the record only: requests for it fail
    )
    more = listed.has_more and listed.last_id
    return ListPage(models, _query(limit="1000", after_id=listed.last_id or "") if more else b"")


def _of_anthropic(model: _AnthropicModel) -> Capabilities:
    stated = model.capabilities or _AnthropicCapabilities()
    return Capabilities(
        context_window=model.max_input_tokens or None,
        max_output=model.max_tokens or None,
        vision=_supported(stated.image_input),
        documents=_supported(stated.pdf_input),
        structured_output=_supported(stated.structured_outputs),
        thinking=_thinking(stated.thinking),
    )


def _supported(stated: _Support | None) -> bool | None:
    return None if stated is None else stated.supported


def _thinking(stated: _Thinking | None) -> Literal["none", "budget", "adaptive"] | None:
    if stated is None:
        return None
    if stated.supported is False:
        return "none"
    types = stated.types or _ThinkingTypes()
    if _supported(types.adaptive):
        return "adaptive"
    return "budget" if _supported(types.enabled) else None


# ------------------------------------------------------------------ OpenAI, and the many that answer like it
class _TopProvider(msgspec.Struct):
    max_completion_tokens: Count | None = None


class _Architecture(msgspec.Struct):
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None


class _MistralCapabilities(msgspec.Struct):
    completion_chat: bool | None = None
    function_calling: bool | None = None
    vision: bool | None = None


class _OpenAIModel(msgspec.Struct):
    """OpenAI says the first two; the rest is what compatible servers add."""

    id: str | None = None
    created: int | float | None = None
    name: str | None = None
    display_name: str | None = None
    context_length: Count | None = None  # OpenRouter and others
    context_window: Count | None = None  # Groq
    max_model_len: Count | None = None  # vLLM
    max_context_length: Count | None = None  # Mistral
    max_completion_tokens: Count | None = None  # Groq
    max_output_length: Count | None = None
    top_provider: _TopProvider | None = None  # OpenRouter, and the two below
    architecture: _Architecture | None = None
    supported_parameters: list[str] | None = None
    capabilities: _MistralCapabilities | None = None
    active: bool | None = None  # Groq


class _Links(msgspec.Struct):
    next: str | None = None


class _OpenAIList(msgspec.Struct):
    data: list[_OpenAIModel] | None = None
    links: _Links | None = None  # OpenRouter's pages


_OPENAI = msgspec.json.Decoder(_OpenAIList)


def _openai(body: bytes) -> ListPage:
    if body[:64].lstrip()[:1] == b"[":  # the bare list, as some servers give it
        body = b'{"data":' + body + b"}"
    listed = tolerant.decode(_OPENAI, body)
    if listed is None or listed.data is None:
        raise NotAList("its answer is no list of models")
    models = _named(
        ListedModel(m.id or "", _title(m.display_name or m.name, m.id), _seconds(m.created), _of_openai(m))
        for m in listed.data
        if m.active is not False
    )
    following = (listed.links and listed.links.next) or ""
    return ListPage(models, _query_of(following))


def _of_openai(model: _OpenAIModel) -> Capabilities:
    windows = (model.context_length, model.context_window, model.max_model_len, model.max_context_length)
    outputs = (
        model.top_provider.max_completion_tokens if model.top_provider is not None else None,
        model.max_completion_tokens,
        model.max_output_length,
    )
    reads = model.architecture.input_modalities if model.architecture is not None else None
    takes = model.supported_parameters
    mistral = model.capabilities or _MistralCapabilities()
    return Capabilities(
        context_window=next(filter(None, windows), None),
        max_output=next(filter(None, outputs), None),
        tools="tools" in takes if takes else mistral.function_calling,
        vision="image" in reads if reads else mistral.vision,
        documents="file" in reads if reads else None,
        structured_output="structured_outputs" in takes if takes else None,
        task=_task(model, mistral),
    )


def _task(
    model: _OpenAIModel, mistral: _MistralCapabilities
) -> Literal["chat", "embeddings", "other"] | None:
    gives = model.architecture.output_modalities if model.architecture is not None else None
    if gives:
        return "chat" if "text" in gives else "embeddings" if "embeddings" in gives else "other"
    if mistral.completion_chat is not None:
        return "chat" if mistral.completion_chat else "embeddings" if "embed" in (model.id or "") else "other"
    return None


# ------------------------------------------------------------------ Gemini
class _GeminiModel(msgspec.Struct, rename="camel"):
    name: str | None = None
    display_name: str | None = None
    input_token_limit: Count | None = None
    output_token_limit: Count | None = None
    supported_generation_methods: list[str] | None = None
    thinking: bool | None = None


class _GeminiList(msgspec.Struct, rename="camel"):
    models: list[_GeminiModel] | None = None
    next_page_token: str | None = None


_GEMINI = msgspec.json.Decoder(_GeminiList)


def _gemini(body: bytes) -> ListPage:
    listed = tolerant.decode(_GEMINI, body)
    if listed is None or (listed.models is None and body.strip() != b"{}"):
        raise NotAList("its answer is no list of models")
    models = _named(
        ListedModel((m.name or "").removeprefix("models/"), _title(m.display_name), 0, _of_gemini(m))
        for m in listed.models or ()
    )
    token = listed.next_page_token
    return ListPage(models, _query(pageSize="1000", pageToken=token) if token else b"")


def _of_gemini(model: _GeminiModel) -> Capabilities:
    methods = model.supported_generation_methods
    task: Literal["chat", "embeddings", "other"] | None = None
    if methods is not None:
        embeds = "embedContent" in methods or "batchEmbedContents" in methods
        task = "chat" if "generateContent" in methods else "embeddings" if embeds else "other"
    return Capabilities(
        context_window=model.input_token_limit or None,
        max_output=model.output_token_limit or None,
        thinking="none" if model.thinking is False and task == "chat" else None,
        task=task,
    )


# ------------------------------------------------------------------ Amazon Bedrock
class _FoundationModel(msgspec.Struct, rename="camel"):
    model_id: str | None = None
    model_name: str | None = None
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None
    inference_types_supported: list[str] | None = None


class _InferenceProfile(msgspec.Struct, rename="camel"):
    inference_profile_id: str | None = None
    inference_profile_name: str | None = None
    created_at: str | None = None
    status: str | None = None


class _BedrockList(msgspec.Struct, rename="camel"):
    """ListFoundationModels has the first, ListInferenceProfiles the other two."""

    model_summaries: list[_FoundationModel] | None = None
    inference_profile_summaries: list[_InferenceProfile] | None = None
    next_token: str | None = None


_BEDROCK = msgspec.json.Decoder(_BedrockList)


def _bedrock(body: bytes) -> ListPage:
    listed = tolerant.decode(_BEDROCK, body)
    if listed is None:
        raise NotAList("its answer is no list of models")
    if listed.inference_profile_summaries is not None:
        profiles = _named(
            ListedModel(p.inference_profile_id or "", _title(p.inference_profile_name), _date(p.created_at))
            for p in listed.inference_profile_summaries
            if p.status in (None, "ACTIVE")
        )
        return ListPage(profiles, _query(nextToken=listed.next_token) if listed.next_token else b"")
    if listed.model_summaries is None:
        raise NotAList("its answer is no list of models")
    return ListPage(
        _named(
            ListedModel(m.model_id or "", _title(m.model_name), 0, _of_bedrock(m))
            for m in listed.model_summaries
            # The others answer only under the id of an inference profile, or on throughput that was bought.
            if m.inference_types_supported is None or "ON_DEMAND" in m.inference_types_supported
        )
    )


def _of_bedrock(model: _FoundationModel) -> Capabilities:
    reads, gives = model.input_modalities, model.output_modalities
    task: Literal["chat", "embeddings", "other"] | None = None
    if gives:
        task = "chat" if "TEXT" in gives else "embeddings" if "EMBEDDING" in gives else "other"
    return Capabilities(vision="IMAGE" in reads if reads else None, task=task)


# ------------------------------------------------------------------ what all have in common
def _named(models: Iterable[ListedModel]) -> tuple[ListedModel, ...]:
    """Those whose id can be asked for; the first of each."""
    found: dict[str, ListedModel] = {}
    for model in models:
        if _NAME.fullmatch(model.id) and model.id.isprintable():
            found.setdefault(model.id, model)
    return tuple(found.values())


def _title(name: str | None, model: str | None = None) -> str:
    """A name to show; empty where it is only the id again."""
    shown = "".join(c for c in name or "" if c.isprintable()).strip()[:_LONGEST_TITLE]
    return "" if shown == model else shown


def _date(text: str | None) -> int:
    if not text:
        return 0
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return _seconds(moment.timestamp())
    except (ValueError, OverflowError):
        return 0


def _seconds(stated: float | None) -> int:
    return int(stated) if stated is not None and 0 < stated < _LAST_SECOND else 0


def _query(**fields: str) -> bytes:
    return urlencode(fields).encode("ascii")


def _query_of(link: str) -> bytes:
    """A link's query alone: whatever it says, the next request goes to the same address."""
    try:
        query = urlsplit(link).query
        return query.encode("ascii") if query.isprintable() and " " not in query else b""
    except ValueError:  # UnicodeEncodeError is one
        return b""
