"""The JSON Schema of the policy document, for editors and for checks outside Waystation."""

from typing import Any

import msgspec

from waystation.policy.document import Policy

SCHEMA_ID = "urn:waystation:policy:1"


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12. What it accepts may still be refused: names that must exist it cannot know."""
    schema = msgspec.json.schema(Policy)
    tidied: dict[str, Any] = _tidy(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Waystation policy",
        **tidied,
    }


def _tidy(node: Any) -> Any:
    """Without what only means something to Python: `null` defaults, and the format we replaced (`null`)."""
    if isinstance(node, dict):
        return {
            key: _tidy(value)
            for key, value in node.items()
            if not (key in ("default", "format") and value is None)
        }
    if isinstance(node, list | tuple):
        return [_tidy(item) for item in node]
    return node
