"""Taking in what units hand in: one bundle of files, one transaction, one receipt per file.

Here: which unit a file belongs to, sequences, storing, the inbox folder. Not here: reading files (`reading/`), what
counts of them (`standing.py`).

The same file twice is one submission: an evidence file that is already the newest of its name is `unchanged`, and so is
what a report says of a cell where the unit's newest words on it are the same; where nothing new is said, nothing is
written. Bytes are kept by sha256 before any row speaks of them; the rows of a bundle appear together or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Self

from sqlmodel import Session, col, func, select

from dti_pipeline.evidence.model import (
    Outcome,
    Problem,
    Refused,
    ReportedCell,
    ReportedInput,
    SubmissionKind,
    UnitReport,
    file_key,
)
from dti_pipeline.evidence.reading.texts import printable
from dti_pipeline.frameworks.assessment import STATUS_WORDS
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import LevelName
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.store import facts
from dti_pipeline.store.tables import ClaimRow, EvidenceFileRow, ReportedCellRow, SubmissionRow
from dti_pipeline.text import nfc
from dti_pipeline.units.registry import normalise_code

if TYPE_CHECKING:
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.night import Workspace

Channel = Literal["cli", "inbox"]


@dataclass(frozen=True, slots=True)
class HandedFile:
    """A file as it came. `unit`: whose it is, where the way it came says so (a folder, an option)."""

    name: str
    body: bytes
    unit: str | None = None
    unread: tuple[int, str] | None = None
    """Size and sha256 of a file that is larger than anything that is taken in; its body is not here."""

    @classmethod
    def at(cls, path: Path, unit: str | None = None) -> Self:
        """A file on disk, read unless it is too large. Raises OSError."""
        from dti_pipeline.evidence.reading import check_size

        name, size = _shown_name(path.name), path.stat().st_size
        try:
            check_size(size)
        except Refused:
            with path.open("rb") as file:
                return cls(name, b"", unit, (size, hashlib.file_digest(file, "sha256").hexdigest()))
        return cls(name, path.read_bytes(), unit)

    @property
    def size(self) -> int:
        return self.unread[0] if self.unread else len(self.body)

    @property
    def sha256(self) -> str:
        return self.unread[1] if self.unread else hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one handed-in file; what the person who handed it in is told."""

    file: str
    kind: SubmissionKind
    outcome: Outcome
    units: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    cells: int = 0
    """How many criteria were taken in."""

    def data(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "kind": self.kind,
            "outcome": self.outcome,
            "units": list(self.units),
            "cells": self.cells,
            "problems": [_problem(item) for item in self.problems],
        }


class IntakeClosed(ValueError):
    """The assessment no longer takes anything in: it is frozen or published."""


def take_in(
    work: Workspace,
    assessment_id: str,
    files: Sequence[HandedFile],
    *,
    channel: Channel,
    submitted_by: str | None = None,
) -> list[Receipt]:
    """Take in a bundle as of now; gives a receipt per file, in order. Raises IntakeClosed, UnknownAssessment.

    Evidence files belong to the unit that came with them, or to the one unit that the bundle's reports are about.
    A file that cannot be used is refused with advice and remembered; the others are taken in.
    """
    with _alone(work):
        return _take_in(work, assessment_id, files, channel, submitted_by)


