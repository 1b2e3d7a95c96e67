"""Formulas of the workbook: one expression per node of the language, and LibreOffice against exact arithmetic."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from workbook_cases import columns, fill, office, opened, recalculated, self_scores, template, values
from xlsxwriter.utility import xl_rowcol_to_cell

from dti_pipeline.evidence.workbook import formulas
from dti_pipeline.evidence.workbook.layout import ScoreWords, load_layout
from dti_pipeline.evidence.workbook.template import Prefilled
from dti_pipeline.frameworks.loader import load_all, load_framework
from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, OptionLabel, Policies
from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.engine import InputValue, score_cell
from dti_pipeline.scoring.states import CellState, InputState

WORDS = ScoreWords(
    missing="thiếu", invalid="sai", zero_denominator="chia 0", not_applicable="không có", requested="đề nghị",
    requirement="cần {requirement}", out_of_range="quá",
)  # fmt: skip
BAD = "abc"
"""What a unit may have pasted into a cell that takes a number or an option."""
SETS = 8
"""Sets of inputs for each formula, and how many where it stands again with other maximum points."""
SETS_AGAIN = 2
ROUND_TRIP = ("ninh-thuan-2021", "province")
Given = Mapping[str, Fraction | str | None]
"""Input name -> what is filled in: a number, an option, BAD, or nothing."""
CELLS = {"a": "P5", "b": "P6", "c": "P7", "o": "P8"}


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        ("3", "3"),
        ("0.2", "0.2"),
        ("1/3 * a", "((1/3)*P5)"),
        ("max", "2.5"),
        ("a + b - c", "((P5+P6)-P7)"),
        ("a - (b - c)", "(P5-(P6-P7))"),
        ("b / a * max", "((P6/P5)*2.5)"),
        ("Y * max", "((P6/P5)*2.5)"),
        ("max if c / a >= 0.8 else b", "IF(ROUND((P7/P5),12)>=0.8,2.5,P6)"),
        ("1 if a == b else 0", "IF(P5=P6,1,0)"),
        ("min(a, b, 3)", "MIN(P5,P6,3)"),
        ("largest(a, 1)", "MAX(P5,1)"),
        ("ratio(b, a, empty=0)", "IF(AND(P6=0,P5=0),0,P6/P5)"),
        ("ratio(b, a, empty=not_applicable)", "IF(AND(P6=0,P5=0),#NUM!,P6/P5)"),
        ("linear(b / a, to=0.6)", "MIN(1,(P6/P5)/0.6)"),
        ("step(b / a, at=0.2)", "IF(ROUND((P6/P5),12)>=0.2,1,0)"),
        (
            "tier(a, below(7, max), between(7, 30, 1.5), atleast(30, 0))",
            "MAX(0,IF(P5<7,2.5,0),IF(AND(P5>=7,P5<30),1.5,0),IF(P5>=30,0,0))",
        ),
        ("option(o, yes=max, no=0)", 'IF(P8="yes",2.5,IF(P8="no",0,#N/A))'),
        ("round(6 * a, 2)", "ROUND(ROUND((6*P5),11),2)"),
    ],
)
def test_each_node_has_its_expression(formula: str, written: str) -> None:
    tree = f.parse(formula, {"a", "b", "c", "o"}, {"Y": "b / a"})
    assert formulas.expression(tree, CELLS, Fraction(5, 2)) == written


@pytest.mark.parametrize(
    ("kind", "automatic", "written"),
    [
        (
            "count",
            None,
            "=IF(LEN(TRIM(J5))=0,#N/A,IF(ISNUMBER(J5),IF(AND(J5>=0,J5=INT(J5)),J5,#VALUE!),#VALUE!))",
        ),
        ("number", None, "=IF(LEN(TRIM(J5))=0,#N/A,IF(ISNUMBER(J5),IF(J5>=0,J5,#VALUE!),#VALUE!))"),
        (
            "percent",
            "H5",
            "=IF(LEN(TRIM(J5))=0,{},{})".format(
                *(f"IF(ISNUMBER({at}),IF(AND({at}>=0,{at}<=100),{at},#VALUE!),#VALUE!)" for at in ("H5", "J5"))
            ),
        ),
        (
            "option",
            None,
            '=IF(LEN(TRIM(J5))=0,#N/A,IF(TRIM(J5)=l!A1,"yes",IF(TRIM(J5)=l!A2,"no",#VALUE!)))',
        ),
    ],
)
def test_a_value_counts_before_the_automatic_figure(kind: Any, automatic: str | None, written: str) -> None:
    options = (OptionLabel(value="yes", label="Có"), OptionLabel(value="no", label="Không")) if kind == "option" else ()
    spec = InputSpec(name="a", label="Số liệu", kind=kind, options=options)
    labels = ("l!A1", "l!A2") if options else ()
    assert formulas.effective(spec, "J5", automatic, labels) == written


def test_the_self_score_is_guarded_by_conditions_and_errors() -> None:
    criterion = _criterion("b / a * max", require=("b <= a",))
    score = formulas.self_score(
        criterion, WORDS, cells={"a": "P5", "b": "P6"}, effective_range="P5:P6", worth="Q5", request="O5"
    )
    assert score == (
        '=IF(SUMPRODUCT(--ISERR(P5:P6))>0,"sai",IF(ISNUMBER(Q5),'
        'IF(IFERROR(P6<=P5,TRUE),IF(AND(ROUND(Q5,9)>=0,ROUND(Q5,9)<=2),Q5,"quá"),"cần b ≤ a"),'
        'IF(LEN(TRIM(O5))>0,"đề nghị",IF(ERROR.TYPE(Q5)=2,"chia 0",IF(ERROR.TYPE(Q5)=6,"không có",'
        'IF(SUMPRODUCT(--ISNA(P5:P6))=2,"","thiếu"))))))'
    )


def test_words_are_quoted() -> None:
    assert formulas.text('5" và') == '"5"" và"'


def test_a_formula_that_no_spreadsheet_takes_is_refused() -> None:
    terms = {"Y0": "b / a"} | {f"Y{n + 1}": f"Y{n} + Y{n}" for n in range(11)}
    with pytest.raises(formulas.FormulaTooLong, match=r"criterion 1: its formula takes \d+ characters"):
        formulas.raw(_criterion("Y11", terms=terms), CELLS)


def test_no_formula_of_the_six_decisions_comes_near_the_limit() -> None:
    assert max(len(formulas.raw(item, _cells(item))) for item in _all_criteria()) < formulas.MAX_LENGTH / 8


@pytest.fixture(scope="module")
def calculated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything that LibreOffice calculates for this module, in one run."""
    office()
    bodies = {"probe": _probe()}
    level = load_framework(ROUND_TRIP[0]).level(ROUND_TRIP[1])
    blank = template(*ROUND_TRIP, _prefilled(level))
    bodies["filled"] = fill(blank, level, _filled(level), {(level.criteria[0].code, "evidence"): "a.pdf; b.pdf"})
    bodies["blank"] = fill(blank, level, {})
    return recalculated(bodies, tmp_path_factory.mktemp("office"))


