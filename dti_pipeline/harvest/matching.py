"""Units that a source names and nobody knows: the list with suggestions, and a person's word on one of them.

Here: what waits in quarantine for want of a code, confirming which unit it is, and reading the answers that name it
again. Only a person's word matches a name; a suggestion never does. Not here: scores and the file
(`units/crosswalk.py`), looking names up on the night (`runner.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from dti_pipeline.harvest.discovery import load_connector, load_manifest
from dti_pipeline.harvest.quarantine import counting, list_held
from dti_pipeline.harvest.reread import RereadReport, read_again
from dti_pipeline.harvest.runner import unmatched_reason
from dti_pipeline.scoring.periods import TIME_ZONE
from dti_pipeline.store import facts
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import QuarantineRow, SourceRow
from dti_pipeline.text import nfc, sort_key
from dti_pipeline.units.crosswalk import Suggestion, add_entry, suggest
from dti_pipeline.units.registry import Confirmed, Registry, Unit


class MatchError(ValueError):
    """A confirmation that cannot be taken: of what, why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A unit as one site names it, without a code that anybody knows."""

    connector: str
    site: str
    province: str
    """Identifier code of the province that the site is asked about."""
    identifier: str
    name: str
    nights: tuple[str, ...]
    """On which the source named it, oldest first."""
    readings: tuple[str, ...]
    """Of the answers that name it."""
    suggestions: tuple[Suggestion, ...]

    def as_dict(self, registry: Registry) -> dict[str, Any]:
        return {
            "connector": self.connector,
            "site": self.site,
            "identifier": self.identifier,
            "name": self.name,
            "nights": list(self.nights),
            "suggestions": [
                {
                    "unit": item.unit.code,
                    "name": item.unit.name,
                    "score": item.score,
                    "known_as": list(registry.identifiers_of(item.unit.code, self.connector, self.site)),
                }
                for item in self.suggestions
            ],
        }


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The line that was written, and what reading the answers again came to."""

    entry: Confirmed
    reread: RereadReport


def unmatched(engine: Engine, registry: Registry, connector: str | None = None) -> tuple[Unmatched, ...]:
    """Every unit that waits for a code, by connector, site and name, each with the units it may be.

    Suggested are units of the site's province that existed on the newest night on which the source named it.
    """
    held = {item.id: item for item in list_held(engine, connector=connector) if not item.is_figure}
    groups: dict[tuple[str, str, str], list[tuple[QuarantineRow, str]]] = {}
    with Session(engine) as session:
        sources = session.exec(select(SourceRow).order_by(col(SourceRow.recorded_at), SourceRow.id)).all()
        provinces = {(row.connector, row.site): row.province for row in sources}
        for row in _rows(session, list(held)):
            told = _unit_of(row)
            if told is not None:
                groups.setdefault((row.connector, row.site, told[0]), []).append((row, told[1]))
    found = []
    for (source, site, identifier), members in groups.items():
        nights = tuple(sorted({night for row, _ in members for night in held[row.id].nights}))
        province, day = provinces[source, site], dt.date.fromisoformat(nights[-1])
        name = max(members, key=lambda member: (held[member[0].id].nights[-1], member[0].id))[1]
        candidates = [unit for unit in registry if unit.province == province and unit.existed_on(day)]
        readings = tuple(sorted({row.reading_id for row, _ in members}))
        found.append(Unmatched(source, site, province, identifier, name, nights, readings, suggest(name, candidates)))
    return tuple(sorted(found, key=lambda item: (item.connector, item.site, sort_key(item.name), item.identifier)))


