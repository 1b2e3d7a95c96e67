"""Export and import again: the same level with the machine columns, the same tree and no wrong formula without them."""

from __future__ import annotations

import random
import re
from fractions import Fraction
from functools import cache

import pytest

from dti_pipeline.frameworks.annex import FORMATS, Format, export_annex, read_annex
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, Level, Node
from dti_pipeline.scoring import exact
from dti_pipeline.scoring import formula as f

NINH_THUAN = "ninh-thuan-2021"
MANUAL = {
    "1.1.1", "1.1.3", "1.2.2", "1.2.3", "1.3.1", "2.2.1", "2.2.3", "2.3.4", "2.4.2", "2.4.3", "5.4.1", "5.4.2", "5.4.3",
    "5.4.4", "5.8", "5.12.1", "5.12.2", "5.13.1", "5.13.2", "5.13.3", "6.1.1", "7.2.4",
}  # fmt: skip
"""Read by a person: defects of the text, two rules in one, quantities that nothing defines."""


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("framework_id", "level_name"),
    [(NINH_THUAN, "province"), ("qd766-2022", "province"), ("qd766-2022", "commune")],
)
def test_a_level_comes_back_as_it_was(framework_id: str, level_name: str, format: Format) -> None:
    framework = load_framework(framework_id)
    level = framework.level(level_name)
    report = read_annex(export_annex(framework, level, format), f"phu-luc.{format}", framework, level)
    assert report.errors == ()
    assert report.level == level
    assert [problem for problem in report.problems if not problem.code.startswith("lint-")] == []


def _tree(node: Node) -> object:
    return (
        node.code,
        node.kind,
        node.name,
        node.max_points,
        [_tree(child) for child in node.nodes],
        [
            (item.code, item.printed_code, item.name, item.max_points, item.rule, item.remark, item.lines)
            for item in node.criteria
        ],
    )


@pytest.mark.parametrize("format", FORMATS)
def test_the_official_columns_alone_give_the_same_tree(format: Format) -> None:
    framework = load_framework(NINH_THUAN)
    level = framework.level("province")
    body = export_annex(framework, level, format, with_machine_columns=False)
    report = read_annex(body, f"phu-luc.{format}", framework, level)
    assert report.errors == ()
    assert report.level is not None
    assert [_tree(node) for node in report.level.nodes] == [_tree(node) for node in level.nodes]
    assert report.as_dict()["counts"] == {"errors": 0, "columns": 0, "parsed": 69, "manual": 22}


@cache
def _read_without_machine_columns() -> Level:
    framework = load_framework(NINH_THUAN)
    level = framework.level("province")
    report = read_annex(
        export_annex(framework, level, "csv", with_machine_columns=False), "phu-luc.csv", framework, level
    )
    assert report.level is not None
    return report.level


def test_what_is_left_to_the_appraiser_is_known() -> None:
    level = _read_without_machine_columns()
    manual = {criterion.code for criterion in level.criteria if criterion.manual}
    assert manual == MANUAL
    for criterion in level.criteria:
        if criterion.manual:
            assert criterion.formula == "points"
            assert [spec.name for spec in criterion.inputs] == ["points"]
            assert "người thẩm định cho điểm" in criterion.notes[0]


def _figures(criterion: Criterion, draw: random.Random) -> list[Fraction | int]:
    """One value per input in the order in which the formula reads them; the position of an option for a choice."""
    values: list[Fraction | int] = []
    for name in f.input_names(criterion.expression):
        spec = criterion.input(name)
        if spec.kind == "option":
            values.append(draw.randrange(len(spec.options)))
        else:
            values.append(Fraction(draw.choice([0, 1, 2, 3, 7, 10, 40, 100, draw.randrange(1, 500)])))
    return values


