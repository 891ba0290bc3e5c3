"""Days, weeks and months of money: from 00:00 UTC, weeks from Monday. Times are Unix seconds."""

import datetime

from waystation.policy.limit_rules import Period

_DAY = 86_400
_MONDAY = 4 * _DAY
"""1970-01-01 was a Thursday; this is the first Monday after it."""


def bounds(period: Period, now: float) -> tuple[int, int]:
    """When the period that `now` is in began, and when it ends (which is when the next begins)."""
    day = int(now // _DAY) * _DAY
    if period == "day":
        return day, day + _DAY
    if period == "week":
        start = day - (day - _MONDAY) % (7 * _DAY)
        return start, start + 7 * _DAY
    date = datetime.datetime.fromtimestamp(day, datetime.UTC).date()
    following = (date.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
    return _midnight(date.replace(day=1)), _midnight(following)


def _midnight(date: datetime.date) -> int:
    return int(datetime.datetime(date.year, date.month, date.day, tzinfo=datetime.UTC).timestamp())
