"""The linter on criteria: for each rule one text that has the defect and one that has not; the words; the proofs."""

from __future__ import annotations

import random
from dataclasses import asdict
from fractions import Fraction
from typing import Any, get_args

import pytest
from lint_kit import count, criterion, found, framework, group, level, only

from dti_pipeline.datafiles import DataFileError, parse_model
from dti_pipeline.frameworks.lint import Rule, lint, rule_name, severity_word
from dti_pipeline.frameworks.lint.finding import RulesFile, rules_file
from dti_pipeline.frameworks.loader import load_all, load_framework
from dti_pipeline.frameworks.model import Criterion, Framework
from dti_pipeline.scoring import exact

CLEAN = (
    criterion("1.1", "b / a * max"),
    criterion(
        "1.2",
        "option(o, yes=tier(days, below(7, max), between(7, 30, 1), atleast(30, 0)), no=0)",
        {
            "name": "o",
            "label": "Có",
            "kind": "option",
            "options": [{"value": "yes", "label": "Có"}, {"value": "no", "label": "Không"}],
        },
        count("days"),
    ),
    criterion(
        "1.3",
        "max if c / a >= 0.8 else b / a * max / 2 + c / a * max",
        count("b", part_of="a"),
        count("c", part_of="a"),
        count("a"),
        name="Tỷ lệ 80% dịch vụ",
        require=["b + c <= a"],
    ),
    criterion("1.4", "min(documents * 0.2, max)", count("documents")),
)


def test_a_clean_framework_has_no_findings() -> None:
    assert lint(framework(group("1", *CLEAN))) == ()


def test_a_finding_has_exactly_the_agreed_keys() -> None:
    finding = only("can-exceed-max", criterion("1.1", "b / a * max", count("b"), count("a")))
    assert asdict(finding) == {
        "severity": "error",
        "framework": "thu-nghiem",
        "level": "department",
        "code": "1.1",
        "clause": "Phụ lục, mục 1.1",
        "rule": "can-exceed-max",
        "what": "Công thức gốc có thể vượt mức tối đa 2 điểm: b = 2, a = 1 cho 4 điểm; công thức đang dùng chưa chặn.",
        "why": "Điểm trên mức tối đa làm sai tổng điểm và thứ hạng, nên ô như vậy không chấm được.",
    }


def test_qd766_payment_exceeds_even_where_every_part_is_within_its_whole() -> None:
    finding = next(item for item in lint(load_framework("qd766-2022")) if item.code == "ONLINE_PAYMENT")
    assert "pay_ok = 1, fin_obl = 1, fee_paid = 1, fee_dossiers = 1, fee = 1 cho 10,5 điểm" in finding.what
    assert finding.what.endswith("công thức đang dùng chặn ở mức tối đa.")


def allowed(item: Criterion, figures: dict[str, exact.Value]) -> bool:
    for spec in item.inputs:
        if spec.part_of is not None and figures[spec.name] > figures[spec.part_of]:  # type: ignore[operator]
            return False
    return all(exact.holds(test, figures) is True for test in item.requirements)


@pytest.mark.parametrize("one", load_all(), ids=lambda one: one.id)
def test_no_figures_exceed_a_maximum_that_the_linter_calls_safe(one: Framework) -> None:
    """Random figures within definitions and requirements; criteria that the linter names are left out."""
    choice = random.Random(562)
    named = {(finding.level, finding.code) for finding in lint(one) if finding.rule == "can-exceed-max"}
    tried = 0
    for each in one.levels:
        for item in each.criteria:
            if (each.level, item.code) in named or item.source_score:
                continue
            for _ in range(60):
                size = choice.choice((3, 20, 1000))
                figures: dict[str, exact.Value] = {
                    spec.name: choice.choice(spec.option_values)
                    if spec.kind == "option"
                    else Fraction(choice.randint(0, 100 if spec.kind == "percent" else size))
                    for spec in item.inputs
                }
                if not allowed(item, figures):
                    continue
                worth = exact.evaluate(item.printed_expression, figures, item.max_fraction)
                if isinstance(worth, Fraction):
                    tried += 1
                    assert worth <= item.max_fraction, (each.level, item.code, figures)
    assert tried > 1000


