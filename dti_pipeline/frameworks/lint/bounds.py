"""Rules about the points that a formula can give: above the maximum, below 0, or never up to the maximum.

A finding is proved before it is reported: leaving 0..maximum by figures that do it, missing the maximum by an upper
bound; where neither proof succeeds nothing is said. What is found depends on the formula, its inputs and the maximum
alone, so criteria that annexes pick from one library are judged once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from dti_pipeline.frameworks.lint.finding import Defect, Rule, of_criterion, vi
from dti_pipeline.frameworks.model import Criterion, InputKind, Severity
from dti_pipeline.scoring import exact
from dti_pipeline.scoring import formula as f

_COUNT_SCALE = 1000
_MOST_TRIALS = 50_000
"""Formulas with more combinations than this are left alone; the largest known one needs 2,401."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """What bounds depend on of an input."""

    name: str
    kind: InputKind
    options: tuple[str, ...]
    part_of: str | None


@dataclass(frozen=True, slots=True)
class _Shape:
    """What bounds depend on of a criterion; equal for equal formulas, whatever they are called."""

    printed: f.Expr
    used: f.Expr
    requirements: tuple[f.Compare, ...]
    require: tuple[str, ...]
    letters: tuple[_Letter, ...]
    most: Fraction

    def letter(self, name: str) -> _Letter:
        return next(letter for letter in self.letters if letter.name == name)


def bounds(criterion: Criterion) -> Iterator[Defect]:
    """`can-exceed-max`, `can-go-negative` and `cannot-reach-max` of a criterion, judged by the formula as printed."""
    if criterion.source_score or criterion.manual:
        return  # points that a platform or an appraiser gives; there is no formula to judge
    shape = _Shape(
        criterion.printed_expression,
        criterion.expression,
        criterion.requirements,
        criterion.require,
        tuple(_Letter(spec.name, spec.kind, spec.option_values, spec.part_of) for spec in criterion.inputs),
        criterion.max_fraction,
    )
    for severity, rule, what in _judged(shape):
        yield of_criterion(criterion, severity, rule, what)


@lru_cache(maxsize=4096)
def _judged(shape: _Shape) -> tuple[tuple[Severity, Rule, str], ...]:
    bound = _upper(shape.printed, shape)
    found: list[tuple[Severity, Rule, str]] = []
    if bound is None or bound > shape.most:
        start = f"Công thức gốc có thể vượt mức tối đa {vi(shape.most)} điểm"
        found += _leaves(shape, "can-exceed-max", start, "mức tối đa", lambda worth: worth > shape.most)
    if _subtracts(shape.printed):  # nothing else of the language goes below 0, since inputs and numbers do not
        found += _leaves(shape, "can-go-negative", "Công thức gốc có thể cho điểm âm", "0", lambda worth: worth < 0)
    if bound is not None and bound < shape.most:
        what = f"Cách tính cho nhiều nhất {vi(bound)} điểm, mức tối đa in là {vi(shape.most)}."
        found.append(("warning", "cannot-reach-max", what))
    return tuple(found)


# --- figures that do it ---


def _leaves(
    shape: _Shape, rule: Rule, start: str, limit: str, outside: Callable[[Fraction], bool]
) -> Iterator[tuple[Severity, Rule, str]]:
    """The finding that the printed formula leaves 0..maximum on one side, and what keeps ours from doing so."""
    own = [test for test in shape.requirements if _is_decisions_own(test, shape)]
    witness = _witness(shape, shape.requirements, outside)
    unguarded = witness is not None
    if witness is None and len(own) < len(shape.requirements):
        witness = _witness(shape, own, outside)
    if witness is None:
        return
    figures, worth = witness
    used = exact.evaluate(shape.used, figures, shape.most)
    example = ", ".join(
        f"{name} = {value if isinstance(value, str) else vi(value)}"
        for name, value in figures.items()
        if isinstance(value, str | Fraction)
    )
    capped = isinstance(used, Fraction) and 0 <= used <= shape.most
    if capped:
        remedy = f"công thức đang dùng chặn ở {limit}."
    elif not unguarded:
        remedy = f"số liệu như vậy bị giữ lại vì trái điều kiện {'; '.join(shape.require)} của cách đọc."
    else:
        remedy = "công thức đang dùng chưa chặn."
    severity: Severity = "error" if unguarded and not capped else "warning"
    yield severity, rule, f"{start}: {example} cho {vi(worth)} điểm; {remedy}"


def _is_decisions_own(test: f.Compare, shape: _Shape) -> bool:
    """Whether a requirement only spells out the decision's definitions: parts of one whole, together at most the whole.

    Any other requirement is our reading and keeps nothing within the maximum of the text as printed.
    """
    if test.op != "<=" or not isinstance(test.right, f.Var):
        return False
    whole = test.right.name
    parts = [node for node in f.walk(test.left) if not (isinstance(node, f.Arith) and node.op == "+")]
    return all(isinstance(part, f.Var) and shape.letter(part.name).part_of == whole for part in parts)


def _witness(
    shape: _Shape, requirements: Iterable[f.Compare], outside: Callable[[Fraction], bool]
) -> tuple[dict[str, exact.Value], Fraction] | None:
    """Figures that the decision's definitions allow and whose points are outside, with those points.

    Formulas of this language are built of straight pieces and quotients, so their largest and smallest values lie where
    inputs are 0, equal, far apart, or just at a threshold: those are tried, smallest first.
    """
    tests = tuple(requirements)
    names = [letter.name for letter in shape.letters]
    turning = {threshold for _, threshold in thresholds(shape.printed)}
    trials = [_trial_values(letter, turning) for letter in shape.letters]
    if math.prod(len(values) for values in trials) > _MOST_TRIALS:
        return None
    parts = [
        (position, names.index(letter.part_of))
        for position, letter in enumerate(shape.letters)
        if letter.part_of is not None
    ]
    for values in itertools.product(*trials):
        if any(_is_more(values[part], values[whole]) for part, whole in parts):
            continue
        figures: dict[str, exact.Value] = dict(zip(names, values, strict=True))
        worth = exact.evaluate(shape.printed, figures, shape.most)
        if isinstance(worth, Fraction) and outside(worth) and all(exact.holds(test, figures) is True for test in tests):
            return figures, worth
    return None


def _is_more(part: exact.Value, whole: exact.Value) -> bool:
    return isinstance(part, Fraction) and isinstance(whole, Fraction) and part > whole


def _trial_values(letter: _Letter, turning: set[Fraction]) -> tuple[exact.Value, ...]:
    if letter.kind == "option":
        return letter.options
    values = {Fraction(0), Fraction(1)}
    if letter.kind == "percent":
        values.add(Fraction(100))
        near = {point * scale for point in turning for scale in (1, 100)}
        values |= {value for point in near for value in (point - 1, point) if 0 <= value <= 100}
    else:
        values |= {Fraction(2), Fraction(_COUNT_SCALE)}
        near = {point if point > 1 else point * _COUNT_SCALE for point in turning}
        values |= {Fraction(math.floor(point) + step) for point in near for step in (-1, 0, 1) if point + step >= 0}
    return tuple(sorted(values))


def thresholds(expr: f.Expr) -> Iterator[tuple[f.Expr, Fraction]]:
    """What is held against a fixed number, and that number."""
    for node in f.walk(expr):
        match node:
            case f.Linear(ratio=subject, to=threshold) | f.Step(ratio=subject, at=threshold):
                yield subject, threshold
            case f.Compare(left=subject, right=f.Num(value=threshold)):
                yield subject, threshold
            case f.Compare(left=f.Num(value=threshold), right=subject):
                yield subject, threshold
            case f.Tier(value=subject, arms=arms):
                yield from ((subject, bound) for arm in arms for bound in (arm.low, arm.high) if bound is not None)


# --- upper bounds ---


def _upper(expr: f.Expr, shape: _Shape) -> Fraction | None:
    """A bound that the expression never passes, None where none is known; inputs are never negative."""

    def up(part: f.Expr) -> Fraction | None:
        return _upper(part, shape)

    match expr:
        case f.Num(value=value):
            return value
        case f.MaxPoints():
            return shape.most
        case f.Var(name=name):
            return Fraction(100) if shape.letter(name).kind == "percent" else None
        case f.Term(body=body):
            return up(body)
        case f.Arith(op="+", left=left, right=right):
            a, b = up(left), up(right)
            return None if a is None or b is None else a + b
        case f.Arith(op="*", left=left, right=right):
            # The product of two bounds is one only where neither side can be negative.
            a, b = up(left), up(right)
            return None if a is None or b is None or _subtracts(expr) else a * b
        case f.Arith(op="/", left=left, right=f.Num(value=value)):
            a = up(left)
            return None if a is None or value <= 0 else a / value
        case f.Arith(op="/", left=f.Var(name=part), right=f.Var(name=whole)):
            return Fraction(1) if shape.letter(part).part_of == whole else None
        case f.Arith():
            return None
        case f.Choice(then=then, otherwise=otherwise):
            return _largest([up(then), up(otherwise)])
        case f.Extreme(kind="min", items=items):
            known = [bound for bound in map(up, items) if bound is not None]
            return min(known, default=None)
        case f.Extreme(items=items):
            return _largest([up(item) for item in items])
        case f.Ratio(numerator=top, denominator=bottom, empty=empty):
            quotient = up(f.Arith("/", top, bottom))
            return quotient if empty is None else _largest([quotient, empty])
        case f.Linear(ratio=ratio, to=to):
            bound = up(ratio)
            return Fraction(1) if bound is None else min(Fraction(1), bound / to)
        case f.Step(ratio=ratio, at=at):
            bound = up(ratio)
            return Fraction(bound is None or bound >= at)
        case f.Tier(arms=arms):
            return _largest([Fraction(0), *(up(arm.points) for arm in arms)])
        case f.Option(values=options):
            return _largest([up(worth) for _, worth in options])
        case f.Round(body=body, decimals=decimals):
            bound = up(body)
            return None if bound is None else exact.round_half_up(bound, decimals)


def _largest(bounds: list[Fraction | None]) -> Fraction | None:
    known = [bound for bound in bounds if bound is not None]
    return max(known) if len(known) == len(bounds) else None


def _subtracts(expr: f.Expr) -> bool:
    return any(isinstance(node, f.Arith) and node.op == "-" for node in f.walk(expr))
