"""Verdicts on signed files: a hand-made case for each, and for which one wins; the files that say who may sign.

Expectations are what the rules in docs/signatures.md say of each case, written down by hand.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fpdf import FPDF
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.evidence.model import Verdict
from dti_pipeline.evidence.signatures import check as check_module
from dti_pipeline.evidence.signatures.check import SignatureReport, check_signatures, context_sha256, words
from dti_pipeline.evidence.signatures.reading import read_pdf
from dti_pipeline.evidence.signatures.registry import (
    AmbiguousSigner,
    Signer,
    SignerRegistry,
    load_signers,
    signers_of,
)
from dti_pipeline.evidence.signatures.trust import Trust, load_trust, trust_of
from dti_pipeline.sandbox import practice, practice_ca
from dti_pipeline.scoring.periods import TIME_ZONE
from tests.evidence import signing_kit as kit

UNIT, OTHER = "H00.05", "H00.06"
UNITS = (UNIT, OTHER)
BOTH = ("leader", "organisation")


def local(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=TIME_ZONE)  # type: ignore[arg-type,misc]


SIGNED = local(2026, 10, 1, 9, 0)
ARRIVED = local(2026, 10, 1, 15, 0)
DEADLINE = local(2026, 10, 5, 23, 59, 59)
SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class World:
    """Who is who. Keys are P-256 (quick), the clerk's Ed25519, those of the time-stamping authorities RSA-2048."""

    root: kit.Identity
    ca: kit.Identity
    leader: kit.Identity
    organisation: kit.Identity
    other_leader: kit.Identity
    clerk: kit.Identity
    tsa: kit.Identity
    stranger_tsa: kit.Identity
    signers: SignerRegistry
    trust: Trust
    pdf: bytes
    both: bytes


def person(ca: kit.Identity, unit: str, role: str, **options: Any) -> kit.Identity:
    return kit.issue({"CN": f"{role} (hư cấu)", "O": unit, "UID": f"{role}-{unit}"}, ca, **options)


def entry(unit: str, role: str, **more: Any) -> Signer:
    subject = {"CN": f"{role} (hư cấu)", "UID": f"{role}-{unit}"}
    return Signer.model_validate({"unit": unit, "role": role, "subject": subject, **more})


@pytest.fixture(scope="session")
def world() -> World:
    root = kit.issue({"CN": "Gốc (hư cấu)"}, None, authority=True)
    ca = kit.issue({"CN": "Cấp phát (hư cấu)"}, root, authority=True)
    other_root = kit.issue({"CN": "Gốc lạ (hư cấu)"}, None, authority=True)
    leader = person(ca, UNIT, "leader", addresses=True)
    organisation = person(ca, UNIT, "organisation", addresses=True)
    stamps = {"key": kit.rsa_key(2048), "extended": kit.TSA_USE}
    pdf = kit.plain_pdf()
    return World(
        root=root,
        ca=ca,
        leader=leader,
        organisation=organisation,
        other_leader=person(ca, OTHER, "leader"),
        clerk=person(ca, UNIT, "clerk", key=ed25519.Ed25519PrivateKey.generate()),
        tsa=kit.issue({"CN": "Dấu thời gian (hư cấu)"}, ca, **stamps),
        stranger_tsa=kit.issue({"CN": "Dấu thời gian lạ (hư cấu)"}, other_root, **stamps),
        signers=signers_of([entry(UNIT, "leader"), entry(UNIT, "organisation"), entry(OTHER, "leader")], UNITS),
        trust=trust_of([root.der]),
        pdf=pdf,
        both=kit.sign(kit.sign(pdf, leader, "A", SIGNED), organisation, "B", SIGNED),
    )


def check(world: World, body: bytes, **over: Any) -> SignatureReport:
    arguments: dict[str, Any] = {
        "unit": UNIT,
        "required": BOTH,
        "signers": world.signers,
        "trust": world.trust,
        "arrived_at": ARRIVED,
        "deadline": DEADLINE,
    }
    return check_signatures(body, **(arguments | over))


def by(
    world: World, *who: kit.Identity, at: dt.datetime | None = SIGNED, pdf: bytes | None = None, **options: Any
) -> bytes:
    """Signed by these, one after the other."""
    body = world.pdf if pdf is None else pdf
    for number, identity in enumerate(who):
        body = kit.sign(body, identity, "ABCDE"[number], at, **options)
    return body


def statuses(report: SignatureReport) -> list[str]:
    return [item.status.value for item in report.signatures]


# --- who signed ---


def test_two_good_signatures(world: World) -> None:
    report = check(world, world.both)
    assert (report.verdict, statuses(report)) == (Verdict.VERIFIED, ["verified", "verified"])
    first, last = report.signatures
    assert (first.field, first.role, first.unit, first.covers_whole_file) == ("A", "leader", UNIT, False)
    assert (last.field, last.role, last.unit, last.covers_whole_file) == ("B", "organisation", UNIT, True)
    assert first.subject == f"CN=leader (hư cấu), O={UNIT}, UID=leader-{UNIT}"
    assert first.issuer == "CN=Cấp phát (hư cấu)"
    assert first.serial == f"{world.leader.certificate.serial_number:X}"
    assert first.sha256_fingerprint == world.leader.asn1.sha256.hex()
    assert (first.signed_at, first.is_time_trusted) == (SIGNED, False)
    assert "chỉ do người ký khai" in first.reason
    assert "Chưa kiểm tra thu hồi" in first.reason


@pytest.mark.parametrize(
    ("who", "required", "verdict", "each"),
    [
        (["leader"], BOTH, "incomplete", ["verified"]),
        (["organisation"], BOTH, "incomplete", ["verified"]),
        (["leader", "leader"], BOTH, "incomplete", ["verified", "verified"]),
        (["leader"], ("leader",), "verified", ["verified"]),
        (["leader"], (), "verified", ["verified"]),
        (["other_leader", "organisation"], BOTH, "wrong_signer", ["wrong_signer", "verified"]),
        (["clerk", "organisation"], BOTH, "wrong_signer", ["wrong_signer", "verified"]),
        (["clerk", "leader", "organisation"], BOTH, "verified", ["wrong_signer", "verified", "verified"]),
        (["clerk", "leader"], (), "wrong_signer", ["wrong_signer", "verified"]),
        (["clerk"], (), "wrong_signer", ["wrong_signer"]),
    ],
)
def test_who_signed(world: World, who: Sequence[str], required: tuple[str, ...], verdict: str, each: list[str]) -> None:
    report = check(world, by(world, *(getattr(world, name) for name in who)), required=required)
    assert (report.verdict, statuses(report)) == (verdict, each)


