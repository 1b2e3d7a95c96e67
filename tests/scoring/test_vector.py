"""The fast path equals exact arithmetic on everything that is stored, boundaries and ties included."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scoring_cases import LEVELS, SYNTHETIC, criterion, level, random_inputs, reference_points

from dti_pipeline.frameworks.model import Criterion, Level
from dti_pipeline.scoring.exact import Value
from dti_pipeline.scoring.vector import (
    FAST_LIMIT,
    LevelPlan,
    WideScores,
    column,
    fast_value,
    points_expr,
    score_wide,
    wide_schema,
)

Units = list[dict[str, dict[str, Value]]]
"""Per unit, per criterion code, its inputs."""

PLANS = {name: LevelPlan(item) for name, item in LEVELS.items()}


def wide_frame(of: Level, units: Units) -> pl.DataFrame:
    data: dict[str, list[float | str | None]] = {name: [] for name in wide_schema(of)}
    for unit in units:
        for item in of.criteria:
            for spec in item.inputs:
                value = unit[item.code][spec.name]
                cell = fast_value(value, spec.kind) if isinstance(value, Fraction) else value
                data[column(item.code, spec.name)].append(cell if isinstance(cell, float | str) else None)
    return pl.DataFrame(data, schema=wide_schema(of))


def score(plan: LevelPlan, units: Units, decimals: int = 2) -> WideScores:
    def exact_points(item: Criterion, rows: Sequence[int]) -> list[Fraction | None]:
        return [reference_points(item, units[row][item.code]) for row in rows]

    return score_wide(plan, wide_frame(plan.level, units), exact_points, decimals)


def half_up(value: Fraction, decimals: int) -> int:
    """The rounding rule written down a second time, from its definition."""
    return int(value * 10**decimals + Fraction(1, 2))


def assert_equals_exact(plan: LevelPlan, units: Units, decimals: int = 2) -> WideScores:
    scores = score(plan, units, decimals)
    for row, unit in enumerate(units):
        total = Fraction(0)
        for item in plan.level.criteria:
            points = reference_points(item, unit[item.code])
            micro = scores.micro[item.code][row]
            assert micro == (None if points is None else half_up(points, 6)), (item.code, item.formula, unit[item.code])
            if micro is not None:
                assert 0 <= micro <= item.max_fraction * 10**6
            total += points or 0
        assert scores.published[row] == half_up(total, decimals), row
        assert abs(Fraction(scores.total_pico[row], 10**12) - total) <= Fraction(scores.margin, 10**12)
    return scores


# A seed does not shrink to anything simpler, so a failure is reported as it was found.
@pytest.mark.parametrize("name", LEVELS)
@settings(derandomize=True, deadline=None, max_examples=6, phases=(Phase.generate,))
@given(seed=st.integers(0, 2**32), decimals=st.sampled_from((0, 2, 2, 4, 6)))
def test_fast_equals_exact_on_random_units(name: str, seed: int, decimals: int) -> None:
    rng = random.Random(seed)
    criteria = LEVELS[name].criteria
    units = [{item.code: random_inputs(item, rng) for item in criteria} for _ in range(4000 // len(criteria))]
    assert_equals_exact(PLANS[name], units, decimals)


NUMBERS = st.one_of(
    st.integers(0, 12),
    st.integers(0, 10**6),
    st.sampled_from((5, 10, 100, 10**7, 2 * 10**7, 10**12, FAST_LIMIT - 1, FAST_LIMIT, 10**15, 10**30)),
).map(Fraction)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=st.data(), item=st.sampled_from(list(SYNTHETIC.criteria)))
def test_fast_equals_exact_on_drawn_cells(data: st.DataObject, item: Criterion) -> None:
    units: Units = []
    for _ in range(data.draw(st.integers(1, 4))):
        inputs: dict[str, Value] = {
            spec.name: data.draw(st.sampled_from(spec.option_values) if spec.kind == "option" else NUMBERS)
            for spec in item.inputs
        }
        units.append({item.code: inputs})
    assert_equals_exact(LevelPlan(level(item)), units)


def test_the_fast_path_carries_most_of_the_work() -> None:
    # Otherwise the property tests above would compare exact with itself.
    rng = random.Random(7)
    for name, plan in PLANS.items():
        units = [{c.code: random_inputs(c, rng) for c in plan.level.criteria} for _ in range(60)]
        cells = 60 * len(plan.level.criteria)
        with_points = sum(reference_points(c, unit[c.code]) is not None for unit in units for c in plan.level.criteria)
        carried = cells - score(plan, units).recomputed_cells
        assert carried > 0.7 * with_points, (name, carried, with_points)


def test_only_subtraction_and_tiers_of_formulas_go_the_exact_way() -> None:
    slow = {item.code for item in SYNTHETIC.criteria if points_expr(item) is None}
    assert slow == {"minus", "minus-free", "minus-sum", "tier-formula"}


def one(item: Criterion, *cells: dict[str, int | str]) -> tuple[list[int | None], WideScores]:
    units: Units = [
        {item.code: {k: v if isinstance(v, str) else Fraction(v) for k, v in cell.items()}} for cell in cells
    ]
    scores = assert_equals_exact(LevelPlan(level(item)), units)
    return scores.micro[item.code].to_list(), scores


def test_thresholds_met_exactly_stay_on_the_fast_path() -> None:
    step = criterion("s", "step(b / a, at=0.8) * max")
    micro, scores = one(step, {"a": 5, "b": 4}, {"a": 10**9, "b": 8 * 10**8}, {"a": 10**9, "b": 8 * 10**8 - 1})
    assert micro == [2_000_000, 2_000_000, 0]
    assert scores.recomputed_cells == 0


def test_a_full_ratio_stays_on_the_fast_path_and_one_too_many_has_no_points() -> None:
    free = criterion("r", "b / a * max", "3")
    micro, scores = one(free, {"a": 7, "b": 7}, {"a": 49, "b": 49}, {"a": 10**12, "b": 10**12 + 1})
    assert micro == [3_000_000, 3_000_000, None]
    assert scores.recomputed_cells == 1  # only to learn why the last has none


def test_comparisons_of_two_quotients_are_left_to_exact_at_a_tie() -> None:
    item = criterion("q", "1 if b / a >= d / c else 0.5", names="abcd")
    micro, scores = one(item, {"a": 3, "b": 1, "c": 9, "d": 3}, {"a": 3, "b": 1, "c": 9, "d": 4})
    assert micro == [1_000_000, 500_000]
    assert scores.recomputed_cells == 1


def test_numbers_too_large_for_exact_float_products_are_left_to_exact() -> None:
    # 123456789 n is 1 more than a multiple of 10**9, so b / n lies 1 / (10**9 n) below: no float shows it.
    n = pow(123_456_789, -1, 10**9)
    b = (n * 123_456_789 - 1) // 10**9
    micro, _ = one(SYNTHETIC.criterion("step-tight"), {"a": n - 1, "b": b}, {"a": n - 1, "b": b + 1})
    assert micro == [0, 2_000_000]


def test_rounding_within_a_formula_meets_halves_that_floats_miss() -> None:
    # 1/6 × 3/40 × 10 = 0.125; 3/8 × 29/50 × 10 = 2.175. As floats both come out below the half.
    micro, scores = one(
        SYNTHETIC.criterion("round-product"),
        {"a": 6, "b": 1, "c": 40, "d": 3},
        {"a": 8, "b": 3, "c": 50, "d": 29},
        {"a": 8, "b": 3, "c": 50, "d": 28},
    )
    assert micro == [130_000, 2_180_000, 2_100_000]
    assert scores.recomputed_cells == 2


def test_micro_halves_are_decided_exactly() -> None:
    # 1 / 2,000,000 = 0.0000005, a half at the 6th decimal, and its neighbours.
    micro, scores = one(
        criterion("h", "b / a", "1"),
        {"a": 2_000_000, "b": 1},
        {"a": 2_000_100, "b": 1},
        {"a": 1_999_900, "b": 1},
        {"a": 2_000_000, "b": 3},
    )
    assert micro == [1, 0, 1, 2]
    assert scores.recomputed_cells == 2


def test_micro_halves_of_small_counts_need_no_recomputation() -> None:
    # 1/128 = 0.0078125; the denominators beside it give 0.00787… and 0.00775…
    micro, scores = one(
        criterion("h", "b / a", "1"), {"a": 128, "b": 1}, {"a": 127, "b": 1}, {"a": 129, "b": 1}, {"a": 640, "b": 639}
    )
    assert micro == [7813, 7874, 7752, 998_438]  # 639/640 = 0.9984375
    assert scores.recomputed_cells == 0


def test_totals_at_a_half_are_decided_exactly() -> None:
    # 1/3 + 2/3 + 0.005 = 1.005 prints 1.01; a float sum may print 1.00.
    of = level(
        criterion("x", "b / a", "1"),
        criterion("y", "b / a", "1"),
        criterion("z", "a * 0.001", "1", names="a"),
    )
    units: Units = [{"x": _ab(3, 1), "y": _ab(3, 2), "z": {"a": Fraction(thousandths)}} for thousandths in (4, 5, 6)]
    scores = assert_equals_exact(LevelPlan(of), units)
    assert scores.published.to_list() == [100, 101, 101]
    assert scores.recomputed_totals == 1


def test_terminating_points_need_no_recomputation_at_a_half() -> None:
    of = level(criterion("x", "a * 0.005", "2", names="a"), criterion("y", "a * 0.1", "2", names="a"))
    units: Units = [{"x": {"a": Fraction(n)}, "y": {"a": Fraction(3)}} for n in range(1, 9)]
    scores = assert_equals_exact(LevelPlan(of), units)
    assert scores.published.to_list() == [31, 31, 32, 32, 33, 33, 34, 34]
    assert (scores.recomputed_cells, scores.recomputed_totals, scores.margin) == (0, 0, 0)


def _ab(a: int, b: int) -> dict[str, Value]:
    return {"a": Fraction(a), "b": Fraction(b)}


@pytest.mark.parametrize(
    ("formula", "cell"),
    [
        ("b / a * max", {"a": 0, "b": 0}),
        ("min(b / a, 1) * max", {"a": 0, "b": 5}),
        ("linear(b / a, to=0.5) * max", {"a": 0, "b": 5}),
        ("step(b / a, at=0.5) * max", {"a": 0, "b": 5}),
        ("max if b / a >= 0.5 else 0", {"a": 0, "b": 5}),
        ("tier(b / a, atleast(0.5, 1))", {"a": 0, "b": 5}),
        ("ratio(b, a, empty=1) * max", {"a": 0, "b": 5}),
        ("ratio(b, a, empty=not_applicable) * max", {"a": 0, "b": 0}),
        ("round(min(b / a, 1), 2)", {"a": 0, "b": 5}),
    ],
)
def test_a_zero_denominator_never_becomes_points(formula: str, cell: dict[str, int | str]) -> None:
    micro, _ = one(criterion("d", formula), cell)
    assert micro == [None]


@pytest.mark.parametrize(
    "formula",
    [
        "max if a >= 3 else 1 + b * 0", "min(a, b, 1)", "largest(a * 0.1, b * 0.1)", "tier(a + b, atleast(0, 1))",
        "step(a + b, at=1) * max", "min(a + b, 1)", "ratio(a, b, empty=1) * 0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("missing", "ab")
def test_a_missing_input_never_becomes_a_number(formula: str, missing: str) -> None:
    item = criterion("m", formula)
    points = points_expr(item)
    assert points is not None
    frame = pl.DataFrame(
        {column("m", name): [None if name == missing else 1.0] for name in "ab"}, schema=wide_schema(level(item))
    )
    assert frame.select(points.pico).item() is None


def test_an_input_that_the_branch_does_not_need_may_be_missing() -> None:
    item = criterion("o", "option(o, yes=max, no=b / a)", options={"o": ("yes", "no")})
    schema = wide_schema(level(item))
    frame = pl.DataFrame(
        {"o|a": [None, None, 2.0], "o|b": [None, None, 1.0], "o|o": ["yes", "no", None]}, schema=schema
    )
    points = points_expr(item)
    assert points is not None
    assert frame.select(points.pico).to_series().to_list() == [2 * 10**12, None, None]
    assert frame.cast({"o|o": pl.String}).select(points.pico).to_series().to_list() == [2 * 10**12, None, None]


def test_what_may_take_the_fast_path() -> None:
    assert fast_value(Fraction(0), "count") == 0.0
    assert fast_value(Fraction(FAST_LIMIT - 1), "count") == FAST_LIMIT - 1
    assert fast_value(Fraction(FAST_LIMIT), "count") is None
    assert fast_value(Fraction(-1), "number") is None
    assert fast_value(Fraction(5, 2), "count") is None
    assert fast_value(Fraction(5, 2), "number") == 2.5
    assert fast_value(Fraction(100), "percent") == 100.0
    assert fast_value(Fraction(10001, 100), "percent") is None


def test_formulas_beyond_the_error_analysis_go_the_exact_way() -> None:
    assert points_expr(criterion("n", "min(" + " + ".join(["a"] * 101) + ", max)", names="a")) is None
    assert points_expr(criterion("n", "min(" + " / ".join(["a"] * 22) + ", max)", names="a")) is None
    assert points_expr(criterion("n", "min(a * 0.0000000000001, max)", names="a")) is None
    with pytest.raises(ValueError, match="more than the fast path can add up"):
        LevelPlan(level(*(criterion(f"c{n}", "a", "10000", names="a") for n in range(500))))


@pytest.mark.parametrize("height", [0, 1, 3])
def test_frames_of_any_height_and_levels_without_a_fast_criterion(height: int) -> None:
    for of in (level(criterion("m", "max - min(b / a, 1)")), level(criterion("r", "b / a", "1"))):
        scores = assert_equals_exact(LevelPlan(of), [{c.code: _ab(2, 1) for c in of.criteria}] * height)
        assert scores.micro.height == height
        assert len(scores.published) == height
