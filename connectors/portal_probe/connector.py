"""What anybody can verify of one portal: which questions to ask it, and what pages, feeds, names and certificates say.

Here: the order of questions (`plan`) and one figure a question (`read`), both pure. Not here: pages (`pages.py`), feeds
(`feeds.py`), resolving names and shaking hands (the kit).

One site is one portal of one unit. Answers do not say which unit they are about, nor why they were asked for; the
request's header `DTI-Probe` does, and portals ignore it. Absence is said only where it can be seen: a section whose
page is not found is looked for on the front page, and only a front page with its menu in its HTML can lack one.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from bs4 import BeautifulSoup

from connectors.portal_probe import pages
from connectors.portal_probe.feeds import feed_dates
from connectors.portal_probe.pages import Dated, Link
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Plan,
    Quarantined,
    Reading,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.harvest.probe import resolver_address, tls_port
from dti_pipeline.scoring.periods import TIME_ZONE, Period
from dti_pipeline.scoring.states import InputState

HEADER = "DTI-Probe"
CHECKS = ("ipv6", "tls", "column", "open_data", "budget")
SECTION_METRICS = {
    "column": "portal_digital_column",
    "open_data": "portal_open_data_page",
    "budget": "portal_budget_page",
}

_OPTIONS = frozenset(
    {"unit", "host", "tls_port", "checks", *pages.SECTIONS, "feed", "items", "required_sections", "resolver"}
)
"""`resolver` is for the kit, which asks it."""
_UNIT = re.compile(r"[A-Z]\d{2}(\.\d{2,3})*")
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_ADDRESS = re.compile(r"/?[^\s\\#]*")
_PATH_SIGNS = "/%:@!$&'()*+,;=~-._"
_BLOCK_PHRASES = (b"request rejected", b"access denied", b"attention required! | cloudflare")


class _Asked(NamedTuple):
    """Why a stored request was made."""

    role: str
    """ipv6, tls, a section, home, feed or list."""
    unit: str
    look: tuple[str, ...]
    required: tuple[str, ...]
    prefix: str
    items: str | None


class PortalProbe:
    """The connector; see `dti_pipeline.harvest.model.Connector`.

    Options of a site: `unit`, identifier code (needed); `host`, the portal's public name where base_url is not it;
    `tls_port`, where it speaks TLS (443, or the port of an https base_url); `checks`, some of CHECKS (all); `column`,
    `open_data`, `budget`, addresses of these sections beneath base_url (looked for on the front page otherwise);
    `feed`, address of the column's feed, or false to never use one; `items`, CSS selector of the items on the column's
    list page; `required_sections`, names of menu entries that the province demands.
    """

    def plan(self, site: Site, window: Period) -> Plan:
        """Name and certificate, sections with a known address, the front page, sections found there, dates.

        Raises ValueError, before the first request, for options that the portal cannot be asked with. The window does
        not matter: everything is as of the night.
        """
        options = _Options(site)
        if "ipv6" in options.checks:
            yield Request("GET", options.host, {"type": "AAAA"}, options.header("ipv6"), kind="dns")
        if "tls" in options.checks:
            yield options.handshake()
        found: dict[str, tuple[Snapshot, str]] = {}
        sections = [section for section in pages.SECTIONS if section in options.checks]
        for section in sections:
            if (address := options.addresses.get(section)) is not None:
                answer = yield options.request(address, section)
                if answer is not None:
                    found[section] = answer, address
        missing = tuple(section for section in sections if section not in found)
        home: Snapshot | None = None
        if sections or options.required:
            home = yield options.request("", "home", look=missing, required=options.required)
        for section in missing:
            link = None if home is None else pages.section_link(home, pages.soup_of(home), section, options.prefix)
            if link is not None and link.is_inside:
                address = options.beneath(link.href)
                answer = yield options.request(address, section)
                if answer is not None:
                    found[section] = answer, address
        if "column" in found:
            yield from _dates(options, *found["column"], home)

    def read(self, snapshot: Snapshot) -> Reading:
        """Raises SourceFailure: BLOCKED, HTTP_STATUS, UNREADABLE, TRUNCATED, WRONG_SHAPE, NOT_JSON, and TOO_SLOW or
        CONNECTION for a name or handshake without an answer."""
        asked = _asked(snapshot.request)
        if snapshot.night is None:
            _fail(FailureKind.WRONG_SHAPE, "không biết đêm kiểm tra, nên không tính được số ngày")
        answer = _Answer(snapshot, asked, snapshot.night)
        if asked.role in ("ipv6", "tls"):
            return answer.ipv6() if asked.role == "ipv6" else answer.tls()
        _check_status(snapshot)
        if asked.role == "feed":
            return answer.feed()
        _check_page(snapshot)
        match asked.role:
            case "home":
                return answer.home()
            case "list":
                return answer.list_page()
            case _:
                return answer.section()


CONNECTOR = PortalProbe()


def _dates(options: _Options, page: Snapshot, address: str, home: Snapshot | None) -> Plan:
    """Requests for the column's dates: its feed, else the list page itself."""
    feed = options.addresses.get("feed")
    if feed is None and options.is_feed_wanted:
        # What the front page advertises as well is the feed of the whole portal, not of the column.
        general = [] if home is None else pages.advertised_feeds(home, pages.soup_of(home))
        own = [url for url in pages.advertised_feeds(page, pages.soup_of(page)) if url not in general]
        inside = urlsplit(page.url or "https://portal.invalid/").netloc
        feed = next((options.beneath(url) for url in own if urlsplit(url).netloc == inside), None)
    if feed is not None:
        answer = yield options.request(feed, "feed")
        if answer is not None:
            return
    yield options.request(address, "list", items=options.items)


