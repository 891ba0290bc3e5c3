"""Prices that a policy states, and names of the price data that it uses."""

import datetime

import pytest

from tests.policy.documents import BOB, plan_of, read
from waystation.model import LongContext, Operation, PriceOverride, StatedRates, Surface, Usage, Wire
from waystation.policy import PolicyErrors, Resolution, compile_plan, price_overrides
from waystation.pricing import PriceBook, cost_nano

HEAD = """\
version: 1
providers:
  lab: {kind: openai-compatible, base_url: http://h/v1}
  eu: {kind: openai, credential: env:KEY}
models:
"""


def test_a_price_is_exact_and_belongs_to_the_providers_model() -> None:
    text = (
        HEAD
        + """\
  fast:
    routes: [{provider: lab, model: qwen}, {provider: eu, model: gpt-5.4}]
    price:
      input: 0.1
      output: "0.300001"
      cache_read: 0
      web_search: 7.5
      long_context: [{above: 199999, input: 0.2, output: 0.6, cache_write: 1, cache_write_1h: 2}]
      service_tiers: {flex: {input: 0.05, output: 0.15}}
      effective: 2026-11-01
      source: contract 17
      verified: 2026-11-02
"""
    )
    lab, eu = price_overrides(read(text))
    assert lab == PriceOverride(
        provider="lab",
        model="qwen",
        rates=StatedRates(input=100_000, output=300_001, cache_read=0, web_search=7_500_000_000),
        long_context=(
            LongContext(
                above=199_999,
                rates=StatedRates(
                    input=200_000, output=600_000, cache_write_5m=1_000_000, cache_write_1h=2_000_000
                ),
            ),
        ),
        service_tiers=(("flex", StatedRates(input=50_000, output=150_000)),),
        effective=datetime.date(2026, 11, 1),
        source="contract 17",
        verified=datetime.date(2026, 11, 2),
    )
    assert (eu.provider, eu.model, eu.rates) == ("eu", "gpt-5.4", lab.rates)


def test_prices_by_date_and_by_pattern() -> None:
    text = (
        HEAD
        + """\
  "qwen-*":
    routes: [{provider: lab, model: "Qwen/{model}"}]
    price:
      - {input: 1, output: 1}
      - {input: 2, output: 2, effective: 2026-12-01}
"""
    )
    first, second = price_overrides(read(text))
    assert (first.model, first.effective) == ("Qwen/qwen-*", None)
    assert second.effective == datetime.date(2026, 12, 1)


def test_two_names_for_the_same_place_have_one_price() -> None:
    entry = "    routes: [{{provider: lab, model: same}}]\n    price: {{input: {0}, output: 1}}\n"
    agreeing = HEAD + "  a:\n" + entry.format(1) + "  b:\n" + entry.format(1)
    assert len(price_overrides(read(agreeing))) == 1
    document = read(HEAD + "  a:\n" + entry.format(1) + "  b:\n" + entry.format(2))
    with pytest.raises(PolicyErrors) as caught:
        compile_plan(document, version=1)
    [error] = caught.value.errors
    assert (error.line, error.field) == (11, "models.b.price")
    assert "another price for lab/same is already stated by `models.a`" in error.message


def test_the_book_made_with_a_plan_prices_its_routes() -> None:
    text = (
        HEAD
        + """\
  own: {routes: [{provider: lab}], price: {input: 0, output: 0}}
  dep: {routes: [{provider: lab, model: my-deployment}], price: {same_as: openai/gpt-5.4}}
  unpriced: {routes: [{provider: lab}]}
"""
    )
    plan = plan_of(text)
    book = PriceBook.builtin(plan.price_overrides)
    costs: dict[str, int | None] = {}
    for name, route in plan.named_routes():
        rates = book.rates_for(route, 1_795_521_600_000_000)
        costs[name] = None if rates is None else cost_nano(rates, Usage(input=1_000, output=10))
    assert costs == {"own": 0, "dep": 1_000 * 2_500 + 10 * 15_000, "unpriced": None}


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        (
            HEAD.replace("env:KEY", "env:KEY, price_provider: opnai"),
            "providers.eu.price_provider",
            "“openai”",
        ),
        (
            HEAD + "  m: {routes: [{provider: lab}], price: {same_as: antropic/x}}\n",
            "models.m.price.same_as",
            "“anthropic”",
        ),
    ],
)
def test_names_of_the_price_data_are_checked_against_it(text: str, field: str, says: str) -> None:
    document = read(text.replace("models:\n", "models: {}\n") if text.endswith("models:\n") else text)
    with pytest.raises(PolicyErrors) as caught:
        compile_plan(document, version=1, prices=PriceBook.builtin())
    [error] = caught.value.errors
    assert error.field == field
    assert f"the price data has no such provider; did you mean {says}" in error.message
    assert error.line > 1


def test_context_windows_that_the_policy_leaves_open_come_from_the_price_data() -> None:
    text = (
        HEAD
        + "  gpt-5.4: {routes: [{provider: eu}]}\n  small: {context_window: 9, routes: [{provider: eu, model: gpt-5.4}]}\n"
    )
    plan = compile_plan(read(text), version=1, prices=PriceBook.builtin())
    assert [m.context_window for m in plan.models_for(BOB, Surface.OPENAI)] == [1_050_000, 9]
    assert isinstance(plan.resolve(BOB, Wire.CHAT, Operation.GENERATE, "small"), Resolution)
