"""Formulas over many units at once: the fast interpreter, in Polars.

Here: formulas as Polars expressions, and the points, micro-points and totals of a whole level. Not here: what
decides (`exact.py`: every figure that this module cannot be certain of is asked of it, so that what is stored
always equals exact arithmetic), states and reasons, ranks and policies (`engine.py`).

How it stays right. Points travel as whole pico-points (1e-12), because float sums depend on the order of adding.
A formula is taken only if it never subtracts, reads numbers of at least 0 and is small (`MAX_NODES`, `MAX_PRODUCTS`,
`LITERALS`): then nothing over- or underflows, every node adds at most one rounding to a *relative* error (min, max
and sums of non-negative numbers do not enlarge it), and a worth is off by at most `2 * nodes * 2**-52` of itself.
Where the exact worth is by its form a multiple of one pico-point (counts, decimals, options), rounding restores it
and the margin is 0. A comparison of linear forms of counts, or of their quotient with a number, is cross-multiplied
to whole numbers below 2**53 and exact, ties included; any other is null within `BAND` of a tie. Null: ask exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import NamedTuple

import polars as pl

from dti_pipeline.frameworks.model import Criterion, InputKind, Level
from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.exact import compare, round_half_up

FAST_LIMIT = 2**40
"""Input values from here on go the exact way."""
PICO = 10**12
MICRO = 10**6
MAX_NODES = 100
MAX_PRODUCTS = 20
LITERALS = (Fraction(1, 2**40), Fraction(2**40))
BAND = Fraction(1, 10**9)
"""Relative distance within which two floats may stand for equal numbers; far above any error of ours."""
_EXACT_INTEGER = 2**53
_ROUND_LIMIT = 2.0**24
_ROUND_BAND = 1e-6

ExactPoints = Callable[[Criterion, Sequence[int]], Sequence[Fraction | None]]
"""Points of one criterion for the rows asked, by exact arithmetic; None for a cell without points."""


def fast_value(value: Fraction, kind: InputKind) -> float | None:
    """The float that may stand for an input's value in a wide frame, or None where the cell must go the exact way.

    A count is a whole number from 0 and below FAST_LIMIT, so that sums and comparisons of counts are exact; other
    kinds may be off by half a unit in the last place. A percentage is at most 100, as for `engine.score_cell`.
    """
    if not 0 <= value < FAST_LIMIT or 0 < value < LITERALS[0] or (kind == "percent" and value > 100):
        return None
    return float(value) if value.denominator == 1 or kind != "count" else None


def column(criterion: str, name: str) -> str:
    """Name of the wide column of one input."""
    return f"{criterion}|{name}"


def wide_schema(level: Level) -> dict[str, pl.DataType]:
    """Columns of a wide frame of that level: Float64, or an Enum of what can be chosen. String also does."""
    return {
        column(criterion.code, spec.name): pl.Enum(spec.option_values) if spec.kind == "option" else pl.Float64()
        for criterion in level.criteria
        for spec in criterion.inputs
    }


class FastPoints(NamedTuple):
    """Pico-points of one criterion, Int64, null where the exact way must be asked, and how far off they may be."""

    pico: pl.Expr
    margin: int
    denominator: Linear | None = None
    """Where the worth is a fraction over a sum of counts: that sum, with whole weights."""


def points_expr(criterion: Criterion) -> FastPoints | None:
    """The fast way for a criterion, over the columns of `wide_schema`; None where its formula has none."""
    try:
        return _Compiler(criterion).compile()
    except _Unsupported:
        return None


class LevelPlan:
    """The expressions of one level, built once and used for any number of frames."""

    def __init__(self, level: Level) -> None:
        self.level = level
        fast = {criterion.code: points_expr(criterion) for criterion in level.criteria}
        self.fast = {code: points for code, points in fast.items() if points is not None}
        if level.max_points * PICO >= 2**62:
            raise ValueError(f"level {level.level}: {level.max_points} points are more than the fast path can add up")


@dataclass(frozen=True)
class WideScores:
    """What a wide frame is worth; rows as in the frame, one column per criterion code."""

    micro: pl.DataFrame
    """Int64: points in 1e-6, half up from the exact points; null where a cell has none."""
    total_pico: pl.Series
    """Int64: sum of the cells with points in 1e-12, off by at most `margin`. For tests against other boundaries."""
    margin: int
    published: pl.Series
    """Int64: the exact sum, half up, in units of 10**-decimals."""
    recomputed_cells: int
    recomputed_totals: int


def score_wide(plan: LevelPlan, wide: pl.DataFrame, exact: ExactPoints, decimals: int = 2) -> WideScores:
    """Points and totals of all units of a frame with the columns of `wide_schema`; `decimals` is 0 to 6.

    `exact` is asked once per criterion for the rows that the fast path leaves open (also those that merely lack an
    input: what they are is not for this module to say), and again where a total lies too near a rounding half.
    """
    criteria = plan.level.criteria
    height = wide.height
    nothing = pl.repeat(None, height, dtype=pl.Int64, eager=True)
    computed = wide.lazy().select(points.pico.alias(code) for code, points in plan.fast.items()).collect()
    if computed.height != height:  # nothing but constants or no fast criterion at all
        computed = wide.lazy().with_columns(points.pico.alias(code) for code, points in plan.fast.items()).collect()
    pico = {c.code: computed[c.code] if c.code in plan.fast else nothing for c in criteria}

    rounded = _micro(plan, pico)
    exact_cells: dict[str, dict[int, Fraction | None]] = {}
    margins = {code: points.margin for code, points in plan.fast.items()}
    corrections: dict[int, int] = {}
    for group in rounded:
        patches = _settled_halves(plan, group, pico, wide)
        group.micro = _patched(group.micro, patches)
        patches = {}
        for position, rows in _by_position(group.micro.is_null(), height).items():
            code = group.codes[position]
            values = dict(zip(rows, exact(plan.level.criterion(code), rows), strict=True))
            exact_cells[code] = values
            for row, value in values.items():
                if value is None:
                    continue
                patches[position * height + row] = _half_up(value, MICRO)
                if pico[code][row] is None:
                    corrections[row] = corrections.get(row, 0) + _half_up(value, PICO)
                    if PICO % value.denominator:
                        margins[code] = max(1, margins.get(code, 0))
        group.micro = _patched(group.micro, patches)
    micro = {
        code: group.micro.slice(position * height, height)
        for group in rounded
        for position, code in enumerate(group.codes)
    }

    total = _total(computed.select(list(plan.fast)), height)
    if corrections:
        total = _patched(total, {row: total[row] + extra for row, extra in corrections.items()})
    margin = sum(margins.values())
    published, uncertain = _published(total, margin, decimals)
    if uncertain:
        exact_totals: dict[int, int] = {}
        for row in uncertain:
            sum_exact = Fraction(0)
            for criterion in criteria:
                code = criterion.code
                if row in exact_cells.get(code, {}):
                    sum_exact += exact_cells[code][row] or 0
                elif plan.fast[code].margin == 0:
                    sum_exact += Fraction(pico[code][row], PICO)
                else:
                    sum_exact += exact(criterion, [row])[0] or 0
            exact_totals[row] = _half_up(sum_exact, 10**decimals)
        published = _patched(published, exact_totals)
    return WideScores(
        micro=pl.DataFrame([micro[c.code].alias(c.code) for c in criteria]),
        total_pico=total.alias("total_pico"),
        margin=margin,
        published=published.alias("published"),
        recomputed_cells=sum(len(values) for values in exact_cells.values()),
        recomputed_totals=len(uncertain),
    )


@dataclass
class _Rounded:
    """Micro-points of several criteria end to end in one column, null where uncertain: Polars spends more on starting
    an expression than on 12,000 numbers."""

    codes: list[str]
    micro: pl.Series
    uncertain: pl.Series
    """Boolean: there are pico-points, and a rounding half lies within their margin."""


def _by_position(mask: pl.Series, height: int) -> dict[int, list[int]]:
    """Rows where a column of criteria end to end is true, by the criterion's position."""
    found: dict[int, list[int]] = {}
    for index in mask.arg_true().to_list():
        found.setdefault(index // height, []).append(index % height)
    return found


def _micro(plan: LevelPlan, pico: dict[str, pl.Series]) -> list[_Rounded]:
    """Criteria with and without a margin apart: without one, a half is a half and rounds up."""
    margins = {code: plan.fast[code].margin if code in plan.fast else 0 for code in pico}
    groups = [[code for code in pico if (margins[code] > 0) is has_margin] for has_margin in (False, True)]
    result = []
    for codes in filter(None, groups):
        margin = max(margins[code] for code in codes)
        long = pl.concat([pico[code].alias("pico") for code in codes], rechunk=False).to_frame()
        value = pl.col("pico")
        rounded = (value + MICRO // 2) // MICRO
        rest = value - rounded * MICRO
        certain = rest.is_between(margin - MICRO // 2, MICRO // 2 - 1 - margin)
        micro = rounded if margin == 0 else pl.when(certain).then(rounded)
        uncertain = pl.lit(False) if margin == 0 else certain.not_()
        # Lazy, so that the division is done once.
        found = long.lazy().select(micro=micro, uncertain=uncertain).collect()
        result.append(_Rounded(codes, found["micro"], found["uncertain"]))
    return result


def _settled_halves(plan: LevelPlan, group: _Rounded, pico: dict[str, pl.Series], wide: pl.DataFrame) -> dict[int, int]:
    """Micro-points, by place in the group, that are a rounding half for certain and therefore go up.

    A fraction over d is k / 2,000,000 or at least 1 / (2,000,000 d) away from it; pico-points within their margin of
    a half stand for a worth within twice that. With small counts such halves are common enough to matter.
    """
    height = wide.height
    settled: dict[int, int] = {}
    for position, rows in _by_position(group.uncertain, height).items():
        code = group.codes[position]
        points = plan.fast[code]
        if points.denominator is None:
            continue
        weights = [(wide[column(code, name)], int(weight)) for name, weight in points.denominator.items() if name]
        constant = int(points.denominator.get("", 0))
        for row in rows:
            d = constant + sum(int(counts[row]) * weight for counts, weight in weights)
            if 2 * MICRO * d * 2 * points.margin < PICO:
                settled[position * height + row] = (pico[code][row] + MICRO // 2 + points.margin) // MICRO
    return settled


def _total(computed: pl.DataFrame, height: int) -> pl.Series:
    if not computed.width:
        return pl.zeros(height, dtype=pl.Int64, eager=True)
    return computed.select(pl.sum_horizontal(pl.all()).alias("total")).to_series()


def _published(total: pl.Series, margin: int, decimals: int) -> tuple[pl.Series, list[int]]:
    unit = PICO // 10**decimals
    low = (total + (unit // 2 - margin)) // unit
    high = (total + (unit // 2 + margin)) // unit
    return low, (low != high).arg_true().to_list()


def _half_up(value: Fraction, units: int) -> int:
    """`value`, at least 0, in whole units of 1/`units`, a half rounded up."""
    return (2 * units * value.numerator + value.denominator) // (2 * value.denominator)


def _patched(series: pl.Series, values: dict[int, int]) -> pl.Series:
    if not values:
        return series
    return series.clone().scatter(list(values), pl.Series(list(values.values()), dtype=pl.Int64))


class _Unsupported(Exception):
    """This formula goes the exact way."""


Linear = dict[str, Fraction]
"""Sum of coefficient × input; the constant under the empty name."""


class _Form(NamedTuple):
    """A quotient of linear sums of counts; `bottom` None stands for 1."""

    top: Linear
    bottom: Linear | None


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a formula: how to write it multiplied by a constant, and what is known of its worth."""

    emit: Callable[[Fraction], pl.Expr]
    high: Fraction | None = None
    """It is at most this."""
    digits: int | None = None
    """It is a multiple of 10**-digits."""
    const: Fraction | None = None
    form: _Form | None = None


def _constant(value: Fraction) -> _Part:
    return _Part(
        lambda scale: pl.lit(float(value * scale)), value, _decimal_digits(value), value, _Form({"": value}, None)
    )


def _decimal_digits(value: Fraction) -> int | None:
    """The decimals that write `value` out, None where none do or more than 12 are needed."""
    return next((digits for digits in range(13) if (value * 10**digits).denominator == 1), None)


def _sum_digits(*digits: int | None) -> int | None:
    return sum(d for d in digits if d is not None) if None not in digits else None


def _most_digits(digits: Iterable[int | None]) -> int | None:
    found = list(digits)
    return max(d for d in found if d is not None) if None not in found else None


def _all(conditions: Sequence[pl.Expr]) -> pl.Expr:
    return reduce(lambda left, right: left & right, conditions)


class _Compiler:
    """One criterion's expression. `guards` collects what must hold for a row to be certain in the current branch."""

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = criterion
        self.max_points = criterion.max_fraction
        self.kinds = {spec.name: spec.kind for spec in criterion.inputs}
        self.guards: list[pl.Expr] = []
        self.bounds: list[tuple[Linear, Linear]] = []

    def compile(self) -> FastPoints:
        nodes = _check_size(self.criterion)
        for requirement in self.criterion.requirements:
            left, right = self.part(requirement.left), self.part(requirement.right)
            outcome = self.compare(left, requirement.op, right)
            self.guards.append(outcome if isinstance(outcome, pl.Expr) else pl.lit(outcome))
            if left.form and right.form and not left.form.bottom and not right.form.bottom:
                if requirement.op in ("<", "<=", "=="):
                    self.bounds.append((left.form.top, right.form.top))
                if requirement.op in (">", ">=", "=="):
                    self.bounds.append((right.form.top, left.form.top))
        root = self._whole(self.criterion.expression)
        pico = root.emit(Fraction(PICO))
        if self.guards:
            pico = pl.when(_all(self.guards)).then(pico)
        error = 2 * nodes * float(self.max_points) * PICO * 2.0**-52
        exact = root.digits is not None and root.digits <= 12 and error < 0.25
        margin = 0 if exact else math.ceil(0.5 + error)
        return FastPoints((pico + 0.5).cast(pl.Int64, strict=False), margin, _denominator(root.form))

    def _whole(self, expr: f.Expr) -> _Part:
        """All of the formula, or of a branch of it: guarded against more than the maximum, branch by branch, so that
        a branch that is worth the maximum by itself is not taken for a tie."""
        match expr:
            case f.Choice() | f.Option():
                return self.part(expr, self._whole)
        part = self.part(expr)
        if part.high is None or part.high > self.max_points:
            inside = self.compare(part, "<=", _constant(self.max_points))
            self.guards.append(inside if isinstance(inside, pl.Expr) else pl.lit(inside))
        return part

    def part(self, expr: f.Expr, branch: Callable[[f.Expr], _Part] | None = None) -> _Part:
        """A part of a formula; `branch` compiles what stands in the arms of a choice or an option."""
        match expr:
            case f.Num(value=value):
                return _constant(value)
            case f.MaxPoints():
                return _constant(self.max_points)
            case f.Var(name=name):
                return self._var(name)
            case f.Term(body=body):
                return self.part(body)
            case f.Arith(op="+", left=left, right=right):
                return self._add(self.part(left), self.part(right))
            case f.Arith(op="*", left=left, right=right):
                return self._multiply(self.part(left), self.part(right))
            case f.Arith(op="/", left=left, right=right):
                return self._divide(self.part(left), self.part(right))
            case f.Ratio(numerator=top, denominator=bottom, empty=empty):
                return self._ratio(self.part(top), self.part(bottom), empty)
            case f.Extreme(kind=kind, items=items):
                parts = [self.part(item) for item in items]
                return reduce(self._least if kind == "min" else self._largest, parts)
            case f.Linear(ratio=ratio, to=to):
                return self._least(_scaled(self.part(ratio), 1 / to), _constant(Fraction(1)))
            case f.Step(ratio=ratio, at=at):
                reached = self._test(self.compare(self.part(ratio), ">=", _constant(at)))
                return _branch(reached, _constant(Fraction(1)), _constant(Fraction(0)))
            case f.Choice(test=test, then=then, otherwise=otherwise):
                outcome = self._test(self.compare(self.part(test.left), test.op, self.part(test.right)))
                return _branch(outcome, self._arm(then, branch), self._arm(otherwise, branch))
            case f.Tier(value=subject, arms=arms):
                return self._tier(self.part(subject), arms)
            case f.Option(name=name, values=values):
                return self._option(name, [(label, self._arm(body, branch)) for label, body in values])
            case f.Round(body=body, decimals=decimals):
                return self._round(self.part(body), decimals)
        raise _Unsupported  # a difference can lose every digit that a float has

    def compare(self, left: _Part, op: f.Comparator, right: _Part) -> pl.Expr | bool:
        """The comparison, null where an input is; a guard keeps out rows in which floats cannot decide it."""
        if left.const is not None and right.const is not None:
            return compare(op, left.const, right.const)
        sides = _cross_multiplied(left.form, right.form) if left.form and right.form else None
        if sides:
            outcome: pl.Expr = f.OPERATORS[op](self._linear(sides[0], Fraction(1)), self._linear(sides[1], Fraction(1)))
            return outcome
        x, y = left.emit(Fraction(1)), right.emit(Fraction(1))
        above, below = x > y * float(1 + BAND), x < y * float(1 - BAND)
        self.guards.append(above | below)
        return pl.lit(False) if op == "==" else above if op in (">", ">=") else below

    def _test(self, outcome: pl.Expr | bool) -> pl.Expr | bool:
        if isinstance(outcome, pl.Expr):
            self.guards.append(outcome.is_not_null())  # a null test would silently choose `otherwise`
        return outcome

    def _arm(self, expr: f.Expr, branch: Callable[[f.Expr], _Part] | None) -> _Part:
        """A part that only some rows take: what keeps it from being certain matters to those rows alone."""
        outer, self.guards = self.guards, []
        try:
            part = (branch or self.part)(expr)
            guards = self.guards
        finally:
            self.guards = outer
        if not guards:
            return part
        certain = _all(guards)
        return _Part(lambda scale: pl.when(certain).then(part.emit(scale)), part.high, part.digits)

    def _column(self, name: str) -> pl.Expr:
        return pl.col(column(self.criterion.code, name))

    def _var(self, name: str) -> _Part:
        if self.kinds[name] == "count":
            top = {name: Fraction(1)}
            return _Part(lambda scale: self._linear(top, scale), digits=0, form=_Form(top, None))
        return _Part(lambda scale: _times(self._column(name), scale))

    def _linear(self, form: Linear, scale: Fraction) -> pl.Expr:
        terms = [_times(self._column(name), weight * scale) for name, weight in form.items() if name]
        if form.get("") or not terms:
            terms.append(pl.lit(float(form.get("", Fraction(0)) * scale)))
        return reduce(lambda left, right: left + right, terms)

    def _quotient(self, form: _Form, scale: Fraction) -> pl.Expr:
        top = self._linear(form.top, scale)
        return top if form.bottom is None else top / self._linear(form.bottom, Fraction(1))

    def _formed(self, form: _Form, high: Fraction | None, digits: int | None) -> _Part:
        if high is None:
            high = self._bound(form)
        return _Part(lambda scale: self._quotient(form, scale), high, digits, form=form)

    def _bound(self, form: _Form) -> Fraction | None:
        """At most this, by a requirement such as b + c <= a; the rows that break it are left out anyway."""
        found = [
            max((weight / less[name] for name, weight in form.top.items() if weight), default=Fraction(0))
            for less, more in self.bounds
            if more == form.bottom and all(less.get(name) for name, weight in form.top.items() if weight)
        ]
        return min(found, default=None)

    def _add(self, left: _Part, right: _Part) -> _Part:
        if left.const is not None and right.const is not None:
            return _constant(left.const + right.const)
        high = left.high + right.high if left.high is not None and right.high is not None else None
        digits = _most_digits((left.digits, right.digits))
        if left.form and right.form and left.form.bottom == right.form.bottom:
            return self._formed(_Form(_plus(left.form.top, right.form.top), left.form.bottom), None, digits)
        return _Part(lambda scale: left.emit(scale) + right.emit(scale), high, digits)

    def _multiply(self, left: _Part, right: _Part) -> _Part:
        if right.const is not None:
            return _scaled(left, right.const, self)
        if left.const is not None:
            return _scaled(right, left.const, self)
        high = left.high * right.high if left.high is not None and right.high is not None else None
        return _Part(
            lambda scale: left.emit(scale) * right.emit(Fraction(1)), high, _sum_digits(left.digits, right.digits)
        )

    def _divide(self, top: _Part, bottom: _Part) -> _Part:
        if bottom.const is not None:
            if bottom.const == 0:
                raise _Unsupported
            return _scaled(top, 1 / bottom.const, self)
        self.guards.append(bottom.emit(Fraction(1)) > 0)
        return self._over(top, bottom)

    def _over(self, top: _Part, bottom: _Part) -> _Part:
        if top.form and bottom.form and top.form.bottom is None and bottom.form.bottom is None:
            return self._formed(_Form(top.form.top, bottom.form.top), None, None)
        return _Part(lambda scale: top.emit(scale) / bottom.emit(Fraction(1)))

    def _ratio(self, top: _Part, bottom: _Part, empty: Fraction | None) -> _Part:
        if empty is None or bottom.const is not None:
            return self._divide(top, bottom)
        denominator = bottom.emit(Fraction(1))
        # Sums and products of numbers that are not negative are 0 as floats exactly where they are 0.
        self.guards.append((denominator > 0) | (top.emit(Fraction(1)) == 0))
        ratio = self._over(top, bottom)
        high = None if ratio.high is None else max(ratio.high, empty)
        return _Part(
            lambda scale: pl.when(denominator == 0).then(float(empty * scale)).otherwise(ratio.emit(scale)), high
        )

    def _least(self, left: _Part, right: _Part) -> _Part:
        high = min((part.high for part in (left, right) if part.high is not None), default=None)
        return self._extreme(left, right, high, is_min=True)

    def _largest(self, left: _Part, right: _Part) -> _Part:
        high = max(left.high, right.high) if left.high is not None and right.high is not None else None
        return self._extreme(left, right, high, is_min=False)

    def _extreme(self, left: _Part, right: _Part, high: Fraction | None, *, is_min: bool) -> _Part:
        digits = _most_digits((left.digits, right.digits))
        if left.const is not None and right.const is not None:
            return _constant((min if is_min else max)(left.const, right.const))
        if left.const is not None or right.const is not None:
            part, bound = (right, left.const) if left.const is not None else (left, right.const)
            limit = bound if bound is not None else Fraction(0)
            if is_min:
                return _Part(lambda s: part.emit(s).clip(upper_bound=float(limit * s)), high, digits)
            return _Part(lambda s: part.emit(s).clip(lower_bound=float(limit * s)), high, digits)

        def emit(scale: Fraction) -> pl.Expr:
            x, y = left.emit(scale), right.emit(scale)
            # Not min_horizontal, which skips nulls: where one side is null, neither test holds.
            return pl.when(x <= y if is_min else x >= y).then(x).when(x > y if is_min else x < y).then(y)

        return _Part(emit, high, digits)

    def _tier(self, subject: _Part, arms: tuple[f.Arm, ...]) -> _Part:
        """The best arm that holds: arms by worth, highest first. Arms that are not plain numbers go the exact way."""
        ranked: list[tuple[Fraction, f.Arm]] = []
        for arm in arms:
            points = self.part(arm.points).const
            if points is None:
                raise _Unsupported
            ranked.append((points, arm))
        result = _constant(Fraction(0))
        for points, arm in sorted(ranked, key=lambda item: item[0]):
            tests: list[pl.Expr | bool] = []
            if arm.low is not None:
                tests.append(self._test(self.compare(subject, ">=", _constant(arm.low))))
            if arm.high is not None:
                tests.append(self._test(self.compare(subject, "<", _constant(arm.high))))
            if not any(test is False for test in tests):
                conditions = [test for test in tests if isinstance(test, pl.Expr)]
                result = _branch(_all(conditions) if conditions else True, _constant(points), result)
        return result

    def _option(self, name: str, arms: list[tuple[str, _Part]]) -> _Part:
        chosen = self._column(name)

        def emit(scale: Fraction) -> pl.Expr:
            result = pl.lit(None, dtype=pl.Float64)
            for label, part in reversed(arms):
                result = pl.when(chosen == label).then(part.emit(scale)).otherwise(result)
            return result

        highs = [part.high for _, part in arms]
        high = max(h for h in highs if h is not None) if None not in highs else None
        return _Part(emit, high, _most_digits(part.digits for _, part in arms))

    def _round(self, body: _Part, decimals: int) -> _Part:
        if body.const is not None:
            return _constant(round_half_up(body.const, decimals))
        shifted = body.emit(Fraction(10**decimals)) + 0.5
        whole = shifted.floor()
        rest = shifted - whole
        self.guards.append((rest > _ROUND_BAND) & (rest < 1 - _ROUND_BAND) & (shifted < _ROUND_LIMIT))
        high = round_half_up(body.high, decimals) if body.high is not None else None
        return _Part(lambda scale: whole * float(scale / 10**decimals), high, decimals)


def _check_size(criterion: Criterion) -> int:
    """Count of nodes of a formula that the error analysis covers. Raises _Unsupported."""
    nodes = list(f.walk(criterion.expression))
    everything = [*nodes, *(node for requirement in criterion.requirements for node in f.walk(requirement))]
    products = sum(
        isinstance(node, f.Ratio | f.Linear) or (isinstance(node, f.Arith) and node.op in "*/") for node in everything
    )
    literals = [criterion.max_fraction]
    for node in everything:
        match node:
            case f.Num(value=value) | f.Linear(to=value) | f.Step(at=value):
                literals.append(value)
            case f.Ratio(empty=empty) if empty is not None:
                literals.append(empty)
            case f.Arm(low=low, high=high):
                literals += [bound for bound in (low, high) if bound is not None]
    if len(everything) > MAX_NODES or products > MAX_PRODUCTS:
        raise _Unsupported
    if any(value and not LITERALS[0] <= value <= LITERALS[1] for value in literals):
        raise _Unsupported
    return len(nodes)


def _scaled(part: _Part, factor: Fraction, compiler: _Compiler | None = None) -> _Part:
    """The part times a constant, pushed inwards so that it costs no operation of its own."""
    if part.const is not None:
        return _constant(part.const * factor)
    high = part.high * factor if part.high is not None else None
    digits = _sum_digits(part.digits, _decimal_digits(factor))
    form = None
    if part.form:
        form = _Form({name: weight * factor for name, weight in part.form.top.items()}, part.form.bottom)
    return _Part(lambda scale: part.emit(scale * factor), high, digits, form=form)


def _branch(test: pl.Expr | bool, then: _Part, otherwise: _Part) -> _Part:
    if isinstance(test, bool):
        return then if test else otherwise
    high = max(then.high, otherwise.high) if then.high is not None and otherwise.high is not None else None
    return _Part(
        lambda scale: pl.when(test).then(then.emit(scale)).otherwise(otherwise.emit(scale)),
        high,
        _most_digits((then.digits, otherwise.digits)),
    )


def _times(expr: pl.Expr, factor: Fraction) -> pl.Expr:
    return expr if factor == 1 else expr * float(factor)


def _plus(left: Linear, right: Linear) -> Linear:
    return {name: left.get(name, Fraction(0)) + right.get(name, Fraction(0)) for name in {**left, **right}}


def _denominator(form: _Form | None) -> Linear | None:
    if form is None or form.bottom is None:
        return None
    common = math.lcm(*(weight.denominator for side in form[:2] if side for weight in side.values()))
    return {name: weight * common for name, weight in form.bottom.items()}


def _cross_multiplied(left: _Form, right: _Form) -> tuple[Linear, Linear] | None:
    """The two sides of a comparison as sums with whole weights that float adds exactly, None where there are none."""
    if left.bottom == right.bottom:
        sides = (left.top, right.top)
    elif right.bottom is None and set(right.top) == {""}:
        sides = (left.top, {name: weight * right.top[""] for name, weight in (left.bottom or {}).items()})
    elif left.bottom is None and set(left.top) == {""}:
        sides = ({name: weight * left.top[""] for name, weight in (right.bottom or {}).items()}, right.top)
    else:
        return None
    common = math.lcm(*(weight.denominator for side in sides for weight in side.values()))
    whole = tuple({name: weight * common for name, weight in side.items()} for side in sides)
    if any(sum(side.values()) * FAST_LIMIT >= _EXACT_INTEGER for side in whole):
        return None
    return whole[0], whole[1]
