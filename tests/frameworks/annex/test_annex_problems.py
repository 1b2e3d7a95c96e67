"""Annexes with something wrong: one clear message with its place, and no level; and layouts that have to be read."""

from __future__ import annotations

import io
import json
import unicodedata
import zipfile
from decimal import Decimal

import pytest
from annex_kit import HEADINGS, NOTE, ROWS, as_csv, as_docx, as_html, as_xlsx, codes, district, read, with_row

from dti_pipeline.frameworks.annex import AnnexReport


def _errors(report: AnnexReport) -> list[tuple[str, str]]:
    assert (report.level is None) == bool(report.errors)
    return [(problem.where, problem.code) for problem in report.errors]


def _points(report: AnnexReport) -> dict[str, Decimal]:
    assert report.level is not None, [problem.text for problem in report.errors]
    return {criterion.code: criterion.max_points for criterion in report.level.criteria}


GOOD = {"1.1.1": Decimal(2), "1.1.2": Decimal("2.5"), "1.2.1": Decimal("5.5")}


# --- layouts ---


@pytest.mark.parametrize(
    ("body", "filename"),
    [
        (as_csv(), "a.csv"),
        (as_csv(delimiter=";"), "a.csv"),
        (as_csv(delimiter="\t"), "a.csv"),
        (as_xlsx(), "a.xlsx"),
        (as_docx([HEADINGS, *ROWS]), "a.docx"),
        (as_html([HEADINGS, *ROWS]), "a.html"),
    ],
    ids=["comma", "semicolon", "tab", "xlsx", "docx", "html"],
)
def test_an_official_annex_replaces_the_working_one(body: bytes, filename: str) -> None:
    report = read(body, filename)
    assert report.errors == ()
    assert _points(report) == GOOD
    level = report.level
    assert level is not None
    assert level.basis == "decision"
    assert {node.basis for node in level.all_nodes()} == {"decision"}
    assert {item.basis for item in level.criteria} == {"decision"}
    assert [(node.code, node.kind) for node in level.all_nodes()] == [("1", "main"), ("1.1", "group"), ("1.2", "group")]
    assert (level.notes, level.stated) == (district().notes, district().stated)
    first, second, third = level.criteria
    assert first.evidence == ("Quyết định", "Quy chế")
    assert second.evidence == ("Biên bản",)
    assert (first.data_source, first.verifier_unit) == ("UBND huyện cung cấp", "Sở TTTT")
    assert (first.rule, third.remark) == (ROWS[2][3], NOTE)
    assert third.formula == "b / a * max"
    assert first.clause == "Phụ lục, mục 1.1.1"


def test_decomposed_text_is_read_as_composed() -> None:
    body = unicodedata.normalize("NFD", as_csv().decode()).encode()
    assert body != as_csv()
    assert read(body, "a.csv").level == read(as_csv(), "a.csv").level


def test_numbers_as_text_and_as_numbers_are_the_same() -> None:
    rows = [
        (*row[:2], float(str(row[2]).replace(",", ".")), *row[3:]) for row in ROWS
    ]  # a sheet's numbers beside texts
    assert read(as_xlsx(rows), "a.xlsx").level == read(as_xlsx(), "a.xlsx").level


def test_a_point_for_a_comma_is_said() -> None:
    report = read(as_csv(with_row(5, points="5.5")), "a.csv")
    assert _points(report) == GOOD
    assert [(p.where, p.code) for p in report.problems if p.code == "decimal-point"] == [
        ("dòng 9, cột 3", "decimal-point")
    ]


def test_header_repeated_empty_rows_and_a_numbering_of_columns() -> None:
    count = tuple(f"({number})" for number in range(1, 9))
    empty = ("",) * 8
    title = ("Phụ lục kèm theo Quyết định", *[""] * 7)
    rows = [title, empty, HEADINGS, count, *ROWS[:3], empty, HEADINGS, count, *ROWS[3:]]
    out = as_html(rows)
    report = read(out, "a.html")
    assert _points(report) == GOOD
    assert "row-skipped" not in codes(report)


