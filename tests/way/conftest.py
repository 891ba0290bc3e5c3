"""A laptop for one test: a home folder, a way that is run as its launcher runs it, and a gateway to talk to."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tests.way.gateway_double import Double, Running

import way
from way.session import Secrets, save

PROGRAM = str(Path(way.__file__).parent)
COMMAND = [sys.executable, "-I", "-S", f"{PROGRAM}/__main__.py"]


LINGERS = """\
import os, sys, time
if "--version" not in sys.argv:
    parent = os.getppid()
    print("up", flush=True)
    while os.getppid() == parent: time.sleep(0.02)
"""
"""A tool that runs for as long as way does."""


class Laptop:
    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.project = folder / "project"
        self.bin = folder / "bin"
        for path in (self.home, self.project, self.bin):
            path.mkdir(parents=True)
        self.way_home = self.home / "way"
        self.env = {
            "HOME": str(self.home),
            "WAY_HOME": str(self.way_home),
            "PATH": f"{self.bin}{os.pathsep}{os.path.dirname(sys.executable)}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "LANG": "C.UTF-8",
        }

    def way(
        self, *words: str, env: dict[str, str] | None = None, stdin: str = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            env={**self.env, **(env or {})},
            cwd=cwd or self.project,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *words],
            env=self.env,
            cwd=self.project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def tool(self, name: str, code: str) -> Path:
        """Puts a made-up tool on PATH: Python code."""
        path = self.bin / name
        path.write_text(f"#!{sys.executable} -IS\n{code}")
        path.chmod(0o755)
        return path

    def sign_in(self, double: Double) -> None:
        double.links["LINK"] = "ada"
        done = self.way("login", "--link", f"{double.url}/welcome/LINK")
        assert done.returncode == 0, done.stderr

    def is_signed_in(self, double: Double) -> None:
        """As `sign_in`, without running it: most tests are not about that."""
        told = double.tokens()
        lifetime = float(told["expires_in"])
        secrets = Secrets(told["access_token"], told["refresh_token"], time.time() + lifetime, lifetime)
        with mock.patch.dict(os.environ, self.env | {"WAY_STORAGE": "file"}):
            save(double.url, "ada@example.com", secrets, insecure_http=False, storage="")
        kept = {"gateway": double.url, "agents": double.agents}
        (self.way_home / "agents.json").write_text(json.dumps(kept))

    def session(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.way_home / "session.json").read_text())
        return found

    def secrets(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.session()["secrets"])
        return found

    def set_secrets(self, **changes: object) -> None:
        session = self.session()
        session["secrets"] = json.dumps({**json.loads(session["secrets"]), **changes})
        (self.way_home / "session.json").write_text(json.dumps(session))

    def let_token_age(self, seconds_left: float) -> None:
        self.set_secrets(expires_at=time.time() + seconds_left)


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


@pytest.fixture
def double() -> Iterator[Double]:
    with Running() as running:
        yield running


@pytest.fixture
def signed_in(laptop: Laptop, double: Double) -> Laptop:
    laptop.is_signed_in(double)
    return laptop


@pytest.fixture
def here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    """The laptop's environment for this very process, for tests that call way's functions."""
    for name, value in laptop.env.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("WAY_STORAGE", "file")
    monkeypatch.chdir(laptop.project)
    return laptop