# --- each rule, with and without the defect ---


def test_duplicate_code_is_told_at_the_later_row_with_the_printed_number() -> None:
    first = criterion("1.1", "b / a * max")
    second = criterion("1.1-2", "b / a * max", printed_code="1.1", clause="mục 1.1, dòng hai")
    finding = only("duplicate-code", first, second)
    assert (finding.code, finding.clause, finding.severity) == ("1.1", "mục 1.1, dòng hai", "warning")
    assert "1.1-2" in finding.what


def test_duplicate_code_among_printed_lines() -> None:
    lines = [{"printed_code": "1.1", "name": "Dòng một"}, {"printed_code": "1.1", "name": "Dòng hai"}]
    assert ("1.1", "duplicate-code") in found(criterion("1", "b / a * max", lines=lines))


def test_same_number_at_two_levels_is_no_duplicate() -> None:
    held = group("1", criterion("1.1"))
    assert lint(framework(levels=[level("department", held), level("commune", held)])) == ()


@pytest.mark.parametrize(
    ("codes", "missing"),
    [
        (("1.2", "1.3"), ["1.1"]),
        (("1.1", "1.4"), ["1.2", "1.3"]),
        (("1.8", "1.11"), [*(f"1.{number}" for number in range(1, 8)), "1.9", "1.10"]),
        (("1.1", "1.2"), []),
        (("1.2", "1.1"), []),
        (("PUBLISH", "SYNC"), []),
        (("2.5", "2.7"), []),  # not numbered under this group, so nothing can be said
    ],
)
def test_missing_code(codes: tuple[str, ...], missing: list[str]) -> None:
    assert found(*(criterion(code, "b / a * max") for code in codes)) == [(code, "missing-code") for code in missing]


def test_missing_code_counts_printed_lines() -> None:
    lines = [{"printed_code": "1.1", "name": "Dòng một"}, {"printed_code": "1.2", "name": "Dòng hai"}]
    shared = criterion("1", "b / a * max", lines=lines)
    assert found(shared, criterion("1.3", "b / a * max")) == [("1", "shared-maximum")]
    assert found(shared, criterion("1.4", "b / a * max")) == [("1", "shared-maximum"), ("1.3", "missing-code")]


def test_missing_code_of_a_group() -> None:
    def numbered(*codes: str) -> list[str]:
        groups = [group(code, criterion(f"{code}.1", "b / a * max")) for code in codes]
        main = {"code": "1", "kind": "main", "name": "Chính", "nodes": groups}
        return [finding.code for finding in lint(framework(main))]

    assert numbered("1.1", "1.3") == ["1.2"]
    assert numbered("1.1", "1.2") == []


def test_missing_code_at_the_top() -> None:
    first, third = group("1", criterion("1.1", "b / a * max")), group("3", criterion("3.1", "b / a * max"))
    assert [finding.code for finding in lint(framework(first, third))] == ["2"]


def test_a_group_without_criteria_is_not_missing() -> None:
    first, third = group("1", criterion("1.1", "b / a * max")), group("3", criterion("3.1", "b / a * max"))
    assert lint(framework(first, group("2"), third)) == ()


@pytest.mark.parametrize(
    ("arms", "overlap"),
    [
        ("below(7, max), below(30, 1)", True),
        ("between(0, 10, 1), between(5, 20, max)", True),
        ("atleast(30, 1), atleast(20, max)", True),
        ("below(7, max), between(7, 30, 1), atleast(30, 0)", False),
        ("below(7, max), below(30, 2)", False),  # both are worth 2
        ("between(5, 20, 1), between(0, 5, max)", False),
    ],
)
def test_tiers_overlap(arms: str, overlap: bool) -> None:
    rules = found(criterion("1.1", f"tier(days, {arms})", count("days")))
    assert rules == ([("1.1", "tiers-overlap")] if overlap else [])


