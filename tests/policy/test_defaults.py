"""The policy before anybody wrote one."""

import pytest

from tests.policy.documents import BOB
from waystation.model import AuthScheme, Operation, Refusal, Surface, Wire
from waystation.policy import Plan, Resolution, compile_plan, default_policy, load
from waystation.pricing import PriceBook
from waystation.wire.translate import translatable

REHEARSAL = "http://127.0.0.1:4711"
NOW_US = 1_795_521_600_000_000


def plan_for(env: dict[str, str], url: str = REHEARSAL) -> Plan:
    document = load(default_policy(env, url), filename="embedded default")
    return compile_plan(document, version=0, prices=PriceBook.builtin(), rehearsal_url=REHEARSAL)


def provider_of(plan: Plan, wire: Wire, model: str) -> str | None:
    answer = plan.resolve(BOB, wire, Operation.GENERATE, model)
    return None if isinstance(answer, Refusal) else answer.routes[0].id


def test_without_keys_the_rehearsal_provider_answers_everything_and_says_so() -> None:
    plan = plan_for({"HOME": "/root", "ANTHROPIC_API_KEY": ""})
    assert {p.kind for p in plan.providers.values()} == {"rehearsal"}
    for surface in Surface:
        entries = plan.models_for(BOB, surface)
        assert {"claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5.4", "gemini-2.5-pro"} <= {
            e.id for e in entries
        }
        assert all(e.display_name.endswith("(rehearsal)") for e in entries)
    for model in ("claude-opus-5", "gpt-5.9-codex", "gemini-9-flash", "text-embedding-3-small"):
        assert provider_of(plan, Wire.CHAT, model) == f"rehearsal/{model}"
    assert "REHEARSAL" in default_policy({}, REHEARSAL)
    answer = plan.resolve(BOB, Wire.MESSAGES, Operation.GENERATE, "claude-sonnet-4-5")
    assert isinstance(answer, Resolution)
    endpoint = plan.endpoint(answer.routes[0], Wire.MESSAGES, Operation.GENERATE, True)
    assert endpoint is not None
    assert (endpoint.host, endpoint.port, endpoint.target) == ("127.0.0.1", 4711, b"/anthropic/v1/messages")


def test_rehearsed_usage_is_priced_like_the_model_it_stands_in_for() -> None:
    plan = plan_for({})
    book = PriceBook.builtin(plan.price_overrides)
    for _, route in plan.named_routes():
        assert book.rates_for(route, NOW_US) is not None


def test_every_tool_can_start_on_the_default() -> None:
    chosen = plan_for({}).agent_defaults(BOB)
    models = {tool: chosen[tool]["model"] for tool in ("claude", "codex", "gemini", "opencode")}
    assert models == {
        "claude": "claude-sonnet-4-5",
        "codex": "gpt-5.4",
        "gemini": "gemini-2.5-pro",
        "opencode": "claude-sonnet-4-5",
    }
    assert chosen["claude"]["small_model"] == "claude-haiku-4-5"


