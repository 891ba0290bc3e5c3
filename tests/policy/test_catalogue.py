"""What providers list becomes visible where a pattern of the policy lets it through, and changes nothing else."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.documents import ANA, BOB, COMPANY, MEL, faults, read
from waystation.model import Capabilities, ListedModel, Operation, Principal, Refusal, Surface, Wire
from waystation.policy import Catalogue, Plan, ProviderList, Resolution, compile_plan
from waystation.pricing import PriceBook
from waystation.wire.translate import translatable

CLAUDE = (
    ListedModel("claude-sonnet-5", "Claude Sonnet 5", 300, Capabilities(1_000_000, 99_000)),
    ListedModel("claude-opus-6", "Claude Opus 6", 400, Capabilities(2_000_000, 256_000)),
    ListedModel("claude-old", "Claude Old", 100),
    ListedModel("claude-new", "", 200),
)
GPT = (
    ListedModel("gpt-5.5", "", 50),
    ListedModel("gpt-7", "", 60),
    ListedModel("text-embedding-3-small", "", 10),
    ListedModel("gpt-image-1", "", 20),
)
_URLS = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "azure": "https://acme.openai.azure.com",
    "google": "https://generativelanguage.googleapis.com",
    "a": "https://api.anthropic.com",
    "b": "http://127.0.0.1:1",
    "g": "https://generativelanguage.googleapis.com",
}


def catalogue(base_url: str = "https://api.openai.com/v1", /, **lists: Iterable[ListedModel]) -> Catalogue:
    return Catalogue({p: ProviderList(_URLS.get(p, base_url), tuple(models)) for p, models in lists.items()})


LISTS = catalogue(anthropic=CLAUDE, openai=GPT, azure=GPT)


def plan_of(text: str = COMPANY, listing: Catalogue = LISTS, *, prices: PriceBook | None = None) -> Plan:
    return compile_plan(read(text), version=7, catalogue=listing, translatable=translatable, prices=prices)


def shown(plan: Plan, who: Principal = BOB, surface: Surface = Surface.ANTHROPIC) -> list[str]:
    return [entry.id for entry in plan.models_for(who, surface)]


def test_patterns_show_what_their_provider_lists_behind_the_exact_names() -> None:
    assert shown(plan_of()) == ["claude-sonnet-5", "claude-haiku-4-5", "claude-new", "claude-old"]
    assert shown(plan_of(listing=Catalogue())) == ["claude-sonnet-5", "claude-haiku-4-5"]


def test_a_model_is_shown_to_those_only_whose_pattern_it_is() -> None:
    """claude-opus-6 fits claude-* too, but means the more precise pattern, which is for others."""
    plan = plan_of()
    assert "claude-opus-6" not in shown(plan, ANA)
    assert "claude-opus-6" in shown(plan, MEL)
    assert isinstance(plan.resolve(BOB, Wire.MESSAGES, Operation.GENERATE, "claude-opus-6"), Refusal)


def test_a_list_without_a_pattern_shows_nothing() -> None:
    """gpt-7 is at OpenAI, but the policy has exact names of it only."""
    plan = plan_of()
    for surface in Surface:
        assert "gpt-7" not in shown(plan, MEL, surface)
    assert isinstance(plan.resolve(MEL, Wire.RESPONSES, Operation.GENERATE, "gpt-7"), Refusal)


def test_what_is_shown_says_what_its_provider_says() -> None:
    entries = {entry.id: entry for entry in plan_of().models_for(MEL, Surface.ANTHROPIC)}
    opus = entries["claude-opus-6"]
    assert (opus.display_name, opus.created) == ("Claude Opus 6", 400)
    assert (opus.context_window, opus.max_output) == (2_000_000, 256_000)
    sonnet = entries["claude-sonnet-5"]
    assert (sonnet.display_name, sonnet.created) == ("Claude Sonnet 5", 300)
    assert sonnet.max_output == 64_000, "the policy's word"
    assert sonnet.context_window == 1_000_000, "the provider's"


def test_the_policys_word_comes_before_the_providers_then_the_price_data_then_our_table() -> None:
    text = """
version: 1
providers:
  p: {kind: openai, credential: env:K}
models:
  "*": {routes: [{provider: p}]}
