"""Asking many sites in one night: the fetcher that fits each, hosts side by side, and no answer carried twice.

Here: which fetcher a site gets (`open_fetcher`), conditional requests (`Revalidating`), lanes and their turns
(`harvest_sites`). Not here: sockets (`http.py`, `probe.py`), files (`folder.py`), what one site's night is
(`runner.py`).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Engine, bindparam, select
from sqlmodel import col

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.folder import FolderFetcher
from dti_pipeline.harvest.http import Fetcher, Hold, Starts, host_of
from dti_pipeline.harvest.model import FailureKind, Politeness, Request, Site, Snapshot, SourceFailure
from dti_pipeline.harvest.runner import Fetches, SiteReport
from dti_pipeline.harvest.sites import is_folder
from dti_pipeline.store.snapshots import SnapshotDamaged, SnapshotStore
from dti_pipeline.store.tables import SnapshotRow

REQUESTS_AT_ONCE = 8
"""To different hosts; `DTI_REQUESTS_AT_ONCE` says otherwise."""

LANES_PER_REQUEST = 8
"""Hosts whose turn has come for each request that may be under way: most of them are in their pause at any time."""

Sleep = Callable[[float], None]
Opener = Callable[[Site, Sleep], AbstractContextManager[Fetches]]
HarvestOne = Callable[[Site, Fetches], SiteReport]


def open_fetcher(
    site: Site,
    politeness: Politeness,
    *,
    sleep: Sleep,
    monotonic: Callable[[], float],
    jitter: Callable[[], float],
    starts: Starts | None = None,
    hold: Hold | None = None,
    environ: Mapping[str, str] = os.environ,
) -> AbstractContextManager[Fetches]:
    """The fetcher that a site's base address asks for: a folder's, or the network's, which serves the probes as well.

    Parameters as those of `Fetcher`. Raises ValueError where the site breaks the rules.
    """
    if is_folder(site.base_url):
        return FolderFetcher(site, politeness, monotonic=monotonic)
    return Fetcher(
        site, politeness, sleep=sleep, monotonic=monotonic, jitter=jitter, starts=starts, hold=hold, environ=environ
    )


class Unaskable:
    """Stands for the fetcher of a site whose address, login or options break the fetcher's rules."""

    def __init__(self, why: str) -> None:
        self._why = why

    def fetch(self, _request: Request) -> Snapshot:
        """Raises SourceFailure: MISCONFIGURED."""
        raise SourceFailure(FailureKind.MISCONFIGURED, self._why)


def requests_at_once(environ: Mapping[str, str] = os.environ) -> int:
    """How many hosts may be asked at the same moment, from 1 to 64. Raises DataFileError."""
    text = environ.get("DTI_REQUESTS_AT_ONCE", "").strip() or str(REQUESTS_AT_ONCE)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 64):
        raise DataFileError("DTI_REQUESTS_AT_ONCE must be a whole number from 1 to 64")
    return int(text)


class Revalidating:
    """Asks the source whether an earlier night's answer still holds (RFC 9110, 13.1), where that answer can be checked.

    Where it does (304), the bytes kept then are tonight's answer, with their status and headers. Only a good answer
    with status 200, from the same base address and kept as it came, is asked about: of one from which something was
    removed we no longer have what the source would compare.
    """

    def __init__(self, engine: Engine, store: SnapshotStore, connector: str, site: Site, fetcher: Fetches) -> None:
        self._engine, self._store = engine, store
        self._connector, self._site, self._fetcher = connector, site, fetcher

    def fetch(self, request: Request) -> Snapshot:
        """The answer to the request as the connector made it. Raises what the fetcher raises."""
        kept = self._kept(request)
        if kept is None:
            return self._fetcher.fetch(request)
        asked = replace(request, headers={**request.headers, **kept.conditions})
        answer = self._fetcher.fetch(asked)
        if answer.status != 304:
            return replace(answer, request=request)
        try:
            body = self._store.get(kept.body_sha256)
        except SnapshotDamaged:
            # No figure may rest on bytes that are not what they were.
            return self._fetcher.fetch(request)
        return Snapshot(request, 200, kept.headers, body, answer.url)

    def _kept(self, request: Request) -> _Kept | None:
        """The newest good answer, if it can be asked about. Its bytes are not read yet: mostly they change."""
        if request.kind != "http" or request.method != "GET" or _has_conditions(request.headers):
            return None
        # Columns, not a row object: this is asked before every single request.
        with self._engine.connect() as connection:
            found = connection.execute(
                _NEWEST_GOOD,
                {"connector": self._connector, "site": self._site.name, "request": request.sha256},
            ).first()
        if found is None or found.body_sha256 is None or found.original_sha256 not in (None, found.body_sha256):
            return None
        # What another server once said of its bytes says nothing about the bytes of this one.
        if not found.url.startswith(self._site.base_url.rstrip("/") + "/"):
            return None
        headers: Mapping[str, str] = json.loads(found.headers)
        named = {"If-None-Match": headers.get("etag"), "If-Modified-Since": headers.get("last-modified")}
        conditions = {name: value for name, value in named.items() if value}
        return _Kept(headers, found.body_sha256, conditions) if conditions else None


