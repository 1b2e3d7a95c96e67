"""The reader of one-stop dossier records: what it keeps, what it counts, what it refuses.

Hand-made records of the fictional province for every rule; recorded cases whose figures were counted by hand; the
practice twin against the practice figures, which it does not read.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import connectors.one_stop
from connectors.one_stop.connector import CONNECTOR
from connectors.one_stop.document import Suspect, parse_moment
from connectors.one_stop.dossier import FILTERS
from connectors.one_stop.redaction import COLUMNS
from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind, Reading, Redacts, Request, Site, Snapshot, SourceFailure
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.twins import TwinRequest
from dti_pipeline.sandbox.twins.one_stop import DROPPED_UNITS, PERSON, TOKEN, TWIN
from dti_pipeline.scoring.formula import parse_requirement
from dti_pipeline.scoring.periods import Period, month, quarter, year
from dti_pipeline.scoring.states import InputState

RECORDED = Path(connectors.one_stop.__file__).parent / "recorded"
NIGHT = dt.date(2026, 10, 15)
SEPTEMBER = month(2026, 9)
FILE = "DongBoHoSoMC-2026-09.json"

Json = dict[str, Any]


# --- helpers ---


def dossier(number: str, **changes: Any) -> Json:
    """An online dossier that ended in time, with every column that something is counted by."""
    return {
        "MaHoSo": number,
        "DonViXuLy": "H00.05",
        "KenhThucHien": "2",
        "NgayTiepNhan": "20260901083000",
        "NgayHenTra": "20260910170000",
        "NgayKetThucXuLy": "20260908150000",
        "NgayTra": None,
        "NgayTuChoi": None,
        "HoSoCoThanhPhanSoHoa": "0",
        "TaiKhoanDuocXacThucVoiVNeID": "0",
        "DuocThanhToanTrucTuyen": "0",
        "TaiLieuNop": [],
        "DanhSachLePhi": [],
        "DanhSachHoSoBoSung": [],
        "DanhSachGiayToKetQua": [],
        "DSKetNoiCSDL": [],
    } | changes


def without(record: Json, *names: str) -> Json:
    return {name: value for name, value in record.items() if name not in names}


def batch(*records: Json, updating: Any = False, service: str = "DongBoHoSoMC", **more: Any) -> Json:
    return {"isUpdating": updating, "service": service, "data": list(records), **more}


def file_request(name: str = FILE, units: str = "") -> Request:
    return Request("GET", name, params={"donVi": units} if units else {}, kind="file")


def rest_request(size: int = 100, **params: str) -> Request:
    days = {"ngayTiepNhanFrom": "2026-09-01", "ngayTiepNhanTo": "2026-09-30"}
    return Request("GET", "/ds", params=days | {"page": "0", "size": str(size)} | params)


def taken(document: Any, request: Request | None = None, night: dt.date | None = NIGHT, **more: Any) -> Snapshot:
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    headers = more.pop("headers", {"Content-Type": "application/json"})
    return Snapshot(request or file_request(), more.pop("status", 200), headers, body, night=night)


def kept(snapshot: Snapshot) -> Snapshot:
    return Snapshot(
        snapshot.request, 200, snapshot.headers, CONNECTOR.redact(snapshot).body, snapshot.url, snapshot.night
    )


def read(document: Any, request: Request | None = None, night: dt.date | None = NIGHT) -> Reading:
    return CONNECTOR.read(kept(taken(document, request, night)))


def figures(reading: Reading, unit: str = "H00.05") -> dict[str, Decimal | None]:
    found = {item.metric: item.value for item in reading.observations if item.unit == unit}
    assert len(found) == sum(item.unit == unit for item in reading.observations)
    return found


def refused(snapshot: Snapshot) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.redact(snapshot)
    return caught.value


def site(**changes: Any) -> Site:
    return Site.model_validate(
        {"name": "mot-cua", "connector": "one_stop", "base_url": "https://motcua.example", "province": "H00"} | changes
    )


def drive(entry: Mapping[str, Any], window: Period, token: str = TOKEN) -> list[Snapshot]:
    """Run a plan against the twin, or against the folder that the twin wrote; what failed is None to the plan."""
    where = Site.model_validate({**entry, "windows": ["year"]})
    plan, answers, answer = CONNECTOR.plan(where, window), [], None
    folder = Path(unquote(urlsplit(where.base_url).path))
    while True:
        try:
            request = plan.send(answer)
        except StopIteration:
            return answers
        if request.kind == "file":
            names = [{"name": path.name, "bytes": 0, "sha256": ""} for path in sorted(folder.glob("*"))]
            body = (folder / request.path).read_bytes() if request.path else json.dumps({"files": names}).encode()
            answer = Snapshot(request, 200, {}, body, night=NIGHT)
        else:
            headers = {"authorization": f"Bearer {token}"}
            said = TWIN.answer(TwinRequest(request.method, request.path.strip("/"), request.params, headers, b""))
            answer = Snapshot(request, said.status, {"Content-Type": said.content_type}, said.body, night=NIGHT)
        answers.append(answer)


# --- recorded cases ---


@pytest.mark.parametrize("case", sorted(path.name for path in RECORDED.iterdir() if path.is_dir()))
def test_recorded_case(case: str) -> None:
    asked = json.loads((RECORDED / case / "request.json").read_text(encoding="utf-8"))
    body = next((RECORDED / case).glob("body.*")).read_bytes()
    request = Request(asked["method"], asked["path"], params=asked["params"], kind=asked["kind"])
    night = dt.date.fromisoformat(asked["night"])
    reading = CONNECTOR.read(kept(Snapshot(request, asked["status"], asked["headers"], body, night=night)))
    names = ("metric", "unit", "state", "value", "numerator", "denominator", "locator")
    got = [
        dict.fromkeys(names)
        | {"metric": item.metric, "unit": item.unit_code or item.unit, "state": item.state.value}
        | {"value": None if item.value is None else str(item.value), "locator": item.locator}
        | {"numerator": None if item.numerator is None else str(item.numerator)}
        | {"denominator": None if item.denominator is None else str(item.denominator)}
        for item in reading.observations
    ]
    assert got == json.loads((RECORDED / case / "expected.json").read_text(encoding="utf-8"))


# --- the redaction ---


# fmt: off
PERSONAL = [
    "ChuHoSo", "SoGiayToChuHoSo", "SoDienThoai", "Email", "Fax", "DiaChi", "MaDoiTuong", "ThongTinKhac",
    "TrichYeuHoSo", "NoiNopHoSo", "GhiChu",
]
# fmt: on


def test_redaction_keeps_no_personal_content_anywhere_and_names_what_went() -> None:
    record = dossier(
        "H00-0001",
        **dict.fromkeys(PERSONAL, PERSON),
        DinhDanhCHS=[{"SoDinhDanh": PERSON}],
        TaiLieuNop=[{"DuocSoHoa": "1", "DuongDanTaiTepTin": PERSON, "TenTepDinhKem": PERSON}],
        DanhSachHoSoBoSung=[{"NgayBoSung": "20260902", "NoiDungBoSung": PERSON, "NguoiYeuCauBoSung": PERSON}],
        DanhSachGiayToKetQua=[{"MaGiayToKetQua": PERSON, "DuongDanTepTinKetQua": PERSON}],
        DSKetNoiCSDL=[{"MaCSDL": PERSON}],
        CotMoi=PERSON,
        **{PERSON: PERSON},
    )
    step = {"MaHoSo": "H00-0001", "NguoiXuLy": PERSON, "ChucDanh": PERSON, "ThoiDiemXuLy": "20260908"}
    document = [batch(record, session=PERSON), batch(step, service="CapNhatTienDoHoSoMC")]
    redacted = CONNECTOR.redact(taken(document))
    assert isinstance(CONNECTOR, Redacts)
    assert PERSON.encode() not in redacted.body
    assert b"H00-0001" not in redacted.body
    assert set(redacted.removed) >= {
        *PERSONAL,
        "DinhDanhCHS",
        "MaHoSo",
        "NguoiXuLy",
        "session",
        "CotMoi",
        "(tên cột lạ)",
        "TaiLieuNop.DuongDanTaiTepTin",
        "DanhSachHoSoBoSung.NoiDungBoSung",
        "DanhSachGiayToKetQua.DuongDanTepTinKetQua",
    }
    assert list(redacted.removed) == sorted(redacted.removed)
    assert PERSON not in " ".join(redacted.removed)
    reading = CONNECTOR.read(taken(redacted.body))
    assert [text for text in reading.warnings if "trường mới" in text] == [
        "trường mới «(tên cột lạ)» (không lưu)",
        "trường mới «CotMoi» (không lưu)",
    ]
    assert PERSON not in repr(reading)


@pytest.mark.parametrize("column", sorted(set(COLUMNS["DongBoHoSoMC"]) - {"MaHoSo", "DonViXuLy"}))
def test_a_name_in_a_harmless_column_is_not_kept_either(column: str) -> None:
    redacted = CONNECTOR.redact(taken(batch(dossier("1", **{column: PERSON}))))
    assert PERSON.encode() not in redacted.body
    assert column in redacted.removed


def test_a_value_without_the_shape_of_its_column_puts_the_record_aside_and_is_never_a_default() -> None:
    reading = read(batch(dossier("1"), dossier("2", KenhThucHien=PERSON), dossier("3", DonViXuLy=["x"])))
    assert figures(reading)["dossiers_received"] == 1
    assert [item.locator for item in reading.quarantined] == ["/batches/0/data/1", "/batches/0/data/2"]


def test_redaction_of_the_kept_form_changes_nothing() -> None:
    first = CONNECTOR.redact(taken([batch(dossier("b"), dossier("a", CotMoi=1)), batch(dossier("b"), updating=True)]))
    again = CONNECTOR.redact(taken(first.body))
    assert again.body == first.body


def test_dossier_numbers_become_running_numbers_that_tell_only_which_records_belong_together() -> None:
    redacted = json.loads(CONNECTOR.redact(taken([batch(dossier("x9"), dossier("x1")), batch(dossier("x9"))])).body)
    assert [[record["MaHoSo"] for record in part["data"]] for part in redacted["batches"]] == [[1, 2], [1]]


def test_kept_bytes_change_only_when_another_deadline_passes() -> None:
    document = batch(dossier("1", NgayKetThucXuLy=None, NgayHenTra="20261010"), dossier("2"))
    bodies = {day: CONNECTOR.redact(taken(document, night=dt.date(2026, 10, day))).body for day in (8, 9, 10, 11, 25)}
    assert bodies[8] == bodies[9] != bodies[10] == bodies[11] == bodies[25]


def test_an_older_state_leaves_no_mark_of_the_night() -> None:
    open_first = [batch(dossier("1", NgayKetThucXuLy="")), batch(dossier("1"), updating=True)]
    assert json.loads(CONNECTOR.redact(taken(open_first)).body)["redaction"]["due_passed"] is None


def test_raw_bytes_read_the_same_as_kept_ones() -> None:
    raw = taken(batch(dossier("1"), dossier("2", KenhThucHien=None)))
    assert CONNECTOR.read(raw) == CONNECTOR.read(kept(raw))


# --- rules of one record ---


@pytest.mark.parametrize(
    ("changes", "metric", "counted"),
    [
        ({"KenhThucHien": "2"}, "dossiers_received_online", 1),
        ({"KenhThucHien": 2}, "dossiers_received_online", 1),
        ({"KenhThucHien": "1"}, "dossiers_received_direct", 1),
        ({"KenhThucHien": None}, "dossiers_received_direct", 1),
        ({"KenhThucHien": ""}, "dossiers_received_direct", 1),
        ({"KenhThucHien": "3"}, "dossiers_received_postal", 1),
        ({"KenhThucHien": "3"}, "dossiers_received_direct", 0),
        # End by priority: finished, then returned, then refused.
        ({"NgayTra": "20261001"}, "dossiers_on_time", 1),
        ({"NgayKetThucXuLy": "", "NgayTra": "20260911"}, "dossiers_overdue", 1),
        ({"NgayKetThucXuLy": "", "NgayTuChoi": "20260905", "NgayTra": ""}, "dossiers_on_time", 1),
        ({"NgayKetThucXuLy": "", "NgayTuChoi": "20260905", "NgayTra": ""}, "dossiers_completed", 1),
        ({"NgayKetThucXuLy": "20260910170000"}, "dossiers_on_time", 1),
        ({"NgayKetThucXuLy": "20260910170001"}, "dossiers_overdue", 1),
        ({"NgayKetThucXuLy": "20260910235900", "NgayHenTra": "20260910"}, "dossiers_on_time", 1),
        ({"NgayKetThucXuLy": "20260910235900", "NgayHenTra": "20260910000000"}, "dossiers_on_time", 1),
        # Not ended: by the night.
        ({"NgayKetThucXuLy": ""}, "dossiers_overdue", 1),
        ({"NgayKetThucXuLy": ""}, "dossiers_completed", 0),
        ({"NgayKetThucXuLy": "", "NgayHenTra": "20261016"}, "dossiers_on_time", 1),
        ({"NgayKetThucXuLy": "", "NgayHenTra": "20261015"}, "dossiers_overdue", 1),
        ({"NgayHenTra": None}, "dossiers_without_due_date", 1),
        ({"NgayHenTra": None}, "dossiers_on_time", 0),
        ({"NgayHenTra": None}, "dossiers_overdue", 0),
        # Three days' wait for a supplement move the deadline from the 10th to the 13th; a second request is late.
        (
            {
                "NgayKetThucXuLy": "20260913",
                "DanhSachHoSoBoSung": [{"NgayBoSung": "20260902", "NgayTiepNhanBoSung": "20260905"}],
            },
            "dossiers_on_time",
            1,
        ),
        (
            {
                "NgayKetThucXuLy": "20260914",
                "DanhSachHoSoBoSung": [{"NgayBoSung": "20260902", "NgayTiepNhanBoSung": "20260905"}],
            },
            "dossiers_overdue",
            1,
        ),
        ({"NgayKetThucXuLy": "", "DanhSachHoSoBoSung": [{"NgayBoSung": "20260902"}]}, "dossiers_on_time", 1),
        (
            {"DanhSachHoSoBoSung": [{"NgayBoSung": "20260902", "NgayTiepNhanBoSung": "20260902"}] * 2},
            "dossiers_overdue",
            1,
        ),
        ({"DanhSachLePhi": [{"Gia": "20.000"}]}, "dossiers_with_fee_obligation", 1),
        ({"DanhSachLePhi": [{"Gia": 0}]}, "dossiers_with_fee_obligation", 0),
        ({"DanhSachLePhi": [{"Gia": "5"}], "DuocThanhToanTrucTuyen": "1"}, "dossiers_paid_online", 1),
        ({"DanhSachLePhi": [{"Gia": "5"}], "DuocThanhToanTrucTuyen": 2}, "dossiers_paid_online", 1),
        ({"DanhSachLePhi": [{"Gia": "5"}], "DuocThanhToanTrucTuyen": None}, "dossiers_paid_online", 0),
        ({"DuocThanhToanTrucTuyen": "1"}, "dossiers_paid_online", 0),
        ({"HoSoCoThanhPhanSoHoa": "1"}, "dossiers_digitised", 1),
        ({"TaiLieuNop": [{"DuocSoHoa": "0"}, {"DuocSoHoa": "1"}]}, "dossiers_digitised", 1),
        ({"TaiLieuNop": [{"DuocTaiSuDung": "1"}]}, "dossiers_digitised", 0),
        ({"TaiLieuNop": [{"DuocLayTuKhoDMQG": True}]}, "dossiers_reusing_data", 1),
        ({"TaiKhoanDuocXacThucVoiVNeID": "1"}, "dossiers_using_population_data", 1),
        ({"DSKetNoiCSDL": [{"MaCSDL": "CSDLDC"}]}, "dossiers_using_population_data", 1),
        ({"DSKetNoiCSDL": [{"MaCSDL": ""}]}, "dossiers_using_population_data", 0),
        (
            {"DanhSachGiayToKetQua": [{"MaGiayToKetQua": "K", "DuongDanTepTinKetQua": "u"}]},
            "dossiers_online_with_result",
            1,
        ),
        (
            {"DanhSachGiayToKetQua": [{"MaGiayToKetQua": "K", "DuongDanTepTinKetQua": ""}]},
            "dossiers_online_with_result",
            0,
        ),
        (
            {"DanhSachGiayToKetQua": [{"MaGiayToKetQua": " ", "DuongDanTepTinKetQua": "u"}]},
            "dossiers_with_electronic_result",
            0,
        ),
        ({"MucDo": "4"}, "dossiers_of_full_services", 1),
        ({"MucDo": 3}, "dossiers_of_partial_services", 1),
        ({"MucDo": "2"}, "dossiers_of_partial_services", 0),
    ],
)
def test_what_a_dossier_counts_for(changes: Json, metric: str, counted: int) -> None:
    reading = read(batch(dossier("1", **changes)))
    assert reading.quarantined == ()
    assert figures(reading)[metric] == counted


def test_a_dossier_that_waits_for_a_supplement_is_not_late_beside_one_that_is() -> None:
    waiting = dossier("1", NgayKetThucXuLy="", DanhSachHoSoBoSung=[{"NgayBoSung": "20260902"}])
    late = dossier("2", NgayKetThucXuLy="", NgayHenTra="20260912")
    got = figures(read(batch(waiting, late)))
    assert (got["dossiers_on_time"], got["dossiers_overdue"]) == (1, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"KenhThucHien": "4"},
        {"DuocThanhToanTrucTuyen": "3"},
        {"HoSoCoThanhPhanSoHoa": "2"},
        {"MucDo": "5"},
        {"NgayTiepNhan": None},
        {"NgayTiepNhan": "hôm qua"},
        {"NgayTiepNhan": "20261001"},
        {"NgayTiepNhan": "20260831"},
        {"NgayKetThucXuLy": "20260831"},
        {"DonViXuLy": ""},
        {"MaHoSo": ""},
        {"DanhSachLePhi": [{"Gia": "-1"}]},
        {"TaiLieuNop": "1"},
        {"DanhSachHoSoBoSung": [{"NgayBoSung": "20260905", "NgayTiepNhanBoSung": "20260902"}]},
    ],
)
def test_a_record_that_cannot_be_trusted_is_put_aside_with_its_place(changes: Json) -> None:
    reading = read(batch(dossier("1"), dossier("2", **changes)))
    assert [item.locator for item in reading.quarantined] == ["/batches/0/data/1"]
    assert figures(reading)["dossiers_received"] == 1


@pytest.mark.parametrize(
    ("column", "unknown", "known"),
    [
        ("KenhThucHien", {"dossiers_received_direct", "dossiers_received_all_channels"}, {"dossiers_received"}),
        ("NgayHenTra", {"dossiers_on_time", "dossiers_overdue", "dossiers_without_due_date"}, {"dossiers_completed"}),
        ("DanhSachLePhi", {"dossiers_with_fee_obligation"}, {"dossiers_digitised"}),
        ("DanhSachGiayToKetQua", {"dossiers_with_electronic_result"}, {"dossiers_received_online"}),
        ("TaiLieuNop", {"dossiers_reusing_data"}, {"dossiers_digitised"}),
    ],
)
def test_a_column_that_is_not_there_is_not_a_zero(column: str, unknown: set[str], known: set[str]) -> None:
    reading = read(batch(dossier("1", HoSoCoThanhPhanSoHoa="1"), without(dossier("2", DonViXuLy="H00.06"), column)))
    states = {item.metric: item.state for item in reading.observations if item.unit == "H00.06"}
    assert {states[metric] for metric in unknown} == {InputState.MISSING}
    assert {states[metric] for metric in known} == {InputState.HARVESTED}
    assert {item.state for item in reading.observations if item.unit == "H00.05"} == {InputState.HARVESTED}
    assert any(f"1 hồ sơ không có cột «{column}»" in text for text in reading.warnings)


def test_without_any_column_for_the_end_nothing_is_said_about_time() -> None:
    reading = read(batch(without(dossier("1"), "NgayKetThucXuLy", "NgayTra", "NgayTuChoi")))
    assert figures(reading)["dossiers_completed"] is None
    assert figures(reading)["dossiers_on_time"] is None
    assert figures(reading)["dossiers_overdue"] is None


def test_service_levels_are_read_only_where_they_are_sent() -> None:
    assert "dossiers_of_full_services" not in figures(read(batch(dossier("1"))))
    reading = read(batch(dossier("1", MucDo="4"), dossier("2")))
    assert figures(reading)["dossiers_of_full_services"] is None  # one of the two does not say


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260901083000", "2026-09-01T08:30"),
        (20260901083000, "2026-09-01T08:30"),
        ("20260901", "2026-09-01T00:00"),
        ("2026-09-01", "2026-09-01T00:00"),
        ("2026-09-01T08:30:00+07:00", "2026-09-01T08:30"),
        ("2026-09-01T20:00:00Z", "2026-09-02T03:00"),
        ("01/09/2026 08:30:00", "2026-09-01T08:30"),
        ("01/09/2026", "2026-09-01T00:00"),
        (1788226200, "2026-09-01T08:30"),
        (1788226200000, "2026-09-01T08:30"),
    ],
)
def test_spellings_of_a_moment(text: str | int, expected: str) -> None:
    found = parse_moment(text)
    assert found is not None
    assert found.at == dt.datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["2026", "20260931", "31/02/2026", "1.5", True, "12345678901", "01/09/2026 1:2:3:4"])
def test_a_moment_that_nobody_knows_is_refused(text: Any) -> None:
    with pytest.raises(Suspect):
        parse_moment(text)


# --- documents ---


def test_an_updated_dossier_counts_once_in_its_newest_state() -> None:
    document = [
        batch(dossier("1", NgayKetThucXuLy=""), dossier("2"), dossier("3", DonViXuLy="H00.06")),
        batch(dossier("1"), dossier("3"), updating="true"),
    ]
    got = figures(read(document))
    assert (got["dossiers_received"], got["dossiers_completed"], got["dossiers_on_time"]) == (3, 3, 3)
    assert not figures(read(document), "H00.06")


def test_an_update_that_cannot_be_trusted_does_not_bring_the_old_state_back() -> None:
    reading = read([batch(dossier("1"), dossier("2")), batch(dossier("1", KenhThucHien="9"), updating=True)])
    assert figures(reading)["dossiers_received"] == 1
    assert [item.locator for item in reading.quarantined] == ["/batches/1/data/0"]


def test_a_repetition_outside_an_update_is_said() -> None:
    reading = read(batch(dossier("1"), dossier("1")))
    assert figures(reading)["dossiers_received"] == 1
    assert "1 hồ sơ lặp lại trong lô không phải lô cập nhật; tính bản sau cùng" in reading.warnings


def test_units_that_were_asked_for_and_do_not_appear_are_zero_others_are_not_there() -> None:
    reading = read(batch(dossier("1")), file_request(units="H00.05|Sở Văn hóa, Thể thao và Du lịch"))
    assert {item.unit for item in reading.observations} == {"H00.05", "Sở Văn hóa, Thể thao và Du lịch"}
    silent = figures(reading, "Sở Văn hóa, Thể thao và Du lịch")
    assert set(silent.values()) == {Decimal(0)}
    assert set(silent) == set(FILTERS)
    assert read(batch()).observations == ()


def test_units_are_known_by_code_in_either_spelling_and_names_are_left_to_the_registry() -> None:
    records = [dossier(unit, DonViXuLy=unit) for unit in ("H00.21.01", "000.00.05.H00", "Sở Y tế (hư cấu)")]
    codes = {item.unit_name: (item.unit, item.unit_code) for item in read(batch(*records)).observations}
    assert codes == {
        "H00.21.01": ("H00.21.01", "H00.21.01"),
        "000.00.05.H00": ("H00.05", "H00.05"),
        "Sở Y tế (hư cấu)": ("Sở Y tế (hư cấu)", None),
    }


def test_two_spellings_of_a_code_are_one_unit() -> None:
    records = batch(dossier("1"), dossier("2", DonViXuLy="000.00.05.H00"))
    assert figures(read(records, file_request(units="H00.05")))["dossiers_received"] == 2
    assert figures(read(records, file_request(units="000.00.05.H00")))["dossiers_received"] == 2


def test_locators_point_at_the_records_in_the_kept_bytes() -> None:
    snapshot = kept(taken([batch(dossier("1")), batch(service="CapNhatTienDoHoSoMC")]))
    at = {item.metric: item.locator for item in CONNECTOR.read(snapshot).observations}
    assert at["dossiers_received_online"] == "/batches/0/data"
    assert isinstance(json.loads(snapshot.body)["batches"][0]["data"], list)
    both = read([batch(dossier("1")), batch(dossier("2"))])
    assert {item.locator for item in both.observations} == {"/batches"}


def test_steps_are_counted_for_the_unit_of_their_dossier_and_once() -> None:
    def step(number: str, done: str, due: str | None) -> Json:
        return {"MaHoSo": number, "ThoiDiemXuLy": done, "TrangThai": "4", "NgayKetThucTheoQuyDinh": due}

    steps = [
        step("1", "20260903", "20260903"),
        step("1", "20260903", "20260903"),
        step("1", "20260905", "20260904"),
        step("2", "20260905", ""),
        step("9", "20260905", ""),
        step("1", "", ""),
    ]
    records = batch(dossier("1"), dossier("2", DonViXuLy="H00.06"))
    reading = read([records, batch(*steps, service="CapNhatTienDoHoSoMC")])
    names = ("dossier_steps", "dossier_steps_on_time", "dossier_steps_overdue")
    assert [figures(reading)[name] for name in names] == [2, 1, 1]
    assert [figures(reading, "H00.06")[name] for name in names] == [1, 0, 0]
    assert [item.locator for item in reading.quarantined] == ["/batches/1/data/4", "/batches/1/data/5"]
    assert "dossier_steps" not in figures(read(records))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", FailureKind.WRONG_SHAPE),
        (b'"text"', FailureKind.WRONG_SHAPE),
        (b"{}", FailureKind.WRONG_SHAPE),
        (b'{"service":"LayThuTuc","data":[]}', FailureKind.WRONG_SHAPE),
        (b'{"service":"DongBoHoSoMC","data":[1]}', FailureKind.WRONG_SHAPE),
        (b'{"service":"DongBoHoSoMC","data":null}', FailureKind.WRONG_SHAPE),
        (b'{"service":"DongBoHoSoMC","data":[],"data":[]}', FailureKind.WRONG_SHAPE),
        (b'{"service":"DongBoHoSoMC","data":[{"MaHoSo":"1"', FailureKind.TRUNCATED),
        (b"<html>", FailureKind.NOT_JSON),
        (b'{"error_code":-1,"message":"x"}', FailureKind.SOURCE_ERROR),
        (b'{"status":500,"error":"Internal Server Error"}', FailureKind.SOURCE_ERROR),
        (b"", FailureKind.NOT_JSON),
    ],
)
def test_what_is_no_document_is_a_failure_and_nothing_of_it_is_kept(body: bytes, kind: FailureKind) -> None:
    assert refused(taken(body)).kind is kind
    with pytest.raises(SourceFailure):
        CONNECTOR.read(taken(body))


@pytest.mark.parametrize(
    ("status", "content", "body", "kind", "retryable"),
    [
        (401, "application/json", b"{}", FailureKind.AUTH_FAILED, False),
        (403, "application/json", b"{}", FailureKind.AUTH_FAILED, False),
        (403, "text/html", b"<p>x", FailureKind.BLOCKED, False),
        (429, "application/json", b"{}", FailureKind.BLOCKED, False),
        (200, "text/html", b"<p>Request Rejected", FailureKind.BLOCKED, False),
        (404, "text/html", b"<p>x", FailureKind.HTTP_STATUS, False),
        (503, "text/html", b"<p>x", FailureKind.HTTP_STATUS, True),
    ],
)
def test_refusals_of_a_service(status: int, content: str, body: bytes, kind: FailureKind, retryable: bool) -> None:
    failure = refused(taken(body, rest_request(), status=status, headers={"content-type": content}))
    assert (failure.kind, failure.retryable) == (kind, retryable)


def test_no_failure_repeats_what_a_record_holds() -> None:
    for document in (batch(dossier("1"), service=PERSON), {"error_code": PERSON}, [PERSON], {"error": PERSON}):
        assert PERSON not in refused(taken(document)).message


@pytest.mark.parametrize(
    ("total", "size", "is_whole"),
    [(2, 100, True), ("2", 100, True), (3, 100, False), (None, 2, False), (None, 3, True)],
)
def test_a_page_that_is_not_the_whole_slice_is_refused(total: Any, size: int, is_whole: bool) -> None:
    document = batch(dossier("1"), dossier("2")) | ({} if total is None else {"total": total})
    if is_whole:
        assert figures(read(document, rest_request(size)))["dossiers_received"] == 2
    else:
        with pytest.raises(SourceFailure) as caught:
            read(document, rest_request(size))
        assert caught.value.kind is FailureKind.TRUNCATED


# --- periods and plans ---


def listing(*names: str) -> Snapshot:
    return taken(
        {"files": [{"name": name, "bytes": 1, "sha256": "0"} for name in names]}, Request("GET", "", kind="file")
    )


def test_the_name_of_a_file_says_its_period() -> None:
    def period(name: str) -> set[Period]:
        record = dossier("1", NgayTiepNhan="20260905", NgayKetThucXuLy="20260908")
        return {item.period for item in read(batch(record), file_request(name)).observations}

    assert period("so/DongBoHoSoMC-2026-09.json") == {SEPTEMBER}
    assert period("2026-09-05.json") == {Period(dt.date(2026, 9, 5), dt.date(2026, 9, 5))}
    for name in ("hoso.json", "2026-13.json", "2026-02-30.json", "x-2026-09.csv"):
        assert refused(taken(batch(), file_request(name))).kind is FailureKind.WRONG_SHAPE


def test_files_of_the_window_are_asked_for_oldest_first() -> None:
    plan = CONNECTOR.plan(site(base_url="file:///tha", options={"units": ["H00.05"]}), quarter(2026, 3))
    assert next(plan) == Request("GET", "", kind="file")
    answer = listing("a-2026-09.json", "a-2026-07-02.json", "a-2026-07-01.json", "a-2026-10.json", "ghi-chu.txt")
    asked = [plan.send(answer), *plan]
    assert [request.path for request in asked] == ["a-2026-07-01.json", "a-2026-07-02.json", "a-2026-09.json"]
    assert {request.params["donVi"] for request in asked} == {"H00.05"}
    assert CONNECTOR.read(answer).warnings == ("tệp «ghi-chu.txt» không theo tên …YYYY-MM[-DD].json: không đọc",)
    assert CONNECTOR.redact(answer).body == answer.body


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("a-2026-09.json", "b-2026-09.json"), FailureKind.WRONG_SHAPE),
        (("a-2026-09.json", "a-2026-09-30.json"), FailureKind.WRONG_SHAPE),
        (("ghi-chu.txt",), FailureKind.SOURCE_ERROR),
        ((), FailureKind.SOURCE_ERROR),
    ],
)
def test_a_folder_that_says_a_day_twice_or_nothing_is_a_failure(names: tuple[str, ...], kind: FailureKind) -> None:
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(listing(*names))
    assert caught.value.kind is kind
    plan = CONNECTOR.plan(site(base_url="file:///tha"), year(2026))
    next(plan)
    assert list_rest(plan, listing(*names)) == []


def list_rest(plan: Any, answer: Snapshot | None) -> list[Request]:
    try:
        return [plan.send(answer), *plan]
    except StopIteration:
        return []


def test_a_service_is_asked_slice_by_slice_and_never_about_days_to_come() -> None:
    options = {"path": "/ds", "units": ["H00.05", "H00.06"], "by_unit": True, "slice": "day"}
    plan = CONNECTOR.plan(site(options=options), month(2026, 10))
    first = next(plan)
    assert (first.path, first.params) == (
        "/ds",
        {
            "ngayTiepNhanFrom": "2026-10-01",
            "ngayTiepNhanTo": "2026-10-01",
            "page": "0",
            "size": "20000",
            "donVi": "H00.05",
        },
    )
    asked, request = [first], first
    while True:
        try:
            request = plan.send(taken(batch(total=0), request))
        except StopIteration:
            break
        asked.append(request)
    assert len(asked) == 15 * 2
    assert asked[-1].params["ngayTiepNhanFrom"] == "2026-10-15"


# --- the list of procedures ---

LIST = "DanhMucTTHC-2026-09-30.json"


def procedure(code: str, **changes: Any) -> Json:
    """A full-process service of the province's own that everything is true of."""
    return {
        "MaTTHC": code,
        "MucDo": "4",
        "DoBoNganhTrienKhai": "0",
        "TrangThaiPhiLePhi": True,
        "ThanhToanTrucTuyen": "1",
        "KetNoiPayGov": "1",
        "TrienKhaiBCCI": "1",
        "tiepNhanQuaMang": 3,
        "tiepNhanQuaBCCI": 0,
        "traKetQuaQuaBCCI": "2",
    } | changes


