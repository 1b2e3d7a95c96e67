"""`dti appraise …`: the queue, one cell, actions with their effect, the worksheet, threads and the log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from appraisal_kit import CLOCK, ID, NIGHT, ONE, THREE, TWO, adjust, at, copy_of, dump, installation, report, run
from small_installation import Answer, Dti, command_line, refused
from sqlmodel import Session

from dti_pipeline.appraisal.chain import rows_of
from dti_pipeline.appraisal.model import Actor
from dti_pipeline.appraisal.worksheet import META, SHEET
from dti_pipeline.night import Workspace
from dti_pipeline.store import facts
from dti_pipeline.store.tables import DiscrepancyRow

LEAD = ("--assessment", ID, "--as-unit", "H00.11", "--by", "Nguyễn Thị An")
NAMELESS = ("--assessment", ID)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A night of three departments under Huế: 15, 10 and 5 points."""
    home = tmp_path_factory.mktemp("cli")
    early = installation(home, "hue-2024", "department", [ONE, TWO, THREE], clock="2026-10-09T09:00:00+07:00")
    report(early, ONE, {"1.1": {"meetings": "3"}, "1.2": {"a": "4", "b": "1"}})
    report(early, TWO, {"1.1": {"meetings": "4"}})
    report(early, THREE, {"1.1": {"meetings": "2"}})
    work = at(early, CLOCK)
    run(work)
    return work


@pytest.fixture
def work(template: Workspace, tmp_path: Path) -> Workspace:
    return copy_of(template, tmp_path / "home")


