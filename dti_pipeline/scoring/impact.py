"""What another value of one cell would do to the ranking: points, places of the unit, places of all units. Pure.

Replacing one cell usually changes one line of the table (or, where others get the mean of their peers, a few), so
places are counted against the sorted lines of the official pool. Where a maximum changes, the unit is ranked alone, and
everybody again where peers depend on it. All of it gives exactly what ranking again gives. Not here: which values
differ (`discrepancy.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import ChainMap, Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.scoring.engine import (
    NO_RULINGS,
    Basis,
    Cell,
    Choices,
    Inputs,
    InputValue,
    LevelResult,
    Rulings,
    UnitRef,
    UnitResult,
    score_cell,
)
from dti_pipeline.scoring.ranking import ChoiceNeeded, class_of, order_key, rank_level
from dti_pipeline.scoring.states import OPEN_STATES, POINT_STATES, ZERO_STATES, CellState

_VALUED = POINT_STATES | ZERO_STATES
_PLAIN = _VALUED | {CellState.PENDING, CellState.UNAVAILABLE}
"""States that only decide what a cell adds to its unit's total."""

Key = tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Impact:
    """What would change, were one cell another."""

    points: Fraction
    """By how much the cell's points would change; no points count as 0."""
    unit_places: int | None
    """By how many places its unit would move in its official pool, upwards positive; None where it is not ranked before
    or after."""
    all_places: int
    """The places by which all units that are ranked before and after would move in their pools, together."""


def impacts_of(
    framework: Framework,
    level: Level,
    units: Sequence[UnitRef],
    inputs: Inputs,
    others: Mapping[tuple[str, str], Mapping[str, InputValue]],
    choices: Choices | None = None,
    rulings: Rulings = NO_RULINGS,
) -> dict[tuple[str, str], Impact]:
    """(unit, criterion) -> what other values of its inputs would do, for the cells where they make points at all.

    `others`: (unit, criterion) -> input -> the value in the place of what counts. Raises ChoiceNeeded.
    """
    policies = framework.policies_of(level)
    cells = {
        (unit.code, criterion.code): score_cell(policies, criterion, unit.code, inputs, choices)
        for unit in units
        for criterion in level.criteria
    }
    impacts = Impacts(framework, level, units, cells, choices, rulings)
    found: dict[tuple[str, str], Impact] = {}
    for (unit, code), values in others.items():
        criterion = level.criterion(code)
        mine = {(unit, code, spec.name): inputs[unit, code, spec.name] for spec in criterion.inputs}
        mine |= {(unit, code, name): value for name, value in values.items()}
        cell = score_cell(policies, criterion, unit, mine, choices)
        impact = impacts.of(cell) if cell.state not in _NO_POINTS else None
        if impact is not None:
            found[unit, code] = impact
    return found


_NO_POINTS = OPEN_STATES - POINT_STATES


