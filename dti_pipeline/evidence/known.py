"""What a night knows of the units' own words: claims in force with their grades, and the cells they are not worth.

Here: from stored rows to the pure rules of `standing.py`. Not here: those rules, merging with harvested figures.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from dti_pipeline.appraisal.model import NO_DECISIONS, CellDecision, Decisions
from dti_pipeline.appraisal.rulings import appraisal_rulings
from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.model import EvidenceRef, Verdict, file_key
from dti_pipeline.evidence.standing import CellReport, Rules, Spoken, Standing, Upload, cell_report, shown
from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.merge import Claim
from dti_pipeline.scoring.states import CellState, InputState
from dti_pipeline.store import facts
from dti_pipeline.store.tables import ClaimRow, EvidenceFileRow, ReportedCellRow, SignatureCheckRow, SubmissionRow

if TYPE_CHECKING:
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.night import Workspace


@dataclass(frozen=True, slots=True)
class KnownReports:
    """The units' words on one level, as known at a moment."""

    claims: Mapping[tuple[str, str, str], Claim]
    """(unit, criterion, input) -> the claim in force."""
    cells: Mapping[tuple[str, str], CellReport]
    """(unit, criterion) -> what counts of what was said, for every cell that was spoken of."""
    checks: Mapping[str, SignatureCheckRow]
    """Id of an evidence file -> what its signatures come to under today's roots, signers and rules."""
    due: Mapping[str, Due]
    """Unit -> until when it may hand in."""
    moment: dt.datetime
    """When this was known."""

    errors: Mapping[tuple[str, str], str]
    """(unit, criterion) -> what is wrong with the cell in the unit's newest report, which says nothing of it."""
    unheeded: Mapping[str, dt.datetime]
    """Unit whose figures were approved -> when it last handed in something since, which does not count."""

    def unsaid(self, unit: str, criterion: str) -> tuple[InputState, str] | None:
        """State and reason of an input that the unit did not report: waited for until the deadline, then missing."""
        error = self.errors.get((unit, criterion))
        said = f"số liệu báo cáo có lỗi phải sửa: {error}" if error else "chưa có báo cáo của đơn vị"
        last = self.due[unit].last_moment(criterion)
        if last is None or self.moment <= last:
            return (InputState.PENDING, said) if error else None
        return InputState.MISSING, f"{said}; đã hết hạn {shown(last)}"

    @property
    def standings(self) -> dict[tuple[str, str], Standing]:
        """(unit, criterion) -> why the claims of a cell are not worth their figures."""
        return {at: cell.standing for at, cell in self.cells.items() if cell.standing is not None}

    @property
    def accepted_late(self) -> frozenset[tuple[str, str]]:
        """(unit, criterion) of the cells that count although something of them came late."""
        return frozenset(at for at, cell in self.cells.items() if cell.is_late and cell.standing is None)


def rules_of(assessment: Assessment, framework: Framework, level: Level) -> Rules:
    """What claims of a level need, by the decision or else by the operator's choice."""
    policies, choices = framework.policies_of(level), assessment.choices
    return Rules(
        late="zero" if policies.late == "zero" else choices.late,
        evidence_required="required" in (policies.evidence, choices.evidence),
        signatures_required=policies.signatures not in ("unstated", ()),
        missing_is_zero="zero" in (policies.missing, choices.missing),
    )


def known_reports(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    framework: Framework,
    level: Level,
    units: Sequence[UnitRef],
    moment: dt.datetime,
    decisions: Decisions = NO_DECISIONS,
) -> KnownReports:
    """The claims in force of a level's units at a moment, and what counts of every cell they spoke of."""
    approved = {unit: item.at for (unit, action), item in decisions.units.items() if action == "approve"}
    submissions: dict[str, SubmissionRow] = {}
    unheeded: dict[str, dt.datetime] = {}
    for arrival in facts.handed_in(session, SubmissionRow, assessment.id, moment):
        received_at = _moment(arrival.recorded_at)
        if arrival.unit in approved and received_at > approved[arrival.unit]:
            unheeded[arrival.unit] = received_at
        else:
            submissions[arrival.id] = arrival
    spoken: dict[tuple[str, str], list[Spoken]] = defaultdict(list)
    criteria = {criterion.code for criterion in level.criteria}
    due = {unit.code: with_asked(assessment.due(framework, level, unit), unit.code, decisions) for unit in units}
    claims: dict[tuple[str, str], list[ClaimRow]] = defaultdict(list)
    for claim in facts.said_at_level(session, ClaimRow, assessment.id, level.level, moment):
        claims[claim.submission, claim.criterion].append(claim)
    for cell in facts.said_at_level(session, ReportedCellRow, assessment.id, level.level, moment):
        # Not of a unit that has left this level since, nor of a criterion of an earlier annex.
        if cell.unit in due and cell.criterion in criteria and cell.submission in submissions:
            said = claims[cell.submission, cell.criterion]
            spoken[cell.unit, cell.criterion].append(_spoken(cell, submissions[cell.submission], said))
    uploads: dict[str, dict[str, list[Upload]]] = defaultdict(lambda: defaultdict(list))
    arrived = facts.handed_in(session, EvidenceFileRow, assessment.id, moment)
    files = [file for file in arrived if file.submission in submissions]
    # Several may arrive within one second; sequences say which is newer.
    for file in sorted(files, key=lambda row: submissions[row.submission].sequence):
        uploads[file.unit][file_key(file.name)].append(Upload(file.id, file.name, _moment(file.recorded_at)))
    checks = _checks(work, session, assessment, framework, level, due, uploads)
    rules = rules_of(assessment, framework, level)

    def verdict_of(file: Upload) -> tuple[Verdict, str] | None:
        check = checks.get(file.id)
        return None if check is None else (Verdict(check.verdict), check.reason)

    cells: dict[tuple[str, str], CellReport] = {}
    in_force: dict[tuple[str, str, str], Claim] = {}
    for (unit, criterion), words in sorted(spoken.items()):
        words.sort(key=lambda item: item.sequence)
        found = cell_report(criterion, words, uploads[unit], due[unit], rules, verdict_of)
        decision = decisions.cells.get((unit, criterion))
        found = replace(found, standing=_standing(found, decision, rules))
        cells[unit, criterion] = found
        if found.spoken is not None:
            for row in claims[found.spoken.submission, criterion]:
                in_force[unit, criterion, row.name] = Claim(row.id, row.value, InputState(row.state), found.grade.value)
    return KnownReports(in_force, cells, checks, due, moment, _errors(submissions.values()), unheeded)


