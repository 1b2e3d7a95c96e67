"""The linter: golden lists for both frameworks, and for each rule one text that has the defect and one that has not."""

from __future__ import annotations

import random
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import pytest

from dti_pipeline.frameworks.lint import LintFinding, lint
from dti_pipeline.frameworks.loader import load_all, load_framework
from dti_pipeline.frameworks.model import Criterion, Framework
from dti_pipeline.scoring import exact


def count(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": f"Số {name}", "kind": "count", **more}


def criterion(code: str, formula: str, *inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "printed_code": code,
        "name": f"Tiêu chí {code}",
        "max_points": 2,
        "rule": "Điểm = tỷ lệ × điểm tối đa",
        "formula": formula,
        "inputs": list(inputs or (count("b", part_of="a"), count("a"))),
        "clause": f"Phụ lục, mục {code}",
        **more,
    }


def group(code: str, *criteria: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"code": code, "kind": "group", "name": f"Nhóm {code}", "criteria": list(criteria), **more}


def framework(*nodes: dict[str, Any]) -> Framework:
    level = {"level": "department", "name": "Cấp sở", "basis": "decision", "stated": {}, "nodes": list(nodes)}
    return Framework.model_validate(
        {
            "id": "thu-nghiem",
            "decision": {
                "number": "QĐ 1/QĐ-TH",
                "issued_on": "2024-01-02",
                "issuer": "UBND tỉnh Thực Hành (đơn vị hư cấu)",
                "title": "Thử nghiệm",
            },
            "province": "tỉnh Thực Hành (đơn vị hư cấu)",
            "window": "year",
            "levels": [level],
        }
    )


def found(*criteria: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding.code, finding.rule) for finding in lint(framework(group("1", *criteria)))]


def only(rule: str, *criteria: dict[str, Any]) -> LintFinding:
    (finding,) = lint(framework(group("1", *criteria)))
    assert finding.rule == rule
    return finding


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
        "message": "Công thức gốc có thể vượt mức tối đa 2 điểm: b = 2, a = 1 cho 4 điểm; "
        "công thức đang dùng chưa chặn.",
    }


# --- golden lists ---

NINH_THUAN_DETECTED = [
    ("1.1.1", "tiers-overlap"),
    ("1.1.3", "duplicate-code"),
    ("3.7.2", "can-exceed-max"),
    ("5.3.1", "missing-code"),
    ("5.8", "shared-maximum"),
    ("5.9", "shared-maximum"),
    ("5.13.3", "can-exceed-max"),
    ("7.1.2", "threshold-differs-from-title"),
]

# Rows of the table of defects in the readings that only a reader can see, by criterion.
NINH_THUAN_READER_ONLY = {
    "1.1.3": "note-contradicts-formula",
    "1.2.2": "repeated-subject",
    "1.2.3": "overlapping-conditions",
    "1.3.1": "overlapping-conditions",
    "2.2.3": "undefined-term",
    "2.3.4": "overlapping-conditions",
    "3.1.2": "wrong-level-in-note",
    "4.1.2": "inverted-ratio",
    "4.1.3": "inverted-ratio",
    "4.2.3": "inverted-ratio",
    "5.1.1": "note-contradicts-title",
    "5.4.1": "note-contradicts-formula",
    "5.4.2": "note-contradicts-formula",
    "5.4.3": "note-contradicts-formula",
    "5.4.4": "note-contradicts-formula",
    "5.8": "title-unused",
    "5.12.1": "letter-is-percentage",
    "5.12.2": "inconsistent-shape",
    "6.3.1": "title-unused",
    "7.1.2": "note-contradicts-title",
}


def test_ninh_thuan_detected() -> None:
    detected = [
        (finding.code, finding.rule)
        for finding in lint(load_framework("ninh-thuan-2021"))
        if finding.rule != "recorded"
    ]
    assert detected == NINH_THUAN_DETECTED


def test_ninh_thuan_recorded() -> None:
    recorded = {
        (finding.code, finding.message.split(":")[0])
        for finding in lint(load_framework("ninh-thuan-2021"))
        if finding.rule == "recorded"
    }
    assert recorded >= set(NINH_THUAN_READER_ONLY.items())


