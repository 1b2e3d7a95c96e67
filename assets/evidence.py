"""Stage 1b, evidence/self_reports: take in what units handed in, line by line, with the file's sha256."""

import dagster as dg

from assets.common import CODE_VERSION, NIGHTS, OWNERS, night_of, preview
from dti_pipeline.night import Workspace, record_claims

SELF_REPORTS = dg.AssetKey(["evidence", "self_reports"])


@dg.asset(
    key=SELF_REPORTS,
    partitions_def=NIGHTS,
    group_name="evidence",
    kinds={"csv"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="Self-reported inputs of every assessment; a changed line is a new revision, nothing is overwritten.",
)
def self_reports(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult[None]:
    night = night_of(context, workspace)
    # A closed night sees only what had been handed in by its cut-off, so it takes nothing in.
    added = {
        assessment.id: record_claims(workspace, assessment.id) if night.is_open else 0
        for assessment in workspace.assessments.values()
        if assessment.is_live
    }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(added.values()),
            "night_is_open": night.is_open,
            "new_claims": preview(sorted(added.items()), ("assessment", "new or changed claims")),
        }
    )
