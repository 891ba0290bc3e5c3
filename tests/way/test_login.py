"""Signing in, by each of the three ways, and out again."""

import json
import sys

import pytest
from tests.way.conftest import Laptop
from tests.way.gateway_double import Double

from way import login, oauth
from way.errors import WayError
from way.loopback import Callback

BROWSER = """\
import sys, urllib.request
print("noise on the terminal", flush=True)
print("more noise", file=sys.stderr, flush=True)
page = urllib.request.urlopen(sys.argv[1]).read().decode()
open({seen!r}, "w").write(page)
"""


@pytest.fixture
def browser(laptop: Laptop) -> Laptop:
    """A browser whose owner signs in at once."""
    seen = str(laptop.home / "page.html")
    path = laptop.tool("test-browser", BROWSER.format(seen=seen))
    laptop.env["BROWSER"] = str(path)
    return laptop


def test_by_browser(browser: Laptop, double: Double) -> None:
    done = browser.way("login", double.url)
    assert done.returncode == 0, done.stderr
    assert f"Signed in to {double.url} as ada@example.com" in done.stdout
    assert "noise" not in done.stdout + done.stderr, "the browser does not write on the terminal"
    (asked,) = double.requests("/oauth/authorize")
    assert "code_challenge_method=S256" in asked.target
    assert asked.target in done.stderr, "for a person whose browser did not open"
    assert "You are signed in" in (browser.home / "page.html").read_text()
    assert browser.secrets()["access_token"] == "access-1"
    assert "access-1" not in done.stdout + done.stderr


def test_by_browser_refused(browser: Laptop, double: Double) -> None:
    double.deny = True
    done = browser.way("login", double.url)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "way: The sign-in was refused: The person said no."
    assert not (browser.way_home / "session.json").exists()


def test_the_callback_takes_no_answer_but_its_own() -> None:
    callback = Callback("the-state")
    try:
        assert callback.take("/callback?code=stolen&state=other")[0] == 400
        assert callback.take("/callback?code=stolen")[0] == 400
        assert callback.take("/other?code=stolen&state=the-state")[0] == 404
        assert (callback.code, callback.error) == ("", "")
        assert callback.take("/callback?code=right&state=the-state&iss=x")[0] == 200
        assert (callback.code, callback.issuer) == ("right", "x")
        assert callback.redirect_uri.startswith("http://127.0.0.1:")
    finally:
        callback.close()


