"""Which days a security server still remembers whole. Here: the arithmetic of its seven days. Not here: requests."""

from __future__ import annotations

import datetime as dt

TIME_ZONE = dt.timezone(dt.timedelta(hours=7))
RETENTION = 7
"""Days of operational data that a server keeps unless told otherwise (`keep-records-for-days`)."""


def first_whole_day(night: dt.date) -> dt.date:
    """The oldest day that no part of can be gone yet, however late in its opening hours the night is run.

    A night may be run until a day after its own day ended; the day that is RETENTION
    days back from there is partly gone.
    """
    return night - dt.timedelta(days=RETENTION - 2)


def too_old(day: dt.date, night: dt.date) -> str:
    """Why a day cannot be had any more."""
    return (
        f"máy chủ chỉ giữ nhật ký {RETENTION} ngày: ngày {day:%d/%m/%Y} không còn đủ khi đọc đêm {night:%d/%m/%Y}; "
        "phải đọc hằng đêm, ngày đã lỡ không lấy lại được"
    )