# --- asking ---


class _Options:
    """A site's options, checked. Raises ValueError saying which option of which site, and what it should be."""

    def __init__(self, site: Site) -> None:
        self.site = site
        given = site.options
        base = urlsplit(site.base_url)
        self.prefix = base.path.rstrip("/")
        for option in sorted(given.keys() - _OPTIONS):
            self._wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
        self.unit = str(given.get("unit", ""))
        if not _UNIT.fullmatch(self.unit):
            self._wrong("unit", "give the identifier code of the portal's unit, such as H00.11")
        checks = given.get("checks", list(CHECKS))
        if not isinstance(checks, list | tuple) or not checks or not set(map(str, checks)) <= set(CHECKS):
            self._wrong("checks", f"give a list out of {', '.join(CHECKS)}, or remove it to check everything")
        self.checks = tuple(str(check) for check in checks)
        self.host = str(given.get("host", base.hostname or ""))
        if {"ipv6", "tls"} & set(self.checks) and not _HOST.fullmatch(self.host):
            self._wrong("host", "ipv6 and tls need the portal's public host name: give it, or leave them out of checks")
        try:
            tls_port(given, self.site.base_url)
        except ValueError:
            self._wrong("tls_port", "give a number from 1 to 65535, or remove it for 443")
        if "resolver" in given:
            try:
                resolver_address(given["resolver"])
            except ValueError:
                self._wrong("resolver", "give an address and a port, such as 127.0.0.1:53")
        self.addresses: dict[str, str] = {}
        for option in (*pages.SECTIONS, "feed"):
            value = given.get(option)
            if option in given and not (option == "feed" and value is False):
                if not isinstance(value, str) or not _ADDRESS.fullmatch(value) or not value.strip("/"):
                    self._wrong(option, "give an address beneath base_url, such as /chuyen-doi-so")
                self.addresses[option] = value
        self.is_feed_wanted = given.get("feed") is not False
        self.items = given.get("items")
        if self.items is not None:
            try:
                BeautifulSoup("", "lxml").select(self.items)
            except Exception as error:  # noqa: BLE001  soupsieve has one error for a wrong selector, TypeError for no text
                self._wrong("items", f"give a CSS selector ({type(error).__name__})")
        required = given.get("required_sections", [])
        if not isinstance(required, list | tuple) or not all(isinstance(name, str) for name in required):
            self._wrong("required_sections", "give a list of names of menu entries")
        self.required = tuple(pages.slug(name) for name in required)
        if not all(self.required) or len(set(self.required)) != len(self.required):
            self._wrong("required_sections", "every name has letters and stands once")

    def _wrong(self, option: str, advice: str) -> NoReturn:
        now = f"is {self.site.options[option]!r}" if option in self.site.options else "is missing"
        raise ValueError(f"site {self.site.name}: option {option} {now}; {advice}")

    def header(
        self,
        role: str,
        *,
        look: tuple[str, ...] = (),
        required: tuple[str, ...] = (),
        items: str | None = None,
    ) -> Mapping[str, str]:
        parts = {
            "role": role,
            "unit": self.unit,
            "look": ",".join(look),
            "required": ",".join(required),
            "prefix": self.prefix if role == "home" else "",
            "items": quote(items or "", safe=""),
        }
        return {HEADER: "; ".join(f"{name}={value}" for name, value in parts.items() if value)}

    def request(
        self,
        address: str,
        role: str,
        *,
        look: tuple[str, ...] = (),
        required: tuple[str, ...] = (),
        items: str | None = None,
    ) -> Request:
        path, _, query = address.partition("?")
        headers = self.header(role, look=look, required=required, items=items)
        return Request("GET", quote(path, safe=_PATH_SIGNS), dict(parse_qsl(query, keep_blank_values=True)), headers)

    def handshake(self) -> Request:
        return Request("GET", self.host, {}, self.header("tls"), kind="tls")

    def beneath(self, address: str) -> str:
        """A whole address as one beneath base_url."""
        parts = urlsplit(address)
        return parts.path.removeprefix(self.prefix) + (f"?{parts.query}" if parts.query else "")


