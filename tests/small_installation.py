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
from dti_pipeline.sandbox.decided import load_sittings
from dti_pipeline.sandbox.demo import write_installation
from dti_pipeline.sandbox.selfreport import write_reports
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
    """The practice assessment of that id for some levels, or for some units of them, with no site to harvest.

    What units report waits in the inbox until the night, without evidence; so deadlines before the night are left out.
    """
    settings = Settings(home=home, clock=CLOCK)
    file = settings.assessments_folder / f"{assessment}.yaml"
    framework = load_framework(assessment.rsplit("-h00-", 1)[0])
    write_installation(settings, "http://127.0.0.1:9", [framework.id])
    settings.sites_file.unlink()
    inbox = settings.inbox_folder / assessment
    inbox.mkdir(parents=True, exist_ok=True)
    if framework.id != "ninh-thuan-2021":
        write_reports(inbox, framework)

    def cut(data: dict[str, Any]) -> None:
        data["levels"] = list(levels)
        dates = data.get("calendar", {}).get("levels", {})
        for level in set(dates) - set(levels):
            del dates[level]
        for level, own in list(dates.items()):
            for district, given in list(own.get("districts", {}).items()):
                if given["submission"] < NIGHT:
                    del own["districts"][district]
            if own["submission"] < NIGHT:
                del dates[level]
        # Nor what was decided about deliveries: here nobody is late or is asked for anything.
        for field in ("extensions", "supplement_requests"):
            data.pop(field, None)
        data.get("choices", {}).pop("late", None)
        # Nor does anybody decide: what appraisers grant stands in the file.
        data["rulings"] = [*data.get("rulings", []), *_granted(assessment)]
        if units is not None:
            data["units"] = list(units)

    edit(file, cut)
    for report in sorted((settings.inbox_folder / assessment).glob("*.csv")):
        if report.stem.rsplit("-", 1)[1] in levels or report.stem == "self-report":
            _keep_lines(report, units)
        else:
            report.unlink()
    return Workspace(settings)


def _granted(assessment: str) -> list[dict[str, str | None]]:
    return [
        {
            "unit": doing.unit, "criterion": criterion, "state": "not_applicable", "reason": doing.reason,
            "document": doing.document,
        }
        for sitting in load_sittings()
        for doing in sitting.do
        for criterion in doing.criteria or ()
        if sitting.assessment == assessment and doing.action == "grant_na"
    ]  # fmt: skip


def _keep_lines(report: Path, units: Collection[str] | None) -> None:
    header, *lines = report.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if units is None or line.split(",", 1)[0] in units]
    report.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")


def hand_in_again(work: Workspace, assessment: str, file: str, change: Callable[[str], str]) -> None:
    """Put a changed version of a report that was taken in (or waits) into the inbox."""
    inbox = work.settings.inbox_folder / assessment
    waiting = inbox / file
    taken = sorted((inbox / "taken").glob(f"{Path(file).stem}*"), key=lambda path: path.stat().st_mtime_ns)
    text = (waiting if waiting.exists() else taken[-1]).read_text(encoding="utf-8")
    assert change(text) != text
    waiting.write_text(change(text), encoding="utf-8")


def with_value(text: str, unit: str, criterion: str, name: str, value: str) -> str:
    """A report's text with another value on one line."""
    lines = text.splitlines()
    (index,) = (i for i, line in enumerate(lines) if line.startswith(f"{unit},") and f",{criterion},{name}," in line)
    fields = lines[index].split(",")
    fields[4:6] = [value, "reported"]
    lines[index] = ",".join(fields)
    return "\n".join(lines) + "\n"


def fresh(work: Workspace) -> Workspace:
    """The same installation with its files read anew."""
    return Workspace(work.settings)


def run_small(work: Workspace) -> None:
    """The steps of a night after the harvest, for every assessment whatever its status."""
    steps.record_run(work, work.night(NIGHT, "test-run"))
    for name, assessment in work.assessments.items():
        steps.take_in_submissions(work, name)
        steps.check_signatures(work, name, NIGHT)
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
