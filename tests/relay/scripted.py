"""A provider at the level of bytes: a TCP server that plays what a test tells it, over real sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self


class Received:
    """One request as its bytes came in."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        self.line = head.split(b"\r\n", 1)[0].decode("latin-1")

    def header(self, name: str) -> str | None:
        values = self.headers(name)
        return values[0] if values else None

    def headers(self, name: str) -> list[str]:
        prefix = name.lower().encode() + b":"
        return [
            line.split(b":", 1)[1].strip().decode("latin-1")
            for line in self.head.split(b"\r\n")[1:]
            if line.lower().startswith(prefix)
        ]


class Connection:
    """What a script answers with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def reset(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()

    async def client_gone(self) -> None:
        """Returns when the other side has closed the connection."""
        while await self._reader.read(65536):
            pass


Script = Callable[[Received, Connection], Awaitable[None]]


class ScriptedProvider:
    """Serves one script after another, a request each; the last one repeats. `requests` is what came."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.requests: list[Received] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                received = Received(head, b"")
                received.body = await reader.readexactly(int(received.header("content-length") or 0))
                self.requests.append(received)
                script = self._scripts[min(len(self.requests), len(self._scripts)) - 1]
                await script(received, Connection(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


def whole(
    body: bytes, status: str = "200 OK", *, headers: bytes = b"", content_type: bytes = b"application/json"
) -> Script:
    """A plain answer with a content-length."""

    async def script(_: Received, connection: Connection) -> None:
        head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b\r\n" % (
            status.encode(),
            content_type,
            len(body),
            headers,
        )
        await connection.send(head + body)

    return script


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
)


def stream(*pieces: bytes, headers: bytes = b"request-id: req_provider\r\n") -> Script:
    """A chunked event stream, one chunk a piece."""

    async def script(_: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + headers + b"\r\n")
        for piece in pieces:
            await connection.chunk(piece)
        await connection.end()

    return script
