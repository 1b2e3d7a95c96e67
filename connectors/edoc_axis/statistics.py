"""The public statistics of a Bkav eDoc axis: `stat/detail` per agency and `document/stat` in total.

Here: leaves of the tree of agencies, and the two totals that are compared. Not here: requests (`connector.py`).

In one build a parent's row includes its `childOrgan`, and one office is spliced in separately; so only leaves are read,
each agency once. The server's own code answers 200 with the rows that it had when something failed: an empty list is a
failure, and the total of the leaves is compared with the axis's own.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.edoc_axis.answers import fail, whole
from dti_pipeline.harvest.codes import is_within, todays_code
from dti_pipeline.harvest.model import FailureKind, Observation, Quarantined, Reading
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

LEAVES, HUB = "edoc_stat_leaves_total", "edoc_stat_hub_total"
_COUNTS = {"sent": "edoc_stat_sent", "received": "edoc_stat_received", "total": "edoc_stat_total"}
_FIELDS = frozenset({"organDomain", "organName", "sent", "received", "total", "lastUpdate", "childOrgan"})
_STAT_FIELDS = frozenset({"total", "totalOrgan", "dateTime"})
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class _Row:
    at: str
    code: str
    """Today's spelling; as it stands where it is no identifier code."""
    name: str
    counts: Mapping[str, Decimal]
    is_leaf: bool


def read_detail(
    document: Any, asked: Period, root: str, night: dt.date | None, hub_total: str | None = None
) -> Reading:
    """Sent, received and total of every leaf for a month; for a whole year only the sum of all leaves.

    `hub_total` is the axis's own total of the running year; where it differs, a warning says so: what the axis sums
    is not published, and it goes on counting between two questions. Of a period that runs the figure is up to the night
    (`up_to_night` in the manifest); one after the night is not told. Raises SourceFailure: SOURCE_ERROR, WRONG_SHAPE.
    """
    if not isinstance(document, list):
        fail(FailureKind.WRONG_SHAPE, "câu trả lời phải là một danh sách đơn vị")
    if not document:
        fail(FailureKind.SOURCE_ERROR, "danh sách đơn vị rỗng: trục nuốt lỗi và trả danh sách rỗng, không phải số 0")
    rows: list[_Row] = []
    quarantined: list[Quarantined] = []
    unread: set[str] = set()
    _walk(document, "", rows, quarantined, unread)
    leaves, repeated = _once_each(rows, quarantined)
    warnings = [f"trường mới «{name}»: chưa được đọc" for name in sorted(unread)]
    if parents := len(rows) - sum(row.is_leaf for row in rows):
        warnings.append(f"{parents} dòng cha đã gồm đơn vị con: không cộng, chỉ lấy đơn vị lá")
    if repeated:
        warnings.append(f"{repeated} đơn vị xuất hiện hai lần với cùng số liệu: tính một lần")
    if night is not None and asked.start > night:
        return Reading((), tuple(warnings), tuple(quarantined))
    if asked == periods.year(asked.start.year):
        if quarantined:  # a sum without some of its parts is no total
            return Reading((), tuple(warnings), tuple(quarantined))
        total = sum((leaf.counts["total"] for leaf in leaves), Decimal(0))
        if hub_total is not None and night is not None and night.year == asked.start.year and hub_total != str(total):
            warnings.append(f"tổng các đơn vị lá từ đầu năm là {total}, tổng của trục là {hub_total}")
        return Reading((_observed(LEAVES, root, root, asked, "", total, root),), tuple(warnings), ())
    found = tuple(
        _observed(metric, leaf.code, leaf.name, asked, f"{leaf.at}/{name}", leaf.counts[name], todays_code(leaf.code))
        for leaf in leaves
        if todays_code(leaf.code) is None or is_within(leaf.code, root)
        for name, metric in _COUNTS.items()
    )
    return Reading(found, tuple(warnings), tuple(quarantined))


