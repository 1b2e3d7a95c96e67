"""From inputs to cells, totals and ranks of one level under one framework.

Here: the rules that hold for every decision, with what differs taken from the framework's data. Not here: the worth
of a formula (`exact.py`, `vector.py`), where inputs come from (`merge.py`) and files (`dti_pipeline.evidence`).

Exactness: every figure in a result equals exact arithmetic. Points and totals are held as integers of 1e-6 points,
rounded half up from the exact value; the published figure is rounded from the exact total, not from those.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from dti_pipeline.frameworks.model import Criterion, Framework, InputSpec, Level
from dti_pipeline.scoring import exact
from dti_pipeline.scoring.exact import Block, BlockKind
from dti_pipeline.scoring.states import OPEN_STATES, POINT_STATES, ZERO_STATES, CellState, InputState
from dti_pipeline.text import sort_key

MICRO = 10**6

NotApplicablePolicy = Literal["zero", "rescale"]
ExcludedPolicy = Literal["leave_maximum"]


class ChoiceNeeded(Exception):
    """The decision does not say what to do with a case that occurred; an operator has to choose, and it is recorded."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What an operator decided where the decision is silent."""

    not_applicable: NotApplicablePolicy | None = None
    excluded: ExcludedPolicy | None = None


@dataclass(frozen=True, slots=True)
class UnitRef:
    """A unit as a result prints it."""

    code: str
    name: str
    parent: str | None = None

    @property
    def province(self) -> str:
        return self.code.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class InputValue:
    """One input of one cell: a number or the name of an option where its state has a value, else None."""

    state: InputState
    value: Fraction | str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One criterion of one unit. `points` is exact; None where the state gives no points."""

    unit: str
    criterion: str
    state: CellState
    points: Fraction | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UnitResult:
    """One unit's line in the ranked table, with its cells in the framework's order."""

    unit: UnitRef
    cells: tuple[Cell, ...]
    total: Fraction
    max_points: Fraction
    """The unit's applicable maximum."""
    percent: Fraction
    published: Fraction
    """The printed score: points, or the percent where the pool is ranked on percent; rounded half up."""
    is_provisional: bool
    pool: str
    rank: int
    rank_in_pool: int


@dataclass(frozen=True, slots=True)
class LevelResult:
    """A level, ranked: units by rank and then by Vietnamese collation of the name."""

    framework: Framework
    level: Level
    units: tuple[UnitResult, ...]
    notes: tuple[str, ...] = field(default=())


Inputs = Mapping[tuple[str, str, str], InputValue]
"""(unit code, criterion code, input name) -> value."""


def score_level(
    framework: Framework, level: Level, units: Sequence[UnitRef], inputs: Inputs, choices: Choices | None = None
) -> LevelResult:
    """Score every criterion of every unit, then total and rank them. Raises ChoiceNeeded."""
    cells = {
        (unit.code, criterion.code): score_cell(framework, criterion, unit.code, inputs)
        for unit in units
        for criterion in level.criteria
    }
    return rank_level(framework, level, units, cells, choices)


def score_cell(framework: Framework, criterion: Criterion, unit: str, inputs: Inputs) -> Cell:
    """The outcome of one cell from its inputs; an input that stands nowhere is pending."""
    given = {spec.name: inputs.get((unit, criterion.code, spec.name)) or _default(spec) for spec in criterion.inputs}
    values = {spec.name: _value(spec, given[spec.name]) for spec in criterion.inputs}

    def cell(state: CellState, points: Fraction | None = None, reason: str | None = None) -> Cell:
        return Cell(unit, criterion.code, state, points, reason)

    worth = exact.evaluate(criterion.expression, values, criterion.max_fraction)
    if isinstance(worth, Block):
        return _blocked_cell(framework, criterion, worth, given, cell)
    for spec in criterion.inputs:
        value = values[spec.name]
        if spec.kind == "percent" and isinstance(value, Fraction) and value > 100:
            return cell(CellState.PENDING, reason=f"số liệu không hợp lý: {spec.name} vượt quá 100 %")
    for text, requirement in zip(criterion.require, criterion.requirements, strict=True):
        if exact.holds(requirement, values) is False:
            return cell(CellState.PENDING, reason=f"số liệu không hợp lý: phải có {text}")
    if not 0 <= worth <= criterion.max_fraction:
        return cell(CellState.PENDING, reason="số liệu không hợp lý: điểm tính được nằm ngoài 0 và điểm tối đa")
    if any(value.state is InputState.STALE for value in given.values()):
        return cell(CellState.STALE, worth, next(v.reason for v in given.values() if v.state is InputState.STALE))
    return cell(CellState.SOURCE_SCORE if criterion.source_score else CellState.SCORED, worth)


def _default(spec: InputSpec) -> InputValue:
    if spec.default is None:
        return InputValue(InputState.PENDING)
    return InputValue(InputState.REPORTED, Fraction(spec.default))


