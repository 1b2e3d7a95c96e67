"""The reader of the national portal's evaluation API: what it asks, what it reads, and what it refuses.

Three kinds of material: hand-built answers of a fictional province for every rule, short cuts of real answers in
`tests/fixtures/dvcqg766`, and the reference samples where that folder is present. Arithmetic on the published figures
is in `tests/test_published_figures.py`.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.dvcqg766 import vocabulary
from connectors.dvcqg766.connector import CONNECTOR, UNDATED
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Reading,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.units.registry import load_registry

FIXTURES = Path(__file__).parent.parent / "fixtures" / "dvcqg766"
PHU_THO = "019d2be3-6a88-732b-8b17-b68020c8553a"
VAN_PHONG = "019d2be3-6a88-732b-8b17-bb1e9a3f14ab"
VIET_TRI = "019d2be3-6ab4-74ce-8a81-1708de733a98"

ROOT = "00000000-0000-7000-8000-000000000000"
UNIT = "00000000-0000-7000-8000-000000000001"
OTHER = "00000000-0000-7000-8000-000000000002"
FORMALITY = "00000000-0000-7000-8000-00000000000f"
Q3 = {"timeType": "quarter", "year": 2026, "quarter": 3}
Q3_DAYS = {"fromDate": "2026-07-01", "toDate": "2026-09-30"}
JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


# --- helpers ---


def resolve(document: Any, pointer: str) -> Any:
    """RFC 6901."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def exact(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)


def stored_body(endpoint: str, root: str = ROOT) -> dict[str, Any]:
    if endpoint == "formalities":
        return {"currentPage": 1, "pageSize": 10}
    if endpoint == "service-results-national":
        return {**Q3, "departmentType": "ADMINISTRATIVE_UNIT"}
    dates = Q3_DAYS if endpoint == "handling-satisfaction" else Q3
    return {**dates, "rootDepartmentId": root, "currentPage": 1, "pageSize": 200}


def stored_path(endpoint: str) -> str:
    folder = "" if endpoint == "formalities" else "evaluation/"
    return f"/api/v1/reporting/{folder}{endpoint.removesuffix('-national')}"


def answer(
    endpoint: str,
    body: bytes | str | Mapping[str, Any],
    *,
    status: int = 201,
    headers: Mapping[str, str] = JSON_HEADERS,
    asked: Any = None,
    path: str | None = None,
) -> Snapshot:
    """A snapshot; a mapping is the answer's `data`, put into a good envelope."""
    if isinstance(body, Mapping):
        body = json.dumps({"code": "OK", "data": body, "message": "OK"}, ensure_ascii=False)
    raw = body.encode() if isinstance(body, str) else body
    request = Request("POST", path or stored_path(endpoint), json=stored_body(endpoint) if asked is None else asked)
    return Snapshot(request, status, headers, raw)


def read(endpoint: str, body: bytes | str | Mapping[str, Any], **how: Any) -> Reading:
    return CONNECTOR.read(answer(endpoint, body, **how))


def refusal(endpoint: str, body: bytes | str | Mapping[str, Any], **how: Any) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        read(endpoint, body, **how)
    return caught.value


def figure(reading: Reading, metric: str, unit: str = UNIT) -> Observation:
    (found,) = [item for item in reading.observations if (item.metric, item.unit) == (metric, unit)]
    return found


def metrics_of(reading: Reading, unit: str) -> set[str]:
    return {item.metric for item in reading.observations if item.unit == unit}


def assert_locators_hold(reading: Reading, body: bytes) -> None:
    """Every observation equals what stands at its locator in the bytes."""
    document = exact(body)
    assert reading.observations
    for item in reading.observations:
        there = resolve(document, item.locator)
        if isinstance(there, dict):
            parts = (there.get("ratio"), there.get("numerator"), there.get("denominator"))
            assert (item.value, item.numerator, item.denominator) == parts, item
            assert item.metric == f"qd766_{there['code'].lower()}"
        else:
            assert (item.value, item.numerator, item.denominator) == (there, None, None), item
        assert (item.value is not None) == (item.state is InputState.HARVESTED), item


# --- a small good answer of every kind; each test spoils one thing in it ---


def metric_item(code: str, top: Any, bottom: Any, ratio: Any, score: Any, maximum: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name": code.title(),
        "numerator": top,
        "denominator": bottom,
        "ratio": ratio,
        "score": score,
        "maxScore": maximum,
    }


