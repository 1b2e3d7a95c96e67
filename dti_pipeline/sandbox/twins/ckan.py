"""The practice open-data portal: a CKAN of the fictional province.

Here: its agencies and data sets, the three actions that are read, filters as its search engine understands them, and
errors as CKAN gives them. Not here: sockets (`server.py`). Agencies go by their identifier code in small letters.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dti_pipeline.sandbox.practice import SEED, draw, unit, units
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest

NAME = "ckan"
NOW = dt.datetime(2026, 10, 15, 17, 30, tzinfo=dt.UTC)
"""Half past midnight in Vietnam after the practice night."""
ROWS_MAX = 1000
AGENCIES_MAX = 25
WITHOUT_DATA = "H00.20"
"""An agency with a page and not one data set."""

_FORMATS = (("CSV", "PDF"), ("XLSX",), ("JSON", "CSV"), ("PDF",), ("DOCX",), ("XML",))
_CYCLES = ("monthly", "hàng quý", "hàng năm", "annually", "weekly", "khi có thay đổi", None)


@dataclass(frozen=True, slots=True)
class DataSet:
    """One public, active data set."""

    name: str
    organization: str
    formats: tuple[str, ...]
    frequency: str | None
    modified: dt.datetime


def slug(code: str) -> str:
    return code.lower().replace(".", "-")


@cache
def agencies() -> tuple[str, ...]:
    """Codes of the departments and districts, by CKAN name."""
    return tuple(sorted((item.code for item in units() if item.level in ("department", "district")), key=slug))


@cache
def data_sets(seed: int = SEED) -> tuple[DataSet, ...]:
    """All data sets, in a fixed order."""
    found = []
    for code in agencies():
        for number in range(0 if code == WITHOUT_DATA else draw(seed, code, "open-data").randint(1, 24)):
            rng = draw(seed, code, "open-data", number)
            found.append(
                DataSet(
                    name=f"{slug(code)}-{number:03d}",
                    organization=slug(code),
                    formats=rng.choice(_FORMATS),
                    frequency=rng.choice(_CYCLES),
                    modified=NOW - dt.timedelta(days=int(rng.triangular(0, 900, 20)), minutes=rng.randint(1, 1000)),
                )
            )
    return tuple(found)


# --- filters, as far as questions about organisations, formats, extras and times need them ---

_LEXER = re.compile(
    r"\s*(?:(?P<sign>[+()])|(?P<word>AND|OR)\b|(?P<field>[\w-]+):"
    r'(?:\((?P<any>(?:"[^"]*"(?:\s+OR\s+)?)+)\)|"(?P<one>[^"]*)"|\[NOW-(?P<days>\d+)DAYS TO NOW\]))'
)


def matching(filter_query: str) -> list[DataSet]:
    """Data sets that a filter lets through. Raises ValueError where the search engine could not parse it."""
    tokens: list[re.Match[str]] = []
    at = 0
    while at < len(filter_query.rstrip()):
        found = _LEXER.match(filter_query, at)
        if found is None:
            raise ValueError(f"cannot parse at {at}")
        tokens.append(found)
        at = found.end()

    def clauses(end: bool) -> Callable[[DataSet], bool]:
        """Clauses joined by AND, OR or `+`; to a closing bracket unless `end`."""
        parts, joined = [], "AND"
        while tokens and not (not end and tokens[0]["sign"] == ")"):
            token = tokens.pop(0)
            if token["sign"] == "+":
                continue
            if token["word"]:
                joined = token["word"]
            elif token["sign"] == "(":
                parts.append(clauses(end=False))
                if not tokens or tokens.pop(0)["sign"] != ")":
                    raise ValueError("a bracket is open")
            elif token["field"]:
                parts.append(_term(token))
            else:
                raise ValueError("a bracket is not open")
        every = all if joined == "AND" else any
        return lambda data: every(part(data) for part in parts)

    accepts = clauses(end=True)
    return [data for data in data_sets() if accepts(data)]


def _term(token: re.Match[str]) -> Callable[[DataSet], bool]:
    field = token["field"]
    words = frozenset(re.findall(r'"([^"]*)"', token["any"] or "")) or frozenset({token["one"]})
    if token["days"] and field == "metadata_modified":
        since = NOW - dt.timedelta(days=int(token["days"]))
        return lambda data: since <= data.modified <= NOW
    if field == "organization":
        return lambda data: data.organization in words
    if field == "res_format":
        return lambda data: not words.isdisjoint(data.formats)
    if field == "extras_frequency":
        return lambda data: data.frequency in words
    raise ValueError(f"undefined field {field}")


# --- actions ---


class _Refusal(Exception):
    def __init__(self, status: int, error: dict[str, Any]) -> None:
        self.status, self.error = status, error


def _number(request: TwinRequest, name: str, usual: int) -> int:
    text = request.params.get(name, str(usual))
    if not re.fullmatch(r"-?\d+", text):
        raise _Refusal(409, {name: ["Invalid integer"], "__type": "Validation Error"})
    return int(text)


def _status(request: TwinRequest) -> Any:
    del request
    return {
        "site_title": "Cổng dữ liệu mở tỉnh Thực Hành (hư cấu)",
        "site_url": "http://localhost",
        "ckan_version": "2.11.3",
        "extensions": ["activity", "dcat"],
        "locale_default": "vi",
    }


def _organizations(request: TwinRequest) -> Any:
    offset = _number(request, "offset", 0)
    if request.params.get("all_fields") != "true":
        return [slug(code) for code in agencies()][offset:][: min(_number(request, "limit", 1000), 1000)]
    counts = Counter(data.organization for data in data_sets())
    limit = min(_number(request, "limit", AGENCIES_MAX), AGENCIES_MAX)
    return [
        {
            "name": slug(code),
            "title": unit(code).name,
            "display_name": unit(code).name,
            "package_count": counts[slug(code)],
            "type": "organization",
            "state": "active",
        }
        for code in agencies()[offset:][:limit]
    ]


def _search(request: TwinRequest) -> Any:
    try:
        found = matching(request.params.get("fq", ""))
    except ValueError as error:
        raise _Refusal(409, {"message": f"Search Query is invalid: {error}", "__type": "Search Query Error"}) from None
    rows, start = min(_number(request, "rows", 10), ROWS_MAX), _number(request, "start", 0)
    counts = Counter(data.organization for data in found)
    most = _number(request, "facet.limit", 50)
    titles = {slug(code): unit(code).name for code in agencies()}
    items = [{"name": name, "display_name": titles[name], "count": count} for name, count in counts.most_common()]
    facets = {"organization": {"title": "organization", "items": items if most < 0 else items[:most]}}
    is_asked = "organization" in request.params.get("facet.field", "")
    return {
        "count": len(found),
        "facets": {"organization": dict(counts)} if is_asked else {},
        "search_facets": facets if is_asked else {},
        "sort": request.params.get("sort", "score desc, metadata_modified desc"),
        "results": [
            {
                "name": data.name,
                "owner_org": data.organization,
                "metadata_modified": data.modified.replace(tzinfo=None).isoformat(),
                "private": False,
                "state": "active",
            }
            for data in found[start : start + rows]
        ],
    }


_ACTIONS: Mapping[str, Callable[[TwinRequest], Any]] = {
    "status_show": _status,
    "organization_list": _organizations,
    "package_search": _search,
}


class CkanTwin:
    """The practice open-data portal; see `Twin`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        """An action's answer in CKAN's envelope; a page in HTML for any path that is no action."""
        prefix, _, action = request.path.strip("/").rpartition("/")
        if prefix != "api/3/action":
            return TwinAnswer(b"<!DOCTYPE html><html><title>404</title></html>", "text/html; charset=utf-8", status=404)
        if action not in _ACTIONS:
            return _json(f"Bad request: Action name not known: {action}", 400)
        about = f"http://localhost/api/3/action/help_show?name={action}"
        try:
            return _json({"help": about, "success": True, "result": _ACTIONS[action](request)})
        except _Refusal as refusal:
            return _json({"help": about, "success": False, "error": refusal.error}, refusal.status)

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """One site with all agencies."""
        del folder
        return [
            {
                "name": "thuc-hanh-du-lieu-mo",
                "connector": NAME,
                "base_url": base_url,
                "province": "H00",
                "windows": ["year"],
                "politeness": {"min_interval_s": 0, "jitter_s": 0, "backoff_s": 0},
                "options": {},
            }
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        """None: open data needs no login."""
        return {}


def _json(body: Any, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(body, ensure_ascii=False).encode(), "application/json;charset=utf-8", status=status)


TWIN = CkanTwin()
