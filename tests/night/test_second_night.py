"""A second night in which nothing changed: it looks at every source, and that is all that it writes down.

Over practice systems of every kind: one that can say «not changed» by tag and one by date, one asked by POST whose
bytes are equal, a counter on a page, systems connected as of the night beside figures of periods, a folder, statistics
of a year that runs, and a portal looked at from outside, of which days alone are counted anew.
Not here: conditional requests one by one (`tests/harvest/test_fetching.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from night_kit import NIGHT, NINH_THUAN, QUICK, at, clock_of, edit_yaml, install
from sqlmodel import Session, select

from dti_pipeline import night as steps
from dti_pipeline.harvest.fetching import open_fetcher
from dti_pipeline.harvest.http import Fetcher
from dti_pipeline.harvest.lanes import HostLanes
from dti_pipeline.harvest.model import Politeness, Request, Site, Snapshot
from dti_pipeline.harvest.runner import SiteReport
from dti_pipeline.night import CurrentFigures, Workspace, current_figures
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.sites import practice_secrets
from dti_pipeline.sandbox.twins import edoc_axis, load_twin
from dti_pipeline.scoring.periods import Period, month, year
from dti_pipeline.store import facts
from dti_pipeline.store.tables import InputRow, ObservationRow, SnapshotRow

NEXT = NIGHT + dt.timedelta(days=1)
BY_VALIDATOR = {"database_registry": "If-None-Match", "document_system": "If-Modified-Since"}
EQUAL_BYTES = ("dvcqg766", "portal_counter")
AXIS = "edoc_axis"
FOLDER, STATISTICS = "edxml-thu-muc", "truc-thong-ke"
PROBE = "portal_probe"
CONNECTORS = (*BY_VALIDATOR, *EQUAL_BYTES, AXIS, "xroad", PROBE)
PASSING_DAYS = {"portal_tls_days_left", "portal_column_age_days"}
"""What is another number every night: days to the night, or from it."""


@dataclass
class Nights:
    """Both nights of the installation and what went over the wire, night by night."""

    work: Workspace
    reports: dict[dt.date, dict[str, list[SiteReport]]] = field(default_factory=dict)
    asked: dict[dt.date, list[tuple[str, Request, int]]] = field(default_factory=dict)
    """(connector, request, status)"""
    rows: dict[dt.date, dict[str, int]] = field(default_factory=dict)
    bodies: dict[dt.date, dict[str, bytes]] = field(default_factory=dict)
    figures: dict[dt.date, CurrentFigures] = field(default_factory=dict)


def write_sites(work: Workspace, base_url: str, folder: Path) -> None:
    """One site of each kind, small."""
    for name, body in edoc_axis.folder_files().items():
        if name.startswith("2026-09/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)

    def change(data: dict[str, Any]) -> None:
        sites = {site["name"]: site for site in data["sites"]} | {
            site["name"]: site
            for name in ("database_registry", "document_system", "portal_counter", "xroad", AXIS, PROBE)
            for site in load_twin(name).sites(f"{base_url}/{name}", folder)
        }
        sites["thuc-hanh"]["options"]["endpoints"] = ["transparency", "dvc-progress-tree"]
        sites["thuc-hanh-ket-noi"]["options"]["figures"] = ["systems"]
        sites["thuc-hanh-cong"]["options"]["pages"] = sites["thuc-hanh-cong"]["options"]["pages"][:2]
        wanted = ("thuc-hanh-danh-muc", "quan-ly-van-ban", "thuc-hanh", "thuc-hanh-cong", "thuc-hanh-ket-noi")
        edxml = {
            "name": FOLDER,
            "connector": AXIS,
            "base_url": folder.resolve().as_uri(),
            "province": "H00",
            "options": {"dialect": "edxml_folder"},
        }
        portal = next(site for site in sites.values() if site["options"].get("unit") == "H00.11")
        data["sites"] = [
            *(
                site | {"politeness": QUICK, "windows": ["last_closed_quarter"]}
                for site in (*(sites[name] for name in wanted), edxml, portal)
            ),
            sites[STATISTICS] | {"politeness": QUICK, "windows": ["year"]},
        ]

    edit_yaml(work.settings.sites_file, change)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    home = tmp_path_factory.mktemp("second")
    fetch = Fetcher.fetch
    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in practice_secrets().items():
            patch.setenv(name, value)
        work = install(home, sandbox.base_url, ["ninh-thuan-2021"])
        write_sites(work, sandbox.base_url, tmp_path_factory.mktemp("folder"))
        found = Nights(Workspace(work.settings))
        for night in (NIGHT, NEXT):
            asked: list[tuple[str, Request, int]] = []

            def noted(self: Fetcher, request: Request, into: list[tuple[str, Request, int]] = asked) -> Snapshot:
                answer = fetch(self, request)
                into.append((self._site.connector, request, answer.status))
                return answer

            patch.setattr(Fetcher, "fetch", noted)
            tonight = at(work, clock_of(night))
            opened = tonight.night(night, "test-run")
            steps.record_run(tonight, opened)
            found.reports[night] = {name: steps.harvest(tonight, name, opened) for name in CONNECTORS}
            found.asked[night] = asked
            found.figures[night] = current_figures(tonight, night)
            found.rows[night] = facts.count_rows(tonight.engine)
            found.bodies[night] = {
                path.name: path.read_bytes()
                for path in sorted((home / ".dti" / "snapshots").rglob("*"))
                if path.is_file()
            }
        steps.merge_inputs(tonight, NINH_THUAN, NEXT)
        yield found


def snapshots(nights: Nights, night: dt.date) -> list[SnapshotRow]:
    with Session(nights.work.engine) as session:
        rows = session.exec(select(SnapshotRow).where(SnapshotRow.night == night.isoformat())).all()
        session.expunge_all()
    return list(rows)


def test_every_source_was_good_on_both_nights(nights: Nights) -> None:
    for night in (NIGHT, NEXT):
        reports = [report for of_one in nights.reports[night].values() for report in of_one]
        assert [(report.site, report.failures) for report in reports if report.failures] == []
        assert {report.connector for report in reports} == set(CONNECTORS)
        assert len(reports) == len(nights.work.sites) == len(CONNECTORS) + 1
        assert min(report.observations for report in reports) > 0


def test_sources_that_can_say_not_changed_say_so(nights: Nights) -> None:
    for connector, condition in BY_VALIDATOR.items():
        first, second = (
            [
                (condition in request.headers, status)
                for name, request, status in nights.asked[night]
                if name == connector
            ]
            for night in (NIGHT, NEXT)
        )
        assert set(first) == {(False, 200)}
        assert second == [(True, 304)] * len(first)
    statuses = {name: {status for of, _, status in nights.asked[NEXT] if of == name} for name in EQUAL_BYTES}
    assert statuses == {"dvcqg766": {201}, "portal_counter": {200}}


def test_the_second_night_keeps_no_new_bytes(nights: Nights) -> None:
    assert len(nights.bodies[NIGHT]) > len(CONNECTORS)
    assert nights.bodies[NEXT] == nights.bodies[NIGHT]


def test_the_second_night_writes_only_that_it_looked(nights: Nights) -> None:
    before, after = nights.rows[NIGHT], nights.rows[NEXT]
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    new = {report.site: report.new_observations for of_one in nights.reports[NEXT].values() for report in of_one}
    (portal,) = nights.reports[NEXT][PROBE]
    assert {site: count for site, count in new.items() if count} == {portal.site: len(PASSING_DAYS)}
    from_folder = sum(row.site == FOLDER for row in snapshots(nights, NEXT))
    assert from_folder == 2, "its listing, and one month's files"
    asked = len(nights.asked[NEXT]) + from_folder
    assert grown == {"run": 1, "snapshot": asked, "observation": len(PASSING_DAYS)}


def test_only_days_that_pass_are_written_down_anew_and_each_night_has_its_own(nights: Nights) -> None:
    with Session(nights.work.engine) as session:
        stored = session.exec(select(ObservationRow).where(ObservationRow.connector == PROBE)).all()
        days: dict[str, dict[str, str | None]] = {}
        for row in stored:
            days.setdefault(row.metric, {})[row.period_start] = row.value
    assert {metric for metric, values in days.items() if len(values) == 2} == PASSING_DAYS
    first, second = NIGHT.isoformat(), NEXT.isoformat()
    for metric, by in (("portal_tls_days_left", -1), ("portal_column_age_days", 1)):
        assert int(str(days[metric][second])) - int(str(days[metric][first])) == by
    for night in (NIGHT, NEXT):
        told = {
            (row.metric, row.period_start): row.value
            for row, _ in nights.figures[night].observations
            if row.connector == PROBE
        }
        dates = [day for day in (first, second) if day <= night.isoformat()]
        assert told == {
            (metric, day): values.get(day, values[first]) for metric, values in days.items() for day in dates
        }


def test_a_year_that_runs_is_told_up_to_each_night(nights: Nights) -> None:
    def told(night: dt.date, metric: str) -> set[tuple[str, str]]:
        return {
            (row.period_start, row.period_end)
            for row, _ in nights.figures[night].observations
            if row.metric == metric and row.site == STATISTICS
        }

    closed = {(month(2026, number).start.isoformat(), month(2026, number).end.isoformat()) for number in range(1, 10)}
    for metric, start in (("edoc_stat_hub_total", "2026-01-01"), ("edoc_stat_sent", "2026-10-01")):
        whole = closed if metric == "edoc_stat_sent" else set()
        assert told(NIGHT, metric) == whole | {(start, "2026-10-15")}
        assert told(NEXT, metric) == whole | {(start, "2026-10-15"), (start, "2026-10-16")}


def test_every_source_was_looked_at_on_the_second_night(nights: Nights) -> None:
    def looked(night: dt.date) -> set[tuple[str, str, str]]:
        return {(r.connector, r.site, r.request_sha256) for r in snapshots(nights, night)}

    assert looked(NIGHT) == looked(NEXT)
    assert {connector for connector, _, _ in looked(NEXT)} == set(CONNECTORS)
    readings = {
        (r.connector, r.site, r.request_sha256): (r.reading_id, r.body_sha256) for r in snapshots(nights, NIGHT)
    }
    for row in snapshots(nights, NEXT):
        assert readings[row.connector, row.site, row.request_sha256] == (row.reading_id, row.body_sha256)


def test_figures_are_as_fresh_as_the_second_night(nights: Nights) -> None:
    figures = nights.figures[NEXT]
    seen = {(row.connector, snapshot.night) for row, snapshot in figures.observations}
    assert {connector for connector, night in seen if night == NEXT.isoformat()} == set(CONNECTORS)
    older = {(row.connector, row.period_end) for row, at in figures.observations if at.night == NIGHT.isoformat()}
    # Only what is about the first night itself.
    assert older == {(name, NIGHT.isoformat()) for name in ("portal_counter", "xroad", AXIS, PROBE)}
    assert figures.failures == ()
    assert {site for _, site in figures.answered} == {site.name for site in nights.work.sites}
    with Session(nights.work.engine) as session:
        rows = session.exec(select(InputRow).where(InputRow.night == NEXT.isoformat())).all()
        ages = {row.age_days for row in facts.live(list(rows)) if row.state == "harvested"}
    assert ages == {0}


def test_as_of_the_night_is_said_of_each_night_and_stored_once(nights: Nights) -> None:
    for metric in ("portal_visits_cumulative", "xroad_systems_connected"):
        of = [row for row, _ in nights.figures[NEXT].observations if row.metric == metric]
        assert {row.period_start for row in of} == {NIGHT.isoformat(), NEXT.isoformat()}
        with Session(nights.work.engine) as session:
            stored = session.exec(select(ObservationRow).where(ObservationRow.metric == metric)).all()
            assert len(stored) * 2 == len(of)


def test_the_first_night_knows_what_it_knew(nights: Nights) -> None:
    late = current_figures(at(nights.work, clock_of(NIGHT, days_later=9)), NIGHT)
    told = [(row.id, row.period_start, snapshot.id) for row, snapshot in late.observations]
    assert told == [(row.id, row.period_start, snapshot.id) for row, snapshot in nights.figures[NIGHT].observations]


# --- hosts and retention over several nights ---


SMALL = ("thuc-hanh-danh-muc", "thuc-hanh-cong", "thuc-hanh-ket-noi", "truc-thong-ke")


def small(
    home: Path, base_url: str, connectors: Collection[str], options: Mapping[str, Any], window: str = "year"
) -> Workspace:
    work = install(home, base_url, ["ninh-thuan-2021"])

    def change(data: dict[str, Any]) -> None:
        data["sites"] = [
            site | {"politeness": QUICK, "windows": [window], "options": {**site["options"], **options}}
            for name in connectors
            for site in load_twin(name).sites(f"{base_url}/{name}", home)
            if site["name"] in SMALL
        ]

    edit_yaml(work.settings.sites_file, change)
    return Workspace(work.settings)


class _TakenError(Exception):
    """Somebody else is in the lane."""


def refuse(_seconds: float) -> None:
    raise _TakenError


def test_a_host_is_spared_whichever_connector_asks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: dict[str, list[float]] = {}

    def unhurried(site: Site, politeness: Politeness, **given: Any) -> Any:
        pauses = slept.setdefault(site.connector, [])

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            lane = HostLanes(tmp_path / ".dti" / "lanes", monotonic=lambda: 0.0).held("127.0.0.1", refuse)
            with pytest.raises(_TakenError):
                lane.__enter__()

        return open_fetcher(site, politeness.model_copy(update={"min_interval_s": 1000}), **given | {"sleep": sleep})

    monkeypatch.setattr(steps, "open_fetcher", unhurried)
    for name, value in practice_secrets().items():
        monkeypatch.setenv(name, value)
    with Sandbox() as sandbox:
        work = small(tmp_path, sandbox.base_url, ["database_registry", "portal_counter"], {})
        opened = work.night(NIGHT, "test-run")
        for connector in ("database_registry", "portal_counter"):
            steps.harvest(work, connector, opened)
        # As another process would: nothing but the folder is the same.
        again = Workspace(work.settings)
        steps.harvest(again, "database_registry", again.night(NIGHT, "again"), again=True)
    assert slept["database_registry"] == [], "the first request of all; the next run had its answer already"
    assert len(slept["portal_counter"]) == 8
    assert all(900 < pause <= 1000 for pause in slept["portal_counter"])


def test_equal_bytes_that_are_dated_by_their_night_say_nothing_new_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The axis's total of the running year: the same number on both nights, up to each of them."""
    leaf = {"organDomain": "H00.01", "organName": "Sở (hư cấu)", "sent": 3, "received": 4, "total": 7}
    monkeypatch.setattr(edoc_axis, "statistics", lambda first, last: [leaf])
    monkeypatch.setattr(edoc_axis, "leaves_total", lambda first, last: 7)
    monkeypatch.setattr(edoc_axis, "folder_files", dict)
    with Sandbox() as sandbox:
        work = small(tmp_path, sandbox.base_url, ["edoc_axis"], {}, "last_closed_quarter")
        for night in (NIGHT, NEXT):
            tonight = at(work, clock_of(night))
            steps.harvest(tonight, "edoc_axis", tonight.night(night, "test-run"))
    told = {
        night: {
            row.period_end
            for row, _ in current_figures(at(work, clock_of(NEXT, days_later=5)), night).observations
            if row.metric == "edoc_stat_hub_total"
        }
        for night in (NIGHT, NEXT)
    }
    assert told == {NIGHT: {"2026-10-15"}, NEXT: {"2026-10-15", "2026-10-16"}}


