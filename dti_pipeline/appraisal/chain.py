"""The chain of events: what the next entry is, and whether stored entries still hold.

Each entry's id is the sha256 over its columns as canonical JSON, the id of the entry before it included. An entry
that was edited no longer has its id; one that was taken out or put in leaves a gap or a `previous` that does not fit.
Not here: whether an action is allowed (`scope.py`), what events come to (`decisions.py`), storing (`service.py`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlmodel import Session, col, select

from dti_pipeline.appraisal.model import ACTION_WORDS, Action, Event, Role
from dti_pipeline.store import facts
from dti_pipeline.store.tables import EventRow

FIRST = "0" * 64
"""What stands as the previous entry of the first one."""

_HASHED = (
    "previous", "sequence", "assessment", "action", "actor", "actor_unit", "role", "unit", "criterion", "payload",
    "outcome", "refusal", "recorded_at",
)  # fmt: skip
"""Named one by one: a column that the table gets later must not change the ids of old entries."""


@dataclass(frozen=True, slots=True)
class Break:
    """A place at which the chain does not hold: which entry, and what is wrong with it."""

    assessment: str
    sequence: int
    event: str
    entry: str
    """What the entry says: action, unit, criterion and who; empty where it is gone."""
    message: str


def entry_id(row: EventRow) -> str:
    """The id that an entry with this content has."""
    content = {name: getattr(row, name) for name in _HASHED}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def next_entry(
    last: Event | None,
    *,
    assessment: str,
    action: Action,
    actor: str,
    actor_unit: str,
    role: Role,
    unit: str,
    criterion: str | None,
    payload: Mapping[str, Any],
    refusal: str | None,
    at: dt.datetime,
) -> EventRow:
    """The entry behind `last` (None: the first one); `refusal` says why the action was refused, None that it was done.

    The table takes one entry per sequence number: of two that follow the same one, the second cannot be stored.
    """
    row = EventRow(
        id="",
        previous=last.id if last else FIRST,
        sequence=last.sequence + 1 if last else 1,
        assessment=assessment,
        action=action,
        actor=actor,
        actor_unit=actor_unit,
        role=role,
        unit=unit,
        criterion=criterion,
        payload=json.dumps(dict(payload), ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        outcome="done" if refusal is None else "refused",
        refusal=refusal,
        recorded_at=facts.utc_text(at),
    )
    row.id = entry_id(row)
    return row


def event_of(row: EventRow) -> Event:
    """A stored entry as the logic takes it."""
    return Event(
        id=row.id,
        previous=row.previous,
        sequence=row.sequence,
        assessment=row.assessment,
        action=cast(Action, row.action),
        actor=row.actor,
        actor_unit=row.actor_unit,
        role=cast(Role, row.role),
        unit=row.unit,
        criterion=row.criterion,
        payload=json.loads(row.payload),
        outcome="done" if row.outcome == "done" else "refused",
        refusal=row.refusal,
        at=dt.datetime.fromisoformat(row.recorded_at),
    )


def rows_of(session: Session, assessment: str) -> list[EventRow]:
    """The stored entries of an assessment's chain, in order."""
    statement = select(EventRow).where(EventRow.assessment == assessment).order_by(col(EventRow.sequence))
    return list(session.exec(statement).all())


def events_of(session: Session, assessment: str) -> list[Event]:
    """The entries of an assessment's chain, in order."""
    return [event_of(row) for row in rows_of(session, assessment)]


def breaks(rows: Sequence[EventRow]) -> list[Break]:
    """What is wrong with a chain, entry by entry; rows of one assessment in order of their sequence."""
    found: list[Break] = []
    previous, expected, newest = FIRST, 1, ""
    for row in rows:

        def wrong(message: str, row: EventRow = row) -> None:
            found.append(Break(row.assessment, row.sequence, row.id, told(row), message))

        if row.sequence != expected:
            gone = f"{expected}" if row.sequence == expected + 1 else f"{expected}–{row.sequence - 1}"
            wrong(f"trước mục này thiếu mục {gone}")
        if entry_id(row) != row.id:
            wrong("nội dung không còn như lúc ghi")
        if row.previous != previous:
            wrong("không nối vào mục đứng trước")
        if row.recorded_at < newest:
            wrong(f"ghi lúc {row.recorded_at}, trước mục đứng trước ({newest})")
        previous, expected, newest = row.id, row.sequence + 1, max(newest, row.recorded_at)
    return found


def told(row: EventRow) -> str:
    """An entry in words: what, on what, by whom."""
    what = ACTION_WORDS.get(cast(Action, row.action), row.action)
    where = f"{row.unit}, {row.criterion}" if row.criterion else row.unit
    return f"{what} ({where}) – {row.actor}, {row.actor_unit}"
