"""What is known of models by name: by whatever name their platforms call them."""

import pytest

from waystation.model import Capabilities
from waystation.policy.families import capabilities_of, merged


@pytest.mark.parametrize(
    ("model", "thinking", "window", "output"),
    [
        ("claude-sonnet-5", "adaptive", 1_000_000, 128_000),
        ("claude-opus-5-5", "adaptive", 1_000_000, 128_000),
        ("anthropic/claude-opus-4.6", "adaptive", 1_000_000, 128_000),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "budget", 200_000, 64_000),
        ("claude-haiku-4-5", "budget", 200_000, 64_000),
        ("claude-opus-4-20250514", "budget", 200_000, 32_000),
        ("claude-3-5-haiku-latest", "none", 200_000, 8_192),
        ("gpt-5-2025-08-07", "effort", 400_000, 128_000),
        ("gpt-5.4-mini", "effort", 400_000, 128_000),
        ("gpt-5.5", "effort", 1_050_000, 128_000),
        ("global.openai.gpt-6.1-sol", "effort", 1_050_000, 128_000),
        ("openai/o3-mini", "effort", 200_000, 100_000),
        ("gpt-4o-mini", "none", 128_000, 16_384),
        ("gemini-2.5-pro", "budget", 1_048_576, 65_536),
        ("models/gemini-3.8-flash", "effort", 1_048_576, 65_536),
    ],
)
def test_a_model_is_known_by_any_of_its_names(model: str, thinking: str, window: int, output: int) -> None:
    known = capabilities_of(model)
    assert (known.thinking, known.context_window, known.max_output) == (thinking, window, output)


def test_what_newer_models_refuse_is_known() -> None:
    """Sonnet 5 and the reasoning models of OpenAI refuse a request that sets a temperature."""
    refusing = [
        m
        for m in ("claude-sonnet-5", "claude-sonnet-4-5", "gpt-5.5", "gpt-4.1", "o3")
        if capabilities_of(m).sampling is False
    ]
    assert refusing == ["claude-sonnet-5", "gpt-5.5", "o3"]
    assert capabilities_of("claude-sonnet-5").forced_tools_with_thinking is False  # E103


@pytest.mark.parametrize("model", ["mystery", "", "my-claud", "x" * 300])
def test_nothing_is_made_up_of_other_models(model: str) -> None:
    assert capabilities_of(model) == Capabilities()


def test_what_comes_first_counts_and_no_is_an_answer() -> None:
    first, second = Capabilities(vision=False), Capabilities(vision=True, tools=True)
    assert merged(first, second) == Capabilities(vision=False, tools=True)
    assert merged(second, Capabilities()) is second
