"""Statistics of a VNPT iGate v2 one-stop system: what to ask it, and what its bytes say.

Here: requests (`plan`) and reading answers (`read`), both pure. Not here: logging in and waiting (the harvest kit),
publisher, manners and bounds (`manifest.yaml`). What dossiers of one unit really are, the one-stop records say
(`connectors/one_stop`); these statistics are the system's own and are the cross-check.

Days. The system's clients send local days (UTC+7) as if they were UTC: `2026-09-01T00:00:00.000Z` to
`2026-09-30T23:59:59.999Z` for September. Nobody outside knows whether the server reads that as local wall-clock time
(then it is exact) or as real UTC (then a window runs from 07:00 to 06:59 of the next day, and a morning's dossiers land
in the neighbour). With `day_bounds: local_as_z` we send what the clients send, so that figures equal those on the
system's own screens; with `day_bounds: utc` we send the true instants, 17:00Z of the day before to 16:59:59.999Z.
Either way a figure is dated with the local days that were meant, and neighbouring windows neither overlap nor gape.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from connectors.igate.vocabulary import AGENCIES, LISTED, REPORTS, Report
from dti_pipeline.harvest.answers import Notes, Suspect, json_of, shown
from dti_pipeline.harvest.codes import todays_code
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

PAGE_SIZE = 2000
MAX_PAGES = 100
_LOCAL = dt.timezone(dt.timedelta(hours=7))
_ID = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{1,3}Z")
_OPTIONS = frozenset(
    {"agency_id", "reports", "paths", "agency_levels", "procedure_levels", "list_levels", "tag_id", "by_agency"}
    | {"day_bounds", "slice"}
)


class Igate:
    """The connector; see `dti_pipeline.harvest.model.Connector`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """Each report for the province's root agency, or for every agency of the list, which is paged.

        Raises ValueError, before the first request, for options that the system cannot be asked with.
        """
        options = _options(site)
        agencies: list[str] = [options["agency_id"]]
        night: dt.date | None = None
        if options.get("by_agency"):
            agencies = yield from _list_agencies(options)
        for period in _slices(window, options.get("slice", "window")):
            if night is not None and period.start > night:
                return  # nothing has happened on a day that has not come
            for name in options.get("reports", list(REPORTS)):
                for agency in agencies:
                    answer = yield _question(REPORTS[name], options, agency, period)
                    night = night if answer is None else answer.night

    def read(self, snapshot: Snapshot) -> Reading:
        """Figures of one report per agency; nothing but warnings from a page of the list of agencies.

        Raises SourceFailure: AUTH_FAILED, BLOCKED, HTTP_STATUS, TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE.
        """
        document = _document(snapshot)
        params = snapshot.request.params
        if "page" in params:
            return _read_agencies(document, params)
        report = _report_of(params)
        rows = _rows(document)
        return _Rows(report, _period(report, params)).read(rows)


CONNECTOR = Igate()


# --- asking ---


def _options(site: Site) -> dict[str, Any]:
    """The site's options, checked. Raises ValueError saying which option of which site, and what it should be."""
    options = dict(site.options)

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    def ids(option: str, least: int, most: int, meaning: str) -> None:
        value = options.get(option)
        if not isinstance(value, list) or not least <= len(value) <= most or not all(map(_is_id, value)):
            wrong(option, f"give {meaning}, as the system's own screens send them")

    for option in sorted(options.keys() - _OPTIONS):
        wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
    if not _is_id(options.get("agency_id")):
        wrong("agency_id", "give the system's id of the province's root agency")
    reports = options.get("reports", list(REPORTS))
    if not isinstance(reports, list) or not reports or len(set(map(str, reports))) != len(reports):
        wrong("reports", f"give a list out of {', '.join(REPORTS)}, each once, or remove it")
    if any(name not in REPORTS for name in reports):
        wrong("reports", f"give a list out of {', '.join(REPORTS)}")
    paths = options.get("paths", {})
    known = {*REPORTS, "agencies"}
    if not isinstance(paths, dict) or any(
        name not in known or not isinstance(path, str) or not path.startswith("/") or "?" in path
        for name, path in paths.items()
    ):
        wrong("paths", f"give paths from «/» on for {', '.join(sorted(known))}, or remove it")
    if {"statistics", "online"} & set(reports):
        ids("agency_levels", 3, 3, "the ids of the three levels of agencies")
        ids("procedure_levels", 3, 3, "the ids of the procedure levels 2, 3 and 4")
    if "digitization" in reports:
        ids("list_levels", 1, 9, "the ids of the levels to list")
    by_agency = options.get("by_agency", False)
    if not isinstance(by_agency, bool):
        wrong("by_agency", "give true or false, or remove it")
    if by_agency and not _is_id(options.get("tag_id")):
        wrong("tag_id", "give the id of the level whose agencies are to be asked about one by one")
    if options.get("day_bounds", "local_as_z") not in ("local_as_z", "utc"):
        wrong("day_bounds", "give local_as_z (what the system's screens send) or utc, or remove it")
    if options.get("slice", "window") not in ("window", "month"):
        wrong("slice", "give window or month, or remove it")
    return options


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _slices(window: Period, kind: str) -> Iterator[Period]:
    if kind == "window":
        yield window
        return
    day = window.start
    while day <= window.end:
        end = periods.month(day.year, day.month).end
        yield Period(day, min(end, window.end))
        day = end + dt.timedelta(days=1)


