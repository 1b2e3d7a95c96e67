"""A certificate authority, people, organisations, a time-stamping authority and lists, all in memory, for tests.

Independent of the practice authority. Keys are drawn per process; nothing depends on their values. The chain is root →
issuing CA → signer; names are fictional.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import io
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from asn1crypto.cms import ContentInfo
from asn1crypto.crl import CertificateList
from asn1crypto.ocsp import OCSPResponse
from asn1crypto.pdf import RevocationInfoArchival
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fpdf import FPDF
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter, append_signature_field
from pyhanko.sign.signers import PdfTimeStamper, SimpleSigner
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import PdfSignedData
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Y2020 = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
Y2040 = dt.datetime(2040, 1, 1, tzinfo=dt.UTC)
_OIDS = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "UID": NameOID.USER_ID}
_serials = itertools.count(1001)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and whoever issued it (itself for a root)."""

    certificate: x509.Certificate
    key: PrivateKey
    issuer: Identity | None = None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def asn1(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.der)

    @property
    def asn1_key(self) -> asn1_keys.PrivateKeyInfo:
        return asn1_keys.PrivateKeyInfo.load(self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def ec_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def issue(
    subject: dict[str, str],
    issuer: Identity | None,
    *,
    key: PrivateKey | None = None,
    authority: bool = False,
    valid_from: dt.datetime = Y2020,
    valid_to: dt.datetime = Y2040,
    extended: Sequence[x509.ObjectIdentifier] = (),
    signs: bool = True,
    addresses: bool = False,
    digest: hashes.HashAlgorithm | None = None,
) -> Identity:
    """A new certificate. `signs`: its key usage allows signing. `addresses`: it names a list and an OCSP responder."""
    key = key or ec_key()
    name = x509.Name([x509.NameAttribute(_OIDS[short], value) for short, value in subject.items()])
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(next(_serials))
        .not_valid_before(valid_from)
        .not_valid_after(valid_to)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs and not authority, content_commitment=signs and not authority,
                key_encipherment=not signs, data_encipherment=False, key_agreement=False,
                key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=True)
    if addresses:
        where = x509.UniformResourceIdentifier("http://crl.invalid/list.crl")
        builder = builder.add_extension(
            x509.CRLDistributionPoints([x509.DistributionPoint([where], None, None, None)]), critical=False
        ).add_extension(
            x509.AuthorityInformationAccess(
                [
                    x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, where),
                    x509.AccessDescription(x509.AuthorityInformationAccessOID.CA_ISSUERS, where),
                ]
            ),
            critical=False,
        )
    algorithm = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return Identity(builder.sign(signing_key, algorithm), key, issuer)


def crl(
    issuer: Identity,
    revoked: Sequence[tuple[Identity, dt.datetime]] = (),
    *,
    made_at: dt.datetime,
    next_at: dt.datetime,
) -> bytes:
    """A revocation list in DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(made_at)
        .next_update(next_at)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    for identity, moment in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(identity.certificate.serial_number)
            .revocation_date(moment)
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            .build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def ocsp_answer(who: Identity, revoked: dt.datetime | None, *, made_at: dt.datetime) -> bytes:
    """What the issuer says of a certificate, in DER, good for a day."""
    assert who.issuer is not None
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=who.certificate,
        issuer=who.issuer.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD if revoked is None else ocsp.OCSPCertStatus.REVOKED,
        this_update=made_at,
        next_update=made_at + dt.timedelta(days=1),
        revocation_time=revoked,
        revocation_reason=None if revoked is None else x509.ReasonFlags.key_compromise,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, who.issuer.certificate)
    return builder.sign(who.issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def tsa(identity: Identity, at: dt.datetime) -> DummyTimeStamper:
    """A time-stamping authority whose clock stands still. Its key is RSA."""
    assert identity.issuer is not None
    store = SimpleCertificateStore()
    store.register(identity.issuer.asn1)
    return DummyTimeStamper(identity.asn1, identity.asn1_key, certs_to_embed=store, fixed_dt=at)


def replaying(blob: bytes, genuine: DummyTimeStamper) -> DummyTimeStamper:
    """An authority that answers everything with the token in another signature."""
    signer = ContentInfo.load(blob)["content"]["signer_infos"][0]
    token = next(item["values"][0] for item in signer["unsigned_attrs"] if item["type"].native.endswith("_stamp_token"))

    class Replaying(DummyTimeStamper):
        async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
            return token

    return Replaying(genuine.tsa_cert, genuine.tsa_key, fixed_dt=genuine.fixed_dt)


def blob(pdf: bytes) -> bytes:
    """The digits of a file's only signature."""
    start, end = blob_span(pdf, 0)
    return pdf[start:end]


