"""What the practice province hands in: deliveries of fictional units at moments of their own, right and wrong ones.

Here: who hands in what, how and when (`data/deliveries.yaml`, seeded), and taking it in as of those moments. Not here:
what units say (`selfreport.py`), files (`report_files.py`), how the intake judges them (`dti_pipeline.evidence`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session, select

from dti_pipeline.datafiles import read_model
from dti_pipeline.evidence.intake import Channel, HandedFile, take_in, units_of_assessment
from dti_pipeline.evidence.workbook.layout import load_layout
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Level, LevelName
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.practice import SEED, draw
from dti_pipeline.sandbox.report_files import (
    Cell,
    csv_report,
    evidence_list,
    fill_workbook,
    json_report,
    page_of,
    single_paper,
    with_macro,
)
from dti_pipeline.sandbox.selfreport import (
    YEAR,
    SelfReportError,
    ToldCell,
    portal_binding,
    portal_figure,
    reported_months,
    size,
    told,
)
from dti_pipeline.scoring.discrepancy import Kind
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.periods import TIME_ZONE
from dti_pipeline.store import facts
from dti_pipeline.store.tables import SubmissionRow

CaseName = Literal[
    "leader_only", "other_leader", "altered", "damaged", "signed_late", "expired", "unverifiable", "unsigned",
    "not_handed_in", "no_evidence", "supplement", "resubmitted", "wrong_cells", "macro", "wrong_encoding", "late",
    "extended", "never",
]  # fmt: skip
APART: tuple[CaseName, ...] = ("signed_late", "supplement", "resubmitted", "macro", "late", "extended")
"""Cases with a day of their own."""
WRONG_VALUE = "khoảng 40"
"""What stands in a cell that cannot be read."""
CITED = 10
"""How many criteria a document is for, where a decision demands none."""
OFFICE_SECONDS = 9 * 3600 + 1800
"""From 7:30 to 17:00."""
SENDER = "Cán bộ đầu mối diễn tập (hư cấu)"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Way(_Model):
    """How the units of some levels hand in."""

    framework: str
    levels: tuple[LevelName, ...]
    by: Literal["workbook", "csv", "json"]
    together: bool = False
    """A district hands in one file for its communes."""
    from_: dt.date = Field(alias="from")
    to: dt.date
    signed: int = Field(default=0, ge=0, le=100)
    unsigned: int = Field(default=0, ge=0, le=100)


class Case(_Model):
    """A unit that does something wrong, or something rare, on purpose."""

    framework: str
    unit: str
    case: CaseName
    criteria: tuple[str, ...] = ()
    on: dt.date | None = None
    words: str

    @model_validator(mode="after")
    def _has_its_day(self) -> Self:
        # Whoever sends a file of the wrong encoding may send the right one later, or not at all.
        if self.case != "wrong_encoding" and (self.case in APART) != (self.on is not None):
            raise ValueError(f"{self.unit}, {self.case}: `on` is for {', '.join(APART)}")
        return self


class Said(_Model):
    """What a unit says of an input that a practice source measures; one of these."""

    permille: tuple[int, int] | None = None
    """Thousandths of the portal's figure, drawn between two."""
    times: str | None = None
    """A factor, such as 1/100."""
    months: tuple[int, int] | None = None
    """The portal's figure of other months of the year, the first and the last."""
    value: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("say one of permille, times, months, value")
        return self


class Disagreement(_Model):
    """A claim beside a source's figure, of a class on purpose."""

    framework: str
    unit: str
    criterion: str
    kind: Kind
    says: dict[str, Said] = {}
    """By input; empty where the class comes by itself."""
    words: str


class Plan(_Model):
    """`data/deliveries.yaml`."""

    ways: tuple[Way, ...]
    cases: tuple[Case, ...]
    disagreements: tuple[Disagreement, ...]

    def way(self, framework: str, level: LevelName) -> Way | None:
        return next((item for item in self.ways if item.framework == framework and level in item.levels), None)

    def case(self, framework: str, unit: str) -> Case | None:
        return next((item for item in self.cases if (item.framework, item.unit) == (framework, unit)), None)


