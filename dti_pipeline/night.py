"""The steps of a night, each a function of what is stored and of data files: what the Dagster assets call.

Here: which facts a step reads and which it adds. Not here: Dagster (`assets/`), sockets, formulas.
Every step may be run again at any time: it adds only what is new.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Engine
from sqlmodel import Session, func, select

import dti_pipeline
from dti_pipeline import clock
from dti_pipeline.appraisal.chain import events_of
from dti_pipeline.appraisal.decisions import decisions_at
from dti_pipeline.appraisal.model import Decisions
from dti_pipeline.appraisal.rulings import appraisal_rulings
from dti_pipeline.datafiles import DataFileError
from dti_pipeline.evidence.intake import Receipt, empty_inbox
from dti_pipeline.evidence.known import KnownReports, decided_standings, known_reports
from dti_pipeline.evidence.standing import Standing
from dti_pipeline.frameworks.assessment import Assessment, load_assessments
from dti_pipeline.frameworks.loader import DATA as FRAMEWORK_DATA
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Framework, Level, LevelName
from dti_pipeline.harvest.discovery import load_connector, load_manifest
from dti_pipeline.harvest.fetching import Revalidating, Unaskable, harvest_sites, open_fetcher, requests_at_once
from dti_pipeline.harvest.lanes import HostLanes
from dti_pipeline.harvest.model import Site
from dti_pipeline.harvest.runner import CONFIGURATION, Fetches, Night, SiteReport, harvest_site
from dti_pipeline.harvest.sites import load_usable_sites
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.scoring.discrepancy import discrepancies, other_values
from dti_pipeline.scoring.engine import (
    NO_RULINGS,
    Inputs,
    InputValue,
    LevelResult,
    Ruling,
    Rulings,
    UnitRef,
    UnitResult,
    decimal_text,
    micro,
    parse_value,
)
from dti_pipeline.scoring.footnotes import merging_notes
from dti_pipeline.scoring.impact import Impact, impacts_of
from dti_pipeline.scoring.merge import Appraised, Known, Merged, merge_level
from dti_pipeline.scoring.periods import Period, cut_off, opening
from dti_pipeline.scoring.ranking import ChoiceNeeded, score_level
from dti_pipeline.scoring.report import plain
from dti_pipeline.scoring.states import CellState, InputState
from dti_pipeline.scoring.windows import Figure
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts
from dti_pipeline.store.engine import open_engine
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import (
    CheckRow,
    DiscrepancyRow,
    FootnoteRow,
    InputRow,
    ObservationRow,
    RankingRow,
    RunRow,
    ScoreRow,
    SnapshotRow,
    StandingRow,
    UnitRow,
)
from dti_pipeline.units.registry import Registry, load_registry

if TYPE_CHECKING:
    from dti_pipeline.evidence.checking import Signing

_manifest = cache(load_manifest)
"""Asked once per figure here; the file is the same for a whole run."""


class NightNotOpen(ValueError):
    """The night asked for lies in the future."""


class UnknownAssessment(ValueError):
    """No assessment of that id in the installation, and none under a framework of that id."""

    def __init__(self, assessment_id: str, known: Iterable[str]) -> None:
        super().__init__(f"no assessment «{assessment_id}»; known: {', '.join(sorted(known)) or 'none'}")


@dataclass(frozen=True)
class Workspace:
    """What every step needs: settings, and from them the store, the registry and the configured files."""

    settings: Settings

    @cached_property
    def engine(self) -> Engine:
        return open_engine(self.settings.resolved_database_url)

    @cached_property
    def snapshots(self) -> SnapshotStore:
        return SnapshotStore(self.settings.resolved_snapshot_url)

    @cached_property
    def registry(self) -> Registry:
        return load_registry(self.settings.units_files, self.settings.crosswalk_file)

    @cached_property
    def signing(self) -> Signing:
        """The roots, revocation lists and registered signers that evidence is checked against. Raises DataFileError."""
        from dti_pipeline.evidence.checking import load_signing

        return load_signing(self.settings, self.registry)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Configured sites, faulty ones marked so; none where there is no file. Raises DataFileError."""
        path = self.settings.sites_file
        return load_usable_sites(path) if path.exists() else ()

    @cached_property
    def known_figures(self) -> dict[dt.date, tuple[int, CurrentFigures]]:
        """Night -> (how many snapshots there were, what was known): the steps of a night ask many times."""
        return {}

    @cached_property
    def assessments(self) -> Mapping[str, Assessment]:
        """Assessment id -> assessment. Raises DataFileError."""
        found = {item.id: item for item in load_assessments(self.settings.assessments_folder)}
        for assessment in found.values():
            assessment.check_units(self.registry)
        return found

    def live_assessments(self, framework_id: str) -> tuple[Assessment, ...]:
        """The assessments under a framework that nights still score, by id."""
        return tuple(item for item in self.assessments.values() if item.framework == framework_id and item.is_live)

    def assessment(self, assessment_id: str) -> Assessment:
        """Raises UnknownAssessment."""
        try:
            return self.assessments[assessment_id]
        except KeyError:
            raise UnknownAssessment(assessment_id, self.assessments) from None

    def find_assessment(self, name: str) -> Assessment:
        """The assessment of that id, or the newest one under the framework of that id. Raises UnknownAssessment."""
        if name in self.assessments:
            return self.assessments[name]
        under = [item for item in self.assessments.values() if item.framework == name]
        if not under:
            raise UnknownAssessment(name, self.assessments)
        return max(under, key=lambda item: (item.year, item.id))

    def now(self) -> dt.datetime:
        return clock.now(self.settings.clock)

    def night(self, date: dt.date, dagster_run: str) -> Night:
        """The night of a date as of now. Raises NightNotOpen for one that has not begun."""
        now = self.now()
        if now < opening(date):
            raise NightNotOpen(f"đêm {date.isoformat()} chưa bắt đầu (bây giờ là {now.isoformat(timespec='minutes')})")
        return Night(date, self.now, is_open=now <= cut_off(date), dagster_run=dagster_run)