def test_ninh_thuan_3_7_2_says_what_holds_the_figures_back() -> None:
    (finding,) = (
        item for item in lint(load_framework("ninh-thuan-2021")) if item.code == "3.7.2" and item.rule != "recorded"
    )
    assert finding.severity == "warning"
    assert "a = 1, b = 2 cho 4 điểm" in finding.message
    assert "trái điều kiện b <= a" in finding.message


def test_qd766_exactly() -> None:
    wanted = [
        ("DOSSIER_SYNC", "recorded", "warning"),
        ("ONLINE_PAYMENT", "can-exceed-max", "warning"),
        ("DOSSIER_RECEIVING_SATISFACTION", "recorded", "info"),
        ("SO_HOA_GIAY_TO_GIAI_QUYET", "recorded", "warning"),
    ]
    findings = lint(load_framework("qd766-2022"))
    assert [(finding.level, finding.code, finding.rule, finding.severity) for finding in findings] == [
        (level, *finding) for level in ("province", "department", "commune") for finding in wanted
    ]


def test_qd766_payment_exceeds_even_where_every_part_is_within_its_whole() -> None:
    finding = next(item for item in lint(load_framework("qd766-2022")) if item.code == "ONLINE_PAYMENT")
    assert "pay_ok = 1, fin_obl = 1, fee_paid = 1, fee_dossiers = 1, fee = 1 cho 10,5 điểm" in finding.message
    assert finding.message.endswith("công thức đang dùng chặn ở mức tối đa.")


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
    for level in one.levels:
        for item in level.criteria:
            if (level.level, item.code) in named or item.source_score:
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
                    assert worth <= item.max_fraction, (level.level, item.code, figures)
    assert tried > 1000


# --- each rule, with and without the defect ---


def test_duplicate_code_is_told_at_the_later_row_with_the_printed_number() -> None:
    first = criterion("1.1", "b / a * max")
    second = criterion("1.1-2", "b / a * max", printed_code="1.1", clause="mục 1.1, dòng hai")
    finding = only("duplicate-code", first, second)
    assert (finding.code, finding.clause, finding.severity) == ("1.1", "mục 1.1, dòng hai", "warning")
    assert "1.1-2" in finding.message


def test_duplicate_code_among_printed_lines() -> None:
    lines = [{"printed_code": "1.1", "name": "Dòng một"}, {"printed_code": "1.1", "name": "Dòng hai"}]
    assert ("1.1", "duplicate-code") in found(criterion("1", "b / a * max", lines=lines))


def test_same_number_at_two_levels_is_no_duplicate() -> None:
    one = framework(group("1", criterion("1.1", "b / a * max")))
    level = one.levels[0]
    assert lint(one.model_copy(update={"levels": (level, level.model_copy(update={"level": "commune"}))})) == ()


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
    assert "1.1, 1.2" in finding.message


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
    assert "chưa chặn" in loose.message
    assert "trái điều kiện b <= a" in guarded.message
    assert "chặn ở mức tối đa" in capped.message


def test_a_platform_s_own_points_are_not_judged() -> None:
    number = {"name": "s", "label": "Điểm", "kind": "number"}
    assert found(criterion("1.1", "s", number, source_score=True)) == []
    assert found(criterion("1.1", "s", number)) == [("1.1", "can-exceed-max")]


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
    assert (finding.severity, finding.code, finding.message) == ("info", "1.1", "truncated-title: Tên bị cắt.")


def test_order_is_that_of_the_criteria_then_of_the_rules() -> None:
    noted = {"findings": [{"rule": "truncated-title", "message": "Tên bị cắt."}]}
    late = criterion("1.2", "b / a * max", count("b"), count("a"), **noted)
    early = criterion("1.9", "b / a * max", **noted)
    rules = [(item.code, item.rule) for item in lint(framework(group("G", early, late)))]
    assert rules == [("1.9", "recorded"), ("1.2", "can-exceed-max"), ("1.2", "recorded")]
