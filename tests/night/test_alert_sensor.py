"""A failed run of the night reaches the person on duty: the sensor over a run that really failed."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from assets.alerts import build_alert_sensor
from dti_pipeline.night import Workspace
from dti_pipeline.settings import Settings


def test_a_failed_run_leaves_one_alert_with_the_cause_and_what_to_do(tmp_path: Path) -> None:
    @dg.op
    def merge() -> None:
        raise ValueError("hue-2024: thiếu lựa chọn not_applicable")

    @dg.job(tags={"dagster/partition": "2026-10-15"})
    def night() -> None:
        merge()

    work = Workspace(Settings(home=tmp_path, clock="2026-10-16T01:00:00+07:00"))
    with dg.DagsterInstance.ephemeral() as instance:
        result = night.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="tell_the_operator",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=next(e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_FAILURE),
            resources={"workspace": work},
        ).for_run_failure()
        build_alert_sensor(night)(context)
    (alert,) = (tmp_path / ".dti" / "alerts").iterdir()
    told = alert.read_text(encoding="utf-8")
    assert alert.name == "2026-10-15.txt"
    assert "- Bước merge: ValueError: hue-2024: thiếu lựa chọn not_applicable" in told
    assert "dti night --date 2026-10-15" in told
