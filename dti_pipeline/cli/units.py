"""`dti units …`: agencies and localities, what they came out of and what they became."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dti_pipeline.cli.common import JsonFlag, UsageProblem, emit, parse_date, workspace

app = typer.Typer(help="Agencies and localities over time.", no_args_is_help=True)

CodeArgument = Annotated[
    str, typer.Argument(metavar="CODE", help="Identifier code (H44.01, 000.00.01.H44) or statistics code (digits).")
]


@app.command("list")
def units_list(
    level: Annotated[str | None, typer.Option("--level", help="province, department, district or commune.")] = None,
    province: Annotated[str | None, typer.Option("--province", help="Identifier code of a province.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="Only units that existed on this day, YYYY-MM-DD.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Registered units: those that figures can be about."""
    from typing import cast, get_args

    from dti_pipeline.units import report
    from dti_pipeline.units.registry import LevelName

    if level is not None and level not in get_args(LevelName):
        raise UsageProblem(f"--level is one of {', '.join(get_args(LevelName))}, not «{level}»")
    rows = report.list_units(
        workspace().registry,
        level=cast("LevelName | None", level),
        province=province,
        day=parse_date(on) if on else None,
    )
    _print(rows, report.list_lines(rows), as_json)


@app.command("localities")
def units_localities(
    province: Annotated[str | None, typer.Option("--province", help="Statistics code of a province.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The real provinces since 1 July 2025, or the communes of one."""
    from dti_pipeline.units import report

    rows = report.list_localities(province)
    _print(rows, report.list_lines(rows), as_json)


@app.command("show")
def units_show(code: CodeArgument, as_json: JsonFlag = False) -> None:
    """One unit or locality."""
    from dti_pipeline.units import report

    data = report.show(workspace().registry, code)
    _print(data, report.show_lines(data), as_json)


@app.command("history")
def units_history(
    code: CodeArgument,
    years: Annotated[
        str | None, typer.Option("--compare", help="Two years, as 2024,2026: can their figures be compared?")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """What a unit came out of and what it became."""
    from dti_pipeline.units import report

    pair: tuple[int, int] | None = None
    if years is not None:
        parts = years.split(",")
        if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
            raise UsageProblem(f"--compare takes two years, such as 2024,2026, not «{years}»")
        pair = (int(parts[0]), int(parts[1]))
    data = report.history(workspace().registry, code, pair)
    _print(data, report.history_lines(data), as_json)


@app.command("match")
def units_match(
    name: Annotated[str, typer.Argument(help="A name as a source writes it.")], as_json: JsonFlag = False
) -> None:
    """Which units a name may mean. Only candidates: a person chooses, and writes down the code."""
    from dti_pipeline.units import report

    data = report.match_name(workspace().registry, name)
    _print(data, report.match_lines(data), as_json)


def _print(data: Any, lines: list[str], as_json: bool) -> None:
    if as_json:
        emit(data)
        return
    for line in lines:
        print(line)
