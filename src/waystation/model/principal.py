"""Who asks."""

from enum import StrEnum

import msgspec


class PrincipalKind(StrEnum):
    USER = "user"
    SERVICE = "service"


class Principal(msgspec.Struct, frozen=True):
    """A user or a service account, as proven by one access token."""

    id: str
    """Stable and opaque; never reused."""
    name: str
    """What people call it: a mail address for a user, a name for a service account."""
    kind: PrincipalKind = PrincipalKind.USER
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset({"member"})
    cost_center: str = ""
    session: str = ""
    """The sign-in (refresh-token family) that the token descends from; revoking it refuses the token."""
    device: str = ""
    expires_at: int = 0
    """Unix seconds; the token is refused from then on."""
