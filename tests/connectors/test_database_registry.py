"""A province's list of databases: counts by hand, what is not declared, what is put aside, and answers refused."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.database_registry.connector import CONNECTOR, PATH
from connectors.database_registry.counting import METRICS
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Observation, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins.database_registry import ITEMS, TOKEN, TWIN, closings, document
from dti_pipeline.scoring.periods import Period, year
from dti_pipeline.scoring.states import InputState

RECORDED = Path(__file__).parents[2] / "connectors" / "database_registry" / "recorded"
NIGHT = dt.date(2026, 10, 15)
ASKED = {"province": "H00", "as_of": "2026-12-31"}
WHOLE: dict[str, Any] = json.loads((RECORDED / "whole" / "body.json").read_text(encoding="utf-8"))

# --- helpers ---


def snapshot(body: Any, *, status: int = 200, night: dt.date | None = NIGHT, **params: str) -> Snapshot:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Snapshot(Request("GET", PATH, params=ASKED | params), status, {}, raw, night=night)


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    given: dict[str, Any] = copy.deepcopy(WHOLE)
    change(given)
    given["totals"] = {name: len(given[name]) for name in ("agencies", "databases", "platforms", "items")}
    return given


def failure(given: Snapshot) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(given)
    return caught.value


def value(reading: Reading, metric: str, unit: str = "H00") -> Decimal | None:
    (found,) = (item for item in reading.observations if (item.metric, item.unit) == (metric, unit))
    return found.value


def site(**options: Any) -> Site:
    return Site(
        name="mau", connector="database_registry", base_url="https://mau.invalid", province="H00", options=options
    )


def shown(item: Observation) -> dict[str, str | None]:
    def text(number: Decimal | None) -> str | None:
        return None if number is None else f"{number:f}"

    return {
        "metric": item.metric,
        "unit": item.unit_code or item.unit,
        "state": item.state.value,
        "value": text(item.value),
        "numerator": text(item.numerator),
        "denominator": text(item.denominator),
        "locator": item.locator,
    }


# --- counts ---


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_recorded_answers_read_as_checked_by_hand(case: str) -> None:
    given = json.loads((RECORDED / case / "request.json").read_text(encoding="utf-8"))
    request = Request(given["method"], given["path"], given["params"], given["headers"])
    body = (RECORDED / case / "body.json").read_bytes()
    reading = CONNECTOR.read(Snapshot(request, given["status"], {}, body, night=dt.date.fromisoformat(given["night"])))
    assert (reading.warnings, reading.quarantined) == ((), ())
    assert [shown(item) for item in reading.observations] == json.loads(
        (RECORDED / case / "expected.json").read_text(encoding="utf-8")
    )
    assert {item.period for item in reading.observations} == {Period(dt.date(2026, 9, 30), dt.date(2026, 9, 30))}
    assert all((item.reason is not None) == (item.state is InputState.UNAVAILABLE) for item in reading.observations)


def test_the_province_is_the_whole_list_and_never_one_of_its_agencies() -> None:
    reading = CONNECTOR.read(snapshot(WHOLE))
    for metric in ("databases", "databases_on_lgsp", "data_items", "data_items_open"):
        assert value(reading, metric) == sum(value(reading, metric, unit) or 0 for unit in ("H00.11", "H00.16"))
    provincial = changed(lambda given: given["agencies"].append({"code": "H00", "name": "tỉnh Thực Hành"}))
    assert [item.locator for item in CONNECTOR.read(snapshot(provincial)).quarantined] == ["/agencies/2"]


def test_a_database_used_outside_lgsp_and_ngsp_or_by_its_owner_is_no_shared_data() -> None:
    def own(given: dict[str, Any]) -> None:
        given["databases"][0]["consumers"] = ["H00.11"]

    assert value(CONNECTOR.read(snapshot(changed(own))), "agencies_using_shared_data") == 0
    assert value(CONNECTOR.read(snapshot(WHOLE)), "databases_of_others_used", "H00.11") == 0


def test_not_declared_is_known_where_another_answer_settles_it() -> None:
    def half(given: dict[str, Any]) -> None:
        given["databases"][0]["lgsp"] = None

    reading = CONNECTOR.read(snapshot(changed(half)))
    assert value(reading, "databases_on_lgsp") is None
    assert value(reading, "databases_on_lgsp", "H00.16") == 0
    assert value(reading, "agencies_using_shared_data") == 1  # it also shares through NGSP


def test_a_list_without_a_population_says_nothing_about_it() -> None:
    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda given: given.pop("population"),
        lambda given: given.update(population=None),
        lambda given: given["population"].update(count=None),
    )
    for change in changes:
        reading = CONNECTOR.read(snapshot(changed(change)))
        assert "population" not in {item.metric for item in reading.observations}


# --- records put aside ---


@pytest.mark.parametrize(
    ("where", "change", "word"),
    [
        ("/databases/0", {"kind": "big"}, "kind"),
        ("/databases/0", {"status": "running"}, "status"),
        ("/databases/0", {"status": None}, "status"),
        ("/databases/0", {"owner": "H00.99"}, "owner"),
        ("/databases/0", {"owner": None}, "owner"),
        ("/databases/0", {"lgsp": "true"}, "lgsp"),
        ("/databases/0", {"ngsp": 1}, "ngsp"),
        ("/databases/0", {"consumers": None}, "consumers"),
        ("/databases/0", {"consumers": ["H44.01"]}, "consumers"),
        ("/databases/1", {"id": "a1"}, "hai lần"),
        ("/databases/0", {"name": " "}, "name"),
        ("/platforms/0", {"kind": "cloud"}, "kind"),
        ("/platforms/0", {"users": "H00.16"}, "users"),
        ("/items/2", {"current": True}, "chưa số hóa"),
        ("/items/2", {"open": True}, "chưa số hóa"),
        ("/items/0", {"number": 1.5}, "number"),
        ("/items/0", {"number": "1"}, "number"),
        ("/items/1", {"number": 1}, "hai lần"),
        ("/agencies/1", {"code": "H44.01"}, "H44.01"),
        ("/agencies/1", {"code": "Sở Y tế"}, "mã định danh"),
    ],
)
def test_a_record_that_cannot_be_counted_is_put_aside_with_the_reason(
    where: str, change: dict[str, Any], word: str
) -> None:
    _, name, number = where.split("/")
    reading = CONNECTOR.read(snapshot(changed(lambda given: given[name][int(number)].update(change))))
    assert reading.quarantined[0].locator == where
    assert word in reading.quarantined[0].reason
    assert "cách ly" in reading.warnings[-1]


def test_a_missing_answer_is_not_an_undeclared_one() -> None:
    reading = CONNECTOR.read(snapshot(changed(lambda given: given["databases"][0].pop("lgsp"))))
    assert [item.reason for item in reading.quarantined] == ["thiếu lgsp"]
    assert value(reading, "databases") == 3


def test_quarantine_keeps_only_the_fields_of_the_format() -> None:
    change = {"kind": "big", "contact": "Người Mẫu 0900"}
    reading = CONNECTOR.read(snapshot(changed(lambda given: given["databases"][0].update(change))))
    assert '"kind": "big"' in reading.quarantined[0].record
    assert "0900" not in reading.quarantined[0].record


def test_an_older_code_is_the_same_agency() -> None:
    reading = CONNECTOR.read(snapshot(changed(lambda given: given["databases"][0].update(owner="000.00.11.H00"))))
    assert reading == CONNECTOR.read(snapshot(WHOLE))


def test_new_fields_are_said_once() -> None:
    def more(given: dict[str, Any]) -> None:
        given["note"] = "x"
        given["population"]["by"] = "x"
        for row in given["databases"]:
            row["vendor"] = "x"

    assert CONNECTOR.read(snapshot(changed(more))).warnings == ("trường mới: /databases/vendor, /note, /population/by",)


# --- answers refused as a whole ---


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (401, b'{"error": {"code": "unauthorized"}}', FailureKind.AUTH_FAILED, False),
        (403, b"<html>", FailureKind.AUTH_FAILED, False),
        (429, b"", FailureKind.BLOCKED, False),
        (200, b"<html>Request Rejected</html>", FailureKind.BLOCKED, False),
        (503, b"", FailureKind.HTTP_STATUS, True),
        (404, b"<html>", FailureKind.HTTP_STATUS, False),
        (204, b"{}", FailureKind.HTTP_STATUS, False),
        (404, b'{"error": {"code": "no_list"}}', FailureKind.SOURCE_ERROR, False),
        (200, b'{"error": "hong"}', FailureKind.SOURCE_ERROR, False),
        (200, b"<html>", FailureKind.NOT_JSON, False),
        (200, b"", FailureKind.NOT_JSON, False),
        (200, json.dumps(WHOLE).encode()[:-40], FailureKind.TRUNCATED, True),
        (200, b"[]", FailureKind.WRONG_SHAPE, False),
        (200, b"{}", FailureKind.WRONG_SHAPE, False),
    ],
)
def test_an_answer_that_is_no_list_is_a_failure(status: int, body: bytes, kind: FailureKind, retryable: bool) -> None:
    trouble = failure(snapshot(body, status=status))
    assert (trouble.kind, trouble.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"format": "danh-muc-csdl/2"}, FailureKind.WRONG_SHAPE),
        ({"province": "H44"}, FailureKind.WRONG_ROOT),
        ({"province": "Thực Hành"}, FailureKind.WRONG_SHAPE),
        ({"as_of": "30/09/2026"}, FailureKind.WRONG_SHAPE),
        ({"as_of": None}, FailureKind.WRONG_SHAPE),
        ({"as_of": "2026-10-16"}, FailureKind.WRONG_SHAPE),
        ({"items": None}, FailureKind.WRONG_SHAPE),
        ({"totals": None}, FailureKind.WRONG_SHAPE),
        ({"totals": {**WHOLE["totals"], "items": 119}}, FailureKind.TRUNCATED),
        ({"totals": {"databases": 5}}, FailureKind.TRUNCATED),
        ({"population": {"count": 0}}, FailureKind.WRONG_SHAPE),
        ({"population": {"count": "612000"}}, FailureKind.WRONG_SHAPE),
        ({"population": 612000}, FailureKind.WRONG_SHAPE),
        ({"population": {"source": "x"}}, FailureKind.WRONG_SHAPE),
    ],
)
def test_a_list_that_cannot_be_trusted_is_refused(change: dict[str, Any], kind: FailureKind) -> None:
    given = {**WHOLE, **change}
    if "province" in change and kind is FailureKind.WRONG_ROOT:
        given |= {name: [] for name in ("agencies", "databases", "platforms", "items")}
        given["totals"] = dict.fromkeys(("agencies", "databases", "platforms", "items"), 0)
    assert failure(snapshot(given)).kind is kind


def test_201_is_as_good_as_200() -> None:
    assert CONNECTOR.read(snapshot(WHOLE, status=201)) == CONNECTOR.read(snapshot(WHOLE))


def test_a_list_closed_after_the_day_asked_for_is_refused() -> None:
    assert failure(snapshot(WHOLE, as_of="2026-09-29")).kind is FailureKind.WRONG_SHAPE
    assert failure(snapshot(WHOLE, as_of="hôm qua")).kind is FailureKind.WRONG_SHAPE
    assert CONNECTOR.read(snapshot(WHOLE, as_of="2026-09-30")) == CONNECTOR.read(snapshot(WHOLE))
    assert CONNECTOR.read(snapshot(WHOLE, night=None)) == CONNECTOR.read(snapshot(WHOLE))


# --- plan, manifest, twin ---


def test_one_request_for_the_list_as_it_stood() -> None:
    (request,) = CONNECTOR.plan(site(), year(2025))
    assert (request.method, request.path) == ("GET", PATH)
    assert request.params == {"province": "H00", "as_of": "2025-12-31"}
    assert next(CONNECTOR.plan(site(path="/csdl/danh-muc.json"), year(2025))).path == "/csdl/danh-muc.json"


@pytest.mark.parametrize("options", [{"path": ""}, {"path": "a"}, {"path": "/a?b"}, {"path": 1}, {"token": "x"}])
def test_bad_options_are_refused_before_the_request(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="site mau: option"):
        next(CONNECTOR.plan(site(**options), year(2026)))


def test_the_manifest_is_whole() -> None:
    manifest = load_manifest("database_registry")
    assert set(manifest.metrics) == set(METRICS)
    assert (manifest.auth, manifest.evidence_strength) == ("bearer", "inferred")


def from_twin(request: Request, token: str = TOKEN) -> Snapshot:
    headers = {"authorization": f"Bearer {token}"}
    answer = TWIN.answer(TwinRequest(request.method, request.path.lstrip("/"), dict(request.params), headers, b""))
    return Snapshot(request, answer.status, {"content-type": answer.content_type}, answer.body, night=NIGHT)


def test_the_twin_gives_the_newest_closed_list(tmp_path: Path) -> None:
    (entry,) = TWIN.sites("http://127.0.0.1:1/database_registry", tmp_path)
    given = Site.model_validate(entry)
    assert given.auth is not None
    assert given.auth.token in TWIN.environment
    assert closings()[0] == dt.date(2024, 3, 31)
    assert closings()[-1] == dt.date(2026, 9, 30)
    (request,) = CONNECTOR.plan(given, year(2026))
    reading = CONNECTOR.read(from_twin(request))
    assert (reading.warnings, reading.quarantined) == ((), ())
    assert {item.period.end for item in reading.observations} == {closings()[-1]}
    raw = document(closings()[-1])
    assert value(reading, "data_items") == ITEMS == len(raw["items"])
    assert value(reading, "databases_operating") == sum(row["status"] == "operating" for row in raw["databases"])
    assert value(reading, "agencies") == 28
    assert value(reading, "population") == 622_000
    earlier = CONNECTOR.read(from_twin(next(CONNECTOR.plan(given, year(2024)))))
    assert {item.period.end for item in earlier.observations} == {dt.date(2024, 12, 31)}
    assert (value(earlier, "data_items_digitised") or 0) < (value(reading, "data_items_digitised") or 0)


def test_the_twin_refuses_as_a_registry_would() -> None:
    (request,) = CONNECTOR.plan(site(), year(2026))
    assert failure(from_twin(request, token="sai")).kind is FailureKind.AUTH_FAILED
    assert failure(from_twin(replace(request, params={**ASKED, "province": "H44"}))).kind is FailureKind.SOURCE_ERROR
    assert (
        failure(from_twin(replace(request, params={**ASKED, "as_of": "2023-12-31"}))).kind is FailureKind.SOURCE_ERROR
    )
    assert failure(from_twin(replace(request, params={"province": "H00"}))).kind is FailureKind.SOURCE_ERROR
    assert failure(from_twin(replace(request, path="/khac"))).kind is FailureKind.SOURCE_ERROR
    assert TOKEN.encode() not in from_twin(request).body
