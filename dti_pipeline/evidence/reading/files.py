"""Evidence files: whether one may be kept, its type, and how many pages it has. Not here: signatures (`signatures/`).

A file that is damaged, protected, disguised or active is refused with advice. A PDF that was changed after signing is
not refused: what its signatures are worth is decided elsewhere.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.sniffing import content_of


@dataclass(frozen=True, slots=True)
class EvidenceFileInfo:
    """An evidence file that may be kept. `pages`: None where the type does not say."""

    media_type: str
    pages: int | None


def check_evidence_file(body: bytes, file_name: str) -> EvidenceFileInfo:
    """What an evidence file is. Raises Refused."""
    content = content_of(body, file_name)
    if not content.type.evidence:
        raise Refused(
            f"Tệp {content.type.words} không phải tài liệu minh chứng; nộp PDF, XLSX, DOCX, ODT, PNG, JPEG hay TIFF."
        )
    match content.type.name:
        case "pdf":
            pages: int | None = _pdf_pages(body)
        case "png":
            pages = _png(body)
        case "jpeg":
            pages = _jpeg(body)
        case "tiff":
            pages = _tiff(body)
        case _:
            pages = None
    return EvidenceFileInfo(content.type.media_type, pages)


# --- PDF ---

_TAIL = 1_000_000
"""The table's address stands this near to the end, whatever was appended; it is looked for backwards, byte by byte."""
_BROKEN_PDF = "PDF bị hỏng hoặc bị cắt ngang; xuất lại PDF rồi nộp lại."


@contextmanager
def _quiet() -> Iterator[None]:
    """pyHanko logs what it finds odd in a file; that is our result, not a log."""
    logger = logging.getLogger("pyhanko")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _pdf_pages(body: bytes) -> int:
    """How many pages a PDF has. Raises Refused."""
    with _quiet():
        return _read_pdf(body)


def _read_pdf(body: bytes) -> int:
    from pyhanko.pdf_utils.reader import PdfFileReader

    if body.rfind(b"startxref") < len(body) - _TAIL:
        raise Refused(_BROKEN_PDF)
    try:
        reader = PdfFileReader(io.BytesIO(body), strict=False)
        is_encrypted = reader.encrypted
    except Exception as error:  # its parser meets hostile files with errors of many kinds
        raise Refused(_BROKEN_PDF) from error
    if is_encrypted:
        raise Refused("PDF có mật khẩu hoặc bị khóa quyền; bỏ bảo vệ (in lại ra PDF không mật khẩu) rồi nộp lại.")
    try:
        root = reader.root
        actions = [name for name in ("/OpenAction", "/AA") if name in root and _is_active(root[name])]
        names = root.get("/Names")
        has_script = names is not None and "/JavaScript" in names
        pages = _count_pages(root)
    except Refused:
        raise
    except Exception as error:  # as above
        raise Refused(_BROKEN_PDF) from error
    if actions or has_script:
        raise Refused("PDF có mã lệnh chạy khi mở (JavaScript hoặc Launch); in lại ra PDF thường rồi nộp lại.")
    if pages == 0:
        raise Refused("PDF không có trang nào; xuất lại PDF rồi nộp lại.")
    return pages


def _is_active(action: Any) -> bool:
    """Whether an action (or one of several) runs a script or a program; going to a page is none."""
    from pyhanko.pdf_utils import generic

    if not isinstance(action, generic.DictionaryObject):
        return False
    if "/S" in action:
        return str(action["/S"]) in ("/JavaScript", "/Launch")
    return any(_is_active(action[key]) for key in action)


def _count_pages(root: Any) -> int:
    """Leaves of the page tree, each node once: a damaged or hostile tree may lead in circles. Raises Refused."""
    from pyhanko.pdf_utils import generic

    most = limits().pages
    waiting: list[Any] = [root.raw_get("/Pages")]
    seen: set[Any] = set()
    pages = 0
    while waiting:
        item = waiting.pop()
        if isinstance(item, generic.IndirectObject):
            if item.reference in seen:
                continue
            seen.add(item.reference)
            item = item.get_object()  # type: ignore[no-untyped-call]
        if not isinstance(item, generic.DictionaryObject):
            continue
        if "/Kids" in item:
            kids = item["/Kids"]
            if len(kids) + len(waiting) > 4 * most:
                raise Refused(f"PDF có quá {most} trang; chia thành nhiều tệp.")
            waiting += [kids.raw_get(position) for position in range(len(kids))]
        else:
            pages += 1
            if pages > most:
                raise Refused(f"PDF có quá {most} trang; chia thành nhiều tệp.")
    return pages


