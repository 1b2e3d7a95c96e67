"""From the bytes of an answer to its `data`, and typed access to what stands in it.

Here: what makes an answer unusable as a whole (blocked, wrong status, cut short, not JSON, the portal's own error,
wrong types) as a SourceFailure, and what makes one number unusable as a Suspect. Not here: strict JSON (the kit's
`answers.py`) and what the fields mean (`rows.py`, `catalogue.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from bs4 import BeautifulSoup

from dti_pipeline.harvest.answers import Suspect, as_object, shown, strict_json
from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure

_BLOCK_PHRASES = (b"request rejected", b"access denied")
_PLAUSIBLE = Decimal(10) ** 15


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def data_of(snapshot: Snapshot) -> dict[str, Any]:
    """`data` of an answer that is one, its numbers as Decimal.

    Raises SourceFailure: HTTP_STATUS, BLOCKED, TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE; in this order, because
    a block page also comes with status 200 and is no JSON either.
    """
    envelope = as_object(document_of(snapshot), "câu trả lời")
    if envelope.get("code") != "OK":
        said = f"code {shown(envelope.get('code'))}, message {shown(envelope.get('message'))}"
        fail(FailureKind.SOURCE_ERROR, f"Cổng báo lỗi: {said}")
    return as_object(envelope.get("data"), "/data")


def document_of(snapshot: Snapshot, *, by_type: bool = True) -> Any:
    """The JSON of an answer, its numbers as Decimal. Raises SourceFailure: HTTP_STATUS, BLOCKED, TRUNCATED, NOT_JSON,
    WRONG_SHAPE.

    A server error is one whatever page comes with it: the firewall's block page has status 200 or 403. `by_type` False
    tells a page by its first sign instead of its Content-Type: a JSP page calls everything text/html.
    """
    status, head = snapshot.status, snapshot.body[:4096].lower()
    is_html = "text/html" in snapshot.header("content-type").lower() if by_type else head.lstrip().startswith(b"<")
    is_page = is_html or any(text in head for text in _BLOCK_PHRASES)
    if status == 408 or 500 <= status <= 599:
        said = f": {_visible_text(snapshot.body)}" if is_page else ""
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200 hoặc 201{said}", retryable=True)
    if status in (403, 429) or is_page:
        fail(FailureKind.BLOCKED, f"Cổng từ chối (HTTP {status}): {_visible_text(snapshot.body)}")
    if status not in (200, 201):
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200 hoặc 201")
    return strict_json(snapshot.body)


def _visible_text(body: bytes) -> str:
    """What a person would read on the page: it carries the support id that the portal's operator asks for."""
    text = BeautifulSoup(body[:65536].decode("utf-8", "replace"), "html.parser").get_text(" ", strip=True)
    return text[:300] or "(trang trống)"


def number(record: Mapping[str, Any], name: str, at: str) -> Decimal | None:
    """A number; None for null and for a missing key.

    Raises Suspect for a string, a negative or an impossible number, and SourceFailure for anything else.
    """
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        raise Suspect(f"{name} là chuỗi {shown(value)}, không phải số")
    if not isinstance(value, Decimal):
        fail(FailureKind.WRONG_SHAPE, f"{at}/{name} phải là số, không phải {shown(value)[:80]}")
    if value < 0:
        raise Suspect(f"{name} âm: {value}")
    if value > _PLAUSIBLE or value != round(value, 9):
        raise Suspect(f"{name} ngoài mọi khoảng có thể: {value}")
    return value


def text(record: Mapping[str, Any], name: str, at: str) -> str | None:
    """A string; None for null and for a missing key. Raises SourceFailure for anything else."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        fail(FailureKind.WRONG_SHAPE, f"{at}/{name} phải là chuỗi, không phải {shown(value)[:80]}")
    return value
