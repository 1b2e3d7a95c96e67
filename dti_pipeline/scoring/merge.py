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
from dti_pipeline.scoring.states import InputState

_SCOPE_LEVEL: dict[str, LevelName] = {"departments": "department", "districts": "district", "communes": "commune"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A current observation as a night knows it."""

    id: str
    metric: str
    unit: str
    state: InputState
    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    seen_on: dt.date
    """The newest night on which the source still said so."""
    stale_after_days: int

    def part(self, name: str) -> Decimal | None:
        return {"value": self.value, "numerator": self.numerator, "denominator": self.denominator}[name]


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
    figures: Mapping[tuple[str, str], Figure]
    """(metric, unit) -> current figure for the framework's window."""
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
        reason = None if claim.state.has_value else "đơn vị tự báo cáo: chưa có"
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
    found = [(code, known.figures.get((binding.metric, code))) for code in members]
    absent = [code for code, figure in found if figure is None or figure.part(binding.part) is None]
    figures = [figure for _, figure in found if figure is not None]
    evidence = tuple(figure.id for figure in figures)
    if absent:
        not_applicable = [
            figure for figure in figures if figure.state is InputState.NOT_APPLICABLE and figure.unit in absent
        ]
        if binding.scope == "unit" and not_applicable:
            return merged(InputState.NOT_APPLICABLE, evidence=evidence, reason="nguồn báo không có nội dung để tính")
        for code in absent:
            why = known.unavailable(binding.metric, code)
            if why is not None:
                return merged(InputState.UNAVAILABLE, evidence=evidence, reason=why)
        return merged(
            InputState.MISSING,
            evidence=evidence,
            reason=f"nguồn không cho số liệu này ({', '.join(absent[:3])}{'…' if len(absent) > 3 else ''})",
        )
    total = sum((Fraction(figure.part(binding.part) or 0) for figure in figures), Fraction(0))
    if spec.kind == "count" and total.denominator != 1:
        return merged(InputState.PENDING, evidence=evidence, reason="nguồn cho số lẻ trong khi phải là số đếm")
    age = max((known.night - figure.seen_on).days for figure in figures)
    stale = [f for f in figures if (known.night - f.seen_on).days > f.stale_after_days]
    # A provisional or odd figure keeps its flag on the observation; the chain in `explain` shows it.
    value = _exact_decimal(total)
    if stale:
        return merged(InputState.STALE, value, evidence, f"số liệu của {age} ngày trước", age)
    return merged(InputState.HARVESTED, value, evidence, None, age)


def _exact_decimal(value: Fraction) -> str:
    """Sums of decimals are decimals: exact text without an exponent."""
    number = Decimal(value.numerator) / Decimal(value.denominator)
    if Fraction(number) != value:
        raise ArithmeticError(f"{value} is not a finite decimal of 28 digits")
    return f"{number:f}"
