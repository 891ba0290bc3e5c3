"""The authorization endpoint: RFC 6749 §4.1 with PKCE (RFC 7636) and `iss` in the reply (RFC 9207)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from waystation.identity import lifetimes
from waystation.identity.actor import Caller, clean_device
from waystation.identity.clients import Client, check_scope, find_client
from waystation.identity.errors import OAuthError, invalid_grant, invalid_request
from waystation.identity.secret import digest, new_secret
from waystation.identity.signins import SignIns, TokenSet
from waystation.model import Principal
from waystation.store import Clock, Code, CodeState, Purpose, Store

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """A request that has passed every check and only lacks a person's consent."""

    client: Client
    redirect_uri: str
    state: str
    code_challenge: str
    scope: str
    device: str

    def fields(self) -> dict[str, str]:
        """The request again, for the consent form to carry; it is checked anew when it comes back."""
        return {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": self.code_challenge,
            "code_challenge_method": "S256",
            "scope": self.scope,
            "device_name": self.device,
        }


class RedirectedError(Exception):
    """The request is refused, and its redirect address is proven: the client learns of it there."""

    def __init__(self, location: str) -> None:
        super().__init__("the authorization request was refused")
        self.location = location


class Authorization:
    def __init__(self, store: Store, signins: SignIns, *, issuer: str, now: Clock) -> None:
        self._store = store
        self._signins = signins
        self._issuer = issuer
        self._now = now

    def check(self, parameters: Mapping[str, str]) -> AuthorizationRequest:
        """Raises OAuthError while the redirect address is unproven (show it, never redirect), and
        RedirectedError after that."""
        client = find_client(parameters.get("client_id", ""))
        redirect_uri = parameters.get("redirect_uri", "")
        if not client.accepts_redirect(redirect_uri):
            raise invalid_request(
                f"redirect_uri must be http://127.0.0.1:<port>{client.loopback_path} for this client."
            )
        state = parameters.get("state", "")
        try:
            return AuthorizationRequest(
                client=client,
                redirect_uri=redirect_uri,
                state=state,
                code_challenge=_check_pkce(parameters),
                scope=check_scope(parameters.get("scope", "")),
                device=clean_device(parameters.get("device_name", "")),
            )
        except OAuthError as error:
            raise RedirectedError(self._reply(redirect_uri, state, error.body())) from None

    def approve(self, request: AuthorizationRequest, by: Principal) -> str:
        """The address to send the browser to, with a code that works once and for two minutes."""
        now = int(self._now())
        code = new_secret("wsc_")
        self._store.codes.put(
            Code(
                digest=digest(code),
                purpose=Purpose.AUTHORIZATION,
                state=CodeState.APPROVED,
                created_at=now,
                expires_at=now + lifetimes.AUTHORIZATION_CODE,
                user_id=by.id,
                detail={
                    "client_id": request.client.id,
                    "redirect_uri": request.redirect_uri,
                    "code_challenge": request.code_challenge,
                    "scope": request.scope,
                    "device": request.device,
                },
            )
        )
        return self._reply(request.redirect_uri, request.state, {"code": code})

    def deny(self, request: AuthorizationRequest) -> str:
        error = OAuthError("access_denied", "The person at the browser said no.")
        return self._reply(request.redirect_uri, request.state, error.body())

    def redeem(self, form: Mapping[str, str], caller: Caller) -> TokenSet:
        """The code for tokens. A code that is presented a second time ends what the first time opened."""
        client = find_client(form.get("client_id", ""))
        code, verifier = form.get("code", ""), form.get("code_verifier", "")
        if not code or not verifier:
            raise invalid_request("code and code_verifier are both needed.")
        now = int(self._now())
        replayed = None
        with self._store.transaction() as tx:
            record = tx.codes.lock(digest(code), Purpose.AUTHORIZATION)
            if record is None:
                raise invalid_grant("This authorization code is not known.")
            if record.used_at is not None:
                replayed = record.session_id
                if replayed and (session := tx.sessions.get(replayed)):
                    self._signins.end(
                        tx,
                        session,
                        because="its authorization code was used twice",
                        actor="gateway",
                        actor_name="gateway",
                    )
            outcome = self._spend(tx, record, client, form, caller, now)
        if replayed:
            self._signins.ended(replayed)
        if isinstance(outcome, OAuthError):  # raised only now: a code that was tried is spent, right or wrong
            raise outcome
        return outcome

    def _spend(
        self, tx: Store, record: Code, client: Client, form: Mapping[str, str], caller: Caller, now: int
    ) -> TokenSet | OAuthError:
        if not tx.codes.consume(record.digest, at=now):
            return invalid_grant("This authorization code was used already or is too old: sign in again.")
        if not hmac.compare_digest(record.detail["client_id"], client.id):
            return invalid_grant("This authorization code was made for another client.")
        if not hmac.compare_digest(
            record.detail["redirect_uri"].encode(), form.get("redirect_uri", "").encode()
        ):
            return invalid_grant("redirect_uri is not the one that the code was asked for with.")
        if not _proves(form.get("code_verifier", ""), record.detail["code_challenge"]):
            return invalid_grant("code_verifier does not match the code_challenge.")
        user = tx.users.get(record.user_id or "")
        if user is None or not user.active:
            return invalid_grant("This account is switched off.")
        caller = Caller(record.detail["device"] or caller.device, caller.address)
        opened = self._signins.open(
            tx, user, client=client.id, caller=caller, how="code", scope=record.detail["scope"]
        )
        tx.codes.link(record.digest, opened.session.id)
        return opened.tokens

    def _reply(self, redirect_uri: str, state: str, parameters: dict[str, str]) -> str:
        reply = dict(parameters)
        if state:
            reply["state"] = state
        return f"{redirect_uri}?{urlencode(reply | {'iss': self._issuer})}"


def _check_pkce(parameters: Mapping[str, str]) -> str:
    if parameters.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Only response_type=code is offered.")
    if parameters.get("code_challenge_method") != "S256":
        raise invalid_request("PKCE is required: code_challenge_method=S256.")
    challenge = parameters.get("code_challenge", "")
    if not _CHALLENGE.fullmatch(challenge):
        raise invalid_request("code_challenge must be the base64url SHA-256 of the verifier.")
    return challenge


def _proves(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    computed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(computed, challenge.encode())
