"""The formula language: text of a decision's rule -> a checked expression tree.

Here: the grammar, the parser and the tree. Not here: what a formula is worth. `exact.py` computes it with
fractions, `vector.py` with Polars over many units at once, `words.py` says it in Vietnamese with the numbers in.

The language is a small whitelist over Python's expression syntax, so an editor already knows it:

    numbers        3   0.2                 read from the text, so 0.2 is exactly 1/5
    names          a   Y   max             an input's letter, a named term, the criterion's maximum points
    arithmetic     + - * /                 division by zero makes the cell undefined, never 0
    choice         X if c / a >= 0.8 else Y
    min(x, y, …)   largest(x, y, …)
    ratio(n, d, empty=0)                   n/d; 0/0 is worth what `empty` says (a number or not_applicable)
    linear(r, to=0.6)                      min(1, r / 0.6)
    step(r, at=0.2)                        1 from the threshold on, else 0
    tier(x, below(7, 2), between(7, 30, 1), atleast(30, 0))   the best tier that holds wins
    option(o, yes=max, no=0)               what was chosen, by name
    round(x, 2)                            half up, to that many decimals

Anything else is refused when the framework is loaded, with its position in the text.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal, cast

MAX_LENGTH = 500
NOT_APPLICABLE = "not_applicable"

Comparator = Literal["<", "<=", ">", ">=", "=="]

OPERATORS: Mapping[Comparator, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
"""What a comparison does, on fractions and on Polars expressions alike."""


class FormulaError(ValueError):
    """A text that is not a formula of this language; says what is wrong and where (column from 1)."""

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(f"{message} (column {column} of «{text}»)")
        self.message = message
        self.text = text
        self.column = column


@dataclass(frozen=True, slots=True)
class Num:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Var:
    """An input of the criterion, by the decision's letter."""

    name: str


@dataclass(frozen=True, slots=True)
class MaxPoints:
    """The criterion's maximum points, written `max`."""


@dataclass(frozen=True, slots=True)
class Term:
    """A quantity that the decision names by the way, such as `Y = a / b`."""

    name: str
    body: Expr


@dataclass(frozen=True, slots=True)
class Arith:
    op: Literal["+", "-", "*", "/"]
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Compare:
    op: Comparator
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Choice:
    test: Compare
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Extreme:
    """The smallest (`min`) or largest (`largest`) of two or more."""

    kind: Literal["min", "largest"]
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """n/d where 0/0 has a worth of its own; `empty=None` stands for not applicable."""

    numerator: Expr
    denominator: Expr
    empty: Fraction | None


@dataclass(frozen=True, slots=True)
class Linear:
    ratio: Expr
    to: Fraction


@dataclass(frozen=True, slots=True)
class Step:
    ratio: Expr
    at: Fraction


@dataclass(frozen=True, slots=True)
class Arm:
    """One tier: holds for `low <= x < high` (None: no bound on that side)."""

    low: Fraction | None
    high: Fraction | None
    points: Expr


@dataclass(frozen=True, slots=True)
class Tier:
    value: Expr
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    values: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Round:
    body: Expr
    decimals: int


Expr = Num | Var | MaxPoints | Term | Arith | Choice | Extreme | Ratio | Linear | Step | Tier | Option | Round

_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")

_ARITH: dict[type[ast.operator], Literal["+", "-", "*", "/"]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
_COMPARE: dict[type[ast.cmpop], Comparator] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
}


def parse(
    text: str, names: frozenset[str] | set[str], terms: Mapping[str, str] | None = None, *, allow_max: bool = True
) -> Expr:
    """Parse a formula over the inputs `names` and the named `terms` (each a formula over inputs and earlier terms).

    Raises FormulaError for anything outside the whitelist, an unknown name or an unused arity.
    """
    known: dict[str, Expr] = {}
    for term, body in (terms or {}).items():
        known[term] = Term(term, _Parser(body, names, known, allow_max=allow_max).expression())
    return _Parser(text, names, known, allow_max=allow_max).expression()


def parse_requirement(text: str, names: frozenset[str] | set[str], terms: Mapping[str, str] | None = None) -> Compare:
    """Parse a condition that inputs must meet, such as `b + c <= a`. Raises FormulaError."""
    known: dict[str, Expr] = {}
    for term, body in (terms or {}).items():
        known[term] = Term(term, _Parser(body, names, known, allow_max=False).expression())
    return _Parser(text, names, known, allow_max=False).requirement()