def agency(identifier: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    level = "COMMUNE" if kind == "COMMUNE_PEOPLE_COMMITTEE" else "PROVINCE"
    return {
        "stt": 1,
        "departmentId": identifier,
        "departmentName": name,
        "departmentType": kind,
        "departmentLevel": level,
        "agencyLevel": "level_1" if kind == "PROVINCE" else "level_2",
        "scoreDelta": None,
        **more,
    }


def transparency() -> dict[str, Any]:
    def metrics() -> list[dict[str, Any]]:
        return [
            metric_item("PUBLISH_ON_TIME", 1, 2, 50, 3, 6),
            metric_item("PUBLIC_UPDATE_ON_TIME", 1, 4, 25, 1, 4),
            metric_item("PUBLIC_CONTENT_FULL", 0, 5, 0, 0, 2),
            metric_item("DOSSIER_SYNC", 2, 3, 66.67, 4, 6),
        ]

    score = {"totalScore": 8, "totalMaxScore": 18, "ratio": 44.44}
    return {
        "overview": agency(ROOT, "UBND tỉnh Thực Hành", "PROVINCE", **score, metrics=metrics(), averageScore=7.5),
        "monthlyChart": [],
        "evaluation": [
            agency(UNIT, "Sở Thử Nghiệm - Tỉnh Thực Hành", "PROVINCIAL_DEPARTMENT", **score, metrics=metrics()),
            agency(OTHER, "UBND xã Tập Dượt", "COMMUNE_PEOPLE_COMMITTEE", **score, metrics=metrics()),
        ],
        "pagination": {"total": 2, "currentPage": 1, "pageSize": 200, "totalPages": 1},
        "source": "practice",
    }


def satisfaction() -> dict[str, Any]:
    def row(identifier: str, name: str, kind: str) -> dict[str, Any]:
        metrics = [
            metric_item("PETITION_CLASSIFICATION_TTHC", 0, 0, 0, None, 0),
            metric_item("DOSSIER_RECEIVING_SATISFACTION", 9, 10, 90, 6, 6),
            metric_item("PETITION_PROCESSING_ON_TIME", 0, 0, 0, 6, 6),
            metric_item("PETITION_HANDLING_SATISFACTION", 0, 0, 0, 6, 6),
            metric_item("PETITION_CLASSIFICATION_STAFF", 0, 0, 0, None, 0),
        ]
        counts = {"totalPetitions": 0, "classifiedPetitions": 0, "totalDossiers": 10, "averageScore": None}
        return agency(identifier, name, kind, totalScore=18, totalMaxScore=18, ratio=100, metrics=metrics, **counts)

    return {
        "overview": row(ROOT, "UBND tỉnh Thực Hành", "PROVINCE"),
        "evaluation": [row(UNIT, "Sở Thử Nghiệm", "PROVINCIAL_DEPARTMENT")],
        "pagination": {"total": 1, "currentPage": 1, "pageSize": 200, "totalPages": 1},
        "source": "practice",
    }


def digitised() -> dict[str, Any]:
    def row(identifier: str, code: str, name: str, kind: str) -> dict[str, Any]:
        metrics = [
            metric_item("ORIGINAL_RESULT_AVAILABLE", 1, 2, 50, 3, 6),
            metric_item("SO_HOA_GIAY_TO_GIAI_QUYET", 1, 2, 50, 2, 4),
            metric_item("REUSED_DIGITIZED_DATA", 0, 2, 0, 0, 2),
            metric_item("SYNCED_WITH_DVCQG_PERSONAL_STORAGE", 0, 2, 0, 0, 4),
            metric_item("CITIZEN_DATA_CONNECTED_DOSSIER", 2, 2, 100, 2, 2),
            metric_item("CITIZEN_DATA_CONNECTED_FORMALITY", 2, 2, 100, 2, 2),
            metric_item("ELECTRONIC_CERTIFIED_COPY", None, None, 100, 2, 2),
        ]
        score = {"totalScore": 11, "totalMaxScore": 22, "ratio": 50}
        return agency(identifier, name, kind, departmentCode=code, **score, metrics=metrics)

    return {
        "overview": row(ROOT, "H00", "UBND tỉnh Thực Hành", "PROVINCE"),
        "evaluation": [row(UNIT, "H00.01", "Sở Thử Nghiệm", "PROVINCIAL_DEPARTMENT")],
        "pagination": {"total": 1, "currentPage": 1, "pageSize": 200, "totalPages": 1},
        "source": "practice",
    }


def tree(parent: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    def named(identifier: str, code: str, name: str) -> dict[str, Any]:
        return {"departmentId": identifier, "departmentName": name, "departmentCode": code}

    return {
        "parent": {**named(ROOT, "H00", "UBND tỉnh Thực Hành"), **parent},
        "children": [
            {**named(UNIT, "H00.01", "Sở Thử Nghiệm"), "level": "PROVINCE", **child, "scoreDelta": None},
            {**named(OTHER, "H00.100", "UBND xã Tập Dượt"), "level": "COMMUNE", **child, "scoreDelta": None},
        ],
    }


def progress() -> dict[str, Any]:
    both = {"totalReceived": 10, "totalOnTime": 7, "avgProcessingDays": 2.5, "ratio": 70}
    return tree(
        {**both, "totalCompleted": 9, "totalScore": 14, "totalMaxScore": 20},
        {**both, "totalOverdue": 3, "score": 14, "maxScore": 20},
    ) | {"monthlyChart": [{"month": "01", "onTimePct": 0, "overduePct": 0}]}


def online() -> dict[str, Any]:
    score = {"totalScore": 6, "totalMaxScore": 12, "ratio": 50}
    counts = {
        "authorityCount": 80,
        "partialCount": 30,
        "fullCount": 20,
        "onlineDossierCount": 40,
        "onlineServiceTotal": 60,
        "channelOnlineSum": 70,
        "channelDirectSum": 25,
        "channelPostalSum": 5,
        "channelTotalSum": 100,
        "onlineOnTimeSum": 60,
        "onlineOverdueSum": 10,
    }
    return tree({**score, **counts}, score) | {"monthlyChart": []}


def payment() -> dict[str, Any]:
    both = {
        "totalScore": 5,
        "totalMaxScore": 10,
        "ratio": 50,
        "totalDossierOnlinePaymentSuccess": 3,
        "totalDossierFinancialObligation": 6,
        "totalDossierOnlineFormalityPaymentSuccess": 2,
        "totalFeeDossierFormality": 1,
        "totalFeeFormality": 4,
        "totalFeeDossierFormalityDistinct": 4,
    }
    return tree(both, both)


def totals() -> dict[str, Any]:
    """service-results asked for one province: the root has a code and no id."""
    return {
        "overview": {
            "departmentName": "UBND tỉnh Thực Hành",
            "departmentCode": "H00",
            "totalScore": 60.5,
            "totalMaxScore": 100,
            "ratio": 60.5,
        },
        "growthPercent": 1.5,
        "radar": [],
        "donuts": {},
        "evaluation": [
            {
                "departmentId": UNIT,
                "departmentName": "Sở Thử Nghiệm",
                "departmentCode": "H00.01",
                "childGroup": "AGENCY",
                "totalScore": 71.25,
                "ratio": 71.25,
                "scoreDelta": None,
            }
        ],
        "monthlyChart": [],
        "dossierChart": [],
    }


def national() -> dict[str, Any]:
    data = totals()
    data["overview"] |= {"departmentName": "Cả nước", "departmentCode": None}
    row = data["evaluation"][0]
    del row["childGroup"]
    groups = {"CKMB": 18, "TDGQ": 20, "CLGQ": 12, "TTTT": 10, "MDHL": 5.25, "MDSH": 6}
    row |= {"departmentName": "UBND tỉnh Thực Hành", "departmentCode": "H00", "groupScores": groups}
    return data


def catalogue() -> dict[str, Any]:
    def item(number: int, state: str) -> dict[str, Any]:
        return {
            "id": f"00000000-0000-7000-8000-00000000010{number}",
            "code": f"9.00000{number}",
            "name": "Thủ tục thực hành",
            "state": state,
            "departmentId": ROOT,
            "publishingDepartmentIds": [ROOT],
            "appliedDepartmentIds": [],
        }

    return {
        "items": [item(1, "UPDATED"), item(2, "ACTIVE"), item(3, "INACTIVE")],
        "pagination": {"total": 3, "currentPage": 1, "pageSize": 10, "totalPages": 1},
    }


GOOD: dict[str, Callable[[], dict[str, Any]]] = {
    "service-results": totals,
    "service-results-national": national,
    "transparency": transparency,
    "handling-satisfaction": satisfaction,
    "dossier-digitized": digitised,
    "dvc-progress-tree": progress,
    "provide-online-tree": online,
    "formality-online-payment-tree": payment,
    "formalities": catalogue,
}
ENDPOINTS = tuple(GOOD)
WITH_ROOT = tuple(name for name in ENDPOINTS if name not in ("service-results-national", "formalities"))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_good_answer_has_neither_quarantine_nor_warning(endpoint: str) -> None:
    snapshot = answer(endpoint, GOOD[endpoint]())
    reading = CONNECTOR.read(snapshot)
    assert reading.quarantined == ()
    expected = ["service-results-national: có 1 dòng, cổng báo 34 (tại /data/evaluation)"]
    assert list(reading.warnings) == (expected if endpoint == "service-results-national" else [])
    assert_locators_hold(reading, snapshot.body)
    assert CONNECTOR.read(snapshot) == reading


# --- real answers ---

REAL = (
    # file, endpoint, body asked, units with figures, observations
    ("transparency", "transparency", Q3, 2, 3 * 9),
    ("transparency.month-nulls", "transparency", {"timeType": "month", "year": 2026, "month": 8}, 2, 3 * 9),
    ("dossier-digitized", "dossier-digitized", Q3, 2, 3 * 15),
    ("dossier-digitized.formality-nulls", "dossier-digitized", Q3 | {"formalityID": FORMALITY}, 2, 3 * 13),
    ("handling-satisfaction", "handling-satisfaction", Q3_DAYS, 2, 3 * (5 + 3 + 3 + 1)),
    ("dvc-progress-tree", "dvc-progress-tree", Q3, 2, 3 * 5),
    ("provide-online-tree", "provide-online-tree", Q3, 2, 12 + 2),
    ("formality-online-payment-tree", "formality-online-payment-tree", Q3, 2, 3 * 7),
    ("service-results", "service-results-national", {"timeType": "year", "year": 2026}, 2, 1 + 2 * 7),
    ("formalities", "formalities", {"currentPage": 575, "pageSize": 10}, 0, 1),
)
SAMPLE_ROWS = {
    "transparency": 11,
    "transparency.month-nulls": 11,
    "dossier-digitized": 11,
    "dossier-digitized.formality-nulls": 10,
    "handling-satisfaction": 12,
    "dvc-progress-tree": 13,
    "provide-online-tree": 13,
    "formality-online-payment-tree": 13,
    "service-results": 12,
}


def read_real(path: Path, endpoint: str, asked: Mapping[str, Any]) -> tuple[Reading, bytes]:
    if endpoint == "service-results-national":
        asked = {**asked, "departmentType": "ADMINISTRATIVE_UNIT"}
    elif endpoint != "formalities":
        asked = {**asked, "rootDepartmentId": PHU_THO, "currentPage": 1, "pageSize": 200}
    body = path.read_bytes()
    return read(endpoint, body, asked=asked), body


def fixture(name: str) -> Reading:
    endpoint, asked = next((endpoint, asked) for file, endpoint, asked, *_ in REAL if file == name)
    return read_real(FIXTURES / f"{name}.json", endpoint, asked)[0]


@pytest.mark.parametrize(("file", "endpoint", "asked", "rows", "count"), REAL)
def test_real_answers_are_read_to_the_last_number(
    file: str, endpoint: str, asked: dict[str, Any], rows: int, count: int
) -> None:
    reading, body = read_real(FIXTURES / f"{file}.json", endpoint, asked)
    assert reading.quarantined == ()
    assert len(reading.observations) == count
    assert len({item.unit for item in reading.observations}) == rows + 1
    assert_locators_hold(reading, body)


@pytest.mark.parametrize(("file", "endpoint", "asked", "rows", "count"), REAL)
def test_the_reference_samples_are_read_as_they_are(
    shared_dir: Path, file: str, endpoint: str, asked: dict[str, Any], rows: int, count: int
) -> None:
    name = "formalities.page-last.full.json" if file == "formalities" else f"{file}.sample.json"
    reading, body = read_real(shared_dir / "reference" / "dvcqg766" / name, endpoint, asked)
    assert reading.quarantined == ()
    assert len({item.unit for item in reading.observations}) == SAMPLE_ROWS.get(file, 0) + 1
    assert not [warning for warning in reading.warnings if "trường mới" in warning or "thiếu" in warning]
    assert_locators_hold(reading, body)


def test_the_first_page_of_the_catalogue_sample(shared_dir: Path) -> None:
    body = (shared_dir / "reference" / "dvcqg766" / "formalities.sample.json").read_bytes()
    reading = read("formalities", body)
    assert [(item.unit, item.unit_code, item.value) for item in reading.observations] == [("VN", "VN", 5741)]
    assert reading.warnings == ("formalities: có 6 dòng, cổng báo 10 (tại /data/items)",)
    assert_locators_hold(reading, body)


def test_the_sample_of_a_block_page(shared_dir: Path) -> None:
    body = (shared_dir / "reference" / "dvcqg766" / "rejected.generic-f5.html").read_bytes()
    for headers in ({}, {"Content-Type": "text/html"}, JSON_HEADERS):
        failure = refusal("transparency", body, status=200, headers=headers)
        assert failure.kind is FailureKind.BLOCKED
        assert "Your support ID is: 9108677460373260626" in failure.message
        assert "<" not in failure.message
        assert not failure.retryable


def test_a_figure_names_its_unit_period_and_place() -> None:
    reading = fixture("dvc-progress-tree")
    assert figure(reading, "dossiers_on_time", VAN_PHONG) == Observation(
        metric="dossiers_on_time",
        unit=VAN_PHONG,
        unit_name="Văn phòng UBND Tỉnh - Tỉnh Phú Thọ",
        period=quarter(2026, 3),
        state=InputState.HARVESTED,
        locator="/data/children/0/totalOnTime",
        value=Decimal(156),
        unit_code="H44.01",
    )
    assert figure(reading, "qd766_progress_score", VIET_TRI).value == Decimal("17.44")
    assert figure(reading, "dossiers_completed", PHU_THO).value == 375592
    assert "dossiers_overdue" not in metrics_of(reading, PHU_THO)
    assert "dossiers_completed" not in metrics_of(reading, VIET_TRI)


def test_a_measured_ratio_carries_its_parts_and_its_points_apart() -> None:
    reading = fixture("dossier-digitized")
    measured = figure(reading, "qd766_so_hoa_giay_to_giai_quyet", PHU_THO)
    assert (measured.value, measured.numerator, measured.denominator) == (Decimal("18.08"), 83994, 464494)
    assert measured.locator == "/data/overview/metrics/1"
    points = figure(reading, "qd766_so_hoa_giay_to_giai_quyet_score", PHU_THO)
    assert (points.value, points.numerator, points.locator) == (
        Decimal("0.72"),
        None,
        "/data/overview/metrics/1/score",
    )
    copies = figure(reading, "qd766_electronic_certified_copy", PHU_THO)
    assert (copies.state, copies.value, copies.numerator) == (InputState.HARVESTED, 100, None)


def test_nothing_due_is_not_zero() -> None:
    month_8 = fixture("transparency.month-nulls")
    due = figure(month_8, "qd766_publish_on_time", PHU_THO)
    assert (due.state, due.value, due.numerator, due.denominator) == (InputState.NOT_APPLICABLE, None, 0, 0)
    assert figure(month_8, "qd766_publish_on_time_score", PHU_THO).state is InputState.NOT_APPLICABLE
    assert due.period == month(2026, 8)
    none_on_time = figure(fixture("transparency"), "qd766_publish_on_time", PHU_THO)
    assert (none_on_time.state, none_on_time.value, none_on_time.denominator) == (InputState.HARVESTED, 0, 54)
    one_procedure = fixture("dossier-digitized.formality-nulls")
    assert figure(one_procedure, "qd766_reused_digitized_data", VAN_PHONG).state is InputState.NOT_APPLICABLE
    assert "qd766_citizen_data_connected_formality" not in metrics_of(one_procedure, VAN_PHONG)


def test_no_petitions_is_full_marks_and_stays_a_figure() -> None:
    reading = fixture("handling-satisfaction")
    handled = figure(reading, "qd766_petition_processing_on_time", VAN_PHONG)
    assert (handled.state, handled.value, handled.denominator) == (InputState.HARVESTED, 0, 0)
    assert figure(reading, "qd766_petition_processing_on_time_score", VAN_PHONG).value == 6
    assert figure(reading, "petitions_received", VAN_PHONG).value == 0
    assert figure(reading, "dossiers_rated", PHU_THO).value == 464494
    assert "qd766_petition_classification_tthc_score" not in metrics_of(reading, VAN_PHONG)
    assert figure(reading, "qd766_petition_classification_tthc", PHU_THO).numerator == 373


def test_the_portals_own_doubt_is_kept_word_for_word() -> None:
    reading = fixture("transparency.month-nulls")
    provisional = (
        "TEMP_NATIONAL_REPORT_DENOMINATOR: Mẫu số BCQG/GRIS đang dùng số tạm, cần thay bằng dữ liệu crawl hệ thống cũ."
    )
    for metric in ("qd766_dossier_sync", "qd766_dossier_sync_score"):
        assert figure(reading, metric, PHU_THO).flag == provisional
        assert figure(reading, metric, VAN_PHONG).flag == "NO_NATIONAL_REPORT_DATA: Không có dữ liệu báo cáo tổng hợp."
    assert figure(reading, "qd766_publish_on_time", PHU_THO).flag is None


def test_units_join_on_the_department_id_because_two_endpoints_have_no_code() -> None:
    registry = load_registry()
    for name in ("transparency", "handling-satisfaction"):
        for item in fixture(name).observations:
            assert item.unit_code is None
            assert registry.by_source_id("dvcqg766", item.unit) is not None, item.unit_name
    for name in ("dossier-digitized", "dvc-progress-tree", "provide-online-tree", "formality-online-payment-tree"):
        for item in fixture(name).observations:
            unit = registry.by_source_id("dvcqg766", item.unit)
            assert unit is not None
            assert unit.code == item.unit_code


def test_every_coded_row_of_the_samples_is_the_registrys_unit(shared_dir: Path) -> None:
    registry = load_registry()
    checked = 0
    for file, endpoint, asked, *_ in REAL[:-1]:
        path = shared_dir / "reference" / "dvcqg766" / f"{file}.sample.json"
        for item in read_real(path, endpoint, asked)[0].observations:
            unit = registry.by_source_id("dvcqg766", item.unit)
            if item.unit == "VN":
                continue
            assert unit is not None, item
            assert item.unit_code in (None, unit.code)
            assert item.unit_name.removesuffix(" - Tỉnh Phú Thọ").removeprefix("UBND ") == unit.name.removeprefix(
                "UBND "
            )
            checked += 1
    assert checked > 800


def test_the_national_list_keeps_groups_and_the_country_apart() -> None:
    reading = fixture("service-results")
    country = figure(reading, "qd766_total_score", "VN")
    assert (country.value, country.unit_code, country.unit_name) == (Decimal("56.56"), "VN", "Cả nước")
    assert country.period == year(2026)
    scores = {
        "qd766_total_score": "62.6",
        "qd766_transparency_score": "7.96",
        "qd766_progress_score": "17.63",
        "qd766_online_service_score": "9.09",
        "qd766_payment_score": "6.58",
        "qd766_satisfaction_score": "11.79",
        "qd766_digitisation_score": "9.55",
    }
    assert metrics_of(reading, PHU_THO) == set(scores)
    for metric, value in scores.items():
        assert figure(reading, metric, PHU_THO).value == Decimal(value)
    assert figure(reading, "qd766_payment_score", PHU_THO).locator == "/data/evaluation/1/groupScores/TTTT"


def test_the_raw_counts_of_the_online_group_belong_to_the_province_alone() -> None:
    reading = fixture("provide-online-tree")
    expected = {
        "procedures_authorised": 89,
        "services_partial_online": 31,
        "services_full_process": 21,
        "online_services_with_dossiers": 449,
        "online_services_total": 1884,
        "dossiers_received_online": 435258,
        "dossiers_received_direct": 5300,
        "dossiers_received_postal": 0,
        "dossiers_received_all_channels": 440558,
        "dossiers_online_on_time": 391455,
        "dossiers_online_overdue": 43803,
        "qd766_online_service_score": Decimal("8.41"),
    }
    assert {item.metric: item.value for item in reading.observations if item.unit == PHU_THO} == expected
    assert metrics_of(reading, VIET_TRI) == {"qd766_online_service_score"}


def test_payment_counts_go_by_their_own_names() -> None:
    reading = fixture("formality-online-payment-tree")
    expected = {
        "qd766_payment_score": Decimal("6.68"),
        "dossiers_paid_online": 3082,
        "dossiers_with_fee_obligation": 3816,
        "procedures_paid_online": 17,
        "procedures_with_fee_dossiers": 10,
        "procedures_with_fee": 37,
        "procedures_with_fee_distinct": 37,
    }
    assert {item.metric: item.value for item in reading.observations if item.unit == VIET_TRI} == expected


def test_the_catalogue_has_no_period() -> None:
    (size,) = fixture("formalities").observations
    assert (size.metric, size.value, size.period, size.locator) == (
        "procedures_catalogued",
        5741,
        UNDATED,
        "/data/pagination/total",
    )


# --- what makes an answer unusable ---


@pytest.mark.parametrize("status", [403, 429])
def test_a_refusal_is_blocked_whatever_the_body(status: int) -> None:
    failure = refusal("transparency", transparency(), status=status)
    assert (failure.kind, failure.retryable) == (FailureKind.BLOCKED, False)


PAGES = [
    ({"content-type": "text/html; charset=utf-8"}, "<p>Bảo trì</p>"),
    ({"Content-Type": "TEXT/HTML"}, "<p>Bảo trì</p>"),
    ({}, "<title>Request Rejected</title>Bảo trì"),
    (JSON_HEADERS, "ACCESS DENIED: Bảo trì"),
    (JSON_HEADERS, " " * 4000 + "access denied, Bảo trì"),
]


@pytest.mark.parametrize("status", [500, 502, 503, 408])
@pytest.mark.parametrize(("headers", "body"), PAGES)
def test_a_server_error_is_one_whatever_page_comes_with_it(status: int, headers: Mapping[str, str], body: str) -> None:
    failure = refusal("transparency", body, status=status, headers=headers)
    assert (failure.kind, failure.retryable) == (FailureKind.HTTP_STATUS, True)
    assert "Bảo trì" in failure.message, "what the page says is for the operator"
    assert str(status) in failure.message


@pytest.mark.parametrize("status", [200, 201, 403])
@pytest.mark.parametrize(("headers", "body"), PAGES)
def test_a_page_in_place_of_figures_is_blocked(status: int, headers: Mapping[str, str], body: str) -> None:
    failure = refusal("transparency", body, status=status, headers=headers)
    assert (failure.kind, failure.retryable) == (FailureKind.BLOCKED, False)
    assert "Bảo trì" in failure.message
    assert str(status) in failure.message


def test_words_of_refusal_deep_inside_a_good_answer_mean_nothing() -> None:
    data = catalogue()
    data["items"][2]["name"] = "x" * 5000 + "access denied"
    assert read("formalities", data).quarantined == ()


@pytest.mark.parametrize(
    ("status", "retryable"), [(204, False), (301, False), (404, False), (408, True), (500, True), (503, True)]
)
def test_any_other_status_is_a_failure_even_with_a_good_body(status: int, retryable: bool) -> None:
    failure = refusal("transparency", transparency(), status=status)
    assert (failure.kind, failure.retryable) == (FailureKind.HTTP_STATUS, retryable)
    assert str(status) in failure.message


def test_status_200_is_as_good_as_201() -> None:
    assert read("transparency", transparency(), status=200) == read("transparency", transparency())


def test_every_shorter_piece_of_an_answer_is_truncated() -> None:
    body = (FIXTURES / "dvc-progress-tree.json").read_bytes().rstrip()
    asked = stored_body("dvc-progress-tree", PHU_THO)
    assert read("dvc-progress-tree", body, asked=asked).observations
    for length in range(1, len(body)):
        failure = refusal("dvc-progress-tree", body[:length], asked=asked)
        assert (failure.kind, failure.retryable) == (FailureKind.TRUNCATED, True), body[:length][-30:]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"OK",
        b'{"code": nope}',
        b'{"code":"OK",}',
        b"null and void",
        b"\xff\xfe{}",
        b'{"code":"\xff"}',
        b'{"code":"OK","data":{"overview":NaN}}',
        b'{"code":"OK","data":{"overview":-Infinity}}',
        b'{"code":"OK","data":{"overview":1e99999999999999999999}}',
        b'{"code":"OK"} {"code":"OK"}',
    ],
)
def test_what_is_not_json_is_called_so(body: bytes) -> None:
    failure = refusal("transparency", body)
    assert (failure.kind, failure.retryable) == (FailureKind.NOT_JSON, False)


