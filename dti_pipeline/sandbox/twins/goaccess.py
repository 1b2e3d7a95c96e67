"""Practice reports of GoAccess: the portals of the fictional districts, one JSON file a month.

Here: reports of the shape that GoAccess 1.7 writes with `--ignore-crawlers`, and the figures. Not here: access logs and
the program itself, which the tests of the connector run where it is installed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.sites import UNHURRIED
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period

FIRST_MONTH = (2026, 1)
LAST_DAY = dt.date(2026, 10, 15)
LOST = ("H00.28", dt.date(2026, 6, 14))
"""A day whose log was lost."""


@cache
def portals() -> tuple[str, ...]:
    """Districts whose portals are counted from access logs."""
    return tuple(sorted(unit.code for unit in practice.units() if unit.level == "district"))


@cache
def counts_on(code: str, day: dt.date, seed: int = practice.SEED) -> tuple[int, int]:
    """(visitors, requests) of a portal on a day, robots excluded."""
    size = practice.draw(seed, code, "portal").randint(40, 400)
    rng = practice.draw(seed, code, "log", day.isoformat())
    visitors = size * rng.randint(70, 130) // (100 if day.weekday() < 5 else 220)
    return visitors, visitors * rng.randint(6, 14)


def report(code: str, month: Period) -> dict[str, Any]:
    """The report of a month's log, made on the morning after its last day, or after LAST_DAY."""
    last = min(month.end, LAST_DAY)
    days = [month.start + dt.timedelta(days=number) for number in range((last - month.start).days + 1)]
    days = [day for day in days if (code, day) != LOST]
    counts = {day: counts_on(code, day) for day in days}
    visitors, hits = (sum(pair[place] for pair in counts.values()) for place in (0, 1))
    failed, robots = practice.draw(practice.SEED, code, "failed", month.start).randint(0, 2), hits // 3
    rows = [_row(counts[day], visitors, hits, f"{day:%Y%m%d}") for day in reversed(days)]
    return {
        "general": {
            "start_date": f"{days[0]:%d/%b/%Y}",
            "end_date": f"{days[-1]:%d/%b/%Y}",
            "date_time": f"{last + dt.timedelta(days=1)} 00:05:00 +0700",
            "total_requests": hits + robots + failed,
            "valid_requests": hits,
            "failed_requests": failed,
            "generation_time": 1,
            "unique_visitors": visitors,
            "unique_files": 40,
            "excluded_hits": 0,
            "unique_referrers": 0,
            "unique_not_found": 0,
            "unique_static_files": 12,
            "log_size": hits * 180,
            "bandwidth": hits * 5000,
            "log_path": [f"/var/log/nginx/{code}.access.log"],
        },
        "visitors": {"metadata": {"data": {"total": {"value": len(rows)}}}, "data": rows},
        "hosts": {"metadata": {"data": {"total": {"value": 1}}}, "data": [_row((1, 1), visitors, hits, "192.0.2.10")]},
        "browsers": {
            "metadata": {"data": {"total": {"value": 2}}},
            "data": [
                _row((visitors - visitors // 4, hits - hits // 4), visitors, hits, "Chrome"),
                _row((visitors // 4, hits // 4), visitors, hits, "Firefox"),
            ],
        },
    }


def _row(counts: tuple[int, int], visitors: int, hits: int, data: str) -> dict[str, Any]:
    def part(count: int, whole: int) -> dict[str, Any]:
        return {"count": count, "percent": f"{100 * count / whole if whole else 0:05.2f}"}

    return {
        "hits": part(counts[1], hits),
        "visitors": part(counts[0], visitors),
        "bytes": part(counts[1] * 5000, hits * 5000),
        "data": data,
    }


class GoAccessTwin:
    """See `dti_pipeline.sandbox.twins.Twin`: a folder, so it is never asked."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        return TwinAnswer(b"", "text/plain", 404)

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """The reports as files. Raises OSError."""
        del base_url
        place = folder.resolve() / "goaccess"
        place.mkdir(parents=True, exist_ok=True)
        months = practice.months_between(FIRST_MONTH, practice.LAST_MONTH)
        for year, number in (*months, (LAST_DAY.year, LAST_DAY.month)):
            for code in portals():
                text = json.dumps(report(code, periods.month(year, number)), ensure_ascii=False, separators=(",", ":"))
                (place / f"{code}_{year}-{number:02d}.json").write_text(text, encoding="utf-8")
        return [
            {
                "name": "thuc-hanh-nhat-ky",
                "connector": "goaccess",
                "base_url": place.as_uri(),
                "province": practice.ROOT,
                "windows": ["year"],
                "politeness": dict(UNHURRIED),
                "options": {},
            }
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        return {}


TWIN = GoAccessTwin()
