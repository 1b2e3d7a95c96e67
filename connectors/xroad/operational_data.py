"""Operational data of a security server: a multipart SOAP answer with a gzip of records -> exchanges of one day.

Here: the question (`envelope`), the answer's parts, one exchange counted once, fields that may not be kept. Not here:
units (`connector.py`). One answer makes one day's figures or none: what did not fit into it is never left out silently.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from lxml import etree  # type: ignore[import-untyped, unused-ignore]

from connectors.xroad.answers import as_list, as_object, fail, shown, words
from connectors.xroad.retention import TIME_ZONE
from dti_pipeline.harvest.answers import strict_json
from dti_pipeline.harvest.model import FailureKind, Observation, Quarantined, Reading, Redacted, Snapshot
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

OUTPUT_FIELDS = (
    "monitoringDataTs",
    "securityServerType",
    "requestInTs",
    "clientXRoadInstance",
    "clientMemberClass",
    "clientMemberCode",
    "clientSubsystemCode",
    "serviceXRoadInstance",
    "serviceMemberClass",
    "serviceMemberCode",
    "serviceSubsystemCode",
    "serviceCode",
    "serviceType",
    "messageId",
    "succeeded",
    "faultCode",
    "statusCode",
)
"""What is asked for and kept. Never `messageUserId`, `messageIssue`, `representedPartyCode` or `restPath`: they name
people or their files, and without an `outputSpec` the server would send them."""

MAX_RECORDS_BYTES = 200_000_000
MILLISECONDS_FROM = 10**11
"""A moment of our days is below this in seconds and above it in milliseconds."""
PARTIES = {"Client": "client", "Producer": "service"}
"""Side that logged the record -> whose exchange it is: one side each, so that no exchange counts twice for a unit."""

UnitOf = Callable[[str, str, str, str], tuple[str, str | None]]
"""(instance, member class, member, subsystem) -> (unit, identifier code)."""

_SOAP, _MON = "http://schemas.xmlsoap.org/soap/envelope/", "http://x-road.eu/xsd/op-monitoring.xsd"
_ROAD, _ID = "http://x-road.eu/xsd/xroad.xsd", "http://x-road.eu/xsd/identifiers"


def envelope(client: tuple[str, str, str, str], server: tuple[str, str, str, str], day: dt.date, message: str) -> str:
    """The question for one local day. `client`: instance, class, member, subsystem; `server`: instance, class, member,
    server code; `message`: an id for the server's log."""

    def ids(values: tuple[str, ...], last: str) -> str:
        names = ("xRoadInstance", "memberClass", "memberCode", last)
        return "".join(f"<id:{name}>{escape(v)}</id:{name}>" for name, v in zip(names, values, strict=True))

    begin = int(dt.datetime.combine(day, dt.time(0), TIME_ZONE).timestamp())
    service = "getSecurityServerOperationalData"
    fields = "".join(f"<om:outputField>{name}</om:outputField>" for name in OUTPUT_FIELDS)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="{_SOAP}" xmlns:xroad="{_ROAD}" xmlns:om="{_MON}" xmlns:id="{_ID}"><s:Header>'
        f'<xroad:client id:objectType="SUBSYSTEM">{ids(client, "subsystemCode")}</xroad:client>'
        f'<xroad:service id:objectType="SERVICE">{ids((*server[:3], service), "serviceCode")}</xroad:service>'
        f'<xroad:securityServer id:objectType="SERVER">{ids(server, "serverCode")}</xroad:securityServer>'
        f"<xroad:id>{escape(message)}</xroad:id><xroad:protocolVersion>4.0</xroad:protocolVersion></s:Header><s:Body>"
        f"<om:{service}><om:searchCriteria><om:recordsFrom>{begin}</om:recordsFrom>"
        f"<om:recordsTo>{begin + 86_399}</om:recordsTo></om:searchCriteria>"
        f"<om:outputSpec>{fields}</om:outputSpec></om:{service}></s:Body></s:Envelope>"
    )


class _Part(NamedTuple):
    headers: bytes
    content: bytes

    @property
    def id(self) -> str:
        found = re.search(rb"(?im)^content-id:\s*<([^>\r\n]+)>", self.headers)
        return found[1].decode("latin-1") if found else ""


class _Message(NamedTuple):
    boundary: bytes
    soap: _Part
    records: _Part
    total: int
    next_from: int | None
    """Unix seconds from which the next question would go on."""


