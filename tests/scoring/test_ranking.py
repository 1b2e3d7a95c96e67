"""Totals, published figures, ranks, pools, states and footnotes under made-up decisions; golden values are by hand.

Not here: whole rules of one decision (`test_rules_*.py`) and the worth of a cell (`test_engine.py`).
"""

from __future__ import annotations

import dataclasses
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    cells_of,
    ranked,
    ranks,
    unit,
)
from scoring_cases import criterion

from dti_pipeline.frameworks.model import Framework, Node, Policies
from dti_pipeline.scoring.engine import Cell, Choices, InputValue, Ruling, Rulings, UnitRef
from dti_pipeline.scoring.ranking import (
    ChoiceNeeded,
    competition_ranks,
    digits_apart,
    places_apart,
    pool_of,
    rank_level,
    score_level,
)
from dti_pipeline.scoring.states import CellState, InputState


def plain(*maxima: str, **more: Any) -> Framework:
    return a_decision(a_level(*maxima), **more)


# --- totals and published figures ---


def test_totals_are_exact() -> None:
    # 1/3 + 1/3 + 1/3 of 3 points; and 4/7 of 4, which prints as 0.57.
    for rules, total, percent, printed in (
        ([criterion(code, "b / a * max", "1") for code in "JKL"], Fraction(1), Fraction(100, 3), "1.00"),
        ([criterion("J", "b / a * max / 7 * 3", "4")], Fraction(4, 7), Fraction(100, 7), "0.57"),
    ):
        level = a_level("1", nodes=(Node(code="N", kind="main", name="Nhóm thử", criteria=tuple(rules)),))
        inputs = {
            ("U", rule.code, name): InputValue(InputState.REPORTED, Fraction(number))
            for rule in rules
            for name, number in (("a", 3), ("b", 1))
        }
        (result,) = score_level(a_decision(level), level, [unit("U")], inputs).units
        assert (result.total, result.percent, result.printed) == (total, percent, printed)
        assert not result.is_provisional


def test_exempt_units_are_not_scored_and_choices_reach_the_cells() -> None:
    level = a_level("1", nodes=(Node(code="N", kind="main", name="Nhóm", criteria=(criterion("J", "b / a * max"),)),))
    inputs = {("U", "J", name): InputValue(InputState.MISSING) for name in "ab"}
    result = score_level(
        a_decision(level), level, [unit("U"), unit("V")], inputs, Choices(missing="zero"), Rulings({"V": "đặc thù"})
    )
    found = by_code(result)
    assert [(cell.state, cell.points) for cell in found["U"].cells] == [(MISSING, 0)]
    assert found["V"].cells == ()


@pytest.mark.parametrize(
    ("total", "decimals", "published", "printed"),
    [
        ("2.005", 2, "2.01", "2.01"),
        ("0.125", 2, "0.13", "0.13"),
        ("2.00499", 2, "2", "2.00"),
        ("2.995", 2, "3", "3.00"),
        ("2.5", 0, "3", "3"),
        ("0.12345", 4, "0.1235", "0.1235"),
    ],
)
def test_the_published_figure_is_rounded_half_up(total: str, decimals: int, published: str, printed: str) -> None:
    (found,) = ranked(plain("4", decimals=decimals), {"U": [total]}).units
    assert (found.total, found.published, found.printed) == (Fraction(total), Fraction(published), printed)


@pytest.mark.parametrize(
    ("figure", "bound", "text"),
    [
        ("89.996", "90", "89.996"),
        ("89.994", "90", "89.99"),
        ("90", "90", "90.00"),
        ("90.004", "90", "90.00"),
        ("25.196", "25.2", "25.196"),
        ("29.7499996", "29.75", "29.7499996"),
        # Rounding down can hide that a bound is reached: 89.99 would be below 89.9949, 89.995 is not.
        ("89.9949", "89.9949", "89.995"),
        ("89.9944", "89.99", "89.99"),
    ],
)
def test_as_many_digits_as_show_the_side_of_a_bound(figure: str, bound: str, text: str) -> None:
    assert digits_apart(Fraction(figure), (Fraction(bound),), 2) == text
    assert places_apart(Fraction(figure), (Fraction(bound), Fraction(0)), 2) == len(text.partition(".")[2])


