"""What the commands share: options, output, and looking up what an argument names. Not here: any command."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from dti_pipeline.frameworks.assessment import Assessment
    from dti_pipeline.frameworks.model import Framework, Level
    from dti_pipeline.night import Workspace
    from dti_pipeline.settings import Settings
    from dti_pipeline.tables import Section

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
LevelOption = Annotated[str | None, typer.Option("--level", help="province, department, district or commune.")]
NightOption = Annotated[str | None, typer.Option("--night", help="The night, as YYYY-MM-DD; default: the last run.")]


class UsageProblem(Exception):
    """Something that the person at the keyboard can put right: exit 2."""


def stop(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(code)


def emit(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> None:
    """A table for people; columns in `right` are numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(header):
        drawn.add_column(name, justify="right" if position in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console()
    # A pipe has no width of its own: cells must not be folded to somebody's default of 80 columns.
    (console if console.is_terminal else Console(width=160)).print(drawn)


def parse_date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageProblem(f"«{text}» is not a date; write it like 2026-10-15") from None


def read_settings() -> Settings:
    """The installation's settings. Raises UsageProblem naming the variable that is wrong."""
    from pydantic import ValidationError

    from dti_pipeline import clock
    from dti_pipeline.settings import Settings

    try:
        settings = Settings()
        clock.now(settings.clock)
    except (ValidationError, ValueError) as error:
        raise UsageProblem(f"DTI_* settings: {error}") from None
    return settings


def workspace() -> Workspace:
    """The installation with its store. Raises UsageProblem."""
    settings = read_settings()
    from dti_pipeline.night import Workspace

    return Workspace(settings)


def framework_and_level(framework_id: str, level_name: str | None) -> tuple[Framework, Level]:
    from dti_pipeline.frameworks.loader import load_framework

    framework = load_framework(framework_id)
    return framework, framework.level(
        _level_name(framework_id, [level.level for level in framework.levels], level_name)
    )


def read_file(path: Path) -> bytes:
    """The bytes of a file that was named on the command line. Raises UsageProblem."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be read ({error.strerror})") from None


def vi(text: str) -> str:
    """A plain decimal in Vietnamese format."""
    from decimal import Decimal

    from dti_pipeline.text import vi_decimal

    return vi_decimal(Decimal(text))


def assessment_and_level(work: Workspace, name: str, level_name: str | None) -> tuple[Assessment, Level]:
    """The assessment of that id (or the newest one under the framework of that id) and one of its levels."""
    from dti_pipeline.frameworks.loader import load_framework

    assessment = work.find_assessment(name)
    levels = {level.level: level for level in assessment.scored_levels(load_framework(assessment.framework))}
    return assessment, levels[_level_name(assessment.id, list(levels), level_name)]


def _level_name(owner: str, known: Sequence[str], given: str | None) -> Any:
    """The level that is meant: the only one where none is given. Raises UsageProblem."""
    if given is None and len(known) == 1:
        return known[0]
    if given not in known:
        raise UsageProblem(f"{owner} has no level «{given or ''}»; give --level: {', '.join(known)}")
    return given


def progress_bar(total: int, describe: str) -> Any:
    """A progress bar on stderr; gives a context manager whose value is called with each finished step's name."""
    import contextlib

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    @contextlib.contextmanager
    def bar() -> Any:
        columns = (TextColumn("{task.description:<44.44}"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(describe, total=total)

            def advance(name: str) -> None:
                progress.update(task, advance=1, description=name)

            yield advance

    return bar()


def print_section(section: Section, most: int | None = None) -> None:
    """One ranking pool for people; `most` rows of it, and how many are left out."""
    rows = section.texts()
    right = [position for position, column in enumerate(section.columns) if column.is_right]
    print_table(section.title, [column.header.lower() for column in section.columns], rows[:most], right=right)
    if most is not None and len(rows) > most:
        print(f"… và {len(rows) - most} đơn vị nữa")


def last_night(work: Workspace, night: str | None) -> dt.date:
    """The night asked for, or the newest one that was run."""
    if night is not None:
        return parse_date(night)
    from sqlmodel import Session, func, select

    from dti_pipeline.store.tables import RunRow

    with Session(work.engine) as session:
        newest = session.exec(select(func.max(RunRow.night))).one()
    if newest is None:
        raise UsageProblem("no night has been run yet; run one with: dti night")
    return dt.date.fromisoformat(newest)
