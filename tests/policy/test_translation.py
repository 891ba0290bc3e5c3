"""Models that are reached through a translation: which routes, in which order, for whom, and who may forbid it."""

import pytest

from tests.policy.documents import ANA, BOB, COMPANY, read
from waystation.model import Operation, Refusal, RefusalKind, Surface, Wire
from waystation.policy import Plan, Resolution, compile_plan

MIXED = """\
version: 1
providers:
  anth: {kind: anthropic, credential: env:A}
  oai: {kind: openai, credential: env:B}
  goog: {kind: google, credential: env:C}
models:
  claude-sonnet-5: {routes: [{provider: anth}]}
  gpt-5.5: {routes: [{provider: oai}]}
  gemini-2.5-pro: {routes: [{provider: goog}]}
  either:
    routes:
      - {provider: oai, model: gpt-5.5, weight: 1000}
      - {provider: anth, model: claude-sonnet-5}
      - {provider: goog, model: gemini-2.5-pro, priority: 1}
  "any-*": {routes: [{provider: anth, model: "claude-{model}"}]}
"""
_ORDER = (Wire.MESSAGES, Wire.RESPONSES, Wire.GENERATE, Wire.CHAT)


def translatable(source: Wire, targets: tuple[Wire, ...]) -> Wire | None:
    """As the translation itself says it, but for its order of preference."""
    if source in targets:
        return None
    return next((wire for wire in _ORDER if wire in targets), None)


def plan_of(text: str = MIXED) -> Plan:
    return compile_plan(read(text), version=1, translatable=translatable)


def resolved(plan: Plan, wire: Wire, model: str, operation: Operation = Operation.GENERATE) -> Resolution:
    answer = plan.resolve(BOB, wire, operation, model)
    assert isinstance(answer, Resolution), answer
    return answer


def refused(plan: Plan, wire: Wire, model: str) -> Refusal:
    answer = plan.resolve(BOB, wire, Operation.GENERATE, model)
    assert isinstance(answer, Refusal), answer
    return answer


@pytest.mark.parametrize("wire", [Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE])
@pytest.mark.parametrize(
    ("model", "spoken"),
    [
        ("claude-sonnet-5", Wire.MESSAGES),
        ("gpt-5.5", Wire.RESPONSES),
        ("gemini-2.5-pro", Wire.GENERATE),
    ],
)
def test_every_tool_reaches_every_model_in_a_protocol_of_its_provider(
    wire: Wire, model: str, spoken: Wire
) -> None:
    plan = plan_of()
    (route,) = resolved(plan, wire, model).routes
    native = wire in route.provider.wires
    assert route.native is native
    for stream in (False, True):
        endpoint = plan.endpoint(route, wire, Operation.GENERATE, stream)
        assert endpoint is not None
        assert endpoint.wire is (wire if native else spoken)


def test_a_translated_stream_of_gemini_is_asked_for_as_events() -> None:
    plan = plan_of()
    route = resolved(plan, Wire.MESSAGES, "gemini-2.5-pro").routes[0]
    streamed = plan.endpoint(route, Wire.MESSAGES, Operation.GENERATE, True)
    whole = plan.endpoint(route, Wire.MESSAGES, Operation.GENERATE, False)
    native = plan.endpoint(route, Wire.GENERATE, Operation.GENERATE, True)
    assert streamed is not None
    assert whole is not None
    assert native is not None
    assert streamed.target == b"/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    assert whole.target == b"/v1beta/models/gemini-2.5-pro:generateContent"
    assert native.target == b"/v1beta/models/gemini-2.5-pro:streamGenerateContent"


def test_within_a_priority_a_route_that_needs_no_translation_comes_first() -> None:
    plan = plan_of()
    assert [r.provider.id for r in resolved(plan, Wire.MESSAGES, "either").routes] == ["anth", "oai", "goog"]
    assert [r.provider.id for r in resolved(plan, Wire.GENERATE, "either").routes][-1] == "goog"


def test_the_priority_can_put_a_translated_route_first() -> None:
    plan = plan_of(
        MIXED.replace("{provider: anth, model: claude-sonnet-5}", "{provider: anth, model: x, priority: 1}")
    )
    order = resolved(plan, Wire.MESSAGES, "either").routes
    assert [(r.provider.id, r.native) for r in order] == [("oai", False), ("anth", True), ("goog", False)]


def test_counting_follows_the_request_and_embedding_is_not_translated() -> None:
    plan = plan_of()
    (route,) = resolved(plan, Wire.GENERATE, "claude-sonnet-5", Operation.COUNT_TOKENS).routes
    counter = plan.endpoint(route, Wire.GENERATE, Operation.COUNT_TOKENS, False)
    assert counter is not None
    assert (counter.wire, counter.target) == (Wire.MESSAGES, b"/v1/messages/count_tokens")
    for wire, model in ((Wire.GENERATE, "gpt-5.5"), (Wire.EMBEDDINGS, "claude-sonnet-5")):
        answer = plan.resolve(BOB, wire, Operation.EMBED, model)
        assert isinstance(answer, Refusal)
        assert answer.kind is RefusalKind.NO_ROUTE
        assert "translat" not in answer.message


def test_the_lists_show_what_can_be_reached() -> None:
    plan = plan_of()
    everything = ["claude-sonnet-5", "gpt-5.5", "gemini-2.5-pro", "either"]
    for surface in Surface:
        assert [m.id for m in plan.models_for(BOB, surface)] == everything


