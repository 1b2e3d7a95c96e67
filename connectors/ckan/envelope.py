"""From the bytes of a CKAN answer to its `result`.

Here: what CKAN answers when something is wrong, in the words of SourceFailure. CKAN's documentation promises status 200
always; running it shows 400 with a JSON string, 403, 404, 409 and 500 with an error object, and a portal that is no
CKAN answers pages. Not here: what a result means (`connector.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure

_BLOCK_PHRASES = (b"request rejected", b"access denied")
_PASSWORD = re.compile(rb"<input[^>]+type\s*=\s*[\"']?password", re.IGNORECASE)
_OUTAGE = "Search Connection Error"


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def result_of(snapshot: Snapshot, *, is_fingerprint: bool = False) -> Any:
    """`result` of a successful answer, its numbers as Decimal.

    With `is_fingerprint`, whatever is no CKAN envelope is UNSUPPORTED_PLATFORM: the site may run something else. Else,
    CKAN having answered before, it is a fault of the moment. Raises SourceFailure: BLOCKED, AUTH_FAILED, HTTP_STATUS,
    SOURCE_ERROR, UNSUPPORTED_PLATFORM, TRUNCATED, NOT_JSON, WRONG_SHAPE.
    """
    status, body = snapshot.status, snapshot.body
    if status == 429 or any(phrase in body[:4096].lower() for phrase in _BLOCK_PHRASES):
        fail(FailureKind.BLOCKED, f"cổng từ chối (HTTP {status})")
    if _is_page(snapshot):
        if status == 401 or _PASSWORD.search(body):
            fail(FailureKind.AUTH_FAILED, f"cổng đòi đăng nhập (HTTP {status}) thay vì trả lời")
        if status == 403:
            fail(FailureKind.BLOCKED, "cổng từ chối (HTTP 403)")
        if status == 408 or status >= 500:
            fail(FailureKind.HTTP_STATUS, f"HTTP {status} kèm một trang HTML", retryable=True)
        if is_fingerprint:
            fail(FailureKind.UNSUPPORTED_PLATFORM, f"status_show trả một trang HTML (HTTP {status}): không phải CKAN")
        kind = FailureKind.NOT_JSON if status == 200 else FailureKind.HTTP_STATUS
        fail(kind, f"HTTP {status} kèm một trang HTML thay cho câu trả lời của CKAN")
    parsed = _parsed(snapshot, is_fingerprint)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("success"), bool):
        _not_an_envelope(status, parsed, is_fingerprint)
    if not parsed["success"]:
        _refused(status, parsed.get("error"))
    _expect_success(status)
    if "result" not in parsed:
        fail(FailureKind.WRONG_SHAPE, "câu trả lời thành công nhưng không có result")
    return parsed["result"]


def _is_page(snapshot: Snapshot) -> bool:
    return "html" in snapshot.header("content-type").lower() or snapshot.body.lstrip()[:1] == b"<"


def _parsed(snapshot: Snapshot, is_fingerprint: bool) -> Any:
    try:
        return json.loads(snapshot.body.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
        if snapshot.status >= 500:
            fail(FailureKind.HTTP_STATUS, f"HTTP {snapshot.status}", retryable=True)
        if _is_cut_short(snapshot.body.decode("utf-8-sig", "replace")):
            fail(FailureKind.TRUNCATED, f"JSON bị cắt ngang sau {len(snapshot.body)} byte", retryable=True)
        if is_fingerprint:
            fail(FailureKind.UNSUPPORTED_PLATFORM, f"status_show không trả JSON (HTTP {snapshot.status})")
        fail(FailureKind.NOT_JSON, f"không phải JSON (HTTP {snapshot.status}, {len(snapshot.body)} byte)")


def _is_cut_short(text: str) -> bool:
    """Starts as JSON and ends inside a text or with a bracket still open."""
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL)
    opened, closed = (sum(map(rest.count, brackets)) for brackets in ("{[", "}]"))
    return text.lstrip()[:1] in ("{", "[") and ('"' in rest or opened > closed)


def _not_an_envelope(status: int, parsed: Any, is_fingerprint: bool) -> NoReturn:
    if status >= 500:
        fail(FailureKind.HTTP_STATUS, f"HTTP {status}", retryable=True)
    if is_fingerprint:
        fail(FailureKind.UNSUPPORTED_PLATFORM, f"status_show trả JSON không phải của CKAN (HTTP {status})")
    if isinstance(parsed, str):
        fail(FailureKind.SOURCE_ERROR, f"CKAN báo lỗi (HTTP {status}): {parsed[:200]}")
    _expect_success(status)
    fail(FailureKind.WRONG_SHAPE, "câu trả lời không có success đúng hay sai như phong bì của CKAN")


def _expect_success(status: int) -> None:
    if status == 401:
        fail(FailureKind.AUTH_FAILED, "cổng đòi đăng nhập (HTTP 401)")
    if status == 403:
        fail(FailureKind.BLOCKED, "cổng từ chối (HTTP 403)")
    if status not in (200, 201):
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=status == 408 or status >= 500)


def _refused(status: int, error: Any) -> NoReturn:
    """CKAN's own error object. A validation error names fields and has no message."""
    if not isinstance(error, Mapping):
        fail(FailureKind.SOURCE_ERROR, f"CKAN báo lỗi (HTTP {status}) mà không nói lỗi gì")
    kind = str(error.get("__type", "không rõ loại"))
    said = error.get("message")
    if not isinstance(said, str):
        said = ", ".join(sorted(str(name) for name in error if name != "__type"))
    words = f"CKAN báo lỗi (HTTP {status}): {kind}: {said[:200]}"
    if kind == "Authorization Error" or status in (401, 403):
        fail(FailureKind.AUTH_FAILED, words)
    fail(FailureKind.SOURCE_ERROR, words, retryable=kind == _OUTAGE or status >= 500)


def as_object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là một đối tượng JSON")
    return value


def as_list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là một danh sách")
    return value


def as_count(record: Mapping[str, Any], name: str, at: str) -> Decimal:
    """A whole number from 0 on. Raises SourceFailure for anything else: null and a missing key are no 0."""
    if name not in record:
        fail(FailureKind.WRONG_SHAPE, f"{at} không có {name}")
    value, at = record[name], f"{at}/{name}"
    if value is None:
        fail(FailureKind.WRONG_SHAPE, f"{at} là null: cổng không cho số này")
    if not isinstance(value, Decimal) or value != value.to_integral_value() or value < 0:
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là số nguyên không âm")
    return value
