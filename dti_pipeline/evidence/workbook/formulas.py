"""Formulas of the decision as spreadsheet formulas: the tree of `scoring/formula.py` -> expressions for Excel 2010 on.

Here: text of expressions over cell references, worth what `scoring/exact.py` says up to the rounding of doubles. An
input without a value is #N/A, one that does not fit its kind #VALUE!, 0/0 that the decision does not count #NUM!, any
other zero denominator #DIV/0!; errors pass through every operation, so no number comes out of a formula that lacks one.
Not here: where cells stand and what the workbook looks like (`template.py`), the words shown (`layout.yaml`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction

from dti_pipeline.evidence.workbook.layout import ScoreWords
from dti_pipeline.frameworks.model import Criterion, InputSpec
from dti_pipeline.scoring import formula as f

MAX_LENGTH = 8192
"""Longer formulas make Excel refuse the file."""

MISSING, INVALID, NOT_APPLICABLE, ZERO_DENOMINATOR = "#N/A", "#VALUE!", "#NUM!", "#DIV/0!"
_TYPE = {ZERO_DENOMINATOR: 2, NOT_APPLICABLE: 6}
"""What ERROR.TYPE says."""
_NOISE = 12
"""Decimals that survive a few operations on doubles; the figures of one criterion differ by more or not at all."""
_SHOWN = {"<=": "≤", ">=": "≥", "==": "="}


class FormulaTooLong(ValueError):
    """A criterion whose formula no spreadsheet takes."""


def text(words: str) -> str:
    """A string literal."""
    return '"' + words.replace('"', '""') + '"'


def number(value: Fraction | Decimal) -> str:
    """A number as a literal: a decimal of at most 15 digits where there is one, else a quotient."""
    exact = Fraction(value)
    decimal = Context(prec=15).divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return f"{decimal:f}" if Fraction(decimal) == exact else f"({exact.numerator}/{exact.denominator})"


def expression(expr: f.Expr, cells: Mapping[str, str], max_points: Fraction) -> str:
    """A formula over the inputs' cells (input name -> reference of its effective value); without the equals sign."""

    def write(part: f.Expr) -> str:
        return expression(part, cells, max_points)

    match expr:
        case f.Num(value=value):
            return number(value)
        case f.MaxPoints():
            return number(max_points)
        case f.Var(name=name):
            return cells[name]
        case f.Term(body=body):
            return write(body)
        case f.Arith(op=op, left=left, right=right):
            return f"({write(left)}{op}{write(right)})"
        case f.Choice(test=test, then=then, otherwise=otherwise):
            return f"IF({condition(test, cells, max_points)},{write(then)},{write(otherwise)})"
        case f.Extreme(kind=kind, items=items):
            return f"{'MIN' if kind == 'min' else 'MAX'}({','.join(write(item) for item in items)})"
        case f.Ratio(numerator=numerator, denominator=denominator, empty=empty):
            top, bottom = write(numerator), write(denominator)
            nothing = NOT_APPLICABLE if empty is None else number(empty)
            return f"IF(AND({top}=0,{bottom}=0),{nothing},{top}/{bottom})"
        case f.Linear(ratio=ratio, to=to):
            return f"MIN(1,{write(ratio)}/{number(to)})"
        case f.Step(ratio=ratio, at=at):
            return f"IF({condition(f.Compare('>=', ratio, f.Num(at)), cells, max_points)},1,0)"
        case f.Tier(value=subject, arms=arms):
            held = (f"IF({_within(subject, arm, cells, max_points)},{write(arm.points)},0)" for arm in arms)
            return f"MAX(0,{','.join(held)})"
        case f.Option(name=name, values=options):
            taken = MISSING
            for option, body in reversed(options):
                taken = f"IF({cells[name]}={text(option)},{write(body)},{taken})"
            return taken
        case f.Round(body=body, decimals=decimals):
            # What is exactly a half may be a hair below it as a double.
            return f"ROUND(ROUND({write(body)},{_NOISE - 1}),{decimals})"


def condition(test: f.Compare, cells: Mapping[str, str], max_points: Fraction) -> str:
    """A comparison; both sides without the noise of doubles, so that a threshold reached exactly is reached."""
    sign = "=" if test.op == "==" else test.op
    left, right = (_quiet(side, expression(side, cells, max_points)) for side in (test.left, test.right))
    return f"{left}{sign}{right}"


