"""What has been spent in the present day, week and month, from the ledger: what budgets begin with after a start.

    python -m waystation.ledger.spent --data DIR --lake DIR --day S --week S --month S --before S [--node NAME]

Prints a JSON line for each person, model and tool. A process of its own, so that the gateway needs neither DuckDB
nor PyArrow, and serves meanwhile.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from waystation.ledger.layout import journal_directories
from waystation.ledger.queries import open_usage
from waystation.ledger.spending import Spent

_SQL = """
SELECT principal_id, principal_name, groups, cost_center, tool, requested_model, decision,
  SUM(cost_nano) FILTER (started_at >= to_timestamp(?))::BIGINT,
  SUM(cost_nano) FILTER (started_at >= to_timestamp(?))::BIGINT,
  SUM(cost_nano) FILTER (started_at >= to_timestamp(?))::BIGINT
FROM requests
WHERE cost_nano > 0 AND ended_at < to_timestamp(?) AND started_at >= to_timestamp(?) {more}
GROUP BY ALL
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("waystation.ledger.spent")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lake", required=True)
    for name in ("day", "week", "month", "before"):
        parser.add_argument(f"--{name}", type=float, required=True, help="Unix seconds")
    parser.add_argument("--node", default="", help="only what this node has relayed")
    options = parser.parse_args(arguments)
    more = "AND node = ?" if options.node else ""
    first = min(options.day, options.week, options.month)
    values = [options.day, options.week, options.month, options.before, first]
    values += [options.node] if options.node else []
    out = sys.stdout.buffer
    with open_usage(journal_directories(options.data), options.lake) as view:
        found = view.connection.execute(_SQL.format(more=more), values)
        while rows := found.fetchmany(10_000):
            for row in rows:
                values = [*row[:2], row[2] or [], *(r or "" for r in row[3:7]), *(r or 0 for r in row[7:])]
                spent = Spent(**dict(zip(Spent.__struct_fields__, values, strict=True)))
                out.write(msgspec.json.encode(spent) + b"\n")
    out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
