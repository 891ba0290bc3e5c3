"""LiteLLM's side of `bench.translate`, run by the interpreter of LiteLLM's own environment: FOLDER ROUNDS.

Reads `<source>.json` from FOLDER, translates each to each provider protocol by LiteLLM's own transformations, from
bytes to bytes as a gateway must, and prints milliseconds by pair as JSON; a pair that it cannot do is left out. Its
client, its router and its hooks are not in these numbers.
"""

import json
import os
import statistics
import sys
import time
import types
from pathlib import Path
from typing import Any

os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}  # read when it is imported

from litellm.completion_extras.litellm_responses_transformation.transformation import (
    LiteLLMResponsesTransformationHandler,
)
from litellm.google_genai.adapters.transformation import GoogleGenAIAdapter
from litellm.llms.anthropic.chat.transformation import AnthropicConfig
from litellm.llms.anthropic.pass_through.adapters.transformation import (
    LiteLLMAnthropicMessagesAdapter,
)
from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig
from litellm.llms.vertex_ai.gemini.transformation import _transform_request_body
from litellm.responses.litellm_completion_transformation.transformation import (
    LiteLLMCompletionResponsesConfig,
)
from litellm.utils import get_optional_params

_PROVIDERS = {
    "messages": ("claude-sonnet-4-5", "anthropic"),
    "responses": ("gpt-5", "openai"),
    "chat": ("gpt-5", "openai"),
    "generate": ("gemini-2.5-pro", "gemini"),
    "converse": ("anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
}
_MAPPED = (
    "tools",
    "tool_choice",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "reasoning_effort",
    "parallel_tool_calls",
    "stop",
)


def read(source: str, raw: bytes) -> dict[str, Any]:
    """A tool's request as the Chat Completions that everything is translated through there."""
    body: dict[str, Any] = json.loads(raw)
    if source == "messages":
        return dict(LiteLLMAnthropicMessagesAdapter().translate_anthropic_to_openai(body)[0])
    if source == "responses":
        model, items, stream = body.pop("model"), body.pop("input"), body.pop("stream", None)
        made = LiteLLMCompletionResponsesConfig.transform_responses_api_request_to_chat_completion_request(
            model=model, input=items, responses_api_request=body, stream=stream
        )
        return dict(made)
    if source == "generate":
        contents, config = body.pop("contents"), body.pop("generationConfig", None)
        made = GoogleGenAIAdapter().translate_generate_content_to_completion(
            model="gemini-2.5-pro", contents=contents, config=config, **body
        )
        return dict(made)
    return body


def write(target: str, chat: dict[str, Any]) -> bytes:
    model, provider = _PROVIDERS[target]
    messages = chat["messages"]
    if target == "chat":
        return _encoded(chat)
    mapped = {name: chat[name] for name in _MAPPED if chat.get(name) is not None}
    options = get_optional_params(
        model=model, custom_llm_provider=provider, stream=True, drop_params=True, **mapped
    )
    common = {"model": model, "messages": messages, "optional_params": options, "litellm_params": {}}
    if target == "messages":
        return _encoded(AnthropicConfig().transform_request(**common, headers={}))
    if target == "converse":
        return _encoded(AmazonConverseConfig()._transform_request(**common, headers={}))
    if target == "responses":
        log = types.SimpleNamespace(model_call_details={})
        handler = LiteLLMResponsesTransformationHandler()
        return _encoded(handler.transform_request(**common, headers={}, litellm_logging_obj=log))
    return _encoded(_transform_request_body(**common, custom_llm_provider="gemini", cached_content=None))


def _encoded(value: Any) -> bytes:
    return json.dumps(
        value, default=lambda item: item.model_dump() if hasattr(item, "model_dump") else None
    ).encode()


def main() -> int:
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    taken: dict[str, float] = {}
    for source in ("messages", "responses", "chat", "generate"):
        raw = (folder / f"{source}.json").read_bytes()
        for target in _PROVIDERS:
            if source == target:
                continue
            times = []
            try:
                for _ in range(rounds):
                    began = time.thread_time()
                    write(target, read(source, raw))
                    times.append(time.thread_time() - began)
            except Exception as failure:  # whatever it is, the pair has no number, and the others have
                print(f"# {source}-{target}: {failure!r}"[:300], file=sys.stderr)
                continue
            taken[f"{source}-{target}"] = 1e3 * statistics.median(times)
    print(json.dumps(taken))
    return 0


if __name__ == "__main__":
    sys.exit(main())
