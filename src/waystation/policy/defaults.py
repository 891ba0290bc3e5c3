"""The policy that is in force until somebody writes one."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class _Starter(NamedTuple):
    """What a provider brings into the default policy."""

    provider: str
    kind: str
    models: tuple[tuple[str, str, str], ...]
    """Name, display name, `agents` hints. The first of a vendor is its tools' default."""
    patterns: tuple[str, ...]
    """Every other model of the vendor passes under its own name."""
    ids: tuple[str, ...] = ()
    """The provider's own ids of `models`, where they are called otherwise there."""


_ANTHROPIC = _Starter(
    "anthropic",
    "anthropic",
    (
        ("claude-sonnet-5", "Claude Sonnet 5", "claude, opencode"),
        ("claude-opus-5-5", "Claude Opus 5.5", ""),
        ("claude-haiku-4-5", "Claude Haiku 4.5", "claude/small, opencode/small"),
    ),
    ("claude-*",),
)
_OPENAI = _Starter(
    "openai",
    "openai",
    (
        ("gpt-5.5", "GPT-5.5", "codex"),
        ("gpt-5.4", "GPT-5.4", ""),
        ("gpt-5.4-mini", "GPT-5.4 mini", "codex/small"),
    ),
    ("gpt-*", "o1*", "o3*", "o4*", "codex-*", "chatgpt-*", "text-embedding-*"),
)
_GOOGLE = _Starter(
    "google",
    "google",
    (
        ("gemini-2.5-pro", "Gemini 2.5 Pro", "gemini"),
        ("gemini-2.5-flash", "Gemini 2.5 Flash", "gemini/small"),
    ),
    ("gemini-*",),
)
_BEDROCK = _Starter(
    "bedrock",
    "bedrock",
    _ANTHROPIC.models,
    ("anthropic.*", "*.anthropic.*", "amazon.nova-*", "*.amazon.nova-*"),
    (
        "global.anthropic.claude-sonnet-5",
        "global.anthropic.claude-opus-5-5",
        "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    ),
)
_REHEARSED = (
    ("anthropic", "claude-sonnet-4-5", "Claude Sonnet 4.5", "claude, opencode"),
    ("anthropic", "claude-haiku-4-5", "Claude Haiku 4.5", "claude/small, opencode/small"),
    ("openai", "gpt-5.4", "GPT-5.4", "codex"),
    ("openai", "gpt-5.4-mini", "GPT-5.4 mini", "codex/small"),
    ("google", "gemini-2.5-pro", "Gemini 2.5 Pro", "gemini"),
    ("google", "gemini-2.5-flash", "Gemini 2.5 Flash", "gemini/small"),
)

_REHEARSED_PATTERNS = (
    ("anthropic", "claude-*", "Any Claude"),
    ("openai", "gpt-*", "Any GPT"),
    ("openai", "o3*", "o3"),
    ("openai", "o4*", "o4"),
    ("openai", "text-embedding-*", "OpenAI embeddings"),
    ("google", "gemini-*", "Any Gemini"),
)
_FOUND_HEADER = """\
# Waystation's embedded default: no policy has been applied yet, so every provider whose key was found in the
# environment is open to everyone who signs in. To govern it: `waystation policy show > policy.yaml`, edit,
# `waystation policy check policy.yaml`, `waystation policy apply policy.yaml`.
"""
_REHEARSAL_HEADER = """\
# Waystation's embedded default: no policy has been applied yet, and no provider's key was found in the
# environment (ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY, AZURE_OPENAI_API_KEY with
# AZURE_OPENAI_ENDPOINT, or AWS_BEARER_TOKEN_BEDROCK with AWS_REGION). So the REHEARSAL provider answers: scripted
# text, no model; nothing leaves this machine, and nobody is billed. Its usage is priced like the model it stands in
# for, so that the reports have something to show.
"""


_ACCESS = "access:\n  default: allow\n"


def default_policy(env: Mapping[str, str], rehearsal_url: str) -> str:
    """The YAML text of the embedded default: a provider for each key in `env`, else the rehearsal provider.

    Only names of environment variables go into the text, never their values. An empty `rehearsal_url` leaves
    it to `compile_plan`, so that the text outlives this run of the gateway.
    """
    sections = list(_found(env))
    if not sections:
        return _rehearsal(rehearsal_url)
    providers = "".join(provider for provider, _ in sections)
    models = "".join(models for _, models in sections)
    return f"{_FOUND_HEADER}version: 1\n\nproviders:\n{providers}\nmodels:\n{models}\n{_ACCESS}"


def _found(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(providers entry, models entries) for each account that the environment holds the key of."""
    if env.get("ANTHROPIC_API_KEY"):
        yield _section(_ANTHROPIC, "env:ANTHROPIC_API_KEY")
    azure = bool(env.get("AZURE_OPENAI_API_KEY") and env.get("AZURE_OPENAI_ENDPOINT"))
    if env.get("OPENAI_API_KEY"):
        yield _section(_OPENAI, "env:OPENAI_API_KEY")
    elif azure:
        base_url = env["AZURE_OPENAI_ENDPOINT"].rstrip("/").removesuffix("/openai/v1").removesuffix("/openai")
        extra = f"    base_url: {_quote(base_url)}\n"
        if version := env.get("AZURE_OPENAI_API_VERSION") or env.get("OPENAI_API_VERSION"):
            extra += f"    api_version: {_quote(version)}\n"
        starter = _OPENAI._replace(provider="azure", kind="azure-openai")
        yield _section(starter, "env:AZURE_OPENAI_API_KEY", extra)
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        if env.get(name):
            yield _section(_GOOGLE, f"env:{name}")
            break
    if env.get("OPENROUTER_API_KEY"):
        # OpenRouter's names are `vendor/model`, so they never meet the patterns above.
        yield _section(_Starter("openrouter", "openrouter", (), ("*/*",)), "env:OPENROUTER_API_KEY")
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    credential = _aws_credential(env)
    if region and credential:
        starter = _BEDROCK._replace(models=()) if env.get("ANTHROPIC_API_KEY") else _BEDROCK
        yield _section(starter, credential, f"    region: {_quote(region)}\n")


def _aws_credential(env: Mapping[str, str]) -> str | None:
    """A key that is only for Bedrock; or AWS credentials, which are for anything, where Claude Code's own switch
    says that they are for models."""
    if env.get("AWS_BEARER_TOKEN_BEDROCK"):
        return "env:AWS_BEARER_TOKEN_BEDROCK"
    meant = env.get("CLAUDE_CODE_USE_BEDROCK", "").lower() in ("1", "true", "yes", "on")
    if not meant:
        return None
    keys = env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY")
    return "aws:env" if keys else "aws:default" if env.get("AWS_PROFILE") else None


def _section(starter: _Starter, credential: str, extra: str = "") -> tuple[str, str]:
    provider = f"  {starter.provider}:\n    kind: {starter.kind}\n{extra}    credential: {credential}\n"
    models = ""
    for i, (name, display_name, agents) in enumerate(starter.models):
        own_id = f", model: {_quote(starter.ids[i])}" if starter.ids else ""
        models += f"  {name}:\n    display_name: {display_name}\n"
        if agents:
            models += f"    agents: [{agents}]\n"
        models += f"    routes: [{{provider: {starter.provider}{own_id}}}]\n"
    for pattern in starter.patterns:
        models += f"  {_quote(pattern)}:\n    routes: [{{provider: {starter.provider}}}]\n"
    return provider, models


def _rehearsal(url: str) -> str:
    provider = "  rehearsal:\n    kind: rehearsal\n"
    if url:
        provider += f"    base_url: {_quote(url)}\n"
    text = f"{_REHEARSAL_HEADER}version: 1\n\nproviders:\n{provider}\nmodels:\n"
    for vendor, name, display_name, agents in _REHEARSED:
        text += (
            f"  {name}:\n    display_name: {display_name} (rehearsal)\n    agents: [{agents}]\n"
            f"    routes: [{{provider: rehearsal}}]\n    price: {{same_as: {vendor}}}\n"
        )
    for vendor, pattern, display_name in _REHEARSED_PATTERNS:
        text += (
            f"  {_quote(pattern)}:\n    display_name: {display_name} (rehearsal)\n"
            f"    routes: [{{provider: rehearsal}}]\n    price: {{same_as: {vendor}}}\n"
        )
    return text + "\n" + _ACCESS


def _quote(text: str) -> str:
    """A double-quoted YAML scalar."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
