"""Signing in a device that has no browser: RFC 8628."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

import msgspec

from waystation.identity import lifetimes
from waystation.identity.actor import Caller
from waystation.identity.attempts import AttemptLimiter
from waystation.identity.clients import CLIENTS, check_scope, find_client
from waystation.identity.errors import NotFound, OAuthError, invalid_grant, invalid_request
from waystation.identity.secret import digest, new_secret
from waystation.identity.signins import SignIns, TokenSet
from waystation.model import Principal
from waystation.store import Clock, Code, CodeState, Purpose, Store

_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, so no words; nothing that looks like a digit."""
_LENGTH = 8


class TooManyAttempts(Exception):
    """Too many codes were tried; `retry_after` seconds until the next may be."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts: try again in {retry_after} seconds.")
        self.retry_after = retry_after


class DeviceAuthorization(msgspec.Struct, frozen=True):
    """The answer to a device that asks to be signed in. Its repr shows nothing."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int = lifetimes.DEVICE_CODE
    interval: int = lifetimes.DEVICE_POLL

    def __repr__(self) -> str:
        return "DeviceAuthorization(hidden)"

    def body(self) -> dict[str, str | int]:
        return msgspec.structs.asdict(self) | {
            "verification_uri_complete": f"{self.verification_uri}?user_code={self.user_code}"
        }


class DeviceRequest(msgspec.Struct, frozen=True):
    """A device that waits for a decision, as the page shows it."""

    user_code: str
    client_name: str
    device: str
    address: str
    created_at: int
    expires_at: int


class DeviceFlow:
    def __init__(self, store: Store, signins: SignIns, *, base_url: str, now: Clock) -> None:
        self._store = store
        self._signins = signins
        self._verification_uri = f"{base_url}/device"
        self._now = now
        self._user_code_key = store.master.derive("device-user-code")
        self._starts = AttemptLimiter(limit=30, window=lifetimes.DEVICE_CODE, now=now)
        self._guesses = AttemptLimiter(limit=10, window=lifetimes.DEVICE_CODE, now=now)

    def start(self, form: Mapping[str, str], caller: Caller) -> DeviceAuthorization:
        client = find_client(form.get("client_id", ""))
        scope = check_scope(form.get("scope", ""))
        if wait := self._starts.wait(caller.address):
            raise OAuthError(
                "temporarily_unavailable",
                "Too many sign-ins were begun from here.",
                status=429,
                retry_after=wait,
            )
        now = int(self._now())
        device_code = new_secret("wsd_")
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        self._store.codes.put(
            Code(
                digest=digest(device_code),
                purpose=Purpose.DEVICE,
                state=CodeState.PENDING,
                created_at=now,
                expires_at=now + lifetimes.DEVICE_CODE,
                short_digest=self._short_digest(letters),
                interval_seconds=lifetimes.DEVICE_POLL,
                detail={
                    "client_id": client.id,
                    "scope": scope,
                    "device": caller.device,
                    "address": caller.address,
                },
            )
        )
        return DeviceAuthorization(device_code, _grouped(letters), self._verification_uri)

    def look_up(self, user_code: str, by: Principal) -> DeviceRequest:
        """What a typed code stands for. Raises NotFound, or TooManyAttempts after ten wrong ones."""
        if wait := self._guesses.wait(by.id):
            raise TooManyAttempts(wait)
        letters = _letters(user_code)
        record = self._pending(letters)
        self._guesses.forgive(by.id)
        return DeviceRequest(
            user_code=_grouped(letters),
            client_name=CLIENTS[record.detail["client_id"]].name,
            device=record.detail["device"],
            address=record.detail["address"],
            created_at=record.created_at,
            expires_at=record.expires_at,
        )

    def decide(self, user_code: str, by: Principal, *, approve: bool) -> DeviceRequest:
        """Approves or denies, once. Raises as `look_up` does."""
        request = self.look_up(user_code, by)
        record = self._pending(_letters(user_code))
        state = CodeState.APPROVED if approve else CodeState.DENIED
        with self._store.transaction() as tx:
            if not tx.codes.decide(record.digest, state, user_id=by.id, at=int(self._now())):
                raise NotFound("This code was answered already, or is too old.")
            tx.audit.append(
                f"device.{state.value}",
                actor=by.id,
                actor_name=by.name,
                subject=record.detail["client_id"],
                address=record.detail["address"],
                detail={"device": record.detail["device"]},
            )
        return request

    def redeem(self, form: Mapping[str, str], caller: Caller) -> TokenSet:
        """The device asks whether it is signed in by now (RFC 8628 §3.4)."""
        client = find_client(form.get("client_id", ""))
        device_code = form.get("device_code", "")
        if not device_code:
            raise invalid_request("device_code is missing.")
        with self._store.transaction() as tx:
            record = tx.codes.lock(digest(device_code), Purpose.DEVICE)
            if record is None or record.detail["client_id"] != client.id or record.used_at is not None:
                raise invalid_grant("This device code is not known, or was used already.")
            outcome = self._answer(tx, record, client.id, caller)
        if isinstance(outcome, OAuthError):
            raise outcome
        return outcome

    def _answer(self, tx: Store, record: Code, client_id: str, caller: Caller) -> TokenSet | OAuthError:
        now = int(self._now())
        if record.expires_at <= now:
            return OAuthError("expired_token", "The code was not approved in time: start again.")
        if record.state is CodeState.DENIED:
            return OAuthError("access_denied", "The person at the browser said no.")
        if record.state is CodeState.PENDING:
            hasty = record.polled_at is not None and now - record.polled_at < record.interval_seconds
            interval = record.interval_seconds + (lifetimes.DEVICE_SLOW_DOWN if hasty else 0)
            tx.codes.polled(record.digest, at=now, interval_seconds=interval)
            if hasty:
                return OAuthError("slow_down", f"Ask every {interval} seconds.")
            return OAuthError("authorization_pending", "Nobody has approved this device yet.")
        user = tx.users.get(record.user_id or "")
        if user is None or not user.active:
            return OAuthError("access_denied", "This account is switched off.")
        tx.codes.consume(record.digest, at=now)
        caller = Caller(record.detail["device"], caller.address)
        opened = self._signins.open(
            tx, user, client=client_id, caller=caller, how="device", scope=record.detail["scope"]
        )
        tx.codes.link(record.digest, opened.session.id)
        return opened.tokens

    def _pending(self, letters: str) -> Code:
        record = self._store.codes.find_short(self._short_digest(letters)) if letters else None
        if (
            record is None
            or record.state is not CodeState.PENDING
            or record.used_at is not None
            or record.expires_at <= self._now()
        ):
            raise NotFound("No device is waiting with this code. Codes are good for ten minutes.")
        return record

    def _short_digest(self, letters: str) -> bytes:
        """Keyed: 34 bits could be found from a plain digest."""
        return hmac.digest(self._user_code_key, letters.encode(), hashlib.sha256)


def _letters(user_code: str) -> str:
    """The letters of a typed code, whatever its case and punctuation; empty if it cannot be one."""
    letters = "".join(character for character in user_code.upper() if character.isalnum())
    return letters if len(letters) == _LENGTH and set(letters) <= set(_ALPHABET) else ""


def _grouped(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:]}"
