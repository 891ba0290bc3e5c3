"""The nouns every room speaks, as frozen structs: no I/O, no clock, no globals.

Importing from here is always allowed; this room imports from no other.
"""

from waystation.model.attempt import Attempt, Begin, EndedBy, Outcome
from waystation.model.decision import Refusal, RefusalKind
from waystation.model.principal import Principal, PrincipalKind
from waystation.model.provider import AuthScheme, Provider, Route, Terms
from waystation.model.usage import Usage, UsageSource
from waystation.model.wire import Operation, Surface, Wire

__all__ = [
    "Attempt",
    "AuthScheme",
    "Begin",
    "EndedBy",
    "Operation",
    "Outcome",
    "Principal",
    "PrincipalKind",
    "Provider",
    "Refusal",
    "RefusalKind",
    "Route",
    "Surface",
    "Terms",
    "Usage",
    "UsageSource",
    "Wire",
]