def test_bounds_of_ratings_beside_points_stand_at_their_share_of_the_maximum() -> None:
    # 90 % of 391 is 351.9: 351.896 rounds to 351.90, and is below.
    under = plain("391", ratings=bands(("Tốt", "90"), ("Yếu", "0")))
    result = ranked(under, {"A": ["351.9"], "B": ["351.896"], "C": ["90"]})
    assert [(item.printed, item.rating) for item in result.units] == [
        ("351.90", "Tốt"), ("351.896", "Yếu"), ("90.00", "Yếu"),
    ]  # fmt: skip


# --- ranks ---

CLOSE = {"A": ["1"], "B": ["2.004"], "C": ["3.001"], "E": ["1.996"]}


def test_ties_on_the_published_figure_share_a_rank_and_the_next_is_skipped() -> None:
    result = ranked(plain("4"), CLOSE)
    assert ranks(result) == {"C": 1, "B": 2, "E": 2, "A": 4}
    assert {item.printed for item in result.units} == {"3.00", "2.00", "1.00"}
    assert any("điểm công bố đã làm tròn; đồng điểm thì đồng hạng" in note for note in result.notes)


def test_ranks_on_exact_scores_print_more_digits_where_neighbours_look_alike() -> None:
    given = CLOSE | {"F": ["2.0040001"], "G": ["2.004"]}
    result = ranked(plain("4", rank_on="exact"), given)
    assert ranks(result) == {"C": 1, "F": 2, "B": 3, "G": 3, "E": 5, "A": 6}
    assert {code: item.rank_in_pool for code, item in by_code(result).items()} == ranks(result)
    # B and G are equal, so no digit parts them; F parts from them at the seventh; E (1.996) at the third already.
    assert {code: item.printed for code, item in by_code(result).items()} == {
        "C": "3.00", "F": "2.0040001", "B": "2.004", "G": "2.004", "E": "1.996", "A": "1.00",
    }  # fmt: skip
    assert any("điểm chính xác, chưa làm tròn" in note for note in result.notes)
    assert any("in thêm chữ số" in note for note in result.notes)


def test_competition_ranks() -> None:
    scores = {"a": Fraction(5), "b": Fraction(7), "c": Fraction(5), "d": Fraction(5), "e": Fraction(0)}
    assert competition_ranks(scores) == {"b": 1, "a": 2, "c": 2, "d": 2, "e": 5}
    assert competition_ranks(dict[str, Fraction]()) == {}


def test_equals_stand_in_vietnamese_order() -> None:
    names = ["Sở Dân tộc", "Sở Du lịch", "Sở Đầu tư", "Sở E"]
    rows = {unit(f"{9 - position}", name): ["2"] for position, name in reversed(list(enumerate(names)))}
    result = ranked(plain("4"), rows)
    assert [item.unit.name for item in result.units] == names
    assert {item.rank for item in result.units} == {1}
    same = ranked(plain("4"), {unit("2", "Xã"): ["2"], unit("1", "Xã"): ["2"]})
    assert [item.unit.code for item in same.units] == ["1", "2"]


