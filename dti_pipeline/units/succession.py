"""Who came out of whom: events derived from dates and successors, and what they mean for comparing two days.

Here: pure functions over members of any list of units (the registry, the localities). Not here: where they come from.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

EventKind = Literal["merger", "split", "rename", "continued"]
Scheme = Literal["identifier", "statistics"]

NOT_COMPARABLE = "không so sánh trực tiếp được"
COMPARABLE = "so sánh trực tiếp được"
KIND_WORDS: dict[EventKind, str] = {
    "merger": "sáp nhập",
    "split": "chia tách",
    "rename": "đổi tên",
    "continued": "giữ nguyên",
}


class SuccessionError(ValueError):
    """Dates or successors that contradict each other: which unit, what is wrong, what to write instead."""


@dataclass(frozen=True, order=True)
class Member:
    """One unit as it stood under one code. `scheme` says whose code it is: QĐ 20/2020 or the statistics office's."""

    valid_from: dt.date
    """First day; `date.min` where it is not recorded."""
    code: str
    name: str
    valid_to: dt.date = dt.date.max
    """Last day; `date.max` for a unit that still exists."""
    scheme: Scheme = "identifier"

    def stood_on(self, day: dt.date) -> bool:
        return self.valid_from <= day <= self.valid_to

    @property
    def words(self) -> str:
        return f"{self.name} ({self.code})"


@dataclass(frozen=True)
class Event:
    """What happened on a day: the units that went in (whole or in part) and those that came out, by code."""

    on: dt.date
    kind: EventKind
    before: tuple[Member, ...]
    after: tuple[Member, ...]

    @property
    def comparable(self) -> bool:
        """Whether figures of the days before and after stand for the same unit."""
        return self.kind in ("rename", "continued")

    @property
    def words(self) -> str:
        before = ", ".join(member.words for member in self.before)
        after = ", ".join(member.words for member in self.after)
        return f"{vi_date(self.on)}: {KIND_WORDS[self.kind]}: {before} → {after}"


@dataclass(frozen=True)
class Comparison:
    """Whether figures of two days can be compared, and in words why not (empty where they can)."""

    comparable: bool
    reason: str
    events: tuple[Event, ...]
    """Everything that happened to the unit between the two days, renames too."""

    @property
    def words(self) -> str:
        return COMPARABLE if self.comparable else f"{NOT_COMPARABLE}: {self.reason}"


@dataclass(frozen=True)
class History:
    """A unit with all that it came from and all that came of it: members by first day, events by day."""

    of: Member
    members: tuple[Member, ...]
    events: tuple[Event, ...]

    def compare(self, day_a: dt.date, day_b: dt.date) -> Comparison:
        """Whether the unit's figures of two days can be compared, in either order.

        They can if the unit stood on both days, under this code or under one that it was renamed from or to, and no
        merger or split touched it in between.
        """
        first, last = sorted((day_a, day_b))
        chain = self._chain()
        touching = tuple(event for event in self.events if chain & {*event.before, *event.after})
        between = tuple(event for event in touching if first < event.on <= last)
        for day in (first, last):
            if not any(member.stood_on(day) for member in chain):
                return Comparison(False, self._absence(chain, touching, day), between)
        breaks = [event.words for event in between if not event.comparable]
        return Comparison(not breaks, "; ".join(breaks), between)

    def compare_years(self, year_a: int, year_b: int) -> Comparison:
        """The same for the figures of two years: a year's figures belong to the unit as it stood on 31 December."""
        return self.compare(dt.date(year_a, 12, 31), dt.date(year_b, 12, 31))

    def _chain(self) -> set[Member]:
        """The unit and whatever it was renamed from or to."""
        chain = {self.of}
        while True:
            joined = {
                member
                for event in self.events
                if event.comparable and chain & {*event.before, *event.after}
                for member in (*event.before, *event.after)
            }
            if joined <= chain:
                return chain
            chain |= joined

    def _absence(self, chain: Collection[Member], touching: Iterable[Event], day: dt.date) -> str:
        name, start, end = self.of.words, min(m.valid_from for m in chain), max(m.valid_to for m in chain)
        if day < start:
            why = [event.words for event in touching if event.on == start and not event.comparable]
            text = f"ngày {vi_date(day)} chưa có {name}, có từ {vi_date(start)}"
        else:
            why = [event.words for event in touching if event.on > end and not event.comparable]
            text = f"ngày {vi_date(day)} không còn {name}, chỉ có đến hết {vi_date(end)}"
        return "; ".join([text, *why])


