"""Smart routes and routing rules: what a policy can say of them, and what a plan makes of it."""

import pytest

from tests.policy.documents import faults, read
from waystation.model import Operation, Principal, Refusal, Surface, Wire
from waystation.policy import Circumstances, Plan, Resolution, compile_plan

POLICY = """\
version: 1
providers:
  anthropic: {kind: anthropic, credential: "env:A"}
  openai: {kind: openai, credential: "env:O"}
models:
  auto:
    aliases: [smart]
    choose:
      - {side_call: [title, check], model: small}
      - {prompt_over: 100000, model: large}
      - {agents: [codex], tools: true, model: gpt}
      - {groups: [research], model: [secret, large]}
      - {model: [large, gpt], by: latency}
  small: {routes: [{provider: anthropic, model: claude-haiku-4-5}]}
  large: {routes: [{provider: anthropic, model: claude-sonnet-5}]}
  gpt: {routes: [{provider: openai, model: gpt-5.5, max_in_flight: 7}]}
  secret: {groups: [owners], routes: [{provider: anthropic, model: claude-opus-5-5}]}
access:
  groups: {research: {}, owners: {}}
routing: {attempts: 2, patience: 5, affinity: none}
"""
ANN = Principal("p1", "ann@example.com")


def plan(text: str = POLICY) -> Plan:
    return compile_plan(read(text), version=1, translatable=lambda source, targets: targets[0])


def chosen(
    seen: Circumstances, *, who: Principal = ANN, latency: dict[str, float] | None = None
) -> tuple[str, str]:
    known = latency or {}
    found, reason = plan().choose(who, Wire.MESSAGES, Operation.GENERATE, "auto", seen, known.get)
    assert isinstance(found, Resolution)
    return found.model_id, reason


@pytest.mark.parametrize(
    ("seen", "model", "reason"),
    [
        (Circumstances(side_call="title"), "small", "auto: side call check/title"),
        (Circumstances(side_call="summary"), "large", "auto: quickest"),
        (Circumstances(prompt_tokens=100_001), "large", "auto: prompt over 100000"),
        (Circumstances(agent="codex", tools=3), "gpt", "auto: tools, agent codex"),
        (Circumstances(agent="codex"), "large", "auto: quickest"),
    ],
)
def test_the_first_line_that_fits_decides(seen: Circumstances, model: str, reason: str) -> None:
    assert chosen(seen) == (model, reason)


def test_a_model_that_the_person_may_not_use_is_passed_over() -> None:
    researcher = Principal("p2", "bob@example.com", groups=frozenset({"research"}))
    assert chosen(Circumstances(), who=researcher)[0] == "large"
    owner = Principal("p3", "eve@example.com", groups=frozenset({"research", "owners"}))
    assert chosen(Circumstances(), who=owner)[0] == "secret"


def test_the_quickest_of_several_and_those_not_known_yet_first() -> None:
    assert chosen(Circumstances(), latency={"large": 2.0, "gpt": 0.5})[0] == "gpt"
    assert chosen(Circumstances(), latency={"large": 2.0})[0] == "gpt"
    assert chosen(Circumstances(), latency={"gpt": 0.5})[0] == "large"


def test_every_name_of_it_is_known_and_listed() -> None:
    made = plan()
    assert dict(made.smart) == {"auto": "auto", "smart": "auto"}
    for surface in Surface:
        assert "auto" in [m.id for m in made.models_for(ANN, surface)]
    found = made.resolve(ANN, Wire.MESSAGES, Operation.COUNT_TOKENS, "auto")
    assert isinstance(found, Resolution)
    assert found.model_id == "large"


def test_a_smart_route_can_be_closed_to_people() -> None:
    made = plan(POLICY.replace("aliases: [smart]", "groups: [owners]"))
    found, _ = made.choose(ANN, Wire.MESSAGES, Operation.GENERATE, "auto", Circumstances(), lambda _: None)
    assert isinstance(found, Refusal)
    assert found.rule == "models.auto.groups"


def test_where_none_of_its_models_may_be_used_the_refusal_says_why() -> None:
    made = plan(POLICY.replace("{model: [large, gpt], by: latency}", "{model: secret}"))
    found, _ = made.choose(ANN, Wire.MESSAGES, Operation.GENERATE, "auto", Circumstances(), lambda _: None)
    assert isinstance(found, Refusal)
    assert found.rule == "models.secret.groups"


def test_routing_rules_reach_the_plan() -> None:
    made = plan()
    assert (made.routing.attempts, made.routing.patience, made.routing.affinity) == (2, 5.0, "none")
    found = made.resolve(ANN, Wire.RESPONSES, Operation.GENERATE, "gpt")
    assert isinstance(found, Resolution)
    assert found.routes[0].max_in_flight == 7


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (("model: small}", "model: smal}"), "models.auto.choose[0].model", "small"),
        (("model: [secret, large]", "model: [secret, larg]"), "models.auto.choose[3].model[1]", "large"),
        (
            ("{model: [large, gpt], by: latency}", "{model: auto}"),
            "models.auto.choose[4].model",
            "another smart",
        ),
        (
            ("{model: [large, gpt], by: latency}", "{images: true, model: gpt}"),
            "models.auto.choose[4]",
            "last line",
        ),
        (
            ("{side_call: [title, check], model: small}", "{model: small}"),
            "models.auto.choose[0]",
            "comes last",
        ),
        (
            ("groups: [research], model", "groups: [reserch], model"),
            "models.auto.choose[3].groups[0]",
            "research",
        ),
        (("small: {routes:", "small: {choose: [{model: gpt}], routes:"), "models.small", "not both"),
        (("attempts: 2", "attempts: 0"), "routing.attempts", ""),
        (("aliases: [smart]", "max_output: 5"), "models.auto.max_output", "its models have"),
    ],
)
def test_what_is_wrong_is_named_by_field(change: tuple[str, str], field: str, words: str) -> None:
    found = {at: message for _, _, at, message in faults(POLICY.replace(*change))}
    assert words in found.get(field, "(no fault there)"), found
