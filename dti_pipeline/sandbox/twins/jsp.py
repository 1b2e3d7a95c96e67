"""Practice twin of the portal's older statistics, `POST /jsp/rest.jsp`: the second dialect of the connector dvcqg766.

Here: the scores per unit and the sums of the province, with the quirks that public clients know: a bare array, every
value a string, half a point printed as «.5», two unrelated numbers for one province, «text/html» whatever it is, and an
empty array for what it does not know. Mounted at the portal's own address; no practice site asks it unless told to.
Not here: the 2026 interface (`portal.py`) and the figures (`practice.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.practice import ROOT, Month
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest

PROVINCE_ID = "900001"
"""In the scores."""
STATISTICS_ID = "900777"
"""In the sums: of the same province."""
SCORES = "report_tinh_766_service"
SUMS = ("report_by_year_sum_service", "report_by_month_sum_service")
PAGE_TYPE = "text/html;charset=UTF-8"


class JspTwin:
    """See `Twin`."""

    environment: Mapping[str, str] = {}

    def answer(self, request: TwinRequest) -> TwinAnswer:
        if request.path != "rest.jsp" or request.method != "POST":
            return TwinAnswer(b"<html><body>404</body></html>", PAGE_TYPE, 404)
        try:
            asked = json.loads(parse_qs(request.body.decode())["params"][0])
            months = _months(asked)
            if asked["service"] == SCORES:
                return _rows(_scores(asked, months))
            return _rows(_sums(asked, months))
        except (KeyError, ValueError, TypeError, AttributeError):
            return _rows([])  # it says no more about what it did not understand

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """None: it is asked only by who says so."""
        return []


TWIN = JspTwin()


def _months(asked: Mapping[str, Any]) -> tuple[Month, ...]:
    year, quarter, month = (int(asked.get(name, 0)) for name in ("p_nam", "p_quy", "p_thang"))
    first, last = (month, month) if month else (3 * quarter - 2, 3 * quarter) if quarter else (1, 12)
    return practice.months_between((year, first), (year, last))


def _scores(asked: Mapping[str, Any], months: tuple[Month, ...]) -> list[dict[str, str | None]]:
    if asked["p_tinh_id"] != PROVINCE_ID or not months:
        return []
    rows: list[dict[str, str | None]] = []
    for number, code in enumerate(practice.portal_units(), start=1):
        unit, scores = practice.unit(code), practice.group_scores(code, months)
        rows.append(
            {
                "ID": str(900_100 + number),
                "TEN": unit.name,
                "MA_COQUAN": code,
                "CAPDONVIID": "2" if unit.level == "commune" else "1",
                "ROW_STT": str(number),
                **{group: _printed(score) for group, score in scores.items()},
                "TONG_SCORE": _printed(sum(scores.values(), Fraction(0))),
            }
        )
    size = int(asked["pageSize"])
    return rows[size * (int(asked["pageIndex"]) - 1) :][:size]


def _sums(asked: Mapping[str, Any], months: tuple[Month, ...]) -> list[dict[str, str | None]]:
    """The province's dossiers, in one row that names nobody."""
    if asked["service"] not in SUMS or asked["p_tinh_id"] != STATISTICS_ID or not months:
        return []
    own = practice.counts(ROOT, months)
    late = min(own.overdue, own.all_channels)
    in_time, late_done = own.all_channels - late, late // 2
    return [
        {
            "HS_TOTAL": str(own.all_channels),
            "HTN_TRUCTUYEN_TOTAL": str(own.online),
            "HTN_TRUCTIEP_TOTAL": str(own.direct),
            "HTN_BUUCHINH_TOTAL": str(own.postal),
            "HTN_TRUCTUYEN_KHONGCHUAN_TOTAL": "0",
            "HTDH_TOTAL": str(in_time - in_time // 10),
            "DXLTH_TOTAL": str(in_time // 10),
            "HTQH_TOTAL": str(late_done),
            "DXLQH_TOTAL": str(late - late_done),
        }
    ]


def _printed(score: Fraction) -> str:
    """As the database behind it prints numbers of at most two decimals: 17, 15.5, .5."""
    whole, hundredths = divmod(round(score * 100), 100)
    decimals = f"{hundredths:02}".rstrip("0")
    return f"{whole or '' if decimals else whole}" + (f".{decimals}" if decimals else "")


def _rows(rows: list[dict[str, str | None]]) -> TwinAnswer:
    return TwinAnswer(json.dumps(rows, ensure_ascii=False).encode(), PAGE_TYPE)
