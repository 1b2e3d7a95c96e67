"""The fetcher against real sockets: a well-behaved server, and a raw one that misbehaves as told. Nothing sleeps."""

from __future__ import annotations

import gzip
import json
import socket
import time
import traceback
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harvest_kit import Authority, Clock, polite, raw_server, sends
from pytest_httpserver import HTTPServer
from werkzeug import Response

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.http import Fetcher, user_agent
from dti_pipeline.harvest.model import FailureKind, Politeness, Request, Site, SourceFailure
from dti_pipeline.harvest.runner import REFUSALS

SECRET = "s3cret-value"
ASK = Request("GET", "/figures", params={"token": SECRET})
QUERY = Request("POST", "/figures", json={"year": 2026})


def fetcher(
    url: str, politeness: Politeness | None = None, clock: Clock | None = None, *, jitter: float = 0.0, **changes: Any
) -> Fetcher:
    clock = clock or Clock()
    starts = changes.pop("starts", None)
    site = Site(name="thuc-hanh", connector="practice", base_url=url, province="H00", **changes)
    return Fetcher(
        site,
        politeness or polite(),
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        jitter=lambda: jitter,
        starts=starts,
    )


def failure_of(asking: Fetcher, request: Request = ASK) -> SourceFailure:
    """The failure that a request ends in, which never repeats a query value, not even in its traceback."""
    with asking, pytest.raises(SourceFailure) as caught:
        asking.fetch(request)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\n"


# --- what is sent and what comes back ---


def test_a_get_brings_status_headers_and_bytes_as_they_are(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/base/figures", method="GET", query_string={"token": SECRET}).respond_with_data(
        "số liệu", status=201, content_type="text/plain; charset=utf-8", headers={"Set-Cookie": "session=1"}
    )
    with fetcher(httpserver.url_for("/base/")) as asking:
        snapshot = asking.fetch(ASK)
    assert (snapshot.status, snapshot.body.decode()) == (201, "số liệu")
    assert snapshot.header("content-type") == "text/plain; charset=utf-8"
    assert snapshot.header("set-cookie") == ""
    assert snapshot.request is ASK
    assert snapshot.url == httpserver.url_for("/base/figures")


def test_what_a_plan_tells_its_own_reader_is_stored_and_not_sent(httpserver: HTTPServer) -> None:
    seen: list[dict[str, str]] = []

    def answer(request: Any) -> Response:
        seen.append(dict(request.headers))
        return Response("{}")

    httpserver.expect_request("/figures").respond_with_handler(answer)
    request = Request("GET", "/figures", headers={"DTI-Unit": "H00.01", "Accept": "text/html"})
    with fetcher(httpserver.url_for("")) as asking:
        snapshot = asking.fetch(request)
    assert snapshot.request.headers["DTI-Unit"] == "H00.01"
    assert "H00.01" in request.canonical()
    (headers,) = seen
    assert headers["Accept"] == "text/html"
    assert not [name for name in headers if name.lower().startswith("dti-")]


def test_a_post_sends_its_json_and_its_own_headers(httpserver: HTTPServer) -> None:
    httpserver.expect_request(
        "/figures", method="POST", json={"year": 2026}, headers={"X-Unit": "H00"}
    ).respond_with_data("ok")
    with fetcher(httpserver.url_for("")) as asking:
        assert asking.fetch(Request("POST", "/figures", headers={"X-Unit": "H00"}, json={"year": 2026})).status == 200


