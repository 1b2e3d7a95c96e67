"""Visit counters on agencies' portals: which pages to ask for, and what a page says about its cumulative total.

Here: requests (`plan`), and whether an answer is the portal's page at all (`read`). Not here: finding the counter on
the page (`counter.py`), its labels (`labels.yaml`), visits over a window: the engine subtracts two captures and sees
resets. A page's figures of today or of this month are never used, nor who is online.

The stored request says whose page it is: the unit and the site's bound travel as the headers `DTI-Unit` and
`DTI-Max-Per-Day`, which no portal heeds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from bs4 import BeautifulSoup

from connectors.portal_counter.counter import read_counter
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Plan,
    Reading,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

METRIC = "portal_visits_cumulative"
UNIT = "DTI-Unit"
BOUND = "DTI-Max-Per-Day"

MAX_PER_DAY = 2_000_000
"""More visits than this on one day are no agency's portal; a site may set its own bound."""

_CODE = re.compile(r"[A-Z]\d{2}(?:\.\d{2,3})*")
_PATH = re.compile(r"[!-~]*")
_OPTIONS = frozenset({"pages", "max_per_day"})
_BLOCK_PHRASES = ("request rejected", "access denied", "attention required")
_HAS_TAG = re.compile(rb"<\s*(?:!doctype|html|head|body|div|table|ul|p|span)\b", re.IGNORECASE)
_CHARSET = re.compile(r"charset=[\"']?([\w-]+)", re.IGNORECASE)


class PortalCounter:
    """The connector; see `dti_pipeline.harvest.model.Connector`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """One request for every page of the site, in the order of its option `pages`.

        A counter says what it says tonight, so every window asks the same. Raises ValueError, before the first
        request, for options that are not as they should be.
        """
        del window
        pages, bound = _options(site)
        for page in pages:
            headers = {UNIT: page["unit"]} | ({BOUND: str(bound)} if bound is not None else {})
            yield Request("GET", page["path"], headers=headers)

    def read(self, snapshot: Snapshot) -> Reading:
        """The cumulative counter of one page; `unavailable`, with the reason, where the HTML does not hold it.

        Raises SourceFailure: BLOCKED, AUTH_FAILED, HTTP_STATUS, UNREADABLE, TRUNCATED, WRONG_SHAPE (a request stored
        without its night or with a bad bound).
        """
        soup = _page(snapshot)
        if snapshot.night is None:
            _fail(FailureKind.WRONG_SHAPE, "không biết đêm đọc bộ đếm: ảnh chụp phải có ngày")
        counter = read_counter(soup)
        if counter.total is None and not re.search(rb"</(?:body|html)\s*>", snapshot.body, re.IGNORECASE):
            _fail(FailureKind.TRUNCATED, f"trang bị cắt sau {len(snapshot.body)} byte, chưa tới bộ đếm", retryable=True)
        unit = _header(snapshot.request, UNIT) or snapshot.request.path
        bound = _bound(_header(snapshot.request, BOUND))
        warnings: tuple[str, ...] = ()
        flag = None
        if counter.total is not None and counter.today is not None and counter.today > bound:
            flag = f"implausible_day: {counter.today:f} > {bound:f}"
            said = f"{unit}: trang ghi {counter.today:f} lượt trong hôm nay, quá {bound:f} lượt một ngày"
            warnings = (f"{said}: nghi máy tự động hoặc bộ đếm sai; kiểm tra trước khi dùng chênh lệch",)
        observation = Observation(
            metric=METRIC,
            unit=unit,
            unit_name=_title(soup) or unit,
            period=Period(snapshot.night, snapshot.night),
            state=InputState.UNAVAILABLE if counter.total is None else InputState.HARVESTED,
            locator=counter.locator,
            value=counter.total,
            unit_code=unit if _CODE.fullmatch(unit) else None,
            flag=flag,
            reason=counter.reason,
        )
        return Reading((observation,), warnings)


CONNECTOR = PortalCounter()


def _options(site: Site) -> tuple[list[dict[str, str]], int | None]:
    """The site's pages and bound, checked. Raises ValueError saying which option of which site, and what it should
    be."""
    options: Mapping[str, Any] = site.options

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    for option in sorted(options.keys() - _OPTIONS):
        wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
    pages = options.get("pages")
    if not isinstance(pages, list | tuple) or not pages:
        wrong("pages", "give a list of {path, unit}, one for each page with a counter")
    for page in pages:
        if not isinstance(page, Mapping) or set(page) != {"path", "unit"}:
            wrong("pages", "every page has exactly a path and a unit")
        path, unit = page["path"], page["unit"]
        if not isinstance(path, str) or not _PATH.fullmatch(path) or any(sign in path for sign in "?#\\"):
            wrong("pages", "a path is plain ASCII without space, «?», «#» or backslash; «» is the front page")
        if not isinstance(unit, str) or not re.fullmatch(r"[!-~]+", unit):
            wrong("pages", "a unit is an identifier code such as H00.11, or what source_ids call the unit")
    for key in ("path", "unit"):
        if len({page[key] for page in pages}) != len(pages):
            wrong("pages", f"name each {key} once: two counters of one unit cannot be told apart")
    bound = options.get("max_per_day")
    if bound is not None and (not isinstance(bound, int) or isinstance(bound, bool) or bound < 1):
        wrong("max_per_day", f"give a whole number of visits from 1 on, or remove it for {MAX_PER_DAY}")
    return [{"path": page["path"], "unit": page["unit"]} for page in pages], bound


def _header(request: Request, name: str) -> str:
    return next((value for key, value in request.headers.items() if key.lower() == name.lower()), "")


def _bound(text: str) -> Decimal:
    if text and not re.fullmatch(r"[1-9]\d*", text):
        _fail(FailureKind.WRONG_SHAPE, f"yêu cầu lưu kèm {BOUND} không phải số nguyên dương: «{text[:40]}»")
    return Decimal(text or MAX_PER_DAY)


def _page(snapshot: Snapshot) -> BeautifulSoup:
    """The page, parsed. Raises SourceFailure where the answer is none, or is another page than the portal's."""
    status, body = snapshot.status, snapshot.body
    head = body[:4096].decode("utf-8", "replace").lower()
    if status in (403, 429) or any(phrase in head for phrase in _BLOCK_PHRASES):
        _fail(FailureKind.BLOCKED, f"trang từ chối (HTTP {status})")
    if status == 401:
        _fail(FailureKind.AUTH_FAILED, "trang đòi đăng nhập (HTTP 401); bộ đếm phải nằm trên trang công khai")
    if status not in (200, 201):
        retryable = status == 408 or 500 <= status <= 599
        _fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=retryable)
    content_type = snapshot.header("content-type").lower()
    if (content_type and "html" not in content_type) or not _HAS_TAG.search(body):
        _fail(FailureKind.UNREADABLE, f"không phải trang HTML ({content_type or 'không ghi kiểu'}, {len(body)} byte)")
    charset = _CHARSET.search(content_type)
    soup = BeautifulSoup(body, "lxml", from_encoding=charset[1] if charset else None)
    if soup.find("input", type="password") is not None and soup.find("meta", attrs={"http-equiv": "refresh"}):
        _fail(FailureKind.AUTH_FAILED, "trang chuyển sang đăng nhập; bộ đếm phải nằm trên trang công khai")
    return soup


def _title(soup: BeautifulSoup) -> str:
    title = soup.find("title")
    return " ".join(title.get_text().split())[:200] if title is not None else ""


def _fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)
