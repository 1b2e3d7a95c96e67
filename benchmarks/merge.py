"""Merging 4,000 units × 72 criteria: the engine's selection beside a Polars join written by hand, and rank impacts.

Here: seeded tables of what sources, units and appraisers say; the engine's `select_values` and what one would write by
hand over the same tables (left joins, the default precedence as one `when`), which must agree in every value, state and
origin; and how long it takes to say by how many places the ranking would move for 300 cells.
Run: `python benchmarks/merge.py [--quick]`. Not here: tests of correctness (`tests/scoring`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import random
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from dti_pipeline.frameworks.model import (
    Criterion,
    Decision,
    Framework,
    InputSpec,
    Level,
    Merging,
    MetricBinding,
    Node,
    Policies,
    Stated,
)
from dti_pipeline.scoring.engine import Cell, UnitRef
from dti_pipeline.scoring.impact import Impacts
from dti_pipeline.scoring.merge import (
    Appraised,
    Automatic,
    Claim,
    Place,
    appraised_table,
    automatic_table,
    claims_table,
    select_values,
    specs_table,
)
from dti_pipeline.scoring.states import CellState, InputState

SEED = 20261122
CRITERIA = 72
BOUND, CLAIMED, APPRAISED = 0.5, 0.8, 0.01
"""Shares of criteria that sources measure, of inputs that units report, and of inputs that appraisers set."""
STATES = (
    (InputState.HARVESTED, 0.90),
    (InputState.MISSING, 0.05),
    (InputState.UNAVAILABLE, 0.02),
    (InputState.NOT_APPLICABLE, 0.02),
    (InputState.STALE, 0.01),
)
DISCREPANT, LEAVING = 300, 0.1
"""Cells asked about, and the share of them that would leave the maximum."""
KEY = ("unit", "criterion", "name")

Tables = tuple[pl.DataFrame, list[str], pl.DataFrame, pl.DataFrame, pl.DataFrame]


def build_level() -> Level:
    """Seventy-two ratios of two counts each, half of them bound to metrics; one in nine prints its denominator."""
    criteria = tuple(
        Criterion(
            code=f"C{number}", printed_code=f"C{number}", name=f"Tiêu chí {number}", max_points=Decimal(2),
            rule="b/a", formula="min(b / a, 1) * max", clause=f"Phụ lục, mục {number}",
            inputs=tuple(
                InputSpec(
                    name=name, label=name, kind="count",
                    binding=MetricBinding(metric=f"m{number}{name}") if number < CRITERIA * BOUND else None,
                    default=Decimal(119) if name == "a" and number % 9 == 8 else None,
                )
                for name in "ab"
            ),
        )
        for number in range(CRITERIA)
    )  # fmt: skip
    node = Node(code="N", kind="main", name="Nhóm", criteria=criteria)
    return Level(level="commune", name="Cấp xã", basis="working", stated=Stated(), nodes=(node,))


def build_tables(level: Level, units: list[str], rng: random.Random) -> Tables:
    """The four tables and the units."""
    automatic: dict[Place, Automatic] = {}
    claims: dict[Place, Claim] = {}
    appraised: dict[Place, Appraised] = {}
    states, weights = zip(*STATES, strict=True)
    for unit in units:
        for criterion in level.criteria:
            for spec in criterion.inputs:
                at = (unit, criterion.code, spec.name)
                value = str(rng.randrange(1, 4000))
                if spec.binding is not None:
                    (state,) = rng.choices(states, weights)
                    has_value = state.has_value
                    reason = None if has_value else "nguồn không cho số liệu này"
                    evidence = (f"observation-{unit}-{criterion.code}-{spec.name}",)
                    automatic[at] = Automatic(state, value if has_value else None, evidence, reason, 0)
                if rng.random() < CLAIMED:
                    claims[at] = Claim(f"claim-{unit}-{criterion.code}-{spec.name}", value, InputState.REPORTED, "C")
                if rng.random() < APPRAISED:
                    appraised[at] = Appraised(f"event-{unit}-{criterion.code}", value, "đối chiếu hồ sơ")
    return (
        specs_table(level, Merging()), units, automatic_table(automatic), claims_table(claims),
        appraised_table(appraised),
    )  # fmt: skip


def by_hand(
    specs: pl.DataFrame, units: list[str], automatic: pl.DataFrame, claims: pl.DataFrame, appraised: pl.DataFrame
) -> pl.DataFrame:
    """The default precedence as one would write it for these tables alone."""
    auto_goes_first = pl.col("auto_state").is_not_null() & (
        (pl.col("auto_state") != "missing") | pl.col("claim").is_null()
    )
    case = (
        pl.when(pl.col("event").is_not_null())
        .then(0)
        .when(auto_goes_first)
        .then(1)
        .when(pl.col("claim").is_not_null())
        .then(2)
        .when(pl.col("default").is_not_null())
        .then(3)
        .otherwise(4)
    )

    def pick(*choices: pl.Expr) -> pl.Expr:
        first, *others = choices
        found = pl.when(pl.col("case") == 0).then(first)
        for number, choice in enumerate(others[:-1], start=1):
            found = found.when(pl.col("case") == number).then(choice)
        return found.otherwise(others[-1])

    nothing = pl.lit(None, pl.String)
    return (
        pl.LazyFrame({"unit": units})
        .join(specs.lazy(), how="cross")
        .join(automatic.lazy(), on=KEY, how="left")
        .join(claims.lazy(), on=KEY, how="left")
        .join(appraised.lazy(), on=KEY, how="left")
        .with_columns(case=case)
        .select(
            *KEY,
            value=pick(
                pl.col("appraised_value"), pl.col("auto_value"), pl.col("claim_value"), pl.col("default"), nothing
            ),
            state=pick(
                pl.lit("appraised"), pl.col("auto_state"), pl.col("claim_state"), pl.lit("reported"), pl.lit("pending")
            ),
            origin=pick(
                *(pl.lit(word) for word in ("appraised", "harvested", "self_reported", "decision", "none"))
            ),
            evidence=pick(
                pl.concat_list("event"), pl.col("auto_evidence"), pl.concat_list("claim"), pl.concat_list("clause"),
                pl.lit([], pl.List(pl.String)),
            ),
        )
        .collect()
    )  # fmt: skip


def best_of(times: int, runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Best seconds of each, in two rounds so that a busy moment of the machine does not fall on one of them alone."""
    best = dict.fromkeys(runs, float("inf"))
    for name, run in [*runs.items(), *runs.items()]:
        for _ in range(times):
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def differing(engine: pl.DataFrame, hand: pl.DataFrame) -> int:
    """Rows in which the two do not say the same."""
    columns = [*KEY, "value", "state", "origin", "evidence"]
    mine, theirs = (frame.select(columns).sort(KEY) for frame in (engine, hand))
    return mine.height if mine.height != theirs.height else int((mine.hash_rows() != theirs.hash_rows()).sum())


