"""`dti verify` finds what somebody changed in the table by hand, and names it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from appraisal_kit import CLOCK, ID, LEAD, NIGHT, ONE, THREE, TWO, at, copy_of, do, installation, refusal, report
from small_installation import command_line
from sqlmodel import Session

from dti_pipeline.appraisal.chain import entry_id, rows_of
from dti_pipeline.appraisal.verify import HEADS, heads_of, verify
from dti_pipeline.night import Workspace, record_check
from dti_pipeline.store.tables import EventRow


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Five entries, the third a refusal; one report; the night has kept how far the chain went."""
    home = tmp_path_factory.mktemp("verify")
    early = installation(home, "hue-2024", "department", [ONE, TWO, THREE], clock="2026-10-09T09:00:00+07:00")
    report(early, ONE, {"1.1": {"meetings": "3"}})
    work = at(early, CLOCK)
    do(work, LEAD, "reject", ONE, "1.1")
    do(work, LEAD, "reject", TWO, "1.1")
    refusal(work, LEAD, "close", ONE, thread="f" * 64)
    do(work, LEAD, "reject", THREE, "1.1")
    do(work, LEAD, "reopen", THREE, "1.1")
    record_check(work, NIGHT, *HEADS, "passed", heads_of(work, NIGHT))
    return work


@pytest.fixture
def work(template: Workspace, tmp_path: Path) -> Workspace:
    return copy_of(template, tmp_path / "home")


def edit(work: Workspace, *statements: str) -> None:
    """SQL on the database file itself, past everything of ours."""
    work.engine.dispose()
    with sqlite3.connect(work.settings.data_dir / "dti.db") as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0


def found(work: Workspace) -> list[tuple[int, str, str]]:
    return [(item.sequence, item.entry, item.message) for item in verify(work).breaks]


SECOND = "không chấp nhận tài liệu kiểm chứng (H00.06, 1.1) – Nguyễn Thị An, H00.11"
THIRD = "kết thúc trao đổi (H00.05) – Nguyễn Thị An, H00.11"
FOURTH = "không chấp nhận tài liệu kiểm chứng (H00.07, 1.1) – Nguyễn Thị An, H00.11"
CHANGED, LOOSE = "nội dung không còn như lúc ghi", "không nối vào mục đứng trước"
OTHER = "không phải mục mà đêm 2026-10-15 đã ghi nhận; chuỗi được viết lại từ đây hoặc trước đó"


def test_an_untouched_chain_holds(work: Workspace) -> None:
    outcome = verify(work)
    assert (outcome.holds, outcome.entries, outcome.files) == (True, {ID: 5}, 1)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE event SET payload = replace(payload, 'hồ sơ', 'hố sơ') WHERE sequence = 2", [(2, SECOND, CHANGED)]),
        (
            "UPDATE event SET actor = 'Người khác' WHERE sequence = 2",
            [(2, SECOND.replace("Nguyễn Thị An", "Người khác"), CHANGED)],
        ),
        ("UPDATE event SET refusal = NULL WHERE sequence = 3", [(3, THIRD, CHANGED)]),
        ("UPDATE event SET outcome = 'done' WHERE sequence = 3", [(3, THIRD, CHANGED)]),
        (
            "UPDATE event SET recorded_at = '2026-10-15T17:29:59+00:00' WHERE sequence = 2",
            [
                (2, SECOND, CHANGED),
                (2, SECOND, "ghi lúc 2026-10-15T17:29:59+00:00, trước mục đứng trước (2026-10-15T17:30:00+00:00)"),
            ],
        ),
        ("DELETE FROM event WHERE sequence = 2", [(3, THIRD, "trước mục này thiếu mục 2"), (3, THIRD, LOOSE)]),
        (
            "DELETE FROM event WHERE sequence IN (2, 3)",
            [(4, FOURTH, "trước mục này thiếu mục 2–3"), (4, FOURTH, LOOSE)],
        ),
        ("DELETE FROM event WHERE sequence = 5", [(5, "", "thiếu mục 5: đêm 2026-10-15 chuỗi đã đến mục 5")]),
        ("DELETE FROM event WHERE sequence > 2", [(5, "", "thiếu mục 3–5: đêm 2026-10-15 chuỗi đã đến mục 5")]),
        ("DELETE FROM event", [(5, "", "thiếu mục 1–5: đêm 2026-10-15 chuỗi đã đến mục 5")]),
    ],
)
def test_an_edited_or_removed_entry_is_named(work: Workspace, statement: str, told: list[tuple[int, str, str]]) -> None:
    edit(work, statement)
    assert found(work) == told


