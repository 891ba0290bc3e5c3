"""Service accounts that need no secret: CI proves who it is by its own platform's token (RFC 8693).

A service account trusts an issuer, an audience and a pattern of subjects. A token that fits all three, is signed by
that issuer and was never used here is exchanged for a short access token. Issuers that nobody trusts are never asked.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from waystation.egress import Reach, Unreachable
from waystation.identity import lifetimes
from waystation.identity.actor import Actor, Caller
from waystation.identity.attempts import AttemptLimiter
from waystation.identity.errors import NotAllowed, NotFound, OAuthError, invalid_grant, invalid_request
from waystation.identity.issuers import MAX_TOKEN, BadAssertion, Issuers, peek
from waystation.identity.permissions import Permission
from waystation.identity.secret import digest
from waystation.identity.service import IdentityService
from waystation.identity.signins import ServiceToken, SignIns
from waystation.model import PrincipalKind
from waystation.store import Clock, Federation, Store, User

EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # the name of a type
_SUBJECT_TYPES = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")
_LONGEST_LIFE = lifetimes.DAY


class Exchanged(ServiceToken, frozen=True):
    """The answer to an exchange. Its repr shows nothing."""

    expires_in: int = 0

    def __repr__(self) -> str:
        return f"Exchanged(hidden, session_id={self.session_id!r})"

    def body(self) -> dict[str, str | int]:
        return {
            "access_token": self.access_token,
            "issued_token_type": ACCESS_TOKEN_TYPE,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
        }


class Machines:
    def __init__(
        self, store: Store, service: IdentityService, signins: SignIns, issuers: Issuers, *, now: Clock
    ) -> None:
        self._store = store
        self._service = service
        self._signins = signins
        self._issuers = issuers
        self._now = now
        self._failures = AttemptLimiter(limit=60, window=lifetimes.DEVICE_CODE, now=now)

    def accounts(self, *, by: Actor) -> list[tuple[User, list[Federation]]]:
        """Every service account, and whom it trusts."""
        self._service.require(by, Permission.PEOPLE_READ)
        accounts = [user for user in self._store.users.all() if user.kind is PrincipalKind.SERVICE]
        return [(account, self._store.federations.of(account.id)) for account in accounts]

    def trust(
        self, name: str, *, issuer: str, audience: str, subject: str, network: str = "public", by: Actor
    ) -> Federation:
        """Raises NotFound, NotAllowed, or ValueError for a rule that would let anybody in."""
        held = self._service.require(by, Permission.MACHINES_WRITE)
        _check_rule(issuer, audience, subject, network)
        with self._store.transaction() as tx:
            account = tx.users.find(name)
            if account is None or account.kind is not PrincipalKind.SERVICE:
                raise NotFound(f"There is no service account called {name}.")
            if not set(account.roles) <= held:
                raise NotAllowed("Nobody can act with a role that they do not hold.")
            made = tx.federations.add(
                account.id, issuer, audience, subject, network=network, at=int(self._now())
            )
            tx.audit.append(
                "federation.added",
                actor=by.id,
                actor_name=by.name,
                subject=account.id,
                detail={"issuer": issuer, "audience": audience, "subject": subject},
            )
        return made

    def untrust(self, federation_id: str, *, by: Actor) -> None:
        """No further token is exchanged by this rule. Raises NotFound."""
        self._service.require(by, Permission.MACHINES_WRITE)
        with self._store.transaction() as tx:
            if not tx.federations.remove(federation_id):
                raise NotFound("There is no such rule.")
            tx.audit.append("federation.removed", actor=by.id, actor_name=by.name, subject=federation_id)

    def exchange(self, form: Mapping[str, str], caller: Caller) -> Exchanged:
        """RFC 8693: a platform's token for an access token. Raises OAuthError."""
        token = form.get("subject_token", "")
        if not token or len(token) > MAX_TOKEN:
            raise invalid_request("subject_token is missing, or too long.")
        if form.get("subject_token_type") not in _SUBJECT_TYPES:
            raise invalid_request(f"subject_token_type must be {_SUBJECT_TYPES[0]}.")
        if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            raise invalid_request(f"requested_token_type must be {ACCESS_TOKEN_TYPE}.")
        if wait := self._failures.wait(caller.address):
            raise OAuthError("slow_down", "Too many tokens were refused.", status=429, retry_after=wait)
        issuer = ""
        try:
            issuer = str(peek(token).get("iss", ""))
            rule = self._prove(token, issuer, form.get("service_account", ""))
            exchanged = self._open(rule, issuer, caller)
        except (BadAssertion, Unreachable) as error:
            if self._store.federations.by_issuer(issuer):  # else anybody could fill the log
                self._store.audit.append(
                    "signin.refused",
                    actor="gateway",
                    actor_name="gateway",
                    address=caller.address,
                    detail={"issuer": issuer, "reason": str(error)[:300]},
                )
            raise invalid_grant(str(error)) from None
        self._failures.forgive(caller.address)
        return exchanged

    def _prove(self, token: str, issuer: str, wanted: str) -> Federation:
        rules = self._store.federations.by_issuer(issuer)
        if not rules:
            raise BadAssertion("No service account trusts the issuer of this token.")
        reach = Reach.PRIVATE if any(rule.network == "private" for rule in rules) else Reach.PUBLIC
        _, claims = self._issuers.read(token, issuer, reach)
        if claims.get("iss") != issuer:
            raise BadAssertion("This token is of another issuer.")
        expires_at = self._check_times(claims)
        rule = self._fitting(rules, claims, wanted)
        jti = claims.get("jti")
        proof = f"{issuer} {jti}" if isinstance(jti, str) and jti else token
        if not self._store.federations.first_use(digest(proof), expires_at=expires_at):
            raise BadAssertion("This token was exchanged already: each one counts once.")
        return rule

    def _check_times(self, claims: Mapping[str, Any]) -> int:
        now, skew = self._now(), lifetimes.CLOCK_SKEW
        times = {name: claims.get(name) for name in ("exp", "iat", "nbf")}
        for name, at in times.items():
            if (at is not None or name == "exp") and (
                isinstance(at, bool) or not isinstance(at, int | float)
            ):
                raise BadAssertion(f"This token's `{name}` is missing or no time.")
        expires_at, issued_at = float(claims["exp"]), float(claims.get("iat", now))
        if expires_at + skew <= now:
            raise BadAssertion("This token has expired.")
        if max(issued_at, float(claims.get("nbf", 0))) > now + skew:
            raise BadAssertion("This token is from the future.")
        if expires_at - issued_at > _LONGEST_LIFE:
            raise BadAssertion("This token lives longer than a day: such a one is no proof of who runs now.")
        return int(expires_at) + skew

    def _fitting(self, rules: list[Federation], claims: Mapping[str, Any], wanted: str) -> Federation:
        aud, subject = claims.get("aud"), claims.get("sub")
        audiences = aud if isinstance(aud, list) else [aud]
        if not isinstance(subject, str) or not subject:
            raise BadAssertion("This token names no subject.")
        right_audience = [rule for rule in rules if rule.audience in audiences]
        if not right_audience:
            raise BadAssertion("This token was made for another audience.")
        fitting = [rule for rule in right_audience if _fits(rule.subject, subject)]
        if wanted:
            account = self._store.users.find(wanted)
            fitting = [rule for rule in fitting if account is not None and rule.user_id == account.id]
        if not fitting:
            raise BadAssertion("No service account trusts the subject of this token.")
        if len({rule.user_id for rule in fitting}) > 1:
            raise BadAssertion("Several service accounts trust this token: say which by `service_account`.")
        return fitting[0]

    def _open(self, rule: Federation, issuer: str, caller: Caller) -> Exchanged:
        with self._store.transaction() as tx:
            account = tx.users.get(rule.user_id)
            if account is None or not account.active:
                raise BadAssertion("This service account is switched off.")
            lifetime = lifetimes.FEDERATED_TOKEN
            opened = self._signins.open_service(
                tx, account, lifetime=lifetime, by=f"{issuer} ({rule.id})", caller=caller
            )
        return Exchanged(opened.access_token, opened.expires_at, opened.session_id, lifetime)


def _fits(pattern: str, subject: str) -> bool:
    parts = re.split(r"(\*)", pattern)
    return (
        re.fullmatch("".join("[^:]*" if part == "*" else re.escape(part) for part in parts), subject)
        is not None
    )


def _check_rule(issuer: str, audience: str, subject: str, network: str) -> None:
    parts = urlsplit(issuer)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("The issuer must be an address such as https://token.actions.githubusercontent.com.")
    if parts.scheme == "http" and network != "private":
        raise ValueError("An issuer on the public internet must be asked by https.")
    if network not in ("public", "private"):
        raise ValueError("The network is public or private.")
    if not audience or len(audience) > 320 or len(issuer) > 512:
        raise ValueError("The audience is missing, or something is too long.")
    if not 1 <= len(subject) <= 512 or not re.search(r"[^*:/]{3}", subject):
        raise ValueError(
            "The subject must name somebody: a pattern that fits everybody would let everybody in."
        )


__all__ = ["EXCHANGE_GRANT", "Exchanged", "Machines"]