@contextmanager
def _alone(work: Workspace) -> Iterator[None]:
    """One intake at a time on this machine: two at once would give two submissions of a unit one sequence number."""
    work.settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (work.settings.data_dir / "intake.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _take_in(
    work: Workspace, assessment_id: str, files: Sequence[HandedFile], channel: Channel, submitted_by: str | None
) -> list[Receipt]:
    assessment = work.assessment(assessment_id)
    if not assessment.is_live:
        raise IntakeClosed(
            f"{assessment_id}: đợt đánh giá {STATUS_WORDS[assessment.status]}; không nhận thêm hồ sơ. "
            "Hồ sơ đến muộn cần quyết định mở lại của đơn vị chủ trì."
        )
    units = units_of_assessment(work, assessment)
    drafts = [_read(item, assessment, units) for item in files]
    owners = {report.unit for draft in drafts for report in draft.reports}
    owner = next(iter(owners)) if len(owners) == 1 else None
    now = facts.utc_text(work.now())
    receipts: list[Receipt] = []
    with Session(work.engine) as session, session.begin():
        for draft in drafts:
            receipts.append(_store(work, session, assessment, draft, owner, units, channel, submitted_by, now))
        session.flush()
        return [
            replace(receipt, problems=(*receipt.problems, *_about_papers(session, assessment.id, draft)))
            if receipt.outcome != "refused"
            else receipt
            for draft, receipt in zip(drafts, receipts, strict=True)
        ]


def _about_papers(session: Session, assessment: str, draft: _Draft) -> Iterator[Problem]:
    """What a report cites and is not there yet, or has not that many pages: worth knowing, not part of the record."""
    for report in draft.reports:
        statement = (
            select(EvidenceFileRow)
            .join(SubmissionRow, col(EvidenceFileRow.submission) == col(SubmissionRow.id))
            .where(EvidenceFileRow.assessment == assessment, EvidenceFileRow.unit == report.unit)
            .order_by(col(SubmissionRow.sequence))
        )
        files = {file_key(row.name): row for row in session.exec(statement).all()}
        absent: dict[str, str] = {}
        for cell in report.cells:
            for ref in cell.evidence:
                file = files.get(file_key(ref.file))
                if file is None:
                    absent[file_key(ref.file)] = ref.file
                elif file.pages is not None and ref.last_page > file.pages:
                    told = f"nêu trang {ref.last_page} của «{ref.file}», mà tệp đã nộp có {file.pages} trang"
                    yield Problem(cell.locator, told, False, report.unit, cell.criterion)
        if absent:
            names = ", ".join(f"«{name}»" for name in absent.values())
            told = f"biểu nêu tài liệu chưa nộp: {names}; nộp đúng tên đó trong hạn"
            yield Problem(draft.file.name, told, False, report.unit)


def units_of_assessment(work: Workspace, assessment: Assessment) -> dict[str, tuple[UnitRef, LevelName]]:
    """Identifier code -> unit and level, of everything that the assessment scores today."""
    from dti_pipeline.night import units_of

    framework = load_framework(assessment.framework)
    today = work.now().date()
    return {
        unit.code: (unit, level.level)
        for level in assessment.scored_levels(framework)
        for unit in units_of(work, assessment, level, today)
    }


@dataclass(frozen=True, slots=True)
class _Draft:
    """A handed-in file after reading, before storing."""

    file: HandedFile
    kind: SubmissionKind
    reports: tuple[UnitReport, ...] = ()
    problems: tuple[Problem, ...] = ()
    media_type: str | None = None
    pages: int | None = None
    refusal: str | None = None


def _read(item: HandedFile, assessment: Assessment, units: Mapping[str, tuple[UnitRef, LevelName]]) -> _Draft:
    from dti_pipeline.evidence.reading import check_evidence_file, check_size, read_report, sniff

    kind: SubmissionKind = "files"
    try:
        check_size(item.size)
        if sniff(item.body, item.name).is_report_candidate:
            report = read_report(item.body, item.name, assessment, load_framework(assessment.framework), units)
            return _Draft(item, report.kind, report.units, report.problems)
        info = check_evidence_file(item.body, item.name)
        return _Draft(item, "files", media_type=info.media_type, pages=info.pages)
    except Refused as refusal:
        return _Draft(item, kind, refusal=str(refusal))


