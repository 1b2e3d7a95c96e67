"""1,000 requests to 50 hosts that answer after 50 ms: the harvest beside the best that the line and the manners allow.

Here: a server process on 127.0.0.1 to 127.0.0.50, and in one process, one after the other: the harvest as a night runs
it (sockets, pacing, reading, database and kept bytes), a naive loop, and a plain thread pool that keeps nothing and
minds no host. Two sets of manners: the usual ones (1 s and up to 0.25 s between two requests to a host), which are in
force and which the verdict is about; and none, where eight answers come every 50 ms, about as fast as one processor can
record them. Run: `python benchmarks/harvest.py [--quick]`. Not here: tests of correctness (`tests/harvest`).

The ideal is a lower bound on any schedule: no more requests under way than the setting allows, one at a time to a host,
the pauses kept, and everything but waiting free of charge. The naive loop is run for a part and scaled, as it says.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import multiprocessing
import random
import resource
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

import requests

from dti_pipeline.harvest.fetching import REQUESTS_AT_ONCE, Revalidating, harvest_sites, open_fetcher
from dti_pipeline.harvest.lanes import HostLanes
from dti_pipeline.harvest.model import Manifest, Observation, Plan, Politeness, Reading, Request, Site, Snapshot
from dti_pipeline.harvest.runner import Fetches, Night, SiteReport, harvest_site
from dti_pipeline.scoring.periods import TIME_ZONE, Period, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.store.engine import open_engine
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.units.registry import load_registry

HOSTS, EACH, LATENCY_S = 50, 20, 0.05
AT_LEAST = 0.85
NIGHT = dt.date(2026, 10, 15)
NO_PAUSE = Politeness(min_interval_s=0, jitter_s=0)
USUAL = Politeness()

MANIFEST = Manifest.model_validate(
    {
        "name": "practice",
        "version": "1",
        "title": "Nguồn thực hành",
        "publisher": "Tỉnh Thực Hành (đơn vị hư cấu)",
        "legal_basis": "none, fictional",
        "address": "https://practice.example",
        "cadence": "daily",
        "stale_after_days": 2,
        "auth": "none",
        "evidence_strength": "inferred",
        "evidence_note": "written for a measurement",
        "metrics": ["dossiers_received"],
        "expect": {"dossiers_received": {"min": 0}},
    }
)


# --- the other side ---


async def _serve(ready: Connection) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while await reader.readline() not in (b"\r\n", b""):
                    pass
                await asyncio.sleep(LATENCY_S)
                body = line.split()[1].rpartition(b"/")[2]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 0, backlog=512)  # noqa: S104 - all of 127.0.0.0/8
    ready.send(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


def _server_process(ready: Connection) -> None:
    asyncio.run(_serve(ready))


@contextmanager
def server() -> Iterator[int]:
    """Gives the port. Each answer repeats the last part of its path after the latency."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_server_process, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


# --- the ways of asking ---


class Practice:
    """Asks `each` questions and reads one figure from every answer."""

    def __init__(self, each: int) -> None:
        self._each = each

    def plan(self, _site: Site, _window: Period) -> Plan:
        for number in range(self._each):
            yield Request("GET", f"/figures/{number}")

    def read(self, snapshot: Snapshot) -> Reading:
        figure = Decimal(snapshot.body.decode())
        found = Observation(
            "dossiers_received", "1", "Thực Hành", year(2026), InputState.HARVESTED, "", figure, unit_code="H00"
        )
        return Reading((found,))


def jitter_of(host: int) -> Callable[[], float]:
    """A host's draws, the same in every run and in the bound."""
    return random.Random(host).random


