"""A developer's laptop: a home folder of its own, signed in by `way login`, with the real tools from npm on PATH."""

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.gateway import WAY, RunningGateway, clean_environment
from tests.stage import ledger_rows

STAY_HERE = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    # It waits for its list of models before it does anything: for half a minute where packets get lost.
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "PI_OFFLINE": "1",
    "COPILOT_OFFLINE": "true",
    "COPILOT_AUTO_UPDATE": "false",
    "CONTINUE_TELEMETRY_ENABLED": "0",
}
"""What keeps the tools from asking the internet for anything: tests talk to this machine only."""
_GEMINI_STAYS_HERE = {
    "general": {"disableAutoUpdate": True, "disableUpdateNag": True},
    "privacy": {"usageStatisticsEnabled": False},
}
TOOLS_BIN = Path(__file__).parent / "node_modules" / ".bin"
TASK = "create hello.txt containing hi"
LIMIT = 60
"""Seconds that a tool may take for anything in these tests."""


@dataclasses.dataclass(frozen=True)
class Tool:
    """How a tool is run headless."""

    binary: str
    words: tuple[str, ...]
    """Its own arguments before the prompt."""
    model_option: str
    wire: str
    calls: int
    """Requests that the task takes when nothing goes wrong, a title included where the tool wants one."""
    model: str = ""
    """The model to name where a test names none; "" leaves it to `way`."""

    prompt_option: str = ""
    """What the prompt must follow, where it does not simply stand last."""

    def command(self, prompt: str, model: str = "", more: Sequence[str] = ()) -> list[str]:
        """`more` are further arguments of its own."""
        named = model or self.model
        chosen = [self.model_option, named] if named else []
        option = [self.prompt_option] if self.prompt_option else []
        return [self.binary, *self.words, *more, *chosen, *option, prompt]


_CODEX_WORDS = ("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
TOOLS = {
    "claude": Tool("claude", ("-p", "--dangerously-skip-permissions"), "--model", "anthropic.messages", 3),
    "codex": Tool("codex", _CODEX_WORDS, "-m", "openai.responses", 2),
    "gemini": Tool("gemini", ("--yolo",), "-m", "gemini.generate", 2, prompt_option="-p"),
    "opencode-anthropic": Tool(
        "opencode", ("run",), "-m", "anthropic.messages", 3, "waystation-anthropic/claude-sonnet-4-5"
    ),
    "opencode-chat": Tool("opencode", ("run",), "-m", "openai.chat", 3, "waystation/gpt-5.4"),
}
"""Those that every kind of fault is tried with."""
ALL_TOOLS = TOOLS | {
    "qwen": Tool("qwen", ("--yolo",), "--model", "openai.chat", 2),
    "pi": Tool("pi", ("-p", "--no-session"), "--model", "openai.chat", 2),
    "copilot": Tool("copilot", ("--allow-all-tools",), "--model", "openai.responses", 2, prompt_option="-p"),
    "cn": Tool("cn", ("-p", "--auto"), "--model", "openai.chat", 2),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """What a tool did: its exit status, what it said, and what the ledger and the folder have since."""

    status: int
    said: str
    """Standard output, then standard error."""
    seconds: float
    folder: Path
    rows: list[dict[str, Any]]
    """The ledger's new rows, in order; each as in docs/usage-tables.md."""

    @property
    def hello(self) -> str | None:
        """What is in hello.txt, without the end of its last line; None if there is no such file."""
        return self.files("hello.txt").get("hello.txt")

    def files(self, *names: str) -> dict[str, str]:
        """What is in those of these files that there are, each without the end of its last line."""
        paths = [self.folder / name for name in names]
        return {path.name: path.read_text().rstrip("\n") for path in paths if path.exists()}

    def outcomes(self) -> list[str]:
        return [row["outcome"] for row in self.rows]

    def __str__(self) -> str:
        rows = [(r["outcome"], r["http_status"], r["error"], r["requested_model"]) for r in self.rows]
        files = sorted(p.name for p in self.folder.iterdir())
        return (
            f"exit {self.status} after {self.seconds:.1f} s, files {files}, rows {rows}\n{self.said[-3000:]}"
        )


class Laptop:
    def __init__(self, home: Path, gateway: RunningGateway) -> None:
        self.home = home
        self.gateway = gateway
        self._environment = clean_environment(
            HOME=str(home),
            WAY_HOME=str(home / "way"),
            XDG_CONFIG_HOME=str(home / ".config"),
            XDG_DATA_HOME=str(home / ".local" / "share"),
            XDG_CACHE_HOME=str(home / ".cache"),
            XDG_STATE_HOME=str(home / ".local" / "state"),
            PATH=f"{TOOLS_BIN}{os.pathsep}{os.environ['PATH']}",
            TERM="dumb",
            TMPDIR=str(home / "tmp"),
            IS_SANDBOX="1",  # as root, Claude Code runs without permission prompts only in a sandbox
            GEMINI_CLI_TRUST_WORKSPACE="true",
            **STAY_HERE,
        )
        (home / "tmp").mkdir(parents=True)
        (home / ".gemini").mkdir()
        (home / ".gemini" / "settings.json").write_text(json.dumps(_GEMINI_STAYS_HERE))

    def way(self, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`way WORDS…`, without a terminal. Whatever its exit status."""
        return subprocess.run(
            [WAY, *words],
            cwd=folder or self.home,
            env=self._environment | {"PWD": str(folder or self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    def plain(self, *words: str) -> str:
        """What a tool prints that is started without `way`. Raises where it fails."""
        done = subprocess.run(
            words,
            cwd=self.home,
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        return done.stdout

    def sign_in(self, link: str = "") -> None:
        """By the one-time link of the first start, or by a fresh one."""
        link = link or json.loads(self.gateway.command("sign-in-link", "--json").stdout)["url"]
        done = self.way("login", "--link", link)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(
        self,
        tool: Tool,
        prompt: str = TASK,
        *,
        model: str = "",
        more: Sequence[str] = (),
        env: dict[str, str] | None = None,
        limit: float = LIMIT,
    ) -> Run:
        """`way TOOL …` in a new folder, and what came of it. Fails where it takes longer than `limit` seconds."""
        folder = self.home / f"project-{len(list(self.home.iterdir()))}"
        folder.mkdir()
        before = {row["attempt_id"] for row in ledger_rows(self.gateway.data)}
        began = time.monotonic()
        process = subprocess.Popen(
            [WAY, *tool.command(prompt, model, more)],
            cwd=folder,
            env=self._environment | {"PWD": str(folder)} | (env or {}),  # OpenCode works where PWD says
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(
                process.pid, signal.SIGKILL
            )  # with whatever it has started: it has a session of its own
            out, err = process.communicate()
        seconds = time.monotonic() - began
        run = Run(process.returncode, f"{out}\n{err}", seconds, folder, self._new_rows(before))
        assert seconds < limit, f"{tool.binary} was still running after {limit} s: {run}"
        return run

    def _new_rows(self, before: set[str]) -> list[dict[str, Any]]:
        self.gateway.wait_until_idle()
        return [row for row in ledger_rows(self.gateway.data) if row["attempt_id"] not in before]

    def replace_access_token(self, token: str) -> None:
        """Puts another access token into the session that `way` keeps, as if it were still good."""
        path = self.home / "way" / "session.json"
        session = json.loads(path.read_text())
        secrets = json.loads(session["secrets"])
        secrets["access_token"] = token
        session["secrets"] = json.dumps(secrets)
        path.write_text(json.dumps(session))