TSA_USE = (ExtendedKeyUsageOID.TIME_STAMPING,)


# --- files ---


def plain_pdf(pages: int = 1) -> bytes:
    pdf = FPDF()
    pdf.set_creation_date(Y2020)
    for number in range(pages):
        pdf.add_page()
        pdf.set_font("helvetica", size=12)
        pdf.cell(text=f"Page {number + 1}")
    return bytes(pdf.output())


@cache
def sign(
    pdf: bytes,
    identity: Identity,
    field: str,
    at: dt.datetime | None,
    *,
    stamper: DummyTimeStamper | None = None,
    certify: MDPPerm | None = None,
    digest: str | None = None,
    strict: bool = True,
    prefer_pss: bool = False,
    adobe_crls: tuple[bytes, ...] | None = None,
) -> bytes:
    """One more signature (PAdES; Adobe's older kind, with lists in it, for `adobe_crls`).

    `at`: the claimed time. `certify`: as the author's, with what may follow.
    """
    # RFC 8419: Ed25519 goes with SHA-512.
    digest = digest or ("sha512" if isinstance(identity.key, ed25519.Ed25519PrivateKey) else "sha256")
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=strict)
    if writer.prev.encrypted:
        writer.encrypt("")
    store = SimpleCertificateStore()
    if identity.issuer is not None and identity.issuer.issuer is not None:
        store.register(identity.issuer.asn1)
    signer = SimpleSigner(identity.asn1, identity.asn1_key, store, prefer_pss=prefer_pss)
    steps = PdfCMSEmbedder().write_cms(field_name=field, writer=writer)
    next(steps)
    is_pades = adobe_crls is None
    settings = PdfCMSSignedAttributes(
        signing_time=None if is_pades else at,
        adobe_revinfo_attr=RevocationInfoArchival({"crl": [CertificateList.load(der) for der in adobe_crls]})
        if adobe_crls
        else None,
    )
    place = PdfSignedData(
        pdf_name("/Sig"),
        SigSeedSubFilter.PADES if is_pades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
        timestamp=at if is_pades else None,
        bytes_reserved=4096 if stamper is None and is_pades else 12288,
    )
    mdp = None
    if certify is not None:
        mdp = SigMDPSetup(md_algorithm=digest, certify=True, docmdp_perms=certify)
    steps.send(SigObjSetup(sig_placeholder=place, mdp_setup=mdp))
    prepared, output = steps.send(SigIOSetup(md_algorithm=digest))
    cms = asyncio.run(
        signer.async_sign(
            prepared.document_digest, digest, use_pades=is_pades, timestamper=stamper, signed_attr_settings=settings
        )
    )
    steps.send(cms)
    return bytes(output.getvalue())


def sign_short(pdf: bytes, identity: Identity, *, by_bytes: int) -> bytes:
    """Signed by somebody who leaves the last bytes of the file out, and signs some of the signature's zeros instead."""
    steps = PdfCMSEmbedder().write_cms(field_name="A", writer=IncrementalPdfFileWriter(io.BytesIO(pdf)))
    next(steps)
    place = PdfSignedData(pdf_name("/Sig"), SigSeedSubFilter.PADES, bytes_reserved=4096)
    steps.send(SigObjSetup(sig_placeholder=place))
    _, output = steps.send(SigIOSetup(md_algorithm="sha256"))
    body = output.getvalue()
    found = re.search(rb"/ByteRange \[ ?0 (\d+) (\d+) (\d+)", body)
    assert found is not None
    before, resumes, after = (int(number) for number in found.groups())
    start, end = found.span(2)
    output.seek(start)
    output.write(b"%0*d" % (end - start, resumes - by_bytes))
    body = output.getvalue()
    second = body[resumes - by_bytes : resumes - by_bytes + after]
    digest = hashlib.sha256(body[:before] + second).digest()
    store = SimpleCertificateStore()
    assert identity.issuer is not None
    store.register(identity.issuer.asn1)
    signer = SimpleSigner(identity.asn1, identity.asn1_key, store)
    steps.send(asyncio.run(signer.async_sign(digest, "sha256", use_pades=True)))
    return bytes(output.getvalue())


