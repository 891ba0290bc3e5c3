"""What `waystation.ledger.spent` says, for who asks: that process has DuckDB, the gateway has not."""

import msgspec


class Spent(msgspec.Struct, frozen=True):
    """One line. Amounts in nano-dollars, since the periods began."""

    principal_id: str
    principal_name: str
    groups: list[str]
    cost_center: str
    tool: str
    requested_model: str
    decision: str
    """The policy's rule, which names the model."""
    day: int
    week: int
    month: int