@pytest.mark.parametrize("make", [as_docx, as_html])
def test_a_table_split_in_two_with_and_without_its_header(make: object) -> None:
    assert callable(make)
    suffix = "docx" if make is as_docx else "html"
    without = read(make([HEADINGS, *ROWS[:3]], ROWS[3:]), f"a.{suffix}")
    repeated = read(make([HEADINGS, *ROWS[:3]], [HEADINGS, *ROWS[3:]]), f"a.{suffix}")
    assert without.level == repeated.level == read(as_csv(), "a.csv").level
    assert "continued-table" in codes(without)
    assert "continued-table" not in codes(repeated)


def test_a_table_after_the_annex_that_does_not_fit_is_a_warning() -> None:
    narrow = [row[:5] for row in ROWS[3:]]
    report = read(as_docx([HEADINGS, *ROWS[:3]], narrow), "a.docx")
    assert [(p.severity, p.where) for p in report.problems if p.code == "other-table"] == [("warning", "bảng 2")]


def test_other_tables_of_a_document_are_left_alone() -> None:
    other = [("STT", "Nội dung chỉ tiêu", "Chủ trì"), ("1", "100% văn bản điện tử", "Sở TTTT")]
    report = read(as_docx(other, [HEADINGS, *ROWS]), "a.docx")
    assert _points(report) == GOOD
    assert next((p.where, p.code) for p in report.problems if p.severity == "info") == ("bảng 1", "other-table")


def test_a_row_broken_over_a_page_goes_on_with_the_row_above() -> None:
    head, tail = NOTE.split("\n", 1)
    rows = [*ROWS[:5], (*ROWS[5][:4], head, "", "", ""), ("", "", "", "", tail, "", "", "")]
    report = read(as_csv(rows), "a.csv")
    assert report.level == read(as_csv(), "a.csv").level
    assert [row.kind for row in report.rows][-1] == "continuation"


def test_a_branch_repeated_at_the_top_of_a_page_is_dropped() -> None:
    again = ("1.1", "Lãnh đạo, chỉ đạo (tiếp)", "", "", "", "", "", "")
    report = read(as_csv([*ROWS[:3], again, *ROWS[3:]]), "a.csv")
    assert report.level == read(as_csv(), "a.csv").level
    assert "repeated-row" in codes(report)


def test_merged_cells_of_a_sheet() -> None:
    # The branch's number and name in one merged cell; two rows with one maximum.
    rows = [("1. Nhận thức số", "", "10", *[""] * 5), *with_row(2, points="4,5")[1:3], ("1.1.2", "Dòng hai", *[""] * 6)]
    report = read(as_xlsx([*rows, *ROWS[4:]], merged=["A2:B2", "C4:C5", "D4:D5"]), "a.xlsx")
    # One criterion on two lines takes number and name of its group; the statement of three criteria then fails.
    assert _errors(report) == [("a.xlsx", "stated-count")]
    assert "đọc được 2" in report.errors[0].message
    assert [(row.kind, row.code) for row in report.rows] == [
        ("node", "1"), ("node", "1.1"), ("criterion", "1.1"), ("line", "1.1"), ("node", "1.2"), ("criterion", "1.2.1")
    ]  # fmt: skip
    assert "shared-maximum" not in codes(report)  # the merge says it; without one it is said


def test_merged_cells_of_word_and_html() -> None:
    import docx

    body = as_docx([HEADINGS, *ROWS])
    document = docx.Document(io.BytesIO(body))
    table = document.tables[0]
    first = table.rows[1].cells
    first[0].text, first[1].text = "1. Nhận thức số", ""
    first[0].merge(first[1])
    table.rows[3].cells[6].merge(table.rows[4].cells[6]).text = "UBND huyện cung cấp"
    out = io.BytesIO()
    document.save(out)
    from_word = read(out.getvalue(), "a.docx")
    assert _points(from_word) == GOOD
    page = as_html([HEADINGS, *ROWS]).decode()
    page = page.replace("<td>1</td><td>Nhận thức số</td>", '<td colspan="2">1. Nhận thức số</td>')
    page = page.replace("<td>UBND huyện cung cấp</td>", '<td rowspan="2">UBND huyện cung cấp</td>', 1)
    page = page.replace("<td>UBND huyện cung cấp</td>", "", 1)
    from_html = read(page.encode(), "a.html")
    assert from_html.level == from_word.level
    assert from_html.level is not None
    # The merged cell belongs to its first row only: nothing is copied into rows where it is not printed.
    assert [item.data_source for item in from_html.level.criteria] == ["UBND huyện cung cấp", None, None]
    assert from_html.level.nodes[0].name == "Nhận thức số"


