"""Units for readers: JSON-ready data and lines in Vietnamese, for the command line and for tables.

Here: the list, one unit, its history with what can be compared, and what a name may mean. Codes may be identifier codes
in either spelling or, for localities, the statistics office's digits. Not here: printing, matching by name (a name only
ever gives candidates).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dti_pipeline.text import nfc, sort_key
from dti_pipeline.units import localities
from dti_pipeline.units.localities import Locality
from dti_pipeline.units.registry import CodeError, LevelName, Registry, Unit, older_spelling
from dti_pipeline.units.succession import COMPARABLE, NOT_COMPARABLE, Comparison, Event, History, Member, vi_date

LEVEL_WORDS: dict[LevelName, str] = {
    "province": "cấp tỉnh",
    "department": "sở, ban, ngành",
    "district": "cấp huyện",
    "commune": "cấp xã",
}
_MATCH_WORDS = {
    "exact": "trùng tên",
    "folded": "trùng tên khi bỏ dấu",
    "part": "có trong tên",
}


def list_units(
    registry: Registry, *, level: LevelName | None = None, province: str | None = None, day: dt.date | None = None
) -> list[dict[str, Any]]:
    """Units of the registry in its order, of a level, a province (code), or that existed on a day."""
    top = None if province is None else registry.require(province).code
    return [
        _unit(unit)
        for unit in registry
        if (level is None or unit.level == level)
        and (top is None or unit.province == top)
        and (day is None or unit.existed_on(day))
    ]


def list_localities(province: str | None = None) -> list[dict[str, Any]]:
    """The provinces that exist, or the communes of one (statistics code). Raises UnknownLocality."""
    return [_locality(item) for item in (localities.provinces() if province is None else localities.communes(province))]


def show(registry: Registry, code: str) -> dict[str, Any]:
    """One unit, or what a statistics code stands and stood for.

    Raises CodeError and UnknownUnit for an identifier code, UnknownLocality for digits.
    """
    if not _is_statistics_code(code):
        unit = registry.require(code)
        return _unit(unit) | {
            "predecessors": [other.code for other in registry.predecessors_of(unit.code)],
            "locality": _locality_of(unit),
        }
    today, before = localities.find(code), _former(code)
    if today is None and not before:
        raise localities.UnknownLocality(f"no locality has the code {code!r}, or had it" + _without_former(code))
    in_registry = next((unit.code for unit in registry if unit.statistics_code == code), None)
    return {
        "statistics_code": code,
        "today": None if today is None else _locality(today),
        "former": [_locality(item) for item in before],
        "unit": in_registry,
        "data_version": localities.data_version(),
    }


def history(registry: Registry, code: str, years: tuple[int, int] | None = None) -> dict[str, Any]:
    """What a unit or locality came out of and became; with `years`, whether figures of the two can be compared.

    Raises CodeError, UnknownUnit, UnknownLocality, and FormerCommunesUnavailable for a commune's digits.
    """
    if _is_statistics_code(code):
        chosen = _history_of_digits(code)
        compared = None if years is None else chosen.compare_years(*years)
    else:
        chosen = registry.history(code)
        compared = None if years is None else registry.compare_years(code, *years)
    return {
        "code": chosen.of.code,
        "name": chosen.of.name,
        "members": [_member(member) for member in chosen.members],
        "events": [_event(event) for event in chosen.events],
        "comparison": None if years is None or compared is None else comparison(compared, *years),
    }


def comparison(compared: Comparison, year_a: int, year_b: int) -> dict[str, Any]:
    """Whether figures of two years can be compared, as data."""
    return {
        "years": [year_a, year_b],
        "comparable": compared.comparable,
        "words": compared.words,
        "reason": compared.reason or None,
        "events": [_event(event) for event in compared.events],
    }


def match_name(
    registry: Registry, name: str, *, province: str | None = None, with_former: bool = True
) -> dict[str, Any]:
    """What a name may mean, in the registry and among localities; a person chooses and writes down the code.

    `province` is a statistics code and limits both, as a province behind the name does.
    """
    reading = localities.read_name(name)
    wanted = [folded for _, bare in reading.names if (folded := localities.fold(bare))]
    allowed = reading.provinces if province is None else frozenset({province})
    found = localities.search(name, province=province, with_former=with_former)
    units = [
        unit
        for unit in registry
        if any(f" {folded} " in f" {localities.fold(unit.name)} " for folded in wanted)
        and (allowed is None or _statistics_code_above(registry, unit) in allowed)
    ]
    return {
        "name": nfc(name),
        "units": [_unit(unit) for unit in sorted(units, key=lambda unit: (sort_key(unit.name), unit.code))],
        "localities": [_locality(candidate.locality) | {"match": candidate.match} for candidate in found],
        "former_communes_searched": with_former and localities.has_former_communes(),
    }


# --- lines for people ---


def list_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line per unit or locality of a list."""
    return [_line(row) for row in rows]