def procedures(*rows: Json, **changes: Any) -> Json:
    days = {"tuNgay": "20260101", "denNgay": "20260930"}
    return {"service": "DanhMucTTHC", "total": len(rows), **days, "data": list(rows)} | changes


def list_request(name: str = LIST) -> Request:
    return Request("GET", name, params={"tinh": "H00"}, kind="file")


def of_list(*rows: Json) -> Reading:
    return read(procedures(*rows), list_request())


def test_a_service_counts_once_however_many_dossiers_it_has_and_only_where_all_that_is_asked_holds() -> None:
    got = figures(of_list(procedure("1", tiepNhanQuaMang=400), procedure("2", tiepNhanQuaMang=0)), "H00")
    assert (got["services_full_process"], got["services_full_with_online_dossiers"]) == (2, 1)
    for change, lost in (
        ({"DoBoNganhTrienKhai": "1"}, "services_full_process services_full_with_online_dossiers procedures_authorised"),
        ({"MucDo": "2"}, "services_full_process services_full_with_online_dossiers services_payable_through_paygov"),
        ({"TrangThaiPhiLePhi": False}, "services_with_fee_payable_online services_payable_through_paygov"),
        ({"ThanhToanTrucTuyen": "0"}, "services_with_fee_payable_online services_payable_through_paygov"),
        ({"KetNoiPayGov": 0}, "services_payable_through_paygov"),
    ):
        got = figures(of_list(procedure("1", **change)), "H00")
        assert {got[metric] for metric in lost.split()} == {0}, change
    got = figures(of_list(procedure("1", MucDo="3")), "H00")
    assert [got[f"services_{name}"] for name in ("partial_online", "full_process")] == [1, 0]
    assert [got[f"services_{name}_with_online_dossiers"] for name in ("partial", "full")] == [1, 0]


