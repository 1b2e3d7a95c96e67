"""Real localities: the counts that the law names, succession of provinces and communes, search by name."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.text import nfc
from dti_pipeline.units import localities
from dti_pipeline.units.localities import FormerCommunesUnavailable, UnknownLocality
from dti_pipeline.units.registry import load_registry


def names(found: tuple[localities.Locality, ...]) -> list[str]:
    return [item.full_name for item in found]


def forget() -> None:
    for part in vars(localities).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()


# --- what exists ---


def test_34_provinces_and_3321_communes() -> None:
    assert len(localities.provinces()) == 34
    assert len(localities.communes()) == 3321
    # 2,621 xã, 687 phường and 13 đặc khu since 01/07/2025.
    assert Counter(item.kind for item in localities.communes()) == {"xã": 2621, "phường": 687, "đặc khu": 13}
    assert sum(len(localities.communes(item.code)) for item in localities.provinces()) == 3321


def test_codes_are_unique_and_names_are_bare_and_composed() -> None:
    everything = (*localities.provinces(), *localities.communes())
    assert len({item.code for item in everything}) == 34 + 3321
    assert {len(item.code) for item in localities.provinces()} == {2}
    assert {len(item.code) for item in localities.communes()} == {5}
    for item in everything:
        assert item.name == nfc(item.name).strip()
        assert not item.name.lower().startswith(("tỉnh ", "thành phố ", "xã ", "phường ", "đặc khu "))
        assert item.name[0].isupper() or item.name[0].isdigit()  # phường 1 Bảo Lộc


def test_one_locality() -> None:
    found = localities.find("08494")
    assert found is not None
    assert (found.full_name, found.level, found.province) == ("xã Lâm Thao", "commune", "25")
    assert found.valid_from == dt.date(2025, 7, 1)
    hue = localities.find("46")
    assert hue is not None
    assert (hue.full_name, hue.level, hue.province) == ("thành phố Huế", "province", None)
    assert localities.find("17") is None
    assert localities.find("8494") is None


def test_an_unknown_province_is_refused() -> None:
    for code in ("17", "99", "Phú Thọ", ""):
        with pytest.raises(UnknownLocality, match="no province has the code"):
            localities.communes(code)
    with pytest.raises(UnknownLocality, match="no locality has the code '17'"):
        localities.history("17")


def test_the_package_is_not_read_before_it_is_needed() -> None:
    code = (
        "import sys; from dti_pipeline.units import localities, report, registry; registry.load_registry();"
        "sys.exit('vietnam_provinces' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_statistics_codes_of_the_registry_name_the_same_localities() -> None:
    checked = 0
    for unit in load_registry():
        if unit.statistics_code is None:
            continue
        found = localities.find(unit.statistics_code)
        assert found is not None
        assert found.level == unit.level
        assert unit.name.endswith(f" {found.name}")
        checked += 1
    assert checked == 15


def test_codes_of_a_draft_are_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import vietnam_provinces

    monkeypatch.setattr(vietnam_provinces, "__data_version__", "2025-10-18")
    monkeypatch.setattr(vietnam_provinces, "__version__", "2025.10.1")
    assert localities.data_version() == "2025.10.1 (2025-10-18; mã cấp xã theo dự thảo)"
    monkeypatch.setattr(vietnam_provinces, "__version__", "2026.1.0")
    assert localities.data_version() == "2026.1.0 (2025-10-18)"


# --- what was before ---


def test_63_provinces_became_34() -> None:
    eve = dt.date(2025, 6, 30)
    before = [item for item in localities.former_provinces() if item.valid_to == eve]
    assert len(before) == 63
    after = [localities.successors(item) for item in before]
    assert all(len(item) == 1 for item in after)
    assert {item[0] for item in after} == set(localities.provinces())
    # The law's own counts: 11 stayed as they were, 52 became 23, so 17 of two and 6 of three.
    sizes = Counter(len(localities.predecessors(item.code)) for item in localities.provinces())
    assert sizes == {1: 11, 2: 17, 3: 6}
    kept = {item.name for item in localities.provinces() if len(localities.predecessors(item.code)) == 1}
    assert kept == {
        "Cao Bằng",
        "Điện Biên",
        "Hà Nội",
        "Hà Tĩnh",
        "Huế",
        "Lai Châu",
        "Lạng Sơn",
        "Nghệ An",
        "Quảng Ninh",
        "Sơn La",
        "Thanh Hóa",
    }


@pytest.mark.parametrize(
    ("name", "became"),
    [
        ("Bà Rịa - Vũng Tàu", "thành phố Hồ Chí Minh"),
        ("Ninh Thuận", "tỉnh Khánh Hòa"),
        ("Vĩnh Phúc", "tỉnh Phú Thọ"),
        ("Hòa Bình", "tỉnh Phú Thọ"),
        ("Phú Thọ", "tỉnh Phú Thọ"),
        ("Long An", "tỉnh Tây Ninh"),
        ("Tiền Giang", "tỉnh Đồng Tháp"),
        ("Thừa Thiên Huế", "thành phố Huế"),
    ],
)
def test_what_a_province_became(name: str, became: str) -> None:
    (item,) = (item for item in localities.former_provinces() if item.name == name)
    assert names(localities.successors(item)) == [became]


def test_bac_giang_became_bac_ninh_and_left_it_its_code() -> None:
    assert names(localities.predecessors("24")) == ["tỉnh Bắc Giang", "tỉnh Bắc Ninh"]
    assert names(localities.former("24")) == ["tỉnh Bắc Giang"]
    bac_ninh = localities.find("24")
    assert bac_ninh is not None
    assert bac_ninh.name == "Bắc Ninh"


def test_hue_was_renamed_and_compares_through_both_changes() -> None:
    history = localities.history("46")
    assert [(event.on.isoformat(), event.kind) for event in history.events] == [
        ("2025-01-01", "rename"),
        ("2025-07-01", "continued"),
    ]
    assert history.compare_years(2022, 2026).comparable
    assert names(localities.former("46")) == ["tỉnh Thừa Thiên Huế", "thành phố Huế"]


def test_a_merged_province_does_not_compare_with_the_one_of_its_name() -> None:
    compared = localities.history("25").compare_years(2024, 2025)
    assert compared.words == (
        "không so sánh trực tiếp được: ngày 31/12/2024 chưa có Phú Thọ (25), có từ 01/07/2025; "
        "01/07/2025: sáp nhập: Hòa Bình (17), Phú Thọ (25), Vĩnh Phúc (26) → Phú Thọ (25)"
    )
    assert localities.history("25").compare_years(2025, 2026).comparable
    (before,) = localities.former("25")
    assert localities.history(before).compare_years(2022, 2024).comparable
    assert not localities.history(before).compare_years(2024, 2025).comparable


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing remembered from before, and nothing left behind."""
    forget()
    yield
    forget()


