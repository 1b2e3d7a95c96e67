"""Workbooks as people return them: what is read, what is a problem and where, what is refused."""

from __future__ import annotations

import datetime as dt
import io
import unicodedata
from typing import Any

import openpyxl
import pytest
from reading_kit import (
    DATE,
    FACTS,
    HEADINGS,
    MAIN,
    META,
    PACKAGE,
    PERCENT,
    RELATIONS,
    TCVN3,
    UNITS,
    Book,
    C,
    assessment,
    book,
    framework,
    read,
    rows,
    scores,
)

from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.model import EvidenceRef, Refused, ReportedCell
from dti_pipeline.evidence.reading import sniff
from dti_pipeline.evidence.workbook.template import Prefilled, write_workbook
from dti_pipeline.scoring.states import InputState


def values(built: Book) -> dict[tuple[str, str], str | None]:
    (unit,) = read(built.pack()).units
    return {(cell.criterion, item.name): item.value for cell in unit.cells for item in cell.inputs}


def errors(built: Book) -> list[tuple[str, str | None]]:
    return [(item.where, item.criterion) for item in read(built.pack()).problems if item.is_error]


def said(built: Book) -> str:
    return "\n".join(f"{item.where}: {item.message}" for item in read(built.pack()).problems)


def cell_of(built: Book, criterion: str) -> ReportedCell:
    return next(cell for cell in read(built.pack()).units[0].cells if cell.criterion == criterion)


# --- the whole ---


def test_a_workbook_as_the_template_gives_it() -> None:
    table = scores(v11a=200, v11b=150, v12p=85, v13o="Đã ban hành", v14x=1.5)
    table[3] += [7.5, "Đã kiểm tra", "bao-cao.pdf; QĐ 12.pdf", "3; 2-5, 8"]
    table[6] += [None, None, None, None, "Không thuộc chức năng"]
    report = read(book(table).pack())
    (unit,) = report.units
    assert (report.kind, unit.unit, unit.unit_name, unit.level) == ("workbook", "H00.01", "Sở Một", "department")
    assert unit.facts == {"Địa chỉ trụ sở": "Số 1", "Dân số (đối với địa phương)": "1200"}
    first, percent, option, number, blank = unit.cells
    assert first == ReportedCell(
        "1.1",
        first.inputs,
        "«Tự chấm» ô F4",
        "7.5",
        "Đã kiểm tra",
        (EvidenceRef("bao-cao.pdf", "3"), EvidenceRef("QĐ 12.pdf", "2-5, 8")),
    )
    assert [(item.name, item.state, item.value, item.locator) for item in first.inputs] == [
        ("a", InputState.REPORTED, "200", "«Tự chấm» ô F4"),
        ("b", InputState.REPORTED, "150", "«Tự chấm» ô F5"),
    ]
    assert (percent.inputs[0].value, option.inputs[0].value, number.inputs[0].value) == ("85", "yes", "1.5")
    assert option.not_applicable == "Không thuộc chức năng"
    assert blank.is_blank
    assert blank.inputs[0].state is InputState.MISSING
    assert [item.message[:11] for item in report.problems] == ["vừa có giá "]


def test_sniffing_tells_reports_from_other_workbooks() -> None:
    assert sniff(book().pack(), "x.xlsx").is_report_candidate
    assert sniff(book(meta=None).pack(), "x.xlsx").is_report_candidate
    assert not sniff(Book({"Bảng": ((("Tên", "Giá trị"), ("a", 1)), "visible")}).pack(), "x.xlsx").is_report_candidate


# --- moved about ---


def test_columns_are_found_by_their_headings_wherever_they_stand() -> None:
    table = scores(v11a=4, v11b=3)
    moved = [[line[column] if column < len(line) else None for column in (5, 3, 4, 0, 1, 2)] for line in table]
    inserted = [[], [], [], *[["", *line] for line in moved]]
    assert values(book(inserted))[("1.1", "b")] == "3"
    built = book(inserted)
    built.sheets = {"Bìa": ((("Trang bìa",),), "visible"), "Sheet2": built.sheets["Tự chấm"]} | {
        title: item for title, item in built.sheets.items() if title != "Tự chấm"
    }
    assert cell_of(built, "1.1").inputs[1].locator == "«Sheet2» ô B8"


