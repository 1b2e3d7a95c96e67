"""The self-reports of the practice province's units: complete, valid, repeatable, varied enough to show each case."""

from __future__ import annotations

import csv
import io
import itertools
import random
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from dti_pipeline.evidence.tables import read_inputs
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, Level, LevelName, RatingBand
from dti_pipeline.sandbox import practice, selfreport
from dti_pipeline.scoring.engine import Choices, LevelResult
from dti_pipeline.scoring.exact import Block, Value, evaluate, holds
from dti_pipeline.scoring.ranking import score_level
from dti_pipeline.units.registry import Unit

FRAMEWORKS = ("brvt-2022", "bac-giang-2022", "hue-2024", "phu-tho-2018")
LEVELS: tuple[LevelName, ...] = ("department", "district", "commune")
EVERY = list(itertools.product(FRAMEWORKS, LEVELS))
every = pytest.mark.parametrize(("framework", "level"), EVERY)

Row = dict[str, str]


def units(level: str) -> list[Unit]:
    return [unit for unit in practice.units() if unit.level == level]


def level_of(framework: str, level: str) -> Level:
    return load_framework(framework).level(level)


@cache
def report(framework: str, level: str) -> str:
    return selfreport.self_reports(load_framework(framework), level_of(framework, level), units(level))


def rows(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text)))


def cells(framework: str, level: str) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows(report(framework, level)):
        found.setdefault((row["unit"], row["criterion"]), []).append(row)
    return found


def values_of(criterion: Criterion, lines: list[Row]) -> dict[str, Value]:
    kinds = {spec.name: spec.kind for spec in criterion.inputs}
    return {
        line["input"]: line["value"] if kinds[line["input"]] == "option" else Fraction(line["value"]) for line in lines
    }


@cache
def result(framework: str, level: str) -> LevelResult:
    decision = load_framework(framework)
    table = read_inputs(report(framework, level).encode(), "report.csv", decision, level_of(framework, level))
    choices = Choices(
        missing="zero" if decision.policies.missing == "unstated" else None,
        not_applicable="rescale" if decision.policies.not_applicable == "unstated" else None,
        ratings=(RatingBand.model_validate({"name": "Đạt", "from": 0}),) if decision.ratings == "unstated" else None,
    )
    return score_level(decision, level_of(framework, level), table.units, table.inputs, choices)


# --- what stands in a file ---


def test_the_columns_are_those_of_an_inputs_table_and_the_parent() -> None:
    first = report("hue-2024", "commune").splitlines()[:2]
    assert first[0] == "unit,unit_name,criterion,input,value,state,parent"
    assert first[1].startswith("H00.21.01,Phường An Mẫu (hư cấu),1.1,")
    assert first[1].endswith(",reported,H00.21")


@every
def test_every_input_of_every_unit_stands_once_in_order_but_for_those_left_out(framework: str, level: str) -> None:
    left_out = {
        (item.unit, item.criterion)
        for item in selfreport.ON_PURPOSE
        if (item.framework, item.level, item.state) == (framework, level, "left_out")
    }
    wanted = [
        (unit.code, unit.name, unit.parent, criterion.code, spec.name)
        for unit in units(level)
        for criterion in level_of(framework, level).criteria
        if not {(unit.code, criterion.library), (unit.code, None)} & left_out
        for spec in criterion.inputs
    ]
    given = [
        (row["unit"], row["unit_name"], row["parent"], row["criterion"], row["input"])
        for row in rows(report(framework, level))
    ]
    assert given == wanted