def test_a_post_sends_its_form(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures", method="POST", data="a=1&b=2").respond_with_data("ok")
    with fetcher(httpserver.url_for("")) as asking:
        assert asking.fetch(Request("POST", "/figures", data={"a": "1", "b": "2"})).status == 200


def test_a_connector_cannot_change_who_asks_or_what_encoding_is_offered(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("ok")
    with fetcher(httpserver.url_for("")) as asking:
        asking.fetch(Request("GET", "/figures", headers={"user-agent": "Mozilla/5.0", "ACCEPT-ENCODING": "br"}))
    sent = httpserver.log[0][0].headers
    assert sent["User-Agent"].startswith("dti-pipeline/0.1.0 (")
    assert sent["Accept-Encoding"] == "gzip"


def test_the_user_agent_is_longer_than_a_name_and_carries_the_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DTI_CONTACT", raising=False)
    assert len(user_agent()) > 40
    monkeypatch.setenv("DTI_CONTACT", "dti@thuchanh.example")
    assert user_agent().endswith(" (+dti@thuchanh.example)")


@pytest.mark.parametrize("contact", ["a\r\nX-Injected: 1", "Sở Thực Hành", "a) b"])
def test_a_contact_that_cannot_stand_in_a_header_is_refused(monkeypatch: pytest.MonkeyPatch, contact: str) -> None:
    monkeypatch.setenv("DTI_CONTACT", contact)
    with pytest.raises(DataFileError, match="DTI_CONTACT"):
        user_agent()


@pytest.mark.parametrize("path", ["/a?token=1", "/a#b", "/a b", "/a\\b", "/a\r\nX: 1"])
def test_a_path_with_a_query_or_worse_is_refused(path: str) -> None:
    with fetcher("http://127.0.0.1:9") as asking, pytest.raises(ValueError, match="params"):
        asking.fetch(Request("GET", path))


def test_a_path_cannot_name_another_host(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/evil.example/x").respond_with_data("still here")
    with fetcher(httpserver.url_for("")) as asking:
        assert asking.fetch(Request("GET", "//evil.example/x")).body == b"still here"


def test_the_base_url_rules_hold_for_every_fetcher() -> None:
    with pytest.raises(ValueError, match="must be https"):
        fetcher("http://portal.example")


@pytest.mark.parametrize("status", [204, 304, 400, 403, 404, 405, 413, 429, 501])
def test_other_statuses_come_back_at_once(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/figures").respond_with_response(Response(status=status, headers={"Retry-After": "1"}))
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(retries=2), clock) as asking:
        assert asking.fetch(QUERY).status == status
    assert len(httpserver.log) == 1
    assert clock.sleeps == []


# --- pacing ---


def test_requests_start_an_interval_and_a_jitter_apart(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("ok")
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(min_interval_s=1, jitter_s=0.25), clock, jitter=0.5) as asking:
        asking.fetch(ASK)
        asking.fetch(ASK)  # 1 + 0.25 × 0.5 after the first, no time having passed
        clock.now += 0.5
        asking.fetch(ASK)  # half a second of the interval is over
        clock.now += 60
        asking.fetch(ASK)
    assert clock.sleeps == [1.125, 0.625]


def test_two_sites_on_one_host_share_the_interval(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("ok")
    clock = Clock()
    starts: dict[str, float] = {}
    for _ in range(2):
        with fetcher(httpserver.url_for(""), polite(min_interval_s=1), clock, starts=starts) as asking:
            asking.fetch(ASK)
    assert clock.sleeps == [1.0]


# --- retries ---


@pytest.fixture
def no_real_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_seconds: float) -> None:
        raise AssertionError("time.sleep was called")

    monkeypatch.setattr(time, "sleep", refuse)


@pytest.mark.usefixtures("no_real_sleep")
@pytest.mark.parametrize("request_", [ASK, QUERY], ids=["GET", "POST"])
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_passing_trouble_is_asked_again(httpserver: HTTPServer, status: int, request_: Request) -> None:
    httpserver.expect_ordered_request("/figures").respond_with_data("later", status=status)
    httpserver.expect_ordered_request("/figures").respond_with_data("later", status=status)
    httpserver.expect_ordered_request("/figures").respond_with_data("now")
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(retries=2, backoff_s=2, min_interval_s=1), clock) as asking:
        snapshot = asking.fetch(request_)
    assert (snapshot.status, snapshot.body) == (200, b"now")
    assert clock.sleeps == [2.0, 4.0]


def test_a_retry_keeps_the_interval_too(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/figures").respond_with_data("later", status=503)
    httpserver.expect_ordered_request("/figures").respond_with_data("now")
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(retries=1, min_interval_s=3), clock) as asking:
        asking.fetch(ASK)
    assert clock.sleeps == [3.0]


def test_a_lasting_trouble_comes_back_with_its_status_and_body(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("bảo trì", status=503)
    with fetcher(httpserver.url_for(""), polite(retries=2)) as asking:
        snapshot = asking.fetch(ASK)
    assert (snapshot.status, snapshot.body.decode()) == (503, "bảo trì")
    assert len(httpserver.log) == 3


@pytest.mark.usefixtures("no_real_sleep")
@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("1", 2.0), ("120", 120.0), ("soon", 2.0)])
def test_retry_after_is_respected_within_bounds(httpserver: HTTPServer, asked: str, waited: float) -> None:
    httpserver.expect_ordered_request("/figures").respond_with_data("", status=503, headers={"Retry-After": asked})
    httpserver.expect_ordered_request("/figures").respond_with_data("now")
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(retries=1, backoff_s=2), clock) as asking:
        assert asking.fetch(ASK).status == 200
    assert clock.sleeps == [waited]


