"""Ranked tables as a night stored them, for the command line. Not here: files to take along."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlmodel import Session

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace
from dti_pipeline.scoring.report import plain
from dti_pipeline.store import facts
from dti_pipeline.store.tables import RankingRow
from dti_pipeline.text import sort_key, vi_decimal


@dataclass(frozen=True)
class RankedTable:
    """One level of one framework on one night, best first."""

    framework: str
    level: str
    level_name: str
    decision: str
    night: dt.date
    by_pool: bool
    rows: tuple[RankingRow, ...]
    names: dict[str, str]
    notes: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        return {
            "framework": self.framework,
            "level": self.level,
            "night": self.night.isoformat(),
            "units": [
                {
                    "unit": row.unit,
                    "name": row.unit_name,
                    "total": plain(Decimal(row.total_micro).scaleb(-6)),
                    "max_points": row.max_points,
                    "percent": row.percent,
                    "published": row.published,
                    "provisional": row.is_provisional,
                    "rank": row.rank,
                    "pool": row.pool,
                    "rank_in_pool": row.rank_in_pool,
                    "rating": row.rating,
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }

    def sections(self) -> Iterator[tuple[str, tuple[str, ...], list[tuple[object, ...]]]]:
        """(title, header, rows) per ranking pool, in the order of the pools' names; numbers in Vietnamese format."""
        header = ("hạng", "mã", "đơn vị", "điểm", "điểm tối đa", "")
        title = f"{self.decision} · {self.level_name} · đêm {self.night.strftime('%d/%m/%Y')}"
        pools = sorted({row.pool for row in self.rows}, key=lambda pool: sort_key(self.names.get(pool) or pool))
        for pool in pools:
            rows = sorted(
                (row for row in self.rows if row.pool == pool),
                key=lambda row: (row.rank_in_pool, sort_key(row.unit_name), row.unit),
            )
            yield (
                f"{title} · {self.names.get(pool, pool)}" if self.by_pool else title,
                header,
                [
                    (
                        row.rank_in_pool,
                        row.unit,
                        row.unit_name,
                        vi_decimal(Decimal(row.published)),
                        vi_decimal(Decimal(row.max_points)),
                        "tạm tính" if row.is_provisional else "",
                    )
                    for row in rows
                ],
            )


def ranked_table(work: Workspace, framework_id: str, level_name: str, night: dt.date) -> RankedTable:
    """The stored ranking. Raises UnknownFramework, KeyError for an unknown level."""
    framework = load_framework(framework_id)
    level = framework.level(level_name)
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, RankingRow, facts.RANKING_KEY, night, framework_id, level_name))
        session.expunge_all()
    rows.sort(key=lambda row: (row.rank, sort_key(row.unit_name), row.unit))
    return RankedTable(
        framework_id,
        level_name,
        level.name,
        framework.decision.number,
        night,
        level.pools[0] != "level",
        tuple(rows),
        {unit.code: unit.name for unit in work.registry},
        tuple(framework.notes),
    )
