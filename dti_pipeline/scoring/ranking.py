"""From cells to totals, ratings and ranks of one level: the policies of a decision, and what it leaves to the operator.

Here: not-applicable, excluded, unappraised and exempt; totals; ratings and classes; pools and competition ranks. What
differs between decisions is data of the framework. Not here: the worth of a single cell (`engine.py`), the words of the
footnotes (`footnotes.py`).

Exactness: ratings, classes and minima are decided on exact totals; ranks on the published score unless the framework
says otherwise. Printed figures get more decimals where rounding would hide the reason.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar, cast

from dti_pipeline.frameworks.model import ClassMinima, Framework, Level, Node, RatingBand
from dti_pipeline.scoring import exact
from dti_pipeline.scoring.engine import (
    NO_RULINGS,
    Basis,
    Cell,
    Choices,
    Inputs,
    LevelResult,
    NotApplicablePolicy,
    Rulings,
    Standing,
    UnitRef,
    UnitResult,
    decimal_text,
    score_cell,
)
from dti_pipeline.scoring.footnotes import Source, Told, choice_needed, footnotes
from dti_pipeline.scoring.states import OPEN_STATES, POINT_STATES, ZERO_STATES, CellState
from dti_pipeline.text import sort_key, vi_decimal


class ChoiceNeeded(Exception):
    """The decision does not say what to do with a case that occurred; an operator has to choose, and it is recorded."""


def score_level(
    framework: Framework,
    level: Level,
    units: Sequence[UnitRef],
    inputs: Inputs,
    choices: Choices | None = None,
    rulings: Rulings = NO_RULINGS,
) -> LevelResult:
    """Score every criterion of every unit, then total and rank them. Raises ChoiceNeeded."""
    chosen = choices or Choices()
    policies = framework.policies_of(level)
    cells = {
        (unit.code, criterion.code): score_cell(policies, criterion, unit.code, inputs, chosen)
        for unit in units
        for criterion in level.criteria
    }
    return rank_level(framework, level, units, cells, chosen, rulings)


def rank_level(
    framework: Framework,
    level: Level,
    units: Sequence[UnitRef],
    cells: Mapping[tuple[str, str], Cell],
    choices: Choices | None = None,
    rulings: Rulings = NO_RULINGS,
) -> LevelResult:
    """Total, rate and rank units from given cells; a cell that is not given is pending. Raises ChoiceNeeded.

    Zero states are worth 0 whatever points stand beside them (DECISIONS, States). Open cells add nothing to a
    provisional total and do not stop the ranking.
    """
    assessed = [unit for unit in units if unit.code not in rulings.exempt]
    own = {unit.code: _cells_of(level, unit, cells, rulings) for unit in assessed}
    unappraised = _unappraised(own, rulings)
    policy = _resolve(framework, level, own, unappraised, choices or Choices(), rulings)
    peers = _peer_points(level, own, unappraised) if policy.not_applicable == "peer_mean" else dict[str, _Peers]()
    drafts = [_draft(level, unit, own[unit.code], unappraised, policy, peers) for unit in assessed]
    percent_pools = {draft.pool for draft in drafts if draft.has_reduced_maximum}
    if level.classes is not None and percent_pools:
        reduced = next(draft.unit.code for draft in drafts if draft.has_reduced_maximum)
        raise ChoiceNeeded(
            f"{framework.id}, {level.level}: điểm tối đa của {reduced} giảm vì có tiêu chí không đánh giá, mà điểm tối "
            "thiểu của từng mức thì không giảm theo; hãy chọn not_applicable: zero, peer_mean hoặc prorate."
        )
    lines = [_line(framework, level, policy, draft, percent_pools) for draft in drafts]
    ranked = [line for line in lines if line.is_ranked]
    ranks = competition_ranks({line.draft.unit.code: line.level_key for line in ranked})
    ranks_in_pool = {
        code: rank
        for pool in dict.fromkeys(line.draft.pool for line in ranked)
        for code, rank in competition_ranks(
            {line.draft.unit.code: line.pool_key for line in ranked if line.draft.pool == pool}
        ).items()
    }
    printed = _printed(framework, policy, lines)
    results = [
        UnitResult(
            unit=line.draft.unit,
            standing=line.standing,
            standing_reason=line.standing_reason,
            cells=line.draft.cells,
            total=line.draft.total,
            max_points=line.draft.max_points,
            percent=line.draft.percent,
            basis=line.basis,
            published=line.published,
            printed=printed[line.draft.unit.code],
            level_basis=line.level_basis,
            level_published=line.level_published,
            rating=line.rating,
            rating_reason=line.rating_reason,
            groups=line.draft.groups,
            is_provisional=line.draft.is_provisional,
            pool=line.draft.pool,
            rank=ranks.get(line.draft.unit.code),
            rank_in_pool=ranks_in_pool.get(line.draft.unit.code),
        )
        for line in lines
    ]
    results += [_exempt(level, unit, rulings.exempt[unit.code]) for unit in units if unit.code in rulings.exempt]
    results.sort(key=_table_order)
    result = LevelResult(framework, level, tuple(results))
    waiting = sum(
        ruling.state is CellState.PENDING and unit not in rulings.exempt for (unit, _), ruling in rulings.cells.items()
    )
    return replace(result, notes=footnotes(result, policy.told, waiting))


_STANDING_ORDER: tuple[Standing, ...] = ("ranked", "not_appraised", "unranked", "exempt")


def _table_order(result: UnitResult) -> tuple[object, ...]:
    """Ranked units by rank, then the unranked by score, then the exempt; equal ones by Vietnamese collation."""
    is_listed_apart = result.rank is None
    return (
        is_listed_apart,
        _STANDING_ORDER.index(result.standing) if is_listed_apart else 0,
        result.rank or 0,
        -result.level_published if is_listed_apart else 0,
        sort_key(result.unit.name),
        result.unit.code,
    )


@dataclass(frozen=True, slots=True)
class _Policy:
    """The rules that hold for this level: the decision's, or the operator's where it is silent."""

    not_applicable: NotApplicablePolicy
    bands: tuple[RatingBand, ...]
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class _Peers:
    """Mean points of the units of a level that have a score for a criterion; None where no unit has one."""

    mean: Fraction | None
    count: int
    is_open: bool
    """Another unit's cell is still open, so the mean may change."""


