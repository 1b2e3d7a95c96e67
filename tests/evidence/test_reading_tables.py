"""CSV and JSON of several units: good lines are kept, every bad one is named by its line or JSON Pointer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from reading_kit import read

from dti_pipeline.evidence.model import EvidenceRef, Refused, Report
from dti_pipeline.scoring.states import InputState

HEADER = "unit,unit_name,criterion,input,value,state"
WIDE = HEADER + ",parent,self_score,explanation,evidence,pages,not_applicable"


def table(*lines: str, header: str = HEADER) -> Report:
    return read("\n".join([header, *lines]).encode(), "so-lieu.csv")


def got(report: Report) -> dict[tuple[str, str, str], tuple[InputState, str | None]]:
    return {
        (unit.unit, cell.criterion, item.name): (item.state, item.value)
        for unit in report.units
        for cell in unit.cells
        for item in cell.inputs
    }


def wrong(report: Report) -> list[tuple[str, str | None, str | None]]:
    return [(item.where, item.unit, item.criterion) for item in report.problems if item.is_error]


# --- CSV ---


def test_several_units_in_one_table() -> None:
    report = table(
        'H00.01,Sở Một,1.1,a,200,reported,H00,7.5,"Đủ, rõ",a.pdf; b.pdf,"3; 2-5, 8",',
        "H00.01,Sở Một,1.1,b,150,reported,,,,,,",
        "000.00.11.H00,Xã Ba,1.4,x,0.50,reported,,,,,,",
        "H00.01,Sở Một,1.3,o,,missing,,,,,,Không thuộc chức năng",
        "H00.01,Sở Một,1.2,,,,,,Sẽ bổ sung,,,",
        header=WIDE,
    )
    assert (report.kind, [unit.unit for unit in report.units], report.problems) == ("csv", ["H00.01", "H00.11"], ())
    assert got(report) == {
        ("H00.01", "1.1", "a"): (InputState.REPORTED, "200"),
        ("H00.01", "1.1", "b"): (InputState.REPORTED, "150"),
        ("H00.01", "1.3", "o"): (InputState.MISSING, None),
        ("H00.11", "1.4", "x"): (InputState.REPORTED, "0.50"),
    }
    first, second, third = report.units[0].cells
    assert (first.self_score, first.explanation, first.locator) == ("7.5", "Đủ, rõ", "dòng 2")
    assert first.evidence == (EvidenceRef("a.pdf", "3"), EvidenceRef("b.pdf", "2-5, 8"))
    assert [item.locator for item in first.inputs] == ["dòng 2", "dòng 3"]
    assert (second.inputs, second.explanation, third.not_applicable) == ((), "Sẽ bổ sung", "Không thuộc chức năng")


def test_a_table_from_a_vietnamese_excel() -> None:
    report = table("H00.01;Sở Một;1.4;x;0.5;reported", header="\ufeff" + HEADER.replace(",", ";"))
    assert got(report) == {("H00.01", "1.4", "x"): (InputState.REPORTED, "0.5")}


GOOD = "H00.01,Sở Một,1.4,x,1,reported"


@pytest.mark.parametrize(
    ("line", "unit", "criterion", "says"),
    [
        ("H99,Lạ,1.1,a,1,reported", None, None, "«H99» không thuộc đợt đánh giá thu-2026-h00"),
        ("H00.01,Sở Một,9.9,a,1,reported", "H00.01", None, "không có tiêu chí «9.9»"),
        ("H00.01,Sở Một,1.1,z,1,reported", "H00.01", "1.1", "có: a, b"),
        ("H00.01,Sở Một,1.1,a,1,harvested", "H00.01", "1.1", "dùng reported, missing, not_applicable"),
        ("H00.01,Sở Một,1.1,a,1,", "H00.01", "1.1", "trạng thái «»"),
        ("H00.01,Sở Một,1.1,a,,reported", "H00.01", "1.1", "cần có giá trị"),
        ("H00.01,Sở Một,1.1,a,1,missing", "H00.01", "1.1", "không có giá trị"),
        ("H00.01,Sở Một,1.1,a,1.5,reported", "H00.01", "1.1", "không phải số nguyên"),
        ('H00.01,Sở Một,1.1,a,"1,5",reported', "H00.01", "1.1", "dấu chấm"),
        ("H00.01,Sở Một,1.1,a,-1,reported", "H00.01", "1.1", "không phải số không âm"),
        ("H00.01,Sở Một,1.2,p,101,reported", "H00.01", "1.2", "vượt quá 100 %"),
        ("H00.01,Sở Một,1.3,o,maybe,reported", "H00.01", "1.3", "Đã ban hành; Chưa ban hành"),
        ("H00.01,Sở Một,1.4-2,x,1,reported,thừa", None, None, "có 7 cột"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(line: str, unit: str | None, criterion: str, says: str) -> None:
    report = table(line, GOOD)
    assert wrong(report) == [("dòng 2", unit, criterion)]
    assert says in report.problems[0].message
    assert got(report) == {("H00.01", "1.4", "x"): (InputState.REPORTED, "1")}


def test_a_criterion_with_one_bad_line_is_left_out_whole() -> None:
    report = table("H00.01,Sở Một,1.1,a,5,reported", "H00.01,Sở Một,1.1,b,x,reported", GOOD)
    assert set(got(report)) == {("H00.01", "1.4", "x")}
    twice = table(GOOD, GOOD)
    assert (wrong(twice), got(twice)) == ([("dòng 3", "H00.01", "1.4")], {})


def test_an_open_quote_keeps_what_stood_before_it() -> None:
    report = table(GOOD, 'H00.01,"Sở Một,1.1,a,1,reported', "H00.01,Sở Một,1.1,b,1,reported")
    assert wrong(report) == [("sau dòng 2", None, None)]
    assert set(got(report)) == {("H00.01", "1.4", "x")}


def test_other_names_and_parents_are_said_once() -> None:
    other = "H00.11,Xã Bốn,1.4,x,1,reported,H00.99"
    report = table(other, other.replace("1.4", "1.4-2"), header=HEADER + ",parent")
    assert not wrong(report)
    assert [item.where for item in report.problems] == ["dòng 2", "dòng 2", "dòng 3"]
    assert "«Xã Bốn» khác tên đã đăng ký «Xã Ba»" in report.problems[0].message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"unit,unit_name\n", "thiếu: criterion, input, value, state"),
        ((HEADER + ",evidences\n").encode(), "lạ: evidences"),
        ((HEADER + ",unit\n").encode(), "hai lần: unit"),
        ((HEADER + "\nH00.01,Sở Một,1.1,a,1,reported").encode("utf-16"), "không phải UTF-8"),
        ((HEADER + "\n").encode() + b"H00.01,S\xf4 M\xe9t,1.1,a,1,reported", r"không phải UTF-8 \(dòng 2\)"),
        (b'"unit', "Dòng đầu của tệp CSV không đọc được"),
        (HEADER.encode() + b"\nH00.01,Ph\xc3\xb2ng,1.1,a,1,reported,\x00", "không phải loại tệp"),
    ],
)
def test_tables_that_cannot_be_used_at_all(body: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        read(body, "so-lieu.csv")


def test_legacy_text_in_a_table() -> None:
    with pytest.raises(Refused, match="bảng mã TCVN3"):
        table("H00.01,Sở Một,1.4,x,1,reported,C«ng nghÖ th«ng tin", header=HEADER + ",explanation")


# --- JSON ---


def document(*reports: Any, **more: Any) -> bytes:
    return json.dumps({"assessment": "thu-2026-h00", "reports": list(reports), **more}, ensure_ascii=False).encode()


def one(cell: dict[str, Any] | str, **more: Any) -> Report:
    """A report with this cell (or its text) and a good one behind it."""
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    good = '{"criterion": "1.4", "inputs": {"x": 1}}'
    extra = "".join(f', "{name}": {json.dumps(value)}' for name, value in more.items())
    body = f'{{"assessment": "thu-2026-h00", "reports": [{{"unit": "H00.01", "cells": [{text}, {good}]{extra}}}]}}'
    return read(body.encode("utf-8", "surrogatepass"), "so-lieu.json")


def test_a_document_of_a_system() -> None:
    report = one(
        {
            "criterion": "1.1",
            "inputs": {"a": "200", "b": {"state": "missing"}},
            "self_score": 7.5,
            "explanation": "Đủ",
            "evidence": [{"file": "a.pdf", "pages": "2-5, 8"}, {"file": "b.pdf"}],
            "not_applicable": None,
        },
        facts={"Địa chỉ": "Số 1", "Khác": 12.50},
    )
    (unit,) = report.units
    cell = unit.cells[0]
    assert (report.kind, report.problems) == ("json", ())
    assert got(report) == {
        ("H00.01", "1.1", "a"): (InputState.REPORTED, "200"),
        ("H00.01", "1.1", "b"): (InputState.MISSING, None),
        ("H00.01", "1.4", "x"): (InputState.REPORTED, "1"),
    }
    assert [item.locator for item in cell.inputs] == ["/reports/0/cells/0/inputs/a", "/reports/0/cells/0/inputs/b"]
    assert (cell.self_score, cell.evidence) == ("7.5", (EvidenceRef("a.pdf", "2-5, 8"), EvidenceRef("b.pdf")))
    assert unit.facts == {"Địa chỉ trụ sở": "Số 1", "Khác": "12.5"}


def test_numbers_keep_their_digits() -> None:
    report = one('{"criterion": "1.4-2", "inputs": {"x": 0.30000000000000004}}')
    assert got(report)["H00.01", "1.4-2", "x"] == (InputState.REPORTED, "0.30000000000000004")


@pytest.mark.parametrize(
    ("cell", "where"),
    [
        ('{"criterion": "1.2", "inputs": {"p": 1e1}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": NaN}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": -Infinity}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": -1}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": 0.' + "1" * 70 + "}}", "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": null}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": true}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": [1]}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": {"state": "stale", "value": 1}}}', "/inputs/p/state"),
        ('{"criterion": "1.2", "inputs": {"p": {"value": 1}}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"p": {"state": "missing", "why": "x"}}}', "/inputs/p/why"),
        ('{"criterion": "1.2", "inputs": {"p": 1, "p": 1}}', "/inputs/p"),
        ('{"criterion": "1.2", "inputs": {"q/~": 1}}', "/inputs/q~1~0"),
        ('{"criterion": "1.2", "inputs": [1]}', "/inputs"),
        ('{"criterion": "1.2", "explanation": "a", "explanation": "b"}', "/explanation"),
        ('{"criterion": "1.2", "explanation": 5}', "/explanation"),
        ('{"criterion": "1.2", "explanation": "a\\ud800"}', "/explanation"),
        ('{"criterion": "1.2", "explanation": "a\\u0000"}', "/explanation"),
        ('{"criterion": "1.2", "comment": "a"}', "/comment"),
        ('{"criterion": "1.2", "evidence": {"file": "a.pdf"}}', "/evidence"),
        ('{"criterion": "1.2", "evidence": ["a.pdf"]}', "/evidence/0"),
        ('{"criterion": "1.2", "evidence": [{"file": "../a.pdf"}]}', "/evidence/0/file"),
        ('{"criterion": "1.2", "evidence": [{"file": "a.pdf", "page": "3"}]}', "/evidence/0/page"),
        ('{"criterion": "1.2", "evidence": [{"file": "a.pdf", "pages": []}]}', "/evidence/0/pages"),
    ],
)
def test_faults_of_a_cell_by_pointer(cell: str, where: str) -> None:
    report = one(cell)
    assert wrong(report) == [(f"/reports/0/cells/0{where}", "H00.01", "1.2")]
    assert set(got(report)) == {("H00.01", "1.4", "x")}


@pytest.mark.parametrize(
    ("cell", "where"),
    [('"x"', ""), ("{}", ""), ('{"criterion": 1.2}', ""), ('{"criterion": "9.9"}', "/criterion")],
)
def test_cells_that_are_about_nothing(cell: str, where: str) -> None:
    report = one(cell)
    assert wrong(report) == [(f"/reports/0/cells/0{where}", "H00.01", None)]
    assert set(got(report)) == {("H00.01", "1.4", "x")}


def test_a_criterion_twice_is_left_out() -> None:
    report = one('{"criterion": "1.4", "inputs": {"x": 2}}')
    assert (wrong(report), got(report)) == ([("/reports/0/cells/1", "H00.01", "1.4")], {})


def test_faults_of_a_report() -> None:
    cell = {"criterion": "1.4", "inputs": {"x": 1}}
    unknown = {"unit": "H99", "cells": [cell]}
    odd = {"unit": "H00.01", "cells": [cell], "note": "x", "facts": {"Nhãn": True, "x" * 300: "y", "Địa chỉ": "\u202e"}}
    report = read(document(unknown, odd, 5, {"unit": 5}, {"unit": "H00.11"}), "a.json")
    assert [item[0] for item in wrong(report)] == [
        "/reports/0/unit",
        "/reports/1/note",
        "/reports/1/facts/Nhãn",
        "/reports/1/facts/" + "x" * 60 + "…",
        "/reports/1/facts/Địa chỉ",
        "/reports/2",
        "/reports/3/unit",
        "/reports/4/cells",
    ]
    assert [unit.unit for unit in report.units] == ["H00.01"]
    assert set(got(report)) == {("H00.01", "1.4", "x")}
    twice = read(document({"unit": "H00.01", "cells": []}, {"unit": "H00.01", "cells": [cell]}), "a.json")
    assert (twice.units, wrong(twice)) == ((), [("/reports/1", "H00.01", None)])
    doubled = b'{"assessment": "thu-2026-h00", "reports": [{"unit": "H00.01", "cells": [], "cells": []}]}'
    assert (read(doubled, "a.json").units, wrong(read(doubled, "a.json"))[0][0]) == ((), "/reports/0/cells")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "phải là một đối tượng"),
        (b'{"assessment": "khac", "reports": []}', "đợt «khac»"),
        (b'{"reports": []}', "/assessment"),
        (b'{"assessment": "thu-2026-h00"}', "/reports"),
        (document(note=1), "/note: trường lạ"),
        (
            b'{"assessment": "khac", "assessment": "thu-2026-h00", "reports": []}',
            "/assessment: trường xuất hiện hai lần",
        ),
        (document()[:-4], "bị cắt ngang"),
        (b'{"a": "\xff"}', "không phải UTF-8"),
        (b"[" * 200_000, "lồng quá sâu"),
    ],
)
def test_documents_that_cannot_be_used_at_all(body: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        read(body, "so-lieu.json")


def test_what_json_has_not_is_called_by_its_name() -> None:
    assert "NaN và Infinity không phải số" in one('{"criterion": "1.2", "inputs": {"p": NaN}}').problems[0].message
