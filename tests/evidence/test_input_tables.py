"""Handed-in CSV tables: what they may hold, and that every problem names its line and keeps nothing."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import pytest

from dti_pipeline.evidence.tables import InputTable, PointTable, TableError, read_inputs, read_points
from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.scoring.engine import UnitRef
from dti_pipeline.scoring.states import CellState, InputState

FRAMEWORK = load_framework("ninh-thuan-2021")
LEVEL = FRAMEWORK.level("province")
HEADER = "unit,unit_name,criterion,input,value,state"
POINT_HEADER = "unit,unit_name,criterion,points,state"
GOOD = "H00.01,Sở Một,1.1.2,documents,3,reported"
GOOD_POINTS = "H00.01,Sở Một,1.1.2,1.5,scored"


def inputs(*lines: str, header: str = HEADER) -> InputTable:
    return read_inputs("\n".join([header, *lines]).encode(), "nhap.csv", FRAMEWORK, LEVEL)


def points(*lines: str, header: str = POINT_HEADER) -> PointTable:
    return read_points("\n".join([header, *lines]).encode(), "diem.csv", FRAMEWORK, LEVEL)


# --- inputs ---


def test_an_inputs_table() -> None:
    table = inputs(
        GOOD,
        "H00.01,Sở Một,1.1.1,column,yes,appraised",
        "H00.02,Sở Hai,5.12.1,a,12.50,harvested",
        "H00.02,Sở Hai,2.4.1,it_spending,0.1,stale",
        "H00.02,Sở Hai,2.4.1,total_spending,,missing",
    )
    assert table.units == (UnitRef("H00.01", "Sở Một"), UnitRef("H00.02", "Sở Hai"))
    assert {key: (item.state, item.value) for key, item in table.inputs.items()} == {
        ("H00.01", "1.1.2", "documents"): (InputState.REPORTED, Fraction(3)),
        ("H00.01", "1.1.1", "column"): (InputState.APPRAISED, "yes"),
        ("H00.02", "5.12.1", "a"): (InputState.HARVESTED, Fraction(25, 2)),
        ("H00.02", "2.4.1", "it_spending"): (InputState.STALE, Fraction(1, 10)),
        ("H00.02", "2.4.1", "total_spending"): (InputState.MISSING, None),
    }
    assert [(item.line, item.text) for item in table.lines] == [
        (2, "3"), (3, "yes"), (4, "12.50"), (5, "0.1"), (6, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("H00.01,Sở Một,9.9.9,a,3,reported", "criterion «9.9.9» is not in ninh-thuan-2021"),
        ("H00.01,Sở Một,1.1.2,z,3,reported", "no input «z»; known: documents"),
        ("H00.01,Sở Một,3.1.1,a,3,Reported", "unknown state «Reported»; known: reported, harvested"),
        ("H00.01,Sở Một,3.1.1,a,3,", "unknown state «»"),
        ("H00.01,Sở Một,3.1.1,a,3,scored", "unknown state «scored»"),
        ('H00.01,Sở Một,2.4.1,it_spending,"1,5",reported', "write the decimal with a dot"),
        ("H00.01,Sở Một,3.1.1,a,-1,reported", "«-1» is not a non-negative decimal"),
        ("H00.01,Sở Một,3.1.1,a,1e3,reported", "«1e3» is not a non-negative decimal"),
        ("H00.01,Sở Một,3.1.1,a,ba,reported", "«ba» is not a non-negative decimal"),
        ("H00.01,Sở Một,3.1.1,a,1.5,reported", "not a whole number, and a is a count"),
        ("H00.01,Sở Một,1.1.1,column,maybe,reported", "not an option of column; known: yes, no"),
        ("H00.01,Sở Một,3.1.1,a,,reported", "state reported needs a value"),
        ("H00.01,Sở Một,3.1.1,a,,stale", "state stale needs a value"),
        ("H00.01,Sở Một,3.1.1,a,0,missing", "state missing has no value"),
        ("H00.01,Sở Một,3.1.1,a,3,unavailable", "state unavailable has no value"),
        ("H00.01,Sở Một,3.1.1,a,3,not_applicable", "state not_applicable has no value"),
        ("H00.01,Sở Một,1.1.2,documents,4,reported", "stands twice (first on line 2)"),
        ("H00.01,Sở Khác,3.1.1,a,3,reported", "unit H00.01 has another name"),
        (",Sở Một,3.1.1,a,3,reported", "no unit code"),
        ("H00.01,Sở Một,3.1.1,a,3", "5 fields, expected 6"),
        ("H00.01,Sở Một,3.1.1,a,3,reported,H00", "7 fields, expected 6"),
        ('H00.01,Sở "Một,3.1.1,a,3,reported\nH00.01,"Sở" Một,3.1.1,a,3,reported', ""),
    ],
)
def test_a_problem_names_its_line(line: str, says: str) -> None:
    with pytest.raises(TableError) as problem:
        inputs(GOOD, "", line, "H00.09,Sau đó,không,đọc,nữa,")
    assert str(problem.value).startswith("nhap.csv, line " + ("5: " if "\n" in line else "4: "))
    assert says in str(problem.value)


def test_line_numbers_count_the_lines_inside_quotes() -> None:
    lines = ['H00.01,"Sở\nMột",1.1.2,documents,3,reported', "H00.02,Sở Hai,1.1.2,documents,3,reported"]
    assert [item.line for item in inputs(*lines).lines] == [2, 4]
    assert inputs(*lines).units[0].name == "Sở\nMột"
    with pytest.raises(TableError, match=r"line 4: .*«x»"):
        inputs(lines[0], "H00.02,Sở Hai,1.1.2,documents,x,reported")
    with pytest.raises(TableError, match=r"line 4: .*stands twice \(first on line 2\)"):
        inputs(lines[0], lines[0])


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    body = b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\nH00.02,Hai,1.1.2,documents,x,reported\r\n".encode()
    with pytest.raises(TableError, match=r"^nhap\.csv, line 3: "):
        read_inputs(body, "nhap.csv", FRAMEWORK, LEVEL)
    table = read_inputs(body.replace(b",x,", b",5,"), "nhap.csv", FRAMEWORK, LEVEL)
    assert [item.value.value for item in table.lines] == [3, 5]


def test_decomposed_text_is_the_same_text() -> None:
    decomposed = unicodedata.normalize("NFD", "H00.01,Sở Một,3.1.1,a,3,reported")
    assert decomposed != "H00.01,Sở Một,3.1.1,a,3,reported"
    assert inputs(GOOD, decomposed).units == (UnitRef("H00.01", "Sở Một"),)


def test_text_that_is_not_utf_8_names_the_line() -> None:
    body = f"{HEADER}\n{GOOD}\nH00.02,S".encode() + b"\xea" + b",1.1.2,documents,3,reported\n"
    with pytest.raises(TableError, match=r"^nhap\.csv, line 3: not UTF-8"):
        read_inputs(body, "nhap.csv", FRAMEWORK, LEVEL)
    with pytest.raises(TableError, match="not UTF-8"):
        read_inputs(f"{HEADER}\n{GOOD}".encode("utf-16"), "nhap.csv", FRAMEWORK, LEVEL)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("unit,unit_name,criterion,input,value", "missing: state"),
        ("unit,unit_name,criterion,input,value,state,remark", "unknown: remark"),
        ("unit,unit_name,criterion,input,value,state,state", "line 1: the columns are"),
        (POINT_HEADER, "missing: input, value; unknown: points"),
        ("unit;unit_name;criterion;input;value;state", "missing: unit,"),
        ("UNIT,unit_name,criterion,input,value,state", "missing: unit; unknown: UNIT"),
    ],
)
def test_the_columns_are_the_ones_agreed(header: str, says: str) -> None:
    with pytest.raises(TableError) as problem:
        inputs(header=header)
    assert str(problem.value).startswith("nhap.csv, line 1: ")
    assert says in str(problem.value)


def test_columns_may_stand_in_any_order_with_spaces_around() -> None:
    table = inputs(" reported , 3 , documents , 1.1.2 , Sở Một , H00.01 ",
                   header="state, value, input, criterion, unit_name, unit")  # fmt: skip
    assert table.units == (UnitRef("H00.01", "Sở Một"),)
    assert table.inputs["H00.01", "1.1.2", "documents"].value == 3


def test_an_empty_file_is_a_mistake_and_a_header_alone_is_not() -> None:
    with pytest.raises(TableError, match="empty"):
        read_inputs(b"", "nhap.csv", FRAMEWORK, LEVEL)
    assert inputs() == InputTable((), ())


def test_parents_come_from_the_optional_column_and_are_one_per_unit() -> None:
    header = f"{HEADER},parent"
    assert inputs(f"{GOOD},H00", header=header).units == (UnitRef("H00.01", "Sở Một", "H00"),)
    assert inputs(f"{GOOD},", header=header).units == (UnitRef("H00.01", "Sở Một", None),)
    with pytest.raises(TableError, match=r"line 3: unit H00\.01 has another name or parent"):
        inputs(f"{GOOD},H00", "H00.01,Sở Một,3.1.1,a,3,reported,H99", header=header)


def test_a_unit_without_a_name_is_called_by_its_code() -> None:
    assert inputs("H00.01,,1.1.2,documents,3,reported").units == (UnitRef("H00.01", "H00.01"),)


# --- points ---


def test_a_points_table() -> None:
    table = points(
        GOOD_POINTS,
        "H00.01,Sở Một,1.1.3,6,source_score",
        "H00.01,Sở Một,1.2.1,,pending",
        "H00.02,Sở Hai,1.1.2,2,zero_late",
        "H00.02,Sở Hai,1.2.1,,excluded",
    )
    assert table.units == (UnitRef("H00.01", "Sở Một"), UnitRef("H00.02", "Sở Hai"))
    assert {key: (item.state, item.points) for key, item in table.cells.items()} == {
        ("H00.01", "1.1.2"): (CellState.SCORED, Fraction(3, 2)),
        ("H00.01", "1.1.3"): (CellState.SOURCE_SCORE, Fraction(6)),
        ("H00.01", "1.2.1"): (CellState.PENDING, None),
        ("H00.02", "1.1.2"): (CellState.ZERO_LATE, Fraction(2)),
        ("H00.02", "1.2.1"): (CellState.EXCLUDED, None),
    }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("H00.01,Sở Một,9.9.9,1,scored", "criterion «9.9.9» is not in"),
        ("H00.01,Sở Một,1.2.1,1,reported", "unknown state «reported»; known: scored, source_score"),
        ('H00.01,Sở Một,1.2.1,"1,5",scored', "write the decimal with a dot"),
        ("H00.01,Sở Một,1.2.1,-1,scored", "«-1» is not a non-negative"),
        ("H00.01,Sở Một,1.2.1,1e0,scored", "«1e0» is not a non-negative"),
        ("H00.01,Sở Một,1.2.1,x,pending", "«x» is not a non-negative"),
        ("H00.01,Sở Một,1.2.1,3.01,scored", "3.01 points exceed the maximum 3 of 1.2.1"),
        ("H00.01,Sở Một,1.2.1,,scored", "state scored needs points"),
        ("H00.01,Sở Một,1.2.1,,stale", "state stale needs points"),
        ("H00.01,Sở Một,1.1.2,1,scored", "stands twice (first on line 2)"),
        ("H00.01,Sở Khác,1.2.1,1,scored", "has another name"),
        ("H00.01,Sở Một,1.2.1,1", "4 fields, expected 5"),
    ],
)
def test_a_problem_in_a_points_table_names_its_line(line: str, says: str) -> None:
    with pytest.raises(TableError) as problem:
        points(GOOD_POINTS, line)
    assert str(problem.value).startswith("diem.csv, line 3: ")
    assert says in str(problem.value)


def test_a_points_table_has_its_own_columns() -> None:
    with pytest.raises(TableError, match=r"line 1: .*missing: points; unknown: input, value"):
        points(header=HEADER)
