"""From the bytes of a JSON answer to its fields: what connectors of JSON sources share.

Here: what makes an answer unusable as a whole, typed access with RFC 6901 places, and notes that say one cause once.
A connector may use it or not. Not here: what the fields mean, other formats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from bs4 import BeautifulSoup

from dti_pipeline.harvest.model import FailureKind, Quarantined, Snapshot, SourceFailure
from dti_pipeline.scoring.states import InputState

_BLOCK_PHRASES = (b"request rejected", b"access denied")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_PLAUSIBLE = Decimal(10) ** 15


class Suspect(Exception):
    """A record that cannot be trusted, with the reason: put it into quarantine."""


class Number(NamedTuple):
    """A number of a record as an observation needs it."""

    value: Decimal | None
    state: InputState
    """HARVESTED for a number (0 too), MISSING for null and for a key that is not there."""
    locator: str
    """JSON Pointer of the number, or of the record that lacks it."""


def json_of(snapshot: Snapshot) -> Any:
    """The document of an answer that is one, its numbers as Decimal.

    Raises SourceFailure: AUTH_FAILED (401, a page with a password field), BLOCKED (403, 429, any other page),
    HTTP_STATUS (other than 200 and 201; 408 and 5xx retryable), TRUNCATED, NOT_JSON, WRONG_SHAPE (a key twice).
    """
    status, head = snapshot.status, snapshot.body[:4096].lower()
    if status >= 500 or status == 408:
        _fail(FailureKind.HTTP_STATUS, f"HTTP {status}", retryable=True)
    is_page = "text/html" in snapshot.header("content-type").lower() or any(text in head for text in _BLOCK_PHRASES)
    if status == 401 or (is_page and re.search(rb"type=['\"]?password", head)):
        _fail(FailureKind.AUTH_FAILED, f"nguồn đòi đăng nhập (HTTP {status})")
    if status in (403, 429) or is_page:
        _fail(FailureKind.BLOCKED, f"nguồn từ chối (HTTP {status}): {_visible(snapshot.body)}")
    if status not in (200, 201):
        _fail(FailureKind.HTTP_STATUS, f"HTTP {status} thay cho 200")
    return strict_json(snapshot.body)


def as_object(value: Any, at: str) -> dict[str, Any]:
    """Raises SourceFailure WRONG_SHAPE for anything but an object. `at`: JSON Pointer, empty for the whole answer."""
    if not isinstance(value, dict):
        _fail(FailureKind.WRONG_SHAPE, f"{at or 'câu trả lời'} phải là một đối tượng, không phải {shown(value)[:80]}")
    return value


def as_list(value: Any, at: str) -> list[Any]:
    """Raises SourceFailure WRONG_SHAPE for anything but a list."""
    if not isinstance(value, list):
        _fail(FailureKind.WRONG_SHAPE, f"{at} phải là một danh sách, không phải {shown(value)[:80]}")
    return value


def as_text(record: Mapping[str, Any], name: str, at: str) -> str:
    """A text that is there and not empty. Raises Suspect."""
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Suspect(f"{at}/{name} phải là chuỗi, không phải {shown(value)[:80]}")
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


class Notes:
    """What is said about an answer beside its figures; one cause is one line."""

    def __init__(self) -> None:
        self._warned: dict[str, list[str]] = {}
        self._quarantined: list[Quarantined] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(
            f"{what} (tại {places[0] or 'câu trả lời'}" + (f" và {len(places) - 1} chỗ khác)" if places[1:] else ")")
            for what, places in self._warned.items()
        )

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        return tuple(self._quarantined)

    def warn(self, what: str, at: str) -> None:
        self._warned.setdefault(what, []).append(at)

    def quarantine(self, at: str, reason: Suspect | str, record: object) -> None:
        self._quarantined.append(Quarantined(at, str(reason), shown(record)))

    def audit(self, record: Mapping[str, Any], at: str, known: Iterable[str]) -> None:
        """Warn of fields that nobody has decided about yet."""
        for name in sorted(set(record) - set(known)):
            self.warn(f"trường mới «{name}»", at)

    def number(self, record: Mapping[str, Any], name: str, at: str) -> Number:
        """A number, null, or a key that is not there (with a warning). Raises Suspect for anything else."""
        if name not in record:
            self.warn(f"thiếu trường «{name}»", at)
            return Number(None, InputState.MISSING, at)
        value = record[name]
        if value is None:
            return Number(None, InputState.MISSING, f"{at}/{name}")
        if not isinstance(value, Decimal) or abs(value) > _PLAUSIBLE:
            raise Suspect(f"{at}/{name} phải là số, không phải {shown(value)[:80]}")
        return Number(value, InputState.HARVESTED, f"{at}/{name}")


def _fail(kind: FailureKind, message: str, *, retryable: bool = False) -> NoReturn:
    raise SourceFailure(kind, message, retryable=retryable)


def _visible(body: bytes) -> str:
    text = BeautifulSoup(body[:65_536].decode("utf-8", "replace"), "html.parser").get_text(" ", strip=True)
    return text[:200] or "(trang trống)"


def strict_json(body: bytes) -> Any:
    """JSON with exact numbers, without NaN and without a key that stands twice in an object.

    Raises SourceFailure: TRUNCATED (retryable), NOT_JSON (half a surrogate pair as well), WRONG_SHAPE.
    """
    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_no_number,
            object_pairs_hook=_without_twins,
        )
    except (ValueError, InvalidOperation, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        if _is_cut_short(body.decode("utf-8-sig", "replace")):
            _fail(FailureKind.TRUNCATED, f"JSON bị cắt ngang sau {len(body)} byte", retryable=True)
        _fail(FailureKind.NOT_JSON, f"không phải JSON ({type(error).__name__})")
    return whole_text(document, body)


def whole_text(document: Any, body: bytes) -> Any:
    """The document of a JSON body. Raises SourceFailure NOT_JSON where it spells half a surrogate pair: that is no
    character, and can neither be kept nor shown."""
    if _SURROGATE.search(body):  # mostly a whole pair, such as an emoji
        try:
            json.dumps(document, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            _fail(FailureKind.NOT_JSON, "JSON có nửa ký tự Unicode (surrogate lẻ)")
    return document


def _is_cut_short(text: str) -> bool:
    """Starts as JSON and ends inside a string or with a bracket still open."""
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL)
    opened, closed = (sum(map(rest.count, brackets)) for brackets in ("{[", "}]"))
    return text.lstrip()[:1] in ("{", "[") and ('"' in rest or opened > closed)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: json would silently keep the last, and a locator could mean either."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            _fail(FailureKind.WRONG_SHAPE, f"trường «{name}» xuất hiện hai lần trong một đối tượng")
        fields[name] = value
    return fields
