"""Assessments: one framework applied to one year and province, with its calendar and what the operator decided.

Here: the shape of `assessments/<id>.yaml`, checked against the framework. Not here: the decision's own rules
(`model.py`) and what the choices mean for points (`dti_pipeline.scoring.ranking`).
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dti_pipeline.datafiles import DataFileError, read_model
from dti_pipeline.evidence.deadlines import Due
from dti_pipeline.frameworks.loader import UnknownFramework, load_framework
from dti_pipeline.frameworks.model import (
    DatedWindow,
    EventName,
    Framework,
    Level,
    LevelName,
    Merging,
    RatingBand,
    Stage,
    Text,
    check_bands,
)
from dti_pipeline.scoring.engine import Choices, ExcludedPolicy, NotApplicablePolicy, Ruling, Rulings, UnitRef
from dti_pipeline.scoring.periods import TIME_ZONE, Period
from dti_pipeline.scoring.states import CellState
from dti_pipeline.units.registry import Registry

Status = Literal["open", "self_scoring_closed", "appraised", "frozen", "published"]
STATUSES: tuple[Status, ...] = ("open", "self_scoring_closed", "appraised", "frozen", "published")
"""In the order that an assessment goes through them."""

STATUS_WORDS: dict[Status, str] = {
    "open": "đang mở",
    "self_scoring_closed": "đã khóa tự chấm",
    "appraised": "đã thẩm định",
    "frozen": "đã chốt",
    "published": "đã công bố",
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


def end_of_day(value: Any) -> Any:
    """A date means the end of that day in Vietnam; a moment needs its offset."""
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value) if len(value) == 10 else dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"«{value}» is not a date (2026-12-20) or a moment (2026-12-20T17:00:00+07:00)") from None
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} needs its offset, such as +07:00")
        return value
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time(23, 59, 59), TIME_ZONE)
    return value


Moment = Annotated[dt.datetime, BeforeValidator(end_of_day)]
"""The last second that is in time."""


class Deadlines(_Model):
    """Until when units submit and supplement, and until when their appraiser appraises."""

    submission: Moment | None = None
    supplement: Moment | None = None
    appraisal: Moment | None = None

    def in_order(self) -> list[tuple[str, dt.datetime]]:
        events = (("submission", self.submission), ("supplement", self.supplement), ("appraisal", self.appraisal))
        return [(name, moment) for name, moment in events if moment is not None]


class LevelDeadlines(Deadlines):
    """The deadlines of a level; `districts` where the decision leaves the dates to districts."""

    districts: dict[str, Deadlines] = {}

    def of(self, parent: str | None) -> Deadlines:
        """The deadlines of the units under a parent: its district's where it has its own, event by event."""
        own = self.districts.get(parent) if parent else None
        if own is None:
            return Deadlines(submission=self.submission, supplement=self.supplement, appraisal=self.appraisal)
        return Deadlines(
            submission=own.submission or self.submission,
            supplement=own.supplement or self.supplement,
            appraisal=own.appraisal or self.appraisal,
        )


class Calendar(_Model):
    """When an assessment's events are due."""

    guidance: Moment | None = None
    levels: dict[LevelName, LevelDeadlines] = {}
    publication: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        ends = [("guidance", self.guidance), ("publication", self.publication)]
        _check_order("calendar", ends)
        for level, deadlines in self.levels.items():
            for where, own in (
                (level, deadlines.of(None)),
                *((f"{level}, district {code}", deadlines.of(code)) for code in deadlines.districts),
            ):
                _check_order(where, [ends[0], *own.in_order(), ends[1]])
        return self


def _check_order(where: str, events: Sequence[tuple[str, dt.datetime | None]]) -> None:
    """Raises ValueError where an event is due before the one that goes before it."""
    dated = [(name, moment) for name, moment in events if moment is not None]
    for (first, early), (second, late) in itertools.pairwise(dated):
        if late < early:
            raise ValueError(
                f"{where}: {second} ({_shown(late)}) is before {first} ({_shown(early)}); "
                "the order is guidance, submission, supplement, appraisal, publication"
            )


def _shown(moment: dt.datetime) -> str:
    return moment.astimezone(TIME_ZONE).strftime("%d/%m/%Y %H:%M:%S")


class LevelWindow(DatedWindow):
    """A window that the decision leaves open; `districts` where each district sets its own."""

    districts: dict[str, DatedWindow] = Field(default={})


