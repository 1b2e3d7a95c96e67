"""X-Road security servers: systems, services and exchanges per unit, and everything that is no figure."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from connectors.xroad.connector import CONNECTOR, DIAGNOSTICS
from connectors.xroad.operational_data import OUTPUT_FIELDS, envelope
from connectors.xroad.retention import first_whole_day
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.http import Fetcher
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Politeness,
    Reading,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.sandbox.practice import portal_units
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins.xroad import ASKER, KEY, TWIN, exchanges, multipart, services, systems
from dti_pipeline.scoring.periods import Period, quarter, year
from dti_pipeline.scoring.states import InputState

RECORDED = Path(__file__).parents[2] / "connectors" / "xroad" / "recorded"
NIGHT = dt.date(2026, 10, 15)
YEAR = year(2026)
JSON = {"content-type": "application/json; charset=utf-8"}
XML = {"content-type": "text/xml; charset=UTF-8"}
LOGIN = {"authorization": f"X-Road-ApiKey token={KEY}"}
ASKED = {
    "records_from": "2026-10-13T17:00:00Z",
    "records_to": "2026-10-15T16:59:59Z",
    "interval": "1440",
    "security_server_type": "Client",
    "member_id": "VN:GOV:H00.05:CSDL",
}
BOTH_DAYS = [
    {"interval_start_time": "2026-10-13T17:00:00Z", "success_count": 7, "failure_count": 2},
    {"interval_start_time": "2026-10-14T17:00:00Z", "success_count": 0, "failure_count": 0},
]
NOON = int(dt.datetime(2026, 10, 15, 5, tzinfo=dt.UTC).timestamp())
"""Noon in Việt Nam on the night's day."""


# --- helpers ---


def site(**options: Any) -> Site:
    given = {"interface": "management", "instance": "VN"} | options
    return Site(name="thu", connector="xroad", base_url="https://ss.invalid", province="H00", options=given)


def snapshot(
    path: str,
    body: Any,
    *,
    params: Mapping[str, str] | None = None,
    status: int = 200,
    headers: Mapping[str, str] = JSON,
    method: Any = "GET",
    night: dt.date | None = NIGHT,
    told: Mapping[str, Any] | None = None,
) -> Snapshot:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    context = {} if told is None else {"DTI-Context": json.dumps(told)}
    return Snapshot(Request(method, path, params or {}, context), status, headers, raw, night=night)


def diagnostics(body: Any, **changes: Any) -> Snapshot:
    return snapshot(DIAGNOSTICS, body, **({"params": ASKED} | changes))


def opmon(records: list[dict[str, Any]], **how: Any) -> Snapshot:
    answer = multipart(records, **how)
    return snapshot("/", answer.body, method="POST", headers={"Content-Type": answer.content_type})


def record(**changes: Any) -> dict[str, Any]:
    parties = {
        f"{party}{name}": value
        for party, code in (("client", "H00.05"), ("service", "H00.16"))
        for name, value in (("XRoadInstance", "VN"), ("MemberClass", "GOV"), ("MemberCode", code))
    }
    base = {
        "monitoringDataTs": NOON,
        "requestInTs": NOON * 1000 - 500,
        "securityServerType": "Client",
        "messageId": "m1",
        "succeeded": True,
    }
    return base | parties | changes


def refusal(answer: Snapshot) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(as_kept(answer))
    return caught.value


def as_kept(answer: Snapshot) -> Snapshot:
    """As the kit hands it to `read`: after redaction."""
    return Snapshot(
        answer.request, answer.status, answer.headers, CONNECTOR.redact(answer).body, answer.url, answer.night
    )


def told(answer: Snapshot) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(answer.request.headers["DTI-Context"])
    return known


def from_twin(request: Request, login: Mapping[str, str]) -> Snapshot:
    asked = {name.lower(): value for name, value in request.headers.items()} | login
    if request.content_type is not None:
        asked["content-type"] = request.content_type
    body = (request.content or "").encode()
    answer = TWIN.answer(TwinRequest(request.method, request.path.lstrip("/"), request.params, asked, body))
    return Snapshot(
        request, answer.status, {"content-type": answer.content_type, **answer.headers}, answer.body, "", NIGHT
    )


BY_SOAP = {"interface": "metaservices", "client": ASKER, "server": "VN/GOV/H00.11/ss1", "figures": ["exchanges"]}


