"""What a province's list says, checked record by record.

Here: the format `danh-muc-csdl/1` and what makes a record unusable. Not here: the answer's envelope and the request
(`connector.py`), counting (`counting.py`).

The format is this project's own, for want of any public one: see the manifest's evidence note.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from dti_pipeline.harvest.codes import is_within, todays_code
from dti_pipeline.harvest.model import FailureKind, Quarantined, SourceFailure

FORMAT = "danh-muc-csdl/1"
DATABASE_KINDS = frozenset({"shared", "specialised"})
STATUSES = frozenset({"planned", "building", "operating", "stopped"})
PLATFORM_KINDS = frozenset({"big_data", "integration", "document", "geographic", "operations_centre", "other"})
LISTS = ("agencies", "databases", "platforms", "items")
_KEYS = frozenset({"format", "province", "as_of", "totals", "population", *LISTS})
_POPULATION = frozenset({"count", "as_of", "source"})

R = TypeVar("R")


class Unusable(Exception):
    """A record that cannot be counted, with the reason."""


@dataclass(frozen=True, slots=True)
class Database:
    """A shared or specialised database. None in `lgsp` or `ngsp`: not yet declared."""

    id: str
    owner: str
    kind: str
    status: str
    lgsp: bool | None
    ngsp: bool | None
    consumers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Platform:
    """A digital platform and the agencies that use it."""

    id: str
    kind: str
    status: str
    users: frozenset[str]


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the catalogue of data items. None: not yet declared."""

    id: str
    owner: str
    digitised: bool | None
    current: bool | None
    open: bool | None


@dataclass(frozen=True, slots=True)
class Registry:
    """The whole list, without the records put aside."""

    province: str
    as_of: dt.date
    agencies: Mapping[str, str]
    """Code -> name."""
    databases: tuple[Database, ...]
    platforms: tuple[Platform, ...]
    items: tuple[Item, ...]
    population: Decimal | None
    quarantined: tuple[Quarantined, ...] = ()
    warnings: tuple[str, ...] = ()


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def read_registry(document: Any) -> Registry:
    """The list in a parsed answer, numbers as Decimal. Raises SourceFailure: WRONG_SHAPE, TRUNCATED."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        fail(FailureKind.WRONG_SHAPE, f"không phải danh mục dạng {FORMAT}")
    province, as_of = document.get("province"), _day(document.get("as_of"))
    if not isinstance(province, str) or todays_code(province) != province:
        fail(FailureKind.WRONG_SHAPE, "/province phải là mã định danh của tỉnh")
    totals = document.get("totals")
    if not isinstance(totals, dict):
        fail(FailureKind.WRONG_SHAPE, "/totals phải có số bản ghi của từng danh sách")
    for name in LISTS:
        if not isinstance(document.get(name), list):
            fail(FailureKind.WRONG_SHAPE, f"/{name} phải là một danh sách")
        if totals.get(name) != len(document[name]):
            said = f"/totals/{name} ghi {totals.get(name)}, danh sách có {len(document[name])} bản ghi"
            fail(FailureKind.TRUNCATED, said)
    sorter = _Sorter()
    agencies = dict(sorter.sort("agencies", document, lambda row: _agency(row, province), lambda found: found[0]))
    databases = sorter.sort("databases", document, lambda row: _database(row, agencies), lambda found: found.id)
    platforms = sorter.sort("platforms", document, lambda row: _platform(row, agencies), lambda found: found.id)
    items = sorter.sort("items", document, lambda row: _item(row, agencies), lambda found: found.id)
    for at, known in (("", _KEYS), ("/totals", frozenset(LISTS)), ("/population", _POPULATION)):
        given = document.get(at[1:]) if at else document
        sorter.fresh.update(f"{at}/{name}" for name in (given.keys() - known if isinstance(given, dict) else ()))
    warnings = [f"trường mới: {', '.join(sorted(sorter.fresh))}"] if sorter.fresh else []
    if sorter.quarantined:
        warnings.append(f"{len(sorter.quarantined)} bản ghi của danh mục bị cách ly, không được đếm")
    return Registry(
        province,
        as_of,
        agencies,
        tuple(databases),
        tuple(platforms),
        tuple(items),
        _population(document),
        tuple(sorter.quarantined),
        tuple(warnings),
    )


@dataclass
class _Sorter:
    """Goes through the lists: usable records, and what is put aside."""

    quarantined: list[Quarantined] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)

    def sort(
        self, name: str, document: Mapping[str, Any], read: Callable[[Mapping[str, Any]], R], key: Callable[[R], str]
    ) -> list[R]:
        """The usable records of a list; the second of two with one key is put aside."""
        found: dict[str, R] = {}
        for number, row in enumerate(document[name]):
            try:
                if not isinstance(row, dict):
                    raise Unusable("bản ghi không phải một đối tượng")
                record = read(row)
                if key(record) in found:
                    raise Unusable(f"«{key(record)}» xuất hiện hai lần")
                found[key(record)] = record
                self.fresh.update(f"/{name}/{extra}" for extra in row.keys() - _FIELDS[name])
            except Unusable as error:
                self.quarantined.append(Quarantined(f"/{name}/{number}", str(error), _shown(row, _FIELDS[name])))
        return list(found.values())


_FIELDS: Mapping[str, frozenset[str]] = {
    "agencies": frozenset({"code", "name"}),
    "databases": frozenset({"id", "name", "owner", "kind", "status", "lgsp", "ngsp", "consumers"}),
    "platforms": frozenset({"id", "name", "owner", "kind", "status", "users"}),
    "items": frozenset({"number", "name", "owner", "digitised", "current", "open"}),
}


def _shown(row: Any, fields: Collection[str]) -> str:
    """A record for the person who looks into the quarantine: the fields of the format, nobody's name or telephone."""
    if not isinstance(row, dict):
        return type(row).__name__
    kept = {name: part for name, part in row.items() if name in fields}
    return json.dumps(kept, ensure_ascii=False, sort_keys=True, default=str)[:400]


