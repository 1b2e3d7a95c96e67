"""The registry over time: spellings of codes, dates and successors that must agree, histories, years that compare."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.units.registry import (
    CodeError,
    Registry,
    Unit,
    UnknownUnit,
    load_registry,
    normalise_code,
    older_spelling,
    parse_code,
)
from dti_pipeline.units.succession import Member, SuccessionError, derive_events


def unit(
    code: str, name: str | None = None, *, since: str | None = None, until: str | None = None, **more: Any
) -> Unit:
    return Unit.model_validate(
        {"code": code, "name": name or f"Đơn vị {code}", "level": "commune", "valid_from": since, "valid_to": until}
        | more
    )


def registry(*units: Unit) -> Registry:
    return Registry(units=units)


def told(units: Registry, code: str) -> list[tuple[str, str, list[str], list[str]]]:
    return [
        (event.on.isoformat(), event.kind, [m.code for m in event.before], [m.code for m in event.after])
        for event in units.history(code).events
    ]


# --- spellings ---


@pytest.mark.parametrize(
    ("older", "today"),
    [
        ("000.00.00.H44", "H44"),
        ("000.00.01.H44", "H44.01"),
        ("000.02.01.H44", "H44.01.02"),
        ("003.02.01.H44", "H44.01.02.003"),
        ("000.00.100.H44", "H44.100"),
        ("000.02.100.H44", "H44.100.02"),
        ("000.00.00.G22", "G22"),
    ],
)
def test_both_spellings_name_one_unit(older: str, today: str) -> None:
    assert normalise_code(older) == today
    assert parse_code(older) == today
    assert parse_code(today) == today
    assert older_spelling(today) == older


@pytest.mark.parametrize(("older", "today"), [("28.22.H17", "H17.22.28"), ("00.01.H44", "H44.01"), ("000.H44", "H44")])
def test_the_older_spelling_is_read_with_fewer_groups_too(older: str, today: str) -> None:
    assert normalise_code(older) == today


@pytest.mark.parametrize(
    "text",
    # The second is printed so in a real exchange: a part under no middle group, which today's form cannot say.
    [
        "",
        "002.00.20.H13",
        "000.02.00.H44",
        "1.H44",
        "0001.H44",
        "H4",
        "H44.1",
        "H44.0001",
        "h44.01",
        " H44",
        "H44.",
        "25",
    ],
)
def test_a_malformed_code_is_left_alone_or_refused(text: str) -> None:
    assert normalise_code(text) == text
    with pytest.raises(CodeError, match="no identifier code"):
        parse_code(text)


@pytest.mark.parametrize("code", ["H44.01.02.03", "H44.01.02.003.04", "H44.00", "H44.01.000"])
def test_what_four_groups_cannot_say_has_no_older_spelling(code: str) -> None:
    with pytest.raises(CodeError, match="no older spelling"):
        older_spelling(code)


def test_a_unit_is_found_under_both_spellings_and_required_strictly() -> None:
    units = registry(unit("H00.100"))
    assert units.get("000.00.100.H00") is units.get("H00.100") is units.require("000.00.100.H00")
    assert units.get("H00.101") is None
    with pytest.raises(UnknownUnit, match=r"no unit H00\.101 \(given as 000\.00\.101\.H00\)"):
        units.require("000.00.101.H00")
    with pytest.raises(CodeError):
        units.require("xã An Mẫu")


# --- what happened ---


def test_a_merger_of_two_into_a_new_one() -> None:
    units = registry(
        unit("H00.01", until="2024-06-30", successors=["H00.03"]),
        unit("H00.02", until="2024-06-30", successors=["H00.03"]),
        unit("H00.03", since="2024-07-01"),
    )
    merger = [("2024-07-01", "merger", ["H00.01", "H00.02"], ["H00.03"])]
    assert told(units, "H00.01") == told(units, "H00.02") == told(units, "H00.03") == merger
    assert [item.code for item in units.predecessors_of("H00.03")] == ["H00.01", "H00.02"]
    assert [item.code for item in units.successors_of("H00.01")] == ["H00.03"]
    assert units.predecessors_of("H00.01") == units.successors_of("H00.03") == ()
    assert [member.code for member in units.history("H00.03").members] == ["H00.01", "H00.02", "H00.03"]


def test_a_unit_that_takes_another_in_and_keeps_its_code_is_a_merger_too() -> None:
    units = registry(unit("H00.01"), unit("H00.02", until="2024-06-30", successors=["H00.01"]))
    assert told(units, "H00.01") == [("2024-07-01", "merger", ["H00.01", "H00.02"], ["H00.01"])]
    assert units.compare_years("H00.01", 2022, 2023).comparable
    assert not units.compare_years("H00.01", 2023, 2024).comparable
    assert units.compare_years("H00.01", 2024, 2025).comparable


def test_a_split() -> None:
    units = registry(
        unit("H00.01", until="2023-12-31", successors=["H00.03", "H00.02"]),
        unit("H00.02", since="2024-01-01"),
        unit("H00.03", since="2024-01-01"),
    )
    assert told(units, "H00.02") == [("2024-01-01", "split", ["H00.01"], ["H00.02", "H00.03"])]
    for code in ("H00.01", "H00.02", "H00.03"):
        assert not units.compare_years(code, 2023, 2024).comparable
    assert units.compare_years("H00.02", 2024, 2025).comparable
    assert units.compare_years("H00.01", 2022, 2023).comparable


def test_a_part_that_goes_into_a_merger_is_both() -> None:
    units = registry(
        unit("H00.01", until="2023-12-31", successors=["H00.03", "H00.04"]),
        unit("H00.02", until="2023-12-31", successors=["H00.04"]),
        unit("H00.03", since="2024-01-01"),
        unit("H00.04", since="2024-01-01"),
    )
    merger = ("2024-01-01", "merger", ["H00.01", "H00.02"], ["H00.04"])
    split = ("2024-01-01", "split", ["H00.01"], ["H00.03", "H00.04"])
    assert told(units, "H00.04") == [merger, split]
    assert told(units, "H00.03") == [split]
    assert told(units, "H00.02") == [merger]


def test_a_new_name_or_code_alone_leaves_years_comparable() -> None:
    units = registry(
        unit("H00.01", "xã An", until="2023-12-31", successors=["H00.02"]),
        unit("H00.02", "phường An", since="2024-01-01", until="2024-12-31", successors=["H00.03"]),
        unit("H00.03", "phường An", since="2025-01-01"),
        unit("H00.04", "xã Bình"),
    )
    events = [
        ("2024-01-01", "rename", ["H00.01"], ["H00.02"]),
        ("2025-01-01", "continued", ["H00.02"], ["H00.03"]),
    ]
    for code in ("H00.01", "H00.02", "H00.03"):
        assert told(units, code) == events
        compared = units.compare_years(code, 2023, 2025)
        assert (compared.comparable, compared.words) == (True, "so sánh trực tiếp được")
        assert [event.kind for event in compared.events] == ["rename", "continued"]
    assert told(units, "H00.04") == []


def test_a_chain_is_told_to_both_ends_and_breaks_only_where_it_merged() -> None:
    units = registry(
        unit("H00.01", until="2021-12-31", successors=["H00.03"]),
        unit("H00.02", until="2021-12-31", successors=["H00.03"]),
        unit("H00.03", "xã C", since="2022-01-01", until="2023-12-31", successors=["H00.04"]),
        unit("H00.04", "xã D", since="2024-01-01"),
    )
    events = [
        ("2022-01-01", "merger", ["H00.01", "H00.02"], ["H00.03"]),
        ("2024-01-01", "rename", ["H00.03"], ["H00.04"]),
    ]
    assert told(units, "H00.01") == told(units, "H00.04") == events
    assert units.compare_years("H00.04", 2022, 2024).comparable
    assert not units.compare_years("H00.04", 2021, 2024).comparable
    assert not units.compare_years("H00.04", 2020, 2021).comparable


def test_what_a_sister_later_became_is_not_this_units_history() -> None:
    units = registry(
        unit("H00.01", until="2021-12-31", successors=["H00.02", "H00.03"]),
        unit("H00.02", since="2022-01-01"),
        unit("H00.03", since="2022-01-01", until="2023-12-31", successors=["H00.04"]),
        unit("H00.04", since="2024-01-01"),
    )
    assert [on for on, *_ in told(units, "H00.02")] == ["2022-01-01"]
    assert [on for on, *_ in told(units, "H00.04")] == ["2022-01-01", "2024-01-01"]


def test_what_a_unit_took_in_before_is_not_the_history_of_one_taken_in_later() -> None:
    units = registry(
        unit("H00.01"),
        unit("H00.02", until="2021-12-31", successors=["H00.01"]),
        unit("H00.03", until="2023-12-31", successors=["H00.01"]),
    )
    assert [on for on, *_ in told(units, "H00.03")] == ["2024-01-01"]
    assert [on for on, *_ in told(units, "H00.01")] == ["2022-01-01", "2024-01-01"]
    assert not units.compare_years("H00.01", 2021, 2022).comparable
    assert units.compare_years("H00.01", 2022, 2023).comparable


def test_members_that_no_registry_has_checked_are_refused_too() -> None:
    day = dt.date(2024, 7, 1)
    after = Member(day, "H00.02", "xã B")
    with pytest.raises(SuccessionError, match=r"H00\.01: valid_to 2024-06-30 lies before"):
        derive_events({Member(day, "H00.01", "xã A", dt.date(2024, 6, 30)): [after]})
    with pytest.raises(SuccessionError, match=r"H00\.01 has successors and no valid_to"):
        derive_events({Member(dt.date.min, "H00.01", "xã A"): [after]})


# --- comparing ---


@pytest.fixture
def merged() -> Registry:
    return registry(
        unit("H00.01", "xã A", until="2024-06-30", successors=["H00.03"]),
        unit("H00.02", "xã B", until="2024-06-30", successors=["H00.03"]),
        unit("H00.03", "xã C", since="2024-07-01"),
    )


@pytest.mark.parametrize(
    ("code", "years", "comparable"),
    [
        ("H00.01", (2022, 2023), True),
        ("H00.01", (2023, 2024), False),
        ("H00.03", (2023, 2024), False),
        ("H00.03", (2024, 2023), False),  # in either order
        ("H00.03", (2024, 2025), True),
        ("H00.03", (2022, 2023), False),  # two units then
        ("H00.01", (2025, 2026), False),
        ("000.00.03.H00", (2024, 2025), True),
        ("H00.03", (2025, 2025), True),
    ],
)
def test_years_on_both_sides_of_a_merger(merged: Registry, code: str, years: tuple[int, int], comparable: bool) -> None:
    assert merged.compare_years(code, *years).comparable is comparable


def test_the_reason_is_told_in_words(merged: Registry) -> None:
    merger = "01/07/2024: sáp nhập: xã A (H00.01), xã B (H00.02) → xã C (H00.03)"
    assert merged.compare_years("H00.03", 2023, 2024).words == (
        f"không so sánh trực tiếp được: ngày 31/12/2023 chưa có xã C (H00.03), có từ 01/07/2024; {merger}"
    )
    assert merged.compare_years("H00.01", 2023, 2024).words == (
        "không so sánh trực tiếp được: ngày 31/12/2024 không còn xã A (H00.01), chỉ có đến hết 30/06/2024; " + merger
    )


def test_days_next_to_each_other_fall_apart_where_the_merger_lies(merged: Registry) -> None:
    day = dt.date(2024, 7, 1)
    before, after = day - dt.timedelta(days=1), day + dt.timedelta(days=1)
    assert merged.compare("H00.03", day, after).comparable
    assert not merged.compare("H00.03", before, day).comparable
    absorbing = registry(unit("H00.01"), unit("H00.02", until="2024-06-30", successors=["H00.01"]))
    assert not absorbing.compare("H00.01", before, day).comparable
    assert absorbing.compare("H00.01", day, after).comparable
    assert absorbing.compare("H00.01", before - dt.timedelta(days=1), before).comparable


def test_a_unit_without_any_record_of_what_was_before() -> None:
    compared = registry(unit("H00.01", "xã A", since="2024-07-01")).compare_years("H00.01", 2023, 2024)
    assert compared.words == ("không so sánh trực tiếp được: ngày 31/12/2023 chưa có xã A (H00.01), có từ 01/07/2024")


def test_a_department_breaks_with_its_province_and_a_commune_does_not() -> None:
    units = registry(
        unit("H00", "tỉnh Một", level="province"),
        unit("H01", "tỉnh Hai", level="province", until="2024-06-30", successors=["H00"]),
        unit("H00.01", "Sở Mẫu", level="department", parent="H00"),
        unit("H00.02", "xã Mẫu", level="commune", parent="H00"),
    )
    compared = units.compare_years("H00.01", 2023, 2024)
    assert not compared.comparable
    assert compared.reason == "01/07/2024: sáp nhập: tỉnh Một (H00), tỉnh Hai (H01) → tỉnh Một (H00)"
    assert units.compare_years("H00.01", 2024, 2025).comparable
    assert units.compare_years("H00.02", 2023, 2024).comparable


# --- what is refused ---


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ([{"code": "H00.01", "valid_to": "2024-06-30", "successors": ["H00.09"]}], r"unknown successor H00\.09"),
        (
            [
                {"code": "H00.01", "valid_to": "2024-06-30", "successors": ["H00.02"]},
                {"code": "H00.02", "valid_to": "2024-06-30", "successors": ["H00.01"]},
            ],
            r"in a circle: H00\.0\d → H00\.0\d → H00\.0\d",
        ),
        (
            [{"code": "H00.01", "valid_to": "2024-06-30", "successors": ["H00.01"]}],
            r"in a circle: H00\.01 → H00\.01",
        ),
        (
            [
                {"code": "H00.01", "valid_to": "2024-06-30", "successors": ["H00.02"]},
                {"code": "H00.02", "valid_from": "2024-07-02"},
            ],
            r"successor H00\.02 does not exist on 2024-07-01",
        ),
        (
            [
                {"code": "H00.01", "valid_to": "2024-06-30", "successors": ["H00.02"]},
                {"code": "H00.02", "valid_to": "2024-06-30"},
            ],
            r"successor H00\.02 does not exist on 2024-07-01",
        ),
        ([{"code": "H00.01"}, {"code": "H00.01"}], r"used twice: H00\.01"),
        ([{"code": "H00.01", "parent": "H00"}], "unknown parent H00"),
        (
            [{"code": "H00.01", "source_ids": {"portal": "7"}}, {"code": "H00.02", "source_ids": {"portal": "7"}}],
            "under one identifier: portal 7",
        ),
        (
            [
                {"code": "H00", "level": "province", "statistics_code": "01"},
                {"code": "H01", "level": "province", "statistics_code": "01"},
            ],
            "under one identifier: statistics_code 01",
        ),
    ],
)
def test_units_that_contradict_each_other_are_refused(units: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Registry(units=tuple(unit(item.pop("code"), **item) for item in map(dict, units)))


def test_one_portal_may_use_an_identifier_that_another_uses_for_another_unit() -> None:
    units = registry(unit("H00.01", source_ids={"portal": "7"}), unit("H00.02", source_ids={"other": "7"}))
    found = units.by_source_id("other", "7")
    assert found is not None
    assert found.code == "H00.02"


def test_dates_of_one_unit_are_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "units.yaml"
    head = "source: thử\nunits:\n- {code: H00, name: tỉnh Thử, level: province"
    path.write_text(head + ", valid_from: 2024-07-01, valid_to: 2024-06-30}\n", encoding="utf-8")
    with pytest.raises(DataFileError, match=r"units\.yaml:3: code H00.*valid_to 2024-06-30 lies before"):
        load_registry([path])
    path.write_text(head + ", successors: [H44]}\n", encoding="utf-8")
    with pytest.raises(DataFileError, match=r"units\.yaml:3: code H00.*needs valid_to"):
        load_registry([path])
    path.write_text(head + ", valid_to: 2024-06-30, successors: [H98]}\n", encoding="utf-8")
    with pytest.raises(DataFileError) as refused:
        load_registry([path])
    assert str(refused.value) == "units: unit H00: unknown successor H98"


def test_only_a_province_has_a_statistics_code() -> None:
    with pytest.raises(ValidationError, match="only a province"):
        unit("H00.01", statistics_code="01")


def test_one_day_is_a_valid_time() -> None:
    assert unit("H00", since="2024-07-01", until="2024-07-01").existed_on(dt.date(2024, 7, 1))


# --- the units that come with the project ---


def test_the_provinces_with_a_known_code() -> None:
    units = load_registry()
    provinces = {item.code: item.statistics_code for item in units if item.level == "province"}
    assert provinces == {
        "H05": "24",
        "H14": "04",
        "H19": "75",
        "H20": "82",
        "H21": "52",
        "H24": "31",
        "H26": "01",
        "H29": "79",
        "H31": "33",
        "H32": "56",
        "H35": "12",
        "H41": "40",
        "H44": "25",
        "H49": "22",
        "H50": "44",
    }


@pytest.mark.parametrize(
    ("code", "before"),
    [
        ("H05", {"Bắc Giang", "Bắc Ninh"}),
        ("H29", {"Hồ Chí Minh", "Bà Rịa - Vũng Tàu", "Bình Dương"}),
        ("H32", {"Khánh Hòa", "Ninh Thuận"}),
        ("H44", {"Phú Thọ", "Vĩnh Phúc", "Hòa Bình"}),
    ],
)
def test_merged_provinces_say_that_years_before_do_not_compare(code: str, before: set[str]) -> None:
    units = load_registry()
    (event,) = units.history(code).events
    assert (event.on, event.kind) == (dt.date(2025, 7, 1), "merger")
    assert {member.name for member in event.before} == before
    assert [member.code for member in event.after] == [code]
    assert not units.compare_years(code, 2024, 2025).comparable
    assert units.compare_years(code, 2023, 2024).comparable
    assert units.compare_years(code, 2025, 2026).comparable


@pytest.mark.parametrize("code", ["H14", "H26", "H35", "H41", "H49"])
def test_provinces_that_nothing_was_merged_into(code: str) -> None:
    assert load_registry().history(code).events == ()
    assert load_registry().compare_years(code, 2023, 2026).comparable


def test_departments_of_a_merged_province_do_not_compare_either() -> None:
    assert not load_registry().compare_years("H44.07", 2024, 2025).comparable
    assert load_registry().compare_years("H44.07", 2025, 2026).comparable


def test_a_merger_told_by_the_registry_is_not_told_twice(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    path.write_text(
        "source: thử\nunits:\n"
        "- {code: H97, name: tỉnh Thử, level: province, valid_to: 2025-06-30, successors: [H44], fictional: true}\n",
        encoding="utf-8",
    )
    (event,) = load_registry([path]).history("H44").events
    assert [member.code for member in event.before] == ["H44", "H97"]
