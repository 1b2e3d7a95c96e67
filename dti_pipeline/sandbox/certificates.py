"""Certificates of the practice portals, issued by a practice authority that lives as long as the process.

Here: making them, and the server's side of a handshake. The authority's key is drawn anew by every process and never
written down, so pinning its certificate trusts nobody else's. Not here: sockets (`server.py`), names (`names.py`).

Days are fixed, because a night's figures must not change with the machine's clock; a client checks them against that
clock all the same, so from 2030 on the practice portals have expired certificates.
"""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from functools import cache
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dti_pipeline.sandbox.names import Portal, portal_at
from dti_pipeline.scoring.periods import TIME_ZONE

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

ISSUED = dt.datetime(2019, 1, 1, tzinfo=TIME_ZONE)
LAST_SECONDS = {
    "valid": dt.datetime(2029, 12, 31, 23, 59, 59, tzinfo=TIME_ZONE),
    "expired": dt.datetime(2020, 12, 31, 23, 59, 59, tzinfo=TIME_ZONE),
}


class Authority:
    """A practice authority and the certificates that it has issued."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Practice authority")
        self._root = self._issue(self._name, self._key.public_key(), LAST_SECONDS["valid"], host=None)
        self.root_pem = self._root.public_bytes(serialization.Encoding.PEM)
        """What a site pins."""

    def side_of(self, host: str, last_second: dt.datetime) -> ssl.SSLContext:
        """The server's side of a handshake as `host`, with a new key."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        pem = serialization.Encoding.PEM
        chain = self._issue(_name(host), key.public_key(), last_second, host)
        own_key = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The ssl module takes keys from files only.
        with TemporaryDirectory(prefix="dti-practice-") as folder:
            path = f"{folder}/chain.pem"
            with open(path, "wb") as file:
                file.write(own_key + chain.public_bytes(pem))
            context.load_cert_chain(path)
        return context

    def _issue(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, last_second: dt.datetime, host: str | None
    ) -> x509.Certificate:
        """A certificate of a host, or without one of the authority itself."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        usage = {
            "content_commitment": False, "key_encipherment": False, "data_encipherment": False, "key_agreement": False,
            "encipher_only": False, "decipher_only": False, "crl_sign": False,
        }  # fmt: skip
        is_root = host is None
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(ISSUED)
            .not_valid_after(last_second)
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=is_root, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@cache
def authority() -> Authority:
    """The practice authority of this process."""
    return Authority()


def server_side(note: Callable[[str], None]) -> ssl.SSLContext:
    """The server's side of a handshake, as the portal that the client asks for; `tls:<name>` goes to `note`."""

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, host: str | None, _: ssl.SSLContext) -> int | None:
        note(f"tls:{host or ''}")
        portal = None if host is None else portal_at(host)
        if portal is None or portal.name != "known":
            return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        connection.context = _side_of(portal)
        return None

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = choose
    return context


@cache
def _side_of(portal: Portal) -> ssl.SSLContext:
    return authority().side_of(portal.host, LAST_SECONDS[portal.certificate])


def _name(common_name: str) -> x509.Name:
    from cryptography import x509

    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Thuc Hanh"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )
