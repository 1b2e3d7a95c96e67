"""Taking files in: bundles, sequences, sameness, refusals, whole transactions, the inbox, and what nights see of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from intake_kit import (
    BRVT,
    IN_TIME,
    LATE,
    ONE,
    TWO,
    at,
    hand_in,
    installation,
    kept_bytes,
    outcomes,
    png,
    problems,
    stored,
    submissions,
    table,
)  # fmt: skip
from small_installation import edit
from sqlmodel import Session

from dti_pipeline.evidence.intake import (
    HandedFile,
    IntakeClosed,
    empty_inbox,
    inbox_bundles,
    left_in_inbox,
    take_in,
)
from dti_pipeline.evidence.known import KnownReports, known_reports
from dti_pipeline.evidence.report import show_unit
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace, units_of
from dti_pipeline.scoring.periods import cut_off
from dti_pipeline.scoring.states import InputState
from dti_pipeline.store import facts
from dti_pipeline.store.tables import ClaimRow, EvidenceFileRow, ReportedCellRow, SubmissionRow

NIGHT = dt.date(2026, 10, 15)
FIELDS = {"2.4": ({"fields": "2"}, ["a.png"])}
BOTH = FIELDS | {"2.1": ({"issued": "january"}, ["b.png"])}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return installation(tmp_path)


def known(work: Workspace, night: dt.date = NIGHT, level: str = "department") -> KnownReports:
    assessment, framework = work.assessment(BRVT), load_framework("brvt-2022")
    chosen = framework.level(level)
    units = units_of(work, assessment, chosen, night)
    work.__dict__["signing"] = type("Signing", (), {"context_sha256": "none"})()
    with Session(work.engine) as session:
        return known_reports(work, session, assessment, framework, chosen, units, cut_off(night))


def claimed(found: KnownReports) -> dict[tuple[str, str], str | None]:
    return {(unit, criterion): claim.value for (unit, criterion, _), claim in found.claims.items()}


# --- sameness and sequences ---


def test_the_same_file_twice_is_one_submission(work: Workspace) -> None:
    bundle = (("bao-cao.csv", table(FIELDS)), ("a.png", png(1)))
    assert outcomes(hand_in(work, *bundle)) == [("bao-cao.csv", "accepted"), ("a.png", "accepted")]
    before = facts.canonical_dump(work.engine)
    again = hand_in(at(work, LATE), *bundle)
    assert outcomes(again) == [("bao-cao.csv", "unchanged"), ("a.png", "unchanged")]
    # Under another name, or in another order of lines, it says nothing new either.
    renamed = hand_in(work, ("lan-2.csv", table(FIELDS) + b"\n"))
    assert outcomes(renamed) == [("lan-2.csv", "unchanged")]
    assert facts.canonical_dump(work.engine) == before
    assert submissions(work) == [(ONE, 1, "csv", "accepted"), (ONE, 2, "files", "accepted")]


def test_only_what_changed_is_said_again_and_units_count_for_themselves(work: Workspace) -> None:
    hand_in(work, ("1.csv", table(BOTH, ONE, TWO)))
    changed = BOTH | {"2.4": ({"fields": "3"}, ["a.png"])}
    receipt = hand_in(work, ("2.csv", table(changed) + table(BOTH, TWO).partition(b"\n")[2]))[0]
    assert (receipt.outcome, receipt.units, receipt.cells) == ("accepted", (ONE, TWO), 1)
    assert submissions(work) == [(ONE, 1, "csv", "accepted"), (ONE, 2, "csv", "accepted"), (TWO, 1, "csv", "accepted")]
    cells = [(row.unit, row.criterion) for row in stored(work, ReportedCellRow)]
    assert sorted(cells) == [(ONE, "2.1"), (ONE, "2.4"), (ONE, "2.4"), (TWO, "2.1"), (TWO, "2.4")]
    # Said once more as at first: the newest words are others, so it is said.
    assert hand_in(work, ("1.csv", table(BOTH)))[0].cells == 1
    assert claimed(known(work)) == {
        (ONE, "2.1"): "january", (ONE, "2.4"): "2", (TWO, "2.1"): "january", (TWO, "2.4"): "2",
    }  # fmt: skip


def test_another_document_is_another_word(work: Workspace) -> None:
    hand_in(work, ("1.csv", table(FIELDS)))
    assert hand_in(work, ("1.csv", table({"2.4": ({"fields": "2"}, ["khac.png"])})))[0].cells == 1


def test_mistakes_that_are_gone_are_said_to_be_gone(work: Workspace) -> None:
    wrong = BOTH | {"2.1": ({"issued": "tháng 13"}, ["b.png"])}
    first = hand_in(work, ("1.csv", table(wrong)))[0]
    assert (first.outcome, first.cells, [item.criterion for item in first.problems if item.is_error]) == (
        "accepted_with_problems", 1, ["2.1"],
    )  # fmt: skip
    assert hand_in(work, ("1.csv", table(wrong)))[0].outcome == "unchanged"
    assert hand_in(work, ("2.csv", table(FIELDS)))[0].outcome == "accepted"
    assert [item[3] for item in submissions(work)] == ["accepted_with_problems", "accepted"]


def test_a_unit_of_whose_lines_none_can_be_used_is_remembered_beside_the_others(work: Workspace) -> None:
    wrong = table({"2.1": ({"issued": "tháng 13"}, [])}, TWO).partition(b"\n")[2]
    hand_in(work, ("1.csv", table(FIELDS) + wrong))
    assert submissions(work)[0] == (ONE, 1, "csv", "accepted")
    assert any("tháng 13" in text for text in problems(work, TWO))
    assert not any("tháng 13" in text for text in problems(work, ONE))


def test_two_versions_of_one_name_within_a_second(work: Workspace) -> None:
    """The newer one is the one that came second, whatever their sums are; «A.PNG» is «a.png»."""
    hand_in(work, ("1.csv", table(FIELDS)))
    for shades, first in ((range(1, 6), "accepted"), (range(5, 0, -1), "unchanged")):
        found = [hand_in(work, ("A.PNG" if shade % 2 else "a.png", png(shade)), unit=ONE)[0] for shade in shades]
        assert [item.outcome for item in found] == [first, *["accepted"] * 4]
        newest = known(work).cells[ONE, "2.4"].files[0]
        by_id = {row.id: row for row in stored(work, EvidenceFileRow)}
        assert work.snapshots.get(by_id[newest.id].sha256) == png(shades[-1])


def test_a_broken_row_keeps_what_was_said_before_and_says_so(work: Workspace) -> None:
    wrong = BOTH | {"2.4": ({"fields": "2,5x"}, ["a.png"])}
    first = hand_in(work, ("0.csv", table(wrong)))[0]
    assert not any("được giữ" in item.message for item in first.problems)
    hand_in(work, ("1.csv", table(BOTH)))
    receipt = hand_in(work, ("2.csv", table(wrong | {"2.1": ({"issued": "late"}, ["b.png"])})))[0]
    assert (receipt.outcome, receipt.cells) == ("accepted_with_problems", 1)
    (kept,) = [item for item in receipt.problems if "được giữ" in item.message]
    assert (kept.criterion, kept.is_error) == ("2.4", False)
    assert "số liệu của lần nộp 2 được giữ" in kept.message
    assert claimed(known(work)) == {(ONE, "2.1"): "late", (ONE, "2.4"): "2"}
    before = facts.canonical_dump(work.engine)
    assert hand_in(work, ("2.csv", table(wrong | {"2.1": ({"issued": "late"}, ["b.png"])})))[0].outcome == "unchanged"
    assert facts.canonical_dump(work.engine) == before
    cells = {cell["criterion"]: cell for cell in show_unit(work, work.assessment(BRVT), ONE)["cells"]}
    assert (cells["2.4"]["sequence"], cells["2.1"]["newest_error"]) == (2, None)
    assert "2,5x" in cells["2.4"]["newest_error"]
    # What was taken back is not kept.
    hand_in(work, ("3.csv", table({"2.4": ({"fields": ""}, [])})))
    again = hand_in(work, ("4.csv", table(wrong)))[0]
    assert not any("được giữ" in item.message for item in again.problems)


def test_papers_that_are_cited_and_not_there_and_pages_past_the_end_are_told(work: Workspace) -> None:
    head = "unit,unit_name,criterion,input,value,state,evidence,pages\n"
    first, second = "2.4,fields,2,reported,a.png;b.png,1;1-2", "2.1,issued,january,reported,c.png,"
    body = f"{head}{ONE},,{first}\n{ONE},,{second}\n".encode()
    receipt = hand_in(work, ("1.csv", body), ("a.png", png(1)), ("b.png", png(2)))[0]
    assert [(item.is_error, item.message) for item in receipt.problems] == [
        (False, "nêu trang 2 của «b.png», mà tệp đã nộp có 1 trang"),
        (False, "biểu nêu tài liệu chưa nộp: «c.png»; nộp đúng tên đó trong hạn"),
    ]
    assert (receipt.outcome, problems(work, ONE)) == ("accepted", [])
    cell = show_unit(work, work.assessment(BRVT), ONE)["cells"][1]
    assert [(paper["name"], paper["is_page_beyond"]) for paper in cell["evidence"]] == [
        ("a.png", False),
        ("b.png", True),
    ]


def test_a_paper_is_found_whatever_spaces_its_name_has(work: Workspace) -> None:
    name = "Báo  cáo\xa0 quý.PNG"
    hand_in(work, ("1.csv", table({"2.4": ({"fields": "2"}, [name])})), (name, png(1)))
    assert known(work).cells[ONE, "2.4"].not_found == ()


# --- whose it is ---


def test_evidence_belongs_to_the_unit_that_its_bundle_is_about(work: Workspace) -> None:
    hand_in(work, ("a.png", png(1)), ("bao-cao.csv", table(FIELDS, TWO)))
    assert [(row.unit, row.name) for row in stored(work, EvidenceFileRow)] == [(TWO, "a.png")]


@pytest.mark.parametrize("reports", [(), (("1.csv", table(FIELDS, ONE, TWO)),)])
def test_evidence_of_nobody_in_particular_is_refused(work: Workspace, reports: Any) -> None:
    receipt = hand_in(work, *reports, ("a.png", png(1)))[-1]
    assert (receipt.outcome, receipt.units) == ("refused", ())
    assert "không biết là tài liệu của đơn vị nào" in receipt.problems[0].message
    assert stored(work, EvidenceFileRow) == []


def test_a_unit_that_is_not_assessed(work: Workspace) -> None:
    for name, body in (("a.png", png(1)), ("1.csv", table(FIELDS))):
        receipt = hand_in(work, (name, body), unit="H00.99")[0]
        assert receipt.outcome == "refused"
        assert "«H00.99» không thuộc đợt đánh giá brvt-thu" in receipt.problems[-1].message
    assert stored(work, ClaimRow) == []


def test_a_report_about_another_unit_than_the_place_it_was_handed_in_at(work: Workspace) -> None:
    receipt = hand_in(work, ("1.csv", table(FIELDS, TWO)), unit=ONE)[0]
    assert (receipt.outcome, receipt.units) == ("refused", (ONE,))
    assert "H00.06" in receipt.problems[-1].message
    assert stored(work, ClaimRow) == []


# --- refusals ---


def test_a_refused_file_is_remembered_once_and_its_bytes_are_not_kept(work: Workspace) -> None:
    for _ in range(2):
        receipt = hand_in(work, ("may.exe", b"MZ\x90\x00\x03"), unit=ONE)[0]
        assert receipt.outcome == "refused"
    hand_in(work, ("may.exe", b"MZ\x90\x00\x03"), unit=TWO)
    assert submissions(work) == [(ONE, 1, "files", "refused"), (TWO, 1, "files", "refused")]
    assert kept_bytes(work) == 0
    assert problems(work, ONE) == problems(work, TWO) != []


def test_a_file_larger_than_anything_that_is_taken_in_is_not_read(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, size = tmp_path / "quet.pdf", 100_000_001
    with path.open("wb") as file:
        file.truncate(size)
    monkeypatch.setattr(Path, "read_bytes", lambda _self: pytest.fail("read whole"))
    handed = HandedFile.at(path, ONE)
    assert (handed.body, handed.size) == (b"", size)
    (receipt,) = take_in(work, BRVT, [handed], channel="cli")
    assert (receipt.outcome, str(size) in receipt.problems[0].message) == ("refused", True)
    (row,) = stored(work, SubmissionRow)
    assert (row.body_bytes, row.body_sha256) == (size, hashlib.sha256(bytes(size)).hexdigest())


def test_a_name_that_moves_the_cursor_is_never_shown_as_it_is(work: Workspace) -> None:
    receipt = hand_in(work, ("\x1b[2Jxau\u202egnp.png", png(1)), unit=ONE)[0]
    (row,) = stored(work, SubmissionRow)
    assert receipt.file == row.file_name == receipt.problems[0].where == "?[2Jxau?gnp.png"
    put(work, ".\x1b[2J", b"x")
    assert left_in_inbox(inbox(work)) == [".?[2J"]


def test_the_others_of_a_bundle_are_taken_in(work: Workspace) -> None:
    found = hand_in(work, ("may.exe", b"MZ\x90\x00\x03"), ("1.csv", table(FIELDS)), ("a.png", png(1)))
    assert [item[1] for item in outcomes(found)] == ["refused", "accepted", "accepted"]


def test_nothing_is_taken_in_after_freezing(work: Workspace) -> None:
    edit(work.settings.assessments_folder / f"{BRVT}.yaml", lambda data: data.update(status="frozen"))
    with pytest.raises(IntakeClosed, match="đợt đánh giá đã chốt; không nhận thêm hồ sơ"):
        hand_in(at(work, IN_TIME), ("1.csv", table(FIELDS)))
    assert stored(work, SubmissionRow) == []


# --- all or nothing ---


def test_a_bundle_that_breaks_half_way_leaves_no_row(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = (("1.csv", table(BOTH)), ("a.png", png(1)), ("b.png", png(2)))
    whole = facts.append

    def fails_at_the_second_file(session: Session, rows: Any) -> int:
        if rows and isinstance(rows[0], EvidenceFileRow) and rows[0].name == "b.png":
            raise OSError("disk full")
        return whole(session, rows)

    monkeypatch.setattr(facts, "append", fails_at_the_second_file)
    with pytest.raises(OSError, match="disk full"):
        hand_in(work, *bundle)
    assert sum(facts.count_rows(work.engine).values()) == 0
    monkeypatch.undo()
    assert [item[1] for item in outcomes(hand_in(work, *bundle))] == ["accepted"] * 3


# --- the inbox ---


def inbox(work: Workspace) -> Path:
    return work.settings.inbox_folder / BRVT


def put(work: Workspace, name: str, body: bytes, minute: int = 0) -> Path:
    """A file in the inbox, last written at that minute."""
    path = inbox(work) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    os.utime(path, (1_760_000_000 + 60 * minute,) * 2)
    return path


def names(work: Workspace) -> list[str]:
    return sorted(str(path.relative_to(inbox(work))) for path in inbox(work).rglob("*") if path.is_file())


def test_the_inbox_is_emptied_and_everything_moved_aside(work: Workspace) -> None:
    put(work, "sub.csv", table(FIELDS, TWO))
    put(work, f"{ONE}/bao-cao.csv", table(BOTH))
    put(work, f"{ONE}/a.png", png(1))
    put(work, f"{ONE}/xau.exe", b"MZ\x90\x00\x03")
    put(work, "lac.png", png(3))
    receipts = empty_inbox(work, BRVT)
    assert sorted(outcomes(receipts)) == [
        ("a.png", "accepted"), ("bao-cao.csv", "accepted"), ("lac.png", "refused"), ("sub.csv", "accepted"),
        ("xau.exe", "refused"),
    ]  # fmt: skip
    assert names(work) == [
        f"refused/{ONE}/xau.exe", "refused/lac.png", f"taken/{ONE}/a.png", f"taken/{ONE}/bao-cao.csv", "taken/sub.csv",
    ]  # fmt: skip
    assert [row.unit for row in stored(work, EvidenceFileRow)] == [ONE]
    assert {row.channel for row in stored(work, SubmissionRow)} == {"inbox"}
    assert empty_inbox(work, BRVT) == []


def test_a_second_file_of_one_name_does_not_hide_the_first(work: Workspace) -> None:
    put(work, "1.csv", table(FIELDS))
    empty_inbox(work, BRVT)
    put(work, "1.csv", table(BOTH))
    empty_inbox(work, BRVT)
    assert len(names(work)) == 2
    assert {(inbox(work) / name).read_bytes() for name in names(work)} == {table(FIELDS), table(BOTH)}


def test_what_is_still_being_written_is_left_alone_and_told(work: Workspace, tmp_path: Path) -> None:
    for name in (".bao-cao.csv", "bao-cao.csv.part", "bao-cao.csv.tmp", "~$bao-cao.xlsx", f"{ONE}/sau/a.png"):
        put(work, name, table(FIELDS))
    outside = tmp_path / "ngoai.csv"
    outside.write_bytes(table(FIELDS))
    (inbox(work) / "lien-ket.csv").symlink_to(outside)
    assert inbox_bundles(inbox(work)) == []
    assert empty_inbox(work, BRVT) == []
    left = [".bao-cao.csv", f"{ONE}/sau/a.png", "bao-cao.csv.part", "bao-cao.csv.tmp", "lien-ket.csv", "~$bao-cao.xlsx"]
    assert left_in_inbox(inbox(work)) == left
    put(work, "xong.csv", table(FIELDS))
    empty_inbox(work, BRVT)
    assert left_in_inbox(inbox(work)) == left
    assert left_in_inbox(inbox(work) / "khong-co") == []


def test_one_file_that_cannot_be_read_stops_no_other(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreadable, gone meanwhile, still growing, under a name that is no UTF-8: the others' deadlines run on."""
    for minute, name in enumerate(("khoa.csv", "mat.csv", "dang-ghi.csv")):
        put(work, name, table(FIELDS), minute)
    os.rename(put(work, "ten.csv", table(FIELDS)), os.fsencode(inbox(work)) + b"/t\xean.csv")
    put(work, "tot.csv", table(FIELDS, TWO), minute=9)
    whole = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "khoa.csv":
            raise PermissionError(13, "Permission denied")
        if path.name == "mat.csv":
            path.unlink()
        body = whole(path)
        if path.name == "dang-ghi.csv":
            path.write_bytes(body + b"\n")
        return body

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    receipts = empty_inbox(work, BRVT)
    assert sorted(outcomes(receipts)) == [("khoa.csv", "refused"), ("t?n.csv", "refused"), ("tot.csv", "accepted")]
    assert "không đọc được tệp trong hộp thư đến (Permission denied)" in receipts[0].problems[0].message
    assert [path.name for path in sorted(inbox(work).glob("*.csv"))] == ["dang-ghi.csv", "khoa.csv"]
    assert claimed(known(work)) == {(TWO, "2.4"): "2"}
    monkeypatch.undo()
    assert outcomes(empty_inbox(work, BRVT)) == [("khoa.csv", "accepted"), ("dang-ghi.csv", "unchanged")]


