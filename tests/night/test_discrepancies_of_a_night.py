"""Claims and harvested figures of a night side by side in the store, with what the difference is worth.

Here: three departments of the practice province, one criterion that sources measure, facts put into the store by hand.
Not here: the classes (`tests/scoring/test_discrepancy.py`) and places (`tests/scoring/test_impact.py`) themselves.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from small_installation import NIGHT, edit, fresh, write_small
from sqlmodel import Session

from dti_pipeline import night as steps
from dti_pipeline.appraisal.chain import next_entry
from dti_pipeline.appraisal.model import Action
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace
from dti_pipeline.store import facts
from dti_pipeline.store.tables import (
    ClaimRow,
    DiscrepancyRow,
    InputRow,
    ObservationRow,
    ReportedCellRow,
    SnapshotRow,
    SubmissionRow,
)

HUE = "hue-2024-h00-2026"
UNITS = ("H00.01", "H00.02", "H00.03")
ON_TIME = "6.6"
"""on_time / received × 14, both bound."""
REPORTED = "2026-10-01T03:00:00+00:00"
FIGURES = {"H00.01": ("100", "80"), "H00.02": ("100", "85")}
"""Unit -> received, on time, as the source says: 11.2 and 11.9 points."""
CLAIMS = {"H00.01": ("100", "90"), "H00.02": ("100", "85"), "H00.03": ("100", "50")}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    work = write_small(tmp_path, HUE, ["department"], UNITS)
    edit(work.settings.assessments_folder / f"{HUE}.yaml", _nothing_ruled)
    work = fresh(work)
    with Session(work.engine) as session, session.begin():
        _harvested(session)
        for unit, (received, on_time) in CLAIMS.items():
            _claimed(session, unit, ON_TIME, {"received": received, "on_time": on_time})
    return work


def _nothing_ruled(data: dict[str, Any]) -> None:
    for name in ("exempt", "not_appraised", "rulings", "supplement_requests", "extensions"):
        data.pop(name, None)


def _harvested(session: Session) -> None:
    snapshot = SnapshotRow(
        id="", connector="dvcqg766", site="thuc-hanh", night=NIGHT.isoformat(), request="{}", request_sha256="r",
        reading_id="reading", url="http://127.0.0.1:9", status=200, headers="{}", body_sha256="b", body_bytes=1,
        warnings="[]", connector_version="1", captured_at="2026-10-15T17:10:00+00:00", dagster_run="test-run",
    )  # fmt: skip
    facts.append(session, [facts.with_id(snapshot)])
    observations = [
        ObservationRow(
            id="", reading_id="reading", connector="dvcqg766", site="thuc-hanh", connector_version="1", metric=metric,
            unit=unit, source_unit=unit, unit_name=unit, period_start="2026-01-01", period_end="2026-11-15",
            value=value, state="harvested", locator="$", recorded_at="2026-10-15T17:10:00+00:00",
        )
        for unit, values in FIGURES.items()
        for metric, value in zip(("dossiers_received", "dossiers_on_time"), values, strict=True)
    ]  # fmt: skip
    facts.append(session, [facts.with_id(row) for row in observations])


def _claimed(
    session: Session, unit: str, criterion: str, values: dict[str, str], *, not_applicable: str | None = None
) -> None:
    submission = facts.with_id(
        SubmissionRow(
            id="", assessment=HUE, level="department", unit=unit, sequence=1, kind="csv", file_name=criterion,
            body_sha256="c", outcome="accepted", channel="cli", recorded_at=REPORTED,
        )
    )  # fmt: skip
    cell = ReportedCellRow(
        id="", submission=submission.id, assessment=HUE, level="department", unit=unit, criterion=criterion,
        is_blank=False, not_applicable=not_applicable, locator="1", recorded_at=REPORTED,
    )  # fmt: skip
    claims = [
        ClaimRow(
            id="", submission=submission.id, assessment=HUE, level="department", unit=unit, criterion=criterion,
            name=name, value=value, state="reported", body_sha256="c", locator="1", recorded_at=REPORTED,
        )
        for name, value in values.items()
    ]  # fmt: skip
    facts.append(session, [submission])
    facts.append(session, [facts.with_id(cell)])
    facts.append(session, [facts.with_id(row) for row in claims])


def merge(work: Workspace) -> int:
    return steps.merge_inputs(work, HUE, NIGHT)["department"]


def rows(work: Workspace, criterion: str = ON_TIME) -> dict[tuple[str, str], DiscrepancyRow]:
    with Session(work.engine, expire_on_commit=False) as session:
        found = facts.of_night(session, DiscrepancyRow, facts.DISCREPANCY_KEY, NIGHT, HUE, "department")
        return {(row.unit, row.name): row for row in facts.live(found) if row.criterion == criterion}


def inputs(work: Workspace) -> dict[tuple[str, str], InputRow]:
    with Session(work.engine, expire_on_commit=False) as session:
        found = facts.of_night(session, InputRow, facts.INPUT_KEY, NIGHT, HUE, "department")
        return {(row.unit, row.name): row for row in facts.live(found) if row.criterion == ON_TIME}


def test_claims_and_figures_stand_side_by_side_with_what_the_difference_is_worth(work: Workspace) -> None:
    assert merge(work) > 0
    assert merge(work) == 0, "the same night again adds nothing"
    found = rows(work)
    assert {key: row.kind for key, row in found.items()} == {
        ("H00.01", "received"): "equal", ("H00.01", "on_time"): "claim_higher",
        ("H00.02", "received"): "equal", ("H00.02", "on_time"): "equal",
        ("H00.03", "received"): "only_claim", ("H00.03", "on_time"): "only_claim",
    }  # fmt: skip
    row = found["H00.01", "on_time"]
    assert (row.claimed, row.claimed_state, row.automatic, row.automatic_state) == (
        "90", "reported", "80", "harvested",
    )  # fmt: skip
    # With 90 on time it has 12.6 points in the place of 11.2, and passes H00.02 with 11.9.
    assert (row.rank_impact, row.unit_places, row.points_micro, row.is_decided) == (2, 1, 1_400_000, False)
    same = found["H00.02", "on_time"]
    assert (same.rank_impact, same.unit_places, same.points_micro) == (None, None, None), "there is no other value"
    counting = found["H00.03", "on_time"]
    assert (counting.automatic, counting.automatic_state, counting.rank_impact) == (None, "missing", None)
    assert inputs(work)["H00.01", "on_time"].value == "80"


def _decide(work: Workspace, action: Action, **payload: Any) -> None:
    entry = next_entry(
        None, assessment=HUE, action=action, actor="Nguyễn Thị Thẩm", actor_unit="H00.11", role="lead", unit="H00.01",
        criterion=ON_TIME, payload=payload, refusal=None, at=dt.datetime.fromisoformat(REPORTED),
    )  # fmt: skip
    with Session(work.engine) as session, session.begin():
        session.add(entry)


def test_what_was_decided_counts_and_both_sides_stay_in_sight(work: Workspace) -> None:
    _decide(work, "adjust", inputs={"on_time": "95"}, reason="đối chiếu hồ sơ")
    merge(work)
    used, row = inputs(work)["H00.01", "on_time"], rows(work)["H00.01", "on_time"]
    assert (used.value, used.state, used.origin, used.reason) == ("95", "appraised", "appraised", "đối chiếu hồ sơ")
    assert (row.claimed, row.automatic, row.kind, row.is_decided) == ("90", "80", "claim_higher", True)
    # 13.3 points as decided, 12.6 as claimed: it leads either way.
    assert (row.rank_impact, row.points_micro) == (0, -700_000)


def test_a_tolerance_of_the_assessment_holds(work: Workspace) -> None:
    def tolerate(data: dict[str, Any]) -> None:
        data["merging"] = {"rules": [{"metrics": ["dossiers_on_time"], "tolerance": {"relative": "0.125"}}]}

    edit(work.settings.assessments_folder / f"{HUE}.yaml", tolerate)
    again = fresh(work)
    merge(again)
    assert rows(again)["H00.01", "on_time"].kind == "within_tolerance", "10 is exactly 12.5 % of 80"


def _own_criterion(work: Workspace) -> tuple[str, str]:
    """A criterion whose one input is a count without a source."""
    level = load_framework("hue-2024").level("department")
    return next(
        (item.code, item.inputs[0].name)
        for item in level.criteria
        if len(item.inputs) == 1 and item.inputs[0].kind == "count" and item.inputs[0].binding is None
    )


def test_a_request_not_to_be_assessed_waits_and_says_what_the_figures_would_be_worth(work: Workspace) -> None:
    criterion, name = _own_criterion(work)
    with Session(work.engine) as session, session.begin():
        _claimed(session, "H00.03", criterion, {name: "1"}, not_applicable="không phát sinh")
        _claimed(session, "H00.02", criterion, {name: "1"})
    merge(work)
    found = rows(work, criterion)
    assert set(found) == {("H00.03", name)}, "the claim of H00.02 counts and has no source beside it"
    assert (found["H00.03", name].kind, found["H00.03", name].is_decided) == ("only_claim", False)
    cells = steps.result_of(work, HUE, "department", NIGHT).units
    states = {unit.unit.code: cell.state for unit in cells for cell in unit.cells if cell.criterion == criterion}
    assert (states["H00.03"], states["H00.02"]) == ("pending", "scored")
    worth = {unit.unit.code: cell.points for unit in cells for cell in unit.cells if cell.criterion == criterion}
    assert found["H00.03", name].points_micro == (worth["H00.02"] or 0) * 1_000_000


def test_a_level_that_waits_for_a_choice_keeps_its_discrepancies_without_places(work: Workspace) -> None:
    def secret(data: dict[str, Any]) -> None:
        data["rulings"] = [
            {"unit": "H00.03", "criterion": "6.1", "state": "excluded", "reason": "bí mật", "document": "Công văn 1"}
        ]
        data["choices"].pop("excluded", None)

    edit(work.settings.assessments_folder / f"{HUE}.yaml", secret)
    again = fresh(work)
    merge(again)
    row = rows(again)["H00.01", "on_time"]
    assert (row.kind, row.rank_impact, row.points_micro) == ("claim_higher", None, None)
