"""What the tool gets of an answer that came in another protocol."""

from typing import TYPE_CHECKING

from waystation.model import EndedBy, Operation, Outcome
from waystation.relay import errors, trying
from waystation.relay.answer import Answer
from waystation.relay.counting import CountAnswer
from waystation.relay.headers import answer_headers
from waystation.relay.stream import StreamAnswer
from waystation.relay.upstream import Lost
from waystation.wire import BadBody, StreamError, decode_body, read_body

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream")


def answer_for(x: "Exchange", content_type: bytes) -> Answer:
    """What takes the provider's answer, whose status is no error."""
    assert x.facts is not None
    if x.address.operation is Operation.COUNT_TOKENS:
        return CountAnswer(x)
    if x.facts.stream and (
        content_type.startswith(_STREAMS) or not content_type.startswith(b"application/json")
    ):
        return StreamAnswer(x)
    return TranslatedAnswer(x)


class TranslatedAnswer(Answer):
    """A whole answer, translated once it is all there."""

    __slots__ = ("_parts", "_size")

    def __init__(self, exchange: "Exchange") -> None:
        super().__init__(exchange)
        self._parts: list[bytes] = []
        self._size = 0

    def data(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > self.x.relay.settings.max_decoded_body:
            self.x.abort_call()
            self.x.broken(Lost.GARBLED)

    def end(self) -> None:
        x = self.x
        assert x.translation is not None
        assert x.facts is not None
        try:
            body = b"".join(self._parts)
            if x.content_encoding:
                body = decode_body(x.content_encoding, body, x.relay.settings.max_decoded_body)
            reading = read_body(x.spoken, Operation.GENERATE, x.status, body)
            if reading.error is not None:
                self._failed(reading.error)
                return
            stream = x.facts.stream
            told = x.translation.streamed_reply(body) if stream else x.translation.reply(body)
        except BadBody:
            x.broken(Lost.GARBLED)
            return
        headers = answer_headers(x, stream=stream)
        x.first_byte()
        x.bytes_out += len(told)  # the row comes before them; after it nobody counts
        x.settle(Outcome.COMPLETE, EndedBy.PROVIDER, reading.usage, reading.finish_reason, "")
        x.send_head(200, headers, None if stream else len(told))
        x.forward(told)
        x.finish()

    def _failed(self, error: StreamError) -> None:
        """An error inside a 200."""
        x = self.x
        answer = errors.told_anew(x, error)
        x.settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, None, "", error.type)
        if trying.may_try_again(x, error, error.http_status):
            x.next_attempt(None)
        else:
            trying.failed(x, answer)