@every
def test_figures_suit_their_kind_and_conditions_and_are_worth_0_to_the_maximum(framework: str, level: str) -> None:
    for (unit, code), lines in cells(framework, level).items():
        criterion = level_of(framework, level).criterion(code)
        if {line["state"] for line in lines} != {"reported"}:
            # A cell is a case as a whole; half a case would be a mistake.
            assert len({line["state"] for line in lines}) == 1
            assert {line["value"] for line in lines} == {""}
            continue
        values = values_of(criterion, lines)
        for spec in criterion.inputs:
            value = values[spec.name]
            if spec.kind == "option":
                assert value in spec.option_values
                continue
            assert isinstance(value, Fraction)
            assert value >= 0
            assert value.denominator == 1 or spec.kind != "count"
            assert value <= 100 or spec.kind != "percent"
            if spec.part_of is not None:
                whole = values[spec.part_of]
                assert isinstance(whole, Fraction)
                assert value <= whole, (unit, code)
        assert all(holds(requirement, values) is True for requirement in criterion.requirements), (unit, code)
        points = evaluate(criterion.expression, values, criterion.max_fraction)
        assert not isinstance(points, Block), (unit, code, points)
        assert 0 <= points <= criterion.max_fraction, (unit, code)


def test_a_quantity_has_one_figure_in_every_criterion_and_decision() -> None:
    staff = {
        line["value"]
        for framework in FRAMEWORKS
        for (unit, code), lines in cells(framework, "department").items()
        for line in lines
        if unit == "H00.02"
        and level_of(framework, "department").criterion(code).input(line["input"]).label
        in ("Tổng số cán bộ, công chức của đơn vị", "Tổng số CBCC của đơn vị")
    }
    assert len(staff) == 1
    assert 38 <= int(staff.pop()) <= 95


def test_counts_are_such_as_a_unit_can_have() -> None:
    most = Counter[str]()
    for framework, level in EVERY:
        for (_, code), lines in cells(framework, level).items():
            criterion = level_of(framework, level).criterion(code)
            figures = {line["input"]: int(line["value"]) for line in lines if line["value"].isdecimal()}
            for name, figure in figures.items():
                most[f"{criterion.library}.{name}"] = max(most[f"{criterion.library}.{name}"], figure)
            if criterion.library == "mobile-coverage" and figures:
                assert figures["c"] <= figures["b"] <= figures["a"]
            if criterion.library == "digital-spending-share":
                assert figures["b"] * 40 < figures["a"]
    assert most["steering-committee-meetings.meetings"] <= 8
    # A closed list of four, of five and of three things.
    assert most["operating-regulations.fields"] == 4
    assert most["one-stop-equipment.kinds"] == 5
    assert most["egov-budget-published.kinds"] == 3
    # Four of ten dossiers at most end on paper and in the post.
    received = practice.counts("H00.21.01", practice.months_between((2026, 1), (2026, 9))).received
    paper = cells("brvt-2022", "commune")["H00.21.01", _code("brvt-2022", "commune", "gov-postal-results")]
    assert int(paper[0]["value"]) == received * 2 // 5


def _code(framework: str, level: str, library: str) -> str:
    return next(item.code for item in level_of(framework, level).criteria if item.library == library)


def test_a_district_has_the_people_of_its_communes() -> None:
    label = "Dân số của địa bàn"
    below = [unit.code for unit in units("commune") if unit.parent == "H00.26"]
    assert len(below) == 7
    assert selfreport.size("H00.26", label) == sum(selfreport.size(code, label) for code in below)


def test_criteria_of_one_rule_are_drawn_apart() -> None:
    shares: dict[str, list[Fraction]] = {}
    for library in ("society-electronic-identity", "society-smartphones"):
        code = _code("brvt-2022", "commune", library)
        for unit in ("H00.21.02", "H00.22.03", "H00.25.01", "H00.27.05"):
            whole, part = cells("brvt-2022", "commune")[unit, code]
            shares.setdefault(library, []).append(Fraction(part["value"]) / Fraction(whole["value"]))
    alike = [abs(one - other) < Fraction(1, 100) for one, other in zip(*shares.values(), strict=True)]
    assert not all(alike)


# --- repeatable ---


@pytest.mark.parametrize(("framework", "level"), [("brvt-2022", "district"), ("phu-tho-2018", "department")])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(framework: str, level: str) -> None:
    decision = load_framework(framework)
    again = selfreport.self_reports(decision, level_of(framework, level), units(level))
    assert again == report(framework, level)
    assert selfreport.self_reports(decision, level_of(framework, level), units(level), seed=1) != again


