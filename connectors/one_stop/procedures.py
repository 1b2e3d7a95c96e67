"""The province's list of procedures, counted for the province: what is offered online, paid online, taken by post.

Here: the kept form of one list -> figures. Not here: spelling of values (`document.py`), the whitelist
(`redaction.py`), which file of a folder is the list (`connector.py`).

How many different services had a dossier in a year cannot be added up from months: one service may have dossiers in
all of them. So it is the source that counts, procedure by procedure, from 1 January to the day of the list; here a
procedure is only asked whether its count is above 0. A column that a row lacks or leaves empty says nothing: what
rests on it is missing, not 0.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple

from connectors.one_stop.document import PROCEDURES, Suspect, amount, batches_of, fail, moment, word
from connectors.one_stop.dossier import LEVEL_WORDS, Answer, both
from connectors.one_stop.redaction import unlisted_of
from dti_pipeline.harvest.codes import todays_code
from dti_pipeline.harvest.model import FailureKind, Observation, Quarantined, Reading
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

PLACE = "/batches/0/data"
POSTAL = "procedures_used_by_post"


class Procedure(NamedTuple):
    """What one row says; None where it does not say."""

    level: str | None
    is_own: Answer
    """The province's own, not one that a ministry runs locally."""
    has_fee: Answer
    is_payable: Answer
    has_paygov: Answer
    has_online_dossiers: Answer
    is_offered_by_post: Answer
    has_postal_dossiers: Answer
    """Taken in by post, given back by post, or both."""

    def at(self, *levels: str) -> Answer:
        return None if self.level is None else self.level in levels


COUNTED: Mapping[str, Callable[[Procedure], Sequence[Answer]]] = {
    "procedures_authorised": lambda one: (one.is_own,),
    "services_partial_online": lambda one: (one.is_own, one.at("3")),
    "services_full_process": lambda one: (one.is_own, one.at("4")),
    "services_partial_with_online_dossiers": lambda one: (one.is_own, one.at("3"), one.has_online_dossiers),
    "services_full_with_online_dossiers": lambda one: (one.is_own, one.at("4"), one.has_online_dossiers),
    "services_with_fee_payable_online": lambda one: (one.is_own, one.at("3", "4"), one.has_fee, one.is_payable),
    "services_payable_through_paygov": lambda one: (
        one.is_own,
        one.at("3", "4"),
        one.has_fee,
        one.is_payable,
        one.has_paygov,
    ),
}
"""Metric -> what must all be so of a procedure that it counts."""
COLUMNS = (
    "MucDo", "DoBoNganhTrienKhai", "TrangThaiPhiLePhi", "ThanhToanTrucTuyen", "KetNoiPayGov", "TrienKhaiBCCI",
    "tiepNhanQuaMang", "tiepNhanQuaBCCI", "traKetQuaQuaBCCI",
)  # fmt: skip
"""What a figure rests on; a row that lacks one is said."""


def read_procedures(document: Any, province: str, day: dt.date) -> Reading:
    """The figures of a list, as of its day. Raises SourceFailure: WRONG_SHAPE, SOURCE_ERROR, TRUNCATED."""
    batches = batches_of(document)
    if len(batches) != 1 or batches[0]["service"] != PROCEDURES:
        fail(FailureKind.WRONG_SHAPE, f"tệp danh mục phải là một lô {PROCEDURES}")
    (batch,) = batches
    unit = todays_code(province)
    if unit is None:
        fail(FailureKind.WRONG_SHAPE, "yêu cầu phải được lưu kèm mã của tỉnh")
    _check_days(batch, day)
    rows, total = batch["data"], batch.get("total")
    warnings = [f"trường mới «{name}» (không lưu)" for name in unlisted_of(document)]
    if total is None:
        warnings.append("danh mục không có «total», không kiểm tra được có đủ thủ tục không")
    elif str(total) != str(len(rows)):
        fail(FailureKind.TRUNCATED, f"danh mục có {len(rows)} thủ tục, tự ghi là {total}")
    if not rows:
        fail(FailureKind.SOURCE_ERROR, "danh mục không có thủ tục nào")
    procedures: list[Procedure] = []
    quarantined: list[Quarantined] = []
    seen: set[str] = set()
    for number, row in enumerate(rows):
        try:
            procedures.append(_procedure(row, seen))
        except Suspect as reason:
            record = json.dumps(row, ensure_ascii=False, sort_keys=True)
            quarantined.append(Quarantined(f"{PLACE}/{number}", str(reason), record))
    for column in COLUMNS:
        if lacking := sum(row.get(column) in (None, "") for row in rows):
            warnings.append(f"{lacking} thủ tục không có «{column}»: không đếm được chỉ tiêu dựa trên cột này")
    observations = tuple(_observations(procedures, unit, Period(day, day)))
    return Reading(observations, tuple(warnings), tuple(quarantined))


