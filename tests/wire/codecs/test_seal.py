"""A seal comes back from a tool as it went in, and nothing else is taken for one."""

import base64

import pytest
from google.genai import types as google
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import Wire
from waystation.wire.canonical import Seal
from waystation.wire.codecs.seal import unwrap, wrap

seals = st.builds(Seal, st.sampled_from(list(Wire)), st.text(), st.text())


@given(seals, st.sampled_from(list(Wire)))
def test_a_seal_survives_its_envelope(seal: Seal, native: Wire) -> None:
    assert unwrap(wrap(seal), native) == seal


@given(seals)
def test_an_envelope_needs_no_escaping_anywhere(seal: Seal) -> None:
    assert wrap(seal).replace("-", "").replace("_", "").isalnum()
    assert wrap(seal).isascii()


def test_E22_the_mark_of_unsigned_thoughts_survives() -> None:
    assert unwrap(wrap(Seal(Wire.CHAT, "", "groq")), Wire.MESSAGES) == Seal(Wire.CHAT, "", "groq")


@given(seals)
def test_E27_an_envelope_survives_a_client_that_decodes_and_encodes_it_again(seal: Seal) -> None:
    again = base64.b64encode(base64.urlsafe_b64decode(wrap(seal))).decode()
    assert unwrap(again, Wire.GENERATE) == seal


def test_E27_an_envelope_survives_googles_sdk() -> None:
    seal = Seal(Wire.MESSAGES, "EqMB~~~>>>???ü", "anthropic-eu")
    part = google.Part.model_validate_json('{"text": "", "thoughtSignature": "' + wrap(seal) + '"}')
    replayed = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert unwrap(replayed["thoughtSignature"], Wire.GENERATE) == seal


@pytest.mark.parametrize(
    "text", ["", "EqMBCkY", "ws1", "ws10", "ws10!!", "ws10AAAA", "ws10W10g", "ws1.x", "ws10é"]
)
def test_E21_anything_else_is_a_bare_seal(text: str) -> None:
    assert unwrap(text, Wire.MESSAGES) == Seal(Wire.MESSAGES, text)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert unwrap(text, Wire.GENERATE).data == text
