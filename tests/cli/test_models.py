"""`waystation models` as people and programs see it."""

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from waystation.cli.models import app
from waystation.cli.models_table import Shown, ShownRoute, print_models
from waystation.model import AuthScheme, Capabilities, ListedModel, ModelEntry, Provider, Route, Terms, Wire
from waystation.policy import CatalogueLine, ProviderList
from waystation.pricing import PriceBook
from waystation.store import open_store
from waystation.store.lists import write_lists

POLICY = """\
version: 1
providers:
  anthropic: {kind: anthropic, credential: env:K, terms: {no_training: true, retention_days: 30, region: us}}
  openai: {kind: openai, credential: env:K}
  azure: {kind: azure-openai, base_url: https://acme.openai.azure.com, credential: env:K}
  lab: {kind: openai-compatible, base_url: http://lab/v1, terms: {no_training: false, retention_days: 0}}
models:
  claude-sonnet-5: {aliases: [sonnet], agents: [claude], routes: [{provider: anthropic}]}
  claude-haiku-4-5: {agents: [claude/small], routes: [{provider: anthropic}]}
  gpt-5.5:
    groups: [ml]
    routes: [{provider: openai}, {provider: azure, model: acme-gpt, priority: 1}]
  qwen3: {routes: [{provider: lab, model: Qwen/Q}], price: {input: 0.125, output: 0}, translation: never}
  vectors: {capabilities: {task: embeddings}, routes: [{provider: openai, model: text-embedding-3-small}]}
  auto: {choose: [{model: claude-haiku-4-5, side_call: [title]}, {model: claude-sonnet-5}]}
  "claude-*": {routes: [{provider: anthropic}]}
access: {groups: {ml: {members: [ann@example.org]}}}
"""
OPUS = ListedModel("claude-opus-9", "Claude Opus 9", 1_770_000_000, Capabilities(2_000_000, 256_000))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = open_store(tmp_path, None)
    store.policies.append(POLICY, who="test", note="", base_version=None)
    store.users.add("ann@example.org", at=1)
    store.users.add("bob@example.org", at=1)
    store.close()
    write_lists(tmp_path, {"anthropic": ProviderList("https://api.anthropic.com", (OPUS,), 1_795_000_000)})
    return tmp_path


def run(data: Path, *words: str) -> Result:
    env = {"NO_COLOR": "1"} | dict.fromkeys(("WAYSTATION_DATABASE", "ANTHROPIC_API_KEY"), "")
    return CliRunner().invoke(app, ["--data", str(data), *words], env=env, catch_exceptions=False)


def told(data: Path, *words: str) -> dict[str, Any]:
    result = run(data, "--json", *words)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def named(data: Path, *words: str) -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in told(data, *words)["models"]}


EVERYTHING = [
    "claude-sonnet-5",
    "claude-haiku-4-5",
    "gpt-5.5",
    "qwen3",
    "vectors",
    "auto",
    "claude-*",
    "claude-opus-9",
]


def test_everything_that_there_is(data: Path) -> None:
    models = named(data)
    assert list(models) == EVERYTHING
    assert {name: model["origin"] for name, model in models.items() if model["origin"] != "stated"} == {
        "auto": "smart",
        "claude-*": "pattern",
        "claude-opus-9": "found",
    }
    sonnet = models["claude-sonnet-5"]
    assert sonnet["aliases"] == ["sonnet"]
    assert sonnet["protocols"] == ["anthropic.messages", "gemini.generate", "openai.chat", "openai.responses"]
    [route] = sonnet["routes"]
    assert (route["provider"], route["kind"], route["protocols"]) == (
        "anthropic",
        "anthropic",
        ["anthropic.messages"],
    )
    assert route["capabilities"]["thinking"] == "adaptive"
    assert route["terms"] == {"no_training": True, "retention_days": 30, "region": "us"}
    assert models["auto"]["leads_to"] == ["claude-haiku-4-5", "claude-sonnet-5"]
    assert [r["model"] for r in models["gpt-5.5"]["routes"]] == ["gpt-5.5", "acme-gpt"]
    assert models["qwen3"]["protocols"] == ["openai.chat", "openai.embeddings"], "never translated"


def test_what_a_provider_listed_is_told_with_its_figures(data: Path) -> None:
    opus = named(data)["claude-opus-9"]
    assert (opus["display_name"], opus["created"]) == ("Claude Opus 9", 1_770_000_000)
    assert (opus["context_window"], opus["max_output"]) == (2_000_000, 256_000)
    assert told(data)["lists"] == {
        "anthropic": {"base_url": "https://api.anthropic.com", "at": 1_795_000_000, "models": 1}
    }