def asked_by_soap(options: Mapping[str, Any]) -> list[Request]:
    return [answer.request for answer, _ in harvested(dict(options), login={}) if answer is not None][1:]


def harvested(
    options: dict[str, Any],
    window: Period = YEAR,
    login: Mapping[str, str] = LOGIN,
    failing: str | None = None,
) -> Iterator[tuple[Snapshot | None, Reading | None]]:
    """Drives the plan against the twin like the runner; requests with `failing` in them fail."""
    plan = CONNECTOR.plan(site(**options), window)
    answer: Snapshot | None = None
    while True:
        try:
            request = plan.send(answer)
        except StopIteration:
            return
        if failing is not None and failing in request.canonical():
            answer = None
            yield None, None
            continue
        answer = from_twin(request, login)
        yield answer, CONNECTOR.read(answer)


def figures(found: Iterator[tuple[Snapshot | None, Reading | None]]) -> list[Observation]:
    return [item for _, reading in found if reading for item in reading.observations]


def values(items: list[Observation], metric: str) -> dict[str, Decimal | None]:
    of_metric = [item for item in items if item.metric == metric]
    assert len({(item.unit, item.period) for item in of_metric}) == len(of_metric), "one figure per unit and period"
    return {item.unit: item.value for item in of_metric}


def resolve(document: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


# --- manifest, recorded answers ---


def test_manifest_and_catalogue_agree() -> None:
    manifest = load_manifest("xroad")
    assert set(manifest.metrics) == set(manifest.expect)
    behaviours = {code: load_metrics()[code].behaviour for code in manifest.metrics}
    assert {code for code, behaviour in behaviours.items() if behaviour == "flow"} == {
        code for code in manifest.metrics if "exchanges" in code
    }


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_recorded_answers(case: str) -> None:
    asked = json.loads((RECORDED / case / "request.json").read_bytes())
    (body,) = (RECORDED / case).glob("body.*")
    answer = Snapshot(
        Request(asked["method"], asked["path"], asked["params"], asked["headers"]),
        asked["status"],
        asked["headers"],
        body.read_bytes(),
        night=dt.date.fromisoformat(asked["night"]),
    )
    reading = CONNECTOR.read(as_kept(answer))
    assert [
        {
            "metric": item.metric,
            "unit": item.unit,
            "state": item.state.value,
            "value": None if item.value is None else str(item.value),
            "numerator": None,
            "denominator": None,
            "locator": item.locator,
        }
        for item in reading.observations
    ] == json.loads((RECORDED / case / "expected.json").read_bytes())
    assert reading.quarantined == ()
    if body.suffix == ".json":
        for item in reading.observations:
            resolve(json.loads(body.read_bytes()), item.locator)


# --- options ---


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"interface": "soap"}, "interface"),
        ({"instance": "V N"}, "instance"),
        ({"interface": "metaservices"}, "client"),
        ({"interface": "metaservices", "client": "VN/GOV/H00.11"}, "client"),
        ({"interface": "metaservices", "client": ASKER, "figures": ["exchanges"]}, "server"),
        ({"interface": "metaservices", "client": ASKER, "figures": ["exchanges"], "server": "VN/GOV/H00.11"}, "server"),
        ({"server": "ss1"}, "server"),
        ({"figures": ["exchanges", "health"]}, "figures"),
        ({"days": 0}, "days"),
        ({"days": 8}, "days"),
        ({"days": "2"}, "days"),
        ({"hosted": "H00.05"}, "hosted"),
        ({"hosted": ["H44.05"]}, "hosted"),
        ({"figures": []}, "figures"),
        ({"figures": ["systems", "systems"]}, "figures"),
        ({"units": {"H00.05": "H00.05"}}, "units"),
        ({"units": {"GOV/0123": "Sở Tài chính"}}, "units"),
        ({"retention": 30}, "retention"),
    ],
)
def test_options_are_refused_before_the_first_request(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=rf"site thu: option {named}"):
        next(CONNECTOR.plan(site(**options), YEAR))


# --- systems ---


def test_systems_are_registered_subsystems_and_members_of_others_are_left_out() -> None:
    items = values(figures(harvested({"interface": "metaservices", "client": ASKER})), "xroad_systems_connected")
    assert items["H00.20"] == 0, "a member without a system is connected with none"
    assert "X99" not in items
    assert items["H00.09"] == len([status for _, status in systems("H00.09") if status == "REGISTERED"])
    management = values(figures(harvested({"figures": ["systems"]})), "xroad_systems_connected")
    assert management == items, "both interfaces count the same"