def show_lines(data: Mapping[str, Any]) -> list[str]:
    """Lines for what `show` gives."""
    if "level" not in data:
        lines = [f"Mã thống kê {data['statistics_code']} (danh mục {data['data_version']})"]
        lines += [f"Nay: {_line(data['today'])}"] if data["today"] else ["Nay: không còn đơn vị nào mang mã này"]
        lines += [f"Trước đây: {_line(row)}" for row in data["former"]]
        return [*lines, f"Mã định danh: {data['unit'] or 'chưa có trong danh mục đơn vị'}"]
    lines = [
        f"{data['name']}",
        f"Mã định danh: {data['code']}" + (f" (cách viết cũ: {data['older_code']})" if data["older_code"] else ""),
        f"Loại: {LEVEL_WORDS[data['level']]}" + (f", trực thuộc {data['parent']}" if data["parent"] else ""),
        f"Thời gian: {_span(data)}",
    ]
    if data["predecessors"]:
        lines.append(f"Hình thành từ: {', '.join(data['predecessors'])}")
    if data["successors"]:
        lines.append(f"Đơn vị kế tục: {', '.join(data['successors'])}")
    if data["statistics_code"]:
        place = f" ({data['locality']['full_name']})" if data["locality"] else ""
        lines.append(f"Mã thống kê: {data['statistics_code']}{place}")
    lines += [f"Mã ở nguồn {source}: {identifier}" for source, identifier in data["source_ids"].items()]
    return [*lines, "Đơn vị hư cấu"] if data["fictional"] else lines


def history_lines(data: Mapping[str, Any]) -> list[str]:
    """Lines for what `history` gives: the events, then the two years if some were asked for."""
    lines = [f"{data['name']} ({data['code']})"]
    if not data["events"]:
        lines.append("Không có dữ liệu về sáp nhập, chia tách hoặc đổi tên")
    for event in data["events"]:
        verdict = COMPARABLE if event["comparable"] else NOT_COMPARABLE
        lines.append(f"{event['words']} (trước và sau {verdict})")
    if data["comparison"] is not None:
        first, second = data["comparison"]["years"]
        lines.append(f"Số liệu năm {first} và năm {second}: {data['comparison']['words']}")
    return lines


def match_lines(data: Mapping[str, Any]) -> list[str]:
    """Lines for what `match_name` gives: candidates, and that a code has to be chosen."""
    rows = [f"{_line(row)} – danh mục đơn vị" for row in data["units"]]
    rows += [f"{_line(row)} – địa phương, {_MATCH_WORDS[row['match']]}" for row in data["localities"]]
    if not rows:
        return [f"«{data['name']}»: không tìm thấy đơn vị nào"]
    return [f"«{data['name']}» có thể là (chọn theo mã, không dùng tên làm khóa):", *rows]


# --- parts ---


def _statistics_code_above(registry: Registry, unit: Unit) -> str | None:
    top = registry.get(unit.province)
    return None if top is None else top.statistics_code


def _is_statistics_code(code: str) -> bool:
    return code.isascii() and code.isdigit() and len(code) in (2, 5)


def _history_of_digits(code: str) -> History:
    today = localities.find(code)
    if today is not None:
        return localities.history(today)
    before = localities.former(code)
    if not before:
        raise localities.UnknownLocality(f"no locality has the code {code!r}, or had it")
    return localities.history(before[-1])


def _former(code: str) -> Sequence[Locality]:
    if len(code) == 5 and not localities.has_former_communes():
        return ()
    return localities.former(code)


def _without_former(code: str) -> str:
    missing = len(code) == 5 and not localities.has_former_communes()
    return f" (communes before 01/07/2025 are not in vietnam_provinces {localities.data_version()})" if missing else ""


def _locality_of(unit: Unit) -> dict[str, Any] | None:
    today = None if unit.statistics_code is None else localities.find(unit.statistics_code)
    return None if today is None else _locality(today)


def _unit(unit: Unit) -> dict[str, Any]:
    try:
        older: str | None = older_spelling(unit.code)
    except CodeError:
        older = None
    return {
        "code": unit.code,
        "older_code": older,
        "name": unit.name,
        "level": unit.level,
        "parent": unit.parent,
        "valid_from": _iso(unit.valid_from),
        "valid_to": _iso(unit.valid_to),
        "successors": list(unit.successors),
        "statistics_code": unit.statistics_code,
        "source_ids": dict(sorted(unit.source_ids.items())),
        "fictional": unit.fictional,
    }


def _locality(item: Locality) -> dict[str, Any]:
    return {
        "statistics_code": item.code,
        "name": item.name,
        "kind": item.kind,
        "full_name": item.full_name,
        "province": item.province,
        "valid_from": _iso(item.valid_from),
        "valid_to": _iso(item.valid_to),
    }


def _member(member: Member) -> dict[str, Any]:
    return {
        "code": member.code,
        "scheme": member.scheme,
        "name": member.name,
        "valid_from": None if member.valid_from == dt.date.min else member.valid_from.isoformat(),
        "valid_to": None if member.valid_to == dt.date.max else member.valid_to.isoformat(),
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "on": event.on.isoformat(),
        "kind": event.kind,
        "before": [_member(member) for member in event.before],
        "after": [_member(member) for member in event.after],
        "comparable": event.comparable,
        "words": event.words,
    }


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _line(row: Mapping[str, Any]) -> str:
    code, name = (row["code"], row["name"]) if "code" in row else (row["statistics_code"], row["full_name"])
    inside = f", tỉnh/thành phố {row['province']}" if row.get("province") else ""
    return f"{code} {name}{inside} ({_span(row)})"


def _span(row: Mapping[str, Any]) -> str:
    start, end = row["valid_from"], row["valid_to"]
    if start is None and end is None:
        return "không ghi thời hạn"
    first = "" if start is None else f"từ {vi_date(dt.date.fromisoformat(start))}"
    last = "" if end is None else f"đến hết {vi_date(dt.date.fromisoformat(end))}"
    return " ".join(part for part in (first, last) if part)
