"""`dti publish …`: ranked tables as files to take along, and freezing them as the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dti_pipeline.cli.common import JsonFlag, LevelOption, NightOption, UsageProblem, emit, last_night, workspace

app = typer.Typer(help="Tables to take along.", no_args_is_help=True)

AssessmentArgument = Annotated[
    str, typer.Argument(metavar="ASSESSMENT", help="An assessment, or a framework: its newest one.")
]


@app.command("table")
def publish_table(
    name: AssessmentArgument,
    level: LevelOption = None,
    night: NightOption = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path(),
    kind: Annotated[str, typer.Option("--format", help="csv, xlsx or both.")] = "both",
    as_json: JsonFlag = False,
) -> None:
    """Write the ranked tables of a night as CSV and XLSX: every level, or one."""
    from dti_pipeline.publish.files import FORMATS
    from dti_pipeline.publish.freeze import tables_of, write_tables

    if kind not in ("both", *FORMATS):
        raise UsageProblem(f"--format is {', '.join(FORMATS)} or both, not «{kind}»")
    work = workspace()
    assessment = work.find_assessment(name)
    tables = tables_of(work, assessment.id, last_night(work, night))
    if level is not None:
        known = [table.level for table in tables]
        if level not in known:
            raise UsageProblem(f"{assessment.id} has no level «{level}»; it has {', '.join(known)}")
        tables = tuple(table for table in tables if table.level == level)
    if not any(table.rows for table in tables):
        raise UsageProblem(f"that night has no ranked table of {assessment.id}; run it with: dti night")
    formats = FORMATS if kind == "both" else tuple(item for item in FORMATS if item == kind)
    files = write_tables(tables, out, formats)
    if as_json:
        emit([{"file": str(out / file), "sha256": sha256} for file, sha256 in files.items()])
        return
    for file in files:
        print(out / file)


@app.command("freeze")
def publish_freeze(
    name: AssessmentArgument,
    by: Annotated[str, typer.Option("--by", help="Who freezes it: stands in the record.")],
    night: NightOption = None,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="A rehearsal: working annexes and open cells are let through.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Keep a night's tables as the assessment's result. Refuses working annexes and provisional tables."""
    from dti_pipeline.publish.freeze import freeze

    work = workspace()
    assessment = work.find_assessment(name)
    chosen = last_night(work, night)
    frozen = freeze(work, assessment.id, chosen, by=by, rehearsal=rehearsal)
    if as_json:
        emit(
            {
                "assessment": assessment.id,
                "night": chosen.isoformat(),
                "rehearsal": rehearsal,
                "folder": str(frozen.folder),
                "files": frozen.files,
                "is_new": frozen.is_new,
            }
        )
        return
    print(f"{'Diễn tập: đã ghi' if rehearsal else 'Đã chốt'} {len(frozen.files)} tệp vào {frozen.folder}")
    if not rehearsal:
        print(f"Bây giờ đổi status thành frozen trong assessments/{assessment.id}.yaml để các đêm sau không chấm lại.")
