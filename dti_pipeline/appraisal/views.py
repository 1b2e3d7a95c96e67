"""What appraisers look at, as plain data: the queue, one cell with everything about it, threads, the chain.

Used by every face. Here: gathering and ordering. Not here: acting (`service.py`), printing, worksheets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlmodel import Session, col, select

from dti_pipeline.appraisal.model import (
    ACTION_WORDS,
    ROLE_WORDS,
    THREAD_WORDS,
    CellDecision,
    Decisions,
    Event,
    Thread,
)
from dti_pipeline.appraisal.scope import appraisers_of, deals_with
from dti_pipeline.appraisal.service import Desk, desk_of
from dti_pipeline.evidence.known import with_asked
from dti_pipeline.evidence.model import GRADE_WORDS
from dti_pipeline.evidence.standing import Standing, shown
from dti_pipeline.frameworks.assessment import Assessment, LevelDeadlines
from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.scoring.discrepancy import KIND_WORDS, Kind
from dti_pipeline.scoring.engine import Cell, UnitRef
from dti_pipeline.scoring.merge import Merged
from dti_pipeline.scoring.periods import TIME_ZONE
from dti_pipeline.scoring.states import CELL_STATE_WORDS, CellState
from dti_pipeline.store import facts
from dti_pipeline.store.tables import DiscrepancyRow, SignatureCheckRow

if TYPE_CHECKING:
    from dti_pipeline.night import LevelKnown, Workspace

WaitingKind = Literal["discrepancy", "contested", "na_request", "papers", "answered", "overdue", "changed"]
WAITING_WORDS: dict[WaitingKind, str] = {
    "discrepancy": "báo cáo khác số liệu tự động",
    "contested": "đơn vị kiến nghị xem xét lại",
    "na_request": "đơn vị đề nghị không đánh giá",
    "papers": "hồ sơ chưa kết luận được",
    "answered": "đơn vị đã trả lời",
    "overdue": "quá hạn trả lời",
    "changed": "đơn vị đã nộp số liệu khác sau khi thẩm định",
}
"""In the order of the queue."""
_SETTLED = ("equal", "within_tolerance")
_ONE_SIDED = ("only_claim", "only_automatic")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for an appraiser."""

    kind: WaitingKind
    level: str
    unit: str
    unit_name: str
    criterion: str | None
    what: str
    rank_impact: int | None = None
    """A discrepancy: by how many places units would move together, were the other value taken."""
    points_micro: int | None = None
    until: dt.datetime | None = None
    thread: str | None = None

    def data(self, now: dt.datetime) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "kind_words": WAITING_WORDS[self.kind],
            "level": self.level,
            "unit": self.unit,
            "unit_name": self.unit_name,
            "criterion": self.criterion,
            "what": self.what,
            "rank_impact": self.rank_impact,
            "points_micro": self.points_micro,
            "until": _local(self.until),
            "days_left": days_left(self.until, now),
            "thread": self.thread,
        }


def days_left(until: dt.datetime | None, now: dt.datetime) -> int | None:
    """Whole days until a deadline, 0 on its last day, negative when it is over."""
    return None if until is None else (until.astimezone(TIME_ZONE).date() - now.astimezone(TIME_ZONE).date()).days


@dataclass(frozen=True)
class LevelView:
    """One level as of now: the night's figures with everything handed in and decided since."""

    desk: Desk
    night: dt.date
    decisions: Decisions
    known: LevelKnown
    cells: Mapping[tuple[str, str], Cell]
    merged: Sequence[Merged]
    discrepancies: Sequence[DiscrepancyRow]

    @property
    def level(self) -> Level:
        return self.known.level

    @cached_property
    def inputs(self) -> Mapping[tuple[str, str], list[Merged]]:
        """(unit, criterion) -> its inputs, in order."""
        found: dict[tuple[str, str], list[Merged]] = {}
        for item in self.merged:
            found.setdefault((item.unit.code, item.criterion), []).append(item)
        return found