"""
    window = PriceBook.builtin().context_window("openai", "gpt-5.4")
    assert window is not None

    def known(text: str, *listed: ListedModel, prices: bool = True) -> tuple[int | None, int | None]:
        plan = plan_of(text, catalogue(p=listed), prices=PriceBook.builtin() if prices else None)
        answer = plan.resolve(BOB, Wire.CHAT, Operation.GENERATE, "gpt-5.4")
        assert isinstance(answer, Resolution)
        [route] = answer.routes
        return route.capabilities.context_window, route.capabilities.max_output

    theirs = ListedModel("gpt-5.4", capabilities=Capabilities(7, 8))
    stated = text.replace("{routes", "{context_window: 9, routes")
    assert known(stated, theirs) == (9, 8)
    assert known(text, theirs) == (7, 8)
    assert known(text) == (window, 128_000)
    assert known(text, prices=False) == (1_050_000, 128_000)


def test_a_template_is_read_backwards() -> None:
    text = """
version: 1
providers:
  p: {kind: openrouter, credential: env:K}
models:
  "claude-*": {routes: [{provider: p, model: "anthropic/{model}"}]}
  "fix-*": {routes: [{provider: p, model: gpt}]}
  "*:free": {routes: [{provider: p, model: "x-{model}-{model}"}]}
"""
    listed = ("anthropic/claude-5", "claude-6", "anthropic/", "anthropic/gpt", "gpt", "x-a:free-a:free")
    plan = plan_of(
        text, catalogue("https://openrouter.ai/api/v1", p=[ListedModel(name, "Shown") for name in listed])
    )
    [entry] = plan.models_for(BOB, Surface.OPENAI)
    assert (entry.id, entry.display_name) == ("claude-5", "Shown")
    answer = plan.resolve(BOB, Wire.CHAT, Operation.GENERATE, "claude-5")
    assert isinstance(answer, Resolution)
    assert [route.model for route in answer.routes] == ["anthropic/claude-5"]


def test_another_server_under_the_same_name_has_another_list() -> None:
    moved = COMPANY.replace("{kind: anthropic,", "{kind: anthropic, base_url: 'https://proxy.example',")
    assert shown(plan_of(moved)) == ["claude-sonnet-5", "claude-haiku-4-5"]


def test_exact_names_and_aliases_win() -> None:
    text = COMPANY.replace("aliases: [sonnet]", "aliases: [sonnet, claude-new]")
    assert shown(plan_of(text)) == ["claude-sonnet-5", "claude-haiku-4-5", "claude-old"]


def test_one_of_several_routes_is_enough_and_all_are_kept() -> None:
    text = """
