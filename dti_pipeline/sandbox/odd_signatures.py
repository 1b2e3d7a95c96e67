"""Practice signatures that do not hold for a reason outside the file: an expired certificate, an unknown authority.

Here: signing with certificates that the practice authority did not issue as usual, and spoiling a signature. Not here:
good signatures and those with a fault of their own (`practice_ca.py`).
"""

from __future__ import annotations

import datetime as dt
import io
from functools import cache
from typing import TYPE_CHECKING

from dti_pipeline.frameworks.model import SignerRole
from dti_pipeline.sandbox.practice_ca import (
    ROLES,
    ROOT_NAME,
    VALID_FROM,
    VALID_TO,
    _certificate,
    _field,
    _key,
    _name,
    _root,
    _signed,
)
from dti_pipeline.scoring.periods import TIME_ZONE

if TYPE_CHECKING:
    from cryptography import x509
    from pyhanko.sign.signers import SimpleSigner

OLD_END = dt.datetime(2025, 12, 31, 23, 59, 59, tzinfo=TIME_ZONE)
"""Last second of the leaders' earlier certificates."""
OTHER_ROOT = f"{ROOT_NAME} thứ hai"


def expired(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    """Signed by both, the leader with a certificate that ended with 2025."""
    pdf = _signed(pdf, _other_signer(unit, "leader", "root", OLD_END), _field("leader", unit), at)
    return _signed(pdf, _other_signer(unit, "organisation", "root", VALID_TO), _field("organisation", unit), at)


def unverifiable(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    """Signed by both with certificates of a second authority, whose root is not installed."""
    for role in ROLES:
        pdf = _signed(pdf, _other_signer(unit, role, OTHER_ROOT, VALID_TO), _field(role, unit), at)
    return pdf


def damaged(signed: bytes) -> bytes:
    """The file with its last signature wiped out: the place is there, and nothing that can be read in it."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    last = PdfFileReader(io.BytesIO(signed)).embedded_signatures[-1]
    _, before, resumes, _ = (int(number) for number in last.byte_range)
    return signed[: before + 1] + b"0" * (resumes - before - 2) + signed[resumes - 1 :]


@cache
def _other_signer(unit: str, role: SignerRole, issuer: str, valid_to: dt.datetime) -> SimpleSigner:
    from asn1crypto import keys
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    der = _key(f"{unit}:{role}").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    own = _reissued(_certificate(unit, role), issuer, valid_to).public_bytes(Encoding.DER)
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    return SimpleSigner(asn1_x509.Certificate.load(own), keys.PrivateKeyInfo.load(der), store)


def _reissued(own: x509.Certificate, issuer: str, valid_to: dt.datetime) -> x509.Certificate:
    """A certificate for the same subject and key by another issuer or for another time."""
    from cryptography import x509

    builder = (
        x509.CertificateBuilder()
        .subject_name(own.subject)
        .issuer_name(_root().subject if issuer == "root" else _name({"CN": issuer}))
        .public_key(own.public_key())
        .serial_number(own.serial_number ^ 1)
        .not_valid_before(VALID_FROM)
        .not_valid_after(valid_to)
    )
    for extension in own.extensions:
        if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(_key(issuer), None)