def test_members_outside_the_province_are_said_once() -> None:
    _, reading = next(harvested({"interface": "metaservices", "client": ASKER}))
    assert reading is not None
    assert [line for line in reading.warnings if "ngoài tỉnh" in line] == [
        "1 hệ thống của thành viên ngoài tỉnh hoặc chưa khai trong units, không tính"
    ]


def test_the_site_maps_members_and_subsystems_to_units() -> None:
    def entry(subsystem: str) -> dict[str, Any]:
        names = {"object_type": "SUBSYSTEM", "xroad_instance": "VN", "member_class": "GOV", "member_code": "0101"}
        return {"id": names | {"subsystem_code": subsystem}, "name": "Trung tâm dữ liệu (hư cấu)"}

    units = {"GOV/0101": "H00.11", "GOV/0101/KE-TOAN": "H00.05"}
    answer = snapshot(
        "/listClients",
        {"member": [entry("KE-TOAN"), entry("CHUNG"), entry("CONG")]},
        told={"units": units, "province": "H00"},
    )
    assert values(list(CONNECTOR.read(answer).observations), "xroad_systems_connected") == {"H00.05": 1, "H00.11": 2}
    (unmapped,) = CONNECTOR.read(snapshot("/listClients", {"member": [entry("CHUNG")]})).observations
    assert (unmapped.unit, unmapped.unit_code) == ("VN/GOV/0101", None), "left to the registry, never guessed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "FROZEN"}, "status"),
        ({"member_code": None}, "member_code"),
        ({"id": "VN:GOV:H00.05:A"}, "đã có"),
    ],
)
def test_doubtful_clients_are_put_aside(change: dict[str, Any], reason: str) -> None:
    def client(name: str) -> dict[str, Any]:
        ids = {"id": f"VN:GOV:H00.05:{name}", "member_class": "GOV", "member_code": "H00.05", "subsystem_code": name}
        return ids | {"status": "REGISTERED", "member_name": "Sở Tài chính (hư cấu)"}

    second = client("A" if "id" in change else "B") | change
    reading = CONNECTOR.read(snapshot("/api/v1/clients", [client("A"), second]))
    assert [item.value for item in reading.observations] == [1]
    (aside,) = reading.quarantined
    assert (aside.locator, reason in aside.reason) == ("/1", True)


def test_an_unknown_kind_of_member_is_put_aside() -> None:
    ids = {"object_type": "GLOBALGROUP", "xroad_instance": "VN", "member_class": "GOV", "member_code": "H00.05"}
    reading = CONNECTOR.read(snapshot("/listClients", {"member": [{"id": ids, "name": "x"}]}))
    assert (reading.observations, [item.locator for item in reading.quarantined]) == ((), ["/member/0"])


def test_another_network_is_another_root_and_new_fields_are_said_once() -> None:
    ids = {"object_type": "MEMBER", "xroad_instance": "EE", "member_class": "GOV", "member_code": "1"}
    wrong = snapshot("/listClients", {"member": [{"id": ids, "name": "x"}]}, params={"xRoadInstance": "VN"})
    assert refusal(wrong).kind is FailureKind.WRONG_ROOT
    entry = {"id": ids, "name": "x", "rating": 1}
    reading = CONNECTOR.read(snapshot("/listClients", {"member": [entry, entry | {"id": ids | {"member_code": "2"}}]}))
    assert reading.warnings == ("/listClients: trường mới «rating»",)


# --- services ---


def offered(code: str, *, soap: bool) -> int:
    return sum(
        not is_disabled and (soap or kind != "WSDL")
        for subsystem, status in systems(code)
        if status == "REGISTERED"
        for _, kind, is_disabled in services(code, subsystem)
    )


@pytest.mark.parametrize("interface", ["metaservices", "management"])
def test_services_of_all_systems_of_a_unit_add_up(interface: str) -> None:
    options = {"interface": interface, "client": ASKER, "figures": ["services"]}
    items = values(figures(harvested(options)), "xroad_services_offered")
    with_systems = [c for c in portal_units() if any(status == "REGISTERED" for _, status in systems(c))]
    assert items == {code: offered(code, soap=interface == "management") for code in with_systems}
    assert any(len(systems(code)) > 1 for code in with_systems)