def test_tiers_are_judged_as_printed() -> None:
    mended = criterion(
        "1.1",
        "tier(days, below(7, max), between(7, 30, 1))",
        count("days"),
        printed_formula="tier(days, below(7, max), below(30, 1))",
    )
    assert found(mended) == [("1.1", "tiers-overlap")]


def test_shared_maximum_needs_two_lines() -> None:
    line = {"printed_code": "1.1", "name": "Dòng"}
    other = {"printed_code": "1.2", "name": "Dòng hai"}
    assert found(criterion("1", "b / a * max", lines=[line])) == []
    finding = only("shared-maximum", criterion("1", "b / a * max", lines=[line, other]))
    assert finding.severity == "info"
    assert "1.1, 1.2" in finding.what


@pytest.mark.parametrize(
    ("name", "formula", "differs"),
    [
        ("100% cán bộ có trình độ đại học", "linear(b / a, to=0.8) * max", True),
        ("80 % cán bộ có trình độ đại học", "linear(b / a, to=0.8) * max", False),
        ("Trên 12,5% cán bộ", "step(b / a, at=0.125) * max", False),
        ("Trên 12,5% cán bộ", "step(b / a, at=0.25) * max", True),
        ("50% dịch vụ", "max if b / a >= 0.7 else b / a", True),
        ("70% dịch vụ", "max if b / a >= 0.7 else b / a", False),
        ("100% cơ quan đã kết nối", "b / a * max", False),  # a plain ratio has no threshold to contradict
        ("100% cán bộ học đủ 3 khóa", "linear(b, to=3) * max", False),  # 3 courses are not a share
        ("Tỷ lệ cán bộ chuyên trách", "linear(b / a, to=0.1) * max", False),
    ],
)
def test_threshold_differs_from_title(name: str, formula: str, differs: bool) -> None:
    inputs = (
        [count("b", part_of="a"), count("a")]
        if "a" in formula.replace("max", "").replace("linear", "")
        else [count("b")]
    )
    rules = found(criterion("1.1", formula, *inputs, name=name))
    assert rules == ([("1.1", "threshold-differs-from-title")] if differs else [])


def test_threshold_of_a_percentage_and_of_printed_lines() -> None:
    percent = {"name": "p", "label": "Tỷ lệ (%)", "kind": "percent"}
    assert found(criterion("1.1", "linear(p, to=50) * max", percent, name="50% thủ tục")) == []
    assert found(criterion("1.1", "linear(p, to=50) * max", percent, name="60% thủ tục")) == [
        ("1.1", "threshold-differs-from-title")
    ]
    lines = [{"printed_code": "1.1", "name": "70% mức độ 3"}, {"printed_code": "1.2", "name": "60% mức độ 4"}]
    rules = found(criterion("1", "linear(b / a, to=0.7) * max", lines=lines))
    assert rules == [("1", "shared-maximum"), ("1", "threshold-differs-from-title")]


@pytest.mark.parametrize(
    ("formula", "more", "unused"),
    [
        ("Y * max", {}, ""),
        ("b / a * max", {}, "Y = b / a"),
        ("Z * max", {"terms": {"Y": "b / a", "Z": "min(Y, 1)"}}, ""),  # read by a later term
        ("b / a * max", {"require": ["Y <= 1"]}, ""),
        ("b / a * max", {"printed_formula": "Y * max"}, ""),
        ("Y * max", {"terms": {"Y": "b / a", "Z": "1 - Y", "W": "2"}}, "Z = 1 - Y; W = 2"),
    ],
)
def test_unused_term(formula: str, more: dict[str, Any], unused: str) -> None:
    row = criterion("1.1", formula, **({"terms": {"Y": "b / a"}} | more))
    if not unused:
        assert found(row) == []
        return
    finding = only("unused-term", row)
    assert finding.severity == "warning"
    assert finding.what == f"Đại lượng được định nghĩa mà cách tính không dùng: {unused}."


