"""Logging in to a site: which secrets it needs, where they go in a request, and what a token endpoint's answer says.

Here: rules for `auth` in `sites.yaml`, secrets from the environment, RFC 6749 sections 4.3 and 4.4 as plain data. Pure
but for the environment handed in. Not here: sending anything (`http.py`), and what a site is (`model.py`).

A secret is nowhere but in memory and in what is sent: no message, address, log line or stored byte holds one.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from dti_pipeline.harvest.model import Auth

OURS = frozenset({"user-agent", "accept-encoding", "host", "content-length", "transfer-encoding", "connection"})
"""Headers that are the kit's own: neither a connector nor a site's `auth` can set them."""

SECRETS = ("token", "client_id", "client_secret", "username", "password")
"""Fields of `Auth` that hold names of environment variables."""

SHORTEST_ECHO = 8
"""Characters: a shorter secret would be «found» in any answer by chance."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_HTTP_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")


class NoLogin(Exception):
    """Why there is no login, in words for the operator that hold no secret."""


@dataclass(frozen=True, slots=True)
class Added:
    """What a login adds to a request when it is sent."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the form body."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `lifetime_s` is what its issuer said, None where it said nothing."""

    value: str = field(repr=False)
    lifetime_s: float | None


def check_auth(auth: Auth) -> Auth:
    """The login itself, if a site may have it. Raises ValueError that never repeats a value.

    A name of an environment variable is upper-case words joined by underscores, so that a secret written down by
    mistake is not taken for one.
    """
    for name in SECRETS:
        value = getattr(auth, name)
        if value is not None and not _VARIABLE.fullmatch(value):
            raise ValueError(
                f"auth.{name} must be the name of an environment variable, such as DTI_SITE_TOKEN, never the secret"
            )
    if auth.kind == "header" and (not _HTTP_TOKEN.fullmatch(auth.name or "") or (auth.name or "").lower() in OURS):
        raise ValueError("auth.name is not a header that a login may set")
    if not _HTTP_TOKEN.fullmatch(auth.scheme):
        raise ValueError("auth.scheme is one word, such as Bearer")
    if auth.scope is not None and not _SCOPE.fullmatch(auth.scope):
        raise ValueError("auth.scope is a list of words with one space between two (RFC 6749, 3.3)")
    if auth.token_path is not None:
        parts = auth.token_path.removeprefix("/").split("/")
        if any(part in ("", ".", "..") for part in parts) or any(
            sign <= " " or sign > "~" or sign in "?#\\:%@" for sign in auth.token_path
        ):
            raise ValueError("auth.token_path is a plain path beneath base_url, such as oauth2/token")
    return auth


def secrets_of(auth: Auth, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Field of `auth` -> secret. Raises NoLogin naming every variable that is not set."""
    wanted = {name: getattr(auth, name) for name in SECRETS if getattr(auth, name) is not None}
    if missing := sorted({variable for variable in wanted.values() if not environ.get(variable)}):
        raise NoLogin(f"chưa đặt biến môi trường {', '.join(missing)} khai trong auth của điểm thu")
    return {name: environ[variable] for name, variable in wanted.items()}


def wants_token(auth: Auth) -> bool:
    """Whether a token has to be asked for before anything else."""
    return auth.kind in ("oauth2_client", "oauth2_password")


def added(auth: Auth, secrets: Mapping[str, str], token: Token | None) -> Added:
    """What goes into a request. Raises NoLogin for a secret that cannot stand in a header."""
    if auth.kind == "form_field":
        return Added(fields={auth.name or "": secrets["token"]})
    if auth.kind == "header":
        return Added(headers={auth.name or "": _in_header(secrets["token"], auth.token)})
    if auth.kind == "bearer":
        return Added(headers={"Authorization": f"{auth.scheme} {_in_header(secrets['token'], auth.token)}"})
    if token is not None:
        return Added(headers={"Authorization": f"{auth.scheme} {token.value}"})
    return Added()


def token_request(auth: Auth, secrets: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """(headers, form) of the POST to the token endpoint: RFC 6749, 4.3.2 or 4.4.2, the client as in 2.3.1."""
    client = f"{quote_plus(secrets['client_id'])}:{quote_plus(secrets['client_secret'])}"
    headers = {
        "Authorization": "Basic " + base64.b64encode(client.encode()).decode("ascii"),
        "Accept": "application/json",
    }
    form = {"grant_type": "client_credentials"}
    if auth.kind == "oauth2_password":
        form = {"grant_type": "password", "username": secrets["username"], "password": secrets["password"]}
    if auth.scope is not None:
        form["scope"] = auth.scope
    return headers, form


def read_token(auth: Auth, status: int, body: bytes) -> Token:
    """The token in an endpoint's answer (RFC 6749, 5.1). Raises NoLogin, for a smaller scope than asked for as well."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {}
    if status != 200:
        # Only a known kind of word: descriptions and odd codes may repeat what was sent.
        code = answer.get("error")
        told = f" ({code})" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
        raise NoLogin(f"điểm cấp mã truy cập trả về mã {status}{told}")
    value, kind, lifetime = answer.get("access_token"), answer.get("token_type"), answer.get("expires_in")
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        raise NoLogin("câu trả lời của điểm cấp mã không có access_token dùng được")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoLogin("điểm cấp mã trả về loại mã khác Bearer")
    if isinstance(lifetime, str) and lifetime.isdecimal():  # a common deviation from the RFC's number
        lifetime = int(lifetime)
    if lifetime is not None and (isinstance(lifetime, bool) or not isinstance(lifetime, int) or lifetime <= 0):
        raise NoLogin("mã truy cập hết hạn ngay khi cấp, hoặc expires_in không phải là số giây")
    granted = answer.get("scope")
    if granted is not None and not isinstance(granted, str):
        raise NoLogin("scope trong câu trả lời của điểm cấp mã không phải là chuỗi")
    if granted is not None and (lacking := sorted(set((auth.scope or "").split()) - set(granted.split()))):
        raise NoLogin(f"điểm cấp mã không cho đủ quyền đã xin; thiếu: {', '.join(lacking)}")
    return Token(value, None if lifetime is None else float(lifetime))


def repeats_a_secret(secrets: Mapping[str, str], token: Token | None, text: bytes) -> bool:
    """Whether bytes hold a secret that was sent, such as an error page that repeats the request: as it is, as it
    stands in a form, or as it stands in JSON."""
    sent = [value for name, value in secrets.items() if name not in ("client_id", "username")]
    if token is not None:
        sent.append(token.value)
    return any(
        written.encode() in text
        for value in sent
        if len(value) >= SHORTEST_ECHO
        for written in {value, quote_plus(value), json.dumps(value)[1:-1]}
    )


def _in_header(secret: str, variable: str | None) -> str:
    if not _PRINTABLE.fullmatch(secret):
        raise NoLogin(f"giá trị của biến môi trường {variable} có ký tự không đặt được vào header (dấu, xuống dòng…)")
    return secret
