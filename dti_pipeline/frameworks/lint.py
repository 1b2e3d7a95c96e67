"""Defects of a decision's text: those a program can see, and those that a reader recorded in the framework file.

Here: framework -> findings, in a stable order. A finding is proved before it is reported: `can-exceed-max` by figures
that do it, `cannot-reach-max` by an upper bound; where neither proof succeeds the linter says nothing. Not here: what
makes a file unusable (`model.py` refuses it) and how a defect is read (the file's formulas and notes).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dti_pipeline.frameworks.model import Criterion, Framework, InputSpec, Level, Node, Severity
from dti_pipeline.scoring import exact
from dti_pipeline.scoring import formula as f

RECORDED = "recorded"
"""The rule of every finding that a reader wrote down; its message starts with the reader's own rule."""

_DOTTED = re.compile(r"^(?:(?P<prefix>\d+(?:\.\d+)*)\.)?(?P<last>\d+)$")
_PERCENT = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?)\s*%")
_COUNT_SCALE = 1000
_MOST_TRIALS = 50_000
"""Formulas with more combinations than this are left alone; the largest known one needs 2,401."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One defect. `code` is the criterion's code, or the printed number where the number itself is the defect."""

    severity: Severity
    framework: str
    level: str
    code: str
    clause: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class _Defect:
    """A finding without the framework and level around it."""

    severity: Severity
    code: str
    clause: str
    rule: str
    message: str


def lint(framework: Framework) -> tuple[LintFinding, ...]:
    """All defects of a framework by level, then by order of its criteria, then by rule. Empty for a clean one."""
    return tuple(
        LintFinding(defect.severity, framework.id, level.level, defect.code, defect.clause, defect.rule, defect.message)
        for level in framework.levels
        for defect in _level_defects(level)
    )


def _level_defects(level: Level) -> Iterator[_Defect]:
    place = {criterion.code: position for position, criterion in enumerate(level.criteria)}
    found: list[tuple[int, _Defect]] = [*_duplicate_codes(level, place), *_missing_codes(level, place)]
    for criterion in level.criteria:
        for defect in _criterion_defects(criterion):
            found.append((place[criterion.code], defect))
    found.sort(key=lambda item: (item[0], item[1].rule))
    yield from (defect for _, defect in found)


def _criterion_defects(criterion: Criterion) -> Iterator[_Defect]:
    checks = (_shared_maximum, _tiers_overlap, _threshold_in_title, _exceeds_maximum, _misses_maximum)
    for check in checks:
        defect = check(criterion)
        if defect is not None:
            yield defect
    for recorded in criterion.findings:
        yield _defect(criterion, recorded.severity, RECORDED, f"{recorded.rule}: {recorded.message}")


def _defect(criterion: Criterion, severity: Severity, rule: str, message: str, code: str | None = None) -> _Defect:
    return _Defect(severity, code or criterion.code, criterion.clause, rule, message)


# --- numbering ---


def _printed_codes(criterion: Criterion) -> tuple[str, ...]:
    return tuple(line.printed_code for line in criterion.lines) or (criterion.printed_code,)


def _duplicate_codes(level: Level, place: Mapping[str, int]) -> Iterator[tuple[int, _Defect]]:
    seen: dict[str, Criterion] = {}
    for criterion in level.criteria:
        for code in _printed_codes(criterion):
            first = seen.setdefault(code, criterion)
            if first is criterion and _printed_codes(criterion).count(code) == 1:
                continue
            yield (
                place[criterion.code],
                _defect(
                    criterion,
                    "warning",
                    "duplicate-code",
                    f"Số thứ tự {code} được in hai lần («{first.name}» và «{criterion.name}»): trích dẫn «{code}» "
                    f"không cho biết là tiêu chí nào; ở đây tiêu chí sau mang mã {criterion.code}.",
                    code,
                ),
            )


def _missing_codes(level: Level, place: Mapping[str, int]) -> Iterator[tuple[int, _Defect]]:
    yield from _gaps(None, level.name, level.nodes, (), place)
    for node in level.all_nodes():
        yield from _gaps(node.code, node.name, node.nodes, node.criteria, place)


