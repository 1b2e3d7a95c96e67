"""The portal's older statistics, `POST /jsp/rest.jsp` (2020–2025): what to ask, and what the rows say. Both are pure.

Here: the dialect `rest_jsp_2020` of this connector, chosen by the site's option `dialect`; its figures go by the same
metrics as those of the 2026 API. Not here: that API (`rows.py`, `catalogue.py`), what makes an answer unusable
(`envelope.py`), group maxima (`vocabulary.GROUPS`).

An answer is a bare array of rows whose values are all strings. It says neither the period nor the province: both are
those of the stored request, the province's identifier code as the header `DTI-Province`, which the portal ignores. One
province has two unrelated numbers there, one in the scores and one in the sums, hence two options; neither ever names
a unit that has an identifier code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from connectors.dvcqg766 import vocabulary as v
from connectors.dvcqg766.envelope import document_of, fail, text
from connectors.dvcqg766.notes import Notes
from dti_pipeline.harvest.answers import Suspect, as_list, as_object, shown
from dti_pipeline.harvest.codes import is_within, todays_code
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
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

DIALECT = "rest_jsp_2020"
PATH = "/jsp/rest.jsp"
PROVINCE = "DTI-Province"
SCORES = "report_tinh_766_service"
YEAR_SUM = "report_by_year_sum_service"
MONTH_SUM = "report_by_month_sum_service"
SERVICES = (SCORES, YEAR_SUM, MONTH_SUM)
PAGE_SIZE = 1000
MAX_PAGES = 20
"""No province has so many units; a portal that ignores `pageIndex` is noticed by a page that it gave before."""

_OPTIONS = frozenset({"dialect", "services", "province_id", "statistics_province_id"})
_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", re.ASCII)  # the database behind it prints 0.5 as .5
_LARGEST = Decimal(10) ** 15
_LEVELS = frozenset({"1", "2"})
"""CAPDONVIID: department, commune."""
_TOTAL = "TONG_SCORE"
_SCORE_FIELDS = frozenset({"ID", "TEN", "MA_COQUAN", "CAPDONVIID", "ROW_STT", _TOTAL, *v.GROUPS})

_ALL = "HS_TOTAL"
_CHANNELS: Mapping[str, str] = {
    "HTN_TRUCTUYEN_TOTAL": "dossiers_received_online",
    "HTN_TRUCTIEP_TOTAL": "dossiers_received_direct",
    "HTN_BUUCHINH_TOTAL": "dossiers_received_postal",
}
_NON_STANDARD = "HTN_TRUCTUYEN_KHONGCHUAN_TOTAL"
_ON_TIME = ("HTDH_TOTAL", "DXLTH_TOTAL")
_OVERDUE = ("HTQH_TOTAL", "DXLQH_TOTAL")
_COUNTS = (_ALL, *_CHANNELS, _NON_STANDARD, *_ON_TIME, *_OVERDUE)
# Known and left aside. Shares follow from their counts. GDTT… count payment transactions, or dossiers with one, of
# whatever outcome: which, is not published, so none of them is «dossiers paid online successfully».
_LEFT_ASIDE = frozenset(
    {"HTN_TRUCTIEP", "HTN_BUUCHINH", "HTN_TRUCTUYEN", "HTN_TRUCTUYEN_KHONGCHUAN", "HTDH", "HTQH", "DXLTH", "DXLQH"}
    | {"GDTTDP", "GDTTQG", "GDTTDP_TOTAL", "GDTTQG_TOTAL", "GDTT_TOTAL", "TILE", "TILE_DB", "DB_TOTAL", "TNTK_TOTAL"}
    | {"TNKTCS_TOTAL", "NTTQG_TOTAL", "NTTDXLTH", "NTTDXLTH_TOTAL", "NTTDXLQH", "NTTDXLQH_TOTAL"}
)


# --- asking ---


def plan(site: Site, window: Period, keys: Mapping[str, Any]) -> Plan:
    """The requests for one site; `keys` name the window as the 2026 API does (`timeType`, `year`, …).

    The sums know years and months only: the year's is asked for a whole year, the months' for each month in the window
    up to the last one that is over. Raises ValueError, before the first request, for options that cannot be asked with.
    """
    services = _services(site, window, is_year=keys["timeType"] == "year")
    night = None
    if SCORES in services:
        seen: set[str] = set()
        for page in range(1, MAX_PAGES + 1):
            answer = yield _scores(site, keys, page)
            if answer is None:
                break
            night = answer.night
            if answer.sha256 in seen or not _is_full(answer):
                break
            seen.add(answer.sha256)
    if YEAR_SUM in services:
        answer = yield _sum(site, YEAR_SUM, keys["year"])
        night = night if answer is None else answer.night
    if MONTH_SUM in services:
        for number in range(window.start.month, window.end.month + 1):
            if night is not None and periods.month(keys["year"], number).end >= night:
                break  # a month is offered when it is over; before that its empty answer would be no news
            answer = yield _sum(site, MONTH_SUM, keys["year"], number)
            night = night if answer is None else answer.night


def _services(site: Site, window: Period, *, is_year: bool) -> list[str]:
    """The services to ask for a window. Raises ValueError saying which option is wrong, and what it should be."""
    options, services = site.options, site.options.get("services")

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    for option in sorted(options.keys() - _OPTIONS):
        wrong(option, f"the dialect {DIALECT} knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
    if not isinstance(services, list | tuple) or not services or not set(map(str, services)) <= set(SERVICES):
        wrong("services", f"give a list out of {', '.join(SERVICES)}")
    if len(set(services)) != len(services):
        wrong("services", "name each service once")
    for option, users in (("province_id", {SCORES}), ("statistics_province_id", {YEAR_SUM, MONTH_SUM})):
        if (option in options or users & set(services)) and not _is_id(options.get(option)):
            wrong(option, f"give the province's number in {', '.join(sorted(users))}, in quotes, digits only")
    if todays_code(site.province) is None:
        raise ValueError(f"site {site.name}: province is {site.province!r}; the dialect {DIALECT} needs one province")
    asked = [name for name in services if is_year or name != YEAR_SUM]
    if not asked:
        wrong("services", f"{YEAR_SUM} knows whole years only, not {window}: add another or remove the window")
    return asked


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _scores(site: Site, keys: Mapping[str, Any], page: int) -> Request:
    return _request(
        site,
        {
            "service": SCORES,
            "p_nam": str(keys["year"]),
            "p_6thang": 0,
            "p_quy": keys.get("quarter", 0),
            "p_thang": keys.get("month", 0),
            "p_tinh_id": site.options["province_id"],
            "p_loaidonvi": 1,
            "loaichitieu": 0,
            "pageIndex": page,
            "pageSize": PAGE_SIZE,
        },
    )


def _sum(site: Site, service: str, year: int, month: int | None = None) -> Request:
    params = {
        "service": service,
        "p_nam": str(year),
        "p_tinh_id": site.options["statistics_province_id"],
        "p_huyen_id": "",
        "p_linhvuc": 0,
    }
    return _request(site, params if month is None else params | {"p_thang": str(month)})


def _request(site: Site, params: Mapping[str, Any]) -> Request:
    form = json.dumps({"type": "ref", **params}, separators=(",", ":"))
    headers = {"X-Requested-With": "XMLHttpRequest", PROVINCE: site.province}
    return Request("POST", PATH, headers=headers, data={"params": form})


def _is_full(answer: Snapshot) -> bool:
    """Whether a later page may hold more; what else the answer may be, `read` says."""
    try:
        rows = document_of(answer, by_type=False)
    except SourceFailure:
        return False
    return isinstance(rows, list) and len(rows) >= PAGE_SIZE


# --- reading ---


class _Asked(NamedTuple):
    """What the stored request says about its answer."""

    service: str
    province: str
    period: Period
    page: int


def read(snapshot: Snapshot) -> Reading:
    """The observations of one answer, dated and placed by the request that is stored with it.

    An empty array is a failure: a province has units and dossiers, so nothing was looked up. Only a later page may be
    empty. Raises SourceFailure: BLOCKED, HTTP_STATUS, TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE, WRONG_ROOT.
    """
    document = document_of(snapshot, by_type=False)
    asked = _asked(snapshot.request)
    if isinstance(document, str):
        fail(FailureKind.SOURCE_ERROR, f"Cổng trả một câu thay cho số liệu: {shown(document)[:200]}")
    rows = [as_object(row, f"/{position}") for position, row in enumerate(as_list(document, "câu trả lời"))]
    if not rows and asked.page == 1:
        fail(
            FailureKind.SOURCE_ERROR,
            f"{asked.service}: mảng rỗng cho kỳ {asked.period}; mã tỉnh hoặc kỳ không có ở cổng, không phải số 0",
        )
    notes = Notes(asked.service)
    found = _read_scores(rows, asked, notes) if asked.service == SCORES else _read_sum(rows, asked, notes)
    return Reading(tuple(found), notes.warnings, notes.quarantined)


def _asked(request: Request) -> _Asked:
    """Raises SourceFailure where the stored request does not say whom and when its answer is about."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    province = todays_code(headers.get(PROVINCE.lower(), ""))
    try:
        params = json.loads((request.data or {}).get("params", ""))
        service, page = params["service"], int(params.get("pageIndex", 1))
        year, half, quarter, month = (int(params.get(key, 0)) for key in ("p_nam", "p_6thang", "p_quy", "p_thang"))
        if province is None or service not in SERVICES or half or (quarter and month) or page < 1:
            raise ValueError("not a request of this dialect")
        if service == MONTH_SUM and not month:
            raise ValueError("a month's sum without its month")
        period = periods.month(year, month) if month else periods.quarter(year, quarter) if quarter else None
        return _Asked(service, province, period or periods.year(year), page)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        fail(
            FailureKind.WRONG_SHAPE,
            f"không biết câu trả lời về đâu và kỳ nào: yêu cầu phải được lưu kèm {PROVINCE} và params có service, "
            "p_nam, p_quy, p_thang",
        )


