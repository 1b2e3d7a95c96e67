"""From the bytes of an answer or a dropped file to its batches, and single values out of them.

Here: what makes an answer unusable as a whole, the three shapes of a document, moments, flags and amounts. Not here:
what may be kept (`redaction.py`) and what a dossier counts for (`dossier.py`).

No message here repeats a value of a record: before the redaction it may be personal. Whole numbers stay whole numbers,
because what is kept is written again as it came. Both are why the kit's own strict reader is not used.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from dti_pipeline.harvest.answers import whole_text
from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure

DOSSIERS = "DongBoHoSoMC"
PROGRESS = "CapNhatTienDoHoSoMC"
PROCEDURES = "DanhMucTTHC"
SERVICES = frozenset({DOSSIERS, PROGRESS, PROCEDURES})

_LOCAL = dt.timezone(dt.timedelta(hours=7))
_DIGITS = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}
_SPOKEN = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y")


class Suspect(Exception):
    """A record that cannot be trusted, with the reason; never with a value of it."""


class Moment(NamedTuple):
    """A local time (UTC+7). A deadline at midnight, or with no time at all, means its whole day."""

    at: dt.datetime
    has_time: bool

    @property
    def day(self) -> dt.date:
        return self.at.date()

    def is_by(self, deadline: Moment) -> bool:
        if self.has_time and deadline.has_time:
            return self.at <= deadline.at
        return self.day <= deadline.day


def fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def document_of(snapshot: Snapshot) -> Any:
    """The parsed JSON of an answer or file.

    Raises SourceFailure: AUTH_FAILED, BLOCKED, HTTP_STATUS, TRUNCATED, NOT_JSON, SOURCE_ERROR, WRONG_SHAPE.
    """
    status, is_json = snapshot.status, snapshot.body.lstrip()[:1] in (b"{", b"[")
    if snapshot.request.kind == "http":
        if status == 401 or (status == 403 and is_json):
            fail(FailureKind.AUTH_FAILED, f"Hệ thống một cửa từ chối mã truy cập (HTTP {status})")
        if status in (403, 429) or (status < 300 and "text/html" in snapshot.header("content-type").lower()):
            fail(FailureKind.BLOCKED, f"Hệ thống một cửa từ chối hoặc trả trang chặn (HTTP {status})")
        if status not in (200, 201):
            retryable = status == 408 or 500 <= status <= 599
            fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200", retryable=retryable)
    document = _parse(snapshot.body)
    if isinstance(document, dict):
        code = document.get("error_code")
        if code not in (None, 0, "0", "") or ("error" in document and "data" not in document):
            shown = code if isinstance(code, int) or (isinstance(code, str) and code.lstrip("-").isdigit()) else "?"
            fail(FailureKind.SOURCE_ERROR, f"Hệ thống một cửa báo lỗi trong câu trả lời (error_code {shown})")
    return document


def _parse(body: bytes) -> Any:
    try:
        document = json.loads(
            body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_unique
        )
    except (ValueError, InvalidOperation, RecursionError) as error:
        text = re.sub(r'"(?:[^"\\]|\\.)*"', "", body.decode("utf-8-sig", "replace"), flags=re.DOTALL)
        is_open = '"' in text or sum(map(text.count, "{[")) > sum(map(text.count, "}]"))
        if text.lstrip()[:1] in ("{", "[") and is_open:
            fail(FailureKind.TRUNCATED, f"JSON bị cắt ngang sau {len(body)} byte", retryable=True)
        fail(FailureKind.NOT_JSON, f"không phải JSON ({type(error).__name__})")
    return whole_text(document, body)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        fail(FailureKind.WRONG_SHAPE, "một đối tượng JSON có hai trường trùng tên")
    return fields


def batches_of(document: Any) -> list[dict[str, Any]]:
    """The batches of one document, in the order sent: a batch, a list of batches, or the kept form of either.

    Raises SourceFailure WRONG_SHAPE.
    """
    if isinstance(document, dict) and "batches" in document:
        document = document["batches"]
    batches = document if isinstance(document, list) else [document]
    if not batches:
        fail(FailureKind.WRONG_SHAPE, "không có lô dữ liệu nào; tháng không có hồ sơ vẫn phải có một lô với data rỗng")
    for position, batch in enumerate(batches):
        if not isinstance(batch, dict) or not isinstance(batch.get("data"), list):
            fail(FailureKind.WRONG_SHAPE, f"lô {position} không có dạng {{isUpdating, service, data: […]}}")
        service = batch.get("service")
        if not isinstance(service, str) or service not in SERVICES:
            fail(FailureKind.WRONG_SHAPE, f"lô {position}: service không phải {', '.join(sorted(SERVICES))}")
        if any(not isinstance(record, dict) for record in batch["data"]):
            fail(FailureKind.WRONG_SHAPE, f"lô {position}: data phải là danh sách đối tượng")
    return batches


def parse_moment(value: object) -> Moment | None:
    """A time in one of the spellings that are in use; None for null and for an empty text.

    Known: `yyyyMMddHHmmss` and shorter, ISO 8601, `dd/MM/yyyy[ HH:mm[:ss]]`, seconds or milliseconds since 1970. What
    has a zone is converted to UTC+7; `Z` is taken at its word. Raises Suspect for anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Suspect("không phải thời điểm")
    text = str(value).strip()
    try:
        if text.isascii() and text.isdigit():
            if len(text) in (10, 13):
                return _moment(dt.datetime.fromtimestamp(int(text[:10]), _LOCAL), has_time=True)
            return _moment(dt.datetime.strptime(text, _DIGITS[len(text)]), has_time=len(text) > 8)  # noqa: DTZ007
        if "/" in text:
            shape = _SPOKEN[2 - text.count(":")]
            return _moment(dt.datetime.strptime(text, shape), has_time=":" in text)  # noqa: DTZ007
        return _moment(dt.datetime.fromisoformat(text), has_time=len(text) > 10)
    except (ValueError, KeyError, IndexError, OverflowError, OSError):
        raise Suspect("thời điểm viết theo cách chưa từng biết") from None


