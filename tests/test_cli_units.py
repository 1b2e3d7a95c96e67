"""`dti units …`: what it prints for programs and people, and what wrong arguments are told.

Not here: what the registry and the localities hold (`tests/units`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from small_installation import Dti, command_line, refused

UNITS = """
source: Đơn vị hư cấu
units:
  - {code: H00, name: tỉnh Thử (hư cấu), level: province, fictional: true}
  - {code: H00.01, name: Sở Mẫu (hư cấu), level: department, parent: H00, source_ids: {b: "2"}, fictional: true}
  - code: H00.02
    name: xã An Thử (hư cấu)
    level: commune
    parent: H00
    valid_to: 2024-06-30
    successors: [H00.04]
    fictional: true
  - code: H00.03
    name: xã Bình Thử (hư cấu)
    level: commune
    parent: H00
    valid_to: 2024-06-30
    successors: [H00.04]
    fictional: true
  - {code: H00.04, name: xã An Bình Thử (hư cấu), level: commune, parent: H00, valid_from: 2024-07-01, fictional: true}
"""
KEYS = {
    "code", "older_code", "name", "level", "parent", "valid_from", "valid_to", "successors", "statistics_code",
    "source_ids", "fictional",
}  # fmt: skip


@pytest.fixture
def dti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    """In an installation that adds one made-up province to the units of the project."""
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "thu.yaml").write_text(UNITS, encoding="utf-8")
    return command_line(tmp_path, monkeypatch, capsys)


def test_units_by_level_province_and_day(dti: Dti) -> None:
    def listed(*options: str) -> list[str]:
        rows = dti("units", "list", *options, "--json").data
        assert all(set(row) == KEYS for row in rows)
        return [row["code"] for row in rows]

    everything = listed()
    assert listed("--province", "H00") == ["H00", "H00.01", "H00.02", "H00.03", "H00.04"]
    # The older spelling names the same province.
    assert listed("--province", "000.00.00.H00", "--level", "commune") == ["H00.02", "H00.03", "H00.04"]
    assert listed("--province", "H00", "--level", "commune", "--on", "2024-06-30") == ["H00.02", "H00.03"]
    assert listed("--province", "H00", "--level", "commune", "--on", "2024-07-01") == ["H00.04"]
    provinces = listed("--level", "province")
    assert {"H00", "H44"} <= set(provinces)
    assert [code for code in everything if "." not in code] == provinces
    assert dti("units", "list", "--province", "H00", "--level", "commune", "--on", "2024-06-30").out.splitlines() == [
        "H00.02 xã An Thử (hư cấu) (đến hết 30/06/2024)",
        "H00.03 xã Bình Thử (hư cấu) (đến hết 30/06/2024)",
    ]


def test_the_real_localities(dti: Dti) -> None:
    provinces = dti("units", "localities", "--json").data
    assert len(provinces) == 34
    phu_tho = next(row for row in provinces if row["statistics_code"] == "25")
    assert (phu_tho["full_name"], phu_tho["valid_from"]) == ("tỉnh Phú Thọ", "2025-07-01")
    communes = dti("units", "localities", "--province", "25", "--json").data
    assert {row["province"] for row in communes} == {"25"}
    assert len(communes) == 148
    lines = dti("units", "localities", "--province", "25").out.splitlines()
    assert len(lines) == 148
    assert any("phường Việt Trì" in line for line in lines)


@pytest.mark.parametrize("code", ["H00.04", "000.00.04.H00"])
def test_one_unit_in_either_spelling(dti: Dti, code: str) -> None:
    data = dti("units", "show", code, "--json").data
    assert set(data) == KEYS | {"predecessors", "locality"}
    assert (data["code"], data["older_code"], data["predecessors"]) == ("H00.04", "000.00.04.H00", ["H00.02", "H00.03"])
    lines = dti("units", "show", code).out.splitlines()
    assert lines[0] == "xã An Bình Thử (hư cấu)"
    assert "Hình thành từ: H00.02, H00.03" in lines
    assert lines[-1] == "Đơn vị hư cấu"


def test_a_statistics_code_is_shown_as_today_and_before(dti: Dti) -> None:
    data = dti("units", "show", "25", "--json").data
    assert (data["unit"], data["today"]["full_name"]) == ("H44", "tỉnh Phú Thọ")
    assert [(row["name"], row["valid_to"]) for row in data["former"]] == [("Phú Thọ", "2025-06-30")]


def test_a_history_and_whether_two_years_compare(dti: Dti) -> None:
    data = dti("units", "history", "H00.04", "--compare", "2023,2024", "--json").data
    (event,) = data["events"]
    assert (event["comparable"], {member["code"] for member in data["members"]}) == (
        False,
        {"H00.02", "H00.03", "H00.04"},
    )
    assert (data["comparison"]["years"], data["comparison"]["comparable"]) == ([2023, 2024], False)
    assert data["comparison"]["reason"]
    data = dti("units", "history", "H00.04", "--compare", "2024, 2026", "--json").data
    assert (data["comparison"]["years"], data["comparison"]["comparable"]) == ([2024, 2026], True)
    assert dti("units", "history", "H00.04", "--json").data["comparison"] is None
    lines = dti("units", "history", "H44", "--compare", "2024,2026").out.splitlines()
    assert lines[0] == "UBND tỉnh Phú Thọ (H44)"
    assert lines[1].startswith("01/07/2025: sáp nhập: Hòa Bình (17), Phú Thọ (25), Vĩnh Phúc (26) → ")
    assert lines[-1].startswith("Số liệu năm 2024 và năm 2026: ")
    assert "không so sánh trực tiếp được" in lines[-1]


def test_a_name_gives_candidates_and_never_a_choice(dti: Dti) -> None:
    data = dti("units", "match", "an thu", "--json").data
    assert [row["code"] for row in data["units"]] == ["H00.02"]
    assert data["name"] == "an thu"
    data = dti("units", "match", "Việt Trì", "--json").data
    assert [row["code"] for row in data["units"]] == ["H44.100"]
    assert ("phường Việt Trì", "25", "exact") in {
        (row["full_name"], row["province"], row["match"]) for row in data["localities"]
    }
    lines = dti("units", "match", "Việt Trì").out.splitlines()
    assert lines[0] == "«Việt Trì» có thể là (chọn theo mã, không dùng tên làm khóa):"
    assert any(line.startswith("H44.100 ") and line.endswith("danh mục đơn vị") for line in lines)
    assert dti("units", "match", "Không Nơi Nào").out == "«Không Nơi Nào»: không tìm thấy đơn vị nào\n"


def test_nothing_waits_where_nothing_was_harvested(dti: Dti) -> None:
    assert dti("units", "match", "--json").data == []
    assert dti("units", "match", "--connector", "ckan", "--json").data == []
    assert "0 đơn vị của nguồn chờ xác nhận" in dti("units", "match").out
    words = ("--connector", "ckan", "--by", "A", "--reason", "b")
    told = refused(dti("units", "confirm", "so-mau", "H00.01", *words, "--json"))
    assert told.startswith("không có đơn vị «so-mau» nào chờ xác nhận ở ckan; xem dti units match")


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "--level", "tinh"), "--level is one of province, department, district, commune, not «tinh»\n"),
        (("list", "--on", "30/06/2024"), "«30/06/2024» is not a date; write it like 2026-10-15\n"),
        (("list", "--province", "H98"), "the registry knows no unit H98\n"),
        (("localities", "--province", "99"), "no province has the code '99' (two digits, as 25)\n"),
        (("show", "H98"), "the registry knows no unit H98\n"),
        (("show", "000.00.01.H98"), "the registry knows no unit H98.01 (given as 000.00.01.H98)\n"),
        (("show", "Sở Mẫu"), "'Sở Mẫu' is no identifier code: write H44"),
        (("show", "99"), "no locality has the code '99'"),
        (("history", "H98"), "the registry knows no unit H98\n"),
        (("history", "H00.04", "--compare", "2024"), "--compare takes two years, such as 2024,2026, not «2024»\n"),
        (("history", "H00.04", "--compare", "2024,nay"), "--compare takes two years"),
    ],
)
def test_a_wrong_argument_is_one_message_and_exit_2(
    dti: Dti, arguments: tuple[str, ...], says: str, more: tuple[str, ...]
) -> None:
    message = refused(dti("units", *arguments, *more))
    assert message == says if says.endswith("\n") else message.startswith(says)
    assert message.count("\n") == 1


def test_a_broken_unit_file_is_named_with_its_line(dti: Dti, tmp_path: Path) -> None:
    text = UNITS.replace("name: Sở Mẫu (hư cấu), level: department", "name: Sở Mẫu (hư cấu), level: so")
    (tmp_path / "units" / "thu.yaml").write_text(text, encoding="utf-8")
    told = refused(dti("units", "list", "--json"))
    assert told.startswith("thu.yaml:5: ")
    assert "H00.01, field units.1.level: " in told
    text = UNITS.replace("successors: [H00.04]", "successors: [H00.09]")
    (tmp_path / "units" / "thu.yaml").write_text(text, encoding="utf-8")
    assert refused(dti("units", "list")) == "units: unit H00.02: unknown successor H00.09\n"


def test_reading_units_stores_nothing(dti: Dti, tmp_path: Path) -> None:
    assert dti("units", "list", "--json").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["units"]