def _read_scores(rows: list[dict[str, Any]], asked: _Asked, notes: Notes) -> list[Observation]:
    """The platform's points per unit: six groups and the total."""
    _check_province(rows, asked, notes)
    found: list[Observation] = []
    seen: set[str] = set()
    for position, row in enumerate(rows):
        at = f"/{position}"
        notes.audit(row, at, _SCORE_FIELDS)
        try:
            unit, code, name = _identify(row, at, seen, notes)
        except Suspect as reason:
            notes.quarantine(at, reason, row)
            continue
        scores: list[Decimal] = []
        total = None
        for field, (metric, maximum) in {**v.GROUPS, _TOTAL: ("qd766_total_score", Decimal(100))}.items():
            try:
                score = _number(row, field)
                if score is not None and score > maximum:
                    raise Suspect(f"điểm {field} {score} lớn hơn {maximum}")
            except Suspect as reason:
                notes.quarantine(f"{at}/{field}", reason, row[field])
                continue
            place = _place(row, field, at, notes)
            found.append(Observation(metric, unit, name, asked.period, _state(score), place, score, unit_code=code))
            if field == _TOTAL:
                total = score
            elif score is not None:
                scores.append(score)
        is_whole = total is not None and len(scores) == len(v.GROUPS)
        if total is not None and is_whole and abs(sum(scores) - total) > v.SUM_TOLERANCE:
            notes.warn(f"tổng các điểm thành phần lệch {_TOTAL} quá {v.SUM_TOLERANCE}", at)
    return found


