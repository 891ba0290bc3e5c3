"""The rehearsal provider without a network: request in, reply out."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from waystation.model import Operation, Usage, Wire
from waystation.rehearsal import agent, catalogue, embeddings, refusals, spoiling
from waystation.rehearsal.addresses import Place, find, streams_array, vendor_at, wants_sse
from waystation.rehearsal.admission import decoded, refuse_key
from waystation.rehearsal.answer import Answer, Ids
from waystation.rehearsal.ask import Ask, Json, Rejection
from waystation.rehearsal.exchange import Framing, Reply, Request
from waystation.rehearsal.faults import BadFault, Fault, directives
from waystation.rehearsal.provider_headers import key_of, provider_headers
from waystation.rehearsal.reading import chat as read_chat
from waystation.rehearsal.reading import converse as read_converse
from waystation.rehearsal.reading import generate as read_generate
from waystation.rehearsal.reading import messages as read_messages
from waystation.rehearsal.reading import responses as read_responses
from waystation.rehearsal.script import Facts, Prompter, Script, Step
from waystation.rehearsal.sigv4 import refuse_signature
from waystation.rehearsal.speaking import speak_body, speak_events
from waystation.rehearsal.speaking.events import Event
from waystation.rehearsal.tokens import PromptCache, limited, prompt_tokens, said_tokens
from waystation.rehearsal.vendor import Vendor, vendor_of

_COUNTS_WRITES = re.compile(r"^gpt-(?:5\.(?:[6-9]|\d\d)|[6-9])")
"""OpenAI reports (and bills) cache writes from GPT-5.6 on."""
_REMEMBERED = 1000
_MISSHAPEN = "A field of the request has another type than this API takes."
_log = logging.getLogger(__name__)


class Rehearsal:
    """One rehearsal provider: its script, its memory of prompts and responses, and its clock (Unix seconds).

    `keyless` lets requests without a key in, for a gateway that has no credential for it. A key that is sent
    must still be one of the script's, if it names any.

    The same requests in the same order get the same bytes, as long as the clock says the same. Memory is
    bounded, whatever is asked.
    """

    def __init__(
        self,
        script: Script = Script(),  # noqa: B008 - frozen
        *,
        clock: Callable[[], float] = time.time,
        keyless: bool = False,
    ) -> None:
        self.prompter = Prompter(script)
        self._keys = frozenset(script.keys) if script.keys is not None else None
        self._aws = dict(script.aws)
        self.lists: dict[Vendor, tuple[str, ...]] = {**catalogue.USUAL, **script.models}
        """What each vendor lists. Safe to change from any thread."""
        self._clock = clock
        self._keyless = keyless
        self._cache = PromptCache(clock)
        self._responses: OrderedDict[str, list[Json]] = OrderedDict()
        self._directed: OrderedDict[bytes, int] = OrderedDict()
        self._count = 0

    def reply(self, request: Request) -> Reply:
        """Answer one request. Never raises: what the provider would refuse is a reply too."""
        self._count += 1
        number = self._count
        place = find(request)
        if place is None:
            vendor = vendor_at(request.path)
            if vendor is None:
                plain = [(b"content-type", b"text/plain; charset=utf-8")]
                return Reply.whole(404, plain, b"Nothing is rehearsed at this address.\n")
            missing = refusals.rejection(vendor, 404, f"Not Found: {request.path}")
            return self._refuse(request, vendor, missing, number)
        key = key_of(request, place.vendor)
        try:
            if not self._lets_in(key):
                raise refuse_key(place.vendor, key)
            if place.vendor is Vendor.BEDROCK:
                self._check_signature(request)
            return self._serve(request, place, key or "", number)
        except Rejection as rejected:
            refused = rejected
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as odd:
            # The readers take a body's shape on trust, as it is nearly always right: what trips them is a field
            # of another type than the API has.
            _log.debug("misshapen request", exc_info=odd)
            refused = refusals.rejection(place.vendor, 400, _MISSHAPEN)
        return self._refuse(request, place.vendor, refused, number, listed=streams_array(request, place))

    def _lets_in(self, key: str | None) -> bool:
        if not key:
            return self._keyless
        return self._keys is None or key in self._keys

    def _check_signature(self, request: Request) -> None:
        """Of a request with AWS credentials: its shape always, its truth where the script names the secret."""
        refused = refuse_signature(request, self._aws, self._clock())
        if refused is not None:
            raise refused

    def _serve(self, request: Request, place: Place, key: str, number: int) -> Reply:
        ask, body, model = None, {}, place.model
        if place.operation is not Operation.LIST_MODELS:
            body = decoded(request, place.vendor)
            model = model or str(body.get("model", ""))
        if place.operation in (Operation.GENERATE, Operation.COUNT_TOKENS):
            ask = self._ask(place, body)
        step, faults = self._staged(Facts(place.operation, place.wire, model, key, ask))
        wire = place.wire or _ANY_WIRE[place.vendor]
        streams = ask is not None and ask.stream
        refusing = next(
            (f for f in faults if f.kind == "status" or (f.kind == "error" and not streams)), None
        )
        if refusing is not None:
            refused = spoiling.refusal_of(refusing, wire)
            listed = streams_array(request, place)
            reply = self._refuse(request, place.vendor, refused, number, listed=listed)
        elif ask is not None and place.operation is Operation.GENERATE:
            reply = self._generate(request, place, ask, key, step, faults, number)
        else:
            reply = self._whole(
                request,
                place,
                _looked_up(request, place, body, ask, self.lists[place.vendor]),
                faults,
                number,
            )
        if step is not None:
            reply.headers += [(k.encode(), v.encode()) for k, v in step.headers.items()]
        spoiling.spoil_reply(reply, faults)
        return reply

    def _ask(self, place: Place, body: Json) -> Ask:
        if place.wire is Wire.MESSAGES:
            if place.operation is Operation.GENERATE:
                read_messages.check_generation(body)
            return read_messages.read(body)
        if place.wire is Wire.CHAT:
            return read_chat.read(body)
        if place.wire is Wire.RESPONSES:
            return read_responses.read(body, self._earlier(body))
        if place.wire is Wire.CONVERSE:
            if place.operation is Operation.COUNT_TOKENS:
                body = read_converse.counted(body)
            return read_converse.read(body, place.model, stream=place.verb == "converse-stream")
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

    def _staged(self, facts: Facts) -> tuple[Step | None, list[Fault]]:
        """The script's step for this request, and the faults due now: the step's, then the prompt's own."""
        step, faults = None, []
        cued = self.prompter.cue(facts)
        if cued is not None:
            step, played = cued
            faults += [f for f in step.parsed_faults() if _is_due(f, played)]
        if facts.ask is not None and facts.operation is Operation.GENERATE and not agent.is_aside(facts.ask):
            try:
                directed = directives(facts.ask)
            except BadFault as bad:
                message = f"[rehearsal] {bad}"
                vendor = vendor_of(facts.ask.wire)
                raise refusals.rejection(vendor, 400, message) from None
            if directed:
                count = self._counted(facts.key, facts.ask)
                faults += [f for f in directed if _is_due(f, count)]
        return step, faults

    def _counted(self, key: str, ask: Ask) -> int:
        """How often this prompt with a directive was seen before from this key."""
        name = hashlib.blake2b("\n".join((key, ask.wire, ask.prompt)).encode(), digest_size=16).digest()
        before = self._directed.pop(name, 0)
        self._directed[name] = before + 1
        while len(self._directed) > _REMEMBERED:
            self._directed.popitem(last=False)
        return before

    def _generate(
        self,
        request: Request,
        place: Place,
        ask: Ask,
        key: str,
        step: Step | None,
        faults: Sequence[Fault],
        number: int,
    ) -> Reply:
        said = self._answer(ask, key, step, faults)
        seed = hashlib.blake2b(request.path.encode() + b"\n" + request.body, digest_size=32).digest()
        now = int(self._clock())
        if ask.wire is Wire.RESPONSES and ask.body.get("store") is not False:
            self._remember(ask, speak_body(ask, said, Ids(seed), now))
        if not ask.stream:
            return self._whole(request, place, speak_body(ask, said, Ids(seed), now), faults, number)
        sse = wants_sse(request)
        events = _begun(speak_events(ask, said, Ids(seed), now, sse=sse))
        kind = b"text/event-stream; charset=utf-8"
        if place.vendor is Vendor.GEMINI:
            kind = b"text/event-stream" if sse else b"application/json; charset=UTF-8"
        elif place.vendor is Vendor.BEDROCK:
            kind = b"application/vnd.amazon.eventstream"
        headers = [*self._headers(request, place.vendor, kind, number), (b"cache-control", b"no-cache")]
        return Reply(200, headers, spoiling.spoil_events(events, ask.wire, faults), Framing.CHUNKED)

    def _answer(self, ask: Ask, key: str, step: Step | None, faults: Sequence[Fault]) -> Answer:
        if step is not None and step.words:
            ask = msgspec.structs.replace(ask, prompt=step.words)
        said = (step.answer() if step is not None else None) or agent.answer(ask)
        limited(said, ask)
        spoiling.spoil_answer(said, faults)
        if step is not None and step.finish is not None:
            said.finish = step.finish
        scripted = step.usage if step is not None else None
        said.usage = scripted if scripted is not None else self._usage(ask, key, said)
        spoiling.spoil_usage(said, faults)
        return said

    def _usage(self, ask: Ask, key: str, said: Answer) -> Usage:
        output, reasoning = said_tokens(said)
        owner = "\n".join((key, ask.wire, ask.model)).encode()
        if ask.wire in (Wire.MESSAGES, Wire.CONVERSE):
            prompt = self._cache.explicit(owner, ask.parts)
        else:
            writes = bool(_COUNTS_WRITES.match(ask.model))
            prompt = self._cache.automatic(owner, ask.parts, counts_writes=writes)
        return msgspec.structs.replace(prompt, output=output, reasoning=reasoning)

    def _remember(self, ask: Ask, whole: Json) -> None:
        earlier = self._responses.get(str(ask.body.get("previous_response_id")), [])
        given = read_responses.as_items(ask.body.get("input"))
        self._responses[whole["id"]] = [*earlier, *given, *whole["output"]]
        while len(self._responses) > _REMEMBERED:
            self._responses.popitem(last=False)

    def _headers(
        self, request: Request, vendor: Vendor, kind: bytes, number: int
    ) -> list[tuple[bytes, bytes]]:
        return [(b"content-type", kind), *provider_headers(request, vendor, number, self._clock())]

    def _whole(
        self, request: Request, place: Place, body: Json, faults: Sequence[Fault], number: int
    ) -> Reply:
        kind = b"application/json"
        if place.vendor is Vendor.GEMINI:
            kind = b"application/json; charset=UTF-8"
        encoded = msgspec.json.encode(body)
        reply = Reply.whole(200, self._headers(request, place.vendor, kind, number), encoded)
        if faults:
            spoiling.spoil_whole(reply, encoded, place.wire or _ANY_WIRE[place.vendor], faults)
        return reply

    def _refuse(
        self, request: Request, vendor: Vendor, refused: Rejection, number: int, *, listed: bool = False
    ) -> Reply:
        headers = self._headers(request, vendor, b"application/json", number)
        headers += [(k.encode(), v.encode()) for k, v in refused.headers]
        if vendor is Vendor.BEDROCK:
            headers.append((b"x-amzn-errortype", f"{refused.kind}:http://rehearsal/".encode()))
        ident = next((v.decode() for k, v in headers if k == b"request-id"), "")
        body: Any = refusals.body(vendor, refused, ident)
        return Reply.whole(refused.status, headers, msgspec.json.encode([body] if listed else body))


