"""What counts at a moment: which submission speaks for a cell, and whether its evidence is good enough. Pure.

Here: supersession, lateness, missing and rejected evidence, grades. Not here: storing (`intake.py`), dates
(`deadlines.py`), signatures (`signatures/`), what a state is worth (`dti_pipeline.scoring`).

The rules: of what arrived by the cut-off, the newest submission in time that speaks of a cell counts; one that is late
counts for nothing where an earlier one was in time. Evidence is looked up by the name that the report cites, in its
newest version in time. Where several things are wrong, one that is certain goes before one that waits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dti_pipeline.evidence.deadlines import Due, timeliness
from dti_pipeline.evidence.model import EvidenceRef, Grade, Verdict, file_key
from dti_pipeline.scoring.periods import TIME_ZONE
from dti_pipeline.scoring.states import CellState


@dataclass(frozen=True, slots=True)
class Spoken:
    """One submission's words on one cell."""

    submission: str
    sequence: int
    received_at: dt.datetime
    is_blank: bool
    evidence: tuple[EvidenceRef, ...] = ()
    not_applicable: str | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One arrival of an evidence file."""

    id: str
    name: str
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Rules:
    """What the decision, or the operator where it is silent, demands of claims."""

    late: Literal["zero", "accept"] | None
    """None: nobody has said what lateness costs."""
    evidence_required: bool
    signatures_required: bool
    missing_is_zero: bool
    """Whether the decision or the operator has said that missing evidence is worth 0."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A cell whose figures do not count as they stand, and why."""

    state: CellState
    reason: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CellReport:
    """What counts of a unit's words on a cell at a moment."""

    spoken: Spoken | None
    """The submission in force; a late one where nothing came in time."""
    is_late: bool
    """What counts here, or would if it had come in time, arrived after the deadline."""
    grade: Grade
    standing: Standing | None
    """None: the claim counts."""
    files: tuple[Upload, ...] = ()
    """The cited files as found, in the order of the report."""
    not_found: tuple[str, ...] = ()
    """Cited names that never arrived."""


NOTHING = CellReport(None, False, Grade.D, None)


def cell_report(
    criterion: str,
    spoken: Sequence[Spoken],
    uploads: Mapping[str, Sequence[Upload]],
    due: Due,
    rules: Rules,
    verdict_of: Callable[[Upload], tuple[Verdict, str] | None],
) -> CellReport:
    """What counts for one cell of one unit.

    `spoken`: every submission that speaks of it, arrived by the cut-off, by sequence. `uploads`: `file_key` ->
    arrivals of the unit's evidence files by the cut-off, oldest first. `verdict_of`: verdict and reason of an upload's
    signatures, None where they were not looked at.
    """
    in_time = [item for item in spoken if timeliness(item.received_at, due, criterion) != "late"]
    filled_late = [item for item in spoken if not item.is_blank and item not in in_time]
    chosen = in_time[-1] if in_time else None
    is_late = bool(filled_late) and (chosen is None or chosen.is_blank)
    if is_late and rules.late != "accept":
        late = filled_late[-1]
        return CellReport(late, True, Grade.D, _late(late.submission, "", late.received_at, due, criterion, rules))
    if is_late:
        chosen = filled_late[-1]
    if chosen is None or chosen.is_blank:
        return CellReport(chosen, False, Grade.D, None) if chosen else NOTHING
    files, not_found, late_files = _found(criterion, chosen, uploads, due, rules)
    grade, standing = _judged(criterion, chosen, files, not_found, late_files, due, rules, verdict_of)
    is_late |= any(timeliness(item.received_at, due, criterion) == "late" for item in (*files, *late_files))
    return CellReport(chosen, is_late, grade, standing, files, not_found)


def _late(
    submission: str, what: str, received_at: dt.datetime, due: Due, criterion: str, rules: Rules, *more: str
) -> Standing:
    last = due.last_moment(criterion)
    told = f"nộp muộn: {what}nhận lúc {shown(received_at)}, sau hạn {shown(last) if last else '?'}"
    if rules.late == "zero":
        return Standing(CellState.ZERO_LATE, told, (submission, *more))
    return Standing(CellState.PENDING, f"{told}; {_UNSAID} (choices: late)", (submission, *more))


_UNSAID = "quyết định không nói cách tính"


