"""Open-data catalogues on CKAN: which platform answers there, who publishes, how many data sets and how fresh.

Here: requests (`plan`) and reading answers (`read`), both pure. Not here: CKAN's envelope and its errors
(`envelope.py`), filters (`questions.py`), the words for update cycles (`cycles.yaml`).

Vietnamese open-data portals look alike and only some are CKAN, so the first request asks what the platform is and
nothing else is asked of any other. All figures are as of the night and depend on nothing but the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import urlsplit

from connectors.ckan import questions
from connectors.ckan.envelope import as_count, as_list, as_object, fail, result_of
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

API = "/api/3/action"
STATUS, AGENCIES, SEARCH = "status_show", "organization_list", "package_search"
PAGE = 25
"""CKAN's own maximum of agencies in full; more are cut off without a word."""
MAX_PAGES = 200

_NAME = re.compile(r"[a-z0-9_-]{2,100}")
_CODE = re.compile(r"[a-z]\d{2}(?:-\d{2,3})*")
_FIELD = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE)
_OPTIONS = frozenset({"organizations", "figures", "cycle_field"})
_SEARCH_FIELDS = frozenset({"count", "facets", "results", "search_facets", "sort", "expanded"})
_ITEM_FIELDS = frozenset({"name", "display_name", "count"})


class Ckan:
    """The connector; see `dti_pipeline.harvest.model.Connector`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """What the platform is; then agencies, a page at a time, and after each page its agencies' figures.

        A catalogue says what it holds tonight, so every window asks the same. Raises ValueError, before the first
        request, for options that are not as they should be.
        """
        del window
        wanted, figures, cycle_field = _options(site)
        platform = yield Request("GET", f"{API}/{STATUS}")
        if platform is None:
            return
        if wanted is not None:
            for start in range(0, len(wanted), PAGE):
                yield from _searches(wanted[start : start + PAGE], figures, cycle_field)
            return
        offset = 0
        for _ in range(MAX_PAGES):
            page = yield Request(
                "GET",
                f"{API}/{AGENCIES}",
                params={"all_fields": "true", "sort": "name asc", "limit": str(PAGE), "offset": str(offset)},
            )
            rows = [] if page is None else _agencies(page)
            if not rows:
                return
            if names := [name for name in rows if name is not None]:
                yield from _searches(names, figures, cycle_field)
            # An empty page is the end; a short one may be a lower cap of that portal.
            offset += len(rows)

    def read(self, snapshot: Snapshot) -> Reading:
        """The figures of one answer. What platform it is and who publishes give none by themselves.

        Raises SourceFailure: BLOCKED, AUTH_FAILED, HTTP_STATUS, SOURCE_ERROR, UNSUPPORTED_PLATFORM, TRUNCATED,
        NOT_JSON, WRONG_SHAPE.
        """
        action = urlsplit(snapshot.request.path).path.rstrip("/").rpartition("/")[2]
        if action == STATUS:
            return _read_platform(snapshot)
        if action == AGENCIES:
            return _read_agencies(snapshot)
        if action != SEARCH:
            fail(FailureKind.WRONG_SHAPE, f"đường dẫn «{snapshot.request.path}» không phải lệnh CKAN đã biết")
        return _read_figures(snapshot)


CONNECTOR = Ckan()


# --- asking ---


def _options(site: Site) -> tuple[list[str] | None, list[str], str]:
    """Agencies (None: all), figures and the cycle's field. Raises ValueError saying what should be."""
    options: Mapping[str, Any] = site.options

    def wrong(option: str, advice: str) -> NoReturn:
        raise ValueError(f"site {site.name}: option {option} is {options[option]!r}; {advice}")

    for option in sorted(options.keys() - _OPTIONS):
        wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
    wanted = options.get("organizations")
    if wanted is not None:
        if not isinstance(wanted, list | tuple) or not wanted:
            wrong("organizations", "give a list of CKAN names of agencies, or remove it for all of them")
        if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in wanted):
            wrong("organizations", "a CKAN name is 2 to 100 small letters, digits, «-» and «_», such as so-y-te")
        if len(set(wanted)) != len(wanted):
            wrong("organizations", "name each agency once")
    figures = options.get("figures", questions.METRICS)
    if not isinstance(figures, list | tuple) or not figures or not set(map(str, figures)) <= set(questions.METRICS):
        wrong("figures", f"give a list out of {', '.join(questions.METRICS)}, or remove it for all")
    if len(set(figures)) != len(figures):
        wrong("figures", "name each figure once")
    cycle_field = options.get("cycle_field", questions.CYCLE_FIELD)
    if not isinstance(cycle_field, str) or not _FIELD.fullmatch(cycle_field):
        wrong("cycle_field", f"give the search field of the update cycle, such as {questions.CYCLE_FIELD}")
    return (None if wanted is None else list(wanted)), list(figures), cycle_field


