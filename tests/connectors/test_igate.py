"""The reader of iGate's statistics: what it asks, how it dates what it reads, what it refuses.

Hand-made rows of the fictional province; recorded cases read by hand; the practice twin against the practice figures.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import connectors.igate
from connectors.igate.connector import CONNECTOR
from connectors.igate.vocabulary import REPORTS
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins.igate import CLIENT, PAGE_CAP, TAG, TOKEN, TOKEN_PATH, TWIN, USER, agencies
from dti_pipeline.scoring.formula import parse_requirement
from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState

RECORDED = Path(connectors.igate.__file__).parent / "recorded"
NIGHT = dt.date(2026, 10, 15)
Q3 = quarter(2026, 3)
LEVELS = ["a0", "a1", "a2"]
OPTIONS: dict[str, Any] = {
    "agency_id": "root",
    "agency_levels": LEVELS,
    "procedure_levels": ["p2", "p3", "p4"],
    "list_levels": ["l0", "l1"],
}

Json = dict[str, Any]


# --- helpers ---


def site(options: Json | None = None, **changes: Any) -> Site:
    entry = {"name": "mot-cua", "connector": "igate", "base_url": "https://api.example", "province": "H00"}
    return Site.model_validate(entry | {"options": OPTIONS if options is None else options} | changes)


def row(**changes: Any) -> Json:
    return {
        "agency": {"id": "x", "code": "H00.02", "name": "Sở Nội vụ (hư cấu)"},
        "received": 100,
        "receivedOnline": 60,
        "receivedDirect": 30,
        "resolved": 90,
        "resolvedOverdue": 4,
    } | changes


def online(**changes: Any) -> Json:
    fields = REPORTS["online"].figures
    return {"agency_name": "Sở Nội vụ (hư cấu)"} | dict.fromkeys(fields, 0) | {"total": 9} | changes


def asked(name: str = "statistics", window: Period = Q3, **options: Any) -> Request:
    plan = CONNECTOR.plan(site(OPTIONS | {"reports": [name]} | options), window)
    return next(plan)


def taken(content: Any, request: Request | None = None, status: int = 200, kind: str = "application/json") -> Snapshot:
    body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    return Snapshot(request or asked(), status, {"Content-Type": kind}, body, night=NIGHT)


def read(content: Any, request: Request | None = None) -> Reading:
    return CONNECTOR.read(taken(content, request))


def failure(snapshot: Snapshot) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(snapshot)
    return caught.value


def values(reading: Reading) -> dict[str, Decimal | None]:
    return {item.metric: item.value for item in reading.observations}


def tell(request: Request, token: str = TOKEN) -> Snapshot:
    """The twin's answer to a request."""
    headers = {"authorization": f"bearer {token}"}
    said = TWIN.answer(TwinRequest(request.method, request.path.strip("/"), request.params, headers, b""))
    return Snapshot(request, said.status, {"Content-Type": said.content_type}, said.body, night=NIGHT)


def drive(window: Period, token: str = TOKEN, **options: Any) -> list[Snapshot]:
    (entry,) = TWIN.sites("http://127.0.0.1:1/igate", Path("/nowhere"))
    where = Site.model_validate(entry | {"options": entry["options"] | options})
    plan, answers, answer = CONNECTOR.plan(where, window), [], None
    while True:
        try:
            answer = tell(plan.send(answer), token)
        except StopIteration:
            return answers
        answers.append(answer)


# --- recorded cases ---


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir() if path.is_dir()))
def test_recorded_case(case: str) -> None:
    stored = json.loads((RECORDED / case / "request.json").read_text(encoding="utf-8"))
    request = Request(stored["method"], stored["path"], params=stored["params"])
    body = (RECORDED / case / "body.json").read_bytes()
    snapshot = Snapshot(request, stored["status"], stored["headers"], body, night=NIGHT)
    expected = json.loads((RECORDED / case / "expected.json").read_text(encoding="utf-8"))
    if isinstance(expected, dict):
        assert failure(snapshot).kind.value == expected["failure"]
        return
    reading = CONNECTOR.read(snapshot)
    names = ("metric", "unit", "state", "value", "numerator", "denominator", "locator")
    got = [
        dict.fromkeys(names)
        | {"metric": item.metric, "unit": item.unit_code or item.unit, "state": item.state.value}
        | {"value": None if item.value is None else str(item.value), "locator": item.locator}
        for item in reading.observations
    ]
    assert got == expected
    assert reading.quarantined == ()


