"""BRVT's rules (QĐ 3710/QĐ-UBND) on a small level of 100 points; every figure is by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from ranking_cases import (
    LATE,
    MISSING,
    NA,
    NOT_APPRAISED,
    PENDING,
    REJECTED,
    SECRET,
    Item,
    a_decision,
    a_level,
    bands,
    by_code,
    ranked,
    ranks,
    ratings,
)

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Framework, Policies
from dti_pipeline.scoring.engine import Ruling, Rulings
from dti_pipeline.scoring.ranking import rating_of
from dti_pipeline.scoring.states import CellState

BANDS = bands(("Tốt", "90"), ("Khá", "80"), ("Trung bình", "70"), ("Yếu", "0"))
POLICIES = Policies(
    missing="zero", late="zero", not_applicable="peer_mean", excluded="leave_maximum", not_appraised="zero"
)
SOURCE = CellState.SOURCE_SCORE


def brvt(*maxima: str) -> Framework:
    level = a_level(*maxima, level="commune")
    return a_decision(level, policies=POLICIES, ratings=BANDS, clauses={"not_applicable": "mục II.3"})


def test_these_are_the_rules_of_the_framework_file() -> None:
    found = load_framework("brvt-2022")
    papers = {"signatures": "unstated", "evidence": "statement", "supplements": "open"}
    assert found.policies.model_copy(update=papers) == POLICIES
    assert (found.ratings, found.rank_on, found.decimals) == (BANDS, "published", 2)
    assert {(level.pools, level.max_points) for level in found.levels} == {(("level",), 100)}


COMMUNES: dict[str, tuple[Item, ...]] = {
    "A": ("30", "36", NA),
    "B": ("30", "30", "12"),
    "C": ("30", "30", (MISSING, "20")),
    "D": ("30", "30", (LATE, "20")),
    "E": ("30", "30", NA),
    "F": ("30", "30", SECRET),
    "G": ("40", "40", "20"),
    "H": ("40", "40", "20"),
    "I": ("30", "30", (SOURCE, "7")),
    "J": ("30", "30", (REJECTED, "20")),
}
RULINGS = Rulings(exempt={"H": "đặc thù"}, not_appraised={"G": "huyện không thẩm định"})


def test_the_whole_table() -> None:
    # C3 has a score at B 12, C 0 (missing), D 0 (late), I 7, J 0 (rejected): mean 19/5 = 3.8 over 5 units.
    # A 66 + 3.8 = 69.8; E 60 + 3.8 = 63.8; F 60 of 80 = 75 %; the others' maximum is 100, so points are percent.
    result = ranked(brvt("40", "40", "20"), COMMUNES, rulings=RULINGS)
    assert ranks(result) == {
        "F": 1, "B": 2, "A": 3, "I": 4, "E": 5, "C": 6, "D": 6, "J": 6, "G": 9, "H": None,
    }  # fmt: skip
    assert list(ranks(result)) == list("FBAIECDJGH")
    assert {code: item.printed for code, item in by_code(result).items()} == {
        "F": "75.00", "B": "72.00", "A": "69.80", "I": "67.00", "E": "63.80", "C": "60.00", "D": "60.00",
        "J": "60.00", "G": "0.00", "H": "",
    }  # fmt: skip
    assert ratings(result) == {
        "F": "Trung bình", "B": "Trung bình", "A": "Yếu", "I": "Yếu", "E": "Yếu", "C": "Yếu", "D": "Yếu",
        "J": "Yếu", "G": "Yếu", "H": None,
    }  # fmt: skip
    assert not any(item.is_provisional for item in result.units)


def test_missing_late_and_rejected_evidence_is_0_whatever_points_stand_beside_it() -> None:
    found = by_code(ranked(brvt("40", "40", "20"), COMMUNES, rulings=RULINGS))
    for code in "CDJ":
        assert (found[code].cells[2].points, found[code].total, found[code].max_points) == (0, 60, 100)


def test_the_mean_goes_over_units_of_the_level_that_have_a_score() -> None:
    found = by_code(ranked(brvt("40", "40", "20"), COMMUNES, rulings=RULINGS))
    for code in "AE":
        assert (found[code].cells[2].state, found[code].cells[2].points) == (NA, Fraction(19, 5))
        assert "trung bình cộng của 5 đơn vị" in (found[code].cells[2].reason or "")
        assert found[code].max_points == 100
    # Without each kind of scoreless unit the mean stays: they were not in it.
    for without in "AEFGH":
        rows = {code: row for code, row in COMMUNES.items() if code != without}
        other = "E" if without == "A" else "A"
        assert by_code(ranked(brvt("40", "40", "20"), rows, rulings=RULINGS))[other].cells[2].points == Fraction(19, 5)
    # Without a unit whose 0 is for late evidence it does not: 19/4.
    rows = {code: row for code, row in COMMUNES.items() if code != "D"}
    assert by_code(ranked(brvt("40", "40", "20"), rows, rulings=RULINGS))["A"].cells[2].points == Fraction(19, 4)


def test_a_mean_is_not_rounded_before_it_is_added() -> None:
    # Mean of 0, 0 and 1 is 1/3; 89 + 1/3 = 268/3.
    rows: dict[str, tuple[Item, ...]] = {"A": ("89", NA), "B": ("0", "0"), "C": ("0", "0"), "D": ("0", "1")}
    found = by_code(ranked(brvt("90", "10"), rows))
    assert (found["A"].total, found["A"].printed) == (Fraction(268, 3), "89.33")


@pytest.mark.parametrize("open_state", [PENDING, NOT_APPRAISED, CellState.UNAVAILABLE, (CellState.STALE, "2")])
def test_a_mean_over_open_peers_may_change_so_the_total_is_provisional(open_state: Item) -> None:
    # The two scored peers give (8 + 4) / 2 = 6; a stale 2 counts as it stands: (8 + 4 + 2) / 3 = 14/3.
    rows: dict[str, tuple[Item, ...]] = {
        "A": ("50", NA), "B": ("50", "8"), "C": ("50", "4"), "D": ("50", open_state),
    }  # fmt: skip
    found = by_code(ranked(brvt("90", "10"), rows))
    assert found["A"].total - 50 == (Fraction(14, 3) if isinstance(open_state, tuple) else 6)
    assert {code for code, item in found.items() if item.is_provisional} == {"A", "D"}


def test_no_unit_with_a_score_takes_the_cell_out_of_the_maximum_with_a_note() -> None:
    # A: 72 of 80 is exactly 90 %; B: 71.996 of 80 is 89.995 %, which rounds to 90.00 and yet is Khá.
    rows: dict[str, tuple[Item, ...]] = {"A": ("40", "32", NA), "B": ("40", "31.996", NA), "C": ("40", "40", SECRET)}
    result = ranked(brvt("40", "40", "20"), rows)
    found = by_code(result)
    assert (found["A"].total, found["A"].max_points, found["A"].basis) == (72, 80, "percent")
    assert (found["A"].percent, found["A"].printed, found["A"].rating) == (90, "90.00", "Tốt")
    assert (found["B"].percent, found["B"].printed, found["B"].rating) == (Fraction("89.995"), "89.995", "Khá")
    assert (found["C"].published, found["C"].rating) == (100, "Tốt")
    assert found["A"].cells[2].points is None
    assert "ra khỏi điểm tối đa" in (found["A"].cells[2].reason or "")
    assert any("không đơn vị nào cùng cấp có điểm" in note and "ra khỏi điểm tối đa" in note for note in result.notes)
    assert any(note.startswith("Theo 01/QĐ-THU: nội dung thuộc bí mật nhà nước") for note in result.notes)


def test_where_a_mean_was_found_no_note_speaks_of_a_missing_one() -> None:
    notes = ranked(brvt("40", "40", "20"), COMMUNES, rulings=RULINGS).notes
    assert not any("không đơn vị nào cùng cấp" in note for note in notes)


def test_peers_that_are_not_known_yet_may_still_bring_a_mean() -> None:
    rows: dict[str, tuple[Item, ...]] = {"A": ("90", NA), "B": ("80", PENDING)}
    found = by_code(ranked(brvt("90", "10"), rows))
    assert (found["A"].max_points, found["A"].is_provisional) == (90, True)


def test_a_state_secret_leaves_the_maximum_and_is_no_peer() -> None:
    # F: 60 of 80 is 75 %; as points it would stand last with 60.
    rows: dict[str, tuple[Item, ...]] = {"F": ("30", "30", SECRET), "B": ("30", "30", "10"), "A": ("30", "30", NA)}
    found = by_code(ranked(brvt("40", "40", "20"), rows))
    assert (found["F"].total, found["F"].max_points, found["F"].percent, found["F"].rank) == (60, 80, 75, 1)
    assert (found["B"].published, found["B"].basis, found["A"].total) == (70, "percent", 70)


def test_an_unappraised_commune_is_0_and_still_ranked() -> None:
    found = by_code(ranked(brvt("40", "40", "20"), COMMUNES, rulings=RULINGS))["G"]
    assert (found.standing, found.standing_reason) == ("not_appraised", "huyện không thẩm định")
    assert (found.total, found.max_points, found.rank, found.is_provisional) == (0, 100, 9, False)
    assert {(cell.state, cell.points) for cell in found.cells} == {(NOT_APPRAISED, None)}


def test_an_unappraised_commune_with_other_states_is_still_0_of_the_whole() -> None:
    # Its not-applicable and secret cells neither shorten its maximum nor turn the table into percent.
    rows: dict[str, tuple[Item, ...]] = {"A": (NA, SECRET, "20"), "B": ("30", "30", "10")}
    result = ranked(brvt("40", "40", "20"), rows, rulings=Rulings(not_appraised={"A": "không thẩm định"}))
    found = by_code(result)
    assert (found["A"].total, found["A"].max_points, found["B"].basis) == (0, 100, "points")
    assert not any("bí mật nhà nước" in note or "trung bình cộng" in note for note in result.notes)


def test_a_unit_none_of_whose_cells_was_appraised_is_unappraised() -> None:
    rows: dict[str, tuple[Item, ...]] = {
        "A": (NOT_APPRAISED, NOT_APPRAISED), "B": ("10", NOT_APPRAISED), "C": ("5", "5"),
    }  # fmt: skip
    result = ranked(brvt("90", "10"), rows)
    found = by_code(result)
    assert [(found[code].standing, found[code].is_provisional) for code in "ABC"] == [
        ("not_appraised", False), ("ranked", True), ("ranked", False),
    ]  # fmt: skip
    assert ranks(result) == {"B": 1, "C": 1, "A": 3}
    assert any("không được cấp thẩm định chấm" in note and note.startswith("Theo 01/QĐ-THU") for note in result.notes)


def test_a_ruling_of_the_assessment_stands_before_the_figures() -> None:
    rulings = Rulings(cells={("A", "C1"): Ruling(LATE, "nộp ngày 02/01 (công văn 5)")})
    found = by_code(ranked(brvt("90", "10"), {"A": ("90", "10"), "B": ("1", "1")}, rulings=rulings))
    assert (found["A"].total, found["A"].cells[0].state, found["A"].cells[0].points) == (10, LATE, 0)
    assert found["A"].cells[0].reason == "nộp ngày 02/01 (công văn 5)"


@pytest.mark.parametrize(
    ("total", "rating", "printed"),
    [
        (Fraction(100), "Tốt", "100.00"),
        (Fraction("90.001"), "Tốt", "90.00"),
        (Fraction(90), "Tốt", "90.00"),
        (Fraction("89.996"), "Khá", "89.996"),
        (Fraction("89.994"), "Khá", "89.99"),
        # 90 - 1/3000 = 89.999666…: three decimals still say 90.000, four say 89.9997.
        (90 - Fraction(1, 3000), "Khá", "89.9997"),
        # 269/3 = 89.666…: far enough from a bound to print plainly.
        (Fraction(269, 3), "Khá", "89.67"),
        (Fraction(80), "Khá", "80.00"),
        (Fraction("79.995"), "Trung bình", "79.995"),
        (Fraction(70), "Trung bình", "70.00"),
        (Fraction("69.9999"), "Yếu", "69.9999"),
        (Fraction(0), "Yếu", "0.00"),
    ],
)
def test_ratings_are_decided_on_the_exact_total(total: Fraction, rating: str, printed: str) -> None:
    result = ranked(brvt("90", "10"), {"A": (total * 9 / 10, total / 10)})
    (found,) = result.units
    assert (found.total, found.rating, found.printed) == (total, rating, printed)
    assert any("in thêm chữ số" in note for note in result.notes) == (len(printed.partition(".")[2]) > 2)


def test_thirds_that_add_up_to_90_are_exactly_90() -> None:
    # 29 + 1/3 + 30 + 1/3 + 30 + 1/3 = 90.
    thirds = (Fraction(88, 3), Fraction(91, 3), Fraction(91, 3))
    (found,) = ranked(brvt("34", "33", "33"), {"A": thirds}).units
    assert (found.total, found.rating, found.printed) == (90, "Tốt", "90.00")


def test_published_scores_may_tie_across_a_rating_bound() -> None:
    # Ranks go by the published 90.00 of both; the ratings by 89.996 and 90.
    result = ranked(brvt("90", "10"), {"A": ("89.996", "0"), "B": ("90", "0")})
    assert ranks(result) == {"A": 1, "B": 1}
    assert [(item.printed, item.rating) for item in result.units] == [("89.996", "Khá"), ("90.00", "Tốt")]


def test_bounds_belong_to_the_better_band() -> None:
    assert [rating_of(BANDS, Fraction(bound)) for bound in (90, 80, 70, 0)] == ["Tốt", "Khá", "Trung bình", "Yếu"]
