"""A file -> neutral grids of text cells, each with the place where a person finds it.

Here: recognising XLSX, DOCX, HTML and CSV by content, limits that keep a hostile file from taking the machine, merged
cells. Not here: what a column or a row means (`columns.py`, `rows.py`). Nothing is executed and no file is written.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from dti_pipeline.frameworks.annex.report import Problems
from dti_pipeline.text import nfc

if TYPE_CHECKING:
    from bs4 import Tag
    from openpyxl.cell.cell import Cell as SheetCell
    from openpyxl.worksheet.worksheet import Worksheet

Format = Literal["xlsx", "csv", "docx", "html"]
"""What an annex can be exported as; it is read from these and from `text`."""
FORMATS: tuple[Format, ...] = ("xlsx", "csv", "docx", "html")

MAX_BYTES = 20_000_000
MAX_UNPACKED = 200_000_000
MAX_PARTS = 2_000
MAX_ROWS = 20_000
MAX_COLUMNS = 200
MAX_MERGED = 1_000_000
"""Cells under merged ranges; openpyxl makes an object of each, and one range can name seventeen thousand million."""

CellKind = Literal["text", "number", "date", "formula", "auto", "merged"]
"""`date`: the sheet holds a day; `formula`: a formula without a stored result; `auto`: a number that Word draws by
itself; `merged`: covered by the cell above or to the left, whose text it does not repeat."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: NFC text with single spaces and one line per paragraph, and its place."""

    text: str
    where: str
    kind: CellKind = "text"
    number: Decimal | None = None
    """The value itself where the file holds a number, so that no locale has to be guessed."""
    is_from_above: bool = False
    """Covered by a cell of the row above."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table or sheet, rows of equal length."""

    title: str
    where: str
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def width(self) -> int:
        return len(self.rows[0]) if self.rows else 0


@dataclass(frozen=True, slots=True)
class Document:
    """A file's tables in order, and the text that stands outside them (all of it for a search of fixed words)."""

    format: Format | Literal["text"]
    tables: tuple[Table, ...]
    outside: str


