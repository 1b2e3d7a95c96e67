"""What stands beneath a table where an assessment merges otherwise than its decision: what, on which paper, where."""

from __future__ import annotations

from typing import Any

import pytest

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Merging
from dti_pipeline.scoring.footnotes import merging_notes

HUE = load_framework("hue-2024")
DEPARTMENT = HUE.level("department")
HEAD = "Đợt đánh giá tự quy định, khác với 931/QĐ-UBND: "


def notes(**words: Any) -> tuple[str, ...]:
    return merging_notes(HUE, DEPARTMENT, Merging.model_validate(words))


def test_nothing_is_said_where_nothing_departs() -> None:
    assert merging_notes(HUE, DEPARTMENT, None) == ()
    assert notes() == ()
    # What the decision does anyway, and inputs that this level does not have.
    assert notes(precedence=["appraised", "automatic", "self_reported"], verify=True) == ()
    assert (
        notes(rules=[{"metrics": ["dossiers_on_time"], "levels": ["commune"], "tolerance": {"relative": "0.1"}}]) == ()
    )


@pytest.mark.parametrize(
    ("tolerance", "said"),
    [
        ({"relative": "0.01"}, "không quá 1 % được coi là khớp"),
        ({"relative": "0.005", "absolute": "1"}, "không quá 0,5 % hoặc 1 được coi là khớp"),
        ({"absolute": "10"}, "không quá 10 được coi là khớp"),
    ],
)
def test_a_tolerance_of_some_metrics_names_their_inputs(tolerance: dict[str, str], said: str) -> None:
    rule = {"metrics": ["dossiers_on_time", "dossiers_received_online"], "tolerance": tolerance, "clause": "Biên bản 1"}
    assert notes(rules=[rule]) == (
        f"{HEAD}số báo cáo lệch {said} (văn bản: Biên bản 1). Áp dụng cho tiêu chí 6.4 (b), 6.5 (a), 6.6 (on_time).",
    )


def test_what_holds_for_all_says_so_and_a_rule_apart_has_a_note_of_its_own() -> None:
    first = {"criteria": ["6.6"], "precedence": ["appraised", "self_reported", "automatic"], "clause": "Biên bản 2"}
    (note,) = notes(verify=False, clause="Biên bản 1")
    assert note == (
        f"{HEAD}khi không đọc được nguồn thì số báo cáo được lấy (văn bản: Biên bản 1). "
        "Áp dụng cho mọi số liệu có nguồn tự động."
    )
    other = {"criteria": ["6.4"], "tolerance": {"absolute": "2"}, "clause": "Biên bản 3"}
    found = notes(rules=[other, first], tolerance={"absolute": "1"})
    assert len(found) == 3
    assert found[1].endswith(
        "không quá 2 được coi là khớp (văn bản: Biên bản 3). Áp dụng cho tiêu chí 6.4 (a), 6.4 (b)."
    )
    assert found[2] == (
        f"{HEAD}số liệu đơn vị báo cáo được lấy trước số liệu tự động; số báo cáo lệch không quá 1 được coi là khớp "
        "(văn bản: Biên bản 2). Áp dụng cho tiêu chí 6.6 (received), 6.6 (on_time)."
    )