def _given(criterion: Criterion, values: list[Fraction | int]) -> dict[str, exact.Value]:
    given: dict[str, exact.Value] = {}
    for name, value in zip(f.input_names(criterion.expression), values, strict=True):
        spec = criterion.input(name)
        given[name] = spec.option_values[int(value)] if spec.kind == "option" else Fraction(value)
    return given


@pytest.mark.parametrize(
    "code", sorted({c.code for c in load_framework(NINH_THUAN).level("province").criteria} - MANUAL)
)
def test_no_formula_read_from_prose_is_wrong(code: str) -> None:
    by_hand = load_framework(NINH_THUAN).level("province").criterion(code)
    parsed = _read_without_machine_columns().criterion(code)
    kinds = [[item.input(name).kind for name in f.input_names(item.expression)] for item in (by_hand, parsed)]
    assert kinds[0] == kinds[1]
    draw = random.Random(code)
    compared = 0
    for _ in range(400):
        values = _figures(by_hand, draw)
        hand, mine = _given(by_hand, values), _given(parsed, values)
        if not all(exact.holds(requirement, hand) is True for requirement in by_hand.requirements):
            continue
        # What a person lets through is let through, and is worth the same.
        assert all(exact.holds(requirement, mine) is True for requirement in parsed.requirements)
        expected = exact.evaluate(by_hand.expression, hand, by_hand.max_fraction)
        found = exact.evaluate(parsed.expression, mine, parsed.max_fraction)
        if isinstance(expected, exact.Block):
            assert isinstance(found, exact.Block)
        else:
            assert found == expected, values
            compared += 1
    assert compared > 20


def test_a_working_level_comes_back_working() -> None:
    from annex_kit import district, framework, read

    report = read(export_annex(framework(), district(), "html"), "phu-luc.html")
    assert report.errors == ()
    assert report.level == district()
    assert "working-annex" in [problem.code for problem in report.problems]


def test_a_working_annex_cannot_be_washed_into_an_official_one() -> None:
    from annex_kit import district, framework, read

    body = export_annex(framework(), district(), "csv", with_machine_columns=False)
    assert framework().working_words in body.decode("utf-8-sig")
    report = read(body, "phu-luc.csv")
    assert report.level is not None
    assert report.level.basis == "working"
    assert {criterion.basis for criterion in report.level.criteria} == {"working"}


def test_exports_are_the_same_bytes_each_time() -> None:
    framework = load_framework("qd766-2022")
    for format in ("xlsx", "csv", "html"):
        first, second = (export_annex(framework, framework.level("commune"), format) for _ in range(2))
        assert first == second, format


def test_no_exported_cell_is_a_formula() -> None:
    import io

    import openpyxl

    from dti_pipeline.frameworks.annex.report import Problems
    from dti_pipeline.frameworks.annex.tables import read_tables

    framework = load_framework(NINH_THUAN)
    level = framework.level("province")
    evil = ('=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "'=1", "=cmd|' /C calc'!A0")
    criteria = tuple(
        item.model_copy(update={"name": text, "remark": text})
        for item, text in zip(level.criteria[:6], evil, strict=True)
    )
    node = Node(code="1", kind="main", name="=1+1", criteria=criteria)
    small = level.model_copy(update={"nodes": (node,)})
    # CSV: nothing that Excel would run, a lone apostrophe before it, and the text itself after reading.
    text = export_annex(framework, small, "csv").decode("utf-8-sig")
    for line in text.split("\r\n"):
        for cell in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', line):
            assert not re.match(r'"?[=+@]', cell), cell
            assert not re.match(r'"?-\d', cell), cell
    sheet = openpyxl.load_workbook(io.BytesIO(export_annex(framework, small, "xlsx"))).worksheets[0]
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert b'mso-number-format:"\\@"' in export_annex(framework, small, "html")
    for format in FORMATS:
        document = read_tables(export_annex(framework, small, format), f"x.{format}", Problems())
        texts = [cell.text for row in document.tables[0].rows for cell in row]
        assert all(texts.count(item) >= 2 for item in evil), format
