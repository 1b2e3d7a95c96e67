"""A small framework, its units, and workbooks put together part by part, for the tests and the fuzzer of the reader.

Here: building files. Not here: tests.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from dti_pipeline.evidence.model import Report
from dti_pipeline.evidence.reading import read_report
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.model import Framework, LevelName
from dti_pipeline.scoring.engine import UnitRef

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
PERCENT, DATE, TCVN3 = 1, 2, 3
"""Styles of the workbooks: per cent, a day, and the font .VnTime."""

UNITS: Mapping[str, tuple[UnitRef, LevelName]] = {
    "H00.01": (UnitRef("H00.01", "Sở Một", "H00"), "department"),
    "H00.02": (UnitRef("H00.02", "Sở Hai", "H00"), "department"),
    "H00.11": (UnitRef("H00.11", "Xã Ba", "H00.10"), "commune"),
}


def _criterion(code: str, printed: str, formula: str, inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "code": code, "printed_code": printed, "name": f"Tiêu chí {code}", "max_points": "10", "rule": "Cách tính",
        "formula": formula, "inputs": inputs, "clause": f"mục {printed}",
    }  # fmt: skip


@cache
def framework() -> Framework:
    """One level «department» with a ratio, a percentage, an option, a number, and a number printed twice."""
    answers = [{"value": "yes", "label": "Đã ban hành"}, {"value": "no", "label": "Chưa ban hành"}]
    criteria = [
        _criterion("1.1", "1.1", "b / a * max", [
            {"name": "a", "label": "Tổng số hồ sơ", "kind": "count"},
            {"name": "b", "label": "Số hồ sơ đúng hạn", "kind": "count"},
        ]),
        _criterion("1.2", "1.2", "p / 100 * max", [{"name": "p", "label": "Tỷ lệ (%)", "kind": "percent"}]),
        _criterion("1.3", "1.3", "option(o, yes=10, no=0)", [
            {"name": "o", "label": "Kế hoạch", "kind": "option", "options": answers},
        ]),
        _criterion("1.4", "1.4", "min(x, 10)", [{"name": "x", "label": "Kinh phí", "kind": "number"}]),
        _criterion("1.4-2", "1.4", "min(x, 10)", [{"name": "x", "label": "Kinh phí khác", "kind": "number"}]),
    ]  # fmt: skip
    node = {"code": "1", "kind": "group", "name": "Nhóm", "criteria": criteria}
    level = {"level": "department", "name": "Cấp sở", "basis": "decision", "stated": {}, "nodes": [node]}
    return Framework.model_validate(
        {
            "id": "thu-2026",
            "decision": {"number": "01/QĐ-UBND", "issued_on": "2026-01-01", "issuer": "UBND", "title": "Bộ chỉ số"},
            "province": "H00",
            "window": "year",
            "levels": [level, level | {"level": "commune", "name": "Cấp xã"}],
        }
    )


@cache
def assessment() -> Assessment:
    """Its file names a framework that exists; the reader is given the small one."""
    return Assessment(id="thu-2026-h00", framework="ninh-thuan-2021", year=2026, provinces=("H00",))


def read(body: bytes, name: str = "bao-cao.xlsx") -> Report:
    return read_report(body, name, assessment(), framework(), UNITS)


# --- workbooks ---


@dataclass(frozen=True)
class C:
    """A cell: value, `t` of SpreadsheetML («n», «s» for shared, «inlineStr», «str», «b», «e»), style, formula."""

    value: object = None
    t: str | None = None
    style: int = 0
    formula: str | None = None


Cells = Sequence[Sequence[object]]
HEADINGS = ("Khóa", "Mã tiêu chí", "Tên tiêu chí", "Ký hiệu", "Số liệu cần nhập", "Giá trị", "Điểm tự chấm",
            "Giải trình", "Tệp minh chứng", "Trang", "Đề nghị không đánh giá (lý do)")  # fmt: skip
META: Mapping[str, str] = {
    "schema": "dti-workbook/1", "assessment": "thu-2026-h00", "framework": "thu-2026", "level": "department",
    "unit": "H00.01",
}  # fmt: skip
FACTS: Cells = (("Thông tin chung",), ("Mã định danh", "H00.01"), ("Địa chỉ trụ sở", "Số 1"), ("Dân số", 1200))


def rows(**values: object) -> list[list[object]]:
    """The rows of the sheet of scores, a row per input; a value by criterion and input, as `v11a=5`."""
    found: list[list[object]] = [[None, "1", "Nhóm"]]
    for criterion in framework().level("department").criteria:
        for position, spec in enumerate(criterion.inputs):
            key = f"v{criterion.code.replace('.', '').replace('-', '_')}{spec.name}"
            first = position == 0
            found.append([
                criterion.code, criterion.printed_code if first else None, criterion.name if first else None, spec.name,
                spec.label, values.get(key),
            ])  # fmt: skip
    return found


def scores(**values: object) -> list[list[object]]:
    """The whole sheet: a title, the headings in row 2, the group in row 3, criteria from row 4 on."""
    return [["", "Bảng tự chấm"], list(HEADINGS), *rows(**values)]


@dataclass
class Book:
    """The parts of a workbook, to be changed before it is packed."""

    sheets: dict[str, tuple[Cells, str]] = field(default_factory=dict)
    """Title -> cells and state."""
    merged: Sequence[str] = ()
    """Of the first sheet."""
    extra: dict[str, bytes | str] = field(default_factory=dict)
    """Further parts, or others in place of our own."""
    raw_sheet: str | None = None
    """XML within `worksheet` in place of the first sheet's cells."""
    date1904: bool = False

    def parts(self) -> dict[str, bytes]:
        names = list(self.sheets)
        strings: list[str] = []
        parts: dict[str, str | bytes] = {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
            f'<workbookPr date1904="{int(self.date1904)}"/><sheets>'
            + "".join(
                f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="r{number}" state="{self.sheets[name][1]}"/>'
                for number, name in enumerate(names, start=1)
            )
            + "</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
            + "".join(
                f'<Relationship Id="r{number}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
                for number in range(1, len(names) + 1)
            )
            + f'<Relationship Id="rs" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
            f'<Relationship Id="rt" Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>',
            "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><fonts><font><name val="Times New Roman"/></font>'
            '<font><name val=".VnTime"/></font></fonts><cellXfs><xf numFmtId="0" fontId="0"/>'
            '<xf numFmtId="10" fontId="0"/><xf numFmtId="14" fontId="0"/><xf numFmtId="0" fontId="1"/></cellXfs>'
            "</styleSheet>",
        }
        for number, name in enumerate(names, start=1):
            inner = "<sheetData>" + _rows(self.sheets[name][0], strings) + "</sheetData>"
            if number == 1:
                inner = self.raw_sheet if self.raw_sheet is not None else inner
                inner += "".join(f'<mergeCell ref="{item}"/>' for item in self.merged)
            parts[f"xl/worksheets/sheet{number}.xml"] = f'<worksheet xmlns="{MAIN}">{inner}</worksheet>'
        parts["xl/sharedStrings.xml"] = (
            f'<sst xmlns="{MAIN}">' + "".join(f"<si><t>{escape(text)}</t></si>" for text in strings) + "</sst>"
        )
        return {name: part.encode() if isinstance(part, str) else part for name, part in (parts | self.extra).items()}

    def pack(self) -> bytes:
        return pack(self.parts())


