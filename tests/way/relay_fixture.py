"""The relay between a client and a gateway that are both plain sockets, so that a test sees every byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from way import launch, relay

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Script = Callable[[Reader, Writer], Awaitable[None]]
SECRET_HEADER = b"x-api-key"


@dataclass
class Tokens:
    """Stands in for `session.fresh_token`: numbered tokens, a new one when one was refused."""

    current: int = 1
    asked: list[str] = field(default_factory=list)
    error: Exception | None = None
    can_renew: bool = True

    def __call__(self, refused: str = "") -> str:
        self.asked.append(refused)
        if self.error is not None:
            raise self.error
        if refused == f"token-{self.current}" and self.can_renew:
            self.current += 1
        return f"token-{self.current}"


@dataclass
class Request:
    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    def header(self, name: bytes) -> bytes:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b": ")
            if key.lower() == name:
                return value
        return b""


@dataclass
class Bench:
    """`answer` is what the gateway does with each connection."""

    answer: Script
    tokens: Tokens = field(default_factory=Tokens)
    connections: int = 0
    port: int = 0
    secret: str = ""

    async def connect(self) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        return Client(reader, writer, self)

    async def ask(self, *args: object, **more: object) -> bytes:
        """One request on a connection of its own; everything that came back."""
        client = await self.connect()
        await client.send(*args, close=True, **more)  # type: ignore[arg-type]  # passed through as given
        try:
            return await client.reader.read()
        finally:
            client.close()


@dataclass
class Client:
    reader: Reader
    writer: Writer
    bench: Bench

    def head(
        self,
        path: str = "/openai/v1/responses",
        *,
        method: str = "POST",
        headers: tuple[bytes, ...] = (),
        key: bytes | None = None,
        host: bytes | None = None,
        close: bool = False,
    ) -> bytes:
        key = f"x-api-key: {self.bench.secret}".encode() if key is None else key
        host = f"Host: 127.0.0.1:{self.bench.port}".encode() if host is None else host
        lines = [
            f"{method} {path} HTTP/1.1".encode(),
            host,
            key,
            *headers,
            b"Connection: close" if close else b"",
        ]
        return b"\r\n".join(line for line in lines if line) + b"\r\n\r\n"

    async def send(self, path: str = "/openai/v1/responses", body: bytes = b"", **head: object) -> None:
        headers: tuple[bytes, ...] = head.pop("headers", ())  # type: ignore[assignment]  # see `head`
        if body:
            headers = (*headers, b"Content-Length: %d" % len(body))
        self.writer.write(self.head(path, headers=headers, **head) + body)  # type: ignore[arg-type]  # see `head`
        await self.writer.drain()

    async def answer(self) -> tuple[bytes, bytes]:
        """Head and body of the next answer, which has a Content-Length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        return head, await self.reader.readexactly(length)

    def close(self) -> None:
        self.writer.close()


async def read_request(reader: Reader) -> Request | None:
    """A whole request with a Content-Length or in chunks; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request = Request(head[:-4], b"")
    if request.header(b"transfer-encoding"):
        while True:
            size = int((await reader.readline()).split(b";")[0], 16)
            piece = await reader.readexactly(size + 2)
            request.body += piece[:-2]
            if size == 0:
                return request
    request.body = await reader.readexactly(int(request.header(b"content-length") or b"0"))
    return request


def ok(body: bytes = b"{}", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@contextlib.asynccontextmanager
async def bench(answer: Script, *, gateway: str = "") -> AsyncIterator[Bench]:
    made = Bench(answer)

    async def serve(reader: Reader, writer: Writer) -> None:
        made.connections += 1
        try:
            await made.answer(reader, writer)
        except ConnectionError:
            pass  # the relay hung up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    gateway = gateway or f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    listener, made.secret = launch.listen()
    made.port = listener.getsockname()[1]
    running = asyncio.create_task(relay.serve(listener, gateway, made.secret, made.tokens))
    try:
        yield made
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        server.close()


def replies(*answers: bytes, into: list[Request] | None = None) -> Script:
    """Reads whole requests and gives the answers in turn, over all connections; the last one again and again."""
    left = list(answers)

    async def script(reader: Reader, writer: Writer) -> None:
        while (request := await read_request(reader)) is not None:
            if into is not None:
                into.append(request)
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()

    return script
