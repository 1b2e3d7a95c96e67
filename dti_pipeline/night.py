"""The steps of a night, each a function of what is stored and of data files: what the Dagster assets call.

Here: which facts a step reads and which it adds. Not here: Dagster (`assets/`), sockets, formulas.
Every step may be run again at any time: it adds only what is new.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property, partial

from sqlalchemy import Engine
from sqlmodel import Session, func, select

import dti_pipeline
from dti_pipeline import clock
from dti_pipeline.evidence.tables import TableError, read_inputs
from dti_pipeline.frameworks.assessment import Assessment, load_assessments
from dti_pipeline.frameworks.loader import DATA as FRAMEWORK_DATA
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Framework, Level, LevelName
from dti_pipeline.harvest.discovery import load_connector, load_manifest
from dti_pipeline.harvest.fetching import Revalidating, harvest_sites, open_fetcher, requests_at_once
from dti_pipeline.harvest.model import Site
from dti_pipeline.harvest.runner import Fetches, Night, SiteReport, harvest_site
from dti_pipeline.harvest.sites import load_sites
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.scoring.engine import InputValue, LevelResult, UnitRef, UnitResult, decimal_text, micro, parse_value
from dti_pipeline.scoring.merge import Claim, Known, merge_level
from dti_pipeline.scoring.periods import Period, cut_off, opening
from dti_pipeline.scoring.ranking import score_level
from dti_pipeline.scoring.report import plain
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Figure
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts
from dti_pipeline.store.engine import open_engine
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import (
    CheckRow,
    ClaimRow,
    FootnoteRow,
    InputRow,
    ObservationRow,
    RankingRow,
    RunRow,
    ScoreRow,
    SnapshotRow,
    UnitRow,
)
from dti_pipeline.units.registry import Registry, load_registry

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
        return load_registry(self.settings.units_files)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Configured sites; none where there is no file."""
        path = self.settings.sites_file
        return load_sites(path) if path.exists() else ()

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
    starts: dict[str, float] = {}

    def opened(site: Site, sleep: Callable[[float], None]) -> AbstractContextManager[Fetches]:
        return open_fetcher(
            site,
            site.politeness or manifest.politeness,
            sleep=sleep,
            monotonic=time.monotonic,
            jitter=random.SystemRandom().random,
            # Sites on one host share its lane.
            starts=starts,
        )

    def one(site: Site, fetcher: Fetches) -> SiteReport:
        asking = Revalidating(work.engine, work.snapshots, connector_name, site, fetcher)
        return harvest_site(
            work.engine, work.snapshots, work.registry, connector, manifest, site, night, asking, again=again
        )

    wanted = [site for site in work.sites if site.connector == connector_name and only_site in (None, site.name)]
    return harvest_sites(wanted, opened, one, sleep=time.sleep, at_once=requests_at_once())


def record_claims(work: Workspace, assessment_id: str) -> int:
    """Take in the self-report files of an assessment as they are now; gives how many claims are new or changed.

    Raises UnknownAssessment, and TableError for a file that cannot be used; nothing of it is kept then.
    """
    assessment = work.assessment(assessment_id)
    framework = load_framework(assessment.framework)
    added = 0
    for level_name, path in assessment.self_reports.items():
        try:
            body = path.read_bytes()
        except OSError as error:
            raise TableError(
                f"{path}: {assessment_id} names this self-report; it cannot be read ({error.strerror})"
            ) from None
        table = read_inputs(body, path.name, framework, framework.level(level_name))
        sha256 = work.snapshots.put(body)
        recorded_at = facts.utc_text(work.now())
        wanted = [
            facts.draft(
                ClaimRow,
                assessment=assessment_id,
                framework=assessment.framework,
                level=level_name,
                unit=line.unit,
                unit_name=line.unit_name,
                criterion=line.criterion,
                name=line.name,
                value=line.text,
                state=line.value.state.value,
                body_sha256=sha256,
                locator=f"dòng {line.line}",
                recorded_at=recorded_at,
            )
            for line in table.lines
        ]
        with Session(work.engine) as session, session.begin():
            current = facts.claims_known(session, assessment_id, level_name, work.now())
            added += facts.revise(session, ClaimRow, current, wanted, facts.CLAIM_KEY, recorded_at)
    return added


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

    def by_metric(self) -> dict[tuple[str, str], list[Figure]]:
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
    # What was read again counts as it was read last, also of figures as of a night.
    as_of_night: dict[tuple[str, ...], SnapshotRow] = {}
    with Session(work.engine) as session:
        for row in facts.known_snapshots(session, night, cut_off(night)):
            key = (row.connector, row.site, row.request_sha256)
            if row.failure_kind is None:
                good[key] = row
                failed.pop(key, None)
                if _manifest(row.connector).as_of == "night":
                    as_of_night[*key, row.night] = row
            elif row.night == night.isoformat():
                failed[key] = row
        for key in list(failed):
            if key in good and good[key].night == night.isoformat():
                del failed[key]
        saying: dict[str, list[SnapshotRow]] = {}
        for row in [
            *(row for row in good.values() if _manifest(row.connector).as_of == "period"),
            *as_of_night.values(),
        ]:
            if row.reading_id is not None:
                saying.setdefault(row.reading_id, []).append(row)
        observations = facts.observations_of(session, sorted(saying))
        session.expunge_all()
    chosen: dict[tuple[str, ...], tuple[ObservationRow, SnapshotRow]] = {}
    conflicts = 0
    for item in observations:
        for pair in _dated(item, saying[item.reading_id]):
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
    )


