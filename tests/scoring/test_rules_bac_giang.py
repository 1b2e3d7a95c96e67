"""Bắc Giang's rules (QĐ 2937/QĐ-UBND): what it leaves open needs a choice, and the table says whose it was."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest
from ranking_cases import NA, SECRET, Item, a_decision, a_level, bands, by_code, ranked, ranks, unit

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import DatedWindow, Framework, Policies, YearDay
from dti_pipeline.scoring.engine import Choices, NotApplicablePolicy, Rulings, UnitRef
from dti_pipeline.scoring.ranking import ChoiceNeeded

WINDOW = DatedWindow(start=YearDay(day=15, month=10, year=-1), end=YearDay(day=15, month=10))
ROWS: dict[str, tuple[Item, ...]] = {"A": ("500", "200", NA), "B": ("480", "240", "40"), "C": ("400", "180", "80")}


def bac_giang(**more: object) -> Framework:
    given: dict[str, object] = {"id": "thu-2022", "window": WINDOW, "ratings": "unstated"}
    return a_decision(a_level("600", "300", "100"), **(given | more))


def test_these_are_the_rules_of_the_framework_file() -> None:
    found = load_framework("bac-giang-2022")
    assert (found.policies, found.ratings, found.window) == (Policies(), "unstated", WINDOW)
    assert {level.level: level.pools[0] for level in found.levels} == {
        "department": "level", "district": "level", "commune": "parent",
    }  # fmt: skip


def test_the_window_runs_from_15_10_to_15_10_both_days_included() -> None:
    under = bac_giang()
    period = under.period(under.levels[0], 2022, dt.date(2022, 6, 1))
    assert period == (dt.date(2021, 10, 15), dt.date(2022, 10, 15))


def test_a_not_applicable_cell_without_a_choice_stops_and_says_what_to_choose() -> None:
    with pytest.raises(ChoiceNeeded) as raised:
        ranked(bac_giang(), ROWS)
    told = str(raised.value)
    assert told.startswith("thu-2022, department: đơn vị A, tiêu chí C3 không áp dụng, mà 01/QĐ-THU không nói")
    assert "Hãy chọn not_applicable trong mục choices của đợt đánh giá (hoặc --not-applicable)" in told
    for value, words in (
        ("zero", "được 0 điểm, giữ nguyên điểm tối đa"),
        ("peer_mean", "điểm trung bình cộng của các đơn vị cùng cấp có điểm"),
        ("rescale", "ra khỏi điểm tối đa"),
        ("prorate", "điểm theo tỷ lệ đạt được ở các tiêu chí còn lại"),
    ):
        assert f"«{value}»: " in told
        assert words in told.split(f"«{value}»: ")[1].split("; «")[0]


def test_every_silent_case_names_its_own_choice() -> None:
    with pytest.raises(ChoiceNeeded, match=r"tiêu chí C3 thuộc bí mật nhà nước.*Hãy chọn excluded.*«leave_maximum»"):
        ranked(bac_giang(), {"A": ("1", "1", SECRET)}, Choices(not_applicable="zero", not_appraised="zero"))
    with pytest.raises(ChoiceNeeded, match=r"đơn vị B không được cấp thẩm định chấm.*Hãy chọn not_appraised.*«zero»"):
        ranked(
            bac_giang(), ROWS, Choices(not_applicable="zero", excluded="leave_maximum"),
            Rulings(not_appraised={"B": "không", "C": "không"}),
        )  # fmt: skip


def test_no_choice_is_asked_for_where_nothing_needs_one() -> None:
    rows: dict[str, tuple[Item, ...]] = {"A": ("500", "200", "0")}
    assert ranks(ranked(bac_giang(), rows)) == {"A": 1}
    # An exempt or unappraised unit's cells ask nothing either.
    exempt = Rulings(exempt={"B": "đặc thù"}, not_appraised={"C": "không"})
    rows |= {"B": (NA, NA, NA), "C": (NA, SECRET, NA)}
    assert ranks(ranked(bac_giang(), rows, Choices(not_appraised="zero"), exempt)) == {"A": 1, "C": 2, "B": None}


@pytest.mark.parametrize(
    ("choice", "table", "a", "words"),
    [
        # A keeps 700 of 1000.
        ("zero", {"B": 1, "A": 2, "C": 3}, (700, 1000, "700.00"), "được 0 điểm, giữ nguyên điểm tối đa"),
        # (40 + 80) / 2 = 60; A ties with B at 760.
        ("peer_mean", {"A": 1, "B": 1, "C": 3}, (760, 1000, "760.00"), "trung bình cộng"),
        # 700 of 900 = 77.78 %, B 76 %, C 66 %.
        ("rescale", {"A": 1, "B": 2, "C": 3}, (700, 900, "77.78"), "ra khỏi điểm tối đa"),
        # 100 × 700/900 = 700/9; 700 + 700/9 = 7000/9 = 777.78.
        ("prorate", {"A": 1, "B": 2, "C": 3}, (Fraction(7000, 9), 1000, "777.78"), "theo tỷ lệ đạt được"),
    ],
)
def test_each_choice_gives_its_result_and_is_named(
    choice: NotApplicablePolicy, table: dict[str, int], a: tuple[Fraction | int, int, str], words: str
) -> None:
    result = ranked(bac_giang(), ROWS, Choices(not_applicable=choice, document="công văn 12"))
    assert ranks(result) == table
    found = by_code(result)
    assert (found["A"].total, found["A"].max_points, found["A"].printed) == a
    assert found["B"].printed == ("76.00" if choice == "rescale" else "760.00")
    (note,) = [note for note in result.notes if note.startswith("Lựa chọn của người vận hành")]
    assert words in note
    assert "01/QĐ-THU không nói" in note
    assert f"not_applicable: {choice}" in note
    assert not any("không đơn vị nào cùng cấp có điểm" in other for other in result.notes)
    assert "(văn bản: công văn 12)" in note


def test_ratings_are_wanted_and_their_bands_are_the_operators() -> None:
    # 760 of 1000 is 76 %: with bands at 76 and 50, 759.996 is below and says so.
    chosen = bands(("Khá", "76"), ("Đạt", "50.5"), ("Chưa đạt", "0"))
    rows: dict[str, tuple[Item, ...]] = {
        "A": ("500", "200", "60"), "B": ("500", "200", "59.996"), "C": ("400", "105", "0"), "D": ("504", "0", "0"),
    }  # fmt: skip
    result = ranked(bac_giang(), rows, Choices(ratings=chosen, document="công văn 13"))
    assert [(item.printed, item.rating) for item in result.units] == [
        ("760.00", "Khá"), ("759.996", "Đạt"), ("505.00", "Đạt"), ("504.00", "Chưa đạt"),
    ]  # fmt: skip
    (note,) = [note for note in result.notes if note.startswith("Mức xếp loại do người vận hành chọn")]
    assert "Khá từ 76 %; Đạt từ 50,5 %; Chưa đạt từ 0 %" in note
    assert "(văn bản: công văn 13)" in note
    assert any("in thêm chữ số" in note for note in result.notes)


def test_without_chosen_bands_nobody_is_rated_and_the_table_says_why() -> None:
    result = ranked(bac_giang(), {"A": ("500", "200", "60")})
    assert result.units[0].rating is None
    assert any("chưa chọn mức nên bảng không có xếp loại" in note for note in result.notes)
    none = ranked(bac_giang(ratings="none"), {"A": ("500", "200", "60")}, Choices(ratings=bands(("Đạt", "0"))))
    assert none.units[0].rating is None
    assert not any("xếp loại" in note for note in none.notes)


def test_communes_are_classified_within_their_district_with_the_level_beside_it() -> None:
    level = a_level("600", "300", "100", level="commune", pools=("parent",))
    rows: dict[UnitRef, tuple[Item, ...]] = {
        unit("1", "Một", "H00.90"): ("500", "200", "60"),
        unit("2", "Hai", "H00.91"): ("600", "300", "100"),
        unit("3", "Ba", "H00.90"): ("500", "200", "70"),
    }
    result = ranked(a_decision(level), rows)
    assert [(item.unit.name, item.pool, item.rank_in_pool, item.rank) for item in result.units] == [
        ("Hai", "H00.91", 1, 1), ("Ba", "H00.90", 1, 2), ("Một", "H00.90", 2, 3),
    ]  # fmt: skip
    assert any("Hạng chính thức là hạng trong từng địa bàn cấp trên" in note for note in result.notes)
