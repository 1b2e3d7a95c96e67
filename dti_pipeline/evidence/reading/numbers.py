"""Numbers as people write them into a Vietnamese document -> plain decimals. Not here: whether an input takes them.

The locale is that of the document: decimal comma, thousands in groups of dots or spaces. What can be read in two ways
is an error that says so, and nothing is tried out until something fits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal

_SPACES = "[ \xa0\u2009\u202f]"
_SHEET_DIGITS = Context(prec=15)
"""A sheet's numbers are binary floats of 15 significant digits; what stands behind those is noise."""
_LARGEST = Decimal(10) ** 15
_MOST_DECIMALS = 15


class Unreadable(ValueError):
    """A value that cannot be read, or in more than one way: what is wrong and what to write instead."""


@dataclass(frozen=True, slots=True)
class ReadNumber:
    """A number as a plain decimal."""

    value: Decimal
    is_percent: bool = False
    """Written with a percent sign; `value` is 85 for 85 %."""
    note: str | None = None
    """How it was read, where the document's locale does not say so."""


def plain(value: Decimal) -> str:
    """`12`, `0.5`: no exponent, no zeros at the end of decimals."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def read_number(text: str) -> ReadNumber:
    """`1.234,56`, `0,5`, `1 234`, `20.102.726`, `85 %`; `12.5` with a note. Raises Unreadable."""
    shown = text.strip() if len(text) <= 60 else text[:60] + "…"
    bare = re.sub(rf"^(?:{_SPACES}|\n)+|(?:{_SPACES}|\n)+$", "", text)
    is_percent = bare.endswith("%")
    bare = re.sub(rf"{_SPACES}*%$", "", bare)
    if len(bare) > 60:
        raise Unreadable(f"«{shown}» quá dài để là một số; chỉ ghi một con số")
    if re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{_SPACES}[0-9]{{3}})+(?:,[0-9]+)?", bare):
        bare = re.sub(_SPACES, "", bare)
    if re.fullmatch(r"[0-9]+(?:,[0-9]+)?", bare):
        if re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", bare):
            raise Unreadable(_two_ways(bare, ","))
        return _bounded(bare.replace(",", "."), shown, is_percent)
    if re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{3}", bare):
        raise Unreadable(_two_ways(bare, "."))
    if re.fullmatch(r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3}){2,}|(?:\.[0-9]{3})+,[0-9]+)", bare):
        whole, _, part = bare.partition(",")
        return _bounded(whole.replace(".", "") + ("." + part if part else ""), shown, is_percent)
    if re.fullmatch(r"[1-9][0-9]{0,2}(?:,[0-9]{3}){2,}", bare):
        return _bounded(bare.replace(",", ""), shown, is_percent)
    if re.fullmatch(r"[0-9]+\.[0-9]+", bare):
        found = _bounded(bare, shown, is_percent)
        words = f"«{shown}» được đọc là {plain(found.value).replace('.', ',')} (dấu chấm là dấu thập phân)"
        return ReadNumber(found.value, is_percent, words)
    if re.fullmatch(r"[-–−][ \xa0]*[0-9][0-9.,]*", bare):
        raise Unreadable(f"«{shown}» là số âm; ghi số không âm")
    if re.fullmatch(r"[0-9]{1,4}[/-][0-9]{1,2}(?:[/-][0-9]{2,4})?", bare):
        raise Unreadable(f"«{shown}» là ngày tháng hoặc phân số, không phải một số; ghi bằng chữ số, ví dụ 12 hoặc 0,5")
    raise Unreadable(f"«{shown}» không phải một số; chỉ ghi chữ số, ví dụ 1234 hoặc 0,5 (không kèm chữ, dấu)")


def _two_ways(text: str, mark: str) -> str:
    whole, _, part = text.partition(mark)
    return (
        f"«{text}» đọc được theo hai cách: {whole + part} hoặc {whole},{part}; "
        f"gõ {whole + part} (không dấu) nếu là số nguyên, {whole},{part}0 nếu là số thập phân"
    )


def _bounded(text: str, shown: str, is_percent: bool = False) -> ReadNumber:
    value = Decimal(text)
    if value >= _LARGEST:
        raise Unreadable(f"«{shown}» quá lớn; kiểm tra lại số chữ số")
    if len(text.partition(".")[2].rstrip("0")) > _MOST_DECIMALS:
        raise Unreadable(f"«{shown}» có quá {_MOST_DECIMALS} chữ số thập phân; làm tròn lại")
    return ReadNumber(value, is_percent)


def sheet_number(raw: str) -> Decimal:
    """The number of a numeric cell from the characters in the file, to the 15 digits that a sheet has.

    Raises Unreadable for what no sheet writes, negative numbers and those beyond 1e15.
    """
    if len(raw) > 60 or not re.fullmatch(r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,4})?", raw):
        raise Unreadable(f"«{raw[:60]}» không phải một số; gõ lại ô này")
    value = _SHEET_DIGITS.create_decimal(raw)
    if value < 0:
        raise Unreadable(f"{plain(value) if value.adjusted() < 30 else raw} là số âm; ghi số không âm")
    if value.adjusted() < -_MOST_DECIMALS:
        value = Decimal(0) if value == 0 else value
        if value:
            raise Unreadable(f"«{raw}» quá nhỏ; kiểm tra lại số")
    if value >= _LARGEST:
        raise Unreadable(f"«{raw}» quá lớn; kiểm tra lại số chữ số")
    # 0.1 + 0.2 is kept as 0.30000000000000004: digits that stand beyond the fifteenth decimal are noise too.
    return value.quantize(Decimal(1).scaleb(-_MOST_DECIMALS), context=Context(prec=40)).normalize(Context(prec=40))