@pytest.mark.usefixtures("no_real_sleep")
@pytest.mark.parametrize("asked", ["121", "86400", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_a_source_that_asks_for_a_longer_pause_is_not_asked_again_before(httpserver: HTTPServer, asked: str) -> None:
    httpserver.expect_request("/figures").respond_with_data("bảo trì", status=503, headers={"Retry-After": asked})
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(retries=2, backoff_s=2), clock) as asking:
        failure = failure_of(asking)
    assert (failure.kind, failure.retryable) == (FailureKind.BLOCKED, False)
    assert failure.kind in REFUSALS, "the site's night ends with it"
    assert "mã 503, xin nghỉ lâu hơn 120 giây (Retry-After)" in failure.message
    assert (clock.sleeps, len(httpserver.log)) == ([], 1)


@pytest.mark.usefixtures("no_real_sleep")
@pytest.mark.parametrize("status", [400, 403, 404, 429, 503])
def test_the_next_request_of_any_kind_waits_for_the_rest_that_was_asked_for(
    httpserver: HTTPServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/figures").respond_with_data("", status=status, headers={"Retry-After": "60"})
    monkeypatch.setattr("dti_pipeline.harvest.probe.ask_dns", lambda *_given, **_more: {"outcome": "no_answer"})
    clock = Clock()
    starts: dict[str, float] = {}
    with fetcher(httpserver.url_for(""), polite(min_interval_s=2), clock, starts=starts) as asking:
        assert asking.fetch(ASK).status == status
        clock.now += 10
        asking.fetch(Request("GET", "practice.example", {"type": "AAAA"}, kind="dns"))
    with fetcher(httpserver.url_for(""), polite(min_interval_s=1), clock, starts=starts) as other:
        other.fetch(ASK)
    assert clock.sleeps == [52.0, 1.0], "60 s from the answer, of which 10 had passed, and the usual distance"


def test_an_answer_that_is_good_asks_for_no_rest(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("7", headers={"Retry-After": "86400"})
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(), clock) as asking:
        assert (asking.fetch(ASK).status, asking.fetch(ASK).status) == (200, 200)
    assert clock.sleeps == []


def test_the_endless_body_of_a_refused_try_is_not_read() -> None:
    answers = iter(
        [sends(b"HTTP/1.1 503 Busy\r\n\r\n", forever=b"x" * 4096), sends(OK + b"Content-Length: 3\r\n\r\nnow")]
    )
    with (
        raw_server(lambda channel: next(answers)(channel)) as server,
        fetcher(server.url, polite(retries=1, total_timeout_s=50), Clock(tick=1)) as asking,
    ):
        assert asking.fetch(ASK).body == b"now"


def test_a_refused_connection_is_tried_again_and_then_a_retryable_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    clock = Clock()
    failure = failure_of(fetcher(f"http://127.0.0.1:{port}", polite(retries=2, backoff_s=2), clock))
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, True)
    assert failure.message == "thuc-hanh (127.0.0.1): máy chủ từ chối kết nối"
    assert clock.sleeps == [2.0, 4.0]


def test_silence_is_a_retryable_failure() -> None:
    def answer(channel: socket.socket) -> None:
        channel.settimeout(1)
        channel.recv(1)  # until the client gives up, or breaks off if it never does

    with raw_server(answer) as server:
        failure = failure_of(fetcher(server.url, polite(timeout_s=0.05, retries=1)))
        assert len(server.heads) == 2
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, True)
    assert "không trả lời trong 0.05 giây" in failure.message


def test_silence_in_the_middle_of_a_body_is_a_retryable_failure() -> None:
    def answer(channel: socket.socket) -> None:
        channel.sendall(OK + b"Content-Length: 10\r\n\r\nhalf")
        channel.settimeout(1)
        channel.recv(1)

    with raw_server(answer) as server:
        failure = failure_of(fetcher(server.url, polite(timeout_s=0.05)))
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, True)
    assert "không trả lời trong 0.05 giây" in failure.message


def test_an_unknown_name_is_a_retryable_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_given: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    failure = failure_of(fetcher("https://portal.example"))
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, True)
    assert "không tìm thấy tên máy chủ" in failure.message


