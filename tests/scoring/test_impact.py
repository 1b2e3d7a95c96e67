"""What another value of a cell would do to the ranking: golden cases, and exactly what ranking again gives.

Not here: ranking itself (`test_ranking.py`), which values differ (`test_discrepancy.py`).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ranking_cases import (
    LATE,
    MISSING,
    NA,
    NOT_APPRAISED,
    PENDING,
    SECRET,
    Item,
    a_decision,
    a_level,
    cells_of,
    unit,
)
from scoring_cases import criterion, level

from dti_pipeline.frameworks.model import ClassMinima, Framework, Policies
from dti_pipeline.scoring import impact
from dti_pipeline.scoring.engine import NO_RULINGS, Cell, Choices, InputValue, Ruling, Rulings, UnitRef
from dti_pipeline.scoring.impact import Impact, Impacts, impact_between, impacts_of
from dti_pipeline.scoring.ranking import ChoiceNeeded, rank_level
from dti_pipeline.scoring.states import CellState, InputState

ALL = Choices(missing="zero", excluded="leave_maximum", not_appraised="zero", document="Văn bản thử")


def decision(*maxima: str, not_applicable: str = "rescale", rank_on: str = "published", **level: Any) -> Framework:
    policies = Policies(not_applicable=not_applicable)  # type: ignore[arg-type]
    return a_decision(a_level(*maxima, **level), policies=policies, rank_on=rank_on)


def asked(under: Framework, rows: dict[str, list[Item]], cell: Cell, rulings: Rulings = NO_RULINGS) -> Impact | None:
    level = under.levels[0]
    by_unit = {unit(code): row for code, row in rows.items()}
    return Impacts(under, level, list(by_unit), cells_of(level, by_unit), ALL, rulings).of(cell)


def scored(code: str, criterion: str, points: str) -> Cell:
    return Cell(code, criterion, CellState.SCORED, Fraction(points))


def test_places_are_those_of_the_unit_and_of_everybody_it_passes() -> None:
    rows: dict[str, list[Item]] = {"a": ["9"], "b": ["7"], "c": ["5"], "d": ["3"]}
    # d with 8 points: 4th -> 2nd; b and c lose a place each: 2 + 1 + 1.
    assert asked(decision("10"), rows, scored("d", "C1", "8")) == Impact(Fraction(5), 2, 4)
    # a with 4 points: 1st -> 3rd; b and c gain one each.
    assert asked(decision("10"), rows, scored("a", "C1", "4")) == Impact(Fraction(-5), -2, 4)
    assert asked(decision("10"), rows, scored("b", "C1", "8.5")) == Impact(Fraction("1.5"), 0, 0)


def test_ties_share_a_place() -> None:
    rows: dict[str, list[Item]] = {"a": ["9"], "b": ["7"], "c": ["7"], "d": ["3"]}
    # d draws level with b and c: 4th -> 2nd, and nobody else moves.
    assert asked(decision("10"), rows, scored("d", "C1", "7")) == Impact(Fraction(4), 2, 2)
    # b leaves its tie upwards by less than is published: nothing moves; by as much: c falls to 3rd.
    assert asked(decision("10"), rows, scored("b", "C1", "7.004")) == Impact(Fraction("0.004"), 0, 0)
    assert asked(decision("10"), rows, scored("b", "C1", "7.005")) == Impact(Fraction("0.005"), 0, 1)
    exact = decision("10", rank_on="exact")
    assert asked(exact, rows, scored("b", "C1", "7.004")) == Impact(Fraction("0.004"), 0, 1)


def test_only_the_official_pool_counts() -> None:
    under = decision("10", pools=("parent",))
    level = under.levels[0]
    rows: dict[UnitRef, list[Item]] = {
        unit("a", parent="x"): ["5"], unit("b", parent="x"): ["1"], unit("c", parent="y"): ["3"],
    }  # fmt: skip
    impacts = Impacts(under, level, list(rows), cells_of(level, rows), ALL)
    assert impacts.of(scored("b", "C1", "4")) == Impact(Fraction(3), 0, 0), "it passes c, of another pool"
    assert impacts.of(scored("b", "C1", "6")) == Impact(Fraction(5), 1, 2)


def test_a_ruling_on_the_cell_goes_with_it() -> None:
    late = Rulings(cells={("b", "C1"): Ruling(LATE, "nộp muộn")})
    # b stands at 0 for being late; its claim would be worth 6 and lead it past a.
    rows: dict[str, list[Item]] = {"a": ["5"], "b": ["6"]}
    assert asked(decision("10"), rows, scored("b", "C1", "6"), late) == Impact(Fraction(6), 1, 2)
    exempt = Rulings(exempt={"b": "không đánh giá"})
    assert asked(decision("10"), rows, scored("b", "C1", "6"), exempt) is None


def test_the_mean_of_peers_moves_with_one_of_them() -> None:
    # c has no C1 and gets the mean of a and b: 4, in all 5. Were b worth 6, the mean would be 5 and c have 6: b has 7.
    rows: dict[str, list[Item]] = {"a": ["4", "1.5"], "b": ["4", "1"], "c": [NA, "1"], "d": ["5", "0.6"]}
    # Mean of a, b, d: 13/3 = 4.33 -> c 5.33; a 5.5, b 5, d 5.6: d, a, c, b. With b at 7: mean 16/3 = 5.33 -> c 6.33,
    # b 8: b, c, d, a.
    found = asked(decision("10", "10", not_applicable="peer_mean"), rows, scored("b", "C1", "7"))
    assert found == Impact(Fraction(3), 3, 3 + 2 + 2 + 1)


def test_one_that_had_no_points_becomes_a_peer() -> None:
    # c gets the mean of a alone, 4. With 2 points b is a peer too: the mean is 3, and b with 3.5 passes c with 3.
    rows: dict[str, list[Item]] = {"a": ["4", "1"], "b": [PENDING, "1.5"], "c": [NA, "0"]}
    under = decision("10", "10", not_applicable="peer_mean")
    assert asked(under, rows, scored("b", "C1", "2")) == Impact(Fraction(2), 1, 2)
    # Nobody has C1, so it leaves the maximum of c, 20 % to 5 %; the first peer brings it back, 6 points to 5.
    rows = {"a": [PENDING, "1"], "c": [NA, "2"]}
    assert asked(under, rows, scored("a", "C1", "4")) == Impact(Fraction(4), 0, 0)
    rows = {"a": [PENDING, "2"], "c": [NA, "1.5"]}
    # 10 % to 15 %; then 6 points to 5.5.
    assert asked(under, rows, scored("a", "C1", "4")) == Impact(Fraction(4), 1, 2)


def test_a_unit_that_reaches_a_class_joins_the_ranking() -> None:
    minima = ClassMinima(names=("I", "II"), minima={"N": (Decimal(8), Decimal(5))}, clause="Điều 7")
    under = decision("10", classes=minima)
    rows: dict[str, list[Item]] = {"a": ["9"], "b": ["6"], "c": ["4"]}
    # c below every class is not ranked; with 8 it is 2nd and b falls to 3rd.
    assert asked(under, rows, scored("c", "C1", "8")) == Impact(Fraction(4), None, 1)
    assert asked(under, rows, scored("a", "C1", "4.99")) == Impact(Fraction("-4.01"), None, 1)


def test_a_cell_that_leaves_the_maximum_ranks_everybody_on_percent() -> None:
    # On points b leads 12 to 11. Were C2 of a not applicable: a 9 of 10 = 90 %, b 12 of 20 = 60 %.
    rows: dict[str, list[Item]] = {"a": ["9", "2"], "b": ["8", "4"]}
    assert asked(decision("10", "10"), rows, Cell("a", "C2", NA, None)) == Impact(Fraction(-2), 1, 2)


def test_a_share_of_other_criteria_grows_with_them() -> None:
    # a has no C2 and gets the same share of it as of C1: 4 of 10 make 8 of 20. With 7 it has 14 and passes b with 12.
    rows: dict[str, list[Item]] = {"a": ["4", NA], "b": ["6", "6"]}
    found = asked(decision("10", "10", not_applicable="prorate"), rows, scored("a", "C1", "7"))
    assert found == Impact(Fraction(3), 1, 2)


def test_what_needs_a_choice_first_has_no_impact() -> None:
    rows: dict[str, list[Item]] = {"a": ["9", "2"], "b": ["8", "4"]}
    assert asked(decision("10", "10", not_applicable="unstated"), rows, Cell("a", "C2", NA, None)) is None


def test_other_values_are_scored_first_and_count_only_where_they_make_points() -> None:
    rule = level(criterion("C", "b / a * max", "10", require=("b <= a",)))
    units = [unit("a"), unit("b")]
    inputs = {
        (ref.code, "C", name): InputValue(InputState.REPORTED, Fraction(value))
        for ref, values in zip(units, (("10", "8"), ("10", "7")), strict=True)
        for name, value in zip("ab", values, strict=True)
    }

    def other(b: str) -> dict[tuple[str, str], Impact]:
        values = {("b", "C"): {"b": InputValue(InputState.REPORTED, Fraction(b))}}
        return impacts_of(a_decision(rule), rule, units, inputs, values, ALL)

    assert other("9") == {("b", "C"): Impact(Fraction(2), 1, 2)}
    assert other("11") == {}, "a part above its whole waits"


# --- the same as ranking again ---

_STATES = [NA, SECRET, MISSING, PENDING, NOT_APPRAISED, CellState.UNAVAILABLE]
_points = st.sampled_from(["0", "1", "2", "2.004", "2.005", "3", "10/3", "4"]).map(Fraction)


def _items(*rare: CellState) -> st.SearchStrategy[Item]:
    return st.one_of(_points, _points, _points, st.sampled_from(rare))


@st.composite
def tables(draw: st.DrawFn) -> tuple[Framework, dict[UnitRef, list[Item]], Rulings]:
    with_classes = draw(st.integers(0, 3)) == 0
    level: dict[str, Any] = {"pools": draw(st.sampled_from([("level",), ("parent",), ("province",)]))}
    if with_classes:
        minima = ((Decimal(7), Decimal(4)),)
        level["classes"] = ClassMinima(
            names=("I", "II"), minima={"N": minima[0]}, clause="Điều 7", is_unranked_below=draw(st.booleans())
        )
    policy = draw(st.sampled_from(["zero", "peer_mean", "rescale", "prorate"]))
    under = decision(
        "4", "4", "4", not_applicable=policy, rank_on=draw(st.sampled_from(["published", "exact"])), **level
    )
    size = draw(st.integers(1, 6))
    item = _items(*_STATES) if draw(st.booleans()) else _items(NA, PENDING)
    rows = {
        unit(f"H00.0{number}", parent=draw(st.sampled_from(["H00.21", "H00.22"]))): draw(
            st.lists(item, min_size=3, max_size=3)
        )
        for number in range(size)
    }
    codes = [ref.code for ref in rows]
    some = st.sets(st.sampled_from(codes), max_size=1)
    ruled = draw(st.lists(st.tuples(st.sampled_from(codes), st.sampled_from(["C1", "C2"])), max_size=2))
    rulings = Rulings(
        exempt=dict.fromkeys(draw(some), "không đánh giá"),
        not_appraised=dict.fromkeys(draw(some), "không thẩm định"),
        cells={at: Ruling(draw(st.sampled_from([LATE, NA, PENDING])), "văn bản") for at in ruled},
    )
    return under, rows, rulings


@settings(max_examples=120, deadline=None)
@given(tables(), st.data())
def test_every_impact_is_what_ranking_again_gives(
    table: tuple[Framework, dict[UnitRef, list[Item]], Rulings], data: st.DataObject
) -> None:
    under, rows, rulings = table
    level, units = under.levels[0], list(rows)
    cells = cells_of(level, rows)
    try:
        before = rank_level(under, level, units, cells, ALL, rulings)
    except ChoiceNeeded:
        assume(False)
    impacts = Impacts(under, level, units, cells, ALL, rulings)
    for ref in units:
        criterion = data.draw(st.sampled_from(["C1", "C2", "C3"]))
        item = data.draw(_items(*_STATES))
        state = item if isinstance(item, CellState) else CellState.SCORED
        cell = Cell(ref.code, criterion, state, item if isinstance(item, Fraction) else None)
        found = impacts.of(cell)
        if ref.code in rulings.exempt:
            assert found is None
            continue
        others = {at: ruling for at, ruling in rulings.cells.items() if at != (ref.code, criterion)}
        lifted = Rulings(rulings.exempt, rulings.not_appraised, others)
        try:
            after = rank_level(under, level, units, cells | {(ref.code, criterion): cell}, ALL, lifted)
        except ChoiceNeeded:
            assert found is None
            continue
        assert found == impact_between(before, after, ref.code, criterion)


@pytest.mark.parametrize("not_applicable", ["rescale", "peer_mean", "prorate"])
def test_plain_points_are_not_ranked_again(not_applicable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    under = decision("10", "10", not_applicable=not_applicable)
    rows: dict[UnitRef, list[Item]] = {unit("a"): ["9", "1"], unit("b"): ["7", NA], unit("c"): ["1", "2"]}
    impacts = Impacts(under, under.levels[0], list(rows), cells_of(under.levels[0], rows), ALL)
    monkeypatch.setattr(impact, "rank_level", None)
    for cell in (scored("a", "C1", "2"), scored("c", "C2", "9"), Cell("c", "C1", PENDING, None)):
        assert impacts.of(cell) is not None