def test_postal_use_is_a_percentage_of_what_is_offered_by_post() -> None:
    rows = [
        procedure("1"),
        procedure("2", tiepNhanQuaBCCI=5, traKetQuaQuaBCCI=0, DoBoNganhTrienKhai="1"),
        procedure("3", traKetQuaQuaBCCI=0),
        procedure("4", TrienKhaiBCCI="0"),
    ]
    (found,) = (item for item in of_list(*rows).observations if item.metric == "procedures_used_by_post")
    assert (found.value, found.numerator, found.denominator) == (Decimal("66.67"), 2, 3)
    unknown = procedure("5", TrienKhaiBCCI=None, traKetQuaQuaBCCI=0)
    for nothing in ([rows[3]], [rows[0], unknown]):
        (none,) = (item for item in of_list(*nothing).observations if item.metric == "procedures_used_by_post")
        assert (none.value, none.state) == (None, InputState.MISSING)


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"tiepNhanQuaMang": None}, {"services_full_with_online_dossiers"}),
        ({"KetNoiPayGov": ""}, {"services_payable_through_paygov"}),
        ({"traKetQuaQuaBCCI": None}, {"procedures_used_by_post"}),
        ({"TrienKhaiBCCI": None}, {"procedures_used_by_post"}),
    ],
)
def test_what_a_list_does_not_say_is_missing_and_not_zero(change: Json, missing: set[str]) -> None:
    (column,) = change
    for row in (procedure("1", **change), without(procedure("1"), column)):
        reading = of_list(row, procedure("2"))
        assert {item.metric for item in reading.observations if item.state is InputState.MISSING} == missing
        assert f"1 thủ tục không có «{column}»: không đếm được chỉ tiêu dựa trên cột này" in reading.warnings


