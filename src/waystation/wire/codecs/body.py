"""A tool's request body as the object that a codec reads."""

from collections.abc import Callable
from typing import Any

import msgspec

from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Conversation
from waystation.wire.request import NOT_AN_OBJECT, TOO_DEEP


def conversation_in(body: bytes, read: Callable[[dict[str, Any]], Conversation]) -> Conversation:
    """What `read` makes of the body's object. Raises BadBody for a body that is none, or nests too deeply."""
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise BadBody(TOO_DEEP) from None
    except ValueError:  # msgspec's errors are ValueErrors, and so is one of encoding
        raise BadBody("The request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise BadBody(NOT_AN_OBJECT)
    try:
        return read(value)
    except RecursionError:
        raise BadBody(TOO_DEEP) from None
