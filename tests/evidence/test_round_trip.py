"""The whole way of a workbook: template, filled by openpyxl, calculated and saved by LibreOffice, handed in, stored."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from intake_kit import BRVT, ONE, installation
from small_installation import command_line
from workbook_cases import fill, office, recalculated

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.scoring.engine import InputValue, parse_value, score_cell
from dti_pipeline.scoring.states import CellState, InputState

HERE = ("--assessment", BRVT)
NUMBERS = {"a": "40", "b": "30"}
"""What is filled in for an input of that name; others have 3."""
ASKED, CITED, BLANK = "1.1", "1.2", "2.4"


def test_what_was_filled_in_is_what_is_stored_with_the_points_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    office()
    home = installation(tmp_path / "home").settings.home
    dti = command_line(home, monkeypatch, capsys)
    level = load_framework("brvt-2022").level("department")
    filled: dict[tuple[str, str], str] = {}
    for criterion in level.criteria:
        for number, spec in enumerate(criterion.inputs):
            plain = {"percent": "66.67", "number": f"12.{number + 3}"}.get(spec.kind)
            filled[criterion.code, spec.name] = (
                spec.option_values[0] if spec.options else plain or NUMBERS.get(spec.name, "3")
            )
    del filled[BLANK, "fields"]
    (item,) = dti("evidence", "template", *HERE, "--unit", ONE, "--out", tmp_path, "--json").data
    written = {key: value if value[0].isalpha() else Decimal(value) for key, value in filled.items()}
    texts = {
        (ASKED, "request"): "Không có xã trực thuộc", (CITED, "evidence"): "báo cáo.pdf; b.png",
        (CITED, "pages"): "2-5, 8; 1", (CITED, "explanation"): "- Theo báo cáo quý III",
    }  # fmt: skip
    body = fill(Path(item["file"]).read_bytes(), level, written, texts)  # type: ignore[arg-type]
    (tmp_path / "nop.xlsx").write_bytes(recalculated({"nop": body}, tmp_path / "office")["nop"])
    answer = dti("evidence", "submit", tmp_path / "nop.xlsx", *HERE)
    assert (answer.code, "LỖI" in answer.out) == (0, False), answer.out

    (row,) = dti("evidence", "list", *HERE, "--json").data
    cells = {cell["criterion"]: cell for cell in dti("evidence", "show", row["id"], *HERE, "--json").data["cells"]}
    stored = {
        (code, item["name"]): item["value"]
        for code, cell in cells.items()
        for item in cell["inputs"]
        if item["state"] == "reported"
    }
    assert stored == filled
    assert cells[ASKED]["not_applicable"] == "Không có xã trực thuộc"
    assert cells[CITED]["explanation"] == "- Theo báo cáo quý III"
    assert cells[CITED]["evidence"] == [["báo cáo.pdf", "2-5, 8"], ["b.png", "1"]]

    scored = 0
    policies = load_framework("brvt-2022").policies_of(level)
    for criterion in level.criteria:
        inputs = {
            ("u", criterion.code, spec.name): InputValue(InputState.REPORTED, parse_value(spec, filled[key]))
            for spec in criterion.inputs
            if (key := (criterion.code, spec.name)) in filled
        }
        cell = score_cell(policies, criterion, "u", inputs)
        own = cells[criterion.code]["self_score"]
        if cell.state is CellState.SCORED:
            assert cell.points is not None
            assert abs(Fraction(own) - cell.points) < Fraction(1, 10**9), criterion.code
            scored += 1
        else:
            assert own is None, criterion.code
    assert scored > len(level.criteria) - 5