def test_a_header_of_two_rows_and_a_column_of_points_per_level() -> None:
    page = (
        "<table><tr><td rowspan=2>TT</td><td rowspan=2>Tiêu chí</td><td colspan=2>Điểm tối đa</td>"
        "<td rowspan=2>Cách tính điểm</td></tr><tr><td>Huyện</td><td>Xã</td></tr>"
        "<tr><td>1</td><td>Nhận thức số</td><td>10</td><td>3</td><td></td></tr>"
        "<tr><td>1.1</td><td>Nhóm một</td><td>4</td><td>3</td><td></td></tr>"
        "<tr><td>1.1.1</td><td>Chung</td><td>4</td><td>1</td><td>Có: điểm tối đa; Không: 0 điểm</td></tr>"
        "<tr><td>1.1.2</td><td>Chỉ của xã</td><td></td><td>2</td><td>Có: điểm tối đa; Không: 0 điểm</td></tr>"
        "<tr><td>1.2</td><td>Nhóm hai</td><td>6</td><td></td><td></td></tr>"
        "<tr><td>1.2.1</td><td>A</td><td>2</td><td></td><td>Có: điểm tối đa; Không: 0 điểm</td></tr>"
        "<tr><td>1.2.2</td><td>B</td><td>4</td><td></td><td>Có: điểm tối đa; Không: 0 điểm</td></tr></table>"
    )
    report = read(page.encode(), "a.html")
    assert _points(report) == {"1.1.1": Decimal(4), "1.2.1": Decimal(2), "1.2.2": Decimal(4)}
    assert [row.printed_code for row in report.rows if row.kind == "skipped"] == ["1.1.2"]
    no_level = page.replace("<td>Huyện</td>", "<td>Loại 1</td>")
    assert _errors(read(no_level.encode(), "a.html")) == [("bảng 1, hàng 1, cột 3", "points-columns")]


def test_roman_numbers_around_and_numbering_that_starts_again() -> None:
    rows = [
        ("I", "Nền tảng", "4", *[""] * 5),
        ("1", "Nhóm", "4", *[""] * 5),
        ("1.1", "Có A", "4", "Có: điểm tối đa; Không: 0 điểm", *[""] * 4),
        ("II", "Hoạt động", "6", *[""] * 5),
        ("1", "Nhóm", "6", *[""] * 5),
        ("1.1", "Có B", "2", "Có: điểm tối đa; Không: 0 điểm", *[""] * 4),
        ("1.2", "Có C", "4", "Có: điểm tối đa; Không: 0 điểm", *[""] * 4),
        ("", "Tổng cộng", "10", *[""] * 5),
    ]
    report = read(as_csv(rows), "a.csv")
    # Read in full before the counts of the decision (one main indicator) say that it is another annex.
    assert _errors(report) == [("a.csv", "stated-count")] * len(report.errors)
    assert [(row.kind, row.code) for row in report.rows] == [
        ("node", "I"), ("node", "I.1"), ("criterion", "I.1.1"), ("node", "II"), ("node", "II.1"),
        ("criterion", "II.1.1"), ("criterion", "II.1.2"), ("total", ""),
    ]  # fmt: skip


def test_kinds_follow_the_structure_that_the_framework_states() -> None:
    # One more branch around main indicators and groups: a pillar.
    around = [("I", "Trụ cột", "10", *[""] * 5), *ROWS]
    report = read(as_csv(around), "a.csv")
    assert report.level is not None
    assert [(node.code, node.kind) for node in report.level.all_nodes()] == [
        ("I", "pillar"), ("1", "main"), ("1.1", "group"), ("1.2", "group")
    ]  # fmt: skip
    # The same depth under other numbers: the kinds of that depth.
    roman = {"1": "I", "1.1": "1", "1.2": "2", "1.1.1": "1.1", "1.1.2": "1.2", "1.2.1": "2.1"}
    report = read(as_csv([(roman[row[0]], *row[1:]) for row in ROWS]), "a.csv")
    assert [problem.text for problem in report.errors] == []
    assert report.level is not None
    assert [(node.code, node.kind) for node in report.level.all_nodes()] == [
        ("I", "main"),
        ("1", "group"),
        ("2", "group"),
    ]


