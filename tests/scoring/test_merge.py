"""Which figure fills an input, and that a source which could not be read is neither 0 nor replaced by a claim.

Not here: how a window is made of readings (`test_windows.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from scoring_cases import criterion, level

from dti_pipeline.frameworks.model import Criterion, InputSpec, MetricBinding
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.merge import Claim, Known, Merged, merge_input, merge_level
from dti_pipeline.scoring.periods import Period, month, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Behaviour, Figure

NIGHT = dt.date(2026, 10, 15)
WINDOW = year(2026)
UNIT = UnitRef("H00", "tỉnh Thực Hành (đơn vị hư cấu)")
CRITERION: Criterion = criterion("C", "b / a * max")


def spec(kind: str = "count", default: str | None = None, **binding: Any) -> InputSpec:
    return InputSpec.model_validate(
        {
            "name": "a",
            "label": "Số liệu a",
            "kind": kind,
            "default": default,
            "binding": MetricBinding(metric="m", **binding) if binding else None,
        }
    )


BOUND = spec(part="value")


def figure(
    unit: str = "H00",
    value: str | None = "7",
    state: InputState = InputState.HARVESTED,
    age: int = 0,
    numerator: str | None = None,
    denominator: str | None = None,
    period: Period = WINDOW,
) -> Figure:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return Figure(
        f"obs-{unit}" if period == WINDOW else f"obs-{unit}-{period}",
        "m", unit, period, state, number(value), number(numerator), number(denominator),
        seen_on=NIGHT - dt.timedelta(days=age), stale_after_days=3,
    )  # fmt: skip


def no_failure(metric: str, unit: str) -> str | None:
    return None


def merged(
    wanted: InputSpec,
    figures: Sequence[Figure] = (),
    claim: Claim | None = None,
    unavailable: Callable[[str, str], str | None] = no_failure,
    members: Mapping[tuple[str, str], Sequence[str]] | None = None,
    behaviour: Behaviour = "flow",
) -> Merged:
    by_metric: dict[tuple[str, str], list[Figure]] = {}
    for item in figures:
        by_metric.setdefault((item.metric, item.unit), []).append(item)
    known = Known(
        night=NIGHT,
        window=lambda unit: WINDOW,
        behaviour={"m": behaviour}.__getitem__,
        figures=by_metric,
        claims={} if claim is None else {("H00", "C", "a"): claim},
        unavailable=unavailable,
        units_under=lambda unit, of: (members or {}).get((unit, of), ()),
    )
    return merge_input(UNIT, CRITERION, wanted, known)


CLAIM = Claim("claim-1", "99", InputState.REPORTED)


def test_a_harvested_figure_goes_before_the_claim() -> None:
    found = merged(BOUND, [figure()], CLAIM)
    assert (found.value, found.state, found.origin, found.evidence) == (
        "7", InputState.HARVESTED, "harvested", ("obs-H00",),
    )  # fmt: skip
    assert (found.age_days, found.reason) == (0, None)


def test_a_harvested_zero_is_a_figure_and_not_an_absence() -> None:
    found = merged(BOUND, [figure(value="0")], CLAIM)
    assert (found.value, found.state) == ("0", InputState.HARVESTED)


def test_the_claim_fills_what_an_answering_source_does_not_give() -> None:
    found = merged(BOUND, [], CLAIM)
    assert (found.value, found.state, found.origin, found.evidence) == (
        "99", InputState.REPORTED, "self_reported", ("claim-1",),
    )  # fmt: skip


def test_without_a_claim_it_is_missing_and_says_for_whom() -> None:
    found = merged(BOUND)
    assert (found.value, found.state, found.origin) == (None, InputState.MISSING, "harvested")
    assert "H00" in (found.reason or "")


@pytest.mark.parametrize("claim", [None, CLAIM])
def test_an_unread_source_stays_unavailable_whatever_was_claimed(claim: Claim | None) -> None:
    found = merged(BOUND, [], claim, unavailable=lambda metric, unit: f"{metric} {unit}: hết thời gian chờ")
    assert (found.value, found.state) == (None, InputState.UNAVAILABLE)
    assert found.reason == "m H00: hết thời gian chờ"


def test_a_figure_that_is_there_is_used_though_a_source_is_down_tonight() -> None:
    found = merged(BOUND, [figure(age=1)], unavailable=lambda metric, unit: "hết thời gian chờ")
    assert (found.value, found.state, found.age_days) == ("7", InputState.HARVESTED, 1)


@pytest.mark.parametrize(("age", "state"), [(3, InputState.HARVESTED), (4, InputState.STALE)])
def test_yesterdays_figure_counts_until_it_is_stale_with_its_age_shown(age: int, state: InputState) -> None:
    found = merged(BOUND, [figure(age=age)])
    assert (found.value, found.state, found.age_days) == ("7", state, age)
    assert (found.reason is None) == (state is InputState.HARVESTED)
    if found.reason is not None:
        assert "4 ngày" in found.reason


@pytest.mark.parametrize(("part", "value"), [("value", "50"), ("numerator", "4"), ("denominator", "8")])
def test_a_binding_takes_its_part_of_the_figure(part: str, value: str) -> None:
    assert merged(spec(part=part), [figure(value="50", numerator="4", denominator="8")]).value == value


def test_a_part_that_the_source_left_out_is_missing_and_not_zero() -> None:
    assert merged(spec(part="numerator"), [figure()]).state is InputState.MISSING


def test_the_source_can_say_that_there_is_nothing_to_count() -> None:
    found = merged(BOUND, [figure(value=None, state=InputState.NOT_APPLICABLE)], CLAIM)
    assert (found.value, found.state, found.evidence) == (None, InputState.NOT_APPLICABLE, ("obs-H00",))


def test_a_fraction_where_a_count_is_due_waits() -> None:
    assert merged(BOUND, [figure(value="7.5")]).state is InputState.PENDING
    assert merged(BOUND, [figure(value="7.0")]).value == "7"
    assert merged(spec("number", part="value"), [figure(value="7.5")]).value == "7.5"


def monthly(number: int, value: str = "2", age: int = 0, unit: str = "H00") -> Figure:
    return figure(unit, value, age=age, period=month(2026, number))


def test_readings_of_a_running_window_are_put_together_and_the_note_says_until_when() -> None:
    found = merged(BOUND, [monthly(2, "3"), monthly(1, "4")], CLAIM)
    assert (found.value, found.state, found.age_days) == ("7", InputState.HARVESTED, 0)
    assert found.reason == "số liệu đến hết 28/02/2026, kỳ báo cáo chưa kết thúc"
    assert found.evidence == ("obs-H00-2026-01-01..2026-01-31", "obs-H00-2026-02-01..2026-02-28")


def test_the_metrics_behaviour_decides_how_readings_make_a_window() -> None:
    readings = [monthly(1, "4"), monthly(2, "3")]
    assert merged(BOUND, readings, behaviour="stock").value == "3"
    assert merged(BOUND, readings, behaviour="score").state is InputState.MISSING
    assert "01/01/2026–31/12/2026" in (merged(BOUND, readings, behaviour="score").reason or "")
    before = figure(value="100", period=month(2025, 12))
    found = merged(BOUND, [before, figure(value="160", period=month(2026, 9))], behaviour="counter")
    assert (found.value, len(found.evidence)) == ("60", 2)


def test_figures_of_another_window_do_not_fill_this_one() -> None:
    found = merged(BOUND, [figure(period=year(2025))], CLAIM)
    assert (found.value, found.origin) == ("99", "self_reported")
    assert merged(BOUND, [figure(period=year(2025))]).state is InputState.MISSING


def test_only_the_newest_reading_of_a_chain_can_go_stale() -> None:
    found = merged(BOUND, [monthly(1, age=90), monthly(2, age=3)])
    assert (found.value, found.state, found.age_days) == ("4", InputState.HARVESTED, 3)
    found = merged(BOUND, [monthly(1, age=0), monthly(2, age=4)])
    assert (found.value, found.state, found.age_days) == ("4", InputState.STALE, 4)


def test_the_window_is_the_units_own() -> None:
    other = UnitRef("H00.01", "Đơn vị một")
    known = Known(
        NIGHT, lambda unit: month(2026, 1) if unit == other else WINDOW, lambda metric: "score",
        {("m", code): [figure(code, "7"), figure(code, "2", period=month(2026, 1))] for code in ("H00", "H00.01")},
        {}, no_failure, lambda unit, of: (),
    )  # fmt: skip
    assert [merge_input(unit, CRITERION, BOUND, known).value for unit in (UNIT, other)] == ["7", "2"]


DEPARTMENTS = {("H00", "department"): ("H00.01", "H00.02"), ("H00", "commune"): ("H00.90",)}
SUM = spec(part="value", scope="departments")


def test_a_scope_is_the_sum_over_its_units_of_that_level_only() -> None:
    figures = [figure("H00.01", "4", age=2), figure("H00.02", "5"), figure("H00.90", "100"), figure("H00", "1000")]
    found = merged(SUM, figures, members=DEPARTMENTS)
    assert (found.value, found.state, found.evidence) == ("9", InputState.HARVESTED, ("obs-H00.01", "obs-H00.02"))
    assert found.age_days == 2
    assert merged(SUM, figures[::-1], members=DEPARTMENTS) == found
    assert merged(spec(part="value", scope="communes"), figures, members=DEPARTMENTS).value == "100"


def test_sums_of_decimals_are_exact() -> None:
    figures = [figure("H00.01", "0.1"), figure("H00.02", "0.2")]
    assert merged(spec("number", part="value", scope="departments"), figures, members=DEPARTMENTS).value == "0.3"


def test_one_stale_member_makes_the_sum_stale() -> None:
    found = merged(SUM, [figure("H00.01", "4", age=9), figure("H00.02", "5")], members=DEPARTMENTS)
    assert (found.value, found.state, found.age_days) == ("9", InputState.STALE, 9)


def test_a_sum_with_a_gap_is_no_sum() -> None:
    found = merged(SUM, [figure("H00.01", "4")], members=DEPARTMENTS)
    assert (found.value, found.state) == (None, InputState.MISSING)
    assert "H00.02" in (found.reason or "")
    assert "H00.01" not in (found.reason or "")
    assert merged(SUM, [figure("H00.01", "4")], CLAIM, members=DEPARTMENTS).value == "99"


def test_a_sum_with_an_unread_member_is_unavailable() -> None:
    def down(metric: str, unit: str) -> str | None:
        return "bị chặn" if unit == "H00.02" else None

    assert merged(SUM, [figure("H00.01", "4")], CLAIM, down, DEPARTMENTS).state is InputState.UNAVAILABLE
    # The unit that is absent decides, not one whose figure is there.
    assert merged(SUM, [figure("H00.02", "4")], None, down, DEPARTMENTS).state is InputState.MISSING


def test_a_scope_without_units_is_missing_and_not_zero() -> None:
    assert merged(SUM, [figure("H00.01")]).state is InputState.MISSING


def test_the_note_of_any_member_stands_beside_the_sum() -> None:
    figures = [figure("H00.01", "4"), monthly(1, "5", unit="H00.02")]
    found = merged(SUM, figures, members=DEPARTMENTS)
    assert (found.value, found.reason) == ("9", "số liệu đến hết 31/01/2026, kỳ báo cáo chưa kết thúc")


def test_one_member_without_content_does_not_make_the_sum_not_applicable() -> None:
    figures = [figure("H00.01", "4"), figure("H00.02", None, InputState.NOT_APPLICABLE)]
    assert merged(SUM, figures, members=DEPARTMENTS).state is InputState.MISSING


def test_an_input_without_a_source_is_the_claim_then_the_decisions_figure_then_pending() -> None:
    printed = spec(default="119")
    assert merged(printed, [figure()], CLAIM).origin == "self_reported"
    found = merged(printed, [figure()])
    assert (found.value, found.state, found.origin, found.evidence) == (
        "119", InputState.REPORTED, "decision", ("Phụ lục thử",),
    )  # fmt: skip
    found = merged(spec(), [figure()])
    assert (found.value, found.state, found.origin, found.evidence) == (None, InputState.PENDING, "none", ())


@pytest.mark.parametrize("state", [InputState.MISSING, InputState.NOT_APPLICABLE, InputState.PENDING])
def test_a_claim_may_say_that_there_is_nothing(state: InputState) -> None:
    found = merged(spec(default="119"), claim=Claim("claim-1", None, state))
    assert (found.value, found.state, found.origin) == (None, state, "self_reported")
    assert found.reason


def test_a_level_is_merged_in_the_order_of_units_criteria_and_inputs() -> None:
    known = Known(NIGHT, lambda unit: WINDOW, lambda metric: "flow", {}, {}, no_failure, lambda unit, of: ())
    units = [UnitRef("H00.02", "Đơn vị hai"), UnitRef("H00.01", "Đơn vị một")]
    places = [
        (item.unit.code, item.criterion, item.name)
        for item in merge_level(level(CRITERION, criterion("A", "c", names="c")), units, known)
    ]
    assert places == [
        ("H00.02", "C", "a"), ("H00.02", "C", "b"), ("H00.02", "A", "c"),
        ("H00.01", "C", "a"), ("H00.01", "C", "b"), ("H00.01", "A", "c"),
    ]  # fmt: skip


# --- a figure that stands for an answer ---


def yes_or_no(**choices: str) -> InputSpec:
    return InputSpec.model_validate(
        {
            "name": "a",
            "label": "Có hay không",
            "kind": "option",
            "options": [{"value": "yes", "label": "Có"}, {"value": "no", "label": "Không"}],
            "binding": {"metric": "m", "choices": {key.removeprefix("n"): value for key, value in choices.items()}},
        }
    )


@pytest.mark.parametrize(("value", "option"), [("1", "yes"), ("1.0", "yes"), ("0", "no")])
def test_a_harvested_flag_is_an_answer(value: str, option: str) -> None:
    found = merged(yes_or_no(n1="yes", n0="no"), figures=[figure(value=value)])
    assert (found.state, found.value, found.origin) == (InputState.HARVESTED, option, "harvested")


def test_a_figure_that_means_no_answer_waits() -> None:
    found = merged(yes_or_no(n1="yes", n0="no"), figures=[figure(value="2")])
    assert (found.state, found.value) == (InputState.PENDING, None)
    assert found.reason == "nguồn cho giá trị 2, không ứng với lựa chọn nào"


@pytest.mark.parametrize("choices", [{}, {"n1": "maybe"}])
def test_a_bound_option_says_which_figure_means_which_answer(choices: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="which figure means which option"):
        yes_or_no(**choices)


def test_what_the_source_itself_calls_unavailable_is_neither_missing_nor_the_claim() -> None:
    silent = replace(figure(value=None, state=InputState.UNAVAILABLE), reason="bộ đếm do script điền sau khi tải trang")
    found = merged(BOUND, [silent], CLAIM)
    assert (found.state, found.value) == (InputState.UNAVAILABLE, None)
    assert found.reason == "bộ đếm do script điền sau khi tải trang"