def test_a_unit_reports_the_same_whoever_else_reports() -> None:
    alone = selfreport.self_reports(
        load_framework("hue-2024"), level_of("hue-2024", "commune"), [practice.unit("H00.24.05")]
    )
    assert rows(alone) == [row for row in rows(report("hue-2024", "commune")) if row["unit"] == "H00.24.05"]


def test_a_change_of_one_criterion_leaves_the_figures_of_the_others() -> None:
    level = level_of("bac-giang-2022", "district")
    changed = level.criteria[7].code
    data = level.model_dump(by_alias=True)
    below = [criterion for node in data["nodes"] for criterion in node["criteria"]]
    before = next(criterion for criterion in below if criterion["code"] == changed)
    before |= {
        "formula": "option(x, yes=max, no=0)",
        "terms": {},
        "require": (),
        "inputs": [
            {
                "name": "x",
                "label": "Có quy định",
                "kind": "option",
                "options": [{"value": "yes", "label": "Có"}, {"value": "no", "label": "Không"}],
            }
        ],
    }
    other = selfreport.self_reports(load_framework("bac-giang-2022"), Level.model_validate(data), units("district"))
    assert [row for row in rows(other) if row["criterion"] != changed] == [
        row for row in rows(report("bac-giang-2022", "district")) if row["criterion"] != changed
    ]
    assert {row["input"] for row in rows(other) if row["criterion"] == changed} == {"x"}


# --- beside the portal ---


@every
def test_claims_are_near_what_the_portal_counts_and_fit_beside_it(framework: str, level: str) -> None:
    decision, differing = load_framework(framework), 0
    months = practice.months_between((2026, 1), (2026, 12))
    if framework == "bac-giang-2022":
        months = practice.months_between((2025, 10), (2026, 10))
        assert len(months) == 12
    for (unit, code), lines in cells(framework, level).items():
        criterion = decision.level(level).criterion(code)
        bound = {s.name: binding for s in criterion.inputs if (binding := selfreport.portal_binding(s)) is not None}
        if not bound or {line["state"] for line in lines} != {"reported"}:
            continue
        values = values_of(criterion, lines)
        counted: dict[str, Value] = {
            name: Fraction(selfreport.portal_figure(binding, unit=unit, months=months))
            for name, binding in bound.items()
        }
        for name, figure in counted.items():
            claim = values[name]
            assert isinstance(claim, Fraction)
            assert isinstance(figure, Fraction)
            assert abs(claim - figure) <= figure * 4 / 100 + 1, (unit, code, name)
            differing += claim != figure
        # The source may have all of a criterion's figures, or some: the others are then claims.
        for names in itertools.chain.from_iterable(itertools.combinations(counted, n) for n in range(1, 4)):
            mixed = values | {name: counted[name] for name in names}
            assert all(holds(requirement, mixed) is True for requirement in criterion.requirements), (unit, code, names)
            assert not isinstance(evaluate(criterion.expression, mixed, criterion.max_fraction), Block), (unit, code)
    assert differing > 0


def test_parts_that_are_all_of_a_whole_stay_within_it_whoever_supplies_them() -> None:
    metrics = {"a": "all_channels", "b": "online", "c": "direct", "d": "postal"}
    inputs = [
        {"name": name, "label": name, "kind": "count", "binding": {"metric": f"dossiers_received_{metric}"}}
        | ({"part_of": "a"} if name != "a" else {})
        for name, metric in metrics.items()
    ]
    base = level_of("brvt-2022", "commune").criteria[0].model_dump()
    criterion = Criterion.model_validate(
        base | {"formula": "(b + c + d) / a * max", "inputs": inputs, "require": ("b + c + d <= a",)}
    )
    plan, months, differing = selfreport._Plan.of(criterion), practice.months_between((2026, 1), (2026, 9)), 0
    for unit in units("commune"):
        claims = selfreport._Report(plan, unit.code, months, practice.SEED, random.Random(1)).figures(900)
        assert claims is not None
        counted = practice.counts(unit.code, months)
        portal = {"a": counted.all_channels, "b": counted.online, "c": counted.direct, "d": counted.postal}
        assert portal["b"] + portal["c"] + portal["d"] == portal["a"]
        differing += claims != portal
        for names in itertools.product((True, False), repeat=4):
            mixed = {
                name: portal[name] if is_portal else int(claims[name])
                for name, is_portal in zip(metrics, names, strict=True)
            }
            assert mixed["b"] + mixed["c"] + mixed["d"] <= mixed["a"], (unit.code, mixed)
    assert differing > 30


