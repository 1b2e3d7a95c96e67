"""The practice province's document management system: monthly totals per unit, behind a token, page by page.

Here: all outgoing documents of a unit, those of the practice axis (`edoc_axis.py`) among them, and its work dossiers.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest, edoc_axis, revalidated
from dti_pipeline.scoring import periods

TOKEN_VARIABLE = "DTI_PRACTICE_DOCUMENT_TOKEN"  # noqa: S105 - the name of a variable
TOKEN = "practice-document-token"  # noqa: S105 - made up, opens nothing but this
LARGEST_PAGE = 200
"""The system gives no more rows at once, and says so in `meta.pageSize`."""
MODIFIED = "Wed, 14 Oct 2026 16:00:00 GMT"
"""When the figures of `edoc_axis.LAST_DAY` were closed."""
UNKEPT = practice.PAUSED_UNIT
"""A commune that keeps no work dossiers in the system: null, not 0."""


def row(code: str, month: practice.Month) -> dict[str, Any]:
    """A unit's figures of a month; the running month as far as it has gone."""
    rng = practice.draw(practice.SEED, code, "documents", *month)
    exchanged = len(edoc_axis.sent(code, month))
    inside = rng.randint(0, 4) if exchanged else 0
    electronic = exchanged + inside
    total = electronic + (rng.randint(0, 3) if electronic else 0)
    dossiers = rng.randint(0, 12)
    return {
        "organId": code,
        "organName": practice.unit(code).name,
        "month": f"{month[0]}-{month[1]:02}",
        "state": "reported",
        "outgoing": {
            "total": total,
            "electronic": electronic,
            "signed": practice.part_of(rng, electronic, 880, 120),
        },
        "workDossiers": {
            "total": None if code == UNKEPT else dossiers,
            "online": None if code == UNKEPT else practice.part_of(rng, dossiers, 700, 250),
        },
    }


class DocumentSystemTwin:
    """The practice system over HTTP."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error("UNAUTHORIZED", "Mã truy cập không đúng", 401)
        if request.path != "document-statistics":
            return _error("NOT_FOUND", request.path, 404)
        if request.method != "GET":
            return _error("METHOD_NOT_ALLOWED", request.method, 405)
        try:
            window = periods.Period(*(dt.date.fromisoformat(request.params[name]) for name in ("from", "to")))
            page, size = int(request.params["page"]), min(int(request.params["pageSize"]), LARGEST_PAGE)
            if page < 1 or size < 1:
                raise ValueError
        except (KeyError, ValueError):
            return _error("BAD_REQUEST", "from, to: yyyy-MM-dd; page, pageSize: 1..", 200)
        rows = [row(code, month) for month in _months(window) for code in edoc_axis.senders()]
        meta = {
            "from": window.start.isoformat(),
            "to": window.end.isoformat(),
            "until": edoc_axis.LAST_DAY.isoformat(),
            "page": page,
            "pageSize": size,
            "totalRows": len(rows),
            "secretExcluded": True,
            "scope": "own",
        }
        return revalidated(request, _json({"meta": meta, "rows": rows[(page - 1) * size : page * size]}), MODIFIED)

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        return [
            {
                "name": "quan-ly-van-ban",
                "connector": "document_system",
                "base_url": base_url,
                "province": practice.ROOT,
                "windows": ["year"],
                "politeness": dict(edoc_axis.UNHURRIED),
                "auth": {"kind": "bearer", "token": TOKEN_VARIABLE},
                "options": {},
            }
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        return {TOKEN_VARIABLE: TOKEN}


TWIN = DocumentSystemTwin()


def _months(window: periods.Period) -> Iterator[practice.Month]:
    for year in range(edoc_axis.FIRST_DAY.year, edoc_axis.LAST_DAY.year + 1):
        for month in range(1, 13):
            days = periods.month(year, month)
            if window.start <= days.start and days.end <= window.end and days.start <= edoc_axis.LAST_DAY:
                yield year, month


def _error(code: str, message: str, status: int) -> TwinAnswer:
    return _json({"error": {"code": code, "message": message}}, status)


def _json(document: Any, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(document, ensure_ascii=False).encode(), status=status)
