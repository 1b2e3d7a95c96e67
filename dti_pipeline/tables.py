"""Ranked tables as a night stored them: what the command line prints and files carry.

Here: stored rows -> columns and sections, footnotes included. Not here: ranks and policies (`scoring/ranking.py`) and
the formats of files (`publish/`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from sqlmodel import Session

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.night import Workspace
from dti_pipeline.scoring.report import plain
from dti_pipeline.store import facts
from dti_pipeline.store.tables import FootnoteRow, RankingRow
from dti_pipeline.text import sort_key, vi_decimal

Value = int | str | Decimal | None
Kind = Literal["rank", "text", "number"]

STANDING_WORDS = {
    "not_appraised": "chưa được thẩm định, tính 0 điểm",
    "unranked": "không xếp hạng",
    "exempt": "không đánh giá",
}


@dataclass(frozen=True)
class Column:
    """One printed column; numbers have `decimals` at least (more where the value carries more)."""

    key: str
    header: str
    kind: Kind
    decimals: int = 2

    @property
    def is_right(self) -> bool:
        return self.kind != "text"


@dataclass(frozen=True)
class Section:
    """One ranking pool, best first; units without a rank last."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]

    def texts(self) -> list[tuple[str, ...]]:
        """Rows in Vietnamese number format."""
        return [
            tuple(shown(column, value) for column, value in zip(self.columns, row, strict=True)) for row in self.rows
        ]


def shown(column: Column, value: Value) -> str:
    """One cell for a reader; nothing is printed for what there is not."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        digits = -exponent if isinstance(exponent, int) else 0
        return vi_decimal(value, max(column.decimals, digits))
    return str(value)


@dataclass(frozen=True)
class RankedTable:
    """One level of one assessment on one night."""

    assessment: str
    year: int
    framework: str
    level: str
    level_name: str
    decision: str
    decimals: int
    night: dt.date
    by_pool: bool
    working_words: str | None
    """What must stand on everything made of a working annex."""
    rows: tuple[RankingRow, ...]
    names: dict[str, str]
    """Unit code -> name."""
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.decision} · {self.level_name} · năm {self.year} · đêm {self.night.strftime('%d/%m/%Y')}"

    @property
    def is_provisional(self) -> bool:
        return any(row.is_provisional for row in self.rows)

    def data(self) -> dict[str, Any]:
        return {
            "assessment": self.assessment,
            "year": self.year,
            "framework": self.framework,
            "level": self.level,
            "night": self.night.isoformat(),
            "working_annex": self.working_words,
            "units": [
                {
                    "unit": row.unit,
                    "name": row.unit_name,
                    "standing": row.standing,
                    "standing_reason": row.standing_reason,
                    "total": None if row.total_micro is None else plain(Decimal(row.total_micro).scaleb(-6)),
                    "max_points": row.max_points,
                    "percent": row.percent,
                    "basis": row.basis,
                    "published": row.published,
                    "printed": row.printed,
                    "level_published": row.level_published,
                    "provisional": row.is_provisional,
                    "rank": row.rank,
                    "pool": row.pool,
                    "rank_in_pool": row.rank_in_pool,
                    "rating": row.rating,
                    "rating_reason": row.rating_reason,
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns that this table needs: points, maximum and percent together as soon as one pool is on percent."""
        is_percent = any(row.basis == "percent" or row.level_basis == "percent" for row in self.rows)
        found = [
            Column("rank_in_pool", "Hạng", "rank"),
            Column("unit", "Mã", "text"),
            Column("unit_name", "Đơn vị", "text"),
            Column("score", "Điểm công bố", "number", self.decimals),
        ]
        if is_percent:
            found += [
                Column("total", "Điểm đạt", "number", self.decimals),
                Column("max_points", "Điểm tối đa áp dụng", "number", 0),
                Column("percent", "Phần trăm", "number", self.decimals),
            ]
        else:
            found.append(Column("max_points", "Điểm tối đa", "number", 0))
        if any(row.rating for row in self.rows):
            found.append(Column("rating", "Xếp loại", "text"))
        if self.by_pool:
            found += [
                Column("pool_name", "Địa bàn", "text"),
                Column("rank", "Hạng toàn cấp", "rank"),
            ]
        found.append(Column("remark", "Ghi chú", "text"))
        return tuple(found)

    def sections(self) -> tuple[Section, ...]:
        """One section per ranking pool in the order of the pools' names; one for a level that is a single pool."""
        pools = sorted({row.pool for row in self.rows}, key=lambda pool: sort_key(self.names.get(pool) or pool))
        found = []
        for pool in pools:
            rows = sorted((row for row in self.rows if row.pool == pool), key=_pool_order)
            is_percent = any(row.basis == "percent" for row in rows)
            columns = tuple(
                replace(column, header="Điểm công bố (%)") if column.key == "score" and is_percent else column
                for column in self.columns
            )
            title = f"{self.title} · {self.names.get(pool, pool)}" if self.by_pool else self.title
            found.append(Section(title, columns, self._cells(columns, rows)))
        return tuple(found)

    def level_section(self) -> Section:
        """The order over the whole level, whatever the pools."""
        is_percent = any(row.level_basis == "percent" for row in self.rows)
        if not self.by_pool:
            columns = tuple(
                replace(column, header="Điểm công bố (%)") if column.key == "score" and is_percent else column
                for column in self.columns
            )
            return Section(self.title, columns, self._cells(columns, self.rows))
        # Pools may be on different bases; over the level one basis orders them all, beside what each pool publishes.
        over_level = Column(
            "level_score", "Điểm để so toàn cấp (%)" if is_percent else "Điểm để so toàn cấp", "number", self.decimals
        )
        instead = {
            "rank_in_pool": (Column("rank", "Hạng toàn cấp", "rank"),),
            "score": (over_level, Column("score", "Điểm công bố trong địa bàn", "number", self.decimals)),
            "rank": (Column("rank_in_pool", "Hạng trong địa bàn", "rank"),),
        }
        columns = tuple(item for column in self.columns for item in instead.get(column.key, (column,)))
        return Section(self.title, columns, self._cells(columns, self.rows))

    def _cells(self, columns: Sequence[Column], rows: Sequence[RankingRow]) -> tuple[tuple[Value, ...], ...]:
        return tuple(tuple(self._cell(column, row) for column in columns) for row in rows)

    def _cell(self, column: Column, row: RankingRow) -> Value:
        match column.key:
            case "score":
                return None if row.printed is None or row.max_points == "0" else Decimal(row.printed)
            case "level_score":
                return None if row.level_published is None or row.max_points == "0" else Decimal(row.level_published)
            case "percent" if row.basis == "percent" and row.printed is not None:
                # The same figure, with the digits that show why.
                return Decimal(row.printed)
            case "total":
                return None if row.total_micro is None else _half_up(Decimal(row.total_micro).scaleb(-6), self.decimals)
            case "max_points":
                return None if row.max_points is None else Decimal(row.max_points)
            case "percent":
                return None if row.percent is None else _half_up(Decimal(row.percent), self.decimals)
            case "pool_name":
                return self.names.get(row.pool, row.pool)
            case "remark":
                return remark(row)
            case key:
                value: Value = getattr(row, key)
                return value


