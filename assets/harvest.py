"""Stage 1, harvest/<connector>: ask the sources, keep the bytes, read the figures.

A source that fails is a result: it is in the metadata with words for the operator, and the night goes on.
"""

import dagster as dg

from assets.common import CODE_VERSION, NIGHTS, OWNERS, night_of, preview
from dti_pipeline.harvest.discovery import connector_names, load_manifest
from dti_pipeline.harvest.model import Manifest
from dti_pipeline.night import Workspace, harvest, record_run


def harvest_key(connector: str) -> dg.AssetKey:
    return dg.AssetKey(["harvest", connector])


def build_harvest_assets() -> list[dg.AssetsDefinition]:
    return [_harvest_asset(load_manifest(name)) for name in connector_names()]


def _harvest_asset(manifest: Manifest) -> dg.AssetsDefinition:
    @dg.asset(
        key=harvest_key(manifest.name),
        partitions_def=NIGHTS,
        group_name="harvest",
        kinds={"python", "json"},
        owners=OWNERS,
        code_version=f"{CODE_VERSION}+{manifest.version}",
        description=f"{manifest.title}: every configured site, one polite request at a time; raw bytes kept by sha256.",
        pool=f"source_{manifest.name}",
    )
    def harvest_asset(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult[None]:
        night = night_of(context, workspace)
        record_run(workspace, night)
        reports = harvest(workspace, manifest.name, night)
        failures = [
            (report.site, path, failure.kind.value, failure.message, manifest.words(failure.kind).vi)
            for report in reports
            for path, failure in report.failures
        ]
        for site, path, kind, message, words in failures:
            context.log.warning(f"{manifest.name}/{site} {path}: {kind}: {message} → {words}")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(report.observations for report in reports),
                "sites": len(reports),
                "sites_failed": sum(not report.is_good for report in reports),
                "requests_sent": sum(report.fetched for report in reports),
                "answers_reused": sum(report.reused for report in reports),
                "new_observations": sum(report.new_observations for report in reports),
                "quarantined": sum(report.quarantined for report in reports),
                "night_is_open": night.is_open,
                "failures": preview(failures, ("site", "request", "kind", "what happened", "what to do")),
                "warnings": preview([(r.site, w) for r in reports for w in r.warnings], ("site", "warning")),
            }
        )

    return harvest_asset
