"""The policy document: read, checked whole, compared, compiled to an immutable plan. Pure: no I/O, no clock.

`load` gives a document without faults or raises `PolicyErrors` with all of them; `compile_plan` gives the
`Plan` that answers who may send which model where.
"""

from waystation.policy.agents import TOOLS
from waystation.policy.compiling import billing_terms, compile_plan, price_factors, price_overrides
from waystation.policy.defaults import default_policy
from waystation.policy.diff import Change, diff
from waystation.policy.errors import PolicyError, PolicyErrors, excerpt
from waystation.policy.known import NOTHING_LISTED, Catalogue, Prices, ProviderList
from waystation.policy.load import PolicyDocument, load
from waystation.policy.plan import CatalogueLine, Plan, Resolution, Standing
from waystation.policy.providers import Endpoint
from waystation.policy.schema import json_schema
from waystation.policy.sign_in import SignInSpec
from waystation.policy.smart import Circumstances

__all__ = [
    "NOTHING_LISTED",
    "TOOLS",
    "Catalogue",
    "CatalogueLine",
    "Change",
    "Circumstances",
    "Endpoint",
    "Plan",
    "PolicyDocument",
    "PolicyError",
    "PolicyErrors",
    "Prices",
    "ProviderList",
    "Resolution",
    "SignInSpec",
    "Standing",
    "billing_terms",
    "compile_plan",
    "default_policy",
    "diff",
    "excerpt",
    "json_schema",
    "load",
    "price_factors",
    "price_overrides",
]
