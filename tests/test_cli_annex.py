"""`dti frameworks export|import`: an annex out and in again through the command line, and what keeps one out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from dti_pipeline import cli
from dti_pipeline.frameworks.loader import DATA, load_framework, read_framework


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Dti = Callable[..., Answer]


@pytest.fixture
def dti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    for name in [name for name in os.environ if name.startswith("DTI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DTI_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["dti", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Answer(int(stop.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(autouse=True)
def files_stay() -> object:
    """No command of these tests may touch the framework files that come with the project."""
    before = {path: path.read_bytes() for path in DATA.glob("*.yaml")}
    yield
    assert {path: path.read_bytes() for path in DATA.glob("*.yaml")} == before


@pytest.mark.parametrize("kind", ["xlsx", "csv", "docx", "html"])
def test_annex_iv_comes_back_as_the_same_framework(dti: Dti, tmp_path: Path, kind: str) -> None:
    annex = tmp_path / f"phu-luc-iv.{kind}"
    assert dti("frameworks", "export", "ninh-thuan-2021", "--format", kind, "--out", annex).code == 0
    again = tmp_path / "ninh-thuan-2021.yaml"
    answer = dti("frameworks", "import", annex, "--framework", "ninh-thuan-2021", "--out", again)
    assert answer.code == 0, answer.err
    assert read_framework(again) == load_framework("ninh-thuan-2021")


def test_an_annex_without_machine_columns_says_which_rows_a_person_must_see_to(dti: Dti, tmp_path: Path) -> None:
    annex = tmp_path / "a.html"
    dti("frameworks", "export", "ninh-thuan-2021", "--format", "html", "--out", annex, "--official-only")
    answer = dti("frameworks", "import", annex, "--framework", "ninh-thuan-2021", "--check", "--json")
    assert answer.code == 0
    data = json.loads(answer.out)
    assert data["written"] is None
    manual = {row["code"] for row in data["rows"] if row["reading"] == "manual"}
    assert len(manual) == 22
    assert "1.1.1" in manual  # two conditions overlap: no formula may be guessed from it


def test_a_sum_off_by_a_half_keeps_everything_as_it_was(dti: Dti, tmp_path: Path) -> None:
    annex = tmp_path / "a.csv"
    dti("frameworks", "export", "ninh-thuan-2021", "--format", "csv", "--out", annex)
    text = annex.read_text(encoding="utf-8-sig")
    line = next(line for line in text.splitlines() if line.startswith(("1.1.2,", "1.1.2;")))
    broken = line.replace(",2,", ',"1,5",', 1) if ",2," in line else line.replace(";2;", ";1,5;", 1)
    assert broken != line
    annex.write_text(text.replace(line, broken), encoding="utf-8")
    out = tmp_path / "ninh-thuan-2021.yaml"
    answer = dti("frameworks", "import", annex, "--framework", "ninh-thuan-2021", "--out", out)
    assert answer.code == 2
    assert not out.exists()
    told = [line for line in answer.err.splitlines() if line.startswith("a.csv") or "dòng" in line]
    assert any("12" in line and "11,5" in line for line in told), answer.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("export", "hue-2024", "--level", "commune", "--format", "pdf"), "--format is one of"),
        (("export", "hue-2024", "--level", "province"), "has no level «province»"),
        (("import", "khong-co.xlsx", "--framework", "hue-2024", "--level", "commune"), "khong-co.xlsx"),
        (("import", "khong-co.xlsx", "--framework", "no-such"), "no framework «no-such»"),
    ],
)
def test_a_wrong_request_is_one_message(dti: Dti, arguments: tuple[str, ...], told: str) -> None:
    answer = dti("frameworks", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert told in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_a_working_annex_stays_one_when_it_goes_out_and_in(dti: Dti, tmp_path: Path) -> None:
    annex = tmp_path / "a.xlsx"
    dti("frameworks", "export", "hue-2024", "--level", "commune", "--out", annex)
    out = tmp_path / "hue-2024.yaml"
    answer = dti("frameworks", "import", annex, "--framework", "hue-2024", "--level", "commune", "--out", out)
    assert answer.code == 0, answer.err
    assert read_framework(out).level("commune").basis == "working"
