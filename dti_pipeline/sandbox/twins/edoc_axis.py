"""The practice province's exchange of e-documents: a folder of edXML messages, an archive of them, and an axis.

Here: which documents each fictional unit sends in a month (drawn from the seed), as messages and as statistics. Not
here: documents that never leave a unit electronically (`document_system.py`).

The folder also holds what real folders hold: copies, acknowledgements, corrections, a message of an undecided kind, one
with stray text in front, one marked secret. None of them changes a figure; all three dialects tell the same story.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest
from dti_pipeline.scoring import periods
from dti_pipeline.units.registry import older_spelling

FIRST_DAY = dt.date(2024, 1, 1)
LAST_DAY = dt.date(2026, 10, 14)
"""The practice axis knows the days from the first to the last, both included."""
FOLDER_FROM = dt.date(2026, 1, 1)
"""The folder was set up then; the archive and the axis know earlier days too."""

TOKEN_VARIABLE = "DTI_PRACTICE_EDOC_TOKEN"  # noqa: S105 - the name of a variable
TOKEN = "practice-edoc-token"  # noqa: S105 - made up, opens nothing but this
UNHURRIED = {"min_interval_s": 0, "jitter_s": 0, "backoff_s": 0}

_PER_MONTH = {"department": (3, 8), "district": (2, 6), "commune": (1, 3)}
_NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
_ALGORITHMS = ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")


@dataclass(frozen=True, slots=True)
class Document:
    """One document that a unit sent."""

    sender: str
    number: int
    sent_on: dt.date
    receivers: tuple[str, ...]
    with_paper: bool
    algorithm: str | None
    kind: int = 0
    """BussinessDocType."""

    @property
    def id(self) -> str:
        """Every other unit still writes its code in the older spelling."""
        return f"{self.written(self.sender)},{self.sent_on:%Y/%m/%d},{self.number}/VB-{self.sender}"

    def written(self, code: str) -> str:
        return older_spelling(code) if self.number % 2 else code


@cache
def senders() -> tuple[str, ...]:
    """Codes of the units that use the axis, in the units' order."""
    return tuple(unit.code for unit in practice.units() if unit.level in _PER_MONTH)


@cache
def sent(code: str, month: practice.Month) -> tuple[Document, ...]:
    """What a unit sent in a month, by day. The silent unit sends nothing; the paused one nothing in third quarters."""
    if code == practice.SILENT_UNIT or (code == practice.PAUSED_UNIT and month[1] in (7, 8, 9)):
        return ()
    rng = practice.draw(practice.SEED, code, "edocs", *month)
    paper_permille = practice.draw(practice.SEED, code, "edoc habits").randint(0, 350)
    days = periods.month(*month)
    others = [other for other in senders() if other != code]
    found = []
    for number in range(rng.randint(*_PER_MONTH[practice.unit(code).level])):
        document = Document(
            sender=code,
            number=100 * month[1] + number,
            sent_on=days.start + dt.timedelta(days=rng.randrange((days.end - days.start).days + 1)),
            receivers=tuple(rng.sample(others, rng.randint(1, 3))),
            with_paper=rng.randrange(1000) < paper_permille,
            algorithm=rng.choice((*_ALGORITHMS, _ALGORITHMS[0], None)),
        )
        # October so far: whatever is drawn for its days falls on those that have been.
        if month == (LAST_DAY.year, LAST_DAY.month):
            document = replace(document, sent_on=days.start + dt.timedelta(days=document.sent_on.day % LAST_DAY.day))
        found.append(document)
    return tuple(sorted(found, key=lambda item: (item.sent_on, item.number)))


def documents(first: dt.date, last: dt.date) -> Iterator[Document]:
    """What all units sent on some days, as far as the axis knows them."""
    first, last = max(first, FIRST_DAY), min(last, LAST_DAY)
    months = [
        (year, month)
        for year in range(first.year, last.year + 1)
        for month in range(1, 13)
        if (first.year, first.month) <= (year, month) <= (last.year, last.month)
    ]
    for code in senders():
        for month in months:
            yield from (item for item in sent(code, month) if first <= item.sent_on <= last)


