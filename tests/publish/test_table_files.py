"""Ranked tables as files: what a spreadsheet program and a CSV reader find in them, and that bytes never vary."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dti_pipeline.publish.files import file_name, render, to_csv, to_xlsx
from dti_pipeline.publish.freeze import write_tables
from dti_pipeline.store.tables import RankingRow
from dti_pipeline.tables import Column, RankedTable, remark, shown

WORKING = "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 1/QĐ-UBND"


def row(unit: str, name: str, **changes: Any) -> RankingRow:
    content: dict[str, Any] = {
        "id": unit,
        "revision": 1,
        "night": "2026-10-15",
        "assessment": "a-2026",
        "framework": "a",
        "level": "commune",
        "unit": unit,
        "unit_name": name,
        "standing": "ranked",
        "total_micro": 1_234_560_000,
        "max_points": "2000",
        "percent": "61.728",
        "basis": "points",
        "published": "1234.56",
        "printed": "1234.56",
        "level_basis": "points",
        "level_published": "1234.56",
        "groups": "[]",
        "is_provisional": False,
        "rank": 1,
        "pool": "H00.21",
        "rank_in_pool": 1,
        "recorded_at": "t",
    }
    return RankingRow(**(content | changes))


def table(*rows: RankingRow, by_pool: bool = False, working: str | None = None) -> RankedTable:
    return RankedTable(
        assessment="a-2026",
        year=2026,
        framework="a",
        level="commune",
        level_name="Cấp xã",
        decision="1/QĐ-UBND",
        decimals=2,
        night=dt.date(2026, 10, 15),
        by_pool=by_pool,
        working_words=working,
        rows=rows,
        names={"H00.21": "Thành phố Thực Hành (hư cấu)", "H00.22": "Thị xã [Minh/Họa] (hư cấu)"},
        notes=("Ghi chú thứ nhất.", "=1+1 không phải công thức."),
    )


NO_SCORE = {
    "total_micro": None,
    "max_points": None,
    "percent": None,
    "published": None,
    "printed": None,
    "level_published": None,
    "rank": None,
    "rank_in_pool": None,
}


def sheet_rows(body: bytes, name: str) -> list[tuple[Any, ...]]:
    sheet = openpyxl.load_workbook(io.BytesIO(body))[name]
    return [tuple(cell.value for cell in line) for line in sheet.iter_rows()]


def test_numbers_are_numbers_in_vietnamese_format() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(table(row("H00.21.01", "Xã A", rating="Khá")))))
    sheet = book["Toàn cấp"]
    header = next(cells for cells in sheet.iter_rows() if cells[0].value == "Hạng")
    assert [cell.value for cell in header] == [
        "Hạng", "Mã", "Đơn vị", "Điểm công bố", "Điểm tối đa", "Xếp loại", "Ghi chú",
    ]  # fmt: skip
    cells = sheet[header[0].row + 1]
    assert [cell.value for cell in cells[:5]] == [1, "H00.21.01", "Xã A", 1234.56, 2000]
    assert cells[3].number_format == "[$-42A]#,##0.00"
    assert cells[4].number_format == "[$-42A]#,##0"
    assert sheet.freeze_panes == f"A{header[0].row + 1}"
    assert sheet.print_title_rows == f"${header[0].row}:${header[0].row}"
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)


def test_more_digits_stay_where_they_tell_why() -> None:
    body = to_xlsx(table(row("H00.21.01", "Xã A", printed="89.996", max_points="100")))
    sheet = openpyxl.load_workbook(io.BytesIO(body))["Toàn cấp"]
    (cell,) = [cell for line in sheet.iter_rows() for cell in line if cell.value == 89.996]
    assert cell.number_format == "[$-42A]#,##0.000"
    assert shown(Column("score", "", "number", 2), Decimal("89.996")) == "89,996"
    assert shown(Column("score", "", "number", 2), Decimal("1234.5")) == "1.234,50"


def test_the_words_of_a_working_annex_stand_on_every_sheet_and_in_the_csv() -> None:
    ranked = table(
        row("H00.21.01", "Xã A"), row("H00.22.01", "Xã B", pool="H00.22", rank=2), by_pool=True, working=WORKING
    )
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(ranked)))
    assert book.sheetnames == ["Toàn cấp", "1 Thành phố Thực Hành (hư cấu)", "2 Thị xã  Minh Họa  (hư cấu)"]
    for sheet in book:
        assert WORKING in [cell.value for line in sheet.iter_rows() for cell in line]
        assert WORKING in str(sheet.oddFooter.left.text)
        assert "1. Ghi chú thứ nhất." in [cell.value for line in sheet.iter_rows() for cell in line]
    assert [WORKING] in list(csv.reader(io.StringIO(to_csv(ranked).decode("utf-8-sig"))))


def test_official_tables_carry_no_such_words() -> None:
    body = to_xlsx(table(row("H00.21.01", "Xã A")))
    assert not any("Phụ lục tạm" in str(value) for line in sheet_rows(body, "Toàn cấp") for value in line)
    assert "Phụ lục tạm".encode() not in to_csv(table(row("H00.21.01", "Xã A")))


def test_points_maximum_and_percent_stand_together_when_a_pool_is_on_percent() -> None:
    ranked = table(
        row("H00.21.01", "Xã A", basis="percent", level_basis="percent", printed="61.73", max_points="1990.5")
    )
    assert [column.header for column in ranked.columns] == [
        "Hạng", "Mã", "Đơn vị", "Điểm công bố", "Điểm đạt", "Điểm tối đa áp dụng", "Phần trăm", "Ghi chú",
    ]  # fmt: skip
    (cells,) = ranked.level_section().rows
    assert cells[3:7] == (Decimal("61.73"), Decimal("1234.56"), Decimal("1990.5"), Decimal("61.73"))
    assert ranked.level_section().texts()[0][3:7] == ("61,73", "1.234,56", "1.990,5", "61,73")


def test_units_without_a_score_have_words_and_no_zero() -> None:
    exempt = row("H00.21.02", "Xã B", standing="exempt", standing_reason="tính chất đặc thù", **NO_SCORE)
    (_, line) = table(row("H00.21.01", "Xã A"), exempt).level_section().texts()
    assert line == ("", "H00.21.02", "Xã B", "", "", "không đánh giá; tính chất đặc thù")
    below = row("H00.21.03", "Xã C", standing="unranked", rank=None, rank_in_pool=None, rating_reason="chưa đạt Mức IV")
    assert remark(below) == "không xếp hạng; chưa đạt Mức IV"
    zero = row("H00.21.04", "Xã D", standing="not_appraised", standing_reason="huyện chưa chấm", is_provisional=True)
    assert remark(zero) == "chưa được thẩm định, tính 0 điểm; huyện chưa chấm; tạm tính"


def test_both_orders_stand_side_by_side_where_pools_are_parents() -> None:
    ranked = table(
        row("H00.22.01", "Xã B", pool="H00.22", rank=1),
        row("H00.21.01", "Xã A", rank=2),
        by_pool=True,
    )
    first, second = ranked.sections()
    assert [section.title.rsplit(" · ", 1)[1] for section in (first, second)] == [
        "Thành phố Thực Hành (hư cấu)", "Thị xã [Minh/Họa] (hư cấu)",
    ]  # fmt: skip
    assert [column.key for column in first.columns][-3:] == ["pool_name", "rank", "remark"]
    assert first.rows[0][0] == 1
    assert first.rows[0][-2] == 2
    level = ranked.level_section()
    assert [(cells[0], cells[1], cells[-2]) for cells in level.rows] == [(1, "H00.22.01", 1), (2, "H00.21.01", 1)]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx"])
def test_a_name_is_never_a_formula(name: str) -> None:
    ranked = table(row("H00.21.01", name))
    lines = list(csv.reader(io.StringIO(to_csv(ranked).decode("utf-8-sig"))))
    assert lines[1][2] == f"'{name}"
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(ranked)))["Toàn cấp"]
    (cell,) = [cell for line in sheet.iter_rows() for cell in line if cell.value == name]
    assert cell.data_type == "s"


def test_csv_keeps_the_exact_decimals() -> None:
    lines = list(csv.reader(io.StringIO(to_csv(table(row("H00.21.01", "Xã A", printed="89.996"))).decode("utf-8-sig"))))
    assert lines[0] == ["Hạng", "Mã", "Đơn vị", "Điểm công bố", "Điểm tối đa", "Ghi chú"]
    assert lines[1] == ["1", "H00.21.01", "Xã A", "89.996", "2000", ""]
    assert ["'=1+1 không phải công thức."] in lines


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_same_table_is_the_same_bytes(kind: Any) -> None:
    ranked = table(row("H00.21.01", "Xã A"), by_pool=True, working=WORKING)
    assert render(ranked, kind) == render(replace(ranked), kind)


def test_files_are_written_whole_and_named_for_what_they_hold(tmp_path: Path) -> None:
    ranked = table(row("H00.21.01", "Xã A"))
    written = write_tables((ranked, replace(ranked, level="district", rows=())), tmp_path / "out")
    assert sorted(written) == ["a-2026.commune.2026-10-15.csv", "a-2026.commune.2026-10-15.xlsx"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(written)
    assert file_name(ranked, "xlsx") in written


def test_the_header_says_when_a_score_is_a_percentage() -> None:
    on_points = row("H00.21.01", "Xã A", rank=2)
    on_percent = row(
        "H00.22.01", "Xã B", pool="H00.22", basis="percent", level_basis="percent", printed="89.996", percent="89.996"
    )
    first, second = table(on_percent, on_points, by_pool=True).sections()
    assert [column.header for column in first.columns][3] == "Điểm công bố"
    assert [column.header for column in second.columns][3] == "Điểm công bố (%)"
    # The percentage beside the score has the same digits: 90,00 there would hide why it is no 90.
    assert second.texts()[0][3] == second.texts()[0][6] == "89,996"
    level = table(on_percent, on_points, by_pool=True).level_section()
    assert [column.header for column in level.columns][3:5] == ["Điểm để so toàn cấp (%)", "Điểm công bố trong địa bàn"]


def test_units_without_a_rank_stand_by_score_and_the_exempt_last() -> None:
    below = {"standing": "unranked", "rank": None, "rank_in_pool": None}
    exempt = row("H00.21.02", "Xã A", standing="exempt", **NO_SCORE)
    ranked = table(
        exempt,
        row("H00.21.03", "Xã B", level_published="10.00", **below),
        row("H00.21.04", "Xã C", level_published="20.00", **below),
        row("H00.21.05", "Xã D"),
        by_pool=True,
    )
    (section,) = ranked.sections()
    assert [cells[2] for cells in section.rows] == ["Xã D", "Xã C", "Xã B", "Xã A"]


def test_a_unit_with_nothing_to_assess_prints_no_zero() -> None:
    nothing = row(
        "H00.21.03", "Xã C", standing="unranked", rank=None, rank_in_pool=None, max_points="0", printed="0.00",
        standing_reason="không có tiêu chí nào để đánh giá",
    )  # fmt: skip
    (line,) = table(nothing).level_section().texts()
    assert (line[3], line[-1]) == ("", "không xếp hạng; không có tiêu chí nào để đánh giá")
