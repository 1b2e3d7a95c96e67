"""QĐ 766 figures of the national public service portal: what to ask it, and what its bytes say.

Here: requests (`plan`) and dating and dispatching answers (`read`), both pure, of the 2026 API. Not here: the portal's
older statistics (`rest_jsp.py`, for sites with that `dialect`), fetching, retries and the User-Agent (the harvest kit),
the envelope (`envelope.py`), rows and pages (`rows.py`, `catalogue.py`), field names and metric codes
(`vocabulary.py`), publisher, politeness and bounds (`manifest.yaml`). Which unit of ours a departmentId is, the
registry of units knows.

Loudness by consequence: an answer that cannot be trusted as a whole is a SourceFailure; a record that contradicts
itself is quarantined and the rest is kept; what is merely new or incomplete is a warning.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import urlsplit

from connectors.dvcqg766 import rest_jsp
from connectors.dvcqg766 import vocabulary as v
from connectors.dvcqg766.catalogue import read_catalogue
from connectors.dvcqg766.envelope import data_of, fail
from connectors.dvcqg766.rows import Answer
from dti_pipeline.harvest.model import FailureKind, Plan, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period

UNDATED = Period(dt.date(1900, 1, 1), dt.date(2199, 12, 31))
"""Of the catalogue, whose request and answer name no period: it is as it was when it was read."""

MAX_PAGES = 2000
"""No answer makes a plan longer than this; the whole catalogue has 575 pages."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DIALECT = "reporting_v1_2026"
"""Of the evaluation API: the option `dialect` where a site does not name it."""

_OPTIONS = frozenset({"dialect", "root_department_id", "root_code", "endpoints", "formality_id", "max_catalogue_pages"})


class Dvcqg766:
    """The connector; see `dti_pipeline.harvest.model.Connector`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """The requests for one site and one calendar year, quarter or month, later pages after earlier ones.

        Raises ValueError, before the first request, for options or a window that the portal cannot be asked with.
        """
        if _dialect(site) == rest_jsp.DIALECT:
            yield from rest_jsp.plan(site, window, _period_keys(window))
            return
        options, keys = _options(site), _period_keys(window)
        for name in options["endpoints"]:
            body = _body(name, options, keys, window)
            is_paged = "pageSize" in body
            last = options.get("max_catalogue_pages", MAX_PAGES) if name == v.CATALOGUE else MAX_PAGES
            for page in range(1, min(last, MAX_PAGES) + 1):
                answer = yield Request("POST", _path(name), json=body | ({"currentPage": page} if is_paged else {}))
                if not (is_paged and answer is not None and _has_next_page(answer, page)):
                    break

    def read(self, snapshot: Snapshot) -> Reading:
        """The observations of one answer, dated by the request that is stored with it.

        Raises SourceFailure: BLOCKED, HTTP_STATUS, TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE, WRONG_ROOT.
        """
        if urlsplit(snapshot.request.path).path.endswith(rest_jsp.PATH):
            return rest_jsp.read(snapshot)
        data = data_of(snapshot)
        name, body = _asked(snapshot.request)
        if name == v.CATALOGUE:
            return read_catalogue(data, _period(body) if "timeType" in body else UNDATED)
        return Answer(v.ENDPOINTS[name], body, _period(body)).read(data)


CONNECTOR = Dvcqg766()


def _dialect(site: Site) -> str:
    """Which of the portal's two interfaces a site speaks. Raises ValueError."""
    dialect = site.options.get("dialect", DIALECT)
    if dialect not in (DIALECT, rest_jsp.DIALECT):
        raise ValueError(
            f"site {site.name}: option dialect is {dialect!r}; give {DIALECT} or {rest_jsp.DIALECT}, or remove it"
        )
    return str(dialect)