def remark(row: RankingRow) -> str:
    """A unit's standing and why, in words: a state is never shown as a bare 0."""
    told = [STANDING_WORDS[row.standing]] if row.standing in STANDING_WORDS else []
    if row.standing_reason and row.standing_reason != row.rating_reason:
        told.append(row.standing_reason)
    if row.rating_reason:
        told.append(row.rating_reason)
    if row.is_provisional:
        told.append("tạm tính")
    return "; ".join(told)


def _half_up(value: Decimal, decimals: int) -> Decimal:
    from decimal import ROUND_HALF_UP

    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def _pool_order(row: RankingRow) -> tuple[object, ...]:
    return (row.rank_in_pool is None, row.rank_in_pool or 0, *_apart(row), sort_key(row.unit_name), row.unit)


def _level_order(row: RankingRow) -> tuple[object, ...]:
    return (row.rank is None, row.rank or 0, *_apart(row), sort_key(row.unit_name), row.unit)


def _apart(row: RankingRow) -> tuple[bool, Decimal]:
    """Of units without a rank the assessed ones by score, then the exempt ones; nothing for ranked units."""
    if row.rank is not None:
        return False, Decimal(0)
    return row.standing == "exempt", -Decimal(row.level_published or 0)


def ranked_table(work: Workspace, assessment_id: str, level_name: str, night: dt.date) -> RankedTable:
    """The stored ranking. Raises UnknownAssessment, KeyError for an unknown level."""
    assessment = work.assessment(assessment_id)
    framework = load_framework(assessment.framework)
    level = framework.level(level_name)
    with Session(work.engine) as session:
        rows = facts.live(facts.of_night(session, RankingRow, facts.RANKING_KEY, night, assessment_id, level_name))
        notes = facts.live(facts.of_night(session, FootnoteRow, facts.FOOTNOTE_KEY, night, assessment_id, level_name))
        session.expunge_all()
    return RankedTable(
        assessment=assessment_id,
        year=assessment.year,
        framework=framework.id,
        level=level_name,
        level_name=level.name,
        decision=framework.decision.number,
        decimals=framework.decimals,
        night=night,
        by_pool=level.pools[0] != "level",
        working_words=framework.working_words if level.basis == "working" else None,
        rows=tuple(sorted(rows, key=_level_order)),
        names={unit.code: unit.name for unit in work.registry},
        notes=tuple(note.text for note in notes),
    )