version: 1
providers:
  a: {kind: anthropic, credential: env:K}
  b: {kind: anthropic-compatible, base_url: http://127.0.0.1:1}
models:
  "claude-*": {routes: [{provider: a, priority: 1}, {provider: b}]}
"""
    plan = plan_of(text, catalogue(a=CLAUDE[:1], b=CLAUDE[1:2]))
    assert shown(plan) == ["claude-opus-6", "claude-sonnet-5"]
    answer = plan.resolve(BOB, Wire.MESSAGES, Operation.GENERATE, "claude-opus-6")
    assert isinstance(answer, Resolution)
    assert [route.id for route in answer.routes] == ["b/claude-opus-6", "a/claude-opus-6"]


MIXED = """
version: 1
providers:
  p: {kind: openai, credential: env:K}
  g: {kind: google, credential: env:K}
models:
  named-vectors: {capabilities: {task: embeddings}, routes: [{provider: p}]}
  "gpt-*": {routes: [{provider: p}]}
  "text-*": {routes: [{provider: p}]}
  "gemini-*": {routes: [{provider: g}]}
"""


def test_only_what_can_be_asked_there_is_shown() -> None:
    google = [
        ListedModel("gemini-9", capabilities=Capabilities(task="chat")),
        ListedModel("gemini-embedding-1", capabilities=Capabilities(task="embeddings")),
        ListedModel("gemini-pictures", capabilities=Capabilities(task="other")),
    ]
    plan = plan_of(MIXED, catalogue(p=GPT, g=google))
    assert sorted(shown(plan, surface=Surface.ANTHROPIC)) == ["gemini-9", "gpt-5.5", "gpt-7"]
    assert sorted(shown(plan, surface=Surface.OPENAI)) == [
        "gemini-9",
        "gpt-5.5",
        "gpt-7",
        "named-vectors",
        "text-embedding-3-small",
    ]
    assert sorted(shown(plan, surface=Surface.GEMINI)) == [
        "gemini-9",
        "gemini-embedding-1",
        "gpt-5.5",
        "gpt-7",
    ]
    vectors = [e for e in plan.models_for(BOB, Surface.GEMINI) if e.id == "gemini-embedding-1"]
    assert vectors[0].embeds
    asked = plan.resolve(BOB, Wire.EMBEDDINGS, Operation.EMBED, "text-embedding-3-small")
    assert isinstance(asked, Resolution)


def test_coding_tools_are_offered_what_is_found_and_start_with_what_is_named() -> None:
    plan = plan_of(COMPANY.replace("access:", '  "gpt-*": {routes: [{provider: openai}]}\naccess:'))
    claude = plan.agent_defaults(BOB)["claude"]
    assert (claude["model"], claude["small_model"]) == ("claude-sonnet-5", "claude-haiku-4-5")
    offered = {m["id"]: m for m in claude["models"]}  # type: ignore[attr-defined]  # an object, for JSON
    assert list(offered) == ["claude-sonnet-5", "claude-haiku-4-5", "claude-new", "claude-old", "gpt-7"]
    assert offered["claude-old"] == {
        "id": "claude-old",
        "name": "Claude Old",
        "wires": ["anthropic.messages"],
    }


def test_a_policy_of_patterns_only_leaves_the_tools_own_default() -> None:
    text = ASKING.replace("KIND", "openai").replace("NAME", '"gpt-*"')
    tools = plan_of(text, catalogue(p=GPT)).agent_defaults(BOB)
    codex = tools["codex"]
    assert codex.keys() == {"models"}
    assert tools["pi"]["model"] == "gpt-7", "one that has no default of its own gets the newest"
    assert tools["claude"]["model"] == "gpt-7", "nor one whose default is not there"
    assert [m["id"] for m in codex["models"]] == ["gpt-7", "gpt-5.5"]  # type: ignore[attr-defined]  # as above


def test_claude_code_can_be_shown_others_by_an_alias_that_it_shows() -> None:
    text = COMPANY.replace(
        "    groups: [platform, ml]\n", "    aliases: [claude-gpt, gpt]\n    display_name: GPT 5.5\n"
    )
    plan = plan_of(text)
    [entry] = [e for e in plan.models_for(BOB, Surface.ANTHROPIC) if e.id == "claude-gpt"]
    assert entry.display_name == "GPT 5.5"
    assert "claude-gpt" not in shown(plan, surface=Surface.OPENAI)
    assert isinstance(plan.resolve(BOB, Wire.MESSAGES, Operation.GENERATE, "claude-gpt"), Resolution)


def test_one_model_is_found_by_name_and_alias() -> None:
    plan = plan_of()
    for name in ("sonnet", "claude-sonnet-5"):
        entry = plan.model_for(BOB, Surface.ANTHROPIC, name)
        assert entry is not None
        assert entry.id == "claude-sonnet-5"
    found = plan.model_for(BOB, Surface.ANTHROPIC, "claude-old")
    assert found is not None
    assert plan.model_for(BOB, Surface.ANTHROPIC, "claude-opus-6") is None
    assert plan.model_for(BOB, Surface.ANTHROPIC, "claude-nobody-has-heard-of") is None


def test_a_mistyped_name_is_compared_with_what_was_found() -> None:
    refused = plan_of().resolve(BOB, Wire.MESSAGES, Operation.GENERATE, "cluade-old")
    assert isinstance(refused, Refusal)
    assert "claude-old" in refused.message


def test_the_catalogue_names_every_line_and_where_it_is_from() -> None:
    lines = {line.name: line for line in plan_of().lines()}
    assert {name: line.origin for name, line in lines.items()} == {
        "claude-sonnet-5": "stated",
        "claude-haiku-4-5": "stated",
        "gpt-5.5": "stated",
        "claude-opus-*": "pattern",
        "claude-*": "pattern",
        "gemini-*": "pattern",
        "claude-opus-6": "found",
        "claude-new": "found",
        "claude-old": "found",
    }
    assert lines["claude-opus-6"].groups == ("ml",)
    assert lines["claude-sonnet-5"].aliases == ("sonnet",)
    assert lines["gpt-5.5"].routes[0].provider.id == "openai"
    assert [line.name for line in plan_of().lines(BOB)] == [
        "claude-sonnet-5",
        "claude-haiku-4-5",
        "claude-*",
        "gemini-*",
        "claude-new",
        "claude-old",
    ]


@given(
    st.dictionaries(
        st.sampled_from(["anthropic", "openai", "azure", "google", "nobody"]),
        st.lists(
            st.sampled_from(
                [
                    "claude-sonnet-5",
                    "claude-x",
                    "claude-opus-x",
                    "gpt-5.5",
                    "gpt-x",
                    "sonnet",
                    "gemini-x",
                    "*",
                    "",
                ]
            )
        ),
    ),
    st.sampled_from(
        [
            "claude-sonnet-5",
            "sonnet",
            "claude-x",
            "claude-opus-x",
            "gpt-5.5",
            "gpt-x",
            "gemini-x",
            "other",
            "*",
        ]
    ),
    st.sampled_from([ANA, BOB, MEL]),
    st.sampled_from([Wire.MESSAGES, Wire.CHAT, Wire.GENERATE]),
)
def test_discovery_grants_and_takes_nothing(
    lists: dict[str, list[str]], name: str, who: Principal, wire: Wire
) -> None:
    listing = catalogue(**{p: [ListedModel(n) for n in names] for p, names in lists.items()})
    before = plan_of(listing=Catalogue()).resolve(who, wire, Operation.GENERATE, name)
    plan = plan_of(listing=listing)
    after = plan.resolve(who, wire, Operation.GENERATE, name)
    if isinstance(before, Refusal):
        assert isinstance(after, Refusal)
        assert (after.kind, after.rule) == (before.kind, before.rule)
    else:
        assert after == before
    for surface, spoken in ((Surface.ANTHROPIC, Wire.MESSAGES), (Surface.GEMINI, Wire.GENERATE)):
        for shown_name in shown(plan, who, surface):
            assert isinstance(plan.resolve(who, spoken, Operation.GENERATE, shown_name), Resolution)


# ------------------------------------------------------------------ who is asked
def asked(text: str) -> list[str]:
    return [
        p.id
        for p in compile_plan(read(text), version=1, rehearsal_url="http://127.0.0.1:9").providers.values()
        if p.discover
    ]


ASKING = """
version: 1
providers:
  p: {kind: KIND, credential: env:K}
models:
  NAME: {routes: [{provider: p}]}
"""


@pytest.mark.parametrize(
    ("kind", "name", "is_asked"),
    [
        ("anthropic", '"claude-*"', True),
        ("anthropic", "claude-sonnet-5", False),
        ("openai, discover: true", "gpt-5.5", True),
        ("openai, discover: false", '"*"', False),
        ("azure-openai, base_url: 'https://a.example'", '"*"', False),
        ("azure-openai, base_url: 'https://a.example', discover: true", '"*"', True),
        ("bedrock, region: eu-central-1", '"*"', True),
    ],
)
def test_a_provider_is_asked_where_a_pattern_leads_to_it(kind: str, name: str, is_asked: bool) -> None:
    assert asked(ASKING.replace("KIND", kind).replace("NAME", name)) == ["p"] * is_asked


def test_a_pattern_with_one_model_behind_it_asks_nothing() -> None:
    assert (
        asked(
            ASKING.replace("KIND", "openai")
            .replace("NAME", '"*"')
            .replace("{provider: p}", "{provider: p, model: one}")
        )
        == []
    )


def test_the_rehearsal_provider_is_asked_where_the_policy_says_so() -> None:
    text = ASKING.replace("KIND, credential: env:K", "rehearsal").replace("NAME", '"*"')
    assert asked(text) == []
    text = text.replace("kind: rehearsal", "kind: rehearsal, discover: true")
    assert asked(text) == ["p"]
    plan = compile_plan(read(text), version=1, rehearsal_url="http://127.0.0.1:9")
    assert [e.target for e in plan.lists_of(plan.providers["p"])][:3] == [
        b"/anthropic/v1/models",
        b"/openai/v1/models",
        b"/gemini/v1beta/models",
    ]


def test_bedrocks_lists_are_two_of_another_host() -> None:
    plan = compile_plan(
        read(ASKING.replace("KIND", "bedrock, region: eu-west-1").replace("NAME", '"*"')), version=1
    )
    assert [(e.host, e.target) for e in plan.lists_of(plan.providers["p"])] == [
        ("bedrock.eu-west-1.amazonaws.com", b"/foundation-models"),
        ("bedrock.eu-west-1.amazonaws.com", b"/inference-profiles?type=SYSTEM_DEFINED"),
    ]


def test_one_that_has_no_list_cannot_be_asked_for_it() -> None:
    text = ASKING.replace("KIND", "openai, wires: [openai.embeddings], discover: true").replace("NAME", "m")
    [(_, _, field, message)] = faults(text)
    assert field == "providers.p.discover"
    assert "openai.embeddings:list_models" in message