# --- days ---


@pytest.mark.parametrize(
    ("name", "bounds", "first", "last"),
    [
        ("statistics", "local_as_z", "2026-09-01T00:00:00.000Z", "2026-09-30T23:59:59.999Z"),
        ("statistics", "utc", "2026-08-31T17:00:00.000Z", "2026-09-30T16:59:59.999Z"),
        ("online", "local_as_z", "2026-09-01T00:00:00.0Z", "2026-09-30T23:59:59.0Z"),
        ("digitization", "utc", "2026-08-31T17:00:00.000Z", "2026-09-30T16:59:59.999Z"),
    ],
)
def test_local_days_are_sent_as_configured_and_read_back_as_the_same_days(
    name: str, bounds: str, first: str, last: str
) -> None:
    report, request = REPORTS[name], asked(name, month(2026, 9), day_bounds=bounds)
    assert (request.params[report.first], request.params[report.last]) == (first, last)
    content = online() if name == "online" else row()
    assert {item.period for item in read([content], request).observations} == {month(2026, 9)}


def test_a_single_local_day_stays_that_day() -> None:
    day = Period(dt.date(2026, 9, 5), dt.date(2026, 9, 5))
    for bounds in ("local_as_z", "utc"):
        request = asked(window=day, day_bounds=bounds)
        assert {item.period for item in read([row()], request).observations} == {day}


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-09-01T00:00:00.000Z", "2026-09-30T16:59:59.999Z"),
        ("2026-09-01T07:00:00.000Z", "2026-09-30T23:59:59.999Z"),
        ("2026-09-01", "2026-09-30"),
        ("2026-09-31T00:00:00.000Z", "2026-09-30T23:59:59.999Z"),
        ("2026-10-01T00:00:00.000Z", "2026-09-30T23:59:59.999Z"),
    ],
)
def test_bounds_that_are_no_whole_local_days_date_nothing(first: str, last: str) -> None:
    params = dict(asked().params) | {"from-date": first, "to-date": last}
    assert failure(taken([row()], Request("GET", "/x", params=params))).kind is FailureKind.WRONG_SHAPE


def test_a_stored_request_without_its_parameters_dates_nothing() -> None:
    assert failure(taken([row()], Request("GET", REPORTS["statistics"].path))).kind is FailureKind.WRONG_SHAPE


# --- rows ---


def test_figures_have_the_place_of_their_number_and_the_units_name_with_its_code() -> None:
    (first, *_), warnings = read([row()]).observations, read([row()]).warnings
    assert (first.metric, first.value, first.locator) == ("dossiers_received", 100, "/0/received")
    assert (first.unit, first.unit_code) == ("Sở Nội vụ (hư cấu)", "H00.02")
    assert warnings == ()


def test_codes_that_are_no_identifier_codes_are_left_to_the_registry() -> None:
    agency = {"name": "Sở Nội vụ (hư cấu)", "code": "SNV"}
    assert {item.unit_code for item in read([row(agency=agency)]).observations} == {None}


def test_null_zero_and_missing_are_three_things() -> None:
    reading = read([row(received=None, receivedOnline=0, receivedDirect=0) | {}])
    states = {item.metric: (item.state, item.value, item.locator) for item in reading.observations}
    assert states["dossiers_received"] == (InputState.MISSING, None, "/0/received")
    assert states["dossiers_received_online"] == (InputState.HARVESTED, Decimal(0), "/0/receivedOnline")
    content = row()
    del content["resolved"]
    reading = read([content, content | {"agency": {"name": "Sở Tư pháp (hư cấu)", "code": "H00.03"}}])
    missing = [item.locator for item in reading.observations if item.metric == "dossiers_resolved"]
    assert missing == ["/0", "/1"]
    assert reading.warnings == ("statistics: thiếu trường «resolved» (tại /0 và 1 chỗ khác)",)


