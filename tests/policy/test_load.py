"""Reading: every fault at once, each at its place, with a way out; and no secret repeated."""

import json

import pytest

from tests.policy.documents import COMPANY, faults, read
from waystation.policy import PolicyErrors, excerpt, load

MINIMAL = "version: 1\nproviders: {p: {kind: ollama}}\nmodels: {m: {routes: [{provider: p}]}}\n"


def with_field(field: str) -> str:
    return MINIMAL.replace("ollama", f"ollama, {field}")


def with_model_field(field: str) -> str:
    return MINIMAL.replace("m: {", f"m: {{{field}, ")


def place_of(part: str, text: str) -> tuple[int, int]:
    """Line and column, from 1, at which `part` first stands in `text`."""
    before = text[: text.index(part)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def only_fault(text: str) -> tuple[int, int, str, str]:
    [fault] = faults(text)
    return fault


def test_a_sound_document_is_read_and_keeps_its_text() -> None:
    document = read(COMPANY)
    assert document.text == COMPANY
    assert list(document.policy.models)[:2] == ["claude-sonnet-5", "claude-haiku-4-5"]
    assert (document.policy.models["gpt-5.5"].routes or ())[1].weight == 3
    assert document.policy.providers["azure"].api_version == "2024-10-21"  # a date is text here


def test_every_fault_is_reported_at_once_in_the_order_of_lines() -> None:
    text = (
        "version: 1\n"
        "providers:\n"
        "  anthropic: {kind: antropic}\n"
        "modles: {}\n"
        "models:\n"
        "  gpt-5:\n"
        "    routes:\n"
        "      - {provider: anthropc, wieght: 2}\n"
        "    groups: [platfrom]\n"
        "access: {groups: {platform: {}}}\n"
    )
    assert faults(text) == [
        (3, 21, "providers.anthropic.kind", "“antropic” is not valid here; did you mean “anthropic”?"),
        (4, 1, "modles", "there is no such section; did you mean “models”?"),
        (8, 20, "models.gpt-5.routes[0].provider", "no provider has this name; did you mean “anthropic”?"),
        (
            8,
            30,
            "models.gpt-5.routes[0].wieght",
            "`models.gpt-5.routes[0]` has no such field; did you mean “weight”?",
        ),
        (9, 14, "models.gpt-5.groups[0]", "`access.groups` has no such group; did you mean “platform”?"),
    ]


def test_an_error_reads_like_a_compilers() -> None:
    with pytest.raises(PolicyErrors) as caught:
        load("version: 1\nmodels: {m: {routes: [{provider: x}]}}\n", filename="conf/policy.yaml")
    assert str(caught.value) == (
        "conf/policy.yaml:2:34: models.m.routes[0].provider: no provider has this name; none is defined"
    )


@pytest.mark.parametrize(
    ("text", "field", "at", "says"),
    [
        ("", "", "", "expected a mapping"),
        ("[1, 2]", "", "[1", "expected a mapping (`field: value`), found a list"),
        ("models: {}", "", "models", "the field `version` is missing"),
        ("version: 2", "version", "2", "expected `1`, found “2”"),
        (MINIMAL + "access: {default: no}", "access.default", "no}", "valid: allow and deny"),
        (MINIMAL + "access: [x]", "access", "[x]", "expected a mapping (`field: value`), found a list"),
        (MINIMAL.replace("[{provider: p}]", "[]"), "models.m.routes", "[]", "the list is empty"),
        (MINIMAL.replace("{provider: p}", "here"), "models.m.routes[0]", "here", "found “here”"),
        (MINIMAL.replace(": p}", ": 5}"), "models.m.routes[0].provider", "5}", "put it in quotes"),
        (
            MINIMAL.replace(": p}", ": p, weight: 0}"),
            "models.m.routes[0].weight",
            "0}",
            "at least 1 and at most",
        ),
        (
            MINIMAL.replace(": p}", f": p, weight: {10**30}}}"),
            "models.m.routes[0].weight",
            "10",
            "a whole number",
        ),
        (MINIMAL.replace("{kind: ollama}", "{}"), "providers.p", "{}", "the field `kind` is missing"),
        (with_field("verify_tls: maybe"), "providers.p.verify_tls", "maybe", "expected true or false"),
        (MINIMAL.replace("ollama", "openai"), "providers.p", "p: ", "e.g. `credential: env:OPENAI_API_KEY`"),
        (MINIMAL.replace("ollama", "openai, credential: "), "providers.p", "p: ", "`credential` is missing"),
        (MINIMAL.replace("ollama", "openai-compatible"), "providers.p", "p: ", "`base_url` is missing"),
        (
            with_field("wires: [openai.caht]"),
            "providers.p.wires[0]",
            "openai.caht",
            "did you mean “openai.chat”?",
        ),
        (with_field("wires: [gemini.generate]"), "providers.p.wires[0]", "gemini", "add it under `paths`"),
        (
            with_field("paths: {openai.chta: /x}"),
            "providers.p.paths.openai.chta",
            "openai.chta",
            "“openai.chat”?",
        ),
        (with_field("paths: {openai.chat: x}"), "providers.p.paths.openai.chat", "x}", "begins with `/`"),
        (with_field("paths: {openai.chat: '/{modle}'}"), "providers.p.paths.openai.chat", "'/{", "`{modle}`"),
        (
            with_field("paths: {openai.chat: '/{api_version}'}"),
            "providers.p.paths.openai.chat",
            "'/{",
            "needs the",
        ),
        (with_field("api_version: v2"), "providers.p.api_version", "api_v", "has no API versions"),
        (
            with_field("base_url: 'ftp://x'"),
            "providers.p.base_url",
            "'ftp",
            "a URL such as `https://host/path`",
        ),
        (with_field("base_url: 'http://x:y'"), "providers.p.base_url", "'http", "this is not a URL"),
        (with_field("base_url: 'http://ü'"), "providers.p.base_url", "'http", "beyond ASCII"),
        (
            MINIMAL.replace("ollama", "anthropic-compatible, base_url: 'https://x/v1/'"),
            "providers.p.base_url",
            "'https",
            "leave `/v1` off the end",
        ),
        (
            MINIMAL.replace("ollama", "rehearsal, credential: env:X"),
            "providers.p.credential",
            "env",
            "takes no cred",
        ),
        (MINIMAL.replace("{p:", "{P!:").replace(": p}", ": P!}"), "providers.P!", "P!", "lower-case letters"),
        (with_model_field("aliases: [m]"), "models.m.aliases[0]", "m], routes", "taken by `models.m`"),
        (with_model_field("aliases: ['x*']"), "models.m.aliases[0]", "'x*", "without `*`"),
        (
            MINIMAL.replace("m: {", "'m*': {agents: [claude], "),
            "models.m*.agents",
            "agents",
            "give an exact name its own entry",
        ),
        (with_model_field("agents: [Claude!]"), "models.m.agents[0]", "Claude!", "a tool such as `claude`"),
        (
            MINIMAL.replace("[{provider: p}]", "[{provider: p}, { provider: p}]"),
            "models.m.routes[1]",
            "{ provider",
            "the same place as routes[0]",
        ),
        (MINIMAL.replace(": p}", ": p, model: 'a*'}"), "models.m.routes[0].model", "'a*", "no `*`"),
        (
            MINIMAL.replace(": p}", ": p, model: 'a{b}'}"),
            "models.m.routes[0].model",
            "'a{",
            "only `{model}` is",
        ),
        (MINIMAL + "access: {groups: {everyone: {}}}", "access.groups.everyone", "everyone", "built in"),
        (
            MINIMAL + "access: {roles: {owner: [a]}}",
            "access.roles.owner",
            "owner",
            "admin, auditor and finance",
        ),
    ],
)
def test_each_fault_has_its_place_and_a_way_out(text: str, field: str, at: str, says: str) -> None:
    found_line, found_column, found_field, message = only_fault(text)
    assert (found_line, found_column, found_field) == (*place_of(at, text), field)
    assert says in message


@pytest.mark.parametrize(
    ("price", "says"),
    [
        ("{input: 1}", "the field `output` is missing"),
        ("{input: -1, output: 0}", "between 0 and 1,000,000"),
        ("{input: cheap, output: 0}", "expected US dollars per million tokens, e.g. `2.50`, found “cheap”"),
        ("{input: .nan, output: 0}", "expected US dollars"),
        ("{input: 0.0000001, output: 0}", "more than 6 decimals"),
        ("{same_as: openai/gpt-5.4, input: 1}", "`same_as` takes the place of rates"),
        ("{input: 1, output: 1, effective: 2026-13-01}", "expected a date, `YYYY-MM-DD`"),
        ("{input: 1, output: 1, effective: yesterday}", "expected a date"),
        (
            "{input: 1, output: 1, long_context: [{above: 9, input: 1, output: 1}, {above: 9, input: 2, output: 2}]}",
            "this threshold is already given",
        ),
    ],
)
def test_prices_are_checked(price: str, says: str) -> None:
    message = only_fault(with_model_field(f"price: {price}"))[3]
    assert says in message


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("version: 1\nmodels:\n\tx: 1\n", 3, 1, "a tab indents this line"),
        ("version: 1\nmodels: {a: [\n", 3, 1, "this is not valid YAML"),
        ("a: &x 1\nb: *x\n", 1, 4, "anchors (`&name`) are not allowed"),
        ("version: 1\nmodels: *all\n", 2, 9, "aliases (`*name`) are not allowed"),
        ("version: !!python/object:os.system 1\n", 1, 10, "tags (`!name`) are not allowed"),
        ("version: 1\n---\nversion: 1\n", 2, 1, "a second document"),
        ("? [a, b]\n: 1\n", 1, 3, "a key must be text"),
        ("version: 1\x07\n", 1, 11, "a character here that YAML does not allow"),
        ("version: 1\nx: \ud83d\n", 2, 4, "a character here that YAML does not allow"),
        ("version: 1\nx: " + "[" * 60 + "]" * 60, 2, 44, "nested more than 40 levels deep"),
    ],
)
def test_what_yaml_allows_and_a_policy_does_not_need_is_refused(
    text: str, line: int, column: int, says: str
) -> None:
    found_line, found_column, _, message = only_fault(text)
    assert (found_line, found_column) == (line, column)
    assert says in message