def record_run(work: Workspace, night: Night) -> None:
    """Remember that a night was run, and the units as they are known; the first run's Dagster id stays."""
    recorded_at = facts.utc_text(work.now())
    run = RunRow(
        id="",
        night=night.date.isoformat(),
        cut_off=facts.utc_text(cut_off(night.date)),
        code_version=dti_pipeline.__version__,
        dagster_run=night.dagster_run,
        recorded_at=recorded_at,
    )
    units = [
        UnitRow(
            id="",
            code=unit.code,
            name=unit.name,
            level=unit.level,
            parent=unit.parent,
            valid_from=unit.valid_from.isoformat() if unit.valid_from else None,
            valid_to=unit.valid_to.isoformat() if unit.valid_to else None,
            is_fictional=unit.fictional,
            recorded_at=recorded_at,
        )
        for unit in work.registry
    ]
    with Session(work.engine) as session, session.begin():
        facts.append(session, [facts.with_id(run)])
        facts.append(session, [facts.with_id(unit) for unit in units])


def harvest(
    work: Workspace, connector_name: str, night: Night, *, only_site: str | None = None, again: bool = False
) -> list[SiteReport]:
    """Harvest every configured site of a connector (or only one). Failures are in the reports."""
    import random
    import time

    manifest = load_manifest(connector_name)
    connector = load_connector(connector_name)
    lanes = HostLanes(work.settings.lanes_folder, monotonic=time.monotonic)

    def opened(site: Site, sleep: Callable[[float], None]) -> AbstractContextManager[Fetches]:
        try:
            return open_fetcher(
                site,
                site.politeness or manifest.politeness,
                sleep=sleep,
                monotonic=time.monotonic,
                jitter=random.SystemRandom().random,
                # Sites on one host share its lane, whichever connector asks.
                starts=lanes,
                hold=lanes.held,
            )
        except DataFileError:  # of the installation as a whole
            raise
        except ValueError as error:
            return nullcontext(Unaskable(str(error)))

    def one(site: Site, fetcher: Fetches) -> SiteReport:
        asking = Revalidating(work.engine, work.snapshots, connector_name, site, fetcher)
        return harvest_site(
            work.engine, work.snapshots, work.registry, connector, manifest, site, night, asking, again=again
        )

    wanted = [site for site in work.sites if site.connector == connector_name and only_site in (None, site.name)]
    return harvest_sites(
        wanted,
        opened,
        one,
        sleep=time.sleep,
        at_once=requests_at_once(),
        of_one_host=lambda site: (site.politeness or manifest.politeness).concurrency,
    )


def take_in_submissions(work: Workspace, assessment_id: str) -> list[Receipt]:
    """Take in what waits in an assessment's inbox; a receipt per file. Raises UnknownAssessment."""
    return empty_inbox(work, work.assessment(assessment_id).id)


def check_signatures(work: Workspace, assessment_id: str, night: dt.date) -> int:
    """Check the signatures of every evidence file known to a night that was not checked yet under the same roots,
    signers and rules; gives how many were checked."""
    from dti_pipeline.evidence.checking import check_files

    return check_files(work, work.assessment(assessment_id), night)