# --- things that are wrong ---


def test_a_sum_off_by_a_half_names_the_cell() -> None:
    for body, filename, where in (
        (as_xlsx(with_row(1, points="5")), "a.xlsx", "Phụ lục!C3"),
        (as_csv(with_row(1, points="5")), "a.csv", "dòng 3, cột 3"),
        (as_docx([HEADINGS, *with_row(1, points="5")]), "a.docx", "bảng 1, hàng 3, cột 3"),
        (as_html([HEADINGS, *with_row(1, points="5")]), "a.html", "bảng 1, hàng 3, cột 3"),
    ):
        report = read(body, filename)
        assert _errors(report) == [(where, "group-sum")]
        assert "1.1 «Lãnh đạo, chỉ đạo» là 5, các tiêu chí cộng lại 4,5 (lệch 0,5)" in report.errors[0].message


def test_one_wrong_criterion_gives_one_message_not_one_per_sum_above() -> None:
    report = read(as_csv(with_row(2, points="2,5")), "a.csv")
    assert _errors(report) == [("dòng 3, cột 3", "group-sum")]


def test_totals_and_counts_that_the_decision_states() -> None:
    total = ("", "Tổng cộng", "10,5", *[""] * 5)
    assert _errors(read(as_csv([*ROWS, total]), "a.csv")) == [("dòng 12, cột 3", "total")]
    short = read(as_csv([*with_row(0, points="4,5")[:4]]), "a.csv")
    assert {code for _, code in _errors(short)} == {"stated-points", "stated-count"}
    assert any("quyết định in 3 tiêu chí, đọc được 2" in problem.message for problem in short.errors)


def test_a_number_printed_twice() -> None:
    report = read(as_csv(with_row(3, code="1.1.1")), "a.csv")
    assert _points(report) == {"1.1.1": Decimal(2), "1.1.1-2": Decimal("2.5"), "1.2.1": Decimal("5.5")}
    assert report.level is not None
    assert report.level.criterion("1.1.1-2").printed_code == "1.1.1"
    assert ("dòng 7, cột 1", "number-twice") in [(p.where, p.code) for p in report.problems]
    rows = with_row(4, code="1.1")
    branch = read(as_csv([*rows[:5], ("1.1.3", *rows[5][1:])]), "a.csv")
    assert ("dòng 8, cột 1", "code-twice") in _errors(branch)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"points": "hai"}, "points-unreadable"),
        ({"points": "-2"}, "points-unreadable"),
        ({"points": "99999"}, "points-unreadable"),
        ({"points": "", "rule": ""}, "no-points"),
        ({"code": ""}, "row-without-number"),
        ({"code": "1.1.1a#"}, "bad-number"),
    ],
)
def test_rows_that_cannot_be_understood(changes: dict[str, str], code: str) -> None:
    report = read(as_csv(with_row(2, **changes)), "a.csv")
    assert [(where.split(",")[0], found) for where, found in _errors(report)] == [("dòng 4", code)]


def test_a_row_without_points_after_a_criterion_is_a_line_of_it_and_said() -> None:
    report = read(as_csv(with_row(3, points="", rule="")), "a.csv")
    assert "shared-maximum" in codes(report)
    assert ("dòng 3, cột 3", "group-sum") in _errors(report)


def test_cells_that_a_sheet_changed() -> None:
    import datetime as dt

    date = read(as_xlsx(with_row(2, code=dt.date(2001, 1, 1))), "a.xlsx")
    assert ("Phụ lục!A4", "number-became-date") in _errors(date)
    formula = read(as_xlsx(with_row(1, points="=SUM(C4:C5)")), "a.xlsx")
    assert _errors(formula) == [("Phụ lục!C3", "formula-without-value")]


def test_noise_of_binary_sums_in_a_sheet_is_not_a_difference() -> None:
    rows = list(with_row(2, points=0.1))
    rows[3] = (*rows[3][:2], 0.2, *rows[3][3:])
    rows[1] = (*rows[1][:2], 0.3, *rows[1][3:])
    rows[0] = (*rows[0][:2], 5.8, *rows[0][3:])
    # Excel stores all 17 digits.
    body = _with_part(as_xlsx(rows), SHEET, b"<v>0.3</v>", b"<v>0.30000000000000004</v>")
    report = read(body, "a.xlsx")
    assert {code for _, code in _errors(report)} == {"stated-points"}


