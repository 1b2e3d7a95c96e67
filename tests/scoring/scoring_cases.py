"""Criteria and inputs of the scoring tests: every level there is, and made-up criteria for every grammar node."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, Node, OptionLabel, Stated
from dti_pipeline.scoring import exact
from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.exact import Block, BlockKind, Value


def criterion(code: str, formula: str, max_points: str = "2", **more: object) -> Criterion:
    """A made-up criterion; inputs are counts unless `kinds` or `options` say otherwise, in order of appearance."""
    kinds = dict(more.pop("kinds", {}))  # type: ignore[call-overload]
    options = dict(more.pop("options", {}))  # type: ignore[call-overload]
    names = list(dict.fromkeys([*more.pop("names", "ab"), *options]))  # type: ignore[misc]
    specs = tuple(
        InputSpec(
            name=name,
            label=f"Số liệu {name}",
            kind="option" if name in options else kinds.get(name, "count"),
            options=tuple(OptionLabel(value=value, label=f"Chọn {value}") for value in options.get(name, ())),
        )
        for name in names
    )
    return Criterion(
        code=code, printed_code=code, name=f"Tiêu chí {code}", max_points=Decimal(max_points), rule="Theo công thức",
        formula=formula, inputs=specs, clause="Phụ lục thử", **more,
    )  # fmt: skip


def level(*criteria: Criterion) -> Level:
    return Level(
        level="department", name="Cấp thử", basis="working", stated=Stated(),
        nodes=(Node(code="N", kind="main", name="Nhóm thử", criteria=criteria),),
    )  # fmt: skip


SYNTHETIC = level(
    criterion("ratio", "b / a * max"),
    criterion("ratio-limited", "b / a * max", require=("b <= a",)),
    criterion("share", "ratio(b, a, empty=0) * max"),
    criterion("share-full", "ratio(b, a, empty=1) * max", require=("b <= a",)),
    criterion("share-na", "ratio(b, a, empty=not_applicable) * max"),
    criterion("linear", "linear(b / a, to=0.6) * max"),
    criterion("linear-third", "linear(b / a, to=1/3) * max", "3"),
    criterion("step", "step(b / a, at=0.2) * max"),
    criterion("step-tight", "step(b / (a + 1), at=0.123456789) * max"),
    criterion("step-share", "step(ratio(b, a, empty=0), at=0.7) * max"),
    criterion("cap", "min(b / a, 1) * max"),
    criterion("caps", "min(min(a * 0.5, max) + min(b * 0.2, max / 2), max)"),
    criterion("count", "min(a * 0.2, max)", names="a"),
    criterion("exactly", "a * 0.3", names="a"),
    criterion("most", "largest(a * 0.25, b * 0.1, 0.5)", "4"),
    criterion("least", "min(a / b, b / a, 1) * max"),
    criterion("two-terms", "(b / a) * max * 1 / 2 + (c / a) * max", names="abc", require=("b + c <= a",)),
    criterion("two-terms-free", "(b / a) * max * 1 / 2 + (c / a) * max", names="abc"),
    criterion("branch", "max if c / a >= 0.8 else b / a * (max / 2) + c / a * max", "10", names="abc",
              require=("b + c <= a",)),
    criterion("branches", "1 if a < b else 0.5 if a == b else 0.25 if a > 2 * b else 2 * b / a"),
    criterion("compare", "1 if b / a > d / c else 0.5 if b / a <= 0.3 else b / a", names="abcd"),
    criterion("equal", "1 if b / a == d / c else 0.5", names="abcd"),
    criterion("tier", "tier(a, below(7, max), between(5, 30, 1.5), atleast(30, 1))", names="a"),
    criterion("tier-share", "tier(b / a, atleast(0.5, 1), atleast(0.8, 2), below(0.1, 0.3))"),
    criterion("tier-formula", "tier(a, below(10, b / a), atleast(10, 1))"),
    criterion("option", "option(o, yes=max, half=max / 2, no=0)", names="", options={"o": ("yes", "half", "no")}),
    criterion("option-formula", "option(o, yes=b / a * max, no=min(c * 0.2, max))", names="abc",
              options={"o": ("yes", "no")}),
    criterion("option-sum", "min(option(o, yes=1, no=0) + a / b, max)", options={"o": ("yes", "no")}),
    criterion("option-largest", "largest(option(o, yes=max, no=0), min(a * (1 / 2), 1))", names="a",
              options={"o": ("yes", "no")}),
    criterion("option-tier", "option(o, yes=tier(a, below(7, max), below(30, 1.5), atleast(30, 1)), no=0)",
              names="a", options={"o": ("yes", "no")}),
    criterion("round", "round(b / a * max, 2)", "10", require=("b <= a",)),
    criterion("round-sum", "min(round(6 * A, 2) + round(min(2, 2.5 * B), 2), max)", "8", names="abcd",
              terms={"A": "ratio(b, a, empty=0)", "B": "ratio(d, c, empty=0)"}),
    criterion("terms", "min(e, 3) + (Y + Z) / 2 * 3", "6", names="abcde", terms={"Y": "b / a", "Z": "d / c"},
              require=("b <= a", "d <= c")),
    criterion("minus", "max - min(b / a, 1)"),
    criterion("minus-free", "a - b"),
    criterion("minus-sum", "max + 10 - (min(a, 5) + min(b, 5))", "12"),
    criterion("other-limit", "b / a * max", names="abc", require=("b <= c",)),
    criterion("round-product", "round(b / a * (d / c) * max, 2)", "10", names="abcd", require=("b <= a", "d <= c")),
    criterion("product", "(a / b) * (c / d) * max", names="abcd"),
    criterion("product-limited", "(b / a) * (d / c) * max", names="abcd", require=("b < a", "c >= d")),
    criterion("percent", "p / 100 * max", names="p", kinds={"p": "percent"}),
    criterion("percent-linear", "linear(p / 100, to=0.5) * max", names="p", kinds={"p": "percent"}),
    criterion("percent-step", "step(p / 100, at=0.5) * max", names="p", kinds={"p": "percent"}),
    criterion("amount", "min(x / y, 1) * max", names="xy", kinds={"x": "number", "y": "number"}),
    criterion("source", "s", "12", names="s", kinds={"s": "number"}, require=("s <= 12",)),
    criterion("plus-one", "b / (a + 1) * max", require=("b <= a + 1",)),
    criterion("equal-parts", "b / a * max", require=("b == a",)),
    criterion("zero-max", "min(b / a, max)", "0"),
    criterion("third", "min(a * (1 / 3), max)", names="a"),
    criterion("unneeded", "option(o, yes=max, no=0)", names="a", options={"o": ("yes", "no")}, require=("a >= 1",)),
)  # fmt: skip

LEVELS = {
    "synthetic": SYNTHETIC,
    **{f"{framework.id}/{item.level}": item for framework in load_all() for item in framework.levels},
}

BLOCKS = tuple(BlockKind)
HUGE = (10**12 - 1, 2**40 - 1, 2**40, 10**15, 10**15 + 1, 10**30, 10**30 + 1)


def thresholds(item: Criterion) -> list[Fraction]:
    """Every number that the criterion's formula mentions, and its maximum."""
    found = [item.max_fraction, Fraction(1)]
    for node in f.walk(item.expression):
        match node:
            case f.Num(value=value) | f.Linear(to=value) | f.Step(at=value):
                found.append(value)
            case f.Arm(low=low, high=high):
                found += [bound for bound in (low, high) if bound is not None]
    return [value for value in found if value]