def test_exempt_units_are_listed_apart_in_vietnamese_order_and_are_no_peers() -> None:
    under = plain("90", "10", policies=Policies(not_applicable="peer_mean"))
    rows: dict[UnitRef, list[Item]] = {
        unit("x", "Xã Đông"): ["90", "10"], unit("y", "Xã Dương"): ["90", "10"], unit("a", "Xã Ân"): ["1", NA],
        unit("b", "Xã Bình"): ["2", "4"],
    }  # fmt: skip
    result = ranked(under, rows, rulings=Rulings(exempt={"x": "đặc thù", "y": "mới thành lập (QĐ 9)"}))
    # The mean of C2 is B's 4 alone: A 1 + 4 = 5, B 2 + 4 = 6.
    assert [(item.unit.code, item.rank, item.standing, item.printed) for item in result.units] == [
        ("b", 1, "ranked", "6.00"), ("a", 2, "ranked", "5.00"), ("y", None, "exempt", ""), ("x", None, "exempt", ""),
    ]  # fmt: skip
    assert (result.units[2].standing_reason, result.units[2].rank_in_pool) == ("mới thành lập (QĐ 9)", None)
    assert "Không đánh giá trong kỳ này: Xã Dương (mới thành lập (QĐ 9)); Xã Đông (đặc thù)." in result.notes


# --- states ---


@pytest.mark.parametrize("state", [MISSING, LATE, REJECTED])
def test_zero_states_are_worth_0_whatever_stands_beside_them(state: CellState) -> None:
    (result,) = ranked(plain("4", "4"), {"U": [(state, "4"), "1"]}).units
    assert (result.total, result.max_points, result.is_provisional) == (1, 8, False)
    assert (result.cells[0].state, result.cells[0].points) == (state, 0)


@pytest.mark.parametrize(
    ("item", "total"),
    [(PENDING, 1), (CellState.UNAVAILABLE, 1), (NOT_APPRAISED, 1), ((NOT_APPRAISED, "3"), 1),
     ((CellState.UNAVAILABLE, "3"), 1), ((CellState.STALE, "3"), 4)],
)  # fmt: skip
def test_open_cells_make_the_total_provisional_and_do_not_stop_the_ranking(item: Item, total: int) -> None:
    result = ranked(plain("4", "4"), {"U": [item, "1"], "V": [(CellState.SOURCE_SCORE, "2"), "0"]})
    found = by_code(result)
    assert (found["U"].total, found["U"].max_points, found["U"].is_provisional) == (total, 8, True)
    assert (found["V"].total, found["V"].is_provisional) == (2, False)
    assert {found["U"].rank, found["V"].rank} == {1, 2}
    assert "Tạm tính: 1 đơn vị còn tiêu chí chưa có kết quả cuối cùng." in result.notes


def test_a_cell_that_nobody_names_is_pending() -> None:
    (result,) = ranked(plain("4", "4"), {"U": ["3"]}).units
    assert [item.state for item in result.cells] == [CellState.SCORED, PENDING]
    assert (result.total, result.max_points, result.is_provisional) == (3, 8, True)


def test_a_ruling_takes_the_points_and_gives_its_reason() -> None:
    rulings = Rulings(cells={("U", "C1"): Ruling(PENDING, "chờ kết luận"), ("V", "C2"): Ruling(REJECTED, "sai mẫu")})
    found = by_code(ranked(plain("4", "4"), {"U": ["4", "1"], "V": ["2", "3"]}, rulings=rulings))
    ruled = found["U"].cells[0]
    assert (ruled.state, ruled.points, ruled.reason) == (PENDING, None, "chờ kết luận")
    assert (found["U"].total, found["V"].total, found["V"].cells[1].reason) == (1, 2, "sai mẫu")


def test_all_cells_not_appraised_means_that_the_unit_is_not() -> None:
    rows: dict[str, list[Item]] = {"U": [NOT_APPRAISED, NOT_APPRAISED], "V": ["1", NOT_APPRAISED]}
    with pytest.raises(ChoiceNeeded, match=r"đơn vị U không được cấp thẩm định chấm.*not_appraised"):
        ranked(plain("4", "4"), rows)
    found = by_code(ranked(plain("4", "4"), rows, Choices(not_appraised="zero")))
    assert (found["U"].standing, found["U"].standing_reason) == (
        "not_appraised", "cấp thẩm định chưa chấm tiêu chí nào của đơn vị",
    )  # fmt: skip
    assert (found["V"].standing, found["V"].is_provisional) == ("ranked", True)