def _store(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    draft: _Draft,
    owner: str | None,
    units: Mapping[str, tuple[UnitRef, LevelName]],
    channel: Channel,
    submitted_by: str | None,
    now: str,
) -> Receipt:
    base = {
        "assessment": assessment.id,
        "file_name": nfc(PurePosixPath(draft.file.name.replace("\\", "/")).name),
        "channel": channel,
        "submitted_by": submitted_by,
        "recorded_at": now,
    }
    unit = draft.file.unit or owner
    # What a person reads of a refusal by the unit's code has to be of a unit of the assessment.
    known_unit = unit if unit in units else None
    if draft.refusal is not None:
        return _refuse(session, draft, base, draft.refusal, known_unit)
    if unit is not None and known_unit is None:
        why = f"«{unit}» không thuộc đợt đánh giá {assessment.id}; kiểm tra mã đơn vị của thư mục hoặc của --unit"
        return _refuse(session, draft, base, why, None)
    if draft.kind == "files":
        if known_unit is None:
            advice = "hãy nộp kèm biểu của đơn vị, đặt vào thư mục mang mã đơn vị, hoặc ghi --unit"
            return _refuse(session, draft, base, f"không biết là tài liệu của đơn vị nào; {advice}", None)
        return _store_evidence(work, session, draft, base, known_unit, units[known_unit][1])
    others = sorted({report.unit for report in draft.reports} - {draft.file.unit})
    if draft.file.unit is not None and others:
        why = f"biểu là của đơn vị {', '.join(others)}, mà nơi nộp là của {draft.file.unit}; nộp vào đúng nơi"
        return _refuse(session, draft, base, why, known_unit)
    return _store_reports(work, session, draft, base)


def _refuse(session: Session, draft: _Draft, base: Mapping[str, Any], why: str, unit: str | None) -> Receipt:
    """Remember the refusal once per file and unit: the name and the sha256, not the bytes, which may be dangerous."""
    name = printable(base["file_name"])
    problems = (*draft.problems, Problem(name, why, unit=unit))
    body_sha256 = draft.file.sha256
    statement = select(SubmissionRow).where(
        SubmissionRow.assessment == base["assessment"],
        SubmissionRow.unit == unit,
        SubmissionRow.body_sha256 == body_sha256,
        SubmissionRow.outcome == "refused",
    )
    if session.exec(statement).first() is None:
        row = SubmissionRow(
            **{**base, "file_name": name},
            id="",
            unit=unit,
            sequence=_next_sequence(session, base["assessment"], unit),
            kind=draft.kind,
            body_sha256=body_sha256,
            body_bytes=draft.file.size,
            outcome="refused",
            problems=_problems_json(problems),
        )
        facts.append(session, [facts.with_id(row)])
    return Receipt(printable(draft.file.name), draft.kind, "refused", (unit,) if unit else (), problems)


def _store_evidence(
    work: Workspace, session: Session, draft: _Draft, base: Mapping[str, Any], unit: str, level: LevelName
) -> Receipt:
    sha256, key = draft.file.sha256, file_key(base["file_name"])
    arrivals = [
        before
        for name, before in session.exec(
            select(EvidenceFileRow.name, EvidenceFileRow.sha256)
            .join(SubmissionRow, col(EvidenceFileRow.submission) == col(SubmissionRow.id))
            .where(EvidenceFileRow.assessment == base["assessment"], EvidenceFileRow.unit == unit)
            .order_by(col(SubmissionRow.sequence))
        ).all()
        if file_key(name) == key
    ]
    if arrivals and arrivals[-1] == sha256:
        return Receipt(draft.file.name, "files", "unchanged", (unit,))
    work.snapshots.put(draft.file.body)
    submission = facts.with_id(
        SubmissionRow(
            **base,
            id="",
            unit=unit,
            level=level,
            sequence=_next_sequence(session, base["assessment"], unit),
            kind="files",
            outcome="accepted",
        )
    )
    row = EvidenceFileRow(
        id="",
        submission=submission.id,
        assessment=base["assessment"],
        unit=unit,
        name=base["file_name"],
        sha256=sha256,
        media_type=draft.media_type or "application/octet-stream",
        body_bytes=len(draft.file.body),
        pages=draft.pages,
        recorded_at=base["recorded_at"],
    )
    facts.append(session, [submission])
    facts.append(session, [facts.with_id(row)])
    return Receipt(draft.file.name, "files", "accepted", (unit,))