def random_inputs(item: Criterion, rng: random.Random) -> dict[str, Value]:
    """Inputs of one cell: plain, tied to a threshold of the formula, empty, absent, over 100 % or huge."""
    mode = rng.choice(("plain", "plain", "tie", "near", "small", "half", "huge", "equal"))
    threshold = rng.choice(thresholds(item))
    scale = rng.choice((1, 2, 7, 1000, 123_457))
    bases = {
        "plain": lambda: rng.randrange(0, 1000),
        "tie": lambda: rng.choice((threshold.numerator, threshold.denominator, 1, 2)) * scale,
        "near": lambda: rng.choice((threshold.numerator, threshold.denominator)) * 10**9 + rng.choice((-1, 0, 1)),
        "small": lambda: rng.randrange(0, 6),
        "half": lambda: rng.choice((1, 3, 5, 7, 125, 10_000, 2_000_000, 8, 80, 400)),
        "huge": lambda: rng.choice((*HUGE, *(h * threshold.numerator for h in HUGE), 5, 0)),
        "equal": lambda: scale,
    }
    inputs: dict[str, Value] = {}
    for spec in item.inputs:
        if rng.random() < 0.04:
            inputs[spec.name] = Block(rng.choice(BLOCKS[:3]), (spec.name,))
        elif spec.kind == "option":
            inputs[spec.name] = rng.choice(spec.option_values)
        elif rng.random() < 0.06:
            inputs[spec.name] = Fraction(0)
        elif spec.kind == "count":
            inputs[spec.name] = Fraction(max(0, bases[mode]()))
        elif spec.kind == "percent":
            plain = Fraction(rng.randrange(0, 10_100), 100)
            inputs[spec.name] = rng.choice((plain, threshold * 100, threshold, Fraction(100), Fraction(1, 3)))
        else:
            inputs[spec.name] = rng.choice(
                (Fraction(max(0, bases[mode]())), Fraction(rng.randrange(0, 1300), 100), threshold)
            )
    for node in f.walk(item.expression):  # parts within wholes more often than chance has them
        if isinstance(node, f.Tier) and rng.random() < 0.5:
            for name in f.input_names(node.value):
                if isinstance(inputs[name], Fraction):
                    inputs[name] = Fraction(rng.choice((4, 5, 6, 7, 8, 29, 30, 31)))
    if rng.random() < 0.5:
        _respect_requirements(item, inputs)
    return inputs


def _respect_requirements(item: Criterion, inputs: dict[str, Value]) -> None:
    for requirement in item.requirements:
        if requirement.op in ("<=", "<") and exact.holds(requirement, inputs) is False:
            for name in f.input_names(requirement.left):
                if name not in f.input_names(requirement.right):
                    inputs[name] = Fraction(1) if requirement.op == "<=" else Fraction(0)


def reference_points(item: Criterion, inputs: dict[str, Value]) -> Fraction | None:
    """Points of one cell as the engine decides them, by exact arithmetic alone; None where there are none."""
    worth = exact.evaluate(item.expression, inputs, item.max_fraction)
    if isinstance(worth, Block) or not 0 <= worth <= item.max_fraction:
        return None
    for spec in item.inputs:
        value = inputs[spec.name]
        if spec.kind == "percent" and isinstance(value, Fraction) and value > 100:
            return None
    if any(exact.holds(requirement, inputs) is False for requirement in item.requirements):
        return None
    return worth
