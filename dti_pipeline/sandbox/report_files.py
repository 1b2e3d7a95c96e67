"""What a practice unit's words become on their way in: a filled workbook, a CSV or JSON file, evidence to go with it.

Here: cells -> bytes, the same bytes for the same arguments. Not here: what a unit says (`selfreport.py`), when and with
which faults it is handed in (`handed_in.py`), signatures (`practice_ca.py`, `odd_signatures.py`).
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dti_pipeline.evidence.workbook.layout import ColumnKey, load_layout
from dti_pipeline.frameworks.model import Criterion, Framework, InputSpec, Level
from dti_pipeline.sandbox import practice_ca
from dti_pipeline.sandbox.selfreport import REPORT_HEADER, ToldCell
from dti_pipeline.scoring.engine import UnitRef, decimal_text
from dti_pipeline.scoring.exact import Block, Value, evaluate

SELF_SCORE_DECIMALS = 2
LINES_ON_FIRST_PAGE = 42
"""Of a practice document whose title takes one line; held by a test."""
CITED_LENGTH = 48
"""Characters of a line of the list of evidence: one line on paper, and quickly set."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a unit hands in on one criterion."""

    told: ToldCell
    papers: tuple[tuple[str, str], ...] = ()
    """File name and pages of its evidence."""
    wrong: str | None = None
    """What stands by mistake in place of the first figure."""

    @property
    def criterion(self) -> Criterion:
        return self.told.criterion

    def value(self, place: int) -> str | None:
        """What stands in the place of an input; None where nothing does."""
        if place == 0 and self.wrong is not None:
            return self.wrong
        return str(self.told.figures[self.criterion.inputs[place].name]) if self.told.figures else None

    @property
    def request(self) -> str | None:
        """Why the unit asks for the criterion not to be assessed."""
        return self.told.reason if self.told.state == "not_applicable" else None

    @property
    def self_score(self) -> str | None:
        """The unit's own points, a plain decimal; None where its figures give none."""
        if not self.told.figures or self.wrong is not None:
            return None
        values: Mapping[str, Value] = {
            name: figure if isinstance(figure, str) else Fraction(figure) for name, figure in self.told.figures.items()
        }
        points = evaluate(self.criterion.expression, values, self.criterion.max_fraction)
        return None if isinstance(points, Block) else decimal_text(points, SELF_SCORE_DECIMALS)


Reports = Sequence[tuple[UnitRef, Sequence[Cell]]]


def csv_report(reports: Reports) -> bytes:
    """One CSV of several units' cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*REPORT_HEADER, "self_score", "evidence", "pages", "not_applicable"))
    for unit, cells in reports:
        for cell in cells:
            papers = "; ".join(name for name, _ in cell.papers), "; ".join(pages for _, pages in cell.papers)
            for place, spec in enumerate(cell.criterion.inputs):
                value = cell.value(place) or ""
                common = (cell.self_score or "", *papers, cell.request or "") if place == 0 else ("", "", "", "")
                head = (unit.code, unit.name, cell.criterion.code, spec.name, value, cell.told.state)
                writer.writerow((*head, unit.parent or "", *common))
    return out.getvalue().encode()


def json_report(assessment: str, reports: Reports) -> bytes:
    """The same as a system pushes it (docs/evidence.md)."""
    told = [
        {"unit": unit.code, "unit_name": unit.name, "cells": [_json_cell(cell) for cell in cells]}
        for unit, cells in reports
    ]
    return json.dumps({"assessment": assessment, "reports": told}, ensure_ascii=False).encode()


def _json_cell(cell: Cell) -> dict[str, Any]:
    said: dict[str, Any] = {
        "criterion": cell.criterion.code,
        "inputs": {
            spec.name: cell.value(place) or {"state": cell.told.state}
            for place, spec in enumerate(cell.criterion.inputs)
        },
    }
    if cell.papers:
        said["evidence"] = [{"file": name, "pages": pages} for name, pages in cell.papers]
    if cell.self_score is not None:
        said["self_score"] = cell.self_score
    if cell.request is not None:
        said["not_applicable"] = cell.request
    return said


# --- a workbook, filled in ---

_SCORES = "xl/worksheets/sheet3.xml"
_FACTS = "xl/worksheets/sheet2.xml"
_STRINGS = "xl/sharedStrings.xml"
_DATE = (2026, 1, 1, 0, 0, 0)
"""Of every part of a filled workbook: nothing in it may depend on the moment it was made."""


def fill_workbook(template: bytes, cells: Sequence[Cell], facts: Mapping[str, str]) -> bytes:
    """The template (`evidence/workbook/`) as its unit saves it: values, own points, evidence, requests, information.

    `facts`: label -> text. Edits the blank cells of the sheets' XML: loading and saving a workbook takes 20 times as
    long. Raises KeyError where the template has no place for a criterion.
    """
    with zipfile.ZipFile(io.BytesIO(template)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    strings = [
        html.unescape("".join(re.findall(r"<t[^>]*>(.*?)</t>", item, re.DOTALL)))
        for item in re.findall(r"<si>(.*?)</si>", parts[_STRINGS].decode(), re.DOTALL)
    ]
    parts[_SCORES] = _fill_scores(parts[_SCORES].decode(), strings, cells).encode()
    parts[_FACTS] = _fill_facts(parts[_FACTS].decode(), strings, facts).encode()
    return _packed(parts)


def with_macro(workbook: bytes) -> bytes:
    """The workbook with a part for macros: one that is not taken in."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    return _packed(parts | {"xl/vbaProject.bin": "macro diễn tập, không chạy được".encode()})


