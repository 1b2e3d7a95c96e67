"""What was handed in, as plain data: submissions, units, cells and their papers, for the command line and `explain`.

Reading only. Not here: what counts (`standing.py`), printing (`dti_pipeline/cli/evidence.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from dti_pipeline.appraisal.chain import events_of
from dti_pipeline.appraisal.decisions import decisions_at
from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.known import KnownReports, known_reports, rules_of, with_asked
from dti_pipeline.evidence.model import GRADE_WORDS, Timeliness, Verdict, file_key
from dti_pipeline.evidence.standing import CellReport
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Level
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.store import facts
from dti_pipeline.store.tables import ClaimRow, EvidenceFileRow, ReportedCellRow, SubmissionRow

if TYPE_CHECKING:
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.night import Workspace

UNIT_STATES = {
    "in_time": "đã báo cáo đúng hạn",
    "with_problems": "đã báo cáo, còn lỗi phải sửa",
    "late": "báo cáo sau hạn",
    "never": "chưa báo cáo",
}
"""What a unit's reports come to, in words."""
TIMELINESS_WORDS: dict[Timeliness, str] = {
    "in_time": "đúng hạn",
    "supplement": "bổ sung trong hạn",
    "late": "sau hạn",
}


class NothingHandedIn(LookupError):
    """No such submission or unit in the assessment: what is missing, and where to look."""


def levels_of(
    work: Workspace, session: Session, assessment: Assessment, moment: dt.datetime
) -> list[tuple[Level, dict[str, tuple[UnitRef, Due]]]]:
    """Every scored level with its units of that day and their deadlines, supplements asked for by then included."""
    from dti_pipeline.night import units_of

    framework = load_framework(assessment.framework)
    decisions = decisions_at(events_of(session, assessment.id), moment)
    return [
        (
            level,
            {
                unit.code: (unit, with_asked(assessment.due(framework, level, unit), unit.code, decisions))
                for unit in units_of(work, assessment, level, moment.date())
            },
        )
        for level in assessment.scored_levels(framework)
    ]


def known_at(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    level: Level,
    units: Sequence[UnitRef],
    moment: dt.datetime,
) -> KnownReports:
    """What counts of the words of some units at a moment."""
    framework = load_framework(assessment.framework)
    decisions = decisions_at(events_of(session, assessment.id), moment)
    return known_reports(work, session, assessment, framework, level, units, moment, decisions)


def arrival(received_at: dt.datetime, due: Due) -> Timeliness:
    """How a whole file stands to a unit's deadlines; a supplement counts only for what it was asked for."""
    if due.submission is None or received_at <= due.submission:
        return "in_time"
    latest = due.latest
    return "supplement" if latest is not None and received_at <= latest else "late"


def submissions(work: Workspace, assessment: Assessment, unit: str | None = None) -> list[dict[str, Any]]:
    """Every submission by unit and sequence; refused files of nobody first."""
    now = work.now()
    with Session(work.engine) as session:
        units = {code: item for _, level in levels_of(work, session, assessment, now) for code, item in level.items()}
        rows = facts.handed_in(session, SubmissionRow, assessment.id, now)
        return [
            _submission(row, units)
            for row in sorted(rows, key=lambda row: (row.unit or "", row.sequence))
            if unit in (None, row.unit)
        ]


def _submission(row: SubmissionRow, units: Mapping[str, tuple[UnitRef, Due]]) -> dict[str, Any]:
    known = units.get(row.unit or "")
    return {
        "id": row.id,
        "unit": row.unit,
        "unit_name": known[0].name if known else None,
        "sequence": row.sequence,
        "kind": row.kind,
        "file": row.file_name,
        "received_at": row.recorded_at,
        "timeliness": arrival(_moment(row.recorded_at), known[1]) if known and row.outcome != "refused" else None,
        "outcome": row.outcome,
        "problems": len(json.loads(row.problems)),
        "channel": row.channel,
        "submitted_by": row.submitted_by,
    }