@dataclass(frozen=True)
class CurrentFigures:
    """What a night knows of harvested figures, and which sources it could not read."""

    observations: tuple[tuple[ObservationRow, SnapshotRow], ...]
    """Observation with the newest good snapshot that says so."""
    failures: tuple[SnapshotRow, ...]
    """Tonight's requests that failed and have not succeeded tonight."""
    conflicts: int
    """Figures of one metric, unit and period on which two readings differ."""
    answered: frozenset[tuple[str, str]]
    """(connector, site) that gave a good answer tonight."""
    first_nights: Mapping[tuple[str, str], str]
    """(connector, site) -> the first night with a good answer."""

    @cached_property
    def given(self) -> frozenset[tuple[str, str, str]]:
        """(connector, site, metric) of which there is a figure of any unit and period."""
        return frozenset((row.connector, row.site, row.metric) for row, _ in self.observations)

    @cached_property
    def by_unit(self) -> dict[tuple[str, str], list[Figure]]:
        """(metric, unit) -> current figures of every period, in a fixed order."""
        found: dict[tuple[str, str], list[Figure]] = {}
        for row, snapshot in self.observations:
            found.setdefault((row.metric, row.unit), []).append(_figure(row, snapshot))
        return found


def current_figures(work: Workspace, night: dt.date) -> CurrentFigures:
    """Figures as known at the night's cut-off: of every request, its newest good answer.

    Where two requests speak of one metric, unit and period, the newer answer is current (equal times: by request).
    """
    with Session(work.engine) as session:
        # Snapshots are only ever added, so their number tells whether anything can have changed.
        stamp = session.exec(select(func.count()).select_from(SnapshotRow)).one()
    if (known := work.known_figures.get(night)) is None or known[0] != stamp:
        work.known_figures[night] = known = (stamp, _select_figures(work, night))
    return known[1]


def _select_figures(work: Workspace, night: dt.date) -> CurrentFigures:
    good: dict[tuple[str, str, str], SnapshotRow] = {}
    failed: dict[tuple[str, str, str], SnapshotRow] = {}
    # What was read again counts as it was read last, also of figures that a night dates.
    by_night: dict[tuple[str, ...], SnapshotRow] = {}
    first_nights: dict[tuple[str, str], str] = {}
    with Session(work.engine) as session:
        for row in facts.known_snapshots(session, night, cut_off(night)):
            key = (row.connector, row.site, row.request_sha256)
            if row.failure_kind is None:
                good[key] = row
                first_nights.setdefault((row.connector, row.site), row.night)
                failed.pop(key, None)
                if _manifest(row.connector).is_dated_by_night:
                    by_night[*key, row.night] = row
            elif row.night == night.isoformat():
                failed[key] = row
        for key in list(failed):
            if key in good and good[key].night == night.isoformat():
                del failed[key]
        # A site whose entry was put right the same night has spoken for itself since.
        asked = {(row.connector, row.site) for row in good.values() if row.night == night.isoformat()}
        asked |= {(row.connector, row.site) for row in failed.values() if row.request_sha256 != CONFIGURATION.sha256}
        failed = {
            key: row
            for key, row in failed.items()
            if row.request_sha256 != CONFIGURATION.sha256 or (row.connector, row.site) not in asked
        }
        saying, nightly = _by_reading(good.values()), _by_reading(by_night.values())
        # Of bytes that are dated by their night, a later night may have read more since.
        observations = [
            item
            for item in facts.observations_of(session, sorted({*saying, *nightly}))
            if item.recorded_at <= facts.utc_text(cut_off(night))
        ]
        session.expunge_all()
    starts: dict[tuple[str, ...], set[str]] = {}
    for item in observations:
        starts.setdefault((item.reading_id, item.metric, item.unit), set()).add(item.period_start)
    chosen: dict[tuple[str, ...], tuple[ObservationRow, SnapshotRow]] = {}
    conflicts = 0
    for item in observations:
        later = [day for day in starts[item.reading_id, item.metric, item.unit] if day > item.period_start]
        of_reading = saying.get(item.reading_id, ()), nightly.get(item.reading_id, ())
        for pair in _dated(item, *of_reading, until=min(later, default=None)):
            at = (pair[0].metric, pair[0].unit, pair[0].period_start, pair[0].period_end, item.connector)
            before = chosen.get(at)
            if before is not None and before[0].value != item.value:
                conflicts += 1
            if before is None or _newer(pair) > _newer(before):
                chosen[at] = pair
    return CurrentFigures(
        tuple(chosen[at] for at in sorted(chosen)),
        tuple(sorted(failed.values(), key=lambda row: (row.connector, row.site, row.request))),
        conflicts,
        frozenset((row.connector, row.site) for row in good.values() if row.night == night.isoformat()),
        first_nights,
    )


