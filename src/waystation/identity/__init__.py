"""Who asks, and may they come in: tokens, sign-in, sessions, revocation.

`build` gives one `Identity` a process. Its verifier answers the relay from memory; its service changes the
store and blocks for it; its routes are what machines talk to (the pages that people see are the console's);
`watch()` runs beside the server and takes over what other processes revoke.
"""

import os
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec
from starlette.routing import Route

from waystation.identity.actor import OPERATOR, Actor, Caller, Operator
from waystation.identity.admin_api import AdminApi
from waystation.identity.api import Agents, Api, session_fields
from waystation.identity.authorize import AuthorizationRequest, RedirectedError
from waystation.identity.browser import BrowserSessions
from waystation.identity.claude_code import ClaudeCodeGateway
from waystation.identity.company import SignInFailed
from waystation.identity.device import DeviceRequest, TooManyAttempts
from waystation.identity.errors import NotAllowed, NotFound, OAuthError
from waystation.identity.forms import read_form, read_query
from waystation.identity.guard import Guard, problem
from waystation.identity.issuers import Issuers
from waystation.identity.keyring import KeyRing
from waystation.identity.lifetimes import COMPANY_SIGN_IN
from waystation.identity.links import WelcomeLink
from waystation.identity.machines import Machines
from waystation.identity.oauth import OAuthEndpoints, caller_of
from waystation.identity.origins import HostAllowList, SameOrigin
from waystation.identity.permissions import ENDPOINTS, GRANTS, ROLES, Permission, allows
from waystation.identity.scim import ScimEndpoints
from waystation.identity.service import BASE_URL, IdentityService
from waystation.identity.signins import ServiceToken, SignIns, TokenSet
from waystation.identity.verifier import TokenVerifier
from waystation.identity.watch import Watch
from waystation.model import Principal
from waystation.policy import SignInSpec
from waystation.store import Clock, Store
from waystation.vault import resolve

__all__ = [
    "BASE_URL",
    "COMPANY_SIGN_IN",
    "ENDPOINTS",
    "GRANTS",
    "OPERATOR",
    "ROLES",
    "Actor",
    "Agents",
    "AuthorizationRequest",
    "BrowserSessions",
    "Caller",
    "DeviceRequest",
    "Guard",
    "HostAllowList",
    "Identity",
    "IdentityService",
    "KeyRing",
    "Machines",
    "NotAllowed",
    "NotFound",
    "OAuthError",
    "Operator",
    "Permission",
    "RedirectedError",
    "SameOrigin",
    "ServiceToken",
    "SignInFailed",
    "TokenSet",
    "TokenVerifier",
    "TooManyAttempts",
    "Watch",
    "WelcomeLink",
    "allows",
    "build",
    "caller_of",
    "problem",
    "read_form",
    "read_query",
    "session_fields",
]


class Identity(msgspec.Struct, frozen=True):
    """The room, wired."""

    base_url: str
    verifier: TokenVerifier
    service: IdentityService
    browsers: BrowserSessions
    keys: KeyRing
    poller: Watch
    guard: Guard
    """Makes routes under `/api/v1` that let in whom the permission matrix says."""
    machines: Machines
    routes: Sequence[Route]

    async def watch(self) -> None:
        """Polls the store twice a second until cancelled: run it as a task beside the server."""
        await self.poller.run()


def build(
    store: Store,
    *,
    base_url: str,
    agents: Agents,
    sign_in: Callable[[], SignInSpec | None] = lambda: None,
    policy_roles: Callable[[Principal], frozenset[str]] = lambda principal: principal.roles,
    now: Clock = time.time,
) -> Identity:
    """`base_url` is where people and tools reach the gateway, e.g. `https://gateway.example`; it becomes the
    tokens' issuer. `sign_in` tells the policy's section of that name, as it is now, and
    `policy_roles` which roles somebody has with those that it gives by name. Raises ValueError if `base_url`
    is no http(s) address. Makes the first signing key.
    """
    base_url = base_url.rstrip("/")
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"The gateway's own address must be like https://gateway.example, not {base_url!r}.")
    keys = KeyRing(store, now)
    verifier = TokenVerifier(keys, issuer=base_url, now=now)
    signins = SignIns(store, keys, verifier, issuer=base_url, now=now)
    issuers = Issuers(now=now)
    service = IdentityService(
        store,
        signins,
        verifier,
        issuers=issuers,
        sign_in=sign_in,
        policy_roles=policy_roles,
        secret=_secret,
        base_url=base_url,
        now=now,
    )
    browsers = BrowserSessions(service, store.master, base_url=base_url)
    machines = Machines(store, service, signins, issuers, now=now)
    oauth = OAuthEndpoints(service, machines, verifier, keys, base_url=base_url)
    scim = ScimEndpoints(store, service.people, base_url=base_url, now=now)
    guard = Guard(service, verifier, browsers)
    api = Api(service, guard, base_url=base_url, agents=agents, now=now)
    claude = ClaudeCodeGateway(service, verifier, base_url=base_url, agents=agents)
    admin = AdminApi(service, machines, store.audit, guard)
    return Identity(
        base_url=base_url,
        verifier=verifier,
        service=service,
        browsers=browsers,
        keys=keys,
        poller=Watch(store, verifier, keys, now=now),
        guard=guard,
        machines=machines,
        routes=[*oauth.routes(), *claude.routes(), *api.routes(), *admin.routes(), *scim.routes()],
    )


def _secret(reference: str) -> str:
    return resolve(reference, os.environ).reveal()