def test_brackets_inside_a_string_that_was_cut_close_nothing() -> None:
    assert refusal("transparency", '{"code":"OK","message":"}}}').kind is FailureKind.TRUNCATED
    assert refusal("transparency", '{"code":"OK","message":"\\"}}}').kind is FailureKind.TRUNCATED


def test_bottomless_nesting_is_a_failure_and_no_crash() -> None:
    assert refusal("transparency", "[" * 200_000 + "]" * 200_000).kind is FailureKind.NOT_JSON
    assert refusal("transparency", "[" * 200_000).kind is FailureKind.TRUNCATED


def test_a_byte_order_mark_does_not_matter() -> None:
    body = json.dumps({"code": "OK", "data": progress(), "message": "OK"}).encode()
    assert read("dvc-progress-tree", b"\xef\xbb\xbf" + body) == read("dvc-progress-tree", body)


@pytest.mark.parametrize("code", ["ERROR", "ok", None, 200, ["OK"]])
def test_the_envelopes_own_error_is_told_with_its_message(code: Any) -> None:
    body = json.dumps({"code": code, "data": transparency(), "message": "kỳ chưa có số liệu"})
    failure = refusal("transparency", body)
    assert failure.kind is FailureKind.SOURCE_ERROR
    assert "kỳ chưa có số liệu" in failure.message


