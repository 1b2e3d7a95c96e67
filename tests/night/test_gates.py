"""The gates fail: each invariant of our own tables, broken once; and the second opinion on a tampered score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from night_kit import NIGHT, NINH_THUAN, install_small, run
from sqlmodel import Session, select

from dti_pipeline.quality import frames, schemas
from dti_pipeline.quality.second_opinion import second_opinion
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.store.tables import ScoreRow

FIGURE = {
    "metric": "dossiers_received",
    "unit": "H00.01",
    "unit_name": "Sở",
    "period_start": "2026-01-01",
    "period_end": "2026-12-31",
    "state": "harvested",
    "value": 5.0,
    "numerator": 1.0,
    "denominator": 2.0,
    "seen_on": "2026-10-15",
    "connector": "c",
    "site": "s",
}
INPUT = {
    "assessment": "a",
    "level": "province",
    "unit": "H00",
    "unit_name": "tỉnh",
    "criterion": "5.8",
    "name": "a",
    "value": "1",
    "state": "reported",
    "origin": "self_reported",
    "evidence": '["x"]',
    "grade": "D",
}
SCORE = {
    "assessment": "a",
    "unit": "H00",
    "criterion": "5.8",
    "state": "scored",
    "points_micro": 1_000_000,
    "max_micro": 2_000_000,
    "reason": None,
    "source_points": None,
}
RANKING = {
    "assessment": "a",
    "standing": "ranked",
    "rank": 1,
    "pool": "p",
    "rank_in_pool": 1,
    "unit": "H00",
    "unit_name": "tỉnh",
    "total_micro": 1,
    "max_points": "2",
    "percent": 50.0,
    "published": "1.00",
    "is_provisional": False,
}
RANK_TYPES = {"rank": pl.Int64, "rank_in_pool": pl.Int64, "total_micro": pl.Int64, "percent": pl.Float64}
SCORE_TYPES = RANK_TYPES | {
    "points_micro": pl.Int64,
    "max_micro": pl.Int64,
    "reason": pl.String,
    "source_points": pl.String,
}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows as the loaders of `frames` shape them, also where a column holds nothing but nulls."""
    kinds: dict[str, Any] = dict(frames.FIGURES) if "metric" in rows[0] else dict(SCORE_TYPES)
    return pl.DataFrame(list(rows), schema_overrides={k: v for k, v in kinds.items() if k in rows[0]})


@pytest.mark.parametrize(
    ("schema", "good"),
    [
        (schemas.FIGURES, FIGURE),
        (schemas.INPUTS, INPUT),
        (schemas.SCORES, SCORE),
        (schemas.RANKINGS, RANKING),
    ],
)
def test_a_good_row_passes_and_the_row_counts_are_held(schema: Any, good: dict[str, Any]) -> None:
    assert schemas.verify(schema, frame(good), rows=1).passed
    assert not schemas.verify(schema, frame(good), rows=2).passed
    assert not schemas.verify(schema, frame(good).clear(), least=1).passed
    assert not schemas.verify(schema, frame(good, good)).passed


@pytest.mark.parametrize(
    ("schema", "good", "change", "check"),
    [
        (schemas.FIGURES, FIGURE, {"unit": "Sở Nội vụ"}, "str_matches"),
        (schemas.FIGURES, FIGURE, {"state": "zero"}, "isin"),
        (schemas.FIGURES, FIGURE, {"value": -1.0}, "greater_than_or_equal_to"),
        (schemas.FIGURES, FIGURE, {"numerator": 3.0}, "numerator_within_denominator"),
        (schemas.FIGURES, FIGURE, {"period_start": "2027-01-01"}, "period_in_order"),
        (schemas.FIGURES, FIGURE, {"value": None, "numerator": None}, "harvested_has_a_number"),
        (schemas.INPUTS, INPUT, {"origin": "guess"}, "isin"),
        (schemas.INPUTS, INPUT, {"state": "missing"}, "value_exactly_where_the_state_has_one"),
        (schemas.INPUTS, INPUT, {"evidence": "[]"}, "value_rests_on_evidence"),
        (schemas.INPUTS, INPUT, {"grade": "A"}, "a_grade_exactly_where_a_source_or_the_unit_gave_a_value"),
        (schemas.INPUTS, INPUT, {"origin": "harvested"}, "a_grade_exactly_where_a_source_or_the_unit_gave_a_value"),
        (schemas.INPUTS, INPUT, {"origin": "decision"}, "a_grade_exactly_where_a_source_or_the_unit_gave_a_value"),
        (schemas.SCORES, SCORE, {"points_micro": 2_000_001}, "points_within_maximum"),
        (schemas.SCORES, SCORE, {"state": "pending", "reason": "x"}, "points_exactly_where_the_state_has_some"),
        (schemas.SCORES, SCORE, {"state": "zero_late"}, "zero_states_are_zero"),
        (schemas.SCORES, SCORE, {"state": "pending", "points_micro": None}, "no_points_means_a_reason"),
        (schemas.RANKINGS, RANKING, {"rank": 2}, "competition_ranks"),
        (schemas.RANKINGS, RANKING, {"rank_in_pool": 2}, "pool_ranks"),
        (schemas.RANKINGS, RANKING, {"percent": 100.5}, "in_range"),
        (schemas.RANKINGS, RANKING, {"standing": "first"}, "isin"),
        (schemas.RANKINGS, RANKING, {"standing": "unranked"}, "a_rank_exactly_where_the_standing_has_one"),
        (schemas.RANKINGS, RANKING, {"rank_in_pool": None}, "a_rank_exactly_where_the_standing_has_one"),
        (schemas.RANKINGS, RANKING, {"total_micro": None}, "a_score_exactly_where_the_unit_is_assessed"),
        (schemas.RANKINGS, RANKING, {"standing": "not_appraised"}, "unappraised_is_zero"),
    ],
)
def test_each_invariant_broken_once_is_named(
    schema: Any, good: dict[str, Any], change: dict[str, Any], check: str
) -> None:
    verdict = schemas.verify(schema, frame(good | change))
    assert not verdict.passed
    assert any(check in named for named in verdict.failures["check"])


def test_a_tampered_score_is_found_by_the_second_opinion(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        run(work)
    honest = second_opinion(work, NINH_THUAN, "province", NIGHT)
    assert honest.passed
    # Of 91 cells those that the portal and the self-report fill; the other sources are not asked here.
    assert honest.rows >= 60
    with Session(work.engine) as session, session.begin():
        row = session.exec(select(ScoreRow).where(ScoreRow.criterion == "5.8")).one()
        row.points_micro = (row.points_micro or 0) + 1
        session.add(row)
    verdict = second_opinion(work, NINH_THUAN, "province", NIGHT)
    assert not verdict.passed
    assert verdict.failures["column"].to_list() == ["5.8"]
