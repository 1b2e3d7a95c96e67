"""Deadlines to the second: submission, supplement open or on request, districts' own dates, extensions, time zones."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.evidence.checking import signing_deadline
from dti_pipeline.evidence.deadlines import Due, timeliness
from dti_pipeline.frameworks.assessment import Assessment, read_assessment
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.units.registry import load_registry

VIETNAM = dt.timezone(dt.timedelta(hours=7))
PRACTICE_UNITS = Path(__file__).resolve().parents[2] / "dti_pipeline" / "sandbox" / "data" / "units.yaml"
SECOND = dt.timedelta(seconds=1)


def day_end(day: int, month: int = 12) -> dt.datetime:
    return dt.datetime(2026, month, day, 23, 59, 59, tzinfo=VIETNAM)


def brvt(**more: Any) -> Assessment:
    given: dict[str, Any] = {
        "id": "thu", "framework": "brvt-2022", "year": 2026, "provinces": ["H00"],
        "calendar": {"levels": {"department": {"submission": "2026-12-10", "supplement": "2026-12-25"}}},
    }  # fmt: skip
    return Assessment.model_validate(given | more)


def due_of(assessment: Assessment, unit: str = "H00.05", level: str = "department", parent: str | None = None) -> Due:
    framework = load_framework(assessment.framework)
    return assessment.due(framework, framework.level(level), UnitRef(unit, "Sở Một", parent))


def edge(due: Due, criterion: str, last: dt.datetime, at_last: str) -> None:
    """The last second in time is `at_last`; the next one is late."""
    assert timeliness(last, due, criterion) == at_last
    assert timeliness(last + SECOND, due, criterion) == "late"


def test_the_last_second_of_the_day_in_vietnam_is_in_time_wherever_the_clock_stands() -> None:
    due = due_of(brvt())
    edge(due, "1.1", day_end(10), "in_time")
    edge(due, "1.1", dt.datetime(2026, 12, 10, 16, 59, 59, tzinfo=dt.UTC), "in_time")
    edge(due, "1.1", dt.datetime(2026, 12, 11, 1, 59, 59, tzinfo=dt.timezone(dt.timedelta(hours=9))), "in_time")


def test_a_moment_with_its_own_offset() -> None:
    dates = {"levels": {"department": {"submission": "2026-12-10T17:00:00+09:00"}}}
    edge(due_of(brvt(calendar=dates)), "1.1", dt.datetime(2026, 12, 10, 15, 0, 0, tzinfo=VIETNAM), "in_time")


def test_supplements_only_where_they_were_asked_for() -> None:
    """BRVT: the calendar's date for supplements gives nobody more time who was not asked."""
    request = {
        "unit": "H00.05", "criteria": ["1.1"], "reason": "thiếu chữ ký", "document": "Công văn thử 1", "by": "Sở Thử",
    }  # fmt: skip
    asked = due_of(brvt(supplement_requests=[request]))
    edge(asked, "1.2", day_end(10), "in_time")
    assert timeliness(day_end(10) + SECOND, asked, "1.1") == "supplement"
    edge(asked, "1.1", day_end(25), "supplement")
    assert (asked.latest, asked.last_moment("1.1"), asked.last_moment("1.2")) == (day_end(25), day_end(25), day_end(10))
    edge(due_of(brvt(supplement_requests=[request]), "H00.06"), "1.1", day_end(10), "in_time")


def test_a_request_for_everything_and_with_its_own_date() -> None:
    request = {
        "unit": "H00.05", "until": "2026-12-18", "reason": "bổ sung", "document": "Công văn thử 2", "by": "Sở Thử",
    }  # fmt: skip
    shorter = request | {"criteria": ["1.1"], "until": "2026-12-12"}
    longer = request | {"criteria": ["1.2"], "until": "2026-12-28"}
    due = due_of(brvt(supplement_requests=[request, shorter, longer]))
    for criterion, last in (("1.1", 18), ("1.2", 28), ("1.3", 18)):
        edge(due, criterion, day_end(last), "supplement")


def test_supplements_open_to_everybody() -> None:
    """Huế does not say that a supplement has to be asked for."""
    dates = {"levels": {"department": {"submission": "2026-11-30", "supplement": "2026-12-10"}}}
    due = due_of(brvt(framework="hue-2024", calendar=dates, levels=["department"]))
    assert timeliness(day_end(30, 11), due, "1.1") == "in_time"
    assert timeliness(day_end(30, 11) + SECOND, due, "1.1") == "supplement"
    edge(due, "1.1", day_end(10), "supplement")


