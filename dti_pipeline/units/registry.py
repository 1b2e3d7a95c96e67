"""Units: the agencies and localities that are scored, keyed by the identifier code of QĐ 20/2020/QĐ-TTg.

Here: who exists when, under whom, and under which codes other systems know them. Not here: scores.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dti_pipeline.datafiles import DataFileError, read_model

DATA = Path(__file__).parent / "data"

LevelName = Literal["province", "department", "district", "commune"]
_LEGACY = re.compile(r"^000(?:\.\d{2}){1,3}\.([HG]\d{2})$")


class Unit(BaseModel):
    """One agency or locality."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(pattern=r"^[A-Z]\d{2}(\.\d{2,3})*$")]
    name: Annotated[str, AfterValidator(lambda text: unicodedata.normalize("NFC", text)), Field(min_length=1)]
    level: LevelName
    parent: str | None = None
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    successors: tuple[str, ...] = ()
    source_ids: dict[str, str] = {}
    """How source systems know the unit: connector name -> its identifier there."""
    fictional: bool = False

    def existed_on(self, day: dt.date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    @property
    def province(self) -> str:
        """Code of the province that the unit belongs to (itself for a province)."""
        return self.code.split(".", 1)[0]


class UnitFile(BaseModel):
    """One YAML file of units with where they come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    units: tuple[Unit, ...]


class Registry(BaseModel):
    """All known units. Codes are unique and every parent exists."""

    model_config = ConfigDict(frozen=True)

    units: tuple[Unit, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        codes = [unit.code for unit in self.units]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"unit code used twice: {', '.join(twice)}")
        for unit in self.units:
            if unit.parent is not None and unit.parent not in self._by_code:
                raise ValueError(f"unit {unit.code}: unknown parent {unit.parent}")
        return self

    @cached_property
    def _by_code(self) -> dict[str, Unit]:
        return {unit.code: unit for unit in self.units}

    @cached_property
    def _by_source_id(self) -> dict[tuple[str, str], Unit]:
        return {(source, identifier): unit for unit in self.units for source, identifier in unit.source_ids.items()}

    def __contains__(self, code: str) -> bool:
        return code in self._by_code

    def __iter__(self) -> Iterator[Unit]:  # type: ignore[override]
        return iter(self.units)

    def get(self, code: str) -> Unit | None:
        """The unit of an identifier code, in today's or the older spelling."""
        return self._by_code.get(normalise_code(code))

    def by_source_id(self, source: str, identifier: str) -> Unit | None:
        """The unit that a source system knows under `identifier`."""
        return self._by_source_id.get((source, identifier))

    def of(self, level: LevelName, province: str, day: dt.date) -> tuple[Unit, ...]:
        """Units of a level in a province that existed on a day, in file order."""
        return tuple(
            unit for unit in self.units if unit.level == level and unit.province == province and unit.existed_on(day)
        )


def normalise_code(code: str) -> str:
    """`000.00.01.H44` (QCVN 102) and `H44.01` (QĐ 20/2020) name one unit: the latter form; others unchanged."""
    match = _LEGACY.match(code)
    if match is None:
        return code
    parts = [part for part in reversed(code.split(".")[:-1]) if part not in ("000", "00")]
    return ".".join([match.group(1), *parts])


def load_registry(extra: Iterable[Path] = ()) -> Registry:
    """The units that come with the project and those of `extra` files. Raises DataFileError."""
    units = [unit for path in [*sorted(DATA.glob("*.yaml")), *extra] for unit in read_model(path, UnitFile).units]
    try:
        return Registry(units=tuple(units))
    except ValueError as error:
        raise DataFileError(f"units: {error}") from None
