"""The practice portals' names: which there are, and a name server on loopback that answers for them over UDP.

Here: the portals of `data/portals.yaml` and their records. A name is of the domain `thuchanh.example`, which cannot be
anybody's (RFC 2606). Not here: pages (`twins/portal_probe.py`) and certificates (`certificates.py`).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from dti_pipeline.datafiles import read_model

if TYPE_CHECKING:
    from dns.message import Message

DOMAIN = "thuchanh.example"
LONGEST_QUESTION = 4096
LIFETIME_S = 300
"""How long a record may be kept by whoever asked."""


class Portal(BaseModel):
    """One practice portal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    name: Literal["known", "absent", "silent"] = "known"
    """`absent`: there is no such name; `silent`: questions about it get no answer."""
    pages: Literal["feed", "list", "none", "empty", "scripted"] | None = None
    ipv6: tuple[IPv6Address, ...] = ()
    certificate: Literal["valid", "expired"] = "valid"

    @model_validator(mode="after")
    def _a_name_comes_before_its_pages(self) -> Self:
        if (self.name == "known") != (self.pages is not None):
            raise ValueError("a portal whose name is known has pages, and no other has any")
        return self

    @property
    def host(self) -> str:
        """The portal's name, such as `h00-01.thuchanh.example`."""
        return f"{self.unit.lower().replace('.', '-')}.{DOMAIN}"


class PortalsFile(BaseModel):
    """`data/portals.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    portals: tuple[Portal, ...]


@cache
def portals() -> Mapping[str, Portal]:
    """Unit code -> its practice portal, in the file's order. Raises DataFileError."""
    found = read_model(Path(__file__).parent / "data" / "portals.yaml", PortalsFile).portals
    return {portal.unit: portal for portal in found}


def portal_at(host: str) -> Portal | None:
    """The portal of a host name, in any case and with or without the last dot."""
    wanted = host.lower().removesuffix(".")
    return next((portal for portal in portals().values() if portal.host == wanted), None)


class NameServer:
    """Answers on `address` from its making until `stop`; what it is asked goes to `note` as `dns:<type> <name>`.

    Raises OSError where the address is taken.
    """

    def __init__(self, address: tuple[str, int], note: Callable[[str], None]) -> None:
        self._note = note
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="dti-sandbox-names", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        # Wakes the thread: closing a socket does not end a wait for it.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        from dns.exception import DNSException
        from dns.message import from_wire

        while True:
            raw, asker = self._socket.recvfrom(LONGEST_QUESTION)
            if self._is_stopping.is_set():
                return
            try:
                question = from_wire(raw)
            except DNSException:
                continue  # nothing that could be answered
            reply = answer(question, self._note)
            if reply is not None:
                self._socket.sendto(reply.to_wire(), asker)


def answer(question: Message, note: Callable[[str], None]) -> Message | None:
    """What the practice name server says to a question; None where it says nothing.

    A: this machine. AAAA: the portal's addresses. Any other record of a name that is there: none. A name outside the
    domain is refused: this server asks nobody else.
    """
    from dns.flags import AA, RA
    from dns.message import make_response
    from dns.rcode import NXDOMAIN, REFUSED
    from dns.rdatatype import AAAA, A, to_text
    from dns.rrset import from_text_list

    reply = make_response(question)
    reply.flags |= AA | RA
    if len(question.question) != 1:
        reply.set_rcode(REFUSED)
        return reply
    (asked,) = question.question
    host = asked.name.to_text(omit_final_dot=True)
    note(f"dns:{to_text(asked.rdtype)} {host}")
    portal = portal_at(host)
    if portal is not None and portal.name == "silent":
        return None
    if portal is None or portal.name == "absent":
        reply.set_rcode(NXDOMAIN if host.lower().endswith(f".{DOMAIN}") else REFUSED)
        return reply
    records = {A: ["127.0.0.1"], AAAA: [str(address) for address in portal.ipv6]}.get(asked.rdtype, [])
    if records:
        reply.answer.append(from_text_list(asked.name, LIFETIME_S, asked.rdclass, asked.rdtype, records))
    return reply
