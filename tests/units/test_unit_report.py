"""What readers and programs get of units: data that JSON can carry, and lines in Vietnamese."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from dti_pipeline.units import localities, report
from dti_pipeline.units.localities import FormerCommunesUnavailable, UnknownLocality
from dti_pipeline.units.registry import CodeError, Registry, Unit, UnknownUnit, load_registry


@pytest.fixture
def units() -> Registry:
    rows: list[dict[str, Any]] = [
        {"code": "H00", "name": "tỉnh Thử (hư cấu)", "level": "province"},
        {"code": "H00.01", "name": "Sở Mẫu (hư cấu)", "level": "department", "parent": "H00", "source_ids": {"b": "2"}},
        {
            "code": "H00.02",
            "name": "xã A (hư cấu)",
            "level": "commune",
            "parent": "H00",
            "valid_to": "2024-06-30",
            "successors": ["H00.04"],
        },
        {
            "code": "H00.03",
            "name": "xã B (hư cấu)",
            "level": "commune",
            "parent": "H00",
            "valid_to": "2024-06-30",
            "successors": ["H00.04"],
        },
        {"code": "H00.04", "name": "xã C (hư cấu)", "level": "commune", "parent": "H00", "valid_from": "2024-07-01"},
        {"code": "H01", "name": "tỉnh Khác (hư cấu)", "level": "province"},
    ]
    return Registry(units=tuple(Unit.model_validate({**row, "fictional": True}) for row in rows))


def codes(rows: list[dict[str, object]]) -> list[object]:
    return [row["code"] for row in rows]


def test_a_list_by_level_province_and_day(units: Registry) -> None:
    assert codes(report.list_units(units)) == ["H00", "H00.01", "H00.02", "H00.03", "H00.04", "H01"]
    assert codes(report.list_units(units, level="province")) == ["H00", "H01"]
    assert codes(report.list_units(units, province="000.00.00.H01")) == ["H01"]
    on_the_eve = report.list_units(units, level="commune", day=dt.date(2024, 6, 30))
    assert codes(on_the_eve) == ["H00.02", "H00.03"]
    assert report.list_lines(on_the_eve) == [
        "H00.02 xã A (hư cấu) (đến hết 30/06/2024)",
        "H00.03 xã B (hư cấu) (đến hết 30/06/2024)",
    ]
    assert codes(report.list_units(units, level="commune", day=dt.date(2024, 7, 1))) == ["H00.04"]
    with pytest.raises(UnknownUnit):
        report.list_units(units, province="H98")


def test_a_list_of_localities() -> None:
    assert len(report.list_localities()) == 34
    communes = report.list_localities("25")
    assert {row["province"] for row in communes} == {"25"}
    line = next(line for line in report.list_lines(communes) if line.startswith("08494"))
    assert line == "08494 xã Lâm Thao, tỉnh/thành phố 25 (từ 01/07/2025)"


def test_one_unit(units: Registry) -> None:
    data = report.show(units, "000.00.04.H00")
    assert json.loads(json.dumps(data)) == {
        "code": "H00.04",
        "older_code": "000.00.04.H00",
        "name": "xã C (hư cấu)",
        "level": "commune",
        "parent": "H00",
        "valid_from": "2024-07-01",
        "valid_to": None,
        "successors": [],
        "predecessors": ["H00.02", "H00.03"],
        "statistics_code": None,
        "locality": None,
        "source_ids": {},
        "fictional": True,
    }
    assert report.show_lines(data) == [
        "xã C (hư cấu)",
        "Mã định danh: H00.04 (cách viết cũ: 000.00.04.H00)",
        "Loại: cấp xã, trực thuộc H00",
        "Thời gian: từ 01/07/2024",
        "Hình thành từ: H00.02, H00.03",
        "Đơn vị hư cấu",
    ]
    assert "Đơn vị kế tục: H00.04" in report.show_lines(report.show(units, "H00.02"))
    assert "Mã ở nguồn b: 2" in report.show_lines(report.show(units, "H00.01"))


def test_a_statistics_code_shows_who_has_it_and_who_had_it() -> None:
    data = report.show(load_registry(), "82")
    assert data["today"]["full_name"] == "tỉnh Đồng Tháp"
    assert [row["full_name"] for row in data["former"]] == ["tỉnh Tiền Giang"]
    assert data["unit"] == "H20"
    assert report.show_lines(data) == [
        f"Mã thống kê 82 (danh mục {localities.data_version()})",
        "Nay: 82 tỉnh Đồng Tháp (từ 01/07/2025)",
        "Trước đây: 82 tỉnh Tiền Giang (đến hết 30/06/2025)",
        "Mã định danh: H20",
    ]
    gone = report.show_lines(report.show(load_registry(), "17"))
    assert gone[1:3] == ["Nay: không còn đơn vị nào mang mã này", "Trước đây: 17 tỉnh Hòa Bình (đến hết 30/06/2025)"]
    assert gone[3] == "Mã định danh: chưa có trong danh mục đơn vị"


def test_an_unknown_or_malformed_code_is_refused(units: Registry) -> None:
    for ask in (report.show, report.history):
        with pytest.raises(UnknownUnit, match=r"no unit H00\.99"):
            ask(units, "H00.99")
        with pytest.raises(CodeError, match="no identifier code"):
            ask(units, "xã C")
        with pytest.raises(CodeError, match="no identifier code"):
            ask(units, "123")
        with pytest.raises(UnknownLocality, match="'98'"):
            ask(units, "98")


def test_a_history_with_two_years(units: Registry) -> None:
    data = report.history(units, "H00.04", (2023, 2024))
    assert json.loads(json.dumps(data)) == data
    assert [(event["on"], event["kind"], event["comparable"]) for event in data["events"]] == [
        ("2024-07-01", "merger", False)
    ]
    assert [member["code"] for member in data["members"]] == ["H00.02", "H00.03", "H00.04"]
    assert data["members"][0] == {
        "code": "H00.02",
        "scheme": "identifier",
        "name": "xã A (hư cấu)",
        "valid_from": None,
        "valid_to": "2024-06-30",
    }
    assert data["comparison"]["comparable"] is False
    merger = "01/07/2024: sáp nhập: xã A (hư cấu) (H00.02), xã B (hư cấu) (H00.03) → xã C (hư cấu) (H00.04)"
    missing = "ngày 31/12/2023 chưa có xã C (hư cấu) (H00.04), có từ 01/07/2024"
    assert report.history_lines(data) == [
        "xã C (hư cấu) (H00.04)",
        f"{merger} (trước và sau không so sánh trực tiếp được)",
        f"Số liệu năm 2023 và năm 2024: không so sánh trực tiếp được: {missing}; {merger}",
    ]
    after = report.history(units, "H00.04", (2024, 2025))["comparison"]
    assert (after["comparable"], after["reason"], after["events"]) == (True, None, [])
    assert report.history(units, "H00.04")["comparison"] is None


def test_a_unit_that_nothing_happened_to(units: Registry) -> None:
    assert report.history_lines(report.history(units, "H01", (2020, 2026))) == [
        "tỉnh Khác (hư cấu) (H01)",
        "Không có dữ liệu về sáp nhập, chia tách hoặc đổi tên",
        "Số liệu năm 2020 và năm 2026: so sánh trực tiếp được",
    ]


def test_the_history_of_a_former_province() -> None:
    data = report.history(load_registry(), "26", (2024, 2025))
    assert data["name"] == "Vĩnh Phúc"
    assert data["comparison"]["comparable"] is False
    assert {member["scheme"] for member in data["members"]} == {"statistics"}
    hue = report.history_lines(report.history(load_registry(), "46", (2023, 2026)))
    assert hue[1] == "01/01/2025: đổi tên: Thừa Thiên Huế (46) → Huế (46) (trước và sau so sánh trực tiếp được)"
    assert hue[-1] == "Số liệu năm 2023 và năm 2026: so sánh trực tiếp được"


def test_a_department_is_compared_with_its_province_in_mind() -> None:
    data = report.history(load_registry(), "H44.07", (2024, 2025))
    assert data["events"] == []
    assert data["comparison"]["comparable"] is False
    assert "Vĩnh Phúc" in data["comparison"]["words"]


@pytest.mark.skipif(localities.has_former_communes(), reason="the installed package has former communes")
def test_what_the_package_does_not_know_is_said(units: Registry) -> None:
    with pytest.raises(FormerCommunesUnavailable, match="no communes from before"):
        report.history(units, "08494")
    with pytest.raises(UnknownLocality, match=r"'00001'.*communes before 01/07/2025 are not in"):
        report.show(units, "00001")


def test_a_name_gives_candidates_of_both_kinds() -> None:
    data = report.match_name(load_registry(), "UBND xã Lâm Thao - Tỉnh Phú Thọ", with_former=False)
    assert codes(data["units"]) == ["H44.106"]
    assert [(row["statistics_code"], row["match"]) for row in data["localities"]] == [("08494", "exact")]
    assert report.match_lines(data) == [
        "«UBND xã Lâm Thao - Tỉnh Phú Thọ» có thể là (chọn theo mã, không dùng tên làm khóa):",
        "H44.106 xã Lâm Thao (từ 01/07/2025) – danh mục đơn vị",
        "08494 xã Lâm Thao, tỉnh/thành phố 25 (từ 01/07/2025) – địa phương, trùng tên",
    ]
    assert json.loads(json.dumps(data)) == data


def test_a_department_is_found_by_part_of_its_name(units: Registry) -> None:
    assert codes(report.match_name(units, "so mau")["units"]) == ["H00.01"]
    assert codes(report.match_name(units, "o ma")["units"]) == []


def test_a_province_limits_units_too() -> None:
    units = load_registry()
    assert codes(report.match_name(units, "Lâm Thao - Bắc Ninh")["units"]) == []
    assert codes(report.match_name(units, "lam thao", province="24")["units"]) == []
    assert codes(report.match_name(units, "lam thao", province="25")["units"]) == ["H44.106"]
    assert codes(report.match_name(units, "Sở Công Thương - Vĩnh Phúc")["units"]) == ["H44.07"]


def test_a_name_that_means_nothing(units: Registry) -> None:
    for name in ("", "không có nơi này"):
        data = report.match_name(units, name)
        assert (data["units"], data["localities"]) == ([], [])
        assert report.match_lines(data) == [f"«{name}»: không tìm thấy đơn vị nào"]
