"""Acting: what is refused and kept, what is bad input and leaves no trace, all or none, two at once, the chain."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from appraisal_kit import (
    CLOCK,
    COMMUNE,
    DISTRICT,
    ID,
    LEAD,
    NIGHT,
    ONE,
    OTHER_DISTRICT,
    THREE,
    TWO,
    adjust,
    at,
    changed,
    copy_of,
    do,
    dump,
    installation,
    refusal,
    report,
)
from sqlmodel import Session, select

from dti_pipeline.appraisal import service
from dti_pipeline.appraisal.chain import FIRST, breaks, entry_id, rows_of
from dti_pipeline.appraisal.model import Actor, Wanted
from dti_pipeline.appraisal.service import ActionError, ActionRefused, act, desk_of, preview
from dti_pipeline.appraisal.verify import verify
from dti_pipeline.night import Workspace
from dti_pipeline.scoring.ranking import ChoiceNeeded
from dti_pipeline.store.tables import EventRow


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three departments under Huế; ONE and TWO report 3 and 4 meetings (7.5 and 10 of 10 points)."""
    home = tmp_path_factory.mktemp("hue")
    found = installation(home, "hue-2024", "department", [ONE, TWO, THREE], clock="2026-10-09T09:00:00+07:00")
    report(found, ONE, {"1.1": {"meetings": "3"}, "1.2": {"a": "4", "b": "1"}})
    report(found, TWO, {"1.1": {"meetings": "4"}})
    return at(found, CLOCK)


@pytest.fixture
def work(template: Workspace, tmp_path: Path) -> Workspace:
    return copy_of(template, tmp_path / "home")


def rows(work: Workspace) -> list[EventRow]:
    with Session(work.engine) as session:
        found = rows_of(session, ID)
        session.expunge_all()
    return found


# --- what is kept ---


def test_an_entry_says_who_what_why_when_and_what_was_before(work: Workspace) -> None:
    first = adjust(work, LEAD, ONE, "1.1", meetings="2")
    second = do(work, LEAD, "reject", TWO, "1.1", reason="  không có biên bản họp ", document="BB 12")
    assert (first.sequence, first.previous, second.sequence, second.previous) == (1, FIRST, 2, first.id)
    assert (second.actor, second.actor_unit, second.role) == ("Nguyễn Thị An", "H00.11", "lead")
    assert second.at == dt.datetime.fromisoformat("2026-10-16T00:30:00+07:00")
    assert dict(second.payload) == {
        "reason": "không có biên bản họp",
        "document": "BB 12",
        "stage": "Sở Thông tin và Truyền thông rà soát tài liệu kiểm chứng, phê duyệt số liệu từng chỉ số",
    }
    stored = rows(work)
    assert [row.id for row in stored] == [first.id, second.id] == [entry_id(row) for row in stored]
    assert breaks(stored) == []


def test_a_decision_is_superseded_never_edited(work: Workspace) -> None:
    adjust(work, LEAD, ONE, "1.1", meetings="2")
    before = [row.model_dump() for row in rows(work)]
    adjust(work, LEAD, ONE, "1.1", meetings="1")
    assert [row.model_dump() for row in rows(work)][:1] == before
    assert desk_of(work, ID).decisions().cells[ONE, "1.1"].inputs == {"meetings": "1"}


def test_a_refusal_is_kept_and_changes_nothing_else(work: Workspace) -> None:
    stranger = Actor("Hoàng Văn Dũng", TWO)
    before = dump(work)
    told = refusal(work, stranger, "reject", ONE, "1.1")
    assert told == f"{TWO} không thẩm định {ONE}: chỉ đơn vị chủ trì hoặc cấp trên trực tiếp của đơn vị đó"
    (row,) = rows(work)
    assert (row.outcome, row.refusal, row.actor, row.role) == ("refused", told, "Hoàng Văn Dũng", "none")
    assert desk_of(work, ID).decisions().cells == {}
    assert [line for line in dump(work).splitlines() if line not in before.splitlines()] != []
    assert len(dump(work).splitlines()) == len(before.splitlines()) + 1
    # Scope goes before everything about the figures: nobody learns of claims by trying.
    assert refusal(work, stranger, "accept", THREE, "1.1", reason=None).startswith(f"{TWO} không thẩm định")