@cache
def load_plan() -> Plan:
    """Raises DataFileError."""
    return read_model(Path(__file__).parent / "data" / "deliveries.yaml", Plan)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Files that are handed in together at a moment. No two of an assessment have the same one."""

    at: dt.datetime
    units: tuple[str, ...]
    """Whose they are."""
    channel: Channel
    files: Callable[[], list[HandedFile]]
    """Made when they are wanted: a workbook and two signatures take half a second."""


@dataclass(frozen=True)
class _Reception(Workspace):
    """The installation at the moment of the delivery that came last."""

    moments: list[dt.datetime]

    def now(self) -> dt.datetime:
        return self.moments[-1]


def deliver(work: Workspace, plan: Plan | None = None, seed: int = SEED) -> int:
    """Take in what was handed in before the installation's night; gives how many deliveries had not arrived yet.

    A delivery is known by its moment, so a second call does nothing, and one after a stop does the rest. `plan`:
    another one than the project's. Raises SelfReportError, DataFileError.
    """
    plan = load_plan() if plan is None else plan
    reception = _Reception(work.settings, [])
    taken = 0
    for assessment in work.assessments.values():
        if not assessment.is_live:
            continue
        with Session(work.engine) as session:
            arrived = set(
                session.exec(select(SubmissionRow.recorded_at).where(SubmissionRow.assessment == assessment.id)).all()
            )
        for delivery in deliveries(work, assessment, plan, seed):
            if facts.utc_text(delivery.at) not in arrived:
                reception.moments.append(delivery.at)
                take_in(reception, assessment.id, delivery.files(), channel=delivery.channel, submitted_by=SENDER)
                taken += 1
    reception.engine.dispose()
    return taken


def deliveries(work: Workspace, assessment: Assessment, plan: Plan, seed: int = SEED) -> list[Delivery]:
    """What the units of an assessment hand in, by moment; none under a framework that has no way in the plan."""
    exempt = {note.unit for note in assessment.exempt}
    by_level: dict[LevelName, list[UnitRef]] = {}
    for unit, level in units_of_assessment(work, assessment).values():
        if unit.code not in exempt:
            by_level.setdefault(level, []).append(unit)
    framework = load_framework(assessment.framework)
    found: list[Delivery] = []
    for name, units in by_level.items():
        way = plan.way(assessment.framework, name)
        if way is not None:
            found += _Office(assessment, framework.level(name), way, plan, seed).deliveries(units)
    return sorted(found, key=lambda item: item.at)


@dataclass(frozen=True)
class _Unit:
    """A unit with its case and the documents that it will cite."""

    ref: UnitRef
    case: Case | None
    first_at: dt.datetime
    later_at: dt.datetime
    """When something comes apart from the first delivery."""
    signed: Literal["both", "nobody"] | None
    """Whether it hands in a document with all it says, and who signed it."""

    def is_case(self, *names: CaseName) -> bool:
        return self.case is not None and self.case.case in names

    @property
    def main(self) -> str:
        return f"Báo cáo minh chứng {self.ref.code}.pdf"

    @property
    def other(self) -> str:
        return f"Tài liệu kiểm chứng {self.ref.code}.pdf"


def _moment(seed: int, first: dt.date, last: dt.date, *key: str) -> dt.datetime:
    """A moment of office hours, the same for the same arguments."""
    rng = draw(seed, "moment", *key)
    day = first + dt.timedelta(days=rng.randint(0, (last - first).days))
    start = dt.datetime.combine(day, dt.time(7, 30), TIME_ZONE)
    return start + dt.timedelta(seconds=rng.randrange(OFFICE_SECONDS))


@dataclass(frozen=True)
class _Office:
    """Makes the deliveries of one level of an assessment."""

    assessment: Assessment
    level: Level
    way: Way
    plan: Plan
    seed: int

    def deliveries(self, units: Sequence[UnitRef]) -> list[Delivery]:
        found: list[Delivery] = []
        together: dict[str, list[_Unit]] = {}
        for unit in map(self._unit, units):
            if unit.is_case("never"):
                continue
            if self.way.together and not unit.is_case("late", "extended"):
                together.setdefault(unit.ref.parent or "", []).append(unit)
            else:
                found += self._alone(unit)
        for parent, members in together.items():
            at = _moment(self.seed, self.way.from_, self.way.to, self.way.framework, f"for communes of {parent}")
            codes = tuple(unit.ref.code for unit in members)
            found.append(Delivery(at, codes, self._channel, partial(self._files, members, parent, at)))
        return found

    @property
    def _channel(self) -> Channel:
        return "cli" if self.way.by == "json" else "inbox"

    def _unit(self, ref: UnitRef) -> _Unit:
        chance = draw(self.seed, "papers", self.way.framework, ref.code).randrange(100)
        is_unsigned = self.way.signed <= chance < self.way.signed + self.way.unsigned
        case = self.plan.case(self.way.framework, ref.code)
        later = self.way.to if case is None or case.on is None else case.on
        # Whatever comes apart comes on a later day than the first delivery.
        last = self.way.to if case is None or case.on is None else min(self.way.to, later - dt.timedelta(days=1))
        return _Unit(
            ref,
            case,
            _moment(self.seed, self.way.from_, last, self.way.framework, ref.code),
            _moment(self.seed, later, later, "later", self.way.framework, ref.code),
            "both" if chance < self.way.signed else "nobody" if is_unsigned else None,
        )

    def _alone(self, unit: _Unit) -> list[Delivery]:
        """The deliveries of a unit that hands in for itself."""

        def made(at: dt.datetime, files: Callable[[], list[HandedFile]]) -> Delivery:
            return Delivery(at, (unit.ref.code,), self._channel, files)

        if unit.is_case("late", "extended"):
            return [made(unit.later_at, partial(self._files, [unit], unit.ref.code, unit.later_at))]
        whole = made(unit.first_at, partial(self._files, [unit], unit.ref.code, unit.first_at))
        if unit.is_case("macro", "wrong_encoding"):
            refused = made(unit.first_at, partial(self._refused, unit))
            if unit.case is None or unit.case.on is None:
                return [refused]
            return [refused, made(unit.later_at, partial(self._files, [unit], unit.ref.code, unit.later_at))]
        if unit.is_case("signed_late"):
            return [whole, made(unit.later_at, partial(self._late_paper, unit))]
        if unit.is_case("supplement", "resubmitted"):
            again = partial(self._files, [unit], unit.ref.code, unit.later_at, is_second=True)
            return [whole, made(unit.later_at, again)]
        return [whole]

    # --- files ---

    def _files(
        self, units: Sequence[_Unit], whose: str, at: dt.datetime, *, is_second: bool = False
    ) -> list[HandedFile]:
        """The report of some units with the evidence that comes with it; signed an hour before."""
        report = self._report([(unit.ref, self._cells(unit, is_second)) for unit in units], whose)
        papers = [paper for unit in units for paper in self._papers(unit, at - dt.timedelta(hours=1), is_second)]
        # A file for several units says itself whose each part is.
        return [HandedFile(report[0], report[1], None if self.way.together else units[0].ref.code), *papers]

    def _report(self, reports: Sequence[tuple[UnitRef, Sequence[Cell]]], whose: str) -> tuple[str, bytes]:
        name = f"Báo cáo tự đánh giá {whose}"
        if self.way.by == "json":
            return f"{name}.json", json_report(self.assessment.id, reports)
        if self.way.by == "csv":
            return f"{name}.csv", csv_report(reports)
        ((unit, cells),) = reports
        return f"{name}.xlsx", self._workbook(unit, cells)

    def _workbook(self, unit: UnitRef, cells: Sequence[Cell]) -> bytes:
        from dti_pipeline.evidence.workbook.template import write_workbook

        framework = load_framework(self.assessment.framework)
        template = write_workbook(
            self.assessment,
            framework,
            self.level,
            unit,
            prefilled={},
            as_of=self.way.from_ - dt.timedelta(days=1),
            due=self.assessment.due(framework, self.level, unit),
        )
        return fill_workbook(template, cells, _facts(unit, self.level.level))

    def _refused(self, unit: _Unit) -> list[HandedFile]:
        """A report that cannot be taken in."""
        name, body = self._report([(unit.ref, self._cells(unit, is_second=False))], unit.ref.code)
        wrong = with_macro(body) if unit.is_case("macro") else body.decode().encode("utf-16")
        return [HandedFile(name, wrong, unit.ref.code)]

    def _cells(self, unit: _Unit, is_second: bool) -> list[Cell]:
        """What a unit's report says, with the documents that it cites."""
        told_now = _told(self.way.framework, self.level.level, self.seed)[unit.ref.code]
        said = {cell.criterion.code: cell for cell in told_now}
        chosen = self._of_case(unit)
        if unit.is_case("resubmitted") and not is_second:
            before = _told(self.way.framework, self.level.level, self.seed + 1)[unit.ref.code]
            said |= {cell.criterion.code: cell for cell in before if cell.criterion.code in chosen}
        for item in self.plan.disagreements:
            if (item.framework, item.unit) == (self.way.framework, unit.ref.code) and item.says:
                said[item.criterion] = self._disagreeing(said[item.criterion], item)
        cells: list[Cell] = []
        for place, criterion in enumerate(self.level.criteria):
            cell = said.get(criterion.code)
            if cell is None and self.way.by == "workbook":
                # A workbook has a row for every criterion: what was not ready has words in place of figures.
                cells.append(Cell(ToldCell(criterion, "missing", {}, None), wrong="chưa tổng hợp xong"))
            if cell is None:
                continue
            is_chosen = criterion.code in chosen
            wrong = WRONG_VALUE if is_chosen and unit.is_case("wrong_cells") else None
            papers = self._cited(unit, cell, place, is_chosen, is_second)
            cells.append(Cell(cell, papers, wrong))
        return cells

    def _disagreeing(self, cell: ToldCell, item: Disagreement) -> ToldCell:
        """The cell with what its unit says on purpose. Raises SelfReportError for an input that the portal lacks."""
        figures = dict(cell.figures)
        for name, said in item.says.items():
            if said.value is not None:
                figures[name] = said.value
                continue
            binding = portal_binding(cell.criterion.input(name))
            if binding is None:
                raise SelfReportError(f"{item.unit}, {item.criterion}: the portal has no figure for {name}")
            months = reported_months(load_framework(item.framework), self.level)
            if said.months is not None:
                months = practice.months_between((YEAR, said.months[0]), (YEAR, said.months[1]))
            figure = portal_figure(binding, self.seed, item.unit, months)
            if said.permille is not None:
                rng = draw(self.seed, "disagreement", item.framework, item.unit, item.criterion, name)
                figure = figure * rng.randint(*said.permille) // 1000
            figures[name] = _plain(Fraction(said.times or "1") * figure)
        return replace(cell, figures=figures)

    def _of_case(self, unit: _Unit) -> frozenset[str]:
        """The criteria that a unit's case is about."""
        return frozenset(unit.case.criteria) if unit.case is not None else frozenset()

    def _cited(
        self, unit: _Unit, cell: ToldCell, place: int, is_chosen: bool, is_second: bool
    ) -> tuple[tuple[str, str], ...]:
        if unit.signed is None or cell.state == "missing":
            return ()
        if self.way.signed < 100 and place >= CITED:
            return ()
        if is_chosen and unit.is_case("no_evidence"):
            return ()
        if is_chosen and unit.is_case("supplement"):
            return ((unit.other, "1"),) if is_second else ()
        if is_chosen and not unit.is_case("resubmitted", "wrong_cells"):
            return ((unit.other, "1"),)
        return ((unit.main, page_of(place)),)

    def _papers(self, unit: _Unit, at: dt.datetime, is_second: bool) -> list[HandedFile]:
        """The documents that come with a report."""
        if unit.signed is None:
            return []
        files = []
        if not is_second:
            plain = _evidence_list(self.way.framework, self.level.level)
            is_odd = unit.case is not None and not unit.case.criteria and unit.is_case("unsigned")
            body = plain if is_odd or unit.signed == "nobody" else _signed(plain, unit.ref.code, at)
            files.append(HandedFile(unit.main, body, unit.ref.code))
        if self._of_case(unit) and (is_second if unit.is_case("supplement") else unit.is_case(*_PAPERS)):
            files.append(HandedFile(unit.other, self._other_paper(unit, at), unit.ref.code))
        return files

    def _late_paper(self, unit: _Unit) -> list[HandedFile]:
        return [HandedFile(unit.other, self._other_paper(unit, unit.later_at - dt.timedelta(hours=1)), unit.ref.code)]

    def _other_paper(self, unit: _Unit, at: dt.datetime) -> bytes:
        """The document of the criteria that the unit's case is about, as the case wants it."""
        chosen = self._of_case(unit)
        plain = single_paper(unit.ref, [item for item in self.level.criteria if item.code in chosen])
        finish = _PAPERS.get(unit.case.case, _signed) if unit.case is not None else _signed
        return finish(plain, unit.ref.code, at)