def test_a_missing_role_is_named_and_so_is_the_unit_that_a_stranger_belongs_to(world: World) -> None:
    assert "Thiếu chữ ký của: cơ quan." in check(world, by(world, world.leader)).reason
    report = check(world, by(world, world.other_leader, world.organisation))
    assert "Thiếu chữ ký của: người đứng đầu." in report.reason
    assert f"là của đơn vị {OTHER}" in report.signatures[0].reason
    assert report.signatures[0].unit is None
    clerk = check(world, by(world, world.clerk), required=()).signatures[0]
    assert "không có trong danh sách người ký" in clerk.reason
    assert "Ngoài ra có 1 chữ ký khác" in check(world, by(world, world.clerk, world.leader, world.organisation)).reason


def test_nobody_registered_leaves_the_question_open(world: World) -> None:
    report = check(world, world.both, signers=SignerRegistry())
    assert (report.verdict, statuses(report)) == (Verdict.UNVERIFIABLE, ["unverifiable"] * 2)
    assert "Chưa khai người ký nào" in report.reason
    assert check(world, by(world, world.leader), signers=SignerRegistry()).verdict == Verdict.INCOMPLETE


@pytest.mark.parametrize(
    ("window", "status"),
    [
        ({"valid_from": "2026-10-01"}, "verified"),
        ({"valid_from": "2026-10-02"}, "wrong_signer"),
        ({"valid_to": "2026-10-01"}, "verified"),
        ({"valid_to": "2026-09-30"}, "wrong_signer"),
    ],
)
def test_a_signer_stands_for_its_unit_for_a_time(world: World, window: dict[str, str], status: str) -> None:
    # Arrived on 1 October at 15:00; the trusted time is the same day at 00:30 here and the day before in UTC.
    signers = signers_of([entry(UNIT, "leader", **window)], UNITS)
    stamped = by(world, world.leader, stamper=kit.tsa(world.tsa, local(2026, 10, 1, 0, 30)))
    for body in (by(world, world.leader), stamped):
        report = check(world, body, signers=signers, required=("leader",))
        assert report.signatures[0].status == status
        assert ("không giữ vai trò này" in report.reason) == (status == "wrong_signer")


def test_a_certificate_can_be_registered_by_fingerprint(world: World) -> None:
    for fingerprint, verdict in ((world.clerk.asn1.sha256.hex(), "verified"), ("0" * 64, "wrong_signer")):
        signer = Signer(unit=UNIT, role="leader", sha256=fingerprint)
        report = check(world, by(world, world.clerk), signers=signers_of([signer], UNITS), required=("leader",))
        assert report.verdict == verdict


# --- integrity ---


def altered_cases() -> dict[str, Callable[[World], bytes]]:
    def form_filled(world: World) -> bytes:
        return kit.fill_text_field(by(world, world.leader, world.organisation, pdf=kit.add_text_field(world.pdf)))

    def between(world: World) -> bytes:
        return kit.sign(kit.overwrite_page(by(world, world.leader)), world.organisation, "B", SIGNED)

    def in_content(world: World) -> bytes:
        return kit.flip(world.both, world.both.index(b"/MediaBox") + 1, b"X")

    def in_first_blob(world: World) -> bytes:
        start, _ = kit.blob_span(world.both, 0)
        return kit.flip(world.both, start + 900, b"0" if world.both[start + 900] != 48 else b"1")

    def in_first_padding(world: World) -> bytes:
        _, end = kit.blob_span(world.both, 0)
        return kit.flip(world.both, end - 4, b"1")

    def certified_closed(world: World) -> bytes:
        first = kit.sign(world.pdf, world.leader, "A", SIGNED, certify=MDPPerm.NO_CHANGES)
        return kit.sign(first, world.organisation, "B", SIGNED)

    def fake_end(world: World) -> bytes:
        end = world.both.rindex(b"startxref")
        return world.both + b"% hidden\n" + world.both[end:]

    def behind_validation_data(world: World) -> bytes:
        return kit.add_validation_data(world.both, [world.ca], []) + b"hidden"

    return {
        "bytes appended": lambda world: world.both + b"x",
        "a line end and more appended": lambda world: world.both + b"\n\n",
        "bytes and a second end of file appended": fake_end,
        "bytes appended behind validation data": behind_validation_data,
        "edited behind both": lambda world: kit.overwrite_page(world.both),
        "edited between them": between,
        "script added behind both": lambda world: kit.add_script(world.both),
        "form filled in behind both": form_filled,
        "byte in the signed content": in_content,
        "byte in the first signature": in_first_blob,
        "byte in the room left beside the first signature": in_first_padding,
        "second signature on a closed certified file": certified_closed,
    }


@pytest.mark.parametrize("case", altered_cases())
def test_altered(world: World, case: str) -> None:
    report = check(world, altered_cases()[case](world))
    assert report.verdict == Verdict.ALTERED
    assert "Bị sửa sau khi ký" in report.reason
    if case == "edited behind both":
        assert "chỉ do người ký khai" not in report.reason


def test_a_signer_cannot_leave_the_end_of_the_file_unsigned(world: World) -> None:
    """A range that begins within the signature's own place: as long as the whole file, and short of its end."""
    whole, short = (kit.sign_short(world.pdf, world.leader, by_bytes=count) for count in (0, 64))
    assert check(world, whole, required=("leader",)).signatures[0].covers_whole_file
    report = check(world, short, required=("leader",))
    assert not report.signatures[0].covers_whole_file
    assert report.verdict == Verdict.ALTERED


