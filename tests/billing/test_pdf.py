"""The PDF: the same bytes for the same bill, whatever names are in it."""

import re
import zlib
from pathlib import Path

import pytest

from tests.billing.ledger import TODAY, books_of, keep, used
from tests.billing.test_statement import NOVEMBER
from waystation.billing.pdf import cents, pdf_bytes
from waystation.billing.statement import By, draw_up

NAMES = ["maria@example.com", "Łukasz Żółć", "\x1b[31mred", "(paren) \\ back", "长" * 200, ""]


def pages_of(data: Path, by: tuple[By, ...], billing: str = "") -> bytes:
    with books_of(data, billing) as books:
        return pdf_bytes(draw_up(books, NOVEMBER, by, TODAY))


def text_of(pdf: bytes) -> str:
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return b"".join(zlib.decompress(s) for s in streams if s[:1] == b"x").decode("latin-1")


def test_it_is_the_same_each_time_and_shows_the_figures(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=1_234_567_890_123, principal_name=name) for name in NAMES])
    terms = "  discounts: [{percent: 10}]\n  seats: [{name: Max, provider: openai, monthly: 200, count: 2}]"
    pdf = pages_of(tmp_path, (By.USER, By.MODEL), terms)
    assert pdf == pages_of(tmp_path, (By.USER, By.MODEL), terms)
    text = text_of(pdf)
    assert "7,066.67" in text  # 6 × 1,111.1111011107 + 400
    assert "maria@example.com" in text
    assert "Zó" in text
    assert "\x1b" not in text


def test_a_long_bill_has_its_heads_on_each_page_and_an_empty_one_says_so(tmp_path: Path) -> None:
    assert "No usage" in text_of(pages_of(tmp_path, (By.USER,)))
    keep(tmp_path, [used(cost_nano=i, principal_name=f"user{i}") for i in range(120)])
    text = text_of(pages_of(tmp_path, (By.USER,)))
    assert text.count("(Requests)") >= 3
    assert "Page 3" in text


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.00"), (4_999_999, "0.00"), (5_000_000, "0.01"), (-5_000_000, "-0.01"), (-1, "0.00"),
        (1_234_567_894_999_999, "1,234,567.89"), (999_995_000_000, "1,000.00"),
    ],
)  # fmt: skip
def test_cents_are_rounded_half_up(nano: int, text: str) -> None:
    assert cents(nano) == text
