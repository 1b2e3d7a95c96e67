"""The one way to act on an assessment: check what is wanted, preview what it would change, append it to the chain.

Used by every face. Bad input (an unknown criterion, a value that cannot be, no reason) is told and leaves no trace; an
action out of scope or out of time is refused and the refusal is an entry of the chain too. Not here: the rules
(`scope.py`), what events come to (`decisions.py`), what an action moves (`effects.py`), printing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from dti_pipeline.appraisal.chain import event_of, events_of, next_entry
from dti_pipeline.appraisal.decisions import Tally, decisions_at
from dti_pipeline.appraisal.effects import Effect, effects_between
from dti_pipeline.appraisal.model import (
    ACTION_WORDS,
    DECIDING,
    UNIT_ACTIONS,
    Action,
    Actor,
    Decisions,
    Event,
    Wanted,
)
from dti_pipeline.appraisal.scope import permission
from dti_pipeline.evidence.known import known_reports
from dti_pipeline.evidence.model import file_key
from dti_pipeline.evidence.reading.texts import fault_of
from dti_pipeline.evidence.standing import shown
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, Framework, Level, LevelName
from dti_pipeline.scoring.engine import IMPLAUSIBLE, Inputs, InputValue, LevelResult, UnitRef, parse_value, score_cell
from dti_pipeline.scoring.ranking import ChoiceNeeded
from dti_pipeline.scoring.states import CellState, InputState
from dti_pipeline.store import facts
from dti_pipeline.store.tables import EventRow, EvidenceFileRow
from dti_pipeline.text import nfc

if TYPE_CHECKING:
    from dti_pipeline.night import Workspace

_NEEDS_REASON: frozenset[Action] = DECIDING - {"accept"} | {
    "ask",
    "answer",
    "appeal",
    "reopen",
    "not_appraised",
    "exempt",
}
_NEEDS_DOCUMENT: frozenset[Action] = frozenset({"grant_na", "exclude", "exempt"})
_TRIES = 50
"""Of any two that append at once one goes through, so this many can act at the same moment."""
_CLOCK_SLACK = dt.timedelta(minutes=1)
_MOST_TEXT = 4000
_MOST_NAME = 200


class ActionError(ValueError):
    """What is wanted cannot be done as it was said: what is wrong and what to do. Nothing was written."""

    def __init__(self, message: str, problems: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        """Of several actions: which one (from 0), and what is wrong with it."""


class ActionRefused(ActionError):
    """The actor may not do this, or not now. The refusals were written to the chain, and nothing else."""

    def __init__(self, message: str, events: Sequence[Event]) -> None:
        super().__init__(message)
        self.events = tuple(events)


@dataclass(frozen=True, slots=True)
class Place:
    """The unit and level that an action is about."""

    assessment: Assessment
    framework: Framework
    level: Level
    unit: UnitRef


_Ready = Sequence[tuple[Place, Wanted]]
_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Desk:
    """An assessment as appraisers work on it: its units, and its events as of now."""

    work: Workspace
    assessment: Assessment

    @cached_property
    def framework(self) -> Framework:
        return load_framework(self.assessment.framework)

    @cached_property
    def units(self) -> dict[str, tuple[UnitRef, LevelName]]:
        """Identifier code -> unit and level, of everything that is scored today."""
        from dti_pipeline.evidence.intake import units_of_assessment

        return units_of_assessment(self.work, self.assessment)

    def place(self, unit: str, criterion: str | None = None) -> Place:
        """Where a unit stands. Raises ActionError for a unit or criterion that is not assessed here."""
        found = self.units.get(unit)
        if found is None:
            raise ActionError(f"đơn vị «{unit}» không thuộc đợt đánh giá {self.assessment.id}")
        level = self.framework.level(found[1])
        if criterion is not None and not any(item.code == criterion for item in level.criteria):
            raise ActionError(f"{level.name} của {self.framework.id} không có tiêu chí «{criterion}»")
        return Place(self.assessment, self.framework, level, found[0])

    def now(self) -> dt.datetime:
        """The present second: deadlines end with a second, and so does what is stored."""
        return self.work.now().replace(microsecond=0)

    def events(self) -> list[Event]:
        with Session(self.work.engine) as session:
            return events_of(session, self.assessment.id)

    def decisions(self) -> Decisions:
        return decisions_at(self.events(), self.now())


def desk_of(work: Workspace, assessment_id: str) -> Desk:
    """Raises UnknownAssessment."""
    return Desk(work, work.assessment(assessment_id))


@dataclass(frozen=True, slots=True)
class Done:
    """Actions that were done: their entries of the chain, and what they changed on each level that they are about."""

    events: tuple[Event, ...]
    effects: tuple[Effect, ...]
    """Empty where a level waits for an operator's choice, and for actions that only ask, answer or approve."""


