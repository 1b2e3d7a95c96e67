"""Vietnamese text: normal form, sort order and number format. Not here: formulas in words (`scoring/words.py`)."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

# The alphabet's own order: ă, â, đ, ê, ô, ơ, ư are letters, not accented ones, so Đ sorts after D and before E.
_LETTERS = {letter: position for position, letter in enumerate("aăâbcdđeêfghijklmnoôơpqrstuưvwxyz", start=1)}
# Tones decide between equal spellings only, in the order of the dictionaries (as CLDR has it).
_TONES = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def sort_key(text: str) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...], str]:
    """A key that sorts as a Vietnamese reader expects: letters of the alphabet first, then tones, then the text."""
    letters: list[tuple[int, int]] = []
    tones: list[int] = []
    for character in nfc(text).lower():
        tone = 0
        base = []
        for mark in unicodedata.normalize("NFD", character):
            if mark in _TONES:
                tone = _TONES[mark]
            else:
                base.append(mark)
        letter = nfc("".join(base))
        # Digits and marks before letters, foreign letters after them, each by code point.
        rank = _LETTERS.get(letter)
        letters.append((1, rank) if rank is not None else (2 if letter.isalpha() else 0, ord(letter[0])))
        tones.append(tone)
    return tuple(letters), tuple(tones), text


def vi_decimal(value: Decimal | int, decimals: int | None = None) -> str:
    """`1234.5` as `1.234,5`; with `decimals`, padded to that many (never rounded: pass a rounded value)."""
    number = Decimal(value)
    text = f"{number:,.{decimals}f}" if decimals is not None else f"{number:,f}"
    return text.translate(str.maketrans(",.", ".,"))
