"""The practice one-stop statistics: VNPT iGate v2 as far as its statistics are known, for the fictional province.

Here: the token endpoint, the paged list of agencies and three reports over the practice months. The server takes the
dates of a question as local wall-clock days where they run from 00:00 to 23:59:59 «Z», and as true instants where they
run from 17:00 to 16:59:59. Not here: figures (`practice.py`), sockets (`server.py`).
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.practice import Counts, part_of
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest

TOKEN = "igate-practice-token"  # noqa: S105
CLIENT = ("web-onegate-practice", "igate-practice-secret")
USER = ("thuc-hanh", "igate-practice-password")
TOKEN_PATH = "/auth/realms/practice/protocol/openid-connect/token"  # noqa: S105
PAGE_CAP = 50
"""The server never gives more agencies at once, whatever size is asked for."""


@cache
def agencies() -> tuple[str, ...]:
    """Codes of the agencies, sorted: unlike the portal, the province's own system knows its districts."""
    return tuple(sorted(unit.code for unit in practice.units() if unit.level != "province"))


def identifier(name: str) -> str:
    """The system's own id for something: 24 hexadecimal digits, as its database gives them."""
    return hashlib.sha256(f"igate-practice/{name}".encode()).hexdigest()[:24]


ROOT_ID = identifier(practice.ROOT)
AGENCY_LEVELS = [identifier(f"agency-level-{number}") for number in range(3)]
PROCEDURE_LEVELS = [identifier(f"procedure-level-{number}") for number in (2, 3, 4)]
TAG = identifier("tag")
REPORTS = {
    "pa/dossier-statistic/--statistic-agency-kgg": ("agency-id", "from-date", "to-date"),
    "pa/kgg-dossier-statistic/--kgg-dossier-report-online": ("agency-id", "from-applied-date", "to-applied-date"),
    "pa/kgg-digitize/digitization-by-agency": ("ancestor-id", "from", "to"),
}


class IgateTwin:
    """See `dti_pipeline.sandbox.twins.Twin`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        path = request.path.strip("/")
        if f"/{path}" == TOKEN_PATH:
            return _token(request)
        if request.headers.get("authorization", "").lower() != f"bearer {TOKEN}":
            return _json({"error": "invalid_token", "error_description": "Access token expired"}, 401)
        if request.method != "GET":
            return _error(405, "Method Not Allowed", path)
        if path == "ba/agency/name+code":
            return _agencies(request.params)
        if path not in REPORTS:
            return _error(404, "Not Found", path)
        return _report(path, request.params)

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        return [
            {
                "name": "thuc-hanh",
                "connector": "igate",
                "base_url": base_url,
                "province": practice.ROOT,
                "windows": ["last_closed_quarter", "year"],
                "politeness": {"min_interval_s": 0, "jitter_s": 0, "backoff_s": 0},
                "auth": {
                    "kind": "oauth2_password",
                    "token_path": TOKEN_PATH,
                    "client_id": "PRACTICE_IGATE_CLIENT_ID",
                    "client_secret": "PRACTICE_IGATE_CLIENT_SECRET",
                    "username": "PRACTICE_IGATE_USERNAME",
                    "password": "PRACTICE_IGATE_PASSWORD",
                },
                "options": {
                    "agency_id": ROOT_ID,
                    "agency_levels": AGENCY_LEVELS,
                    "procedure_levels": PROCEDURE_LEVELS,
                    "list_levels": AGENCY_LEVELS,
                },
            }
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "PRACTICE_IGATE_CLIENT_ID": CLIENT[0],
            "PRACTICE_IGATE_CLIENT_SECRET": CLIENT[1],
            "PRACTICE_IGATE_USERNAME": USER[0],
            "PRACTICE_IGATE_PASSWORD": USER[1],
        }


TWIN = IgateTwin()


def statistics_row(code: str, months: tuple[practice.Month, ...]) -> dict[str, Any]:
    """A unit's row of the statistics. The system knows no postal channel of its own: neither online nor direct."""
    own = practice.counts(code, months)
    postal = min(own.postal, own.received - own.online)
    return {
        "agency": {"id": identifier(code), "code": code, "name": practice.unit(code).name},
        "received": own.received,
        "receivedOnline": own.online,
        "receivedDirect": own.received - own.online - postal,
        "resolved": own.completed,
        "resolvedOverdue": min(own.overdue, own.completed),
    }


def online_row(code: str, months: tuple[practice.Month, ...]) -> dict[str, Any]:
    """A unit's row of the online report. Months add up, so every draw is of one month."""
    parts = [_submitted(code, month) for month in months]
    return {"agency_name": practice.unit(code).name} | {
        field: sum(part[field] for part in parts) for field in _submitted(code, practice.FIRST_MONTH)
    }


