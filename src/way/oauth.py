"""The gateway's OAuth endpoints, as the public client `way` uses them.

Addresses are built from the gateway's own address and never taken from an answer: metadata that names
another host is how clients have been made to open or call what an attacker chose.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode

from way import http
from way.errors import WayError
from way.session import Secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "way"
SCOPE = "openid offline_access"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LINK_GRANT = "urn:waystation:one-time-link"


class Refused(WayError):
    """The endpoint said no; `error` is OAuth's word for why."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description or f"The gateway refused ({error}).")
        self.error = error


class DeviceCode:
    __slots__ = ("device_code", "expires_in", "interval", "page", "user_code")

    def __init__(
        self, device_code: str, user_code: str, page: str, expires_in: float, interval: float
    ) -> None:
        self.device_code = device_code
        self.user_code = user_code
        self.page = page
        self.expires_in = expires_in
        self.interval = interval


def issuer(gateway: str) -> str:
    """What the gateway calls itself. Raises where the address is not a Waystation's."""
    answer = http.send(gateway, "/.well-known/oauth-authorization-server")
    found = answer.json().get("issuer")
    if answer.status != 200 or not isinstance(found, str):
        raise WayError(
            f"There is no Waystation at {gateway} (it answered {answer.status}); check the address."
        )
    return found


def authorization_address(
    gateway: str, *, redirect_uri: str, state: str, challenge: str, device_name: str
) -> str:
    fields = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "scope": SCOPE,
        "device_name": device_name,
    }
    return f"{gateway}/oauth/authorize?{urlencode(fields)}"


def redeem_code(gateway: str, code: str, *, redirect_uri: str, verifier: str) -> Secrets:
    return _tokens(
        gateway,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        },
    )


def redeem_link(gateway: str, link: str, *, device_name: str) -> Secrets:
    """A one-time link `https://gateway/welcome/CODE`, used up from the terminal."""
    return _tokens(gateway, {"grant_type": LINK_GRANT, "code": link, "device_name": device_name})


def refresh(gateway: str, refresh_token: str) -> Secrets:
    """Uses the refresh token up; what comes back must be kept before anything else is done."""
    return _tokens(gateway, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def start_device(gateway: str, *, device_name: str) -> DeviceCode:
    form = {"client_id": CLIENT_ID, "scope": SCOPE, "device_name": device_name}
    answer = http.send(gateway, "/oauth/device", form=form)
    fields = answer.json()
    if answer.status != 200:
        raise _refused(answer.status, fields)
    try:
        return DeviceCode(
            str(fields["device_code"]),
            str(fields["user_code"]),
            f"{gateway}/device",
            float(fields["expires_in"]),
            max(1.0, float(fields.get("interval", 5))),
        )
    except (KeyError, TypeError, ValueError):
        raise WayError(
            "The gateway's answer to a device sign-in is not complete; is it a Waystation?"
        ) from None


def poll_device(gateway: str, device_code: str) -> Secrets:
    """Raises Refused with `authorization_pending` or `slow_down` while nobody has decided."""
    return _tokens(gateway, {"grant_type": DEVICE_GRANT, "device_code": device_code})


def revoke(gateway: str, token: str) -> None:
    answer = http.send(gateway, "/oauth/revoke", form={"client_id": CLIENT_ID, "token": token}, timeout=5.0)
    if answer.status != 200:
        raise _refused(answer.status, answer.json())


def _tokens(gateway: str, form: Mapping[str, str]) -> Secrets:
    asked = time.time()
    answer = http.send(gateway, "/oauth/token", form={"client_id": CLIENT_ID, **form})
    fields = answer.json()
    if answer.status != 200:
        raise _refused(answer.status, fields)
    try:
        lifetime = float(fields["expires_in"])
        return Secrets(str(fields["access_token"]), str(fields["refresh_token"]), asked + lifetime, lifetime)
    except (KeyError, TypeError, ValueError):
        raise WayError("The gateway's answer to a sign-in is not complete; is it a Waystation?") from None


def _refused(status: int, fields: Mapping[str, object]) -> WayError:
    """OAuth's own refusals are answers; anything else (a proxy's page, a 500) is trouble on the way."""
    error = fields.get("error")
    if isinstance(error, str) and 400 <= status < 500:
        return Refused(error, str(fields.get("error_description", "")))
    if status in (502, 503, 504):
        from way.errors import Unreachable

        return Unreachable(f"The gateway is not ready (it answered {status}); try again in a moment.")
    return WayError(f"The gateway answered {status} where a sign-in was expected; check its address.")
