"""What one dossier counts for: the record-level rules of the note on QĐ 766/QĐ-TTg, on redacted records.

Here: one record -> yes, no or not known, per metric. Not here: adding up and periods (`connector.py`), spelling of
values (`document.py`).

Yes and no follow the rules' own words: a null `KenhThucHien` is «direct». A column that a record does not have at all
says nothing, so what rests on it is not known, which is not «no».
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.one_stop.document import Moment, Suspect, amount, flag, moment, parts, word

Answer = bool | None
"""None: the record does not say."""

CHANNELS = {"": "direct", "1": "direct", "2": "online", "3": "postal"}
ENDS = ("NgayKetThucXuLy", "NgayTra", "NgayTuChoi")
"""End of handling, by priority: finished, result returned, stopped or refused."""

FILTERS: Mapping[str, str] = {
    "dossiers_received": "mọi hồ sơ",
    "dossiers_received_all_channels": "KenhThucHien rỗng, 1, 2 hoặc 3",
    "dossiers_received_online": "KenhThucHien = 2",
    "dossiers_received_direct": "KenhThucHien rỗng hoặc 1",
    "dossiers_received_postal": "KenhThucHien = 3",
    "dossiers_completed": "có NgayKetThucXuLy, NgayTra hoặc NgayTuChoi",
    "dossiers_on_time": "kết thúc trong hạn NgayHenTra hoặc chưa đến hạn",
    "dossiers_overdue": "kết thúc sau hạn NgayHenTra, đã quá hạn, hoặc yêu cầu bổ sung từ hai lần",
    "dossiers_without_due_date": "NgayHenTra rỗng",
    "dossiers_online_on_time": "KenhThucHien = 2 và trong hạn",
    "dossiers_online_overdue": "KenhThucHien = 2 và quá hạn",
    "dossiers_online_with_result": "KenhThucHien = 2 và DanhSachGiayToKetQua có mã và đường dẫn",
    "dossiers_with_fee_obligation": "DanhSachLePhi có Gia > 0",
    "dossiers_paid_online": "DuocThanhToanTrucTuyen = 1 hoặc 2, DanhSachLePhi có Gia > 0",
    "dossiers_digitised": "HoSoCoThanhPhanSoHoa = 1 hoặc TaiLieuNop có DuocSoHoa = 1",
    "dossiers_reusing_data": "TaiLieuNop có DuocLayTuKhoDMQG = 1",
    "dossiers_using_population_data": "TaiKhoanDuocXacThucVoiVNeID = 1 hoặc DSKetNoiCSDL có MaCSDL",
    "dossiers_with_electronic_result": "DanhSachGiayToKetQua có mã và đường dẫn",
}
"""Metric -> which records it counts, in words."""

LEVELS: Mapping[str, str] = {
    "dossiers_of_full_services": "MucDo = 4",
    "dossiers_of_partial_services": "MucDo = 3",
}
"""Read where the records have the column; most senders do not send it."""

LEVEL_WORDS = frozenset({"0", "1", "2", "3", "4"})
"""What `MucDo` may say: 3 is a partial, 4 a full-process online service."""


class Dossier(NamedTuple):
    unit: str
    received_on: dt.date
    counts: Mapping[str, Answer]
    """Metric -> whether this dossier is one of those it counts."""
    unknown: frozenset[str]
    """Columns that the record lacks and that something rests on."""


class Timing(NamedTuple):
    """When a dossier ended and when it is due; waiting for supplements moves the deadline."""

    end: Moment | None
    due: Moment | None
    supplements: int
    is_waiting: bool
    """For a supplement that has not come: the clock stands still."""


def timing(record: Mapping[str, Any]) -> Timing:
    """Raises Suspect."""
    ends = [end for name in ENDS if (end := moment(record, name)) is not None]
    due, waited, is_waiting = moment(record, "NgayHenTra"), dt.timedelta(0), False
    supplements = parts(record, "DanhSachHoSoBoSung")
    for supplement in supplements:
        asked, came = moment(supplement, "NgayBoSung"), moment(supplement, "NgayTiepNhanBoSung")
        is_waiting |= came is None
        if asked is not None and came is not None:
            if came.day < asked.day:
                raise Suspect("NgayTiepNhanBoSung trước NgayBoSung")
            waited += dt.timedelta(days=(came.day - asked.day).days)
    if due is not None:
        due = due._replace(at=due.at + waited)
    return Timing(ends[0] if ends else None, due, len(supplements), is_waiting)


def judge(record: Mapping[str, Any], due_passed: dt.date | None) -> Dossier:
    """One dossier. `due_passed`: the newest deadline that had passed when the bytes were taken. Raises Suspect."""
    unit = record.get("DonViXuLy")
    if not isinstance(unit, str) or unit.strip() in ("", "?"):
        raise Suspect("thiếu DonViXuLy hoặc không đọc được")
    received = moment(record, "NgayTiepNhan")
    if received is None:
        raise Suspect("thiếu NgayTiepNhan")
    when = timing(record)
    if when.end is not None and when.end.day < received.day:
        raise Suspect("kết thúc xử lý trước ngày tiếp nhận")

    unknown: set[str] = set()

    def said(*names: str) -> bool:
        """Whether the record has one of the columns at all."""
        if any(name in record for name in names):
            return True
        unknown.update(names[:1])
        return False

    spoken = word(record, "KenhThucHien")
    if spoken not in CHANNELS:
        raise Suspect("KenhThucHien có giá trị chưa từng biết")
    channel = CHANNELS[spoken] if said("KenhThucHien") else None
    is_late = _is_late(when, due_passed)
    has_deadline = when.due is not None if said("NgayHenTra") else None
    on_time: Answer = None
    overdue: Answer = None
    if said(*ENDS) and has_deadline is not None:
        on_time, overdue = has_deadline and not is_late, has_deadline and is_late
    papers = parts(record, "TaiLieuNop")
    has_result = None
    if said("DanhSachGiayToKetQua"):
        results = parts(record, "DanhSachGiayToKetQua")
        has_result = any(item.get("MaGiayToKetQua") and item.get("DuongDanTepTinKetQua") for item in results)
    has_fee = None
    if said("DanhSachLePhi"):
        has_fee = any(amount(fee, "Gia") > 0 for fee in parts(record, "DanhSachLePhi"))
    paid = word(record, "DuocThanhToanTrucTuyen")
    if paid not in ("", "0", "1", "2"):
        raise Suspect("DuocThanhToanTrucTuyen có giá trị chưa từng biết")
    is_online: Answer = None if channel is None else channel == "online"
    level = word(record, "MucDo")
    if level and level not in LEVEL_WORDS:
        raise Suspect("MucDo có giá trị chưa từng biết")
    counts: dict[str, Answer] = {
        "dossiers_received": True,
        "dossiers_received_all_channels": None if channel is None else True,
        "dossiers_received_online": is_online,
        "dossiers_received_direct": None if channel is None else channel == "direct",
        "dossiers_received_postal": None if channel is None else channel == "postal",
        "dossiers_completed": when.end is not None if any(name in record for name in ENDS) else None,
        "dossiers_on_time": on_time,
        "dossiers_overdue": overdue,
        "dossiers_without_due_date": None if has_deadline is None else not has_deadline,
        "dossiers_online_on_time": both(is_online, on_time),
        "dossiers_online_overdue": both(is_online, overdue),
        "dossiers_online_with_result": both(is_online, has_result),
        "dossiers_with_fee_obligation": has_fee,
        "dossiers_paid_online": both(paid in ("1", "2") if said("DuocThanhToanTrucTuyen") else None, has_fee),
        "dossiers_digitised": (
            flag(record, "HoSoCoThanhPhanSoHoa") or any(flag(paper, "DuocSoHoa") for paper in papers)
            if said("HoSoCoThanhPhanSoHoa", "TaiLieuNop")
            else None
        ),
        "dossiers_reusing_data": (
            any(flag(paper, "DuocLayTuKhoDMQG") for paper in papers) if said("TaiLieuNop") else None
        ),
        "dossiers_using_population_data": (
            flag(record, "TaiKhoanDuocXacThucVoiVNeID")
            or any(bool(item.get("MaCSDL")) for item in parts(record, "DSKetNoiCSDL"))
            if said("TaiKhoanDuocXacThucVoiVNeID", "DSKetNoiCSDL")
            else None
        ),
        "dossiers_with_electronic_result": has_result,
        "dossiers_of_full_services": level == "4" if level else None,
        "dossiers_of_partial_services": level == "3" if level else None,
    }
    return Dossier(unit.strip(), received.day, counts, frozenset(unknown))


def is_open_and_due(record: Mapping[str, Any], on: dt.date) -> dt.date | None:
    """The deadline of a dossier that has not ended, where it has passed by that day's end. Raises Suspect."""
    when = timing(record)
    if when.end is not None or when.is_waiting or when.due is None or when.due.day > on:
        return None
    return when.due.day


def _is_late(when: Timing, due_passed: dt.date | None) -> bool:
    if when.supplements >= 2:
        return True
    if when.due is None:
        return False
    if when.end is not None:
        return not when.end.is_by(when.due)
    return not when.is_waiting and due_passed is not None and when.due.day <= due_passed


def both(one: Answer, other: Answer) -> Answer:
    """«And» of three values: no beats not known."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True
