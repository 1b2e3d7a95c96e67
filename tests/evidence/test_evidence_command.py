"""`dti evidence …` in an installation without sources: what people read, JSON, exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openpyxl
import pytest
from intake_kit import BRVT, LATE, ONE, TWO, at, hand_in, installation, png, table
from small_installation import Answer, Dti, command_line, refused

from dti_pipeline import night as steps
from dti_pipeline.night import Workspace

HERE = ("--assessment", BRVT)


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return installation(tmp_path / "home")


@pytest.fixture
def dti(work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    return command_line(work.settings.home, monkeypatch, capsys)


def file(tmp_path: Path, name: str, body: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(body)
    return path


GOOD = {"2.4": ({"fields": "2"}, ["a.png"])}
WRONG = GOOD | {"2.1": ({"issued": "tháng 13"}, [])}


def test_submit_says_what_became_of_each_file(dti: Dti, tmp_path: Path) -> None:
    bundle = (file(tmp_path, "1.csv", table(GOOD)), file(tmp_path, "a.png", png(1)))
    answer = dti("evidence", "submit", *bundle, *HERE, "--by", "Nguyễn Văn A")
    assert answer.code == 0
    assert "1.csv (H00.05): đã nhận, 1 tiêu chí" in answer.out
    assert "a.png (H00.05): đã nhận" in answer.out
    again = dti("evidence", "submit", *bundle, *HERE, "--json").data
    assert [item["outcome"] for item in again] == ["unchanged", "unchanged"]
    rows = dti("evidence", "list", *HERE, "--json").data
    assert [(row["unit"], row["sequence"], row["submitted_by"], row["timeliness"]) for row in rows] == [
        (ONE, 1, "Nguyễn Văn A", "late"), (ONE, 2, "Nguyễn Văn A", "late"),
    ]  # fmt: skip


def test_submit_names_line_and_mistake_and_exits_1(dti: Dti, tmp_path: Path) -> None:
    answer = dti("evidence", "submit", file(tmp_path, "1.csv", table(WRONG)), *HERE)
    assert answer.code == 1
    assert "đã nhận, có lỗi phải sửa" in answer.out
    assert any(line.strip().startswith("LỖI dòng 3") and "tháng 13" in line for line in answer.out.splitlines())
    answer = dti("evidence", "submit", file(tmp_path, "a.png", png(1)), *HERE, "--json")
    assert (answer.code, json.loads(answer.out)[0]["outcome"]) == (1, "refused")
    # A file that was refused before is refused still, though nothing new is written.
    assert dti("evidence", "submit", tmp_path / "a.png", *HERE).code == 1
    assert dti("evidence", "submit", tmp_path / "a.png", *HERE, "--unit", "000.00.05.H00").code == 0


def test_bad_usage_is_told_in_words(dti: Dti, tmp_path: Path) -> None:
    assert "khong-co.csv: cannot be read" in refused(dti("evidence", "submit", "khong-co.csv", *HERE))
    assert "no assessment «x»" in refused(dti("evidence", "list", "--assessment", "x"))
    assert "--state is one of accepted" in refused(dti("evidence", "list", *HERE, "--state", "good"))
    assert "không có đơn vị «H00.07»" in refused(dti("evidence", "show", "H00.07", *HERE))
    assert "không có đơn vị hay lần nộp «abc»" in refused(dti("evidence", "show", "abc", *HERE))
    assert "has no unit «H00.07»" in refused(dti("evidence", "template", *HERE, "--unit", "H00.07"))


@pytest.fixture
def handed(work: Workspace, dti: Dti) -> Dti:
    """ONE in time with a mistake and a paper; TWO too late."""
    hand_in(work, ("1.csv", table(WRONG)), ("a.png", png(1)))
    hand_in(work, ("may.exe", b"MZ\x90\x00\x03"), unit=ONE)
    hand_in(at(work, LATE), ("2.csv", table(GOOD, TWO)))
    return dti


def test_list_and_its_filters(handed: Dti) -> None:
    def files(*more: str) -> list[str]:
        return [row["file"] for row in handed("evidence", "list", *HERE, *more, "--json").data]

    assert files() == ["1.csv", "a.png", "may.exe", "2.csv"]
    assert files("--unit", TWO) == files("--state", "late") == ["2.csv"]
    assert files("--state", "accepted_with_problems") == ["1.csv"]
    assert files("--state", "refused") == ["may.exe"]
    assert files("--state", "in_time") == ["1.csv", "a.png"]
    out = handed("evidence", "list", *HERE).out
    assert "không nhận" in out
    assert "15/10/2026 23:59:59" in out


def test_show_a_unit_and_a_submission(handed: Dti) -> None:
    shown = handed("evidence", "show", TWO, *HERE, "--json").data
    (cell,) = shown["cells"]
    assert (cell["criterion"], cell["is_late"], cell["grade"]) == ("2.4", True, "D")
    assert cell["standing"]["state"] == "zero_late"
    assert cell["inputs"] == {"fields": {"state": "reported", "value": "2"}}
    text = handed("evidence", "show", ONE, *HERE).out
    assert "2.4: fields = 2  [hạng C: tài liệu không có chữ ký số đã kiểm tra]" in text
    assert "→ pending: tài liệu «a.png»: chữ ký số chưa được kiểm tra" in text
    first = handed("evidence", "list", *HERE, "--json").data[0]
    data = handed("evidence", "show", first["id"][:10], *HERE, "--json").data
    assert [cell["criterion"] for cell in data["cells"]] == ["2.4"]
    assert any("tháng 13" in item["message"] for item in data["problems"])
    assert "LỖI dòng 3" in handed("evidence", "show", first["id"], *HERE).out


def test_status_counts_units_and_days(handed: Dti, work: Workspace) -> None:
    (work.settings.inbox_folder / BRVT / "do-dang.csv.part").write_bytes(b"x")
    data = handed("evidence", "status", *HERE, "--json").data
    assert {row["unit"]: (row["state"], row["days_left"], row["refused"]) for row in data["units"]} == {
        ONE: ("with_problems", -1, 1), TWO: ("late", -1, 0),
    }  # fmt: skip
    assert data["left_in_inbox"] == ["do-dang.csv.part"]
    out = handed("evidence", "status", *HERE).out
    assert f"{BRVT}, department: 1 đã báo cáo, còn lỗi phải sửa, 1 báo cáo sau hạn" in out
    assert "quá hạn 1 ngày" in out
    assert "do-dang.csv.part" in out


def test_a_late_mistake_leaves_a_report_in_time_as_it_is(work: Workspace, dti: Dti) -> None:
    hand_in(work, ("1.csv", table(GOOD)))
    hand_in(at(work, LATE), ("2.csv", table(WRONG)))
    assert {row["unit"]: row["state"] for row in dti("evidence", "status", *HERE, "--json").data["units"]} == {
        ONE: "in_time", TWO: "never",
    }  # fmt: skip


def test_show_says_which_pages_are_not_there_and_what_a_mistake_left_in_force(work: Workspace, dti: Dti) -> None:
    head = "unit,unit_name,criterion,input,value,state,evidence,pages\n"
    hand_in(work, ("1.csv", f"{head}{ONE},,2.4,fields,2,reported,a.png,3\n".encode()), ("a.png", png(1)))
    hand_in(work, ("2.csv", f"{head}{ONE},,2.4,fields,2x,reported,a.png,3\n".encode()))
    out = dti("evidence", "show", ONE, *HERE).out
    assert "nêu trang 3, mà tệp có 1 trang" in out
    assert "báo cáo mới nhất có lỗi ở tiêu chí này, nên số liệu cũ được giữ: dòng 2: «2x»" in out


def test_status_before_anybody_reported(dti: Dti, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTI_CLOCK", "2026-10-14T00:30:00+07:00")
    data: Answer = dti("evidence", "status", *HERE, "--json")
    assert [(row["state"], row["days_left"]) for row in data.data["units"]] == [("never", 1), ("never", 1)]


def test_templates_are_written_for_each_unit_and_read_back(dti: Dti, work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "bieu"
    written = dti("evidence", "template", *HERE, "--out", out, "--json").data
    assert [item["unit"] for item in written] == [ONE, TWO]
    assert sorted(path.name for path in out.iterdir()) == [f"{BRVT}-{ONE}.xlsx", f"{BRVT}-{TWO}.xlsx"]
    book = openpyxl.load_workbook(io.BytesIO((out / f"{BRVT}-{ONE}.xlsx").read_bytes()))
    assert len(book.sheetnames) == 5
    # What nobody filled in says nothing, and is taken in without a mistake.
    answer = dti("evidence", "submit", out / f"{BRVT}-{ONE}.xlsx", *HERE)
    assert (answer.code, "LỖI" in answer.out) == (0, False), answer.out


def test_templates_hold_the_figures_of_the_newest_night(
    dti: Dti, work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_evidence_to_ranking import NIGHT, SOURCE, harvested

    edit_units = work.settings.assessments_folder / f"{BRVT}.yaml"
    edit_units.write_text(edit_units.read_text(encoding="utf-8").replace(ONE, SOURCE), encoding="utf-8")
    monkeypatch.setattr(steps, "current_figures", harvested)
    steps.merge_inputs(at(work, LATE), BRVT, NIGHT)
    (item,) = dti("evidence", "template", *HERE, "--unit", SOURCE, "--out", tmp_path, "--json").data
    assert item["figures"] == "2"
    book = openpyxl.load_workbook(item["file"])
    texts = {str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert any("đêm 15/10/2026" in text for text in texts)