def test_a_column_of_ones_own_does_not_take_the_place_of_ours() -> None:
    table = scores(v11a=4, v11b=3)
    table[1] = [*HEADINGS, "Ghi chú"]
    table[3] += [None, "Giải trình thật", None, None, None, "của riêng đơn vị"]
    assert cell_of(book(table), "1.1").explanation == "Giải trình thật"


def test_headings_are_read_in_nfd_and_in_other_case() -> None:
    table = scores(v11a=4, v11b=3)
    table[1] = [unicodedata.normalize("NFD", str(heading)).upper() + " " for heading in HEADINGS]
    table[3] += [None, unicodedata.normalize("NFD", "Đã đủ hồ sơ")]
    cell = cell_of(book(table), "1.1")
    assert (cell.inputs[0].value, cell.explanation) == ("4", "Đã đủ hồ sơ")
    assert unicodedata.is_normalized("NFC", cell.explanation or "")


def test_headings_repeated_on_every_page_are_no_row() -> None:
    table = scores(v11a=4, v11b=3)
    table.insert(6, list(HEADINGS))
    assert not errors(book(table))


def test_without_the_hidden_column_the_printed_code_serves_where_it_is_unique() -> None:
    table = [line[1:] for line in scores(v11a=4, v12p=50, v14x=1, v14_2x=2)]
    built = book(table)
    built.merged = ("A4:A5",)
    found = values(built)
    assert (found[("1.1", "a")], found[("1.2", "p")]) == ("4", "50")
    assert ("1.4", "x") not in found
    assert ("1.4-2", "x") not in found
    assert "«1.4» có ở nhiều tiêu chí" in said(built)


def test_two_columns_or_sheets_that_would_do_are_refused() -> None:
    table = scores()
    table[1] = [*HEADINGS, "Giá trị"]
    with pytest.raises(Refused, match=r"hai cột «Giá trị» \(F2, L2\)"):
        read(book(table).pack())
    built = book()
    built.sheets["Tự chấm (2)"] = built.sheets["Tự chấm"]
    with pytest.raises(Refused, match="2 trang có bảng tự chấm"):
        read(built.pack())
    with pytest.raises(Refused, match="Không tìm thấy bảng tự chấm"):
        read(book([["a", "b"]]).pack())


# --- merged cells and rows ---


def test_merged_cells_speak_for_all_rows_of_their_criterion() -> None:
    table = scores(v11a=4, v11b=3)
    table[3] += [8, "Chung", "a.pdf", 3]
    built = book(table)
    built.merged = ("B4:B5", "G4:G5", "H4:H5", "I4:I5", "J4:J5")
    cell = cell_of(built, "1.1")
    assert (cell.self_score, cell.explanation, cell.evidence) == ("8", "Chung", (EvidenceRef("a.pdf", "3"),))


def test_what_stands_beside_the_second_input_counts_too() -> None:
    table = scores(v11a=4, v11b=3)
    table[3] += [None, "Một", "a.pdf"]
    table[4] += [None, "Hai", "b.pdf", "7"]
    cell = cell_of(book(table), "1.1")
    assert (cell.explanation, cell.evidence) == ("Một\nHai", (EvidenceRef("a.pdf"), EvidenceRef("b.pdf", "7")))


def test_a_merged_value_is_a_problem() -> None:
    built = book(v11a=4)
    built.merged = ("F4:F5",)
    assert errors(built) == [("«Tự chấm» ô F5", "1.1")]


