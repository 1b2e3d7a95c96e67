"""What a metric is worth over a reporting window, put together from readings about other days. Pure.

Both days of a window are included (DECISIONS). By the metric's behaviour:

- flow: a reading of exactly the window, else readings without gap or overlap that cover it; while the window is still
  running, those that cover it from its first day on, as far as they go; where a day is lacking about which the source
  said that it could not tell, that is the answer;
- stock: the last reading that ends within the window;
- counter: the last reading within the window minus the last one before its first day; a counter that falls in between
  was reset, and gives nothing;
- ratio: exactly the window; its numerator and denominator add up like flows;
- score: exactly the window.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

Behaviour = Literal["flow", "stock", "counter", "ratio", "score"]
Part = Literal["value", "numerator", "denominator"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A current observation as a night knows it."""

    id: str
    metric: str
    unit: str
    period: Period
    state: InputState
    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    seen_on: dt.date
    """The newest night on which the source still said so."""
    stale_after_days: int
    reason: str | None = None
    """Why it is unavailable, where it is."""
    source: str = ""
    """The connector."""
    precedence: int = 50
    """Which source goes first where several give the figure: the lowest."""

    def part(self, name: Part) -> Decimal | None:
        return {"value": self.value, "numerator": self.numerator, "denominator": self.denominator}[name]