def _found(
    criterion: str, chosen: Spoken, uploads: Mapping[str, Sequence[Upload]], due: Due, rules: Rules
) -> tuple[tuple[Upload, ...], tuple[str, ...], tuple[Upload, ...]]:
    """The cited files in their newest version in time, or a late one where that is accepted and no other came;
    names that never arrived; files that only came late."""
    files: list[Upload] = []
    not_found: list[str] = []
    late: list[Upload] = []
    # A file that is cited twice, for several pages, is one file.
    for key, name in {file_key(ref.file): ref.file for ref in chosen.evidence}.items():
        arrivals = uploads.get(key, ())
        good = [item for item in arrivals if timeliness(item.received_at, due, criterion) != "late"]
        if good:
            files.append(good[-1])
        elif arrivals and rules.late == "accept":
            files.append(arrivals[-1])
        elif arrivals:
            late.append(arrivals[-1])
        else:
            not_found.append(name)
    return tuple(files), tuple(not_found), tuple(late)


_STATES: Mapping[Verdict, CellState | None] = {
    Verdict.VERIFIED: None,
    Verdict.INCOMPLETE: CellState.ZERO_REJECTED,
    Verdict.WRONG_SIGNER: CellState.ZERO_REJECTED,
    Verdict.ALTERED: CellState.ZERO_REJECTED,
    Verdict.DAMAGED: CellState.ZERO_REJECTED,
    Verdict.LATE: CellState.ZERO_LATE,
    Verdict.EXPIRED: CellState.ZERO_REJECTED,
    Verdict.UNVERIFIABLE: CellState.PENDING,
    Verdict.UNSIGNED: CellState.ZERO_REJECTED,
}
"""What a cell is whose evidence has such a verdict, where the decision demands signatures; None: it counts."""


def _judged(
    criterion: str,
    chosen: Spoken,
    files: tuple[Upload, ...],
    not_found: tuple[str, ...],
    late_files: tuple[Upload, ...],
    due: Due,
    rules: Rules,
    verdict_of: Callable[[Upload], tuple[Verdict, str] | None],
) -> tuple[Grade, Standing | None]:
    """The grade of the evidence and, where it is not good enough, the state that the cell has instead."""
    verdicts = {item.id: verdict_of(item) for item in files}
    is_signed = bool(files) and all(found is not None and found[0] is Verdict.VERIFIED for found in verdicts.values())
    complete = not not_found and not late_files
    grade = Grade.D if not files else Grade.B if is_signed and complete else Grade.C
    if not rules.evidence_required:
        return grade, None
    found = list(_objections(criterion, chosen, files, not_found, late_files, due, rules, verdicts))
    certain = [item for item in found if item.state is not CellState.PENDING]
    return grade, next(iter((*certain, *found)), None)


def _objections(
    criterion: str,
    chosen: Spoken,
    files: tuple[Upload, ...],
    not_found: tuple[str, ...],
    late_files: tuple[Upload, ...],
    due: Due,
    rules: Rules,
    verdicts: Mapping[str, tuple[Verdict, str] | None],
) -> Iterator[Standing]:
    """Everything that is wrong with the evidence of a cell that needs some."""
    for item in late_files:
        what = f"tài liệu «{item.name}» "
        yield _late(chosen.submission, what, item.received_at, due, criterion, rules, item.id)
    if not_found or not (files or late_files):
        told = ", ".join(f"«{name}»" for name in not_found)
        why = f"tài liệu kiểm chứng đã nêu mà không nộp: {told}" if not_found else "không có tài liệu kiểm chứng"
        if rules.missing_is_zero:
            yield Standing(CellState.ZERO_NO_EVIDENCE, why, (chosen.submission,))
        else:
            yield Standing(CellState.PENDING, f"{why}; {_UNSAID} (choices: missing)", (chosen.submission,))
    for item in files if rules.signatures_required else ():
        verdict, why = verdicts[item.id] or (None, "chữ ký số chưa được kiểm tra")
        state = CellState.PENDING if verdict is None else _STATES[verdict]
        if verdict is Verdict.LATE and rules.late != "zero":
            if rules.late == "accept":
                continue
            state, why = CellState.PENDING, f"{why}; {_UNSAID} (choices: late)"
        if state is not None:
            yield Standing(state, f"tài liệu «{item.name}»: {why}", (chosen.submission, item.id))


def shown(moment: dt.datetime) -> str:
    """A moment in Vietnam, for a reader."""
    return moment.astimezone(TIME_ZONE).strftime("%d/%m/%Y %H:%M:%S")
