import pytest
from hypothesis import given
from hypothesis import strategies as st

from way.address import normal, split_welcome
from way.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gateway.example", "https://gateway.example"),
        ("https://Gateway.example:8443/", "https://gateway.example:8443"),
        ("https://gateway.example/ai/", "https://gateway.example/ai"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("  https://gateway.example  ", "https://gateway.example"),
    ],
)
def test_what_people_type_becomes_an_address(typed: str, meant: str) -> None:
    assert normal(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ftp://gateway.example",
        "https://",
        "https://a b",
        "https://g/?x=1",
        "https://g/#x",
        "https://u:p@g",
        "https://g:99999",
        "https://g/`id`",
        "https://g/'",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(UsageError):
        normal(typed)


def test_plain_http_to_another_machine_needs_a_word() -> None:
    with pytest.raises(UsageError, match="--insecure-http"):
        normal("http://gateway.example")
    assert normal("http://gateway.example", insecure_http=True) == "http://gateway.example"


@given(st.text())
def test_an_accepted_address_stays_as_it_is(typed: str) -> None:
    try:
        once = normal(typed, insecure_http=True)
    except UsageError:
        return
    assert normal(once, insecure_http=True) == once


def test_a_welcome_link_names_its_gateway() -> None:
    assert split_welcome(" https://g.example/welcome/abc ") == (
        "https://g.example",
        "https://g.example/welcome/abc",
    )
    assert split_welcome("https://g.example") == ("", "")
    assert split_welcome("https://g.example/welcome/") == ("", "")