def test_points_by_group_stand_beside_the_total() -> None:
    number: dict[str, Any] = {"names": ("p",), "kinds": {"p": "number"}}
    inner = Node(code="N1.1", kind="main", name="Con", criteria=(criterion("X", "p", "5", **number),))
    nodes = (
        Node(code="N1", kind="group", name="Một", nodes=(inner,), criteria=(criterion("Y", "p", "5", **number),)),
        Node(code="N2", kind="group", name="Hai", criteria=(criterion("Z", "p", "5", **number),)),
    )
    under = a_decision(a_level("1", nodes=nodes), policies=Policies(not_applicable="peer_mean"))
    # In order of the tree: Y before X. Both groups hold the points that count, the mean among them.
    assert [rule.code for rule in under.levels[0].criteria] == ["Y", "X", "Z"]
    found = by_code(ranked(under, {"U": ["1", "2", NA], "V": ["0", PENDING, "4"]}))
    assert found["U"].groups == (("N1", 3), ("N2", 4))
    assert found["V"].groups == (("N1", 0), ("N2", 4))


# --- pools ---


def test_units_are_ranked_within_their_pool_and_over_the_level() -> None:
    under = a_decision(a_level("4", pools=("province",)))
    found = by_code(ranked(under, {"H00.01": ["1"], "H00.02": ["3"], "H99.01": ["2"], "H99.02": ["2"]}))
    assert {code: (item.pool, item.rank, item.rank_in_pool) for code, item in found.items()} == {
        "H00.02": ("H00", 1, 1), "H99.01": ("H99", 2, 1), "H99.02": ("H99", 2, 1), "H00.01": ("H00", 4, 2),
    }  # fmt: skip


def test_pools_by_parent() -> None:
    level = a_level("4", pools=("parent",))
    assert pool_of(level, unit("H00.90.1", parent="H00.90")) == "H00.90"
    assert pool_of(level, unit("H00.90.1")) == "H00"
    assert pool_of(a_level("4"), unit("H00.90.1", parent="H00.90")) == "department"


# --- whose rule it was ---


@pytest.mark.parametrize(
    ("name", "stated", "rows", "rulings", "words"),
    [
        ("missing", {"missing": "zero"}, {"A": [MISSING, "1"]}, Rulings(), "không có tài liệu kiểm chứng"),
        ("not_applicable", {"not_applicable": "zero"}, {"A": [NA, "1"]}, Rulings(), "tiêu chí không áp dụng được 0"),
        ("excluded", {"excluded": "leave_maximum"}, {"A": [SECRET, "1"]}, Rulings(), "bí mật nhà nước"),
        ("not_appraised", {"not_appraised": "zero"}, {"A": ["1", "1"]}, Rulings(not_appraised={"A": "không"}),
         "không được cấp thẩm định chấm"),
    ],
)  # fmt: skip
def test_a_note_names_each_rule_that_touched_the_table_and_whose_it_is(
    name: str, stated: dict[str, Any], rows: dict[str, list[Item]], rulings: Rulings, words: str
) -> None:
    decided = ranked(plain("4", "4", policies=stated, clauses={name: "mục 3"}), rows, rulings=rulings)
    (note,) = [note for note in decided.notes if words in note]
    assert note.startswith("Theo 01/QĐ-THU, mục 3: ")
    chosen = ranked(plain("4", "4"), rows, Choices(**stated, document="văn bản 7"), rulings)
    (note,) = [note for note in chosen.notes if words in note]
    assert note.startswith("Lựa chọn của người vận hành, vì 01/QĐ-THU không nói")
    assert f"{name}: {stated[name]}" in note
    assert "(văn bản: văn bản 7)" in note
    untouched = ranked(plain("4", "4", policies=stated), {"A": ["1", "1"]})
    assert not any(words in note for note in untouched.notes)


