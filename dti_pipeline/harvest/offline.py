"""Reading a stored answer with the network off: files -> snapshot, reading -> plain data. For `dti connectors read`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.model import Reading, Request, Snapshot, SourceFailure
from dti_pipeline.units.registry import Registry

_CONTENT_TYPES = {"{": "application/json; charset=utf-8", "[": "application/json; charset=utf-8", "<": "text/html"}


def snapshot_of(body: bytes, request: dict[str, Any], name: str) -> Snapshot:
    """The bytes with the request that got them; any of its keys may be absent.

    A stored file has no status and headers of its own: the reading starts from 200 and from what the bytes look like.
    Raises DataFileError for a request of the wrong shape.
    """
    known = {"method", "url", "path", "params", "headers", "json", "data", "content", "content_type"}
    if unknown := sorted(set(request) - known):
        raise DataFileError(f"{name}: the request has unknown keys: {', '.join(unknown)}")
    for key in ("params", "headers", "data"):
        if not isinstance(request.get(key) or {}, dict):
            raise DataFileError(f"{name}: the request's «{key}» is an object of texts")
    method = str(request.get("method") or "GET").upper()
    if method not in ("GET", "POST"):
        raise DataFileError(f"{name}: the request's method is GET or POST, not {method}")
    url = str(request.get("url") or request.get("path") or "")
    try:
        path = urlsplit(url).path
    except ValueError as error:
        raise DataFileError(f"{name}: the request's url cannot be read ({error})") from None
    try:
        asked = Request(
            method="POST" if method == "POST" else "GET",
            path=path,
            params={str(key): str(value) for key, value in (request.get("params") or {}).items()},
            headers={str(key): str(value) for key, value in (request.get("headers") or {}).items()},
            json=request.get("json"),
            data=request.get("data"),
            content=request.get("content"),
            content_type=request.get("content_type"),
        )
    except ValueError as error:
        raise DataFileError(f"{name}: {error}") from None
    first = body.lstrip()[:1].decode("latin-1")
    return Snapshot(
        asked,
        status=200,
        headers={"content-type": _CONTENT_TYPES.get(first, "application/octet-stream")},
        body=body,
        url=url,
    )


def reading_data(
    connector: str, registry: Registry, reading: Reading | None, failure: SourceFailure | None
) -> dict[str, Any]:
    """`{observations, warnings, quarantined, failure}`; units as identifier codes where they are known."""
    reading = reading or Reading()
    codes = {item.unit: item.unit_code for item in reading.observations if item.unit_code}

    def unit(identifier: str) -> str:
        registered = registry.by_source_id(connector, identifier)
        return codes.get(identifier) or (registered.code if registered else identifier)

    return {
        "observations": [
            {
                "metric": item.metric,
                "unit": unit(item.unit),
                "unit_name": item.unit_name,
                "period_start": item.period.start.isoformat(),
                "period_end": item.period.end.isoformat(),
                "value": _text(item.value),
                "numerator": _text(item.numerator),
                "denominator": _text(item.denominator),
                "state": item.state.value,
                "locator": item.locator,
                "source_unit": item.unit,
                "flag": item.flag,
            }
            for item in reading.observations
        ],
        "warnings": list(reading.warnings),
        "quarantined": [
            {"locator": item.locator, "reason": item.reason, "record": item.record} for item in reading.quarantined
        ],
        "failure": None
        if failure is None
        else {"kind": failure.kind.value, "message": failure.message, "retryable": failure.retryable},
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