class UnreadableFile(ValueError):
    """A file that cannot be read at all: `code`, what is wrong, what to do."""

    def __init__(self, code: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.code, self.message, self.advice = code, message, advice


_BLANKS = re.compile(r"[ \t\xa0\u2000-\u200b\u202f\u3000\ufeff]+")


def clean(text: str) -> str:
    """NFC, single spaces, no spaces at line ends, no empty lines."""
    lines = (_BLANKS.sub(" ", line).strip() for line in re.split(r"\r\n|[\r\n\v\f\u2028\u2029]", nfc(text)))
    return "\n".join(line for line in lines if line)


def read_tables(body: bytes, filename: str, problems: Problems) -> Document:
    """All tables of a file. Raises UnreadableFile; a wrong extension and skipped parts are added to `problems`."""
    if len(body) > MAX_BYTES:
        raise UnreadableFile(
            "too-large",
            f"tệp có {len(body)} byte, quá giới hạn {MAX_BYTES} byte.",
            "Chỉ để lại phụ lục trong tệp (bỏ ảnh, trang khác) rồi nhập lại.",
        )
    found = _sniff(body)
    suffix = PurePath(filename).suffix.lower().removeprefix(".")
    if {"htm": "html", "xlsm": "xlsx", "txt": "text"}.get(suffix, suffix) != found:
        problems.add(
            "warning",
            filename,
            "wrong-extension",
            f"đuôi tệp là «.{suffix}» nhưng nội dung là {found.upper()}; tệp được đọc theo nội dung.",
            "Đổi lại đuôi tệp cho đúng để người khác mở được.",
        )
    document = {"xlsx": _xlsx, "docx": _docx, "html": _html, "csv": _csv, "text": _text}[found](
        body, filename, problems
    )
    for table in document.tables:
        if len(table.rows) > MAX_ROWS or table.width > MAX_COLUMNS:
            raise _too_many_cells(table.where)
    return document


def _too_many_cells(where: str) -> UnreadableFile:
    return UnreadableFile(
        "too-large",
        f"{where} có quá {MAX_ROWS} hàng hoặc quá {MAX_COLUMNS} cột.",
        "Xóa các hàng, cột trống thừa ở cuối bảng rồi lưu lại.",
    )


# --- what the bytes are ---


def _sniff(body: bytes) -> Format | Literal["text"]:
    if not body.strip():
        raise UnreadableFile("empty", "tệp trống.", "Kiểm tra lại tệp đã lưu.")
    if body.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise UnreadableFile(
            "protected-or-old",
            "tệp có mật khẩu, hoặc là định dạng cũ .xls/.doc.",
            "Gỡ mật khẩu và lưu lại thành .xlsx hoặc .docx.",
        )
    if body.startswith(b"%PDF"):
        raise UnreadableFile("pdf", "tệp là PDF.", "Chuyển bảng sang XLSX, DOCX, HTML hoặc CSV rồi nhập lại.")
    if body.startswith(b"PK"):
        return _sniff_zip(body)
    text = _decoded(body)
    if re.search(r"<!doctype html|<html[\s>]|<table[\s>]", text[:1_000_000], re.IGNORECASE):
        return "html"
    if re.search(r"[\x00-\x08\x0e-\x1f]", text):
        raise UnreadableFile("unknown-format", "tệp không phải XLSX, DOCX, HTML hay CSV.", "Kiểm tra lại tệp đã lưu.")
    # A law site's page saved as text: a paragraph per cell, a blank line after each. CSV has no such run of lines.
    return "text" if len(re.findall(r"\n[ \t]*\r?\n", text)) > text.count("\n") / 4 else "csv"


def _sniff_zip(body: bytes) -> Format:
    damaged = UnreadableFile("damaged", "tệp nén bị hỏng.", "Mở bằng Excel hoặc Word và lưu lại.")
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            parts = archive.infolist()
            if any(part.flag_bits & 1 for part in parts):
                raise UnreadableFile("protected-or-old", "tệp có mật khẩu.", "Gỡ mật khẩu rồi nhập lại.")
            # The declared sizes are binding: zipfile never unpacks more of a part than its header says.
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
                raise UnreadableFile(
                    "zip-bomb",
                    f"tệp giải nén ra quá {MAX_UNPACKED} byte hoặc có quá {MAX_PARTS} phần.",
                    "Đây không phải một phụ lục bình thường; xin lại tệp từ nơi ban hành.",
                )
            names = {part.filename for part in parts}
            found: Format | None = None
            if "xl/workbook.xml" in names:
                found = "xlsx"
            elif "word/document.xml" in names:
                found = "docx"
            if found is None:
                raise UnreadableFile("unknown-format", "tệp nén không phải XLSX hay DOCX.", "Kiểm tra lại tệp đã lưu.")
            merged = 0
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    content = archive.read(part)
                    _refuse_dtd(content, part.filename)
                    if part.filename.startswith("xl/worksheets/"):
                        merged += _merged_area(content)
            if merged > MAX_MERGED:
                raise UnreadableFile("too-large", "các ô gộp phủ quá nhiều ô.", "Bỏ gộp ô trên cả cột, cả hàng.")
            return found
    except UnreadableFile:
        raise
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,  # a compression method that Office does not use
        RuntimeError,
        OSError,
        ValueError,
    ) as error:
        raise damaged from error


def _refuse_dtd(content: bytes, part: str) -> None:
    # Office never writes one; entities in it can read files and expand without end. UTF-16 hides it from a plain look.
    for encoding in ("ascii", "utf-16-le", "utf-16-be"):
        if "<!DOCTYPE".encode(encoding) in content or "<!ENTITY".encode(encoding) in content:
            raise UnreadableFile(
                "dtd",
                f"phần {part} có khai báo DTD.",
                "Mở bằng Excel hoặc Word và lưu lại; nếu vẫn còn thì không dùng.",
            )


_MERGE = re.compile(rb"""mergeCell\s[^>]*?ref=["']([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})["']""")


def _merged_area(content: bytes) -> int:
    def column(letters: bytes) -> int:
        number = 0
        for letter in letters:
            number = number * 26 + letter - 64
        return number

    return sum(
        (abs(column(right) - column(left)) + 1) * (abs(int(bottom) - int(top)) + 1)
        for left, top, right, bottom in _MERGE.findall(content)
    )


def _decoded(body: bytes) -> str:
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return body.decode("utf-16")
        except UnicodeDecodeError:
            raise UnreadableFile("encoding", "văn bản UTF-16 bị hỏng.", "Lưu lại bằng mã UTF-8.") from None
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            "encoding", f"dòng {line}: không phải UTF-8.", "Lưu lại bằng mã UTF-8 («CSV UTF-8» trong Excel)."
        ) from None