def act(work: Workspace, assessment_id: str, actor: Actor, wanted: Sequence[Wanted], night: dt.date) -> Done:
    """Do actions, all or none, in order. `night`: whose harvested figures say what a decision changes.

    Raises ActionError with every problem, and then nothing was written; ActionRefused with every refusal, and then the
    refusals were written and nothing else. ChoiceNeeded: the decision does not say what the outcome is worth.
    """
    desk = desk_of(work, assessment_id)
    ready = _shaped(desk, actor, wanted)
    seen = desk.events()
    if any(row.refusal for row in _drafts(desk, actor, ready, seen)):
        return Done(_append(desk, actor, ready), ())  # raises, with the refusals written
    complete = _complete(desk, ready, night)
    effects = _checked_effects(desk, actor, complete, night)
    return Done(_append(desk, actor, complete, seen), effects)


def preview(
    work: Workspace, assessment_id: str, actor: Actor, wanted: Sequence[Wanted], night: dt.date
) -> tuple[Effect, ...]:
    """What actions would change, were they done now; one effect per level. Nothing is written, refusals neither.

    Raises ActionError and ChoiceNeeded as `act` does.
    """
    desk = desk_of(work, assessment_id)
    ready = _shaped(desk, actor, wanted)
    if refused := [row for row in _drafts(desk, actor, ready, desk.events()) if row.refusal]:
        raise ActionError(_told(refused, ready))
    return _checked_effects(desk, actor, _complete(desk, ready, night), night)


# --- what is wanted, step by step ---


def _shaped(desk: Desk, actor: Actor, wanted: Sequence[Wanted]) -> list[tuple[Place, Wanted]]:
    """Places and actions that are whole in themselves. Raises ActionError with everything that is wrong."""
    if not _says_something(actor.name):
        raise ActionError("cần ghi họ tên người thực hiện")
    if len(actor.name) > _MOST_NAME or "\n" in actor.name or fault_of(actor.name) is not None:
        raise ActionError(f"họ tên người thực hiện là một dòng, dài nhất {_MOST_NAME} ký tự, không có ký tự điều khiển")
    if actor.unit not in desk.work.registry:
        raise ActionError(f"không có đơn vị «{actor.unit}» trong danh mục; ghi mã đơn vị của người thực hiện")

    def one(item: Wanted) -> tuple[Place, Wanted]:
        place = desk.place(item.unit, item.criterion)
        item = _clean(item)
        _check_shape(desk, item)
        return place, item

    return _each(wanted, one)


def _each(items: Sequence[_Item], one: Callable[[_Item], _Found]) -> list[_Found]:
    """The results of all, or an ActionError with the problem of every one that has one."""
    found: list[_Found] = []
    problems: list[tuple[int, str]] = []
    for position, item in enumerate(items):
        try:
            found.append(one(item))
        except ActionError as error:
            problems.append((position, str(error)))
    if problems:
        raise ActionError(_listed(problems, len(items)), problems)
    return found


def _listed(problems: Sequence[tuple[int, str]], count: int) -> str:
    return "\n".join(f"{position + 1}. {told}" if count > 1 else told for position, told in problems)


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _clean(item: Wanted) -> Wanted:
    """Texts in NFC without blanks around them; those that say nothing, without a letter or digit, as none."""

    def text(value: str | None) -> str | None:
        return nfc(value).strip() if value is not None and _says_something(value) else None

    return replace(item, reason=text(item.reason), document=text(item.document), thread=text(item.thread))