def test_a_failed_system_leaves_the_unit_without_a_sum() -> None:
    options = {"interface": "metaservices", "client": ASKER}
    code = next(c for c in portal_units() if len(systems(c)) == 3)
    lacking = values(figures(harvested(options, failing=f"/{code}/{systems(code)[0][0]}/")), "xroad_services_offered")
    whole = values(figures(harvested(options)), "xroad_services_offered")
    assert whole.keys() - lacking.keys() == {code}


def test_unknown_service_types_and_foreign_services_make_no_figure() -> None:
    path = "/r1/VN/GOV/H00.05/CSDL/listMethods"
    service = {"member_code": "H00.05", "subsystem_code": "CSDL", "service_code": "a", "service_type": "GRPC"}
    reading = CONNECTOR.read(snapshot(path, {"service": [service]}))
    assert (reading.observations, [item.locator for item in reading.quarantined]) == ((), ["/service/0"])
    early = snapshot(path, {"service": [service]}, told={"unit": "H00.05", "left": 1, "before": 0})
    assert refusal(early).kind is FailureKind.WRONG_SHAPE
    foreign = service | {"service_type": "REST", "member_code": "H00.06"}
    assert refusal(snapshot(path, {"service": [foreign]})).kind is FailureKind.WRONG_ROOT
    assert refusal(snapshot(path, {"services": []})).kind is FailureKind.WRONG_SHAPE


@pytest.mark.parametrize(
    "change", [{"type": "GRPC"}, {"disabled": None}, {"services": [{"service_code": None}]}, {"services": [{}]}]
)
def test_doubtful_descriptions_make_no_figure(change: dict[str, Any]) -> None:
    description = {"id": "1", "type": "WSDL", "disabled": False, "services": [{"service_code": "a"}]}
    path = "/api/v1/clients/VN:GOV:H00.05:CSDL/service-descriptions"
    (good,) = CONNECTOR.read(snapshot(path, [description])).observations
    assert (good.unit, good.value) == ("H00.05", 1)
    reading = CONNECTOR.read(snapshot(path, [description, description | change]))
    assert (reading.observations, len(reading.quarantined)) == ((), 1)


# --- exchanges by diagnostics ---


def test_exchanges_of_a_day_add_up_over_systems_and_are_asked_for_whole_days_only() -> None:
    items = figures(harvested({"figures": ["exchanges"]}))
    days = [dt.date(2026, 10, day) for day in range(10, 16)]
    assert {item.period for item in items} == {Period(day, day) for day in days}
    for role, metric in (("Client", "xroad_exchanges_made"), ("Producer", "xroad_exchanges_served")):
        for code in ("H00.01", "H00.09", "H00.16"):
            names = [name for name, status in systems(code) if status == "REGISTERED"]
            for day in days:
                counted = [exchanges(code, name, role, day) for name in names]
                own = {i.metric: i.value for i in items if (i.unit, i.period.start) == (code, day)}
                assert own[metric] == sum(done + failed for done, failed in counted)
                assert own[f"{metric}_failed" if role == "Producer" else "xroad_exchanges_failed"] == sum(
                    failed for _, failed in counted
                )


def test_days_that_the_server_forgot_are_not_asked_for() -> None:
    assert first_whole_day(NIGHT) == dt.date(2026, 10, 10)
    found = [answer for answer, _ in harvested({"figures": ["exchanges"]}, quarter(2026, 3)) if answer is not None]
    assert [answer.request.path for answer in found] == ["/api/v1/clients"], "over for longer than seven days"
    asked = [answer.request for answer, _ in harvested({"figures": ["exchanges"]}) if answer is not None][1:]
    ends = [(request.params["records_from"], request.params["records_to"]) for request in asked]
    assert (ends[0], ends[-1]) == (
        ("2026-10-09T17:00:00Z", "2026-10-10T16:59:59Z"),
        ("2026-10-14T17:00:00Z", "2026-10-15T16:59:59Z"),
    )
    assert {request.is_final for request in asked if request.params["records_to"] == "2026-10-15T16:59:59Z"} == {False}
    assert {request.is_final for request in asked if request.params["records_to"] != "2026-10-15T16:59:59Z"} == {True}
    two = [answer.request for answer, _ in harvested({"figures": ["exchanges"], "days": 2}) if answer is not None][1:]
    assert sorted({request.params["records_from"] for request in two}) == [
        "2026-10-13T17:00:00Z",
        "2026-10-14T17:00:00Z",
    ]


