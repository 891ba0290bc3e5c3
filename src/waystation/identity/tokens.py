"""Access tokens: signed JWTs (RFC 9068) that say who asks, for whom they were made and until when."""

import secrets
from typing import Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError

from waystation.identity import lifetimes
from waystation.identity.keyring import ALGORITHM, KeyRing
from waystation.model import Principal, PrincipalKind
from waystation.store import Session, User

AUDIENCE: Final = "waystation"
TYPE: Final = "at+jwt"
MAX_BYTES: Final = 8192


class Claims(msgspec.Struct, frozen=True):
    """What an access token says."""

    iss: str
    aud: str
    sub: str
    sid: str
    iat: int
    exp: int
    jti: str
    client_id: str
    name: str
    kind: PrincipalKind
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    cc: str
    dev: str

    def principal(self) -> Principal:
        return Principal(
            id=self.sub,
            name=self.name,
            kind=self.kind,
            groups=frozenset(self.groups),
            roles=frozenset(self.roles),
            cost_center=self.cc,
            session=self.sid,
            device=self.dev,
            expires_at=self.exp,
        )


class BadToken(ValueError):
    """Not a token that this gateway signed. Says nothing of its content."""


def mint(
    keys: KeyRing,
    *,
    issuer: str,
    user: User,
    session: Session,
    now: int,
    lifetime: int = lifetimes.ACCESS_TOKEN,
) -> str:
    """An access token for one session; lives `lifetime` seconds, never past the session's own end."""
    key = keys.signing()
    claims = Claims(
        iss=issuer,
        aud=AUDIENCE,
        sub=user.id,
        sid=session.id,
        iat=now,
        exp=min(now + min(lifetime, lifetimes.LONGEST_ACCESS_TOKEN), session.expires_at),
        jti=secrets.token_urlsafe(12),
        client_id=session.client,
        name=user.name,
        kind=user.kind,
        groups=user.groups,
        roles=user.roles,
        cc=user.cost_center,
        dev=session.device,
    )
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
    return jwt.encode(header, msgspec.to_builtins(claims), key, algorithms=[ALGORITHM])


def read(token: bytes, keys: KeyRing) -> Claims:
    """The claims of a token whose signature and shape are ours. Does not look at iss, aud or times.

    Raises BadToken for everything else: another `alg` (also `none`), an unknown or missing key id, another
    kind of JWT, a changed byte.
    """
    try:
        decoded = jwt.decode(token, keys.verifying, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        raise BadToken("not signed by this gateway") from None
    if decoded.header.get("typ") != TYPE or "kid" not in decoded.header:
        raise BadToken("not an access token")
    try:
        return msgspec.convert(decoded.claims, Claims)
    except msgspec.ValidationError:
        raise BadToken("claims missing") from None