def test_what_is_left_of_the_first_revision_is_incomplete(world: World) -> None:
    # original, A, B
    ends = kit.ends_of_revisions(world.both)
    assert len(ends) == 3
    report = check(world, world.both[: ends[1]])
    assert (report.verdict, statuses(report)) == (Verdict.INCOMPLETE, ["verified"])
    assert check(world, world.both[: ends[0]]).verdict == Verdict.UNSIGNED


def test_a_broken_only_signature_is_damaged(world: World) -> None:
    signed = by(world, world.leader)
    start, end = kit.blob_span(signed, 0)
    unreadable = signed[:start] + b"00" * ((end - start) // 2) + signed[end:]
    report = check(world, unreadable)
    assert (report.verdict, statuses(report)) == (Verdict.DAMAGED, ["damaged"])
    assert report.signatures[0].subject == ""
    hidden = kit.flip(signed, end - 4, b"1")
    assert check(world, hidden, required=("leader",)).verdict == Verdict.DAMAGED
    assert "không khớp với chứng thư" in check(world, hidden).reason


def test_a_signature_value_that_does_not_fit_is_damaged(world: World) -> None:
    # The last value in the signature is the value itself: P-256, two integers in a sequence at the very end.
    signed = by(world, world.leader)
    start, end = kit.blob_span(signed, 0)
    digits = signed[start:end].rstrip(b"0")
    position = start + len(digits) - 8
    report = check(world, kit.flip(signed, position, b"0" if signed[position] != 48 else b"1"), required=())
    assert (report.verdict, statuses(report)) == (Verdict.DAMAGED, ["damaged"])


def encrypted(password: str) -> bytes:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_encryption(owner_password="owner", user_password=password)
    return bytes(pdf.output())


@pytest.mark.parametrize(
    ("body", "verdict", "said"),
    [
        (b"", "damaged", "Tệp rỗng"),
        (b"PK\x03\x04 word/document.xml", "unsigned", "không phải PDF"),
        (b"\x89PNG\r\n\x1a\n", "unsigned", "không phải PDF"),
        (b"%PDF-1.7\nnothing else", "damaged", "Không đọc được cấu trúc"),
    ],
)
def test_what_is_no_readable_pdf(world: World, body: bytes, verdict: str, said: str) -> None:
    report = check(world, body)
    assert (report.verdict, report.signatures) == (verdict, ())
    assert said in report.reason


def test_files_without_signatures(world: World) -> None:
    assert check(world, world.pdf).verdict == Verdict.UNSIGNED
    assert check(world, world.both[: len(world.both) - 400]).verdict == Verdict.DAMAGED
    empty = check(world, kit.add_empty_field(world.pdf, "A"))
    assert empty.verdict == Verdict.UNSIGNED
    assert "1 ô chữ ký còn trống" in empty.reason
    # A carelessly written file (a key twice) that nobody signed is unsigned, not damaged.
    careless = world.pdf.replace(*TWICE)
    assert careless != world.pdf
    assert check(world, careless).verdict == Verdict.UNSIGNED
    # Signed, what its signatures cover is open to interpretation.
    assert check(world, by(world, world.leader).replace(*TWICE), required=("leader",)).verdict == Verdict.DAMAGED


TWICE = (b"/PageLayout /OneColumn", b"/Type /Catalog        ")


def test_passwords(world: World) -> None:
    locked = check(world, encrypted("secret"))
    assert locked.verdict == Verdict.DAMAGED
    assert "mật khẩu" in locked.reason
    assert check(world, encrypted("")).verdict == Verdict.UNSIGNED


def test_hybrid_files_of_office_programs_are_read(world: World) -> None:
    """Two tables of contents side by side, as word processors write them; strict reading refuses to check these."""
    pdf = world.pdf
    start = pdf.rindex(b"startxref")
    at = len(pdf[:start])
    table = b"99 0 obj\n<</Type /XRef /Size 1 /W [1 1 1] /Index [0 0] /Length 0>>\nstream\n\nendstream\nendobj\n"
    trailer = pdf.rindex(b"trailer")
    xref = int(pdf[start:].split()[1])
    moved = pdf[:xref] + table + pdf[xref:start].replace(b"trailer\n<<", b"trailer\n<<\n/XRefStm %d" % xref)
    hybrid = moved + b"startxref\n%d\n%%%%EOF\n" % (xref + len(table))
    assert at > trailer
    assert b"/XRefStm" in hybrid
    signed = kit.sign(
        kit.sign(hybrid, world.leader, "A", SIGNED, strict=False), world.organisation, "B", SIGNED, strict=False
    )
    assert check(world, signed).verdict == Verdict.VERIFIED
    assert check(world, signed + b"x").verdict == Verdict.ALTERED


def test_what_may_follow_a_signature(world: World) -> None:
    fresh = kit.crl(world.ca, made_at=SIGNED, next_at=SIGNED + 30 * DAY)
    later = kit.add_validation_data(world.both, [world.ca], [fresh])
    stamped = kit.stamp_document(later, kit.tsa(world.tsa, SIGNED + DAY / 24))
    for body in (later, stamped, kit.add_validation_data(stamped, [world.root], [])):
        report = check(world, body)
        assert (report.verdict, statuses(report)) == (Verdict.VERIFIED, ["verified", "verified"])
    certified = kit.sign(world.pdf, world.leader, "A", SIGNED, certify=MDPPerm.FILL_FORMS)
    assert check(world, kit.sign(certified, world.organisation, "B", SIGNED)).verdict == Verdict.VERIFIED
    assert check(world, certified, required=("leader",)).verdict == Verdict.VERIFIED
    prepared = kit.add_empty_field(kit.add_empty_field(world.pdf, "A"), "B")
    assert check(world, by(world, world.leader, world.organisation, pdf=prepared)).verdict == Verdict.VERIFIED


def test_a_kind_of_signature_that_is_not_read_is_not_called_invalid(world: World) -> None:
    old = world.both.replace(b"/ETSI.CAdES.detached", b"/adbe.pkcs7.sha1    ")
    assert (check(world, old).verdict, statuses(check(world, old))) == ("unverifiable", ["unverifiable"] * 2)
    assert "không được hỗ trợ" in check(world, old).reason
    one = by(world, world.leader).replace(b"/ETSI.CAdES.detached", b"/adbe.pkcs7.sha1    ")
    assert check(world, one).verdict == Verdict.INCOMPLETE


def test_a_reference_to_nothing_is_a_finding_and_not_a_crash(world: World) -> None:
    def point_to_nothing(writer: IncrementalPdfFileWriter) -> None:
        writer.root[generic.pdf_name("/DSS")] = generic.IndirectObject(99_999, 0, writer)
        writer.update_root()

    report = check(world, kit.update(by(world, world.leader, world.organisation), point_to_nothing))
    assert report.verdict is not Verdict.VERIFIED


def test_scripts_are_told(world: World) -> None:
    report = check(world, by(world, world.leader, world.organisation, pdf=kit.add_script(world.pdf)))
    assert report.verdict == Verdict.VERIFIED
    assert "có mã lệnh hoặc biểu mẫu XFA" in report.reason
    assert "có mã lệnh" not in check(world, world.both).reason


def test_a_long_file(world: World) -> None:
    signed = by(world, world.leader, world.organisation, pdf=kit.plain_pdf(300))
    assert check(world, signed).verdict == Verdict.VERIFIED
    assert check(world, kit.overwrite_page(signed)).verdict == Verdict.ALTERED


# --- certificates and time ---


def stamped(world: World, who: kit.Identity, at: dt.datetime, **options: Any) -> bytes:
    return by(world, who, stamper=kit.tsa(world.tsa, at), **options)


def leader_only(world: World, body: bytes, **over: Any) -> Any:
    """The one signature of a file that the leader alone has to sign."""
    report = check(world, body, **{"required": ("leader",)} | over)
    assert report.verdict == report.signatures[0].status
    return report.signatures[0]


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "stamp", "claimed", "status", "said"),
    [
        # valid when it arrived
        (None, None, None, SIGNED, "verified", "chỉ do người ký khai"),
        (None, None, None, None, "verified", "không ghi thời điểm ký"),
        # run out before it was signed
        (None, SIGNED - DAY, None, SIGNED, "expired", "không nằm trong thời gian đó"),
        (None, SIGNED - DAY, SIGNED, SIGNED, "expired", "09:00:00 ngày 01/10/2026 không nằm"),
        # run out between signing and arrival: proved by a time-stamp, or not at all
        (None, SIGNED + SECOND, SIGNED, SIGNED, "verified", "dấu thời gian tin cậy"),
        (None, SIGNED + SECOND, None, SIGNED, "expired", "15:00:00 ngày 01/10/2026 không nằm"),
        # not yet valid, by the stamp or by the signer's own claim
        (SIGNED + SECOND, None, SIGNED, SIGNED, "expired", "không nằm trong thời gian đó"),
        (SIGNED + SECOND, None, None, SIGNED, "expired", "trước khi chứng thư có hiệu lực"),
        (SIGNED - DAY, None, SIGNED, SIGNED - 2 * DAY, "verified", "dấu thời gian tin cậy"),
    ],
)
def test_when_a_certificate_has_to_be_valid(
    world: World,
    valid_from: dt.datetime | None,
    valid_to: dt.datetime | None,
    stamp: dt.datetime | None,
    claimed: dt.datetime | None,
    status: str,
    said: str,
) -> None:
    who = person(world.ca, UNIT, "leader", valid_from=valid_from or kit.Y2020, valid_to=valid_to or kit.Y2040)
    stamper = None if stamp is None else kit.tsa(world.tsa, stamp)
    found = leader_only(world, by(world, who, at=claimed, stamper=stamper))
    assert (found.status, found.is_time_trusted) == (status, stamp is not None)
    assert said in found.reason