@pytest.mark.parametrize("reply", [b"", b"\x00\x01\x02 this is not HTTP\r\n\r\n"])
def test_no_answer_or_no_http_is_a_retryable_failure(reply: bytes) -> None:
    with raw_server(sends(reply)) as server:
        failure = failure_of(fetcher(server.url, polite(retries=1)), QUERY)
        assert len(server.heads) == 2
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, True)


def test_a_head_that_contradicts_itself_is_a_connection_failure() -> None:
    with raw_server(sends(OK + b"Content-Length: 4, 5\r\n\r\nfour5")) as server:
        assert failure_of(fetcher(server.url)).kind is FailureKind.CONNECTION


# --- broken bodies ---

_WHOLE = gzip.compress(b"so lieu " * 100, mtime=0)


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 10\r\n\r\nhalf",
        OK + b"Content-Length: 10\r\n\r\n",
        CHUNKED + b"a\r\nhalf",
        CHUNKED + b"4\r\nhalf\r\n",
        CHUNKED + b"4\r\nhalf\r\nzz\r\n",
        GZIPPED + b"\r\n" + _WHOLE[:-1],
        GZIPPED + b"\r\n" + _WHOLE[:20] + b"\xff\xff\xff" + _WHOLE[23:],
        GZIPPED + b"\r\n" + b"not gzip",
    ],
    ids=["length", "length-nothing", "in-chunk", "no-last-chunk", "bad-mark", "gzip-cut", "gzip-damaged", "not-gzip"],
)
def test_an_incomplete_body_is_truncated_and_retryable(reply: bytes) -> None:
    with raw_server(sends(reply)) as server:
        failure = failure_of(fetcher(server.url))
    assert (failure.kind, failure.retryable) == (FailureKind.TRUNCATED, True)


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 800\r\n\r\n" + b"so lieu " * 100,
        CHUNKED + b"190\r\n" + b"so lieu " * 50 + b"\r\n190\r\n" + b"so lieu " * 50 + b"\r\n0\r\nX-Sum: 1\r\n\r\n",
        OK + b"\r\n" + b"so lieu " * 100,
        GZIPPED + b"\r\n" + _WHOLE,
        GZIPPED + b"\r\n" + gzip.compress(b"so lieu " * 99, mtime=0) + gzip.compress(b"so lieu ", mtime=0),
    ],
    ids=["length", "chunked", "until-closed", "gzip", "gzip-of-two-members"],
)
def test_a_complete_body_is_read_whole(reply: bytes) -> None:
    with raw_server(sends(reply)) as server, fetcher(server.url) as asking:
        assert asking.fetch(ASK).body == b"so lieu " * 100


def test_nothing_at_all_may_be_marked_as_gzip() -> None:
    with raw_server(sends(GZIPPED + b"Content-Length: 0\r\n\r\n")) as server, fetcher(server.url) as asking:
        assert asking.fetch(ASK).body == b""


def test_gzip_comes_out_whole_however_it_is_cut_into_pieces() -> None:
    """Lengths around the size of a piece, where a decompressor may hold back the last bytes."""
    for size in (65_535, 65_536, 65_537, 131_072, 300_001):
        content = bytes(size)
        packed = gzip.compress(content, mtime=0)
        with raw_server(sends(GZIPPED + b"\r\n", packed[:7], packed[7:])) as server, fetcher(server.url) as asking:
            assert asking.fetch(ASK).body == content


def test_an_encoding_that_was_not_offered_is_refused() -> None:
    with raw_server(sends(OK + b"Content-Encoding: br\r\n\r\nxyz")) as server:
        failure = failure_of(fetcher(server.url))
    assert (failure.kind, failure.retryable) == (FailureKind.WRONG_SHAPE, False)


# --- too large, too slow ---


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(bytes(50_000_000), mtime=0)