def _store_reports(work: Workspace, session: Session, draft: _Draft, base: Mapping[str, Any]) -> Receipt:
    body_sha256 = hashlib.sha256(draft.file.body).hexdigest()
    told = tuple(report.unit for report in draft.reports)
    if not draft.reports:
        why = "không có dòng nào dùng được; sửa các lỗi đã nêu rồi nộp lại"
        return _refuse(session, draft, base, why, draft.file.unit)
    cells: list[ReportedCellRow] = []
    claims: list[ClaimRow] = []
    submissions: list[SubmissionRow] = []
    kept: list[Problem] = []
    for report in draft.reports:
        known = _newest_words(session, base["assessment"], report.unit)
        own = list(_kept_words(draft, report.unit, known))
        kept += own
        # What is wrong with no unit's part in particular concerns all of them.
        problems = _problems_json(item for item in (*draft.problems, *own) if item.unit in (None, report.unit))
        said = [cell for cell in report.cells if known.words.get(cell.criterion) != _words(cell)]
        general = _facts_json(report.facts)
        if not said and problems == known.problems and general in ("{}", known.facts):
            continue
        submission = facts.with_id(
            SubmissionRow(
                **base,
                id="",
                unit=report.unit,
                level=report.level,
                sequence=_next_sequence(session, base["assessment"], report.unit),
                kind=draft.kind,
                body_sha256=body_sha256,
                body_bytes=len(draft.file.body),
                outcome="accepted" if not _errors(draft, report.unit) else "accepted_with_problems",
                problems=problems,
                facts=general,
            )
        )
        submissions.append(submission)
        for cell in said:
            shared = {
                "submission": submission.id,
                "assessment": base["assessment"],
                "level": report.level,
                "unit": report.unit,
                "criterion": cell.criterion,
                "recorded_at": base["recorded_at"],
            }
            cells.append(_cell_row(cell, shared))
            claims += [_claim_row(item, body_sha256, shared) for item in cell.inputs]
    if not submissions:
        return Receipt(draft.file.name, draft.kind, "unchanged", told, (*draft.problems, *kept))
    work.snapshots.put(draft.file.body)
    facts.append(session, submissions)
    facts.append(session, cells)
    facts.append(session, claims)
    is_clean = not any(item.is_error for item in draft.problems)
    outcome: Outcome = "accepted" if is_clean else "accepted_with_problems"
    return Receipt(draft.file.name, draft.kind, outcome, told, (*draft.problems, *kept), len(cells))


def _kept_words(draft: _Draft, unit: str, known: _Known) -> Iterator[Problem]:
    """That a criterion with an error says nothing, so that what the unit handed in before stands."""
    told: set[str] = set()
    for item in draft.problems:
        code = item.criterion
        if item.is_error and item.unit == unit and code is not None and code in known.spoken and code not in told:
            told.add(code)
            before = f"số liệu của lần nộp {known.spoken[code]} được giữ"
            words = f"tiêu chí {code} có lỗi nên không được nhận; {before}, sửa rồi nộp lại để thay"
            yield Problem(item.where, words, False, unit, code)


def _errors(draft: _Draft, unit: str) -> bool:
    return any(item.is_error and item.unit in (None, unit) for item in draft.problems)


@dataclass(frozen=True, slots=True)
class _Known:
    """A unit's newest words on every cell, what was wrong with its newest report, its newest general information."""

    words: Mapping[str, tuple[object, ...]]
    spoken: Mapping[str, int]
    """Criterion -> sequence of the newest submission that speaks of it, unless that took back what was said."""
    problems: str
    facts: str


