"""What a provider's file says, in our words."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

_MOST = Decimal(10) ** 15


class BadReport(Exception):
    """The file is not what the provider documents; says where."""

    def __init__(self, file: str, line: int, field: str, message: str) -> None:
        self.file, self.line, self.field, self.message = file, line, field, message
        super().__init__(f"{file}:{line}: {field}: {message}" if field else f"{file}:{line}: {message}")


class Stated(msgspec.Struct, frozen=True):
    """One row of a file. None where the file does not speak of it."""

    line: int
    day: dt.date
    model: str
    """As the provider writes it, or the words that it is to be found in; empty where it names none."""
    cost_nano: int | None = None
    """US dollars in nano, rounded half up from what the file has."""
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    exact: bool = True
    """`model` is a model's id; else a description that has it in it."""


class Report(msgspec.Struct, frozen=True):
    """One file."""

    file: str
    vendor: str
    """`anthropic`, `openai`, `google`, `bedrock`, `azure-openai`, or the name that the file gives."""
    form: str
    """Which documented form it is."""
    rows: tuple[Stated, ...]
    days: frozenset[dt.date]
    """The days it speaks of, those without usage included."""
    skipped: int = 0
    """Rows about other services."""


class Place:
    """Where a value stands, to read it from there or to say what is wrong with it."""

    def __init__(self, file: str, line: int, values: Any, field: str = "") -> None:
        self.file, self.line, self.values, self.field = file, line, values, field
        if not isinstance(values, dict):
            raise BadReport(file, line, field, "expected an object")

    def bad(self, field: str, message: str) -> BadReport:
        return BadReport(self.file, self.line, f"{self.field}.{field}".lstrip("."), message)

    def below(self, field: str) -> "Place":
        value = self.values.get(field)
        line = getattr(value, "line", self.line)
        if not isinstance(value, dict):
            raise self.bad(field, "expected an object")
        return Place(self.file, line, value, f"{self.field}.{field}".lstrip("."))

    def text(self, field: str) -> str:
        """A text; empty where it is null or missing."""
        value = self.values.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.bad(field, "expected a text")
        return value

    def count(self, field: str, *, needed: bool = False) -> int:
        value = self.values.get(field)
        if value is None and not needed:
            return 0
        if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise self.bad(field, "expected a whole number")
        return value

    def amount(self, field: str) -> Decimal:
        value = self.values.get(field)
        try:
            found = None if isinstance(value, bool | None) else Decimal(value)
        except (
            InvalidOperation,
            TypeError,
            ValueError,
            OverflowError,
        ):  # Decimal takes lists
            found = None
        if found is None or not found.is_finite() or abs(found) > _MOST:
            raise self.bad(field, "expected an amount")
        return found

    def day(self, field: str) -> dt.date:
        """The day in UTC of a moment: Unix seconds, or RFC 3339 (UTC where it has no offset)."""
        value = self.values.get(field)
        try:
            if isinstance(value, int) and not isinstance(value, bool):
                return dt.datetime.fromtimestamp(value, dt.UTC).date()
            text = str(value).strip().removesuffix(" UTC")
            if isinstance(value, str) and text:
                moment = dt.datetime.fromisoformat(text)
                return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).date()
        except (ValueError, OverflowError, OSError):
            pass
        raise self.bad(field, "expected a moment, e.g. 2026-11-01T00:00:00Z")

    def dollars_only(self, field: str) -> None:
        found = self.text(field)
        if found.upper() not in ("", "USD"):
            raise self.bad(field, f"amounts in {found[:8]} cannot be compared; export them in US dollars")


def nano(dollars: Decimal) -> int:
    """Half up, once, where the file has more than nine decimals."""
    return int(dollars.scaleb(9).to_integral_value(ROUND_HALF_UP))
