"""A prompt that does not fit the model's context window: recognised by every provider's wording, and said in the
words by which each tool knows that it must compact (E90).

Claude Code looks for "prompt is too long: N tokens > M maximum", Codex for the code `context_length_exceeded` in a
`response.failed` event (an HTTP 400 makes it give up), OpenCode and pi for a list of sentences, of which each
protocol's own is one.
"""

import re

import msgspec

from waystation.model import Wire
from waystation.wire.stream_error import StreamError


class Overflow(msgspec.Struct, frozen=True, gc=False):
    """What the provider said of it."""

    prompt: int | None = None
    """Tokens that were sent."""
    window: int | None = None
    """Tokens that fit."""


_N = r"(?P<prompt>\d[\d,]*)"
_M = r"(?P<window>\d[\d,]*)"
_WORDINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Anthropic, https://docs.anthropic.com/en/api/errors and Claude Code's own expression for it
        rf"prompt is too long(?:\D{{0,20}}{_N} tokens? > {_M})?",
        rf"input length and `?max_tokens`? exceed context limit: {_N} \+ \d+ > {_M}",
        # Google, seen in https://github.com/google-gemini/gemini-cli/issues; the second is Vertex'
        rf"input token count(?: \({_N}\))? exceeds the maximum number of tokens allowed(?: \({_M}\))?",
        rf"input token count is {_N} but model only supports up to {_M}",
        # OpenAI, Chat Completions and Responses; also DeepSeek, OpenRouter, vLLM, LiteLLM
        rf"maximum context length (?:is|of) {_M}(?: tokens)?"
        rf"(?:.{{0,80}}?(?:resulted in|requested(?: about)?|contains(?: at least)?) {_N} (?:input )?tokens)?",
        r"exceeds the context window",
        rf"exceed the configured limit of {_M} tokens(?:.{{0,40}}resulted in {_N} tokens)?",
        # xAI, Groq, Together, Poolside, Copilot, Kimi, MiniMax, Mistral (as collected by pi's overflow.ts and by
        # OpenCode 1.18's provider error table)
        rf"maximum prompt length is {_M}(?: but the request contains {_N} tokens)?",
        r"reduce the length of the messages",
        rf"input \({_N} tokens\) is longer than the model'?s context length \({_M} tokens\)",
        rf"input length \(?{_N}\)? exceeds (?:the )?(?:model'?s )?maximum (?:context length|allowed input length)"
        rf"(?: of| \()? ?{_M}",
        rf"(?:prompt|input) token count of {_N} exceeds the limit of {_M}",
        rf"exceeded model token limit: {_M}(?: \(requested: {_N}\))?",
        r"context window exceeds limit",
        rf"prompt contains {_N} tokens .{{0,80}}too large for model with {_M} maximum context length",
        # llama.cpp, LM Studio, Ollama, vLLM before 0.8
        rf"request(?: \({_N} tokens\))? exceeds the available context size(?: \({_M} tokens\))?",
        r"greater than the context length",
        r"prompt too long; exceeded (?:max )?context length",
        rf"prompt has {_N} tokens?, but the configured context size is {_M} tokens?",
        rf"prompt \(length {_N}\) is longer than the maximum model length of {_M}",
        # Amazon Bedrock, https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
        r"input is too long for (?:the )?requested model",
        r"too many input tokens",
        rf"exceeds the maximum number of input tokens(?:\D{{0,40}}{_M})?",
        # Qwen (DashScope), Z.ai
        rf"range of input length should be \[\d+, {_M}\]",
        r"model_context_window_exceeded",
        # others
        r"context[_ ]length[_ ]exceeded|token limit exceeded",
    )
)
_CODES = frozenset(
    (
        "context_length_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "request_too_large",
    )
)
_LIMITED = re.compile(r"rate.?limit|too many requests|throttl|please wait|per minute|quota", re.IGNORECASE)
_LOOKED_AT = 4000
"""Characters of a message; the provider may repeat the request in it."""

TYPE = "context_length_exceeded"
"""What our own errors of this kind are called in the ledger, whatever the tool is told."""


def overflow_of(error: StreamError) -> Overflow | None:
    """What `error` says about the context window; None where it is about something else."""
    if error.http_status in (401, 403, 404, 429, 503, 529):
        return None
    message = error.message[:_LOOKED_AT]
    if _LIMITED.search(message):
        return None
    for wording in _WORDINGS:
        found = wording.search(message)
        if found is not None:
            said = found.groupdict()
            return Overflow(_number(said.get("prompt")), _number(said.get("window")))
    return Overflow() if error.code in _CODES or error.type in _CODES else None


def overflow_error(wire: Wire, prompt: int | None, window: int | None) -> StreamError:
    """The same, as the native provider of `wire` says it.

    A tool subtracts the one figure from the other to see how much must go, so the prompt is never said to fit.
    """
    if prompt is not None and window is not None:
        prompt = max(prompt, window + 1)
    known = prompt is not None and window is not None
    if wire is Wire.MESSAGES:
        figures = f": {prompt} tokens > {window} maximum" if known else ""
        return StreamError("invalid_request_error", f"prompt is too long{figures}", 400)
    if wire is Wire.GENERATE:
        sent, fits = (f" ({prompt})", f" ({window})") if known else ("", "")
        message = f"The input token count{sent} exceeds the maximum number of tokens allowed{fits}."
        return StreamError("INVALID_ARGUMENT", message, 400)
    message = "Your input exceeds the context window of this model. Please adjust your input and try again."
    if wire is Wire.CHAT and known:
        message = (
            f"This model's maximum context length is {window} tokens. However, your messages resulted in {prompt} "
            "tokens. Please reduce the length of the messages."
        )
    return StreamError("invalid_request_error", message, 400, code=TYPE)


def _number(text: str | None) -> int | None:
    digits = text.replace(",", "") if text else ""
    return int(digits) if 0 < len(digits) < 16 else None