class _Kept(NamedTuple):
    headers: Mapping[str, str]
    body_sha256: str
    conditions: Mapping[str, str]


_NEWEST_GOOD = (
    select(
        col(SnapshotRow.headers), col(SnapshotRow.body_sha256), col(SnapshotRow.original_sha256), col(SnapshotRow.url)
    )
    .where(
        col(SnapshotRow.connector) == bindparam("connector"),
        col(SnapshotRow.site) == bindparam("site"),
        col(SnapshotRow.request_sha256) == bindparam("request"),
        col(SnapshotRow.failure_kind).is_(None),
        col(SnapshotRow.status) == 200,
    )
    .order_by(col(SnapshotRow.night).desc(), col(SnapshotRow.captured_at).desc(), col(SnapshotRow.id))
    .limit(1)
)


def _has_conditions(headers: Mapping[str, str]) -> bool:
    return any(name.lower().startswith("if-") or name.lower() == "range" for name in headers)


# --- many sites ---


def harvest_sites(
    sites: Sequence[Site],
    open_one: Opener,
    harvest_one: HarvestOne,
    *,
    sleep: Sleep,
    at_once: int = REQUESTS_AT_ONCE,
    of_one_host: Callable[[Site], int] = lambda _site: 1,
) -> list[SiteReport]:
    """Harvest sites, hosts side by side; reports in the order of `sites`.

    Sites of one host share a lane and are asked one after the other, or as many lanes as all of them allow
    (`of_one_host`). At most `at_once` requests are under way at any
    time; a host in its pause takes none of them. Everything but the asking happens in one thread at a time, so that
    connectors and the database never see two. `open_one` is given the site and the function to pause with.

    Raises the first error in the order of the lanes, once all lanes have come to rest; after an error no lane sends
    another request.
    """
    of_host: dict[str, list[int]] = {}
    for position, site in enumerate(sites):
        of_host.setdefault(_lane_of(site), []).append(position)
    lanes: dict[tuple[str, int], list[int]] = {}
    for host, positions in of_host.items():
        side_by_side = min(of_one_host(sites[position]) for position in positions)
        for number, position in enumerate(positions):
            lanes.setdefault((host, number % side_by_side), []).append(position)
    turns = _Turns(at_once, sleep)
    reports: dict[int, SiteReport] = {}

    def drive(positions: Sequence[int]) -> None:
        with turns.working():
            for position in positions:
                site = sites[position]
                with open_one(site, turns.sleep) as fetcher:
                    reports[position] = harvest_one(site, _InTurn(fetcher, turns))

    if len(lanes) == 1:
        drive(next(iter(lanes.values())))
    elif lanes:
        with ThreadPoolExecutor(min(len(lanes), at_once * LANES_PER_REQUEST), thread_name_prefix="harvest") as pool:
            waiting = [pool.submit(drive, positions) for positions in lanes.values()]
            try:
                wait(waiting, return_when=FIRST_EXCEPTION)
            except BaseException:
                turns.stop()
                raise
        broken = [future.exception() for future in waiting]
        # A lane that was only told to stop has nothing to say.
        if first := next((error for error in broken if error and not isinstance(error, _Stopped)), None):
            raise first
    return [reports[position] for position in range(len(sites))]


def _lane_of(site: Site) -> str:
    """What is asked one thing at a time: a host under any port, or a folder."""
    return site.base_url if is_folder(site.base_url) else host_of(site.base_url)


class _Stopped(BaseException):
    """Another lane failed, or the night was interrupted. No lane may take it for an error of its own source."""


class _Turns:
    """Who may work (one thread), who may ask (`at_once` of them), and how many answers may wait to be worked on."""

    def __init__(self, at_once: int, sleep: Sleep) -> None:
        self._work = threading.Lock()
        self._requests = threading.Semaphore(at_once)
        # Memory stays flat however slow the work is, and nobody's question waits for somebody else's record.
        self._answers = threading.Semaphore(2 * at_once)
        self._sleep = sleep
        self._is_stopped = False

    def stop(self) -> None:
        self._is_stopped = True

    @contextmanager
    def working(self) -> Iterator[None]:
        with self._work:
            self._go_on()
            try:
                yield
            except BaseException:
                self.stop()
                raise

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let others work while this thread asks."""
        self._go_on()
        self._work.release()
        with self._answers:
            try:
                with self._requests:
                    self._go_on()
                    yield
            finally:
                self._work.acquire()

    def sleep(self, seconds: float) -> None:
        """Pause while asking: a pausing host lets others ask."""
        self._requests.release()
        self._answers.release()
        try:
            self._sleep(seconds)
        finally:
            self._answers.acquire()
            self._requests.acquire()
        self._go_on()

    def _go_on(self) -> None:
        if self._is_stopped:
            raise _Stopped


class _InTurn:
    """A fetcher that asks when its turn has come."""

    def __init__(self, fetcher: Fetches, turns: _Turns) -> None:
        self._fetcher, self._turns = fetcher, turns

    def fetch(self, request: Request) -> Snapshot:
        with self._turns.asking():
            return self._fetcher.fetch(request)