def test_a_metric_of_the_portal_has_a_unit_and_months() -> None:
    level = level_of("brvt-2022", "commune")
    binding = next(item for item in level.criteria if item.library == "gov-dossiers-on-time").input("received").binding
    assert binding is not None
    months = ((2026, 2), (2026, 3))
    wanted = sum(practice.month_counts("H00.23.02", month).received for month in months)
    assert selfreport.portal_figure(binding, unit="H00.23.02", months=months) == wanted > 0


# --- cases on purpose ---


@every
def test_only_the_cases_on_purpose_are_no_figures(framework: str, level: str) -> None:
    named = Counter[tuple[str, str, str]]()
    codes = {criterion.library: criterion for criterion in level_of(framework, level).criteria}
    for item in selfreport.ON_PURPOSE:
        if (item.framework, item.level) == (framework, level) and item.state != "left_out":
            criterion = codes[item.criterion]
            named[item.unit, criterion.code, item.state] = len(criterion.inputs)
    found = Counter(
        (row["unit"], row["criterion"], row["state"])
        for row in rows(report(framework, level))
        if row["state"] != "reported" and row["unit"] != practice.SILENT_UNIT
    )
    assert found == named


def test_the_department_without_services_has_nothing_to_report_on_them() -> None:
    for framework in ("brvt-2022", "hue-2024"):
        silent = {
            code: {line["state"] for line in lines}
            for (unit, code), lines in cells(framework, "department").items()
            if unit == practice.SILENT_UNIT
        }
        for criterion in level_of(framework, "department").criteria:
            if any(selfreport.portal_binding(spec) is not None for spec in criterion.inputs):
                assert silent[criterion.code] == {"not_applicable"}, criterion.code
        assert {"reported"} in silent.values()
    for framework in ("bac-giang-2022", "phu-tho-2018"):
        assert not any(unit == practice.SILENT_UNIT for unit, _ in cells(framework, "department"))


def test_reasons_are_given_and_units_are_of_the_level() -> None:
    for item in selfreport.ON_PURPOSE:
        assert practice.unit(item.unit).level == item.level, item
        assert len(item.reason) > 20, item
        assert item.framework != "phu-tho-2018" or item.state == "left_out"


def test_the_cases_reach_the_table() -> None:
    states = {
        (framework, level): Counter(cell.state.value for unit in result(framework, level).units for cell in unit.cells)
        for framework, level in EVERY
    }
    for level in LEVELS:
        assert states["brvt-2022", level]["zero_no_evidence"] > 0
        assert states["brvt-2022", level]["not_applicable"] > 0
        assert states["bac-giang-2022", level]["not_applicable"] == 1
        assert states["phu-tho-2018", level]["not_applicable"] == 0
    provisional = {
        (framework, level): [unit.unit.code for unit in result(framework, level).units if unit.is_provisional]
        for framework, level in EVERY
    }
    assert provisional["brvt-2022", "department"] == []
    assert provisional["brvt-2022", "district"] == ["H00.26"]
    assert provisional["hue-2024", "commune"] == ["H00.23.03"]
    assert all(len(found) <= 2 for found in provisional.values())


def test_one_pool_of_communes_is_on_percent_in_hue_and_the_others_on_points() -> None:
    bases = {unit.pool: unit.basis for unit in result("hue-2024", "commune").units}
    assert bases == {f"H00.{number}": "percent" if number == 21 else "points" for number in range(21, 29)}


# --- varied ---


@pytest.mark.parametrize("level", LEVELS)
def test_several_ratings_occur_under_brvt(level: str) -> None:
    assert len({unit.rating for unit in result("brvt-2022", level).units}) >= 3


