"""Checks of a night, generated. What our own tables must hold blocks what follows; what sources do never does.

Every check has the assets' own partitions: an unpartitioned check on a partitioned asset would load every night.
"""

import datetime as dt
import warnings
from collections.abc import Callable, Sequence

import dagster as dg
from sqlmodel import Session

from assets.appraisals import APPRAISALS, not_appraised, outstanding
from assets.common import NIGHTS, assessments_of, night_date, preview
from assets.evidence import SIGNATURES, SUBMISSIONS
from assets.harvest import harvest_key
from assets.inputs import inputs_key
from assets.metrics import CURRENT_FIGURES
from assets.rankings import rankings_key
from assets.scores import scores_key
from dti_pipeline.appraisal.chain import events_of
from dti_pipeline.appraisal.decisions import decisions_at
from dti_pipeline.appraisal.model import Decisions
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.loader import load_all, load_framework
from dti_pipeline.frameworks.model import Framework, Level
from dti_pipeline.harvest.discovery import connector_names, load_manifest
from dti_pipeline.harvest.model import FailureKind, Manifest
from dti_pipeline.night import Workspace, current_figures, record_check, units_of
from dti_pipeline.quality.schemas import Verdict
from dti_pipeline.scoring.periods import cut_off, opening

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
    return [*checks, *build_evidence_checks(), _suite()]


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
    with Session(work.engine) as session:
        decided = decisions_at(events_of(session, assessment_id), cut_off(night)).units
    exempt = {note.unit for note in assessment.exempt} | {unit for unit, action in decided if action == "exempt"}
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


def build_evidence_checks() -> list[dg.AssetChecksDefinition]:
    """What a person has to see to in what units handed in. Warnings: a night goes on without them."""
    papers = [_units_reported(), _files_usable(), _evidence_complete(), _signatures_verifiable()]
    return [*papers, _requests_answered(), _appeals_decided(), _units_appraised(), _record_holds()]


DUE_WITHIN_DAYS = 14
"""So long before a deadline a unit that has not reported is worth a warning."""


def _evidence_check(
    key: dg.AssetKey,
    name: str,
    description: str,
    header: tuple[str, ...],
    faults: Callable[[Workspace, Assessment, dt.date], Sequence[Sequence[object]]],
) -> dg.AssetChecksDefinition:
    """A warning with a row per fault, over all live assessments; the first column is the assessment."""

    @dg.asset_check(asset=key, name=name, description=description, blocking=False, partitions_def=NIGHTS)
    def check(context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        night = night_date(context)
        rows = [
            (assessment.id, *row)
            for assessment in workspace.assessments.values()
            if assessment.is_live
            for row in faults(workspace, assessment, night)
        ]
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rows": len(rows), "faults": preview(rows, ("assessment", *header), 50)},
        )

    return check


def _units_reported() -> dg.AssetChecksDefinition:
    def never(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        from dti_pipeline.evidence.report import days_words, unit_states

        framework = load_framework(assessment.framework)
        reporting = {
            level.level
            for level in framework.levels
            if any(not spec.binding for criterion in level.criteria for spec in criterion.inputs)
        }
        return [
            (row["unit"], row["unit_name"], days_words(row["days_left"]))
            for row in unit_states(work, assessment, cut_off(night))
            if row["state"] == "never"
            and row["level"] in reporting
            and row["days_left"] is not None
            and row["days_left"] <= DUE_WITHIN_DAYS
        ]

    return _evidence_check(
        SUBMISSIONS,
        "units_reported",
        f"Every unit that is due within {DUE_WITHIN_DAYS} days, or was due, has handed in a report.",
        ("unit", "name", "deadline"),
        never,
    )


def _files_usable() -> dg.AssetChecksDefinition:
    def unusable(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        from dti_pipeline.evidence.intake import left_in_inbox
        from dti_pipeline.evidence.report import refusals

        left = left_in_inbox(work.settings.inbox_folder / assessment.id)
        return [
            *refusals(work, assessment, opening(night), cut_off(night)),
            *(("?", name, "còn nằm trong hộp thư đến: đang ghi dở hoặc đặt sai chỗ") for name in left),
        ]

    return _evidence_check(
        SUBMISSIONS,
        "files_usable",
        "No file that arrived while the night was open was refused, and none is left lying in the inbox.",
        ("unit", "file", "what to do"),
        unusable,
    )


def _evidence_complete() -> dg.AssetChecksDefinition:
    def missing(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        from dti_pipeline.evidence.report import paper_faults

        return paper_faults(work, assessment, cut_off(night)).missing

    return _evidence_check(
        SIGNATURES,
        "evidence_complete",
        "Every claim that needs papers came with those that it cites.",
        ("unit", "criterion", "what is lacking"),
        missing,
    )


def _signatures_verifiable() -> dg.AssetChecksDefinition:
    def unverifiable(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        from dti_pipeline.evidence.report import paper_faults

        return paper_faults(work, assessment, cut_off(night)).unverifiable

    return _evidence_check(
        SIGNATURES,
        "signatures_verifiable",
        "Every signature leads to a root that is installed; otherwise the operator installs it in trust/.",
        ("unit", "file", "why"),
        unverifiable,
    )


def _decided(work: Workspace, assessment: Assessment, night: dt.date) -> Decisions:
    with Session(work.engine) as session:
        return decisions_at(events_of(session, assessment.id), cut_off(night))


def _requests_answered() -> dg.AssetChecksDefinition:
    def overdue(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        rows = outstanding(_decided(work, assessment, night), cut_off(night))
        return [row for row in rows if row[3] == "overdue"]

    return _evidence_check(
        APPRAISALS,
        "requests_answered",
        "No request of an appraiser is past its deadline without an answer.",
        ("unit", "criterion", "kind", "state", "days left", "text"),
        overdue,
    )


def _appeals_decided() -> dg.AssetChecksDefinition:
    def contested(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        rows = outstanding(_decided(work, assessment, night), cut_off(night))
        return [row for row in rows if row[2:4] == ("appeal", "open")]

    return _evidence_check(
        APPRAISALS,
        "appeals_decided",
        "No appeal waits for a new decision.",
        ("unit", "criterion", "kind", "state", "days left", "text"),
        contested,
    )


def _units_appraised() -> dg.AssetChecksDefinition:
    def waiting(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        rows = not_appraised(work, assessment, _decided(work, assessment, night), night)
        return [row for row in rows if isinstance(row[-1], int) and row[-1] <= DUE_WITHIN_DAYS]

    return _evidence_check(
        APPRAISALS,
        "units_appraised",
        f"Every unit that the one above it has to appraise within {DUE_WITHIN_DAYS} days, or had to, was dealt with.",
        ("level", "unit", "name", "appraised by", "days left"),
        waiting,
    )


def _record_holds() -> dg.AssetChecksDefinition:
    def broken(work: Workspace, assessment: Assessment, night: dt.date) -> Sequence[Sequence[object]]:
        from dti_pipeline.appraisal.verify import verify

        found = verify(work, assessment.id, with_files=False).breaks
        return [(item.sequence, item.entry, item.message) for item in found]

    return _evidence_check(
        APPRAISALS,
        "record_holds",
        "No entry of the chain was changed, removed, put in or moved since it was written (dti verify).",
        ("sequence", "entry", "what is wrong"),
        broken,
    )


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
