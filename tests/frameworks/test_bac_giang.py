"""Bắc Giang's decision as data: every number, date and rule that its text prints, and what it leaves open."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest

from dti_pipeline.frameworks.lint import lint
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import MAY_BE_UNSTATED, CalendarEvent, EventName, Framework, LevelName
from dti_pipeline.scoring.periods import Period

LEVELS: tuple[LevelName, ...] = ("department", "district", "commune")
MAIN = {"department": 6, "district": 8, "commune": 8}
COMPONENTS = {"department": 41, "district": 63, "commune": 40}
NAMES = [
    "Nhận thức số",
    "Thể chế số",
    "Hạ tầng số",
    "Nhân lực số",
    "An toàn thông tin mạng",
    "Hoạt động chính quyền số",
    "Hoạt động kinh tế số",
    "Hoạt động xã hội số",
]
BANNER = "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 2937/QĐ-UBND"


@pytest.fixture(scope="module")
def framework() -> Framework:
    return load_framework("bac-giang-2022")


def events(framework: Framework, name: EventName, level: LevelName) -> list[CalendarEvent]:
    return [item for item in framework.calendar if item.event == name and (not item.levels or level in item.levels)]


def test_head(framework: Framework) -> None:
    assert framework.decision.number == "2937/QĐ-UBND"
    assert framework.decision.issued_on == dt.date(2022, 9, 17)
    assert framework.decision.title == "Ban hành Bộ chỉ số đánh giá chuyển đổi số tỉnh Bắc Giang"
    assert framework.province == "Bắc Giang"
    assert (framework.decimals, framework.rank_on) == (2, "published")
    assert tuple(level.level for level in framework.levels) == LEVELS


@pytest.mark.parametrize("name", LEVELS)
def test_printed_counts_and_the_scale_of_1000(framework: Framework, name: LevelName) -> None:
    level = framework.level(name)
    assert Counter(node.kind for node in level.all_nodes()) == {"main": MAIN[name]}
    assert len(level.criteria) == COMPONENTS[name]
    assert level.max_points == Decimal(1000)


@pytest.mark.parametrize("name", LEVELS)
def test_the_file_states_what_the_decision_prints(framework: Framework, name: LevelName) -> None:
    """So the loader, and an official annex put in later, are held to the same numbers."""
    stated = framework.level(name).stated
    assert (stated.nodes, stated.criteria, stated.max_points) == (
        {"main": MAIN[name]},
        COMPONENTS[name],
        Decimal(1000),
    )
    assert stated.criteria_of == {}  # the decision's text prints no split over main indicators


@pytest.mark.parametrize("name", LEVELS)
def test_main_indicators_are_named_after_the_national_set(framework: Framework, name: LevelName) -> None:
    mains = framework.level(name).nodes
    assert [main.name for main in mains] == NAMES[: MAIN[name]]
    assert {main.basis for main in mains} == {"working"}
    assert all(main.criteria for main in mains)
    assert any("922/QĐ-BTTTT" in note and "cách đọc của chúng tôi" in note for note in framework.notes)


def test_no_policy_is_stated(framework: Framework) -> None:
    assert {getattr(framework.policies, name) for name in MAY_BE_UNSTATED} == {"unstated"}
    assert (framework.policies.evidence, framework.policies.supplements) == ("statement", "open")
    assert set(framework.clauses) == {"ratings"}


def test_a_classification_is_wanted_but_its_bands_are_not_printed(framework: Framework) -> None:
    assert framework.ratings == "unstated"


@pytest.mark.parametrize("name", LEVELS)
def test_window_includes_both_days(framework: Framework, name: LevelName) -> None:
    level = framework.level(name)
    night = dt.date(2026, 11, 20)
    assert framework.period(level, 2026, night) == Period(dt.date(2025, 10, 15), dt.date(2026, 10, 15))
    before = framework.period(level, 2025, night)
    assert before is not None
    assert before.end == dt.date(2025, 10, 15)  # the day that counts twice; a finding says so


@pytest.mark.parametrize("name", ["department", "district"])
def test_classification_is_recognised_before_15_december(framework: Framework, name: LevelName) -> None:
    (publication,) = events(framework, "publication", name)
    assert publication.before is not None
    assert publication.before.on(2026) == dt.date(2026, 12, 15)
    assert publication.last_day(2026) == dt.date(2026, 12, 14)


def test_what_the_text_does_not_date_is_dated_by_the_assessment(framework: Framework) -> None:
    undated = [(name, level) for name in ("submission", "appraisal") for level in LEVELS]
    for name, level in (*undated, ("publication", "commune")):
        (event,) = events(framework, name, level)  # type: ignore[arg-type]
        assert (event.last_day(2026), event.set_by) == (None, "assessment")
    assert {event.event for event in framework.calendar} == {"submission", "appraisal", "publication"}


def test_stages(framework: Framework) -> None:
    told = {(level, stage.by): set(stage.may) for stage in framework.stages for level in stage.levels}
    assert told == {
        ("department", "lead"): {"appraise"},
        ("district", "lead"): {"appraise"},
        ("commune", "parent"): {"appraise"},
    }


def test_communes_are_classified_within_their_district(framework: Framework) -> None:
    assert [framework.level(name).pools for name in LEVELS] == [("level",), ("level",), ("parent",)]


@pytest.mark.parametrize("name", LEVELS)
def test_the_annex_is_a_working_one(framework: Framework, name: LevelName) -> None:
    level = framework.level(name)
    assert framework.working_words == BANNER
    assert level.basis == "working"
    assert {criterion.basis for criterion in level.criteria} == {"working"}
    assert {criterion.clause for criterion in level.criteria} == {f"Phụ lục tạm, mục {c.code}" for c in level.criteria}


@pytest.mark.parametrize("name", LEVELS)
def test_no_library_criterion_twice(framework: Framework, name: LevelName) -> None:
    picked = Counter(criterion.library for criterion in framework.level(name).criteria)
    assert None not in picked
    assert [item for item, count in picked.items() if count > 1] == []


@pytest.mark.parametrize("name", LEVELS)
def test_codes_run_on_without_gaps(framework: Framework, name: LevelName) -> None:
    mains = framework.level(name).nodes
    assert [main.code for main in mains] == [str(number) for number in range(1, MAIN[name] + 1)]
    for main in mains:
        assert [c.code for c in main.criteria] == [f"{main.code}.{n}" for n in range(1, len(main.criteria) + 1)]


@pytest.mark.parametrize("name", LEVELS)
def test_points_are_fives_and_the_foundation_is_half(framework: Framework, name: LevelName) -> None:
    level = framework.level(name)
    assert [main.sum_points for main in level.nodes[:5]] == [Decimal(100)] * 5
    for criterion in level.criteria:
        assert criterion.max_points > 0
        assert criterion.max_points % 5 == 0, criterion.code


def test_defects_of_the_text_are_recorded(framework: Framework) -> None:
    assert framework.findings == ()
    assert {level.level: {finding.rule for finding in level.findings} for level in framework.levels} == {
        "department": set(),
        "district": set(),
        "commune": {"commune-date-not-printed"},
    }


def test_the_linter_tells_of_the_day_that_counts_twice_and_of_missing_bands(framework: Framework) -> None:
    rules = Counter(finding.rule for finding in lint(framework))
    assert (rules["windows-overlap"], rules["ratings-unstated"]) == (1, 1)
    assert rules["policy-unstated"] == 6  # missing, late, not applicable, excluded, not appraised, signatures


def test_no_criterion_of_the_working_annex_has_a_defect_of_its_own(framework: Framework) -> None:
    codes = {(level.level, criterion.code) for level in framework.levels for criterion in level.criteria}
    assert [found for found in lint(framework) if (found.level, found.code) in codes] == []
