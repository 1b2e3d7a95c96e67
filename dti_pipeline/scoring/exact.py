"""Formulas in exact arithmetic: the interpreter that decides, that replays and that explains.

Here: the worth of one formula for one unit, as a Fraction, or the block that keeps it from having one. Not
here: speed (`vector.py`; it must agree with this module on every stored outcome) and wording (`words.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from dti_pipeline.scoring import formula as f


class BlockKind(StrEnum):
    """Why a formula has no worth; the earlier one names the cell where several hold."""

    OPEN = "open"
    """An input has no value yet."""
    UNAVAILABLE = "unavailable"
    MISSING = "missing"
    """An input is known to be missing: nothing was handed in for it."""
    NOT_APPLICABLE = "not_applicable"
    ZERO_DENOMINATOR = "zero_denominator"


_RANK = {kind: position for position, kind in enumerate(BlockKind)}


@dataclass(frozen=True, slots=True)
class Block:
    """What keeps a formula from having a worth, and which inputs or quotients it is about."""

    kind: BlockKind
    about: tuple[str, ...]

    def __or__(self, other: Block) -> Block:
        if self.kind == other.kind:
            return Block(self.kind, tuple(dict.fromkeys(self.about + other.about)))
        return min(self, other, key=lambda block: _RANK[block.kind])


Value = Fraction | str | Block
"""A number, the name of a chosen option, or why there is neither."""


def round_half_up(value: Fraction, decimals: int) -> Fraction:
    """Round to `decimals` places, halves away from zero (points are never negative, so: up)."""
    scale = 10**decimals
    scaled = abs(value) * scale
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, scale)


def evaluate(expr: f.Expr, inputs: Mapping[str, Value], max_points: Fraction) -> Fraction | Block:
    """The worth of `expr`, a Fraction, or the Block that explains why it has none.

    `inputs` holds a Value for every name of the formula. Only the branch that is taken is asked for values: an
    input that the chosen option does not need may be missing. Raises KeyError for an option that the formula
    does not know: callers validate options against the criterion first.
    """
    return _Evaluator(inputs, max_points).worth(expr)


def holds(requirement: f.Compare, inputs: Mapping[str, Value]) -> bool | Block:
    """Whether the inputs meet a requirement, or the Block that leaves it open."""
    return _Evaluator(inputs, Fraction(0)).compare(requirement)


def compare(op: f.Comparator, left: Fraction, right: Fraction) -> bool:
    return bool(f.OPERATORS[op](left, right))


class _Evaluator:
    def __init__(self, inputs: Mapping[str, Value], max_points: Fraction) -> None:
        self.inputs = inputs
        self.max_points = max_points

    def worth(self, expr: f.Expr) -> Fraction | Block:
        match expr:
            case f.Num(value=number):
                return number
            case f.MaxPoints():
                return self.max_points
            case f.Var(name=name):
                given = self.inputs[name]
                if isinstance(given, str):
                    raise TypeError(f"input «{name}» is an option where the formula needs a number")
                return given
            case f.Term(body=body):
                return self.worth(body)
            case f.Arith(op=op, left=left, right=right):
                return self._arith(op, left, right)
            case f.Choice(test=test, then=then, otherwise=otherwise):
                outcome = self.compare(test)
                if isinstance(outcome, Block):
                    return outcome
                return self.worth(then if outcome else otherwise)
            case f.Extreme(kind=kind, items=items):
                values = self._all(items)
                if isinstance(values, Block):
                    return values
                return min(values) if kind == "min" else max(values)
            case f.Ratio(numerator=numerator, denominator=denominator, empty=empty):
                values = self._all((numerator, denominator))
                if isinstance(values, Block):
                    return values
                top, bottom = values
                if bottom == 0 and top == 0:
                    return Block(BlockKind.NOT_APPLICABLE, _about(denominator)) if empty is None else empty
                return self._quotient(top, bottom, denominator)
            case f.Linear(ratio=ratio, to=to):
                share = self.worth(ratio)
                return share if isinstance(share, Block) else min(Fraction(1), share / to)
            case f.Step(ratio=ratio, at=at):
                share = self.worth(ratio)
                return share if isinstance(share, Block) else Fraction(share >= at)
            case f.Tier(value=subject, arms=arms):
                return self._tier(subject, arms)
            case f.Option(name=name, values=options):
                chosen = self.inputs[name]
                if isinstance(chosen, Block):
                    return chosen
                return self.worth(dict(options)[str(chosen)])
            case f.Round(body=body, decimals=decimals):
                unrounded = self.worth(body)
                return unrounded if isinstance(unrounded, Block) else round_half_up(unrounded, decimals)

    def compare(self, test: f.Compare) -> bool | Block:
        values = self._all((test.left, test.right))
        return values if isinstance(values, Block) else compare(test.op, values[0], values[1])

    def _all(self, parts: tuple[f.Expr, ...]) -> list[Fraction] | Block:
        values: list[Fraction] = []
        block: Block | None = None
        for part in parts:
            value = self.worth(part)
            if isinstance(value, Block):
                block = value if block is None else block | value
            else:
                values.append(value)
        return values if block is None else block

    def _arith(self, op: str, left: f.Expr, right: f.Expr) -> Fraction | Block:
        values = self._all((left, right))
        if isinstance(values, Block):
            return values
        a, b = values
        match op:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case _:
                return self._quotient(a, b, right)

    @staticmethod
    def _quotient(top: Fraction, bottom: Fraction, denominator: f.Expr) -> Fraction | Block:
        return Block(BlockKind.ZERO_DENOMINATOR, _about(denominator)) if bottom == 0 else top / bottom

    def _tier(self, subject: f.Expr, arms: tuple[f.Arm, ...]) -> Fraction | Block:
        value = self.worth(subject)
        if isinstance(value, Block):
            return value
        best = Fraction(0)
        for arm in arms:
            if (arm.low is None or value >= arm.low) and (arm.high is None or value < arm.high):
                points = self.worth(arm.points)
                if isinstance(points, Block):
                    return points
                best = max(best, points)
        return best


def _about(denominator: f.Expr) -> tuple[str, ...]:
    return f.input_names(denominator)
