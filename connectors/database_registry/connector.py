"""A province's list of databases, platforms and data items: asking for it as it stood, and reading it.

Here: the request (`plan`) and what makes an answer unusable as a whole (`read`). Not here: records (`registry.py`),
counting (`counting.py`).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from connectors.database_registry.counting import observations
from connectors.database_registry.registry import fail, read_registry
from dti_pipeline.harvest.model import FailureKind, Plan, Reading, Request, Site, Snapshot
from dti_pipeline.scoring.periods import Period

PATH = "/api/v1/danh-muc-csdl"

_PATH = re.compile(r"/[!-~]+")
_OPTIONS = frozenset({"path"})
_BLOCK_PHRASES = (b"request rejected", b"access denied")


class DatabaseRegistry:
    """The connector; see `dti_pipeline.harvest.model.Connector`."""

    def plan(self, site: Site, window: Period) -> Plan:
        """One request: the newest list that was closed by the window's last day.

        Raises ValueError, before it, for options that are not as they should be.
        """
        path = site.options.get("path", PATH)

        def wrong(option: str, advice: str) -> NoReturn:
            raise ValueError(f"site {site.name}: option {option} is {site.options[option]!r}; {advice}")

        for option in sorted(site.options.keys() - _OPTIONS):
            wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
        if not isinstance(path, str) or not _PATH.fullmatch(path) or any(sign in path for sign in "?#\\"):
            wrong("path", f"give a path such as {PATH}, in plain ASCII without «?», «#» or backslash")
        yield Request("GET", path, params={"province": site.province, "as_of": window.end.isoformat()})

    def read(self, snapshot: Snapshot) -> Reading:
        """The counts of one list, as of the day it names.

        Raises SourceFailure: BLOCKED, AUTH_FAILED, HTTP_STATUS, SOURCE_ERROR, TRUNCATED, NOT_JSON, WRONG_SHAPE,
        WRONG_ROOT.
        """
        registry = read_registry(_document(snapshot))
        asked = snapshot.request.params
        if registry.province != asked.get("province", registry.province):
            said = f"hỏi danh mục của {asked['province']}, nguồn trả danh mục của {registry.province}"
            fail(FailureKind.WRONG_ROOT, said)
        latest = [day for day in (snapshot.night, _asked_day(asked.get("as_of"))) if day is not None]
        if latest and registry.as_of > min(latest):
            fail(FailureKind.WRONG_SHAPE, f"danh mục ghi chốt ngày {registry.as_of}, sau ngày được hỏi hoặc đêm đọc")
        return Reading(tuple(observations(registry)), registry.warnings, registry.quarantined)


CONNECTOR = DatabaseRegistry()


def _asked_day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        fail(FailureKind.WRONG_SHAPE, f"yêu cầu lưu kèm as_of không phải ngày: «{text[:40]}»")


def _document(snapshot: Snapshot) -> Any:
    """The answer, parsed, numbers as Decimal. Raises SourceFailure."""
    status, body = snapshot.status, snapshot.body
    if status == 429 or any(phrase in body[:4096].lower() for phrase in _BLOCK_PHRASES):
        fail(FailureKind.BLOCKED, f"nguồn từ chối (HTTP {status})")
    if status in (401, 403):
        fail(FailureKind.AUTH_FAILED, f"nguồn không chấp nhận mã truy cập (HTTP {status})")
    if status == 408 or status >= 500:
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=True)
    try:
        parsed = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
        if status != 200:
            fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200")
        if body.lstrip()[:1] == b"{" and body.rstrip()[-1:] != b"}":
            fail(FailureKind.TRUNCATED, f"JSON bị cắt ngang sau {len(body)} byte", retryable=True)
        fail(FailureKind.NOT_JSON, f"không phải JSON ({len(body)} byte)")
    if isinstance(parsed, dict) and "error" in parsed:
        fail(FailureKind.SOURCE_ERROR, f"nguồn báo lỗi (HTTP {status}): {str(parsed['error'])[:200]}")
    if status not in (200, 201):
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200")
    return parsed
