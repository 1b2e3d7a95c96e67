"""Matomo: what is asked, how its answers and its errors are read, and the practice Matomo that answers the same way."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from connectors.matomo.connector import CONNECTOR, SITES_PER_REQUEST
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins.matomo import TOKEN, TWIN, UNTRACKED, visits_on, websites
from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState

RECORDED = Path(__file__).parents[2] / "connectors" / "matomo" / "recorded"
NIGHT = dt.date(2026, 10, 15)
SEPTEMBER = "2026-09-01,2026-09-30"
ROW = {"nb_uniq_visitors": 5, "nb_visits": 7, "nb_actions": 20, "bounce_rate": "50%"}


# --- helpers ---


def site(**options: Any) -> Site:
    given = {"sites": {"1": "H00", "2": "H00.01"}} | options
    return Site(
        name="thu",
        connector="matomo",
        base_url="https://matomo.invalid",
        province="H00",
        options={key: value for key, value in given.items() if value is not None},
    )


def bulk(*units: str, period: str = "month", days: str = SEPTEMBER) -> Request:
    urls = {
        f"urls[{place}]": f"method=VisitsSummary.get&idSite={place + 1}&period={period}&date={days}&dtiUnit={unit}"
        for place, unit in enumerate(units)
    }
    return Request("POST", "index.php", data=urls)


def answer(body: Any, request: Request | None = None, *, status: int = 200, kind: str = "application/json") -> Snapshot:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Snapshot(request or bulk("H00"), status, {"Content-Type": kind}, raw, night=NIGHT)


def read(body: Any, request: Request | None = None, **options: Any) -> Reading:
    return CONNECTOR.read(answer(body, request, **options))


def failure(body: Any, request: Request | None = None, **options: Any) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        read(body, request, **options)
    return caught.value


def figures(reading: Reading) -> list[tuple[str, str, str, Decimal | None]]:
    return [(item.metric, item.unit, item.state.value, item.value) for item in reading.observations]


def asked(of: Site, window: Period, night: dt.date | None = NIGHT) -> list[Request]:
    plan, requests = CONNECTOR.plan(of, window), []
    reply: Snapshot | None = None
    while True:
        try:
            requests.append(plan.send(reply))
        except StopIteration:
            return requests
        reply = None if night is None else Snapshot(requests[-1], 200, {}, b"[]", night=night)


# --- recorded answers ---


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_a_recorded_answer_reads_as_worked_out_by_hand(case: str) -> None:
    request = json.loads((RECORDED / case / "request.json").read_text())
    snapshot = Snapshot(
        Request(request["method"], request["path"], request["params"], data=request["data"]),
        request["status"],
        {},
        (RECORDED / case / "body.json").read_bytes(),
        night=dt.date.fromisoformat(request["night"]),
    )
    reading = CONNECTOR.read(snapshot)
    found = [
        {
            "metric": item.metric,
            "unit": item.unit,
            "state": item.state.value,
            "value": None if item.value is None else f"{item.value:f}",
            "numerator": None,
            "denominator": None,
            "locator": item.locator,
        }
        for item in reading.observations
    ]
    assert found == json.loads((RECORDED / case / "expected.json").read_text())
    assert (reading.warnings, reading.quarantined) == ((), ())


def test_every_metric_of_the_manifest_is_supplied() -> None:
    manifest = load_manifest("matomo")
    found = {
        item.metric
        for item in read([{"2026-10-01": ROW}], bulk("H00", period="day", days="2026-10-01,2026-10-01")).observations
    }
    assert found == set(manifest.metrics)
    assert manifest.auth == "form_field"


# --- what is asked ---


def test_one_bulk_request_a_month_until_the_last_month_that_is_over() -> None:
    requests = asked(site(), year(2026))
    assert [parse_qs(request.data["urls[0]"])["date"] for request in requests if request.data] == [
        [f"{month(2026, number).start},{month(2026, number).end}"] for number in range(1, 10)
    ]
    first = requests[0]
    assert (first.method, first.path) == ("POST", "index.php")
    assert first.params == {"module": "API", "method": "API.getBulkRequest", "format": "json"}
    assert parse_qs((first.data or {})["urls[1]"]) == {
        "method": ["VisitsSummary.get"],
        "idSite": ["2"],
        "period": ["month"],
        "date": ["2026-01-01,2026-01-31"],
        "format_metrics": ["0"],
        "filter_limit": ["-1"],
        "dtiUnit": ["H00.01"],
    }


def test_by_day_the_running_month_is_asked_for_too() -> None:
    assert len(asked(site(period="day"), year(2026))) == 10
    assert len(asked(site(), quarter(2026, 3))) == 3


def test_the_last_month_is_asked_for_on_the_night_it_ends_on() -> None:
    assert len(asked(site(), year(2026), dt.date(2026, 9, 30))) == 9
    assert len(asked(site(), year(2026), dt.date(2026, 9, 29))) == 8


def test_a_failed_request_does_not_end_the_plan() -> None:
    assert len(asked(site(), quarter(2026, 3), night=None)) == 3


def test_many_websites_are_split() -> None:
    many = {str(number): f"H00.{number:02d}" for number in range(1, SITES_PER_REQUEST + 2)}
    requests = asked(site(sites=many), month(2026, 9))
    assert [len(request.data or {}) for request in requests] == [SITES_PER_REQUEST, 1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sites": None}, "sites is missing"),
        ({"sites": ["H00"]}, "sites is"),
        ({"sites": {"a": "H00"}}, "idSite"),
        ({"sites": {"1": "Sở Y tế"}}, "identifier code"),
        ({"sites": {"1": "H00", "2": "H00"}}, "stands twice"),
        ({"period": "week"}, "give month or day"),
        ({"token": "x"}, "knows only"),
    ],
)
def test_wrong_options_are_told_before_the_first_request(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match="site thu: option .*" + told):
        asked(site(**options), year(2026))


def test_a_window_without_whole_months_is_refused() -> None:
    with pytest.raises(ValueError, match="calendar year, quarter or month"):
        asked(site(), Period(dt.date(2026, 1, 15), dt.date(2026, 3, 31)))


# --- what is read ---


def test_null_zero_missing_field_and_no_data_are_four_things() -> None:
    row = ROW | {"nb_visits": 0, "nb_uniq_visitors": 0}
    assert figures(read([{"2026-09": row}]))[0] == ("portal_visits", "H00", "harvested", Decimal(0))
    null = read([{"2026-09": ROW | {"nb_visits": None}}])
    assert (figures(null)[0][2:], null.observations[0].locator) == (("missing", None), "/0/2026-09/nb_visits")
    without = {key: value for key, value in ROW.items() if key != "nb_visits"}
    absent = read([{"2026-09": without}])
    assert (figures(absent)[0][2:], absent.observations[0].locator) == (("missing", None), "/0/2026-09")
    assert absent.warnings == ("thiếu trường «nb_visits» (tại /0/2026-09)",)
    nothing = read([[]])
    assert (figures(nothing)[0][2:], nothing.observations[0].locator) == (("missing", None), "/0")
    assert nothing.warnings == ()


def test_a_period_that_was_asked_for_and_did_not_come_is_missing_and_told() -> None:
    request = bulk("H00", period="day", days="2026-10-01,2026-10-02")
    reading = read([{"2026-10-02": ROW}], request)
    assert [item.state for item in reading.observations] == [InputState.MISSING] * 3 + [InputState.HARVESTED] * 3
    assert reading.warnings == ("thiếu kỳ đã hỏi (tại /0/2026-10-01)",)


def test_a_month_or_day_that_is_not_over_gives_nothing() -> None:
    assert read([{"2026-10": ROW}], bulk("H00", days="2026-10-01,2026-10-31")).observations == ()
    days = {f"2026-10-{day}": ROW for day in (15, 16)}
    reading = read([days], bulk("H00", period="day", days="2026-10-15,2026-10-16"))
    assert {item.period.end for item in reading.observations} == {NIGHT}


def test_monthly_visitors_are_no_figure() -> None:
    assert {item.metric for item in read([{"2026-09": ROW}]).observations} == {"portal_visits", "portal_actions"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"nb_visits": "1.234"}, "không phải số đếm"),
        ({"nb_visits": "50%"}, "không phải số đếm"),
        ({"nb_visits": -9007199254740991}, "không thể là số đếm"),
        ({"nb_visits": 7.5}, "không thể là số đếm"),
        ({"nb_visits": 4}, "lớn hơn nb_visits"),
    ],
)
def test_a_row_that_cannot_be_true_waits_in_quarantine(change: dict[str, Any], told: str) -> None:
    reading = read([{"2026-09": ROW | change}, {"2026-09": ROW}], bulk("H00", "H00.01"))
    assert {item.unit for item in reading.observations} == {"H00.01"}
    (record,) = reading.quarantined
    assert record.locator == "/0/2026-09"
    assert told in record.reason


def test_unread_fields_are_told_once() -> None:
    row = ROW | {"nb_new": 1}
    reading = read([{"2026-09": row}, {"2026-09": row}], bulk("H00", "H00.01"))
    assert reading.warnings == ("trường mới «nb_new» (tại /0/2026-09 và 1 chỗ khác)",)


# --- failures ---


REFUSED = {
    "result": "error",
    "message": "Unable to authenticate with the provided token. It is either invalid or expired.",
}
NO_ACCESS = {
    "result": "error",
    "message": "You can't access this resource as it requires 'view' access for the website id = 1.",
}
NO_WEBSITE = {
    "result": "error",
    "message": "An unexpected website was found in the request: website id was set to '9' .",
}


@pytest.mark.parametrize("body", [REFUSED, NO_ACCESS, [REFUSED, {"2026-09": ROW}], [NO_ACCESS, NO_ACCESS]])
@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_refused_token_is_never_asked_again(body: Any, status: int) -> None:
    told = failure(body, bulk("H00", "H00.01"), status=status)
    if status == 403 and isinstance(body, list):
        assert told.kind is FailureKind.BLOCKED
    else:
        assert told.kind is FailureKind.AUTH_FAILED
    assert not told.retryable


@pytest.mark.parametrize("status", [200, 500])
def test_an_error_body_is_an_error_whatever_the_status(status: int) -> None:
    body = {"result": "error", "message": "Lỗi <b>thực hành</b> token 0123456789abcdef0123456789abcdef"}
    told = failure(body, status=status)
    assert (told.kind, told.message) == (FailureKind.SOURCE_ERROR, "Matomo báo lỗi: Lỗi thực hành token …")
    assert failure([NO_WEBSITE]).kind is FailureKind.SOURCE_ERROR


def test_an_error_about_one_website_leaves_the_others() -> None:
    reading = read([NO_WEBSITE, {"2026-09": ROW}], bulk("H00", "H00.01"))
    assert figures(reading) == [
        ("portal_visits", "H00", "unavailable", None),
        ("portal_actions", "H00", "unavailable", None),
        ("portal_visits", "H00.01", "harvested", Decimal(7)),
        ("portal_actions", "H00.01", "harvested", Decimal(20)),
    ]
    assert reading.observations[0].reason == "Matomo báo lỗi: " + NO_WEBSITE["message"]
    assert reading.warnings[0].startswith("Matomo báo lỗi với idSite 1: An unexpected website")


def test_an_error_about_a_period_that_is_not_over_says_nothing() -> None:
    request = bulk("H00", "H00.01", days="2026-10-01,2026-10-31")
    reading = read([NO_WEBSITE, {"2026-10": ROW}], request)
    assert reading.observations == ()
    assert len(reading.warnings) == 1


def test_the_answer_of_a_bulk_request_is_a_list() -> None:
    assert failure({"nb_visits": 3}).message == "câu trả lời của yêu cầu gộp phải là một danh sách"


BLOCK = b"<html><head><title>Request Rejected</title></head><body>Your support ID is: 1</body></html>"
LOGIN = b"<!DOCTYPE html><html><head><title>Sign in - Matomo</title></head><body></body></html>"


@pytest.mark.parametrize(
    ("body", "status", "kind", "expected", "retryable"),
    [
        (BLOCK, 200, "text/html", FailureKind.BLOCKED, False),
        (BLOCK, 403, "text/html", FailureKind.BLOCKED, False),
        (b"", 429, "text/plain", FailureKind.BLOCKED, False),
        (LOGIN, 401, "text/html", FailureKind.AUTH_FAILED, False),
        (b'{"message": "Forbidden"}', 403, "application/json", FailureKind.AUTH_FAILED, False),
        (LOGIN, 200, "text/html", FailureKind.UNSUPPORTED_PLATFORM, False),
        (b"Bad Gateway", 502, "text/plain", FailureKind.HTTP_STATUS, True),
        (b"Not Found", 404, "text/plain", FailureKind.HTTP_STATUS, False),
        (b'[{"2026-09": {"nb_vis', 200, "application/json", FailureKind.TRUNCATED, True),
        (b"oops", 200, "application/json", FailureKind.NOT_JSON, False),
        (b'{"nb_visits": 3}', 200, "application/json", FailureKind.WRONG_SHAPE, False),
        (b"[]", 200, "application/json", FailureKind.WRONG_SHAPE, False),
        (b"[7]", 200, "application/json", FailureKind.WRONG_SHAPE, False),
        (b'[{"nb_visits": 3}]', 200, "application/json", FailureKind.WRONG_SHAPE, False),
        (b'[{"2026-09": 3}]', 200, "application/json", FailureKind.WRONG_SHAPE, False),
        (b'[{"2026-09": {"nb_visits": true}}]', 200, "application/json", FailureKind.WRONG_SHAPE, False),
        (b'[{"2026-09": [], "2026-09": []}]', 200, "application/json", FailureKind.WRONG_SHAPE, False),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure(
    body: bytes, status: int, kind: str, expected: FailureKind, retryable: bool
) -> None:
    told = failure(body, status=status, kind=kind)
    assert (told.kind, told.retryable) == (expected, retryable)


def test_a_stored_answer_needs_its_request_and_its_night() -> None:
    for request in (Request("POST", "index.php"), Request("POST", "index.php", data={"urls[0]": "idSite=1"})):
        assert failure([{"2026-09": ROW}], request).kind is FailureKind.WRONG_SHAPE
    with pytest.raises(SourceFailure, match="không biết đêm"):
        CONNECTOR.read(Snapshot(bulk("H00"), 200, {}, b"[[]]"))


# --- the practice Matomo ---


def from_twin(request: Request, token: str | None = TOKEN, *, in_address: bool = False) -> Snapshot:
    form = dict(request.data or {}) | ({"token_auth": token} if token and not in_address else {})
    params = dict(request.params) | ({"token_auth": token} if token and in_address else {})
    said = TWIN.answer(TwinRequest(request.method, request.path, params, {}, urlencode(form).encode()))
    return Snapshot(request, said.status, {"content-type": said.content_type}, said.body, night=NIGHT)


def test_the_practice_matomo_is_read_from_end_to_end() -> None:
    practice = Site.model_validate(TWIN.sites("http://127.0.0.1:1/matomo", Path())[0])
    plan, readings = CONNECTOR.plan(practice, year(2026)), []
    reply: Snapshot | None = None
    while True:
        try:
            reply = from_twin(plan.send(reply))
        except StopIteration:
            break
        readings.append(CONNECTOR.read(reply))
    assert not any(reading.warnings or reading.quarantined for reading in readings)
    found = {(item.metric, item.unit, item.period): item for reading in readings for item in reading.observations}
    assert len(found) == 2 * len(websites()) * 9
    for code in websites().values():
        item = found["portal_visits", code, month(2026, 9)]
        days = [dt.date(2026, 9, day) for day in range(1, 31)]
        assert item.value == (None if code == UNTRACKED else sum(visits_on(code, day) for day in days))
        assert (item.state is InputState.MISSING) == (code == UNTRACKED)


def test_days_of_the_practice_matomo_add_up_to_its_month() -> None:
    (by_month,) = asked(site(), month(2026, 9))
    (by_day,) = asked(site(period="day"), month(2026, 9))
    whole = CONNECTOR.read(from_twin(by_month)).observations[0]
    days = [
        item.value
        for item in CONNECTOR.read(from_twin(by_day)).observations
        if (item.metric, item.unit) == ("portal_visits", whole.unit)
    ]
    assert len(days) == 30
    assert whole.value == sum(value for value in days if value is not None)


def test_the_practice_matomo_wants_its_token_in_the_body() -> None:
    (request,) = asked(site(), month(2026, 9))
    for token, in_address in ((None, False), ("wrong", False), (TOKEN, True)):
        snapshot = from_twin(request, token, in_address=in_address)
        assert snapshot.status == 401
        with pytest.raises(SourceFailure) as caught:
            CONNECTOR.read(snapshot)
        assert caught.value.kind is FailureKind.AUTH_FAILED
        assert TOKEN not in caught.value.message


def test_the_practice_matomo_fails_with_status_200_as_the_real_one_does() -> None:
    (request,) = asked(site(sites={"99": "H00"}), month(2026, 9))
    snapshot = from_twin(request)
    assert snapshot.status == 200
    with pytest.raises(SourceFailure, match="unexpected website"):
        CONNECTOR.read(snapshot)
