"""Our own corrections to the price data: each must say where it is from, and none may fool itself."""

import datetime
from decimal import Decimal

import msgspec
import pytest

from waystation.pricing import PriceBook
from waystation.pricing.overrides import packaged, read_corrections


def test_the_packaged_file_reads_and_every_entry_names_its_source() -> None:
    revision, entries = packaged()
    assert revision >= 1
    for entry in entries:
        assert entry.source.startswith("https://")
        assert entry.verified is not None
        assert entry.provider in PriceBook.builtin().providers()


def test_amounts_are_exact_and_beat_the_data() -> None:
    revision, [entry] = read_corrections(
        """
        revision: 7
        prices:
          - provider: openai
            model: gpt-5.4
            source: https://example.com/prices
            verified: 2026-11-24
            input: 0.1
            output: 0.3
            cache_read: 0.000001
            web_search: 7.5
            long_context: [{above: 10, input: 0.2, output: 0.6}]
            service_tiers: {flex: {input: 0.05, output: 0.15}}
        """
    )
    assert revision == 7
    assert entry.rates is not None
    assert (entry.rates.input, entry.rates.output, entry.rates.cache_read) == (100_000, 300_000, 1)
    assert entry.rates.web_search == int(Decimal("7.5") * 10**9)
    assert entry.long_context[0].rates.output == 600_000
    book = PriceBook(version="test", corrections=[entry])
    rates = book.rates("openai", "gpt-5.4", datetime.date(2026, 11, 24))
    assert rates is not None
    assert rates.input == 100_000
    assert rates.origin == "https://example.com/prices"


@pytest.mark.parametrize("missing", ["source", "verified", "input", "output"])
def test_an_entry_without_provenance_or_rates_is_refused(missing: str) -> None:
    fields = {
        "provider": "openai",
        "model": "m",
        "source": "https://example.com",
        "verified": "2026-11-24",
        "input": "1",
        "output": "1",
    }
    del fields[missing]
    entry = "\n    ".join(f"{k}: {v}" for k, v in fields.items())
    with pytest.raises(msgspec.ValidationError, match=missing):
        read_corrections(f"revision: 1\nprices:\n  - {entry}\n")
