"""Stage 5, rankings/<framework>/<level>: totals and competition ranks on the published score."""

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
from assets.scores import scores_key
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.night import Workspace, rank
from dti_pipeline.quality import frames


def rankings_key(framework: str, level: str) -> dg.AssetKey:
    return dg.AssetKey(["rankings", framework, level])


def build_ranking_assets() -> list[dg.AssetsDefinition]:
    return [_rankings_asset(framework, level) for framework in load_all() for level in framework.levels]


def _rankings_asset(framework: Framework, level: Level) -> dg.AssetsDefinition:
    @dg.asset(
        key=rankings_key(framework.id, level.level),
        deps=[scores_key(framework.id, level.level)],
        partitions_def=NIGHTS,
        group_name="rankings",
        kinds={"table"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        description=f"{framework.decision.number}, {level.name}: the ranked table; provisional while cells are open."
        f"{annex_words(framework, level)}",
    )
    def rankings_asset(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult[None]:
        night = night_date(context)
        assessments = assessments_of(workspace, framework, level)
        added = each_assessment(assessments, lambda assessment: rank(workspace, assessment, level.level, night))
        frame = frames.rankings(workspace, assessments, level.level, night)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": frame.height,
                "new_rows": added,
                "provisional_units": int(frame["is_provisional"].sum()),
                "preview": preview(
                    frame.select(
                        "assessment", "rank", "pool", "rank_in_pool", "unit_name", "published", "rating"
                    ).rows(),
                    ("assessment", "rank", "pool", "rank in pool", "unit", "published", "rating"),
                    20,
                ),
            }
        )

    return rankings_asset
