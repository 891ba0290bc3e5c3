"""Each command in an `sh` block of the docs is run, page by page and in order, as a reader would type it.

A page gets a folder, a home and a gateway of its own. Every line is run by bash as it stands, save for the gateway's
address, for a coding tool that would wait for its user, and for the few in `_OTHERWISE`, which say what is run in
their place and why.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.clients.laptop import STAY_HERE, TOOLS_BIN
from tests.documents import MARKDOWN, ROOT, fenced
from tests.gateway import BIN, RunningGateway, clean_environment, running_gateway

PAGES = [page for page in MARKDOWN if fenced(page, "sh")]
_TOOL = re.compile(r"way (claude|codex|gemini|opencode|qwen|pi|copilot|cn)\b(.*)")


class Reader:
    """Somebody at the page, with a terminal in a folder of their own."""

    def __init__(self, folder: Path, gateway: RunningGateway) -> None:
        self.folder = folder
        self.gateway = gateway
        self._signed_in = False
        home = folder / "home"
        home.mkdir(parents=True)
        if shutil.which("git"):  # Codex works in repositories only
            subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
        path = [home / ".local" / "bin", BIN, TOOLS_BIN, os.environ["PATH"]]
        self.environment = clean_environment(
            HOME=str(home),
            PWD=str(folder),
            PATH=os.pathsep.join(map(str, path)),
            WAYSTATION_DATA=str(gateway.data),
            GEMINI_CLI_TRUST_WORKSPACE="true",
            **STAY_HERE,
        )

    def types(self, line: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(line)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, f"{line}\n{done.stdout}{done.stderr}"

    def starts_tool(self, name: str, rest: str) -> None:
        """A real tool, signed in before; one that would wait for its user is only asked for its version."""
        if not os.access(TOOLS_BIN / name, os.X_OK):
            warnings.warn(f"`way {name}` not tried: it is not installed, run ./test", stacklevel=1)
            return
        self.sign_in()
        self.types(f"way {name}{rest or ' --version'}")

    def sign_in(self) -> None:
        """What the page in the browser does when its button is pressed."""
        if not self._signed_in:
            self._signed_in = True
            link = json.loads(self.gateway.command("sign-in-link", "--json").stdout)["url"]
            self.types(f"way login --link {shlex.quote(link)}")

    def starts(self, line: str) -> None:
        """A command that runs until it is stopped: it must come so far as to print its address."""
        log = self.folder / "started.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {self._here(line)}"],
                cwd=self.folder,
                env=self.environment | {"WAYSTATION_DATA": str(self.folder / "another")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            give_up = time.monotonic() + 40
            while "http://127.0.0.1:" not in log.read_text():
                assert process.poll() is None, f"{line}\n{log.read_text()}"
                assert time.monotonic() < give_up, f"{line}\n{log.read_text()}"
                time.sleep(0.05)  # between two looks; there is nothing to wait on
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        assert "Traceback" not in log.read_text(), log.read_text()

    def _here(self, line: str) -> str:
        here = line.replace("http://127.0.0.1:8080", self.gateway.url)
        return re.sub(r"(^|[|;&]\s*)\.venv/bin/", lambda found: f"{found[1]}{BIN}/", here)


def _start_script(reader: Reader) -> None:
    current = "set -eu; . scripts/setup.sh; find_python; is_installed requirements.lock"
    if subprocess.run(["sh", "-c", current], cwd=ROOT).returncode != 0:
        warnings.warn(
            "./start not tried: this .venv is not ./test's, and would change under the tests", stacklevel=1
        )
        return
    reader.starts(f"{shlex.quote(str(ROOT / 'start'))} --port 0")


def _install(reader: Reader) -> None:
    if shutil.which("curl") is None:
        warnings.warn("/install not tried: curl is not here", stacklevel=1)
    else:
        reader.types(f"curl -fsS {reader.gateway.url}/install | sh")
    reader.sign_in()


def _script_then_rehearsal(reader: Reader) -> None:
    (reader.folder / "play.yaml").write_text("steps: []\n")
    reader.starts("waystation rehearsal --port 0 --script play.yaml")


def _roll_back(reader: Reader) -> None:
    policy = reader.folder / "policy.yaml"
    policy.write_text(policy.read_text() + "# edited\n")
    reader.types("waystation policy apply policy.yaml")  # so that there is something to undo
    reader.types("waystation policy rollback 1")


def _ask_for_token(reader: Reader) -> None:
    reader.sign_in()
    reader.types('export WAYSTATION_TOKEN="$(way token)"; [ -n "$WAYSTATION_TOKEN" ]')


_OTHERWISE: dict[str, Callable[[Reader], None] | None] = {
    "./start": _start_script,
    "./test": None,  # is what runs this test
    "git pull": None,  # has no remote to pull from here
    "curl -fsS http://127.0.0.1:8080/install | sh": _install,
    "waystation serve": lambda reader: reader.starts("waystation serve --port 0"),
    "waystation serve --database postgresql://waystation@db.example/waystation": None,  # tests/store runs on one
    "waystation policy rollback 1": _roll_back,
    "pip install langgraph langchain-anthropic langchain-openai": None,  # requirements-frameworks.lock has them
    "pip install openai-agents": None,
    "pip install claude-agent-sdk": None,
    "pip install google-adk": None,
    'pip install "pydantic-ai-slim[anthropic,google,openai]"': None,
    'export WAYSTATION_TOKEN="$(way token)"': _ask_for_token,
    'python agent.py "create hello.txt containing hi"': None,  # tests/frameworks runs each page's programs
    "waystation rehearsal --port 8099": lambda reader: reader.starts("waystation rehearsal --port 0"),
    "waystation rehearsal --port 8099 --script play.yaml": _script_then_rehearsal,
}


def _lines(page: Path) -> list[str]:
    """The page's commands, without comments, continued lines joined."""
    text = "\n".join(fenced(page, "sh")).replace("\\\n", " ")
    bare = [re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in text.splitlines()]
    return [re.sub(r"\s+", " ", line) for line in bare if line]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with running_gateway(tmp_path / "data") as gateway:
        yield Reader(tmp_path / "page", gateway)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_the_page_work(page: Path, reader: Reader) -> None:
    for line in _lines(page):
        if line in _OTHERWISE:
            instead = _OTHERWISE[line]
            if instead is not None:
                instead(reader)
        elif found := _TOOL.fullmatch(line):
            reader.starts_tool(found[1], found[2])
        else:
            reader.types(line)


def test_every_exception_is_still_in_a_page() -> None:
    written = {line for page in PAGES for line in _lines(page)}
    assert set(_OTHERWISE) - written == set()