@pytest.mark.parametrize("body", ["[]", '"OK"', "5", "null", '{"code":"OK"}'])
def test_an_answer_that_is_no_envelope_has_the_wrong_shape(body: str) -> None:
    assert refusal("transparency", body).kind is FailureKind.WRONG_SHAPE


@pytest.mark.parametrize("data", [None, [], "x", 3, True])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_data_that_is_no_object_has_the_wrong_shape(endpoint: str, data: Any) -> None:
    assert refusal(endpoint, json.dumps({"code": "OK", "data": data})).kind is FailureKind.WRONG_SHAPE


_WRONG_TYPES = [
    (endpoint, path, value)
    for endpoint, paths in {
        "transparency": (
            "overview", "evaluation", "evaluation/1", "evaluation/1/metrics", "evaluation/1/metrics/2", "pagination",
            "evaluation/1/metrics/2/numerator", "evaluation/1/totalScore", "overview/ratio", "pagination/total",
        ),
        "dvc-progress-tree": ("parent", "children", "children/0", "children/1/totalOnTime", "parent/totalReceived"),
        "provide-online-tree": ("parent", "children", "parent/channelOnlineSum"),
        "service-results": ("overview", "evaluation", "evaluation/0/totalScore"),
        "service-results-national": ("evaluation/0/groupScores", "evaluation/0/groupScores/CKMB"),
        "formalities": ("items", "items/1", "pagination", "pagination/total"),
    }.items()
    for path in paths
    for value in (True, [[1]], {"a": {}})
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "path", "value"), _WRONG_TYPES)
def test_a_field_of_another_type_means_that_the_shape_changed(endpoint: str, path: str, value: Any) -> None:
    data = GOOD[endpoint]()
    *steps, last = path.split("/")
    holder = resolve(data, "".join(f"/{step}" for step in steps))
    now = holder[int(last)] if isinstance(holder, list) else holder[last]
    if type(now) is type(value):  # a list for a list is no other type
        value = "other"
    holder[int(last) if isinstance(holder, list) else last] = value
    failure = refusal(endpoint, data)
    assert failure.kind is FailureKind.WRONG_SHAPE
    assert not failure.retryable


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "formalities"])
def test_a_missing_root_or_list_is_a_wrong_shape_and_no_empty_source(endpoint: str) -> None:
    for key in {"overview", "parent", "evaluation", "children"} & GOOD[endpoint]().keys():
        data = GOOD[endpoint]()
        del data[key]
        failure = refusal(endpoint, data)
        assert failure.kind is FailureKind.WRONG_SHAPE
        assert key in failure.message


@pytest.mark.parametrize("value", [1, ["x"], {}])
@pytest.mark.parametrize("name", ["departmentId", "departmentName", "departmentCode"])
def test_a_name_that_is_no_text_is_a_wrong_shape(name: str, value: Any) -> None:
    data = progress()
    data["children"][0][name] = value
    assert refusal("dvc-progress-tree", data).kind is FailureKind.WRONG_SHAPE


def test_a_key_that_stands_twice_is_a_wrong_shape() -> None:
    body = json.dumps({"code": "OK", "data": progress()}).replace(
        '"totalOnTime": 7', '"totalOnTime": 7, "totalOnTime": 8'
    )
    failure = refusal("dvc-progress-tree", body)
    assert failure.kind is FailureKind.WRONG_SHAPE
    assert "totalOnTime" in failure.message


@pytest.mark.parametrize("endpoint", [name for name in WITH_ROOT if name != "service-results"])
def test_an_answer_about_another_unit_is_refused(endpoint: str) -> None:
    failure = refusal(endpoint, GOOD[endpoint](), asked=stored_body(endpoint, root=OTHER))
    assert failure.kind is FailureKind.WRONG_ROOT
    assert ROOT in failure.message
    assert OTHER in failure.message
    data = GOOD[endpoint]()
    del data["overview" if "overview" in data else "parent"]["departmentId"]
    assert refusal(endpoint, data).kind is FailureKind.WRONG_ROOT


def test_totals_asked_for_a_province_are_filed_under_the_code_that_the_answer_bears() -> None:
    root = figure(read("service-results", totals()), "qd766_total_score", "H00")
    assert (root.unit_code, root.value, root.unit_name) == ("H00", Decimal("60.5"), "UBND tỉnh Thực Hành")
    assert refusal("service-results", national()).kind is FailureKind.WRONG_ROOT
    assert refusal("service-results-national", totals()).kind is FailureKind.WRONG_ROOT
    data = totals()
    data["overview"]["departmentId"] = OTHER
    assert refusal("service-results", data).kind is FailureKind.WRONG_ROOT


# --- the stored request ---


@pytest.mark.parametrize(
    ("asked", "period"),
    [
        ({"timeType": "year", "year": 2026}, year(2026)),
        ({"timeType": "quarter", "year": 2025, "quarter": 4}, quarter(2025, 4)),
        ({"timeType": "month", "year": 2024, "month": 2}, Period(dt.date(2024, 2, 1), dt.date(2024, 2, 29))),
        ({"fromDate": "2026-01-01", "toDate": "2026-12-31"}, year(2026)),
    ],
)
def test_the_stored_request_dates_the_figures(asked: dict[str, Any], period: Period) -> None:
    reading = read("dvc-progress-tree", progress(), asked={**asked, "rootDepartmentId": ROOT})
    assert {item.period for item in reading.observations} == {period}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"timeType": "quarter", "year": 2026},
        {"timeType": "quarter", "year": 2026, "quarter": 5},
        {"timeType": "month", "year": 2026, "month": 13},
        {"timeType": "month", "year": "2026", "month": 1},
        {"timeType": "year", "year": 10**30},
        {"timeType": "week", "year": 2026},
        {"timeType": "week", **Q3_DAYS},
        {"fromDate": "2026-07-01"},
        {"fromDate": "2026-09-30", "toDate": "2026-07-01"},
        {"fromDate": "2026-07-01", "toDate": "2026-09-31"},
    ],
)
def test_figures_that_cannot_be_dated_are_refused(asked: dict[str, Any]) -> None:
    failure = refusal("dvc-progress-tree", progress(), asked={**asked, "rootDepartmentId": ROOT})
    assert failure.kind is FailureKind.WRONG_SHAPE
    assert "lưu kèm thân yêu cầu" in failure.message


@pytest.mark.parametrize("endpoint", WITH_ROOT)
def test_a_request_stored_without_its_body_is_refused(endpoint: str) -> None:
    for asked in ("", [], dict(Q3)):
        failure = refusal(endpoint, GOOD[endpoint](), asked=asked)
        assert failure.kind is FailureKind.WRONG_SHAPE
        assert "lưu kèm thân yêu cầu" in failure.message


@pytest.mark.parametrize(
    "prefix", ["https://dichvucong.gov.vn", "http://127.0.0.1:8080", "//dichvucong.gov.vn", "/mirror", ""]
)
@pytest.mark.parametrize("suffix", ["", "/", "?lang=vi"])
def test_the_endpoint_is_the_last_part_of_whatever_address_is_stored(prefix: str, suffix: str) -> None:
    for endpoint in ENDPOINTS:
        expected = read(endpoint, GOOD[endpoint]())
        assert read(endpoint, GOOD[endpoint](), path=prefix + stored_path(endpoint) + suffix) == expected


@pytest.mark.parametrize("path", ["", "/", "/api/v1/reporting/evaluation/other", "/x/service-results-national"])
def test_an_unknown_endpoint_is_refused_by_name(path: str) -> None:
    failure = refusal("transparency", transparency(), path=path or "?")
    assert failure.kind is FailureKind.WRONG_SHAPE
    assert "đường dẫn" in failure.message


# --- one bad record does not take the others along ---


def whole_row(endpoint: str, spoil: Callable[[dict[str, Any]], None], at: str) -> str:
    """Spoil the record at `at`: it alone is quarantined, as it was printed, and all others are kept. Its reason."""
    data = GOOD[endpoint]()
    before = read(endpoint, copy.deepcopy(data))
    spoil(resolve({"data": data}, at))
    reading = read(endpoint, data)
    (bad,) = reading.quarantined
    assert bad.locator == at
    printed = json.loads(json.dumps(resolve({"data": data}, at)))
    assert json.loads(bad.record) == printed
    lost = [item for item in before.observations if item.locator.startswith(f"{at}/") or item.locator == at]
    assert lost
    assert [item for item in before.observations if item not in lost] == list(reading.observations)
    return bad.reason


@pytest.mark.parametrize(
    ("endpoint", "at"),
    [
        ("transparency", "/data/evaluation/1"),
        ("handling-satisfaction", "/data/evaluation/0"),
        ("dossier-digitized", "/data/evaluation/0"),
        ("service-results", "/data/evaluation/0"),
        ("service-results-national", "/data/evaluation/0"),
        ("dvc-progress-tree", "/data/children/1"),
        ("provide-online-tree", "/data/children/0"),
        ("formality-online-payment-tree", "/data/children/0"),
    ],
)
def test_a_row_without_an_id_or_name_waits_in_quarantine(endpoint: str, at: str) -> None:
    assert "departmentId" in whole_row(endpoint, lambda row: row.pop("departmentId"), at)
    assert "departmentId" in whole_row(endpoint, lambda row: row.update(departmentId=""), at)
    assert "departmentId" in whole_row(endpoint, lambda row: row.update(departmentId=None), at)
    assert "departmentName" in whole_row(endpoint, lambda row: row.pop("departmentName"), at)


def test_a_unit_that_stands_twice_counts_once() -> None:
    reason = whole_row("dvc-progress-tree", lambda row: row.update(departmentId=UNIT), "/data/children/1")
    assert "lần thứ hai" in reason
    reason = whole_row("dvc-progress-tree", lambda row: row.update(departmentId=ROOT), "/data/children/1")
    assert "lần thứ hai" in reason


@pytest.mark.parametrize("word", ["DISTRICT", "", None, 1, "province"])
@pytest.mark.parametrize(
    ("endpoint", "name", "at"),
    [
        ("transparency", "departmentType", "/data/evaluation/0"),
        ("transparency", "departmentType", "/data/overview"),
        ("handling-satisfaction", "departmentLevel", "/data/evaluation/0"),
        ("dossier-digitized", "agencyLevel", "/data/evaluation/0"),
        ("dvc-progress-tree", "level", "/data/children/1"),
        ("provide-online-tree", "level", "/data/children/1"),
        ("formality-online-payment-tree", "level", "/data/children/1"),
        ("service-results", "childGroup", "/data/evaluation/0"),
    ],
)
def test_an_unknown_kind_of_unit_never_falls_into_a_known_one(endpoint: str, name: str, at: str, word: Any) -> None:
    assert name in whole_row(endpoint, lambda row: row.update({name: word}), at)


@pytest.mark.parametrize(
    ("endpoint", "at", "changes", "reason"),
    [
        ("dvc-progress-tree", "/data/children/0", {"totalOnTime": 11, "totalOverdue": 0}, "totalOnTime 11 lớn hơn 10"),
        ("dvc-progress-tree", "/data/children/0", {"totalOverdue": 4}, "totalOnTime + totalOverdue = 11"),
        ("dvc-progress-tree", "/data/children/0", {"ratio": 70.02}, "tỷ lệ 70.02"),
        ("dvc-progress-tree", "/data/parent", {"ratio": 69.98}, "tỷ lệ 69.98"),
        ("dvc-progress-tree", "/data/parent", {"totalCompleted": 11}, "totalCompleted 11 lớn hơn 10"),
        ("dvc-progress-tree", "/data/parent", {"totalOnTime": 12}, "totalOnTime 12 lớn hơn 10"),
        ("provide-online-tree", "/data/parent", {"channelPostalSum": 4}, "khác channelTotalSum 100"),
        ("provide-online-tree", "/data/parent", {"onlineOverdueSum": 11}, "khác channelOnlineSum 70"),
        ("provide-online-tree", "/data/parent", {"onlineDossierCount": 61}, "onlineDossierCount 61 lớn hơn 60"),
        (
            "formality-online-payment-tree",
            "/data/children/1",
            {"totalDossierOnlinePaymentSuccess": 7},
            "totalDossierOnlinePaymentSuccess 7 lớn hơn 6",
        ),
        (
            "formality-online-payment-tree",
            "/data/children/1",
            {"totalDossierOnlineFormalityPaymentSuccess": 5},
            "totalDossierOnlineFormalityPaymentSuccess 5 lớn hơn 4",
        ),
        (
            "formality-online-payment-tree",
            "/data/parent",
            {"totalFeeDossierFormality": 5},
            "totalFeeDossierFormality 5 lớn hơn 4",
        ),
        ("handling-satisfaction", "/data/evaluation/0", {"classifiedPetitions": 1}, "classifiedPetitions 1 lớn hơn 0"),
    ],
)
def test_a_row_that_contradicts_itself_waits_in_quarantine(
    endpoint: str, at: str, changes: dict[str, Any], reason: str
) -> None:
    assert reason in whole_row(endpoint, lambda row: row.update(changes), at)


def test_a_hundredth_of_rounding_is_no_contradiction() -> None:
    data = progress()
    data["children"][0]["ratio"] = 70.01
    data["children"][1]["ratio"] = 69.99
    assert read("dvc-progress-tree", data).quarantined == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": "PUBLISH_LATE"}, "PUBLISH_LATE"),
        ({"code": None}, "null"),
        ({"code": "REUSED_DIGITIZED_DATA"}, "REUSED_DIGITIZED_DATA"),  # another endpoint's
        ({"code": "DOSSIER_SYNC"}, "DOSSIER_SYNC"),  # twice: the later one goes
        ({"numerator": 3}, "tử số 3 lớn hơn 2"),
        ({"score": 6.01}, "điểm 6.01 lớn hơn 6"),
        ({"maxScore": 8}, "thang điểm 8"),
        ({"ratio": 50.02}, "tỷ lệ 50.02"),
        ({"ratio": 100.5, "numerator": None, "denominator": None}, "tỷ lệ 100.5 lớn hơn 100"),
        ({"numerator": -1}, "âm"),
        ({"score": -0.01}, "âm"),
        ({"denominator": "2"}, "chuỗi"),
        ({"ratio": "50%"}, "chuỗi"),
        ({"score": "3"}, "chuỗi"),
        ({"denominator": 10**16}, "ngoài mọi khoảng"),
    ],
)
def test_one_bad_metric_is_put_aside_and_its_row_kept(changes: dict[str, Any], reason: str) -> None:
    data = transparency()
    row = data["evaluation"][0]
    at = "/data/evaluation/0/metrics/0"
    if changes.get("code") == "DOSSIER_SYNC":
        row["metrics"].append(row["metrics"].pop(0))
        at = "/data/evaluation/0/metrics/3"
    before = read("transparency", copy.deepcopy(data))
    resolve({"data": data}, at).update(changes)
    reading = read("transparency", data)
    (bad,) = reading.quarantined
    assert bad.locator == at
    assert reason in bad.reason
    lost = {item.metric for item in before.observations if item.locator.startswith(at)}
    assert lost == {"qd766_publish_on_time", "qd766_publish_on_time_score"}
    kept = [item for item in before.observations if not item.locator.startswith(at)]
    assert [item for item in reading.observations if item.state is InputState.HARVESTED] == kept
    assert not any("điểm thành phần" in warning for warning in reading.warnings)


@pytest.mark.parametrize("bad", ["14", -1, 10**16, 0.1234567891])
@pytest.mark.parametrize(
    ("endpoint", "at", "metric"),
    [
        ("dvc-progress-tree", "/data/children/0/score", "qd766_progress_score"),
        ("dvc-progress-tree", "/data/children/0/avgProcessingDays", "dossier_processing_days"),
        ("transparency", "/data/evaluation/0/totalScore", "qd766_transparency_score"),
        ("service-results-national", "/data/evaluation/0/groupScores/CKMB", "qd766_transparency_score"),
    ],
)
def test_one_bad_number_is_put_aside_and_its_row_kept(endpoint: str, at: str, metric: str, bad: Any) -> None:
    data = GOOD[endpoint]()
    before = read(endpoint, copy.deepcopy(data))
    parent, _, name = at.rpartition("/")
    resolve({"data": data}, parent)[name] = bad
    reading = read(endpoint, data)
    assert [(item.locator, json.loads(item.record)) for item in reading.quarantined] == [(at, bad)]
    assert [item for item in before.observations if item.locator != at] == list(reading.observations)
    assert figure(before, metric).locator == at


@pytest.mark.parametrize(
    ("endpoint", "at", "value", "reason"),
    [
        ("dvc-progress-tree", "/data/children/0/score", 20.01, "lớn hơn 20"),
        ("dvc-progress-tree", "/data/parent/totalScore", 21, "lớn hơn 20"),
        ("provide-online-tree", "/data/children/0/totalScore", 12.5, "lớn hơn 12"),
        ("provide-online-tree", "/data/children/0/totalScore", 6.01, "tỷ lệ 50"),  # 6.01 of 12 is 50.08 %
        ("formality-online-payment-tree", "/data/parent/totalScore", 5.01, "tỷ lệ 50"),
        ("service-results", "/data/evaluation/0/totalScore", 100.01, "lớn hơn 100"),
        ("service-results-national", "/data/evaluation/0/groupScores/TTTT", 10.01, "lớn hơn 10"),
        ("dossier-digitized", "/data/evaluation/0/totalScore", 22.5, "lớn hơn 22"),
    ],
)
def test_a_score_above_its_maximum_or_against_its_ratio_is_put_aside(
    endpoint: str, at: str, value: Any, reason: str
) -> None:
    data = GOOD[endpoint]()
    before = read(endpoint, copy.deepcopy(data))
    parent, _, name = at.rpartition("/")
    resolve({"data": data}, parent)[name] = value
    reading = read(endpoint, data)
    (bad,) = reading.quarantined
    assert bad.locator == at
    assert reason in bad.reason
    assert [item for item in before.observations if item.locator != at] == list(reading.observations)


def test_a_score_on_another_scale_is_put_aside() -> None:
    data = transparency()
    data["evaluation"][0] |= {"totalMaxScore": 16, "ratio": 50}
    (bad,) = read("transparency", data).quarantined
    assert (bad.locator, bad.reason) == ("/data/evaluation/0/totalScore", "thang điểm 16, trước nay là 18")


def test_an_unknown_group_is_put_aside_and_said() -> None:
    data = national()
    data["evaluation"][0]["groupScores"]["NEW"] = 3
    reading = read("service-results-national", data)
    assert [item.locator for item in reading.quarantined] == ["/data/evaluation/0/groupScores/NEW"]
    assert len(metrics_of(reading, UNIT)) == 7


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "DELETED"}, "DELETED"),
        ({"state": None}, "state null"),
        ({"id": None}, "không có id"),
        ({"id": "00000000-0000-7000-8000-000000000101"}, "lần thứ hai"),
    ],
)
def test_a_procedure_of_an_unknown_kind_is_put_aside(changes: dict[str, Any], reason: str) -> None:
    data = catalogue()
    data["items"][1].update(changes)
    reading = read("formalities", data)
    (bad,) = reading.quarantined
    assert bad.locator == "/data/items/1"
    assert reason in bad.reason
    assert reading.observations[0].value == 3


@pytest.mark.parametrize("total", ["3", -3])
def test_a_catalogue_of_a_senseless_size_has_no_size(total: Any) -> None:
    data = catalogue()
    data["pagination"]["total"] = total
    reading = read("formalities", data)
    assert reading.observations == ()
    assert [item.locator for item in reading.quarantined] == ["/data/pagination"]


# --- null, missing and new ---


def test_null_is_missing_and_says_nothing_while_a_missing_key_warns() -> None:
    data = progress()
    data["children"][0]["avgProcessingDays"] = None
    del data["children"][1]["avgProcessingDays"]
    data["parent"]["avgProcessingDays"] = 0
    reading = read("dvc-progress-tree", data)
    null, absent, zero = (figure(reading, "dossier_processing_days", unit) for unit in (UNIT, OTHER, ROOT))
    assert (null.state, null.value, null.locator) == (InputState.MISSING, None, "/data/children/0/avgProcessingDays")
    assert (absent.state, absent.value, absent.locator) == (InputState.MISSING, None, "/data/children/1")
    assert (zero.state, zero.value) == (InputState.HARVESTED, 0)
    assert reading.warnings == ("dvc-progress-tree: thiếu trường «avgProcessingDays» (tại /data/children/1)",)


@pytest.mark.parametrize(
    ("changes", "ratio_state", "score_state"),
    [
        ({"numerator": 0, "denominator": 0, "ratio": None, "score": None}, "not_applicable", "not_applicable"),
        ({"numerator": 0, "denominator": 0, "ratio": 0, "score": 0}, "harvested", "harvested"),
        ({"numerator": None, "denominator": None, "ratio": None, "score": None}, "missing", "missing"),
        ({"numerator": None, "denominator": None}, "harvested", "harvested"),
        ({"ratio": None}, "missing", "harvested"),
        ({"score": None}, "harvested", "missing"),
        ({"numerator": 0, "denominator": None, "ratio": None, "score": None}, "missing", "missing"),
    ],
)
def test_states_of_a_metric(changes: dict[str, Any], ratio_state: str, score_state: str) -> None:
    data = transparency()
    data["evaluation"][0]["metrics"][0].update(changes)
    reading = read("transparency", data)
    assert reading.quarantined == ()
    assert figure(reading, "qd766_publish_on_time").state == ratio_state
    assert figure(reading, "qd766_publish_on_time_score").state == score_state


@pytest.mark.parametrize("name", ["ratio", "score", "numerator"])
def test_a_metric_that_lacks_a_key_is_missing_even_where_nothing_was_due(name: str) -> None:
    data = transparency()
    item = data["evaluation"][0]["metrics"][0]
    item |= {"numerator": 0, "denominator": 0, "ratio": None, "score": None}
    del item[name]
    reading = read("transparency", data)
    lacking = figure(reading, "qd766_publish_on_time_score" if name == "score" else "qd766_publish_on_time")
    assert lacking.state is InputState.MISSING
    assert lacking.locator == "/data/evaluation/0/metrics/0"
    assert f"transparency: thiếu trường «{name}» (tại /data/evaluation/0/metrics/0)" in reading.warnings


def test_a_metric_that_is_not_there_is_missing() -> None:
    data = transparency()
    for row in data["evaluation"]:
        del row["metrics"][2]
    reading = read("transparency", data)
    for metric in ("qd766_public_content_full", "qd766_public_content_full_score"):
        absent = figure(reading, metric)
        assert (absent.state, absent.locator) == (InputState.MISSING, "/data/evaluation/0/metrics")
    assert reading.warnings == (
        "transparency: thiếu chỉ tiêu «PUBLIC_CONTENT_FULL» (tại /data/evaluation/0/metrics và 1 chỗ khác)",
    )


def test_a_group_score_that_is_not_there_is_missing() -> None:
    data = national()
    del data["evaluation"][0]["groupScores"]["CLGQ"]
    reading = read("service-results-national", data)
    absent = figure(reading, "qd766_online_service_score")
    assert (absent.state, absent.locator) == (InputState.MISSING, "/data/evaluation/0/groupScores")
    assert any("CLGQ" in warning for warning in reading.warnings)


def test_one_procedure_leaves_out_one_metric_and_says_that_it_is_no_whole() -> None:
    data = digitised()
    for row in (data["overview"], *data["evaluation"]):
        del row["metrics"][5]
        row |= {"totalScore": 9, "totalMaxScore": 20, "ratio": 45}
    asked = stored_body("dossier-digitized") | {"formalityID": FORMALITY}
    reading = read("dossier-digitized", data, asked=asked)
    assert "qd766_citizen_data_connected_formality" not in metrics_of(reading, UNIT)
    assert reading.warnings == (
        "dossier-digitized: số liệu chỉ của một thủ tục, không phải của cả đơn vị (tại /data/overview)",
    )
    (unasked,) = read("dossier-digitized", data).warnings
    assert "thang điểm 20 dù không lọc theo thủ tục" in unasked


NEW_FIELDS = [
    ("transparency", "", "/data"),
    ("transparency", "/overview", "/data/overview"),
    ("transparency", "/evaluation/0", "/data/evaluation/0"),
    ("transparency", "/evaluation/0/metrics/1", "/data/evaluation/0/metrics/1"),
    ("transparency", "/pagination", "/data/pagination"),
    ("dvc-progress-tree", "/children/1", "/data/children/1"),
    ("service-results", "/evaluation/0", "/data/evaluation/0"),
    ("service-results-national", "/evaluation/0", "/data/evaluation/0"),
    ("formalities", "", "/data"),
    ("formalities", "/items/2", "/data/items/2"),
]


@pytest.mark.parametrize(("endpoint", "place", "at"), NEW_FIELDS)
def test_a_new_field_is_reported_the_day_it_appears(endpoint: str, place: str, at: str) -> None:
    data = GOOD[endpoint]()
    before = read(endpoint, copy.deepcopy(data))
    resolve(data, place)["brandNew"] = 1
    reading = read(endpoint, data)
    assert set(reading.warnings) - set(before.warnings) == {f"{endpoint}: trường mới «brandNew» (tại {at})"}
    assert reading.observations == before.observations


def test_a_new_field_on_every_row_is_said_once() -> None:
    data = progress()
    for row in data["children"]:
        row["brandNew"] = 1
    (warning,) = read("dvc-progress-tree", data).warnings
    assert warning == "dvc-progress-tree: trường mới «brandNew» (tại /data/children/0 và 1 chỗ khác)"


def test_a_field_of_the_rows_on_the_root_is_new_there() -> None:
    data = progress()
    data["parent"]["totalOverdue"] = 3
    reading = read("dvc-progress-tree", data)
    assert reading.warnings == ("dvc-progress-tree: trường mới «totalOverdue» (tại /data/parent)",)
    assert "dossiers_overdue" not in metrics_of(reading, ROOT)


@pytest.mark.parametrize(("total", "page", "pages", "is_odd"), [
    (2, 1, 1, False), (3, 1, 1, True), (500, 1, 1, True), (500, 1, 3, True), (402, 3, 3, False), (400, 3, 3, True),
])  # fmt: skip
def test_a_page_with_another_number_of_rows_than_it_says_warns(total: int, page: int, pages: int, is_odd: bool) -> None:
    data = transparency()
    data["pagination"] |= {"total": total, "currentPage": page, "totalPages": pages}
    warnings = read("transparency", data).warnings
    assert any("dòng, cổng báo" in warning for warning in warnings) == is_odd


def test_a_page_cut_at_its_size_with_no_later_page_warns() -> None:
    data = transparency()
    data["pagination"] |= {"total": 5, "pageSize": 2, "totalPages": 1}
    assert read("transparency", data).warnings == ("transparency: có 2 dòng, cổng báo 5 (tại /data/evaluation)",)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("transparency", "departmentType"),
        ("dvc-progress-tree", "level"),
        ("service-results", "childGroup"),
        ("dvc-progress-tree", "departmentCode"),
        ("dossier-digitized", "departmentCode"),
        ("transparency", "totalMaxScore"),
        ("dvc-progress-tree", "maxScore"),
    ],
)
def test_a_row_that_lacks_a_known_field_warns_and_is_kept(endpoint: str, name: str) -> None:
    data = GOOD[endpoint]()
    before = read(endpoint, copy.deepcopy(data))
    rows = "evaluation" if "evaluation" in data else "children"
    del data[rows][0][name]
    reading = read(endpoint, data)
    (warning,) = reading.warnings
    assert warning.startswith(f"{endpoint}: thiếu ")
    assert warning.endswith(f"«{name}» (tại /data/{rows}/0)")
    assert reading.quarantined == ()
    assert [item.locator for item in reading.observations] == [item.locator for item in before.observations]


def test_a_group_without_pagination_warns() -> None:
    data = transparency()
    del data["pagination"]
    assert any("pagination" in warning for warning in read("transparency", data).warnings)


def test_34_provinces_need_no_warning() -> None:
    data = national()
    row = data["evaluation"][0]
    data["evaluation"] = [{**row, "departmentId": f"province-{number}"} for number in range(34)]
    assert read("service-results-national", data).warnings == ()


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "formalities"])
def test_an_empty_list_is_said_and_leaves_the_root(endpoint: str) -> None:
    data = GOOD[endpoint]()
    data["evaluation" if "evaluation" in data else "children"] = []
    reading = read(endpoint, data)
    assert any("danh sách rỗng" in warning for warning in reading.warnings)
    assert reading.observations
    assert not metrics_of(reading, UNIT)


def test_parts_that_do_not_add_up_warn() -> None:
    data = transparency()
    data["evaluation"][0] |= {"totalScore": 9, "ratio": 50}
    (warning,) = read("transparency", data).warnings
    assert "tổng các điểm thành phần lệch totalScore" in warning
    data = national()
    data["evaluation"][0]["groupScores"]["MDSH"] = 6.02
    assert any("điểm thành phần" in warning for warning in read("service-results-national", data).warnings)


def test_later_pages_repeat_the_root_without_counting_it_again() -> None:
    data = transparency()
    data["pagination"] |= {"total": 202, "currentPage": 2, "totalPages": 2}
    asked = stored_body("transparency") | {"currentPage": 2}
    reading = read("transparency", data, asked=asked)
    assert {item.unit for item in reading.observations} == {UNIT, OTHER}
    data["evaluation"][1]["departmentId"] = ROOT
    assert [item.locator for item in read("transparency", data, asked=asked).quarantined] == ["/data/evaluation/1"]
    data["overview"]["departmentId"] = OTHER
    assert refusal("transparency", data, asked=asked).kind is FailureKind.WRONG_ROOT


# --- asking ---


def site(**options: Any) -> Site:
    return Site(
        name="practice", connector="dvcqg766", base_url="http://127.0.0.1", province="H00",
        options={"root_department_id": ROOT, "root_code": "H00", **options},
    )  # fmt: skip


def requests(
    where: Site, window: Period, reply: Callable[[Request], Snapshot | None] = lambda request: None
) -> list[Request]:
    """Drive a plan to its end, as the kit does."""
    plan, asked, got = CONNECTOR.plan(where, window), [], None
    while True:
        try:
            request = plan.send(got)
        except StopIteration:
            return asked
        asked.append(request)
        got = reply(request)


PERIOD_KEYS = [
    (year(2026), {"timeType": "year", "year": 2026}, {"fromDate": "2026-01-01", "toDate": "2026-12-31"}),
    (quarter(2026, 3), Q3, Q3_DAYS),
    (
        month(2028, 2),
        {"timeType": "month", "year": 2028, "month": 2},
        {"fromDate": "2028-02-01", "toDate": "2028-02-29"},
    ),
]


@pytest.mark.parametrize(("window", "keys", "days"), PERIOD_KEYS)
def test_every_endpoint_is_asked_as_the_contract_says(
    window: Period, keys: dict[str, Any], days: dict[str, Any]
) -> None:
    base = "/api/v1/reporting/evaluation"
    expected = {
        "service-results": (f"{base}/service-results", {**keys, "rootDepartmentId": ROOT}),
        "service-results-national": (f"{base}/service-results", {**keys, "departmentType": "ADMINISTRATIVE_UNIT"}),
        "transparency": (f"{base}/transparency", {**keys, "rootDepartmentId": ROOT, "currentPage": 1, "pageSize": 200}),
        "handling-satisfaction": (
            f"{base}/handling-satisfaction",
            {**days, "rootDepartmentId": ROOT, "currentPage": 1, "pageSize": 200},
        ),
        "dossier-digitized": (
            f"{base}/dossier-digitized",
            {**keys, "rootDepartmentId": ROOT, "currentPage": 1, "pageSize": 200},
        ),
        "dvc-progress-tree": (
            f"{base}/dvc-progress-tree",
            {**keys, "rootDepartmentId": ROOT, "currentPage": 1, "pageSize": 100},
        ),
        "provide-online-tree": (
            f"{base}/provide-online-tree",
            {**keys, "rootDepartmentId": ROOT, "currentPage": 1, "pageSize": 200},
        ),
        "formality-online-payment-tree": (
            f"{base}/formality-online-payment-tree",
            {**keys, "rootDepartmentId": ROOT, "currentPage": 1, "pageSize": 100},
        ),
        "formalities": ("/api/v1/reporting/formalities", {"currentPage": 1, "pageSize": 10}),
    }
    asked = requests(site(endpoints=list(expected)), window)
    assert [(request.path, request.json) for request in asked] == list(expected.values())
    assert {(request.method, len(request.headers), len(request.params)) for request in asked} == {("POST", 0, 0)}


