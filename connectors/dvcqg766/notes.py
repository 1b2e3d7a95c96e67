"""What is said about an answer beside its figures: warnings, and records put aside.

Here: gathering them so that one cause is said once, and the checks that every endpoint shares (unknown fields, number
of rows). Not here: figures (`rows.py`, `catalogue.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from connectors.dvcqg766 import vocabulary as v
from connectors.dvcqg766.envelope import number
from dti_pipeline.harvest.answers import Suspect, as_object, shown
from dti_pipeline.harvest.model import Quarantined


class Notes:
    """Gathers while one answer is read."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._warned: dict[str, list[str]] = {}
        self._quarantined: list[Quarantined] = []

    def warn(self, what: str, where: str) -> None:
        self._warned.setdefault(what, []).append(where)

    def quarantine(self, where: str, reason: Suspect | str, record: object) -> None:
        self._quarantined.append(Quarantined(where, str(reason), shown(record)))

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        return tuple(self._quarantined)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per cause, with its first place and how many more there are."""
        return tuple(
            f"{self.endpoint}: {what} (tại {places[0]}" + (f" và {len(places) - 1} chỗ khác)" if places[1:] else ")")
            for what, places in self._warned.items()
        )

    def audit(self, record: Mapping[str, Any], where: str, known: Iterable[str]) -> None:
        """Warn of fields that nobody has decided about yet."""
        for name in sorted(set(record) - set(known)):
            self.warn(f"trường mới «{name}»", where)

    def count(self, rows: int, expected: Decimal | int, where: str) -> None:
        if rows != expected:
            self.warn(f"có {rows} dòng, cổng báo {expected}", where)

    def paging(self, pagination: Any, rows: int, where: str) -> None:
        """Warn where a page does not hold as many rows as it says: a default page size cuts silently."""
        at = "/data/pagination"
        if pagination is None:
            self.warn("thiếu trường «pagination», không biết có đủ dòng không", "/data")
            return
        fields = as_object(pagination, at)
        self.audit(fields, at, v.PAGINATION)
        try:
            total, current, size, pages = (number(fields, name, at) for name in v.PAGINATION)
        except Suspect as reason:
            self.quarantine(at, reason, fields)
            return
        if total is None or current is None or size is None or pages is None:
            self.warn("phân trang thiếu số", at)
            return
        rest = max(Decimal(0), total - (current - 1) * size)
        self.count(rows, total if pages <= 1 else min(size, rest), where)