def test_one_library_criterion_picked_twice_in_a_level() -> None:
    picked = {"library": "portal-digital-column", "basis": "working"}
    rows = criterion("1.1", **picked), criterion("1.2"), criterion("1.3", **picked)
    findings = [item for item in lint(framework(group("1", *rows))) if item.level and item.code]
    assert [(item.code, item.rule, item.severity) for item in findings] == [("1.3", "duplicate-pick", "warning")]
    assert "1.1 và 1.3" in findings[0].what
    other = criterion("1.3", **(picked | {"library": "shared-portal"}))
    assert not [item for item in lint(framework(group("1", *rows[:2], other))) if item.rule == "duplicate-pick"]


PARTS = (count("b", part_of="a"), count("c", part_of="a"), count("a"))
TWO_WHOLES = (count("b", part_of="a"), count("d", part_of="c"), count("a"), count("c"))


@pytest.mark.parametrize(
    ("formula", "inputs", "require", "exceeds"),
    [
        ("b / a * max", (count("b"), count("a")), (), True),
        ("b / a * max", (count("b"), count("a")), ("b <= a",), True),  # the condition is ours, not the decision's
        ("b / a * max", (count("b", part_of="a"), count("a")), (), False),
        ("min(1, b / a) * max", (count("b"), count("a")), (), False),
        ("b / a * max / 2 + c / a * max", PARTS, ("b + c <= a",), False),
        ("b / a * max / 2 + c / a * max", PARTS, (), True),
        ("b / a * max / 2 + c / a * max", PARTS, ("b + c <= 2 * a",), True),
        ("linear((b + d) / (a + c), to=0.7) * max", TWO_WHOLES, (), False),
        ("(b + d) / (a + c) * max", TWO_WHOLES, (), False),
        ("(b + d) / (a + c) * max", (count("b"), *TWO_WHOLES[1:]), (), True),
        ("max if c / a >= 0.8 else b / a * max / 2 + c / a * max", PARTS, (), True),
        ("max if c / a >= 0.8 else b / a * max / 2 + c / a * max", PARTS, ("b + c <= a",), False),
        ("n * 0.2", (count("n"),), (), True),
        ("min(n * 0.2, max)", (count("n"),), (), False),
        ("largest(n, max)", (count("n"),), (), True),
        ("p / 100 * max", ({"name": "p", "label": "%", "kind": "percent"},), (), False),
        ("p / 50 * max", ({"name": "p", "label": "%", "kind": "percent"},), (), True),
        ("ratio(b, a, empty=2) * max", (count("b", part_of="a"), count("a")), (), True),
    ],
)
def test_can_exceed_max(
    formula: str, inputs: tuple[dict[str, Any], ...], require: tuple[str, ...], exceeds: bool
) -> None:
    rules = found(criterion("1.1", formula, *inputs, require=list(require)))
    assert rules == ([("1.1", "can-exceed-max")] if exceeds else [])


def test_can_exceed_max_weighs_what_holds_it_back() -> None:
    inputs = (count("b"), count("a"))
    loose = only("can-exceed-max", criterion("1.1", "b / a * max", *inputs))
    guarded = only("can-exceed-max", criterion("1.1", "b / a * max", *inputs, require=["b <= a"]))
    capped = only("can-exceed-max", criterion("1.1", "min(1, b / a) * max", *inputs, printed_formula="b / a * max"))
    assert [item.severity for item in (loose, guarded, capped)] == ["error", "warning", "warning"]
    assert "chưa chặn" in loose.what
    assert "trái điều kiện b <= a" in guarded.what
    assert "chặn ở mức tối đa" in capped.what


