"""The practice portal's answers have the real portal's structure, quirk by quirk; Phú Thọ is served as published."""

from __future__ import annotations

import json
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest
from test_practice_figures import (
    GROUPS,
    QUARTER,
    YEAR,
    ask,
    assert_metric_group,
    assert_payment,
    assert_progress,
    units_of,
)

from dti_pipeline.harvest.sites import load_sites
from dti_pipeline.sandbox import portal, practice
from dti_pipeline.sandbox.server import dump
from dti_pipeline.sandbox.sites import write_sites
from dti_pipeline.units.registry import load_registry

PHU_THO = "019d2be3-6a88-732b-8b17-b68020c8553a"
UNITS = Path(practice.__file__).parent / "data" / "units.yaml"


def body_for(name: str, root: str) -> dict[str, Any]:
    dates = {"fromDate": "2026-07-01", "toDate": "2026-09-30"}
    return (dates if name == "handling-satisfaction" else dict(QUARTER)) | {"rootDepartmentId": root, "pageSize": 200}


def phu_tho(name: str, **more: Any) -> dict[str, Any]:
    answer = portal.answer(portal.path_of(name), body_for(name, PHU_THO) | more)
    assert answer.status == 201
    return dict(json.loads(dump(answer.body), parse_float=Decimal))


