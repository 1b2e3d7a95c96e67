"""One lane per host whoever asks: connectors, commands, processes. Files and locks are real, time is not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from harvest_kit import Clock, Practice, Stored, polite
from pytest_httpserver import HTTPServer

from dti_pipeline.harvest.fetching import harvest_sites, open_fetcher
from dti_pipeline.harvest.lanes import POLL_S, HostLanes
from dti_pipeline.harvest.model import Request, Site
from dti_pipeline.harvest.runner import SiteReport


def lanes(folder: Path, clock: Clock) -> HostLanes:
    return HostLanes(folder, monotonic=clock.monotonic)


def harvest(
    url: str, name: str, stored: Stored, clock: Clock, lanes: HostLanes, requests: int, seconds: float = 1
) -> list[SiteReport]:
    """A connector's part of a night, as `night.harvest` runs it."""
    asked = [Request("GET", f"/{name}", params={"page": str(number)}) for number in range(requests)]
    return harvest_sites(
        [Site(name=name, connector="practice", base_url=url, province="H00")],
        lambda site, sleep: open_fetcher(
            site,
            polite(min_interval_s=seconds),
            sleep=sleep,
            monotonic=clock.monotonic,
            jitter=lambda: 0.0,
            starts=lanes,
            hold=lanes.held,
        ),
        lambda site, fetcher: stored.harvest(Practice(*asked), site, fetcher),
        sleep=clock.sleep,
    )


def test_two_connectors_on_one_host_are_spaced_like_one(httpserver: HTTPServer, tmp_path: Path) -> None:
    for path in ("/one", "/two"):
        httpserver.expect_request(path).respond_with_data("7")
    clock, stored = Clock(), Stored(tmp_path)
    # Each connector's step has its own object, perhaps in its own process; the folder is what they share.
    harvest(httpserver.url_for(""), "one", stored, clock, lanes(tmp_path / "lanes", clock), 2)
    assert clock.sleeps == [1.0]
    clock.now += 0.25
    harvest(httpserver.url_for(""), "two", stored, clock, lanes(tmp_path / "lanes", clock), 2, seconds=2)
    assert clock.sleeps == [1.0, 1.75, 2.0], "the second one keeps its own distance from what the first one asked"
    clock.sleeps.clear()
    harvest(httpserver.url_for(""), "three", stored, clock, lanes(tmp_path / "other", clock), 1)
    assert clock.sleeps == [], "who shares no folder knows nothing of it"


def test_a_host_is_asked_by_one_at_a_time(tmp_path: Path) -> None:
    clock = Clock()
    ours, theirs = lanes(tmp_path, clock), lanes(tmp_path, clock)
    under_way = theirs.held("portal.example", clock.sleep)
    under_way.__enter__()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:  # their answer has come
            theirs["portal.example"] = clock.now
            under_way.__exit__(None, None, None)

    with ours.held("other.example", sleep):
        assert waited == [], "another host is another lane"
    with ours.held("portal.example", sleep):
        assert waited == [POLL_S] * 3
        assert ours.get("portal.example") == clock.now


class _TakenError(Exception):
    """There is no place."""


def refuse(_seconds: float) -> None:
    raise _TakenError


def test_as_many_ask_a_host_side_by_side_as_is_allowed_and_never_beside_one_who_wants_to_be_alone(
    tmp_path: Path,
) -> None:
    clock = Clock()
    host = "portal.example"

    def enter(at_once: int) -> AbstractContextManager[None]:
        asking = lanes(tmp_path, clock).held(host, refuse, at_once)
        asking.__enter__()
        return asking

    first, second = enter(2), enter(2)
    for at_once in (2, 1):
        with pytest.raises(_TakenError):
            enter(at_once)
    first.__exit__(None, None, None)
    with pytest.raises(_TakenError):
        enter(1)
    third = enter(2)
    for asking in (second, third):
        asking.__exit__(None, None, None)
    alone = enter(1)
    with pytest.raises(_TakenError):
        enter(2)
    alone.__exit__(None, None, None)
    enter(2).__exit__(None, None, None)


def test_a_request_waits_until_the_lane_is_free(httpserver: HTTPServer, tmp_path: Path) -> None:
    class Releasing(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            assert httpserver.log == [], "nothing is sent while somebody else is asking"
            if len(self.sleeps) == 2:
                under_way.__exit__(None, None, None)

    httpserver.expect_request("/one").respond_with_data("7")
    clock = Releasing()
    under_way = lanes(tmp_path / "lanes", clock).held("localhost", clock.sleep)
    under_way.__enter__()
    (report,) = harvest(
        httpserver.url_for("").replace("127.0.0.1", "localhost"),
        "one",
        Stored(tmp_path),
        clock,
        lanes(tmp_path / "lanes", clock),
        1,
    )
    assert (report.failures, clock.sleeps) == ([], [POLL_S, POLL_S])


def test_a_lane_is_free_again_after_a_failure(tmp_path: Path) -> None:
    clock = Clock()
    with pytest.raises(RuntimeError, match="broke"), lanes(tmp_path, clock).held("portal.example", clock.sleep):
        raise RuntimeError("broke")
    with lanes(tmp_path, clock).held("portal.example", clock.sleep):
        assert clock.sleeps == []


def test_what_is_written_down_of_an_earlier_start_of_the_machine_is_long_past(tmp_path: Path) -> None:
    clock = Clock()
    known = lanes(tmp_path, clock)
    assert known.get("portal.example") is None
    known["portal.example"] = clock.now + 5000.125
    assert known.get("portal.example") is None
    clock.now += 5000.125
    assert known.get("portal.example") == clock.now
    known["resting.example"] = clock.now + 120
    assert known.get("resting.example") == clock.now + 120, "a rest that the host asked for"
    known["resting.example"] = clock.now + 121
    assert known.get("resting.example") is None, "no rest is that long"
    known["::1"] = 999.5
    assert (known.get("::1"), known.get("portal.example")) == (999.5, clock.now)
    next(tmp_path.glob("portal*")).write_text("10")
    (tmp_path / "half.lane").write_text("")
    assert (known.get("portal.example"), known.get("half")) == (10.0, None)
