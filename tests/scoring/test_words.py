"""The words say what exact arithmetic says: golden sentences by hand, and every formula read back."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scoring_cases import LEVELS, SYNTHETIC, criterion, random_inputs

from dti_pipeline.frameworks.model import Criterion
from dti_pipeline.scoring import exact, words
from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.engine import InputValue
from dti_pipeline.scoring.exact import Block, BlockKind, Value
from dti_pipeline.scoring.states import InputState

TWO_TERMS = SYNTHETIC.criterion("two-terms")
BRANCH = SYNTHETIC.criterion("branch")
FORTY = {"a": Fraction(400), "b": Fraction(120), "c": Fraction(280)}


def numbers(**values: int | str) -> dict[str, Value]:
    return {name: value if isinstance(value, str) else Fraction(value) for name, value in values.items()}


def say(item: Criterion, **values: int | str) -> str:
    given = numbers(**values)
    return words.sentence(item, given, exact.evaluate(item.expression, given, item.max_fraction))


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Fraction(123456, 100), None, "1.234,56"),
        (Fraction(1234567), None, "1.234.567"),
        (Fraction(1, 3), None, "1/3"),
        (Fraction(1, 3), 2, "0,33"),
        (Fraction(5, 1000), 2, "0,01"),
        (Fraction(4999, 10**6), 2, "0,00"),
        (Decimal("999.995"), 2, "1.000,00"),
        (Fraction(1, 8), None, "0,125"),
        (Fraction(-5, 2), None, "-2,5"),
        (Fraction(-1, 1000), 2, "0,00"),
        (Fraction(0), None, "0"),
        (Fraction(7), 0, "7"),
    ],
)
def test_numbers_as_vietnamese_print_them(value: Fraction, decimals: int | None, text: str) -> None:
    assert words.vi_number(value, decimals) == text


def test_a_formula_with_letters_and_with_numbers() -> None:
    assert words.symbols(TWO_TERMS) == "(b/a) × 2 × 1/2 + (c/a) × 2"
    assert words.substituted(TWO_TERMS, FORTY) == "(120/400) × 2 × 1/2 + (280/400) × 2"
    assert words.sentence(TWO_TERMS, FORTY, Fraction(17, 10)) == (
        "(b/a) × 2 × 1/2 + (c/a) × 2 = (120/400) × 2 × 1/2 + (280/400) × 2 = 1,70"
    )


def test_a_rounded_figure_is_marked() -> None:
    assert say(criterion("r", "b / a * max"), a=3, b=1) == "(b/a) × 2 = (1/3) × 2 ≈ 0,67"


@pytest.mark.parametrize(
    ("code", "values", "text"),
    [
        ("branch", {"a": 400, "b": 120, "c": 280},
         "280/400 ≥ 80 %: không → (120/400) × (10/2) + (280/400) × 10 = 8,50"),
        ("branch", {"a": 400, "b": 0, "c": 320}, "320/400 ≥ 80 %: có → 10,00"),
        ("tier", {"a": 5}, "5 nhỏ hơn 7 → 2,00"),
        ("tier", {"a": 7}, "7 từ 5 đến dưới 30 → 1,50"),
        ("tier", {"a": 3000}, "3.000 từ 30 trở lên → 1,00"),
        ("step", {"a": 100, "b": 30}, "30/100 ≥ 20 %: đạt → 1 × 2 = 2,00"),
        ("option", {"o": "half"}, "chọn “half” (Chọn half) → 2/2 = 1,00"),
        ("option", {"o": "yes"}, "chọn “yes” (Chọn yes) → 2,00"),
        ("linear", {"a": 400, "b": 120}, "min(1; (b/a) ÷ 0,6) × 2 = min(1; (120/400) ÷ 0,6) × 2 = 1,00"),
        ("share-full", {"a": 0, "b": 0}, "0/0 (không phát sinh): tính 1 → 1 × 2 = 2,00"),
        ("terms", {"a": 4, "b": 1, "c": 4, "d": 2, "e": 5},
         "min(e; 3) + (Y + Z) ÷ 2 × 3, với Y = b/a, Z = d/c = min(5; 3) + (1/4 + 2/4) ÷ 2 × 3 ≈ 4,13"),
        ("round", {"a": 3, "b": 2}, "làm tròn((b/a) × 10; 2) = làm tròn((2/3) × 10; 2) = 6,67"),
    ],
)  # fmt: skip
def test_sentences(code: str, values: dict[str, int | str], text: str) -> None:
    assert say(SYNTHETIC.criterion(code), **values) == text


def test_why_there_are_no_points() -> None:
    ratio = SYNTHETIC.criterion("ratio-limited")
    missing: dict[str, Value] = {"a": Block(BlockKind.OPEN, ("a",)), "b": Fraction(3)}
    assert words.sentence(ratio, missing) == "(b/a) × 2: chưa có số liệu: a (Số liệu a)"
    assert words.substituted(ratio, missing) == "(3/a) × 2"
    assert words.sentence(ratio, {"b": Fraction(3)}) == "(b/a) × 2: chưa có số liệu: a (Số liệu a)"
    unread = {"a": InputValue(InputState.UNAVAILABLE), "b": InputValue(InputState.HARVESTED, Fraction(1))}
    assert words.sentence(ratio, unread) == "(b/a) × 2: không đọc được nguồn: a (Số liệu a)"
    assert say(ratio, a=0, b=0) == "(b/a) × 2: mẫu số a bằng 0"
    assert words.sentence(ratio, numbers(a=4, b=5)) == (
        "(b/a) × 2 = (5/4) × 2 = 2,50; số liệu không hợp lý: phải có b ≤ a"
    )
    assert words.sentence(SYNTHETIC.criterion("ratio"), numbers(a=4, b=5)) == (
        "(b/a) × 2 = (5/4) × 2 = 2,50; số liệu không hợp lý: điểm phải từ 0 đến 2"
    )


def test_points_that_the_formula_does_not_give_are_named() -> None:
    ratio = SYNTHETIC.criterion("ratio")
    assert words.sentence(ratio, numbers(a=4, b=1), Fraction(0)) == "(b/a) × 2 = (1/4) × 2 = 0,50; điểm ghi nhận 0,00"
    assert words.sentence(ratio, numbers(b=1), Fraction(0)) == (
        "(b/a) × 2: chưa có số liệu: a (Số liệu a); điểm ghi nhận 0,00"
    )


def test_text_turns_back_into_a_formula() -> None:
    assert words.to_formula("max(1.234,5; làm tròn(2 ÷ 3; 2)) × 1.000.000 − (-3)") == (
        "largest(1234.5, round(2 / 3, 2)) * 1000000 - (0 - 3)"
    )


@pytest.mark.parametrize("name", LEVELS)
@settings(derandomize=True, deadline=None, max_examples=6, phases=(Phase.generate,))
@given(seed=st.integers(0, 2**32))
def test_the_arithmetic_shown_is_worth_what_exact_says(name: str, seed: int) -> None:
    rng = random.Random(seed)
    criteria = LEVELS[name].criteria
    for item in criteria * (1 + 300 // len(criteria)):
        values = random_inputs(item, rng)
        worth = exact.evaluate(item.expression, values, item.max_fraction)
        text = words.substituted(item, values)
        if isinstance(worth, Fraction):
            shown = f.parse(words.to_formula(text), frozenset())
            assert exact.evaluate(shown, {}, Fraction(0)) == worth, (item.formula, values, text)
            points = words.vi_number(worth, 2)
            assert points in words.sentence(item, values, worth)
        else:
            assert words.sentence(item, values, worth)


JUNK = st.one_of(
    st.integers(-(10**30), 10**30).map(Fraction),
    st.fractions(),
    st.sampled_from(["yes", "no", "half", "", "Đ"]),
    st.sampled_from(BlockKind).map(lambda kind: Block(kind, ("a",))),
    st.sampled_from(InputState).map(lambda state: InputValue(state)),
    st.fractions(0, 100).map(lambda value: InputValue(InputState.REPORTED, value)),
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data(), item=st.sampled_from([c for of in LEVELS.values() for c in of.criteria]))
def test_words_never_fail(data: st.DataObject, item: Criterion) -> None:
    given_inputs = {spec.name: data.draw(JUNK) for spec in item.inputs if data.draw(st.booleans())}
    outcome = data.draw(st.one_of(st.none(), st.fractions(0, 100), st.just(Block(BlockKind.OPEN, ()))))
    assert words.symbols(item)
    assert words.substituted(item, given_inputs)
    assert words.sentence(item, given_inputs, outcome)
