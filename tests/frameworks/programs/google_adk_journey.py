"""Two turns with sealed thoughts and a typed tool, and a typed answer: by Google ADK."""

import asyncio
import json
import sys
from typing import Literal

from google.adk.agents import Agent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models import Gemini
from google.adk.runners import InMemoryRunner
from google.genai.types import Content, GenerateContentConfig, Part, ThinkingConfig
from pydantic import BaseModel
from words import TOKEN, TURNS, URL, tell

model = Gemini(model=sys.argv[1], base_url=URL + "/gemini", client_kwargs={"api_key": TOKEN})
thinking = ThinkingConfig(include_thoughts=True)


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


def book(legs: list[Leg], traveller: str, budget: float | None = None) -> str:
    """Book a journey."""
    booked.append([leg.end.city for leg in legs])
    return f"booked for {traveller}"


async def main() -> None:
    async def ask(agent: Agent, *turns: str) -> list:
        runner = InMemoryRunner(agent, app_name=agent.name)
        session = await runner.session_service.create_session(app_name=agent.name, user_id="me")
        how = RunConfig(streaming_mode=StreamingMode.SSE)
        found = []
        for words in turns:
            said = Content(role="user", parts=[Part(text=words)])
            async for event in runner.run_async(
                user_id="me", session_id=session.id, new_message=said, run_config=how
            ):
                if event.error_message:
                    sys.exit(event.error_message)
                if not event.partial:
                    found.append(event)
        return found

    clerk = Agent(
        name="clerk",
        model=model,
        instruction="You book journeys.",
        tools=[book],
        generate_content_config=GenerateContentConfig(thinking_config=thinking),
    )
    events = await ask(clerk, *TURNS)
    cashier = Agent(name="cashier", model=model, instruction="You write receipts.", output_schema=Receipt)
    receipt = (await ask(cashier, "give me a receipt"))[-1]
    used = [event.usage_metadata for event in events if event.usage_metadata]
    tell(
        booked=booked,
        answers=[
            "".join(part.text or "" for part in event.content.parts if not part.thought)
            for event in events
            if event.is_final_response()
        ],
        thoughts=sum(bool(part.thought) for event in events for part in event.content.parts),
        input=sum(usage.prompt_token_count for usage in used),
        output=sum(usage.candidates_token_count + (usage.thoughts_token_count or 0) for usage in used),
        receipt=json.loads("".join(part.text or "" for part in receipt.content.parts if not part.thought)),
    )


asyncio.run(main())