@pytest.mark.parametrize(
    ("env", "wire", "model", "served_by"),
    [
        ({"ANTHROPIC_API_KEY": "k"}, Wire.MESSAGES, "claude-what-ever", "anthropic/claude-what-ever"),
        ({"OPENAI_API_KEY": "k"}, Wire.RESPONSES, "gpt-5.4", "openai/gpt-5.4"),
        ({"GEMINI_API_KEY": "k"}, Wire.GENERATE, "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ({"GOOGLE_API_KEY": "k"}, Wire.GENERATE, "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ({"OPENROUTER_API_KEY": "k"}, Wire.CHAT, "qwen/qwen3-coder", "openrouter/qwen/qwen3-coder"),
        (
            {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com/"},
            Wire.RESPONSES,
            "gpt-5.4",
            "azure/gpt-5.4",
        ),
    ],
)
def test_each_key_that_is_found_opens_its_provider(
    env: dict[str, str], wire: Wire, model: str, served_by: str
) -> None:
    plan = plan_for(env)
    assert provider_of(plan, wire, model) == served_by
    assert all(p.kind != "rehearsal" for p in plan.providers.values())
    [provider] = plan.providers.values()
    assert provider.credential == f"env:{next(iter(env))}"


@pytest.mark.parametrize(
    ("env", "credential", "auth"),
    [
        ({"AWS_BEARER_TOKEN_BEDROCK": "k"}, "env:AWS_BEARER_TOKEN_BEDROCK", AuthScheme.BEARER),
        (
            {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"},
            "aws:env",
            AuthScheme.SIGV4,
        ),
        ({"CLAUDE_CODE_USE_BEDROCK": "true", "AWS_PROFILE": "team"}, "aws:default", AuthScheme.SIGV4),
    ],
)
def test_bedrock_is_opened_by_what_is_clearly_meant_for_it(
    env: dict[str, str], credential: str, auth: AuthScheme
) -> None:
    plan = plan_for(env | {"AWS_REGION": "eu-central-1"})
    [provider] = plan.providers.values()
    assert (provider.kind, provider.credential, provider.auth) == ("bedrock", credential, auth)
    assert provider.base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    book = PriceBook.builtin(plan.price_overrides)
    assert [route.id for _, route in plan.named_routes() if book.rates_for(route, NOW_US) is None] == []
    document = load(default_policy(env | {"AWS_REGION": "eu-central-1"}, ""), filename="embedded default")
    translated = compile_plan(document, version=0, translatable=translatable)
    for tool in ("claude", "codex", "gemini", "opencode"):
        assert tool in translated.agent_defaults(BOB)
    assert translated.agent_defaults(BOB)["claude"]["model"] == "claude-sonnet-5"


@pytest.mark.parametrize(
    "env",
    [
        {"AWS_BEARER_TOKEN_BEDROCK": "k"},
        {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-central-1"},
        {"CLAUDE_CODE_USE_BEDROCK": "0", "AWS_PROFILE": "team", "AWS_REGION": "eu-central-1"},
        {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-central-1"},
    ],
)
def test_aws_credentials_that_may_be_for_anything_open_nothing(env: dict[str, str]) -> None:
    assert {p.kind for p in plan_for(env).providers.values()} == {"rehearsal"}


def test_bedrock_beside_anthropics_own_key_serves_its_own_names_only() -> None:
    env = {"ANTHROPIC_API_KEY": "a", "AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "us-east-1"}
    plan = plan_for(env)
    assert provider_of(plan, Wire.MESSAGES, "claude-sonnet-5") == "anthropic/claude-sonnet-5"
    assert list(plan.providers) == ["anthropic", "bedrock"]


def test_several_keys_open_several_providers_each_with_known_prices() -> None:
    plan = plan_for({"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "b", "GEMINI_API_KEY": "c"})
    assert list(plan.providers) == ["anthropic", "openai", "google"]
    book = PriceBook.builtin(plan.price_overrides)
    unpriced = [route.id for _, route in plan.named_routes() if book.rates_for(route, NOW_US) is None]
    assert unpriced == []
    assert {"claude", "codex", "gemini", "opencode"} <= plan.agent_defaults(BOB).keys()


def test_no_key_is_ever_copied_into_the_text() -> None:
    env = {
        name: f"cAnArY-{name}"
        for name in (
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "OPENROUTER_API_KEY",
            "AWS_BEARER_TOKEN_BEDROCK",
        )
    }
    env["AWS_REGION"] = "eu-central-1"
    assert "cAnArY" not in default_policy(env, REHEARSAL)


def test_azures_endpoint_and_version_come_from_the_environment() -> None:
    env = {
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com/openai/v1/",
        "OPENAI_API_VERSION": "2024-10-21",
    }
    plan = plan_for(env)
    assert plan.providers["azure"].base_url == "https://a.openai.azure.com"
    assert plan.providers["azure"].paths["openai.chat"].endswith("api-version=2024-10-21")


def test_the_default_without_an_address_finds_the_gateways_own_rehearsal_provider() -> None:
    text = default_policy({}, "")
    assert "base_url" not in text
    plan = plan_for({}, url="")
    assert plan.providers["rehearsal"].base_url == REHEARSAL
    nowhere = compile_plan(load(text, filename="x"), version=0)
    answer = nowhere.resolve(BOB, Wire.CHAT, Operation.GENERATE, "gpt-5.4")
    assert isinstance(answer, Resolution)
    assert nowhere.endpoint(answer.routes[0], Wire.CHAT, Operation.GENERATE, False) is None
