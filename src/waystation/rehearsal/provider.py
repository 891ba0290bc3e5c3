"""The rehearsal provider without a network: request in, reply out."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from waystation.model import Operation, Surface, Usage, Wire
from waystation.rehearsal import agent, catalogue, embeddings, refusals
from waystation.rehearsal.answer import Answer, Ids
from waystation.rehearsal.ask import Ask, Json, Rejection
from waystation.rehearsal.exchange import Framing, Reply, Request
from waystation.rehearsal.provider_headers import key_of, provider_headers
from waystation.rehearsal.reading import chat as read_chat
from waystation.rehearsal.reading import generate as read_generate
from waystation.rehearsal.reading import messages as read_messages
from waystation.rehearsal.reading import responses as read_responses
from waystation.rehearsal.speaking import chat, generate, messages, responses
from waystation.rehearsal.speaking.events import Event
from waystation.rehearsal.tokens import PromptCache, limited, prompt_tokens, said_tokens

_GEMINI = re.compile(r"^/gemini/v1(?:beta|alpha)?/models/(?P<model>[^/:]+(?:/[^/:]+)*)(?::(?P<verb>\w+))?$")
_COUNTS_WRITES = re.compile(r"^gpt-(?:5\.(?:[6-9]|\d\d)|[6-9])")
"""OpenAI reports (and bills) cache writes from GPT-5.6 on."""
_REMEMBERED_RESPONSES = 1000


class Place(msgspec.Struct, frozen=True):
    """What an address is for."""

    surface: Surface
    wire: Wire | None
    operation: Operation
    model: str = ""
    verb: str = ""


class Rehearsal:
    """One rehearsal provider: its memory of prompts and responses, its clock and the keys it accepts.

    `keys`: None accepts any key that is not empty. `clock` gives Unix seconds.
    """

    def __init__(
        self,
        *,
        keys: Iterable[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = frozenset(keys) if keys is not None else None
        self._clock = clock
        self._cache = PromptCache(clock)
        self._responses: OrderedDict[str, list[Json]] = OrderedDict()
        self._count = 0

    def reply(self, request: Request) -> Reply:
        """Answer one request. Never raises: what the provider would refuse is a reply too."""
        self._count += 1
        number = self._count
        place = find(request)
        if place is None:
            surface = surface_of(request.path)
            if surface is None:
                return Reply.whole(
                    404, [(b"content-type", b"text/plain")], b"Not Found: no provider is rehearsed here.\n"
                )
            return self._refuse(
                request, surface, refusals.rejection(surface, 404, f"Not Found: {request.path}"), number
            )
        try:
            self._admit(request, place.surface)
            return self._serve(request, place, number)
        except Rejection as refused:
            return self._refuse(
                request, place.surface, refused, number, listed=_streams_array(request, place)
            )

    def _admit(self, request: Request, surface: Surface) -> None:
        """Raises Rejection in the provider's own words for a missing or unknown key."""
        key = key_of(request, surface)
        if key and (self._keys is None or key in self._keys):
            return
        if surface is Surface.ANTHROPIC:
            missing = "x-api-key header is required"
            raise Rejection(401, missing if not key else "invalid x-api-key", kind="authentication_error")
        if surface is Surface.GEMINI:
            if key:
                raise Rejection(
                    400, "API key not valid. Please pass a valid API key.", kind="INVALID_ARGUMENT"
                )
            raise Rejection(
                403,
                "Method doesn't allow unregistered callers (callers without established identity). "
                "Please use API Key or other form of API consumer identity to call this API.",
                kind="PERMISSION_DENIED",
            )
        if key:
            raise Rejection(
                401,
                "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
                kind="invalid_request_error",
                code="invalid_api_key",
            )
        raise Rejection(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using "
            "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            kind="invalid_request_error",
        )

    def _serve(self, request: Request, place: Place, number: int) -> Reply:
        if place.operation is Operation.LIST_MODELS:
            return self._json(request, place, _models(request, place), number)
        body = _decoded(request, place.surface)
        if place.surface is Surface.ANTHROPIC and request.header("anthropic-version") is None:
            raise Rejection(400, "anthropic-version: header is required", kind="invalid_request_error")
        if place.operation is Operation.EMBED:
            return self._json(request, place, _embedded(place, body), number)
        ask = self._ask(place, body)
        if place.operation is Operation.COUNT_TOKENS:
            return self._json(request, place, _counted(place, prompt_tokens(ask.parts)), number)
        return self._generate(request, place, ask, number)

    def _ask(self, place: Place, body: Json) -> Ask:
        if place.wire is Wire.MESSAGES:
            if place.operation is Operation.GENERATE:
                read_messages.check_generation(body)
            return read_messages.read(body)
        if place.wire is Wire.CHAT:
            return read_chat.read(body)
        if place.wire is Wire.RESPONSES:
            return read_responses.read(body, self._earlier(body))
        counted = body.get("generateContentRequest")
        inner = counted if place.operation is Operation.COUNT_TOKENS and isinstance(counted, dict) else body
        return read_generate.read(inner, place.model, stream=place.verb == "streamGenerateContent")

    def _earlier(self, body: Json) -> list[Json] | None:
        ident = body.get("previous_response_id")
        if ident is None:
            return None
        items = self._responses.get(str(ident))
        if items is None:
            raise Rejection(
                400,
                f"Previous response with id '{ident}' not found.",
                kind="invalid_request_error",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return items

    def _generate(self, request: Request, place: Place, ask: Ask, number: int) -> Reply:
        said = agent.answer(ask)
        limited(said, ask)
        said.usage = self._usage(request, place, ask, said)
        ids = Ids(hashlib.blake2b(request.path.encode() + b"\n" + request.body, digest_size=32).digest())
        now = int(self._clock())
        if ask.stream:
            return self._stream(request, place, _events(request, ask, said, ids, now), number)
        whole = _body(ask, said, ids, now)
        if ask.wire is Wire.RESPONSES:
            self._remember(ask, whole)
        return self._json(request, place, whole, number)

    def _usage(self, request: Request, place: Place, ask: Ask, said: Answer) -> Usage:
        output, reasoning = said_tokens(said)
        owner = "\n".join((key_of(request, place.surface) or "", ask.wire, ask.model)).encode()
        if ask.wire is Wire.MESSAGES:
            prompt = self._cache.explicit(owner, ask.parts)
        else:
            writes = bool(_COUNTS_WRITES.match(ask.model))
            prompt = self._cache.automatic(owner, ask.parts, counts_writes=writes)
        return msgspec.structs.replace(prompt, output=output, reasoning=reasoning)

    def _remember(self, ask: Ask, whole: Json) -> None:
        if ask.body.get("store") is False:
            return
        earlier = self._responses.get(str(ask.body.get("previous_response_id")), [])
        self._responses[whole["id"]] = [
            *earlier,
            *read_responses.as_items(ask.body.get("input")),
            *whole["output"],
        ]
        while len(self._responses) > _REMEMBERED_RESPONSES:
            self._responses.popitem(last=False)

    def _headers(
        self, request: Request, surface: Surface, kind: bytes, number: int
    ) -> list[tuple[bytes, bytes]]:
        return [(b"content-type", kind), *provider_headers(request, surface, number, self._clock())]

    def _json(self, request: Request, place: Place, body: Json, number: int) -> Reply:
        kind = b"application/json; charset=UTF-8" if place.surface is Surface.GEMINI else b"application/json"
        return Reply.whole(
            200, self._headers(request, place.surface, kind, number), msgspec.json.encode(body)
        )

    def _stream(self, request: Request, place: Place, events: Iterator[Event], number: int) -> Reply:
        kind = b"text/event-stream; charset=utf-8"
        if place.surface is Surface.GEMINI:
            kind = b"text/event-stream" if _wants_sse(request) else b"application/json; charset=UTF-8"
        headers = self._headers(request, place.surface, kind, number)
        headers.append((b"cache-control", b"no-cache"))
        return Reply(200, headers, (e.data for e in events), Framing.CHUNKED)

    def _refuse(
        self, request: Request, surface: Surface, refused: Rejection, number: int, *, listed: bool = False
    ) -> Reply:
        headers = self._headers(request, surface, b"application/json", number)
        headers += [(k.encode(), v.encode()) for k, v in refused.headers]
        ident = next((v.decode() for k, v in headers if k == b"request-id"), "")
        body: Any = refusals.body(surface, refused, ident)
        return Reply.whole(refused.status, headers, msgspec.json.encode([body] if listed else body))


def surface_of(path: str) -> Surface | None:
    name = path.split("/", 2)[1] if path.startswith("/") else ""
    return Surface(name) if name in set(Surface) else None


def find(request: Request) -> Place | None:
    """What the request's method and path ask for; None where the provider has nothing there."""
    path = request.path.rstrip("/")
    fixed = _PLACES.get((request.method, path))
    if fixed is not None:
        return fixed
    if request.method == "GET":
        for surface, prefix in (
            (Surface.ANTHROPIC, "/anthropic/v1/models/"),
            (Surface.OPENAI, "/openai/v1/models/"),
        ):
            if path.startswith(prefix):
                return Place(surface, None, Operation.LIST_MODELS, path[len(prefix) :])
    match = _GEMINI.match(path)
    if match is None:
        return None
    model, verb = match["model"], match["verb"]
    if request.method == "GET" and verb is None:
        return Place(Surface.GEMINI, None, Operation.LIST_MODELS, model)
    operation = _GEMINI_VERBS.get(verb or "")
    if request.method != "POST" or operation is None:
        return None
    wire = Wire.GENERATE if operation is not Operation.EMBED else None
    return Place(Surface.GEMINI, wire, operation, model, verb or "")


_PLACES = {
    ("POST", "/anthropic/v1/messages"): Place(Surface.ANTHROPIC, Wire.MESSAGES, Operation.GENERATE),
    ("POST", "/anthropic/v1/messages/count_tokens"): Place(
        Surface.ANTHROPIC, Wire.MESSAGES, Operation.COUNT_TOKENS
    ),
    ("GET", "/anthropic/v1/models"): Place(Surface.ANTHROPIC, None, Operation.LIST_MODELS),
    ("POST", "/openai/v1/responses"): Place(Surface.OPENAI, Wire.RESPONSES, Operation.GENERATE),
    ("POST", "/openai/v1/responses/input_tokens"): Place(
        Surface.OPENAI, Wire.RESPONSES, Operation.COUNT_TOKENS
    ),
    ("POST", "/openai/v1/chat/completions"): Place(Surface.OPENAI, Wire.CHAT, Operation.GENERATE),
    ("POST", "/openai/v1/embeddings"): Place(Surface.OPENAI, Wire.EMBEDDINGS, Operation.EMBED),
    ("GET", "/openai/v1/models"): Place(Surface.OPENAI, None, Operation.LIST_MODELS),
    ("GET", "/gemini/v1beta/models"): Place(Surface.GEMINI, None, Operation.LIST_MODELS),
}
_GEMINI_VERBS = {
    "generateContent": Operation.GENERATE,
    "streamGenerateContent": Operation.GENERATE,
    "countTokens": Operation.COUNT_TOKENS,
    "embedContent": Operation.EMBED,
    "batchEmbedContents": Operation.EMBED,
}


def _wants_sse(request: Request) -> bool:
    return request.query.get("alt") == ["sse"]


def _streams_array(request: Request, place: Place) -> bool:
    return place.verb == "streamGenerateContent" and not _wants_sse(request)


def _decoded(request: Request, surface: Surface) -> Json:
    coding = request.header("content-encoding")
    if coding not in (None, "", "identity"):
        raise refusals.rejection(surface, 415, f"Content-Encoding {coding} is not supported.")
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    if surface is Surface.GEMINI:
        raise Rejection(400, "Invalid JSON payload received.", kind="INVALID_ARGUMENT")
    if surface is Surface.ANTHROPIC:
        raise Rejection(400, "The request body is not valid JSON", kind="invalid_request_error")
    raise Rejection(
        400,
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
        "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        kind="invalid_request_error",
    )


def _models(request: Request, place: Place) -> Json:
    query = {name: values[0] for name, values in request.query.items()}
    if place.model:
        shown = {
            Surface.ANTHROPIC: catalogue.anthropic_model,
            Surface.OPENAI: catalogue.openai_model,
            Surface.GEMINI: catalogue.gemini_model,
        }
        return shown[place.surface](place.model)
    if place.surface is Surface.ANTHROPIC:
        limit = int(query["limit"]) if query.get("limit", "").isdigit() else 20
        return catalogue.anthropic_page(limit, query.get("after_id"), query.get("before_id"))
    if place.surface is Surface.OPENAI:
        return catalogue.openai_list()
    size = int(query["pageSize"]) if query.get("pageSize", "").isdigit() else 50
    return catalogue.gemini_page(size, query.get("pageToken"))


def _embedded(place: Place, body: Json) -> Json:
    if place.surface is Surface.GEMINI:
        return (
            embeddings.gemini_batch(body) if place.verb == "batchEmbedContents" else embeddings.gemini(body)
        )
    if not isinstance(body.get("model"), str):
        raise Rejection(400, "you must provide a model parameter", kind="invalid_request_error")
    return embeddings.openai(body)


def _counted(place: Place, count: int) -> Json:
    if place.wire is Wire.MESSAGES:
        return {"input_tokens": count}
    if place.wire is Wire.RESPONSES:
        return {"object": "response.input_tokens", "input_tokens": count}
    return {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]}


def _body(ask: Ask, said: Answer, ids: Ids, now: int) -> Json:
    if ask.wire is Wire.MESSAGES:
        return messages.body(ask, said, ids)
    if ask.wire is Wire.RESPONSES:
        return responses.body(ask, said, ids, now)
    if ask.wire is Wire.CHAT:
        return chat.body(ask, said, ids, now)
    return generate.body(ask, said, ids)


def _events(request: Request, ask: Ask, said: Answer, ids: Ids, now: int) -> Iterator[Event]:
    if ask.wire is Wire.MESSAGES:
        return messages.events(ask, said, ids)
    if ask.wire is Wire.RESPONSES:
        return responses.events(ask, said, ids, now)
    if ask.wire is Wire.CHAT:
        return chat.events(ask, said, ids, now)
    return generate.events(ask, said, ids) if _wants_sse(request) else generate.array(ask, said, ids)
