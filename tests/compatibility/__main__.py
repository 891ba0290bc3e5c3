"""`python -m tests.compatibility [write]`; see the package."""

import difflib
import json
import sys
from pathlib import Path

from tests.compatibility.plugin import RESULTS
from tests.compatibility.report import Incomplete, gathered, page, results

ROOT = Path(__file__).parents[2]
FACTS = ROOT / "docs" / "compatibility.json"
PAGE = ROOT / "docs" / "compatibility.md"


def main() -> int:
    try:
        found = gathered(results(ROOT / RESULTS))
    except Incomplete as why:
        print(f"The compatibility page cannot be made or checked: {why}")
        return 1
    new = {FACTS: json.dumps(found, indent=1) + "\n", PAGE: page(found)}
    if sys.argv[1:] == ["write"]:
        for path, text in new.items():
            path.write_text(text)
        return 0
    stale = 0
    for path, text in new.items():
        old = path.read_text() if path.exists() else ""
        name = str(path.relative_to(ROOT))
        for line in difflib.unified_diff(
            old.splitlines(), text.splitlines(), name, "what tests show", lineterm=""
        ):
            print(line)
            stale = 1
    if stale:
        print("The page does not say what the tests show: python -m tests.compatibility write")
    return stale


if __name__ == "__main__":
    sys.exit(main())
