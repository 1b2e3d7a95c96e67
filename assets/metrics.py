"""Stage 2, metrics/<metric>: what the night knows of every harvested figure, one spec per metric in one step.

Figures are selected, not copied: of every request its newest good answer as known at the night's cut-off.
"""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from assets.common import CODE_VERSION, NIGHTS, OWNERS, night_date, preview
from assets.harvest import harvest_key
from dti_pipeline.harvest.discovery import connector_names, load_manifest
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.night import Workspace, current_figures

CURRENT_FIGURES = dg.AssetKey(["metrics", "current_figures"])


def metric_key(metric: str) -> dg.AssetKey:
    return dg.AssetKey(["metrics", metric])


def build_metric_assets() -> dg.AssetsDefinition:
    supplies = {name: load_manifest(name).metrics for name in connector_names()}
    suppliers = {
        metric: [harvest_key(name) for name, own in supplies.items() if metric in own] for metric in load_metrics()
    }
    supplied = [metric for metric in load_metrics().values() if suppliers[metric.code]]
    specs = [
        dg.AssetSpec(
            CURRENT_FIGURES,
            deps=[harvest_key(name) for name in connector_names()],
            description="All current harvested figures of the night: the table that the metrics beside it are rows of.",
            group_name="metrics",
            kinds={"table"},
            owners=OWNERS,
            code_version=CODE_VERSION,
            partitions_def=NIGHTS,
        ),
        *(
            dg.AssetSpec(
                metric_key(metric.code),
                deps=suppliers[metric.code],
                description=f"{metric.name}. {metric.description}",
                group_name="metrics",
                kinds={metric.behaviour},
                owners=OWNERS,
                code_version=CODE_VERSION,
                metadata={"unit": metric.unit, "behaviour": metric.behaviour},
                partitions_def=NIGHTS,
            )
            for metric in supplied
        ),
    ]

    @dg.multi_asset(specs=specs, name="metrics")
    def metrics(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.MaterializeResult[None]]:
        current = current_figures(workspace, night_date(context))
        by_metric: dict[str, list[tuple[object, ...]]] = {}
        for row, snapshot in current.observations:
            by_metric.setdefault(row.metric, []).append(
                (
                    row.unit,
                    row.unit_name,
                    f"{row.period_start}..{row.period_end}",
                    row.state,
                    row.value,
                    row.numerator,
                    row.denominator,
                    snapshot.night,
                )
            )
        yield dg.MaterializeResult(
            asset_key=CURRENT_FIGURES,
            metadata={
                "dagster/row_count": len(current.observations),
                "metrics_with_figures": len(by_metric),
                "failed_requests": len(current.failures),
                "figures_on_which_answers_differ": current.conflicts,
                "preview": preview(
                    [(metric, len(rows)) for metric, rows in sorted(by_metric.items())], ("metric", "figures"), 100
                ),
            },
        )
        header = ("unit", "name", "period", "state", "value", "numerator", "denominator", "seen on")
        for metric in supplied:
            rows = sorted(by_metric.get(metric.code, []), key=str)
            yield dg.MaterializeResult(
                asset_key=metric_key(metric.code),
                metadata={
                    "dagster/row_count": len(rows),
                    "states": preview(sorted(Counter(str(row[3]) for row in rows).items()), ("state", "figures")),
                    "preview": preview(rows, header),
                },
            )

    return metrics
