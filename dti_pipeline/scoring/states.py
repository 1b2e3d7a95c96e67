"""The states that a figure can be in. States are not numbers: none of them is another word for 0.

Here: the states of inputs and of cells and what a reason looks like. Not here: which of them count as 0 or
leave the maximum; that is data of the framework (`frameworks/model.py`, Policies).
"""

from __future__ import annotations

from enum import StrEnum


class InputState(StrEnum):
    """Where an input's value stands."""

    REPORTED = "reported"
    HARVESTED = "harvested"
    APPRAISED = "appraised"
    MISSING = "missing"
    NOT_APPLICABLE = "not_applicable"
    UNAVAILABLE = "unavailable"
    """The source could not be read. A harvest failure is never a 0."""
    STALE = "stale"
    """The last good value, older than its source's cadence allows."""
    PENDING = "pending"

    @property
    def has_value(self) -> bool:
        return self in _WITH_VALUE


_WITH_VALUE = frozenset({InputState.REPORTED, InputState.HARVESTED, InputState.APPRAISED, InputState.STALE})


class CellState(StrEnum):
    """Where the score of one criterion of one unit stands."""

    SCORED = "scored"
    SOURCE_SCORE = "source_score"
    """Taken from the platform, whose formula is not published."""
    ZERO_NO_EVIDENCE = "zero_no_evidence"
    ZERO_LATE = "zero_late"
    ZERO_REJECTED = "zero_rejected"
    NOT_APPLICABLE = "not_applicable"
    EXCLUDED = "excluded"
    """State secret: not evaluated."""
    NOT_APPRAISED = "not_appraised"
    UNAVAILABLE = "unavailable"
    STALE = "stale"
    PENDING = "pending"


ZERO_STATES = frozenset({CellState.ZERO_NO_EVIDENCE, CellState.ZERO_LATE, CellState.ZERO_REJECTED})
"""Worth 0 whatever points stand beside them."""

POINT_STATES = frozenset({CellState.SCORED, CellState.SOURCE_SCORE, CellState.STALE})
"""Worth the points that stand beside them."""

OPEN_STATES = frozenset({CellState.PENDING, CellState.UNAVAILABLE, CellState.NOT_APPRAISED, CellState.STALE})
"""A total with a cell in one of these is provisional."""

CELL_STATE_WORDS = {
    CellState.SCORED: "đã chấm",
    CellState.SOURCE_SCORE: "điểm của hệ thống nguồn",
    CellState.ZERO_NO_EVIDENCE: "0 điểm: thiếu tài liệu kiểm chứng",
    CellState.ZERO_LATE: "0 điểm: nộp muộn",
    CellState.ZERO_REJECTED: "0 điểm: tài liệu không được chấp nhận",
    CellState.NOT_APPLICABLE: "không áp dụng",
    CellState.EXCLUDED: "không đánh giá (bí mật nhà nước)",
    CellState.NOT_APPRAISED: "chưa thẩm định",
    CellState.UNAVAILABLE: "không đọc được nguồn",
    CellState.STALE: "số liệu cũ hơn mức cho phép",
    CellState.PENDING: "chờ số liệu",
}
