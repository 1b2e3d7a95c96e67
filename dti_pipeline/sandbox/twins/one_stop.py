"""The practice one-stop system: dossier records of some small units of the fictional province, each one made up.

Here: records whose counts are those of the practice figures, dropped as monthly files by some units and listed by
received day for others, and the list of the province's procedures. Records of all units would be hundreds of thousands;
their counts are the practice iGate's. Not here: the counts themselves (`practice.py`), sockets (`server.py`).

Every record carries made-up personal columns, as the real ones do, so that practice shows them being removed.
"""

from __future__ import annotations

import calendar
import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest

TOKEN = "one-stop-practice-token"  # noqa: S105
PATH = "dong-bo-ho-so"
PAGE_CAP = 5000
DROPPED_UNITS = ("H00.01", "H00.03", "H00.11", "H00.20", "H00.22.05")
"""Their dossiers come as files; H00.20 never has one."""
LISTED_UNITS = (practice.PAUSED_UNIT,)
"""Its dossiers are listed by REST; none in the third quarter."""
YEAR = 2026
LIST_DAY = dt.date(2026, 9, 30)
"""The day of the list of procedures: its counts of dossiers run from 1 January to it."""
RUN_BY_MINISTRIES = frozenset({11, 64, 120})
"""Procedures by number that the portal counts among the province's own; the one-stop system knows better."""
FAR = "20261231170000"
"""When dossiers are due that are still in time on every practice night."""
PERSON = "NGƯỜI NỘP HƯ CẤU"
"""Stands in every personal column; nothing that is kept may hold it."""