@dataclass(frozen=True, slots=True)
class _Draft:
    unit: UnitRef
    cells: tuple[Cell, ...]
    total: Fraction
    max_points: Fraction
    percent: Fraction
    groups: tuple[tuple[str, Fraction], ...]
    pool: str
    has_reduced_maximum: bool
    is_provisional: bool
    unappraised_reason: str | None


@dataclass(frozen=True, slots=True)
class _Line:
    """A draft with what is printed and how it is ordered."""

    draft: _Draft
    basis: Basis
    published: Fraction
    level_basis: Basis
    level_published: Fraction
    rating: str | None
    rating_reason: str | None
    standing: Standing
    standing_reason: str | None
    pool_key: tuple[Fraction, ...]
    level_key: tuple[Fraction, ...]

    @property
    def is_ranked(self) -> bool:
        return self.standing in ("ranked", "not_appraised")


def _cells_of(level: Level, unit: UnitRef, cells: Mapping[tuple[str, str], Cell], rulings: Rulings) -> tuple[Cell, ...]:
    """A unit's cells in the framework's order, rulings applied, zero states worth 0."""
    found = []
    for criterion in level.criteria:
        at = (unit.code, criterion.code)
        cell = cells.get(at) or Cell(unit.code, criterion.code, CellState.PENDING, None, "chưa có số liệu")
        if (ruling := rulings.cells.get(at)) is not None:
            cell = replace(cell, state=ruling.state, reason=ruling.reason)
        if cell.state in ZERO_STATES:
            cell = replace(cell, points=Fraction(0))
        elif cell.state not in POINT_STATES:
            cell = replace(cell, points=None)
        found.append(cell)
    return tuple(found)


def _unappraised(own: Mapping[str, tuple[Cell, ...]], rulings: Rulings) -> dict[str, str]:
    """Units that nobody appraised -> reason: named by the assessment, or none of their cells was appraised."""
    found = {}
    for code, cells in own.items():
        if code in rulings.not_appraised:
            found[code] = rulings.not_appraised[code]
        elif cells and all(cell.state is CellState.NOT_APPRAISED for cell in cells):
            found[code] = "cấp thẩm định chưa chấm tiêu chí nào của đơn vị"
    return found


