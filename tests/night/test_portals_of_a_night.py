"""Ninh Thuận's criteria about portals, from probes of the practice portals to merged inputs; nothing is self-reported.

Expected figures are counted by hand from `sandbox/data/portals.yaml` and the portals' menus. Not here: reading one
answer (`tests/connectors`), sockets (`tests/sandbox`).
"""

from __future__ import annotations

from pathlib import Path

import yaml
from night_kit import NIGHT, NINH_THUAN, dump, inputs, install

from dti_pipeline import night as steps
from dti_pipeline.harvest.runner import SiteReport
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.twins.portal_probe import TWIN

PORTALS = "portal_probe"
SILENT = "h00-22.thuchanh.example"


def installed(home: Path, base_url: str, silent: str | None = None) -> Workspace:
    """Ninh Thuận's assessment over the practice portals alone, asked what it needs; `silent`: a site to silence."""
    work = install(home, base_url, ["ninh-thuan-2021"])
    sites = TWIN.sites(f"{base_url}/{PORTALS}", home)
    for site in sites:
        site["options"]["checks"] = ["ipv6"]
        if site["name"] == silent:
            site["options"]["host"] = SILENT
            site["politeness"] |= {"timeout_s": 0.2, "retries": 0}
    work.settings.sites_file.write_text(yaml.safe_dump({"sites": sites}), encoding="utf-8")
    return Workspace(work.settings)


def harvested(work: Workspace) -> list[SiteReport]:
    opened = work.night(NIGHT, "test-run")
    steps.record_run(work, opened)
    return steps.harvest(work, PORTALS, opened)


def merged(work: Workspace) -> dict[tuple[str, str], tuple[str, str | None]]:
    steps.merge_inputs(work, NINH_THUAN, NIGHT)
    return {(row.criterion, row.name): (row.state, row.value) for row in inputs(work, NIGHT)}


def test_ipv6_and_sections_are_counted_over_the_portals(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        work = installed(tmp_path, sandbox.base_url)
        harvested(work)
        before = dump(work)
        again = harvested(work)
    # Only the name that nobody answers for is asked about again, and says nothing new.
    assert [(report.site, report.fetched) for report in again if report.fetched] == [("cong-h00-22", 1)]
    assert dump(work) == before
    found = merged(work)
    # Of 20 departments four have no AAAA record, and one has a private address only.
    assert found["3.4.2", "converted"] == ("harvested", "15")
    assert found["3.4.2", "systems"] == ("harvested", "20")
    # The province's own menu lacks a site map.
    assert (found["5.13.1", "provided"], found["5.13.1", "required"]) == (("harvested", "5"), ("harvested", "6"))
    # Eight departments lack one of six sections, and one lacks two.
    assert (found["5.13.2", "provided"], found["5.13.2", "required"]) == (("harvested", "110"), ("harvested", "120"))


def test_a_department_that_cannot_be_asked_about_does_not_shrink_the_whole(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        work = installed(tmp_path, sandbox.base_url, silent="cong-h00-05")
        harvested(work)
    found = merged(work)
    assert found["3.4.2", "converted"] == ("unavailable", None)
    assert found["3.4.2", "systems"] == ("unavailable", None)
    # Its front page was read all the same.
    assert found["5.13.2", "required"] == ("harvested", "120")
