"""Two turns with sealed thoughts and a typed tool, and a typed answer: by Pydantic AI."""

import asyncio
import sys
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResultEvent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from words import TOKEN, TURNS, URL, tell

name, wire = sys.argv[1:]
if wire == "anthropic.messages":
    model = AnthropicModel(name, provider=AnthropicProvider(base_url=URL + "/anthropic", api_key=TOKEN))
    settings = {"anthropic_thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}
elif wire == "openai.responses":
    sealed = OpenAIModelProfile(openai_supports_encrypted_reasoning_content=True)
    provider = OpenAIProvider(base_url=URL + "/openai/v1", api_key=TOKEN)
    model = OpenAIResponsesModel(name, provider=provider, profile=sealed)
    settings = {
        "openai_reasoning_effort": "medium",
        "openai_reasoning_summary": "auto",
        "openai_store": False,
    }
else:
    model = GoogleModel(name, provider=GoogleProvider(base_url=URL + "/gemini", api_key=TOKEN))
    settings = {"google_thinking_config": {"include_thoughts": True, "thinking_budget": 2000}}


class Place(BaseModel):
    city: str
    country: str | None = None


class Leg(BaseModel):
    start: Place
    end: Place
    by: Literal["train", "ship"] = "train"


class Receipt(BaseModel):
    number: int
    places: list[Place] = []


agent = Agent(model, instructions="You book journeys.", model_settings=settings)
booked = []


@agent.tool_plain
def book(legs: list[Leg], traveller: str, budget: float | None = None) -> str:
    """Book a journey."""
    booked.append([leg.end.city for leg in legs])
    return f"booked for {traveller}"


async def main() -> None:
    history, results = [], []
    for words in TURNS:
        async with agent.run_stream_events(words, message_history=history) as events:
            results += [e.result async for e in events if isinstance(e, AgentRunResultEvent)]
        history = results[-1].all_messages()
    receipt = await Agent(model, output_type=Receipt).run("give me a receipt")
    tell(
        booked=booked,
        answers=[result.output for result in results],
        thoughts=sum(part.part_kind == "thinking" for message in history for part in message.parts),
        input=sum(result.usage.input_tokens for result in results),
        output=sum(result.usage.output_tokens for result in results),
        receipt=receipt.output.model_dump(),
    )


asyncio.run(main())
