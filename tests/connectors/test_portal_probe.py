"""A portal seen from outside: the order of questions, menus, columns, dates, feeds, names and certificates."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bs4 import BeautifulSoup
from lxml import etree

from connectors.portal_probe import pages
from connectors.portal_probe.connector import CONNECTOR, HEADER
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.http import Fetcher
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Reading,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.sandbox.names import portals
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins.portal_probe import REQUIRED, TWIN, age_of
from dti_pipeline.scoring.periods import Period, year
from dti_pipeline.scoring.states import InputState

RECORDED = Path(__file__).parents[2] / "connectors" / "portal_probe" / "recorded"
NIGHT = dt.date(2026, 10, 15)
HOST = "h00-11.thuchanh.invalid"
BASE = f"https://{HOST}"
HTML = "text/html; charset=utf-8"
BLOCK = "<html><head><title>Request Rejected</title></head><body>Your support ID is: 1</body></html>"


# --- helpers ---


def site(base: str = BASE, **options: Any) -> Site:
    given = {"unit": "H00.11"} | options
    return Site(
        name="thu",
        connector="portal_probe",
        base_url=base,
        province="H00",
        options={key: value for key, value in given.items() if value is not None},
    )


def page(body: str, *, head: str = "", title: str = "Cổng") -> str:
    return f'<html><head><meta charset="utf-8"><title>{title}</title>{head}</head><body>{body}</body></html>'


def menu(*more: str) -> str:
    return (
        "<ul>"
        + "".join(f'<li><a href="/muc/{number}">Mục {number}</a></li>' for number in range(10))
        + "".join(more)
        + "</ul>"
    )


def snapshot(
    role: str,
    body: str | bytes,
    *,
    status: int = 200,
    kind: str = HTML,
    url: str = "",
    night: dt.date | None = NIGHT,
    **more: str,
) -> Snapshot:
    header = "; ".join([f"role={role}", "unit=H00.11", *(f"{name}={value}" for name, value in more.items())])
    raw = body if isinstance(body, bytes) else body.encode()
    return Snapshot(Request("GET", "/x", headers={HEADER: header}), status, {"Content-Type": kind}, raw, url, night)


def read(role: str, body: str | bytes, **options: Any) -> Reading:
    return CONNECTOR.read(snapshot(role, body, **options))


def failure(role: str, body: str | bytes, **options: Any) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        read(role, body, **options)
    return caught.value


def only(reading: Reading) -> Observation:
    (observation,) = reading.observations
    return observation


def figures(reading: Reading) -> dict[str, tuple[str, Decimal | None]]:
    return {item.metric: (item.state.value, item.value) for item in reading.observations}


def probe(kind: str, answer: dict[str, Any], asked: str = HOST) -> Reading:
    role = "ipv6" if kind == "dns" else "tls"
    request = Request(
        "GET",
        asked,
        {"type": "AAAA"},
        {HEADER: f"role={role}; unit=H00.11"},
        kind="dns" if kind == "dns" else "tls",
    )
    return CONNECTOR.read(Snapshot(request, 200, {}, json.dumps(answer).encode(), night=NIGHT))


def dns(outcome: str, *records: Any, **more: Any) -> Reading:
    return probe("dns", {"name": HOST, "type": "AAAA", "outcome": outcome, "records": list(records)} | more)


def tls(outcome: str, not_after: str | None = None, **more: Any) -> Reading:
    return probe("tls", {"host": HOST, "outcome": outcome, "reason": None, "not_after": not_after} | more)


def drive(of: Site, answers: Callable[[Request], str | None]) -> list[tuple[str, str]]:
    """(role, path) of what a plan asks for; an answer that is None failed."""
    plan, asked = CONNECTOR.plan(of, year(2026)), []
    reply: Snapshot | None = None
    while True:
        try:
            request = plan.send(reply)
        except StopIteration:
            return asked
        asked.append((request.headers[HEADER].split("; ")[0].removeprefix("role="), request.path))
        body = answers(request)
        url = f"{of.base_url.rstrip('/')}/{request.path.lstrip('/')}"
        reply = None if body is None else Snapshot(request, 200, {"Content-Type": HTML}, body.encode(), url, NIGHT)


# --- recorded answers ---


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir()))
def test_a_recorded_answer_reads_as_worked_out_by_hand(case: str) -> None:
    request = json.loads((RECORDED / case / "request.json").read_text())
    (body,) = (RECORDED / case).glob("body.*")
    asked = Request(request["method"], request["path"], request["params"], request["headers"], kind=request["kind"])
    night = dt.date.fromisoformat(request["night"])
    reading = CONNECTOR.read(Snapshot(asked, request["status"], {}, body.read_bytes(), night=night))
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
    assert {(item.period, item.unit_code) for item in reading.observations} == {(Period(night, night), "H00.11")}


def test_locators_lead_to_what_was_read() -> None:
    soup = BeautifulSoup((RECORDED / "list" / "body.html").read_bytes(), "lxml")
    (line,) = soup.select("html > body > div:nth-of-type(2) > div:nth-of-type(1) > p")
    assert line.get_text() == "Thứ tư, 07/10/2026 18:39"
    soup = BeautifulSoup((RECORDED / "front-page" / "body.html").read_bytes(), "lxml")
    found = soup.select("html > body > ul > li:nth-of-type(1) > a, html > body > ul > li:nth-of-type(9) > a")
    assert [link.get_text() for link in found] == ["Giới thiệu", "Hỏi đáp"]
    feed = etree.fromstring((RECORDED / "feed" / "body.xml").read_bytes())
    assert feed.xpath("//*[local-name()='item'][2]/*[local-name()='pubDate']/text()") == [
        "Sun, 11 Oct 2026 19:30:00 GMT"
    ]


# --- what is asked ---

RSS_LINK = '<link rel="alternate" type="application/rss+xml" href="/cds.rss">'
COLUMN = page("<h1>Chuyển đổi số</h1>", title="Chuyển đổi số")


def test_everything_is_asked_once_in_order() -> None:
    front = page(
        menu('<li><a href="/cds">Chuyển đổi số</a></li>', '<li><a href="https://x.invalid/">Dữ liệu mở</a></li>')
    )
    bodies = {"/cds": page("<h1>Chuyển đổi số</h1>", head=RSS_LINK)}
    asked = drive(site(), lambda request: bodies.get(request.path, front))
    assert asked == [("ipv6", HOST), ("tls", HOST), ("home", ""), ("column", "/cds"), ("feed", "/cds.rss")]


def test_a_known_address_is_asked_first_and_looked_for_where_it_fails() -> None:
    options = {"checks": ["column"], "column": "/cu", "feed": False}
    front = page(menu('<li><a href="/moi?id=5&amp;p=#top">Chuyên mục chuyển đổi số</a></li>'))
    good = drive(site(**options), lambda request: COLUMN if request.path == "/cu" else front)
    assert good == [("column", "/cu"), ("home", ""), ("list", "/cu")]
    bad = drive(site(**options), lambda request: None if request.path == "/cu" else front)
    assert bad == [("column", "/cu"), ("home", ""), ("column", "/moi"), ("list", "/moi")]


def test_a_question_is_the_same_every_night_and_days_are_counted_to_the_night() -> None:
    headers = [request.headers[HEADER] for request in _requests(site(column="/cds", feed="/cds.rss"))]
    assert [header for header in headers if "2026" in header] == []
    request = Request("GET", HOST, headers={HEADER: "role=tls; unit=H00.11"}, kind="tls")
    body = {"host": HOST, "outcome": "trusted", "not_after": "2026-10-30T00:00:00+00:00"}
    for night, left in ((NIGHT, 15), (NIGHT + dt.timedelta(days=1), 14)):
        reading = CONNECTOR.read(Snapshot(request, 200, {}, json.dumps(body).encode(), night=night))
        assert figures(reading) == {
            "portal_tls_valid": ("harvested", 1),
            "portal_tls_days_left": ("harvested", left),
        }


def test_a_query_goes_into_the_parameters() -> None:
    plan = CONNECTOR.plan(site(checks=["budget"], budget="/Trang/ngân%20sách.aspx?id=5&p="), year(2026))
    request = next(plan)
    assert (request.path, request.params) == ("/Trang/ng%C3%A2n%20s%C3%A1ch.aspx", {"id": "5", "p": ""})


def test_a_failed_feed_falls_back_to_the_list_page() -> None:
    front, column = page(menu()), page("<h1>Chuyển đổi số</h1>", head=RSS_LINK)
    bodies = {"": front, "/cds": column, "/cds.rss": None}
    asked = drive(site(checks=["column"], column="/cds"), lambda request: bodies[request.path])
    assert asked == [("column", "/cds"), ("home", ""), ("feed", "/cds.rss"), ("list", "/cds")]


@pytest.mark.parametrize("href", ["/cds.rss", "https://elsewhere.invalid/cds.rss"])
def test_the_feed_of_the_whole_portal_or_of_another_is_not_the_columns(href: str) -> None:
    link = RSS_LINK.replace("/cds.rss", href)
    front, column = page(menu(), head=link if href.startswith("/") else ""), page("<h1>Chuyển đổi số</h1>", head=link)
    asked = drive(site(checks=["column"], column="/cds"), lambda request: column if request.path == "/cds" else front)
    assert asked[-1] == ("list", "/cds")
    named = drive(
        site(checks=["column"], column="/cds", feed="/cds.rss"),
        lambda request: column if request.path == "/cds" else front,
    )
    assert named[-1] == ("feed", "/cds.rss")


def test_a_portal_in_a_folder_does_not_take_its_neighbours_pages() -> None:
    links = ('<li><a href="/so-abc/cds">Chuyển đổi số</a></li>', '<li><a href="/so-ab/ns">Công khai ngân sách</a></li>')
    of = site(f"{BASE}/so-ab/", checks=["column", "budget"], feed=False)
    assert drive(of, lambda request: page(menu(*links))) == [("home", ""), ("budget", "/ns")]


def test_nothing_works_and_the_plan_still_ends() -> None:
    assert drive(site(), lambda request: None) == [("ipv6", HOST), ("tls", HOST), ("home", "")]
    assert drive(site(checks=["tls"]), lambda request: None) == [("tls", HOST)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"unit": None}, "unit is missing"),
        ({"unit": "Sở Y tế"}, "identifier code"),
        ({"checks": ["rss"]}, "list out of"),
        ({"checks": []}, "list out of"),
        ({"host": "127.0.0.1"}, "public host name"),
        ({"column": "https://x.invalid/ a"}, "beneath base_url"),
        ({"column": "/"}, "beneath base_url"),
        ({"budget": False}, "beneath base_url"),
        ({"feed": True}, "beneath base_url"),
        ({"items": "div["}, "CSS selector"),
        ({"required_sections": "Giới thiệu"}, "list of names"),
        ({"required_sections": ["Giới thiệu", "GIỚI THIỆU"]}, "stands once"),
        ({"colum": "/a"}, "knows only"),
        ({"tls_port": "8443"}, "number from 1 to 65535"),
        ({"tls_port": 0}, "number from 1 to 65535"),
        ({"tls_port": 65536}, "number from 1 to 65535"),
        ({"resolver": "dns.example"}, "address and a port"),
    ],
)
def test_wrong_options_are_told_before_the_first_request(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match="site thu: option .*" + told):
        next(CONNECTOR.plan(site(**options), year(2026)))


def test_an_address_has_no_name_to_ask_about() -> None:
    with pytest.raises(ValueError, match="leave them out of checks"):
        next(CONNECTOR.plan(site("https://10.0.0.1"), year(2026)))
    request = next(CONNECTOR.plan(site("https://10.0.0.1", host=HOST, resolver="127.0.0.1:53"), year(2026)))
    assert (request.kind, request.path, request.params) == ("dns", HOST, {"type": "AAAA"})


@pytest.mark.parametrize("options", [{}, {"tls_port": 8443}])
def test_a_handshake_is_the_same_question_whatever_the_port(options: dict[str, Any]) -> None:
    request = next(CONNECTOR.plan(site(f"{BASE}:8080", checks=["tls"], **options), year(2026)))
    assert (request.kind, request.path, request.params) == ("tls", HOST, {})


# --- the front page ---


@pytest.mark.parametrize(
    ("words", "href"),
    [
        ("Chuyển đổi số", "/a"),
        ("CHUYỂN  ĐỔI SỐ", "/a"),
        ("Chuyên mục về Chuyển đổi số", "/a"),
        ("Chuyển đổi số quốc gia", "/a"),
        ("Xem", "/vi/chuyen-doi-so.html"),
        ('<img alt="Chuyển đổi số" src="a.png">', "/a"),
    ],
)
def test_a_column_is_known_by_its_menu_entry_or_its_address(words: str, href: str) -> None:
    soup_of = snapshot("home", page(f'<a href="{href}">{words}</a>'))
    link = pages.section_link(soup_of, pages.soup_of(soup_of), "column", "")
    assert link is not None
    assert link.is_inside


@pytest.mark.parametrize(
    ("words", "href"),
    [
        ("Hội nghị chuyển đổi số năm 2026", "/tin/1"),
        ("Ban Chỉ đạo chuyển đổi số", "/tin/chuyen-doi-so-2026-hoi-nghi"),
        ("Chuyển đổi số", "#"),
        ("Chuyển đổi số", "javascript:void(0)"),
    ],
)
def test_a_headline_or_an_entry_that_leads_nowhere_is_no_column(words: str, href: str) -> None:
    reading = read("home", page(menu(f'<li><a href="{href}">{words}</a></li>')), look="column")
    assert figures(reading) == {"portal_digital_column": ("harvested", 0)}
    assert "khai địa chỉ" in reading.warnings[0]


def test_a_section_inside_waits_for_its_page_and_one_outside_is_there() -> None:
    inside = page(menu('<li><a href="/ns">Công khai ngân sách</a></li>'))
    assert read("home", inside, look="budget").observations == ()
    outside = page(
        menu(f'<li><a href="https://x.invalid/">Công khai ngân sách</a></li><li><a href="{BASE}/b">Dữ liệu mở</a></li>')
    )
    reading = read("home", outside, look="budget,open_data", url=f"{BASE}/")
    assert figures(reading) == {"portal_budget_page": ("harvested", 1)}


def test_a_link_inside_comes_before_one_that_leads_elsewhere() -> None:
    both = '<a href="https://x.invalid/cds">Chuyển đổi số</a><a href="/cds">Chuyển đổi số</a>'
    asked = drive(site(checks=["column"], feed=False), lambda request: COLUMN if request.path else page(menu() + both))
    assert asked == [("home", ""), ("column", "/cds"), ("list", "/cds")]


def test_a_menu_that_only_a_browser_sees_lacks_nothing() -> None:
    reading = read("home", page('<div id="app"></div>'), look="column", required="gioi-thieu")
    assert figures(reading) == {
        "portal_digital_column": ("unavailable", None),
        "portal_sections_found": ("unavailable", None),
        "portal_sections_required": ("harvested", 1),
    }
    assert reading.observations[0].reason is not None
    assert reading.warnings == ()


def test_required_sections_are_counted_by_their_names() -> None:
    front = page(menu('<li><a href="/a">Giới thiệu chung</a></li>', '<li><a href="/b">Hỏi đáp</a></li>'))
    reading = read("home", front, required="gioi-thieu,hoi-dap,so-do-cong")
    assert figures(reading) == {
        "portal_sections_found": ("harvested", 2),
        "portal_sections_required": ("harvested", 3),
    }
    assert reading.warnings == ("trang chủ không có liên kết tới mục bắt buộc: so-do-cong",)
    none = read("home", page(menu()), required="hoi-dap")
    assert figures(none)["portal_sections_found"] == ("harvested", 0)


# --- a section's page ---


def test_a_page_that_names_its_section_is_there() -> None:
    assert only(read("column", COLUMN)).locator == "html > head > title"
    assert only(read("budget", page("<h2>Công khai ngân sách năm 2026</h2>"))).locator == "html > body > h2"
    assert figures(read("open_data", page("<p>Open Data</p>"))) == {"portal_open_data_page": ("harvested", 1)}


@pytest.mark.parametrize(
    "body",
    [
        page("<p>Chuyển đổi số</p>", title="404 - Không tìm thấy"),
        page("<h1>Trang không tồn tại</h1><a>Chuyển đổi số</a>"),
        page("<h1>Trang chủ</h1>"),
    ],
)
def test_a_page_that_is_not_the_section_is_a_failure_and_no_zero(body: str) -> None:
    assert failure("column", body).kind is FailureKind.WRONG_SHAPE


@pytest.mark.parametrize("role", ["home", "column", "list", "feed"])
@pytest.mark.parametrize(
    ("body", "status", "expected", "retryable"),
    [
        (BLOCK, 200, FailureKind.BLOCKED, False),
        ("no", 403, FailureKind.BLOCKED, False),
        ("no", 429, FailureKind.BLOCKED, False),
        ("no", 404, FailureKind.HTTP_STATUS, False),
        ("no", 503, FailureKind.HTTP_STATUS, True),
        ("no", 200, FailureKind.UNREADABLE, False),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure(
    role: str, body: str, status: int, expected: FailureKind, retryable: bool
) -> None:
    told = failure(role, body, status=status)
    assert (told.kind, told.retryable) == (expected, retryable)


def test_a_page_that_is_cut_short_can_be_asked_for_again() -> None:
    told = failure("home", page(menu())[:60], look="column")
    assert (told.kind, told.retryable) == (FailureKind.TRUNCATED, True)


def test_a_login_page_is_no_portal_and_a_portal_with_a_login_is_one() -> None:
    form = '<form><input name="u"><input type="password" name="p"></form>'
    assert failure("home", page(form), look="column").kind is FailureKind.UNSUPPORTED_PLATFORM
    assert figures(read("home", page(menu() + form), look="column")) == {"portal_digital_column": ("harvested", 0)}


def test_a_feed_in_place_of_a_page_is_no_page() -> None:
    assert failure("list", '<?xml version="1.0"?><rss></rss>').kind is FailureKind.UNREADABLE


def test_a_stored_answer_needs_its_purpose_and_its_night() -> None:
    assert failure("nonsense", COLUMN).kind is FailureKind.WRONG_SHAPE
    assert "đêm" in failure("column", COLUMN, night=None).message


# --- dates of a list page ---


def age(reading: Reading) -> Decimal | None:
    observation = only(reading)
    assert observation.metric == "portal_column_age_days"
    return observation.value


def item(date: str, number: int = 1) -> str:
    return f'<li><a href="/bai/{number}">Bài viết thực hành số {number}</a> <span>{date}</span></li>'


@pytest.mark.parametrize(
    ("date", "days"),
    [
        ("15/10/2026", 0),
        ("8/10/2026", 7),
        ("Thứ tư, 21/09/2022 18:39", 1485),
        ('<time datetime="2026-10-05T08:00:00+07:00">hôm kia</time>', 10),
    ],
)
def test_the_age_is_the_newest_items(date: str, days: int) -> None:
    assert (
        age(read("list", page(f"<ul>{item('01/01/2020', 2)}{item(date)}</ul>" if "2022" not in date else item(date))))
        == days
    )


@pytest.mark.parametrize(
    "more",
    [
        "<div><span>Thứ năm, 15/10/2026</span></div>",
        '<div class="banner"><a href="/x">Một liên kết dài trong băng</a> 15/10/2026</div>',
        '<aside><p><a href="/x">Tin mới nhất của toàn cổng</a> 14/10/2026</p></aside>',
        '<footer><a href="/x">Cơ quan chủ quản trang</a> 15/10/2026</footer>',
        "<script>var today = '15/10/2026';</script>",
        "<p>Điện thoại 15/10/20261, số 115/10/2026</p>",
    ],
)
def test_a_date_that_belongs_to_no_item_is_not_its_age(more: str) -> None:
    assert age(read("list", page(f"{more}<ul>{item('05/10/2026')}{item('01/10/2026', 2)}</ul>"))) == 10


def test_a_date_beside_many_headlines_belongs_to_none_of_them() -> None:
    body = page(f"<div><p>Hôm nay 15/10/2026</p><ul>{item('05/10/2026')}{item('01/10/2026', 2)}</ul></div>")
    assert age(read("list", body)) == 10


def test_the_operator_may_say_where_the_items_are() -> None:
    body = page('<div class="bai">05/10/2026</div><ul>' + item("14/10/2026") + "</ul>")
    assert age(read("list", body)) == 1
    assert age(read("list", body, items="div.bai")) == 10


def test_the_selector_reaches_the_reader() -> None:
    request_headers = [
        request.headers[HEADER]
        for request in _requests(
            site(checks=["column"], column="/cds", feed=False, items="div.bai > p; x".rstrip("; x"))
        )
    ]
    assert request_headers[-1] == "role=list; unit=H00.11; items=div.bai%20%3E%20p"


def _requests(of: Site) -> list[Request]:
    plan, asked = CONNECTOR.plan(of, year(2026)), []
    reply: Snapshot | None = None
    while True:
        try:
            asked.append(plan.send(reply))
        except StopIteration:
            return asked
        reply = Snapshot(asked[-1], 200, {}, COLUMN.encode(), f"{BASE}{asked[-1].path}", NIGHT)


def test_dates_in_the_future_and_days_that_do_not_exist_are_put_aside() -> None:
    reading = read("list", page(f"<ul>{item('16/10/2026')}{item('31/02/2026', 2)}{item('10/10/2026', 3)}</ul>"))
    assert age(reading) == 5
    assert [(aside.record, aside.reason) for aside in reading.quarantined] == [
        ("16/10/2026", "H00.11: ngày trong tương lai"),
        ("31/02/2026", "H00.11: không phải một ngày đọc được"),
    ]
    future = read("list", page(f"<ul>{item('16/10/2026')}</ul>"))
    assert (only(future).state, len(future.quarantined)) == (InputState.MISSING, 1)


def test_a_page_without_dates_has_no_age() -> None:
    reading = read("list", page("<ul><li>Không có bài</li></ul>"))
    assert (only(reading).state, only(reading).value) == (InputState.MISSING, None)
    assert reading.warnings == ("trang chuyên mục không có ngày đăng nào đọc được",)


# --- feeds ---


def rss(*dates: str, end: str = "</channel></rss>") -> str:
    items = "".join(f"<item><title>Bài</title>{f'<pubDate>{date}</pubDate>' if date else ''}</item>" for date in dates)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Tin</title>{items}{end}'


@pytest.mark.parametrize(
    ("date", "days"),
    [
        ("Thu, 15 Oct 2026 23:59:00 +0700", 0),
        ("Wed, 14 Oct 2026 20:00:00 GMT", 0),
        ("Wed, 14 Oct 2026 20:00:00", 1),
        ("2026-10-14T20:00:00Z", 0),
        ("2026-10-14T20:00:00", 1),
        ("2026-10-14T20:00:00+07:00", 1),
        ("14/10/2026 20:00", 1),
    ],
)
def test_a_feeds_dates_are_local_days(date: str, days: int) -> None:
    assert age(read("feed", rss(date), kind="application/rss+xml")) == days


@pytest.mark.parametrize("date", ["10/09/2026 8:00:00 AM", "10/14/2026 8:00:00 AM", "hôm qua"])
def test_a_date_whose_order_nobody_knows_is_put_aside(date: str) -> None:
    reading = read("feed", rss(date))
    assert only(reading).state is InputState.MISSING
    assert reading.quarantined[0].record == date


def test_an_atom_feed() -> None:
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>Tin</title><updated>2026-10-15T00:00:00Z</updated>'
        "<entry><title>a</title><updated>2026-10-10T01:00:00Z</updated></entry>"
        "<entry><title>b</title><published>2026-10-12T01:00:00Z</published><updated>2026-10-14T01:00:00Z</updated></entry>"
        "</feed>"
    )
    reading = read("feed", body, kind="application/atom+xml")
    assert age(reading) == 3
    (found,) = etree.fromstring(body.encode()).xpath(only(reading).locator)
    assert found.text == "2026-10-12T01:00:00Z"


def test_a_valid_feed_without_items_has_no_date_and_is_not_stale() -> None:
    reading = read("feed", rss())
    assert (only(reading).state, only(reading).value) == (InputState.MISSING, None)
    assert reading.warnings == ("bản tin hợp lệ nhưng không có mục nào",)
    some = read("feed", rss("", "Wed, 14 Oct 2026 08:00:00 +0700"))
    assert (age(some), some.warnings) == (1, ("1 trong 2 mục của bản tin không có ngày",))


def test_a_block_page_that_parses_as_an_empty_feed_is_a_failure() -> None:
    assert failure("feed", b"").kind is FailureKind.UNREADABLE
    assert failure("feed", page("Vui lòng bật JavaScript")).kind is FailureKind.UNREADABLE
    assert failure("feed", BLOCK, kind="application/rss+xml").kind is FailureKind.BLOCKED


def test_a_feed_that_is_cut_short_or_badly_written() -> None:
    told = failure("feed", rss("Wed, 14 Oct 2026 08:00:00 +0700", end=""))
    assert (told.kind, told.retryable) == (FailureKind.TRUNCATED, True)
    reading = read("feed", rss("Wed, 14 Oct 2026 08:00:00 +0700").replace("<title>Tin", "<title>Tin & bài"))
    assert age(reading) == 1
    assert reading.warnings[0].startswith("bản tin sai quy cách")


def test_a_feed_is_read_from_its_bytes_and_never_from_where_they_point(tmp_path: Path) -> None:
    trap = tmp_path / "feed.xml"
    trap.write_text(rss("Wed, 14 Oct 2026 08:00:00 +0700"))
    assert failure("feed", str(trap)).kind is FailureKind.UNREADABLE


# --- names and certificates ---


def test_no_record_no_name_and_no_answer_are_three_things() -> None:
    assert figures(dns("no_answer")) == {"portal_ipv6": ("harvested", 0), "portal_ipv6_checked": ("harvested", 1)}
    gone = dns("nxdomain")
    assert figures(gone) == {"portal_ipv6": ("missing", None), "portal_ipv6_checked": ("missing", None)}
    assert gone.warnings == (f"tên miền {HOST} không tồn tại",)
    for outcome, kind in (("timeout", FailureKind.TOO_SLOW), ("failure", FailureKind.CONNECTION)):
        with pytest.raises(SourceFailure) as caught:
            dns(outcome)
        assert (caught.value.kind, caught.value.retryable) == (kind, True)


@pytest.mark.parametrize(
    "record",
    ["::1", "fe80::1", "fd00::1", "::ffff:203.162.0.1", "ff02::1", "4000::1", "2001:db8::1", "3fff::1"],
)
def test_an_address_that_the_internet_cannot_reach_is_no_ipv6(record: str) -> None:
    reading = dns("answer", record)
    assert figures(reading)["portal_ipv6"] == ("harvested", 0)
    assert record in reading.warnings[0]
    mixed = dns("answer", record, "2400:cb00:2048:1::c629:d7a2")
    assert mixed.observations[0].locator == "/records/1"


@pytest.mark.parametrize(
    "answer",
    [
        {"name": HOST, "type": "AAAA", "outcome": "answer", "records": []},
        {"name": HOST, "type": "AAAA", "outcome": "answer", "records": ["203.162.0.1"]},
        {"name": HOST, "type": "A", "outcome": "no_answer", "records": []},
        {"name": HOST, "type": "AAAA", "outcome": "maybe", "records": []},
        {"name": HOST, "type": "AAAA"},
    ],
)
def test_an_odd_answer_about_a_name_is_a_failure(answer: dict[str, Any]) -> None:
    with pytest.raises(SourceFailure) as caught:
        probe("dns", answer)
    assert caught.value.kind is FailureKind.WRONG_SHAPE


def test_an_answer_about_another_name_is_refused() -> None:
    for kind, answer in (
        ("dns", {"name": "x.invalid", "type": "AAAA", "outcome": "no_answer"}),
        ("tls", {"host": "x.invalid", "outcome": "untrusted"}),
    ):
        with pytest.raises(SourceFailure) as caught:
            probe(kind, answer)
        assert caught.value.kind is FailureKind.WRONG_ROOT


def test_days_left_are_local_days() -> None:
    assert figures(tls("trusted", "2026-10-30T16:59:59+00:00"))["portal_tls_days_left"] == ("harvested", 15)
    assert figures(tls("trusted", "2026-10-30T17:00:00+00:00"))["portal_tls_days_left"] == ("harvested", 16)


def test_an_untrusted_certificate_is_a_finding_about_the_portal() -> None:
    reading = tls("untrusted", reason="certificate has expired")
    assert figures(reading) == {"portal_tls_valid": ("harvested", 0), "portal_tls_days_left": ("missing", None)}
    assert reading.warnings == ("chứng thư TLS không tin cậy: certificate has expired",)
    assert figures(tls("untrusted", "2026-10-01T00:00:00+00:00"))["portal_tls_days_left"] == ("harvested", -14)


@pytest.mark.parametrize(
    ("outcome", "not_after", "kind"),
    [
        ("timeout", None, FailureKind.TOO_SLOW),
        ("refused", None, FailureKind.CONNECTION),
        ("maybe", None, FailureKind.WRONG_SHAPE),
        ("trusted", "2026-10-01T00:00:00+00:00", FailureKind.WRONG_SHAPE),
        ("trusted", "2026-10-30", FailureKind.WRONG_SHAPE),
        ("trusted", "Oct 30", FailureKind.WRONG_SHAPE),
    ],
)
def test_a_handshake_that_says_nothing_is_a_failure(outcome: str, not_after: str | None, kind: FailureKind) -> None:
    with pytest.raises(SourceFailure) as caught:
        tls(outcome, not_after)
    assert caught.value.kind is kind


# --- the practice portals ---


class Visit(NamedTuple):
    figures: dict[str, Observation]
    failures: list[tuple[str, FailureKind]]
    """(role, kind)"""


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Visit]:
    """Every practice portal probed over real sockets: pages, names and certificates; by unit."""
    found: dict[str, Visit] = {}
    with Sandbox() as sandbox:
        for entry in TWIN.sites(f"{sandbox.base_url}/portal_probe", tmp_path_factory.mktemp("portals")):
            practice = Site.model_validate(entry)
            found[practice.options["unit"]] = visit(practice)
    return found


def visit(practice: Site) -> Visit:
    assert practice.politeness is not None
    plan, reply, of = CONNECTOR.plan(practice, year(2026)), None, Visit({}, [])
    with Fetcher(
        practice, practice.politeness, sleep=lambda _: None, monotonic=time.monotonic, jitter=lambda: 0.0
    ) as fetcher:
        while True:
            try:
                request = plan.send(reply)
            except StopIteration:
                return of
            try:
                reply = replace(fetcher.fetch(request), night=NIGHT)
                reading = CONNECTOR.read(reply)
            except SourceFailure as failure:
                of.failures.append((request.headers[HEADER].split("; ")[0].removeprefix("role="), failure.kind))
                reply = None
                continue
            for observation in reading.observations:
                assert observation.metric not in of.figures
                assert observation.unit == practice.options["unit"]
                of.figures[observation.metric] = observation


def of_all(visits: dict[str, Visit], metric: str) -> dict[str, Decimal | None]:
    return {unit: seen.figures[metric].value for unit, seen in visits.items() if metric in seen.figures}


def test_every_metric_is_supplied_and_only_the_silent_name_fails(visits: dict[str, Visit]) -> None:
    manifest = load_manifest("portal_probe")
    assert {metric for seen in visits.values() for metric in seen.figures} == set(manifest.metrics)
    assert manifest.as_of == "night"
    assert {unit: seen.failures for unit, seen in visits.items() if seen.failures} == {
        "H00.22": [("ipv6", FailureKind.TOO_SLOW)]
    }


def test_the_practice_names_have_ipv6_or_not(visits: dict[str, Visit]) -> None:
    without = {"H00.03", "H00.06", "H00.08", "H00.12", "H00.17"}  # of H00.08 only a private address is known
    departments = [f"H00.{number:02}" for number in range(1, 21)]
    expected = {unit: Decimal(unit not in without) for unit in ("H00", *departments, "H00.23")}
    assert of_all(visits, "portal_ipv6") == expected | {"H00.21": None}
    assert of_all(visits, "portal_ipv6_checked") == dict.fromkeys(expected, Decimal(1)) | {"H00.21": None}
    assert visits["H00.21"].figures["portal_ipv6"].state is InputState.MISSING


def test_one_practice_certificate_has_expired(visits: dict[str, Visit]) -> None:
    valid = of_all(visits, "portal_tls_valid")
    assert len(valid) == 22
    assert {unit for unit, value in valid.items() if value == 0} == {"H00.12"}
    left = of_all(visits, "portal_tls_days_left")
    # 15/10/2026 to 31/12/2029: three years with one leap day, then 16 + 30 + 31 days.
    assert left == {unit: None if unit == "H00.12" else Decimal(3 * 365 + 1 + 77) for unit in valid}


def test_the_practice_columns_and_sections(visits: dict[str, Visit]) -> None:
    for unit, portal in portals().items():
        if portal.pages is None:
            continue
        seen = visits[unit].figures
        assert seen["portal_digital_column"].value == {"none": 0, "scripted": None}.get(portal.pages, 1)
        dated = seen.get("portal_column_age_days")
        if portal.pages in ("feed", "list"):
            assert dated is not None
            assert dated.value == age_of(unit)
        else:
            assert dated is None or dated.state is InputState.MISSING
        assert seen["portal_sections_required"].value == len(REQUIRED) == 6
        page = TWIN.answer(TwinRequest("GET", f"{unit}/", {}, {}, b"")).body.decode()
        named = sum(f">{name}</a>" in page for name in REQUIRED)
        assert seen["portal_sections_found"].value == (None if portal.pages == "scripted" else named)
    assert visits["H00.23"].figures["portal_sections_found"].state is InputState.UNAVAILABLE
