"""Visits of portals from Matomo: what to ask its Reporting API, and what its bytes say.

Here: bulk requests (`plan`) and their answers (`read`), both pure. Not here: the token, which the kit puts into the
form body (auth kind `form_field`, name `token_auth`); page counters and access logs, which are other connectors.

A month or a day is read only once it is over: today's figure still moves. «[]» is a period without data, which is
missing and not 0: a tracking code that was taken off the pages looks the same. Unique visitors are read by day only,
since those of days do not add up to those of a month.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qs, urlencode

from bs4 import BeautifulSoup

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

SITES_PER_REQUEST = 20
METHOD = "VisitsSummary.get"
UNIT_KEY = "dtiUnit"
"""Names the unit of a sub-request, so that the stored request says whose figures these are. Matomo ignores it."""

_OPTIONS = ("sites", "period")
_UNIT = re.compile(r"[A-Z]\d{2}(\.\d{2,3})*")
_METRICS = {"nb_visits": "portal_visits", "nb_actions": "portal_actions"}
_BY_DAY = {"nb_uniq_visitors": "portal_daily_visitors"}
_KNOWN = frozenset(
    {"nb_uniq_visitors", "nb_users", "nb_visits", "nb_actions", "nb_visits_converted", "bounce_count"}
    | {"sum_visit_length", "max_actions", "bounce_rate", "nb_actions_per_visit", "avg_time_on_site"}
)
_BLOCK_PHRASES = (b"request rejected", b"access denied")
_REFUSED = re.compile(
    r"unable to authenticate|token_auth|not authenticated|requires? '?(view|admin|write)'? access", re.I
)
_SECRET = re.compile(r"[0-9a-fA-F]{32,}")


class _Asked(NamedTuple):
    """One sub-request of a bulk request."""

    website: str
    unit: str
    period: str
    first: dt.date
    last: dt.date

    @property
    def keys(self) -> dict[str, Period]:
        """What the answer's entries are called, and the days that each is about."""
        if self.period == "month":
            return {f"{self.first:%Y-%m}": Period(self.first, self.last)}
        days = (self.first + dt.timedelta(days=number) for number in range((self.last - self.first).days + 1))
        return {day.isoformat(): Period(day, day) for day in days}


class _Suspect(Exception):
    """A record that cannot be trusted, with the reason."""


class Matomo:
    """The connector; see `dti_pipeline.harvest.model.Connector`.

    Options of a site: `sites`, Matomo's idSite -> identifier code of the unit whose portal it is; `period`, `month`
    (the default) or `day` (needed for windows that do not begin with a month, and for daily visitors).
    """

    def plan(self, site: Site, window: Period) -> Plan:
        """One bulk request a month and 20 websites; months that are not over on the night are not asked for.

        Raises ValueError, before the first request, for options or a window that Matomo cannot be asked with.
        """
        websites, period = _options(site)
        night: dt.date | None = None
        for month in _months(window):
            if night is not None and night < (month.end if period == "month" else month.start):
                return
            for start in range(0, len(websites), SITES_PER_REQUEST):
                answer = yield _request(websites[start : start + SITES_PER_REQUEST], period, month)
                if answer is not None:
                    night = answer.night

    def read(self, snapshot: Snapshot) -> Reading:
        """Raises SourceFailure: BLOCKED, AUTH_FAILED, HTTP_STATUS, UNSUPPORTED_PLATFORM, TRUNCATED, NOT_JSON,
        SOURCE_ERROR, WRONG_SHAPE."""
        asked = _asked(snapshot.request)
        if snapshot.night is None:
            _fail(FailureKind.WRONG_SHAPE, "không biết đêm lấy số liệu, nên không biết kỳ nào đã khép")
        answers = _answers(snapshot)
        if len(answers) != len(asked):
            _fail(FailureKind.WRONG_SHAPE, f"hỏi {len(asked)} trang, Matomo trả lời {len(answers)}")
        errors = [_error_of(answer) for answer in answers]
        for error in errors:
            if error is not None and re.search("unable to authenticate", error, re.I):
                _fail(FailureKind.AUTH_FAILED, f"Matomo từ chối token: {error}")
        if errors and all(error is not None for error in errors):
            _fail_with(errors[0] or "")
        reader = _Reader(snapshot.night)
        for position, (question, answer, error) in enumerate(zip(asked, answers, errors, strict=True)):
            if error is None:
                reader.website(question, answer, f"/{position}")
            else:
                reader.refused(question, error, f"/{position}")
        return reader.reading()


