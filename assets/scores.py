"""Stage 4, scores/<framework>/<level>: every cell by the decision's formula, exact."""

from collections import Counter

import dagster as dg

from assets.common import (
    CODE_VERSION,
    NIGHTS,
    OWNERS,
    annex_words,
    assessments_of,
    each_assessment,
    night_date,
    preview,
)
from assets.inputs import inputs_key
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.night import Workspace, score
from dti_pipeline.quality import frames


def scores_key(framework: str, level: str) -> dg.AssetKey:
    return dg.AssetKey(["scores", framework, level])


def build_score_assets() -> list[dg.AssetsDefinition]:
    return [_scores_asset(framework, level) for framework in load_all() for level in framework.levels]


def _scores_asset(framework: Framework, level: Level) -> dg.AssetsDefinition:
    @dg.asset(
        key=scores_key(framework.id, level.level),
        deps=[inputs_key(framework.id)],
        partitions_def=NIGHTS,
        group_name="scores",
        kinds={"table"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        description=f"{framework.decision.number}, {level.name}: {len(level.criteria)} criteria per unit, "
        f"{level.max_points} points.{annex_words(framework, level)}",
    )
    def scores_asset(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult[None]:
        night = night_date(context)
        assessments = assessments_of(workspace, framework, level)
        added = each_assessment(assessments, lambda assessment: score(workspace, assessment, level.level, night))
        frame = frames.scores(workspace, assessments, level.level, night)
        pointed = int(frame["points_micro"].is_not_null().sum())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": frame.height,
                "new_rows": added,
                "coverage_pct": round(100 * pointed / frame.height, 2) if frame.height else 0.0,
                "states": preview(sorted(Counter(frame["state"].to_list()).items()), ("state", "cells")),
                "preview": preview(
                    frame.select("assessment", "unit", "criterion", "state", "points_micro", "source_points")
                    .head(12)
                    .rows(),
                    ("assessment", "unit", "criterion", "state", "points (1e-6)", "platform's points"),
                ),
            }
        )

    return scores_asset
