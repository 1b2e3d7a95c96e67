"""Reading handed-in CSV tables: inputs of cells (`dti score`, self-reports) and given points (`dti rank`).

Everything is checked before anything is used: the first problem is reported with its line, and nothing is kept.
Not here: workbooks, evidence files and signatures; what figures are worth (`dti_pipeline.scoring`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.scoring.engine import Cell, InputValue, UnitRef, parse_decimal, parse_value
from dti_pipeline.scoring.states import POINT_STATES, CellState, InputState
from dti_pipeline.text import nfc

INPUT_COLUMNS = ("unit", "unit_name", "criterion", "input", "value", "state")
POINT_COLUMNS = ("unit", "unit_name", "criterion", "points", "state")
_STATE = TypeVar("_STATE", InputState, CellState)


class TableError(ValueError):
    """A handed-in table that cannot be used: which file, which line, what is wrong."""


@dataclass(frozen=True, slots=True)
class InputLine:
    """One line of an inputs table; `text` is the value as written."""

    line: int
    unit: str
    unit_name: str
    criterion: str
    name: str
    value: InputValue
    text: str | None


@dataclass(frozen=True, slots=True)
class InputTable:
    units: tuple[UnitRef, ...]
    lines: tuple[InputLine, ...]

    @property
    def inputs(self) -> dict[tuple[str, str, str], InputValue]:
        return {(line.unit, line.criterion, line.name): line.value for line in self.lines}


@dataclass(frozen=True, slots=True)
class PointTable:
    units: tuple[UnitRef, ...]
    cells: dict[tuple[str, str], Cell]


def read_inputs(body: bytes, name: str, framework: Framework, level: Level) -> InputTable:
    """An inputs table: `unit,unit_name,criterion,input,value,state[,parent]`, UTF-8. Raises TableError.

    The file defines its own units and may be partial. A state that has a value needs one, the others have none.
    """
    units = _Units(name)
    seen: dict[tuple[str, str, str], int] = {}
    lines: list[InputLine] = []
    for number, row in _rows(body, name, INPUT_COLUMNS):
        fail = _fail_at(name, number)
        unit = units.take(number, row)
        try:
            criterion = level.criterion(row["criterion"])
        except KeyError:
            raise fail(f"criterion «{row['criterion']}» is not in {framework.id}, level {level.level}") from None
        try:
            spec = criterion.input(row["input"])
        except KeyError:
            known = ", ".join(item.name for item in criterion.inputs)
            raise fail(f"criterion {criterion.code} has no input «{row['input']}»; known: {known}") from None
        key = (unit.code, criterion.code, spec.name)
        if key in seen:
            raise fail(f"{unit.code}, {criterion.code}, {spec.name} stands twice (first on line {seen[key]})")
        seen[key] = number
        state = _state(row["state"], InputState, fail)
        text = row["value"] or None
        if state.has_value != (text is not None):
            raise fail(f"state {state} {'needs a value' if state.has_value else 'has no value'}")
        try:
            value = parse_value(spec, text) if text is not None else None
        except ValueError as error:
            raise fail(str(error)) from None
        reason = None if state.has_value else f"dòng {number}: {state}"
        lines.append(
            InputLine(number, unit.code, unit.name, criterion.code, spec.name, InputValue(state, value, reason), text)
        )
    return InputTable(units.all, tuple(lines))


def read_points(body: bytes, name: str, framework: Framework, level: Level) -> PointTable:
    """A points table: `unit,unit_name,criterion,points,state[,parent]`, UTF-8. Raises TableError.

    A scored state needs points between 0 and the criterion's maximum; zero states are worth 0 whatever stands there.
    """
    units = _Units(name)
    cells: dict[tuple[str, str], Cell] = {}
    lines: dict[tuple[str, str], int] = {}
    for number, row in _rows(body, name, POINT_COLUMNS):
        fail = _fail_at(name, number)
        unit = units.take(number, row)
        try:
            criterion = level.criterion(row["criterion"])
        except KeyError:
            raise fail(f"criterion «{row['criterion']}» is not in {framework.id}, level {level.level}") from None
        key = (unit.code, criterion.code)
        if key in cells:
            raise fail(f"{unit.code}, {criterion.code} stands twice (first on line {lines[key]})")
        lines[key] = number
        state = _state(row["state"], CellState, fail)
        points: Fraction | None = None
        if row["points"]:
            try:
                points = parse_decimal(row["points"])
            except ValueError as error:
                raise fail(str(error)) from None
            if points > criterion.max_fraction:
                raise fail(f"{row['points']} points exceed the maximum {criterion.max_points} of {criterion.code}")
        if state in POINT_STATES and points is None:
            raise fail(f"state {state} needs points")
        cells[key] = Cell(unit.code, criterion.code, state, points)
    return PointTable(units.all, cells)


class _Units:
    """The units that a file names, in order of appearance; one code has one name and one parent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: dict[str, UnitRef] = {}

    @property
    def all(self) -> tuple[UnitRef, ...]:
        return tuple(self.found.values())

    def take(self, number: int, row: dict[str, str]) -> UnitRef:
        fail = _fail_at(self.name, number)
        if not row["unit"]:
            raise fail("no unit code")
        unit = UnitRef(row["unit"], row["unit_name"] or row["unit"], row.get("parent") or None)
        known = self.found.setdefault(unit.code, unit)
        if known != unit:
            raise fail(f"unit {unit.code} has another name or parent here than on an earlier line")
        return known


def _fail_at(name: str, number: int) -> Callable[[str], TableError]:
    return lambda message: TableError(f"{name}, line {number}: {message}")


def _state(text: str, kind: type[_STATE], fail: Callable[[str], TableError]) -> _STATE:
    try:
        return kind(text)
    except ValueError:
        raise fail(f"unknown state «{text}»; known: {', '.join(kind)}") from None


def _rows(body: bytes, name: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Lines as dictionaries of NFC text, with their line numbers in the file."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise TableError(f"{name}, line {line}: not UTF-8; save the file as «CSV UTF-8»") from None
    reader = csv.reader(io.StringIO(nfc(text), newline=""), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    header: list[str] | None = None
    before = 0
    try:
        for fields in reader:
            number, before = before + 1, reader.line_num
            if header is None:
                header = [field.strip() for field in fields]
                missing = [column for column in columns if column not in header]
                unknown = [column for column in header if column not in (*columns, "parent")]
                if missing or unknown or len(set(header)) != len(header):
                    raise TableError(
                        f"{name}, line 1: the columns are {', '.join(columns)} and optionally parent"
                        + (f"; missing: {', '.join(missing)}" if missing else "")
                        + (f"; unknown: {', '.join(unknown)}" if unknown else "")
                    )
            elif fields:
                if len(fields) != len(header):
                    raise TableError(f"{name}, line {number}: {len(fields)} fields, expected {len(header)}")
                rows.append((number, dict(zip(header, (field.strip() for field in fields), strict=True))))
    except csv.Error as error:
        raise TableError(f"{name}, line {reader.line_num}: {error}") from None
    if header is None:
        raise TableError(f"{name}: the file is empty")
    return rows
