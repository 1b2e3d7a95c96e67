"""Merging as data: what a framework may say of it, and what an assessment may say instead.

Not here: what the words do (`tests/scoring/test_merge.py`, `tests/scoring/test_discrepancy.py`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from dti_pipeline.frameworks import assessment as assessments
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.loader import load_all, load_framework
from dti_pipeline.frameworks.model import Framework, Merging, Tolerance

QD766 = load_framework("qd766-2022")
LEVEL = QD766.levels[0]
CRITERION = next(item for item in LEVEL.criteria if item.inputs[0].binding is not None)
SPEC = CRITERION.inputs[0]


def framework(**merging: Any) -> Framework:
    """QĐ 766 with other words on merging, checked as when it is read."""
    return Framework.model_validate(QD766.model_dump(by_alias=True) | {"merging": merging})


def assessment(**merging: Any) -> Assessment:
    given: dict[str, Any] = {"id": "thu", "framework": "qd766-2022", "year": 2026, "provinces": ["H00"]}
    return Assessment.model_validate(given | {"merging": merging})


def test_no_decision_that_we_have_says_anything_of_merging() -> None:
    assert {item.id for item in load_all() if item.merging != Merging()} == set()


def test_a_decision_and_an_assessment_may_name_what_the_framework_has() -> None:
    rule = {"levels": [LEVEL.level], "criteria": [CRITERION.code], "tolerance": {"relative": "0.01"}}
    by_metric = {"metrics": [SPEC.binding.metric if SPEC.binding else ""], "tolerance": {"absolute": "1"}}
    for merging in (framework(rules=[rule, by_metric]).merging, assessment(rules=[rule, by_metric]).merging_of(QD766)):
        assert merging.of(LEVEL.level, CRITERION.code, SPEC).tolerance == Tolerance(relative=Decimal("0.01"))
    assert assessment().merging_of(QD766).of(LEVEL.level, CRITERION.code, SPEC) == (False, Tolerance(), True)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"criteria": ["9.9.9"]}, "has no criterion 9.9.9"),
        ({"metrics": ["no-such"]}, "has no input bound to metric no-such"),
        ({"criteria": [CRITERION.code], "levels": ["district"]}, "has no level district"),
    ],
)
def test_a_rule_for_what_is_not_there_is_refused(rule: dict[str, Any], message: str) -> None:
    for build in (framework, assessment):
        with pytest.raises(ValidationError, match=message):
            build(rules=[rule])


def test_who_departs_from_a_decision_that_speaks_names_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    speaking = framework(tolerance={"absolute": "1"}, clause="Điều 9")
    monkeypatch.setattr(assessments, "load_framework", lambda name: speaking)
    with pytest.raises(ValidationError, match="name in `clause` the paper"):
        assessment(tolerance={"absolute": "2"})
    found = assessment(tolerance={"absolute": "2"}, clause="Công văn 12").merging_of(speaking)
    assert (found.tolerance, found.clause) == (Tolerance(absolute=Decimal(2)), "Công văn 12")