def shape(value: Any) -> Any:
    """Keys in order; of lists the first element's."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


@pytest.mark.parametrize("name", GROUPS)
def test_practice_answers_have_the_published_answers_keys_in_their_order(name: str) -> None:
    published, made = phu_tho(name)["data"], ask(name, QUARTER)
    assert json.dumps(shape(made)) == json.dumps(shape(published))


def test_roots_and_rows_differ_as_on_the_portal() -> None:
    progress = ask("dvc-progress-tree", QUARTER)
    assert "totalOverdue" not in progress["parent"]
    assert "totalCompleted" not in progress["children"][0]
    online = ask("provide-online-tree", QUARTER)
    assert "authorityCount" in online["parent"]
    assert not {key for row in online["children"] for key in row} & {"authorityCount", "channelTotalSum"}
    for name in ("transparency", "handling-satisfaction"):
        assert not any("departmentCode" in unit for unit in units_of(ask(name, QUARTER)))
    results = ask("service-results", QUARTER)
    assert "departmentId" not in results["overview"]
    assert {row["childGroup"] for row in results["evaluation"]} == {"AGENCY", "COMMUNE"}
    assert not any("groupScores" in row for row in results["evaluation"])
    assert "pagination" not in progress


def test_no_answer_repeats_the_period_asked_for() -> None:
    for name in (*GROUPS, "service-results"):
        text = json.dumps(ask(name, QUARTER), default=str)
        assert "2026" not in text
        assert "quarter" not in text


def test_rows_stand_by_code_as_text_and_results_by_score() -> None:
    codes = [row["departmentCode"] for row in ask("dvc-progress-tree", YEAR)["children"]]
    assert codes == sorted(codes)
    assert len(codes) == len(set(codes)) == 80
    assert not any(code in codes for code in ("H00.21", "H00.28"))  # the portal knows no districts
    scores = [row["totalScore"] for row in ask("service-results", YEAR)["evaluation"]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 40


def test_names_carry_the_province_on_some_rows_only_and_are_marked_fictional() -> None:
    names = [row["departmentName"] for row in ask("transparency", QUARTER)["evaluation"]]
    assert 20 <= sum(name.endswith(" - Tỉnh Thực Hành") for name in names) < 80
    assert all("(hư cấu)" in name for name in names)
    assert {name.split()[1] for name in names if name.startswith("UBND ")} >= {"xã", "Xã"}
    assert all(unicodedata.is_normalized("NFC", name) for name in names)


def test_charts_say_zero_in_trees_and_null_in_results_outside_the_period() -> None:
    progress = ask("dvc-progress-tree", QUARTER)["monthlyChart"]
    assert [item["onTimePct"] for item in progress if item["month"] not in ("07", "08", "09")] == [0] * 9
    assert all(item["onTimePct"] + item["overduePct"] == 100 for item in progress[6:9])
    results = ask("service-results", QUARTER)
    assert [item["averageScore"] is None for item in results["monthlyChart"]] == [False] * 9 + [True] * 3
    assert [item["onTimePct"] is None for item in results["dossierChart"]] == [True] * 6 + [False] * 3 + [True] * 3


def test_metric_groups_have_pages_and_trees_ignore_the_page_size() -> None:
    whole = ask("transparency", QUARTER)["evaluation"]
    pages = [ask("transparency", QUARTER, pageSize=30, currentPage=page) for page in (1, 2, 3)]
    assert [len(page["evaluation"]) for page in pages] == [30, 30, 20]
    assert [row for page in pages for row in page["evaluation"]] == whole
    assert pages[1]["pagination"] == {"total": 80, "currentPage": 2, "pageSize": 30, "totalPages": 3}
    assert len(ask("dvc-progress-tree", QUARTER, pageSize=30)["children"]) == 80


def test_the_catalogue_has_three_consistent_pages_of_fictional_procedures() -> None:
    items: list[Any] = []
    for page in (1, 2, 3):
        answer = portal.answer(portal.path_of("formalities"), {"currentPage": page, "pageSize": 10})
        data = answer.body["data"]
        assert data["pagination"] == {"total": 23, "currentPage": page, "pageSize": 10, "totalPages": 3}
        items += data["items"]
    assert len({item["id"] for item in items}) == len(items) == 23
    assert all("thực hành" in item["name"] and "(hư cấu)" in item["name"] for item in items)
    assert {item["state"] for item in items} == {"UPDATED", "ACTIVE", "INACTIVE"}
    assert {len(item["appliedDepartmentIds"]) for item in items} == {0, 1, 60}
    found = portal.answer(portal.path_of("formalities"), {"q": "số 07"}).body["data"]
    assert [item["code"] for item in found["items"]] == ["0.000007"]


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("transparency", {"rootDepartmentId": "00000000-0000-4000-8000-000000000000"}, "NOT_FOUND"),
        ("transparency", {"quarter": 4}, "NO_DATA"),
        ("transparency", {"timeType": "month", "month": 10}, "NO_DATA"),
        ("transparency", {"timeType": "year", "year": 2027}, "NO_DATA"),
        ("transparency", {"timeType": "year", "year": 2023}, "NO_DATA"),
        ("transparency", {"quarter": 5}, "BAD_REQUEST"),
        ("transparency", {"timeType": "day"}, "BAD_REQUEST"),
        ("transparency", {"year": "2026"}, "BAD_REQUEST"),
        ("transparency", {"pageSize": 0}, "BAD_REQUEST"),
        ("transparency", {"formalityId": "x"}, "NO_DATA"),
        ("dossier-digitized", {"formalityID": "x"}, "NO_DATA"),
        ("dossier-digitized", {"formalityId": "x"}, "OK"),
        ("handling-satisfaction", {"fromDate": None}, "BAD_REQUEST"),
        ("handling-satisfaction", {"fromDate": "2026-07-02"}, "BAD_REQUEST"),
        ("handling-satisfaction", {"toDate": "2026-06-30"}, "BAD_REQUEST"),
        ("handling-satisfaction", {"toDate": "2026-12-31"}, "NO_DATA"),
        ("service-results", {"rootDepartmentId": PHU_THO}, "NO_DATA"),
    ],
)
def test_what_the_portal_cannot_answer_is_an_explicit_error(name: str, change: dict[str, Any], code: str) -> None:
    answer = portal.answer(portal.path_of(name), body_for(name, portal.PRACTICE_ROOT) | change)
    assert (answer.status, answer.body["code"]) == (201, code)
    assert (answer.body["data"] is None) == (code != "OK")


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert portal.answer(portal.path_of("transparency"), body).body["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/reporting/transparency", "/api/v1/reporting/evaluation/service-results-national", "/x"]
)
def test_other_paths_do_not_exist(path: str) -> None:
    assert portal.answer(path, {}).status == 404


@pytest.mark.parametrize(
    "change", [{"quarter": 2}, {"timeType": "year"}, {"fromDate": "2026-01-01", "toDate": "2026-12-31"}]
)
def test_phu_tho_has_figures_of_one_quarter_only(change: dict[str, Any]) -> None:
    name = "handling-satisfaction" if "fromDate" in change else "transparency"
    assert phu_tho(name, **change)["code"] == "NO_DATA"


def test_the_figures_of_phu_tho_hold_the_same_identities() -> None:
    for name, maximum in zip(GROUPS[:3], (18, 18, 22), strict=True):
        data = phu_tho(name)["data"]
        assert len(data["evaluation"]) == 11 == data["pagination"]["total"]
        assert_metric_group(data, maximum)
    assert_progress(phu_tho("dvc-progress-tree")["data"])
    assert_payment(phu_tho("formality-online-payment-tree")["data"])


def test_phu_tho_is_served_as_published(shared_dir: Path) -> None:
    present = []
    for name in GROUPS:
        text = (shared_dir / "reference" / "dvcqg766" / f"{name}.sample.json").read_text(encoding="utf-8")
        sample, served = json.loads(text, parse_float=Decimal)["data"], phu_tho(name)["data"]
        root, rows = ("overview", "evaluation") if "overview" in sample else ("parent", "children")
        by_id = {row["departmentId"]: row for row in sample[rows]}
        assert served[root] == sample[root]
        assert len(served[rows]) == 11
        assert all(row == by_id[row["departmentId"]] for row in served[rows])
        assert served.get("monthlyChart") == sample.get("monthlyChart")
        assert served.get("source") == sample.get("source")
        present.append({*by_id})
        kept = {row["departmentId"] for row in served[rows]}
    assert kept == set.intersection(*present)


def test_the_national_list_is_served_as_published(shared_dir: Path) -> None:
    sample = shared_dir / "reference" / "dvcqg766" / "service-results.sample.json"
    answer = portal.answer(
        "/api/v1/reporting/evaluation/service-results", YEAR | {"departmentType": "ADMINISTRATIVE_UNIT"}
    )
    assert answer.body == json.loads(sample.read_text(encoding="utf-8"))
    other = portal.answer(portal.path_of("service-results"), QUARTER | {"departmentType": "ADMINISTRATIVE_UNIT"})
    assert other.body["code"] == "NO_DATA"


def test_the_practice_units_are_a_complete_fictional_province() -> None:
    registry = load_registry([UNITS])
    units = [unit for unit in registry if unit.province == "H00"]
    count = {level: sum(unit.level == level for unit in units) for level in ("province", "department", "district")}
    assert count == {"province": 1, "department": 20, "district": 8}
    assert len(units) == 89
    assert len({unit.name for unit in units}) == 89
    namespace = uuid5(NAMESPACE_DNS, "practice.dti.invalid")
    for unit in units:
        assert unit.fictional
        assert "hư cấu" in unit.name
        # The portal knows no districts; the document axis knows their offices by a code of its own.
        is_district = unit.level == "district"
        portal_id = str(uuid5(namespace, f"dvcqg766:{unit.code}"))
        known = {"edoc_axis": f"VP-{unit.code}"} if is_district else {"dvcqg766": portal_id}
        assert unit.source_ids == known
        parent = registry.get(unit.parent) if unit.parent else None
        wanted = {"department": "province", "district": "province", "commune": "district"}.get(unit.level)
        assert (parent.level if parent else None) == wanted
        assert unit.level != "commune" or unit.code.startswith(f"{unit.parent}.")
    root = registry.by_source_id("dvcqg766", portal.PRACTICE_ROOT)
    assert root is not None
    assert root.code == "H00"


def test_the_sites_file_is_read_back_by_the_harvest(tmp_path: Path) -> None:
    write_sites(tmp_path / "sites.yaml", "http://127.0.0.1:8766")
    sites = {site.name: site for site in load_sites(tmp_path / "sites.yaml")}
    assert {name: (site.province, site.windows) for name, site in sites.items()} == {
        "phu-tho": ("H44", ("last_closed_quarter",)),
        "thuc-hanh": ("H00", ("last_closed_quarter", "year")),
        "toan-quoc": ("VN", ("year",)),
    }
    asked = {name for site in sites.values() for name in site.options["endpoints"]}
    assert asked == set(portal.ENDPOINTS)
    for site in sites.values():
        assert site.politeness is not None
        assert (site.politeness.min_interval_s, site.politeness.jitter_s, site.politeness.backoff_s) == (0, 0, 0)
    first = (tmp_path / "sites.yaml").read_bytes()
    write_sites(tmp_path / "sites.yaml", "http://127.0.0.1:8766")
    assert (tmp_path / "sites.yaml").read_bytes() == first
