"""Counting the messages of one batch: a folder's, or one answer of an archive.

Here: what may be kept of a batch (`redact_batch`) and how its documents become figures per unit and month
(`count_batch`). Not here: single messages (`messages.py`), requests and windows (`connector.py`).

A document counts as sent once per reading, in the month of its first message, for the organisation that it comes from;
as received once per receiving organisation. It went with paper if any of its messages says so, and it is signed if
every one of its messages carries a signature. Corrections (revoked, updated) and acknowledgements count as nothing.

A message that waits in quarantine lowers nobody's count unseen: counts of the units that it names are `unavailable` for
its month, and where it does not say whose it is, every unit's carry a mark of doubt.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from connectors.edoc_axis import messages
from connectors.edoc_axis.answers import fail, whole
from dti_pipeline.harvest.codes import is_within
from dti_pipeline.harvest.model import FailureKind, Observation, Quarantined, Reading
from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

STORED = "edoc_axis/1"
"""Marks bytes that were redacted here; `read` takes no others, and makes these of what arrives."""

SENT, ELECTRONIC, PAPER, SIGNED, RECEIVED = (
    "edocs_sent",
    "edocs_sent_electronic_only",
    "edocs_sent_with_paper",
    "edocs_sent_signed",
    "edocs_received",
)
METRICS = (SENT, ELECTRONIC, PAPER, SIGNED, RECEIVED)

_FOLDER_FIELDS = frozenset({"files"})
_FILE_FIELDS = frozenset({"name", "bytes", "sha256", "base64"})
_REST_FIELDS = frozenset({"status", "ErrorCode", "ErrorDesc", "total", "until", "data"})
_ITEM_FIELDS = frozenset({"docId", "messageType", "edxml"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What is asked about: the days, the province, and the units that the source speaks for."""

    window: Period
    root: str
    agencies: tuple[str, ...] = ()
    """Units that are known to send through this source: they have a 0 where the batch has nothing of theirs."""
    is_complete: bool = False
    """The source itself shows that nothing of these days is still to come."""
    night: dt.date | None = None


@dataclass(slots=True)
class _Document:
    first: messages.Document
    sent_on: dt.date
    position: int
    with_paper: bool
    signed: bool
    receivers: dict[str, int] = field(default_factory=dict)
    """Code -> the message that names it first."""


