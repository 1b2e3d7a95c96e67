"""From inputs to one cell's points and state, and the shapes of results.

Here: what a cell is worth and why it is worth nothing yet. Not here: totals, policies and ranks (`ranking.py`), the
worth of a formula (`exact.py`, `vector.py`), where inputs come from (`merge.py`) and files (`dti_pipeline.evidence`).

Exactness: every figure in a result equals exact arithmetic. Points and totals are stored as integers of 1e-6 points,
rounded half up from the exact value; the published figure is rounded from the exact total, not from those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from dti_pipeline.frameworks.model import Criterion, Framework, InputSpec, Level, Policies, RatingBand
from dti_pipeline.scoring import exact
from dti_pipeline.scoring.exact import Block, BlockKind
from dti_pipeline.scoring.states import CellState, InputState

MICRO = 10**6
IMPLAUSIBLE = "số liệu không hợp lý"
"""How the reason of a cell begins whose figures cannot be right."""

NotApplicablePolicy = Literal["zero", "peer_mean", "rescale", "prorate"]
ExcludedPolicy = Literal["leave_maximum"]
Basis = Literal["points", "percent"]
Standing = Literal["ranked", "not_appraised", "unranked", "exempt"]
"""`not_appraised`: total 0 and still ranked; `unranked`: below the lowest class; `exempt`: not assessed this year."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What an operator decided where the decision is silent; None: nothing was decided."""

    missing: Literal["zero"] | None = None
    not_applicable: NotApplicablePolicy | None = None
    excluded: ExcludedPolicy | None = None
    not_appraised: Literal["zero"] | None = None
    ratings: tuple[RatingBand, ...] | None = None
    late: Literal["zero", "accept"] | None = None
    evidence: Literal["required"] | None = None
    document: str | None = None
    """The paper that records what was decided."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the assessment says of one cell instead of its figures: a state, the reason and the document behind it."""

    state: CellState
    reason: str


@dataclass(frozen=True, slots=True)
class Rulings:
    """What the assessment says of units and cells."""

    exempt: Mapping[str, str] = field(default_factory=dict)
    """Unit -> reason: not assessed this year, listed apart, no rank."""
    not_appraised: Mapping[str, str] = field(default_factory=dict)
    """Unit -> reason: its appraiser did not appraise it."""
    cells: Mapping[tuple[str, str], Ruling] = field(default_factory=dict)
    """(unit, criterion) -> ruling."""
    chosen: frozenset[Literal["late", "evidence"]] = frozenset()
    """Policies by which claims of the table count or do not, where the operator chose them."""


NO_RULINGS = Rulings()


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
    """One criterion of one unit. `points` is exact; None where the state gives no points.

    A `not_applicable` cell has points where the policy gives it some (mean of peers, own share).
    """

    unit: str
    criterion: str
    state: CellState
    points: Fraction | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UnitResult:
    """One unit's line in the ranked table, with its cells in the framework's order."""

    unit: UnitRef
    standing: Standing
    standing_reason: str | None
    cells: tuple[Cell, ...]
    total: Fraction
    max_points: Fraction
    """The unit's applicable maximum."""
    percent: Fraction
    basis: Basis
    """What the unit's pool is ranked on."""
    published: Fraction
    """The printed score: points, or the percent where the pool is ranked on percent; rounded half up."""
    printed: str
    """The published score with as many decimals as show why it is rated and ranked as it is."""
    level_basis: Basis
    level_published: Fraction
    """The same for the order over the whole level, where a pool can have another basis."""
    rating: str | None
    """The rating («xếp loại») or class («mức»); None where there is none."""
    rating_reason: str | None
    groups: tuple[tuple[str, Fraction], ...]
    """Top branch -> points."""
    is_provisional: bool
    pool: str
    rank: int | None
    """Over the whole level; None for a unit that is not ranked."""
    rank_in_pool: int | None


@dataclass(frozen=True, slots=True)
class LevelResult:
    """A level, ranked: units by rank and then by Vietnamese collation of the name; unranked and exempt ones last."""

    framework: Framework
    level: Level
    units: tuple[UnitResult, ...]
    notes: tuple[str, ...] = field(default=())


Inputs = Mapping[tuple[str, str, str], InputValue]
"""(unit code, criterion code, input name) -> value."""


def score_cell(
    policies: Policies, criterion: Criterion, unit: str, inputs: Inputs, choices: Choices | None = None
) -> Cell:
    """The outcome of one cell from its inputs under a level's policies; an input that stands nowhere is pending."""
    given = {spec.name: inputs.get((unit, criterion.code, spec.name)) or _default(spec) for spec in criterion.inputs}
    values = {spec.name: _value(spec, given[spec.name]) for spec in criterion.inputs}

    def cell(state: CellState, points: Fraction | None = None, reason: str | None = None) -> Cell:
        return Cell(unit, criterion.code, state, points, reason)

    worth = exact.evaluate(criterion.expression, values, criterion.max_fraction)
    if isinstance(worth, Block):
        return _blocked_cell(policies, choices or Choices(), worth, given, cell)
    for spec in criterion.inputs:
        value = values[spec.name]
        if spec.kind == "percent" and isinstance(value, Fraction) and value > 100:
            return cell(CellState.PENDING, reason=f"{IMPLAUSIBLE}: {spec.name} vượt quá 100 %")
    for text, requirement in zip(criterion.require, criterion.requirements, strict=True):
        if exact.holds(requirement, values) is False:
            return cell(CellState.PENDING, reason=f"{IMPLAUSIBLE}: phải có {text}")
    if not 0 <= worth <= criterion.max_fraction:
        return cell(CellState.PENDING, reason=f"{IMPLAUSIBLE}: điểm tính được nằm ngoài 0 và điểm tối đa")
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
    policies: Policies, choices: Choices, block: Block, given: Mapping[str, InputValue], cell: Callable[..., Cell]
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
            if "zero" in (policies.missing, choices.missing):
                return cell(CellState.ZERO_NO_EVIDENCE, Fraction(0), f"thiếu số liệu: {about}{tail}")
            return cell(
                CellState.PENDING,
                reason=f"thiếu số liệu: {about}{tail}; quyết định không nói cách tính (choices: missing)",
            )
        case BlockKind.NOT_APPLICABLE:
            return cell(CellState.NOT_APPLICABLE, reason=f"không áp dụng: {about}{tail}")
        case BlockKind.ZERO_DENOMINATOR:
            return cell(CellState.PENDING, reason=f"mẫu số bằng 0: {about}; quyết định không nói cách tính")


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
