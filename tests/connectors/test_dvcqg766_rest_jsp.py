"""The national portal's older statistics, `jsp/rest.jsp`: what the dialect asks, what it reads, and what it refuses.

Answers are made by hand for the fictional province; nobody kept a real one. The 2026 API is in `test_dvcqg766.py`.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from connectors.dvcqg766 import rest_jsp
from connectors.dvcqg766.connector import CONNECTOR
from dti_pipeline.harvest import invariants
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
from dti_pipeline.harvest.runner import Night, SiteReport, harvest_site
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.sites import twin_sites
from dti_pipeline.scoring.periods import TIME_ZONE, Period, month, quarter, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.store.engine import open_engine
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import ObservationRow
from dti_pipeline.units.registry import load_registry

NIGHT = dt.date(2025, 10, 15)
SCORES, YEAR_SUM, MONTH_SUM = (
    "report_tinh_766_service",
    "report_by_year_sum_service",
    "report_by_month_sum_service",
)
FORM = {"Content-Type": "application/json; charset=utf-8"}


PRACTICE_NIGHT = dt.date(2026, 10, 15)


@dataclass
class Stored:
    """A fresh database and snapshot folder."""

    folder: Path
    engine: Engine = field(init=False)
    store: SnapshotStore = field(init=False)

    def __post_init__(self) -> None:
        self.engine = open_engine(f"sqlite:///{self.folder / 'dti.db'}")
        self.store = SnapshotStore(f"file://{self.folder / 'snapshots'}")


# --- helpers ---


def unit(number: str = "900101", **changes: Any) -> dict[str, Any]:
    """A row of the scores; a change to `...` takes the field away."""
    row = {
        "ID": number,
        "TEN": "Sở Thử Nghiệm (hư cấu)",
        "MA_COQUAN": "H00.01",
        "CAPDONVIID": "1",
        "ROW_STT": "1",
        "CKMB": "15.5",
        "TDGQ": "19.25",
        "CLGQ": "11.4",
        "TTTT": "8.15",
        "MDHL": "17",
        "MDSH": "20.7",
        "TONG_SCORE": "92",
    }
    return {name: value for name, value in (row | changes).items() if value is not ...}


def whole(**changes: Any) -> dict[str, Any]:
    """The row of a sum: 1000 dossiers, 570 online (and 30 in a way of their own), 800 + 150 on time, 40 + 10 not."""
    row = {
        "HS_TOTAL": "1000",
        "DB_TOTAL": "990",
        "HTN_TRUCTIEP_TOTAL": "350",
        "HTN_BUUCHINH_TOTAL": "50",
        "HTN_TRUCTUYEN_TOTAL": "570",
        "HTN_TRUCTUYEN_KHONGCHUAN_TOTAL": "30",
        "HTDH_TOTAL": "800",
        "HTQH_TOTAL": "40",
        "DXLTH_TOTAL": "150",
        "DXLQH_TOTAL": "10",
        "GDTT_TOTAL": "300",
    }
    return {name: value for name, value in (row | changes).items() if value is not ...}


def asked(service: str = SCORES, province: str | None = "H00", **params: Any) -> Request:
    form = {"type": "ref", "service": service, "p_nam": "2025", **params}
    headers = {} if province is None else {"DTI-Province": province}
    return Request("POST", "/jsp/rest.jsp", headers=headers, data={"params": json.dumps(form)})


def answer(
    rows: Any, request: Request | None = None, *, status: int = 200, headers: Mapping[str, str] = FORM
) -> Snapshot:
    body = rows if isinstance(rows, bytes) else json.dumps(rows, ensure_ascii=False).encode()
    return Snapshot(request or asked(p_quy=3), status, headers, body, night=NIGHT)


def read(rows: Any, request: Request | None = None, **how: Any) -> Reading:
    return CONNECTOR.read(answer(rows, request, **how))


def refusal(rows: Any, request: Request | None = None, **how: Any) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        read(rows, request, **how)
    return caught.value


def read_sum(**changes: Any) -> Reading:
    return read([whole(**changes)], asked(MONTH_SUM, p_thang="8"))


def figures(reading: Reading) -> dict[str, Observation]:
    found = {item.metric: item for item in reading.observations}
    assert len(found) == len(reading.observations)
    return found


def values(reading: Reading) -> dict[str, str | None]:
    return {metric: None if item.value is None else str(item.value) for metric, item in figures(reading).items()}


# --- scores ---


def test_the_six_groups_go_by_their_maxima_and_not_by_other_peoples_labels() -> None:
    reading = read([unit()])
    assert (reading.warnings, reading.quarantined) == ((), ())
    assert values(reading) == {
        "qd766_transparency_score": "15.5",
        "qd766_progress_score": "19.25",
        "qd766_online_service_score": "11.4",  # CLGQ, of 12
        "qd766_payment_score": "8.15",  # TTTT, of 10
        "qd766_satisfaction_score": "17",
        "qd766_digitisation_score": "20.7",
        "qd766_total_score": "92",
    }


def test_labels_the_other_way_round_do_not_fit() -> None:
    reading = read([unit(CLGQ="8.15", TTTT="11.4")])
    (held,) = reading.quarantined
    assert (held.locator, held.reason) == ("/0/TTTT", "điểm TTTT 11.4 lớn hơn 10")
    assert "qd766_payment_score" not in figures(reading)
    assert values(reading)["qd766_online_service_score"] == "8.15"


def test_a_figure_names_its_unit_period_and_place() -> None:
    item = figures(read([unit()]))["qd766_online_service_score"]
    assert (item.unit, item.unit_code, item.unit_name) == ("900101", "H00.01", "Sở Thử Nghiệm (hư cấu)")
    assert (item.period, item.state, item.locator) == (quarter(2025, 3), InputState.HARVESTED, "/0/CLGQ")
    assert isinstance(item.value, Decimal)


@pytest.mark.parametrize(
    ("spelt", "code"), [("H00.01", "H00.01"), ("000.00.01.H00", "H00.01"), ("", None), (None, None), ("SO-TN", None)]
)
def test_a_unit_is_its_identifier_code_where_there_is_one_and_else_the_portals_number(
    spelt: str | None, code: str | None
) -> None:
    reading = read([unit(MA_COQUAN=spelt)])
    assert {(item.unit, item.unit_code) for item in reading.observations} == {("900101", code)}
    assert ["MA_COQUAN" in text for text in reading.warnings] == ([] if code else [True])


@pytest.mark.parametrize(
    ("text", "value"), [("12", "12"), ("12.50", "12.50"), ("0", "0"), (".5", "0.5"), (None, None), ("", None)]
)
def test_numbers_are_texts_and_zero_is_one_of_them(text: str | None, value: str | None) -> None:
    item = figures(read([unit(CKMB=text)]))["qd766_transparency_score"]
    assert item.value == (None if value is None else Decimal(value))
    assert (item.state, item.locator) == (InputState.HARVESTED if value else InputState.MISSING, "/0/CKMB")


@pytest.mark.parametrize(
    "text", ["12,5", "-1", "50%", "1.234.5", "1e1", " 12", "không rõ", "１２", "NaN", True, [], {}]
)
def test_a_text_that_is_no_plain_number_is_put_aside(text: Any) -> None:
    reading = read([unit(CKMB=text)])
    assert [item.locator for item in reading.quarantined] == ["/0/CKMB"]
    assert "qd766_transparency_score" not in figures(reading)
    assert len(reading.observations) == 6


def test_a_missing_field_is_missing_and_said() -> None:
    reading = read([unit(MDSH=...)])
    item = figures(reading)["qd766_digitisation_score"]
    assert (item.state, item.locator) == (InputState.MISSING, "/0")
    assert reading.warnings == (f"{SCORES}: thiếu trường «MDSH» (tại /0)",)


@pytest.mark.parametrize(("total", "is_said"), [("92.01", False), ("91.99", False), ("92.02", True)])
def test_parts_that_do_not_add_up_warn(total: str, is_said: bool) -> None:
    assert any("điểm thành phần" in text for text in read([unit(TONG_SCORE=total)]).warnings) is is_said


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"CAPDONVIID": "3"}, 'CAPDONVIID "3" chưa từng biết'),
        ({"CAPDONVIID": None}, "CAPDONVIID null chưa từng biết"),
        ({"ID": ""}, "dòng không có ID hoặc TEN"),
        ({"TEN": None}, "dòng không có ID hoặc TEN"),
        ({"ID": "900101", "MA_COQUAN": "H00.02"}, "đơn vị H00.02 xuất hiện lần thứ hai"),
        ({"ID": "900102", "MA_COQUAN": "000.00.01.H00"}, "đơn vị H00.01 xuất hiện lần thứ hai"),
    ],
)
def test_a_row_of_an_unknown_kind_or_unit_waits_in_quarantine(changes: dict[str, Any], reason: str) -> None:
    reading = read([unit(), unit("900102", MA_COQUAN="H00.02") | changes])
    (held,) = reading.quarantined
    assert held.locator == "/1"
    assert held.reason.startswith(reason)
    assert {item.unit_code for item in reading.observations} == {"H00.01"}
    assert len(reading.observations) == 7


def test_a_row_without_its_level_is_kept_and_said() -> None:
    reading = read([unit(CAPDONVIID=...)])
    assert len(reading.observations) == 7
    assert reading.warnings == (f"{SCORES}: thiếu trường «CAPDONVIID» (tại /0)",)


def test_a_new_field_is_said_once() -> None:
    rows = [unit(MOI="1"), unit("900102", MA_COQUAN="H00.02", MOI="2")]
    assert read(rows).warnings == (f"{SCORES}: trường mới «MOI» (tại /0 và 1 chỗ khác)",)


def test_an_answer_about_another_province_is_refused() -> None:
    failure = refusal([unit(MA_COQUAN="H99.01"), unit("900102", MA_COQUAN="000.00.02.H99")])
    assert failure.kind is FailureKind.WRONG_ROOT
    assert "H99.01, H99.02" in failure.message
    merged = read([unit(), unit("900102", MA_COQUAN="H99.01")])
    assert merged.warnings == (f"{SCORES}: đơn vị ngoài H00 (tại /1)",)
    assert len(merged.observations) == 14


# --- sums ---


def test_a_sum_is_about_the_province_of_the_request() -> None:
    reading = read_sum()
    assert values(reading) == {
        "dossiers_received_all_channels": "1000",
        "dossiers_received_online": "570",
        "dossiers_received_direct": "350",
        "dossiers_received_postal": "50",
        "dossiers_received": "1000",
        "dossiers_on_time": "950",  # 800 finished and 150 not yet due
        "dossiers_overdue": "50",
    }
    assert {(item.unit, item.unit_code, item.period) for item in reading.observations} == {
        ("H00", "H00", month(2025, 8))
    }
    assert figures(reading)["dossiers_received_postal"].locator == "/0/HTN_BUUCHINH_TOTAL"
    assert figures(reading)["dossiers_on_time"].locator == "/0"
    (warning,) = reading.warnings
    assert warning.startswith(f"{MONTH_SUM}: 30 hồ sơ «trực tuyến không chuẩn» không được tính là trực tuyến")
    assert warning.endswith("(tại /0/HTN_TRUCTUYEN_KHONGCHUAN_TOTAL)")
    assert reading.quarantined == ()


def test_payments_are_not_taken_for_dossiers_paid_online() -> None:
    assert "dossiers_paid_online" not in figures(read_sum())


def test_channels_beyond_the_whole_are_a_contradiction() -> None:
    reading = read_sum(HTN_TRUCTIEP_TOTAL="381")
    assert reading.observations == ()
    assert [item.locator for item in reading.quarantined] == ["/0"]
    assert "= 1001, lớn hơn HS_TOTAL 1000" in reading.quarantined[0].reason


def test_channels_short_of_the_whole_are_said() -> None:
    assert any("cộng lại 969, khác HS_TOTAL 1000" in text for text in read_sum(HTN_TRUCTIEP_TOTAL="349").warnings)
    assert read_sum(HTN_TRUCTIEP_TOTAL="380", HTN_TRUCTUYEN_KHONGCHUAN_TOTAL="0").warnings == ()


@pytest.mark.parametrize("field", ["HTDH_TOTAL", "DXLTH_TOTAL", "HTQH_TOTAL", "DXLQH_TOTAL"])
def test_timeliness_counts_only_where_its_four_parts_make_up_the_whole(field: str) -> None:
    found = figures(read_sum(**{field: "9"}))
    for metric in ("dossiers_received", "dossiers_on_time", "dossiers_overdue"):
        assert (found[metric].state, found[metric].value) == (InputState.UNAVAILABLE, None)
        assert "khác HS_TOTAL 1000" in (found[metric].reason or "")
    assert found["dossiers_received_all_channels"].value == 1000
    empty = figures(read_sum(**{field: None}))
    assert empty["dossiers_on_time"].state is InputState.MISSING
    odd = read_sum(**{field: "1.204"})
    assert [item.locator for item in odd.quarantined] == [f"/0/{field}"]
    assert figures(odd)["dossiers_on_time"].state is InputState.UNAVAILABLE
    assert "không đọc được" in (figures(odd)["dossiers_on_time"].reason or "")


def test_a_count_with_a_dot_is_neither_thousands_nor_a_fraction() -> None:
    reading = read_sum(HTN_BUUCHINH_TOTAL="1.204")
    assert [item.reason for item in reading.quarantined] == ["HTN_BUUCHINH_TOTAL không phải số nguyên: 1.204"]
    assert "dossiers_received_postal" not in figures(reading)


def test_a_sum_of_zeros_is_zeros() -> None:
    reading = read_sum(**dict.fromkeys(whole(), "0"))
    assert set(values(reading).values()) == {"0"}
    assert reading.warnings == ()


@pytest.mark.parametrize("count", [0, 2])
def test_a_sum_is_one_row_because_no_row_says_whose_it_is(count: int) -> None:
    kind = refusal([whole()] * count, asked(YEAR_SUM)).kind
    assert kind is (FailureKind.WRONG_SHAPE if count else FailureKind.SOURCE_ERROR)


# --- answers that are none ---


@pytest.mark.parametrize("request_", [asked(p_quy=3), asked(YEAR_SUM), asked(MONTH_SUM, p_thang="8")])
def test_an_empty_array_is_a_failure_and_never_nothing(request_: Request) -> None:
    failure = refusal([], request_)
    assert (failure.kind, failure.retryable) == (FailureKind.SOURCE_ERROR, False)
    assert "mảng rỗng cho kỳ 2025-" in failure.message


def test_a_later_page_may_be_empty() -> None:
    assert read([], asked(p_quy=3, pageIndex=2)) == Reading()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("Không có quyền truy cập", FailureKind.SOURCE_ERROR),
        ({"data": []}, FailureKind.WRONG_SHAPE),
        ({"code": "OK", "data": {}}, FailureKind.WRONG_SHAPE),
        (None, FailureKind.WRONG_SHAPE),
        ([["H00.01"]], FailureKind.WRONG_SHAPE),
        ([unit(TEN=5)], FailureKind.WRONG_SHAPE),
        (b'[{"ID": "9', FailureKind.TRUNCATED),
        (b"", FailureKind.NOT_JSON),
        (b"\r\n<html><body>Request Rejected</body></html>", FailureKind.BLOCKED),
        (b"<!DOCTYPE html><p>...", FailureKind.BLOCKED),
        (b'[{"ID": "1", "ID": "2"}]', FailureKind.WRONG_SHAPE),
    ],
)
def test_what_is_no_array_of_rows_is_refused(body: Any, kind: FailureKind) -> None:
    assert refusal(body).kind is kind


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (403, FailureKind.BLOCKED, False),
        (429, FailureKind.BLOCKED, False),
        (404, FailureKind.HTTP_STATUS, False),
        (503, FailureKind.HTTP_STATUS, True),
    ],
)
def test_another_status_is_a_failure_whatever_the_body(status: int, kind: FailureKind, retryable: bool) -> None:
    failure = refusal([unit()], status=status)
    assert (failure.kind, failure.retryable) == (kind, retryable)


def test_rows_are_rows_although_a_jsp_page_calls_them_html() -> None:
    assert read([unit()], headers={"Content-Type": "text/html;charset=UTF-8"}) == read([unit()])


@pytest.mark.parametrize(
    ("request_", "period"),
    [
        (asked(), year(2025)),
        (asked(p_6thang=0, p_quy=0, p_thang=0), year(2025)),
        (asked(p_quy=1, p_thang=0), quarter(2025, 1)),
        (asked(p_quy=0, p_thang=2), month(2025, 2)),
        (asked(p_thang="12"), month(2025, 12)),
    ],
)
def test_the_stored_request_dates_the_figures(request_: Request, period: Period) -> None:
    assert {item.period for item in read([unit()], request_).observations} == {period}


@pytest.mark.parametrize(
    "request_",
    [
        asked(province=None),
        asked(province="VN"),
        asked(p_nam=None),
        asked(p_6thang=1),
        asked(p_quy=5),
        asked(p_thang=13),
        asked(p_quy=1, p_thang=2),
        asked(MONTH_SUM),
        asked("report_xuhuongdiem_service"),
        asked(pageIndex=0),
        Request("POST", "/jsp/rest.jsp", headers={"DTI-Province": "H00"}),
        Request("POST", "/jsp/rest.jsp", headers={"DTI-Province": "H00"}, data={"params": "["}),
        Request("POST", "/jsp/rest.jsp", headers={"DTI-Province": "H00"}, data={"params": "[]"}),
    ],
)
def test_figures_that_cannot_be_dated_or_placed_are_refused(request_: Request) -> None:
    failure = refusal([whole()], request_)
    assert failure.kind is FailureKind.WRONG_SHAPE
    assert "không biết câu trả lời về đâu và kỳ nào" in failure.message


# --- asking ---


def site(services: Any = (SCORES,), **changes: Any) -> Site:
    options: dict[str, Any] = {
        "dialect": "rest_jsp_2020",
        "services": list(services) if isinstance(services, tuple) else services,
        "province_id": "900001",
        "statistics_province_id": "900777",
        **changes,
    }
    options = {name: value for name, value in options.items() if value is not ...}
    return Site(name="cu", connector="dvcqg766", base_url="http://127.0.0.1", province="H00", options=options)


def requests(
    where: Site, window: Period, reply: Callable[[Request], Snapshot | None] = lambda request: None
) -> list[Request]:
    plan, found, got = CONNECTOR.plan(where, window), list[Request](), None
    while True:
        try:
            request = plan.send(got)
        except StopIteration:
            return found
        found.append(request)
        got = reply(request)


def forms(found: list[Request]) -> list[dict[str, Any]]:
    return [json.loads((request.data or {})["params"]) for request in found]


@pytest.mark.parametrize(
    ("window", "p_quy", "p_thang"), [(year(2025), 0, 0), (quarter(2025, 3), 3, 0), (month(2025, 8), 0, 8)]
)
def test_the_scores_are_asked_as_the_portals_screen_does(window: Period, p_quy: int, p_thang: int) -> None:
    (request,) = requests(site(), window)
    assert (request.method, request.path, request.json) == ("POST", "/jsp/rest.jsp", None)
    assert dict(request.headers) == {"X-Requested-With": "XMLHttpRequest", "DTI-Province": "H00"}
    assert forms([request]) == [
        {
            "type": "ref",
            "service": SCORES,
            "p_nam": "2025",
            "p_6thang": 0,
            "p_quy": p_quy,
            "p_thang": p_thang,
            "p_tinh_id": "900001",
            "p_loaidonvi": 1,
            "loaichitieu": 0,
            "pageIndex": 1,
            "pageSize": 1000,
        }
    ]
    assert {item.period for item in CONNECTOR.read(answer([unit()], request)).observations} == {window}


def test_the_sums_are_asked_with_the_provinces_other_number() -> None:
    found = requests(site((YEAR_SUM, MONTH_SUM)), year(2025))
    own = {"type": "ref", "p_nam": "2025", "p_tinh_id": "900777", "p_huyen_id": "", "p_linhvuc": 0}
    assert forms(found) == [
        own | {"service": YEAR_SUM},
        *(own | {"service": MONTH_SUM, "p_thang": str(number)} for number in range(1, 13)),
    ]
    periods = [next(iter(CONNECTOR.read(answer([whole()], request)).observations)).period for request in found]
    assert periods == [year(2025), *(month(2025, number) for number in range(1, 13))]


def test_a_quarter_is_asked_by_its_months_and_a_month_by_itself() -> None:
    services = (SCORES, YEAR_SUM, MONTH_SUM)
    asked_for = [(form["service"], form.get("p_thang")) for form in forms(requests(site(services), quarter(2025, 2)))]
    assert asked_for == [(SCORES, 0), (MONTH_SUM, "4"), (MONTH_SUM, "5"), (MONTH_SUM, "6")]
    assert [form["p_thang"] for form in forms(requests(site((MONTH_SUM,)), month(2025, 5)))] == ["5"]


def test_months_that_are_not_over_are_not_asked_for() -> None:
    found = requests(site((MONTH_SUM,)), year(2025), lambda request: answer([whole()], request))
    assert [form["p_thang"] for form in forms(found)] == [str(number) for number in range(1, 10)]


def page(request: Request, full_pages: int) -> list[dict[str, Any]]:
    number = forms([request])[0]["pageIndex"]
    count = 1000 if number <= full_pages else 3
    return [unit(str(1000 * number + position), MA_COQUAN=None) for position in range(count)]


@pytest.mark.parametrize(("full_pages", "count"), [(0, 1), (1, 2), (2, 3), (10**6, 20)])
def test_a_full_page_is_followed_by_the_next(full_pages: int, count: int) -> None:
    found = requests(site(), year(2025), lambda request: answer(page(request, full_pages), request))
    assert [form["pageIndex"] for form in forms(found)] == list(range(1, count + 1))


def test_a_portal_that_gives_the_same_page_again_is_left_alone() -> None:
    same = [unit(str(position + 1), MA_COQUAN=None) for position in range(1000)]
    assert len(requests(site(), year(2025), lambda request: answer(same, request))) == 2
    assert len(requests(site(), year(2025), lambda request: answer(b"<html>", request))) == 1


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (site(dialect="rest_jsp"), "option dialect is 'rest_jsp'; give reporting_v1_2026 or rest_jsp_2020"),
        (site(dialect=["rest_jsp_2020"]), "option dialect is"),
        (site(...), "option services is missing"),
        (site([]), "option services is []"),
        (site(SCORES), "option services is 'report_tinh_766_service'; give a list"),
        (site((SCORES, "report_xuhuongdiem_service")), "give a list out of"),
        (site(([SCORES],)), "give a list out of"),
        (site((SCORES, SCORES)), "name each service once"),
        (site(province_id=...), "option province_id is missing"),
        (site(province_id=900001), "option province_id is 900001; give the province's number"),
        (site(province_id="0"), "option province_id is '0'"),
        (site(province_id="9\n"), "option province_id is"),
        (site((YEAR_SUM,), statistics_province_id=...), "option statistics_province_id is missing"),
        (site((MONTH_SUM,), statistics_province_id="H00"), "option statistics_province_id is 'H00'"),
        (site(statistics_province_id={}), "option statistics_province_id is {}"),
        (site(endpoints=["transparency"]), "option endpoints is"),
        (site().model_copy(update={"province": "VN"}), "province is 'VN'"),
    ],
)
def test_a_wrong_option_is_named_with_its_site_and_what_to_do(where: Site, what: str) -> None:
    with pytest.raises(ValueError, match=r"^site cu: ") as caught:
        requests(where, year(2025))
    assert what in str(caught.value)


def test_each_number_is_needed_only_where_it_is_used() -> None:
    assert len(requests(site(statistics_province_id=...), year(2025))) == 1
    assert len(requests(site((YEAR_SUM,), province_id=...), year(2025))) == 1


def test_a_window_with_nothing_to_ask_is_refused() -> None:
    with pytest.raises(ValueError, match="whole years only"):
        requests(site((YEAR_SUM,)), quarter(2025, 3))
    with pytest.raises(ValueError, match="calendar years, quarters and months"):
        requests(site(), Period(dt.date(2025, 1, 1), dt.date(2025, 6, 30)))


def test_a_site_that_names_the_new_dialect_is_asked_as_one_that_names_none() -> None:
    options = {"endpoints": ["service-results-national"]}
    plain = Site(name="moi", connector="dvcqg766", base_url="http://127.0.0.1", province="VN", options=options)
    named = plain.model_copy(update={"options": {**options, "dialect": "reporting_v1_2026"}})
    assert requests(named, year(2026)) == requests(plain, year(2026))
    (request,) = requests(named, year(2026))
    assert request.path == "/api/v1/reporting/evaluation/service-results"


# --- over the socket ---


def harvested(stored: Stored, url: str, *services: str, **changes: Any) -> SiteReport:
    where = site(services, **changes).model_copy(update={"base_url": url, "windows": ("last_closed_quarter",)})
    quick = Politeness(min_interval_s=0, jitter_s=0, retries=0)
    opened = Night(PRACTICE_NIGHT, lambda: dt.datetime.combine(PRACTICE_NIGHT, dt.time(23), TIME_ZONE), True, "test")
    with Fetcher(where, quick, sleep=time.sleep, monotonic=time.monotonic, jitter=lambda: 0.0) as fetcher:
        return harvest_site(
            stored.engine,
            stored.store,
            load_registry(()),
            CONNECTOR,
            load_manifest("dvcqg766"),
            where,
            opened,
            fetcher,
        )


def test_the_old_portal_is_harvested_over_the_socket(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    with Sandbox() as sandbox:
        report = harvested(stored, sandbox.base_url, SCORES, MONTH_SUM)
        assert report.failures == []
        assert [path for path, _ in sandbox.requests] == ["/jsp/rest.jsp"] * 4  # one page of scores, three months
    months = practice.months_between((2026, 7), (2026, 9))
    with Session(stored.engine) as session:
        rows = session.exec(select(ObservationRow)).all()
        found = {(row.metric, row.unit, row.period_start, row.period_end): row.value for row in rows}
        assert {row.connector for row in rows} == {"dvcqg766"}, "the same metrics, whichever dialect"
    for code in practice.portal_units():
        scores = practice.group_scores(code, months)
        whole_score = found["qd766_total_score", code, "2026-07-01", "2026-09-30"]
        assert Fraction(whole_score or "") == sum(scores.values())
        assert Fraction(found["qd766_payment_score", code, "2026-07-01", "2026-09-30"] or "") == scores["TTTT"]
    for month_ in months:
        of = practice.counts("H00", (month_,))
        start, end = (day.isoformat() for day in month(*month_))
        assert found["dossiers_received_online", "H00", start, end] == str(of.online)
        assert found["dossiers_received_all_channels", "H00", start, end] == str(of.all_channels)
    assert len(found) == report.observations == 7 * len(practice.portal_units()) + 3 * 7


def test_a_number_that_the_old_portal_does_not_know_is_a_failure_over_the_socket(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    with Sandbox() as sandbox:
        report = harvested(stored, sandbox.base_url, SCORES, province_id="900777")
        ((_, failure),) = report.failures
        assert (failure.kind, failure.retryable) == (FailureKind.SOURCE_ERROR, False)
        assert "không phải số 0" in failure.message
        sandbox.faults["jsp"] = "http_503"
        report = harvested(Stored(tmp_path / "2"), sandbox.base_url, SCORES)
        assert [(failure.kind, failure.retryable) for _, failure in report.failures] == [
            (FailureKind.HTTP_STATUS, True)
        ]


def test_no_practice_site_asks_the_old_portal(tmp_path: Path) -> None:
    assert not [entry for entry in twin_sites("http://127.0.0.1:1", tmp_path) if entry["connector"] == "dvcqg766"]


# --- the manifest ---


def test_everything_read_is_in_the_manifest_and_keeps_its_bounds() -> None:
    manifest = load_manifest("dvcqg766")
    assert "rest.jsp" in manifest.evidence_note
    for reading in (read([unit()]), read_sum()):
        assert {item.metric for item in reading.observations} <= set(manifest.metrics)
        checked = invariants.check(reading, manifest, NIGHT)
        assert (checked.held, checked.reading.warnings) == ((), reading.warnings)


def test_the_groups_and_the_total_are_the_fields_of_a_row() -> None:
    assert set(unit()) == rest_jsp._SCORE_FIELDS
