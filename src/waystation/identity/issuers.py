"""Other parties that sign tokens: where their endpoints and keys are, and whether a token is theirs."""

from threading import Lock
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from waystation.egress import Reach, Unreachable, fetch_json
from waystation.identity import lifetimes
from waystation.store import Clock

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures by a key pair only: never `none`, and never a shared secret, which a public key could be passed as."""
MAX_TOKEN = 16_384
_FRESH = 10 * lifetimes.MINUTE
_RETRY = 30
"""Seconds between two looks for a key that was not there: junk must not make us ask all the time."""
_MOST_ISSUERS = 256


class BadAssertion(Exception):
    """Not a token that this issuer signed, or not one that may be used. Says why, and quotes nothing."""


class Metadata(msgspec.Struct, frozen=True):
    """What an issuer's discovery document says, as far as we use it."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Known(msgspec.Struct):
    metadata: Metadata
    keys: KeySet
    read_at: float
    looked_at: float


class Issuers:
    """Discovery documents and key sets, remembered for ten minutes. Thread-safe; blocks for the network."""

    def __init__(self, *, now: Clock) -> None:
        self._now = now
        self._known: dict[tuple[str, Reach], _Known] = {}
        self._lock = Lock()

    def metadata(self, issuer: str, reach: Reach) -> Metadata:
        """Raises Unreachable."""
        return self._look(issuer, reach).metadata

    def read(self, token: str, issuer: str, reach: Reach) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of a token that this issuer signed. Looks at no claim.

        Raises BadAssertion, or Unreachable if its keys cannot be had.
        """
        if len(token) > MAX_TOKEN or token.count(".") != 2:
            raise BadAssertion("It is no signed JWT.")
        known = self._look(issuer, reach)
        try:
            return _decode(token, known.keys)
        except ValueError as error:
            if self._now() - known.looked_at < _RETRY or not _names_unknown_key(token, known.keys):
                raise BadAssertion(str(error)) from None
        try:  # the issuer may have a new key
            return _decode(token, self._look(issuer, reach, again=True).keys)
        except ValueError as error:
            raise BadAssertion(str(error)) from None

    def _look(self, issuer: str, reach: Reach, *, again: bool = False) -> _Known:
        key, now = (issuer, reach), self._now()
        with self._lock:
            known = self._known.get(key)
        if known is not None and not again and now - known.read_at < _FRESH:
            return known
        try:
            fresh = self._fetch(issuer, reach, now)
        except Unreachable:
            # An hour of an identity provider's maintenance is no reason to forget its keys.
            if known is not None and now - known.read_at < lifetimes.HOUR:
                known.looked_at = now
                return known
            raise
        with self._lock:
            while len(self._known) >= _MOST_ISSUERS:
                self._known.pop(next(iter(self._known)))
            self._known[key] = fresh
        return fresh

    def _fetch(self, issuer: str, reach: Reach, now: float) -> _Known:
        found = fetch_json(issuer.rstrip("/") + "/.well-known/openid-configuration", reach)
        try:
            metadata = msgspec.convert(found, Metadata)
        except msgspec.ValidationError as error:
            raise Unreachable(f"{issuer}: its discovery document is incomplete ({error}).") from None
        if metadata.issuer != issuer:
            raise Unreachable(f"{issuer}: its discovery document says that it is somebody else.")
        return _Known(metadata, _keys(fetch_json(metadata.jwks_uri, reach)), now, now)


def peek(token: str) -> dict[str, Any]:
    """The claims of a JWT that nobody has checked: only to find out whose keys to check it with."""
    try:
        part = token.split(".")[1]
        from base64 import urlsafe_b64decode

        claims = msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):  # msgspec's errors are ValueErrors too
        raise BadAssertion("It is no signed JWT.") from None
    if not isinstance(claims, dict):
        raise BadAssertion("It is no signed JWT.")
    return claims


def _keys(document: Any) -> KeySet:
    """The keys that can be used; a key of a kind that we do not know does not spoil the others."""
    keys = []
    listed = document.get("keys") if isinstance(document, dict) else None
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if entry.get("use", "sig") != "sig":
            continue
        try:
            keys.append(JWKRegistry.import_key(entry))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return KeySet(keys)


def _decode(token: str, keys: KeySet) -> tuple[dict[str, Any], dict[str, Any]]:
    """Raises ValueError."""
    if not keys.keys:
        raise ValueError("Its issuer publishes no key that can be used.")
    try:
        decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError, KeyError):
        raise ValueError("It was not signed by its issuer.") from None
    return dict(decoded.header), dict(decoded.claims)


def _names_unknown_key(token: str, keys: KeySet) -> bool:
    try:
        from base64 import urlsafe_b64decode

        part = token.split(".")[0]
        header = msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return False
    kid = header.get("kid") if isinstance(header, dict) else None
    return isinstance(kid, str) and kid not in {key.kid for key in keys.keys}
