"""Open-data catalogues: the platform first, agencies to the last page, complete counts, and errors that are no 0."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.ckan import questions
from connectors.ckan.connector import CONNECTOR
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Observation, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest
from dti_pipeline.sandbox.twins.ckan import (
    AGENCIES_MAX,
    NOW,
    TWIN,
    WITHOUT_DATA,
    agencies,
    data_sets,
    matching,
    slug,
)
from dti_pipeline.scoring.periods import Period, year

RECORDED = Path(__file__).parents[2] / "connectors" / "ckan" / "recorded"
NIGHT = dt.date(2026, 10, 15)
JSON = {"content-type": "application/json;charset=utf-8"}
FACET = "/result/search_facets/organization/items"

# --- helpers ---


def envelope(result: Any) -> bytes:
    return json.dumps({"help": "…", "success": True, "result": result}).encode()


def error(kind: str, **rest: Any) -> bytes:
    return json.dumps({"help": "…", "success": False, "error": {"__type": kind, **rest}}).encode()


def found(items: list[tuple[str, Any]], count: Any) -> dict[str, Any]:
    rows = [{"name": name, "display_name": name.upper(), "count": number} for name, number in items]
    facet = {"organization": {"title": "organization", "items": rows}}
    return {"count": count, "results": [], "facets": {}, "sort": "", "search_facets": facet}


def snapshot(action: str, body: bytes, *, status: int = 200, content_type: str = "", **params: str) -> Snapshot:
    headers = {"content-type": content_type} if content_type else JSON
    return Snapshot(Request("GET", f"/api/3/action/{action}", params=params), status, headers, body, night=NIGHT)


def search(body: bytes, *names: str, metric: str = questions.DATASETS, **rest: Any) -> Snapshot:
    return snapshot("package_search", body, fq=questions.filter_for(metric, names or ("a1", "b2")), **rest)


def failure(given: Snapshot) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(given)
    return caught.value


def site(**options: Any) -> Site:
    return Site(name="mau", connector="ckan", base_url="https://mau.invalid", province="H00", options=options)


def from_twin(request: Request) -> Snapshot:
    answer = TWIN.answer(TwinRequest(request.method, request.path.lstrip("/"), dict(request.params), {}, b""))
    return Snapshot(request, answer.status, {"content-type": answer.content_type}, answer.body, night=NIGHT)


def drive(
    given: Site, answer: Callable[[Request], Snapshot] = from_twin
) -> tuple[list[Request], list[Reading], list[SourceFailure]]:
    """As the kit drives a plan: a request that failed gives None."""
    plan = CONNECTOR.plan(given, year(2026))
    requests: list[Request] = []
    readings: list[Reading] = []
    failures: list[SourceFailure] = []
    sent: Snapshot | None = None
    while True:
        try:
            request = plan.send(sent)
        except StopIteration:
            return requests, readings, failures
        requests.append(request)
        sent = answer(request)
        try:
            readings.append(CONNECTOR.read(sent))
        except SourceFailure as trouble:
            failures.append(trouble)
            sent = None


# --- counts ---


def test_a_facet_gives_every_agency_asked_for_its_count_and_the_absent_one_0() -> None:
    reading = CONNECTOR.read(search(envelope(found([("b2", 5), ("h00-16", 7)], 12)), "a1", "b2", "h00-16"))
    assert [(item.unit, item.value, item.locator, item.unit_code) for item in reading.observations] == [
        ("a1", Decimal(0), FACET, None),
        ("b2", Decimal(5), f"{FACET}/0/count", None),
        ("h00-16", Decimal(7), f"{FACET}/1/count", "H00.16"),
    ]
    assert {item.metric for item in reading.observations} == {"open_datasets"}
    assert {item.period for item in reading.observations} == {Period(NIGHT, NIGHT)}
    assert [item.unit_name for item in reading.observations] == ["a1", "B2", "H00-16"]
    assert reading.warnings == ()


def test_no_data_set_at_all_is_0_for_everybody_even_without_a_facet() -> None:
    empty = {**found([], 0), "search_facets": {}}
    assert [item.value for item in CONNECTOR.read(search(envelope(empty))).observations] == [0, 0]


@pytest.mark.parametrize("metric", questions.METRICS)
def test_every_figure_is_known_again_from_its_filter(metric: str) -> None:
    assert questions.asked(questions.filter_for(metric, ["a1", "h00-16"], "extras_chu-ky")) == (
        metric,
        ("a1", "h00-16"),
    )
    reading = CONNECTOR.read(search(envelope(found([("a1", 1)], 1)), metric=metric))
    assert {item.metric for item in reading.observations} == {metric}


def test_cycles_last_as_long_as_their_words_say_and_no_word_is_found_within_another() -> None:
    known = questions.cycles()
    assert list(known) == [1, 7, 31, 92, 184, 366]
    words = [word for said in known.values() for word in said]
    assert not [(one, other) for one in words for other in words if one != other and one in other]


@pytest.mark.parametrize("fq", ["", "organization:a1", '+organization:("a1") +license_id:("x")', "+tags:(a)"])
def test_a_filter_that_is_not_ours_is_not_guessed_at(fq: str) -> None:
    given = snapshot("package_search", envelope(found([], 0)), fq=fq)
    assert failure(given).kind is FailureKind.WRONG_SHAPE


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (found([("a1", 5)], 6), FailureKind.TRUNCATED),
        (found([("a1", 5), ("c3", 1)], 6), FailureKind.WRONG_SHAPE),
        (found([("a1", 5), ("a1", 5)], 10), FailureKind.WRONG_SHAPE),
        (found([("a1", None)], 0), FailureKind.WRONG_SHAPE),
        (found([("a1", "5")], 5), FailureKind.WRONG_SHAPE),
        (found([("a1", -5)], 5), FailureKind.WRONG_SHAPE),
        (found([("a1", 1.5)], 1), FailureKind.WRONG_SHAPE),
        (found([("a1", True)], 1), FailureKind.WRONG_SHAPE),
        (found([], None), FailureKind.WRONG_SHAPE),
        ({"count": 0}, FailureKind.WRONG_SHAPE),
        ({"count": 3, "search_facets": {}}, FailureKind.WRONG_SHAPE),
        ({"count": 0, "search_facets": {"organization": {}}}, FailureKind.WRONG_SHAPE),
        ([], FailureKind.WRONG_SHAPE),
    ],
)
def test_a_count_that_is_not_whole_is_refused(result: Any, kind: FailureKind) -> None:
    assert failure(search(envelope(result))).kind is kind


def test_a_new_field_is_said_once() -> None:
    result = found([("a1", 1), ("b2", 1)], 2) | {"zeitgeist": 1}
    for row in result["search_facets"]["organization"]["items"]:
        row["colour"] = "x"
    warnings = CONNECTOR.read(search(envelope(result))).warnings
    assert warnings == (f"trường mới: {FACET}/*/colour, /result/zeitgeist",)


def test_null_0_and_missing_are_told_apart() -> None:
    missing = {"count": 0, "search_facets": {"organization": {"items": [{"name": "a1"}]}}}
    assert "không có count" in failure(search(envelope(missing))).message
    assert "null" in failure(search(envelope(found([("a1", None)], 0)))).message
    assert CONNECTOR.read(search(envelope(found([("a1", 0)], 0)))).observations[0].locator == f"{FACET}/0/count"


def test_201_is_as_good_as_200_and_other_statuses_are_not() -> None:
    good = envelope(found([("a1", 3)], 3))
    assert CONNECTOR.read(search(good, status=201)) == CONNECTOR.read(search(good))
    kinds = {status: failure(search(good, status=status)).kind for status in (202, 401, 403)}
    assert kinds == {202: FailureKind.HTTP_STATUS, 401: FailureKind.AUTH_FAILED, 403: FailureKind.BLOCKED}


def test_figures_need_their_night() -> None:
    assert failure(replace(search(envelope(found([], 0))), night=None)).kind is FailureKind.WRONG_SHAPE


# --- errors: CKAN's own table, and what is no CKAN ---

PAGE = b"<!DOCTYPE html><html><body>Not here</body></html>"
LOGIN = b"<html><form><input name=login><input type='password'></form></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, b'"Bad request: Action name not known: nope"', FailureKind.SOURCE_ERROR, False),
        (404, error("Not Found Error", message="Not found"), FailureKind.SOURCE_ERROR, False),
        (409, error("Validation Error", rows=["Invalid integer"]), FailureKind.SOURCE_ERROR, False),
        (403, error("Authorization Error", message="Access to this is denied"), FailureKind.AUTH_FAILED, False),
        (500, error("Search Connection Error", message="down"), FailureKind.SOURCE_ERROR, True),
        (500, error("Internal Server Error", message="bug"), FailureKind.SOURCE_ERROR, True),
        (200, error("Search Error"), FailureKind.SOURCE_ERROR, False),
        (200, b'{"success": false}', FailureKind.SOURCE_ERROR, False),
        (200, PAGE, FailureKind.NOT_JSON, False),
        (404, PAGE, FailureKind.HTTP_STATUS, False),
        (503, PAGE, FailureKind.HTTP_STATUS, True),
        (200, LOGIN, FailureKind.AUTH_FAILED, False),
        (403, PAGE, FailureKind.BLOCKED, False),
        (403, LOGIN, FailureKind.AUTH_FAILED, False),
        (401, PAGE, FailureKind.AUTH_FAILED, False),
        (200, b'{"success": true, "result": {}', FailureKind.TRUNCATED, True),
        (429, b"{}", FailureKind.BLOCKED, False),
        (200, b"<html><title>Request Rejected</title></html>", FailureKind.BLOCKED, False),
        (200, b'{"success": true, "result": {"count": 1', FailureKind.TRUNCATED, True),
        (200, b"chao", FailureKind.NOT_JSON, False),
        (200, b"", FailureKind.NOT_JSON, False),
        (502, b"bad gateway", FailureKind.HTTP_STATUS, True),
        (200, b"[]", FailureKind.WRONG_SHAPE, False),
        (200, b'{"success": "true", "result": {}}', FailureKind.WRONG_SHAPE, False),
        (200, b'{"success": true}', FailureKind.WRONG_SHAPE, False),
        (404, b"{}", FailureKind.HTTP_STATUS, False),
        (500, b'{"success": true, "result": {}}', FailureKind.HTTP_STATUS, True),
    ],
)
def test_an_error_is_a_failure_and_never_no_data_sets(
    status: int, body: bytes, kind: FailureKind, retryable: bool
) -> None:
    content_type = "text/html; charset=utf-8" if body.startswith(b"<") else ""
    trouble = failure(search(body, status=status, content_type=content_type))
    assert (trouble.kind, trouble.retryable) == (kind, retryable)


def test_a_validation_error_names_the_field_and_an_outage_itself() -> None:
    assert "rows" in failure(search(error("Validation Error", rows=["Invalid integer"]), status=409)).message
    assert "Search Connection Error" in failure(search(error("Search Connection Error"), status=500)).message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, PAGE),
        (200, PAGE),
        (404, b'{"message": "Not Found"}'),
        (400, b'"Bad request"'),
        (200, b"xin chao"),
        (200, b"[]"),
        (200, envelope({"version": 3})),
        (200, envelope([])),
    ],
)
def test_what_is_no_ckan_is_an_unsupported_platform_and_is_asked_nothing_else(status: int, body: bytes) -> None:
    content_type = "text/html" if body.startswith(b"<") else ""

    def answer(request: Request) -> Snapshot:
        return snapshot(request.path.rpartition("/")[2], body, status=status, content_type=content_type)

    requests, readings, failures = drive(site(), answer)
    assert [request.path for request in requests] == ["/api/3/action/status_show"]
    assert readings == []
    assert [trouble.kind for trouble in failures] == [FailureKind.UNSUPPORTED_PLATFORM]


def test_a_portal_that_is_down_is_not_called_another_platform() -> None:
    assert failure(snapshot("status_show", PAGE, status=503, content_type="text/html")).kind is FailureKind.HTTP_STATUS
    assert failure(snapshot("status_show", LOGIN, content_type="text/html")).kind is FailureKind.AUTH_FAILED
    assert failure(snapshot("status_show", b"", status=500)).retryable
    assert CONNECTOR.read(snapshot("status_show", envelope({"site_title": "Mẫu"}))) == Reading()


def test_an_unknown_action_is_refused() -> None:
    assert failure(snapshot("package_list", envelope([]))).kind is FailureKind.WRONG_SHAPE


# --- agencies ---


def test_agencies_are_followed_to_the_empty_page_whatever_the_portals_cap() -> None:
    names = [f"co-quan-{number:02d}" for number in range(23)]

    def answer(request: Request) -> Snapshot:
        action = request.path.rpartition("/")[2]
        result: Any = {"site_title": "Mẫu"}
        if action == "organization_list":
            offset = int(request.params["offset"])
            result = [{"name": name} for name in names[offset : offset + 10]]
        elif action == "package_search":
            result = found([], 0)
        return Snapshot(request, 200, JSON, envelope(result), night=NIGHT)

    requests, readings, failures = drive(site(figures=["open_datasets"]), answer)
    assert failures == []
    assert [request.params["offset"] for request in requests if "offset" in request.params] == ["0", "10", "20", "23"]
    assert [item.unit for reading in readings for item in reading.observations] == names


def test_an_agency_without_a_usable_name_is_warned_about_and_shifts_no_page() -> None:
    def answer(request: Request) -> Snapshot:
        action = request.path.rpartition("/")[2]
        rows = [{"name": "a1"}, {"name": None}, {"name": 'x" OR "y'}] if request.params.get("offset") == "0" else []
        result = {"status_show": {"site_title": "M"}, "organization_list": rows}.get(action, found([("a1", 2)], 2))
        return Snapshot(request, 200, JSON, envelope(result), night=NIGHT)

    requests, readings, failures = drive(site(figures=["open_datasets"]), answer)
    assert failures == []
    assert requests[-1].params["offset"] == "3"
    assert [len(reading.warnings) for reading in readings] == [0, 2, 0, 0]
    assert requests[2].params["fq"] == '+organization:("a1")'


def test_an_agency_twice_on_a_page_is_refused() -> None:
    given = snapshot("organization_list", envelope([{"name": "a1"}, {"name": "a1"}]))
    assert failure(given).kind is FailureKind.WRONG_SHAPE


def test_a_failed_page_of_agencies_ends_the_plan() -> None:
    def answer(request: Request) -> Snapshot:
        if request.path.endswith("status_show"):
            return from_twin(request)
        return Snapshot(request, 500, JSON, error("Internal Server Error"), night=NIGHT)

    requests, readings, failures = drive(site(), answer)
    assert (len(requests), len(readings), len(failures)) == (2, 1, 1)


# --- options ---


def test_named_agencies_are_asked_for_without_the_list() -> None:
    names = [f"co-quan-{number:02d}" for number in range(26)]
    plan = CONNECTOR.plan(site(organizations=names, figures=["open_datasets"], cycle_field="extras_chu_ky"), year(2025))
    first = next(plan)
    asked = [plan.send(from_twin(first)), plan.send(None)]
    assert [questions.asked(request.params["fq"]) for request in asked] == [
        ("open_datasets", tuple(names[:25])),
        ("open_datasets", tuple(names[25:])),
    ]
    with pytest.raises(StopIteration):
        plan.send(None)


@pytest.mark.parametrize(
    "options",
    [
        {"organizations": []},
        {"organizations": "so-y-te"},
        {"organizations": ["Sở Y tế"]},
        {"organizations": ["so-y-te", "so-y-te"]},
        {"figures": []},
        {"figures": ["datasets"]},
        {"figures": ["open_datasets", "open_datasets"]},
        {"cycle_field": "a b"},
        {"cycle_field": None},
        {"organisation": "x"},
    ],
)
def test_bad_options_are_refused_before_the_first_request(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="site mau: option") as caught:
        next(CONNECTOR.plan(site(**options), year(2026)))
    assert next(iter(options)) in str(caught.value)


# --- manifest, recorded answers, twin ---


def test_the_manifest_is_whole() -> None:
    manifest = load_manifest("ckan")
    assert manifest.as_of == "night"
    assert manifest.metrics == questions.METRICS


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_recorded_answers_read_as_checked_by_hand(case: str) -> None:
    given = json.loads((RECORDED / case / "request.json").read_text(encoding="utf-8"))
    request = Request(given["method"], given["path"], given["params"], given["headers"])
    body = (RECORDED / case / "body.json").read_bytes()
    night = dt.date.fromisoformat(given["night"])
    reading = CONNECTOR.read(Snapshot(request, given["status"], JSON, body, night=night))
    assert reading.warnings == ()
    assert [shown(item) for item in reading.observations] == json.loads(
        (RECORDED / case / "expected.json").read_text(encoding="utf-8")
    )


def shown(item: Observation) -> dict[str, str | None]:
    def text(value: Decimal | None) -> str | None:
        return None if value is None else f"{value:f}"

    return {
        "metric": item.metric,
        "unit": item.unit_code or item.unit,
        "state": item.state.value,
        "value": text(item.value),
        "numerator": text(item.numerator),
        "denominator": text(item.denominator),
        "locator": item.locator,
    }


def test_the_twins_catalogue_is_counted_whole(tmp_path: Path) -> None:
    (entry,) = TWIN.sites("http://127.0.0.1:1/ckan", tmp_path)
    requests, readings, failures = drive(Site.model_validate(entry))
    assert failures == []
    # 28 agencies are two pages and an empty one; each page with agencies is followed by its five figures.
    assert len(agencies()) == 28 > AGENCIES_MAX
    assert len(requests) == 1 + 3 + 2 * 5
    seen = {(item.metric, item.unit_code): item.value for reading in readings for item in reading.observations}
    assert len(seen) == 5 * 28
    words = {"monthly": 31, "hàng quý": 92, "hàng năm": 366, "annually": 366, "weekly": 7}
    for code in agencies():
        own = [item for item in data_sets() if item.organization == slug(code)]
        age = {item.name: NOW - item.modified for item in own}
        cyclic = [item for item in own if item.frequency in words]
        assert seen["open_datasets", code] == len(own)
        assert seen["open_datasets_machine_readable", code] == sum(
            1 for item in own if not {"CSV", "XLSX", "JSON", "XML"}.isdisjoint(item.formats)
        )
        assert seen["open_datasets_updated_within_year", code] == sum(
            1 for item in own if age[item.name] <= dt.timedelta(days=365)
        )
        assert seen["open_datasets_with_cycle", code] == len(cyclic)
        assert seen["open_datasets_on_schedule", code] == sum(
            1 for item in cyclic if age[item.name] <= dt.timedelta(days=words[item.frequency or ""])
        )
    assert seen["open_datasets", WITHOUT_DATA] == 0


def ask(action: str, **params: str) -> tuple[TwinAnswer, Any]:
    answer = TWIN.answer(TwinRequest("GET", f"api/3/action/{action}", params, {}, b""))
    return answer, json.loads(answer.body)


def test_the_twin_errs_and_caps_as_ckan_does() -> None:
    assert ask("nope")[0].status == 400
    assert ask("nope")[1] == "Bad request: Action name not known: nope"
    answer, body = ask("package_search", rows="abc")
    assert (answer.status, body["error"]["__type"], body["error"]["rows"]) == (
        409,
        "Validation Error",
        ["Invalid integer"],
    )
    assert ask("package_search", fq="+license:(")[0].status == 409
    assert len(ask("organization_list", all_fields="true", limit="100")[1]["result"]) == AGENCIES_MAX
    assert len(ask("organization_list")[1]["result"]) == 28
    every = ask("package_search", rows="5000")[1]["result"]
    assert every["count"] == len(data_sets()) == len(every["results"])
    assert ask("package_search", start="100000")[1]["result"]["results"] == []
    assert not every["results"][0]["metadata_modified"].endswith("Z")
    assert TWIN.answer(TwinRequest("GET", "dataset", {}, {}, b"")).status == 404
    assert TWIN.environment == {}


def test_the_twin_understands_and_or_and_brackets() -> None:
    two = matching('+organization:("h00-02" OR "h00-03") +res_format:("PDF")')
    assert two
    assert all("PDF" in item.formats and item.organization in ("h00-02", "h00-03") for item in two)
    either = matching('+(extras_frequency:("weekly") OR (extras_frequency:("monthly") AND res_format:("PDF")))')
    assert {item.frequency for item in either} == {"weekly", "monthly"}
    assert all(item.frequency == "weekly" or "PDF" in item.formats for item in either)