def test_the_manifest_keeps_days_as_long_as_the_server() -> None:
    manifest = load_manifest("xroad")
    assert manifest.retention_days == 7
    assert manifest.kept_from(NIGHT) == first_whole_day(NIGHT)
    assert {metric for metric in manifest.metrics if manifest.is_as_of_night(metric)} == {
        "xroad_systems_connected",
        "xroad_services_offered",
    }


def test_a_forgotten_day_is_unavailable_and_never_0() -> None:
    reading = CONNECTOR.read(diagnostics(BOTH_DAYS, night=dt.date(2026, 10, 20)))
    by_day = {(item.metric, item.period.start.day): item for item in reading.observations}
    old, kept = by_day["xroad_exchanges_made", 14], by_day["xroad_exchanges_made", 15]
    assert (old.state, old.value) == (InputState.UNAVAILABLE, None)
    assert "7 ngày" in (old.reason or "")
    assert (kept.state, kept.value) == (InputState.HARVESTED, 0), "a day without exchanges is 0"


def test_a_day_that_is_not_named_is_unavailable_also_in_the_sum() -> None:
    lacking = CONNECTOR.read(diagnostics(BOTH_DAYS[:1], told={"unit": "H00.05", "left": 0, "before": {}}))
    assert [(i.value, i.state) for i in lacking.observations if i.period.start.day == 15] == [
        (None, InputState.UNAVAILABLE)
    ] * 2
    assert [item.value for item in lacking.observations if item.period.start.day == 14] == [9, 2]
    before = {"2026-10-14": None, "2026-10-15": [5, 1]}
    summed = CONNECTOR.read(diagnostics(BOTH_DAYS, told={"unit": "H00.05", "left": 0, "before": before}))
    assert [item.value for item in summed.observations] == [None, None, 6, 1]
    assert CONNECTOR.read(diagnostics([])).observations[0].state is InputState.UNAVAILABLE


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([BOTH_DAYS[0] | {"success_count": "7"}], FailureKind.WRONG_SHAPE),
        ([BOTH_DAYS[0] | {"success_count": None}], FailureKind.WRONG_SHAPE),
        ([BOTH_DAYS[0] | {"success_count": -9007199254740991}], FailureKind.WRONG_SHAPE),
        ([BOTH_DAYS[0] | {"interval_start_time": 1792000000000}], FailureKind.WRONG_SHAPE),
        ([BOTH_DAYS[0] | {"interval_start_time": "2026-10-13T17:00:00"}], FailureKind.WRONG_SHAPE),
        ([BOTH_DAYS[0] | {"interval_start_time": "2026-10-14T00:00:00Z"}], FailureKind.WRONG_SHAPE),
        ([BOTH_DAYS[0], BOTH_DAYS[0]], FailureKind.WRONG_SHAPE),
        ([BOTH_DAYS[0] | {"interval_start_time": "2026-10-01T17:00:00Z"}], FailureKind.WRONG_ROOT),
        ({"status": 400, "error": {"code": "x"}}, FailureKind.SOURCE_ERROR),
        ({}, FailureKind.WRONG_SHAPE),
        (b'[{"success_count": 1', FailureKind.TRUNCATED),
        (b"oops", FailureKind.NOT_JSON),
        (json.dumps(BOTH_DAYS).replace("7,", '7, "success_count": 8,').encode(), FailureKind.WRONG_SHAPE),
    ],
)
def test_diagnostics_that_cannot_be_trusted(body: Any, kind: FailureKind) -> None:
    assert refusal(diagnostics(body)).kind is kind


def test_both_sides_at_once_are_never_counted() -> None:
    params = {name: value for name, value in ASKED.items() if name != "security_server_type"}
    assert refusal(diagnostics(BOTH_DAYS, params=params)).kind is FailureKind.WRONG_SHAPE


