"""The recorded streams that other rooms test with are what the provider says today."""

from tests.rehearsal.asking import sse
from tests.rehearsal.record_streams import STREAMS, WORDS, record


def test_the_recordings_are_what_the_provider_says() -> None:
    kept = {path.name: path.read_bytes() for path in STREAMS.iterdir()}
    assert kept == record(), "run `python -m tests.rehearsal.record_streams` if the change is wanted"


def test_the_hard_text_comes_through_whole() -> None:
    deltas = [
        e.get("delta", {}).get("text", "")
        for e in sse((STREAMS / "anthropic.messages.text.sse").read_bytes())
    ]
    assert "".join(deltas) == WORDS