def _list_agencies(options: Mapping[str, Any]) -> Generator[Request, Snapshot | None, list[str]]:
    """Ids of the agencies of the asked level, page after page; what is wrong with a page, `read` says."""
    found: list[str] = []
    for page in range(MAX_PAGES):
        answer = yield Request(
            "GET",
            options.get("paths", {}).get("agencies", AGENCIES),
            params={
                "ancestor-id": options["agency_id"],
                "tag-id": options["tag_id"],
                "page": str(page),
                "size": str(PAGE_SIZE),
            },
        )
        if answer is None:
            return []  # half a list would leave agencies out without a word
        try:
            document = _document(answer)
            _read_agencies(document, answer.request.params)
        except SourceFailure:
            return []
        found += [str(item["id"]) for item in document["content"] if _is_id(item.get("id"))]
        if page + 1 >= int(document["totalPages"]):
            break
    return sorted(set(found))


def _question(report: Report, options: Mapping[str, Any], agency: str, period: Period) -> Request:
    first, last = ("17:00:00", "16:59:59") if options.get("day_bounds") == "utc" else ("00:00:00", "23:59:59")
    shift = dt.timedelta(days=1 if options.get("day_bounds") == "utc" else 0)
    zeros, nines = report.fractions
    params = {
        report.agency: agency,
        report.first: f"{period.start - shift}T{first}.{zeros}Z",
        report.last: f"{period.end}T{last}.{nines}Z",
    }
    if report.lists_levels:
        params["list-level-id"] = ",".join(options["list_levels"])
    else:
        params |= {f"agencyLevel{number}": level for number, level in enumerate(options["agency_levels"])}
        params |= {f"procedureLevel{number}": level for number, level in enumerate(options["procedure_levels"], 2)}
    return Request("GET", options.get("paths", {}).get(report.name, report.path), params=params | dict(report.fixed))


# --- reading ---


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def _document(snapshot: Snapshot) -> Any:
    """The parsed JSON of a good answer, its numbers as Decimal. Raises SourceFailure."""
    if snapshot.status == 403 and snapshot.body.lstrip()[:1] == b"{":  # the system itself; a block page is no JSON
        fail(FailureKind.AUTH_FAILED, "iGate từ chối: tài khoản không có quyền xem thống kê (HTTP 403)")
    document = json_of(snapshot)
    if isinstance(document, dict) and "content" not in document and {"error", "message", "status"} & document.keys():
        said = shown(document.get("message") or document.get("error"))
        fail(FailureKind.SOURCE_ERROR, f"iGate báo lỗi: {said[:200]}")
    return document


def _read_agencies(document: Any, params: Mapping[str, str]) -> Reading:
    """A Spring page of agencies. Raises SourceFailure where it is not the page asked for, or not whole."""
    content = document.get("content") if isinstance(document, dict) else None
    if not isinstance(content, list) or any(not isinstance(item, dict) for item in content):
        fail(FailureKind.WRONG_SHAPE, "danh sách đơn vị không phải trang Spring có content là danh sách đối tượng")
    names = ("number", "size", "totalElements", "totalPages")
    numbers = [value for name in names if isinstance(value := document.get(name), Decimal)]
    if len(numbers) != len(names):
        fail(FailureKind.WRONG_SHAPE, "trang Spring thiếu number, size, totalElements hoặc totalPages")
    number, size, total, pages = numbers
    if str(number) != params.get("page"):
        fail(FailureKind.WRONG_SHAPE, f"hỏi trang {params.get('page')}, nhận trang {number}")
    expected = max(Decimal(0), min(size, total - number * size))
    if len(content) != expected or pages * size < total:
        fail(FailureKind.TRUNCATED, f"trang có {len(content)} đơn vị, theo totalElements {total} phải là {expected}")
    if total == 0:
        fail(FailureKind.SOURCE_ERROR, "danh sách đơn vị rỗng: kiểm tra agency_id và tag_id của điểm thu")
    unnamed = sum(not _is_id(item.get("id")) for item in content)
    warnings = [f"{unnamed} đơn vị trong danh sách không có id: không hỏi được"] if unnamed else []
    new = sorted({name for item in content for name in item} - LISTED)
    return Reading(warnings=(*warnings, *(f"agencies: trường mới «{name}»" for name in new)))


def _report_of(params: Mapping[str, str]) -> Report:
    """Which report a stored request asked for; paths differ between provinces, parameters do not."""
    found = [report for report in REPORTS.values() if {report.first, report.last, report.agency} <= params.keys()]
    if len(found) != 1:
        fail(FailureKind.WRONG_SHAPE, "yêu cầu phải được lưu kèm tham số ngày và đơn vị của một báo cáo đã biết")
    return found[0]


