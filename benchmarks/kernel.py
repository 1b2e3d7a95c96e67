"""Scoring 12,000 units × 100 criteria: the engine's vector path beside what one would write by hand.

Here: one seeded level whose rules are mixed as in Ninh Thuận's annex (options, ratios, thresholds, steps, capped
counts, weighted terms, branches), and the same work done four ways in one process: the engine (exact fallback, totals,
published rounding, ranks), Polars by hand, pandas by hand, and pandas row by row (a slice, scaled). The three by hand
use floats. Run: `python benchmarks/kernel.py [--quick]`. Not here: tests of correctness (`tests/scoring`).
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, Node, OptionLabel, Stated
from dti_pipeline.scoring import exact
from dti_pipeline.scoring.vector import LevelPlan, column, score_wide, wide_schema

SEED = 20261122
MISSING, ZERO_WHOLE, PART_ABOVE_WHOLE = 0.003, 0.0005, 0.0002
"""Shares of cells without a value, with a denominator of 0, and with a part above its whole: points for none."""
ROW_SLICE = 300

Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """One kind of rule: as a formula, and written by hand over Polars columns, pandas columns and plain values.

    Each of the hand-written functions takes the inputs by name and the maximum, and gives null, NaN or None for a
    cell without points.
    """

    share: int
    formula: str
    inputs: str
    by_polars: Callable[[dict[str, pl.Expr], float], pl.Expr]
    by_pandas: Callable[[dict[str, Any], float], Any]
    by_row: Callable[[Row, float], float | None]
    require: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def _row_ratio(r: Row, most: float) -> float | None:
    return r["b"] / r["a"] * most if r["a"] > 0 and r["b"] <= r["a"] else None


def _row_two_terms(r: Row, most: float) -> float | None:
    if not (r["a"] > 0 and r["b"] + r["c"] <= r["a"]):
        return None
    return r["b"] / r["a"] * most / 2 + r["c"] / r["a"] * most


def _row_branch(r: Row, most: float) -> float | None:
    return most if r["a"] > 0 and r["c"] / r["a"] >= 0.8 and r["b"] + r["c"] <= r["a"] else _row_two_terms(r, most)


def _row_composite(r: Row, most: float) -> float | None:
    if not (r["a"] > 0 and r["c"] > 0 and r["b"] <= r["a"] and r["d"] <= r["c"]):
        return None
    return float(min(r["e"], most / 2) + (r["b"] / r["a"] + r["d"] / r["c"]) / 2 * (most / 2))


def _row_tier(r: Row, most: float) -> float:
    return most if r["a"] < 7 else most / 2 if r["a"] < 30 else most / 4


def _polars_option(worths: dict[str, float]) -> Callable[[dict[str, pl.Expr], float], pl.Expr]:
    def by_polars(c: dict[str, pl.Expr], most: float) -> pl.Expr:
        result = pl.lit(None, dtype=pl.Float64)
        for label, worth in worths.items():
            result = pl.when(c["o"] == label).then(worth * most).otherwise(result)
        return result

    return by_polars


def _pandas_option(worths: dict[str, float]) -> Callable[[dict[str, Any], float], Any]:
    return lambda c, most: c["o"].map({label: worth * most for label, worth in worths.items()}).astype(float)


def _row_option(worths: dict[str, float]) -> Callable[[Row, float], float | None]:
    return lambda r, most: worths[r["o"]] * most if r["o"] in worths else None


def _pandas_where(condition: Any, value: Any) -> Any:
    return value.where(condition)


def _option_shape(share: int, formula: str, worths: dict[str, float]) -> Shape:
    return Shape(
        share, formula, "", _polars_option(worths), _pandas_option(worths), _row_option(worths), (), tuple(worths)
    )


SHAPES = (
    _option_shape(20, "option(o, yes=max, no=0)", {"yes": 1, "no": 0}),
    _option_shape(6, "option(o, full=max, half=max / 2, none=0)", {"full": 1, "half": 0.5, "none": 0}),
    Shape(
        32, "b / a * max", "ab",
        lambda c, most: pl.when((c["a"] > 0) & (c["b"] <= c["a"])).then(c["b"] / c["a"] * most),
        lambda c, most: _pandas_where((c["a"] > 0) & (c["b"] <= c["a"]), c["b"] / c["a"] * most),
        _row_ratio, ("b <= a",),
    ),
    Shape(
        6, "min(b / a, 1) * max", "ab",
        lambda c, most: pl.when(c["a"] > 0).then((c["b"] / c["a"]).clip(upper_bound=1) * most),
        lambda c, most: _pandas_where(c["a"] > 0, (c["b"] / c["a"]).clip(upper=1) * most),
        lambda r, most: min(r["b"] / r["a"], 1) * most if r["a"] > 0 else None,
    ),
    Shape(
        14, "linear(b / a, to=0.6) * max", "ab",
        lambda c, most: pl.when((c["a"] > 0) & (c["b"] <= c["a"])).then(
            (c["b"] / c["a"] / 0.6).clip(upper_bound=1) * most
        ),
        lambda c, most: _pandas_where(
            (c["a"] > 0) & (c["b"] <= c["a"]), (c["b"] / c["a"] / 0.6).clip(upper=1) * most
        ),
        lambda r, most: min(r["b"] / r["a"] / 0.6, 1) * most if r["a"] > 0 and r["b"] <= r["a"] else None,
        ("b <= a",),
    ),
    Shape(
        5, "step(b / a, at=0.2) * max", "ab",
        lambda c, most: pl.when((c["a"] > 0) & (c["b"] <= c["a"])).then(
            (c["b"] / c["a"] >= 0.2).cast(pl.Float64) * most
        ),
        lambda c, most: _pandas_where((c["a"] > 0) & (c["b"] <= c["a"]), (c["b"] / c["a"] >= 0.2) * most),
        lambda r, most: float(r["b"] / r["a"] >= 0.2) * most if r["a"] > 0 and r["b"] <= r["a"] else None,
        ("b <= a",),
    ),
    Shape(
        6, "min(a * 0.2, max)", "a",
        lambda c, most: (c["a"] * 0.2).clip(upper_bound=most),
        lambda c, most: (c["a"] * 0.2).clip(upper=most),
        lambda r, most: min(r["a"] * 0.2, most),
    ),
    Shape(
        2, "min(min(a * 0.5, max) + min(b * 0.2, max / 2), max)", "ab",
        lambda c, most: (
            (c["a"] * 0.5).clip(upper_bound=most) + (c["b"] * 0.2).clip(upper_bound=most / 2)
        ).clip(upper_bound=most),
        lambda c, most: ((c["a"] * 0.5).clip(upper=most) + (c["b"] * 0.2).clip(upper=most / 2)).clip(upper=most),
        lambda r, most: min(min(r["a"] * 0.5, most) + min(r["b"] * 0.2, most / 2), most),
    ),
    Shape(
        4, "b / a * (max / 2) + c / a * max", "abc",
        lambda c, most: pl.when((c["a"] > 0) & (c["b"] + c["c"] <= c["a"])).then(
            c["b"] / c["a"] * (most / 2) + c["c"] / c["a"] * most
        ),
        lambda c, most: _pandas_where(
            (c["a"] > 0) & (c["b"] + c["c"] <= c["a"]), c["b"] / c["a"] * (most / 2) + c["c"] / c["a"] * most
        ),
        _row_two_terms, ("b + c <= a",),
    ),
    Shape(
        2, "max if c / a >= 0.8 else b / a * (max / 2) + c / a * max", "abc",
        lambda c, most: pl.when((c["a"] > 0) & (c["b"] + c["c"] <= c["a"])).then(
            pl.when(c["c"] / c["a"] >= 0.8).then(most).otherwise(
                c["b"] / c["a"] * (most / 2) + c["c"] / c["a"] * most
            )
        ),
        lambda c, most: _pandas_where(
            (c["a"] > 0) & (c["b"] + c["c"] <= c["a"]),
            (c["b"] / c["a"] * (most / 2) + c["c"] / c["a"] * most).mask(c["c"] / c["a"] >= 0.8, most),
        ),
        _row_branch, ("b + c <= a",),
    ),
    Shape(
        1, "tier(a, below(7, max), below(30, max / 2), atleast(30, max / 4))", "a",
        lambda c, most: pl.when(c["a"] < 7).then(most).when(c["a"] < 30).then(most / 2)
        .when(c["a"] >= 30).then(most / 4),
        lambda c, most: _pandas_where(
            c["a"].notna(), (c["a"] * 0 + most / 4).mask(c["a"] < 30, most / 2).mask(c["a"] < 7, most)
        ),
        _row_tier,
    ),
    Shape(
        2, "min(e, max / 2) + (b / a + d / c) / 2 * (max / 2)", "abcde",
        lambda c, most: pl.when((c["a"] > 0) & (c["c"] > 0) & (c["b"] <= c["a"]) & (c["d"] <= c["c"])).then(
            c["e"].clip(upper_bound=most / 2) + (c["b"] / c["a"] + c["d"] / c["c"]) / 2 * (most / 2)
        ),
        lambda c, most: _pandas_where(
            (c["a"] > 0) & (c["c"] > 0) & (c["b"] <= c["a"]) & (c["d"] <= c["c"]),
            c["e"].clip(upper=most / 2) + (c["b"] / c["a"] + c["d"] / c["c"]) / 2 * (most / 2),
        ),
        _row_composite, ("b <= a", "d <= c"),
    ),
)  # fmt: skip

_PARTS = {"b": "a", "c": "a", "d": "c"}


def build(criteria_count: int) -> tuple[Level, dict[str, Shape]]:
    """A made-up level of that many criteria, the shapes in their shares and in turn."""
    kinds = [shape for shape in SHAPES for _ in range(shape.share)]
    shapes: dict[str, Shape] = {}
    criteria = []
    for number in range(criteria_count):
        shape = kinds[number * 37 % len(kinds)]  # 37 and 100 have no common factor: every kind comes up
        code = f"c{number}"
        names = [*shape.inputs, *("o" if shape.options else "")]
        specs = tuple(
            InputSpec(
                name=name, label=name, kind="option" if name == "o" else "count",
                options=tuple(OptionLabel(value=v, label=v) for v in shape.options) if name == "o" else (),
            )
            for name in names
        )  # fmt: skip
        criteria.append(
            Criterion(
                code=code, printed_code=code, name=code, max_points=Decimal(number % 5 + 1), rule="-",
                formula=shape.formula, inputs=specs, require=shape.require, clause="-",
            )
        )  # fmt: skip
        shapes[code] = shape
    node = Node(code="N", kind="main", name="N", criteria=tuple(criteria))
    level = Level(level="commune", name="Thử", basis="working", stated=Stated(), nodes=(node,))
    return level, shapes


def make_inputs(level: Level, shapes: dict[str, Shape], units: int) -> pl.DataFrame:
    """The wide frame, from a seeded generator; parts stay within their wholes but for the shares named above."""
    rng = np.random.default_rng(SEED)
    columns: dict[str, pl.Series] = {}
    for criterion in level.criteria:
        shape, code = shapes[criterion.code], criterion.code
        drawn: dict[str, np.ndarray[Any, Any]] = {}
        for name in shape.inputs:
            if name in _PARTS and _PARTS[name] in drawn and len(shape.inputs) > 1 and "a" in shape.formula:
                share = rng.beta(2, 1.2, units) * (0.5 if "b + c" in "".join(shape.require) else 1)
                drawn[name] = np.floor(drawn[_PARTS[name]] * share)
            else:
                drawn[name] = rng.integers(1, 4000 if len(shape.inputs) > 1 else 40, units).astype(float)
        if "/ a" in shape.formula:
            drawn["b"][rng.random(units) < PART_ABOVE_WHOLE] += 5000
            drawn["a"][rng.random(units) < ZERO_WHOLE] = 0
        absent = rng.random(units) < MISSING
        for position, (name, values) in enumerate(drawn.items()):
            series = pl.Series(column(code, name), values)
            columns[series.name] = series.set(pl.Series(absent), None) if position == 0 else series
        if shape.options:
            chosen = pl.Series(rng.integers(0, len(shape.options), units)).cast(pl.UInt32)
            texts = pl.Series(list(shape.options)).gather(chosen)
            columns[column(code, "o")] = texts.set(pl.Series(absent), None)
    return pl.DataFrame(columns).cast(wide_schema(level))  # type: ignore[arg-type]


Values = dict[str, list[tuple[Any, ...]]]
"""The inputs as the engine holds them beside the wide frame: by criterion, one tuple per input."""


def run_engine(plan: LevelPlan, wide: pl.DataFrame, inputs: Values) -> tuple[pl.DataFrame, str]:
    """Points, exact fallback, totals, published rounding and ranks."""

    def exact_points(criterion: Criterion, rows: Sequence[int]) -> list[Fraction | None]:
        names = [spec.name for spec in criterion.inputs]
        columns = inputs[criterion.code]
        return [_exact_cell(criterion, names, [values[row] for values in columns]) for row in rows]

    scores = score_wide(plan, wide, exact_points)
    result = pl.DataFrame({"published": scores.published}).with_columns(
        rank=pl.col("published").rank("min", descending=True)
    )
    return result, f"{scores.recomputed_cells} cells and {scores.recomputed_totals} totals asked of the exact way"


def _exact_cell(criterion: Criterion, names: list[str], cell: list[Any]) -> Fraction | None:
    if None in cell:  # every shape here reads all of its inputs
        return None
    inputs: dict[str, exact.Value] = {
        name: value if isinstance(value, str) else Fraction(int(value)) for name, value in zip(names, cell, strict=True)
    }
    worth = exact.evaluate(criterion.expression, inputs, criterion.max_fraction)
    if not isinstance(worth, Fraction) or not 0 <= worth <= criterion.max_fraction:
        return None
    return worth if all(exact.holds(requirement, inputs) for requirement in criterion.requirements) else None


def run_polars(level: Level, shapes: dict[str, Shape], wide: pl.DataFrame, *, rounds_cells: bool) -> pl.DataFrame:
    """With `rounds_cells`, the cells too end as 1e-6 points, as they are stored; totals add up the unrounded."""
    cells = wide.lazy().select(
        shapes[c.code]
        .by_polars({s.name: pl.col(column(c.code, s.name)) for s in c.inputs}, float(c.max_points))
        .alias(c.code)
        for c in level.criteria
    )
    points = cells.collect()
    if rounds_cells:
        stored = points.lazy().select(pl.all().round(6, mode="half_away_from_zero")).collect()
        assert stored.width == points.width  # noqa: S101
    total = points.select(published=(pl.sum_horizontal(pl.all()) * 100).round(mode="half_away_from_zero"))
    return total.with_columns(rank=pl.col("published").rank("min", descending=True))


def run_pandas(level: Level, shapes: dict[str, Shape], wide: pd.DataFrame) -> pd.DataFrame:
    cells = pd.DataFrame(
        {
            c.code: shapes[c.code].by_pandas(
                {s.name: wide[column(c.code, s.name)] for s in c.inputs}, float(c.max_points)
            )
            for c in level.criteria
        }
    )
    published = np.floor(cells.sum(axis=1) * 100 + 0.5)
    return pd.DataFrame({"published": published, "rank": published.rank(method="min", ascending=False)})


def run_rows(level: Level, shapes: dict[str, Shape], wide: pd.DataFrame) -> pd.DataFrame:
    work = [
        (shapes[c.code].by_row, float(c.max_points), {s.name: column(c.code, s.name) for s in c.inputs})
        for c in level.criteria
    ]

    def total(row: Any) -> float:
        found = 0.0
        for rule, most, names in work:
            inputs = {name: row[at] for name, at in names.items()}
            if any(pd.isna(value) for value in inputs.values()):
                continue
            found += rule(inputs, most) or 0.0
        return found

    published = np.floor(wide.apply(total, axis=1) * 100 + 0.5)
    return pd.DataFrame({"published": published, "rank": published.rank(method="min", ascending=False)})


def to_pandas(wide: pl.DataFrame) -> pd.DataFrame:
    """The frame in pandas' own fastest types (floats with NaN, categories), without needing pyarrow."""
    return pd.DataFrame(
        {
            series.name: series.to_numpy()
            if series.dtype == pl.Float64
            else pd.Categorical(series.cast(pl.String).to_list())
            for series in wide
        }
    )


