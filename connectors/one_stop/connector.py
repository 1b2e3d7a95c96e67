"""Dossiers of a provincial one-stop system, counted by unit: what to ask for, what to keep of it, what it says.

Here: requests (`plan`), the redaction before anything is kept (`redact`) and adding up (`read`), all pure. Not here:
spelling of values (`document.py`), the whitelist (`redaction.py`), the record-level rules (`dossier.py`).

Two answers about one unit and period are never added up: the newer one is current. So an answer must hold **all**
dossiers received in its period, and it says which period that is: a file by its name (`…2026-09.json` a month,
`…2026-09-05.json` a day), a REST answer by the days asked for. A changed dossier is sent again in the file of the day
or month in which it was *received*: the file is replaced, or a batch with `isUpdating` is appended to its list of
batches. Within one document the newest state of a dossier counts, once. A dossier received outside the period is put
aside.

A folder may also hold lists of the province's procedures (`DanhMucTTHC-2026-09-30.json`), each as of its day; of those
of a window the newest is read, by `procedures.py`.

A figure's locator is the JSON Pointer of the records it was counted from; which of them it counts, `FILTERS` and the
catalogue of metrics say in words.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, NoReturn

from connectors.one_stop.document import (
    DOSSIERS,
    PROCEDURES,
    PROGRESS,
    Suspect,
    batches_of,
    document_of,
    fail,
    moment,
    word,
)
from connectors.one_stop.dossier import FILTERS, LEVELS, Dossier, judge
from connectors.one_stop.procedures import read_procedures
from connectors.one_stop.redaction import is_kept_form, redact, unlisted_of
from dti_pipeline.harvest.codes import todays_code
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
    SourceFailure,
)
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

FROM, TO, UNITS, PROVINCE = "ngayTiepNhanFrom", "ngayTiepNhanTo", "donVi", "tinh"
SEPARATOR = "|"
"""Between units in a request; names of agencies hold commas."""
PAGE_SIZE = 20_000

_NAME = re.compile(r"(?:.*?[^0-9])??(?P<year>20\d\d)-(?P<month>\d\d)(?:-(?P<day>\d\d))?\.json")
_OPTIONS = {"file": {"units"}, "http": {"path", "slice", "page_size", "units", "by_unit"}}


class OneStop:
    """The connector; see `dti_pipeline.harvest.model.Connector` and `Redacts`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """The files of the window's days and months, or one REST request per slice.

        Raises ValueError, before the first request, for options that cannot be used.
        """
        options = _options(site)
        asked = {UNITS: SEPARATOR.join(options["units"])} if options.get("units") else {}
        if site.base_url.startswith("file:"):
            listing = yield Request("GET", "", kind="file")
            files = [
                (name, period)
                for name, period in _files(listing)
                if window.start <= period.start and period.end <= window.end
            ]
            for name, _ in files:
                if not _is_list(name):
                    yield Request("GET", name, params=asked, kind="file")
            # A list says how things stand on its day, so an older one adds nothing.
            for name in [name for name, _ in files if _is_list(name)][-1:]:
                yield Request("GET", name, params={PROVINCE: site.province}, kind="file")
            return
        night: dt.date | None = None
        for period in _slices(window, options.get("slice", "month")):
            if night is not None and period.start > night:
                return  # no dossier was received on a day that has not come
            for unit in options["units"] if options.get("by_unit") else [None]:
                answer = yield Request(
                    "GET",
                    options["path"],
                    params={
                        FROM: period.start.isoformat(),
                        TO: period.end.isoformat(),
                        "page": "0",
                        "size": str(options.get("page_size", PAGE_SIZE)),
                    }
                    | (asked if unit is None else {UNITS: unit}),
                )
                night = night if answer is None else answer.night

    def redact(self, snapshot: Snapshot) -> Redacted:
        """Raises SourceFailure for every answer that is not a document of dossiers: nothing of it is kept."""
        if _is_listing(snapshot.request):
            return Redacted(snapshot.body, ())
        period = _period(snapshot.request)
        return redact(document_of(snapshot), snapshot.night or period.end)

    def read(self, snapshot: Snapshot) -> Reading:
        """Figures per unit over the period of the request. Bytes that were not redacted are redacted first.

        Raises SourceFailure: AUTH_FAILED, BLOCKED, HTTP_STATUS, TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE.
        """
        if _is_listing(snapshot.request):
            return _read_listing(snapshot)
        period = _period(snapshot.request)
        document = document_of(snapshot)
        if not is_kept_form(document):
            document = json.loads(self.redact(snapshot).body)
        if snapshot.request.kind == "file" and _is_list(snapshot.request.path):
            if snapshot.night is not None and period.end > snapshot.night:
                fail(FailureKind.WRONG_SHAPE, f"danh mục chốt ngày {period.end}, sau đêm đọc {snapshot.night}")
            return read_procedures(document, snapshot.request.params.get(PROVINCE, ""), period.end)
        return _Document(document, snapshot.request, period).read()


