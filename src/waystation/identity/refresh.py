"""Refresh tokens: rotated at each use; a stolen one gives itself away (RFC 9700 §4.14.2)."""

from collections.abc import Mapping

from waystation.identity import lifetimes
from waystation.identity.clients import find_client
from waystation.identity.errors import OAuthError, invalid_grant, invalid_request
from waystation.identity.secret import digest
from waystation.identity.signins import BROWSER, SignIns, TokenSet, why_over
from waystation.store import Clock, RefreshToken, Session, Store


class Refresh:
    def __init__(self, store: Store, signins: SignIns, *, now: Clock) -> None:
        self._store = store
        self._signins = signins
        self._now = now

    def redeem(self, form: Mapping[str, str]) -> TokenSet:
        """A refresh token for an access token and the refresh token's successor.

        A spent token gives the same successor again within the grace, as long as nobody has used that one.
        After it, its return means that two parties hold it: the whole family is ended.
        """
        client = find_client(form.get("client_id", ""))
        token = form.get("refresh_token", "")
        if not token:
            raise invalid_request("refresh_token is missing.")
        session = None
        with self._store.transaction() as tx:
            record = tx.sessions.lock_refresh(digest(token))
            if record is not None:
                session = tx.sessions.get(record.session_id)
            if record is None or session is None or session.client != client.id:
                raise invalid_grant("This refresh token is not known here: run `way login`.")
            outcome = self._rotate(tx, record, session, token)
        if isinstance(outcome, OAuthError):
            self._signins.ended(session.id)
            raise outcome
        return outcome

    def revoke(self, form: Mapping[str, str]) -> str | None:
        """RFC 7009 for a refresh token: ends its family. Returns the session's id if it was standing."""
        token = form.get("token", "")
        with self._store.transaction() as tx:
            record = tx.sessions.lock_refresh(digest(token))
            session = tx.sessions.get(record.session_id) if record else None
            if session is None or session.client == BROWSER:
                return None
            standing = self._signins.end(
                tx, session, because="signed out", actor=session.user_id, actor_name=session.user_name
            )
        self._signins.ended(session.id)
        return session.id if standing else None

    def _rotate(self, tx: Store, record: RefreshToken, session: Session, token: str) -> TokenSet | OAuthError:
        now = int(self._now())
        user = tx.users.get(session.user_id)
        over = why_over(session, user, now)
        if over is not None or user is None:
            raise invalid_grant(over or "This account is not known.")
        successor = self._signins.successor(token)
        if record.spent_at is None:
            tx.sessions.spend(record, digest(successor), at=now)
            return self._signins.tokens(user, session, successor)
        following = tx.sessions.refresh(digest(successor))
        repeated = now - record.spent_at <= lifetimes.REFRESH_GRACE
        if repeated and following is not None and following.spent_at is None:
            return self._signins.tokens(user, session, successor)
        self._signins.end(
            tx, session, because="a spent refresh token came back", actor="gateway", actor_name="gateway"
        )
        return invalid_grant(
            "This refresh token was used before, so this sign-in was ended for safety: run `way login`."
        )