class OperatorChoices(_Model):
    """Decided by a person where the decision is silent; printed with every result that it touched."""

    missing: Literal["zero"] | None = None
    late: Literal["zero", "accept"] | None = None
    evidence: Literal["required"] | None = None
    """A claim needs a document, though the decision does not say so."""
    not_applicable: NotApplicablePolicy | None = None
    excluded: ExcludedPolicy | None = None
    not_appraised: Literal["zero"] | None = None
    ratings: tuple[RatingBand, ...] | None = None
    document: Text | None = None
    """The paper that records the choice."""

    @model_validator(mode="after")
    def _bands_in_order(self) -> Self:
        if self.ratings is not None:
            check_bands(self.ratings)
        return self

    @property
    def choices(self) -> Choices:
        return Choices(
            missing=self.missing,
            not_applicable=self.not_applicable,
            excluded=self.excluded,
            not_appraised=self.not_appraised,
            ratings=self.ratings,
            late=self.late,
            evidence=self.evidence,
            document=self.document,
        )


class UnitNote(_Model):
    """A unit that is exempt this year, or that its appraiser did not appraise."""

    unit: str
    reason: Text
    document: Text | None = None

    @property
    def words(self) -> str:
        return f"{self.reason} ({self.document})" if self.document else self.reason


class Extension(_Model):
    """More time for some units, on paper."""

    units: tuple[str, ...] = Field(min_length=1)
    """Identifier codes; a district's code stands for itself only."""
    event: Literal["submission", "supplement"]
    until: Moment
    reason: Text
    document: Text
    by: Text
    """Who granted it."""

    @property
    def words(self) -> str:
        return f"{self.reason} ({self.document}; {self.by})"


class SupplementRequest(_Model):
    """The appraiser asked a unit for supplements, on paper; what comes in time counts like a submission."""

    unit: str
    criteria: tuple[str, ...] = ()
    """Empty: all of the unit's."""
    until: Moment | None = None
    """The assessment's own supplement deadline where none is given."""
    reason: Text
    document: Text
    by: Text


class CellRuling(_Model):
    """A cell whose state is ruled by a paper, not by its figures."""

    unit: str
    criterion: str
    state: Literal["not_applicable", "excluded", "zero_late", "zero_rejected", "not_appraised"]
    reason: Text
    document: Text

    @property
    def ruling(self) -> Ruling:
        return Ruling(CellState(self.state), f"{self.reason} ({self.document})")


