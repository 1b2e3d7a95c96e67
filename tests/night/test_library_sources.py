"""Library criteria measured by the practice catalogue, list of databases, document system and portals: one night.

Expected figures are counted from the practice systems' own records, not by a connector. Nothing is self-reported here,
so what no source has is `missing`. Not here: reading one answer (`tests/connectors`), which criterion is bound to what
(`tests/frameworks/test_library_bindings.py`).
"""

from __future__ import annotations

import datetime as dt
import shutil

import pytest
import yaml
from night_kit import NIGHT, QUICK, edit_yaml, inputs, install

from dti_pipeline import night as steps
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.demo import DATA
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.sites import practice_secrets
from dti_pipeline.sandbox.twins import ckan, database_registry, document_system, load_twin, portal_probe

FRAMEWORK, ASSESSMENT = "brvt-2022", "brvt-2022-h00-2026"
SOURCES = ("ckan", "database_registry", "document_system", "portal_probe")
PORTALS = {"H00.01": "column", "H00.03": "column", "H00.04": "column", "H00.22": "ipv6", "H00.23": "column"}
"""A list, no column, an empty column, a name that no server answers for, a menu that only a browser can see."""
MONTHS = tuple((2026, month) for month in range(1, 11))
COMMUNES = ("H00.22.01", "H00.25.03", document_system.UNKEPT)
UNITS = [unit.code for unit in practice.units() if unit.level != "commune" or unit.code in COMMUNES]
Cells = dict[tuple[str, str, str], tuple[str, str | None]]
"""(unit, library criterion, input) -> state and value."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """After one night over the four sources, all of them gone. Not to be changed."""
    home = tmp_path_factory.mktemp("library")
    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in practice_secrets().items():
            patch.setenv(name, value)
        installed = install(home, sandbox.base_url, [])
        assessment = installed.settings.assessments_folder / f"{ASSESSMENT}.yaml"
        shutil.copyfile(DATA / "assessments" / assessment.name, assessment)
        edit_yaml(assessment, lambda data: data.update(units=UNITS))
        sites = []
        for name in SOURCES:
            (home / "files" / name).mkdir(parents=True)
            for site in load_twin(name).sites(f"{sandbox.base_url}/{name}", home / "files" / name):
                if name == "portal_probe":
                    if (check := PORTALS.get(site["options"]["unit"])) is None:
                        continue
                    site["options"]["checks"] = [check]
                    site["politeness"] = QUICK | {"timeout_s": 0.2, "retries": 0}
                sites.append(site)
        installed.settings.sites_file.write_text(yaml.safe_dump({"sites": sites}, allow_unicode=True), encoding="utf-8")
        done = Workspace(installed.settings)
        opened = done.night(NIGHT, "test-run")
        steps.record_run(done, opened)
        for source in SOURCES:
            steps.harvest(done, source, opened)
        steps.merge_inputs(done, ASSESSMENT, NIGHT)
    return done


def cells(work: Workspace, level: str) -> Cells:
    named = {item.code: item.library or "" for item in load_framework(FRAMEWORK).level(level).criteria}
    return {
        (row.unit, named[row.criterion], row.name): (row.state, row.value)
        for row in inputs(work, NIGHT, ASSESSMENT, level)
    }


def codes(level: str) -> list[str]:
    return [unit.code for unit in practice.units() if unit.level == level and unit.code in UNITS]


def harvested(number: int) -> tuple[str, str]:
    return ("harvested", str(number))


def test_documents_and_work_dossiers_of_every_unit(work: Workspace) -> None:
    for level in ("department", "district", "commune"):
        found = cells(work, level)
        for code in codes(level):
            months = [document_system.row(code, month) for month in MONTHS]
            out = {name: sum(row["outgoing"][name] for row in months) for name in ("total", "electronic", "signed")}
            electronic, signed = "gov-outgoing-documents-electronic", "gov-outgoing-documents-signed"
            assert found[code, electronic, "a"] == harvested(out["total"])
            assert found[code, signed, "a"] == harvested(out["electronic"])
            assert found[code, signed, "b"] == harvested(out["signed"])
            for name, field in (("a", "total"), ("b", "online")):
                one = found[code, "gov-work-dossiers-online", name]
                if code == document_system.UNKEPT:
                    # Kept by no system: not 0, so the unit's own report counts.
                    assert one == ("missing", None)
                else:
                    assert one == harvested(sum(row["workDossiers"][field] for row in months))


def test_databases_and_open_data_of_every_department(work: Workspace) -> None:
    found = cells(work, "department")
    listed = database_registry.document(dt.date(2026, 9, 30))["databases"]
    formats = {"CSV", "XLSX", "JSON", "XML"}
    sets = ckan.data_sets()
    for code in codes("department"):
        own = [row for row in listed if row["owner"] == code and row["kind"] == "specialised"]
        operating = [row for row in own if row["status"] == "operating"]
        assert found[code, "gov-databases-operated", "a"] == harvested(len(own))
        assert found[code, "gov-databases-operated", "b"] == harvested(len(operating))
        assert found[code, "gov-databases-shared", "a"] == harvested(len(operating))
        assert found[code, "gov-databases-shared", "b"] == harvested(sum(row["lgsp"] for row in operating))
        readable = [item for item in sets if item.organization == ckan.slug(code) and formats & {*item.formats}]
        assert found[code, "gov-open-datasets-published", "published"] == harvested(len(readable))
        assert found[code, "gov-open-datasets-published", "planned"] == ("missing", None)


def test_portals_say_what_they_show_and_nothing_of_others(work: Workspace) -> None:
    column, content = "portal-digital-column", "gov-portal-mandatory-content"
    departments, districts, communes = (cells(work, level) for level in ("department", "district", "commune"))
    assert departments["H00.01", column, "column"] == ("harvested", "yes")
    assert departments["H00.01", column, "days"] == harvested(portal_probe.age_of("H00.01"))
    assert departments["H00.01", content, "required"] == harvested(6)
    # No column: 0 points whatever age is claimed. An empty one: there, and the unit has to say how old it is.
    assert departments["H00.03", column, "column"] == ("harvested", "no")
    assert departments["H00.03", column, "days"] == ("missing", None)
    assert departments["H00.04", column, "column"] == ("harvested", "yes")
    assert departments["H00.04", column, "days"] == ("missing", None)
    assert districts["H00.22", column, "column"] == ("unavailable", None)
    assert districts["H00.23", column, "column"] == ("unavailable", None)
    # A portal that is not probed is nobody's failure, so the unit's own report counts.
    for found, code in ((departments, "H00.02"), (districts, "H00.24"), (communes, "H00.22.01")):
        for criterion, name in ((column, "column"), (column, "days"), (content, "required"), (content, "provided")):
            assert found[code, criterion, name] == ("missing", None)