def test_a_new_field_is_said_once() -> None:
    second = row(agency={"name": "Sở Tư pháp (hư cấu)", "code": "H00.03"}, receivedPostal=1)
    warnings = read([row(receivedPostal=2), second]).warnings
    assert warnings == ("statistics: trường mới «receivedPostal» (tại /0 và 1 chỗ khác)",)


@pytest.mark.parametrize(
    "changes",
    [
        {"receivedOnline": 80},
        {"resolvedOverdue": 91},
        {"receivedDirect": -1},
        {"received": 100.5},
        {"received": "100 hồ sơ"},
        {"received": "1.5"},
        {"receivedDirect": True},
        {"received": [1]},
        {"received": 10**10},
        {"agency": None},
        {"agency": {"code": "H00.03", "name": ""}},
    ],
)
def test_a_row_that_contradicts_itself_is_put_aside(changes: Json) -> None:
    good = row(agency={"name": "Sở Tư pháp (hư cấu)", "code": "H00.04"})
    reading = read([good, row(**changes)])
    assert [item.locator for item in reading.quarantined] == ["/1"]
    assert {item.unit_code for item in reading.observations} == {"H00.04"}


@pytest.mark.parametrize(("field", "change"), [("totalReceiverNopeFile", 31), ("totalCompleteNopeFile", 0)])
def test_files_and_no_files_add_up(field: str, change: int) -> None:
    content = {"agency": row()["agency"], "totalReceiver": 50, "totalReceiverHavingFile": 20}
    content |= {
        "totalReceiverNopeFile": 30,
        "totalComplete": 9,
        "totalCompleteHavingFile": 8,
        "totalCompleteNopeFile": 1,
    }
    assert len(read([content], asked("digitization")).observations) == 4
    assert len(read([content | {field: change}], asked("digitization")).quarantined) == 1


def test_numbers_as_text_and_dotted_thousands() -> None:
    reading = read([row(received="12.345", receivedOnline="12", receivedDirect=" 7 ")])
    assert list(values(reading).values())[:3] == [12345, 12, 7]


def test_an_agency_that_stands_twice_is_counted_for_neither() -> None:
    older = {"name": "Sở Nội vụ (hư cấu)", "code": "000.00.02.H00"}
    reading = read([row(), row(agency=older, received=5, receivedOnline=0, receivedDirect=0)])
    assert reading.observations == ()
    assert [item.locator for item in reading.quarantined] == ["/0", "/1"]
    twice = read([online(), online(total=3), online(agency_name="Sở Tư pháp (hư cấu)")], asked("online"))
    assert {item.unit for item in twice.observations} == {"Sở Tư pháp (hư cấu)"}


def test_agencies_of_one_name_are_told_apart_by_code() -> None:
    name = "Xã Trùng Tên (hư cấu)"
    reading = read([row(agency={"name": name, "code": "H00.21.01"}), row(agency={"name": name, "code": "H00.22.01"})])
    assert {(item.unit, item.unit_code) for item in reading.observations} == {
        ("H00.21.01", "H00.21.01"),
        ("H00.22.01", "H00.22.01"),
    }


# --- refusals ---


@pytest.mark.parametrize(
    ("status", "kind", "body", "expected", "retryable"),
    [
        (401, "application/json", b'{"error":"invalid_token"}', FailureKind.AUTH_FAILED, False),
        (401, "text/html", b"<p>login", FailureKind.AUTH_FAILED, False),
        (403, "application/json", b'{"error":"access_denied"}', FailureKind.AUTH_FAILED, False),
        (403, "text/html", b"<p>Request Rejected", FailureKind.BLOCKED, False),
        (429, "application/json", b"{}", FailureKind.BLOCKED, False),
        (200, "text/html", b"<p>Request Rejected", FailureKind.BLOCKED, False),
        (404, "application/json", b"{}", FailureKind.HTTP_STATUS, False),
        (504, "text/html", b"<p>x", FailureKind.HTTP_STATUS, True),
        (200, "application/json", b'{"status":500,"error":"Internal Server Error"}', FailureKind.SOURCE_ERROR, False),
        (200, "application/json", b"[]", FailureKind.SOURCE_ERROR, False),
        (200, "application/json", b"{}", FailureKind.WRONG_SHAPE, False),
        (200, "application/json", b'"x"', FailureKind.WRONG_SHAPE, False),
        (200, "application/json", b"[1]", FailureKind.WRONG_SHAPE, False),
        (200, "application/json", b'[{"received":1,"received":2}]', FailureKind.WRONG_SHAPE, False),
        (200, "application/json", b'[{"received": 10', FailureKind.TRUNCATED, True),
        (200, "application/json", b"[NaN]", FailureKind.NOT_JSON, False),
        (200, "application/json", b"", FailureKind.NOT_JSON, False),
    ],
)
def test_what_is_no_report_is_a_failure(
    status: int, kind: str, body: bytes, expected: FailureKind, retryable: bool
) -> None:
    found = failure(taken(body, status=status, kind=kind))
    assert (found.kind, found.retryable) == (expected, retryable)


