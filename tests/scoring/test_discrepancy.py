"""What a unit's claim and its source's figure look like beside each other: every class, and the edges between them.

Not here: which of the two counts (`test_merge.py`) and what a difference is worth (`test_impact.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_args

import pytest
from scoring_cases import level

from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, Merging
from dti_pipeline.scoring.discrepancy import KIND_WORDS, Discrepancy, Kind, discrepancies, other_values
from dti_pipeline.scoring.engine import InputValue, UnitRef
from dti_pipeline.scoring.merge import Appraised, Claim, Known, Merged, merge_level
from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Behaviour, Figure

NIGHT = dt.date(2027, 1, 10)
WINDOW = year(2026)
UNIT = UnitRef("H00.01", "Đơn vị một")
AT = (UNIT.code, "C")


def rule(kind: str = "number", *, bound: bool = True) -> Level:
    spec: dict[str, Any] = {"name": "a", "label": "Số liệu a", "kind": kind}
    if bound:
        spec["binding"] = {"metric": "m"}
    if kind == "option":
        spec["options"] = [{"value": "yes", "label": "Có"}, {"value": "no", "label": "Không"}]
        spec["binding"] = {"metric": "m", "choices": {"1": "yes", "0": "no"}}
    return level(
        Criterion(
            code="C", printed_code="C", name="Tiêu chí C", max_points=Decimal(2), rule="Theo công thức",
            formula="option(a, yes=max, no=0)" if kind == "option" else "min(a, max)",
            inputs=(InputSpec.model_validate(spec),), clause="Phụ lục thử",
        )
    )  # fmt: skip


def figure(value: str | None, period: Period = WINDOW, **more: Any) -> Figure:
    state = InputState.HARVESTED if value is not None else InputState.UNAVAILABLE
    read = Figure(
        f"obs-{period}", "m", UNIT.code, period, state, None if value is None else Decimal(value), None, None,
        seen_on=NIGHT, stale_after_days=3,
    )  # fmt: skip
    return replace(read, **more)


def claimed(value: str | None, state: InputState = InputState.REPORTED) -> Claim:
    return Claim("claim-1", value, state if value is not None or state is not InputState.REPORTED else state.MISSING)


def sides(
    claim: Claim | None,
    *figures: Figure,
    under: Level | None = None,
    behaviour: Behaviour = "flow",
    waiting: Collection[tuple[str, str]] = (),
    appraised: Appraised | None = None,
    window: Period = WINDOW,
    night: dt.date = NIGHT,
    **words: Any,
) -> tuple[tuple[Discrepancy, ...], tuple[Merged, ...]]:
    under = under or rule()
    known = Known(
        night, lambda unit: window, lambda metric: behaviour, {("m", UNIT.code): figures},
        {} if claim is None else {(*AT, "a"): claim}, {} if appraised is None else {(*AT, "a"): appraised},
        lambda metric, unit: None, lambda metric, unit, window: None, lambda unit, of: (),
        Merging.model_validate(words),
    )  # fmt: skip
    merged = merge_level(under, [UNIT], known)
    return discrepancies(under, merged, known, waiting), merged


def found(claim: Claim | None, *figures: Figure, **more: Any) -> Discrepancy:
    (one,), _ = sides(claim, *figures, **more)
    return one


def kinds(pairs: Sequence[tuple[str, str]], **more: Any) -> list[str]:
    return [found(claimed(mine), figure(theirs), **more).kind for mine, theirs in pairs]


def test_equal_is_by_value_and_not_by_spelling() -> None:
    assert kinds([("7", "7"), ("7.0", "7"), ("0", "0"), ("7", "7.000")]) == ["equal"] * 4


def test_without_a_tolerance_any_difference_is_one() -> None:
    assert kinds([("7.01", "7"), ("6.99", "7"), ("0", "7"), ("7", "0")]) == [
        "claim_higher", "claim_lower", "claim_lower", "claim_higher",
    ]  # fmt: skip


def test_exactly_at_an_absolute_tolerance_is_within_it() -> None:
    pairs = [("7.5", "7"), ("6.5", "7"), ("7.51", "7"), ("6.49", "7"), ("0.5", "0")]
    assert kinds(pairs, tolerance={"absolute": "0.5"}) == [
        "within_tolerance", "within_tolerance", "claim_higher", "claim_lower", "within_tolerance",
    ]  # fmt: skip


def test_a_relative_tolerance_is_a_share_of_what_the_source_says() -> None:
    # 1 % of 300 is 3. In floats 0.1 × 3 is 0.30000000000000004: 3.3 beside 3 is exactly at 10 %.
    pairs = [("303", "300"), ("297", "300"), ("303.01", "300"), ("296.99", "300")]
    expected = ["within_tolerance", "within_tolerance", "claim_higher", "claim_lower"]
    assert kinds(pairs, tolerance={"relative": "0.01"}) == expected
    assert kinds([("3.3", "3"), ("3.3000001", "3")], tolerance={"relative": "0.1"}) == [
        "within_tolerance", "claim_higher",
    ]  # fmt: skip
    assert kinds([("1", "0")], tolerance={"relative": "1"}) == ["claim_higher"], "a share of nothing is nothing"


def test_of_two_tolerances_the_one_that_allows_more_counts() -> None:
    both = {"absolute": "2", "relative": "0.01"}
    assert kinds([("302", "300"), ("303", "300"), ("12", "10"), ("12.1", "10")], tolerance=both) == [
        "within_tolerance", "within_tolerance", "within_tolerance", "claim_higher",
    ]  # fmt: skip


def test_a_criterion_can_have_its_own_tolerance() -> None:
    own = {"criteria": ["C"], "tolerance": {"absolute": "3"}}
    assert kinds([("10", "7")], rules=[own]) == ["within_tolerance"]
    assert kinds([("10", "7")], rules=[own | {"criteria": ["D"]}]) == ["claim_higher"]
    assert kinds([("10", "7")], rules=[{"metrics": ["m"], "tolerance": {"absolute": "3"}}]) == ["within_tolerance"]


@pytest.mark.parametrize(
    ("mine", "theirs", "note"),
    [
        ("0.85", "85", "nhân 100"),
        ("85", "0.85", "chia 100"),
        ("12", "12000", "nhân 1000"),
        ("12000", "12", "chia 1000"),
        ("1.5", "1500000", "nhân 1000000"),
        ("1500000", "1.5", "chia 1000000"),
    ],
)
def test_a_claim_in_another_unit(mine: str, theirs: str, note: str) -> None:
    one = found(claimed(mine), figure(theirs))
    assert (one.kind, one.note) == ("unit_mismatch", f"số báo cáo {note} thì khớp số liệu tự động")


def test_a_unit_fits_within_the_tolerance_too_and_a_zero_has_none() -> None:
    assert kinds([("0.85", "85.1")]) == ["claim_lower"]
    assert kinds([("0.85", "85.1")], tolerance={"absolute": "0.1"}) == ["unit_mismatch"]
    assert kinds([("0", "85"), ("85", "0")], tolerance={"absolute": "1"}) == ["claim_lower", "claim_higher"]


@pytest.mark.parametrize(
    ("period", "told"),
    [
        (year(2025), "01/01/2025–31/12/2025"),
        (quarter(2026, 4), "01/10/2026–31/12/2026"),
        (month(2026, 2), "01/02/2026–28/02/2026"),
        (month(2025, 12), "01/12/2025–31/12/2025"),
    ],
)
def test_a_claim_that_is_the_figure_of_another_period(period: Period, told: str) -> None:
    one = found(claimed("13"), figure("120"), figure("13", period))
    assert (one.kind, one.note) == ("period_mismatch", f"trùng số liệu của nguồn kỳ {told}")


def test_a_period_put_together_from_months_counts_and_one_that_is_not_over_does_not() -> None:
    months = [figure(str(number), month(2026, number)) for number in (1, 2, 3)]
    one = found(claimed("6"), figure("120"), *months)
    assert (one.kind, one.note) == ("period_mismatch", "trùng số liệu của nguồn kỳ 01/01/2026–31/03/2026")
    assert found(claimed("13"), figure("120"), figure("13", month(2027, 1))).kind == "claim_lower"
    assert found(claimed("0"), figure("120"), figure("0", year(2025))).kind == "claim_lower", "a zero tells nothing"
    assert found(claimed("120"), figure("120"), figure("120", year(2025))).kind == "equal"


def test_a_window_that_is_no_year_has_its_own_year_beside_it_once_that_is_over() -> None:
    quarterly = (claimed("13"), figure("120", quarter(2026, 3)), figure("13", year(2026)))
    assert found(*quarterly, window=quarter(2026, 3)).kind == "period_mismatch"
    running = {"window": quarter(2026, 3), "night": dt.date(2026, 12, 30)}
    assert found(*quarterly, **running).kind == "claim_lower"
    october = (claimed("13"), figure("120"), figure("13", month(2026, 10)))
    assert found(*october, night=dt.date(2026, 10, 30)).kind == "claim_lower"
    assert found(*october, night=dt.date(2026, 10, 31)).kind == "period_mismatch"


def test_a_figure_of_days_that_are_over_is_known_however_long_ago_it_was_read() -> None:
    old = figure("13", year(2025), seen_on=NIGHT - dt.timedelta(days=300))
    assert found(claimed("13"), figure("120"), old).kind == "period_mismatch"


def test_another_unit_goes_before_another_period() -> None:
    assert found(claimed("12"), figure("1200"), figure("12", year(2025))).kind == "unit_mismatch"


def test_options_compare_by_value_alone() -> None:
    option = rule("option")
    assert found(claimed("yes"), figure("1"), under=option).kind == "equal"
    assert found(claimed("yes"), figure("0"), figure("1", year(2025)), under=option).kind == "differs"


@pytest.mark.parametrize("state", [InputState.MISSING, InputState.NOT_APPLICABLE])
def test_a_claim_without_a_value_is_a_state(state: InputState) -> None:
    assert found(claimed(None, state), figure("7")).kind == "only_automatic"
    assert found(None, figure("7")).kind == "only_automatic"


def test_a_source_without_a_value_is_a_state() -> None:
    for figures in ([], [figure(None)], [figure(None, state=InputState.NOT_APPLICABLE)]):
        one = found(claimed("7"), *figures)
        assert one.kind == "only_claim"
        assert one.automatic is not None
        assert one.automatic.value is None


def test_a_stale_figure_is_shown_and_not_compared() -> None:
    old = figure("7", seen_on=NIGHT - dt.timedelta(days=4))
    one = found(claimed("7"), old)
    assert one.automatic is not None
    assert (one.kind, one.automatic.state, one.automatic.value) == ("only_claim", InputState.STALE, "7")
    assert found(None, old).kind == "only_automatic"


def test_where_nobody_says_anything_there_is_nothing_to_compare() -> None:
    assert sides(None)[0] == ()
    assert sides(claimed(None), figure(None))[0] == ()


def test_a_claim_without_a_source_is_listed_only_where_it_does_not_count() -> None:
    own = rule(bound=False)
    assert sides(claimed("7"), under=own)[0] == ()
    assert found(claimed("7"), under=own, waiting={AT}).kind == "only_claim"
    one = found(claimed("7"), under=own, appraised=Appraised("event-1", "5"))
    assert (one.kind, one.claim, one.automatic) == ("only_claim", claimed("7"), None)


def test_every_kind_has_words() -> None:
    assert set(KIND_WORDS) == set(get_args(Kind))


# --- the value beside the one that counts ---

CLAIMED, MEASURED = InputValue(InputState.REPORTED, Fraction(9)), InputValue(InputState.HARVESTED, Fraction(7))


def others(*figures: Figure, waiting: Collection[tuple[str, str]] = (), **more: Any) -> dict[Any, Any]:
    under = more.setdefault("under", rule())
    return other_values(under, sides(more.pop("claim", claimed("9")), *figures, **more)[1], waiting)


def test_the_other_value_is_the_claim_or_where_that_counts_what_the_source_says() -> None:
    first = {"precedence": ["appraised", "self_reported", "automatic"], "clause": "Điều 9"}
    assert others(figure("7")) == {AT: {"a": CLAIMED}}
    assert others(figure("7"), **first) == {AT: {"a": MEASURED}}
    assert others(figure(None)) == {AT: {"a": CLAIMED}}, "what the claim would be worth"
    assert others(figure("7"), appraised=Appraised("event-1", "5")) == {AT: {"a": CLAIMED}}


def test_there_is_no_other_value_where_only_one_side_speaks() -> None:
    assert others(figure("7"), claim=None) == {}
    assert others(figure("9")) == {}, "both say the same"
    assert others(under=rule(bound=False)) == {}
    assert others(under=rule(bound=False), waiting={AT}) == {AT: {"a": CLAIMED}}, "it waits: what it would be worth"
