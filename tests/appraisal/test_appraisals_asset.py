"""The asset `evidence/appraisals` and its checks: what changed and why, what waits, how far the chain went."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from appraisal_kit import (
    CLOCK,
    COMMUNE,
    COMMUNE_2,
    DISTRICT,
    FAR_COMMUNE,
    ID,
    LEAD,
    NIGHT,
    adjust,
    at,
    do,
    installation,
    refusal,
    run,
)
from sqlmodel import Session, select

from assets.appraisals import appraisals
from assets.checks import build_evidence_checks
from dti_pipeline.appraisal.verify import verify
from dti_pipeline.night import Workspace
from dti_pipeline.store.tables import CheckRow

pytestmark = [pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")]


def table(value: object) -> list[list[str]]:
    """The rows of a Markdown preview."""
    text = value.md_str if isinstance(value, dg.MarkdownMetadataValue) else ""
    return [[cell.strip() for cell in line.split(" | ")] for line in (text or "").splitlines()[2:]]


def materialized(work: Workspace, night: dt.date = NIGHT) -> dict[str, object]:
    context = dg.build_asset_context(partition_key=night.isoformat())
    result = appraisals(context, workspace=work)
    assert isinstance(result, dg.MaterializeResult)
    return dict(result.metadata or {})


def outcomes(work: Workspace) -> dict[str, tuple[bool, int]]:
    """Check -> whether it passed and how many faults it tells."""
    found = {}
    for check in build_evidence_checks():
        (spec,) = check.check_specs
        if spec.asset_key == dg.AssetKey(["evidence", "appraisals"]):
            inner: Callable[..., dg.AssetCheckResult] = check.op.compute_fn.decorated_fn  # type: ignore[union-attr]
            result = inner(dg.build_asset_context(partition_key=NIGHT.isoformat()), work)
            rows = (result.metadata or {})["rows"].value
            assert isinstance(rows, int)
            found[spec.name] = (bool(result.passed), rows)
    return found


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return installation(tmp_path, "brvt-2022", "commune", [COMMUNE, COMMUNE_2, FAR_COMMUNE])


def test_it_tells_what_changed_and_what_waits(work: Workspace) -> None:
    day_before = at(work, "2026-10-15T10:00:00+07:00")
    adjust(day_before, DISTRICT, COMMUNE, "1.2", meetings="1")
    until = dt.datetime.fromisoformat("2026-10-16T12:00:00+07:00")
    do(day_before, DISTRICT, "ask", COMMUNE_2, "1.2", reason="Gửi biên bản", until=until)
    work = at(work, CLOCK)
    adjust(work, DISTRICT, COMMUNE, "1.2", meetings="4")
    refusal(work, DISTRICT, "reject", FAR_COMMUNE, "1.2")
    run(work)
    found = materialized(work)
    assert found["dagster/row_count"] == 4
    assert table(found["since_last_night"]) == [
        [ID, "không chấp nhận tài liệu kiểm chứng (từ chối)", "Trần Văn Bình, H00.21", "1"],
        [ID, "điều chỉnh số liệu", "Trần Văn Bình, H00.21", "1"],
    ]
    assert table(found["changed_cells"]) == [
        [
            ID, COMMUNE, "1.2", 'điều chỉnh số liệu {"meetings": "1"}', 'điều chỉnh số liệu {"meetings": "4"}',
            "Trần Văn Bình", "đã đối chiếu hồ sơ",
        ]
    ]  # fmt: skip
    # The night is told at its cut-off, 23:59:59 on the 16th: the request is overdue since noon.
    assert table(found["outstanding"]) == [[ID, COMMUNE_2, "1.2", "request", "overdue", "0", "Gửi biên bản"]]
    assert [row[2:] for row in table(found["not_appraised"])] == [
        [COMMUNE_2, "Phường Bình Mẫu (hư cấu)", "H00.21, H00.11", "15"],
        [FAR_COMMUNE, "Phường Thanh Mẫu (hư cấu)", "H00.22, H00.11", "15"],
    ]
    assert outcomes(work) == {
        "requests_answered": (False, 1), "appeals_decided": (True, 0), "units_appraised": (True, 0),
        "record_holds": (True, 0),
    }  # fmt: skip


def test_each_night_keeps_how_far_the_chain_went(work: Workspace) -> None:
    materialized(work)
    adjust(work, DISTRICT, COMMUNE, "1.2", meetings="4")
    event = do(work, LEAD, "ask", COMMUNE, "1.2", until=dt.datetime.fromisoformat("2026-10-20T12:00:00+07:00"))
    materialized(work)
    materialized(work)
    with Session(work.engine) as session:
        (row,) = session.exec(select(CheckRow)).all()
    assert (row.subject, json.loads(row.result)) == ("evidence/appraisals", {ID: [2, event.id]})
    assert verify(work).holds


def test_communes_left_over_and_appeals_are_warned_of(work: Workspace) -> None:
    file = work.settings.assessments_folder / f"{ID}.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("2026-10-31", "2026-10-30"), encoding="utf-8")
    work = at(work, CLOCK)
    do(work, DISTRICT, "reject", COMMUNE, "1.2")
    do(work, DISTRICT.__class__("Em", COMMUNE), "appeal", COMMUNE, "1.2")
    # Fourteen days before the 30th: the two communes that nobody touched.
    assert outcomes(work) == {
        "requests_answered": (True, 0), "appeals_decided": (False, 1), "units_appraised": (False, 2),
        "record_holds": (True, 0),
    }  # fmt: skip
