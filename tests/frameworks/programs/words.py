"""What every program of this folder is asked, and how it tells what came of it."""

import json
import os
from typing import Any

URL = os.environ["WAYSTATION_URL"]
TOKEN = os.environ["WAYSTATION_TOKEN"]
_JOURNEY = {
    "traveller": "Ada",
    "legs": [
        {
            "start": {"city": "Oslo", "country": None},
            "end": {"city": "Bergen", "country": "NO"},
            "by": "train",
        },
        {
            "start": {"city": "Bergen", "country": "NO"},
            "end": {"city": "Tórshavn", "country": "FO"},
            "by": "ship",
        },
    ],
    "budget": None,
}
TURNS = (
    f"think about the way; call book with {json.dumps(_JOURNEY)}",
    f"think again; call book with {json.dumps(_JOURNEY)}",
)


def tell(**found: Any) -> None:
    """The last line that a program prints."""
    print(json.dumps(found))
