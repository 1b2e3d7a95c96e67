"""Deadlines: whether what arrived at a moment is in time. Pure; the moment is a parameter.

The last second of a deadline is in time; the next one is late (Asia/Ho_Chi_Minh, `frameworks/assessment.py`). Here:
the rule. Not here: the dates (assessment), what lateness costs (`standing.py`, policies).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from dti_pipeline.evidence.model import Timeliness


@dataclass(frozen=True, slots=True)
class Due:
    """Until when one unit may hand in; every moment is the last second that is in time. None: no such deadline."""

    submission: dt.datetime | None = None
    supplement: dt.datetime | None = None
    """For criteria that nobody asked about: None where supplements are taken on request only."""
    asked: Mapping[str, dt.datetime] = field(default_factory=dict)
    """Criterion -> until when a supplement that was asked for may come."""
    extension: str | None = None
    """Why the unit has more time than others: reason, paper and author."""

    @property
    def latest(self) -> dt.datetime | None:
        """The last second at which anything of the unit can be in time; None where there is no deadline at all."""
        if self.submission is None:
            return None
        return max(self.submission, self.supplement or self.submission, *self.asked.values())

    def last_moment(self, criterion: str | None = None) -> dt.datetime | None:
        """The last second in time for a criterion, supplements included; None where there is no deadline at all."""
        if self.submission is None:
            return None
        ends = [self.submission]
        if self.supplement is not None:
            ends.append(self.supplement)
        if criterion is not None and criterion in self.asked:
            ends.append(self.asked[criterion])
        return max(ends)


def timeliness(received_at: dt.datetime, due: Due, criterion: str) -> Timeliness:
    """How something about a criterion that arrived at a moment stands to the unit's deadlines."""
    if due.submission is None or received_at <= due.submission:
        return "in_time"
    last = due.last_moment(criterion)
    return "supplement" if last is not None and received_at <= last else "late"
