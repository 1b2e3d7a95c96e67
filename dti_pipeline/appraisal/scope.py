"""Who may do what to whom, and until when: the stages of the assessment, its calendar and its status. Pure.

The stages are data of the framework or the assessment: `by: parent` deals with the units under it and no others,
`by: lead` is the lead agency. Here: the answer, in words where it is no. Not here: appending events.

Rights: `appraise` until the appraisal deadline and until the unit is approved, on a contested cell until publication;
`adjust` afterwards, or at any time where no stage of the level approves; `approve` and closing until publication.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from dti_pipeline.appraisal.model import ACTION_WORDS, DECIDING, Action, Actor, Decisions, Role, Wanted
from dti_pipeline.evidence.standing import shown
from dti_pipeline.frameworks.assessment import STATUS_WORDS, Assessment, LevelDeadlines
from dti_pipeline.frameworks.model import Framework, Level, Stage
from dti_pipeline.scoring.engine import UnitRef

_BY_UNIT: frozenset[Action] = frozenset({"answer", "appeal"})
_RIGHTS: dict[Action, frozenset[str]] = {
    "close": frozenset({"appraise", "adjust", "ask_supplement"}),
    "not_appraised": frozenset({"appraise"}),
    "approve": frozenset({"approve"}),
}
"""Action -> rights of a stage, one of which it needs; the others need one of _APPRAISING."""
_APPRAISING = frozenset({"appraise", "adjust"})


@dataclass(frozen=True, slots=True)
class Permission:
    """The answer to one wanted action."""

    role: Role
    stage: str | None = None
    """The stage under which it is allowed; None where it is not, or needs none."""
    refusal: str | None = None
    """Why not, in words; None where it is allowed."""


def stages_of(assessment: Assessment, framework: Framework) -> tuple[Stage, ...]:
    """The stages that hold: the assessment's own, else the decision's."""
    return framework.stages if assessment.stages is None else assessment.stages


def role_of(assessment: Assessment, actor: Actor, unit: UnitRef, action: Action) -> Role:
    """What the actor is to the unit in this action. The lead agency may be a unit that is assessed itself."""
    if action in _BY_UNIT:
        return "unit" if actor.unit == unit.code else "none"
    if actor.unit == assessment.lead_unit:
        return "lead"
    if unit.parent is not None and actor.unit == unit.parent:
        return "parent"
    return "unit" if actor.unit == unit.code else "none"


def permission(
    assessment: Assessment,
    framework: Framework,
    level: Level,
    unit: UnitRef,
    actor: Actor,
    wanted: Wanted,
    decisions: Decisions,
    now: dt.datetime,
) -> Permission:
    """Whether the actor may do this now. `now` in whole seconds: the last second of a deadline is in time."""
    role = role_of(assessment, actor, unit, wanted.action)
    what = ACTION_WORDS[wanted.action]
    publication = assessment.calendar.publication
    if not assessment.is_live:
        why = f"đợt đánh giá {assessment.id} {STATUS_WORDS[assessment.status]}; việc «{what}» không còn làm được"
        return Permission(role, None, why)
    if publication is not None and now > publication and wanted.action != "answer":
        return Permission(role, None, f"đã quá hạn công bố {shown(publication)}; việc «{what}» không còn làm được")
    if wanted.action in _BY_UNIT:
        return Permission(role, None, _unit_refusal(unit, role, wanted, decisions, now))
    if role == "unit":
        return Permission(role, None, f"{unit.code} không tự thẩm định mình")
    if role == "none":
        why = f"{actor.unit} không thẩm định {unit.code}: chỉ đơn vị chủ trì hoặc cấp trên trực tiếp của đơn vị đó"
        return Permission(role, None, why)
    if (why_not := _pointless(assessment, unit, role, wanted, decisions)) is not None:
        return Permission(role, None, why_not)
    if wanted.action == "exempt":
        return Permission(role, None, None if role == "lead" else f"chỉ đơn vị chủ trì được {what}")
    return _by_stage(assessment, framework, level, unit, actor, role, wanted, decisions, now)


def _by_stage(
    assessment: Assessment,
    framework: Framework,
    level: Level,
    unit: UnitRef,
    actor: Actor,
    role: Role,
    wanted: Wanted,
    decisions: Decisions,
    now: dt.datetime,
) -> Permission:
    what = ACTION_WORDS[wanted.action]
    stages = [stage for stage in stages_of(assessment, framework) if level.level in stage.levels]
    mine = [stage for stage in stages if _is_given(stage, role, actor.unit, unit)]
    rights = _RIGHTS.get(wanted.action, _APPRAISING)
    if wanted.action == "ask" and wanted.is_supplement:
        rights = frozenset({"ask_supplement"})
    fitting = [stage for stage in mine if rights & set(stage.may)]
    if not fitting:
        told = "; ".join(stage.name for stage in mine) or "không có bước nào"
        what = f"{what} (bổ sung tài liệu)" if wanted.is_supplement else what
        why = f"{framework.decision.number} không giao {actor.unit} việc «{what}» ở {level.name} (được giao: {told})"
        return Permission(role, None, why)
    deadline = assessment.calendar.levels.get(level.level, LevelDeadlines()).of(unit.parent).appraisal
    is_closed = assessment.status == "appraised"
    is_over = is_closed or (deadline is not None and now > deadline)
    is_approved = (unit.code, "approve") in decisions.units
    approves = any("approve" in stage.may for stage in stages)
    is_late_allowed = _is_late_allowed(unit, role, wanted, decisions)
    holds = {
        "appraise": not is_approved and (is_late_allowed or not is_over),
        "ask_supplement": not is_approved and (is_late_allowed or not is_over),
        "adjust": is_approved or is_over or not approves,
        "approve": not is_closed,
    }
    if wanted.action == "close":
        holds = dict.fromkeys(holds, True)
    for stage in fitting:
        if any(holds[right] for right in stage.may if right in rights):
            return Permission(role, stage.name)
    if is_approved:
        why = f"số liệu của {unit.code} đã được phê duyệt; chỉ bước thẩm định chung được điều chỉnh"
    elif not is_over:
        why = f"số liệu của {unit.code} chưa được phê duyệt; thẩm định chung chỉ điều chỉnh sau khi phê duyệt"
    elif is_closed:
        why = f"đợt đánh giá {assessment.id} {STATUS_WORDS['appraised']}; việc «{what}» không còn làm được"
    else:
        why = f"đã quá hạn thẩm định {shown(deadline) if deadline else '?'}; việc «{what}» không còn làm được"
    return Permission(role, None, why)


def _is_late_allowed(unit: UnitRef, role: Role, wanted: Wanted, decisions: Decisions) -> bool:
    """What is done after the appraisal deadline by its nature: deciding on an appeal, and the lead agency's stating
    (or taking back) that a unit's appraiser did not appraise it."""
    decided = decisions.cells.get((unit.code, wanted.criterion or ""))
    if wanted.action in DECIDING or (wanted.action == "reopen" and wanted.criterion is not None):
        return decided is not None and decided.is_contested
    if wanted.action == "reopen":
        return role == "lead" and (unit.code, "not_appraised") in decisions.units
    return role == "lead" and wanted.action == "not_appraised"


