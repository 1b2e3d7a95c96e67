"""ZIP containers from outside (Office and OpenDocument files), opened so that they can do no harm.

Here: bounds on parts, sizes and density, tricks in part names, encryption, nesting, macros, embedded objects, external
targets, DTDs; parts as bytes; a parse of XML that refuses every DTD. Not here: what parts mean (`sheets.py`).
"""

from __future__ import annotations

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from xml.parsers import expat

from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.evidence.reading.texts import plain_letters

OFFICE_RELATIONS = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships/",
    "http://purl.oclc.org/ooxml/officeDocument/relationships/",
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_CONTENT_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_ADVICE_ZIP = "Đây không phải tệp Office bình thường; lưu lại từ Excel hoặc Word, hoặc lập lại từ tệp mẫu."
_DAMAGED = "Tệp bị hỏng hoặc bị cắt ngang ({what}); mở bằng Excel hoặc Word, lưu lại rồi nộp lại."
_CHUNK = 1 << 16
_NESTED = (b"PK\x03\x04", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"(\xb5/\xfd")


@dataclass(frozen=True, slots=True)
class Relation:
    """A relationship of an Office part: its type without the common beginning, and where it leads."""

    id: str
    type: str
    target: str
    """A part's name, or an address where `is_external`."""
    is_external: bool


