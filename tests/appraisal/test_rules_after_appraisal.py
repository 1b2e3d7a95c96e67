"""From decisions of appraisers to totals, ratings and ranks, under each decision's own rules; figures by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import pytest
from appraisal_kit import (
    CLOCK,
    COMMUNE,
    COMMUNE_2,
    COMMUNE_3,
    DISTRICT,
    FAR_COMMUNE,
    FAR_COMMUNE_2,
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
    do,
    dump,
    installation,
    origins,
    places,
    ranking,
    report,
    run,
    score,
)

from assets.checks import _assessed
from dti_pipeline.appraisal.model import Actor, Wanted
from dti_pipeline.appraisal.service import ActionError, act, desk_of, preview
from dti_pipeline.appraisal.views import queue
from dti_pipeline.evidence.intake import HandedFile, take_in
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.lineage.explain import explain
from dti_pipeline.lineage.narrate import narrate
from dti_pipeline.night import Workspace

IN_TIME, LATE = "2026-10-10T09:00:00+07:00", "2026-10-12T09:00:00+07:00"


# --- Bà Rịa - Vũng Tàu ---


@pytest.fixture
def brvt(tmp_path: Path) -> Workspace:
    """Three communes; 1.2 is meetings, 1.5 points: 4 → 1.5, 3 → 1.125, 2 → 0.75, 1 → 0.375."""
    return installation(tmp_path, "brvt-2022", "commune", [COMMUNE, COMMUNE_2, COMMUNE_3])


def test_brvt_a_commune_not_appraised_has_0_and_is_ranked(brvt: Workspace) -> None:
    adjust(brvt, DISTRICT, COMMUNE, "1.2", meetings="4")
    adjust(brvt, DISTRICT, COMMUNE_2, "1.2", meetings="2")
    adjust(brvt, DISTRICT, COMMUNE_3, "1.2", meetings="3")
    run(brvt)
    assert places(brvt, "commune") == {COMMUNE: ("1.50", 1), COMMUNE_2: ("0.75", 3), COMMUNE_3: ("1.13", 2)}
    # After the appraisal deadline the lead agency states it; what the district decided counts no more.
    late = at(brvt, "2026-11-01T09:00:00+07:00")
    do(late, LEAD, "not_appraised", COMMUNE, reason="UBND thành phố không thẩm định")
    later = at(brvt, "2026-11-02T00:30:00+07:00")
    run(later, dt.date(2026, 11, 1))
    row = ranking(later, "commune", dt.date(2026, 11, 1))[COMMUNE]
    assert (row.standing, row.total_micro, row.rank, row.rating) == ("not_appraised", 0, 3, "Yếu")
    assert row.standing_reason == "UBND thành phố không thẩm định"
    assert places(later, "commune", dt.date(2026, 11, 1))[COMMUNE_3] == ("1.13", 1)
    # The earlier night still says what it knew.
    run(later)
    assert places(later, "commune")[COMMUNE] == ("1.50", 1)


def test_brvt_a_granted_cell_gets_the_mean_of_its_peers(brvt: Workspace) -> None:
    adjust(brvt, DISTRICT, COMMUNE, "1.2", meetings="4")
    adjust(brvt, DISTRICT, COMMUNE_2, "1.2", meetings="2")
    (effect,) = preview(
        brvt, ID, DISTRICT, [Wanted("grant_na", COMMUNE_3, "1.2", "không có", document="CV 5/UBND")], NIGHT
    )
    do(brvt, DISTRICT, "grant_na", COMMUNE_3, "1.2", reason="không có", document="CV 5/UBND")
    run(brvt)
    # (1.5 + 0.75) / 2
    assert score(brvt, "commune", COMMUNE_3, "1.2") == ("not_applicable", 1_125_000)
    assert places(brvt, "commune") == {COMMUNE: ("1.50", 1), COMMUNE_3: ("1.13", 2), COMMUNE_2: ("0.75", 3)}
    # The preview said so; COMMUNE_2 falls from the second place to the third.
    told = {item.unit: (item.printed_after, item.rank_before, item.rank_after) for item in effect.units}
    assert told == {COMMUNE_3: ("1.13", 3, 2), COMMUNE_2: ("0.75", 2, 3)}
    # Rejected evidence is a score of 0 and counts in the mean: (1.5 + 0) / 2.
    do(brvt, DISTRICT, "reject", COMMUNE_2, "1.2")
    run(brvt)
    assert score(brvt, "commune", COMMUNE_2, "1.2") == ("zero_rejected", 0)
    assert score(brvt, "commune", COMMUNE_3, "1.2") == ("not_applicable", 750_000)


def test_brvt_a_state_secret_leaves_the_maximum(brvt: Workspace) -> None:
    adjust(brvt, DISTRICT, COMMUNE, "1.2", meetings="4")
    do(brvt, DISTRICT, "exclude", COMMUNE, "1.1", document="CV mật 1")
    run(brvt)
    row = ranking(brvt, "commune")[COMMUNE]
    # 1.1 is worth 1.5: 1.5 of 98.5.
    assert (score(brvt, "commune", COMMUNE, "1.1")[0], row.max_points, row.printed) == ("excluded", "98.5", "1.52")


def test_brvt_late_claims_stay_0_and_unproved_ones_need_a_paper(brvt: Workspace) -> None:
    report(at(brvt, IN_TIME), COMMUNE, {"1.2": {"meetings": "4"}})
    report(at(brvt, LATE), COMMUNE_2, {"1.2": {"meetings": "4"}})
    run(brvt)
    assert score(brvt, "commune", COMMUNE, "1.2") == ("zero_no_evidence", 0)
    assert score(brvt, "commune", COMMUNE_2, "1.2") == ("zero_late", 0)
    before = dump(brvt)
    for action, inputs in (("accept", {}), ("adjust", {"meetings": "1"})):
        with pytest.raises(ActionError, match="thẩm định không thay được quy định về hạn nộp"):
            do(brvt, DISTRICT, action, COMMUNE_2, "1.2", inputs=inputs, document="BB 1")  # type: ignore[arg-type]
        with pytest.raises(ActionError, match="cần ghi lý do và văn bản"):
            do(brvt, DISTRICT, action, COMMUNE, "1.2", inputs=inputs)  # type: ignore[arg-type]
    assert dump(brvt) == before
    do(brvt, DISTRICT, "accept", COMMUNE, "1.2", document="Biên bản kiểm tra 7")
    do(brvt, DISTRICT, "reject", COMMUNE_3, "1.2")
    run(brvt)
    # What papers say of one cell and an appraiser of another stand side by side.
    assert score(brvt, "commune", COMMUNE_2, "1.2") == ("zero_late", 0)
    assert score(brvt, "commune", COMMUNE_3, "1.2") == ("zero_rejected", 0)
    assert score(brvt, "commune", COMMUNE, "1.2") == ("scored", 1_500_000)
    assert origins(brvt, "commune", COMMUNE, "1.2") == {"meetings": ("4", "appraised")}


def test_brvt_what_comes_late_after_an_adjustment_in_part_is_late(brvt: Workspace) -> None:
    # 2.2 is a of b: the district counted a, the unit says b too late.
    adjust(at(brvt, "2026-10-09T09:00:00+07:00"), DISTRICT, COMMUNE, "2.2", a="4")
    report(at(brvt, LATE), COMMUNE, {"2.2": {"a": "1", "b": "2"}})
    run(brvt)
    assert score(brvt, "commune", COMMUNE, "2.2") == ("zero_late", 0)


def test_brvt_a_supplement_asked_for_by_the_department_is_in_time(brvt: Workspace) -> None:
    until = dt.datetime.fromisoformat("2026-10-18T17:00:00+07:00")
    early = at(brvt, LATE)
    do(early, LEAD, "ask", COMMUNE, "1.2", until=until, is_supplement=True)
    do(early, LEAD, "ask", COMMUNE_2, "1.2", until=until)  # an explanation is no supplement
    for unit in (COMMUNE, COMMUNE_2, COMMUNE_3):
        report(at(brvt, "2026-10-15T09:00:00+07:00"), unit, {"1.2": {"meetings": "4"}})
    run(brvt)
    states = {unit: score(brvt, "commune", unit, "1.2")[0] for unit in (COMMUNE, COMMUNE_2, COMMUNE_3)}
    assert states == {COMMUNE: "zero_no_evidence", COMMUNE_2: "zero_late", COMMUNE_3: "zero_late"}
    # What came as a supplement can be accepted; what came late cannot.
    event = do(brvt, DISTRICT, "accept", COMMUNE, "1.2", document="BB 2")
    assert event.payload["inputs"] == {"meetings": "4"}


# --- Thừa Thiên Huế ---


@pytest.fixture
def hue(tmp_path: Path) -> Workspace:
    """Three departments; ONE 7.5 + 7.5, TWO 10, THREE 5 points of 391."""
    work = installation(tmp_path, "hue-2024", "department", [ONE, TWO, THREE], clock="2026-10-09T09:00:00+07:00")
    report(work, ONE, {"1.1": {"meetings": "3"}, "1.2": {"a": "4", "b": "1"}})
    report(work, TWO, {"1.1": {"meetings": "4"}})
    report(work, THREE, {"1.1": {"meetings": "2"}})
    return at(work, CLOCK)


def test_hue_a_grant_puts_the_whole_pool_on_percent(hue: Workspace) -> None:
    run(hue)
    assert places(hue, "department") == {ONE: ("15.00", 1), TWO: ("10.00", 2), THREE: ("5.00", 3)}
    do(hue, LEAD, "grant_na", ONE, "1.1", document="Văn bản cho phép 9")
    run(hue)
    # 7.5 of 381 is 1.97 %; 10 of 391 is 2.56 %; 5 of 391 is 1.28 %.
    assert places(hue, "department") == {TWO: ("2.56", 1), ONE: ("1.97", 2), THREE: ("1.28", 3)}
    assert ranking(hue, "department")[ONE].max_points == "381"


def test_hue_approved_figures_change_in_the_joint_appraisal(hue: Workspace) -> None:
    adjust(hue, LEAD, ONE, "1.1", meetings="4")
    do(hue, LEAD, "approve", ONE, reason=None)
    run(hue)
    assert places(hue, "department")[ONE] == ("17.50", 1)
    joint = adjust(hue, LEAD, ONE, "1.1", meetings="0")
    assert "cùng các cơ quan liên quan" in str(joint.payload["stage"])
    run(hue)
    # 0 + 7.5
    assert places(hue, "department") == {TWO: ("10.00", 1), ONE: ("7.50", 2), THREE: ("5.00", 3)}


def test_hue_what_comes_after_approval_does_not_count_and_waits_in_the_queue(hue: Workspace) -> None:
    do(hue, LEAD, "approve", ONE, reason=None)
    late = at(hue, "2026-10-16T09:00:00+07:00")
    report(late, ONE, {"1.1": {"meetings": "4"}})
    run(late)
    assert places(late, "department")[ONE] == ("15.00", 1)
    (item,) = queue(late, ID, NIGHT)
    assert (item.kind, item.unit, item.criterion) == ("changed", ONE, None)
    assert "16/10/2026 09:00:00" in item.what
    # The joint appraisal opens the unit again: then it counts.
    do(late, LEAD, "reopen", ONE)
    run(late)
    assert places(late, "department")[ONE] == ("17.50", 1)
    assert queue(late, ID, NIGHT) == []


def test_a_past_night_sees_events_by_its_cut_off_only(hue: Workspace) -> None:
    run(hue)
    before = places(hue, "department")
    last = at(hue, "2026-10-16T23:59:59+07:00")
    do(last, LEAD, "reject", ONE, "1.1")
    run(last)
    assert places(last, "department")[ONE] == ("7.50", 2)
    next_second = at(hue, "2026-10-17T00:00:00+07:00")
    do(next_second, LEAD, "reject", TWO, "1.1")
    run(next_second)
    assert places(next_second, "department") == {ONE: ("7.50", 2), TWO: ("10.00", 1), THREE: ("5.00", 3)}
    night = dt.date(2026, 10, 16)
    run(next_second, night)
    assert places(next_second, "department", night) == {ONE: ("7.50", 1), THREE: ("5.00", 2), TWO: ("0.00", 3)}
    assert before[ONE] == ("15.00", 1)


def test_an_exempt_unit_has_no_cells_and_the_gate_knows(hue: Workspace) -> None:
    do(hue, LEAD, "exempt", TWO, reason="đặc thù", document="CV 8")
    run(hue)
    row = ranking(hue, "department")[TWO]
    assert (row.standing, row.standing_reason, row.rank) == ("exempt", "đặc thù (CV 8)", None)
    level = load_framework("hue-2024").level("department")
    assert _assessed(hue, ID, level, NIGHT) == 2
    do(hue, LEAD, "reopen", TWO)
    run(hue)
    assert (places(hue, "department")[TWO], _assessed(hue, ID, level, NIGHT)) == (("10.00", 2), 3)


HEADER = "unit,unit_name,criterion,input,value,state,evidence,not_applicable\n"


@pytest.mark.parametrize(
    "lines",
    [
        [",missing,,Không có cổng riêng", ",missing,,Không có cổng riêng"],
        [",not_applicable,,", ",not_applicable,,"],  # nobody grants it to himself by another word
    ],
)
def test_a_request_waits_until_it_is_granted_or_refused(hue: Workspace, lines: list[str]) -> None:
    hue = changed(hue, choices={"missing": "zero"})
    column, days = lines
    body = HEADER + f"{ONE},,1.3,column,{column}\n{ONE},,1.3,days,{days}\n"
    (receipt,) = take_in(at(hue, IN_TIME), ID, [HandedFile("de-nghi.csv", body.encode())], channel="cli")
    assert receipt.outcome == "accepted", receipt
    run(hue)
    waiting = score(hue, "department", ONE, "1.3")
    assert [(item.kind, item.criterion) for item in queue(hue, ID, NIGHT)] == [("na_request", "1.3")]
    do(hue, LEAD, "refuse_na", ONE, "1.3", reason="phải thực hiện")
    run(hue)
    refused = score(hue, "department", ONE, "1.3")
    do(hue, LEAD, "grant_na", ONE, "1.3", document="CV 10")
    run(hue)
    granted = score(hue, "department", ONE, "1.3")
    assert (waiting, refused, granted) == (("pending", None), ("zero_no_evidence", 0), ("not_applicable", None))
    assert queue(hue, ID, NIGHT) == []


def test_an_appeal_contests_and_shows_what_came_of_it(hue: Workspace) -> None:
    first = adjust(hue, LEAD, ONE, "1.1", meetings="0")
    unit = Actor("Phạm Thị Em", ONE)
    do(hue, unit, "appeal", ONE, "1.1", reason="đã họp 3 lần")
    desk = desk_of(hue, ID)
    held = desk.decisions().cells[ONE, "1.1"]
    assert (held.event, held.is_contested) == (first.id, True)
    run(hue)
    assert score(hue, "department", ONE, "1.1") == ("scored", 0)  # it holds until the next decision
    adjust(hue, LEAD, ONE, "1.1", meetings="2")
    held = desk.decisions().cells[ONE, "1.1"]
    (thread,) = desk.decisions().threads
    assert (held.is_contested, held.inputs) == (False, {"meetings": "2"})
    assert thread.state == "answered"
    assert thread.contested is not None
    assert thread.decided is not None
    assert (thread.contested.inputs, thread.decided.inputs) == ({"meetings": "0"}, {"meetings": "2"})
    do(hue, unit, "appeal", ONE, "1.1", reason="vẫn thiếu một lần")
    assert desk.decisions().cells[ONE, "1.1"].is_contested


def test_explain_tells_who_decided_and_what_it_was_before(hue: Workspace) -> None:
    run(hue)
    adjust(hue, LEAD, ONE, "1.1", meetings="2")
    run(hue)
    chain = explain(hue, ID, ONE, "1.1", NIGHT)
    (item,) = chain["inputs"]
    assert (item["value"], item["origin"]) == ("2", "appraised")
    assert item["before_appraisal"] == {
        "value": "3", "state": "reported", "origin": "self_reported", "night": "2026-10-15",
    }  # fmt: skip
    lines = "\n".join(narrate(chain))
    assert "trước thẩm định: 3  [đơn vị tự báo cáo, reported], đêm 2026-10-15" in lines
    assert (
        "mục 1, 00:30:00 ngày 16/10/2026 (+0700): Nguyễn Thị An (H00.11, đơn vị chủ trì) điều chỉnh số liệu: "
        "meetings = 2; đã đối chiếu hồ sơ" in lines
    )


# --- Phú Thọ ---

FULL: Mapping[tuple[str, str], str] = {("2.2", "b"): "20", ("4.7", "a"): "156", ("5.2", "b"): "0", ("5.5", "b"): "0"}
"""Where ten of everything, or the first option, is not the best there is."""


def full_marks(unit: str) -> list[Wanted]:
    """Every criterion of a commune at its maximum: 90 points, class I."""
    level = load_framework("phu-tho-2018").level("commune")
    return [
        Wanted(
            "adjust",
            unit,
            criterion.code,
            "kiểm tra",
            {
                spec.name: FULL.get((criterion.code, spec.name))
                or (spec.option_values[0] if spec.kind == "option" else "10")
                for spec in criterion.inputs
            },
        )
        for criterion in level.criteria
    ]


def test_phu_tho_the_class_follows_the_groups_and_goes_before_the_total(tmp_path: Path) -> None:
    work = installation(tmp_path, "phu-tho-2018", "commune", [COMMUNE, COMMUNE_2, COMMUNE_3])
    act(work, ID, DISTRICT, [item for unit in (COMMUNE, COMMUNE_2, COMMUNE_3) for item in full_marks(unit)], NIGHT)
    run(work)
    found = ranking(work, "commune")
    assert {unit: (row.printed, row.rating, row.rank) for unit, row in found.items()} == dict.fromkeys(
        found, ("90.00", "Mức I", 1)
    )
    # 1.1 is worth 5: 5 of 10 computers leave 2.5, group 1 falls from 20 to 17.5: class I needs 18, class II 16.
    (effect,) = act(work, ID, DISTRICT, [Wanted("adjust", COMMUNE, "1.1", "đếm lại", {"b": "5"})], NIGHT).effects
    # 7.1 is worth 2 and 7.3 1.5: group 7 falls to 1.5, which is class III's and IV's 0, not class II's 2.5.
    for criterion in ("7.1", "7.3"):
        do(work, DISTRICT, "reject", COMMUNE_2, criterion)
    run(work)
    found = ranking(work, "commune")
    assert {unit: (row.printed, row.rating, row.rank) for unit, row in found.items()} == {
        COMMUNE_3: ("90.00", "Mức I", 1),
        COMMUNE: ("87.50", "Mức II", 2),
        COMMUNE_2: ("86.50", "Mức III", 3),
    }
    moved = effect.units[0]
    assert (moved.rating_before, moved.rating_after, moved.rank_before, moved.rank_after) == ("Mức I", "Mức II", 1, 3)
    # Class before total: COMMUNE at 87.5 - 3.5 - 2.5 = 81.5 of group 1 = 11.5 < 14 is below IV, and unranked.
    act(
        work, ID, DISTRICT,
        [Wanted("reject", COMMUNE, "1.4", "vì"), Wanted("reject", COMMUNE, "1.5", "vì")],
        NIGHT,
    )  # fmt: skip
    run(work)
    row = ranking(work, "commune")[COMMUNE]
    assert (row.printed, row.standing, row.rank) == ("81.50", "unranked", None)


# --- Bắc Giang ---


def test_bac_giang_an_adjustment_moves_its_own_pool_only(tmp_path: Path) -> None:
    units = [COMMUNE, COMMUNE_2, FAR_COMMUNE, FAR_COMMUNE_2]
    work = installation(tmp_path, "bac-giang-2022", "commune", units)
    for actor, unit, meetings in (
        (DISTRICT, COMMUNE, "4"), (DISTRICT, COMMUNE_2, "3"), (OTHER_DISTRICT, FAR_COMMUNE, "2"),
        (OTHER_DISTRICT, FAR_COMMUNE_2, "1"),
    ):  # fmt: skip
        adjust(work, actor, unit, "1.2", meetings=meetings)
    run(work)
    # 1.2 is worth 25: 25, 18.75, 12.5, 6.25.
    assert places(work, "commune") == {
        COMMUNE: ("25.00", 1), COMMUNE_2: ("18.75", 2), FAR_COMMUNE: ("12.50", 1), FAR_COMMUNE_2: ("6.25", 2),
    }  # fmt: skip
    (effect,) = act(work, ID, DISTRICT, [Wanted("adjust", COMMUNE, "1.2", "vì", {"meetings": "0"})], NIGHT).effects
    assert [(item.unit, item.rank_before, item.rank_after) for item in effect.units] == [
        (COMMUNE, 1, 2),
        (COMMUNE_2, 2, 1),
    ]
    run(work)
    assert places(work, "commune") == {
        COMMUNE: ("0.00", 2), COMMUNE_2: ("18.75", 1), FAR_COMMUNE: ("12.50", 1), FAR_COMMUNE_2: ("6.25", 2),
    }  # fmt: skip
    assert {unit: row.rank for unit, row in ranking(work, "commune").items()} == {
        COMMUNE_2: 1, FAR_COMMUNE: 2, FAR_COMMUNE_2: 3, COMMUNE: 4,
    }  # fmt: skip