@pytest.mark.parametrize(
    ("claimed", "stamp", "arrived", "status", "said"),
    [
        # the deadline's last second and the next one, by a trusted time-stamp
        (SIGNED, DEADLINE, DEADLINE + DAY, "verified", "dấu thời gian tin cậy"),
        (SIGNED, DEADLINE + SECOND, DEADLINE + DAY, "late", "Ký lúc 00:00:00 ngày 06/10/2026, sau hạn 23:59:59"),
        # the same by a mere claim: what was here in time was signed in time, whatever its clock says
        (DEADLINE, None, DEADLINE + DAY, "verified", "chỉ do người ký khai"),
        (DEADLINE + SECOND, None, DEADLINE + DAY, "late", "sau hạn 23:59:59"),
        (DEADLINE + SECOND, None, DEADLINE, "verified", "chỉ do người ký khai"),
        (DEADLINE + DAY, None, DEADLINE, "verified", "lời khai không được dùng"),
        (None, None, DEADLINE + SECOND, "late", "sau hạn 23:59:59"),
        (None, None, DEADLINE, "verified", "không ghi thời điểm ký"),
        # a claim from after the arrival
        (ARRIVED + dt.timedelta(minutes=5), None, ARRIVED, "verified", "chỉ do người ký khai"),
        (ARRIVED + dt.timedelta(minutes=5, seconds=1), None, ARRIVED, "verified", "lời khai không được dùng"),
        # an authority's clock ahead of ours
        (SIGNED, DEADLINE + SECOND, DEADLINE, "verified", "dấu thời gian tin cậy"),
    ],
)
def test_the_deadline(
    world: World,
    claimed: dt.datetime | None,
    stamp: dt.datetime | None,
    arrived: dt.datetime,
    status: str,
    said: str,
) -> None:
    stamper = None if stamp is None else kit.tsa(world.tsa, stamp)
    body = by(world, world.leader, at=claimed, stamper=stamper)
    found = leader_only(world, body, arrived_at=arrived)
    assert found.status == status
    assert said in found.reason
    assert leader_only(world, body, arrived_at=arrived, deadline=None).status == Verdict.VERIFIED


def test_a_claim_without_an_offset_claims_nothing(world: World) -> None:
    body = by(world, world.leader)
    marked = re.sub(rb"(/M \(D[^)]*?)(\\053[^)]*)\)", lambda found: found[1] + b")" + b" " * len(found[2]), body)
    assert marked != body
    with_claim = read_pdf(body, world.trust, ARRIVED).signatures[0]
    without = read_pdf(marked, world.trust, ARRIVED).signatures[0]
    assert (with_claim.claimed_at, without.claimed_at) == (SIGNED, None)