def _dated(item: ObservationRow, saying: Sequence[SnapshotRow]) -> list[tuple[ObservationRow, SnapshotRow]]:
    """An observation with the snapshots that say so: the newest for a period; each on its own night for figures «as of
    the night», whose bytes may be equal for many nights."""
    if _manifest(item.connector).as_of == "period":
        return [(item, saying[-1])]
    return [
        (ObservationRow(**item.model_dump() | {"period_start": row.night, "period_end": row.night}), row)
        for row in {row.night: row for row in saying}.values()
    ]


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


def merge_inputs(work: Workspace, assessment_id: str, night: dt.date) -> dict[str, int]:
    """Merge figures and claims into the inputs of every level; gives how many rows were added per level."""
    assessment = work.assessment(assessment_id)
    framework = load_framework(assessment.framework)
    figures = current_figures(work, night)
    by_metric = figures.by_metric()
    added: dict[str, int] = {}
    for level in assessment.scored_levels(framework):
        units = units_of(work, assessment, level, night)
        with Session(work.engine) as session, session.begin():
            claims = {
                (row.unit, row.criterion, row.name): Claim(row.id, row.value, InputState(row.state))
                for row in facts.live(facts.claims_known(session, assessment_id, level.level, cut_off(night)))
            }
            known = Known(
                night=night,
                window=partial(_window, assessment, framework, level, night),
                behaviour=lambda metric: load_metrics()[metric].behaviour,
                figures=by_metric,
                claims=claims,
                unavailable=lambda metric, unit: _why_unavailable(work, figures, metric, unit),
                units_under=lambda unit, name: _units_under(work, unit, name, night),
            )
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
                    recorded_at=facts.utc_text(work.now()),
                )
                for item in merge_level(level, units, known)
            ]
            current = facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment_id, level.level)
            added[level.level] = facts.revise(
                session, InputRow, current, wanted, facts.INPUT_KEY, facts.utc_text(work.now())
            )
    return added


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


def _why_unavailable(work: Workspace, figures: CurrentFigures, metric: str, unit: str) -> str | None:
    province = unit.split(".", 1)[0]
    for row in figures.failures:
        site = next((s for s in work.sites if (s.connector, s.name) == (row.connector, row.site)), None)
        if site is not None and site.province == province and metric in _manifest(row.connector).metrics:
            return f"{row.connector}/{row.site}: {row.failure_message}"
    for site in work.sites:
        # A site that gave no answer tonight has not said that there is no such figure.
        is_silent = (site.connector, site.name) not in figures.answered
        if is_silent and site.province == province and metric in _manifest(site.connector).metrics:
            return f"{site.connector}/{site.name}: chưa lấy được câu trả lời nào của đêm này"
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


def result_of(work: Workspace, assessment_id: str, level_name: str, night: dt.date) -> LevelResult:
    """Compute a level's result from the inputs stored for a night. Raises ChoiceNeeded."""
    assessment = work.assessment(assessment_id)
    framework = load_framework(assessment.framework)
    level = framework.level(level_name)
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, InputRow, facts.INPUT_KEY, night, assessment_id, level_name))
        inputs = stored_inputs(session, level, rows)
        units = {row.unit: UnitRef(row.unit, row.unit_name, row.parent) for row in rows}
    return score_level(
        framework, level, list(units.values()), inputs, assessment.choices.choices, assessment.rulings_of(level)
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
