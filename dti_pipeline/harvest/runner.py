"""One site on one night: drive the connector's plan, keep every answer, read it, and record both together.

Here: what is fetched, what is reused, what a failure does to the rest of the plan. Not here: sockets (`http.py`),
bytes -> figures (the connectors) and what becomes of figures afterwards.

Each answer is recorded with its observations in one transaction, so a night that is killed goes on where it was. A
request that succeeded tonight is not sent again; a night that is closed sends nothing.
"""

from __future__ import annotations

import datetime as dt
import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, func
from sqlmodel import Session, col, select

from dti_pipeline.harvest.codes import todays_code
from dti_pipeline.harvest.invariants import Held, check
from dti_pipeline.harvest.model import (
    Connector,
    FailureKind,
    FaultySite,
    Manifest,
    Observation,
    Plan,
    Quarantined,
    Reading,
    Redacted,
    Redacts,
    Request,
    Site,
    Snapshot,
    SourceFailure,
    storable,
)
from dti_pipeline.scoring.periods import Period, window_on
from dti_pipeline.scoring.states import InputState
from dti_pipeline.store import facts
from dti_pipeline.store.snapshots import SnapshotDamaged, SnapshotStore
from dti_pipeline.store.tables import ObservationRow, QuarantineDecisionRow, QuarantineRow, SnapshotRow, SourceRow
from dti_pipeline.units.registry import Registry

FAILURES_IN_A_ROW = 3
"""After this many answers of 5xx or broken connections in a row the site is left alone (manners of the contract)."""

OVERLOADED = frozenset({FailureKind.HTTP_STATUS, FailureKind.CONNECTION, FailureKind.TOO_SLOW})

REFUSALS = frozenset(
    {
        FailureKind.BLOCKED,
        FailureKind.REDIRECTED,
        FailureKind.AUTH_FAILED,
        FailureKind.OVER_BUDGET,
        FailureKind.MISCONFIGURED,
    }
)
"""What ends a site's night at once."""

CONFIGURATION = Request("GET", "sites.yaml", kind="file")
"""Stands on record for the requests that a site's entry could not be made into. Never sent."""


class Fetches(Protocol):
    def fetch(self, request: Request) -> Snapshot: ...