class Impacts:
    """The ranking of a level, to be asked what other cells would do to it. Raises ChoiceNeeded as ranking does."""

    def __init__(
        self,
        framework: Framework,
        level: Level,
        units: Sequence[UnitRef],
        cells: dict[tuple[str, str], Cell],
        choices: Choices | None = None,
        rulings: Rulings = NO_RULINGS,
    ) -> None:
        self._framework, self._level, self._units = framework, level, units
        self._cells, self._choices, self._rulings = cells, choices, rulings
        self._policy = (choices.not_applicable if choices else None) or framework.policies_of(level).not_applicable
        self._position = {criterion.code: number for number, criterion in enumerate(level.criteria)}
        self._before = rank_level(framework, level, units, cells, choices, rulings)
        self._lines = {line.unit.code: line for line in self._before.units if line.standing != "exempt"}
        self._keys = {code: self._key(line, line.basis) for code, line in self._lines.items()}
        self._members: defaultdict[str, list[str]] = defaultdict(list)
        for code, line in self._lines.items():
            self._members[line.pool].append(code)
        self._pools = {
            pool: sorted(key for code in codes if (key := self._keys[code]) is not None)
            for pool, codes in self._members.items()
        }
        self._reduced = Counter(line.pool for line in self._lines.values() if self._is_reduced(line))
        self._peers: dict[str, _Peers] = {}
        self._branches: dict[str, set[str]] = {}
        for node in level.all_nodes():
            for criterion in node.all_criteria():
                self._branches.setdefault(criterion.code, set()).add(node.code)

    def of(self, cell: Cell) -> Impact | None:
        """What this cell in the place of the one that stands there (and of a ruling on it) would do. None where it
        cannot be taken: the unit is not assessed, or a choice would be needed first."""
        if cell.unit not in self._lines:
            return None
        changes = self._changed_totals(cell)
        if changes is not None:
            lines = {code: self._with_more(self._lines[code], cell.criterion, by) for code, by in changes.items()}
            keys = {code: self._key(line, line.basis) for code, line in lines.items()}
            return Impact(changes[cell.unit], *self._moved(cell.unit, keys))
        try:
            return self._ranked_again(cell) if self._policy == "peer_mean" else self._ranked_alone(cell)
        except ChoiceNeeded:
            return None

    # --- where only totals change ---

    def _changed_totals(self, cell: Cell) -> dict[str, Fraction] | None:
        """Unit -> by how much its total would change; None where more than totals would change."""
        line = self._lines[cell.unit]
        old = line.cells[self._position[cell.criterion]]
        if old.state not in _PLAIN or cell.state not in _PLAIN:
            return None
        if self._policy == "prorate" and any(item.state is CellState.NOT_APPLICABLE for item in line.cells):
            return None
        gained = _worth(cell) - _worth(old)
        changes = {cell.unit: gained}
        if self._policy == "peer_mean" and (peers := self._peers_of(cell.criterion)).sharing:
            count = peers.count - (old.state in _VALUED) + (cell.state in _VALUED)
            if not peers.count or not count:
                return None
            moved = (peers.total + gained) / count - peers.total / peers.count
            changes |= dict.fromkeys(peers.sharing, moved)
        return changes

    def _peers_of(self, criterion: str) -> _Peers:
        if criterion not in self._peers:
            position = self._position[criterion]
            column = {code: line.cells[position] for code, line in self._lines.items()}
            valued = [_worth(item) for item in column.values() if item.state in _VALUED]
            sharing = tuple(code for code, item in column.items() if item.state is CellState.NOT_APPLICABLE)
            self._peers[criterion] = _Peers(sharing, sum(valued, Fraction(0)), len(valued))
        return self._peers[criterion]

    def _with_more(self, line: UnitResult, criterion: str, gained: Fraction) -> UnitResult:
        """A line whose points of a criterion are more by `gained`, as far as its order goes."""
        total = line.total + gained
        touched = self._branches[criterion]
        return replace(
            line,
            total=total,
            percent=total * 100 / line.max_points if line.max_points else Fraction(0),
            groups=tuple((code, points + gained if code in touched else points) for code, points in line.groups),
        )

    # --- where maxima change ---

    def _ranked_alone(self, cell: Cell) -> Impact:
        """The unit's line does not depend on others but for what its pool is ranked on: points or percent."""
        before = self._lines[cell.unit]
        cells = ChainMap({(cell.unit, cell.criterion): cell}, self._cells)
        (after,) = rank_level(
            self._framework, self._level, [before.unit], cells, self._choices, self._lifted(cell)
        ).units
        others = self._reduced[before.pool] - self._is_reduced(before)
        basis: Basis = "percent" if others or self._is_reduced(after) else "points"
        keys = {cell.unit: self._key(after, basis)}
        if basis != before.basis:
            keys = {code: self._key(self._lines[code], basis) for code in self._members[before.pool]} | keys
        points = _points(after, cell.criterion) - _points(before, cell.criterion)
        return Impact(points, *self._moved(cell.unit, keys))

    def _ranked_again(self, cell: Cell) -> Impact:
        cells = ChainMap({(cell.unit, cell.criterion): cell}, self._cells)
        after = rank_level(self._framework, self._level, self._units, cells, self._choices, self._lifted(cell))
        return impact_between(self._before, after, cell.unit, cell.criterion)

    def _lifted(self, cell: Cell) -> Rulings:
        at = (cell.unit, cell.criterion)
        return replace(self._rulings, cells={place: item for place, item in self._rulings.cells.items() if place != at})

    def _is_reduced(self, line: UnitResult) -> bool:
        return line.max_points != Fraction(self._level.max_points)

    # --- places ---

    def _key(self, line: UnitResult, basis: Basis) -> Key | None:
        """What a line is ordered by in its pool; None: it is not ranked."""
        if not line.max_points:
            return None
        reached: int | None = None
        if (classes := self._level.classes) is not None:
            reached, _ = class_of(self._level, classes, dict(line.groups))
            if reached is None and classes.is_unranked_below and line.standing != "not_appraised":
                return None
        score = line.percent if basis == "percent" else line.total
        return order_key(self._framework, self._level, reached, score)

    def _moved(self, unit: str, keys: Mapping[str, Key | None]) -> tuple[int | None, int]:
        """Places of a unit and of all units, were these the keys of some."""
        own: int | None = None
        everything = 0
        by_pool: defaultdict[str, dict[str, tuple[Key | None, Key | None]]] = defaultdict(dict)
        for code, key in keys.items():
            by_pool[self._lines[code].pool][code] = (self._keys[code], key)
        for pool, changed in by_pool.items():
            standing = self._pools[pool]
            old = sorted(key for key, _ in changed.values() if key is not None)
            new = sorted(key for _, key in changed.values() if key is not None)
            everything += _places_of_others(standing, old, new)
            for code, (before, after) in changed.items():
                if before is None or after is None:
                    continue
                rank_before = 1 + _above(standing, before)
                rank_after = 1 + _above(standing, after) - _above(old, after) + _above(new, after)
                everything += abs(rank_before - rank_after)
                if code == unit:
                    own = rank_before - rank_after
        return own, everything


