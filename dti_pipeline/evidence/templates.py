"""Workbooks for an assessment's units, filled with what sources said on the newest night. Not here: their layout."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlmodel import Session, col, func, select

from dti_pipeline.evidence.report import levels_of
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.scoring.states import InputState
from dti_pipeline.store import facts
from dti_pipeline.store.tables import InputRow, ObservationRow

if TYPE_CHECKING:
    from dti_pipeline.evidence.workbook.template import Prefilled
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.night import Workspace


@dataclass(frozen=True, slots=True)
class Template:
    """A workbook that can be written."""

    unit: str
    file_name: str
    figures: int
    """How many figures are filled in."""
    write: Callable[[], bytes]


def templates(work: Workspace, assessment: Assessment, unit: str | None = None) -> list[Template]:
    """The workbook of every unit of an assessment, or of one; none where it has no such unit."""
    from dti_pipeline.evidence.workbook.template import write_workbook

    framework = load_framework(assessment.framework)
    now = work.now()
    found: list[Template] = []
    with Session(work.engine) as session:
        newest = session.exec(select(func.max(InputRow.night)).where(InputRow.assessment == assessment.id)).one()
        as_of = dt.date.fromisoformat(newest) if newest else (now - dt.timedelta(days=1)).date()
        for level, units in levels_of(work, session, assessment, now):
            known = _harvested(session, assessment.id, level.level, as_of)
            for code, (ref, due) in units.items():
                if unit not in (None, code):
                    continue
                prefilled = known.get(code, {})
                write = partial(
                    write_workbook, assessment, framework, level, ref, prefilled=prefilled, as_of=as_of, due=due
                )
                found.append(Template(code, f"{assessment.id}-{code}.xlsx", len(prefilled), write))
    return found


def _harvested(
    session: Session, assessment: str, level: str, night: dt.date
) -> dict[str, dict[tuple[str, str], Prefilled]]:
    """Unit -> (criterion, input) -> the figure that a source gave, with the connector and the night as its source."""
    from dti_pipeline.evidence.workbook.template import Prefilled

    rows = [
        row
        for row in facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment, level))
        if row.origin == "harvested" and row.value is not None and row.state == InputState.HARVESTED
    ]
    evidence = {row.id: json.loads(row.evidence) for row in rows}
    ids = sorted({item for items in evidence.values() for item in items})
    connectors: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        statement = select(ObservationRow.id, ObservationRow.connector).where(col(ObservationRow.id).in_(chunk))
        connectors |= dict(session.exec(statement).all())
    found: dict[str, dict[tuple[str, str], Prefilled]] = {}
    for row in rows:
        names = sorted({connectors[item] for item in evidence[row.id] if item in connectors})
        source = f"{', '.join(names) or 'nguồn tự động'}, đêm {night.strftime('%d/%m/%Y')}"
        found.setdefault(row.unit, {})[row.criterion, row.name] = Prefilled(row.value or "", source)
    return found