def _by_reading(rows: Iterable[SnapshotRow]) -> dict[str, list[SnapshotRow]]:
    found: dict[str, list[SnapshotRow]] = {}
    for row in rows:
        if row.reading_id is not None:
            found.setdefault(row.reading_id, []).append(row)
    return found


def _dated(
    item: ObservationRow, saying: Sequence[SnapshotRow], nightly: Sequence[SnapshotRow], *, until: str | None
) -> list[tuple[ObservationRow, SnapshotRow]]:
    """An observation with the snapshots that say so: the newest for a period; each on its own night for figures «as of
    the night», whose bytes may be equal for many nights, as long as those say nothing else (`until`); and up to its own
    night for figures «up to the night», as long as their period runs."""
    manifest = _manifest(item.connector)
    if manifest.is_as_of_night(item.metric):
        days = {
            row.night: row for row in nightly if item.period_start <= row.night and (not until or row.night < until)
        }
        return [(_with_period(item, night, night), row) for night, row in days.items()]
    if item.metric not in manifest.up_to_night:
        return [(item, saying[-1])] if saying else []
    days = {row.night: row for row in nightly if item.period_start <= row.night < item.period_end}
    whole = [(item, row) for row in saying[-1:] if row.night >= item.period_end]
    return [*((_with_period(item, item.period_start, night), row) for night, row in days.items()), *whole]


def _with_period(item: ObservationRow, start: str, end: str) -> ObservationRow:
    return ObservationRow(**item.model_dump() | {"period_start": start, "period_end": end})


def _newer(pair: tuple[ObservationRow, SnapshotRow]) -> tuple[str, ...]:
    row, snapshot = pair
    return (snapshot.captured_at, snapshot.request_sha256, row.locator, row.id)


def units_of(work: Workspace, assessment: Assessment, level: Level, night: dt.date) -> tuple[UnitRef, ...]:
    """The units that an assessment scores at a level, in registry order."""
    return tuple(
        UnitRef(unit.code, unit.name, unit.parent)
        for province in assessment.provinces
        for unit in work.registry.of(level.level, province, night)
        if assessment.units is None or unit.code in assessment.units
    )


@dataclass(frozen=True)
class LevelKnown:
    """What a night knows of one level at a moment, before merging."""

    level: Level
    units: tuple[UnitRef, ...]
    known: Known
    reports: KnownReports


def known_of(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    level: Level,
    night: dt.date,
    decisions: Decisions,
    moment: dt.datetime,
) -> LevelKnown:
    """The night's figures of a level, with what was handed in by a moment and decided."""
    framework = load_framework(assessment.framework)
    figures = current_figures(work, night)
    units = units_of(work, assessment, level, night)
    reports = known_reports(work, session, assessment, framework, level, units, moment, decisions)
    known = Known(
        night=night,
        window=partial(_window, assessment, framework, level, night),
        behaviour=lambda metric: load_metrics()[metric].behaviour,
        figures=figures.by_unit,
        claims=reports.claims,
        appraised=_appraised(decisions),
        unavailable=lambda metric, unit: _why_unavailable(work, figures, metric, unit),
        forgotten=lambda metric, unit, window: _why_forgotten(work, figures, metric, unit, window),
        units_under=lambda unit, name: _units_under(work, unit, name, night),
        merging=assessment.merging_of(framework),
        unsaid=reports.unsaid,
    )
    return LevelKnown(level, units, known, reports)


def standings_of(known: LevelKnown, decisions: Decisions, merged: Iterable[Merged]) -> dict[tuple[str, str], Standing]:
    """Why cells of a level are not worth their figures."""
    resting = {(item.unit.code, item.criterion) for item in merged if item.origin == "self_reported"}
    # A cell that sources fill needs no papers of the unit; what an appraiser decided stands on its own.
    own = {at: item for at, item in known.reports.standings.items() if at in resting}
    return own | decided_standings(decisions, known.level, known.units)


def tentative_inputs(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    level: Level,
    night: dt.date,
    decisions: Decisions,
    moment: dt.datetime,
) -> tuple[Inputs, Rulings]:
    """A level's inputs, and what holds instead of them, on a night's figures under these decisions; stores nothing."""
    known = known_of(work, session, assessment, level, night, decisions, moment)
    merged = merge_level(level, known.units, known.known)
    inputs = _values(level, merged)
    cells = {at: Ruling(item.state, item.reason) for at, item in standings_of(known, decisions, merged).items()}
    return inputs, _held(assessment, level, cells, decisions)


def tentative_result(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    level: Level,
    night: dt.date,
    decisions: Decisions,
    moment: dt.datetime,
) -> LevelResult:
    """What a level would come to on a night's figures under these decisions; nothing is stored. Raises ChoiceNeeded."""
    inputs, held = tentative_inputs(work, session, assessment, level, night, decisions, moment)
    units = units_of(work, assessment, level, night)
    return score_level(load_framework(assessment.framework), level, units, inputs, assessment.choices.choices, held)