def _value(spec: InputSpec, given: InputValue) -> exact.Value:
    if given.state.has_value and given.value is not None:
        return given.value
    match given.state:
        case InputState.UNAVAILABLE:
            return Block(BlockKind.UNAVAILABLE, (spec.name,))
        case InputState.MISSING:
            return Block(BlockKind.MISSING, (spec.name,))
        case InputState.NOT_APPLICABLE:
            return Block(BlockKind.NOT_APPLICABLE, (spec.name,))
        case _:
            return Block(BlockKind.OPEN, (spec.name,))


def _blocked_cell(
    framework: Framework, criterion: Criterion, block: Block, given: Mapping[str, InputValue], cell: Callable[..., Cell]
) -> Cell:
    about = ", ".join(block.about)
    why = "; ".join(
        dict.fromkeys(given[name].reason or "" for name in block.about if name in given and given[name].reason)
    )
    tail = f" ({why})" if why else ""
    match block.kind:
        case BlockKind.OPEN:
            return cell(CellState.PENDING, reason=f"chưa có số liệu: {about}{tail}")
        case BlockKind.UNAVAILABLE:
            return cell(CellState.UNAVAILABLE, reason=f"không đọc được nguồn: {about}{tail}")
        case BlockKind.MISSING:
            if framework.policies.missing == "zero":
                return cell(CellState.ZERO_NO_EVIDENCE, Fraction(0), f"thiếu số liệu: {about}{tail}")
            return cell(CellState.PENDING, reason=f"thiếu số liệu: {about}{tail}; quyết định không nói cách tính")
        case BlockKind.NOT_APPLICABLE:
            return cell(CellState.NOT_APPLICABLE, reason=f"không áp dụng: {about}{tail}")
        case BlockKind.ZERO_DENOMINATOR:
            return cell(CellState.PENDING, reason=f"mẫu số bằng 0: {about}; quyết định không nói cách tính")


def rank_level(
    framework: Framework,
    level: Level,
    units: Sequence[UnitRef],
    cells: Mapping[tuple[str, str], Cell],
    choices: Choices | None = None,
) -> LevelResult:
    """Total and rank units from given cells; a cell that is not given is pending. Raises ChoiceNeeded.

    Zero states are worth 0 whatever points stand beside them (DECISIONS, States). Open cells add nothing to a
    provisional total and do not stop the ranking.
    """
    policy = _resolve(framework, level, cells, choices or Choices())
    drafts = [_draft(framework, level, unit, cells, policy) for unit in units]
    percent_pools = {draft.pool for draft in drafts if draft.has_reduced_maximum}
    published = {
        draft.unit.code: exact.round_half_up(
            draft.percent if draft.pool in percent_pools else draft.total, framework.decimals
        )
        for draft in drafts
    }
    # Pools may print on different bases; over the whole level only one base can order them.
    comparable = {
        draft.unit.code: exact.round_half_up(draft.percent if percent_pools else draft.total, framework.decimals)
        if framework.rank_on == "published"
        else (draft.percent if percent_pools else draft.total)
        for draft in drafts
    }
    in_pool = {
        draft.unit.code: published[draft.unit.code]
        if framework.rank_on == "published"
        else (draft.percent if draft.pool in percent_pools else draft.total)
        for draft in drafts
    }
    ranks = competition_ranks(comparable)
    ranks_in_pool = {
        code: rank
        for pool in dict.fromkeys(draft.pool for draft in drafts)
        for code, rank in competition_ranks(
            {draft.unit.code: in_pool[draft.unit.code] for draft in drafts if draft.pool == pool}
        ).items()
    }
    results = [
        UnitResult(
            unit=draft.unit,
            cells=draft.cells,
            total=draft.total,
            max_points=draft.max_points,
            percent=draft.percent,
            published=published[draft.unit.code],
            is_provisional=any(item.state in OPEN_STATES for item in draft.cells),
            pool=draft.pool,
            rank=ranks[draft.unit.code],
            rank_in_pool=ranks_in_pool[draft.unit.code],
        )
        for draft in drafts
    ]
    results.sort(key=lambda result: (result.rank, sort_key(result.unit.name), result.unit.code))
    return LevelResult(framework, level, tuple(results), policy.notes + _notes(framework, level))


@dataclass(frozen=True, slots=True)
class _Policy:
    not_applicable: NotApplicablePolicy
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    unit: UnitRef
    cells: tuple[Cell, ...]
    total: Fraction
    max_points: Fraction
    percent: Fraction
    pool: str
    has_reduced_maximum: bool