def _resolve(
    framework: Framework,
    level: Level,
    own: Mapping[str, tuple[Cell, ...]],
    unappraised: Mapping[str, str],
    choices: Choices,
    rulings: Rulings,
) -> _Policy:
    """Which rule applies to what is not a plain score. Raises ChoiceNeeded where nobody has said."""
    policies = framework.policies_of(level)
    told: list[Told] = []

    def rule(name: str, stated: str, chosen: str | None, about: str) -> str:
        if chosen is not None and chosen in framework.alternatives.get(name, ()):
            told.append(Told(name, chosen, "operator", choices.document))
            return chosen
        if stated != "unstated":
            if chosen not in (None, stated):
                raise ChoiceNeeded(
                    f"{framework.id}, {level.level}: {framework.decision.number} quy định {name} là {stated}; "
                    f"không chọn {chosen} được, hãy bỏ lựa chọn đó"
                )
            told.append(Told(name, stated, "decision"))
            return stated
        if chosen is None:
            raise ChoiceNeeded(choice_needed(framework, level.level, name, about))
        told.append(Told(name, chosen, "operator", choices.document))
        return chosen

    def first(state: CellState) -> str | None:
        found = [
            (cell.unit, cell.criterion)
            for code, cells in own.items()
            if code not in unappraised
            for cell in cells
            if cell.state is state
        ]
        return f"đơn vị {min(found)[0]}, tiêu chí {min(found)[1]}" if found else None

    not_applicable: str = "rescale"
    if (about := first(CellState.NOT_APPLICABLE)) is not None:
        not_applicable = rule("not_applicable", policies.not_applicable, choices.not_applicable, about)
    if (about := first(CellState.EXCLUDED)) is not None:
        rule("excluded", policies.excluded, choices.excluded, about)
    if unappraised:
        rule("not_appraised", policies.not_appraised, choices.not_appraised, f"đơn vị {min(unappraised)}")
    for state, name, value, is_stated, is_chosen in (
        (CellState.ZERO_NO_EVIDENCE, "missing", "zero", policies.missing == "zero", choices.missing == "zero"),
        (CellState.ZERO_LATE, "late", "zero", policies.late == "zero", choices.late == "zero"),
        (CellState.ZERO_REJECTED, "signatures", "rejected", policies.signatures != "unstated", False),
    ):
        if first(state) is not None:
            # A zero that stands in given points was decided by whoever gave them.
            source: Source = "decision" if is_stated else "operator" if is_chosen else "given"
            told.append(Told(name, value, source, choices.document))
    for policy, choice in (("late", choices.late), ("evidence", choices.evidence)):
        if policy in rulings.chosen and choice is not None and not any(item.policy == policy for item in told):
            told.append(Told(policy, choice, "operator", choices.document))
    bands: tuple[RatingBand, ...] = ()
    if framework.ratings == "unstated":
        bands = choices.ratings or ()
        words = "; ".join(f"{band.name} từ {_vi(decimal_text(Fraction(band.least), 6))} %" for band in bands)
        told.append(Told("ratings", words, "operator" if bands else "nobody", choices.document))
    elif framework.ratings != "none":
        bands = framework.ratings
    return _Policy(cast(NotApplicablePolicy, not_applicable), bands, tuple(told))


def _peer_points(
    level: Level, own: Mapping[str, tuple[Cell, ...]], unappraised: Mapping[str, str]
) -> dict[str, _Peers]:
    """Criterion -> mean over the units of the level that have a score («có điểm»).

    A zero for missing or late evidence is a score of 0; not-applicable, excluded and unappraised cells are none.
    """
    found: dict[str, _Peers] = {}
    for position, criterion in enumerate(level.criteria):
        column = [cells[position] for code, cells in own.items() if code not in unappraised]
        points = [cell.points for cell in column if cell.points is not None]
        is_open = any(cell.state in OPEN_STATES for cell in column)
        mean = sum(points, Fraction(0)) / len(points) if points else None
        found[criterion.code] = _Peers(mean, len(points), is_open)
    return found