def _values(level: Level, merged: Iterable[Merged]) -> dict[tuple[str, str, str], InputValue]:
    """Merged inputs as the engine takes them."""
    found: dict[tuple[str, str, str], InputValue] = {}
    for item in merged:
        spec = level.criterion(item.criterion).input(item.name)
        value = None if item.value is None else parse_value(spec, item.value)
        found[item.unit.code, item.criterion, item.name] = InputValue(item.state, value, item.reason)
    return found


def merge_inputs(work: Workspace, assessment_id: str, night: dt.date) -> dict[str, int]:
    """Merge figures and claims into the inputs of every level, and keep how they differ; gives how many rows were added
    per level."""
    assessment = work.assessment(assessment_id)
    framework = load_framework(assessment.framework)
    added: dict[str, int] = {}
    for level in assessment.scored_levels(framework):
        with Session(work.engine) as session, session.begin():
            decisions = decisions_at(events_of(session, assessment_id), cut_off(night))
            facts_of_level = known_of(work, session, assessment, level, night, decisions, cut_off(night))
            merged = merge_level(level, facts_of_level.units, facts_of_level.known)
            wanted = [
                facts.draft(
                    InputRow,
                    night=night.isoformat(),
                    assessment=assessment_id,
                    framework=framework.id,
                    level=level.level,
                    unit=item.unit.code,
                    unit_name=item.unit.name,
                    parent=item.unit.parent,
                    criterion=item.criterion,
                    name=item.name,
                    value=item.value,
                    state=item.state.value,
                    origin=item.origin,
                    evidence=json.dumps(list(item.evidence)),
                    reason=item.reason,
                    age_days=item.age_days,
                    grade=item.grade,
                    recorded_at=facts.utc_text(work.now()),
                )
                for item in merged
            ]
            current = facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment_id, level.level)
            added[level.level] = facts.revise(
                session, InputRow, current, wanted, facts.INPUT_KEY, facts.utc_text(work.now())
            )
            standings = standings_of(facts_of_level, decisions, merged)
            added[level.level] += _keep_standings(work, session, assessment, level, night, standings)
            added[level.level] += _keep_discrepancies(
                work, session, assessment, facts_of_level, night, decisions, merged, standings
            )
    return added


def _keep_discrepancies(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    known: LevelKnown,
    night: dt.date,
    decisions: Decisions,
    merged: Sequence[Merged],
    standings: Mapping[tuple[str, str], Standing],
) -> int:
    """Keep what units and sources say side by side and what a difference is worth; gives how many rows were added."""
    level, framework = known.level, load_framework(assessment.framework)
    others = other_values(level, merged, standings)
    held = _held(assessment, level, {at: Ruling(item.state, item.reason) for at, item in standings.items()}, decisions)
    impacts: Mapping[tuple[str, str], Impact] = {}
    if others:
        # Without a ranking there are no places to lose; the step that ranks says which choice is needed.
        with suppress(ChoiceNeeded):
            impacts = impacts_of(
                framework, level, known.units, _values(level, merged), others, assessment.choices.choices, held
            )
    recorded_at = facts.utc_text(work.now())
    wanted = []
    for item in discrepancies(level, merged, known.known, standings):
        impact = impacts.get((item.unit, item.criterion))
        claim, automatic = item.claim, item.automatic
        wanted.append(
            facts.draft(
                DiscrepancyRow,
                night=night.isoformat(),
                assessment=assessment.id,
                framework=framework.id,
                level=level.level,
                unit=item.unit,
                criterion=item.criterion,
                name=item.name,
                claimed=claim.value if claim else None,
                claimed_state=claim.state.value if claim else None,
                claim=claim.id if claim else None,
                automatic=automatic.value if automatic else None,
                automatic_state=automatic.state.value if automatic else None,
                automatic_reason=automatic.reason if automatic else None,
                observations=json.dumps(list(automatic.evidence) if automatic else []),
                other_sources=json.dumps([[o.source, o.unit, o.value] for o in automatic.others] if automatic else []),
                kind=item.kind,
                note=item.note,
                is_decided=(item.unit, item.criterion) in decisions.cells,
                rank_impact=impact.all_places if impact else None,
                unit_places=impact.unit_places if impact else None,
                points_micro=micro(impact.points) if impact else None,
                recorded_at=recorded_at,
            )
        )
    current = facts.of_night(session, DiscrepancyRow, facts.DISCREPANCY_KEY, night, assessment.id, level.level)
    return facts.revise(session, DiscrepancyRow, current, wanted, facts.DISCREPANCY_KEY, recorded_at)


