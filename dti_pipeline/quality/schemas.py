"""What must hold of our own tables at each boundary of a night: pandera schemas over collected Polars frames.

Here: the invariants. Not here: whether a source answered (`assets/checks.py`) and distributions (`expectations.py`).
Row minima are explicit, because an empty frame passes every column check.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from dti_pipeline.scoring.states import CellState, InputState

_POINTED = [CellState.SCORED.value, CellState.SOURCE_SCORE.value, CellState.STALE.value]
_ZERO = [CellState.ZERO_NO_EVIDENCE.value, CellState.ZERO_LATE.value, CellState.ZERO_REJECTED.value]
_WITH_VALUE = [state.value for state in InputState if state.has_value]


@dataclass(frozen=True)
class Verdict:
    """Whether a frame holds, and a table of what fails (column, check, value, index)."""

    passed: bool
    rows: int
    failures: pl.DataFrame


def _row_check(name: str, expression: pl.Expr) -> pa.Check:
    """A check over whole rows; a null outcome counts as a failure."""
    return pa.Check(lambda data: data.lazyframe.select(expression.fill_null(False)), name=name, error=name)


FIGURES = pa.DataFrameSchema(
    {
        "metric": pa.Column(str),
        "unit": pa.Column(str, pa.Check.str_matches(r"^(VN|[A-Z]\d{2}(\.\d{2,3})*)$")),
        "state": pa.Column(str, pa.Check.isin([state.value for state in InputState])),
        "value": pa.Column(float, pa.Check.ge(0), nullable=True),
        "numerator": pa.Column(float, pa.Check.ge(0), nullable=True),
        "denominator": pa.Column(float, pa.Check.ge(0), nullable=True),
    },
    checks=[
        _row_check(
            "numerator_within_denominator",
            pl.col("numerator").is_null()
            | pl.col("denominator").is_null()
            | (pl.col("numerator") <= pl.col("denominator")),
        ),
        _row_check("period_in_order", pl.col("period_start") <= pl.col("period_end")),
        _row_check(
            "harvested_has_a_number",
            (pl.col("state") != "harvested") | pl.col("value").is_not_null() | pl.col("numerator").is_not_null(),
        ),
    ],
    unique=["metric", "unit", "period_start", "period_end", "connector"],
    name="figures",
)

INPUTS = pa.DataFrameSchema(
    {
        "unit": pa.Column(str),
        "criterion": pa.Column(str),
        "name": pa.Column(str),
        "state": pa.Column(str, pa.Check.isin([state.value for state in InputState])),
        "origin": pa.Column(str, pa.Check.isin(["appraised", "harvested", "self_reported", "decision", "none"])),
    },
    checks=[
        _row_check(
            "value_exactly_where_the_state_has_one",
            pl.col("state").is_in(_WITH_VALUE) == pl.col("value").is_not_null(),
        ),
        _row_check(
            "value_rests_on_evidence",
            pl.col("value").is_null() | (pl.col("evidence") != "[]"),
        ),
        _row_check(
            "a_grade_exactly_where_a_source_or_the_unit_gave_a_value",
            pl.when(pl.col("value").is_null() | ~pl.col("origin").is_in(["harvested", "self_reported"]))
            .then(pl.col("grade").is_null())
            .when(pl.col("origin") == "harvested")
            .then(pl.col("grade") == "A")
            .otherwise(pl.col("grade").is_in(["B", "C", "D"])),
        ),
    ],
    unique=["assessment", "level", "unit", "criterion", "name"],
    name="inputs",
)

SCORES = pa.DataFrameSchema(
    {
        "unit": pa.Column(str),
        "criterion": pa.Column(str),
        "state": pa.Column(str, pa.Check.isin([state.value for state in CellState])),
        "points_micro": pa.Column(int, pa.Check.ge(0), nullable=True),
    },
    checks=[
        _row_check(
            "points_within_maximum",
            pl.col("points_micro").is_null() | (pl.col("points_micro") <= pl.col("max_micro")),
        ),
        _row_check(
            "points_exactly_where_the_state_has_some",
            # A not-applicable cell has points where the policy gives it some, and none where it leaves the maximum.
            (pl.col("state") == CellState.NOT_APPLICABLE.value)
            | (pl.col("state").is_in(_POINTED + _ZERO) == pl.col("points_micro").is_not_null()),
        ),
        _row_check(
            "zero_states_are_zero",
            ~pl.col("state").is_in(_ZERO) | (pl.col("points_micro").fill_null(-1) == 0),
        ),
        _row_check("no_points_means_a_reason", pl.col("points_micro").is_not_null() | pl.col("reason").is_not_null()),
    ],
    unique=["assessment", "unit", "criterion"],
    name="scores",
)

_RANKED = ["ranked", "not_appraised"]

RANKINGS = pa.DataFrameSchema(
    {
        "unit": pa.Column(str),
        "standing": pa.Column(str, pa.Check.isin([*_RANKED, "unranked", "exempt"])),
        "rank": pa.Column(int, pa.Check.ge(1), nullable=True),
        "rank_in_pool": pa.Column(int, pa.Check.ge(1), nullable=True),
        "total_micro": pa.Column(int, pa.Check.ge(0), nullable=True),
        "percent": pa.Column(float, pa.Check.in_range(0, 100), nullable=True),
    },
    checks=[
        _row_check(
            "competition_ranks",
            pl.col("rank").is_null() | (pl.col("rank") == pl.col("rank").rank("min").over("assessment").cast(pl.Int64)),
        ),
        _row_check(
            "pool_ranks",
            pl.col("rank_in_pool").is_null()
            | (pl.col("rank_in_pool") == pl.col("rank_in_pool").rank("min").over("assessment", "pool").cast(pl.Int64)),
        ),
        _row_check(
            "a_rank_exactly_where_the_standing_has_one",
            (pl.col("standing").is_in(_RANKED) == pl.col("rank").is_not_null())
            & (pl.col("rank").is_not_null() == pl.col("rank_in_pool").is_not_null()),
        ),
        _row_check(
            "a_score_exactly_where_the_unit_is_assessed",
            (pl.col("standing") != "exempt") == pl.col("total_micro").is_not_null(),
        ),
        _row_check("unappraised_is_zero", (pl.col("standing") != "not_appraised") | (pl.col("total_micro") == 0)),
    ],
    unique=["assessment", "unit"],
    name="rankings",
)


def verify(schema: pa.DataFrameSchema, frame: pl.DataFrame, *, rows: int | None = None, least: int = 0) -> Verdict:
    """Hold a collected frame to a schema and to a number of rows (exactly `rows`, or at least `least`)."""
    problems: list[dict[str, str]] = []
    if rows is not None and frame.height != rows:
        problems.append({"column": "", "check": f"{rows} rows", "value": str(frame.height), "index": ""})
    if frame.height < least:
        problems.append({"column": "", "check": f"at least {least} rows", "value": str(frame.height), "index": ""})
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        problems += [
            {
                "column": str(case.get("column") or ""),
                "check": str(case.get("check") or ""),
                "value": str(case.get("failure_case") or ""),
                "index": str(case.get("index") if case.get("index") is not None else ""),
            }
            for case in cases.to_dicts()
        ]
    table = pl.DataFrame(problems, schema=dict.fromkeys(("column", "check", "value", "index"), pl.String))
    return Verdict(not problems, frame.height, table)
