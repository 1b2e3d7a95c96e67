"""A practice Matomo: visits of the portals of the fictional province, day by day, behind a token.

Here: the Reporting API as its connector uses it (single and bulk requests by day and month, errors with status 200, the
refused token, «[]»), and the figures. Not here: figures of portals that are counted from access logs (`goaccess.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.sites import UNHURRIED
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest
from dti_pipeline.scoring import periods

TOKEN_VARIABLE = "DTI_PRACTICE_MATOMO_TOKEN"  # noqa: S105  the variable's name
TOKEN = "thuc-hanh-token-khong-co-gia-tri"  # noqa: S105  worth nothing
FIRST_DAY = dt.date(*practice.FIRST_MONTH, 1)
LAST_DAY = dt.date(2026, 10, 15)
UNTRACKED = practice.SILENT_UNIT
"""A portal whose pages lost their tracking code: known to Matomo, and never a visit."""

Json = Any


@cache
def websites() -> Mapping[int, str]:
    """idSite -> unit: the province, then its departments."""
    codes = [unit.code for unit in practice.units() if unit.level in ("province", "department")]
    return dict(enumerate(sorted(codes), start=1))


@cache
def visits_on(code: str, day: dt.date, seed: int = practice.SEED) -> int:
    """Visits to a unit's portal on a day: fewer at weekends."""
    size = practice.draw(seed, code, "portal").randint(60, 900) * (12 if code == practice.ROOT else 1)
    share = practice.draw(seed, code, "visits", day.isoformat()).randint(70, 130)
    return size * share // (100 if day.weekday() < 5 else 260)


def _summary(code: str, days: list[dt.date], *, as_text: bool, with_units: bool) -> Json:
    """VisitsSummary.get of a period; an empty list where nothing was recorded."""
    counted = [day for day in days if FIRST_DAY <= day <= LAST_DAY]
    if code == UNTRACKED or not counted:
        return []
    visits = sum(visits_on(code, day) for day in counted)
    rng = practice.draw(practice.SEED, code, "summary", counted[0].isoformat(), len(counted))
    actions, bounced = visits * rng.randint(250, 420) // 100, visits * rng.randint(35, 55) // 100
    # Who comes on several days of a month is one visitor of the month.
    visitors = visits * (rng.randint(80, 95) if len(counted) == 1 else rng.randint(30, 60)) // 100
    seconds = visits * rng.randint(60, 240)
    return {
        "nb_uniq_visitors": visitors,
        "nb_users": 0,
        "nb_visits": str(visits) if as_text else visits,
        "nb_actions": actions,
        "nb_visits_converted": 0,
        "bounce_count": bounced,
        "sum_visit_length": seconds,
        "max_actions": rng.randint(20, 90),
        "bounce_rate": f"{100 * bounced // visits}%" if with_units else bounced / visits,
        "nb_actions_per_visit": round(actions / visits, 1),
        "avg_time_on_site": seconds // visits,
    }


def _error(message: str) -> Json:
    return {"result": "error", "message": message}


def _report(fields: Mapping[str, str]) -> Json:
    """One report, or Matomo's way of saying that there is none."""
    if fields.get("method") != "VisitsSummary.get":
        return _error(f"The method '{fields.get('method', '')}' does not exist or is not available.")
    website = fields.get("idSite", "")
    code = websites().get(int(website)) if website.isdecimal() else None
    if code is None:
        return _error(f"An unexpected website was found in the request: website id was set to '{website}' .")
    try:
        first, last = (dt.date.fromisoformat(day) for day in fields.get("date", "").split(","))
    except ValueError:
        return _error("Date format must be: YYYY-MM-DD, or 'today' or 'yesterday' or any keyword.")
    period = fields.get("period")
    days = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    if period == "day":
        groups = {day.isoformat(): [day] for day in days}
    elif period == "month":
        groups = {}
        for day in days:
            whole = periods.month(day.year, day.month)
            length = (whole.end - whole.start).days + 1
            groups[f"{day:%Y-%m}"] = [whole.start + dt.timedelta(days=number) for number in range(length)]
    else:
        return _error(
            f"The period '{period}' is not supported. Try any of the following instead: day, week, month, year"
        )
    with_units = fields.get("format_metrics") != "0"
    # Its database hands out some sums as text.
    as_text = int(website) % 2 == 0
    return {key: _summary(code, group, as_text=as_text, with_units=with_units) for key, group in groups.items()}


class MatomoTwin:
    """See `dti_pipeline.sandbox.twins.Twin`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        if request.path.strip("/") not in ("", "index.php"):
            return TwinAnswer(b"<html><body><h1>404 Not Found</h1></body></html>", "text/html", 404)
        form = {key: values[-1] for key, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("token_auth") != TOKEN:
            where = "" if "token_auth" in form else ", expired or is required to be sent as a POST parameter"
            said = "It is either invalid" + (where or " or expired")
            return _json(_error(f"Unable to authenticate with the provided token. {said}."), 401)
        fields = {**request.params, **form}
        if fields.get("module") != "API":
            return TwinAnswer(
                b"<!DOCTYPE html><html><head><title>Matomo</title></head></html>", "text/html; charset=utf-8"
            )
        if fields.get("method") != "API.getBulkRequest":
            return _json(_report(fields))
        urls: list[dict[str, str]] = []
        while (url := fields.get(f"urls[{len(urls)}]")) is not None:
            urls.append({key: values[-1] for key, values in parse_qs(url).items()})
        return _json([_report(url) for url in urls])

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """One Matomo with the portals of the province and its departments."""
        del folder
        return [
            {
                "name": "thuc-hanh-matomo",
                "connector": "matomo",
                "base_url": base_url,
                "province": practice.ROOT,
                "windows": ["year"],
                "politeness": dict(UNHURRIED),
                "auth": {"kind": "form_field", "name": "token_auth", "token": TOKEN_VARIABLE},
                "options": {"sites": {str(website): code for website, code in websites().items()}},
            }
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        return {TOKEN_VARIABLE: TOKEN}


def _json(answer: Json, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(answer, ensure_ascii=False).encode(), "application/json; charset=utf-8", status)


TWIN = MatomoTwin()
