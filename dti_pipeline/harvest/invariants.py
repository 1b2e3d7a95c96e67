"""What must hold of every reading before its figures count: bounds, parts, states, days, doubles, conditions. Pure.

Here: which observations of a reading are held back and why, in words. Not here: keeping them (`runner.py`), deciding
on them (`quarantine.py`), and what a connector itself refuses while it reads.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from dti_pipeline.harvest.model import Manifest, Observation, Reading
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.scoring.exact import holds
from dti_pipeline.scoring.formula import input_names, parse_requirement
from dti_pipeline.scoring.periods import Period

Place = tuple[str, Period]
"""Unit (its code where the answer has one) and period: what a condition between metrics is about."""


@dataclass(frozen=True, slots=True)
class Held:
    """An observation that breaks a rule: kept whole with the reason, used nowhere until a person releases it."""

    observation: Observation
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A reading without what breaks a rule, and what does."""

    reading: Reading
    held: tuple[Held, ...]


def check(reading: Reading, manifest: Manifest, night: dt.date) -> Checked:
    """Apply every rule to a reading of a night; the order of observations is kept.

    Above a metric's `max` is a warning, one per metric; everything else holds the observation back. Conditions of the
    manifest are asked only of figures that stand by themselves: one that is held already does not drag others along.
    """
    reasons: dict[int, list[str]] = {}
    for position, item in enumerate(reading.observations):
        if faults := _own_faults(item, manifest, night):
            reasons[position] = faults
    for position, why in _doubles(reading.observations):
        reasons.setdefault(position, []).append(why)
    standing = [position for position in range(len(reading.observations)) if position not in reasons]
    for position, why in _broken_conditions(reading.observations, standing, manifest):
        reasons.setdefault(position, []).append(why)
    kept = tuple(item for position, item in enumerate(reading.observations) if position not in reasons)
    held = tuple(Held(reading.observations[position], "; ".join(reasons[position])) for position in sorted(reasons))
    return Checked(replace(reading, observations=kept, warnings=(*reading.warnings, *_too_high(kept, manifest))), held)


def _own_faults(item: Observation, manifest: Manifest, night: dt.date) -> list[str]:
    numbers = (item.value, item.numerator, item.denominator)
    if any(number is not None and not number.is_finite() for number in numbers):
        return ["số liệu không phải là một số hữu hạn"]
    faults = []
    bounds = manifest.expect.get(item.metric)
    if bounds is None:
        faults.append(f"«{item.metric}» không có trong manifest của bộ đọc")
    elif item.value is not None and bounds.min is not None and item.value < bounds.min:
        faults.append(f"giá trị {item.value:f} nhỏ hơn mức thấp nhất {bounds.min:f}")
    if item.numerator is not None and item.denominator is not None and item.numerator > item.denominator:
        faults.append(f"tử số {item.numerator:f} lớn hơn mẫu số {item.denominator:f}")
    if item.state.has_value and all(number is None for number in numbers):
        faults.append(f"trạng thái {item.state.value} mà không có giá trị nào")
    if not item.state.has_value and item.value is not None:
        faults.append(f"trạng thái {item.state.value} mà lại có giá trị {item.value:f}")
    if item.period.start > item.period.end:
        faults.append(f"kỳ số liệu {item.period} kết thúc trước khi bắt đầu")
    if item.period.start > night:
        faults.append(f"kỳ số liệu {item.period} nằm ở tương lai so với đêm {night.isoformat()}")
    return faults


def _doubles(items: Sequence[Observation]) -> Iterable[tuple[int, str]]:
    """Positions of figures of one metric, unit and period that differ, each with the others' figures."""
    at: dict[tuple[str, Place], list[int]] = {}
    for position, item in enumerate(items):
        at.setdefault((item.metric, _place(item)), []).append(position)
    for positions in at.values():
        said = {(items[p].state, items[p].value, items[p].numerator, items[p].denominator) for p in positions}
        if len(said) > 1:
            told = " và ".join(f"{_shown(items[p])} ({items[p].locator})" for p in positions)
            for position in positions:
                yield position, f"một chỉ số của một đơn vị và kỳ có {len(positions)} số khác nhau: {told}"


def _broken_conditions(
    items: Sequence[Observation], standing: Sequence[int], manifest: Manifest
) -> Iterable[tuple[int, str]]:
    by_place: dict[Place, dict[str, list[int]]] = {}
    for position in standing:
        if items[position].value is not None:
            metrics = by_place.setdefault(_place(items[position]), {})
            metrics.setdefault(items[position].metric, []).append(position)
    for text in manifest.invariants:
        condition = parse_requirement(text, set(manifest.metrics))
        names = input_names(condition)
        for metrics in by_place.values():
            if any(name not in metrics for name in names):
                continue
            values = {name: items[metrics[name][0]].value or Decimal(0) for name in names}
            if holds(condition, {name: Fraction(value) for name, value in values.items()}) is False:
                reason = f"trái điều kiện «{text}»: {_in_words(values)}"
                for name in names:
                    for position in metrics[name]:
                        yield position, reason


def _too_high(items: Sequence[Observation], manifest: Manifest) -> list[str]:
    above: dict[str, list[Observation]] = {}
    for item in items:
        bounds = manifest.expect[item.metric]
        if item.value is not None and bounds.max is not None and item.value > bounds.max:
            above.setdefault(item.metric, []).append(item)
    return [
        f"{metric}: giá trị {found[0].value:f} lớn hơn mức cao nhất {manifest.expect[metric].max:f} (tại "
        f"{found[0].locator}" + (f" và {len(found) - 1} chỗ khác)" if found[1:] else ")")
        for metric, found in above.items()
    ]


def _place(item: Observation) -> Place:
    return (item.unit_code or item.unit, item.period)


def _shown(item: Observation) -> str:
    if item.value is not None:
        return f"{item.value:f}"
    if item.numerator is not None or item.denominator is not None:
        return f"{'?' if item.numerator is None else item.numerator}/{item.denominator}"
    return item.state.value


def _in_words(values: Mapping[str, Decimal]) -> str:
    catalogue = load_metrics()
    return "; ".join(
        f"{catalogue[name].name} ({name}) = {value:f}" if name in catalogue else f"{name} = {value:f}"
        for name, value in values.items()
    )