def _errors(submissions: Iterable[SubmissionRow]) -> dict[tuple[str, str], str]:
    """(unit, criterion) -> what kept the cell out of the newest report that had it."""
    return {
        (row.unit, item["criterion"]): f"{item['where']}: {item['message']}"
        for row in sorted(submissions, key=lambda row: row.sequence)
        if row.unit is not None
        for item in reversed(json.loads(row.problems))
        if item["is_error"] and item["criterion"]
    }


def _standing(found: CellReport, decision: CellDecision | None, rules: Rules) -> Standing | None:
    """Why a claim does not count, once appraisers have had their say."""
    is_of_before = found.spoken is None or decision is None or found.spoken.received_at <= decision.at
    if decision is not None and decision.action in ("accept", "adjust") and is_of_before:
        # Of what came after the decision, figures that it does not name are worth what their papers are.
        return None
    request = found.spoken.not_applicable if found.spoken is not None else None
    if request is None or found.is_late or found.spoken is None:
        return found.standing
    if decision is None:
        return Standing(
            CellState.PENDING, f"đề nghị không đánh giá, chờ thẩm định: {request}", (found.spoken.submission,)
        )
    if decision.action == "refuse_na" and found.standing is None:
        told = f"đề nghị không đánh giá không được chấp nhận: {decision.reason}"
        state = CellState.ZERO_NO_EVIDENCE if rules.missing_is_zero else CellState.PENDING
        return Standing(state, told, (found.spoken.submission, decision.event))
    return found.standing


def with_asked(due: Due, unit: str, decisions: Decisions) -> Due:
    """Deadlines with the supplements that appraisers asked for."""
    asked = dict(due.asked)
    for (code, criterion), until in decisions.supplements.items():
        if code == unit:
            asked[criterion] = max(until, asked.get(criterion, until))
    return replace(due, asked=asked)


def decided_standings(decisions: Decisions, level: Level, units: Sequence[UnitRef]) -> dict[tuple[str, str], Standing]:
    """(unit, criterion) -> the state that an appraiser gave a cell of a level instead of figures."""
    codes = {unit.code for unit in units}
    criteria = {criterion.code for criterion in level.criteria}
    return {
        at: Standing(ruling.state, ruling.reason, (decisions.cells[at].event,))
        for at, ruling in appraisal_rulings(decisions).cells.items()
        if at[0] in codes and at[1] in criteria
    }


def _spoken(row: ReportedCellRow, submission: SubmissionRow, claims: Sequence[ClaimRow]) -> Spoken:
    # A figure that is said not to apply asks for the same as the column for requests does: nobody grants it to himself.
    is_asked = any(claim.state == InputState.NOT_APPLICABLE for claim in claims)
    return Spoken(
        submission=submission.id,
        sequence=submission.sequence,
        received_at=_moment(submission.recorded_at),
        is_blank=row.is_blank,
        evidence=tuple(EvidenceRef(file, pages) for file, pages in json.loads(row.evidence)),
        not_applicable=row.not_applicable or ("đơn vị ghi «không áp dụng»" if is_asked else None),
        explanation=row.explanation,
    )


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _checks(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    framework: Framework,
    level: Level,
    due: Mapping[str, Due],
    uploads: Mapping[str, Mapping[str, Sequence[Upload]]],
) -> dict[str, SignatureCheckRow]:
    """Evidence file's row -> its check under the roots, signers and rules of today."""
    from dti_pipeline.evidence.checking import context_of

    contexts = {
        file.id: context_of(work, assessment, framework, level, unit, due[unit])
        for unit, names in uploads.items()
        if unit in due
        for files in names.values()
        for file in files
    }
    found: dict[str, SignatureCheckRow] = {}
    ids = sorted(contexts)
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        for row in session.exec(select(SignatureCheckRow).where(col(SignatureCheckRow.file).in_(chunk))).all():
            if row.context_sha256 == contexts[row.file]:
                found[row.file] = row
    return found
