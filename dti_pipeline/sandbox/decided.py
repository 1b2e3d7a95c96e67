"""What appraisers of the practice province did before its night: decisions, questions, answers, an appeal.

Here: the plan (`data/decisions.yaml`) and doing it through the service as of its moments, each sitting once. Not here:
the rules of appraisal (`dti_pipeline.appraisal`), what units hand in (`handed_in.py`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dti_pipeline.appraisal.model import Action, Actor, Wanted
from dti_pipeline.appraisal.service import act, desk_of
from dti_pipeline.datafiles import read_model
from dti_pipeline.frameworks.assessment import end_of_day
from dti_pipeline.night import Workspace


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Doing(_Model):
    """One action, on several criteria of a unit where they have the same reason."""

    action: Action
    unit: str
    criteria: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """None: of the unit as a whole."""
    reason: str | None = None
    document: str | None = None
    inputs: dict[str, str] = {}
    until: Annotated[dt.datetime, BeforeValidator(end_of_day)] | None = None
    is_supplement: bool = False


class Sitting(_Model):
    """What somebody did at once, all of it or nothing."""

    assessment: str
    at: Annotated[dt.datetime, BeforeValidator(end_of_day)]
    by: str
    as_unit: str
    do: tuple[Doing, ...] = Field(min_length=1)


class Sittings(_Model):
    """`data/decisions.yaml`, by moment within each assessment; no two of an assessment have the same one."""

    sittings: tuple[Sitting, ...]


@cache
def load_sittings() -> tuple[Sitting, ...]:
    """Raises DataFileError."""
    return read_model(Path(__file__).parent / "data" / "decisions.yaml", Sittings).sittings


@dataclass(frozen=True)
class _Then(Workspace):
    """The installation at the moment of a sitting."""

    moments: list[dt.datetime]

    def now(self) -> dt.datetime:
        return self.moments[-1]


def decide(work: Workspace, night: dt.date) -> int:
    """Do what appraisers and units did before the installation's night; gives how many entries were appended.

    A sitting is known by its moment, so a second call does nothing, and one after a stop does the rest. What units
    handed in has to be there. Raises ActionError where the plan does not fit it, DataFileError.
    """
    then = _Then(work.settings, [])
    appended = 0
    for sitting in load_sittings():
        assessment = then.assessments.get(sitting.assessment)
        if assessment is None or not assessment.is_live:
            continue
        desk = desk_of(then, assessment.id)
        if sitting.at in {event.at for event in desk.events()}:
            continue
        then.moments.append(sitting.at)
        wanted = [item for doing in sitting.do for item in _wanted(then, sitting, doing)]
        appended += len(act(then, assessment.id, Actor(sitting.by, sitting.as_unit), wanted, night).events)
    then.engine.dispose()
    return appended


def _wanted(work: Workspace, sitting: Sitting, doing: Doing) -> list[Wanted]:
    return [
        Wanted(
            doing.action,
            doing.unit,
            criterion,
            doing.reason,
            doing.inputs,
            doing.document,
            until=doing.until,
            is_supplement=doing.is_supplement,
            thread=_thread(work, sitting, doing.unit, criterion) if doing.action in ("answer", "close") else None,
        )
        for criterion in doing.criteria or (None,)
    ]


def _thread(work: Workspace, sitting: Sitting, unit: str, criterion: str | None) -> str:
    """The newest thread on a cell. Raises ValueError where there is none."""
    threads = desk_of(work, sitting.assessment).decisions().threads
    mine = [item.id for item in threads if (item.unit, item.criterion) == (unit, criterion)]
    if not mine:
        raise ValueError(f"decisions.yaml, {sitting.at}: nothing was asked of {unit} on {criterion}")
    return mine[-1]
