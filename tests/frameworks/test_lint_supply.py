"""The linter on what a level needs and what a decision leaves unsaid: metrics, evidence, units, annexes, policies."""

from __future__ import annotations

from typing import Any

import pytest
from lint_kit import count, criterion, found, framework, group, level, only, told

from dti_pipeline.frameworks.lint import lint
from dti_pipeline.frameworks.model import MAY_BE_UNSTATED
from dti_pipeline.units.registry import Unit


def bound(name: str, metric: str, **more: Any) -> dict[str, Any]:
    return count(name, binding={"metric": metric, **more})


RECEIVED = bound("n", "dossiers_received")


# --- metrics ---


def test_a_metric_that_the_catalogue_does_not_have() -> None:
    row = criterion("1.1", "min(n, max)", bound("n", "no_such_metric"), source_metric="no_such_score")
    finding = only("unknown-metric", row)
    assert (finding.severity, finding.code) == ("error", "1.1")
    assert finding.what == "Danh mục số liệu không có «no_such_metric», «no_such_score»."


def test_a_metric_that_no_connector_supplies() -> None:
    one = framework(group("1", criterion("1.1", "min(n, max)", RECEIVED, source_metric="qd766_total_score")))
    assert lint(one) == ()  # not asked
    assert lint(one, supplied={"dossiers_received", "qd766_total_score"}) == ()
    (finding,) = lint(one, supplied={"dossiers_received"})
    assert (finding.severity, finding.rule) == ("warning", "unsupplied-metric")
    assert "«qd766_total_score»" in finding.what
    assert "dossiers_received" not in finding.what


def test_an_unknown_metric_is_not_told_as_unsupplied_too() -> None:
    one = framework(group("1", criterion("1.1", "min(n, max)", bound("n", "no_such_metric"))))
    assert [item.rule for item in lint(one, supplied=())] == ["unknown-metric"]


# --- inputs ---


def test_a_part_that_the_metric_does_not_have() -> None:
    finding = only(
        "unsupplied-input", criterion("1.1", "min(n, max)", bound("n", "dossiers_received", part="numerator"))
    )
    assert finding.severity == "warning"
    assert "n: «Hồ sơ tiếp nhận» không phải tỷ lệ nên không có tử số" in finding.what
    ratio = bound("n", "qd766_publish_on_time", part="numerator")
    assert found(criterion("1.1", "min(n, max)", ratio)) == []


@pytest.mark.parametrize(
    ("name", "scope", "supplied"),
    [
        ("province", "communes", True),
        ("province", "departments", True),
        ("district", "communes", True),
        ("district", "departments", False),
        ("department", "communes", False),
        ("commune", "communes", False),
        ("commune", "unit", True),
    ],
)
def test_a_sum_over_units_that_are_not_beneath(name: str, scope: str, supplied: bool) -> None:
    row = criterion("1.1", "min(n, max)", bound("n", "dossiers_received", scope=scope))
    rules = [item.rule for item in lint(framework(levels=[level(name, group("1", row))]))]
    assert rules == ([] if supplied else ["unsupplied-input"])


def test_the_platform_s_points_need_a_metric_that_carries_them() -> None:
    number = {"name": "s", "label": "Điểm", "kind": "number"}
    carried = number | {"binding": {"metric": "qd766_online_service_score"}}
    assert found(criterion("1.1", "s", number, source_score=True)) == [("1.1", "unsupplied-input")]
    assert found(criterion("1.1", "s", carried, source_score=True)) == []


# --- evidence ---


def test_self_reported_without_evidence_where_others_name_theirs() -> None:
    named = criterion("1.1", evidence=["Quyết định ban hành"])
    rows = [
        named,
        criterion("1.2"),
        criterion("1.3", "min(n, max)", RECEIVED),  # harvested
        criterion("1.4", "min(n / a, 1) * max", RECEIVED, count("a", default=119)),  # harvested and printed
        criterion("1.5", "points", count("points"), manual=True),
        criterion("1.6", "min(n + c, max)", RECEIVED, count("c")),
    ]
    one = framework(group("1", *rows))
    assert [(code, what.split(" nhưng")[0]) for _, code, what in told(one, "evidence-unnamed")] == [
        ("1.2", "Đơn vị tự báo cáo b, a"),
        ("1.6", "Đơn vị tự báo cáo c"),
    ]
    assert told(framework(group("1", *rows[1:])), "evidence-unnamed") == []


# --- units ---


def test_a_level_without_units() -> None:
    one = framework(levels=[level("district"), level("commune")])
    commune = Unit(code="H00.01.01", name="UBND xã Thực Hành", level="commune", fictional=True)
    assert lint(one) == ()  # not asked
    (finding,) = lint(one, units=iter([commune]))
    assert (finding.level, finding.rule, finding.severity) == ("district", "level-without-units", "warning")
    assert [item.level for item in lint(one, units=())] == ["district", "commune"]


# --- annexes ---


def test_working_annex_and_manual_criteria_are_counted_per_level() -> None:
    manual = criterion("1.1", "points", count("points"), manual=True, basis="working", max_points=2.5)
    rows = manual, criterion("1.2", basis="working"), criterion("1.3")
    levels = [level("department", group("1", *rows), basis="working"), level("commune")]
    findings = [item for item in lint(framework(levels=levels)) if item.code is None]
    assert [(item.level, item.rule, item.severity, item.what) for item in findings] == [
        (
            "department",
            "manual-criteria",
            "info",
            "1 tiêu chí (2,5 điểm) do người thẩm định cho điểm, không có công thức.",
        ),
        ("department", "working-annex", "info", "Phụ lục tạm: 2 trên 3 tiêu chí không phải của quyết định."),
    ]


# --- what is left unstated ---


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("missing", "chọn missing trong mục choices của đợt đánh giá: «zero»: không có tài liệu"),
        ("late", "chọn late trong mục choices của đợt đánh giá: «zero»: nộp hoặc bổ sung sau thời hạn"),
        ("not_applicable", "«zero»: tiêu chí không áp dụng được 0 điểm, giữ nguyên điểm tối đa; «peer_mean»: "),
        ("excluded", "«leave_maximum»: nội dung thuộc bí mật nhà nước"),
        ("not_appraised", "chọn not_appraised trong mục choices"),
        ("signatures", "ai phải ký số"),
    ],
)
def test_a_policy_left_unstated(policy: str, words: str) -> None:
    stated = framework().policies.model_dump()
    (finding,) = lint(framework(policies=stated | {policy: "unstated"}))
    assert (finding.rule, finding.severity, finding.code) == ("policy-unstated", "info", policy)
    assert (finding.level, finding.clause) == (None, "QĐ 1/QĐ-TH")
    assert words in finding.what
    assert "{" not in finding.what


def test_every_policy_can_be_told() -> None:
    assert [item.code for item in lint(framework(policies={}))] == list(MAY_BE_UNSTATED)


def test_ratings_without_bands() -> None:
    assert lint(framework(ratings="none")) == ()
    assert lint(framework(ratings=[{"name": "Đạt", "from": 0}])) == ()
    (finding,) = lint(framework(ratings="unstated", clauses={"ratings": "Điều 9"}))
    assert (finding.rule, finding.severity, finding.code) == ("ratings-unstated", "info", "ratings")
    assert finding.clause == "Điều 9"