class Archive:
    """The parts of a checked container. Reading a part raises Refused where it is damaged."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._parts = parts

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._parts)

    def part(self, name: str) -> bytes:
        """The bytes of a part. Raises Refused where there is none."""
        try:
            return self._parts[name]
        except KeyError:
            raise damaged(f"thiếu phần {plain_letters(name)}") from None

    def relations(self, part: str) -> tuple[Relation, ...]:
        """The relationships of a part; of the whole file for an empty name. Raises Refused."""
        folder, _, base = part.rpartition("/")
        name = f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels"
        if name not in self:
            return ()
        found: list[Relation] = []

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == f"{_RELATIONS} Relationship":
                is_external = attributes.get("TargetMode", "").casefold() == "external"
                target = attributes.get("Target", "")
                found.append(
                    Relation(
                        attributes.get("Id", ""),
                        _short(attributes.get("Type", "")),
                        target if is_external else _resolved(folder, target),
                        is_external,
                    )
                )

        parse_xml(self.part(name), name, start)
        return tuple(found)

    def content_types(self) -> dict[str, str]:
        """Part name -> content type, and «.ending» -> content type by default."""
        found: dict[str, str] = {}

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == f"{_CONTENT_TYPES} Override":
                found[attributes.get("PartName", "").lstrip("/")] = attributes.get("ContentType", "")
            elif tag == f"{_CONTENT_TYPES} Default":
                found["." + attributes.get("Extension", "").casefold()] = attributes.get("ContentType", "")

        parse_xml(self.part("[Content_Types].xml"), "[Content_Types].xml", start)
        return found


def damaged(what: str) -> Refused:
    """A file that is broken or cut off, to be raised."""
    return Refused(_DAMAGED.format(what=what))


def _short(relation_type: str) -> str:
    for start in OFFICE_RELATIONS:
        if relation_type.startswith(start):
            return relation_type[len(start) :]
    return relation_type


def _resolved(folder: str, target: str) -> str:
    """The part that a relative target names. Raises Refused for one outside the container."""
    steps = [] if target.startswith("/") else [step for step in folder.split("/") if step]
    for step in target.split("/"):
        if step == "..":
            if not steps:
                raise Refused(f"Tệp có liên kết ra ngoài tệp nén ({plain_letters(target)}). {_ADVICE_ZIP}")
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return "/".join(steps)


def open_archive(body: bytes) -> Archive:
    """A container with every part read and checked. Raises Refused for what is damaged, too large or dangerous."""
    archive = _unpacked(body, limits().archive.max_unpacked, depth=0)
    for name in archive.names:
        if name.casefold().endswith((".xml", ".rels", ".vml", ".rdf")) or archive.part(name)[:200].lstrip().startswith(
            (b"<?xml", b"\xef\xbb\xbf<?xml", b"\xff\xfe<", b"\xfe\xff\x00<")
        ):
            _refuse_dtd(archive.part(name), name)
    _refuse_active(archive)
    return archive


def _unpacked(body: bytes, room: int, depth: int) -> Archive:
    rule = limits().archive
    parts: dict[str, bytes] = {}
    seen: set[str] = set()
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as container:
            infos = container.infolist()
            if len(infos) > rule.max_parts:
                raise Refused(f"Tệp nén có {len(infos)} phần, quá giới hạn {rule.max_parts}. {_ADVICE_ZIP}")
            for info in infos:
                _check_name(info.filename)
                if info.flag_bits & 0x2041:
                    raise Refused("Tệp có mật khẩu; gỡ mật khẩu (File › Info › Protect) rồi nộp lại.")
                if info.filename.casefold() in seen:
                    raise Refused(f"Tệp nén có hai phần cùng tên ({info.filename}). {_ADVICE_ZIP}")
                seen.add(info.filename.casefold())
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise Refused(f"Tệp nén theo cách mà Office không dùng ({info.filename}). {_ADVICE_ZIP}")
                if info.file_size > rule.ratio_from and info.file_size > rule.max_ratio * max(info.compress_size, 1):
                    raise _bomb()
            # Sizes are binding: zipfile gives no more of a part than its header says, and checks its sum.
            if sum(info.file_size for info in infos) > min(room, max(rule.max_ratio * len(body), rule.ratio_from)):
                raise _bomb()
            for info in infos:
                if info.is_dir():
                    continue
                content = container.read(info)
                parts[info.filename] = content
                room -= len(content)
                if content.startswith(_NESTED):
                    room -= _nested(info.filename, content, room, depth)
    except Refused:
        raise
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        OverflowError,
    ) as error:
        raise damaged(type(error).__name__) from error
    return Archive(parts)


def _nested(name: str, content: bytes, room: int, depth: int) -> int:
    """How much a container within the container unpacks to. Word keeps the figures of a chart as a workbook."""
    if re.search(r"\.(emz|wmz)$", name, re.IGNORECASE):
        return 0  # a drawing, which nothing here unpacks
    if depth or not re.fullmatch(r"(word|ppt)/embeddings/[^/]+\.(xlsx|docx|pptx)", name, re.IGNORECASE):
        raise Refused(f"Tệp có tệp nén khác ở trong ({plain_letters(name)}); bỏ đối tượng nhúng, hoặc xuất ra PDF.")
    inner = _unpacked(content, room, depth + 1)
    for part in inner.names:
        if part.casefold().endswith((".xml", ".rels", ".vml")):
            _refuse_dtd(inner.part(part), part)
    _refuse_active(inner)
    return sum(len(inner.part(part)) for part in inner.names)


def _bomb() -> Refused:
    return Refused(f"Tệp nén giải ra quá lớn so với tệp (kiểu «bom nén»). {_ADVICE_ZIP}")


def _check_name(name: str) -> None:
    """Part names lead nowhere outside the container. Raises Refused."""
    plain = unquote(name)
    steps = plain.rstrip("/").split("/")
    if (
        not name
        or len(name) > 255
        or any(step in ("", ".", "..") for step in steps)
        or re.search(r"[\x00-\x1f\x7f\\]", plain)
        or re.match(r"[A-Za-z]:", plain)
    ):
        raise Refused(f"Tệp nén có phần mang tên không hợp lệ ({plain_letters(name)}). {_ADVICE_ZIP}")


_ACTIVE_PARTS = re.compile(
    r"(^|/)(vbaproject[^/]*\.bin|vbadata\.xml|activex/.*|ctrlprops/.*\.bin|macrosheets/.*|intlmacrosheets/.*"
    r"|basic/.*|scripts/.*|dialogs/.*)$",
    re.IGNORECASE,
)
_OBJECT_PARTS = re.compile(r"(^|/)(embeddings/.*\.bin|oleobject[^/]*|object ?\d+/.*\.bin)$", re.IGNORECASE)
_EXTERNAL_ALLOWED = frozenset({"hyperlink", "externalLinkPath", "externalLinkLongPath", "customXml"})
_MACROS = "Tệp có macro; lưu lại thành tệp không có macro (.xlsx, .docx) rồi nộp lại."


def _refuse_active(archive: Archive) -> None:
    """Nothing that runs or fetches something when the file is opened. Raises Refused."""
    for name in archive.names:
        content = archive.part(name)
        if _ACTIVE_PARTS.search(name):
            raise Refused(_MACROS)
        if _OBJECT_PARTS.search(name) or content.startswith((b"\xd0\xcf\x11\xe0", b"MZ", b"\x7fELF")):
            raise Refused(
                f"Tệp có đối tượng nhúng ({plain_letters(name)}); bỏ đối tượng đó, hoặc xuất tài liệu ra PDF."
            )
        if name.endswith(".rels"):
            folder, _, base = name.rpartition("/")
            owner = f"{folder.removesuffix('_rels').rstrip('/')}/{base.removesuffix('.rels')}".lstrip("/")
            for relation in archive.relations(owner):
                if relation.is_external and relation.type not in _EXTERNAL_ALLOWED:
                    raise Refused(
                        f"Tệp lấy nội dung từ bên ngoài ({relation.type.rpartition('/')[2]}: "
                        f"{plain_letters(relation.target)}); ngắt liên kết, chèn hẳn nội dung vào tệp rồi nộp lại."
                    )
        if name.casefold().startswith("xl/externallinks/") and name.casefold().endswith(".xml"):
            _refuse_dde(content, name)
    if "[Content_Types].xml" in archive:
        for content_type in archive.content_types().values():
            if "macroenabled" in content_type.casefold() or "vbaproject" in content_type.casefold():
                raise Refused(_MACROS)


def _refuse_dde(content: bytes, name: str) -> None:
    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(" ")[2] in ("ddeLink", "oleLink"):
            raise Refused("Bảng tính có liên kết DDE/OLE tới chương trình khác; xóa liên kết (Data › Edit Links).")

    parse_xml(content, name, start)


class _Enough(Exception):
    """The part has been read as far as needed."""


def parse_xml(
    content: bytes,
    name: str,
    start: Callable[[str, dict[str, str]], Any] | None = None,
    end: Callable[[str], Any] | None = None,
    text: Callable[[str], Any] | None = None,
) -> None:
    """Feed a part to handlers; names are «namespace local». Raises Refused for a DTD and for what is not well formed.

    Nothing is built beside what the handlers keep, entities cannot be declared, and nothing is fetched.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = _CHUNK
    parser.StartDoctypeDeclHandler = lambda *_: _no_dtd(name)
    if start is not None:
        parser.StartElementHandler = start
    if end is not None:
        parser.EndElementHandler = end
    if text is not None:
        parser.CharacterDataHandler = text
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, UnicodeError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        raise damaged(f"phần {plain_letters(name)} không phải XML đúng") from error


def _no_dtd(name: str) -> None:
    raise Refused(f"Tệp có khai báo DTD ({plain_letters(name)}), mà Office không bao giờ ghi. {_ADVICE_ZIP}")


def _refuse_dtd(content: bytes, name: str) -> None:
    """A document type stands before the root, so nothing behind it is read."""

    def start(tag: str, attributes: dict[str, str]) -> None:
        raise _Enough

    try:
        parse_xml(content, name, start)
    except _Enough:
        return
