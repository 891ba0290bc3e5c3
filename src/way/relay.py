"""The loopback bridge for tools that cannot ask for a fresh token: adds one to each request, changes nothing else.

It listens on 127.0.0.1 only, for one launch, and wants that launch's secret where the tool puts its API key.
A page in a browser cannot use it: requests with an `Origin`, or for another `Host`, are refused before the
secret is looked at. Only the gateway's model surfaces can be reached through it.

Bodies pass as they come, both ways, at the pace of the slower side; nothing is collected first. The request's
body is also kept, up to a limit, so that it can be sent again where the gateway said 401 (with a new token) or
a kept connection turned out to be closed. Nothing is sent again once the tool has had a byte of an answer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging

from way.errors import SignedOut, WayError
from way.framing import MAX_HEAD, BadMessage, Body, Head
from way.http import explain
from way.pipes import Pipe
from way.upstream import Upstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    Tokens = Callable[..., str]
    """`fresh_token(refused="")`: blocks, and is safe to call from any thread."""

SURFACES = (b"/anthropic", b"/openai", b"/gemini")
_REPLAYABLE = 32 * 1024 * 1024
_KEYS = (b"authorization", b"x-api-key", b"x-goog-api-key")
_TOOL = b"X-Waystation-Tool"
_HOP = (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"upgrade")


def run(listener: socket, gateway: str, secret: str, tokens: Tokens, tool: str = "") -> None:
    """Serves until the process ends. Meant for a thread of its own."""
    asyncio.run(serve(listener, gateway, secret, tokens, tool))


async def serve(listener: socket, gateway: str, secret: str, tokens: Tokens, tool: str = "") -> None:
    """`tool` is the name that the gateway is told: some tools do not say who they are."""
    logging.getLogger("asyncio").disabled = True  # the terminal is the tool's
    relay = Relay(gateway, secret, tokens, port=listener.getsockname()[1], tool=tool)
    listener.setblocking(False)
    server = await asyncio.get_running_loop().create_server(relay.pipe, sock=listener)
    async with server:
        await server.serve_forever()


class Relay:
    def __init__(self, gateway: str, secret: str, tokens: Tokens, *, port: int, tool: str) -> None:
        self._gateway = gateway
        self._added = ((_TOOL, tool.encode("ascii")),) if tool else ()
        self._upstream = Upstream(gateway)
        self._secret = secret.encode("ascii")
        self._tokens = tokens
        self._renewal = asyncio.Lock()
        self._hosts = {f"{name}:{port}".encode("ascii") for name in ("127.0.0.1", "localhost")}
        self._tasks: set[asyncio.Task[None]] = set()

    def pipe(self) -> Pipe:
        return Pipe(self._accept)

    def _accept(self, tool: Pipe) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(tool))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, tool: Pipe) -> None:
        """All requests of one connection, one after another."""
        try:
            while await self._request(tool):
                pass
            tool.close()
        except (ConnectionError, BadMessage, OSError, asyncio.IncompleteReadError):
            tool.abort()
        except asyncio.CancelledError:
            tool.abort()
            raise

    async def _request(self, tool: Pipe) -> bool:
        """One request; whether the connection can carry another."""
        try:
            head = await _read_head(tool)
            if head is None:
                return False
            exchange = Exchange(tool, head, self._added)
        except BadMessage as error:
            await _answer(tool, 400, f"The request cannot be read: {error}.")
            return False
        refusal = self._refusal(exchange)
        if refusal is not None:
            await _answer(tool, *refusal)
            return False
        return await self._relay(exchange)

    def _refusal(self, exchange: Exchange) -> tuple[int, str] | None:
        head = exchange.head
        if head.first(b"host").lower() not in self._hosts or len(head.all(b"host")) != 1:
            return 403, "This address is for one coding tool on this machine, under the name 127.0.0.1."
        if head.all(b"origin"):
            return 403, "Web pages may not use this address."
        if not any(self._is_secret(value) for name in _KEYS for value in head.all(name)):
            return 401, "This is another program's way relay: the key is not the one of this launch."
        if not any(exchange.path == s or exchange.path.startswith(s + b"/") for s in SURFACES):
            return 404, "The way relay only leads to the gateway's model addresses."
        if head.all(b"upgrade"):
            return 426, "WebSockets do not pass here; use plain requests."
        return None

    def _is_secret(self, value: bytes) -> bool:
        scheme, _, rest = value.partition(b" ")
        given = rest.strip() if scheme.lower() == b"bearer" else value
        return hmac.compare_digest(given, self._secret)

    async def _relay(self, exchange: Exchange) -> bool:
        """Sends the request on and the answer back, again where that is safe and may help."""
        refused, new = "", False
        while True:
            try:
                token = await self._token(refused)
            except WayError as error:
                if exchange.kept_answer is not None:  # the gateway's own words are better than ours
                    return await exchange.pass_on_kept()
                await _answer(exchange.tool, 401 if isinstance(error, SignedOut) else 502, str(error))
                return False
            if refused and token == refused and exchange.kept_answer is not None:
                return await exchange.pass_on_kept()
            try:
                upstream, used = await self._upstream.take(new=new)
            except (OSError, asyncio.TimeoutError) as error:  # noqa: UP041 - two classes before 3.11
                await _answer(exchange.tool, 502, explain(self._gateway, error))
                return False
            try:
                verdict = await exchange.run(upstream, self._upstream, token, may_renew=not refused)
            except BadMessage as error:
                if exchange.answered:
                    raise
                await _answer(exchange.tool, 502, f"The gateway's answer cannot be read: {error}.")
                return False
            except Unanswered:
                if used and exchange.replayable:
                    new = True  # it was closed while we reached for it; nothing of the request was answered
                    continue
                await _answer(exchange.tool, 502, "The gateway closed the connection without an answer.")
                return False
            if verdict is RENEW:
                refused = token
                continue
            return verdict is AGAIN

    async def _token(self, refused: str) -> str:
        """One renewal at a time; the file lock inside `tokens` would block a thread for each request."""
        loop = asyncio.get_running_loop()
        async with self._renewal:
            return await loop.run_in_executor(None, lambda: self._tokens(refused=refused))


class Unanswered(Exception):
    """The gateway closed the connection before the first byte of an answer."""


class _Verdict:
    """What to do after an exchange: another request on the connection, none, or the same again."""


AGAIN, LAST, RENEW = _Verdict(), _Verdict(), _Verdict()


class Exchange:
    """One request of the tool and its answer."""

    def __init__(self, tool: Pipe, head: Head, added: tuple[tuple[bytes, bytes], ...]) -> None:
        self._added = added
        parts = head.start.split(b" ")
        if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not parts[1].startswith(b"/"):
            raise BadMessage("its first line is not one of HTTP/1.1")
        self.tool = tool
        self.head = head
        self.method, self.target = parts[0], parts[1]
        self.path = self.target.split(b"?", 1)[0]
        if b"/../" in self.path + b"/" or b"%2e" in self.path.lower():
            raise BadMessage("its path goes up")  # a proxy before the gateway might resolve it
        self.kept_answer: tuple[Head, bytes] | None = None
        """A 401 that was not passed on yet."""
        self.answered = False
        """The tool has had a byte of an answer."""
        self._body = Body.of_request(head)
        self._kept: list[bytes] = []
        self._kept_size = 0
        closing = b"close" in head.tokens(b"connection")
        self._keep_alive = parts[2] == b"HTTP/1.1" and not closing
        self._expects = b"100-continue" in head.tokens(b"expect")

    @property
    def replayable(self) -> bool:
        """Whether all of the body that was read so far is still here."""
        return self._kept_size <= _REPLAYABLE

    async def run(self, upstream: Pipe, pool: Upstream, token: str, *, may_renew: bool) -> _Verdict:
        """One try. Raises Unanswered where it may be made again on another connection."""
        self.tool.on_gone = upstream.abort  # the tool hung up: the gateway must know at once
        if self.tool.gone:
            upstream.abort()
            raise ConnectionResetError("the tool has gone")
        sending = asyncio.get_running_loop().create_task(self._send(upstream, pool, token))
        try:
            answer = await self._read_answer_head(upstream)
            status = _status(answer)
            if status == 401 and may_renew and self.replayable:
                if await self._keep(upstream, answer, sending):
                    return RENEW
                return AGAIN if await self.pass_on_kept() else LAST
            return await self._pass_on(upstream, pool, answer, status, sending)
        finally:
            self.tool.on_gone = None
            await _ended(sending)

    async def _send(self, upstream: Pipe, pool: Upstream, token: str) -> None:
        """The head with our token, what was read of the body before, and the rest as it comes."""
        start = b" ".join((self.method, pool.prefix + self.target, b"HTTP/1.1"))
        head = Head(start, self.head.headers)
        await upstream.write(
            head.encode(
                without=(*_KEYS, *_HOP, b"host", b"expect", _TOOL.lower()),
                extra=(
                    (b"Host", pool.authority),
                    (b"Authorization", b"Bearer " + token.encode("ascii")),
                    *self._added,
                ),
            )
        )
        for chunk in self._kept:
            await upstream.write(chunk)
        if self._expects and not self._body.done:
            self._expects = False
            await self.tool.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._body.done:
            await upstream.write(await self._next_of_body())

    async def _next_of_body(self) -> bytes:
        data = await self.tool.read()
        if not data:
            raise ConnectionResetError("the tool has gone")
        taken = self._body.feed(data)
        if taken < len(data):
            self.tool.put_back(data[taken:])
            data = data[:taken]
        if self._kept_size <= _REPLAYABLE:
            self._kept_size += len(data)
            if self._kept_size <= _REPLAYABLE:
                self._kept.append(data)
            else:
                self._kept.clear()
        return data

    async def _read_answer_head(self, upstream: Pipe) -> Head:
        while True:
            try:
                head = await _read_head(upstream)
            except ConnectionError:
                head = None
            if head is None:
                if self.tool.gone:
                    raise ConnectionResetError("the tool has gone")
                raise Unanswered
            if _status(head) >= 200:
                return head  # 1xx answers are between the gateway and us

    async def _keep(self, upstream: Pipe, answer: Head, sending: asyncio.Task[None]) -> bool:
        """Takes in a 401 whole, and the rest of the request; whether the request can be sent again."""
        body, content = Body.of_response(answer, self.method, 401), b""
        while not body.done:
            data = await upstream.read()
            if not data and body.until_close:
                break
            if not data or len(content) > MAX_HEAD:
                raise ConnectionResetError("the answer broke off")
            content += data[: body.feed(data)]
        upstream.close()
        await _ended(sending)
        while not self._body.done:
            await self._next_of_body()
        self.kept_answer = (answer, content)
        return self.replayable

    async def pass_on_kept(self) -> bool:
        """The gateway's 401, where no newer token is to be had."""
        assert self.kept_answer is not None
        head, content = self.kept_answer
        length = (b"Content-Length", str(len(content)).encode("ascii"))
        await self.tool.write(
            head.encode(without=(*_HOP, b"transfer-encoding", b"content-length"), extra=(length,)) + content
        )
        return self._keep_alive

    async def _pass_on(
        self, upstream: Pipe, pool: Upstream, answer: Head, status: int, sending: asyncio.Task[None]
    ) -> _Verdict:
        body = Body.of_response(answer, self.method, status)
        keep_alive = self._keep_alive and not body.until_close
        extra = () if keep_alive else ((b"Connection", b"close"),)
        self.answered = True
        await self.tool.write(answer.encode(without=_HOP, extra=extra))
        while not body.done:
            data = await upstream.read()
            if not data:
                if body.until_close and not self.tool.gone:
                    break
                raise ConnectionResetError("the answer broke off")
            taken = body.feed(data)
            await self.tool.write(data if taken == len(data) else data[:taken])
            if taken < len(data):
                upstream.abort()  # it says more than one answer
                return LAST
        if self._body.done:
            await asyncio.wait([sending], timeout=1.0)  # its last write may be about to return
        complete = sending.done() and sending.exception() is None
        if complete and not body.until_close and b"close" not in answer.tokens(b"connection"):
            pool.give_back(upstream)
        else:
            upstream.close()
        return AGAIN if keep_alive and complete else LAST