def test_a_platform_s_own_points_are_not_judged() -> None:
    number = {"name": "s", "label": "Điểm", "kind": "number", "binding": {"metric": "qd766_online_service_score"}}
    assert found(criterion("1.1", "s", number, source_score=True)) == []
    assert found(criterion("1.1", "s", number)) == [("1.1", "can-exceed-max")]


WITHIN = count("b", part_of="a")


@pytest.mark.parametrize(
    ("formula", "inputs", "require", "negative"),
    [
        ("max - late * 0.5", (count("late"),), (), True),
        ("max - late * 0.5", (count("late"),), ("late <= 4",), True),  # the condition is ours, not the decision's
        ("largest(0, max - late * 0.5)", (count("late"),), (), False),
        ("(a - b) / a * max", (WITHIN, count("a")), (), False),
        ("(1 - b / a) * max", (WITHIN, count("a")), (), False),
        ("min(1, (b - a) / a + 1) * max", (count("b"), count("a")), (), False),
        ("min(1, (b - a) / a) * max", (count("b"), count("a")), (), True),
        ("(p - 50) / 50 * max", ({"name": "p", "label": "%", "kind": "percent"},), (), True),
        ("(100 - p) / 100 * max", ({"name": "p", "label": "%", "kind": "percent"},), (), False),
        ("tier(late, below(3, max - late * 5), atleast(3, 0))", (count("late"),), (), False),  # a tier is never below 0
    ],
)
def test_can_go_negative(
    formula: str, inputs: tuple[dict[str, Any], ...], require: tuple[str, ...], negative: bool
) -> None:
    rules = found(criterion("1.1", formula, *inputs, require=list(require)))
    assert rules == ([("1.1", "can-go-negative")] if negative else [])


def test_can_go_negative_weighs_what_holds_it_back() -> None:
    late, formula = count("late"), "max - late * 0.5"
    loose = only("can-go-negative", criterion("1.1", formula, late))
    guarded = only("can-go-negative", criterion("1.1", formula, late, require=["late <= 4"]))
    floored = only("can-go-negative", criterion("1.1", "largest(0, max - late * 0.5)", late, printed_formula=formula))
    assert [item.severity for item in (loose, guarded, floored)] == ["error", "warning", "warning"]
    assert loose.what == "Công thức gốc có thể cho điểm âm: late = 1000 cho -498 điểm; công thức đang dùng chưa chặn."
    assert "trái điều kiện late <= 4" in guarded.what
    assert floored.what.endswith("công thức đang dùng chặn ở 0.")


def test_a_formula_that_leaves_both_ends_is_told_twice() -> None:
    rules = found(criterion("1.1", "(b - a) / a * max", count("b"), count("a")))
    assert rules == [("1.1", "can-exceed-max"), ("1.1", "can-go-negative")]


def test_equal_formulas_with_other_maxima_are_judged_apart() -> None:
    """What is remembered of a formula may not be told of another maximum, letter or condition."""
    free = count("n")
    assert found(
        criterion("1.1", "min(n, 2)", free),
        criterion("1.2", "min(n, 2)", free, max_points=3),
        criterion("1.3", "min(n, 2)", free, max_points=1),
        criterion("1.4", "min(n, 2)", free),
    ) == [("1.2", "cannot-reach-max"), ("1.3", "can-exceed-max")]
    assert found(
        criterion("1.1", "b / a * max", WITHIN, count("a")), criterion("1.2", "b / a * max", count("b"), count("a"))
    ) == [("1.2", "can-exceed-max")]


def test_points_that_an_appraiser_gives_are_not_judged() -> None:
    """They are no formula; whoever gives more than the maximum is refused."""
    findings = lint(framework(group("1", criterion("1.1", "points", count("points"), manual=True))))
    assert [(item.code, item.rule) for item in findings] == [(None, "manual-criteria")]


def test_a_formula_with_too_many_combinations_is_left_alone() -> None:
    names = [f"x{number}" for number in range(9)]
    assert found(criterion("1.1", " + ".join(names), *(count(name) for name in names))) == []


