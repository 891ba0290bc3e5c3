"""Who may do what: the permission matrix, as data, and the one function that reads it.

Every address that machines or people can ask stands in `ENDPOINTS`; a test holds the gateway's routes against it,
so that none can be added without saying who may use it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

ROLES: Final = ("owner", "admin", "auditor", "finance", "member")


class Permission(StrEnum):
    """What a role can allow. The last three are no role's business."""

    OWN = "own"
    """See and change what is one's own: profile, sessions, limits."""
    PEOPLE_READ = "people.read"
    PEOPLE_WRITE = "people.write"
    SESSIONS_READ = "sessions.read"
    """Everybody's sessions and devices."""
    SESSIONS_END = "sessions.end"
    MACHINES_WRITE = "machines.write"
    """Service accounts, whom they trust, and the directory's provisioners."""
    AUDIT_READ = "audit.read"
    POLICY_READ = "policy.read"
    POLICY_WRITE = "policy.write"
    USAGE_READ = "usage.read"
    """Everybody's usage and what it costs."""
    BILL_READ = "bill.read"
    MONEY_WRITE = "money.write"
    """Raise budgets, book corrections."""
    OWNERS_WRITE = "owners.write"
    """Make and unmake owners."""

    PUBLIC = "public"
    """Anybody may ask; whatever it gives away is meant for everybody, or asks for a proof of its own."""
    SIGNED_IN = "signed-in"
    """A page that shows how to sign in to whoever is not."""
    PROVISIONER = "provisioner"
    """The company's directory, by its own token."""


_OWN = frozenset({Permission.OWN})
_EVERY = frozenset(Permission) - {Permission.PUBLIC, Permission.SIGNED_IN, Permission.PROVISIONER}

GRANTS: Final[Mapping[str, frozenset[Permission]]] = {
    "owner": _EVERY,
    "admin": _EVERY - {Permission.OWNERS_WRITE},
    "auditor": _OWN
    | {
        Permission.PEOPLE_READ,
        Permission.SESSIONS_READ,
        Permission.AUDIT_READ,
        Permission.POLICY_READ,
        Permission.USAGE_READ,
        Permission.BILL_READ,
    },
    "finance": _OWN | {Permission.USAGE_READ, Permission.BILL_READ, Permission.MONEY_WRITE},
    "member": _OWN,
}

ENDPOINTS: Final[Mapping[tuple[str, str], Permission]] = {
    ("GET", "/api/v1/me"): Permission.OWN,
    ("GET", "/api/v1/me/limits"): Permission.OWN,
    ("GET", "/api/v1/agents"): Permission.OWN,
    ("GET", "/api/v1/sessions"): Permission.OWN,
    ("DELETE", "/api/v1/sessions/{session_id}"): Permission.OWN,
    ("GET", "/api/v1/users"): Permission.PEOPLE_READ,
    ("POST", "/api/v1/users"): Permission.PEOPLE_WRITE,
    ("PUT", "/api/v1/users/{name}/roles"): Permission.PEOPLE_WRITE,
    ("POST", "/api/v1/users/{name}/disable"): Permission.PEOPLE_WRITE,
    ("POST", "/api/v1/users/{name}/enable"): Permission.PEOPLE_WRITE,
    ("GET", "/api/v1/users/{name}/sessions"): Permission.SESSIONS_READ,
    ("GET", "/api/v1/service-accounts"): Permission.PEOPLE_READ,
    ("POST", "/api/v1/service-accounts"): Permission.MACHINES_WRITE,
    ("POST", "/api/v1/service-accounts/{name}/federations"): Permission.MACHINES_WRITE,
    ("DELETE", "/api/v1/federations/{federation_id}"): Permission.MACHINES_WRITE,
    ("GET", "/api/v1/provisioners"): Permission.MACHINES_WRITE,
    ("POST", "/api/v1/provisioners"): Permission.MACHINES_WRITE,
    ("DELETE", "/api/v1/provisioners/{provisioner_id}"): Permission.MACHINES_WRITE,
    ("GET", "/api/v1/audit"): Permission.AUDIT_READ,
    ("GET", "/api/v1/audit/verify"): Permission.AUDIT_READ,
    ("GET", "/anthropic/managed/settings"): Permission.OWN,
    # By the directory's own token.
    **{
        (method, f"/scim/v2/{path}"): Permission.PROVISIONER
        for path, methods in {
            "Users": "GET POST",
            "Users/.search": "POST",
            "Users/{id}": "GET PUT PATCH DELETE",
            "Groups": "GET POST",
            "Groups/.search": "POST",
            "Groups/{id}": "GET PUT PATCH DELETE",
            "ServiceProviderConfig": "GET",
            "ResourceTypes": "GET",
            "ResourceTypes/{name}": "GET",
            "Schemas": "GET",
            "Schemas/{name}": "GET",
            ".search": "POST",
            "{rest:path}": "GET POST PUT PATCH DELETE",
        }.items()
        for method in methods.split()
    },
    # Pages, which show how to sign in to whoever is not.
    ("GET", "/"): Permission.SIGNED_IN,
    ("GET", "/device"): Permission.SIGNED_IN,
    ("POST", "/device"): Permission.SIGNED_IN,
    ("GET", "/oauth/authorize"): Permission.SIGNED_IN,
    ("POST", "/oauth/authorize"): Permission.SIGNED_IN,
    ("POST", "/sessions/{session_id}/end"): Permission.SIGNED_IN,
    # What signs people and machines in: each asks for a secret, a code or a proof in the request itself.
    ("GET", "/signin"): Permission.PUBLIC,
    ("GET", "/oauth/callback"): Permission.PUBLIC,
    ("GET", "/welcome/{code}"): Permission.PUBLIC,
    ("POST", "/welcome/{code}"): Permission.PUBLIC,
    ("POST", "/oauth/token"): Permission.PUBLIC,
    ("POST", "/oauth/device"): Permission.PUBLIC,
    ("POST", "/anthropic/oauth/device_authorization"): Permission.PUBLIC,
    ("POST", "/anthropic/oauth/token"): Permission.PUBLIC,
    ("POST", "/oauth/revoke"): Permission.PUBLIC,
    # What everybody may know.
    ("GET", "/.well-known/oauth-authorization-server"): Permission.PUBLIC,
    ("GET", "/anthropic/.well-known/oauth-authorization-server"): Permission.PUBLIC,
    ("GET", "/.well-known/jwks.json"): Permission.PUBLIC,
    ("GET", "/install"): Permission.PUBLIC,
    ("GET", "/install.ps1"): Permission.PUBLIC,
    ("GET", "/install/way.pyz"): Permission.PUBLIC,
    ("GET", "/install/way.json"): Permission.PUBLIC,
    ("GET", "/healthz"): Permission.PUBLIC,
    ("GET", "/readyz"): Permission.PUBLIC,
    ("GET", "/metrics"): Permission.PUBLIC,
}


def allows(roles: Iterable[str], permission: Permission) -> bool:
    """Whether somebody who holds these roles may. The one place where that is decided."""
    return any(permission in GRANTS.get(role, frozenset()) for role in roles)


def roles_that_may(permission: Permission) -> list[str]:
    """For sentences: in the order of ROLES."""
    return [role for role in ROLES if permission in GRANTS[role]]
