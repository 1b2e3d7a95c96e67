"""`dti score` and `dti rank`: files in, ranked tables out, without any pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dti_pipeline.cli.common import (
    JsonFlag,
    LevelOption,
    UsageProblem,
    emit,
    framework_and_level,
    print_table,
    read_file,
    vi,
    workspace,
)

if TYPE_CHECKING:
    from dti_pipeline.frameworks.model import Framework, Level
    from dti_pipeline.scoring.engine import Choices, LevelResult, UnitRef

MissingOption = Annotated[str | None, typer.Option("--missing", help="Where the decision is silent: zero.")]
NotApplicableOption = Annotated[
    str | None,
    typer.Option("--not-applicable", help="Where the decision is silent: zero, peer_mean, rescale or prorate."),
]
ExcludedOption = Annotated[str | None, typer.Option("--excluded", help="Where the decision is silent: leave_maximum.")]
NotAppraisedOption = Annotated[str | None, typer.Option("--not-appraised", help="Where the decision is silent: zero.")]


def score_file(
    framework_id: str,
    inputs: Annotated[Path, typer.Option("--inputs", help="CSV: unit,unit_name,criterion,input,value,state[,parent]")],
    level: LevelOption = None,
    registry: Annotated[bool, typer.Option("--registry", help="Refuse units that the registry does not know.")] = False,
    missing: MissingOption = None,
    not_applicable: NotApplicableOption = None,
    excluded: ExcludedOption = None,
    not_appraised: NotAppraisedOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Score a file of inputs, without any pipeline. Cells that it does not name are pending."""
    from dti_pipeline.evidence.tables import read_inputs
    from dti_pipeline.scoring.ranking import score_level

    framework, chosen = framework_and_level(framework_id, level)
    table = read_inputs(read_file(inputs), inputs.name, framework, chosen)
    _check_units(inputs, table.units, registry)
    choices = _choices(framework, chosen, missing, not_applicable, excluded, not_appraised)
    _print_result(score_level(framework, chosen, table.units, table.inputs, choices), as_json)


def rank_file(
    framework_id: str,
    points: Annotated[Path, typer.Option("--points", help="CSV: unit,unit_name,criterion,points,state[,parent]")],
    level: LevelOption = None,
    registry: Annotated[bool, typer.Option("--registry", help="Refuse units that the registry does not know.")] = False,
    missing: MissingOption = None,
    not_applicable: NotApplicableOption = None,
    excluded: ExcludedOption = None,
    not_appraised: NotAppraisedOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Total and rank given points of cells. Cells that the file does not name are pending."""
    from dti_pipeline.evidence.tables import read_points
    from dti_pipeline.scoring.ranking import rank_level

    framework, chosen = framework_and_level(framework_id, level)
    table = read_points(read_file(points), points.name, framework, chosen)
    _check_units(points, table.units, registry)
    choices = _choices(framework, chosen, missing, not_applicable, excluded, not_appraised)
    _print_result(rank_level(framework, chosen, table.units, table.cells, choices), as_json)


def _check_units(path: Path, units: Sequence[UnitRef], wanted: bool) -> None:
    if not wanted:
        return
    registry = workspace().registry
    unknown = [unit.code for unit in units if registry.get(unit.code) is None]
    if unknown:
        raise UsageProblem(f"{path.name}: not in the registry of units: {', '.join(unknown)}")


def _choices(
    framework: Framework,
    level: Level,
    missing: str | None,
    not_applicable: str | None,
    excluded: str | None,
    not_appraised: str | None,
) -> Choices:
    """What the operator chose, only where the decision is silent. Raises UsageProblem."""
    from pydantic import ValidationError

    from dti_pipeline.frameworks.assessment import OperatorChoices
    from dti_pipeline.scoring.footnotes import policy_words

    given = {"missing": missing, "not_applicable": not_applicable, "excluded": excluded, "not_appraised": not_appraised}
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if value is None:
            continue
        if value not in policy_words()[name]:
            raise UsageProblem(f"{option} is {' or '.join(policy_words()[name])}")
        if (stated := getattr(framework.policies_of(level), name)) != "unstated":
            raise UsageProblem(f"{option}: {framework.decision.number} itself says {stated}; leave the option out")
    try:
        return OperatorChoices.model_validate(given).choices
    except ValidationError as error:
        raise UsageProblem(str(error)) from None


def _print_result(result: LevelResult, as_json: bool) -> None:
    from dti_pipeline.scoring.report import level_result

    data = level_result(result)
    if as_json:
        emit(data)
        return
    rows = [
        (
            unit["rank"],
            unit["name"],
            vi(unit["printed"]) if unit["printed"] else "",
            vi(unit["total"]) if unit["total"] else "",
            vi(unit["max_points"]) if unit["max_points"] else "",
            unit["rating"] or "",
            "; ".join(filter(None, (unit["standing_reason"], "tạm tính" if unit["provisional"] else ""))),
        )
        for unit in data["units"]
    ]
    header = ("hạng", "đơn vị", "điểm công bố", "tổng điểm", "tối đa", "xếp loại", "")
    print_table(f"{data['framework']} – {data['level']}", header, rows, right=(0, 2, 3, 4))
    for note in data["notes"]:
        print(f"Ghi chú: {note}")
