"""E-document exchange: messages, statistics of an axis, and what neither may turn into a figure.

Golden values are counted by hand from the messages and rows below; the practice twin is compared with its own list of
documents.
"""

from __future__ import annotations

import base64
import datetime as dt
import fnmatch
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.edoc_axis import messages
from connectors.edoc_axis.connector import CONNECTOR
from dti_pipeline.harvest.codes import is_within, todays_code
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.invariants import check
from dti_pipeline.harvest.model import (
    FailureKind,
    Reading,
    Redacts,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins import edoc_axis as twin
from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState
from dti_pipeline.units.registry import normalise_code

NIGHT = dt.date(2026, 10, 15)
NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SEPTEMBER = {"from": "2026-09-01", "to": "2026-09-30", "root": "H00"}
RECORDED = Path(__file__).parents[2] / "connectors" / "edoc_axis" / "recorded"


# --- helpers ---


def message(
    sender: str = "H00.05",
    receivers: tuple[str, ...] = ("H00.21.01",),
    document: str = "H00.05,2026/09/03,12/STC",
    sent: str = "2026/09/03 08:00:00",
    kind: str = "0",
    paper: str | None = "0",
    algorithm: str | None = SHA256,
    more: str = "",
    p: str = "edXML",
) -> bytes:
    """In the shape of the SDK's sample: root and signature under a default namespace, the rest under a prefix, another
    DocumentId inside Bussiness."""
    to = "".join(
        f"<{p}:To><{p}:OrganId>{code}</{p}:OrganId><{p}:OrganName>Nơi nhận {code}</{p}:OrganName></{p}:To>"
        for code in receivers
    )
    signature = (
        f'<Signature><SignedInfo><SignatureMethod Algorithm="{algorithm}"/></SignedInfo>'
        "<SignatureValue>c2VjcmV0c2ln</SignatureValue><KeyInfo><X509SubjectName>CN=nguoi-ky</X509SubjectName></KeyInfo>"
        "</Signature>"
        if algorithm is not None
        else "<Signature><SignatureValue/></Signature>"
    )
    mark = "" if paper is None else f"<{p}:Paper>{paper}</{p}:Paper>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{NAMESPACE}"><{p}:edXMLEnvelope xmlns:{p}="{NAMESPACE}"><{p}:edXMLHeader><{p}:MessageHeader>
<{p}:From><{p}:OrganId>{sender}</{p}:OrganId><{p}:OrganName>Nơi gửi {sender}</{p}:OrganName>
<{p}:Email>rieng-tu@example.invalid</{p}:Email></{p}:From>{to}
<{p}:DocumentId>{document}</{p}:DocumentId><{p}:Subject>Trích yếu riêng tư</{p}:Subject>
<{p}:SignerInfo><{p}:FullName>Nguyễn Văn Kín</{p}:FullName></{p}:SignerInfo>
<{p}:ResponseFor><{p}:DocumentId>H00.01,2020/01/01,1/X</{p}:DocumentId></{p}:ResponseFor>{more}</{p}:MessageHeader>
<{p}:TraceHeaderList><{p}:TraceHeader><{p}:OrganId>{sender}</{p}:OrganId><{p}:Timestamp>{sent}</{p}:Timestamp>
</{p}:TraceHeader><{p}:Bussiness><{p}:DocumentId>H00.99,2014/02/30,7806/X</{p}:DocumentId>
<{p}:BussinessDocType>{kind}</{p}:BussinessDocType>{mark}
<{p}:StaffInfo><{p}:Mobile>0900000000</{p}:Mobile></{p}:StaffInfo></{p}:Bussiness></{p}:TraceHeaderList>
{signature}</{p}:edXMLHeader></{p}:edXMLEnvelope>
<AttachmentEncoded><Attachment><Name>than-van-ban</Name></Attachment></AttachmentEncoded></edXML>
""".encode()


def status(code: str, sent: str = "2026/09/20 11:08:36") -> bytes:
    return (
        f'<e:edXML xmlns:e="{NAMESPACE}"><e:edXMLEnvelope><e:edXMLHeader><e:MessageHeader><e:From>'
        f"<e:OrganId>H00.21.01</e:OrganId></e:From><e:StatusCode>{code}</e:StatusCode>"
        f"<e:Timestamp>{sent}</e:Timestamp></e:MessageHeader></e:edXMLHeader></e:edXMLEnvelope></e:edXML>"
    ).encode()


def listing(files: Mapping[str, bytes], pattern: str | None = None) -> bytes:
    """What the kit answers for a folder, its contents where a pattern is given: part by part, so `*` stays in one."""
    entries = []
    for name, body in sorted(files.items()):
        if pattern is not None and not (
            name.count("/") == pattern.count("/") and all(map(fnmatch.fnmatchcase, name.split("/"), pattern.split("/")))
        ):
            continue
        entry = {"name": name, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        entries.append(entry | ({} if pattern is None else {"base64": base64.b64encode(body).decode()}))
    return json.dumps({"files": entries}).encode()


def taken(request: Request, body: bytes, status_code: int = 200, content_type: str = "application/json") -> Snapshot:
    return Snapshot(request, status_code, {"Content-Type": content_type}, body, night=NIGHT)


def read_as_kept(snapshot: Snapshot) -> Reading:
    """As the kit does: redacted first, read from what is kept."""
    kept = CONNECTOR.redact(snapshot)
    return CONNECTOR.read(replace(snapshot, body=kept.body))


def folder(*bodies: bytes, **params: str) -> Reading:
    request = Request("GET", "", params={"contents": "*.edxml"} | SEPTEMBER | params, kind="file")
    files = {f"{number:02}.edxml": body for number, body in enumerate(bodies)}
    return read_as_kept(taken(request, listing(files, "*.edxml")))


def figures(reading: Reading) -> dict[tuple[str, str], int]:
    """(unit, metric without its prefix) -> value, zeros left out."""
    found: dict[tuple[str, str], int] = {}
    for item in reading.observations:
        if item.state is InputState.UNAVAILABLE:
            assert item.value is None
            continue
        assert item.value is not None
        at = (item.unit, item.metric.removeprefix("edocs_").removeprefix("edoc_stat_"))
        found[at] = found.get(at, 0) + int(item.value)
    return {at: value for at, value in found.items() if value}


def failure(snapshot: Snapshot) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        read_as_kept(snapshot)
    return caught.value


def site(dialect: str, url: str = "https://truc.example.invalid", **options: Any) -> Site:
    return Site(
        name="thu",
        connector="edoc_axis",
        base_url="file:///edxml" if dialect == "edxml_folder" else url,
        province="H00",
        options={"dialect": dialect} | options,
    )


def ask_twin(request: Request, token: str = twin.TOKEN) -> Snapshot:
    asked = TwinRequest(
        request.method, request.path.lstrip("/"), request.params, {"authorization": f"Bearer {token}"}, b""
    )
    answer = twin.TWIN.answer(asked)
    return Snapshot(request, answer.status, {"content-type": answer.content_type}, answer.body, night=NIGHT)


def drive(where: Site, window: Period, answer: Any) -> list[tuple[Snapshot, Reading]]:
    found = []
    plan = CONNECTOR.plan(where, window)
    request = next(plan)
    while True:
        snapshot = answer(request)
        found.append((snapshot, read_as_kept(snapshot)))
        try:
            request = plan.send(snapshot)
        except StopIteration:
            return found


# --- manifest and recorded answers ---


def test_manifest_and_redaction_are_known_to_the_kit() -> None:
    assert load_manifest("edoc_axis").evidence_strength == "third_party_code"
    assert isinstance(CONNECTOR, Redacts)


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir() if path.is_dir()))
def test_recorded_answers(case: str) -> None:
    asked = json.loads((RECORDED / case / "request.json").read_bytes())
    request = Request(asked["method"], asked["path"], params=asked["params"], kind=asked["kind"])
    body = (RECORDED / case / "body.json").read_bytes()
    night = dt.date.fromisoformat(asked["night"])
    reading = read_as_kept(Snapshot(request, asked["status"], asked["headers"], body, night=night))
    said = [
        {
            "metric": item.metric,
            "unit": item.unit,
            "state": item.state.value,
            "value": None if item.value is None else str(item.value),
            "numerator": None,
            "denominator": None,
            "locator": item.locator,
        }
        for item in reading.observations
    ]
    assert said == json.loads((RECORDED / case / "expected.json").read_bytes())
    assert check(reading, load_manifest("edoc_axis"), night).held == ()


# --- counting messages ---


def test_sent_received_paper_and_signature() -> None:
    reading = folder(
        message(receivers=("H00.21.01", "H00.11", "H44.01")),
        message(document="H00.05,2026/09/04,13/STC", sent="2026/09/04 08:00:00", paper="1", algorithm=None),
        message("H44.01", ("H00.05",), "H44.01,2026/09/05,1/X", "2026/09/05 08:00:00"),
    )
    assert figures(reading) == {
        ("H00.05", "sent"): 2,
        ("H00.05", "sent_electronic_only"): 1,
        ("H00.05", "sent_with_paper"): 1,
        ("H00.05", "sent_signed"): 1,
        ("H00.05", "received"): 1,
        ("H00.21.01", "received"): 2,
        ("H00.11", "received"): 1,
    }
    assert {item.unit_code for item in reading.observations} == {"H00.05", "H00.21.01", "H00.11"}
    assert {item.state for item in reading.observations} == {InputState.HARVESTED}
    at = {(item.unit, item.metric): item.locator for item in reading.observations}
    assert at["H00.05", "edocs_sent"] == "/messages"
    assert at["H00.05", "edocs_sent_with_paper"] == "/messages/1"
    assert at["H00.11", "edocs_sent"] == "/messages"
    assert {item.unit_name for item in reading.observations if item.unit == "H00.11"} == {"Nơi nhận H00.11"}


def test_copies_of_a_document_count_once_in_either_spelling() -> None:
    reading = folder(
        message(),
        message(),
        message("000.00.05.H00", ("000.00.11.H00",), "000.00.05.H00,2026/09/03,12/STC", algorithm=None, p="e"),
    )
    assert figures(reading) == {
        ("H00.05", "sent"): 1,
        ("H00.05", "sent_electronic_only"): 1,
        ("H00.21.01", "received"): 1,
        ("H00.11", "received"): 1,
    }  # one copy is not signed, so the document does not count as signed


def test_paper_with_any_copy_is_paper() -> None:
    reading = folder(message(), message(receivers=("H00.11",), paper="1"))
    assert figures(reading)["H00.05", "sent_with_paper"] == 1
    assert ("H00.05", "sent_electronic_only") not in figures(reading)


@pytest.mark.parametrize("kind", ["1", "2"])
def test_corrections_are_not_sent_documents(kind: str) -> None:
    reading = folder(message(), message(document="H00.05,2026/09/03,99/STC", kind=kind, paper=None))
    assert figures(reading)["H00.05", "sent"] == 1
    assert reading.quarantined == ()


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (message(document="H00.05,2026/09/04,13/STC", kind="3"), "BussinessDocType 3"),
        (message(document="H00.05,2026/09/04,13/STC", kind="7"), "BussinessDocType «7»"),
        (message(document="H00.05,2026/09/04,13/STC", kind=""), "BussinessDocType «»"),
        (message(document="H00.05,2026/09/04,13/STC", paper="2"), "Paper «2»"),
        (message(document="H00.05,2026/09/04,13/STC", paper=None), "Paper «»"),
        (message(document=""), "DocumentId"),
        (message(document="H00.05,2026/09/04,13/STC", sent="04/09/2026"), "Timestamp"),
        (message(document="H00.05,2026/09/04,13/STC", sent="2026/02/30 08:00:00"), "Timestamp"),
        (message(document="H00.05,2026/09/04,13/STC", sent="2026/10/16 08:00:00"), "sau đêm chụp"),
        (message(document="H00.05,2026/09/04,13/STC", receivers=()), "To"),
        (message(sender="H00.11"), "nơi gửi khác"),
        (status("14"), "StatusCode «14»"),
        (b"1212" + message(), "chữ lạ"),
        (b"not xml at all", "không phải XML"),
        (b"", "không phải XML"),
        (message()[:-20], "không phải XML"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + message().split(b"\n", 1)[1], "DOCTYPE"),
        (message().replace(b"QCVN_102_2016", b"QCVN_999"), "phần tử gốc"),
    ],
)
def test_what_cannot_be_trusted_waits_and_counts_as_nothing(odd: bytes, reason: str) -> None:
    reading = folder(message("H00.07", ("H00.08",), "H00.07,2026/09/03,1/X"), message(), odd)
    assert [(item.locator, reason in item.reason) for item in reading.quarantined] == [("/messages/2", True)]
    assert figures(reading)["H00.07", "sent"] == 1, "another unit's count stands"
    assert figures(reading).get(("H00.05", "sent"), 1) == 1
    assert json.loads(reading.quarantined[0].record).keys() == {"name", "sha256"}


def held_back(reading: Reading) -> dict[str, set[str]]:
    """Unit -> its metrics that are unavailable, for one reason."""
    found: dict[str, set[str]] = {}
    for item in reading.observations:
        if item.state is InputState.UNAVAILABLE:
            assert (item.value, item.locator, item.flag) == (None, "/messages", None)
            assert item.reason == "1 thông điệp của đơn vị còn cách ly nên chưa đếm đủ"
            found.setdefault(item.unit, set()).add(item.metric)
    return found


def doubted(reading: Reading) -> dict[str, set[str]]:
    """Metric -> units whose figure carries the mark of doubt."""
    found: dict[str, set[str]] = {}
    for item in reading.observations:
        if item.flag is not None:
            assert item.flag == "1 thông điệp cách ly chưa rõ của đơn vị nào: số này có thể còn thiếu"
            assert item.value is not None
            found.setdefault(item.metric, set()).add(item.unit)
    return found


SENT = {"edocs_sent", "edocs_sent_electronic_only", "edocs_sent_with_paper", "edocs_sent_signed"}
RECEIVED = {"edocs_received"}
ANOTHER = "H00.05,2026/09/04,13/STC"


@pytest.mark.parametrize(
    "odd",
    [
        message(document=ANOTHER, kind="3"),
        message(document=ANOTHER, paper="2"),
        message(document=""),
        message(document=ANOTHER, sent="04/09/2026"),
        message(document=ANOTHER, sent="2026/10/16 08:00:00"),
    ],
)
def test_a_message_that_waits_holds_back_the_counts_of_those_it_names(odd: bytes) -> None:
    reading = folder(message("H00.07", ("H00.08",), "H00.07,2026/09/03,1/X"), message(), odd)
    assert held_back(reading) == {"H00.05": SENT, "H00.21.01": RECEIVED}
    assert doubted(reading) == {}
    assert {("H00.07", "sent"), ("H00.08", "received")} <= figures(reading).keys()


def test_a_message_that_waits_concerns_its_month_alone_and_units_without_any_other_too() -> None:
    quarter_asked = {"from": "2026-07-01", "to": "2026-09-30"}
    odd = message("H00.09", ("H00.10",), "H00.09,2026/08/03,1/X", "2026/08/03 08:00:00", kind="3")
    reading = folder(message(), odd, **quarter_asked)
    held = {(item.unit, item.period) for item in reading.observations if item.state is InputState.UNAVAILABLE}
    assert held == {("H00.09", month(2026, 8)), ("H00.10", month(2026, 8))}
    undated = message("H00.09", ("H00.10",), "H00.09,2026/08/03,1/X", "03/08/2026")
    reading = folder(message(), undated, **quarter_asked)
    months = {(item.unit, item.period.start.month) for item in reading.observations if item.value is None}
    assert months == {(unit, number) for unit in ("H00.09", "H00.10") for number in (7, 8, 9)}


def test_a_document_of_two_senders_holds_back_both() -> None:
    reading = folder(message(), message(sender="H00.11", receivers=("H00.12",)))
    assert {unit for unit, metrics in held_back_by_any(reading).items() if metrics == SENT} == {"H00.05", "H00.11"}
    assert held_back_by_any(reading)["H00.12"] == RECEIVED


def held_back_by_any(reading: Reading) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in reading.observations:
        if item.state is InputState.UNAVAILABLE:
            found.setdefault(item.unit, set()).add(item.metric)
    return found


def test_where_nobody_knows_whose_it_is_every_count_carries_a_mark_of_doubt() -> None:
    everybody = {"H00.05", "H00.21.01"}
    reading = folder(message(), b"not xml at all")
    assert (held_back(reading), doubted(reading)) == ({}, dict.fromkeys(SENT | RECEIVED, everybody))
    nowhere = folder(message(), message(document=ANOTHER, receivers=()))
    assert (held_back(nowhere), doubted(nowhere)) == ({"H00.05": SENT}, {"edocs_received": everybody})
    from_nobody = folder(message(), message(sender="", document=ANOTHER))
    assert held_back(from_nobody) == {"H00.21.01": RECEIVED}
    assert doubted(from_nobody) == dict.fromkeys(SENT, everybody)


@pytest.mark.parametrize(
    "odd", [status("14"), message(document=ANOTHER, kind="1", receivers=()), message(document="", kind="2")]
)
def test_what_would_count_as_nothing_anyway_holds_nothing_back(odd: bytes) -> None:
    reading = folder(message(), odd)
    assert len(reading.quarantined) == 1
    assert (held_back(reading), doubted(reading)) == ({}, {})


def test_status_messages_are_no_documents() -> None:
    reading = folder(message(), status("03"))
    assert figures(reading)["H00.05", "sent"] == 1
    assert reading.quarantined == ()


def test_an_old_signature_is_present_and_said_to_be_old() -> None:
    reading = folder(message(algorithm=SHA1))
    assert figures(reading)["H00.05", "sent_signed"] == 1
    assert reading.warnings == (f"1 thông điệp có chữ ký thuật toán cũ ({SHA1})",)


@pytest.mark.parametrize("value", ["1", "Mật", "true"])
def test_classified_messages_are_neither_kept_nor_counted(value: str) -> None:
    marked = message(document="H00.05,2026/09/04,13/STC", more=f"<edXML:SecurityLevel>{value}</edXML:SecurityLevel>")
    request = Request("GET", "", params={"contents": "*.edxml"} | SEPTEMBER, kind="file")
    snapshot = taken(request, listing({"a.edxml": message(), "mat-13.edxml": marked}, "*.edxml"))
    kept = CONNECTOR.redact(snapshot)
    assert b"13/STC" not in kept.body
    assert b"mat-13" not in kept.body
    assert "(thông điệp mật)" in kept.removed
    reading = read_as_kept(snapshot)
    assert figures(reading)["H00.05", "sent"] == 1
    assert any("dấu mật" in text for text in reading.warnings)


def test_an_ordinary_mark_is_no_secret() -> None:
    reading = folder(message(more="<edXML:SecurityLevel>0</edXML:SecurityLevel>"))
    assert figures(reading)["H00.05", "sent"] == 1


def test_personal_columns_are_gone_before_storage() -> None:
    request = Request("GET", "", params={"contents": "*.edxml"} | SEPTEMBER, kind="file")
    fresh = "<edXML:Hobby>đánh cờ</edXML:Hobby>"
    stray = "1212 Kín".encode() + message()
    snapshot = taken(request, listing({"a.edxml": message(more=fresh), "b.edxml": stray}, "*.edxml"))
    kept = CONNECTOR.redact(snapshot)
    text = json.dumps(json.loads(kept.body), ensure_ascii=False)
    for personal in ("Kín", "Trích yếu", "0900000000", "rieng-tu", "nguoi-ky", "than-van-ban", "c2VjcmV0c2ln", "cờ"):
        assert personal not in text
    assert {"SignerInfo", "StaffInfo", "Subject", "AttachmentEncoded", "KeyInfo", "Email", "Hobby"} <= set(kept.removed)
    again = Snapshot(request, 200, snapshot.headers, kept.body, night=NIGHT)
    assert CONNECTOR.redact(again).body == kept.body
    assert CONNECTOR.read(again) == read_as_kept(snapshot) == CONNECTOR.read(snapshot)
    assert [text for text in CONNECTOR.read(again).warnings if "Hobby" in text] == [
        "trường mới «Hobby» trong thông điệp edXML: chưa được đọc"
    ]


def test_months_have_zeros_only_as_far_as_the_folder_reaches() -> None:
    params = {"from": "2026-07-01", "to": "2026-12-31", "agencies": "H00.20,H00.05"}
    reading = folder(message(sent="2026/07/10 08:00:00"), status("01", "2026/09/20 11:08:36"), **params)
    sent = {(item.unit, item.period): item.value for item in reading.observations if item.metric == "edocs_sent"}
    spans = (month(2026, 7), month(2026, 8), Period(dt.date(2026, 9, 1), dt.date(2026, 9, 20)))
    assert {at: value for at, value in sent.items() if at[0] == "H00.05"} == {
        ("H00.05", spans[0]): Decimal(1),
        ("H00.05", spans[1]): Decimal(0),
        ("H00.05", spans[2]): Decimal(0),
    }
    assert {value for (unit, _), value in sent.items() if unit == "H00.20"} == {Decimal(0)}


def test_nothing_newer_than_the_window_is_no_zero() -> None:
    for reading in (folder(), folder(message(sent="2026/08/31 08:00:00"), agencies="H00.05")):
        assert reading.observations == ()
        assert any("không suy ra số 0" in text for text in reading.warnings)


def test_a_month_that_the_folder_has_closed_is_whole() -> None:
    reading = folder(message(), complete="yes", agencies="H00.20")
    assert {item.period for item in reading.observations} == {month(2026, 9)}
    assert {item.unit for item in reading.observations} == {"H00.05", "H00.20", "H00.21.01"}


def test_other_years_in_the_folder_do_not_count() -> None:
    old = message(document="H00.05,2025/09/03,12/STC", sent="2025/09/03 08:00:00")
    reading = folder(message(), old)
    assert figures(reading)["H00.05", "sent"] == 1
    assert reading.quarantined == ()


# --- the folder ---


def test_a_folder_of_months_is_asked_month_by_month() -> None:
    files = {
        "2025-12/a.edxml": message(sent="2025/12/03 08:00:00"),
        "2026-08/a.edxml": message(sent="2026/08/03 08:00:00"),
        "2026-09/a.edxml": message(document="H00.05,2026/09/03,1/X"),
        "2026-10/a.edxml": message(document="H00.05,2026/10/03,1/X", sent="2026/10/03 08:00:00"),
        "ghi-chu.txt": b"",
    }

    def answer(request: Request) -> Snapshot:
        return taken(request, listing(files, request.params.get("contents")))

    (first, said), *batches = drive(site("edxml_folder", agencies=["H00.20"]), year(2026), answer)
    assert first.request == Request("GET", "", kind="file")
    assert said.warnings == ("1 tệp không được đọc, đầu tiên: ghi-chu.txt",)
    assert said.observations == ()
    asked = [dict(snapshot.request.params) for snapshot, _ in batches]
    assert [(item["contents"], item["from"], item.get("complete")) for item in asked] == [
        ("2026-08/*.edxml", "2026-08-01", "yes"),
        ("2026-09/*.edxml", "2026-09-01", "yes"),
        ("2026-10/*.edxml", "2026-10-01", None),
    ]
    spans = [{item.period for item in reading.observations} for _, reading in batches]
    assert spans == [{month(2026, 8)}, {month(2026, 9)}, {Period(dt.date(2026, 10, 1), dt.date(2026, 10, 3))}]
    assert [figures(reading)["H00.05", "sent"] for _, reading in batches] == [1, 1, 1]


def test_loose_files_are_asked_at_once() -> None:
    files = {"a.edxml": message(), "cu/b.edxml": message(document="H00.05,2026/09/04,13/STC")}

    def answer(request: Request) -> Snapshot:
        return taken(request, listing(files, request.params.get("contents")))

    (_, said), (batch, reading) = drive(site("edxml_folder"), year(2026), answer)
    assert batch.request.params == {"contents": "*.edxml", "from": "2026-01-01", "to": "2026-12-31", "root": "H00"}
    assert said.warnings == ("1 tệp không được đọc, đầu tiên: cu/b.edxml",)
    assert figures(reading)["H00.05", "sent"] == 1


def test_a_file_that_is_not_what_the_listing_says_fails() -> None:
    request = Request("GET", "", params={"contents": "*.edxml"} | SEPTEMBER, kind="file")
    document = json.loads(listing({"a.edxml": message()}, "*.edxml"))
    document["files"][0]["sha256"] = "0" * 64
    assert failure(taken(request, json.dumps(document).encode())).kind is FailureKind.TRUNCATED
    assert failure(taken(request, listing({"a.edxml": message()}))).kind is FailureKind.WRONG_SHAPE


# --- the archive ---

ARCHIVE = Request("GET", "/edocs", params=SEPTEMBER)


def archive(*bodies: bytes, **changes: Any) -> bytes:
    data = [
        {"docId": str(number), "messageType": "edoc", "edxml": base64.b64encode(body).decode()}
        for number, body in enumerate(bodies)
    ]
    document = {
        "status": "OK", "ErrorCode": "0", "ErrorDesc": "", "total": len(data), "until": "2026-09-30", "data": data,
    }  # fmt: skip
    return json.dumps({name: value for name, value in (document | changes).items() if value != "absent"}).encode()


def test_an_empty_archive_that_says_so_is_zero_for_known_agencies_only() -> None:
    request = Request("GET", "/edocs", params=SEPTEMBER | {"agencies": "H00.05"})
    reading = read_as_kept(taken(request, archive()))
    assert {(item.unit, item.value, item.period) for item in reading.observations} == {
        ("H00.05", Decimal(0), month(2026, 9))
    }
    assert read_as_kept(taken(ARCHIVE, archive())).observations == ()
    future = read_as_kept(taken(request, archive(until="2026-08-31")))
    assert future.observations == ()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.NOT_JSON),
        (b"success", FailureKind.NOT_JSON),
        (archive(message())[:-9], FailureKind.TRUNCATED),
        (b"[]", FailureKind.WRONG_SHAPE),
        (b"{}", FailureKind.WRONG_SHAPE),
        (b'"OK"', FailureKind.WRONG_SHAPE),
        (archive(data=None), FailureKind.WRONG_SHAPE),
        (archive(data="absent"), FailureKind.WRONG_SHAPE),
        (archive(total="absent"), FailureKind.WRONG_SHAPE),
        (archive(total=None), FailureKind.WRONG_SHAPE),
        (archive(until="absent"), FailureKind.WRONG_SHAPE),
        (archive(until="30/09/2026"), FailureKind.WRONG_SHAPE),
        (archive(ErrorCode="1"), FailureKind.SOURCE_ERROR),
        (archive(status="FAIL"), FailureKind.SOURCE_ERROR),
        (archive(message(), total=2), FailureKind.TRUNCATED),
        (archive(data=[{"docId": "1", "edxml": "%%%"}], total=1), FailureKind.TRUNCATED),
        (archive(data=[{"docId": "1", "edxml": None}], total=1), FailureKind.WRONG_SHAPE),
        (archive(message()).replace(b'"total": 1', b'"total": 0, "total": 1'), FailureKind.WRONG_SHAPE),
        (b"<html>x</html>", FailureKind.UNSUPPORTED_PLATFORM),
        (b"<html>Request Rejected</html>", FailureKind.BLOCKED),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure_never_zero(body: bytes, kind: FailureKind) -> None:
    assert failure(taken(ARCHIVE, body)).kind is kind


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (401, FailureKind.AUTH_FAILED, False),
        (403, FailureKind.BLOCKED, False),
        (429, FailureKind.BLOCKED, False),
        (404, FailureKind.HTTP_STATUS, False),
        (503, FailureKind.HTTP_STATUS, True),
    ],
)
def test_statuses(code: int, kind: FailureKind, retryable: bool) -> None:
    found = failure(taken(ARCHIVE, archive(message()), code))
    assert (found.kind, found.retryable) == (kind, retryable)


def test_a_document_of_other_days_than_asked_waits() -> None:
    odd = message(document="H00.05,2026/08/03,1/X", sent="2026/08/31 08:00:00")
    reading = read_as_kept(taken(ARCHIVE, archive(message(), odd)))
    assert ["ngoài kỳ" in item.reason for item in reading.quarantined] == [True]
    assert held_back(reading) == {"H00.05": SENT, "H00.21.01": RECEIVED}, "which month is its own cannot be told"


def test_new_fields_are_said_once_and_not_kept() -> None:
    snapshot = taken(ARCHIVE, archive(message(), message(document="H00.05,2026/09/04,13/STC"), nextPage="riêng tư"))
    assert read_as_kept(snapshot).warnings == ("trường mới «nextPage»: chưa được đọc",)
    assert "riêng tư".encode() not in CONNECTOR.redact(snapshot).body


def test_the_archive_is_asked_by_month_or_day() -> None:
    by_month = [request.params["from"] for request in CONNECTOR.plan(site("edxml_rest"), quarter(2026, 3))]
    assert by_month == ["2026-07-01", "2026-08-01", "2026-09-01"]
    by_day = list(CONNECTOR.plan(site("edxml_rest", slice="day"), month(2026, 9)))
    assert len(by_day) == 30
    assert by_day[-1].params == {"from": "2026-09-30", "to": "2026-09-30", "root": "H00"}


# --- statistics of an axis ---

DETAIL = Request(
    "GET", "/public/-/stat/detail", params={"fromDate": "01/09/2026", "toDate": "30/09/2026", "root": "H00"}
)
WHOLE_YEAR = {"fromDate": "01/01/2026", "toDate": "31/12/2026", "root": "H00"}


def row(code: str, sent: Any, received: Any, total: Any, children: Any = None) -> dict[str, Any]:
    return {
        "organDomain": code, "organName": f"Đơn vị {code}", "lastUpdate": None,
        "sent": sent, "received": received, "total": total, "childOrgan": children,
    }  # fmt: skip


TREE = [
    row("000.00.05.H00", 2, 3, 5),
    row("000.00.21.H00", 30, 40, 70, [row("000.01.21.H00", 10, 20, 30, []), row("VP-H00.21", 20, 20, 40)]),
]


def detail(rows: Any, request: Request = DETAIL) -> Reading:
    return read_as_kept(taken(request, json.dumps(rows).encode()))


def test_only_leaves_are_read_and_parents_are_never_added() -> None:
    reading = detail(TREE)
    assert figures(reading) == {
        ("H00.05", "sent"): 2, ("H00.05", "received"): 3, ("H00.05", "total"): 5,
        ("H00.21.01", "sent"): 10, ("H00.21.01", "received"): 20, ("H00.21.01", "total"): 30,
        ("VP-H00.21", "sent"): 20, ("VP-H00.21", "received"): 20, ("VP-H00.21", "total"): 40,
    }  # fmt: skip
    by_place = {item.locator: item for item in reading.observations}
    commune = by_place["/1/childOrgan/0/received"]
    assert (commune.unit_code, commune.period, commune.value) == ("H00.21.01", month(2026, 9), Decimal(20))
    assert by_place["/1/childOrgan/1/sent"].unit_code is None
    assert any("1 dòng cha" in text for text in reading.warnings)
    assert sum(item.value or 0 for item in detail(TREE, Request("GET", DETAIL.path, WHOLE_YEAR)).observations) == 75


def test_an_office_spliced_in_twice_counts_once() -> None:
    reading = detail([*TREE, row("H00.05", 2, 3, 5)])
    assert figures(reading)["H00.05", "total"] == 5
    assert any("hai lần" in text for text in reading.warnings)
    contradicting = detail([*TREE, row("H00.05", 9, 3, 12)])
    assert ("H00.05", "total") not in figures(contradicting)
    assert len(contradicting.quarantined) == 2
    as_parent = detail([*TREE, row("H00.21", 1, 1, 2)])
    assert ("H00.21", "total") not in figures(as_parent)
    assert [item.locator for item in as_parent.quarantined] == ["/2"]


@pytest.mark.parametrize(
    "odd",
    [
        row("H00.11", 1, 2, 4),
        row("H00.11", None, 2, 2),
        {name: value for name, value in row("H00.11", 1, 2, 3).items() if name != "sent"},
        row("H00.11", "1", 2, 3),
        row("H00.11", -1, 2, 1),
        row("H00.11", 1.4, 1.6, 3),
        None,
    ],
)
def test_a_row_that_contradicts_itself_waits_and_spoils_the_sum(odd: Any) -> None:
    reading = detail([*TREE, odd])
    assert [item.locator for item in reading.quarantined] == ["/2"]
    assert ("H00.11", "total") not in figures(reading)
    assert figures(reading)["H00.05", "total"] == 5
    assert detail([*TREE, odd], Request("GET", DETAIL.path, WHOLE_YEAR)).observations == ()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", FailureKind.SOURCE_ERROR),
        (b"null", FailureKind.WRONG_SHAPE),
        (b'{"status": 500}', FailureKind.WRONG_SHAPE),
        (b'[{"organName": "x"}]', FailureKind.WRONG_SHAPE),
        (b'[{"organDomain": "H00.01", "childOrgan": {}}]', FailureKind.WRONG_SHAPE),
        (b"<html>login</html>", FailureKind.UNSUPPORTED_PLATFORM),
    ],
)
def test_an_axis_that_swallowed_an_error_is_no_zero(body: bytes, kind: FailureKind) -> None:
    assert failure(taken(DETAIL, body)).kind is kind


def test_a_running_month_says_the_same_on_every_night_and_a_future_one_says_nothing() -> None:
    """The kit ends it with the night (`up_to_night`), so that equal bytes are equal figures."""
    october = Request("GET", DETAIL.path, {"fromDate": "01/10/2026", "toDate": "31/10/2026", "root": "H00"})
    said = detail(TREE, october).observations
    assert {item.period for item in said} == {month(2026, 10)}
    assert {item.metric for item in said} <= set(load_manifest("edoc_axis").up_to_night)
    november = Request("GET", DETAIL.path, {"fromDate": "01/11/2026", "toDate": "30/11/2026", "root": "H00"})
    assert detail(TREE, november).observations == ()


def test_the_total_of_another_year_is_another_question() -> None:
    def total_asked(night: dt.date) -> Request:
        plan = CONNECTOR.plan(site("stat_detail"), month(2026, 12))
        next(plan)
        return plan.send(replace(taken(DETAIL, b"[]"), night=night))

    december, january = total_asked(dt.date(2026, 12, 31)), total_asked(dt.date(2027, 1, 1))
    assert december.path == january.path == "/public/-/document/stat"
    assert december.params == january.params == {"root": "H00"}
    assert december.sha256 != january.sha256
    (hub,) = read_as_kept(replace(taken(january, b'{"total": 105}'), night=dt.date(2027, 1, 1))).observations
    assert hub.period == year(2027)


def test_the_leaves_of_the_year_are_compared_with_the_axis_total() -> None:
    same = detail(TREE, Request("GET", DETAIL.path, WHOLE_YEAR | {"hubTotal": "75"}))
    other = detail(TREE, Request("GET", DETAIL.path, WHOLE_YEAR | {"hubTotal": "105"}))
    assert [text for text in same.warnings if "tổng của trục" in text] == []
    assert [text for text in other.warnings if "tổng của trục" in text] == [
        "tổng các đơn vị lá từ đầu năm là 75, tổng của trục là 105"
    ]
    (leaves,) = same.observations
    assert (leaves.metric, leaves.unit_code, leaves.value) == ("edoc_stat_leaves_total", "H00", Decimal(75))
    total = Request("GET", "/public/-/document/stat", {"root": "H00"})
    (hub,) = read_as_kept(taken(total, b'{"total": 105, "totalOrgan": 3, "dateTime": "x"}')).observations
    assert (hub.value, hub.period, hub.locator) == (Decimal(105), leaves.period, "/total")
    for body in (b"{}", b'{"total": null}', b'{"total": "105"}', b"[]"):
        assert failure(taken(total, body)).kind is FailureKind.WRONG_SHAPE


def test_statistics_plan_hands_the_total_on_and_does_without() -> None:
    requests = []
    plan = CONNECTOR.plan(site("stat_detail"), quarter(2026, 3))
    request = next(plan)
    try:
        while True:
            requests.append(request)
            request = plan.send(taken(request, b'{"total": 105}') if request.path.endswith("document/stat") else None)
    except StopIteration:
        pass
    assert [(r.path, r.params.get("fromDate")) for r in requests] == [
        ("/public/-/stat/detail", "01/07/2026"),
        ("/public/-/stat/detail", "01/08/2026"),
        ("/public/-/stat/detail", "01/09/2026"),
        ("/public/-/document/stat", None),
        ("/public/-/stat/detail", "01/01/2026"),
    ]
    assert requests[-1].params["hubTotal"] == "105"
    assert all("hubTotal" not in r.params for r in CONNECTOR.plan(site("stat_detail"), month(2026, 9)))


# --- options ---


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (site("edxml_rest").model_copy(update={"options": {}}), "dialect is missing"),
        (site("vxp"), "dialect"),
        (site("edxml_rest").model_copy(update={"base_url": "file:///edxml"}), "base_url"),
        (site("edxml_folder").model_copy(update={"base_url": "https://x.invalid"}), "base_url"),
        (site("stat_detail", agencies=["H00.01"]), "agencies"),
        (site("edxml_rest", agencies="H00.01"), "agencies"),
        (site("edxml_rest", agencies=["H44.01"]), "agencies"),
        (site("edxml_rest", agencies=["000.00.01.H00"]), "agencies"),
        (site("edxml_rest", agencies=["H00.01", "H00.01"]), "once"),
        (site("edxml_rest", slice="week"), "slice"),
        (site("edxml_rest", token="x"), "token"),
    ],
)
def test_wrong_options_are_refused_before_the_first_request(wrong: Site, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        next(CONNECTOR.plan(wrong, year(2026)))
    assert "site thu" in str(caught.value)


def test_a_stored_request_must_say_what_it_asked() -> None:
    for params in ({"root": "H00"}, SEPTEMBER | {"root": ""}, SEPTEMBER | {"from": "2026-10-01"}):
        assert failure(taken(Request("GET", "/edocs", params), archive())).kind is FailureKind.WRONG_SHAPE
    assert failure(taken(Request("GET", "/getEdoc", SEPTEMBER), archive())).kind is FailureKind.WRONG_SHAPE


# --- codes ---


@pytest.mark.parametrize(
    "text",
    ["H44", "H44.01", "H44.100.02", "000.00.00.H44", "000.00.01.H44", "000.02.100.H44", "002.00.20.H13", "28.22.H17"],
)
def test_codes_read_as_the_registry_reads_them(text: str) -> None:
    known = normalise_code(text)
    expected = None if known == "002.00.20.H13" else known
    assert todays_code(text) == expected


def test_what_is_no_code_is_none() -> None:
    for text in ("", "VP-H00.21", "H4", "H44.1", "H44.00", "000.H44.00", "vpubnd"):
        assert todays_code(text) is None
    assert is_within("H00.05", "H00")
    assert not is_within("H001", "H00")


def test_facts_of_the_sample_shape() -> None:
    said = messages.facts_of(messages.parse(message("000.00.05.H00", algorithm=SHA1)))
    assert isinstance(said, messages.Document)
    assert (said.key, said.sender.code, said.sent_on) == ("H00.05,2026/09/03,12/STC", "H00.05", dt.date(2026, 9, 3))
    assert (said.business, said.with_paper, said.algorithm) == ("new", False, SHA1)


# --- the practice twin ---


def counted_by_the_twin(first: dt.date, last: dt.date) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for document in twin.documents(first, last):
        keys = [(document.sender, "sent")]
        keys.append((document.sender, "sent_with_paper" if document.with_paper else "sent_electronic_only"))
        keys += [(document.sender, "sent_signed")] if document.algorithm else []
        keys += [(code, "received") for code in document.receivers]
        for key in keys:
            found[key] = found.get(key, 0) + 1
    return found


def added(readings: list[Reading]) -> dict[tuple[str, str], int]:
    total: dict[tuple[str, str], int] = {}
    for reading in readings:
        for at, value in figures(reading).items():
            total[at] = total.get(at, 0) + value
    return total


def test_twin_archive() -> None:
    found = drive(site("edxml_rest", agencies=list(twin.senders())), quarter(2026, 3), ask_twin)
    expected = counted_by_the_twin(dt.date(2026, 7, 1), dt.date(2026, 9, 30))
    assert added([reading for _, reading in found]) == expected
    manifest = load_manifest("edoc_axis")
    assert all(check(reading, manifest, NIGHT).held == () for _, reading in found)
    assert all(len({item.unit for item in reading.observations}) == len(twin.senders()) for _, reading in found)
    (asked,) = CONNECTOR.plan(site("edxml_rest"), month(2026, 9))
    assert failure(ask_twin(asked, token="wrong")).kind is FailureKind.AUTH_FAILED
    refused = Request("GET", "/edocs", SEPTEMBER)
    wrong = twin.TWIN.answer(TwinRequest("GET", "edocs", {}, {"authorization": f"Bearer {twin.TOKEN}"}, b""))
    assert failure(taken(refused, wrong.body, wrong.status)).kind is FailureKind.SOURCE_ERROR


def test_twin_folder(tmp_path: Path) -> None:
    entries = twin.TWIN.sites("http://127.0.0.1:1/edoc_axis", tmp_path)
    where = Site.model_validate(entries[0])
    root = Path(where.base_url.removeprefix("file://"))
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.edxml")}
    assert len(files) > 2000

    def answer(request: Request) -> Snapshot:
        return taken(request, listing(files, request.params.get("contents")))

    (_, said), *batches = drive(where, year(2026), answer)
    assert said.warnings == ()
    expected = counted_by_the_twin(dt.date(2026, 1, 1), dt.date(2026, 10, 14))
    assert added([reading for _, reading in batches]) == expected
    assert [len(reading.quarantined) for _, reading in batches] == [2] + [0] * 9
    assert any("dấu mật" in text for text in batches[0][1].warnings)
    assert {item.period.end for item in batches[-1][1].observations} == {dt.date(2026, 10, 14)}
    assert {entry["options"]["dialect"] for entry in entries} == {"edxml_folder", "edxml_rest", "stat_detail"}
    assert all(Site.model_validate(entry) for entry in entries)
    assert twin.TWIN.environment == {twin.TOKEN_VARIABLE: twin.TOKEN}


def test_twin_statistics() -> None:
    found = drive(site("stat_detail"), year(2026), ask_twin)
    expected: dict[tuple[str, str], int] = {}
    for document in twin.documents(dt.date(2026, 1, 1), dt.date(2026, 10, 14)):
        for code, metric in [(document.sender, "sent"), *((code, "received") for code in document.receivers)]:
            district = len(code) == 6 and int(code[4:]) > 20
            for name in (metric, "total"):
                at = (f"VP-{code}" if district else code, name)
                expected[at] = expected.get(at, 0) + 1
    assert added([reading for _, reading in found[:12]]) == expected
    (hub,), (leaves,) = (reading.observations for _, reading in found[12:])
    assert hub.value == leaves.value == sum(value for (_, name), value in expected.items() if name == "total")
    assert not any("tổng của trục" in text for _, reading in found for text in reading.warnings)
