"""Decisions as the ranking takes them: what holds for units and cells instead of their figures. Pure."""

from __future__ import annotations

from dti_pipeline.appraisal.model import Decisions
from dti_pipeline.scoring.engine import Ruling, Rulings
from dti_pipeline.scoring.states import CellState


def appraisal_rulings(decisions: Decisions) -> Rulings:
    """Decisions that replace figures: whole units exempt or not appraised, cells rejected, excluded, not applicable."""
    units = decisions.units
    return Rulings(
        exempt={unit: words_of(item.reason, item.document) for (unit, act_), item in units.items() if act_ == "exempt"},
        not_appraised={
            unit: words_of(item.reason, item.document)
            for (unit, act_), item in units.items()
            if act_ == "not_appraised"
        },
        cells={
            at: Ruling(STATE_OF[item.action], words_of(item.reason, item.document))
            for at, item in decisions.cells.items()
            if item.action in STATE_OF
        },
    )


STATE_OF: dict[str, CellState] = {
    "reject": CellState.ZERO_REJECTED,
    "grant_na": CellState.NOT_APPLICABLE,
    "exclude": CellState.EXCLUDED,
}


def words_of(reason: str | None, document: str | None) -> str:
    return f"{reason} ({document})" if document else reason or ""