def _peak_of(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_noticed_before_it_fills_the_memory(bomb: bytes) -> None:
    assert len(bomb) < 60_000
    limit = 1_000_000
    with raw_server(sends(GZIPPED + b"Content-Length: %d\r\n\r\n" % len(bomb), bomb)) as server:
        asking = fetcher(server.url, polite(max_body_bytes=limit))
        failures: list[SourceFailure] = []
        peak = _peak_of(lambda: failures.append(failure_of(asking)))
    assert (failures[0].kind, failures[0].retryable) == (FailureKind.TOO_LARGE, False)
    assert peak < limit + 8_000_000


def test_the_body_of_a_redirect_is_not_read_either(bomb: bytes) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Encoding: gzip\r\n\r\n"
    with raw_server(sends(head, bomb)) as server:
        asking = fetcher(server.url, polite(max_body_bytes=1_000))
        failures: list[SourceFailure] = []
        peak = _peak_of(lambda: failures.append(failure_of(asking)))
    assert failures[0].kind is FailureKind.REDIRECTED
    assert peak < 8_000_000


@pytest.mark.parametrize("head", [OK + b"\r\n", OK + b"Content-Length: 999999999\r\n\r\n", CHUNKED + b"fffffff\r\n"])
def test_an_endless_body_is_too_large(head: bytes) -> None:
    with raw_server(sends(head, forever=b"x" * 65536)) as server:
        failure = failure_of(fetcher(server.url, polite(max_body_bytes=100_000)))
    assert (failure.kind, failure.retryable) == (FailureKind.TOO_LARGE, False)


def test_the_limit_itself_is_allowed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data(b"x" * 1000)
    with fetcher(httpserver.url_for(""), polite(max_body_bytes=1000)) as asking:
        assert len(asking.fetch(ASK).body) == 1000
    assert failure_of(fetcher(httpserver.url_for(""), polite(max_body_bytes=999))).kind is FailureKind.TOO_LARGE


def test_gzip_that_never_unfolds_to_anything_is_too_large() -> None:
    """A gzip header may hold a file name of any length: megabytes on the wire, not one byte of content."""
    name = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"
    with raw_server(sends(GZIPPED + b"\r\n" + name, forever=b"x" * 65536)) as server:
        assert failure_of(fetcher(server.url, polite(max_body_bytes=100_000))).kind is FailureKind.TOO_LARGE


@pytest.mark.parametrize(
    ("head", "forever"),
    [
        (OK + b"\r\n", b"x"),
        (OK + b"Content-Length: 99999999\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-A: 1\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["until-closed", "length", "chunked", "trailers", "head"],
)
def test_an_answer_that_trickles_for_ever_is_too_slow(head: bytes, forever: bytes) -> None:
    """The clock moves a second whenever it is read, as if every piece had taken one."""
    with raw_server(sends(head, forever=forever)) as server:
        failure = failure_of(fetcher(server.url, polite(total_timeout_s=20, retries=2), Clock(tick=1)))
        assert len(server.heads) == 1
    assert (failure.kind, failure.retryable) == (FailureKind.TOO_SLOW, True)
    assert "sau 20 giây vẫn chưa trả lời xong" in failure.message


def test_an_endless_trailer_line_is_not_collected() -> None:
    with raw_server(sends(CHUNKED + b"1\r\nx\r\n0\r\n", forever=b"x" * 4096)) as server:
        failure = failure_of(fetcher(server.url, polite(total_timeout_s=1000), Clock(tick=1)))
    assert failure.kind is FailureKind.TRUNCATED


def test_time_counts_anew_for_each_request(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("ok")
    clock = Clock()
    with fetcher(httpserver.url_for(""), polite(total_timeout_s=10), clock) as asking:
        asking.fetch(ASK)
        clock.now += 3600
        assert asking.fetch(ASK).status == 200


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_within_the_site_keeps_the_question(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/figures").respond_with_data(
        "", status=status, headers={"Location": "moved/here?v=2#top"}
    )
    httpserver.expect_request("/moved/here", method="POST", json={"year": 2026}).respond_with_data("found")
    with fetcher(httpserver.url_for(""), polite(min_interval_s=1), clock := Clock()) as asking:
        snapshot = asking.fetch(QUERY)
    assert snapshot.body == b"found"
    assert snapshot.url == httpserver.url_for("/moved/here")
    assert clock.sleeps == [1.0]


def test_see_other_is_fetched_with_get(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("", status=303, headers={"Location": "/result"})
    httpserver.expect_request("/result", method="GET", data="").respond_with_data("found")
    with fetcher(httpserver.url_for("")) as asking:
        snapshot = asking.fetch(QUERY)
    assert snapshot.body == b"found"
    assert "Content-Type" not in httpserver.log[1][0].headers


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("http://evil.example/x?token=" + SECRET, "http://evil.example,"),
        ("//evil.example/x", "http://evil.example,"),
        ("https://127.0.0.1:{port}/x", "https://127.0.0.1,"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1,"),
        ("http://localhost:{port}/x", "http://localhost,"),
        ("http://user:" + SECRET + "@127.0.0.1:{port}/x", "http://127.0.0.1,"),
        ("http://127.0.0.1:{port}@evil.example/x", "http://evil.example,"),
        ("ftp://127.0.0.1:{port}/x", "ftp://127.0.0.1,"),
        ("http://[::1", "không phải là địa chỉ"),
        ("http://127.0.0.1:port/x", "không phải là địa chỉ"),
        ("", "không nói chuyển đi đâu"),
    ],
)
def test_a_redirect_out_of_the_site_is_refused(location: str, named: str) -> None:
    def answer(channel: socket.socket) -> None:
        line = f"Location: {location.replace('{port}', str(server.port))}\r\n" if location else ""
        channel.sendall(f"HTTP/1.1 302 Found\r\n{line}Content-Length: 0\r\n\r\n".encode())

    with raw_server(answer) as server:
        failure = failure_of(fetcher(server.url, polite(retries=2)))
        assert len(server.heads) == 1
    assert (failure.kind, failure.retryable) == (FailureKind.REDIRECTED, False)
    assert named in failure.message


def test_the_fourth_redirect_is_one_too_many(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("", status=302, headers={"Location": "/figures"})
    failure = failure_of(fetcher(httpserver.url_for("")))
    assert failure.kind is FailureKind.REDIRECTED
    assert "quá 3 lần" in failure.message
    assert len(httpserver.log) == 4


def test_three_redirects_are_followed(httpserver: HTTPServer) -> None:
    for here, there in (("/figures", "/1"), ("/1", "/2"), ("/2", "/3")):
        httpserver.expect_request(here).respond_with_data("", status=302, headers={"Location": there})
    httpserver.expect_request("/3").respond_with_data("found")
    with fetcher(httpserver.url_for("")) as asking:
        assert asking.fetch(ASK).body == b"found"


# --- this machine's environment ---


def test_loopback_is_asked_directly_and_no_credentials_are_picked_up(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login someone password {SECRET}\nmachine localhost login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    httpserver.expect_request("/figures").respond_with_data("ok")
    with fetcher(httpserver.url_for("")) as asking:
        assert asking.fetch(ASK).body == b"ok"
    assert "Authorization" not in httpserver.log[0][0].headers


def test_a_source_outside_is_asked_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with raw_server(sends(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        failure = failure_of(fetcher("https://portal.example", polite(retries=2)))
        assert [head.rpartition(b" HTTP/")[0] for head in proxy.heads] == [b"CONNECT portal.example:443"]
    assert failure.kind is FailureKind.CONNECTION
    assert "proxy" in failure.message


# --- TLS ---


def test_an_unknown_authority_is_refused_with_advice_to_pin_it(authority: Authority) -> None:
    context = authority.server()
    clock = Clock()
    with raw_server(sends(OK + b"Content-Length: 2\r\n\r\nok"), tls=context) as server:
        failure = failure_of(fetcher(server.url, polite(retries=2, backoff_s=2), clock))
        assert server.heads == []
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, False)
    assert "(unable to get local issuer certificate)" in failure.message
    assert "ca_file" in failure.message
    assert clock.sleeps == []


def test_a_pinned_authority_is_trusted(authority: Authority) -> None:
    context, root = authority.server(), authority.root_file
    with (
        raw_server(sends(OK + b"Content-Length: 2\r\n\r\nok"), tls=context) as server,
        fetcher(server.url, ca_file=str(root)) as asking,
    ):
        assert asking.fetch(ASK).body == b"ok"


def test_a_pinned_authority_does_not_vouch_for_another_name(authority: Authority) -> None:
    context, root = authority.server(), authority.root_file
    with raw_server(sends(OK + b"Content-Length: 2\r\n\r\nok"), tls=context) as server:
        failure = failure_of(fetcher(server.url.replace("127.0.0.1", "localhost"), ca_file=str(root)))
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, False)


def test_a_pinned_authority_that_is_not_there_is_named(tmp_path: Path) -> None:
    failure = failure_of(fetcher("https://127.0.0.1:9", ca_file=str(tmp_path / "none.pem")))
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, False)
    assert "ca_file" in failure.message


def test_the_body_may_be_json_of_any_size_within_the_limit(httpserver: HTTPServer) -> None:
    rows = [{"unit": f"H00.{n}", "value": n} for n in range(5000)]
    httpserver.expect_request("/figures").respond_with_json(rows)
    with fetcher(httpserver.url_for("")) as asking:
        assert json.loads(asking.fetch(ASK).body) == rows
