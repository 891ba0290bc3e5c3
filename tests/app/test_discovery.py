"""What providers list is found in the background, renewed, kept, and shown to whoever may use it."""

import asyncio
import json
import logging
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types as gemini_types

from tests.gateway import running_gateway
from tests.stage import Stage, eventually, fetch, sign_in, staged
from waystation.app.discovery import Discovery
from waystation.app.plan import PlanKeeper
from waystation.model import ListedModel, Principal, Refusal, Surface, Wire
from waystation.model import Operation as Op
from waystation.policy import Catalogue, ProviderList
from waystation.rehearsal import RehearsalServer, Script, Step, Vendor, When
from waystation.relay import UpstreamPools
from waystation.store import open_store
from waystation.store.lists import read_lists, write_lists

BOB = Principal(id="u1", name="bob@example.com")
MEL = Principal(id="u2", name="mel@example.com", groups=frozenset({"ml"}))
SURFACE = Surface.ANTHROPIC


def document(url: str, *, extra: str = "", credential: str = "env:KEY") -> str:
    return f"""
version: 1
providers:
  anth: {{kind: anthropic, base_url: '{url}/anthropic', credential: '{credential}'{extra}}}
models:
  claude-sonnet-5: {{routes: [{{provider: anth}}]}}
  "claude-*": {{routes: [{{provider: anth}}]}}
  "claude-opus-*": {{groups: [ml], routes: [{{provider: anth}}]}}
access: {{groups: {{ml: {{}}}}}}
"""


