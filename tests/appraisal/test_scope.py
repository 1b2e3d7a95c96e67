"""Who may do what to whom and until when: every role, action, level and stage; deadlines to the second; statuses."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from dti_pipeline.appraisal.decisions import decisions_at
from dti_pipeline.appraisal.model import (
    NO_DECISIONS,
    Action,
    Actor,
    CellDecision,
    Decisions,
    Thread,
    UnitDecision,
    Wanted,
)
from dti_pipeline.appraisal.scope import Permission, deals_with, permission
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.scoring.engine import UnitRef

NOW = dt.datetime.fromisoformat("2026-10-16T00:30:00+07:00")
LAST = dt.datetime.fromisoformat("2026-10-31T23:59:59+07:00")
PUBLICATION = dt.datetime.fromisoformat("2026-11-30T23:59:59+07:00")
SECOND = dt.timedelta(seconds=1)
UNITS = {
    "province": UnitRef("H00", "tỉnh"),
    "department": UnitRef("H00.05", "sở", "H00"),
    "district": UnitRef("H00.21", "huyện", "H00"),
    "commune": UnitRef("H00.21.01", "xã", "H00.21"),
}
WINDOWS = {"from": {"day": 1, "month": 1}, "to": {"day": 31, "month": 12}}


def assessment(framework: str, **more: Any) -> Assessment:
    found = load_framework(framework)
    data: dict[str, Any] = {
        "id": "thu", "framework": framework, "year": 2026, "provinces": ["H00"], "lead_unit": "H00.11",
        "calendar": {
            "levels": {level.level: {"appraisal": "2026-10-31"} for level in found.levels},
            "publication": "2026-11-30",
        },
        "windows": {level.level: WINDOWS for level in found.levels if found.window_of(level) == "unstated"},
    }  # fmt: skip
    return Assessment.model_validate(data | more)


def decided(unit: str, criterion: str = "1.1", *, is_contested: bool = False) -> dict[tuple[str, str], CellDecision]:
    item = CellDecision("reject", {}, "vì", None, "e1", "An", "lead", NOW, is_contested)
    return {(unit, criterion): item}


def a_thread(unit: str, **more: Any) -> Thread:
    told: dict[str, Any] = {"kind": "request", "state": "open", "until": None, "is_supplement": False, "messages": ()}
    return Thread(**{"id": "t1", "unit": unit, "criterion": "1.1"} | told | more)


def unit_decision(unit: str, action: Action) -> dict[tuple[str, Action], UnitDecision]:
    return {(unit, action): UnitDecision(action, "vì", None, "e2", "An", NOW)}


def asked(
    found: Assessment,
    level: str,
    actor: str,
    wanted: Wanted,
    decisions: Decisions = NO_DECISIONS,
    now: dt.datetime = NOW,
) -> Permission:
    framework = load_framework(found.framework)
    return permission(
        found, framework, framework.level(level), UNITS[level], Actor("An", actor), wanted, decisions, now
    )


def want(action: Action, unit: str, **more: Any) -> Wanted:
    criterion = None if action in ("not_appraised", "exempt", "approve") else "1.1"
    return Wanted(action, unit, criterion, "vì", **{"thread": "t1"} if action in ("answer", "close") else {}, **more)


APPRAISE = {"accept", "adjust", "reject", "grant_na", "refuse_na", "exclude", "reopen", "ask", "close", "not_appraised"}
LEAD = APPRAISE | {"exempt"}
NOBODY: set[str] = set()
WHO_MAY = {
    # (framework, level) -> what the lead agency may, what the unit above may
    ("brvt-2022", "department"): (LEAD | {"supplement"}, NOBODY),
    ("brvt-2022", "district"): (LEAD | {"supplement"}, NOBODY),
    ("brvt-2022", "commune"): (LEAD | {"supplement"}, APPRAISE),
    ("bac-giang-2022", "department"): (LEAD, NOBODY),
    ("bac-giang-2022", "district"): (LEAD, NOBODY),
    ("bac-giang-2022", "commune"): ({"exempt"}, APPRAISE),
    ("ninh-thuan-2021", "province"): ({"exempt"}, NOBODY),
    ("hue-2024", "department"): (LEAD | {"approve"}, NOBODY),
    ("hue-2024", "district"): (LEAD | {"approve"}, NOBODY),
    ("hue-2024", "commune"): ({"exempt"}, APPRAISE | {"approve"}),
    ("phu-tho-2018", "department"): (LEAD, NOBODY),
    ("phu-tho-2018", "district"): (LEAD, NOBODY),
    ("phu-tho-2018", "commune"): ({"exempt"}, APPRAISE),
    ("qd766-2022", "province"): ({"exempt"}, NOBODY),
    ("qd766-2022", "department"): ({"exempt"}, NOBODY),
    ("qd766-2022", "commune"): ({"exempt"}, NOBODY),
}  # fmt: skip
ACTIONS: tuple[Action, ...] = (
    "accept", "adjust", "reject", "ask", "answer", "appeal", "close", "grant_na", "refuse_na", "exclude", "reopen",
    "not_appraised", "exempt", "approve",
)  # fmt: skip


def test_the_table_names_every_level_of_every_decision() -> None:
    named = {(name, level.level) for name in {name for name, _ in WHO_MAY} for level in load_framework(name).levels}
    assert named == set(WHO_MAY)


@pytest.mark.parametrize(("framework", "level"), WHO_MAY)
def test_each_role_may_what_the_stages_say_and_nothing_else(framework: str, level: str) -> None:
    found, unit = assessment(framework), UNITS[level]
    lead, parent = WHO_MAY[framework, level]
    roles = {
        "H00.11": ("lead", lead),
        unit.parent or "H00.99": ("parent" if unit.parent else "none", parent),
        unit.code: ("unit", {"answer", "appeal"}),
        "H00.22": ("none", NOBODY),  # another district, or a stranger
        "H00.06": ("none", NOBODY),
    }
    decisions = Decisions(decided(unit.code), {}, (a_thread(unit.code),))
    for actor, (role, may) in roles.items():
        for action in ACTIONS:
            answer = asked(found, level, actor, want(action, unit.code), decisions)
            assert (answer.refusal is None) == (action in may), (actor, action, answer)
            if action not in ("answer", "appeal"):
                assert answer.role == role
        supplement = asked(found, level, actor, want("ask", unit.code, is_supplement=True), decisions)
        assert (supplement.refusal is None) == ("supplement" in may), (actor, supplement)


def test_a_lead_agency_that_is_the_unit_above_has_the_stages_of_both() -> None:
    found = assessment("bac-giang-2022", lead_unit="H00.21")
    answer = asked(found, "commune", "H00.21", want("accept", "H00.21.01"))
    assert (answer.refusal, answer.role) == (None, "lead")
    level = load_framework("bac-giang-2022").level("commune")
    far = UnitRef("H00.22.01", "xã", "H00.22")
    for unit, may in ((UNITS["commune"], True), (far, False)):
        assert deals_with(found, load_framework("bac-giang-2022"), level, unit, "H00.21") is may


def test_words_of_refusals() -> None:
    found = assessment("brvt-2022")
    told = {
        actor: asked(found, "commune", actor, Wanted("ask", "H00.21.01", "1.1", "?", is_supplement=True)).refusal
        for actor in ("H00.21", "H00.22", "H00.21.01")
    }
    assert told == {
        "H00.21": "3710/QĐ-UBND không giao H00.21 việc «yêu cầu giải trình, bổ sung (bổ sung tài liệu)» ở Cấp xã "
        "(được giao: UBND cấp huyện thẩm định, chấm điểm và gửi Sở Thông tin và Truyền thông)",
        "H00.22": "H00.22 không thẩm định H00.21.01: chỉ đơn vị chủ trì hoặc cấp trên trực tiếp của đơn vị đó",
        "H00.21.01": "H00.21.01 không tự thẩm định mình",
    }


def test_the_stage_is_told_with_the_permission() -> None:
    answer = asked(assessment("brvt-2022"), "commune", "H00.21", want("reject", "H00.21.01"))
    assert answer == Permission("parent", "UBND cấp huyện thẩm định, chấm điểm và gửi Sở Thông tin và Truyền thông")


# --- approval and joint appraisal ---

TWO_STEPS = [
    {"name": "thẩm định", "levels": ["commune"], "by": "parent", "may": ["appraise", "approve"], "clause": "1"},
    {"name": "thẩm định chung", "levels": ["commune"], "by": "lead", "may": ["adjust"], "clause": "2"},
]


def test_a_joint_appraisal_adjusts_after_approval_and_the_appraiser_no_more() -> None:
    found, unit = assessment("brvt-2022", stages=TWO_STEPS), "H00.21.01"
    approved = Decisions({}, unit_decision(unit, "approve"), ())
    wanted = want("adjust", unit, inputs={"a": "1"})
    before = {actor: asked(found, "commune", actor, wanted) for actor in ("H00.21", "H00.11")}
    after = {actor: asked(found, "commune", actor, wanted, approved) for actor in ("H00.21", "H00.11")}
    assert before["H00.21"].stage == "thẩm định"
    assert before["H00.11"].refusal == (
        "số liệu của H00.21.01 chưa được phê duyệt; thẩm định chung chỉ điều chỉnh sau khi phê duyệt"
    )
    assert after["H00.21"].refusal == (
        "số liệu của H00.21.01 đã được phê duyệt; chỉ bước thẩm định chung được điều chỉnh"
    )
    assert after["H00.11"].stage == "thẩm định chung"
    # Once appraising is over the joint appraisal has its turn, approved or not.
    assert asked(found, "commune", "H00.11", wanted, now=LAST).refusal is not None
    assert asked(found, "commune", "H00.11", wanted, now=LAST + SECOND).stage == "thẩm định chung"


def test_hue_approves_and_then_adjusts_under_the_other_stage() -> None:
    found, unit = assessment("hue-2024"), "H00.05"
    approved = Decisions({}, unit_decision(unit, "approve"), ())
    wanted = want("adjust", unit, inputs={"a": "1"})
    stages = [asked(found, "department", "H00.11", wanted, held).stage for held in (NO_DECISIONS, approved)]
    assert stages == [
        "Sở Thông tin và Truyền thông rà soát tài liệu kiểm chứng, phê duyệt số liệu từng chỉ số",
        "Sở Thông tin và Truyền thông cùng các cơ quan liên quan thẩm định, công nhận hoặc điều chỉnh",
    ]
    # Whether a unit was appraised at all is no figure to adjust.
    assert asked(found, "department", "H00.11", want("not_appraised", unit), approved).refusal is not None


def test_adjusting_needs_no_approval_where_nobody_approves() -> None:
    found = assessment("brvt-2022", stages=[TWO_STEPS[1]])
    assert asked(found, "commune", "H00.11", want("reject", "H00.21.01")).stage == "thẩm định chung"


# --- time ---


@pytest.mark.parametrize(
    ("action", "actor", "last"),
    [
        ("reject", "H00.21", LAST),
        ("ask", "H00.21", LAST),
        ("not_appraised", "H00.21", LAST),
        ("reject", "H00.11", LAST),
        ("not_appraised", "H00.11", PUBLICATION),
        ("exempt", "H00.11", PUBLICATION),
        ("close", "H00.21", PUBLICATION),
        ("appeal", "H00.21.01", PUBLICATION),
    ],
)
def test_the_last_second_is_in_time_and_the_next_is_not(action: Action, actor: str, last: dt.datetime) -> None:
    found, unit = assessment("brvt-2022"), "H00.21.01"
    held = Decisions(decided(unit), {}, (a_thread(unit),))
    assert asked(found, "commune", actor, want(action, unit), held, last).refusal is None
    told = asked(found, "commune", actor, want(action, unit), held, last + SECOND).refusal
    shown = "31/10/2026 23:59:59" if last is LAST else "30/11/2026 23:59:59"
    assert told is not None
    assert shown in told


def test_a_district_has_its_own_dates_where_the_decision_leaves_them_to_it() -> None:
    dates = {"appraisal": "2026-10-31", "districts": {"H00.21": {"appraisal": "2026-10-20"}}}
    found = assessment("hue-2024", calendar={"levels": {"commune": dates}})
    own = dt.datetime.fromisoformat("2026-10-20T23:59:59+07:00")
    wanted = want("not_appraised", "H00.21.01")
    assert asked(found, "commune", "H00.21", wanted, now=own).refusal is None
    assert "20/10/2026 23:59:59" in (asked(found, "commune", "H00.21", wanted, now=own + SECOND).refusal or "")


def test_an_appeal_reopens_deciding_until_publication() -> None:
    found, unit = assessment("brvt-2022", status="appraised"), "H00.21.01"
    for is_contested in (False, True):
        held = Decisions(decided(unit, is_contested=is_contested), {}, ())
        for action in ("adjust", "accept", "reject", "grant_na", "reopen"):
            answer = asked(found, "commune", "H00.21", want(action, unit), held, PUBLICATION)  # type: ignore[arg-type]
            assert (answer.refusal is None) == is_contested, action
        assert asked(found, "commune", "H00.21", want("reject", unit), held, PUBLICATION + SECOND).refusal is not None
    # Another cell of the unit stays decided.
    held = Decisions(decided(unit, "1.2", is_contested=True), {}, ())
    assert asked(found, "commune", "H00.21", want("reject", unit), held).refusal is not None


@pytest.mark.parametrize(
    ("status", "may"),
    [
        ("open", {"adjust", "approve", "exempt", "appeal", "answer"}),
        ("self_scoring_closed", {"adjust", "approve", "exempt", "appeal", "answer"}),
        ("appraised", {"adjust", "exempt", "appeal", "answer"}),  # Huế: the joint appraisal goes on
        ("frozen", NOBODY),
        ("published", NOBODY),
    ],
)
def test_what_each_status_leaves(status: str, may: set[str]) -> None:
    found, unit = assessment("hue-2024", status=status), "H00.05"
    held = Decisions(decided(unit), {}, (a_thread(unit),))
    actions: tuple[Action, ...] = ("adjust", "approve", "exempt", "appeal", "answer")
    answers = {
        action: asked(
            found, "department", unit if action in ("appeal", "answer") else "H00.11", want(action, unit), held
        )
        for action in actions
    }
    assert {action for action, answer in answers.items() if answer.refusal is None} == may


def test_appraised_ends_it_where_no_stage_adjusts() -> None:
    found = assessment("phu-tho-2018", status="appraised")
    told = asked(found, "department", "H00.11", want("reject", "H00.05")).refusal
    assert told == "đợt đánh giá thu đã thẩm định; việc «không chấp nhận tài liệu kiểm chứng» không còn làm được"


# --- threads, units as a whole ---


def test_answers_go_to_ones_own_open_request_in_time() -> None:
    found, unit = assessment("brvt-2022"), "H00.21.01"
    until = dt.datetime.fromisoformat("2026-10-20T17:00:00+07:00")

    def answer(thread: Thread, now: dt.datetime = NOW, actor: str = unit) -> str | None:
        held = Decisions({}, {}, (thread,))
        return asked(found, "commune", actor, want("answer", unit), held, now).refusal

    assert answer(a_thread(unit, until=until), until) is None
    assert answer(a_thread(unit, until=until), until + SECOND) == "đã quá hạn trả lời 20/10/2026 17:00:00"
    assert answer(a_thread("H00.21.02")) == "không có yêu cầu t1 gửi cho H00.21.01"
    assert answer(a_thread(unit, id="t2")) == "không có yêu cầu t1 gửi cho H00.21.01"
    assert answer(a_thread(unit, state="closed")) == "trao đổi này đã kết thúc"
    assert answer(a_thread(unit), actor="H00.21") == "chỉ H00.21.01 được trả lời về ô của mình"


@pytest.mark.parametrize("thread", [a_thread("H00.21.02"), a_thread("H00.21.01", id="t2")])
def test_only_a_thread_with_the_unit_can_be_closed(thread: Thread) -> None:
    held = Decisions({}, {}, (thread,))
    told = asked(assessment("brvt-2022"), "commune", "H00.21", want("close", "H00.21.01"), held).refusal
    assert told == "không có trao đổi t1 với H00.21.01"


def test_closed_twice_reopened_and_appealed_without_cause() -> None:
    found, unit = assessment("brvt-2022"), "H00.21.01"
    closed = Decisions({}, {}, (a_thread(unit, state="closed"),))
    assert asked(found, "commune", "H00.21", want("close", unit), closed).refusal == "trao đổi này đã kết thúc"
    told = "H00.21.01 chưa có quyết định nào để mở lại ở đây"
    assert asked(found, "commune", "H00.21", want("reopen", unit)).refusal == told
    assert asked(found, "commune", "H00.21", Wanted("reopen", unit, None, "vì")).refusal == told
    told = "tiêu chí 1.1 chưa có kết quả thẩm định nào để kiến nghị"
    assert asked(found, "commune", unit, want("appeal", unit)).refusal == told
    held = Decisions(decided(unit, is_contested=True), {}, ())
    assert "đang chờ xem xét" in (asked(found, "commune", unit, want("appeal", unit), held).refusal or "")


@pytest.mark.parametrize("action", ["exempt", "not_appraised"])
def test_nothing_is_appraised_in_a_unit_that_is_out(action: Action) -> None:
    unit = "H00.21.01"
    by_event = Decisions(decided(unit), unit_decision(unit, action), ())
    by_file = assessment("brvt-2022", **{action: [{"unit": unit, "reason": "vì"}]})
    assert "mở lại đơn vị trước" in (
        asked(assessment("brvt-2022"), "commune", "H00.21", want("reject", unit), by_event).refusal or ""
    )
    assert "trong tệp" in (asked(by_file, "commune", "H00.21", want("reject", unit), NO_DECISIONS).refusal or "")


def test_what_the_lead_agency_said_of_a_unit_only_it_takes_back() -> None:
    found, unit = assessment("brvt-2022"), "H00.21.01"
    wanted = Wanted("reopen", unit, None, "vì")
    exempt = Decisions({}, unit_decision(unit, "exempt"), ())
    assert "chỉ đơn vị chủ trì mở lại" in (asked(found, "commune", "H00.21", wanted, exempt).refusal or "")
    assert asked(found, "commune", "H00.11", wanted, exempt).refusal is None
    # Not appraised: taken back by the lead agency after the appraisal deadline too, by the district until then.
    gone = Decisions({}, unit_decision(unit, "not_appraised"), ())
    assert asked(found, "commune", "H00.21", wanted, gone, LAST).refusal is None
    assert asked(found, "commune", "H00.21", wanted, gone, LAST + SECOND).refusal is not None
    assert asked(found, "commune", "H00.11", wanted, gone, LAST + SECOND).refusal is None


def test_no_lead_agency_no_lead() -> None:
    found = assessment("brvt-2022", lead_unit=None)
    assert asked(found, "department", "H00.11", want("reject", "H00.05")).role == "none"
    assert decisions_at((), NOW) == NO_DECISIONS
