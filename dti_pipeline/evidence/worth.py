"""How many of a night's points rest on sources, documents, statements, appraisers: from stored rows.

Reading only. Not here: what a cell's points count as (`dti_pipeline.scoring.origins`), printing.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING

from sqlmodel import Session

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.scoring.origins import Origin, input_origin, points_by_origin
from dti_pipeline.scoring.states import CellState
from dti_pipeline.store import facts
from dti_pipeline.store.tables import InputRow, ScoreRow

if TYPE_CHECKING:
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.night import Workspace


def points_by_origin_of(work: Workspace, assessment: Assessment, night: dt.date) -> dict[Origin, int]:
    """Whole micro-points of all units that a night scored, by what they rest on."""
    found: dict[Origin, int] = {}
    with Session(work.engine) as session:
        for level in assessment.scored_levels(load_framework(assessment.framework)):
            inputs: dict[tuple[str, str], set[Origin]] = defaultdict(set)
            for row in facts.live(
                facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment.id, level.level)
            ):
                if row.value is not None:
                    inputs[row.unit, row.criterion].add(input_origin(row.origin, row.grade))
            scores = facts.live(facts.of_night(session, ScoreRow, facts.SCORE_KEY, night, assessment.id, level.level))
            cells = ((CellState(row.state), row.points_micro, inputs[row.unit, row.criterion]) for row in scores)
            for origin, points in points_by_origin(cells).items():
                found[origin] = found.get(origin, 0) + points
    return found