def message(document: Document, *, more: str = "", prefix: str = "edXML") -> bytes:
    """The document as an edXML message, with everything that a real one carries and a count does not need."""
    p, names = prefix, {unit.code: unit.name for unit in practice.units()}

    def organ(tag: str, code: str) -> str:
        return (
            f"<{p}:{tag}><{p}:OrganId>{document.written(code)}</{p}:OrganId>"
            f"<{p}:OrganName>{escape(names.get(code, code))}</{p}:OrganName>"
            f"<{p}:Email>van-thu@{code.lower()}.invalid</{p}:Email></{p}:{tag}>"
        )

    signature = ""
    if document.algorithm is not None:
        signature = (
            f'<{p}:Signature><{p}:SignedInfo><{p}:SignatureMethod Algorithm="{document.algorithm}"/></{p}:SignedInfo>'
            f"<{p}:SignatureValue>UHJhY3RpY2U=</{p}:SignatureValue></{p}:Signature>"
        )
    day = f"{document.sent_on:%Y/%m/%d}"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{p}:edXML xmlns:{p}="{_NAMESPACE}"><{p}:edXMLEnvelope>'
        f"<{p}:edXMLHeader><{p}:MessageHeader>{organ('From', document.sender)}"
        f"{''.join(organ('To', code) for code in document.receivers)}"
        f"<{p}:DocumentId>{document.id}</{p}:DocumentId>"
        f"<{p}:PromulgationInfo><{p}:Place>Thực Hành</{p}:Place><{p}:PromulgationDate>{day}</{p}:PromulgationDate>"
        f"</{p}:PromulgationInfo><{p}:Subject>V/v diễn tập (hư cấu)</{p}:Subject>"
        f"<{p}:SignerInfo><{p}:FullName>Người ký hư cấu</{p}:FullName></{p}:SignerInfo>{more}</{p}:MessageHeader>"
        f"<{p}:TraceHeaderList><{p}:TraceHeader><{p}:OrganId>{document.written(document.sender)}</{p}:OrganId>"
        f"<{p}:Timestamp>{day} 08:00:00</{p}:Timestamp></{p}:TraceHeader>"
        f"<{p}:Bussiness><{p}:BussinessDocType>{document.kind}</{p}:BussinessDocType>"
        f"<{p}:Paper>{int(document.with_paper)}</{p}:Paper>"
        f"<{p}:StaffInfo><{p}:Staff>Văn thư hư cấu</{p}:Staff></{p}:StaffInfo></{p}:Bussiness></{p}:TraceHeaderList>"
        f"{signature}</{p}:edXMLHeader></{p}:edXMLEnvelope></{p}:edXML>\n"
    ).encode()


def acknowledgement(document: Document) -> bytes:
    """The first receiver's status message 03: received and registered."""
    code = document.receivers[0]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<e:edXML xmlns:e="{_NAMESPACE}"><e:edXMLEnvelope><e:edXMLHeader>'
        f"<e:MessageHeader><e:From><e:OrganId>{document.written(code)}</e:OrganId></e:From>"
        f"<e:ResponseFor><e:OrganId>{document.written(document.sender)}</e:OrganId>"
        f"<e:DocumentId>{document.id}</e:DocumentId></e:ResponseFor>"
        f"<e:StaffInfo><e:Staff>Văn thư hư cấu</e:Staff></e:StaffInfo><e:StatusCode>03</e:StatusCode>"
        f"<e:Description>Đã đến</e:Description><e:Timestamp>{document.sent_on:%Y/%m/%d} 09:00:00</e:Timestamp>"
        f"</e:MessageHeader></e:edXMLHeader></e:edXMLEnvelope></e:edXML>\n"
    ).encode()


def folder_files() -> dict[str, bytes]:
    """File name -> message: what stands in the practice folder."""
    files = {}
    found = list(documents(FOLDER_FROM, LAST_DAY))
    for position, document in enumerate(found):
        name = f"{document.sent_on:%Y-%m}/{document.sender}-{document.sent_on:%d}-{document.number}"
        files[f"{name}.edxml"] = message(document, prefix="e" if position % 3 else "edXML")
        if position % 40 == 0:
            files[f"{name}-ban-sao.edxml"] = message(document)
            files[f"{name}-trang-thai.edxml"] = acknowledgement(document)
    odd = replace(found[0], number=90_001)
    # Between units of no province, for it would hold back the counts of those that it names.
    files["2026-01/le-thay-the.edxml"] = message(replace(odd, kind=3, sender="H99.01", receivers=("H99.02",)))
    files["2026-01/le-thu-hoi.edxml"] = message(replace(found[0], kind=1))
    files["2026-01/le-chu-la.edxml"] = b"1212" + message(replace(odd, number=90_003))
    mark = "<edXML:SecurityLevel>1</edXML:SecurityLevel>"
    files["2026-01/le-mat.edxml"] = message(replace(odd, number=90_005), more=mark)
    return files


