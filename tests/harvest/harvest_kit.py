"""What the tests of the harvest share: a clock, manners without waiting, raw servers, and a private authority.

Here: things over real sockets that do as they are told. Not here: tests.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine
from sqlmodel import Session, select

from dti_pipeline.harvest.model import (
    Connector,
    FailureKind,
    Manifest,
    Observation,
    Plan,
    Politeness,
    Reading,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.harvest.runner import Fetches, Night, SiteReport, harvest_site
from dti_pipeline.scoring.periods import TIME_ZONE, Period, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.store.engine import open_engine
from dti_pipeline.store.snapshots import SnapshotStore
from dti_pipeline.store.tables import SnapshotRow
from dti_pipeline.units.registry import load_registry


class Clock:
    """A monotonic clock that moves by `tick` whenever it is read, and by whatever is slept."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now = 1000.0
        self.tick = tick
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now


def polite(**changes: Any) -> Politeness:
    given = {"min_interval_s": 0, "jitter_s": 0, "timeout_s": 5, "retries": 0, "backoff_s": 0}
    return Politeness.model_validate({**given, **changes})


class RawServer:
    """Answers each connection with whatever bytes `answer` sends, then closes it."""

    def __init__(self, answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None) -> None:
        self.heads: list[bytes] = []
        self._answer, self._tls = answer, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(5)
                with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as channel:
                    self.heads.append(_head(channel))
                    self._answer(channel)

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)
        assert not self._thread.is_alive()


def _head(channel: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = channel.recv(65536)
        if not piece:
            break
        data += piece
    return data


@contextmanager
def raw_server(answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    server = RawServer(answer, tls)
    try:
        yield server
    finally:
        server.stop()


def sends(*pieces: bytes, forever: bytes = b"") -> Callable[[socket.socket], None]:
    """Sends the pieces, then `forever` again and again until the client has gone."""

    def answer(channel: socket.socket) -> None:
        for piece in pieces:
            channel.sendall(piece)
        while forever:
            channel.sendall(forever)

    return answer


class Authority:
    """A private certificate authority, and servers that it vouches for."""

    YEARS = (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2120, 1, 1, tzinfo=dt.UTC))

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Practice authority")])
        self._made = 0
        self.root_file = folder / "root.pem"
        pem = serialization.Encoding.PEM
        self.root_file.write_bytes(
            self._certificate(self._name, self._key.public_key(), self.YEARS, None).public_bytes(pem)
        )

    def server(self, *, address: str = "127.0.0.1", years: tuple[dt.datetime, dt.datetime] = YEARS) -> ssl.SSLContext:
        """The server side for an address, with a certificate for it that is valid for the years given."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Thuc Hanh"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, "practice.example"),
            ]
        )
        pem = serialization.Encoding.PEM
        self._made += 1
        chain_file = self._folder / f"server-{self._made}.pem"
        chain_file.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + self._certificate(name, key.public_key(), years, address).public_bytes(pem)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain_file)
        return context

    def _certificate(
        self, subject: x509.Name, public: Any, years: tuple[dt.datetime, dt.datetime], address: str | None
    ) -> x509.Certificate:
        usage = {
            "digital_signature": True, "content_commitment": False, "key_encipherment": False,
            "data_encipherment": False, "key_agreement": False, "crl_sign": False, "encipher_only": False,
            "decipher_only": False,
        }  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(years[0])
            .not_valid_after(years[1])
            .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=address is None, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


NIGHT = dt.date(2026, 10, 15)

MANIFEST = Manifest.model_validate(
    {
        "name": "practice",
        "version": "1",
        "title": "Nguồn thực hành",
        "publisher": "Tỉnh Thực Hành (đơn vị hư cấu)",
        "legal_basis": "none, fictional",
        "address": "https://practice.example",
        "cadence": "daily",
        "stale_after_days": 2,
        "auth": "none",
        "evidence_strength": "inferred",
        "evidence_note": "written for a test",
        "metrics": ["dossiers_received"],
        "expect": {"dossiers_received": {"min": 0}},
    }
)


class Practice:
    """A connector that asks what it is told to and reads whole numbers."""

    def __init__(self, *requests: Request) -> None:
        self._requests = requests
        self.given: list[Snapshot | None] = []

    def plan(self, _site: Site, _window: Period) -> Plan:
        for request in self._requests:
            self.given.append((yield request))

    def read(self, snapshot: Snapshot) -> Reading:
        if snapshot.status != 200:
            message = f"mã {snapshot.status}"
            raise SourceFailure(FailureKind.HTTP_STATUS, message, retryable=snapshot.status >= 500)
        figure = Decimal(snapshot.body.decode())
        return Reading(
            (
                Observation(
                    "dossiers_received", "1", "Thực Hành", year(2026), InputState.HARVESTED, "", figure, unit_code="H00"
                ),
            )
        )


@dataclass
class Stored:
    """A fresh database and snapshot folder, and nights harvested into them."""

    folder: Path
    engine: Engine = field(init=False)
    store: SnapshotStore = field(init=False)

    def __post_init__(self) -> None:
        self.engine = open_engine(f"sqlite:///{self.folder / 'dti.db'}")
        self.store = SnapshotStore(f"file://{self.folder / 'snapshots'}")

    def harvest(
        self, connector: Connector, site: Site, fetcher: Fetches, *, night: dt.date = NIGHT, again: bool = False
    ) -> SiteReport:
        moment = dt.datetime.combine(night, dt.time(23), TIME_ZONE)
        opened = Night(night, lambda: moment, True, "test-run")
        return harvest_site(
            self.engine, self.store, load_registry(()), connector, MANIFEST, site, opened, fetcher, again=again
        )

    def snapshots(self) -> list[SnapshotRow]:
        with Session(self.engine) as session:
            rows = session.exec(select(SnapshotRow).order_by(SnapshotRow.night, SnapshotRow.request)).all()
            session.expunge_all()
        return list(rows)

    def everything(self) -> bytes:
        """All that is on disk: the database with its log, and every kept byte."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())
