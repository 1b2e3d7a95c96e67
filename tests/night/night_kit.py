"""What the tests of a night share: a practice installation, its steps in order, and ways to look at what they left.

Here: running the steps without Dagster. Not here: tests, and the practice portal itself (`dti_pipeline/sandbox`).
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from sqlmodel import Session

from dti_pipeline import night as steps
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.harvest.runner import SiteReport
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox.decided import decide
from dti_pipeline.sandbox.demo import write_installation
from dti_pipeline.sandbox.handed_in import Plan, deliver, load_plan
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts
from dti_pipeline.store.tables import InputRow, RankingRow, ScoreRow

NIGHT = dt.date(2026, 10, 15)
CONNECTOR = "dvcqg766"
NINH_THUAN = "ninh-thuan-2021-h00-2026"
QD766 = "qd766-2022-2026"
"""Assessments of the practice installation."""
QUICK = {
    "min_interval_s": 0,
    "jitter_s": 0,
    "backoff_s": 0,
    "retries": 1,
    "timeout_s": 5,
    "total_timeout_s": 1.5,
    "max_body_bytes": 3_000_000,
}
"""No waiting between requests, and limits that a fault meets quickly."""


def clock_of(night: dt.date, *, days_later: int = 1) -> str:
    """Half past midnight after a night's day, as a setting; later days are after its cut-off."""
    return f"{(night + dt.timedelta(days=days_later)).isoformat()}T00:30:00+07:00"


def install(
    home: Path, base_url: str, frameworks: Collection[str] | None = ("ninh-thuan-2021", "qd766-2022")
) -> Workspace:
    """The practice installation on its fixed night, with the assessments under some frameworks (None: all)."""
    settings = Settings(home=home, clock=clock_of(NIGHT))
    write_installation(settings, base_url, frameworks)
    deliver(Workspace(settings), quick_plan())
    decide(Workspace(settings), NIGHT)
    return Workspace(settings)


def quick_plan() -> Plan:
    """What practice units hand in, with workbooks of the districts alone: making one takes a fifth of a second."""
    plan = load_plan()
    departments = [way for way in plan.ways if way.by == "workbook" and "department" in way.levels]
    assert [way.levels for way in departments] == [("department", "district")]
    (way,) = departments
    by_csv = way.model_copy(update={"levels": ("department",), "by": "csv"})
    return plan.model_copy(update={"ways": (by_csv, *plan.ways)})


def install_small(home: Path, base_url: str) -> Workspace:
    """The practice province alone, its year alone, Ninh Thuận's framework alone."""
    work = install(home, base_url, ["ninh-thuan-2021"])
    edit_yaml(work.settings.sites_file, _only_practice_year)
    return work


def _only_practice_year(data: dict[str, Any]) -> None:
    data["sites"] = [
        site | {"windows": ["year"], "politeness": QUICK} for site in data["sites"] if site["name"] == "thuc-hanh"
    ]


def edit_yaml(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")


def copy_of(work: Workspace, home: Path, base_url: str, *, clock: str | None = None) -> Workspace:
    """Another installation that starts with everything that `work` has stored, pointing at another portal."""
    work.engine.dispose()
    shutil.copytree(work.settings.home, home, dirs_exist_ok=True)

    def point(data: dict[str, Any]) -> None:
        for site in data["sites"]:
            site["base_url"] = base_url

    edit_yaml(home / "sites.yaml", point)
    return Workspace(Settings(home=home, clock=clock or work.settings.clock))


def at(work: Workspace, clock: str) -> Workspace:
    """The same installation at another moment."""
    return Workspace(work.settings.model_copy(update={"clock": clock}))


def night_steps(work: Workspace, night: dt.date) -> Iterator[Callable[[], object]]:
    """The steps of a night in the order of the assets, each to be called once."""
    opened = work.night(night, "test-run")
    yield lambda: steps.record_run(work, opened)
    yield lambda: steps.harvest(work, CONNECTOR, opened)
    for assessment in work.assessments:
        if opened.is_open:
            yield lambda name=assessment: steps.take_in_submissions(work, name)  # type: ignore[misc]
        yield lambda name=assessment: steps.check_signatures(work, name, night)  # type: ignore[misc]
    for assessment in work.assessments:
        yield lambda name=assessment: steps.merge_inputs(work, name, night)  # type: ignore[misc]
    for assessment, item in work.assessments.items():
        for level in item.scored_levels(load_framework(item.framework)):
            yield lambda name=assessment, at=level.level: steps.score(work, name, at, night)  # type: ignore[misc]
            yield lambda name=assessment, at=level.level: steps.rank(work, name, at, night)  # type: ignore[misc]


def run(work: Workspace, night: dt.date = NIGHT) -> None:
    for step in night_steps(work, night):
        step()


def harvest(work: Workspace, night: dt.date = NIGHT) -> list[SiteReport]:
    opened = work.night(night, "test-run")
    steps.record_run(work, opened)
    return steps.harvest(work, CONNECTOR, opened)


def dump(work: Workspace) -> str:
    return facts.canonical_dump(work.engine)


def inputs(work: Workspace, night: dt.date, assessment: str = NINH_THUAN, level: str = "province") -> list[InputRow]:
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment, level))
        session.expunge_all()
    return rows


def scores(work: Workspace, night: dt.date, assessment: str = NINH_THUAN, level: str = "province") -> list[ScoreRow]:
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, ScoreRow, facts.SCORE_KEY, night, assessment, level))
        session.expunge_all()
    return rows


def rankings(work: Workspace, night: dt.date, assessment: str, level: str) -> list[RankingRow]:
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, RankingRow, facts.RANKING_KEY, night, assessment, level))
        session.expunge_all()
    return rows
