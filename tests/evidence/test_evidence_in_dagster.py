"""The intake in Dagster: the sensor on the inbox, its job, and the warnings about what units handed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from intake_kit import BRVT, LATE, ONE, TWO, at, hand_in, installation, png, stored, table
from small_installation import edit

from assets.checks import build_evidence_checks
from assets.evidence import build_inbox_sensor, signatures, submissions
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox import practice_ca
from dti_pipeline.store.tables import ClaimRow, SignatureCheckRow

pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")

NIGHT = "2026-10-15"
GOOD = {"2.4": ({"fields": "2"}, ["a.png"])}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return installation(tmp_path / "home", clock=LATE)


def look(work: Workspace, cursor: str | None) -> tuple[dg.RunRequest | str, str | None]:
    """What one look of the sensor gives (a run, or why none), and its cursor afterwards."""
    sensor = build_inbox_sensor(dg.define_asset_job("intake"))
    context = dg.build_sensor_context(cursor=cursor, resources={"workspace": work})
    found: Any = sensor(context)
    return found.skip_message if isinstance(found, dg.SkipReason) else found, context.cursor


def test_one_run_per_change_once_the_files_have_stopped_growing(work: Workspace) -> None:
    assert "Không có tệp nào chờ nhận; 0 tệp" in str(look(work, None)[0])
    path = work.settings.inbox_folder / BRVT / ONE / "1.csv"
    path.parent.mkdir()
    path.write_bytes(table(GOOD)[:20])
    told, cursor = look(work, None)
    assert "1 tệp vừa đến hoặc còn thay đổi" in str(told)
    path.write_bytes(table(GOOD))
    told, cursor = look(work, cursor)
    assert "còn thay đổi" in str(told)
    run, cursor = look(work, cursor)
    assert isinstance(run, dg.RunRequest)
    # At the first second of 16 October the night of the 15th has just opened.
    assert (run.partition_key, run.tags["dti/files"]) == (NIGHT, "1")
    told, cursor = look(work, cursor)
    assert "Đã yêu cầu nhận 1 tệp này" in str(told)
    os.utime(path, (1, 1))
    told, cursor = look(work, cursor)
    again, cursor = look(work, cursor)
    assert isinstance(again, dg.RunRequest)
    assert again.run_key != run.run_key


def test_what_is_unfinished_or_frozen_starts_nothing(work: Workspace) -> None:
    inbox = work.settings.inbox_folder / BRVT
    (inbox / "1.csv.part").write_bytes(b"x")
    assert "1 tệp đang ghi dở" in str(look(work, None)[0])
    (inbox / "1.csv").write_bytes(table(GOOD))
    edit(work.settings.assessments_folder / f"{BRVT}.yaml", lambda data: data.update(status="frozen"))
    assert "Không có tệp nào chờ nhận" in str(look(at(work, LATE), None)[0])


def intake(work: Workspace) -> dict[str, tuple[bool, int]]:
    """Run what the intake job runs for the open night; check -> (passed, faults)."""
    resource = dg.ResourceDefinition.hardcoded_resource(at(work, work.settings.clock or ""))
    result = dg.materialize(
        [submissions, signatures, *build_evidence_checks()], partition_key=NIGHT, resources={"workspace": resource},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )  # fmt: skip
    assert result.success
    return {
        item.check_name: (item.passed, int(item.metadata["rows"].value))  # type: ignore[arg-type]
        for item in result.get_asset_check_evaluations()
    }


def test_the_job_takes_in_and_warns_about_what_a_person_has_to_see_to(work: Workspace) -> None:
    """In time: ONE with an unverifiable paper and a lacking one; a refused file. TWO says nothing."""
    ca = practice_ca
    pdf = ca.sign(ca.practice_pdf("Thử", ["Diễn tập."]), ONE, ca.ROLES, work.now())
    cells = GOOD | {"2.1": ({"issued": "january"}, ["gone.pdf"]), "2.5": ({"scope": "both"}, ["a.pdf"])}
    hand_in(at(work, "2026-10-15T09:00:00+07:00"), ("1.csv", table(cells)), ("a.pdf", pdf), ("a.png", png(1)))
    inbox = work.settings.inbox_folder / BRVT / ONE
    inbox.mkdir()
    (inbox / "may.exe").write_bytes(b"MZ\x90\x00\x03")
    (inbox / "b.csv").write_bytes(table({"3.2": ({"network": "used"}, [])}))
    (inbox / "c.csv.part").write_bytes(b"x")
    found = intake(work)
    assert found == {
        "units_reported": (False, 1),
        "files_usable": (False, 2),
        "evidence_complete": (False, 1),
        "signatures_verifiable": (False, 1),
    }
    assert {row.criterion for row in stored(work, ClaimRow)} == {"2.1", "2.4", "2.5", "3.2"}
    assert len(stored(work, SignatureCheckRow)) == 2
    ca.install_trust(work.settings.home)
    (inbox / "c.csv.part").unlink()
    hand_in(work, ("2.csv", table(GOOD, TWO)), unit=TWO)
    assert intake(work) == {
        "units_reported": (True, 0),
        "files_usable": (False, 1),
        "evidence_complete": (False, 1),
        "signatures_verifiable": (True, 0),
    }


def test_nobody_is_warned_long_before_the_deadline(work: Workspace) -> None:
    file = work.settings.assessments_folder / f"{BRVT}.yaml"
    for day, is_quiet in (("2026-10-30", False), ("2026-10-31", True)):
        edit(file, lambda data, day=day: data.update(calendar={"levels": {"department": {"submission": day}}}))
        assert intake(work)["units_reported"] == ((True, 0) if is_quiet else (False, 2))