CONNECTOR = Matomo()


# --- asking ---


def _options(site: Site) -> tuple[list[tuple[str, str]], str]:
    """(idSite, unit) pairs in the order of idSite, and the period. Raises ValueError saying what should be."""

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {site.options[option]!r}" if option in site.options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    for option in sorted(site.options.keys() - set(_OPTIONS)):
        wrong(option, f"this connector knows only {', '.join(_OPTIONS)}: correct or remove it")
    sites, period = site.options.get("sites"), site.options.get("period", "month")
    if not isinstance(sites, Mapping) or not sites:
        wrong("sites", "give Matomo's idSite and the unit's identifier code, such as {1: H00, 2: H00.11}")
    websites = {str(website): str(unit) for website, unit in sites.items()}
    if not all(re.fullmatch(r"[1-9]\d{0,6}", website) for website in websites) or len(websites) != len(sites):
        wrong("sites", "every key is an idSite, a whole number from 1 on, and stands once")
    if not all(_UNIT.fullmatch(unit) for unit in websites.values()):
        wrong("sites", "every value is an identifier code such as H00.11")
    if len(set(websites.values())) != len(websites):
        wrong("sites", "a unit stands twice: visits of two websites of one unit must be rolled up in Matomo itself")
    if period not in ("month", "day"):
        wrong("period", "give month or day")
    return sorted(websites.items(), key=lambda pair: int(pair[0])), period


def _months(window: Period) -> list[Period]:
    """The calendar months of a window. Raises ValueError where it does not consist of whole ones."""
    months, day = [], window.start
    while day <= window.end:
        months.append(periods.month(day.year, day.month))
        day = months[-1].end + dt.timedelta(days=1)
    if not months or window != Period(months[0].start, months[-1].end):
        raise ValueError(f"window {window}: ask for a calendar year, quarter or month")
    return months


def _request(websites: list[tuple[str, str]], period: str, month: Period) -> Request:
    urls = {}
    for position, (website, unit) in enumerate(websites):
        question = {
            "method": METHOD,
            "idSite": website,
            "period": period,
            "date": f"{month.start.isoformat()},{month.end.isoformat()}",
            # Otherwise rates come as "50%" and lists end after 100 entries.
            "format_metrics": "0",
            "filter_limit": "-1",
            UNIT_KEY: unit,
        }
        urls[f"urls[{position}]"] = urlencode(question, safe=",")
    params = {"module": "API", "method": "API.getBulkRequest", "format": "json"}
    return Request("POST", "index.php", params=params, data=urls)


def _asked(request: Request) -> list[_Asked]:
    """The sub-requests of a stored request. Raises SourceFailure where it is none of ours."""
    data = request.data or {}
    asked = []
    for position in range(len(data)):
        fields = parse_qs(data.get(f"urls[{position}]", ""))
        try:
            (website,), (unit,), (period,), (days,) = (fields[key] for key in ("idSite", UNIT_KEY, "period", "date"))
            first, last = (dt.date.fromisoformat(day) for day in days.split(","))
        except (KeyError, ValueError):
            _fail(FailureKind.WRONG_SHAPE, f"yêu cầu phải được lưu kèm thân yêu cầu; urls[{position}] không đọc được")
        asked.append(_Asked(website, unit, period, first, last))
    if not asked:
        _fail(FailureKind.WRONG_SHAPE, "yêu cầu phải được lưu kèm thân yêu cầu có urls[0], urls[1], …")
    return asked


# --- the envelope ---


