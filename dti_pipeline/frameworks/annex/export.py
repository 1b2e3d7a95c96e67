"""A level -> an annex table: the official columns, and machine columns for what prose cannot carry.

Here: one grid of texts, and its four forms. Nothing in a cell is a formula to the program that opens it. Not here:
reading such a file again (`build.py`).
"""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import dataclass
from decimal import Decimal

from dti_pipeline.frameworks.annex import machine
from dti_pipeline.frameworks.annex.columns import words, words_machine
from dti_pipeline.frameworks.annex.tables import Format
from dti_pipeline.frameworks.model import Criterion, Framework, Level, Node


@dataclass(frozen=True, slots=True)
class Grid:
    """A table before it has a format."""

    title: str
    heads: tuple[str, ...]
    """Lines above the table."""
    fields: tuple[str, ...]
    rows: tuple[dict[str, str | Decimal], ...]
    shared: tuple[tuple[int, int], ...]
    """First and last row of the lines that share one maximum; all their cells but number and name are merged."""

    @property
    def headings(self) -> tuple[str, ...]:
        return tuple(words().columns[field].heading for field in self.fields)


OWN_OF_A_LINE = ("code", "name", "kind")
"""What a printed line has for itself; the rest it shares with the row above."""


def export_annex(framework: Framework, level: Level, format: Format, *, with_machine_columns: bool = True) -> bytes:
    """A level as a file of that format. Without the machine columns it is what a decision would print."""
    grid = _grid(framework, level, with_machine_columns)
    return {"xlsx": _xlsx, "csv": _csv, "docx": _docx, "html": _html}[format](grid, framework)


def _grid(framework: Framework, level: Level, with_machine_columns: bool) -> Grid:
    rows: list[dict[str, str | Decimal]] = []
    shared: list[tuple[int, int]] = []
    for node in level.nodes:
        _add_node(node, "", rows, shared)
    decision = framework.decision
    heads = [
        f"{decision.annex or 'Phụ lục'}: {decision.title}",
        f"{decision.issuer}, {decision.number}, ngày {decision.issued_on:%d/%m/%Y}",
        f"Bộ chỉ số {framework.id}, {level.name}",
    ]
    bases = {level.basis, *(node.basis for node in level.all_nodes()), *(item.basis for item in level.criteria)}
    if "working" in bases:
        heads.insert(0, framework.working_words)
    fields = tuple(field for field in words().columns if with_machine_columns or not words_machine(field))
    title = words().levels[level.level][0]
    return Grid(title[:1].upper() + title[1:], tuple(heads), fields, tuple(rows), tuple(shared))


def _add_node(node: Node, parent: str, rows: list[dict[str, str | Decimal]], shared: list[tuple[int, int]]) -> None:
    rows.append(
        {
            "code": node.code,
            "name": node.name,
            "max_points": "" if node.max_points is None else node.max_points,
            "key": node.code,
            "kind": words().kinds[node.kind],
            "parent": parent,
            "basis": words().bases[node.basis],
        }
    )
    for child in node.nodes:
        _add_node(child, node.code, rows, shared)
    for criterion in node.criteria:
        rows.append(_criterion_row(criterion, node.code))
        first = len(rows) - 1
        for line in criterion.lines[1:]:
            rows.append({"code": line.printed_code, "name": line.name, "kind": words().kinds["line"]})
        if len(rows) - 1 > first:
            shared.append((first, len(rows) - 1))


def _criterion_row(criterion: Criterion, parent: str) -> dict[str, str | Decimal]:
    head = criterion.lines[0] if criterion.lines else criterion
    return {
        "code": head.printed_code,
        "name": head.name,
        "max_points": criterion.max_points,
        "rule": criterion.rule,
        "remark": criterion.remark or "",
        "evidence": machine.list_text(criterion.evidence, machine.LINE_MARK),
        "data_source": criterion.data_source or "",
        "verifier_unit": criterion.verifier_unit or "",
        "key": criterion.code,
        "kind": words().kinds["criterion"],
        "parent": parent,
        "shared": machine.shared_text(criterion),
        "formula": criterion.formula,
        "terms": machine.terms_text(criterion.terms),
        "printed_formula": criterion.printed_formula or "",
        "inputs": machine.inputs_text(criterion.inputs),
        "require": "\n".join(criterion.require),
        "mode": machine.mode_text(criterion),
        "notes": machine.list_text(criterion.notes, machine.NOTE_MARK),
        "findings": machine.findings_text(criterion),
        "clause": criterion.clause,
        "basis": words().bases[criterion.basis],
        "library": criterion.library or "",
    }


def _text(value: str | Decimal) -> str:
    """A cell as text; points with a decimal comma."""
    return f"{value.normalize():f}".replace(".", ",") if isinstance(value, Decimal) else value


# --- forms ---