def test_a_fraction_of_the_last_second_is_in_time(world: World) -> None:
    body = by(world, world.leader, at=None)
    assert leader_only(world, body, arrived_at=DEADLINE.replace(microsecond=999999)).status == Verdict.VERIFIED


def test_a_later_document_stamp_proves_the_time_too(world: World) -> None:
    who = person(world.ca, UNIT, "leader", valid_to=SIGNED + DAY)
    body = kit.stamp_document(by(world, who), kit.tsa(world.tsa, SIGNED + 2 * SECOND))
    late = ARRIVED + 3 * DAY
    found = leader_only(world, body, arrived_at=late)
    assert (found.status, found.signed_at, found.is_time_trusted) == ("verified", SIGNED + 2 * SECOND, True)
    # One that stands before the signature does not.
    before = by(world, who, pdf=kit.stamp_document(world.pdf, kit.tsa(world.tsa, SIGNED - SECOND)))
    assert leader_only(world, before, arrived_at=late).status == Verdict.EXPIRED
    # The earliest proof counts.
    twice = kit.stamp_document(stamped(world, world.leader, SIGNED), kit.tsa(world.tsa, SIGNED + DAY))
    assert leader_only(world, twice, arrived_at=late).signed_at == SIGNED


def test_a_stamp_of_an_unknown_authority_proves_nothing(world: World) -> None:
    body = by(world, world.leader, stamper=kit.tsa(world.stranger_tsa, SIGNED + SECOND))
    found = leader_only(world, body)
    assert (found.status, found.is_time_trusted, found.signed_at) == ("verified", False, SIGNED)
    assert "không tin cậy được" in found.reason


def test_a_stamp_for_something_else_proves_nothing(world: World) -> None:
    """A genuine token, made over another signature, put in the place of this one's."""
    other, own = (kit.tsa(world.tsa, SIGNED + number * SECOND) for number in (1, 2))
    foreign = bytes.fromhex(kit.blob(by(world, world.clerk, stamper=other)).decode())
    body = by(world, world.leader, stamper=kit.replaying(foreign, own))
    found = leader_only(world, body)
    assert (found.status, found.is_time_trusted) == (Verdict.VERIFIED, False)
    assert "không tin cậy được" in found.reason


# --- trust and revocation ---


def test_without_a_root_nothing_is_called_invalid(world: World) -> None:
    report = check(world, world.both, trust=Trust())
    assert (report.verdict, statuses(report)) == (Verdict.UNVERIFIABLE, ["unverifiable"] * 2)
    assert "Chưa cài chứng thư gốc nào" in report.reason
    assert "Chưa kết luận chữ ký sai" in report.reason
    assert [item.role for item in report.signatures] == ["leader", "organisation"]
    other = trust_of([kit.issue({"CN": "Gốc khác"}, None, authority=True).der])
    assert "không dẫn tới chứng thư gốc nào đã cài" in check(world, world.both, trust=other).reason


def test_an_intermediate_that_the_file_lacks_can_be_installed(world: World) -> None:
    bare = dataclasses.replace(world.leader, issuer=None)
    body = kit.sign(world.pdf, bare, "A", SIGNED)
    assert leader_only(world, body).status == Verdict.UNVERIFIABLE
    assert leader_only(world, body, trust=trust_of([world.root.pem + world.ca.pem])).status == Verdict.VERIFIED


def test_an_intermediate_is_no_root(world: World) -> None:
    assert leader_only(world, by(world, world.leader), trust=trust_of([world.ca.der])).status == Verdict.UNVERIFIABLE


def lists(world: World, who: kit.Identity, moment: dt.datetime | None, made_at: dt.datetime) -> list[bytes]:
    """Lists of both authorities; the issuing one's names a certificate as revoked at a moment."""
    named = [] if moment is None else [(who, moment)]
    return [
        kit.crl(world.root, made_at=made_at, next_at=made_at + 30 * DAY),
        kit.crl(world.ca, named, made_at=made_at, next_at=made_at + 30 * DAY),
    ]


@pytest.mark.parametrize(
    ("revoked", "stamp", "status"),
    [
        (None, None, "verified"),
        (SIGNED - DAY, None, "expired"),
        (SIGNED - DAY, SIGNED, "expired"),
        # revoked between signing and arrival: proved by a time-stamp, or not at all
        (SIGNED + SECOND, None, "expired"),
        (SIGNED + SECOND, SIGNED, "verified"),
        (ARRIVED + SECOND, None, "verified"),
    ],
)
@pytest.mark.parametrize("where", ["installed", "embedded", "answered", "in the signature"])
def test_revocation(
    world: World, revoked: dt.datetime | None, stamp: dt.datetime | None, status: str, where: str
) -> None:
    known = lists(world, world.leader, revoked, ARRIVED + DAY)
    body = by(world, world.leader, stamper=None if stamp is None else kit.tsa(world.tsa, stamp))
    trust = trust_of([world.root.der], known)
    if where == "embedded":
        body, trust = kit.add_validation_data(body, [], known), world.trust
    elif where == "answered":
        answer = kit.ocsp_answer(world.leader, revoked, made_at=ARRIVED + DAY)
        body, trust = kit.add_validation_data(body, [], known[:1], [answer]), world.trust
    elif where == "in the signature":
        stamper = None if stamp is None else kit.tsa(world.tsa, stamp)
        body, trust = by(world, world.leader, stamper=stamper, adobe_crls=tuple(known)), world.trust
    found = leader_only(world, body, trust=trust)
    assert found.status == status
    # An answer that a certificate was revoked later does not say that it was good before.
    later = where == "answered" and revoked is not None and status == "verified"
    assert ("Chưa kiểm tra thu hồi" in found.reason) == later
    if status == "expired":
        assert "bị thu hồi lúc" in found.reason


def test_a_revoked_authority_takes_its_certificates_with_it(world: World) -> None:
    listed = kit.crl(world.root, [(world.ca, SIGNED - DAY)], made_at=SIGNED, next_at=SIGNED + 30 * DAY)
    found = leader_only(world, by(world, world.leader), trust=trust_of([world.root.der], [listed]))
    assert (found.status, "bị thu hồi" in found.reason) == (Verdict.EXPIRED, True)


