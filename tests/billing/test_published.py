"""What is published of the bill is what the code says."""

import re
from pathlib import Path

from tests.policy.documents import read
from waystation.billing.focus_columns import reference
from waystation.policy import billing_terms, price_factors

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_page_is_the_generated_one() -> None:
    assert (DOCS / "focus-columns.md").read_text("utf-8") == reference(), (
        "run: python -m waystation.billing.focus_columns > docs/focus-columns.md"
    )


def test_the_example_of_the_page_is_sound() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", (DOCS / "billing.md").read_text("utf-8"), re.DOTALL)
    names = ("anthropic", "openai", "eu", "max")
    providers = "".join(f"  {name}: {{kind: openai, credential: env:KEY}}\n" for name in names)
    document = read(f"version: 1\nproviders:\n{providers}{example}")
    terms = billing_terms(document)
    assert [len(x) for x in (terms.discounts, terms.commitments, terms.credits, terms.seats)] == [1, 1, 1, 1]
    assert len(price_factors(document)) == 2
