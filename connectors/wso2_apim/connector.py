"""WSO2 API Manager as a province's data platform: which APIs are published, and who subscribes to them.

Here: requests (`plan`), page after page, and counting (`read`), both pure. Not here: errors and pages (`answers.py`),
the token (the harvest kit asks for it and must refuse one with a smaller scope than the site's).

A list has many pages and a unit many APIs. Each request carries what the earlier ones gave, and the answer of the last
makes the figure; where one of them failed there is none, never a part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from connectors.wso2_apim.answers import (
    Page,
    context_of,
    document_of,
    fail,
    page_of,
    shown,
    with_context,
)
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Plan,
    Quarantined,
    Reading,
    Redacted,
    Request,
    Site,
    Snapshot,
)
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

APIS, SUBSCRIPTIONS = "wso2_apis_published", "wso2_api_subscriptions"
PAGE_SIZE = 100
MAX_PAGES = 200
"""No answer makes a plan longer than this for one list."""
UNIT_PROPERTY = "ma_dinh_danh"
"""Additional property of an API with its unit's identifier code, unless the site names another."""

VERSIONS = ("v1", "v2", "v3", "v4", "v5")
PUBLISHED = "PUBLISHED"
IN_FORCE = frozenset({"UNBLOCKED", "PROD_ONLY_BLOCKED", "TIER_UPDATE_PENDING"})
"""Subscriptions that can be used, at least for testing or under their old terms."""
NOT_IN_FORCE = frozenset({"BLOCKED", "ON_HOLD", "REJECTED", "DELETE_PENDING"})

PERSONAL = frozenset({"businessOwnerEmail", "technicalOwner", "technicalOwnerEmail", "updatedBy", "subscriber"})
"""Names, addresses and accounts of people; a provider is kept, because it tells the unit."""

_OPTIONS = frozenset({"api_version", "unit_property", "providers", "business_owners"})
_CODE = re.compile(r"[A-Z]\d{2}(\.\d{2,3}){0,3}")
_API = frozenset(
    {
        *(
            "id",
            "name",
            "displayName",
            "description",
            "context",
            "version",
            "provider",
            "type",
            "audience",
            "audiences",
        ),
        *("additionalProperties", "additionalPropertiesMap", "lifeCycleStatus", "workflowStatus", "hasThumbnail"),
        *("securityScheme", "createdTime", "updatedTime", "gatewayVendor", "gatewayType", "advertiseOnly"),
        *("monetizedInfo", "businessOwner", "initiatedFromGateway"),
    }
)
_SUBSCRIPTION = frozenset({"subscriptionId", "applicationInfo", "throttlingPolicy", "subscriptionStatus"})


class Wso2Apim:
    """The connector; see `dti_pipeline.harvest.model.Connector`. Redacts: PERSONAL fields are removed."""

    def plan(self, site: Site, window: Period) -> Plan:
        """All pages of published APIs, then all pages of subscriptions of every API that has a unit.

        The window is not asked for: figures are as of the night. Raises ValueError, before the first request, for
        options that cannot be asked with.
        """
        options = _options(site)
        base = f"/api/am/publisher/{options.get('api_version', 'v4')}"
        naming = {
            "property": options.get("unit_property", UNIT_PROPERTY),
            "providers": options.get("providers", {}),
            "owners": options.get("business_owners", {}),
        }
        apis: dict[str, list[str]] = {}
        before: dict[str, int] = {}
        total: int | None = None
        offset: int | None = 0
        pages = 0
        while offset is not None:
            if (pages := pages + 1) > MAX_PAGES:
                return
            answer = yield Request(
                "GET",
                f"{base}/apis",
                params=_page_params(offset) | {"query": f"status:{PUBLISHED}"},
                headers=with_context(**naming, before=before, **({} if total is None else {"total": total})),
            )
            if answer is None:
                return
            page = page_of(answer)
            for item in page.items:
                if (code := _unit(item, naming)) is not None and isinstance(item.get("id"), str):
                    apis.setdefault(code, []).append(item["id"])
            before = _counted(before, page, naming)
            total, offset = page.total, page.following
        for code, ids in sorted(apis.items()):
            yield from _subscriptions_of(code, sorted(set(ids)), base)

    def read(self, snapshot: Snapshot) -> Reading:
        """The observations of one answer. Raises SourceFailure: AUTH_FAILED, BLOCKED, UNSUPPORTED_PLATFORM,
        SOURCE_ERROR, HTTP_STATUS, TRUNCATED, NOT_JSON, WRONG_SHAPE, WRONG_ROOT."""
        path = snapshot.request.path.rstrip("/")
        if path.endswith("/apis"):
            return _read_apis(snapshot)
        if not path.endswith("/subscriptions"):
            fail(FailureKind.WRONG_SHAPE, f"đường dẫn «{path}» không phải điểm cuối đã biết của WSO2 API Manager")
        return _read_subscriptions(snapshot)

    def redact(self, snapshot: Snapshot) -> Redacted:
        """Lists without PERSONAL fields; answers that are errors are refused here already. Raises SourceFailure."""
        document = document_of(snapshot)
        removed: set[str] = set()
        kept = _without_personal(document, removed)
        if not removed:
            return Redacted(snapshot.body, ())
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), default=_number)
        return Redacted(text.encode(), tuple(sorted(removed)))


