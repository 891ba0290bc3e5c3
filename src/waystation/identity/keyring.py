"""The keys that sign access tokens: several may verify, one signs."""

import base64
import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import KeySet, OKPKey

from waystation.identity import lifetimes
from waystation.store import Clock, SigningKey, Store

ALGORITHM = "Ed25519"
"""RFC 9864's name for EdDSA over Curve25519; the only `alg` that is ever accepted."""


class KeyRing:
    """The store's signing keys in memory. `reload` reads the store; nothing else does I/O."""

    def __init__(self, store: Store, now: Clock) -> None:
        self._store = store
        self._now = now
        self._keys: list[tuple[SigningKey, OKPKey]] = []
        self.verifying = KeySet([])
        if not store.keys.usable(now=int(now())):
            store.keys.add_first(_generate(int(now()), signs_from=int(now())))
        self.reload()

    def reload(self) -> None:
        keys = self._store.keys.usable(now=int(self._now()))
        self._keys = [(key, _private(key)) for key in keys]
        self.verifying = KeySet([_public(key) for key in keys])

    def signing(self) -> OKPKey:
        """The newest key whose turn has come."""
        now = self._now()
        ready = [jwk for key, jwk in self._keys if key.signs_from <= now]
        return ready[-1] if ready else self._keys[0][1]

    def rotate(self) -> str:
        """Publishes a new key that signs from `SIGNING_KEY_LEAD` on; returns its id.

        The keys before it go on verifying until the last token they signed has expired.
        """
        now = int(self._now())
        key = _generate(now, signs_from=now + lifetimes.SIGNING_KEY_LEAD)
        grace = lifetimes.LONGEST_ACCESS_TOKEN + lifetimes.CLOCK_SKEW
        self._store.keys.add(key, retire_others_at=key.signs_from + grace)
        self.reload()
        return key.kid

    def due(self) -> bool:
        """Whether the newest key is old enough to be followed by another."""
        return self._keys[-1][0].created_at + lifetimes.SIGNING_KEY <= self._now()

    def jwks(self) -> dict[str, object]:
        """The public halves, as RFC 7517 wants them."""
        return {"keys": [key.as_dict(private=False) for key in self.verifying.keys]}


def _generate(now: int, *, signs_from: int) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    return SigningKey(
        kid=secrets.token_hex(8),
        algorithm=ALGORITHM,
        public_key=private.public_key().public_bytes_raw(),
        private_key=private.private_bytes_raw(),
        created_at=now,
        signs_from=signs_from,
    )


def _public(key: SigningKey) -> OKPKey:
    return OKPKey.import_key(_parameters(key))


def _private(key: SigningKey) -> OKPKey:
    return OKPKey.import_key({**_parameters(key), "d": _b64(key.private_key)})


def _parameters(key: SigningKey) -> dict[str, str | list[str]]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _b64(key.public_key),
        "kid": key.kid,
        "use": "sig",
        "alg": key.algorithm,
    }


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
