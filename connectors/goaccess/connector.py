"""Visitors of portals from GoAccess's JSON reports: which files to read, and what they say.

Here: choosing files by name (`plan`), days and counts (`read`), dropping what may not be kept (`redact`). Not here:
running goaccess, which the portal's operator does, and copying the reports into the folder.

A report is called `<unit>_<days>.json`, the unit being its identifier code or the name it has in `source_ids`, the days
`2026-09`, `2026-09-30` or `2026`: the days whose log the report holds **completely**. Lines of other days, which
rotation leaves at both ends of a log, are left out, and so is a day that was not over when the report was made. Logs of
several servers of one portal go into one run of goaccess, since visitors of two reports do not add up.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from dti_pipeline.harvest.answers import whole_text
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Plan,
    Reading,
    Redacted,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

VISITORS, BROWSERS, GENERAL = "visitors", "browsers", "general"
KEPT = frozenset({GENERAL, VISITORS, BROWSERS})
"""The others hold addresses of visitors, pages with their parameters, and names of users."""
NOT_KEPT_OF_GENERAL = frozenset({"log_path"})
CRAWLERS = "Crawlers"

_METRICS = {"visitors": "portal_daily_visitors", "hits": "portal_requests"}
_UNIT = re.compile(r"[A-Z]\d{2}(\.\d{2,3})*")
_NAME = re.compile(r"(?P<unit>[A-Za-z0-9.-]+)_(?P<days>\d{4}(-\d{2}(-\d{2})?)?)\.json")
_MADE = re.compile(r"(?P<moment>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})( (?P<zone>[+-]\d{4}))?")
_GENERAL = frozenset(
    {"start_date", "end_date", "date_time", "total_requests", "valid_requests", "failed_requests", "generation_time"}
    | {"unique_visitors", "unique_files", "excluded_hits", "unique_referrers", "unique_not_found", "log_size"}
    | {"unique_static_files", "bandwidth", "log_path"}
)
# Time to serve is there where the log has it; its value is no business of ours.
_ROW = frozenset({"hits", "visitors", "bytes", "data", "avgts", "cumts", "maxts"})
_PART = frozenset({"count", "percent"})


class _File(NamedTuple):
    """What a report's name says."""

    unit: str
    days: Period


class GoAccess:
    """The connector; see `dti_pipeline.harvest.model.Connector` and `Redacts`. A site has no options."""

    def plan(self, site: Site, window: Period) -> Plan:
        """The folder's listing, then every report that has days in the window.

        Raises ValueError, before the first request, for options.
        """
        if site.options:
            raise ValueError(
                f"site {site.name}: this connector has no options; remove {', '.join(sorted(site.options))}"
            )
        listing = yield Request("GET", "", kind="file")
        if listing is None:
            return
        for name in _names(listing):
            file = _file(name)
            if file is not None and file.days.start <= window.end and window.start <= file.days.end:
                yield Request("GET", name, kind="file")

    def redact(self, snapshot: Snapshot) -> Redacted:
        """A report without the panels that name visitors, pages or files. Raises SourceFailure, as `read` does."""
        if snapshot.request.path == "":
            return Redacted(snapshot.body, ())
        report = _object(_parsed(snapshot.body), "")
        removed = set(report) - KEPT
        kept = {name: panel for name, panel in report.items() if name in KEPT}
        if isinstance(general := kept.get(GENERAL), dict):
            removed |= {f"{GENERAL}.{name}" for name in NOT_KEPT_OF_GENERAL & general.keys()}
            kept[GENERAL] = {name: value for name, value in general.items() if name not in NOT_KEPT_OF_GENERAL}
        return Redacted(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode(), tuple(sorted(removed)))

    def read(self, snapshot: Snapshot) -> Reading:
        """Raises SourceFailure: TRUNCATED, NOT_JSON, WRONG_SHAPE, SOURCE_ERROR, UNSUPPORTED_PLATFORM."""
        if snapshot.request.path == "":
            return _read_listing(snapshot)
        file = _file(snapshot.request.path)
        if file is None:
            _fail(FailureKind.WRONG_SHAPE, f"tên tệp «{snapshot.request.path}» phải có dạng H00.11_2026-09.json")
        return _read_report(_object(_parsed(snapshot.body), ""), file, snapshot.night)


CONNECTOR = GoAccess()


def _fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


# --- the folder ---


def _names(listing: Snapshot) -> list[str]:
    """Names in a listing. Raises SourceFailure where it is none."""
    files = _object(_parsed(listing.body), "").get("files")
    if not isinstance(files, list) or not all(isinstance(file, dict) and "name" in file for file in files):
        _fail(FailureKind.WRONG_SHAPE, "không phải danh sách tệp của thư mục")
    return [str(file["name"]) for file in files]


