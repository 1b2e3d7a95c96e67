"""Formulas in words: the interpreter that people read, in Vietnamese, with the numbers put in.

Here: a formula with its signs and decimal commas, the same with this unit's numbers, and a sentence that ends in the
points. Not here: what a formula is worth (`exact.py` decides; the numbers shown here are held to it by a property
test through `to_formula`), states and reasons of cells (`states.py`, `engine.py`), other wording (`dti_pipeline.text`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from dti_pipeline.frameworks.model import Criterion, InputSpec
from dti_pipeline.scoring import exact
from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.engine import InputValue
from dti_pipeline.scoring.exact import Block, BlockKind
from dti_pipeline.scoring.states import InputState

Given = Mapping[str, exact.Value | InputValue]
"""What is known of a criterion's inputs, by name: values, blocks, or the engine's inputs; any of them may be absent."""

_SUM, _PRODUCT, _ATOM = 1, 2, 3
_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "="}
_BLOCK_WORDS = {
    BlockKind.OPEN: "chưa có số liệu",
    BlockKind.MISSING: "thiếu số liệu",
    BlockKind.UNAVAILABLE: "không đọc được nguồn",
    BlockKind.NOT_APPLICABLE: "không áp dụng",
}
_BLOCK_OF_STATE = {
    InputState.MISSING: BlockKind.MISSING,
    InputState.NOT_APPLICABLE: BlockKind.NOT_APPLICABLE,
    InputState.UNAVAILABLE: BlockKind.UNAVAILABLE,
}


def vi_number(value: Fraction | Decimal | int, decimals: int | None = None) -> str:
    """`1234.5` as `1.234,5`: rounded half up to `decimals`; without them in full, or as `1/3` where no decimal is."""
    number = Fraction(value)
    if decimals is None:
        digits = _terminating_digits(number.denominator)
        if digits is None:
            return f"{_whole(number.numerator)}/{_whole(number.denominator)}"
        decimals = digits
    scaled = int(exact.round_half_up(abs(number), decimals) * 10**decimals)
    whole, part = divmod(scaled, 10**decimals)
    sign = "-" if number < 0 and scaled else ""
    return sign + _whole(whole) + (f",{part:0{decimals}d}" if decimals else "")


def symbols(criterion: Criterion) -> str:
    """The criterion's formula as a person writes it: «(b/a) × 2 × 1/2 + (c/a) × 2»; named terms are given after it."""
    writer = _Writer(criterion, None)
    text = writer.top(criterion.expression)
    terms = {node.name: node.body for node in f.walk(criterion.expression) if isinstance(node, f.Term)}
    if terms:
        # In the criterion's own order, in which a term comes after those it is made of.
        named = (f"{name} = {writer.top(terms[name])}" for name in criterion.terms if name in terms)
        text = f"{text}, với {', '.join(named)}"
    return text


def substituted(criterion: Criterion, inputs: Given) -> str:
    """The arithmetic with the numbers in: «(120/400) × 2 × 1/2 + (280/400) × 2».

    Options, tiers, thresholds and branches show what was taken of them; an input without a value keeps its letter.
    Where the formula has a worth, `to_formula` of this text is worth the same.
    """
    return _Writer(criterion, _values(criterion, inputs)).top(criterion.expression)


def to_formula(text: str) -> str:
    """The text of `substituted` in the formula language again."""
    text = re.sub(r"\d{1,3}(?:\.\d{3})+", lambda match: match.group().replace(".", ""), text)
    text = text.replace("max(", "largest(").replace("làm tròn(", "round(").replace("(-", "(0 - ").replace("−", "-")
    return text.translate(str.maketrans("×÷,;", "*/.,"))


