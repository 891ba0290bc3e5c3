"""The system's key store, by its command: here a made-up `secret-tool` that keeps what it is given."""

import json

import pytest
from tests.way.conftest import Laptop
from tests.way.gateway_double import Double

SECRET_TOOL = """\
import os, sys
words = sys.argv[1:]
store = {store!r} + "/" + words[-1].replace("/", "_")
open({log!r}, "a").write(" ".join(words) + "\\n")
if {broken!r}: sys.exit(1)
if words[0] == "store": open(store, "w").write(sys.stdin.read())
elif words[0] == "lookup":
    if not os.path.exists(store): sys.exit(1)
    print(open(store).read(), end="")
elif words[0] == "clear" and os.path.exists(store): os.unlink(store)
"""


@pytest.fixture
def keyring(laptop: Laptop) -> Laptop:
    install(laptop)
    laptop.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent"
    return laptop


def install(laptop: Laptop, *, broken: bool = False) -> None:
    store = laptop.home / "store"
    store.mkdir(exist_ok=True)
    code = SECRET_TOOL.format(store=str(store), log=str(laptop.home / "log"), broken=broken)
    laptop.tool("secret-tool", code)


def test_tokens_go_to_the_key_store_and_not_to_disk(keyring: Laptop, double: Double) -> None:
    keyring.sign_in(double)
    assert keyring.session()["storage"] == "secret-service"
    for path in keyring.way_home.rglob("*"):
        if path.is_file():
            assert b"access-1" not in path.read_bytes()
            assert b"refresh-1" not in path.read_bytes()
    assert "refresh" not in (keyring.home / "log").read_text(), "never as an argument"
    assert keyring.way("token").stdout == "access-1\n"


def test_a_renewed_token_goes_there_too(keyring: Laptop, double: Double) -> None:
    double.expires_in = 0
    keyring.sign_in(double)
    double.expires_in = 1800
    renewed = keyring.way("token").stdout
    assert renewed.startswith("access-")
    assert renewed != "access-1\n"
    assert keyring.way("token").stdout == renewed
    assert keyring.session()["storage"] == "secret-service"


def test_logout_empties_it(keyring: Laptop, double: Double) -> None:
    keyring.sign_in(double)
    assert keyring.way("logout").returncode == 0
    assert list((keyring.home / "store").iterdir()) == []
    assert double.revoked == ["refresh-1"]


def test_a_store_that_refuses_means_the_file(keyring: Laptop, double: Double) -> None:
    install(keyring, broken=True)
    keyring.sign_in(double)
    assert keyring.session()["storage"] == "file"
    assert keyring.way("token").stdout == "access-1\n"


def test_a_locked_store_is_said_to_be_locked(keyring: Laptop, double: Double) -> None:
    keyring.sign_in(double)
    install(keyring, broken=True)
    done = keyring.way("token")
    assert done.returncode == 3
    assert "is it locked?" in done.stderr


def test_without_a_session_bus_it_is_not_asked(keyring: Laptop, double: Double) -> None:
    del keyring.env["DBUS_SESSION_BUS_ADDRESS"]
    keyring.sign_in(double)
    assert keyring.session()["storage"] == "file"
    assert not (keyring.home / "log").exists()


def test_the_person_can_keep_out_of_it(keyring: Laptop, double: Double) -> None:
    keyring.env["WAY_STORAGE"] = "file"
    keyring.sign_in(double)
    assert json.loads(keyring.session()["secrets"])["access_token"] == "access-1"
