"""Citations: Bedrock's `citationsContent` and the canonical ones, which are as Anthropic Messages has them."""

from collections.abc import Iterable
from typing import Any

_SPANS = {
    # Converse's location: Messages' type, and its words for the start and the end
    "documentChar": ("char_location", "start_char_index", "end_char_index"),
    "documentPage": ("page_location", "start_page_number", "end_page_number"),
    "documentChunk": ("content_block_location", "start_block_index", "end_block_index"),
}
_LOCATIONS = {kind: (name, start, end) for name, (kind, start, end) in _SPANS.items()}


def read_citation(raw: Any) -> dict[str, Any] | None:
    """One citation in Messages' shape; None where it has no twin there."""
    if not isinstance(raw, dict) or not isinstance(raw.get("location"), dict) or len(raw["location"]) != 1:
        return None
    ((name, place),) = raw["location"].items()
    if not isinstance(place, dict):
        return None
    cited = "".join(
        part["text"]
        for part in raw.get("sourceContent") or ()
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )
    title = raw.get("title") if isinstance(raw.get("title"), str) else None
    start, end = _number(place.get("start")), _number(place.get("end"))
    if name in _SPANS:
        kind, first, last = _SPANS[name]
        return {
            "type": kind,
            "cited_text": cited,
            "document_index": _number(place.get("documentIndex")),
            "document_title": title,
            first: start,
            last: end,
        }
    if name == "searchResultLocation":
        return {
            "type": "search_result_location",
            "cited_text": cited,
            "search_result_index": _number(place.get("searchResultIndex")),
            "source": raw["source"] if isinstance(raw.get("source"), str) else "",
            "start_block_index": start,
            "end_block_index": end,
            "title": title,
        }
    if name == "web" and isinstance(place.get("url"), str):
        return {
            "type": "web_search_result_location",
            "cited_text": cited,
            "encrypted_index": "",
            "title": title,
            "url": place["url"],
        }
    return None


def write_citations(citations: Iterable[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """All of them in Converse's shape; None if one has no twin there."""
    written = []
    for citation in citations:
        one = _write(citation)
        if one is None:
            return None
        written.append(one)
    return written


def _write(citation: dict[str, Any]) -> dict[str, Any] | None:
    kind = citation.get("type")
    if kind == "search_result_location":
        location: dict[str, Any] = {
            "searchResultLocation": {
                "searchResultIndex": _number(citation.get("search_result_index")),
                "start": _number(citation.get("start_block_index")),
                "end": _number(citation.get("end_block_index")),
            }
        }
        title = citation.get("title")
    elif kind == "web_search_result_location" and isinstance(citation.get("url"), str):
        location = {"web": {"url": citation["url"]}}
        title = citation.get("title")
    elif isinstance(kind, str) and kind in _LOCATIONS:
        name, first, last = _LOCATIONS[kind]
        location = {
            name: {
                "documentIndex": _number(citation.get("document_index")),
                "start": _number(citation.get(first)),
                "end": _number(citation.get(last)),
            }
        }
        title = citation.get("document_title")
    else:
        return None
    written: dict[str, Any] = {"location": location}
    if isinstance(title, str):
        written["title"] = title
    if isinstance(citation.get("source"), str) and citation["source"]:
        written["source"] = citation["source"]
    if isinstance(citation.get("cited_text"), str) and citation["cited_text"]:
        written["sourceContent"] = [{"text": citation["cited_text"]}]
    return written


def _number(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0