def _agency(row: Mapping[str, Any], province: str) -> tuple[str, str]:
    code, name = row.get("code"), _text(row, "name")
    if not isinstance(code, str) or todays_code(code) is None:
        raise Unusable(f"code không phải mã định danh: {code}")
    code = todays_code(code) or code
    if code == province or not is_within(code, province):
        raise Unusable(f"{code} không phải cơ quan thuộc {province}")
    return code, name


def _database(row: Mapping[str, Any], agencies: Collection[str]) -> Database:
    _text(row, "name")
    return Database(
        _text(row, "id"),
        _code(row, "owner", agencies),
        _word(row, "kind", DATABASE_KINDS),
        _word(row, "status", STATUSES),
        _flag(row, "lgsp"),
        _flag(row, "ngsp"),
        _codes(row, "consumers", agencies),
    )


def _platform(row: Mapping[str, Any], agencies: Collection[str]) -> Platform:
    _text(row, "name")
    return Platform(
        _text(row, "id"),
        _word(row, "kind", PLATFORM_KINDS),
        _word(row, "status", STATUSES),
        _codes(row, "users", agencies),
    )


def _item(row: Mapping[str, Any], agencies: Collection[str]) -> Item:
    _text(row, "name")
    number = row.get("number")
    if not isinstance(number, Decimal) or number < 1 or number != number.to_integral_value():
        raise Unusable("number không phải số thứ tự từ 1")
    item = Item(
        f"{number:f}",
        _code(row, "owner", agencies),
        _flag(row, "digitised"),
        _flag(row, "current"),
        _flag(row, "open"),
    )
    if item.digitised is False and (item.current or item.open):
        raise Unusable("chưa số hóa mà lại được cập nhật hoặc cung cấp dữ liệu mở")
    return item


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Unusable(f"{name} trống hoặc không phải chữ")
    return value


def _word(row: Mapping[str, Any], name: str, known: Collection[str]) -> str:
    value = row.get(name)
    if not isinstance(value, str) or value not in known:
        raise Unusable(f"{name} «{value}» không thuộc {', '.join(sorted(known))}")
    return value


def _flag(row: Mapping[str, Any], name: str) -> bool | None:
    """null is «not yet declared»; a missing key is a record that breaks the format."""
    if name not in row:
        raise Unusable(f"thiếu {name}")
    value = row[name]
    if value is not None and not isinstance(value, bool):
        raise Unusable(f"{name} phải là true, false hoặc null")
    return value


def _code(row: Mapping[str, Any], name: str, agencies: Collection[str]) -> str:
    value = row.get(name)
    code = todays_code(value) if isinstance(value, str) else None
    if code is None or code not in agencies:
        raise Unusable(f"{name} «{value}» không có trong danh sách cơ quan")
    return code


def _codes(row: Mapping[str, Any], name: str, agencies: Collection[str]) -> frozenset[str]:
    values = row.get(name)
    if not isinstance(values, list):
        raise Unusable(f"{name} phải là danh sách mã định danh")
    return frozenset(_code({name: value}, name, agencies) for value in values)


def _population(document: Mapping[str, Any]) -> Decimal | None:
    """None where the list does not say it (null or missing)."""
    given = document.get("population")
    if given is None:
        return None
    if not isinstance(given, dict) or "count" not in given:
        fail(FailureKind.WRONG_SHAPE, "/population không có count")
    count = given["count"]
    if count is None:
        return None
    if not isinstance(count, Decimal) or count <= 0 or count != count.to_integral_value():
        fail(FailureKind.WRONG_SHAPE, "/population/count phải là số nguyên dương")
    return count


def _day(value: Any) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        fail(FailureKind.WRONG_SHAPE, "/as_of phải là ngày dạng 2026-09-30")