def refuse_fault(snapshot: Snapshot) -> None:
    """Raises SourceFailure SOURCE_ERROR for a SOAP fault, which comes as XML alone, with status 500 or 200."""
    if "xml" not in snapshot.header("content-type").lower() or "multipart" in snapshot.header("content-type").lower():
        return
    fault = _xml(snapshot.body).find(f".//{{{_SOAP}}}Fault")
    if fault is None:
        fail(FailureKind.WRONG_SHAPE, "câu trả lời SOAP không có phần nhật ký đính kèm")
    code, text = fault.findtext("faultcode") or "?", fault.findtext("faultstring") or ""
    message = f"máy chủ bảo mật báo lỗi {code.strip()[:120]}: {text.strip()[:160]}"
    fail(FailureKind.SOURCE_ERROR, message, retryable="AccessDenied" not in code and snapshot.status >= 500)


def _xml(content: bytes) -> Any:
    if b"<!DOCTYPE" in content:
        fail(FailureKind.UNREADABLE, "XML khai DOCTYPE, điều SOAP không cho phép")
    try:
        return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        fail(FailureKind.UNREADABLE, f"XML hỏng ({str(error)[:120]})")


def _message(snapshot: Snapshot) -> _Message:
    """Raises SourceFailure: UNREADABLE, TRUNCATED, WRONG_SHAPE."""
    named = re.search(r'boundary="?([^";\s]+)', snapshot.header("content-type"))
    if named is None:
        fail(FailureKind.UNREADABLE, "câu trả lời không phải multipart")
    boundary = b"--" + named[1].encode("latin-1")
    pieces = snapshot.body.split(boundary)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        fail(FailureKind.TRUNCATED, f"multipart bị cắt sau {len(snapshot.body)} byte", retryable=True)
    parts = []
    for piece in pieces[1:-1]:
        head, found, content = piece.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if not found:
            head, found, content = piece.lstrip(b"\r\n").partition(b"\n\n")
        parts.append(_Part(head, content.removesuffix(b"\n").removesuffix(b"\r")))
    soap = _xml(parts[0].content)
    body = soap.find(f"{{{_SOAP}}}Body/{{{_MON}}}getSecurityServerOperationalDataResponse")
    if body is None:
        fail(FailureKind.WRONG_SHAPE, "không có getSecurityServerOperationalDataResponse")
    count, reference, following = (
        (body.findtext(f"{{{_MON}}}{name}") or "").strip() for name in ("recordsCount", "records", "nextRecordsFrom")
    )
    records = next((part for part in parts[1:] if reference == f"cid:{part.id}"), None)
    if records is None or not count.isdecimal() or not (following.isdecimal() or not following):
        fail(FailureKind.WRONG_SHAPE, "phần SOAP không chỉ đúng tệp nhật ký hoặc không nêu số bản ghi")
    return _Message(boundary, parts[0], records, int(count), int(following) if following else None)


def _records(message: _Message) -> list[Any]:
    """Raises SourceFailure: TRUNCATED, TOO_LARGE, UNREADABLE, NOT_JSON, WRONG_SHAPE."""
    member = zlib.decompressobj(wbits=31)
    try:
        content = member.decompress(message.records.content, MAX_RECORDS_BYTES)
    except zlib.error:
        fail(FailureKind.UNREADABLE, "tệp nhật ký không phải gzip")
    if member.unconsumed_tail:
        fail(FailureKind.TOO_LARGE, f"tệp nhật ký nở quá {MAX_RECORDS_BYTES} byte")
    if not member.eof:
        fail(FailureKind.TRUNCATED, "tệp nhật ký bị cắt ngang", retryable=True)
    records = as_list(as_object(strict_json(content), "tệp nhật ký").get("records"), "/records")
    if len(records) != message.total:
        fail(FailureKind.TRUNCATED, f"máy chủ báo {message.total} bản ghi, tệp có {len(records)}", retryable=True)
    return records


def redact(snapshot: Snapshot) -> Redacted:
    """The same message with the agreed fields only. A fault holds no records and stays. Raises SourceFailure."""
    if "multipart" not in snapshot.header("content-type").lower():
        return Redacted(snapshot.body, ())
    message = _message(snapshot)
    records = [as_object(item, "/records") for item in _records(message)]
    removed = sorted({name for record in records for name in record} - set(OUTPUT_FIELDS))
    if not removed:
        return Redacted(snapshot.body, ())
    kept = [{name: value for name, value in record.items() if name in OUTPUT_FIELDS} for record in records]
    text = json.dumps({"records": kept}, ensure_ascii=False, separators=(",", ":"), default=_whole)
    parts = (message.soap, message.records._replace(content=gzip.compress(text.encode(), mtime=0)))
    body = b"".join(b"%s\r\n%s\r\n\r\n%s\r\n" % (message.boundary, part.headers, part.content) for part in parts)
    return Redacted(body + message.boundary + b"--\r\n", tuple(removed))


