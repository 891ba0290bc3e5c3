"""Two turns with sealed thoughts and a typed tool, and a typed answer: by the OpenAI Agents SDK."""

import asyncio
import sys
from typing import Literal

from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel
from words import TOKEN, TURNS, URL, tell

set_tracing_disabled(True)
model = OpenAIResponsesModel(sys.argv[1], AsyncOpenAI(base_url=URL + "/openai/v1", api_key=TOKEN))
settings = ModelSettings(
    reasoning=Reasoning(effort="medium", summary="auto"),
    store=False,
    response_include=["reasoning.encrypted_content"],
)


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


booked = []


@function_tool
def book(legs: list[Leg], traveller: str, budget: float | None = None) -> str:
    """Book a journey."""
    booked.append([leg.end.city for leg in legs])
    return f"booked for {traveller}"


async def main() -> None:
    session = SQLiteSession("1")
    agent = Agent(
        "Clerk", instructions="You book journeys.", model=model, tools=[book], model_settings=settings
    )
    runs = []
    for words in TURNS:
        run = Runner.run_streamed(agent, words, session=session)
        async for _ in run.stream_events():
            pass
        runs.append(run)
    typed = Agent("Cashier", instructions="You write receipts.", model=model, output_type=Receipt)
    receipt = (await Runner.run(typed, "give me a receipt")).final_output
    tell(
        booked=booked,
        answers=[run.final_output for run in runs],
        thoughts=sum(item.type == "reasoning_item" for run in runs for item in run.new_items),
        input=sum(run.context_wrapper.usage.input_tokens for run in runs),
        output=sum(run.context_wrapper.usage.output_tokens for run in runs),
        receipt=receipt.model_dump(),
    )


asyncio.run(main())