def test_a_policy_that_the_decision_states_for_other_levels_only_needs_a_choice_here() -> None:
    level = a_level("4", "4", unstated=("not_applicable",))
    under = a_decision(level, policies=Policies(not_applicable="zero", excluded="leave_maximum"))
    with pytest.raises(ChoiceNeeded, match="Hãy chọn not_applicable"):
        ranked(under, {"A": [NA, SECRET]})
    result = ranked(under, {"A": [NA, SECRET]}, Choices(not_applicable="zero"))
    assert any(
        note.startswith("Lựa chọn của người vận hành") and "not_applicable: zero" in note for note in result.notes
    )
    assert any(note.startswith("Theo 01/QĐ-THU: nội dung thuộc bí mật nhà nước") for note in result.notes)


def test_a_zero_that_stands_in_given_points_was_somebody_elses() -> None:
    notes = ranked(plain("4", "4"), {"A": [LATE, MISSING]}).notes
    assert [note.startswith("01/QĐ-THU không nói trường hợp này; trạng thái do người chấm ghi: ") for note in notes][
        :2
    ] == [True, True]
    stated = ranked(plain("4", policies={"late": "zero"}), {"A": [LATE]}).notes
    assert stated[0] == "Theo 01/QĐ-THU: nộp hoặc bổ sung sau thời hạn thì tiêu chí được 0 điểm."


def test_a_working_annex_says_so_before_all_else() -> None:
    result = ranked(a_decision(a_level("4", basis="working", notes=("ghi chú cấp",)), notes=("ghi chú",)), CLOSE)
    assert result.notes[0] == "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 01/QĐ-THU."
    assert result.notes[-2:] == ("ghi chú", "ghi chú cấp")
    assert not any("Phụ lục tạm" in note for note in ranked(plain("4"), CLOSE).notes)


# --- order of arrival ---

ITEMS: tuple[Item, ...] = (
    "0", "1", "2.004", "2.0049", "3", Fraction(1, 3), NA, SECRET, (MISSING, "3"), LATE, PENDING, (CellState.STALE, "1"),
)  # fmt: skip


@given(
    rows=st.lists(st.lists(st.sampled_from(ITEMS), min_size=3, max_size=3), min_size=1, max_size=7),
    policy=st.sampled_from(("zero", "peer_mean", "rescale", "prorate")),
    rank_on=st.sampled_from(("published", "exact")),
    seed=st.integers(0, 10**6),
)
def test_the_order_of_units_and_cells_does_not_matter(
    rows: list[list[Item]], policy: str, rank_on: str, seed: int
) -> None:
    level = a_level("3", "3", "4", pools=("parent",))
    under = a_decision(
        level, rank_on=rank_on, ratings=bands(("Đạt", "50"), ("Chưa đạt", "0")),
        policies={"not_applicable": policy, "excluded": "leave_maximum", "missing": "zero", "not_appraised": "zero"},
    )  # fmt: skip
    by_unit = {unit(f"U{n}", f"Xã {n % 3}", f"H{n % 2}"): row for n, row in enumerate(rows)}
    units, cells = list(by_unit), cells_of(level, by_unit)
    rulings = Rulings(exempt={"U5": "đặc thù"}, not_appraised={"U3": "không"})
    expected = rank_level(under, level, units, cells, rulings=rulings)
    mixed = random.Random(seed)
    at = list(cells)
    mixed.shuffle(units)
    mixed.shuffle(at)
    assert rank_level(under, level, units, {key: cells[key] for key in at}, rulings=rulings) == expected


def test_cells_are_not_changed_in_place() -> None:
    level = a_level("4")
    cell = Cell("A", "C1", MISSING, Fraction(4))
    rank_level(a_decision(level), level, [unit("A")], {("A", "C1"): cell})
    assert dataclasses.astuple(cell) == ("A", "C1", MISSING, Fraction(4), None)
