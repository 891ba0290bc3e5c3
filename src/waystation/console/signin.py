"""Coming in and going out: the welcome link, the home page, signing out."""

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from waystation.console.forms import Forms
from waystation.console.page import Pages
from waystation.identity import (
    COMPANY_SIGN_IN,
    Identity,
    NotFound,
    OAuthError,
    SignInFailed,
    caller_of,
    read_query,
)


class SignInPages:
    def __init__(self, identity: Identity, pages: Pages, forms: Forms) -> None:
        self._service = identity.service
        self._browsers = identity.browsers
        self._pages = pages
        self._forms = forms

    def routes(self) -> list[Route]:
        post = self._forms.post
        return [
            Route("/", self.home, methods=["GET"]),
            Route("/signin", self.begin, methods=["GET"]),
            Route("/oauth/callback", self.finish, methods=["GET"]),
            Route("/welcome/{code}", self.welcome, methods=["GET"]),
            Route("/welcome/{code}", post(self.enter), methods=["POST"]),
            Route("/sessions/{session_id}/end", post(self.end_session), methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        principal = await self._forms.who(request)
        if principal is None:
            return self._forms.signed_out("This browser is not signed in.")
        sessions = await anyio.to_thread.run_sync(lambda: self._service.sessions(by=principal))
        values = {
            "principal": principal,
            "roles": sorted(principal.roles - {"member"}),
            "sessions": sessions,
            "everybody": any(session.user_id != principal.id for session in sessions),
        }
        return self._forms.page(request, "home.html", values)

    async def begin(self, request: Request) -> Response:
        """On to the company's identity provider. `next` is the page to come back to."""
        try:
            next_path = read_query(request).get("next", "/")
            begun = await anyio.to_thread.run_sync(self._service.company.begin, next_path)
        except OAuthError as error:
            return self._pages.message("That did not work", error.description, status=error.status)
        except SignInFailed as failed:
            return self._failed(failed)
        response = RedirectResponse(begun.location, status_code=303, headers={"Cache-Control": "no-store"})
        self._browsers.begin(response, begun.state, seconds=COMPANY_SIGN_IN)
        return response

    async def finish(self, request: Request) -> Response:
        """Back from the company's identity provider."""
        caller = caller_of(request, _browser_name(request.headers.get("user-agent", "")))
        before = await self._forms.who(request)
        try:
            reply, begun = read_query(request), self._browsers.begun(request)
            finished = await anyio.to_thread.run_sync(self._service.company.finish, reply, begun, caller)
        except OAuthError as error:
            return self._pages.message("That did not work", error.description, status=error.status)
        except SignInFailed as failed:
            return self._failed(failed)
        if before is not None:  # this browser's earlier sign-in has no cookie any more
            await anyio.to_thread.run_sync(lambda: self._service.end_session(before.session, by=before))
        response = RedirectResponse(
            finished.next_path, status_code=303, headers={"Cache-Control": "no-store"}
        )
        self._browsers.sign_in(response, finished.opened)
        self._browsers.begin(response, "", seconds=0)
        return response

    def _failed(self, failed: SignInFailed) -> Response:
        return self._pages.message("You are not signed in", str(failed), status=403, link=("/", "Back"))

    async def welcome(self, request: Request) -> Response:
        """Only shows the button: previews and scanners that fetch the link must not use it up."""
        code = request.path_params["code"]
        try:
            user = await anyio.to_thread.run_sync(self._service.links.look_at, code)
        except NotFound:
            return self._gone()
        values = {"user_name": user.name, "action": f"/welcome/{code}"}
        return self._forms.page(request, "welcome.html", values)

    async def enter(self, request: Request, _form: dict[str, str]) -> Response:
        code = request.path_params["code"]
        caller = caller_of(request, _browser_name(request.headers.get("user-agent", "")))
        before = await self._forms.who(request)
        try:
            opened = await anyio.to_thread.run_sync(self._service.links.open_browser, code, caller)
        except NotFound:
            return self._gone()
        if before is not None:  # this browser's earlier sign-in has no cookie any more
            await anyio.to_thread.run_sync(lambda: self._service.end_session(before.session, by=before))
        response = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
        self._browsers.sign_in(response, opened)
        return response

    async def end_session(self, request: Request, _form: dict[str, str]) -> Response:
        principal = await self._forms.who(request)
        if principal is None:
            return self._forms.signed_out("This browser is not signed in.")
        session_id = request.path_params["session_id"]
        try:
            await anyio.to_thread.run_sync(lambda: self._service.end_session(session_id, by=principal))
        except NotFound as error:
            return self._pages.message("That session is gone", str(error), status=404, link=("/", "Back"))
        response = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
        if session_id == principal.session:
            self._browsers.sign_out(response)
        return response

    def _gone(self) -> Response:
        return self._forms.signed_out(
            "It works once and for half an hour, and one of the two is over.",
            heading="This link has done its work",
            status=410,
        )


_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def _browser_name(user_agent: str) -> str:
    """`Firefox on Linux`: enough for its owner to know it again."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser
