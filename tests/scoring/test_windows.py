"""Which readings make up a window, above all Bắc Giang's 15/10–15/10 with both days included; all sums by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Behaviour, Figure, Nothing, Part, Windowed, by_source, first_given, over_window

WINDOW = Period(dt.date(2025, 10, 15), dt.date(2026, 10, 15))
AFTER = dt.date(2026, 11, 1)
"""A night after the window is over."""
DURING = dt.date(2026, 4, 20)


def day(text: str) -> dt.date:
    number, of_month, of_year = text.split("/")
    return dt.date(int(of_year), int(of_month), int(number))


def reading(first: str | Period, last: str = "", value: str | None = "1", **more: object) -> Figure:
    """A reading about days `15/10/2025` to `31/10/2025`, about one day, or about a period."""
    period = first if isinstance(first, Period) else Period(day(first), day(last or first))
    given: dict[str, object] = {
        "id": f"obs-{period}", "metric": "m", "unit": "H00", "period": period, "state": InputState.HARVESTED,
        "value": None if value is None else Decimal(value), "numerator": None, "denominator": None,
        "seen_on": DURING, "stale_after_days": 3,
    }  # fmt: skip
    return Figure(**(given | more))  # type: ignore[arg-type]


def worth(
    behaviour: Behaviour, readings: Sequence[Figure], window: Period = WINDOW, night: dt.date = AFTER,
    part: Part = "value",
) -> Windowed | Nothing:  # fmt: skip
    """The window's figure, which must not depend on the order of the readings."""
    found = over_window(behaviour, part, readings, window, night)
    assert over_window(behaviour, part, list(readings)[::-1], window, night) == found
    return found


def days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    while first <= last:
        yield first
        first += dt.timedelta(days=1)


def daily(first: str, last: str) -> list[Figure]:
    return [reading(Period(one, one)) for one in days(day(first), day(last))]


EDGES = [
    reading("15/10/2025", "31/10/2025", "10"),
    *(reading(month(of_year, number), value="1") for of_year, number in [(2025, 11), (2025, 12)]),
    *(reading(quarter(2026, number), value="100") for number in (1, 2, 3)),
    reading("1/10/2026", "15/10/2026", "7"),
]
"""10 + 1 + 1 + 3 × 100 + 7 = 319: half months at the ends, months and quarters between."""


# --- any behaviour ---


@pytest.mark.parametrize("behaviour", ["flow", "stock", "ratio", "score"])
def test_a_reading_of_exactly_the_window_is_its_figure(behaviour: Behaviour) -> None:
    whole = reading(WINDOW, value="5")
    later = reading("15/10/2026", value="9")
    assert worth(behaviour, [*daily("15/10/2025", "14/10/2026"), later, whole]) == Windowed(Fraction(5), (whole,))


@pytest.mark.parametrize("behaviour", ["flow", "stock", "counter", "ratio", "score"])
def test_a_source_can_say_that_there_is_nothing_for_the_window(behaviour: Behaviour) -> None:
    whole = reading(WINDOW, value=None, state=InputState.NOT_APPLICABLE)
    found = worth(behaviour, [whole, reading("14/10/2025"), reading("20/10/2025")])
    assert found == Nothing("nguồn không cho số liệu này", (whole,))
    assert isinstance(found, Nothing)
    assert found.is_not_applicable
    silent = worth(behaviour, [reading(WINDOW, value=None)])
    assert isinstance(silent, Nothing)
    assert not silent.is_not_applicable


@pytest.mark.parametrize("behaviour", ["flow", "stock", "counter", "ratio", "score"])
def test_no_readings_are_nothing(behaviour: Behaviour) -> None:
    assert worth(behaviour, []) == Nothing("nguồn không cho số liệu này")
    assert worth(behaviour, [reading("20/10/2025", value=None)]) == Nothing("nguồn không cho số liệu này")


@pytest.mark.parametrize("behaviour", ["ratio", "score"])
def test_ratios_and_scores_are_never_put_together(behaviour: Behaviour) -> None:
    assert worth(behaviour, EDGES) == Nothing("nguồn không cho số liệu đúng kỳ 15/10/2025–15/10/2026")


def test_the_parts_of_a_ratio_add_up_like_flows() -> None:
    parts = {"numerator": Decimal(3), "denominator": Decimal(4), "value": "75"}
    halves = [reading("15/10/2025", "31/12/2025", **parts), reading("1/1/2026", "15/10/2026", **parts)]  # type: ignore[arg-type]
    assert worth("ratio", halves, part="numerator") == Windowed(Fraction(6), tuple(halves))
    assert worth("ratio", halves, part="denominator") == Windowed(Fraction(8), tuple(halves))
    assert isinstance(worth("ratio", halves), Nothing)
    assert isinstance(worth("score", halves, part="numerator"), Nothing)


# --- flows ---


def test_a_flow_counts_both_days_of_the_window_and_no_day_beyond() -> None:
    # 15/10/2025 to 15/10/2026 are 366 days; the readings of 14/10/2025 and 16/10/2026 are outside.
    inside = daily("15/10/2025", "15/10/2026")
    assert len(inside) == 366
    found = worth("flow", [reading("14/10/2025", value="1000"), *inside, reading("16/10/2026", value="1000")])
    assert found == Windowed(Fraction(366), tuple(inside))


@pytest.mark.parametrize(("first", "last"), [("16/10/2025", "15/10/2026"), ("15/10/2025", "14/10/2026")])
def test_a_flow_that_lacks_either_end_is_no_figure(first: str, last: str) -> None:
    assert isinstance(worth("flow", daily(first, last)), Nothing)


def test_a_flow_is_made_of_months_quarters_and_the_days_at_the_ends() -> None:
    assert worth("flow", EDGES) == Windowed(Fraction(319), tuple(EDGES))
    assert worth("flow", [reading(quarter(2026, n), value=f"{n}.5") for n in (1, 2, 3, 4)], year(2026)) == Windowed(
        Fraction(12), tuple(reading(quarter(2026, n), value=f"{n}.5") for n in (1, 2, 3, 4))
    )


def test_nothing_is_counted_twice_where_readings_overlap() -> None:
    # Q1 is used, so its months are not; a reading across the seam of two quarters fits nowhere.
    extra = [
        *(reading(month(2026, number), value="50") for number in (1, 2, 3)),
        reading("15/3/2026", "15/4/2026", "5000"),
        reading("1/10/2025", "31/10/2025", "5000"),
        reading("1/10/2026", "31/10/2026", "5000"),
    ]
    assert worth("flow", [*EDGES, *extra]) == Windowed(Fraction(319), tuple(EDGES))


def test_a_longer_reading_that_leads_nowhere_gives_way_to_shorter_ones() -> None:
    # 15/10–15/11 has no continuation; 15/10–31/10 has.
    assert worth("flow", [reading("15/10/2025", "15/11/2025", "5000"), *EDGES]) == Windowed(Fraction(319), tuple(EDGES))


def test_a_gap_gives_nothing_and_says_from_where() -> None:
    without_december = [item for item in EDGES if item.period != month(2025, 12)]
    assert worth("flow", without_december) == Nothing(
        "số liệu của nguồn chỉ liền mạch đến hết 30/11/2025, kỳ báo cáo là 15/10/2025–15/10/2026"
    )
    assert worth("flow", EDGES[1:]) == Nothing("nguồn không cho số liệu đúng kỳ 15/10/2025–15/10/2026")


@pytest.mark.parametrize("behaviour", ["flow", "ratio"])
def test_a_gap_that_the_source_itself_told_of_is_the_sources_word(behaviour: Behaviour) -> None:
    def silent(period: Period, reason: str | None) -> Figure:
        return reading(period, value=None, numerator=None, state=InputState.UNAVAILABLE, reason=reason)

    part: Part = "value" if behaviour == "flow" else "numerator"
    of = [reading(item.period, value="1", numerator="1") for item in EDGES]
    december = silent(month(2025, 12), "máy chủ chỉ giữ nhật ký 7 ngày")
    without = [item for item in of if item.period != month(2025, 12)]
    later = silent(month(2026, 2), "chuyện khác")
    found = worth(behaviour, [*without, december, later], part=part)
    assert found == Nothing("máy chủ chỉ giữ nhật ký 7 ngày", (december,))
    assert isinstance(found, Nothing)
    assert found.unavailable == "máy chủ chỉ giữ nhật ký 7 ngày"
    first = silent(Period(day("15/10/2025"), day("15/10/2025")), None)
    assert worth(behaviour, [*of[1:], first], part=part) == Nothing(
        "nguồn không cho được số liệu ngày 15/10/2025", (first,)
    )
    beside = silent(month(2026, 1), "một câu trả lời khác đã cho")
    assert isinstance(worth(behaviour, [*of, beside], part=part), Windowed), (
        "a day that is told otherwise lacks nothing"
    )
    running = worth(behaviour, [*without, december], night=day("20/12/2025"), part=part)
    assert isinstance(running, Windowed), "to date"


def test_while_the_window_runs_the_figure_is_to_date_and_says_to_which() -> None:
    # 10 + 1 + 1 + 100 = 112, up to the end of Q1.
    until_march = EDGES[:4]
    found = worth("flow", until_march, night=DURING)
    assert found == Windowed(Fraction(112), tuple(until_march), "số liệu đến hết 31/03/2026, kỳ báo cáo chưa kết thúc")
    # Readings past a gap wait until it is filled.
    assert worth("flow", [*until_march, EDGES[5]], night=DURING) == found
    # A running window still begins on its first day.
    assert isinstance(worth("flow", EDGES[1:4], night=DURING), Nothing)


def test_the_window_is_over_on_the_night_of_its_last_day() -> None:
    one_short = daily("15/10/2025", "14/10/2026")
    assert isinstance(worth("flow", one_short, night=dt.date(2026, 10, 14)), Windowed)
    assert isinstance(worth("flow", one_short, night=dt.date(2026, 10, 15)), Nothing)
    whole = worth("flow", [*one_short, reading("15/10/2026")], night=dt.date(2026, 10, 14))
    assert isinstance(whole, Windowed)
    assert (whole.value, whole.note) == (366, None)


def test_a_window_of_three_years_of_days_is_no_trouble() -> None:
    window = Period(dt.date(2024, 1, 1), dt.date(2026, 12, 31))
    found = worth("flow", [reading(Period(one, one)) for one in days(*window)], window, dt.date(2027, 1, 5))
    assert isinstance(found, Windowed)
    assert found.value == 1096


@given(
    cuts=st.sets(st.integers(1, 29), max_size=8),
    noise=st.lists(st.tuples(st.integers(-5, 35), st.integers(0, 20)), max_size=8),
)
def test_a_flow_is_the_number_of_days_however_it_is_cut(cuts: set[int], noise: list[tuple[int, int]]) -> None:
    # Each reading counts its own days, so any tiling of 30 days is 30, whatever else overlaps it.
    start = dt.date(2026, 1, 1)
    edges = [0, *sorted(cuts), 30]
    spans = {(a, b - 1) for a, b in pairwise(edges)} | {(a, a + more) for a, more in noise}
    readings = [
        reading(Period(start + dt.timedelta(a), start + dt.timedelta(b)), value=str(b - a + 1))
        for a, b in sorted(spans)
    ]
    found = worth("flow", readings, Period(start, start + dt.timedelta(29)))
    assert isinstance(found, Windowed)
    assert found.value == 30
    assert found.note is None


# --- stocks ---


def test_a_stock_is_its_last_reading_within_the_window() -> None:
    at = {text: reading(text, value=str(n)) for n, text in enumerate(("14/10/2025", "15/10/2025", "1/6/2026"), start=1)}
    edge, beyond = reading("15/10/2026", value="8"), reading("16/10/2026", value="9")
    assert worth("stock", [*at.values(), edge, beyond]) == Windowed(Fraction(8), (edge,))
    assert worth("stock", [*at.values(), beyond]) == Windowed(Fraction(3), (at["1/6/2026"],))
    assert worth("stock", [at["14/10/2025"], at["15/10/2025"], beyond]) == Windowed(Fraction(2), (at["15/10/2025"],))
    assert worth("stock", [at["14/10/2025"], beyond]) == Nothing(
        "nguồn không cho số liệu đúng kỳ 15/10/2025–15/10/2026"
    )


def test_a_stock_is_read_at_the_end_of_its_own_period() -> None:
    # The reading of Q4/2025 began before the window and speaks of 31/12/2025.
    last_quarter, november = reading(quarter(2025, 4), value="3"), reading(month(2025, 11), value="2")
    assert worth("stock", [last_quarter, november]) == Windowed(Fraction(3), (last_quarter,))


# --- counters ---


def test_a_counter_is_its_rise_since_before_the_first_day() -> None:
    # The count as 14/10 ended is the start, so 15/10 itself counts: 190 - 100 = 90.
    old, base = reading("1/1/2025", value="7"), reading("14/10/2025", value="100")
    first, last = reading("15/10/2025", value="130"), reading("15/10/2026", value="190")
    beyond = reading("16/10/2026", value="500")
    assert worth("counter", [old, base, first, last, beyond]) == Windowed(Fraction(90), (base, last))


@pytest.mark.parametrize(
    ("start", "end", "note"),
    [
        ("14/10/2025", "15/10/2026", None),
        ("30/9/2025", "15/10/2026", "bộ đếm ghi ngày 30/09/2025 và 15/10/2026"),
        ("14/10/2025", "1/6/2026", "bộ đếm ghi ngày 14/10/2025 và 01/06/2026"),
    ],
)
def test_a_counter_between_other_days_says_which(start: str, end: str, note: str | None) -> None:
    base, last = reading(start, value="100"), reading(end, value="190")
    assert worth("counter", [base, last]) == Windowed(Fraction(90), (base, last), note)


def test_what_a_counter_shows_over_exactly_the_window_is_still_its_running_number() -> None:
    base, whole = reading("14/10/2025", value="100"), reading(WINDOW, value="190")
    assert worth("counter", [base, whole]) == Windowed(Fraction(90), (base, whole))
    assert isinstance(worth("counter", [whole]), Nothing)


def test_a_counter_without_a_start_or_an_end_is_nothing() -> None:
    assert worth("counter", [reading("15/10/2025", value="1"), reading("15/10/2026", value="9")]) == Nothing(
        "bộ đếm chưa được ghi trước ngày 15/10/2025 nên không có số đầu kỳ"
    )
    assert worth("counter", [reading("14/10/2025"), reading("16/10/2026")]) == Nothing(
        "nguồn không cho số liệu đúng kỳ 15/10/2025–15/10/2026"
    )


def test_a_counter_that_was_reset_is_nothing_and_says_when() -> None:
    base, high = reading("14/10/2025", value="100"), reading("1/3/2026", value="180")
    low, last = reading("1/4/2026", value="20"), reading("15/10/2026", value="300")
    # 300 is more than 100, and yet the counter began anew in between.
    assert worth("counter", [base, high, low, last]) == Nothing("bộ đếm bị đặt lại vào khoảng 01/04/2026", (low,))
    assert isinstance(worth("counter", [base, low]), Nothing)
    still = reading("15/10/2026", value="180")
    assert worth("counter", [base, high, still]) == Windowed(Fraction(80), (base, still))
    # A reset before the start does not matter.
    assert worth("counter", [reading("1/1/2025", value="900"), base, still]) == Windowed(Fraction(80), (base, still))


# --- several sources ---


def best(*readings: Figure) -> Windowed | Nothing:
    found = first_given(item for _, item in by_source("flow", "value", readings, WINDOW, AFTER))
    assert by_source("flow", "value", readings[::-1], WINDOW, AFTER) == by_source(
        "flow", "value", readings, WINDOW, AFTER
    )
    return found


def test_the_source_that_goes_first_gives_the_figure_alone() -> None:
    portal = reading(WINDOW, value="100", source="portal", precedence=50)
    record = reading(WINDOW, value="7", source="one_stop", precedence=10)
    found = best(portal, record)
    assert isinstance(found, Windowed)
    assert (found.value, found.figures) == (Fraction(7), (record,))


def test_equal_precedence_goes_by_name() -> None:
    found = best(reading(WINDOW, value="1", source="b"), reading(WINDOW, value="2", source="a"))
    assert isinstance(found, Windowed)
    assert found.value == 2


def test_sources_are_never_put_together() -> None:
    first_half = reading("15/10/2025", "30/04/2026", "3", source="one_stop", precedence=10)
    second_half = reading("01/05/2026", "15/10/2026", "4", source="portal", precedence=50)
    assert isinstance(best(first_half, second_half), Nothing)
    whole = reading(WINDOW, value="9", source="portal", precedence=50)
    found = best(first_half, second_half, whole)
    assert isinstance(found, Windowed)
    assert (found.value, found.figures) == (Fraction(9), (whole,))


def test_a_source_that_could_not_say_is_told_before_one_that_has_nothing() -> None:
    silent = reading(
        WINDOW, value=None, source="portal", precedence=50, state=InputState.UNAVAILABLE, reason="lưu giữ 7 ngày"
    )
    found = best(silent, reading("01/01/2024", source="one_stop", precedence=10))
    assert isinstance(found, Nothing)
    assert found.unavailable == "lưu giữ 7 ngày"
