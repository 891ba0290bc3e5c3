"""A month of the bill, in UTC."""

import datetime as dt
import re
from typing import Self

import msgspec


class Month(msgspec.Struct, frozen=True, order=True):
    """A calendar month in UTC: requests belong to the month in which they began."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`2026-11`. Raises ValueError for anything else."""
        found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text.strip())
        if found is None or int(found[1]) < 1970:
            raise ValueError(f"{text!r} is not a month: write 2026-11")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: dt.date) -> Self:
        return cls(day.year, day.month)

    @property
    def first(self) -> dt.date:
        return dt.date(self.year, self.number, 1)

    @property
    def after(self) -> dt.date:
        """First day of the next month."""
        return dt.date(self.year + self.number // 12, self.number % 12 + 1, 1)

    @property
    def next(self) -> "Month":
        return Month.of(self.after)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"
