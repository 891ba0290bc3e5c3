"""Two turns with sealed thoughts and a tool of our own beside Claude Code's, and a typed answer: by the Claude Agent SDK.

With Claude Code's own tools on, the tool of ours is known by name only until the model has looked it up.
"""

import asyncio
import sys

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultMessage,
    ThinkingBlock,
    create_sdk_mcp_server,
    query,
    tool,
)
from words import TOKEN, TURNS, URL, tell

PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    "required": ["city"],
}
LEG = {
    "type": "object",
    "properties": {
        "start": {"$ref": "#/$defs/Place"},
        "end": {"$ref": "#/$defs/Place"},
        "by": {"enum": ["train", "ship"], "default": "train"},
    },
    "required": ["start", "end"],
}
JOURNEY = {
    "type": "object",
    "properties": {
        "legs": {"type": "array", "items": {"$ref": "#/$defs/Leg"}},
        "traveller": {"type": "string"},
    },
    "required": ["legs", "traveller"],
    "$defs": {"Leg": LEG, "Place": PLACE},
}
RECEIPT = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
booked = []


@tool("book", "Book a journey.", JOURNEY)
async def book(journey: dict) -> dict:
    booked.append([leg["end"]["city"] for leg in journey["legs"]])
    return {"content": [{"type": "text", "text": f"booked for {journey['traveller']}"}]}


async def main() -> None:
    gateway = {
        "model": sys.argv[1],
        "env": {
            "ANTHROPIC_BASE_URL": URL + "/anthropic",
            "ANTHROPIC_AUTH_TOKEN": TOKEN,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        "setting_sources": [],
    }
    options = ClaudeAgentOptions(
        **gateway,
        mcp_servers={"clerk": create_sdk_mcp_server("clerk", tools=[book])},
        allowed_tools=["mcp__clerk__book"],
        thinking={"type": "enabled", "budget_tokens": 2000},
        include_partial_messages=True,
    )
    thoughts, results = 0, []
    async with ClaudeSDKClient(options=options) as client:
        for words in TURNS:
            await client.query(words)
            async for message in client.receive_response():
                if isinstance(message, AssistantMessage):
                    thoughts += sum(isinstance(block, ThinkingBlock) for block in message.content)
                elif isinstance(message, ResultMessage):
                    results.append(message)
    typed = ClaudeAgentOptions(**gateway, tools=[], output_format={"type": "json_schema", "schema": RECEIPT})
    async for message in query(prompt="give me a receipt", options=typed):
        if isinstance(message, ResultMessage):
            receipt = message.structured_output
    usages = [result.usage for result in results]
    tell(
        booked=booked,
        answers=[result.result for result in results],
        thoughts=thoughts,
        input=sum(
            usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
            for usage in usages
        ),
        output=sum(usage["output_tokens"] for usage in usages),
        receipt=receipt,
    )


asyncio.run(main())
