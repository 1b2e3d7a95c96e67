"""What a PDF's signatures are, read with pyHanko: integrity, certificates, chains, revocation and time, as plain facts.

Here: everything that knows pyHanko. Facts only, no verdicts. Nothing is fetched and no clock is read: certificates are
judged at the moment of a trusted time-stamp, without one at the moment of arrival. Besides what pyHanko's own overall
answer says, this finds bytes behind the last revision, form fields filled in after signing, byte ranges with a hole
that is not the signature, and bytes hidden behind a signature in its place. Not here: who may sign (`registry.py`),
what the facts come to (`check.py`).
"""

from __future__ import annotations

import asyncio
import binascii
import datetime as dt
import io
import logging
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import parser as asn1_parser
from asn1crypto import x509
from cryptography.exceptions import UnsupportedAlgorithm
from pyhanko.pdf_utils import misc
from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESIndeterminate
from pyhanko.sign.diff_analysis import DiffResult
from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.general import NonexistentAttributeError, find_cms_attribute_iter
from pyhanko.sign.validation.generic_cms import collect_timing_info
from pyhanko.sign.validation.pdf_embedded import (
    EmbeddedPdfSignature,
    async_validate_pdf_signature,
    async_validate_pdf_timestamp,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel, TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import CRLValidationError, OCSPValidationError, RevokedError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    CertRevTrustPolicy,
    FreshnessReqType,
)
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from dti_pipeline.evidence.signatures.registry import Certificate
from dti_pipeline.evidence.signatures.trust import Trust

MALFORMED = (
    misc.PdfError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    ArithmeticError,
    RecursionError,
    UnsupportedAlgorithm,
    binascii.Error,
    struct.error,
    zlib.error,
)
"""What pyHanko and asn1crypto raise over bytes that are not what they should be: the file is at fault."""

READ_HERE = frozenset(kind.value for kind in SigSeedSubFilter)
"""Kinds of signatures: PAdES, its forerunners and time-stamps; not the ones bound to SHA-1 that PDF 2.0 gave up."""

SHORT_NAMES = {
    "common_name": "CN",
    "user_id": "UID",
    "serial_number": "serialNumber",
    "email_address": "emailAddress",
    "organization_name": "O",
    "organizational_unit_name": "OU",
    "locality_name": "L",
    "state_or_province_name": "ST",
    "country_name": "C",
    "title": "title",
    "given_name": "GN",
    "surname": "SN",
    "organization_identifier": "organizationIdentifier",
}
KEY_USAGE = KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"})
"""Either: certificates of agencies carry one, the other or both."""

NO_CHECK = CertRevTrustPolicy(NO_REVOCATION, retroactive_revinfo=True)
"""Revocation is looked at certificate by certificate, so that a missing list says which one it is missing for. A list
made after the moment in question is good for it too: it tells when each certificate was revoked."""
ANY_AGE = CertRevTrustPolicy(
    NO_REVOCATION,
    freshness=dt.timedelta(days=36500),
    freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
)
"""An old list proves nothing about who is not on it, and everything about who is."""

Chain = Literal["trusted", "no_chain", "faulty", "weak", "not_for_signing"]
"""`no_chain`: no way to an installed root. `faulty`: a way with a fault, as a rule above the signer. `weak`: SHA-1, MD5
or a short RSA key. Not looked at (`no_chain`) where the signature itself is not sound."""
Revocation = Literal["good", "revoked", "unknown"]
Stamp = Literal["none", "trusted", "untrusted"]