def _resolve(framework: Framework, level: Level, cells: Mapping[tuple[str, str], Cell], choices: Choices) -> _Policy:
    """Which rule applies to cells that are not evaluated: the decision's, or the operator's where it is silent."""
    states = {cell.state for cell in cells.values()}
    notes: list[str] = []
    not_applicable = framework.policies.not_applicable
    if CellState.NOT_APPLICABLE in states:
        if not_applicable == "unstated":
            if choices.not_applicable is None:
                raise ChoiceNeeded(
                    f"{framework.id}, {level.level}: {_first(cells, CellState.NOT_APPLICABLE)} không áp dụng, "
                    f"mà {framework.decision.number} không nói cách tính. Hãy chọn not_applicable: zero "
                    "(tính 0 điểm, giữ nguyên điểm tối đa) hoặc rescale (bỏ khỏi điểm tối đa, xếp hạng theo %)."
                )
            not_applicable = choices.not_applicable
            notes.append(f"Tiêu chí không áp dụng: {not_applicable}, do người vận hành chọn.")
        else:
            notes.append(f"Tiêu chí không áp dụng: {not_applicable}, theo {framework.decision.number}.")
    if CellState.EXCLUDED in states and framework.policies.excluded == "unstated" and choices.excluded is None:
        raise ChoiceNeeded(
            f"{framework.id}, {level.level}: {_first(cells, CellState.EXCLUDED)} thuộc bí mật nhà nước, "
            f"mà {framework.decision.number} không nói cách tính. Hãy chọn excluded: leave_maximum."
        )
    if CellState.EXCLUDED in states:
        notes.append("Nội dung thuộc bí mật nhà nước không đánh giá và ra khỏi điểm tối đa.")
    return _Policy("zero" if not_applicable == "zero" else "rescale", tuple(notes))


def _first(cells: Mapping[tuple[str, str], Cell], state: CellState) -> str:
    unit, criterion = min(key for key, cell in cells.items() if cell.state is state)
    return f"đơn vị {unit}, tiêu chí {criterion}"


def _draft(
    framework: Framework, level: Level, unit: UnitRef, cells: Mapping[tuple[str, str], Cell], policy: _Policy
) -> _Draft:
    total, maximum = Fraction(0), Fraction(0)
    own: list[Cell] = []
    for criterion in level.criteria:
        cell = cells.get((unit.code, criterion.code)) or Cell(
            unit.code, criterion.code, CellState.PENDING, None, "chưa có số liệu"
        )
        if cell.state in ZERO_STATES:
            cell = Cell(cell.unit, cell.criterion, cell.state, Fraction(0), cell.reason)
        own.append(cell)
        leaves = cell.state is CellState.EXCLUDED or (
            cell.state is CellState.NOT_APPLICABLE and policy.not_applicable == "rescale"
        )
        maximum += 0 if leaves else criterion.max_fraction
        if cell.state in POINT_STATES:
            total += cell.points or 0
    full = Fraction(level.max_points)
    return _Draft(
        unit=unit,
        cells=tuple(own),
        total=total,
        max_points=maximum,
        percent=total * 100 / maximum if maximum else Fraction(0),
        pool=pool_of(level, unit),
        has_reduced_maximum=maximum != full,
    )


def pool_of(level: Level, unit: UnitRef) -> str:
    """The ranking pool of a unit: the level, its province's code or its parent's, as the framework says."""
    match level.pools[0]:
        case "level":
            return level.level
        case "province":
            return unit.province
        case "parent":
            return unit.parent or unit.province


def competition_ranks(scores: Mapping[str, Fraction]) -> dict[str, int]:
    """Standard competition ranking (1, 2, 2, 4), the highest score first."""
    ascending = sorted(scores.values())
    return {code: 1 + len(ascending) - bisect_right(ascending, score) for code, score in scores.items()}


def _notes(framework: Framework, level: Level) -> tuple[str, ...]:
    notes = []
    if level.basis == "working":
        notes.append(f"Phụ lục tạm – không phải phụ lục chính thức của Quyết định {framework.decision.number}.")
    return (*notes, *framework.notes)


def micro(points: Fraction) -> int:
    """Points as an integer of 1e-6, rounded half up."""
    return int(exact.round_half_up(points, 6) * MICRO)


def decimal_text(value: Fraction, decimals: int, least: int = 0) -> str:
    """An exact figure as a decimal string: rounded half up to `decimals`, trailing zeros cut down to `least` places."""
    rounded = exact.round_half_up(value, decimals)
    number = Decimal(rounded.numerator) / Decimal(rounded.denominator)
    text = f"{number:.{decimals}f}"
    while "." in text and text.endswith("0") and len(text) - text.index(".") - 1 > least:
        text = text[:-1]
    return text.rstrip(".")


def parse_value(spec: InputSpec, text: str) -> Fraction | str:
    """A value as written in a file or stored: a plain decimal with a dot, or the name of an option.

    Raises ValueError with words for a person: what is wrong and what is expected.
    """
    if spec.kind == "option":
        if text not in spec.option_values:
            raise ValueError(f"«{text}» is not an option of {spec.name}; known: {', '.join(spec.option_values)}")
        return text
    number = parse_decimal(text)
    if spec.kind == "count" and number.denominator != 1:
        raise ValueError(f"«{text}» is not a whole number, and {spec.name} is a count")
    return number


def parse_decimal(text: str) -> Fraction:
    """A non-negative plain decimal. Raises ValueError: no signs, exponents, separators or decimal commas."""
    whole, dot, part = text.partition(".")
    digits_ok = whole.isascii() and whole.isdigit() and (not dot or (part.isascii() and part.isdigit()))
    if not digits_ok or len(text) > 60:
        hint = "; write the decimal with a dot" if "," in text else ""
        raise ValueError(f"«{text[:60]}» is not a non-negative decimal number{hint}")
    return Fraction(text)