def stamp_document(pdf: bytes, stamper: DummyTimeStamper) -> bytes:
    """A document time-stamp behind everything else."""
    out = io.BytesIO()
    PdfTimeStamper(stamper).timestamp_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), "sha256", None, output=out)
    return out.getvalue()


def add_validation_data(
    pdf: bytes, certificates: Sequence[Identity], crls: Sequence[bytes], ocsps: Sequence[bytes] = ()
) -> bytes:
    """A DSS with certificates, lists and answers, as an update behind everything else."""
    stream = io.BytesIO(pdf)
    DocumentSecurityStore.add_dss(
        stream,
        None,
        certs=[identity.asn1 for identity in certificates],
        crls=[CertificateList.load(der) for der in crls],
        ocsps=[OCSPResponse.load(der) for der in ocsps],
    )
    return stream.getvalue()


def update(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], Any]) -> bytes:
    """An incremental update that does anything."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def overwrite_page(pdf: bytes) -> bytes:
    def change(writer: IncrementalPdfFileWriter) -> None:
        text = generic.StreamObject(stream_data=b"0 0 300 300 re f")
        writer.add_stream_to_page(0, writer.add_object(text))

    return update(pdf, change)


def add_empty_field(pdf: bytes, name: str) -> bytes:
    return update(pdf, lambda writer: append_signature_field(writer, SigFieldSpec(name)))


def add_text_field(pdf: bytes) -> bytes:
    """A form with one empty text field, so that it can be filled in later."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        field = writer.add_object(
            generic.DictionaryObject(
                {
                    pdf_name("/FT"): pdf_name("/Tx"),
                    pdf_name("/T"): generic.pdf_string("amount"),
                    pdf_name("/V"): generic.pdf_string(""),
                    pdf_name("/Type"): pdf_name("/Annot"),
                    pdf_name("/Subtype"): pdf_name("/Widget"),
                    pdf_name("/Rect"): generic.ArrayObject([generic.NumberObject(n) for n in (10, 10, 90, 30)]),
                }
            )
        )
        form = generic.DictionaryObject({pdf_name("/Fields"): generic.ArrayObject([field])})
        writer.root[pdf_name("/AcroForm")] = writer.add_object(form)
        writer.update_root()
        writer.register_annotation(writer.find_page_for_modification(0)[0], field)

    return update(pdf, change)


def fill_text_field(pdf: bytes) -> bytes:
    def change(writer: IncrementalPdfFileWriter) -> None:
        field = writer.root["/AcroForm"]["/Fields"].raw_get(0)
        field.get_object()[pdf_name("/V")] = generic.pdf_string("1000000")
        writer.mark_update(field)

    return update(pdf, change)


def add_script(pdf: bytes) -> bytes:
    def change(writer: IncrementalPdfFileWriter) -> None:
        writer.root[pdf_name("/OpenAction")] = generic.DictionaryObject(
            {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): generic.pdf_string("app.alert(1)")}
        )
        writer.update_root()

    return update(pdf, change)


def ends_of_revisions(pdf: bytes) -> list[int]:
    """Where each revision ends, oldest first."""
    marker, ends, position = b"%%EOF\n", [], 0
    while (found := pdf.find(marker, position)) >= 0:
        position = found + len(marker)
        ends.append(position)
    return ends


def blob_span(pdf: bytes, number: int) -> tuple[int, int]:
    """First and last digit (exclusive) of the place of the n-th signature, in the order of the file."""
    reader = PdfFileReader(io.BytesIO(pdf))
    ranges = sorted(tuple(int(n) for n in found.byte_range) for found in reader.embedded_signatures)
    ranges.sort(key=lambda item: item[1])
    _, before, resumes, _ = ranges[number]
    return before + 1, resumes - 1


def flip(body: bytes, position: int, to: bytes) -> bytes:
    assert body[position : position + len(to)] != to
    return body[:position] + to + body[position + len(to) :]