@dataclass(frozen=True, slots=True)
class ReadSignature:
    """The facts of one signature that is no time-stamp. Moments are aware."""

    field: str
    certificate: Certificate | None
    """None where the signature cannot be read at all; then the rest means nothing."""
    is_foreign: bool = False
    """Made in a way that is not read here; nothing else is known of it."""
    is_intact: bool = False
    """The signed bytes are what was signed."""
    is_sound: bool = False
    """The signature value fits the certificate's key."""
    is_changed_after: bool = False
    """Later revisions do more than add signatures, time-stamps and validation data, or than a certification allows;
    or the signature leaves more out than itself."""
    covers_whole_file: bool = False
    claimed_at: dt.datetime | None = None
    stamped_at: dt.datetime | None = None
    """Time of the earliest trusted time-stamp on it."""
    stamp: Stamp = "none"
    chain: Chain = "no_chain"
    revocation: Revocation = "unknown"
    revoked_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadPdf:
    """The facts of one file."""

    fault: Literal["not_pdf", "empty", "encrypted", "unreadable"] | None = None
    signatures: tuple[ReadSignature, ...] = ()
    """In the order in which they were made."""
    empty_fields: int = 0
    """Places for signatures without one."""
    has_tail: bool = False
    """Bytes stand behind the last revision, and no signature covers them."""
    has_unreadable_stamp: bool = False
    is_active: bool = False
    """Has scripts or an XFA form: what a reader sees may depend on the program."""


def read_pdf(body: bytes, trust: Trust, arrived_at: dt.datetime) -> ReadPdf:
    """The signatures of a file. Never raises for the file's content."""
    if not body:
        return ReadPdf(fault="empty")
    if b"%PDF-" not in body[:1024]:
        return ReadPdf(fault="not_pdf")
    with _quiet():
        try:
            return asyncio.run(_Reading(body, trust, arrived_at).read())
        except MALFORMED:
            # A hole in a part that is only met on the way, such as a reference to nothing.
            return ReadPdf(fault="unreadable")


