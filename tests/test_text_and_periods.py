"""Vietnamese text (normal form, collation, numbers) and the days that nights and windows stand for."""

from __future__ import annotations

import datetime as dt
import unicodedata
from decimal import Decimal

import pytest

from dti_pipeline.scoring import periods
from dti_pipeline.scoring.periods import Period
from dti_pipeline.text import nfc, sort_key, vi_decimal


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# --- text ---


@pytest.mark.parametrize(
    "in_order",
    [
        ["a", "ă", "â", "b", "c", "d", "đ", "e", "ê", "i", "o", "ô", "ơ", "p", "u", "ư", "v", "x", "y"],
        ["ma", "mà", "mả", "mã", "má", "mạ"],
        ["Sở Dân tộc", "Sở Du lịch", "Sở Đầu tư", "Sở E"],
        ["An", "Ăn", "Ân", "Ba"],
        # A tone decides only where the letters are equal: «hòa» comes before «hoan».
        ["hoa", "hòa", "hóa", "hoan", "hoàn"],
        ["Xã 1", "Xã An", "Xã Đông"],
        ["Phường", "Phường Đa", "Phường Đà"],
        ["o", "ô", "ố", "ộ", "ơ", "ớ"],
    ],
)
def test_collation_follows_the_vietnamese_alphabet(in_order: list[str]) -> None:
    # Backwards, so that equal keys would show: sorting is stable.
    backwards = in_order[::-1]
    assert sorted(backwards, key=sort_key) == in_order
    assert sorted((unicodedata.normalize("NFD", text) for text in backwards), key=sort_key) == [
        unicodedata.normalize("NFD", text) for text in in_order
    ]


def test_case_does_not_order_but_keeps_the_order_total() -> None:
    assert sort_key("đông")[:2] == sort_key("ĐÔNG")[:2]
    assert sort_key("đông") != sort_key("ĐÔNG")
    assert sorted(["đb", "Đa", "đA"], key=sort_key)[2] == "đb"


def test_normal_form() -> None:
    assert nfc("Tho\u031b\u0323") == "Thợ"
    assert len(nfc("ệ")) == 1


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Decimal("1234.5"), None, "1.234,5"),
        (Decimal("1234.5"), 2, "1.234,50"),
        (Decimal("0.005"), None, "0,005"),
        (1234567, None, "1.234.567"),
        (Decimal("1E+3"), None, "1.000"),
        (0, 2, "0,00"),
    ],
)
def test_numbers_as_vietnamese_readers_write_them(value: Decimal | int, decimals: int | None, text: str) -> None:
    assert vi_decimal(value, decimals) == text


# --- periods ---


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (periods.year(2026), "2026-01-01", "2026-12-31"),
        (periods.quarter(2026, 1), "2026-01-01", "2026-03-31"),
        (periods.quarter(2026, 2), "2026-04-01", "2026-06-30"),
        (periods.quarter(2026, 3), "2026-07-01", "2026-09-30"),
        (periods.quarter(2026, 4), "2026-10-01", "2026-12-31"),
        (periods.month(2024, 2), "2024-02-01", "2024-02-29"),
        (periods.month(2026, 2), "2026-02-01", "2026-02-28"),
        (periods.month(2026, 12), "2026-12-01", "2026-12-31"),
    ],
)
def test_periods_include_both_ends(period: Period, start: str, end: str) -> None:
    assert period == (day(start), day(end))
    assert str(period) == f"{start}..{end}"


@pytest.mark.parametrize("number", [0, 5, -1])
def test_there_are_four_quarters(number: int) -> None:
    with pytest.raises(ValueError, match="quarter"):
        periods.quarter(2026, number)


@pytest.mark.parametrize("number", [0, 13])
def test_there_are_twelve_months(number: int) -> None:
    with pytest.raises(ValueError, match="month"):
        periods.month(2026, number)


@pytest.mark.parametrize(
    ("night", "quarter"),
    [
        ("2026-01-01", (2025, 4)),
        ("2026-03-31", (2025, 4)),
        ("2026-04-01", (2026, 1)),
        ("2026-09-30", (2026, 2)),
        ("2026-10-01", (2026, 3)),
        ("2026-12-31", (2026, 3)),
    ],
)
def test_the_last_closed_quarter_is_over_by_the_night(night: str, quarter: tuple[int, int]) -> None:
    assert periods.window_on("last_closed_quarter", day(night)) == periods.quarter(*quarter)


def test_the_year_window_is_the_year_of_the_night() -> None:
    assert periods.window_on("year", day("2026-01-01")) == periods.year(2026)
    assert periods.window_on("year", day("2026-12-31")) == periods.year(2026)


def test_a_night_is_open_from_the_midnight_that_ends_its_day_until_the_next_one_opens() -> None:
    opening, cut_off = periods.opening(day("2026-10-15")), periods.cut_off(day("2026-10-15"))
    assert opening.isoformat() == "2026-10-16T00:00:00+07:00"
    assert cut_off.isoformat() == "2026-10-16T23:59:59+07:00"
    assert cut_off < periods.opening(day("2026-10-16"))
