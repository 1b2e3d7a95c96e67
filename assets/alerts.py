"""Tells the person on duty that a night failed: Dagster's run-failure sensor over the night job."""

from typing import Any

import dagster as dg

from dti_pipeline.alerts import alert_text, send_alert
from dti_pipeline.night import Workspace


def build_alert_sensor(job: Any) -> dg.SensorDefinition:
    """On by default; a night that fails because of what its checks saw is told like one that broke."""

    @dg.run_failure_sensor(
        name="tell_the_operator",
        description="Writes one plain-language alert for a failed night; posts it where DTI_ALERT_WEBHOOK is set.",
        monitored_jobs=[job],
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def tell_the_operator(
        context: dg.RunFailureSensorContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SkipReason | None:
        run = context.dagster_run
        night = run.tags.get("dagster/partition", "?")
        failures = []
        for event in context.get_step_failure_events():
            cause = event.step_failure_data.error
            while cause is not None and cause.cause is not None:
                cause = cause.cause
            failures.append((str(event.step_key), cause.message if cause else "?"))
        text = alert_text(night, run.run_id, failures or [("?", context.failure_event.message or "?")])
        path, problem = send_alert(workspace.settings, night, text, workspace.now())
        context.log.info(f"alert written to {path.name}" + (f"; {problem}" if problem else ""))
        return None

    return tell_the_operator