# --- text ---


def _text(body: bytes, filename: str, problems: Problems) -> Document:
    """Paragraphs as a table of one column; `flat.py` finds the annex in them. Blank paragraphs are cells too."""
    rows: list[tuple[Cell, ...]] = []
    paragraph: list[str] = []
    start = 0
    for number, line in enumerate([*_decoded(body).splitlines(), ""], start=1):
        # A cell that is blank is printed as a no-break space, which is no blank line.
        if line.strip(" \t"):
            start = start if paragraph else number
            paragraph.append(line)
        elif paragraph:
            rows.append((Cell(clean("\n".join(paragraph)), f"dòng {start}"),))
            paragraph = []
    return Document("text", (Table("", filename, tuple(rows)),), "")


# --- CSV ---

_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def _csv(body: bytes, filename: str, problems: Problems) -> Document:
    text = _decoded(body)
    best: tuple[int, int, list[tuple[int, list[str]]]] | None = None
    fault: csv.Error | None = None
    for delimiter in ",;\t":
        try:
            lines = _csv_lines(text, delimiter)
        except csv.Error as error:
            fault = error
            continue
        widths = [len(fields) for _, fields in lines]
        widest = max(widths, default=0)
        # The right delimiter gives many rows of one width; a wrong one cuts at decimal commas here and there.
        score = (widths.count(widest) if widest > 1 else 0, widest)
        if best is None or score > best[:2]:
            best = (*score, lines)
    if best is None:
        raise UnreadableFile("csv", f"không đọc được CSV: {fault}.", "Lưu lại thành «CSV UTF-8» bằng Excel.")
    width = max((len(fields) for _, fields in best[2]), default=0)
    rows = []
    for number, fields in best[2]:
        cells = [
            Cell(clean(_unguarded(field)), f"dòng {number}, cột {column}")
            for column, field in enumerate([*fields, *[""] * (width - len(fields))], start=1)
        ]
        rows.append(tuple(cells))
    return Document("csv", (Table("", filename, tuple(rows)),), "")