def test_only_models_that_one_may_use_are_shown_and_reached() -> None:
    plan = compile_plan(read(COMPANY), version=1, translatable=translatable)
    assert "gpt-5.5" not in [m.id for m in plan.models_for(BOB, Surface.ANTHROPIC)]
    assert "gpt-5.5" in [m.id for m in plan.models_for(ANA, Surface.ANTHROPIC)]
    assert refused(plan, Wire.MESSAGES, "gpt-5.5").kind is RefusalKind.MODEL_NOT_ALLOWED


def test_the_policy_can_forbid_translation_for_one_model() -> None:
    plan = plan_of(MIXED.replace("gpt-5.5: {routes", "gpt-5.5: {translation: never, routes"))
    refusal = refused(plan, Wire.MESSAGES, "gpt-5.5")
    assert refusal.kind is RefusalKind.NO_ROUTE
    assert refusal.rule == "models.gpt-5.5.translation"
    assert refusal.message == (
        "The model gpt-5.5 cannot be asked over Anthropic Messages: its providers speak OpenAI Responses, OpenAI "
        "Chat Completions and OpenAI Embeddings, and the policy does not let requests for it be translated. Over "
        "Anthropic Messages you can use claude-sonnet-5, gemini-2.5-pro, either or any-*."
    )
    assert resolved(plan, Wire.CHAT, "gpt-5.5")
    assert "gpt-5.5" not in [m.id for m in plan.models_for(BOB, Surface.ANTHROPIC)]
    assert resolved(plan, Wire.MESSAGES, "either").routes[1].provider.id == "oai"


def test_the_policy_can_forbid_translation_for_all_but_some() -> None:
    text = MIXED.replace("version: 1\n", "version: 1\ntranslation: never\n")
    plan = plan_of(text.replace("gpt-5.5: {routes", "gpt-5.5: {translation: allow, routes"))
    assert refused(plan, Wire.RESPONSES, "claude-sonnet-5").kind is RefusalKind.NO_ROUTE
    assert not resolved(plan, Wire.MESSAGES, "gpt-5.5").routes[0].native
    assert [r.provider.id for r in resolved(plan, Wire.MESSAGES, "either").routes] == ["anth"]


def test_a_pattern_is_translated_under_the_name_that_was_asked() -> None:
    (route,) = resolved(plan_of(), Wire.CHAT, "any-x").routes
    assert (route.model, route.native, route.id) == ("claude-any-x", False, "anth/claude-any-x")


def test_a_tool_starts_with_a_model_it_speaks_to_directly_where_there_is_one() -> None:
    defaults = plan_of().agent_defaults(BOB)
    chosen = {tool: (answer["model"], answer["wire"]) for tool, answer in defaults.items()}
    assert chosen["claude"] == ("claude-sonnet-5", Wire.MESSAGES)
    assert chosen["codex"] == ("gpt-5.5", Wire.RESPONSES)
    assert chosen["gemini"] == ("gemini-2.5-pro", Wire.GENERATE)
    assert chosen["qwen"] == ("gpt-5.5", Wire.CHAT)
    wires = {m["id"]: m["wires"] for m in defaults["opencode"]["models"]}  # type: ignore[attr-defined]  # JSON-like
    assert wires["claude-sonnet-5"] == [Wire.MESSAGES]  # not translated where it need not be
    assert wires["gpt-5.5"] == [Wire.CHAT]
    assert wires["gemini-2.5-pro"] == [Wire.CHAT, Wire.MESSAGES]


def test_a_tool_whose_vendor_is_missing_starts_with_what_there_is() -> None:
    text = """\
version: 1
providers: {anth: {kind: anthropic, credential: env:A}}
models:
  claude-sonnet-5: {routes: [{provider: anth}]}
"""
    defaults = plan_of(text).agent_defaults(BOB)
    assert {answer["model"] for answer in defaults.values()} == {"claude-sonnet-5"}
    assert "codex" in defaults


def test_capabilities_come_from_the_policy_before_our_table() -> None:
    text = """\
version: 1
providers: {p: {kind: openai-compatible, base_url: "http://127.0.0.1:9/v1"}}
models:
  claude-sonnet-4-5:
    max_output: 8000
    capabilities: {vision: false}
    routes: [{provider: p}]
  mine: {context_window: 32000, capabilities: {thinking: effort, tools: true}, routes: [{provider: p}]}
  "gpt-*": {routes: [{provider: p}]}
"""
    plan = plan_of(text)
    claude = resolved(plan, Wire.CHAT, "claude-sonnet-4-5").routes[0].capabilities
    assert (claude.max_output, claude.vision, claude.context_window) == (8000, False, 200_000)
    assert (claude.thinking, claude.forced_tools_with_thinking) == ("budget", False)
    mine = resolved(plan, Wire.CHAT, "mine").routes[0].capabilities
    assert (mine.context_window, mine.thinking, mine.tools, mine.vision) == (32_000, "effort", True, None)
    pattern = resolved(plan, Wire.CHAT, "gpt-5.4-mini").routes[0].capabilities
    assert (pattern.context_window, pattern.max_output, pattern.sampling) == (400_000, 128_000, False)
    (listed, *_) = plan.models_for(BOB, Surface.OPENAI)
    assert (listed.context_window, listed.max_output) == (200_000, 8000)
