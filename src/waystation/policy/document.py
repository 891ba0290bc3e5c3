"""The policy document: its fields, and what each is for.

These structs are the one source of the reader's checks, of the published JSON Schema and of the reference
page. A field's `description` is written for the person who edits the document.
"""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from waystation.model import Wire
from waystation.policy.billing import BillingSpec
from waystation.policy.kinds import KINDS, PATH_KEYS
from waystation.policy.limit_specs import BudgetSpec, LimitSpec, SpendingSpec
from waystation.policy.price_specs import PriceSpec
from waystation.policy.route_specs import ChoiceSpec, RouteSpec, RoutingSpec
from waystation.policy.sign_in import SignInSpec
from waystation.policy.spec_names import GroupName, Member, ModelName, ShortName, Tool


class TermsSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the provider promises about the data sent to it. Unset means that nobody stated it."""

    no_training: Annotated[bool | None, Meta(description="It does not train on the data.")] = None
    retention_days: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Days it keeps the data; `0` for none."),
    ] = None
    region: Annotated[str | None, Meta(description="Where it processes the data, e.g. `eu`.")] = None


class ProviderSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account at a model vendor, or a server of open models."""

    kind: Annotated[
        str,
        Meta(
            description="What it is (a kind of the table below): sets protocols, paths, authentication.",
            extra_json_schema={"enum": list(KINDS)},
            extra={"choices": tuple(KINDS)},
        ),
    ]
    base_url: Annotated[
        str | None,
        Meta(description="Scheme, host and path that the kind's paths follow; needed if the kind has none."),
    ] = None
    credential: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|vault:.+"
                r"|aws:(default|profile/\S+|env(/[A-Za-z_][A-Za-z0-9_]*)?))$",
                extra={
                    "expected": "a reference: `env:NAME`, `file:PATH`, `vault:NAME` or `aws:default` "
                    "(secrets are references; the secret itself never stands in a policy)",
                    "sensitive": True,
                },
            ),
        ]
        | None,
        Meta(
            description="Reference to the key: `env:NAME` (environment), `file:PATH` or `vault:NAME`; for AWS "
            "credentials `aws:default`, `aws:profile/NAME`, `aws:env` or `aws:env/PREFIX`."
        ),
    ] = None
    region: Annotated[
        Annotated[
            str, Meta(pattern=r"^[a-z0-9-]{1,40}$", extra={"expected": "a region such as `eu-central-1`"})
        ]
        | None,
        Meta(description="AWS: the region to use, e.g. `eu-central-1`; unset: the one in `base_url`."),
    ] = None
    wires: Annotated[
        Annotated[tuple[Wire, ...], Meta(min_length=1)] | None,
        Meta(description="Protocols it speaks, if other than is usual for the kind."),
    ] = None
    headers: Annotated[
        dict[str, str],
        Meta(description="Headers added to each request, e.g. an organisation id. Not for secrets."),
    ] = {}
    discover: Annotated[
        bool | None,
        Meta(
            description="Ask it now and then which models it has, so that lists show by name those that a pattern "
            "of `models` lets through. It gives nobody a model. Unset: where such a pattern leads to it, and its "
            "list says what can be asked for (not so `azure-openai`, whose list has no deployments, and "
            "`rehearsal`)."
        ),
    ] = None
    price_provider: Annotated[
        str | None,
        Meta(description="Provider in the price data whose list prices apply, if other than the kind's."),
    ] = None
    terms: Annotated[TermsSpec, Meta(description="Its promises about data.")] = TermsSpec()
    verify_tls: Annotated[
        bool, Meta(description="Check its certificate. Only ever `false` in a laboratory.")
    ] = True
    usage_in_stream: Annotated[
        bool,
        Meta(
            description="Chat Completions: it understands `stream_options.include_usage`. `false` for "
            "servers that refuse the field; their streamed usage is then an estimate."
        ),
    ] = True
    betas: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Anthropic beta flags that it takes; others are left out of requests. Unset: what is known "
            "of the kind, else all."
        ),
    ] = None
    api_version: Annotated[
        Annotated[
            str, Meta(pattern=r"^[A-Za-z0-9._-]{1,40}$", extra={"expected": "a version such as `2024-10-21`"})
        ]
        | None,
        Meta(description="Azure OpenAI: use the dated deployment-style API of this version, not the v1 API."),
    ] = None
    paths: Annotated[
        dict[str, str],
        Meta(
            description="Path templates that differ from the kind's, by path key; `{model}` and "
            "`{api_version}` are filled in.",
            extra_json_schema={"propertyNames": {"enum": list(PATH_KEYS)}},
            extra={"keys": PATH_KEYS},
        ),
    ] = {}


Translation = Literal["allow", "never"]


class CapabilitiesSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model can do, where our own table of known models does not say it, or says it wrongly."""

    tools: Annotated[bool | None, Meta(description="It can call tools.")] = None
    parallel_tools: Annotated[bool | None, Meta(description="It can call several tools in one answer.")] = (
        None
    )
    vision: Annotated[bool | None, Meta(description="It reads images.")] = None
    documents: Annotated[bool | None, Meta(description="It reads documents (PDF).")] = None
    structured_output: Annotated[
        bool | None, Meta(description="Its answers can be held to a JSON Schema.")
    ] = None
    caching: Annotated[bool | None, Meta(description="It takes cache marks in the prompt.")] = None
    sampling: Annotated[bool | None, Meta(description="It takes `temperature`, `top_p` and the like.")] = None
    thinking: Annotated[
        Literal["none", "effort", "budget", "adaptive"] | None,
        Meta(
            description="How it is told to think: not at all, by a word, by a number of tokens, or as it sees fit "
            "with a word as bound."
        ),
    ] = None
    forced_tools_with_thinking: Annotated[
        bool | None, Meta(description="It can be made to call a tool while it thinks.")
    ] = None
    task: Annotated[
        Literal["chat", "embeddings", "other"] | None,
        Meta(
            description="What it is for. Lists for coding tools leave out what is for `embeddings` (and of models "
            "found at providers what is for `other` things: speech, pictures)."
        ),
    ] = None


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A name that people ask for, and where requests for it go."""

    routes: Annotated[
        Annotated[tuple[RouteSpec, ...], Meta(min_length=1)] | None,
        Meta(description="Where requests can go. Either this or `choose`."),
    ] = None
    choose: Annotated[
        Annotated[tuple[ChoiceSpec, ...], Meta(min_length=1)] | None,
        Meta(
            description="A smart route: the first line whose conditions hold names the model that answers. The last "
            "line has no conditions."
        ),
    ] = None
    display_name: Annotated[
        str, Meta(description="What model pickers show; unset: what the provider calls it, else the name.")
    ] = ""
    description: Annotated[str, Meta(description="A note for the people who edit the policy.")] = ""
    aliases: Annotated[tuple[ModelName, ...], Meta(description="Other names for the same model.")] = ()
    groups: Annotated[
        Annotated[tuple[GroupName, ...], Meta(min_length=1)] | None,
        Meta(description="Who may use it: of `access.groups`, or `everyone`; unset: see `access.default`."),
    ] = None
    max_output: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Tokens it can generate in one answer.")
    ] = None
    context_window: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Prompt tokens that fit.")
    ] = None
    capabilities: Annotated[
        CapabilitiesSpec, Meta(description="What it can do, where it is not a model that the gateway knows.")
    ] = CapabilitiesSpec()
    translation: Annotated[
        Translation | None,
        Meta(
            description="Whether tools that speak another protocol than its providers may use it; unset: as at "
            "the top."
        ),
    ] = None
    price: Annotated[
        PriceSpec | tuple[PriceSpec, ...] | None,
        Meta(description="What it costs, if not what the price data says; a list if it changes by date."),
    ] = None
    agents: Annotated[
        tuple[Tool, ...],
        Meta(
            description="Tools whose default model it is: `claude`, `codex`, `gemini`, `opencode`, …; "
            "`claude/small` for the model of a tool's side jobs."
        ),
    ] = ()


class GroupSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of people. Those whom the directory puts in a group of this name belong to it as well."""

    members: Annotated[
        tuple[Member, ...], Meta(description="Mail addresses, or names of service accounts.")
    ] = ()
    description: Annotated[str, Meta(description="A note for the people who edit the policy.")] = ""
    cost_center: Annotated[
        str, Meta(description="Whom its members' usage is charged to, where the directory does not say.")
    ] = ""


Role = Literal["admin", "auditor", "finance"]


class AccessSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may use what."""

    default: Annotated[
        Literal["allow", "deny"],
        Meta(description="Whether everyone who is signed in may use a model that names no `groups`."),
    ] = "allow"
    contact: Annotated[
        str, Meta(description="Where a person who is refused can ask, as it ends a sentence: `#ai-platform`.")
    ] = ""
    groups: Annotated[dict[GroupName, GroupSpec], Meta(description="Every group that a model may name.")] = {}
    roles: Annotated[
        dict[Role, tuple[Member, ...]],
        Meta(
            description="Members by role. The owner is made at the first start.",
            extra_json_schema={"propertyNames": {"enum": list(get_args(Role))}},
        ),
    ] = {}


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an organisation governs its coding agents with."""

    version: Annotated[Literal[1], Meta(description="Version of this format: `1`.")]
    providers: Annotated[
        dict[ShortName, ProviderSpec], Meta(description="Where models come from, by a name of your own.")
    ] = {}
    models: Annotated[
        dict[ModelName, ModelSpec],
        Meta(
            description="What can be asked for. A name with `*` stands for every name that fits; "
            "exact names come first, then aliases, then the pattern that fits most precisely."
        ),
    ] = {}
    access: Annotated[AccessSpec, Meta(description="Who may use what.")] = AccessSpec()
    sign_in: Annotated[
        SignInSpec | None,
        Meta(description="The company's identity provider; unset: people sign in by one-time links only."),
    ] = None
    translation: Annotated[
        Translation,
        Meta(
            description="Whether a request may be translated to a provider that speaks another protocol than the "
            "tool. A model can say otherwise."
        ),
    ] = "allow"
    routing: Annotated[
        RoutingSpec, Meta(description="How requests are spread over routes, and what happens when one fails.")
    ] = RoutingSpec()
    limits: Annotated[
        dict[ShortName, LimitSpec],
        Meta(description="How much may be asked for in a time, or at once; each under a name of your own."),
    ] = {}
    budgets: Annotated[
        dict[ShortName, BudgetSpec],
        Meta(description="How much may be spent in a period; each under a name of your own."),
    ] = {}
    spending: Annotated[
        SpendingSpec, Meta(description="How a request is counted against budgets before its price is known.")
    ] = SpendingSpec()
    billing: Annotated[
        BillingSpec,
        Meta(description="What is agreed about money beside list prices: discounts, credits, seats."),
    ] = BillingSpec()