def test_every_criterion_of_all_frameworks_scores_as_the_engine_does(calculated: dict[str, bytes]) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(calculated["probe"]), data_only=True)["probe"]
    shown = [row[0] for row in sheet.iter_rows(max_col=1, values_only=True)]
    at, points, words = 0, 0, set()
    for criterion, given in _cases():
        _assert_same(shown[at], _expected(criterion, given, WORDS), WORDS, (criterion.formula, given))
        points += isinstance(shown[at], int | float)
        words.add(shown[at])
        at += len(criterion.inputs)
    assert at == len(shown)
    assert points > at / 5
    assert {"thiếu", "sai", "chia 0", "không có", "cần b ≤ a", None} <= words


def test_a_filled_template_comes_back_from_a_spreadsheet_program_as_it_was(calculated: dict[str, bytes]) -> None:
    level, body, layout = load_framework(ROUND_TRIP[0]).level(ROUND_TRIP[1]), calculated["filled"], load_layout()
    filled = _filled(level)
    labels = {
        (criterion.code, spec.name, option.value): option.label
        for criterion in level.criteria
        for spec in criterion.inputs
        for option in spec.options
    }
    assert {key: value for key, value in values(body).items() if value is not None} == {
        key: labels.get((*key, str(value)), value) for key, value in filled.items()
    }
    expected = {
        criterion.code: _expected(criterion, _counted(criterion, _prefilled(level), filled), layout.score_words)
        for criterion in level.criteria
    }
    scores = self_scores(body)
    assert scores.keys() == expected.keys()
    for code, points in expected.items():
        _assert_same(scores[code], points, layout.score_words, code)
    sheet = opened(body, with_values=True)[layout.sheets.scores]
    _, at = columns(sheet)
    assert sheet.cell(sheet.max_row, at["name"]).value == layout.texts.total
    total = sum((points for points in expected.values() if isinstance(points, Fraction)), Fraction(0))
    assert abs(Fraction(sheet.cell(sheet.max_row, at["self_score"]).value) - total) < Fraction(1, 10**9)
    left = sum(not isinstance(points, Fraction) for points in expected.values())
    assert 0 < left < len(expected)
    assert sheet.cell(sheet.max_row, at["explanation"]).value == f"{left} {layout.texts.criteria_left}"
    for node in level.all_nodes():
        row = next(row for row in range(1, sheet.max_row) if sheet.cell(row, at["name"]).value == node.name)
        part = [expected[criterion.code] for criterion in node.all_criteria()]
        below = sum((points for points in part if isinstance(points, Fraction)), Fraction(0))
        assert abs(Fraction(sheet.cell(row, at["self_score"]).value) - below) < Fraction(1, 10**9), node.code