def test_a_former_province_must_lead_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    text = localities.FORMER_PROVINCES.read_text(encoding="utf-8")
    wrong = tmp_path / "provinces.yaml"
    monkeypatch.setattr(localities, "FORMER_PROVINCES", wrong)
    row = '"Hòa Bình", kind: tỉnh, valid_to: 2025-06-30, successor: "25"'
    assert row in text
    wrong.write_text(text.replace(row, row.replace('"25"', '"17"')), encoding="utf-8")
    with pytest.raises(UnknownLocality, match=r"Hòa Bình \(17\): no province begins on 2025-07-01 under 17"):
        localities.predecessors("25")
    forget()
    wrong.write_text(text.replace(row, row.replace('"25"', "25")), encoding="utf-8")
    with pytest.raises(DataFileError, match=r"provinces\.yaml:\d+: code 17, field provinces\.\d+\.successor"):
        localities.predecessors("25")


# --- former communes: a package that has them, and one that has not ---

PACKAGE = {
    "__init__.py": """
from enum import Enum
__version__, __data_version__ = "2026.0.0", "2026-01-01"
class Kind(Enum):
    TINH = "tỉnh"
    XA = "xã"
    PHUONG = "phường"
    THI_TRAN = "thị trấn"
class Item:
    def __init__(self, code, name, kind, province_code=None, sources=()):
        self.code, self.name, self.division_type = code, name, Kind(kind)
        self.province_code, self.sources = province_code, sources
    def get_legacy_sources(self):
        from . import legacy
        return tuple(item for item in legacy.Ward.iter_all() if item.code in self.sources)
class Province:
    @staticmethod
    def iter_all():
        return iter([Item(1, "Tỉnh Một", "tỉnh"), Item(2, "Hai", "tỉnh")])
class Ward:
    @staticmethod
    def iter_all():
        return iter([
            Item(4, "Phường Ba", "phường", 1, (4, 13)), Item(8, "Xã Tám", "xã", 1, (13,)),
            Item(20, "xã Hai Mươi", "xã", 2, (20,)), Item(30, "Xã Ba Mươi", "xã", 2),
        ])
""",
    "legacy.py": """
from . import Item
class Ward:
    @staticmethod
    def iter_all():
        return iter([
            Item(4, "Phường Bốn", "phường", 1), Item(13, "Xã Mười Ba", "xã", 1),
            Item(20, "Thị trấn Hai Mươi", "thị trấn", 3), Item(40, "Xã Bốn Mươi", "xã", 3),
        ])
""",
}


