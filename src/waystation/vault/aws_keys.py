"""A pair of AWS keys."""

from typing import NoReturn


class AwsKeys:
    """What a request to AWS is signed with. Shows its secret parts only to whom asks for them by name."""

    __slots__ = ("access_key", "secret_key", "token")

    def __init__(self, access_key: str, secret_key: str, token: str | None = None) -> None:
        self.access_key = access_key
        """Says whose the signature is; no secret."""
        self.secret_key = secret_key
        self.token = token
        """Of temporary keys: sent along."""

    def __repr__(self) -> str:
        return f"AwsKeys({self.access_key[:4]}…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")
