"""Vietnam's localities since 01/07/2025 (34 provinces, 3,321 communes) and what they came out of.

Here: names, types and codes of the statistics office as the package `vietnam_provinces` has them, read when first asked
for (for communes, its versions of 2025 have the codes of a draft). Former provinces are our own file; former communes
come from the package where it has them (2026.1 and later, which need Python 3.12). Not here: identifier codes of QĐ
20/2020/QĐ-TTg (registry), matching by name (a search gives candidates; names are never keys).
"""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.util
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dti_pipeline.datafiles import read_model
from dti_pipeline.text import nfc, sort_key
from dti_pipeline.units.succession import Event, History, Member, derive_events, history_of

FORMER_PROVINCES = Path(__file__).parent / "former" / "provinces.yaml"
REFORM = dt.date(2025, 7, 1)
"""First day of the two tiers and of the 34 provinces."""

Kind = Literal["tỉnh", "thành phố", "xã", "phường", "đặc khu", "thị trấn"]
_KINDS: dict[str, Kind] = {
    "tỉnh": "tỉnh",
    "thành phố trung ương": "thành phố",
    "xã": "xã",
    "phường": "phường",
    "đặc khu": "đặc khu",
    "thị trấn": "thị trấn",
}
Match = Literal["exact", "folded", "part"]
_MATCHES: tuple[Match, ...] = ("exact", "folded", "part")


class UnknownLocality(LookupError):
    """A code that no locality has, or had."""


class FormerCommunesUnavailable(LookupError):
    """The installed package has no communes from before 01/07/2025."""