def test_the_last_second_is_in_time_whatever_the_fraction(work: Workspace) -> None:
    at_last = at(work, "2026-11-30T23:59:59.900000+07:00")
    assert do(at_last, LEAD, "reject", ONE, "1.1").outcome == "done"
    late = at(work, "2026-12-01T00:00:00+07:00")
    assert "đã quá hạn công bố 30/11/2026 23:59:59" in refusal(late, LEAD, "reject", ONE, "1.2")


@pytest.mark.parametrize("status", ["frozen", "published"])
def test_a_frozen_assessment_refuses_and_remembers(work: Workspace, status: str) -> None:
    told = refusal(changed(work, status=status), LEAD, "reject", ONE, "1.1")
    assert told.startswith("đợt đánh giá thu đã")
    assert [row.outcome for row in rows(work)] == ["refused"]


# --- bad input ---

UNTIL = dt.datetime.fromisoformat("2026-10-20T17:00:00+07:00")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted("adjust", "H00.99", "1.1", "vì", {"meetings": "1"}), "«H00.99» không thuộc đợt đánh giá thu"),
        (Wanted("adjust", "H00.21", "1.1", "vì", {"meetings": "1"}), "«H00.21» không thuộc đợt đánh giá thu"),
        (Wanted("adjust", ONE, "9.9", "vì", {"meetings": "1"}), "không có tiêu chí «9.9»"),
        (Wanted("adjust", ONE, "1.1", None, {"meetings": "1"}), "cần ghi lý do"),
        (Wanted("adjust", ONE, "1.1", " \n", {"meetings": "1"}), "cần ghi lý do"),
        (Wanted("adjust", ONE, "1.1", "vì"), "cần ghi số liệu mới"),
        (Wanted("adjust", ONE, None, "vì", {"meetings": "1"}), "cần ghi tiêu chí"),
        (Wanted("adjust", ONE, "1.1", "vì", {"cuoc": "1"}), "không có số liệu «cuoc»; có: meetings"),
        (Wanted("adjust", ONE, "1.1", "vì", {"meetings": "1,5"}), "write the decimal with a dot"),
        (Wanted("adjust", ONE, "1.1", "vì", {"meetings": "1.5"}), "is not a whole number"),
        (Wanted("adjust", ONE, "1.1", "vì", {"meetings": "-1"}), "is not a non-negative"),
        (Wanted("adjust", ONE, "1.2", "vì", {"b": "5"}), "số liệu không hợp lý: phải có b <= a"),
        (Wanted("reject", ONE, "1.1", "vì", {"meetings": "1"}), "không kèm số liệu"),
        (Wanted("accept", THREE, "1.1", "vì"), "chưa báo cáo số liệu nào cho tiêu chí 1.1"),
        (Wanted("grant_na", ONE, "1.1", "vì"), "cần văn bản làm căn cứ"),
        (Wanted("exclude", ONE, "1.1", "vì"), "cần văn bản làm căn cứ"),
        (Wanted("exempt", ONE, None, "vì"), "cần văn bản làm căn cứ"),
        (Wanted("exempt", ONE, "1.1", "vì", document="CV 1"), "là việc của cả đơn vị"),
        (Wanted("approve", ONE, "1.1"), "là việc của cả đơn vị"),
        (Wanted("ask", ONE, "1.1", "vì"), "cần hạn trả lời"),
        (Wanted("ask", ONE, "1.1", "vì", until=dt.datetime(2026, 10, 20, 17)), "cần hạn trả lời"),  # noqa: DTZ001
        (Wanted("ask", ONE, "1.1", "vì", until=UNTIL.replace(day=15)), "phải ở sau lúc này"),
        (Wanted("ask", ONE, "1.1", "vì", until=UNTIL.replace(month=12)), "trước hạn công bố 30/11/2026 23:59:59"),
        (Wanted("ask", ONE, "1.1", None, until=UNTIL), "cần ghi lý do hoặc nội dung"),
        (Wanted("reject", ONE, "1.1", "vì", until=UNTIL), "không có hạn trả lời"),
        (Wanted("answer", ONE, "1.1", "vì"), "cần ghi mã của yêu cầu"),
        (Wanted("reject", ONE, "1.1", "v" * 4001), "dài quá 4000 ký tự"),
    ],
)
def test_bad_input_is_told_and_leaves_no_trace(work: Workspace, wanted: Wanted, told: str) -> None:
    before = dump(work)
    with pytest.raises(ActionError) as caught:
        act(work, ID, LEAD, [wanted], NIGHT)
    assert told in str(caught.value)
    assert not isinstance(caught.value, ActionRefused)
    assert dump(work) == before


