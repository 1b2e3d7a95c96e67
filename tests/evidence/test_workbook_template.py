"""The workbook that a unit fills in: its sheets, what is locked, what it says, and that the same figures give the same
bytes. What its formulas are worth is in `test_workbook_formulas.py`."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import warnings
from typing import Any

import openpyxl
import pytest
from openpyxl.utils import get_column_letter
from pydantic import ValidationError
from workbook_cases import UNIT, assessment, columns, first_rows, opened, rows, template

from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.evidence.workbook.layout import META_KEYS, Layout, load_layout
from dti_pipeline.evidence.workbook.template import Prefilled, figures_sha256, write_workbook
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import SignerRole
from dti_pipeline.scoring.periods import TIME_ZONE

BRVT = ("brvt-2022", "department")
FIGURES = {
    ("1.1", "a"): Prefilled("4", "Cổng diễn tập, đêm 15/10/2026"),
    ("1.1", "b"): Prefilled("3", "Cổng diễn tập, đêm 15/10/2026"),
    ("1.3", "column"): Prefilled("yes", "Trang thông tin diễn tập, đêm 15/10/2026"),
    ("1.2", "a"): Prefilled("8", "Hệ thống văn bản diễn tập, đêm 15/10/2026"),
    ("1.2", "b"): Prefilled("0", "Hệ thống văn bản diễn tập, đêm 15/10/2026"),
}
HEADINGS = [
    "Khóa", "Mã tiêu chí", "Tên tiêu chí", "Điểm tối đa", "Cách tính điểm", "Ký hiệu", "Số liệu cần nhập",
    "Số liệu tự động", "Nguồn số liệu tự động", "Giá trị", "Điểm tự chấm", "Giải trình", "Tệp minh chứng", "Trang",
    "Đề nghị không đánh giá (lý do)", "Giá trị dùng để tính", "Điểm theo công thức",
]  # fmt: skip
TO_FILL = {"Giá trị", "Giải trình", "Tệp minh chứng", "Trang", "Đề nghị không đánh giá (lý do)"}


@pytest.fixture(scope="module")
def brvt() -> bytes:
    day = dt.datetime(2026, 12, 10, 23, 59, 59, tzinfo=TIME_ZONE)
    return template(*BRVT, FIGURES, Due(submission=day))


@pytest.fixture(scope="module")
def book(brvt: bytes) -> Any:
    return opened(brvt)


@pytest.fixture(scope="module")
def scores(book: Any) -> Any:
    return book["Tự chấm"]


def test_the_same_arguments_give_the_same_bytes(brvt: bytes) -> None:
    day = dt.datetime(2026, 12, 10, 23, 59, 59, tzinfo=TIME_ZONE)
    backwards = dict(reversed(FIGURES.items()))
    assert template(*BRVT, backwards, Due(submission=day)) == brvt
    assert template(*BRVT, {}, Due(submission=day)) != brvt


def test_the_sheets_and_who_the_file_is_for(book: Any) -> None:
    assert [(sheet.title, sheet.sheet_state) for sheet in book.worksheets] == [
        ("Hướng dẫn", "visible"),
        ("Thông tin chung", "visible"),
        ("Tự chấm", "visible"),
        ("_danh_muc", "veryHidden"),
        ("_dti", "veryHidden"),
    ]
    assert book.active.title == "Tự chấm"
    meta = dict(book["_dti"].iter_rows(values_only=True))
    assert list(meta) == list(META_KEYS)
    assert meta == {
        "schema": "dti-workbook/1",
        "assessment": "brvt-2022-h00-2026",
        "framework": "brvt-2022",
        "level": "department",
        "unit": "H00.02",
        "unit_name": UNIT.name,
        "as_of": "2026-10-15",
        "figures_sha256": figures_sha256(FIGURES),
    }


def test_the_hash_of_the_figures_depends_on_every_part_of_them() -> None:
    figure = {("1", "a"): Prefilled("3", "Nguồn")}
    assert figures_sha256(figure) == "33f4297025b8f2285b694feb0af1ea9e3de0709567191ae5a1cbea85addd9564"
    others = ({("2", "a"): Prefilled("3", "Nguồn")}, {("1", "b"): Prefilled("3", "Nguồn")},
              {("1", "a"): Prefilled("4", "Nguồn")}, {("1", "a"): Prefilled("3", "Khác")}, {})  # fmt: skip
    assert len({figures_sha256(item) for item in (figure, *others)}) == 6


def test_headings_hidden_columns_and_one_row_per_input(scores: Any) -> None:
    level = load_framework(BRVT[0]).level(BRVT[1])
    header, at = columns(scores)
    assert [cell.value for cell in scores[header]] == HEADINGS
    ranges = [(item.min, item.max) for item in scores.column_dimensions.values() if item.hidden]
    hidden = {key for key, column in at.items() if any(first <= column <= last for first, last in ranges)}
    assert hidden == {"key", "effective", "raw"}
    assert list(rows(scores)) == [(item.code, spec.name) for item in level.criteria for spec in item.inputs]
    start = first_rows(scores)["1.2"]
    read = {key: [scores.cell(row, at[key]).value for row in (start, start + 1)] for key in at}
    assert read["key"] == ["1.2", "1.2"]
    assert read["code"] == ["1.2", None]
    assert read["name"] == ["Tỷ lệ văn bản chỉ đạo chuyên đề về chuyển đổi số do người đứng đầu ký ban hành", None]
    assert read["max_points"] == [1.5, None]
    assert read["symbol"] == ["a", "b"]
    assert read["label"] == [level.criterion("1.2").input(name).label for name in "ab"]
    assert read["rule"] == [level.criterion("1.2").rule, None]
    assert read["automatic"] == [8, 0]
    assert read["source"] == ["Hệ thống văn bản diễn tập, đêm 15/10/2026"] * 2
    assert read["value"] == [None, None]
    merged = {str(area) for area in scores.merged_cells.ranges}
    for key in ("code", "name", "max_points", "rule", "self_score", "explanation", "evidence", "pages", "request"):
        letter = get_column_letter(at[key])
        assert f"{letter}{start}:{letter}{start + 1}" in merged, key


def test_groups_stand_above_their_criteria_and_are_added_up(scores: Any) -> None:
    header, at = columns(scores)
    branches = [
        (
            scores.cell(row, at["code"]).value,
            scores.cell(row, at["name"]).value,
            scores.cell(row, at["max_points"]).value,
        )
        for row in range(header + 1, scores.max_row + 1)
        if scores.cell(row, at["key"]).value is None
    ]
    assert branches[:3] == [("NT", "Nhóm Nền tảng", 36), ("1", "Nhận thức số", 6), ("2", "Thể chế số", 8)]
    assert branches[-1] == (None, "Tổng cộng", 100)
    assert len(branches) == 8 + 4 + 1
    first, second = header + 1, header + 2
    total = scores.max_row
    assert scores.cell(second, at["self_score"]).value == f"=SUBTOTAL(9,K{second + 1}:K{first_rows(scores)['1.4'] + 2})"
    assert scores.cell(total, at["self_score"]).value == f"=SUBTOTAL(9,K{first}:K{total - 1})"
    assert scores.cell(total, at["explanation"]).value == (
        f'={67 + 12}-COUNT(K{first}:K{total - 1})&" tiêu chí chưa có điểm tự chấm"'
    )


def test_formulas_point_at_their_own_rows(scores: Any) -> None:
    _, at = columns(scores)
    row = first_rows(scores)["1.2"]
    assert scores.cell(row, at["raw"]).value == f"=(MIN(1,IF(AND(P{row + 1}=0,P{row}=0),0,P{row + 1}/P{row})/0.5)*1.5)"
    counted = scores.cell(row + 1, at["effective"]).value
    checked = "IF(ISNUMBER({0}),IF(AND({0}>=0,{0}=INT({0})),{0},#VALUE!),#VALUE!)"
    assert counted == f"=IF(LEN(TRIM(J{row + 1}))=0,{checked.format(f'H{row + 1}')},{checked.format(f'J{row + 1}')})"
    score = scores.cell(row, at["self_score"]).value
    assert f"ISERR(P{row}:P{row + 1})" in score
    assert f"ISNUMBER(Q{row})" in score
    assert f"P{row + 1}<=P{row}" in score
    assert f"LEN(TRIM(O{row}))" in score
    single = first_rows(scores)["2.1"]
    assert f"ISERR(P{single}:P{single})" in scores.cell(single, at["self_score"]).value


def test_figures_are_shown_by_programs_that_do_not_calculate(brvt: bytes) -> None:
    sheet = opened(brvt, with_values=True)["Tự chấm"]
    header, at = columns(sheet)
    starts = first_rows(sheet)
    # 1.1: three of four meetings, 2 points; 1.2: none of eight documents; 1.3: the number of days is missing.
    assert sheet.cell(starts["1.1"], at["self_score"]).value == 1.5
    assert sheet.cell(starts["1.2"], at["self_score"]).value == 0
    assert sheet.cell(starts["1.3"], at["self_score"]).value == "Thiếu số liệu"
    assert sheet.cell(starts["1.4"], at["self_score"]).value is None
    assert sheet.cell(starts["1.3"], at["automatic"]).value == "Có chuyên mục"
    assert sheet.cell(starts["1.3"], at["effective"]).value == "yes"
    assert sheet.cell(starts["1.4"], at["effective"]).value == "#N/A"
    assert sheet.cell(header + 1, at["self_score"]).value == 1.5
    assert sheet.cell(sheet.max_row, at["explanation"]).value == "65 tiêu chí chưa có điểm tự chấm"


def test_only_cells_to_be_filled_are_unlocked(book: Any) -> None:
    layout = load_layout()
    for sheet in book.worksheets:
        assert sheet.protection.sheet, sheet.title
        assert sheet.protection.password is None
    scores = book["Tự chấm"]
    header, at = columns(scores)
    letters = {at[column.key] for column in layout.columns if column.fill == "unit"}
    assert {scores.cell(header, column).value for column in letters} == TO_FILL
    keyed = set(rows(scores).values())
    unlocked = {(cell.row, cell.column) for line in scores.iter_rows() for cell in line if not cell.protection.locked}
    assert unlocked == {(row, column) for row in keyed for column in letters}
    facts = book["Thông tin chung"]
    free = {
        facts.cell(cell.row, 1).value for (cell,) in facts.iter_rows(min_col=2, max_col=2) if not cell.protection.locked
    }
    assert free == {fact.label for fact in layout.facts if not fact.given}
    assert not any(not cell.protection.locked for line in book["Hướng dẫn"].iter_rows() for cell in line)


def test_values_are_checked_while_they_are_typed(scores: Any, book: Any) -> None:
    where = rows(scores)
    rules = {str(rule.sqref): rule for rule in scores.data_validations.dataValidation}

    def rule(criterion: str, name: str) -> Any:
        return rules[f"J{where[criterion, name]}"]

    count, money = rule("1.1", "a"), rule("2.3", "a")
    assert (count.type, count.operator, count.formula1, count.errorStyle) == ("whole", "greaterThanOrEqual", "0", None)
    assert (money.type, money.operator, money.formula1) == ("decimal", "greaterThanOrEqual", "0")
    assert count.showErrorMessage
    assert count.allow_blank
    assert count.promptTitle == "a"
    assert count.prompt.startswith("Tổng số cuộc họp chuyên đề về chuyển đổi số của đơn vị")
    assert count.prompt.endswith("Nhập số nguyên từ 0 trở lên. Để trống nếu không có số liệu.")
    assert count.error.startswith("Ô này chỉ nhận số nguyên từ 0 trở lên")
    choice = rule("2.1", "issued")
    assert choice.type == "list"
    sheet, area = choice.formula1.split("!")
    labels = [cell.value for (cell,) in book[sheet][area.replace("$", "")]]
    assert labels == [
        option.label for option in load_framework(BRVT[0]).level(BRVT[1]).criterion("2.1").input("issued").options
    ]
    assert len(rules) >= len(where)
    evidence = rules[f"M{first_rows(scores)['1.1']}"]
    assert evidence.prompt == "Danh sách cuộc họp kèm số, ngày giấy mời; Thông báo kết luận của người đứng đầu"


def test_a_percentage_takes_0_to_100() -> None:
    sheet = opened(template("ninh-thuan-2021", "province"))["Tự chấm"]
    where = rows(sheet)
    row = where["5.12.1", "a"]
    rule = next(item for item in sheet.data_validations.dataValidation if str(item.sqref) == f"J{row}")
    # Without an operator it is «between».
    assert (rule.type, rule.operator, rule.formula1, rule.formula2) == ("decimal", None, "0", "100")
    _, at = columns(sheet)
    default = where["4.1.2", "b"]
    assert [sheet.cell(default, at[key]).value for key in ("automatic", "source")] == [119, "Số in trong quyết định"]
    # Two printed rows with one maximum stand in one criterion, both with their words.
    name = sheet.cell(first_rows(sheet)["5.8"], at["name"]).value
    assert [line.partition(".")[0] for line in name.split("\n")[1:]] == ["5", "5"]


def test_it_prints_on_a4_landscape(book: Any) -> None:
    for name in ("Hướng dẫn", "Thông tin chung", "Tự chấm"):
        sheet = book[name]
        setup = (sheet.page_setup.paperSize, sheet.page_setup.orientation)
        assert setup == (9, "landscape")
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToHeight == 0
        assert "Trang &P/&N" in sheet.oddFooter.right.text
        assert "Phụ lục tạm" in sheet.oddFooter.left.text
    scores = book["Tự chấm"]
    header, at = columns(scores)
    assert scores.print_title_rows == f"${header}:${header}"
    assert scores.freeze_panes == f"{get_column_letter(at['name'] + 1)}{header + 1}"
    assert scores.print_area == f"'Tự chấm'!$B$1:$O${scores.max_row}"
    starts = set(first_rows(scores).values())
    inside = set(rows(scores).values()) - starts
    # A page starts with a criterion or the groups above it; it holds 7.17 inches at 67 % less its header, and to spare.
    pages = [item.id + 1 for item in scores.row_breaks.brk]
    assert len(pages) > 5
    assert not inside & set(pages)
    assert all(scores.cell(row - 1, at["key"]).value for row in pages)
    for first, following in itertools.pairwise([header + 1, *pages, scores.max_row + 1]):
        assert 400 < sum(scores.row_dimensions[row].height or 15 for row in range(first, following)) < 700 or (
            following > scores.max_row
        )
    # Merged cells do not grow by themselves: the rows of a criterion hold the lines of its rule.
    for criterion in load_framework(BRVT[0]).level(BRVT[1]).criteria:
        own = [row for (code, _), row in rows(scores).items() if code == criterion.code]
        height = sum(scores.row_dimensions[row].height or 15 for row in own)
        assert height >= 15 * (criterion.rule.count("\n") + 1), criterion.code


def test_the_guide_says_what_the_decision_demands() -> None:
    submission = dt.datetime(2026, 12, 10, 23, 59, 59, tzinfo=TIME_ZONE)
    asked = dt.datetime(2026, 12, 25, 17, 0, 0, tzinfo=TIME_ZONE)
    due = Due(submission=submission, asked={"1.2": asked, "1.1": asked}, extension="bão lũ (CV 5; Sở X)")
    about, lines = _guide("brvt-2022", "department", due)
    assert about["Đơn vị"] == "Sở Diễn tập (đơn vị hư cấu) (mã định danh H00.02)"
    assert about["Căn cứ"].startswith("3710/QĐ-UBND ngày 02/12/2022 của ")
    assert about["Đợt đánh giá"] == "brvt-2022-h00-2026, năm 2026"
    assert about["Kỳ số liệu"] == "từ ngày 01/01/2026 đến hết ngày 31/12/2026"
    assert about["Hạn nộp"] == "đến hết ngày 10/12/2026"
    assert about["Hạn bổ sung"] == (
        "đến 17:00:00 ngày 25/12/2026: bổ sung theo yêu cầu cho tiêu chí 1.1, 1.2; "
        "chỉ bổ sung khi được yêu cầu bằng văn bản, trong thời hạn ghi ở văn bản đó"
    )
    assert about["Gia hạn"] == "bão lũ (CV 5; Sở X)"
    assert about["Số liệu tự động"] == "lấy đến hết ngày 15/10/2026; 0 số liệu đã được điền sẵn"
    assert "Phụ lục tạm – không phải phụ lục chính thức của Quyết định 3710/QĐ-UBND" in lines
    both = "phải được ký số bởi cá nhân lãnh đạo đơn vị và ký số của cơ quan, tổ chức («Trình tự thực hiện»)."
    assert any(both in line for line in lines)
    assert any("Mỗi tiêu chí có số liệu phải kèm tài liệu kiểm chứng («" in line for line in lines)
    assert any("Nộp hoặc bổ sung sau thời hạn thì tiêu chí được 0 điểm («" in line for line in lines)
    assert not any("{" in line for line in lines)


def test_the_guide_names_choices_as_choices_and_leaves_out_what_nobody_says() -> None:
    open_to_all = Due(submission=None, supplement=dt.datetime(2026, 12, 25, 23, 59, 59, tzinfo=TIME_ZONE))
    chosen = {"late": "accept", "evidence": "required", "document": "Biên bản 01"}
    about, lines = _guide("bac-giang-2022", "commune", open_to_all, choices=chosen)
    assert about["Hạn nộp"] == "do cơ quan chủ trì thông báo"
    assert about["Hạn bổ sung"] == "đến hết ngày 25/12/2026"
    assert about["Kỳ số liệu"] == "từ ngày 15/10/2025 đến hết ngày 15/10/2026"
    assert "Gia hạn" not in about
    assert any("Quyết định không quy định chữ ký số" in line for line in lines)
    by_choice = "(lựa chọn của đợt đánh giá, Biên bản 01)."
    late = f"Nộp hoặc bổ sung sau thời hạn vẫn được tính như nộp đúng hạn {by_choice}"
    assert any(late in line for line in lines)
    assert any(f"phải kèm tài liệu kiểm chứng {by_choice}" in line for line in lines)
    assert not any("0 điểm" in line for line in lines)
    about, lines = _guide("ninh-thuan-2021", "province", Due())
    assert "Hạn bổ sung" not in about
    assert not any("Phụ lục tạm" in line for line in lines)
    assert any("số liệu không có tài liệu chỉ được coi là lời khai" in line for line in lines)


@pytest.mark.parametrize(
    ("signatures", "words"),
    [
        (("leader",), "lãnh đạo đơn vị ký số cá nhân"),
        (("organisation",), "chữ ký số của cơ quan"),
        ((), "không đòi hỏi"),
    ],
)
def test_the_guide_names_the_signers(signatures: tuple[SignerRole, ...], words: str) -> None:
    rules = load_framework("qd766-2022")
    policies = rules.policies.model_copy(update={"signatures": signatures})
    rules = rules.model_copy(update={"policies": policies})
    body = write_workbook(
        assessment("qd766-2022"),
        rules,
        rules.level("commune"),
        UNIT,
        prefilled={},
        as_of=dt.date(2026, 10, 15),
        due=Due(),
    )
    assert any(words in str(row[0]) for row in _lines(body))


def test_general_information_is_asked_for_and_the_unit_is_named(book: Any) -> None:
    facts = {row[0]: row[1] for row in book["Thông tin chung"].iter_rows(min_row=3, values_only=True)}
    assert facts == {fact.label: None for fact in load_layout().facts} | {
        "Tên cơ quan, đơn vị": UNIT.name,
        "Mã định danh": "H00.02",
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (("9.9", "a"), "1", r"9\.9, a: level department has no such input"),
        (("1.2", "z"), "1", r"1\.2, z: level department has no such input"),
        (("1.2", "a"), "1,5", r"1\.2, a: .*write the decimal with a dot"),
        (("1.3", "column"), "Có", r"1\.3, column: «Có» is not an option"),
    ],
)
def test_a_figure_that_does_not_fit_is_refused(key: tuple[str, str], value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        template(*BRVT, {key: Prefilled(value, "Nguồn")})


@pytest.mark.parametrize("framework", ["bac-giang-2022", "hue-2024", "phu-tho-2018"])
def test_nothing_is_left_out_because_a_spreadsheet_refuses_it(framework: str) -> None:
    """Titles and messages that are too long, and sheets' names, would be left out with a warning."""
    level = load_framework(framework).levels[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sheet = opened(template(framework, level.level))["Tự chấm"]
    assert len(rows(sheet)) == sum(len(item.inputs) for item in level.criteria)


def test_spellings_of_headings_are_read_and_kept_apart() -> None:
    layout = load_layout()
    assert [layout.column_of(text) for text in ("  TỆP   minh chứng:", "Minh\nchứng *")] == [
        layout.column("evidence")
    ] * 2
    assert layout.column_of("Cột lạ") is None
    found = layout.fact_of("email")
    assert found is not None
    assert found.key == "email"
    assert layout.fact_of("Sở thích") is None
    plain = layout.model_dump()
    plain["columns"][3]["synonyms"] = ["mã"]
    with pytest.raises(ValidationError, match="columns: a spelling stands twice: mã"):
        Layout.model_validate(plain)
    plain = layout.model_dump()
    plain["columns"] = plain["columns"][1:]
    with pytest.raises(ValidationError, match="every column once"):
        Layout.model_validate(plain)


def _guide(framework: str, level: str, due: Due, **more: Any) -> tuple[dict[str, str], list[str]]:
    """The table at the top of the guide, and all its other lines."""
    read = [(row[0], row[1]) for row in _lines(template(framework, level, due=due, **more)) if row[0]]
    return {label: text for label, text in read if text}, [label for label, text in read if not text]


def _lines(body: bytes) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(body), read_only=True)
    return list(book["Hướng dẫn"].iter_rows(max_col=2, values_only=True))
