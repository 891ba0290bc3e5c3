"""How people sign in at the company's identity provider: the section `sign_in` of the policy document."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

IssuerUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s?#]+$",
        extra={"expected": "an address such as `https://login.example.com/realms/staff`"},
    ),
]
ClaimName = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f]{0,200}$", extra={"expected": "the name of a claim such as `groups`"})
]


class ClaimsSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the identity provider's claims are called."""

    mail: Annotated[ClaimName, Meta(description="The person's mail address: their name here.")] = "email"
    groups: Annotated[
        ClaimName,
        Meta(description='Their groups, taken over at each sign-in. `""`: groups come from SCIM only.'),
    ] = "groups"
    cost_center: Annotated[
        ClaimName, Meta(description='Their cost centre, taken over at each sign-in. `""`: not taken.')
    ] = ""


class SignInSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The company's identity provider, by OpenID Connect."""

    issuer: Annotated[IssuerUrl, Meta(description="Its issuer, exactly as its tokens say it.")]
    client_id: Annotated[
        Annotated[str, Meta(pattern=r"^[!-~]{1,256}$", extra={"expected": "a client id without spaces"})],
        Meta(description="What the gateway is registered as there; redirect: `<gateway>/oauth/callback`."),
    ]
    client_secret: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|vault:.+)$",
                extra={
                    "expected": "a reference: `env:NAME`, `file:PATH`, `vault:NAME` (secrets are references; the "
                    "secret itself never stands in a policy)",
                    "sensitive": True,
                },
            ),
        ]
        | None,
        Meta(description="Reference to its secret; unset for a public client, which PKCE alone protects."),
    ] = None
    scopes: Annotated[
        tuple[str, ...], Meta(description="What to ask for; some providers give groups by a scope only.")
    ] = ("openid", "email", "profile")
    claims: Annotated[ClaimsSpec, Meta(description="What its claims are called.")] = ClaimsSpec()
    network: Annotated[
        Literal["public", "private"],
        Meta(
            description="`private` if it may be on the company's own network; else the gateway won't go there."
        ),
    ] = "public"
    label: Annotated[str, Meta(description="What the button on the sign-in page says.")] = (
        "Sign in with your company account"
    )