def _draft(
    level: Level,
    unit: UnitRef,
    own: tuple[Cell, ...],
    unappraised: Mapping[str, str],
    policy: _Policy,
    peers: Mapping[str, _Peers],
) -> _Draft:
    if unit.code in unappraised:
        why = unappraised[unit.code]
        own = tuple(replace(cell, state=CellState.NOT_APPRAISED, points=None, reason=why) for cell in own)
    leaves: set[str] = set()
    waits_for_peers = False
    cells: list[Cell] = []
    for cell in own:
        if cell.state is CellState.EXCLUDED:
            leaves.add(cell.criterion)
        elif cell.state is CellState.NOT_APPLICABLE and policy.not_applicable == "peer_mean":
            peer = peers[cell.criterion]
            waits_for_peers |= peer.is_open
            if peer.mean is None:
                leaves.add(cell.criterion)
                cell = replace(
                    cell, reason=_also(cell.reason, "không đơn vị nào cùng cấp có điểm: ra khỏi điểm tối đa")
                )
            else:
                cell = replace(
                    cell,
                    points=peer.mean,
                    reason=_also(cell.reason, f"điểm trung bình cộng của {peer.count} đơn vị cùng cấp có điểm"),
                )
        elif cell.state is CellState.NOT_APPLICABLE and policy.not_applicable != "zero":
            leaves.add(cell.criterion)
        cells.append(cell)
    full = Fraction(level.max_points)
    kept = sum((criterion.max_fraction for criterion in level.criteria if criterion.code not in leaves), Fraction(0))
    scored = sum((cell.points or Fraction(0) for cell in cells), Fraction(0))
    if policy.not_applicable == "prorate" and kept:
        # The cell gets its maximum × scored / applicable maximum; excluded cells still leave the maximum.
        share = scored / kept
        for position, cell in enumerate(cells):
            if cell.state is CellState.NOT_APPLICABLE:
                points = level.criterion(cell.criterion).max_fraction * share
                cells[position] = replace(
                    cell, points=points, reason=_also(cell.reason, "điểm theo tỷ lệ đạt được ở các tiêu chí còn lại")
                )
                kept += level.criterion(cell.criterion).max_fraction
        scored = sum((cell.points or Fraction(0) for cell in cells), Fraction(0))
    points_of = {cell.criterion: cell.points or Fraction(0) for cell in cells}
    return _Draft(
        unit=unit,
        cells=tuple(cells),
        total=scored,
        max_points=kept,
        percent=scored * 100 / kept if kept else Fraction(0),
        groups=tuple(
            (code, sum((points_of[item.code] for item in node.all_criteria()), Fraction(0)))
            for code, node in _ranked_groups(level)
        ),
        pool=pool_of(level, unit),
        has_reduced_maximum=kept != full,
        is_provisional=waits_for_peers
        or (unit.code not in unappraised and any(cell.state in OPEN_STATES for cell in cells)),
        unappraised_reason=unappraised.get(unit.code),
    )


def _ranked_groups(level: Level) -> list[tuple[str, Node]]:
    """The branches whose points stand in the table: those with minima, else the top ones."""
    if level.classes is not None:
        nodes = {node.code: node for node in level.all_nodes()}
        return [(code, nodes[code]) for code in level.classes.minima]
    return [(node.code, node) for node in level.nodes]


def _also(reason: str | None, more: str) -> str:
    return f"{reason}; {more}" if reason else more


def _line(framework: Framework, level: Level, policy: _Policy, draft: _Draft, percent_pools: set[str]) -> _Line:
    basis: Basis = "percent" if draft.pool in percent_pools else "points"
    # Pools may print on different bases; over the whole level only one base can order them.
    level_basis: Basis = "percent" if percent_pools else "points"
    exact_score = draft.percent if basis == "percent" else draft.total
    exact_level_score = draft.percent if level_basis == "percent" else draft.total
    published = exact.round_half_up(exact_score, framework.decimals)
    level_published = exact.round_half_up(exact_level_score, framework.decimals)
    standing: Standing = "not_appraised" if draft.unappraised_reason is not None else "ranked"
    standing_reason = draft.unappraised_reason
    rating: str | None = None
    rating_reason: str | None = None
    reached: int | None = None
    if level.classes is not None:
        reached, rating_reason = class_of(level, level.classes, dict(draft.groups))
        if reached is None:
            # Who chose that an unappraised unit gets 0 chose, in the same words, that it is still ranked.
            if level.classes.is_unranked_below and standing == "ranked":
                standing, standing_reason = "unranked", rating_reason
        else:
            rating = level.classes.names[reached]
    elif policy.bands:
        rating = rating_of(policy.bands, draft.percent)
    if not draft.max_points:
        standing, standing_reason, rating = "unranked", "không có tiêu chí nào để đánh giá", None
    return _Line(
        draft=draft,
        basis=basis,
        published=published,
        level_basis=level_basis,
        level_published=level_published,
        rating=rating,
        rating_reason=rating_reason,
        standing=standing,
        standing_reason=standing_reason,
        pool_key=order_key(framework, level, reached, exact_score),
        level_key=order_key(framework, level, reached, exact_level_score),
    )


