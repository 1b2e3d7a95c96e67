"""One edXML message (QCVN 102:2016/BTTTT): what may be kept of it, and what it says about one exchange.

Here: parsing by namespace and local name, removing what a count does not need, and typed facts. Not here: counting
(`counts.py`). Prefixes differ between builders; so do code systems: organisations come out in today's spelling.

A message is never repaired: text before the XML declaration, a DOCTYPE or a wrong root make it unusable.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from lxml import etree  # type: ignore[import-untyped, unused-ignore]

from dti_pipeline.harvest.codes import todays_code

T = TypeVar("T")

NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"

STATUS_CODES = frozenset({"01", "02", "03", "04", "05", "06", "13", "15", "16"})
"""Those that were seen or described; 14 and others were not, so a message with one waits."""

LEGACY = re.compile(r"sha1$|md5$|dsa-sha1$")
"""Algorithms that signature libraries refuse by default today: the signature is there, and old; not invalid."""

_PLACEHOLDER = "[removed]"

# What a count needs, as local names beneath each other. Everything else is removed before anything is stored.
_KEPT: dict[str, Any] = {
    "edXMLEnvelope": {
        "edXMLHeader": {
            "MessageHeader": {
                "From": {"OrganId": {}, "OrganName": {}},
                "To": {"OrganId": {}, "OrganName": {}},
                "DocumentId": {},
                "StatusCode": {},
                "Timestamp": {},
            },
            "TraceHeaderList": {
                "TraceHeader": {"OrganId": {}, "Timestamp": {}},
                "Bussiness": {"BussinessDocType": {}, "Paper": {}},
            },
            "Signature": {"SignedInfo": {"SignatureMethod": {}}, "SignatureValue": {}},
        }
    }
}

# Known and never needed: persons, subjects, contents, addresses, attachments, keys.
_REMOVED = frozenset(
    {
        "AttachmentEncoded", "BussinessDocReason", "BussinessDocumentInfo", "CanonicalizationMethod", "Code", "Content",
        "Description", "DocumentType", "DueDate", "Email", "Fax", "KeyInfo", "OrganAdd", "OrganizationInCharge",
        "OtherInfo", "Place", "PromulgationInfo", "Reference", "ReplacementInfoList", "ResponseFor", "SignerInfo",
        "StaffInfo", "SteeringType", "Subject", "Telephone", "ToPlaces", "Website", "edXMLBody", "edXMLManifest",
    }
)  # fmt: skip


def _names(spec: dict[str, Any]) -> frozenset[str]:
    return frozenset(spec).union(*map(_names, spec.values()))


# Known in one place, a name is no news in another: the SDK's sample repeats DocumentId inside Bussiness.
_KNOWN = _REMOVED | _names(_KEPT)

# No mark of secrecy was seen in edXML; these are names that builders would use. What is so marked is dropped uncounted.
_SECRECY = frozenset(
    {
        "classification", "confidential", "confidentiality", "confidentialitylevel", "domat", "secrecy", "secrecylevel",
        "secret", "secretlevel", "security", "securitylevel",
    }
)  # fmt: skip
_ORDINARY = frozenset({"", "0", "false", "none", "normal", "thường", "không", "không mật"})


class Unusable(Exception):
    """A message that waits in quarantine, with the reason."""


@dataclass(frozen=True, slots=True)
class Organ:
    """An organisation as a message names it."""

    code: str
    """Today's spelling; as it stands where it is no identifier code."""
    name: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was sent, as one message has it."""

    key: str
    """DocumentId, its organisation in today's spelling: what joins copies of one document."""
    sender: Organ
    receivers: tuple[Organ, ...]
    sent_on: dt.date
    business: Literal["new", "revoke", "update"]
    with_paper: bool
    algorithm: str | None
    """Of the message's signature; None where there is none."""