CONNECTOR = OneStop()


class _Document:
    """One redacted document on its way to a Reading."""

    def __init__(self, document: Any, request: Request, period: Period) -> None:
        self.batches, self.request, self.period = batches_of(document), request, period
        if any(batch["service"] == PROCEDURES for batch in self.batches):
            fail(FailureKind.WRONG_SHAPE, f"lô {PROCEDURES} phải nằm trong tệp riêng, tên {PROCEDURES}-YYYY-MM-DD.json")
        said = document["redaction"] if isinstance(document["redaction"], dict) else {}
        passed = said.get("due_passed")
        self.due_passed = dt.date.fromisoformat(passed) if isinstance(passed, str) else None
        self.unknown = unlisted_of(document)
        self.quarantined: list[Quarantined] = []
        self.warnings = [f"trường mới «{name}» (không lưu)" for name in self.unknown]
        self.lacking: dict[str, int] = {}
        named = [name for name in request.params.get(UNITS, "").split(SEPARATOR) if name]
        self.asked = {_key(name): name for name in named}
        """Units whose silence in a whole answer means 0, with the names they were asked for by."""

    def read(self) -> Reading:
        self._check_whole()
        newest = self._newest()
        dossiers: dict[int, Dossier] = {}
        for number, (at, record) in newest.items():
            try:
                dossier = judge(record, self.due_passed)
                if not self.period.start <= dossier.received_on <= self.period.end:
                    raise Suspect(f"tiếp nhận ngày {dossier.received_on}, ngoài kỳ {self.period} của tệp hoặc yêu cầu")
                dossiers[number] = dossier
            except Suspect as reason:
                self._put_aside(at, reason, record)
        for dossier in dossiers.values():
            for column in dossier.unknown:
                self.lacking[column] = self.lacking.get(column, 0) + 1
        for column, count in sorted(self.lacking.items()):
            self.warnings.append(f"{count} hồ sơ không có cột «{column}»: không đếm được chỉ tiêu dựa trên cột này")
        observations = [*self._counts(dossiers), *self._steps(dossiers)]
        return Reading(tuple(observations), tuple(self.warnings), tuple(self.quarantined))

    def _check_whole(self) -> None:
        """Only a whole answer can be used: what is on a second page would be missing from every count."""
        if self.request.kind == "file":
            return
        batch = self.batches[0]
        rows, total, size = len(batch["data"]), batch.get("total"), self.request.params.get("size", "")
        if len(self.batches) != 1 or batch["service"] != DOSSIERS:
            fail(FailureKind.WRONG_SHAPE, f"câu trả lời phải là một lô {DOSSIERS}")
        if total is None:
            if size.isdigit() and rows >= int(size):
                fail(FailureKind.TRUNCATED, f"trả đúng {rows} hồ sơ bằng cỡ trang đã hỏi, không rõ còn nữa không")
            self.warnings.append("câu trả lời không có «total», không kiểm tra được có đủ hồ sơ không")
        elif str(total) != str(rows):
            fail(FailureKind.TRUNCATED, f"trả {rows} hồ sơ trong tổng số {total}: không cộng được từ nhiều trang")

    def _newest(self) -> dict[int, tuple[str, Mapping[str, Any]]]:
        """The newest state of each dossier with its pointer."""
        newest: dict[int, tuple[str, Mapping[str, Any]]] = {}
        repeated = 0
        for position, batch in enumerate(self.batches):
            if batch["service"] != DOSSIERS:
                continue
            is_updating, seen = word(batch, "isUpdating") == "1", set()
            for row, record in enumerate(batch["data"]):
                at, number = f"/batches/{position}/data/{row}", record.get("MaHoSo")
                if not isinstance(number, int):
                    self._put_aside(at, Suspect("thiếu MaHoSo nên không biết có trùng không"), record)
                    continue
                repeated += number in seen and not is_updating
                seen.add(number)
                newest[number] = (at, record)
        if repeated:
            self.warnings.append(f"{repeated} hồ sơ lặp lại trong lô không phải lô cập nhật; tính bản sau cùng")
        return newest

    def _put_aside(self, at: str, reason: Suspect, record: Mapping[str, Any]) -> None:
        self.quarantined.append(Quarantined(at, str(reason), json.dumps(record, ensure_ascii=False, sort_keys=True)))

    def _place(self, service: str) -> str:
        """The array that a count is about; the document itself where more than one batch has such records."""
        places = [at for at, batch in enumerate(self.batches) if batch["service"] == service]
        return f"/batches/{places[0]}/data" if len(places) == 1 else "/batches"

    def _counts(self, dossiers: Mapping[int, Dossier]) -> Iterator[Observation]:
        filters = dict(FILTERS)
        if any("MucDo" in record for batch in self.batches for record in batch["data"]):
            filters |= LEVELS
        of_unit: dict[str, list[Dossier]] = {unit: [] for unit in self.asked}
        names = dict(self.asked)
        for dossier in dossiers.values():
            of_unit.setdefault(_key(dossier.unit), []).append(dossier)
            names.setdefault(_key(dossier.unit), dossier.unit)
        place = self._place(DOSSIERS)
        for unit in sorted(of_unit):
            for metric in filters:
                said = [dossier.counts[metric] for dossier in of_unit[unit]]
                value = None if None in said else said.count(True)
                yield self._observe(metric, unit, names[unit], value, place)

    def _steps(self, dossiers: Mapping[int, Dossier]) -> Iterator[Observation]:
        """Steps of handling, where the document has a batch of them; a step sent twice is one."""
        if all(batch["service"] != PROGRESS for batch in self.batches):
            return
        steps: dict[str, dict[tuple[Any, ...], bool | None]] = {}
        for position, batch in enumerate(self.batches):
            for row, record in enumerate(batch["data"] if batch["service"] == PROGRESS else []):
                try:
                    done, due = moment(record, "ThoiDiemXuLy"), moment(record, "NgayKetThucTheoQuyDinh")
                    dossier = dossiers.get(record.get("MaHoSo") or 0)
                    if done is None:
                        raise Suspect("thiếu ThoiDiemXuLy")
                    if dossier is None:
                        raise Suspect("bước xử lý của hồ sơ không có trong tài liệu này")
                except Suspect as reason:
                    self._put_aside(f"/batches/{position}/data/{row}", reason, record)
                    continue
                key = (record["MaHoSo"], done, word(record, "TrangThai"))
                steps.setdefault(_key(dossier.unit), {})[key] = None if due is None else done.is_by(due)
        place = self._place(PROGRESS)
        names = {_key(dossier.unit): dossier.unit for dossier in dossiers.values()} | self.asked
        for unit in sorted(names):
            judged = list(steps.get(unit, {}).values())
            yield self._observe("dossier_steps", unit, names[unit], len(judged), place)
            yield self._observe("dossier_steps_on_time", unit, names[unit], judged.count(True), place)
            yield self._observe("dossier_steps_overdue", unit, names[unit], judged.count(False), place)

    def _observe(self, metric: str, unit: str, name: str, value: int | None, at: str) -> Observation:
        state = InputState.MISSING if value is None else InputState.HARVESTED
        figure = None if value is None else Decimal(value)
        return Observation(metric, unit, name, self.period, state, at, value=figure, unit_code=todays_code(unit))