def test_entries_that_changed_places_are_found(work: Workspace) -> None:
    edit(
        work,
        "UPDATE event SET sequence = 99 WHERE sequence = 2",
        "UPDATE event SET sequence = 2 WHERE sequence = 4",
        "UPDATE event SET sequence = 4 WHERE sequence = 99",
    )
    assert {item[0] for item in found(work) if item[2] == CHANGED} == {2, 4}
    assert {item[0] for item in found(work) if item[2] == LOOSE} == {2, 3, 4, 5}


def test_an_entry_put_in_is_found(work: Workspace) -> None:
    edit(
        work,
        "UPDATE event SET sequence = sequence + 100 WHERE sequence > 2",
        "UPDATE event SET sequence = sequence - 99 WHERE sequence > 100",
    )
    with Session(work.engine) as session, session.begin():
        second = rows_of(session, ID)[1]
        row = EventRow(**second.model_dump() | {"sequence": 3, "previous": second.id, "unit": THREE})
        row.id = entry_id(row)
        session.add(row)
    assert [(sequence, told) for sequence, _, told in found(work)][:2] == [(4, CHANGED), (4, LOOSE)]


def test_a_chain_written_anew_with_right_hashes_is_not_what_the_night_saw(work: Workspace) -> None:
    with Session(work.engine) as session, session.begin():
        rows = [EventRow(**row.model_dump()) for row in rows_of(session, ID)]
        for row in rows_of(session, ID):
            session.delete(row)
        session.flush()
        rows[1].actor = "Người khác"
        for before, row in zip([None, *rows], rows, strict=False):
            row.previous = before.id if before else row.previous
            row.id = entry_id(row)
            session.add(row)
    assert found(work) == [(5, "", OTHER)]


def test_bytes_that_were_altered_or_lost_are_named(work: Workspace) -> None:
    (stored,) = [path for path in (work.settings.data_dir / "snapshots").rglob("*") if path.is_file()]
    body = stored.read_bytes()
    stored.write_bytes(body + b" ")
    altered = verify(work).lost
    stored.unlink()
    lost = verify(work).lost
    assert [(item.assessment, item.unit, item.file) for item in (*altered, *lost)] == [(ID, ONE, "bao-cao.csv")] * 2
    assert "were altered" in altered[0].message
    assert "are not under" in lost[0].message
    assert verify(work, with_files=False).holds


def test_the_command_exits_1_and_names_it(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dti = command_line(work.settings.home, monkeypatch, capsys)
    assert dti("verify").out == "nguyên vẹn: 5 mục của 1 chuỗi, 1 tệp đã nộp\n"
    assert dti("verify", ID, "--json").data["holds"] is True
    edit(work, "UPDATE event SET actor = 'Người khác' WHERE sequence = 2")
    answer = dti("verify")
    assert answer.code == 1
    assert f"thu, mục 2, {SECOND.replace('Nguyễn Thị An', 'Người khác')}: {CHANGED}" in answer.out
    answer = dti("verify", "--json")
    assert (answer.code, [item["sequence"] for item in json.loads(answer.out)["breaks"]]) == (1, [2])


def test_a_later_column_changes_no_id(work: Workspace) -> None:
    with Session(work.engine) as session:
        (first, *_) = rows_of(session, ID)
        content = first.model_dump(exclude={"id"})
    told: Callable[[dict[str, object]], str] = lambda data: entry_id(EventRow(id="", **data))  # noqa: E731
    assert told(content) == first.id
    assert all(told(content | {name: "x"}) != first.id for name in content if name != "sequence")
