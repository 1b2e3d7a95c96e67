"""Stage 1b, evidence/*: take in what units handed in since, then check the signatures of their evidence files.

Here also the job and the sensor that do this between nights, so that a file's arrival is recorded when it arrives.
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from typing import Any

import dagster as dg

from assets.common import CODE_VERSION, NIGHTS, OWNERS, night_date, night_of, preview
from dti_pipeline.evidence.intake import inbox_bundles, left_in_inbox
from dti_pipeline.night import Workspace, check_signatures, take_in_submissions
from dti_pipeline.scoring.periods import TIME_ZONE, cut_off

SUBMISSIONS = dg.AssetKey(["evidence", "submissions"])
SIGNATURES = dg.AssetKey(["evidence", "signatures"])
INTAKE_JOB = "intake"
LOOK_EVERY_S = 30


@dg.asset(
    key=SUBMISSIONS,
    partitions_def=NIGHTS,
    group_name="evidence",
    kinds={"xlsx", "csv"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="What units hand in, file by file: figures, evidence, requests. Nothing is overwritten.",
)
def submissions(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult[None]:
    night = night_of(context, workspace)
    # A closed night sees only what had been handed in by its cut-off, so it takes nothing in.
    receipts = [
        (assessment.id, receipt)
        for assessment in workspace.assessments.values()
        if assessment.is_live and night.is_open
        for receipt in take_in_submissions(workspace, assessment.id)
    ]
    outcomes = Counter((assessment, receipt.outcome) for assessment, receipt in receipts)
    problems = [
        (assessment, receipt.file, problem.where, problem.message)
        for assessment, receipt in receipts
        for problem in receipt.problems
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(receipts),
            "night_is_open": night.is_open,
            "files": preview(
                sorted((*key, count) for key, count in outcomes.items()), ("assessment", "outcome", "files")
            ),
            "problems": preview(problems, ("assessment", "file", "where", "what to do"), 50),
        }
    )


@dg.asset(
    key=SIGNATURES,
    deps=[SUBMISSIONS],
    partitions_def=NIGHTS,
    group_name="evidence",
    kinds={"pdf"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="Who signed each evidence file, when, over what, and whether that is what the decision demands.",
)
def signatures(context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
    night = night_date(context)
    checked = {
        assessment.id: check_signatures(workspace, assessment.id, night)
        for assessment in workspace.assessments.values()
        if assessment.is_live
    }
    from dti_pipeline.evidence.report import paper_faults

    faults = {
        assessment.id: paper_faults(workspace, assessment, cut_off(night))
        for assessment in workspace.assessments.values()
        if assessment.is_live
    }
    grades = [(name, *item) for name, found in sorted(faults.items()) for item in sorted(found.grades.items())]
    standings = [(name, *item) for name, found in sorted(faults.items()) for item in sorted(found.standings.items())]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(checked.values()),
            "checked": preview(sorted(checked.items()), ("assessment", "newly checked files")),
            "grades": preview(grades, ("assessment", "grade", "reported cells")),
            "standings": preview(standings, ("assessment", "state", "reported cells that do not count"), 50),
        }
    )


def build_intake_job(executor: dg.ExecutorDefinition) -> Any:
    """Takes in what waits and checks its signatures, for the night that is open; scores follow with the night."""
    return dg.define_asset_job(
        INTAKE_JOB,
        selection=dg.AssetSelection.assets(SUBMISSIONS, SIGNATURES),
        description="Between nights: take in the inbox and check signatures, so that arrivals are recorded at once.",
        executor_def=executor,
    )


def build_inbox_sensor(job: Any) -> dg.SensorDefinition:
    """Looks into the inbox; one run per change, once the files have stopped growing."""

    @dg.sensor(
        name="inbox",
        job=job,
        minimum_interval_seconds=LOOK_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests the intake when files wait in the inbox and did not change between two looks.",
    )
    def inbox(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.RunRequest | dg.SkipReason:
        live = [item.id for item in workspace.assessments.values() if item.is_live]
        folder = workspace.settings.inbox_folder
        waiting = [
            (name, unit, path.name, *_state(path))
            for name in live
            for unit, paths in inbox_bundles(folder / name)
            for path in paths
        ]
        if not waiting:
            left = sum(len(left_in_inbox(folder / name)) for name in live)
            return dg.SkipReason(f"Không có tệp nào chờ nhận; {left} tệp đang ghi dở hoặc đặt sai chỗ.")
        stamp = hashlib.sha256(json.dumps(waiting).encode()).hexdigest()
        cursor: dict[str, str] = json.loads(context.cursor or "{}")
        if cursor.get("asked") == stamp:
            return dg.SkipReason(
                f"Đã yêu cầu nhận {len(waiting)} tệp này; nếu lượt «{INTAKE_JOB}» đó hỏng, xem lý do rồi chạy lại nó."
            )
        if cursor.get("seen") != stamp:
            context.update_cursor(json.dumps({"seen": stamp}))
            return dg.SkipReason(f"{len(waiting)} tệp vừa đến hoặc còn thay đổi; nhận ở lần xem sau nếu không đổi nữa.")
        context.update_cursor(json.dumps({"seen": stamp, "asked": stamp}))
        open_night = (workspace.now().astimezone(TIME_ZONE) - dt.timedelta(days=1)).date()
        return dg.RunRequest(run_key=stamp, partition_key=open_night.isoformat(), tags={"dti/files": str(len(waiting))})

    return inbox


def _state(path: Any) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