def vi_date(day: dt.date) -> str:
    return day.strftime("%d/%m/%Y")


def derive_events(successors: Mapping[Member, Collection[Member]]) -> tuple[Event, ...]:
    """Events by day and code. Raises SuccessionError where dates and successors contradict each other.

    A unit that several others went into is a merger on the day after their last one, a unit that went into several a
    split; where a part went into a merger, both are events of that day. A successor that stood before that day goes in
    as well: it took others in, and its code lives on.
    """
    for member in {*successors, *(after for afters in successors.values() for after in afters)}:
        if member.valid_to < member.valid_from:
            raise SuccessionError(f"unit {member.code}: valid_to {member.valid_to} lies before valid_from")
    _refuse_cycles(successors)
    by_day: dict[dt.date, list[tuple[Member, Member]]] = defaultdict(list)
    for before, afters in successors.items():
        for after in afters:
            by_day[_day_of(before, after)].append((before, after))
    events: list[Event] = []
    for day, pairs in sorted(by_day.items()):
        absorbing = {after for _, after in pairs if after.valid_from < day}
        events += _events_of(day, {*pairs, *((member, member) for member in absorbing)})
    return tuple(sorted(events, key=lambda event: (event.on, event.kind, _by_code(event.before[0]), event.after)))


def history_of(member: Member, events: Iterable[Event]) -> History:
    """The part of `events` that leads to `member` or comes from it."""
    events = tuple(events)
    backward = _reach(member, events, back=True)
    forward = _reach(member, events, back=False)
    kept = tuple(event for event in events if event in backward or event in forward)
    members = {member, *(part for event in kept for part in (*event.before, *event.after))}
    return History(member, tuple(sorted(members)), kept)


def _reach(start: Member, events: tuple[Event, ...], *, back: bool) -> set[Event]:
    """Events from `start` in one direction of time: a unit leads only to events that lie further on that way."""
    reached: set[Event] = set()
    todo = [(start, dt.date.max if back else dt.date.min)]
    while todo:
        member, seen_on = todo.pop()
        for event in events:
            here, there = (event.after, event.before) if back else (event.before, event.after)
            further = event.on < seen_on if back else event.on > seen_on
            if event not in reached and further and member in here:
                reached.add(event)
                todo += [(other, event.on) for other in there]
    return reached


def _refuse_cycles(successors: Mapping[Member, Collection[Member]]) -> None:
    try:
        TopologicalSorter(successors).prepare()
    except CycleError as error:
        path = " → ".join(member.code for member in reversed(error.args[1]))
        raise SuccessionError(f"successors go round in a circle: {path}") from None


def _day_of(before: Member, after: Member) -> dt.date:
    if before.valid_to == dt.date.max:
        raise SuccessionError(f"unit {before.code} has successors and no valid_to: write its last day")
    day = before.valid_to + dt.timedelta(days=1)
    if not after.stood_on(day):
        raise SuccessionError(
            f"unit {before.code} ends on {before.valid_to}, but its successor {after.code} does not exist on {day}: "
            "the last day of the one and the first day of the other must follow each other"
        )
    return day


def _events_of(day: dt.date, pairs: Collection[tuple[Member, Member]]) -> Iterator[Event]:
    sources: dict[Member, list[Member]] = defaultdict(list)
    targets: dict[Member, list[Member]] = defaultdict(list)
    for before, after in pairs:
        sources[after].append(before)
        targets[before].append(after)
    for after, ins in sources.items():
        if len(ins) > 1:
            yield Event(day, "merger", tuple(sorted(ins, key=_by_code)), (after,))
        elif len(targets[ins[0]]) == 1:
            yield Event(day, "continued" if ins[0].name == after.name else "rename", (ins[0],), (after,))
    for before, outs in targets.items():
        if len(outs) > 1:
            yield Event(day, "split", (before,), tuple(sorted(outs, key=_by_code)))


def _by_code(member: Member) -> tuple[str, dt.date]:
    return member.code, member.valid_from