# --- the list of agencies ---


def page(number: int, total: int = 5, size: int = 2, **changes: Any) -> Json:
    content = [{"id": f"id{index}", "code": "H00.02", "name": "Sở"} for index in range(total)]
    return {
        "content": content[number * size : (number + 1) * size],
        "number": number,
        "size": size,
        "totalElements": total,
        "totalPages": -(-total // size),
    } | changes


def test_every_page_of_agencies_is_followed_and_then_each_agency_is_asked_about() -> None:
    plan = CONNECTOR.plan(site(OPTIONS | {"by_agency": True, "tag_id": "t", "reports": ["digitization"]}), year(2026))
    request = next(plan)
    for number in range(3):
        assert (request.params["page"], request.params["size"]) == (str(number), "2000")
        request = plan.send(taken(page(number), request))
    asked_about = [request.params["ancestor-id"], *(later.params["ancestor-id"] for later in plan)]
    assert asked_about == ["id0", "id1", "id2", "id3", "id4"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (page(0), FailureKind.WRONG_SHAPE),
        (page(1, content=[]), FailureKind.TRUNCATED),
        (page(1, totalElements=3), FailureKind.TRUNCATED),
        (page(1, totalPages=2), FailureKind.TRUNCATED),
        (page(1, totalElements=None), FailureKind.WRONG_SHAPE),
        (page(1, content=None), FailureKind.WRONG_SHAPE),
        (page(1, total=0), FailureKind.SOURCE_ERROR),
        ([], FailureKind.WRONG_SHAPE),
    ],
)
def test_a_page_that_is_not_what_it_says_is_refused_and_no_agency_is_asked_about(
    content: Any, kind: FailureKind
) -> None:
    plan = CONNECTOR.plan(site(OPTIONS | {"by_agency": True, "tag_id": "t"}), year(2026))
    second = plan.send(taken(page(0), next(plan)))
    assert failure(taken(content, second)).kind is kind
    with pytest.raises(StopIteration):
        plan.send(taken(content, second))


def test_a_page_that_failed_leaves_no_half_list() -> None:
    plan = CONNECTOR.plan(site(OPTIONS | {"by_agency": True, "tag_id": "t"}), year(2026))
    plan.send(taken(page(0), next(plan)))
    with pytest.raises(StopIteration):
        plan.send(None)


# --- asking ---