def test_what_may_not_be_read_and_what_is_no_file_is_told(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    put(work, "khoa.csv", table(FIELDS))
    put(work, f"{ONE}/a.png", png(1))
    os.mkfifo(inbox(work) / "ong.csv")
    os.rename(put(work, ".x", b"x"), os.fsencode(inbox(work)) + b"/.\xea")
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name not in ("khoa.csv", ONE))
    assert inbox_bundles(inbox(work)) == []
    assert sorted(left_in_inbox(inbox(work))) == [".?", ONE, f"{ONE}/a.png", "khoa.csv", "ong.csv"]


def test_a_folder_may_have_the_older_spelling_of_a_code(work: Workspace) -> None:
    put(work, "000.00.05.H00/1.csv", table(FIELDS))
    assert outcomes(empty_inbox(work, BRVT)) == [("1.csv", "accepted")]
    assert names(work) == ["taken/000.00.05.H00/1.csv"]


def test_of_two_versions_that_wait_the_newer_one_counts(work: Workspace) -> None:
    put(work, "z.csv", table({"2.4": ({"fields": "1"}, [])}), minute=1)
    put(work, "a.csv", table({"2.4": ({"fields": "4"}, [])}), minute=2)
    put(work, f"{TWO}/z.csv", table({"2.4": ({"fields": "1"}, [])}, TWO), minute=1)
    put(work, f"{TWO}/a.csv", table({"2.4": ({"fields": "4"}, [])}, TWO), minute=2)
    empty_inbox(work, BRVT)
    assert claimed(known(work)) == {(ONE, "2.4"): "4", (TWO, "2.4"): "4"}


