"""A browser's session cookie, and proof that a form came from our own page."""

import hashlib
import hmac
import secrets

from starlette.requests import HTTPConnection
from starlette.responses import Response

from waystation.identity.origins import SameOrigin
from waystation.identity.service import IdentityService
from waystation.identity.signins import BrowserSignIn
from waystation.model import Principal
from waystation.store import MasterKey

FIELD = "csrf"


class BrowserSessions:
    """Cookies are HttpOnly, SameSite=Lax, and over https Secure with the `__Host-` prefix.

    A form carries a token bound to a nonce cookie and to the session (signed double submit); a post must also
    come from our own origin. Each of the two suffices against cross-site posts; an old browser may lack one.
    """

    def __init__(self, service: IdentityService, master: MasterKey, *, base_url: str) -> None:
        self._service = service
        self._key = master.derive("form-token")
        self._secure = base_url.startswith("https://")
        self._same_origin = SameOrigin(base_url)
        prefix = "__Host-" if self._secure else ""
        self.session_cookie = f"{prefix}waystation"
        self._nonce_cookie = f"{prefix}waystation-form"
        self._state_cookie = f"{prefix}waystation-signin"

    def principal(self, request: HTTPConnection) -> Principal | None:
        """Blocks for the store."""
        cookie = request.cookies.get(self.session_cookie)
        return self._service.browser(cookie) if cookie else None

    def sign_in(self, response: Response, opened: BrowserSignIn) -> None:
        self._set(response, self.session_cookie, opened.cookie, max_age=opened.max_age)

    def sign_out(self, response: Response) -> None:
        response.delete_cookie(
            self.session_cookie, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def begin(self, response: Response, state: str, *, seconds: int) -> None:
        """Remembers which sign-in at the identity provider this browser has begun."""
        self._set(response, self._state_cookie, state, max_age=seconds)

    def begun(self, request: HTTPConnection) -> str:
        return request.cookies.get(self._state_cookie, "")

    def form_token(self, request: HTTPConnection) -> tuple[str, str]:
        """The value for the form's hidden field, and the nonce to hand to `remember`."""
        nonce = request.cookies.get(self._nonce_cookie) or secrets.token_urlsafe(16)
        return self._sign(nonce, request), nonce

    def remember(self, response: Response, nonce: str) -> None:
        self._set(response, self._nonce_cookie, nonce, max_age=None)

    def genuine(self, request: HTTPConnection, form: dict[str, str]) -> bool:
        """Whether a posted form is one that we gave to this very browser."""
        nonce = request.cookies.get(self._nonce_cookie, "")
        given = form.get(FIELD, "")
        matches = hmac.compare_digest(self._sign(nonce, request).encode(), given.encode())
        return bool(nonce) and matches and self.same_origin(request)

    def same_origin(self, request: HTTPConnection) -> bool:
        return self._same_origin.allows(request.headers)

    def _sign(self, nonce: str, request: HTTPConnection) -> str:
        session = request.cookies.get(self.session_cookie, "")
        bound = hashlib.sha256(session.encode()).digest() + nonce.encode()
        return hmac.new(self._key, bound, hashlib.sha256).hexdigest()

    def _set(self, response: Response, name: str, value: str, *, max_age: int | None) -> None:
        response.set_cookie(
            name, value, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