def _whole(value: object) -> int | float:
    """A Decimal as JSON again; records hold whole numbers only, anything else is judged by `read`."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is no JSON")
    return int(value) if value == value.to_integral_value() else float(value)


def read(snapshot: Snapshot, night: dt.date, metrics: Mapping[str, tuple[str, str]], unit_of: UnitOf) -> Reading:
    """All and failed exchanges of every unit on the night's day, for the side that logged them.

    Raises SourceFailure as above, TRUNCATED also where the day goes on in a next answer.
    """
    message = _message(snapshot)
    end = int(dt.datetime.combine(night + dt.timedelta(days=1), dt.time(0), TIME_ZONE).timestamp())
    if message.next_from is not None and message.next_from < end:
        fail(
            FailureKind.TRUNCATED,
            f"ngày {night:%d/%m/%Y} không nằm trọn trong một câu trả lời (10.000 bản ghi); dùng interface: management",
        )
    quarantined: list[Quarantined] = []
    outcome: dict[tuple[str, str], bool] = {}
    units: dict[tuple[str, str], tuple[str, str | None]] = {}
    repeated = 0
    records = _records(message)
    for position, item in enumerate(records):
        at = f"/records/{position}"
        record = as_object(item, at)
        if reason := _doubt(record, night):
            quarantined.append(Quarantined(at, reason, shown(record)))
            continue
        side = record["securityServerType"]
        key = (record["messageId"], side)
        if key in outcome:
            repeated += 1
            if outcome[key] != record["succeeded"]:
                quarantined.append(Quarantined(at, "cùng một trao đổi vừa thành công vừa thất bại", shown(record)))
            continue
        outcome[key] = record["succeeded"]
        party = PARTIES[side]
        names = (f"{party}{name}" for name in ("XRoadInstance", "MemberClass", "MemberCode", "SubsystemCode"))
        units[key] = unit_of(*(record.get(name) or "" for name in names))
    made: Counter[tuple[str, str, str | None]] = Counter()
    failed: Counter[tuple[str, str, str | None]] = Counter()
    for key, (unit, code) in units.items():
        made[key[1], unit, code] += 1
        failed[key[1], unit, code] += not outcome[key]
    warnings = [f"{repeated} bản ghi lặp lại, mỗi trao đổi tính một lần"] if repeated else []
    new = {name for record in records for name in record} - set(OUTPUT_FIELDS)
    warnings += [f"operational-data: trường mới «{name}»" for name in sorted(new)]
    observations = tuple(
        Observation(
            metric, unit, unit, Period(night, night), InputState.HARVESTED, "/records", Decimal(value), unit_code=code
        )
        for (side, unit, code), total in made.items()
        for metric, value in zip(metrics[side], (total, failed[side, unit, code]), strict=True)
    )
    return Reading(observations, tuple(warnings), tuple(quarantined))


def _doubt(record: Mapping[str, Any], night: dt.date) -> str | None:
    """Why a record cannot be counted; None for a good one."""
    side = record.get("securityServerType")
    if side not in PARTIES:
        return f"securityServerType {shown(side)} chưa từng biết"
    party = PARTIES[side]
    if reason := words(record, "messageId", f"{party}XRoadInstance", f"{party}MemberClass", f"{party}MemberCode"):
        return reason
    if not isinstance(record.get("succeeded"), bool):
        return f"succeeded phải là true hoặc false, không phải {shown(record.get('succeeded'))}"
    logged, begun = record.get("monitoringDataTs"), record.get("requestInTs")
    if not isinstance(logged, Decimal) or not 0 <= logged < MILLISECONDS_FROM:
        return f"monitoringDataTs phải là giây: {shown(logged)}"
    if begun is not None and (not isinstance(begun, Decimal) or begun < MILLISECONDS_FROM):
        return f"requestInTs phải là mili giây: {shown(begun)}"
    day = dt.datetime.fromtimestamp(int(logged), TIME_ZONE).date()
    if day != night:
        return f"bản ghi của ngày {day:%d/%m/%Y}, không phải ngày được hỏi"
    return None
