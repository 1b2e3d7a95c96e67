"""A ranked table as a file to take along: CSV for programs, XLSX for people and printers.

Here: a table -> bytes, the same bytes for the same table. Not here: which table (`dti_pipeline.tables`) and freezing
(`freeze.py`).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any, Literal

from dti_pipeline.tables import Column, RankedTable, Section, Value

Format = Literal["csv", "xlsx"]
FORMATS: tuple[Format, ...] = ("csv", "xlsx")

_WIDTHS = {"rank": 9, "number": 14}
_TEXT_WIDTHS = {"unit": 12, "unit_name": 44, "rating": 14, "pool_name": 30, "remark": 48}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def file_name(table: RankedTable, kind: Format) -> str:
    """`brvt-2022-h00-2026.commune.2026-10-15.xlsx`."""
    return f"{table.assessment}.{table.level}.{table.night.isoformat()}.{kind}"


def render(table: RankedTable, kind: Format) -> bytes:
    """The whole table, every pool, in one format."""
    return to_csv(table) if kind == "csv" else to_xlsx(table)


def to_csv(table: RankedTable) -> bytes:
    """UTF-8 with a byte order mark (Excel needs it), decimal dots, one line per unit; the notes after an empty line.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    section = table.level_section()
    writer.writerow([column.header for column in section.columns])
    for row in section.rows:
        writer.writerow([_plain(value) for value in row])
    writer.writerow([])
    writer.writerow([_plain(table.title)])
    if table.working_words:
        writer.writerow([_plain(table.working_words)])
    for note in table.notes:
        writer.writerow([_plain(note)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _plain(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text


def to_xlsx(table: RankedTable) -> bytes:
    """A printable workbook: a sheet for the level, one per pool where pools are ranked apart; A4, header frozen.

    Numbers are numbers, shown in Vietnamese format; footnotes and the words of a working annex stand on every sheet.
    """
    import xlsxwriter

    out = io.BytesIO()
    # Nothing in the file may depend on the moment it was written.
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties(
        {"title": table.title, "created": dt.datetime.combine(table.night, dt.time(0)), "author": "", "comments": ""}
    )
    styles = _Styles(book)
    _sheet(book, styles, "Toàn cấp", table, table.level_section())
    if table.by_pool:
        for position, section in enumerate(table.sections(), start=1):
            pool = section.title.rsplit(" · ", 1)[-1]
            _sheet(book, styles, _sheet_name(position, pool), table, section)
    book.close()
    return out.getvalue()


def _sheet_name(position: int, pool: str) -> str:
    """At most 31 characters and none of those that Excel refuses; the position keeps names apart."""
    clean = "".join(" " if character in "[]:*?/\\'" else character for character in pool)
    return f"{position} {clean}"[:31].rstrip()


class _Styles:
    """The formats of a workbook; XlsxWriter wants each made once."""

    def __init__(self, book: Any) -> None:
        font = {"font_name": "Times New Roman", "font_size": 11, "valign": "top"}
        self.book, self.font = book, font
        self.title = book.add_format(font | {"bold": True, "font_size": 13, "text_wrap": False})
        self.working = book.add_format(font | {"bold": True, "font_color": "#B00000"})
        self.header = book.add_format(
            font | {"bold": True, "border": 1, "text_wrap": True, "align": "center", "bg_color": "#E8EEF4"}
        )
        self.text = book.add_format(font | {"border": 1, "text_wrap": True})
        self.rank = book.add_format(font | {"border": 1, "align": "center", "num_format": "0"})
        self.note = book.add_format(font | {"text_wrap": True, "italic": True})
        self._numbers: dict[int, Any] = {}

    def number(self, decimals: int) -> Any:
        """Vietnamese number format (language 42A: comma decimal, dot thousands) with that many decimals."""
        if decimals not in self._numbers:
            digits = "#,##0" + ("." + "0" * decimals if decimals else "")
            self._numbers[decimals] = self.book.add_format(self.font | {"border": 1, "num_format": f"[$-42A]{digits}"})
        return self._numbers[decimals]


def _sheet(book: Any, styles: _Styles, name: str, table: RankedTable, section: Section) -> None:
    sheet = book.add_worksheet(name)
    last = len(section.columns) - 1
    sheet.write_string(0, 0, section.title, styles.title)
    top = 1
    if table.working_words:
        sheet.write_string(top, 0, table.working_words, styles.working)
        top += 1
    if table.is_provisional:
        sheet.write_string(top, 0, "Kết quả tạm tính", styles.working)
        top += 1
    header = top + 1
    for position, column in enumerate(section.columns):
        width = _TEXT_WIDTHS.get(column.key) or _WIDTHS[column.kind]
        sheet.set_column(position, position, width)
        sheet.write_string(header, position, column.header, styles.header)
    for offset, row in enumerate(section.rows, start=header + 1):
        for position, (column, value) in enumerate(zip(section.columns, row, strict=True)):
            _cell(sheet, styles, offset, position, column, value)
    below = header + len(section.rows) + 2
    for offset, note in enumerate(table.notes, start=below):
        sheet.merge_range(offset, 0, offset, last, f"{offset - below + 1}. {note}", styles.note)
        # Merged cells do not grow by themselves; about 130 characters go into a line across the page.
        sheet.set_row(offset, 15 * (1 + len(note) // 130))
    sheet.freeze_panes(header + 1, 0)
    sheet.repeat_rows(header)
    sheet.set_paper(9)  # A4
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.6)
    sheet.set_footer(f"&L{table.working_words or ''}&RTrang &P/&N")


def _cell(sheet: Any, styles: _Styles, row: int, position: int, column: Column, value: Value) -> None:
    if value is None:
        sheet.write_blank(row, position, None, styles.text)
    elif isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        decimals = max(column.decimals, -exponent if isinstance(exponent, int) else 0)
        # A spreadsheet holds binary numbers; what it shows is rounded to the digits of the exact decimal.
        sheet.write_number(row, position, float(value), styles.number(decimals))
    elif isinstance(value, int):
        sheet.write_number(row, position, value, styles.rank)
    else:
        sheet.write_string(row, position, value, styles.text)