# --- errors ---


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "retryable"),
    [
        (401, JSON, b"{}", FailureKind.AUTH_FAILED, False),
        (403, JSON, b"{}", FailureKind.AUTH_FAILED, False),
        (403, {"content-type": "text/html"}, b"<html>no</html>", FailureKind.BLOCKED, False),
        (200, {"content-type": "text/html"}, b"<html>Request Rejected</html>", FailureKind.BLOCKED, False),
        (200, {"content-type": "text/html"}, b"<html>It works</html>", FailureKind.UNSUPPORTED_PLATFORM, False),
        (404, JSON, b"{}", FailureKind.UNSUPPORTED_PLATFORM, False),
        (413, JSON, b"{}", FailureKind.SOURCE_ERROR, False),
        (429, JSON, b"{}", FailureKind.BLOCKED, False),
        (503, JSON, b"", FailureKind.HTTP_STATUS, True),
        (302, JSON, b"", FailureKind.HTTP_STATUS, False),
        (500, JSON | {"X-Road-Error": "Server.ServerProxy.NetworkError"}, b"{}", FailureKind.SOURCE_ERROR, True),
        (500, JSON | {"X-Road-Error": "Server.ServerProxy.AccessDenied"}, b"{}", FailureKind.SOURCE_ERROR, False),
    ],
)
def test_errors_are_never_an_empty_list(
    status: int, headers: dict[str, str], body: bytes, kind: FailureKind, retryable: bool
) -> None:
    failure = refusal(snapshot("/listClients", body, status=status, headers=headers))
    assert (failure.kind, failure.retryable) == (kind, retryable)


def test_an_error_of_the_system_behind_the_bus_is_told_from_one_of_the_bus() -> None:
    body = {"type": "Server.NetworkError", "message": "down", "detail": "bí mật"}
    bus = refusal(snapshot("/listClients", body, status=500, headers=JSON | {"X-Road-Error": "Server.NetworkError"}))
    assert "Server.NetworkError" in bus.message
    assert "bí mật" not in bus.message
    assert "hệ thống phía sau" in refusal(snapshot("/listClients", b"", status=500)).message
    unknown_client = snapshot("/api/v1/clients/VN:GOV:X:Y/service-descriptions", {}, status=404)
    assert refusal(unknown_client).kind is FailureKind.SOURCE_ERROR


def test_the_twin_refuses_a_wrong_key_and_an_asker_without_a_name() -> None:
    wrong = from_twin(Request("GET", "/api/v1/clients"), {"authorization": "X-Road-ApiKey token=x"})
    failure = refusal(wrong)
    assert failure.kind is FailureKind.AUTH_FAILED
    assert KEY not in failure.message
    nameless = from_twin(Request("GET", "/r1/VN/GOV/H00.05/CSDL/listMethods"), {})
    assert refusal(nameless).kind is FailureKind.SOURCE_ERROR


def test_no_request_holds_a_secret() -> None:
    secret = set(TWIN.environment.values()) | {KEY}
    for answer, _ in harvested({}):
        assert answer is not None
        assert not any(value in answer.request.canonical() for value in secret)
        assert told(answer).keys() <= {"units", "province", "systems", "unit", "name", "left", "before"}


# --- operational data ---


def test_one_exchange_counts_once_for_the_side_that_it_belongs_to() -> None:
    both_sides = [record(), record(securityServerType="Producer"), record(messageId="m2", succeeded=False)]
    reading = CONNECTOR.read(opmon([*both_sides, record()]))
    assert {(item.unit, item.metric): item.value for item in reading.observations} == {
        ("H00.05", "xroad_exchanges_made"): 2,
        ("H00.05", "xroad_exchanges_failed"): 1,
        ("H00.16", "xroad_exchanges_served"): 1,
        ("H00.16", "xroad_exchanges_served_failed"): 0,
    }
    assert reading.warnings == ("1 bản ghi lặp lại, mỗi trao đổi tính một lần",)
    assert {item.period for item in reading.observations} == {Period(NIGHT, NIGHT)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"monitoringDataTs": NOON * 1000}, "giây"),
        ({"requestInTs": NOON}, "mili giây"),
        ({"monitoringDataTs": NOON - 86_400}, "14/10/2026"),
        ({"monitoringDataTs": NOON + 43_200}, "16/10/2026"),
        ({"securityServerType": "Proxy"}, "securityServerType"),
        ({"succeeded": None}, "succeeded"),
        ({"succeeded": "true"}, "succeeded"),
        ({"messageId": None}, "messageId"),
        ({"clientMemberCode": ""}, "clientMemberCode"),
        ({"messageId": "m0", "succeeded": False}, "vừa thành công vừa thất bại"),
    ],
)
def test_doubtful_records_are_put_aside(change: dict[str, Any], reason: str) -> None:
    reading = CONNECTOR.read(opmon([record(messageId="m0"), record() | change]))
    assert [item.value for item in reading.observations] == [1, 0]
    (aside,) = reading.quarantined
    assert (aside.locator, reason in aside.reason) == ("/records/1", True)


