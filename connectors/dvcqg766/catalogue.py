"""A page of the national catalogue of procedures: how many there are, and whether its entries look as known.

Not here: the procedures one by one; no metric needs them yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.dvcqg766 import vocabulary as v
from connectors.dvcqg766.envelope import number, text
from connectors.dvcqg766.notes import Notes
from dti_pipeline.harvest.answers import Suspect, as_list, as_object, shown
from dti_pipeline.harvest.model import Observation, Reading
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState


def read_catalogue(data: Mapping[str, Any], period: Period) -> Reading:
    """One observation, the size of the catalogue. Raises SourceFailure for wrong types."""
    notes = Notes(v.CATALOGUE)
    items = as_list(data.get("items"), "/data/items")
    pagination = as_object(data.get("pagination"), "/data/pagination")
    notes.audit(data, "/data", {"items", "pagination"})
    notes.paging(pagination, len(items), "/data/items")
    seen: set[str] = set()
    for position, element in enumerate(items):
        at = f"/data/items/{position}"
        item = as_object(element, at)
        notes.audit(item, at, v.CATALOGUE_FIELDS)
        identifier, state = text(item, "id", at), item.get("state")
        if not identifier:
            notes.quarantine(at, "thủ tục không có id", item)
        elif identifier in seen:
            notes.quarantine(at, f"id {identifier} xuất hiện lần thứ hai trong cùng trang", item)
        elif not isinstance(state, str) or state not in v.STATES:
            notes.quarantine(at, f"state {shown(state)} chưa từng biết", item)
        seen.add(identifier or "")
    return Reading(_size(pagination, period, notes), notes.warnings, notes.quarantined)


def _size(pagination: Mapping[str, Any], period: Period, notes: Notes) -> tuple[Observation, ...]:
    at = "/data/pagination"
    try:
        total = number(pagination, "total", at)
    except Suspect:
        return ()  # quarantined with the whole pagination
    if "total" not in pagination:
        notes.warn("thiếu trường «total»", at)
    state = InputState.MISSING if total is None else InputState.HARVESTED
    where = f"{at}/total" if "total" in pagination else at
    return (
        Observation(
            v.CATALOGUE_METRIC, "VN", "Danh mục thủ tục của cổng", period, state, where, value=total, unit_code="VN"
        ),
    )
