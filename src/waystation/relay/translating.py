"""One attempt in another protocol than the tool's: what the provider is sent.

The request is read into the canonical conversation once, however many routes are tried; each attempt makes its own
translation of it.
"""

from typing import TYPE_CHECKING

import msgspec

from waystation.model import Operation, Refusal, Route, Wire
from waystation.relay import foreign, sealed
from waystation.wire import BadBody
from waystation.wire.canonical import Conversation
from waystation.wire.codecs import AnswerHead, Target
from waystation.wire.counting import asked_for, to_counter
from waystation.wire.translate import Translation

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange


def prepare(x: "Exchange", route: Route, spoken: Wire) -> Refusal | None:
    """Makes the exchange's translation for this route, or says why that cannot be."""
    try:
        x.translation = translate(x, route, spoken)
    except BadBody as bad:
        return Refusal(bad.kind, bad.message, rule="request.translation", param=bad.param)
    if x.address.operation is Operation.GENERATE:
        x.relay.seals.mix(sealed.session_of(x))
    metrics = x.relay.metrics
    metrics.translations[(x.address.wire, spoken)] += 1
    metrics.count_dropped(x.address.surface, x.translation.dropped)
    return None


def translate(x: "Exchange", route: Route, spoken: Wire) -> Translation:
    """Raises BadBody where the request makes no sense in any protocol, or in that one."""
    assert x.facts is not None
    conversation = sealed.readable(x, route.provider.id, conversation_of(x))
    flags = foreign.betas(x) if spoken is Wire.CONVERSE and x.address.wire is Wire.MESSAGES else ()
    if flags:
        extras = conversation.extras
        own = extras.get("anthropic_beta")
        merged = dict.fromkeys((*(own if isinstance(own, list) else ()), *flags))
        conversation = msgspec.structs.replace(conversation, extras={**extras, "anthropic_beta": [*merged]})
    target = Target(
        spoken,
        route.provider.id,
        route.model,
        route.capabilities,
        route.provider.usage_in_stream,
        betas=route.provider.betas or (),
    )
    head = AnswerHead(
        x.request_id.removeprefix("req_"),
        int(x.started_wall),
        x.facts.model,
        conversation,
        foreign.wants_events(x),
    )
    return Translation(x.address.wire, conversation, target, head)


def conversation_of(x: "Exchange") -> Conversation:
    """What the tool asks; read once."""
    if x.conversation is None:
        assert x.facts is not None
        body = x.body
        if x.address.operation is Operation.COUNT_TOKENS:
            body = asked_for(x.address.wire, body)
        x.conversation = Translation.read(x.address.wire, body, model=x.facts.model, stream=x.facts.stream)
    return x.conversation


def outgoing_body(x: "Exchange", route: Route, spoken: Wire) -> bytes:
    """What the provider is sent. The translation does not keep it: a stream may last for minutes."""
    translation = x.translation
    assert translation is not None
    body, translation.body = translation.body, b""
    if x.address.operation is Operation.COUNT_TOKENS:
        return to_counter(spoken, route.model, body)
    return body
