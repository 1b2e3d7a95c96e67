"""Who may sign for whom: `signers.yaml`, certificates mapped to units and roles.

Here: the file, its rules, and finding the entry of a certificate. A subject is compared by equal text in NFC: no case,
mark or space is overlooked. Not here: whether a certificate can be trusted (`reading.py`), which roles a decision
demands (frameworks).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dti_pipeline.datafiles import DataFileError, read_model
from dti_pipeline.frameworks.model import SignerRole
from dti_pipeline.text import nfc

Attribute = Literal[
    "CN",
    "UID",
    "serialNumber",
    "emailAddress",
    "O",
    "OU",
    "L",
    "ST",
    "C",
    "title",
    "GN",
    "SN",
    "organizationIdentifier",
]
_Words = Annotated[str, AfterValidator(nfc), Field(pattern=r"^\S(?:.*\S)?$")]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A signer's certificate, as far as people ask about it. Moments are aware."""

    subject: str
    attributes: tuple[tuple[str, str], ...]
    """Short name (`Attribute`; an OID for others) and text, in the order of the certificate; a name may come twice."""
    issuer: str
    serial: str
    """Hexadecimal, capitals, without leading zeros."""
    sha256: str
    valid_from: dt.datetime
    valid_to: dt.datetime


class AmbiguousSigner(DataFileError):
    """A certificate that stands for both roles of one unit: `signers.yaml` has to be made exact."""


class Signer(BaseModel):
    """Whose certificate stands for a unit in a role."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: Annotated[str, Field(min_length=1)]
    role: SignerRole
    subject: dict[Attribute, _Words] = {}
    """Every attribute must be in the certificate's subject. A name alone tells nobody apart: two or more are needed."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Fingerprint of the certificate itself, in place of the subject or beside it."""
    valid_from: dt.date | None = None
    """First day in this role (Asia/Ho_Chi_Minh)."""
    valid_to: dt.date | None = None
    """Last day in this role."""
    document: _Words | None = None
    """The paper that says so."""

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        if self.sha256 is None and len(self.subject) < 2:
            raise ValueError(
                "a signer needs sha256 of the certificate, or two attributes of its subject (CN and UID, O …)"
            )
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} lies before valid_from {self.valid_from}")
        return self

    def is_of(self, certificate: Certificate) -> bool:
        has = {(name, nfc(value)) for name, value in certificate.attributes}
        return self.sha256 in (None, certificate.sha256) and set(self.subject.items()) <= has

    def holds_on(self, day: dt.date) -> bool:
        return (self.valid_from or dt.date.min) <= day <= (self.valid_to or dt.date.max)

    def _names_no_less_than(self, other: Signer) -> bool:
        """Whether every certificate of this entry is one of the other too."""
        return other.sha256 in (None, self.sha256) and set(other.subject.items()) <= set(self.subject.items())

    def _overlaps(self, other: Signer) -> bool:
        start = max(self.valid_from or dt.date.min, other.valid_from or dt.date.min)
        return start <= min(self.valid_to or dt.date.max, other.valid_to or dt.date.max)

    def clashes_with(self, other: Signer) -> bool:
        """Whether one certificate fits both entries on one day, and they are not one leader of two units."""
        if not self._overlaps(other):
            return False
        if not (self._names_no_less_than(other) or other._names_no_less_than(self)):
            return False
        return self.unit == other.unit or "organisation" in (self.role, other.role)


class SignersFile(BaseModel):
    """`signers.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signers: tuple[Signer, ...]

    @model_validator(mode="after")
    def _nobody_stands_twice(self) -> Self:
        for position, signer in enumerate(self.signers):
            for before, other in enumerate(self.signers[:position]):
                if signer.clashes_with(other):
                    raise ValueError(
                        f"entries {before + 1} ({other.unit}, {other.role}) and {position + 1} ({signer.unit}, "
                        f"{signer.role}) fit the same certificate on the same day; a certificate stands for one unit "
                        "in one role (a leader may stand for several units)"
                    )
        return self


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registry says of a certificate on a day, asked for one unit."""

    role: SignerRole | None = None
    """In which role it stands for the unit."""
    outside: tuple[Signer, ...] = ()
    """Entries of the unit that fit but not on that day; only where there is no role."""
    elsewhere: tuple[str, ...] = ()
    """Other units that it stands for on that day; only where there is no role."""


@dataclass(frozen=True, slots=True)
class SignerRegistry:
    """All registered signers."""

    signers: tuple[Signer, ...] = ()

    @property
    def sha256(self) -> str:
        """Changes when a verdict could change."""
        return hashlib.sha256(SignersFile.model_construct(signers=self.signers).model_dump_json().encode()).hexdigest()

    def knows(self, unit: str) -> bool:
        """Whether anybody is registered for a unit."""
        return any(signer.unit == unit for signer in self.signers)

    def standing(self, certificate: Certificate, unit: str, day: dt.date) -> Standing:
        """What a certificate is to a unit on a day. Raises AmbiguousSigner."""
        fits = [signer for signer in self.signers if signer.is_of(certificate)]
        own = [signer for signer in fits if signer.unit == unit]
        roles = {signer.role for signer in own if signer.holds_on(day)}
        if len(roles) > 1:
            raise AmbiguousSigner(
                f"signers.yaml: the certificate {certificate.subject} (sha256 {certificate.sha256}) fits entries of "
                f"unit {unit} in both roles; give the entries more attributes, or sha256"
            )
        if roles:
            return Standing(role=roles.pop())
        elsewhere = sorted({signer.unit for signer in fits if signer.unit != unit and signer.holds_on(day)})
        return Standing(outside=tuple(own), elsewhere=tuple(elsewhere))


def signers_of(entries: Iterable[Signer], units: Container[str]) -> SignerRegistry:
    """A registry of these entries. Raises ValueError for duplicates, ambiguity and units that are not in `units`."""
    signers = SignersFile(signers=tuple(entries)).signers
    if unknown := sorted({signer.unit for signer in signers if signer.unit not in units}):
        raise ValueError(f"unknown unit {', '.join(unknown)}; units stand in the unit files under their codes")
    return SignerRegistry(signers)


def load_signers(path: Path, units: Container[str]) -> SignerRegistry:
    """The registry of an installation (`signers.yaml`); empty where there is no such file. Raises DataFileError."""
    if not path.exists():
        return SignerRegistry()
    entries = read_model(path, SignersFile).signers
    try:
        return signers_of(entries, units)
    except (ValueError, ValidationError) as error:
        raise DataFileError(f"{path.name}: {error}") from None
