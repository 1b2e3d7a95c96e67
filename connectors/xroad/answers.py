"""From the bytes of a security server's answer to JSON, and what a plan told the reader beside the question.

Here: whose error an answer is (the bus, the provider behind it, our login, something else at that address) and strict
JSON. Not here: what the figures mean (`connector.py`, `operational_data.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from dti_pipeline.harvest.answers import strict_json
from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure

CONTEXT = "DTI-Context"
"""Header with what the plan knows and no answer says: which unit is asked about, and what its earlier systems gave.
Servers ignore it; it holds identifier codes and counts only."""

_PLAUSIBLE = Decimal(10) ** 12


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def with_context(**known: Any) -> dict[str, str]:
    """The header, as one line of ASCII."""
    return {CONTEXT: json.dumps(known, sort_keys=True, separators=(",", ":"))}


def context_of(snapshot: Snapshot) -> dict[str, Any]:
    """What the plan told; nothing where the request is stored without its headers."""
    known: dict[str, Any] = json.loads(snapshot.request.headers.get(CONTEXT, "{}"))
    return known


def refuse_errors(snapshot: Snapshot) -> None:
    """Raises SourceFailure for an answer that is an error: AUTH_FAILED, BLOCKED, UNSUPPORTED_PLATFORM, SOURCE_ERROR,
    HTTP_STATUS. An error of the bus carries `X-Road-Error`; a 5xx without it comes from the system behind the bus."""
    status, bus_error = snapshot.status, snapshot.header("x-road-error")
    is_page = "html" in snapshot.header("content-type").lower() or snapshot.body[:200].lstrip()[:5].lower() == b"<html"
    retryable = status == 408 or 500 <= status <= 599
    if status == 401:
        fail(FailureKind.AUTH_FAILED, "máy chủ bảo mật không chấp nhận khóa API (HTTP 401)")
    if bus_error:
        said = f"máy chủ bảo mật báo lỗi {bus_error[:120]} (HTTP {status}): {_said(snapshot.body)}"
        fail(FailureKind.SOURCE_ERROR, said, retryable=retryable and "AccessDenied" not in bus_error)
    if status == 429 or (is_page and (status == 403 or b"request rejected" in snapshot.body[:4096].lower())):
        fail(FailureKind.BLOCKED, f"bị chặn (HTTP {status})")
    if status == 403:
        fail(FailureKind.AUTH_FAILED, "khóa API không có quyền xem (cần XROAD_SECURITYSERVER_OBSERVER; HTTP 403)")
    is_about_one = "/clients/" in snapshot.request.path
    if (status == 404 and not is_about_one) or (is_page and 200 <= status <= 299):
        where = snapshot.request.path
        fail(
            FailureKind.UNSUPPORTED_PLATFORM,
            f"không phải máy chủ X-Road, hoặc bản cũ chưa có «{where}» (HTTP {status})",
        )
    if 400 <= status <= 499 and status != 408:
        fail(FailureKind.SOURCE_ERROR, f"máy chủ bảo mật từ chối câu hỏi (HTTP {status}): {_said(snapshot.body)}")
    if not 200 <= status <= 299:
        behind = "; không có X-Road-Error nên lỗi ở hệ thống phía sau" if retryable else ""
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200{behind}", retryable=retryable)


def _said(body: bytes) -> str:
    """The error's own type or code and message; nothing of its details, which may quote a record."""
    try:
        error = json.loads(body)
    except ValueError:
        return "(không có lời giải thích)"
    if isinstance(error, dict):
        inner = error.get("error")
        error = inner if isinstance(inner, dict) else error
        parts = [str(error[key]) for key in ("type", "code", "message") if isinstance(error.get(key), str)]
        return " – ".join(parts)[:200] or "(không có lời giải thích)"
    return "(không có lời giải thích)"


def json_of(snapshot: Snapshot) -> Any:
    """The JSON of a good answer, numbers as Decimal. Raises SourceFailure, besides the errors: TRUNCATED, NOT_JSON,
    SOURCE_ERROR for an error object under a good status."""
    refuse_errors(snapshot)
    document = strict_json(snapshot.body)
    if isinstance(document, dict) and ({"type", "message"} <= set(document) or "error" in document):
        fail(FailureKind.SOURCE_ERROR, f"máy chủ báo lỗi dưới mã {snapshot.status}: {_said(snapshot.body)}")
    return document


def as_list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là một danh sách")
    return value


def as_object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là một đối tượng JSON")
    return value


def words(record: Mapping[str, Any], *names: str) -> str | None:
    """Why a record cannot be used: the first of these fields that is no filled text; None where all are."""
    return next((f"{name} thiếu hoặc không phải chuỗi" for name in names if not _is_text(record.get(name))), None)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def count_of(value: Any) -> Decimal | None:
    """A whole number of things; None for anything else: text, negative, broken or beyond all counting."""
    is_count = isinstance(value, Decimal) and 0 <= value <= _PLAUSIBLE and value == value.to_integral_value()
    return value if is_count else None


def new_fields(records: Iterable[Mapping[str, Any]], known: frozenset[str], where: str) -> tuple[str, ...]:
    """One warning per field that nobody has decided about yet."""
    seen = {name for record in records for name in record}
    return tuple(f"{where}: trường mới «{name}»" for name in sorted(seen - known))


def shown(value: Any) -> str:
    """A record as JSON again."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
