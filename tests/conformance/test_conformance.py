"""The suite is proven on connectors broken on purpose: each is caught by exactly the rule it breaks.

The good connector is the scaffold's; a broken one is the same text with one thing changed.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest import conformance
from dti_pipeline.harvest.conformance import Report, check, check_subject
from dti_pipeline.harvest.conformance.cases import load_cases
from dti_pipeline.harvest.conformance.rules import RULES, Subject
from dti_pipeline.harvest.discovery import connector_names
from dti_pipeline.harvest.model import Manifest, Site
from dti_pipeline.harvest.scaffold import new_connector

ROOT = Path(__file__).resolve().parents[2]
NAME = "tap_duot"
SITE = Site(
    name="thuc-hanh",
    connector=NAME,
    base_url="https://nguon.example",
    province="H00",
    options={"path": "/figures"},
)
DECLARED = (
    '{"total": "/total", "rows": "/items", '
    '"parent_row": {"code": "H00", "name": "UBND tỉnh Thực Hành", "due": 17, "done": 9}, '
    '"other_side": {"code": "H00.01", "name": "Sở Thử Nghiệm", "due": 12, "done": 9}}'
)

Change = tuple[str, str, str]
"""(file beneath the connector's folder, text there, text instead)."""

CONNECTOR, FIRST = "connector.py", "recorded/first"
PARSED = 'data = as_object(json_of(snapshot), "")'
ROW = "row = as_object(item, at)"
VALUE = "value=value, unit_code"
TOTAL = 'if notes.number(data, "total", "").value != len(items):'
ASK = 'yield Request("GET", path,'
STATE = ("FIELDS = {", "SEEN: list[int] = []\nFIELDS = {")
NOTE = (
    "Written by the scaffold for a source that does not exist. Say here which facts about the interface are official,\n"
    "  which were seen in somebody else's program, and which are guesses."
)


def in_code(old: str, new: str) -> Change:
    return (CONNECTOR, old, new)


def first_of_all(test: str, then: str) -> Change:
    """Before the answer is parsed: where `test` holds, `then`."""
    return in_code(PARSED, f"if {test}:\n            {then}\n        {PARSED}")


def row_as(expression: str) -> Change:
    """A row changed before it is looked at."""
    return in_code(ROW, f"{ROW}\n            row = {{{expression} for key, value in row.items()}}")


def instead_of(kind: str, test: str, then: str) -> Change:
    """Where the answer is refused with a kind of failure and `test` holds, `then`."""
    caught = f"except SourceFailure as failure:\n            if failure.kind is FailureKind.{kind} and {test}:"
    return in_code(PARSED, f"try:\n            {PARSED}\n        {caught}\n                {then}\n            raise")


def refuse(kind: str) -> str:
    return f'raise SourceFailure(FailureKind.{kind}, "sai") from None'


BROKEN: dict[str, list[Change]] = {
    "expected": [in_code(ROW, f'{ROW}\n            if row.get("name") == "Sở Tập Dượt":\n                continue')],
    "pure": [
        in_code(*STATE),
        in_code(
            "notes = Notes()",
            "notes = Notes()\n        if b'\\n' in snapshot.body:  # only the file as recorded\n"
            "            SEEN.append(1)\n            if len(SEEN) % 2:\n                notes.warn('lần lẻ', '')",
        ),
    ],
    "locators": [
        in_code("state, locator, value=value", 'state, f"/rang{locator}", value=value'),
        (f"{FIRST}/expected.json", '"/items/', '"/rang/items/'),
    ],
    "bounds": [("manifest.yaml", f"{NAME}_done: {{min: 0,", f"{NAME}_done: {{min: 5,")],
    "evidence": [("manifest.yaml", NOTE, "đoán")],
    "error_body": [in_code('data.get("items")', 'data.get("items", [])'), in_code('if "error" in data:', "if False:")],
    "block_page": [instead_of("BLOCKED", "snapshot.status == 200", refuse("WRONG_SHAPE"))],
    "login_page": [instead_of("AUTH_FAILED", "snapshot.status == 200", "return Reading()")],
    "created": [first_of_all("snapshot.status == 201", "return Reading()")],
    "json_string": [first_of_all("isinstance(json_of(snapshot), str)", "return Reading()")],
    "empty_list": [first_of_all("json_of(snapshot) == []", "return Reading()")],
    "null_zero_missing": [row_as("key: Decimal(0) if value is None else value")],
    "text_numbers": [row_as("key: None if isinstance(value, str) and value.isdigit() else value")],
    "swallowed": [row_as('key: Decimal(0) if value == "không rõ" else value')],
    "shape": [in_code(PARSED, f'{PARSED}\n        data = {{k.removesuffix("_v2"): part for k, part in data.items()}}')],
    "new_field": [in_code('notes.audit(row, at, {"code", "name", *FIELDS})', "pass")],
    "identifier_case": [row_as("key.lower(): None if key.isupper() else value")],
    "page_cap": [in_code(TOTAL, "if False:")],
    "moments": [
        in_code("period = Period(", 'at = int(data.get("at", 0))\n        _ = Period('),
        in_code(
            "        notes = Notes()",
            "        day = dt.date(1970, 1, 1) + dt.timedelta(seconds=at)\n"
            "        period = Period(day, day)\n        notes = Notes()",
        ),
        in_code('{"total", "items"}', '{"total", "items", "at"}'),
        (f"{FIRST}/body.json", '{"total": 2,', '{"at": 1767225600, "total": 2,'),
    ],
    "auth_refused": [instead_of("BLOCKED", "snapshot.status == 403", refuse("HTTP_STATUS"))],
    "server_error": [instead_of("HTTP_STATUS", "snapshot.status == 503", refuse("HTTP_STATUS"))],
    "secrets": [in_code(ASK, f'{ASK} headers={{"Authorization": "Bearer 1"}},')],
    "both_sides": [in_code(VALUE, f"value=value and value * sum(i.get('code') == code for i in items), {VALUE[13:]}")],
    "parent_child": [
        in_code(VALUE, f"value=value and value * (1 + any(i.get('code') == 'H00' for i in items)), {VALUE[13:]}")
    ],
    "code_spelling": [in_code("unit_code=code)", 'unit_code=code if code.startswith("H") else "H00.99")')],
    "empty_feed": [in_code(TOTAL, f"{TOTAL[:-1]} and items:"), in_code("if not items:", "if False:")],
    "content_type": [
        first_of_all('"html" in snapshot.header("content-type") and b"items" in snapshot.body', "return Reading()")
    ],
    "truncated": [instead_of("TRUNCATED", "True", "return Reading()")],
    "empty_body": [first_of_all("not snapshot.body and snapshot.status == 200", "return Reading()")],
    "plan_pure": [
        in_code(*STATE),
        in_code(ASK, f"SEEN.append(1)\n        {ASK}"),
        in_code('"to": window.end.isoformat()}', '"to": window.end.isoformat(), "n": str(len(SEEN))}'),
    ],
    "plan_options": [in_code("site.options.keys() - OPTIONS", "set[str]()")],
    "plan_paths": [in_code(ASK, 'yield Request("GET", f"{path}?all=1",')],
}


def report(folder: Path, changes: list[Change]) -> Report:
    """The suite's report on the scaffold's connector with these changes."""
    for package in ("connectors", "dti_pipeline"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    new_connector(NAME, folder)
    home = folder / "connectors" / NAME
    (home / FIRST / "faults.json").write_text(DECLARED, encoding="utf-8")
    changes = [in_code("import datetime as dt", "import datetime as dt\nfrom decimal import Decimal"), *changes]
    for name, old, new in changes:
        text = (home / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        (home / name).write_text(text.replace(old, new), encoding="utf-8")
    return inspect(home)


def inspect(home: Path) -> Report:
    spec = importlib.util.spec_from_file_location("broken_connector", home / CONNECTOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    data: dict[str, Any] = yaml.safe_load((home / "manifest.yaml").read_text(encoding="utf-8"))
    manifest = Manifest.model_validate(data)
    return check_subject(Subject(module.CONNECTOR, manifest, load_cases(home / "recorded"), (SITE,)))


def failed(found: Report) -> dict[str, str]:
    return {item.rule: item.sees for item in found.failed}


def test_the_good_connector_passes_every_rule_that_can_apply(tmp_path: Path) -> None:
    found = report(tmp_path, [])
    assert failed(found) == {}
    assert {item.rule for item in found.verdicts if item.status == "not_applicable"} == {"retention", "moments"}
    assert all(item.sees for item in found.verdicts)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_connector_broken_on_purpose_is_caught_by_exactly_its_rule(rule: str, tmp_path: Path) -> None:
    assert set(failed(report(tmp_path, BROKEN[rule]))) == {rule}


def test_every_rule_has_a_connector_that_breaks_it(tmp_path: Path) -> None:
    """`retention` throws nothing by itself: a recorded case holds it, and `expected` holds the case."""
    found = report(tmp_path, [])
    assert len(found.verdicts) == len(RULES) + len(conformance.KIT)
    assert {item.rule for item in found.verdicts if item.status != "kit"} == {*BROKEN, "retention"}


def test_a_fault_that_only_a_case_can_hold_is_held_by_naming_it(tmp_path: Path) -> None:
    proves = (f"{FIRST}/faults.json", '{"total"', '{"proves": {"retention": "khoảng trống được báo"}, "total"')
    told = {item.rule: (item.status, item.sees) for item in report(tmp_path, [proves]).verdicts}
    assert told["retention"] == ("held", "first: khoảng trống được báo")


def test_a_rule_that_cannot_apply_says_why(tmp_path: Path) -> None:
    without = (f"{FIRST}/faults.json", '{"total"', '{"not_applicable": {"created": "nguồn chỉ trả 200"}, "total"')
    told = {item.rule: (item.status, item.sees) for item in report(tmp_path, [without]).verdicts}
    assert told["created"] == ("not_applicable", "nguồn chỉ trả 200")


@pytest.mark.parametrize("test", [test for _, _, _, test in conformance.KIT])
def test_what_the_kit_holds_is_proven_by_a_test_that_exists(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_report_is_a_table_and_plain_data(tmp_path: Path) -> None:
    found = report(tmp_path, BROKEN["created"])
    rows = {row[0]: row for row in found.table()}
    assert all(len(row) == len(conformance.HEADER) for row in rows.values())
    assert rows["created"][2] == "KHÔNG ĐẠT"
    assert found.as_dict()["is_good"] is False
    assert found.as_dict()["connector"] == NAME


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("request.json", '{"method": "GET", "url": "/x"}', "not ['url']"),
        ("expected.json", '{"failed": "blocked"}', 'or {"failure": kind}'),
        ("expected.json", '[{"metric": "a", "amount": 1}]', "unknown keys ['amount']"),
        ("faults.json", '{"rows": "/items", "row": 1}', "Extra inputs"),
        ("body.txt", "x", "needs exactly one file body"),
        ("request.json", "{", "request.json: "),
    ],
)
def test_a_case_that_cannot_be_loaded_says_which_and_why(file: str, text: str, words: str, tmp_path: Path) -> None:
    report(tmp_path, [])
    home = tmp_path / "connectors" / NAME / "recorded"
    (home / "first" / file).write_text(text, encoding="utf-8")
    with pytest.raises(DataFileError, match=re.escape("recorded/first: ")) as caught:
        load_cases(home)
    assert words in str(caught.value)


@pytest.mark.parametrize(("kind", "rules"), [("source_error", set()), ("blocked", {"expected"})])
def test_a_case_may_expect_a_failure(kind: str, rules: set[str], tmp_path: Path) -> None:
    changes = [
        (f"{FIRST}/body.json", '{"total"', '{"error": "x", "total"'),
        (f"{FIRST}/expected.json", "[\n", f'{{"failure": "{kind}"}}'),
    ]
    home = tmp_path / "connectors" / NAME
    try:
        found = report(tmp_path, changes)
    except DataFileError:  # the rest of the list is still behind it
        (home / FIRST / "expected.json").write_text(f'{{"failure": "{kind}"}}', encoding="utf-8")
        found = inspect(home)
    assert set(failed(found)) == rules


def test_a_figure_that_nobody_expects_is_too_many(tmp_path: Path) -> None:
    last = (
        f',\n  {{"metric": "{NAME}_done", "unit": "H00.02", "state": "harvested", "value": "0", '
        '"locator": "/items/1/done"}'
    )
    (told,) = failed(report(tmp_path, [(f"{FIRST}/expected.json", last, "")])).items()
    assert told == ("expected", f"first: thừa 1 số liệu, đầu tiên: {NAME}_done của H00.02 tại /items/1/done")


def test_notes_of_a_connector_travel_with_the_request_and_the_rest_came_with_the_answer(tmp_path: Path) -> None:
    report(tmp_path, [])
    home = tmp_path / "connectors" / NAME / "recorded"
    asked = '{"path": "/a", "headers": {"DTI-Unit": "H00.01", "Content-Type": "text/csv"}}'
    (home / "first" / "request.json").write_text(asked, encoding="utf-8")
    (case,) = load_cases(home)
    assert dict(case.snapshot.request.headers) == {"DTI-Unit": "H00.01"}
    assert dict(case.snapshot.headers) == {"Content-Type": "text/csv"}


def test_a_connector_that_redacts_reads_what_is_kept(tmp_path: Path) -> None:
    redact = (
        "    def redact(self, snapshot: Snapshot) -> Redacted:\n"
        '        return Redacted(snapshot.body.replace("Sở Thử Nghiệm".encode(), b"x"), ("name",))\n\n'
    )
    changes = [
        in_code("    def read(", f"{redact}    def read("),
        in_code("    Reading,\n", "    Reading,\n    Redacted,\n"),
        (f"{FIRST}/expected.json", '"unit": "H00.01",', '"unit": "H00.01", "unit_name": "x",'),
    ]
    assert failed(report(tmp_path, changes)) == {}


@pytest.mark.parametrize("name", connector_names())
def test_every_connector_conforms(name: str) -> None:
    assert failed(check(name)) == {}