def _asked(request: Request) -> _Asked:
    """Raises SourceFailure where the stored request is none of ours."""
    header = next((value for name, value in request.headers.items() if name.lower() == HEADER.lower()), "")
    parts = dict(part.partition("=")[::2] for part in header.split("; "))
    role, unit = parts.get("role", ""), parts.get("unit", "")
    if role not in ("ipv6", "tls", "home", "feed", "list", *pages.SECTIONS) or not _UNIT.fullmatch(unit):
        _fail(FailureKind.WRONG_SHAPE, f"yêu cầu phải được lưu kèm tiêu đề {HEADER} (role, unit)")
    look, required = (tuple(filter(None, parts.get(name, "").split(","))) for name in ("look", "required"))
    items = unquote(parts.get("items", "")) or None
    return _Asked(role, unit, look, required, parts.get("prefix", ""), items)


# --- what makes an answer unusable ---


def _fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def _check_status(snapshot: Snapshot) -> None:
    status, head = snapshot.status, snapshot.body[:4096].lower()
    if status in (403, 429) or any(phrase in head for phrase in _BLOCK_PHRASES):
        text = BeautifulSoup(snapshot.body[:65536], "lxml").get_text(" ", strip=True)[:300]
        _fail(FailureKind.BLOCKED, f"cổng từ chối (HTTP {status}): {text or '(trang trống)'}")
    if status != 200:
        _fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=status == 408 or status >= 500)


def _check_page(snapshot: Snapshot) -> None:
    body = snapshot.body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not body.startswith(b"<") or (body.startswith((b"<?xml", b"<rss")) and b"<html" not in body[:2048].lower()):
        _fail(FailureKind.UNREADABLE, "không phải trang HTML")
    if b"</html" not in body[-4096:].lower() and b"<html" in body[:4096].lower():
        _fail(FailureKind.TRUNCATED, f"trang bị cắt ngang sau {len(body)} byte", retryable=True)
    if pages.is_login(snapshot, pages.soup_of(snapshot)):
        _fail(FailureKind.UNSUPPORTED_PLATFORM, "trang đăng nhập thay cho trang công khai của cổng")


# --- figures ---