def test_rows_twice_missing_unknown_or_copied_over() -> None:
    table = scores(v11a=4, v11b=3, v12p=50)
    twice = book([*table, table[3]])
    assert errors(twice) == [("«Tự chấm» ô F10", "1.1")]
    assert "ô F4" in said(twice)
    lacking = book([line for number, line in enumerate(table) if number != 4])
    assert errors(lacking) == [("«Tự chấm»", "1.1")]
    assert ("1.1", "a") not in values(lacking)
    absent = book([line for number, line in enumerate(table) if number not in (3, 4)])
    assert not errors(absent)
    assert "không có dòng nào của tiêu chí 1.1" in said(absent)
    unknown = book([*table, ["9.9", "9.9", "Lạ", "a", "Lạ", 3]])
    assert errors(unknown) == [("«Tự chấm» ô A10", None)]
    stray = book([*table, [None, None, "Thêm", None, "Thêm", 3]])
    assert errors(stray) == [("«Tự chấm» ô B10", None)]
    copied = [*table[:5], ["1.1", *table[5][1:]], *table[6:]]
    assert "theo cột ẩn" in said(book(copied))
    assert ("1.1", "a") not in values(book(copied))
    symbol = [*table[:5], [*table[5][:3], "z", *table[5][4:]], *table[6:]]
    assert errors(book(symbol)) == [("«Tự chấm» ô D6", "1.2")]


# --- values ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1234, "1234"),
        ("1234", "1234"),
        (" 12 ", "12"),
        ("1 234 567", "1234567"),
        ("1\xa0234", "1234"),
        ("1.234,56", "1234.56"),
        ("0,5", "0.5"),
        ("0,125", "0.125"),
        ("20.102.726", "20102726"),
        ("20,102,726", "20102726"),
        ("12.5", "12.5"),
        (C("0.30000000000000004", t="n"), "0.3"),
        (C("1234567.8910000001", t="n"), "1234567.891"),
        (C("1E3", t="n"), "1000"),
        (C("2.5000000000000001E-3", t="n"), "0.0025"),
        (C(7, formula="A1+2"), "7"),
        (C("7", t="str", formula="A1&2"), "7"),
        (C("3", t="inlineStr"), "3"),
        (C("7_x000D_"), "7"),
        (0, "0"),
        ("", None),
        (" \xa0", None),
        (C("", t="str", formula='IF(A1,"")'), None),
    ],
)
def test_numbers_as_people_write_them(value: object, expected: str | None) -> None:
    assert values(book(v14x=value))[("1.4", "x")] == expected


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1.234", "hai cách: 1234 hoặc 1,234"),
        ("12,345", "hai cách: 12345 hoặc 12,345"),
        ("1,234.56", "không phải một số"),
        ("1.23.456", "không phải một số"),
        ("12 hồ sơ", "không phải một số"),
        ("1 23", "không phải một số"),
        ("٣", "không phải một số"),
        ("-5", "số âm"),
        (-5, "số âm"),
        ("20/11/2026", "ngày tháng"),
        (C(46347, style=DATE), "định dạng ngày tháng"),
        (C(0.85, style=PERCENT), "không phải tỷ lệ"),
        ("85 %", "không phải tỷ lệ"),
        (C(1, t="b"), "TRUE/FALSE"),
        (C("#DIV/0!", t="e"), "bị lỗi #DIV/0!"),
        (C("#REF!", t="e", formula="A1/0"), "#REF!"),
        (C(None, formula="A1+1"), "chưa được tính"),
        (C("1E+300", t="n"), "quá lớn"),
        (C("1E-300", t="n"), "quá nhỏ"),
        (C("NaN", t="n"), "không phải một số"),
        ("9" * 70, "quá dài"),
        ("1\u202e2", "đảo chiều"),
    ],
)
def test_values_that_cannot_be_read_keep_their_criterion_out(value: object, says: str) -> None:
    built = book(v14x=value, v12p=50)
    assert errors(built) == [("«Tự chấm» ô F8", "1.4")]
    assert says in said(built)
    found = values(built)
    assert ("1.4", "x") not in found
    assert found[("1.2", "p")] == "50"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (C(0.85, style=PERCENT), "85"),
        (C("0.28999999999999998", t="n", style=PERCENT), "29"),
        ("85 %", "85"),
        ("85,5%", "85.5"),
        (85, "85"),
        (0, "0"),
        (100, "100"),
        (0.85, "0.85"),
    ],
)
def test_percentages(value: object, expected: str) -> None:
    assert values(book(v12p=value))[("1.2", "p")] == expected


