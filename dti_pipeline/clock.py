"""The only reader of the wall clock. Logic takes moments as parameters; the edges ask here."""

from __future__ import annotations

import datetime as dt

from dti_pipeline.scoring.periods import TIME_ZONE


def now(fixed: str | None = None) -> dt.datetime:
    """The present moment in Asia/Ho_Chi_Minh, or the fixed one (ISO 8601 with an offset). Raises ValueError."""
    if fixed is None:
        return dt.datetime.now(TIME_ZONE)
    moment = dt.datetime.fromisoformat(fixed)
    if moment.tzinfo is None:
        raise ValueError(f"clock «{fixed}» has no offset; write it like 2026-10-16T00:30:00+07:00")
    return moment.astimezone(TIME_ZONE)
