"""What holds of every reading: each rule broken once, its words, and the figures beside it left alone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dti_pipeline.harvest.invariants import check
from dti_pipeline.harvest.model import Manifest, Observation, Reading
from dti_pipeline.scoring.periods import Period, month, year
from dti_pipeline.scoring.states import InputState

NIGHT = dt.date(2026, 10, 15)
ONLINE, DIRECT, TOTAL = "dossiers_received_online", "dossiers_received_direct", "dossiers_received_all_channels"
MANIFEST = Manifest.model_validate(
    {
        "name": "practice",
        "version": "1",
        "title": "Nguồn thực hành",
        "publisher": "Tỉnh Thực Hành (đơn vị hư cấu)",
        "legal_basis": "none, fictional",
        "address": "https://practice.example",
        "cadence": "daily",
        "stale_after_days": 2,
        "auth": "none",
        "evidence_strength": "inferred",
        "evidence_note": "written for a test",
        "metrics": [ONLINE, DIRECT, TOTAL],
        "expect": {ONLINE: {"min": 0, "max": 1000}, DIRECT: {"min": 0}, TOTAL: {"min": 0}},
        "invariants": [f"{ONLINE} + {DIRECT} == {TOTAL}"],
    }
)


def figure(metric: str, value: str | None, **more: Any) -> Observation:
    given: dict[str, Any] = {
        "unit": "7",
        "unit_name": "Sở Thử Nghiệm",
        "unit_code": "H00.01",
        "period": year(2026),
        "state": InputState.HARVESTED,
        "locator": f"/{metric}",
    }
    return Observation(metric=metric, value=None if value is None else Decimal(value), **given | more)


def reasons(*items: Observation) -> dict[str, str]:
    """locator -> why it is held."""
    return {held.observation.locator: held.reason for held in check(Reading(items), MANIFEST, NIGHT).held}


def test_what_holds_passes_untouched() -> None:
    items = (figure(ONLINE, "3"), figure(DIRECT, "4"), figure(TOTAL, "7"))
    reading = Reading(items, ("một lời nhắc",))
    checked = check(reading, MANIFEST, NIGHT)
    assert (checked.reading, checked.held) == (reading, ())


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (figure(ONLINE, "-1"), "giá trị -1 nhỏ hơn mức thấp nhất 0"),
        (figure(ONLINE, "NaN"), "số liệu không phải là một số hữu hạn"),
        (
            figure(ONLINE, None, numerator=Decimal(9), denominator=Decimal(8)),
            "tử số 9 lớn hơn mẫu số 8",
        ),
        (figure(ONLINE, None), "trạng thái harvested mà không có giá trị nào"),
        (
            figure(ONLINE, "5", state=InputState.UNAVAILABLE),
            "trạng thái unavailable mà lại có giá trị 5",
        ),
        (
            figure(ONLINE, "5", period=month(2026, 11)),
            "kỳ số liệu 2026-11-01..2026-11-30 nằm ở tương lai so với đêm 2026-10-15",
        ),
        (
            figure(ONLINE, "5", period=Period(dt.date(2026, 2, 1), dt.date(2026, 1, 1))),
            "kỳ số liệu 2026-02-01..2026-01-01 kết thúc trước khi bắt đầu",
        ),
        (figure("news_items", "5"), "«news_items» không có trong manifest của bộ đọc"),
    ],
    ids=["below min", "not finite", "parts", "no value", "value without", "future", "backwards", "strange metric"],
)
def test_a_broken_rule_holds_the_figure_alone(item: Observation, words: str) -> None:
    neighbour = figure(DIRECT, "4")
    checked = check(Reading((item, neighbour)), MANIFEST, NIGHT)
    assert [(held.observation, held.reason) for held in checked.held] == [(item, words)]
    assert checked.reading.observations == (neighbour,)


@pytest.mark.parametrize(
    "item",
    [
        figure(ONLINE, "0"),
        figure(ONLINE, None, state=InputState.MISSING),
        figure(ONLINE, None, state=InputState.NOT_APPLICABLE, numerator=Decimal(0), denominator=Decimal(0)),
        figure(ONLINE, None, numerator=Decimal(8), denominator=Decimal(8)),
        figure(ONLINE, "5", period=Period(NIGHT, NIGHT)),
        figure(ONLINE, "5", period=month(2026, 10)),
    ],
    ids=["zero", "missing", "not applicable with its parts", "parts only", "today", "a month that is not over"],
)
def test_what_is_allowed_at_the_edge(item: Observation) -> None:
    assert reasons(item) == {}


def test_above_the_maximum_is_one_warning_per_metric_and_held_is_nothing() -> None:
    items = (figure(ONLINE, "1001", locator="/a"), figure(ONLINE, "2000", locator="/b", unit_code="H00.02"))
    checked = check(Reading((*items, figure(ONLINE, "1000", unit_code="H00.03"))), MANIFEST, NIGHT)
    assert checked.held == ()
    assert checked.reading.warnings == (
        "dossiers_received_online: giá trị 1001 lớn hơn mức cao nhất 1000 (tại /a và 1 chỗ khác)",
    )


def test_a_broken_condition_holds_everything_it_names_with_the_figures() -> None:
    found = reasons(figure(ONLINE, "3"), figure(DIRECT, "4"), figure(TOTAL, "8"))
    assert set(found) == {f"/{ONLINE}", f"/{DIRECT}", f"/{TOTAL}"}
    for reason in found.values():
        assert reason.startswith(f"trái điều kiện «{ONLINE} + {DIRECT} == {TOTAL}»: ")
        assert f"({ONLINE}) = 3; " in reason
        assert f"({DIRECT}) = 4; " in reason
        assert reason.endswith(f"({TOTAL}) = 8")


def test_a_condition_is_exact() -> None:
    assert reasons(figure(ONLINE, "0.1"), figure(DIRECT, "0.2"), figure(TOTAL, "0.3")) == {}


@pytest.mark.parametrize(
    "other",
    [{"unit_code": "H00.02"}, {"period": year(2025)}, {"value": None, "state": InputState.MISSING}],
    ids=["another unit", "another period", "no value"],
)
def test_a_condition_is_asked_where_every_figure_is_there(other: dict[str, Any]) -> None:
    assert reasons(figure(ONLINE, "3"), figure(DIRECT, "4"), replace(figure(TOTAL, "8"), **other)) == {}


def test_figures_that_differ_hold_each_other_and_equal_ones_do_not() -> None:
    one, other = figure(ONLINE, "3", locator="/a"), figure(ONLINE, "4", locator="/b", unit="8")
    told = "một chỉ số của một đơn vị và kỳ có 2 số khác nhau: 3 (/a) và 4 (/b)"
    assert reasons(one, other) == {"/a": told, "/b": told}
    assert reasons(one, figure(ONLINE, "3", locator="/b")) == {}
    assert reasons(one, figure(ONLINE, None, locator="/b", state=InputState.MISSING)).keys() == {"/a", "/b"}


def test_a_figure_that_is_held_already_does_not_drag_others_along() -> None:
    found = reasons(figure(ONLINE, "-1"), figure(DIRECT, "4"), figure(TOTAL, "8"))
    assert set(found) == {f"/{ONLINE}"}


def test_a_condition_that_divides_by_nothing_is_not_broken() -> None:
    manifest = MANIFEST.model_copy(update={"invariants": (f"{ONLINE} / {DIRECT} <= 1",)})
    for direct, held in (("0", 0), ("1", 2)):
        checked = check(Reading((figure(ONLINE, "3"), figure(DIRECT, direct))), manifest, NIGHT)
        assert len(checked.held) == held