def _check_province(rows: list[dict[str, Any]], asked: _Asked, notes: Notes) -> None:
    """Raises SourceFailure where every unit with a code is of another province; some may be, after a merger."""
    codes = {f"/{n}": todays_code(row["MA_COQUAN"]) for n, row in enumerate(rows) if _is_text(row.get("MA_COQUAN"))}
    strangers = {at: code for at, code in codes.items() if code is not None and not is_within(code, asked.province)}
    if strangers and len(strangers) == sum(code is not None for code in codes.values()):
        fail(FailureKind.WRONG_ROOT, f"hỏi {asked.province}, trả lời về {', '.join(sorted(strangers.values())[:3])}")
    for at in strangers:
        notes.warn(f"đơn vị ngoài {asked.province}", at)


def _identify(row: Mapping[str, Any], at: str, seen: set[str], notes: Notes) -> tuple[str, str | None, str]:
    """The portal's number, the identifier code and the name of a row's unit. Raises Suspect where it is not known."""
    number, name, spelt = (text(row, field, at) for field in ("ID", "TEN", "MA_COQUAN"))
    if not number or not name:
        raise Suspect("dòng không có ID hoặc TEN")
    if "CAPDONVIID" not in row:
        notes.warn("thiếu trường «CAPDONVIID»", at)
    elif not isinstance(row["CAPDONVIID"], str) or row["CAPDONVIID"] not in _LEVELS:
        raise Suspect(f"CAPDONVIID {shown(row['CAPDONVIID'])} chưa từng biết")
    code = todays_code(spelt or "")
    if code is None:
        notes.warn("MA_COQUAN trống hoặc không phải mã định danh, đơn vị theo ID của cổng", at)
    names = {number} if code is None else {number, code}
    if names & seen:
        raise Suspect(f"đơn vị {code or number} xuất hiện lần thứ hai trong cùng câu trả lời")
    seen |= names
    return number, code, name


