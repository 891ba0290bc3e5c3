"""E90: a prompt that does not fit is known by every provider's wording, and nothing else is taken for it."""

import re

import pytest

from waystation.model import Wire
from waystation.wire.overflow import Overflow, overflow_error, overflow_of
from waystation.wire.restate import restate
from waystation.wire.stream_error import StreamError

WORDINGS = [
    ("prompt is too long: 213462 tokens > 200000 maximum", 213_462, 200_000),
    ("prompt is too long", None, None),
    (
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length",
        190_000,
        200_000,
    ),
    (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens. Please reduce the length of the messages.",
        130_001,
        128_000,
    ),
    (
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (7000 in the messages, 2000 in the completion).",
        9_000,
        8_192,
    ),
    (
        "This model's maximum context length is 32768 tokens. However, you requested 4096 output tokens and your prompt contains at least 30000 input tokens",
        30_000,
        32_768,
    ),
    (
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        None,
        None,
    ),
    (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300001 tokens.",
        300_001,
        272_000,
    ),
    (
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        1_196_265,
        1_048_575,
    ),
    (
        "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576.",
        1_200_000,
        1_048_576,
    ),
    (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        537_812,
        131_072,
    ),
    ("Please reduce the length of the messages or completion.", None, None),
    (
        "This endpoint's maximum context length is 200000 tokens. However, you requested about 214000 tokens (210000 of text input).",
        214_000,
        200_000,
    ),
    ("Input length 90000 exceeds the maximum allowed input length of 80000 tokens.", 90_000, 80_000),
    ("Input length (265330) exceeds model's maximum context length (262144).", 265_330, 262_144),
    ("The input (9,000 tokens) is longer than the model's context length (8,192 tokens).", 9_000, 8_192),
    (
        "the request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
        9_000,
        8_192,
    ),
    ("the request exceeds the available context size. try increasing the context size", None, None),
    ("The number of tokens to keep from the initial prompt is greater than the context length", None, None),
    ("prompt token count of 140000 exceeds the limit of 128000", 140_000, 128_000),
    ("invalid params, context window exceeds limit", None, None),
    ("Your request exceeded model token limit: 262144 (requested: 270000)", 270_000, 262_144),
    (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        40_000,
        32_768,
    ),
    ("prompt too long; exceeded max context length by 12 tokens", None, None),
    ("prompt has 9000 tokens, but the configured context size is 8192 tokens", 9_000, 8_192),
    ("The decoder prompt (length 9000) is longer than the maximum model length of 8192.", 9_000, 8_192),
    ("Input is too long for requested model.", None, None),
    ("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]", None, 129_024),
    ("context_length_exceeded", None, None),
]


@pytest.mark.parametrize(("message", "prompt", "window"), WORDINGS)
def test_E90_every_wording_is_known_with_its_figures(
    message: str, prompt: int | None, window: int | None
) -> None:
    assert overflow_of(StreamError("error", message, 400)) == Overflow(prompt, window)


@pytest.mark.parametrize(
    "error",
    [
        StreamError("invalid_request_error", "", 400, code="context_length_exceeded"),
        StreamError("exceed_context_size_error", "", 400),
        StreamError("request_too_large", "Request exceeds the maximum size", 413),
        StreamError("server_error", "the request exceeds the available context size", 500),
    ],
)
def test_E90_the_word_alone_is_enough(error: StreamError) -> None:
    assert overflow_of(error) is not None


@pytest.mark.parametrize(
    "error",
    [
        StreamError("ThrottlingException", "Too many tokens, please wait before trying again.", 429),
        StreamError(
            "rate_limit_error",
            "This request would exceed the rate limit of 400000 input tokens per minute",
            429,
        ),
        StreamError(
            "error", "Request too large for gpt-5 on tokens per min (TPM): Limit 30000, Requested 40000.", 413
        ),
        StreamError(
            "invalid_request_error",
            "max_tokens: 64000 > 32000, which is the maximum allowed number of output tokens",
            400,
        ),
        StreamError("invalid_request_error", "messages.0.content: Input should be a valid list", 400),
        StreamError("overloaded_error", "prompt is too long", 529),
        StreamError("error", "", 500),
        StreamError("not_found_error", "context window", 404),
    ],
)
def test_E90_nothing_else_is_taken_for_it(error: StreamError) -> None:
    assert overflow_of(error) is None