def test_prices_are_those_of_the_book_in_force_and_unknown_is_not_free(data: Path) -> None:
    models = named(data)
    rates = PriceBook.builtin().rates("anthropic", "claude-sonnet-5", dt.datetime.now(dt.UTC).date())
    assert rates is not None
    [route] = models["claude-sonnet-5"]["routes"]
    assert float(route["price_per_million"]["input"]) * 1_000_000 == rates.input
    assert models["qwen3"]["routes"][0]["price_per_million"]["input"] == "0.125"
    assert models["qwen3"]["routes"][0]["price_per_million"]["output"] == "0"
    assert models["gpt-5.5"]["routes"][1]["price_per_million"] is None
    assert models["claude-*"]["routes"][0]["price_per_million"] is None


def test_who_may_use_what(data: Path) -> None:
    everybody, ann, bob = (
        named(data),
        named(data, "--for", "Ann@example.org"),
        named(data, "--for", "bob@example.org"),
    )
    assert (everybody["gpt-5.5"]["who"], everybody["claude-sonnet-5"]["who"]) == ("ml", "everyone")
    assert list(ann) == EVERYTHING, "by the policy's own list of members"
    assert list(bob) == [name for name in EVERYTHING if name != "gpt-5.5"]


def test_what_a_tool_can_be_set_to_and_starts_with(data: Path) -> None:
    claude = named(data, "--tool", "claude")
    assert "vectors" not in claude
    assert "qwen3" not in claude, "it must not be translated"
    assert [n for n, m in claude.items() if m["default"]] == ["claude-sonnet-5"]
    assert [n for n, m in claude.items() if m["small_default"]] == ["claude-haiku-4-5"]
    assert [r["translated"] for r in claude["gpt-5.5"]["routes"]] == [True, True]
    codex = named(data, "--tool", "codex", "--for", "ann@example.org")
    assert [n for n, m in codex.items() if m["default"]] == ["gpt-5.5"]
    assert not codex["gpt-5.5"]["routes"][0]["translated"]
    assert codex["claude-sonnet-5"]["routes"][0]["translated"]


def test_nobody_and_no_such_tool(data: Path) -> None:
    nobody = run(data, "--for", "eve@example.org")
    assert nobody.exit_code == 1
    assert "nobody called eve@example.org" in nobody.output
    wrong = run(data, "--tool", "emacs")
    assert wrong.exit_code == 2
    assert "codex" in wrong.output


def test_without_a_policy_it_is_the_embedded_default(tmp_path: Path) -> None:
    assert told(tmp_path)["policy_version"] == 0
    assert "claude-sonnet-4-5" in named(tmp_path)


def test_the_table_says_it_in_words(data: Path) -> None:
    text = run(data, "--tool", "claude", "--for", "ann@example.org").stdout
    assert "Models that ann@example.org may use in claude, by policy version 1" in text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "claude-sonnet-5 (sonnet) ●" in text
    assert "claude-haiku-4-5 ○" in text
    assert "no training, kept 30 days, us" in lines["claude-sonnet-5"]
    assert "openai/gpt-5.5 translated" in text
    assert "azure/acme-gpt translated" in text
    assert lines["claude-opus-9"].rstrip().endswith("provider's list")
    assert "2M" in lines["claude-opus-9"]
    assert "→ claude-haiku-4-5, claude-sonnet-5" in lines["auto"]
    assert (
        "anthropic listed 1 models on 2026-11-18 11:06 UTC." in text or "anthropic listed 1 model on" in text
    )


def _shown(name: str) -> Shown:
    provider = Provider(
        "p", "openai", "https://p.example", (Wire.CHAT, Wire.RESPONSES), {}, AuthScheme.NONE, terms=Terms()
    )
    route = Route("p/m", provider, "m", capabilities=Capabilities(1_050_000, 9_000, True, vision=True))
    line = CatalogueLine(
        name, ModelEntry(name), "stated", (), (route,), provider.wires, frozenset(provider.wires), None, ()
    )
    return Shown(line, (ShownRoute(route, None, False),), "everyone", False, False)


@pytest.mark.parametrize("width", [200, 110, 60])
def test_a_narrow_terminal_shows_what_matters_most(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None, legacy_windows=False)
    print_models(console, [_shown("a-model")], "Models", ())
    shown = out.getvalue().splitlines()
    headings = next(line for line in shown if line.lstrip().startswith("Model "))
    assert max(len(line.rstrip()) for line in shown) <= width
    for heading in ("Model", "Context", "$/M in", "For"):
        assert heading in headings
    assert ("Protocols" in headings) is (width == 200)


def test_names_move_no_cursor() -> None:
    out = io.StringIO()
    print_models(Console(file=out, width=300), [_shown("a\x1b[2Jb")], "Models", ())
    assert "\x1b" not in out.getvalue()


def test_nothing_is_said_to_be_nothing() -> None:
    out = io.StringIO()
    print_models(Console(file=out, width=80), [], "Models that eve may use", ())
    assert out.getvalue().strip() == "Models that eve may use: none."
