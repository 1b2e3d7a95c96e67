"""The connector reads every answer of the practice sites, without a failure and without quarantine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from connectors.dvcqg766.connector import CONNECTOR
from dti_pipeline.harvest.model import Reading, Site, Snapshot
from dti_pipeline.harvest.sites import load_sites
from dti_pipeline.sandbox import portal
from dti_pipeline.sandbox.server import dump
from dti_pipeline.sandbox.sites import write_sites
from dti_pipeline.scoring.periods import window_on

NIGHT = dt.date(2026, 10, 15)


def site_of(name: str, folder: Path) -> Site:
    write_sites(folder / "sites.yaml", "http://127.0.0.1:8766")
    return next(site for site in load_sites(folder / "sites.yaml") if site.name == name)


def readings(site: Site) -> list[tuple[str, Reading]]:
    """What the connector makes of the practice portal's answers to its own plan."""
    found = []
    for window in site.windows:
        plan = CONNECTOR.plan(site, window_on(window, NIGHT))
        request = next(plan, None)
        while request is not None:
            answer = portal.answer(request.path, request.json)
            headers = {"Content-Type": "application/json; charset=utf-8"}
            snapshot = Snapshot(request, answer.status, headers, dump(answer.body))
            found.append((portal.endpoint_of(request.path, request.json), CONNECTOR.read(snapshot)))
            try:
                request = plan.send(snapshot)
            except StopIteration:
                request = None
    return found


@pytest.mark.parametrize(("name", "requests"), [("phu-tho", 6), ("thuc-hanh", 20), ("toan-quoc", 1)])
def test_every_answer_is_read_without_failure_or_quarantine(name: str, requests: int, tmp_path: Path) -> None:
    found = readings(site_of(name, tmp_path))
    assert len(found) == requests
    for endpoint, reading in found:
        assert reading.observations
        assert reading.quarantined == ()
        # The published national list is cut to 12 of 34 provinces, and the connector notices.
        assert len(reading.warnings) == (1 if endpoint == "service-results-national" else 0)


def test_the_practice_province_feeds_its_units_with_every_metric(tmp_path: Path) -> None:
    observations = [item for _, reading in readings(site_of("thuc-hanh", tmp_path)) for item in reading.observations]
    scored = {item.unit for item in observations if item.metric == "qd766_total_score"}
    assert len(scored) == 81
    received = [item for item in observations if item.metric == "dossiers_received" and item.unit_code == "H00"]
    assert [str(item.period) for item in received] == ["2026-07-01..2026-09-30", "2026-01-01..2026-12-31"]
    states = {item.state.value for item in observations}
    assert states == {"harvested", "not_applicable"}
