"""What the practice portal answers: the national portal's evaluation API of 2026, structure by structure.

Here: a path and a body -> a status and an envelope, pure. Two provinces answer: Phú Thọ with its published figures of
the third quarter of 2026 (`data/phu-tho-2026-q3`, served as they are) and the fictional practice province with the
figures of `practice.py`. Not here: sockets, the firewall and faults (`server.py`).

The quirks are the portal's and are kept on purpose: root rows under `overview` or `parent`, no code in two groups, two
spellings of the formality key, trees without pages, no echo of the period, 0 or null for months outside it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple
from uuid import NAMESPACE_DNS, uuid5

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.practice import DATA, ROOT, Metric, Month
from dti_pipeline.scoring.exact import round_half_up

BASE = "/api/v1/reporting/"
PHU_THO = "019d2be3-6a88-732b-8b17-b68020c8553a"
PHU_THO_QUARTER = (dt.date(2026, 7, 1), dt.date(2026, 9, 30))
NATIONAL_YEAR = (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
NAMESPACE = uuid5(NAMESPACE_DNS, "practice.dti.invalid")
"""Of every identifier that this practice portal makes up."""
PRACTICE_ROOT = str(uuid5(NAMESPACE, f"dvcqg766:{ROOT}"))
PRACTICE_NAME = "UBND tỉnh Thực Hành (hư cấu)"
SUFFIX = " - Tỉnh Thực Hành"
PROCEDURES = 23

Json = Any
Dates = tuple[dt.date, dt.date]


class RefusalError(Exception):
    """A request that the practice portal cannot answer; becomes an error envelope."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Answer(NamedTuple):
    status: int
    body: dict[str, Json]


def path_of(endpoint: str) -> str:
    """The path of an endpoint, given by its name as in a site's options."""
    return BASE + ("" if endpoint == "formalities" else "evaluation/") + endpoint.removesuffix("-national")


def endpoint_of(path: str, body: Json) -> str:
    """Name of the endpoint that a request is for; empty for a path that does not exist."""
    name = next((candidate for candidate in ENDPOINTS if path_of(candidate) == path), "")
    if name == "service-results" and isinstance(body, Mapping) and "rootDepartmentId" not in body:
        return "service-results-national"
    return name


def answer(path: str, body: Json) -> Answer:
    """The portal's answer to a POST. Never raises for what a client may send."""
    name = endpoint_of(path, body)
    if not name:
        return Answer(404, _error("NOT_FOUND", "Không có địa chỉ này trên hệ thống thực hành."))
    try:
        if not isinstance(body, Mapping):
            raise RefusalError("BAD_REQUEST", "Thân yêu cầu phải là một đối tượng JSON.")
        data = ENDPOINTS[name](body)
    except RefusalError as refusal:
        # How the real portal words an error is unknown: none was ever captured. This form is ours: the status of a
        # success and an envelope whose code is not OK, because a client must not trust the status alone.
        return Answer(201, _error(refusal.code, refusal.message))
    return Answer(201, {"code": "OK", "data": data, "message": "OK"})


def _error(code: str, message: str) -> dict[str, Json]:
    return {"code": code, "data": None, "message": message}


# --- what was asked for ---


def _dates(body: Mapping[str, Json]) -> Dates:
    kind, year = body.get("timeType"), body.get("year")
    if type(year) is not int or not 1900 <= year <= 2999:
        raise RefusalError("BAD_REQUEST", "Thiếu hoặc sai «year».")
    wanted = {"year": None, "quarter": 4, "month": 12}
    if not isinstance(kind, str) or kind not in wanted:
        raise RefusalError("BAD_REQUEST", "«timeType» phải là year, quarter hoặc month.")
    if kind == "year":
        return dt.date(year, 1, 1), dt.date(year, 12, 31)
    number, last = body.get(kind), wanted[kind]
    if last is None or type(number) is not int or not 1 <= number <= last:
        raise RefusalError("BAD_REQUEST", f"Thiếu hoặc sai «{kind}».")
    length = 12 // last
    first = dt.date(year, length * (number - 1) + 1, 1)
    return first, _month_end((year, length * number))