def test_an_answer_of_another_gateway_is_thrown_away(
    here: Laptop, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_elsewhere(self: Callback, seconds: float) -> str:
        self.issuer = "https://evil.example"
        return "c"

    monkeypatch.setattr(Callback, "wait", from_elsewhere)
    monkeypatch.setattr(login, "_open_quietly", lambda page: None)
    monkeypatch.setenv("BROWSER", "x")
    with pytest.raises(WayError, match="another gateway"):
        login.sign_in(double.url, say=lambda line: None)
    assert double.requests("/oauth/token") == []


@pytest.mark.parametrize("words", [("--device",), ()])
def test_by_device_code_where_there_is_no_browser(
    laptop: Laptop, double: Double, words: tuple[str, ...]
) -> None:
    double.device_answers = ["authorization_pending"]
    done = laptop.way("login", double.url, *words)
    assert done.returncode == 0, done.stderr
    assert f"{double.url}/device" in done.stderr
    assert "BCDF-GHJK" in done.stderr
    assert "evil.example" not in done.stderr, "an address in an answer is not shown, let alone opened"
    assert len(double.requests("/oauth/token")) == 2
    assert laptop.session()["name"] == "ada@example.com"


def test_a_hasty_device_slows_down(here: Laptop, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    double.device_answers = ["authorization_pending", "slow_down", "authorization_pending"]
    login.sign_in(double.url, device=True, say=lambda line: None)
    assert slept == [1, 1, 6, 6]


@pytest.mark.parametrize("error", ["access_denied", "expired_token"])
def test_a_device_that_is_turned_down_stops(laptop: Laptop, double: Double, error: str) -> None:
    double.device_answers = [error]
    done = laptop.way("login", double.url, "--device")
    assert done.returncode == 1
    assert error in done.stderr
    assert not (laptop.way_home / "session.json").exists()


@pytest.mark.parametrize("form", [("{link}",), ("--link", "{link}"), ("{gateway}", "--link", "{link}")])
def test_by_one_time_link(laptop: Laptop, double: Double, form: tuple[str, ...]) -> None:
    double.links["LINK"] = "ada"
    words = [part.format(link=f"{double.url}/welcome/LINK", gateway=double.url) for part in form]
    assert laptop.way("login", *words).returncode == 0
    again = laptop.way("login", *words)
    assert again.returncode == 1
    assert again.stderr == "way: This link was used already.\n"
    assert laptop.way("token").stdout == "access-1\n", "the earlier sign-in still stands"


def test_a_link_of_another_gateway_is_not_sent_there(laptop: Laptop, double: Double) -> None:
    done = laptop.way("login", "https://other.example", "--link", f"{double.url}/welcome/LINK")
    assert done.returncode == 2
    assert double.seen == []


def test_signing_in_anew_ends_the_old_sign_in(signed_in: Laptop, double: Double) -> None:
    signed_in.sign_in(double)
    assert double.revoked == ["refresh-1"]
    assert signed_in.way("token").stdout == "access-2\n"


def test_login_without_an_address_goes_where_it_went_before(browser: Laptop, double: Double) -> None:
    browser.way("login", double.url)
    browser.way("logout")
    done = browser.way("login", "--json")
    assert json.loads(done.stdout) == {"gateway": double.url, "name": "ada@example.com", "storage": "file"}


def test_the_environment_names_the_gateway(browser: Laptop, double: Double) -> None:
    assert browser.way("login", env={"WAY_GATEWAY": double.url}).returncode == 0


def test_an_address_that_is_no_waystation_is_said_to_be_none(laptop: Laptop, double: Double) -> None:
    done = laptop.way("login", f"{double.url}/nowhere")
    assert done.returncode == 1
    assert "There is no Waystation" in done.stderr


def test_a_gateway_that_does_not_answer(laptop: Laptop) -> None:
    done = laptop.way("login", "http://127.0.0.1:9")
    assert done.returncode == 4
    assert done.stderr == "way: Nothing listens at http://127.0.0.1:9; is the gateway running?\n"


def test_plain_http_to_elsewhere_is_refused(laptop: Laptop) -> None:
    done = laptop.way("login", "http://gateway.example")
    assert done.returncode == 2
    assert "--insecure-http" in done.stderr


def test_logout_here_and_there(signed_in: Laptop, double: Double) -> None:
    done = signed_in.way("logout")
    assert (done.returncode, done.stdout) == (0, f"Signed out of {double.url}.\n")
    assert double.revoked == ["refresh-1"]
    assert "access-1" not in (signed_in.way_home / "session.json").read_text()
    assert signed_in.way("token").returncode == 3
    assert signed_in.way("logout").stdout == "You were not signed in.\n"


def test_logout_works_without_the_gateway(
    here: Laptop, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.sign_in(double)

    def unreachable(gateway: str, token: str) -> None:
        raise WayError("away")

    monkeypatch.setattr(oauth, "revoke", unreachable)
    with pytest.raises(WayError, match="signed out on this machine"):
        login.sign_out()
    assert "access-1" not in (here.way_home / "session.json").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="what counts as a browser differs by system")
@pytest.mark.parametrize(
    ("variables", "there"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "w"}, True),
        ({"BROWSER": "lynx"}, True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1"}, False),
        ({"BROWSER": "lynx", "SSH_TTY": "/dev/pts/0"}, False),
    ],
)
def test_where_a_browser_would_be_seen(
    variables: dict[str, str], there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert login.has_browser() is there
