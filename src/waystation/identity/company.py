"""Signing in at the company's identity provider: OpenID Connect, authorization code with PKCE, by Authlib's client.

Everybody whom the provider vouches for is let in as a member, made here the first time. Whom it knows as which
groups and cost centre is taken over at each sign-in.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from waystation.egress import Reach, Refused, Unreachable
from waystation.identity import lifetimes
from waystation.identity.actor import Caller
from waystation.identity.issuers import BadAssertion, Issuers, Metadata
from waystation.identity.people import Aftermath, People
from waystation.identity.secret import digest, new_secret
from waystation.identity.signins import BrowserSignIn, SignIns
from waystation.policy import SignInSpec
from waystation.store import Clock, Code, CodeState, NameTaken, Purpose, Store, User

_MOST_GROUPS = 1000
_LONGEST_PATH = 4000


class SignInFailed(Exception):
    """The message says to the person at the browser what to do."""


class Begun(msgspec.Struct, frozen=True):
    """Where to send the browser, and the value for its cookie. Its repr shows nothing."""

    location: str
    state: str

    def __repr__(self) -> str:
        return "Begun(hidden)"


class Finished(msgspec.Struct, frozen=True):
    opened: BrowserSignIn
    next_path: str


class CompanySignIn:
    """`spec` tells the policy's `sign_in` as it is now; `secret` what a reference stands for. Methods block."""

    def __init__(
        self,
        store: Store,
        signins: SignIns,
        people: People,
        issuers: Issuers,
        *,
        spec: Callable[[], SignInSpec | None],
        secret: Callable[[str], str],
        base_url: str,
        now: Clock,
    ) -> None:
        self._store = store
        self._signins = signins
        self._people = people
        self._issuers = issuers
        self._spec = spec
        self._secret = secret
        self._redirect_uri = f"{base_url}/oauth/callback"
        self._key = store.master.derive("company-sign-in")
        self._now = now

    @property
    def label(self) -> str:
        """What the button says; empty where there is no identity provider."""
        spec = self._spec()
        return "" if spec is None else spec.label

    def begin(self, next_path: str) -> Begun:
        """Raises SignInFailed. `next_path` is where to go afterwards, on this gateway."""
        spec = self._required()
        metadata = self._metadata(spec)
        state = new_secret()
        now = int(self._now())
        self._store.codes.put(
            Code(
                digest=digest(state),
                purpose=Purpose.COMPANY,
                state=CodeState.PENDING,
                created_at=now,
                expires_at=now + lifetimes.COMPANY_SIGN_IN,
                detail={"next": own_path(next_path), "issuer": spec.issuer},
            )
        )
        with self._client(spec, metadata) as client:
            location, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=state,
                nonce=self._bound("nonce", state),
                code_verifier=self._bound("verifier", state),
            )
        return Begun(location, state)

    def finish(self, reply: Mapping[str, str], cookie: str, caller: Caller) -> Finished:
        """Raises SignInFailed. `reply` is what the provider sent the browser back with, `cookie` what `begin` gave."""
        spec = self._required()
        try:
            next_path = self._check_state(reply, cookie, spec)
            metadata = self._metadata(spec)
            claims = self._claims(spec, metadata, reply, cookie)
            opened = self._let_in(spec, claims, caller)
        except SignInFailed as failed:
            self._store.audit.append(
                "signin.refused",
                actor="gateway",
                actor_name="gateway",
                address=caller.address,
                detail={"issuer": spec.issuer, "reason": str(failed)[:300]},
            )
            raise
        return Finished(opened, next_path)

    def _check_state(self, reply: Mapping[str, str], cookie: str, spec: SignInSpec) -> str:
        state = reply.get("state", "")
        if not cookie or not hmac.compare_digest(state.encode(), cookie.encode()):
            raise SignInFailed("This sign-in was begun in another browser, or is too old: begin again.")
        record = self._store.codes.get(digest(state), Purpose.COMPANY)
        if record is None or record.detail["issuer"] != spec.issuer:
            raise SignInFailed("This sign-in is not known here: begin again.")
        if not self._store.codes.consume(record.digest, at=int(self._now())):
            raise SignInFailed("This sign-in was finished already, or is too old: begin again.")
        if reply.get("iss", spec.issuer) != spec.issuer:  # RFC 9207
            raise SignInFailed("Another identity provider answered than was asked.")
        if error := reply.get("error"):
            words = reply.get("error_description", "")[:200]
            raise SignInFailed(f"Your identity provider says: {error[:60]}{': ' if words else ''}{words}")
        if not reply.get("code"):
            raise SignInFailed("Your identity provider sent no code.")
        return record.detail["next"]

    def _claims(
        self, spec: SignInSpec, metadata: Metadata, reply: Mapping[str, str], state: str
    ) -> dict[str, Any]:
        import httpx2
        from authlib.common.errors import AuthlibBaseError
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        try:
            with self._client(spec, metadata) as client:
                answer = client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=reply["code"],
                    code_verifier=self._bound("verifier", state),
                )
                id_token, access_token = answer.get("id_token"), answer.get("access_token")
                if not isinstance(id_token, str):
                    raise SignInFailed("Your identity provider sent no ID token.")
                header, claims = self._issuers.read(id_token, spec.issuer, _reach(spec))
                CodeIDToken(
                    claims,
                    header,
                    {
                        "iss": {"essential": True, "value": spec.issuer},
                        "aud": {"essential": True, "value": spec.client_id},
                    },
                    {
                        "nonce": self._bound("nonce", state),
                        "client_id": spec.client_id,
                        "access_token": access_token,
                    },
                ).validate(now=int(self._now()), leeway=lifetimes.CLOCK_SKEW)
                if metadata.userinfo_endpoint and access_token and self._wants_more(spec, claims):
                    claims = _joined(claims, client.get(metadata.userinfo_endpoint))
        except (AuthlibBaseError, JoseError, BadAssertion) as error:
            raise SignInFailed(f"Your identity provider's answer was not accepted: {_short(error)}") from None
        except (Unreachable, Refused) as error:
            raise SignInFailed(str(error)) from None
        except (httpx2.HTTPError, ValueError, TypeError, KeyError) as error:
            raise SignInFailed(
                f"Your identity provider did not answer as it should ({type(error).__name__})."
            ) from None
        return claims

    def _wants_more(self, spec: SignInSpec, claims: Mapping[str, Any]) -> bool:
        wanted = (spec.claims.mail, spec.claims.groups, spec.claims.cost_center)
        return any(name and name not in claims for name in wanted)

    def _let_in(self, spec: SignInSpec, claims: Mapping[str, Any], caller: Caller) -> BrowserSignIn:
        subject = f"{spec.issuer} {claims['sub']}"
        mail = claims.get(spec.claims.mail)
        after = Aftermath()
        try:
            with self._store.transaction() as tx:
                user = self._known(tx, subject, mail, claims) or self._new(tx, subject, mail)
                if not user.active:
                    raise SignInFailed(
                        "Your Waystation account is switched off: ask whoever runs the gateway."
                    )
                user = self._people.save(tx, _taken_over(user, spec, claims, subject), user, after)
                opened = self._signins.open_browser(tx, user, caller=caller, how=f"oidc {spec.issuer}"[:200])
        except NameTaken:
            raise SignInFailed(
                "Two people would have the same name here: ask whoever runs the gateway."
            ) from None
        self._people.settle(after)
        return opened

    def _known(self, tx: Store, subject: str, mail: Any, claims: Mapping[str, Any]) -> User | None:
        if (user := tx.users.by_subject(subject)) is not None:
            return user
        user = tx.users.find(mail) if isinstance(mail, str) and mail else None
        if user is None:
            return None
        verified = claims.get("email_verified")
        powerful = bool(set(user.roles) - {"member"})
        # A mail address that anybody can give themselves must not make them somebody else, least of all an admin.
        if user.subject is not None or verified is False or (powerful and verified is not True):
            raise SignInFailed(
                f"There is a {user.name} here already whom your identity provider does not vouch for: ask whoever "
                "runs the gateway."
            )
        return user

    def _new(self, tx: Store, subject: str, mail: Any) -> User:
        if not isinstance(mail, str) or not 3 <= len(mail) <= 254 or any(c.isspace() for c in mail):
            raise SignInFailed(
                "Your identity provider did not tell your mail address: see `sign_in.claims.mail`."
            )
        user = tx.users.add(mail, at=int(self._now()), source="oidc", subject=subject)
        tx.audit.append(
            "user.added", actor="gateway", actor_name="gateway", subject=user.id, detail={"by": "oidc"}
        )
        return user

    def _required(self) -> SignInSpec:
        spec = self._spec()
        if spec is None:
            raise SignInFailed("This gateway has no company sign-in: its policy has no `sign_in`.")
        return spec

    def _metadata(self, spec: SignInSpec) -> Metadata:
        try:
            metadata = self._issuers.metadata(spec.issuer, _reach(spec))
        except Unreachable as error:
            raise SignInFailed(f"{error} Try again; if it stays so, tell whoever runs the gateway.") from None
        if not metadata.authorization_endpoint or not metadata.token_endpoint:
            raise SignInFailed(f"{spec.issuer} offers no sign-in: its discovery document is incomplete.")
        return metadata

    def _client(self, spec: SignInSpec, metadata: Metadata) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client

        from waystation.egress.http import GuardedTransport

        try:
            secret = self._secret(spec.client_secret) if spec.client_secret else None
        except Exception as error:
            raise SignInFailed(f"The gateway cannot sign people in: {error}") from None
        offered = metadata.token_endpoint_auth_methods_supported
        method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        return OAuth2Client(
            client_id=spec.client_id,
            client_secret=secret,
            token_endpoint_auth_method=method if secret else "none",
            scope=" ".join(spec.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            transport=GuardedTransport(_reach(spec)),
            timeout=10.0,
            follow_redirects=False,
            trust_env=False,
        )

    def _bound(self, purpose: str, state: str) -> str:
        """A value that belongs to this sign-in: computed from its state, so that it need not be kept."""
        raw = hmac.digest(self._key, f"{purpose} {state}".encode(), hashlib.sha256)
        return urlsafe_b64encode(raw).rstrip(b"=").decode()


def own_path(path: str) -> str:
    """The path if it is one of this gateway's own, else `/`: nobody is sent anywhere else after signing in."""
    plain = len(path) <= _LONGEST_PATH and path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


def _reach(spec: SignInSpec) -> Reach:
    return Reach(spec.network)


def _joined(claims: dict[str, Any], answer: Any) -> dict[str, Any]:
    """With what the userinfo endpoint adds; what was signed stays as it is."""
    if answer.status_code != 200:
        return claims
    more = answer.json()
    if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
        return claims
    return more | claims


def _taken_over(user: User, spec: SignInSpec, claims: Mapping[str, Any], subject: str) -> User:
    changes: dict[str, Any] = {"subject": subject}
    names = spec.claims
    elsewhere = claims.get("_claim_names")  # Entra's way of saying: too many groups to list
    if names.groups and not (isinstance(elsewhere, dict) and names.groups in elsewhere):
        changes["own_groups"] = _groups(claims.get(names.groups))
    center = claims.get(names.cost_center) if names.cost_center else None
    if isinstance(center, str | int) and not isinstance(center, bool):
        changes["cost_center"] = str(center)[:200]
    return msgspec.structs.replace(user, **changes)


def _groups(claim: Any) -> tuple[str, ...]:
    listed = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    names = {name for name in listed if isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable()}
    return tuple(sorted(names))[:_MOST_GROUPS]


def _short(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]