def _options(site: Site) -> dict[str, Any]:
    """The site's options, checked. Raises ValueError saying which option of which site, and what it should be."""
    options, endpoints = site.options, site.options.get("endpoints")

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    for option in sorted(options.keys() - _OPTIONS):
        wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
    if not isinstance(endpoints, list | tuple) or not endpoints or not set(map(str, endpoints)) <= set(v.NAMES):
        wrong("endpoints", f"give a list out of {', '.join(v.NAMES)}")
    if len(set(endpoints)) != len(endpoints):
        wrong("endpoints", "name each endpoint once")
    if any(name not in (v.NATIONAL, v.CATALOGUE) for name in endpoints):
        if not _is_uuid(options.get("root_department_id")):
            wrong("root_department_id", "give the portal's departmentId of the province, a lower-case uuid")
        if options.get("root_code", site.province) != site.province:
            wrong("root_code", f"the site's province is {site.province}: correct the one of the two that is wrong")
    if "formality_id" in options:
        if not _is_uuid(options["formality_id"]):
            wrong("formality_id", "give the id of one procedure in the catalogue, a lower-case uuid, or remove it")
        if whole := [name for name in endpoints if name in v.ENDPOINTS and not v.ENDPOINTS[name].formality_key]:
            wrong("formality_id", f"{', '.join(whole)} cannot be filtered by procedure: move them to another site")
    pages = options.get("max_catalogue_pages", 1)
    if not isinstance(pages, int) or isinstance(pages, bool) or pages < 1:
        wrong("max_catalogue_pages", "give a whole number from 1 on, or remove it to read every page")
    return options


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _period_keys(window: Period) -> dict[str, Any]:
    """The body's keys for a window. Raises ValueError for one that is no calendar year, quarter or month."""
    of, month = window.start.year, window.start.month
    number = (month + 2) // 3
    if window == periods.year(of):
        return {"timeType": "year", "year": of}
    if window == periods.quarter(of, number):
        return {"timeType": "quarter", "year": of, "quarter": number}
    if window == periods.month(of, month):
        return {"timeType": "month", "year": of, "month": month}
    raise ValueError(f"window {window}: the portal knows calendar years, quarters and months; ask for one of them")


def _body(name: str, options: Mapping[str, Any], keys: dict[str, Any], window: Period) -> dict[str, Any]:
    """The body of an endpoint's request, but for the number of the page."""
    if name == v.CATALOGUE:
        return {"pageSize": v.CATALOGUE_PAGE_SIZE}
    if name == v.NATIONAL:
        return keys | {"departmentType": v.ADMINISTRATIVE_UNIT}
    endpoint = v.ENDPOINTS[name]
    if name == v.SATISFACTION:  # the only one that takes days
        keys = {"fromDate": window.start.isoformat(), "toDate": window.end.isoformat()}
    body = keys | {"rootDepartmentId": options["root_department_id"]}
    if endpoint.page_size is not None:
        body["pageSize"] = endpoint.page_size
    if endpoint.formality_key is not None and "formality_id" in options:
        body[endpoint.formality_key] = options["formality_id"]
    return body


def _path(name: str) -> str:
    if name == v.CATALOGUE:
        return f"{v.API}/{name}"
    return f"{v.API}/evaluation/{v.SERVICE_RESULTS if name == v.NATIONAL else name}"


def _has_next_page(answer: Snapshot, page: int) -> bool:
    """Whether the answer is the page asked for and names later ones; what else it may be, `read` says."""
    try:
        pagination = data_of(answer).get("pagination")
    except SourceFailure:
        return False
    if not isinstance(pagination, dict) or pagination.get("currentPage") != page:
        return False
    pages = pagination.get("totalPages")
    return isinstance(pages, Decimal) and page < pages


def _asked(request: Request) -> tuple[str, Mapping[str, Any]]:
    """Endpoint and body of a stored request, whose path may also be a whole address. Raises SourceFailure."""
    name = urlsplit(request.path).path.rstrip("/").rpartition("/")[2]
    body = request.json if isinstance(request.json, Mapping) else {}
    if name == v.CATALOGUE:
        return name, body
    if name not in v.ENDPOINTS or name == v.NATIONAL:
        fail(FailureKind.WRONG_SHAPE, f"đường dẫn «{request.path}» không phải điểm cuối đã biết của cổng")
    if name == v.SERVICE_RESULTS and body.get("departmentType") is not None:
        name = v.NATIONAL
    elif not isinstance(body.get("rootDepartmentId"), str):
        fail(FailureKind.WRONG_SHAPE, "yêu cầu phải được lưu kèm thân yêu cầu có rootDepartmentId")
    return name, body


def _period(body: Mapping[str, Any]) -> Period:
    """The period that was asked for; no answer repeats it. Raises SourceFailure where the stored body has none."""
    try:
        match body:
            case {"timeType": "year", "year": int(of)}:
                return periods.year(of)
            case {"timeType": "quarter", "year": int(of), "quarter": int(number)}:
                return periods.quarter(of, number)
            case {"timeType": "month", "year": int(of), "month": int(number)}:
                return periods.month(of, number)
            case {"fromDate": str(first), "toDate": str(last)} if "timeType" not in body and first <= last:
                return Period(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    except (ValueError, OverflowError):
        pass
    raise SourceFailure(
        FailureKind.WRONG_SHAPE,
        "không biết kỳ số liệu: yêu cầu phải được lưu kèm thân yêu cầu có timeType và year (quarter, month), "
        "hoặc fromDate và toDate",
    )
