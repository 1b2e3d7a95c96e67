"""Which figure fills an input, and that a source which could not be read is neither 0 nor replaced by a claim.

Not here: how a window is made of readings (`test_windows.py`).
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_cases import criterion, level

from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, Merging, MetricBinding
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.merge import Appraised, Claim, Known, Merged, OtherSource, merge_level
from dti_pipeline.scoring.periods import Period, month, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Behaviour, Figure

NIGHT = dt.date(2026, 10, 15)
WINDOW = year(2026)
UNIT = UnitRef("H00", "tỉnh Thực Hành (đơn vị hư cấu)")


def reading(wanted: InputSpec) -> Criterion:
    """A criterion C that reads one input."""
    formula = "option(a, yes=max, no=0)" if wanted.kind == "option" else "min(a, max)"
    return Criterion(
        code="C", printed_code="C", name="Tiêu chí C", max_points=Decimal(2), rule="Theo công thức", formula=formula,
        inputs=(wanted,), clause="Phụ lục thử",
    )  # fmt: skip


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
DEFAULT = Merging()


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


def nothing_forgotten(metric: str, unit: str, window: Period) -> str | None:
    return None


def merged(
    wanted: InputSpec,
    figures: Sequence[Figure] = (),
    claim: Claim | None = None,
    unavailable: Callable[[str, str], str | None] = no_failure,
    members: Mapping[tuple[str, str], Sequence[str]] | None = None,
    behaviour: Behaviour = "flow",
    forgotten: Callable[[str, str, Period], str | None] = nothing_forgotten,
    appraised: Appraised | None = None,
    merging: Merging = DEFAULT,
    unsaid: Callable[[str, str], tuple[InputState, str] | None] = lambda unit, criterion: None,
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
        appraised={} if appraised is None else {("H00", "C", "a"): appraised},
        unavailable=unavailable,
        forgotten=forgotten,
        units_under=lambda unit, of: (members or {}).get((unit, of), ()),
        merging=merging,
        unsaid=unsaid,
    )
    (found,) = merge_level(level(reading(wanted)), [UNIT], known)
    return found


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


def forgets(metric: str, unit: str, window: Period) -> str | None:
    return f"{metric} {unit} {window.start}: nguồn chỉ giữ 7 ngày"


@pytest.mark.parametrize("claim", [None, CLAIM])
@pytest.mark.parametrize("behaviour", ["flow", "ratio"])
def test_what_a_source_forgot_before_it_was_first_harvested_is_unavailable(
    behaviour: Behaviour, claim: Claim | None
) -> None:
    for figures in ([], [figure(value="3", period=month(2026, 10))]):
        found = merged(BOUND, figures, claim, behaviour=behaviour, forgotten=forgets)
        assert (found.value, found.state) == (None, InputState.UNAVAILABLE)
        assert found.reason == "m H00 2026-01-01: nguồn chỉ giữ 7 ngày"
    down = merged(BOUND, [], claim, lambda metric, unit: "hết thời gian chờ", behaviour=behaviour, forgotten=forgets)
    assert down.reason == "hết thời gian chờ", "what a person can see to goes first"


def test_what_was_kept_long_enough_is_a_figure_and_stocks_are_never_forgotten() -> None:
    assert merged(BOUND, [figure()], forgotten=forgets).state is InputState.HARVESTED
    for behaviour in ("stock", "counter", "score"):
        assert merged(BOUND, [], behaviour=behaviour, forgotten=forgets).state is InputState.MISSING  # type: ignore[arg-type]


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
        {}, {}, no_failure, nothing_forgotten, lambda unit, of: (), DEFAULT,
    )  # fmt: skip
    found = merge_level(level(reading(BOUND)), [UNIT, other], known)
    assert [item.value for item in found] == ["7", "2"]


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
    found = merged(spec(), claim=Claim("claim-1", None, state))
    assert (found.value, found.state, found.origin) == (None, state, "self_reported")
    assert found.reason


def test_a_blank_leaves_the_decisions_figure_and_a_request_does_not() -> None:
    blank = merged(spec(default="119"), claim=Claim("claim-1", None, InputState.MISSING))
    assert (blank.value, blank.origin) == ("119", "decision")
    bound = BOUND.model_copy(update={"default": Decimal(119)})
    read = merged(bound, [figure()], Claim("claim-1", None, InputState.MISSING))
    assert (read.value, read.origin) == ("7", "harvested"), "a source's figure goes before the printed one"
    asked = merged(spec(default="119"), claim=Claim("claim-1", None, InputState.NOT_APPLICABLE))
    assert (asked.value, asked.state, asked.origin) == (None, InputState.NOT_APPLICABLE, "self_reported")


def test_what_nobody_reported_is_waited_for_until_the_deadline_and_missing_after_it() -> None:
    late = "đã hết hạn"

    def unsaid(unit: str, criterion: str) -> tuple[InputState, str] | None:
        return (InputState.MISSING, late) if (unit, criterion) == ("H00", "C") else None

    assert merged(spec()).state is InputState.PENDING
    found = merged(spec(), unsaid=unsaid)
    assert (found.value, found.state, found.origin, found.reason) == (None, InputState.MISSING, "none", late)
    # The deadline is for what nobody said: figures, claims and what the decision prints stay as they are.
    assert merged(spec(), claim=CLAIM, unsaid=unsaid).state is InputState.REPORTED
    assert merged(BOUND, [figure()], unsaid=unsaid).state is InputState.HARVESTED
    assert merged(spec(default="119"), unsaid=unsaid).origin == "decision"
    assert merged(spec(), unsaid=lambda unit, criterion: None).state is InputState.PENDING


def test_a_level_is_merged_in_the_order_of_units_criteria_and_inputs() -> None:
    known = Known(
        NIGHT, lambda unit: WINDOW, lambda metric: "flow", {}, {}, {}, no_failure, nothing_forgotten,
        lambda unit, of: (), DEFAULT,
    )  # fmt: skip
    units = [UnitRef("H00.02", "Đơn vị hai"), UnitRef("H00.01", "Đơn vị một")]
    places = [
        (item.unit.code, item.criterion, item.name)
        for item in merge_level(level(criterion("C", "b / a * max"), criterion("A", "c", names="c")), units, known)
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


# --- three values ---

DECIDED = Appraised("event-1", "8", "đối chiếu hồ sơ")


def test_what_an_appraiser_decided_goes_before_everything() -> None:
    down = {"unavailable": lambda metric, unit: "hết thời gian chờ"}
    for figures, more in (([figure()], {}), ([], down), ([figure(age=9)], {})):
        found = merged(BOUND, figures, CLAIM, appraised=DECIDED, **more)  # type: ignore[arg-type]
        assert (found.value, found.state, found.origin, found.evidence, found.reason, found.grade) == (
            "8", InputState.APPRAISED, "appraised", ("event-1",), "đối chiếu hồ sơ", None,
        )  # fmt: skip
        assert (found.age_days, found.claim) == (None, CLAIM)
    assert merged(spec(default="119"), appraised=DECIDED).value == "8"
    assert merged(spec(), claim=CLAIM, appraised=DECIDED, merging=CLAIM_FIRST).value == "8"


def test_all_three_values_stay_beside_the_one_that_counts() -> None:
    found = merged(BOUND, [figure()], CLAIM, appraised=DECIDED)
    assert found.automatic is not None
    assert (found.value, found.claim, found.automatic.value, found.automatic.evidence) == (
        "8", CLAIM, "7", ("obs-H00",),
    )  # fmt: skip
    assert merged(spec(), claim=CLAIM).automatic is None


def words(**said: Any) -> Merging:
    return Merging.model_validate(said)


CLAIM_FIRST = words(precedence=["appraised", "self_reported", "automatic"], clause="Điều 9")


def test_a_decision_may_let_the_claim_go_first() -> None:
    found = merged(BOUND, [figure()], replace(CLAIM, grade="B"), merging=CLAIM_FIRST)
    assert (found.value, found.origin, found.evidence, found.grade) == ("99", "self_reported", ("claim-1",), "B")
    assert found.automatic is not None
    assert found.automatic.value == "7"
    assert merged(BOUND, [figure()], merging=CLAIM_FIRST).value == "7"


@pytest.mark.parametrize("state", [InputState.MISSING, InputState.PENDING])
def test_a_unit_that_says_nothing_leaves_the_word_to_the_source(state: InputState) -> None:
    found = merged(BOUND, [figure()], Claim("claim-1", None, state), merging=CLAIM_FIRST)
    assert (found.value, found.origin) == ("7", "harvested")


def test_a_request_not_to_be_assessed_goes_first_only_where_claims_do() -> None:
    request = Claim("claim-1", None, InputState.NOT_APPLICABLE)
    assert merged(BOUND, [figure()], request, merging=CLAIM_FIRST).state is InputState.NOT_APPLICABLE
    assert merged(BOUND, [figure()], request).value == "7"


def down(metric: str, unit: str) -> str | None:
    return "hết thời gian chờ"


def test_a_claim_that_goes_first_is_still_to_be_confirmed_by_its_source() -> None:
    found = merged(BOUND, [], CLAIM, down, merging=CLAIM_FIRST)
    assert (found.value, found.state) == (None, InputState.UNAVAILABLE)


def test_only_a_decision_lets_a_claim_through_unverified_and_then_it_says_so() -> None:
    unverified = words(verify=False, clause="Điều 9")
    found = merged(BOUND, [], CLAIM, down, merging=unverified)
    assert (found.value, found.state, found.origin) == ("99", InputState.REPORTED, "self_reported")
    assert found.reason == "lấy số liệu đơn vị báo cáo vì không đọc được nguồn: hết thời gian chờ"
    # A claim without a value is nothing to let through, and a figure that is there still goes first.
    silent = Claim("claim-1", None, InputState.MISSING)
    assert merged(BOUND, [], silent, down, merging=unverified).state is InputState.UNAVAILABLE
    assert merged(BOUND, [figure()], CLAIM, down, merging=unverified).value == "7"


@pytest.mark.parametrize(
    "rule",
    [{"criteria": ["C"]}, {"metrics": ["m"]}, {"levels": ["department"], "criteria": ["C"]}],
)
def test_a_rule_is_for_the_inputs_that_it_names(rule: dict[str, Any]) -> None:
    first = {"precedence": ["appraised", "self_reported", "automatic"], "clause": "Điều 9"}
    assert merged(BOUND, [figure()], CLAIM, merging=words(rules=[rule | first])).value == "99"


@pytest.mark.parametrize(
    "rule",
    [{"criteria": ["D"]}, {"metrics": ["other"]}, {"levels": ["commune"], "criteria": ["C"]}],
)
def test_other_inputs_keep_the_general_rule(rule: dict[str, Any]) -> None:
    first = {"precedence": ["appraised", "self_reported", "automatic"], "clause": "Điều 9"}
    assert merged(BOUND, [figure()], CLAIM, merging=words(rules=[rule | first])).value == "7"


def test_the_first_rule_that_says_it_holds_and_an_assessments_words_go_before_the_decisions() -> None:
    decision = words(
        tolerance={"relative": "0.1"},
        rules=[{"criteria": ["C"], "tolerance": {"absolute": "1"}}, {"metrics": ["m"], "tolerance": {"absolute": "2"}}],
    )
    assert decision.of("department", "C", BOUND).tolerance.absolute == 1
    assert decision.of("department", "D", BOUND).tolerance.absolute == 2
    assert decision.of("department", "D", spec()).tolerance.relative == Decimal("0.1")
    both = decision.under(words(tolerance={"absolute": "5"}, rules=[{"metrics": ["m"], "verify": True}]))
    assert both.of("department", "C", BOUND).tolerance.absolute == 1, "a rule goes before general words"
    assert both.of("department", "D", spec()).tolerance.absolute == 5
    assert decision.under(None) == decision
    unverified = words(verify=False, clause="Điều 9")
    assert not unverified.under(words(tolerance={"absolute": "5"})).of("department", "C", BOUND).verify
    assert unverified.under(words(verify=True)).of("department", "C", BOUND).verify
    assert Merging().of("department", "C", BOUND) == (False, Merging().of("department", "C", BOUND).tolerance, True)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"precedence": ["automatic", "appraised", "self_reported"]}, "appraised first"),
        ({"precedence": ["appraised", "automatic", "automatic"]}, "each once"),
        ({"precedence": ["appraised", "self_reported", "automatic"]}, "names the `clause`"),
        ({"verify": False}, "names the `clause`"),
        ({"tolerance": {"absolute": "-1"}}, "greater than or equal to 0"),
        ({"tolerance": {"relative": "2"}}, "less than or equal to 1"),
        ({"rules": [{"verify": True}]}, "name the criteria or the metrics"),
    ],
)
def test_words_on_merging_that_cannot_be_meant(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        words(**said)


def test_of_two_sources_the_first_counts_and_the_difference_is_kept() -> None:
    first = replace(figure(), id="obs-1", source="one_stop", precedence=10)
    second = replace(figure(value="9"), id="obs-2", source="portal", precedence=50)
    same = replace(figure(value="7.0"), id="obs-3", source="igate", precedence=60)
    for figures in ([first, second, same], [same, second, first]):
        found = merged(BOUND, figures, CLAIM)
        assert (found.value, found.evidence) == ("7", ("obs-1",))
        assert found.automatic is not None
        assert found.automatic.others == (OtherSource("portal", "H00", "9"),)


# --- whatever the order in which facts arrive ---

MANY = level(
    criterion("C1", "b / a * max"), criterion("C2", "min(a, max)", names="a"), criterion("C3", "min(a, max)", names="a")
)
SHUFFLED_UNITS = [UnitRef(f"H00.0{number}", f"Đơn vị {number}") for number in range(1, 5)]


def bound(rule: Level) -> Level:
    """The level with every input bound to a metric named as its criterion, but for C3."""
    (node,) = rule.nodes
    criteria = tuple(
        item.model_copy(
            update={
                "inputs": tuple(
                    given.model_copy(update={"binding": MetricBinding(metric=item.code)})
                    if item.code != "C3"
                    else given.model_copy(update={"default": Decimal(119)})
                    for given in item.inputs
                )
            }
        )
        for item in node.criteria
    )
    return rule.model_copy(update={"nodes": (node.model_copy(update={"criteria": criteria}),)})


@st.composite
def facts_of_a_night(draw: st.DrawFn) -> tuple[list[Figure], list[tuple[Any, Claim]], list[tuple[Any, Appraised]]]:
    codes = [item.code for item in SHUFFLED_UNITS]
    at = st.tuples(st.sampled_from(codes), st.sampled_from([("C1", "a"), ("C1", "b"), ("C2", "a"), ("C3", "a")])).map(
        lambda pair: (pair[0], *pair[1])
    )
    readings = st.tuples(
        st.sampled_from(codes), st.sampled_from(["C1", "C2"]), st.sampled_from(["one_stop", "portal", "igate"]),
        st.sampled_from([WINDOW, month(2026, 1), month(2026, 2)]),
    )  # fmt: skip
    figures = [
        replace(
            figure(unit, str(draw(st.integers(0, 3))), period=period, age=draw(st.sampled_from([0, 9]))),
            id=f"obs-{number}", metric=metric, source=source, precedence={"one_stop": 10}.get(source, 50),
        )
        for number, (unit, metric, source, period) in enumerate(draw(st.lists(readings, unique=True, max_size=12)))
    ]  # fmt: skip
    said = st.sampled_from([("1", InputState.REPORTED), (None, InputState.MISSING), (None, InputState.NOT_APPLICABLE)])
    claims = [
        (place, Claim(f"claim-{number}", *draw(said)))
        for number, place in enumerate(draw(st.lists(at, unique=True, max_size=8)))
    ]
    decided = [(place, Appraised(f"event-{place}", "2")) for place in draw(st.lists(at, unique=True, max_size=3))]
    return figures, claims, decided


@settings(max_examples=40, deadline=None)
@given(facts_of_a_night(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_in_which_facts_arrive_changes_no_byte(
    given_facts: tuple[list[Figure], list[tuple[Any, Claim]], list[tuple[Any, Appraised]]],
    rng: random.Random,
    claim_first: bool,
) -> None:
    figures, claims, decided = given_facts

    def result() -> str:
        by_metric: dict[tuple[str, str], list[Figure]] = {}
        for item in figures:
            by_metric.setdefault((item.metric, item.unit), []).append(item)
        known = Known(
            NIGHT, lambda unit: WINDOW, lambda metric: "flow", by_metric, dict(claims), dict(decided),
            lambda metric, unit: "bị chặn" if (metric, unit) == ("C2", "H00.01") else None, nothing_forgotten,
            lambda unit, of: (), CLAIM_FIRST if claim_first else DEFAULT,
        )  # fmt: skip
        return repr(merge_level(bound(MANY), SHUFFLED_UNITS, known))

    first = result()
    for facts in (figures, claims, decided):
        rng.shuffle(facts)  # type: ignore[arg-type]
    assert result() == first
