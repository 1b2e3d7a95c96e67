"""Bà Rịa - Vũng Tàu's decision as data: every number, name, date and rule that its text prints, written out here."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest

from dti_pipeline.frameworks.lint import lint
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import CalendarEvent, EventName, Framework, Level, LevelName, RatingBand
from dti_pipeline.scoring.periods import Period

LEVELS: tuple[LevelName, ...] = ("department", "district", "commune")
COMPONENTS = {"department": 67, "district": 76, "commune": 72}
GROUPS = {
    "department": {"Nhóm Nền tảng": 22, "Nhóm Chính quyền số": 41, "Nhóm Kinh tế số": 2, "Nhóm Xã hội số": 2},
    "district": {"Nhóm Nền tảng": 27, "Nhóm Chính quyền số": 38, "Nhóm Kinh tế số": 3, "Nhóm Xã hội số": 8},
    "commune": {"Nhóm Nền tảng": 24, "Nhóm Chính quyền số": 38, "Nhóm Kinh tế số": 2, "Nhóm Xã hội số": 8},
}
FOUNDATION = ["Nhận thức số", "Thể chế số", "Hạ tầng số", "Nhân lực số", "An toàn thông tin mạng"]
MAIN_OF = {
    "Nhóm Nền tảng": FOUNDATION,
    "Nhóm Chính quyền số": ["Chính quyền số"],
    "Nhóm Kinh tế số": ["Kinh tế số"],
    "Nhóm Xã hội số": ["Xã hội số"],
}
BANNER = "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 3710/QĐ-UBND"


@pytest.fixture(scope="module")
def framework() -> Framework:
    return load_framework("brvt-2022")


def events(framework: Framework, name: EventName, level: LevelName) -> list[CalendarEvent]:
    return [item for item in framework.calendar if item.event == name and (not item.levels or level in item.levels)]


def test_head(framework: Framework) -> None:
    assert framework.decision.number == "3710/QĐ-UBND"
    assert framework.decision.issued_on == dt.date(2022, 12, 2)
    assert framework.province == "Bà Rịa - Vũng Tàu"
    assert (framework.decimals, framework.rank_on) == (2, "published")
    assert tuple(level.level for level in framework.levels) == LEVELS


@pytest.mark.parametrize("name", LEVELS)
def test_printed_counts_and_the_scale_of_100(framework: Framework, name: LevelName) -> None:
    level = framework.level(name)
    assert len(level.criteria) == COMPONENTS[name]
    assert {group.name: len(list(group.all_criteria())) for group in level.nodes} == GROUPS[name]
    assert sum(GROUPS[name].values()) == COMPONENTS[name]
    assert level.max_points == Decimal(100)


@pytest.mark.parametrize("name", LEVELS)
def test_the_file_states_what_the_decision_prints(framework: Framework, name: LevelName) -> None:
    """So the loader, and an official annex put in later, are held to the same numbers."""
    stated = framework.level(name).stated
    assert (stated.criteria, stated.max_points, stated.nodes["main"]) == (COMPONENTS[name], Decimal(100), 8)
    codes = {group.code: group.name for group in framework.level(name).nodes}
    assert {codes[code]: count for code, count in stated.criteria_of.items()} == GROUPS[name]


@pytest.mark.parametrize("name", LEVELS)
def test_eight_main_indicators_in_four_groups(framework: Framework, name: LevelName) -> None:
    level = framework.level(name)
    assert {group.name: [main.name for main in group.nodes] for group in level.nodes} == MAIN_OF
    assert Counter(node.kind for node in level.all_nodes()) == {"group": 4, "main": 8}
    assert {node.basis for node in level.all_nodes()} == {"decision"}
    assert all(main.criteria for group in level.nodes for main in group.nodes)


def test_policies(framework: Framework) -> None:
    assert framework.policies.model_dump() == {
        "missing": "zero",
        "late": "zero",
        "not_applicable": "peer_mean",
        "excluded": "leave_maximum",
        "not_appraised": "zero",
        "signatures": ("leader", "organisation"),
        "evidence": "required",
        "supplements": "on_request",
    }
    assert {*framework.policies.model_dump(), "ratings", "rank"} == {*framework.clauses}
    assert any("chỉ áp dụng cho cấp xã" in note for note in framework.notes)


def test_rating_bands(framework: Framework) -> None:
    assert framework.ratings == (
        RatingBand(name="Tốt", least=Decimal(90)),
        RatingBand(name="Khá", least=Decimal(80)),
        RatingBand(name="Trung bình", least=Decimal(70)),
        RatingBand(name="Yếu", least=Decimal(0)),
    )


@pytest.mark.parametrize("name", LEVELS)
def test_calendar_of_2026(framework: Framework, name: LevelName) -> None:
    (guidance,) = events(framework, "guidance", name)
    (appraisal,) = events(framework, "appraisal", name)
    (publication,) = events(framework, "publication", name)
    assert guidance.last_day(2026) == dt.date(2026, 12, 31)
    assert appraisal.last_day(2026) == dt.date(2027, 1, 31)
    assert publication.before is not None
    assert publication.before.on(2026) == dt.date(2027, 1, 31)
    assert publication.last_day(2026) == dt.date(2027, 1, 30)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("event", ["submission", "supplement"])
def test_submission_days_are_set_each_year(framework: Framework, name: LevelName, event: EventName) -> None:
    (found,) = events(framework, event, name)
    assert found.last_day(2026) is None
    assert found.set_by == "assessment"


@pytest.mark.parametrize("name", LEVELS)
def test_figures_are_about_the_assessment_year(framework: Framework, name: LevelName) -> None:
    level = framework.level(name)
    found = framework.period(level, 2026, dt.date(2026, 11, 20))
    assert found == Period(dt.date(2026, 1, 1), dt.date(2026, 12, 31))


def test_stages(framework: Framework) -> None:
    told = {(level, stage.by): set(stage.may) for stage in framework.stages for level in stage.levels}
    assert told == {
        ("department", "lead"): {"appraise", "ask_supplement"},
        ("district", "lead"): {"appraise", "ask_supplement"},
        ("commune", "parent"): {"appraise"},
        ("commune", "lead"): {"appraise", "ask_supplement"},
    }


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_is_one_pool(framework: Framework, name: LevelName) -> None:
    assert framework.level(name).pools == ("level",)


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
    level = framework.level(name)
    mains = [main for group in level.nodes for main in group.nodes]
    assert [main.code for main in mains] == ["1", "2", "3", "4", "5", "6", "7", "8"]
    for main in mains:
        assert [c.code for c in main.criteria] == [f"{main.code}.{n}" for n in range(1, len(main.criteria) + 1)]


@pytest.mark.parametrize("name", LEVELS)
def test_points_are_quarters_and_never_nothing(framework: Framework, name: LevelName) -> None:
    for criterion in framework.level(name).criteria:
        assert criterion.max_points > 0
        assert criterion.max_points % Decimal("0.25") == 0, criterion.code


@pytest.mark.parametrize("name", LEVELS)
def test_nothing_about_state_secrets_is_asked(framework: Framework, name: LevelName) -> None:
    """The decision does not evaluate what touches state secrets, so a criterion about them has no place here."""
    assert "secrets-computer" not in {criterion.library for criterion in framework.level(name).criteria}


def test_defects_of_the_text_are_recorded(framework: Framework) -> None:
    assert {finding.rule for finding in framework.findings} == {
        "pillars-and-groups-differ",
        "open-list-of-cases",
        "words-missing",
    }
    assert findings_of(framework.level("department")) == {"level-called-otherwise"}
    assert findings_of(framework.level("district")) == findings_of(framework.level("commune")) == set()


def findings_of(level: Level) -> set[str]:
    return {finding.rule for finding in level.findings}


def test_publication_comes_before_the_appraisal_has_to_be_done(framework: Framework) -> None:
    """Printed so: appraisal within January, publication before 31 January."""
    found = [finding for finding in lint(framework) if finding.rule == "deadline-after-publication"]
    assert [finding.code for finding in found] == ["appraisal"]


def test_no_criterion_of_the_working_annex_has_a_defect_of_its_own(framework: Framework) -> None:
    codes = {(level.level, criterion.code) for level in framework.levels for criterion in level.criteria}
    assert [found for found in lint(framework) if (found.level, found.code) in codes] == []