def _csv_lines(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    before = 0
    for fields in reader:
        if len(lines) > MAX_ROWS:
            raise _too_many_cells("tệp")
        lines.append((before + 1, fields))
        before = reader.line_num
    return lines


def _unguarded(field: str) -> str:
    """Without the apostrophe that our export (and Excel users) put before text that would be taken for a formula."""
    return field[1:] if _GUARDED.match(field) else field


# --- XLSX ---


def _xlsx(body: bytes, filename: str, problems: Problems) -> Document:
    import openpyxl

    try:
        values = openpyxl.load_workbook(io.BytesIO(body), data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(body))
    except Exception as error:
        raise UnreadableFile("damaged", f"không mở được bảng tính ({error}).", "Mở bằng Excel và lưu lại.") from error
    tables = []
    for sheet in values.worksheets:
        if sheet.sheet_state != "visible":
            problems.add("info", sheet.title, "hidden-sheet", "trang tính bị ẩn nên không đọc.")
            continue
        if sheet.max_row > MAX_ROWS or sheet.max_column > MAX_COLUMNS:
            raise _too_many_cells(f"trang «{sheet.title}»")
        tables.append(Table(nfc(sheet.title), sheet.title, tuple(_sheet_rows(sheet, formulas[sheet.title]))))
    return Document("xlsx", tuple(tables), "")


def _sheet_rows(sheet: Worksheet, formulas: Worksheet) -> Iterator[tuple[Cell, ...]]:
    covered: dict[tuple[int, int], bool] = {}
    for merged in sheet.merged_cells.ranges:
        for row in range(merged.min_row, min(merged.max_row, sheet.max_row) + 1):
            for column in range(merged.min_col, min(merged.max_col, sheet.max_column) + 1):
                if (row, column) != (merged.min_row, merged.min_col):
                    covered[row, column] = row > merged.min_row
    for line in sheet.iter_rows():
        cells = []
        for item in line:
            where = f"{sheet.title}!{item.coordinate}"
            is_from_above = covered.get((item.row or 0, item.column or 0))
            if is_from_above is not None:
                cells.append(Cell("", where, "merged", is_from_above=is_from_above))
            else:
                cells.append(_sheet_cell(item, formulas[item.coordinate], where))
        yield tuple(cells)


def _sheet_cell(item: Any, formula: Any, where: str) -> Cell:
    value = item.value
    if value is None:
        return Cell("", where, "formula" if formula.data_type == "f" else "text")
    if isinstance(value, bool) or item.data_type == "e":
        return Cell(clean(str(value)), where)
    if isinstance(value, int | float):
        # Sums of a sheet carry the noise of binary floats (0.1 + 0.2); points have far fewer than 9 decimals.
        number = Decimal(value) if isinstance(value, int) else round(Decimal(str(value)), 9)
        return Cell(_shown(number, item), where, "number", number)
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return Cell(clean(str(value)), where, "date")
    return Cell(clean(str(value)), where)


def _shown(number: Decimal, item: SheetCell) -> str:
    """The digits as the sheet shows them: 1.1 formatted «0.00» is the code 1.10."""
    places = re.fullmatch(r"0\.(0+)", str(item.number_format))
    if places:
        return f"{number:.{len(places[1])}f}"
    return f"{number.normalize():f}"


# --- DOCX ---


def _docx(body: bytes, filename: str, problems: Problems) -> Document:
    import docx
    from docx.oxml.ns import qn

    try:
        root: Any = docx.Document(io.BytesIO(body)).element.body
    except Exception as error:
        raise UnreadableFile("damaged", f"không mở được văn bản ({error}).", "Mở bằng Word và lưu lại.") from error
    # The tree is walked directly: python-docx leaves out text that was inserted under «track changes».
    tables: list[Table] = []
    outside: list[str] = []
    for block in root.iter(qn("w:tbl"), qn("w:p")):
        if next(block.iterancestors(qn("w:tbl")), None) is not None:
            continue
        if block.tag == qn("w:tbl"):
            tables.append(_word_table(block, len(tables) + 1))
        else:
            outside.append(_word_text(block))
    if root.find(f".//{qn('w:del')}") is not None or root.find(f".//{qn('w:ins')}") is not None:
        problems.add(
            "warning",
            filename,
            "tracked-changes",
            "văn bản còn dấu vết sửa đổi; chữ đã thêm được đọc, chữ đã xóa thì không.",
            "Chấp nhận hoặc từ chối các sửa đổi trong Word rồi nhập lại.",
        )
    return Document("docx", tuple(tables), clean("\n".join(outside)))


def _word_table(table: Any, number: int) -> Table:
    from docx.oxml.ns import qn

    rows: list[list[Cell]] = []
    for position, row in enumerate(table.iter(qn("w:tr")), start=1):
        if next(row.iterancestors(qn("w:tbl"))) is not table:
            continue  # a table within a cell; its text is read with the cell
        if len(rows) > MAX_ROWS:
            raise _too_many_cells(f"bảng {number}")
        cells: list[Cell] = []

        def place(row: int = position, cells: list[Cell] = cells) -> str:
            return f"bảng {number}, hàng {row}, cột {len(cells) + 1}"

        for _ in range(_word_value(row, "w:trPr/w:gridBefore", 0)):
            cells.append(Cell("", place()))
        for tc in row.iter(qn("w:tc")):
            if next(tc.iterancestors(qn("w:tr"))) is not row:
                continue
            merge = tc.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
            is_covered = merge is not None and merge.get(qn("w:val"), "continue") == "continue"
            if is_covered:
                cells.append(Cell("", place(), "merged", is_from_above=True))
            else:
                text = clean(_word_text(tc))
                is_auto = not text and tc.find(f".//{qn('w:numPr')}") is not None
                cells.append(Cell(text, place(), "auto" if is_auto else "text"))
            for _ in range(_word_value(tc, "w:tcPr/w:gridSpan", 1) - 1):
                cells.append(Cell("", place(), "merged", is_from_above=is_covered))
            if len(cells) > MAX_COLUMNS:
                raise _too_many_cells(f"bảng {number}")
        rows.append(cells)
    return Table("", f"bảng {number}", _squared(rows, lambda row, column: f"bảng {number}, hàng {row}, cột {column}"))


def _word_value(element: Any, path: str, default: int) -> int:
    from docx.oxml.ns import qn

    found = element.find("/".join(qn(step) for step in path.split("/")))
    text = "" if found is None else str(found.get(qn("w:val"), ""))
    return min(int(text), MAX_COLUMNS + 1) if re.fullmatch(r"\d{1,6}", text) else default


def _word_text(element: Any) -> str:
    """Text of a paragraph or cell, a line per paragraph; inserted text counts, deleted text (w:delText) does not."""
    from docx.oxml.ns import qn

    parts: list[str] = []
    for node in element.iter(qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:noBreakHyphen"), qn("w:p")):
        if node.tag == qn("w:t"):
            parts.append(node.text or "")
        elif node.tag == qn("w:noBreakHyphen"):
            parts.append("-")
        elif node.tag != qn("w:tab"):
            parts.append("\n")
        elif node.getparent().tag == qn("w:r"):  # elsewhere w:tab is a tab stop of the layout
            parts.append(" ")
    return "".join(parts)


# --- HTML ---

_BLOCKS = frozenset(
    {"p", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "table", "section", "dd", "dt"}
)


def _html(body: bytes, filename: str, problems: Problems) -> Document:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(_decoded(body), "lxml")
    for hidden in soup(["script", "style", "template", "noscript"]):
        hidden.decompose()
    tables: list[Table] = []
    # A table that holds another one is layout of the page.
    for element in [item for item in soup.find_all("table") if item.find("table") is None]:
        tables.append(_html_table(element, len(tables) + 1))
        element.extract()
    return Document("html", tuple(tables), clean(_html_text(soup)))


def _html_table(table: Tag, number: int) -> Table:
    rows: list[list[Cell]] = []
    open_spans: dict[int, int] = {}  # column -> how many more rows the cell above covers
    lines = table.find_all("tr")
    if len(lines) > MAX_ROWS:
        raise _too_many_cells(f"bảng {number}")
    for position, line in enumerate(lines, start=1):
        cells: list[Cell] = []

        def cover(position: int = position, cells: list[Cell] = cells) -> None:
            while open_spans.get(len(cells), 0) > 0:
                open_spans[len(cells)] -= 1
                where = f"bảng {number}, hàng {position}, cột {len(cells) + 1}"
                cells.append(Cell("", where, "merged", is_from_above=True))

        for item in line.find_all(["td", "th"]):
            cover()
            where = f"bảng {number}, hàng {position}, cột {len(cells) + 1}"
            wide = min(max(_span(item, "colspan"), 1), MAX_COLUMNS + 1)
            tall = _span(item, "rowspan") or len(lines)
            for step in range(wide):
                open_spans[len(cells)] = min(tall, len(lines)) - 1
                cells.append(Cell(clean(_html_text(item)), where) if step == 0 else Cell("", where, "merged"))
            if len(cells) > MAX_COLUMNS:
                raise _too_many_cells(f"bảng {number}")
        cover()
        rows.append(cells)
    return Table("", f"bảng {number}", _squared(rows, lambda row, column: f"bảng {number}, hàng {row}, cột {column}"))


def _span(item: Tag, name: str) -> int:
    text = str(item.get(name, "1")).strip()
    return int(text) if re.fullmatch(r"\d{1,6}", text) else 1


def _html_text(element: Tag) -> str:
    from bs4 import Comment, Tag
    from bs4.element import NavigableString

    parts: list[str] = []

    def walk(items: Iterable[Any]) -> Iterator[str]:
        # A stack instead of recursion: pages saved from editors nest hundreds deep.
        stack = [iter(items)]
        closers = [""]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                yield closers.pop()
            elif isinstance(node, Tag):
                if node.name == "br":
                    yield "\n"
                    continue
                edge = "\n" if node.name in _BLOCKS else ""
                yield edge
                stack.append(iter(list(node.children)))
                closers.append(edge)
            elif isinstance(node, NavigableString) and not isinstance(node, Comment):
                yield re.sub(r"[ \t\r\n\f]+", " ", str(node))

    parts.extend(walk(list(element.children)))
    return "".join(parts)


def _squared(rows: list[list[Cell]], place: Any) -> tuple[tuple[Cell, ...], ...]:
    width = max((len(row) for row in rows), default=0)
    return tuple(
        (*row, *(Cell("", place(number, column)) for column in range(len(row) + 1, width + 1)))
        for number, row in enumerate(rows, start=1)
    )
