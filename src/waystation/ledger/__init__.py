"""The ledger: who used what, counted once.

`Journal` is what the relay writes to: a record is safe from `kill -9` when `settle` returns. A child process
(`python -m waystation.ledger.drain`) moves records into a Delta table, exactly once;
`waystation.ledger.queries` reads both as one. Only the journal is exported here: the rest imports PyArrow,
delta-rs and DuckDB, which the gateway's own process has no need of.
"""

from waystation.ledger.journal import Journal, JournalBusy
from waystation.ledger.recovery import Price

__all__ = ["Journal", "JournalBusy", "Price"]