def _read_listing(snapshot: Snapshot) -> Reading:
    """No figures; a report that nobody will read because of its name must not go unnoticed."""
    names = _names(snapshot)
    odd = [name for name in names if _file(name) is None]
    warnings = []
    if odd:
        told = f"{', '.join(odd[:3])}{'…' if len(odd) > 3 else ''}"
        warnings.append(f"bỏ qua {len(odd)} tệp tên không có dạng <đơn vị>_<tháng>.json (H00.11_2026-09.json): {told}")
    if len(odd) == len(names):
        warnings.append("thư mục chưa có báo cáo nào")
    return Reading(warnings=tuple(warnings))


def _file(path: str) -> _File | None:
    """Unit and days of a report, by its name; None where the name has another shape. Subfolders do not matter."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    if match is None:
        return None
    year, month, day = ([int(part) for part in match["days"].split("-")] + [0, 0])[:3]
    try:
        if day:
            days = Period(dt.date(year, month, day), dt.date(year, month, day))
        else:
            days = periods.month(year, month) if month else periods.year(year)
    except ValueError:
        return None
    return _File(match["unit"], days)


# --- a report ---


def _read_report(report: Mapping[str, Any], file: _File, night: dt.date | None) -> Reading:
    if isinstance(report.get(GENERAL), dict) and isinstance(report[GENERAL].get("total_requests"), str):
        _fail(FailureKind.UNSUPPORTED_PLATFORM, "báo cáo của GoAccess đời cũ (0.x); cần bản 1.0 trở lên")
    general = _object(report.get(GENERAL), "/general")
    warnings = [f"trường mới «{name}» (tại /general)" for name in sorted(general.keys() - _GENERAL)]
    _check_robots(report)
    failed, valid = (_count(general.get(name), f"/general/{name}") for name in ("failed_requests", "valid_requests"))
    if failed and not valid:
        _fail(FailureKind.SOURCE_ERROR, f"không dòng nào trong {failed} dòng nhật ký đọc được: sai --log-format")
    if failed:
        warnings.append(f"{failed} dòng nhật ký không đọc được, không tính vào số liệu (tại /general/failed_requests)")
    rows = _rows(report)
    warnings += _new_fields(report)
    if sum(row["hits"] for row in rows.values()) != valid:
        _fail(FailureKind.WRONG_SHAPE, f"tổng lượt theo ngày khác valid_requests ({valid})")
    over_until = _made_on(general.get("date_time")) - dt.timedelta(days=1)
    code = file.unit if _UNIT.fullmatch(file.unit) else None
    observations: list[Observation] = []
    gaps: list[dt.date] = []
    last = min(file.days.end, over_until, night or over_until)
    for number in range((last - file.days.start).days + 1):
        day = file.days.start + dt.timedelta(days=number)
        row = rows.get(day)
        if row is None:
            gaps.append(day)
        for name, metric in _METRICS.items():
            # A day without a line is not a day without visitors: the log may be lost as well.
            state, value, at = InputState.MISSING, None, "/visitors/data"
            if row is not None:
                state, value, at = InputState.HARVESTED, row[name], f"/visitors/data/{row['at']}/{name}/count"
            days = Period(day, day)
            observations.append(Observation(metric, file.unit, file.unit, days, state, at, value, unit_code=code))
    if gaps:
        told = f"{', '.join(f'{day:%d/%m/%Y}' for day in gaps[:3])}{'…' if len(gaps) > 3 else ''}"
        warnings.append(f"{len(gaps)} ngày không có dòng nhật ký nào ({told}): coi là thiếu, không phải 0")
    others = sorted(day for day in rows if not file.days.start <= day <= file.days.end)
    if others:
        told = f"{others[0]:%d/%m/%Y}–{others[-1]:%d/%m/%Y}"
        warnings.append(f"bỏ {len(others)} ngày ngoài kỳ ghi ở tên tệp ({told}): nhật ký của chúng có thể không đủ")
    return Reading(tuple(observations), tuple(warnings))


def _check_robots(report: Mapping[str, Any]) -> None:
    """A report names robots among the browsers. Raises SourceFailure where it counts them or does not tell."""
    if BROWSERS not in report:
        _fail(FailureKind.SOURCE_ERROR, "báo cáo không có mục browsers, nên không biết có tính cả robot hay không")
    browsers = _list(_object(report[BROWSERS], "/browsers").get("data"), "/browsers/data")
    if any(_object(row, "/browsers/data").get("data") == CRAWLERS for row in browsers):
        _fail(FailureKind.SOURCE_ERROR, "báo cáo tính cả robot (Crawlers): chạy lại goaccess với --ignore-crawlers")


def _rows(report: Mapping[str, Any]) -> dict[dt.date, dict[str, Decimal]]:
    """Day -> its counts, and under `at` its place in the panel. Raises SourceFailure where rows were left out."""
    panel = _object(report.get(VISITORS), "/visitors")
    data = _list(panel.get("data"), "/visitors/data")
    try:
        total = _count(panel["metadata"]["data"]["total"]["value"], "/visitors/metadata/data/total/value")
    except (KeyError, TypeError):
        _fail(FailureKind.WRONG_SHAPE, "/visitors/metadata không cho biết tổng số ngày")
    if total != len(data):
        _fail(FailureKind.TRUNCATED, f"báo cáo chỉ có {len(data)} trong {total} ngày của nhật ký; tạo theo tháng")
    rows: dict[dt.date, dict[str, Decimal]] = {}
    for position, item in enumerate(data):
        at = f"/visitors/data/{position}"
        row = _object(item, at)
        day = _day(row.get("data"), at)
        if day in rows:
            _fail(FailureKind.WRONG_SHAPE, f"{at}: ngày {day:%d/%m/%Y} xuất hiện hai lần")
        counts = {name: _count(_object(row.get(name), at).get("count"), f"{at}/{name}/count") for name in _METRICS}
        if counts["visitors"] > counts["hits"]:
            _fail(FailureKind.WRONG_SHAPE, f"{at} có nhiều khách hơn lượt yêu cầu")
        rows[day] = counts | {"at": Decimal(position)}
    return rows


def _new_fields(report: Mapping[str, Any]) -> list[str]:
    """Fields of the daily rows that nobody has decided about yet, each once with its first place."""
    places: dict[str, str] = {}
    for position, row in enumerate(report[VISITORS]["data"]):
        for name in sorted(row.keys() - _ROW):
            places.setdefault(name, f"/visitors/data/{position}")
        for part in _METRICS:
            for name in sorted(row[part].keys() - _PART):
                places.setdefault(f"{part}.{name}", f"/visitors/data/{position}/{part}")
    return [f"trường mới «{name}» (tại {at})" for name, at in places.items()]


def _day(value: Any, at: str) -> dt.date:
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{8}", value):
            return dt.datetime.strptime(value, "%Y%m%d").replace(tzinfo=periods.TIME_ZONE).date()
    except ValueError:
        pass
    raise SourceFailure(FailureKind.WRONG_SHAPE, f"{at}/data phải là ngày dạng YYYYMMDD, không phải {str(value)[:40]}")


def _made_on(value: Any) -> dt.date:
    """The local day on which goaccess ran; older versions print no time zone and mean the server's own."""
    match = _MADE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        _fail(FailureKind.WRONG_SHAPE, "/general/date_time không phải thời điểm tạo báo cáo")
    try:
        if match["zone"]:
            made = dt.datetime.strptime(f"{match['moment']} {match['zone']}", "%Y-%m-%d %H:%M:%S %z")
        else:
            made = dt.datetime.strptime(match["moment"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=periods.TIME_ZONE)
    except ValueError:
        _fail(FailureKind.WRONG_SHAPE, "/general/date_time không phải thời điểm tạo báo cáo")
    return made.astimezone(periods.TIME_ZONE).date()


# --- JSON ---


def _parsed(body: bytes) -> Any:
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        text = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body)
        opened, closed = (sum(map(text.count, brackets)) for brackets in ((b"{", b"["), (b"}", b"]")))
        if body.lstrip()[:1] == b"{" and (b'"' in text or opened > closed):
            _fail(FailureKind.TRUNCATED, f"báo cáo bị cắt ngang sau {len(body)} byte", retryable=True)
        _fail(FailureKind.NOT_JSON, f"không phải JSON ({type(error).__name__})")
    return whole_text(document, body)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        _fail(FailureKind.WRONG_SHAPE, "một trường xuất hiện hai lần trong cùng một đối tượng")
    return fields


def _object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _fail(FailureKind.WRONG_SHAPE, f"{at or 'báo cáo'} phải là một đối tượng JSON")
    return value


def _list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        _fail(FailureKind.WRONG_SHAPE, f"{at} phải là một danh sách")
    return value


def _count(value: Any, at: str) -> Decimal:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        _fail(FailureKind.WRONG_SHAPE, f"{at} phải là số đếm, không phải {str(value)[:40]}")
    return Decimal(value)
