"""Limits and budgets: who may ask for how much, and for how much money.

`Limiter` answers from memory, on one event loop, with the time passed in: it is the one function through which
every request goes, whoever asks. Admission is spent + reserved + estimate ≤ limit; a `Ticket` holds the
reservation until the request is over. What other gateways have used comes in from beside (`limits.shared`), so
that no request waits for a network.
"""

from waystation.limits.accounts import BudgetAccount, RateAccount
from waystation.limits.coverage import Who
from waystation.limits.events import EventQueue, LimitEvent
from waystation.limits.limiter import NOTHING, Limiter, Lower, Over, Raise
from waystation.limits.ticket import Charges, Ticket

__all__ = [
    "NOTHING",
    "BudgetAccount",
    "Charges",
    "EventQueue",
    "LimitEvent",
    "Limiter",
    "Lower",
    "Over",
    "Raise",
    "RateAccount",
    "Ticket",
    "Who",
]