def test_an_old_list_convicts_and_does_not_acquit(world: World) -> None:
    old = SIGNED - 300 * DAY
    body = by(world, world.leader)
    for revoked, status, unchecked in ((old - DAY, "expired", False), (None, "verified", True)):
        trust = trust_of([world.root.der], lists(world, world.leader, revoked, old))
        found = leader_only(world, body, trust=trust)
        assert (found.status, "Chưa kiểm tra thu hồi" in found.reason) == (status, unchecked)


def test_a_list_from_after_a_certificate_ran_out_does_not_acquit(world: World) -> None:
    who = person(world.ca, UNIT, "leader", valid_to=ARRIVED + DAY)
    for made_at, unchecked in ((ARRIVED, False), (ARRIVED + 2 * DAY, True)):
        trust = trust_of([world.root.der], lists(world, who, None, made_at))
        found = leader_only(world, by(world, who), trust=trust)
        assert (found.status, "Chưa kiểm tra thu hồi" in found.reason) == ("verified", unchecked)


def test_revocation_can_be_required(world: World) -> None:
    body = by(world, world.leader)
    found = leader_only(world, body, trust=dataclasses.replace(world.trust, revocation="required"))
    assert found.status == Verdict.UNVERIFIABLE
    assert "không có dữ liệu thu hồi" in found.reason
    known = trust_of([world.root.der], lists(world, world.leader, None, ARRIVED), "required")
    assert leader_only(world, body, trust=known).status == Verdict.VERIFIED
    half = dataclasses.replace(known, crls=tuple(lists(world, world.leader, None, ARRIVED)[1:]))
    assert leader_only(world, body, trust=half).status == Verdict.UNVERIFIABLE


def test_a_forged_list_is_no_list(world: World) -> None:
    fake_ca = kit.issue({"CN": "Cấp phát (hư cấu)"}, None, authority=True)
    forged = kit.crl(fake_ca, [(world.leader, SIGNED - DAY)], made_at=ARRIVED, next_at=ARRIVED + DAY)
    found = leader_only(world, kit.add_validation_data(by(world, world.leader), [fake_ca], [forged]))
    assert (found.status, "Chưa kiểm tra thu hồi" in found.reason) == (Verdict.VERIFIED, True)


def test_a_revoked_time_stamping_authority_proves_nothing(world: World) -> None:
    trust = trust_of([world.root.der], lists(world, world.tsa, SIGNED - DAY, ARRIVED))
    found = leader_only(world, stamped(world, world.leader, SIGNED), trust=trust)
    assert (found.status, found.is_time_trusted) == (Verdict.VERIFIED, False)


def test_a_namesake_with_a_certificate_of_its_own_making_is_not_verified(world: World) -> None:
    subject = {"CN": "leader (hư cấu)", "O": UNIT, "UID": f"leader-{UNIT}"}
    found = leader_only(world, by(world, kit.issue(subject, None)))
    assert found.status == Verdict.UNVERIFIABLE
    fake_ca = kit.issue({"CN": "Cấp phát (hư cấu)"}, None, authority=True)
    assert leader_only(world, by(world, kit.issue(subject, fake_ca))).status == Verdict.UNVERIFIABLE


def test_weak_algorithms_prove_nothing(world: World) -> None:
    short = person(world.ca, UNIT, "leader", key=kit.rsa_key(1024))
    for body in (by(world, short), by(world, world.leader, digest="sha1")):
        found = leader_only(world, body)
        assert found.status == Verdict.UNVERIFIABLE
        assert "thuật toán yếu" in found.reason
    assert leader_only(world, kit.overwrite_page(by(world, short))).status == Verdict.ALTERED


@pytest.mark.parametrize("prefer_pss", [False, True])
def test_rsa_in_both_ways(world: World, prefer_pss: bool) -> None:
    body = by(world, person(world.ca, UNIT, "leader", key=kit.rsa_key(2048)), prefer_pss=prefer_pss)
    assert leader_only(world, body).status == Verdict.VERIFIED
    assert check(world, body + b"x", required=("leader",)).verdict == Verdict.ALTERED


def test_a_certificate_for_something_else_proves_nothing(world: World) -> None:
    found = leader_only(world, by(world, person(world.ca, UNIT, "leader", signs=False)))
    assert found.status == Verdict.UNVERIFIABLE
    assert "không được cấp để ký tài liệu" in found.reason


def test_an_authority_that_had_run_out_leaves_the_question_open(world: World) -> None:
    old_ca = kit.issue({"CN": "Cấp phát cũ (hư cấu)"}, world.root, authority=True, valid_to=SIGNED - DAY)
    found = leader_only(world, by(world, person(old_ca, UNIT, "leader")))
    assert found.status == Verdict.UNVERIFIABLE
    assert "có lỗi ở cấp trên" in found.reason


# --- which verdict wins ---


