"""Whom the operator trusts: root certificates, intermediate ones and revocation lists in `<home>/trust/`.

Here: reading and checking that folder, and `trust.yaml` in it. Nothing is ever fetched: what is not in the folder or in
the signed file itself is not there. Not here: building chains (`reading.py`), who may sign (`registry.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from dti_pipeline.datafiles import DataFileError, read_model

if TYPE_CHECKING:
    from cryptography import x509

CERTIFICATES = frozenset({".pem", ".crt", ".cer", ".der"})
LISTS = frozenset({".crl"})
SETTINGS = "trust.yaml"
Revocation = Literal["required", "if_available"]


class TrustFile(BaseModel):
    """`trust/trust.yaml`; without it, every field has its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revocation: Revocation = "if_available"
    """`required`: a certificate about whose revocation nothing is known makes a signature unverifiable."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What chains may end at and be built with. DER bytes, each once, ordered by their sha256."""

    roots: tuple[bytes, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    revocation: Revocation = "if_available"

    @property
    def sha256(self) -> str:
        """Changes when a verdict could change."""
        parts = {name: [_sha256(der) for der in getattr(self, name)] for name in ("roots", "intermediates", "crls")}
        return _sha256(json.dumps({**parts, "revocation": self.revocation}, sort_keys=True).encode())


def trust_of(
    certificates: Sequence[bytes] = (), crls: Sequence[bytes] = (), revocation: Revocation = "if_available"
) -> Trust:
    """Trust in certificates (DER or PEM, one or more each) and lists. Raises ValueError for what is neither.

    A certificate that signs itself is a root, any other only helps to build a chain.
    """
    roots: set[bytes] = set()
    others: set[bytes] = set()
    for body in certificates:
        for certificate in _certificates(body):
            (roots if _is_root(certificate) else others).add(_der(certificate))
    lists = {_list(body) for body in crls}
    return Trust(
        tuple(sorted(roots, key=_sha256)),
        tuple(sorted(others, key=_sha256)),
        tuple(sorted(lists, key=_sha256)),
        revocation,
    )


def load_trust(home: Path) -> Trust:
    """The trust of an installation; empty where nothing is installed. Raises DataFileError naming the file."""
    folder = home / "trust"
    if not folder.is_dir():
        return Trust()
    settings = TrustFile()
    certificates: list[bytes] = []
    crls: list[bytes] = []
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if path.name == SETTINGS:
            settings = read_model(path, TrustFile)
        elif path.name.startswith("."):
            continue  # what desktops leave behind
        elif suffix not in CERTIFICATES | LISTS:
            raise DataFileError(
                f"trust/{path.name}: only certificates ({', '.join(sorted(CERTIFICATES))}), revocation lists (.crl) "
                f"and {SETTINGS} belong here; take a bundle (.p7b) apart, and never put a private key here"
            )
        else:
            try:
                body = path.read_bytes()
                trust_of([body] if suffix in CERTIFICATES else (), [body] if suffix in LISTS else ())
            except (OSError, ValueError) as error:
                raise DataFileError(f"trust/{path.name}: {error}") from None
            (certificates if suffix in CERTIFICATES else crls).append(body)
    return trust_of(certificates, crls, settings.revocation)


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _certificates(body: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    if b"PRIVATE KEY" in body:
        raise ValueError("holds a private key; remove it from here, and treat it as known to others")
    try:
        if b"-----BEGIN" in body:
            return x509.load_pem_x509_certificates(body)
        return [x509.load_der_x509_certificate(body)]
    except ValueError as error:
        raise ValueError(f"is no certificate in PEM or DER ({error})") from None


def _list(body: bytes) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_crl(body) if b"-----BEGIN" in body else x509.load_der_x509_crl(body)
    except ValueError as error:
        raise ValueError(f"is no revocation list in PEM or DER ({error})") from None
    return found.public_bytes(Encoding.DER)


def _is_root(certificate: x509.Certificate) -> bool:
    """Whether it signs itself. Raises ValueError for one that does and is no authority: it would vouch for itself."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if certificate.issuer != certificate.subject:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise ValueError(f"the self-signed certificate {certificate.subject.rfc4514_string()} is no authority (CA)")
    return True
