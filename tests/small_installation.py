"""A practice installation cut down to one assessment and no source, so that a night takes less than a second.

Here: writing it, running its steps, and calling `dti …` in it. Not here: tests, and the whole practice installation
(`tests/night/night_kit.py`).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from dti_pipeline import cli
from dti_pipeline import night as steps
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox.demo import write_installation
from dti_pipeline.settings import Settings

NIGHT = dt.date(2026, 10, 15)
CLOCK = "2026-10-16T00:30:00+07:00"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the plain data of a YAML file."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")


def write_small(
    home: Path, assessment: str, levels: Collection[str], units: Collection[str] | None = None
) -> Workspace:
    """The practice assessment of that id for some levels, or for some units of them, with no site to harvest."""
    settings = Settings(home=home, clock=CLOCK)
    file = settings.assessments_folder / f"{assessment}.yaml"
    write_installation(settings, "http://127.0.0.1:9", [assessment.rsplit("-h00-", 1)[0]])
    settings.sites_file.unlink()

    def cut(data: dict[str, Any]) -> None:
        data["levels"] = list(levels)
        for part in (data.get("self_reports", {}), data.get("calendar", {}).get("levels", {})):
            for level in set(part) - set(levels):
                del part[level]
        if units is not None:
            data["units"] = list(units)
        for path in data["self_reports"].values():
            _keep_lines(file.parent / path, units)

    edit(file, cut)
    return Workspace(settings)


def _keep_lines(report: Path, units: Collection[str] | None) -> None:
    header, *lines = report.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if units is None or line.split(",", 1)[0] in units]
    report.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")


def fresh(work: Workspace) -> Workspace:
    """The same installation with its files read anew."""
    return Workspace(work.settings)


def run_small(work: Workspace) -> None:
    """The steps of a night after the harvest, for every assessment whatever its status."""
    steps.record_run(work, work.night(NIGHT, "test-run"))
    for name, assessment in work.assessments.items():
        steps.record_claims(work, name)
        steps.merge_inputs(work, name, NIGHT)
        for level in assessment.scored_levels(load_framework(assessment.framework)):
            steps.score(work, name, level.level, NIGHT)
            steps.rank(work, name, level.level, NIGHT)


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """All of stdout as one JSON document; the command must have done its work."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Dti = Callable[..., Answer]


def command_line(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    """Runs `dti …` in this process, in the installation at `home`, on its fixed night."""
    for name in [name for name in os.environ if name.startswith("DTI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DTI_HOME", str(home))
    monkeypatch.setenv("DTI_CLOCK", CLOCK)

    def run(*arguments: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["dti", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        assert "Traceback" not in captured.err
        return Answer(stop.value.code, captured.out, captured.err)

    return run


def refused(answer: Answer) -> str:
    """The one message of a command that was given something wrong: exit 2 and nothing on stdout."""
    assert (answer.code, answer.out) == (2, ""), answer.err
    return answer.err
