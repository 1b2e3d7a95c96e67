"""Writing and reading facts. Everything is appended; what is already there is not written again.

Bitemporal: a fact is about its own days (valid time) and was recorded at a moment (recorded time). A night sees what
was recorded until its cut-off, so an old night gives the same answer for ever. Not here: what facts mean.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

import sqlalchemy
from sqlalchemy import Engine, insert
from sqlmodel import Session, SQLModel, col, select

from dti_pipeline.harvest.model import Request
from dti_pipeline.store.tables import (
    CheckRow,
    ClaimRow,
    DiscrepancyRow,
    EventRow,
    EvidenceFileRow,
    FootnoteRow,
    InputRow,
    ObservationRow,
    PublicationRow,
    QuarantineDecisionRow,
    QuarantineRow,
    RankingRow,
    ReportedCellRow,
    RunRow,
    ScoreRow,
    SignatureCheckRow,
    SnapshotRow,
    SourceRow,
    StandingRow,
    SubmissionRow,
    UnitRow,
)

Row = TypeVar("Row", bound=SQLModel)
Revised = TypeVar("Revised", InputRow, StandingRow, DiscrepancyRow, ScoreRow, RankingRow, FootnoteRow, CheckRow)
HandedIn = TypeVar("HandedIn", SubmissionRow, ClaimRow, ReportedCellRow, EvidenceFileRow)
SaidAtLevel = TypeVar("SaidAtLevel", ClaimRow, ReportedCellRow)
OfNight = TypeVar("OfNight", InputRow, StandingRow, DiscrepancyRow, ScoreRow, RankingRow, FootnoteRow)

TABLES: tuple[type[SQLModel], ...] = (
    UnitRow,
    SourceRow,
    SnapshotRow,
    ObservationRow,
    QuarantineRow,
    QuarantineDecisionRow,
    SubmissionRow,
    ClaimRow,
    ReportedCellRow,
    EvidenceFileRow,
    SignatureCheckRow,
    EventRow,
    InputRow,
    StandingRow,
    DiscrepancyRow,
    ScoreRow,
    RankingRow,
    FootnoteRow,
    PublicationRow,
    CheckRow,
    RunRow,
)
TIMES = frozenset({"recorded_at", "captured_at", "dagster_run", "url", "base_url"})
"""Columns that say when and where something happened, not what is so; ids and canonical dumps leave them out."""


def utc_text(moment: dt.datetime) -> str:
    """A moment as sortable text in UTC. Raises ValueError for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a stored moment needs its time zone")
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")