@pytest.mark.parametrize(("actor", "told"), [(Actor(" ", "H00.11"), "họ tên"), (Actor("An", "H99.11"), "«H99.11»")])
def test_an_actor_has_a_name_and_a_unit_that_is_known(work: Workspace, actor: Actor, told: str) -> None:
    with pytest.raises(ActionError, match=told):
        do(work, actor, "reject", ONE, "1.1")
    assert rows(work) == []


def test_a_cell_ruled_by_paper_is_not_decided_again(work: Workspace) -> None:
    paper = {"unit": ONE, "criterion": "1.1", "state": "excluded", "reason": "mật", "document": "CV 2"}
    ruled = changed(work, rulings=[paper], choices={"excluded": "leave_maximum"})
    with pytest.raises(ActionError, match="đã có văn bản ghi trong tệp"):
        do(ruled, LEAD, "reject", ONE, "1.1")


def test_a_change_of_points_needs_a_reason_also_through_accept(work: Workspace) -> None:
    # 1.1 counts as claimed already, so accepting it changes nothing.
    assert dict(do(work, LEAD, "accept", ONE, "1.1", reason=None).payload)["inputs"] == {"meetings": "3"}
    adjust(work, LEAD, TWO, "1.1", meetings="0")
    with pytest.raises(ActionError, match="làm thay đổi điểm; phải ghi lý do"):
        do(work, LEAD, "accept", TWO, "1.1", reason=None)
    assert do(work, LEAD, "accept", TWO, "1.1", reason="có biên bản").payload["inputs"] == {"meetings": "4"}
    assert len(rows(work)) == 3


def test_an_adjustment_keeps_what_an_earlier_one_set(work: Workspace) -> None:
    adjust(work, LEAD, ONE, "1.2", a="10")
    event = adjust(work, LEAD, ONE, "1.2", b="3")
    assert event.payload["inputs"] == {"a": "10", "b": "3"}


def test_what_nobody_has_said_the_worth_of_stops_the_decision(work: Workspace) -> None:
    # Huế's decision does not say what a state secret is worth.
    with pytest.raises(ChoiceNeeded, match="excluded"):
        do(work, LEAD, "exclude", ONE, "1.1", document="CV 3")
    assert rows(work) == []
    chosen = changed(work, choices={"excluded": "leave_maximum"})
    assert do(chosen, LEAD, "exclude", ONE, "1.1", document="CV 3").outcome == "done"
    # A level that waits for a choice already takes decisions that have a reason.
    with pytest.raises(ActionError, match="chưa tính được tác động nên phải ghi lý do"):
        do(work, LEAD, "accept", TWO, "1.1", reason=None)
    assert do(work, LEAD, "accept", TWO, "1.1").outcome == "done"


def test_the_document_of_a_unit_is_kept_with_its_bytes(work: Workspace) -> None:
    from dti_pipeline.evidence.intake import HandedFile, take_in

    early = at(work, "2026-10-09T09:00:00+07:00")
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001"
        "48afa4710000000049454e44ae426082"
    )
    (receipt,) = take_in(early, ID, [HandedFile("cho-phep.png", pixel, ONE)], channel="cli")
    assert receipt.outcome == "accepted", receipt
    event = do(work, LEAD, "grant_na", ONE, "1.1", document="Cho-Phep.png")
    assert event.payload["document_sha256"] == hashlib.sha256(pixel).hexdigest()
    assert "document_sha256" not in do(work, LEAD, "grant_na", TWO, "1.1", document="cho-phep.png").payload


# --- threads ---