def _words(cell: ReportedCell) -> tuple[object, ...]:
    """What a cell says, wherever it stands in the file."""
    inputs = tuple(sorted((item.name, item.state.value, item.value) for item in cell.inputs))
    evidence = tuple((ref.file, ref.pages) for ref in cell.evidence)
    return (inputs, cell.self_score, cell.explanation, evidence, cell.not_applicable)


def _newest_words(session: Session, assessment: str, unit: str) -> _Known:
    mine = (SubmissionRow.assessment == assessment, SubmissionRow.unit == unit)
    statement = (
        select(SubmissionRow)
        .where(*mine, SubmissionRow.kind != "files", SubmissionRow.outcome != "refused")
        .order_by(col(SubmissionRow.sequence))
    )
    submissions = {row.id: row for row in session.exec(statement).all()}
    newest: dict[str, ReportedCellRow] = {}
    claims: dict[tuple[str, str], list[ClaimRow]] = {}
    if submissions:
        cells = session.exec(
            select(ReportedCellRow).where(ReportedCellRow.assessment == assessment, ReportedCellRow.unit == unit)
        ).all()
        for cell in sorted(cells, key=lambda row: submissions[row.submission].sequence):
            newest[cell.criterion] = cell
        for claim in session.exec(select(ClaimRow).where(ClaimRow.assessment == assessment, ClaimRow.unit == unit)):
            claims.setdefault((claim.submission, claim.criterion), []).append(claim)
    words: dict[str, tuple[object, ...]] = {}
    for criterion, cell in newest.items():
        inputs = tuple(sorted((row.name, row.state, row.value) for row in claims.get((cell.submission, criterion), ())))
        evidence = tuple((file, pages) for file, pages in json.loads(cell.evidence))
        words[criterion] = (inputs, cell.self_score, cell.explanation, evidence, cell.not_applicable)
    rows = list(submissions.values())
    general = [row.facts for row in rows if row.facts != "{}"]
    spoken = {code: submissions[cell.submission].sequence for code, cell in newest.items() if not cell.is_blank}
    return _Known(words, spoken, rows[-1].problems if rows else "[]", general[-1] if general else "{}")


def _claim_row(item: ReportedInput, body_sha256: str, shared: Mapping[str, Any]) -> ClaimRow:
    return facts.with_id(
        ClaimRow(
            **shared,
            id="",
            name=item.name,
            value=item.value,
            state=item.state.value,
            body_sha256=body_sha256,
            locator=item.locator,
        )
    )


def _cell_row(cell: ReportedCell, shared: Mapping[str, Any]) -> ReportedCellRow:
    return facts.with_id(
        ReportedCellRow(
            **shared,
            id="",
            is_blank=cell.is_blank,
            self_score=cell.self_score,
            explanation=cell.explanation,
            evidence=json.dumps([[ref.file, ref.pages] for ref in cell.evidence], ensure_ascii=False),
            not_applicable=cell.not_applicable,
            locator=cell.locator,
        )
    )


def _facts_json(facts: Mapping[str, str]) -> str:
    return json.dumps(dict(facts), ensure_ascii=False, sort_keys=True)


def _next_sequence(session: Session, assessment: str, unit: str | None) -> int:
    session.flush()
    newest = session.exec(
        select(func.max(SubmissionRow.sequence)).where(
            SubmissionRow.assessment == assessment, SubmissionRow.unit == unit
        )
    ).one()
    return (newest or 0) + 1


def _problem(item: Problem) -> dict[str, Any]:
    return {
        "where": item.where,
        "message": item.message,
        "is_error": item.is_error,
        "unit": item.unit,
        "criterion": item.criterion,
    }


def _problems_json(problems: Iterable[Problem]) -> str:
    return json.dumps([_problem(item) for item in problems], ensure_ascii=False)


