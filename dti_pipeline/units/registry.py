"""Units: the agencies and localities that are scored, keyed by the identifier code of QĐ 20/2020/QĐ-TTg.

Here: who exists when, under whom, under which codes and names other systems know them, what became of them, and
whether figures of two years stand for the same unit. Not here: scores; localities without a known identifier code
(localities); how a name comes to be confirmed (crosswalk).
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dti_pipeline.datafiles import DataFileError, read_model
from dti_pipeline.text import nfc
from dti_pipeline.units.localities import mergers_into
from dti_pipeline.units.succession import Comparison, Event, History, Member, derive_events, history_of

DATA = Path(__file__).parent / "data"

LevelName = Literal["province", "department", "district", "commune"]
_CODE = re.compile(r"^[A-Z]\d{2}(?:\.\d{2,3})*$")
_OLDER = re.compile(r"^(?:\d{2,3}\.){1,4}[A-Z]\d{2}$")


class CodeError(ValueError):
    """A text that is no identifier code in either spelling."""


class UnknownUnit(LookupError):
    """A code that the registry does not know."""


class Unit(BaseModel):
    """One agency or locality."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(pattern=_CODE.pattern)]
    name: Annotated[str, AfterValidator(nfc), Field(min_length=1)]
    level: LevelName
    parent: str | None = None
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    successors: tuple[str, ...] = ()
    """Codes of what the unit became on the day after `valid_to`: several for a split, one shared with others for a
    merger, a new one for a new code or name."""
    statistics_code: Annotated[str, Field(pattern=r"^\d{2}$")] | None = None
    """Today's code of a province at the statistics office. Not for communes: the draft list of 2025 and the final one
    give more than a hundred of them different codes."""
    source_ids: dict[str, str] = {}
    """How source systems know the unit: connector name -> its identifier there."""
    fictional: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} lies before valid_from {self.valid_from}")
        if self.successors and self.valid_to is None:
            raise ValueError("a unit with successors needs valid_to, its last day")
        if self.statistics_code is not None and self.level != "province":
            raise ValueError("only a province has a statistics_code here")
        return self

    def existed_on(self, day: dt.date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    @property
    def known_as(self) -> tuple[tuple[str, str], ...]:
        """(system, its identifier) of every other system that knows the unit."""
        own = () if self.statistics_code is None else (("statistics_code", self.statistics_code),)
        return (*self.source_ids.items(), *own)

    @property
    def member(self) -> Member:
        """The unit as events name it."""
        return Member(self.valid_from or dt.date.min, self.code, self.name, self.valid_to or dt.date.max)

    @property
    def province(self) -> str:
        """Code of the province that the unit belongs to (itself for a province)."""
        return self.code.split(".", 1)[0]


class UnitFile(BaseModel):
    """One YAML file of units with where they come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    units: tuple[Unit, ...]


_Words = Annotated[str, AfterValidator(nfc), Field(pattern=r"\S")]


class Confirmed(BaseModel):
    """One line of the crosswalk: how one site names a unit, and the person who confirmed that it is that unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: _Words
    site: _Words
    identifier: _Words
    """The source's own identifier or name, as it stands there (in NFC)."""
    name: _Words
    """What the source called it when it was confirmed; for readers."""
    unit: Annotated[str, Field(pattern=_CODE.pattern)]
    confirmed_by: _Words
    confirmed_on: dt.date
    reason: _Words
    """Why, or the document that says so."""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.connector, self.site, self.identifier)