@pytest.mark.parametrize(
    ("formula", "short"),
    [
        ("b / a * 1.5", True),
        ("b / a * max", False),
        ("step(b / a, at=0.2) * 1", True),
        ("linear(b / a, to=0.5) + linear(b / a, to=0.9)", False),
        ("min(b, 1) * 1.5", True),
        ("min(b, 2)", False),
        ("tier(b, below(7, 1.9), atleast(7, 1))", True),
        ("tier(b, below(7, max), atleast(7, 1))", False),
        ("1 if b / a >= 0.5 else b / a", True),
        ("max if b / a >= 0.5 else b / a", False),
        ("round(ratio(b, a, empty=0) * 1.994, 2)", True),
        ("round(ratio(b, a, empty=0) * 1.996, 2)", False),
        ("ratio(b, a, empty=2)", False),
        ("largest(b / a, 1)", True),
        ("min((3 - b / a) * (3 - b / a), max)", False),  # a difference: no bound is claimed
        ("b / (a + 1)", False),  # a bound exists, the linter has no proof of it
    ],
)
def test_cannot_reach_max(formula: str, short: bool) -> None:
    uses_a = "a" in formula.replace("max", "").replace("tier", "").replace("atleast", "")
    inputs = [count("b", part_of="a"), count("a")] if uses_a else [count("b")]
    rules = found(criterion("1.1", formula, *inputs))
    assert rules == ([("1.1", "cannot-reach-max")] if short else [])


def test_no_bound_is_claimed_for_a_product_that_may_have_two_negative_sides() -> None:
    """Each side is at most 1, but at b = 3 both are -2 and the product is 4."""
    assert found(criterion("1.1", "min(1 - b, 1) * min(1 - b, 1)", count("b"))) == [("1.1", "can-exceed-max")]


def test_cannot_reach_max_by_options() -> None:
    option = {
        "name": "o",
        "label": "Có",
        "kind": "option",
        "options": [{"value": "yes", "label": "Có"}, {"value": "no", "label": "Không"}],
    }
    assert found(criterion("1.1", "option(o, yes=1.5, no=0)", option)) == [("1.1", "cannot-reach-max")]
    assert found(criterion("1.1", "option(o, yes=max, no=0)", option)) == []


def test_recorded_findings_keep_the_reader_s_rule_and_severity() -> None:
    finding = only(
        "recorded",
        criterion(
            "1.1",
            "b / a * max",
            findings=[{"rule": "truncated-title", "message": "Tên bị cắt.", "severity": "info"}],
        ),
    )
    assert (finding.severity, finding.code, finding.what) == ("info", "1.1", "truncated-title: Tên bị cắt.")


def test_recorded_defects_of_a_level_and_of_the_framework() -> None:
    said = {"rule": "duplicate-item", "message": "Hai điểm «b)».", "clause": "Điều 7.3", "severity": "info"}
    one = framework(
        findings=[said],
        levels=[level("department", findings=[said | {"clause": "Điều 8", "severity": "error"}]), level("commune")],
    )
    assert [(item.level, item.code, item.clause, item.severity, item.rule, item.what) for item in lint(one)] == [
        (None, None, "Điều 7.3", "info", "recorded", "duplicate-item: Hai điểm «b)»."),
        ("department", None, "Điều 8", "error", "recorded", "duplicate-item: Hai điểm «b)»."),
    ]


def test_why_a_recorded_defect_matters_goes_by_the_reader_s_rule() -> None:
    own = only("recorded", criterion("1.1", findings=[{"rule": "typo", "message": "Thiếu dấu."}]))
    unknown = only("recorded", criterion("1.1", findings=[{"rule": "never-seen", "message": "Lạ."}]))
    assert own.why == "Trích dẫn hoặc tra cứu theo chữ in có thể dẫn đến nhầm chỗ; điểm không đổi."
    assert unknown.why.startswith("Văn bản có thể được hiểu theo nhiều cách;")


