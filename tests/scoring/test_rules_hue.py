"""Huế's rules (QĐ 931/QĐ-UBND): percent for a whole pool as soon as one cell is not applicable; all figures by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranking_cases import NA, SECRET, Item, a_decision, a_level, by_code, ranked, unit

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Framework, Policies
from dti_pipeline.scoring.engine import Choices, UnitRef
from dti_pipeline.scoring.ranking import ChoiceNeeded

Reading = Literal["rescale", "prorate"]


def hue(*maxima: str, reading: Reading = "rescale", rank_on: Literal["published", "exact"] = "published") -> Framework:
    level = a_level(*maxima, level="commune", pools=("parent",))
    return a_decision(level, policies=Policies(not_applicable=reading), rank_on=rank_on)


def test_these_are_the_rules_of_the_framework_file() -> None:
    found = load_framework("hue-2024")
    assert (found.policies.not_applicable, found.rank_on, found.ratings) == ("rescale", "published", "none")
    assert {level.level: level.pools[0] for level in found.levels} == {
        "department": "level", "district": "level", "commune": "parent",
    }  # fmt: skip


ONE, TWO = "H00.90", "H00.91"
A, B = unit("H00.90.1", "A", ONE), unit("H00.90.2", "B", ONE)
C, D = unit("H00.91.1", "C", TWO), unit("H00.91.2", "D", TWO)
ROWS: dict[UnitRef, tuple[Item, ...]] = {
    A: ("160", "90", NA),
    B: ("180", "80", "60"),
    C: ("150", "50", "50"),
    D: ("150", "100", "80"),
}


def test_one_not_applicable_cell_puts_its_whole_pool_on_percent_and_no_other() -> None:
    # A: 250 of 291 = 25000/291 = 85.910…; B: 320 of 391 = 32000/391 = 81.841…; on points B would lead 320 : 250.
    found = by_code(ranked(hue("191", "100", "100"), ROWS))
    a, b, c, d = (found[ref.code] for ref in (A, B, C, D))
    assert (a.total, a.max_points, a.percent) == (250, 291, Fraction(25000, 291))
    assert (b.total, b.max_points, b.percent) == (320, 391, Fraction(32000, 391))
    assert [(item.basis, item.printed, item.rank_in_pool) for item in (a, b)] == [
        ("percent", "85.91", 1), ("percent", "81.84", 2),
    ]  # fmt: skip
    # The other pool stays on points: 330 before 250.
    assert [(item.basis, item.printed, item.rank_in_pool) for item in (c, d)] == [
        ("points", "250.00", 2), ("points", "330.00", 1),
    ]  # fmt: skip
    assert (c.total, c.max_points, c.percent) == (250, 391, Fraction(25000, 391))


def test_over_the_level_one_base_orders_all() -> None:
    # 85.91 A; 33000/391 = 84.398… D; 81.84 B; 25000/391 = 63.938… C.
    result = ranked(hue("191", "100", "100"), ROWS)
    assert [(item.unit.name, item.rank, item.level_published) for item in result.units] == [
        ("A", 1, Fraction("85.91")), ("D", 2, Fraction("84.40")), ("B", 3, Fraction("81.84")),
        ("C", 4, Fraction("63.94")),
    ]  # fmt: skip
    assert {item.level_basis for item in result.units} == {"percent"}


def test_without_such_a_cell_every_pool_is_ranked_on_points() -> None:
    result = ranked(hue("191", "100", "100"), ROWS | {A: ("160", "90", "0")})
    assert {(item.basis, item.level_basis, item.max_points) for item in result.units} == {("points", "points", 391)}
    assert [(item.unit.name, item.rank, item.rank_in_pool, item.printed) for item in result.units] == [
        ("D", 1, 1, "330.00"), ("B", 2, 1, "320.00"), ("A", 3, 2, "250.00"), ("C", 3, 2, "250.00"),
    ]  # fmt: skip
    assert not any("không áp dụng" in note for note in result.notes)


def test_prorate_gives_the_cell_its_share_of_the_rest() -> None:
    # 100 × 250/291 = 25000/291 for the cell; 250 + 25000/291 = 97750/291 = 335.910… of 391.
    result = ranked(hue("191", "100", "100", reading="prorate"), ROWS)
    a = by_code(result)[A.code]
    assert (a.cells[2].state, a.cells[2].points) == (NA, Fraction(25000, 291))
    assert (a.total, a.max_points, a.basis, a.printed) == (Fraction(97750, 291), 391, "points", "335.91")
    assert [item.unit.name for item in result.units] == ["A", "D", "B", "C"]
    assert a.percent == Fraction(25000, 291)


def test_prorate_beside_a_state_secret_spreads_over_what_is_left() -> None:
    # 160 of 191; the cell of 100 gets 16000/191; 160 + 16000/191 = 46560/191 of 291; the percent stays 160/191.
    level = a_level("191", "100", "100")
    under = a_decision(level, policies=Policies(not_applicable="prorate", excluded="leave_maximum"))
    (a,) = ranked(under, {"A": ("160", NA, SECRET)}).units
    assert (a.total, a.max_points, a.percent) == (Fraction(46560, 191), 291, Fraction(16000, 191))
    assert a.basis == "percent"


@pytest.mark.parametrize("reading", ["rescale", "prorate"])
def test_a_unit_with_nothing_to_assess_is_not_ranked_on_a_zero(reading: Reading) -> None:
    result = ranked(hue("10", "10", reading=reading), {A: (NA, NA), B: ("5", "5")})
    a = by_code(result)[A.code]
    assert (a.total, a.max_points, a.percent, a.published) == (0, 0, 0, 0)
    assert (a.standing, a.standing_reason, a.rank) == ("unranked", "không có tiêu chí nào để đánh giá", None)
    assert by_code(result)[B.code].rank == 1


def test_a_zero_is_not_a_not_applicable_cell() -> None:
    found = by_code(ranked(hue("100", "100"), {A: ("50", "0"), B: ("50", NA)}))
    assert (found[A.code].percent, found[B.code].percent) == (25, 50)


def test_a_choice_against_the_decision_is_refused_and_never_ignored() -> None:
    with pytest.raises(ChoiceNeeded, match="quy định not_applicable là rescale; không chọn zero được"):
        ranked(hue("100", "100"), {A: ("50", NA)}, Choices(not_applicable="zero"))


def test_the_other_reading_may_be_chosen_where_the_framework_offers_it() -> None:
    framework = hue("100", "100")
    offered = framework.model_copy(update={"alternatives": {"not_applicable": ("prorate",)}})
    result = ranked(offered, {A: ("50", NA)}, Choices(not_applicable="prorate", document="văn bản 7"))
    # 50 of 100 leaves 50 of 100 for the other cell: 100 points of 200.
    assert (result.units[0].total, result.units[0].max_points, result.units[0].basis) == (100, 200, "points")
    assert any("[not_applicable: prorate]" in note and "văn bản 7" in note for note in result.notes)
    assert load_framework("hue-2024").alternatives == {"not_applicable": ("prorate",)}


MAXIMA = (3, 7, 10, 1)


@st.composite
def tables(draw: st.DrawFn) -> dict[UnitRef, tuple[Item, ...]]:
    rows: dict[UnitRef, tuple[Item, ...]] = {}
    for position in range(draw(st.integers(2, 6))):
        parent = draw(st.sampled_from((ONE, TWO)))
        row: list[Item] = [draw(st.one_of(st.just(NA), st.fractions(0, worth, max_denominator=12))) for worth in MAXIMA]
        rows[unit(f"{parent}.{position}", parent=parent)] = tuple(row)
    return rows


@given(tables())
def test_rescaling_and_prorating_give_the_same_order_on_unrounded_totals(rows: dict[UnitRef, tuple[Item, ...]]) -> None:
    maxima = [str(worth) for worth in MAXIMA]
    rescaled, prorated = (
        by_code(ranked(hue(*maxima, reading=reading, rank_on="exact"), rows)) for reading in ("rescale", "prorate")
    )
    for code in rescaled:
        assert rescaled[code].rank == prorated[code].rank
        assert rescaled[code].rank_in_pool == prorated[code].rank_in_pool
        assert rescaled[code].percent == prorated[code].percent