def _gaps(
    parent: str | None,
    name: str,
    nodes: tuple[Node, ...],
    criteria: tuple[Criterion, ...],
    place: Mapping[str, int],
) -> Iterator[tuple[int, _Defect]]:
    """Numbers skipped directly under one node (None: the top), each told beside the criterion after the gap."""
    holders = [(code, criterion) for criterion in criteria for code in _printed_codes(criterion)]
    holders += [(node.code, criterion) for node in nodes for criterion in itertools.islice(node.all_criteria(), 1)]
    numbers = {_number_under(parent, code) for code in (*(code for code, _ in holders), *(node.code for node in nodes))}
    after = sorted(
        ((number, criterion) for code, criterion in holders if (number := _number_under(parent, code)) is not None),
        key=lambda item: item[0],
    )
    for gap in range(1, after[-1][0] if after else 1):
        if gap in numbers:
            continue
        criterion = next(criterion for number, criterion in after if number > gap)
        code = f"{parent}.{gap}" if parent else str(gap)
        yield (
            place[criterion.code],
            _defect(
                criterion,
                "warning",
                "missing-code",
                f"Số thứ tự trong {f'{parent} ' if parent else ''}«{name}» không có {code}: có thể bản in thiếu một "
                "mục hoặc đánh số nhầm; ở đây giữ số như in.",
                code,
            ),
        )


def _number_under(parent: str | None, code: str) -> int | None:
    """The last number of a dotted code that continues its parent's: 2 for 5.3.2 under 5.3."""
    match = _DOTTED.match(code)
    return int(match["last"]) if match and match["prefix"] == parent else None


# --- what the text says against itself ---


def _shared_maximum(criterion: Criterion) -> _Defect | None:
    if len(criterion.lines) < 2:
        return None
    lines = ", ".join(line.printed_code for line in criterion.lines)
    return _defect(
        criterion,
        "info",
        "shared-maximum",
        f"{len(criterion.lines)} dòng in ({lines}) dùng chung một cách tính và một mức tối đa "
        f"{_vi(criterion.max_fraction)} điểm: không tách được điểm của từng dòng; ở đây chấm chung "
        f"thành {criterion.code}.",
    )


def _tiers_overlap(criterion: Criterion) -> _Defect | None:
    for node in f.walk(criterion.printed_expression):
        if not isinstance(node, f.Tier):
            continue
        for first, second in itertools.combinations(node.arms, 2):
            low = max((arm.low for arm in (first, second) if arm.low is not None), default=None)
            high = min((arm.high for arm in (first, second) if arm.high is not None), default=None)
            if low is not None and high is not None and low >= high:
                continue
            if _constant(first.points, criterion) == _constant(second.points, criterion):
                continue
            return _defect(
                criterion,
                "warning",
                "tiers-overlap",
                f"Hai mức chồng nhau: {_arm(first)} và {_arm(second)} cùng đúng với một số liệu nhưng cho điểm khác "
                "nhau, nên điểm tùy người đọc; ở đây mức có lợi nhất được áp dụng.",
            )
    return None


def _constant(points: f.Expr, criterion: Criterion) -> f.Expr | Fraction:
    """What a tier is worth where that depends on no input; otherwise the expression itself, to compare by its form."""
    if f.input_names(points):
        return points
    worth = exact.evaluate(points, {}, criterion.max_fraction)
    return points if isinstance(worth, exact.Block) else worth


def _arm(arm: f.Arm) -> str:
    match arm.low, arm.high:
        case None, Fraction() as high:
            return f"«dưới {_vi(high)}»"
        case Fraction() as low, None:
            return f"«từ {_vi(low)} trở lên»"
        case Fraction() as low, Fraction() as high:
            return f"«từ {_vi(low)} đến dưới {_vi(high)}»"
    return "«mọi giá trị»"


def _threshold_in_title(criterion: Criterion) -> _Defect | None:
    """A title that prints a percentage, beside a formula whose thresholds are all other ones.

    A percentage without any threshold in the formula («100% …» of a plain ratio) is no contradiction.
    """
    thresholds = sorted(set(_ratio_thresholds(criterion)))
    if not thresholds:
        return None
    for title in (criterion.name, *(line.name for line in criterion.lines)):
        printed = [Fraction(number.replace(",", ".")) for number in _PERCENT.findall(title)]
        # A threshold of a percentage is written 50, that of a ratio 0.5.
        if not printed or any(value in thresholds or value / 100 in thresholds for value in printed):
            continue
        told = ", ".join(f"{_vi(value)} %" for value in printed)
        used = ", ".join(f"{_vi(value * 100 if value <= 1 else value)} %" for value in thresholds)
        return _defect(
            criterion,
            "warning",
            "threshold-differs-from-title",
            f"Tên tiêu chí ghi {told}, cách tính dùng mốc {used}: hai mốc cho điểm khác nhau; ở đây theo cách tính.",
        )
    return None


