"""What of a document may be kept: a whitelist of columns, each with the shape that its values must have.

Here: the bytes as they came -> the bytes to keep. Not here: what the kept columns mean (`dossier.py`).

Everything that is not on the list goes, unknown columns too, and is named. `MaHoSo` becomes a running number within
the document. A hash would not do: dossier numbers follow a short pattern, so whoever has the salt finds them all by
trying; a hash under a key that only the province has would, but a connector has no secrets. The running number says
which records are about one dossier, which is all that counting needs, and nothing to anybody who has not the original.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

from connectors.one_stop.document import DOSSIERS, PROCEDURES, PROGRESS, Suspect, amount, batches_of, parse_moment
from connectors.one_stop.dossier import is_open_and_due
from dti_pipeline.harvest.model import Redacted

ODD = "?"
"""Stands for a value that has not the shape of its column: it may be anything, also a name."""

_FLAG = re.compile(r"\d{0,2}|true|false", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9._\-]{0,40}")

Shape = str | Mapping[str, Any]
"""flag, moment, amount, unit, code, has (only whether there is something), id (MaHoSo), or the columns of a list."""

_DOSSIER: Mapping[str, Shape] = {
    "MaHoSo": "id",
    "MaTTHC": "code",
    "DonViXuLy": "unit",
    "KenhThucHien": "flag",
    "TrangThaiHoSo": "flag",
    "MucDo": "flag",
    "HoSoCoThanhPhanSoHoa": "flag",
    "TaiKhoanDuocXacThucVoiVNeID": "flag",
    "DuocThanhToanTrucTuyen": "flag",
    "NgayTiepNhan": "moment",
    "NgayHenTra": "moment",
    "NgayKetThucXuLy": "moment",
    "NgayTra": "moment",
    "NgayTuChoi": "moment",
    "TaiLieuNop": {"DuocSoHoa": "flag", "DuocTaiSuDung": "flag", "DuocLayTuKhoDMQG": "flag"},
    "DanhSachLePhi": {"Gia": "amount"},
    "DanhSachHoSoBoSung": {"NgayBoSung": "moment", "NgayTiepNhanBoSung": "moment"},
    "DanhSachGiayToKetQua": {"MaGiayToKetQua": "has", "DuongDanTepTinKetQua": "has"},
    "DSKetNoiCSDL": {"MaCSDL": "has"},
}
_STEP: Mapping[str, Shape] = {
    "MaHoSo": "id",
    "TrangThai": "flag",
    "ThoiDiemXuLy": "moment",
    "NgayKetThucTheoQuyDinh": "moment",
}
_PROCEDURE: Mapping[str, Shape] = {
    "MaTTHC": "code",
    "MucDo": "flag",
    "DoBoNganhTrienKhai": "flag",
    "TrangThaiPhiLePhi": "flag",
    "ThanhToanTrucTuyen": "flag",
    "KetNoiPayGov": "flag",
    "TrienKhaiBCCI": "flag",
    "tiepNhanQuaMang": "amount",
    "tiepNhanQuaBCCI": "amount",
    "traKetQuaQuaBCCI": "amount",
}
COLUMNS: Mapping[str, Mapping[str, Shape]] = {DOSSIERS: _DOSSIER, PROGRESS: _STEP, PROCEDURES: _PROCEDURE}
_ENVELOPE = frozenset({"service", "isUpdating", "total", "page", "size", "tuNgay", "denNgay"})

# fmt: off
KNOWN = frozenset({
    "ChuHoSo", "ChucDanh", "DanhSachTepDinhKemKhac", "DiaChi", "DinhDanhCHS", "DonViXuLyId", "Email", "Fax", "GhiChu",
    "HinhThuc", "LoaiDoiTuong", "MaDoiTuong", "MaLinhVuc", "NgayBatDau", "NgayNopHoSo", "NguoiXuLy", "NoiDungXuLy",
    "NoiNopHoSo", "PhongBanXuLy", "SoBienNhan", "SoDienThoai", "SoGiayToChuHoSo", "TenLinhVuc", "TenTTHC",
    "ThongTinKhac", "ThongTinTra", "TrichYeuHoSo", "TaiLieuNop.DuongDanTaiTepTin", "TaiLieuNop.IsDeleted",
    "TaiLieuNop.MaKetQuaThayThe", "TaiLieuNop.MaThanhPhanHoSo", "TaiLieuNop.TenTepDinhKem", "TaiLieuNop.TepDinhKemId",
    "DanhSachLePhi.HinhThucThu", "DanhSachLePhi.LoaiPhiLePhi", "DanhSachLePhi.MaPhiLePhi",
    "DanhSachLePhi.TenPhiLePhi", "DanhSachHoSoBoSung.DanhSachGiayToBoSung", "DanhSachHoSoBoSung.DanhSachLePhiBoSung",
    "DanhSachHoSoBoSung.HoSoBoSungId", "DanhSachHoSoBoSung.NgayHenTraMoi", "DanhSachHoSoBoSung.NgayHenTraTruoc",
    "DanhSachHoSoBoSung.NguoiTiepNhanBoSung", "DanhSachHoSoBoSung.NguoiYeuCauBoSung",
    "DanhSachHoSoBoSung.NoiDungBoSung", "DanhSachHoSoBoSung.ThongTinTiepNhan", "DanhSachHoSoBoSung.TrangThaiBoSung",
    "DanhSachGiayToKetQua.GiayToId", "DanhSachGiayToKetQua.MaThanhPhanHoSo", "DanhSachGiayToKetQua.TenGiayTo",
    "CapThucHien", "DonViId", "NguoiTiepNhanId", "tiepNhanTrucTiep", "session", "madonvi", "error_code", "message",
})
# fmt: on
"""Columns of the contract that are left out on purpose: personal, or not needed for any count. Any other that is left
out is new, and `read` says so."""


def redact(document: Any, night: dt.date) -> Redacted:
    """The kept form `{"redaction": {…}, "batches": […]}`; the same again where it is given its own result.

    Records keep their places, so a pointer into the kept bytes holds in the original. `redaction.due_passed` is the
    newest deadline of a dossier that had not ended by the night: whether that one is overdue depends on the day, and
    readers have only bytes. It changes only when another deadline passes, so equal nights keep equal bytes.

    Raises SourceFailure WRONG_SHAPE.
    """
    work = _Redaction()
    batches = [work.batch(batch) for batch in batches_of(document)]
    unknown = set(unlisted_of(document))
    kept = {
        "redaction": {
            "due_passed": _due_passed(batches, night),
            "unknown": sorted(unknown | (work.unlisted - KNOWN)),
        },
        "batches": batches,
    }
    body = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), default=str)
    return Redacted(body.encode(), tuple(sorted(work.removed)))


def is_kept_form(document: Any) -> bool:
    return isinstance(document, dict) and document.keys() == {"redaction", "batches"}


def unlisted_of(document: Any) -> list[str]:
    """Names of the columns that an earlier redaction left out and did not know; none where there was none."""
    earlier = document.get("redaction") if isinstance(document, dict) else None
    named = earlier.get("unknown") if isinstance(earlier, dict) else None
    return [str(name)[:80] for name in named] if isinstance(named, list) else []


class _Redaction:
    def __init__(self) -> None:
        self.removed: set[str] = set()
        self.unlisted: set[str] = set()
        """Of those, the ones that are not on the whitelist."""
        self._numbers: dict[str, int] = {}

    def batch(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        columns = COLUMNS[batch["service"]]
        kept = {name: batch[name] for name in _ENVELOPE & batch.keys() if isinstance(batch[name], bool | int | str)}
        for name in kept.keys() - {"service"}:
            kept[name] = self._flag_or_count(name, kept[name])
        for name in batch.keys() - _ENVELOPE - {"data"}:
            self._leave_out(name)
        ordered = {name: kept[name] for name in sorted(kept)}
        return ordered | {"data": [self._record(record, columns, "") for record in batch["data"]]}

    def _flag_or_count(self, name: str, value: bool | int | str) -> bool | int | str:
        if isinstance(value, str) and re.fullmatch(r"\d{1,9}|true|false", value, re.IGNORECASE) is None:
            return self._odd(name)
        return value

    def _record(self, record: Mapping[str, Any], columns: Mapping[str, Shape], under: str) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in record.items():
            if name in columns:
                kept[name] = self._value(value, columns[name], f"{under}{name}")
            else:
                self._leave_out(f"{under}{name}")
        return kept

    def _value(self, value: Any, shape: Shape, name: str) -> Any:
        if shape == "id":
            return self._number(value, name)
        if shape == "has":
            self.removed.add(name)
            return value if isinstance(value, bool) else bool(str(value).strip()) if value is not None else False
        if value is None or value == "":
            return value
        if isinstance(shape, Mapping):
            if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
                return self._odd(name)
            return [self._record(item, shape, f"{name}.") for item in value]
        return value if _fits(value, shape) else self._odd(name)

    def _number(self, value: Any, name: str) -> int | None:
        """The same number for the same dossier of this document; None where the record does not say which."""
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            return None
        self.removed.add(name)
        return self._numbers.setdefault(str(value).strip(), len(self._numbers) + 1)

    def _odd(self, name: str) -> str:
        self.removed.add(name)
        return ODD

    def _leave_out(self, name: str) -> None:
        """Say that a column went; what does not look like a column's name is not repeated."""
        told = name if re.fullmatch(r"[A-Za-z_][\w.]{0,79}", name, re.ASCII) else "(tên cột lạ)"
        self.removed.add(told)
        self.unlisted.add(told)


def _fits(value: Any, shape: Shape) -> bool:
    if isinstance(value, bool):
        return shape == "flag"
    if shape == "unit":
        return isinstance(value, str) and len(value) <= 200
    if shape == "flag":
        return isinstance(value, int | str) and _FLAG.fullmatch(str(value).strip()) is not None
    if shape == "code":
        return isinstance(value, str) and _CODE.fullmatch(value) is not None
    try:
        if shape == "moment":
            parse_moment(value)
        else:
            amount({"value": value}, "value")
    except Suspect:
        return False
    return True


def _due_passed(batches: list[dict[str, Any]], night: dt.date) -> str | None:
    """By the newest state of each dossier; what cannot be judged is put aside when it is read."""
    newest: dict[Any, Mapping[str, Any]] = {}
    for batch in batches:
        if batch["service"] == DOSSIERS:
            newest |= {record.get("MaHoSo"): record for record in batch["data"]}
    passed: list[dt.date] = []
    for record in newest.values():
        try:
            due = is_open_and_due(record, night)
        except Suspect:
            continue
        if due is not None:
            passed.append(due)
    return max(passed).isoformat() if passed else None
