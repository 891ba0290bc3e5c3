"""What every page with a form does: know the browser, hand out a form token, refuse forms that lack it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from waystation.console.page import Pages
from waystation.identity import Identity, OAuthError, read_form
from waystation.model import Principal

Endpoint = Callable[[Request], Awaitable[Response]]
PostEndpoint = Callable[[Request, dict[str, str]], Awaitable[Response]]


class Forms:
    def __init__(self, identity: Identity, pages: Pages) -> None:
        self._browsers = identity.browsers
        self._company = identity.service.company
        self._pages = pages

    async def who(self, request: Request) -> Principal | None:
        return await anyio.to_thread.run_sync(self._browsers.principal, request)

    def page(
        self, request: Request, template: str, values: Mapping[str, Any], **options: Any
    ) -> HTMLResponse:
        """A page whose forms carry the token (`csrf` in the template)."""
        token, nonce = self._browsers.form_token(request)
        response = self._pages(template, {**values, "csrf": token}, **options)
        self._browsers.remember(response, nonce)
        return response

    def signed_out(
        self, why: str, *, come_back: bool = False, heading: str = "Sign in first", status: int = 401
    ) -> HTMLResponse:
        """How to get a sign-in link. `come_back`: the page that was asked for will still work afterwards."""
        values = {"heading": heading, "why": why, "come_back": come_back, "company": self._company.label}
        return self._pages("signed_out.html", values, status=status)

    def sign_in_first(self, request: Request, why: str) -> Response:
        """On to the company's identity provider and back to this very page; without one, how to get a link."""
        if not self._company.label:
            return self.signed_out(why, come_back=True)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(
            f"/signin?{urlencode({'next': here})}", status_code=303, headers={"Cache-Control": "no-store"}
        )

    def post(self, endpoint: PostEndpoint) -> Endpoint:
        """Only lets in forms that this browser was given by this gateway; the rest get 403."""

        async def answer(request: Request) -> Response:
            try:
                form = await read_form(request)
            except OAuthError as error:
                return self._pages.message("That did not work", error.description, status=error.status)
            if not self._browsers.genuine(request, form):
                return self._pages.message(
                    "This page was out of date",
                    "It may have been open for long, or you have signed in or out meanwhile. Go back, reload "
                    "it and try again.",
                    status=403,
                )
            return await endpoint(request, form)

        return answer
