"""Rules about days: deadlines against each other, against the reporting window, and windows from year to year.

A decision's dates recur every year; they are compared and shown for one year.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import get_args

from dti_pipeline.frameworks.lint.finding import Defect, Rule
from dti_pipeline.frameworks.model import CalendarEvent, DatedWindow, EventName, Framework, LevelName, WindowRule
from dti_pipeline.scoring.periods import Period

_YEAR = 2026
"""The year for which dates are compared; only weekdays differ from year to year."""

_WORDS: dict[EventName, str] = {
    "guidance": "hướng dẫn",
    "submission": "nộp",
    "supplement": "bổ sung",
    "appraisal": "thẩm định",
    "publication": "công bố",
}
_ORDER: tuple[EventName, ...] = get_args(EventName)

Placed = tuple[LevelName | None, Defect]
"""A defect and the level it is about; None: every level."""


def dates(framework: Framework) -> Iterator[Placed]:
    """All defects of a framework's calendar and windows."""
    yield from _deadlines(framework)
    yield from _working_days(framework)
    yield from _before_window_end(framework)
    yield from _windows(framework)


def _deadlines(framework: Framework) -> Iterator[Placed]:
    """Pairs of deadlines in the wrong order."""
    for early, late in itertools.product(framework.calendar, repeat=2):
        first, second = early.last_day(_YEAR), late.last_day(_YEAR)
        if _ORDER.index(early.event) >= _ORDER.index(late.event) or first is None or second is None or first <= second:
            continue
        rule: Rule = "deadline-after-publication" if late.event == "publication" else "deadlines-out-of-order"
        what = (
            f"Hạn {_WORDS[early.event]} {_day(first)} sau hạn {_WORDS[late.event]} {_day(second)} "
            f"({late.clause}; năm đánh giá {_YEAR})."
        )
        for level in _common_levels(framework, early, late):
            yield level, Defect("warning", early.event, early.clause, rule, what)


def _working_days(framework: Framework) -> Iterator[Placed]:
    """Deadlines counted in working days from papers that may come as late as submission allows.

    Saturdays and Sundays are left out and holidays are not, so the day found is the earliest possible.
    """
    for counted in framework.calendar:
        if counted.working_days is None:
            continue
        for start, limit in itertools.product(framework.calendar, repeat=2):
            received, last = start.last_day(_YEAR), limit.last_day(_YEAR)
            if (start.event, limit.event) != ("submission", "publication") or received is None or last is None:
                continue
            end = _after_working_days(received, counted.working_days)
            if end <= last:
                continue
            what = (
                f"{counted.working_days} ngày làm việc để {_WORDS[counted.event]}, tính từ hạn nộp {_day(received)}, "
                f"kết thúc không sớm hơn {_day(end)}, sau hạn công bố {_day(last)} ({limit.clause}; trừ thứ Bảy, "
                "Chủ nhật, chưa trừ ngày lễ)."
            )
            for level in _common_levels(framework, counted, start, limit):
                yield level, Defect("warning", counted.event, counted.clause, "working-days-past-publication", what)


def _after_working_days(day: dt.date, count: int) -> dt.date:
    while count:
        day += dt.timedelta(days=1)
        count -= day.weekday() < 5
    return day


def _before_window_end(framework: Framework) -> Iterator[Placed]:
    """Per level the first step whose deadline passes while figures of the window still come in."""
    for level in framework.levels:
        window = _dated(framework.window_of(level))
        if window is None:
            continue
        too_early = [
            (_ORDER.index(event.event), last, event)
            for event in framework.calendar
            if event.event != "guidance"
            and level.level in _levels(framework, event)
            and (last := event.last_day(_YEAR)) is not None
            and last < window.end
        ]
        if too_early:
            _, last, event = min(too_early, key=lambda item: item[:2])
            what = (
                f"Hạn {_WORDS[event.event]} {_day(last)} trước ngày cuối của kỳ số liệu {_span(window)}: số liệu từ "
                f"{_day(last + dt.timedelta(days=1))} thuộc kỳ nhưng chưa có khi đến hạn."
            )
            yield level.level, Defect("warning", event.event, event.clause, "deadline-before-window-end", what)


def _windows(framework: Framework) -> Iterator[Placed]:
    """Windows left open, and days that count in two years or in none."""
    windows: list[tuple[LevelName | None, WindowRule]] = [(None, framework.window)]
    if any(level.window for level in framework.levels):
        windows = [(level.level, framework.window_of(level)) for level in framework.levels]
    clause = framework.decision.number
    for place, rule in windows:
        if rule == "unstated":
            what = "Văn bản không nêu kỳ số liệu; mỗi đợt đánh giá phải ghi kỳ trong mục windows."
            yield place, Defect("info", None, clause, "window-unstated", what)
        if not isinstance(rule, DatedWindow):
            continue
        this, following = rule.period(_YEAR), rule.period(_YEAR + 1)
        both = f"Kỳ {_span(this)} và kỳ tiếp theo {_span(following)}"
        if this.end >= following.start:
            what = f"{both} cùng tính {_days(following.start, this.end)}."
            yield place, Defect("warning", None, clause, "windows-overlap", what)
        elif this.end + dt.timedelta(days=1) < following.start:
            between = _days(this.end + dt.timedelta(days=1), following.start - dt.timedelta(days=1))
            yield place, Defect("warning", None, clause, "window-gap", f"{both} đều không tính {between}.")


def _dated(rule: WindowRule) -> Period | None:
    """The days of a window that ends once a year; None for the others."""
    if isinstance(rule, DatedWindow):
        return rule.period(_YEAR)
    return Period(dt.date(_YEAR, 1, 1), dt.date(_YEAR, 12, 31)) if rule == "year" else None


def _levels(framework: Framework, event: CalendarEvent) -> tuple[LevelName, ...]:
    return event.levels or tuple(level.level for level in framework.levels)


def _common_levels(framework: Framework, *events: CalendarEvent) -> tuple[LevelName | None, ...]:
    """The levels that all the events are about, in the framework's order; None where each is about every level."""
    if not any(event.levels for event in events):
        return (None,)
    return tuple(
        level.level for level in framework.levels if all(level.level in _levels(framework, event) for event in events)
    )


def _day(day: dt.date) -> str:
    return day.strftime("%d/%m/%Y")


def _days(first: dt.date, last: dt.date) -> str:
    return f"ngày {_day(first)}" if first == last else f"các ngày {_day(first)}–{_day(last)}"


def _span(period: Period) -> str:
    return f"{_day(period.start)}–{_day(period.end)}"
