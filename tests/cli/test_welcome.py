"""What `waystation serve` prints once it is up: what to type next, so that it works as it stands."""

from pathlib import Path

import pytest

from waystation.app.announce import Announcement
from waystation.cli.serve import _print_welcome


def told(capsys: pytest.CaptureFixture[str], data: str) -> str:
    _print_welcome(
        Announcement(
            url="http://127.0.0.1:8080", pid=1, welcome=None, rehearsal=True, data=data, policy_version=0
        )
    )
    return capsys.readouterr().out


def test_usage_is_looked_for_where_the_gateway_keeps_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "my data"
    assert f" usage --data '{elsewhere}'" in told(capsys, str(elsewhere))
    monkeypatch.setenv("WAYSTATION_DATA", str(elsewhere))
    assert "--data" not in told(capsys, str(elsewhere))


def test_without_curl_the_client_that_came_along_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "way").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    said = told(capsys, "/data")
    assert f"{tmp_path}/way login http://127.0.0.1:8080" in said
    assert f"{tmp_path}/way claude" in said
    (tmp_path / "curl").touch(mode=0o755)
    assert "curl -fsS http://127.0.0.1:8080/install | sh" in told(capsys, "/data")
