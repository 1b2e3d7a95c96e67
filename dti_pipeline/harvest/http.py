"""Asking over the network: one request -> one snapshot, politely, within bounds and with TLS verified.

Here: pacing, retries, size and time limits, redirects, logins, and network trouble in the words of `SourceFailure`. Not
here: what an answer means, its status included but for a refused login (the connector's `read`), keeping it (the
store), which requests to make (the connector's `plan`), when to stop asking (`runner.py`), and the sockets of the
probes (`probe.py`).
"""

from __future__ import annotations

import http.client
import importlib.metadata
import io
import json
import math
import os
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import (
    HTTPError,
    InvalidHeader,
    MaxRetryError,
    NameResolutionError,
    ReadTimeoutError,
    ResponseError,
)
from urllib3.exceptions import TimeoutError as AnyTimeout

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest import auth as login
from dti_pipeline.harvest import probe
from dti_pipeline.harvest.model import Auth, FailureKind, Politeness, Request, Site, Snapshot, SourceFailure
from dti_pipeline.harvest.sites import check_base_url, is_loopback

CHUNK_BYTES = 65_536
MAX_REDIRECTS = 3
MAX_RETRY_AFTER_S = 120.0
"""A source may ask for a longer pause before the next request than ours, but not hold up the night: one that asks for
more than this is not asked again tonight."""
CONTEXT_PREFIX = "dti-"
"""Headers that a plan gives its own `read` to go by, such as the unit that a page belongs to; stored, never sent."""
RETRIED_STATUSES = frozenset({408, 500, 502, 503, 504})
"""Never 401, 403, 405 or 429: asking again what was refused is how an address gets blocked."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_NO_CA_FILE = "không đọc được tệp ca_file của nguồn"

_Check = Callable[[], None]

Hold = Callable[[str, Callable[[float], None], int], AbstractContextManager[None]]
"""(host, how to sleep, how many may ask it at once) -> alone with the host, or one of so many."""


_STARTING = threading.Lock()
"""Around looking at when a host was last asked and taking the next turn: several threads may ask one host."""


class Starts(Protocol):
    """When each host was last asked. A dict is one."""

    def get(self, host: str, /) -> float | None: ...

    def __setitem__(self, host: str, moment: float, /) -> None: ...


class Fetcher:
    """Asks one site, one request at a time. A context manager; not for use by several threads.

    `jitter` gives a part between 0 and 1 of `politeness.jitter_s`. `starts` knows of a host the moment on the monotonic
    clock when it was last asked, and `hold` sees to it that nobody else asks it meanwhile: share both among all that
    may ask the same hosts (`lanes.py`), so that two sites on one host are spaced like two requests to one site.
    `environ` holds the secrets that the site's `auth` names. Raises ValueError where the site's base address, login or
    `resolver` breaks the rules, and DataFileError where `DTI_CONTACT` does.
    """

    def __init__(
        self,
        site: Site,
        politeness: Politeness,
        *,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
        jitter: Callable[[], float],
        starts: Starts | None = None,
        hold: Hold | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._site = site
        self._base = check_base_url(site.base_url).rstrip("/")
        self._host = host_of(site.base_url)
        self._auth = None if site.auth is None or site.auth.kind == "none" else login.check_auth(site.auth)
        self._environ = environ
        self._token: login.Token | None = None
        self._token_ends = 0.0
        given = site.options.get("resolver")
        self._resolver = None if given is None else probe.resolver_address(given)
        self._tls_port = probe.tls_port(site.options, site.base_url)
        self._politeness = politeness
        self._sleep = sleep
        self._monotonic = monotonic
        self._jitter = jitter
        self._starts: Starts = {} if starts is None else starts
        self._hold = hold
        self._started = self._deadline = 0.0
        self._session = _Session()
        # Otherwise requests would also take credentials from a .netrc file.
        self._session.trust_env = False
        self._session.headers["User-Agent"] = user_agent()
        # The one encoding that we undo ourselves, piece by piece.
        self._session.headers["Accept-Encoding"] = "gzip"
        self._proxies = {} if is_loopback(self._host) else get_environ_proxies(self._base, no_proxy=None)
        retry = _Retry(
            total=politeness.retries,
            # Transport errors and statuses count in `total`; anything else (TLS above all) does not mend by repetition.
            other=0,
            redirect=False,
            # The connectors' POSTs are queries: asking twice changes nothing.
            allowed_methods=frozenset({"GET", "POST"}),
            status_forcelist=RETRIED_STATUSES,
            backoff_factor=politeness.backoff_s,
            # urllib3 cuts longer pauses to this; one second more than we would wait shows that more was asked for.
            retry_after_max=int(MAX_RETRY_AFTER_S) + 1,
            raise_on_status=False,
            wait=self._begin,
        )
        self._retry = retry
        adapter = _Adapter(retry, self._check_time)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def fetch(self, request: Request) -> Snapshot:
        """The answer as it arrived, uncompressed, whatever its status; its URL is given without query values.

        Kinds http, dns and tls. Cookies that the source sets are left out of the snapshot's headers. Raises
        SourceFailure: CONNECTION, TRUNCATED and TOO_SLOW (retryable), TOO_LARGE, REDIRECTED, BLOCKED (a Retry-After
        beyond MAX_RETRY_AFTER_S), WRONG_SHAPE (an encoding nobody asked for, or an answer that repeats our secret),
        AUTH_FAILED (401; 403 where the site has a login; a login that cannot be had). Raises ValueError for a request
        that cannot be sent, such as a path with a query in it: a defect of the connector.
        """
        if request.kind == "file":
            raise ValueError(f"site «{self._site.name}» is not a folder; a folder's base_url begins with file://")
        at_once = self._politeness.concurrency
        with self._hold(self._host, self._sleep, at_once) if self._hold else nullcontext():
            return self._ask(request) if request.kind == "http" else self._probe(request)

    def _ask(self, request: Request) -> Snapshot:
        if any(sign <= " " or sign in "?#\\" for sign in request.path):
            raise ValueError("a request's path holds no space, backslash, «?» or «#»; a query belongs in `params`")
        secrets, added = self._login()
        is_form = request.json is None and request.content is None
        if added.fields and (request.method != "POST" or not is_form):
            raise ValueError("a login in a form field needs a POST whose body is a form")
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in login.OURS and not name.lower().startswith(CONTEXT_PREFIX)
        }
        prepared = self._session.prepare_request(
            requests.Request(
                request.method,
                f"{self._base}/{request.path.lstrip('/')}",
                params=dict(request.params),
                # requests knows a header by its name in any case; ours comes last, so it stands.
                headers={**headers, **_typed(request), **added.headers},
                json=request.json,
                data=_body_of(request, added),
            )
        )
        for _ in range(1 + MAX_REDIRECTS):
            with closing(self._send(prepared)) as response:
                if response.status_code not in _REDIRECTS:
                    return self._snapshot(request, prepared, response, secrets)
                # Never out of the site's own origin, so a login goes nowhere else.
                prepared = self._follow(prepared, response)
        raise self._failure(FailureKind.REDIRECTED, f"bị chuyển hướng quá {MAX_REDIRECTS} lần")

    def _snapshot(
        self,
        request: Request,
        prepared: requests.PreparedRequest,
        response: requests.Response,
        secrets: Mapping[str, str],
    ) -> Snapshot:
        status = response.status_code
        if status == 401 or (status == 403 and self._auth is not None):
            raise self._failure(FailureKind.AUTH_FAILED, f"nguồn không chấp nhận đăng nhập (mã {status})")
        headers = {k: v for k, v in response.headers.items() if k.lower() != "set-cookie"}
        body = self._body(response)
        url = urlsplit(prepared.url or "")._replace(query="", fragment="").geturl()
        told = "\n".join((url, *headers.values())).encode("utf-8", "replace")
        if any(login.repeats_a_secret(secrets, self._token, text) for text in (body, told)):
            raise self._failure(
                FailureKind.WRONG_SHAPE, "câu trả lời lặp lại bí mật đăng nhập của chúng ta nên không được lưu"
            )
        return Snapshot(request=request, status=status, headers=headers, body=body, url=url)

    # --- the login ---

    def _login(self) -> tuple[Mapping[str, str], login.Added]:
        """The site's secrets, and what they add to the next request; asks for a token where there is none that holds.

        Nothing is sent as long as a secret is missing. Raises SourceFailure, AUTH_FAILED above all.
        """
        if self._auth is None:
            return {}, login.Added()
        try:
            secrets = login.secrets_of(self._auth, self._environ)
            if login.wants_token(self._auth) and (self._token is None or self._monotonic() >= self._token_ends):
                self._token = None
                self._token = self._new_token(self._auth, secrets)
            return secrets, login.added(self._auth, secrets, self._token)
        except login.NoLogin as reason:
            raise self._failure(FailureKind.AUTH_FAILED, str(reason)) from None

    def _new_token(self, auth: Auth, secrets: Mapping[str, str]) -> login.Token:
        headers, form = login.token_request(auth, secrets)
        prepared = self._session.prepare_request(
            requests.Request("POST", f"{self._base}/{(auth.token_path or '').lstrip('/')}", headers=headers, data=form)
        )
        with closing(self._send(prepared)) as response:
            status = response.status_code
            if status in _REDIRECTS:
                raise self._failure(FailureKind.REDIRECTED, "điểm cấp mã truy cập chuyển hướng; không đi theo")
            if status in RETRIED_STATUSES:
                trouble = f"điểm cấp mã truy cập trả về mã {status}"
                raise self._failure(FailureKind.HTTP_STATUS, trouble, retryable=True)
            if status == 429:
                raise self._failure(FailureKind.BLOCKED, "điểm cấp mã truy cập trả về mã 429")
            token = login.read_token(auth, status, self._body(response))
        # Counted from before it was issued, so that it is renewed too early rather than too late.
        self._token_ends = self._started + (math.inf if token.lifetime_s is None else token.lifetime_s)
        return token

    # --- probes ---

    def _probe(self, request: Request) -> Snapshot:
        """A DNS question or a TLS handshake, paced like any request to the site. Raises SourceFailure: CONNECTION."""
        limit = min(self._politeness.timeout_s, self._politeness.total_timeout_s)
        port = request.params.get("port", str(self._tls_port))
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"a port is a number from 1 to 65535, not «{port}»")
        self._begin()
        try:
            if request.kind == "dns":
                found = probe.ask_dns(
                    request.path,
                    request.params.get("type", ""),
                    resolver=self._resolver,
                    timeout_s=limit,
                    tries=1 + self._politeness.retries,
                )
                url = f"dns:{request.path}"
            else:
                found = probe.ask_tls(
                    request.path, int(port), ca_file=self._site.ca_file, timeout_s=limit, resolver=self._resolver
                )
                url = f"tls://{request.path}:{port}"
        except probe.NoResolver:
            message = "máy này không có cấu hình phân giải tên miền (resolv.conf)"
            raise self._failure(FailureKind.CONNECTION, message) from None
        except OSError:
            raise self._failure(FailureKind.CONNECTION, _NO_CA_FILE) from None
        body = json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        return Snapshot(request, 200, {"content-type": "application/json"}, body, url)

    # --- one try ---

    def _begin(self, at_least: float = 0.0) -> None:
        """Wait until a request may start, then note its start and the latest end of its answer."""
        wait = at_least
        with _STARTING:
            if (last := self._starts.get(self._host)) is not None:
                interval = self._politeness.min_interval_s + self._politeness.jitter_s * self._jitter()
                wait = max(wait, last + interval - self._monotonic())
            if wait > 0:  # our turn, so that whoever else may ask now takes the next one
                self._starts[self._host] = self._monotonic() + wait
        if wait > 0:
            self._sleep(wait)
        self._started = self._monotonic()
        self._host_busy_until(self._started)
        self._deadline = self._started + self._politeness.total_timeout_s

    def _host_busy_until(self, moment: float) -> None:
        with _STARTING:
            self._starts[self._host] = max(moment, self._starts.get(self._host) or moment)

    def _check_time(self) -> None:
        if self._monotonic() > self._deadline:
            late = f"sau {self._politeness.total_timeout_s:g} giây vẫn chưa trả lời xong"
            raise self._failure(FailureKind.TOO_SLOW, late, retryable=True)

    def _follow(self, prepared: requests.PreparedRequest, response: requests.Response) -> requests.PreparedRequest:
        """The same question at the address that a redirect names. Only 303 asks for a GET."""
        location = response.headers.get("Location", "")
        if not location:
            raise self._failure(FailureKind.REDIRECTED, f"trả về mã {response.status_code} mà không nói chuyển đi đâu")
        following = prepared.copy()
        try:
            # Judged only after requests has normalised it: what is judged must be what will be connected to.
            following.prepare_url(urljoin(prepared.url or "", location), None)
            target = urlsplit(following.url or "")
            is_ours = _origin(following.url or "") == _origin(self._base) and "@" not in target.netloc
        except ValueError:
            raise self._failure(FailureKind.REDIRECTED, "bị chuyển hướng tới một chỗ không phải là địa chỉ") from None
        if not is_ours:
            where = f"{target.scheme[:10]}://{(target.hostname or '')[:100]}"
            raise self._failure(
                FailureKind.REDIRECTED, f"bị chuyển hướng sang {where}, ngoài địa chỉ đã khai của nguồn"
            )
        if response.status_code == 303:
            following.method, following.body = "GET", None
            for name in ("Content-Length", "Content-Type"):
                following.headers.pop(name, None)
        return following

    def _send(self, prepared: requests.PreparedRequest) -> requests.Response:
        self._begin()
        try:
            response = self._session.send(
                prepared,
                stream=True,
                allow_redirects=False,
                timeout=self._politeness.timeout_s,
                verify=self._site.ca_file or True,
                proxies=self._proxies,
            )
        except requests.exceptions.SSLError as error:
            raise self._tls_failure(error) from None
        except requests.RequestException as error:
            raise self._failure(FailureKind.CONNECTION, self._trouble(error), retryable=True) from None
        except OSError:  # raised before connecting, and only for this
            raise self._failure(FailureKind.CONNECTION, _NO_CA_FILE) from None
        self._heed_retry_after(response)
        return response

    def _heed_retry_after(self, response: requests.Response) -> None:
        """Let the host rest as long as it asks for, whatever is asked next and by whom (RFC 9110, 10.2.3)."""
        pause = self._retry.pause_asked_for(response.raw) if response.status_code >= 300 else 0.0
        if pause > MAX_RETRY_AFTER_S:
            response.close()
            longer = f"mã {response.status_code}, xin nghỉ lâu hơn {MAX_RETRY_AFTER_S:g} giây (Retry-After)"
            raise self._failure(FailureKind.BLOCKED, f"{longer}; đêm nay không hỏi nữa")
        if pause > 0:
            # As if it had been asked at the end of its rest: everybody's own distance comes on top.
            self._host_busy_until(self._monotonic() + pause)

    # --- the answer's body ---

    def _body(self, response: requests.Response) -> bytes:
        """All of the body, uncompressed. Bytes on the wire and bytes after decompression both stay within the limit."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise self._failure(FailureKind.WRONG_SHAPE, f"nội dung nén kiểu «{encoding[:40]}», dù chỉ nhận gzip")
        gunzip = _Gunzip() if encoding in ("gzip", "x-gzip") else None
        limit = self._politeness.max_body_bytes
        body = io.BytesIO()
        received = 0
        try:
            # read1 hands over what has come and leaves chunk marks and trailers to http.client, which bounds them.
            while piece := response.raw.read1(CHUNK_BYTES, decode_content=False):
                received += len(piece)
                for part in gunzip.feed(piece) if gunzip else (piece,):
                    body.write(part)
                    if max(received, body.tell()) > limit:
                        raise self._failure(FailureKind.TOO_LARGE, f"nội dung lớn hơn giới hạn {limit} byte")
        except ReadTimeoutError as error:
            raise self._failure(FailureKind.CONNECTION, self._trouble(error), retryable=True) from None
        except zlib.error:
            raise self._failure(FailureKind.TRUNCATED, "nội dung nén bị hỏng", retryable=True) from None
        except HTTPError:
            raise self._truncated(received) from None
        if gunzip and received and not gunzip.is_complete:
            raise self._truncated(received)
        return body.getvalue()

    # --- words ---

    def _failure(self, kind: FailureKind, message: str, *, retryable: bool = False) -> SourceFailure:
        """Words for the operator. They name the site and its host only: query values may be secret."""
        return SourceFailure(kind, f"{self._site.name} ({self._host}): {message}", retryable=retryable)

    def _truncated(self, received: int) -> SourceFailure:
        return self._failure(FailureKind.TRUNCATED, f"nội dung bị đứt sau {received} byte", retryable=True)

    def _tls_failure(self, error: Exception) -> SourceFailure:
        found = next((e.verify_message for e in _chain(error) if isinstance(e, ssl.SSLCertVerificationError)), "")
        return self._failure(
            FailureKind.CONNECTION,
            f"không lập được kết nối TLS tin cậy ({found or 'bắt tay không thành'}). Nếu chứng thư do cơ quan nhà nước "
            "cấp, hãy ghim chứng thư gốc của cơ quan đó bằng ca_file của nguồn; không thể tắt việc xác minh",
        )

    def _trouble(self, error: Exception) -> str:
        chain = list(_chain(error))
        if any(isinstance(cause, requests.exceptions.ProxyError) for cause in chain):
            return "máy chủ trung gian (proxy) khai trong môi trường của máy này không cho yêu cầu đi qua"
        if any(isinstance(cause, NameResolutionError) for cause in chain):
            return "không tìm thấy tên máy chủ"
        if any(isinstance(cause, (AnyTimeout, TimeoutError)) and not _is_refusal(cause) for cause in chain):
            return f"không trả lời trong {self._politeness.timeout_s:g} giây"
        if any(isinstance(cause, ConnectionRefusedError) for cause in chain):
            return "máy chủ từ chối kết nối"
        return "kết nối bị đứt, hoặc bên kia không nói HTTP"


