"""Cells from inputs under made-up decisions, and reading and printing figures; golden values are by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from scoring_cases import criterion

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, Policies
from dti_pipeline.scoring.engine import (
    Cell,
    Choices,
    InputValue,
    decimal_text,
    micro,
    parse_decimal,
    parse_value,
    score_cell,
)
from dti_pipeline.scoring.states import CellState, InputState

RATIO = criterion("R", "b / a * max", "2", require=("b <= a",))
FREE = criterion("F", "b / a * max", "2")
SHARE = criterion("S", "ratio(b, a, empty=not_applicable) * max", "2")
PERCENT = criterion("P", "a / 100 * max", "2", names="a", kinds={"a": "percent"})
PLATFORM = criterion("X", "a", "12", names="a", kinds={"a": "number"}, source_score=True)
CHOICE = criterion("O", "option(o, yes=b / a * max, no=0)", options={"o": ("yes", "no")})
COUNT = criterion("C", "min(a, max)", "4", names="a")


def value(number: str | int, state: InputState = InputState.REPORTED, reason: str | None = None) -> InputValue:
    return InputValue(state, Fraction(number), reason)


def absent(state: InputState, reason: str | None = None) -> InputValue:
    return InputValue(state, None, reason)


def cell(
    rule: Criterion, policies: Policies | None = None, choices: Choices | None = None, **inputs: InputValue
) -> Cell:
    found = score_cell(
        policies or Policies(),
        rule,
        "U",
        {("U", rule.code, name): given for name, given in inputs.items()},
        choices,
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


def test_where_the_decision_is_silent_the_operator_may_make_missing_a_zero() -> None:
    silent = cell(RATIO, a=value(3), b=absent(InputState.MISSING))
    assert (silent.state, silent.points) == (CellState.PENDING, None)
    assert "(choices: missing)" in (silent.reason or "")
    chosen = Choices(missing="zero")
    found = cell(RATIO, choices=chosen, a=value(3), b=absent(InputState.MISSING, "chưa nộp"))
    assert (found.state, found.points, found.reason) == (CellState.ZERO_NO_EVIDENCE, 0, "thiếu số liệu: b (chưa nộp)")
    # The choice is about missing evidence only.
    for state in (InputState.UNAVAILABLE, InputState.PENDING, InputState.NOT_APPLICABLE):
        assert cell(RATIO, choices=chosen, a=value(3), b=absent(state)).points is None


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
        return score_cell(ninh_thuan.policies, rule, "U", {("U", "4.1.2", k): v for k, v in given.items()}).points

    assert points(a=value(100)) == Fraction(300, 119)
    assert points(a=value(100), b=value(120)) == Fraction(300, 120)
    assert points(a=value(100), b=absent(InputState.MISSING)) is None
    assert points() is None


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
