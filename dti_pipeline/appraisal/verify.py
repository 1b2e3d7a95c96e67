"""Whether what was stored still is what was stored: every chain of appraisal, and the bytes that units handed in.

A chain cannot tell by itself that its newest entries were cut off, or that it was written anew from some entry on. So
every night keeps how far each chain went and with which entry it ended; those heads are compared too. Not here: putting
anything right.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from dti_pipeline.appraisal.chain import Break, breaks, rows_of
from dti_pipeline.scoring.periods import cut_off
from dti_pipeline.store import facts
from dti_pipeline.store.snapshots import SnapshotDamaged
from dti_pipeline.store.tables import CheckRow, EventRow, EvidenceFileRow, SubmissionRow

if TYPE_CHECKING:
    from dti_pipeline.night import Workspace

HEADS = ("evidence/appraisals", "chain_heads")
"""Subject and suite under which a night keeps the heads of the chains."""


@dataclass(frozen=True, slots=True)
class LostFile:
    """Bytes that a unit handed in and that are gone or altered."""

    assessment: str
    unit: str | None
    file: str
    sha256: str
    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at and what does not hold."""

    entries: dict[str, int]
    """Assessment -> entries of its chain."""
    files: int
    breaks: tuple[Break, ...]
    lost: tuple[LostFile, ...]

    @property
    def holds(self) -> bool:
        return not self.breaks and not self.lost

    def data(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "entries": self.entries,
            "files": self.files,
            "breaks": [asdict(item) for item in self.breaks],
            "lost_files": [asdict(item) for item in self.lost],
        }


def verify(work: Workspace, assessment_id: str | None = None, *, with_files: bool = True) -> Verified:
    """Recompute every chain and hash every handed-in file again, of one assessment or of all that are stored."""
    with Session(work.engine) as session:
        rows = session.exec(select(EventRow).order_by(col(EventRow.assessment), col(EventRow.sequence))).all()
        chains = {name: list(group) for name, group in groupby(rows, key=lambda row: row.assessment)}
        heads = _kept_heads(session)
        names = sorted(chains.keys() | heads.keys())
        if assessment_id is not None:
            names = [assessment_id]
        found: list[Break] = []
        for name in names:
            found += breaks(chains.get(name, []))
            found += _cut(name, chains.get(name, []), heads.get(name, []))
        files, lost = _files(work, session, assessment_id) if with_files else (0, ())
    return Verified({name: len(chains.get(name, [])) for name in names}, files, tuple(found), lost)


def heads_of(work: Workspace, night: dt.date) -> str:
    """How far each chain went at a night's cut-off, as canonical JSON: assessment -> [sequence, id]; «{}» for none."""
    found: dict[str, tuple[int, str]] = {}
    with Session(work.engine) as session:
        for name in sorted(work.assessments):
            known = [row for row in rows_of(session, name) if row.recorded_at <= facts.utc_text(cut_off(night))]
            if known:
                found[name] = (known[-1].sequence, known[-1].id)
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


def _kept_heads(session: Session) -> dict[str, list[tuple[str, int, str]]]:
    """Assessment -> (night, sequence, id) as nights kept them."""
    statement = (
        select(CheckRow).where(CheckRow.subject == HEADS[0], CheckRow.suite == HEADS[1]).order_by(CheckRow.night)
    )
    found: dict[str, list[tuple[str, int, str]]] = {}
    for row in session.exec(statement).all():
        for name, (sequence, event) in json.loads(row.result).items():
            found.setdefault(name, []).append((row.night, sequence, event))
    return found


def _cut(name: str, rows: Sequence[EventRow], heads: Sequence[tuple[str, int, str]]) -> list[Break]:
    """Where a chain no longer has the entry with which it once ended; the first such place only."""
    ids = {row.sequence: row.id for row in rows}
    last = max(ids, default=0)
    for night, sequence, event in heads:
        if ids.get(sequence) == event:
            continue
        if sequence > last:
            gone = f"{last + 1}" if sequence == last + 1 else f"{last + 1}–{sequence}"
            why = f"thiếu mục {gone}: đêm {night} chuỗi đã đến mục {sequence}"
        else:
            why = f"không phải mục mà đêm {night} đã ghi nhận; chuỗi được viết lại từ đây hoặc trước đó"
        return [Break(name, sequence, event, "", why)]
    return []


def _files(work: Workspace, session: Session, assessment_id: str | None) -> tuple[int, tuple[LostFile, ...]]:
    wanted: dict[str, LostFile] = {}
    for evidence in session.exec(select(EvidenceFileRow).order_by(col(EvidenceFileRow.recorded_at))).all():
        if assessment_id in (None, evidence.assessment):
            lost = LostFile(evidence.assessment, evidence.unit, evidence.name, evidence.sha256, "")
            wanted.setdefault(evidence.sha256, lost)
    for row in session.exec(select(SubmissionRow).order_by(col(SubmissionRow.recorded_at))).all():
        # The bytes of what was refused are not kept.
        if row.body_sha256 and row.outcome != "refused" and assessment_id in (None, row.assessment):
            lost = LostFile(row.assessment, row.unit, row.file_name, row.body_sha256, "")
            wanted.setdefault(row.body_sha256, lost)
    found = []
    for sha256, item in wanted.items():
        try:
            work.snapshots.get(sha256)
        except SnapshotDamaged as damage:
            found.append(LostFile(item.assessment, item.unit, item.file, sha256, str(damage)))
    return len(wanted), tuple(found)