def best_of(times: int, runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Best seconds of each, in two rounds so that a busy moment of the machine does not fall on one of them alone."""
    best = dict.fromkeys(runs, float("inf"))
    for name, run in [*runs.items(), *runs.items()]:
        for _ in range(times):
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 units × 40 criteria")
    quick = parser.parse_args().quick
    units, criteria_count, times = (2_000, 40, 5) if quick else (12_000, 100, 15)
    level, shapes = build(criteria_count)
    wide = make_inputs(level, shapes, units)
    inputs = {c.code: [tuple(wide[column(c.code, s.name)]) for s in c.inputs] for c in level.criteria}
    print(f"{units:,} units × {criteria_count} criteria, seed {SEED}, {pl.thread_pool_size()} threads")
    print(f"peak memory: {peak_mib():.0f} MiB with the inputs", end="")
    start = time.perf_counter()
    plan = LevelPlan(level)  # once per framework, as parsing is
    planning = time.perf_counter() - start
    engine, asked = run_engine(plan, wide, inputs)
    print(f", {peak_mib():.0f} MiB after the engine's first run")

    frame = to_pandas(wide)
    part = frame.head(ROW_SLICE)
    by_polars = run_polars(level, shapes, wide, rounds_cells=True)
    by_pandas = run_pandas(level, shapes, frame)
    by_rows = run_rows(level, shapes, part)
    gc.collect()
    gc.freeze()  # else every run pays for the collector's walks over the inputs of all four
    seconds = best_of(
        times,
        {
            "engine": lambda: run_engine(plan, wide, inputs),
            "… fast path alone": lambda: score_wide(plan, wide, lambda _, rows: [None] * len(rows)),
            "Polars by hand": lambda: run_polars(level, shapes, wide, rounds_cells=True),
            "… cells left as they are": lambda: run_polars(level, shapes, wide, rounds_cells=False),
            "pandas by hand": lambda: run_pandas(level, shapes, frame),
        },
    )
    seconds |= {"pandas row by row": best_of(2, {"rows": lambda: run_rows(level, shapes, part)})["rows"]}
    seconds["pandas row by row"] *= units / ROW_SLICE

    print(f"engine: {asked}; its plan, built once, took {planning * 1000:.1f} ms more")
    for name, spent in seconds.items():
        scaled = f" (measured on {ROW_SLICE} units and scaled)" if name == "pandas row by row" else ""
        print(f"{name:24} {spent * 1000:10.1f} ms   {spent / seconds['Polars by hand']:8.2f} × Polars by hand{scaled}")
    published = engine["published"].to_list()
    others = {
        "Polars by hand": by_polars["published"].to_list(),
        "pandas by hand": by_pandas["published"].to_list(),
        "pandas row by row": by_rows["published"].to_list(),
    }
    differing = {name: sum(a != b for a, b in zip(published, found, strict=False)) for name, found in others.items()}
    for name, count in differing.items():
        print(f"published totals, {name}: {'all agree' if count == 0 else f'{count} differ from the exact ones'}")
    print(f"peak memory: {peak_mib():.0f} MiB in all")
    return 0 if not any(differing.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