def _check_shape(desk: Desk, wanted: Wanted) -> None:
    """Raises ActionError for what cannot be done as said, whoever says it."""
    what = ACTION_WORDS[wanted.action]
    if wanted.action in UNIT_ACTIONS and wanted.criterion is not None:
        raise ActionError(f"«{what}» là việc của cả đơn vị; bỏ tiêu chí")
    if wanted.action in DECIDING | {"ask", "appeal"} and wanted.criterion is None:
        raise ActionError(f"«{what}» cần ghi tiêu chí")
    if wanted.action in _NEEDS_REASON and wanted.reason is None:
        raise ActionError(f"«{what}» cần ghi lý do hoặc nội dung")
    if wanted.action in _NEEDS_DOCUMENT and wanted.document is None:
        raise ActionError(f"«{what}» cần văn bản làm căn cứ")
    if any(len(text) > _MOST_TEXT for text in (wanted.reason or "", wanted.document or "")):
        raise ActionError(f"lý do hoặc văn bản dài quá {_MOST_TEXT} ký tự; ghi ngắn lại, kèm tài liệu nếu cần")
    for text in (wanted.reason or "", wanted.document or ""):
        if (fault := fault_of(text)) is not None:
            raise ActionError(f"lý do hoặc văn bản {fault}")
    if wanted.action in ("answer", "close") and wanted.thread is None:
        raise ActionError(f"«{what}» cần ghi mã của yêu cầu")
    if wanted.action == "adjust" and not wanted.inputs:
        raise ActionError("điều chỉnh cần ghi số liệu mới")
    if wanted.inputs and wanted.action != "adjust":
        raise ActionError(f"«{what}» không kèm số liệu")
    if (wanted.until is not None or wanted.is_supplement) and wanted.action != "ask":
        raise ActionError(f"«{what}» không có hạn trả lời hay bổ sung")
    if wanted.action == "ask":
        _check_until(desk, wanted.until)


def _check_until(desk: Desk, until: dt.datetime | None) -> None:
    if until is None or until.tzinfo is None:
        raise ActionError("yêu cầu cần hạn trả lời (ngày, hoặc giờ kèm múi giờ)")
    if until <= desk.now():
        raise ActionError("hạn trả lời phải ở sau lúc này")
    publication = desk.assessment.calendar.publication
    if publication is not None and until > publication:
        raise ActionError(f"hạn trả lời phải trước hạn công bố {shown(publication)}")


def _complete(desk: Desk, ready: _Ready, night: dt.date) -> list[tuple[Place, Wanted]]:
    """What is wanted with everything that the entry has to say. Raises ActionError."""
    decisions = desk.decisions()
    claims: dict[str, Claims] = {}
    # What each action finds: the decisions so far, those of the actions before it included.
    held = {at: item.inputs for at, item in decisions.cells.items()}

    def one(item: tuple[Place, Wanted]) -> tuple[Place, Wanted]:
        place, wanted = item
        if wanted.action in DECIDING and (wanted.unit, wanted.criterion or "") in _papers(place):
            raise ActionError("ô này đã có văn bản ghi trong tệp của đợt đánh giá (rulings); bỏ dòng đó trước")
        if wanted.action in ("answer", "close"):
            return place, _about_thread(wanted, decisions)
        at = (wanted.unit, wanted.criterion or "")
        if wanted.action not in ("accept", "adjust"):
            if wanted.action in DECIDING | {"reopen"}:
                held.pop(at, None)
            return item
        if place.level.level not in claims:
            claims[place.level.level] = claims_of(desk, place.level, decisions)
        known, criterion = claims[place.level.level], place.level.criterion(wanted.criterion or "")
        if wanted.action == "accept":
            wanted = replace(wanted, inputs=known.in_force(wanted.unit, criterion.code))
        else:
            # The newest decision holds alone, so it says again what an earlier one set and this one leaves.
            wanted = replace(wanted, inputs={**held.get(at, {}), **_values(criterion, wanted.inputs)})
        known.check_overruling(wanted)
        held[at] = wanted.inputs
        return place, wanted

    found = _each(ready, one)
    _check_plausible(desk, found, night)
    return found


def _papers(place: Place) -> Mapping[tuple[str, str], object]:
    return place.assessment.rulings_of(place.level).cells


