"""Rules about a printed text that contradicts itself: shared maxima, overlapping tiers, thresholds, unused terms."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction

from dti_pipeline.frameworks.lint.bounds import thresholds
from dti_pipeline.frameworks.lint.finding import Defect, of_criterion, vi
from dti_pipeline.frameworks.model import Criterion
from dti_pipeline.scoring import exact
from dti_pipeline.scoring import formula as f

_PERCENT = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?)\s*%")


def shared_maximum(criterion: Criterion) -> Iterator[Defect]:
    """Printed rows that share one rule and one maximum."""
    if len(criterion.lines) < 2:
        return
    lines = ", ".join(line.printed_code for line in criterion.lines)
    what = (
        f"{len(criterion.lines)} dòng in ({lines}) dùng chung một cách tính và một mức tối đa "
        f"{vi(criterion.max_fraction)} điểm; ở đây chấm chung thành {criterion.code}."
    )
    yield of_criterion(criterion, "info", "shared-maximum", what)


def tiers_overlap(criterion: Criterion) -> Iterator[Defect]:
    """Two tiers that hold for one figure and are worth different points; the first such pair."""
    for node in f.walk(criterion.printed_expression):
        if not isinstance(node, f.Tier):
            continue
        for first, second in itertools.combinations(node.arms, 2):
            low = max((arm.low for arm in (first, second) if arm.low is not None), default=None)
            high = min((arm.high for arm in (first, second) if arm.high is not None), default=None)
            if low is not None and high is not None and low >= high:
                continue
            if _constant(first.points, criterion) == _constant(second.points, criterion):
                continue
            what = (
                f"Hai mức chồng nhau: {_arm(first)} và {_arm(second)} cùng đúng với một số liệu nhưng cho điểm khác "
                "nhau; ở đây mức có lợi nhất được áp dụng."
            )
            yield of_criterion(criterion, "warning", "tiers-overlap", what)
            return


def _constant(points: f.Expr, criterion: Criterion) -> f.Expr | Fraction:
    """What a tier is worth where that depends on no input; otherwise the expression itself, to compare by its form."""
    if f.input_names(points):
        return points
    worth = exact.evaluate(points, {}, criterion.max_fraction)
    return points if isinstance(worth, exact.Block) else worth


def _arm(arm: f.Arm) -> str:
    match arm.low, arm.high:
        case None, Fraction() as high:
            return f"«dưới {vi(high)}»"
        case Fraction() as low, None:
            return f"«từ {vi(low)} trở lên»"
        case Fraction() as low, Fraction() as high:
            return f"«từ {vi(low)} đến dưới {vi(high)}»"
    return "«mọi giá trị»"


def threshold_in_title(criterion: Criterion) -> Iterator[Defect]:
    """A title that prints a percentage, beside a formula whose thresholds are all other ones.

    A percentage without any threshold in the formula («100% …» of a plain ratio) is no contradiction.
    """
    used = sorted(set(_ratio_thresholds(criterion)))
    if not used:
        return
    for title in (criterion.name, *(line.name for line in criterion.lines)):
        printed = [Fraction(number.replace(",", ".")) for number in _PERCENT.findall(title)]
        # A threshold of a percentage is written 50, that of a ratio 0.5.
        if not printed or any(value in used or value / 100 in used for value in printed):
            continue
        titles = ", ".join(f"{vi(value)} %" for value in printed)
        formulas = ", ".join(f"{vi(value * 100 if value <= 1 else value)} %" for value in used)
        what = f"Tên tiêu chí ghi {titles}, cách tính dùng mốc {formulas}; ở đây theo cách tính."
        yield of_criterion(criterion, "warning", "threshold-differs-from-title", what)
        return


def _ratio_thresholds(criterion: Criterion) -> Iterator[Fraction]:
    """Thresholds that a ratio or percentage is held against; those of plain counts («3 courses») are left out."""

    def is_share(expr: f.Expr) -> bool:
        return any(
            isinstance(node, f.Ratio)
            or (isinstance(node, f.Arith) and node.op == "/")
            or (isinstance(node, f.Var) and criterion.input(node.name).kind == "percent")
            for node in f.walk(expr)
        )

    for subject, threshold in thresholds(criterion.printed_expression):
        if is_share(subject):
            yield threshold


def unused_terms(criterion: Criterion) -> Iterator[Defect]:
    """Terms that are defined and stand in no formula or condition. (One that is used and not defined does not load.)"""
    if not criterion.terms:
        return
    read = {
        node.name
        for expression in (criterion.expression, criterion.printed_expression, *criterion.requirements)
        for node in f.walk(expression)
        if isinstance(node, f.Term)
    }
    if unused := [term for term in criterion.terms if term not in read]:
        what = "; ".join(f"{term} = {criterion.terms[term]}" for term in unused)
        what = f"Đại lượng được định nghĩa mà cách tính không dùng: {what}."
        yield of_criterion(criterion, "warning", "unused-term", what)