_ANY_WIRE = {
    Vendor.ANTHROPIC: Wire.MESSAGES,
    Vendor.OPENAI: Wire.CHAT,
    Vendor.GEMINI: Wire.GENERATE,
    Vendor.BEDROCK: Wire.CONVERSE,
}


def _begun(events: Iterator[Event]) -> Iterator[Event]:
    """The same events with the first one made now, while what goes wrong can still become a refusal."""
    first = next(events)
    return chain((first,), events)


def _is_due(fault: Fault, before: int) -> bool:
    """Whether a fault strikes the request that `before` others like it came before."""
    return before >= fault.skip and (not fault.times or before < fault.skip + fault.times)


def _looked_up(request: Request, place: Place, body: Json, ask: Ask | None, names: Sequence[str]) -> Json:
    """Answers that need no model: lists, counts, embeddings."""
    if ask is not None:
        return _counted(place, prompt_tokens(ask.parts))
    if place.operation is Operation.EMBED:
        if place.vendor is Vendor.GEMINI:
            batch = place.verb == "batchEmbedContents"
            return embeddings.gemini_batch(body) if batch else embeddings.gemini(body)
        return embeddings.openai(body)
    query = {k: v[0] for k, v in request.query.items()}
    return catalogue.listed(names, place.vendor, place.model, place.verb, query)


def _counted(place: Place, count: int) -> Json:
    if place.wire is Wire.CONVERSE:
        return {"inputTokens": count}
    if place.wire is Wire.MESSAGES:
        return {"input_tokens": count}
    if place.wire is Wire.RESPONSES:
        return {"object": "response.input_tokens", "input_tokens": count}
    return {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]}