def _rows(cells: Cells, strings: list[str]) -> str:
    out = []
    for row, line in enumerate(cells, start=1):
        items = []
        for column, value in enumerate(line, start=1):
            cell = value if isinstance(value, C) else C(value)
            if cell.value is None and cell.formula is None:
                continue
            items.append(_cell(cell, f"{letters(column)}{row}", strings))
        out.append(f'<row r="{row}">{"".join(items)}</row>')
    return "".join(out)


def _cell(cell: C, at: str, strings: list[str]) -> str:
    kind = cell.t or ("s" if isinstance(cell.value, str) else "n")
    text = escape(str(cell.value)) if cell.value is not None else None
    formula = f"<f>{escape(cell.formula)}</f>" if cell.formula is not None else ""
    if kind == "s" and cell.value is not None:
        strings.append(str(cell.value))
        text = str(len(strings) - 1)
    if kind == "inlineStr":
        return f'<c r="{at}" s="{cell.style}" t="inlineStr"><is><t>{text}</t></is></c>'
    value = f"<v>{text}</v>" if text is not None else ""
    return f'<c r="{at}" s="{cell.style}" t="{kind}">{formula}{value}</c>'


def letters(column: int) -> str:
    return chr(64 + column) if column <= 26 else chr(64 + (column - 1) // 26) + chr(65 + (column - 1) % 26)


def book(cells: Cells | None = None, *, meta: Mapping[str, str] | None = META, **values: object) -> Book:
    """A workbook as the template gives it, with the values of `rows` (or other cells altogether)."""
    sheets: dict[str, tuple[Cells, str]] = {
        "Tự chấm": (cells if cells is not None else scores(**values), "visible"),
        "Thông tin chung": (FACTS, "visible"),
    }
    if meta is not None:
        sheets["_dti"] = (tuple((key, value) for key, value in meta.items()), "veryHidden")
    return Book(sheets)


def pack(parts: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, method)
    return out.getvalue()


# --- PDF ---


def pdf(pages: int = 2, root: str = "", kid: str = "") -> bytes:
    """A PDF with a classic cross-reference table; further entries of the catalogue and of each page."""
    kids = " ".join(f"{3 + number} 0 R" for number in range(pages))
    objects = [f"<< /Type /Catalog /Pages 2 0 R {root} >>", f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>"]
    objects += [f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {kid} >>"] * pages
    out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    places = []
    for number, text in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode()
    start = len(out)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