def show_submission(work: Workspace, assessment: Assessment, start: str) -> dict[str, Any]:
    """One submission by the start of its id: what it says, cell by cell, and what is wrong. Raises NothingHandedIn."""
    with Session(work.engine) as session:
        statement = select(SubmissionRow).where(
            SubmissionRow.assessment == assessment.id, col(SubmissionRow.id).startswith(start, autoescape=True)
        )
        rows = session.exec(statement).all()
        if len(rows) != 1:
            many = f"{len(rows)} lần nộp có mã bắt đầu bằng «{start}», hãy ghi dài hơn"
            raise NothingHandedIn(
                many
                if rows
                else f"{assessment.id}: không có đơn vị hay lần nộp «{start}»; xem: dti evidence list --assessment "
                f"{assessment.id}"
            )
        (row,) = rows
        units = {
            code: item for _, level in levels_of(work, session, assessment, work.now()) for code, item in level.items()
        }
        cells = session.exec(select(ReportedCellRow).where(ReportedCellRow.submission == row.id)).all()
        claims = session.exec(select(ClaimRow).where(ClaimRow.submission == row.id)).all()
        files = session.exec(select(EvidenceFileRow).where(EvidenceFileRow.submission == row.id)).all()
        return _submission(row, units) | {
            "problems": json.loads(row.problems),
            "facts": json.loads(row.facts),
            "body_sha256": row.body_sha256,
            "cells": [
                {
                    "criterion": cell.criterion,
                    "locator": cell.locator,
                    "self_score": cell.self_score,
                    "explanation": cell.explanation,
                    "not_applicable": cell.not_applicable,
                    "evidence": json.loads(cell.evidence),
                    "inputs": [
                        {"name": claim.name, "state": claim.state, "value": claim.value, "locator": claim.locator}
                        for claim in sorted(claims, key=lambda item: item.name)
                        if claim.criterion == cell.criterion
                    ],
                }
                for cell in sorted(cells, key=lambda item: _numbers(item.criterion))
            ],
            "files": [
                {"name": file.name, "sha256": file.sha256, "media_type": file.media_type, "pages": file.pages}
                for file in files
            ],
        }


def _numbers(code: str) -> list[tuple[int, str]]:
    """2.10 after 2.9."""
    return [(int(part) if part.isdigit() else 0, part) for part in code.split(".")]


def show_unit(work: Workspace, assessment: Assessment, code: str) -> dict[str, Any]:
    """What counts of a unit's words as of now, cell by cell in the framework's order. Raises NothingHandedIn."""
    now = work.now()
    with Session(work.engine) as session:
        held = [(level, units[code]) for level, units in levels_of(work, session, assessment, now) if code in units]
        if not held:
            raise NothingHandedIn(f"{assessment.id} không có đơn vị «{code}»; xem: dti units list")
        level, (unit, due) = held[0]
        known = known_at(work, session, assessment, level, [unit], now)
        return {
            "unit": code,
            "unit_name": unit.name,
            "level": level.level,
            "deadline": due.submission.isoformat() if due.submission else None,
            "asked": {criterion: until.isoformat() for criterion, until in sorted(due.asked.items())},
            "extension": due.extension,
            "cells": [
                cell_data(session, known, code, criterion.code, known.cells[code, criterion.code])
                for criterion in level.criteria
                if (code, criterion.code) in known.cells
            ],
        }


def cell_data(session: Session, known: KnownReports, unit: str, criterion: str, cell: CellReport) -> dict[str, Any]:
    """What counts of one cell: the submission in force, its figures, its papers with their signatures, and why."""
    spoken = cell.spoken
    submission = session.get(SubmissionRow, spoken.submission) if spoken else None
    return {
        "criterion": criterion,
        "submission": submission.id if submission else None,
        "sequence": submission.sequence if submission else None,
        "file": submission.file_name if submission else None,
        "received_at": submission.recorded_at if submission else None,
        "is_late": cell.is_late,
        "is_blank": spoken.is_blank if spoken else True,
        "not_applicable": spoken.not_applicable if spoken else None,
        "inputs": {
            name: {"state": claim.state.value, "value": claim.value}
            for (code, of, name), claim in sorted(known.claims.items())
            if (code, of) == (unit, criterion)
        },
        "grade": cell.grade.value,
        "grade_words": GRADE_WORDS[cell.grade],
        "evidence": papers(session, known, cell),
        "standing": None
        if cell.standing is None
        else {"state": cell.standing.state.value, "reason": cell.standing.reason},
        "newest_error": known.errors.get((unit, criterion)),
    }


def papers(session: Session, known: KnownReports, cell: CellReport) -> list[dict[str, Any]]:
    """The evidence that the submission in force cites: what was found under each name, and who signed it."""
    found = {file_key(file.name): file for file in cell.files}
    data: list[dict[str, Any]] = []
    for ref in cell.spoken.evidence if cell.spoken else ():
        upload = found.get(file_key(ref.file))
        row = session.get(EvidenceFileRow, upload.id) if upload else None
        check = known.checks.get(upload.id) if upload else None
        data.append(
            {
                "name": ref.file,
                "pages": ref.pages,
                "received_at": row.recorded_at if row else None,
                "sha256": row.sha256 if row else None,
                "bytes": row.body_bytes if row else None,
                "page_count": row.pages if row else None,
                "is_page_beyond": row is not None and row.pages is not None and ref.last_page > row.pages,
                "verdict": check.verdict if check else None,
                "reason": check.reason if check else None,
                "signatures": json.loads(check.signatures) if check else [],
                "grade": cell.grade.value,
            }
        )
    return data