def _typed(request: Request) -> Mapping[str, str]:
    return {} if request.content_type is None else {"Content-Type": request.content_type}


def _body_of(request: Request, added: login.Added) -> bytes | Mapping[str, str] | None:
    """The body unless it is JSON: text as it is, or a form with what the login adds to it."""
    if request.content is not None:
        return request.content.encode()
    return None if request.data is None and not added.fields else {**(request.data or {}), **added.fields}


def host_of(base_url: str) -> str:
    """The host that a base address names, in the one spelling by which it is asked only one thing at a time."""
    return (urlsplit(base_url).hostname or "").rstrip(".")


def user_agent() -> str:
    """Who asks. Longer than a bare name: the national portal's firewall turns short ones away.

    `DTI_CONTACT` (an e-mail or web address) is added where set. Raises DataFileError where it cannot stand in a header.
    """
    contact = os.environ.get("DTI_CONTACT", "").strip()
    if not all(" " <= sign <= "~" and sign not in "()" for sign in contact):
        raise DataFileError("DTI_CONTACT must be an e-mail or web address in plain ASCII, without brackets")
    try:
        version = importlib.metadata.version("dti-pipeline")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    about = f"+{contact}" if contact else "nightly read-only harvest, one request at a time"
    return f"dti-pipeline/{version} ({about})"


