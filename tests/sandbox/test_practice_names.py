"""The practice name server and TLS endpoint over real sockets: every kind of answer, and one port for everything."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from dti_pipeline.datafiles import DataFileError, parse_model
from dti_pipeline.harvest.probe import ask_dns, ask_tls
from dti_pipeline.sandbox import certificates, practice
from dti_pipeline.sandbox import server as serving
from dti_pipeline.sandbox.names import PortalsFile, portal_at, portals
from dti_pipeline.sandbox.server import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "root.pem"
    path.write_bytes(certificates.authority().root_pem)
    return path


def port_of(sandbox: Sandbox) -> int:
    return int(sandbox.base_url.rpartition(":")[2])


def ask(sandbox: Sandbox, name: str, kind: str = "AAAA") -> dns.message.Message:
    question = dns.message.make_query(name, kind)
    return dns.query.udp(question, "127.0.0.1", port=port_of(sandbox), timeout=5)


def records(answer: dns.message.Message) -> list[str]:
    return sorted(record.to_text() for rrset in answer.answer for record in rrset)


# --- the portals ---


def test_every_department_has_a_portal_that_can_be_looked_at() -> None:
    departments = [unit.code for unit in practice.units() if unit.level == "department"]
    assert len(departments) == 20
    assert all(portals()[code].name == "known" and portals()[code].pages != "scripted" for code in departments)
    assert {portal.name for portal in portals().values()} == {"known", "absent", "silent"}
    assert set(portals()) <= {unit.code for unit in practice.units()}
    assert all(portal.host.endswith(".example") for portal in portals().values())


def test_a_portal_is_found_by_its_name_in_any_spelling() -> None:
    for host in ("h00-01.thuchanh.example", "H00-01.ThucHanh.example", "h00-01.thuchanh.example."):
        assert portal_at(host) is portals()["H00.01"]
    assert portal_at("h00-99.thuchanh.example") is None


@pytest.mark.parametrize("line", ["{unit: H00, pages: feed, name: silent}", "{unit: H00}"])
def test_only_a_known_name_has_pages(line: str) -> None:
    with pytest.raises(DataFileError, match="no other has any"):
        parse_model(f"portals:\n  - {line}\n", "portals.yaml", PortalsFile)


# --- names ---


def test_a_name_with_ipv6_without_and_of_nobody(sandbox: Sandbox) -> None:
    both = ask(sandbox, "h00-05.thuchanh.example")
    assert (both.rcode(), records(both)) == (dns.rcode.NOERROR, ["3ffe:0:0:6::80", "3ffe:0:0:6::81"])
    assert both.flags & dns.flags.AA
    none = ask(sandbox, "h00-06.thuchanh.example")
    assert (none.rcode(), records(none)) == (dns.rcode.NOERROR, [])
    assert records(ask(sandbox, "h00-06.thuchanh.example", "A")) == ["127.0.0.1"]
    assert records(ask(sandbox, "h00-06.thuchanh.example", "MX")) == []
    for name in ("h00-21.thuchanh.example", "h00-99.thuchanh.example"):
        assert ask(sandbox, name).rcode() == dns.rcode.NXDOMAIN
    # It says nothing about other people's names, not even that there are none.
    for name in ("portal.example", "xthuchanh.example", "thuchanh.example.org"):
        assert ask(sandbox, name).rcode() == dns.rcode.REFUSED


def test_one_name_gets_no_answer_and_the_next_question_does(sandbox: Sandbox) -> None:
    resolver = ("127.0.0.1", port_of(sandbox))
    silent = ask_dns("h00-22.thuchanh.example", "AAAA", resolver=resolver, timeout_s=0.1, tries=1)
    assert silent["outcome"] == "timeout"
    assert ask(sandbox, "h00.thuchanh.example").answer


def test_what_is_no_question_is_passed_over(sandbox: Sandbox) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for raw in (b"", b"\x00", b"GET / HTTP/1.1\r\n\r\n"):
            sender.sendto(raw, ("127.0.0.1", port_of(sandbox)))
    empty = dns.message.Message()
    assert dns.query.udp(empty, "127.0.0.1", port=port_of(sandbox), timeout=5).rcode() == dns.rcode.REFUSED
    assert ask(sandbox, "h00.thuchanh.example").answer


def test_names_are_served_on_loopback_only_and_end_with_the_sandbox() -> None:
    with Sandbox() as running:
        port = port_of(running)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.2", port))  # free only where nobody has taken every address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as same, pytest.raises(OSError, match="in use"):
            same.bind(("127.0.0.1", port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", port))


def test_a_port_must_be_free_for_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use") as caught:
            Sandbox(port).start()
        # What was opened before it failed is closed again, however long the error is kept.
        with socket.create_server(("127.0.0.1", port)):
            assert caught.tb is not None
        tried: list[int] = []
        server = serving._Server

        def unlucky(of: Sandbox, wanted: int) -> serving._Server:
            assert wanted == 0
            tried.append(wanted)
            return server(of, port if len(tried) == 1 else 0)

        monkeypatch.setattr(serving, "_Server", unlucky)
        with Sandbox() as running:
            assert len(tried) == 2
            assert port_of(running) != port
            assert ask(running, "h00.thuchanh.example").answer


def test_questions_and_handshakes_are_in_the_log(ca_file: Path) -> None:
    with Sandbox() as running:
        ask(running, "h00.thuchanh.example")
        handshake(running, "h00.thuchanh.example", ca_file)
        assert running.requests == [
            ("dns:AAAA h00.thuchanh.example", None),
            ("dns:A h00.thuchanh.example", None),
            ("tls:h00.thuchanh.example", None),
        ]


# --- certificates ---


def handshake(sandbox: Sandbox, host: str, ca_file: Path | None) -> dict[str, object]:
    port = port_of(sandbox)
    pinned = None if ca_file is None else str(ca_file)
    return ask_tls(host, port, ca_file=pinned, timeout_s=5, resolver=("127.0.0.1", port))


def test_a_pinned_authority_makes_a_portal_trusted(sandbox: Sandbox, ca_file: Path) -> None:
    assert handshake(sandbox, "h00-01.thuchanh.example", ca_file) == {
        "host": "h00-01.thuchanh.example",
        "outcome": "trusted",
        "reason": None,
        "protocol": "TLSv1.3",
        "not_before": "2018-12-31T17:00:00+00:00",
        "not_after": "2029-12-31T16:59:59+00:00",
        "subject": "organizationName=Thuc Hanh, commonName=h00-01.thuchanh.example",
        "issuer": "organizationName=Thuc Hanh, commonName=Practice authority",
    }


def test_nobody_else_trusts_it_and_an_expired_one_is_expired(sandbox: Sandbox, ca_file: Path) -> None:
    stranger = handshake(sandbox, "h00-01.thuchanh.example", None)
    assert (stranger["outcome"], stranger["reason"]) == ("untrusted", "unable to get local issuer certificate")
    old = handshake(sandbox, "h00-12.thuchanh.example", ca_file)
    assert (old["outcome"], old["reason"]) == ("untrusted", "certificate has expired")
    # A client that breaks off leaves the server as it was.
    assert handshake(sandbox, "h00-01.thuchanh.example", ca_file)["outcome"] == "trusted"


@pytest.mark.parametrize("host", ["h00-21.thuchanh.example", "portal.example", None])
def test_it_speaks_for_no_other_name(sandbox: Sandbox, ca_file: Path, host: str | None) -> None:
    context = ssl.create_default_context(cafile=str(ca_file))
    context.check_hostname = host is not None
    with (
        socket.create_connection(("127.0.0.1", port_of(sandbox)), timeout=5) as connection,
        pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
    ):
        context.wrap_socket(connection, server_hostname=host)


def test_pages_names_and_certificates_share_a_port(sandbox: Sandbox, ca_file: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sandbox), timeout=5)
    connection.request("GET", "/portal_probe/H00/")
    assert connection.getresponse().status == 200
    connection.close()
    assert handshake(sandbox, "h00.thuchanh.example", ca_file)["outcome"] == "trusted"
    assert records(ask(sandbox, "h00.thuchanh.example")) == ["3ffe:0:0:1::80"]


def test_a_handshake_that_stalls_ends_with_the_sandbox() -> None:
    running = Sandbox().start()
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="h00.thuchanh.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with socket.create_connection(("127.0.0.1", port_of(running)), timeout=5) as stalled:
        stalled.sendall(outgoing.read())
        assert stalled.recv(1)  # the server has begun, and waits for us
        running.stop()
        while stalled.recv(4096):
            pass