def _key(unit: str) -> str:
    """A unit as figures name it: its identifier code where the source uses one, in either spelling."""
    return todays_code(unit) or unit


# --- asking ---


def _options(site: Site) -> dict[str, Any]:
    """The site's options, checked. Raises ValueError saying which option of which site, and what it should be."""
    options, kind = dict(site.options), "file" if site.base_url.startswith("file:") else "http"

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    for option in sorted(options.keys() - _OPTIONS[kind]):
        wrong(option, f"a site of {kind} knows only {', '.join(sorted(_OPTIONS[kind]))}: correct or remove it")
    units = options.get("units")
    if units is not None and (
        not isinstance(units, list)
        or not units
        or any(not isinstance(unit, str) or not unit.strip() or SEPARATOR in unit for unit in units)
        or len(set(units)) != len(units)
    ):
        wrong("units", "give each unit once as DonViXuLy names it, without «|», or remove it")
    if kind == "file":
        return options
    path = options.get("path")
    if not isinstance(path, str) or not path.startswith("/") or "?" in path:
        wrong("path", "give the listing's path beneath base_url, such as /dong-bo-ho-so, without «?»")
    if options.get("slice", "month") not in ("month", "day"):
        wrong("slice", "give month or day, or remove it")
    size = options.get("page_size", PAGE_SIZE)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 1_000_000:
        wrong("page_size", "give a whole number from 1 to 1000000: an answer must hold its whole slice")
    if not isinstance(options.get("by_unit", False), bool):
        wrong("by_unit", "give true or false, or remove it")
    if units is None and (options.get("by_unit") or options.get("slice") == "day"):
        wrong("units", "list the units: single units are asked for, or days without a dossier are to be 0")
    return options


