"""Observations, claims and decisions -> one value per input, with what it rests on and what else was said.

Who goes first is data (`Merging`): unless a decision says otherwise an appraiser's figure, then a harvested one, then
the self-reported one. A source that could not be read stays `unavailable`: it neither becomes 0 nor lets the claim
through unseen. Here: the harvested figure of a window, and the selection as one computation over tables. Not here: what
two values that differ come to (`discrepancy.py`). Pure; independent of the order in which facts arrive.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, LevelName, Merging, MetricBinding
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Behaviour, Figure, Nothing, Windowed, by_source, first_given

if TYPE_CHECKING:
    import polars as pl

_SCOPE_LEVEL: dict[str, LevelName] = {"departments": "department", "districts": "district", "communes": "commune"}

Place = tuple[str, str, str]
"""(unit, criterion, input)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A self-reported input."""

    id: str
    value: str | None
    state: InputState
    grade: str | None = None
    """How strong its evidence is, B to D."""


@dataclass(frozen=True, slots=True)
class Appraised:
    """A figure that an appraiser accepted or set."""

    event: str
    """Id of the entry in the chain of appraisal."""
    value: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OtherSource:
    """Another figure for the same window, of a source that goes after the one taken."""

    source: str
    """The connector."""
    unit: str
    value: str


@dataclass(frozen=True, slots=True)
class Automatic:
    """What sources say of an input over its window."""

    state: InputState
    """`harvested`, `stale`, `missing`, `unavailable`, `not_applicable` or `pending`."""
    value: str | None = None
    evidence: tuple[str, ...] = ()
    """Ids of the observations, also of those that say why there is none."""
    reason: str | None = None
    age_days: int | None = None
    others: tuple[OtherSource, ...] = ()
    """Figures of other sources that differ."""


@dataclass(frozen=True, slots=True)
class Merged:
    """One input of one cell after merging, and the values that it was chosen from."""

    unit: UnitRef
    criterion: str
    name: str
    value: str | None
    state: InputState
    origin: str
    """`appraised`, `harvested`, `self_reported`, `decision` or `none`."""
    evidence: tuple[str, ...]
    reason: str | None = None
    age_days: int | None = None
    grade: str | None = None
    """How strong the evidence behind the value is: A for a source's, B to D for a claim's; None without a value, and
    for what an appraiser or the decision set."""
    claim: Claim | None = None
    """What the unit says, whether it counts or not."""
    automatic: Automatic | None = None
    """What sources say, whether it counts or not; None where no metric is bound."""


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
    claims: Mapping[Place, Claim]
    """(unit, criterion, input) -> current claim."""
    appraised: Mapping[Place, Appraised]
    """(unit, criterion, input) -> what an appraiser decided; goes before everything."""
    unavailable: Callable[[str, str], str | None]
    """(metric, unit) -> why no source could be read for it, or None where every source answered (or none exists)."""
    forgotten: Callable[[str, str, Period], str | None]
    """(metric, unit, window) -> why a source that forgets could not tell of the window's first days when it was first
    harvested; None where none has forgotten any of them."""
    units_under: Callable[[str, LevelName], Sequence[str]]
    """(unit, level) -> codes of the units of that level under it."""
    merging: Merging
    """Who goes first and what is tolerated."""
    unsaid: Callable[[str, str], tuple[InputState, str] | None] = lambda _unit, _criterion: None
    """(unit, criterion) -> state and reason of an input that the unit did not report: waited for until the deadline,
    missing after it. None: simply not reported yet."""


def merge_level(level: Level, units: Sequence[UnitRef], known: Known) -> tuple[Merged, ...]:
    """All inputs of a level, in the order of units, criteria and inputs."""
    automatic = {
        (unit.code, criterion.code, spec.name): automatic_figure(unit, spec, spec.binding, known, window)
        for unit in units
        for window in [known.window(unit)]
        for criterion, spec in _specs(level)
        if spec.binding is not None
    }
    table = select_values(
        specs_table(level, known.merging),
        [unit.code for unit in units],
        automatic_table(automatic),
        claims_table(known.claims),
        appraised_table(known.appraised),
    )
    by_code = {unit.code: unit for unit in units}

    def unsaid(code: str, criterion: str, origin: str) -> tuple[InputState, str] | None:
        return known.unsaid(code, criterion) if origin == "none" else None

    return tuple(
        Merged(
            unit=by_code[code],
            criterion=criterion,
            name=name,
            value=value,
            state=told[0] if (told := unsaid(code, criterion, origin)) else InputState(state),
            origin=origin,
            evidence=tuple(evidence),
            reason=told[1] if told else reason,
            age_days=age_days,
            grade=grade,
            claim=known.claims.get((code, criterion, name)),
            automatic=automatic.get((code, criterion, name)),
        )
        for code, criterion, name, value, state, origin, evidence, reason, age_days, grade in table.iter_rows()
    )


def _specs(level: Level) -> Iterator[tuple[Criterion, InputSpec]]:
    return ((criterion, spec) for criterion in level.criteria for spec in criterion.inputs)


# --- the selection, over tables ---

_KEY = ("unit", "criterion", "name")


def specs_table(level: Level, merging: Merging) -> pl.DataFrame:
    """One row per input of a level, in its order: who goes first, the figure that the decision prints, its clause."""
    rows = [
        (criterion.code, spec.name, rule.claim_first, rule.verify, _printed(spec), criterion.clause)
        for criterion, spec in _specs(level)
        for rule in [merging.of(level.level, criterion.code, spec)]
    ]
    return _table(
        rows,
        {"criterion": str, "name": str, "claim_first": bool, "verify": bool, "default": str, "clause": str},
    )


def _printed(spec: InputSpec) -> str | None:
    return None if spec.default is None else f"{spec.default:f}"


def automatic_table(automatic: Mapping[Place, Automatic]) -> pl.DataFrame:
    """What sources say, one row per bound input of a unit."""
    rows = [
        (*place, item.state.value, item.value, list(item.evidence), item.reason, item.age_days)
        for place, item in automatic.items()
    ]
    columns = {"auto_state": str, "auto_value": str, "auto_evidence": list, "auto_reason": str, "auto_age": int}
    return _table(rows, dict.fromkeys(_KEY, str) | columns)


def claims_table(claims: Mapping[Place, Claim]) -> pl.DataFrame:
    """What units say, one row per input that they spoke of."""
    rows = [(*place, item.id, item.state.value, item.value, item.grade) for place, item in claims.items()]
    return _table(rows, dict.fromkeys((*_KEY, "claim", "claim_state", "claim_value", "claim_grade"), str))


def appraised_table(appraised: Mapping[Place, Appraised]) -> pl.DataFrame:
    """What appraisers decided, one row per input."""
    rows = [(*place, item.event, item.value, item.reason) for place, item in appraised.items()]
    return _table(rows, dict.fromkeys((*_KEY, "event", "appraised_value", "appraised_reason"), str))


def _table(rows: Sequence[tuple[object, ...]], columns: Mapping[str, type]) -> pl.DataFrame:
    import polars as pl

    kinds: dict[type, pl.DataType | type[pl.DataType]] = {
        str: pl.String,
        bool: pl.Boolean,
        int: pl.Int64,
        list: pl.List(pl.String),
    }
    values = zip(*rows, strict=True) if rows else ([] for _ in columns)
    return pl.DataFrame(
        [pl.Series(name, list(given), kinds[kind]) for (name, kind), given in zip(columns.items(), values, strict=True)]
    )


def select_values(
    specs: pl.DataFrame,
    units: Iterable[str],
    automatic: pl.DataFrame,
    claims: pl.DataFrame,
    appraised: pl.DataFrame,
) -> pl.DataFrame:
    """Which value of each input counts: unit, criterion, name, value, state, origin, evidence, reason, age_days, grade.

    One row per unit and input, in the order of `units` and `specs`. The tables are as their functions above make them.
    """
    import polars as pl

    with_value = [state.value for state in InputState if state.has_value]
    auto, claim = pl.col("auto_state"), pl.col("claim_state")
    claim_has_value = claim.is_in(with_value)
    # An input left blank in a form that prints the decision's figure is not said to be lacking.
    prints = pl.col("default").is_not_null() & auto.is_null() & (claim.is_null() | (claim == InputState.MISSING.value))
    is_unread = auto == InputState.UNAVAILABLE.value
    claim_counts = claim.is_not_null() & (
        auto.is_null()
        | (auto == InputState.MISSING.value)
        | pl.when(is_unread)
        .then(~pl.col("verify") & claim_has_value)
        .otherwise(pl.col("claim_first") & (claim_has_value | (claim == InputState.NOT_APPLICABLE.value)))
    )
    origin = (
        pl.when(pl.col("event").is_not_null())
        .then(pl.lit("appraised"))
        .when(prints)
        .then(pl.lit("decision"))
        .when(claim_counts)
        .then(pl.lit("self_reported"))
        .when(auto.is_not_null())
        .then(pl.lit("harvested"))
        .otherwise(pl.lit("none"))
    )

    def chosen(appraised: pl.Expr, claimed: pl.Expr, harvested: pl.Expr, printed: pl.Expr, none: pl.Expr) -> pl.Expr:
        return (
            pl.when(pl.col("origin") == "appraised")
            .then(appraised)
            .when(pl.col("origin") == "self_reported")
            .then(claimed)
            .when(pl.col("origin") == "harvested")
            .then(harvested)
            .when(pl.col("origin") == "decision")
            .then(printed)
            .otherwise(none)
        )

    nothing = pl.lit(None, pl.String)
    said = pl.when(claim == InputState.NOT_APPLICABLE.value).then(pl.lit("không áp dụng")).otherwise(pl.lit("chưa có"))
    let_through = pl.format("lấy số liệu đơn vị báo cáo vì không đọc được nguồn: {}", pl.col("auto_reason"))
    codes = pl.Series(list(units), dtype=pl.String)
    at = pl.int_range(codes.len() * specs.height, eager=True)
    # Put together by position: a cross join may change the order.
    grid = specs[at % max(specs.height, 1)].lazy().with_columns(unit=codes.gather(at // max(specs.height, 1)))
    for table in (automatic, claims, appraised):
        grid = grid.join(table.lazy(), on=_KEY, how="left", maintain_order="left")
    return (
        grid.with_columns(origin=origin)
        .select(
            *_KEY,
            value=chosen(
                pl.col("appraised_value"), pl.col("claim_value"), pl.col("auto_value"), pl.col("default"), nothing
            ),
            state=chosen(
                pl.lit(InputState.APPRAISED.value),
                claim,
                auto,
                pl.lit(InputState.REPORTED.value),
                pl.lit(InputState.PENDING.value),
            ),
            origin="origin",
            evidence=chosen(
                pl.concat_list("event"),
                pl.concat_list("claim"),
                pl.col("auto_evidence"),
                pl.concat_list("clause"),
                pl.lit([], pl.List(pl.String)),
            ),
            reason=chosen(
                pl.col("appraised_reason"),
                pl.when(~claim_has_value)
                .then(pl.format("đơn vị tự báo cáo: {}", said))
                .when(is_unread)
                .then(let_through)
                .otherwise(nothing),
                pl.col("auto_reason"),
                pl.lit("con số in trong quyết định"),
                pl.lit("chưa có báo cáo của đơn vị"),
            ),
            age_days=pl.when(pl.col("origin") == "harvested").then("auto_age"),
            grade=chosen(
                nothing,
                pl.when(claim_has_value).then("claim_grade"),
                pl.when(auto.is_in(with_value)).then(pl.lit("A")),
                nothing,
                nothing,
            ),
        )
        .collect()
    )


# --- what sources say ---


def automatic_figure(unit: UnitRef, spec: InputSpec, binding: MetricBinding, known: Known, window: Period) -> Automatic:
    """What sources say of a bound input of a unit over a window."""
    members: Sequence[str] = (
        (unit.code,) if binding.scope == "unit" else known.units_under(unit.code, _SCOPE_LEVEL[binding.scope])
    )
    if not members:
        return Automatic(InputState.MISSING, reason="không có đơn vị nào trong phạm vi để cộng")
    behaviour = known.behaviour(binding.metric)
    sources = {
        code: by_source(behaviour, binding.part, known.figures.get((binding.metric, code), ()), window, known.night)
        for code in members
    }
    found = {code: first_given(item for _, item in given) for code, given in sources.items()}
    absent = {code: item for code, item in found.items() if isinstance(item, Nothing)}
    windowed = {code: item for code, item in found.items() if isinstance(item, Windowed)}
    if absent:
        evidence = tuple(figure.id for item in found.values() for figure in item.figures)
        if binding.scope == "unit" and all(item.is_not_applicable for item in absent.values()):
            return Automatic(InputState.NOT_APPLICABLE, evidence=evidence, reason="nguồn báo không có nội dung để tính")
        for code, item in absent.items():
            why = item.unavailable or known.unavailable(binding.metric, code)
            if why is None and behaviour in ("flow", "ratio"):
                why = known.forgotten(binding.metric, code, window)
            if why is not None:
                return Automatic(InputState.UNAVAILABLE, evidence=evidence, reason=why)
        first = next(iter(absent.values()))
        told = f"{', '.join(list(absent)[:3])}{'…' if len(absent) > 3 else ''}"
        return Automatic(InputState.MISSING, evidence=evidence, reason=f"{first.reason} ({told})")
    others = tuple(
        OtherSource(source, code, _exact_decimal(item.value))
        for code, given in sources.items()
        for source, item in given
        if isinstance(item, Windowed) and item.value != windowed[code].value
    )
    figures = [figure for item in windowed.values() for figure in item.figures]
    evidence = tuple(figure.id for figure in figures)
    total = sum((item.value for item in windowed.values()), Fraction(0))
    text = _exact_decimal(total)
    if spec.kind == "option" and text not in binding.choices:
        told = f"nguồn cho giá trị {text}, không ứng với lựa chọn nào"
        return Automatic(InputState.PENDING, evidence=evidence, reason=told, others=others)
    if spec.kind == "count" and total.denominator != 1:
        told = "nguồn cho số lẻ trong khi phải là số đếm"
        return Automatic(InputState.PENDING, evidence=evidence, reason=told, others=others)
    # Only the newest reading of a chain can go stale; the earlier ones are about days that are over.
    newest = [item.figures[-1] for item in windowed.values()]
    age = max((known.night - figure.seen_on).days for figure in newest)
    # A provisional or odd figure keeps its flag on the observation; the chain in `explain` shows it.
    value = binding.choices.get(text, text)
    if any((known.night - figure.seen_on).days > figure.stale_after_days for figure in newest):
        return Automatic(InputState.STALE, value, evidence, f"số liệu của {age} ngày trước", age, others)
    note = next((item.note for item in windowed.values() if item.note), None)
    return Automatic(InputState.HARVESTED, value, evidence, note, age, others)


def _exact_decimal(value: Fraction) -> str:
    """Sums of decimals are decimals: exact text without an exponent."""
    number = Decimal(value.numerator) / Decimal(value.denominator)
    if Fraction(number) != value:
        raise ArithmeticError(f"{value} is not a finite decimal of 28 digits")
    return f"{number:f}"