def test_a_template_already_holds_what_its_formulas_are_worth(calculated: dict[str, bytes]) -> None:
    """Programs that do not calculate show the same as those that do."""
    level = load_framework(ROUND_TRIP[0]).level(ROUND_TRIP[1])
    written, again = (
        opened(body, with_values=True)[load_layout().sheets.scores]
        for body in (template(*ROUND_TRIP, _prefilled(level)), calculated["blank"])
    )
    _, at = columns(written)
    for key in ("effective", "raw", "self_score", "explanation"):
        for row in range(1, written.max_row + 1):
            first, second = written.cell(row, at[key]).value, again.cell(row, at[key]).value
            assert first == second or abs(first - second) < 1e-9, (key, row, first, second)


def _criterion(formula: str, **more: Any) -> Criterion:
    specs = tuple(InputSpec(name=name, label=f"Số liệu {name}", kind="count") for name in "ab")
    return Criterion(
        code="1", printed_code="1", name="Tiêu chí", max_points=Decimal(2), rule="Theo công thức", formula=formula,
        inputs=specs, clause="Phụ lục thử", **more,
    )  # fmt: skip


def _all_criteria() -> list[Criterion]:
    """Every criterion of the six decisions that differs from the others in what a formula sees."""
    found = {
        (item.formula, str(item.terms), item.require, item.max_points, _shape(item)): item
        for framework in load_all()
        for level in framework.levels
        for item in level.criteria
    }
    return list(found.values())


def _shape(criterion: Criterion) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return tuple((spec.name, spec.kind, spec.option_values) for spec in criterion.inputs)


def _cells(criterion: Criterion) -> dict[str, str]:
    return {spec.name: f"D{row}" for row, spec in enumerate(criterion.inputs, start=1000)}


@cache
def _cases() -> list[tuple[Criterion, Given]]:
    random_ = random.Random(20261015)
    cases: list[tuple[Criterion, Given]] = []
    seen: set[object] = set()
    for criterion in _all_criteria():
        formula = (criterion.formula, str(criterion.terms), criterion.require, _shape(criterion))
        cases += [(criterion, given) for given in _sets(random_, criterion, SETS_AGAIN if formula in seen else SETS)]
        seen.add(formula)
    return cases


def _sets(random_: random.Random, criterion: Criterion, count: int) -> Iterator[Given]:
    """Inputs of one criterion: at its thresholds and beside them, small and large ones, zeros, and what is missing."""
    thresholds = sorted(_thresholds(criterion)) or [Fraction(1)]
    for number in range(count):
        whole = random_.choice([0, 1, 3, 7, 119, 1000, 1000, 1000, 98765432])
        given: dict[str, Fraction | str | None] = {}
        for position, spec in enumerate(criterion.inputs):
            if number and random_.random() < 0.08:
                given[spec.name] = random_.choice([None, None, BAD])
            elif spec.kind == "option":
                given[spec.name] = random_.choice(spec.option_values)
            elif position == 0 and number % 4 != 3:
                given[spec.name] = Fraction(whole)
            elif number % 2:
                near = random_.choice(thresholds) * random_.choice([whole, 1]) + random_.choice([-1, 0, 0, 1])
                given[spec.name] = Fraction(max(0, int(near)))
            else:
                given[spec.name] = Fraction(random_.randint(0, max(1, whole)))
            if spec.kind == "percent" and isinstance(given[spec.name], Fraction):
                given[spec.name] = random_.choice([Fraction(0), Fraction(995, 10), Fraction(100), Fraction(101)])
        yield given


def _thresholds(criterion: Criterion) -> set[Fraction]:
    found: set[Fraction] = set()
    for node in f.walk(criterion.expression):
        match node:
            case f.Num(value=value) | f.Linear(to=value) | f.Step(at=value):
                found.add(value)
            case f.Arm(low=low, high=high):
                found |= {bound for bound in (low, high) if bound is not None}
    return found


