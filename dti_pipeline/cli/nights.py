"""`dti night`, `dti rankings …` and `dti explain`: running a night and reading what it came to."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from dti_pipeline.cli.common import (
    JsonFlag,
    LevelOption,
    NightOption,
    UsageProblem,
    assessment_and_level,
    emit,
    last_night,
    parse_date,
    print_section,
    progress_bar,
    workspace,
)

rankings = typer.Typer(help="Ranked tables of a night.", no_args_is_help=True)


def night_command(
    date: Annotated[str | None, typer.Option("--date", help="YYYY-MM-DD; default: the day that ended last.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run one night: the same Dagster job as the schedule and the UI. Exit 1 where a step or a gate failed."""
    from assets.launch import run_night

    work = workspace()
    chosen = parse_date(date) if date else (work.now() - dt.timedelta(days=1)).date()
    work.night(chosen, "")
    outcome = run_night(chosen, progress=progress_bar)
    if as_json:
        emit(outcome.data())
    else:
        for line in outcome.lines():
            print(line)
    if not outcome.success:
        raise SystemExit(1)


@rankings.command("show")
def rankings_show(
    name: Annotated[str, typer.Argument(metavar="ASSESSMENT", help="An assessment, or a framework: its newest one.")],
    level: LevelOption = None,
    night: NightOption = None,
    whole_level: Annotated[
        bool, typer.Option("--whole-level", help="One table over the level instead of one per ranking pool.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """The ranked table of an assessment and level as a night stored it."""
    from dti_pipeline.tables import ranked_table

    work = workspace()
    assessment, chosen = assessment_and_level(work, name, level)
    date = last_night(work, night)
    ranked = ranked_table(work, assessment.id, chosen.level, date)
    if not ranked.rows:
        raise UsageProblem(
            f"night {date.isoformat()} has no ranked table of {assessment.id}, {chosen.level}; run it with: dti night"
        )
    if as_json:
        emit(ranked.data())
        return
    for section in (ranked.level_section(),) if whole_level else ranked.sections():
        print_section(section)
    for note in ranked.notes:
        print(f"Ghi chú: {note}")


def explain_command(
    framework: Annotated[
        str, typer.Option("--framework", "--assessment", help="An assessment, or a framework: its newest one.")
    ],
    unit: Annotated[str, typer.Option("--unit", help="Identifier code.")],
    criterion: Annotated[str, typer.Option("--criterion", help="Code of the criterion.")],
    night: NightOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The chain behind one cell: points, rule, inputs, observations, bytes."""
    from dti_pipeline.lineage.explain import explain
    from dti_pipeline.lineage.narrate import narrate

    work = workspace()
    chain = explain(work, work.find_assessment(framework).id, unit, criterion, last_night(work, night))
    if as_json:
        emit(chain)
        return
    for line in narrate(chain):
        print(line)
