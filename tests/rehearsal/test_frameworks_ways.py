"""What agent frameworks do in their own way, and real providers let pass."""

import base64
import json

import pytest
from tests.rehearsal.asking import body, headers, provider, send_raw, target

from waystation.model import Wire
from waystation.rehearsal.ask import Tool
from waystation.rehearsal.declared import call_for, plainest
from waystation.rehearsal.jobs import Write
from waystation.rehearsal.words import own_words


@pytest.mark.parametrize("seal", ["", "skip_thought_signature_validator"])
def test_googles_sdks_send_a_seal_as_the_base64_of_bytes_and_in_its_other_alphabet(seal: str) -> None:
    to = provider()
    said = body(Wire.GENERATE, "run ls and then run pwd", with_tools=True)
    raw = target(Wire.GENERATE, model="gemini-3-pro")
    first = send_raw(to, "POST", raw, headers(Wire.GENERATE), json.dumps(said).encode()).json
    answer = first["candidates"][0]["content"]
    call = answer["parts"][-1]
    result = {"functionResponse": {"name": call["functionCall"]["name"], "response": {"output": "a.txt"}}}
    said["contents"] += [answer, {"role": "user", "parts": [result]}]
    raw_seal = seal.encode() or base64.b64decode(call["thoughtSignature"])
    call["thoughtSignature"] = base64.urlsafe_b64encode(raw_seal).decode()
    again = send_raw(to, "POST", raw, headers(Wire.GENERATE), json.dumps(said).encode())
    assert again.status == 200


def test_a_tool_of_an_mcp_server_is_known_by_its_own_name() -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}}
    for name in ("mcp__clerk__write_file", "fs.write-file", "write_file"):
        call = call_for(Write("hello.txt", "hi"), (Tool(name, schema),), None)
        assert call is not None, name
        assert (call.name, call.input) == (name, {"path": "hello.txt", "content": "hi"})


def test_claude_codes_word_about_a_tool_that_was_looked_up_is_not_the_users() -> None:
    assert own_words(["Tool loaded."]) == ""
    assert own_words(["create a.txt containing hi", "Tool loaded."]) == "create a.txt containing hi"


def test_types_of_geminis_own_schemas_are_known() -> None:
    schema = {"type": "OBJECT", "properties": {"number": {"type": "INTEGER"}}, "required": ["number"]}
    assert plainest(schema) == {"number": 1}