def test_numbers_that_word_draws_by_itself() -> None:
    import docx
    from docx.oxml import OxmlElement

    document = docx.Document(io.BytesIO(as_docx([HEADINGS, *with_row(2, code="")])))
    paragraph = document.tables[0].rows[3].cells[0].paragraphs[0]
    paragraph._p.get_or_add_pPr().append(OxmlElement("w:numPr"))
    out = io.BytesIO()
    document.save(out)
    assert _errors(read(out.getvalue(), "a.docx")) == [("bảng 1, hàng 4, cột 1", "automatic-number")]


def test_text_inserted_under_track_changes_counts_and_deleted_text_does_not() -> None:
    with zipfile.ZipFile(io.BytesIO(as_docx([HEADINGS, *ROWS]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    xml = parts["word/document.xml"].decode()
    old = "<w:r><w:t>Có Ban chỉ đạo</w:t></w:r>"
    assert old in xml
    new = (
        '<w:del w:id="1" w:author="x"><w:r><w:delText>Cũ</w:delText></w:r></w:del>'
        '<w:ins w:id="2" w:author="x"><w:r><w:t>Có Ban chỉ đạo mới</w:t></w:r></w:ins>'
    )
    parts["word/document.xml"] = xml.replace(old, new).encode()
    report = read(_zip(parts), "a.docx")
    assert report.level is not None
    assert report.level.criterion("1.1.1").name == "Có Ban chỉ đạo mới"
    assert "tracked-changes" in codes(report)


def test_unknown_columns_are_named_and_columns_of_a_form_are_not_read() -> None:
    rows = [(*row, "x", "9") for row in ROWS]
    report = read(as_csv(rows, (*HEADINGS, "Màu sắc", "Điểm tự chấm")), "a.csv")
    assert _points(report) == GOOD
    found = {(problem.code, problem.where) for problem in report.problems}
    assert ("unknown-column", "dòng 1, cột 9") in found
    assert ("form-column", "dòng 1, cột 10") in found


def test_no_header() -> None:
    report = read(as_csv(headings=["x"] * 8), "a.csv")
    assert _errors(report) == [("a.csv", "no-header")]


def test_sheets_of_other_levels_and_hidden_sheets_are_not_read() -> None:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(as_xlsx(title="Cấp huyện")))
    for title, state in (("Cấp xã", "visible"), ("Nháp", "hidden")):
        copy = book.copy_worksheet(book["Cấp huyện"])
        copy.title, copy.sheet_state = title, state
    out = io.BytesIO()
    book.save(out)
    report = read(out.getvalue(), "a.xlsx")
    assert _points(report) == GOOD
    assert {"other-level", "hidden-sheet"} <= set(codes(report))


# --- machine columns that a person broke ---


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (",nhóm,", ",cụm,", "column-kind"),
        (",chỉ số chính,", ",,", "column-kind"),
        ("answer | option | ", "answer | choice | ", "column-inputs"),
        ("option(answer", "choose(answer", "criterion"),
        ("b <= a", "b <= q", "criterion"),
        (",nhóm,1,", ",nhóm,7,", "column-parent"),
    ],
)
def test_machine_columns_that_do_not_fit(old: str, new: str, code: str) -> None:
    from annex_kit import framework

    from dti_pipeline.frameworks.annex import export_annex

    level = read(as_csv(), "a.csv").level
    assert level is not None
    text = export_annex(framework(), level, "csv").decode("utf-8-sig")
    assert old in text
    report = read(text.replace(old, new, 1).encode(), "a.csv")
    assert code in {found for _, found in _errors(report)}
    assert all(where.startswith("dòng") for where, _ in _errors(report))


# --- files ---