@contextmanager
def _quiet() -> Iterator[None]:
    """pyHanko logs every finding with a traceback; findings are our result, not a log."""
    loggers = [logging.getLogger(name) for name in ("pyhanko", "pyhanko_certvalidator")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Reading:
    """One reading of one file."""

    def __init__(self, body: bytes, trust: Trust, arrived_at: dt.datetime) -> None:
        self.body = body
        self.arrived_at = arrived_at
        self.roots = [x509.Certificate.load(der) for der in trust.roots]
        self.others = [x509.Certificate.load(der) for der in trust.intermediates]
        self.crls = [asn1_crl.CertificateList.load(der) for der in trust.crls]
        self.ocsps: list[Any] = []
        self.must_know_revocation = trust.revocation == "required"

    async def read(self) -> ReadPdf:
        try:
            reader = self._open()
            if reader is None:
                return ReadPdf(fault="encrypted")
            filled = list(enumerate_sig_fields(reader, filled_status=True))
            empty = len(list(enumerate_sig_fields(reader, filled_status=False)))
            is_active = _is_active(reader)
        except MALFORMED:
            return ReadPdf(fault="unreadable")
        self._take_validation_data(reader)
        signatures: list[EmbeddedPdfSignature] = []
        stamps: list[EmbeddedPdfSignature] = []
        unreadable: list[ReadSignature] = []
        foreign: list[ReadSignature] = []
        has_unreadable_stamp = False
        for name, value, field in filled:
            try:
                if _entry(value.get_object(), "/SubFilter") not in READ_HERE:
                    foreign.append(ReadSignature(name, None, is_foreign=True))
                    continue
                embedded = EmbeddedPdfSignature(reader, field, name)
                self._take_adobe_data(embedded)
                (stamps if embedded.sig_object_type == "/DocTimeStamp" else signatures).append(embedded)
            except MALFORMED:
                if _is_stamp(value):
                    has_unreadable_stamp = True
                else:
                    unreadable.append(ReadSignature(name, None))
        signatures.sort(key=lambda item: (item.signed_revision, item.field_name))
        self.signed_fields = {name for name, _, _ in filled}
        proofs: list[tuple[int, dt.datetime]] = []
        is_covered = False
        for embedded in stamps:
            try:
                moment = await self._document_stamp(embedded)
                is_covered = is_covered or self._covers_whole_file(embedded)
                if moment is not None:
                    proofs.append((embedded.signed_revision, moment))
            except MALFORMED:
                has_unreadable_stamp = True
        found: list[ReadSignature] = []
        for embedded in signatures:
            later = [moment for revision, moment in proofs if revision > embedded.signed_revision]
            try:
                found.append(await self._signature(embedded, later))
            except MALFORMED:
                found.append(ReadSignature(embedded.field_name, None))
        is_covered = is_covered or any(item.covers_whole_file for item in found)
        return ReadPdf(
            signatures=(*found, *unreadable, *foreign),
            empty_fields=empty,
            has_tail=bool(found) and not is_covered and _has_tail(self.body, reader.last_startxref),
            has_unreadable_stamp=has_unreadable_stamp,
            is_active=is_active,
        )

    def _open(self) -> PdfFileReader | None:
        """The file, strictly read; None for one that asks for a password.

        Office programs write files in which two tables of contents stand side by side (hybrid). Nothing is wrong with
        them, but strict reading refuses their signatures. Other carelessness is forgiven only where nothing is signed.
        """
        try:
            reader = PdfFileReader(io.BytesIO(self.body), strict=True)
            if reader.xrefs.hybrid_xrefs_present:
                reader = PdfFileReader(io.BytesIO(self.body), strict=False)
            elif not reader.encrypted:
                list(enumerate_sig_fields(reader))
        except misc.PdfStrictReadError:
            reader = PdfFileReader(io.BytesIO(self.body), strict=False)
            if any(enumerate_sig_fields(reader, filled_status=True)):
                raise
        # Files that only forbid printing or copying open with an empty password.
        if reader.encrypted and reader.decrypt(b"").status == AuthStatus.FAILED:
            return None
        return reader

    def _take_validation_data(self, reader: PdfFileReader) -> None:
        """Certificates, lists and answers put into the file later. They prove themselves; unreadable ones do not."""
        try:
            store = _entry(reader.root, "/DSS")
        except MALFORMED:
            return  # the same as not being there: revocation is then reported as unknown
        kinds: tuple[tuple[str, Any, DecodePurpose, list[Any]], ...] = (
            ("/Certs", x509.Certificate, DecodePurpose.CERTIFICATE, self.others),
            ("/CRLs", asn1_crl.CertificateList, DecodePurpose.CRL, self.crls),
            ("/OCSPs", asn1_ocsp.OCSPResponse, DecodePurpose.OCSP_RESPONSE, self.ocsps),
        )
        for key, kind, purpose, into in kinds:
            try:
                into.extend(kind.load(item.get_object().read_data(purpose)) for item in _entry(store, key) or ())
            except MALFORMED:
                continue

    def _take_adobe_data(self, embedded: EmbeddedPdfSignature) -> None:
        """The same, put in by the signer's own program as it signed."""
        for data in _attributes_named(embedded.signer_info["signed_attrs"], "adobe_revocation_info_archival"):
            self.crls.extend(data["crl"])
            self.ocsps.extend(data["ocsp"])

    def _context(self, moment: dt.datetime) -> ValidationContext:
        return ValidationContext(
            trust_roots=self.roots,
            other_certs=self.others,
            moment=moment,
            revinfo_policy=NO_CHECK,
            allow_fetching=False,
        )

    async def _document_stamp(self, embedded: EmbeddedPdfSignature) -> dt.datetime | None:
        """The moment that a document time-stamp proves; None where it proves nothing."""
        made_at = embedded.signed_data["encap_content_info"]["content"].parsed["gen_time"].native
        status = await async_validate_pdf_timestamp(embedded, self._context(made_at))
        return status.timestamp if await self._proves(status) else None

    async def _signature_stamp(self, embedded: EmbeddedPdfSignature) -> tuple[Stamp, dt.datetime | None]:
        tokens = _attributes_named(embedded.signer_info["unsigned_attrs"], "signature_time_stamp_token")
        if not tokens:
            return "none", None
        context = self._context(tokens[0]["content"]["encap_content_info"]["content"].parsed["gen_time"].native)
        timing = await collect_timing_info(embedded.signer_info, context, raw_digest=embedded.compute_digest)
        status = timing.get("timestamp_validity")
        if status is None or not await self._proves(status):
            return "untrusted", None
        return "trusted", status.timestamp

    async def _proves(self, status: TimestampSignatureStatus) -> bool:
        """Whether a time-stamp is whole, and its authority was trusted and not revoked at the time it states."""
        if not (status.intact and status.valid and status.trusted and status.validation_path is not None):
            return False
        revocation, _ = await self._revocation(status.validation_path, status.timestamp)
        return revocation == "good" or (revocation == "unknown" and not self.must_know_revocation)

    async def _signature(self, embedded: EmbeddedPdfSignature, later: Sequence[dt.datetime]) -> ReadSignature:
        stamp, own = await self._signature_stamp(embedded)
        proofs = [*later, *([own] if own is not None else [])]
        stamped_at = min(proofs) if proofs else None
        # A clock that runs ahead of ours proves nothing more than the arrival does.
        moment = min(stamped_at, self.arrived_at) if stamped_at is not None else self.arrived_at
        context = self._context(moment)
        # The token has been looked at above; here it would be judged with the signer's moment.
        status = await async_validate_pdf_signature(embedded, context, context, key_usage_settings=KEY_USAGE)
        chain: Chain = "no_chain"
        revocation: Revocation = "unknown"
        revoked_at: dt.datetime | None = None
        if status.intact and status.valid:
            chain = _chain(status.trust_problem_indic, status.validation_path)
            if chain == "trusted" and status.validation_path is not None:
                revocation, revoked_at = await self._revocation(status.validation_path, moment)
        return ReadSignature(
            field=embedded.field_name,
            certificate=_facts(embedded.signer_cert),
            is_intact=status.intact,
            is_sound=status.valid and not _hides_something(embedded),
            is_changed_after=self._is_changed_after(status.diff_result, status.docmdp_ok)
            or not self._leaves_out_only_itself(embedded),
            covers_whole_file=self._covers_whole_file(embedded),
            claimed_at=_aware(status.signer_reported_dt),
            stamped_at=stamped_at,
            stamp="trusted" if proofs else stamp,
            chain=chain,
            revocation=revocation,
            revoked_at=revoked_at,
        )

    def _is_changed_after(self, diff: object, docmdp_ok: bool | None) -> bool:
        if not isinstance(diff, DiffResult) or not docmdp_ok:
            return True
        # pyHanko lets forms be filled in after signing; then the signer has signed an empty form.
        return bool(diff.changed_form_fields - self.signed_fields)

    def _covers_whole_file(self, embedded: EmbeddedPdfSignature) -> bool:
        """Whether everything but the signature's own digits is signed, to the last byte."""
        return embedded.coverage is SignatureCoverageLevel.ENTIRE_FILE and self._leaves_out_only_itself(embedded)

    def _leaves_out_only_itself(self, embedded: EmbeddedPdfSignature) -> bool:
        """Whether the gap in the signed bytes is the signature. pyHanko compares lengths only: a gap that begins
        earlier, or elsewhere, would leave the end of the file to anybody."""
        first, before, resumes, _ = (int(number) for number in embedded.byte_range)
        gap = self.body[before:resumes]
        is_own = gap[:1] == b"<" and gap[-1:] == b">" and binascii.unhexlify(gap[1:-1]) == embedded.pkcs7_content
        return first == 0 and is_own

    async def _revocation(self, path: ValidationPath, moment: dt.datetime) -> tuple[Revocation, dt.datetime | None]:
        """About every certificate of a chain below its root: revoked by a moment, known to be good, or not known."""
        answers: list[Revocation] = []
        for certificate in list(path)[1:]:
            try:
                answers.append(await self._is_known_good(path, certificate, moment))
            except RevokedError as error:
                return "revoked", error.revocation_dt
        return ("unknown" if "unknown" in answers else "good"), None

    async def _is_known_good(
        self, path: ValidationPath, certificate: x509.Certificate, moment: dt.datetime
    ) -> Revocation:
        # A list made after a certificate ran out need not name it any more.
        ran_out = certificate["tbs_certificate"]["validity"]["not_after"].native
        fitting = [item for item in self.crls if item["tbs_cert_list"]["this_update"].native <= ran_out]
        good: Revocation = "unknown"
        for crls, policy in ((fitting, NO_CHECK), (self.crls, ANY_AGE)):
            context = ValidationContext(
                trust_roots=self.roots,
                other_certs=[*self.others, *path],
                moment=moment,
                crls=crls,
                ocsps=self.ocsps,
                revinfo_policy=policy,
                allow_fetching=False,
            )
            for verify in (verify_crl, verify_ocsp_response):
                try:
                    await verify(certificate, path, context)
                except (CRLValidationError, OCSPValidationError):
                    continue
                if policy is NO_CHECK:
                    good = "good"
        return good


def _entry(dictionary: Any, key: str) -> Any:
    """An entry of a PDF dictionary with references followed (`get` does not follow them); None where there is none."""
    return dictionary[key] if isinstance(dictionary, dict) and key in dictionary else None


def _is_stamp(value: Any) -> bool:
    try:
        return bool(_entry(value.get_object(), "/Type") == "/DocTimeStamp")
    except MALFORMED:
        return False


def _is_active(reader: PdfFileReader) -> bool:
    root = reader.root
    return (
        _entry(_entry(root, "/AcroForm"), "/XFA") is not None
        or _entry(_entry(root, "/Names"), "/JavaScript") is not None
        or _entry(_entry(root, "/OpenAction"), "/S") == "/JavaScript"
        or _entry(root, "/AA") is not None
    )


def _has_tail(body: bytes, last_startxref: int | None) -> bool:
    """Whether anything but an end of line stands behind the end of the last revision."""
    end = body.find(b"%%EOF", last_startxref or 0)
    return end < 0 or body[end + 5 :] not in (b"", b"\n", b"\r", b"\r\n")


def _attributes_named(attributes: Any, name: str) -> list[Any]:
    try:
        return list(find_cms_attribute_iter(attributes, name))
    except NonexistentAttributeError:
        return []


def _hides_something(embedded: EmbeddedPdfSignature) -> bool:
    """Whether anything but zeros fills the rest of the place kept for a signature: nobody signs what stands there."""
    content = bytes(embedded.pkcs7_content)
    return any(content[asn1_parser.peek(content) :])


def _chain(problem: Any, path: ValidationPath | None) -> Chain:
    if problem is None:
        return "trusted" if path is not None else "no_chain"
    known: dict[Any, Chain] = {
        AdESIndeterminate.NO_CERTIFICATE_CHAIN_FOUND: "no_chain",
        AdESIndeterminate.CRYPTO_CONSTRAINTS_FAILURE: "weak",
        AdESIndeterminate.CRYPTO_CONSTRAINTS_FAILURE_NO_POE: "weak",
        AdESIndeterminate.CHAIN_CONSTRAINTS_FAILURE: "not_for_signing",
    }
    return known.get(problem, "faulty")


def _attributes(name: x509.Name) -> tuple[tuple[str, str], ...]:
    return tuple(
        (SHORT_NAMES.get(pair["type"].native, pair["type"].dotted), str(pair["value"].native))
        for part in name.chosen
        for pair in part
    )


def _text(attributes: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in attributes)


def _facts(certificate: x509.Certificate) -> Certificate:
    attributes = _attributes(certificate.subject)
    validity = certificate["tbs_certificate"]["validity"]
    return Certificate(
        subject=_text(attributes),
        attributes=attributes,
        issuer=_text(_attributes(certificate.issuer)),
        serial=f"{certificate.serial_number:X}",
        sha256=certificate.sha256.hex(),
        valid_from=validity["not_before"].native,
        valid_to=validity["not_after"].native,
    )


def _aware(moment: dt.datetime | None) -> dt.datetime | None:
    """A PDF date may come without an offset; ISO 32000 leaves open what it means, so it claims nothing."""
    return moment if moment is not None and moment.tzinfo is not None else None