def _appraised(decisions: Decisions) -> dict[tuple[str, str, str], Appraised]:
    """(unit, criterion, input) -> the figure that an appraiser accepted or set."""
    return {
        (unit, criterion, name): Appraised(decision.event, value, decision.reason)
        for (unit, criterion), decision in decisions.cells.items()
        for name, value in decision.inputs.items()
    }


def _keep_standings(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    level: Level,
    night: dt.date,
    standings: Mapping[tuple[str, str], Standing],
) -> int:
    """Keep why cells are not worth their figures; gives how many rows were added."""
    recorded_at = facts.utc_text(work.now())
    wanted = [
        facts.draft(
            StandingRow,
            night=night.isoformat(),
            assessment=assessment.id,
            framework=assessment.framework,
            level=level.level,
            unit=unit,
            criterion=criterion,
            state=item.state.value,
            reason=item.reason,
            evidence=json.dumps(list(item.evidence)),
            recorded_at=recorded_at,
        )
        for (unit, criterion), item in sorted(standings.items())
    ]
    current = facts.of_night(session, StandingRow, facts.STANDING_KEY, night, assessment.id, level.level)
    return facts.revise(session, StandingRow, current, wanted, facts.STANDING_KEY, recorded_at)


def _window(assessment: Assessment, framework: Framework, level: Level, night: dt.date, unit: UnitRef) -> Period:
    return assessment.period(framework, level, unit, night)


def _figure(row: ObservationRow, snapshot: SnapshotRow) -> Figure:
    return Figure(
        id=row.id,
        metric=row.metric,
        unit=row.unit,
        period=Period(dt.date.fromisoformat(row.period_start), dt.date.fromisoformat(row.period_end)),
        state=InputState(row.state),
        value=_decimal(row.value),
        numerator=_decimal(row.numerator),
        denominator=_decimal(row.denominator),
        seen_on=dt.date.fromisoformat(snapshot.night),
        stale_after_days=_manifest(row.connector).stale_after_days,
        reason=row.reason,
        source=row.connector,
        precedence=_manifest(row.connector).precedence,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _may_know(site: Site, unit: str) -> bool:
    """Whether a site is asked about a unit: all of its province, or the one that its option `unit` names.

    Without that, one portal that is down would make the figures of every unit unavailable that has no portal at all.
    """
    return site.province == unit.split(".", 1)[0] and site.options.get("unit", unit) == unit


def _why_unavailable(work: Workspace, figures: CurrentFigures, metric: str, unit: str) -> str | None:
    for row in figures.failures:
        site = next((s for s in work.sites if (s.connector, s.name) == (row.connector, row.site)), None)
        if site is not None and _may_know(site, unit) and metric in _manifest(row.connector).metrics:
            return f"{row.connector}/{row.site}: {row.failure_message}"
    for site in work.sites:
        # A site that gave no answer tonight has not said that there is no such figure.
        is_silent = (site.connector, site.name) not in figures.answered
        if is_silent and _may_know(site, unit) and metric in _manifest(site.connector).metrics:
            return f"{site.connector}/{site.name}: chưa lấy được câu trả lời nào của đêm này"
    return None


def _why_forgotten(work: Workspace, figures: CurrentFigures, metric: str, unit: str, window: Period) -> str | None:
    province = unit.split(".", 1)[0]
    for site in work.sites:
        first = figures.first_nights.get((site.connector, site.name))
        if first is None or site.province != province or (site.connector, site.name, metric) not in figures.given:
            continue
        kept_from = _manifest(site.connector).kept_from(dt.date.fromisoformat(first))
        if kept_from is not None and window.start < kept_from:
            days = _manifest(site.connector).retention_days
            return (
                f"{site.connector}/{site.name}: nguồn chỉ giữ số liệu {days} ngày và được thu lần đầu đêm {first}; các "
                f"ngày trước {kept_from.isoformat()} không còn lấy được"
            )
    return None


def _units_under(work: Workspace, unit: str, level: LevelName, night: dt.date) -> Sequence[str]:
    return [
        item.code for item in work.registry.of(level, unit.split(".", 1)[0], night) if item.code.startswith(unit + ".")
    ]


def framework_sha256(framework_id: str) -> str:
    """sha256 of the framework's file: stands on every score computed under it."""
    return hashlib.sha256((FRAMEWORK_DATA / f"{framework_id}.yaml").read_bytes()).hexdigest()


def stored_inputs(session: Session, level: Level, rows: Sequence[InputRow]) -> dict[tuple[str, str, str], InputValue]:
    """Input rows as the engine takes them."""
    inputs: dict[tuple[str, str, str], InputValue] = {}
    for row in rows:
        spec = level.criterion(row.criterion).input(row.name)
        value = None if row.value is None else parse_value(spec, row.value)
        inputs[row.unit, row.criterion, row.name] = InputValue(InputState(row.state), value, row.reason)
    return inputs


def result_of(
    work: Workspace,
    assessment_id: str,
    level_name: str,
    night: dt.date,
    *,
    inputs: Inputs | None = None,
    rulings: Rulings = NO_RULINGS,
) -> LevelResult:
    """Compute a level's result from the inputs stored for a night. Raises ChoiceNeeded.

    `inputs` and `rulings` replace what is stored of the same cells: to see what a decision would change. A cell with
    replaced inputs is worth its figures, whatever its papers were worth.
    """
    assessment = work.assessment(assessment_id)
    framework = load_framework(assessment.framework)
    level = framework.level(level_name)
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment_id, level_name))
        stored = stored_inputs(session, level, rows)
        units = {row.unit: UnitRef(row.unit, row.unit_name, row.parent) for row in rows}
        standings = facts.live(
            facts.of_night(session, StandingRow, facts.STANDING_KEY, night, assessment_id, level_name)
        )
        decisions = decisions_at(events_of(session, assessment_id), cut_off(night))
        chosen = _chosen_for_claims(work, session, assessment, level, night, rows, standings, decisions)
    held = replace(rulings_of(assessment, level, standings, decisions), chosen=chosen)
    touched = {(unit, criterion) for unit, criterion, _ in inputs or {}}
    held = replace(
        held,
        exempt={**held.exempt, **rulings.exempt},
        not_appraised={**held.not_appraised, **rulings.not_appraised},
        cells={at: item for at, item in held.cells.items() if at not in touched} | dict(rulings.cells),
    )
    result = score_level(
        framework, level, list(units.values()), {**stored, **(inputs or {})}, assessment.choices.choices, held
    )
    return replace(result, notes=(*result.notes, *merging_notes(framework, level, assessment.merging)))