def test_a_small_percentage_is_read_as_written_and_said() -> None:
    assert "0,85 được đọc là 0,85 %; nếu là 85 % thì ghi 85" in said(book(v12p=0.85))
    assert "được đọc" not in said(book(v12p=C(0.85, style=PERCENT)))
    assert "vượt quá 100 %" in said(book(v12p=101))


def test_a_decimal_point_in_a_text_is_said() -> None:
    assert "«12.5» được đọc là 12,5 (dấu chấm là dấu thập phân)" in said(book(v14x="12.5"))
    assert said(book(v14x="12,5")) == ""


def test_counts_are_whole() -> None:
    assert "không phải số nguyên" in said(book(v11a=1.5))
    assert values(book(v11a=C("12.000000000000002", t="n")))[("1.1", "a")] == "12"


@pytest.mark.parametrize(
    "label", ["Đã ban hành", "  đã  BAN hành. ", unicodedata.normalize("NFD", "đã ban hành"), "yes"]
)
def test_options_by_label_whatever_case_and_spaces(label: str) -> None:
    assert values(book(v13o=label))[("1.3", "o")] == "yes"


@pytest.mark.parametrize("label", ["Có", "Da ban hanh", 1, C(1, t="b"), "YES"])
def test_other_options_are_problems(label: object) -> None:
    assert errors(book(v13o=label)) == [("«Tự chấm» ô F7", "1.3")]
    assert "Đã ban hành; Chưa ban hành" in said(book(v13o=label))


def test_a_formula_into_another_file_is_no_value() -> None:
    built = book(v14x=C(5, formula="[1]Sheet1!A1"))
    target = "file:///D:/so-lieu.xlsx"
    link = 'Id="rx" Type="{}/externalLink{}" Target="{}"'
    rels = built.parts()["xl/_rels/workbook.xml.rels"].decode()
    one = f"<Relationship {link.format(RELATIONS, '', 'externalLinks/externalLink1.xml')}/>"
    path = f'<Relationship {link.format(RELATIONS, "Path", target)} TargetMode="External"/>'
    built.extra = {
        "xl/_rels/workbook.xml.rels": rels.replace("</Relationships>", one + "</Relationships>"),
        "xl/externalLinks/externalLink1.xml": f'<externalLink xmlns="{MAIN}"><externalBook/></externalLink>',
        "xl/externalLinks/_rels/externalLink1.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{path}'
        "</Relationships>",
    }
    assert "từ tệp khác" in said(built)
    built.extra["xl/externalLinks/externalLink1.xml"] = f'<externalLink xmlns="{MAIN}"><ddeLink/></externalLink>'
    with pytest.raises(Refused, match="DDE"):
        read(built.pack())


# --- texts ---


def test_explanations_are_kept_as_handed_in() -> None:
    table = scores()
    table[3] += [None, C('=cmd|"/C calc"!A0')]
    assert cell_of(book(table), "1.1").explanation == '=cmd|"/C calc"!A0'
    table[3][7] = "a_x000A_b _xD800_"
    assert cell_of(book(table), "1.1").explanation == "a\nb _xD800_"


@pytest.mark.parametrize("text", ["a\u202eb", "x" * 10_001, "_x0001_"])
def test_explanations_that_cannot_be_kept(text: str) -> None:
    table = scores()
    table[3] += [None, text]
    assert errors(book(table)) == [("«Tự chấm» ô H4", "1.1")]


@pytest.mark.parametrize("name", ["../../etc/passwd", "D:\\a.pdf", "QĐ 12/2026", "con.pdf", "a\u202efdp.exe", "a."])
def test_evidence_names_that_lead_elsewhere(name: str) -> None:
    table = scores()
    table[3] += [None, None, name]
    assert errors(book(table)) == [("«Tự chấm» ô I4", "1.1")]


