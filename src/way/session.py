"""Who is signed in to which gateway, and a token that is good for the next minutes.

`session.json` names the gateway and the person and says where the secrets are: in the operating system's
key store, or, where there is none, in the same file (0600). The secrets are one item, so that a refresh
token and the access token that came with it are never from different days.

`fresh_token` is safe to call from any number of processes at once: one refreshes, the others wait for it and
take what it got. Refresh tokens are used up by being used, so that anything else would sign people out.
"""

from __future__ import annotations

import json
import os
import time

from way import paths
from way.errors import SignedOut, Unreachable, WayError

MINIMUM_LEFT = 300.0
"""Seconds that a token handed to a tool is still good for: tools keep it for some minutes."""
HANDED_OUT_MEMORY = 600.0
"""Seconds for which it is remembered which process was given which token."""


class Secrets:
    __slots__ = ("access_token", "expires_at", "lifetime", "refresh_token")

    def __init__(self, access_token: str, refresh_token: str, expires_at: float, lifetime: float) -> None:
        self.access_token = access_token
        self.refresh_token = refresh_token
        self.expires_at = expires_at
        self.lifetime = lifetime

    def good_for(self, now: float) -> float:
        """Seconds until the access token expires; never more than its lifetime, whatever the clock did."""
        return min(self.expires_at - now, self.lifetime)

    def fresh(self, now: float) -> bool:
        return self.good_for(now) > min(MINIMUM_LEFT, self.lifetime / 3)

    def encode(self) -> bytes:
        return json.dumps(
            {
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "expires_at": self.expires_at,
                "lifetime": self.lifetime,
            }
        ).encode("utf-8")

    @staticmethod
    def decode(raw: bytes | str) -> Secrets:
        fields = json.loads(raw)
        return Secrets(
            str(fields["access_token"]),
            str(fields["refresh_token"]),
            float(fields["expires_at"]),
            float(fields["lifetime"]),
        )


class Session:
    """What `session.json` says. `secrets()` goes to the key store where they are kept there."""

    __slots__ = ("_inline", "gateway", "insecure_http", "name", "storage")

    def __init__(self, gateway: str, name: str, storage: str, insecure_http: bool, inline: str = "") -> None:
        self.gateway = gateway
        self.name = name
        self.storage = storage
        """file, macos, secret-service or dpapi; "" after signing out."""
        self.insecure_http = insecure_http
        """The person allowed plain http to a gateway that is not on this machine."""
        self._inline = inline

    def secrets(self) -> Secrets | None:
        raw: bytes | str | None
        if self.storage == "file":
            raw = self._inline
        elif self.storage == "dpapi":
            from way import keychain

            raw = keychain.unseal(bytes.fromhex(self._inline))
        elif self.storage:
            from way import keychain

            raw = keychain.load(self.storage, self.gateway)
        else:
            raw = None
        if not raw:
            return None
        try:
            return Secrets.decode(raw)
        except (ValueError, KeyError, TypeError):
            return None


def path() -> str:
    return paths.in_home("session.json")


def load() -> Session | None:
    """The sign-in on this machine, whether or not it is still good; None where there never was one."""
    raw = paths.read(path())
    if raw is None:
        return None
    try:
        fields = json.loads(raw)
        return Session(
            str(fields["gateway"]),
            str(fields.get("name", "")),
            str(fields.get("storage", "")),
            bool(fields.get("insecure_http", False)),
            str(fields.get("secrets", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WayError(f"{path()} is damaged; delete it and run `way login`.") from None


def save(gateway: str, name: str, secrets: Secrets | None, *, insecure_http: bool, storage: str) -> Session:
    """Writes the session whole. `storage` is what `keychain.available()` said; "" means the 0600 file.

    Where the key store refuses, the file is used and the session says so.
    """
    from way import keychain

    inline = ""
    if secrets is None:
        storage = ""
    elif storage == "dpapi":
        inline = keychain.seal(secrets.encode()).hex()
    elif not storage or not keychain.store(storage, gateway, secrets.encode()):
        storage, inline = "file", secrets.encode().decode("utf-8")
    fields = {
        "version": 1,
        "gateway": gateway,
        "name": name,
        "storage": storage,
        "insecure_http": insecure_http,
        "secrets": inline,
    }
    paths.write_atomically(path(), json.dumps(fields).encode("utf-8"))
    return Session(gateway, name, storage, insecure_http, inline)


def require() -> Session:
    found = load()
    if found is None or not found.storage:
        raise _signed_out(found)
    return found


def fresh_token(*, refused: str = "") -> str:
    """An access token that is good for some minutes more.

    `refused` is one that the gateway turned down although it had not expired: that one is not returned.
    Raises SignedOut where only a new sign-in helps, Unreachable where the gateway does not answer.
    """
    found = require()
    secrets = found.secrets()
    if secrets is not None and secrets.fresh(time.time()) and secrets.access_token != refused:
        return secrets.access_token
    return _refresh(refused)


def _refresh(refused: str) -> str:
    from way import oauth
    from way.lock import FileLock

    with FileLock(paths.in_home("session.lock")):
        found = require()  # another process may have refreshed, or signed out, while we waited
        secrets = found.secrets()
        if secrets is None:
            raise _signed_out(found)
        if secrets.fresh(time.time()) and secrets.access_token != refused:
            return secrets.access_token
        try:
            renewed = oauth.refresh(found.gateway, secrets.refresh_token)
        except oauth.Refused as refusal:
            if refusal.error != "invalid_grant":
                raise
            save(found.gateway, found.name, None, insecure_http=found.insecure_http, storage="")
            raise SignedOut(f"Your sign-in to {found.gateway} has ended") from None
        except Unreachable:
            if secrets.good_for(time.time()) > 30 and secrets.access_token != refused:
                return secrets.access_token  # old but valid: better than stopping the tool
            raise
        save(
            found.gateway,
            found.name,
            renewed,
            insecure_http=found.insecure_http,
            storage="" if found.storage == "file" else found.storage,
        )
        _forget_old_handouts()
        return renewed.access_token


def token_for(caller: int) -> str:
    """A token for the tool with this process id, which re-runs its helper when the gateway said 401.

    A tool keeps a token for minutes. One that asks again at once, and would get the same token again, was
    refused with it (the gateway's key changed, or this machine's clock jumped): so the token is renewed.
    """
    token = fresh_token()
    record = paths.in_home("handed", str(caller))
    mark = _mark(token)
    if paths.read(record) == mark:
        age = time.time() - os.stat(record).st_mtime
        if 0 <= age < MINIMUM_LEFT / 2:
            token = fresh_token(refused=token)
            mark = _mark(token)
    paths.ensure_folder(os.path.dirname(record))
    with open(record, "wb") as file:
        file.write(mark)
    return token


def _mark(token: str) -> bytes:
    """Tells tokens apart without keeping them."""
    from binascii import crc32  # hashlib would cost `way token` a fifth of its time

    return b"%08x" % crc32(token.encode("utf-8"))


def _forget_old_handouts() -> None:
    folder = paths.in_home("handed")
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if time.time() - entry.stat().st_mtime > HANDED_OUT_MEMORY:
                os.unlink(entry.path)
        except OSError:
            continue  # another process was faster


def _signed_out(found: Session | None) -> SignedOut:
    if found is None:
        from way import installed

        known = installed.gateway() or os.environ.get("WAY_GATEWAY")
        return SignedOut("You are not signed in", "way login" if known else "way login https://your-gateway")
    if found.storage:
        return SignedOut("The system's key store does not give your sign-in back (is it locked?)")
    return SignedOut(f"You are not signed in to {found.gateway}")
