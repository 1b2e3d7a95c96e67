"""Numbers as Vietnamese annexes print them. Not here: numbers that a sheet holds as numbers (`tables.Cell.number`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_SUFFIX = re.compile(r"\s*(?:điểm|đ)\.?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReadNumber:
    """A number, and whether its point was taken for a decimal comma (worth a warning)."""

    value: Decimal
    is_point_decimal: bool = False


def read_number(text: str) -> ReadNumber | None:
    """`0,5`, `12`, `1.000`, `1.234,5`, `10 điểm`; also `1.5`, marked. None for anything else."""
    plain = _SUFFIX.sub("", text.strip())
    if re.fullmatch(r"\d+(?:,\d+)?", plain):
        return ReadNumber(Decimal(plain.replace(",", ".")))
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?", plain):
        return ReadNumber(Decimal(plain.replace(".", "").replace(",", ".")))
    if re.fullmatch(r"\d+\.\d+", plain):
        return ReadNumber(Decimal(plain), is_point_decimal=True)
    return None
