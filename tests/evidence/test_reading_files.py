"""Files before they are read: what they are by content, what is refused and why, evidence files, names, texts."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib

import pytest
from reading_kit import MAIN, PACKAGE, RELATIONS, Book, book, pack, pdf, read

from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading import archives, check_evidence_file, files, neutral, safe_name, sniff
from dti_pipeline.evidence.reading.limits import limits

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def png(width: int = 3, height: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 8)) + chunk(b"IEND", b"")


def jpeg(width: int = 3, height: int = 2) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return (
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame
        + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"scan" + b"\xff\xd9"
    )  # fmt: skip


def tiff(pages: int = 2, strip: int = 4) -> bytes:
    out = b"II*\0" + struct.pack("<I", 12) + b"data"
    for number in range(pages):
        after = 12 + (number + 1) * 54 if number + 1 < pages else 0
        tags = [(256, 3, 1, 3), (257, 3, 1, 2), (273, 4, 1, 8), (279, 4, 1, strip)]
        out += struct.pack("<H", 4) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", after)
    return out


def office(parts: dict[str, bytes | str] | None = None, main: str = WORD, rels: str = "") -> bytes:
    """A DOCX of little more than its skeleton."""
    whole: dict[str, bytes | str] = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Type="{RELATIONS}/'
        f'officeDocument" Target="word/document.xml"/>{rels}</Relationships>',
        "word/document.xml": "<document/>",
    }
    found = whole | (parts or {})
    return pack({name: part.encode() if isinstance(part, str) else part for name, part in found.items()})


def opendocument(media_type: str, parts: dict[str, bytes] | None = None) -> bytes:
    whole = {"mimetype": media_type.encode(), "content.xml": b"<a/>", "META-INF/manifest.xml": b"<m/>"}
    return pack(whole | (parts or {}))


ODT = "application/vnd.oasis.opendocument.text"


# --- what is taken ---


@pytest.mark.parametrize(
    ("body", "name", "media_type", "pages"),
    [
        (pdf(3), "a.pdf", "application/pdf", 3),
        (pdf(3) + b"added later", "a.pdf", "application/pdf", 3),
        (pdf(2, "/OpenAction [3 0 R /Fit]"), "a.PDF", "application/pdf", 2),
        (pdf(1), "Quyết định 12.2026", "application/pdf", 1),
        (office(), "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", None),
        (book().pack(), "a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", None),
        (opendocument(ODT), "a.odt", ODT, None),
        (png(), "a.png", "image/png", 1),
        (jpeg(), "a.jpeg", "image/jpeg", 1),
        (jpeg(), "a.JPG", "image/jpeg", 1),
        (tiff(2), "a.tif", "image/tiff", 2),
    ],
)
def test_evidence_that_is_taken(body: bytes, name: str, media_type: str, pages: int | None) -> None:
    info = check_evidence_file(body, name)
    assert (info.media_type, info.pages) == (media_type, pages)


def test_sniffing_names_type_and_ending() -> None:
    found = sniff(jpeg(), "a.jpeg")
    assert (found.media_type, found.extension, found.is_report_candidate) == ("image/jpeg", "jpg", False)
    assert sniff(b"unit,unit_name\n", "a.csv").is_report_candidate
    assert sniff(b' {"a": 1}', "a.json").extension == "json"
    assert sniff(b"MZ,unit\n", "a.csv").extension == "csv"


# --- what is not, by content and name ---


@pytest.mark.parametrize(
    ("body", "name", "says"),
    [
        (b"", "a.pdf", "Tệp trống"),
        (b" \r\n\0\0", "a.pdf", "Tệp trống"),
        (pdf(), "a.xlsx", "đuôi «.xlsx» nhưng nội dung là PDF"),
        (book().pack(), "a.pdf", "nội dung là bảng tính XLSX"),
        (book().pack(), "a.docx", "nội dung là bảng tính XLSX"),
        (png(), "a.jpg", "nội dung là ảnh PNG"),
        (b"a,b\n1,2\n", "a.xlsx", "nội dung là CSV"),
        (b"a,b\n1,2\n", "a.pdf", "nội dung là CSV"),
        (pdf(), "a.pdf.exe", "Không nhận tệp «.exe»"),
        (book().pack(), "a.xlsm", "Không nhận tệp «.xlsm»"),
        (b"MZ\x90\0\x03\0\0\0", "a.pdf", "chương trình Windows"),
        (b"\x7fELF\x02\x01", "a.pdf", "chương trình Linux"),
        (b"Rar!\x1a\x07\x01\0", "a.pdf", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "a.pdf", "7z"),
        (b"\x1f\x8b\x08\0", "a.csv", "GZIP"),
        (b"#!/bin/sh\n", "a.csv", "tập lệnh"),
        (b"{\\rtf1 a}", "a.docx", "RTF"),
        (b"GIF89a\x01\0", "a.png", "GIF"),
        (b"<!DOCTYPE HTML><html>", "a.pdf", "trang web"),
        (b"\xef\xbb\xbf <script>", "a.csv", "trang web"),
        (b"<?xml version='1.0'?><x/>", "a.csv", "XML"),
        (b"\x01\x02\x03\x04abc", "a.pdf", "không phải loại tệp được nhận"),
        (OLE + b"\0" * 600, "a.xls", "định dạng Office cũ và bị hỏng"),
        (b"PK\x05\x06" + b"\0" * 18, "a.xlsx", "Tệp nén trống"),
        (pack({"a.txt": b"x"}), "a.zip", "không phải tệp Office"),
        (office(main=WORD.replace("document.main", "template.main")), "a.docx", "tệp mẫu Office"),
        (office(main="application/vnd.ms-excel.sheet.binary.macroEnabled.main"), "a.docx", "macro"),
        (opendocument("x/y"), "a.odt", "không phải tệp Office"),
        (opendocument(ODT, {"META-INF/manifest.xml": b"<m><encryption-data/></m>"}), "a.odt", "mật khẩu"),
    ],
)
def test_what_is_not_taken(body: bytes, name: str, says: str) -> None:
    for reader in (sniff, check_evidence_file):
        with pytest.raises(Refused, match=says):
            reader(body, name)


def test_tables_are_no_evidence_and_evidence_is_no_report() -> None:
    with pytest.raises(Refused, match="CSV không phải tài liệu minh chứng"):
        check_evidence_file(b"a,b\n", "a.csv")
    with pytest.raises(Refused, match="PDF không phải biểu tự chấm"):
        read(pdf(), "a.pdf")


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from dti_pipeline.evidence import reading
    from dti_pipeline.evidence.reading import sniffing

    # The type's own bound, and the largest of all types, which holds before anything is looked at.
    for names in (("pdf",), tuple(item.name for item in limits().types)):
        types = tuple(
            item.model_copy(update={"max_bytes": 100}) if item.name in names else item for item in limits().types
        )
        small = limits().model_copy(update={"types": types})
        small.__dict__.pop("by_name", None)  # worked out before from the other types
        monkeypatch.setattr(sniffing, "limits", lambda small=small: small)
        with pytest.raises(Refused, match="quá giới hạn 100 byte"):
            check_evidence_file(pdf(), "a.pdf")
    monkeypatch.undo()
    report = limits().report.model_copy(update={"max_bytes": {"xlsx": 100, "csv": 1, "json": 1}})
    monkeypatch.setattr(reading, "limits", lambda: limits().model_copy(update={"report": report}))
    with pytest.raises(Refused, match="quá giới hạn 100 byte"):
        read(book().pack())


def _ole(stream: str) -> bytes:
    """A compound file whose directory has one stream of that name (MS-CFB, version 3)."""

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        text = name.encode("utf-16-le")
        head = text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
        return head + b"\0" * 36 + struct.pack("<IQ", start, size)

    header = OLE + b"\0" * 16 + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 6
    header += struct.pack("<IIIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0)
    header += b"\xff\xff\xff\xff" * 108
    fat = struct.pack("<III", 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFE).ljust(512, b"\xff")
    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(stream, 2, 0xFFFFFFFF, 2, 4096) + b"\0" * 256
    return header.ljust(512, b"\xff") + fat + directory + b"x" * 4096


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ("EncryptedPackage", "Tệp có mật khẩu"),
        ("Workbook", "định dạng cũ \\(.xls\\)"),
        ("Book", "định dạng cũ \\(.xls\\)"),
        ("WordDocument", "định dạng cũ \\(.doc\\)"),
        ("Other", "định dạng OLE cũ"),
    ],
)
def test_what_stands_in_an_ole_container(stream: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        sniff(_ole(stream), "a.xlsx")


# --- containers ---


@pytest.mark.parametrize(
    "name", ["../x.xml", "/x.xml", "a/../../x", "C:x", "a\\b", "a//b", "x" * 256, "a%2f..%2f..%2fb", "./a", "a\x01b"]
)
def test_part_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(Refused, match="tên không hợp lệ"):
        sniff(office({name: b"x"}), "a.docx")


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"word/vbaProject.bin": b"x"}, "macro"),
        ({"word/activeX/activeX1.xml": b"<a/>"}, "macro"),
        ({"word/embeddings/oleObject1.bin": b"x"}, "đối tượng nhúng"),
        ({"word/media/image1.png": OLE + b"x"}, "đối tượng nhúng"),
        ({"word/media/image1.png": b"MZ\x90"}, "đối tượng nhúng"),
        ({"word/media/a.zip": pack({"a": b"x"})}, "tệp nén khác ở trong"),
        ({"word/a.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, "DTD"),
        ({"word/a.xml": '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16")}, "DTD"),
        ({"word/noending": b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'}, "DTD"),
        ({"word/_rels/document.xml.rels": b"<!DOCTYPE a><Relationships/>"}, "DTD"),
        ({"word/a.xml": b"no xml"}, "không phải XML"),
        ({"word/a.xml": b""}, "không phải XML"),
        ({"WORD/document.xml": b"<a/>"}, "hai phần cùng tên"),
    ],
)
def test_parts_that_are_refused(parts: dict[str, bytes], says: str) -> None:
    with pytest.raises(Refused, match=says):
        sniff(office(parts), "a.docx")


@pytest.mark.parametrize(
    ("kind", "is_refused"),
    [("attachedTemplate", True), ("oleObject", True), ("image", True), ("frame", True), ("hyperlink", False)],
)
def test_what_is_fetched_from_elsewhere_is_refused(kind: str, is_refused: bool) -> None:
    relation = f'<Relationship Id="x" Type="{RELATIONS}/{kind}" Target="http://h/x" TargetMode="External"/>'
    rels = f'<Relationships xmlns="{PACKAGE}/relationships">{relation}</Relationships>'
    body = office({"word/_rels/document.xml.rels": rels})
    if is_refused:
        with pytest.raises(Refused, match=f"từ bên ngoài \\({kind}"):
            sniff(body, "a.docx")
    else:
        assert sniff(body, "a.docx").extension == "docx"


def test_a_chart_may_keep_its_figures_in_a_workbook_but_not_a_dangerous_one() -> None:
    chart = "word/embeddings/Microsoft_Excel_Sheet1.xlsx"
    assert sniff(office({chart: book().pack()}), "a.docx").extension == "docx"
    bad = Book(book().sheets, extra={"xl/vbaProject.bin": b"x"}).pack()
    with pytest.raises(Refused, match="macro"):
        sniff(office({chart: bad}), "a.docx")
    twice = office({chart: office({chart: book().pack()})})
    with pytest.raises(Refused, match="tệp nén khác ở trong"):
        sniff(twice, "a.docx")
    with pytest.raises(Refused, match="tệp nén khác ở trong"):
        read(Book(book().sheets, extra={"xl/embeddings/a.xlsx": book().pack()}).pack())


def test_macros_under_an_innocent_name() -> None:
    with pytest.raises(Refused, match="macro"):
        read(Book(book().sheets, extra={"xl/vbaProject.bin": b"x"}).pack())
    types = (
        book()
        .parts()["[Content_Types].xml"]
        .replace(b"sheet.main+xml", b"x")
        .replace(b"vnd.openxmlformats-officedocument.spreadsheetml.x", b"vnd.ms-excel.sheet.macroEnabled.main+xml")
    )
    with pytest.raises(Refused, match="macro"):
        read(Book(book().sheets, extra={"[Content_Types].xml": types}).pack())


def test_bombs() -> None:
    with pytest.raises(Refused, match="quá lớn so với tệp"):
        sniff(office({"word/a.xml": b"<a>" + b" " * 3_000_000 + b"</a>"}), "a.docx")
    # One dense part among others that are not dense.
    noise = b"".join(hashlib.sha256(bytes([number % 256, number // 256])).digest() for number in range(2_000))
    with pytest.raises(Refused, match="quá lớn so với tệp"):
        sniff(office({"word/a.bin": b" " * 3_000_000, "word/b.bin": noise}), "a.docx")
    many = {f"word/{number}.bin": b"\0" * 1_900_000 for number in range(12)}
    with pytest.raises(Refused, match="quá lớn so với tệp"):
        sniff(office(many), "a.docx")  # type: ignore[arg-type]


def test_many_parts_and_unpacked_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for field, most, says in (("max_parts", 3, "4 phần"), ("max_unpacked", 200, "quá lớn")):
        rule = limits().archive.model_copy(update={field: most})
        small = limits().model_copy(update={"archive": rule})
        monkeypatch.setattr(archives, "limits", lambda small=small: small)
        with pytest.raises(Refused, match=says):
            sniff(office({"word/a.bin": b"x"}), "a.docx")


def test_nested_parts_count_into_the_unpacked_size(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = office({"word/a.bin": b"x" * 3_000})
    body = office({"word/embeddings/a.docx": inner})
    rule = limits().archive.model_copy(update={"max_unpacked": len(inner) + 3_000})
    monkeypatch.setattr(archives, "limits", lambda: limits().model_copy(update={"archive": rule}))
    with pytest.raises(Refused, match="quá lớn"):
        sniff(body, "a.docx")


def test_a_size_that_a_header_lies_about_is_found() -> None:
    body = bytearray(pack({**book().parts(), "big.bin": b"\0" * 50_000}))
    at = body.rindex(b"big.bin") - 46 + 24
    body[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(Refused, match="hỏng"):
        sniff(bytes(body), "a.xlsx")


def test_encrypted_and_unusual_containers() -> None:
    body = bytearray(office())
    at = body.rindex(b"PK\x01\x02")
    body[at + 8] |= 1
    with pytest.raises(Refused, match="mật khẩu"):
        sniff(bytes(body), "a.docx")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("word/document.xml", "<a/>")
    with pytest.raises(Refused, match="Office không dùng"):
        sniff(out.getvalue(), "a.docx")
    with pytest.raises(Refused, match="hỏng hoặc bị cắt ngang"):
        sniff(office()[:-30], "a.docx")


def test_a_target_outside_the_container() -> None:
    rels = f'<Relationship Id="x" Type="{RELATIONS}/image" Target="../../x"/>'
    with pytest.raises(Refused, match="ra ngoài tệp nén"):
        sniff(office(rels=rels), "a.docx")


def test_entities_cannot_expand_in_a_sheet() -> None:
    bomb = (
        "<!DOCTYPE a [" + "".join(f'<!ENTITY a{n} "{"&a" + str(n - 1) + ";" if n else "x"}">' for n in range(9)) + "]>"
    )
    sheet = f'{bomb}<worksheet xmlns="{MAIN}"><sheetData/></worksheet>'
    with pytest.raises(Refused, match="DTD"):
        read(Book(book().sheets, extra={"xl/worksheets/sheet1.xml": sheet}).pack())


# --- PDF and images ---


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (pdf()[:-60], "hỏng hoặc bị cắt ngang"),
        (b"%PDF-1.7\n", "hỏng hoặc bị cắt ngang"),
        (pdf(0), "không có trang"),
        (pdf(1, "/OpenAction << /S /JavaScript /JS (x) >>"), "mã lệnh"),
        (pdf(1, "/OpenAction << /S /Launch /F (cmd.exe) >>"), "mã lệnh"),
        (pdf(1, "/AA << /WC << /S /JavaScript /JS (x) >> >>"), "mã lệnh"),
        (pdf(1, "/Names << /JavaScript << /Names [] >> >>"), "mã lệnh"),
        (pdf(1).replace(b"/Root 1 0 R", b"/Root 9 0 R"), "hỏng"),
    ],
)
def test_pdfs_that_are_refused(body: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        check_evidence_file(body, "a.pdf")


def test_a_pdf_with_a_password() -> None:
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(pdf())))
    writer.encrypt("owner", "user")
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(Refused, match="PDF có mật khẩu"):
        check_evidence_file(out.getvalue(), "a.pdf")


def test_page_trees_in_circles_and_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_evidence_file(pdf(2).replace(b"[3 0 R 4 0 R]", b"[3 0 R 2 0 R]"), "a.pdf").pages == 1
    monkeypatch.setattr(files, "limits", lambda: limits().model_copy(update={"pages": 3}))
    assert check_evidence_file(pdf(3), "a.pdf").pages == 3
    with pytest.raises(Refused, match="quá 3 trang"):
        check_evidence_file(pdf(4), "a.pdf")
    with pytest.raises(Refused, match="quá 3 trang"):
        check_evidence_file(tiff(4), "a.tif")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (png()[:-6], "a.png"),
        (png().replace(b"IDAT", b"IDAX"), "a.png"),
        (png(0), "a.png"),
        (jpeg()[:-2], "a.jpg"),
        (jpeg()[:20], "a.jpg"),
        (jpeg().replace(b"\xff\xc0", b"\xff\xe1"), "a.jpg"),
        (jpeg(0), "a.jpg"),
        (tiff(2)[:-4], "a.tif"),
        (tiff(1, strip=4_000), "a.tif"),
        (tiff(0), "a.tif"),
        (tiff(1)[:-4] + struct.pack("<I", 12), "a.tif"),
    ],
)
def test_images_that_are_damaged(body: bytes, name: str) -> None:
    with pytest.raises(Refused, match="hỏng hoặc bị cắt ngang"):
        check_evidence_file(body, name)


def test_images_that_no_machine_can_show() -> None:
    for body, name in ((png(100_000, 100_000), "a.png"), (jpeg(65_535, 65_535), "a.jpg")):
        with pytest.raises(Refused, match="điểm ảnh, quá giới hạn"):
            check_evidence_file(body, name)


# --- names and texts ---


@pytest.mark.parametrize(
    "name",
    ["", " ", "..", ".", "../a.pdf", "/etc/passwd", "a/b.pdf", "a\\b.pdf", "C:a.pdf", "a\0.pdf", "a\n.pdf", "a\x7f.pdf",
     "a\u202efdp.exe", "a.pdf.", " a.pdf", "a.pdf ", "con", "CON.pdf", "lpt1.tar.gz", "aux .pdf", "~$a.xlsx", "a?.pdf",
     "a:b.pdf", "x" * 201, "ạ" * 90, "a\ud800.pdf"],
)  # fmt: skip
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(Refused):
        safe_name(name)
    with pytest.raises(Refused):
        check_evidence_file(pdf(), name)


@pytest.mark.parametrize("name", ["C:a.pdf", "../a.pdf", "a\\b.pdf"])
def test_paths_are_called_paths(name: str) -> None:
    with pytest.raises(Refused, match="có đường dẫn"):
        safe_name(name)


def test_names_are_given_back_in_nfc() -> None:
    assert safe_name("Kế hoạch 12 (bản cuối).pdf") == "Kế hoạch 12 (bản cuối).pdf"
    assert safe_name("Huế.pdf") == "Huế.pdf"
    assert safe_name("..a.pdf") == "..a.pdf"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        "\xa0=1",
        "＝1",
        "'=1",
        "''-x",
        "\u200b+1",
        "=cmd|' /C calc'!A0",
    ],
)
def test_texts_that_a_sheet_would_compute_are_guarded(text: str) -> None:
    assert neutral(text) == "'" + text
    assert neutral(neutral(text)) == "''" + text


@pytest.mark.parametrize("text", ["", "Đã ban hành", "a=b", "1-2", "'quoted'", "5 + 3"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert neutral(text) == text


@pytest.mark.parametrize(
    ("body", "name"), [(b"", "a.pdf"), (OLE, "a.xls"), (pdf()[:40], "a.pdf"), (b"\x00\x01", "a.pdf"), (b"MZ\0", "a")]
)
def test_every_refusal_says_what_to_do(body: bytes, name: str) -> None:
    with pytest.raises(Refused) as found:
        check_evidence_file(body, name)
    assert any(word in str(found.value) for word in ("nộp", "lưu lại", "xuất lại"))
