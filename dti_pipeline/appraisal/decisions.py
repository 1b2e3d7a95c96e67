"""From events to what holds at a moment. Pure: the same events and moment give the same decisions.

A refused event changes nothing. The newest deciding event of a cell holds until the next or a reopening; an appeal
leaves it standing and marks it as contested. Not here: whether an action was allowed (`scope.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from dti_pipeline.appraisal.model import (
    DECIDING,
    UNIT_ACTIONS,
    Action,
    CellDecision,
    Decisions,
    Event,
    Message,
    Thread,
    ThreadState,
    UnitDecision,
)


class ChainDamaged(ValueError):
    """Entries speak of what is not there: somebody changed the table by hand."""


def decisions_at(events: Iterable[Event], moment: dt.datetime) -> Decisions:
    """What the events recorded by a moment come to; events in order of their sequence. Raises ChainDamaged."""
    tally = Tally()
    for event in events:
        if event.at <= moment:
            tally.add(event)
    return tally.decisions(moment)


class Tally:
    """What events come to while they are gone through one by one."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], CellDecision] = {}
        self._units: dict[tuple[str, Action], UnitDecision] = {}
        self._threads: dict[str, _Open] = {}

    def decisions(self, moment: dt.datetime) -> Decisions:
        """What holds so far; `moment` says which requests are overdue."""
        threads = tuple(thread.at(moment) for thread in self._threads.values())
        return Decisions(dict(self._cells), dict(self._units), threads)

    def add(self, event: Event) -> None:
        """Raises ChainDamaged."""
        if event.outcome == "refused":
            return
        at = (event.unit, event.criterion or "")
        if event.action in DECIDING:
            self._cells[at] = decided = _decided(event)
            for thread in self._appeals(at):
                thread.decide(event, decided)
        elif event.action in UNIT_ACTIONS:
            self._units[event.unit, event.action] = UnitDecision(
                event.action, event.reason, _text(event, "document"), event.id, event.actor, event.at
            )
        elif event.action == "reopen" and event.criterion is not None:
            self._cells.pop(at, None)
            for thread in self._appeals(at):
                thread.decide(event, None)
        elif event.action == "reopen":
            for action in UNIT_ACTIONS:
                self._units.pop((event.unit, action), None)
        elif event.action == "ask":
            self._threads[event.id] = _Open(event, None)
        elif event.action == "appeal":
            contested = self._cells.get(at)
            self._threads[event.id] = _Open(event, contested)
            if contested is not None:
                self._cells[at] = replace(contested, is_contested=True)
        else:
            thread = self._thread(event)
            if event.action == "close" and thread.first.action == "appeal" and not thread.is_answered:
                self._uphold((thread.first.unit, thread.first.criterion or ""))
            thread.add(event)

    def _uphold(self, at: tuple[str, str]) -> None:
        """An appeal ended without another decision: the one that it was against holds uncontested."""
        if (held := self._cells.get(at)) is not None:
            self._cells[at] = replace(held, is_contested=False)

    def _thread(self, event: Event) -> _Open:
        try:
            return self._threads[_text(event, "thread") or ""]
        except KeyError:
            raise ChainDamaged(
                f"{event.assessment}: mục {event.sequence} nói về một trao đổi không có; kiểm tra bằng: dti verify"
            ) from None

    def _appeals(self, at: tuple[str, str]) -> list[_Open]:
        return [
            thread
            for thread in self._threads.values()
            if thread.first.action == "appeal"
            and not thread.is_closed
            and (thread.first.unit, thread.first.criterion) == at
        ]


class _Open:
    """A thread while its events are gone through."""

    def __init__(self, first: Event, contested: CellDecision | None) -> None:
        self.first = first
        self.contested = contested
        self.decided: CellDecision | None = None
        self.messages = [_message(first)]
        self.is_answered = False
        self.is_closed = False

    def add(self, event: Event) -> None:
        self.messages.append(_message(event))
        if event.action == "close":
            self.is_closed = True
        else:
            # What a unit adds to its own appeal answers nothing.
            self.is_answered |= self.first.action == "ask"

    def decide(self, event: Event, decided: CellDecision | None) -> None:
        """The appraiser acted on the cell that an appeal is about."""
        self.messages.append(_message(event))
        self.decided = decided
        self.is_answered = True

    def at(self, moment: dt.datetime) -> Thread:
        until = _text(self.first, "until")
        deadline = dt.datetime.fromisoformat(until) if until else None
        return Thread(
            id=self.first.id,
            kind="request" if self.first.action == "ask" else "appeal",
            unit=self.first.unit,
            criterion=self.first.criterion,
            state=self._state(deadline, moment),
            until=deadline,
            is_supplement=bool(self.first.payload.get("is_supplement")),
            messages=tuple(self.messages),
            contested=self.contested,
            decided=self.decided,
        )

    def _state(self, deadline: dt.datetime | None, moment: dt.datetime) -> ThreadState:
        if self.is_closed:
            return "closed"
        if self.is_answered:
            return "answered"
        return "overdue" if deadline is not None and moment > deadline else "open"


def _decided(event: Event) -> CellDecision:
    inputs = event.payload.get("inputs")
    return CellDecision(
        action=event.action,
        inputs={str(name): str(value) for name, value in inputs.items()} if isinstance(inputs, dict) else {},
        reason=event.reason,
        document=_text(event, "document"),
        event=event.id,
        by=event.actor,
        role=event.role,
        at=event.at,
    )


def _message(event: Event) -> Message:
    return Message(event.id, event.action, event.actor, event.role, event.reason or "", event.at)


def _text(event: Event, name: str) -> str | None:
    value = event.payload.get(name)
    return value if isinstance(value, str) else None