def order_key(framework: Framework, level: Level, reached: int | None, score: Fraction) -> tuple[Fraction, ...]:
    """What a unit is ordered by, the highest first: the class that it reached, where there are any, and its score."""
    worth = score if framework.rank_on == "exact" else exact.round_half_up(score, framework.decimals)
    if level.classes is None:
        return (worth,)
    return (Fraction(-(len(level.classes.names) if reached is None else reached)), worth)


def rating_of(bands: Sequence[RatingBand], percent: Fraction) -> str:
    """The best band whose bound an exact percentage reaches. The lowest band starts at 0, so there always is one."""
    return next(band.name for band in bands if percent >= Fraction(band.least))


def class_of(level: Level, classes: ClassMinima, groups: Mapping[str, Fraction]) -> tuple[int | None, str | None]:
    """The best class whose minima all groups reach («không nhỏ hơn»), and why not the next better one."""
    short: list[tuple[str, Fraction, Fraction]] = []
    for position in range(len(classes.names)):
        missed = [
            (code, groups[code], Fraction(row[position]))
            for code, row in classes.minima.items()
            if groups[code] < Fraction(row[position])
        ]
        if not missed:
            return position, _why_not(level, classes.names[position - 1], short) if position else None
        short = missed
    return None, _why_not(level, classes.names[-1], short)


def _why_not(level: Level, name: str, missed: Sequence[tuple[str, Fraction, Fraction]]) -> str:
    names = {node.code: node.name for node in level.all_nodes()}
    told = "; ".join(
        f"{names[code]} {_vi(digits_apart(points, (least,), 2))} < {_vi(decimal_text(least, 6))}"
        for code, points, least in missed
    )
    return f"chưa đạt {name}: {told}"


def _vi(text: str) -> str:
    return vi_decimal(Decimal(text))


def _printed(framework: Framework, policy: _Policy, lines: Sequence[_Line]) -> dict[str, str]:
    """Unit -> published score, with more decimals where the framework's would hide why it is rated or ranked so."""
    scores = {
        line.draft.unit.code: line.draft.percent if line.basis == "percent" else line.draft.total for line in lines
    }
    alike: dict[Fraction, set[Fraction]] = {}
    for score in scores.values():
        alike.setdefault(exact.round_half_up(score, framework.decimals), set()).add(score)
    found: dict[str, str] = {}
    for line in lines:
        score = scores[line.draft.unit.code]
        # Bands are percentages of the applicable maximum; beside points they stand at that share of it.
        share = Fraction(1) if line.basis == "percent" else line.draft.max_points / 100
        places = places_apart(score, (Fraction(band.least) * share for band in policy.bands), framework.decimals)
        if framework.rank_on == "exact":
            others = alike[exact.round_half_up(score, framework.decimals)] - {score}
            while any(exact.round_half_up(other, places) == exact.round_half_up(score, places) for other in others):
                places += 1
        found[line.draft.unit.code] = decimal_text(score, places, framework.decimals)
    return found


def places_apart(value: Fraction, bounds: Iterable[Fraction], decimals: int) -> int:
    """How many decimals, `decimals` or more, print the value on its own side of every bound: 3 for 89.996 beside 90."""
    places = decimals
    for bound in bounds:
        while (exact.round_half_up(value, places) >= bound) != (value >= bound):
            places += 1
    return places


def digits_apart(value: Fraction, bounds: Iterable[Fraction], decimals: int) -> str:
    """The value as a decimal string that shows on which side of every bound it lies: 89.996 beside 90, not 90.00."""
    return decimal_text(value, places_apart(value, bounds, decimals), decimals)


def _exempt(level: Level, unit: UnitRef, reason: str) -> UnitResult:
    """A unit that is not assessed this year: no cells, no score, no rank."""
    return UnitResult(
        unit=unit,
        standing="exempt",
        standing_reason=reason,
        cells=(),
        total=Fraction(0),
        max_points=Fraction(0),
        percent=Fraction(0),
        basis="points",
        published=Fraction(0),
        printed="",
        level_basis="points",
        level_published=Fraction(0),
        rating=None,
        rating_reason=None,
        groups=(),
        is_provisional=False,
        pool=pool_of(level, unit),
        rank=None,
        rank_in_pool=None,
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


_Key = TypeVar("_Key", Fraction, tuple[Fraction, ...])


def competition_ranks(scores: Mapping[str, _Key]) -> dict[str, int]:
    """Standard competition ranking (1, 2, 2, 4), the highest score first."""
    ascending = sorted(scores.values())
    return {code: 1 + len(ascending) - bisect_right(ascending, score) for code, score in scores.items()}
