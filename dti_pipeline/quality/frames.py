"""Stored facts of a night as Polars frames, for the checks and the previews. Reading only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import polars as pl
from sqlmodel import Session

from dti_pipeline.night import CurrentFigures, Workspace
from dti_pipeline.store import facts
from dti_pipeline.store.tables import InputRow, RankingRow, ScoreRow

FIGURES = {
    "metric": pl.String,
    "unit": pl.String,
    "unit_name": pl.String,
    "period_start": pl.String,
    "period_end": pl.String,
    "state": pl.String,
    "value": pl.Float64,
    "numerator": pl.Float64,
    "denominator": pl.Float64,
    "seen_on": pl.String,
    "connector": pl.String,
    "site": pl.String,
}


def figures(current: CurrentFigures) -> pl.DataFrame:
    """The current harvested figures, one row per metric, unit and period. Floats: for checks and charts only."""

    def number(text: str | None) -> float | None:
        return None if text is None else float(text)

    return pl.DataFrame(
        [
            {
                "metric": row.metric,
                "unit": row.unit,
                "unit_name": row.unit_name,
                "period_start": row.period_start,
                "period_end": row.period_end,
                "state": row.state,
                "value": number(row.value),
                "numerator": number(row.numerator),
                "denominator": number(row.denominator),
                "seen_on": snapshot.night,
                "connector": row.connector,
                "site": row.site,
            }
            for row, snapshot in current.observations
        ],
        schema=FIGURES,
    )


def inputs(work: Workspace, assessments: Sequence[str], levels: Sequence[str], night: dt.date) -> pl.DataFrame:
    """The night's inputs of some assessments and levels."""
    columns = (
        *("assessment", "level", "unit", "unit_name", "criterion", "name", "value", "state", "origin", "evidence"),
        "grade",
    )
    with Session(work.engine) as session:
        rows = [
            {column: getattr(row, column) for column in columns}
            for assessment in assessments
            for level in levels
            for row in facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment, level))
        ]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))


def scores(work: Workspace, assessments: Sequence[str], level: str, night: dt.date) -> pl.DataFrame:
    """The night's cells of a level; points and maxima in micro-points."""
    schema = {
        "assessment": pl.String,
        "unit": pl.String,
        "criterion": pl.String,
        "state": pl.String,
        "points_micro": pl.Int64,
        "max_micro": pl.Int64,
        "reason": pl.String,
        "source_points": pl.String,
    }
    with Session(work.engine) as session:
        rows = [
            {
                "assessment": row.assessment,
                "unit": row.unit,
                "criterion": row.criterion,
                "state": row.state,
                "points_micro": row.points_micro,
                "max_micro": int(Decimal(row.max_points).scaleb(6)),
                "reason": row.reason,
                "source_points": row.source_points,
            }
            for assessment in assessments
            for row in facts.live(facts.of_night(session, ScoreRow, facts.SCORE_KEY, night, assessment, level))
        ]
    return pl.DataFrame(rows, schema=schema)


def rankings(work: Workspace, assessments: Sequence[str], level: str, night: dt.date) -> pl.DataFrame:
    """The night's ranked tables of a level, best first; units without a rank last."""
    schema = {
        "assessment": pl.String,
        "rank": pl.Int64,
        "pool": pl.String,
        "rank_in_pool": pl.Int64,
        "unit": pl.String,
        "unit_name": pl.String,
        "standing": pl.String,
        "total_micro": pl.Int64,
        "max_points": pl.String,
        "percent": pl.Float64,
        "published": pl.String,
        "rating": pl.String,
        "is_provisional": pl.Boolean,
    }
    with Session(work.engine) as session:
        rows = [
            {
                column: float(row.percent) if column == "percent" and row.percent is not None else getattr(row, column)
                for column in schema
            }
            for assessment in assessments
            for row in facts.live(facts.of_night(session, RankingRow, facts.RANKING_KEY, night, assessment, level))
        ]
    return pl.DataFrame(rows, schema=schema).sort("assessment", "rank", "unit", nulls_last=True)
