"""A coding tool at the level of bytes: sends a request over a socket, and sees what comes back as it comes."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httptools

from tests.relay.conftest import TOKEN

AUTH = ("authorization", f"Bearer {TOKEN}")


class Answer:
    """A response, parsed as far as it has come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser: Any = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.chunks: list[bytes] = []
        self.complete = False
        self.closed = False
        self._head = False

    # httptools
    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._head = True

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        self.complete = True

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def _read(self) -> None:
        try:
            data = await self._reader.read(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
        else:
            self._parser.feed_data(data)

    async def head(self) -> "Answer":
        async with asyncio.timeout(20):
            while not self._head and not self.closed:
                await self._read()
        return self

    async def until(self, text: bytes) -> "Answer":
        async with asyncio.timeout(20):
            while text not in self.body and not self.closed:
                await self._read()
        assert text in self.body, self.body
        return self

    async def raw(self) -> bytes:
        """The next bytes as they come, for who reads more than one answer; they are not parsed."""
        async with asyncio.timeout(20):
            data = await self._reader.read(65536)
        self.closed = not data
        return data

    async def at_least(self, size: int) -> "Answer":
        """Reads until so many bytes of the body have come, or the answer is over."""
        async with asyncio.timeout(20):
            while len(self.body) < size and not self.complete and not self.closed:
                await self._read()
        return self

    async def all(self) -> "Answer":
        async with asyncio.timeout(30):
            while not self.complete and not self.closed:
                await self._read()
        return self

    def hang_up(self) -> None:
        self._writer.transport.abort()


def request_bytes(
    method: str,
    path: str,
    body: bytes = b"",
    headers: Sequence[tuple[str, str]] = (AUTH,),
    *,
    length: bool = True,
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if length and (body or method == "POST"):
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@asynccontextmanager
async def sent(port: int, data: bytes) -> AsyncIterator[Answer]:
    """Sends raw bytes; the answer may be read bit by bit, or dropped. What is not read stays in the socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        yield Answer(reader, writer)
    finally:
        writer.close()


async def ask(
    port: int,
    path: str,
    body: Any = None,
    *,
    method: str = "POST",
    headers: Sequence[tuple[str, str]] = (AUTH,),
) -> Answer:
    """One whole request and its whole answer."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    async with sent(port, request_bytes(method, path, raw, headers)) as answer:
        return await answer.all()


MESSAGES = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
STREAMED = {**MESSAGES, "stream": True}


def event(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


START = event(
    "message_start",
    {
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": 100,
                "cache_read_input_tokens": 40,
                "cache_creation_input_tokens": 0,
                "output_tokens": 1,
            },
        }
    },
)
BLOCK = event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
DELTA = event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "Grüße, 世界"}})
STOP = event("content_block_stop", {"index": 0})
END = event(
    "message_delta",
    {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 25}},
)
DONE = event("message_stop", {})
WHOLE_STREAM = START + BLOCK + DELTA + STOP + END + DONE
ANSWER = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Grüße"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 100,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 0,
            "output_tokens": 25,
        },
    }
).encode()