@pytest.mark.parametrize(
    ("pages", "expected"),
    [("trang 3", "3"), ("tr. 2 – 5,8", "2-5, 8"), (3, "3"), ("3; 5", "3, 5"), ("hết", None), ("9-5", None),
     ("10-11", "10-11"),
     (C(46347, style=DATE), None), (2.5, None)],
)  # fmt: skip
def test_pages(pages: object, expected: str | None) -> None:
    table = scores()
    table[3] += [None, None, "a.pdf", pages]
    assert cell_of(book(table), "1.1").evidence == (EvidenceRef("a.pdf", expected),)
    assert not errors(book(table))
    assert (expected is None) == ("số trang" in said(book(table)))


def test_pages_without_their_files() -> None:
    table = scores()
    table[3] += [None, None, "a.pdf; b.pdf; c.pdf", "1; 2"]
    assert [item.pages for item in cell_of(book(table), "1.1").evidence] == [None, None, None]
    assert "3 tệp nhưng 2 nhóm trang" in said(book(table))
    table[3][8] = None
    assert "không có tên tệp" in said(book(table))


@pytest.mark.parametrize(
    ("score", "kept", "warned"),
    [
        (7.5, "7.5", False),
        ("8,5", "8.5", False),
        (C(None, formula="A1"), None, False),
        (C("Thiếu số liệu", t="str", formula="A1"), None, False),
        ("đủ", None, True),
        (C("#N/A", t="e"), None, True),
        (11, "11", True),
    ],
)
def test_self_scores_never_keep_a_criterion_out(score: object, kept: str | None, warned: bool) -> None:
    table = scores(v11a=4, v11b=3)
    table[3] += [score]
    assert cell_of(book(table), "1.1").self_score == kept
    assert ("ô G4" in said(book(table))) == warned
    assert not errors(book(table))


# --- whose it is ---


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "dti-workbook/2"}, "mẫu «dti-workbook/2»"),
        ({"assessment": "khac"}, "đợt đánh giá «khac»"),
        ({"framework": "khac"}, "bộ chỉ số «khac»"),
        ({"level": "commune"}, "cấp «commune»"),
        ({"unit": "H00.02"}, "mỗi đơn vị dùng tệp mẫu của mình"),
        ({"unit": "H99.99"}, "mỗi đơn vị"),
    ],
)
def test_reports_of_something_else_are_refused(change: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says):
        read(book(meta={**META, **change}).pack())


def test_without_the_hidden_sheet_the_identifier_code_tells_the_unit() -> None:
    report = read(book(meta=None, v12p=50).pack())
    assert report.units[0].unit == "H00.01"
    assert "trang ẩn «_dti»" in report.problems[0].message
    built = book(meta=None)
    del built.sheets["Thông tin chung"]
    with pytest.raises(Refused, match="Không biết tệp của đơn vị nào"):
        read(built.pack())
    built = book(meta=None)
    built.sheets["Thông tin chung"] = ((("Mã định danh", "H77"),), "visible")
    with pytest.raises(Refused, match="«H77» không thuộc đợt"):
        read(built.pack())
    old_spelling = book(meta=None)
    old_spelling.sheets["TT"] = ((("Mã định danh", "000.00.01.H00"),), "visible")
    del old_spelling.sheets["Thông tin chung"]
    assert read(old_spelling.pack()).units[0].unit == "H00.01"


def test_facts_in_words() -> None:
    built = book()
    built.sheets["Thông tin chung"] = (
        (*FACTS[1:2], ("Điện thoại", "0123"), ("Người đứng đầu", C(46347, style=DATE)), ("Riêng", "x"),
         ("Tên cơ quan, đơn vị", "Sở Ba")),
        "visible",
    )  # fmt: skip
    report = read(built.pack())
    assert report.units[0].facts == {"Điện thoại": "0123", "Người đứng đầu (họ tên, chức vụ)": "21/11/2026"}
    texts = [item.message for item in report.problems]
    assert any("«Riêng» không có trong biểu" in text for text in texts)
    assert any("«Sở Ba» khác tên đã đăng ký" in text for text in texts)
    built.date1904 = True
    assert read(built.pack()).units[0].facts["Người đứng đầu (họ tên, chức vụ)"] == "22/11/2030"


