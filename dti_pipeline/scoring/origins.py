"""How many points rest on what: sources, documents, statements, appraisers, the decision itself. Pure and exact.

A cell's points count once, for the weakest thing that its inputs rest on. Not here: how strong a document is
(`dti_pipeline.evidence`) and which value counts (`merge.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from dti_pipeline.scoring.states import CellState

Origin = Literal["statement", "document", "verified", "appraised", "automatic", "decision"]
"""From the weakest to the strongest: a statement (grade D), a document that is not verified (C), verified evidence (B),
an appraiser's figure, a source's, and what the decision itself gives: a printed figure, a mean of peers."""

ORIGIN_WORDS: dict[Origin, str] = {
    "automatic": "tự động",
    "verified": "minh chứng đã xác thực (B)",
    "document": "tài liệu chưa xác thực (C)",
    "statement": "lời báo cáo (D)",
    "appraised": "đã thẩm định",
    "decision": "theo quyết định",
}
"""In the order of tables."""
_WEAKEST_FIRST: tuple[Origin, ...] = ("statement", "document", "verified", "appraised", "automatic", "decision")
_OF_GRADE: dict[str, Origin] = {"A": "automatic", "B": "verified", "C": "document", "D": "statement"}


def input_origin(origin: str, grade: str | None) -> Origin:
    """What one input with a value rests on: `origin` and `grade` as they are after merging. Raises ValueError."""
    if origin == "appraised":
        return "appraised"
    if origin == "decision":
        return "decision"
    if grade in _OF_GRADE:
        return _OF_GRADE[grade]
    raise ValueError(f"an input of origin «{origin}» has no grade «{grade}»: it carries no points")


def cell_origin(state: CellState, inputs: Collection[Origin]) -> Origin:
    """What a cell with points rests on; `inputs`: those of its inputs that have a value. Raises ValueError."""
    if state is CellState.SOURCE_SCORE:
        return "automatic"
    if state is CellState.NOT_APPLICABLE:
        return "decision"
    if not inputs:
        raise ValueError(f"a cell that is «{state}» has points without any input")
    return min(inputs, key=_WEAKEST_FIRST.index)


def points_by_origin(cells: Iterable[tuple[CellState, int | None, Collection[Origin]]]) -> dict[Origin, int]:
    """Whole micro-points by what they rest on, every origin in the order of `ORIGIN_WORDS`.

    `cells`: state, micro-points (None: without any) and what its inputs with a value rest on.
    """
    found: dict[Origin, int] = dict.fromkeys(ORIGIN_WORDS, 0)
    for state, points, inputs in cells:
        if points:
            found[cell_origin(state, inputs)] += points
    return found