def level_view(desk: Desk, level: Level, night: dt.date) -> LevelView:
    """A level as of now. Cells stand as they are in themselves, before policies such as the mean of peers."""
    from dti_pipeline.night import known_of, standings_of
    from dti_pipeline.scoring.engine import InputValue, parse_value, score_cell
    from dti_pipeline.scoring.merge import merge_level

    decisions, now = desk.decisions(), desk.now()
    with Session(desk.work.engine) as session:
        known = known_of(desk.work, session, desk.assessment, level, night, decisions, now)
        rows = facts.live(facts.of_night(session, DiscrepancyRow, _INPUT, night, desk.assessment.id, level.level))
        session.expunge_all()
    merged = merge_level(level, known.units, known.known)
    values = {
        (item.unit.code, item.criterion, item.name): InputValue(
            item.state,
            None if item.value is None else parse_value(level.criterion(item.criterion).input(item.name), item.value),
            item.reason,
        )
        for item in merged
    }
    standings = standings_of(known, decisions, merged)
    papers = desk.assessment.rulings_of(level).cells
    policies, choices = desk.framework.policies_of(level), desk.assessment.choices.choices
    cells: dict[tuple[str, str], Cell] = {}
    for unit in known.units:
        for criterion in level.criteria:
            at = (unit.code, criterion.code)
            cell = score_cell(policies, criterion, unit.code, values, choices)
            if (ruling := papers.get(at) or standings.get(at)) is not None:
                cell = replace(cell, state=ruling.state, points=None, reason=ruling.reason)
            cells[at] = cell
    return LevelView(desk, night, decisions, known, cells, merged, rows)


_INPUT = ("unit", "criterion", "name")


def waits(row: DiscrepancyRow) -> bool:
    """Whether a discrepancy is something to look at: both sides differ, or what one side lacks would move points."""
    return row.kind not in _SETTLED and not (row.kind in _ONE_SIDED and row.rank_impact is None)


def weight(rank_impact: int | None, points_micro: int | None) -> tuple[int, int]:
    """Sorts the heaviest discrepancy first: by the places that it moves, then by its points."""
    return (-(rank_impact or 0), -abs(points_micro or 0))


def queue(
    work: Workspace, assessment_id: str, night: dt.date, *, as_unit: str | None = None, level: str | None = None
) -> list[Waiting]:
    """What waits, discrepancies by their weight first; only what `as_unit` deals with where it is given."""
    desk = desk_of(work, assessment_id)
    found: list[Waiting] = []
    for item in desk.assessment.scored_levels(desk.framework):
        if level in (None, item.level):
            found += _waiting(level_view(desk, item, night), as_unit)
    order = list(WAITING_WORDS)

    def key(item: Waiting) -> tuple[object, ...]:
        lightness = weight(item.rank_impact, item.points_micro) if item.kind == "discrepancy" else (0, 0)
        last = item.until.isoformat() if item.until else "~"
        return (order.index(item.kind), *lightness, last, item.unit, item.criterion or "", item.what)

    return sorted(found, key=key)