def test_a_stop_between_storing_and_moving_does_no_harm(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    put(work, "z.csv", table({"2.4": ({"fields": "1"}, [])}), minute=1)

    def stopped(_self: Path, _target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            empty_inbox(work, BRVT)
    assert (names(work), len(stored(work, ClaimRow))) == (["z.csv"], 1)
    put(work, "a.csv", table({"2.4": ({"fields": "4"}, [])}), minute=2)
    assert outcomes(empty_inbox(work, BRVT)) == [("z.csv", "unchanged"), ("a.csv", "accepted")]
    assert names(work) == ["taken/a.csv", "taken/z.csv"]
    assert claimed(known(work)) == {(ONE, "2.4"): "4"}


# --- what a night sees ---


def test_a_night_sees_what_had_arrived_by_its_cut_off(work: Workspace) -> None:
    """Night 2026-10-15 closes with the last second of 16 October; BRVT's deadline here has passed by then."""
    hand_in(work, ("1.csv", table(FIELDS)))
    before = claimed(known(work))
    edit(work.settings.assessments_folder / f"{BRVT}.yaml", lambda data: data.pop("calendar"))
    last, after = at(work, "2026-10-16T23:59:59+07:00"), at(work, "2026-10-17T00:00:00+07:00")
    hand_in(last, ("2.csv", table({"2.4": ({"fields": "3"}, ["a.png"])})))
    hand_in(after, ("3.csv", table({"2.4": ({"fields": "4"}, ["a.png"])})))
    assert before == {(ONE, "2.4"): "2"}
    assert claimed(known(after)) == {(ONE, "2.4"): "3"}
    assert claimed(known(after, NIGHT + dt.timedelta(days=1))) == {(ONE, "2.4"): "4"}


def test_what_was_wrong_is_the_reason_until_the_cell_is_said_right(work: Workspace) -> None:
    """Also beside a later report that speaks of other criteria only; the deadline has passed at the cut-off."""
    hand_in(work, ("1.csv", table(BOTH | {"2.4": ({"fields": "hai"}, ["a.png"])})))
    hand_in(work, ("2.csv", table({"2.1": ({"issued": "february"}, ["b.png"])})))
    state, reason = known(work).unsaid(ONE, "2.4") or (None, "")
    assert state is InputState.MISSING
    assert reason.startswith("số liệu báo cáo có lỗi phải sửa: dòng 2")
    assert reason.endswith("; đã hết hạn 15/10/2026 23:59:59")
    assert known(work).unsaid(ONE, "2.5") == (
        InputState.MISSING,
        "chưa có báo cáo của đơn vị; đã hết hạn 15/10/2026 23:59:59",
    )
    edit(work.settings.assessments_folder / f"{BRVT}.yaml", lambda data: data.pop("calendar"))
    open_ended = known(at(work, IN_TIME))
    assert (open_ended.unsaid(ONE, "2.4") or ("",))[0] is InputState.PENDING
    assert open_ended.unsaid(ONE, "2.5") is None


def test_a_criterion_or_level_that_is_gone_says_nothing(work: Workspace) -> None:
    hand_in(work, ("1.csv", table(FIELDS)))
    assert known(work, level="district").cells == {}