def _check_days(batch: Mapping[str, Any], day: dt.date) -> None:
    """Dossiers must be counted from 1 January to the list's day, or «in the year» would mean something else."""
    try:
        days = [None if (at := moment(batch, name)) is None else at.day for name in ("tuNgay", "denNgay")]
    except Suspect as reason:
        fail(FailureKind.WRONG_SHAPE, f"danh mục: {reason}")
    if days != [day.replace(month=1, day=1), day]:
        fail(FailureKind.WRONG_SHAPE, f"danh mục phải đếm hồ sơ từ tuNgay 01/01/{day.year} đến denNgay như tên tệp")


def _procedure(row: Mapping[str, Any], seen: set[str]) -> Procedure:
    """Raises Suspect."""
    code = word(row, "MaTTHC")
    if code in ("", "?"):
        raise Suspect("thiếu MaTTHC hoặc không đọc được")
    if code in seen:
        raise Suspect("MaTTHC lặp lại trong danh mục")
    seen.add(code)
    level = word(row, "MucDo")
    if level and level not in LEVEL_WORDS:
        raise Suspect("MucDo có giá trị chưa từng biết")
    run_by_ministry = _flag(row, "DoBoNganhTrienKhai")
    taken, given = _is_used(row, "tiepNhanQuaBCCI"), _is_used(row, "traKetQuaQuaBCCI")
    return Procedure(
        level=level or None,
        is_own=None if run_by_ministry is None else not run_by_ministry,
        has_fee=_flag(row, "TrangThaiPhiLePhi"),
        is_payable=_flag(row, "ThanhToanTrucTuyen"),
        has_paygov=_flag(row, "KetNoiPayGov"),
        has_online_dossiers=_is_used(row, "tiepNhanQuaMang"),
        is_offered_by_post=_flag(row, "TrienKhaiBCCI"),
        has_postal_dossiers=True if True in (taken, given) else None if None in (taken, given) else False,
    )


def _flag(row: Mapping[str, Any], name: str) -> Answer:
    """Raises Suspect."""
    said = word(row, name)
    if said not in ("", "0", "1"):
        raise Suspect(f"{name} có giá trị chưa từng biết")
    return said == "1" if said else None


def _is_used(row: Mapping[str, Any], name: str) -> Answer:
    """Whether a count of dossiers is above 0. Raises Suspect."""
    if row.get(name) in (None, ""):
        return None
    count = amount(row, name)
    if count != count.to_integral_value():
        raise Suspect(f"{name} không phải số đếm")
    return count > 0


def _observations(procedures: Sequence[Procedure], unit: str, period: Period) -> Iterator[Observation]:
    for metric, answers in COUNTED.items():
        said = [reduce(both, answers(one)) for one in procedures]
        figure = None if None in said else Decimal(said.count(True))
        state = InputState.MISSING if figure is None else InputState.HARVESTED
        yield Observation(metric, unit, unit, period, state, PLACE, value=figure, unit_code=unit)
    used = [both(one.is_offered_by_post, one.has_postal_dossiers) for one in procedures]
    offered = [one.is_offered_by_post for one in procedures]
    if None in used or None in offered or True not in offered:
        yield Observation(POSTAL, unit, unit, period, InputState.MISSING, PLACE, unit_code=unit)
        return
    part, whole = used.count(True), offered.count(True)
    yield Observation(
        POSTAL,
        unit,
        unit,
        period,
        InputState.HARVESTED,
        PLACE,
        value=_percent(part, whole),
        numerator=Decimal(part),
        denominator=Decimal(whole),
        unit_code=unit,
    )


def _percent(part: int, whole: int) -> Decimal:
    """100·part/whole, half up to 2 decimals."""
    return Decimal((20_000 * part + whole) // (2 * whole)).scaleb(-2)