class _Answer:
    """One answer on its way to a Reading."""

    def __init__(self, snapshot: Snapshot, asked: _Asked, night: dt.date) -> None:
        self.snapshot, self.asked, self.night = snapshot, asked, night

    def _figure(
        self,
        metric: str,
        value: int | None,
        at: str,
        *,
        state: InputState | None = None,
        reason: str | None = None,
    ) -> Observation:
        state = state or (InputState.MISSING if value is None else InputState.HARVESTED)
        return Observation(
            metric,
            self.asked.unit,
            self.asked.unit,
            Period(self.night, self.night),
            state,
            at,
            None if value is None else Decimal(value),
            unit_code=self.asked.unit,
            reason=reason,
        )

    # --- name and certificate ---

    def ipv6(self) -> Reading:
        answer = _json(self.snapshot, "dns")
        if answer.get("type") != "AAAA":
            _fail(FailureKind.WRONG_SHAPE, f"hỏi bản ghi AAAA, trả lời về {str(answer.get('type'))[:20]}")
        checked = self._figure("portal_ipv6_checked", 1, "/outcome")
        match answer["outcome"]:
            case "answer":
                records = answer.get("records")
                if not isinstance(records, list) or not records:
                    _fail(FailureKind.WRONG_SHAPE, "có trả lời AAAA mà không có bản ghi nào")
                for position, record in enumerate(records):
                    if _is_public_ipv6(record):
                        return Reading((self._figure("portal_ipv6", 1, f"/records/{position}"), checked))
                told = (
                    f"tên miền chỉ có địa chỉ IPv6 không dùng được trên Internet: {', '.join(map(str, records))[:100]}"
                )
                return Reading((self._figure("portal_ipv6", 0, "/records"), checked), (told,))
            case "no_answer":
                return Reading((self._figure("portal_ipv6", 0, "/outcome"), checked))
            case "nxdomain":
                # A name that does not exist has no IPv6 to lack.
                none = tuple(
                    self._figure(metric, None, "/outcome") for metric in ("portal_ipv6", "portal_ipv6_checked")
                )
                return Reading(none, (f"tên miền {self.snapshot.request.path} không tồn tại",))
            case "timeout":
                _fail(FailureKind.TOO_SLOW, "máy chủ tên miền không trả lời kịp", retryable=True)
            case "failure":
                _fail(FailureKind.CONNECTION, "máy chủ tên miền báo lỗi", retryable=True)
            case other:
                _fail(FailureKind.WRONG_SHAPE, f"kết quả tên miền lạ: {str(other)[:40]}")

    def tls(self) -> Reading:
        answer = _json(self.snapshot, "tls")
        match answer["outcome"]:
            case "trusted" | "untrusted" as outcome:
                pass
            case "timeout":
                _fail(FailureKind.TOO_SLOW, "cổng không bắt tay TLS kịp", retryable=True)
            case "refused":
                # Whether TLS is missing or the whole server is away cannot be told apart.
                _fail(FailureKind.CONNECTION, "máy chủ không nhận kết nối TLS", retryable=True)
            case other:
                _fail(FailureKind.WRONG_SHAPE, f"kết quả TLS lạ: {str(other)[:40]}")
        is_trusted = outcome == "trusted"
        warnings = () if is_trusted else (f"chứng thư TLS không tin cậy: {str(answer.get('reason') or '')[:200]}",)
        valid = self._figure("portal_tls_valid", int(is_trusted), "/outcome")
        if answer.get("not_after") is None:
            days = self._figure("portal_tls_days_left", None, "/not_after" if "not_after" in answer else "")
            return Reading((valid, days), warnings)
        left = (_moment(answer["not_after"]).astimezone(TIME_ZONE).date() - self.night).days
        if is_trusted and left < 0:
            record = json.dumps(answer, ensure_ascii=False)
            _fail(FailureKind.WRONG_SHAPE, f"chứng thư được tin cậy mà đã hết hạn trước đêm kiểm tra: {record[:200]}")
        return Reading((valid, self._figure("portal_tls_days_left", left, "/not_after")), warnings)

    # --- pages ---

    def home(self) -> Reading:
        """Sections without a page of their own yet: 0 where the menu lacks them, 1 where it leads elsewhere."""
        soup, prefix = pages.soup_of(self.snapshot), self.asked.prefix
        is_readable = pages.has_readable_menu(self.snapshot, soup, prefix)
        scripted = "trang chủ dựng trình đơn bằng mã chạy trên trình duyệt; khai địa chỉ của mục trong tùy chọn"
        figures: list[Observation] = []
        warnings: list[str] = []
        for section in self.asked.look:
            metric = SECTION_METRICS.get(section)
            if metric is None:
                _fail(FailureKind.WRONG_SHAPE, f"không có mục «{section}»")
            link = pages.section_link(self.snapshot, soup, section, prefix)
            if link is not None and link.is_inside:
                continue  # its own page says whether it opens
            if link is not None:
                figures.append(self._figure(metric, 1, link.at))
            elif is_readable:
                figures.append(self._figure(metric, 0, "body"))
                warnings.append(
                    f"trang chủ không có liên kết tới mục {section}; nếu mục ở nơi khác, khai địa chỉ của nó"
                )
            else:
                reason = f"{scripted} {section}"
                figures.append(self._figure(metric, None, "body", state=InputState.UNAVAILABLE, reason=reason))
        if self.asked.required:
            found = {name: pages.required_links(self.snapshot, soup, name, prefix) for name in self.asked.required}
            figures += self._required(found, is_readable)
            if is_readable and (absent := [name for name, link in found.items() if link is None]):
                warnings.append(f"trang chủ không có liên kết tới mục bắt buộc: {', '.join(absent)}")
        return Reading(tuple(figures), tuple(warnings))

    def _required(self, found: Mapping[str, Link | None], is_readable: bool) -> list[Observation]:
        links = [link.at for link in found.values() if link is not None]
        all_of_them = self._figure("portal_sections_required", len(found), f"request: {HEADER}, required")
        if not is_readable:
            why = "trang chủ dựng trình đơn bằng mã chạy trên trình duyệt"
            return [
                self._figure("portal_sections_found", None, "body", state=InputState.UNAVAILABLE, reason=why),
                all_of_them,
            ]
        # A list of selectors selects exactly the links that are counted.
        at = ", ".join(dict.fromkeys(links)) or "body"
        return [self._figure("portal_sections_found", len(links), at), all_of_them]

    def section(self) -> Reading:
        at = pages.heading_of(pages.soup_of(self.snapshot), self.asked.role)
        if at is None:
            _fail(
                FailureKind.WRONG_SHAPE,
                f"trang mở được nhưng không phải mục {self.asked.role}, hoặc báo không tìm thấy",
            )
        return Reading((self._figure(SECTION_METRICS[self.asked.role], 1, at),))

    # --- dates ---

    def feed(self) -> Reading:
        dates, items, warnings = feed_dates(self.snapshot)
        if not items:
            warnings.append("bản tin hợp lệ nhưng không có mục nào")
        elif len(dates) < items:
            warnings.append(f"{items - len(dates)} trong {items} mục của bản tin không có ngày")
        return self._age(dates, warnings, "/*")

    def list_page(self) -> Reading:
        dates = pages.item_dates(pages.soup_of(self.snapshot), self.asked.items)
        return self._age(dates, [] if dates else ["trang chuyên mục không có ngày đăng nào đọc được"], "body")

    def _age(self, dates: list[Dated], warnings: list[str], nowhere: str) -> Reading:
        """Days since the newest past date. Dates in the future and days that do not exist are put aside."""
        unit = self.asked.unit
        aside = tuple(
            Quarantined(
                dated.at,
                f"{unit}: {'không phải một ngày đọc được' if dated.day is None else 'ngày trong tương lai'}",
                dated.text,
            )
            for dated in dates
            if dated.day is None or dated.day > self.night
        )
        past = [(dated.day, dated.at) for dated in dates if dated.day is not None and dated.day <= self.night]
        if not past:
            return Reading((self._figure("portal_column_age_days", None, nowhere),), tuple(warnings), aside)
        newest = max(day for day, _ in past)
        at = next(at for day, at in past if day == newest)
        age = self._figure("portal_column_age_days", (self.night - newest).days, at)
        return Reading((age,), tuple(warnings), aside)


