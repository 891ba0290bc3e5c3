"""Two turns with sealed thoughts and a typed tool, and a typed answer: by LangGraph."""

import json
import sys
from typing import Literal

from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel
from words import TOKEN, TURNS, URL, tell

name, wire = sys.argv[1:]
if wire == "anthropic.messages":
    model = ChatAnthropic(
        model=name,
        base_url=URL + "/anthropic",
        api_key=TOKEN,
        max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 2000},
    )
else:
    model = ChatOpenAI(
        model=name,
        base_url=URL + "/openai/v1",
        api_key=TOKEN,
        use_responses_api=True,
        reasoning={"effort": "medium", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        store=False,
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


@tool
def book(legs: list[Leg], traveller: str, budget: float | None = None) -> str:
    """Book a journey."""
    booked.append([leg.end.city for leg in legs])
    return f"booked for {traveller}"


def think(state: MessagesState) -> dict:
    return {"messages": model.bind_tools([book]).invoke(state["messages"])}


graph = StateGraph(MessagesState)
graph.add_node("think", think)
graph.add_node("tools", ToolNode([book]))
graph.add_edge(START, "think")
graph.add_conditional_edges("think", tools_condition)
graph.add_edge("tools", "think")
app = graph.compile(checkpointer=InMemorySaver())
config = {"configurable": {"thread_id": "1"}}

answers = []
for words in TURNS:
    for _ in app.stream({"messages": [("user", words)]}, config, stream_mode="messages"):
        pass
    answers.append(app.get_state(config).values["messages"][-1].text)
messages = [message for message in app.get_state(config).values["messages"] if message.type == "ai"]
how = {"method": "json_schema"}
tell(
    booked=booked,
    answers=answers,
    thoughts=sum(block["type"] == "reasoning" for message in messages for block in message.content_blocks),
    input=sum(message.usage_metadata["input_tokens"] for message in messages),
    output=sum(message.usage_metadata["output_tokens"] for message in messages),
    receipt=json.loads(
        model.with_structured_output(Receipt, **how).invoke("give me a receipt").model_dump_json()
    ),
)
