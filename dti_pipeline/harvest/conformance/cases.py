"""Recorded cases of a connector: an answer as it arrived, the request that got it, and the figures it holds.

Here: `connectors/NAME/recorded/<case>/` -> checked cases. Not here: what is done with them (`rules.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.model import FailureKind, Observation, Request, Site, Snapshot

DEFAULT_NIGHT = dt.date(2026, 10, 15)
_TYPES = {
    ".json": "application/json; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".xml": "application/xml",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_REQUEST_KEYS = frozenset(
    {"method", "path", "params", "json", "data", "content", "content_type", "kind", "night", "status", "headers"}
)
_FIGURE_KEYS = frozenset(
    {"metric", "unit", "state", "value", "numerator", "denominator", "locator"}
    | {"period_start", "period_end", "reason", "unit_name", "flag"}
)


class Declared(BaseModel):
    """`faults.json` of a case, optional: what only its author knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    total: str | None = None
    """JSON Pointer of the number of rows that the answer declares."""
    rows: str | None = None
    """JSON Pointer of the list that it counts."""
    parent_row: dict[str, Any] | None = None
    """A row of that list for a unit above those in it, whose figures hold theirs."""
    other_side: dict[str, Any] | None = None
    """A row of that list with an event that is in it already, as the other side logged it."""
    proves: dict[str, str] = {}
    """Rule -> how this very case shows that the fault is met: its bytes hold it, expected.json what comes of it."""
    not_applicable: dict[str, str] = {}
    """Rule -> why this source cannot have the fault."""


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded answer."""

    name: str
    snapshot: Snapshot
    expected: tuple[dict[str, Any], ...]
    failure: FailureKind | None
    """Expected instead of figures: `expected.json` is then `{"failure": kind}`."""
    declared: Declared

    @property
    def is_http(self) -> bool:
        return self.snapshot.request.kind == "http"

    @property
    def is_made_by_kit(self) -> bool:
        """A folder's listing, or an answer of dns or tls: written by the kit, so no source can get it wrong."""
        request = self.snapshot.request
        return request.kind in ("dns", "tls") or (request.kind == "file" and not request.path)


def load_cases(folder: Path) -> tuple[Case, ...]:
    """All cases beneath a connector's `recorded` folder, by name. Raises DataFileError, one line per broken case."""
    if not folder.is_dir():
        return ()
    cases, problems = [], []
    for place in sorted(item for item in folder.iterdir() if item.is_dir()):
        try:
            cases.append(_load(place))
        except (ValueError, OSError) as error:
            problems.append(f"recorded/{place.name}: {error}")
    if problems:
        raise DataFileError("\n".join(problems))
    return tuple(cases)


def load_site(folder: Path, connector: str) -> Site | None:
    """`recorded/site.json`: a site to plan for, without what is the same for every one. None where there is none."""
    path = folder / "site.json"
    if not path.is_file():
        return None
    data = {"name": "thuc-hanh", "connector": connector, "base_url": "https://nguon.example", "province": "H00"}
    try:
        return Site.model_validate(data | _json(path))
    except (ValidationError, TypeError) as error:
        raise DataFileError(f"recorded/site.json: {error}") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataFileError(f"{path.name}: {error}") from None


def _load(place: Path) -> Case:
    bodies = sorted(place.glob("body*"))
    if len(bodies) != 1:
        raise DataFileError(f"needs exactly one file body.<ext>, has {len(bodies)}")
    asked = _json(place / "request.json")
    if not isinstance(asked, dict) or (unknown := sorted(set(asked) - _REQUEST_KEYS)):
        raise DataFileError(f"request.json: an object of {', '.join(sorted(_REQUEST_KEYS))}; not {unknown}")
    given = {str(key): str(value) for key, value in (asked.get("headers") or {}).items()}
    # A connector's own notes travel with its request; everything else came with the answer.
    own = {key: value for key, value in given.items() if key.lower().startswith("dti-")}
    headers = {key: value for key, value in given.items() if key not in own}
    if not any(key.lower() == "content-type" for key in headers):
        headers["Content-Type"] = _TYPES.get(bodies[0].suffix, "application/octet-stream")
    snapshot = Snapshot(
        Request(
            method=asked.get("method") or "GET",
            path=asked.get("path") or "",
            params=asked.get("params") or {},
            headers=own,
            json=asked.get("json"),
            data=asked.get("data"),
            kind=asked.get("kind") or "http",
            content=asked.get("content"),
            content_type=asked.get("content_type"),
        ),
        status=asked.get("status", 200),
        headers=headers,
        body=bodies[0].read_bytes(),
        url=f"https://nguon.example/{str(asked.get('path') or '').lstrip('/')}",
        night=dt.date.fromisoformat(asked["night"]) if asked.get("night") else DEFAULT_NIGHT,
    )
    declared = (
        Declared.model_validate(_json(place / "faults.json")) if (place / "faults.json").is_file() else Declared()
    )
    expected: Any = _json(place / "expected.json")
    failure: FailureKind | None = None
    if isinstance(expected, dict) and set(expected) == {"failure"}:
        expected, failure = [], FailureKind(expected["failure"])
    if not isinstance(expected, list):
        raise DataFileError('expected.json: a list of figures, or {"failure": kind}')
    for item in expected:
        if unknown := sorted(set(item) - _FIGURE_KEYS):
            raise DataFileError(f"expected.json: unknown keys {unknown}")
    return Case(place.name, snapshot, tuple(expected), failure, declared)


def is_expected(item: Observation, wanted: dict[str, Any]) -> bool:
    """Whether a figure is the expected one; of names, periods and reasons only those that the case gives count."""
    given: dict[str, Any] = {
        "metric": item.metric,
        "state": item.state.value,
        "locator": item.locator,
        "period_start": item.period.start.isoformat(),
        "period_end": item.period.end.isoformat(),
        "reason": item.reason,
        "unit_name": item.unit_name,
        "flag": item.flag,
    }
    numbers = {"value": item.value, "numerator": item.numerator, "denominator": item.denominator}
    return (
        wanted.get("unit") in (item.unit, item.unit_code)
        and all(wanted[key] == value for key, value in given.items() if key in wanted)
        and all(_number(wanted.get(key)) == value for key, value in numbers.items())
    )


def _number(given: Any) -> Decimal | None:
    try:
        return None if given is None else Decimal(str(given))
    except InvalidOperation:
        raise DataFileError(f"expected.json: {given!r} is no number") from None
