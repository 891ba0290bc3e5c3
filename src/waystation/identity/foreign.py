"""Recognising credentials that are not ours, so that the refusal can say what went wrong.

Only well-known prefixes, as secret scanners know them, are matched; nothing of the value is kept.
"""

_PROVIDER_KEYS: tuple[tuple[bytes, str], ...] = (
    (b"sk-ant-", "an Anthropic"),
    (b"sk-or-", "an OpenRouter"),
    (b"sk-", "an OpenAI-style"),
    (b"AIza", "a Google"),
    (b"ya29.", "a Google Cloud"),
    (b"gsk_", "a Groq"),
    (b"xai-", "an xAI"),
    (b"pplx-", "a Perplexity"),
    (b"hf_", "a Hugging Face"),
    (b"AKIA", "an AWS"),
    (b"ASIA", "an AWS"),
    (b"dapi", "a Databricks"),
)
_OTHER_KEYS: tuple[tuple[bytes, str], ...] = (
    (b"ghp_", "a GitHub token"),
    (b"gho_", "a GitHub token"),
    (b"ghu_", "a GitHub token"),
    (b"ghs_", "a GitHub token"),
    (b"github_pat_", "a GitHub token"),
    (b"wsr_", "a Waystation refresh token, which only the gateway's /oauth/token takes"),
)


def describe_foreign(token: bytes) -> str | None:
    """A sentence for the developer if the token is recognisably something else; never quotes it."""
    for prefix, vendor in _PROVIDER_KEYS:
        if token.startswith(prefix):
            return (
                f"This is a provider key ({vendor} key), not a Waystation token: provider keys stay on the "
                "gateway. Unset it and start your tool with `way`, or run `way login`."
            )
    for prefix, what in _OTHER_KEYS:
        if token.startswith(prefix):
            return f"This is {what}, not a Waystation access token: run `way login`."
    return None