def test_what_is_answered_otherwise_does_not_wait_for_a_column() -> None:
    """Received by post is enough, and a service without a fee is no candidate whatever PayGov says."""
    assert figures(of_list(procedure("1", tiepNhanQuaBCCI=1, traKetQuaQuaBCCI=None)), "H00")[
        "procedures_used_by_post"
    ] == Decimal("100.00")
    row = procedure("1", TrangThaiPhiLePhi=False, KetNoiPayGov=None)
    assert figures(of_list(row), "H00")["services_payable_through_paygov"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"MaTTHC": ""},
        {"MaTTHC": "1"},
        {"MucDo": "5"},
        {"DoBoNganhTrienKhai": "2"},
        {"tiepNhanQuaMang": -1},
        {"tiepNhanQuaMang": "1,5"},
        {"tiepNhanQuaBCCI": "0.5"},
    ],
)
def test_a_row_that_cannot_be_trusted_is_put_aside(change: Json) -> None:
    reading = of_list(procedure("1"), procedure("2", **change))
    assert [item.locator for item in reading.quarantined] == ["/batches/0/data/1"]
    assert figures(reading, "H00")["procedures_authorised"] == 1


@pytest.mark.parametrize(
    ("document", "name", "kind"),
    [
        (procedures(procedure("1"), total=2), LIST, FailureKind.TRUNCATED),
        (procedures(), LIST, FailureKind.SOURCE_ERROR),
        (procedures(procedure("1"), tuNgay="20260401"), LIST, FailureKind.WRONG_SHAPE),
        (procedures(procedure("1"), denNgay="20260929"), LIST, FailureKind.WRONG_SHAPE),
        (without(procedures(procedure("1")), "tuNgay"), LIST, FailureKind.WRONG_SHAPE),
        ([procedures(procedure("1")), batch()], LIST, FailureKind.WRONG_SHAPE),
        (procedures(procedure("1"), service="DongBoHoSoMC"), LIST, FailureKind.WRONG_SHAPE),
        (procedures(procedure("1")), FILE, FailureKind.WRONG_SHAPE),
        (procedures(procedure("1"), denNgay="20261016"), "DanhMucTTHC-2026-10-16.json", FailureKind.WRONG_SHAPE),
    ],
)
def test_a_list_that_is_not_whole_or_not_of_its_day_is_a_failure(document: Any, name: str, kind: FailureKind) -> None:
    with pytest.raises(SourceFailure) as caught:
        read(document, list_request(name))
    assert caught.value.kind is kind


