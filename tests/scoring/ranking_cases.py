"""Small made-up decisions whose points are handed in, for the tests of totals, policies, ratings and ranks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from scoring_cases import criterion

from dti_pipeline.frameworks.model import Decision, Framework, Level, Node, RatingBand, Stated
from dti_pipeline.scoring.engine import NO_RULINGS, Cell, Choices, LevelResult, Rulings, UnitRef, UnitResult
from dti_pipeline.scoring.ranking import rank_level
from dti_pipeline.scoring.states import CellState

NA = CellState.NOT_APPLICABLE
SECRET = CellState.EXCLUDED
MISSING = CellState.ZERO_NO_EVIDENCE
LATE = CellState.ZERO_LATE
REJECTED = CellState.ZERO_REJECTED
PENDING = CellState.PENDING
NOT_APPRAISED = CellState.NOT_APPRAISED

Item = str | Fraction | CellState | tuple[CellState, str]
"""Points, a state without points, or a state with points beside it."""
Rows = Mapping[UnitRef, Sequence[Item]]


def a_level(*maxima: str, **more: Any) -> Level:
    """One group of criteria C1, C2, … worth `maxima`."""
    rules = tuple(
        criterion(f"C{position}", "points", worth, names=("points",), kinds={"points": "number"})
        for position, worth in enumerate(maxima, start=1)
    )
    given: dict[str, Any] = {
        "level": "department", "name": "Cấp thử", "basis": "decision", "stated": Stated(),
        "nodes": (Node(code="N", kind="main", name="Nhóm thử", criteria=rules),),
    }  # fmt: skip
    return Level(**(given | more))


def a_decision(level: Level, **more: Any) -> Framework:
    """A decision of the fictional province that has this level only."""
    text = Decision(
        number="01/QĐ-THU", issued_on=dt.date(2026, 1, 1), issuer="UBND tỉnh Thực Hành", title="Bộ chỉ số thử"
    )
    given: dict[str, Any] = {
        "id": "thu", "decision": text, "province": "tỉnh Thực Hành (đơn vị hư cấu)", "window": "year",
        "levels": (level,),
    }  # fmt: skip
    return Framework(**(given | more))


def bands(*named: tuple[str, str]) -> tuple[RatingBand, ...]:
    return tuple(RatingBand(name=name, least=Decimal(least)) for name, least in named)


def unit(code: str, name: str | None = None, parent: str | None = None) -> UnitRef:
    return UnitRef(code, name or f"Đơn vị {code}", parent)


def cells_of(level: Level, rows: Rows) -> dict[tuple[str, str], Cell]:
    """The cells of rows, in the order of the level's criteria; a shorter row leaves its last ones out."""
    cells = {}
    for ref, row in rows.items():
        for rule, item in zip(level.criteria, row, strict=False):
            match item:
                case CellState():
                    cell = Cell(ref.code, rule.code, item, None)
                case (state, beside):
                    cell = Cell(ref.code, rule.code, state, Fraction(beside))
                case _:
                    cell = Cell(ref.code, rule.code, CellState.SCORED, Fraction(item))
            cells[ref.code, rule.code] = cell
    return cells


def ranked(
    under: Framework, rows: Rows | Mapping[str, Sequence[Item]], choices: Choices | None = None,
    rulings: Rulings = NO_RULINGS,
) -> LevelResult:  # fmt: skip
    """The level of a made-up decision, ranked from rows of units (or of their codes)."""
    level = under.levels[0]
    by_unit = {ref if isinstance(ref, UnitRef) else unit(ref): row for ref, row in rows.items()}
    return rank_level(under, level, list(by_unit), cells_of(level, by_unit), choices, rulings)


def by_code(result: LevelResult) -> dict[str, UnitResult]:
    return {item.unit.code: item for item in result.units}


def ranks(result: LevelResult) -> dict[str, int | None]:
    """Unit -> rank over the level, in the order of the table."""
    return {item.unit.code: item.rank for item in result.units}


def ratings(result: LevelResult) -> dict[str, str | None]:
    return {item.unit.code: item.rating for item in result.units}