class CrosswalkFile(BaseModel):
    """The installation's `crosswalk.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entries: tuple[Confirmed, ...]


class Registry(BaseModel):
    """All known units. Codes and source identifiers are unique; every parent and successor exists, when it must."""

    model_config = ConfigDict(frozen=True)

    units: tuple[Unit, ...]
    earlier: tuple[Event, ...] = ()
    """What is known to have led to units of the registry from elsewhere: provinces merged into them by the law."""
    crosswalk: tuple[Confirmed, ...] = ()
    """Names of single sites that a person confirmed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        codes = [unit.code for unit in self.units]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"unit code used twice: {', '.join(twice)}")
        for unit in self.units:
            if unit.parent is not None and unit.parent not in self._by_code:
                raise ValueError(f"unit {unit.code}: unknown parent {unit.parent}")
            if unknown := [code for code in unit.successors if code not in self._by_code]:
                raise ValueError(f"unit {unit.code}: unknown successor {', '.join(unknown)}")
        known = Counter(pair for unit in self.units for pair in unit.known_as)
        if shared := sorted(" ".join(pair) for pair, count in known.items() if count > 1):
            raise ValueError(f"two units known under one identifier: {', '.join(shared)}")
        self._check_crosswalk()
        _ = self.events  # raises where dates and successors contradict each other
        return self

    def _check_crosswalk(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for entry in self.crosswalk:
            where = f"crosswalk, «{entry.identifier}» of {entry.connector}/{entry.site}"
            if entry.unit not in self._by_code:
                raise ValueError(f"{where}: unknown unit {entry.unit}")
            if entry.key in seen:
                raise ValueError(f"{where}: confirmed twice")
            named = self._by_source_id.get((entry.connector, entry.identifier))
            if named is not None:
                raise ValueError(f"{where}: stands in source_ids of {named.code} already")
            seen.add(entry.key)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened to units of the registry, by day."""
        own = derive_events(
            {unit.member: [self._by_code[code].member for code in unit.successors] for unit in self.units}
        )
        told = {(event.on, member) for event in own for member in event.after}
        earlier = [event for event in self.earlier if not any((event.on, member) in told for member in event.after)]
        return tuple(sorted((*own, *earlier), key=lambda event: event.on))

    @cached_property
    def _by_code(self) -> dict[str, Unit]:
        return {unit.code: unit for unit in self.units}

    @cached_property
    def _by_source_id(self) -> dict[tuple[str, str], Unit]:
        return {
            (source, nfc(identifier)): unit for unit in self.units for source, identifier in unit.source_ids.items()
        }

    @cached_property
    def _by_crosswalk(self) -> dict[tuple[str, str, str], Unit]:
        return {entry.key: self._by_code[entry.unit] for entry in self.crosswalk}

    def __contains__(self, code: str) -> bool:
        return code in self._by_code

    def __iter__(self) -> Iterator[Unit]:  # type: ignore[override]
        return iter(self.units)

    def get(self, code: str) -> Unit | None:
        """The unit of an identifier code, in today's or the older spelling."""
        return self._by_code.get(normalise_code(code))

    def require(self, code: str) -> Unit:
        """The unit of an identifier code in either spelling. Raises CodeError and UnknownUnit."""
        today = parse_code(code)
        if today not in self._by_code:
            raise UnknownUnit(f"the registry knows no unit {today}" + (f" (given as {code})" if today != code else ""))
        return self._by_code[today]

    def by_source_id(self, source: str, identifier: str, site: str | None = None) -> Unit | None:
        """The unit that a source system knows under `identifier`, or that a person confirmed for that site of it.

        Equal text in NFC only: no case, mark or space is overlooked.
        """
        known = self._by_source_id.get((source, nfc(identifier)))
        return known if known is not None or site is None else self._by_crosswalk.get((source, site, nfc(identifier)))

    def identifiers_of(self, code: str, source: str, site: str) -> tuple[str, ...]:
        """Under what a site of a source system knows a unit, as far as people wrote it down. Sorted."""
        own = [unit.source_ids[source] for unit in self.units if unit.code == code and source in unit.source_ids]
        confirmed = [
            entry.identifier
            for entry in self.crosswalk
            if (entry.connector, entry.site, entry.unit) == (source, site, code)
        ]
        return tuple(sorted({*own, *confirmed}))

    def with_confirmed(self, entry: Confirmed) -> Registry:
        """The registry with one more line of the crosswalk. Raises ValueError where it contradicts what is there."""
        return Registry(units=self.units, earlier=self.earlier, crosswalk=(*self.crosswalk, entry))

    def of(self, level: LevelName, province: str, day: dt.date) -> tuple[Unit, ...]:
        """Units of a level in a province that existed on a day, in file order."""
        return tuple(
            unit for unit in self.units if unit.level == level and unit.province == province and unit.existed_on(day)
        )

    def successors_of(self, code: str) -> tuple[Unit, ...]:
        """What a unit became, in the order of its file. Raises CodeError and UnknownUnit."""
        return tuple(self._by_code[other] for other in self.require(code).successors)

    def predecessors_of(self, code: str) -> tuple[Unit, ...]:
        """Units that became this one or went into it, in file order. Raises CodeError and UnknownUnit.

        Only units of the registry; `history` also tells provinces of which no identifier code is known.
        """
        wanted = self.require(code).code
        return tuple(unit for unit in self.units if wanted in unit.successors)

    def history(self, code: str) -> History:
        """What a unit came out of and became. Raises CodeError and UnknownUnit."""
        return history_of(self.require(code).member, self.events)

    def compare(self, code: str, day_a: dt.date, day_b: dt.date) -> Comparison:
        """Whether the unit's figures of two days can be compared, and why not. Raises CodeError and UnknownUnit.

        A department works for its whole province, so its figures break where the province's do.
        """
        unit = self.require(code)
        own = self.history(unit.code).compare(day_a, day_b)
        if not own.comparable or unit.level != "department" or unit.parent is None:
            return own
        above = self.history(unit.parent).compare(day_a, day_b)
        return own if above.comparable else Comparison(False, above.reason, (*own.events, *above.events))

    def compare_years(self, code: str, year_a: int, year_b: int) -> Comparison:
        """The same for figures of two years: they belong to the unit as it stood on 31 December."""
        return self.compare(code, dt.date(year_a, 12, 31), dt.date(year_b, 12, 31))


def normalise_code(code: str) -> str:
    """`000.00.01.H44` (QCVN 102) and `H44.01` (QĐ 20/2020) name one unit: the latter form; others unchanged.

    The older spelling runs from the smallest part to the largest, with groups of zeros in front that mean nothing:
    `000.02.100.H44` is `H44.100.02`. A group of zeros between others has no counterpart in today's form.
    """
    if _OLDER.match(code) is None:
        return code
    *parts, top = code.split(".")
    while parts and not parts[0].strip("0"):
        parts.pop(0)
    return code if any(not part.strip("0") for part in parts) else ".".join([top, *reversed(parts)])


def parse_code(text: str) -> str:
    """Today's form of a code in either spelling. Raises CodeError for anything else."""
    code = normalise_code(text)
    if _CODE.match(code) is None:
        raise CodeError(
            f"{text!r} is no identifier code: write H44, H44.01 or H44.100.02 (QĐ 20/2020/QĐ-TTg), "
            "or the older spelling 000.00.01.H44 without a group of zeros between others"
        )
    return code


def older_spelling(code: str) -> str:
    """The spelling of QCVN 102, four groups: `H44.01` is `000.00.01.H44`. Raises CodeError where there is none."""
    top, *parts = parse_code(code).split(".")
    if len(parts) > 3 or (len(parts) == 3 and len(parts[2]) != 3) or any(not part.strip("0") for part in parts):
        raise CodeError(f"{code} has no older spelling: it has three groups below the first, the last of three digits")
    return ".".join([*(["000", "00", "00"][: 3 - len(parts)]), *reversed(parts), top])


def load_registry(extra: Iterable[Path] = (), crosswalk: Path | None = None) -> Registry:
    """The units that come with the project and those of `extra` files, with the confirmed names of a crosswalk file.

    A crosswalk that is not there has no entries. Raises DataFileError.
    """
    confirmed = read_model(crosswalk, CrosswalkFile).entries if crosswalk is not None and crosswalk.exists() else ()
    units = [unit for path in [*sorted(DATA.glob("*.yaml")), *extra] for unit in read_model(path, UnitFile).units]
    provinces = {
        unit.statistics_code: unit.member for unit in units if unit.level == "province" and unit.statistics_code
    }
    try:
        return Registry(units=tuple(units), earlier=mergers_into(provinces), crosswalk=confirmed)
    except ValidationError as error:
        reasons = "; ".join(str(problem["msg"]).removeprefix("Value error, ") for problem in error.errors())
        raise DataFileError(f"units: {reasons}") from None