def test_a_question_its_answer_and_its_end(work: Workspace) -> None:
    asked = do(work, LEAD, "ask", ONE, "1.1", reason="Đề nghị gửi biên bản", until=UNTIL)
    unit = Actor("Phạm Thị Em", ONE)
    assert refusal(work, Actor("X", TWO), "answer", ONE, thread=asked.id).startswith(f"chỉ {ONE} được")
    answered = do(work, unit, "answer", ONE, thread=asked.id, reason="Đã gửi kèm")
    assert answered.criterion == "1.1"
    (thread,) = desk_of(work, ID).decisions().threads
    assert (thread.state, [item.text for item in thread.messages]) == (
        "answered",
        ["Đề nghị gửi biên bản", "Đã gửi kèm"],
    )
    with pytest.raises(ActionError, match=r"là về tiêu chí 1\.1, không phải 1\.2"):
        do(work, LEAD, "close", ONE, "1.2", thread=asked.id)
    do(work, LEAD, "close", ONE, thread=asked.id, reason=None)
    assert refusal(work, unit, "answer", ONE, thread=asked.id) == "trao đổi này đã kết thúc"
    assert [item.state for item in desk_of(work, ID).decisions().threads] == ["closed"]


def test_a_made_up_thread_is_refused_and_breaks_no_night(work: Workspace) -> None:
    assert refusal(work, LEAD, "close", ONE, thread="f" * 64).startswith("không có trao đổi")
    assert desk_of(work, ID).decisions().threads == ()


def test_unanswered_it_is_overdue_from_the_next_second(work: Workspace) -> None:
    asked = do(work, LEAD, "ask", ONE, "1.1", until=UNTIL)
    assert [item.state for item in desk_of(at(work, "2026-10-20T17:00:00+07:00"), ID).decisions().threads] == ["open"]
    late = at(work, "2026-10-20T17:00:01+07:00")
    assert [item.state for item in desk_of(late, ID).decisions().threads] == ["overdue"]
    assert "đã quá hạn trả lời" in refusal(late, Actor("E", ONE), "answer", ONE, thread=asked.id)


# --- all or none ---

GOOD = [
    Wanted("adjust", ONE, "1.1", "vì", {"meetings": "1"}),
    Wanted("reject", TWO, "1.1", "vì"),
]


def test_many_are_done_in_order_in_one_go(work: Workspace) -> None:
    done = act(work, ID, LEAD, [*GOOD, Wanted("approve", ONE)], NIGHT)
    assert [event.sequence for event in done.events] == [1, 2, 3]
    assert breaks(rows(work)) == []
    # ONE 7.5 → 2.5 beside 7.5 for 1.2; TWO 10 → 0.
    (effect,) = done.effects
    assert [(str(cell.points_before), str(cell.points_after)) for cell in effect.cells] == [
        ("15/2", "5/2"),
        ("10", "0"),
    ]


def test_one_bad_input_among_many_stops_all_and_every_one_is_told(work: Workspace) -> None:
    bad = [Wanted("adjust", ONE, "1.2", "vì", {"x": "1"}), *GOOD, Wanted("accept", THREE, "1.1", "vì")]
    with pytest.raises(ActionError) as caught:
        act(work, ID, LEAD, bad, NIGHT)
    assert [position for position, _ in caught.value.problems] == [0, 3]
    assert str(caught.value).splitlines()[0].startswith("1. ")
    assert rows(work) == []


def test_one_refusal_among_many_is_kept_alone(work: Workspace) -> None:
    # The last one comes after a statement about its unit in the same batch.
    batch = [*GOOD, Wanted("not_appraised", THREE, None, "vì"), Wanted("reject", THREE, "1.1", "vì")]
    told = changed(work, choices={"not_appraised": "zero"})
    with pytest.raises(ActionRefused) as caught:
        act(told, ID, LEAD, batch, NIGHT)
    assert [(event.unit, event.action, event.outcome) for event in caught.value.events] == [
        (THREE, "reject", "refused")
    ]
    (row,) = rows(work)
    assert (row.outcome, row.sequence, row.previous) == ("refused", 1, FIRST)
    assert "mở lại đơn vị trước" in (row.refusal or "")