@dataclass(frozen=True, slots=True)
class _Peers:
    """A criterion's column: who gets the mean of the others, the sum of those and how many they are."""

    sharing: tuple[str, ...]
    total: Fraction
    count: int


def _above(ascending: Sequence[Key], key: Key) -> int:
    return len(ascending) - bisect_right(ascending, key)


def _worth(cell: Cell) -> Fraction:
    return cell.points or Fraction(0) if cell.state in POINT_STATES else Fraction(0)


def _places_of_others(standing: Sequence[Key], old: Sequence[Key], new: Sequence[Key]) -> int:
    """By how many places the lines of a pool that do not change move, where others go from `old` to `new`; all sorted.

    Between two neighbouring keys of those that change every other line moves by the same: as many as are above it now
    less as many as were.
    """
    moved = 0
    below_last = 0
    for key in sorted({*old, *new}):
        below = bisect_left(standing, key) - bisect_left(old, key)
        passing = (len(new) - bisect_left(new, key)) - (len(old) - bisect_left(old, key))
        moved += abs(passing) * (below - below_last)
        below_last = below
    return moved


def impact_between(before: LevelResult, after: LevelResult, unit: str, criterion: str) -> Impact:
    """The difference between two whole rankings of a level that differ in one cell."""
    old, new = ({line.unit.code: line for line in result.units} for result in (before, after))
    places = {
        code: line.rank_in_pool - then
        for code, line in old.items()
        if line.rank_in_pool is not None and (then := new[code].rank_in_pool) is not None
    }
    points = _points(new[unit], criterion) - _points(old[unit], criterion)
    return Impact(points, places.get(unit), sum(abs(moved) for moved in places.values()))


def _points(line: UnitResult, criterion: str) -> Fraction:
    return next((cell.points or Fraction(0) for cell in line.cells if cell.criterion == criterion), Fraction(0))
