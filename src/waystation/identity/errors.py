"""Errors in the shape of RFC 6749 §5.2."""


class OAuthError(Exception):
    """A request that a token or device endpoint refuses. `description` is for people and holds no secret."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, retry_after: int | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.retry_after = retry_after

    def body(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}


def invalid_request(description: str) -> OAuthError:
    return OAuthError("invalid_request", description)


def invalid_grant(description: str) -> OAuthError:
    return OAuthError("invalid_grant", description)


class NotAllowed(PermissionError):
    """The actor may not do this. The message says so in a sentence."""


class NotFound(LookupError):
    """There is no such thing, or none that the actor may know of."""
