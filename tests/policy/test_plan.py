"""The plan's answers: which routes, for whom, over which protocol; and the sentences of a refusal."""

import pytest

from tests.policy.documents import ANA, BOB, COMPANY, MEL, plan_of
from waystation.model import Operation, Principal, Refusal, RefusalKind, Surface, Wire
from waystation.policy import Endpoint, Plan, Resolution


def allowed(
    plan: Plan, who: Principal, wire: Wire, model: str, operation: Operation = Operation.GENERATE
) -> Resolution:
    answer = plan.resolve(who, wire, operation, model)
    assert isinstance(answer, Resolution), answer
    return answer


def refused(plan: Plan, who: Principal, wire: Wire, model: str) -> Refusal:
    answer = plan.resolve(who, wire, Operation.GENERATE, model)
    assert isinstance(answer, Refusal), answer
    assert plan.resolve(who, wire, Operation.GENERATE, model) == answer
    return answer


def routes(resolution: Resolution) -> list[str]:
    return [r.id for r in resolution.routes]


def endpoint(plan: Plan, resolution: Resolution, wire: Wire, stream: bool = False) -> Endpoint:
    found = plan.endpoint(resolution.routes[0], wire, Operation.GENERATE, stream)
    assert found is not None
    return found


def test_exact_names_come_before_aliases_before_patterns() -> None:
    plan = plan_of()
    assert allowed(plan, BOB, Wire.MESSAGES, "claude-sonnet-5").rule == "models.claude-sonnet-5"
    assert allowed(plan, BOB, Wire.MESSAGES, "sonnet").model_id == "claude-sonnet-5"
    other = allowed(plan, BOB, Wire.MESSAGES, "claude-instant")
    assert (other.rule, other.model_id, routes(other)) == (
        "models.claude-*",
        "claude-instant",
        ["anthropic/claude-instant"],
    )
    assert allowed(plan, MEL, Wire.MESSAGES, "claude-opus-9").rule == "models.claude-opus-*.groups"


def test_the_most_precise_pattern_wins_wherever_it_stands() -> None:
    text = """\
version: 1
providers: {p: {kind: ollama}}
models:
  "*": {routes: [{provider: p, model: any}]}
  "qwen*": {routes: [{provider: p, model: qwen}]}
  "*-coder": {routes: [{provider: p, model: coder}]}
  "qwen*-coder": {routes: [{provider: p, model: both}]}
"""
    plan = plan_of(text)
    asked = ["llama", "qwen3", "deepseek-coder", "qwen3-coder"]
    assert [routes(allowed(plan, BOB, Wire.CHAT, m)) for m in asked] == [
        ["p/any"],
        ["p/qwen"],
        ["p/coder"],
        ["p/both"],
    ]


def test_the_asked_name_can_be_a_part_of_the_providers_own() -> None:
    text = """\
version: 1
providers: {p: {kind: ollama}}
models:
  "claude-*": {routes: [{provider: p, model: "anthropic/{model}"}]}
  tiny: {routes: [{provider: p, model: "lab/{model}-1b"}]}
"""
    plan = plan_of(text)
    assert routes(allowed(plan, BOB, Wire.CHAT, "claude-x")) == ["p/anthropic/claude-x"]
    assert routes(allowed(plan, BOB, Wire.CHAT, "tiny")) == ["p/lab/tiny-1b"]


def test_groups_come_from_the_token_and_from_the_policy() -> None:
    plan = plan_of()
    for who in (ANA, MEL):  # a member by the policy (whatever the case of the address), and by the directory
        resolution = allowed(plan, who, Wire.RESPONSES, "gpt-5.5")
        assert resolution.rule == "models.gpt-5.5.groups"
        assert routes(resolution) == ["openai/gpt-5.5", "azure/acme-gpt"]  # by priority
    assert refused(plan, BOB, Wire.RESPONSES, "gpt-5.5").kind is RefusalKind.MODEL_NOT_ALLOWED
    assert refused(plan, ANA, Wire.MESSAGES, "claude-opus-5").kind is RefusalKind.MODEL_NOT_ALLOWED


