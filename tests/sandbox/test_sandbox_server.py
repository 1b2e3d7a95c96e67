"""The sandbox over a real socket: loopback, the firewall, the log of requests, and faults that really happen."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from typing import Any

import pytest

from dti_pipeline.sandbox import portal
from dti_pipeline.sandbox.server import BOMB_BYTES, FAULTS, Sandbox
from dti_pipeline.sandbox.sites import sites

AGENT = "practice-test/1.0 (sandbox suite)"
BODY = {"timeType": "quarter", "year": 2026, "quarter": 3, "rootDepartmentId": portal.PRACTICE_ROOT, "pageSize": 200}
PROGRESS, DIGITISED = "dvc-progress-tree", "dossier-digitized"


def connect(sandbox: Sandbox) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(sandbox.base_url.removeprefix("http://"), timeout=10)


def post(
    sandbox: Sandbox, name: str = PROGRESS, agent: str | None = AGENT, body: Any = BODY
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = connect(sandbox)
    raw = json.dumps(body)
    connection.putrequest("POST", portal.path_of(name), skip_accept_encoding=True)
    for key, value in (("Content-Type", "application/json"), ("Content-Length", str(len(raw))), ("User-Agent", agent)):
        if value is not None:
            connection.putheader(key, value)
    connection.endheaders(raw.encode())
    response = connection.getresponse()
    try:
        return response, response.read()
    finally:
        connection.close()


def envelope(raw: bytes) -> dict[str, Any]:
    return dict(json.loads(raw))


def test_an_answer_over_the_wire() -> None:
    with Sandbox() as sandbox:
        response, raw = post(sandbox)
    assert response.status == 201
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert list(envelope(raw)) == ["code", "data", "message"]
    assert envelope(raw)["data"]["parent"]["departmentName"] == "UBND tỉnh Thực Hành (hư cấu)"


def test_it_listens_on_loopback_only() -> None:
    with Sandbox() as sandbox:
        assert sandbox.base_url.startswith("http://127.0.0.1:")
        port = int(sandbox.base_url.rpartition(":")[2])
        # A socket bound to every address would answer on the other loopback addresses as well.
        with socket.socket() as other:
            other.settimeout(2)
            assert other.connect_ex(("127.0.0.2", port)) != 0


@pytest.mark.parametrize("agent", [None, "", "curl/8.5.0"])
def test_the_firewall_turns_short_agents_away_with_status_200(agent: str | None) -> None:
    with Sandbox() as sandbox:
        response, raw = post(sandbox, agent=agent)
        assert len(sandbox.requests) == 1
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"Request Rejected" in raw


def test_every_request_is_counted_with_its_body() -> None:
    with Sandbox(faults={DIGITISED: "http_503"}) as sandbox:
        post(sandbox)
        post(sandbox, DIGITISED)
        post(sandbox, "formalities", body={"currentPage": 2})
        connection = connect(sandbox)
        connection.request("GET", "/", headers={"User-Agent": AGENT})
        assert connection.getresponse().status == 405
        connection.close()
        assert sandbox.requests == [
            (portal.path_of(PROGRESS), BODY),
            (portal.path_of(DIGITISED), BODY),
            (portal.path_of("formalities"), {"currentPage": 2}),
            ("/", None),
        ]


def test_a_body_that_is_not_json_is_logged_as_text_and_refused() -> None:
    with Sandbox() as sandbox:
        connection = connect(sandbox)
        connection.request("POST", portal.path_of(PROGRESS), body=b"{", headers={"User-Agent": AGENT})
        assert envelope(connection.getresponse().read())["code"] == "BAD_REQUEST"
        connection.close()
        assert sandbox.requests == [(portal.path_of(PROGRESS), "{")]


def test_one_connection_serves_many_requests_and_ends_with_the_sandbox() -> None:
    sandbox = Sandbox().start()
    connection = connect(sandbox)
    for _ in range(3):
        connection.request("POST", portal.path_of(PROGRESS), body=json.dumps(BODY), headers={"User-Agent": AGENT})
        assert connection.getresponse().read()
        kept = connection.sock
    assert kept is not None
    sandbox.stop()
    assert kept.recv(1) == b""
    connection.close()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url
    sandbox.stop()  # once more does no harm


def test_it_can_be_started_again_on_the_same_port() -> None:
    with Sandbox() as first:
        port = int(first.base_url.rpartition(":")[2])
        with pytest.raises(RuntimeError, match="already running"):
            first.start()
        with pytest.raises(OSError, match="in use"):
            Sandbox(port).start()
    with Sandbox(port) as second:
        assert post(second)[0].status == 201


@pytest.mark.parametrize(
    "faults", [{"no-such-endpoint": "http_503"}, {PROGRESS: "no-such-fault"}, {PROGRESS: "http_503:x"}]
)
def test_unknown_faults_are_refused(faults: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"no (endpoint|fault) «"):
        Sandbox(faults=faults)


def test_a_fault_meets_only_its_endpoint_and_can_wear_off() -> None:
    with Sandbox(faults={PROGRESS: "http_503:2"}) as sandbox:
        assert [post(sandbox, name)[0].status for name in (PROGRESS, DIGITISED, PROGRESS, PROGRESS)] == [
            503,
            201,
            503,
            201,
        ]
        sandbox.faults["*"] = "http_500"
        assert [post(sandbox, name)[0].status for name in (PROGRESS, DIGITISED)] == [500, 500]


def test_a_fault_tells_the_national_list_from_a_provinces_results() -> None:
    national = {"timeType": "year", "year": 2026, "departmentType": "ADMINISTRATIVE_UNIT"}
    with Sandbox(faults={"service-results-national": "http_403"}) as sandbox:
        assert post(sandbox, "service-results", body=national)[0].status == 403
        assert post(sandbox, "service-results")[0].status == 201


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_fault_status(status: int) -> None:
    with Sandbox(faults={PROGRESS: f"http_{status}"}) as sandbox:
        response, raw = post(sandbox)
    assert response.status == status
    assert not raw.startswith(b"{")
    assert (response.headers["Retry-After"] == "0") == (status in (429, 503))


def test_fault_html_block() -> None:
    with Sandbox(faults={PROGRESS: "html_block"}) as sandbox:
        response, raw = post(sandbox)
    assert (response.status, response.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert b"Request Rejected" in raw


def test_fault_truncated_is_whole_http_and_half_json() -> None:
    with Sandbox(faults={PROGRESS: "truncated"}) as sandbox:
        response, raw = post(sandbox)
    assert int(response.headers["Content-Length"]) == len(raw)
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw)


def test_fault_broken_off_promises_more_bytes_than_come() -> None:
    with Sandbox(faults={PROGRESS: "broken_off"}) as sandbox, pytest.raises(http.client.IncompleteRead):
        post(sandbox)


def test_fault_silent_ends_the_connection_without_an_answer() -> None:
    with Sandbox(faults={PROGRESS: "silent"}) as sandbox, pytest.raises(http.client.RemoteDisconnected):
        post(sandbox)


def test_fault_gzip_bomb_is_small_on_the_wire_and_huge_inside() -> None:
    with Sandbox(faults={PROGRESS: "gzip_bomb"}) as sandbox:
        response, raw = post(sandbox)
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(raw) < 200_000
    unpacked = gzip.decompress(raw)
    assert len(unpacked) > BOMB_BYTES == 50_000_000
    assert unpacked[-2:] == b"{}"


@pytest.mark.parametrize(("fault", "enough"), [("endless", 3_000_000), ("trickle", 3)])
def test_faults_without_an_end_last_until_the_sandbox_stops(fault: str, enough: int) -> None:
    sandbox = Sandbox(faults={PROGRESS: fault}).start()
    connection = connect(sandbox)
    connection.request("POST", portal.path_of(PROGRESS), body=json.dumps(BODY), headers={"User-Agent": AGENT})
    response = connection.getresponse()
    assert response.headers["Content-Length"] is None
    assert len(response.read(enough)) == enough
    stopper = threading.Thread(target=sandbox.stop)
    stopper.start()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    stopper.join(5)
    assert not stopper.is_alive()
    connection.close()


def test_fault_redirect_names_another_host() -> None:
    with Sandbox(faults={PROGRESS: "redirect"}) as sandbox:
        response, _ = post(sandbox)
    assert response.status == 302
    assert response.headers["Location"].startswith("http://elsewhere.invalid/")


@pytest.mark.parametrize("name", [PROGRESS, DIGITISED])
def test_faults_in_the_shape(name: str) -> None:
    root, rows = ("parent", "children") if name == PROGRESS else ("overview", "evaluation")

    def data(fault: str) -> Any:
        with Sandbox(faults={name: fault}) as sandbox:
            response, raw = post(sandbox, name)
        assert response.status == 201
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        return json.loads(raw)

    right = data("missing_id:0")["data"]  # a fault of no request is no fault
    assert root not in data("missing_root")["data"]
    wrong = data("wrong_root")["data"][root]
    assert (wrong["departmentId"], wrong["departmentCode"]) != (right[root]["departmentId"], "H00")
    assert data("empty_children")["data"][rows] == []
    assert "departmentId" not in data("missing_id")["data"][rows][0]
    assert data("duplicate_row")["data"][rows] == [*right[rows], right[rows][0]]
    assert isinstance(data("wrong_types")["data"][root]["ratio"], str)
    assert data("source_error") == {"code": "INTERNAL_ERROR", "data": None, "message": "Lỗi thực hành."}
    assert data("list_data")["data"] == []
    assert isinstance(data("text_body"), str)
    row = data("impossible")["data"][rows][0]
    figures = row if name == PROGRESS else row["metrics"][0]
    part, whole = ("totalOnTime", "totalReceived") if name == PROGRESS else ("numerator", "denominator")
    assert figures[part] > figures[whole]
    if name == DIGITISED:
        assert data("empty_children")["data"]["pagination"]["total"] == 0


def test_every_fault_is_tried_in_this_file() -> None:
    tried = {
        *("html_block", "truncated", "broken_off", "silent", "http_403", "http_429", "http_500", "http_503"),
        *("gzip_bomb", "endless", "trickle", "redirect", "missing_root", "wrong_root", "empty_children"),
        *("missing_id", "duplicate_row", "wrong_types", "source_error", "list_data", "text_body", "impossible"),
    }
    assert tried == set(FAULTS)


def test_sites_point_at_the_sandbox() -> None:
    with Sandbox() as sandbox:
        assert {site["base_url"] for site in sites(sandbox.base_url)} == {sandbox.base_url}
