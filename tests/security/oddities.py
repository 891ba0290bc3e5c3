"""Requests and answers that are valid and odd: a gateway that reads and writes them anew would change some byte."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.relay.scripted import STREAM_HEAD, Connection, Received, ScriptedProvider
from waystation.model import Wire


class Oddity(NamedTuple):
    said: bytes
    """`@stream` in it becomes a boolean."""
    answered: bytes
    streamed: bytes


ODDITIES: dict[Wire, Oddity] = {
    Wire.MESSAGES: Oddity(
        b'{ "max_tokens" : 1.0e1,\n"model":"claude-sonnet-4-5" , "stream":@stream, "x":"\\u00e9\\/", "messages":[ ]}',
        b'{"usage" : {"output_tokens":2 ,"input_tokens":1},"content":[{"type":"text","text":"\\u00fc\\/"}] }\n\n',
        b'event: message_start\r\ndata: {"type":"message_start","message":{"usage":{"input_tokens":1,"output_tokens":1}}}\r\n\r\n'
        b'event: of_tomorrow\ndata: {"type":"of_tomorrow",  "x":"\\u4e16"}\n\n: a comment\n\n'
        b'event: content_block_delta\ndata: {"delta": {"text":"\xe4\xb8\x96","type":"text_delta"}, "index":0,"type":"content_block_delta"}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":2},"delta":{"stop_reason":"end_turn"}}\n\n'
        b'event:message_stop\ndata:{"type":"message_stop"}\n\n',
    ),
    Wire.RESPONSES: Oddity(
        b'{"input" : "\\ud83d\\ude00",\r\n "stream" : @stream, "model":"gpt-5.4","of_tomorrow":[1e3, null] }',
        b'{"id":"r",  "object":"response","status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":2}}',
        b'event: response.created\ndata: {"sequence_number":0,"type":"response.created","response":{"id":"r"}}\n\n'
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"\xf0\x9f\x98\x80","sequence_number":1}\n\n'
        b'event: response.of_tomorrow\ndata:   {"type":"response.of_tomorrow"}\n\n'
        b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","status":"completed","usage":{"input_tokens":1,"output_tokens":2}},"sequence_number":9}\n\n',
    ),
    Wire.CHAT: Oddity(
        b'{"stream_options": {"include_usage":true},"messages":[{"role":"user","content":"\\u2028"}],"stream":@stream ,"model":"gpt-5.4"}',
        b'{"choices":[ {"index":0,"message":{"role":"assistant","content":"\\u2028"},"finish_reason":"stop"} ],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
        b'data: {"choices":[{"delta":{"content":"\xe2\x80\xa8"},"index":0}],  "x_of_tomorrow":1}\n\n'
        b'data: {"choices":[{"delta":{},"finish_reason":"stop","index":0}]}\n\n'
        b'data: {"choices":[],"usage":{"completion_tokens":2,"prompt_tokens":1}}\n\ndata: [DONE]\n\n',
    ),
    Wire.GENERATE: Oddity(
        b'{"contents":[{"parts":[{"text":"\\u00e9"}],"role":"user"}] ,\t"ofTomorrow":@stream}',
        b'{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"\\u00e9"}]}}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}',
        b'data: {"candidates":[{"content":{"parts":[{"text":"\xc3\xa9", "thoughtSignature":"a+/="}]}}]}\r\n\r\n'
        b'data: {"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"candidatesTokenCount":2,"promptTokenCount":1}}\r\n\r\n',
    ),
}
_BY_PATH = {
    "/v1/messages": Wire.MESSAGES,
    "/v1/responses": Wire.RESPONSES,
    "/v1/chat/completions": Wire.CHAT,
    "/v1beta/models": Wire.GENERATE,
}


async def _answer(received: Received, connection: Connection) -> None:
    """The oddity of the protocol that was spoken; streams come in pieces of seven bytes."""
    path = received.line.split(" ")[1]
    odd = ODDITIES[next(wire for prefix, wire in _BY_PATH.items() if path.startswith(prefix))]
    if not re.search(rb'"(stream|ofTomorrow)"\s*:\s*true', received.body):
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        await connection.send(head % len(odd.answered) + odd.answered)
        return
    await connection.send(STREAM_HEAD + b"\r\n")
    for start in range(0, len(odd.streamed), 7):
        await connection.chunk(odd.streamed[start : start + 7])
    await connection.end()


@contextmanager
def odd_provider() -> Iterator[ScriptedProvider]:
    """Runs in a thread of its own; `requests` is what came."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    provider = ScriptedProvider(_answer)
    try:
        asyncio.run_coroutine_threadsafe(provider.__aenter__(), loop).result()
        yield provider
    finally:
        asyncio.run_coroutine_threadsafe(provider.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