@dataclass
class SiteReport:
    """What one site gave on one night."""

    connector: str
    site: str
    fetched: int = 0
    reused: int = 0
    observations: int = 0
    new_observations: int = 0
    quarantined: int = 0
    warnings: list[str] = field(default_factory=list)
    failures: list[tuple[str, SourceFailure]] = field(default_factory=list)
    """(request path, failure)"""

    @property
    def is_good(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class Night:
    """The night being run: its date, who runs it, and the moment as a function so that logic has no clock."""

    date: dt.date
    now: Callable[[], dt.datetime]
    is_open: bool
    dagster_run: str


def harvest_site(
    engine: Engine,
    store: SnapshotStore,
    registry: Registry,
    connector: Connector,
    manifest: Manifest,
    site: Site,
    night: Night,
    fetcher: Fetches,
    *,
    again: bool = False,
) -> SiteReport:
    """Harvest every window of a site. Failures are part of the report and of the record, never an exception: neither
    what the source does nor a site whose options the connector refuses (MISCONFIGURED; nothing is asked).

    `again` asks once more even where tonight's failure said that asking again cannot help.
    """
    run = _SiteRun(engine, store, registry, connector, manifest, site, night, fetcher, again)
    if isinstance(site, FaultySite):
        run.misconfigured(site.fault)
        return run.report
    run.record_source()
    # Up to its first request a plan only looks at the options: all of them before anything is sent.
    if (plans := run.begun()) is None:
        return run.report
    for plan, first in plans:
        if run.is_stopped:
            break
        run.drive(plan, first)
    if run.is_stopped and run.report.failures[-1][0] != CONFIGURATION.path:
        rest = SourceFailure(FailureKind.STOPPED, "các yêu cầu còn lại của đêm không gửi nữa")
        run.report.failures.append(("*", rest))
    return run.report


class _SiteRun:
    def __init__(
        self,
        engine: Engine,
        store: SnapshotStore,
        registry: Registry,
        connector: Connector,
        manifest: Manifest,
        site: Site,
        night: Night,
        fetcher: Fetches,
        again: bool,
    ) -> None:
        self.engine, self.store, self.registry = engine, store, registry
        self.connector, self.manifest, self.site = connector, manifest, site
        self.night, self.fetcher, self.again = night, fetcher, again
        self.report = SiteReport(manifest.name, site.name)
        self.failures_in_a_row = 0
        self.is_stopped = False
        self.budget = (site.politeness or manifest.politeness).max_requests_per_night

    def record_source(self) -> None:
        row = SourceRow(
            id="",
            connector=self.manifest.name,
            site=self.site.name,
            publisher=self.manifest.publisher,
            base_url=self.site.base_url,
            province=self.site.province,
            recorded_at=facts.utc_text(self.night.now()),
        )
        with Session(self.engine) as session, session.begin():
            facts.append(session, [facts.with_id(row)])
            asked = select(func.count()).where(
                SnapshotRow.connector == self.manifest.name,
                SnapshotRow.site == self.site.name,
                SnapshotRow.night == self.night.date.isoformat(),
                col(SnapshotRow.reread_of).is_(None),
                col(SnapshotRow.failure_kind).is_distinct_from(FailureKind.OVER_BUDGET.value),
                col(SnapshotRow.failure_kind).is_distinct_from(FailureKind.MISCONFIGURED.value),
            )
            self.budget -= session.exec(asked).one()

    def begun(self) -> list[tuple[Plan, Request]] | None:
        """Of every window that asks for something its plan and first request; None where the options are refused."""
        found = []
        for window in self.site.windows:
            try:
                plan = self.connector.plan(self.site, window_on(window, self.night.date))
                found.append((plan, next(plan)))
            except StopIteration:
                continue
            except Exception as error:  # noqa: BLE001  whatever the options make of a plan, it costs this site alone
                # A ValueError has the connector's own words; any other error is an option that it did not look at.
                is_told = isinstance(error, ValueError)
                self.misconfigured(str(error) if is_told else _defect("lập yêu cầu đầu", error).message)
                return None
        return found

    def misconfigured(self, why: str) -> None:
        """The site is not asked, and that stands on record while the night is open."""
        where = f"sites.yaml, điểm thu «{self.site.name}» của bộ đọc {self.manifest.name}"
        # The corrected entry is looked at again the same night.
        failure = SourceFailure(FailureKind.MISCONFIGURED, f"{where}: {why}", retryable=True)
        if self.night.is_open:
            self._record(CONFIGURATION, None, Reading(), failure)
        self._failed(CONFIGURATION, failure)

    def drive(self, plan: Plan, first: Request) -> None:
        request = first
        while not self.is_stopped:
            answer = self._answer(request)
            if self.is_stopped:
                return
            try:
                following = plan.send(answer)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001
                # An answer that was read well and that the plan cannot go on from: the other windows and sites can.
                self._failed(request, error if isinstance(error, SourceFailure) else _defect("lập yêu cầu tiếp", error))
                return
            request = following

    def _answer(self, request: Request) -> Snapshot | None:
        """The good snapshot of a request, fetched or from tonight's record; None where there is none."""
        with Session(self.engine) as session:
            row = facts.captured(session, self.manifest.name, self.site.name, self.night.date, request)
        if row is not None and row.failure_kind is None and row.body_sha256 is not None:
            self.report.reused += 1
            self.report.warnings += json.loads(row.warnings)
            body = self.store.get(row.body_sha256)
            return Snapshot(request, row.status or 0, json.loads(row.headers), body, row.url, self.night.date)
        if request.is_final and (earlier := self._earlier(request)) is not None:
            return earlier
        if row is not None and not self.again and not (self.night.is_open and row.is_retryable):
            self._failed(request, _failure_of(row))
            return None
        if not self.night.is_open:
            failure = SourceFailure(
                FailureKind.NOT_FETCHED, "đêm này đã chốt mà chưa lấy được số liệu; đêm đã qua không gọi nguồn"
            )
            self._failed(request, failure)
            return None
        return self._fetch(request)

    def _earlier(self, request: Request) -> Snapshot | None:
        """The good answer of the newest earlier night that has one, as it was then; nothing is recorded anew."""
        statement = (
            select(SnapshotRow)
            .where(
                SnapshotRow.connector == self.manifest.name,
                SnapshotRow.site == self.site.name,
                SnapshotRow.request_sha256 == request.sha256,
                SnapshotRow.night < self.night.date.isoformat(),
                col(SnapshotRow.failure_kind).is_(None),
                col(SnapshotRow.body_sha256).is_not(None),
            )
            .order_by(col(SnapshotRow.night).desc(), col(SnapshotRow.captured_at).desc(), SnapshotRow.id)
        )
        with Session(self.engine) as session:
            row = session.exec(statement).first()
        if row is None:
            return None
        try:
            body = self.store.get(row.body_sha256 or "")
        except SnapshotDamaged:
            # No figure may rest on bytes that are not what they were: the source is asked once more.
            return None
        self.report.reused += 1
        night = dt.date.fromisoformat(row.night)
        return Snapshot(request, row.status or 0, json.loads(row.headers), body, row.url, night)

    def _fetch(self, request: Request) -> Snapshot | None:
        redacted: Redacted | None = None
        try:
            if self.budget <= 0 and request.kind != "file":
                used_up = "đã gửi hết số yêu cầu của một đêm cho điểm thu này (max_requests_per_night)"
                # A larger budget is looked at again the same night; the same one costs the source nothing.
                raise SourceFailure(FailureKind.OVER_BUDGET, used_up, retryable=True)
            self.budget -= 1
            self.report.fetched += 1
            snapshot = replace(_sent(self.fetcher, request), night=self.night.date)
            original_sha256 = snapshot.sha256
            if isinstance(self.connector, Redacts):
                # Before anything is kept: what may not be stored never reaches the store, the log or `read`.
                redacted = _redacted(self.connector, snapshot)
                snapshot = replace(snapshot, body=redacted.body)
        except SourceFailure as failure:
            if failure.kind is FailureKind.MISCONFIGURED:
                self.report.fetched -= 1
                self.misconfigured(failure.message)
                return None
            self._record(request, None, Reading(), failure)
            self._failed(request, failure)
            return None
        kept = None if redacted is None else (original_sha256, redacted.removed)
        try:
            reading = reading_of(self.connector, snapshot)
            if reading.quarantined and not reading.observations:
                # Nothing of it can be used: an empty reading would put aside what the source said before.
                first = reading.quarantined[0]
                message = f"không dùng được bản ghi nào ({len(reading.quarantined)}); đầu tiên: {first.reason}"
                raise SourceFailure(FailureKind.WRONG_SHAPE, message)
        except SourceFailure as failure:
            self._record(request, snapshot, Reading(), failure, kept)
            self._failed(request, failure)
            return None
        self.failures_in_a_row = 0
        self._record(request, snapshot, reading, None, kept)
        return snapshot

    def _failed(self, request: Request, failure: SourceFailure) -> None:
        self.report.failures.append((request.path, failure))
        if failure.kind in OVERLOADED and failure.retryable:
            self.failures_in_a_row += 1
        self.is_stopped = failure.kind in REFUSALS or self.failures_in_a_row >= FAILURES_IN_A_ROW

    def _record(
        self,
        request: Request,
        snapshot: Snapshot | None,
        reading: Reading,
        failure: SourceFailure | None,
        redacted: tuple[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Keep an answer with what was read from it. `redacted`: the original's sha256 and what was removed."""
        row = SnapshotRow(
            id="",
            connector=self.manifest.name,
            site=self.site.name,
            night=self.night.date.isoformat(),
            request=request.canonical(),
            request_sha256=request.sha256,
            url=snapshot.url if snapshot else _address(self.site, request),
            status=snapshot.status if snapshot else None,
            headers=json.dumps(_kept_headers(snapshot), sort_keys=True),
            body_sha256=self.store.put(snapshot.body) if snapshot is not None else None,
            body_bytes=len(snapshot.body) if snapshot else None,
            original_sha256=redacted[0] if redacted else None,
            removed=json.dumps(list(redacted[1]) if redacted else [], ensure_ascii=False),
            failure_kind=failure.kind.value if failure else None,
            failure_message=failure.message if failure else None,
            is_retryable=failure.retryable if failure else None,
            warnings="[]",
            connector_version=self.manifest.version,
            captured_at=facts.utc_text(self.night.now()),
            dagster_run=self.night.dagster_run,
        )
        with Session(self.engine) as session, session.begin():
            if failure is not None:
                facts.append(session, [facts.with_id(row)])
                return
            recorded = record_reading(session, self.registry, self.manifest, row, reading)
        self.report.observations += recorded.observations
        self.report.new_observations += recorded.new_observations
        self.report.quarantined += recorded.quarantined
        self.report.warnings += recorded.warnings


def reading_of(connector: Connector, snapshot: Snapshot) -> Reading:
    """What a connector reads in an answer. Raises SourceFailure: the reader's own, and READER_DEFECT for whatever else
    it raises and for text that cannot be stored, so that a defect costs one answer and not the night."""
    try:
        reading = connector.read(snapshot)
    except SourceFailure:
        raise
    except Exception as error:
        raise _defect("đọc", error) from error
    if any(text != storable(text) for text in _texts(reading)):
        raise SourceFailure(FailureKind.UNREADABLE, "câu trả lời có ký tự không lưu được (NUL hoặc nửa ký tự Unicode)")
    return reading


def _address(site: Site, request: Request) -> str:
    return site.base_url if request is CONFIGURATION else site.base_url.rstrip("/") + request.path


def _sent(fetcher: Fetches, request: Request) -> Snapshot:
    try:
        return fetcher.fetch(request)
    except ValueError as error:  # a request that cannot be sent, made of what an answer said
        # The fetcher's own words hold no value; those of a library may.
        why = f" ({error})" if type(error) is ValueError else ""
        raise _defect(f"gửi yêu cầu{why}", error) from error


def _redacted(connector: Redacts, snapshot: Snapshot) -> Redacted:
    try:
        return connector.redact(snapshot)
    except SourceFailure:
        raise
    except Exception as error:
        raise _defect("lược bỏ dữ liệu cá nhân", error) from error


def _defect(doing: str, error: Exception) -> SourceFailure:
    """Names the place in the reader and never what it stumbled over: that may be what must not be kept."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return SourceFailure(FailureKind.READER_DEFECT, f"bộ đọc hỏng khi {doing}: {type(error).__name__} tại {place}")


def _texts(reading: Reading) -> Iterator[str]:
    for item in reading.observations:
        yield from (item.unit, item.unit_name, item.locator, item.unit_code or "", item.flag or "", item.reason or "")
    for record in reading.quarantined:
        yield from (record.locator, record.reason, record.record)
    yield from reading.warnings


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording one reading came to."""

    observations: int
    new_observations: int
    quarantined: int
    """Without what a person released."""
    warnings: tuple[str, ...]


def base_reading_id(row: SnapshotRow) -> str:
    """Of what an answer's bytes say to the reader that read them, as if nothing were held back."""
    return facts.content_id("reading", _base(row))


def _base(row: SnapshotRow) -> dict[str, str | None]:
    return {
        "connector": row.connector,
        "site": row.site,
        "version": row.connector_version,
        "request": row.request_sha256,
        "body": row.body_sha256,
    }


def record_reading(
    session: Session,
    registry: Registry,
    manifest: Manifest,
    row: SnapshotRow,
    reading: Reading,
    known_reading: str | None = None,
) -> Recorded:
    """Append an answer's row with what was read from it, in the caller's transaction.

    What breaks a rule (`invariants.py`) or has no known unit is held back; a held figure has one in state `unavailable`
    in its place, with the reason, unless a person released it. What is held back, and which units a person's word
    stands behind, is part of a reading's identity: a release, a unit that became known, or another one in its place,
    makes another reading, which nights before it do not know. Sets the row's
    `reading_id`, `warnings` and `id`; where `known_reading` is what comes out, the answer has a row that says so
    already and gets no other.
    """
    checked = check(reading, manifest, dt.date.fromisoformat(row.night))
    base_id = base_reading_id(row)
    codes, written_down, unmatched = _unit_codes(session, registry, row, reading.observations)
    held = [
        (item, _held_row(row, base_id, manifest, item, codes))
        for item in checked.held
        if _who(item.observation) in codes
    ]
    unknown = [_quarantine_row(row, base_id, item) for item in unmatched]
    refused = [_quarantine_row(row, base_id, item) for item in checked.reading.quarantined]
    released = _released(session, [kept.id for _, kept in held])
    held_back = sorted({kept.id for kept in (*(kept for _, kept in held), *unknown)} - released)
    own = ({"held_back": held_back} if held_back else {}) | ({"units": written_down} if written_down else {})
    row.reading_id = facts.content_id("reading", _base(row) | own) if own else base_id
    usable = [item for item in checked.reading.observations if _who(item) in codes]
    usable += [item.observation for item, kept in held if kept.id in released]
    usable += _placeholders([item for item, kept in held if kept.id not in released], manifest, codes)
    row.warnings = json.dumps(list(checked.reading.warnings), ensure_ascii=False)
    rows = [_observation_row(row, item, codes[_who(item)]) for item in usable]
    as_of_night = [item for item in rows if manifest.is_as_of_night(item.metric)]
    said = _said_before(session, row, as_of_night)
    added = facts.append(session, [item for item in rows if _content(item) not in said.get(_of(item), ())])
    if row.reading_id != known_reading:
        facts.append(session, [facts.with_id(row)])
    waiting = [*refused, *unknown, *(kept for _, kept in held)]
    facts.append(session, waiting)
    _follow_up(session, manifest, base_id, {kept.id for kept in waiting}, row.captured_at)
    return Recorded(len(rows), added, len({kept.id for kept in waiting} - released), checked.reading.warnings)


_Who = tuple[str, str | None]
"""A unit as an observation names it: the source's own name and the identifier code, where the answer has it."""


def _who(item: Observation) -> _Who:
    return (item.unit, item.unit_code)


def _unit_codes(
    session: Session, registry: Registry, row: SnapshotRow, observations: Sequence[Observation]
) -> tuple[dict[_Who, str], dict[str, str], list[Quarantined]]:
    """Identifier codes for the source's own unit names: from the answer, the registry, then earlier answers.

    Also those of them that people wrote down (source_ids, crosswalk), and what waits. Nothing is matched by the look of
    a name; what has no code waits in quarantine, once per unit, as does a name that was written down for a unit of
    which the same answer gives the same figure under another name.
    """
    known = facts.crosswalk(session, row.connector, row.site)
    known |= {item.unit: item.unit_code for item in observations if item.unit_code}
    codes: dict[_Who, str] = {}
    written_down: dict[str, str] = {}
    said: dict[tuple[str, str, Period], set[str]] = {}
    waiting: dict[str, Quarantined] = {}
    for item in observations:
        registered = registry.by_source_id(row.connector, item.unit, row.site)
        own = item.unit_code and (todays_code(item.unit_code) or item.unit_code)
        code = own or (registered.code if registered else known.get(item.unit))
        if code is None:
            waiting.setdefault(item.unit, _no_code(item, unmatched_reason(item.unit, item.unit_name)))
            continue
        codes[_who(item)] = code
        said.setdefault((item.metric, code, item.period), set()).add(item.unit)
        if registered is not None and not own:
            written_down[item.unit] = code
    for item in observations:
        code = None if item.unit_code else written_down.get(item.unit)
        if code is not None and (others := said[item.metric, code, item.period] - {item.unit}):
            reason = f"«{item.unit}» được xác nhận là {code}, nhưng cùng câu trả lời đã có {code} ({min(others)})"
            waiting.setdefault(item.unit, _no_code(item, reason))
    return (
        {who: code for who, code in codes.items() if who[1] or who[0] not in waiting},
        {unit: code for unit, code in written_down.items() if unit not in waiting},
        list(waiting.values()),
    )


def unmatched_reason(unit: str, name: str) -> str:
    """Why a figure waits whose unit the source names without a code that anybody knows."""
    return f"không biết mã định danh của «{name}» ({unit}); xem và xác nhận bằng dti units match"


def _no_code(item: Observation, reason: str) -> Quarantined:
    record = json.dumps({"unit": item.unit, "name": item.unit_name}, ensure_ascii=False, sort_keys=True)
    return Quarantined(item.locator, reason, record)


def _placeholders(held: Sequence[Held], manifest: Manifest, codes: dict[_Who, str]) -> list[Observation]:
    """For each metric, unit and period that is held back: that it is unavailable, and why. Never nothing, never 0."""
    found: dict[tuple[str, str, Period], Observation] = {}
    for item in held:
        figure = item.observation
        if figure.metric in manifest.metrics:
            found.setdefault(
                (figure.metric, codes[_who(figure)], figure.period),
                replace(
                    figure,
                    state=InputState.UNAVAILABLE,
                    value=None,
                    numerator=None,
                    denominator=None,
                    reason=f"số liệu đang cách ly: {item.reason}",
                ),
            )
    return list(found.values())


def _of(item: ObservationRow) -> tuple[str, str]:
    return (item.metric, item.unit)


def _content(item: ObservationRow) -> tuple[str | None, ...]:
    """What a figure as of a night says, but for the night."""
    return (item.value, item.numerator, item.denominator, item.state, item.flag, item.reason, item.locator)


def _said_before(
    session: Session, row: SnapshotRow, as_of_night: Sequence[ObservationRow]
) -> dict[tuple[str, str], set[tuple[str | None, ...]]]:
    """(metric, unit) -> what equal bytes said last, up to this night, of figures as of the night: each night's row
    dates it anew. Nothing where they say something else now, as days that pass do."""
    if not as_of_night:
        return {}
    statement = select(ObservationRow).where(
        ObservationRow.reading_id == row.reading_id, ObservationRow.period_start <= row.night
    )
    last: dict[tuple[str, str], tuple[str, set[tuple[str | None, ...]]]] = {}
    for item in session.exec(statement.order_by(ObservationRow.period_start)).all():
        start, contents = last.get(_of(item), ("", set()))
        last[_of(item)] = (
            item.period_start,
            contents | {_content(item)} if start == item.period_start else {_content(item)},
        )
    now: dict[tuple[str, str], set[tuple[str | None, ...]]] = {}
    for item in as_of_night:
        now.setdefault(_of(item), set()).add(_content(item))
    return {of: contents for of, contents in now.items() if of in last and last[of][1] == contents}


def _released(session: Session, quarantine_ids: Sequence[str]) -> set[str]:
    return {key for key, row in decisions(session, quarantine_ids).items() if row.decision == "released"}


def decisions(session: Session, quarantine_ids: Sequence[str]) -> dict[str, QuarantineDecisionRow]:
    """Quarantine id -> the decision that counts, for those that have one."""
    newest: dict[str, QuarantineDecisionRow] = {}
    for start in range(0, len(quarantine_ids), 500):
        chunk = quarantine_ids[start : start + 500]
        statement = select(QuarantineDecisionRow).where(col(QuarantineDecisionRow.quarantine_id).in_(chunk))
        for row in session.exec(statement.order_by(col(QuarantineDecisionRow.revision))).all():
            newest[row.quarantine_id] = row
    return newest


def decide(session: Session, quarantine_id: str, decision: str, decided_by: str, reason: str, recorded_at: str) -> None:
    """Append a decision on a record in quarantine as the one that counts from now on."""
    before = decisions(session, [quarantine_id]).get(quarantine_id)
    row = QuarantineDecisionRow(
        id="",
        revision=1 if before is None else before.revision + 1,
        quarantine_id=quarantine_id,
        decision=decision,
        decided_by=decided_by,
        reason=reason,
        recorded_at=recorded_at,
    )
    facts.append(session, [facts.with_id(row)])


def _follow_up(session: Session, manifest: Manifest, base_id: str, complained: set[str], recorded_at: str) -> None:
    """What the same bytes are read without by now is cleared; what comes back is open again."""
    known = session.exec(select(QuarantineRow.id).where(QuarantineRow.reading_id == base_id)).all()
    stand = {key: row.decision for key, row in decisions(session, list(known)).items()}
    reader = f"bộ đọc {manifest.name} {manifest.version}"
    for key in sorted(known):
        if key in complained and stand.get(key) == "cleared":
            decide(session, key, "reopened", reader, "đọc lại cùng các byte này lại vướng", recorded_at)
        elif key not in complained and stand.get(key, "reopened") == "reopened":
            decide(session, key, "cleared", reader, "đọc lại cùng các byte này không còn vướng", recorded_at)


def _observation_row(snapshot: SnapshotRow, item: Observation, unit: str) -> ObservationRow:
    return facts.with_id(
        ObservationRow(
            id="",
            reading_id=snapshot.reading_id or "",
            connector=snapshot.connector,
            site=snapshot.site,
            connector_version=snapshot.connector_version,
            metric=item.metric,
            unit=unit,
            source_unit=item.unit,
            unit_name=item.unit_name,
            period_start=item.period.start.isoformat(),
            period_end=item.period.end.isoformat(),
            value=None if item.value is None else f"{item.value:f}",
            numerator=None if item.numerator is None else f"{item.numerator:f}",
            denominator=None if item.denominator is None else f"{item.denominator:f}",
            state=item.state.value,
            flag=item.flag,
            reason=item.reason,
            locator=item.locator,
            recorded_at=snapshot.captured_at,
        )
    )


def _quarantine_row(
    snapshot: SnapshotRow, base_id: str, item: Quarantined, observation: str | None = None
) -> QuarantineRow:
    return facts.with_id(
        QuarantineRow(
            id="",
            reading_id=base_id,
            connector=snapshot.connector,
            site=snapshot.site,
            locator=item.locator,
            reason=item.reason,
            record=item.record,
            observation=observation,
            recorded_at=snapshot.captured_at,
        )
    )


def _held_row(
    snapshot: SnapshotRow, base_id: str, manifest: Manifest, held: Held, codes: dict[_Who, str]
) -> QuarantineRow:
    """A held figure whole. One «as of the night» leaves its day out: equal bytes say the same on every night."""
    item = held.observation
    whole = _observation_row(snapshot, item, codes[_who(item)]).model_dump(
        exclude={"id", "reading_id", "recorded_at"}
        | ({"period_start", "period_end"} if manifest.is_as_of_night(item.metric) else set())
    )
    text = json.dumps(whole, ensure_ascii=False, sort_keys=True)
    return _quarantine_row(snapshot, base_id, Quarantined(item.locator, held.reason, text), text)


def _failure_of(row: SnapshotRow) -> SourceFailure:
    return SourceFailure(
        FailureKind(row.failure_kind or FailureKind.NOT_FETCHED),
        row.failure_message or "",
        retryable=bool(row.is_retryable),
    )


def _kept_headers(snapshot: Snapshot | None) -> dict[str, str]:
    """Headers that say what the bytes are; others (dates, cookies, ray ids) differ from answer to answer."""
    if snapshot is None:
        return {}
    kept = ("content-type", "content-encoding", "etag", "last-modified")
    return {name: snapshot.header(name) for name in kept if snapshot.header(name)}
