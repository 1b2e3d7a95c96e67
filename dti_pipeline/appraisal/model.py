"""The shapes of appraisal: who acts, on what, what was decided, and the threads of questions and answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Action = Literal[
    "accept",
    "adjust",
    "reject",
    "ask",
    "answer",
    "appeal",
    "close",
    "grant_na",
    "refuse_na",
    "exclude",
    "reopen",
    "not_appraised",
    "exempt",
    "approve",
]
"""`accept`: the unit's own figures hold; `adjust`: other figures hold; `reject`: the evidence is not accepted;
`ask`: explanation or supplement wanted; `close`: a thread is done with; `grant_na`, `refuse_na`: a request not to be
assessed is granted or refused; `exclude`: state secret; `reopen`: what was decided on a cell or unit holds no more;
`not_appraised`, `exempt`: of a whole unit; `approve`: the figures of a unit are approved as they stand."""

UNIT_ACTIONS: frozenset[Action] = frozenset({"not_appraised", "exempt", "approve"})
"""Actions on a whole unit; `reopen` is on a cell or a unit."""
DECIDING: frozenset[Action] = frozenset({"accept", "adjust", "reject", "grant_na", "refuse_na", "exclude"})
"""Actions that decide a cell. A later one supersedes an earlier one."""

ACTION_WORDS: dict[Action, str] = {
    "accept": "chấp nhận số liệu đơn vị báo cáo",
    "adjust": "điều chỉnh số liệu",
    "reject": "không chấp nhận tài liệu kiểm chứng",
    "ask": "yêu cầu giải trình, bổ sung",
    "answer": "trả lời",
    "appeal": "kiến nghị xem xét lại",
    "close": "kết thúc trao đổi",
    "grant_na": "cho phép không đánh giá",
    "refuse_na": "không đồng ý đề nghị không đánh giá",
    "exclude": "không đánh giá vì bí mật nhà nước",
    "reopen": "mở lại",
    "not_appraised": "không thẩm định",
    "exempt": "không thực hiện đánh giá",
    "approve": "phê duyệt số liệu",
}

Role = Literal["lead", "parent", "unit", "none"]
"""What the actor's unit is to the unit dealt with: the assessment's lead agency, the unit above, the unit itself."""
ROLE_WORDS: dict[Role, str] = {
    "lead": "đơn vị chủ trì",
    "parent": "cấp trên trực tiếp",
    "unit": "đơn vị được đánh giá",
    "none": "không liên quan",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, on behalf of a unit."""

    name: str
    unit: str
    """Identifier code."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One action that somebody wants to take."""

    action: Action
    unit: str
    criterion: str | None = None
    reason: str | None = None
    """Why; needed by everything that changes points, and by what is asked or answered (its text)."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """`adjust`: input -> value as `parse_value` takes it. `accept` fills it with the claims in force."""
    document: str | None = None
    """The paper behind it: number and date, or the name of an evidence file of the unit."""
    until: dt.datetime | None = None
    """`ask`: the last second for the answer."""
    thread: str | None = None
    """`answer`, `close`: the thread's id (the event that opened it)."""
    document_sha256: str | None = None
    """The service fills it where the document is an evidence file of the unit."""
    is_supplement: bool = False
    """`ask`: the unit may hand in supplements for the criterion until then."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the chain, as stored."""

    id: str
    """sha256 over everything else, the previous entry's id included."""
    previous: str
    """The id of the entry before it; 64 zeros for the first."""
    sequence: int
    assessment: str
    action: Action
    actor: str
    actor_unit: str
    role: Role
    unit: str
    criterion: str | None
    payload: Mapping[str, object]
    """inputs, reason, document, document_sha256, until, thread, is_supplement, stage: those that the action has."""
    outcome: Literal["done", "refused"]
    refusal: str | None
    at: dt.datetime

    @property
    def reason(self) -> str | None:
        text = self.payload.get("reason")
        return text if isinstance(text, str) else None


@dataclass(frozen=True, slots=True)
class CellDecision:
    """What was decided on a cell and holds at a moment."""

    action: Action
    inputs: Mapping[str, str]
    reason: str | None
    document: str | None
    event: str
    by: str
    role: Role
    at: dt.datetime
    is_contested: bool = False
    """The unit has appealed since: the decision holds until the next one."""


@dataclass(frozen=True, slots=True)
class Message:
    event: str
    action: Action
    by: str
    role: Role
    text: str
    at: dt.datetime


ThreadState = Literal["open", "answered", "overdue", "closed"]
THREAD_WORDS: dict[ThreadState, str] = {
    "open": "đang chờ trả lời",
    "answered": "đã trả lời, chờ xem xét",
    "overdue": "quá hạn trả lời",
    "closed": "đã kết thúc",
}


@dataclass(frozen=True, slots=True)
class Thread:
    """A request or an appeal on a cell, with what followed."""

    id: str
    kind: Literal["request", "appeal"]
    unit: str
    criterion: str | None
    state: ThreadState
    until: dt.datetime | None
    is_supplement: bool
    messages: tuple[Message, ...]
    contested: CellDecision | None = None
    """An appeal: the decision it is against."""
    decided: CellDecision | None = None
    """An appeal: what the appraiser decided on the cell since; None while nothing, or where it was reopened."""


@dataclass(frozen=True, slots=True)
class UnitDecision:
    """What was decided on a whole unit and holds at a moment."""

    action: Action
    reason: str | None
    document: str | None
    event: str
    by: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Decisions:
    """What all events of an assessment come to at a moment."""

    cells: Mapping[tuple[str, str], CellDecision]
    """(unit, criterion) -> what holds."""
    units: Mapping[tuple[str, Action], UnitDecision]
    """(unit, action) -> what holds; `approve` may stand beside the others."""
    threads: tuple[Thread, ...]
    """By the moment they were opened."""

    @property
    def supplements(self) -> dict[tuple[str, str], dt.datetime]:
        """(unit, criterion) -> until when a supplement that was asked for may come."""
        found: dict[tuple[str, str], dt.datetime] = {}
        for thread in self.threads:
            if thread.is_supplement and thread.criterion is not None and thread.until is not None:
                at = (thread.unit, thread.criterion)
                found[at] = max(thread.until, found.get(at, thread.until))
        return found


NO_DECISIONS = Decisions({}, {}, ())
