"""What a whole (not streamed) answer of a provider says."""

import msgspec

from waystation.model import Usage
from waystation.wire.stream_error import StreamError


class BodyReading(msgspec.Struct, frozen=True):
    """Read by the same readers as a stream's events, so that both cost the same."""

    usage: Usage | None = None
    """None where the provider said nothing about usage (or the operation has none)."""
    error: StreamError | None = None
    """Set for a status of 400 and up, and for an error inside a 200 answer."""
    finish_reason: str = ""
