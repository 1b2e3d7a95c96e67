"""Ninh Thuận's dossiers and services from the practice sources: one night, figure by figure, down to the bytes.

The province's own systems and the national portal answer together here. Expected figures are counted from the practice
months and from the practice list of procedures, not by a connector. Not here: what one connector reads
(`tests/connectors`), the annex itself (`tests/frameworks/test_ninh_thuan.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from night_kit import CONNECTOR, NIGHT, NINH_THUAN, QUICK, edit_yaml, inputs, install, scores
from sqlmodel import Session, select

from dti_pipeline import night as steps
from dti_pipeline.lineage.explain import explain
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.sites import practice_secrets
from dti_pipeline.sandbox.twins import load_twin
from dti_pipeline.sandbox.twins.one_stop import listed_site, write_list
from dti_pipeline.store.tables import ObservationRow

SOURCES = (CONNECTOR, "igate", "one_stop")
LEVELS = {"5.10.1": "department", "5.10.2": "district", "5.10.3": "commune"}
# Of 158 procedures the portal knows 50 partial and 58 full services; ministries run one of each and one that is not
# offered online. Of the 49 and 57 that remain 30 and 33 have had an online dossier since January.
SERVICES = {("5.9", "a"): "49", ("5.9", "b"): "30", ("5.9", "c"): "57", ("5.9", "d"): "33"}
OTHERS = {("3.7.2", "a"): "34", ("3.7.2", "b"): "19", ("5.12.1", "a"): "42.45"}
POINTS = {
    "3.7.2": Fraction(19, 34) * 2,
    "5.9": Fraction(30 + 33, 49 + 57) / Fraction(7, 10) * 10,
    "5.10.1": Fraction(4),
    "5.10.2": Fraction(21_984, 38_037) / Fraction(6, 10) * 3,
    "5.10.3": Fraction(170_096, 287_257) / Fraction(6, 10) * 3,
    "5.12.1": Fraction(4245, 10_000) / Fraction(5, 10),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """After one night over the portal, iGate and the one-stop system, all of them gone, without any self-report. Not
    to be changed."""
    home = tmp_path_factory.mktemp("sources")
    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in practice_secrets().items():
            patch.setenv(name, value)
        installed = install(home, sandbox.base_url, ["ninh-thuan-2021"])
        edit_yaml(installed.settings.sites_file, partial(three_sources, base_url=sandbox.base_url, folder=home / "tha"))
        done = Workspace(installed.settings)
        opened = done.night(NIGHT, "test-run")
        steps.record_run(done, opened)
        for source in SOURCES:
            steps.harvest(done, source, opened)
        steps.merge_inputs(done, NINH_THUAN, NIGHT)
        steps.score(done, NINH_THUAN, "province", NIGHT)
    return done


def three_sources(data: dict[str, Any], *, base_url: str, folder: Path) -> None:
    """The portal's two trees, iGate, and of the one-stop system the list and one unit's records: enough, and quick."""
    (portal,) = (site for site in data["sites"] if site["name"] == "thuc-hanh")
    portal["options"]["endpoints"] = ["dvc-progress-tree", "provide-online-tree"]
    folder.mkdir()
    write_list(folder)
    data["sites"] = [
        site | {"windows": ["year"], "politeness": QUICK | {"total_timeout_s": 30, "max_body_bytes": 30_000_000}}
        for site in (
            portal,
            *load_twin("igate").sites(f"{base_url}/igate", folder),
            {"name": "danh-muc", "connector": "one_stop", "base_url": folder.as_uri(), "province": "H00"},
            listed_site(f"{base_url}/one_stop"),
        )
    ]


def counted(level: str, what: str) -> str:
    months = [(2026, month) for month in range(1, 10)]
    codes = [unit.code for unit in practice.units() if unit.level == level]
    return str(sum(getattr(practice.month_counts(code, month), what) for code in codes for month in months))


def value_at(body: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        body = body[int(part)] if isinstance(body, list) else body[part]
    return body


def chain(work: Workspace, criterion: str) -> Mapping[str, Any]:
    return explain(work, NINH_THUAN, "H00", criterion, NIGHT)


def test_every_input_is_harvested_with_the_figure_of_the_practice_province(work: Workspace) -> None:
    expected = SERVICES | OTHERS
    for criterion, level in LEVELS.items():
        expected |= {(criterion, "a"): counted(level, "received"), (criterion, "b"): counted(level, "online")}
    assert expected["5.10.2", "a"] == "38037"
    assert expected["5.10.2", "b"] == "21984"
    stored = {(row.criterion, row.name): row for row in inputs(work, NIGHT, NINH_THUAN, "province")}
    assert {key: (stored[key].value, stored[key].state, stored[key].origin) for key in expected} == {
        key: (value, "harvested", "harvested") for key, value in expected.items()
    }


def test_points_are_those_of_the_decision(work: Workspace) -> None:
    cells = {row.criterion: row for row in scores(work, NIGHT, NINH_THUAN, "province")}
    for criterion, points in POINTS.items():
        assert cells[criterion].state == "scored"
        assert cells[criterion].points_micro == int(points * 1_000_000 + Fraction(1, 2)), criterion


@pytest.mark.parametrize("criterion", sorted(POINTS))
def test_every_figure_leads_to_a_place_in_stored_bytes(work: Workspace, criterion: str) -> None:
    units = {level: {unit.code for unit in practice.units() if unit.level == level} for level in LEVELS.values()}
    for item in chain(work, criterion)["inputs"]:
        found = item["observations"]
        assert {row["unit"] for row in found} == units.get(LEVELS.get(criterion, ""), {"H00"})
        assert not item["claims"]
        for row in found:
            body = json.loads(work.snapshots.get(row["snapshot"]["sha256"]))
            place = value_at(body, row["locator"])
            # A number itself, or the records that it was counted from.
            assert isinstance(place, list) or int(place) == int(row["value"])


def test_the_record_goes_before_the_report_and_the_report_stays_beside_it(work: Workspace) -> None:
    """One unit's dossiers come from its records, others from statistics; the portal's count of services is kept."""
    online = {row["unit"]: row["connector"] for row in chain(work, "5.10.3")["inputs"][1]["observations"]}
    assert {unit for unit, connector in online.items() if connector == "one_stop"} == {practice.PAUSED_UNIT}
    assert set(online.values()) == {"one_stop", "igate"}
    districts = {row["connector"] for item in chain(work, "5.10.2")["inputs"] for row in item["observations"]}
    assert districts == {"igate"}
    with Session(work.engine) as session:
        rows = session.exec(select(ObservationRow).where(ObservationRow.metric == "services_partial_online")).all()
    assert {row.connector: row.value for row in rows if row.unit == "H00"} == {CONNECTOR: "50", "one_stop": "49"}


def test_a_percentage_keeps_its_parts(work: Workspace) -> None:
    (row,) = chain(work, "5.12.1")["inputs"][0]["observations"]
    assert (row["value"], row["numerator"], row["denominator"]) == ("42.45", "45", "106")