CONNECTOR = Wso2Apim()


# --- what to ask ---


def _options(site: Site) -> dict[str, Any]:
    """Raises ValueError saying which option of which site, and what it should be."""
    options = site.options

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    for option in sorted(options.keys() - _OPTIONS):
        wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
    if options.get("api_version", "v4") not in VERSIONS:
        wrong("api_version", f"give one of {', '.join(VERSIONS)}, as the publisher's address has it")
    name = options.get("unit_property", UNIT_PROPERTY)
    if not isinstance(name, str) or not name:
        wrong("unit_property", "give the name of the additional property that holds the unit's identifier code")
    for option in ("providers", "business_owners"):
        mapping = options.get(option, {})
        if not isinstance(mapping, dict) or not all(
            isinstance(key, str) and _CODE.fullmatch(str(code)) for key, code in mapping.items()
        ):
            wrong(option, "give a name in the publisher: identifier code")
    return options


def _page_params(offset: int) -> dict[str, str]:
    return {"limit": str(PAGE_SIZE), "offset": str(offset)}


def _subscriptions_of(code: str, ids: list[str], base: str) -> Plan:
    before = 0
    for position, api in enumerate(ids):
        # Applications of the earlier pages of this API; the same one on two pages is one subscriber.
        seen: list[str] = []
        offset: int | None = 0
        pages = 0
        while offset is not None:
            if (pages := pages + 1) > MAX_PAGES:
                return
            answer = yield Request(
                "GET",
                f"{base}/subscriptions",
                params={"apiId": api} | _page_params(offset),
                headers=with_context(unit=code, left=len(ids) - 1 - position, before=before, seen=seen),
            )
            if answer is None:
                return
            page = page_of(answer)
            applications, quarantined = _applications(page)
            if quarantined:
                return
            seen = sorted({*seen, *applications})
            offset = page.following
        before += len(seen)


# --- APIs ---


def _unit(api: Mapping[str, Any], naming: Mapping[str, Any]) -> str | None:
    """The identifier code of an API's unit: its additional property, else the site's mapping of business owners, else
    that of providers. None where none of them says one."""
    properties = api.get("additionalPropertiesMap")
    value: Any = None
    if isinstance(properties, dict) and isinstance(properties.get(naming["property"]), dict):
        value = properties[naming["property"]].get("value")
    listed = api.get("additionalProperties")
    if value is None and isinstance(listed, list):
        named = [item for item in listed if isinstance(item, dict) and item.get("name") == naming["property"]]
        value = named[0].get("value") if named else None
    if value is not None:
        return value if isinstance(value, str) and _CODE.fullmatch(value) else None
    names = ((naming["owners"], api.get("businessOwner")), (naming["providers"], api.get("provider")))
    found = [known[name] for known, name in names if isinstance(name, str) and known.get(name)]
    return str(found[0]) if found else None


def _naming(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "property": told.get("property", UNIT_PROPERTY),
        "providers": told.get("providers", {}),
        "owners": told.get("owners", {}),
    }


def _doubt(api: Mapping[str, Any], naming: Mapping[str, Any]) -> str | None:
    """Why an API cannot be counted."""
    if not isinstance(api.get("id"), str) or not api["id"]:
        return "API không có id"
    status = api.get("lifeCycleStatus")
    if status != PUBLISHED:
        return f"hỏi API đã công bố, trả lời lifeCycleStatus {shown(status)}"
    if _unit(api, naming) is None:
        return (
            f"không biết đơn vị của API: thiếu thuộc tính {naming['property']} là mã định danh, và provider "
            f"{shown(api.get('provider'))} chưa khai trong providers"
        )
    return None


def _counted(before: Mapping[str, int], page: Page, naming: Mapping[str, Any]) -> dict[str, int]:
    total = dict(before)
    for api in page.items:
        code = _unit(api, naming)
        if code is not None and _doubt(api, naming) is None:
            total[code] = total.get(code, 0) + 1
    return total