class Watched:
    """A keeper with a discovery that looks often."""

    def __init__(self, keeper: PlanKeeper, store: Any, data: Path, pools: UpstreamPools) -> None:
        self.keeper = keeper
        self.store = store
        self.data = data
        self.pools = pools

    def shown(self, who: Principal = BOB) -> list[str]:
        return [entry.id for entry in self.keeper.plan.models_for(who, SURFACE)]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - what is looked at has no event
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def discovering(self, *, interval: float = 0.1, first_retry: float = 0.05) -> AsyncIterator[None]:
        discovery = Discovery(
            self.keeper,
            self.pools,
            self.data,
            interval=interval,
            first_retry=first_retry,
            wall_clock=lambda: 7.0,
        )
        tasks = [asyncio.create_task(discovery.run()), asyncio.create_task(self.keeper.watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results), results

    def apply(self, text: str) -> None:
        base = self.store.policies.current()
        self.store.policies.append(text, who="test", note="", base_version=base.version if base else None)


@asynccontextmanager
async def opened(
    data: Path, text: str | None, *, env: dict[str, str] | None = None
) -> AsyncIterator[Watched]:
    store = open_store(data, None)
    keeper = PlanKeeper(
        store, {"KEY": "k"} if env is None else env, "", catalogue=Catalogue(read_lists(data))
    )
    pools = UpstreamPools(asyncio.get_running_loop(), connect_timeout=2)
    watched = Watched(keeper, store, data, pools)
    try:
        if text is not None:
            watched.apply(text)
        keeper.load()
        yield watched
    finally:
        pools.close()
        store.close()


@pytest.fixture
async def provider() -> AsyncIterator[RehearsalServer]:
    async with RehearsalServer() as server:
        server.list_models(Vendor.ANTHROPIC, "claude-sonnet-5", "claude-opus-9", "claude-new")
        yield server


async def test_found_soon_after_the_start_for_whom_it_is(tmp_path: Path, provider: RehearsalServer) -> None:
    async with opened(tmp_path, document(provider.url)) as gateway:
        assert gateway.shown() == ["claude-sonnet-5"]
        async with gateway.discovering():
            await gateway.until(lambda: "claude-new" in gateway.shown())
        assert gateway.shown() == ["claude-sonnet-5", "claude-new"]
        assert gateway.shown(MEL) == ["claude-sonnet-5", "claude-opus-9", "claude-new"]
        entry = gateway.keeper.plan.model_for(BOB, SURFACE, "claude-new")
        assert entry is not None
        assert (entry.display_name, entry.created) == ("claude-new (rehearsal)", 1_763_942_400)
        assert (entry.context_window, entry.max_output) == (200_000, 64_000)
        assert isinstance(
            gateway.keeper.plan.resolve(BOB, Wire.MESSAGES, Op.GENERATE, "claude-opus-9"), Refusal
        )


async def test_looked_at_again_and_again(tmp_path: Path, provider: RehearsalServer) -> None:
    async with opened(tmp_path, document(provider.url)) as gateway, gateway.discovering():
        await gateway.until(lambda: "claude-new" in gateway.shown())
        provider.list_models(Vendor.ANTHROPIC, "claude-newer")
        await gateway.until(lambda: gateway.shown() == ["claude-sonnet-5", "claude-newer"])


async def test_the_same_list_again_changes_no_plan(tmp_path: Path, provider: RehearsalServer) -> None:
    async with opened(tmp_path, document(provider.url)) as gateway, gateway.discovering():
        await gateway.until(lambda: "claude-new" in gateway.shown())
        plan, asked = gateway.keeper.plan, len(provider.requests)
        await gateway.until(lambda: len(provider.requests) > asked + 2)
        assert gateway.keeper.plan is plan


async def test_a_failure_is_told_once_and_keeps_the_last_list(
    tmp_path: Path, provider: RehearsalServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "waystation.models")
    async with opened(tmp_path, document(provider.url)) as gateway, gateway.discovering():
        await gateway.until(lambda: "claude-new" in gateway.shown())
        provider.play(Step(when=When(operation=Op.LIST_MODELS), faults=("503 times=4",)))
        asked = len(provider.requests)
        await gateway.until(lambda: len(provider.requests) > asked + 6)
        assert "claude-new" in gateway.shown()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [vars(record)["fields"] for record in warnings] == [
        {"provider": "anth", "reason": "it answered 503"}
    ]
    assert all("'k'" not in record.getMessage() for record in caplog.records)


async def test_one_that_does_not_answer_keeps_nobody_waiting(
    tmp_path: Path, provider: RehearsalServer
) -> None:
    text = (
        document(provider.url).replace(
            "models:", "  dead: {kind: anthropic-compatible, base_url: 'http://127.0.0.1:1'}\nmodels:"
        )
        + "  \n"
    )
    text = text.replace('"claude-opus-*":', '"dead-*": {routes: [{provider: dead}]}\n  "claude-opus-*":')
    async with opened(tmp_path, text) as gateway, gateway.discovering():
        await gateway.until(lambda: "claude-new" in gateway.shown())


async def test_a_start_without_the_provider_still_knows_its_models(
    tmp_path: Path, provider: RehearsalServer
) -> None:
    text = document(provider.url)
    async with opened(tmp_path, text) as gateway, gateway.discovering():
        await gateway.until(lambda: (tmp_path / "models.json").exists())
    await provider.stop()
    async with opened(tmp_path, None) as again:
        assert again.shown() == ["claude-sonnet-5", "claude-new"], "before anybody was asked"
        async with again.discovering():
            await asyncio.sleep(0.3)
            assert again.shown() == ["claude-sonnet-5", "claude-new"]


async def test_another_server_under_the_same_name_has_none_of_its_models(
    tmp_path: Path, provider: RehearsalServer
) -> None:
    async with RehearsalServer() as other:
        other.list_models(Vendor.ANTHROPIC, "claude-other")
        async with opened(tmp_path, document(provider.url)) as gateway, gateway.discovering(interval=1000):
            await gateway.until(lambda: "claude-new" in gateway.shown())
            gateway.apply(document(other.url))
            await gateway.until(lambda: gateway.shown() == ["claude-sonnet-5", "claude-other"])


async def test_a_new_policy_asks_at_once_and_an_old_one_no_more(
    tmp_path: Path, provider: RehearsalServer
) -> None:
    off = document(provider.url, extra=", discover: false")
    async with opened(tmp_path, off) as gateway, gateway.discovering(interval=1000):
        await asyncio.sleep(0.2)
        assert not provider.requests
        gateway.apply(document(provider.url))
        await gateway.until(lambda: "claude-new" in gateway.shown())
        gateway.apply(off)
        await gateway.until(lambda: gateway.keeper.plan.version == 3)
        assert "claude-new" in gateway.shown(), "what is known stays known"
        assert len(provider.requests) == 1


async def test_without_its_key_a_provider_is_not_asked(tmp_path: Path, provider: RehearsalServer) -> None:
    async with opened(tmp_path, document(provider.url), env={}) as gateway, gateway.discovering():
        await asyncio.sleep(0.2)
        assert not provider.requests


async def test_a_faulty_policy_leaves_plan_and_lists_as_they_are(
    tmp_path: Path, provider: RehearsalServer
) -> None:
    async with opened(tmp_path, document(provider.url)) as gateway, gateway.discovering():
        await gateway.until(lambda: "claude-new" in gateway.shown())
        gateway.apply("version: 1\nmodels: 7\n")
        await gateway.until(lambda: gateway.keeper.last_error)
        provider.list_models(Vendor.ANTHROPIC, "claude-after")
        await gateway.until(lambda: "claude-after" in gateway.shown())
        assert gateway.keeper.plan.version == 1


async def test_lists_that_cannot_be_kept_are_still_used(
    tmp_path: Path, provider: RehearsalServer, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models.json").mkdir()
    async with opened(tmp_path, document(provider.url)) as gateway, gateway.discovering():
        asked = len(provider.requests)
        await gateway.until(lambda: len(provider.requests) > asked + 3)
        assert "claude-new" in gateway.shown()
    assert [r.getMessage() for r in caplog.records].count("lists of models not kept") == 1


# ------------------------------------------------------------------ on disk
KEPT = {"p": ProviderList("https://p.example", (ListedModel("m", "M", 5),), 9)}


def test_lists_are_kept_whole(tmp_path: Path) -> None:
    assert read_lists(tmp_path) == {}
    write_lists(tmp_path, KEPT)
    write_lists(tmp_path, KEPT)
    assert read_lists(tmp_path) == KEPT
    assert [path.name for path in tmp_path.iterdir()] == ["models.json"]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "models.json").stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize(
    "text", ["", "{", "null", '{"version": 2, "providers": {}}', '{"version": 1, "providers": {"p": 7}}']
)
def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "models.json").write_text(text)
    assert read_lists(tmp_path) == {}


