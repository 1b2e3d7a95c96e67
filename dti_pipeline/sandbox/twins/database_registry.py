"""The practice province's list of databases, platforms and data items, closed at the end of every quarter.

Here: the list as it stood on a day, behind a bearer token. Not here: sockets (`server.py`). No database and no item
here exists anywhere.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dti_pipeline.sandbox.practice import FIRST_MONTH, LAST_MONTH, ROOT, SEED, draw, units
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest, revalidated

NAME = "database_registry"
PATH = "api/v1/danh-muc-csdl"
TOKEN_NAME = "DTI_PRACTICE_DATABASE_REGISTRY_TOKEN"  # noqa: S105 - the name of a variable
TOKEN = "practice-database-registry"  # noqa: S105 - made up, worth nothing
ITEMS = 119
POPULATION = 612_000
"""Of the fictional province at the end of 2023; practice adds 5000 a year."""

_PLATFORMS = (
    ("nen-tang-du-lieu-lon", "big_data", 4),
    ("lgsp", "integration", 9),
    ("quan-ly-van-ban", "document", 10),
    ("ioc", "operations_centre", 5),
    ("ban-do-so", "geographic", 3),
)
"""Id, kind, and how many tenths of the agencies come to use it."""


def closings() -> tuple[dt.date, ...]:
    """Last days of the quarters that have a list, oldest first."""
    (first, _), (last, month) = FIRST_MONTH, LAST_MONTH
    ends = [
        dt.date(year + quarter // 4, quarter % 4 * 3 + 1, 1) - dt.timedelta(days=1)
        for year in range(first, last + 1)
        for quarter in range(1, 5)
    ]
    return tuple(day for day in ends if (day.year, day.month) <= (last, month))


@cache
def document(as_of: dt.date, seed: int = SEED) -> dict[str, Any]:
    """The list closed on a day. What once works goes on working, so a later list never says less."""
    agencies = [item for item in units() if item.level in ("department", "district")]
    age = closings().index(as_of) + 1

    def has(since_permille: int, *key: object) -> bool:
        """Whether something has come about by now: at a quarter of its own, or (by the share given) never."""
        rng = draw(seed, "database-registry", *key)
        return rng.randrange(1000) < since_permille and rng.randrange(1, len(closings()) + 1) <= age

    databases = []
    for agency in agencies:
        for number in range(draw(seed, "database-registry", agency.code).randint(0, 4)):
            identifier = f"{agency.code.lower().replace('.', '-')}-csdl-{number + 1}"
            operating = has(900, identifier, "operating")
            lgsp = operating and has(700, identifier, "lgsp")
            ngsp = operating and has(300, identifier, "ngsp")
            others = [one.code for one in agencies if one.code != agency.code]
            databases.append(
                {
                    "id": identifier,
                    "name": f"Cơ sở dữ liệu số {number + 1} của {agency.name}",
                    "owner": agency.code,
                    "kind": "shared" if number == 0 else "specialised",
                    "status": "operating" if operating else "building",
                    "lgsp": lgsp,
                    "ngsp": ngsp,
                    "consumers": [code for code in others if lgsp and has(120, identifier, "used by", code)],
                }
            )
    platforms = [
        {
            "id": identifier,
            "name": f"Nền tảng {identifier} (hư cấu)",
            "owner": "H00.11",
            "kind": kind,
            "status": "operating",
            "users": [one.code for one in agencies if has(tenths * 100, identifier, one.code)],
        }
        for identifier, kind, tenths in _PLATFORMS
    ]
    items = []
    for number in range(1, ITEMS + 1):
        digitised = has(850, "item", number)
        items.append(
            {
                "number": number,
                "name": f"Hạng mục dữ liệu {number} (hư cấu)",
                "owner": agencies[number % len(agencies)].code,
                "digitised": digitised,
                "current": digitised and has(800, "item", number, "current"),
                "open": digitised and has(400, "item", number, "open"),
            }
        )
    lists: dict[str, Any] = {
        "agencies": [{"code": one.code, "name": one.name} for one in agencies],
        "databases": databases,
        "platforms": platforms,
        "items": items,
    }
    return {
        "format": "danh-muc-csdl/1",
        "province": ROOT,
        "as_of": as_of.isoformat(),
        "population": {
            "count": POPULATION + 5000 * (as_of.year - FIRST_MONTH[0]),
            "as_of": f"{as_of.year - 1}-12-31",
            "source": "Số liệu hư cấu",
        },
        "totals": {name: len(rows) for name, rows in lists.items()},
        **lists,
    }


class DatabaseRegistryTwin:
    """The practice list; see `Twin`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        """The newest list closed by `as_of`. 401 without the token, 404 for another path, province or time before."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _json({"error": {"code": "unauthorized", "message": "Mã truy cập không hợp lệ"}}, 401)
        if request.path.strip("/") != PATH:
            return _json({"error": {"code": "not_found", "message": "Không có địa chỉ này"}}, 404)
        try:
            by = dt.date.fromisoformat(request.params.get("as_of", ""))
        except ValueError:
            return _json({"error": {"code": "bad_request", "message": "as_of phải là ngày"}}, 400)
        closed = [day for day in closings() if day <= by]
        if request.params.get("province") != ROOT or not closed:
            return _json({"error": {"code": "no_list", "message": "Không có danh mục đã chốt"}}, 404)
        return revalidated(request, _json(document(closed[-1])))

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """One site with the province's list."""
        del folder
        return [
            {
                "name": "thuc-hanh-danh-muc",
                "connector": NAME,
                "base_url": base_url,
                "province": ROOT,
                "windows": ["year"],
                "politeness": {"min_interval_s": 0, "jitter_s": 0, "backoff_s": 0},
                "auth": {"kind": "bearer", "token": TOKEN_NAME},
                "options": {},
            }
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        """The practice token."""
        return {TOKEN_NAME: TOKEN}


def _json(body: Any, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(body, ensure_ascii=False).encode(), status=status)


TWIN = DatabaseRegistryTwin()
