"""The chain of a cell as lines of text, read from the top like a proof."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from dti_pipeline.scoring.periods import TIME_ZONE
from dti_pipeline.text import vi_decimal

_ORIGINS = {
    "appraised": "cơ quan thẩm định",
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
        if (sides := item["sides"]) is not None:
            yield f"    {_sides(sides)}"
        if (before := item["before_appraisal"]) is not None:
            told = "–" if before["value"] is None else before["value"]
            where = f"{_ORIGINS[before['origin']]}, {before['state']}"
            yield f"    trước thẩm định: {told}  [{where}], đêm {before['night']}"
        for observation in item["observations"]:
            yield from _observation(observation, item["part"])
        for claim in item["claims"]:
            late = ", sau hạn" if claim["is_late"] else ""
            yield f"    {claim['file']}, {claim['locator']} (lần nộp {claim['sequence']} của {claim['unit']})"
            yield f"    nhận lúc {_local(claim['recorded_at'])}{late}, tệp sha256 {claim['file_sha256']}"
        if item["grade"]:
            yield f"    hạng {item['grade']}: {item['grade_words']}"
    if chain["evidence"]:
        yield ""
        yield "Tài liệu kiểm chứng:"
        for paper in chain["evidence"]:
            yield from _paper(paper)
    if chain["appraisal"]:
        yield ""
        yield "Thẩm định:"
        yield from (_decision(entry) for entry in chain["appraisal"])
    if chain["standing"]:
        yield ""
        yield f"Không tính theo số liệu: {chain['standing']['state_words']} – {chain['standing']['reason']}"


def _sides(sides: dict[str, Any]) -> str:
    """What the unit, sources and an appraiser say of an input, and what that comes to."""
    claimed = sides["claimed"] or sides["claimed_state"] or "–"
    said = [f"đơn vị báo cáo {claimed}", f"tự động {sides['automatic'] or sides['automatic_state'] or '–'}"]
    said += [f"nguồn khác {other['source']} ({other['unit']}) {other['value']}" for other in sides["other_sources"]]
    said += [f"thẩm định {sides['appraised']}"] if sides["appraised"] is not None else []
    worth = ""
    if sides["rank_impact"] is not None:
        worth = f"; lấy các số kia thì ô đổi {_vi(sides['points'])} điểm, các đơn vị đổi {sides['rank_impact']} bậc"
    note = f" ({sides['note']})" if sides["note"] else ""
    return f"{', '.join(said)}: {sides['kind_words']}{note}{worth}"


def _decision(entry: dict[str, Any]) -> str:
    said = entry["said"]
    figures = "; ".join(f"{name} = {value}" for name, value in said.get("inputs", {}).items())
    told = "; ".join(text for text in (figures, said.get("reason"), said.get("document")) if text)
    who = f"{entry['by']} ({entry['as_unit']}, {entry['role_words']})"
    return f"    mục {entry['sequence']}, {_local(entry['at'])}: {who} {entry['words']}{f': {told}' if told else ''}"


def _paper(row: dict[str, Any]) -> Iterator[str]:
    pages = f", trang {row['pages']}" if row["pages"] else ""
    if row["sha256"] is None:
        yield f"    «{row['name']}»{pages}: không có tệp nào đến trong hạn"
        return
    came = _local(row["received_at"])
    yield f"    «{row['name']}»{pages}: nhận lúc {came}, {row['bytes']} byte, sha256 {row['sha256']}"
    yield f"        {row['reason'] or 'chữ ký số chưa được kiểm tra'}"
    for item in row["signatures"]:
        signed = f" ký lúc {_local(item['signed_at'])}" if item["signed_at"] else ""
        yield f"        {item['subject'] or 'chữ ký không đọc được'}{signed}: {item['reason']}"


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
