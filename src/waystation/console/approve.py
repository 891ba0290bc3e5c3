"""Letting a computer in: consent to an authorization request, and the device page."""

from urllib.parse import urlsplit

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from waystation.console.forms import Forms
from waystation.console.page import Pages
from waystation.identity import (
    AuthorizationRequest,
    Identity,
    NotFound,
    OAuthError,
    RedirectedError,
    TooManyAttempts,
    read_query,
)
from waystation.model import Principal

_NOT_SIGNED_IN = "A computer wants to sign in, but this browser is not signed in itself."


class ApprovalPages:
    def __init__(self, identity: Identity, pages: Pages, forms: Forms) -> None:
        self._authorization = identity.service.authorization
        self._device = identity.service.device
        self._pages = pages
        self._forms = forms

    def routes(self) -> list[Route]:
        post = self._forms.post
        return [
            Route("/oauth/authorize", self.consent, methods=["GET"]),
            Route("/oauth/authorize", post(self.consented), methods=["POST"]),
            Route("/device", self.device, methods=["GET"]),
            Route("/device", post(self.device_posted), methods=["POST"]),
        ]

    async def consent(self, request: Request) -> Response:
        try:
            ask = self._authorization.check(read_query(request))
        except OAuthError as error:
            return self._refused(error)
        except RedirectedError as error:
            return _redirect(error.location)
        principal = await self._forms.who(request)
        if principal is None:
            return self._forms.sign_in_first(request, _NOT_SIGNED_IN)
        returns_to = urlsplit(ask.redirect_uri).netloc
        return self._forms.page(
            request,
            "consent.html",
            {"ask": ask, "principal": principal, "returns_to": returns_to},
            form_action=_form_action(ask),
        )

    async def consented(self, request: Request, form: dict[str, str]) -> Response:
        try:
            ask = self._authorization.check(form)
        except OAuthError as error:
            return self._refused(error)
        except RedirectedError as error:
            return _redirect(error.location)
        principal = await self._forms.who(request)
        if principal is None:
            return self._forms.signed_out(_NOT_SIGNED_IN, come_back=True)
        if form.get("decision") != "approve":
            return _redirect(self._authorization.deny(ask))
        return _redirect(await anyio.to_thread.run_sync(self._authorization.approve, ask, principal))

    async def device(self, request: Request) -> Response:
        try:
            user_code = read_query(request).get("user_code", "")
        except OAuthError as error:
            return self._refused(error)
        principal = await self._forms.who(request)
        if principal is None:
            return self._forms.sign_in_first(request, _NOT_SIGNED_IN)
        if not user_code:
            return self._ask_for_code(request)
        return await self._confirm(request, user_code, principal)

    async def device_posted(self, request: Request, form: dict[str, str]) -> Response:
        principal = await self._forms.who(request)
        if principal is None:
            return self._forms.signed_out(_NOT_SIGNED_IN, come_back=True)
        user_code = form.get("user_code", "")
        decision = form.get("decision")
        if decision is None:
            return await self._confirm(request, user_code, principal)
        approve = decision == "approve"
        try:
            await anyio.to_thread.run_sync(lambda: self._device.decide(user_code, principal, approve=approve))
        except (NotFound, TooManyAttempts) as problem:
            return self._ask_for_code(request, problem)
        if approve:
            return self._pages.message("Done", "Your computer is signed in. You can close this page.")
        return self._pages.message("Turned away", "That computer was not signed in. You can close this page.")

    async def _confirm(self, request: Request, user_code: str, principal: Principal) -> Response:
        try:
            ask = await anyio.to_thread.run_sync(self._device.look_up, user_code, principal)
        except (NotFound, TooManyAttempts) as problem:
            return self._ask_for_code(request, problem)
        return self._forms.page(request, "device_confirm.html", {"ask": ask, "principal": principal})

    def _ask_for_code(self, request: Request, problem: NotFound | TooManyAttempts | None = None) -> Response:
        status, headers = 200, {}
        if isinstance(problem, TooManyAttempts):
            status, headers = 429, {"Retry-After": str(problem.retry_after)}
        elif problem is not None:
            status = 404
        values = {"problem": str(problem) if problem else "", "user_code": ""}
        return self._forms.page(request, "device.html", values, status=status, headers=headers)

    def _refused(self, error: OAuthError) -> Response:
        return self._pages.message("This sign-in cannot go on", error.description, status=error.status)


def _redirect(location: str) -> Response:
    return RedirectResponse(location, status_code=303, headers={"Cache-Control": "no-store"})


def _form_action(ask: AuthorizationRequest) -> str | None:
    """The form ends in a redirect to the loopback address, which browsers hold against `form-action`.

    CSP's grammar has no IPv6 literals: for those the directive has to stay away.
    """
    target = urlsplit(ask.redirect_uri)
    return None if ":" in (target.hostname or "") else f"'self' {target.scheme}://{target.netloc}"
