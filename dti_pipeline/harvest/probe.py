"""Probes of a site's name and certificate: one DNS question, one TLS handshake with verification, each as plain data.

Here: the sockets of these two and the words for their outcomes. An outcome is a finding about the site, so it is data;
only what this machine lacks is a SourceFailure. Not here: pacing (`http.py`, which serves both kinds of request).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

RECORD_TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "DNSKEY", "DS", "MX", "NS", "SOA", "SRV", "TXT"})
_HOST_NAME = re.compile(r"(?=.{1,253}\.?$)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


class NoResolver(Exception):
    """This machine says nowhere whom to ask about names."""


def resolver_address(value: object) -> tuple[str, int]:
    """(address, port) of a site's option `resolver`: `127.0.0.1:5353`, `[::1]:5353`, or no port for 53.

    Raises ValueError for anything else, a host name included.
    """
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname or "", parts.port or 53
        ipaddress.ip_address(host)
        if not isinstance(value, str) or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError
    except ValueError:
        raise ValueError("option resolver: write an address and a port, such as 127.0.0.1:53") from None
    return host, port


def tls_port(options: Mapping[str, Any], base_url: str) -> int:
    """Where a site speaks TLS: its option `tls_port`, else the port of an https base_url, else 443.

    It belongs to the site and not to the request: a portal that moves to another port is still asked the same. Raises
    ValueError.
    """
    parts = urlsplit(base_url)
    port = options.get("tls_port", (parts.scheme == "https" and parts.port) or 443)
    if type(port) is not int or not 0 < port < 65536:
        raise ValueError("option tls_port: give a number from 1 to 65535, or remove it for 443")
    return port


def ask_dns(
    name: str, record_type: str, *, resolver: tuple[str, int] | None, timeout_s: float, tries: int
) -> dict[str, Any]:
    """`{"name", "type", "outcome", "records"}`; records as sorted texts, without their times to live.

    Outcomes: answer; no_answer (the name is there, such a record is not); nxdomain; timeout; failure (the resolver
    refused or failed). `timeout_s` is for all `tries` together. `resolver` None: the system's. Raises NoResolver, and
    ValueError for a name or record type that nobody can ask for.
    """
    from dns.exception import DNSException, Timeout
    from dns.resolver import NXDOMAIN, NoAnswer, NoResolverConfiguration, Resolver

    if record_type not in RECORD_TYPES:
        raise ValueError(f"there is no record type «{record_type}» here; there are: {', '.join(sorted(RECORD_TYPES))}")
    _check_host(name)
    try:
        asking = Resolver(configure=resolver is None)
    except NoResolverConfiguration:
        raise NoResolver from None
    if resolver is not None:
        asking.nameservers, asking.port = [resolver[0]], resolver[1]
    asking.lifetime = timeout_s
    asking.timeout = timeout_s / tries
    records: list[str] = []
    try:
        # With its last dot, the machine's own search list cannot turn one name into another.
        answer = asking.resolve(name.rstrip(".") + ".", record_type)
        records = sorted(record.to_text() for record in answer)
        outcome = "answer"
    except NXDOMAIN:
        outcome = "nxdomain"
    except NoAnswer:
        outcome = "no_answer"
    except Timeout:
        outcome = "timeout"
    except DNSException:
        outcome = "failure"
    return {"name": name, "type": record_type, "outcome": outcome, "records": records}


def ask_tls(
    host: str, port: int, *, ca_file: str | None, timeout_s: float, resolver: tuple[str, int] | None = None
) -> dict[str, Any]:
    """`{"host", "outcome", "reason", "protocol", "not_before", "not_after", "subject", "issuer"}`; moments in UTC.

    Outcomes: trusted; untrusted (its chain, its name or its dates: `reason` says which, in OpenSSL's words); refused
    (no connection or no handshake); timeout. What an untrusted certificate says is not believed and stays None:
    verification is never off. Authorities are those of `http.py`. `resolver` says where the host is; None: the system.
    Raises ValueError for an impossible host, OSError where `ca_file` cannot be read.
    """
    _check_host(host)
    found: dict[str, Any] = dict.fromkeys(
        ("host", "outcome", "reason", "protocol", "not_before", "not_after", "subject", "issuer")
    ) | {"host": host}
    context = ssl.create_default_context(cafile=ca_file or DEFAULT_CA_BUNDLE_PATH)
    try:
        with (
            _connect(host, port, resolver, timeout_s) as connection,
            context.wrap_socket(connection, server_hostname=host) as channel,
        ):
            certificate: Mapping[str, Any] = channel.getpeercert() or {}
            return found | {
                "outcome": "trusted",
                "protocol": channel.version(),
                "not_before": _moment(certificate["notBefore"]),
                "not_after": _moment(certificate["notAfter"]),
                "subject": _name(certificate["subject"]),
                "issuer": _name(certificate["issuer"]),
            }
    except ssl.SSLCertVerificationError as error:
        return found | {"outcome": "untrusted", "reason": error.verify_message}
    except TimeoutError:
        return found | {"outcome": "timeout", "reason": f"không trả lời trong {timeout_s:g} giây"}
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return found | {"outcome": "timeout", "reason": "chưa hỏi được tên máy chủ"}
        return found | {"outcome": "refused", "reason": "không tìm thấy tên máy chủ"}
    except ConnectionRefusedError:
        return found | {"outcome": "refused", "reason": "máy chủ từ chối kết nối"}
    except OSError:  # among them every other error of TLS: no common protocol, an alert, something that is not TLS
        return found | {"outcome": "refused", "reason": "không bắt tay được TLS, hoặc kết nối bị đứt"}


def _connect(host: str, port: int, resolver: tuple[str, int] | None, timeout_s: float) -> socket.socket:
    """A connection to the first address of a host that takes one. Raises OSError."""
    addresses = [host] if resolver is None or _is_address(host) else _addresses_of(host, resolver, timeout_s)
    for address in addresses[:-1]:
        with suppress(OSError):  # the last one tells how it failed
            return socket.create_connection((address, port), timeout=timeout_s)
    return socket.create_connection((addresses[-1], port), timeout=timeout_s)


def _addresses_of(host: str, resolver: tuple[str, int], timeout_s: float) -> list[str]:
    """At least one. Raises socket.gaierror, with the codes of the system's own resolver."""
    for record_type in ("A", "AAAA"):
        found = ask_dns(host, record_type, resolver=resolver, timeout_s=timeout_s, tries=1)
        if found["records"]:
            return list(found["records"])
        if found["outcome"] in ("timeout", "failure"):
            raise socket.gaierror(socket.EAI_AGAIN, found["outcome"])
    raise socket.gaierror(socket.EAI_NONAME, "no address")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_host(name: str) -> None:
    if not _is_address(name) and not _HOST_NAME.fullmatch(name):
        raise ValueError("a probe asks about a host name in ASCII (write such a name as xn--…)")


def _moment(text: str) -> str:
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(text), tz=dt.UTC).isoformat()


def _name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    return ", ".join(f"{key}={value}" for part in parts for key, value in part)