def test_a_failure_in_the_middle_leaves_nothing(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = service.next_entry, []

    def failing(*arguments: Any, **named: Any) -> EventRow:
        calls.append(named["unit"])
        row = real(*arguments, **named)
        if len(calls) == 6:  # checked, previewed, and now the second of the transaction
            row.payload = None  # type: ignore[assignment]
        return row

    monkeypatch.setattr(service, "next_entry", failing)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever breaks
        act(work, ID, LEAD, GOOD, NIGHT)
    assert len(calls) == 6
    assert rows(work) == []


def test_a_preview_writes_nothing_and_tells_what_would_be_refused(work: Workspace) -> None:
    before = dump(work)
    (effect,) = preview(work, ID, LEAD, GOOD[:1], NIGHT)
    with pytest.raises(ActionError, match="không thẩm định") as caught:
        preview(work, ID, DISTRICT, GOOD, NIGHT)
    assert not isinstance(caught.value, ActionRefused)
    assert dump(work) == before
    # Totals 15, 10 and 0; then 10, 10 and 0: ONE joins TWO, and nobody else moves.
    one, two, *rest = effect.units
    assert (one.unit, one.printed_before, one.printed_after, one.rank_before, one.rank_after) == (
        ONE, "15.00", "10.00", 1, 1,
    )  # fmt: skip
    assert (two.unit, two.rank_before, two.rank_after) == (TWO, 2, 1)
    assert rest == []


def test_a_preview_sees_what_was_decided_since_the_night(work: Workspace) -> None:
    adjust(work, LEAD, ONE, "1.1", meetings="0")
    (effect,) = preview(work, ID, LEAD, [Wanted("reopen", ONE, "1.1", "vì")], NIGHT)
    assert [(cell.points_before, cell.points_after) for cell in effect.cells] == [(0, 7.5)]


# --- two at once ---


def at_once(work: Workspace, count: int) -> None:
    """As many actions as threads, started together, each with its own workspace."""
    barrier, failures = threading.Barrier(count), []

    def one(number: int) -> None:
        try:
            mine = Workspace(work.settings)
            desk = desk_of(mine, ID)
            ready = service._shaped(desk, LEAD, [Wanted("reject", ONE, "1.1", f"lần {number}")])
            barrier.wait(timeout=10)
            service._append(desk, LEAD, ready)
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    started = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for item in started:
        item.start()
    for item in started:
        item.join(timeout=30)
    assert failures == []
    stored = rows(work)
    assert [row.sequence for row in stored] == list(range(1, count + 1))
    assert {row.payload[row.payload.index("lần") :][:5] for row in stored} == {f"lần {n}" for n in range(count)}
    assert breaks(stored) == []


def test_actions_at_the_same_moment_all_land(work: Workspace) -> None:
    rows(work)  # the schema is there before the threads start
    at_once(work, 8)


def test_an_entry_that_came_between_is_looked_at(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody approves the unit after the check and before the writing: the second look refuses."""
    stages = [
        {"name": "một", "levels": ["department"], "by": "lead", "may": ["appraise", "approve"], "clause": "1"},
    ]
    work = changed(work, stages=stages)
    real, pending = service._append, [True]

    def slow(*arguments: Any) -> Any:
        if pending and arguments[2][0][1].action == "reject":
            pending.clear()
            do(work, LEAD, "approve", ONE)
        return real(*arguments)

    monkeypatch.setattr(service, "_append", slow)
    with pytest.raises(ActionRefused, match="đã được phê duyệt"):
        do(work, LEAD, "reject", ONE, "1.1")
    assert [(row.action, row.outcome) for row in rows(work)] == [("approve", "done"), ("reject", "refused")]


def test_a_clock_behind_the_newest_entry_is_told(work: Workspace) -> None:
    do(work, LEAD, "reject", ONE, "1.1")
    with pytest.raises(ActionError, match="đồng hồ chỉ 16/10/2026 00:20:00"):
        do(at(work, "2026-10-16T00:20:00+07:00"), LEAD, "reject", TWO, "1.1")
    # Machines differ by seconds: the entry is dated no earlier than the one before it.
    event = do(at(work, "2026-10-16T00:29:55+07:00"), LEAD, "reject", TWO, "1.1")
    assert event.at == dt.datetime.fromisoformat("2026-10-16T00:30:00+07:00")


@pytest.fixture
def postgres() -> str:
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        pytest.skip("TEST_POSTGRES_URL names no empty database (README: optional tests)")
    return url


def test_actions_at_the_same_moment_all_land_on_postgresql(work: Workspace, postgres: str) -> None:
    elsewhere = Workspace(work.settings.model_copy(update={"database_url": postgres}))
    with Session(elsewhere.engine) as session, session.begin():
        for row in session.exec(select(EventRow)).all():
            session.delete(row)
    at_once(elsewhere, 8)


# --- districts and communes ---


def test_a_district_appraises_its_own_communes_and_no_others(tmp_path: Path) -> None:
    work = installation(tmp_path, "bac-giang-2022", "commune", [COMMUNE, "H00.22.01"])
    assert adjust(work, DISTRICT, COMMUNE, "1.2", meetings="4").role == "parent"
    assert "H00.22 không thẩm định H00.21.01" in refusal(work, OTHER_DISTRICT, "reject", COMMUNE, "1.2")
    assert "không giao H00.11" in refusal(work, LEAD, "reject", COMMUNE, "1.2")
    assert verify(work).entries == {ID: 3}


# --- what a hostile reader tried ---


def test_actions_on_one_cell_see_those_before_them(work: Workspace) -> None:
    both = [Wanted("adjust", ONE, "1.2", "vì", {"a": "8"}), Wanted("adjust", ONE, "1.2", "vì", {"b": "2"})]
    act(work, ID, LEAD, both, NIGHT)
    assert desk_of(work, ID).decisions().cells[ONE, "1.2"].inputs == {"a": "8", "b": "2"}
    # What is reopened, or decided otherwise, is not brought back by the next one.
    for first in ("reopen", "reject"):
        act(work, ID, LEAD, [Wanted(first, ONE, "1.2", "vì"), Wanted("adjust", ONE, "1.2", "vì", {"b": "1"})], NIGHT)
        assert desk_of(work, ID).decisions().cells[ONE, "1.2"].inputs == {"b": "1"}
        adjust(work, LEAD, ONE, "1.2", a="8", b="2")


def test_a_cell_decided_in_the_meantime_is_not_decided_over(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(work, LEAD, ONE, "1.2", a="9", b="1")
    real, pending = service._append, [True]

    def slow(*arguments: Any) -> Any:
        if pending:
            pending.clear()
            adjust(work, LEAD, ONE, "1.2", a="8")
            adjust(work, LEAD, TWO, "1.1", meetings="1")
        return real(*arguments)

    monkeypatch.setattr(service, "_append", slow)
    with pytest.raises(ActionError, match=f"{ONE}, 1.2: Nguyễn Thị An vừa điều chỉnh số liệu"):
        adjust(work, LEAD, ONE, "1.2", b="2")
    assert desk_of(work, ID).decisions().cells[ONE, "1.2"].inputs == {"a": "8", "b": "1"}
    # Of other cells nothing has to be looked at again.
    pending.append(True)
    assert do(work, LEAD, "reject", ONE, "1.1").outcome == "done"


def test_an_appeal_that_is_closed_leaves_the_decision_uncontested(work: Workspace) -> None:
    unit = Actor("Phạm Thị Em", ONE)
    adjust(work, LEAD, ONE, "1.1", meetings="0")
    first = do(work, unit, "appeal", ONE, "1.1")
    do(work, LEAD, "close", ONE, thread=first.id, reason="giữ nguyên")
    desk = desk_of(work, ID)
    assert (desk.decisions().cells[ONE, "1.1"].is_contested, desk.decisions().threads[0].state) == (False, "closed")
    second = do(work, unit, "appeal", ONE, "1.1", reason="có thêm biên bản")
    adjust(work, LEAD, ONE, "1.1", meetings="1")
    do(work, unit, "appeal", ONE, "1.1", reason="vẫn thiếu")
    # Closing one that was answered says nothing of a newer one.
    do(work, LEAD, "close", ONE, thread=second.id)
    assert desk.decisions().cells[ONE, "1.1"].is_contested


@pytest.mark.parametrize("name", ["An\n2. giả", "A\u202eb", "A\x00b", "x" * 201])
def test_a_name_is_one_line_that_can_be_read(work: Workspace, name: str) -> None:
    with pytest.raises(ActionError, match="họ tên người thực hiện là một dòng"):
        do(work, Actor(name, "H00.11"), "reject", ONE, "1.1")
    with pytest.raises(ActionError, match="ký tự đảo chiều"):
        do(work, LEAD, "reject", ONE, "1.1", reason="vì\u202e")
    for nothing in ("\u200b", " \xa0 ", "…"):
        with pytest.raises(ActionError, match="cần ghi lý do"):
            do(work, LEAD, "reject", ONE, "1.1", reason=nothing)
        with pytest.raises(ActionError, match="cần ghi họ tên"):
            do(work, Actor(nothing, "H00.11"), "reject", ONE, "1.1")
    assert rows(work) == []
