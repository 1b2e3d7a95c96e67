"""WSO2 API Manager: published APIs and subscriptions per unit, page after page, and everything that is no figure."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connectors.wso2_apim.connector import CONNECTOR, IN_FORCE, PAGE_SIZE, PERSONAL
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Observation, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.sandbox.practice import portal_units
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest
from dti_pipeline.sandbox.twins.wso2_apim import (
    CLIENT,
    CROWDED,
    SCOPES,
    SECRET,
    TOKEN,
    TWIN,
    apis,
    provider,
    subscriptions,
)
from dti_pipeline.scoring.periods import Period, year

RECORDED = Path(__file__).parents[2] / "connectors" / "wso2_apim" / "recorded"
NIGHT = dt.date(2026, 10, 15)
JSON = {"content-type": "application/json; charset=utf-8"}
BASE = "/api/am/publisher/v4"
PROVIDERS = {provider("H00.05"): "H00.05"}


# --- helpers ---


def site(**options: Any) -> Site:
    return Site(name="thu", connector="wso2_apim", base_url="https://lgsp.invalid", province="H00", options=options)


def snapshot(
    name: str,
    body: Any,
    *,
    offset: int = 0,
    status: int = 200,
    headers: Mapping[str, str] = JSON,
    told: Mapping[str, Any] | None = None,
    night: dt.date | None = NIGHT,
) -> Snapshot:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    context = {} if told is None else {"DTI-Context": json.dumps(told)}
    request = Request("GET", f"{BASE}/{name}", {"limit": "100", "offset": str(offset)}, context)
    return Snapshot(request, status, headers, raw, night=night)


def page(items: list[dict[str, Any]], *, total: int | None = None, offset: int = 0) -> dict[str, Any]:
    paging = {"offset": offset, "limit": 100, "total": len(items) if total is None else total}
    return {"count": len(items), "list": items, "pagination": paging}


def api(identifier: str, code: str | None = None, **fields: Any) -> dict[str, Any]:
    properties = [] if code is None else [{"name": "ma_dinh_danh", "value": code, "display": False}]
    base = {"id": identifier, "name": identifier, "provider": "lgsp", "lifeCycleStatus": "PUBLISHED"}
    return base | {"additionalProperties": properties} | fields


def subscription(application: str | None, status: str = "UNBLOCKED") -> dict[str, Any]:
    info = {} if application is None else {"applicationId": application}
    return {"subscriptionId": f"S-{application}-{status}", "applicationInfo": info, "subscriptionStatus": status}


def kept(answer: Snapshot) -> Snapshot:
    """As the kit hands it to `read`: after redaction."""
    body = CONNECTOR.redact(answer).body
    return Snapshot(answer.request, answer.status, answer.headers, body, answer.url, answer.night)


def read(answer: Snapshot) -> Reading:
    return CONNECTOR.read(kept(answer))


def refusal(answer: Snapshot) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        read(answer)
    return caught.value


def asked_twin(request: Request, token: str = TOKEN) -> TwinAnswer:
    headers = {name.lower(): value for name, value in request.headers.items()} | {"authorization": f"Bearer {token}"}
    return TWIN.answer(TwinRequest(request.method, request.path.lstrip("/"), request.params, headers, b""))


def harvested(failing: str | None = None, **options: Any) -> Iterator[tuple[Snapshot, Reading]]:
    """Drives the plan against the twin like the runner; requests with `failing` in them fail."""
    plan = CONNECTOR.plan(site(**({"providers": PROVIDERS} | options)), year(2026))
    answer: Snapshot | None = None
    while True:
        try:
            request = plan.send(answer)
        except StopIteration:
            return
        answer = None
        if failing is None or failing not in request.canonical():
            said = asked_twin(request)
            headers = {"content-type": said.content_type}
            answer = kept(Snapshot(request, said.status, headers, said.body, night=NIGHT))
            yield answer, CONNECTOR.read(answer)


def values(found: Iterator[tuple[Snapshot, Reading]], metric: str) -> dict[str, int]:
    items = [item for _, reading in found for item in reading.observations if item.metric == metric]
    assert len({item.unit for item in items}) == len(items), "one figure per unit"
    assert {item.period for item in items} <= {Period(NIGHT, NIGHT)}
    return {item.unit: int(item.value or 0) for item in items}


def counts(reading: Reading) -> dict[str, int]:
    return {item.unit: int(item.value or 0) for item in reading.observations}


def resolve(document: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


# --- manifest, recorded answers, options ---


def test_manifest_and_catalogue_agree() -> None:
    manifest = load_manifest("wso2_apim")
    assert set(manifest.metrics) == set(manifest.expect)
    assert {load_metrics()[code].behaviour for code in manifest.metrics} == {"stock"}
    assert (manifest.as_of, manifest.auth) == ("night", "oauth2_client")


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_recorded_answers(case: str) -> None:
    asked = json.loads((RECORDED / case / "request.json").read_bytes())
    body = (RECORDED / case / "body.json").read_bytes()
    request = Request(asked["method"], asked["path"], asked["params"], asked["headers"])
    night = dt.date.fromisoformat(asked["night"])
    reading = read(Snapshot(request, asked["status"], asked["headers"], body, night=night))

    def plain(item: Observation) -> dict[str, Any]:
        number = {"value": str(item.value), "numerator": None, "denominator": None}
        return (
            {"metric": item.metric, "unit": item.unit, "state": item.state.value} | number | {"locator": item.locator}
        )

    assert [plain(item) for item in reading.observations] == json.loads(
        (RECORDED / case / "expected.json").read_bytes()
    )
    for item in reading.observations:
        resolve(json.loads(body), item.locator)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"api_version": "v9"}, "api_version"),
        ({"unit_property": ""}, "unit_property"),
        ({"providers": ["lgsp"]}, "providers"),
        ({"providers": {"lgsp": "Sở Tài chính"}}, "providers"),
        ({"business_owners": {"Sở Tài chính": "5"}}, "business_owners"),
        ({"limit": 25}, "limit"),
    ],
)
def test_options_are_refused_before_the_first_request(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"site thu: option {named}"):
        next(CONNECTOR.plan(site(**options), year(2026)))


# --- the whole plan against the twin ---


def test_every_page_is_read_and_every_subscriber_counted_once() -> None:
    published = {code: len(apis(code)) for code in portal_units() if apis(code)}
    assert sum(published.values()) > PAGE_SIZE, "more than one page"
    assert len(subscriptions(CROWDED)) > PAGE_SIZE
    in_force = {
        code: sum(len({name for name, state in subscriptions(item) if state in IN_FORCE}) for item in apis(code))
        for code in published
    }
    assert values(harvested(), "wso2_apis_published") == published
    assert values(harvested(), "wso2_api_subscriptions") == in_force


def test_a_failed_request_leaves_its_unit_without_a_sum() -> None:
    whole = values(harvested(), "wso2_api_subscriptions")
    for failing in ('"apiId":"H00.11-API-02"', f'"apiId":"{CROWDED}","limit":"100","offset":"100"'):
        assert whole.keys() - values(harvested(failing), "wso2_api_subscriptions").keys() == {"H00.11"}
    assert values(harvested('"offset":"100","query"'), "wso2_apis_published") == {}
    assert list(harvested('"offset":"0"')) == []


def test_the_requests_hold_no_secret_and_ask_the_versions_path() -> None:
    for answer, _ in harvested():
        request = answer.request.canonical()
        assert not any(secret in request for secret in (TOKEN, SECRET, CLIENT))
        assert answer.request.path in (f"{BASE}/apis", f"{BASE}/subscriptions")
    first = next(CONNECTOR.plan(site(api_version="v3"), year(2026)))
    assert first.path == "/api/am/publisher/v3/apis"
    assert first.params == {"limit": "100", "offset": "0", "query": "status:PUBLISHED"}


# --- APIs ---


def test_a_unit_is_known_by_property_then_owner_then_provider() -> None:
    named = {"property": "ma_dinh_danh", "owners": {"Sở Y tế": "H00.16"}, "providers": {"lgsp": "H00.11"}}
    items = [
        api("1", "H00.05", businessOwner="Sở Y tế"),
        api("2", businessOwner="Sở Y tế"),
        api("3"),
        api("4", additionalProperties=[], additionalPropertiesMap={"ma_dinh_danh": {"value": "H00.05"}}),
    ]
    assert counts(read(snapshot("apis", page(items), told=named))) == {"H00.05": 2, "H00.11": 1, "H00.16": 1}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (api("2"), "không biết đơn vị"),
        (api("2", "Sở Tài chính"), "không biết đơn vị"),
        (api("2", "H00.05", lifeCycleStatus="CREATED"), "CREATED"),
        (api("2", "H00.05", lifeCycleStatus=None), "lifeCycleStatus"),
        (api("", "H00.05"), "không có id"),
    ],
)
def test_doubtful_apis_are_put_aside(item: dict[str, Any], reason: str) -> None:
    reading = read(snapshot("apis", page([api("1", "H00.05"), item])))
    assert counts(reading) == {"H00.05": 1}
    (aside,) = reading.quarantined
    assert (aside.locator, reason in aside.reason) == ("/list/1", True)


def test_a_page_in_the_middle_gives_no_figure_and_tells_what_it_does_not_count() -> None:
    reading = read(snapshot("apis", page([api("1", "H00.05"), api("2")], total=3)))
    assert (reading.observations, reading.quarantined) == ((), ())
    assert [line[:7] for line in reading.warnings] == ["/list/1"]


def test_new_fields_are_said_once() -> None:
    items = [api("1", "H00.05", carbonScore=1), api("2", "H00.05", carbonScore=2)]
    assert read(snapshot("apis", page(items))).warnings == ("apis: trường mới «carbonScore»",)


@pytest.mark.parametrize(
    ("body", "offset", "told", "kind"),
    [
        (page([], total=1), 0, None, FailureKind.TRUNCATED),
        (page([api("1", "H00.05")]) | {"count": 2}, 0, None, FailureKind.TRUNCATED),
        (page([api("1", "H00.05")], total=0), 0, None, FailureKind.WRONG_SHAPE),
        (page([api("1", "H00.05")]), 100, {"before": {}}, FailureKind.WRONG_ROOT),
        (page([api("1", "H00.05")], total=101, offset=100), 100, None, FailureKind.WRONG_SHAPE),
        (page([api("1", "H00.05")], total=101, offset=100), 100, {"before": {}, "total": 102}, FailureKind.WRONG_SHAPE),
        (page([api("1", "H00.05"), api("1", "H00.05")]), 0, None, FailureKind.WRONG_SHAPE),
        ({"count": 0, "list": []}, 0, None, FailureKind.WRONG_SHAPE),
        (page([]) | {"pagination": {"total": "0", "offset": 0}}, 0, None, FailureKind.WRONG_SHAPE),
        (page([]) | {"list": None}, 0, None, FailureKind.WRONG_SHAPE),
        ([], 0, None, FailureKind.WRONG_SHAPE),
        ({"code": 900967, "message": "General Error"}, 0, None, FailureKind.SOURCE_ERROR),
        (b'{"count": 1, "list": [', 0, None, FailureKind.TRUNCATED),
        (json.dumps(page([])).replace("{", '{"count": 0, ', 1).encode(), 0, None, FailureKind.WRONG_SHAPE),
        (b"NaN", 0, None, FailureKind.NOT_JSON),
    ],
)
def test_pages_that_cannot_be_trusted(body: Any, offset: int, told: Any, kind: FailureKind) -> None:
    assert refusal(snapshot("apis", body, offset=offset, told=told)).kind is kind


def test_an_empty_catalogue_is_empty() -> None:
    assert read(snapshot("apis", page([]))) == Reading()


# --- subscriptions ---


def test_one_application_subscribes_to_one_api_once() -> None:
    items = [subscription("a"), subscription("a", "TIER_UPDATE_PENDING"), subscription("b", "BLOCKED")]
    told = {"unit": "H00.05", "left": 0, "before": 4, "seen": ["a", "c"]}
    assert counts(read(snapshot("subscriptions", page(items), told=told))) == {"H00.05": 6}
    assert read(snapshot("subscriptions", page(items), told=told | {"left": 1})).observations == ()
    assert read(snapshot("subscriptions", page(items, total=101), told=told)).observations == ()
    assert counts(read(snapshot("subscriptions", page([]), told=told | {"before": 0, "seen": []}))) == {"H00.05": 0}


@pytest.mark.parametrize("item", [subscription("a", "FROZEN"), subscription(None)])
def test_a_doubtful_subscription_makes_no_sum(item: dict[str, Any]) -> None:
    told = {"unit": "H00.05", "left": 0, "before": 0, "seen": []}
    assert refusal(snapshot("subscriptions", page([item]), told=told)).kind is FailureKind.WRONG_SHAPE


def test_subscriptions_without_their_unit_are_refused() -> None:
    assert refusal(snapshot("subscriptions", page([]))).kind is FailureKind.WRONG_SHAPE


# --- errors, logins, people ---


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "retryable"),
    [
        (401, JSON, b'{"code":401,"message":"no"}', FailureKind.AUTH_FAILED, False),
        (403, JSON, b'{"code":900910,"message":"scope"}', FailureKind.AUTH_FAILED, False),
        (403, {"content-type": "text/html"}, b"<html>", FailureKind.BLOCKED, False),
        (429, JSON, b"{}", FailureKind.BLOCKED, False),
        (200, {"content-type": "text/html"}, b"<html>Request Rejected", FailureKind.BLOCKED, False),
        (200, {"content-type": "text/html"}, b"<html>login", FailureKind.UNSUPPORTED_PLATFORM, False),
        (404, JSON, b"{}", FailureKind.UNSUPPORTED_PLATFORM, False),
        (400, JSON, b'{"code":900314,"message":"Bad Request"}', FailureKind.SOURCE_ERROR, False),
        (500, JSON, b'{"code":500,"message":"x"}', FailureKind.HTTP_STATUS, True),
        (408, JSON, b"", FailureKind.HTTP_STATUS, True),
    ],
)
def test_errors_are_never_an_empty_list(
    status: int, headers: dict[str, str], body: bytes, kind: FailureKind, retryable: bool
) -> None:
    answer = snapshot("apis", body, status=status, headers=headers)
    for attempt in (CONNECTOR.read, CONNECTOR.redact):
        with pytest.raises(SourceFailure) as caught:
            attempt(answer)
        assert (caught.value.kind, caught.value.retryable) == (kind, retryable)


def test_the_publishers_words_are_told_without_their_details() -> None:
    body = {"code": 900910, "message": "The access token lacks the scope", "description": f"token {TOKEN}"}
    failure = refusal(snapshot("apis", body, status=403))
    assert "900910 – The access token lacks the scope" in failure.message
    assert TOKEN not in failure.message


def test_the_twin_grants_only_the_scopes_of_its_account_and_refuses_strangers() -> None:
    def token(client: str, form: str) -> TwinAnswer:
        basic = base64.b64encode(f"{client}:{SECRET}".encode()).decode()
        return TWIN.answer(TwinRequest("POST", "oauth2/token", {}, {"authorization": f"Basic {basic}"}, form.encode()))

    granted = token(CLIENT, "grant_type=client_credentials&scope=apim:api_view+apim:admin")
    assert json.loads(granted.body) == {
        "access_token": TOKEN,
        "scope": "apim:api_view",
        "token_type": "Bearer",
        "expires_in": 3600,
    }
    assert (token("x", "grant_type=client_credentials").status, token(CLIENT, "grant_type=jwt").status) == (401, 400)
    (entry,) = TWIN.sites("http://127.0.0.1:1/wso2_apim", Path())
    assert Site(**entry).auth is not None
    assert entry["auth"]["scope"] == " ".join(SCOPES)
    assert set(TWIN.environment) == {entry["auth"]["client_id"], entry["auth"]["client_secret"]}
    refused = asked_twin(Request("GET", f"{BASE}/apis"), token="x")
    assert refusal(snapshot("apis", refused.body, status=refused.status)).kind is FailureKind.AUTH_FAILED


def test_people_are_removed_and_the_rest_is_kept() -> None:
    item = api("1", "H00.05", businessOwnerEmail="a@b.invalid", technicalOwner="Nguyễn Văn Mẫu", updatedBy="mau")
    removed = CONNECTOR.redact(snapshot("apis", page([item])))
    assert removed.removed == ("businessOwnerEmail", "technicalOwner", "updatedBy")
    assert json.loads(removed.body) == page([api("1", "H00.05")])
    info = {"applicationId": "a", "subscriber": "mau"}
    nested = CONNECTOR.redact(snapshot("subscriptions", page([subscription("a") | {"applicationInfo": info}])))
    assert (nested.removed, b"mau" in nested.body) == (("subscriber",), False)
    clean = snapshot("apis", page([api("1", "H00.05")]))
    assert CONNECTOR.redact(clean).body == clean.body
    for answer, _ in harvested():
        assert not any(f'"{name}"'.encode() in answer.body for name in PERSONAL)
