"""A second opinion on a night's scores: the vectorised interpreter recomputes what the exact one stored.

The two share the parsed formula and nothing else, so a defect of one shows. Cells that the fast path leaves open
(no value, too near a rounding half) are not its business. Not here: the invariants of the table (`schemas.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

import polars as pl
from sqlmodel import Session

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion
from dti_pipeline.night import Workspace, stored_inputs
from dti_pipeline.quality.schemas import Verdict
from dti_pipeline.scoring.states import POINT_STATES
from dti_pipeline.scoring.vector import LevelPlan, column, fast_value, score_wide, wide_schema
from dti_pipeline.store import facts
from dti_pipeline.store.tables import InputRow, ScoreRow

_BY_FORMULA = frozenset(state.value for state in POINT_STATES)


def second_opinion(work: Workspace, assessment_id: str, level_name: str, night: dt.date) -> Verdict:
    """Hold every stored cell that has points to the vectorised interpreter; `rows` is how many could be compared."""
    level = load_framework(work.assessment(assessment_id).framework).level(level_name)
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment_id, level_name))
        inputs = stored_inputs(session, level, rows)
        scores = facts.live(facts.of_night(session, ScoreRow, facts.SCORE_KEY, night, assessment_id, level_name))
        # Points that a policy or a ruling gave are not the formula's.
        stored = {(row.unit, row.criterion): row.points_micro for row in scores if row.state in _BY_FORMULA}
    units = list(dict.fromkeys(unit for unit, _, _ in inputs))
    columns: dict[str, list[float | str | None]] = {}
    for criterion in level.criteria:
        for spec in criterion.inputs:
            values = (inputs[unit, criterion.code, spec.name].value for unit in units)
            columns[column(criterion.code, spec.name)] = [
                fast_value(value, spec.kind) if isinstance(value, Fraction) else value for value in values
            ]
    fast = score_wide(LevelPlan(level), pl.DataFrame(columns, schema=wide_schema(level)), _leave_open).micro
    compared = 0
    problems: list[dict[str, str]] = []
    for criterion in level.criteria:
        for unit, micro in zip(units, fast[criterion.code].to_list(), strict=True):
            kept = stored.get((unit, criterion.code))
            if micro is None or kept is None:
                continue
            compared += 1
            if micro != kept:
                value = f"{kept} stored, {micro} recomputed"
                problems.append({"column": criterion.code, "check": "same points", "value": value, "index": unit})
    table = pl.DataFrame(problems, schema=dict.fromkeys(("column", "check", "value", "index"), pl.String))
    return Verdict(not problems, compared, table)


def _leave_open(_criterion: Criterion, rows: Sequence[int]) -> list[Fraction | None]:
    return [None] * len(rows)