@dataclass(frozen=True)
class Locality:
    """A province (two digits) or a commune (five digits) under the statistics office's code of its time."""

    code: str
    name: str
    """Without its type: «Lâm Thao», «Huế»."""
    kind: Kind
    province: str | None
    """Code of its province, as of its own time; None for a province."""
    valid_from: dt.date | None = None
    """First day; None for «before any record»."""
    valid_to: dt.date | None = None
    """Last day; None while it exists."""

    @property
    def level(self) -> Literal["province", "commune"]:
        return "province" if self.province is None else "commune"

    @property
    def full_name(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def member(self) -> Member:
        # When a province became a city does not stand in the package, so a province's events go by its bare name.
        return Member(
            valid_from=self.valid_from or dt.date.min,
            code=self.code,
            name=self.name if self.province is None else self.full_name,
            valid_to=self.valid_to or dt.date.max,
            scheme="statistics",
        )


@dataclass(frozen=True)
class Candidate:
    """A locality that a name may mean. `match`: equal but for case and tone placement, but for marks, or as a part."""

    locality: Locality
    match: Match


@dataclass(frozen=True)
class NameReading:
    """What a written name may say: (type, name) in every reading, and codes of provinces that it is limited to."""

    names: tuple[tuple[Kind | None, str], ...]
    provinces: frozenset[str] | None


class _FormerProvince(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(pattern=r"^\d{2}$")]
    name: Annotated[str, Field(min_length=1)]
    kind: Literal["tỉnh", "thành phố"]
    valid_from: dt.date | None = None
    valid_to: dt.date
    successor: Annotated[str, Field(pattern=r"^\d{2}$")]
    """Code under which its successor stands on the day after `valid_to`."""


class _FormerProvinces(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    provinces: tuple[_FormerProvince, ...]


def data_version() -> str:
    """Version of the package and the day of its data, as `2026.9.0 (2026-09-20)`; says if codes are a draft's."""
    import vietnam_provinces

    draft = "; mã cấp xã theo dự thảo" if has_draft_codes() else ""
    return f"{vietnam_provinces.__version__} ({vietnam_provinces.__data_version__}{draft})"


def has_draft_codes() -> bool:
    """Whether communes carry codes of the draft list of 2025, as in versions of that year.

    In the final list more than a hundred communes have other codes, and some codes another commune. Provinces are the
    same in both.
    """
    import vietnam_provinces

    return str(vietnam_provinces.__version__).startswith("2025.")


@lru_cache(maxsize=1)
def provinces() -> tuple[Locality, ...]:
    """The provinces that exist, by code."""
    from vietnam_provinces import Province

    return tuple(sorted((_province(item) for item in Province.iter_all()), key=lambda item: item.code))


@lru_cache(maxsize=1)
def _all_communes() -> tuple[Locality, ...]:
    from vietnam_provinces import Ward

    return tuple(sorted((_commune(item, valid_from=REFORM) for item in Ward.iter_all()), key=lambda item: item.code))


def communes(province: str | None = None) -> tuple[Locality, ...]:
    """The communes that exist, of one province or of all, by code. Raises UnknownLocality for an unknown province."""
    if province is None:
        return _all_communes()
    if province not in {item.code for item in provinces()}:
        raise UnknownLocality(f"no province has the code {province!r} (two digits, as 25)")
    return tuple(item for item in _all_communes() if item.province == province)


def find(code: str) -> Locality | None:
    """The locality that exists under a code; None where there is none."""
    return _current().get(code)


def former(code: str) -> tuple[Locality, ...]:
    """Localities that stood under a code before, oldest first: a code may have passed from one to another.

    Raises FormerCommunesUnavailable for a commune's code where the package has no former communes.
    """
    found = former_provinces() if len(code) == 2 else former_communes()
    return tuple(item for item in found if item.code == code)


@lru_cache(maxsize=1)
def former_provinces() -> tuple[Locality, ...]:
    """The 63 provinces before 01/07/2025 (Huế also under its name before 2025). Raises DataFileError."""
    return tuple(_former_province(row) for row in _former_rows())


@lru_cache(maxsize=1)
def former_communes() -> tuple[Locality, ...]:
    """Communes as of the end of June 2025, by code. Raises FormerCommunesUnavailable."""
    legacy = _legacy()
    return tuple(sorted((_commune(item, valid_to=_EVE) for item in legacy.Ward.iter_all()), key=lambda item: item.code))


def predecessors(code: str) -> tuple[Locality, ...]:
    """What the existing locality came out of on its first day, by code; none where nothing is recorded.

    Raises UnknownLocality, and FormerCommunesUnavailable for a commune.
    """
    locality = _existing(code)
    return _ordered(before for before, afters in _successors(locality.level).items() if locality in afters)


def successors(locality: Locality) -> tuple[Locality, ...]:
    """What a former locality became part of, by code; none where nothing is recorded, or if it still exists.

    Raises FormerCommunesUnavailable for a commune.
    """
    return _ordered(_successors(locality.level).get(locality, ()))


def history(locality: Locality | str) -> History:
    """What a locality (or the existing one of a code) came out of and became.

    Raises UnknownLocality, and FormerCommunesUnavailable for a commune.
    """
    chosen = _existing(locality) if isinstance(locality, str) else locality
    return history_of(chosen.member, _events(chosen.level))


def mergers_into(members: Mapping[str, Member]) -> tuple[Event, ...]:
    """Mergers and splits that led to today's provinces, with `members` (by statistics code) in their places.

    Of provinces without a member nothing is told. Needs no package. Raises DataFileError.
    """
    today = {row.successor: Locality(row.successor, row.successor, "tỉnh", None, REFORM) for row in _former_rows()}
    edges = _former_edges(today).items()
    events = derive_events({before.member: tuple(after.member for after in afters) for before, afters in edges})
    told = {today[code].member: member for code, member in members.items() if code in today}
    return tuple(
        replace(event, after=tuple(told[member] for member in event.after))
        for event in events
        if not event.comparable and told.keys() >= set(event.after)
    )


def read_name(text: str) -> NameReading:
    """A written name without «UBND» in front and « - tỉnh …» behind; with a type in front, also without it."""
    name, named = _split_province(_UBND.sub("", " ".join(nfc(text).split())))
    return NameReading(((None, name), *_kinds_before(name)), None if named is None else frozenset(named))


def search(text: str, *, province: str | None = None, with_former: bool = False) -> tuple[Candidate, ...]:
    """Every locality that a name may mean, closest first; never one silently, and none if nothing fits.

    Accents may be missing or placed the other way («Hoà», «Hòa»), «UBND» and a type may stand before the name, and
    « - tỉnh …» behind it limits to that province, under today's name or a former one. `province` limits by code. Raises
    UnknownLocality for one that no province has or had.
    """
    if province is not None and find(province) is None and not (len(province) == 2 and former(province)):
        raise UnknownLocality(f"no province has the code {province!r}, or had it")
    reading = read_name(text)
    allowed = reading.provinces if province is None else {province}
    pool: list[Locality] = [*provinces(), *_all_communes()]
    if with_former:
        pool += [*former_provinces(), *(former_communes() if has_former_communes() else ())]
    found: list[tuple[tuple[object, ...], Candidate]] = []
    for item in pool:
        if allowed is not None and item.code not in allowed and item.province not in allowed:
            continue
        matches = [(_MATCHES.index(match), kind) for kind, bare in reading.names if (match := _match(bare, item.name))]
        if not matches:
            continue
        nearest = min(position for position, _ in matches)
        match = _MATCHES[nearest]
        order = (
            nearest,
            all(kind is not None and kind != item.kind for position, kind in matches if position == nearest),
            item.valid_to is not None,
            item.level != "province",
            sort_key(item.name),
            item.code,
        )
        found.append((order, Candidate(item, match)))
    return tuple(candidate for _, candidate in sorted(found, key=lambda pair: pair[0]))


def has_former_communes() -> bool:
    """Whether the installed package knows communes from before 01/07/2025."""
    return importlib.util.find_spec("vietnam_provinces.legacy") is not None


def fold(text: str) -> str:
    """Lower case without any marks, đ as d, one space between words: for finding, never for keys."""
    plain = "".join(mark for mark in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(mark))
    return " ".join(plain.replace("đ", "d").split())


# --- reading the package ---

_EVE = REFORM - dt.timedelta(days=1)


def _province(item: Any) -> Locality:
    return Locality(f"{int(item.code):02d}", _bare(item), _kind(item), None, REFORM)


def _commune(item: Any, valid_from: dt.date | None = None, valid_to: dt.date | None = None) -> Locality:
    return Locality(
        f"{int(item.code):05d}", _bare(item), _kind(item), f"{int(item.province_code):02d}", valid_from, valid_to
    )


def _kind(item: Any) -> Kind:
    text = nfc(item.division_type.value)
    if text not in _KINDS:
        raise ValueError(f"vietnam_provinces: {item.name} has the unknown type «{text}»")
    return _KINDS[text]


def _bare(item: Any) -> str:
    """The package writes «Tỉnh Phú Thọ» or «Phú Thọ», by version; a name without its type is the same in all."""
    name, kind = " ".join(nfc(item.name).split()), _kind(item)
    return name[len(kind) + 1 :] if name.lower().startswith(f"{kind} ") else name


def _legacy() -> Any:
    if not has_former_communes():
        raise FormerCommunesUnavailable(
            f"vietnam_provinces {data_version()} has no communes from before 01/07/2025; "
            "version 2026.1 or later, on Python 3.12 or later, has them"
        )
    return importlib.import_module("vietnam_provinces.legacy")


@lru_cache(maxsize=1)
def _former_rows() -> tuple[_FormerProvince, ...]:
    return read_model(FORMER_PROVINCES, _FormerProvinces).provinces


def _former_province(row: _FormerProvince) -> Locality:
    return Locality(row.code, nfc(row.name), row.kind, None, row.valid_from, row.valid_to)


@lru_cache(maxsize=1)
def _current() -> dict[str, Locality]:
    return {item.code: item for item in (*provinces(), *_all_communes())}


def _existing(code: str) -> Locality:
    found = find(code)
    if found is None:
        raise UnknownLocality(f"no locality has the code {code!r} (two digits for a province, five for a commune)")
    return found


def _ordered(localities: Iterable[Locality]) -> tuple[Locality, ...]:
    return tuple(sorted(localities, key=lambda item: (item.code, item.valid_from or dt.date.min)))


# --- succession ---


@lru_cache(maxsize=2)
def _successors(level: str) -> dict[Locality, tuple[Locality, ...]]:
    return _province_successors() if level == "province" else _commune_successors()


@lru_cache(maxsize=2)
def _events(level: str) -> tuple[Event, ...]:
    edges = _successors(level).items()
    return derive_events({before.member: tuple(after.member for after in afters) for before, afters in edges})


def _province_successors() -> dict[Locality, tuple[Locality, ...]]:
    return _former_edges({item.code: item for item in provinces()})


def _former_edges(today: Mapping[str, Locality]) -> dict[Locality, tuple[Locality, ...]]:
    """Former provinces and what each became, among former ones and those of `today` (by code)."""
    edges: dict[Locality, tuple[Locality, ...]] = {}
    for row in _former_rows():
        day = row.valid_to + dt.timedelta(days=1)
        later = [item for item in former_provinces() if item.code == row.successor and item.valid_from == day]
        after = today.get(row.successor) if day == REFORM else (later[0] if later else None)
        if after is None:
            raise UnknownLocality(f"{row.name} ({row.code}): no province begins on {day} under {row.successor}")
        edges[_former_province(row)] = (after,)
    return edges


def _commune_successors() -> dict[Locality, tuple[Locality, ...]]:
    by_code = {item.code: item for item in former_communes()}
    from vietnam_provinces import Ward

    edges: dict[Locality, list[Locality]] = defaultdict(list)
    for ward in Ward.iter_all():
        after = _current()[f"{int(ward.code):05d}"]
        sources: Any = ward
        for source in sources.get_legacy_sources():
            edges[by_code[f"{int(source.code):05d}"]].append(after)
    return {before: tuple(afters) for before, afters in edges.items()}


# --- names ---

_UBND = re.compile(r"^(?:ubnd|ủy ban nhân dân|uỷ ban nhân dân)\s+", re.IGNORECASE)
_TYPE_WORDS: dict[str, Kind] = {kind: kind for kind in _KINDS.values()} | {"tp": "thành phố", "tp.": "thành phố"}
_TONE_MARKS = "\u0300\u0301\u0303\u0309\u0323"


def _toneless_order(text: str) -> str:
    """Lower case with each word's tone behind the word: «hoà» and «hòa» become the same."""
    words = []
    for word in unicodedata.normalize("NFD", text.lower()).split():
        tone = "".join(mark for mark in word if mark in _TONE_MARKS)
        words.append("".join(mark for mark in word if mark not in _TONE_MARKS) + tone)
    return " ".join(words)


def _match(wanted: str, name: str) -> Match | None:
    if not wanted:
        return None
    if _toneless_order(wanted) == _toneless_order(name):
        return "exact"
    plain, other = fold(wanted), fold(name)
    if plain == other:
        return "folded"
    return "part" if f" {plain} " in f" {other} " else None


def _kinds_before(name: str) -> list[tuple[Kind, str]]:
    """The readings of a name that begins with a type: (type, rest). «Tinh Khe» may be a type and a name, or a name."""
    plain = name.split()
    readings = []
    for words, kind in _TYPE_WORDS.items():
        count = len(words.split())
        if fold(" ".join(plain[:count])) == fold(words) and len(plain) > count:
            readings.append((kind, " ".join(plain[count:])))
    return readings


def _split_province(text: str) -> tuple[str, set[str] | None]:
    """`xã Lâm Thao - Tỉnh Phú Thọ` as the name and the codes that may be meant; a hyphen may also be part of a name."""
    name, separator, tail = text.rpartition(" - ")
    if not separator:
        return text, None
    meant = {fold(bare) for bare in (tail, *(rest for _, rest in _kinds_before(tail)))}
    named = {item.code for item in provinces() if fold(item.name) in meant}
    for item in former_provinces():
        if fold(item.name) in meant:
            named |= {item.code, *(after.code for after in successors(item))}
    return (name, named) if named else (text, None)
