"""One attempt in another protocol than the tool's."""

from waystation.model import Wire
from waystation.wire.canonical import Conversation
from waystation.wire.codecs import AnswerHead, Target
from waystation.wire.tap import StreamTap


def translatable(source: Wire, targets: tuple[Wire, ...]) -> Wire | None:
    """The wire to translate to: the one of a provider's that says most of what `source` can say; None if
    there is none. A provider that speaks `source` itself is never translated to."""
    raise NotImplementedError


class Translation:
    """See the package. Reading the request costs one parse, which attempts at further routes share."""

    def __init__(self, source: Wire, conversation: Conversation, target: Target, head: AnswerHead) -> None:
        raise NotImplementedError

    @staticmethod
    def read(source: Wire, body: bytes, *, model: str, stream: bool) -> Conversation:
        """The tool's request; raises BadBody naming the field."""
        raise NotImplementedError

    body: bytes
    """What the provider is sent."""
    dropped: tuple[str, ...]
    """For `x-waystation-dropped`."""
    changed: tuple[str, ...]
    """For `x-waystation-changed`."""

    def tap(self) -> StreamTap:
        """For one streamed answer: takes the provider's bytes, gives the tool's; usage, error, terminal and
        the rest as the provider's own tap has them."""
        raise NotImplementedError

    def reply(self, body: bytes) -> bytes:
        """A whole answer (status 200) in the tool's protocol. Raises BadBody if it is not one."""
        raise NotImplementedError
