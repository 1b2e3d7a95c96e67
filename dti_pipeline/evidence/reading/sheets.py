"""An XLSX file -> sheets of cells, in one bounded pass over its XML.

Here: which sheets there are, and cells with their stored values as written, formulas, formats and fonts; merged ranges.
Not here: what rows and columns mean (`workbook.py`).

The XML is read as it stands (ADR 0012): numbers keep their digits, a formula without a stored value can be told from an
empty cell, and bounds hold before anything is built. A sheet of which `is_wanted` does not hold after its first rows is
not read further.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading.archives import Archive, damaged, parse_xml
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.texts import Encoding, legacy_font

_MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
_RELATION_ID = tuple(
    f"{space} id"
    for space in (
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "http://purl.oclc.org/ooxml/officeDocument/relationships",
    )
)
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384

CellKind = Literal["number", "text", "bool", "error"]
Look = Literal["plain", "percent", "date"]


@dataclass(frozen=True, slots=True)
class SheetCell:
    """A cell that is not empty."""

    kind: CellKind
    raw: str | None
    """The stored value as written, texts unescaped; None for a formula that was never computed."""
    look: Look = "plain"
    font: Encoding | None = None
    formula: str | None = None
    """Without «=»; empty where it is shared with another cell."""


@dataclass(slots=True)
class Sheet:
    title: str
    is_very_hidden: bool
    cells: dict[tuple[int, int], SheetCell] = field(default_factory=dict)
    """(row, column), both from 1 -> cell."""
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    """First row, first column, last row, last column."""

    def row(self, row: int) -> dict[int, SheetCell]:
        """Column -> cell of one row; for short scans only."""
        return {at[1]: cell for at, cell in self.cells.items() if at[0] == row}


@dataclass(frozen=True, slots=True)
class Book:
    sheets: tuple[Sheet, ...]
    is_1904: bool
    """Days are counted from 1904, as old Macs did."""
    has_external_links: bool

    def date_text(self, number: Decimal) -> str:
        """A day (and time) of a date-formatted cell as dd/mm/yyyy. Raises ValueError outside the calendar."""
        start = dt.datetime(1904, 1, 1) if self.is_1904 else dt.datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's day
        if not 0 <= number < 2_958_466:
            raise ValueError(f"{number} is no day of a sheet")
        moment = start + dt.timedelta(seconds=int(number * 86_400))
        has_time = moment.time() != dt.time(0)
        return f"{moment:%d/%m/%Y %H:%M}" if has_time else f"{moment:%d/%m/%Y}"


def column_letters(column: int) -> str:
    """1 -> A, 27 -> AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


_NAMES = {
    f"{space} {name}": name
    for space in _MAIN
    for name in (
        "sheet", "workbookPr", "si", "t", "rPh", "rFont", "fonts", "font", "name", "cellXfs", "cellStyleXfs", "dxfs",
        "numFmts", "numFmt", "xf", "row", "c", "v", "f", "mergeCell",
    )
}  # fmt: skip
"""Element as the parser names it -> its name, for the elements of SpreadsheetML that are looked at."""


def read_book(archive: Archive, is_wanted: Callable[[Sheet], bool]) -> Book:
    """The sheets of a workbook. Raises Refused for what is damaged or larger than any self-report."""
    workbook = next((item.target for item in archive.relations("") if item.type == "officeDocument"), "")
    entries: list[tuple[str, str, str]] = []
    is_1904 = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal is_1904
        name = _NAMES.get(tag)
        if name == "sheet":
            relation = next((attributes[key] for key in _RELATION_ID if key in attributes), "")
            entries.append((attributes.get("name", ""), relation, attributes.get("state", "visible")))
        elif name == "workbookPr":
            is_1904 = attributes.get("date1904", "0") in ("1", "true")

    parse_xml(archive.part(workbook), workbook, start)
    if len(entries) > limits().sheet.max_sheets:
        raise Refused(f"Bảng tính có {len(entries)} trang, quá giới hạn {limits().sheet.max_sheets}; xóa bớt trang.")
    relations = {item.id: item for item in archive.relations(workbook)}
    strings, fonts_of_strings = _strings(archive, relations.values())
    looks, fonts = _styles(archive, relations.values())
    sheets = []
    for title, relation_id, state in entries:
        relation = relations.get(relation_id)
        if relation is None or relation.is_external or relation.target not in archive:
            raise damaged(f"trang «{title[:40]}» không có nội dung")
        if relation.type != "worksheet":
            continue  # a chart on a page of its own
        sheet = Sheet(title, state == "veryHidden")
        _Reader(sheet, strings, fonts_of_strings, looks, fonts, is_wanted).read(archive.part(relation.target))
        sheets.append(sheet)
    return Book(tuple(sheets), is_1904, any(item.type == "externalLink" for item in relations.values()))


class _Stop(Exception):
    """The sheet is none of ours."""


# --- shared texts and styles ---


def _part_of(archive: Archive, relations: object, kind: str) -> str | None:
    for item in relations:  # type: ignore[attr-defined]
        if item.type == kind and not item.is_external and item.target in archive:
            return str(item.target)
    return None


