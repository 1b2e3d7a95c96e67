"""Self-report workbooks for tests: templates of made-up assessments, filled in, and recalculated by LibreOffice."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.workbook.layout import ColumnKey, load_layout
from dti_pipeline.evidence.workbook.template import Prefilled, write_workbook
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Level
from dti_pipeline.scoring.engine import UnitRef

AS_OF = dt.date(2026, 10, 15)
UNIT = UnitRef("H00.02", "Sở Diễn tập (đơn vị hư cấu)")


def assessment(framework: str, **more: Any) -> Assessment:
    """A made-up assessment of the fictional province; windows that a decision leaves open are the whole year."""
    days = {"from": {"day": 1, "month": 1}, "to": {"day": 31, "month": 12}}
    levels = [level for level in load_framework(framework).levels if level.window == "unstated"]
    data = {
        "id": f"{framework}-h00-2026",
        "framework": framework,
        "year": 2026,
        "provinces": ["H00"],
        "windows": {level.level: days for level in levels},
    }
    return Assessment.model_validate(data | more)


def template(
    framework: str,
    level: str,
    prefilled: Mapping[tuple[str, str], Prefilled] | None = None,
    due: Due | None = None,
    **more: Any,
) -> bytes:
    """The workbook of the fictional unit; `more` goes to the assessment."""
    rules = load_framework(framework)
    return write_workbook(
        assessment(framework, **more), rules, rules.level(level), UNIT, prefilled=prefilled or {}, as_of=AS_OF,
        due=due or Due(),
    )  # fmt: skip


def opened(body: bytes, *, with_values: bool = False) -> Any:
    """The workbook in openpyxl: formulas, or what they were worth when the file was saved."""
    return openpyxl.load_workbook(io.BytesIO(body), data_only=with_values)


def columns(sheet: Any) -> tuple[int, dict[ColumnKey, int]]:
    """The row of the headings, and the column of each; both from 1."""
    layout = load_layout()
    wanted = {column.heading: column.key for column in layout.columns}
    for row in sheet.iter_rows(max_row=10):
        found = {wanted[cell.value]: cell.column for cell in row if cell.value in wanted}
        if len(found) == len(wanted):
            return row[0].row, found
    raise AssertionError("no row of headings")


def rows(sheet: Any) -> dict[tuple[str, str], int]:
    """(criterion, input) -> row."""
    header, at = columns(sheet)
    keys = (
        ((sheet.cell(row, at["key"]).value, sheet.cell(row, at["symbol"]).value), row)
        for row in range(header + 1, sheet.max_row + 1)
    )
    return {key: row for key, row in keys if key[0]}


def first_rows(sheet: Any) -> dict[str, int]:
    """Criterion -> the row on which its own cells stand."""
    found: dict[str, int] = {}
    for (criterion, _), row in rows(sheet).items():
        found.setdefault(criterion, row)
    return found


def fill(
    body: bytes,
    level: Level,
    values: Mapping[tuple[str, str], Fraction | Decimal | int | str],
    cells: Mapping[tuple[str, ColumnKey], str] | None = None,
) -> bytes:
    """A template as a unit fills it in: numbers or identifiers of options, and texts of criteria (evidence, …)."""
    book = opened(body)
    sheet = book[load_layout().sheets.scores]
    _, at = columns(sheet)
    where = rows(sheet)
    for (criterion, name), value in values.items():
        labels = {option.value: option.label for option in level.criterion(criterion).input(name).options}
        written = labels.get(value, value) if isinstance(value, str) else float(value)
        sheet.cell(where[criterion, name], at["value"]).value = written
    starts = first_rows(sheet)
    for (criterion, key), text in (cells or {}).items():
        sheet.cell(starts[criterion], at[key]).value = text
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def office() -> str:
    """The program that can calculate a workbook; skips the test where it is absent."""
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("LibreOffice (soffice) is not installed (README: optional tests)")
    return program


def recalculated(bodies: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
    """The workbooks as LibreOffice opens, calculates and saves them, in one run; skips the test where it is absent.

    Formulas that were saved with their values are not calculated again: pass what openpyxl saved (`fill`).
    """
    program = office()
    source, target = folder / "in", folder / "out"
    source.mkdir(parents=True)
    for name, body in bodies.items():
        (source / f"{name}.xlsx").write_bytes(body)
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    files = [str(source / f"{name}.xlsx") for name in bodies]
    command = [program, "--headless", profile, "--convert-to", "xlsx", "--outdir", str(target), *files]
    subprocess.run(command, check=True, capture_output=True, timeout=180)  # noqa: S603 - the program that was found
    return {name: (target / f"{name}.xlsx").read_bytes() for name in bodies}


@cache
def _calculated(body: bytes) -> Any:
    return opened(body, with_values=True)[load_layout().sheets.scores]


def self_scores(body: bytes) -> dict[str, float | str | None]:
    """Criterion -> what its self score shows: points, words, or nothing."""
    sheet = _calculated(body)
    _, at = columns(sheet)
    return {code: sheet.cell(row, at["self_score"]).value for code, row in first_rows(sheet).items()}


def values(body: bytes) -> dict[tuple[str, str], Any]:
    """(criterion, input) -> what stands under «Giá trị»."""
    sheet = _calculated(body)
    _, at = columns(sheet)
    return {key: sheet.cell(row, at["value"]).value for key, row in rows(sheet).items()}