def _moment(at: dt.datetime, *, has_time: bool) -> Moment:
    local = at.astimezone(_LOCAL).replace(tzinfo=None) if at.tzinfo is not None else at
    return Moment(local, has_time and local.time() != dt.time(0))


def moment(record: Mapping[str, Any], name: str) -> Moment | None:
    """Raises Suspect, naming the column."""
    try:
        return parse_moment(record.get(name))
    except Suspect as reason:
        raise Suspect(f"{name}: {reason}") from None


def word(record: Mapping[str, Any], name: str) -> str:
    """A category as text; empty for null, an empty text and a missing key. Raises Suspect."""
    value = record.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, str | int):
        raise Suspect(f"{name} không phải chữ hoặc số")
    text = str(value).strip()
    return {"true": "1", "false": "0"}.get(text.lower(), text)


def flag(record: Mapping[str, Any], name: str) -> bool:
    """1 or 0; null, an empty text and a missing key are 0. Raises Suspect for any other word."""
    text = word(record, name)
    if text not in ("", "0", "1"):
        raise Suspect(f"{name} có giá trị chưa từng biết")
    return text == "1"


def amount(record: Mapping[str, Any], name: str) -> Decimal:
    """A sum of money; null, an empty text and a missing key are 0. Raises Suspect."""
    value = record.get(name)
    if value is None or value == "":
        return Decimal(0)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise Suspect(f"{name} không phải số tiền")
        text = str(value).strip()
        number = Decimal(text.replace(".", "") if re.fullmatch(r"\d{1,3}(\.\d{3})+", text) else text)
    except InvalidOperation:
        raise Suspect(f"{name} không phải số tiền") from None
    if not number.is_finite() or number < 0:
        raise Suspect(f"{name} âm hoặc vô hạn")
    return number


def parts(record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects; empty for null, an empty text and a missing key. Raises Suspect."""
    value = record.get(name)
    if value is None or value == "":
        return []
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        raise Suspect(f"{name} không phải danh sách đối tượng")
    return value
