"""A gateway that cannot start says why in a sentence, ends, and leaves what is running alone."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.gateway import WAYSTATION, clean_environment
from tests.security.authority import Authority
from tests.stage import fetch, staged
from waystation.model import Wire

pytestmark = pytest.mark.faults


def test_a_second_gateway_on_the_same_data_is_turned_away(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        second = _serve(stage.gateway.data)
        _says(second, f"process {stage.gateway.process.pid}", "--data")
        assert stage.say(Wire.MESSAGES).status == 200
        assert fetch(f"{stage.url}/readyz").status == 200
        assert (stage.gateway.data / "gateway.json").exists(), "it is the first one's"


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _says(_serve(tmp_path / "data", "--port", str(port)), f"127.0.0.1:{port}", "another gateway")


def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    certificate, _ = authority.issue("127.0.0.1")
    _, key = authority.issue("localhost")
    for words in (
        ("--tls-certificate", str(tmp_path / "missing.pem"), "--tls-key", str(key)),
        ("--tls-certificate", str(certificate), "--tls-key", str(key)),  # of another certificate
    ):
        _says(_serve(tmp_path / "data", *words), words[1])


def test_a_key_file_that_is_not_ours(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    key = data / "master.key"
    key.write_bytes(b"not a key")
    key.chmod(0o644)
    _says(_serve(data), f"chmod 600 {key}")
    key.chmod(0o600)
    _says(_serve(data), "master key")


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    _says(
        _serve(tmp_path / "data", "--database", "postgresql://127.0.0.1:1/none?connect_timeout=2"), "database"
    )


def _serve(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    port = () if "--port" in words else ("--port", "0")
    return subprocess.run(
        [WAYSTATION, "serve", "--data", str(data), *port, *words],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=40,
    )


def _says(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ended.returncode == 1, ended
    assert " is up at " not in ended.stdout
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 3, "a sentence or two"
    for word in words:
        assert word in ended.stderr