def _searches(agencies: Sequence[str], figures: Sequence[str], cycle_field: str) -> Plan:
    for metric in figures:
        yield Request(
            "GET",
            f"{API}/{SEARCH}",
            params={
                "fq": questions.filter_for(metric, agencies, cycle_field),
                "rows": "0",
                "facet.field": '["organization"]',
                "facet.limit": "-1",
            },
        )


def _agencies(page: Snapshot) -> list[str | None]:
    """The names on a page of agencies, None for one that cannot be asked for; what else is wrong, `read` says."""
    try:
        rows = result_of(page)
    except SourceFailure:
        return []
    return [_name(row) for row in rows] if isinstance(rows, list) else []


def _name(row: Any) -> str | None:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None


# --- reading ---


def _read_platform(snapshot: Snapshot) -> Reading:
    result = result_of(snapshot, is_fingerprint=True)
    if not isinstance(result, dict) or not {"ckan_version", "site_title", "site_url", "extensions"} & result.keys():
        fail(FailureKind.UNSUPPORTED_PLATFORM, "status_show có phong bì của CKAN nhưng không nói gì về CKAN")
    return Reading()


def _read_agencies(snapshot: Snapshot) -> Reading:
    """Nothing but whether the page can be used: names are for asking."""
    warnings, seen = [], set[str]()
    for number, row in enumerate(as_list(result_of(snapshot), "/result")):
        at = f"/result/{number}"
        name = _name(as_object(row, at))
        if name is None:
            warnings.append(f"{at}/name: cơ quan không có tên CKAN hợp lệ, không đếm được dữ liệu của cơ quan này")
        elif name in seen:
            fail(FailureKind.WRONG_SHAPE, f"cơ quan «{name}» xuất hiện hai lần trong một trang")
        else:
            seen.add(name)
    return Reading((), tuple(warnings))


def _read_figures(snapshot: Snapshot) -> Reading:
    """One figure of every agency asked for; an agency that the complete facet does not list has 0."""
    question = questions.asked(snapshot.request.params.get("fq", ""))
    if question is None:
        fail(FailureKind.WRONG_SHAPE, "không biết đã hỏi gì: yêu cầu phải được lưu kèm tham số fq của bộ đọc này")
    if snapshot.night is None:
        fail(FailureKind.WRONG_SHAPE, "không biết đêm đọc: ảnh chụp phải có ngày")
    metric, agencies = question
    result = as_object(result_of(snapshot), "/result")
    total = as_count(result, "count", "/result")
    fresh = {f"/result/{name}" for name in result.keys() - _SEARCH_FIELDS}
    items = _facet(result, total)
    found: dict[str, tuple[Decimal, str, str]] = {}
    for number, row in enumerate(items):
        at = f"{_FACET}/{number}"
        item = as_object(row, at)
        fresh |= {f"{_FACET}/*/{name}" for name in item.keys() - _ITEM_FIELDS}
        name, title = item.get("name"), item.get("display_name")
        if name not in agencies:
            fail(FailureKind.WRONG_SHAPE, f"{at}: «{name}» không có trong câu hỏi: cổng bỏ qua bộ lọc")
        if name in found:
            fail(FailureKind.WRONG_SHAPE, f"{at}: «{name}» xuất hiện hai lần")
        shown = title if isinstance(title, str) and title else name
        found[name] = (as_count(item, "count", at), shown, f"{at}/count")
    if (listed := sum((count for count, _, _ in found.values()), Decimal(0))) != total:
        fail(FailureKind.TRUNCATED, f"các cơ quan cộng lại có {listed} bộ dữ liệu, cổng nói {total}: danh sách bị cắt")
    period = Period(snapshot.night, snapshot.night)
    observations = tuple(
        Observation(
            metric=metric,
            unit=name,
            unit_name=found[name][1] if name in found else name,
            period=period,
            state=InputState.HARVESTED,
            locator=found[name][2] if name in found else _FACET,
            value=found[name][0] if name in found else Decimal(0),
            unit_code=name.upper().replace("-", ".") if _CODE.fullmatch(name) else None,
        )
        for name in agencies
    )
    return Reading(observations, (f"trường mới: {', '.join(sorted(fresh))}",) if fresh else ())


_FACET = "/result/search_facets/organization/items"


def _facet(result: Mapping[str, Any], total: Decimal) -> list[Any]:
    """The counts per agency. Without any data set CKAN may leave the facet out."""
    facets = as_object(result.get("search_facets"), "/result/search_facets")
    if "organization" not in facets and total == 0:
        return []
    facet = as_object(facets.get("organization"), "/result/search_facets/organization")
    return as_list(facet.get("items"), _FACET)