@pytest.mark.parametrize("level", LEVELS)
def test_good_classes_and_units_below_all_of_them_occur_under_phu_tho(level: str) -> None:
    ranked = result("phu-tho-2018", level).units
    assert {unit.rating for unit in ranked} & {"Mức I", "Mức II"}
    assert any(unit.standing == "unranked" for unit in ranked)


@every
def test_totals_are_spread_over_20_points_of_100(framework: str, level: str) -> None:
    percents = [unit.percent for unit in result(framework, level).units]
    assert max(percents) - min(percents) > 20
    assert min(percents) > 40


@every
def test_a_level_goes_from_its_lowest_to_its_best_quality(framework: str, level: LevelName) -> None:
    low, high = selfreport.QUALITY.get(framework, selfreport.DEFAULT_QUALITY)
    found = [selfreport.quality(framework, level, unit.code) for unit in units(level)]
    assert (min(found), max(found)) == (low, high)
    assert len(set(found)) == len(found)


@every
def test_the_best_choices_are_worth_all_points(framework: str, level: str) -> None:
    for criterion in level_of(framework, level).criteria:
        plan = selfreport._Plan.of(criterion)
        if plan.menu:
            assert (plan.worths[0], plan.worths[-1]) == (0, selfreport.MILLION), criterion.code
            best = plan.choose(1000, random.Random(1))
            assert tuple(best.items()) in plan.menu[selfreport.MILLION]
            assert tuple(plan.choose(0, random.Random(1)).items()) in plan.menu[0]


# --- files ---


def test_files_are_written_per_level(tmp_path: Path) -> None:
    names = selfreport.write_reports(tmp_path, load_framework("hue-2024"))
    assert names == {level: f"self-report-hue-2024-{level}.csv" for level in LEVELS}
    for level, name in names.items():
        assert (tmp_path / name).read_bytes() == report("hue-2024", level).encode()


def test_the_province_has_the_file_that_comes_with_the_project(tmp_path: Path) -> None:
    names = selfreport.write_reports(tmp_path, load_framework("ninh-thuan-2021"))
    assert names == {"province": "self-report-ninh-thuan-2021-province.csv"}
    shipped = Path(practice.__file__).parent / "data" / "self-report.csv"
    assert (tmp_path / names["province"]).read_bytes() == shipped.read_bytes()


def test_what_a_source_measures_wholly_has_no_report(tmp_path: Path) -> None:
    assert selfreport.write_reports(tmp_path, load_framework("qd766-2022")) == {}
    assert list(tmp_path.iterdir()) == []


# --- errors ---


def test_a_unit_of_another_level_is_an_error() -> None:
    with pytest.raises(selfreport.SelfReportError, match=r"H00\.21 is not a unit .* at level commune"):
        selfreport.self_reports(
            load_framework("brvt-2022"), level_of("brvt-2022", "commune"), [practice.unit("H00.21")]
        )


def test_a_case_that_the_level_cannot_show_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = selfreport.OnPurpose("hue-2024", "commune", "H00.21.01", "no-such", "missing", "-")
    monkeypatch.setattr(selfreport, "ON_PURPOSE", (wrong,))
    with pytest.raises(selfreport.SelfReportError, match="hue-2024, level commune: no criterion «no-such»"):
        selfreport.write_reports(tmp_path, load_framework("hue-2024"))
    assert list(tmp_path.iterdir()) == []


def test_conditions_that_no_figures_meet_are_an_error() -> None:
    criterion = level_of("hue-2024", "department").criteria[4]
    impossible = Criterion.model_validate(criterion.model_dump() | {"require": ("a <= 0", "a >= 1")})
    with pytest.raises(selfreport.SelfReportError, match="no figures meet its conditions"):
        selfreport._Plan.of(impossible)


def test_the_province_is_no_unit_of_a_level() -> None:
    with pytest.raises(selfreport.SelfReportError, match="H00 is the province"):
        selfreport.size("H00", "Tổng số cán bộ, công chức của đơn vị")
