"""The chain of a cell as lines of text, read from the top like a proof."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from dti_pipeline.scoring.periods import TIME_ZONE
from dti_pipeline.text import vi_decimal

_ORIGINS = {
    "harvested": "tự động",
    "self_reported": "đơn vị tự báo cáo",
    "decision": "in trong quyết định",
    "none": "chưa có",
}


def narrate(chain: dict[str, Any]) -> Iterator[str]:
    """Lines for a terminal, from the points down to the bytes."""
    points = "chưa có điểm" if chain["points"] is None else f"{_vi(chain['points'])}/{_vi(chain['max_points'])} điểm"
    yield f"{chain['unit_name']} ({chain['unit']}) · đêm {chain['night']}"
    yield f"{chain['criterion']} {chain['name']}"
    yield f"→ {points} – {chain['state_words']}" + (f" ({chain['reason']})" if chain["reason"] else "")
    if chain["working_annex"]:
        yield f"{chain['working_annex']}"
    yield ""
    yield f"Căn cứ: {chain['decision']}, {chain['clause']}"
    yield from (f"    {line}" for line in chain["rule"].splitlines() if line.strip())
    yield f"Công thức: {chain['formula']}"
    yield f"    {chain['in_words']}"
    if chain["source_points"] is not None:
        yield f"Điểm của hệ thống nguồn: {_vi(chain['source_points'])}"
    for note in chain["notes"]:
        yield f"Ghi chú: {note}"
    for item in chain["inputs"]:
        yield ""
        value = "–" if item["value"] is None else item["value"]
        yield f"{item['name']} = {value}  [{_ORIGINS[item['origin']]}, {item['state']}]  {item['label']}"
        if item["age_days"]:
            yield f"    số liệu lấy được lần cuối cách đêm này {item['age_days']} ngày"
        if item["reason"]:
            yield f"    {item['reason']}"
        for observation in item["observations"]:
            yield from _observation(observation, item["part"])
        for claim in item["claims"]:
            yield f"    báo cáo {claim['locator']}, tệp sha256 {claim['file_sha256']}"
            yield f"    nhận lúc {_local(claim['recorded_at'])}"


def _observation(row: dict[str, Any], part: str | None) -> Iterator[str]:
    shown = row[part or "value"]
    yield f"    {row['metric']} ({part}) = {shown} của {row['unit_name']} ({row['unit']}), kỳ {row['period']}"
    snapshot = row["snapshot"]
    yield f"    tại {row['locator']} trong {snapshot['bytes']} byte, sha256 {snapshot['sha256']}"
    method = snapshot["request"]["method"]
    yield f"    {method} {snapshot['url']} lúc {_local(snapshot['captured_at'])} (mã {snapshot['status']})"
    yield f"    {row['connector']} {row['connector_version']}, điểm {row['site']}, lượt chạy {snapshot['dagster_run']}"
    if row["flag"]:
        yield f"    nguồn tự đánh dấu: {row['flag']}"


def _vi(text: str) -> str:
    return vi_decimal(Decimal(text))


def _local(moment: str) -> str:
    """Stored in UTC, told in the operator's time."""
    return dt.datetime.fromisoformat(moment).astimezone(TIME_ZONE).strftime("%H:%M:%S ngày %d/%m/%Y (%z)")
