"""Results as plain data for JSON: the keys that others build on. Numbers are decimal strings, states are words."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from dti_pipeline.frameworks.model import Criterion, Framework, Level
from dti_pipeline.scoring.engine import Cell, LevelResult, UnitResult, decimal_text

EXACT_DECIMALS = 6
"""Points and totals print to a millionth; the exact fraction is what ranks and ratings are decided on."""


def level_result(result: LevelResult) -> dict[str, Any]:
    """`{framework, level, units: […], notes: […]}` of a ranked level."""
    framework, level = result.framework, result.level
    return {
        "framework": framework.id,
        "level": level.level,
        "units": [
            {
                "unit": unit.unit.code,
                "name": unit.unit.name,
                "standing": unit.standing,
                "standing_reason": unit.standing_reason,
                **_score(framework, unit),
                "provisional": unit.is_provisional,
                "rank": unit.rank,
                "pool": unit.pool,
                "rank_in_pool": unit.rank_in_pool,
                "rating": unit.rating,
                "rating_reason": unit.rating_reason,
                "criteria": [_cell(level, cell) for cell in unit.cells],
            }
            for unit in result.units
        ],
        "notes": list(result.notes),
    }


def _score(framework: Framework, unit: UnitResult) -> dict[str, Any]:
    """Score figures; none of an exempt unit."""
    if unit.standing == "exempt":
        keys = ("total", "max_points", "percent", "basis", "published", "printed", "level_published")
        return dict.fromkeys(keys)
    return {
        "total": _number(unit.total),
        "max_points": _number(unit.max_points),
        "percent": _number(unit.percent),
        "basis": unit.basis,
        "published": decimal_text(unit.published, framework.decimals, framework.decimals),
        "printed": unit.printed,
        "level_published": decimal_text(unit.level_published, framework.decimals, framework.decimals),
    }


def _cell(level: Level, cell: Cell) -> dict[str, Any]:
    return {
        "code": cell.criterion,
        "points": None if cell.points is None else _number(cell.points),
        "max_points": plain(level.criterion(cell.criterion).max_points),
        "state": cell.state.value,
        "reason": cell.reason,
    }


def framework_summary(framework: Framework) -> dict[str, Any]:
    """`{id, decision, province, levels: […]}`."""
    return {
        "id": framework.id,
        "decision": framework.decision.number,
        "province": framework.province,
        "levels": [
            {
                "level": level.level,
                "main_indicators": sum(node.kind == "main" for node in level.all_nodes()),
                "components": len(level.criteria),
                "printed_rows": level.printed_rows,
                "max_points": plain(level.max_points),
                "basis": level.basis,
                "working_annex": framework.working_words if level.basis == "working" else None,
            }
            for level in framework.levels
        ],
    }


def framework_level(framework: Framework, level: Level) -> dict[str, Any]:
    """`{id, level, decimals, nodes: […], criteria: […]}`."""
    return {
        "id": framework.id,
        "level": level.level,
        "decimals": framework.decimals,
        "working_annex": framework.working_words if level.basis == "working" else None,
        "nodes": [
            {
                "code": node.code,
                "parent": level.parent_of(node.code),
                "kind": node.kind,
                "name": node.name,
                "max_points": plain(node.sum_points),
            }
            for node in level.all_nodes()
        ],
        "criteria": [_criterion(level, criterion) for criterion in level.criteria],
    }


def _criterion(level: Level, criterion: Criterion) -> dict[str, Any]:
    return {
        "code": criterion.code,
        "printed_code": criterion.printed_code,
        "name": criterion.name,
        "parent": level.group_of(criterion.code).code,
        "max_points": plain(criterion.max_points),
        "formula": criterion.formula,
        "terms": dict(criterion.terms),
        "require": list(criterion.require),
        "inputs": [
            {
                "name": spec.name,
                "label": spec.label,
                "kind": spec.kind,
                "metric": None if spec.binding is None else spec.binding.metric,
                "part": None if spec.binding is None else spec.binding.part,
                "scope": None if spec.binding is None else spec.binding.scope,
                "options": list(spec.option_values),
            }
            for spec in criterion.inputs
        ],
        "lines": [line.model_dump() for line in criterion.lines],
        "rule": criterion.rule,
        "remark": criterion.remark,
        "evidence": list(criterion.evidence),
        "data_source": criterion.data_source,
        "verifier_unit": criterion.verifier_unit,
        "manual": criterion.manual,
        "library": criterion.library,
        "basis": criterion.basis,
        "clause": criterion.clause,
        "notes": list(criterion.notes),
    }


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros: `2`, `0.5`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: Fraction) -> str:
    return decimal_text(value, EXACT_DECIMALS)
