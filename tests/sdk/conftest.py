"""The official SDKs, unchanged, before a real gateway whose provider the test scripts."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk.published import PRICES, Buckets, cost_nano
from tests.stage import Row, Stage, staged
from waystation.policy import default_policy
from waystation.rehearsal import RehearsalServer

_CONTRACT = PRICES["claude-by-contract"]
_MODELS = f"""
models:
  claude-by-contract:
    routes: [{{provider: rehearsal}}]
    price:
      input: {_CONTRACT.input}
      output: {_CONTRACT.output}
      cache_read: {_CONTRACT.cache_read}
      cache_write: {_CONTRACT.write_5m}
      cache_write_1h: {_CONTRACT.write_1h}
  claude-of-others: {{groups: [others], routes: [{{provider: rehearsal}}], price: {{same_as: anthropic}}}}
  gpt-of-others: {{groups: [others], routes: [{{provider: rehearsal}}], price: {{same_as: openai}}}}
  gemini-of-others: {{groups: [others], routes: [{{provider: rehearsal}}], price: {{same_as: google}}}}
"""
_ACCESS = """
access:
  default: allow
  contact: "#ai-platform"
  groups:
    others: {members: [somebody@example.com]}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.sdk)


def _policy(url: str) -> str:
    text = default_policy({}, url).replace("\nmodels:\n", _MODELS, 1)
    return text[: text.index("\naccess:")] + _ACCESS


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("sdk"), policy=_policy) as running:
        yield running


@pytest.fixture
def stage(_running: Stage) -> Stage:
    """With no script, and nothing received."""
    _running.provider.rehearsal.prompter.clear()
    _running.provider.requests.clear()
    return _running


@pytest.fixture
def provider(stage: Stage) -> RehearsalServer:
    return stage.provider


class Ledger:
    """The rows of one test: its clients send `headers`, so that the ledger knows their session."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._session = uuid.uuid4().hex
        self.headers = {"x-session-id": self._session}

    def rows(self) -> list[Row]:
        return [row for row in self._stage.rows() if row["tool_session"] == self._session]

    def has(self, model: str, *usages: Buckets, operation: str = "generate") -> list[Row]:
        """A completed row for each usage, with exactly these tokens and their published price."""
        rows = [row for row in self.rows() if row["operation"] == operation]
        assert [_buckets(row) for row in rows] == list(usages)
        assert [row["cost_nano"] for row in rows] == [cost_nano(model, usage) for usage in usages]
        assert {row["requested_model"] for row in rows} == {model}
        assert {(row["outcome"], row["usage_source"]) for row in rows} == {("complete", "provider")}
        assert not any(row["usage_mismatch"] for row in rows)
        return rows


def _buckets(row: Row) -> Buckets:
    return Buckets(
        row["input_tokens"],
        row["cache_read_tokens"],
        row["cache_write_5m_tokens"],
        row["cache_write_1h_tokens"],
        row["output_tokens"],
        row["reasoning_tokens"],
    )


@pytest.fixture
def ledger(stage: Stage) -> Ledger:
    return Ledger(stage)