def confirm(
    engine: Engine,
    store: SnapshotStore,
    registry: Registry,
    file: Path,
    *,
    connector: str,
    identifier: str,
    unit: str,
    by: str,
    reason: str,
    now: dt.datetime,
    site: str | None = None,
    another_name: bool = False,
) -> Confirmation:
    """Write down that a site's waiting name is that unit, then read the answers that name it again.

    `another_name` says that the site may know the unit under more than one name. Figures count from this moment: nights
    that were closed before do not see them. Raises MatchError, CodeError, UnknownUnit and DataFileError with nothing
    written; SnapshotDamaged where stored bytes are gone, with the line written (`dti connectors reread` goes on).
    """
    if not by.strip() or not reason.strip():
        raise MatchError("a confirmation needs its author (by) and a reason")
    waiting = _waiting(unmatched(engine, registry, connector), registry, connector, identifier, site)
    chosen = registry.require(unit)
    _check_unit(chosen, waiting)
    with Session(engine) as session:
        answered = {
            name for name, code in facts.crosswalk(session, connector, waiting.site).items() if code == chosen.code
        }
        counted = counting(session, connector)
        session.expunge_all()
    others = sorted({*answered, *registry.identifiers_of(chosen.code, connector, waiting.site)})
    if others and not another_name:
        raise MatchError(
            f"{chosen.code} đã là «{'», «'.join(others)}» ở {connector}/{waiting.site}; "
            "nếu nguồn dùng nhiều tên cho cùng một đơn vị thì thêm --another-name"
        )
    entry = Confirmed(
        connector=connector,
        site=waiting.site,
        identifier=waiting.identifier,
        name=waiting.name,
        unit=chosen.code,
        confirmed_by=by.strip(),
        confirmed_on=now.astimezone(TIME_ZONE).date(),
        reason=reason.strip(),
    )
    after = registry.with_confirmed(entry)
    add_entry(file, entry)
    reader, manifest = load_connector(connector), load_manifest(connector)
    report = RereadReport(manifest.name, manifest.version)
    for answer in [answer for reading in waiting.readings for answer in counted.get(reading, [])]:
        read_again(engine, store, after, reader, manifest, answer, now, report)
    return Confirmation(entry, report)


def _waiting(
    items: Sequence[Unmatched], registry: Registry, connector: str, identifier: str, site: str | None
) -> Unmatched:
    named = [item for item in items if nfc(item.identifier) == nfc(identifier) and site in (None, item.site)]
    if len(named) == 1:
        return named[0]
    if named:
        sites = ", ".join(item.site for item in named)
        raise MatchError(f"«{identifier}» chờ xác nhận ở nhiều điểm thu thập của {connector} ({sites}); thêm --site")
    for entry in registry.crosswalk:
        if (entry.connector, entry.identifier) == (connector, nfc(identifier)) and site in (None, entry.site):
            raise MatchError(
                f"«{identifier}» ở {connector}/{entry.site} đã được {entry.confirmed_by} xác nhận là {entry.unit}; "
                "nếu sai thì sửa dòng đó trong crosswalk.yaml rồi đọc lại (dti connectors reread)"
            )
    raise MatchError(
        f"không có đơn vị «{identifier}» nào chờ xác nhận ở {connector}{'/' + site if site else ''}; "
        "xem dti units match và viết đúng như nguồn viết"
    )


def _check_unit(unit: Unit, waiting: Unmatched) -> None:
    if unit.province != waiting.province:
        raise MatchError(
            f"{unit.code} không thuộc {waiting.province}, tỉnh của điểm thu thập {waiting.connector}/{waiting.site}"
        )
    night = waiting.nights[-1]
    if not unit.existed_on(dt.date.fromisoformat(night)):
        became = f"; đơn vị kế tục: {', '.join(unit.successors)}" if unit.successors else ""
        raise MatchError(f"{unit.code} không tồn tại vào đêm {night}, khi nguồn nêu tên này{became}")


def _unit_of(row: QuarantineRow) -> tuple[str, str] | None:
    """(identifier, name) where a record waits for want of a code, None where for another reason."""
    try:
        record = json.loads(row.record)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.keys() != {"unit", "name"}:
        return None
    unit, name = str(record["unit"]), str(record["name"])
    return (unit, name) if row.reason == unmatched_reason(unit, name) else None


def _rows(session: Session, ids: Sequence[str]) -> list[QuarantineRow]:
    found: list[QuarantineRow] = []
    for start in range(0, len(ids), 500):
        found += session.exec(select(QuarantineRow).where(col(QuarantineRow.id).in_(ids[start : start + 500]))).all()
    session.expunge_all()
    return found
