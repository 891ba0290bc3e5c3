"""Qwen Code, pi, Copilot CLI and Continue's cn: how each is set up, and what would lead it elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.way.conftest import Laptop
from tests.way.gateway_double import Double
from tests.way.test_tools import configured, findings, started, write

from way.errors import WayError

CLAUDE = {"id": "claude-one", "name": "Claude One", "wires": ["anthropic.messages"]}
GPT = {"id": "gpt-one", "name": "GPT One", "wires": ["openai.chat", "openai.responses"]}
BOTH: dict[str, Any] = {"model": "gpt-one", "models": [GPT, CLAUDE]}


def option(args: list[str], name: str) -> str:
    return args[args.index(name) + 1]


# Qwen Code


def test_qwen_goes_to_the_relay_whatever_a_project_says(signed_in: Laptop) -> None:
    told = started(
        signed_in, "qwen", "hi", env={"OPENAI_BASE_URL": "http://elsewhere", "OPENAI_API_KEY": "sk-x"}
    )
    base = told["env"]["OPENAI_BASE_URL"]
    assert base.startswith("http://127.0.0.1:")
    assert base.endswith("/openai/v1")
    assert told["env"]["OPENAI_API_KEY"].startswith("way-")
    assert option(told["args"], "--openai-base-url") == base
    assert option(told["args"], "--auth-type") == "openai"
    assert option(told["args"], "--model") == "gpt-one"
    assert told["args"][-1] == "hi"


def test_qwen_keeps_a_model_that_was_named(signed_in: Laptop) -> None:
    told = started(signed_in, "qwen", "-m", "mine", "hi")
    assert told["args"].count("--model") == 0
    assert option(told["args"], "-m") == "mine"


def test_S7_what_a_project_would_do_to_qwen_is_found(tmp_path: Path) -> None:
    write(tmp_path / ".qwen" / ".env", "OPENAI_BASE_URL=http://elsewhere\n")
    settings = {
        "security": {"auth": {"selectedType": "qwen-oauth", "baseUrl": "http://elsewhere"}},
        "mcpServers": {"x": {}},
        "hooks": {"a": []},
    }
    write(tmp_path / ".qwen" / "settings.json", json.dumps(settings))
    found = "\n".join(findings("qwen", tmp_path))
    for word in (
        "sets OPENAI_BASE_URL",
        "qwen-oauth",
        "another address",
        "MCP servers of its own (x)",
        "hooks",
    ):
        assert word in found


# pi


def test_pi_gets_each_model_by_its_own_protocol_and_its_files_stay(signed_in: Laptop) -> None:
    told = started(signed_in, "pi", "-p", "hi")
    extension = Path(option(told["args"], "--extension"))
    assert "registerProvider" in extension.read_text()
    assert told["env"]["WAYSTATION_PI_KEY"].startswith("way-")
    assert told["env"]["WAYSTATION_PI_KEY"] not in extension.read_text()
    providers = json.loads(told["env"]["WAYSTATION_PI_PROVIDERS"])
    chat, messages = providers["waystation"], providers["waystation-anthropic"]
    assert (chat["api"], [m["id"] for m in chat["models"]]) == ("openai-completions", ["gpt-one"])
    assert (messages["api"], [m["id"] for m in messages["models"]]) == ("anthropic-messages", ["claude-one"])
    assert chat["baseUrl"].endswith("/openai/v1")
    assert messages["baseUrl"].endswith("/anthropic")
    assert chat["apiKey"] == "WAYSTATION_PI_KEY", "the name of the variable, not the key"
    assert option(told["args"], "--model") == "waystation/gpt-one"
    assert not (signed_in.home / ".pi").exists()


def test_pi_keeps_a_model_that_was_named(signed_in: Laptop) -> None:
    told = started(signed_in, "pi", "--model", "waystation-anthropic/claude-one")
    assert told["args"].count("--model") == 1


def test_pi_is_told_how_much_fits(tmp_path: Path) -> None:
    large = GPT | {"context_window": 400_000, "max_output": 128_000}
    launch = configured("pi", str(tmp_path), model="gpt-one", models=[large])
    model = json.loads(launch.env["WAYSTATION_PI_PROVIDERS"])["waystation"]["models"][0]
    assert (model["contextWindow"], model["maxTokens"]) == (400_000, 128_000)


def test_S7_what_a_project_would_do_to_pi_is_found(tmp_path: Path) -> None:
    write(tmp_path / ".pi" / "extensions" / "x.ts", "")
    write(tmp_path / ".pi" / "settings.json", '{"packages": ["npm:x"]}')
    assert len(findings("pi", tmp_path)) == 2


# Copilot CLI


def test_copilot_asks_way_for_its_key_and_goes_to_the_gateway(signed_in: Laptop, double: Double) -> None:
    told = started(
        signed_in, "copilot", "-p", "hi", env={"COPILOT_PROVIDER_API_KEY": "sk-x", "COPILOT_MODEL": "gone"}
    )
    env = told["env"]
    assert env["COPILOT_PROVIDER_BASE_URL"] == f"{double.url}/openai/v1"
    assert env["COPILOT_PROVIDER_TYPE"] == "openai"
    assert env["COPILOT_PROVIDER_API_KEY_COMMAND"].endswith("token --caller parent")
    assert "COPILOT_PROVIDER_API_KEY" not in env
    assert env["COPILOT_MODEL"] == "gpt-one"
    assert told["args"] == ["-p", "hi"]
    assert "COPILOT_PROVIDER_API_KEY is not passed on" in told["stderr"]


@pytest.mark.parametrize(
    ("args", "kind", "wire_api"),
    [
        ([], "openai", "responses"),
        (["--model", "claude-one"], "anthropic", "completions"),
        (["--model=claude-one"], "anthropic", "completions"),
    ],
)
def test_copilot_speaks_the_protocol_of_the_model(
    tmp_path: Path, args: list[str], kind: str, wire_api: str
) -> None:
    launch = configured("copilot", str(tmp_path), args, **BOTH)
    assert launch.env["COPILOT_PROVIDER_TYPE"] == kind
    assert launch.env["COPILOT_PROVIDER_WIRE_API"] == wire_api
    assert launch.args == args


# Continue


def test_cn_gets_a_configuration_for_this_start_only(signed_in: Laptop) -> None:
    code = (
        "import json, sys; at = sys.argv.index('--config') + 1;"
        "print(json.dumps({'args': sys.argv[1:], 'config': json.load(open(sys.argv[at]))}))"
    )
    told = started(signed_in, "cn", "-p", "hi", code=code)
    first, second = told["config"]["models"]
    assert (first["model"], first["provider"]) == ("gpt-one", "openai")
    assert first["apiBase"].endswith("/openai/v1")
    assert (second["model"], second["provider"]) == ("claude-one", "anthropic")
    assert second["apiBase"].endswith("/anthropic/v1/")
    assert first["apiKey"].startswith("way-")
    assert not Path(option(told["args"], "--config")).exists()


def test_cn_takes_a_model_of_the_gateway_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAY_HOME", str(tmp_path / "way"))
    launch = configured("cn", str(tmp_path), ["--model", "claude-one", "-p"], **BOTH)
    config = json.loads(Path(option(launch.args, "--config")).read_text())
    assert [m["model"] for m in config["models"]] == ["claude-one", "gpt-one"]
    assert "--model" not in launch.args
    hub = configured("cn", str(tmp_path), ["--model", "owner/package"], **BOTH)
    assert option(hub.args, "--model") == "owner/package"


def test_cn_with_a_configuration_of_ones_own_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(WayError, match="without way"):
        configured("cn", str(tmp_path), ["--config", "mine.yaml"], **BOTH)


@pytest.mark.parametrize("name", ["pi", "cn"])
def test_without_a_model_for_it_nothing_is_started(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAY_HOME", str(tmp_path / "way"))
    with pytest.raises(WayError, match="no model"):
        configured(name, str(tmp_path))