class OneStopTwin:
    """See `dti_pipeline.sandbox.twins.Twin`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _json({"error_code": 401, "message": "Phiên làm việc không hợp lệ"}, 401)
        if request.method != "GET" or request.path.strip("/") != PATH:
            return _json({"error_code": 404, "message": "Không tìm thấy"}, 404)
        params = request.params
        try:
            first, last = (dt.date.fromisoformat(params[name]) for name in ("ngayTiepNhanFrom", "ngayTiepNhanTo"))
            page, size = int(params.get("page", "0")), min(int(params.get("size", "100")), PAGE_CAP)
        except (KeyError, ValueError):
            # Errors come with status 200 and a code, as the portal's own service does it.
            return _json({"error_code": -1, "message": "Tham số ngày không hợp lệ"})
        asked = [unit for unit in params.get("donVi", "").split("|") if unit] or list(LISTED_UNITS)
        found = [
            record
            for month in practice.months_between((first.year, first.month), (last.year, last.month))
            for unit in asked
            if unit in LISTED_UNITS
            for record in final_records(unit, month)
            if f"{first:%Y%m%d}" <= record["NgayTiepNhan"][:8] <= f"{last:%Y%m%d}"
        ]
        rows = found[page * size : (page + 1) * size]
        envelope = {"error_code": "0", "service": "DongBoHoSoMC", "isUpdating": False, "data": rows}
        return _json(envelope | {"total": len(found), "page": page, "size": size})

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        folder.mkdir(parents=True, exist_ok=True)
        for month in practice.months_between((YEAR, 1), (YEAR, 12)):
            text = json.dumps(month_file(month), ensure_ascii=False, separators=(",", ":"))
            (folder / f"DongBoHoSoMC-{month[0]}-{month[1]:02}.json").write_text(text, encoding="utf-8")
        write_list(folder)
        dropped = {"name": "thuc-hanh-tep", "base_url": folder.resolve().as_uri(), **_common()}
        return [dropped | {"options": {"units": list(DROPPED_UNITS)}}, listed_site(base_url)]

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PRACTICE_ONE_STOP_TOKEN": TOKEN}


TWIN = OneStopTwin()


def listed_site(base_url: str) -> dict[str, Any]:
    """The entry for the units whose dossiers are listed."""
    return {"name": "thuc-hanh-rest", "base_url": base_url, **_common()} | {
        "auth": {"kind": "bearer", "token": "PRACTICE_ONE_STOP_TOKEN"},
        "options": {"path": f"/{PATH}", "page_size": PAGE_CAP, "units": list(LISTED_UNITS)},
    }


def _common() -> dict[str, Any]:
    return {
        "connector": "one_stop",
        "province": practice.ROOT,
        "windows": ["last_closed_quarter", "year"],
        "politeness": {"min_interval_s": 0, "jitter_s": 0, "backoff_s": 0},
    }


def month_file(month: practice.Month) -> list[dict[str, Any]]:
    """A month as it was sent: dossiers as received, the states that changed later, and the steps."""
    finals = [record for unit in DROPPED_UNITS for record in final_records(unit, month)]
    changed = [record for record in finals if record["NgayKetThucXuLy"]][::3]
    numbers = {record["MaHoSo"] for record in changed}
    early = {"NgayKetThucXuLy": "", "NgayTra": "", "TrangThaiHoSo": "2", "DanhSachGiayToKetQua": []}
    return [
        {
            "isUpdating": False,
            "service": "DongBoHoSoMC",
            "data": [record | (early if record["MaHoSo"] in numbers else {}) for record in finals],
        },
        {"isUpdating": True, "service": "DongBoHoSoMC", "data": changed},
        {
            "isUpdating": False,
            "service": "CapNhatTienDoHoSoMC",
            "data": [
                {
                    "MaHoSo": record["MaHoSo"],
                    "NguoiXuLy": PERSON,
                    "ThoiDiemXuLy": record["NgayKetThucXuLy"],
                    "TrangThai": "9",
                    "NgayBatDau": record["NgayTiepNhan"],
                    "NgayKetThucTheoQuyDinh": record["NgayHenTra"],
                }
                for record in changed
            ],
        },
    ]


def write_list(folder: Path) -> None:
    """Write the list of procedures as the one-stop system drops it. Raises OSError."""
    text = json.dumps(procedure_list(), ensure_ascii=False, separators=(",", ":"))
    (folder / f"DanhMucTTHC-{LIST_DAY}.json").write_text(text, encoding="utf-8")


def procedure_list() -> dict[str, Any]:
    """The province's procedures on LIST_DAY: as many, and as many of each level and with online dossiers, as the portal
    says of the year."""
    kind = practice.profile(practice.ROOT)
    used = practice.counts(practice.ROOT, practice.months_between((YEAR, 1), (YEAR, LIST_DAY.month))).services_used
    rows = []
    for number in range(kind.authority):
        rng = practice.draw(practice.SEED, practice.ROOT, "one-stop", "procedure", number)
        is_online = number < kind.online_services
        # Full-process services are spread evenly among those offered online.
        is_full = (
            is_online and (number + 1) * kind.full // kind.online_services > number * kind.full // kind.online_services
        )
        has_fee = rng.randrange(1000) < 450
        is_payable = is_online and has_fee and rng.randrange(1000) < 750
        has_paygov = is_payable and rng.randrange(1000) < 700
        by_post = rng.randrange(1000) < 600
        taken, given = (rng.randint(1, 60) if by_post and rng.randrange(1000) < 250 else 0 for _ in range(2))
        rows.append(
            {
                "MaTTHC": f"9.{number:06}",
                "TenTTHC": "Thủ tục hư cấu",
                "NguoiTiepNhanId": PERSON,
                "MucDo": "4" if is_full else "3" if is_online else "2",
                "DoBoNganhTrienKhai": "1" if number in RUN_BY_MINISTRIES else "0",
                "TrangThaiPhiLePhi": has_fee,
                "ThanhToanTrucTuyen": "1" if is_payable else "0",
                "KetNoiPayGov": "1" if has_paygov else "0",
                "TrienKhaiBCCI": "1" if by_post else "0",
                "tiepNhanQuaMang": rng.randint(1, 400) if number in used else 0,
                "tiepNhanTrucTiep": rng.randint(0, 200),
                "tiepNhanQuaBCCI": taken,
                "traKetQuaQuaBCCI": given,
            }
        )
    days = {"tuNgay": f"{LIST_DAY.year}0101", "denNgay": f"{LIST_DAY:%Y%m%d}"}
    return {"service": "DanhMucTTHC", "total": len(rows), **days, "data": rows}


@cache
def final_records(unit: str, month: practice.Month) -> tuple[dict[str, Any], ...]:
    """The dossiers that a unit received in a month, as they stand on every later practice night."""
    own = practice.month_counts(unit, month)
    everything = list(range(own.received))

    def chosen(quantity: str, count: int, among: list[int] | None = None) -> set[int]:
        pool = everything if among is None else among
        return set(practice.draw(practice.SEED, unit, "one-stop", quantity, *month).sample(pool, min(count, len(pool))))

    on_time = chosen("on_time", own.on_time)
    completed = chosen("completed", own.completed)
    online = chosen("online", own.online)
    postal = chosen("postal", own.postal, [number for number in everything if number not in online])
    with_fee = chosen("fee", own.fee_obligation)
    paid = chosen("paid", own.paid_online, sorted(with_fee))
    digitised, reused = chosen("digitised", own.digitised), chosen("reused", own.reused)
    citizen = chosen("citizen", own.citizen_data)
    results = chosen("original", own.original_result, sorted(completed))
    days = calendar.monthrange(*month)[1]
    records = []
    for number in everything:
        received = dt.date(*month, number % days + 1)
        # Promised in five days; what is late took eight. What is neither ended nor late is promised for the year's end.
        due, late = received + dt.timedelta(days=5), number not in on_time
        ended = f"{received + dt.timedelta(days=8 if late else 3):%Y%m%d}153000" if number in completed else ""
        records.append(
            {
                "MaHoSo": f"000.00.00.{unit}-{received:%y%m%d}-{number:04}",
                "MaTTHC": f"9.{number % 17:06}",
                "TenTTHC": "Thủ tục hư cấu",
                "MaLinhVuc": "G00",
                "TenLinhVuc": "Lĩnh vực hư cấu",
                "KenhThucHien": "2" if number in online else "3" if number in postal else None,
                "ChuHoSo": PERSON,
                "LoaiDoiTuong": "1",
                "MaDoiTuong": PERSON,
                "DinhDanhCHS": [{"LoaiDinhDanh": "CCCD", "SoDinhDanh": PERSON}],
                "SoGiayToChuHoSo": PERSON,
                "SoDienThoai": PERSON,
                "Email": PERSON,
                "TrichYeuHoSo": PERSON,
                "NgayNopHoSo": f"{received:%Y%m%d}080000",
                "NgayTiepNhan": f"{received:%Y%m%d}083000",
                "NgayHenTra": FAR if not ended and not late else f"{due:%Y%m%d}170000",
                "NgayKetThucXuLy": ended,
                "NgayTra": ended,
                "NgayTuChoi": None,
                "TrangThaiHoSo": "9" if ended else "2",
                "HinhThuc": "0",
                "DonViXuLy": unit,
                "NoiNopHoSo": PERSON,
                "HoSoCoThanhPhanSoHoa": "1" if number in digitised else "0",
                "TaiKhoanDuocXacThucVoiVNeID": "1" if number in citizen else "0",
                "DuocThanhToanTrucTuyen": "1" if number in paid else "0",
                "MucDo": "4" if number % 5 < 3 else "3",
                "TaiLieuNop": [
                    {
                        "TenTepDinhKem": PERSON,
                        "DuongDanTaiTepTin": f"https://practice.example/{PERSON}",
                        "DuocSoHoa": "0",
                        "DuocTaiSuDung": "0",
                        "DuocLayTuKhoDMQG": "1" if number in reused else "0",
                    }
                ],
                "DanhSachLePhi": [{"TenPhiLePhi": "Lệ phí", "HinhThucThu": "1", "Gia": "20000"}]
                if number in with_fee
                else [],
                "DanhSachHoSoBoSung": [],
                "DanhSachGiayToKetQua": [
                    {
                        "TenGiayTo": PERSON,
                        "MaGiayToKetQua": f"KQ{number}",
                        "DuongDanTepTinKetQua": f"https://practice.example/{PERSON}",
                    }
                ]
                if number in results
                else [],
                "DSKetNoiCSDL": [],
            }
        )
    return tuple(records)


def _json(content: Any, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(content, ensure_ascii=False).encode(), status=status)