def _satisfaction_dates(body: Mapping[str, Json]) -> Dates:
    try:
        start, end = dt.date.fromisoformat(body["fromDate"]), dt.date.fromisoformat(body["toDate"])
    except (KeyError, TypeError, ValueError):
        raise RefusalError("BAD_REQUEST", "Thiếu hoặc sai «fromDate», «toDate».") from None
    if start > end:
        raise RefusalError("BAD_REQUEST", "«fromDate» sau «toDate».")
    return start, end


def _month_end(month: Month) -> dt.date:
    year, number = month
    return dt.date(year + number // 12, number % 12 + 1, 1) - dt.timedelta(days=1)


def _months(dates: Dates) -> tuple[Month, ...]:
    """The months of a period that the practice province has figures for. Refuses half months and empty periods."""
    start, end = dates
    last = (end.year, end.month)
    if start.day != 1 or end != _month_end(last):
        raise RefusalError("BAD_REQUEST", "Kỳ số liệu phải gồm các tháng trọn vẹn.")
    months = practice.months_between((start.year, start.month), last)
    whole_year = (start.month, end.month) == (1, 12)
    if not months or (last > practice.LAST_MONTH and not whole_year):
        raise RefusalError("NO_DATA", "Hệ thống thực hành không có số liệu của kỳ này.")
    return months


def _page(body: Mapping[str, Json], default: int) -> tuple[int, int]:
    page, size = body.get("currentPage", 1), body.get("pageSize", default)
    if type(page) is not int or type(size) is not int or page < 1 or not 1 <= size <= 1000:
        raise RefusalError("BAD_REQUEST", "Sai «currentPage» hoặc «pageSize».")
    return page, size


def _cut(rows: list[Json], page: int, size: int) -> tuple[list[Json], dict[str, int]]:
    pages = -(-len(rows) // size)
    return rows[size * (page - 1) : size * page], {
        "total": len(rows),
        "currentPage": page,
        "pageSize": size,
        "totalPages": pages,
    }


# --- Phú Thọ and the national list: published figures, as they stand in the files ---


@cache
def _published(folder: str, name: str) -> str:
    return (DATA / folder / f"{name}.json").read_text(encoding="utf-8")


def published(folder: str, name: str) -> dict[str, Json]:
    """A fresh copy of the `data` of a published answer."""
    data: dict[str, Json] = json.loads(_published(folder, name))["data"]
    return data


def _evaluated(
    name: str,
    build: Callable[[tuple[Month, ...], Mapping[str, Json]], dict[str, Json]],
    dates_of: Callable[[Mapping[str, Json]], Dates] = _dates,
    formality_key: str | None = None,
) -> Callable[[Mapping[str, Json]], dict[str, Json]]:
    """The handler of one group endpoint: root and period decide between the two provinces."""

    def handle(body: Mapping[str, Json]) -> dict[str, Json]:
        root, dates = body.get("rootDepartmentId"), dates_of(body)
        _page(body, 10)
        if root not in (PHU_THO, PRACTICE_ROOT):
            raise RefusalError("NOT_FOUND", "Không có đơn vị gốc này trên hệ thống thực hành.")
        # The other endpoint's spelling of the key is not known here and silently changes nothing.
        if formality_key is not None and formality_key in body:
            raise RefusalError("NO_DATA", "Hệ thống thực hành không có số liệu theo từng thủ tục.")
        if root == PRACTICE_ROOT:
            return build(_months(dates), body)
        if dates != PHU_THO_QUARTER:
            raise RefusalError("NO_DATA", "Phú Thọ: chỉ có số liệu công bố quý III năm 2026.")
        data = published("phu-tho-2026-q3", name)
        if "pagination" in data:
            data["evaluation"], data["pagination"] = _cut(data["evaluation"], *_page(body, 10))
        return data

    return handle


def _service_results(body: Mapping[str, Json]) -> dict[str, Json]:
    if body.get("rootDepartmentId") == PHU_THO:
        raise RefusalError("NO_DATA", "Phú Thọ: chưa có bản công bố tổng hợp; hãy hỏi sáu nhóm.")
    if body.get("rootDepartmentId") != PRACTICE_ROOT:
        raise RefusalError("NOT_FOUND", "Không có đơn vị gốc này trên hệ thống thực hành.")
    dates = _dates(body)
    return _results(_months(dates), dates[0].year)


def _national(body: Mapping[str, Json]) -> dict[str, Json]:
    if body.get("departmentType") != "ADMINISTRATIVE_UNIT":
        raise RefusalError("BAD_REQUEST", "Thiếu «rootDepartmentId» hoặc «departmentType».")
    if _dates(body) != NATIONAL_YEAR:
        raise RefusalError("NO_DATA", "Bảng các tỉnh: chỉ có số liệu công bố năm 2026.")
    return published("national-2026", "service-results")


# --- the practice province ---


def number(value: Fraction | int | None) -> Json:
    """A JSON number as the portal writes it: whole numbers as integers, others with at most 2 decimals, null as null.

    Raises ValueError for a fraction that 2 decimals cannot hold. A float comes in only here, to be printed: its
    shortest form is the decimal itself.
    """
    if value is None or isinstance(value, int):
        return value
    hundredths = value * 100
    if hundredths.denominator != 1:
        raise ValueError(f"{value} does not fit into 2 decimals")
    return int(value) if value.denominator == 1 else hundredths.numerator / 100


def portal_name(code: str) -> str:
    """A unit's name as the portal spells it: «UBND» in three ways, the province's suffix on some and not on others."""
    unit = practice.unit(code)
    if code == ROOT:
        return PRACTICE_NAME
    if unit.level == "department":
        return unit.name + SUFFIX
    kind, _, rest = unit.name.partition(" ")
    style = practice.draw(practice.SEED, code, "name").randrange(3)
    if style == 0:
        kind = kind.lower()
    return f"UBND {kind} {rest}" + (SUFFIX if style == 1 else "")


def _level(code: str) -> str:
    return "COMMUNE" if practice.unit(code).level == "commune" else "PROVINCE"


def _root() -> dict[str, Json]:
    return {"departmentId": PRACTICE_ROOT, "departmentName": PRACTICE_NAME, "departmentCode": ROOT}


def _identity(code: str) -> dict[str, Json]:
    return {
        "departmentId": practice.unit(code).source_ids["dvcqg766"],
        "departmentName": portal_name(code),
        "departmentCode": code,
    }


def _share(score: Fraction, maximum: int) -> Json:
    return number(round_half_up(100 * score / maximum, 2))


NAMES = {
    "PUBLISH_ON_TIME": "Tỷ lệ TTHC công bố đúng hạn",
    "PUBLIC_UPDATE_ON_TIME": "Tỷ lệ TTHC cập nhật, công khai đúng hạn",
    "PUBLIC_CONTENT_FULL": "Tỷ lệ TTHC công khai đầy đủ nội dung",
    "DOSSIER_SYNC": "Tỷ lệ hồ sơ đồng bộ lên Cổng DVCQG",
    "PETITION_CLASSIFICATION_TTHC": "Tỷ lệ PAKN về quy định, thủ tục hành chính",
    "DOSSIER_RECEIVING_SATISFACTION": "Tỷ lệ hài lòng trong tiếp nhận, giải quyết TTHC",
    "PETITION_PROCESSING_ON_TIME": "Tỷ lệ PAKN xử lý đúng hạn",
    "PETITION_HANDLING_SATISFACTION": "Tỷ lệ hài lòng trong xử lý PAKN",
    "PETITION_CLASSIFICATION_STAFF": "Tỷ lệ PAKN về hành vi cán bộ, công chức, viên chức",
    "ORIGINAL_RESULT_AVAILABLE": (
        "Tỷ lệ hồ sơ thủ tục hành chính có cấp kết quả giải quyết thủ tục hành chính điện tử"
    ),
    "SO_HOA_GIAY_TO_GIAI_QUYET": "Tỷ lệ hồ sơ thủ tục hành chính thực hiện số hóa hồ sơ",
    "REUSED_DIGITIZED_DATA": "Tỷ lệ hồ sơ khai thác, sử dụng lại thông tin, dữ liệu số hóa",
    "SYNCED_WITH_DVCQG_PERSONAL_STORAGE": (
        "Tỷ lệ hồ sơ TTHC được số hóa có kết nối, chia sẻ dữ liệu phục vụ tái sử dụng"
    ),
    "CITIZEN_DATA_CONNECTED_DOSSIER": "Tỷ lệ hồ sơ TTHC có sử dụng thông tin, dữ liệu dân cư",
    "CITIZEN_DATA_CONNECTED_FORMALITY": "Tỷ lệ TTHC triển khai kết nối, chia sẻ dữ liệu dân cư phục vụ GQ TTHC",
    "ELECTRONIC_CERTIFIED_COPY": "Tỷ lệ cung cấp dịch vụ chứng thực bản sao điện tử từ bản chính",
}
FLAG_WORDS = {
    practice.TEMPORARY: "Mẫu số BCQG/GRIS đang dùng số tạm, cần thay bằng dữ liệu crawl hệ thống cũ.",
    practice.NO_REPORT: "Không có dữ liệu báo cáo tổng hợp.",
}
SOURCE = "sandbox practice data (fictional)"


def _metric(metric: Metric) -> dict[str, Json]:
    item: dict[str, Json] = {
        "code": metric.code,
        "name": NAMES[metric.code],
        "numerator": metric.numerator,
        "denominator": metric.denominator,
        "ratio": number(metric.ratio),
        "score": number(metric.score),
        "maxScore": metric.max_score,
    }
    if metric.flag is not None:
        item |= {"dataQualityStatus": metric.flag, "dataQualityMessage": FLAG_WORDS[metric.flag]}
    return item


def _unit_row(position: int, code: str, metrics: tuple[Metric, ...], *, with_code: bool) -> dict[str, Json]:
    """Root or row of a metric group. With a code `scoreDelta` follows the metrics, without one it precedes them."""
    score, maximum = practice.metrics_score(metrics), sum(metric.max_score for metric in metrics)
    level = practice.unit(code).level
    types = {"province": "PROVINCE", "department": "PROVINCIAL_DEPARTMENT", "commune": "COMMUNE_PEOPLE_COMMITTEE"}
    row: dict[str, Json] = {"stt": position, **_identity(code)}
    if not with_code:
        del row["departmentCode"]
    row |= {
        "departmentType": types[level],
        "departmentLevel": _level(code),
        "agencyLevel": "level_1" if level == "province" else "level_2",
        "totalScore": number(score),
        "totalMaxScore": maximum,
        "ratio": _share(score, maximum),
    }
    items = [_metric(metric) for metric in metrics]
    return row | ({"metrics": items, "scoreDelta": None} if with_code else {"scoreDelta": None, "metrics": items})


def _metric_group(
    months: tuple[Month, ...],
    body: Mapping[str, Json],
    metrics_of: Callable[[str, tuple[Month, ...]], tuple[Metric, ...]],
    *,
    with_code: bool,
) -> tuple[dict[str, Json], list[Json], dict[str, int]]:
    rows = [
        _unit_row(position, code, metrics_of(code, months), with_code=with_code)
        for position, code in enumerate(practice.portal_units(), start=1)
    ]
    shown, pagination = _cut(rows, *_page(body, 10))
    return _unit_row(1, ROOT, metrics_of(ROOT, months), with_code=with_code), shown, pagination


def _transparency(months: tuple[Month, ...], body: Mapping[str, Json]) -> dict[str, Json]:
    overview, rows, pagination = _metric_group(months, body, practice.transparency, with_code=False)
    scores = [practice.group_scores(code, months)["CKMB"] for code in practice.portal_units()]
    overview["averageScore"] = number(round_half_up(sum(scores, Fraction(0)) / len(scores), 2))
    return {
        "overview": overview,
        "monthlyChart": [],
        "evaluation": rows,
        "pagination": pagination,
        "source": SOURCE,
    }


def _satisfaction(months: tuple[Month, ...], body: Mapping[str, Json]) -> dict[str, Json]:
    overview, rows, pagination = _metric_group(months, body, practice.satisfaction, with_code=False)
    codes = {practice.unit(code).source_ids["dvcqg766"]: code for code in (ROOT, *practice.portal_units())}
    for row in (overview, *rows):
        own = practice.counts(codes[row["departmentId"]], months)
        row |= {
            "totalPetitions": own.petitions,
            "classifiedPetitions": own.petitions,
            "totalDossiers": own.received,
            "averageScore": None,
        }
    return {"overview": overview, "evaluation": rows, "pagination": pagination, "source": SOURCE}


def _digitised(months: tuple[Month, ...], body: Mapping[str, Json]) -> dict[str, Json]:
    overview, rows, pagination = _metric_group(months, body, practice.digitisation, with_code=True)
    return {"overview": overview, "evaluation": rows, "pagination": pagination, "source": SOURCE}


def _progress(months: tuple[Month, ...], _: Mapping[str, Json]) -> dict[str, Json]:
    def figures(code: str) -> tuple[practice.Counts, Fraction, Json]:
        own = practice.counts(code, months)
        days = round_half_up(Fraction(own.processing_days, own.completed), 2) if own.completed else Fraction(0)
        return own, practice.progress_score(code, months), number(days)

    province, score, days = figures(ROOT)
    parent = _root() | {
        "totalReceived": province.received,
        "totalOnTime": province.on_time,
        "totalCompleted": province.completed,
        "avgProcessingDays": days,
        "ratio": number(practice.percent(province.on_time, province.received)),
        "totalScore": number(score),
        "totalMaxScore": 20,
    }
    children = []
    for code in practice.portal_units():
        own, score, days = figures(code)
        children.append(
            _identity(code)
            | {
                "level": _level(code),
                "totalReceived": own.received,
                "totalOnTime": own.on_time,
                "totalOverdue": own.overdue,
                "avgProcessingDays": days,
                "ratio": number(practice.percent(own.on_time, own.received)),
                "score": number(score),
                "maxScore": 20,
                "scoreDelta": None,
            }
        )
    return {"parent": parent, "children": children, "monthlyChart": _timeliness(months, outside=0)}


def _timeliness(months: tuple[Month, ...], *, outside: int | None) -> list[Json]:
    """Twelve months of one year, the last that was asked about; what lies outside is 0 in trees and null elsewhere."""
    chart = []
    for month in range(1, 13):
        on_time = overdue = outside
        if (months[-1][0], month) in months:
            own = practice.counts(ROOT, ((months[-1][0], month),))
            share = practice.percent(own.on_time, own.received)
            on_time, overdue = number(share), number(100 - share if own.received else share)
        chart.append({"month": f"{month:02}", "onTimePct": on_time, "overduePct": overdue})
    return chart


def _online(months: tuple[Month, ...], _: Mapping[str, Json]) -> dict[str, Json]:
    kind, own, score = practice.profile(ROOT), practice.counts(ROOT, months), practice.online_score(ROOT, months)
    parent = _root() | {
        "totalScore": number(score),
        "totalMaxScore": 12,
        "ratio": _share(score, 12),
        "authorityCount": kind.authority,
        "partialCount": kind.partial,
        "fullCount": kind.full,
        "onlineDossierCount": len(own.services_used),
        "onlineServiceTotal": kind.online_services,
        "channelOnlineSum": own.online,
        "channelDirectSum": own.direct,
        "channelPostalSum": own.postal,
        "channelTotalSum": own.all_channels,
        "onlineOnTimeSum": own.online_on_time,
        "onlineOverdueSum": own.online - own.online_on_time,
    }
    children = [
        _identity(code)
        | {
            "level": _level(code),
            "totalScore": number(practice.online_score(code, months)),
            "totalMaxScore": 12,
            "ratio": _share(practice.online_score(code, months), 12),
            "scoreDelta": None,
        }
        for code in practice.portal_units()
    ]
    chart = [{"label": f"{month:02}", "onlineDossierPct": _used(months, month)} for month in range(1, 13)]
    return {"parent": parent, "children": children, "monthlyChart": chart}


def _used(months: tuple[Month, ...], month: int) -> Json:
    """Share of the province's online services that had a dossier in the month."""
    asked = (months[-1][0], month)
    if asked not in months:
        return 0
    used = practice.month_counts(ROOT, asked).services_used
    return number(practice.percent(len(used), practice.profile(ROOT).online_services))


def _payment(months: tuple[Month, ...], _: Mapping[str, Json]) -> dict[str, Json]:
    def figures(code: str) -> tuple[dict[str, Json], dict[str, Json]]:
        own, score = practice.counts(code, months), practice.payment_score(code, months)
        fees = len(practice.fee_procedures(code))
        counts = {
            "totalDossierOnlinePaymentSuccess": own.paid_online,
            "totalDossierFinancialObligation": own.fee_obligation,
            "totalDossierOnlineFormalityPaymentSuccess": len(own.paid_procedures),
            "totalFeeDossierFormalityDistinct": fees,
            "totalFeeDossierFormality": len(own.fee_dossier_procedures),
            "totalFeeFormality": fees,
        }
        return {"totalScore": number(score), "ratio": _share(score, 10)}, counts

    score, counts = figures(ROOT)
    parent = _root() | {"totalMaxScore": 10, "totalScore": score["totalScore"], **counts, "ratio": score["ratio"]}
    children = []
    for code in practice.portal_units():
        score, counts = figures(code)
        children.append(
            _identity(code)
            | {
                "level": _level(code),
                "totalMaxScore": 10,
                "ratio": score["ratio"],
                "totalScore": score["totalScore"],
                **counts,
                "scoreDelta": None,
            }
        )
    return {"parent": parent, "children": children}


def _results(months: tuple[Month, ...], year: int) -> dict[str, Json]:
    """The province's summary: totals only, no group scores, the root without an identifier."""
    total, groups = practice.total_score(ROOT, months), practice.group_scores(ROOT, months)
    names = {
        "CKMB": ("Công khai, minh bạch", 18),
        "TDGQ": ("Tiến độ giải quyết", 20),
        "ONLINE_SERVICE": ("Dịch vụ trực tuyến", 22),
        "MDHL": ("Mức độ hài lòng", 18),
        "MDSH": ("Số hóa hồ sơ", 22),
    }
    radar = []
    for code, (name, maximum) in names.items():
        if code == "ONLINE_SERVICE":
            score = groups["CLGQ"] + groups["TTTT"]
            # The portal's quirk: not score/max but the mean of the two groups' percentages.
            ratio = number(round_half_up((groups["CLGQ"] / 12 + groups["TTTT"] / 10) * 50, 2))
        else:
            score = groups[code]
            ratio = _share(score, maximum)
        radar.append({"code": code, "name": name, "score": number(score), "maxScore": maximum, "ratio": ratio})
    rows = []
    for unit_code in practice.portal_units():
        score = practice.total_score(unit_code, months)
        child_group = "COMMUNE" if _level(unit_code) == "COMMUNE" else "AGENCY"
        rows.append(
            (
                -score,
                unit_code,
                _identity(unit_code)
                | {
                    "totalScore": number(score),
                    "ratio": number(score),
                    "scoreDelta": None,
                    "childGroup": child_group,
                },
            )
        )
    return {
        "overview": {
            "departmentName": PRACTICE_NAME,
            "departmentCode": ROOT,
            "totalScore": number(total),
            "totalMaxScore": 100,
            "ratio": number(total),
        },
        "growthPercent": None,
        "radar": radar,
        "donuts": _donuts(months),
        "evaluation": [row for _, _, row in sorted(rows, key=lambda item: item[:2])],
        "monthlyChart": [{"month": f"{month:02}", "averageScore": _average(year, month)} for month in range(1, 13)],
        "dossierChart": _timeliness(months, outside=None),
    }


def _donuts(months: tuple[Month, ...]) -> dict[str, Json]:
    own, kind = practice.counts(ROOT, months), practice.profile(ROOT)
    other, none = own.direct + own.postal, kind.authority - kind.full - kind.partial

    def slices(whole: int, *parts: tuple[str, str, int]) -> list[Json]:
        return [
            {"code": code, "name": name, "value": value, "percent": number(practice.percent(value, whole))}
            for code, name, value in parts
        ]

    return {
        "onlineDossier": slices(
            own.all_channels, ("ONLINE", "Trực tuyến", own.online), ("OTHER", "Trực tiếp, bưu chính", other)
        ),
        "onlineProvision": slices(
            kind.authority,
            ("FULL", "Toàn trình", kind.full),
            ("PARTIAL", "Một phần", kind.partial),
            ("NONE", "Chưa cung cấp", none),
        ),
    }


def _average(year: int, month: int) -> Json:
    """Mean of the units' totals of one month; null for months without figures. Whatever the period asked for."""
    months = practice.months_between((year, month), (year, month))
    if not months:
        return None
    totals = [practice.total_score(code, months) for code in practice.portal_units()]
    return number(round_half_up(sum(totals, Fraction(0)) / len(totals), 2))


# --- the catalogue: fictional, so that pages can be followed to their end ---


@cache
def _catalogue() -> tuple[dict[str, Json], ...]:
    departments = [item.source_ids["dvcqg766"] for item in practice.units() if item.level == "department"]
    communes = [item.source_ids["dvcqg766"] for item in practice.units() if item.level == "commune"]
    items = []
    for position in range(1, PROCEDURES + 1):
        owner = departments[position % len(departments)]
        applied = ([], [owner], communes)[position % 3]
        items.append(
            {
                "id": str(uuid5(NAMESPACE, f"formality:{position}")),
                "code": f"0.{position:06}",
                "name": f"Thủ tục thực hành số {position:02} (hư cấu)",
                "state": ("UPDATED", "ACTIVE", "UPDATED", "INACTIVE")[position % 4],
                "departmentId": owner,
                "publishingDepartmentIds": [owner],
                "appliedDepartmentIds": applied,
            }
        )
    return tuple(items)


def _formalities(body: Mapping[str, Json]) -> dict[str, Json]:
    wanted = body.get("q", "")
    if not isinstance(wanted, str):
        raise RefusalError("BAD_REQUEST", "Sai «q».")
    page, size = _page(body, 10)
    found = [item for item in _catalogue() if wanted.lower() in f"{item['code']} {item['name']}".lower()]
    items, pagination = _cut(found, page, size)
    return {"items": items, "pagination": pagination}


ENDPOINTS: dict[str, Callable[[Mapping[str, Json]], dict[str, Json]]] = {
    "service-results": _service_results,
    "service-results-national": _national,
    "transparency": _evaluated("transparency", _transparency, formality_key="formalityId"),
    "handling-satisfaction": _evaluated("handling-satisfaction", _satisfaction, _satisfaction_dates),
    "dossier-digitized": _evaluated("dossier-digitized", _digitised, formality_key="formalityID"),
    "dvc-progress-tree": _evaluated("dvc-progress-tree", _progress, formality_key="formalityId"),
    "provide-online-tree": _evaluated("provide-online-tree", _online, formality_key="formalityId"),
    "formality-online-payment-tree": _evaluated("formality-online-payment-tree", _payment, formality_key="formalityId"),
    "formalities": _formalities,
}
"""Endpoint names as a site's options give them -> handlers."""
