"""Tokens: handed out fresh, refreshed once whoever asks, kept from other eyes."""

import json
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.way.conftest import PROGRAM, Laptop
from tests.way.gateway_double import Double

from way import session


def token(laptop: Laptop, *words: str) -> str:
    done = laptop.way("token", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_good_token_is_printed_without_asking_anybody(signed_in: Laptop, double: Double) -> None:
    assert token(signed_in) == "access-1"
    assert double.seen == []


@pytest.mark.parametrize("left", [299, 0, -5000])
def test_a_token_with_less_than_five_minutes_is_renewed(signed_in: Laptop, double: Double, left: int) -> None:
    signed_in.let_token_age(left)
    assert token(signed_in) == "access-2"
    assert double.refreshes == 1
    assert token(signed_in) == "access-2", "the new one is kept"
    assert signed_in.secrets()["refresh_token"] == "refresh-2", "and so is its refresh token"


def test_a_clock_that_was_set_back_does_not_make_a_token_immortal(signed_in: Laptop) -> None:
    secrets = signed_in.secrets()
    assert secrets["expires_at"] - time.time() < 1801
    found = session.Secrets("a", "r", time.time() + 10_000_000, 1800)
    assert found.good_for(time.time()) == 1800


def test_short_lived_tokens_are_not_renewed_at_each_call(signed_in: Laptop, double: Double) -> None:
    double.expires_in = 60
    signed_in.let_token_age(0)
    assert token(signed_in) == "access-2"
    assert token(signed_in) == "access-2"


def test_many_processes_refresh_once(signed_in: Laptop, double: Double) -> None:
    signed_in.let_token_age(10)
    double.refresh_gate.clear()
    waiting = [signed_in.start("token") for _ in range(6)]
    while double.refreshes == 0:
        time.sleep(0.005)  # until the first of them is at the gateway
    double.refresh_gate.set()
    assert {process.communicate(timeout=60)[0].strip() for process in waiting} == {"access-2"}
    assert double.refreshes == 1


def test_many_threads_refresh_once(here: Laptop, double: Double) -> None:
    here.sign_in(double)
    here.let_token_age(10)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: session.fresh_token(), range(16))) == {"access-2"}
    assert double.refreshes == 1


def test_an_old_but_valid_token_serves_while_the_gateway_is_away(signed_in: Laptop, double: Double) -> None:
    signed_in.let_token_age(120)
    double.token_status = 503
    assert token(signed_in) == "access-1"


def test_an_expired_token_while_the_gateway_is_away_is_an_error_with_a_next_step(
    signed_in: Laptop, double: Double
) -> None:
    signed_in.let_token_age(-1)
    double.token_status = 503
    done = signed_in.way("token")
    assert (done.returncode, done.stdout) == (4, "")
    assert "try again" in done.stderr
    assert signed_in.secrets()["refresh_token"] == "refresh-1", "the sign-in is kept"


def test_an_ended_sign_in_says_what_to_do_and_forgets_its_tokens(signed_in: Laptop, double: Double) -> None:
    signed_in.let_token_age(-1)
    double.live_refresh = "somebody else's"
    done = signed_in.way("token")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"way: Your sign-in to {double.url} has ended; run `way login`.\n"
    assert "refresh" not in (signed_in.way_home / "session.json").read_text()
    assert signed_in.way("token").stderr == f"way: You are not signed in to {double.url}; run `way login`.\n"


def test_a_refusal_that_is_not_about_the_sign_in_keeps_it(signed_in: Laptop, double: Double) -> None:
    signed_in.let_token_age(-1)
    double.token_status = 429
    assert signed_in.way("token").returncode == 1
    assert signed_in.secrets()["refresh_token"] == "refresh-1"


def test_a_tool_that_asks_again_at_once_was_refused_and_gets_another(
    signed_in: Laptop, double: Double
) -> None:
    assert token(signed_in, "--caller", "4242") == "access-1"
    assert token(signed_in, "--caller", "4343") == "access-1", "another tool's first time"
    assert double.refreshes == 0
    assert token(signed_in, "--caller", "4242") == "access-2"
    assert token(signed_in, "--caller", "4343") == "access-2", (
        "its own token is an old one: no renewal for that"
    )
    assert double.refreshes == 1


def test_caller_parent_is_the_process_that_ran_it(signed_in: Laptop, double: Double) -> None:
    assert token(signed_in, "--caller", "parent") == "access-1"
    assert token(signed_in, "--caller", "parent") == "access-2"


def test_json_says_when_it_ends(signed_in: Laptop) -> None:
    told = json.loads(token(signed_in, "--json"))
    assert told["access_token"] == "access-1"
    assert 0 < told["expires_at"] - time.time() <= 1800


def test_nobody_is_signed_in(laptop: Laptop) -> None:
    done = laptop.way("token")
    assert done.returncode == 3
    assert done.stderr == "way: You are not signed in; run `way login https://your-gateway`.\n"
    assert json.loads(laptop.way("token", "--json").stdout) == {"error": done.stderr[5:-1]}


def test_a_damaged_session_is_named(signed_in: Laptop) -> None:
    (signed_in.way_home / "session.json").write_text("{")
    done = signed_in.way("token")
    assert done.returncode == 1
    assert "session.json is damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_session_is_for_its_owners_eyes_only(signed_in: Laptop) -> None:
    assert stat.S_IMODE((signed_in.way_home / "session.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(signed_in.way_home.stat().st_mode) == 0o700


def test_secrets_show_nothing_by_accident() -> None:
    shown = repr(session.Secrets("canary-access", "canary-refresh", 0, 0))
    assert "canary" not in shown


SLOW = {
    "asyncio",
    "ssl",
    "http",
    "urllib.request",
    "subprocess",
    "argparse",
    "typing",
    "dataclasses",
    "threading",
    "shutil",
}


def test_printing_a_token_loads_next_to_nothing(signed_in: Laptop) -> None:
    """What makes `way token` quick: each of these modules would cost a tenth of its time or more."""
    code = (
        f"import sys; sys.path.insert(0, {PROGRAM.rpartition('/')[0]!r})\n"
        "from way.cli import main\n"
        "try: main(['token', '--caller', '1'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code], env=signed_in.env, capture_output=True, text=True, check=True
    )
    printed, loaded = done.stdout.splitlines()
    assert printed == "access-1"
    assert not SLOW & set(loaded.split())