@dataclass(frozen=True, slots=True)
class Status:
    """An acknowledgement: it counts as no document, and tells how far a batch reaches."""

    sent_on: dt.date


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom a message that waits may concern: it might raise counts of theirs."""

    sender: str | None
    """None where it cannot be told; likewise the others."""
    receivers: tuple[str | None, ...]
    sent_on: dt.date | None


NOBODY_KNOWS = Concerned(None, (None,), None)
"""Of a message of which nothing can be read."""


def parse(body: bytes) -> Any:
    """The root element. Raises Unusable for bytes that are no clean edXML message."""
    # Neither entities nor a network nor a DTD: a message is data, not a program.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        where = "trước khai báo XML có chữ lạ" if _has_stray_text(body) else "không phải XML đúng quy cách"
        raise Unusable(f"{where}; thông điệp không được sửa giúp ({str(error)[:80]})") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unusable("thông điệp có DOCTYPE, edXML không dùng")
    if root.tag != f"{{{NAMESPACE}}}edXML":
        raise Unusable(f"phần tử gốc là {root.tag}, không phải edXML của QCVN 102")
    return root


def is_classified(root: Any) -> bool:
    """Whether any element marks the message as secret."""
    return any(
        _local(element).lower() in _SECRECY and " ".join(element.itertext()).strip().lower() not in _ORDINARY
        for element in root.iter(etree.Element)
    )


def redact(root: Any) -> tuple[str, frozenset[str]]:
    """The message as XML with only what a count needs, and the names of what was removed.

    An element of an unknown name stays, emptied, so that reading can say that there is a new field.
    """
    removed: set[str] = set()
    kept = _kept(root, _KEPT, removed)
    return etree.tostring(kept, encoding="unicode"), frozenset(removed)


def unknown_elements(root: Any) -> tuple[str, ...]:
    """Local names that this reader has never heard of, sorted."""
    return tuple(sorted(set(_unknown(root, _KEPT))))


def facts_of(root: Any) -> Document | Status:
    """What a message says. Raises Unusable for a category or value that is not known."""
    header = _only(root, "edXMLEnvelope", "edXMLHeader")
    message = _only(header, "MessageHeader")
    sender = _organ(_only(message, "From"))
    if (code := _text(message, "StatusCode")) is not None:
        if code not in STATUS_CODES:
            raise Unusable(f"StatusCode «{code}» chưa biết")
        return Status(_day(_text(message, "Timestamp"), "Timestamp"))
    document_id = _text(message, "DocumentId")
    if not document_id:
        raise Unusable("thiếu DocumentId nên không nối được các bản của một văn bản")
    trace = _only(header, "TraceHeaderList")
    moments = [_day(_text(item, "Timestamp"), "Timestamp") for item in _children(trace, "TraceHeader")]
    if not moments:
        raise Unusable("thiếu TraceHeader nên không biết ngày gửi")
    business = _only(trace, "Bussiness")
    kind = _text(business, "BussinessDocType")
    if kind == "3":
        raise Unusable("BussinessDocType 3 (thay thế): chưa có quyết định tính là văn bản mới hay bản chỉnh sửa")
    if kind not in ("0", "1", "2"):
        raise Unusable(f"BussinessDocType «{kind or ''}» chưa biết")
    paper = _text(business, "Paper")
    if kind == "0" and paper not in ("0", "1"):
        raise Unusable(f"Paper «{paper or ''}»: không biết có gửi kèm bản giấy hay không")
    receivers = tuple(_organ(item) for item in _children(message, "To"))
    if not receivers:
        raise Unusable("thiếu nơi nhận (To)")
    return Document(
        key=_key(document_id),
        sender=sender,
        receivers=receivers,
        sent_on=min(moments),
        business={"0": "new", "1": "revoke", "2": "update"}[kind],  # type: ignore[arg-type]
        with_paper=paper == "1",
        algorithm=_algorithm(header),
    )


def concerned(root: Any) -> Concerned | None:
    """Whom a message of which `facts_of` makes nothing concerns, as far as it can be told; None where it would count as
    nothing anyway: an acknowledgement or a correction."""
    message = _told(lambda: _only(root, "edXMLEnvelope", "edXMLHeader", "MessageHeader"))
    trace = _told(lambda: _only(root, "edXMLEnvelope", "edXMLHeader", "TraceHeaderList"))
    if message is None:
        return NOBODY_KNOWS
    business = None if trace is None else _told(lambda: _text(_only(trace, "Bussiness"), "BussinessDocType"))
    if _told(lambda: _text(message, "StatusCode")) is not None or business in ("1", "2"):
        return None
    sender = _told(lambda: _organ(_only(message, "From")))
    receivers = [_told(partial(_organ, item)) for item in _children(message, "To")]
    stamps = [] if trace is None else _children(trace, "TraceHeader")
    moments = [_told(partial(lambda item: _day(_text(item, "Timestamp"), ""), item)) for item in stamps]
    known = [moment for moment in moments if moment is not None]
    return Concerned(
        None if sender is None else sender.code,
        tuple(None if organ is None else organ.code for organ in receivers) or (None,),
        min(known) if known and len(known) == len(moments) else None,
    )


def _told(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Unusable:
        return None


def _has_stray_text(body: bytes) -> bool:
    return b"<?xml" in body[:512] and not body.removeprefix(b"\xef\xbb\xbf").startswith(b"<?xml")


def _local(element: Any) -> str:
    return str(etree.QName(element).localname)


def _is_ours(element: Any) -> bool:
    """Of the standard's namespace; signatures may stand in their own."""
    return etree.QName(element).namespace in (NAMESPACE, XMLDSIG)