def _read_apis(snapshot: Snapshot) -> Reading:
    told, page = context_of(snapshot), page_of(snapshot)
    naming = _naming(told)
    if page.offset and "before" not in told:
        fail(FailureKind.WRONG_SHAPE, "trang sau phải được lưu kèm số của các trang trước")
    if told.get("total", page.total) != page.total:
        fail(FailureKind.WRONG_SHAPE, f"danh mục đổi giữa chừng: {told['total']} rồi {page.total} API", retryable=True)
    ids = [api.get("id") for api in page.items]
    if len({*map(str, ids)}) != len(ids):
        fail(FailureKind.WRONG_SHAPE, "một API xuất hiện hai lần trong một trang")
    quarantined = tuple(
        Quarantined(f"/list/{position}", reason, shown(api))
        for position, api in enumerate(page.items)
        if (reason := _doubt(api, naming))
    )
    warnings = _new_fields(page, _API, "apis")
    if page.following is not None:  # an answer without figures may put nothing aside: it would pass for a failed one
        return Reading((), (*warnings, *(f"{item.locator}: {item.reason}; không tính" for item in quarantined)))
    first = {
        code: f"/list/{position}"
        for position, api in reversed([*enumerate(page.items)])
        if (code := _unit(api, naming))
    }
    period = _night(snapshot)
    counts = _counted(told.get("before", {}), page, naming)
    observations = tuple(
        _observation(APIS, code, count, first.get(code, "/list"), period) for code, count in sorted(counts.items())
    )
    return Reading(observations, warnings, quarantined)


# --- subscriptions ---


def _applications(page: Page) -> tuple[set[str], tuple[Quarantined, ...]]:
    """Applications with a subscription in force, and subscriptions that cannot be judged."""
    found: set[str] = set()
    quarantined = []
    for position, item in enumerate(page.items):
        application, status = item.get("applicationInfo"), item.get("subscriptionStatus")
        identifier = application.get("applicationId") if isinstance(application, dict) else None
        if not isinstance(identifier, str) or not identifier:
            quarantined.append(Quarantined(f"/list/{position}", "đăng ký không nêu ứng dụng", shown(item)))
        elif not isinstance(status, str) or status not in IN_FORCE | NOT_IN_FORCE:
            reason = f"subscriptionStatus {shown(status)} chưa từng biết"
            quarantined.append(Quarantined(f"/list/{position}", reason, shown(item)))
        elif status in IN_FORCE:
            found.add(identifier)
    return found, tuple(quarantined)


def _read_subscriptions(snapshot: Snapshot) -> Reading:
    """The unit's subscriptions where this is the last page of its last API."""
    told, page = context_of(snapshot), page_of(snapshot)
    if "unit" not in told:
        fail(FailureKind.WRONG_SHAPE, "danh sách đăng ký không nêu đơn vị: yêu cầu phải được lưu kèm đơn vị đã hỏi")
    applications, quarantined = _applications(page)
    warnings = _new_fields(page, _SUBSCRIPTION, "subscriptions")
    if quarantined:  # a sum without it would be wrong, and this page may be one of many
        fail(FailureKind.WRONG_SHAPE, f"{quarantined[0].locator}: {quarantined[0].reason}")
    if page.following is not None or told["left"]:
        return Reading((), warnings)
    total = told["before"] + len({*told["seen"], *applications})
    return Reading((_observation(SUBSCRIPTIONS, told["unit"], total, "/list", _night(snapshot)),), warnings)


# --- both ---


def _night(snapshot: Snapshot) -> Period:
    if snapshot.night is None:
        fail(FailureKind.WRONG_SHAPE, "số liệu theo thời điểm đọc: ảnh chụp phải kèm ngày của đêm đã đọc")
    return Period(snapshot.night, snapshot.night)


def _observation(metric: str, code: str, count: int, at: str, period: Period) -> Observation:
    return Observation(metric, code, code, period, InputState.HARVESTED, at, value=Decimal(count), unit_code=code)


def _new_fields(page: Page, known: frozenset[str], where: str) -> tuple[str, ...]:
    seen = {name for item in page.items for name in item}
    return (
        *(f"{where}: trường mới «{name}»" for name in sorted(seen - known - PERSONAL)),
        *(f"{where}: trường mới «{name}» của trang" for name in page.unknown),
    )


def _without_personal(value: Any, removed: set[str]) -> Any:
    if isinstance(value, list):
        return [_without_personal(item, removed) for item in value]
    if isinstance(value, dict):
        removed |= value.keys() & PERSONAL
        return {name: _without_personal(item, removed) for name, item in value.items() if name not in PERSONAL}
    return value


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is no JSON")
    return int(value) if value == value.to_integral_value() else float(value)