def _zip(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _with_part(body: bytes, name: str, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = {item: archive.read(item) for item in archive.namelist()}
    assert old in parts[name]
    parts[name] = parts[name].replace(old, new, 1)
    return _zip(parts)


def _encrypted(body: bytes) -> bytes:
    changed = bytearray(body)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = changed.find(signature)
        while start >= 0:
            changed[start + offset] |= 1
            start = changed.find(signature, start + 4)
    return bytes(changed)


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("body", "filename", "code"),
    [
        (b"", "a.csv", "empty"),
        (b"x" * 20_000_001, "a.csv", "too-large"),
        (b"x," * 300, "a.csv", "too-large"),
        (b"x\n\n" * 20_001, "a.txt", "too-large"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "a.xlsx", "protected-or-old"),
        (_encrypted(as_xlsx()), "a.xlsx", "protected-or-old"),
        (b"%PDF-1.7", "a.pdf", "pdf"),
        (b"PK\x03\x04 rubbish", "a.xlsx", "damaged"),
        (as_xlsx()[:2000], "a.xlsx", "damaged"),
        (_zip({"a.txt": b"x"}), "a.xlsx", "unknown-format"),
        (b"\x00\x01\x02" * 50, "a.csv", "unknown-format"),
        ("STT;Chỉ số;Điểm tối đa".encode("cp1258", "replace") + b"\xff", "a.csv", "encoding"),
        (_zip({"xl/workbook.xml": b"<a/>", "big.xml": b"0" * 210_000_000}), "a.xlsx", "zip-bomb"),
        (_with_part(as_xlsx(), SHEET, b"<worksheet", b'<!DOCTYPE x [<!ENTITY y "z">]><worksheet'), "a.xlsx", "dtd"),
        (_with_part(as_xlsx(merged=["A2:B2"]), SHEET, b"A2:B2", b"A1:XFD1048576"), "a.xlsx", "too-large"),
        (as_xlsx([*ROWS, *[("",) * 8] * 20_000, ("x",) * 8]), "a.xlsx", "too-large"),
    ],
    ids="empty huge wide tall ole encrypted pdf garbage cut zip binary legacy bomb dtd merge long".split(),  # noqa: SIM905
)  # fmt: skip
def test_files_that_cannot_be_read(body: bytes, filename: str, code: str) -> None:
    report = read(body, filename)
    assert _errors(report) == [(filename, code)]
    assert report.errors[0].advice
    assert report.rows == ()


def test_a_wrong_extension_is_said_and_the_content_read() -> None:
    report = read(as_xlsx(), "a.csv")
    assert _points(report) == GOOD
    assert codes(report)[0] == "wrong-extension"


def test_cells_of_megabytes_are_refused_or_read_in_time() -> None:
    long = "Tỷ lệ ( " * 200_000
    report = read(as_html([HEADINGS, *with_row(2, rule=long, remark=long)]), "a.html")
    assert report.level is not None
    assert report.level.criterion("1.1.1").manual
    assert read(b"(" * 2_000_000, "a.csv").level is None


def test_a_word_file_whose_root_is_no_document() -> None:
    body = _with_part(as_docx([HEADINGS, *ROWS]), "word/document.xml", b"<w:document", b"<w:documenx")
    body = _with_part(body, "word/document.xml", b"</w:document>", b"</w:documenx>")
    assert _errors(read(body, "a.docx")) == [("a.docx", "damaged")]


def test_spans_that_claim_too_much_cost_nothing() -> None:
    page = as_html([HEADINGS, *ROWS]).decode().replace("<td>1</td>", '<td colspan="999999" rowspan="999999">1</td>', 1)
    assert _errors(read(page.encode(), "a.html")) == [("a.html", "too-large")]
    deep = b"<html>" + b"<div>" * 5_000 + as_html([HEADINGS, *ROWS])
    assert isinstance(read(deep, "a.html"), AnnexReport)


def test_the_report_is_json() -> None:
    report = read(as_csv(with_row(2, rule="Theo đánh giá của hội đồng")), "a.csv")
    data = json.loads(json.dumps(report.as_dict(), ensure_ascii=False))
    assert data["ok"] is True
    assert data["counts"] == {"errors": 0, "columns": 0, "parsed": 2, "manual": 1}
    row = next(item for item in data["rows"] if item["code"] == "1.1.1")
    assert (row["where"], row["reading"], row["max_points"]) == ("dòng 4", "manual", "2")
    assert row["message"]
    assert data["level"] == {"level": "district", "basis": "decision", "nodes": 3, "criteria": 3, "max_points": "10.0"}