def test_every_verdict_has_words_and_a_place() -> None:
    assert [item.value for item in words().priority] == [
        "altered", "damaged", "unsigned", "wrong_signer", "incomplete", "expired", "late", "unverifiable", "verified",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("altered and damaged", "altered"),
        ("altered and without a root", "altered"),
        ("damaged and by a stranger", "damaged"),
        ("by a stranger, run out", "wrong_signer"),
        ("one missing, the other run out", "incomplete"),
        ("one missing, the other without a root", "incomplete"),
        ("one run out, the other late", "expired"),
        ("run out and late", "expired"),
        ("late and without a root", "late"),
        ("one good and one without a root", "unverifiable"),
        ("one run out and signed again", "verified"),
    ],
)
def test_the_gravest_verdict_wins(world: World, name: str, verdict: str) -> None:
    old = person(world.ca, UNIT, "leader", valid_to=SIGNED - DAY)
    foreign_root = kit.issue({"CN": "Gốc khác (hư cấu)"}, None, authority=True)
    foreign = person(foreign_root, UNIT, "organisation")
    after = {"arrived_at": DEADLINE + 2 * DAY}
    late = DEADLINE + DAY
    over: dict[str, Any] = {}
    match name:
        case "altered and damaged":
            start, end = kit.blob_span(world.both, 0)
            body = world.both[:start] + b"00" * ((end - start) // 2) + world.both[end:]
        case "altered and without a root":
            body, over = kit.overwrite_page(world.both), {"trust": Trust()}
        case "damaged and by a stranger":
            body = by(world, world.clerk)
            body = kit.flip(body, kit.blob_span(body, 0)[1] - 4, b"1")
        case "by a stranger, run out":
            body = by(world, person(world.ca, UNIT, "clerk", valid_to=SIGNED - DAY))
        case "one missing, the other run out":
            body = by(world, old)
        case "one missing, the other without a root":
            body = by(world, foreign)
        case "one run out, the other late":
            body, over = kit.sign(by(world, old), world.organisation, "B", late), after
        case "run out and late":
            body, over = by(world, old, at=late), after | {"required": ("leader",)}
        case "late and without a root":
            body, over = by(world, foreign, at=late), after | {"required": ("organisation",)}
        case "one good and one without a root":
            body = by(world, world.leader, foreign)
        case _:
            body = by(world, old, world.leader, world.organisation)
    assert check(world, body, **over).verdict == verdict


# --- no network, no clock, any bytes ---


def test_nothing_is_asked_of_the_network_or_the_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(*_: Any, **__: Any) -> Any:
        asked.append("network")
        raise OSError("no network here")

    class NoClock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            raise AssertionError("the clock was read")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for module in ("pyhanko_certvalidator.context", "pyhanko_certvalidator.ltv.poe", "pyhanko.sign.validation.ades"):
        monkeypatch.setattr(f"{module}.datetime", NoClock)
    # The certificates name a list, an OCSP responder and their issuer's address; the issuing CA is not in the file.
    bare = kit.sign(world.pdf, dataclasses.replace(world.leader, issuer=None), "A", SIGNED)
    required = dataclasses.replace(world.trust, revocation="required")
    assert leader_only(world, bare, trust=required).status == Verdict.UNVERIFIABLE
    assert check(world, world.both).verdict == Verdict.VERIFIED
    assert asked == []


BROKEN = (Verdict.ALTERED, Verdict.DAMAGED, Verdict.UNSIGNED, Verdict.INCOMPLETE, Verdict.UNVERIFIABLE)


def test_any_bytes_get_a_verdict_and_never_a_better_one(world: World) -> None:
    # Flips anywhere in a file that both have signed: no file that differs from theirs is ever verified.
    draw = random.Random(20261001)
    body = world.both
    start, end = kit.blob_span(body, 1)
    for _ in range(24):
        position = draw.randrange(len(body))
        broken = body[:position] + bytes([body[position] ^ (1 << draw.randrange(8))]) + body[position + 1 :]
        if start <= position < end:
            continue  # the last signature's own digits: letters may change case
        report = check(world, broken)
        assert report.verdict in BROKEN, position
    for _ in range(8):
        assert check(world, body[: draw.randrange(1, len(body) - 8)]).verdict != Verdict.VERIFIED


def test_moments_need_an_offset(world: World) -> None:
    with pytest.raises(ValueError, match="offset"):
        check(world, world.both, arrived_at=dt.datetime(2026, 10, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="offset"):
        check(world, world.both, deadline=dt.datetime(2026, 10, 1))  # noqa: DTZ001


def test_a_report_can_be_stored(world: World) -> None:
    stored = json.loads(json.dumps(check(world, world.both).as_dict()))
    assert stored["verdict"] == "verified"
    assert stored["signatures"][0]["signed_at"] == "2026-10-01T09:00:00+07:00"
    assert stored["signatures"][1]["status"] == "verified"
    assert check(world, world.both).as_dict() == check(world, world.both).as_dict()


def test_what_a_stored_report_depends_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = context_sha256(world.signers, world.trust)
    assert now == context_sha256(world.signers, trust_of([world.root.pem]))
    changed = [
        context_sha256(SignerRegistry(world.signers.signers[:1]), world.trust),
        context_sha256(world.signers, Trust()),
        context_sha256(world.signers, trust_of([world.root.der, world.ca.der])),
        context_sha256(world.signers, dataclasses.replace(world.trust, revocation="required")),
        context_sha256(world.signers, trust_of([world.root.der], lists(world, world.leader, None, SIGNED)[:1])),
    ]
    monkeypatch.setattr(check_module, "RULES", check_module.RULES + 1)
    changed.append(context_sha256(world.signers, world.trust))
    assert len({now, *changed}) == 7


# --- the operator's files ---


def write_signers(folder: Path, text: str) -> Path:
    path = folder / "signers.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_signers_file(tmp_path: Path) -> None:
    assert load_signers(tmp_path / "signers.yaml", UNITS) == SignerRegistry()
    path = write_signers(
        tmp_path,
        f"""signers:
  - {{unit: {UNIT}, role: leader, subject: {{CN: "Nguyễn Văn Mẫu", UID: "CCCD:000"}}, document: "QĐ 1 (hư cấu)"}}
  - {{unit: {OTHER}, role: leader, subject: {{CN: "Nguyễn Văn Mẫu", UID: "CCCD:000"}}}}
  - {{unit: {UNIT}, role: organisation, sha256: {"ab" * 32}, valid_from: 2026-01-01, valid_to: 2026-12-31}}
""",
    )
    signers = load_signers(path, UNITS).signers
    assert [(item.unit, item.role) for item in signers] == [(UNIT, "leader"), (OTHER, "leader"), (UNIT, "organisation")]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["{unit: H00.05, role: leader, subject: {CN: A}}"], "two attributes of its subject"),
        (["{unit: H00.05, role: leader}"], "needs sha256"),
        (["{unit: H00.05, role: boss, subject: {CN: A, UID: B}}"], "role"),
        (["{unit: H00.05, role: leader, subject: {CN: A, XX: B}}"], "XX"),
        (["{unit: H00.99, role: leader, subject: {CN: A, UID: B}}"], "unknown unit H00.99"),
        (["{unit: H00.05, role: leader, sha256: AB}"], "sha256"),
        (["{unit: H00.05, role: leader, subject: {CN: A, UID: B}}"] * 2, "entries 1 (H00.05, leader) and 2"),
        (
            ["{unit: H00.05, role: leader, subject: {CN: A, UID: B}}",
             "{unit: H00.05, role: organisation, subject: {CN: A, UID: B, O: C}}"],
            "fit the same certificate",
        ),
        (
            ["{unit: H00.05, role: organisation, subject: {CN: A, UID: B}}",
             "{unit: H00.06, role: organisation, subject: {CN: A, UID: B}}"],
            "fit the same certificate",
        ),
        (
            ["{unit: H00.05, role: leader, subject: {CN: A, UID: B}, valid_from: 2026-02-01, valid_to: 2026-01-01}"],
            "lies before valid_from",
        ),
    ],
)  # fmt: skip
def test_signers_that_cannot_be_used(tmp_path: Path, entries: list[str], said: str) -> None:
    path = write_signers(tmp_path, "signers:\n" + "".join(f"  - {item}\n" for item in entries))
    with pytest.raises(DataFileError) as caught:
        load_signers(path, UNITS)
    assert said in str(caught.value)
    assert "signers.yaml" in str(caught.value)


