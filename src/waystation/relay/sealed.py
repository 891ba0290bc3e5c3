"""Which sessions hold seals that a provider could not read, so that the next request need not fail to find out.

Kept in memory only: a session that is not known here fails once, is mended (see `retry`), and is known again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from waystation.model import Operation, Wire
from waystation.wire import StreamError
from waystation.wire.canonical import Conversation, Reasoning
from waystation.wire.seals import (
    refuses_seals,
    sealed_contents,
    without_envelopes,
    without_reasoning,
    without_seals,
)
from waystation.wire.translate import holds_envelopes

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

_SESSIONS = 20_000
_SEALS = 2_000

Session = tuple[str, str]
"""The sign-in's session and the tool's own; the latter is empty for tools that have none."""


class SealMemory:
    """See the module. Lives on one event loop."""

    __slots__ = ("_mixed", "_refused")

    def __init__(self) -> None:
        self._mixed: OrderedDict[Session, None] = OrderedDict()
        self._refused: OrderedDict[tuple[Session, str], frozenset[int]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._mixed or self._refused)

    def mix(self, session: Session) -> None:
        """The session has been answered in translation: its history may hold other protocols' seals."""
        self._mixed[session] = None
        self._mixed.move_to_end(session)
        if len(self._mixed) > _SESSIONS:
            self._mixed.popitem(last=False)

    def mixed(self, session: Session) -> bool:
        return session in self._mixed

    def refuse(self, session: Session, provider: str, seals: Iterable[str]) -> None:
        """The provider could not read one of these."""
        key = (session, provider)
        known = self._refused.get(key, frozenset())
        self._refused[key] = frozenset(list(known | {hash(seal) for seal in seals})[:_SEALS])
        self._refused.move_to_end(key)
        if len(self._refused) > _SESSIONS:
            self._refused.popitem(last=False)

    def refused(self, session: Session, provider: str) -> frozenset[int]:
        """Hashes of the seals that the provider could not read."""
        return self._refused.get((session, provider), frozenset())


def session_of(x: "Exchange") -> Session:
    assert x.principal is not None
    return (x.principal.session, x.tool_session)


def cleaned(x: "Exchange", provider: str, body: bytes) -> bytes:
    """A body that needs no translation, without the seals that its provider is known not to read (E21, E25).

    All else in it stays as the tool sent it.
    """
    memory, session, wire = x.relay.seals, session_of(x), x.address.wire
    if x.address.operation is not Operation.GENERATE:
        return body
    if memory.mixed(session) and holds_envelopes(body):
        body = without_envelopes(wire, body)
    refused = memory.refused(session, provider)
    if refused and wire is Wire.RESPONSES:
        body = without_seals(body, lambda seal: hash(seal) in refused)
    return body


def readable(x: "Exchange", provider: str, conversation: Conversation) -> Conversation:
    """The same of a conversation that is to be translated."""
    refused = x.relay.seals.refused(session_of(x), provider)
    return without_reasoning(conversation, lambda seal: hash(seal) in refused) if refused else conversation


def retry(x: "Exchange", error: StreamError) -> bool:
    """Whether the same route should be tried once more: it refused the request for its seals, and they can go.

    Outside the budget of attempts, since it says nothing about the route (E25).
    """
    assert x.route is not None
    if x.unsealed or x.address.operation is not Operation.GENERATE or not refuses_seals(error):
        return False
    session, provider = session_of(x), x.route.provider.id
    if x.conversation is not None:
        parts = (part for turn in x.conversation.turns for part in turn.parts)
        seals = [
            p.seal.data for p in parts if isinstance(p, Reasoning) and p.seal is not None and p.seal.data
        ]
        x.relay.seals.refuse(session, provider, seals)
        found = bool(seals)
    else:
        found = holds_envelopes(x.body)
        if found:
            x.relay.seals.mix(session)
        elif x.address.wire is Wire.RESPONSES:
            contents = sealed_contents(x.body)
            x.relay.seals.refuse(session, provider, contents)
            found = bool(contents)
    x.unsealed = found
    return found
