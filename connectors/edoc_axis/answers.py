"""From the bytes of an answer to parsed JSON, or a failure that says why not.

Here: statuses and block pages. Not here: strict JSON (the kit's `answers.py`), what the fields mean.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NoReturn

from dti_pipeline.harvest.answers import strict_json
from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure

_LARGEST = Decimal(10) ** 12


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def document_of(snapshot: Snapshot) -> Any:
    """The JSON of a good answer, numbers as Decimal. Never an empty result for what cannot be read.

    Raises SourceFailure: AUTH_FAILED, BLOCKED, HTTP_STATUS, UNSUPPORTED_PLATFORM, TRUNCATED, NOT_JSON, WRONG_SHAPE.
    """
    status = snapshot.status
    is_page = "text/html" in snapshot.header("content-type").lower() or snapshot.body[:64].lstrip()[:1] == b"<"
    if status == 401:
        fail(FailureKind.AUTH_FAILED, "HTTP 401: nguồn không chấp nhận mã truy cập")
    if status in (403, 429):
        fail(FailureKind.BLOCKED, f"HTTP {status}: nguồn từ chối")
    if status not in (0, 200, 201):  # 0: a folder has no status
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=status == 408 or 500 <= status <= 599)
    if is_page:
        head = snapshot.body[:4096].lower()
        if b"request rejected" in head or b"access denied" in head:
            fail(FailureKind.BLOCKED, f"HTTP {status}: trang chặn thay cho số liệu")
        fail(FailureKind.UNSUPPORTED_PLATFORM, "nguồn trả một trang web hoặc XML thay cho JSON")
    return strict_json(snapshot.body)


def whole(value: object) -> Decimal | None:
    """A count; None for what is none: null, text, a fraction, a negative or an impossible number."""
    if isinstance(value, Decimal) and value == value.to_integral_value() and 0 <= value <= _LARGEST:
        return value.to_integral_value()
    return None
