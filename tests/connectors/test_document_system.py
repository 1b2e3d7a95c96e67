"""The document management system's monthly totals: pages, states, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.document_system.connector import CONNECTOR, NOT_CONNECTED
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.invariants import check
from dti_pipeline.harvest.model import FailureKind, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox.twins import TwinRequest, edoc_axis
from dti_pipeline.sandbox.twins import document_system as twin
from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState

NIGHT = dt.date(2026, 10, 15)
RECORDED = Path(__file__).parents[2] / "connectors" / "document_system" / "recorded"
SITE = Site(name="thu", connector="document_system", base_url="https://qlvb.example.invalid", province="H00")
ASKED = {"from": "2026-01-01", "to": "2026-12-31", "root": "H00", "page": "1", "pageSize": "100"}


def row(code: str = "H00.05", **changes: Any) -> dict[str, Any]:
    return {
        "organId": code,
        "organName": "Đơn vị",
        "month": "2026-09",
        "state": "reported",
        "outgoing": {"total": 9, "electronic": 7, "signed": 5},
        "workDossiers": {"total": 4, "online": 0},
    } | changes


def page(*rows: Any, **changes: Any) -> bytes:
    meta = {
        "from": "2026-01-01", "to": "2026-12-31", "until": "2026-10-14", "page": 1, "pageSize": 100,
        "totalRows": len(rows), "secretExcluded": True, "scope": "own",
    }  # fmt: skip
    return json.dumps({"meta": meta | changes, "rows": rows}).encode()


def taken(body: bytes, status: int = 200, params: dict[str, str] = ASKED) -> Snapshot:
    request = Request("GET", "/document-statistics", params)
    return Snapshot(request, status, {"content-type": "application/json"}, body, night=NIGHT)


def read(*rows: Any, **changes: Any) -> Reading:
    return CONNECTOR.read(taken(page(*rows, **changes)))


def kind_of(body: bytes, status: int = 200) -> FailureKind:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(taken(body, status))
    return caught.value.kind


def said(reading: Reading) -> list[tuple[str, InputState, Decimal | None, str]]:
    return [(item.metric, item.state, item.value, item.locator) for item in reading.observations]


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir() if path.is_dir()))
def test_recorded_answers(case: str) -> None:
    asked = json.loads((RECORDED / case / "request.json").read_bytes())
    request = Request(asked["method"], asked["path"], params=asked["params"])
    body = (RECORDED / case / "body.json").read_bytes()
    reading = CONNECTOR.read(Snapshot(request, asked["status"], asked["headers"], body, night=NIGHT))
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
    assert check(reading, load_manifest("document_system"), NIGHT).held == ()


def test_five_figures_of_a_month() -> None:
    reading = read(row("000.00.05.H00"))
    assert said(reading) == [
        ("outgoing_documents", InputState.HARVESTED, Decimal(9), "/rows/0/outgoing/total"),
        ("outgoing_documents_electronic", InputState.HARVESTED, Decimal(7), "/rows/0/outgoing/electronic"),
        ("outgoing_documents_signed", InputState.HARVESTED, Decimal(5), "/rows/0/outgoing/signed"),
        ("work_dossiers", InputState.HARVESTED, Decimal(4), "/rows/0/workDossiers/total"),
        ("work_dossiers_online", InputState.HARVESTED, Decimal(0), "/rows/0/workDossiers/online"),
    ]
    assert {(item.unit_code, item.period) for item in reading.observations} == {("H00.05", month(2026, 9))}


def test_null_zero_absent_and_unconnected_are_different() -> None:
    null = read(row(workDossiers={"total": None, "online": None}))
    assert [(state, value) for _, state, value, _ in said(null)][3:] == [(InputState.MISSING, None)] * 2
    absent = read(row(), row("H00.11", workDossiers={"total": 4}))
    assert ["thiếu workDossiers/online" in item.reason for item in absent.quarantined] == [True]
    assert {item.unit for item in absent.observations} == {"H00.05"}
    silent = read(row(state="not_connected"))
    assert {(item.state, item.value, item.reason) for item in silent.observations} == {
        (InputState.UNAVAILABLE, None, NOT_CONNECTED)
    }
    assert read() == Reading()


@pytest.mark.parametrize(
    "odd",
    [
        row("H00.11", state="closed"),
        row("H00.11", month="09/2026"),
        row("H00.11", month="2025-09"),
        row("H00.11", outgoing={"total": 9, "electronic": 10, "signed": 5}),
        row("H00.11", outgoing={"total": 9, "electronic": 7, "signed": 8}),
        row("H00.11", workDossiers={"total": 4, "online": 5}),
        row("H00.11", outgoing={"total": "9", "electronic": 7, "signed": 5}),
        row("H00.11", outgoing={"total": -1, "electronic": None, "signed": None}),
        row("H00.11", outgoing=None),
        row("000.00.05.H00"),
    ],
)
def test_a_row_that_cannot_be_trusted_waits(odd: dict[str, Any]) -> None:
    reading = read(row(), odd)
    assert [item.locator for item in reading.quarantined] == ["/rows/1"]
    assert len(reading.observations) == 5


def test_the_running_month_ends_where_figures_are_complete() -> None:
    reading = read(row(month="2026-10"), row(month="2026-11"))
    assert {item.period for item in reading.observations} == {Period(dt.date(2026, 10, 1), dt.date(2026, 10, 14))}
    assert reading.quarantined == ()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.NOT_JSON),
        (page(row())[:-5], FailureKind.TRUNCATED),
        (b"[]", FailureKind.WRONG_SHAPE),
        (b"{}", FailureKind.WRONG_SHAPE),
        (b'{"meta": {}, "rows": null}', FailureKind.WRONG_SHAPE),
        (b'{"error": {"code": "BAD_REQUEST", "message": "x"}}', FailureKind.SOURCE_ERROR),
        (page(row(), secretExcluded=False), FailureKind.WRONG_SHAPE),
        (page(row(), scope="with_children"), FailureKind.WRONG_SHAPE),
        (page(row(), page=2), FailureKind.WRONG_SHAPE),
        (page(row(), to="2026-06-30"), FailureKind.WRONG_SHAPE),
        (page(row(), **{"from": "2026-04-01"}), FailureKind.WRONG_SHAPE),
        (page(row(), until=None), FailureKind.WRONG_SHAPE),
        (page(row(), totalRows=None), FailureKind.WRONG_SHAPE),
        (page(row(), totalRows=2), FailureKind.TRUNCATED),
        (page(row(), totalRows=0), FailureKind.TRUNCATED),
        (page("x"), FailureKind.WRONG_SHAPE),
        (page(row("H44.05")), FailureKind.WRONG_ROOT),
        (b"<html>login</html>", FailureKind.UNSUPPORTED_PLATFORM),
        (b"<html>Request Rejected</html>", FailureKind.BLOCKED),
        (b'{"meta": {}, "meta": {}}', FailureKind.WRONG_SHAPE),
        (b'{"meta": NaN}', FailureKind.NOT_JSON),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure(body: bytes, kind: FailureKind) -> None:
    assert kind_of(body) is kind


def test_statuses() -> None:
    assert kind_of(b'{"error": {"code": "UNAUTHORIZED"}}', 401) is FailureKind.AUTH_FAILED
    assert kind_of(b"", 403) is FailureKind.AUTH_FAILED
    assert kind_of(b"", 429) is FailureKind.BLOCKED
    assert kind_of(page(row()), 500) is FailureKind.HTTP_STATUS
    assert kind_of(b"<html>Access denied</html>", 403) is FailureKind.BLOCKED


def test_new_fields_are_said_once() -> None:
    detail = {"total": 4, "online": 0, "late": 1}
    reading = read(row(ghiChu=1), row("H00.11", ghiChu=2, workDossiers=detail), notes="x")
    assert reading.warnings == tuple(f"trường mới «{name}»: chưa được đọc" for name in ("ghiChu", "late", "notes"))


def test_options_and_stored_requests() -> None:
    for options in ({"page_size": 0}, {"page_size": 1001}, {"page_size": "100"}, {"page_size": True}, {"token": "x"}):
        with pytest.raises(ValueError, match=r"site thu: option (page_size|token)"):
            next(CONNECTOR.plan(SITE.model_copy(update={"options": options}), year(2026)))
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(taken(page(row()), params={"from": "2026-01-01"}))
    assert caught.value.kind is FailureKind.WRONG_SHAPE


# --- the practice twin ---


def ask_twin(request: Request, token: str = twin.TOKEN) -> Snapshot:
    asked = TwinRequest(
        request.method, request.path.lstrip("/"), request.params, {"authorization": f"Bearer {token}"}, b""
    )
    answer = twin.TWIN.answer(asked)
    return Snapshot(request, answer.status, {"content-type": answer.content_type}, answer.body, night=NIGHT)


@pytest.mark.parametrize(("size", "pages"), [(100, 3), (1000, 2)])
def test_twin_pages_are_followed_also_where_the_system_caps_them(size: int, pages: int) -> None:
    where = SITE.model_copy(update={"options": {"page_size": size}})
    readings = []
    plan = CONNECTOR.plan(where, quarter(2026, 3))
    request = next(plan)
    try:
        while True:
            snapshot = ask_twin(request)
            readings.append(CONNECTOR.read(snapshot))
            request = plan.send(snapshot)
    except StopIteration:
        pass
    units = len(edoc_axis.senders())
    assert len(readings) == pages == -(-3 * units // min(size, twin.LARGEST_PAGE))
    found = [item for reading in readings for item in reading.observations]
    assert len(found) == 3 * units * 5
    total = sum(item.value or 0 for item in found if item.metric == "outgoing_documents")
    months = ((2026, 7), (2026, 8), (2026, 9))
    rows = [twin.row(code, number) for code in edoc_axis.senders() for number in months]
    assert total == sum(item["outgoing"]["total"] for item in rows)
    manifest = load_manifest("document_system")
    assert all(check(reading, manifest, NIGHT).held == () for reading in readings)


def test_twin_has_at_least_the_documents_of_the_axis() -> None:
    for code in edoc_axis.senders():
        for number in range(1, 11):
            exchanged = len(edoc_axis.sent(code, (2026, number)))
            assert twin.row(code, (2026, number))["outgoing"]["electronic"] >= exchanged


def test_twin_refuses_a_wrong_token_and_bad_questions() -> None:
    request = next(CONNECTOR.plan(SITE, year(2026)))
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(ask_twin(request, token="wrong"))
    assert caught.value.kind is FailureKind.AUTH_FAILED
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(ask_twin(Request("GET", "/document-statistics", ASKED | {"page": "0"})))
    assert caught.value.kind is FailureKind.SOURCE_ERROR
    (entry,) = twin.TWIN.sites("http://127.0.0.1:1/document_system", Path("/nowhere"))
    assert Site.model_validate(entry).auth is not None
    assert twin.TWIN.environment == {twin.TOKEN_VARIABLE: twin.TOKEN}


def test_a_plan_ends_where_a_page_failed() -> None:
    plan = CONNECTOR.plan(SITE, year(2026))
    next(plan)
    with pytest.raises(StopIteration):
        plan.send(None)
