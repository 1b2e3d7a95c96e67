"""Probes against a name server and TLS servers on this machine: every outcome is data, told apart from the others."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from harvest_kit import Authority, Clock, Practice, Stored, polite

from dti_pipeline.harvest.http import Fetcher
from dti_pipeline.harvest.model import FailureKind, Politeness, Reading, Request, Site, Snapshot, SourceFailure
from dti_pipeline.harvest.probe import resolver_address, tls_port

Reply = Callable[[dns.message.Message], dns.message.Message | None]


class NameServer:
    """Answers questions over UDP as `reply` says; None is silence."""

    def __init__(self, reply: Reply) -> None:
        self.asked: list[tuple[str, str]] = []
        self._reply = reply
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, asker = self._socket.recvfrom(4096)
            if data == b"stop":
                return
            question = dns.message.from_wire(data)
            (asked,) = question.question
            self.asked.append((asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)))
            if (answer := self._reply(question)) is not None:
                self._socket.sendto(answer.to_wire(), asker)

    def stop(self) -> None:
        self._socket.sendto(b"stop", self._socket.getsockname())
        self._thread.join(timeout=5)
        assert not self._thread.is_alive()
        self._socket.close()


@contextmanager
def name_server(reply: Reply) -> Iterator[NameServer]:
    server = NameServer(reply)
    try:
        yield server
    finally:
        server.stop()


def says(*records: str, code: dns.rcode.Rcode = dns.rcode.NOERROR) -> Reply:
    """An answer with records such as `AAAA 2001:db8::1`, owned by the name asked."""

    def reply(question: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        answer.set_rcode(code)
        for record in records:
            kind, _, text = record.partition(" ")
            answer.answer.append(dns.rrset.from_text(question.question[0].name, 300, "IN", kind, text))
        return answer

    return reply


def fetcher(
    resolver: str | None = None,
    politeness: Politeness | None = None,
    clock: Clock | None = None,
    *,
    ca_file: Path | str | None = None,
    **options: object,
) -> Fetcher:
    clock = clock or Clock()
    site = Site(
        name="cong",
        connector="practice",
        base_url="https://portal.example",
        province="H00",
        options=options if resolver is None else options | {"resolver": resolver},
        ca_file=None if ca_file is None else str(ca_file),
    )
    return Fetcher(
        site, politeness or polite(), sleep=clock.sleep, monotonic=clock.monotonic, jitter=lambda: 0.0, environ={}
    )


def name(host: str = "portal.example", kind: str = "AAAA") -> Request:
    return Request("GET", host, params={"type": kind}, kind="dns")


def data_of(asking: Fetcher, request: Request) -> Any:
    with asking:
        snapshot = asking.fetch(request)
    assert (snapshot.status, snapshot.header("content-type"), snapshot.request) == (200, "application/json", request)
    return json.loads(snapshot.body)


# --- names ---


def test_an_answer_gives_its_records_sorted_and_without_their_time_to_live() -> None:
    with name_server(says("AAAA 2001:db8::2", "AAAA 2001:db8::1")) as server:
        found = data_of(fetcher(server.address), name())
        assert server.asked == [("portal.example.", "AAAA")]
    assert found == {
        "name": "portal.example",
        "type": "AAAA",
        "outcome": "answer",
        "records": ["2001:db8::1", "2001:db8::2"],
    }


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (says(), "no_answer"),
        (says("A 192.0.2.1"), "no_answer"),
        (says(code=dns.rcode.NXDOMAIN), "nxdomain"),
        (says(code=dns.rcode.SERVFAIL), "failure"),
        (says(code=dns.rcode.REFUSED), "failure"),
    ],
    ids=["empty", "another-type", "nxdomain", "servfail", "refused"],
)
def test_the_ways_of_having_no_record_are_told_apart(reply: Reply, outcome: str) -> None:
    with name_server(reply) as server:
        found = data_of(fetcher(server.address), name())
    assert found == {"name": "portal.example", "type": "AAAA", "outcome": outcome, "records": []}


def test_silence_is_a_timeout_after_the_time_of_the_site_and_its_tries() -> None:
    with name_server(lambda _question: None) as server:
        found = data_of(fetcher(server.address, polite(timeout_s=0.2, retries=1)), name())
        assert 1 <= len(server.asked) <= 2
    assert found["outcome"] == "timeout"


def test_the_whole_time_of_an_answer_bounds_a_question_too() -> None:
    with name_server(lambda _question: None) as server:
        assert (
            data_of(fetcher(server.address, polite(timeout_s=60, total_timeout_s=0.1)), name())["outcome"] == "timeout"
        )


def test_other_kinds_of_records_are_texts() -> None:
    with name_server(says('TXT "v=spf1 -all"')) as server:
        assert data_of(fetcher(server.address), name(kind="TXT"))["records"] == ['"v=spf1 -all"']


def test_the_search_list_of_this_machine_changes_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def configured(self: dns.resolver.Resolver, *_given: Any) -> None:
        self.nameservers, self.port = ["127.0.0.1"], int(server.address.rpartition(":")[2])
        self.search, self.use_search_by_default = [dns.name.from_text("thuchanh.example")], True

    with name_server(says(code=dns.rcode.NXDOMAIN)) as server:
        monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", configured)
        assert data_of(fetcher(), name("portal"))["outcome"] == "nxdomain"
        assert server.asked == [("portal.", "AAAA")]


def test_a_machine_without_a_resolver_is_our_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_given: Any) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", none)
    with fetcher() as asking, pytest.raises(SourceFailure) as caught:
        asking.fetch(name())
    assert caught.value.kind is FailureKind.CONNECTION
    assert "resolv.conf" in caught.value.message


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (name(kind="ANY"), "record type «ANY»"),
        (name(kind="AXFR"), "record type"),
        (name(kind=""), "record type"),
        (name("cổng.example"), "xn--"),
        (name(""), "xn--"),
        (name("a..b"), "xn--"),
        (name("x" * 64 + ".example"), "xn--"),
        (name("portal.example/x"), "xn--"),
        (Request("GET", "portal.example", params={"port": "0"}, kind="tls"), "a port"),
        (Request("GET", "portal.example", params={"port": "65536"}, kind="tls"), "a port"),
        (Request("GET", "portal.example", params={"port": "https"}, kind="tls"), "a port"),
        (Request("GET", "https://portal.example", kind="tls"), "xn--"),
        (Request("GET", "a.csv", kind="file"), "not a folder"),
    ],
)
def test_a_question_that_nobody_can_answer_is_a_defect_of_the_connector(request_: Request, words: str) -> None:
    with fetcher("127.0.0.1:9") as asking, pytest.raises(ValueError, match=words):
        asking.fetch(request_)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_a_resolver_is_an_address_and_a_port(given: str, address: tuple[str, int]) -> None:
    assert resolver_address(given) == address


@pytest.mark.parametrize(
    "given", ["", "dns.example:53", "127.0.0.1:x", "127.0.0.1:99999", "a@127.0.0.1", "127.0.0.1/x", 53]
)
def test_another_resolver_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="option resolver"):
        resolver_address(given)
    if isinstance(given, str):
        with pytest.raises(ValueError, match="option resolver"):
            fetcher(given)


# --- certificates ---


@contextmanager
def tls_server(context: ssl.SSLContext, address: str = "127.0.0.1") -> Iterator[int]:
    """Shakes hands with whoever comes, without end; gives its port."""
    listener = socket.create_server((address, 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(5)
                context.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)
        assert not thread.is_alive()


def handshake(port: int, host: str = "127.0.0.1") -> Request:
    return Request("GET", host, params={"port": str(port)}, kind="tls")


NOTHING = {"protocol": None, "not_before": None, "not_after": None, "subject": None, "issuer": None}


def test_a_trusted_certificate_gives_its_dates_and_names(authority: Authority) -> None:
    with tls_server(authority.server()) as port:
        found = data_of(fetcher(ca_file=authority.root_file), handshake(port))
    assert found == {
        "host": "127.0.0.1",
        "outcome": "trusted",
        "reason": None,
        "protocol": "TLSv1.3",
        "not_before": "2020-01-01T00:00:00+00:00",
        "not_after": "2120-01-01T00:00:00+00:00",
        "subject": "organizationName=Thuc Hanh, commonName=practice.example",
        "issuer": "commonName=Practice authority",
    }


def test_a_handshake_that_names_no_port_goes_to_the_sites(authority: Authority) -> None:
    with tls_server(authority.server()) as port:
        asking = fetcher(ca_file=authority.root_file, tls_port=port)
        assert data_of(asking, Request("GET", "127.0.0.1", kind="tls"))["outcome"] == "trusted"


def test_an_older_protocol_is_named(authority: Authority) -> None:
    context = authority.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with tls_server(context) as port:
        assert data_of(fetcher(ca_file=authority.root_file), handshake(port))["protocol"] == "TLSv1.2"


def test_an_unknown_authority_is_a_finding_and_its_certificate_is_not_believed(authority: Authority) -> None:
    with tls_server(authority.server()) as port:
        found = data_of(fetcher(), handshake(port))
    reason = "unable to get local issuer certificate"
    assert found == {"host": "127.0.0.1", "outcome": "untrusted", "reason": reason, **NOTHING}


def test_an_expired_certificate_and_another_name_are_findings(authority: Authority) -> None:
    past = (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2021, 1, 1, tzinfo=dt.UTC))
    for context, words in (
        (authority.server(years=past), "certificate has expired"),
        (authority.server(address="127.0.0.9"), "IP address mismatch"),
    ):
        with tls_server(context) as port:
            found = data_of(fetcher(ca_file=authority.root_file), handshake(port))
        assert (found["outcome"], found["not_after"]) == ("untrusted", None)
        assert words in found["reason"]


def test_no_server_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = data_of(fetcher(), handshake(port))
    assert found == {"host": "127.0.0.1", "outcome": "refused", "reason": "máy chủ từ chối kết nối", **NOTHING}


def test_something_that_is_not_tls_is_refused() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        found = data_of(fetcher(), handshake(listener.getsockname()[1]))
        thread.join(timeout=5)
    assert (found["outcome"], found["reason"]) == ("refused", "không bắt tay được TLS, hoặc kết nối bị đứt")


@pytest.mark.parametrize("limits", [{"timeout_s": 0.1}, {"timeout_s": 60, "total_timeout_s": 0.1}])
def test_a_handshake_that_gets_no_answer_is_a_timeout(limits: dict[str, float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = data_of(fetcher(politeness=polite(**limits)), handshake(silent.getsockname()[1]))
    assert (found["outcome"], found["reason"]) == ("timeout", "không trả lời trong 0.1 giây")


@pytest.mark.parametrize(
    ("code", "outcome"), [(socket.EAI_NONAME, "refused"), (socket.EAI_AGAIN, "timeout")], ids=["unknown", "no-resolver"]
)
def test_a_name_that_is_not_found_is_refused_and_one_that_could_not_be_asked_about_is_not(
    monkeypatch: pytest.MonkeyPatch, code: int, outcome: str
) -> None:
    def unknown(*_given: object, **_options: object) -> None:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert data_of(fetcher(), Request("GET", "portal.example", kind="tls"))["outcome"] == outcome


@pytest.mark.parametrize("address", ["127.0.0.8", "127.0.0.9"])
def test_the_resolver_of_a_site_says_where_its_host_is(authority: Authority, address: str) -> None:
    """Every address is tried, and the certificate must still be of the name."""
    addresses = says("A 127.0.0.8", "A 127.0.0.9")
    with tls_server(authority.server(), address) as port, name_server(addresses) as names:
        asking = fetcher(names.address, ca_file=authority.root_file)
        found = data_of(asking, handshake(port, "portal.example"))
        assert (found["outcome"], found["host"]) == ("untrusted", "portal.example")
        assert "Hostname mismatch" in found["reason"]
        assert names.asked == [("portal.example.", "A")]
        # An address needs no resolver.
        assert data_of(asking, handshake(port, "127.0.0.1"))["outcome"] == "refused"
        assert len(names.asked) == 1


@pytest.mark.parametrize(
    ("reply", "asked", "outcome", "reason"),
    [
        (says(), ["A", "AAAA"], "refused", "không tìm thấy tên máy chủ"),
        (says(code=dns.rcode.NXDOMAIN), ["A", "AAAA"], "refused", "không tìm thấy tên máy chủ"),
        (says(code=dns.rcode.REFUSED), ["A"], "timeout", "chưa hỏi được tên máy chủ"),
        (lambda _: None, ["A"], "timeout", "chưa hỏi được tên máy chủ"),
    ],
    ids=["no-address", "no-name", "refused", "silent"],
)
def test_a_host_that_the_resolver_does_not_find(reply: Reply, asked: list[str], outcome: str, reason: str) -> None:
    with name_server(reply) as names:
        found = data_of(fetcher(names.address, polite(timeout_s=0.2)), Request("GET", "portal.example", kind="tls"))
        assert found == {"host": "portal.example", "outcome": outcome, "reason": reason, **NOTHING}
        assert [kind for _, kind in names.asked] == asked


def test_an_authority_file_that_is_not_there_is_our_own_trouble(tmp_path: Path) -> None:
    with fetcher(ca_file=tmp_path / "none.pem") as asking, pytest.raises(SourceFailure) as caught:
        asking.fetch(handshake(9))
    assert (caught.value.kind, caught.value.retryable) == (FailureKind.CONNECTION, False)
    assert "ca_file" in caught.value.message


# --- manners and record ---


def test_probes_keep_the_interval_of_their_site(authority: Authority) -> None:
    clock = Clock()
    with (
        tls_server(authority.server()) as port,
        name_server(says()) as server,
        fetcher(server.address, polite(min_interval_s=1), clock) as asking,
    ):
        asking.fetch(name())
        asking.fetch(handshake(port))
        asking.fetch(name())
    assert clock.sleeps == [1.0, 1.0]


def test_a_probe_is_recorded_like_any_answer(tmp_path: Path) -> None:
    class Names(Practice):
        def read(self, snapshot: Snapshot) -> Reading:
            return Reading(warnings=(json.loads(snapshot.body)["outcome"],))

    stored = Stored(tmp_path)
    with name_server(says(code=dns.rcode.NXDOMAIN)) as server:
        asking = fetcher(server.address)
        report = stored.harvest(Names(name()), asking._site, asking)
    (row,) = stored.snapshots()
    assert (report.warnings, row.status, row.url, row.failure_kind) == (["nxdomain"], 200, "dns:portal.example", None)
    assert json.loads(row.request)["kind"] == "dns"


@pytest.mark.parametrize(
    ("base", "options", "port"),
    [
        ("https://portal.example/cong", {}, 443),
        ("https://portal.example:8443/cong", {}, 8443),
        ("https://portal.example:8443", {"tls_port": 443}, 443),
        ("http://127.0.0.1:8080", {}, 443),
        ("http://127.0.0.1:8080", {"tls_port": 8080}, 8080),
    ],
)
def test_the_port_of_tls_is_the_sites(base: str, options: dict[str, int], port: int) -> None:
    assert tls_port(options, base) == port


@pytest.mark.parametrize("given", ["8443", 0, 65536, True, None])
def test_a_port_that_is_none_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="option tls_port: give a number from 1 to 65535"):
        tls_port({"tls_port": given}, "https://portal.example")