def by_harvest(port: int, hosts: int, each: int, politeness: Politeness) -> None:
    """A night over all sites, into a fresh database and folder."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'dti.db'}")
        store = SnapshotStore(f"file://{folder}/snapshots")
        registry = load_registry(())
        moment = dt.datetime.combine(NIGHT, dt.time(23), TIME_ZONE)
        night = Night(NIGHT, lambda: moment, True, "benchmark")
        lanes = HostLanes(Path(folder) / "lanes", monotonic=time.monotonic)
        connector = Practice(each)

        def one(site: Site, fetcher: Fetches) -> SiteReport:
            asking = Revalidating(engine, store, "practice", site, fetcher)
            return harvest_site(engine, store, registry, connector, MANIFEST, site, night, asking)

        reports = harvest_sites(
            [
                Site(name=f"s{n}", connector="practice", base_url=f"http://127.0.0.{n}:{port}", province="H00")
                for n in range(1, hosts + 1)
            ],
            lambda site, pause: open_fetcher(
                site,
                politeness,
                sleep=pause,
                monotonic=time.monotonic,
                jitter=jitter_of(int(site.name.removeprefix("s"))),
                starts=lanes,
                hold=lanes.held,
            ),
            one,
            sleep=time.sleep,
        )
        engine.dispose()
    if [(report.observations, report.is_good) for report in reports] != [(each, True)] * hosts:
        raise SystemExit("the harvest did not get every answer")


def by_loop(port: int, hosts: int, each: int, politeness: Politeness) -> None:
    """What one would write first: ask, wait, ask. It keeps nothing."""
    pause = politeness.min_interval_s + politeness.jitter_s / 2
    for host in range(1, hosts + 1):
        for number in range(each):
            requests.get(f"http://127.0.0.{host}:{port}/figures/{number}", timeout=5).raise_for_status()
            time.sleep(pause)  # the manners in force are part of what is compared; without them it asks too fast


def by_pool(port: int, hosts: int, each: int, _politeness: Politeness) -> None:
    """A thread pool over all requests, as many at once as the harvest: no pauses, several at once to one host."""
    urls = [f"http://127.0.0.{h}:{port}/figures/{n}" for h in range(1, hosts + 1) for n in range(each)]
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        for answer in pool.map(lambda url: requests.get(url, timeout=5), urls):
            answer.raise_for_status()


# --- measuring ---


def ideal_s(hosts: int, each: int, politeness: Politeness) -> float:
    """A lower bound: all requests over those that may be under way at once, or the slowest host with its own pauses."""

    def a_host(number: int) -> float:
        jitter = jitter_of(number)
        pauses = (politeness.min_interval_s + politeness.jitter_s * jitter() for _ in range(each - 1))
        return sum(max(LATENCY_S, pause) for pause in pauses) + LATENCY_S

    return max(hosts * each * LATENCY_S / REQUESTS_AT_ONCE, *(a_host(number) for number in range(1, hosts + 1)))


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def peaks(port: int, hosts: int) -> list[tuple[int, float]]:
    """(requests, peak of traced memory in MB) for ever longer nights over the same hosts."""
    found = []
    for each in (5, 20):
        tracemalloc.start()
        by_harvest(port, hosts, each, NO_PAUSE)
        found.append((hosts * each, tracemalloc.get_traced_memory()[1] / 1e6))
        tracemalloc.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 requests instead of 1,000")
    quick = parser.parse_args().quick
    each = 4 if quick else EACH
    rows: list[tuple[str, str, float, float]] = []
    shares = {}
    with server() as port:
        by_harvest(port, 2, 1, NO_PAUSE)  # imports
        for name, politeness in (("usual manners", USUAL), ("no pauses", NO_PAUSE)):
            ideal = ideal_s(HOSTS, each, politeness)
            harvest = seconds_of(lambda p=politeness: by_harvest(port, HOSTS, each, p))  # type: ignore[misc]
            sample = 1 if politeness is USUAL else 4
            loop = seconds_of(lambda p=politeness, n=sample: by_loop(port, n, 4, p))  # type: ignore[misc]
            loop *= HOSTS * each / (sample * 4)
            pool = seconds_of(lambda p=politeness: by_pool(port, HOSTS, each, p))  # type: ignore[misc]
            shares[name] = ideal / harvest
            rows += [
                (name, "ideal", ideal, ideal),
                (name, "harvest, everything kept", harvest, ideal),
                (name, f"naive loop ({sample * 4} requests, scaled)", loop, ideal),
                (name, "plain pool (no manners, nothing kept)", pool, ideal),
            ]
        memory = peaks(port, HOSTS)
    print(f"{HOSTS * each} requests, {HOSTS} hosts, {LATENCY_S * 1000:g} ms, at most {REQUESTS_AT_ONCE} at once")
    for name, what, seconds, ideal in rows:
        print(f"{name:14} {what:38} {seconds:9.2f} s   {ideal / seconds:7.1%} of the ideal")
    for count, peak in memory:
        print(f"peak of traced memory, {count:5} requests: {peak:6.1f} MB")
    print(f"largest resident size of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    share = shares["usual manners"]
    verdict = "enough" if share >= AT_LEAST else "TOO LITTLE"
    print(f"under the manners in force: {share:.1%} of the ideal, {AT_LEAST:.0%} is wanted: {verdict}")
    if share < AT_LEAST:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