def test_the_same_signer_may_come_back() -> None:
    first = entry(UNIT, "leader", valid_to="2026-06-30")
    assert len(signers_of([first, entry(UNIT, "leader", valid_from="2026-07-01")], UNITS).signers) == 2
    exact = Signer.model_validate({"unit": UNIT, "role": "leader", "subject": {**first.subject, "O": UNIT}})
    for pair in ([first, exact], [exact, first]):
        with pytest.raises(ValueError, match="entries 1"):
            signers_of(pair, UNITS)
    with pytest.raises(ValueError, match="entries 1"):
        signers_of([first, entry(UNIT, "leader", valid_from="2026-06-30")], UNITS)


def test_a_certificate_for_both_roles_stops_the_check(world: World) -> None:
    by_name = entry(UNIT, "leader")
    by_unit = Signer.model_validate(
        {"unit": UNIT, "role": "organisation", "subject": {"O": UNIT, "UID": f"leader-{UNIT}"}}
    )
    with pytest.raises(AmbiguousSigner, match="both roles"):
        check(world, world.both, signers=signers_of([by_name, by_unit], UNITS))


def test_trust_folder(world: World, tmp_path: Path) -> None:
    assert load_trust(tmp_path) == Trust()
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "root.pem").write_bytes(world.root.pem)
    (folder / "root-again.der").write_bytes(world.root.der)
    (folder / "issuing.CRT").write_bytes(world.ca.der)
    (folder / "list.crl").write_bytes(
        x509.load_der_x509_crl(lists(world, world.leader, None, SIGNED)[1]).public_bytes(Encoding.PEM)
    )
    (folder / "trust.yaml").write_text("revocation: required\n", encoding="utf-8")
    (folder / ".DS_Store").write_bytes(b"")
    trust = load_trust(tmp_path)
    assert (trust.roots, trust.intermediates, trust.revocation) == ((world.root.der,), (world.ca.der,), "required")
    assert len(trust.crls) == 1


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a.p7b", b"", "trust/a.p7b: only certificates"),
        ("a.pem", b"-----BEGIN NOTHING-----", "trust/a.pem: is no certificate"),
        ("a.crl", b"\x30\x00", "trust/a.crl: is no revocation list"),
        ("trust.yaml", b"revocation: maybe\n", "trust.yaml:1: field revocation"),
    ],
)
def test_trust_that_cannot_be_used(tmp_path: Path, name: str, body: bytes, said: str) -> None:
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / name).write_bytes(body)
    with pytest.raises(DataFileError) as caught:
        load_trust(tmp_path)
    assert said in str(caught.value)


def test_keys_and_self_made_certificates_are_refused(world: World) -> None:
    key = world.clerk.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="private key"):
        trust_of([world.root.pem + key])
    with pytest.raises(ValueError, match="no authority"):
        trust_of([kit.issue({"CN": "ai đó"}, None).der])


# --- the practice authority ---


@pytest.fixture(scope="module")
def practised(tmp_path_factory: pytest.TempPathFactory) -> tuple[SignerRegistry, Trust, bytes]:
    home = tmp_path_factory.mktemp("practice")
    practice_ca.install_trust(home)
    units = [unit.code for unit in practice.units()]
    return load_signers(home / "signers.yaml", units), load_trust(home), practice_ca.practice_pdf("Báo cáo", ["Dòng"])


def test_the_practice_province_signs(practised: tuple[SignerRegistry, Trust, bytes]) -> None:
    signers, trust, pdf = practised
    assert len(signers.signers) == 2 * len(practice.units())
    good = practice_ca.sign(pdf, UNIT, BOTH, SIGNED)
    assert good == practice_ca.sign(pdf, UNIT, BOTH, SIGNED)
    bodies = {
        "verified": good,
        "incomplete": practice_ca.sign(pdf, UNIT, ("leader",), SIGNED),
        "altered": practice_ca.altered(good),
        "wrong_signer": practice_ca.wrong_signer(pdf, UNIT, SIGNED),
        "late": practice_ca.late(pdf, UNIT, DEADLINE),
        "unsigned": pdf,
    }
    for verdict, body in bodies.items():
        report = check_signatures(
            body,
            unit=UNIT,
            required=BOTH,
            signers=signers,
            trust=trust,
            arrived_at=DEADLINE + 2 * DAY,
            deadline=DEADLINE,
        )
        assert report.verdict == verdict
        for found in report.signatures:
            assert "diễn tập" in found.subject
            assert "hư cấu" in found.subject
            assert "hư cấu" in found.issuer


def test_practice_files(practised: tuple[SignerRegistry, Trust, bytes]) -> None:
    _, _, pdf = practised
    assert pdf == practice_ca.practice_pdf("Báo cáo", ["Dòng"])
    assert len(pdf) < 20_000
    assert b"/Count 3" in practice_ca.practice_pdf("Báo cáo", ["Dòng"] * 110)
    with pytest.raises(ValueError, match="at most 3 pages"):
        practice_ca.practice_pdf("Báo cáo", ["Dòng"] * 400)
    with pytest.raises(KeyError):
        practice_ca.sign(pdf, "H44.01", BOTH, SIGNED)
