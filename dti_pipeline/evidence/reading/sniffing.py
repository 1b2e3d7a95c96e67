"""What a handed-in file is, by its content and never by its name. Raises Refused for what is not taken in at all.

Here: telling types apart, contents that are dangerous or not accepted, and names that promise another type. Not here:
what is inside (`workbook.py`, `files.py`).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading.archives import Archive, open_archive
from dti_pipeline.evidence.reading.limits import FileType, TypeName, limits
from dti_pipeline.evidence.reading.texts import safe_name

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True)
class Content:
    """A file's type, and its parts where it is a container."""

    type: FileType
    archive: Archive | None = None


def content_of(body: bytes, file_name: str) -> Content:
    """The type of a file that may be taken in, agreeing with its name's ending. Raises Refused."""
    name = safe_name(file_name)
    extension = name.rpartition(".")[2].casefold() if "." in name else ""
    rule = limits()
    if extension in rule.never_extensions:
        raise Refused(
            f"Không nhận tệp «.{extension}» (có thể chạy chương trình hoặc có macro); nộp PDF, XLSX hay DOCX."
        )
    if not body.strip(b" \t\r\n\0\xef\xbb\xbf"):
        raise Refused("Tệp trống; kiểm tra lại tệp đã lưu rồi nộp lại.")
    check_size(len(body))
    content = _content(body)
    if extension in rule.known_extensions and extension not in content.type.extensions:
        raise Refused(
            f"Tên tệp có đuôi «.{extension}» nhưng nội dung là {content.type.words}; "
            f"đổi đuôi thành «.{content.type.extensions[0]}» nếu đúng là tệp cần nộp, hoặc chọn lại tệp."
        )
    if len(body) > content.type.max_bytes:
        raise _too_large(len(body), content.type.max_bytes)
    return content


def check_size(size: int) -> None:
    """Before a file is read. Raises Refused for one that is larger than any type may be."""
    most = max(item.max_bytes for item in limits().types)
    if size > most:
        raise _too_large(size, most)


def _too_large(size: int, most: int) -> Refused:
    return Refused(
        f"Tệp có {size} byte, quá giới hạn {most} byte; chia thành nhiều tệp hoặc giảm độ phân giải ảnh quét."
    )


def _content(body: bytes) -> Content:
    types = limits().by_name
    if body.startswith(OLE):
        raise Refused(_ole_words(body))
    if body.startswith(b"PK\x03\x04"):
        archive = open_archive(body)
        return Content(_container_type(archive), archive)
    if body.startswith(b"PK\x05\x06"):
        raise Refused("Tệp nén trống; kiểm tra lại tệp đã lưu rồi nộp lại.")
    for never in limits().never:
        if body.startswith(bytes.fromhex(never.starts)) and not _is_plain_text(body, never.starts):
            raise Refused(f"Nội dung tệp là {never.words}, không phải loại tệp được nhận; nộp PDF, XLSX, DOCX hay ảnh.")
    if body[:64].lstrip(b" \t\r\n\0\xef\xbb\xbf").startswith(b"%PDF-"):
        return Content(types["pdf"])
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return Content(types["png"])
    if body.startswith(b"\xff\xd8\xff"):
        return Content(types["jpeg"])
    if body.startswith((b"II*\0", b"MM\0*")):
        return Content(types["tiff"])
    return Content(types[_text_type(body)])


def _is_plain_text(body: bytes, starts: str) -> bool:
    """Signatures of two letters («MZ», «BM») begin ordinary texts too; a text has no control characters."""
    return len(starts) <= 4 and not re.search(rb"[\x00-\x08\x0e-\x1f]", body[:4096]) and not body.startswith(b"#!")


def _text_type(body: bytes) -> TypeName:
    """`csv` or `json`; texts of other encodings are CSV here, and their reader says what is wrong with them."""
    if not body.startswith((b"\xff\xfe", b"\xfe\xff")) and re.search(rb"[\x00-\x08\x0e-\x1f]", body[:65_536]):
        raise Refused("Nội dung tệp không phải loại tệp được nhận; nộp PDF, XLSX, DOCX, ODT, PNG, JPEG hay TIFF.")
    head = body[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    for never in limits().never_text:
        if re.match(never.pattern.encode(), head, re.IGNORECASE):
            raise Refused(f"Nội dung tệp là {never.words}, không phải loại tệp được nhận; nộp PDF, XLSX, DOCX hay ảnh.")
    return "json" if head.startswith((b"{", b"[")) else "csv"


def _container_type(archive: Archive) -> FileType:
    types = limits().types
    if "[Content_Types].xml" in archive:
        content_types = archive.content_types()
        targets = [
            relation.target
            for relation in archive.relations("")
            if relation.type == "officeDocument" and not relation.is_external
        ]
        if len(targets) == 1 and targets[0] in archive:
            found = content_types.get(targets[0]) or content_types.get("." + targets[0].rpartition(".")[2].casefold())
            for item in types:
                if item.office is not None and found == item.office:
                    return item
            if found is not None and "template" in found:
                raise Refused("Tệp là tệp mẫu Office (.xltx, .dotx); lưu lại thành .xlsx hoặc .docx rồi nộp lại.")
            if found is not None and "binary" in found:
                raise Refused("Tệp là bảng tính nhị phân (.xlsb); lưu lại thành .xlsx rồi nộp lại.")
    elif "mimetype" in archive:
        for item in types:
            if archive.part("mimetype").strip() == item.media_type.encode() and "content.xml" in archive:
                if re.search(rb"<[a-z-]*:?encryption-data", archive.part("META-INF/manifest.xml")):
                    raise Refused("Tệp có mật khẩu; gỡ mật khẩu rồi nộp lại.")
                return item
    raise Refused("Tệp nén không phải tệp Office (XLSX, DOCX, PPTX, ODT, ODS); giải nén và nộp từng tệp.")


def _ole_words(body: bytes) -> str:
    """What an OLE container is: a password around a new format, or an old format."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(body)) as container:
            streams = {"/".join(entry).casefold() for entry in container.listdir(streams=True, storages=False)}
    except Exception as error:  # its parser meets hostile sectors with errors of many kinds
        raise Refused(
            "Tệp là định dạng Office cũ và bị hỏng; lưu lại thành .xlsx, .docx hoặc PDF rồi nộp lại."
        ) from error
    if "encryptedpackage" in streams:
        return "Tệp có mật khẩu; gỡ mật khẩu (File › Info › Protect › Encrypt with Password, xóa mật khẩu) rồi nộp lại."
    if streams & {"workbook", "book"}:
        return "Tệp là bảng tính định dạng cũ (.xls); mở bằng Excel, lưu lại thành .xlsx rồi nộp lại."
    if "worddocument" in streams:
        return "Tệp là văn bản định dạng cũ (.doc); mở bằng Word, lưu lại thành .docx hoặc PDF rồi nộp lại."
    return "Tệp là định dạng OLE cũ; lưu lại thành .xlsx, .docx hoặc PDF rồi nộp lại."