def _about_thread(wanted: Wanted, decisions: Decisions) -> Wanted:
    """An answer or closing with the criterion of its thread. Raises ActionError where another one was given."""
    thread = next(item for item in decisions.threads if item.id == wanted.thread)
    if wanted.criterion not in (None, thread.criterion):
        raise ActionError(f"trao đổi {thread.id[:12]} là về tiêu chí {thread.criterion}, không phải {wanted.criterion}")
    return replace(wanted, criterion=thread.criterion)


def _values(criterion: Criterion, given: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, text in given.items():
        try:
            spec = criterion.input(name)
        except KeyError:
            known = ", ".join(item.name for item in criterion.inputs)
            raise ActionError(f"tiêu chí {criterion.code} không có số liệu «{name}»; có: {known}") from None
        try:
            parse_value(spec, text)
        except ValueError as error:
            raise ActionError(f"{criterion.code}, {name}: {error}") from None
        found[name] = text
    return found


@dataclass(frozen=True, slots=True)
class Claims:
    """The units' own words on a level as they stand now, before any decision."""

    values: Mapping[tuple[str, str], Mapping[str, str]]
    """(unit, criterion) -> input -> value."""
    states: Mapping[tuple[str, str], tuple[CellState, str]]
    """(unit, criterion) -> the state that its papers give it, and why."""

    def in_force(self, unit: str, criterion: str) -> Mapping[str, str]:
        found = self.values.get((unit, criterion))
        if not found:
            raise ActionError(
                f"{unit} chưa báo cáo số liệu nào cho tiêu chí {criterion}; dùng «điều chỉnh» để nhập số liệu"
            )
        return found

    def check_overruling(self, wanted: Wanted) -> None:
        """Raises ActionError for figures that the decision's own rule makes 0."""
        state, why = self.states.get((wanted.unit, wanted.criterion or ""), (CellState.SCORED, ""))
        if state is CellState.ZERO_LATE:
            raise ActionError(f"{why}; thẩm định không thay được quy định về hạn nộp, chỉ gia hạn bằng văn bản được")
        if state in (CellState.ZERO_NO_EVIDENCE, CellState.ZERO_REJECTED) and not (wanted.reason and wanted.document):
            raise ActionError(
                f"ô này được 0 điểm theo quy định ({why}); cần ghi lý do và văn bản làm căn cứ để tính lại"
            )


def claims_of(desk: Desk, level: Level, decisions: Decisions) -> Claims:
    """What the units of a level say now, and what that is worth by their papers alone."""
    units = [unit for unit, name in desk.units.values() if name == level.level]
    # Requests for supplements extend deadlines; decisions on cells must not hide what their papers are worth.
    asked = replace(decisions, cells={})
    with Session(desk.work.engine) as session:
        known = known_reports(desk.work, session, desk.assessment, desk.framework, level, units, desk.now(), asked)
    values: dict[tuple[str, str], dict[str, str]] = {}
    for (unit, code, name), claim in sorted(known.claims.items()):
        if claim.state.has_value and claim.value is not None:
            values.setdefault((unit, code), {})[name] = claim.value
    return Claims(values, {at: (item.state, item.reason) for at, item in known.standings.items()})


def _check_plausible(desk: Desk, ready: _Ready, night: dt.date) -> None:
    """Raises ActionError for figures that a formula's own conditions exclude, such as a part larger than the whole."""
    if not any(item.action in ("accept", "adjust") for _, item in ready):
        return
    from dti_pipeline.night import tentative_inputs

    decisions, now = desk.decisions(), desk.now()
    inputs: dict[str, Inputs] = {}

    def one(item: tuple[Place, Wanted]) -> None:
        place, want = item
        if want.action not in ("accept", "adjust"):
            return
        level = place.level
        if level.level not in inputs:
            with Session(desk.work.engine) as session:
                inputs[level.level], _ = tentative_inputs(
                    desk.work, session, desk.assessment, level, night, decisions, now
                )
        criterion = level.criterion(want.criterion or "")
        mine = {
            (want.unit, criterion.code, name): InputValue(
                InputState.APPRAISED, parse_value(criterion.input(name), text)
            )
            for name, text in want.inputs.items()
        }
        cell = score_cell(
            desk.framework.policies_of(level),
            criterion,
            want.unit,
            {**inputs[level.level], **mine},
            desk.assessment.choices.choices,
        )
        if cell.reason is not None and cell.reason.startswith(IMPLAUSIBLE):
            raise ActionError(f"{criterion.code}: {cell.reason}")

    _each(ready, one)


def _checked_effects(desk: Desk, actor: Actor, ready: _Ready, night: dt.date) -> tuple[Effect, ...]:
    """What the actions change. Raises ActionError where a decision without a reason changes points, ChoiceNeeded where
    nobody has said what its outcome is worth."""
    silent = {(item.unit, item.criterion): n for n, (_, item) in enumerate(ready) if _is_silent(item)}
    moving = [item for item in ready if item[1].action in _MOVING or item[1].is_supplement]
    try:
        effects = _effects(desk, actor, moving, night)
    except ChoiceNeeded as choice:
        if not _waits_already(desk, moving, night):
            raise
        # The level waits for a choice whatever is done here; a reason stands for what cannot be computed.
        if silent:
            raise ActionError(f"chưa tính được tác động nên phải ghi lý do ({choice})") from None
        return ()
    problems = [
        (silent[cell.unit, cell.criterion], f"{cell.unit}, {cell.criterion}: {_SAY_WHY}")
        for effect in effects
        for cell in effect.cells
        if (cell.unit, cell.criterion) in silent and cell.changes_points
    ]
    if problems:
        raise ActionError(_listed(problems, len(ready)), problems)
    return effects


_MOVING: frozenset[Action] = DECIDING | {"reopen", "not_appraised", "exempt"}
"""Actions that may change points."""
_SAY_WHY = "quyết định này làm thay đổi điểm; phải ghi lý do"


def _is_silent(wanted: Wanted) -> bool:
    return wanted.action == "accept" and wanted.reason is None


def _waits_already(desk: Desk, ready: _Ready, night: dt.date) -> bool:
    events = desk.events()
    try:
        for level in _levels(ready):
            _result(desk, level, night, events)
    except ChoiceNeeded:
        return True
    return False


def _levels(ready: _Ready) -> list[Level]:
    return list({place.level.level: place.level for place, _ in ready}.values())


def _effects(desk: Desk, actor: Actor, ready: _Ready, night: dt.date) -> tuple[Effect, ...]:
    """What the actions change on each level that they are about. Raises ChoiceNeeded."""
    events = desk.events()
    after = [*events, *(event_of(row) for row in _drafts(desk, actor, ready, events))]
    found = []
    for level in _levels(ready):
        old, new = (_result(desk, level, night, known) for known in (events, after))
        cells = [(item.unit, item.criterion) for place, item in ready if place.level.level == level.level]
        found.append(effects_between(old, new, cells))
    return tuple(found)


def _result(desk: Desk, level: Level, night: dt.date, events: Sequence[Event]) -> LevelResult:
    from dti_pipeline.night import tentative_result

    now = desk.now()
    decisions = decisions_at(events, max(now, events[-1].at) if events else now)
    with Session(desk.work.engine) as session:
        return tentative_result(desk.work, session, desk.assessment, level, night, decisions, now)


# --- the chain ---


def _drafts(desk: Desk, actor: Actor, ready: _Ready, events: Sequence[Event]) -> list[EventRow]:
    """The entries that the actions make behind these events, refusals marked. Each sees those before it as done.

    Raises ActionError where the clock is behind the newest entry.
    """
    last = events[-1] if events else None
    now = desk.now()
    if last is not None and now < last.at:
        if last.at - now > _CLOCK_SLACK:
            raise ActionError(
                f"đồng hồ chỉ {shown(now)}, trước mục mới nhất đã ghi ({shown(last.at)}); chỉnh lại đồng hồ (DTI_CLOCK)"
            )
        now = last.at
    tally = Tally()
    for event in events:
        tally.add(event)
    rows: list[EventRow] = []
    for place, wanted in ready:
        answer = permission(
            place.assessment, place.framework, place.level, place.unit, actor, wanted, tally.decisions(now), now
        )
        row = next_entry(
            last,
            assessment=desk.assessment.id,
            action=wanted.action,
            actor=nfc(actor.name).strip(),
            actor_unit=actor.unit,
            role=answer.role,
            unit=wanted.unit,
            criterion=wanted.criterion,
            payload=_payload(wanted, answer.stage),
            refusal=answer.refusal,
            at=now,
        )
        rows.append(row)
        last = event_of(row)
        tally.add(last)
    return rows


def _append(desk: Desk, actor: Actor, ready: _Ready, seen: Sequence[Event] | None = None) -> tuple[Event, ...]:
    """Append all in one transaction. Where one is refused, only the refusals are: raises ActionRefused then.

    `seen`: the entries that the actions were checked against. Raises ActionError, and writes nothing, where a cell that
    is acted on was decided since.
    """
    for attempt in range(_TRIES):
        try:
            # Rows must outlive the session that stores them.
            with Session(desk.work.engine, expire_on_commit=False) as session, session.begin():
                events = events_of(session, desk.assessment.id)
                ready = [(place, _with_file(session, desk.assessment.id, wanted)) for place, wanted in ready]
                rows = _drafts(desk, actor, ready, events)
                refused = [(item, row.refusal) for item, row in zip(ready, rows, strict=True) if row.refusal]
                if refused:
                    rows = _refusals(desk, actor, refused, events)
                elif seen is not None:
                    _check_unmoved(ready, events[len(seen) :])
                session.add_all(rows)
        except IntegrityError:
            # Somebody else appended at the same moment: look again at what holds, then behind theirs.
            if attempt == _TRIES - 1:
                raise
            continue
        if refused:
            raise ActionRefused(_told(rows, ready), [event_of(row) for row in rows])
        return tuple(event_of(row) for row in rows)
    raise AssertionError("unreachable")


def _check_unmoved(ready: _Ready, since: Sequence[Event]) -> None:
    """Raises ActionError where somebody has just decided a cell: what was checked and shown is no longer so."""
    deciding = DECIDING | {"reopen"}
    moved = {(event.unit, event.criterion): event for event in since if event.action in deciding and not event.refusal}
    for _, wanted in ready:
        event = moved.get((wanted.unit, wanted.criterion))
        if wanted.action in deciding and event is not None:
            raise ActionError(
                f"{wanted.unit}, {wanted.criterion or 'cả đơn vị'}: {event.actor} vừa {ACTION_WORDS[event.action]}; "
                "xem lại rồi quyết định"
            )


def _refusals(
    desk: Desk, actor: Actor, refused: Sequence[tuple[tuple[Place, Wanted], str | None]], events: Sequence[Event]
) -> list[EventRow]:
    """Entries of the refused actions alone, each with its refusal."""
    last = events[-1] if events else None
    rows: list[EventRow] = []
    for item, why in refused:
        (row,) = _drafts(desk, actor, [item], [*events, *(event_of(done) for done in rows)])
        row = next_entry(last, **_content(row), refusal=why, at=event_of(row).at)
        rows.append(row)
        last = event_of(row)
    return rows


def _content(row: EventRow) -> dict[str, Any]:
    event = event_of(row)
    names = ("assessment", "action", "actor", "actor_unit", "role", "unit", "criterion", "payload")
    return {name: getattr(event, name) for name in names}


def _told(refused: Sequence[EventRow], ready: _Ready) -> str:
    if len(ready) == 1:
        return refused[0].refusal or ""
    return "\n".join(f"{row.unit}, {row.criterion or 'cả đơn vị'}: {row.refusal}" for row in refused)


def _with_file(session: Session, assessment_id: str, wanted: Wanted) -> Wanted:
    """With the sha256 of the unit's evidence file that the document names, in its newest version."""
    if wanted.document is None:
        return wanted
    arrivals = [
        row
        for row in facts.handed_in(session, EvidenceFileRow, assessment_id, dt.datetime.max.replace(tzinfo=dt.UTC))
        if row.unit == wanted.unit and file_key(row.name) == file_key(wanted.document)
    ]
    return replace(wanted, document_sha256=arrivals[-1].sha256) if arrivals else wanted


def _payload(wanted: Wanted, stage: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if wanted.inputs:
        found["inputs"] = dict(wanted.inputs)
    for name in ("reason", "document", "document_sha256", "thread"):
        if getattr(wanted, name) is not None:
            found[name] = getattr(wanted, name)
    if wanted.until is not None:
        found["until"] = wanted.until.replace(microsecond=0).isoformat()
    if wanted.is_supplement:
        found["is_supplement"] = True
    if stage is not None:
        found["stage"] = stage
    return found
