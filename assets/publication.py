"""Stage 6, publication/<framework>: every ranked table of the night as CSV and XLSX, live until it is frozen."""

import dagster as dg

from assets.common import CODE_VERSION, NIGHTS, OWNERS, night_date, preview
from assets.rankings import rankings_key
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.frameworks.model import Framework
from dti_pipeline.night import Workspace


def publication_key(framework: str) -> dg.AssetKey:
    return dg.AssetKey(["publication", framework])


def build_publication_assets() -> list[dg.AssetsDefinition]:
    return [_publication_asset(framework) for framework in load_all()]


def _publication_asset(framework: Framework) -> dg.AssetsDefinition:
    @dg.asset(
        key=publication_key(framework.id),
        deps=[rankings_key(framework.id, level.level) for level in framework.levels],
        partitions_def=NIGHTS,
        group_name="publication",
        kinds={"excel", "csv"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        description=f"{framework.decision.number}: ranked tables to take along, with the notes that touched them.",
    )
    def publication_asset(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult[None]:
        from dti_pipeline.publish.freeze import tables_of, write_tables

        night = night_date(context)
        files: dict[str, str] = {}
        for assessment in workspace.live_assessments(framework.id):
            folder = workspace.settings.publications_folder / night.isoformat() / assessment.id
            files |= write_tables(tables_of(workspace, assessment.id, night), folder)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(files),
                "folder": dg.MetadataValue.path(str(workspace.settings.publications_folder / night.isoformat())),
                "files": preview(sorted(files.items()), ("file", "sha256"), 50),
            }
        )

    return publication_asset
