"""The verdict on a file's signatures: for which unit, in which roles, when, and what is wrong, in words.

Here: judging the facts that `reading.py` gives. Pure: no clock, no network, no folder; the same arguments give the same
report. Not here: reading the file, storing reports, whether what arrived late still counts (`evidence/deadlines.py`).

Two rules where a reading was needed:

- **When a signature was made.** A trusted time-stamp proves it; a claimed time proves nothing, arrival proves
  everything earlier. Certificates are judged at the trusted time-stamp, else at arrival (and a claim from before the
  certificate's first day is held against it). Late is what is stamped after the deadline, or, without a stamp, both
  arrived and claimed after it. A claim from after the arrival is disproved, said so, and not used.
- **Whose signatures count.** Where roles are demanded, each needs one good signature, and other people's signatures are
  welcome as long as the file is whole. Where none are, every signature must be good and of the unit's own signers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from dti_pipeline.datafiles import read_model
from dti_pipeline.evidence.model import Verdict
from dti_pipeline.evidence.signatures.registry import Certificate, SignerRegistry, Standing
from dti_pipeline.evidence.signatures.trust import Trust
from dti_pipeline.frameworks.model import SignerRole
from dti_pipeline.scoring.periods import TIME_ZONE

if TYPE_CHECKING:
    from dti_pipeline.evidence.signatures.reading import ReadPdf, ReadSignature

RULES = 1
"""Raised whenever a file could get another verdict by a change of this package; part of `context_sha256`."""
CLOCK_TOLERANCE = dt.timedelta(minutes=5)
"""By so much a signer's clock may run ahead before its claim counts as disproved."""