def _strings(archive: Archive, relations: object) -> tuple[list[str], dict[int, Encoding]]:
    """Shared texts, and which of them are written in a legacy font by themselves."""
    part = _part_of(archive, relations, "sharedStrings")
    strings: list[str] = []
    fonts: dict[int, Encoding] = {}
    if part is None:
        return strings, fonts
    pieces: list[str] = []
    is_text = False
    phonetic = 0
    count = size = 0
    rule = limits().sheet

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal is_text, phonetic, count
        count += 1
        if count > rule.max_elements:
            raise _too_much("các chuỗi chữ")
        name = _NAMES.get(tag)
        if name == "t":
            is_text = not phonetic
        elif name == "rPh":
            phonetic += 1
        elif name == "rFont" and (font := legacy_font(attributes.get("val", ""))):
            fonts[len(strings)] = font

    def end(tag: str) -> None:
        nonlocal is_text, phonetic
        name = _NAMES.get(tag)
        if name == "t":
            is_text = False
        elif name == "rPh":
            phonetic -= 1
        elif name == "si":
            strings.append(unescape("".join(pieces)))
            pieces.clear()

    def text(data: str) -> None:
        nonlocal size
        if is_text:
            size += len(data)
            if size > rule.max_characters:
                raise _too_much("các chuỗi chữ")
            pieces.append(data)

    parse_xml(archive.part(part), part, start, end, text)
    return strings, fonts


def _too_much(what: str) -> Refused:
    return Refused(
        f"Bảng tính quá lớn ({what}) so với một biểu tự chấm; xóa các hàng, cột trống thừa và trang không cần, "
        "hoặc chép số liệu sang tệp mẫu mới."
    )


def unescape(text: str) -> str:
    """`_x000D_` and its like as the characters they stand for; halves of surrogates stay as they are."""
    if "_x" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        code = int(match[1], 16)
        return match[0] if 0xD800 <= code <= 0xDFFF else chr(code)

    return re.sub(r"_x([0-9A-Fa-f]{4})_", character, text)


