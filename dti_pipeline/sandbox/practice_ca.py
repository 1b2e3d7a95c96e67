"""The practice certificate authority: signed evidence of the fictional province, and what is needed to check it.

Here: a root and certificates for the leader and the organisation of every practice unit, what an operator would
install to check them (`trust/`, `signers.yaml`), small PDF files and their signatures, right and wrong ones. Keys are
Ed25519, derived from words in this file: everybody has them, so they prove nothing outside a practice, and every
subject says so. Everything made here is the same every time with the same versions of fpdf2, fontTools and pyHanko
(pyHanko would put in the clock's time and a random identifier). Not here: checking signatures
(`dti_pipeline.evidence.signatures`), certificates of practice portals (`certificates.py`).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import io
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from dti_pipeline.frameworks.model import SignerRole
from dti_pipeline.sandbox import practice
from dti_pipeline.scoring.periods import TIME_ZONE

if TYPE_CHECKING:
    from asn1crypto import cms
    from asn1crypto import x509 as asn1_x509
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from fpdf import FPDF
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.signers import SimpleSigner

VALID_FROM = dt.datetime(2019, 1, 1, tzinfo=TIME_ZONE)
VALID_TO = dt.datetime(2029, 12, 31, 23, 59, 59, tzinfo=TIME_ZONE)
CREATED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""When every practice PDF says it was made."""
ROLES: tuple[SignerRole, ...] = ("leader", "organisation")
ROLE_NAMES: dict[SignerRole, str] = {"leader": "Người đứng đầu diễn tập", "organisation": "Con dấu diễn tập"}
ROOT_NAME = "CA gốc diễn tập (hư cấu)"
DOCUMENT = "Danh sách người ký diễn tập (hư cấu)"
MAX_PAGES = 3
_RESERVED = 4096
"""Hexadecimal digits kept free for a signature; one takes about 2,200."""


# --- keys and certificates ---


def install_trust(home: Path) -> None:
    """Write what an operator would install: `trust/practice-root.pem` and `signers.yaml` with all practice units."""
    from cryptography.hazmat.primitives.serialization import Encoding

    (home / "trust").mkdir(parents=True, exist_ok=True)
    (home / "trust" / "practice-root.pem").write_bytes(_root().public_bytes(Encoding.PEM))
    signers = [
        {"unit": unit.code, "role": role, "subject": _subject(unit.code, role), "document": DOCUMENT}
        for unit in practice.units()
        for role in ROLES
    ]
    text = yaml.safe_dump({"signers": signers}, allow_unicode=True, sort_keys=False)
    (home / "signers.yaml").write_text(text, encoding="utf-8")


def _key(name: str) -> ed25519.Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"diễn tập:{name}".encode()).digest())


def _subject(unit: str, role: SignerRole) -> dict[str, str]:
    return {
        "CN": f"{ROLE_NAMES[role]} {unit}",
        "O": practice.unit(unit).name,
        "UID": f"DIEN-TAP:{unit}:{role}",
    }


def _name(attributes: dict[str, str]) -> x509.Name:
    from cryptography.x509 import Name, NameAttribute, NameOID

    oids = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "UID": NameOID.USER_ID}
    return Name([NameAttribute(oids[short], value) for short, value in attributes.items()])


@cache
def _root() -> x509.Certificate:
    return _issue({"CN": ROOT_NAME, "O": practice.unit(practice.ROOT).name}, "root")


@cache
def _certificate(unit: str, role: SignerRole) -> x509.Certificate:
    return _issue(_subject(unit, role), f"{unit}:{role}")


def _issue(subject: dict[str, str], key_name: str) -> x509.Certificate:
    """A certificate by the practice root; the root's own for the key `root`."""
    from cryptography import x509

    is_root = key_name == "root"
    public, issuer = _key(key_name).public_key(), _key("root")
    serial = int.from_bytes(hashlib.sha256(f"số hiệu diễn tập:{key_name}".encode()).digest()[:16])
    usage = {
        "key_encipherment": False, "data_encipherment": False, "key_agreement": False,
        "encipher_only": False, "decipher_only": False,
    }  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(subject) if is_root else _root().subject)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_TO)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_root,
                content_commitment=not is_root,
                key_cert_sign=is_root,
                crl_sign=is_root,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .sign(issuer, None)
    )


# --- files ---


