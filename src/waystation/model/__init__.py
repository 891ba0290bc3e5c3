"""The nouns every room speaks, as frozen structs: no I/O, no clock, no globals.

Importing from here is always allowed; this room imports from no other.
"""

from waystation.model.attempt import Attempt, Begin, EndedBy, Outcome
from waystation.model.capabilities import Capabilities
from waystation.model.decision import Refusal, RefusalKind
from waystation.model.entry import ModelEntry
from waystation.model.listed import ListedModel
from waystation.model.price import PICO_PER_USD, LongContext, PriceOverride, StatedRates
from waystation.model.principal import Principal, PrincipalKind
from waystation.model.provider import AuthScheme, Provider, Route, Terms
from waystation.model.routing import Routing
from waystation.model.usage import Usage, UsageSource
from waystation.model.wire import TOOL_WIRES, Operation, Surface, Wire

__all__ = [
    "PICO_PER_USD",
    "TOOL_WIRES",
    "Attempt",
    "AuthScheme",
    "Begin",
    "Capabilities",
    "EndedBy",
    "ListedModel",
    "LongContext",
    "ModelEntry",
    "Operation",
    "Outcome",
    "PriceOverride",
    "Principal",
    "PrincipalKind",
    "Provider",
    "Refusal",
    "RefusalKind",
    "Route",
    "Routing",
    "StatedRates",
    "Surface",
    "Terms",
    "Usage",
    "UsageSource",
    "Wire",
]