def _waiting(view: LevelView, as_unit: str | None) -> Iterator[Waiting]:
    desk, decisions = view.desk, view.decisions
    units = {
        unit.code: unit
        for unit in view.known.units
        if as_unit is None or deals_with(desk.assessment, desk.framework, view.level, unit, as_unit)
    }

    def waiting(kind: WaitingKind, unit: str, criterion: str | None, what: str, **more: Any) -> Waiting:
        return Waiting(kind, view.level.level, unit, units[unit].name, criterion, what, **more)

    for row in view.discrepancies:
        decided = decisions.cells.get((row.unit, row.criterion))
        if row.unit not in units or not waits(row) or (decided is not None and not decided.is_contested):
            continue
        note = f" ({row.note})" if row.note else ""
        words = KIND_WORDS[cast(Kind, row.kind)]
        what = f"{row.name}: {words}{note}, báo cáo {row.claimed or '–'}, tự động {row.automatic or '–'}"
        more = {"rank_impact": row.rank_impact, "points_micro": row.points_micro}
        yield waiting("discrepancy", row.unit, row.criterion, what, **more)
    for (unit, criterion), report in view.known.reports.cells.items():
        if unit not in units:
            continue
        decided = decisions.cells.get((unit, criterion))
        spoken = report.spoken
        is_new = decided is None or (spoken is not None and spoken.received_at > decided.at)
        if spoken is not None and spoken.not_applicable and not report.is_late and is_new:
            yield waiting("na_request", unit, criterion, spoken.not_applicable)
        elif report.standing is not None and _waits_for_papers(view.cells[unit, criterion], report.standing):
            yield waiting("papers", unit, criterion, report.standing.reason)
        if decided is not None and decided.action == "accept" and is_new and not report.is_late:
            now_claimed = {
                item.name: item.claim.value
                for item in view.inputs[unit, criterion]
                if item.claim is not None and item.claim.state.has_value
            }
            if changed := {name: value for name, value in now_claimed.items() if decided.inputs.get(name) != value}:
                told = "; ".join(
                    f"{name}: {decided.inputs.get(name, '–')} → {value}" for name, value in changed.items()
                )
                yield waiting("changed", unit, criterion, told)
    for unit, received_at in view.known.reports.unheeded.items():
        if unit in units:
            told = (
                f"nộp lúc {shown(received_at)}, sau khi số liệu được phê duyệt: chưa tính; mở lại đơn vị thì mới tính"
            )
            yield waiting("changed", unit, None, told)
    for thread in decisions.threads:
        if thread.unit not in units:
            continue
        text = thread.messages[-1].text if thread.state == "answered" else thread.messages[0].text
        if thread.kind == "appeal" and thread.state == "open":
            yield waiting("contested", thread.unit, thread.criterion, text, until=thread.until, thread=thread.id)
        elif thread.kind == "request" and thread.state in ("answered", "overdue"):
            kind: WaitingKind = "answered" if thread.state == "answered" else "overdue"
            yield waiting(kind, thread.unit, thread.criterion, text, until=thread.until, thread=thread.id)


def _waits_for_papers(cell: Cell, standing: Standing) -> bool:
    """Where a source fills the cell, or an appraiser has decided, its papers decide nothing."""
    return standing.state is CellState.PENDING and cell.reason == standing.reason


def cell_view(work: Workspace, assessment_id: str, unit: str, criterion: str, night: dt.date) -> dict[str, Any]:
    """Everything about one cell: three values side by side, evidence, decisions, threads. Raises ActionError."""
    desk = desk_of(work, assessment_id)
    place = desk.place(unit, criterion)
    view = level_view(desk, place.level, night)
    found = place.level.criterion(criterion)
    at, now = (unit, criterion), desk.now()
    cell, report = view.cells[at], view.known.reports.cells.get(at)
    decided = view.decisions.cells.get(at)
    events = [event for event in desk.events() if (event.unit, event.criterion) == at]
    due = with_asked(desk.assessment.due(desk.framework, place.level, place.unit), unit, view.decisions)
    return {
        "assessment": assessment_id,
        "unit": unit,
        "unit_name": place.unit.name,
        "level": place.level.level,
        "criterion": criterion,
        "name": found.name,
        "rule": found.rule,
        "max_points": f"{found.max_points:f}",
        "state": cell.state.value,
        "state_words": CELL_STATE_WORDS[cell.state],
        "points": None if cell.points is None else _points(cell),
        "reason": cell.reason,
        "appraisers": list(appraisers_of(desk.assessment, desk.framework, place.level, place.unit)),
        "due": _local(due.last_moment(criterion)),
        "inputs": [_input(place.level, item, decided) for item in view.inputs.get(at, [])],
        "report": None if report is None or report.spoken is None else _report(view, at),
        "decision": decision_data(decided),
        "unit_decisions": [
            {
                "action": action,
                "words": ACTION_WORDS[action],
                "reason": item.reason,
                "by": item.by,
                "at": _local(item.at),
            }
            for (code, action), item in view.decisions.units.items()
            if code == unit
        ],
        "discrepancies": [
            {name: getattr(row, name) for name in ("name", "claimed", "automatic", "kind", "note", "rank_impact")}
            for row in view.discrepancies
            if (row.unit, row.criterion) == at
        ],
        "history": [event_data(event) for event in events],
        "threads": [thread_data(item, now) for item in view.decisions.threads if (item.unit, item.criterion) == at],
    }