@pytest.fixture(params=["with", "without"])
def package(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """A small `vietnam_provinces` in place of the installed one, with its former communes or without them."""
    with_former = request.param == "with"
    folder = tmp_path / "vietnam_provinces"
    folder.mkdir()
    for name, text in PACKAGE.items():
        if with_former or name != "legacy.py":
            (folder / name).write_text(text, encoding="utf-8")
    for name in [name for name in sys.modules if name.split(".")[0] == "vietnam_provinces"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield with_former
    for name in [name for name in sys.modules if name.split(".")[0] == "vietnam_provinces"]:
        del sys.modules[name]
    forget()


def test_former_communes(package: bool) -> None:
    assert names(localities.communes("01")) == ["phường Ba", "xã Tám"]
    assert names(localities.provinces()) == ["tỉnh Một", "tỉnh Hai"]
    if not package:
        for ask in (
            localities.former_communes,
            lambda: localities.former("00004"),
            lambda: localities.predecessors("00004"),
            lambda: localities.history("00004"),
        ):
            with pytest.raises(FormerCommunesUnavailable, match=r"2026\.0\.0 \(2026-01-01\) has no communes"):
                ask()
        assert names(tuple(item.locality for item in localities.search("hai mươi", with_former=True))) == [
            "xã Hai Mươi"
        ]
        return
    assert names(localities.former_communes()) == ["phường Bốn", "xã Mười Ba", "thị trấn Hai Mươi", "xã Bốn Mươi"]
    assert names(localities.predecessors("00004")) == ["phường Bốn", "xã Mười Ba"]
    assert names(localities.predecessors("00030")) == []
    (four,), (thirteen,), (forty,) = (localities.former(code) for code in ("00004", "00013", "00040"))
    assert (four.name, four.valid_to) == ("Bốn", dt.date(2025, 6, 30))
    assert names(localities.successors(thirteen)) == ["phường Ba", "xã Tám"]
    assert localities.successors(forty) == ()
    kinds = {code: [event.kind for event in localities.history(code).events] for code in ("00004", "00008", "00020")}
    assert kinds == {"00004": ["merger", "split"], "00008": ["split"], "00020": ["rename"]}
    assert localities.history("00030").events == ()
    assert localities.history("00020").compare_years(2024, 2025).comparable
    assert not localities.history("00008").compare_years(2024, 2025).comparable
    assert not localities.history("00030").compare_years(2024, 2025).comparable
    found = localities.search("hai mươi", with_former=True)
    assert names(tuple(item.locality for item in found)) == ["xã Hai Mươi", "thị trấn Hai Mươi"]


def test_a_type_that_is_not_known_is_refused(tmp_path: Path, package: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localities, "_KINDS", {"tỉnh": "tỉnh", "phường": "phường"})
    with pytest.raises(ValueError, match="Xã Tám has the unknown type «xã»"):
        localities.communes()


@pytest.mark.skipif(not localities.has_former_communes(), reason="the installed package has no former communes")
def test_former_communes_of_the_real_package() -> None:
    assert len(localities.former_communes()) > 10_000
    assert names(localities.predecessors("08494")) == ["thị trấn Lâm Thao", "thị trấn Hùng Sơn", "xã Thạch Sơn"]


# --- search ---


def found(text: str, **options: object) -> list[tuple[str, str]]:
    return [(item.locality.code, item.match) for item in localities.search(text, **options)]  # type: ignore[arg-type]


def test_a_name_gives_every_locality_that_it_may_mean() -> None:
    hoa_binh = {("11533", "31"), ("04795", "25"), ("27211", "79"), ("29830", "86"), ("31891", "96")}
    for text in ("Hòa Bình", "Hoà Bình", "HÒA BÌNH", "  hoà   bình "):
        exact = [item.locality for item in localities.search(text) if item.match == "exact"]
        assert {(item.code, item.province) for item in exact} == hoa_binh
    folded = [item for item in localities.search("hoa binh") if item.match == "folded"]
    assert {(item.locality.code, item.locality.province) for item in folded} == hoa_binh
    assert not [item for item in localities.search("hoa binh") if item.match == "exact"]


def test_a_type_brings_its_own_kind_forward_and_hides_none() -> None:
    kinds = [item.locality.kind for item in localities.search("xã Hòa Bình")]
    assert kinds[:2] == ["xã", "xã"]
    assert "phường" in kinds
    assert [item.locality.kind for item in localities.search("phuong Hoa Binh")][:3] == ["phường"] * 3


def test_a_province_behind_the_name_limits_under_its_former_name_too() -> None:
    assert found("UBND xã Lâm Thao - Tỉnh Phú Thọ") == [("08494", "exact")]
    assert found("Lâm Thao", province="24") == [("09529", "exact")]
    assert found("xa lam thao - vinh phuc") == [("08494", "folded")]
    assert found("Lâm Thao - Bắc Giang") == [("09529", "exact")]


def test_a_search_in_an_unknown_province_is_refused() -> None:
    assert found("Lâm Thao", province="26") == []
    with pytest.raises(UnknownLocality, match="'98'"):
        localities.search("Lâm Thao", province="98")


def test_a_hyphen_may_be_part_of_the_name() -> None:
    assert found("Bà Rịa - Vũng Tàu") == []
    assert found("tỉnh Bà Rịa - Vũng Tàu", with_former=True) == [("77", "exact")]


def test_d_with_a_stroke_is_found_without_it_and_kept_apart_with_it() -> None:
    assert ("75", "folded") in found("dong nai")
    assert ("75", "exact") in found("TP. Đồng Nai")
    assert localities.fold("Đặc khu  Phú Quốc") == "dac khu phu quoc"


def test_a_name_that_begins_like_a_type_is_still_a_name() -> None:
    assert found("Tịnh Khê")[0] == ("21211", "exact")
    assert found("tinh khe")[0] == ("21211", "folded")


def test_part_of_a_name_comes_after_whole_names() -> None:
    matches = [match for _, match in found("Phú Thọ")]
    assert matches == sorted(matches, key=["exact", "folded", "part"].index)
    assert found("Phú Thọ")[0] == ("25", "exact")


@pytest.mark.parametrize("text", ["", "   ", "UBND", "không có nơi này"])
def test_nothing_is_found_for_what_names_nothing(text: str) -> None:
    assert localities.search(text, with_former=True) == ()