@dataclass(frozen=True, slots=True)
class Windowed:
    """A figure over the window, and the readings that it rests on."""

    value: Fraction
    figures: tuple[Figure, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why there is no figure over the window; `figures` are readings that say so themselves."""

    reason: str
    figures: tuple[Figure, ...] = ()

    @property
    def unavailable(self) -> str | None:
        """Why the source itself could not give the figure; None where that is not the case."""
        return next(
            (figure.reason or self.reason for figure in self.figures if figure.state is InputState.UNAVAILABLE), None
        )

    @property
    def is_not_applicable(self) -> bool:
        return any(figure.state is InputState.NOT_APPLICABLE for figure in self.figures)


def by_source(
    behaviour: Behaviour, part: Part, figures: Sequence[Figure], window: Period, night: dt.date
) -> list[tuple[str, Windowed | Nothing]]:
    """What each source has over the window, by precedence and then by name; sources are never mixed."""
    grouped: dict[tuple[int, str], list[Figure]] = {}
    for figure in figures:
        grouped.setdefault((figure.precedence, figure.source), []).append(figure)
    return [
        (source, over_window(behaviour, part, grouped[precedence, source], window, night))
        for precedence, source in sorted(grouped)
    ]


def first_given(found: Iterable[Windowed | Nothing]) -> Windowed | Nothing:
    """The figure of the first source that has one. Where none has: why the first of them could not give it, else why
    the first has none."""
    nothing: list[Nothing] = []
    for item in found:
        if isinstance(item, Windowed):
            return item
        nothing.append(item)
    silent = [item for item in nothing if item.unavailable is not None]
    return next(iter([*silent, *nothing]), Nothing("nguồn không cho số liệu này"))


def over_window(
    behaviour: Behaviour, part: Part, figures: Sequence[Figure], window: Period, night: dt.date
) -> Windowed | Nothing:
    """The part of one unit's metric over a window, from its current readings: at most one per period, in any order."""
    for figure in figures:
        if figure.period == window:
            value = figure.part(part)
            if value is None:
                return Nothing("nguồn không cho số liệu này", (figure,))
            if behaviour != "counter":  # what a counter shows has run up since long before the window
                return Windowed(Fraction(value), (figure,))
    valued = [figure for figure in figures if figure.part(part) is not None]
    silent = [figure for figure in figures if figure.state is InputState.UNAVAILABLE]
    if not valued and silent:
        newest = max(silent, key=lambda figure: (figure.period.end, figure.id))
        return Nothing(newest.reason or "không đọc được nguồn", (newest,))
    match behaviour:
        case "flow":
            return _tiled(part, valued, silent, window, night)
        case "ratio" if part != "value":
            return _tiled(part, valued, silent, window, night)
        case "stock":
            return _last_within(part, valued, window)
        case "counter":
            return _difference(part, valued, window)
        case _:
            return _none(valued, window)


def _day(day: dt.date) -> str:
    return day.strftime("%d/%m/%Y")


def _shown(window: Period) -> str:
    return f"{_day(window.start)}–{_day(window.end)}"


def _none(valued: Sequence[Figure], window: Period) -> Nothing:
    if not valued:
        return Nothing("nguồn không cho số liệu này")
    return Nothing(f"nguồn không cho số liệu đúng kỳ {_shown(window)}")


def _tiled(
    part: Part, valued: Sequence[Figure], silent: Sequence[Figure], window: Period, night: dt.date
) -> Windowed | Nothing:
    """Readings end to end from the window's first day as far as they go, the longest first where there is a choice."""
    starting: dict[dt.date, list[Figure]] = {}
    for figure in valued:
        if figure.period.end <= window.end:
            starting.setdefault(figure.period.start, []).append(figure)
    # First day -> the last day that readings from there on reach, and the first of them.
    reach: dict[dt.date, tuple[dt.date, Figure]] = {}
    for day in sorted(starting, reverse=True):
        reach[day] = max(
            (
                (reach[_after(figure)][0] if _after(figure) in reach else figure.period.end, figure)
                for figure in starting[day]
            ),
            key=lambda item: (item[0], item[1].period.end),
        )
    chain: list[Figure] = []
    day = window.start
    while day in reach:
        chain.append(reach[day][1])
        day = _after(chain[-1])
    about_it = [figure for figure in silent if figure.period.start <= day <= figure.period.end]
    until = chain[-1].period.end if chain else None
    if about_it and (until is None or until < window.end <= night):
        newest = max(about_it, key=lambda figure: (figure.period.end, figure.id))
        return Nothing(newest.reason or f"nguồn không cho được số liệu ngày {_day(day)}", (newest,))
    if until is None:
        return _none(valued, window)
    if until < window.end <= night:
        return Nothing(f"số liệu của nguồn chỉ liền mạch đến hết {_day(until)}, kỳ báo cáo là {_shown(window)}")
    total = sum((Fraction(figure.part(part) or 0) for figure in chain), Fraction(0))
    note = None if until == window.end else f"số liệu đến hết {_day(until)}, kỳ báo cáo chưa kết thúc"
    return Windowed(total, tuple(chain), note)


def _after(figure: Figure) -> dt.date:
    return figure.period.end + dt.timedelta(days=1)


def _last_within(part: Part, valued: Sequence[Figure], window: Period) -> Windowed | Nothing:
    inside = [figure for figure in valued if window.start <= figure.period.end <= window.end]
    if not inside:
        return _none(valued, window)
    last = max(inside, key=lambda figure: (figure.period.end, figure.period.start, figure.id))
    return Windowed(Fraction(last.part(part) or 0), (last,))


def _difference(part: Part, valued: Sequence[Figure], window: Period) -> Windowed | Nothing:
    readings = sorted(valued, key=lambda figure: (figure.period.end, figure.id))
    before = [figure for figure in readings if figure.period.end < window.start]
    inside = [figure for figure in readings if window.start <= figure.period.end <= window.end]
    if not inside:
        return _none(valued, window)
    if not before:
        return Nothing(f"bộ đếm chưa được ghi trước ngày {_day(window.start)} nên không có số đầu kỳ")
    chain = [before[-1], *inside]
    counts = [Fraction(figure.part(part) or 0) for figure in chain]
    for early, late, figure in zip(counts, counts[1:], inside, strict=False):
        if late < early:
            return Nothing(f"bộ đếm bị đặt lại vào khoảng {_day(figure.period.end)}", (figure,))
    first, last = chain[0], chain[-1]
    is_whole = _after(first) == window.start and last.period.end == window.end
    note = None if is_whole else f"bộ đếm ghi ngày {_day(first.period.end)} và {_day(last.period.end)}"
    return Windowed(counts[-1] - counts[0], (first, last), note)
