"""One-time links that sign a person in: how the first owner gets through the door."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from waystation.identity import lifetimes
from waystation.identity.actor import Actor, Caller
from waystation.identity.clients import find_client
from waystation.identity.errors import NotFound, invalid_grant, invalid_request
from waystation.identity.secret import digest, new_secret
from waystation.identity.signins import BrowserSignIn, SignIns, TokenSet
from waystation.store import Clock, Code, CodeState, Purpose, Store, User

_GONE = "This link was used already, or is too old. Make a new one: `waystation sign-in-link`."


class WelcomeLink(msgspec.Struct, frozen=True):
    """Whoever opens it first is signed in as `user_name`. Its repr does not show it."""

    url: str
    user_name: str
    expires_at: int

    def __repr__(self) -> str:
        return f"WelcomeLink(hidden, user_name={self.user_name!r})"


class WelcomeLinks:
    def __init__(self, store: Store, signins: SignIns, *, base_url: str, now: Clock) -> None:
        self._store = store
        self._signins = signins
        self._base_url = base_url
        self._now = now

    def make(self, tx: Store, user: User, *, by: Actor, base_url: str | None = None) -> WelcomeLink:
        now = int(self._now())
        code = new_secret()
        expires_at = now + lifetimes.WELCOME_LINK
        tx.codes.put(
            Code(
                digest=digest(code),
                purpose=Purpose.WELCOME,
                state=CodeState.APPROVED,
                created_at=now,
                expires_at=expires_at,
                user_id=user.id,
            )
        )
        tx.audit.append("link.created", actor=by.id, actor_name=by.name, subject=user.id)
        return WelcomeLink(f"{base_url or self._base_url}/welcome/{code}", user.name, expires_at)

    def look_at(self, code: str) -> User:
        """Whom a link would sign in, without using it up. Raises NotFound."""
        record = self._store.codes.get(digest(code), Purpose.WELCOME)
        if record is None or record.used_at is not None or record.expires_at <= self._now():
            raise NotFound(_GONE)
        user = self._store.users.get(record.user_id or "")
        if user is None or not user.active:
            raise NotFound(_GONE)
        return user

    def open_browser(self, code: str, caller: Caller) -> BrowserSignIn:
        """Uses the link up and signs a browser in. Raises NotFound; exactly one caller succeeds."""
        with self._store.transaction() as tx:
            user = self._use(tx, code)
            opened = self._signins.open_browser(tx, user, caller=caller, how="link")
            tx.codes.link(digest(code), opened.session.id)
        return opened

    def redeem(self, form: Mapping[str, str], caller: Caller) -> TokenSet:
        """Uses the link up from a terminal. `code` is the link itself or its last part."""
        client = find_client(form.get("client_id", ""))
        code = _code_of(form.get("code", "") or form.get("link", ""))
        if not code:
            raise invalid_request("code is missing: the one-time link, or its last part.")
        try:
            with self._store.transaction() as tx:
                user = self._use(tx, code)
                opened = self._signins.open(tx, user, client=client.id, caller=caller, how="link")
                tx.codes.link(digest(code), opened.session.id)
        except NotFound as gone:
            raise invalid_grant(str(gone)) from None
        return opened.tokens

    def _use(self, tx: Store, code: str) -> User:
        now = int(self._now())
        record = tx.codes.lock(digest(code), Purpose.WELCOME)
        if record is None or not tx.codes.consume(record.digest, at=now):
            raise NotFound(_GONE)
        user = tx.users.get(record.user_id or "")
        if user is None or not user.active:
            raise NotFound(_GONE)
        return user


def _code_of(link: str) -> str:
    return urlsplit(link).path.rstrip("/").rpartition("/")[2] if "/" in link else link