def _csv(grid: Grid, framework: Framework) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    blank = [""] * (len(grid.fields) - 1)
    for head in grid.heads:
        writer.writerow([_guarded(head), *blank])
    writer.writerow(grid.headings)
    for row in grid.rows:
        writer.writerow([_guarded(_text(row.get(field, ""))) for field in grid.fields])
    return out.getvalue().encode("utf-8-sig")


def _guarded(text: str) -> str:
    """With an apostrophe where a spreadsheet would take the text for a formula; `tables.py` takes it off again."""
    return f"'{text}" if re.match(r"'*[=+\-@\t\r]", text) else text


def _xlsx(grid: Grid, framework: Framework) -> bytes:
    import datetime as dt

    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    )
    # A fixed date, so that the same level gives the same file.
    book.set_properties({"created": dt.datetime.combine(framework.decision.issued_on, dt.time(), tzinfo=dt.UTC)})
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "border": 1})
    plain = book.add_format({"text_wrap": True, "valign": "top", "border": 1, "num_format": "@"})
    points = book.add_format({"valign": "top", "border": 1})
    sheet = book.add_worksheet(grid.title)
    for position, head in enumerate(grid.heads):
        sheet.write_string(position, 0, head)
    top = len(grid.heads)
    for column, heading in enumerate(grid.headings):
        sheet.write_string(top, column, heading, bold)
        sheet.set_column(
            column, column, {"code": 8, "max_points": 9, "rule": 45, "remark": 45}.get(grid.fields[column], 30)
        )
    merged = {row for first, last in grid.shared for row in range(first, last + 1)}
    for position, row in enumerate(grid.rows, start=0):
        for column, field in enumerate(grid.fields):
            if position in merged and field not in OWN_OF_A_LINE:
                continue
            value = row.get(field, "")
            # A sheet's number has 15 digits; more would come back changed.
            if isinstance(value, Decimal) and len(value.as_tuple().digits) <= 15:
                sheet.write_number(top + 1 + position, column, float(value), points)
            else:
                sheet.write_string(top + 1 + position, column, _text(value), plain)
    for first, last in grid.shared:
        for column, field in enumerate(grid.fields):
            if field not in OWN_OF_A_LINE:
                text = _text(grid.rows[first].get(field, ""))
                sheet.merge_range(top + 1 + first, column, top + 1 + last, column, "", plain)
                sheet.write_string(top + 1 + first, column, text, plain)
    sheet.freeze_panes(top + 1, 2)
    book.close()
    return out.getvalue()


def _docx(grid: Grid, framework: Framework) -> bytes:
    import docx
    from docx.enum.section import WD_ORIENT

    document = docx.Document()
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    for head in grid.heads:
        document.add_paragraph(head)
    table = document.add_table(rows=len(grid.rows) + 1, cols=len(grid.fields))
    table.style = "Table Grid"
    lines = list(table.rows)
    for cell, heading in zip(lines[0].cells, grid.headings, strict=True):
        cell.text = heading
    continued = {row for first, last in grid.shared for row in range(first + 1, last + 1)}
    for position, (line, row) in enumerate(zip(lines[1:], grid.rows, strict=True)):
        for cell, field in zip(line.cells, grid.fields, strict=True):
            if position not in continued or field in OWN_OF_A_LINE:
                cell.text = _text(row.get(field, ""))
    for first, last in grid.shared:
        for column, field in enumerate(grid.fields):
            if field not in OWN_OF_A_LINE:
                top, bottom = lines[first + 1].cells[column], lines[last + 1].cells[column]
                text = top.text
                top.merge(bottom).text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _html(grid: Grid, framework: Framework) -> bytes:
    parts = [
        '<!DOCTYPE html>\n<html lang="vi">\n<head>\n<meta charset="utf-8">',
        f"<title>{html.escape(grid.heads[0])}</title>",
        # Spreadsheets that open the page take every cell as text, never as a formula.
        "<style>table{border-collapse:collapse}td,th{border:1px solid;padding:.3em;vertical-align:top;",
        'text-align:left;mso-number-format:"\\@"}</style>\n</head>\n<body>',
        *(f"<p>{html.escape(head)}</p>" for head in grid.heads),
        "<table>",
        "<tr>" + "".join(f"<th>{html.escape(heading)}</th>" for heading in grid.headings) + "</tr>",
    ]
    spans = {first: last - first + 1 for first, last in grid.shared}
    continued = {row for first, last in grid.shared for row in range(first + 1, last + 1)}
    for position, row in enumerate(grid.rows):
        cells = []
        for field in grid.fields:
            if position in continued and field not in OWN_OF_A_LINE:
                continue
            span = f' rowspan="{spans[position]}"' if position in spans and field not in OWN_OF_A_LINE else ""
            text = html.escape(_text(row.get(field, ""))).replace("\n", "<br>\n")
            cells.append(f"<td{span}>{text}</td>")
        parts.append("<tr>" + "".join(cells) + "</tr>")
    return "\n".join([*parts, "</table>", "</body>", "</html>", ""]).encode()
