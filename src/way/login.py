"""Signing in: by browser and loopback where there is a browser, by device code where there is none, by a
one-time link where somebody was given one. Whichever way, the same tokens end up in the same place.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import subprocess
import sys
import time

from way import address, http, installed, keychain, oauth, session
from way.errors import UsageError, WayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from way.session import Secrets, Session

    Say = Callable[[str], None]

BROWSER_PATIENCE = 300.0
"""Seconds to sign in with the browser."""


def sign_in(
    gateway: str, *, link: str = "", device: bool = False, insecure_http: bool = False, say: Say
) -> Session:
    """Signs in and keeps the session, replacing the one before. `gateway` is `address.normal`.

    `say` shows a line to the person; no line holds a secret other than the code meant for their eyes.
    """
    named = oauth.issuer(gateway)
    before = session.load()
    if link:
        secrets = oauth.redeem_link(gateway, link, device_name=device_name())
    elif device or not has_browser():
        secrets = _by_device_code(gateway, say)
    else:
        secrets = _by_browser(gateway, named, say)
    name = who(gateway, secrets.access_token)
    if before is not None and before.storage:
        _end(before, other_than=gateway)
    return session.save(gateway, name, secrets, insecure_http=insecure_http, storage=keychain.available())


def sign_out() -> Session | None:
    """Ends the sign-in here and at the gateway. Returns the one that was ended.

    If the gateway cannot be reached the tokens are gone from this machine all the same.
    """
    found = session.load()
    if found is None or not found.storage:
        return None
    reached = _end(found)
    session.save(found.gateway, found.name, None, insecure_http=found.insecure_http, storage="")
    if not reached:
        raise WayError(
            f"You are signed out on this machine, but {found.gateway} could not be told; end the session in its "
            "console if this machine is not yours."
        )
    return found


def _end(found: Session, *, other_than: str = "") -> bool:
    """Revokes a session at its gateway and empties the key store; whether the gateway heard it."""
    secrets = found.secrets()
    if found.storage not in ("file", "dpapi") and found.gateway != other_than:
        keychain.delete(found.storage, found.gateway)
    if secrets is None:
        return True
    try:
        oauth.revoke(found.gateway, secrets.refresh_token)
    except WayError:
        return False
    return True


def who(gateway: str, token: str) -> str:
    """The person's name, as the gateway knows it."""
    answer = http.send(gateway, "/api/v1/me", token=token)
    principal = answer.json().get("principal")
    name = principal.get("name") if isinstance(principal, dict) else None
    if answer.status != 200 or not isinstance(name, str):
        raise WayError(
            f"{gateway} gave a token and then did not accept it ({answer.status}); tell its operator."
        )
    return name


def device_name() -> str:
    """What the list of sessions calls this machine."""
    try:
        return socket.gethostname()[:64] or "a computer"
    except OSError:
        return "a computer"


def has_browser() -> bool:
    """Whether a browser opened here would be seen by the person: not over SSH, not without a display."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return bool(os.environ.get("BROWSER"))
    return True


def _by_browser(gateway: str, named: str, say: Say) -> Secrets:
    from way.loopback import Callback

    verifier, state = _random(), _random()
    callback = Callback(state)
    try:
        page = oauth.authorization_address(
            gateway,
            redirect_uri=callback.redirect_uri,
            state=state,
            challenge=_url64(hashlib.sha256(verifier.encode("ascii")).digest()),
            device_name=device_name(),
        )
        say(f"Sign in to {gateway} in your browser. If none opens, open this:\n  {page}")
        _open_quietly(page)
        code = callback.wait(BROWSER_PATIENCE)
    finally:
        callback.close()
    if callback.issuer and callback.issuer != named:
        raise WayError("The answer came from another gateway than the one you asked for; nothing was kept.")
    return oauth.redeem_code(gateway, code, redirect_uri=callback.redirect_uri, verifier=verifier)


def _by_device_code(gateway: str, say: Say) -> Secrets:
    started = oauth.start_device(gateway, device_name=device_name())
    say(
        f"To sign in, open {started.page} on any device and enter this code:\n  {started.user_code}\n"
        f"Only do so if you started this yourself. Waiting (the code is good for {started.expires_in / 60:.0f} "
        "minutes) …"
    )
    deadline = time.monotonic() + started.expires_in
    interval = started.interval
    while True:
        time.sleep(interval)
        try:
            return oauth.poll_device(gateway, started.device_code)
        except oauth.Refused as refusal:
            if refusal.error == "slow_down":
                interval += 5
            elif refusal.error != "authorization_pending":
                raise
        if time.monotonic() > deadline:
            raise WayError("The code was not approved in time; run `way login` again.")


def _open_quietly(page: str) -> None:
    """Opens the browser from a process of its own: some write to the terminal, some only return when closed."""
    code = "import sys, webbrowser; webbrowser.open(sys.argv[1])"
    subprocess.Popen(
        [sys.executable, "-I", "-c", code, page],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _random() -> str:
    return _url64(os.urandom(32))


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def gateway_to_use(given: str, *, insecure_http: bool) -> str:
    """The gateway that a sign-in is for: what was typed, else `WAY_GATEWAY`, else where we were signed in,
    else where way was installed from, else one on this machine at its usual port if it answers."""
    given = given or os.environ.get("WAY_GATEWAY", "")
    if given:
        return address.normal(given, insecure_http=insecure_http)
    found = session.load()
    if found is not None:
        return found.gateway
    remembered = installed.gateway()
    if remembered:
        return address.normal(remembered, insecure_http=insecure_http)
    try:
        oauth.issuer(USUAL_LOCAL)
    except WayError:
        raise UsageError(
            "way does not know your gateway yet; run `way login https://your-gateway`."
        ) from None
    return USUAL_LOCAL


USUAL_LOCAL = "http://127.0.0.1:8080"
"""Where `waystation serve` listens unless told otherwise."""
