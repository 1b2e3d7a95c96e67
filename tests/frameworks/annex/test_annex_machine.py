"""The machine columns carry every field there and back, however awkward its text."""

from __future__ import annotations

import pytest
from annex_kit import framework

from dti_pipeline.frameworks.annex import FORMATS, Format, export_annex, machine, read_annex
from dti_pipeline.frameworks.model import Criterion, Framework, Level, Node

AWKWARD = Criterion.model_validate(
    {
        "code": "X.1",
        "printed_code": "1.1., 1.2",
        "name": "= tên | có dấu; và \\ gạch",
        "max_points": "0.125",
        "rule": "+ Dòng một\n- Dòng hai = «=1+1»",
        "remark": "'- a | b",
        "formula": "option(o, yes=max, no=Y * max) + min(c, s) * 0",
        "terms": {"Y": "n / d", "Z": "d / n"},
        "printed_formula": "option(o, yes=max, no=n / d * max) + min(c, s)",
        "inputs": (
            {
                "name": "o",
                "label": "Có; không = gì | đó \\ này",
                "kind": "option",
                "options": ({"value": "yes", "label": "Có = 1; 2 | 3"}, {"value": "no", "label": "Không \\"}),
            },
            {"name": "n", "label": "Tử\nsố", "kind": "number", "part_of": "d"},
            {"name": "d", "label": "Mẫu số", "kind": "number", "default": "1234.5"},
            {"name": "s", "label": "Tỷ lệ", "kind": "percent"},
            {
                "name": "c",
                "label": "Số đếm",
                "kind": "count",
                "binding": {"metric": "some.metric-1", "part": "numerator", "scope": "communes"},
            },
        ),
        "require": ("n <= d", "c <= d"),
        "lines": ({"printed_code": "1.1.", "name": "Dòng một | chung"}, {"printed_code": "1.2", "name": "= dòng hai"}),
        "source_score": True,
        "source_metric": "some_score",
        "evidence": ("- gạch", "Nghị quyết\n- kèm phụ lục", "\\ lạ"),
        "data_source": "@nguồn",
        "verifier_unit": "Sở\nkhác",
        "library": "some-pick",
        "basis": "working",
        "clause": "Điều 1 | khoản 2",
        "notes": ("• chấm đầu", "Dòng một\n• dòng hai\n\\ dòng ba", "thường"),
        "findings": ({"rule": "typo", "severity": "info", "message": "Sai | chữ; = \\\nhai dòng"},),
    }
)
MANUAL = Criterion.model_validate(
    {
        "code": "X.2",
        "printed_code": "2",
        "name": "Chấm tay",
        "max_points": 3,
        "rule": "Theo hội đồng",
        "formula": "points",
        "manual": True,
        "inputs": ({"name": "points", "label": "Điểm", "kind": "number"},),
        "clause": "Điều 2",
    }
)
LONE_LINE = MANUAL.model_copy(update={"code": "X.3", "lines": AWKWARD.lines[:1]})


@pytest.fixture
def level() -> Level:
    top = Node(
        code="T",
        kind="pillar",
        name="- Trụ cột",
        basis="working",
        nodes=(
            Node(code="X", kind="subcomponent", name="Nhóm", criteria=(AWKWARD, MANUAL, LONE_LINE)),
            Node(code="Y", kind="component", name="Rỗng nhưng có con", nodes=(Node(code="Z", kind="main", name="Lá"),)),
        ),
    )
    base = framework().level("commune")
    return Level.model_validate(
        {name: getattr(base, name) for name in Level.model_fields} | {"nodes": (top,), "stated": {}}
    )


@pytest.mark.parametrize("format", FORMATS)
def test_every_field_comes_back(level: Level, format: Format) -> None:
    whole: Framework = framework()
    report = read_annex(export_annex(whole, level, format), f"a.{format}", whole, level)
    assert report.errors == ()
    assert report.level is not None
    for found, expected in zip(report.level.criteria, level.criteria, strict=True):
        for field in Criterion.model_fields:
            assert getattr(found, field) == getattr(expected, field), field
    assert report.level == level


def test_the_awkward_criterion_uses_every_field() -> None:
    defaults = [name for name, field in Criterion.model_fields.items() if getattr(AWKWARD, name) == field.get_default()]
    assert defaults == ["manual"]  # `manual` allows no other formula; the second criterion has it


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a | count", "tên | kiểu | nhãn"),
        ("a | lots | A", "lots"),
        ("a | count | A | default ba", "không phải một số"),
        ("a | count | A | partof b", "partof"),
        ("a | option | A | options yes", "giá_trị=nhãn"),
        ("a | option | A | options có=Có", "không dấu"),
    ],
)
def test_inputs_that_do_not_follow_the_form(text: str, said: str) -> None:
    with pytest.raises(machine.MachineTextError, match=said.replace("|", r"\|")):
        machine.read_inputs(text)


def test_other_columns_that_do_not_follow_the_form() -> None:
    for read, text in (
        (machine.read_terms, "Y: a / b"),
        (machine.read_terms, "Y = a\nY = b"),
        (machine.read_findings, "typo | grave | x"),
        (machine.read_findings, "typo | info"),
        (machine.read_mode, "chấm bừa"),
        (machine.read_mode, "đối chiếu điểm nền tảng"),
        (machine.read_shared, "5.8"),
    ):
        with pytest.raises(machine.MachineTextError):
            read(text)


def test_lists_without_marks_are_a_line_each() -> None:
    assert machine.read_list("Một\nHai", machine.LINE_MARK) == ("Một", "Hai")
    assert machine.read_list("", machine.LINE_MARK) == ()
