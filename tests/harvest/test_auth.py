"""Logins over real sockets: what is sent, what is refused, and that no secret is ever kept or told."""

from __future__ import annotations

import base64
import json
import logging
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest
from harvest_kit import Clock, Practice, Stored, polite, raw_server
from pytest_httpserver import HTTPServer
from werkzeug import Request as Asked
from werkzeug import Response

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.auth import NoLogin, read_token, repeats_a_secret
from dti_pipeline.harvest.http import Fetcher
from dti_pipeline.harvest.model import Auth, AuthKind, FailureKind, Request, Site, SourceFailure
from dti_pipeline.harvest.sites import load_sites

SECRETS = {
    "DTI_SITE_TOKEN": "t0ken-of-the-site",
    "DTI_CLIENT_ID": "practice client",
    "DTI_CLIENT_SECRET": "cl1ent:secret/ü",
    "DTI_SITE_USER": "nguoi-dung",
    "DTI_SITE_PASSWORD": "p4ss&word=mật",
}
ISSUED = "issued-token-0123456789"
BEARER = {"kind": "bearer", "token": "DTI_SITE_TOKEN"}
CLIENT = {
    "kind": "oauth2_client",
    "token_path": "/oauth2/token",
    "client_id": "DTI_CLIENT_ID",
    "client_secret": "DTI_CLIENT_SECRET",
}
PASSWORD = CLIENT | {"kind": "oauth2_password", "username": "DTI_SITE_USER", "password": "DTI_SITE_PASSWORD"}
ASK = Request("GET", "/figures")


def site_with(url: str, auth: dict[str, Any] | None) -> Site:
    return Site.model_validate(
        {"name": "thuc-hanh", "connector": "practice", "base_url": url, "province": "H00", "auth": auth}
    )


def fetcher(
    url: str, auth: dict[str, Any] | None, *, environ: dict[str, str] | None = None, clock: Clock | None = None
) -> Fetcher:
    clock = clock or Clock()
    return Fetcher(
        site_with(url, auth),
        polite(retries=2),
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        jitter=lambda: 0.0,
        environ=SECRETS if environ is None else environ,
    )


def failure_of(asking: Fetcher, request: Request = ASK) -> SourceFailure:
    with asking, pytest.raises(SourceFailure) as caught:
        asking.fetch(request)
    told = "".join(traceback.format_exception(caught.value))
    assert not any(secret in told for secret in (*SECRETS.values(), ISSUED))
    return caught.value


def issues(server: HTTPServer, **changes: Any) -> None:
    answer = {"access_token": ISSUED, "token_type": "Bearer", "expires_in": 3600} | changes
    server.expect_request("/oauth2/token", method="POST").respond_with_json(
        {key: value for key, value in answer.items() if value is not None}
    )


# --- where a secret goes ---


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (BEARER, "Authorization", "Bearer t0ken-of-the-site"),
        (BEARER | {"scheme": "Token"}, "Authorization", "Token t0ken-of-the-site"),
        ({"kind": "header", "name": "X-Api-Key", "token": "DTI_SITE_TOKEN"}, "X-Api-Key", "t0ken-of-the-site"),
    ],
)
def test_a_token_goes_into_its_header_and_into_no_other_place(
    httpserver: HTTPServer, auth: dict[str, Any], name: str, value: str
) -> None:
    httpserver.expect_request("/figures").respond_with_data("1")
    with fetcher(httpserver.url_for(""), auth) as asking:
        # What a connector puts into that header does not stand beside ours.
        snapshot = asking.fetch(Request("GET", "/figures", headers={name.upper(): "other"}))
    sent = httpserver.log[0][0]
    assert sent.headers.getlist(name) == [value]
    assert sent.url == httpserver.url_for("/figures")
    assert snapshot.request.canonical() == Request("GET", "/figures", headers={name.upper(): "other"}).canonical()