def redact_batch(document: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The stored form of a folder's files or of an archive's answer, and the names of what was removed.

    Raises SourceFailure: SOURCE_ERROR, WRONG_SHAPE, TRUNCATED.
    """
    if isinstance(document, dict) and document.get("redacted") == STORED:
        return document, frozenset()
    if not isinstance(document, dict):
        fail(FailureKind.WRONG_SHAPE, "câu trả lời phải là một đối tượng JSON")
    if "files" in document:
        envelope: dict[str, Any] = {"fields": sorted(document.keys() - _FOLDER_FIELDS)}
        items = _files(document["files"])
    else:
        envelope = _rest_envelope(document)
        items = _rest_items(document["data"])
    removed: set[str] = set()
    stored = []
    for name, body, unknown in items:
        stored.append(_stored(name, body, removed))
        envelope["fields"] = sorted({*envelope["fields"], *unknown})
    removed |= set(envelope["fields"])
    return {"redacted": STORED, "envelope": envelope, "messages": stored}, frozenset(removed)


def count_batch(stored: Mapping[str, Any], batch: Batch) -> Reading:
    """Figures per unit and month, as far as the batch reaches."""
    warnings = [f"trường mới «{name}»: chưa được đọc" for name in stored["envelope"]["fields"]]
    quarantined: list[Quarantined] = []
    held: list[messages.Concerned] = []
    documents: dict[str, _Document] = {}
    names: dict[str, str] = {}
    newest: dt.date | None = None
    new_fields: set[str] = set()
    legacy: dict[str, int] = {}
    classified = 0
    envelope = stored["envelope"]
    until = dt.date.fromisoformat(envelope["until"]) if "until" in envelope else None

    for position, item in enumerate(stored["messages"]):
        if "withheld" in item:
            classified += 1
            continue
        at, record = f"/messages/{position}", {key: item[key] for key in ("name", "sha256")}

        def put_aside(
            reason: str, *whom: messages.Concerned | None, at: str = at, record: Mapping[str, str] = record
        ) -> None:
            held.extend(filter(None, whom))
            quarantined.append(Quarantined(at, reason, json.dumps(record, ensure_ascii=False, sort_keys=True)))

        if "unreadable" in item:
            put_aside(item["unreadable"], messages.NOBODY_KNOWS)
            continue
        root = messages.parse(item["edxml"].encode())
        new_fields.update(messages.unknown_elements(root))
        try:
            said = messages.facts_of(root)
        except messages.Unusable as unusable:
            put_aside(str(unusable), messages.concerned(root))
            continue
        if batch.night is not None and said.sent_on > batch.night:
            late = f"gửi ngày {said.sent_on.isoformat()}, sau đêm chụp {batch.night.isoformat()}"
            put_aside(late, _on_no_day(messages.concerned(root)))
            continue
        newest = max(newest or said.sent_on, said.sent_on)
        if isinstance(said, messages.Status) or said.business != "new":
            continue
        if until is not None and not batch.window.start <= said.sent_on <= batch.window.end:
            outside = f"gửi ngày {said.sent_on.isoformat()}, ngoài kỳ đã hỏi {batch.window}"
            put_aside(outside, _on_no_day(messages.concerned(root)))
            continue
        if said.algorithm is not None and messages.LEGACY.search(said.algorithm):
            legacy[said.algorithm] = legacy.get(said.algorithm, 0) + 1
        known = documents.get(said.key)
        if known is None:
            known = documents[said.key] = _Document(said, said.sent_on, position, said.with_paper, True)
        elif known.first.sender.code != said.sender.code:
            # Whose document it is cannot be told.
            own = messages.concerned(root)
            theirs = own and replace(own, sender=known.first.sender.code)
            put_aside(f"DocumentId trùng với thông điệp {known.position} nhưng nơi gửi khác", own, theirs)
            continue
        known.sent_on = min(known.sent_on, said.sent_on)
        known.with_paper = known.with_paper or said.with_paper
        known.signed = known.signed and said.algorithm is not None
        names.setdefault(said.sender.code, said.sender.name)
        for receiver in said.receivers:
            known.receivers.setdefault(receiver.code, position)
            names.setdefault(receiver.code, receiver.name)

    warnings += [f"trường mới «{name}» trong thông điệp edXML: chưa được đọc" for name in sorted(new_fields)]
    warnings += [f"{times} thông điệp có chữ ký thuật toán cũ ({name})" for name, times in sorted(legacy.items())]
    if classified:
        warnings.append(f"{classified} thông điệp có dấu mật: không lưu, không tính")
    reach = newest if until is None else min(until, batch.night or until)
    if batch.is_complete:
        reach = batch.window.end
    if reach is None or reach < batch.window.start:
        warnings.append(f"chưa có thông điệp nào từ {batch.window.start.isoformat()}: không suy ra số 0")
        return Reading((), tuple(warnings), tuple(quarantined))
    covered = Period(batch.window.start, min(reach, batch.window.end))
    found = tuple(_observations(documents.values(), names, batch, covered, held))
    return Reading(found, tuple(warnings), tuple(quarantined))


def months_of(window: Period) -> tuple[Period, ...]:
    """The calendar months of some days, the first and last one cut to them."""
    found = []
    day = window.start
    while day <= window.end:
        whole_month = periods.month(day.year, day.month)
        found.append(Period(day, min(whole_month.end, window.end)))
        day = whole_month.end + dt.timedelta(days=1)
    return tuple(found)


def _observations(
    documents: Iterable[_Document],
    names: Mapping[str, str],
    batch: Batch,
    covered: Period,
    held: Sequence[messages.Concerned],
) -> Iterable[Observation]:
    months = {(month.start.year, month.start.month): month for month in months_of(covered)}
    counted: dict[tuple[str, Period, str], set[int]] = {}
    amounts: dict[tuple[str, Period, str], int] = {}

    def count(unit: str, month: Period, metric: str, position: int) -> None:
        counted.setdefault((unit, month, metric), set()).add(position)
        amounts[unit, month, metric] = amounts.get((unit, month, metric), 0) + 1

    named = {code for item in held for code in (item.sender, *item.receivers) if code is not None}
    units = {code for code in (*batch.agencies, *names, *named) if is_within(code, batch.root)}
    waiting = Counter(
        (month, is_received, code)
        for item in held
        for month in months.values()
        if item.sent_on is None or month.start <= item.sent_on <= month.end
        for is_received, codes in ((False, {item.sender}), (True, set(item.receivers)))
        for code in codes
    )
    for document in documents:
        if not covered.start <= document.sent_on <= covered.end:
            continue
        month = months[document.sent_on.year, document.sent_on.month]
        sender = document.first.sender.code
        count(sender, month, SENT, document.position)
        count(sender, month, PAPER if document.with_paper else ELECTRONIC, document.position)
        if document.signed:
            count(sender, month, SIGNED, document.position)
        for receiver, position in document.receivers.items():
            count(receiver, month, RECEIVED, position)
    for unit in sorted(units):
        for month in months.values():
            for metric in METRICS:
                positions = counted.get((unit, month, metric), set())
                own, unknown = (waiting[month, metric == RECEIVED, code] for code in (unit, None))
                lacking = f"{own} thông điệp của đơn vị còn cách ly nên chưa đếm đủ"
                doubtful = f"{unknown} thông điệp cách ly chưa rõ của đơn vị nào: số này có thể còn thiếu"
                yield Observation(
                    metric=metric,
                    unit=unit,
                    unit_name=names.get(unit, unit),
                    period=month,
                    state=InputState.UNAVAILABLE if own else InputState.HARVESTED,
                    locator="/messages" if own else _place(positions),
                    value=None if own else Decimal(amounts.get((unit, month, metric), 0)),
                    unit_code=unit,
                    flag=doubtful if unknown and not own else None,
                    reason=lacking if own else None,
                )


def _on_no_day(whom: messages.Concerned | None) -> messages.Concerned | None:
    """A date that contradicts the question or the night is no date: any month may be the message's own."""
    return whom and replace(whom, sent_on=None)


def _place(positions: set[int]) -> str:
    """Where a count stands: the message, where it is one; otherwise the list, of which the figure says how many."""
    return f"/messages/{min(positions)}" if len(positions) == 1 else "/messages"


def _stored(name: str, body: bytes, removed: set[str]) -> dict[str, str]:
    kept = {"name": name, "sha256": hashlib.sha256(body).hexdigest()}
    try:
        root = messages.parse(body)
    except messages.Unusable as unusable:
        # Bytes that are not understood cannot be redacted, so only their hash is kept.
        removed.add("(thông điệp không đọc được)")
        return kept | {"unreadable": str(unusable)}
    if messages.is_classified(root):
        removed.add("(thông điệp mật)")
        return {"withheld": "classified"}
    text, gone = messages.redact(root)
    removed |= gone
    return kept | {"edxml": text}


def _files(files: Any) -> Iterable[tuple[str, bytes, frozenset[str]]]:
    if not isinstance(files, list):
        fail(FailureKind.WRONG_SHAPE, "/files phải là một danh sách")
    for position, item in enumerate(files):
        at = f"/files/{position}"
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            fail(FailureKind.WRONG_SHAPE, f"{at} không có tên tệp")
        body = _decoded(item.get("base64"), f"{at}/base64")
        if hashlib.sha256(body).hexdigest() != item.get("sha256"):
            fail(FailureKind.TRUNCATED, f"{at}: nội dung không khớp sha256 đã ghi", retryable=True)
        yield item["name"], body, frozenset(item.keys() - _FILE_FIELDS)


def _rest_envelope(document: Mapping[str, Any]) -> dict[str, Any]:
    status, code = document.get("status"), document.get("ErrorCode")
    if not isinstance(status, str) or not isinstance(code, str):
        fail(FailureKind.WRONG_SHAPE, "thiếu status hoặc ErrorCode")
    if status != "OK" or code != "0":
        fail(FailureKind.SOURCE_ERROR, f"nguồn báo lỗi: status {status}, ErrorCode {code}")
    data, total, until = document.get("data"), whole(document.get("total")), document.get("until")
    if not isinstance(data, list) or total is None:
        fail(FailureKind.WRONG_SHAPE, "thiếu data (danh sách) hoặc total (số); không suy ra danh sách rỗng")
    if total != len(data):
        fail(FailureKind.TRUNCATED, f"total là {total} mà chỉ có {len(data)} thông điệp; đặt tùy chọn slice: day")
    try:
        reach = dt.date.fromisoformat(until if isinstance(until, str) else "")
    except ValueError:
        fail(FailureKind.WRONG_SHAPE, "until phải là ngày yyyy-MM-dd mà nguồn đã đủ số liệu")
    return {"until": reach.isoformat(), "fields": sorted(document.keys() - _REST_FIELDS)}


def _rest_items(data: list[Any]) -> Iterable[tuple[str, bytes, frozenset[str]]]:
    for position, item in enumerate(data):
        at = f"/data/{position}"
        if not isinstance(item, dict) or not isinstance(item.get("docId"), str):
            fail(FailureKind.WRONG_SHAPE, f"{at} không có docId")
        yield item["docId"], _decoded(item.get("edxml"), f"{at}/edxml"), frozenset(item.keys() - _ITEM_FIELDS)


def _decoded(text: Any, at: str) -> bytes:
    if not isinstance(text, str):
        fail(FailureKind.WRONG_SHAPE, f"{at} phải là nội dung tệp dạng base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        fail(FailureKind.TRUNCATED, f"{at} không phải base64 trọn vẹn")