def read_totals(document: Any, root: str, night: dt.date | None) -> Reading:
    """The axis's own total of the running year, up to the night. Raises SourceFailure: WRONG_SHAPE."""
    total = total_of(document)
    warnings = tuple(f"trường mới «{name}»: chưa được đọc" for name in sorted(document.keys() - _STAT_FIELDS))
    if night is None:
        return Reading((), (*warnings, "không biết đêm chụp nên không biết tổng của năm nào"), ())
    return Reading((_observed(HUB, root, root, periods.year(night.year), "/total", total, root),), warnings, ())


def total_of(document: Any) -> Decimal:
    """The axis's own total. Raises SourceFailure: WRONG_SHAPE."""
    if not isinstance(document, dict) or "total" not in document:
        fail(FailureKind.WRONG_SHAPE, "câu trả lời không có /total")
    if (total := whole(document["total"])) is None:
        fail(FailureKind.WRONG_SHAPE, "/total không phải một số đếm")
    return total


def _observed(
    metric: str, unit: str, name: str, period: Period, at: str, value: Decimal, code: str | None
) -> Observation:
    return Observation(
        metric=metric,
        unit=unit,
        unit_name=name,
        period=period,
        state=InputState.HARVESTED,
        locator=at,
        value=value,
        unit_code=code,
    )


def _walk(nodes: list[Any], at: str, rows: list[_Row], quarantined: list[Quarantined], unread: set[str]) -> None:
    if at.count("/childOrgan") > _DEEPEST:
        fail(FailureKind.WRONG_SHAPE, f"cây đơn vị sâu hơn {_DEEPEST} cấp")
    for position, node in enumerate(nodes):
        here = f"{at}/{position}"
        if node is None:  # the server adds null for an agency whose statistics it could not compute
            quarantined.append(Quarantined(here, "đơn vị null: trục không tính được số liệu của đơn vị này", "null"))
            continue
        if not isinstance(node, dict) or not isinstance(node.get("organDomain"), str):
            fail(FailureKind.WRONG_SHAPE, f"{here} phải là một đơn vị có organDomain")
        children = node.get("childOrgan")
        if children is not None and not isinstance(children, list):
            fail(FailureKind.WRONG_SHAPE, f"{here}/childOrgan phải là danh sách hoặc null")
        unread |= node.keys() - _FIELDS
        if children:
            _walk(children, f"{here}/childOrgan", rows, quarantined, unread)
        written = node["organDomain"].strip()
        counts = {name: whole(node.get(name)) for name in _COUNTS}
        known = {name: count for name, count in counts.items() if count is not None}
        record = json.dumps({name: str(node.get(name)) for name in ("organDomain", *_COUNTS)}, ensure_ascii=False)
        if len(known) < len(counts):
            odd = ", ".join(
                f"thiếu {name}" if name not in node else f"{name} không phải số đếm"
                for name in counts
                if name not in known
            )
            quarantined.append(Quarantined(here, odd, record))
            continue
        if known["sent"] + known["received"] != known["total"]:
            quarantined.append(Quarantined(here, "sent + received khác total", record))
            continue
        name = node.get("organName")
        rows.append(
            _Row(here, todays_code(written) or written, name if isinstance(name, str) else written, known, not children)
        )


def _once_each(rows: list[_Row], quarantined: list[Quarantined]) -> tuple[list[_Row], int]:
    """The leaves, each agency once, and how many were there twice; those that contradict each other wait."""
    by_code: dict[str, list[_Row]] = {}
    for row in rows:
        by_code.setdefault(row.code, []).append(row)
    leaves, repeated = [], 0
    for same in by_code.values():
        own = [row for row in same if row.is_leaf]
        if not own:
            continue
        if len(own) < len(same) or any(row.counts != own[0].counts for row in own):
            for row in own:
                reason = f"đơn vị {row.code} xuất hiện nhiều lần với số liệu hoặc vị trí trong cây khác nhau"
                quarantined.append(Quarantined(row.at, reason, json.dumps({"organDomain": row.code})))
            continue
        repeated += len(own) - 1
        leaves.append(own[0])
    return leaves, repeated