def sentence(criterion: Criterion, inputs: Given, outcome: Fraction | Block | None = None, decimals: int = 2) -> str:
    """How the points came about: «(b/a) × 2 = (120/400) × 2 = 0,60», or why there are none.

    `outcome`: the cell's points; None or a Block where it has none. Points that the formula does not give (a zero
    for missing evidence, the platform's own score) are named after what it does give. ≈ marks a rounded figure.
    """
    values = _values(criterion, inputs)
    writer = _Writer(criterion, values)
    worth = exact.evaluate(criterion.expression, values, criterion.max_fraction)
    if isinstance(worth, Block):
        text = f"{symbols(criterion)}: {_reason(criterion, worth)}"
        return text if not isinstance(outcome, Fraction) else f"{text}; điểm ghi nhận {_points(outcome, decimals)[1]}"
    numbers = writer.top(criterion.expression)
    sign, points = _points(worth, decimals)
    head = "; ".join(writer.notes) if writer.notes else symbols(criterion)
    if numbers == head or numbers in (vi_number(worth), points):
        text = f"{head} {'→' if writer.notes else sign} {points}"
    else:
        text = f"{head} {'→' if writer.notes else '='} {numbers} {sign} {points}"
    if isinstance(outcome, Fraction):
        return text if outcome == worth else f"{text}; điểm ghi nhận {_points(outcome, decimals)[1]}"
    return f"{text}{_refused(criterion, values, worth)}"


def _points(value: Fraction, decimals: int) -> tuple[str, str]:
    rounded = exact.round_half_up(value, decimals)
    return "=" if rounded == value else "≈", vi_number(rounded, decimals)


def _reason(criterion: Criterion, block: Block) -> str:
    if block.kind is BlockKind.ZERO_DENOMINATOR:
        return f"mẫu số {', '.join(block.about)} bằng 0"
    labels = {spec.name: spec.label for spec in criterion.inputs}
    about = ", ".join(f"{name} ({labels[name]})" if name in labels else name for name in block.about)
    return f"{_BLOCK_WORDS[block.kind]}: {about}"


def _refused(criterion: Criterion, values: Mapping[str, exact.Value], worth: Fraction) -> str:
    """Why the worth of the formula is not the points of the cell, if the numbers say so."""
    broken = [test for test in criterion.requirements if exact.holds(test, values) is False]
    if broken:
        writer = _Writer(criterion, None)
        return f"; số liệu không hợp lý: phải có {', '.join(writer.comparison(test) for test in broken)}"
    if not 0 <= worth <= criterion.max_fraction:
        return f"; số liệu không hợp lý: điểm phải từ 0 đến {vi_number(criterion.max_fraction)}"
    return ""


def _values(criterion: Criterion, inputs: Given) -> dict[str, exact.Value]:
    return {spec.name: _value(spec, inputs.get(spec.name)) for spec in criterion.inputs}


def _value(spec: InputSpec, given: exact.Value | InputValue | None) -> exact.Value:
    """What a formula may read of an input; anything that does not fit its kind is an input without a value."""
    if given is None and spec.default is not None:
        return Fraction(spec.default)
    if isinstance(given, InputValue):
        kind = _BLOCK_OF_STATE.get(given.state, BlockKind.OPEN)
        given = given.value if given.state.has_value and given.value is not None else Block(kind, (spec.name,))
    if isinstance(given, Block):
        return given
    if spec.kind == "option":
        return given if given in spec.option_values else Block(BlockKind.OPEN, (spec.name,))
    return given if isinstance(given, Fraction) else Block(BlockKind.OPEN, (spec.name,))


def _terminating_digits(denominator: int) -> int | None:
    digits = 0
    while denominator > 1:
        if denominator % 10 == 0:
            denominator //= 10
        elif denominator % 2 == 0:
            denominator //= 2
        elif denominator % 5 == 0:
            denominator //= 5
        else:
            return None
        digits += 1
    return digits


def _whole(value: int) -> str:
    return f"{value:,}".replace(",", ".")


