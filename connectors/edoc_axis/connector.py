"""E-document exchange of a province: what to ask for, and which reader an answer goes to.

Three dialects, by a site's option `dialect`:

- edxml_folder: a `file://` folder of `.edxml` messages, loose or in one subfolder a month (`2026-09/`). It tells of the
  days up to the newest message; nothing is said about later days. A month's subfolder is complete once there is one of
  a later month. One message alone is no figure, so the kit is asked for all of a folder or month at once (`contents`).
- edxml_rest: an archive that lists messages with their content (a form of our own, in the words of the VXP service);
  its `until` says up to which day it is complete. Calls that act on a real inbox (getEdoc, updateStatus) are not made.
- stat_detail: the public statistics of a Bkav eDoc axis.

Here: options, requests, dispatch and redaction. Not here: messages, counts and statistics (the modules beside).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import urlsplit

from connectors.edoc_axis.answers import document_of, fail
from connectors.edoc_axis.counts import Batch, count_batch, months_of, redact_batch
from connectors.edoc_axis.statistics import read_detail, read_totals, total_of
from dti_pipeline.harvest.codes import is_within, todays_code
from dti_pipeline.harvest.model import FailureKind, Plan, Reading, Redacted, Request, Site, Snapshot, SourceFailure
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period

FOLDER, REST, STATISTICS = "edxml_folder", "edxml_rest", "stat_detail"
LISTING = "listing"
LOOSE = "*.edxml"
ARCHIVE_PATH = "/edocs"
DETAIL_PATH = "/public/-/stat/detail"
TOTAL_PATH = "/public/-/document/stat"
YEAR_HEADER = "DTI-Year"
_MONTHLY = re.compile(r"([0-9]{4}-(?:0[1-9]|1[0-2]))/[^/]+\.edxml")
_OPTIONS = {
    FOLDER: frozenset({"dialect", "agencies"}),
    REST: frozenset({"dialect", "agencies", "slice"}),
    STATISTICS: frozenset({"dialect"}),
}


class EdocAxis:
    """The connector; see `dti_pipeline.harvest.model.Connector` and `Redacts`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """The requests for one site and window. Raises ValueError, before the first one, for wrong options."""
        dialect, agencies, slices = _options(site)
        about = {"root": site.province} | ({"agencies": ",".join(agencies)} if agencies else {})
        if dialect == FOLDER:
            listing = yield Request("GET", "", kind="file")
            if listing is None:
                return
            for pattern, part, is_complete in _batches_in(listing, window):
                days = {"from": part.start.isoformat(), "to": part.end.isoformat()}
                closed = {"complete": "yes"} if is_complete else {}
                yield Request("GET", "", params={"contents": pattern} | days | about | closed, kind="file")
        elif dialect == REST:
            for part in months_of(window) if slices == "month" else _days_of(window):
                days = {"from": part.start.isoformat(), "to": part.end.isoformat()}
                yield Request("GET", ARCHIVE_PATH, params=days | about)
        else:
            night: dt.date | None = None
            for part in months_of(window):
                answer = yield Request("GET", DETAIL_PATH, params=_shown(part) | about)
                night = night if answer is None else answer.night
            # The total knows no dates: it is of the running year, so the leaves of a whole year are compared with it.
            # The year makes the question another one in January, whatever bytes answer it.
            running = {YEAR_HEADER: str(night.year)} if night else {}
            answer = yield Request("GET", TOTAL_PATH, params=about, headers=running)
            hub = {} if answer is None else {"hubTotal": str(total_of(document_of(answer)))}
            yield Request("GET", DETAIL_PATH, params=_shown(periods.year(window.start.year)) | about | hub)

    def read(self, snapshot: Snapshot) -> Reading:
        """Figures per unit and month. Raises SourceFailure where the answer as a whole cannot be used."""
        name = _asked(snapshot.request)
        document = document_of(snapshot)
        if name == LISTING:
            return Reading(warnings=_unread_files(document))
        root = _root(snapshot.request)
        if name == TOTAL_PATH:
            return read_totals(document, root, snapshot.night)
        if name == DETAIL_PATH:
            asked = _dates(snapshot.request, "fromDate", "toDate")
            return read_detail(document, asked, root, snapshot.night, snapshot.request.params.get("hubTotal"))
        stored, _ = redact_batch(document)
        params = snapshot.request.params
        agencies = tuple(code for code in params.get("agencies", "").split(",") if code)
        is_complete = params.get("complete") == "yes"
        return count_batch(
            stored, Batch(_dates(snapshot.request, "from", "to"), root, agencies, is_complete, snapshot.night)
        )

    def redact(self, snapshot: Snapshot) -> Redacted:
        """Messages without persons, subjects, contents and attachments; classified ones not at all."""
        if _asked(snapshot.request) in (TOTAL_PATH, DETAIL_PATH, LISTING):
            return Redacted(snapshot.body, ())
        stored, removed = redact_batch(document_of(snapshot))
        text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"), default=_plain)
        return Redacted(text.encode(), tuple(sorted(removed)))


