"""From the bytes of a publisher's answer to one page of a list, and what a plan told the reader beside the question.

Here: errors, strict JSON, pages that hold what they say. Not here: what APIs and subscriptions mean (`connector.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from dti_pipeline.harvest.answers import strict_json
from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure

CONTEXT = "DTI-Context"
"""Header with what the plan knows and no answer says: how units are named, and what earlier pages gave. The publisher
ignores it; it holds identifier codes, names of providers and counts only."""


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def with_context(**known: Any) -> dict[str, str]:
    """The header, as one line of ASCII."""
    return {CONTEXT: json.dumps(known, sort_keys=True, separators=(",", ":"))}


def context_of(snapshot: Snapshot) -> dict[str, Any]:
    """What the plan told; nothing where the request is stored without its headers."""
    known: dict[str, Any] = json.loads(snapshot.request.headers.get(CONTEXT, "{}"))
    return known


class Page(NamedTuple):
    """One page of a list."""

    items: list[dict[str, Any]]
    offset: int
    total: int
    unknown: tuple[str, ...] = ()
    """Fields of the page itself, not of its items, that nobody has seen before."""

    @property
    def following(self) -> int | None:
        """Offset of the next page; None after the last."""
        reached = self.offset + len(self.items)
        return reached if reached < self.total else None


def document_of(snapshot: Snapshot) -> dict[str, Any]:
    """The JSON object of a good answer, numbers as Decimal.

    Raises SourceFailure: AUTH_FAILED (401, or 403 with the publisher's own words: a token with too small a scope),
    BLOCKED, UNSUPPORTED_PLATFORM, SOURCE_ERROR, HTTP_STATUS, TRUNCATED, NOT_JSON, WRONG_SHAPE.
    """
    status = snapshot.status
    is_page = "html" in snapshot.header("content-type").lower()
    if status == 401:
        fail(FailureKind.AUTH_FAILED, f"máy chủ không chấp nhận mã truy cập (HTTP 401): {_said(snapshot.body)}")
    if status == 429 or (is_page and (status == 403 or b"request rejected" in snapshot.body[:4096].lower())):
        fail(FailureKind.BLOCKED, f"bị chặn (HTTP {status})")
    if status == 403:
        fail(
            FailureKind.AUTH_FAILED,
            f"mã truy cập thiếu quyền apim:api_view hoặc apim:subscription_view (HTTP 403): {_said(snapshot.body)}",
        )
    if is_page or (status == 404 and snapshot.request.path.rstrip("/").endswith("/apis")):
        fail(
            FailureKind.UNSUPPORTED_PLATFORM,
            f"không phải WSO2 API Manager, hoặc sai api_version: «{snapshot.request.path}» (HTTP {status})",
        )
    if 400 <= status <= 499 and status != 408:
        fail(FailureKind.SOURCE_ERROR, f"máy chủ từ chối câu hỏi (HTTP {status}): {_said(snapshot.body)}")
    if not 200 <= status <= 299:
        retryable = status == 408 or 500 <= status <= 599
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200: {_said(snapshot.body)}", retryable=retryable)
    document = strict_json(snapshot.body)
    if not isinstance(document, dict):
        fail(FailureKind.WRONG_SHAPE, "câu trả lời phải là một đối tượng JSON")
    if "code" in document and "message" in document and "list" not in document:
        fail(FailureKind.SOURCE_ERROR, f"máy chủ báo lỗi dưới mã {status}: {_said(snapshot.body)}")
    return document


_OF_THE_PAGE = {"count", "list", "pagination"}
_OF_THE_PAGING = {"offset", "limit", "total", "next", "previous"}


def page_of(snapshot: Snapshot) -> Page:
    """A page that holds as many items as it says, and not fewer than a page in the middle must.

    Raises SourceFailure as `document_of`, and TRUNCATED where the list breaks off before its total.
    """
    document = document_of(snapshot)
    items, paging = document.get("list"), document.get("pagination")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        fail(FailureKind.WRONG_SHAPE, "/list phải là danh sách các đối tượng")
    if not isinstance(paging, dict):
        fail(FailureKind.WRONG_SHAPE, "thiếu /pagination, không biết danh sách có đủ không")
    total, offset = (_whole(paging.get(name)) for name in ("total", "offset"))
    count = _whole(document.get("count"))
    if total is None or offset is None or count is None:
        fail(FailureKind.WRONG_SHAPE, "count, pagination.total và pagination.offset phải là số đếm")
    asked = snapshot.request.params.get("offset", "0")
    if str(offset) != asked:
        fail(FailureKind.WRONG_ROOT, f"hỏi từ mục {asked}, trả lời từ mục {offset}")
    if count != len(items):
        fail(FailureKind.TRUNCATED, f"máy chủ báo {count} mục trong trang, nhận được {len(items)}")
    if offset + count > total:
        fail(FailureKind.WRONG_SHAPE, f"đã nhận {offset + count} mục, máy chủ báo có {total}")
    if not items and offset < total:
        fail(FailureKind.TRUNCATED, f"danh sách dừng ở {offset} mục, máy chủ báo có {total}")
    unknown = {*document} - _OF_THE_PAGE | {f"pagination/{name}" for name in {*paging} - _OF_THE_PAGING}
    return Page(items, offset, total, tuple(sorted(unknown)))


def _whole(value: Any) -> int | None:
    is_count = isinstance(value, Decimal) and 0 <= value < 10**9 and value == value.to_integral_value()
    return int(value) if is_count else None


def _said(body: bytes) -> str:
    """The error's own code and message; not its description, which may quote what was sent."""
    try:
        error = json.loads(body)
    except ValueError:
        return "(không có lời giải thích)"
    parts = [str(error[key]) for key in ("code", "message") if error.get(key)] if isinstance(error, dict) else []
    return " – ".join(parts)[:200] or "(không có lời giải thích)"


def shown(record: Mapping[str, Any] | object) -> str:
    """A record as JSON again."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True, default=str)
