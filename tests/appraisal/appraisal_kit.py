"""An installation without sources for the tests of appraisal: some units of one decision, acting, and looking at it.

Here: writing it, short ways to act and to read what a night comes to. Not here: tests.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import shutil
import tempfile
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sqlmodel import Session

from dti_pipeline import night as steps
from dti_pipeline.appraisal.model import Action, Actor, Event, Wanted
from dti_pipeline.appraisal.service import ActionRefused, act
from dti_pipeline.evidence.intake import HandedFile, take_in
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox.demo import DATA
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts
from dti_pipeline.store.engine import open_engine
from dti_pipeline.store.tables import InputRow, RankingRow, ScoreRow

ID = "thu"
NIGHT = dt.date(2026, 10, 15)
CLOCK = "2026-10-16T00:30:00+07:00"
"""Half an hour into night 2026-10-15."""
LEAD = Actor("Nguyễn Thị An", "H00.11")
DISTRICT = Actor("Trần Văn Bình", "H00.21")
OTHER_DISTRICT = Actor("Lê Thị Cúc", "H00.22")
ONE, TWO, THREE = "H00.05", "H00.06", "H00.07"
COMMUNE, COMMUNE_2, COMMUNE_3 = "H00.21.01", "H00.21.02", "H00.21.03"
FAR_COMMUNE, FAR_COMMUNE_2 = "H00.22.01", "H00.22.02"

CALENDAR: dict[str, Any] = {
    "levels": {
        "department": {"submission": "2026-10-10", "supplement": "2026-10-20", "appraisal": "2026-10-31"},
        "commune": {"submission": "2026-10-10", "supplement": "2026-10-20", "appraisal": "2026-10-31"},
    },
    "publication": "2026-11-30",
}


def installation(
    home: Path, framework: str, level: str, units: Collection[str], *, clock: str = CLOCK, **more: Any
) -> Workspace:
    """One assessment of some units of a level, led by H00.11."""
    settings = Settings(home=home, clock=clock)
    for folder in (home / "units", settings.assessments_folder, settings.inbox_folder / ID):
        folder.mkdir(parents=True)
    shutil.copyfile(DATA / "units.yaml", home / "units" / "thuc-hanh.yaml")
    settings.data_dir.mkdir()
    (settings.data_dir / "dti.db").write_bytes(empty_database())
    calendar = CALENDAR | {"levels": {level: CALENDAR["levels"][level]}}
    data = {
        "framework": framework, "year": 2026, "provinces": ["H00"], "levels": [level], "units": list(units),
        "lead_unit": "H00.11", "calendar": calendar,
    }  # fmt: skip
    write(settings, data | more)
    return Workspace(settings)


@cache
def empty_database() -> bytes:
    """An SQLite database at the newest migration: bringing each installation's there costs more than its test."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dti.db"
        open_engine(f"sqlite:///{file}").dispose()
        return file.read_bytes()


def write(settings: Settings, data: Mapping[str, Any]) -> None:
    file = settings.assessments_folder / f"{ID}.yaml"
    file.write_text(yaml.safe_dump(dict(data), allow_unicode=True), encoding="utf-8")


def changed(work: Workspace, **fields: Any) -> Workspace:
    """The same installation with other fields in its assessment's file."""
    file = work.settings.assessments_folder / f"{ID}.yaml"
    write(work.settings, yaml.safe_load(file.read_text(encoding="utf-8")) | fields)
    return Workspace(work.settings)


def copy_of(work: Workspace, home: Path) -> Workspace:
    """Another installation with everything that `work` has stored."""
    work.engine.dispose()
    shutil.copytree(work.settings.home, home)
    return Workspace(work.settings.model_copy(update={"home": home}))


def at(work: Workspace, clock: str) -> Workspace:
    """The same installation at another moment, its assessment read anew."""
    found = Workspace(work.settings.model_copy(update={"clock": clock}))
    found.__dict__["registry"] = work.registry
    return found


def report(work: Workspace, unit: str, cells: Mapping[str, Mapping[str, str]], *evidence: str) -> None:
    """A unit hands in a table: criterion -> input -> value."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["unit", "unit_name", "criterion", "input", "value", "state", "evidence"])
    for criterion, inputs in cells.items():
        for name, value in inputs.items():
            writer.writerow([unit, "", criterion, name, value, "reported", "; ".join(evidence)])
    (receipt,) = take_in(work, ID, [HandedFile("bao-cao.csv", out.getvalue().encode())], channel="cli")
    assert receipt.outcome == "accepted", receipt


def do(work: Workspace, actor: Actor, action: Action, unit: str, criterion: str | None = None, **more: Any) -> Event:
    """One action with a reason, unless `reason` says otherwise."""
    wanted = Wanted(action, unit, criterion, **{"reason": "đã đối chiếu hồ sơ"} | more)
    return act(work, ID, actor, [wanted], NIGHT).events[0]


def adjust(work: Workspace, actor: Actor, unit: str, criterion: str, **inputs: str) -> Event:
    return do(work, actor, "adjust", unit, criterion, inputs=inputs)


def refusal(work: Workspace, actor: Actor, action: Action, unit: str, criterion: str | None = None, **more: Any) -> str:
    """Why an action is refused."""
    try:
        do(work, actor, action, unit, criterion, **more)
    except ActionRefused as refused:
        return str(refused)
    raise AssertionError("it was not refused")


def run(work: Workspace, night: dt.date = NIGHT) -> None:
    """The steps of a night after the harvest."""
    steps.record_run(work, work.night(night, "test-run"))
    steps.merge_inputs(work, ID, night)
    for level in work.assessment(ID).scored_levels(load_framework(work.assessment(ID).framework)):
        steps.score(work, ID, level.level, night)
        steps.rank(work, ID, level.level, night)


def ranking(work: Workspace, level: str, night: dt.date = NIGHT) -> dict[str, RankingRow]:
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, RankingRow, facts.RANKING_KEY, night, ID, level))
        session.expunge_all()
    return {row.unit: row for row in rows}


def places(work: Workspace, level: str, night: dt.date = NIGHT) -> dict[str, tuple[str | None, int | None]]:
    """Unit -> what is printed of it and its official rank."""
    return {unit: (row.printed, row.rank_in_pool) for unit, row in ranking(work, level, night).items()}


def score(work: Workspace, level: str, unit: str, criterion: str, night: dt.date = NIGHT) -> tuple[str, int | None]:
    """State and points (1e-6) of one cell."""
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, ScoreRow, facts.SCORE_KEY, night, ID, level))
        (row,) = (row for row in rows if (row.unit, row.criterion) == (unit, criterion))
        return row.state, row.points_micro


def origins(work: Workspace, level: str, unit: str, criterion: str) -> dict[str, tuple[str | None, str]]:
    """Input -> value and origin."""
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, NIGHT, ID, level))
        return {row.name: (row.value, row.origin) for row in rows if (row.unit, row.criterion) == (unit, criterion)}


def dump(work: Workspace) -> str:
    return facts.canonical_dump(work.engine)