def _submitted(code: str, month: practice.Month) -> dict[str, int]:
    own: Counts = practice.month_counts(code, month)
    refused = part_of(practice.draw(practice.SEED, code, "igate-refused", *month), own.online, 40)
    waiting = part_of(practice.draw(practice.SEED, code, "igate-waiting", *month), own.online, 30, 20)
    full = part_of(practice.draw(practice.SEED, code, "igate-full", *month), own.online + refused + waiting, 600)
    return {
        "phatsinh_1phan_quantity": own.online + refused + waiting - full,
        "phatsinh_toanphan_quantity": full,
        "chotiepnhan_quantity": waiting,
        "datiepnhan_quantity": own.online,
        "hoanthanh_quantity": min(own.completed, own.online),
        "tuchoi_quantity": refused,
        "onlinepaid_quantity": min(own.paid_online, own.online),
        "total": own.online + refused + waiting,
    }


def digitization_row(code: str, months: tuple[practice.Month, ...]) -> dict[str, Any]:
    own = practice.counts(code, months)
    with_file = min(own.original_result, own.completed)
    return {
        "agency": {"id": identifier(code), "code": code, "name": practice.unit(code).name},
        "totalReceiver": own.received,
        "totalReceiverHavingFile": own.digitised,
        "totalReceiverNopeFile": own.received - own.digitised,
        "totalComplete": own.completed,
        "totalCompleteHavingFile": with_file,
        "totalCompleteNopeFile": own.completed - with_file,
    }


ROWS = dict(zip(REPORTS, (statistics_row, online_row, digitization_row), strict=True))


def _token(request: TwinRequest) -> TwinAnswer:
    """The password grant of RFC 6749; the client names itself in the form or by Basic."""
    form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    client = (form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        name, _, secret = base64.b64decode(given).decode("utf-8", "replace").partition(":")
        client = (name, secret)
    if request.method != "POST" or form.get("grant_type") != "password":
        return _json({"error": "unsupported_grant_type"}, 400)
    if client != CLIENT:
        return _json({"error": "invalid_client"}, 401)
    if (form.get("username"), form.get("password")) != USER:
        return _json({"error": "invalid_grant", "error_description": "Invalid user credentials"}, 401)
    return _json({"access_token": TOKEN, "expires_in": 86400, "token_type": "Bearer"})


def _agencies(params: Mapping[str, str]) -> TwinAnswer:
    page, size = params.get("page", "0"), params.get("size", "20")
    if not page.isdigit() or not size.isdigit() or size == "0":
        return _error(400, "Bad Request", "ba/agency/name+code")
    if params.get("ancestor-id") != ROOT_ID or params.get("tag-id") != TAG:
        listed: tuple[str, ...] = ()
    else:
        listed = agencies()
    number, size_given = int(page), min(int(size), PAGE_CAP)
    content = [
        {"id": identifier(code), "code": code, "name": practice.unit(code).name}
        for code in listed[number * size_given : (number + 1) * size_given]
    ]
    pages = -(-len(listed) // size_given)
    return _json(
        {
            "content": content,
            "number": number,
            "size": size_given,
            "numberOfElements": len(content),
            "totalElements": len(listed),
            "totalPages": pages,
            "first": number == 0,
            "last": number >= pages - 1,
            "empty": not content,
        }
    )


def _report(path: str, params: Mapping[str, str]) -> TwinAnswer:
    agency, first, last = REPORTS[path]
    try:
        start, end = _local_day(params[first], is_end=False), _local_day(params[last], is_end=True)
    except (KeyError, ValueError):
        return _error(400, "Bad Request", path)
    months = practice.months_between((start.year, start.month), (end.year, end.month))
    if start.day != 1 or (end + dt.timedelta(days=1)).day != 1:
        return _error(500, "Internal Server Error", path)  # practice figures are monthly
    by_id = {identifier(code): code for code in agencies()}
    asked = params.get(agency, "")
    codes = agencies() if asked == ROOT_ID else (by_id[asked],) if asked in by_id else ()
    return _json([ROWS[path](code, months) for code in codes])


def _local_day(text: str, *, is_end: bool) -> dt.date:
    """The local day that a bound means. Raises ValueError."""
    at = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if at.strftime("%H:%M:%S") == ("23:59:59" if is_end else "00:00:00"):
        return at.date()
    return (at + dt.timedelta(hours=7)).date()


def _json(content: Any, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(content, ensure_ascii=False).encode(), status=status)


def _error(status: int, error: str, path: str) -> TwinAnswer:
    """As Spring writes it."""
    return _json(
        {"timestamp": "2026-10-15T00:00:00.000+0000", "status": status, "error": error, "path": f"/{path}"}, status
    )
