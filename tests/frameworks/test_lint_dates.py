"""The linter on dates: deadlines, working days, windows. Days are counted by hand on the calendar of 2026."""

from __future__ import annotations

from typing import Any

import pytest
from lint_kit import framework, level, told

from dti_pipeline.frameworks.lint import lint
from dti_pipeline.frameworks.model import Framework


def day(number: int, month: int, year: int = 0) -> dict[str, int]:
    return {"day": number, "month": month, "year": year}


def event(name: str, *levels: str, **more: Any) -> dict[str, Any]:
    return {"event": name, "levels": list(levels), "clause": f"Điều về {name}", **more}


def dated(*events: dict[str, Any], **head: Any) -> Framework:
    levels = [level("department"), level("commune")]
    return framework(**{"levels": levels, "calendar": list(events), **head})


PUBLISHED = event("publication", by=day(31, 1, 1))


def test_deadlines_in_order_are_no_defect() -> None:
    assert (
        lint(
            dated(
                event("guidance", by=day(31, 10)),
                event("submission", by=day(10, 1, 1)),
                event("supplement", by=day(10, 1, 1)),
                event("appraisal", by=day(31, 1, 1)),
                PUBLISHED,
            )
        )
        == ()
    )


@pytest.mark.parametrize("name", ["guidance", "submission", "supplement", "appraisal"])
def test_deadline_after_publication(name: str) -> None:
    one = dated(event(name, before=day(2, 2, 1)), PUBLISHED)
    (finding,) = lint(one)
    assert (finding.level, finding.code, finding.clause) == (None, name, f"Điều về {name}")
    assert (finding.rule, finding.severity) == ("deadline-after-publication", "warning")
    assert "01/02/2027 sau hạn công bố 31/01/2027 (Điều về publication" in finding.what


def test_publication_before_a_day_is_the_day_before_it() -> None:
    """«Trong tháng 01» and «trước ngày 31/01» differ by one day, which is enough."""
    one = dated(event("appraisal", by=day(31, 1, 1)), event("publication", before=day(31, 1, 1)))
    ((_, code, what),) = told(one, "deadline-after-publication")
    assert code == "appraisal"
    assert what.startswith("Hạn thẩm định 31/01/2027 sau hạn công bố 30/01/2027")


def test_steps_before_publication_out_of_order() -> None:
    one = dated(event("submission", by=day(20, 1, 1)), event("appraisal", by=day(19, 1, 1)))
    (finding,) = lint(one)
    assert (finding.rule, finding.code) == ("deadlines-out-of-order", "submission")
    assert finding.what.startswith("Hạn nộp 20/01/2027 sau hạn thẩm định 19/01/2027")


def test_deadlines_are_compared_within_a_level() -> None:
    late = event("submission", "commune", by=day(5, 2, 1))
    assert [place for place, _, _ in told(dated(late, PUBLISHED), "deadline-after-publication")] == ["commune"]
    elsewhere = event("publication", "department", by=day(31, 1, 1))
    assert lint(dated(late, elsewhere)) == ()


def test_an_event_without_a_date_is_compared_with_nothing() -> None:
    assert lint(dated(event("submission"), event("appraisal", set_by="district"), PUBLISHED)) == ()


# --- working days: 30/10/2026 is a Friday, so 5 working days end on Friday 06/11 and 40 on Friday 25/12 ---


@pytest.mark.parametrize(
    ("days", "end"),
    [(5, "06/11/2026"), (6, "09/11/2026"), (44, "31/12/2026"), (45, "01/01/2027"), (60, "22/01/2027")],
)
def test_working_days_past_publication(days: int, end: str) -> None:
    limit = day(5, 11)
    given = event("submission", by=day(30, 10)), event("appraisal", working_days=days)
    window = {"from": day(1, 1), "to": day(30, 9)}
    one = dated(*given, event("publication", by=limit), levels=[level(window=window)])
    ((place, code, what),) = told(one, "working-days-past-publication")
    assert (place, code) == (None, "appraisal")
    assert f"tính từ hạn nộp 30/10/2026, kết thúc không sớm hơn {end}, sau hạn công bố 05/11/2026" in what


@pytest.mark.parametrize(("days", "is_late"), [(44, False), (45, True)])
def test_working_days_that_just_fit(days: int, is_late: bool) -> None:
    given = event("submission", "commune", by=day(30, 10)), event("appraisal", working_days=days)
    one = dated(*given, event("publication", by=day(31, 12)))
    places = [place for place, _, _ in told(one, "working-days-past-publication")]
    assert places == (["commune"] if is_late else [])


# --- deadlines before the window ends ---


def test_submission_before_the_window_ends() -> None:
    one = dated(event("submission", "commune", before=day(15, 10)), event("submission", "department", by=day(31, 12)))
    ((place, code, what),) = told(one, "deadline-before-window-end")
    assert (place, code) == ("commune", "submission")
    assert what.startswith(
        "Hạn nộp 14/10/2026 trước ngày cuối của kỳ số liệu 01/01/2026–31/12/2026: số liệu từ 15/10/2026"
    )


def test_only_the_first_step_that_is_too_early_is_told() -> None:
    events = event("publication", by=day(15, 12)), event("submission", by=day(1, 12)), event("guidance", by=day(1, 3))
    assert [(place, code) for place, code, _ in told(dated(*events), "deadline-before-window-end")] == [
        ("department", "submission"),
        ("commune", "submission"),
    ]


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ({"from": day(1, 1), "to": day(15, 11)}, False),
        ({"from": day(1, 1), "to": day(16, 11)}, True),
        ("unstated", False),
        ("last_closed_quarter", False),  # ends with its quarter, whichever that is
        ("year", True),
    ],
)
def test_the_level_s_own_window_counts(window: Any, found: bool) -> None:
    levels = [level("department", window=window)]
    one = dated(event("submission", by=day(15, 11)), levels=levels)
    assert bool(told(one, "deadline-before-window-end")) is found


# --- windows from year to year ---


@pytest.mark.parametrize(
    ("start", "end", "rule", "words"),
    [
        (day(15, 10, -1), day(15, 10), "windows-overlap", "cùng tính ngày 15/10/2026."),
        (day(15, 10, -1), day(20, 10), "windows-overlap", "cùng tính các ngày 15/10/2026–20/10/2026."),
        (day(16, 10, -1), day(15, 10), None, ""),
        (day(1, 1), day(31, 12), None, ""),
        (day(1, 1), day(15, 11), "window-gap", "đều không tính các ngày 16/11/2026–31/12/2026."),
        (day(1, 1), day(30, 12), "window-gap", "đều không tính ngày 31/12/2026."),
    ],
)
def test_windows_from_year_to_year(start: dict[str, int], end: dict[str, int], rule: str | None, words: str) -> None:
    findings = lint(framework(window={"from": start, "to": end}))
    assert [(item.rule, item.severity, item.level) for item in findings] == ([(rule, "warning", None)] if rule else [])
    assert all(item.what.endswith(words) for item in findings)


def test_an_open_window_is_told_at_its_level() -> None:
    own = [level("department"), level("commune", window="unstated")]
    gap = {"from": day(1, 1), "to": day(15, 11)}
    one = framework(window=gap, levels=own)
    assert [(item.level, item.rule, item.severity) for item in lint(one)] == [
        ("department", "window-gap", "warning"),
        ("commune", "window-unstated", "info"),
    ]
    assert [(item.level, item.rule) for item in lint(framework(window="unstated"))] == [(None, "window-unstated")]
