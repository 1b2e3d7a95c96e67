"""Launching the night job from the command line: the same job, instance and storage as the schedule and the UI.

Here: Dagster's instance, one run, its outcome in plain words. Not here: what the stages do.
"""

import datetime as dt
import os
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from dti_pipeline.definitions import NIGHT_JOB, build_defs
from dti_pipeline.settings import Settings

Progress = Callable[[int, str], AbstractContextManager[Callable[[str], None]]]


@dataclass
class NightOutcome:
    """What a run of the night came to."""

    night: dt.date
    run_id: str
    success: bool
    new_rows: int
    failed_steps: list[tuple[str, str]] = field(default_factory=list)
    failed_checks: list[tuple[str, str, bool, str]] = field(default_factory=list)
    """(asset, check, is a gate, what it saw)"""
    source_failures: list[str] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        return {
            "night": self.night.isoformat(),
            "dagster_run": self.run_id,
            "success": self.success,
            "new_rows": self.new_rows,
            "failed_steps": [{"step": step, "message": message} for step, message in self.failed_steps],
            "failed_checks": [
                {"asset": asset, "check": check, "blocking": gate, "message": message}
                for asset, check, gate, message in self.failed_checks
            ],
            "source_failures": self.source_failures,
        }

    def lines(self) -> list[str]:
        """For the person on duty: what happened, to what, and what to do."""
        lines = [
            (
                f"Đêm {self.night.isoformat()}: {'xong' if self.success else 'CHƯA XONG'}, {self.new_rows} dòng mới, "
                f"lượt chạy {self.run_id}"
            )
        ]
        for step, message in self.failed_steps:
            lines.append(f"  Bước {step} hỏng: {message}")
        for asset, check, gate, message in self.failed_checks:
            if check == "sources_answered":
                continue  # told below, with what to do
            kind = "Cổng chặn" if gate else "Cảnh báo"
            lines.append(f"  {kind} {check} ở {asset}: {message}")
        lines += [f"  Nguồn: {text}" for text in self.source_failures]
        return lines


def dagster_instance() -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME, by default the folder with `dagster.yaml`; created before anything runs on it.

    Several first starts at once on an empty home would create its schema twice, so nothing else may start before.
    """
    home = os.environ.get("DAGSTER_HOME")
    if home is None:
        here = Path.cwd()
        folder = here if (here / "dagster.yaml").is_file() else Settings().data_dir / "dagster"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["DAGSTER_HOME"] = str(folder)
    return dg.DagsterInstance.get()


def run_night(night: dt.date, progress: Progress, settings: Settings | None = None) -> NightOutcome:
    """Run the night job for one partition in this process; steps and checks are recorded like any other run."""
    from dagster import DagsterEventType
    from dagster._core.utils import make_new_run_id

    from dti_pipeline.night import Workspace
    from dti_pipeline.store.facts import count_rows

    defs = build_defs(settings)
    job = defs.resolve_job_def(NIGHT_JOB)
    work = Workspace(settings or Settings())
    before = sum(count_rows(work.engine).values())
    run_id = make_new_run_id()
    with dagster_instance() as instance, progress(len(job.nodes), f"đêm {night.isoformat()}") as advance:

        def listen(event: Any) -> None:
            kind = event.dagster_event.event_type if event.is_dagster_event else None
            if kind in (DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE, DagsterEventType.STEP_SKIPPED):
                advance(str(event.step_key))

        instance.add_event_listener(run_id, listen)
        result = job.execute_in_process(
            instance=instance,
            partition_key=night.isoformat(),
            raise_on_error=False,
            run_id=run_id,
            # The event log keeps everything; the terminal shows a progress bar and what a person must know.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={"dti/launched_by": "dti"},
        )
    outcome = NightOutcome(night, result.run_id, result.success, sum(count_rows(work.engine).values()) - before)
    for event in result.all_events:
        if event.event_type is DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            cause = error
            while cause is not None and cause.cause is not None:
                cause = cause.cause
            outcome.failed_steps.append((str(event.step_key), cause.message.strip() if cause else "?"))
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                shown = "; ".join(
                    f"{name}: {value.value}"
                    for name, value in evaluation.metadata.items()
                    if name in ("rows", "outcome")
                )
                gate = evaluation.severity is dg.AssetCheckSeverity.ERROR
                outcome.failed_checks.append(
                    (evaluation.asset_key.to_user_string(), evaluation.check_name, gate, shown)
                )
    from dti_pipeline.harvest.discovery import load_manifest
    from dti_pipeline.harvest.model import FailureKind
    from dti_pipeline.night import current_figures

    told = Counter(
        (row.connector, row.site, row.failure_kind, row.failure_message)
        for row in current_figures(work, night).failures
    )
    for (connector, site, kind, message), requests in told.items():
        words = load_manifest(connector).words(FailureKind(kind)).vi if kind else ""
        outcome.source_failures.append(
            f"{connector}/{site}: {message} ({requests} yêu cầu) → {words} "
            "Số liệu tốt gần nhất được giữ nguyên, kèm tuổi."
        )
    return outcome
