"""What waits in quarantine, and what people decide on it. Every decision is appended with its author and moment.

Here: the list, one record whole, release and rejection. A released figure counts from the decision on: the answers that
hold it are read again with the decision applied, and nights that were closed before do not see it. Not here: why
something is held (`invariants.py`, the connectors) and how a reading is recorded (`runner.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from dti_pipeline.harvest.discovery import load_connector, load_manifest
from dti_pipeline.harvest.reread import RereadReport, answers, read_again, saying
from dti_pipeline.harvest.runner import base_reading_id, decide, decisions
from dti_pipeline.store import facts
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import QuarantineDecisionRow, QuarantineRow, SnapshotRow
from dti_pipeline.units.registry import Registry

SHORTEST_ID = 6

Standing = Literal["open", "released", "rejected", "superseded"]

STANDING_WORDS: dict[Standing, str] = {
    "open": "chờ quyết định",
    "released": "đã cho dùng",
    "rejected": "đã loại",
    "superseded": "không còn hiệu lực: đã có lần đọc hoặc câu trả lời mới hơn",
}


class QuarantineError(ValueError):
    """A decision that cannot be taken: on what, why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record in quarantine and where it stands."""

    id: str
    connector: str
    site: str
    nights: tuple[str, ...]
    """On which the source said so, as far as that still counts; oldest first."""
    locator: str
    reason: str
    standing: Standing
    is_figure: bool
    """Read well but breaking a rule, so that it can be released; anything else needs a corrected reader or registry."""
    metric: str | None
    unit: str | None
    period: str | None
    value: str | None
    numerator: str | None
    denominator: str | None
    decided_by: str | None
    decided_at: str | None
    decision_reason: str | None
    recorded_at: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"nights": list(self.nights), "standing_words": STANDING_WORDS[self.standing]}


def list_held(engine: Engine, *, connector: str | None = None, everything: bool = False) -> list[Waiting]:
    """What waits for a decision, by connector, site and place; with `everything` also what is decided or superseded.

    Open is only what still matters: a record of the newest answer to its request, as today's word on it is.
    """
    with Session(engine) as session:
        statement = select(QuarantineRow)
        if connector is not None:
            statement = statement.where(QuarantineRow.connector == connector)
        rows = session.exec(statement).all()
        found = _standing(session, rows)
    wanted = [item for item in found if everything or item.standing == "open"]
    return sorted(wanted, key=lambda item: (item.connector, item.site, item.nights, item.locator, item.id))


def show(engine: Engine, quarantine_id: str) -> dict[str, Any]:
    """One record whole: `as_dict` of Waiting, the record itself, every decision, and the answers that it stands in.

    An id may be cut to its first characters. Raises QuarantineError for one that is unknown or not unique.
    """
    with Session(engine) as session:
        row = _find(session, quarantine_id)
        (item,) = _standing(session, [row])
        taken = session.exec(
            select(QuarantineDecisionRow)
            .where(QuarantineDecisionRow.quarantine_id == row.id)
            .order_by(col(QuarantineDecisionRow.revision))
        ).all()
        return item.as_dict() | {
            "record": _plain(row.record),
            "observation": None if row.observation is None else json.loads(row.observation),
            "decisions": [
                {"decision": d.decision, "by": d.decided_by, "reason": d.reason, "at": d.recorded_at} for d in taken
            ],
            "answers": [
                {
                    "night": answer.night,
                    "sha256": answer.body_sha256,
                    "request": json.loads(answer.request),
                    "connector_version": answer.connector_version,
                }
                for answer in _answers_of(session, row)
            ],
        }


def release(
    engine: Engine,
    store: SnapshotStore,
    registry: Registry,
    ids: Sequence[str],
    *,
    by: str,
    reason: str,
    now: dt.datetime,
) -> list[Waiting]:
    """Let held figures count from now on. Raises QuarantineError, with nothing written, where one of them cannot."""
    return _decide(engine, store, registry, ids, "released", by, reason, now)


def reject(
    engine: Engine,
    store: SnapshotStore,
    registry: Registry,
    ids: Sequence[str],
    *,
    by: str,
    reason: str,
    now: dt.datetime,
) -> list[Waiting]:
    """Leave records out for good; one that was released counts no more from now on. Raises QuarantineError."""
    return _decide(engine, store, registry, ids, "rejected", by, reason, now)


def _decide(
    engine: Engine,
    store: SnapshotStore,
    registry: Registry,
    ids: Sequence[str],
    decision: Literal["released", "rejected"],
    by: str,
    reason: str,
    now: dt.datetime,
) -> list[Waiting]:
    if not by.strip() or not reason.strip():
        raise QuarantineError("a decision needs its author (by) and a reason")
    with Session(engine) as session, session.begin():
        rows = list({row.id: row for row in (_find(session, item) for item in ids)}.values())
        before = {item.id: item.standing for item in _standing(session, rows)}
        for row in rows:
            _check_decidable(row, before[row.id], decision)
            _check_reader(row, _answers_of(session, row))
        for row in rows:
            decide(session, row.id, decision, by.strip(), reason.strip(), facts.utc_text(now))
        touched = {answer.id: answer for row in rows if row.observation for answer in _answers_of(session, row)}
        session.flush()
        session.expunge_all()
    for answer in touched.values():
        reader, manifest = load_connector(answer.connector), load_manifest(answer.connector)
        report = RereadReport(manifest.name, manifest.version)
        read_again(engine, store, registry, reader, manifest, answer, now, report)
        for night, path, failure in report.refused:  # what was read once is read again by a pure reader
            raise QuarantineError(f"{answer.connector}/{answer.site}, {night}, {path}: {failure.message}")
    with Session(engine) as session:
        return _standing(session, [_find(session, row_id) for row_id in before])


def _check_decidable(row: QuarantineRow, standing: Standing, decision: str) -> None:
    short = row.id[:12]
    if standing == decision:
        raise QuarantineError(f"{short}: {STANDING_WORDS[standing]} rồi")
    if standing == "superseded":
        raise QuarantineError(f"{short}: {STANDING_WORDS[standing]}; xem danh sách hiện tại")
    if decision == "released" and row.observation is None:
        raise QuarantineError(
            f"{short}: bản ghi này không đọc được thành số liệu nên không thể cho dùng; "
            "sửa bộ đọc hoặc tệp đơn vị rồi đọc lại (dti connectors reread)"
        )


def _check_reader(row: QuarantineRow, counting: Sequence[SnapshotRow]) -> None:
    version = load_manifest(row.connector).version
    for answer in counting:
        if answer.connector_version != version:
            raise QuarantineError(
                f"{row.id[:12]}: bộ đọc {row.connector} nay là phiên bản {version}, số liệu do phiên bản "
                f"{answer.connector_version} đọc; đọc lại trước (dti connectors reread {row.connector})"
            )


def _find(session: Session, quarantine_id: str) -> QuarantineRow:
    text = quarantine_id.strip().lower()
    if len(text) < SHORTEST_ID or any(sign not in "0123456789abcdef" for sign in text):
        raise QuarantineError(
            f"«{quarantine_id}» is no id of a record: give at least its first {SHORTEST_ID} characters"
        )
    found = session.exec(select(QuarantineRow).where(col(QuarantineRow.id).startswith(text)).limit(2)).all()
    if not found:
        raise QuarantineError(f"no record «{quarantine_id}» in quarantine; see dti quarantine list")
    if len(found) > 1:
        raise QuarantineError(f"«{quarantine_id}» begins more than one record's id: give more of it")
    return found[0]


def counting(session: Session, connector: str) -> dict[str, list[SnapshotRow]]:
    """Reading (as if nothing were held back) -> the answers that count and say it, oldest night first."""
    found: dict[str, list[SnapshotRow]] = {}
    for answer in saying(answers(session, connector), load_manifest(connector)):
        found.setdefault(base_reading_id(answer), []).append(answer)
    return found


def _answers_of(session: Session, row: QuarantineRow) -> list[SnapshotRow]:
    return counting(session, row.connector).get(row.reading_id, [])


def _standing(session: Session, rows: Sequence[QuarantineRow]) -> list[Waiting]:
    by_reading = {name: counting(session, name) for name in sorted({row.connector for row in rows})}
    taken = decisions(session, [row.id for row in rows])
    return [_waiting(row, taken.get(row.id), by_reading[row.connector].get(row.reading_id, [])) for row in rows]


def _waiting(row: QuarantineRow, decision: QuarantineDecisionRow | None, counting: Sequence[SnapshotRow]) -> Waiting:
    said = "reopened" if decision is None else decision.decision
    standing: Standing = "superseded"
    if counting and said != "cleared":
        standing = "released" if said == "released" else "rejected" if said == "rejected" else "open"
    figure: dict[str, Any] = {} if row.observation is None else json.loads(row.observation)
    return Waiting(
        id=row.id,
        connector=row.connector,
        site=row.site,
        nights=tuple(sorted({answer.night for answer in counting})),
        locator=row.locator,
        reason=row.reason,
        standing=standing,
        is_figure=row.observation is not None,
        metric=figure.get("metric"),
        unit=figure.get("unit"),
        period=f"{figure['period_start']}..{figure['period_end']}" if "period_start" in figure else None,
        value=figure.get("value"),
        numerator=figure.get("numerator"),
        denominator=figure.get("denominator"),
        decided_by=decision.decided_by if decision else None,
        decided_at=decision.recorded_at if decision else None,
        decision_reason=decision.reason if decision else None,
        recorded_at=row.recorded_at,
    )


def _plain(record: str) -> Any:
    """A record as data where it is JSON; connectors may keep other text."""
    try:
        return json.loads(record)
    except ValueError:
        return record
