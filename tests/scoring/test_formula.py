"""The formula language: what it takes, what it refuses and where, and what formulas are worth, by hand."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.exact import Block, BlockKind, Value, evaluate, holds, round_half_up

NAMES = frozenset("abcdeo")
HALF = Fraction(1, 2)


def worth(text: str, terms: dict[str, str] | None = None, **inputs: Value | int | str) -> Fraction | Block:
    """What a formula of a criterion of 2 points is worth."""
    values = {name: Fraction(value) if isinstance(value, int) else value for name, value in inputs.items()}
    return evaluate(f.parse(text, NAMES, terms), values, Fraction(2))


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a ** 2", 1, "operator Pow"),
        ("a // b", 1, "operator FloorDiv"),
        ("a % b", 1, "operator Mod"),
        ("1 + (a @ b)", 6, "operator MatMult"),
        ("-a", 1, "UnaryOp"),
        ("a + -1", 5, "UnaryOp"),
        ("a and b", 1, "BoolOp"),
        ("not a", 1, "UnaryOp"),
        ("a < b", 1, "Compare"),
        ("1 if a else 2", 6, "expected one comparison"),
        ("1 if 0 < a < 2 else 2", 6, "expected one comparison"),
        ("1 if a != b else 2", 6, "comparison NotEq"),
        ("1 if a in b else 2", 6, "comparison In"),
        ("a.real", 1, "Attribute"),
        ("a[0]", 1, "Subscript"),
        ("[a]", 1, "List"),
        ("(a, b)", 1, "Tuple"),
        ("{a}", 1, "Set"),
        ("lambda: a", 1, "Lambda"),
        ("(a := 1)", 2, "NamedExpr"),
        ("[x for x in a]", 1, "ListComp"),
        ("f'{a}'", 1, "JoinedStr"),
        ("'a'", 1, "expected a number"),
        ("True", 1, "expected a number"),
        ("None", 1, "expected a number"),
        ("...", 1, "expected a number"),
        ("a + 1j", 5, "expected a number"),
        ("a * 0x10", 5, "not a decimal number"),
        ("a * 1e3", 5, "not a decimal number"),
        ("1e999999999", 1, "not a decimal number"),
        ("a * 1_000", 5, "not a decimal number"),
        ("a + x", 5, "unknown name «x»"),
        ("ô + Ă", 1, "unknown name"),
        ("a + ratio(ô, b, empty=0)", 11, "unknown name"),
        ("min(a, b) + min(a, Đ) + ư", 20, "unknown name"),
        ("ơ * 0 if a < 1 else a ** 2", 1, "unknown name"),
        ("max(a, b)", 1, "unknown function «max»"),
        ("__import__('os')", 1, "unknown function"),
        ("a.bit_length()", 1, "only the functions"),
        ("min(*a)", 5, "starred"),
        ("ratio(a, b, **c)", 1, "double-starred"),
        ("min(a)", 1, "two or more"),
        ("min(a, b, key=c)", 1, "two or more"),
        ("ratio(a, b)", 1, "ratio takes"),
        ("ratio(a, b, full=1)", 1, "ratio takes"),
        ("ratio(a, b, empty=a)", 19, "expected a number"),
        ("linear(a)", 1, "linear takes"),
        ("linear(a, to=0)", 14, "above 0"),
        ("linear(a, to=b)", 14, "expected a number"),
        ("step(a, at=0)", 12, "above 0"),
        ("step(a, 0.2)", 1, "step takes"),
        ("tier(a)", 1, "tier takes"),
        ("tier(a, 3)", 9, "a tier is"),
        ("tier(a, below(7))", 9, "a tier is"),
        ("tier(a, min(7, 2))", 9, "a tier is"),
        ("tier(a, between(7, 7, 1))", 9, "low below high"),
        ("option(o)", 1, "option takes"),
        ("option(3, yes=1)", 1, "option takes"),
        ("option(x, yes=1)", 8, "unknown name"),
        ("round(a)", 1, "round takes"),
        ("round(a, 7)", 10, "whole number from 0 to 6"),
        ("round(a, 0.5)", 10, "whole number from 0 to 6"),
        ("1 / 0", 1, "division by zero"),
        ("ratio(a, b, empty=1 / 0)", 19, "division by zero"),
        ("a +", 1, "not an expression"),
        ("a = 1", 3, "not an expression"),
        ("", 1, "not an expression"),
    ],
)
def test_anything_outside_the_whitelist_is_refused_at_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(f.FormulaError, match=message) as caught:
        f.parse(text, NAMES)
    assert (caught.value.column, caught.value.text) == (column, text)
    assert f"column {column}" in str(caught.value)


def test_columns_count_characters_of_the_whole_text() -> None:
    # «Đ» has two bytes, and the second line starts anew for Python.
    for text, column in (("min(Đ, a ** 2)", 5), ("min(a,\n    b ** 2)", 12), ("min(a,\r    b ** 2)", 12)):
        with pytest.raises(f.FormulaError) as caught:
            f.parse(text, NAMES)
        assert caught.value.column == column
    with pytest.raises(f.FormulaError) as caught:
        f.parse("min(Đ, a ** 2)", NAMES | {"Đ"})
    assert caught.value.column == 8


def test_an_option_named_twice_and_a_text_too_long_are_refused() -> None:
    with pytest.raises(f.FormulaError, match=r"not an expression|stands twice"):
        f.parse("option(o, yes=1, yes=2)", NAMES)
    f.parse("a" + " " * 499, NAMES)
    with pytest.raises(f.FormulaError, match="at most 500 characters"):
        f.parse("a" + " " * 500, NAMES)


def test_max_and_terms_only_where_they_are_known() -> None:
    with pytest.raises(f.FormulaError, match="unknown name «max»"):
        f.parse_requirement("a <= max", NAMES)
    with pytest.raises(f.FormulaError, match="unknown name «Z»; this criterion has: a, Y"):
        f.parse("Y + Z", {"a"}, {"Y": "a"})
    with pytest.raises(f.FormulaError, match="unknown name «Z»"):
        f.parse("Y", {"a"}, {"Y": "Z", "Z": "a"})
    with pytest.raises(f.FormulaError, match="expected one comparison"):
        f.parse_requirement("a + b", NAMES)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.1", Fraction(1, 10)), ("0.2", Fraction(1, 5)), ("1/3", Fraction(1, 3)), ("3", Fraction(3)),
     ("0.30000000000000001", Fraction(30000000000000001, 10**17)),
     ("12345678901234567890", Fraction(12345678901234567890))],
)  # fmt: skip
def test_decimals_are_read_exactly(text: str, value: Fraction) -> None:
    assert f.parse(text, NAMES) == f.Num(value)


def test_inputs_are_named_in_order_of_appearance_also_within_options_and_tiers() -> None:
    expr = f.parse("option(o, yes=tier(c, below(2, a)), no=Y)", NAMES, {"Y": "e / a"})
    assert f.input_names(expr) == ("o", "c", "a", "e")
    assert f.input_names(f.parse_requirement("b + c <= a", NAMES)) == ("b", "c", "a")


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("b / a * max", {"a": 3, "b": 1}, Fraction(2, 3)),
        ("1 + 2 * 3 - 4 / 8", {}, Fraction(13, 2)),
        ("(b / a) * max * 1 / 2 + (c / a) * max", {"a": 400, "b": 120, "c": 280}, Fraction(17, 10)),
        ("min(a, b, 7)", {"a": 9, "b": 8}, Fraction(7)),
        ("largest(a, b, 7)", {"a": 9, "b": 8}, Fraction(9)),
        ("linear(b / a, to=0.6) * max", {"a": 10, "b": 3}, Fraction(1)),
        ("linear(b / a, to=0.6) * max", {"a": 10, "b": 6}, Fraction(2)),
        ("linear(b / a, to=0.6) * max", {"a": 10, "b": 60}, Fraction(2)),
        ("step(b / a, at=0.2)", {"a": 5, "b": 1}, Fraction(1)),
        ("step(b / a, at=0.2)", {"a": 10**30, "b": 2 * 10**29 - 1}, Fraction(0)),
        ("max if c / a >= 0.8 else 1", {"a": 5, "c": 4}, Fraction(2)),
        ("max if c / a > 0.8 else 1", {"a": 5, "c": 4}, Fraction(1)),
        ("max if c < a else 1", {"a": 4, "c": 4}, Fraction(1)),
        ("max if c <= a else 1", {"a": 4, "c": 4}, Fraction(2)),
        ("max if c == a else 1", {"a": 4, "c": 4}, Fraction(2)),
        ("tier(a, below(7, 2), between(7, 30, 1), atleast(30, 0.5))", {"a": 6}, Fraction(2)),
        ("tier(a, below(7, 2), between(7, 30, 1), atleast(30, 0.5))", {"a": 7}, Fraction(1)),
        ("tier(a, below(7, 2), between(7, 30, 1), atleast(30, 0.5))", {"a": 30}, HALF),
        ("tier(a, below(7, 1), below(30, 2))", {"a": 3}, Fraction(2)),
        ("tier(a, below(7, 1))", {"a": 7}, Fraction(0)),
        ("option(o, yes=max, half=max / 2, no=0)", {"o": "half"}, Fraction(1)),
        ("ratio(a, b, empty=1)", {"a": 0, "b": 0}, Fraction(1)),
        ("ratio(a, b, empty=1)", {"a": 1, "b": 4}, Fraction(1, 4)),
        ("round(2 / 3 * a, 2)", {"a": 1}, Fraction(67, 100)),
        ("round(a / 200, 2)", {"a": 1}, Fraction(1, 100)),
        ("min(e, 3) + (Y + Z) / 2 * 3", {"a": 4, "b": 1, "c": 4, "d": 2, "e": 5}, Fraction(33, 8)),
    ],
)
def test_worth_by_hand(text: str, inputs: dict[str, int | str], expected: Fraction) -> None:
    assert worth(text, terms={"Y": "b / a", "Z": "d / c"}, **inputs) == expected


@pytest.mark.parametrize(
    ("text", "inputs", "kind", "about"),
    [
        ("b / a", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("b / a", {"a": 0, "b": 0}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("ratio(b, a, empty=0)", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("ratio(b, a + c, empty=not_applicable)", {"a": 0, "b": 0, "c": 0}, BlockKind.NOT_APPLICABLE, ("a", "c")),
        ("min(1, b / a)", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("linear(b / a, to=1)", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("step(b / a, at=1)", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("tier(b / a, atleast(0, 1))", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("round(b / a, 2)", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
        ("1 if b / a > 0 else 2", {"a": 0, "b": 1}, BlockKind.ZERO_DENOMINATOR, ("a",)),
    ],
)
def test_a_zero_denominator_is_never_a_number(
    text: str, inputs: dict[str, int], kind: BlockKind, about: tuple[str, ...]
) -> None:
    assert worth(text, **inputs) == Block(kind, about)


def test_only_the_branch_that_is_taken_is_asked() -> None:
    missing = Block(BlockKind.OPEN, ("a",))
    assert worth("option(o, yes=max, no=a)", o="yes", a=missing) == 2
    assert worth("option(o, yes=max, no=a)", o="no", a=missing) == missing
    assert worth("max if b > 1 else a", b=2, a=missing) == 2
    assert worth("max if b > 1 else a", b=1, a=missing) == missing
    assert worth("max if a > 1 else b", b=1, a=missing) == missing
    assert worth("min(0, a) + b", b=1, a=missing) == missing


def test_the_gravest_reason_names_the_cell_and_equal_ones_join() -> None:
    def block(kind: BlockKind, name: str) -> Block:
        return Block(kind, (name,))

    assert worth("a + b", a=block(BlockKind.OPEN, "a"), b=block(BlockKind.OPEN, "b")) == Block(
        BlockKind.OPEN, ("a", "b")
    )
    for first, second in pairwise(BlockKind):
        assert worth("a + b", a=block(second, "a"), b=block(first, "b")) == block(first, "b")


def test_requirements_hold_fail_or_stay_open() -> None:
    requirement = f.parse_requirement("b + c <= a", NAMES)
    assert holds(requirement, {"a": Fraction(3), "b": Fraction(1), "c": Fraction(2)}) is True
    assert holds(requirement, {"a": Fraction(3), "b": Fraction(2), "c": Fraction(2)}) is False
    assert holds(requirement, {"a": Block(BlockKind.OPEN, ("a",)), "b": Fraction(2), "c": Fraction(2)}) == Block(
        BlockKind.OPEN, ("a",)
    )


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [
        (Fraction(125, 1000), 2, Fraction(13, 100)),
        (Fraction(135, 1000), 2, Fraction(14, 100)),
        (Fraction(1005, 1000), 2, Fraction(101, 100)),
        (Fraction(10049999, 10**7), 2, Fraction(1)),
        (Fraction(5, 10**7), 6, Fraction(1, 10**6)),
        (Fraction(5, 2), 0, Fraction(3)),
        (Fraction(-5, 2), 0, Fraction(-3)),
        (Fraction(2, 3), 2, Fraction(67, 100)),
        (Fraction(0), 2, Fraction(0)),
    ],
)
def test_halves_go_up(value: Fraction, decimals: int, rounded: Fraction) -> None:
    assert round_half_up(value, decimals) == rounded


@settings(derandomize=True, deadline=None, max_examples=200)
@given(value=st.fractions(0, 10**9), decimals=st.integers(0, 6))
def test_rounding_is_the_nearest_and_never_below_a_half(value: Fraction, decimals: int) -> None:
    rounded = round_half_up(value, decimals)
    assert (rounded * 10**decimals).denominator == 1
    assert -HALF <= (value - rounded) * 10**decimals < HALF


@pytest.mark.filterwarnings("ignore:invalid decimal literal")  # of Python's own tokenizer, on 1if
@settings(derandomize=True, deadline=None, max_examples=200)
@given(text=st.text(alphabet="abmaxin(),.=<>+-*/ 0123456789e_'\"[]{}:ếĐ\n\r\f\\", max_size=40))
def test_any_text_parses_or_is_refused_as_a_formula_error(text: str) -> None:
    try:
        nodes = list(f.walk(f.parse(text, NAMES)))
    except f.FormulaError as error:
        column, nodes = error.column, []
    else:
        column = 1
    assert nodes or column >= 1