def test_the_filter_by_procedure_has_another_name_in_one_endpoint() -> None:
    names = ["transparency", "dossier-digitized", "dvc-progress-tree", "provide-online-tree",
             "formality-online-payment-tree", "formalities"]  # fmt: skip
    asked = requests(site(endpoints=names, formality_id=FORMALITY), quarter(2026, 3))
    keys = [sorted(key for key in request.json if key.lower() == "formalityid") for request in asked]
    assert keys == [["formalityId"], ["formalityID"], ["formalityId"], ["formalityId"], ["formalityId"], []]


@pytest.mark.parametrize(
    "window",
    [
        Period(dt.date(2026, 1, 1), dt.date(2026, 6, 30)),
        Period(dt.date(2026, 7, 2), dt.date(2026, 9, 30)),
        Period(dt.date(2026, 2, 1), dt.date(2026, 4, 30)),
        Period(dt.date(2025, 10, 15), dt.date(2026, 10, 15)),
        Period(dt.date(2026, 3, 1), dt.date(2026, 3, 1)),
    ],
)
def test_a_window_that_the_portal_does_not_know_is_refused(window: Period) -> None:
    with pytest.raises(ValueError, match="calendar years, quarters and months"):
        requests(site(endpoints=["transparency"]), window)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "endpoints is missing"),
        ({"endpoints": []}, "endpoints is"),
        ({"endpoints": "transparency"}, "give a list"),
        ({"endpoints": ["transparency", "progress"]}, "give a list out of service-results"),
        ({"endpoints": [["transparency"]]}, "give a list"),
        ({"endpoints": ["transparency", "transparency"]}, "once"),
        ({"endpoints": ["transparency"], "root_department_id": None}, "root_department_id is None"),
        ({"endpoints": ["transparency"], "root_department_id": "H00"}, "lower-case uuid"),
        ({"endpoints": ["transparency"], "root_department_id": ROOT + "\n"}, "lower-case uuid"),
        ({"endpoints": ["transparency"], "root_code": "H44"}, "the site's province is H00"),
        ({"endpoints": ["transparency"], "formality_id": 5}, "formality_id is 5"),
        ({"endpoints": ["handling-satisfaction"], "formality_id": FORMALITY}, "cannot be filtered"),
        ({"endpoints": ["service-results"], "formality_id": FORMALITY}, "cannot be filtered"),
        ({"endpoints": ["formalities"], "max_catalogue_pages": 0}, "max_catalogue_pages is 0"),
        ({"endpoints": ["formalities"], "max_catalogue_pages": True}, "max_catalogue_pages is True"),
        ({"endpoints": ["transparency"], "formalityId": FORMALITY}, "option formalityId"),
    ],
)
def test_a_wrong_option_is_named_with_its_site_and_what_to_do(options: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=r"^site practice: option ") as caught:
        requests(site(**options), quarter(2026, 3))
    assert what in str(caught.value)


def test_a_site_of_the_whole_country_needs_no_root() -> None:
    where = site(endpoints=["service-results-national", "formalities"])
    where = where.model_copy(update={"options": {"endpoints": where.options["endpoints"]}})
    assert len(requests(where, year(2026))) == 2


def pages_of(total_pages: Any, *, page: Callable[[int], Any] = lambda asked: asked) -> Callable[[Request], Snapshot]:
    def reply(request: Request) -> Snapshot:
        data = catalogue() if request.path.endswith("formalities") else transparency()
        data["pagination"] |= {"totalPages": total_pages, "currentPage": page(request.json.get("currentPage", 1))}
        return answer("formalities", data)

    return reply


@pytest.mark.parametrize("endpoint", ["formalities", "transparency"])
@pytest.mark.parametrize(
    ("reply", "count"),
    [
        (pages_of(1), 1),
        (pages_of(3), 3),
        (pages_of(0), 1),
        (pages_of(None), 1),
        (pages_of("3"), 1),
        (pages_of(3, page=lambda asked: 1), 2),  # always the first page again: stop
        (pages_of(10**9), 2000),
        (lambda request: None, 1),
        (lambda request: answer("formalities", "<html>", status=403), 1),
        (lambda request: answer("formalities", "{"), 1),
    ],
)
def test_the_next_page_is_asked_only_while_the_answer_names_one(
    endpoint: str, reply: Callable[[Request], Snapshot | None], count: int
) -> None:
    asked = requests(site(endpoints=[endpoint, "service-results"]), quarter(2026, 3), reply)
    assert [request.json["currentPage"] for request in asked[:-1]] == list(range(1, count + 1))
    assert {request.path.rpartition("/")[2] for request in asked[:-1]} == {endpoint}
    assert asked[-1].path.endswith("service-results")


def test_no_option_makes_a_plan_endless() -> None:
    asked = requests(site(endpoints=["formalities"], max_catalogue_pages=5000), quarter(2026, 3), pages_of(10**9))
    assert len(asked) == 2000


def test_the_catalogue_can_be_cut_and_the_groups_not() -> None:
    where = site(endpoints=["formalities", "transparency"], max_catalogue_pages=2)
    asked = requests(where, quarter(2026, 3), pages_of(4))
    assert [request.path.rpartition("/")[2] for request in asked] == ["formalities"] * 2 + ["transparency"] * 4


# --- the manifest ---


def emitted() -> dict[str, Decimal | None]:
    """Every metric that the vocabulary can give with its upper bound, worked out from the tables."""
    bounds: dict[str, Decimal | None] = {"procedures_catalogued": None}
    for endpoint in vocabulary.ENDPOINTS.values():
        bounds[endpoint.score] = endpoint.maximum
        bounds.update(dict.fromkeys([*endpoint.root_counts.values(), *endpoint.row_counts.values()]))
        for code, maximum in endpoint.items.items():
            bounds[f"qd766_{code.lower()}"] = Decimal(100)
            if maximum:
                bounds[f"qd766_{code.lower()}_score"] = maximum
    return bounds


def test_the_manifest_lists_what_can_be_read_with_its_bounds() -> None:
    manifest = load_manifest("dvcqg766")
    assert set(manifest.metrics) == set(emitted())
    assert {metric: (bounds.min, bounds.max) for metric, bounds in manifest.expect.items()} == {
        metric: (0, maximum) for metric, maximum in emitted().items()
    }
    for endpoint in ENDPOINTS:
        assert {item.metric for item in read(endpoint, GOOD[endpoint]()).observations} <= set(manifest.metrics)


def test_the_manifest_is_polite_and_has_words_for_every_failure() -> None:
    manifest = load_manifest("dvcqg766")
    manners = manifest.politeness
    assert (manners.min_interval_s, manners.jitter_s, manners.timeout_s, manners.retries) == (1.0, 0.25, 45.0, 2)
    assert (manifest.stale_after_days, manifest.evidence_strength) == (3, "third_party_code")
    assert all(manifest.words(kind).vi and manifest.words(kind).en for kind in FailureKind)


@pytest.mark.parametrize(("name", "points"), [
    ("transparency", 18), ("handling-satisfaction", 18), ("dossier-digitized", 22),
])  # fmt: skip
def test_the_maxima_of_the_metrics_make_up_their_group(name: str, points: int) -> None:
    assert sum(vocabulary.ENDPOINTS[name].items.values()) == vocabulary.ENDPOINTS[name].maximum == points


def test_the_six_groups_make_up_a_hundred() -> None:
    assert sum(maximum for _, maximum in vocabulary.GROUPS.values()) == 100
    by_metric = {endpoint.score: endpoint.maximum for endpoint in vocabulary.ENDPOINTS.values()}
    assert all(by_metric[metric] == maximum for metric, maximum in vocabulary.GROUPS.values())


# --- the units file ---


def test_the_units_of_phu_tho_are_those_that_the_figures_name() -> None:
    registry, day = load_registry(), dt.date(2026, 9, 30)
    assert len(registry.of("commune", "H44", day)) == 50
    assert len(registry.of("department", "H44", day)) == 10
    assert registry.of("commune", "H44", dt.date(2025, 6, 30)) == ()
    known = [
        unit.source_ids["dvcqg766"]
        for unit in registry
        if unit.level == "province" and not unit.fictional and "dvcqg766" in unit.source_ids
    ]
    assert len(set(known)) == len(known) == 12
    lam_thao = registry.get("H44.106")
    assert lam_thao is not None
    assert (lam_thao.name, lam_thao.parent) == ("xã Lâm Thao", "H44")