# --- images ---


def _broken_image(kind: str) -> Refused:
    return Refused(f"Ảnh {kind} bị hỏng hoặc bị cắt ngang; quét hoặc chụp lại rồi nộp lại.")


def _check_pixels(width: int, height: int, kind: str) -> None:
    if not width or not height:
        raise _broken_image(kind)
    if width * height > limits().pixels:
        raise Refused(f"Ảnh {kind} có {width} × {height} điểm ảnh, quá giới hạn; giảm độ phân giải rồi nộp lại.")


def _png(body: bytes) -> int:
    """Every chunk with its sum, from IHDR to IEND (PNG, section 5)."""
    place, is_first = 8, True
    while place + 12 <= len(body):
        length, kind = struct.unpack_from(">I4s", body, place)
        end = place + 12 + length
        if end > len(body) or zlib.crc32(body[place + 4 : end - 4]) != struct.unpack_from(">I", body, end - 4)[0]:
            break
        if is_first:
            if kind != b"IHDR" or length != 13:
                break
            width, height = struct.unpack_from(">II", body, place + 8)
            _check_pixels(width, height, "PNG")
        if kind == b"IEND":
            return 1
        place, is_first = end, False
    raise _broken_image("PNG")


_MOST_SEGMENTS = 100_000


def _jpeg(body: bytes) -> int:
    """Segments up to the scan, with the frame's size, and the end marker (ITU T.81, annex B)."""
    place, has_frame = 2, False
    for _ in range(_MOST_SEGMENTS):
        filled = re.compile(b"\xff+").match(body, place)
        if filled is None or filled.end() + 3 > len(body):
            break
        place = filled.end() - 1
        marker = body[place + 1]
        if marker in range(0xD0, 0xD9) or marker == 0x01:
            place += 2
            continue
        length = struct.unpack_from(">H", body, place + 2)[0]
        if length < 2:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if length < 8 or place + 9 > len(body):
                break
            height, width = struct.unpack_from(">HH", body, place + 5)
            _check_pixels(width, height or 1, "JPEG")
            has_frame = True
        if marker == 0xDA:
            if has_frame and b"\xff\xd9" in body[place:]:
                return 1
            break
        place += 2 + length
    raise _broken_image("JPEG")


def _tiff(body: bytes) -> int:
    """Directories, each within the file and met once (TIFF 6.0, section 2); images whose strips are all there."""
    order = "<" if body.startswith(b"II") else ">"
    pages = 0
    try:
        for entries in _directories(body, order):
            pages += 1
            if pages > limits().pages:
                raise Refused(f"TIFF có quá {limits().pages} trang; chia thành nhiều tệp.")
            _check_pixels(entries.get(256, (0,))[0], entries.get(257, (0,))[0], "TIFF")
            for offsets, counts in ((273, 279), (324, 325)):
                for start, count in zip(entries.get(offsets, ()), entries.get(counts, ()), strict=False):
                    if start + count > len(body):
                        raise _broken_image("TIFF")
    except struct.error as error:
        raise _broken_image("TIFF") from error
    if not pages:
        raise _broken_image("TIFF")
    return pages


_TIFF_SIZES = {3: ("H", 2), 4: ("I", 4)}


def _directories(body: bytes, order: str) -> Iterator[dict[int, tuple[int, ...]]]:
    """Tag -> values of the tags that are looked at, per directory. Raises struct.error past the end of the file."""
    seen: set[int] = set()
    place = struct.unpack_from(f"{order}I", body, 4)[0]
    while place:
        if place in seen:
            raise _broken_image("TIFF")
        seen.add(place)
        count = struct.unpack_from(f"{order}H", body, place)[0]
        found: dict[int, tuple[int, ...]] = {}
        for position in range(count):
            at = place + 2 + 12 * position
            tag, kind, size = struct.unpack_from(f"{order}HHI", body, at)
            if tag in (256, 257, 273, 279, 324, 325) and kind in _TIFF_SIZES:
                letter, width = _TIFF_SIZES[kind]
                if size * width > len(body):
                    raise _broken_image("TIFF")
                start = at + 8 if size * width <= 4 else struct.unpack_from(f"{order}I", body, at + 8)[0]
                found[tag] = struct.unpack_from(f"{order}{size}{letter}", body, start)
        yield found
        place = struct.unpack_from(f"{order}I", body, place + 2 + 12 * count)[0]
