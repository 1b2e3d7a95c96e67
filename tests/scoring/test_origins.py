"""What a cell's points count as: the weakest of its inputs, whole micro-points, every origin named."""

from __future__ import annotations

import pytest

from dti_pipeline.scoring.origins import ORIGIN_WORDS, Origin, cell_origin, input_origin, points_by_origin
from dti_pipeline.scoring.states import CellState

SCORED = CellState.SCORED


@pytest.mark.parametrize(
    ("origin", "grade", "expected"),
    [
        ("harvested", "A", "automatic"),
        ("self_reported", "B", "verified"),
        ("self_reported", "C", "document"),
        ("self_reported", "D", "statement"),
        ("appraised", None, "appraised"),
        ("decision", None, "decision"),
    ],
)
def test_an_input_rests_on(origin: str, grade: str | None, expected: str) -> None:
    assert input_origin(origin, grade) == expected


@pytest.mark.parametrize(("origin", "grade"), [("none", None), ("self_reported", None), ("harvested", "E")])
def test_an_input_without_a_grade_carries_no_points(origin: str, grade: str | None) -> None:
    with pytest.raises(ValueError, match="carries no points"):
        input_origin(origin, grade)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (("automatic",), "automatic"),
        (("automatic", "decision"), "automatic"),
        (("appraised", "automatic"), "appraised"),
        (("verified", "appraised"), "verified"),
        (("document", "verified", "automatic"), "document"),
        (("automatic", "statement", "document"), "statement"),
    ],
)
def test_the_weakest_input_decides(inputs: tuple[Origin, ...], expected: str) -> None:
    assert cell_origin(SCORED, inputs) == expected
    assert cell_origin(SCORED, tuple(reversed(inputs))) == expected


def test_points_that_no_input_made() -> None:
    assert cell_origin(CellState.SOURCE_SCORE, ()) == "automatic"
    assert cell_origin(CellState.NOT_APPLICABLE, ("statement",)) == "decision"
    with pytest.raises(ValueError, match="without any input"):
        cell_origin(SCORED, ())


def test_points_are_added_exactly_and_every_origin_is_named() -> None:
    found = points_by_origin(
        [
            (SCORED, 333_333, ("automatic",)),
            (SCORED, 666_667, ("automatic", "decision")),
            (SCORED, 2_500_000, ("automatic", "statement")),
            (CellState.ZERO_REJECTED, 0, ("document",)),
            (CellState.PENDING, None, ()),
            (CellState.NOT_APPLICABLE, 750_000, ()),
        ]
    )
    assert found == {
        "automatic": 1_000_000, "verified": 0, "document": 0, "statement": 2_500_000, "appraised": 0,
        "decision": 750_000,
    }  # fmt: skip
    assert list(found) == list(ORIGIN_WORDS)