def practice_pdf(title: str, lines: Sequence[str]) -> bytes:
    """An unsigned A4 document of up to three pages, Roboto embedded as a subset. Raises ValueError for longer text."""
    pdf = _document()
    pdf.add_page()
    pdf.set_font("Roboto", size=16)
    pdf.multi_cell(0, 9, title, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    pdf.set_font("Roboto", size=11)
    for line in lines:
        pdf.multi_cell(0, 6, line, new_x="LMARGIN", new_y="NEXT")
    if pdf.page_no() > MAX_PAGES:
        raise ValueError(f"a practice document has at most {MAX_PAGES} pages; this text takes {pdf.page_no()}")
    pdf.set_title(title)
    return bytes(pdf.output())


def _document() -> FPDF:
    from fpdf import FPDF

    class Page(FPDF):
        def footer(self) -> None:
            self.set_y(-15)
            self.set_font("Roboto", size=8)
            self.cell(0, 6, f"Tài liệu diễn tập (hư cấu) · trang {self.page_no()}", align="C")

    pdf = Page(format="A4")
    pdf.set_creation_date(CREATED)
    pdf.set_lang("vi")
    font = resources.files("font_roboto") / "files" / "Roboto-Regular.ttf"
    with resources.as_file(font) as path:
        pdf.add_font("Roboto", fname=str(path))
    return pdf


# --- signatures ---


def sign(pdf: bytes, unit: str, roles: Sequence[SignerRole], at: dt.datetime) -> bytes:
    """The document signed by a practice unit in these roles, in this order, with `at` as the claimed time.

    Raises KeyError for a code that is no practice unit.
    """
    for role in roles:
        pdf = _signed(pdf, _signer(unit, role), _field(role, unit), at)
    return pdf


def wrong_signer(pdf: bytes, unit: str, at: dt.datetime) -> bytes:
    """The same, with the leader of the next practice unit in place of the unit's own."""
    codes = [known.code for known in practice.units()]
    other = codes[(codes.index(unit) + 1) % len(codes)]
    return sign(sign(pdf, other, ("leader",), at), unit, ("organisation",), at)


def late(pdf: bytes, unit: str, deadline: dt.datetime) -> bytes:
    """Signed by both, the day after the deadline by their own claim."""
    return sign(pdf, unit, ROLES, deadline + dt.timedelta(days=1))


def altered(signed: bytes) -> bytes:
    """A line written over the first page after the signatures: every signature by itself still looks whole."""
    from pyhanko.pdf_utils import generic

    writer = _writer(signed)
    text = generic.StreamObject(stream_data=b"0.8 0 0 rg 20 20 200 12 re f")
    writer.add_stream_to_page(0, writer.add_object(text))  # type: ignore[no-untyped-call]
    out = io.BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]
    return out.getvalue()


@cache
def _signer(unit: str, role: SignerRole) -> SimpleSigner:
    from asn1crypto import keys
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    def asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))

    own = asn1(_certificate(unit, role))
    der = _key(f"{unit}:{role}").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SimpleSigner(own, keys.PrivateKeyInfo.load(der), SimpleCertificateStore())  # type: ignore[no-untyped-call]


def _writer(pdf: bytes) -> IncrementalPdfFileWriter:
    """A writer of the document's next revision that neither reads the clock nor draws an identifier at random."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class Repeatable(IncrementalPdfFileWriter):
        def _update_meta(self) -> None:
            """Leaves out when the file was last modified."""

    writer = Repeatable(io.BytesIO(pdf))
    own_id = generic.ByteStringObject(hashlib.sha256(pdf).digest()[:16])
    writer._document_id = generic.ArrayObject([writer._document_id[0], own_id])
    return writer


def _field(role: SignerRole, unit: str) -> str:
    # A dot in a field's name would make it a field within a field.
    return f"{role}-{unit.replace('.', '-')}"


def _signed(pdf: bytes, signer: SimpleSigner, field: str, at: dt.datetime) -> bytes:
    """One more signature (PAdES, invisible) with a claimed time: pyHanko's simple interface has only the clock's."""
    from pyhanko.pdf_utils.generic import pdf_name
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
    from pyhanko.sign.signers.pdf_byterange import PdfSignedData

    steps = PdfCMSEmbedder().write_cms(field_name=field, writer=_writer(pdf))
    next(steps)
    place = PdfSignedData(pdf_name("/Sig"), SigSeedSubFilter.PADES, timestamp=at, bytes_reserved=_RESERVED)
    steps.send(SigObjSetup(sig_placeholder=place))
    prepared, output = steps.send(SigIOSetup(md_algorithm="sha512"))
    steps.send(asyncio.run(_signature(signer, prepared.document_digest)))
    return bytes(output.getvalue())


async def _signature(signer: SimpleSigner, digest: bytes) -> bytes:
    from asn1crypto import cms
    from pyhanko.sign.general import simple_cms_attribute

    # pyHanko would put them in the order in which its tasks end; this one is DER's.
    attributes = cms.CMSAttributes(
        [
            simple_cms_attribute("content_type", "data"),  # type: ignore[no-untyped-call]
            simple_cms_attribute("message_digest", digest),  # type: ignore[no-untyped-call]
            _own_certificate(signer),
        ]
    )
    signed = await signer.async_sign_prescribed_attributes("sha512", attributes)
    # As bytes: while asyncio closes, it prints the result to itself, and an ASN.1 object prints slowly.
    return bytes(signed.dump())


@cache
def _own_certificate(signer: SimpleSigner) -> cms.CMSAttribute:
    from pyhanko.sign.general import as_signing_certificate_v2, simple_cms_attribute

    value = as_signing_certificate_v2(signer.signing_cert)
    return simple_cms_attribute("signing_certificate_v2", value)  # type: ignore[no-untyped-call]