def _read_sum(rows: list[dict[str, Any]], asked: _Asked, notes: Notes) -> list[Observation]:
    """The province's dossiers. Raises SourceFailure where it is not one row: nothing in a row says whose it is."""
    if len(rows) != 1:
        fail(FailureKind.WRONG_SHAPE, f"cần đúng một dòng của cả tỉnh, có {len(rows)}")
    (row,), at, found = rows, "/0", list[Observation]()
    notes.audit(row, at, _LEFT_ASIDE | set(_COUNTS))
    numbers: dict[str, Decimal | None] = {}
    for field in _COUNTS:
        try:
            count = _number(row, field)
            if count is not None and count % 1:
                raise Suspect(f"{field} không phải số nguyên: {row[field]}")
            numbers[field] = count
        except Suspect as reason:
            notes.quarantine(f"{at}/{field}", reason, row[field])
    places = {field: _place(row, field, at, notes) for field in _COUNTS}

    def observe(metric: str, state: InputState, place: str, value: Decimal | None, reason: str | None = None) -> None:
        unit = asked.province
        found.append(Observation(metric, unit, unit, asked.period, state, place, value, unit_code=unit, reason=reason))

    try:
        _check_channels(numbers, at, notes)
    except Suspect as reason:
        notes.quarantine(at, reason, row)
        return []
    for field, metric in {_ALL: "dossiers_received_all_channels", **_CHANNELS}.items():
        if field in numbers:
            observe(metric, _state(numbers[field]), places[field], numbers[field])
    _observe_timeliness(numbers, at, observe)
    return found


def _check_channels(numbers: Mapping[str, Decimal | None], at: str, notes: Notes) -> None:
    """Raises Suspect where the channels are more than the whole. Whether they are the whole, nobody has published."""
    total, parts = numbers.get(_ALL), [numbers.get(field) for field in _CHANNELS]
    known = [part for part in parts if part is not None]
    if total is None:
        return
    if sum(known) > total:
        raise Suspect(f"{' + '.join(_CHANNELS)} = {sum(known)}, lớn hơn {_ALL} {total}")
    other = numbers.get(_NON_STANDARD)
    if other:
        notes.warn(f"{other} hồ sơ «trực tuyến không chuẩn» không được tính là trực tuyến", f"{at}/{_NON_STANDARD}")
    if len(known) == len(parts) and total not in (sum(known), sum(known) + (other or 0)):
        notes.warn(f"các kênh cộng lại {sum(known)}, khác {_ALL} {total}", at)


def _observe_timeliness(numbers: Mapping[str, Decimal | None], at: str, observe: Any) -> None:
    """On time and overdue, each finished (HT…) and under way (DXL…), located at the row because two numbers make one.

    What the fields mean is known from their names alone, so they count only where the four make up the whole.
    """
    total, on_time, overdue = numbers.get(_ALL), _added(numbers, _ON_TIME), _added(numbers, _OVERDUE)
    figures = {"dossiers_received": total, "dossiers_on_time": on_time, "dossiers_overdue": overdue}
    fields = " + ".join((*_ON_TIME, *_OVERDUE))
    if any(field not in numbers for field in (_ALL, *_ON_TIME, *_OVERDUE)):
        reason = f"{fields}: có số không đọc được"
    elif total is None or on_time is None or overdue is None:
        for metric in figures:
            observe(metric, InputState.MISSING, at, None)
        return
    elif on_time + overdue != total:
        reason = f"{fields} = {on_time + overdue}, khác {_ALL} {total}: không rõ nghĩa các trường"
    else:
        for metric, value in figures.items():
            observe(metric, InputState.HARVESTED, at, value)
        return
    for metric in figures:
        observe(metric, InputState.UNAVAILABLE, at, None, reason)


def _added(numbers: Mapping[str, Decimal | None], fields: tuple[str, str]) -> Decimal | None:
    one, other = (numbers.get(field) for field in fields)
    return None if one is None or other is None else one + other


def _number(row: Mapping[str, Any], field: str) -> Decimal | None:
    """A number from its text; None for null, an empty text and a missing key. Raises Suspect for anything else.

    A comma, a sign, «%» or a second dot is never guessed at: none was ever seen, and it would mean another format.
    """
    value = row.get(field)
    if value is None or value == "":
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not 0 <= value <= _LARGEST:
        raise Suspect(f"{field} không phải số: {shown(value)[:80]}")
    return value


def _place(row: Mapping[str, Any], field: str, at: str, notes: Notes) -> str:
    if field in row:
        return f"{at}/{field}"
    notes.warn(f"thiếu trường «{field}»", at)
    return at


def _state(value: Decimal | None) -> InputState:
    return InputState.MISSING if value is None else InputState.HARVESTED


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
