"""Phú Thọ, decision 1609/QĐ-UBND: the groups, the three tables of minima, the dates and the silences of the text.

Expected figures are literals from the decision; the group maxima are the inference that `notes` name. What the working
criteria score is not here: they are the library's.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dti_pipeline.frameworks.lint import lint
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import ClassMinima, Framework, Level, LevelName
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.ranking import class_of

LEVELS: tuple[LevelName, ...] = ("department", "district", "commune")
READINESS = ["Cơ sở hạ tầng thông tin", "Nhân lực CNTT", "Môi trường chính sách"]
RESULTS = ["Mức độ hiện diện", "Mức độ tương tác", "Mức độ giao dịch", "Mức độ chuyển đổi"]
MINIMA = {
    "department": """
        25,2  22,4  21    19,6
        9,0   8,0   7,5   7,0
        10,8  9,6   9,0   8,4
        16,2  16,2  15,3  14,4
        46,8  44,2  41,6  36,4
        18,0  16,0  15,0  14,0
        9,0   5,0   0,0   0,0""",
    "district": """
        27,0  24,0  22,5  21,0
        10,8  9,6   9,0   8,4
        7,2   6,4   6,0   5,6
        36,0  36,0  34,0  32,0
        31,5  29,75 28,0  24,5
        18,0  16,0  15,0  14,0
        4,5   2,5   0,0   0,0""",
    "commune": """
        18,0  16,0  15,0  14,0
        4,5   4,0   3,75  3,5
        4,5   4,0   3,75  3,5
        24,3  24,3  21,6  18,9
        16,2  15,3  14,4  12,6
        9,0   8,0   7,5   7,0
        4,5   2,5   0,0   0,0""",
}
"""Level -> the table of Điều 7.2 as printed: a group per row, classes I to IV."""
INFERRED = {
    "department": (28, 10, 12, 18, 52, 20, 10),
    "district": (30, 12, 8, 40, 35, 20, 5),
    "commune": (20, 5, 5, 27, 18, 10, 5),
}
"""Level -> group maxima, of which the printed minima of class I are 90 %."""
TOTALS = {"department": 150, "district": 150, "commune": 90}
CLAUSES = {"department": "Điều 7.2.a", "district": "Điều 7.2.b", "commune": "Điều 7.2.c"}


def rows(table: str) -> list[tuple[Decimal, ...]]:
    return [tuple(Decimal(cell.replace(",", ".")) for cell in line.split()) for line in table.strip().splitlines()]


@pytest.fixture(scope="module")
def phu_tho() -> Framework:
    return load_framework("phu-tho-2018")


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, phu_tho: Framework) -> Level:
    return phu_tho.level(request.param)


def classes(level: Level) -> ClassMinima:
    assert level.classes is not None
    return level.classes


def test_the_decision_is_named_as_printed(phu_tho: Framework) -> None:
    assert (phu_tho.decision.number, phu_tho.decision.issued_on) == ("1609/QĐ-UBND", dt.date(2018, 7, 5))
    assert phu_tho.decision.title == (
        "Bộ tiêu chí và phương pháp đánh giá mức độ Chính quyền điện tử cơ quan nhà nước tỉnh Phú Thọ"
    )
    assert tuple(item.level for item in phu_tho.levels) == LEVELS


def test_two_pillars_hold_three_and_four_groups(level: Level) -> None:
    assert [(node.kind, node.name, node.basis) for node in level.nodes] == [
        ("pillar", "Điều kiện sẵn sàng Chính quyền điện tử", "decision"),
        ("pillar", "Kết quả Chính quyền điện tử", "decision"),
    ]
    assert [[group.name for group in pillar.nodes] for pillar in level.nodes] == [READINESS, RESULTS]
    assert [group.code for pillar in level.nodes for group in pillar.nodes] == list("1234567")
    assert level.stated.nodes == {"pillar": 2, "group": 7}


def test_minima_are_those_printed(level: Level) -> None:
    found = classes(level)
    assert found.names == ("Mức I", "Mức II", "Mức III", "Mức IV")
    assert found.minima == dict(zip("1234567", rows(MINIMA[level.level]), strict=True))
    assert found.clause == CLAUSES[level.level]
    assert found.is_unranked_below


def test_printed_minima_are_those_of_the_text(shared_dir: Path) -> None:
    text = next((shared_dir / "seeds").glob("004_*")).read_text(encoding="utf-8")
    tables = text[text.index("Điều 7.") : text.index("3. Thực hiện xếp hạng")]
    found = [
        tuple(Decimal(cell.replace(",", ".")) for cell in match[1].replace("|", " ").split())
        for match in re.finditer(
            r"(?:thông tin|CNTT|chính sách|hiện diện|tương tác|giao dịch|chuyển đổi) ([|\s\d,]+)", tables
        )
    ]
    assert [row[:4] for row in found if len(row) >= 4] == [row for name in LEVELS for row in rows(MINIMA[name])]


def test_group_maxima_are_inferred_from_class_one(level: Level) -> None:
    groups = {node.code: node for node in level.all_nodes() if node.kind == "group"}
    inferred = dict(zip("1234567", map(Decimal, INFERRED[level.level]), strict=True))
    assert {code: node.sum_points for code, node in groups.items()} == inferred
    assert {code: node.max_points for code, node in groups.items()} == inferred
    assert level.max_points == TOTALS[level.level]
    for most, least in zip(INFERRED[level.level], rows(MINIMA[level.level]), strict=True):
        assert Fraction(least[0]) == Fraction(most) * 9 / 10


def test_inferred_maxima_are_never_shown_as_the_decisions(phu_tho: Framework, level: Level) -> None:
    assert {node.basis for node in level.all_nodes() if node.max_points is not None} == {"working"}
    assert any("suy luận của chúng tôi" in note and str(TOTALS[level.level]) in note for note in level.notes)
    assert any("suy luận của chúng tôi" in note and "90%" in note for note in phu_tho.notes)
    assert (level.stated.criteria, level.stated.max_points) == (None, None)


def test_every_group_can_reach_its_minimum_of_class_one(level: Level) -> None:
    for node in level.all_nodes():
        if node.kind == "group":
            assert sum(criterion.max_points for criterion in node.criteria) >= classes(level).minima[node.code][0]


def test_group_totals_exactly_at_the_minima_are_that_class(level: Level) -> None:
    for position in range(4):
        at = {code: Fraction(row[position]) for code, row in classes(level).minima.items()}
        assert class_of(level, classes(level), at)[0] == position


def test_a_thousandth_below_the_infrastructure_minimum_is_the_next_class(phu_tho: Framework) -> None:
    department = phu_tho.level("department")
    best = dict(zip("1234567", map(Fraction, INFERRED["department"]), strict=True))
    reached = [
        class_of(department, classes(department), best | {"1": Fraction(least) - Fraction(1, 1000)})[0]
        for least in ("25.2", "22.4", "21", "19.6")
    ]
    assert reached == [1, 2, 3, None]


def test_points_are_halves_and_codes_follow_their_group(level: Level) -> None:
    for node in level.all_nodes():
        assert all(criterion.max_points * 2 == int(criterion.max_points * 2) > 0 for criterion in node.criteria)
        assert [criterion.code for criterion in node.criteria] == [
            f"{node.code}.{position}" for position in range(1, len(node.criteria) + 1)
        ]


def test_every_criterion_is_working(phu_tho: Framework, level: Level) -> None:
    assert level.basis == "working"
    assert {criterion.basis for criterion in level.criteria} == {"working"}
    assert all(criterion.clause == f"Phụ lục tạm, mục {criterion.code}" for criterion in level.criteria)
    assert phu_tho.working_words == "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 1609/QĐ-UBND"


def test_no_criterion_of_the_library_is_picked_twice(level: Level) -> None:
    picked = [criterion.library for criterion in level.criteria]
    assert None not in picked
    assert len(set(picked)) == len(picked)
    names = [criterion.name for criterion in level.criteria]
    assert len(set(names)) == len(names)


def test_no_policy_is_stated(phu_tho: Framework) -> None:
    assert phu_tho.policies.model_dump() == {
        "missing": "unstated",
        "late": "unstated",
        "not_applicable": "unstated",
        "excluded": "unstated",
        "not_appraised": "unstated",
        "signatures": "unstated",
        "evidence": "statement",
        "supplements": "open",
    }
    assert phu_tho.clauses == {"rank": "Điều 7.1"}
    assert phu_tho.ratings == "none"


def test_class_first_then_published_total_is_our_reading(phu_tho: Framework) -> None:
    assert (phu_tho.rank_on, phu_tho.decimals) == ("published", 2)
    note = next(note for note in phu_tho.notes if "Cách đọc của chúng tôi về Điều 7.1" in note)
    assert "mức trước" in note
    assert "điểm công bố" in note


def test_every_level_is_one_pool_with_the_year_as_window(phu_tho: Framework, level: Level) -> None:
    assert level.pools == ("level",)
    assert phu_tho.period(level, 2026, dt.date(2026, 10, 20)) == Period(dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert any("01/01–31/12" in note and "cách đọc của chúng tôi" in note for note in phu_tho.notes)


def test_calendar(phu_tho: Framework) -> None:
    assert [(event.event, event.levels, event.last_day(2026), event.working_days) for event in phu_tho.calendar] == [
        ("submission", ("commune",), dt.date(2026, 10, 14), None),
        ("submission", ("district",), dt.date(2026, 10, 30), None),
        ("submission", ("department",), dt.date(2026, 10, 30), None),
        ("appraisal", ("commune",), dt.date(2026, 10, 30), None),
        ("appraisal", ("department", "district"), None, 60),
        ("publication", (), dt.date(2026, 12, 31), None),
    ]
    assert {event.set_by for event in phu_tho.calendar} == {"assessment"}


def test_who_appraises_whom(phu_tho: Framework) -> None:
    assert [(stage.levels, stage.by, stage.may) for stage in phu_tho.stages] == [
        (("commune",), "parent", ("appraise",)),
        (("department", "district"), "lead", ("appraise",)),
    ]


def test_defects_of_the_text_are_recorded(phu_tho: Framework) -> None:
    assert {finding.rule: finding.clause for finding in phu_tho.findings} == {
        "duplicate-item": "Điều 7.3",
        "maxima-not-printed": "Điều 7.2",
        "no-reporting-window": "Điều 5",
        "order-unclear": "Điều 7.1; Điều 7.2",
        "below-lowest-by-points": "Điều 7.1",
        "equal-minima": "Điều 7.2",
        "zero-minima": "Điều 7.2",
    }


def test_no_working_criterion_is_itself_defective(phu_tho: Framework) -> None:
    codes = {criterion.code for item in phu_tho.levels for criterion in item.criteria}
    assert [finding for finding in lint(phu_tho) if finding.code in codes] == []


def test_sixty_working_days_can_leave_the_fourth_quarter(phu_tho: Framework) -> None:
    # Papers complete on Friday 30/10/2026; 60 working days are twelve weeks of five days: Friday 22/01/2027.
    late = [finding for finding in lint(phu_tho) if finding.rule == "working-days-past-publication"]
    assert [finding.level for finding in late] == ["department", "district"]
    assert all("22/01/2027" in finding.what and finding.clause == "Điều 5.2.d" for finding in late)