def test_a_key_given_twice_is_refused_and_the_first_place_is_named() -> None:
    text = MINIMAL + "access:\n  contact: a\n  contact: b\n"
    assert only_fault(text) == (6, 3, "access.contact", "given twice: it is already set on line 5")


def test_a_small_file_that_would_become_a_huge_one_is_refused_before_it_does() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "anchors" in only_fault(bomb)[3]
    assert "more than 200000 values" in only_fault("[" + "1," * 200_001 + "1]")[3]
    assert "larger than" in only_fault("#" * (4 * 1024 * 1024 + 1))[3]


def test_json_is_read_the_same_way() -> None:
    plain = {
        "version": 1,
        "providers": {"p": {"kind": "ollama"}},
        "models": {"m": {"routes": [{"provider": "p"}], "display_name": "🚀 Läufer"}},
    }
    for text in (json.dumps(plain), json.dumps(plain, indent="\t"), json.dumps(plain, ensure_ascii=False)):
        assert read(text).policy.models["m"].display_name == "🚀 Läufer"
    broken = json.dumps(plain | {"acess": {}}, indent=2)
    line, column, field, message = only_fault(broken)
    assert (line, column, field) == (*place_of('"acess"', broken), "acess")
    assert "did you mean “access”?" in message


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    assert (
        read("\ufeff" + COMPANY.replace("\n", "\r\n")).policy.models.keys()
        == read(COMPANY).policy.models.keys()
    )