# ------------------------------------------------------------------ the real gateway
MANY = tuple(f"claude-{i}" for i in range(1200))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("discovery")
    with staged(folder, policy=_everything, script=Script(models={Vendor.ANTHROPIC: MANY})) as running:
        eventually(lambda: _listed(running, "/openai/v1/models")["data"])
        yield running


def _everything(url: str) -> str:
    patterns = "".join(
        f"  '{name}': {{routes: [{{provider: p}}]}}\n" for name in ("claude-*", "gpt-*", "gemini-*")
    )
    secret = "  'text-*': {groups: [nobody], routes: [{provider: p}]}\n"
    provider = f"providers: {{p: {{kind: rehearsal, base_url: '{url}', discover: true}}}}\n"
    return f"version: 1\n{provider}models:\n{patterns}{secret}access: {{groups: {{nobody: {{}}}}}}\n"


def _listed(stage: Stage, path: str) -> Any:
    answer = fetch(stage.url + path, headers=dict([stage.auth]))
    assert answer.status == 200, answer.body
    return answer.json


def test_every_surface_lists_what_the_real_gateway_found(stage: Stage) -> None:
    openai = {m["id"] for m in _listed(stage, "/openai/v1/models")["data"]}
    assert {"gpt-5.5", "gemini-2.5-pro"} <= openai
    assert "text-embedding-3-small" not in openai, "its pattern is for others"
    gemini = _listed(stage, "/gemini/v1beta/models")["models"]
    assert {"models/gemini-2.5-pro", "models/gemini-embedding-001"} <= {m["name"] for m in gemini}
    one = _listed(stage, "/anthropic/v1/models/gpt-5.5")
    assert (one["type"], one["id"], one["created_at"]) == ("model", "gpt-5.5", "2025-11-24T00:00:00Z")
    tools = fetch(f"{stage.url}/api/v1/agents", headers=dict([stage.auth])).json
    assert "gpt-5.5" in {m["id"] for m in tools["codex"]["models"]}


def test_the_sdks_turn_every_page(stage: Stage) -> None:
    """As Claude Code asks, too: with the largest page."""
    first = _listed(stage, "/anthropic/v1/models?limit=1000")
    assert (len(first["data"]), first["has_more"]) == (1000, True)
    anthropic = Anthropic(api_key=stage.token, base_url=f"{stage.url}/anthropic")
    names = [model.id for model in anthropic.models.list(limit=1000)]
    assert [name for name in names if name.startswith("claude-")] == list(MANY)
    assert len(names) == len(set(names))
    google = genai.Client(
        api_key=stage.token, http_options=gemini_types.HttpOptions(base_url=f"{stage.url}/gemini")
    )
    turned = [model.name for model in google.models.list(config={"page_size": 500})]
    assert {f"models/{name}" for name in MANY} <= set(turned)
    assert len(turned) == len(set(turned))


def test_a_page_that_cannot_be_is_refused_in_the_surfaces_shape(stage: Stage) -> None:
    for path, message in (
        ("/anthropic/v1/models?limit=0", "limit: "),
        ("/gemini/v1beta/models?pageToken=x", "pageToken: "),
    ):
        answer = fetch(stage.url + path, headers=dict([stage.auth]))
        assert answer.status == 400
        assert answer.json["error"]["message"].startswith(message)


def test_what_was_found_outlives_the_gateway(tmp_path: Path) -> None:
    with staged(tmp_path, policy=_everything) as stage:
        eventually(lambda: _listed(stage, "/openai/v1/models")["data"])
        stage.gateway.stop()
    with running_gateway(tmp_path / "data") as again:
        link = json.loads(again.command("sign-in-link", "--json").stdout)["url"]
        token = sign_in(again.url, link).access
        answer = fetch(f"{again.url}/openai/v1/models", headers={"authorization": f"Bearer {token}"})
        assert "gpt-5.5" in {m["id"] for m in answer.json["data"]}
        eventually(lambda: "it was not reached" in again.log.read_text())
