"""Huế, decision 931/QĐ-UBND: the counts, totals, dates and policies that the text prints, and an annex that fits.

Expected figures are literals from the decision. What its criteria score is not here: they are the library's.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from dti_pipeline.frameworks.lint import lint
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Framework, Level, LevelName
from dti_pipeline.scoring.periods import Period

LEVELS: tuple[LevelName, ...] = ("department", "district", "commune")
PRINTED = {"department": (9, 34, 391), "district": (9, 53, 675), "commune": (9, 50, 645)}
"""Level -> main indicators, component indicators, scale (II.1.a and II.3.b)."""
FOUNDATION = ["Nhận thức số", "Thể chế số", "Hạ tầng số", "Nhân lực số", "An toàn thông tin mạng"]
ACTIVITY = ["Hoạt động chính quyền số", "Hoạt động kinh tế số", "Hoạt động xã hội số", "Đô thị thông minh"]


@pytest.fixture(scope="module")
def hue() -> Framework:
    return load_framework("hue-2024")


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, hue: Framework) -> Level:
    return hue.level(request.param)


def test_the_decision_is_named_as_printed(hue: Framework) -> None:
    assert (hue.decision.number, hue.decision.issued_on) == ("931/QĐ-UBND", dt.date(2024, 4, 4))
    assert hue.decision.issuer == "Ủy ban nhân dân tỉnh Thừa Thiên Huế"
    assert hue.decision.title == "Ban hành Bộ chỉ số đánh giá, xếp hạng Chuyển đổi số các cấp của tỉnh Thừa Thiên Huế"
    assert tuple(item.level for item in hue.levels) == LEVELS


def test_counts_and_scale_are_those_printed(level: Level) -> None:
    mains, components, scale = PRINTED[level.level]
    assert sum(node.kind == "main" for node in level.all_nodes()) == mains
    assert len(level.criteria) == components
    assert sum(criterion.max_points for criterion in level.criteria) == scale
    assert (level.stated.nodes, level.stated.criteria) == ({"main": mains}, components)
    assert level.stated.max_points == scale


def test_printed_figures_are_those_of_the_text(shared_dir: Path) -> None:
    text = next((shared_dir / "seeds").glob("003_*")).read_text(encoding="utf-8")
    found = re.findall(r"(\d+) chỉ số chính với (\d+) chỉ số thành phần; thang điểm (\d+)", text)
    assert [tuple(map(int, row)) for row in found] == [PRINTED[name] for name in LEVELS]


def test_total_is_the_foundation_group_plus_the_activity_group(level: Level) -> None:
    assert [(node.kind, node.name, node.basis) for node in level.nodes] == [
        ("group", "Nhóm chỉ số nền tảng chung", "decision"),
        ("group", "Nhóm chỉ số về hoạt động", "decision"),
    ]
    assert [[node.name for node in group.nodes] for group in level.nodes] == [FOUNDATION, ACTIVITY]
    assert not any(group.criteria for group in level.nodes)


def test_main_indicators_have_points_of_their_own(level: Level) -> None:
    for node in (main for group in level.nodes for main in group.nodes):
        assert node.criteria, node.name
        assert all(criterion.max_points == int(criterion.max_points) > 0 for criterion in node.criteria), node.name
        assert [criterion.code for criterion in node.criteria] == [
            f"{node.code}.{position}" for position in range(1, len(node.criteria) + 1)
        ]


def test_everything_the_text_does_not_print_is_working(hue: Framework, level: Level) -> None:
    assert level.basis == "working"
    assert {criterion.basis for criterion in level.criteria} == {"working"}
    assert {main.basis for group in level.nodes for main in group.nodes} == {"working"}
    assert all(criterion.clause == f"Phụ lục tạm, mục {criterion.code}" for criterion in level.criteria)
    assert hue.working_words == "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 931/QĐ-UBND"


def test_no_criterion_of_the_library_is_picked_twice(level: Level) -> None:
    picked = [criterion.library for criterion in level.criteria]
    assert None not in picked
    assert len(set(picked)) == len(picked)
    names = [criterion.name for criterion in level.criteria]
    assert len(set(names)) == len(names)


def test_only_the_not_applicable_rule_is_stated(hue: Framework) -> None:
    assert hue.policies.model_dump() == {
        "missing": "unstated",
        "late": "unstated",
        "not_applicable": "rescale",
        "excluded": "unstated",
        "not_appraised": "unstated",
        "signatures": "unstated",
        "evidence": "statement",
        "supplements": "open",
    }
    assert "II.3.c" in hue.clauses["not_applicable"]
    assert hue.ratings == "none"


def test_ranks_are_on_the_published_score_and_that_is_our_reading(hue: Framework) -> None:
    assert (hue.rank_on, hue.decimals) == ("published", 2)
    assert any("Cách đọc của chúng tôi" in note and "điểm công bố" in note for note in hue.notes)


def test_communes_are_ranked_in_their_district_the_others_as_a_level(hue: Framework) -> None:
    assert [hue.level(name).pools for name in LEVELS] == [("level",), ("level",), ("parent",)]
    assert [item.classes for item in hue.levels] == [None, None, None]


@pytest.mark.parametrize("name", ["department", "district"])
def test_figures_are_of_1_january_to_15_november(hue: Framework, name: str) -> None:
    for year in (2024, 2026):
        night = dt.date(year, 11, 20)
        assert hue.period(hue.level(name), year, night) == Period(dt.date(year, 1, 1), dt.date(year, 11, 15))


def test_districts_set_the_window_and_every_date_of_their_communes(hue: Framework) -> None:
    commune = hue.level("commune")
    assert hue.window_of(commune) == "unstated"
    assert hue.period(commune, 2026, dt.date(2026, 11, 20)) is None
    events = {event.event: event for event in hue.calendar if "commune" in event.levels}
    assert {"submission", "appraisal", "publication"} <= set(events)
    assert {event.set_by for event in events.values()} == {"district"}
    assert {event.last_day(2026) for event in events.values()} == {None}


def test_departments_and_districts_enter_data_before_30_november_and_are_published_in_december(hue: Framework) -> None:
    dated = {
        event.event: (event.levels, event.last_day(2026), event.set_by)
        for event in hue.calendar
        if event.last_day(2026) is not None
    }
    assert dated == {
        "submission": (("department", "district"), dt.date(2026, 11, 29), "assessment"),
        "publication": (("department", "district"), dt.date(2026, 12, 31), "assessment"),
    }
    assert all(event.levels for event in hue.calendar)


def test_who_appraises_whom(hue: Framework) -> None:
    assert [(stage.levels, stage.by, stage.may) for stage in hue.stages] == [
        (("department", "district"), "lead", ("appraise", "approve")),
        (("department", "district"), "lead", ("adjust",)),
        (("commune",), "parent", ("appraise", "adjust", "approve")),
    ]


def test_defects_of_the_text_are_recorded(hue: Framework) -> None:
    assert {finding.rule: finding.clause for finding in hue.findings} == {
        "duplicate-item": "Mục II.2",
        "copied-text": "Mục II.1.a",
        "mixed-scales": "Mục II.3.b; mục II.3.c",
        "wrong-subject": "Mục II.3.c",
        "groups-not-listed": "Mục II.1.a; mục II.3.a",
        "two-orders": "Mục II.3.d; mục III.2.b",
        "scope-differs": "Mục I.1.b; mục I.2.a",
    }


def test_no_working_criterion_is_itself_defective(hue: Framework) -> None:
    codes = {criterion.code for item in hue.levels for criterion in item.criteria}
    assert [finding for finding in lint(hue) if finding.code in codes] == []


def test_six_weeks_count_in_no_year(hue: Framework) -> None:
    gaps = [finding for finding in lint(hue) if finding.rule == "window-gap"]
    assert gaps
    assert "commune" not in {finding.level for finding in gaps}
    assert all("16/11/2026–31/12/2026" in finding.what for finding in gaps)