def _probe() -> bytes:
    """A sheet with every case: score, value, automatic figure, effective value, worth and request per input row."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    sheet, labels = book.add_worksheet("probe"), book.add_worksheet("l")
    row = 0
    for criterion, given in _cases():
        first = row
        for spec in criterion.inputs:
            column = 2 if row % 3 == 0 and given[spec.name] != BAD else 1
            value, listed = given[spec.name], []
            for at, option in enumerate(spec.options):
                labels.write_string(row, at, option.label)
                listed.append(f"l!{xl_rowcol_to_cell(row, at)}")
            if value is None and spec.default is not None:
                value, column = Fraction(spec.default), 2
            if isinstance(value, Fraction):
                sheet.write_number(row, column, float(value))
            elif value is not None:
                text = {option.value: option.label for option in spec.options}.get(value, value)
                sheet.write_string(row, column, text)
            automatic = f"C{row + 1}" if column == 2 and value is not None else None
            sheet.write_formula(row, 3, formulas.effective(spec, f"B{row + 1}", automatic, listed), None, "")
            row += 1
        cells = {spec.name: f"D{at}" for at, spec in enumerate(criterion.inputs, start=first + 1)}
        sheet.write_formula(first, 4, formulas.raw(criterion, cells), None, "")
        score = formulas.self_score(
            criterion, WORDS, cells=cells, effective_range=f"D{first + 1}:D{row}", worth=f"E{first + 1}",
            request=f"F{first + 1}",
        )  # fmt: skip
        sheet.write_formula(first, 0, score, None, "")
    book.close()
    return out.getvalue()


def _expected(criterion: Criterion, given: Given, words: ScoreWords) -> Fraction | str:
    """The engine's points, or the words for what it says instead."""
    if BAD in given.values():
        return words.invalid
    inputs = {
        ("u", criterion.code, spec.name): InputValue(
            InputState.REPORTED if given[spec.name] is not None else InputState.MISSING, given[spec.name]
        )
        for spec in criterion.inputs
        if given[spec.name] is not None or spec.default is None
    }
    cell = score_cell(Policies(), criterion, "u", inputs)
    if cell.state in (CellState.SCORED, CellState.SOURCE_SCORE):
        assert cell.points is not None
        return cell.points
    if any(
        spec.kind == "percent" and isinstance(value := given[spec.name], Fraction) and value > 100
        for spec in criterion.inputs
    ):
        return words.invalid
    reason = cell.reason or ""
    if cell.state is CellState.NOT_APPLICABLE:
        return words.not_applicable
    if reason.startswith("mẫu số bằng 0"):
        return words.zero_denominator
    if reason.startswith("thiếu số liệu"):
        return "" if all(value is None for value in given.values()) else words.missing
    if "phải có" in reason:
        condition = reason.partition("phải có ")[2].replace("<=", "≤")
        return words.requirement.format(requirement=condition)
    assert "nằm ngoài" in reason, reason
    return words.out_of_range


def _assert_same(found: Any, expected: Fraction | str, words: ScoreWords, about: object) -> None:
    if isinstance(expected, Fraction):
        assert isinstance(found, int | float), (found, expected, about)
        assert abs(Fraction(found) - expected) < Fraction(1, 10**9), (found, expected, about)
    elif expected in (words.missing, words.not_applicable):
        # Where a figure is missing and a denominator is 0 as well, the spreadsheet names what it meets first.
        assert found in (expected, words.zero_denominator, words.not_applicable), (found, expected, about)
    else:
        assert (found or "") == expected, (found, expected, about)


def _prefilled(level: Level) -> dict[tuple[str, str], Prefilled]:
    """Harvested figures of every third criterion."""
    return {
        (criterion.code, spec.name): Prefilled(
            spec.option_values[0] if spec.options else str(90 - 30 * number), "Nguồn diễn tập, đêm 15/10/2026"
        )
        for criterion in level.criteria[::3]
        for number, spec in enumerate(criterion.inputs[:3])
    }


def _filled(level: Level) -> dict[tuple[str, str], Fraction | str]:
    """What a unit fills in for the other criteria, and against one harvested figure; some cells stay empty."""
    random_ = random.Random(level.level)
    harvested = _prefilled(level)
    found: dict[tuple[str, str], Fraction | str] = {}
    for criterion in level.criteria:
        for spec in criterion.inputs:
            key = (criterion.code, spec.name)
            if key in harvested or random_.random() < 0.1:
                continue
            found[key] = random_.choice(spec.option_values) if spec.options else Fraction(random_.choice([50, 50, 40]))
    first = level.criteria[0]
    found[first.code, first.inputs[0].name] = first.inputs[0].option_values[-1]
    return found


def _counted(criterion: Criterion, harvested: Mapping[tuple[str, str], Prefilled], filled: Mapping[Any, Any]) -> Given:
    counted: dict[str, Fraction | str | None] = {}
    for spec in criterion.inputs:
        key = (criterion.code, spec.name)
        figure = harvested[key].value if key in harvested else None
        automatic = Fraction(figure) if figure is not None and not spec.options else figure
        counted[spec.name] = filled.get(key, automatic)
    return counted