def _pointless(assessment: Assessment, unit: UnitRef, role: Role, wanted: Wanted, decisions: Decisions) -> str | None:
    """Why the action has nothing to act on."""
    if wanted.action == "close":
        thread = next((item for item in decisions.threads if item.id == wanted.thread), None)
        if thread is None or thread.unit != unit.code:
            return f"không có trao đổi {wanted.thread} với {unit.code}"
        return "trao đổi này đã kết thúc" if thread.state == "closed" else None
    if wanted.action == "reopen":
        if wanted.criterion is not None:
            is_there = (unit.code, wanted.criterion) in decisions.cells
        else:
            is_there = any(code == unit.code for code, _ in decisions.units)
            if (unit.code, "exempt") in decisions.units and role != "lead":
                return f"{unit.code} được đơn vị chủ trì cho không thực hiện đánh giá; chỉ đơn vị chủ trì mở lại"
        return None if is_there else f"{unit.code} chưa có quyết định nào để mở lại ở đây"
    for action, notes in (("exempt", assessment.exempt), ("not_appraised", assessment.not_appraised)):
        if wanted.action in ("exempt", "not_appraised"):
            break
        if (unit.code, action) in decisions.units:
            return f"{unit.code} đã được ghi là {ACTION_WORDS[action]}; mở lại đơn vị trước"  # type: ignore[index]
        if any(note.unit == unit.code for note in notes):
            return f"{unit.code} được ghi là {ACTION_WORDS[action]} trong tệp của đợt đánh giá"  # type: ignore[index]
    return None


def _unit_refusal(unit: UnitRef, role: Role, wanted: Wanted, decisions: Decisions, now: dt.datetime) -> str | None:
    if role != "unit":
        return f"chỉ {unit.code} được {ACTION_WORDS[wanted.action]} về ô của mình"
    if wanted.action == "appeal":
        decided = decisions.cells.get((unit.code, wanted.criterion or ""))
        if decided is None:
            return f"tiêu chí {wanted.criterion} chưa có kết quả thẩm định nào để kiến nghị"
        return f"tiêu chí {wanted.criterion} đã có kiến nghị đang chờ xem xét" if decided.is_contested else None
    thread = next((item for item in decisions.threads if item.id == wanted.thread), None)
    if thread is None or thread.unit != unit.code:
        return f"không có yêu cầu {wanted.thread} gửi cho {unit.code}"
    if thread.state == "closed":
        return "trao đổi này đã kết thúc"
    if thread.until is not None and now > thread.until:
        return f"đã quá hạn trả lời {shown(thread.until)}"
    return None


def deals_with(assessment: Assessment, framework: Framework, level: Level, unit: UnitRef, actor_unit: str) -> bool:
    """Whether a stage gives the actor's unit anything to do with the unit."""
    role = role_of(assessment, Actor("", actor_unit), unit, "accept")
    return any(
        _is_given(stage, role, actor_unit, unit) and level.level in stage.levels
        for stage in stages_of(assessment, framework)
    )


def _is_given(stage: Stage, role: Role, actor_unit: str, unit: UnitRef) -> bool:
    """Whether a stage is the actor's. A lead agency that is also the unit above has the stages of both."""
    return stage.by == role or (role == "lead" and stage.by == "parent" and actor_unit == unit.parent)


def appraisers_of(assessment: Assessment, framework: Framework, level: Level, unit: UnitRef) -> tuple[str, ...]:
    """Codes of the units that appraise a unit, as the stages say."""
    who = {"parent": unit.parent, "lead": assessment.lead_unit}
    found = [
        who[stage.by]
        for stage in stages_of(assessment, framework)
        if level.level in stage.levels and "appraise" in stage.may
    ]
    return tuple(dict.fromkeys(code for code in found if code))