async def _ended(task: asyncio.Task[None]) -> None:
    """Stops the task and waits until it has: two readers of one pipe would steal from each other."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # looked at, or asyncio complains on the tool's terminal


async def _read_head(pipe: Pipe) -> Head | None:
    """The next message's head, None where the connection ended before one began."""
    raw = await pipe.read()
    while raw:
        end = raw.find(b"\r\n\r\n")
        if end >= 0:
            pipe.put_back(raw[end + 4 :])
            return Head.parse(raw[:end])
        if len(raw) > MAX_HEAD:
            raise BadMessage("its headers are too long")
        more = await pipe.read()
        if not more:
            raise ConnectionResetError("the connection ended within a head")
        raw += more
    return None


def _status(answer: Head) -> int:
    parts = answer.start.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise BadMessage("the answer is not one of HTTP/1.1")
    return int(parts[1])


_REASONS = {400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 404: b"Not Found"}
_REASONS.update({426: b"Upgrade Required", 502: b"Bad Gateway"})


async def _answer(tool: Pipe, status: int, message: str) -> None:
    """Our own answer, in a shape that every provider's client finds its message in."""
    error = {"type": "way_relay", "message": message, "code": status, "status": "UNAVAILABLE"}
    content = json.dumps({"type": "error", "error": error}).encode("utf-8")
    head = (
        b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    )
    await tool.write(head % (status, _REASONS[status], len(content)) + content)