def _styles(archive: Archive, relations: object) -> tuple[list[Look], list[Encoding | None]]:
    """Per style number: how a number looks, and the legacy encoding of the font."""
    part = _part_of(archive, relations, "styles")
    if part is None:
        return [], []
    formats: dict[int, str] = {}
    fonts: list[Encoding | None] = []
    uses: list[tuple[int, int]] = []
    inside: list[str] = []
    count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > limits().sheet.max_elements:
            raise _too_much("các kiểu định dạng")
        name = _NAMES.get(tag)
        if name in ("fonts", "cellXfs", "numFmts", "dxfs", "cellStyleXfs"):
            inside.append(name)
        elif name is None or not inside:
            return
        elif inside[-1] == "numFmts" and name == "numFmt":
            formats[_int(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif inside[-1] == "fonts" and name == "font":
            fonts.append(None)
        elif inside[-1] == "fonts" and name == "name" and fonts:
            fonts[-1] = legacy_font(attributes.get("val", ""))
        elif inside[-1] == "cellXfs" and name == "xf":
            if len(uses) >= limits().sheet.max_styles:
                raise _too_much("các kiểu định dạng")
            uses.append((_int(attributes.get("numFmtId")), _int(attributes.get("fontId"))))

    def end(tag: str) -> None:
        if inside and _NAMES.get(tag) == inside[-1]:
            inside.pop()

    parse_xml(archive.part(part), part, start, end)
    return (
        [_look(number, formats.get(number)) for number, _ in uses],
        [fonts[font] if font < len(fonts) else None for _, font in uses],
    )


def _int(text: str | None) -> int:
    if text is None:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise damaged("số thứ tự kiểu định dạng sai")
    return int(text)


@lru_cache(maxsize=1_000)
def _look(number: int, code: str | None) -> Look:
    from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

    code = (code if code is not None else BUILTIN_FORMATS.get(number, "General"))[:500]
    bare = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", code)
    if "%" in bare:
        return "percent"
    return "date" if code.casefold() != "general" and is_date_format(code) else "plain"


# --- cells ---

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_KINDS: dict[str, CellKind] = {
    "n": "number",
    "b": "bool",
    "e": "error",
    "s": "text",
    "str": "text",
    "inlineStr": "text",
}


class _Reader:
    """Handlers for one sheet's XML."""

    def __init__(
        self,
        sheet: Sheet,
        strings: list[str],
        fonts_of_strings: dict[int, Encoding],
        looks: list[Look],
        fonts: list[Encoding | None],
        is_wanted: Callable[[Sheet], bool],
    ) -> None:
        self.sheet = sheet
        self.strings, self.fonts_of_strings = strings, fonts_of_strings
        self.looks, self.fonts = looks, fonts
        self.is_wanted = is_wanted
        self.is_decided = False
        self.rule = limits().sheet
        self.elements = 0
        self.row = self.column = 0
        self.columns: dict[str, int] = {}
        self.pieces: list[str] | None = None
        self.value: str | None = None
        self.formula: str | None = None
        self.inline: list[str] = []
        self.phonetic = 0
        self.kind = ""
        self.style = ""

    def read(self, content: bytes) -> None:
        try:
            parse_xml(content, self.sheet.title, self._start, self._end, self._text)
        except _Stop:
            return
        if not self.is_decided and not self.is_wanted(self.sheet):
            self.sheet.merged.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > self.rule.max_elements:
            raise _too_much(f"trang «{self.sheet.title[:40]}»")
        name = _NAMES.get(tag)
        if name == "c":
            self._open_cell(attributes)
        elif name in ("v", "f", "t"):
            self.pieces = []
        elif name == "row":
            self._open_row(attributes)
        elif name == "rPh":
            self.phonetic += 1
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def _text(self, data: str) -> None:
        if self.pieces is not None:
            self.pieces.append(data)

    def _end(self, tag: str) -> None:
        name = _NAMES.get(tag)
        if name == "v":
            self.value, self.pieces = "".join(self.pieces or ()), None
        elif name == "f":
            self.formula, self.pieces = "".join(self.pieces or ()), None
        elif name == "t":
            if self.pieces is not None and not self.phonetic:
                self.inline.append("".join(self.pieces))
            self.pieces = None
        elif name == "rPh":
            self.phonetic -= 1
        elif name == "c":
            self._close_cell()

    def _open_row(self, attributes: dict[str, str]) -> None:
        text = attributes.get("r")
        row = self._number(text) if text is not None else self.row + 1
        if not self.row < row <= _LAST_ROW:
            raise damaged(f"trang «{self.sheet.title[:40]}» có hàng sai thứ tự")
        if not self.is_decided and row > self.rule.header_rows:
            self.is_decided = True
            if not self.is_wanted(self.sheet):
                raise _Stop
        self.row, self.column = row, 0

    def _number(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,7}", text):
            raise damaged(f"trang «{self.sheet.title[:40]}» có số hàng sai")
        return int(text)

    def _open_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        if reference is None:
            self.column += 1
        else:
            match = _REFERENCE.fullmatch(reference)
            if match is None or int(match[2]) != self.row:
                raise damaged(f"trang «{self.sheet.title[:40]}» có địa chỉ ô sai")
            self.column = self._column(match[1])
        self.kind, self.style = attributes.get("t", "n"), attributes.get("s", "")
        self.value = self.formula = None
        self.inline = []

    def _column(self, letters: str) -> int:
        found = self.columns.get(letters)
        if found is None:
            found = 0
            for letter in letters:
                found = found * 26 + ord(letter) - 64
            if found > _LAST_COLUMN:
                raise damaged(f"trang «{self.sheet.title[:40]}» có địa chỉ ô sai")
            self.columns[letters] = found
        return found

    def _close_cell(self) -> None:
        raw, kind = self.value, self.kind
        if kind == "inlineStr":
            raw = "".join(self.inline) if self.inline else raw
        if self.formula is None and not raw:
            return
        if self.row > self.rule.max_rows or self.column > self.rule.max_columns:
            raise _too_much(f"trang «{self.sheet.title[:40]}», ô {column_letters(self.column)}{self.row}")
        at = (self.row, self.column)
        if at in self.sheet.cells:
            raise damaged(f"trang «{self.sheet.title[:40]}» có hai ô {column_letters(self.column)}{self.row}")
        style = int(self.style) if re.fullmatch(r"[0-9]{1,6}", self.style) else 0
        font = self.fonts[style] if style < len(self.fonts) else None
        look = self.looks[style] if style < len(self.looks) else "plain"
        if kind == "s" and raw is not None:
            index = int(raw) if re.fullmatch(r"[0-9]{1,9}", raw.strip()) else -1
            if not 0 <= index < len(self.strings):
                raise damaged(f"ô {column_letters(self.column)}{self.row} trỏ tới chuỗi không có")
            raw = self.strings[index]
            font = self.fonts_of_strings.get(index, font)
        elif kind in ("str", "inlineStr") and raw is not None:
            raw = unescape(raw)
        elif kind == "d":
            kind, look = "str", "date"
        if kind not in _KINDS:
            raise damaged(f"ô {column_letters(self.column)}{self.row} có kiểu lạ")
        # A formula that gives an empty text has been computed.
        stored = raw if raw or (kind == "str" and raw is not None) else None
        self.sheet.cells[at] = SheetCell(_KINDS[kind], stored, look, font, self.formula)

    def _merge(self, reference: str) -> None:
        first, _, last = reference.partition(":")
        corners = [_REFERENCE.fullmatch(corner) for corner in (first, last or first)]
        if corners[0] is None or corners[1] is None:
            raise damaged(f"trang «{self.sheet.title[:40]}» có vùng gộp ô sai")
        rows = sorted(int(corner[2]) for corner in corners if corner)
        columns = sorted(self._column(corner[1]) for corner in corners if corner)
        self.sheet.merged.append((rows[0], columns[0], rows[1], columns[1]))
        if len(self.sheet.merged) > self.rule.max_merged:
            raise _too_much(f"vùng gộp ô ở trang «{self.sheet.title[:40]}»")