def test_the_days_edges_are_local_midnights() -> None:
    first, last = NOON - 43_200, NOON + 43_199
    edges = [record(messageId="a", monitoringDataTs=first), record(messageId="b", monitoringDataTs=last)]
    assert CONNECTOR.read(opmon(edges)).observations[0].value == 2


def test_a_day_that_does_not_fit_or_is_cut_gives_no_figure() -> None:
    assert refusal(opmon([record()], following=NOON + 1)).kind is FailureKind.TRUNCATED
    whole = opmon([record()], following=NOON + 43_200)
    assert len(CONNECTOR.read(whole).observations) == 2, "the next question would be about the next day"
    assert refusal(opmon([record()], total=2)).kind is FailureKind.TRUNCATED
    cut = opmon([record()])
    for size in (len(cut.body) // 2, len(cut.body) - 6):
        part = Snapshot(cut.request, 200, cut.headers, cut.body[:size], night=NIGHT)
        assert refusal(part).kind is FailureKind.TRUNCATED
    end = b"\r\n--xroadThucHanh--\r\n"
    shorter = cut.body.removesuffix(end)[:-4] + end
    assert refusal(Snapshot(cut.request, 200, cut.headers, shorter, night=NIGHT)).kind is FailureKind.TRUNCATED
    assert CONNECTOR.read(opmon([])).observations == ()


def test_a_bomb_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.xroad.operational_data.MAX_RECORDS_BYTES", 100)
    assert refusal(opmon([record()])).kind is FailureKind.TOO_LARGE


@pytest.mark.parametrize("status", [200, 500])
def test_a_soap_fault_is_an_error_of_the_source(status: int) -> None:
    fault = TWIN.answer(TwinRequest("POST", "", {}, XML, b"<nothing/>"))
    answer = snapshot("/", fault.body, method="POST", status=status, headers={"content-type": fault.content_type})
    failure = refusal(answer)
    assert (failure.kind, "Client.BadRequest" in failure.message) == (FailureKind.SOURCE_ERROR, True)
    dangerous = b'<!DOCTYPE a [<!ENTITY b "c">]>' + fault.body
    bomb = snapshot("/", dangerous, method="POST", headers={"content-type": "text/xml"})
    assert refusal(bomb).kind is FailureKind.UNREADABLE


def test_the_question_never_asks_for_people_and_the_answer_never_keeps_them() -> None:
    question = envelope(("VN", "GOV", "H00.11", "GIAM-SAT"), ("VN", "GOV", "H00.11", "ss1"), NIGHT, "dti-1")
    document = ElementTree.fromstring(question)  # noqa: S314
    fields = {node.text for node in document.iter() if node.tag.endswith("}outputField")}
    assert fields == set(OUTPUT_FIELDS)
    assert not fields & {"messageUserId", "messageIssue", "representedPartyCode", "restPath"}
    (begin,) = (node.text for node in document.iter() if node.tag.endswith("}recordsFrom"))
    assert begin == str(NOON - 43_200)
    careless = opmon([record(messageUserId="079001000001", restPath="/cong-dan/079001000001")])
    redacted = CONNECTOR.redact(careless)
    assert redacted.removed == ("messageUserId", "restPath")
    payload = redacted.body[redacted.body.index(b"\x1f\x8b") :].rsplit(b"\r\n--", 1)[0]
    assert gzip.decompress(payload) == json.dumps({"records": [record()]}, separators=(",", ":")).encode()
    kept = CONNECTOR.read(as_kept(careless))
    assert [item.value for item in kept.observations] == [1, 0]
    assert CONNECTOR.redact(opmon([record()])).body == opmon([record()]).body, "nothing to remove, nothing changed"


def test_diagnostics_and_operational_data_of_the_twin_agree() -> None:
    question = envelope(("VN", "GOV", "H00.11", "GIAM-SAT"), ("VN", "GOV", "H00.11", "ss1"), NIGHT, "dti-1")
    answer = TWIN.answer(TwinRequest("POST", "", {}, XML, question.encode()))
    detailed = CONNECTOR.read(snapshot("/", answer.body, method="POST", headers={"content-type": answer.content_type}))
    by_unit = {(item.metric, item.unit): item.value for item in detailed.observations}
    for item in figures(harvested({"figures": ["exchanges"]})):
        if item.unit in ("H00.01", "H00.02", "H00.03") and item.period.start == NIGHT:
            assert by_unit.get((item.metric, item.unit), Decimal(0)) == item.value
    assert by_unit["xroad_exchanges_made", "H00.03"] is not None


def test_the_log_is_asked_for_day_by_day_as_the_envelope_says() -> None:
    asked = asked_by_soap(BY_SOAP)
    days = [dt.date(2026, 10, day) for day in range(10, 16)]
    assert [(request.method, request.path, request.is_final) for request in asked] == [
        ("POST", "/", day < NIGHT) for day in days
    ]
    client, server = ("VN", "GOV", "H00.11", "GIAM-SAT"), ("VN", "GOV", "H00.11", "ss1")
    assert [request.content for request in asked] == [
        envelope(client, server, day, f"dti-{day:%Y%m%d}") for day in days
    ]
    assert {request.content_type for request in asked} == {"text/xml; charset=UTF-8"}
    later = CONNECTOR.plan(site(**BY_SOAP), YEAR)
    listing = from_twin(next(later), {})
    night_after = later.send(replace(listing, night=NIGHT + dt.timedelta(days=1)))
    assert night_after == asked[1], "the day's question is the same on every night"


def test_a_days_log_is_dated_by_its_question_and_of_the_province_only() -> None:
    yesterday = NIGHT - dt.timedelta(days=1)
    records = [
        record(monitoringDataTs=NOON - 86_400, requestInTs=None),
        record(monitoringDataTs=NOON - 86_400, requestInTs=None, messageId="m2", clientMemberCode="X99"),
    ]
    told = {"day": yesterday.isoformat(), "units": {}, "province": "H00", "hosted": ["H00.05", "H00.06"]}
    answer = multipart(records)
    asked = Request("POST", "/", headers={"DTI-Context": json.dumps(told)}, content="<q/>", content_type="text/xml")
    reading = CONNECTOR.read(Snapshot(asked, 200, {"content-type": answer.content_type}, answer.body, night=NIGHT))
    assert {(item.unit, item.metric): item.value for item in reading.observations} == {
        ("H00.05", "xroad_exchanges_made"): 1,
        ("H00.05", "xroad_exchanges_failed"): 0,
        ("H00.05", "xroad_exchanges_served"): 0,
        ("H00.05", "xroad_exchanges_served_failed"): 0,
        **{("H00.06", metric): 0 for metric in load_manifest("xroad").metrics if "exchanges" in metric},
    }, "a unit that is hosted there made none; of others nothing is said"
    assert {item.period for item in reading.observations} == {Period(yesterday, yesterday)}
    assert reading.warnings == ("1 thành viên ngoài tỉnh hoặc chưa khai trong units, không tính",)
    doubtful = multipart([*records, record(securityServerType="Proxy", monitoringDataTs=NOON - 86_400)])
    reading = CONNECTOR.read(Snapshot(asked, 200, {"content-type": doubtful.content_type}, doubtful.body, night=NIGHT))
    assert {item.unit for item in reading.observations} == {"H00.05"}, "no 0 beside a record that may be anybody's"
    assert len(reading.quarantined) == 1


def test_a_server_is_asked_by_soap_over_the_socket() -> None:
    with Sandbox() as sandbox:
        where = site(**BY_SOAP, days=1).model_copy(update={"base_url": f"{sandbox.base_url}/xroad"})
        quick = Politeness(min_interval_s=0, jitter_s=0, retries=0)
        with Fetcher(where, quick, sleep=time.sleep, monotonic=time.monotonic, jitter=lambda: 0.0) as fetcher:
            plan = CONNECTOR.plan(where, YEAR)
            question = plan.send(replace(fetcher.fetch(next(plan)), night=NIGHT))
            answer = replace(fetcher.fetch(question), night=NIGHT)
    found = {(item.unit, item.metric): item.value for item in CONNECTOR.read(as_kept(answer)).observations}
    first = "H00.01"
    counted = [exchanges(first, name, "Client", NIGHT) for name, _ in systems(first)]
    assert found[first, "xroad_exchanges_made"] == sum(done + failed for done, failed in counted) > 0
    assert CONNECTOR.redact(answer).removed == (), "nobody was asked about, so nothing had to be removed"