def _ratio_thresholds(criterion: Criterion) -> Iterator[Fraction]:
    """Thresholds that a ratio or percentage is held against; those of plain counts («3 courses») are left out."""

    def is_share(expr: f.Expr) -> bool:
        return any(
            isinstance(node, f.Ratio)
            or (isinstance(node, f.Arith) and node.op == "/")
            or (isinstance(node, f.Var) and criterion.input(node.name).kind == "percent")
            for node in f.walk(expr)
        )

    for subject, threshold in _thresholds(criterion.printed_expression):
        if is_share(subject):
            yield threshold


def _thresholds(expr: f.Expr) -> Iterator[tuple[f.Expr, Fraction]]:
    """What is held against a fixed number, and that number."""
    for node in f.walk(expr):
        match node:
            case f.Linear(ratio=subject, to=threshold) | f.Step(ratio=subject, at=threshold):
                yield subject, threshold
            case f.Compare(left=subject, right=f.Num(value=threshold)):
                yield subject, threshold
            case f.Compare(left=f.Num(value=threshold), right=subject):
                yield subject, threshold
            case f.Tier(value=subject, arms=arms):
                yield from ((subject, bound) for arm in arms for bound in (arm.low, arm.high) if bound is not None)


# --- can the formula leave 0..max? ---


def _exceeds_maximum(criterion: Criterion) -> _Defect | None:
    if criterion.source_score:
        return None  # the platform's own points; its formula is not ours to judge
    own = [test for test in criterion.requirements if _is_decisions_own(test, criterion)]
    witness = _witness(criterion, criterion.requirements)
    unguarded = witness is not None
    if witness is None and len(own) < len(criterion.requirements):
        witness = _witness(criterion, own)
    if witness is None:
        return None
    figures, worth = witness
    used = exact.evaluate(criterion.expression, figures, criterion.max_fraction)
    example = ", ".join(
        f"{name} = {value if isinstance(value, str) else _vi(value)}"
        for name, value in figures.items()
        if isinstance(value, str | Fraction)
    )
    capped = isinstance(used, Fraction) and used <= criterion.max_fraction
    if capped:
        remedy = "công thức đang dùng chặn ở mức tối đa."
    elif not unguarded:
        remedy = f"số liệu như vậy bị giữ lại vì trái điều kiện {'; '.join(criterion.require)} của cách đọc."
    else:
        remedy = "công thức đang dùng chưa chặn."
    return _defect(
        criterion,
        "error" if unguarded and not capped else "warning",
        "can-exceed-max",
        f"Công thức gốc có thể vượt mức tối đa {_vi(criterion.max_fraction)} điểm: {example} cho {_vi(worth)} điểm; "
        f"{remedy}",
    )


def _is_decisions_own(test: f.Compare, criterion: Criterion) -> bool:
    """Whether a requirement only spells out the decision's definitions: parts of one whole, together at most the whole.

    Any other requirement is our reading and keeps nothing within the maximum of the text as printed.
    """
    if test.op != "<=" or not isinstance(test.right, f.Var):
        return False
    whole = test.right.name
    parts = [node for node in f.walk(test.left) if not (isinstance(node, f.Arith) and node.op == "+")]
    return all(isinstance(part, f.Var) and criterion.input(part.name).part_of == whole for part in parts)


def _witness(criterion: Criterion, requirements: Iterable[f.Compare]) -> tuple[dict[str, exact.Value], Fraction] | None:
    """Figures that the decision's definitions allow and that score more than the maximum, with what they score.

    Formulas of this language are built of straight pieces and quotients, so their largest values lie where inputs
    are 0, equal, far apart, or just at a threshold: those are tried, smallest first.
    """
    expression, tests = criterion.printed_expression, tuple(requirements)
    names = [spec.name for spec in criterion.inputs]
    trials = [_trial_values(spec, criterion) for spec in criterion.inputs]
    if math.prod(len(values) for values in trials) > _MOST_TRIALS:
        return None
    parts = [
        (position, names.index(spec.part_of))
        for position, spec in enumerate(criterion.inputs)
        if spec.part_of is not None
    ]
    for values in itertools.product(*trials):
        if any(_is_more(values[part], values[whole]) for part, whole in parts):
            continue
        figures: dict[str, exact.Value] = dict(zip(names, values, strict=True))
        worth = exact.evaluate(expression, figures, criterion.max_fraction)
        if (
            isinstance(worth, Fraction)
            and worth > criterion.max_fraction
            and all(exact.holds(test, figures) is True for test in tests)
        ):
            return figures, worth
    return None