def test_what_a_source_forgot_before_its_first_night_is_unavailable(tmp_path: Path) -> None:
    """A server's log of seven days, first read on 15 October: the year is lost, the days from the 10th on are not."""
    log = {"figures": ["exchanges"], "server": "VN/GOV/H00.11/ss1"}
    with Sandbox() as sandbox:
        work = small(tmp_path, sandbox.base_url, ["xroad"], log)
        steps.harvest(work, "xroad", work.night(NIGHT, "test-run"))
        figures = current_figures(work, NIGHT)
        forgotten = partial(steps._why_forgotten, work, figures, "xroad_exchanges_made")
        reason = forgotten("H00.01", year(2026))
        assert reason == (
            "xroad/thuc-hanh-ket-noi: nguồn chỉ giữ số liệu 7 ngày và được thu lần đầu đêm 2026-10-15; các ngày trước "
            "2026-10-10 không còn lấy được"
        )
        first = dt.date(2026, 10, 10)
        assert forgotten("H00.01", Period(first - dt.timedelta(days=1), NIGHT)) == reason
        assert forgotten("H00.01", Period(first, NIGHT)) is None
        assert forgotten("H44.01", year(2026)) is None, "another province's source"
        assert steps._why_forgotten(work, figures, "xroad_systems_connected", "H00.01", year(2026)) is None
        # A later night changes nothing: what counts is when it was first read.
        later = at(work, clock_of(NEXT))
        steps.harvest(later, "xroad", later.night(NEXT, "test-run"))
        assert (
            steps._why_forgotten(later, current_figures(later, NEXT), "xroad_exchanges_made", "H00.01", year(2026))
            == reason
        )
