"""The practice systems on loopback: a real HTTP server for the demo, for drills and for tests; names and TLS beside it.

Here: sockets, the firewall that turns short User-Agents away, the log of requests, and faults that really happen on
the wire. Everything has one port number: HTTP and TLS handshakes over TCP, which their first byte tells apart, and DNS
over UDP. Not here: what is answered (`portal.py`, `twins/`, `names.py`, `certificates.py`), the figures
(`practice.py`), the sites that point here (`sites.py`).
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from dti_pipeline.sandbox import certificates, portal
from dti_pipeline.sandbox.names import NameServer
from dti_pipeline.sandbox.portal import Json
from dti_pipeline.sandbox.twins import TwinRequest, load_twin, twin_names

HOST = "127.0.0.1"
"""Loopback only: practice figures must not be mistaken for a source by anybody else."""
JSON_TYPE = "application/json; charset=utf-8"
SHORTEST_USER_AGENT = 12
"""Shorter ones are taken for a robot. The real limit is unknown; only that short ones are turned away."""
LONGEST_REQUEST = 1_000_000
BOMB_BYTES = 50_000_000
CHUNK = b" " * 65_536
TRICKLE_S = 0.05
TLS_HANDSHAKE = b"\x16"
"""The first byte of one; no method of HTTP begins with it."""
PORTS_TRIED = 10
"""How many free TCP ports are tried for one whose number is free over UDP too."""
ELSEWHERE = "http://elsewhere.invalid/api/v1/reporting/evaluation/transparency"
STRANGER = "00000000-0000-4000-8000-000000000000"
BLOCK_PAGE = (
    "<html><head><title>Request Rejected</title></head><body>The requested URL was rejected. "
    "Please consult with your administrator.<br><br>Your support ID is: 0</body></html>"
)


class Sandbox:
    """A practice portal: `with Sandbox() as sandbox: … sandbox.base_url … sandbox.requests`.

    `port` 0 takes a free one. `faults` maps an endpoint's name (or `*` for all) to a fault of FAULTS, or to
    `fault:2` for the first two requests only; the mapping `sandbox.faults` may be changed while it runs. `requests`
    holds (path, body) of every request in order, also of refused ones; a body that is not JSON stands as text, and a
    question about a name or a handshake as a path such as `dns:AAAA h00.thuchanh.example`.
    Raises ValueError for an unknown endpoint or fault, OSError where the port is taken.
    """

    def __init__(self, port: int = 0, faults: Mapping[str, str] | None = None) -> None:
        self.faults = dict(faults or {})
        for endpoint, fault in self.faults.items():
            known = (*portal.ENDPOINTS, *twin_names())
            if endpoint != "*" and endpoint not in known:
                raise ValueError(f"no endpoint «{endpoint}»; known: {', '.join(known)}")
            name, _, times = fault.partition(":")
            if endpoint in twin_names() and name not in WIRE_FAULTS:
                raise ValueError(f"«{name}» changes the portal's own answers; for {endpoint}: {', '.join(WIRE_FAULTS)}")
            if name not in FAULTS or (times and not times.isdecimal()):
                raise ValueError(f"no fault «{fault}»; known: {', '.join(FAULTS)}")
        self.requests: list[tuple[str, Json]] = []
        self.stopping = threading.Event()
        self._port = port
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._names: NameServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Address of the running server, without a path. Raises RuntimeError before it is started."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running")
        return f"http://{HOST}:{self._server.server_address[1]}"

    def start(self) -> Self:
        if self._server is not None:
            raise RuntimeError("the sandbox is already running")
        self.stopping.clear()
        self._server, self._names = self._listen()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="dti-sandbox", daemon=True
        )
        self._thread.start()
        return self

    def _listen(self) -> tuple[_Server, NameServer]:
        """Both servers on one port number. Raises OSError."""
        tries = 1 if self._port else PORTS_TRIED
        while True:
            server = _Server(self, self._port)
            tries -= 1
            try:
                return server, NameServer((HOST, server.server_address[1]), self.note)
            except OSError:
                server.server_close()
                if not tries:
                    raise

    def stop(self) -> None:
        """Stop listening and break off what is still being answered. Does nothing when it is not running."""
        server, names, thread, self._server = self._server, self._names, self._thread, None
        if server is None or names is None or thread is None:
            return
        self.stopping.set()
        names.stop()
        server.shutdown()
        thread.join()
        server.server_close()
        server.break_off()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def note(self, path: str) -> None:
        """Log what is no HTTP request."""
        with self._lock:
            self.requests.append((path, None))

    def record(self, path: str, body: Json) -> str:
        """Log a request; the fault that it meets, or an empty text. Counted faults wear off here."""
        return self._record(path, body, portal.endpoint_of(path, body))

    def record_twin(self, name: str, path: str) -> str:
        """The same for a request to a twin, whose faults go by its name."""
        return self._record(path, None, name)

    def _record(self, path: str, body: Json, endpoint: str | None) -> str:
        with self._lock:
            self.requests.append((path, body))
            key = endpoint if endpoint in self.faults else "*"
            name, _, times = self.faults.get(key, "").partition(":")
            if times:
                left = int(times) - 1
                if left > 0:
                    self.faults[key] = f"{name}:{left}"
                else:
                    del self.faults[key]
                if left < 0:
                    return ""
            return name


def serve(port: int) -> None:
    """Run a practice portal on loopback until it is interrupted. Raises OSError where the port is taken."""
    with Sandbox(port) as sandbox:
        print(f"{sandbox.base_url}", file=sys.stderr, flush=True)
        try:
            sandbox.stopping.wait()
        except KeyboardInterrupt:
            return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self.sandbox = sandbox
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if request.recv(1, socket.MSG_PEEK) != TLS_HANDSHAKE:
            super().finish_request(request, client_address)
            return
        context = certificates.server_side(self.sandbox.note)
        # A copy: the original stays in reach of `break_off`. A client that does not trust us breaks off, as it should.
        with suppress(OSError), context.wrap_socket(request.dup(), server_side=True):
            pass

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def break_off(self) -> None:
        """Close the connections that clients keep open, so that their threads end."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no news; anything else is a defect of ours and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes; otherwise each answer waits 40 ms
    server: _Server

    def do_POST(self) -> None:
        if self._answered_by_twin("POST"):
            return
        body = self._body()
        fault = self.server.sandbox.record(self.path, body)
        if len(self.headers.get("User-Agent", "")) < SHORTEST_USER_AGENT:
            self.block()
            return
        answer = portal.answer(self.path, body)
        FAULTS[fault](self, answer) if fault else self.send_json(answer.status, answer.body)

    def do_GET(self) -> None:
        if self._answered_by_twin("GET"):
            return
        self.server.sandbox.record(self.path, None)
        self.send_json(405, {"code": "METHOD_NOT_ALLOWED", "data": None, "message": "Chỉ nhận POST."})

    def _answered_by_twin(self, method: str) -> bool:
        """Whether the path belongs to a twin, which has then answered."""
        parts = urlsplit(self.path)
        name, _, rest = parts.path.lstrip("/").partition("/")
        if name not in twin_names():
            return False
        raw = self._raw()
        # Only that a body came is logged: it may hold the practice secrets.
        fault = self.server.sandbox.record_twin(name, parts.path)
        if fault:
            FAULTS[fault](self, portal.Answer(200, {}))
            return True
        request = TwinRequest(
            method=method,
            path=unquote(rest),
            params=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=raw,
        )
        answer = load_twin(name).answer(request)
        self.send(answer.status, answer.body, {"Content-Type": answer.content_type, **answer.headers})
        return True

    def _raw(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LONGEST_REQUEST:
            self.close_connection = True
            return b""
        return self.rfile.read(int(length))

    def _body(self) -> Json:
        raw = self._raw()
        try:
            return json.loads(raw) if raw else None
        except ValueError:
            return raw.decode("utf-8", "replace")

    def send(self, status: int, raw: bytes, headers: Mapping[str, str], *, length: int | None = None) -> None:
        """One whole answer. `length` promises another number of bytes than there are; the connection then ends."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw) if length is None else length))
        self.end_headers()
        self.wfile.write(raw)
        if length is not None and length != len(raw):
            self.close_connection = True

    def send_json(self, status: int, body: Json) -> None:
        self.send(status, dump(body), {"Content-Type": JSON_TYPE})

    def block(self) -> None:
        """What the portal's firewall says, with the status of a success."""
        self.send(200, BLOCK_PAGE.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def send_forever(self, status: int, start: bytes, piece: bytes, pause_s: float) -> None:
        """An answer without an end: until the client goes or the sandbox stops."""
        self.send_response(status)
        self.send_header("Content-Type", JSON_TYPE)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        part = start
        while not self.server.sandbox.stopping.wait(pause_s):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            part = piece

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the log of a practice server is `Sandbox.requests`."""


def dump(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


# --- faults: what a source can do to a client, each over a real socket ---


def _status(status: int, *, retry_after: bool = False) -> Callable[[_Handler, portal.Answer], None]:
    def send(handler: _Handler, _: portal.Answer) -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8"} | ({"Retry-After": "0"} if retry_after else {})
        handler.send(status, b"practice fault", headers)

    return send


def _changed(change: Callable[[Json], Json]) -> Callable[[_Handler, portal.Answer], None]:
    """Serve the envelope that `change` makes of the right one (a copy of it)."""

    def send(handler: _Handler, answer: portal.Answer) -> None:
        handler.send_json(answer.status, change(json.loads(dump(answer.body))))

    return send


def _html_block(handler: _Handler, _: portal.Answer) -> None:
    handler.block()


def _truncated(handler: _Handler, answer: portal.Answer) -> None:
    raw = dump(answer.body)
    handler.send(answer.status, raw[: len(raw) // 2], {"Content-Type": JSON_TYPE})


def _broken_off(handler: _Handler, answer: portal.Answer) -> None:
    raw = dump(answer.body)
    handler.send(answer.status, raw[: len(raw) // 2], {"Content-Type": JSON_TYPE}, length=len(raw))


def _silent(handler: _Handler, _: portal.Answer) -> None:
    handler.close_connection = True


@cache
def _bomb() -> bytes:
    """BOMB_BYTES of spaces and then an object, which is valid JSON: a few dozen kilobytes on the wire."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(CHUNK) for _ in range(-(-BOMB_BYTES // len(CHUNK)))]
    return b"".join([*parts, packer.compress(b"{}"), packer.flush()])


def _gzip_bomb(handler: _Handler, answer: portal.Answer) -> None:
    handler.send(answer.status, _bomb(), {"Content-Type": JSON_TYPE, "Content-Encoding": "gzip"})


def _endless(handler: _Handler, answer: portal.Answer) -> None:
    handler.send_forever(answer.status, CHUNK, CHUNK, 0)


def _trickle(handler: _Handler, answer: portal.Answer) -> None:
    handler.send_forever(answer.status, b"{", b" ", TRICKLE_S)


def _redirect(handler: _Handler, _: portal.Answer) -> None:
    handler.send(302, b"", {"Location": ELSEWHERE})


def _rows(body: Json) -> list[dict[str, Json]]:
    data = body["data"] or {}
    for key in ("evaluation", "children", "items"):
        if key in data:
            rows: list[dict[str, Json]] = data[key]
            return rows
    return []


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _wrong_types(body: Json) -> Json:
    """Every number a text with a sign, every list of metrics a dash."""
    for item in list(_objects(body["data"])):
        for key, value in item.items():
            if type(value) in (int, float):
                item[key] = f"{value}%"
    for item in _objects(body["data"]):
        if isinstance(item.get("metrics"), list):
            item["metrics"] = "—"
    return body


def _missing_root(body: Json) -> Json:
    for key in ("overview", "parent"):
        (body["data"] or {}).pop(key, None)
    return body


def _wrong_root(body: Json) -> Json:
    """The answer is about somebody else; service-results know the root by code and name only."""
    for key in ("overview", "parent"):
        root = (body["data"] or {}).get(key)
        if root is not None:
            if "departmentId" in root:
                root["departmentId"] = STRANGER
            root["departmentName"] = "UBND tỉnh Khác (hư cấu)"
            if "departmentCode" in root:
                root["departmentCode"] = "H99"
    return body


def _empty_children(body: Json) -> Json:
    _rows(body).clear()
    if body["data"] and "pagination" in body["data"]:
        body["data"]["pagination"] |= {"total": 0, "totalPages": 0}
    return body


def _missing_id(body: Json) -> Json:
    for row in _rows(body)[:1]:
        row.pop("departmentId", None)
        row.pop("id", None)
    return body


def _duplicate_row(body: Json) -> Json:
    rows = _rows(body)
    rows.extend(rows[:1])
    return body


def _impossible(body: Json) -> Json:
    """More on time than received, numerators above denominators: only in the first row."""
    for item in _objects(_rows(body)[:1]):
        for part, whole in (
            ("numerator", "denominator"),
            ("totalOnTime", "totalReceived"),
            ("totalDossierOnlinePaymentSuccess", "totalDossierFinancialObligation"),
        ):
            if item.get(whole) is not None:
                item[part] = item[whole] + 1
    return body


FAULTS: dict[str, Callable[[_Handler, portal.Answer], None]] = {
    "html_block": _html_block,
    "truncated": _truncated,
    "broken_off": _broken_off,
    "silent": _silent,
    "wrong_types": _changed(_wrong_types),
    "http_403": _status(403),
    "http_429": _status(429, retry_after=True),
    "http_500": _status(500),
    "http_503": _status(503, retry_after=True),
    "gzip_bomb": _gzip_bomb,
    "endless": _endless,
    "trickle": _trickle,
    "redirect": _redirect,
    "missing_root": _changed(_missing_root),
    "wrong_root": _changed(_wrong_root),
    "empty_children": _changed(_empty_children),
    "missing_id": _changed(_missing_id),
    "duplicate_row": _changed(_duplicate_row),
    "impossible": _changed(_impossible),
    "source_error": _changed(lambda body: {"code": "INTERNAL_ERROR", "data": None, "message": "Lỗi thực hành."}),
    "list_data": _changed(lambda body: body | {"data": []}),
    "text_body": _changed(lambda body: "practice fault"),
}
"""Fault names and what they do."""

WIRE_FAULTS = (
    "html_block", "silent", "http_403", "http_429", "http_500", "http_503",
    "gzip_bomb", "endless", "trickle", "redirect",
)  # fmt: skip
"""Faults that need no knowledge of the answer, so any source can meet them."""