def test_a_refused_person_learns_who_has_it_whom_to_ask_and_what_to_use_instead() -> None:
    refusal = refused(plan_of(), BOB, Wire.MESSAGES, "claude-opus-5")
    assert refusal.message == (
        "The model claude-opus-5 is only for the group ml, which you are not in. "
        "Ask #ai-platform for access, or use claude-sonnet-5, claude-haiku-4-5 or claude-*."
    )
    assert refusal.rule == "models.claude-opus-*.groups"
    assert refusal.param == "model"
    assert refused(plan_of(), BOB, Wire.RESPONSES, "gpt-5.5").message == (
        "The model gpt-5.5 is only for the groups platform or ml, which you are not in. Ask #ai-platform for access."
    )


def test_a_mistyped_model_is_answered_with_the_nearest_one_may_use() -> None:
    plan = plan_of()
    refusal = refused(plan, BOB, Wire.MESSAGES, "cluade-sonet-5")
    assert refusal.kind is RefusalKind.UNKNOWN_MODEL
    assert refusal.message == (
        "There is no model “cluade-sonet-5” here. Did you mean claude-sonnet-5? GET /anthropic/v1/models lists yours."
    )
    assert "gpt-5.5" in refused(plan, ANA, Wire.CHAT, "gtp-5.5").message
    assert "gpt-5.5" not in refused(plan, BOB, Wire.CHAT, "gtp-5.5").message  # not his to use


def test_a_model_that_speaks_another_protocol_says_which() -> None:
    refusal = refused(plan_of(), ANA, Wire.MESSAGES, "gpt-5.5")
    assert refusal.kind is RefusalKind.NO_ROUTE
    assert refusal.message == (
        "The model gpt-5.5 cannot be asked over Anthropic Messages: its providers speak OpenAI Responses, "
        "OpenAI Chat Completions and OpenAI Embeddings. Over Anthropic Messages you can use claude-sonnet-5, "
        "claude-haiku-4-5 or claude-*."
    )


@pytest.mark.parametrize(
    "name", ["", "x" * 300, "claude-\n", "claude-\x00x", "claude-\u202ex", "\ud800claude"]
)
def test_names_that_no_model_can_have_are_refused_and_shown_harmlessly(name: str) -> None:
    refusal = refused(plan_of(), BOB, Wire.MESSAGES, name)
    assert refusal.kind is RefusalKind.UNKNOWN_MODEL
    assert refusal.message.isprintable()
    assert len(refusal.message) < 300


def test_by_default_closed_means_only_what_names_a_group() -> None:
    text = COMPANY.replace("access:\n", "access:\n  default: deny\n").replace(
        '"gemini-*": {', '"gemini-*": {groups: [everyone], '
    )
    plan = plan_of(text)
    assert allowed(plan, BOB, Wire.GENERATE, "gemini-2.5-pro").rule == "models.gemini-*.groups"
    refusal = refused(plan, BOB, Wire.MESSAGES, "claude-sonnet-5")
    assert refusal.rule == "access.default"
    assert (
        refusal.message
        == "The model claude-sonnet-5 is not open to anybody yet. Ask #ai-platform for access."
    )
    assert allowed(plan, MEL, Wire.MESSAGES, "claude-opus-5")


def test_lower_priorities_come_first() -> None:
    text = """\
version: 1
providers: {a: {kind: ollama}, b: {kind: ollama}, c: {kind: ollama}}
models:
  m:
    routes:
      - {provider: c, priority: 1}
      - {provider: a, weight: 3}
      - {provider: b, weight: 1}
"""
    resolution = allowed(plan_of(text), BOB, Wire.CHAT, "m")
    assert [r.weight for r in resolution.routes] == [3, 1, 1]
    assert routes(resolution) == ["a/m", "b/m", "c/m"]


def test_endpoints_are_ready_to_send() -> None:
    text = """\
version: 1
providers:
  lab: {kind: openai-compatible, base_url: "http://[::1]:8000/v1/", headers: {X-Team: ai}}
  far: {kind: openai-compatible, base_url: https://far.example/api, paths: {openai.chat: /go}}
models:
  lab-model: {routes: [{provider: lab}]}
  far-model: {routes: [{provider: far}]}
"""
    plan = plan_of(text)
    near = endpoint(plan, allowed(plan, BOB, Wire.CHAT, "lab-model"), Wire.CHAT, stream=True)
    assert near == Endpoint(
        host="::1",
        port=8000,
        tls=False,
        target=b"/v1/chat/completions",
        wire=Wire.CHAT,
        headers=((b"x-team", b"ai"),),
        authority=b"[::1]:8000",
    )
    far = endpoint(plan, allowed(plan, BOB, Wire.CHAT, "far-model"), Wire.CHAT)
    assert (far.host, far.port, far.tls, far.target, far.authority) == (
        "far.example",
        443,
        True,
        b"/api/go",
        b"far.example",
    )
    assert far.target_with(b"beta=true") == b"/api/go?beta=true"
    assert far.target_with(b"") == b"/api/go"