def impacts(level: Level, units: int, policy: str, rng: random.Random) -> tuple[float, float, int]:
    """Seconds to rank a level and to say what 300 cells would change, and the places that they would move together."""
    decision = Decision(number="01/QĐ-THU", issued_on=dt.date(2026, 1, 1), issuer="UBND tỉnh Thực Hành", title="Thử")
    framework = Framework(
        id="thu", decision=decision, province="tỉnh Thực Hành (đơn vị hư cấu)", window="year", levels=(level,),
        policies=Policies(not_applicable=policy),  # type: ignore[arg-type]
    )  # fmt: skip
    refs = [UnitRef(f"H00.{number:04}", f"Đơn vị {number}", f"H00.{number % 20:02}") for number in range(units)]
    cells: dict[tuple[str, str], Cell] = {}
    for ref in refs:
        for criterion in level.criteria:
            is_absent = rng.random() < 0.002
            state = CellState.NOT_APPLICABLE if is_absent else CellState.SCORED
            points = None if is_absent else Fraction(rng.randrange(0, 4000), 2000)
            cells[ref.code, criterion.code] = Cell(ref.code, criterion.code, state, points)
    scored = sorted(at for at, cell in cells.items() if cell.state is CellState.SCORED)
    start = time.perf_counter()
    asked = Impacts(framework, level, refs, cells)
    ranked = time.perf_counter()
    found = [
        asked.of(
            Cell(*at, CellState.NOT_APPLICABLE, None)
            if policy != "peer_mean" and rng.random() < LEAVING
            else Cell(*at, CellState.SCORED, Fraction(rng.randrange(0, 4000), 2000))
        )
        for at in rng.sample(scored, DISCREPANT)
    ]
    done = time.perf_counter()
    return ranked - start, done - ranked, sum(item.all_places for item in found if item is not None)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="400 units")
    quick = parser.parse_args().quick
    count, times = (400, 3) if quick else (4_000, 5)
    level = build_level()
    tables = build_tables(level, [f"H00.{number:04}" for number in range(count)], random.Random(SEED))
    specs, _, *sides = tables
    print(f"{count:,} units × {CRITERIA} criteria, {specs.height * count:,} inputs, seed {SEED}, ", end="")
    print(f"{pl.thread_pool_size()} threads; rows of sources, units, appraisers: {[f'{t.height:,}' for t in sides]}")
    wrong = differing(select_values(*tables), by_hand(*tables))
    gc.collect()
    gc.freeze()
    seconds = best_of(times, {"engine": lambda: select_values(*tables), "Polars by hand": lambda: by_hand(*tables)})
    for name, spent in seconds.items():
        print(f"{name:24} {spent * 1000:10.1f} ms   {spent / seconds['Polars by hand']:8.2f} × Polars by hand")
    print("values, states, origins: " + ("all agree" if not wrong else f"{wrong} rows differ"))
    for size in (88,) if quick else (88, 4_000):
        for policy in ("zero", "rescale", "peer_mean"):
            ranking, asking, places = impacts(level, size, policy, random.Random(SEED))
            print(
                f"{DISCREPANT} rank impacts, {size:,} units, {policy:9}: {asking * 1000:8.1f} ms after ranking once "
                f"({ranking * 1000:.0f} ms); {places:,} places"
            )
    return 0 if not wrong else 1


if __name__ == "__main__":
    raise SystemExit(main())
