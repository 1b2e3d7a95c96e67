"""A unit's claim beside what sources say of the same input: whether they agree, and what a difference looks like. Pure.

Here: classes of discrepancies, by exact comparison. Not here: which of the values counts (`merge.py`) and what a
difference is worth in places (`impact.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from dti_pipeline.frameworks.model import InputSpec, Level, Tolerance
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.engine import InputValue, parse_value
from dti_pipeline.scoring.merge import Automatic, Claim, Known, Merged, automatic_figure
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

Kind = Literal[
    "equal",
    "within_tolerance",
    "claim_higher",
    "claim_lower",
    "differs",
    "unit_mismatch",
    "period_mismatch",
    "only_claim",
    "only_automatic",
]
"""`differs`: another option, of which none is higher. `only_claim`, `only_automatic`: the other side is a state
(missing, unavailable, not applicable, pending, stale) and no number to compare with."""

KIND_WORDS: dict[Kind, str] = {
    "equal": "trùng nhau",
    "within_tolerance": "lệch trong mức cho phép",
    "claim_higher": "đơn vị báo cáo cao hơn",
    "claim_lower": "đơn vị báo cáo thấp hơn",
    "differs": "hai bên chọn khác nhau",
    "unit_mismatch": "có thể khác đơn vị tính",
    "period_mismatch": "có thể khác kỳ số liệu",
    "only_claim": "chỉ có báo cáo của đơn vị",
    "only_automatic": "chỉ có số liệu tự động",
}

_FACTORS = tuple(Fraction(factor) for factor in ("100", "1/100", "1000", "1/1000", "1000000", "1/1000000"))
"""A ratio handed in for a percentage, thousands or millions for single ones (đồng), and each the other way round."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """The two sides of one input and what their difference looks like."""

    unit: str
    criterion: str
    name: str
    kind: Kind
    claim: Claim | None
    automatic: Automatic | None
    note: str | None = None
    """What a mismatch of unit or period is thought to be."""


def discrepancies(
    level: Level, merged: Sequence[Merged], known: Known, waiting: Collection[tuple[str, str]] = ()
) -> tuple[Discrepancy, ...]:
    """One for every bound input of which somebody says something, and for every claim that does not count as it stands.

    A claim does not where a decision goes before it, and in the `waiting` cells (unit, criterion), which are worth
    nothing (yet) because of their papers. In the order of `merged`.
    """
    specs = {(criterion.code, spec.name): spec for criterion in level.criteria for spec in criterion.inputs}
    return tuple(
        found
        for item in merged
        if (found := _discrepancy(level, item, specs[item.criterion, item.name], known, waiting)) is not None
    )


def other_values(
    level: Level, merged: Sequence[Merged], waiting: Collection[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, InputValue]]:
    """(unit, criterion) -> input -> the value beside the one that counts: the claim, or the sources' where it counts.

    Of a `waiting` cell the claims themselves, which do not count as they stand. Left out: what is the same, and cells
    without any other value.
    """
    found: dict[tuple[str, str], dict[str, InputValue]] = {}
    for item in merged:
        at = (item.unit.code, item.criterion)
        claim, automatic = item.claim, item.automatic
        if claim is not None and claim.value is not None and (item.origin != "self_reported" or at in waiting):
            state, text = InputState.REPORTED, claim.value
        elif item.origin == "self_reported" and automatic is not None and automatic.value is not None:
            state, text = automatic.state, automatic.value
        else:
            continue
        if text == item.value and at not in waiting:
            continue
        value = parse_value(level.criterion(item.criterion).input(item.name), text)
        found.setdefault(at, {})[item.name] = InputValue(state, value)
    return found


def _discrepancy(
    level: Level, item: Merged, spec: InputSpec, known: Known, waiting: Collection[tuple[str, str]]
) -> Discrepancy | None:
    claim, automatic = item.claim, item.automatic
    is_overruled = claim is not None and (item.origin != "self_reported" or (item.unit.code, item.criterion) in waiting)
    if spec.binding is None and not is_overruled:
        return None
    claimed = claim.value if claim is not None else None
    measured = automatic.value if automatic is not None else None
    if claimed is None and measured is None:
        return None

    def found(kind: Kind, note: str | None = None) -> Discrepancy:
        return Discrepancy(item.unit.code, item.criterion, item.name, kind, claim, automatic, note)

    if measured is None or (claimed is not None and automatic is not None and automatic.state is InputState.STALE):
        return found("only_claim")
    if claimed is None:
        return found("only_automatic")
    if claimed == measured:
        return found("equal")
    mine, theirs = parse_value(spec, claimed), parse_value(spec, measured)
    if isinstance(mine, str) or isinstance(theirs, str):
        return found("differs")
    tolerance = known.merging.of(level.level, item.criterion, spec).tolerance
    kind = compared(mine, theirs, tolerance)
    if kind in ("equal", "within_tolerance"):
        return found(kind)
    if (factor := unit_factor(mine, theirs, tolerance)) is not None:
        return found("unit_mismatch", _factor_words(factor))
    if (period := next(_same_in(item, spec, mine, known), None)) is not None:
        return found("period_mismatch", f"trùng số liệu của nguồn kỳ {_shown(period)}")
    return found(kind)


def compared(claimed: Fraction, automatic: Fraction, tolerance: Tolerance) -> Kind:
    """How two numbers compare. Exactly at the tolerance is within it."""
    if claimed == automatic:
        return "equal"
    if tolerance.allows(claimed, automatic):
        return "within_tolerance"
    return "claim_higher" if claimed > automatic else "claim_lower"


def unit_factor(claimed: Fraction, automatic: Fraction, tolerance: Tolerance) -> Fraction | None:
    """The factor by which a claim seems to be in another unit; None where none fits. A zero has no unit."""
    if not claimed or not automatic:
        return None
    return next((factor for factor in _FACTORS if tolerance.allows(claimed * factor, automatic)), None)


def _factor_words(factor: Fraction) -> str:
    operation = f"nhân {factor}" if factor.denominator == 1 else f"chia {factor.denominator}"
    return f"số báo cáo {operation} thì khớp số liệu tự động"


def _same_in(item: Merged, spec: InputSpec, claimed: Fraction, known: Known) -> Iterator[Period]:
    """Periods beside the window for which sources say exactly what the unit claims; a zero tells nothing."""
    if spec.binding is None or not claimed:
        return
    window = known.window(item.unit)
    for period in _beside(window, known):
        other = automatic_figure(item.unit, spec, spec.binding, known, period)
        # Stale or not: a figure of days that are over does not grow old.
        if other.value is not None and Fraction(other.value) == claimed:
            yield period


def _beside(window: Period, known: Known) -> Iterator[Period]:
    """Years, quarters and months that are over by the night, of the window's year and the one before; the longest and
    newest first."""
    for year in (window.end.year, window.end.year - 1):
        wanted = periods.year(year)
        if wanted != window and wanted.end <= known.night:
            yield wanted
    for of, parts in ((periods.quarter, 4), (periods.month, 12)):
        for year in (window.end.year, window.end.year - 1):
            for number in range(parts, 0, -1):
                wanted = of(year, number)
                if wanted != window and wanted.end <= known.night:
                    yield wanted


def _shown(period: Period) -> str:
    return f"{period.start:%d/%m/%Y}–{period.end:%d/%m/%Y}"