def _quiet(expr: f.Expr, written: str) -> str:
    return written if isinstance(expr, f.Num | f.MaxPoints | f.Var) else f"ROUND({written},{_NOISE})"


def _within(subject: f.Expr, arm: f.Arm, cells: Mapping[str, str], max_points: Fraction) -> str:
    bounds = [f.Compare(">=", subject, f.Num(arm.low))] if arm.low is not None else []
    bounds += [f.Compare("<", subject, f.Num(arm.high))] if arm.high is not None else []
    written = [condition(bound, cells, max_points) for bound in bounds]
    return written[0] if len(written) == 1 else f"AND({','.join(written)})"


def effective(spec: InputSpec, value: str, automatic: str | None, labels: Sequence[str] = ()) -> str:
    """What counts for an input: the unit's value where one is filled in, else the automatic figure, else #N/A.

    `value`, `automatic`: references (None: there is no automatic figure); `labels`: references of the labels of an
    input of kind `option`, in the order of its options. An option is worth its identifier.
    """
    fallback = _checked(spec, automatic, labels) if automatic is not None else MISSING
    return f"=IF(LEN(TRIM({value}))=0,{fallback},{_checked(spec, value, labels)})"


def _checked(spec: InputSpec, cell: str, labels: Sequence[str]) -> str:
    if spec.kind == "option":
        taken = INVALID
        for option, label in reversed(list(zip(spec.options, labels, strict=True))):
            taken = f"IF(TRIM({cell})={label},{text(option.value)},{taken})"
        return taken
    bounds = {"count": f",{cell}=INT({cell})", "number": "", "percent": f",{cell}<=100"}[spec.kind]
    inside = f"AND({cell}>=0{bounds})" if bounds else f"{cell}>=0"
    # AND asks all its parts, and INT of a text is an error of its own: so the test for a number stands outside.
    return f"IF(ISNUMBER({cell}),IF({inside},{cell},{INVALID}),{INVALID})"


def raw(criterion: Criterion, cells: Mapping[str, str]) -> str:
    """The worth of a criterion's formula, or the error that says why it has none. Raises FormulaTooLong."""
    written = "=" + expression(criterion.expression, cells, criterion.max_fraction)
    return _short_enough(criterion, written)


def self_score(
    criterion: Criterion, words: ScoreWords, *, cells: Mapping[str, str], effective_range: str, worth: str, request: str
) -> str:
    """The self score as shown: points, or words where the figures give none; empty where nothing is filled in.

    `worth`: reference of `raw`; `effective_range`: the effective values of all inputs; `request`: reference of the
    request not to be assessed. Raises FormulaTooLong.
    """
    counted = f"ROUND({worth},9)"
    shown = f"IF(AND({counted}>=0,{counted}<={number(criterion.max_fraction)}),{worth},{text(words.out_of_range)})"
    for written, test in reversed(list(zip(criterion.require, criterion.requirements, strict=True))):
        # A condition on figures that were not needed and are not there is not broken.
        holds = f"IFERROR({condition(test, cells, criterion.max_fraction)},TRUE)"
        shown = f"IF({holds},{shown},{text(requirement_words(written, words))})"
    blocked = f"IF(SUMPRODUCT(--ISNA({effective_range}))={len(criterion.inputs)},{text('')},{text(words.missing)})"
    for error, why in ((NOT_APPLICABLE, words.not_applicable), (ZERO_DENOMINATOR, words.zero_denominator)):
        blocked = f"IF(ERROR.TYPE({worth})={_TYPE[error]},{text(why)},{blocked})"
    blocked = f"IF(LEN(TRIM({request}))>0,{text(words.requested)},{blocked})"
    written = (
        f"=IF(SUMPRODUCT(--ISERR({effective_range}))>0,{text(words.invalid)},IF(ISNUMBER({worth}),{shown},{blocked}))"
    )
    return _short_enough(criterion, written)


def requirement_words(requirement: str, words: ScoreWords) -> str:
    """What is shown where the figures break a condition: «Phải có b ≤ a»."""
    for sign, shown in _SHOWN.items():
        requirement = requirement.replace(sign, shown)
    return words.requirement.format(requirement=requirement)


def _short_enough(criterion: Criterion, written: str) -> str:
    if len(written) > MAX_LENGTH:
        raise FormulaTooLong(
            f"criterion {criterion.code}: its formula takes {len(written)} characters in a spreadsheet, which takes at "
            f"most {MAX_LENGTH}; split the criterion or simplify its formula"
        )
    return written