def test_yaml_1_1_surprises_are_text() -> None:
    text = MINIMAL.replace("m: {", "no: {display_name: off, description: 2026-01-01, ")
    model = read(text).policy.models["no"]
    assert (model.display_name, model.description) == ("off", "2026-01-01")


CANARY = "sk-ant-api03-" + "cAnArY1" * 6


@pytest.mark.parametrize(
    "field",
    [
        f"credential: {CANARY}",
        f"credential: 'Bearer {CANARY}'",
        f"headers: {{authorization: {CANARY}}}",
        f"headers: {{x-org: '{CANARY}'}}",
        "headers: {x-auth-token: 'canary-word'}",
        "headers: {x-thing: 'env:THING'}",
        f"base_url: 'https://me:{CANARY}@host/'",
        f"base_url: 'https://host/?key={CANARY}'",
        f"region: {CANARY}",
        f"kind: {CANARY}",
        f"verify_tls: {CANARY}",
        f"wires: [{CANARY}]",
    ],
)
def test_a_secret_in_the_document_is_refused_and_never_repeated(field: str) -> None:
    text = (
        f"version: 1\nproviders:\n  p:\n    kind: openai-compatible\n    base_url: http://h/v1\n    {field}\n"
    )
    if field.startswith(("kind", "base_url")):
        text = text.replace(
            "    kind: openai-compatible\n" if field.startswith("kind") else "    base_url: http://h/v1\n", ""
        )
    with pytest.raises(PolicyErrors) as caught:
        read(text)
    shown = str(caught.value) + repr(caught.value)
    for error in caught.value.errors:
        shown += "".join(excerpt(text, error)) + repr(error)
    assert "cAnArY1" not in shown
    assert "canary-word" not in shown


def test_secrets_are_told_where_they_belong() -> None:
    text = f"version: 1\nproviders: {{p: {{kind: anthropic, credential: {CANARY}}}}}\n"
    message = only_fault(text)[3]
    assert "secrets are references" in message
    assert "env:NAME" in message


def test_ordinary_headers_are_let_through() -> None:
    text = MINIMAL.replace(
        "ollama",
        "ollama, headers: {openai-organization: org-4f1Qz, x-project: 6b8f6a8e-93bb-4f0a-9d1f-9e6f2f3c7a11}",
    )
    assert len(read(text).policy.providers["p"].headers) == 2


@pytest.mark.parametrize(
    "header", ["host", "Content-Length", "transfer-encoding", "accept-encoding", "x waystation"]
)
def test_headers_that_are_the_gateways_own_are_refused(header: str) -> None:
    assert faults(MINIMAL.replace("ollama", f"ollama, headers: {{'{header}': x}}"))


def test_the_excerpt_points_at_the_place() -> None:
    text = "version: 1\nmodles: {}\n"
    with pytest.raises(PolicyErrors) as caught:
        read(text)
    assert excerpt(text, caught.value.errors[0]) == ("modles: {}", "^")
