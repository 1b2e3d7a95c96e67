"""Prose rules -> formulas: the shapes that are known, and the texts that only look like them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dti_pipeline.frameworks.annex.numbers import read_number
from dti_pipeline.frameworks.annex.rules import NotUnderstood, read_rule

AB = "Tổng số xã (gọi là a);\nSố xã đạt (gọi là b);\nTỷ lệ = b/a"


@pytest.mark.parametrize(
    ("rule", "remark", "points", "formula"),
    [
        ("Có: điểm tối đa; Không có: 0 điểm", "", "2", "option(answer, yes=max, no=0)"),
        ("- Đã có: 2 điểm\n- Chưa có: 0 điểm", "", "2", "option(answer, yes=max, no=0)"),
        ("- Trưởng ban là Chủ tịch: 10 điểm\n- Trưởng ban là Phó Chủ tịch: 50% điểm tối đa\n- Khác: 0 điểm", "", "10",
         "option(answer, o1=max, o2=max * 1 / 2, o3=0)"),
        ("Mỗi tin bài được 0,25 điểm, tối đa 2 điểm", "", "3", "min(items * 0.25, 2)"),
        ("Mỗi tin bài: 1 điểm, không quá điểm tối đa", "", "3", "min(items, max)"),
        ("Điểm = Tỷ lệ × Điểm tối đa", AB, "4", "b / a * max"),
        ("Tỷ lệ ≥ 80%: điểm tối đa;\nTỷ lệ < 80%: Tỷ lệ/80% × điểm tối đa", AB, "4", "linear(b / a, to=0.8) * max"),
        ("Từ 12,5% trở lên: Điểm tối đa\nDưới 12,5%: Điểm = Điểm tối đa * (Tỉ lệ/12,5%)", AB, "4",
         "linear(b / a, to=0.125) * max"),
        ("Tỷ lệ từ 90% trở lên: Điểm tối đa\nTỷ lệ từ 70% đến dưới 90%: 2,5 điểm\nTỷ lệ dưới 70%: 0 điểm", AB, "4",
         "tier(b / a, atleast(0.9, max), between(0.7, 0.9, 2.5), below(0.7, 0))"),
        ("Điểm = (b/a) * Điểm tối đa * 1/2 + (c/a) * Điểm tối đa",
         "Tổng số (gọi là a).\nSố loại một (gọi là b).\nSố loại hai (gọi là c).", "2",
         "b / a * max * 1 / 2 + c / a * max"),
    ],
)  # fmt: skip
def test_shapes(rule: str, remark: str, points: str, formula: str) -> None:
    assert read_rule("Tiêu chí", rule, remark, Decimal(points)).formula == formula


@pytest.mark.parametrize(
    ("rule", "remark", "points"),
    [
        # Parts that add up, none of them worth the maximum.
        ("- Có kế hoạch: 2 điểm\n- Có báo cáo: 1 điểm\n- Không có: 0 điểm", "", "3"),
        # No case worth nothing, or two worth everything.
        ("- Có: điểm tối đa\n- Đang làm: 1 điểm", "", "3"),
        ("- Có: điểm tối đa\n- Đã làm: 3 điểm\n- Không: 0 điểm", "", "3"),
        # Quantities dressed as answers.
        ("- Cập nhật < 1 tuần: điểm tối đa\n- Không có: 0 điểm", "", "2"),
        # A defined ratio that the rule leaves aside.
        ("Có: Điểm tối đa\nKhông: 0 điểm", AB, "1"),
        # A ratio that nothing defines, or defined twice.
        ("Điểm = Tỷ lệ * Điểm tối đa", "", "2"),
        ("Điểm = Tỷ lệ * Điểm tối đa", AB + "\nTỷ lệ = a/b", "2"),
        ("Điểm = Tỷ lệ * Điểm tối đa", "Số khác (gọi là a)\n" + AB, "2"),
        # Two kinds of things: can exceed 1.
        ("Điểm = Tỷ lệ * Điểm tối đa", "Tỷ lệ = tổng số lượt truy cập / tổng số dân", "2"),
        # Thresholds that differ, tiers with a gap, tiers that fall.
        ("Tỷ lệ ≥ 80%: điểm tối đa\nTỷ lệ < 70%: Tỷ lệ/70% * điểm tối đa", AB, "2"),
        ("Tỷ lệ ≥ 80%: điểm tối đa\nTỷ lệ < 80%: Tỷ lệ/70% * điểm tối đa", AB, "2"),
        ("Tỷ lệ từ 90% trở lên: Điểm tối đa\nTỷ lệ dưới 80%: 0 điểm", AB, "2"),
        ("Tỷ lệ từ 90% trở lên: 0 điểm\nTỷ lệ dưới 90%: Điểm tối đa", AB, "2"),
        # Words in the remark that change the count.
        ("Điểm = Tỷ lệ * Điểm tối đa", AB + "\nTrường hợp không có xã thì được điểm tối đa", "2"),
        ("Mỗi tin bài: 1 điểm, tối đa 5 điểm", "", "3"),
        ("", "", "1"),
    ],
)
def test_what_only_looks_like_a_shape_is_left_to_the_appraiser(rule: str, remark: str, points: str) -> None:
    with pytest.raises(NotUnderstood):
        read_rule("Tiêu chí", rule, remark, Decimal(points))


def test_a_ratio_that_the_text_caps_is_capped_and_has_no_condition() -> None:
    remark = AB.replace("Tỷ lệ = b/a", "Tỷ lệ = b/a * 100% (trường hợp b>a thì lấy tỷ lệ =1)")
    parsed = read_rule("Tiêu chí", "Điểm = Tỷ lệ * Điểm tối đa", remark, Decimal(1))
    assert (parsed.formula, parsed.require) == ("min(b / a, 1) * max", ())
    assert read_rule("Tiêu chí", "Điểm = Tỷ lệ * Điểm tối đa", AB, Decimal(1)).require == ("b <= a",)


def test_parts_that_could_exceed_the_maximum_together_stay_within_their_whole() -> None:
    remark = "Tổng số (gọi là a).\nSố loại một (gọi là b).\nSố loại hai (gọi là c)."
    parsed = read_rule("Tiêu chí", "Điểm = b/a * Điểm tối đa * 1/2 + c/a * Điểm tối đa", remark, Decimal(2))
    assert parsed.require == ("b + c <= a",)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0,5", "0.5"), ("12", "12"), ("1.000", "1000"), ("1.234,5", "1234.5"), ("10 điểm", "10"), ("01", "1")],
)
def test_numbers_as_printed(text: str, value: str) -> None:
    found = read_number(text)
    assert found is not None
    assert (found.value, found.is_point_decimal) == (Decimal(value), False)


def test_a_decimal_point_is_read_and_marked() -> None:
    found = read_number("0.500")
    assert found is not None
    assert (found.value, found.is_point_decimal) == (Decimal("0.5"), True)


@pytest.mark.parametrize("text", ["", "-1", "1,5,2", "1.00.000", "12 a", "1e3", "½", "0-5"])
def test_not_numbers(text: str) -> None:
    assert read_number(text) is None