class VerdictWords(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict: Verdict
    word: str
    advice: str


class Words(BaseModel):
    """`verdicts.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdicts: tuple[VerdictWords, ...]
    roles: Mapping[SignerRole, str]
    file_reasons: Mapping[str, str]
    reasons: Mapping[str, str]

    @model_validator(mode="after")
    def _every_verdict_once(self) -> Self:
        if sorted(item.verdict for item in self.verdicts) != sorted(Verdict):
            raise ValueError("every verdict stands here exactly once, the gravest first")
        return self

    @property
    def priority(self) -> tuple[Verdict, ...]:
        return tuple(item.verdict for item in self.verdicts)

    def of(self, verdict: Verdict) -> VerdictWords:
        return self.verdicts[self.priority.index(verdict)]


@cache
def words() -> Words:
    return read_model(Path(__file__).parent / "verdicts.yaml", Words)


@dataclass(frozen=True, slots=True)
class SignatureFound:
    """One signature of a file; a time-stamp on its own is none. Moments are in Asia/Ho_Chi_Minh."""

    field: str
    subject: str
    """As «CN=…, O=…»; empty, like the next three, where the signature cannot be read."""
    issuer: str
    serial: str
    sha256_fingerprint: str
    unit: str | None
    """The unit asked for, if the signer is registered for it; whether the certificate is genuine says `status`."""
    role: SignerRole | None
    signed_at: dt.datetime | None
    """The trusted time-stamp, else what the signer claims."""
    is_time_trusted: bool
    covers_whole_file: bool
    status: Verdict
    """Never `incomplete` or `unsigned`."""
    reason: str


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What a file's signatures come to."""

    verdict: Verdict
    reason: str
    """What, and what to do, in Vietnamese."""
    signatures: tuple[SignatureFound, ...]
    """In the order in which they were made."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: verdicts and moments as text."""
        found = [
            {**asdict(item), "status": item.status.value, "signed_at": item.signed_at and item.signed_at.isoformat()}
            for item in self.signatures
        ]
        return {"verdict": self.verdict.value, "reason": self.reason, "signatures": found}


def context_sha256(signers: SignerRegistry, trust: Trust) -> str:
    """What a report depends on besides the file and the arguments: registry, trust, rules and pyHanko's versions."""
    versions = [importlib.metadata.version(name) for name in ("pyhanko", "pyhanko-certvalidator")]
    return hashlib.sha256("\n".join([signers.sha256, trust.sha256, str(RULES), *versions]).encode()).hexdigest()


def check_signatures(
    body: bytes,
    *,
    unit: str,
    required: tuple[SignerRole, ...],
    signers: SignerRegistry,
    trust: Trust,
    arrived_at: dt.datetime,
    deadline: dt.datetime | None,
) -> SignatureReport:
    """Judge a file's signatures for a unit.

    `required`: the roles that the decision demands; none where it demands none. `deadline`: the last second in time.
    Both moments are aware; raises ValueError for others, and AmbiguousSigner where the registry is not exact.
    """
    if any(moment is not None and moment.tzinfo is None for moment in (arrived_at, deadline)):
        raise ValueError("arrived_at and deadline need an offset from UTC")
    # pyHanko takes half a second to load.
    from dti_pipeline.evidence.signatures.reading import read_pdf

    read = read_pdf(body, trust, arrived_at)
    case = _Case(unit, signers, trust, arrived_at, deadline)
    found = tuple(case.judge(item) for item in read.signatures)
    return _overall(read, found, required, anybody_registered=signers.knows(unit))


@dataclass(frozen=True, slots=True)
class _Case:
    """What every signature of a file is judged against."""

    unit: str
    signers: SignerRegistry
    trust: Trust
    arrived_at: dt.datetime
    deadline: dt.datetime | None

    def judge(self, read: ReadSignature) -> SignatureFound:
        certificate = read.certificate
        if read.is_foreign:
            status = Verdict.UNVERIFIABLE
            return SignatureFound(read.field, "", "", "", "", None, None, None, False, False, status, _say("foreign"))
        if certificate is None:
            damaged = Verdict.DAMAGED
            return SignatureFound(
                read.field, "", "", "", "", None, None, None, False, False, damaged, _say("unreadable")
            )
        standing = self.signers.standing(certificate, self.unit, _local(self._proved_at(read)).date())
        status, reason = self._status(read, certificate, standing)
        at = read.stamped_at or read.claimed_at
        return SignatureFound(
            field=read.field,
            subject=certificate.subject,
            issuer=certificate.issuer,
            serial=certificate.serial,
            sha256_fingerprint=certificate.sha256,
            unit=self.unit if standing.role else None,
            role=standing.role,
            signed_at=None if at is None else _local(at),
            is_time_trusted=read.stamped_at is not None,
            covers_whole_file=read.covers_whole_file,
            status=status,
            reason=" ".join([reason, *self._notes(read, status)]),
        )

    def _proved_at(self, read: ReadSignature) -> dt.datetime:
        """By when the signature was made, as far as that is proved."""
        return self.arrived_at if read.stamped_at is None else min(read.stamped_at, self.arrived_at)

    def _status(self, read: ReadSignature, certificate: Certificate, standing: Standing) -> tuple[Verdict, str]:
        """The gravest fault of a signature, in the order of `verdicts.yaml`."""
        proved = self._proved_at(read)
        if not read.is_intact:
            return Verdict.ALTERED, _say("not_intact")
        if read.is_changed_after:
            return Verdict.ALTERED, _say("changed_after")
        if not read.is_sound:
            return Verdict.DAMAGED, _say("not_sound")
        if standing.role is None and self.signers.knows(self.unit):
            return Verdict.WRONG_SIGNER, self._wrong_signer(certificate, standing, _local(proved).date())
        if expired := self._expired(read, certificate, proved):
            return Verdict.EXPIRED, expired
        if late := self._late(read):
            return Verdict.LATE, late
        if open_question := self._open_question(read, certificate):
            return Verdict.UNVERIFIABLE, open_question
        if standing.role is None:
            return Verdict.UNVERIFIABLE, _say("nobody_registered", unit=self.unit)
        return Verdict.VERIFIED, _say("verified", role=words().roles[standing.role], subject=certificate.subject)

    def _wrong_signer(self, certificate: Certificate, standing: Standing, day: dt.date) -> str:
        what = {"subject": certificate.subject, "serial": certificate.serial, "unit": self.unit}
        if standing.outside:
            return _say("outside", day=f"{day:%d/%m/%Y}", **what)
        if standing.elsewhere:
            return _say("elsewhere", units=", ".join(standing.elsewhere), **what)
        return _say("not_registered", **what)

    def _expired(self, read: ReadSignature, certificate: Certificate, proved: dt.datetime) -> str | None:
        window = {"valid_from": _clock(certificate.valid_from), "valid_to": _clock(certificate.valid_to)}
        if not certificate.valid_from <= proved <= certificate.valid_to:
            return _say("not_valid_at", moment=_clock(proved), **window)
        claimed = read.claimed_at
        if read.stamped_at is None and claimed is not None and claimed < certificate.valid_from:
            return _say("claims_before_valid", claimed=_clock(claimed), **window)
        if read.revoked_at is not None:
            return _say("revoked", revoked=_clock(read.revoked_at), moment=_clock(proved))
        return None

    def _late(self, read: ReadSignature) -> str | None:
        made = read.stamped_at or read.claimed_at or self.arrived_at
        moment = min(made, self.arrived_at).replace(microsecond=0)
        if self.deadline is None or moment <= self.deadline:
            return None
        return _say("late", moment=_clock(moment), deadline=_clock(self.deadline))

    def _open_question(self, read: ReadSignature, certificate: Certificate) -> str | None:
        if read.chain != "trusted":
            if read.chain == "no_chain" and not self.trust.roots:
                return _say("no_root")
            return _say(read.chain, issuer=certificate.issuer)
        if read.revocation == "unknown" and self.trust.revocation == "required":
            return _say("revocation_unknown")
        return None

    def _notes(self, read: ReadSignature, status: Verdict) -> list[str]:
        """What is worth knowing of time and revocation, unless the signature is worth nothing anyway."""
        if status in (Verdict.ALTERED, Verdict.DAMAGED, Verdict.WRONG_SIGNER):
            return []
        notes = []
        if read.stamp == "untrusted":
            notes.append(_say("stamp_untrusted"))
        if read.stamped_at is not None:
            notes.append(_say("stamped", stamped=_clock(read.stamped_at)))
        elif read.claimed_at is None:
            notes.append(_say("no_time"))
        elif read.claimed_at > self.arrived_at + CLOCK_TOLERANCE:
            notes.append(
                _say("claimed_after_arrival", claimed=_clock(read.claimed_at), arrived=_clock(self.arrived_at))
            )
        else:
            notes.append(_say("claimed", claimed=_clock(read.claimed_at)))
        if status is Verdict.VERIFIED and read.revocation == "unknown":
            notes.append(_say("revocation_unchecked"))
        return notes


def _overall(
    read: ReadPdf, found: tuple[SignatureFound, ...], required: tuple[SignerRole, ...], *, anybody_registered: bool
) -> SignatureReport:
    """The file's verdict: the gravest of what holds (`verdicts.yaml`), said with everything that bears on it."""
    if read.fault is not None:
        verdict = Verdict.UNSIGNED if read.fault == "not_pdf" else Verdict.DAMAGED
        return SignatureReport(verdict, _sentence(verdict, [_tell(read.fault)]), ())
    if not found:
        said = [_tell("no_signature"), *_file_notes(read)]
        return SignatureReport(Verdict.UNSIGNED, _sentence(Verdict.UNSIGNED, said), ())
    holds: list[Verdict] = [item.status for item in found if item.status in (Verdict.ALTERED, Verdict.DAMAGED)]
    said = []
    if read.has_tail:
        holds.append(Verdict.ALTERED)
        said.append(_tell("tail"))
    names = words().roles
    if required and anybody_registered:
        for role in required:
            # What the role's best signature lacks, if anything.
            own = [item.status for item in found if item.role == role]
            holds += sorted(own, key=_gravity)[-1:]
        if absent := [role for role in required if all(item.role != role for item in found)]:
            unnamed = {item.status for item in found if item.role is None}
            if Verdict.WRONG_SIGNER in unnamed:
                holds.append(Verdict.WRONG_SIGNER)
            elif Verdict.UNVERIFIABLE in unnamed and len(found) >= len(required):
                holds.append(Verdict.UNVERIFIABLE)
            else:
                holds.append(Verdict.INCOMPLETE)
            said.append(_tell("missing", roles=", ".join(names[role] for role in absent)))
    else:
        holds += [item.status for item in found]
        if len(found) < len(required):
            holds.append(Verdict.INCOMPLETE)
            said.append(_tell("too_few", count=len(found), needed=len(required)))
    verdict = min(holds, key=_gravity)
    if verdict is not Verdict.VERIFIED:
        said += [f"[{item.field}] {item.reason}" for item in found if item.status is not Verdict.VERIFIED]
        return SignatureReport(verdict, _sentence(verdict, [*said, *_file_notes(read)]), found)
    counted = [item for item in found if item.status is Verdict.VERIFIED]
    said += [f"[{item.field}] {item.reason}" for item in counted]
    if others := len(found) - len(counted):
        said.append(_tell("others", count=others))
    return SignatureReport(verdict, _sentence(verdict, [*said, *_file_notes(read)]), found)


def _file_notes(read: ReadPdf) -> list[str]:
    return [
        *([_tell("empty_fields", count=read.empty_fields)] if read.empty_fields else []),
        *([_tell("unreadable_stamp")] if read.has_unreadable_stamp else []),
        *([_tell("active")] if read.is_active else []),
    ]


def _gravity(verdict: Verdict) -> int:
    return words().priority.index(verdict)


def _sentence(verdict: Verdict, details: list[str]) -> str:
    text = words().of(verdict)
    return " ".join([f"{text.word[0].upper()}{text.word[1:]}.", *details, *([text.advice] if text.advice else [])])


def _say(key: str, **values: str) -> str:
    return words().reasons[key].format(**values)


def _tell(key: str, **values: str | int) -> str:
    return words().file_reasons[key].format(**values)


def _local(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(TIME_ZONE)


def _clock(moment: dt.datetime) -> str:
    return f"{_local(moment):%H:%M:%S ngày %d/%m/%Y}"