# --- legacy encodings ---


def test_text_in_a_legacy_font_is_refused_and_not_converted() -> None:
    table = scores()
    table[3] += [None, C("Kh«ng", style=TCVN3)]
    with pytest.raises(Refused, match=r"ô H4: chữ theo bảng mã TCVN3"):
        read(book(table).pack())
    table[3][7] = C("Không có", style=TCVN3)
    with pytest.raises(Refused, match="TCVN3"):
        read(book(table).pack())
    table[3][7] = C("Đã ban hành", style=TCVN3)
    assert cell_of(book(table), "1.1").explanation == "Đã ban hành"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("C«ng nghÖ th«ng tin ®· triÓn khai", "TCVN3"),
        ("Coâng ngheä thoâng tin ñaõ trieån khai", "VNI"),
    ],
)
def test_legacy_text_is_told_by_its_letters(text: str, encoding: str) -> None:
    table = scores()
    table[3] += [None, text]
    with pytest.raises(Refused, match=f"bảng mã {encoding}"):
        read(book(table).pack())


@pytest.mark.parametrize(
    "text",
    ["Ông Müller và bà Núñez (España)", "hoà, quý, thuê, xuân", "Café naïve", "Phần mềm Windows® 11", "«Tự chấm»"],
)
def test_unicode_text_is_no_legacy_text(text: str) -> None:
    table = scores()
    table[3] += [None, text]
    assert cell_of(book(table), "1.1").explanation == text


# --- bounds ---


def test_rows_and_columns_far_away_are_refused_and_a_false_dimension_is_not_believed() -> None:
    built = book(v12p=50)
    inner = built.parts()["xl/worksheets/sheet1.xml"].decode().partition(">")[2].removesuffix("</worksheet>")
    built.raw_sheet = '<dimension ref="A1:XFD1048576"/>' + inner
    assert values(built)[("1.2", "p")] == "50"
    far = '<row r="1048576"><c r="XFD1048576" s="1"/></row></sheetData>'
    built.raw_sheet = inner.replace("</sheetData>", far)
    assert values(built)[("1.2", "p")] == "50"
    for at, row in (("A20001", 20001), ("SH70", 70)):
        built.raw_sheet = inner.replace("</sheetData>", f'<row r="{row}"><c r="{at}"><v>1</v></c></row></sheetData>')
        with pytest.raises(Refused, match=rf"quá lớn.*ô {at}"):
            read(built.pack())


def test_other_sheets_are_not_read_to_their_end() -> None:
    built = book(v12p=50)
    data: Any = [["x"]] * 61 + [["#"] * 600]
    built.sheets["Số liệu"] = (data, "visible")
    assert values(built)[("1.2", "p")] == "50"


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        ('<row r="2"/><row r="1"/>', "sai thứ tự"),
        ('<row r="x"/>', "số hàng sai"),
        ('<row r="1"><c r="A2"/></row>', "địa chỉ ô sai"),
        ('<row r="1"><c r="ZZZ1"/></row>', "địa chỉ ô sai"),
        ('<row r="1"><c r="A1"><v>1</v></c><c r="A1"><v>2</v></c></row>', "hai ô A1"),
        ('<row r="1"><c r="A1" t="s"><v>999</v></c></row>', "chuỗi không có"),
        ('<row r="1"><c r="A1" t="q"><v>9</v></c></row>', "kiểu lạ"),
        ("<row r='1'><c r='A1'><v>1</c></row>", "không phải XML"),
    ],
)
def test_damaged_sheets_are_refused(xml: str, says: str) -> None:
    built = book()
    built.raw_sheet = f"<sheetData>{xml}</sheetData>"
    with pytest.raises(Refused, match=says):
        read(built.pack())