def _json(snapshot: Snapshot, kind: str) -> dict[str, Any]:
    try:
        answer = json.loads(snapshot.body)
    except ValueError:
        _fail(FailureKind.NOT_JSON, "kết quả kiểm tra không phải JSON")
    if not isinstance(answer, dict) or "outcome" not in answer or snapshot.request.kind != kind:
        _fail(FailureKind.WRONG_SHAPE, "kết quả kiểm tra không có outcome, hoặc không phải của yêu cầu này")
    name = answer.get("name" if kind == "dns" else "host")
    if name != snapshot.request.path:
        _fail(FailureKind.WRONG_ROOT, f"hỏi {snapshot.request.path}, trả lời về {str(name)[:80]}")
    return answer


_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives to be reached over the Internet."""
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")
"""RFC 9637; older versions of Python do not know it for reserved."""


def _is_public_ipv6(record: Any) -> bool:
    try:
        address = ipaddress.IPv6Address(str(record))
    except ValueError:
        _fail(FailureKind.WRONG_SHAPE, f"bản ghi AAAA không phải địa chỉ IPv6: {str(record)[:60]}")
    return address in _UNICAST and address.is_global and address not in _DOCUMENTATION


def _moment(text: Any) -> dt.datetime:
    """A moment as ISO 8601 with a zone. Raises SourceFailure."""
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        _fail(FailureKind.WRONG_SHAPE, f"hạn chứng thư không đọc được: {str(text)[:40]}")
    if moment.tzinfo is None:
        _fail(FailureKind.WRONG_SHAPE, f"hạn chứng thư không có múi giờ: {text}")
    return moment
