"""Stage 3, inputs/<framework>: harvested figures and self-reports merged into one value per input of every cell."""

from collections import Counter

import dagster as dg

from assets.appraisals import APPRAISALS
from assets.common import CODE_VERSION, NIGHTS, OWNERS, night_date, preview
from assets.evidence import SIGNATURES, SUBMISSIONS
from assets.metrics import CURRENT_FIGURES, metric_key
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.frameworks.model import Framework
from dti_pipeline.night import Workspace, merge_inputs
from dti_pipeline.quality import frames


def inputs_key(framework: str) -> dg.AssetKey:
    return dg.AssetKey(["inputs", framework])


def bound_metrics(framework: Framework) -> list[str]:
    """Metrics that the framework's inputs name, sorted."""
    return sorted(
        {
            spec.binding.metric
            for level in framework.levels
            for criterion in level.criteria
            for spec in criterion.inputs
            if spec.binding
        }
    )


def build_input_assets() -> list[dg.AssetsDefinition]:
    return [_inputs_asset(framework) for framework in load_all()]


def _inputs_asset(framework: Framework) -> dg.AssetsDefinition:
    @dg.asset(
        key=inputs_key(framework.id),
        deps=[
            *(CURRENT_FIGURES, SUBMISSIONS, SIGNATURES, APPRAISALS),
            *(metric_key(metric) for metric in bound_metrics(framework)),
        ],
        partitions_def=NIGHTS,
        group_name="inputs",
        kinds={"table"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        description=f"{framework.decision.number}: one value per input, harvested before self-reported; never a guess.",
    )
    def inputs_asset(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult[None]:
        night = night_date(context)
        assessments = [assessment.id for assessment in workspace.live_assessments(framework.id)]
        added = sum(sum(merge_inputs(workspace, assessment, night).values()) for assessment in assessments)
        frame = frames.inputs(workspace, assessments, [level.level for level in framework.levels], night)
        with_value = int(frame["value"].is_not_null().sum())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": frame.height,
                "new_rows": added,
                "assessments": ", ".join(assessments) or "none",
                "coverage_pct": round(100 * with_value / frame.height, 2) if frame.height else 0.0,
                "origins": preview(sorted(Counter(frame["origin"].to_list()).items()), ("origin", "inputs")),
                "states": preview(sorted(Counter(frame["state"].to_list()).items()), ("state", "inputs")),
                "grades": preview(
                    sorted(Counter(frame["grade"].drop_nulls().to_list()).items()), ("grade of the evidence", "inputs")
                ),
                "preview": preview(
                    frame.select("assessment", "level", "unit", "criterion", "name", "value", "state", "origin")
                    .head(12)
                    .rows(),
                    ("assessment", "level", "unit", "criterion", "input", "value", "state", "origin"),
                ),
            }
        )

    return inputs_asset
