"""The shipped self-report: complete, within the framework's options and conditions, and agreeing with the portal."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from pathlib import Path

import pytest

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, MetricBinding
from dti_pipeline.sandbox import practice, selfreport
from dti_pipeline.scoring.exact import Block, evaluate, holds

SHIPPED = Path(practice.__file__).parent / "data" / "self-report.csv"
CRITERIA = {criterion.code: criterion for criterion in load_framework("ninh-thuan-2021").level("province").criteria}


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(SHIPPED.read_text(encoding="utf-8"))))


def test_the_shipped_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    assert practice.main(["--self-report", str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").read_bytes() == SHIPPED.read_bytes()
    assert SHIPPED.read_bytes().startswith(b"unit,unit_name,criterion,input,value,state\n")


def test_every_input_without_a_source_stands_once_and_no_other() -> None:
    wanted = [
        (criterion.code, spec.name)
        for criterion in CRITERIA.values()
        for spec in criterion.inputs
        if spec.binding is None
    ]
    assert [(row["criterion"], row["input"]) for row in rows()] == wanted
    assert {(row["unit"], row["unit_name"]) for row in rows()} == {("H00", "tỉnh Thực Hành (đơn vị hư cấu)")}


def test_exactly_one_input_is_left_missing() -> None:
    assert {row["state"] for row in rows()} == {"reported", "missing"}
    missing = [row for row in rows() if row["state"] == "missing"]
    assert [(row["criterion"], row["input"], row["value"]) for row in missing] == [("5.14.3", "feature", "")]
    assert all(row["value"] for row in rows() if row["state"] == "reported")


def test_values_suit_their_kind() -> None:
    for row in rows():
        spec = CRITERIA[row["criterion"]].input(row["input"])
        if row["state"] == "missing":
            continue
        if spec.kind == "option":
            assert row["value"] in spec.option_values
        elif spec.kind == "count":
            assert row["value"].isdecimal()
        else:
            assert Fraction(row["value"]) >= 0
        if spec.kind == "percent":
            assert Fraction(row["value"]) <= 100


@pytest.mark.parametrize("seed", [practice.SEED, 1, 2])
def test_parts_never_exceed_wholes_and_every_condition_holds(seed: int) -> None:
    for criterion in CRITERIA.values():
        figures = selfreport.criterion_figures(criterion, seed)
        values = {name: value if isinstance(value, str) else Fraction(value) for name, value in figures.items()}
        for spec in criterion.inputs:
            if spec.part_of is not None:
                part, whole = values[spec.name], values[spec.part_of]
                assert isinstance(part, Fraction)
                assert isinstance(whole, Fraction)
                assert part <= whole
        assert all(holds(requirement, values) is True for requirement in criterion.requirements)
        points = evaluate(criterion.expression, values, criterion.max_fraction)
        assert not isinstance(points, Block)
        assert 0 <= points <= criterion.max_fraction


def test_one_quantity_has_one_figure() -> None:
    given = {(row["criterion"], row["input"]): row["value"] for row in rows()}
    for places in (
        [("7.1.1", "b"), ("7.1.2", "a"), ("7.2.4", "a")],
        [("2.4.1", "it_spending"), ("2.4.2", "it_spending")],
    ):
        assert len({given[place] for place in places}) == 1
    assert [given[f"3.3.{n}", "a"] for n in (1, 2, 3)] == ["20", "8", "60"]
    assert given["3.2.2", "a"] == "88"


def test_named_quantities_and_ranges_name_real_inputs() -> None:
    for key in (*selfreport.QUANTITIES, *selfreport.SHARES, *selfreport.RANGES, selfreport.LEFT_OUT):
        criterion, name = key
        binding = CRITERIA[criterion].input(name).binding
        assert binding is None or binding.metric not in selfreport.METRICS


def test_a_metric_that_the_portal_lacks_is_an_error() -> None:
    with pytest.raises(selfreport.SelfReportError, match="no figure for dossiers_rated"):
        selfreport.portal_figure(MetricBinding(metric="dossiers_rated"))
    with pytest.raises(selfreport.SelfReportError, match="departments"):
        selfreport.portal_figure(
            MetricBinding(metric="qd766_public_content_full", part="numerator", scope="departments")
        )


def test_a_condition_that_cannot_hold_is_an_error() -> None:
    criterion = Criterion.model_validate(CRITERIA["5.10.1"].model_dump() | {"require": ("b <= a", "a <= b")})
    with pytest.raises(selfreport.SelfReportError, match=r"5\.10\.1"):
        selfreport.criterion_figures(criterion)