def _points(cell: Cell) -> str:
    from dti_pipeline.scoring.engine import decimal_text
    from dti_pipeline.scoring.report import EXACT_DECIMALS

    assert cell.points is not None  # noqa: S101 - narrowed by the caller
    return decimal_text(cell.points, EXACT_DECIMALS)


def _input(level: Level, item: Merged, decided: CellDecision | None) -> dict[str, Any]:
    claim, automatic = item.claim, item.automatic
    return {
        "name": item.name,
        "label": level.criterion(item.criterion).input(item.name).label,
        "claimed": claim.value if claim else None,
        "claim_state": claim.state.value if claim else None,
        "grade": claim.grade if claim else None,
        "automatic": automatic.value if automatic else None,
        "automatic_state": automatic.state.value if automatic else None,
        "automatic_reason": automatic.reason if automatic else None,
        "appraised": decided.inputs.get(item.name) if decided else None,
        "used": item.value,
        "origin": item.origin,
        "reason": item.reason,
    }


def _report(view: LevelView, at: tuple[str, str]) -> dict[str, Any]:
    report = view.known.reports.cells[at]
    spoken = report.spoken
    if spoken is None:
        raise AssertionError("the caller asks for what was said only")
    verdicts: dict[str, SignatureCheckRow] = {}
    with Session(view.desk.work.engine) as session:
        ids = [file.id for file in report.files]
        statement = select(SignatureCheckRow).where(col(SignatureCheckRow.file).in_(ids))
        for row in session.exec(statement.order_by(SignatureCheckRow.recorded_at, SignatureCheckRow.id)).all():
            verdicts[row.file] = row
        session.expunge_all()
    return {
        "received_at": _local(spoken.received_at),
        "is_late": report.is_late,
        "grade": report.grade.value,
        "grade_words": GRADE_WORDS[report.grade],
        "explanation": spoken.explanation,
        "not_applicable": spoken.not_applicable,
        "standing": report.standing.reason if report.standing else None,
        "files": [
            {
                "file": file.name,
                "received_at": _local(file.received_at),
                "verdict": verdicts[file.id].verdict if file.id in verdicts else None,
                "verdict_reason": verdicts[file.id].reason if file.id in verdicts else None,
            }
            for file in report.files
        ],
        "not_found": list(report.not_found),
    }


def threads(
    work: Workspace, assessment_id: str, *, as_unit: str | None = None, everything: bool = False
) -> list[dict[str, Any]]:
    """Requests and appeals, closed ones with `everything`; with `as_unit` its own and those it deals with."""
    desk = desk_of(work, assessment_id)
    found = []
    for item in desk.decisions().threads:
        if item.state == "closed" and not everything:
            continue
        if as_unit is not None and item.unit != as_unit:
            place = desk.units.get(item.unit)
            if place is None or not deals_with(
                desk.assessment, desk.framework, desk.framework.level(place[1]), place[0], as_unit
            ):
                continue
        found.append(thread_data(item, desk.now()))
    return found


def log(work: Workspace, assessment_id: str, unit: str | None = None) -> list[dict[str, Any]]:
    """The entries of the chain in order, refusals included; of one unit where it is given."""
    events = desk_of(work, assessment_id).events()
    return [event_data(event) for event in events if unit in (None, event.unit)]


