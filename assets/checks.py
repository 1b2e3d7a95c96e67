"""Checks of a night, generated. What our own tables must hold blocks what follows; what sources do never does.

Every check has the assets' own partitions: an unpartitioned check on a partitioned asset would load every night.
"""

import datetime as dt
import warnings
from collections.abc import Callable

import dagster as dg
from sqlmodel import Session

from assets.common import NIGHTS, assessments_of, night_date, preview
from assets.harvest import harvest_key
from assets.inputs import inputs_key
from assets.metrics import CURRENT_FIGURES
from assets.rankings import rankings_key
from assets.scores import scores_key
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.harvest.discovery import connector_names, load_manifest
from dti_pipeline.harvest.model import FailureKind, Manifest
from dti_pipeline.night import Workspace, current_figures, record_check, units_of
from dti_pipeline.quality.schemas import Verdict

Verify = Callable[[Workspace, dt.date], Verdict]


def build_checks() -> list[dg.AssetChecksDefinition]:
    """All checks. Partitioned checks are a preview feature of Dagster, used on purpose: its warning is not repeated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _build_checks()


def _build_checks() -> list[dg.AssetChecksDefinition]:
    checks = [_gate(CURRENT_FIGURES, "figures_hold", "Every current figure is well formed.", _verify_figures)]
    for framework in load_all():
        checks.append(
            _gate(
                inputs_key(framework.id),
                "inputs_hold",
                "One row per input of every cell; a value exactly where its state has one, resting on evidence.",
                _verify_inputs(framework),
            )
        )
        for level in framework.levels:
            checks.append(
                _gate(
                    scores_key(framework.id, level.level),
                    "scores_hold",
                    "One cell per unit and criterion, points within the maximum, a reason where there are none.",
                    _verify_scores(framework, level),
                )
            )
            checks.append(
                _gate(
                    scores_key(framework.id, level.level),
                    "second_opinion",
                    "The vectorised interpreter, which shares only the formulas, gives the same points.",
                    _verify_twice(framework, level),
                )
            )
            checks.append(
                _gate(
                    rankings_key(framework.id, level.level),
                    "rankings_hold",
                    "One line per unit, competition ranks, percent within 0 and 100.",
                    _verify_rankings(framework, level),
                )
            )
    for name in connector_names():
        checks += [_sources_answered(load_manifest(name)), _sources_fresh(load_manifest(name))]
    return [*checks, _suite()]


def _gate(key: dg.AssetKey, name: str, description: str, verify: Verify) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=name, description=description, blocking=True, partitions_def=NIGHTS)
    def gate(context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        verdict = verify(workspace, night_date(context))
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "rows": verdict.rows,
                "failures": preview(verdict.failures.rows(), ("column", "check", "value", "row"), 50),
            },
        )

    return gate


def _verify_figures(work: Workspace, night: dt.date) -> Verdict:
    from dti_pipeline.quality import frames, schemas

    return schemas.verify(schemas.FIGURES, frames.figures(current_figures(work, night)))


def _verify_inputs(framework: Framework) -> Verify:
    def verify(work: Workspace, night: dt.date) -> Verdict:
        from dti_pipeline.quality import frames, schemas

        assessments = work.live_assessments(framework.id)
        rows = sum(
            len(units_of(work, assessment, level, night)) * sum(len(c.inputs) for c in level.criteria)
            for assessment in assessments
            for level in assessment.scored_levels(framework)
        )
        frame = frames.inputs(
            work, [item.id for item in assessments], [level.level for level in framework.levels], night
        )
        return schemas.verify(schemas.INPUTS, frame, rows=rows)

    return verify


def _verify_scores(framework: Framework, level: Level) -> Verify:
    def verify(work: Workspace, night: dt.date) -> Verdict:
        from dti_pipeline.quality import frames, schemas

        assessments = assessments_of(work, framework, level)
        rows = sum(_assessed(work, item, level, night) for item in assessments) * len(level.criteria)
        return schemas.verify(schemas.SCORES, frames.scores(work, assessments, level.level, night), rows=rows)

    return verify


def _assessed(work: Workspace, assessment_id: str, level: Level, night: dt.date) -> int:
    """How many units of a level have cells: all but the exempt ones."""
    assessment = work.assessment(assessment_id)
    exempt = {note.unit for note in assessment.exempt}
    return sum(unit.code not in exempt for unit in units_of(work, assessment, level, night))


def _verify_twice(framework: Framework, level: Level) -> Verify:
    def verify(work: Workspace, night: dt.date) -> Verdict:
        import polars as pl

        from dti_pipeline.quality.second_opinion import second_opinion

        verdicts = [second_opinion(work, item, level.level, night) for item in assessments_of(work, framework, level)]
        return Verdict(
            all(verdict.passed for verdict in verdicts),
            sum(verdict.rows for verdict in verdicts),
            pl.concat([verdict.failures for verdict in verdicts]) if verdicts else pl.DataFrame(),
        )

    return verify


def _verify_rankings(framework: Framework, level: Level) -> Verify:
    def verify(work: Workspace, night: dt.date) -> Verdict:
        from dti_pipeline.quality import frames, schemas

        assessments = assessments_of(work, framework, level)
        rows = sum(len(units_of(work, work.assessment(item), level, night)) for item in assessments)
        return schemas.verify(schemas.RANKINGS, frames.rankings(work, assessments, level.level, night), rows=rows)

    return verify


def _sources_answered(manifest: Manifest) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=harvest_key(manifest.name),
        name="sources_answered",
        description="Every request of the night was answered. A failure is told to the operator and blocks nothing.",
        blocking=False,
        partitions_def=NIGHTS,
    )
    def sources_answered(
        context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.AssetCheckResult:
        failures = [
            row for row in current_figures(workspace, night_date(context)).failures if row.connector == manifest.name
        ]
        rows = [
            (row.site, row.failure_kind, row.failure_message, _words(manifest, row.failure_kind)) for row in failures
        ]
        return dg.AssetCheckResult(
            passed=not failures,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"failures": preview(rows, ("site", "kind", "what happened", "what to do"), 50)},
        )

    return sources_answered


def _words(manifest: Manifest, kind: str | None) -> str:
    return manifest.words(FailureKind(kind)).vi if kind else ""


def _sources_fresh(manifest: Manifest) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=harvest_key(manifest.name),
        name="sources_fresh",
        description=f"No site's last good answer is older than {manifest.stale_after_days} days.",
        blocking=False,
        partitions_def=NIGHTS,
    )
    def sources_fresh(
        context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.AssetCheckResult:
        from dti_pipeline.scoring.periods import cut_off
        from dti_pipeline.store import facts

        night = night_date(context)
        last: dict[str, str] = {}
        with Session(workspace.engine) as session:
            for row in facts.known_snapshots(session, night, cut_off(night)):
                if row.connector == manifest.name and row.failure_kind is None:
                    last[row.site] = row.night
        rows = []
        for site in workspace.sites:
            if site.connector != manifest.name:
                continue
            newest = last.get(site.name)
            age = (night - dt.date.fromisoformat(newest)).days if newest else None
            if age is None or age > manifest.stale_after_days:
                rows.append((site.name, newest or "chưa bao giờ", age))
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"stale": preview(rows, ("site", "last good night", "days"), 50)},
        )

    return sources_fresh


def _suite() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=CURRENT_FIGURES,
        name="great_expectations",
        description="Coverage and plausibility of the harvested figures; the whole result is kept in check_result.",
        blocking=False,
        partitions_def=NIGHTS,
    )
    def great_expectations(
        context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.AssetCheckResult:
        from dti_pipeline.quality import expectations, frames

        night = night_date(context)
        connectors = {site.connector for site in workspace.sites}
        if not connectors:
            return dg.AssetCheckResult(
                passed=True, severity=dg.AssetCheckSeverity.WARN, metadata={"note": "no site is configured"}
            )
        manifests = [load_manifest(name) for name in sorted(connectors)]
        bounds = {
            metric: (
                None if bound.min is None else float(bound.min),
                None if bound.max is None else float(bound.max),
            )
            for manifest in manifests
            for metric, bound in manifest.expect.items()
        }
        expected = tuple(sorted({metric for manifest in manifests for metric in manifest.metrics}))
        outcome = expectations.run_suite(frames.figures(current_figures(workspace, night)), bounds, expected)
        record_check(workspace, night, "metrics/current_figures", expectations.SUITE, outcome.outcome, outcome.result)
        return dg.AssetCheckResult(
            passed=outcome.outcome == "passed",
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "outcome": outcome.outcome,
                "failed": preview([(label,) for label in outcome.failed], ("expectation",), 50),
            },
        )

    return great_expectations
