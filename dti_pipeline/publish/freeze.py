"""Freezing: the ranked tables of one night kept as the assessment's result, once, with the hash of every file.

Here: what must hold before an assessment is frozen, and writing its files and the record. Not here: signing and the
dossier that is handed out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session, select

from dti_pipeline.frameworks.assessment import STATUS_WORDS
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace, units_of
from dti_pipeline.publish.files import FORMATS, Format, file_name, render
from dti_pipeline.store import facts
from dti_pipeline.store.tables import PublicationRow
from dti_pipeline.tables import RankedTable, ranked_table


class NotReady(Exception):
    """The assessment cannot be frozen: everything that stands in the way, and what to do about it."""


@dataclass(frozen=True)
class Frozen:
    """What was frozen: files by name with their sha256, and whether the record is new."""

    folder: Path
    files: dict[str, str]
    is_new: bool


def tables_of(work: Workspace, assessment_id: str, night: dt.date) -> tuple[RankedTable, ...]:
    """The ranked tables of an assessment on a night, level by level. Raises UnknownAssessment."""
    assessment = work.assessment(assessment_id)
    levels = assessment.scored_levels(load_framework(assessment.framework))
    return tuple(ranked_table(work, assessment_id, level.level, night) for level in levels)


def write_tables(
    tables: tuple[RankedTable, ...], folder: Path, formats: tuple[Format, ...] = FORMATS
) -> dict[str, str]:
    """Write each table in each format; gives file name -> sha256. Tables without rows are not written."""
    return _write(_rendered(tables, formats), folder)


def _rendered(tables: tuple[RankedTable, ...], formats: tuple[Format, ...] = FORMATS) -> dict[str, bytes]:
    return {file_name(table, kind): render(table, kind) for table in tables if table.rows for kind in formats}


def _write(bodies: dict[str, bytes], folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in bodies.items():
        part = folder / f"{name}.part"
        part.write_bytes(body)
        part.replace(folder / name)
    return _sha256(bodies)


def _sha256(bodies: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}


def obstacles(work: Workspace, assessment_id: str, tables: tuple[RankedTable, ...], *, rehearsal: bool) -> list[str]:
    """Why the tables must not be frozen as the result; a rehearsal may be, whatever its annex and status."""
    assessment = work.assessment(assessment_id)
    found = [f"{table.level_name}: đêm này chưa có bảng xếp hạng; chạy dti night" for table in tables if not table.rows]
    if rehearsal:
        return found
    framework = load_framework(assessment.framework)
    for table in tables:
        level, night = framework.level(table.level), table.night
        units = units_of(work, assessment, level, night)
        ends = {assessment.period(framework, level, unit, night).end for unit in units}
        if ends and max(ends) > night:
            shown = max(ends).strftime("%d/%m/%Y")
            found.append(f"{table.level_name}: kỳ báo cáo đến hết {shown} chưa kết thúc; chốt theo một đêm sau ngày đó")
        if table.working_words:
            found.append(
                f"{table.level_name}: {table.working_words}; nhập phụ lục chính thức bằng dti frameworks import, "
                "hoặc thêm --rehearsal nếu chỉ diễn tập"
            )
        open_units = [row.unit for row in table.rows if row.is_provisional]
        if open_units:
            shown = ", ".join(open_units[:5]) + ("…" if len(open_units) > 5 else "")
            found.append(f"{table.level_name}: {len(open_units)} đơn vị còn tạm tính ({shown})")
    if assessment.status != "appraised":
        found.append(
            f"đợt đánh giá đang ở trạng thái «{STATUS_WORDS[assessment.status]}» ({assessment.status}); "
            "chỉ chốt khi status là appraised"
        )
    return found


def freeze(work: Workspace, assessment_id: str, night: dt.date, *, by: str, rehearsal: bool = False) -> Frozen:
    """Write the tables of a night and record them as the result (or as a rehearsal). Raises NotReady; nothing is
    written then. Freezing the same tables again adds nothing; other tables never replace a result."""
    tables = tables_of(work, assessment_id, night)
    problems = obstacles(work, assessment_id, tables, rehearsal=rehearsal)
    if not by.strip():
        problems.append("chưa ghi ai chốt (--by)")
    bodies = {} if problems else _rendered(tables)
    row = PublicationRow(
        id="",
        assessment=assessment_id,
        night=night.isoformat(),
        is_rehearsal=rehearsal,
        files=json.dumps(_sha256(bodies), ensure_ascii=False, sort_keys=True),
        frozen_by=by,
        recorded_at=facts.utc_text(work.now()),
    )
    earlier = _earlier(work, assessment_id, rehearsal=rehearsal)
    is_new = not any((item.night, item.files) == (row.night, row.files) for item in earlier)
    if earlier and is_new and not rehearsal and not problems:
        problems = [
            f"{assessment_id} đã được chốt theo đêm {item.night} ({item.frozen_by}) với nội dung khác; "
            "kết quả đã chốt không bị thay"
            for item in earlier
        ]
    if problems:
        raise NotReady("chưa chốt được:\n" + "\n".join(f"- {problem}" for problem in problems))
    kind = "dien-tap" if rehearsal else "chinh-thuc"
    folder = work.settings.publications_folder / "frozen" / assessment_id / f"{night.isoformat()}-{kind}"
    files = _write(bodies, folder)
    if is_new:
        with Session(work.engine) as session, session.begin():
            facts.append(session, [facts.with_id(row)])
    return Frozen(folder, files, is_new)


def _earlier(work: Workspace, assessment_id: str, *, rehearsal: bool) -> list[PublicationRow]:
    """Earlier records of the same kind, oldest first."""
    statement = (
        select(PublicationRow)
        .where(PublicationRow.assessment == assessment_id, PublicationRow.is_rehearsal == rehearsal)
        .order_by(PublicationRow.recorded_at, PublicationRow.id)
    )
    with Session(work.engine) as session:
        rows = list(session.exec(statement).all())
        session.expunge_all()
    return rows