def test_the_built_in_kinds_have_the_vendors_addresses() -> None:
    plan = plan_of()
    messages = allowed(plan, BOB, Wire.MESSAGES, "claude-sonnet-5")
    assert endpoint(plan, messages, Wire.MESSAGES).target == b"/v1/messages"
    count = plan.endpoint(messages.routes[0], Wire.MESSAGES, Operation.COUNT_TOKENS, False)
    assert count is not None
    assert count.target == b"/v1/messages/count_tokens"
    gpt = allowed(plan, ANA, Wire.RESPONSES, "gpt-5.5")
    assert endpoint(plan, gpt, Wire.RESPONSES).target == b"/v1/responses"
    assert endpoint(plan, gpt, Wire.CHAT).target == b"/v1/chat/completions"


def test_azure_has_the_v1_api_and_dated_deployment_paths() -> None:
    dated = plan_of()
    route = allowed(dated, ANA, Wire.CHAT, "gpt-5.5").routes[1]
    chat = dated.endpoint(route, Wire.CHAT, Operation.GENERATE, True)
    responses = dated.endpoint(route, Wire.RESPONSES, Operation.GENERATE, True)
    assert chat is not None
    assert responses is not None
    assert chat.target == b"/openai/deployments/acme-gpt/chat/completions?api-version=2024-10-21"
    assert chat.target_with(b"x=1").endswith(b"?api-version=2024-10-21&x=1")
    assert responses.target == b"/openai/responses?api-version=2024-10-21"
    v1 = plan_of(COMPANY.replace("    api_version: 2024-10-21\n", ""))
    plain = v1.endpoint(
        route=allowed(v1, ANA, Wire.CHAT, "gpt-5.5").routes[1],
        wire=Wire.CHAT,
        operation=Operation.GENERATE,
        stream=False,
    )
    assert plain is not None
    assert plain.target == b"/openai/v1/chat/completions"


def test_geminis_paths_name_the_model_safely() -> None:
    plan = plan_of()
    pro = allowed(plan, BOB, Wire.GENERATE, "gemini-2.5-pro")
    assert endpoint(plan, pro, Wire.GENERATE).target == b"/v1beta/models/gemini-2.5-pro:generateContent"
    assert endpoint(plan, pro, Wire.GENERATE, stream=True).target == (
        b"/v1beta/models/gemini-2.5-pro:streamGenerateContent"
    )
    embed = [
        plan.endpoint(pro.routes[0], Wire.GENERATE, Operation.EMBED, False, action)
        for action in ("embedContent", "batchEmbedContents")
    ]
    assert [e.target.rpartition(b":")[2] if e else None for e in embed] == [
        b"embedContent",
        b"batchEmbedContents",
    ]
    odd = allowed(plan, BOB, Wire.GENERATE, "gemini-/../../x?key=1#y")
    assert endpoint(plan, odd, Wire.GENERATE).target == (
        b"/v1beta/models/gemini-%2F..%2F..%2Fx%3Fkey%3D1%23y:generateContent"
    )


def test_counting_is_let_through_even_where_no_provider_counts() -> None:
    plan = plan_of()
    resolution = allowed(plan, ANA, Wire.CHAT, "gpt-5.5", Operation.COUNT_TOKENS)
    assert plan.endpoint(resolution.routes[0], Wire.CHAT, Operation.COUNT_TOKENS, False) is None


def test_what_cannot_embed_is_not_asked_to() -> None:
    plan = plan_of()
    answer = plan.resolve(BOB, Wire.MESSAGES, Operation.EMBED, "claude-sonnet-5")
    assert isinstance(answer, Refusal)
    assert answer.kind is RefusalKind.NO_ROUTE
    assert allowed(plan, ANA, Wire.EMBEDDINGS, "gpt-5.5", Operation.EMBED)


def test_a_person_is_shown_the_models_they_may_use_on_each_surface() -> None:
    plan = plan_of()
    assert [m.id for m in plan.models_for(BOB, Surface.ANTHROPIC)] == ["claude-sonnet-5", "claude-haiku-4-5"]
    assert [m.id for m in plan.models_for(BOB, Surface.OPENAI)] == []
    assert [m.id for m in plan.models_for(ANA, Surface.OPENAI)] == ["gpt-5.5"]
    assert plan.models_for(BOB, Surface.ANTHROPIC)[0].max_output == 64_000