def test_order_is_that_of_the_criteria_then_of_the_rules() -> None:
    noted = {"findings": [{"rule": "truncated-title", "message": "Tên bị cắt."}]}
    late = criterion("1.2", "b / a * max", count("b"), count("a"), **noted)
    early = criterion("1.9", "b / a * max", **noted)
    rules = [(item.code, item.rule) for item in lint(framework(group("G", early, late)))]
    assert rules == [("1.9", "recorded"), ("1.2", "can-exceed-max"), ("1.2", "recorded")]


# --- what is refused when a file is read, with its place ---

HEAD = """\
id: thu-nghiem
decision: {number: "QĐ 1/QĐ-TH", issued_on: 2024-01-02, issuer: "UBND tỉnh Thực Hành (hư cấu)", title: "Thử nghiệm"}
province: "tỉnh Thực Hành (hư cấu)"
window: year
levels:
  - level: department
    name: "Cấp sở"
    basis: decision
    stated: {stated}
    classes: {classes}
    nodes:
      - code: "1"
        kind: group
        name: "Nhóm"
        max_points: {printed}
        criteria:
          - code: "1.1"
            printed_code: "1.1"
            name: "Tiêu chí"
            max_points: 2
            rule: "Có: điểm tối đa"
            formula: "{formula}"
            terms: {terms}
            inputs:
              - {name: b, label: "Số b", kind: count}
            clause: "Phụ lục, mục 1.1"
"""


def refused(**parts: str) -> str:
    text = HEAD
    default = {"stated": "{}", "classes": "null", "printed": "2", "formula": "min(b, max)", "terms": "{}"}
    for name, value in (default | parts).items():
        text = text.replace(f"{{{name}}}", value)
    try:
        parse_model(text, "thu-nghiem.yaml", Framework)
    except DataFileError as error:
        return str(error)
    return ""


def test_the_file_as_it_stands_is_read() -> None:
    assert refused() == ""


@pytest.mark.parametrize(
    ("parts", "line", "words"),
    [
        ({"formula": "min(Y, max)"}, 17, "criterion 1.1, field formula: unknown name «Y»"),
        ({"terms": '{Y: "b / c"}'}, 17, "criterion 1.1, field formula: unknown name «c»"),
        ({"printed": "3"}, 6, "node 1, field max_points: printed 3, its criteria sum to 2"),
        ({"stated": "{max_points: 100}"}, 6, "field stated: max_points should be 100, found 2"),
        ({"stated": "{criteria_of: {'1': 4}}"}, 6, "field stated: criteria of 1 should be 4, found 1"),
        ({"classes": '{names: ["I"], minima: {"1": [2.1]}, clause: "Điều 7"}'}, 6, "field classes: 1 cannot reach 2.1"),
        (
            {"classes": '{names: ["I", "II"], minima: {"1": [1, 2]}, clause: "Điều 7"}'},
            10,
            "group 1: a better class has a lower minimum than a worse one",
        ),
    ],
)
def test_what_does_not_add_up_is_refused_with_file_and_line(parts: dict[str, str], line: int, words: str) -> None:
    message = refused(**parts)
    assert message.startswith(f"thu-nghiem.yaml:{line}: ")
    assert words in message


# --- words ---


def test_every_rule_has_words_of_its_own() -> None:
    rules: tuple[Rule, ...] = get_args(Rule)
    assert len({rule_name(rule) for rule in rules}) == len(rules)
    assert len({rules_file().rules[rule].why for rule in rules}) == len(rules)
    assert [severity_word(severity) for severity in ("error", "warning", "info")] == ["lỗi", "cảnh báo", "thông tin"]


def test_a_file_of_words_that_forgets_a_rule_is_refused() -> None:
    words = rules_file().model_dump()
    del words["rules"]["unused-term"]
    with pytest.raises(ValueError, match="field rules: missing or too many: unused-term"):
        RulesFile.model_validate(words)
