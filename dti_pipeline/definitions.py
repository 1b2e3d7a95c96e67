"""The Dagster code location. Thin: the stages are in `assets/`, what they do is in `dti_pipeline`.

Nothing here touches a network, a database or the settings until a run starts.
"""

from __future__ import annotations

import dagster as dg

from dti_pipeline.settings import Settings

NIGHT_JOB = "night"

# Few, fat steps: a step in its own process costs seconds, in this one 50 ms.
_EXECUTORS = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """All assets, checks, the night job and its schedule. `settings` replaces the environment's (tests, rehearsals)."""
    from assets.alerts import build_alert_sensor
    from assets.appraisals import appraisals
    from assets.checks import build_checks
    from assets.evidence import build_inbox_sensor, build_intake_job, signatures, submissions
    from assets.harvest import build_harvest_assets
    from assets.inputs import build_input_assets
    from assets.metrics import build_metric_assets
    from assets.publication import build_publication_assets
    from assets.rankings import build_ranking_assets
    from assets.scores import build_score_assets
    from dti_pipeline.night import Workspace

    @dg.resource(description="Settings, store, unit registry and configured files of this installation.")
    def workspace(_context: dg.InitResourceContext) -> Workspace:
        return Workspace(settings or Settings())

    night = dg.define_asset_job(
        NIGHT_JOB,
        selection=dg.AssetSelection.all(),
        description="One night: harvest, merge, score, rank, write tables; for the schedule, the UI and `dti night`.",
        executor_def=_EXECUTORS[(settings or Settings()).executor],
    )
    intake = build_intake_job(_EXECUTORS[(settings or Settings()).executor])
    schedule = dg.build_schedule_from_partitioned_job(
        night,
        name="every_night",
        description="00:30 in Asia/Ho_Chi_Minh, for the day that has just ended.",
        hour_of_day=0,
        minute_of_hour=30,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(
        assets=[
            *build_harvest_assets(),
            submissions,
            signatures,
            appraisals,
            build_metric_assets(),
            *build_input_assets(),
            *build_score_assets(),
            *build_ranking_assets(),
            *build_publication_assets(),
        ],
        asset_checks=build_checks(),
        jobs=[night, intake],
        schedules=[schedule],
        sensors=[build_alert_sensor(night), build_inbox_sensor(intake)],
        resources={"workspace": workspace},
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_defs()
