"""A site has so many requests a night, over all runs of it. What is above is on record as not asked, never as nothing.

Not here: how far apart requests are (`test_http_fetch.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harvest_kit import NIGHT, Practice, Stored

from dti_pipeline.harvest.model import FailureKind, Request, Site, Snapshot

QUESTIONS = tuple(Request("GET", f"/{number}") for number in range(1, 6))


class Answers:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def fetch(self, request: Request) -> Snapshot:
        self.asked.append(request.path)
        return Snapshot(request, 200, {}, b"7", f"https://practice.example{request.path}")


def site(budget: int, **changes: Any) -> Site:
    given = {"name": "practice", "connector": "practice", "base_url": "https://practice.example", "province": "H00"}
    return Site.model_validate(given | {"politeness": {"max_requests_per_night": budget}} | changes)


def test_what_is_above_the_budget_is_not_sent_and_says_so(tmp_path: Path) -> None:
    stored, source = Stored(tmp_path), Answers()
    report = stored.harvest(Practice(*QUESTIONS), site(3), source)
    assert source.asked == ["/1", "/2", "/3"]
    assert (report.fetched, report.observations) == (3, 3)
    assert [(path, failure.kind) for path, failure in report.failures] == [
        ("/4", FailureKind.OVER_BUDGET),
        ("*", FailureKind.STOPPED),
    ]
    failed = [row for row in stored.snapshots() if row.failure_kind]
    assert [(row.failure_kind, row.body_sha256) for row in failed] == [("over_budget", None)]


def test_a_second_run_of_the_night_has_what_the_first_left(tmp_path: Path) -> None:
    stored, source = Stored(tmp_path), Answers()
    stored.harvest(Practice(*QUESTIONS[:2]), site(3), source)
    stored.harvest(Practice(*QUESTIONS), site(3), source)
    stored.harvest(Practice(*QUESTIONS), site(3), source, again=True)
    assert source.asked == ["/1", "/2", "/3"]
    # A budget that was raised counts at once, and what was refused for want of it was never sent.
    stored.harvest(Practice(*QUESTIONS), site(5), source)
    assert source.asked == ["/1", "/2", "/3", "/4", "/5"]


def test_every_night_and_every_site_has_its_own(tmp_path: Path) -> None:
    stored, source = Stored(tmp_path), Answers()
    stored.harvest(Practice(*QUESTIONS), site(1), source)
    stored.harvest(Practice(*QUESTIONS), site(1, name="other"), source)
    stored.harvest(Practice(*QUESTIONS), site(1), source, night=NIGHT.replace(day=16))
    assert source.asked == ["/1", "/1", "/1"]


def test_files_of_a_folder_cost_nobody_anything(tmp_path: Path) -> None:
    files = (Request("GET", "a.json", kind="file"), Request("GET", "b.json", kind="file"))
    report = Stored(tmp_path).harvest(Practice(*files), site(1, base_url=f"file://{tmp_path}"), Answers())
    assert (report.fetched, report.failures) == (2, [])
