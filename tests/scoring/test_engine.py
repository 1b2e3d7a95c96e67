"""Cells from inputs, totals, published figures and ranks, under made-up decisions; golden values are by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

import pytest
from scoring_cases import criterion

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, Decision, Framework, Level, Node, Policies, Stated
from dti_pipeline.scoring.engine import (
    Cell,
    ChoiceNeeded,
    Choices,
    InputValue,
    LevelResult,
    UnitRef,
    UnitResult,
    competition_ranks,
    decimal_text,
    micro,
    parse_decimal,
    parse_value,
    pool_of,
    rank_level,
    score_cell,
    score_level,
)
from dti_pipeline.scoring.report import level_result
from dti_pipeline.scoring.states import CellState, InputState

Pool = Literal["level", "province", "parent"]


def framework(*criteria: Criterion, pool: Pool = "level", **more: Any) -> Framework:
    level = Level(
        level="department", name="Cấp thử", basis="decision", pools=(pool,), stated=Stated(),
        nodes=(Node(code="N", kind="main", name="Nhóm thử", criteria=criteria),),
    )  # fmt: skip
    decision = Decision(
        number="01/QĐ-THU", issued_on=dt.date(2026, 1, 1), issuer="UBND tỉnh Thực Hành", title="Bộ chỉ số thử"
    )
    return Framework(
        id="thu", decision=decision, province="tỉnh Thực Hành (đơn vị hư cấu)", window="year", levels=(level,), **more
    )


RATIO = criterion("R", "b / a * max", "2", require=("b <= a",))
FREE = criterion("F", "b / a * max", "2")
SHARE = criterion("S", "ratio(b, a, empty=not_applicable) * max", "2")
PERCENT = criterion("P", "a / 100 * max", "2", names="a", kinds={"a": "percent"})
PLATFORM = criterion("X", "a", "12", names="a", kinds={"a": "number"}, source_score=True)
CHOICE = criterion("O", "option(o, yes=b / a * max, no=0)", options={"o": ("yes", "no")})
COUNT = criterion("C", "min(a, max)", "4", names="a")
SECOND = criterion("D", "min(a, max)", "4", names="a")


def value(number: str | int, state: InputState = InputState.REPORTED, reason: str | None = None) -> InputValue:
    return InputValue(state, Fraction(number), reason)


def absent(state: InputState, reason: str | None = None) -> InputValue:
    return InputValue(state, None, reason)


def cell(rule: Criterion, policies: Policies | None = None, **inputs: InputValue) -> Cell:
    found = score_cell(
        framework(rule, policies=policies or Policies()),
        rule,
        "U",
        {("U", rule.code, name): given for name, given in inputs.items()},
    )
    assert (found.unit, found.criterion) == ("U", rule.code)
    return found


# --- cells ---


@pytest.mark.parametrize("state", [InputState.REPORTED, InputState.HARVESTED, InputState.APPRAISED])
def test_an_input_with_a_value_scores(state: InputState) -> None:
    found = cell(RATIO, a=value(3, state), b=value(1, state))
    assert (found.state, found.points, found.reason) == (CellState.SCORED, Fraction(2, 3), None)


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (InputState.PENDING, CellState.PENDING),
        (InputState.MISSING, CellState.PENDING),
        (InputState.UNAVAILABLE, CellState.UNAVAILABLE),
        (InputState.NOT_APPLICABLE, CellState.NOT_APPLICABLE),
    ],
)
def test_an_input_without_a_value_gives_no_points_and_says_which_and_why(state: InputState, becomes: CellState) -> None:
    found = cell(RATIO, a=value(3), b=absent(state, "lời giải thích"))
    assert (found.state, found.points) == (becomes, None)
    assert "b" in (found.reason or "").split(": ")[1].split()[0]
    assert "lời giải thích" in (found.reason or "")


def test_an_input_that_stands_nowhere_is_pending() -> None:
    found = cell(RATIO, a=value(3))
    assert (found.state, found.points) == (CellState.PENDING, None)


def test_missing_is_zero_only_where_the_decision_says_so() -> None:
    found = cell(RATIO, Policies(missing="zero"), a=value(3), b=absent(InputState.MISSING))
    assert (found.state, found.points) == (CellState.ZERO_NO_EVIDENCE, 0)
    for state in (InputState.UNAVAILABLE, InputState.PENDING, InputState.NOT_APPLICABLE):
        assert cell(RATIO, Policies(missing="zero"), a=value(3), b=absent(state)).points is None


def test_a_failed_source_outweighs_a_missing_claim() -> None:
    found = cell(RATIO, Policies(missing="zero"), a=absent(InputState.UNAVAILABLE), b=absent(InputState.MISSING))
    assert (found.state, found.points) == (CellState.UNAVAILABLE, None)


def test_a_stale_value_scores_but_says_so() -> None:
    found = cell(RATIO, a=value(4), b=value(1, InputState.STALE, "số liệu của 9 ngày trước"))
    assert (found.state, found.points) == (CellState.STALE, Fraction(1, 2))
    assert found.reason == "số liệu của 9 ngày trước"


def test_a_score_of_the_platform_is_marked_as_such() -> None:
    assert cell(PLATFORM, a=value("7.51")).state is CellState.SOURCE_SCORE
    assert cell(PLATFORM, a=value("7.51")).points == Fraction(751, 100)


def test_a_broken_requirement_waits_and_names_it() -> None:
    found = cell(RATIO, a=value(3), b=value(4))
    assert (found.state, found.points) == (CellState.PENDING, None)
    assert "b <= a" in (found.reason or "")
    assert cell(RATIO, a=value(3), b=value(3)).points == 2


def test_points_above_the_maximum_are_not_cut_but_wait() -> None:
    assert cell(FREE, a=value(3), b=value(4)).state is CellState.PENDING
    assert cell(FREE, a=value(3), b=value(3)).points == 2
    assert cell(PLATFORM, a=value("12.01")).state is CellState.PENDING


def test_a_percentage_above_100_waits() -> None:
    capped = criterion("P", "min(a / 100, 1) * max", "2", names="a", kinds={"a": "percent"})
    assert cell(capped, a=value("100.01")).state is CellState.PENDING
    assert "100" in (cell(capped, a=value("100.01")).reason or "")
    assert cell(capped, a=value(100)).points == 2
    assert cell(PERCENT, a=value("12.5")).points == Fraction(1, 4)


def test_a_denominator_of_zero_waits_unless_the_rule_says_what_it_is_worth() -> None:
    assert cell(RATIO, a=value(0), b=value(0)).state is CellState.PENDING
    assert cell(SHARE, a=value(0), b=value(0)).state is CellState.NOT_APPLICABLE


def test_only_the_branch_that_is_taken_needs_its_inputs() -> None:
    no = InputValue(InputState.REPORTED, "no")
    assert cell(CHOICE, o=no).points == 0
    assert cell(CHOICE, o=no).state is CellState.SCORED
    assert cell(CHOICE, o=InputValue(InputState.REPORTED, "yes")).state is CellState.PENDING


def test_the_figure_that_the_decision_prints_is_used_until_another_is_handed_in() -> None:
    ninh_thuan = load_framework("ninh-thuan-2021")
    rule = ninh_thuan.level("province").criterion("4.1.2")

    def points(**given: InputValue) -> Fraction | None:
        return score_cell(ninh_thuan, rule, "U", {("U", "4.1.2", k): v for k, v in given.items()}).points

    assert points(a=value(100)) == Fraction(300, 119)
    assert points(a=value(100), b=value(120)) == Fraction(300, 120)
    assert points(a=value(100), b=absent(InputState.MISSING)) is None
    assert points() is None


# --- totals and ranks ---


def unit(code: str, name: str | None = None, parent: str | None = None) -> UnitRef:
    return UnitRef(code, name or f"Đơn vị {code}", parent)


Given = Mapping[str, Sequence[str | CellState]]


def ranked(under: Framework, given: Given, choices: Choices | None = None, *units: UnitRef) -> LevelResult:
    """Points, or a state without points, per unit in the order of the criteria."""
    level = under.levels[0]
    cells = {}
    for code, row in given.items():
        for rule, item in zip(level.criteria, row, strict=False):
            state, points = (item, None) if isinstance(item, CellState) else (CellState.SCORED, Fraction(item))
            cells[code, rule.code] = Cell(code, rule.code, state, points)
    return rank_level(under, level, units or [unit(code) for code in given], cells, choices)


def by_code(result: LevelResult) -> dict[str, UnitResult]:
    return {item.unit.code: item for item in result.units}


def test_totals_are_exact() -> None:
    thirds = framework(*(criterion(code, "b / a * max", "1") for code in "JKL"))
    inputs = {("U", code, name): value(n) for code in "JKL" for name, n in (("a", 3), ("b", 1))}
    (result,) = score_level(thirds, thirds.levels[0], [unit("U")], inputs).units
    assert (result.total, result.percent, result.published) == (1, Fraction(100, 3), 1)
    assert [item.points for item in result.cells] == [Fraction(1, 3)] * 3
    assert not result.is_provisional
    sevenths = framework(criterion("J", "b / a * max", "4"))
    inputs = {("U", "J", "a"): value(7), ("U", "J", "b"): value(1)}
    (result,) = score_level(sevenths, sevenths.levels[0], [unit("U")], inputs).units
    assert (result.total, result.published) == (Fraction(4, 7), Fraction(57, 100))


@pytest.mark.parametrize(
    ("total", "decimals", "published"),
    [("2.005", 2, "2.01"), ("0.125", 2, "0.13"), ("2.00499", 2, "2.00"), ("2.995", 2, "3.00"), ("2.5", 0, "3")],
)
def test_the_published_figure_is_rounded_half_up(total: str, decimals: int, published: str) -> None:
    result = ranked(framework(COUNT, decimals=decimals), {"U": [total]})
    assert result.units[0].total == Fraction(total)
    assert level_result(result)["units"][0]["published"] == published


def test_ties_on_the_published_figure_share_a_rank_and_the_next_is_skipped() -> None:
    given = {"A": ["1"], "B": ["2.004"], "C": ["3.001"], "E": ["1.996"]}
    assert {code: item.rank for code, item in by_code(ranked(framework(COUNT), given)).items()} == {
        "C": 1, "B": 2, "E": 2, "A": 4,
    }  # fmt: skip
    exactly = by_code(ranked(framework(COUNT, rank_on="exact"), given))
    assert {code: item.rank for code, item in exactly.items()} == {"C": 1, "B": 2, "E": 3, "A": 4}
    assert {code: item.rank_in_pool for code, item in exactly.items()} == {"C": 1, "B": 2, "E": 3, "A": 4}


def test_competition_ranks() -> None:
    scores = {"a": Fraction(5), "b": Fraction(7), "c": Fraction(5), "d": Fraction(5), "e": Fraction(0)}
    assert competition_ranks(scores) == {"b": 1, "a": 2, "c": 2, "d": 2, "e": 5}
    assert competition_ranks({}) == {}


def test_equals_stand_in_vietnamese_order() -> None:
    names = ["Sở Dân tộc", "Sở Du lịch", "Sở Đầu tư", "Sở E"]
    units = [unit(f"{9 - position}", name) for position, name in enumerate(names)]
    result = ranked(framework(COUNT), {item.code: ["2"] for item in units}, None, *reversed(units))
    assert [item.unit.name for item in result.units] == names
    assert {item.rank for item in result.units} == {1}
    same = [unit("2", "Xã"), unit("1", "Xã")]
    result = ranked(framework(COUNT), {"1": ["2"], "2": ["2"]}, None, *same)
    assert [item.unit.code for item in result.units] == ["1", "2"]


@pytest.mark.parametrize("state", [CellState.ZERO_NO_EVIDENCE, CellState.ZERO_LATE, CellState.ZERO_REJECTED])
def test_zero_states_are_worth_0_whatever_stands_beside_them(state: CellState) -> None:
    under = framework(COUNT, SECOND)
    cells = {
        ("U", "C"): Cell("U", "C", state, Fraction(4), "nộp muộn"),
        ("U", "D"): Cell("U", "D", CellState.SCORED, Fraction(1)),
    }
    (result,) = rank_level(under, under.levels[0], [unit("U")], cells).units
    assert (result.total, result.max_points, result.is_provisional) == (1, 8, False)
    assert (result.cells[0].points, result.cells[0].reason) == (0, "nộp muộn")


@pytest.mark.parametrize(
    ("state", "total"),
    [
        (CellState.PENDING, 1),
        (CellState.UNAVAILABLE, 1),
        (CellState.NOT_APPRAISED, 1),
        (CellState.STALE, 4),
    ],
)
def test_open_cells_make_the_total_provisional_and_do_not_stop_the_ranking(state: CellState, total: int) -> None:
    under = framework(COUNT, SECOND)
    points = Fraction(3) if state is CellState.STALE else None
    cells = {
        ("U", "C"): Cell("U", "C", state, points),
        ("U", "D"): Cell("U", "D", CellState.SCORED, Fraction(1)),
        ("V", "C"): Cell("V", "C", CellState.SOURCE_SCORE, Fraction(2)),
        ("V", "D"): Cell("V", "D", CellState.SCORED, Fraction(0)),
    }
    result = by_code(rank_level(under, under.levels[0], [unit("U"), unit("V")], cells))
    assert (result["U"].total, result["U"].max_points, result["U"].is_provisional) == (total, 8, True)
    assert (result["V"].total, result["V"].is_provisional) == (2, False)
    assert {result["U"].rank, result["V"].rank} == {1, 2}


def test_points_beside_an_open_state_add_nothing() -> None:
    under = framework(COUNT)
    cells = {("U", "C"): Cell("U", "C", CellState.NOT_APPRAISED, Fraction(4))}
    assert rank_level(under, under.levels[0], [unit("U")], cells).units[0].total == 0


def test_a_cell_that_nobody_names_is_pending() -> None:
    (result,) = ranked(framework(COUNT, SECOND), {"U": ["3"]}).units
    assert [item.state for item in result.cells] == [CellState.SCORED, CellState.PENDING]
    assert (result.total, result.max_points, result.is_provisional) == (3, 8, True)


# --- what the decision is silent about ---

NA, SECRET = CellState.NOT_APPLICABLE, CellState.EXCLUDED
MIXED: Given = {"A": ["1", NA], "B": ["1.2", "0.8"], "E": ["0", "0"]}


def test_a_silent_decision_needs_a_choice_and_names_where() -> None:
    with pytest.raises(ChoiceNeeded, match=r"đơn vị A, tiêu chí D.*01/QĐ-THU.*not_applicable"):
        ranked(framework(COUNT, SECOND), MIXED)
    with pytest.raises(ChoiceNeeded, match="not_applicable"):
        ranked(framework(COUNT, SECOND), MIXED, Choices(excluded="leave_maximum"))
    with pytest.raises(ChoiceNeeded, match=r"đơn vị A, tiêu chí D.*excluded"):
        ranked(framework(COUNT, SECOND), {"A": ["1", SECRET]}, Choices(not_applicable="zero"))


def test_a_choice_is_not_asked_for_where_nothing_needs_it() -> None:
    assert ranked(framework(COUNT), {"A": ["1"]}).notes == ()


@pytest.mark.parametrize(
    ("policies", "choices", "who"),
    [
        (Policies(not_applicable="zero"), None, "theo 01/QĐ-THU"),
        (Policies(not_applicable="zero"), Choices(not_applicable="rescale"), "theo 01/QĐ-THU"),
        (Policies(), Choices(not_applicable="zero"), "người vận hành"),
    ],
)
def test_not_applicable_as_zero_keeps_the_maximum(policies: Policies, choices: Choices | None, who: str) -> None:
    result = ranked(framework(COUNT, SECOND, policies=policies), MIXED, choices)
    found = by_code(result)
    assert (found["A"].total, found["A"].max_points, found["A"].published) == (1, 8, 1)
    assert (found["A"].percent, found["A"].is_provisional) == (Fraction(25, 2), False)
    assert [item.unit.code for item in result.units] == ["B", "A", "E"]
    assert any("zero" in note and who in note for note in result.notes)


@pytest.mark.parametrize(
    ("policies", "choices", "who"),
    [
        (Policies(not_applicable="rescale"), Choices(not_applicable="zero"), "theo 01/QĐ-THU"),
        (Policies(), Choices(not_applicable="rescale"), "người vận hành"),
    ],
)
def test_rescaling_ranks_the_whole_pool_on_percent(policies: Policies, choices: Choices | None, who: str) -> None:
    # A: 1 of 4 is 25 %; B: 2 of 8 is 25 %; on points alone B would lead.
    result = ranked(framework(COUNT, SECOND, policies=policies), MIXED, choices)
    found = by_code(result)
    assert (found["A"].total, found["A"].max_points, found["A"].published, found["A"].rank) == (1, 4, 25, 1)
    assert (found["B"].total, found["B"].max_points, found["B"].published, found["B"].rank) == (2, 8, 25, 1)
    assert (found["E"].rank, found["E"].rank_in_pool) == (3, 3)
    assert any("rescale" in note and who in note for note in result.notes)


def test_a_state_secret_leaves_the_maximum() -> None:
    given: Given = {"A": ["1", SECRET], "B": ["1.9", "0"]}
    for policies, choices in (
        (Policies(excluded="leave_maximum"), None),
        (Policies(), Choices(excluded="leave_maximum")),
    ):
        result = ranked(framework(COUNT, SECOND, policies=policies), given, choices)
        found = by_code(result)
        assert (found["A"].max_points, found["A"].published, found["A"].rank) == (4, 25, 1)
        assert (found["B"].published, found["B"].rank) == (Fraction("23.75"), 2)
        assert any("bí mật nhà nước" in note for note in result.notes)


def test_a_unit_to_which_nothing_applies_has_no_maximum_and_no_percent() -> None:
    (result,) = ranked(framework(COUNT), {"A": [NA]}, Choices(not_applicable="rescale")).units
    assert (result.total, result.max_points, result.percent, result.published) == (0, 0, 0, 0)


# --- pools ---


def test_units_are_ranked_within_their_pool_and_over_the_level() -> None:
    given: Given = {"H00.01": ["1"], "H00.02": ["3"], "H99.01": ["2"], "H99.02": ["2"]}
    found = by_code(ranked(framework(COUNT, pool="province"), given))
    assert {code: (item.pool, item.rank, item.rank_in_pool) for code, item in found.items()} == {
        "H00.02": ("H00", 1, 1),
        "H99.01": ("H99", 2, 1),
        "H99.02": ("H99", 2, 1),
        "H00.01": ("H00", 4, 2),
    }


def test_only_the_pool_with_a_reduced_maximum_publishes_percent() -> None:
    given: Given = {"H00.01": ["1", NA], "H00.02": ["3", "0"], "H99.01": ["2", "1.6"]}
    found = by_code(ranked(framework(COUNT, SECOND, pool="province"), given, Choices(not_applicable="rescale")))
    assert {code: str(float(item.published)) for code, item in found.items()} == {
        "H00.01": "25.0", "H00.02": "37.5", "H99.01": "3.6",
    }  # fmt: skip
    # Over the level one base orders all: 45 %, 37.5 %, 25 %.
    assert {code: item.rank for code, item in found.items()} == {"H99.01": 1, "H00.02": 2, "H00.01": 3}


def test_pools_by_parent() -> None:
    level = framework(COUNT, pool="parent").levels[0]
    assert pool_of(level, unit("H00.90.1", parent="H00.90")) == "H00.90"
    assert pool_of(level, unit("H00.90.1")) == "H00"
    assert pool_of(framework(COUNT).levels[0], unit("H00.90.1", parent="H00.90")) == "department"


# --- printing and reading figures ---


@pytest.mark.parametrize(
    ("figure", "decimals", "least", "text"),
    [
        (Fraction(1, 3), 6, 0, "0.333333"),
        (Fraction(2, 3), 6, 0, "0.666667"),
        (Fraction(1, 2), 6, 0, "0.5"),
        (Fraction(100), 6, 0, "100"),
        (Fraction(100), 2, 2, "100.00"),
        (Fraction(0), 6, 0, "0"),
        (Fraction(1, 10**6), 6, 0, "0.000001"),
        (Fraction(5, 10**7), 6, 0, "0.000001"),
        (Fraction(10), 0, 0, "10"),
    ],
)
def test_decimal_strings(figure: Fraction, decimals: int, least: int, text: str) -> None:
    assert decimal_text(figure, decimals, least) == text


def test_millionths() -> None:
    assert [micro(Fraction(2, 3)), micro(Fraction(1, 2)), micro(Fraction(5, 10**7))] == [666667, 500000, 1]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("1.50", Fraction(3, 2)), ("0.1", Fraction(1, 10))])
def test_plain_decimals(text: str, number: Fraction | int) -> None:
    assert parse_decimal(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "1,5", "-1", "+1", "1e3", "1E3", " 1", "1.", ".5", "1.2.3", "1_000", "٣", "1.٣", "²", "nan", "inf", "1/2"],
)
def test_anything_else_is_not_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a non-negative decimal"):
        parse_decimal(text)
    with pytest.raises(ValueError, match="not a non-negative decimal"):
        parse_decimal("9" * 61)


def test_values_by_kind() -> None:
    count, choice = COUNT.input("a"), CHOICE.input("o")
    assert parse_value(count, "3.0") == 3
    with pytest.raises(ValueError, match="whole number"):
        parse_value(count, "3.5")
    assert parse_value(PLATFORM.input("a"), "3.5") == Fraction(7, 2)
    assert parse_value(choice, "yes") == "yes"
    with pytest.raises(ValueError, match="known: yes, no"):
        parse_value(choice, "Yes")
