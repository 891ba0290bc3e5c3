"""From `curl … | sh` to a working `way`, and all the way back."""

import ast
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.way.conftest import PROGRAM, Laptop

from waystation.console.install import build_archive, install_routes


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """The install routes over real HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(Starlette(routes=install_routes(url)), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield url
        server.should_exit = True
        thread.join()


def run_script(
    gateway: str, laptop: Laptop, *words: str, change: tuple[str, str] = ("", "")
) -> subprocess.CompletedProcess[str]:
    script = subprocess.run(
        ["curl", "-fsS", f"{gateway}/install"], capture_output=True, text=True, check=True
    ).stdout
    if change[0]:
        assert change[0] in script
        script = script.replace(*change)
    return subprocess.run(
        ["sh", "-s", "--", *words], input=script, env=laptop.env, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def newcomer(laptop: Laptop) -> Laptop:
    del laptop.env["WAY_HOME"]
    laptop.env["SHELL"] = "/bin/bash"
    return laptop


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the script needs curl (or wget)")


@needs_curl
def test_installed_used_and_gone_without_a_trace(gateway: str, newcomer: Laptop) -> None:
    (newcomer.home / ".bashrc").write_text("alias ll='ls -l'")
    before = files_below(newcomer.home)
    done = run_script(gateway, newcomer)
    assert done.returncode == 0, done.stderr
    launcher = newcomer.home / ".local" / "bin" / "way"
    assert f"Installed way 0.1.0 as {launcher}." in done.stdout
    assert f"Now type: {launcher} claude" in done.stdout
    assert str(launcher.parent) in (newcomer.home / ".bashrc").read_text()

    told = json.loads(
        subprocess.run(
            [launcher, "status", "--json"], env=newcomer.env, capture_output=True, text=True, check=True
        ).stdout
    )
    assert told["gateway"] == gateway, "it knows where it came from"
    assert len(told["changed_files"]) == 1

    gone = subprocess.run([launcher, "uninstall"], env=newcomer.env, capture_output=True, text=True)
    assert gone.returncode == 0, gone.stderr
    assert files_below(newcomer.home) == before


@needs_curl
def test_twice_is_as_good_as_once(gateway: str, newcomer: Laptop) -> None:
    run_script(gateway, newcomer)
    once = files_below(newcomer.home)
    assert run_script(gateway, newcomer).returncode == 0
    twice = files_below(newcomer.home)
    assert {name for name in once if not name.endswith(".pyc")} == {
        name for name in twice if not name.endswith(".pyc")
    }
    assert (newcomer.home / ".bashrc").read_text().count("PATH") == 2, "one line with two PATHs"


@needs_curl
def test_an_unknown_program_of_that_name_is_not_overwritten(gateway: str, newcomer: Laptop) -> None:
    other = newcomer.home / ".local" / "bin" / "way"
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\necho mine\n")
    done = run_script(gateway, newcomer)
    assert done.returncode == 1
    assert "is another program" in done.stderr
    assert other.read_text() == "#!/bin/sh\necho mine\n"


@needs_curl
def test_a_download_that_is_not_the_announced_one_is_not_run(gateway: str, newcomer: Laptop) -> None:
    digest = TestClient(Starlette(routes=install_routes(gateway))).get("/install/way.json").json()["sha256"]
    done = run_script(gateway, newcomer, change=(digest, "0" * 64))
    assert done.returncode == 1
    assert "not what the gateway announced" in done.stderr
    assert files_below(newcomer.home) == {}


@needs_curl
def test_a_script_that_was_cut_off_does_nothing(gateway: str, newcomer: Laptop) -> None:
    script = subprocess.run(
        ["curl", "-fsS", f"{gateway}/install"], capture_output=True, text=True, check=True
    ).stdout
    for part in (0.3, 0.6, 0.9, 0.97):
        cut = script[: int(len(script) * part)]
        subprocess.run(["sh"], input=cut, env=newcomer.env, capture_output=True, text=True)
        assert files_below(newcomer.home) == {}


@needs_curl
def test_path_can_be_left_alone(gateway: str, newcomer: Laptop) -> None:
    assert run_script(gateway, newcomer, "--keep-path").returncode == 0
    assert not (newcomer.home / ".bashrc").exists()


@needs_curl
@pytest.mark.parametrize(
    ("shell", "file"),
    [("/usr/bin/zsh", ".zshrc"), ("/usr/bin/fish", ".config/fish/conf.d/way.fish"), ("", ".profile")],
)
def test_each_shells_own_file(gateway: str, newcomer: Laptop, shell: str, file: str) -> None:
    newcomer.env["SHELL"] = shell
    assert file in run_script(gateway, newcomer).stdout
    assert (newcomer.home / file).exists()


def test_without_python_it_says_what_is_missing(gateway: str, newcomer: Laptop, tmp_path: Path) -> None:
    tools = tmp_path / "only"
    tools.mkdir()
    for name in ("sh", "curl", "uname", "mktemp", "rm"):
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    newcomer.env["PATH"] = str(tools)
    script = TestClient(Starlette(routes=install_routes(gateway))).get("/install").text
    done = subprocess.run(["/bin/sh"], input=script, env=newcomer.env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "way: Python 3.9 or newer is needed; install python3 and try again.\n"


@needs_curl
def test_the_launcher_survives_the_python_it_was_made_with(gateway: str, newcomer: Laptop) -> None:
    run_script(gateway, newcomer)
    launcher = newcomer.home / ".local" / "bin" / "way"
    launcher.write_text(
        launcher.read_text()
        .replace(f"python={sys.executable}", "python=/gone/python3")
        .replace(f"python={os.path.realpath(sys.executable)}", "python=/gone/python3")
    )
    text = launcher.read_text()
    if "/gone/python3" not in text:
        launcher.write_text(re.sub(r"python=\S+;", "python=/gone/python3;", text))
    assert subprocess.run(
        [launcher, "--version"], env=newcomer.env, capture_output=True, text=True
    ).stdout.startswith("way ")


def test_powershell_gets_its_own_script() -> None:
    client = TestClient(Starlette(routes=install_routes("https://gateway.example/")))
    agent = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1"
    by_agent = client.get("/install", headers={"User-Agent": agent}).text
    assert by_agent == client.get("/install.ps1").text
    assert "$gateway = 'https://gateway.example'" in by_agent
    assert client.get("/install", headers={"User-Agent": "curl/8"}).text.startswith("#!/bin/sh\n")
    for text in (by_agent, client.get("/install").text):
        assert "@GATEWAY@" not in text
        assert client.get("/install/way.json").json()["sha256"] in text


@pytest.mark.parametrize(
    "url", ["http://x'; rm -rf /; '", "http://$(id)", "ftp://x", "", "http://a b", "http://`id`"]
)
def test_an_address_that_a_shell_would_act_on_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        install_routes(url)


def test_the_archive_depends_on_its_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_archive()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert build_archive() == first
    names = zipfile.ZipFile(io.BytesIO(first)).namelist()
    assert "way/cli.py" in names
    assert "way/tools/claude.py" in names
    assert not [name for name in names if not name.endswith(".py")]


def test_the_archive_runs_as_it_is(tmp_path: Path, laptop: Laptop) -> None:
    archive = tmp_path / "way.pyz"
    archive.write_bytes(build_archive())
    done = subprocess.run(
        [sys.executable, "-I", archive, "--version"], env=laptop.env, capture_output=True, text=True
    )
    assert done.stdout.startswith("way ")


def test_self_install_is_only_for_the_archive(laptop: Laptop) -> None:
    done = laptop.way("self-install")
    assert done.returncode == 2
    assert "install script" in done.stderr


def test_uninstall_leaves_what_is_not_ours(laptop: Laptop) -> None:
    laptop.env["WAY_HOME"] = str(laptop.home)
    (laptop.home / "precious").write_text("x")
    (laptop.home / "agents.json").write_text("{}")
    assert laptop.way("uninstall").returncode == 0
    assert files_below(laptop.home) == {"precious": b"x"}


def test_way_runs_on_the_pythons_that_laptops_have() -> None:
    """The syntax of 3.9, and no import that only newer ones have."""
    for path in Path(PROGRAM).rglob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        imported |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not imported & {"tomllib", "zoneinfo._zoneinfo"}, path


def test_way_imports_only_the_standard_library() -> None:
    allowed = sys.stdlib_module_names | {"way"}
    for path in Path(PROGRAM).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert {name.split(".")[0] for name in names} <= allowed, path
