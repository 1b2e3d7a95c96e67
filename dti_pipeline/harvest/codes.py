"""Identifier codes as sources spell them, for connectors, which may not know the registry of units.

Here: reading either spelling into today's. Not here: which unit a code belongs to (`dti_pipeline.units.registry`, whose
`normalise_code` says the same of the older spelling; a test holds the two together).
"""

from __future__ import annotations

import re

_TODAY = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{2,3}){0,4}", re.ASCII)
_OLDER = re.compile(r"([0-9]{2,3}\.)+[A-Z][0-9]{2}", re.ASCII)


def todays_code(text: str) -> str | None:
    """`H44.01` (QĐ 20/2020/QĐ-TTg) for `H44.01` and for `000.00.01.H44` (QCVN 102); None for what is neither.

    The older spelling runs from the smallest part to the largest; groups of zeros in front mean nothing, one between
    others has no counterpart in today's form.
    """
    code = text.strip()
    if _OLDER.fullmatch(code):
        *parts, top = code.split(".")
        while parts and not parts[0].strip("0"):
            parts.pop(0)
        code = ".".join([top, *reversed(parts)])
    if _TODAY.fullmatch(code) is None or any(not part.strip("0") for part in code.split(".")[1:]):
        return None
    return code


def is_within(code: str, root: str) -> bool:
    """Whether the code is `root` or stands beneath it."""
    return code == root or code.startswith(f"{root}.")