@pytest.fixture
def dti(work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    return command_line(work.settings.home, monkeypatch, capsys)


def entries(work: Workspace) -> list[tuple[str, str, str | None, str]]:
    with Session(work.engine) as session:
        return [(row.action, row.unit, row.criterion, row.outcome) for row in rows_of(session, ID)]


def test_a_dry_run_tells_who_moves_and_writes_nothing(dti: Dti, work: Workspace) -> None:
    before = dump(work)
    words = ("appraise", "adjust", ONE, "1.1", *LEAD, "--reason", "đếm lại", "--value", "meetings=0")
    answer = dti(*words, "--dry-run")
    assert answer.code == 0
    assert "H00.05, 1.1: 7,5 điểm (scored) → 0 điểm (scored)" in answer.out
    lines = [re.sub(r"\s+", " ", line).strip() for line in answer.out.splitlines()]
    # 15 → 7.5: behind TWO's 10, still before THREE's 5.
    assert "H00.05 Sở Tài chính (hư cấu) 15.00 → 7.50 1 → 2 –" in lines
    assert "H00.06 Sở Công Thương (hư cấu) 10.00 2 → 1 –" in lines
    assert not any(line.startswith("H00.07") for line in lines)
    assert lines[-1] == "Chỉ xem trước: chưa ghi gì."
    assert dump(work) == before
    data = dti(*words, "--json").data
    assert (data["dry_run"], [item["sequence"] for item in data["events"]]) == (False, [1])
    assert [item["rank"] for item in data["effects"][0]["units"]] == [[1, 2], [2, 1]]
    assert entries(work) == [("adjust", ONE, "1.1", "done")]


def test_every_action_has_its_command(dti: Dti, work: Workspace) -> None:
    unit = ("--assessment", ID, "--as-unit", ONE, "--by", "Phạm Thị Em")
    why = ("--reason", "vì")
    for words in (
        ("accept", ONE, "1.1", *LEAD),
        ("reject", ONE, "1.1", *LEAD, *why),
        ("appeal", ONE, "1.1", *unit, *why),
        ("reopen", ONE, "1.1", *LEAD, *why),
        ("grant-na", TWO, "1.2", *LEAD, *why, "--document", "CV 1"),
        ("refuse-na", TWO, "1.2", *LEAD, *why),
        ("ask", ONE, "1.2", *LEAD, *why, "--until", "2026-10-20"),
    ):
        assert dti("appraise", *words).code == 0, words
    (appeal, asked) = dti("appraise", "threads", *NAMELESS, "--json").data
    assert (appeal["kind"], appeal["state_words"], asked["days_left"]) == ("appeal", "đã xem xét lại", 4)
    assert asked["until"] == "2026-10-20T23:59:59+07:00"
    for words in (
        ("answer", asked["id"][:10], *unit, "--reason", "đã gửi"),
        ("close", asked["id"][:10], *LEAD),
        ("exempt", THREE, *LEAD, *why, "--document", "CV 2"),
        ("reopen", THREE, *LEAD, *why),
        ("approve", ONE, *LEAD),
    ):
        assert dti("appraise", *words).code == 0, words
    assert {outcome for *_, outcome in entries(work)} == {"done"}
    log = dti("appraise", "log", *NAMELESS).out
    assert "1. 2026-10-16T00:30:00+07:00 Nguyễn Thị An (H00.11, đơn vị chủ trì): chấp nhận số liệu" in log
    assert len(dti("appraise", "log", *NAMELESS, "--unit", THREE, "--json").data) == 2
    assert "trước: không chấp nhận tài liệu kiểm chứng; nay: đã mở lại" in dti("appraise", "threads", *NAMELESS).out
    assert len(dti("appraise", "threads", *NAMELESS, "--all", "--json").data) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("reject", ONE, "9.9", *LEAD, "--reason", "vì"), "không có tiêu chí «9.9»"),
        (("adjust", ONE, "1.1", *LEAD, "--reason", "vì", "--value", "meetings"), "write every figure once"),
        (("ask", ONE, "1.1", *LEAD, "--reason", "vì", "--until", "mai"), "is not a date"),
        (("close", "abc", *LEAD), "no thread with an id that starts with «abc»"),
        (("not-appraised", ONE, *LEAD, "--reason", "vì"), "not_appraised"),
        (("show", ONE, "9.9", *NAMELESS), "không có tiêu chí «9.9»"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(dti: Dti, work: Workspace, words: Any, told: str) -> None:
    assert told in refused(dti("appraise", *words))
    assert entries(work) == []


def test_a_refusal_is_told_and_kept_but_not_in_a_dry_run(dti: Dti, work: Workspace) -> None:
    words = ("appraise", "reject", ONE, "1.1", *NAMELESS, "--as-unit", TWO, "--by", "X", "--reason", "vì")
    assert "không thẩm định" in refused(dti(*words, "--dry-run"))
    assert entries(work) == []
    assert "không thẩm định" in refused(dti(*words))
    assert entries(work) == [("reject", ONE, "1.1", "refused")]


def test_show_has_three_values_and_the_history(dti: Dti, work: Workspace) -> None:
    adjust(work, Actor("Nguyễn Thị An", "H00.11"), ONE, "1.1", meetings="2")
    data = dti("appraise", "show", ONE, "1.1", *NAMELESS, "--json").data
    (item,) = data["inputs"]
    assert (item["claimed"], item["automatic"], item["appraised"], item["used"]) == ("3", None, "2", "2")
    assert (data["points"], data["state"], data["due"]) == ("5", "scored", "2026-10-20T23:59:59+07:00")
    assert (data["report"]["grade"], data["appraisers"]) == ("D", ["H00.11"])
    assert [entry["words"] for entry in data["history"]] == ["điều chỉnh số liệu"]
    text = dti("appraise", "show", ONE, "1.1", *NAMELESS).out
    assert "meetings = 2; đã đối chiếu hồ sơ" in text


def discrepancy(unit: str, criterion: str, name: str, impact: int | None, kind: str = "claim_higher") -> Any:
    return facts.draft(
        DiscrepancyRow, night=NIGHT.isoformat(), assessment=ID, framework="hue-2024", level="department", unit=unit,
        criterion=criterion, name=name, claimed="9", automatic="1", kind=kind, note=None, is_decided=False,
        rank_impact=impact, unit_places=None, observations="[]", other_sources="[]",
        points_micro=None, recorded_at="2026-10-15T17:30:00+00:00",
    )  # fmt: skip


def test_the_queue_puts_what_moves_most_first(dti: Dti, work: Workspace) -> None:
    wanted = [
        discrepancy(ONE, "1.1", "meetings", 2),
        discrepancy(TWO, "1.1", "meetings", 5),
        discrepancy(THREE, "1.1", "meetings", 0),
        discrepancy(ONE, "1.2", "a", None, "only_claim"),
        discrepancy(ONE, "1.2", "b", 9, "within_tolerance"),
    ]
    with Session(work.engine) as session, session.begin():
        facts.revise(session, DiscrepancyRow, [], wanted, facts.DISCREPANCY_KEY, "2026-10-15T17:30:00+00:00")
    for words in (
        ("ask", ONE, "1.2", *LEAD, "--reason", "Vì sao?", "--until", "2026-10-20"),
        ("reject", THREE, "1.1", *LEAD, "--reason", "vì"),
        ("appeal", THREE, "1.1", *NAMELESS, "--as-unit", THREE, "--by", "Em", "--reason", "đã có"),
    ):
        assert dti("appraise", *words).code == 0

    def waiting(*more: str) -> list[tuple[str, str, int | None]]:
        items = dti("appraise", "queue", *NAMELESS, *more, "--json").data
        return [(item["kind"], item["unit"], item["rank_impact"]) for item in items]

    # A contested cell is looked at again, so its difference is back in the queue.
    assert waiting() == [
        ("discrepancy", TWO, 5), ("discrepancy", ONE, 2), ("discrepancy", THREE, 0), ("contested", THREE, None),
    ]  # fmt: skip
    assert waiting("--as-unit", "H00.11") == waiting()
    assert waiting("--as-unit", TWO) == []
    thread = dti("appraise", "threads", *NAMELESS, "--json").data[0]["id"]
    answer = ("answer", thread, *NAMELESS, "--as-unit", ONE, "--by", "Em", "--reason", "Vì thế")
    assert dti("appraise", *answer).code == 0
    assert dti("appraise", "accept", TWO, "1.1", *LEAD).code == 0
    assert waiting() == [
        ("discrepancy", ONE, 2), ("discrepancy", THREE, 0), ("contested", THREE, None), ("answered", ONE, None),
    ]  # fmt: skip
    text = dti("appraise", "queue", *NAMELESS).out
    assert "4 việc chờ thẩm định" in text
    told = dti("appraise", "queue", *NAMELESS, "--json").data[0]["what"]
    assert told == "meetings: đơn vị báo cáo cao hơn, báo cáo 9, tự động 1"


def test_a_claim_that_changed_after_its_acceptance_is_in_the_queue(dti: Dti, work: Workspace) -> None:
    assert dti("appraise", "accept", TWO, "1.1", *LEAD).code == 0
    report(at(work, "2026-10-16T09:00:00+07:00"), TWO, {"1.1": {"meetings": "5"}})
    dti = _at(dti, "2026-10-16T10:00:00+07:00")
    (item,) = dti("appraise", "queue", *NAMELESS, "--json").data
    assert (item["kind"], item["what"]) == ("changed", "meetings: 4 → 5")


def _at(dti: Dti, clock: str) -> Dti:
    import os

    def later(*words: str | Path) -> Answer:
        os.environ["DTI_CLOCK"] = clock  # the fixture's monkeypatch puts it back
        return dti(*words)

    return later


# --- the worksheet ---


def sheet_of(dti: Dti, folder: Path) -> Path:
    file = folder / "bang.xlsx"
    assert dti("appraise", "export", *NAMELESS, "--as-unit", "H00.11", "--out", file).code == 0
    return file


def test_the_worksheet_prints_its_columns_side_by_side(dti: Dti, tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(sheet_of(dti, tmp_path))[SHEET]
    page = sheet.page_setup
    # The width of one page is what a file says by leaving it out.
    assert (page.paperSize, page.orientation, page.fitToWidth or 1, page.fitToHeight) == (9, "landscape", 1, 0)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sheet.print_title_rows == "$1:$1"


def filled(file: Path, changes: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Fill in rows by unit and criterion: column letter -> value; gives their row numbers."""
    book = openpyxl.load_workbook(file)
    sheet = book[SHEET]
    rows = {(str(row[0].value), str(row[2].value)): row[0].row for row in sheet.iter_rows(min_row=2)}
    for at_, cells in changes.items():
        for column, value in cells.items():
            sheet[f"{column}{rows[at_]}"] = value
    book.save(file)
    return rows


def test_the_worksheet_goes_out_and_comes_back(dti: Dti, work: Workspace, tmp_path: Path) -> None:
    file = sheet_of(dti, tmp_path)
    assert file.read_bytes() == sheet_of(dti, tmp_path).read_bytes()
    sheet = openpyxl.load_workbook(file)[SHEET]
    first = [cell.value or "" for cell in sheet[2]]
    assert first[:3] == [ONE, "Sở Tài chính (hư cấu)", "1.1"]
    assert first[4:8] == ["meetings = 3", "", "", "đã chấm"]
    # 3 departments × 34 criteria, a heading, and a choice in every row.
    assert sheet.max_row == 3 * 34 + 1
    (rule,) = sheet.data_validations.dataValidation
    assert str(rule.sqref) == "I2:I103"
    assert "điều chỉnh số liệu" in rule.formula1
    filled(
        file,
        {
            (ONE, "1.1"): {"I": "điều chỉnh số liệu", "J": 2, "K": "đếm lại"},
            (ONE, "1.2"): {"I": "điều chỉnh số liệu", "J": "b = 2; a=4", "K": "đếm lại", "L": "BB 3"},
            (TWO, "1.1"): {"I": "chấp nhận số liệu đơn vị báo cáo"},
        },
    )
    dry = dti("appraise", "import", file, *LEAD, "--dry-run", "--json").data
    assert [item["points"] for item in dry["effects"][0]["cells"]] == [["7.5", "5"], ["7.5", "15"], ["10", "10"]]
    assert entries(work) == []
    done = dti("appraise", "import", file, *LEAD, "--json").data
    assert [item["said"].get("inputs") for item in done["events"]] == [
        {"meetings": "2"}, {"a": "4", "b": "2"}, {"meetings": "4"},
    ]  # fmt: skip
    # Twice: the cells have been decided since the sheet was made.
    told = refused(dti("appraise", "import", file, *LEAD))
    assert "«Thẩm định» ô I2: ô này có quyết định khác từ khi lập bảng: điều chỉnh số liệu (Nguyễn Thị An)" in told
    assert len(entries(work)) == 3


def test_every_problem_is_named_by_its_cell_and_nothing_is_done(dti: Dti, work: Workspace, tmp_path: Path) -> None:
    file = sheet_of(dti, tmp_path)
    rows = filled(
        file,
        {
            (ONE, "1.1"): {"I": "đồng ý"},
            (ONE, "1.2"): {"I": "điều chỉnh số liệu", "J": "4", "K": "vì"},
            (ONE, "1.3"): {"K": "quên chọn"},
            (TWO, "1.1"): {"I": "chấp nhận số liệu đơn vị báo cáo", "K": "=1+1"},
            (TWO, "1.2"): {"C": "9.9", "I": "chấp nhận số liệu đơn vị báo cáo"},
            (TWO, "1.3"): {"A": "H00.99", "I": "chấp nhận số liệu đơn vị báo cáo"},
            (THREE, "1.1"): {"I": "không chấp nhận tài liệu kiểm chứng", "K": "vì"},
        },
    )
    told = refused(dti("appraise", "import", file, *LEAD)).splitlines()
    places = [re.search(r"ô ([A-Z]+\d+): ", line) for line in told]
    assert [item.group(1) for item in places if item] == [
        f"I{rows[ONE, '1.1']}", f"J{rows[ONE, '1.2']}", f"K{rows[ONE, '1.3']}", f"K{rows[TWO, '1.1']}",
        f"C{rows[TWO, '1.2']}", f"A{rows[TWO, '1.3']}",
    ]  # fmt: skip
    assert entries(work) == []


def test_what_only_the_service_can_see_is_named_by_its_cell_too(dti: Dti, work: Workspace, tmp_path: Path) -> None:
    file = sheet_of(dti, tmp_path)
    rows = filled(
        file,
        {
            (TWO, "1.1"): {"I": "không chấp nhận tài liệu kiểm chứng"},
            (TWO, "1.2"): {"I": "chấp nhận số liệu đơn vị báo cáo", "K": "vì"},
            (THREE, "1.1"): {"I": "không chấp nhận tài liệu kiểm chứng", "K": "vì"},
        },
    )
    told = refused(dti("appraise", "import", file, *LEAD))
    assert f"«Thẩm định» ô I{rows[TWO, '1.1']}: «không chấp nhận tài liệu kiểm chứng» cần ghi lý do" in told
    assert len(told.splitlines()) == 1  # shapes first; claims are looked at once shapes are right
    stranger = ("--assessment", ID, "--as-unit", TWO, "--by", "X")
    filled(file, {(TWO, "1.1"): {"K": "vì"}, (TWO, "1.2"): {"I": None, "K": None}})
    told = refused(dti("appraise", "import", file, *stranger))
    assert f"«Thẩm định» ô I{rows[THREE, '1.1']}: {TWO} không thẩm định {THREE}" in told
    assert {outcome for *_, outcome in entries(work)} == {"refused"}


def test_texts_that_look_like_formulas_go_out_harmless(dti: Dti, work: Workspace, tmp_path: Path) -> None:
    units = work.settings.home / "units" / "thuc-hanh.yaml"
    text = units.read_text(encoding="utf-8")
    units.write_text(text.replace("Sở Tài chính (hư cấu)", "=HYPERLINK(1)", 1), encoding="utf-8")
    file = sheet_of(dti, tmp_path)
    cell = openpyxl.load_workbook(file)[SHEET]["B2"]
    assert (cell.value, cell.data_type) == ("'=HYPERLINK(1)", "s")


@pytest.mark.parametrize(("change", "told"), [("sheet", "không phải bảng thẩm định"), ("id", "là của đợt khac")])
def test_another_file_is_not_taken(dti: Dti, tmp_path: Path, change: str, told: str) -> None:
    file = sheet_of(dti, tmp_path)
    book = openpyxl.load_workbook(file)
    if change == "sheet":
        book.remove(book[META])
    else:
        book[META]["B2"] = "khac"
    book.save(file)
    assert told in refused(dti("appraise", "import", file, *LEAD))
    file.write_bytes(b"PK\x03\x04 nothing")
    assert refused(dti("appraise", "import", file, *LEAD))


def test_a_row_is_taken_only_for_the_cell_that_it_shows(dti: Dti, work: Workspace, tmp_path: Path) -> None:
    """The unit reported anew, or somebody wrote into a protected cell: the figures seen are not those decided on."""
    file = sheet_of(dti, tmp_path)
    accept = "chấp nhận số liệu đơn vị báo cáo"
    rows_ = filled(
        file,
        {
            (ONE, "1.1"): {"I": accept},
            (TWO, "1.1"): {"I": accept},
            (ONE, "1.3"): {"C": "2.1", "I": "không chấp nhận tài liệu kiểm chứng", "K": "vì"},
            (THREE, "1.1"): {"I": True},
        },
    )
    report(at(work, "2026-10-16T00:29:00+07:00"), ONE, {"1.1": {"meetings": "4"}})
    before = dump(work)
    told = refused(dti("appraise", "import", file, *LEAD))
    assert f"«Thẩm định» ô E{rows_[ONE, '1.1']}: đơn vị nay báo cáo «meetings = 4», khác khi lập bảng" in told
    assert f"«Thẩm định» ô D{rows_[ONE, '1.3']}: không phải tên tiêu chí 2.1" in told
    assert f"«Thẩm định» ô I{rows_[THREE, '1.1']}: ghi bằng chữ hoặc số" in told
    assert f"{rows_[TWO, '1.1']}:" not in told
    assert dump(work) == before


def test_a_reason_of_several_lines_is_one_entry_of_the_log(dti: Dti) -> None:
    forged = "vì\n2. 2026-10-16T00:30:00+07:00 Người khác (H00.11, đơn vị chủ trì): phê duyệt số liệu H00.05"
    assert dti("appraise", "reject", ONE, "1.1", *LEAD, "--reason", forged).code == 0
    lines = dti("appraise", "log", *NAMELESS).out.splitlines()
    assert [line[:2] for line in lines] == ["1.", "  "]