def test_too_many_elements_merged_cells_and_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    from dti_pipeline.evidence.reading import sheets, workbook
    from dti_pipeline.evidence.reading.limits import limits

    built = book()
    built.merged = ("A3:A3000",) * 2
    table = scores()
    table += [[]] * 3000 + [["cuối"]]
    built.sheets["Tự chấm"] = (table, "visible")
    rule = limits().sheet
    small = limits().model_copy(update={"sheet": rule.model_copy(update={"max_merged": 2_000})})
    monkeypatch.setattr(workbook, "limits", lambda: small)
    with pytest.raises(Refused, match="gộp quá nhiều ô"):
        read(built.pack())
    monkeypatch.undo()
    for field, most, says in (
        ("max_elements", 50, "các chuỗi chữ"),
        ("max_sheets", 2, "3 trang"),
        ("max_characters", 30, "chuỗi chữ"),
    ):
        small = limits().model_copy(update={"sheet": rule.model_copy(update={field: most})})
        monkeypatch.setattr(sheets, "limits", lambda small=small: small)
        with pytest.raises(Refused, match=says):
            read(book().pack())


def test_a_sheet_of_endless_cells_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from dti_pipeline.evidence.reading import sheets
    from dti_pipeline.evidence.reading.limits import limits

    table: Any = [*scores(), *[[None] * 12 + [1, 2, 3]] * 300]
    small = limits().model_copy(update={"sheet": limits().sheet.model_copy(update={"max_elements": 400})})
    monkeypatch.setattr(sheets, "limits", lambda: small)
    with pytest.raises(Refused, match="quá lớn \\(trang «Tự chấm»\\)"):
        read(book(table).pack())


def test_styles_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from dti_pipeline.evidence.reading import sheets
    from dti_pipeline.evidence.reading.limits import limits

    small = limits().model_copy(update={"sheet": limits().sheet.model_copy(update={"max_styles": 3})})
    monkeypatch.setattr(sheets, "limits", lambda: small)
    with pytest.raises(Refused, match="các kiểu định dạng"):
        read(book().pack())


def test_problems_of_a_unit_are_bounded() -> None:
    table = scores()
    table += [["9.9", None, None, "a", None, 1]] * 400
    report = read(book(table).pack())
    assert len(report.problems) == 301
    assert "và 100 lỗi khác" in report.problems[-1].message


def test_the_rows_helper_is_whole() -> None:
    assert len(rows()) == 7


# --- the template itself ---


def test_the_template_comes_back_blank_and_then_filled() -> None:
    unit = UNITS["H00.01"][0]
    level = framework().level("department")
    figures = {("1.1", "a"): Prefilled("200", "Nguồn thử, đêm 15/10/2026")}
    body = write_workbook(
        assessment(), framework(), level, unit, prefilled=figures, as_of=dt.date(2026, 10, 15), due=Due()
    )
    blank = read(body)
    assert blank.problems == ()
    assert [cell.criterion for cell in blank.units[0].cells] == ["1.1", "1.2", "1.3", "1.4", "1.4-2"]
    assert all(cell.is_blank for cell in blank.units[0].cells)

    filled = openpyxl.load_workbook(io.BytesIO(body))
    sheet: Any = filled["Tự chấm"]
    header = next(row for row in range(1, 9) if sheet.cell(row, 1).value == "Khóa")
    at = {cell.value: cell.column for cell in sheet[header]}
    first = header + 2  # a group's row stands between
    for row, value in enumerate([150, 140, 85.5, "Chưa ban hành", "1.234,5", 2], start=first):
        sheet.cell(row, at["Giá trị"]).value = value
    sheet.cell(first, at["Tệp minh chứng"]).value = "a.pdf\nb.pdf"
    sheet.cell(first, at["Trang"]).value = "1; 2-3"
    filled["Thông tin chung"]["B5"].value = "Số 5"
    out = io.BytesIO()
    filled.save(out)
    report = read(out.getvalue())
    assert not [item for item in report.problems if item.is_error]
    assert [item.value for cell in report.units[0].cells for item in cell.inputs] == [
        "150", "140", "85.5", "no", "1234.5", "2",
    ]  # fmt: skip
    assert report.units[0].cells[0].evidence == (EvidenceRef("a.pdf", "1"), EvidenceRef("b.pdf", "2-3"))
    assert report.units[0].facts == {"Địa chỉ trụ sở": "Số 5"}
