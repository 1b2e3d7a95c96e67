"""Texts and file names from outside: what they may hold, legacy encodings, and writing them.

Here: `clean`, `fault_of`, `safe_name`, `neutral`, `legacy_encoding`. Not here: numbers (`numbers.py`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading.limits import limits
from dti_pipeline.text import nfc

Encoding = Literal["TCVN3", "VNI"]

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing, so that a name shows another ending than it has."""
_SURROGATE = re.compile("[\ud800-\udfff]")

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def clean(text: str) -> str:
    """NFC, without white space (no-break and zero-width ones too) at either end; lines end in a line feed."""
    return nfc(text.replace("\r\n", "\n").replace("\r", "\n")).strip(" \t\n\xa0\u200b\u202f\ufeff")


def line(text: str) -> str:
    """`clean`, on one line with single spaces."""
    return re.sub(r"[\s\u200b\ufeff]+", " ", clean(text)).strip()


def fault_of(text: str) -> str | None:
    """Why a text cannot be kept, in words; None where it can."""
    if _SURROGATE.search(text):
        return "có nửa ký tự Unicode (surrogate); gõ lại nội dung"
    if _CONTROL.search(text):
        return "có ký tự điều khiển; xóa và gõ lại nội dung"
    if _DIRECTION.search(text):
        return "có ký tự đảo chiều chữ; xóa và gõ lại nội dung"
    most = limits().text.max_characters
    if len(text) > most:
        return f"dài {len(text)} ký tự, quá giới hạn {most}; rút gọn hoặc đưa vào tệp minh chứng"
    return None


def neutral(text: str) -> str:
    """A text for a cell of CSV or XLSX that a spreadsheet program will not take for a formula.

    An apostrophe goes before what begins as one (= + - @, tab, line end, their full-width twins, blanks before them
    too), and before what is guarded already, so that `neutral` can be undone by taking one apostrophe away. For texts
    only; numbers are written as numbers.
    """
    bare = text.lstrip(" \xa0\u200b\u202f\u3000\ufeff'")
    return "'" + text if bare.startswith(FORMULA_STARTS) else text


def safe_name(name: str) -> str:
    """The base name of a handed-in or cited file, NFC. Raises Refused for anything that is more, or less, than that."""
    found = nfc(name)
    rule = limits()
    shown = re.sub(r"[^\w .,()\-–]", "?", found)[:80]
    if not found.strip():
        raise Refused("Tên tệp trống; đặt tên cho tệp rồi nộp lại.")
    if _CONTROL.search(found) or re.search("[\t\r\n]", found) or _DIRECTION.search(found) or _SURROGATE.search(found):
        raise Refused(f"Tên tệp «{shown}» có ký tự điều khiển hoặc ký tự đảo chiều chữ; đổi tên tệp rồi nộp lại.")
    if re.search(r"[/\\]", found) or re.match(r"[A-Za-z]:", found) or found in (".", ".."):
        raise Refused(f"Tên tệp «{shown}» có đường dẫn; chỉ ghi tên tệp, không ghi thư mục hay ổ đĩa.")
    if re.search(r'[<>:"|?*]', found):
        raise Refused(f'Tên tệp «{shown}» có một trong các ký tự < > : " | ? * mà Windows không cho; đổi tên tệp.')
    if found != found.strip() or found.endswith(".") or found.startswith("~$"):
        raise Refused(
            f"Tên tệp «{shown}» bắt đầu bằng «~$» hoặc khoảng trắng, hay kết thúc bằng dấu chấm; đổi tên tệp."
        )
    if found.split(".", 1)[0].strip().casefold() in rule.device_names:
        raise Refused(f"Tên tệp «{shown}» trùng tên thiết bị của Windows; đổi tên tệp rồi nộp lại.")
    if len(found) > rule.text.max_name or len(found.encode()) > rule.text.max_name_bytes:
        raise Refused(
            f"Tên tệp «{shown}…» quá dài ({len(found)} ký tự; tối đa {rule.text.max_name} ký tự và "
            f"{rule.text.max_name_bytes} byte); rút ngắn tên tệp."
        )
    return found


def legacy_font(name: str) -> Encoding | None:
    """The encoding that a font draws, where it is one from before Unicode."""
    folded = name.strip().casefold()
    for encoding, starts in limits().legacy_fonts.items():
        if folded.startswith(starts):
            return encoding
    return None


_BEYOND_LATIN_1 = re.compile("[ĂăĐđĨĩŨũƠơƯưẠ-ỹ]")
"""Letters of Vietnamese that only Unicode has: neither TCVN3 nor VNI text shows any."""
_TCVN3 = re.compile("[a-zA-Z][\xa8-\xac\xae\xb5-\xbe][a-zA-Z]|(?<![\\w])\xae[a-z\xa8\xa9\xaa\xab\xac\xad\xb5-\xff]")
_VNI = re.compile("a[ùøûõïâáàåãäêéèúüë]|e[âùøûõïáàåãä]|o[âùøûõïåä]|u[øûõï]|[ôö][ùøûõï]|\\bñ[aeiouyöôù]", re.IGNORECASE)


def legacy_encoding(text: str, font: Encoding | None = None) -> Encoding | None:
    """Whether a text is TCVN3 or VNI: by its font, or by letters that stand where Vietnamese has none.

    With a legacy font any letter of the upper half of Latin-1 tells it. Without one, two words must look so, for a
    single one may be foreign («naïve»); one is enough for TCVN3 where there are no more than two words, because it has
    signs within words. A text with a letter that only Unicode has is Unicode.
    """
    if text.isascii() or _BEYOND_LATIN_1.search(text):
        return None
    if font is not None:
        return font if re.search("[\xa1-\xff]", text) else None
    words = text.split()
    suspects: dict[Encoding, int] = {
        "TCVN3": sum(_TCVN3.search(word) is not None for word in words),
        "VNI": sum(_VNI.search(word) is not None for word in words),
    }
    encoding: Encoding = max(suspects, key=lambda name: suspects[name])
    count = suspects[encoding]
    return encoding if count >= 2 or (count == 1 and encoding == "TCVN3" and len(words) <= 2) else None


def legacy_words(encoding: Encoding, where: str) -> str:
    """What is said of a text of an encoding from before Unicode."""
    return (
        f"{where}: chữ theo bảng mã {encoding} (không phải Unicode), nên không đọc được và không được đoán. "
        "Chuyển tệp sang Unicode (ví dụ bằng UniKey Toolkit, Ctrl+Shift+F6), đổi phông sang Times New Roman, lưu lại "
        "rồi nộp lại."
    )


def is_same_name(first: str, second: str) -> bool:
    """Whether two spellings of a unit's name differ in case and white space only."""
    return line(first).casefold() == line(second).casefold()


def plain_letters(text: str) -> str:
    """Without what cannot be printed, for quoting a hostile text in a message; at most 60 characters."""
    return printable(text[:60]) + ("…" if len(text) > 60 else "")


def printable(text: str) -> str:
    """`plain_letters` at full length: «?» for what moves the cursor, turns the writing round or shows nothing."""
    return "".join(item if unicodedata.category(item)[0] not in "CZ" or item == " " else "?" for item in text)
