"""Nights, windows and periods: which days a figure must be about. Dates only, no clock."""

from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

TIME_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

Window = Literal["year", "last_closed_quarter"]
"""`year`: 1 January to 31 December; `last_closed_quarter`: the newest quarter over by the night."""


class Period(NamedTuple):
    """First and last day, both included."""

    start: dt.date
    end: dt.date

    def __str__(self) -> str:
        return f"{self.start.isoformat()}..{self.end.isoformat()}"


def year(of: int) -> Period:
    return Period(dt.date(of, 1, 1), dt.date(of, 12, 31))


def quarter(of: int, number: int) -> Period:
    """Quarter 1 to 4 of a year. Raises ValueError."""
    if number not in (1, 2, 3, 4):
        raise ValueError(f"quarter {number} is not 1, 2, 3 or 4")
    return Period(dt.date(of, 3 * number - 2, 1), _last_day(of, 3 * number))


def month(of: int, number: int) -> Period:
    """Month 1 to 12 of a year. Raises ValueError."""
    return Period(dt.date(of, number, 1), _last_day(of, number))


def window_on(window: Window, night: dt.date) -> Period:
    """The days that a window stands for on a night."""
    if window == "year":
        return year(night.year)
    current = (night.month - 1) // 3 + 1
    return quarter(night.year, current - 1) if current > 1 else quarter(night.year - 1, 4)


def window_of_year(window: Window, of: int, night: dt.date) -> Period:
    """The days that a window stands for in an assessment year; a rolling window goes by the night."""
    return year(of) if window == "year" else window_on(window, night)


def opening(night: dt.date) -> dt.datetime:
    """When a night opens: midnight at the end of its day, when the day's figures can be asked for."""
    return dt.datetime.combine(night + dt.timedelta(days=1), dt.time(0), TIME_ZONE)


def cut_off(night: dt.date) -> dt.datetime:
    """When a night closes: as the next one opens, so a late start still counts. Later facts are not known to it."""
    return opening(night + dt.timedelta(days=1)) - dt.timedelta(seconds=1)


def _last_day(of: int, month_number: int) -> dt.date:
    following = dt.date(of + month_number // 12, month_number % 12 + 1, 1)
    return following - dt.timedelta(days=1)