class _Retry(Retry):
    """urllib3's retry rules with our own waiting, so that a retry is paced like any other request."""

    # urllib3 would also retry 413 and 429 wherever they carry Retry-After, list of statuses or not.
    RETRY_AFTER_STATUS_CODES = frozenset()

    def __init__(self, *args: Any, wait: Callable[[float], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._wait = wait

    def new(self, **changes: Any) -> Self:
        return super().new(wait=self._wait, **changes)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if response is not None and self.pause_asked_for(response) > MAX_RETRY_AFTER_S:
            # urllib3 then hands over the answer as it is.
            raise MaxRetryError(_pool, url or "", ResponseError("the source asks for a longer pause"))
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        if response is not None:
            # urllib3 would read the rest of the refused answer first, without any bound.
            response.close()
        return following

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        backoff = self.backoff_factor * 2 ** (len(self.history) - 1)
        self._wait(max(backoff, self.pause_asked_for(response) if response is not None else 0.0))

    def pause_asked_for(self, response: BaseHTTPResponse) -> float:
        """Seconds that an answer asks for, 0 where it asks for none or in no known form."""
        try:
            return self.get_retry_after(response) or 0.0
        except InvalidHeader:
            return 0.0


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: even with redirects off, requests would read the whole body of a redirect, without any bound."""
        return


class _Adapter(HTTPAdapter):
    """Sees to it that every piece of an answer, head and chunk marks included, arrives under the eye of `check`."""

    def __init__(self, retry: _Retry, check: _Check) -> None:
        super().__init__(max_retries=retry)
        self._check = check

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if "ConnectionCls" not in vars(pool):
            check = self._check

            class _Answer(http.client.HTTPResponse):
                def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
                    super().__init__(sock, *args, **options)
                    self.fp = io.BufferedReader(_Watched(self.fp.detach(), check))

            pool.ConnectionCls = type("_WatchedConnection", (pool.ConnectionCls,), {"response_class": _Answer})
        return pool


class _Watched(io.RawIOBase):
    """A socket's bytes. Calls `check` before each piece; without it a head or a trailer may trickle for ever."""

    def __init__(self, raw: io.RawIOBase, check: _Check) -> None:
        self._raw = raw
        self._check = check

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._check()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Gunzip:
    """Undoes gzip in pieces of at most CHUNK_BYTES, so that a bomb is noticed before it fills the memory."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def is_complete(self) -> bool:
        return self._member.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unfolds to. Raises zlib.error where it is not gzip."""
        while True:
            if self._member.eof:  # a gzip body may consist of several members
                self._member = zlib.decompressobj(wbits=31)
            part = self._member.decompress(data, CHUNK_BYTES)
            yield part
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if not data:  # what the decompressor still holds back comes out before the last bytes of its member
                return


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or ""), parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and everything it was made from; requests and urllib3 nest in four different ways."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        nested = (getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args)
        waiting += [inner for inner in nested if isinstance(inner, BaseException)]


def _is_refusal(error: BaseException) -> bool:
    """urllib3 counts a refused connection among its timeouts."""
    return any(isinstance(cause, ConnectionRefusedError) for cause in _chain(error))
