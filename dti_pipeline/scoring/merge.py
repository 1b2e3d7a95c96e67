"""Observations and claims -> one value per input, with what it rests on.

Precedence here: a harvested figure, else the self-reported one. A source that could not be read stays `unavailable`: it
neither becomes 0 nor lets the claim through unseen. Pure; independent of the order in which facts arrive.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, LevelName, MetricBinding
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Behaviour, Figure, Nothing, Windowed, best_over_window

_SCOPE_LEVEL: dict[str, LevelName] = {"departments": "department", "districts": "district", "communes": "commune"}


@dataclass(frozen=True, slots=True)
class Claim:
    """A self-reported input."""

    id: str
    value: str | None
    state: InputState


@dataclass(frozen=True, slots=True)
class Merged:
    """One input of one cell after merging."""

    unit: UnitRef
    criterion: str
    name: str
    value: str | None
    state: InputState
    origin: str
    evidence: tuple[str, ...]
    reason: str | None = None
    age_days: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """Everything a night knows when it merges one level of one framework."""

    night: dt.date
    window: Callable[[UnitRef], Period]
    """The days that a unit's figures must be about."""
    behaviour: Callable[[str], Behaviour]
    """Metric -> how a window is made of single readings."""
    figures: Mapping[tuple[str, str], Sequence[Figure]]
    """(metric, unit) -> current figures, of any period."""
    claims: Mapping[tuple[str, str, str], Claim]
    """(unit, criterion, input) -> current claim."""
    unavailable: Callable[[str, str], str | None]
    """(metric, unit) -> why no source could be read for it, or None where every source answered (or none exists)."""
    units_under: Callable[[str, LevelName], Sequence[str]]
    """(unit, level) -> codes of the units of that level under it."""


def merge_level(level: Level, units: Sequence[UnitRef], known: Known) -> tuple[Merged, ...]:
    """All inputs of a level, in the order of units, criteria and inputs."""
    return tuple(
        merge_input(unit, criterion, spec, known)
        for unit in units
        for criterion in level.criteria
        for spec in criterion.inputs
    )


def merge_input(unit: UnitRef, criterion: Criterion, spec: InputSpec, known: Known) -> Merged:
    """The value of one input and its state, origin, evidence and age."""
    claim = known.claims.get((unit.code, criterion.code, spec.name))
    harvested = _harvested(unit, criterion, spec, spec.binding, known) if spec.binding else None
    if harvested is not None and (harvested.state is not InputState.MISSING or claim is None):
        return harvested
    if claim is not None:
        said = "không áp dụng" if claim.state is InputState.NOT_APPLICABLE else "chưa có"
        reason = None if claim.state.has_value else f"đơn vị tự báo cáo: {said}"
        return Merged(unit, criterion.code, spec.name, claim.value, claim.state, "self_reported", (claim.id,), reason)
    if spec.default is not None:
        return Merged(
            unit,
            criterion.code,
            spec.name,
            f"{spec.default:f}",
            InputState.REPORTED,
            "decision",
            (criterion.clause,),
            "con số in trong quyết định",
        )
    return Merged(unit, criterion.code, spec.name, None, InputState.PENDING, "none", (), "chưa có báo cáo của đơn vị")


def _harvested(unit: UnitRef, criterion: Criterion, spec: InputSpec, binding: MetricBinding, known: Known) -> Merged:
    members: Sequence[str] = (
        (unit.code,) if binding.scope == "unit" else known.units_under(unit.code, _SCOPE_LEVEL[binding.scope])
    )

    def merged(
        state: InputState,
        value: str | None = None,
        evidence: tuple[str, ...] = (),
        reason: str | None = None,
        age: int | None = None,
    ) -> Merged:
        return Merged(unit, criterion.code, spec.name, value, state, "harvested", evidence, reason, age)

    if not members:
        return merged(InputState.MISSING, reason="không có đơn vị nào trong phạm vi để cộng")
    window, behaviour = known.window(unit), known.behaviour(binding.metric)

    def figures_of(code: str) -> Sequence[Figure]:
        return known.figures.get((binding.metric, code), ())

    found = {
        code: best_over_window(
            behaviour, binding.part, known.figures.get((binding.metric, code), ()), window, known.night
        )
        for code in members
    }
    absent = {code: item for code, item in found.items() if isinstance(item, Nothing)}
    windowed = [item for item in found.values() if isinstance(item, Windowed)]
    if absent:
        evidence = tuple(figure.id for item in found.values() for figure in item.figures)
        if binding.scope == "unit" and all(item.is_not_applicable for item in absent.values()):
            return merged(InputState.NOT_APPLICABLE, evidence=evidence, reason="nguồn báo không có nội dung để tính")
        for code, item in absent.items():
            why = item.unavailable or known.unavailable(binding.metric, code)
            if why is not None:
                return merged(InputState.UNAVAILABLE, evidence=evidence, reason=why)
        first = next(iter(absent.values()))
        told = f"{', '.join(list(absent)[:3])}{'…' if len(absent) > 3 else ''}"
        return merged(InputState.MISSING, evidence=evidence, reason=f"{first.reason} ({told})")
    figures = [figure for item in windowed for figure in item.figures]
    evidence = tuple(figure.id for figure in figures)
    total = sum((item.value for item in windowed), Fraction(0))
    option = binding.choices.get(_exact_decimal(total))
    if spec.kind == "option" and option is None:
        told = f"nguồn cho giá trị {_exact_decimal(total)}, không ứng với lựa chọn nào"
        return merged(InputState.PENDING, evidence=evidence, reason=told)
    if spec.kind == "count" and total.denominator != 1:
        return merged(InputState.PENDING, evidence=evidence, reason="nguồn cho số lẻ trong khi phải là số đếm")
    # Only the newest reading of a chain can go stale; the earlier ones are about days that are over.
    newest = [item.figures[-1] for item in windowed]
    age = max((known.night - figure.seen_on).days for figure in newest)
    # A provisional or odd figure keeps its flag on the observation; the chain in `explain` shows it.
    value = option or _exact_decimal(total)
    if any((known.night - figure.seen_on).days > figure.stale_after_days for figure in newest):
        return merged(InputState.STALE, value, evidence, f"số liệu của {age} ngày trước", age)
    return merged(InputState.HARVESTED, value, evidence, next((item.note for item in windowed if item.note), None), age)


def _exact_decimal(value: Fraction) -> str:
    """Sums of decimals are decimals: exact text without an exponent."""
    number = Decimal(value.numerator) / Decimal(value.denominator)
    if Fraction(number) != value:
        raise ArithmeticError(f"{value} is not a finite decimal of 28 digits")
    return f"{number:f}"