def children(expr: Expr | Compare | Arm) -> Iterator[Expr | Compare | Arm]:
    """The direct parts of a node, in printed order."""
    match expr:
        case Option(values=values):
            yield from (body for _, body in values)
        case Extreme(items=items):
            yield from items
        case Tier(value=value, arms=arms):
            yield value
            yield from arms
        case _:
            for field in fields(expr):
                part = getattr(expr, field.name)
                if hasattr(part, "__dataclass_fields__"):
                    yield part


def walk(expr: Expr | Compare | Arm) -> Iterator[Expr | Compare | Arm]:
    """The node and everything under it."""
    yield expr
    for part in children(expr):
        yield from walk(part)


def input_names(expr: Expr | Compare) -> tuple[str, ...]:
    """Names of the inputs a formula reads, in order of first appearance."""
    seen: dict[str, None] = {}
    for node in walk(expr):
        if isinstance(node, Var | Option):
            seen[node.name] = None
    return tuple(seen)


class _Parser:
    def __init__(
        self, text: str, names: frozenset[str] | set[str], terms: Mapping[str, Expr], *, allow_max: bool
    ) -> None:
        self.text = text
        self.names = names
        self.terms = terms
        self.allow_max = allow_max
        if len(text) > MAX_LENGTH:
            raise FormulaError(f"a formula is at most {MAX_LENGTH} characters", text[:40] + "…", MAX_LENGTH)
        try:
            self.root = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError) as error:
            column = getattr(error, "offset", None) or 1
            raise FormulaError("not an expression", text, column) from None

    def expression(self) -> Expr:
        return self._expr(self.root)

    def requirement(self) -> Compare:
        return self._compare(self.root)

    def _fail(self, node: ast.AST, message: str) -> FormulaError:
        # `ast` counts lines, and bytes within them; a person counts characters of the text.
        lines = re.split(r"\r\n|\r|\n", self.text)
        number, offset = getattr(node, "lineno", 1) - 1, getattr(node, "col_offset", 0)
        before = sum(len(line) + 1 for line in lines[:number])
        return FormulaError(message, self.text, before + len(lines[number].encode()[:offset].decode()) + 1)

    def _number(self, node: ast.expr) -> Fraction:
        """A plain number, or a quotient of two such as 1/3; read from the text so that no binary float intervenes."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            bottom = self._number(node.right)
            if bottom == 0:
                raise self._fail(node, "division by zero")
            return self._number(node.left) / bottom
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            source = ast.get_source_segment(self.text, node) or ""
            # No exponents: 1e999999999 would take all memory as a Fraction.
            if not _DECIMAL.fullmatch(source):
                raise self._fail(node, f"«{source}» is not a decimal number")
            return Fraction(source)
        raise self._fail(node, "expected a number")

    def _expr(self, node: ast.expr) -> Expr:
        match node:
            case ast.Constant():
                return Num(self._number(node))
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.BinOp(left=left, op=op, right=right):
                sign = _ARITH.get(type(op))
                if sign is None:
                    raise self._fail(node, f"operator {type(op).__name__} is not allowed; use + - * /")
                return self._arith(node, sign, self._expr(left), self._expr(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return Choice(self._compare(test), self._expr(body), self._expr(orelse))
            case ast.Call():
                return self._call(node)
        raise self._fail(node, f"{type(node).__name__} is not allowed in a formula")

    def _arith(self, node: ast.AST, sign: Literal["+", "-", "*", "/"], left: Expr, right: Expr) -> Expr:
        # Quotients of plain numbers are folded so that 1/2 is a number to every interpreter.
        if isinstance(left, Num) and isinstance(right, Num) and sign == "/":
            if right.value == 0:
                raise self._fail(node, "division by zero")
            return Num(left.value / right.value)
        return Arith(sign, left, right)

    def _name(self, node: ast.AST, name: str) -> Expr:
        if name == "max" and self.allow_max:
            return MaxPoints()
        if name in self.terms:
            return self.terms[name]
        if name in self.names:
            return Var(name)
        known = ", ".join([*sorted(self.names), *self.terms]) or "none"
        raise self._fail(node, f"unknown name «{name}»; this criterion has: {known}")

    def _compare(self, node: ast.expr) -> Compare:
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            raise self._fail(node, "expected one comparison such as c / a >= 0.8")
        op = _COMPARE.get(type(node.ops[0]))
        if op is None:
            raise self._fail(node, f"comparison {type(node.ops[0]).__name__} is not allowed; use < <= > >= ==")
        return Compare(op, self._expr(node.left), self._expr(node.comparators[0]))

    def _call(self, node: ast.Call) -> Expr:
        if not isinstance(node.func, ast.Name):
            raise self._fail(node, "only the functions of the formula language can be called")
        handlers = {
            "min": self._extreme,
            "largest": self._extreme,
            "ratio": self._ratio,
            "linear": self._linear,
            "step": self._step,
            "tier": self._tier,
            "option": self._option,
            "round": self._round,
        }
        handler = handlers.get(node.func.id)
        if handler is None:
            raise self._fail(node, f"unknown function «{node.func.id}»; known: {', '.join(handlers)}")
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                raise self._fail(argument, "a starred argument is not allowed")
        if any(keyword.arg is None for keyword in node.keywords):
            raise self._fail(node, "a double-starred argument is not allowed")
        return handler(node)

    def _arguments(self, node: ast.Call, count: int, *keywords: str) -> tuple[list[ast.expr], dict[str, ast.expr]]:
        name = cast(ast.Name, node.func).id
        given = {cast(str, keyword.arg): keyword.value for keyword in node.keywords}
        if len(node.args) != count or set(given) != set(keywords):
            wanted = ", ".join([*(["…"] * count), *(f"{keyword}=…" for keyword in keywords)])
            raise self._fail(node, f"{name} takes {name}({wanted})")
        return node.args, given

    def _extreme(self, node: ast.Call) -> Expr:
        if len(node.args) < 2 or node.keywords:
            raise self._fail(node, "min and largest take two or more values")
        kind = cast(Literal["min", "largest"], cast(ast.Name, node.func).id)
        return Extreme(kind, tuple(self._expr(argument) for argument in node.args))

    def _ratio(self, node: ast.Call) -> Expr:
        (top, bottom), given = self._arguments(node, 2, "empty")
        empty = given["empty"]
        worth = None if isinstance(empty, ast.Name) and empty.id == NOT_APPLICABLE else self._number(empty)
        return Ratio(self._expr(top), self._expr(bottom), worth)

    def _positive(self, node: ast.expr) -> Fraction:
        value = self._number(node)
        if value <= 0:
            raise self._fail(node, "a threshold is above 0")
        return value

    def _linear(self, node: ast.Call) -> Expr:
        (ratio,), given = self._arguments(node, 1, "to")
        return Linear(self._expr(ratio), self._positive(given["to"]))

    def _step(self, node: ast.Call) -> Expr:
        (ratio,), given = self._arguments(node, 1, "at")
        return Step(self._expr(ratio), self._positive(given["at"]))

    def _tier(self, node: ast.Call) -> Expr:
        if len(node.args) < 2 or node.keywords:
            raise self._fail(node, "tier takes a value and at least one of below, between, atleast")
        return Tier(self._expr(node.args[0]), tuple(self._arm(argument) for argument in node.args[1:]))

    def _arm(self, node: ast.expr) -> Arm:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords):
            raise self._fail(node, "a tier is below(t, points), between(t, t, points) or atleast(t, points)")
        match node.func.id, node.args:
            case "below", [high, points]:
                return Arm(None, self._number(high), self._expr(points))
            case "atleast", [low, points]:
                return Arm(self._number(low), None, self._expr(points))
            case "between", [low, high, points]:
                arm = Arm(self._number(low), self._number(high), self._expr(points))
                if cast(Fraction, arm.low) >= cast(Fraction, arm.high):
                    raise self._fail(node, "between(low, high, points) needs low below high")
                return arm
        raise self._fail(node, "a tier is below(t, points), between(t, t, points) or atleast(t, points)")

    def _option(self, node: ast.Call) -> Expr:
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Name) or not node.keywords:
            raise self._fail(node, "option takes an input and what each of its options is worth")
        name = node.args[0].id
        if name not in self.names:
            raise self._fail(node.args[0], f"unknown name «{name}»")
        labels = [cast(str, keyword.arg) for keyword in node.keywords]
        if len(set(labels)) != len(labels):
            raise self._fail(node, "an option stands twice")
        return Option(name, tuple((cast(str, keyword.arg), self._expr(keyword.value)) for keyword in node.keywords))

    def _round(self, node: ast.Call) -> Expr:
        if len(node.args) != 2 or node.keywords:
            raise self._fail(node, "round takes round(x, decimals)")
        decimals = self._number(node.args[1])
        if decimals.denominator != 1 or not 0 <= decimals <= 6:
            raise self._fail(node.args[1], "decimals is a whole number from 0 to 6")
        return Round(self._expr(node.args[0]), int(decimals))