def _plain(number: Fraction) -> int | Decimal:
    """A figure as a unit writes it: a whole number, or a decimal of its own digits."""
    return int(number) if number.denominator == 1 else Decimal(number.numerator) / Decimal(number.denominator)


def _signed(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    from dti_pipeline.sandbox import practice_ca

    return practice_ca.sign(pdf, unit, practice_ca.ROLES, at)


def _leader_only(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    from dti_pipeline.sandbox import practice_ca

    return practice_ca.sign(pdf, unit, ("leader",), at)


def _other_leader(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    from dti_pipeline.sandbox import practice_ca

    return practice_ca.wrong_signer(pdf, unit, at)


def _altered(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    from dti_pipeline.sandbox import practice_ca

    return practice_ca.altered(_signed(pdf, unit, at))


def _damaged(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    from dti_pipeline.sandbox import odd_signatures

    return odd_signatures.damaged(_signed(pdf, unit, at))


def _expired(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    from dti_pipeline.sandbox import odd_signatures

    return odd_signatures.expired(pdf, unit, at)


def _unverifiable(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    from dti_pipeline.sandbox import odd_signatures

    return odd_signatures.unverifiable(pdf, unit, at)


def _unsigned(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    return pdf


Finishing = Callable[[bytes, str, dt.datetime], bytes]
"""Document, unit, time of signing -> the document as it is handed in."""

_PAPERS: Mapping[CaseName, Finishing] = {
    "leader_only": _leader_only,
    "other_leader": _other_leader,
    "altered": _altered,
    "damaged": _damaged,
    "expired": _expired,
    "unverifiable": _unverifiable,
    "unsigned": _unsigned,
}
"""Cases whose document comes with the report and is not as it should be."""


@cache
def _evidence_list(framework: str, level: LevelName) -> bytes:
    """All units of a level sign the same list: setting a document takes as long as reading a report."""
    decision = load_framework(framework)
    return evidence_list(decision, decision.level(level))


@cache
def _told(framework: str, level: LevelName, seed: int) -> dict[str, list[ToldCell]]:
    """What all practice units of a level say, by code."""
    decision = load_framework(framework)
    units = [unit for unit in practice.units() if unit.level == level]
    return told(decision, decision.level(level), units, seed)


def _facts(unit: UnitRef, level: LevelName) -> dict[str, str]:
    """General information of a unit: label -> text."""
    labels = {fact.key: fact.label for fact in load_layout().facts}
    counted = ["staff", "it_staff", "computers", *(["population"] if level != "department" else [])]
    return {
        labels["head"]: f"Người đứng đầu diễn tập {unit.code}",
        labels["contact"]: SENDER,
        **{labels[key]: str(size(unit.code, labels[key])) for key in counted},
    }