class Assessment(_Model):
    """One framework applied to the units of a province (or of several, ranked apart) for one year."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    """The file's name."""
    framework: str
    year: Annotated[int, Field(ge=2015, le=2100)]
    provinces: tuple[str, ...] = Field(min_length=1)
    """Identifier codes; their registered units of each level are scored."""
    levels: Annotated[tuple[LevelName, ...], Field(min_length=1)] | None = None
    """Only these levels of the framework."""
    units: tuple[str, ...] | None = None
    """Only these units, where the source of the figures is known to cover no others; said in the notes."""
    lead_unit: str | None = None
    """The lead agency («đơn vị chủ trì»)."""
    status: Status = "open"
    calendar: Calendar = Calendar()
    windows: dict[LevelName, LevelWindow] = {}
    """For levels whose reporting window the decision leaves open."""
    stages: tuple[Stage, ...] | None = None
    """Who appraises whom, where this assessment departs from the decision's own stages."""
    choices: OperatorChoices = OperatorChoices()
    merging: Merging | None = None
    """Which of several values of an input counts and what is tolerated, where that departs from the decision's own."""
    extensions: tuple[Extension, ...] = ()
    supplement_requests: tuple[SupplementRequest, ...] = ()
    exempt: tuple[UnitNote, ...] = ()
    not_appraised: tuple[UnitNote, ...] = ()
    rulings: tuple[CellRuling, ...] = ()

    @model_validator(mode="after")
    def _fits_framework(self) -> Self:
        try:
            framework = load_framework(self.framework)
        except UnknownFramework as error:
            raise ValueError(str(error)) from None
        known = [level.level for level in framework.levels]
        for field, levels in (
            ("levels", self.levels or ()),
            ("calendar.levels", self.calendar.levels),
            ("windows", self.windows),
        ):
            if unknown := sorted(set(levels) - set(known)):
                raise ValueError(
                    f"{field}: {framework.id} has no level {', '.join(unknown)}; it has {', '.join(known)}"
                )
        self._choices_fit(framework)
        if self.merging is not None:
            framework.check_merging(self.merging)
            if framework.merging != Merging() and self.merging.clause is None:
                raise ValueError(
                    f"merging: {framework.decision.number} itself says how values are merged; name in `clause` the "
                    "paper that departs from it, or remove this"
                )
        for level in self.scored_levels(framework):
            self._window_fits(framework, level)
            self._districts_fit(framework, level.level)
        for ruling in self.rulings:
            if not any(_has_criterion(level, ruling.criterion) for level in framework.levels):
                raise ValueError(f"rulings: no level of {framework.id} has criterion «{ruling.criterion}»")
        for request in self.supplement_requests:
            for code in request.criteria:
                if not any(_has_criterion(level, code) for level in framework.levels):
                    raise ValueError(f"supplement_requests: no level of {framework.id} has criterion «{code}»")
        for field, codes in (
            ("provinces", list(self.provinces)),
            ("units", list(self.units or ())),
            ("exempt, not_appraised", [note.unit for note in (*self.exempt, *self.not_appraised)]),
            ("rulings", [f"{ruling.unit}, {ruling.criterion}" for ruling in self.rulings]),
        ):
            if twice := sorted({code for code in codes if codes.count(code) > 1}):
                raise ValueError(f"{field}: stands twice: {'; '.join(twice)}")
        return self

    def _choices_fit(self, framework: Framework) -> None:
        for name in ("missing", "late", "not_applicable", "excluded", "not_appraised"):
            stated = {getattr(framework.policies_of(level), name) for level in self.scored_levels(framework)}
            chosen = getattr(self.choices, name)
            if chosen is not None and "unstated" not in stated and chosen not in framework.alternatives.get(name, ()):
                raise ValueError(
                    f"choices.{name}: {framework.decision.number} itself says {', '.join(sorted(stated))}; a choice is "
                    "only for what a decision leaves open: remove it"
                )
        if self.choices.ratings is not None and framework.ratings != "unstated":
            raise ValueError(f"choices.ratings: {framework.decision.number} leaves no ratings to choose: remove them")

    def _window_fits(self, framework: Framework, level: Level) -> None:
        is_open = framework.window_of(level) == "unstated"
        if is_open and level.level not in self.windows:
            raise ValueError(f"windows: {framework.decision.number} leaves the window of {level.level} open: give it")
        if not is_open and level.level in self.windows:
            raise ValueError(
                f"windows: {framework.decision.number} itself gives the window of {level.level}: remove it"
            )

    def _districts_fit(self, framework: Framework, level: LevelName) -> None:
        given = self.calendar.levels.get(level)
        left_to_districts = {
            event.event
            for event in framework.calendar
            if event.set_by == "district" and (not event.levels or level in event.levels)
        }
        for code, deadlines in (given.districts if given else {}).items():
            own: set[EventName] = {name for name, _ in deadlines.in_order()}  # type: ignore[misc]
            if extra := sorted(own - left_to_districts):
                raise ValueError(
                    f"calendar.levels.{level}.districts.{code}: {framework.decision.number} does not leave "
                    f"{', '.join(extra)} of this level to districts: give one date for all"
                )

    @property
    def is_live(self) -> bool:
        """Whether nights still score it: until it is frozen."""
        return self.status not in ("frozen", "published")

    def scored_levels(self, framework: Framework) -> tuple[Level, ...]:
        return tuple(level for level in framework.levels if self.levels is None or level.level in self.levels)

    def merging_of(self, framework: Framework) -> Merging:
        """How inputs are merged: this assessment's words before the decision's."""
        return framework.merging.under(self.merging)

    def period(self, framework: Framework, level: Level, unit: UnitRef, night: dt.date) -> Period:
        """The days that a unit's figures must be about."""
        period = framework.period(level, self.year, night)
        if period is not None:
            return period
        window = self.windows[level.level]
        return window.districts.get(unit.parent or "", window).period(self.year)

    def due(self, framework: Framework, level: Level, unit: UnitRef) -> Due:
        """Until when a unit may hand in, extensions and requests for supplements included."""
        deadlines = self.calendar.levels.get(level.level, LevelDeadlines()).of(unit.parent)
        submission, supplement = deadlines.submission, deadlines.supplement
        mine = [item for item in self.extensions if unit.code in item.units]
        for item in mine:
            if item.event == "submission":
                submission = max(item.until, submission) if submission else None
            else:
                supplement = max(item.until, supplement) if supplement else item.until
        asked: dict[str, dt.datetime] = {}
        for request in self.supplement_requests:
            ends = [request.until or supplement, *(item.until for item in mine if item.event == "supplement")]
            until = max((end for end in ends if end is not None), default=None)
            if request.unit == unit.code and until is not None:
                for criterion in request.criteria or tuple(item.code for item in level.criteria):
                    asked[criterion] = max(until, asked.get(criterion, until))
        is_on_request = framework.policies_of(level).supplements == "on_request"
        return Due(
            submission=submission,
            supplement=None if is_on_request else supplement,
            asked=asked,
            extension="; ".join(item.words for item in mine) or None,
        )

    def rulings_of(self, level: Level) -> Rulings:
        """What this assessment says of the units and cells of a level."""
        return Rulings(
            exempt={note.unit: note.words for note in self.exempt},
            not_appraised={note.unit: note.words for note in self.not_appraised},
            cells={
                (item.unit, item.criterion): item.ruling
                for item in self.rulings
                if _has_criterion(level, item.criterion)
            },
        )

    def check_units(self, registry: Registry) -> None:
        """Every unit that the assessment names is registered. Raises DataFileError."""
        named: list[tuple[str, str]] = [
            *(("provinces", code) for code in self.provinces),
            *(("units", code) for code in self.units or ()),
            *(("exempt", note.unit) for note in self.exempt),
            *(("not_appraised", note.unit) for note in self.not_appraised),
            *(("rulings", ruling.unit) for ruling in self.rulings),
            *(("extensions", code) for item in self.extensions for code in item.units),
            *(("supplement_requests", item.unit) for item in self.supplement_requests),
            *(("lead_unit", code) for code in ([self.lead_unit] if self.lead_unit else [])),
            *(
                (f"calendar.levels.{level}.districts", code)
                for level, deadlines in self.calendar.levels.items()
                for code in deadlines.districts
            ),
            *(
                (f"windows.{level}.districts", code)
                for level, window in self.windows.items()
                for code in window.districts
            ),
        ]
        if unknown := [f"{field}: {code}" for field, code in named if code not in registry]:
            raise DataFileError(f"{self.id}.yaml: not in the registry of units: {'; '.join(unknown)}")
        if outside := [f"{field}: {code}" for field, code in named if code.split(".", 1)[0] not in self.provinces]:
            raise DataFileError(
                f"{self.id}.yaml: not of the assessed provinces ({', '.join(self.provinces)}): {'; '.join(outside)}"
            )
        for request in self.supplement_requests:
            unit = registry.require(request.unit)
            given = self.calendar.levels.get(unit.level)
            is_scored = self.levels is None or unit.level in self.levels
            if is_scored and request.until is None and (given is None or given.of(unit.parent).supplement is None):
                raise DataFileError(
                    f"{self.id}.yaml: supplement_requests: {request.unit}: the calendar has no supplement deadline for "
                    "its level; give `until`"
                )


def _has_criterion(level: Level, code: str) -> bool:
    return any(criterion.code == code for criterion in level.criteria)


def load_assessments(folder: Path) -> tuple[Assessment, ...]:
    """The assessments of a folder by id; none where there is no folder. Raises DataFileError."""
    found = tuple(read_assessment(path) for path in sorted(folder.glob("*.yaml")))
    _once(found)
    return found


def read_assessment(path: Path) -> Assessment:
    """One assessment; its id must be the file's name. Raises DataFileError."""

    def with_id(data: Any) -> Any:
        return {"id": path.stem} | data if isinstance(data, dict) else data

    assessment = read_model(path, Assessment, prepare=with_id)
    if assessment.id != path.stem:
        raise DataFileError(f"{path.name}: field id: «{assessment.id}» is not the name of the file")
    return assessment


def _once(assessments: Iterable[Assessment]) -> None:
    seen: dict[tuple[str, int, str], str] = {}
    for item in assessments:
        for province in item.provinces:
            first = seen.setdefault((item.framework, item.year, province), item.id)
            if first != item.id:
                raise DataFileError(
                    f"{item.id}.yaml: {item.framework}, {item.year}, {province} is already assessed by {first}.yaml"
                )