def _chosen_for_claims(
    work: Workspace,
    session: Session,
    assessment: Assessment,
    level: Level,
    night: dt.date,
    rows: Sequence[InputRow],
    standings: Sequence[StandingRow],
    decisions: Decisions,
) -> frozenset[Literal["late", "evidence"]]:
    """The operator's choices that decided what claims of a table are worth: printed with it."""
    framework = load_framework(assessment.framework)
    policies, choices = framework.policies_of(level), assessment.choices
    claims = {(row.unit, row.criterion) for row in rows if row.origin == "self_reported"}
    found: set[Literal["late", "evidence"]] = set()
    if policies.evidence != "required" and choices.evidence == "required":
        # Without the choice only lateness could keep a claim from counting.
        is_touched = any(row.state != CellState.ZERO_LATE and (row.unit, row.criterion) in claims for row in standings)
        found |= {"evidence"} if is_touched else set()
    if policies.late == "unstated" and choices.late == "accept":
        units = units_of(work, assessment, level, night)
        reports = known_reports(work, session, assessment, framework, level, units, cut_off(night), decisions)
        found |= {"late"} if not claims.isdisjoint(reports.accepted_late) else set()
    return frozenset(found)


def rulings_of(assessment: Assessment, level: Level, standings: Iterable[StandingRow], decisions: Decisions) -> Rulings:
    """What holds instead of figures: papers of the assessment, before decisions on units and standings of cells."""
    cells = {(row.unit, row.criterion): Ruling(CellState(row.state), row.reason) for row in standings}
    return _held(assessment, level, cells, decisions)


def _held(
    assessment: Assessment, level: Level, cells: Mapping[tuple[str, str], Ruling], decisions: Decisions
) -> Rulings:
    stated = assessment.rulings_of(level)
    decided = appraisal_rulings(decisions)
    return Rulings(
        exempt={**decided.exempt, **stated.exempt},
        not_appraised={**decided.not_appraised, **stated.not_appraised},
        cells={**cells, **stated.cells},
    )


def score(work: Workspace, assessment_id: str, level_name: str, night: dt.date) -> int:
    """Score every cell of a level from the night's inputs; gives how many rows were added. Raises ChoiceNeeded."""
    result = result_of(work, assessment_id, level_name, night)
    source_points = _source_points(work, result, work.assessment(assessment_id), night)
    wanted = [
        facts.draft(
            ScoreRow,
            night=night.isoformat(),
            assessment=assessment_id,
            framework=result.framework.id,
            framework_sha256=framework_sha256(result.framework.id),
            level=level_name,
            unit=cell.unit,
            criterion=cell.criterion,
            points_micro=None if cell.points is None else micro(cell.points),
            max_points=plain(result.level.criterion(cell.criterion).max_points),
            state=cell.state.value,
            reason=cell.reason,
            source_points=source_points.get((cell.unit, cell.criterion)),
            recorded_at=facts.utc_text(work.now()),
        )
        for unit in result.units
        for cell in unit.cells
    ]
    with Session(work.engine) as session, session.begin():
        current = facts.of_night(session, ScoreRow, facts.SCORE_KEY, night, assessment_id, level_name)
        return facts.revise(session, ScoreRow, current, wanted, facts.SCORE_KEY, facts.utc_text(work.now()))


