"""The chain behind one cell, walked from the points down to the bytes: what `dti explain` prints.

Here: gathering the chain from the store. Not here: the wording of formulas (`scoring/words.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, cast

from sqlmodel import Session, col, select

from dti_pipeline.appraisal.chain import events_of
from dti_pipeline.appraisal.model import DECIDING
from dti_pipeline.appraisal.views import event_data
from dti_pipeline.evidence import report as handed_in
from dti_pipeline.evidence.model import GRADE_WORDS, Grade
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, InputSpec
from dti_pipeline.night import Workspace, result_of, stored_inputs
from dti_pipeline.scoring import words
from dti_pipeline.scoring.discrepancy import KIND_WORDS, Kind
from dti_pipeline.scoring.engine import UnitRef, decimal_text
from dti_pipeline.scoring.periods import cut_off
from dti_pipeline.scoring.report import EXACT_DECIMALS, plain
from dti_pipeline.scoring.states import CELL_STATE_WORDS, CellState
from dti_pipeline.store import facts
from dti_pipeline.store.tables import (
    ClaimRow,
    DiscrepancyRow,
    InputRow,
    ObservationRow,
    ScoreRow,
    SnapshotRow,
    StandingRow,
    SubmissionRow,
)


class NothingToExplain(LookupError):
    """No such figure: which night, unit or criterion is missing, and what there is instead."""


def explain(work: Workspace, assessment_id: str, unit: str, criterion_code: str, night: dt.date) -> dict[str, Any]:
    """The chain of one cell as plain data. Raises UnknownAssessment and NothingToExplain."""
    assessment = work.assessment(assessment_id)
    framework_id = assessment.framework
    framework = load_framework(framework_id)
    with Session(work.engine) as session:
        for level in framework.levels:
            rows = facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment_id, level.level))
            own = [row for row in rows if row.unit == unit]
            if own:
                break
        else:
            raise NothingToExplain(
                f"đêm {night.isoformat()} không có đơn vị «{unit}» trong {assessment_id}; "
                "xem các đơn vị bằng: dti rankings show"
            )
        try:
            criterion = level.criterion(criterion_code)
        except KeyError:
            raise NothingToExplain(
                f"{framework_id}, cấp {level.level} không có tiêu chí «{criterion_code}»; "
                f"xem các tiêu chí bằng: dti frameworks show {framework_id} --level {level.level}"
            ) from None
        scores = facts.live(facts.of_night(session, ScoreRow, facts.SCORE_KEY, night, assessment_id, level.level))
        stored = next((row for row in scores if (row.unit, row.criterion) == (unit, criterion_code)), None)
        mine = [row for row in own if row.criterion == criterion_code]
        inputs = stored_inputs(session, level, mine)
        # The whole level: a policy may take a cell's points from its peers.
        result = result_of(work, assessment_id, level.level, night)
        line = next(item for item in result.units if item.unit.code == unit)
        cell = next((item for item in line.cells if item.criterion == criterion_code), None)
        if cell is None:
            raise NothingToExplain(
                f"{own[0].unit_name} ({unit}) không được đánh giá trong kỳ này: {line.standing_reason}"
            )
        is_claimed = any(row.origin == "self_reported" for row in mine)
        refs = [UnitRef(unit, own[0].unit_name, own[0].parent)]
        known = handed_in.known_at(work, session, assessment, level, refs, cut_off(night)) if is_claimed else None
        spoken = known.cells.get((unit, criterion_code)) if known else None
        standings = facts.live(
            facts.of_night(session, StandingRow, facts.STANDING_KEY, night, assessment_id, level.level)
        )
        standing = next((row for row in standings if (row.unit, row.criterion) == (unit, criterion_code)), None)
        compared = facts.of_night(session, DiscrepancyRow, facts.DISCREPANCY_KEY, night, assessment_id, level.level)
        beside = {row.name: row for row in facts.live(compared) if (row.unit, row.criterion) == (unit, criterion_code)}
        return {
            "assessment": assessment_id,
            "year": assessment.year,
            "framework": framework_id,
            "decision": framework.decision.number,
            "level": level.level,
            "night": night.isoformat(),
            "unit": unit,
            "unit_name": own[0].unit_name,
            "criterion": criterion.code,
            "name": criterion.name,
            "clause": criterion.clause,
            "basis": criterion.basis,
            "working_annex": framework.working_words if criterion.basis == "working" else None,
            "points": None if cell.points is None else decimal_text(cell.points, EXACT_DECIMALS),
            "points_exact": None if cell.points is None else str(cell.points),
            "max_points": plain(criterion.max_points),
            "state": cell.state.value,
            "state_words": CELL_STATE_WORDS[cell.state],
            "reason": cell.reason,
            "stored_points": _stored_points(stored),
            "source_points": stored.source_points if stored else None,
            "rule": criterion.rule,
            "formula": criterion.formula,
            "in_words": words.sentence(
                criterion,
                {name: value for (_, _, name), value in inputs.items()},
                cell.points,
                framework.decimals,
            ),
            "notes": list(criterion.notes),
            "standing": None
            if standing is None
            else {
                "state": standing.state,
                "state_words": CELL_STATE_WORDS[CellState(standing.state)],
                "reason": standing.reason,
            },
            "inputs": [
                _input(
                    work,
                    session,
                    criterion,
                    row,
                    beside.get(row.name),
                    night,
                    is_late=spoken is not None and spoken.is_late,
                )
                for row in mine
            ],
            "evidence": handed_in.papers(session, known, spoken) if known and spoken else [],
            "appraisal": [
                event_data(event)
                for event in events_of(session, assessment_id)
                if (event.unit, event.criterion) == (unit, criterion_code)
                and event.action in (*DECIDING, "reopen")
                and event.outcome == "done"
                and event.at <= cut_off(night)
            ],
        }


def _stored_points(stored: ScoreRow | None) -> str | None:
    return None if stored is None or stored.points_micro is None else _micro_text(stored.points_micro)


def _micro_text(points: int) -> str:
    whole, part = divmod(abs(points), 1_000_000)
    return f"{'-' if points < 0 else ''}{whole}.{part:06d}".rstrip("0").rstrip(".")


def _input(
    work: Workspace,
    session: Session,
    criterion: Criterion,
    row: InputRow,
    beside: DiscrepancyRow | None,
    night: dt.date,
    *,
    is_late: bool,
) -> dict[str, Any]:
    spec: InputSpec = criterion.input(row.name)
    evidence = json.loads(row.evidence)
    return {
        "name": row.name,
        "label": spec.label,
        "value": row.value,
        "state": row.state,
        "origin": row.origin,
        "reason": row.reason,
        "grade": row.grade,
        "grade_words": GRADE_WORDS[Grade(row.grade)] if row.grade else None,
        "age_days": row.age_days,
        "part": spec.binding.part if spec.binding else None,
        "observations": [_observation(work, session, item, night) for item in evidence if row.origin == "harvested"],
        "claims": [_claim(session, item, is_late=is_late) for item in evidence if row.origin == "self_reported"],
        "printed_in": evidence if row.origin == "decision" else [],
        "before_appraisal": _before_appraisal(session, row) if row.origin == "appraised" else None,
        "sides": _sides(row, beside),
    }


def _sides(row: InputRow, beside: DiscrepancyRow | None) -> dict[str, Any] | None:
    """What the unit, sources and an appraiser say of the input; None where only one can speak and it counts."""
    if beside is None:
        return None
    return {
        "claimed": beside.claimed,
        "claimed_state": beside.claimed_state,
        "automatic": beside.automatic,
        "automatic_state": beside.automatic_state,
        "automatic_reason": beside.automatic_reason,
        "other_sources": [
            {"source": source, "unit": unit, "value": value} for source, unit, value in json.loads(beside.other_sources)
        ],
        "appraised": row.value if row.origin == "appraised" else None,
        "kind": beside.kind,
        "kind_words": KIND_WORDS[cast(Kind, beside.kind)],
        "note": beside.note,
        "rank_impact": beside.rank_impact,
        "points": None if beside.points_micro is None else _micro_text(beside.points_micro),
    }


def _before_appraisal(session: Session, row: InputRow) -> dict[str, Any] | None:
    """What the input was when no appraiser had decided on it yet; None where it was decided before its first night."""
    statement = (
        select(InputRow)
        .where(
            InputRow.assessment == row.assessment,
            InputRow.unit == row.unit,
            InputRow.criterion == row.criterion,
            InputRow.name == row.name,
            InputRow.night <= row.night,
            InputRow.origin != "appraised",
        )
        .order_by(col(InputRow.night).desc(), col(InputRow.revision).desc())
    )
    before = session.exec(statement).first()
    if before is None:
        return None
    return {"value": before.value, "state": before.state, "origin": before.origin, "night": before.night}


def _observation(work: Workspace, session: Session, observation_id: str, night: dt.date) -> dict[str, Any]:
    row = session.exec(select(ObservationRow).where(ObservationRow.id == observation_id)).one()
    snapshot = session.exec(
        select(SnapshotRow)
        .where(SnapshotRow.reading_id == row.reading_id, SnapshotRow.night <= night.isoformat())
        .order_by(col(SnapshotRow.night).desc(), col(SnapshotRow.captured_at).desc())
    ).first()
    if snapshot is None:
        # Both are written in one transaction; only a database that was edited by hand gets here.
        raise NothingToExplain(f"số liệu {observation_id} không còn bản chụp nguồn trong cơ sở dữ liệu")
    return {
        "id": row.id,
        "metric": row.metric,
        "unit": row.unit,
        "unit_name": row.unit_name,
        "period": f"{row.period_start}..{row.period_end}",
        "value": row.value,
        "numerator": row.numerator,
        "denominator": row.denominator,
        "flag": row.flag,
        "locator": row.locator,
        "connector": row.connector,
        "connector_version": row.connector_version,
        "site": row.site,
        "snapshot": {
            "sha256": snapshot.body_sha256,
            "bytes": snapshot.body_bytes,
            "stored_at": work.snapshots.path(snapshot.body_sha256 or ""),
            "url": snapshot.url,
            "request": json.loads(snapshot.request),
            "status": snapshot.status,
            "captured_at": snapshot.captured_at,
            "night": snapshot.night,
            "dagster_run": snapshot.dagster_run,
        },
    }


def _claim(session: Session, claim_id: str, *, is_late: bool) -> dict[str, Any]:
    row = session.exec(select(ClaimRow).where(ClaimRow.id == claim_id)).one()
    submission = session.exec(select(SubmissionRow).where(SubmissionRow.id == row.submission)).one()
    return {
        "id": row.id,
        "unit": row.unit,
        "submission": submission.id,
        "sequence": submission.sequence,
        "file": submission.file_name,
        "submitted_by": submission.submitted_by,
        "is_late": is_late,
        "value": row.value,
        "state": row.state,
        "file_sha256": row.body_sha256,
        "locator": row.locator,
        "recorded_at": row.recorded_at,
    }
