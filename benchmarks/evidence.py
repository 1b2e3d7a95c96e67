"""Taking in self-reports: what reading costs beside only opening the same workbooks.

Here: 160 workbooks of 75 input rows, as the template gives them and a unit fills them, read through `read_report`
(unpacking, checks, sheets, values, problems) and, in the same run, opened with openpyxl (read-only, values only, every
row of every sheet). The aim is at most three times that. Run: `python benchmarks/evidence.py [--quick]`. Not here:
tests of correctness (`tests/evidence`), mutated files (`evidence_fuzz.py`).
"""

from __future__ import annotations

import argparse
import gc
import io
import random
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import openpyxl
import xlsxwriter

from dti_pipeline.evidence.reading import read_report
from dti_pipeline.evidence.workbook.layout import META_KEYS, load_layout
from dti_pipeline.frameworks.assessment import Assessment
from dti_pipeline.frameworks.model import Criterion, Framework, LevelName
from dti_pipeline.scoring.engine import UnitRef

SEED = 20261122
WORKBOOKS, ROWS, AIM = 160, 75, 3.0


def framework(rows: int) -> Framework:
    """One level of departments: criteria of two counts, and a last one of a single count where the rows are odd."""
    criteria = [_criterion(number, min(2, rows - 2 * number)) for number in range((rows + 1) // 2)]
    node = {"code": "A", "kind": "group", "name": "Nhóm", "criteria": criteria}
    level = {"level": "department", "name": "Cấp sở", "basis": "decision", "stated": {}, "nodes": [node]}
    return Framework.model_validate(
        {
            "id": "do-toc-do",
            "decision": {"number": "01/QĐ-UBND", "issued_on": "2026-01-01", "issuer": "UBND", "title": "Bộ chỉ số"},
            "province": "H00",
            "window": "year",
            "levels": [level],
        }
    )


def _criterion(number: int, inputs: int) -> Criterion:
    specs = [{"name": name, "label": f"Số hồ sơ {name} của tiêu chí {number}", "kind": "count"} for name in "ab"]
    return Criterion.model_validate(
        {
            "code": f"1.{number + 1}", "printed_code": f"1.{number + 1}", "name": f"Tiêu chí số {number + 1}",
            "max_points": Decimal(10), "rule": "Điểm = b/a × điểm tối đa", "clause": f"mục 1.{number + 1}",
            "formula": "b / a * max" if inputs == 2 else "min(a, max)", "inputs": specs[:inputs],
        }
    )  # fmt: skip


def workbook(assessment: Assessment, decision: Framework, unit: str, rng: random.Random) -> bytes:
    """A filled workbook with all columns of the layout, formulas with results, merged cells and the hidden sheet."""
    layout = load_layout()
    at = {column.key: place for place, column in enumerate(layout.columns)}
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    facts, scores, meta = (book.add_worksheet(getattr(layout.sheets, name)) for name in ("facts", "scores", "meta"))
    for row, fact in enumerate(layout.facts):
        facts.write_string(row, 0, fact.label)
        facts.write_string(row, 1, unit if fact.key == "unit_code" else f"Nội dung {row}")
    values = {"schema": layout.schema_name, "assessment": assessment.id, "framework": decision.id, "unit": unit,
              "level": "department"}  # fmt: skip
    for row, key in enumerate(META_KEYS):
        meta.write_string(row, 0, key)
        meta.write_string(row, 1, values.get(key, ""))
    meta.very_hidden()
    for place, column in enumerate(layout.columns):
        scores.write_string(0, place, column.heading)
    row = 1
    for criterion in decision.level("department").criteria:
        last = row + len(criterion.inputs) - 1
        texts = {"code": criterion.printed_code, "name": criterion.name, "rule": criterion.rule,
                 "explanation": f"Giải trình {rng.randrange(10**6)}", "evidence": f"tai-lieu-{row}.pdf",
                 "pages": "2-5"}  # fmt: skip
        for key, text in texts.items():
            place = at[key]  # type: ignore[index]
            if last > row:
                scores.merge_range(row, place, last, place, "")
            scores.write_string(row, place, text)
        scores.write_number(row, at["max_points"], 10)
        scores.write_formula(row, at["self_score"], f"=R{row + 1}", None, 7.5)
        scores.write_formula(row, at["raw"], f"=Q{row + 1}", None, 7.5)
        for spec in criterion.inputs:
            scores.write_string(row, at["key"], criterion.code)
            scores.write_string(row, at["symbol"], spec.name)
            scores.write_string(row, at["label"], spec.label)
            scores.write_string(row, at["source"], "Cổng dịch vụ công, đêm 15/10/2026")
            number = rng.randrange(1, 10**5)
            scores.write_number(row, at["automatic"], number)
            scores.write_number(row, at["value"], number)
            scores.write_formula(row, at["effective"], f"=J{row + 1}", None, number)
            row += 1
    book.close()
    return out.getvalue()


def only_open(body: bytes) -> int:
    """Every value of every sheet, as openpyxl gives them; how many are not empty."""
    book = openpyxl.load_workbook(io.BytesIO(body), read_only=True, data_only=True)
    count = sum(
        value is not None for sheet in book.worksheets for row in sheet.iter_rows(values_only=True) for value in row
    )
    book.close()
    return count


def seconds(work: Callable[[bytes], Any], bodies: Sequence[bytes]) -> float:
    gc.collect()
    start = time.perf_counter()
    for body in bodies:
        work(body)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="a tenth of the workbooks")
    count = WORKBOOKS // 10 if parser.parse_args().quick else WORKBOOKS
    decision = framework(ROWS)
    assessment = Assessment(id="do-toc-do-h00", framework="ninh-thuan-2021", year=2026, provinces=("H00",))
    codes = [f"H00.{number:03d}" for number in range(1, count + 1)]
    units: dict[str, tuple[UnitRef, LevelName]] = {code: (UnitRef(code, "Nội dung 0"), "department") for code in codes}
    rng = random.Random(SEED)
    bodies = [workbook(assessment, decision, code, rng) for code in codes]

    def read(body: bytes) -> None:
        report = read_report(body, "bieu.xlsx", assessment, decision, units)
        inputs = sum(len(cell.inputs) for cell in report.units[0].cells)
        if inputs != ROWS or report.problems:
            raise SystemExit(f"{inputs} inputs, {report.problems[:3]}")

    read(bodies[0])
    only_open(bodies[0])
    # Twice each and by turns, so that what else the machine does falls on both.
    opened, ours = 0.0, 0.0
    for _ in range(2):
        opened += seconds(only_open, bodies)
        ours += seconds(read, bodies)
    packed = sum(map(len, bodies))
    unpacked = sum(part.file_size for body in bodies for part in zipfile.ZipFile(io.BytesIO(body)).infolist())
    print(f"{count} workbooks, {count * ROWS:,} rows, {packed / 1e6:.1f} MB packed, {unpacked / 1e6:.1f} MB unpacked")
    print(f"only opened (openpyxl, read-only, values): {opened / 2:.2f} s")
    print(f"read_report:                               {ours / 2:.2f} s")
    print(f"ratio {ours / opened:.2f} (aim: at most {AIM:g})")
    return 0 if ours <= AIM * opened else 1


if __name__ == "__main__":
    sys.exit(main())
