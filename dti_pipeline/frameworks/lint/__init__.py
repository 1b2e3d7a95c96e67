"""Defects of a decision's text: those a program can see, and those that a reader recorded in the framework file.

Here: framework -> findings, in a stable order; one module beside this one per family of rules. Not here: what makes a
file unusable (`model.py` refuses it: sums and counts that do not match, terms that are used and not defined, classes
whose minima nobody can reach) and how a defect is read (the file's formulas and notes).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from dti_pipeline.frameworks.lint import numbering, printed, supply
from dti_pipeline.frameworks.lint.bounds import bounds
from dti_pipeline.frameworks.lint.dates import dates
from dti_pipeline.frameworks.lint.finding import RECORDED, Defect, Rule, of_criterion, rules_file, why_it_matters
from dti_pipeline.frameworks.lint.silence import level_silence, silence
from dti_pipeline.frameworks.model import Criterion, Framework, Level, LevelName, Severity
from dti_pipeline.units.registry import Unit

__all__ = ["RECORDED", "LintFinding", "Rule", "lint", "rule_name", "severity_word"]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One defect."""

    severity: Severity
    framework: str
    level: LevelName | None
    """None: the whole framework."""
    code: str | None
    """The criterion's code, the printed number where the number itself is the defect, the policy, or the event of the
    calendar; None where the finding is about a level or framework as a whole."""
    clause: str
    """The clause that it is about; the decision's number where no clause can be named."""
    rule: Rule
    what: str
    """What was found, with the figures that prove it, and how it is read here. Vietnamese."""
    why: str
    """Why it matters: one sentence per rule, or per kind of recorded defect. Vietnamese."""


def lint(
    framework: Framework, *, supplied: Collection[str] | None = None, units: Iterable[Unit] | None = None
) -> tuple[LintFinding, ...]:
    """All defects of a framework: those of the whole first, then by level, within it by criterion, then by rule.

    `supplied`: the metrics that some connector's manifest names; None leaves out `unsupplied-metric`. `units`: those
    that there are to score, such as all of the registry that exist today, or those of one province; None leaves out
    `level-without-units`. Reads nothing but the project's own catalogue and words, once; raises DataFileError where
    those are damaged.
    """
    listed = None if units is None else tuple(units)
    dated = list(dates(framework))

    def about(level: LevelName | None) -> list[Defect]:
        return [defect for place, defect in dated if place == level]

    return (
        *_findings(framework, None, sorted([*about(None), *_of_framework(framework)], key=_by_rule)),
        *(
            finding
            for level in framework.levels
            for finding in _findings(
                framework,
                level.level,
                [
                    *sorted([*about(level.level), *_of_level(framework, level, listed)], key=_by_rule),
                    *_of_criteria(level, supplied),
                ],
            )
        ),
    )


def rule_name(rule: Rule) -> str:
    """What a rule is called, in Vietnamese."""
    return rules_file().rules[rule].name


def severity_word(severity: Severity) -> str:
    """A severity in Vietnamese."""
    return rules_file().severities[severity]


def _findings(framework: Framework, level: LevelName | None, defects: Iterable[Defect]) -> Iterator[LintFinding]:
    for defect in defects:
        yield LintFinding(
            defect.severity,
            framework.id,
            level,
            defect.code,
            defect.clause,
            defect.rule,
            defect.what,
            why_it_matters(defect),
        )


def _by_rule(defect: Defect) -> str:
    return defect.rule


def _of_framework(framework: Framework) -> Iterator[Defect]:
    yield from silence(framework)
    for recorded in framework.findings:
        what = f"{recorded.rule}: {recorded.message}"
        yield Defect(recorded.severity, None, recorded.clause, RECORDED, what)


def _of_level(framework: Framework, level: Level, units: Iterable[Unit] | None) -> Iterator[Defect]:
    """What is about a level as a whole."""
    clause = framework.decision.number
    yield from supply.annex(level, clause)
    yield from supply.level_units(level, units, clause)
    yield from level_silence(level, clause)
    for recorded in level.findings:
        yield Defect(recorded.severity, None, recorded.clause, RECORDED, f"{recorded.rule}: {recorded.message}")


def _of_criteria(level: Level, supplied: Collection[str] | None) -> Iterator[Defect]:
    found: list[tuple[Criterion, Defect]] = [
        *numbering.duplicate_codes(level),
        *numbering.missing_codes(level),
        *numbering.duplicate_picks(level),
        *supply.evidence(level),
    ]
    for criterion in level.criteria:
        found += [(criterion, defect) for defect in _of_criterion(level, criterion, supplied)]
    place = {criterion.code: position for position, criterion in enumerate(level.criteria)}
    found.sort(key=lambda item: (place[item[0].code], item[1].rule))
    yield from (defect for _, defect in found)


def _of_criterion(level: Level, criterion: Criterion, supplied: Collection[str] | None) -> Iterator[Defect]:
    yield from printed.shared_maximum(criterion)
    yield from printed.tiers_overlap(criterion)
    yield from printed.threshold_in_title(criterion)
    yield from printed.unused_terms(criterion)
    yield from bounds(criterion)
    yield from supply.metrics(criterion, supplied)
    yield from supply.inputs(level, criterion)
    for recorded in criterion.findings:
        yield of_criterion(criterion, recorded.severity, RECORDED, f"{recorded.rule}: {recorded.message}")