class _Writer:
    """Writes one criterion's formula, with letters (`values` None) or with the numbers of one unit.

    `notes` collects what was chosen on the way. Every text comes with how tightly it binds.
    """

    def __init__(self, criterion: Criterion, values: Mapping[str, exact.Value] | None) -> None:
        self.criterion = criterion
        self.values = values
        self.notes: list[str] = []

    def top(self, expr: f.Expr) -> str:
        return self.write(expr)[0]

    def worth(self, expr: f.Expr) -> Fraction | Block:
        """What a part is worth, if numbers are known at all."""
        if self.values is None:
            return Block(BlockKind.OPEN, ())
        return exact.evaluate(expr, self.values, self.criterion.max_fraction)

    def write(self, expr: f.Expr) -> tuple[str, int]:
        match expr:
            case f.Num(value=number):
                return _number(number)
            case f.MaxPoints():
                return _number(self.criterion.max_fraction)
            case f.Var(name=name):
                given = (self.values or {}).get(name)
                return _number(given) if isinstance(given, Fraction) else (name, _ATOM)
            case f.Term(name=name, body=body):
                return (name, _ATOM) if self.values is None else self.write(body)
            case f.Arith(op="/", left=left, right=right):
                return self._quotient(left, right)
            case f.Arith(op=op, left=left, right=right):
                return self._arith(op, left, right)
            case f.Choice(test=test, then=then, otherwise=otherwise):
                return self._choice(test, then, otherwise)
            case f.Extreme(kind=kind, items=items):
                parts = "; ".join(self.top(item) for item in items)
                return f"{'min' if kind == 'min' else 'max'}({parts})", _ATOM
            case f.Ratio(numerator=top, denominator=bottom, empty=empty):
                if self.worth(top) == 0 and self.worth(bottom) == 0 and empty is not None:
                    self.notes.append(f"{self.top(top)}/{self.top(bottom)} (không phát sinh): tính {vi_number(empty)}")
                    return _number(empty)
                return self._quotient(top, bottom)
            case f.Linear(ratio=ratio, to=to):
                share = self.write(ratio)[0] if to == 1 else self._quotient(ratio, f.Num(to))[0]
                return f"min(1; {share})", _ATOM
            case f.Step(ratio=ratio, at=at):
                return self._step(f.Compare(">=", ratio, f.Num(at)))
            case f.Tier(value=subject, arms=arms):
                return self._tier(subject, arms)
            case f.Option(name=name, values=options):
                return self._option(name, options)
            case f.Round(body=body, decimals=decimals):
                return f"làm tròn({self.top(body)}; {decimals})", _ATOM

    def comparison(self, test: f.Compare) -> str:
        as_percent = _is_share(test.left) or _is_share(test.right)
        sides = []
        for side in (test.left, test.right):
            if as_percent and isinstance(side, f.Num) and 0 < side.value <= 1:
                sides.append(f"{vi_number(side.value * 100)} %")
            else:
                sides.append(self.top(side))
        return f"{sides[0]} {_SIGNS[test.op]} {sides[1]}"

    def _outcome(self, test: f.Compare) -> bool | None:
        if self.values is None:
            return None
        left, right = self.worth(test.left), self.worth(test.right)
        if isinstance(left, Block) or isinstance(right, Block):
            return None
        return exact.compare(test.op, left, right)

    def _operand(self, expr: f.Expr, least: int) -> str:
        """A part of a product or quotient. A plain quotient such as b/a is set in brackets for the eye."""
        text, binding = self.write(expr)
        return f"({text})" if binding < least or _is_plain_quotient(text) else text

    def _arith(self, op: str, left: f.Expr, right: f.Expr) -> tuple[str, int]:
        if op == "*":
            return f"{self._operand(left, _PRODUCT)} × {self._operand(right, _ATOM)}", _PRODUCT
        first, _ = self.write(left)
        second, binding = self.write(right)
        if op == "-":
            return f"{first} − {f'({second})' if binding == _SUM else second}", _SUM
        return f"{first} + {second}", _SUM

    def _quotient(self, left: f.Expr, right: f.Expr) -> tuple[str, int]:
        top, bottom = self.write(left), self.write(right)
        if top[1] == _ATOM and bottom[1] == _ATOM:
            return f"{top[0]}/{bottom[0]}", _PRODUCT
        if isinstance(left, f.Arith) and left.op == "*" and isinstance(left.right, f.Num) and bottom[1] == _ATOM:
            return f"{top[0]}/{bottom[0]}", _PRODUCT  # … × 1/2
        first = f"({top[0]})" if top[1] < _PRODUCT or _is_plain_quotient(top[0]) else top[0]
        second = bottom[0] if bottom[1] == _ATOM else f"({bottom[0]})"
        return f"{first} ÷ {second}", _PRODUCT

    def _choice(self, test: f.Compare, then: f.Expr, otherwise: f.Expr) -> tuple[str, int]:
        outcome = self._outcome(test)
        condition = self.comparison(test)
        if outcome is None:
            return f"(nếu {condition} thì {self.top(then)}, nếu không thì {self.top(otherwise)})", _ATOM
        self.notes.append(f"{condition}: {'có' if outcome else 'không'}")
        return self.write(then if outcome else otherwise)

    def _step(self, test: f.Compare) -> tuple[str, int]:
        outcome = self._outcome(test)
        condition = self.comparison(test)
        if outcome is None:
            return f"(1 nếu {condition}, nếu không thì 0)", _ATOM
        self.notes.append(f"{condition}: {'đạt' if outcome else 'không đạt'}")
        return ("1" if outcome else "0"), _ATOM

    def _tier(self, subject: f.Expr, arms: tuple[f.Arm, ...]) -> tuple[str, int]:
        text = self.top(subject)
        value = self.worth(subject)
        if isinstance(value, Block):
            listed = "; ".join(f"{_bounds(arm)} → {self.top(arm.points)}" for arm in arms)
            return f"(theo {text}: {listed})", _ATOM
        held = [
            (arm, points)
            for arm in arms
            if (arm.low is None or value >= arm.low) and (arm.high is None or value < arm.high)
            and isinstance(points := self.worth(arm.points), Fraction)
        ]  # fmt: skip
        best = max(held, key=lambda item: item[1], default=None)
        if best is None or best[1] < 0:
            self.notes.append(f"{text} không thuộc bậc nào")
            return "0", _ATOM
        self.notes.append(f"{text} {_bounds(best[0], 'nhỏ hơn')}")
        return self.write(best[0].points)

    def _option(self, name: str, options: tuple[tuple[str, f.Expr], ...]) -> tuple[str, int]:
        labels = {option.value: option.label for option in self.criterion.input(name).options}
        chosen = (self.values or {}).get(name)
        if isinstance(chosen, str):
            self.notes.append(f"chọn “{chosen}” ({labels[chosen]})")
            return self.write(dict(options)[chosen])
        listed = "; ".join(f"“{value}” ({labels[value]}) → {self.top(body)}" for value, body in options)
        return f"(theo {name}: {listed})", _ATOM


def _number(value: Fraction) -> tuple[str, int]:
    text = vi_number(value)
    if value < 0:
        return f"({text})", _ATOM
    return text, _PRODUCT if "/" in text else _ATOM


def _bounds(arm: f.Arm, below: str = "dưới") -> str:
    if arm.low is None:
        return f"{below} {vi_number(arm.high)}" if arm.high is not None else "mọi giá trị"
    if arm.high is None:
        return f"từ {vi_number(arm.low)} trở lên"
    return f"từ {vi_number(arm.low)} đến dưới {vi_number(arm.high)}"


def _is_plain_quotient(text: str) -> bool:
    return re.fullmatch(r"[\w.,]+/[\w.,]+", text) is not None


def _is_share(expr: f.Expr) -> bool:
    """Whether a part is a quotient, whose thresholds people read in percent."""
    match expr:
        case f.Term(body=body):
            return _is_share(body)
        case f.Ratio() | f.Arith(op="/"):
            return True
    return False
