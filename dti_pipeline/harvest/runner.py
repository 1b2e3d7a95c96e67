"""One site on one night: drive the connector's plan, keep every answer, read it, and record both together.

Here: what is fetched, what is reused, what a failure does to the rest of the plan. Not here: sockets (`http.py`),
bytes -> figures (the connectors) and what becomes of figures afterwards.

Each answer is recorded with its observations in one transaction, so a night that is killed goes on where it was. A
request that succeeded tonight is not sent again; a night that is closed sends nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlalchemy import Engine
from sqlmodel import Session

from dti_pipeline.harvest.model import (
    Connector,
    FailureKind,
    Manifest,
    Observation,
    Quarantined,
    Reading,
    Redacted,
    Redacts,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.scoring.periods import Period, window_on
from dti_pipeline.store import facts
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import ObservationRow, QuarantineRow, SnapshotRow, SourceRow
from dti_pipeline.units.registry import Registry

FAILURES_IN_A_ROW = 3
"""After this many answers of 5xx or broken connections in a row the site is left alone (manners of the contract)."""

OVERLOADED = frozenset({FailureKind.HTTP_STATUS, FailureKind.CONNECTION, FailureKind.TOO_SLOW})

REFUSALS = frozenset({FailureKind.BLOCKED, FailureKind.REDIRECTED, FailureKind.AUTH_FAILED})


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
    """Harvest every window of a site. Failures are part of the report and of the record, never an exception.

    `again` asks once more even where tonight's failure said that asking again cannot help. Raises ValueError for a
    site whose options the connector refuses: that is the operator's file, not the source.
    """
    run = _SiteRun(engine, store, registry, connector, manifest, site, night, fetcher, again)
    run.record_source()
    for window in site.windows:
        if run.is_stopped:
            break
        run.drive(window_on(window, night.date))
    if run.is_stopped:
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

    def drive(self, period: Period) -> None:
        plan = self.connector.plan(self.site, period)
        answer: Snapshot | None = None
        while not self.is_stopped:
            try:
                request = plan.send(answer)
            except StopIteration:
                return
            answer = self._answer(request)

    def _answer(self, request: Request) -> Snapshot | None:
        """The good snapshot of a request, fetched or from tonight's record; None where there is none."""
        with Session(self.engine) as session:
            row = facts.captured(session, self.manifest.name, self.site.name, self.night.date, request)
        if row is not None and row.failure_kind is None and row.body_sha256 is not None:
            self.report.reused += 1
            self.report.warnings += json.loads(row.warnings)
            body = self.store.get(row.body_sha256)
            return Snapshot(request, row.status or 0, json.loads(row.headers), body, row.url, self.night.date)
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

    def _fetch(self, request: Request) -> Snapshot | None:
        self.report.fetched += 1
        redacted: Redacted | None = None
        try:
            snapshot = replace(self.fetcher.fetch(request), night=self.night.date)
            original_sha256 = snapshot.sha256
            if isinstance(self.connector, Redacts):
                # Before anything is kept: what may not be stored never reaches the store, the log or `read`.
                redacted = self.connector.redact(snapshot)
                snapshot = replace(snapshot, body=redacted.body)
        except SourceFailure as failure:
            self._record(request, None, Reading(), failure)
            self._failed(request, failure)
            return None
        kept = None if redacted is None else (original_sha256, redacted.removed)
        try:
            reading = self.connector.read(snapshot)
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
        recorded_at = facts.utc_text(self.night.now())
        body_sha256 = self.store.put(snapshot.body) if snapshot is not None else None
        reading_id = (
            None
            if failure is not None
            else facts.content_id(
                "reading",
                {
                    "connector": self.manifest.name,
                    "site": self.site.name,
                    "version": self.manifest.version,
                    "request": request.sha256,
                    "body": body_sha256,
                },
            )
        )
        row = SnapshotRow(
            id="",
            connector=self.manifest.name,
            site=self.site.name,
            night=self.night.date.isoformat(),
            request=request.canonical(),
            request_sha256=request.sha256,
            reading_id=reading_id,
            url=snapshot.url if snapshot else self.site.base_url.rstrip("/") + request.path,
            status=snapshot.status if snapshot else None,
            headers=json.dumps(_kept_headers(snapshot), sort_keys=True),
            body_sha256=body_sha256,
            body_bytes=len(snapshot.body) if snapshot else None,
            original_sha256=redacted[0] if redacted else None,
            removed=json.dumps(list(redacted[1]) if redacted else [], ensure_ascii=False),
            failure_kind=failure.kind.value if failure else None,
            failure_message=failure.message if failure else None,
            is_retryable=failure.retryable if failure else None,
            warnings=json.dumps(list(reading.warnings), ensure_ascii=False),
            connector_version=self.manifest.version,
            captured_at=recorded_at,
            dagster_run=self.night.dagster_run,
        )
        with Session(self.engine) as session, session.begin():
            known = facts.crosswalk(session, self.manifest.name)
            observations, unmatched = self._resolve(reading, known)
            facts.append(session, [facts.with_id(row)])
            if reading_id is not None:
                rows = [self._observation(reading_id, item, unit, recorded_at) for item, unit in observations]
                quarantine = [
                    self._quarantine(reading_id, item, recorded_at) for item in (*reading.quarantined, *unmatched)
                ]
                self.report.observations += len(rows)
                self.report.quarantined += len(quarantine)
                self.report.new_observations += facts.append(session, rows)
                facts.append(session, quarantine)
        self.report.warnings += reading.warnings

    def _resolve(
        self, reading: Reading, known: dict[str, str]
    ) -> tuple[list[tuple[Observation, str]], list[Quarantined]]:
        """Identifier codes for the source's own unit names: from the answer, the registry, then earlier answers.

        Nothing is matched by the look of a name; what has no code waits in quarantine, once per unit.
        """
        known = known | {item.unit: item.unit_code for item in reading.observations if item.unit_code}
        resolved: list[tuple[Observation, str]] = []
        unmatched: dict[str, Quarantined] = {}
        for item in reading.observations:
            registered = self.registry.by_source_id(self.manifest.name, item.unit)
            code = item.unit_code or (registered.code if registered else known.get(item.unit))
            if code is None:
                unmatched.setdefault(
                    item.unit,
                    Quarantined(
                        item.locator,
                        f"không biết mã định danh của «{item.unit_name}» ({item.unit}); "
                        "bổ sung source_ids trong tệp đơn vị",
                        json.dumps({"unit": item.unit, "name": item.unit_name}, ensure_ascii=False, sort_keys=True),
                    ),
                )
            else:
                resolved.append((item, code))
        return resolved, list(unmatched.values())

    def _observation(self, reading_id: str, item: Observation, unit: str, recorded_at: str) -> ObservationRow:
        return facts.with_id(
            ObservationRow(
                id="",
                reading_id=reading_id,
                connector=self.manifest.name,
                site=self.site.name,
                connector_version=self.manifest.version,
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
                recorded_at=recorded_at,
            )
        )

    def _quarantine(self, reading_id: str, item: Quarantined, recorded_at: str) -> QuarantineRow:
        return facts.with_id(
            QuarantineRow(
                id="",
                reading_id=reading_id,
                connector=self.manifest.name,
                site=self.site.name,
                locator=item.locator,
                reason=item.reason,
                record=item.record,
                recorded_at=recorded_at,
            )
        )


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
