"""JSON that remembers on which line each object began."""

import bisect
import json
import json.decoder
import json.scanner
from decimal import Decimal
from typing import Any

from waystation.billing.reports.report import BadReport


class Located(dict[str, Any]):
    """An object; `line` is where it began, from 1."""

    line: int = 0


class _Decoder(json.JSONDecoder):
    """The standard library's own decoder in its Python form, with a note of the line; amounts are Decimals."""

    def __init__(self, text: str) -> None:
        super().__init__(parse_float=Decimal, parse_constant=_refuse)
        self._breaks = [i for i, letter in enumerate(text) if letter == "\n"]
        self.parse_object = self._located  # what the scanner calls for each object
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]  # the form that calls it

    def _located(self, start: tuple[str, int], *rest: Any) -> tuple[Located, int]:
        value, end = json.decoder.JSONObject(start, *rest)  # type: ignore[attr-defined]  # as above
        found = Located(value)
        found.line = bisect.bisect_left(self._breaks, start[1] - 1) + 1
        return found, end


def documents(file: str, text: str) -> list[Any]:
    """The file's values: one, or one a line. Raises BadReport with the line."""
    decoder = _Decoder(text)
    found: list[Any] = []
    at = 0
    try:
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            value, at = decoder.raw_decode(text, at)
            found.append(value)
    except json.JSONDecodeError as error:
        raise BadReport(file, error.lineno, "", f"this is not JSON: {error.msg}") from None
    except (RecursionError, ValueError, ArithmeticError) as error:
        raise BadReport(file, text.count("\n", 0, at) + 1, "", f"this cannot be read: {error}") from None
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number")
