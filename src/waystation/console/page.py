"""Rendering: one template environment and the headers that every page carries."""

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from waystation import __version__
from waystation.store import Clock

HERE = Path(__file__).parent

_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: that would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class Pages:
    """Turns a template and its values into a response. Everything is escaped; a missing value is an error."""

    def __init__(self, *, base_url: str, now: Clock) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["ago"] = lambda at: ago(int(now()) - at)
        self._environment.filters["iso"] = _iso
        self._environment.filters["marked"] = _marked
        self._environment.globals.update(
            version=__version__, base_url=base_url, host=urlsplit(base_url).netloc
        )

    def __call__(
        self,
        template: str,
        values: Mapping[str, Any],
        *,
        status: int = 200,
        form_action: str | None = "'self'",
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """`form_action` is where the page's forms may lead, redirects included; None leaves it open."""
        policy = _POLICY if form_action is None else f"{_POLICY}; form-action {form_action}"
        html = self._environment.get_template(template).render(values)
        return HTMLResponse(
            html,
            status_code=status,
            headers={**_HEADERS, "Content-Security-Policy": policy, **(headers or {})},
        )

    def message(
        self,
        heading: str,
        text: str,
        *,
        status: int = 200,
        link: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """A page that says one thing. `link` is (address, words)."""
        values = {
            "heading": heading,
            "text": text,
            "bad": status >= 400,
            "link": link[0] if link else "",
            "link_text": link[1] if link else "",
        }
        return self("message.html", values, status=status, headers=headers)


def ago(seconds: int) -> str:
    """`just now`, `5 minutes ago`, `3 days ago`."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def _marked(text: str) -> Markup:
    """Escapes the text and shows what stands in `backticks` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped first)


def _iso(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()