def _fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def _fail_with(message: str) -> NoReturn:
    """An error of Matomo's own. What it says about tokens and rights is never asked again: it locks the address out."""
    if _REFUSED.search(message):
        _fail(FailureKind.AUTH_FAILED, f"Matomo từ chối token: {message}")
    _fail(FailureKind.SOURCE_ERROR, f"Matomo báo lỗi: {message}")


def _answers(snapshot: Snapshot) -> list[Any]:
    """The answers of a bulk request, numbers as Decimal. An error comes with status 200 as well as with others."""
    status, body = snapshot.status, snapshot.body
    head = body[:4096].lstrip().lower()
    is_page = head.startswith((b"<!doctype", b"<html")) or "text/html" in snapshot.header("content-type").lower()
    if status == 429 or any(phrase in head for phrase in _BLOCK_PHRASES):
        _fail(FailureKind.BLOCKED, f"máy chủ Matomo chặn (HTTP {status}): {_text_of(body)}")
    if status == 401:
        _fail(FailureKind.AUTH_FAILED, f"Matomo từ chối token (HTTP 401): {_text_of(body)}")
    if status == 403 and (is_page or not head.startswith(b"{")):
        _fail(FailureKind.BLOCKED, f"máy chủ Matomo chặn (HTTP 403): {_text_of(body)}")
    if is_page and status == 200 and not head.startswith((b"[", b"{")):
        _fail(FailureKind.UNSUPPORTED_PLATFORM, f"trang web thay cho câu trả lời của Matomo: {_text_of(body)}")
    if status != 200 and not head.startswith(b"{"):
        _fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=status == 408 or status >= 500)
    answer = _parsed(body)
    if (message := _error_of(answer)) is not None:
        _fail_with(message)
    if status == 403:
        _fail(FailureKind.AUTH_FAILED, f"Matomo từ chối token (HTTP 403): {_text_of(body)}")
    if status != 200:
        _fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=status == 408 or status >= 500)
    if not isinstance(answer, list):
        _fail(FailureKind.WRONG_SHAPE, "câu trả lời của yêu cầu gộp phải là một danh sách")
    return answer


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8-sig"), parse_int=Decimal, parse_float=Decimal, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        text = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body)
        if body.lstrip()[:1] in (b"[", b"{") and (
            b'"' in text or sum(map(text.count, (b"[", b"{"))) > sum(map(text.count, (b"]", b"}")))
        ):
            _fail(FailureKind.TRUNCATED, f"JSON bị cắt ngang sau {len(body)} byte", retryable=True)
        _fail(FailureKind.NOT_JSON, f"không phải JSON ({type(error).__name__})")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        _fail(FailureKind.WRONG_SHAPE, "một trường xuất hiện hai lần trong cùng một đối tượng")
    return fields


def _error_of(answer: Any) -> str | None:
    """Matomo's message, where an answer is its way of saying that it failed."""
    if isinstance(answer, dict) and answer.get("result") == "error":
        return _clean(str(answer.get("message", "")))
    return None


def _text_of(body: bytes) -> str:
    return _clean(body[:65536].decode("utf-8", "replace"))


def _clean(text: str) -> str:
    """What a person would read, short, and without anything that could be a token."""
    visible = BeautifulSoup(text, "html.parser").get_text(" ", strip=True) if "<" in text else text.strip()
    return _SECRET.sub("…", visible)[:300] or "(không có lời nào)"


# --- figures ---