def unit_states(work: Workspace, assessment: Assessment, moment: dt.datetime) -> list[dict[str, Any]]:
    """Every unit, level by level: what its reports by a moment come to, and how many days it has left."""
    found: list[dict[str, Any]] = []
    with Session(work.engine) as session:
        rows = facts.handed_in(session, SubmissionRow, assessment.id, moment)
        for level, units in levels_of(work, session, assessment, moment):
            for code, (unit, due) in units.items():
                own = sorted((row for row in rows if row.unit == code), key=lambda row: row.sequence)
                reports = [row for row in own if row.kind != "files" and row.outcome != "refused"]
                days = (due.submission - moment).days if due.submission else None
                found.append(
                    {
                        "level": level.level,
                        "unit": code,
                        "unit_name": unit.name,
                        "state": _unit_state(reports, due),
                        "reports": len(reports),
                        "files": sum(row.kind == "files" and row.outcome != "refused" for row in own),
                        "refused": sum(row.outcome == "refused" for row in own),
                        "last_at": own[-1].recorded_at if own else None,
                        "deadline": due.submission.isoformat() if due.submission else None,
                        "days_left": days,
                    }
                )
    return found


def _unit_state(reports: Sequence[SubmissionRow], due: Due) -> str:
    if not reports:
        return "never"
    # A late report replaces nothing, its mistakes no more than its figures.
    in_time = [row for row in reports if arrival(_moment(row.recorded_at), due) != "late"]
    if not in_time:
        return "late"
    return "with_problems" if in_time[-1].outcome == "accepted_with_problems" else "in_time"


@dataclass(frozen=True, slots=True)
class PaperFaults:
    """What a person has to see to in the papers of an assessment."""

    missing: tuple[tuple[str, str, str], ...]
    """(unit, criterion, what is lacking), where a claim needs papers."""
    unverifiable: tuple[tuple[str, str, str], ...]
    """(unit, file, why): signatures that no installed root or revocation list reaches."""
    grades: Mapping[str, int]
    """Grade -> cells that units spoke of."""
    standings: Mapping[str, int]
    """State -> cells whose claims do not count."""


def paper_faults(work: Workspace, assessment: Assessment, moment: dt.datetime) -> PaperFaults:
    """The papers of everything that was in force at a moment."""
    missing: list[tuple[str, str, str]] = []
    unverifiable: set[tuple[str, str, str]] = set()
    grades: Counter[str] = Counter()
    standings: Counter[str] = Counter()
    framework = load_framework(assessment.framework)
    with Session(work.engine) as session:
        for level, units in levels_of(work, session, assessment, moment):
            known = known_at(work, session, assessment, level, [unit for unit, _ in units.values()], moment)
            needs_papers = rules_of(assessment, framework, level).evidence_required
            for (unit, criterion), cell in known.cells.items():
                if cell.spoken is None or cell.spoken.is_blank:
                    continue
                grades[cell.grade.value] += 1
                if cell.standing is not None:
                    standings[cell.standing.state.value] += 1
                lacks = bool(cell.not_found) or not cell.spoken.evidence
                if cell.standing is not None and needs_papers and lacks and not cell.is_late:
                    missing.append((unit, criterion, cell.standing.reason))
                for file in cell.files:
                    check = known.checks.get(file.id)
                    if check is not None and check.verdict == Verdict.UNVERIFIABLE:
                        unverifiable.add((unit, file.name, check.reason))
    return PaperFaults(tuple(missing), tuple(sorted(unverifiable)), grades, standings)


def refusals(work: Workspace, assessment: Assessment, since: dt.datetime, until: dt.datetime) -> list[tuple[str, ...]]:
    """(unit, file, why) of what was refused in a span of time."""
    with Session(work.engine) as session:
        return [
            (row.unit or "?", row.file_name, "; ".join(item["message"] for item in json.loads(row.problems)))
            for row in facts.handed_in(session, SubmissionRow, assessment.id, until)
            if row.outcome == "refused" and _moment(row.recorded_at) >= since
        ]


def days_words(days: int | None) -> str:
    """Days to a deadline for a reader; the day of the deadline itself has 0 left."""
    if days is None:
        return "không có hạn"
    return f"còn {days} ngày" if days >= 0 else f"quá hạn {-days} ngày"


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
