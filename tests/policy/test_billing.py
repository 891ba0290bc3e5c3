"""What the `billing` section refuses, and where."""

import pytest

from tests.policy.documents import faults

HEAD = "version: 1\nproviders: {eu: {kind: openai, credential: env:KEY}}\nbilling:\n"


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("  discounts: [{provider: ue, percent: 5}]", "billing.discounts[0].provider", "no provider"),
        ("  discounts: [{percent: 101}]", "billing.discounts[0].percent", "between 0 and 100"),
        ("  discounts: [{percent: -1}]", "billing.discounts[0].percent", "between 0"),
        ("  discounts: [{percent: 1.00001}]", "billing.discounts[0].percent", "decimals"),
        ("  discounts: [{}]", "billing.discounts[0]", "`percent` is missing"),
        (
            "  credits: [{amount: 5, since: 2026-02-01, until: 2026-01-01}]",
            "billing.credits[0].until",
            "before `since`",
        ),
        ("  seats: [{monthly: 20, count: -1}]", "billing.seats[0].count", "at least 0"),
        ("  fees: []", "billing.fees", "no such field"),
    ],
)
def test_a_fault_names_its_place(text: str, field: str, said: str) -> None:
    found = faults(HEAD + text + "\n")
    ((line, _, where, message),) = found
    assert (line, where) == (4, field)
    assert said in message
