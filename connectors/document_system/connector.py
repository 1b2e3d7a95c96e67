"""Monthly totals of a province's document management system, in a form of our own that stands for an agreement.

`GET /document-statistics?from=&to=&page=&pageSize=`, bearer token:

    {"meta": {"from", "to", "until", "page", "pageSize", "totalRows", "secretExcluded": true, "scope": "own"},
     "rows": [{"organId", "organName", "month": "2026-09", "state": "reported",
               "outgoing": {"total", "electronic", "signed"}, "workDossiers": {"total", "online"}}]}

`until` is the day up to which figures are complete; a month that has it inside ends there. `state` may also be
`not_connected`: the unit does not work in the system, so nothing is known of it. A null is a figure that the system
does not keep for the unit. An error is `{"error": {"code", "message"}}`, with any status.

Here: options, pages and reading. Not here: fetching and the token (the harvest kit).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import urlsplit

from dti_pipeline.harvest.answers import strict_json
from dti_pipeline.harvest.codes import is_within, todays_code
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Plan,
    Quarantined,
    Reading,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

PATH = "/document-statistics"
PAGE_SIZE = 100
MAX_PAGES = 500
NOT_CONNECTED = "đơn vị chưa làm việc trên hệ thống quản lý văn bản"

_FIGURES = {
    ("outgoing", "total"): "outgoing_documents",
    ("outgoing", "electronic"): "outgoing_documents_electronic",
    ("outgoing", "signed"): "outgoing_documents_signed",
    ("workDossiers", "total"): "work_dossiers",
    ("workDossiers", "online"): "work_dossiers_online",
}
_PARTS = (
    (("outgoing", "electronic"), ("outgoing", "total")),
    (("outgoing", "signed"), ("outgoing", "electronic")),
    (("workDossiers", "online"), ("workDossiers", "total")),
)
_META_FIELDS = frozenset({"from", "to", "until", "page", "pageSize", "totalRows", "secretExcluded", "scope"})
_ROW_FIELDS = frozenset({"organId", "organName", "month", "state", "outgoing", "workDossiers"})
_GROUP_FIELDS = {
    group: frozenset(name for owner, name in _FIGURES if owner == group) for group in ("outgoing", "workDossiers")
}
_LARGEST = Decimal(10) ** 12


class DocumentSystem:
    """The connector; see `dti_pipeline.harvest.model.Connector`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """The pages of one window, each after the other. Raises ValueError, before the first one, for wrong options."""
        size = _page_size(site)
        days = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        for page in range(1, MAX_PAGES + 1):
            answer = yield Request(
                "GET", PATH, params=days | {"root": site.province, "page": str(page), "pageSize": str(size)}
            )
            if answer is None or not _has_next_page(answer, page):
                return

    def read(self, snapshot: Snapshot) -> Reading:
        """The figures of one page. Raises SourceFailure: AUTH_FAILED, BLOCKED, HTTP_STATUS, UNSUPPORTED_PLATFORM,
        TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE, WRONG_ROOT."""
        document = _document(snapshot)
        asked = _Asked(snapshot.request)
        meta, rows = _page(document, asked)
        unread = {*document.keys() - {"meta", "rows"}, *meta.keys() - _META_FIELDS}
        observations: list[Observation] = []
        quarantined: list[Quarantined] = []
        seen: set[tuple[str, str]] = set()
        for position, row in enumerate(rows):
            at = f"/rows/{position}"
            if not isinstance(row, dict) or not isinstance(row.get("organId"), str):
                _fail(FailureKind.WRONG_SHAPE, f"{at} phải là một dòng có organId")
            unread |= row.keys() - _ROW_FIELDS
            for group, known in _GROUP_FIELDS.items():
                if isinstance(row.get(group), dict):
                    unread |= row[group].keys() - known
            try:
                found = tuple(_observed(row, at, asked, meta, seen))
            except _Suspect as suspect:
                kept = {name: row.get(name) for name in ("organId", "month", "state", "outgoing", "workDossiers")}
                record = json.dumps(kept, ensure_ascii=False, default=str, sort_keys=True)
                quarantined.append(Quarantined(at, str(suspect), record))
            else:
                observations += found
        warnings = tuple(f"trường mới «{name}»: chưa được đọc" for name in sorted(unread))
        return Reading(tuple(observations), warnings, tuple(quarantined))