def content_id(kind: str, content: Mapping[str, Any]) -> str:
    """sha256 over the kind and the content as canonical JSON: the same fact has the same id everywhere."""
    text = json.dumps([kind, content], ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def with_id(row: Row) -> Row:
    """The row with its content-derived id: over every column but the id and the TIMES."""
    content = {key: value for key, value in row.model_dump(exclude={"id"}).items() if key not in TIMES}
    row.id = content_id(str(row.__tablename__), content)
    return row


def append(session: Session, rows: Sequence[Row]) -> int:
    """Add the rows whose ids are not there yet; gives how many were new. All rows are of one table."""
    if not rows:
        return 0
    model = type(rows[0])
    by_id = {row.id: row for row in rows}  # type: ignore[attr-defined]
    ids = list(by_id)
    known: set[str] = set()
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        known.update(session.exec(select(model.id).where(col(model.id).in_(chunk))).all())  # type: ignore[attr-defined]
    fresh = [row for row_id, row in by_id.items() if row_id not in known]
    _insert(session, model, [row.model_dump() for row in fresh])
    return len(fresh)


def _insert(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Many rows of one table in one statement: a unit of work per row costs five times as much."""
    if rows:
        session.execute(insert(model), list(rows))


@dataclass(frozen=True, slots=True)
class Draft(Generic[Revised]):
    """A row that is wanted, before it has an id and a revision. Building the model itself for each of the hundred
    thousand rows of a night would cost more than everything else that the night does with them."""

    model: type[Revised]
    values: Mapping[str, Any]


def draft(model: type[Revised], **values: Any) -> Draft[Revised]:
    """A wanted row of a table with revisions. Raises TypeError for a column that is missing or unknown."""
    columns, optional = _columns(model)
    if unknown := values.keys() - columns:
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(unknown))}")
    if missing := columns - optional - values.keys():
        raise TypeError(f"{model.__name__} needs {', '.join(sorted(missing))}")
    return Draft(model, dict.fromkeys(optional) | values)


@cache
def _columns(model: type[SQLModel]) -> tuple[frozenset[str], frozenset[str]]:
    """A table's columns that a draft gives, and those of them that may be left out because they may be null."""
    ours = {name: field for name, field in model.model_fields.items() if name not in _GIVEN_BY_REVISE}
    return frozenset(ours), frozenset(name for name, field in ours.items() if not field.is_required())


_GIVEN_BY_REVISE = frozenset({"id", "revision", "is_withdrawn"})


def revise(
    session: Session,
    model: type[Revised],
    current: Iterable[Revised],
    wanted: Sequence[Draft[Revised]],
    key: Sequence[str],
    recorded_at: str,
) -> int:
    """Make `wanted` the current rows of a scope whose current rows are `current`; gives how many rows were added.

    A key with other content gets the next revision; a key that is no longer wanted gets a withdrawn one, recorded at
    `recorded_at`; equal content adds nothing, wherever it stands now.
    """

    compared = [name for name in _columns(model)[0] if name not in TIMES]
    kind = str(model.__tablename__)

    def added_row(values: Mapping[str, Any], revision: int, *, is_withdrawn: bool) -> dict[str, Any]:
        row = {**values, "revision": revision, "is_withdrawn": is_withdrawn}
        return {**row, "id": content_id(kind, {name: value for name, value in row.items() if name not in TIMES})}

    old = {tuple(getattr(row, name) for name in key): row for row in current}
    added: list[dict[str, Any]] = []
    for item in wanted:
        before = old.pop(tuple(item.values[name] for name in key), None)
        if before is None:
            added.append(added_row(item.values, 1, is_withdrawn=False))
        elif before.is_withdrawn or any(getattr(before, name) != item.values[name] for name in compared):
            added.append(added_row(item.values, before.revision + 1, is_withdrawn=False))
    for gone in old.values():
        if not gone.is_withdrawn:
            values = gone.model_dump(exclude=set(_GIVEN_BY_REVISE)) | {"recorded_at": recorded_at}
            added.append(added_row(values, gone.revision + 1, is_withdrawn=True))
    _insert(session, model, added)
    return len(added)


def newest(rows: Iterable[Revised], key: Sequence[str]) -> list[Revised]:
    """Of rows with revisions, the highest of each key, in key order. Withdrawn ones included."""
    best: dict[tuple[Any, ...], Revised] = {}
    for row in rows:
        at = tuple(getattr(row, name) for name in key)
        if at not in best or row.revision > best[at].revision:
            best[at] = row
    return [best[at] for at in sorted(best)]


INPUT_KEY = ("unit", "criterion", "name")
SCORE_KEY = ("unit", "criterion")
RANKING_KEY = ("unit",)
FOOTNOTE_KEY = ("position",)
STANDING_KEY = ("unit", "criterion")
DISCREPANCY_KEY = ("unit", "criterion", "name")
CHECK_KEY = ("night", "subject", "suite")


def of_night(
    session: Session, model: type[OfNight], key: Sequence[str], night: dt.date, assessment: str, level: str
) -> list[OfNight]:
    """Current rows (withdrawn ones included) of one night, assessment and level, in key order."""
    statement = select(model).where(
        model.night == night.isoformat(),
        model.assessment == assessment,
        model.level == level,
    )
    return newest(session.exec(statement).all(), key)


def live(rows: Iterable[Revised]) -> list[Revised]:
    """Without the withdrawn ones."""
    return [row for row in rows if not row.is_withdrawn]


def captured(session: Session, connector: str, site: str, night: dt.date, request: Request) -> SnapshotRow | None:
    """The good snapshot of a request on a night, if there is one; otherwise its newest failure."""
    statement = (
        select(SnapshotRow)
        .where(
            SnapshotRow.connector == connector,
            SnapshotRow.site == site,
            SnapshotRow.night == night.isoformat(),
            SnapshotRow.request_sha256 == request.sha256,
        )
        .order_by(col(SnapshotRow.failure_kind).is_not(None), col(SnapshotRow.captured_at).desc(), SnapshotRow.id)
    )
    return session.exec(statement).first()


def known_snapshots(session: Session, night: dt.date, cut_off: dt.datetime) -> list[SnapshotRow]:
    """Snapshots of this night and earlier ones, captured by the cut-off, oldest first."""
    statement = (
        select(SnapshotRow)
        .where(SnapshotRow.night <= night.isoformat(), SnapshotRow.captured_at <= utc_text(cut_off))
        .order_by(SnapshotRow.night, SnapshotRow.captured_at, SnapshotRow.id)
    )
    return list(session.exec(statement).all())


def observations_of(session: Session, reading_ids: Sequence[str]) -> list[ObservationRow]:
    """Observations of these readings, in a fixed order."""
    found: list[ObservationRow] = []
    for start in range(0, len(reading_ids), 500):
        chunk = reading_ids[start : start + 500]
        found += session.exec(select(ObservationRow).where(col(ObservationRow.reading_id).in_(chunk))).all()
    return sorted(found, key=lambda row: row.id)


def crosswalk(session: Session, connector: str, site: str) -> dict[str, str]:
    """Identifier at a site -> unit code, as far as earlier answers of that site carried both.

    Not across sites: «Sở Y tế» is another agency at another province's.
    """
    statement = (
        select(ObservationRow.source_unit, ObservationRow.unit)
        .where(
            ObservationRow.connector == connector,
            ObservationRow.site == site,
            ObservationRow.source_unit != ObservationRow.unit,
        )
        .distinct()
    )
    return dict(session.exec(statement).all())


def handed_in(session: Session, model: type[HandedIn], assessment: str, cut_off: dt.datetime) -> list[HandedIn]:
    """What arrived for an assessment by a moment, oldest first."""
    statement = (
        select(model)
        .where(model.assessment == assessment, model.recorded_at <= utc_text(cut_off))
        .order_by(col(model.recorded_at), col(model.id))
    )
    return list(session.exec(statement).all())


def said_at_level(
    session: Session, model: type[SaidAtLevel], assessment: str, level: str, cut_off: dt.datetime
) -> list[SaidAtLevel]:
    """What units of a level said in an assessment by a moment, oldest first; to be read only.

    Plain rows with the table's columns: making mapped objects of tens of thousands takes five times as long.
    """
    table = model.__table__  # type: ignore[attr-defined]
    statement = (
        sqlalchemy.select(table)
        .where(
            col(model.assessment) == assessment, col(model.level) == level, col(model.recorded_at) <= utc_text(cut_off)
        )
        .order_by(col(model.recorded_at), col(model.id))
    )
    return cast(list[SaidAtLevel], session.connection().execute(statement).all())


def count_rows(engine: Engine) -> dict[str, int]:
    """Rows per table."""
    from sqlalchemy import func

    with Session(engine) as session:
        return {
            str(table.__tablename__): session.exec(select(func.count()).select_from(table)).one() for table in TABLES
        }


def canonical_dump(engine: Engine) -> str:
    """Every fact as sorted JSON lines without recorded times: equal dumps mean equal content."""
    lines: list[str] = []
    with Session(engine) as session:
        for table in TABLES:
            for row in session.exec(select(table)).all():
                content = {key: value for key, value in row.model_dump().items() if key not in TIMES}
                lines.append(
                    json.dumps([str(table.__tablename__), content], ensure_ascii=False, sort_keys=True, default=str)
                )
    return "\n".join(sorted(lines)) + "\n"