def _kept(element: Any, spec: dict[str, Any], removed: set[str]) -> Any:
    copy = etree.Element(element.tag, nsmap=element.nsmap)
    name = _local(element)
    if name == "SignatureMethod" and "Algorithm" in element.attrib:
        copy.set("Algorithm", element.attrib["Algorithm"])
    if not spec and (element.text or "").strip():
        copy.text = _PLACEHOLDER if name == "SignatureValue" else element.text.strip()
        if name == "SignatureValue":
            removed.add(name)
    for child in element.iterchildren(etree.Element):
        below = _local(child)
        if below in spec and _is_ours(child):
            copy.append(_kept(child, spec[below], removed))
            continue
        removed.add(below)
        if below not in _KNOWN or not _is_known_namespace(child):
            copy.append(etree.Element(child.tag))
    return copy


def _is_known_namespace(element: Any) -> bool:
    # Attachments of some builders stand in no namespace.
    return _is_ours(element) or etree.QName(element).namespace is None


def _unknown(element: Any, spec: dict[str, Any]) -> Iterator[str]:
    for child in element.iterchildren(etree.Element):
        name = _local(child)
        if name in spec and _is_ours(child):
            yield from _unknown(child, spec[name])
        elif name not in _KNOWN or not _is_known_namespace(child):
            yield name


def _children(element: Any, name: str) -> list[Any]:
    return [child for child in element.iterchildren(etree.Element) if _local(child) == name and _is_ours(child)]


def _only(element: Any, *names: str) -> Any:
    for name in names:
        found = _children(element, name)
        if len(found) != 1:
            raise Unusable(f"phải có đúng một {name}, có {len(found)}")
        element = found[0]
    return element


def _text(element: Any, name: str) -> str | None:
    """The text of the only child of that name; None where there is none. Raises Unusable for several."""
    found = _children(element, name)
    if len(found) > 1:
        raise Unusable(f"{name} xuất hiện {len(found)} lần")
    return (found[0].text or "").strip() if found else None


def _organ(element: Any) -> Organ:
    written = _text(element, "OrganId")
    if not written:
        raise Unusable(f"{_local(element)} thiếu OrganId")
    return Organ(todays_code(written) or written, _text(element, "OrganName") or written)


def _key(document_id: str) -> str:
    """`{organisation},{yyyy/MM/dd},{number}/{notation}`; one of another shape joins only with its equals."""
    organ, comma, rest = document_id.partition(",")
    return f"{todays_code(organ) or organ.strip()}{comma}{rest.strip()}"


def _day(text: str | None, name: str) -> dt.date:
    """The day of `yyyy/MM/dd HH:mm:ss`, which the standard writes in local time."""
    match = re.fullmatch(r"([0-9]{4})/([0-9]{2})/([0-9]{2})( [0-9]{2}:[0-9]{2}:[0-9]{2})?", text or "")
    try:
        if match is not None:
            return dt.date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        pass
    raise Unusable(f"{name} «{text or ''}» không phải ngày giờ yyyy/MM/dd HH:mm:ss")


def _algorithm(header: Any) -> str | None:
    """The algorithm of a signature that is filled in; an empty one is no signature."""
    for signature in _children(header, "Signature"):
        if not _text(signature, "SignatureValue"):
            continue
        for info in _children(signature, "SignedInfo"):
            for method in _children(info, "SignatureMethod"):
                return str(method.get("Algorithm", "")) or "không rõ"
        return "không rõ"
    return None