CONNECTOR = DocumentSystem()


class _Suspect(Exception):
    """A row that cannot be trusted, with the reason."""


class _Asked:
    """What a stored request asks for. Raises SourceFailure where it does not say."""

    def __init__(self, request: Request) -> None:
        params = request.params
        try:
            self.window = Period(dt.date.fromisoformat(params["from"]), dt.date.fromisoformat(params["to"]))
            self.root, self.page, self.size = params["root"], int(params["page"]), int(params["pageSize"])
        except (KeyError, ValueError):
            _fail(FailureKind.WRONG_SHAPE, "yêu cầu phải được lưu kèm from, to, root, page và pageSize")
        if not urlsplit(request.path).path.endswith(PATH):
            _fail(FailureKind.WRONG_SHAPE, f"đường dẫn «{request.path}» không phải {PATH}")


def _fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def _page_size(site: Site) -> int:
    for option in sorted(site.options.keys() - {"page_size"}):
        raise ValueError(f"site {site.name}: option {option} is unknown; this connector knows only page_size")
    size = site.options.get("page_size", PAGE_SIZE)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 1000:
        raise ValueError(f"site {site.name}: option page_size is {size!r}; give a whole number from 1 to 1000")
    return size


def _has_next_page(answer: Snapshot, page: int) -> bool:
    """Whether the answer is the page asked for and there are later ones; what else it may be, `read` says."""
    try:
        meta, _ = _page(_document(answer), _Asked(answer.request))
    except SourceFailure:
        return False
    return page * int(meta["pageSize"]) < int(meta["totalRows"])


def _document(snapshot: Snapshot) -> dict[str, Any]:
    status, head = snapshot.status, snapshot.body[:4096].lower()
    if b"request rejected" in head or b"access denied" in head:
        _fail(FailureKind.BLOCKED, f"HTTP {status}: trang chặn thay cho số liệu")
    if status in (401, 403):  # a source that is read with a token says so of the token
        _fail(FailureKind.AUTH_FAILED, f"HTTP {status}: hệ thống không chấp nhận mã truy cập")
    if status == 429:
        _fail(FailureKind.BLOCKED, "HTTP 429: hệ thống từ chối vì hỏi quá dày")
    if snapshot.body.lstrip()[:1] == b"<" and status in (200, 201):
        _fail(FailureKind.UNSUPPORTED_PLATFORM, "nguồn trả một trang web thay cho JSON")
    if status not in (200, 201):
        _fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=status == 408 or 500 <= status <= 599)
    document = strict_json(snapshot.body)
    if not isinstance(document, dict):
        _fail(FailureKind.WRONG_SHAPE, "câu trả lời phải là một đối tượng JSON")
    if (error_said := document.get("error")) is not None:
        code = error_said.get("code") if isinstance(error_said, dict) else error_said
        _fail(FailureKind.SOURCE_ERROR, f"hệ thống báo lỗi: {str(code)[:120]}")
    return document


def _page(document: Mapping[str, Any], asked: _Asked) -> tuple[Mapping[str, Any], list[Any]]:
    """Meta and rows of a page that is whole and is the one asked for."""
    meta, rows = document.get("meta"), document.get("rows")
    if not isinstance(meta, dict) or not isinstance(rows, list):
        _fail(FailureKind.WRONG_SHAPE, "thiếu meta (đối tượng) hoặc rows (danh sách); không suy ra bảng rỗng")
    if meta.get("secretExcluded") is not True:
        _fail(FailureKind.WRONG_SHAPE, "/meta/secretExcluded không phải true: số liệu không được gồm văn bản mật")
    if meta.get("scope") != "own":
        _fail(FailureKind.WRONG_SHAPE, "/meta/scope không phải own: số của đơn vị cha có thể đã gồm đơn vị con")
    numbers = [_count(meta.get(name)) for name in ("page", "pageSize", "totalRows")]
    page, size, total = numbers
    if page is None or size is None or total is None or size == 0:
        _fail(FailureKind.WRONG_SHAPE, "/meta thiếu page, pageSize hoặc totalRows")
    if page != asked.page:
        _fail(FailureKind.WRONG_SHAPE, f"trang {page} thay cho trang {asked.page} đã hỏi")
    if meta.get("from") != asked.window.start.isoformat() or meta.get("to") != asked.window.end.isoformat():
        _fail(FailureKind.WRONG_SHAPE, "số liệu của kỳ khác với kỳ đã hỏi")
    # The page size that the system says it used: one that caps pages silently has fewer rows than it says.
    expected = min(size, max(Decimal(0), total - (page - 1) * size))
    if len(rows) != expected:
        _fail(FailureKind.TRUNCATED, f"trang {page} có {len(rows)} dòng, theo totalRows {total} phải có {expected}")
    return meta, rows


