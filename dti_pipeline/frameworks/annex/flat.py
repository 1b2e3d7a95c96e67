"""A table whose cells were saved as paragraphs, one below the other -> rows and columns again.

Here: the layout of law sites' text files: number, name, «cách tính điểm», points, note, each cell in paragraphs of its
own and blank cells as no-break spaces. Where a cell begins is told by its content, so the result is to be compared with
the printed annex: the import's sums and counts hold it to that. Not here: reading the file (`tables.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dti_pipeline.frameworks.annex.columns import field_of
from dti_pipeline.frameworks.annex.report import Problems
from dti_pipeline.frameworks.annex.tables import Cell, Document, Table

_DOTTED = re.compile(r"\d{1,3}(?:\.\d{1,3})+\.?")
_WHOLE = re.compile(r"\d{1,3}")
_ROMAN = re.compile(r"[IVX]{1,5}")
_POINTS = re.compile(r"\d{1,4}(?:,\d+)?")
_FIELDS = ("code", "name", "rule", "max_points", "remark")


def unflattened(document: Document, problems: Problems) -> Document:
    """The document with the annex's table put together; unchanged where no run of paragraphs is its header.

    Paragraphs below the header that belong to no row are named in one warning.
    """
    paragraphs = [row[0] for row in document.tables[0].rows] if document.tables else []
    header = _header(paragraphs)
    if header is None:
        return document
    first, last = header
    title = next((cell.text for cell in paragraphs[:first][-3:] if cell.text), "")
    headings = tuple(_heading(paragraphs[first:last], field) for field in _FIELDS)
    rows, left = _rows(paragraphs[last:])
    if left:
        problems.add(
            "warning", left[0].where, "text-outside",
            f"{len(left)} đoạn dưới tiêu đề bảng không thuộc dòng nào nên không đọc, đoạn đầu: «{left[0].text[:60]}».",
            "So với bản in; nếu là phần của một ô thì bỏ ô trống ở giữa.",
        )  # fmt: skip
    where = paragraphs[first].where
    return Document(
        document.format, (Table(title, where, (headings, *rows)),), "\n".join(cell.text for cell in paragraphs[:first])
    )


def _header(paragraphs: Sequence[Cell]) -> tuple[int, int] | None:
    """A run of headings with a number, a name, a rule and points, in the order in which the cells follow."""
    for first, cell in enumerate(paragraphs):
        if field_of(cell.text) != "code":
            continue
        last, fields = first, list[str]()
        while last < len(paragraphs) and (field := field_of(paragraphs[last].text)) is not None:
            fields.append(field)
            last += 1
        order = [field for place, field in enumerate(fields) if field not in fields[:place]]
        if tuple(order) in (_FIELDS, _FIELDS[:-1]):
            return first, last
    return None


def _heading(cells: Sequence[Cell], field: str) -> Cell:
    return next((cell for cell in cells if field_of(cell.text) == field), Cell("", cells[0].where))


def _rows(paragraphs: Sequence[Cell]) -> tuple[list[tuple[Cell, ...]], list[Cell]]:
    """The rows, and the paragraphs with text between and after them."""
    rows: list[tuple[Cell, ...]] = []
    left: list[Cell] = []
    position = 0
    while position < len(paragraphs):
        if not _starts_row(paragraphs, position):
            # Between the end of a row and the next number: blank cells, or the page around the table.
            if paragraphs[position].text:
                left.append(paragraphs[position])
            position += 1
            continue
        cells: dict[str, list[Cell]] = {"code": [paragraphs[position]]}
        position += 1
        while position < len(paragraphs) and not _starts_row(paragraphs, position, has_points="max_points" in cells):
            cell = paragraphs[position]
            position += 1
            if not cell.text:
                if "max_points" in cells:
                    break  # the blank note, or the end of the note
                continue
            cells.setdefault(_field(cell, cells), []).append(cell)
        rows.append(tuple(_joined(cells.get(field, []), cells["code"][0]) for field in _FIELDS))
    return rows, left


def _field(cell: Cell, cells: dict[str, list[Cell]]) -> str:
    if "name" not in cells:
        return "name"
    if "max_points" in cells:
        return "remark"
    return "max_points" if _POINTS.fullmatch(cell.text) else "rule"


def _joined(cells: Sequence[Cell], row: Cell) -> Cell:
    return Cell("\n".join(cell.text for cell in cells), cells[0].where if cells else row.where)


def _starts_row(paragraphs: Sequence[Cell], position: int, *, has_points: bool = True) -> bool:
    """Whether a paragraph is a row's number. A whole number may be points: it is a number before `n.1`, with a name."""
    text = paragraphs[position].text
    if _DOTTED.fullmatch(text):
        return True
    if _ROMAN.fullmatch(text):
        return has_points
    if not _WHOLE.fullmatch(text):
        return False
    following = next(
        (cell.text for cell in paragraphs[position + 1 : position + 8] if _DOTTED.fullmatch(cell.text)), ""
    )
    return following.rstrip(".") == f"{text}.1"
