"""What actions change: the difference between two results of one level, cell by cell and unit by unit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dti_pipeline.scoring.engine import Cell, LevelResult, UnitResult, decimal_text
from dti_pipeline.scoring.report import EXACT_DECIMALS


@dataclass(frozen=True, slots=True)
class CellChange:
    """What becomes of one cell. Points and states are None where the unit has no cells (exempt)."""

    unit: str
    criterion: str
    state_before: str | None
    state_after: str | None
    points_before: Fraction | None
    points_after: Fraction | None

    @property
    def changes_points(self) -> bool:
        return self.points_before != self.points_after

    def data(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "criterion": self.criterion,
            "state": [self.state_before, self.state_after],
            "points": [_text(self.points_before), _text(self.points_after)],
        }


@dataclass(frozen=True, slots=True)
class UnitChange:
    """What becomes of one unit: what is printed of it, its official rank (in its pool) and its rating or class."""

    unit: str
    name: str
    total_before: Fraction
    total_after: Fraction
    printed_before: str
    printed_after: str
    rank_before: int | None
    rank_after: int | None
    rating_before: str | None
    rating_after: str | None
    standing_before: str
    standing_after: str

    @property
    def moves(self) -> bool:
        """Whether anything that a reader sees of it changes."""
        return (self.printed_before, self.rank_before, self.rating_before, self.standing_before) != (
            self.printed_after,
            self.rank_after,
            self.rating_after,
            self.standing_after,
        )

    def data(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "name": self.name,
            "total": [_text(self.total_before), _text(self.total_after)],
            "printed": [self.printed_before, self.printed_after],
            "rank": [self.rank_before, self.rank_after],
            "rating": [self.rating_before, self.rating_after],
            "standing": [self.standing_before, self.standing_after],
        }


@dataclass(frozen=True, slots=True)
class Effect:
    """What actions change on one level."""

    level: str
    cells: tuple[CellChange, ...]
    """The cells that are acted on, in the order of the actions."""
    units: tuple[UnitChange, ...]
    """The units that are acted on, then everybody else who moves, by their rank before."""

    def data(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "cells": [item.data() for item in self.cells],
            "units": [item.data() for item in self.units],
        }


def effects_between(before: LevelResult, after: LevelResult, acted: Sequence[tuple[str, str | None]]) -> Effect:
    """The difference between two results of one level; `acted`: (unit, criterion) of the actions."""
    old = {item.unit.code: item for item in before.units}
    new = {item.unit.code: item for item in after.units}
    own = list(dict.fromkeys(unit for unit, _ in acted))
    changes = {code: _unit(item, new[code]) for code, item in old.items()}
    others = [change for code, change in changes.items() if code not in own and change.moves]
    others.sort(key=lambda item: (item.rank_before is None, item.rank_before or 0, item.unit))
    cells = [_cell(old[unit], new[unit], criterion) for unit, criterion in dict.fromkeys(acted) if criterion]
    return Effect(before.level.level, tuple(cells), (*(changes[code] for code in own), *others))


def _unit(before: UnitResult, after: UnitResult) -> UnitChange:
    return UnitChange(
        unit=before.unit.code,
        name=before.unit.name,
        total_before=before.total,
        total_after=after.total,
        printed_before=before.printed,
        printed_after=after.printed,
        rank_before=before.rank_in_pool,
        rank_after=after.rank_in_pool,
        rating_before=before.rating,
        rating_after=after.rating,
        standing_before=before.standing,
        standing_after=after.standing,
    )


def _cell(before: UnitResult, after: UnitResult, criterion: str) -> CellChange:
    old, new = _of(before, criterion), _of(after, criterion)
    return CellChange(
        unit=before.unit.code,
        criterion=criterion,
        state_before=old.state.value if old else None,
        state_after=new.state.value if new else None,
        points_before=old.points if old else None,
        points_after=new.points if new else None,
    )


def _of(result: UnitResult, criterion: str) -> Cell | None:
    return next((cell for cell in result.cells if cell.criterion == criterion), None)


def _text(points: Fraction | None) -> str | None:
    return None if points is None else decimal_text(points, EXACT_DECIMALS)
