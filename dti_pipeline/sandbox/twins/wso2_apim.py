"""Practice twin of a WSO2 API Manager: the publisher of the fictional province's data platform.

Here: the token endpoint (client credentials, password), pages of published APIs and of their subscriptions, errors as
the publisher words them. Not here: sockets (`sandbox/server.py`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from dti_pipeline.sandbox.practice import SEED, SILENT_UNIT, draw, portal_units, unit
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest

VERSION = "v4"
CLIENT, SECRET, TOKEN = "thuc-hanh-wso2", "thuc-hanh-wso2-khong-co-gia-tri", "thuc-hanh-ma-truy-cap-wso2"
SCOPES = ("apim:api_view", "apim:subscription_view")
"""What the account may have; whatever else is asked for is left out of the token without a word."""
DEFAULT_LIMIT = 25
CROWDED = "H00.11-API-01"
"""An API with more subscriptions than fit on one page."""

_THEMES = ("tra-cuu", "danh-muc", "dong-bo", "trang-thai", "thong-ke", "xac-minh", "cap-nhat", "chia-se")
_STATES = (*("UNBLOCKED",) * 12, "PROD_ONLY_BLOCKED", "BLOCKED", "ON_HOLD", "REJECTED")


@cache
def apis(code: str) -> tuple[str, ...]:
    """Ids of a unit's published APIs. Communes publish none, and one department none either."""
    if unit(code).level != "department" or code == SILENT_UNIT:
        return ()
    many = draw(SEED, code, "wso2-apis").randint(1, 12)
    return tuple(f"{code}-API-{number:02d}" for number in range(1, many + 1))


@cache
def subscriptions(api: str) -> tuple[tuple[str, str], ...]:
    """(application, state) of an API's subscriptions."""
    rng = draw(SEED, api, "wso2-subscriptions")
    many = 130 if api == CROWDED else rng.randint(0, 9)
    return tuple((f"UD-{number:03d}", rng.choice(_STATES)) for number in range(many))


class Wso2Twin:
    """See `Twin`."""

    environment: Mapping[str, str] = {
        "DTI_PRACTICE_WSO2_CLIENT": CLIENT,
        "DTI_PRACTICE_WSO2_SECRET": SECRET,
    }

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        return [
            {
                "name": "thuc-hanh-lgsp",
                "connector": "wso2_apim",
                "base_url": base_url,
                "province": "H00",
                "options": {"api_version": VERSION, "providers": {provider("H00.05"): "H00.05"}},
                "politeness": {"min_interval_s": 0.0, "jitter_s": 0.0, "backoff_s": 0.0},
                "auth": {
                    "kind": "oauth2_client",
                    "token_path": "oauth2/token",
                    "client_id": "DTI_PRACTICE_WSO2_CLIENT",
                    "client_secret": "DTI_PRACTICE_WSO2_SECRET",
                    "scope": " ".join(SCOPES),
                },
            }
        ]

    def answer(self, request: TwinRequest) -> TwinAnswer:
        path = request.path.strip("/")
        if path == "oauth2/token":
            return self._token(request)
        if not path.startswith(f"api/am/publisher/{VERSION}/"):
            return TwinAnswer(b"<html><body>404 Not Found</body></html>", "text/html", 404)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, 401, "", "Unauthenticated request")
        if request.method != "GET":
            return _error(405, 405, "Method Not Allowed", "")
        try:
            limit, offset = int(request.params.get("limit", DEFAULT_LIMIT)), int(request.params.get("offset", 0))
        except ValueError:
            return _error(400, 900314, "Bad Request", "limit and offset are whole numbers")
        name = path.rsplit("/", 1)[1]
        if name == "apis":
            return _page(_listed(request.params.get("query", "")), limit, offset)
        if name == "subscriptions":
            api = request.params.get("apiId", "")
            if not any(api in apis(code) for code in portal_units()):
                return _error(404, 900314, "Not Found", f"Requested API with id '{api}' not found")
            return _page([_subscription(api, *item) for item in subscriptions(api)], limit, offset)
        return _error(404, 404, "Not Found", "")

    def _token(self, request: TwinRequest) -> TwinAnswer:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            said = {"error": "invalid_client", "error_description": "Client Authentication failed."}
            return TwinAnswer(json.dumps(said).encode(), status=401)
        form = parse_qs(request.body.decode("utf-8", "replace"))
        if form.get("grant_type", [""])[0] not in ("client_credentials", "password"):
            return TwinAnswer(b'{"error":"unsupported_grant_type"}', status=400)
        granted = [scope for scope in form.get("scope", [""])[0].split() if scope in SCOPES]
        token = {
            "access_token": TOKEN,
            "scope": " ".join(granted) or "default",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        return TwinAnswer(json.dumps(token).encode())


def provider(code: str) -> str:
    """The account that publishes a unit's APIs."""
    return f"lgsp-{code.lower().replace('.', '-')}"


def _listed(query: str) -> list[dict[str, Any]]:
    if query not in ("", "status:PUBLISHED"):
        return []
    return [_api(code, api, number) for code in portal_units() for number, api in enumerate(apis(code))]


def _api(code: str, api: str, number: int) -> dict[str, Any]:
    theme = _THEMES[number % len(_THEMES)]
    named = {"name": "ma_dinh_danh", "value": code, "display": False}
    # One department publishes without the property: its account tells whose APIs they are.
    properties = [] if code == "H00.05" else [named]
    return {
        "id": api,
        "name": f"{theme}-{number + 1}",
        "description": f"API {theme} (hư cấu)",
        "context": f"/h00/{code.lower()}/{theme}",
        "additionalProperties": properties,
        "additionalPropertiesMap": {item["name"]: item for item in properties},
        "version": "1.0.0",
        "provider": provider(code),
        "type": "HTTP",
        "lifeCycleStatus": "PUBLISHED",
        "workflowStatus": "APPROVED",
        "hasThumbnail": False,
        "securityScheme": ["oauth2"],
        "createdTime": "1767225600000",
        "updatedTime": "1788220800000",
        "updatedBy": provider(code),
        "gatewayVendor": "wso2",
        "advertiseOnly": False,
        "businessOwner": unit(code).name,
        "businessOwnerEmail": "dau-moi@h00.invalid",
    }


def _subscription(api: str, application: str, state: str) -> dict[str, Any]:
    return {
        "subscriptionId": f"{api}-{application}",
        "applicationInfo": {
            "applicationId": application,
            "name": f"Ứng dụng {application} (hư cấu)",
            "subscriber": "tai-khoan-hu-cau",
        },
        "throttlingPolicy": "Unlimited",
        "subscriptionStatus": state,
    }


def _page(items: list[dict[str, Any]], limit: int, offset: int) -> TwinAnswer:
    page = items[offset : offset + limit]
    body = {
        "count": len(page),
        "list": page,
        "pagination": {
            "offset": offset,
            "limit": limit,
            "total": len(items),
            "next": f"?limit={limit}&offset={offset + limit}" if offset + limit < len(items) else "",
            "previous": f"?limit={limit}&offset={max(0, offset - limit)}" if offset else "",
        },
    }
    return TwinAnswer(json.dumps(body, ensure_ascii=False).encode())


def _error(status: int, code: int, message: str, description: str) -> TwinAnswer:
    body = {"code": code, "message": message, "description": description, "moreInfo": "", "error": []}
    return TwinAnswer(json.dumps(body).encode(), status=status)


TWIN = Wso2Twin()