def event_data(event: Event) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "at": _local(event.at),
        "action": event.action,
        "words": ACTION_WORDS[event.action],
        "unit": event.unit,
        "criterion": event.criterion,
        "by": event.actor,
        "as_unit": event.actor_unit,
        "role": event.role,
        "role_words": ROLE_WORDS[event.role],
        "said": dict(event.payload),
        "outcome": event.outcome,
        "refusal": event.refusal,
        "id": event.id,
        "previous": event.previous,
    }


def thread_data(thread: Thread, now: dt.datetime) -> dict[str, Any]:
    return {
        "id": thread.id,
        "kind": thread.kind,
        "unit": thread.unit,
        "criterion": thread.criterion,
        "state": thread.state,
        "state_words": state_words(thread),
        "until": _local(thread.until),
        "days_left": days_left(thread.until, now) if thread.state == "open" else None,
        "is_supplement": thread.is_supplement,
        "messages": [
            {"at": _local(item.at), "by": item.by, "role": item.role, "action": item.action, "text": item.text}
            for item in thread.messages
        ],
        "difference": difference(thread) if thread.kind == "appeal" else None,
    }


def state_words(thread: Thread) -> str:
    if thread.kind == "appeal" and thread.state == "open":
        return "đang chờ xem xét lại"
    if thread.kind == "appeal" and thread.state == "answered":
        return "đã xem xét lại"
    return THREAD_WORDS[thread.state]


def difference(thread: Thread) -> dict[str, Any]:
    """An appeal's decision before and after: both, and what differs; `after` is None while nothing was decided."""
    old, new = thread.contested, thread.decided
    names = sorted({*(old.inputs if old else ()), *(new.inputs if new else ())})
    return {
        "before": decision_data(old),
        "after": decision_data(new),
        "is_reopened": thread.state == "answered" and new is None,
        "inputs": {
            name: [old.inputs.get(name) if old else None, new.inputs.get(name)]
            for name in names
            if new is not None and (old.inputs.get(name) if old else None) != new.inputs.get(name)
        },
    }


def decision_data(decision: CellDecision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "action": decision.action,
        "words": ACTION_WORDS[decision.action],
        "inputs": dict(decision.inputs),
        "reason": decision.reason,
        "document": decision.document,
        "by": decision.by,
        "role": decision.role,
        "at": _local(decision.at),
        "event": decision.event,
        "is_contested": decision.is_contested,
    }


@dataclass(frozen=True, slots=True)
class Unappraised:
    """A unit that its appraisers have decided nothing on."""

    level: str
    unit: str
    name: str
    appraisers: tuple[str, ...]
    until: dt.datetime | None


def unappraised(
    assessment: Assessment,
    framework: Framework,
    units: Iterable[tuple[Level, UnitRef]],
    decisions: Decisions,
    stage_by: Literal["parent", "lead"] = "parent",
) -> list[Unappraised]:
    """Units with an appraiser of that kind, of which no cell was decided and nothing said of the unit as a whole."""
    touched = {unit for unit, _ in decisions.cells} | {unit for unit, _ in decisions.units}
    named = {note.unit for note in (*assessment.exempt, *assessment.not_appraised)}
    stages = framework.stages if assessment.stages is None else assessment.stages
    found = []
    for level, unit in units:
        mine = [stage for stage in stages if level.level in stage.levels and "appraise" in stage.may]
        if unit.code in touched | named or not any(stage.by == stage_by for stage in mine):
            continue
        until = assessment.calendar.levels.get(level.level, LevelDeadlines()).of(unit.parent).appraisal
        who = appraisers_of(assessment, framework, level, unit)
        found.append(Unappraised(level.level, unit.code, unit.name, who, until))
    return found


def _local(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(TIME_ZONE).isoformat(timespec="seconds")