class _Reader:
    """Gathers what one bulk answer says. Periods that are not over on the night are left out."""

    def __init__(self, night: dt.date) -> None:
        self.night = night
        self.observations: list[Observation] = []
        self.quarantined: list[Quarantined] = []
        self.warned: dict[str, list[str]] = {}

    def reading(self) -> Reading:
        warnings = (
            f"{what} (tại {places[0]}" + (f" và {len(places) - 1} chỗ khác)" if places[1:] else ")")
            for what, places in self.warned.items()
        )
        return Reading(tuple(self.observations), tuple(warnings), tuple(self.quarantined))

    def warn(self, what: str, where: str) -> None:
        self.warned.setdefault(what, []).append(where)

    def refused(self, asked: _Asked, message: str, at: str) -> None:
        """One website that Matomo gives nothing about, while it answers about others."""
        self.warn(f"Matomo báo lỗi với idSite {asked.website}: {message}", at)
        for days in asked.keys.values():
            if days.end <= self.night:
                self._add(asked, days, InputState.UNAVAILABLE, at, reason=f"Matomo báo lỗi: {message}")

    def website(self, asked: _Asked, answer: Any, at: str) -> None:
        """Figures of one website by period. An empty list, whole or for a period, is «no data»."""
        entries = {} if answer == [] else answer
        if not isinstance(entries, dict):
            _fail(FailureKind.WRONG_SHAPE, f"{at} phải là một đối tượng theo kỳ")
        if unknown := sorted(entries.keys() - asked.keys.keys()):
            # A flat object is the shape of one period, which was not asked for.
            _fail(FailureKind.WRONG_SHAPE, f"{at} có kỳ không được hỏi: {', '.join(unknown)[:120]}")
        for key, days in asked.keys.items():
            if days.end > self.night:
                continue
            where = f"{at}/{key}"
            if key not in entries:
                if entries:
                    self.warn("thiếu kỳ đã hỏi", where)
                self._add(asked, days, InputState.MISSING, at)
            elif entries[key] == []:
                self._add(asked, days, InputState.MISSING, where)
            elif isinstance(entries[key], dict):
                self._period(asked, days, entries[key], where)
            else:
                _fail(FailureKind.WRONG_SHAPE, f"{where} phải là một đối tượng, hoặc [] khi không có số liệu")

    def _period(self, asked: _Asked, days: Period, fields: Mapping[str, Any], at: str) -> None:
        for name in sorted(fields.keys() - _KNOWN):
            self.warn(f"trường mới «{name}»", at)
        try:
            numbers = {name: _count(fields, name, at) for name in (*_METRICS, *_BY_DAY)}
            visits, visitors = numbers["nb_visits"], numbers["nb_uniq_visitors"]
            if visits is not None and visitors is not None and visitors > visits:
                raise _Suspect(f"nb_uniq_visitors {visitors} lớn hơn nb_visits {visits}")
        except _Suspect as reason:
            record = json.dumps(fields, ensure_ascii=False, default=str)
            self.quarantined.append(Quarantined(at, f"{asked.unit}: {reason}", record))
            return
        for name, metric in self._wanted(asked).items():
            if name not in fields:
                self.warn(f"thiếu trường «{name}»", at)
            value = numbers[name]
            state = InputState.MISSING if value is None else InputState.HARVESTED
            place = f"{at}/{name}" if name in fields else at
            self.observations.append(
                Observation(metric, asked.unit, asked.unit, days, state, place, value, unit_code=asked.unit)
            )

    def _wanted(self, asked: _Asked) -> Mapping[str, str]:
        return _METRICS | _BY_DAY if asked.period == "day" else _METRICS

    def _add(self, asked: _Asked, days: Period, state: InputState, at: str, *, reason: str | None = None) -> None:
        self.observations += [
            Observation(metric, asked.unit, asked.unit, days, state, at, unit_code=asked.unit, reason=reason)
            for metric in self._wanted(asked).values()
        ]


def _count(fields: Mapping[str, Any], name: str, at: str) -> Decimal | None:
    """A whole number, also where it is printed as text; None for null and for a missing key."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}", value):
        return Decimal(value)
    if isinstance(value, str):
        raise _Suspect(f"{name} là chuỗi «{value[:40]}», không phải số đếm")
    if not isinstance(value, Decimal):
        _fail(FailureKind.WRONG_SHAPE, f"{at}/{name} phải là số")
    if value < 0 or value != value.to_integral_value() or value >= Decimal(10) ** 15:
        raise _Suspect(f"{name} không thể là số đếm: {value}")
    return value