@pytest.mark.parametrize("asked", [Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE])
def test_E90_what_we_say_of_it_is_itself_known_for_it(asked: Wire) -> None:
    """A gateway behind a gateway must understand it too."""
    for prompt, window in ((9, 8), (None, None), (None, 8)):
        assert overflow_of(overflow_error(asked, prompt, window)) is not None


def test_E90_the_prompt_is_never_said_to_fit() -> None:
    message = overflow_error(Wire.MESSAGES, 100, 200_000).message
    found = re.search(r"(\d+) tokens > (\d+) maximum", message)
    assert found is not None
    assert int(found[1]) > int(found[2])


def test_a_long_message_costs_little() -> None:
    assert overflow_of(StreamError("error", "maximum context length is " + "9" * 100_000, 400)) is not None
    assert overflow_of(StreamError("error", "input (" * 50_000, 400)) is None


@pytest.mark.parametrize(
    ("error", "spoken", "asked", "expected"),
    [
        (
            StreamError("overloaded_error", "busy", 529),
            Wire.MESSAGES,
            Wire.CHAT,
            ("server_error", 503, "server_error"),
        ),
        (
            StreamError("server_error", "busy", 503, code="server_is_overloaded"),
            Wire.RESPONSES,
            Wire.MESSAGES,
            ("overloaded_error", 529, ""),
        ),
        (
            StreamError("UNAVAILABLE", "busy", 503, 7),
            Wire.GENERATE,
            Wire.MESSAGES,
            ("overloaded_error", 529, ""),
        ),
        (
            StreamError("rate_limit_error", "slow", 429),
            Wire.MESSAGES,
            Wire.GENERATE,
            ("RESOURCE_EXHAUSTED", 429, ""),
        ),
        (
            StreamError("RESOURCE_EXHAUSTED", "slow", 429),
            Wire.GENERATE,
            Wire.RESPONSES,
            ("rate_limit_error", 429, "rate_limit_exceeded"),
        ),
        (StreamError("insufficient_quota", "pay", 429), Wire.CHAT, Wire.MESSAGES, ("billing_error", 402, "")),
        (
            StreamError("billing_error", "pay", 402),
            Wire.MESSAGES,
            Wire.RESPONSES,
            ("insufficient_quota", 429, "insufficient_quota"),
        ),
        (
            StreamError("invalid_request_error", "Your credit balance is too low", 400),
            Wire.MESSAGES,
            Wire.CHAT,
            ("insufficient_quota", 429, "insufficient_quota"),
        ),
        (
            StreamError("PERMISSION_DENIED", "no", 403),
            Wire.GENERATE,
            Wire.MESSAGES,
            ("permission_error", 403, ""),
        ),
        (
            StreamError("NOT_FOUND", "no", 404),
            Wire.GENERATE,
            Wire.CHAT,
            ("invalid_request_error", 404, "model_not_found"),
        ),
        (
            StreamError("throttlingException", "slow", 429),
            Wire.CONVERSE,
            Wire.MESSAGES,
            ("rate_limit_error", 429, ""),
        ),
        (StreamError("error", "odd", 422), Wire.CHAT, Wire.MESSAGES, ("invalid_request_error", 400, "")),
        (StreamError("INTERNAL", "oh", 500), Wire.GENERATE, Wire.MESSAGES, ("api_error", 500, "")),
        (
            StreamError("tokens", "slow", 429, code="rate_limit_exceeded"),
            Wire.RESPONSES,
            Wire.CHAT,
            ("tokens", 429, "rate_limit_exceeded"),
        ),
    ],
)
def test_an_error_is_said_in_the_tools_own_vocabulary(
    error: StreamError, spoken: Wire, asked: Wire, expected: tuple[str, int, str]
) -> None:
    told = restate(error, spoken, asked)
    assert (told.type, told.http_status, told.code) == expected
    assert (told.message, told.retry_after) == (error.message, error.retry_after)


def test_an_error_without_words_gets_some() -> None:
    assert restate(StreamError("error", "", 500), Wire.CHAT, Wire.MESSAGES).message