def _packed(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        for name, body in parts.items():
            book.writestr(zipfile.ZipInfo(name, _DATE), body, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _column(key: ColumnKey) -> str:
    """The letter of a column of the sheet of scores."""
    return chr(ord("A") + [column.key for column in load_layout().columns].index(key))


def _texts(sheet: str, strings: Sequence[str], column: str) -> dict[int, str]:
    """Row -> text of a column."""
    found = re.findall(rf'<c r="{column}(\d+)"[^>]* t="s"[^>]*><v>(\d+)</v>', sheet)
    return {int(row): strings[int(number)] for row, number in found}


def _fill_scores(sheet: str, strings: Sequence[str], cells: Sequence[Cell]) -> str:
    keys, symbols = _texts(sheet, strings, _column("key")), _texts(sheet, strings, _column("symbol"))
    rows: dict[tuple[str, str], int] = {(keys[row], symbols[row]): row for row in sorted(keys) if row in symbols}
    blanks: dict[str, str] = {}
    scores: dict[str, str] = {}
    for cell in cells:
        code = cell.criterion.code
        for place, spec in enumerate(cell.criterion.inputs):
            at = f"{_column('value')}{rows[code, spec.name]}"
            value = cell.value(place)
            if value is not None:
                blanks[at] = _text(value) if value == cell.wrong else _value(spec, value)
        first = rows[code, cell.criterion.inputs[0].name]
        common: dict[ColumnKey, str] = {
            "evidence": "; ".join(name for name, _ in cell.papers),
            "pages": "; ".join(pages for _, pages in cell.papers),
            "request": cell.request or "",
        }
        blanks |= {f"{_column(key)}{first}": _text(text) for key, text in common.items() if text}
        if cell.self_score is not None:
            scores[f"{_column('self_score')}{first}"] = cell.self_score
    sheet = _fill_blanks(sheet, blanks)
    # What the formula of the own points would show: the figure that a spreadsheet program stores beside it.
    pattern = rf'(<c r="({_column("self_score")}\d+)" s="\d+")[^>]*>(<f>.*?</f>)<v>.*?</v></c>'
    return re.sub(
        pattern,
        lambda found: f"{found[1]}>{found[3]}<v>{scores[found[2]]}</v></c>" if found[2] in scores else found[0],
        sheet,
    )


def _fill_facts(sheet: str, strings: Sequence[str], facts: Mapping[str, str]) -> str:
    return _fill_blanks(
        sheet, {f"B{row}": _text(facts[label]) for row, label in _texts(sheet, strings, "A").items() if label in facts}
    )


def _fill_blanks(sheet: str, wanted: Mapping[str, str]) -> str:
    """The sheet with content in blank cells. Raises KeyError for a place that is not blank."""
    left = dict(wanted)

    def filled(found: re.Match[str]) -> str:
        content = left.pop(found[1], None)
        return found[0] if content is None else f'<c r="{found[1]}" s="{found[2]}"{content}</c>'

    sheet = re.sub(r'<c r="([A-Z]+\d+)" s="(\d+)"/>', filled, sheet)
    if left:
        raise KeyError(f"no blank cell {', '.join(sorted(left))}")
    return sheet


def _value(spec: InputSpec, value: str) -> str:
    if spec.kind == "option":
        return _text(next(option.label for option in spec.options if option.value == value))
    return f"><v>{value}</v>"


def _text(text: str) -> str:
    return f' t="inlineStr"><is><t xml:space="preserve">{html.escape(text, quote=False)}</t></is>'


# --- evidence ---


def evidence_list(framework: Framework, level: Level) -> bytes:
    """The list of evidence that the units of a level use, a line for every criterion in order; unsigned."""
    lines = [framework.decision.number, *(_line(criterion) for criterion in level.criteria)]
    return practice_ca.practice_pdf(f"Danh mục minh chứng: {level.name}", lines)


def page_of(place: int) -> str:
    """The page on which `evidence_list` has the criterion at that place, counted from 0."""
    return "1" if place + 1 < LINES_ON_FIRST_PAGE else "2"


def single_paper(unit: UnitRef, criteria: Sequence[Criterion]) -> bytes:
    """A document of one page for some criteria; unsigned."""
    return practice_ca.practice_pdf(f"Tài liệu kiểm chứng {unit.code}", [unit.name, *map(_line, criteria)])


def _line(criterion: Criterion) -> str:
    text = f"{criterion.printed_code}. {criterion.name}"
    return text if len(text) <= CITED_LENGTH else text[: CITED_LENGTH - 1].rstrip() + "…"