def _period(report: Report, params: Mapping[str, str]) -> Period:
    """The local days that were meant. Raises SourceFailure for bounds that are none of the two known kinds."""
    bounds = [_INSTANT.fullmatch(params[name]) for name in (report.first, report.last)]
    try:
        (first, opens), (last, closes) = [(dt.date.fromisoformat(found[1]), found[2]) for found in bounds if found]
    except ValueError:
        fail(FailureKind.WRONG_SHAPE, "ngày của yêu cầu không có dạng YYYY-MM-DDThh:mm:ss.sssZ")
    if (opens, closes) == ("17:00:00", "16:59:59"):
        first += dt.timedelta(days=1)
    elif (opens, closes) != ("00:00:00", "23:59:59"):
        fail(FailureKind.WRONG_SHAPE, f"khoảng ngày {opens}–{closes} không phải trọn ngày, không biết kỳ số liệu")
    if last < first:
        fail(FailureKind.WRONG_SHAPE, "ngày cuối của yêu cầu trước ngày đầu")
    return Period(first, last)


def _rows(document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, list) or any(not isinstance(row, dict) for row in document):
        fail(FailureKind.WRONG_SHAPE, f"báo cáo phải là danh sách đối tượng, không phải {shown(document)[:60]}")
    if not document:
        # Agencies without a dossier are asked for too, so an empty list says that the question was not understood.
        fail(FailureKind.SOURCE_ERROR, "báo cáo rỗng dù đã hỏi cả đơn vị không có hồ sơ: kiểm tra agency_id và các cấp")
    return document


class _Rows:
    """The rows of one report on their way to a Reading."""

    def __init__(self, report: Report, period: Period) -> None:
        self.report, self.period = report, period
        self.observations: list[Observation] = []
        self.notes = Notes()

    def read(self, rows: list[dict[str, Any]]) -> Reading:
        agencies = [self._agency(row) for row in rows]
        names = Counter(name for name, _ in agencies)
        codes = Counter(code for _, code in agencies if code)
        for position, (row, (name, code)) in enumerate(zip(rows, agencies, strict=True)):
            at = f"/{position}"
            try:
                if not name:
                    raise Suspect("dòng không có tên đơn vị")
                if code and codes[code] > 1:
                    raise Suspect(f"mã đơn vị {code} xuất hiện {codes[code]} lần trong báo cáo")
                if names[name] > 1 and not code:
                    raise Suspect(f"tên đơn vị «{name}» xuất hiện {names[name]} lần và không có mã")
                self._row(row, at, name if names[name] == 1 else str(code), name, code)
            except Suspect as reason:
                self.notes.quarantine(at, reason, row)
        return Reading(tuple(self.observations), self.notes.warnings, self.notes.quarantined)

    def _agency(self, row: Mapping[str, Any]) -> tuple[str, str | None]:
        """Name and, where the row has one, code as the system writes them."""
        if not self.report.has_agency:
            name = row.get("agency_name")
            return (name.strip(), None) if isinstance(name, str) else ("", None)
        agency = row.get("agency")
        if not isinstance(agency, dict):
            return "", None
        name, code = agency.get("name"), agency.get("code")
        return (
            name.strip() if isinstance(name, str) else "",
            (todays_code(code) or code.strip()) if isinstance(code, str) and code.strip() else None,
        )

    def _row(self, row: Mapping[str, Any], at: str, unit: str, name: str, code: str | None) -> None:
        report = self.report
        known = {*report.figures, *report.checked, "agency" if report.has_agency else "agency_name"}
        for field in sorted(row.keys() - known):
            self.notes.warn(f"{report.name}: trường mới «{field}»", at)
        numbers = {field: _count(row, field) for field in (*report.figures, *report.checked)}
        for parts, whole, is_exact in report.relations:
            counts, total = [numbers[part] for part in parts], numbers[whole]
            if total is None or None in counts:
                continue
            added = sum((count for count in counts if count is not None), Decimal(0))
            if added > total or (is_exact and added != total):
                raise Suspect(f"{' + '.join(parts)} = {added}, {whole} = {total}")
        for field, metric in report.figures.items():
            if field not in row:
                self.notes.warn(f"{report.name}: thiếu trường «{field}»", at)
            value = numbers[field]
            self.observations.append(
                Observation(
                    metric,
                    unit,
                    name,
                    self.period,
                    InputState.MISSING if value is None else InputState.HARVESTED,
                    f"{at}/{field}" if field in row else at,
                    value=value,
                    unit_code=None if code is None else todays_code(code),
                )
            )


def _count(row: Mapping[str, Any], field: str) -> Decimal | None:
    """A whole number, also as text and with dotted thousands; None for null and a missing key. Raises Suspect."""
    value = row.get(field)
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        text = text.replace(".", "") if re.fullmatch(r"\d{1,3}(\.\d{3})+", text) else text
        if not (text.isascii() and text.isdigit()):
            raise Suspect(f"{field} là chuỗi {shown(value)}, không phải số nguyên")
        return Decimal(text)
    if not isinstance(value, Decimal):
        raise Suspect(f"{field} là {shown(value)}, không phải số nguyên")
    if value < 0 or value > 10**9 or value != value.to_integral_value():
        raise Suspect(f"{field} = {value} không thể là số hồ sơ")
    return value
