"""From the bytes of an answer to its `data`, and typed access to what stands in it.

Here: what makes an answer unusable as a whole (blocked, wrong status, cut short, not JSON, the portal's own error,
wrong types) as a SourceFailure, and what makes one number unusable as a Suspect. Not here: what the fields mean
(`rows.py`, `catalogue.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from bs4 import BeautifulSoup

from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure

_BLOCK_PHRASES = (b"request rejected", b"access denied")
_PLAUSIBLE = Decimal(10) ** 15


class Suspect(Exception):
    """A record that cannot be trusted, with the reason."""


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def data_of(snapshot: Snapshot) -> dict[str, Any]:
    """`data` of an answer that is one, its numbers as Decimal.

    Raises SourceFailure: BLOCKED, HTTP_STATUS, TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE; in this order, because
    a block page also comes with status 200 and is no JSON either.
    """
    envelope = as_object(document_of(snapshot), "câu trả lời")
    if envelope.get("code") != "OK":
        said = f"code {shown(envelope.get('code'))}, message {shown(envelope.get('message'))}"
        fail(FailureKind.SOURCE_ERROR, f"Cổng báo lỗi: {said}")
    return as_object(envelope.get("data"), "/data")


def document_of(snapshot: Snapshot, *, by_type: bool = True) -> Any:
    """The JSON of an answer, its numbers as Decimal. Raises SourceFailure: BLOCKED, HTTP_STATUS, TRUNCATED, NOT_JSON.

    `by_type` False tells a page by its first sign instead of its Content-Type: a JSP page calls everything text/html.
    """
    status, head = snapshot.status, snapshot.body[:4096].lower()
    is_html = "text/html" in snapshot.header("content-type").lower() if by_type else head.lstrip().startswith(b"<")
    if status in (403, 429) or is_html or any(text in head for text in _BLOCK_PHRASES):
        fail(FailureKind.BLOCKED, f"Cổng từ chối (HTTP {status}): {_visible_text(snapshot.body)}")
    if status not in (200, 201):
        retryable = status == 408 or 500 <= status <= 599
        fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200 hoặc 201", retryable=retryable)
    return _parse(snapshot.body)


def _visible_text(body: bytes) -> str:
    """What a person would read on the page: it carries the support id that the portal's operator asks for."""
    text = BeautifulSoup(body[:65536].decode("utf-8", "replace"), "html.parser").get_text(" ", strip=True)
    return text[:300] or "(trang trống)"


def _parse(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_not_a_number,
            object_pairs_hook=_without_twins,
        )
    except (ValueError, InvalidOperation, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        if _is_cut_short(body.decode("utf-8-sig", "replace")):
            fail(FailureKind.TRUNCATED, f"JSON bị cắt ngang sau {len(body)} byte", retryable=True)
        fail(FailureKind.NOT_JSON, f"không phải JSON ({type(error).__name__}: {str(error)[:120]})")


def _is_cut_short(text: str) -> bool:
    """Starts as JSON and ends inside a string or with a bracket still open."""
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL)
    opened, closed = (sum(map(rest.count, brackets)) for brackets in ("{[", "}]"))
    return text.lstrip()[:1] in ("{", "[") and ('"' in rest or opened > closed)


def _not_a_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with the same key twice: json would silently keep the last, and a locator could mean either."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            fail(FailureKind.WRONG_SHAPE, f"trường «{name}» xuất hiện hai lần trong một đối tượng")
        fields[name] = value
    return fields


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


def as_object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là một đối tượng JSON, không phải {shown(value)[:80]}")
    return value


def as_list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là một danh sách, không phải {shown(value)[:80]}")
    return value


def shown(value: object) -> str:
    """A parsed value as JSON again, its numbers as they were printed."""
    match value:
        case dict():
            return "{" + ", ".join(f"{shown(key)}: {shown(part)}" for key, part in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(shown, value)) + "]"
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