def _source_points(
    work: Workspace, result: LevelResult, assessment: Assessment, night: dt.date
) -> dict[tuple[str, str], str | None]:
    """(unit, criterion) -> the platform's own points for exactly the window, where a criterion names their metric."""
    metrics = {item.source_metric: item.code for item in result.level.criteria if item.source_metric}
    if not metrics:
        return {}
    windows = {
        item.unit.code: assessment.period(result.framework, result.level, item.unit, night) for item in result.units
    }
    return {
        (row.unit, metrics[row.metric]): row.value
        for row, _ in current_figures(work, night).observations
        if row.metric in metrics
        and row.unit in windows
        and (row.period_start, row.period_end) == tuple(day.isoformat() for day in windows[row.unit])
    }


def rank(work: Workspace, assessment_id: str, level_name: str, night: dt.date) -> int:
    """Total, rate and rank a level, with its footnotes; gives how many rows were added. Raises ChoiceNeeded."""
    result = result_of(work, assessment_id, level_name, night)
    recorded_at = facts.utc_text(work.now())
    wanted = [_ranking_row(result, unit, assessment_id, night, recorded_at) for unit in result.units]
    footnotes = [
        facts.draft(
            FootnoteRow,
            night=night.isoformat(),
            assessment=assessment_id,
            framework=result.framework.id,
            level=level_name,
            position=position,
            text=text,
            recorded_at=recorded_at,
        )
        for position, text in enumerate(result.notes, start=1)
    ]
    with Session(work.engine) as session, session.begin():
        current = facts.of_night(session, RankingRow, facts.RANKING_KEY, night, assessment_id, level_name)
        added = facts.revise(session, RankingRow, current, wanted, facts.RANKING_KEY, recorded_at)
        told = facts.of_night(session, FootnoteRow, facts.FOOTNOTE_KEY, night, assessment_id, level_name)
        return added + facts.revise(session, FootnoteRow, told, footnotes, facts.FOOTNOTE_KEY, recorded_at)


def _ranking_row(
    result: LevelResult, unit: UnitResult, assessment_id: str, night: dt.date, recorded_at: str
) -> facts.Draft[RankingRow]:
    decimals = result.framework.decimals
    has_score = unit.standing != "exempt"
    return facts.draft(
        RankingRow,
        night=night.isoformat(),
        assessment=assessment_id,
        framework=result.framework.id,
        level=result.level.level,
        unit=unit.unit.code,
        unit_name=unit.unit.name,
        standing=unit.standing,
        standing_reason=unit.standing_reason,
        total_micro=micro(unit.total) if has_score else None,
        max_points=decimal_text(unit.max_points, 6) if has_score else None,
        percent=decimal_text(unit.percent, 6) if has_score else None,
        basis=unit.basis,
        published=decimal_text(unit.published, decimals, decimals) if has_score else None,
        printed=unit.printed if has_score else None,
        level_basis=unit.level_basis,
        level_published=decimal_text(unit.level_published, decimals, decimals) if has_score else None,
        groups=json.dumps([[code, micro(points)] for code, points in unit.groups]),
        is_provisional=unit.is_provisional,
        rank=unit.rank,
        pool=unit.pool,
        rank_in_pool=unit.rank_in_pool,
        rating=unit.rating,
        rating_reason=unit.rating_reason,
        recorded_at=recorded_at,
    )


def record_check(work: Workspace, night: dt.date, subject: str, suite: str, outcome: str, result: str) -> int:
    """Keep a quality suite's result; gives 1 where it is new or differs from the last one of that night."""
    row = facts.draft(
        CheckRow,
        night=night.isoformat(),
        subject=subject,
        suite=suite,
        outcome=outcome,
        result=result,
        recorded_at=facts.utc_text(work.now()),
    )
    with Session(work.engine) as session, session.begin():
        statement = select(CheckRow).where(
            CheckRow.night == night.isoformat(), CheckRow.subject == subject, CheckRow.suite == suite
        )
        current = facts.newest(session.exec(statement).all(), facts.CHECK_KEY)
        return facts.revise(session, CheckRow, current, [row], facts.CHECK_KEY, facts.utc_text(work.now()))