def test_each_tool_starts_with_a_model_its_person_may_use() -> None:
    plan = plan_of()
    bob, ana = plan.agent_defaults(BOB), plan.agent_defaults(ANA)
    assert (bob["claude"]["model"], bob["claude"]["small_model"]) == ("claude-sonnet-5", "claude-haiku-4-5")
    assert "codex" not in bob
    assert (ana["codex"]["model"], ana["codex"]["wire"]) == ("gpt-5.5", "openai.responses")
    assert ana["opencode"]["model"] == "claude-sonnet-5"
    wires = {m["id"]: m["wires"] for m in ana["opencode"]["models"]}  # type: ignore[attr-defined]  # JSON-like
    assert wires == {
        "claude-sonnet-5": ["anthropic.messages"],
        "claude-haiku-4-5": ["anthropic.messages"],
        "gpt-5.5": ["openai.chat"],
    }


def test_without_a_hint_a_tool_starts_with_its_own_vendors_model() -> None:
    text = """\
version: 1
providers: {r: {kind: rehearsal, base_url: http://127.0.0.1:9}}
models:
  gpt-5.4: {routes: [{provider: r}]}
  gemini-2.5-pro: {routes: [{provider: r}]}
  claude-x: {routes: [{provider: r}]}
  mine: {routes: [{provider: r}], agents: [aider]}
"""
    chosen = {tool: answer["model"] for tool, answer in plan_of(text).agent_defaults(BOB).items()}
    assert (chosen["claude"], chosen["codex"], chosen["gemini"]) == ("claude-x", "gpt-5.4", "gemini-2.5-pro")
    assert (chosen["pi"], chosen["aider"]) == ("gpt-5.4", "mine")


def test_what_the_policy_adds_to_a_persons_standing() -> None:
    plan = plan_of()
    ana = plan.standing(ANA)
    assert (ana.groups, ana.roles, ana.cost_center) == (
        frozenset({"platform"}),
        frozenset({"member", "finance"}),
        "4711",
    )
    assert plan.standing(MEL).cost_center == "0815"  # the directory's word comes first
    assert plan.standing(BOB).groups == frozenset()


def test_answers_do_not_leak_between_people_with_different_groups() -> None:
    plan = plan_of()
    for _ in range(2):
        assert isinstance(plan.resolve(MEL, Wire.RESPONSES, Operation.GENERATE, "gpt-5.5"), Resolution)
        assert isinstance(plan.resolve(BOB, Wire.RESPONSES, Operation.GENERATE, "gpt-5.5"), Refusal)
    irrelevant = Principal(id="u9", name="zoe@example.com", groups=frozenset({"hr", "sales"}))
    assert plan.resolve(irrelevant, Wire.MESSAGES, Operation.GENERATE, "sonnet") is plan.resolve(
        BOB, Wire.MESSAGES, Operation.GENERATE, "sonnet"
    )


def test_names_and_groups_from_outside_cannot_grow_the_plan_without_bound() -> None:
    plan = plan_of()
    for i in range(4_500):
        resolution = allowed(plan, BOB, Wire.GENERATE, f"gemini-{i}")
        endpoint(plan, resolution, Wire.GENERATE)
        plan.resolve(
            Principal(id="x", name="x", groups=frozenset({f"g{i}"})), Wire.MESSAGES, Operation.GENERATE, "m"
        )
    assert len(plan._view(BOB).answers) <= 4_096
    assert len(plan._view_of) <= 4_096
    assert len(plan._views) <= 2
    assert len(plan._endpoints._filled) <= 4_096
    assert allowed(plan, BOB, Wire.GENERATE, "gemini-0")


def test_a_provider_without_a_credential_sends_none() -> None:
    text = """\
version: 1
providers:
  open: {kind: openai-compatible, base_url: http://h/v1}
  kept: {kind: openai-compatible, base_url: http://h/v1, credential: env:KEY}
"""
    providers = plan_of(text).providers
    assert (providers["open"].auth, providers["kept"].auth) == ("none", "bearer")
    assert providers["kept"].credential == "env:KEY"
    assert providers["open"].base_url == "http://h/v1"