def test_reports_paths_and_slices_follow_the_options() -> None:
    options = OPTIONS | {"reports": ["online"], "paths": {"online": "/pa/x/report"}, "slice": "month"}
    plan = CONNECTOR.plan(site(options), quarter(2026, 4))
    first = next(plan)
    assert (first.path, first.params["agency-id"], first.params["procedureLevel4"]) == ("/pa/x/report", "root", "p4")
    assert first.headers == {}  # the token is the kit's business
    with pytest.raises(StopIteration):  # November has not come
        plan.send(taken([online()], first))


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"agency_id": ""}, "agency_id"),
        ({"agency_id": "a b"}, "agency_id"),
        ({"reports": []}, "reports"),
        ({"reports": ["x"]}, "reports"),
        ({"reports": ["online", "online"]}, "reports"),
        ({"agency_levels": ["a"]}, "agency_levels"),
        ({"procedure_levels": None}, "procedure_levels"),
        ({"list_levels": []}, "list_levels"),
        ({"by_agency": 1}, "by_agency"),
        ({"by_agency": True}, "tag_id"),
        ({"day_bounds": "local"}, "day_bounds"),
        ({"slice": "day"}, "slice"),
        ({"paths": {"online": "pa"}}, "paths"),
        ({"paths": {"other": "/pa"}}, "paths"),
        ({"paths": {"online": "/pa?token=1"}}, "paths"),
        ({"token": "x"}, "token"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_the_first_request(changes: Json, option: str) -> None:
    with pytest.raises(ValueError, match=f"site mot-cua: option {option} "):
        next(CONNECTOR.plan(site(OPTIONS | changes), year(2026)))


# --- manifest and twin ---


def test_manifest_covers_what_is_read() -> None:
    manifest = load_manifest("igate")
    assert set(manifest.metrics) == {metric for report in REPORTS.values() for metric in report.figures.values()}
    assert all(parse_requirement(text, set(manifest.metrics)) for text in manifest.invariants)


@pytest.mark.parametrize("bounds", ["local_as_z", "utc"])
def test_twin_gives_the_practice_figures_for_either_kind_of_bounds(bounds: str) -> None:
    months = practice.months_between((2026, 7), (2026, 9))
    for window, span in ((quarter(2026, 3), months), (year(2026), practice.months_between((2026, 1), (2026, 12)))):
        answers = drive(window, day_bounds=bounds)
        assert len(answers) == 3
        statistics, submitted, digitised = (CONNECTOR.read(answer) for answer in answers)
        for reading in (statistics, submitted, digitised):
            assert (reading.warnings, reading.quarantined) == ((), ())
            assert {item.period for item in reading.observations} == {window}
            assert len({item.unit for item in reading.observations}) == len(agencies())
        got = {(item.unit_code, item.metric): item.value for item in statistics.observations}
        for code in agencies():
            own = practice.counts(code, span)
            assert got[code, "dossiers_received"] == own.received
            assert got[code, "dossiers_received_online"] == own.online
            assert got[code, "dossiers_resolved"] == own.completed
        # The online report knows names only: the same ones, so that the crosswalk finds them.
        assert {item.unit for item in submitted.observations} == {item.unit for item in statistics.observations}
        files = {(item.unit_code, item.metric): item.value for item in digitised.observations}
        assert files["H00.02", "dossiers_received_with_files"] == practice.counts("H00.02", span).digitised


def test_twin_pages_its_agencies_below_the_size_that_was_asked_for() -> None:
    answers = drive(quarter(2026, 3), by_agency=True, tag_id=TAG, reports=["statistics"])
    units = len(agencies())
    assert units == 20 + 8 + 60  # departments, districts, communes
    pages = -(-units // PAGE_CAP)
    assert pages > 1
    assert len(answers) == pages + units
    assert all(CONNECTOR.read(answer) for answer in answers)


def test_twin_refuses_a_wrong_token_and_gives_one_for_the_right_password() -> None:
    assert failure(drive(quarter(2026, 3), token="expired", reports=["online"])[0]).kind is FailureKind.AUTH_FAILED

    def token(form: dict[str, str], **headers: str) -> tuple[int, Json]:
        said = TWIN.answer(TwinRequest("POST", TOKEN_PATH.strip("/"), {}, headers, urlencode(form).encode()))
        return said.status, json.loads(said.body)

    client = {"client_id": CLIENT[0], "client_secret": CLIENT[1]}
    user = {"grant_type": "password", "username": USER[0], "password": USER[1]}
    basic = "Basic " + base64.b64encode(":".join(CLIENT).encode()).decode()
    assert token(client | user)[1]["access_token"] == TOKEN
    assert token(user, authorization=basic)[1]["access_token"] == TOKEN
    assert token(client | user | {"password": "x"})[0] == 401
    assert token(user)[0] == 401
    assert token(client | user | {"grant_type": "x"})[0] == 400


def test_twin_errors_are_read_as_failures() -> None:
    days = {"agency-id": "x", "from-date": "x", "to-date": "x"}
    for request, kind in (
        (Request("GET", "/pa/other", params=dict(asked().params)), FailureKind.HTTP_STATUS),
        (Request("GET", REPORTS["statistics"].path, params=days), FailureKind.HTTP_STATUS),
        (asked(), FailureKind.SOURCE_ERROR),  # an agency that the twin does not know: an empty report
    ):
        assert failure(tell(request)).kind is kind