def test_a_token_goes_into_a_field_of_the_form(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/index.php").respond_with_data("1")
    auth = {"kind": "form_field", "name": "token_auth", "token": "DTI_SITE_TOKEN"}
    with fetcher(httpserver.url_for(""), auth) as asking:
        asking.fetch(Request("POST", "/index.php", data={"module": "API"}))
        asking.fetch(Request("POST", "/index.php"))
    first, second = (entry[0] for entry in httpserver.log)
    assert first.form.to_dict() == {"module": "API", "token_auth": "t0ken-of-the-site"}
    assert second.form.to_dict() == {"token_auth": "t0ken-of-the-site"}
    assert first.query_string == b""


@pytest.mark.parametrize("request_", [ASK, Request("POST", "/index.php", json={})])
def test_a_form_field_needs_a_form(request_: Request) -> None:
    auth = {"kind": "form_field", "name": "token_auth", "token": "DTI_SITE_TOKEN"}
    with fetcher("http://127.0.0.1:9", auth) as asking, pytest.raises(ValueError, match="POST whose body is a form"):
        asking.fetch(request_)


def test_no_login_is_sent_where_none_is_configured(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("1")
    for auth in (None, {"kind": "none"}):
        with fetcher(httpserver.url_for(""), auth) as asking:
            asking.fetch(ASK)
    assert not any("Authorization" in sent.headers for sent, _ in httpserver.log)


# --- a login that cannot be had ---


@pytest.mark.parametrize("given", [{}, {"DTI_SITE_TOKEN": ""}])
def test_a_missing_variable_is_named_before_anything_is_sent(httpserver: HTTPServer, given: dict[str, str]) -> None:
    form = {"kind": "form_field", "name": "token_auth", "token": "DTI_SITE_TOKEN"}
    for auth, request in ((BEARER, ASK), (form, Request("POST", "/index.php"))):
        failure = failure_of(fetcher(httpserver.url_for(""), auth, environ=given), request)
        assert (failure.kind, failure.retryable) == (FailureKind.AUTH_FAILED, False)
        assert "chưa đặt biến môi trường DTI_SITE_TOKEN" in failure.message
    assert httpserver.log == []


def test_every_missing_variable_of_a_login_is_named(httpserver: HTTPServer) -> None:
    failure = failure_of(fetcher(httpserver.url_for(""), PASSWORD, environ={"DTI_CLIENT_ID": "x"}))
    assert "DTI_CLIENT_SECRET, DTI_SITE_PASSWORD, DTI_SITE_USER " in failure.message
    assert "DTI_CLIENT_ID" not in failure.message
    assert httpserver.log == []


@pytest.mark.parametrize("secret", ["a\r\nX-Injected: 1", "mật-khẩu", " padded", "line\n"])
def test_a_secret_that_cannot_stand_in_a_header_is_refused_by_its_variable(httpserver: HTTPServer, secret: str) -> None:
    failure = failure_of(fetcher(httpserver.url_for(""), BEARER, environ={"DTI_SITE_TOKEN": secret}))
    assert failure.kind is FailureKind.AUTH_FAILED
    assert "DTI_SITE_TOKEN" in failure.message
    assert secret not in failure.message
    assert httpserver.log == []


@pytest.mark.parametrize(("auth", "status"), [(None, 401), (BEARER, 401), (BEARER, 403)])
def test_a_refused_login_is_never_tried_again(httpserver: HTTPServer, auth: dict[str, Any] | None, status: int) -> None:
    httpserver.expect_request("/figures").respond_with_response(Response(status=status, headers={"Retry-After": "1"}))
    clock = Clock()
    failure = failure_of(fetcher(httpserver.url_for(""), auth, clock=clock))
    assert (failure.kind, failure.retryable) == (FailureKind.AUTH_FAILED, False)
    assert f"mã {status}" in failure.message
    assert len(httpserver.log) == 1
    assert clock.sleeps == []


def test_403_without_a_login_stays_with_the_connector(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/figures").respond_with_data("Request Rejected", status=403)
    with fetcher(httpserver.url_for(""), None) as asking:
        assert asking.fetch(ASK).status == 403


def test_a_site_that_refused_the_login_is_left_alone_for_the_night(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/figures").respond_with_data("no", status=401)
    stored = Stored(tmp_path)
    site = site_with(httpserver.url_for(""), BEARER)
    asks = Practice(ASK, Request("GET", "/more"))
    for _ in range(2):  # the same night run again asks nothing more
        with fetcher(httpserver.url_for(""), BEARER) as asking:
            report = stored.harvest(asks, site, asking)
        assert [failure.kind.value for _, failure in report.failures] == ["auth_failed", "stopped"]
    assert len(httpserver.log) == 1


# --- RFC 6749 ---


def test_client_credentials_are_asked_for_as_the_rfc_says_and_once_for_many_requests(httpserver: HTTPServer) -> None:
    issues(httpserver, scope="apim:api_view other")
    httpserver.expect_request("/figures").respond_with_data("1")
    with fetcher(httpserver.url_for(""), CLIENT | {"scope": "apim:api_view"}) as asking:
        asking.fetch(ASK)
        asking.fetch(ASK)
    token, *figures = (entry[0] for entry in httpserver.log)
    assert token.form.to_dict() == {"grant_type": "client_credentials", "scope": "apim:api_view"}
    # RFC 6749, 2.3.1: both halves form-encoded, then Basic.
    assert base64.b64decode(token.headers["Authorization"].removeprefix("Basic ")) == (
        b"practice+client:cl1ent%3Asecret%2F%C3%BC"
    )
    assert [sent.headers["Authorization"] for sent in figures] == [f"Bearer {ISSUED}"] * 2


def test_the_password_grant_sends_user_and_password_in_the_form(httpserver: HTTPServer) -> None:
    issues(httpserver)
    httpserver.expect_request("/figures").respond_with_data("1")
    with fetcher(httpserver.url_for(""), PASSWORD) as asking:
        asking.fetch(ASK)
    assert httpserver.log[0][0].form.to_dict() == {
        "grant_type": "password",
        "username": "nguoi-dung",
        "password": "p4ss&word=mật",
    }


def test_a_token_is_renewed_when_its_time_is_over_and_not_before(httpserver: HTTPServer) -> None:
    issues(httpserver, expires_in=60)
    httpserver.expect_request("/figures").respond_with_data("1")
    clock = Clock()
    with fetcher(httpserver.url_for(""), CLIENT, clock=clock) as asking:
        asking.fetch(ASK)
        clock.now += 59
        asking.fetch(ASK)
        clock.now += 1
        asking.fetch(ASK)
        asking.fetch(ASK)
    assert [sent.path for sent, _ in httpserver.log] == [
        "/oauth2/token", "/figures", "/figures", "/oauth2/token", "/figures", "/figures",
    ]  # fmt: skip


def test_a_token_without_a_time_holds_for_the_run(httpserver: HTTPServer) -> None:
    issues(httpserver, expires_in=None)
    httpserver.expect_request("/figures").respond_with_data("1")
    clock = Clock()
    with fetcher(httpserver.url_for(""), CLIENT, clock=clock) as asking:
        asking.fetch(ASK)
        clock.now += 10**6
        asking.fetch(ASK)
    assert len(httpserver.log) == 3


def test_a_smaller_scope_than_asked_for_is_refused_by_name(httpserver: HTTPServer) -> None:
    issues(httpserver, scope="apim:api_view")
    asked = CLIENT | {"scope": "apim:subscription_view apim:api_view apim:admin"}
    failure = failure_of(fetcher(httpserver.url_for(""), asked))
    assert failure.kind is FailureKind.AUTH_FAILED
    assert failure.message.endswith("thiếu: apim:admin, apim:subscription_view")
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, {"error": "invalid_grant", "error_description": f"bad {ISSUED}"}, "auth_failed", "400 (invalid_grant)"),
        (401, {"error": "invalid_client"}, "auth_failed", "401 (invalid_client)"),
        (401, {"error": SECRETS["DTI_SITE_TOKEN"]}, "auth_failed", "trả về mã 401"),
        (403, "no", "auth_failed", "trả về mã 403"),
        (404, "no", "auth_failed", "trả về mã 404"),
        (201, {"access_token": ISSUED, "token_type": "bearer"}, "auth_failed", "trả về mã 201"),
        (429, "no", "blocked", "429"),
        (503, "no", "http_status", "503"),
        (200, "<html>", "auth_failed", "access_token"),
        (200, [], "auth_failed", "access_token"),
        (200, {"token_type": "bearer"}, "auth_failed", "access_token"),
        (200, {"access_token": "a\nb", "token_type": "bearer"}, "auth_failed", "access_token"),
        (200, {"access_token": ISSUED, "token_type": "mac"}, "auth_failed", "Bearer"),
        (200, {"access_token": ISSUED}, "auth_failed", "Bearer"),
        (200, {"access_token": ISSUED, "token_type": "bearer", "expires_in": 0}, "auth_failed", "expires_in"),
        (200, {"access_token": ISSUED, "token_type": "bearer", "expires_in": True}, "auth_failed", "expires_in"),
        (200, {"access_token": ISSUED, "token_type": "bearer", "scope": ["a"]}, "auth_failed", "scope"),
    ],
)
def test_an_endpoint_that_gives_no_token_ends_it(
    httpserver: HTTPServer, status: int, body: Any, kind: str, words: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    httpserver.expect_request("/oauth2/token").respond_with_data(text, status=status)
    failure = failure_of(fetcher(httpserver.url_for(""), CLIENT))
    assert (failure.kind.value, failure.retryable) == (kind, kind == "http_status")
    assert words in failure.message
    assert {sent.path for sent, _ in httpserver.log} == {"/oauth2/token"}
    assert len(httpserver.log) == (3 if status == 503 else 1)


def test_expires_in_written_as_a_text_of_digits_is_understood() -> None:
    auth = Auth.model_validate(CLIENT)
    body = b'{"access_token": "a", "token_type": "Bearer", "expires_in": "60"}'
    assert read_token(auth, 200, body).lifetime_s == 60
    with pytest.raises(NoLogin, match="expires_in"):
        read_token(auth, 200, body.replace(b"60", b"soon"))


# --- secrets stay where they belong ---


def test_a_redirect_takes_no_login_to_another_address(httpserver: HTTPServer) -> None:
    def nothing(channel: socket.socket) -> None:
        channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")

    with raw_server(nothing) as other:
        httpserver.expect_request("/figures").respond_with_data("", status=307, headers={"Location": other.url + "/x"})
        httpserver.expect_request("/oauth2/token").respond_with_data(
            "", status=307, headers={"Location": other.url + "/token"}
        )
        for auth in (BEARER, PASSWORD):
            assert failure_of(fetcher(httpserver.url_for(""), auth)).kind is FailureKind.REDIRECTED
        assert other.heads == []


def test_a_token_endpoint_is_not_followed_even_within_the_site(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/oauth2/token").respond_with_data("", status=307, headers={"Location": "/else"})
    assert failure_of(fetcher(httpserver.url_for(""), PASSWORD)).kind is FailureKind.REDIRECTED
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("auth", [BEARER, CLIENT])
@pytest.mark.parametrize("place", ["body", "header"])
def test_an_answer_that_repeats_a_secret_is_not_kept(httpserver: HTTPServer, auth: dict[str, Any], place: str) -> None:
    def repeat(asked: Asked) -> Response:
        said = asked.headers["Authorization"]
        return Response(said if place == "body" else "1", headers={"ETag": said if place == "header" else "x"})

    issues(httpserver)
    httpserver.expect_request("/figures").respond_with_handler(repeat)
    failure = failure_of(fetcher(httpserver.url_for(""), auth))
    assert (failure.kind, failure.retryable) == (FailureKind.WRONG_SHAPE, False)


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ("user=1&password=p4ss%26word%3Dm%E1%BA%ADt", True),
        ('{"password": "p4ss&word=m\\u1eadt"}', True),
        ("p4ss&word=mật", True),
        ("p4ss&word", False),
        ("short and nguoi-dung", False),
    ],
)
def test_a_secret_is_known_in_every_way_it_may_be_written(text: str, is_there: bool) -> None:
    secrets = {"password": SECRETS["DTI_SITE_PASSWORD"], "username": "nguoi-dung", "token": "short"}
    assert repeats_a_secret(secrets, None, text.encode()) is is_there


@pytest.mark.parametrize(
    "auth",
    [
        BEARER,
        {"kind": "header", "name": "X-Api-Key", "token": "DTI_SITE_TOKEN"},
        {"kind": "form_field", "name": "token_auth", "token": "DTI_SITE_TOKEN"},
        CLIENT,
        PASSWORD,
    ],
    ids=lambda auth: str(auth["kind"]),
)
@pytest.mark.parametrize("outcome", ["good", "refused", "echo", "error", "moved"])
def test_no_secret_is_stored_or_logged(
    httpserver: HTTPServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, auth: dict[str, Any], outcome: str
) -> None:
    """The whole database, every kept byte and every line of the log at its most talkative."""

    def answer(asked: Asked) -> Response:
        said = json.dumps(dict(asked.headers)) + asked.get_data(as_text=True) + json.dumps(asked.form.to_dict())
        return {
            "good": Response("7", headers={"ETag": '"1"'}),
            "refused": Response(said, status=401),
            "echo": Response(said, status=200),
            "error": Response("busy", status=500),
            "moved": Response("", status=302, headers={"Location": "http://127.0.0.1:9/?" + said[:200]}),
        }[outcome]

    caplog.set_level(logging.DEBUG)
    issues(httpserver)
    httpserver.expect_request("/index.php").respond_with_handler(answer)
    stored = Stored(tmp_path)
    with fetcher(httpserver.url_for(""), auth) as asking:
        report = stored.harvest(
            Practice(Request("POST", "/index.php", data={"module": "API"})), site_with(httpserver.url_for(""), auth),
            asking,
        )  # fmt: skip
    stored.engine.dispose()
    assert (report.observations == 1) == (outcome == "good")
    kept = stored.everything() + caplog.text.encode() + repr(report).encode()
    assert b"index.php" in kept  # it is the right place that is searched
    client = base64.b64encode(b"practice+client:cl1ent%3Asecret%2F%C3%BC").decode()
    hidden = {name: value for name, value in SECRETS.items() if name not in ("DTI_CLIENT_ID", "DTI_SITE_USER")}
    for secret in (*hidden.values(), ISSUED, client):
        assert secret.encode() not in kept
        assert json.dumps(secret)[1:-1].encode() not in kept


# --- what sites.yaml may say ---


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"kind": "bearer", "token": "eyJhbGciOiJIUzI1NiJ9.x"}, "auth.token must be the name"),
        ({"kind": "bearer", "token": "JBSWY3DPEHPK3PXP"}, "auth.token must be the name"),
        ({"kind": "bearer", "token": "dti_site_token"}, "auth.token must be the name"),
        ({"kind": "bearer", "token": "DTI_SITE_TOKEN\n"}, "auth.token must be the name"),
        (CLIENT | {"client_secret": "s3cret"}, "auth.client_secret must be the name"),
        (CLIENT | {"client_id": "wr1tten-down"}, "auth.client_id must be the name"),
        (PASSWORD | {"username": "wr1tten-down"}, "auth.username must be the name"),
        (PASSWORD | {"password": "Me_me"}, "auth.password must be the name"),
        ({"kind": "header", "name": "Host", "token": "DTI_SITE_TOKEN"}, "not a header that a login may set"),
        ({"kind": "header", "name": "X: y", "token": "DTI_SITE_TOKEN"}, "not a header that a login may set"),
        ({"kind": "bearer", "token": "DTI_SITE_TOKEN", "scheme": "Bearer x"}, "auth.scheme"),
        (CLIENT | {"scope": "a  b"}, "auth.scope"),
        (CLIENT | {"token_path": "https://evil.example/token"}, "auth.token_path"),
        (CLIENT | {"token_path": "//evil.example/token"}, "auth.token_path"),
        (CLIENT | {"token_path": "/../token"}, "auth.token_path"),
        (CLIENT | {"token_path": "/a/%2e%2e/token"}, "auth.token_path"),
        (CLIENT | {"token_path": "/token?x=1"}, "auth.token_path"),
        ({"kind": "bearer"}, "needs token"),
        ({"kind": "oauth2_password"}, "needs token_path, client_id, client_secret, username, password"),
        ({"kind": "digest", "token": "DTI_SITE_TOKEN"}, "kind"),
    ],
)
def test_a_login_that_is_not_allowed_is_refused_without_repeating_it(
    tmp_path: Path, auth: dict[str, Any], words: str
) -> None:
    path = tmp_path / "sites.yaml"
    entry = {"name": "a", "connector": "practice", "base_url": "https://portal.example", "province": "H00"}
    path.write_text(json.dumps({"sites": [entry | {"auth": auth}]}), encoding="utf-8")
    with pytest.raises(DataFileError) as caught:
        load_sites(path)
    assert words in str(caught.value)
    if "must be the name" in words:
        assert auth[words.split()[0].removeprefix("auth.")] not in str(caught.value)
        with pytest.raises(ValueError, match="must be the name"):
            fetcher("https://portal.example", auth)


@pytest.mark.parametrize("kind", ["bearer", "header", "form_field", "oauth2_client", "oauth2_password"])
def test_names_of_variables_pass(tmp_path: Path, kind: AuthKind) -> None:
    given = PASSWORD | {"kind": kind, "token": "DTI_SITE_TOKEN", "name": "X-Api-Key", "scope": "a:b c"}
    path = tmp_path / "sites.yaml"
    entry = {"name": "a", "connector": "practice", "base_url": "https://portal.example", "province": "H00"}
    path.write_text(json.dumps({"sites": [entry | {"auth": given}]}), encoding="utf-8")
    (site,) = load_sites(path)
    assert site.auth is not None
    assert site.auth.kind == kind