def _observed(
    row: Mapping[str, Any], at: str, asked: _Asked, meta: Mapping[str, Any], seen: set[tuple[str, str]]
) -> Iterator[Observation]:
    written = row["organId"].strip()
    code = todays_code(written)
    if code is not None and not is_within(code, asked.root):
        _fail(FailureKind.WRONG_ROOT, f"{at}: đơn vị {code} không thuộc {asked.root}")
    period = _period(row.get("month"), asked, meta)
    if period is None:
        return
    key = (code or written, str(row["month"]))
    if key in seen:
        raise _Suspect("đơn vị và tháng này đã có một dòng khác")
    seen.add(key)
    name = row.get("organName")
    state = row.get("state")
    if state not in ("reported", "not_connected"):
        raise _Suspect(f"state «{state}» chưa biết")

    def figure(field: tuple[str, str], state: InputState, value: Decimal | None, reason: str | None) -> Observation:
        return Observation(
            metric=_FIGURES[field],
            unit=code or written,
            unit_name=name if isinstance(name, str) else written,
            period=period,
            state=state,
            locator=f"{at}/{'/'.join(field)}" if reason is None else f"{at}/state",
            value=value,
            unit_code=code,
            reason=reason,
        )

    if state == "not_connected":
        for field in _FIGURES:
            yield figure(field, InputState.UNAVAILABLE, None, NOT_CONNECTED)
        return
    values = {field: _value(row, field) for field in _FIGURES}
    for part, whole in _PARTS:
        less, more = values[part], values[whole]
        if less is not None and more is not None and less > more:
            raise _Suspect(f"{'/'.join(part)} {less} lớn hơn {'/'.join(whole)} {more}")
    for field, value in values.items():
        yield figure(field, InputState.MISSING if value is None else InputState.HARVESTED, value, None)


def _period(month: Any, asked: _Asked, meta: Mapping[str, Any]) -> Period | None:
    """The days of a row; None for a month that has not begun by `until`. Raises _Suspect."""
    match = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", month if isinstance(month, str) else "", re.ASCII)
    if match is None:
        raise _Suspect(f"month «{month}» không phải tháng yyyy-MM")
    days = periods.month(int(match[1]), int(match[2]))
    if not asked.window.start <= days.start <= days.end <= asked.window.end:
        raise _Suspect(f"tháng {month} ngoài kỳ đã hỏi {asked.window}")
    try:
        until = dt.date.fromisoformat(str(meta.get("until")))
    except ValueError:
        _fail(FailureKind.WRONG_SHAPE, "/meta/until phải là ngày yyyy-MM-dd mà số liệu đã đủ")
    return Period(days.start, min(days.end, until)) if days.start <= until else None


def _value(row: Mapping[str, Any], field: tuple[str, str]) -> Decimal | None:
    """A count, or None for null. Raises _Suspect for a missing key and for what is no count."""
    group, name = field
    holder = row.get(group)
    if not isinstance(holder, dict) or name not in holder:
        raise _Suspect(f"thiếu {group}/{name}: thiếu không phải 0")
    value = holder[name]
    if value is None:
        return None
    if (count := _count(value)) is None:
        raise _Suspect(f"{group}/{name} không phải số đếm: {value}")
    return count


def _count(value: object) -> Decimal | None:
    if isinstance(value, Decimal) and value == value.to_integral_value() and 0 <= value <= _LARGEST:
        return value.to_integral_value()
    return None