def _is_more(part: exact.Value, whole: exact.Value) -> bool:
    return isinstance(part, Fraction) and isinstance(whole, Fraction) and part > whole


def _trial_values(spec: InputSpec, criterion: Criterion) -> tuple[exact.Value, ...]:
    if spec.kind == "option":
        return spec.option_values
    values = {Fraction(0), Fraction(1)}
    turning = {threshold for _, threshold in _thresholds(criterion.printed_expression)}
    if spec.kind == "percent":
        values.add(Fraction(100))
        near = {point * scale for point in turning for scale in (1, 100)}
        values |= {value for point in near for value in (point - 1, point) if 0 <= value <= 100}
    else:
        values |= {Fraction(2), Fraction(_COUNT_SCALE)}
        near = {point if point > 1 else point * _COUNT_SCALE for point in turning}
        values |= {Fraction(math.floor(point) + step) for point in near for step in (-1, 0, 1) if point + step >= 0}
    return tuple(sorted(values))


def _misses_maximum(criterion: Criterion) -> _Defect | None:
    if criterion.source_score:
        return None
    best = _upper(criterion.printed_expression, criterion)
    if best is None or best >= criterion.max_fraction:
        return None
    return _defect(
        criterion,
        "warning",
        "cannot-reach-max",
        f"Cách tính cho nhiều nhất {_vi(best)} điểm, mức tối đa in là {_vi(criterion.max_fraction)}: không đơn vị nào "
        "đạt được điểm tối đa.",
    )


def _upper(expr: f.Expr, criterion: Criterion) -> Fraction | None:
    """A bound that the expression never passes, None where none is known; inputs are never negative."""

    def up(part: f.Expr) -> Fraction | None:
        return _upper(part, criterion)

    match expr:
        case f.Num(value=value):
            return value
        case f.MaxPoints():
            return criterion.max_fraction
        case f.Var(name=name):
            return Fraction(100) if criterion.input(name).kind == "percent" else None
        case f.Term(body=body):
            return up(body)
        case f.Arith(op="+", left=left, right=right):
            a, b = up(left), up(right)
            return None if a is None or b is None else a + b
        case f.Arith(op="*", left=left, right=right):
            # The product of two bounds is one only where neither side can be negative.
            a, b = up(left), up(right)
            return None if a is None or b is None or _subtracts(expr) else a * b
        case f.Arith(op="/", left=left, right=f.Num(value=value)):
            a = up(left)
            return None if a is None or value <= 0 else a / value
        case f.Arith(op="/", left=f.Var(name=part), right=f.Var(name=whole)):
            return Fraction(1) if criterion.input(part).part_of == whole else None
        case f.Arith():
            return None
        case f.Choice(then=then, otherwise=otherwise):
            return _largest([up(then), up(otherwise)])
        case f.Extreme(kind="min", items=items):
            known = [bound for bound in map(up, items) if bound is not None]
            return min(known, default=None)
        case f.Extreme(items=items):
            return _largest([up(item) for item in items])
        case f.Ratio(numerator=top, denominator=bottom, empty=empty):
            quotient = up(f.Arith("/", top, bottom))
            return quotient if empty is None else _largest([quotient, empty])
        case f.Linear(ratio=ratio, to=to):
            bound = up(ratio)
            return Fraction(1) if bound is None else min(Fraction(1), bound / to)
        case f.Step(ratio=ratio, at=at):
            bound = up(ratio)
            return Fraction(bound is None or bound >= at)
        case f.Tier(arms=arms):
            return _largest([Fraction(0), *(up(arm.points) for arm in arms)])
        case f.Option(values=options):
            return _largest([up(worth) for _, worth in options])
        case f.Round(body=body, decimals=decimals):
            bound = up(body)
            return None if bound is None else exact.round_half_up(bound, decimals)


def _largest(bounds: list[Fraction | None]) -> Fraction | None:
    known = [bound for bound in bounds if bound is not None]
    return max(known) if len(known) == len(bounds) else None


def _subtracts(expr: f.Expr) -> bool:
    return any(isinstance(node, f.Arith) and node.op == "-" for node in f.walk(expr))


def _vi(value: Fraction) -> str:
    """A number in Vietnamese writing, cut to two decimals where it has no end."""
    rounded = exact.round_half_up(value, 2)
    return f"{Decimal(rounded.numerator) / Decimal(rounded.denominator):f}".replace(".", ",")