def test_districts_date_their_communes() -> None:
    window = {"from": {"day": 1, "month": 1}, "to": {"day": 15, "month": 11}}
    dates = {"levels": {"commune": {"submission": "2026-12-10", "districts": {"H00.27": {"submission": "2026-12-20"}}}}}
    assessment = brvt(framework="hue-2024", calendar=dates, windows={"commune": window}, levels=["commune"])
    edge(due_of(assessment, "H00.27.01", "commune", "H00.27"), "1.1", day_end(20), "in_time")
    edge(due_of(assessment, "H00.28.01", "commune", "H00.28"), "1.1", day_end(10), "in_time")


def extension(event: str, until: str, *units: str) -> dict[str, Any]:
    return {
        "units": list(units), "event": event, "until": until, "reason": "bão số 9", "document": "Công văn thử 3",
        "by": "Chủ tịch tỉnh Thực Hành",
    }  # fmt: skip


def test_an_extension_of_some_units_says_why_and_by_whom() -> None:
    assessment = brvt(extensions=[extension("submission", "2026-12-15", "H00.05", "H00.06")])
    for unit in ("H00.05", "H00.06"):
        due = due_of(assessment, unit)
        edge(due, "1.1", day_end(15), "in_time")
        assert due.extension == "bão số 9 (Công văn thử 3; Chủ tịch tỉnh Thực Hành)"
    assert due_of(assessment, "H00.07") == Due(submission=day_end(10))


def test_an_extension_never_takes_time_away() -> None:
    assessment = brvt(extensions=[extension("submission", "2026-12-01", "H00.05")])
    edge(due_of(assessment), "1.1", day_end(10), "in_time")


def test_an_extension_for_supplements_reaches_those_that_were_asked_for() -> None:
    request = {
        "unit": "H00.05", "criteria": ["1.1"], "until": "2026-12-20", "reason": "bổ sung", "document": "Công văn thử 2",
        "by": "Sở Thử",
    }  # fmt: skip
    due = due_of(brvt(supplement_requests=[request], extensions=[extension("supplement", "2026-12-31", "H00.05")]))
    edge(due, "1.1", day_end(31), "supplement")
    edge(due, "1.2", day_end(10), "in_time")


def test_without_a_deadline_nothing_is_late() -> None:
    for due in (
        due_of(brvt(calendar={})),
        due_of(brvt(calendar={}, extensions=[extension("submission", "2026-12-15", "H00.05")])),
    ):
        assert (due.submission, due.latest, due.last_moment("1.1")) == (None, None, None)
        assert timeliness(dt.datetime(2199, 1, 1, tzinfo=dt.UTC), due, "1.1") == "in_time"


def test_a_request_that_no_date_ends_is_refused(tmp_path: Path) -> None:
    data = {
        "framework": "brvt-2022", "year": 2026, "provinces": ["H00"],
        "calendar": {"levels": {"department": {"submission": "2026-12-10"}}},
        "supplement_requests": [{"unit": "H00.05", "reason": "r", "document": "d", "by": "b"}],
    }  # fmt: skip
    file = tmp_path / "thu.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    registry = load_registry([PRACTICE_UNITS])
    with pytest.raises(DataFileError, match=r"supplement_requests: H00\.05: .*give `until`"):
        read_assessment(file).check_units(registry)
    data["supplement_requests"][0]["until"] = "2026-12-20"  # type: ignore[index]
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    read_assessment(file).check_units(registry)


def test_until_when_evidence_may_be_signed() -> None:
    """As long as anything of the unit can be in time, unless the operator accepts what is late."""
    phu_tho = {"framework": "phu-tho-2018", "calendar": {"levels": {"department": {"submission": "2026-10-30"}}}}
    for assessment, last in (
        (brvt(), day_end(10)),
        (brvt(**phu_tho), day_end(30, 10)),
        (brvt(**phu_tho, choices={"late": "zero"}), day_end(30, 10)),
        (brvt(**phu_tho, choices={"late": "accept"}), None),
    ):
        framework = load_framework(assessment.framework)
        level = framework.level("department")
        assert signing_deadline(assessment, framework, level, due_of(assessment)) == last
