"""What an import tells its reader: problems, one entry per row, and the level that came out.

Here: plain records and their JSON form. Not here: who fills them (`tables.py` to `build.py`) and who shows them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from dti_pipeline.frameworks.model import Level, Severity

RowKind = Literal["node", "criterion", "line", "continuation", "total", "skipped"]
Reading = Literal["columns", "parsed", "manual"]
"""`columns`: the machine columns give the formula; `parsed`: read from prose; `manual`: the appraiser gives points."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong or worth knowing. An `error` keeps the whole annex from being used."""

    severity: Severity
    where: str
    """File, line or cell, as a person finds it: «Phụ lục IV!C12», «bảng 2, hàng 7», «dòng 12»."""
    code: str
    """Identifier of the kind of problem, such as `group-sum`."""
    message: str
    advice: str
    """What to do about it; empty where nothing needs doing."""

    @property
    def text(self) -> str:
        return f"{self.where}: {self.message}" + (f" {self.advice}" if self.advice else "")


@dataclass(frozen=True, slots=True)
class RowReport:
    """How one row of the table was understood."""

    where: str
    kind: RowKind
    printed_code: str
    code: str
    """Code in the framework; empty where the row became neither node nor criterion."""
    name: str
    max_points: Decimal | None
    reading: Reading | None = None
    """Criteria only: where the formula comes from."""
    formula: str = ""
    message: str = ""
    """Why a criterion is manual, or what was done with a row that is neither node nor criterion."""


@dataclass(frozen=True, slots=True)
class AnnexReport:
    """The outcome of one import. `level` is None exactly where a problem is an error."""

    level: Level | None
    problems: tuple[Problem, ...]
    rows: tuple[RowReport, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: points are decimal strings, the level is given by its code and sums only."""
        criteria = [row for row in self.rows if row.kind == "criterion"]
        return {
            "ok": self.level is not None,
            "level": None
            if self.level is None
            else {
                "level": self.level.level,
                "basis": self.level.basis,
                "nodes": sum(1 for _ in self.level.all_nodes()),
                "criteria": len(self.level.criteria),
                "max_points": str(self.level.max_points),
            },
            "counts": {
                "errors": len(self.errors),
                "columns": sum(row.reading == "columns" for row in criteria),
                "parsed": sum(row.reading == "parsed" for row in criteria),
                "manual": sum(row.reading == "manual" for row in criteria),
            },
            "problems": [asdict(problem) for problem in self.problems],
            "rows": [
                asdict(row) | {"max_points": None if row.max_points is None else str(row.max_points)}
                for row in self.rows
            ],
        }


class Problems:
    """The one list that every step adds to."""

    def __init__(self) -> None:
        self._items: list[Problem] = []

    def add(self, severity: Severity, where: str, code: str, message: str, advice: str = "") -> None:
        problem = Problem(severity, where, code, message, advice)
        if problem not in self._items:
            self._items.append(problem)

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self._items)

    def all(self) -> tuple[Problem, ...]:
        """Errors first, then warnings, then the rest, each in the order in which they were found."""
        order = {"error": 0, "warning": 1, "info": 2}
        return tuple(sorted(self._items, key=lambda problem: order[problem.severity]))
