"""Headings of annex tables -> fields: the words are data (`columns.yaml`).

Here: folding, recognising headings, finding the header and its repetitions in a document's tables, and giving each
further row as cells by field. Not here: what the rows mean (`rows.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dti_pipeline.datafiles import read_model
from dti_pipeline.frameworks.annex.report import Problems
from dti_pipeline.frameworks.annex.tables import Cell, Document, Table
from dti_pipeline.frameworks.model import Basis, LevelName, NodeKind

ROWS_TO_HEADER = 30
"""A header stands within this many rows of a table's start: titles, the decision's number and units go before it."""

MAX_HEADING = 300
"""Characters; what is longer is a text, and the patterns below are not for texts of megabytes."""

_NEEDED = ("name", "max_points")


class _Column(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: str
    exact: tuple[str, ...] = Field(default=(), alias="is")
    starts: tuple[str, ...] = ()
    machine: bool = False


class _Words(BaseModel):
    """The shape of `columns.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, _Column]
    ignored: tuple[str, ...]
    levels: dict[LevelName, tuple[str, ...]]
    totals: tuple[str, ...]
    kinds: dict[NodeKind | Literal["criterion", "line"], str]
    modes: dict[Literal["manual", "source_score", "source_metric"], str]
    bases: dict[Basis, str]


@cache
def words() -> _Words:
    """The words of `columns.yaml`. Raises DataFileError."""
    return read_model(Path(__file__).with_name("columns.yaml"), _Words)


def fold(text: str) -> str:
    """Lower case without accents, one character per character of the NFC text, so places in both agree."""
    return "".join(_fold_character(character) for character in unicodedata.normalize("NFC", text))


@cache
def _fold_character(character: str) -> str:
    if character in "đĐ":
        return "d"
    return (unicodedata.normalize("NFD", character)[0].lower() or character)[0]


def _heading(text: str) -> str:
    plain = re.sub(r"\([^)]*\)", " ", fold(text))
    return re.sub(r"[^a-z0-9]+", " ", plain).strip()


def field_of(heading: str) -> str | None:
    """The field that a heading names: a key of `columns.yaml`, `ignored`, or None where nobody knows it."""
    folded = _heading(heading) if len(heading) <= MAX_HEADING else ""
    if not folded:
        return None
    if folded in words().ignored:
        return "ignored"
    best: tuple[int, str] | None = None
    for field, column in words().columns.items():
        if folded in column.exact or folded == _heading(column.heading):
            return field
        for start in column.starts:
            if (folded == start or folded.startswith(start + " ")) and (best is None or len(start) > best[0]):
                best = (len(start), field)
    return best[1] if best else None


def levels_named(text: str) -> frozenset[LevelName]:
    """The levels of government that a heading or a sheet's title names."""
    rest = unicodedata.normalize("NFC", text).lower()
    return frozenset(
        level
        for level, names in words().levels.items()
        if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", rest) for name in names)
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One row under a header: its place and its cells by field. `name` and others may have several cells."""

    where: str
    cells: Mapping[str, tuple[Cell, ...]]

    def text(self, field: str) -> str:
        """The cells' texts of a field, a line each."""
        return "\n".join(cell.text for cell in self.cells.get(field, ()) if cell.text)

    def place(self, field: str) -> str:
        """Where the field stands; the row's place where it has no such column."""
        cells = self.cells.get(field, ())
        return next((cell.where for cell in cells if cell.text), cells[0].where if cells else self.where)


@dataclass(frozen=True, slots=True)
class Annex:
    """The rows of all tables that belong to the annex, and which fields have a column."""

    lines: tuple[Line, ...]
    fields: frozenset[str]
    other_points: bool
    """The table has a column of points for other levels too, so a row may be theirs alone."""


@dataclass(frozen=True, slots=True)
class _Header:
    fields: tuple[str | None, ...]
    key: tuple[str, ...]
    first_row: int
    next_row: int
    headings: tuple[str, ...]


def find_lines(document: Document, level: LevelName, filename: str, problems: Problems) -> Annex | None:
    """The annex's rows for one level; None, with a problem, where no table has the headings that are needed."""
    tables = _tables_of(document, level, problems)
    lines: list[Line] = []
    known: _Header | None = None
    other_points = False
    for table in tables:
        header = _find_header(table)
        if header is None:
            if known is not None and table.width == len(known.fields) and _continues(table, known):
                problems.add("info", table.where, "continued-table", "bảng không có tiêu đề, đọc tiếp bảng trước.")
                lines.extend(_lines(table, known, 0))
            else:
                # After the annex has begun it may be its rest with cells merged otherwise.
                problems.add(
                    "info" if known is None else "warning",
                    table.where,
                    "other-table",
                    "bảng không có tiêu đề chỉ số và điểm tối đa nên không đọc.",
                    "" if known is None else "Nếu là phần tiếp của phụ lục, thêm hàng tiêu đề cho bảng.",
                )
            continue
        chosen = _for_level(header, table, level, problems)
        if chosen is None:
            return None
        other_points = other_points or "points_elsewhere" in chosen.fields
        _report_columns(chosen, table, problems)
        known = chosen
        lines.extend(_lines(table, chosen, chosen.next_row))
    if known is None:
        seen = "; ".join(
            " | ".join(cell.text.replace("\n", " ")[:40] for cell in table.rows[0] if cell.text)
            for table in tables[:3]
            if table.rows
        )
        problems.add(
            "error",
            filename,
            "no-header",
            "không tìm thấy hàng tiêu đề có «Chỉ số» (hoặc «Tiêu chí») và «Điểm tối đa»"
            + (f"; hàng đầu đọc được: {seen}." if seen else "; tệp không có bảng nào."),
            "Đặt tiêu đề cột như phụ lục: STT, Chỉ số, Điểm tối đa, Cách tính điểm, …; chữ phải là Unicode.",
        )
        return None
    fields = frozenset(field for field in known.fields if field)
    return Annex(tuple(lines), fields, other_points)


def _tables_of(document: Document, level: LevelName, problems: Problems) -> tuple[Table, ...]:
    """Sheets whose titles name other levels only are left out."""
    kept = []
    for table in document.tables:
        named = levels_named(table.title)
        if named and level not in named:
            problems.add("info", table.where, "other-level", "trang tính của cấp khác nên không đọc.")
        else:
            kept.append(table)
    return tuple(kept)


def _find_header(table: Table) -> _Header | None:
    for position in range(min(len(table.rows), ROWS_TO_HEADER)):
        header = _header_at(table, position)
        if header is not None:
            return header
    return None


def _header_at(table: Table, position: int) -> _Header | None:
    row = table.rows[position]
    headings = [cell.text for cell in row]
    if sum(field_of(heading) is not None for heading in headings) < len(_NEEDED):
        return None
    last = position
    # A header of two rows: cells that cover both, and subheadings under those that do not.
    below = table.rows[position + 1] if position + 1 < len(table.rows) else ()
    if any(cell.is_from_above for cell in below):
        last += 1
        over = ""
        for column, (upper, lower) in enumerate(zip(row, below, strict=True)):
            over = upper.text if upper.kind != "merged" else over
            if lower.text:
                own = field_of(lower.text)
                headings[column] = lower.text if own else f"{over} {lower.text}"
    fields = tuple(field_of(heading) for heading in headings)
    if not all(needed in fields for needed in _NEEDED):
        return None
    after = last + 1
    if after < len(table.rows) and _counts_columns(table.rows[after]):
        after += 1
    return _Header(fields, tuple(cell.text for cell in row), position, after, tuple(headings))


def _counts_columns(row: tuple[Cell, ...]) -> bool:
    """A row such as (1) (2) (3) or a b c under the headings."""
    texts = [cell.text.strip("()") for cell in row if cell.text]
    numbers = [str(number) for number in range(1, len(texts) + 1)]
    letters = [chr(ord("a") + number) for number in range(len(texts))]
    return len(texts) > 2 and ([text.lower() for text in texts] in (numbers, letters))


def _for_level(header: _Header, table: Table, level: LevelName, problems: Problems) -> _Header | None:
    """One column of points: where a table has one per level, the level's own."""
    columns = [column for column, field in enumerate(header.fields) if field == "max_points"]
    if len(columns) == 1:
        return header
    mine = [column for column in columns if level in levels_named(header.headings[column])]
    if len(mine) != 1:
        named = ", ".join(f"«{header.headings[column]}»" for column in columns)
        problems.add(
            "error",
            table.rows[header.first_row][columns[0]].where,
            "points-columns",
            f"bảng có nhiều cột điểm tối đa ({named}) và không biết cột nào của cấp này.",
            "Ghi rõ cấp trong tiêu đề cột (ví dụ «Điểm tối đa cấp xã»), hoặc bỏ các cột của cấp khác.",
        )
        return None
    fields = tuple(
        "points_elsewhere" if column in columns and column != mine[0] else field
        for column, field in enumerate(header.fields)
    )
    return _Header(fields, header.key, header.first_row, header.next_row, header.headings)


def _report_columns(header: _Header, table: Table, problems: Problems) -> None:
    row = table.rows[header.first_row]
    for column, field in enumerate(header.fields):
        heading = header.headings[column].replace("\n", " ")
        if field is None and heading:
            problems.add(
                "warning",
                row[column].where,
                "unknown-column",
                f"không biết cột «{heading}»; cột này không được đọc.",
                "Nếu cột cần thiết, đổi tiêu đề theo phụ lục mẫu (dti frameworks export).",
            )
        elif field == "ignored":
            problems.add("info", row[column].where, "form-column", f"cột «{heading}» thuộc phiếu chấm nên không đọc.")
    for field in {field for field in header.fields if field and words_machine(field)}:
        if header.fields.count(field) > 1:
            problems.add(
                "error", row[0].where, "column-twice", f"cột «{words().columns[field].heading}» đứng hai lần.",
                "Bỏ bớt một cột.",
            )  # fmt: skip


def words_machine(field: str) -> bool:
    """Whether a field is one of the machine columns."""
    column = words().columns.get(field)
    return column is not None and column.machine


def _continues(table: Table, known: _Header) -> bool:
    """Whether a table without header can be the rest of the one before: its column of points holds numbers only."""
    column = known.fields.index("max_points")
    texts = [row[column].text for row in table.rows if row[column].text]
    return all(re.fullmatch(r"[\d.,\s]+(?:điểm)?", text) for text in texts)


def _lines(table: Table, header: _Header, start: int) -> Iterator[Line]:
    position = start
    while position < len(table.rows):
        row = table.rows[position]
        if any(cell.text for cell in row) and tuple(cell.text for cell in row) == header.key:
            repeated = _header_at(table, position)
            position = repeated.next_row if repeated else position + 1
            continue
        cells: dict[str, tuple[Cell, ...]] = {}
        for field, cell in zip(header.fields, row, strict=True):
            if field is not None:
                cells[field] = (*cells.get(field, ()), cell)
        if any(cell.text or cell.kind in ("formula", "auto", "date") for cell in row):
            first = next((cell for cell in row if cell.text), row[0])
            yield Line(_row_place(first.where), cells)
        position += 1


def _row_place(where: str) -> str:
    """The row of a cell's place, where the format has rows: «bảng 1, hàng 7, cột 2» -> «bảng 1, hàng 7»."""
    return re.sub(r", cột \d+$", "", where)
