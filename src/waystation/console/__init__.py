"""The pages that people see. So far: coming in, letting a computer in, and a home page.

Server-rendered, hand-written style sheet, no inline script or style, works without JavaScript. `routes` gives
the Starlette routes; they sit beside `Identity.routes` in the same application.
"""

import time

from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from waystation.console.approve import ApprovalPages
from waystation.console.forms import Forms
from waystation.console.page import HERE, Pages
from waystation.console.signin import SignInPages
from waystation.identity import Identity
from waystation.store import Clock

__all__ = ["routes"]


def routes(identity: Identity, *, now: Clock = time.time) -> list[BaseRoute]:
    """The pages at `/`, `/signin`, `/oauth/callback`, `/welcome/{code}`, `/oauth/authorize`, `/device`,
    `/sessions/{id}/end` and `/static`."""
    pages = Pages(base_url=identity.base_url, now=now)
    forms = Forms(identity, pages)
    return [
        *SignInPages(identity, pages, forms).routes(),
        *ApprovalPages(identity, pages, forms).routes(),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
