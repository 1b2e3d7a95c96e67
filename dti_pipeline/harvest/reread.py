"""Reading stored answers again with today's reader, units and decisions. No socket is opened.

Here: which answers there are, and recording what is read now beside what was read then. Old rows stay: a night sees a
new reading only where it was made before the night's cut-off. Not here: reading a single file (`offline.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from dti_pipeline.harvest.discovery import load_connector, load_manifest
from dti_pipeline.harvest.model import Connector, Manifest, Request, Snapshot, SourceFailure
from dti_pipeline.harvest.runner import reading_of, record_reading
from dti_pipeline.store import facts
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import SnapshotRow
from dti_pipeline.units.registry import Registry


@dataclass
class RereadReport:
    """What reading a connector's stored answers again came to."""

    connector: str
    version: str
    read: int = 0
    changed: int = 0
    """Answers that say something else now: another reader, a unit that became known, a decision."""
    new_observations: int = 0
    quarantined: int = 0
    """Records of the answers read that wait or were rejected."""
    refused: list[tuple[str, str, SourceFailure]] = field(default_factory=list)
    """(night, request path, failure): answers that today's reader cannot use. What was read of them earlier stays."""


def reread(
    engine: Engine, store: SnapshotStore, registry: Registry, connector: str, since: dt.date, now: dt.datetime
) -> RereadReport:
    """Read a connector's stored answers of the nights from `since` on again, failed readings included.

    One transaction per answer, so a run that is stopped can be repeated. Raises DataFileError for a connector that
    cannot be loaded, and SnapshotDamaged where stored bytes are gone or altered.
    """
    reader, manifest = load_connector(connector), load_manifest(connector)
    report = RereadReport(connector, manifest.version)
    with Session(engine) as session:
        rows = answers(session, connector, since)
        session.expunge_all()
    for row in rows:
        read_again(engine, store, registry, reader, manifest, row, now, report)
    return report


def answers(session: Session, connector: str, since: dt.date | None = None) -> list[SnapshotRow]:
    """Of every answer whose bytes are kept, the row that counts: a good one before a failed one, then the newest."""
    statement = select(SnapshotRow).where(SnapshotRow.connector == connector, col(SnapshotRow.body_sha256).is_not(None))
    if since is not None:
        statement = statement.where(SnapshotRow.night >= since.isoformat())
    ordered = sorted(
        session.exec(statement).all(), key=lambda row: (row.night, row.failure_kind is None, row.captured_at, row.id)
    )
    return list({(row.site, row.night, row.request_sha256): row for row in ordered}.values())


def saying(rows: Iterable[SnapshotRow], manifest: Manifest) -> list[SnapshotRow]:
    """Of the answers that count (`answers`, oldest night first), those whose figures can be current.

    For figures about periods the newest good answer to a request; for figures that a night dates every night's own.
    """
    by_night = manifest.is_dated_by_night
    good = [row for row in rows if row.failure_kind is None]
    return list({(row.site, row.request_sha256, row.night if by_night else ""): row for row in good}.values())


def read_again(
    engine: Engine,
    store: SnapshotStore,
    registry: Registry,
    reader: Connector,
    manifest: Manifest,
    row: SnapshotRow,
    now: dt.datetime,
    report: RereadReport,
) -> None:
    """Read one stored answer again; where it says something else now, that is recorded beside. Fills the report."""
    report.read += 1
    request = request_of(row)
    snapshot = Snapshot(
        request,
        row.status or 0,
        json.loads(row.headers),
        store.get(row.body_sha256 or ""),
        row.url,
        dt.date.fromisoformat(row.night),
    )
    try:
        reading = reading_of(reader, snapshot)
    except SourceFailure as failure:
        report.refused.append((row.night, request.path, failure))
        return
    content = row.model_dump(exclude={"id", "reading_id", "failure_kind", "failure_message", "is_retryable"})
    again = SnapshotRow(**content, id="")
    again.connector_version = manifest.version
    again.reread_of = row.id
    again.captured_at = _after(row.captured_at, now)
    again.dagster_run = "reread"
    with Session(engine) as session, session.begin():
        recorded = record_reading(session, registry, manifest, again, reading, row.reading_id)
    report.changed += again.reading_id != row.reading_id
    report.new_observations += recorded.new_observations
    report.quarantined += recorded.quarantined


def request_of(row: SnapshotRow) -> Request:
    """The request as it was stored with its answer."""
    return Request(**json.loads(row.request))


def _after(captured_at: str, now: dt.datetime) -> str:
    """The moment of a new word on an answer: never that of the word before, for moments order them."""
    earlier = dt.datetime.fromisoformat(captured_at)
    return facts.utc_text(max(now, earlier + dt.timedelta(seconds=1)))
