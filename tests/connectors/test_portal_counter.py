"""Counters printed on portal pages: every known layout, what is never a total, and what is never a number."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from connectors.portal_counter.connector import CONNECTOR, METRIC
from connectors.portal_counter.counter import folded, labels
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Observation, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins.portal_counter import (
    PORTALS,
    RESET_DAY,
    RESET_UNIT,
    SCRIPTED_UNIT,
    TWIN,
    front_page,
    total_on,
    visits_on,
)
from dti_pipeline.scoring.periods import Period, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.scoring.windows import Figure, Nothing, Windowed, over_window

RECORDED = Path(__file__).parents[2] / "connectors" / "portal_counter" / "recorded"
NIGHT = dt.date(2026, 10, 15)
HTML = {"Content-Type": "text/html; charset=utf-8"}


# --- helpers ---


def snapshot(
    html: str | bytes,
    *,
    unit: str = "H00.11",
    status: int = 200,
    headers: dict[str, str] | None = None,
    bound: str | None = None,
    night: dt.date | None = NIGHT,
) -> Snapshot:
    body = html if isinstance(html, bytes) else html.encode()
    asked = {"DTI-Unit": unit} | ({"DTI-Max-Per-Day": bound} if bound is not None else {})
    return Snapshot(Request("GET", "/", headers=asked), status, HTML if headers is None else headers, body, night=night)


def page(inner: str) -> str:
    return f"<!DOCTYPE html><html><head><title>Cổng</title></head><body>{inner}</body></html>"


def only(html: str, **options: Any) -> Observation:
    (found,) = CONNECTOR.read(snapshot(html, **options)).observations
    return found


def total(inner: str) -> Decimal | None:
    found = only(page(inner))
    assert (found.value is None) == (found.state is InputState.UNAVAILABLE) == (found.reason is not None)
    return found.value


def failure(**options: Any) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(snapshot(**options))
    return caught.value


def site(**options: Any) -> Site:
    return Site(name="mau", connector="portal_counter", base_url="https://mau.invalid", province="H00", options=options)


# --- layouts: each number was put into the page by hand ---

TABLE = "<table><tr><td>{}</td><td>{}</td></tr><tr><td>{}</td><td>{}</td></tr></table>"


@pytest.mark.parametrize(
    ("inner", "value"),
    [
        ("<p>Tổng lượt truy cập: 20102726</p>", "20102726"),
        ("<p>Tổng lượt truy cập: 20.102.726</p>", "20102726"),
        ("<p>Tổng lượt truy cập: 20,102,726</p>", "20102726"),
        ("<p>TỔNG LƯỢT TRUY CẬP : <b>20.102.726</b> lượt</p>", "20102726"),
        ("<p>Hôm nay: 1.234 | Hôm qua: 2.345 | Tổng truy cập: 99.000</p>", "99000"),
        ("<ul><li>Hôm nay <span>12</span></li><li>Tất cả <span>3456</span></li></ul>", "3456"),
        ("<dl><dt>Hôm nay</dt><dd>5</dd><dt>Tổng số lượt truy cập</dt><dd>55</dd></dl>", "55"),
        (TABLE.format("Hôm nay", 5, "Tổng lượt truy cập", "1.055"), "1055"),
        (
            "<table><tr><th>Hôm nay</th><th>Tổng truy cập</th></tr><tr><td>5</td><td>9</td></tr></table>",
            "9",
        ),
        ("<div><i>Hôm nay</i><i>Hôm qua</i><i>Tổng truy cập</i><b>5</b><b>7</b><b>9</b></div>", "9"),
        (
            "<div><p><b>10</b><span>Hôm nay</span></p><p><b>99</b><span>Tổng lượt truy cập</span></p></div>",
            "99",
        ),
        ("<div><b>10</b><span>Hôm nay</span><b>99</b><span>Tổng truy cập</span></div>", "99"),
        ("<h4>Lượt truy cập</h4><div><span>0</span><span>1</span><span>2</span><span>3</span></div>", "123"),
        ("<h4>Lượt truy cập</h4><div><i><b>4</b></i><i><b>1</b></i><i><b>2</b></i></div>", "412"),
        ('<p>Lượt truy cập</p><p><img src="/2.gif"><img src="/d0.png?v=1"><img alt="1"><img alt="9"></p>', "2019"),
        ("<p>Đã có <b>1.234.567</b> lượt truy cập</p>", "1234567"),
        ("<p>Tong luot truy cap: 77</p>", "77"),
        ("<p>Tổng lượt truy cập: Tổng lượt truy cập: 4321</p>", "4321"),
        ("<p>Khách Khách 41</p><p>Tổng truy cập Tổng truy cập 500</p>", "500"),
        ("<div><span>Tổng truy cập</span><span>Tổng truy cập:</span><b>5</b></div>", "5"),
        ("<header>Lượt truy cập: 88</header><footer>Lượt truy cập: 88</footer>", "88"),
        ("<p>Tổng lượt truy cập: 0</p>", "0"),
    ],
)
def test_a_cumulative_total_is_read(inner: str, value: str) -> None:
    assert total(inner) == Decimal(value)


def test_a_doubled_label_and_two_totals_as_on_the_real_page() -> None:
    html = (RECORDED / "doubled-labels" / "body.html").read_text(encoding="utf-8")
    assert only(html, unit="H00").value == 13572468


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<p>Đang online: 55</p>",
        "<p>Đang truy cập: 55</p><p>Thành viên: 3</p>",
        "<ul><li>Khách 41</li><li>Thành viên 0</li><li>Tổng 41</li></ul>",
        "<p>Tổng: 41</p>",
        # Two totals are possible and only that of the people online is there.
        "<p>Khách: 41 Thành viên: 0 Tổng: 41 Hôm nay: 10</p>",
        "<p>Khách: 41, Tổng: 41</p><p>Hôm nay: 10</p>",
        "<ul><li>Đang online: 41</li><li>Tổng: 41</li><li>Tháng này: 30</li></ul>",
        "<p>Tổng số phiếu: 1344</p>",
        "<p>Hôm nay: 12</p><p>Tháng này: 120</p><p>Tổng tháng trước: 999</p><p>Tổng một năm: 4.000</p>",
        "<p>Lượt truy cập hôm nay: 12</p>",
        "<p>Tổng lượt truy cập: <span id='t'></span></p><script>t.textContent = 5</script>",
        "<p>Tổng lượt truy cập: <span>Đang tải...</span></p>",
        "<p>Tổng lượt truy cập: {{ total }}</p>",
        "<p>Tổng lượt truy cập: <b>0</b></p><script src='/dem.js'></script>",
        "<div><p>Tổng lượt truy cập: <b></b></p><p>© 2026 Sở Mẫu</p></div>",
        "<div><p>Tổng lượt truy cập: <b></b></p><p>2026 © Sở Mẫu</p></div>",
        "<p>Tổng lượt truy cập: 12/10/2026</p>",
        "<p>Tổng lượt truy cập: 50%</p>",
        "<p>Tổng lượt truy cập: 20.10.2726</p>",
        "<p>Tổng lượt truy cập: 20.102,726</p>",
        "<p>Tổng lượt truy cập: 20 102 726</p>",
        "<p>Tổng lượt truy cập: 5</p><p>Tổng truy cập: 6</p>",
        "<p>Tháng này: 900</p><p>Tổng lượt truy cập: 12</p>",
        "<table><tr><td>Hôm nay</td><td>Tổng truy cập</td></tr><tr><td>5</td><td></td></tr></table>",
        "<div><b>Hôm nay</b><b>Hôm qua</b><b>Tổng truy cập</b><i>5</i><i>7</i></div>",
        "<table><tr><td>Tổng truy cập</td></tr><tr><td>5</td><td>7</td><td>9</td></tr></table>",
        "<div><b>Tổng truy cập</b><i>4</i><i>1</i></div>",
        "<!-- Tổng lượt truy cập: 5 --><script>var s = 'Tổng lượt truy cập: 5'</script>",
        "<noscript>Tổng lượt truy cập: 5</noscript>",
    ],
)
def test_what_is_no_cumulative_total_is_unavailable_and_never_a_number(inner: str) -> None:
    assert total(inner) is None


def test_reasons_tell_the_operator_what_is_on_the_page() -> None:
    assert "script" in (only(page("<p>Tổng lượt truy cập: <b></b></p>")).reason or "")
    assert "không có nhãn" in (only(page("<p>Đang online: 5</p>")).reason or "")
    assert "20.10.2726" in (only(page("<p>Tổng lượt truy cập: 20.10.2726</p>")).reason or "")
    assert "5, 6" in (only(page("<p>Tổng lượt truy cập: 5</p><p>Tổng truy cập: 6</p>")).reason or "")
    assert "900" in (only(page("<p>Tháng này: 900</p><p>Tổng lượt truy cập: 12</p>")).reason or "")


def test_a_bare_total_counts_visits_only_beside_days_and_months() -> None:
    widget = "<div><p>Trực tuyến: 4</p><p>Tháng này: 30</p><p>Tổng: 41</p></div>"
    apart = "<div><p>Trực tuyến: 4</p><p>Tổng: 4</p></div><div><p>Tháng này: 30</p></div>"
    assert total(widget) == 41
    assert total(apart) is None


def test_the_observation_is_of_the_night_the_unit_and_the_place() -> None:
    found = only(page(TABLE.format("Hôm nay", 5, "Tổng lượt truy cập", "1.055")))
    assert (found.metric, found.unit, found.unit_code, found.unit_name) == (METRIC, "H00.11", "H00.11", "Cổng")
    assert found.period == Period(NIGHT, NIGHT)
    assert found.locator == "html > body > table > tr:nth-of-type(2) > td:nth-of-type(2)"
    assert only(page(""), unit="so-tttt").unit_code is None


def test_every_locator_leads_to_the_number() -> None:
    for code in PORTALS:
        html = front_page(code)
        found = only(html, unit=code)
        element = BeautifulSoup(html, "lxml").select_one(found.locator)
        assert element is not None
        if found.value is not None:
            digits = re.sub(r"\D", "", element.get_text())
            assert digits.endswith(f"{found.value:f}"), code


def test_the_charset_of_the_header_is_used() -> None:
    # Windows-1258 writes most marks as signs of their own: ô + hook above is ổ.
    body = page("<p>Tô\u0309ng lươ\u0323t truy câ\u0323p: 7</p>").replace("ổ", "ô\u0309").encode("cp1258")
    (found,) = CONNECTOR.read(snapshot(body, headers={"content-type": "text/html; charset=windows-1258"})).observations
    assert found.value == 7


def test_a_day_above_the_bound_is_marked_and_warned_about() -> None:
    html = page("<p>Hôm nay: 5.001</p><p>Tổng lượt truy cập: 90.000</p>")
    reading = CONNECTOR.read(snapshot(html, bound="5000"))
    assert reading.observations[0].flag == "implausible_day: 5001 > 5000"
    assert len(reading.warnings) == 1
    assert "H00.11" in reading.warnings[0]
    assert CONNECTOR.read(snapshot(html, bound="5001")) == CONNECTOR.read(snapshot(html))
    assert CONNECTOR.read(snapshot(html)).warnings == ()
    beyond = page("<p>Hôm nay: 2.000.001</p><p>Tổng lượt truy cập: 9.000.000</p>")
    assert len(CONNECTOR.read(snapshot(beyond)).warnings) == 1


# --- answers that are not the page ---


@pytest.mark.parametrize(
    ("options", "kind", "retryable"),
    [
        ({"html": page(""), "status": 403}, FailureKind.BLOCKED, False),
        ({"html": page(""), "status": 429}, FailureKind.BLOCKED, False),
        ({"html": "<html><title>Request Rejected</title></html>"}, FailureKind.BLOCKED, False),
        ({"html": page(""), "status": 401}, FailureKind.AUTH_FAILED, False),
        ({"html": page(""), "status": 404}, FailureKind.HTTP_STATUS, False),
        ({"html": page(""), "status": 202}, FailureKind.HTTP_STATUS, False),
        ({"html": page(""), "status": 503}, FailureKind.HTTP_STATUS, True),
        ({"html": ""}, FailureKind.UNREADABLE, False),
        ({"html": "Tổng lượt truy cập: 5"}, FailureKind.UNREADABLE, False),
        ({"html": page(""), "headers": {"content-type": "application/json"}}, FailureKind.UNREADABLE, False),
        ({"html": "<!DOCTYPE html><html><body><p>Tin mới"}, FailureKind.TRUNCATED, True),
        ({"html": page(""), "night": None}, FailureKind.WRONG_SHAPE, False),
        ({"html": page(""), "bound": "nhiều"}, FailureKind.WRONG_SHAPE, False),
        (
            {
                "html": "<html><head><meta http-equiv=refresh content='0;/login'></head><body>"
                "<input type=password></body></html>"
            },
            FailureKind.AUTH_FAILED,
            False,
        ),
    ],
)
def test_an_answer_that_is_no_page_is_a_failure(options: dict[str, Any], kind: FailureKind, retryable: bool) -> None:
    found = failure(**options)
    assert (found.kind, found.retryable) == (kind, retryable)


def test_201_is_as_good_as_200() -> None:
    html = page("<p>Tổng lượt truy cập: 5</p>")
    assert CONNECTOR.read(snapshot(html, status=201)) == CONNECTOR.read(snapshot(html))


def test_a_page_cut_after_its_counter_is_still_read() -> None:
    assert only("<html><body><p>Tổng lượt truy cập: 12</p><p>Li").value == 12


# --- options ---

PAGE = {"path": "/", "unit": "H00.11"}


def test_the_plan_asks_for_every_page_once_whatever_the_window() -> None:
    pages = [PAGE, {"path": "/so/trang-chu", "unit": "so-y-te"}]
    asked = list(CONNECTOR.plan(site(pages=pages, max_per_day=900), year(2026)))
    assert [(request.method, request.path, dict(request.headers)) for request in asked] == [
        ("GET", "/", {"DTI-Unit": "H00.11", "DTI-Max-Per-Day": "900"}),
        ("GET", "/so/trang-chu", {"DTI-Unit": "so-y-te", "DTI-Max-Per-Day": "900"}),
    ]
    assert dict(next(CONNECTOR.plan(site(pages=[PAGE]), year(2025))).headers) == {"DTI-Unit": "H00.11"}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "pages is missing"),
        ({"pages": []}, "pages"),
        ({"pages": ["/"]}, "exactly a path and a unit"),
        ({"pages": [{"path": "/"}]}, "exactly a path and a unit"),
        ({"pages": [{**PAGE, "path": "/?a=1"}]}, "a path is plain"),
        ({"pages": [{**PAGE, "path": "/trang chủ"}]}, "a path is plain"),
        ({"pages": [{**PAGE, "unit": "Sở Y tế"}]}, "a unit is"),
        ({"pages": [PAGE, PAGE]}, "path once"),
        ({"pages": [PAGE, {**PAGE, "path": "/b"}]}, "unit once"),
        ({"pages": [PAGE], "max_per_day": 0}, "max_per_day"),
        ({"pages": [PAGE], "max_per_day": True}, "max_per_day"),
        ({"pages": [PAGE], "max_per_day": "9"}, "max_per_day"),
        ({"pages": [PAGE], "page": 1}, "knows only"),
    ],
)
def test_bad_options_are_refused_before_the_first_request(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        next(CONNECTOR.plan(site(**options), year(2026)))
    assert "site mau" in str(caught.value)


# --- labels, manifest, recorded answers, twin ---


def test_no_label_means_two_things() -> None:
    assert labels()["tong luot truy cap"] == "cumulative"
    assert labels()["dang online"] == "online"
    assert folded("• Đang ONLINE: ") == "dang online"
    assert folded("Khách Khách") == "khach"


def test_the_manifest_is_whole() -> None:
    manifest = load_manifest("portal_counter")
    assert manifest.as_of == "night"
    assert manifest.metrics == (METRIC,)


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_recorded_answers_read_as_checked_by_hand(case: str) -> None:
    given = json.loads((RECORDED / case / "request.json").read_text(encoding="utf-8"))
    # Without the header `DTI-Unit`, as here, the page's path is what source_ids know the unit by.
    request = Request(given["method"], given["path"], given["params"])
    night = dt.date.fromisoformat(given["night"])
    body = (RECORDED / case / "body.html").read_bytes()
    reading = CONNECTOR.read(Snapshot(request, given["status"], HTML, body, night=night))
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


def from_twin(request: Request) -> Snapshot:
    headers = {name.lower(): value for name, value in request.headers.items()}
    answer = TWIN.answer(TwinRequest(request.method, request.path.lstrip("/"), request.params, headers, b""))
    return Snapshot(
        request, answer.status, {"content-type": answer.content_type, **answer.headers}, answer.body, night=NIGHT
    )


def test_the_twins_portals_are_read_whatever_their_layout(tmp_path: Path) -> None:
    (entry,) = TWIN.sites("http://127.0.0.1:1/portal_counter", tmp_path)
    readings: dict[str, Reading] = {}
    for request in CONNECTOR.plan(Site.model_validate(entry), year(2026)):
        readings[request.headers["DTI-Unit"]] = CONNECTOR.read(from_twin(request))
    assert set(readings) == set(PORTALS)
    for code, reading in readings.items():
        (item,) = reading.observations
        if code == SCRIPTED_UNIT:
            assert (item.state, item.value) == (InputState.UNAVAILABLE, None)
        else:
            assert (item.state, item.value) == (InputState.HARVESTED, Decimal(total_on(code, NIGHT))), code
    assert TWIN.environment == {}
    assert from_twin(Request("GET", "/nope/")).status == 404


def figure(day: dt.date, code: str) -> Figure:
    item = only(front_page(code, day), unit=code, night=day)
    return Figure(day.isoformat(), METRIC, code, item.period, item.state, item.value, None, None, day, 3, item.reason)


def test_the_visits_of_a_year_are_the_difference_of_two_captures_and_a_reset_is_seen() -> None:
    before, after = dt.date(2025, 12, 31), dt.date(2026, 1, 2)
    window = year(2026)
    found = over_window(
        "counter", "value", [figure(before, "H00.05"), figure(after, "H00.05")], window, dt.date(2026, 1, 2)
    )
    assert isinstance(found, Windowed)
    assert found.value == visits_on("H00.05", dt.date(2026, 1, 1)) + visits_on("H00.05", after)
    reset = over_window(
        "counter", "value", [figure(before, RESET_UNIT), figure(RESET_DAY, RESET_UNIT)], window, RESET_DAY
    )
    assert isinstance(reset, Nothing)
    assert "đặt lại" in reset.reason