CONNECTOR = EdocAxis()


def _options(site: Site) -> tuple[str, tuple[str, ...], str]:
    options = site.options

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    dialect = options.get("dialect")
    if not isinstance(dialect, str) or dialect not in _OPTIONS:
        wrong("dialect", f"give one of {', '.join(_OPTIONS)}")
    for option in sorted(options.keys() - _OPTIONS[dialect]):
        wrong(option, f"dialect {dialect} knows only {', '.join(sorted(_OPTIONS[dialect]))}: correct or remove it")
    is_folder = urlsplit(site.base_url).scheme == "file"
    if is_folder != (dialect == FOLDER):
        wrong("dialect", f"base_url is {'a' if is_folder else 'no'} file:// folder; correct the one that is wrong")
    agencies = options.get("agencies", [])
    if not isinstance(agencies, list | tuple) or not all(
        isinstance(code, str) and todays_code(code) == code and is_within(code, site.province) for code in agencies
    ):
        wrong("agencies", f"give a list of identifier codes of {site.province} (H44.01), of units that use this source")
    if len(set(agencies)) != len(agencies):
        wrong("agencies", "name each unit once")
    slices = options.get("slice", "month")
    if slices not in ("month", "day"):
        wrong("slice", "give month, or day where a month's messages are too many for one answer")
    return dialect, tuple(agencies), slices


def _days_of(window: Period) -> tuple[Period, ...]:
    count = (window.end - window.start).days + 1
    days = (window.start + dt.timedelta(days=number) for number in range(count))
    return tuple(Period(day, day) for day in days)


def _shown(part: Period) -> dict[str, str]:
    return {"fromDate": f"{part.start:%d/%m/%Y}", "toDate": f"{part.end:%d/%m/%Y}"}


def _batches_in(listing: Snapshot, window: Period) -> list[tuple[str, Period, bool]]:
    """What to ask a folder for: pattern, days, and whether the days are over for it. Raises SourceFailure."""
    names = _names_in(document_of(listing))
    folders = sorted({match[1] for name in names if (match := _MONTHLY.fullmatch(name))})
    if not folders:
        return [(LOOSE, window, False)]
    months = {f"{month.start:%Y-%m}": month for month in months_of(window)}
    return [(f"{name}/{LOOSE}", months[name], name < folders[-1]) for name in folders if name in months]


def _names_in(document: Any) -> list[str]:
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(files, list) or not all(isinstance(file, dict) and "name" in file for file in files):
        fail(FailureKind.WRONG_SHAPE, "không phải danh sách tệp của một thư mục")
    return [str(file["name"]) for file in files]


def _unread_files(document: Any) -> tuple[str, ...]:
    """Files that no request asks for: other names, or loose ones beside the months' subfolders."""
    names = _names_in(document)
    monthly = [name for name in names if _MONTHLY.fullmatch(name)]
    read = monthly or [name for name in names if "/" not in name and name.endswith(".edxml")]
    left = sorted(set(names) - set(read))
    return (f"{len(left)} tệp không được đọc, đầu tiên: {left[0]}",) if left else ()


def _asked(request: Request) -> str:
    """Which of the known questions a stored request is, whose path may also be a whole address."""
    if request.kind == "file":
        return FOLDER if "contents" in request.params else LISTING
    path = urlsplit(request.path).path.rstrip("/")
    for known in (ARCHIVE_PATH, DETAIL_PATH, TOTAL_PATH):
        if path.endswith(known):
            return known
    raise SourceFailure(FailureKind.WRONG_SHAPE, f"đường dẫn «{request.path}» không phải của trục liên thông")


def _root(request: Request) -> str:
    root = request.params.get("root", "")
    if todays_code(root) != root:
        fail(FailureKind.WRONG_SHAPE, "yêu cầu phải được lưu kèm tham số root (mã định danh của tỉnh)")
    return root


def _dates(request: Request, first: str, last: str) -> Period:
    """The days that were asked for; no answer repeats them. Raises SourceFailure."""
    form = "%d/%m/%Y" if first == "fromDate" else "%Y-%m-%d"
    try:
        # Days only: the time zone of midnight means nothing here.
        found = [dt.datetime.strptime(request.params[name], form).date() for name in (first, last)]  # noqa: DTZ007
    except (KeyError, ValueError):
        found = []
    if len(found) != 2 or found[0] > found[1]:
        raise SourceFailure(FailureKind.WRONG_SHAPE, f"yêu cầu phải được lưu kèm {first} và {last}")
    return Period(found[0], found[1])


def _plain(value: object) -> int:
    if isinstance(value, Decimal):
        return int(value)
    raise TypeError(f"{value!r} is no count")
