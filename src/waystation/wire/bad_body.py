"""The one error that a request body can cause."""

from waystation.model import RefusalKind


class BadBody(ValueError):
    """A request body that cannot go further. `message` is one sentence for the developer and quotes no
    content.

    `kind` is one of BAD_REQUEST, TOO_LARGE and UNSUPPORTED_ENCODING; `param` names the offending field in the
    caller's own protocol, where there is one.
    """

    def __init__(
        self, message: str, *, param: str | None = None, kind: RefusalKind = RefusalKind.BAD_REQUEST
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.kind = kind
