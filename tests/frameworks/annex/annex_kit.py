"""A small made-up annex in all forms, for the tests of import and export. Not here: tests."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

from dti_pipeline.datafiles import parse_model
from dti_pipeline.frameworks.annex import AnnexReport, read_annex
from dti_pipeline.frameworks.model import Framework, Level

FRAMEWORK = """\
# Bộ chỉ số thử, chỉ dùng trong kiểm thử.
id: thuc-hanh-2024
decision:
  number: "1/QĐ-THU"
  issued_on: 2024-01-02
  issuer: "Đơn vị hư cấu"
  title: "Bộ chỉ số thử"
  annex: "Phụ lục"
province: "tỉnh Thực Hành (đơn vị hư cấu)"
window: year
levels:
  # Cấp huyện: phụ lục tạm.
  - level: district
    name: "Cấp huyện"
    basis: working
    stated: {nodes: {main: 1, group: 2}, criteria: 3, max_points: 10}  # quyết định in các số này
    notes:
      - "Ghi chú của cấp huyện giữ nguyên."
    nodes:
      - code: "1"
        kind: main
        name: "Tạm"
        basis: working
        nodes:
          - code: "1.1"
            kind: group
            name: "Nhóm tạm"
            basis: working
            criteria: &picks
              - {use: awareness-steering-meetings, code: "1.1.1", max_points: 5}
              - {use: awareness-portal-column, code: "1.1.2", max_points: 2}
          - code: "1.2"
            kind: group
            name: "Nhóm tạm hai"
            basis: working
            criteria:
              - {use: awareness-portal-column, code: "1.2.1", max_points: 3}
  # Cấp xã: không đổi.
  - level: commune
    name: "Cấp xã"
    basis: working
    stated: {criteria: 2}
    nodes:
      - code: "1"
        kind: main
        name: "Tạm"
        basis: working
        criteria: *picks
"""

HEADINGS = (
    "STT",
    "Chỉ số / chỉ số thành phần",
    "Điểm tối đa",
    "Cách xác định và tính điểm",
    "Ghi chú",
    "Tài liệu kiểm chứng",
    "Nguồn thu thập dữ liệu",
    "Đơn vị phối hợp xác minh số liệu",
)
SOURCE = "UBND huyện cung cấp"
UNIT = "Sở TTTT"
YES_NO = "- Có: Điểm tối đa\n- Không có: 0 điểm"
NOTE = "- Tổng số xã (gọi là a);\n- Số xã có chuyên mục (gọi là b);\n- Tỷ lệ = b/a"
Row = tuple[Any, ...]
ROWS: tuple[Row, ...] = (
    ("1", "Nhận thức số", "10", "", "", "", "", ""),
    ("1.1", "Lãnh đạo, chỉ đạo", "4,5", "", "", "", "", ""),
    ("1.1.1", "Có Ban chỉ đạo", "2", YES_NO, "", "- Quyết định\n- Quy chế", SOURCE, UNIT),
    ("1.1.2", "Số cuộc họp", "2,5", "Mỗi cuộc họp tính = 0,5 điểm, cho đến điểm tối đa", "", "Biên bản", SOURCE, UNIT),
    ("1.2", "Tuyên truyền", "5,5", "", "", "", "", ""),
    ("1.2.1", "Tỷ lệ xã có chuyên mục", "5,5", "Điểm = Tỷ lệ * Điểm tối đa", NOTE, "", "", ""),
)  # fmt: skip


def library_ids() -> tuple[str, str]:
    """Two criteria of the library that suit districts and communes; which ones does not matter here."""
    from dti_pipeline.frameworks.library import load_library

    fitting = [key for key, item in load_library().items() if {"district", "commune"} <= set(item.levels)]
    return fitting[0], fitting[1]


def framework_text() -> str:
    first, second = library_ids()
    return FRAMEWORK.replace("awareness-steering-meetings", first).replace("awareness-portal-column", second)


def framework() -> Framework:
    from dti_pipeline.frameworks.library import expand_picks

    return parse_model(framework_text(), "thuc-hanh-2024.yaml", Framework, expand_picks)


def district() -> Level:
    return framework().level("district")


def with_row(position: int, **changes: Any) -> tuple[Row, ...]:
    """The rows with some cells of one row changed: code, name, points, rule, remark, evidence."""
    columns = ("code", "name", "points", "rule", "remark", "evidence")
    row = list(ROWS[position])
    for name, value in changes.items():
        row[columns.index(name)] = value
    return (*ROWS[:position], tuple(row), *ROWS[position + 1 :])


def read(body: bytes, filename: str) -> AnnexReport:
    return read_annex(body, filename, framework(), district())


def codes(report: AnnexReport) -> list[str]:
    """The problems' codes, lint findings left out."""
    return [problem.code for problem in report.problems if not problem.code.startswith("lint-")]


def as_csv(rows: Iterable[Sequence[Any]] = ROWS, headings: Sequence[str] = HEADINGS, delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([headings, *rows])
    return out.getvalue().encode()


def as_xlsx(
    rows: Iterable[Sequence[Any]] = ROWS,
    headings: Sequence[str] = HEADINGS,
    title: str = "Phụ lục",
    merged: Iterable[str] = (),
) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for row in (headings, *rows):
        sheet.append([None if cell == "" else cell for cell in row])
    for cells in merged:
        sheet.merge_cells(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_docx(*tables: Iterable[Sequence[Any]]) -> bytes:
    """A document with these tables, each given with its headings."""
    import docx

    document = docx.Document()
    document.add_paragraph("PHỤ LỤC")
    for rows in tables:
        lines = list(rows)
        table = document.add_table(rows=len(lines), cols=len(lines[0]))
        for line, row in zip(table.rows, lines, strict=True):
            for cell, text in zip(line.cells, row, strict=True):
                cell.text = str(text)
        document.add_paragraph("")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def as_html(*tables: Iterable[Sequence[Any]]) -> bytes:
    """A page with these tables, each given with its headings."""
    parts = ["<html><head><meta charset='utf-8'></head><body><p>PHỤ LỤC</p>"]
    for rows in tables:
        parts.append("<table>")
        for row in rows:
            cells = "".join(f"<td>{html.escape(str(cell)).replace(chr(10), '<br>')}</td>" for cell in row)
            parts.append(f"<tr>{cells}</tr>")
        parts.append("</table>")
    return "\n".join([*parts, "</body></html>"]).encode()