def test_a_list_without_a_total_says_that_it_was_not_checked() -> None:
    reading = read(without(procedures(procedure("1")), "total"), list_request())
    assert "danh mục không có «total», không kiểm tra được có đủ thủ tục không" in reading.warnings


def test_the_newest_list_of_the_window_is_asked_for_after_the_records() -> None:
    lists = [f"DanhMucTTHC-2026-{day}.json" for day in ("06-30", "09-29", "09-30", "10-15")]
    for window, expected in ((quarter(2026, 3), lists[2]), (year(2026), lists[3])):
        plan = CONNECTOR.plan(site(base_url="file:///tha", options={"units": ["H00.05"]}), window)
        next(plan)
        asked = list_rest(plan, listing(*lists, "so-2026-09.json", "so-2026-10-15.json"))
        assert [item.path for item in asked if item.path.startswith("Danh")] == [expected]
        assert asked[-1] == Request("GET", expected, params={"tinh": "H00"}, kind="file")


def test_a_list_may_share_its_day_with_records_but_not_with_another_list() -> None:
    assert CONNECTOR.read(listing(LIST, "so-2026-09.json")).warnings == ()
    wrong = "tệp «DanhMucTTHC-2026-09.json» không theo tên DanhMucTTHC-YYYY-MM-DD.json: không đọc"
    assert CONNECTOR.read(listing(LIST, "DanhMucTTHC-2026-09.json")).warnings == (wrong,)
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(listing(LIST, "DanhMucTTHC-moi-2026-09-30.json"))
    assert caught.value.kind is FailureKind.WRONG_SHAPE