# --- the inbox folder ---


def inbox_bundles(folder: Path) -> list[tuple[str | None, list[Path]]]:
    """What waits in an assessment's inbox: (unit code of the subfolder or None, files), each a bundle.

    Files directly in the folder are bundles of their own; a subfolder named by a unit's code is one bundle. Names that
    start with a dot or «~$», or end in `.part` or `.tmp`, are still being written and left alone. Bundles go by the
    time their files were last written, so of two versions that wait the newer one is taken in last.
    """
    if not folder.is_dir():
        return []
    bundles: list[tuple[str | None, list[Path]]] = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and _is_ready(path):
            bundles.append((None, [path]))
        elif path.is_dir() and not path.is_symlink() and path.name not in _ASIDE and _may_read(path):
            files = sorted((item for item in path.iterdir() if item.is_file() and _is_ready(item)), key=_written)
            if files:
                bundles.append((path.name, files))
    return sorted(bundles, key=lambda bundle: _written(bundle[1][0]))


def left_in_inbox(folder: Path) -> list[str]:
    """What lies in an assessment's inbox and is not taken in as it is: unfinished names, links, folders in folders,
    what is no file, and what may not be read."""
    ready = {path for _, files in inbox_bundles(folder) for path in files}
    return [
        printable(_shown_name(str(path.relative_to(folder))))
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or not path.is_dir() or not _may_read(path))
        and path not in ready
        and path.relative_to(folder).parts[0] not in _ASIDE
    ]


_ASIDE = ("taken", "refused")
"""Folders of an inbox for what was dealt with."""


def _written(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _is_ready(path: Path) -> bool:
    name = path.name
    is_unfinished = name.startswith((".", "~$")) or name.endswith((".part", ".tmp"))
    return not is_unfinished and not path.is_symlink() and _may_read(path)


def _may_read(path: Path) -> bool:
    return os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK)


def _shown_name(name: str) -> str:
    """A name on disk as text that can be stored; «?» for bytes that are not UTF-8, which no accepted name has."""
    return os.fsencode(name).decode("utf-8", "replace").replace("\ufffd", "?")


def empty_inbox(work: Workspace, assessment_id: str) -> list[Receipt]:
    """Take in everything that waits in an assessment's inbox; what was taken in or refused is moved aside.

    One file that cannot be read, or that changes meanwhile, waits for the next time and stops no other.

    A stop between storing and moving does no harm: the file is found unchanged next time.
    """
    folder = work.settings.inbox_folder / assessment_id
    receipts: list[Receipt] = []
    with _alone(work):
        for name, paths in inbox_bundles(folder):
            unit = normalise_code(_shown_name(name)) if name else None
            read: list[tuple[Path, HandedFile]] = []
            for path in paths:
                try:
                    before = path.stat()
                    file = HandedFile.at(path, unit)
                    after = path.stat()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    why = f"không đọc được tệp trong hộp thư đến ({error.strerror}); tệp còn nằm đó, nhờ quản trị xem"
                    receipts.append(
                        Receipt(_shown_name(path.name), "files", "refused", (), (Problem(_shown_name(path.name), why),))
                    )
                    continue
                if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                    read.append((path, file))
            taken = _take_in(work, assessment_id, [file for _, file in read], "inbox", None) if read else []
            for (path, file), receipt in zip(read, taken, strict=True):
                aside = folder / ("refused" if receipt.outcome == "refused" else "taken") / (name or ".")
                aside.mkdir(parents=True, exist_ok=True)
                path.replace(_free_name(aside, path, file.sha256))
                receipts.append(receipt)
    return receipts


def _free_name(folder: Path, path: Path, sha256: str) -> Path:
    """The file's name, made longer by its bytes' sha256 where another file of that name was taken in before."""
    target = folder / path.name
    return folder / f"{path.stem}.{sha256[:12]}{path.suffix}" if target.exists() else target