def statistics(first: dt.date, last: dt.date) -> list[dict[str, Any]]:
    """`stat/detail`: a district's row includes its communes; one office stands there twice, as in a real build."""
    counts = {code: [0, 0] for code in senders()}
    for document in documents(first, last):
        counts[document.sender][0] += 1
        for receiver in document.receivers:
            counts[receiver][1] += 1

    def row(code: str, children: list[dict[str, Any]]) -> dict[str, Any]:
        own, received = counts[code]
        gone = own + sum(child["sent"] for child in children)
        come = received + sum(child["received"] for child in children)
        return {
            "organDomain": older_spelling(code),
            "organName": practice.unit(code).name,
            "lastUpdate": None,
            "sent": gone,
            "received": come,
            "total": gone + come,
            "childOrgan": children,
        }

    rows = []
    for unit in practice.units():
        if unit.level not in ("department", "district"):
            continue
        children = [row(below.code, []) for below in practice.units() if below.parent == unit.code]
        if children:  # the district's own office is one of the leaves beneath it, under a name of the axis's own
            office = row(unit.code, []) | {"organDomain": f"VP-{unit.code}", "organName": f"Văn phòng {unit.name}"}
            rows.append(row(unit.code, children) | {"childOrgan": [office, *children]})
        else:
            rows.append(row(unit.code, []))
    return [*rows, rows[0]]


def leaves_total(first: dt.date, last: dt.date) -> int:
    """Documents sent and received by all units on some days."""
    return sum(1 + len(document.receivers) for document in documents(first, last))


class EdocAxisTwin:
    """The practice archive and axis over HTTP; the folder is written by `sites`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        if request.method != "GET":
            return _json({"status": "FAIL", "ErrorCode": "405", "ErrorDesc": "Method Not Allowed"}, 405)
        if request.path == "edocs":
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return _json({"status": "FAIL", "ErrorCode": "401", "ErrorDesc": "Unauthorized"}, 401)
            return self._archive(request.params)
        if request.path == "public/-/stat/detail":
            return self._detail(request.params)
        if request.path == "public/-/document/stat":
            total = leaves_total(dt.date(LAST_DAY.year, 1, 1), LAST_DAY)
            return _json({"total": total, "totalOrgan": len(senders()), "dateTime": f"{LAST_DAY:%d/%m/%Y} 23:00:00"})
        return _json({"status": 404, "error": "Not Found", "path": f"/{request.path}"}, 404)

    def _archive(self, params: Mapping[str, str]) -> TwinAnswer:
        try:
            first, last = dt.date.fromisoformat(params["from"]), dt.date.fromisoformat(params["to"])
        except (KeyError, ValueError):
            return _json({"status": "FAIL", "ErrorCode": "400", "ErrorDesc": "from, to: yyyy-MM-dd"})
        data = [
            {"docId": item.id, "messageType": "edoc", "edxml": base64.b64encode(message(item)).decode()}
            for item in documents(first, last)
        ]
        until = min(last, LAST_DAY).isoformat()
        return _json(
            {"status": "OK", "ErrorCode": "0", "ErrorDesc": "", "total": len(data), "until": until, "data": data}
        )

    def _detail(self, params: Mapping[str, str]) -> TwinAnswer:
        try:
            first, last = (_shown_day(params[name]) for name in ("fromDate", "toDate"))
        except (KeyError, ValueError):  # the axis swallows what goes wrong and answers with nothing
            return _json([])
        return _json(statistics(first, last))

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        messages = folder / "edxml"
        messages.mkdir(parents=True, exist_ok=True)
        for name, body in folder_files().items():
            (messages / name).parent.mkdir(exist_ok=True)
            (messages / name).write_bytes(body)

        def site(name: str, url: str, windows: list[str], **options: Any) -> dict[str, Any]:
            return {
                "name": name,
                "connector": "edoc_axis",
                "base_url": url,
                "province": practice.ROOT,
                "windows": windows,
                "politeness": dict(UNHURRIED),
                "options": options,
            }

        agencies = list(senders())
        return [
            site("edxml-thu-muc", messages.resolve().as_uri(), ["year"], dialect="edxml_folder", agencies=agencies),
            site("edxml-kho", base_url, ["last_closed_quarter"], dialect="edxml_rest", agencies=agencies)
            | {"auth": {"kind": "bearer", "token": TOKEN_VARIABLE}},
            site("truc-thong-ke", base_url, ["year"], dialect="stat_detail"),
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        return {TOKEN_VARIABLE: TOKEN}


TWIN = EdocAxisTwin()


def _shown_day(text: str) -> dt.date:
    day, month, year = text.split("/")
    return dt.date(int(year), int(month), int(day))


def _json(document: Any, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(document, ensure_ascii=False).encode(), status=status)