# --- options ---


@pytest.mark.parametrize(
    ("base_url", "options", "option"),
    [
        ("https://x.example", {}, "path"),
        ("https://x.example", {"path": "ds"}, "path"),
        ("https://x.example", {"path": "/ds?token=1"}, "path"),
        ("https://x.example", {"path": "/ds", "slice": "week"}, "slice"),
        ("https://x.example", {"path": "/ds", "slice": "day"}, "units"),
        ("https://x.example", {"path": "/ds", "by_unit": True}, "units"),
        ("https://x.example", {"path": "/ds", "by_unit": "yes", "units": ["a"]}, "by_unit"),
        ("https://x.example", {"path": "/ds", "page_size": 0}, "page_size"),
        ("https://x.example", {"path": "/ds", "page_size": True}, "page_size"),
        ("https://x.example", {"path": "/ds", "units": ["a", "a"]}, "units"),
        ("https://x.example", {"path": "/ds", "units": ["a|b"]}, "units"),
        ("https://x.example", {"path": "/ds", "token": "x"}, "token"),
        ("file:///tha", {"path": "/ds"}, "path"),
        ("file:///tha", {"units": []}, "units"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_the_first_request(
    base_url: str, options: Json, option: str
) -> None:
    with pytest.raises(ValueError, match=f"site mot-cua: option {option} "):
        next(CONNECTOR.plan(site(base_url=base_url, options=options), year(2026)))


# --- manifest and twin ---


def test_manifest_covers_what_is_read_and_its_invariants_hold_on_practice_data(tmp_path: Path) -> None:
    manifest = load_manifest("one_stop")
    metrics: set[str] = set()
    for entry in TWIN.sites("http://127.0.0.1:1/one_stop", tmp_path / "tha"):
        for answer in drive(entry, quarter(2026, 3)):
            metrics |= {item.metric for item in CONNECTOR.read(kept(answer)).observations}
    assert metrics == set(manifest.metrics)
    assert all(parse_requirement(text, set(manifest.metrics)) for text in manifest.invariants)


def test_twin_folder_gives_the_practice_figures(tmp_path: Path) -> None:
    dropped, _ = TWIN.sites("http://127.0.0.1:1/one_stop", tmp_path / "tha")
    answers = drive(dropped, quarter(2026, 3))
    assert [answer.request.path[-12:] for answer in answers[:4]] == ["", "2026-07.json", "2026-08.json", "2026-09.json"]
    names = {
        "dossiers_received": "received",
        "dossiers_received_online": "online",
        "dossiers_received_postal": "postal",
        "dossiers_on_time": "on_time",
        "dossiers_overdue": "overdue",
        "dossiers_completed": "completed",
        "dossiers_with_fee_obligation": "fee_obligation",
        "dossiers_paid_online": "paid_online",
    }
    for answer, number in zip(answers[1:4], (7, 8, 9), strict=True):
        snapshot = kept(answer)
        assert PERSON.encode() in answer.body
        assert PERSON.encode() not in snapshot.body
        reading = CONNECTOR.read(snapshot)
        assert (reading.quarantined, reading.warnings) == ((), ())
        for unit in DROPPED_UNITS:
            own, got = practice.month_counts(unit, (2026, number)), figures(reading, unit)
            assert {metric: got[metric] for metric in names} == {
                metric: getattr(own, name) for metric, name in names.items()
            }


def test_twin_service_gives_whole_slices_zeros_and_refuses_a_wrong_token(tmp_path: Path) -> None:
    _, listed = TWIN.sites("http://127.0.0.1:1/one_stop", tmp_path / "tha")
    unit = practice.PAUSED_UNIT
    months = [CONNECTOR.read(kept(answer)) for answer in drive(listed, year(2026))]
    assert len(months) == 10  # October is running, November has not come
    for number, reading in enumerate(months[:9], 1):
        assert figures(reading, unit)["dossiers_received"] == practice.month_counts(unit, (2026, number)).received
    assert [figures(reading, unit)["dossiers_received"] for reading in months[6:9]] == [0, 0, 0]
    capped = {**listed, "options": listed["options"] | {"page_size": 10}}
    with pytest.raises(SourceFailure) as caught:
        CONNECTOR.read(kept(drive(capped, month(2026, 1))[0]))
    assert caught.value.kind is FailureKind.TRUNCATED
    assert refused(drive(listed, month(2026, 1), token="wrong")[0]).kind is FailureKind.AUTH_FAILED
    wrong_days = TwinRequest("GET", "dong-bo-ho-so", {}, {"authorization": f"Bearer {TOKEN}"}, b"")
    assert refused(taken(TWIN.answer(wrong_days).body, rest_request())).kind is FailureKind.SOURCE_ERROR


def test_twin_writes_the_same_files_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        TWIN.sites("http://127.0.0.1:1/one_stop", tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) == 10


def test_twin_list_differs_from_the_portal_by_what_ministries_run_and_by_nothing_else(tmp_path: Path) -> None:
    dropped, _ = TWIN.sites("http://127.0.0.1:1/one_stop", tmp_path / "tha")
    (answer,) = [item for item in drive(dropped, year(2026)) if "DanhMucTTHC" in item.request.path]
    assert PERSON.encode() in answer.body
    assert PERSON.encode() not in kept(answer).body
    reading = CONNECTOR.read(kept(answer))
    assert (reading.quarantined, reading.warnings) == ((), ())
    assert {item.period for item in reading.observations} == {Period(dt.date(2026, 9, 30), dt.date(2026, 9, 30))}
    own, got = practice.profile("H00"), figures(reading, "H00")
    used = practice.counts("H00", practice.months_between((2026, 1), (2026, 9))).services_used
    # Of procedures 11, 64 and 120 ministries run one of each kind; only 11 has had online dossiers.
    assert (own.authority, own.partial, own.full, len(used)) == (158, 50, 58, 64)
    assert got["procedures_authorised"] == 158 - 3
    assert got["services_partial_online"] == 50 - 1
    assert got["services_full_process"] == 58 - 1
    with_dossiers = [got[f"services_{level}_with_online_dossiers"] for level in ("partial", "full")]
    assert with_dossiers == [30, 33]
    assert sum(with_dossiers) == 64 - len(used & {11, 64})