def _slices(window: Period, kind: str) -> Iterator[Period]:
    day = window.start
    while day <= window.end:
        part = Period(day, day) if kind == "day" else periods.month(day.year, day.month)
        yield Period(day, min(part.end, window.end))
        day = part.end + dt.timedelta(days=1)


def _is_listing(request: Request) -> bool:
    return request.kind == "file" and request.path == ""


def _is_list(name: str) -> bool:
    """Whether a file is a list of procedures, by its name."""
    return name.rpartition("/")[2].startswith(f"{PROCEDURES}-")


def _named_period(name: str) -> Period | None:
    found = _NAME.fullmatch(name.rpartition("/")[2])
    if found is None or (_is_list(name) and found["day"] is None):
        return None
    try:
        whole = periods.month(int(found["year"]), int(found["month"]))
        if found["day"] is None:
            return whole
        day = whole.start.replace(day=int(found["day"]))
    except ValueError:
        return None
    return Period(day, day)


def _names(snapshot: Snapshot) -> list[str]:
    """Names in a folder's listing. Raises SourceFailure."""
    listing = document_of(snapshot)
    files = listing.get("files") if isinstance(listing, dict) else None
    if not isinstance(files, list):
        fail(FailureKind.WRONG_SHAPE, "danh sách thư mục không có dạng {files: […]}")
    names = [item.get("name") if isinstance(item, dict) else None for item in files]
    if any(not isinstance(name, str) for name in names):
        fail(FailureKind.WRONG_SHAPE, "danh sách thư mục có mục không có tên")
    return sorted(str(name) for name in names)


def _files(listing: Snapshot | None) -> list[tuple[str, Period]]:
    """Files with their periods, oldest first; none where the listing cannot be used, which `read` says."""
    if listing is None:
        return []
    try:
        _read_listing(listing)
        named = [(name, period) for name in _names(listing) if (period := _named_period(name)) is not None]
    except SourceFailure:
        return []
    return sorted(named, key=lambda item: item[1])


def _read_listing(snapshot: Snapshot) -> Reading:
    """No figures: only whether the folder can be used. Raises SourceFailure."""
    periods_of = {name: _named_period(name) for name in _names(snapshot)}
    named = sorted((period, name) for name, period in periods_of.items() if period is not None)
    if not named:
        fail(FailureKind.SOURCE_ERROR, "thư mục chưa có tệp nào tên …YYYY-MM.json hoặc …YYYY-MM-DD.json")
    for (first, one), (second, other) in (
        pair for is_list in (False, True) for pair in pairwise(item for item in named if _is_list(item[1]) is is_list)
    ):
        if second.start <= first.end:
            fail(FailureKind.WRONG_SHAPE, f"hai tệp cùng nói về ngày {second.start}: «{one}» và «{other}»; chỉ giữ một")
    ignored = [name for name, period in periods_of.items() if period is None]
    wanted = {name: f"{PROCEDURES}-YYYY-MM-DD.json" if _is_list(name) else "…YYYY-MM[-DD].json" for name in ignored}
    return Reading(warnings=tuple(f"tệp «{name}» không theo tên {form}: không đọc" for name, form in wanted.items()))


def _period(request: Request) -> Period:
    """The days that a document is about. Raises SourceFailure where the stored request does not say."""
    if request.kind == "file":
        named = _named_period(request.path)
        if named is None:
            fail(FailureKind.WRONG_SHAPE, "tên tệp không cho biết kỳ: cần …YYYY-MM.json hoặc …YYYY-MM-DD.json")
        return named
    try:
        period = Period(*(dt.date.fromisoformat(request.params.get(name, "")) for name in (FROM, TO)))
    except ValueError:
        fail(FailureKind.WRONG_SHAPE, f"yêu cầu phải được lưu kèm {FROM} và {TO}")
    if period.end < period.start:
        fail(FailureKind.WRONG_SHAPE, f"{TO} trước {FROM}")
    return period
