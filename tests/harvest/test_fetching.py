"""Many sites at once, and answers asked about instead of carried again: over real sockets and a real database."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from harvest_kit import NIGHT, Clock, Practice, Stored, polite
from pytest_httpserver import HTTPServer
from werkzeug import Request as Asked
from werkzeug import Response

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.fetching import Revalidating, harvest_sites, open_fetcher, requests_at_once
from dti_pipeline.harvest.folder import FolderFetcher
from dti_pipeline.harvest.http import Fetcher, host_of
from dti_pipeline.harvest.model import (
    FailureKind,
    Politeness,
    Redacted,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.harvest.runner import Fetches, SiteReport

ASK = Request("GET", "/figures", params={"year": "2026"})
NEXT = NIGHT + dt.timedelta(days=1)


def site_at(url: str, name: str = "thuc-hanh", **changes: Any) -> Site:
    return Site(name=name, connector="practice", base_url=url, province="H00", **changes)


def opened(
    site: Site,
    sleep: Callable[[float], None] | None = None,
    politeness: Politeness | None = None,
    clock: Clock | None = None,
    starts: dict[str, float] | None = None,
) -> AbstractContextManager[Fetches]:
    clock = clock or Clock()
    return open_fetcher(
        site,
        politeness or polite(),
        sleep=sleep or clock.sleep,
        monotonic=clock.monotonic,
        jitter=lambda: 0.0,
        starts=starts,
        environ={"DTI_SITE_TOKEN": "t0ken-of-the-site"},
    )


# --- one call for every kind of site ---


def test_the_base_address_chooses_the_fetcher(tmp_path: Path) -> None:
    assert isinstance(opened(site_at(f"file://{tmp_path}")), FolderFetcher)
    assert isinstance(opened(site_at("https://portal.example")), Fetcher)


@pytest.mark.parametrize(("text", "number"), [(None, 8), ("", 8), ("1", 1), ("64", 64), (" 12 ", 12)])
def test_the_setting_has_a_default(text: str | None, number: int) -> None:
    assert requests_at_once({} if text is None else {"DTI_REQUESTS_AT_ONCE": text}) == number


@pytest.mark.parametrize("text", ["0", "65", "-1", "many", "1.5", "８"])
def test_a_setting_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(DataFileError, match="DTI_REQUESTS_AT_ONCE"):
        requests_at_once({"DTI_REQUESTS_AT_ONCE": text})


# --- asked about instead of carried again ---


class Source:
    """Answers with a body and its validators, and with 304 to whoever has it already."""

    def __init__(self, server: HTTPServer, *, etag: str = '"1"', modified: str = "") -> None:
        self.body, self.etag, self.modified = "7", etag, modified
        self.asked: list[dict[str, str]] = []
        server.expect_request("/base/figures").respond_with_handler(self._answer)
        self.url = server.url_for("/base")

    def _answer(self, asked: Asked) -> Response:
        self.asked.append(dict(asked.headers))
        headers = {"ETag": self.etag, "Last-Modified": self.modified}
        headers = {name: value for name, value in headers.items() if value}
        has_it = (self.etag and asked.headers.get("If-None-Match") == self.etag) or (
            not self.etag and self.modified and asked.headers.get("If-Modified-Since") == self.modified
        )
        return Response(status=304, headers=headers) if has_it else Response(self.body, headers=headers)

    def conditions(self) -> list[tuple[str | None, str | None]]:
        return [(headers.get("If-None-Match"), headers.get("If-Modified-Since")) for headers in self.asked]


def harvest(
    stored: Stored, site: Site, night: dt.date, connector: Practice | None = None, *, again: bool = False
) -> SiteReport:
    connector = connector or Practice(ASK)
    with opened(site) as fetcher:
        asking = Revalidating(stored.engine, stored.store, "practice", site, fetcher)
        return stored.harvest(connector, site, asking, night=night, again=again)


@pytest.mark.parametrize(
    ("etag", "modified", "condition"),
    [
        ('"1"', "", ('"1"', None)),
        ('W/"1"', "", ('W/"1"', None)),
        ("", "Thu, 15 Oct 2026 00:00:00 GMT", (None, "Thu, 15 Oct 2026 00:00:00 GMT")),
        ('"1"', "Thu, 15 Oct 2026 00:00:00 GMT", ('"1"', "Thu, 15 Oct 2026 00:00:00 GMT")),
    ],
)
def test_an_answer_that_still_holds_is_tonights_answer(
    httpserver: HTTPServer, tmp_path: Path, etag: str, modified: str, condition: tuple[str | None, str | None]
) -> None:
    source, stored = Source(httpserver, etag=etag, modified=modified), Stored(tmp_path)
    first = harvest(stored, site_at(source.url), NIGHT)
    connector = Practice(ASK)
    second = harvest(stored, site_at(source.url), NEXT, connector)
    assert source.conditions() == [(None, None), condition]
    assert (first.new_observations, second.observations, second.new_observations) == (1, 1, 0)
    one, two = stored.snapshots()
    assert (one.night, two.night) == ("2026-10-15", "2026-10-16")
    same = ("request", "request_sha256", "reading_id", "status", "headers", "body_sha256", "body_bytes", "url")
    assert [getattr(one, name) for name in same] == [getattr(two, name) for name in same]
    assert two.status == 200
    # The connector sees the request that it made and the bytes that hold.
    (given,) = connector.given
    assert given is not None
    assert (given.request, given.body, given.night) == (ASK, b"7", NEXT)


def test_an_answer_that_changed_is_taken_whole_under_the_same_request(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    harvest(stored, site_at(source.url), NIGHT)
    source.body, source.etag = "8", '"2"'
    connector = Practice(ASK)
    report = harvest(stored, site_at(source.url), NEXT, connector)
    assert (report.new_observations, source.conditions()[1]) == (1, ('"1"', None))
    one, two = stored.snapshots()
    assert one.request == two.request == ASK.canonical()
    assert one.body_sha256 != two.body_sha256
    assert connector.given[0] is not None
    assert connector.given[0].request == ASK
    # The night after that asks about the newer one.
    harvest(stored, site_at(source.url), NEXT + dt.timedelta(days=1))
    assert source.conditions()[2] == ('"2"', None)


def test_an_answer_without_a_validator_is_asked_for_in_full(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver, etag=""), Stored(tmp_path)
    for night in (NIGHT, NEXT):
        harvest(stored, site_at(source.url), night)
    assert source.conditions() == [(None, None)] * 2


def test_only_a_get_of_the_same_question_is_asked_about(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    site = site_at(source.url)
    others = (
        Request("GET", "/figures", params={"year": "2025"}),
        Request("POST", "/figures", json={"year": 2026}),
    )
    harvest(stored, site, NIGHT, Practice(ASK, others[1]))
    harvest(stored, site, NEXT, Practice(*others))
    harvest(stored, site.model_copy(update={"name": "khac"}), NEXT, Practice(ASK))
    assert source.conditions() == [(None, None)] * 5


def test_conditions_of_the_connectors_own_are_left_to_it(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    own = Request("GET", "/figures", headers={"if-none-match": '"0"'})
    for night in (NIGHT, NEXT):
        harvest(stored, site_at(source.url), night, Practice(own))
    assert [none_match for none_match, _ in source.conditions()] == ['"0"', '"0"']


def test_a_site_that_moved_is_asked_for_everything_anew(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    harvest(stored, site_at(source.url), NIGHT)
    httpserver.expect_request("/base2/figures").respond_with_handler(source._answer)
    harvest(stored, site_at(httpserver.url_for("/base2")), NEXT)
    assert source.conditions() == [(None, None)] * 2


def test_a_failed_answer_is_not_asked_about_but_a_good_one_before_it_is(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver, etag='"bad"'), Stored(tmp_path)
    connector = Picky(ASK)
    source.body = "-1"
    assert harvest(stored, site_at(source.url), NIGHT, connector).failures
    source.body, source.etag = "7", '"good"'
    harvest(stored, site_at(source.url), NEXT, connector)
    source.body, source.etag = "-1", '"bad"'
    harvest(stored, site_at(source.url), NEXT + dt.timedelta(days=1), connector)
    harvest(stored, site_at(source.url), NEXT + dt.timedelta(days=2), connector)
    assert [none_match for none_match, _ in source.conditions()] == [None, None, '"good"', '"good"']


class Picky(Practice):
    def read(self, snapshot: Snapshot) -> Any:
        if snapshot.body == b"-1":
            raise SourceFailure(FailureKind.WRONG_SHAPE, "âm")
        return super().read(snapshot)


def test_an_answer_that_was_redacted_is_asked_for_in_full(httpserver: HTTPServer, tmp_path: Path) -> None:
    class Discreet(Practice):
        def redact(self, snapshot: Snapshot) -> Redacted:
            return Redacted(snapshot.body.replace(b"99", b""), ("name",))

    source, stored = Source(httpserver), Stored(tmp_path)
    source.body = "799"
    for night in (NIGHT, NEXT):
        assert harvest(stored, site_at(source.url), night, Discreet(ASK)).observations == 1
    assert source.conditions() == [(None, None)] * 2
    assert len({row.original_sha256 for row in stored.snapshots()}) == 1


def test_an_answer_that_needed_no_redaction_is_asked_about(httpserver: HTTPServer, tmp_path: Path) -> None:
    class Discreet(Practice):
        def redact(self, snapshot: Snapshot) -> Redacted:
            return Redacted(snapshot.body, ())

    source, stored = Source(httpserver), Stored(tmp_path)
    for night in (NIGHT, NEXT):
        assert harvest(stored, site_at(source.url), night, Discreet(ASK)).observations == 1
    assert source.conditions() == [(None, None), ('"1"', None)]


@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_kept_bytes_that_are_damaged_are_asked_for_in_full(httpserver: HTTPServer, tmp_path: Path, damage: str) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    harvest(stored, site_at(source.url), NIGHT)
    path = Path(stored.store.path(stored.snapshots()[0].body_sha256 or ""))
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"9")
    connector = Practice(ASK)
    harvest(stored, site_at(source.url), NEXT, connector)
    assert source.conditions() == [(None, None), ('"1"', None), (None, None)]
    assert connector.given[0] is not None
    assert connector.given[0].body == b"7"


def test_a_login_goes_with_a_conditional_request_too(httpserver: HTTPServer, tmp_path: Path) -> None:
    source, stored = Source(httpserver), Stored(tmp_path)
    site = Site.model_validate(
        site_at(source.url).model_dump() | {"auth": {"kind": "bearer", "token": "DTI_SITE_TOKEN"}}
    )
    for night in (NIGHT, NEXT):
        harvest(stored, site, night)
    assert [headers.get("Authorization") for headers in source.asked] == ["Bearer t0ken-of-the-site"] * 2
    assert source.conditions()[1] == ('"1"', None)


# --- hosts side by side ---


@dataclass
class Hosts:
    """One server under many addresses of this machine. It answers a host only while `needed` hosts are being asked,
    and notes how many were asked at most: all together, and of one host."""

    needed: int = 1
    lingers: bool = False
    """Whether it gives one more host than `needed` the time to ask as well, where nothing keeps it from asking."""
    under_way: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    most: int = 0
    most_of_one: int = 0
    order: list[str] = field(default_factory=list)
    lock: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def answer(self, host: str, path: str) -> bytes:
        with self.lock:
            self.under_way[host] += 1
            self.order.append(f"{host}{path}")
            self.most = max(self.most, sum(self.under_way.values()))
            self.most_of_one = max(self.most_of_one, self.under_way[host])
            self.lock.notify_all()
            assert self.lock.wait_for(lambda: self.most >= self.needed, timeout=5), "never that many at once"
            if self.lingers:
                self.lock.wait_for(lambda: self.most > self.needed, timeout=0.02)
            self.under_way[host] -= 1
        return host.rpartition(".")[2].encode()

    def sites(self, hosts: Sequence[int], each: int = 1) -> list[Site]:
        """Interleaved: the first site of every host, then the second of every host."""
        return [
            site_at(f"http://127.0.0.{host}:{self.port}", f"site-{number}-{host}")
            for number in range(each)
            for host in hosts
        ]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    known = Hosts()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = known.answer(self.connection.getsockname()[0], self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_given: Any) -> None: ...

    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)  # noqa: S104 - all of 127.0.0.0/8
    known.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def harvest_all(
    sites: Sequence[Site],
    stored: Stored,
    *requests: Request,
    at_once: int = 8,
    sleep: Callable[[float], None] = lambda _seconds: None,
    politeness: Politeness | None = None,
    clock: Clock | None = None,
    starts: dict[str, float] | None = None,
) -> list[SiteReport]:
    starts = {} if starts is None else starts
    return harvest_sites(
        sites,
        lambda site, pause: opened(site, pause, politeness, clock, starts),
        lambda site, fetcher: stored.harvest(Practice(*requests), site, fetcher),
        sleep=sleep,
        at_once=at_once,
    )


QUESTIONS = [Request("GET", f"/{number}") for number in range(3)]


def test_hosts_are_asked_side_by_side_and_each_one_thing_at_a_time(hosts: Hosts, tmp_path: Path) -> None:
    hosts.needed = 4
    sites = hosts.sites(range(1, 5), each=2)
    reports = harvest_all(sites, Stored(tmp_path), *QUESTIONS)
    assert [report.site for report in reports] == [site.name for site in sites]
    assert [(report.fetched, report.observations, report.failures) for report in reports] == [(3, 3, [])] * 8
    assert (hosts.most, hosts.most_of_one) == (4, 1)
    for host in range(1, 5):
        # The sites of one host one after the other, each in its own order.
        assert [path for path in hosts.order if path.startswith(f"127.0.0.{host}/")] == [
            f"127.0.0.{host}/{number}" for number in (0, 1, 2, 0, 1, 2)
        ]


@pytest.mark.parametrize(("allowed", "most"), [((1, 1, 1, 1), 1), ((2, 2, 2, 2), 2), ((2, 2, 1, 2), 1)])
def test_a_host_is_asked_side_by_side_only_as_far_as_all_its_sites_allow(
    hosts: Hosts, tmp_path: Path, allowed: tuple[int, ...], most: int
) -> None:
    hosts.needed, hosts.lingers = most, True
    stored, starts = Stored(tmp_path), dict[str, float]()
    sites = [site_at(f"http://127.0.0.1:{hosts.port}", f"s{number}") for number in range(4)]
    reports = harvest_sites(
        sites,
        lambda site, pause: open_fetcher(
            site,
            polite(),
            sleep=pause,
            monotonic=time.monotonic,
            jitter=lambda: 0.0,
            starts=starts,
        ),
        lambda site, fetcher: stored.harvest(Practice(*QUESTIONS), site, fetcher),
        sleep=time.sleep,
        of_one_host=lambda site: allowed[int(site.name[1:])],
    )
    assert [report.failures for report in reports] == [[]] * 4
    assert (hosts.most_of_one, len(hosts.order)) == (most, 12)


def test_no_more_requests_are_under_way_than_the_setting_allows(hosts: Hosts, tmp_path: Path) -> None:
    hosts.needed, hosts.lingers = 2, True
    harvest_all(hosts.sites(range(1, 13)), Stored(tmp_path), *QUESTIONS, at_once=2)
    assert (hosts.most, len(hosts.order)) == (2, 36)


def test_one_host_in_two_spellings_and_under_two_ports_is_one_lane(hosts: Hosts, tmp_path: Path) -> None:
    other = site_at(f"http://127.0.0.1:{hosts.port}", "b")
    twice = [site_at(f"http://localhost:{hosts.port}", "a"), site_at(f"http://LOCALHOST.:{hosts.port}/x", "c"), other]
    with pytest.raises(ValueError, match="must be https"):
        harvest_all(twice, Stored(tmp_path / "1"), ASK)
    twice[1] = site_at(f"http://LOCALHOST:{hosts.port}/x", "c")
    hosts.lingers = True
    hosts.needed = 2  # 127.0.0.1 as a name of its own is another lane; a lane of three would never be two at once
    assert len(harvest_all(twice, Stored(tmp_path / "2"), ASK)) == 3
    assert hosts.most == 2


def test_a_host_has_one_name_whatever_its_port_path_and_spelling() -> None:
    assert {host_of(url) for url in ("https://Portal.example", "https://portal.example.:8443/x")} == {"portal.example"}


def test_a_host_in_its_pause_lets_others_ask(hosts: Hosts, tmp_path: Path) -> None:
    """One request at a time in all, and both hosts were asked just now: neither pause ends before both have begun."""
    clock = Clock()
    both_pause = threading.Barrier(2)

    def sleep(_seconds: float) -> None:
        both_pause.wait(timeout=5)

    harvest_all(
        hosts.sites([1, 2]), Stored(tmp_path), ASK, at_once=1, sleep=sleep, politeness=polite(min_interval_s=1),
        clock=clock, starts={"127.0.0.1": clock.now, "127.0.0.2": clock.now},
    )  # fmt: skip
    assert (hosts.most, len(hosts.order)) == (1, 2)


def test_the_record_is_the_same_however_many_are_asked_at_once(hosts: Hosts, tmp_path: Path) -> None:
    from dti_pipeline.store import facts

    dumps = []
    for at_once in (1, 3, 8):
        stored = Stored(tmp_path / str(at_once))
        harvest_all(hosts.sites(range(1, 9), each=2), stored, *QUESTIONS, at_once=at_once)
        dumps.append(facts.canonical_dump(stored.engine))
    assert dumps[0] == dumps[1] == dumps[2]
    assert len(dumps[0].splitlines()) == 16 * (1 + 3 + 3)  # sites, snapshots, figures


def test_work_is_done_by_one_thread_at_a_time(hosts: Hosts, tmp_path: Path) -> None:
    """The connector, the database and the report: none sees two threads, though requests are under way meanwhile."""
    inside = threading.Lock()
    stored = Stored(tmp_path)

    class Watched(Practice):
        def read(self, snapshot: Snapshot) -> Any:
            assert inside.acquire(blocking=False), "two threads at work"
            try:
                with sqlite3.connect(tmp_path / "dti.db", timeout=0) as other:
                    other.execute("BEGIN IMMEDIATE")  # fails at once where another thread is writing
                    other.rollback()
                return super().read(snapshot)
            finally:
                inside.release()

    hosts.needed = 3
    reports = harvest_sites(
        hosts.sites(range(1, 9)),
        lambda site, pause: opened(site, pause),
        lambda site, fetcher: stored.harvest(Watched(*QUESTIONS), site, fetcher),
        sleep=lambda _seconds: None,
    )
    assert [report.failures for report in reports] == [[]] * 8


def test_a_failing_source_leaves_the_others_alone(hosts: Hosts, tmp_path: Path) -> None:
    sites = hosts.sites([1, 2])
    sites.insert(1, site_at("http://127.0.0.3:9", "closed"))
    reports = harvest_all(sites, Stored(tmp_path), *QUESTIONS)
    assert [len(report.failures) for report in reports] == [0, 4, 0]
    assert reports[1].failures[0][1].kind is FailureKind.CONNECTION


class Interrupted(BaseException):
    """What Ctrl-C looks like."""


@pytest.mark.parametrize("error", [OSError, Interrupted])
def test_an_error_ends_every_lane_and_is_told(hosts: Hosts, tmp_path: Path, error: type[BaseException]) -> None:
    broke = threading.Event()
    stored = Stored(tmp_path)
    clock = Clock()

    def harvest_one(site: Site, fetcher: Fetches) -> SiteReport:
        if site.name == "site-0-4":
            broke.set()
            raise error("kho lưu đầy")
        return stored.harvest(Practice(*QUESTIONS), site, fetcher)

    def sleep(_seconds: float) -> None:
        assert broke.wait(timeout=5)

    with pytest.raises(error, match="kho lưu"):
        harvest_sites(
            hosts.sites(range(1, 5)),
            lambda site, pause: opened(site, pause, polite(min_interval_s=1), clock),
            harvest_one,
            sleep=sleep,
        )
    # Each lane had sent at most its first request; after the error nobody sends another.
    assert len(hosts.order) <= 3
    # What was recorded is whole: the same night goes on from there.
    hosts.order.clear()
    done = len(stored.snapshots())
    reports = harvest_all(hosts.sites(range(1, 5)), stored, *QUESTIONS)
    assert sum(report.reused for report in reports) == done
    assert len(hosts.order) == 12 - done


def test_an_interruption_of_the_waiting_thread_stops_the_lanes(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dti_pipeline.harvest import fetching

    paused = threading.Event()
    interrupted = threading.Event()

    def interrupt(*_given: Any, **_options: Any) -> None:
        assert paused.wait(timeout=5)
        interrupted.set()
        raise KeyboardInterrupt

    def sleep(_seconds: float) -> None:
        paused.set()
        assert interrupted.wait(timeout=5)

    monkeypatch.setattr(fetching, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        harvest_all(hosts.sites([1, 2]), Stored(tmp_path), *QUESTIONS, sleep=sleep, politeness=polite(min_interval_s=1))
    assert len(hosts.order) <= 4


def test_no_sites_is_no_work(tmp_path: Path) -> None:
    assert harvest_all([], Stored(tmp_path)) == []
