"""What a newcomer does: start the gateway, sign in, let a tool work, see who spent what."""

import json
from pathlib import Path

import pytest
from tests.clients.laptop import TOOLS, Laptop, Tool
from tests.gateway import RunningGateway


def test_the_welcome_link_signs_in_once(tmp_path: Path, defaults: RunningGateway) -> None:
    first = Laptop(tmp_path / "first", defaults)
    assert defaults.welcome
    first.sign_in(defaults.welcome)
    assert defaults.url in first.way("status").stdout
    again = Laptop(tmp_path / "again", defaults).way("login", "--link", defaults.welcome)
    assert again.returncode != 0
    assert "Traceback" not in again.stderr


def test_a_tool_works_on_embedded_defaults_and_is_counted(
    tmp_path: Path, defaults: RunningGateway, any_tool: Tool
) -> None:
    tool = any_tool
    laptop = Laptop(tmp_path / "home", defaults)
    laptop.sign_in()
    run = laptop.run(tool)
    assert (run.status, run.hello) == (0, "hi"), run
    assert run.outcomes() == ["complete"] * tool.calls, run
    assert [row["wire"] for row in run.rows].count(tool.wire) >= 2, "its own protocol, not another one"
    for row in run.rows:
        assert row["tool"] == tool.binary, run
        assert row["stream"]
        assert row["usage_source"] == "provider"
        assert row["output_tokens"] > 0
        assert row["cost_nano"] > 0
        assert row["ttft_us"] > 0
        assert row["bytes_out"] > 0
        assert row["principal_name"]


def test_usage_adds_up_to_the_nano_dollar(tmp_path: Path, defaults: RunningGateway) -> None:
    laptop = Laptop(tmp_path / "home", defaults)
    laptop.sign_in()
    before = _cost_of(defaults, "claude")
    run = laptop.run(TOOLS["claude"])
    assert _cost_of(defaults, "claude") - before == sum(row["cost_nano"] for row in run.rows) > 0, run


def test_a_tool_that_is_not_signed_in_says_what_to_do(tmp_path: Path, defaults: RunningGateway) -> None:
    laptop = Laptop(tmp_path / "home", defaults)
    run = laptop.run(TOOLS["claude"])
    assert run.status != 0
    assert "way login" in run.said
    assert run.rows == []


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_the_tools_own_exit_status_comes_through(laptop: Laptop, name: str) -> None:
    done = laptop.way(name, "--no-such-option")
    assert done.returncode not in (0, None)
    assert "no-such-option" in done.stdout + done.stderr, "the tool's own message"


def _cost_of(gateway: RunningGateway, tool: str) -> int:
    """What `waystation usage` says a tool has cost so far, in nano-dollars."""
    told = json.loads(gateway.command("usage", "--by", "tool", "--json").stdout)
    return sum(line["cost_nano"] for line in told["rows"] if line["tool"] == tool)
