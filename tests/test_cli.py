"""The command line as others call it: keys of every `--json`, exit codes, and nothing but JSON on stdout.

Not here: the commands that run or read nights (`night`, `rankings`, `explain`, `demo`), which have tests of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dti_pipeline import cli
from dti_pipeline.frameworks.loader import DATA

FIXTURES = Path(__file__).parent / "fixtures" / "dvcqg766"
PHU_THO = "019d2be3-6a88-732b-8b17-b68020c8553a"
HEAVY = {"dagster", "pandas", "polars", "great_expectations", "sqlmodel", "sqlalchemy", "pandera"}


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """All of stdout as one JSON document."""
        return json.loads(self.out)


Dti = Callable[..., Answer]


@pytest.fixture
def dti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dti:
    """Runs `dti …` in this process, in an empty installation."""
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
        assert isinstance(stop.value.code, int)
        return Answer(stop.value.code, captured.out, captured.err)

    return run


def done(answer: Answer) -> Any:
    assert answer.code == 0, answer.err
    return answer.data


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- start ---


def test_help_answers_without_heavy_libraries() -> None:
    code = (
        "import json, runpy, sys\n"
        "sys.argv = ['dti', '--help']\n"
        "try:\n"
        "    runpy.run_module('dti_pipeline.cli', run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    for command in ("frameworks", "score", "rank", "connectors", "night", "explain", "rankings"):
        assert command in done.stdout
    loaded = {name.split(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_the_module_runs_as_a_program_whatever_the_locale() -> None:
    command = [sys.executable, "-m", "dti_pipeline.cli", "frameworks", "list", "--json"]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, check=True, timeout=60, env=environment)  # noqa: S603
    assert "Ninh Thuận" in done.stdout.decode("utf-8")
    assert done.stderr == b""
    json.loads(done.stdout)


# --- frameworks ---


def test_frameworks_list(dti: Dti) -> None:
    data = done(dti("frameworks", "list", "--json"))
    assert {item["id"] for item in data} >= {"ninh-thuan-2021", "qd766-2022"}
    for item in data:
        assert {"id", "decision", "province", "levels"} <= set(item)
        for level in item["levels"]:
            assert {"level", "main_indicators", "components", "printed_rows", "max_points", "basis"} <= set(level)
    (ninh_thuan,) = (item for item in data if item["id"] == "ninh-thuan-2021")
    (level,) = ninh_thuan["levels"]
    assert (level["level"], level["main_indicators"], level["printed_rows"], level["max_points"], level["basis"]) == (
        "province", 7, 93, "228", "decision",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("framework", "level"),
    [("ninh-thuan-2021", "province"), ("qd766-2022", "province"), ("qd766-2022", "department")],
)
def test_frameworks_show(dti: Dti, framework: str, level: str) -> None:
    data = done(dti("frameworks", "show", framework, "--level", level, "--json"))
    assert {"id", "level", "decimals", "nodes", "criteria"} <= set(data)
    assert (data["id"], data["level"], data["decimals"]) == (framework, level, 2)
    codes = {node["code"] for node in data["nodes"]}
    for node in data["nodes"]:
        assert {"code", "parent", "kind", "name", "max_points"} <= set(node)
        assert node["kind"] in {"pillar", "main", "group", "component", "subcomponent"}
        assert node["parent"] is None or node["parent"] in codes
        assert isinstance(node["max_points"], str)
    keys = {"code", "printed_code", "name", "parent", "max_points", "formula", "inputs", "basis", "clause", "notes"}
    for criterion in data["criteria"]:
        assert keys <= set(criterion)
        assert criterion["parent"] in codes
        assert isinstance(criterion["max_points"], str)
        for item in criterion["inputs"]:
            assert {"name", "kind", "metric", "options"} <= set(item)
            assert item["kind"] in {"count", "number", "percent", "option"}
            assert (item["kind"] == "option") == bool(item["options"])


def test_inputs_carry_the_decisions_letters(dti: Dti) -> None:
    data = done(dti("frameworks", "show", "ninh-thuan-2021", "--json"))
    criteria = {item["code"]: item for item in data["criteria"]}
    assert [item["name"] for item in criteria["5.8"]["inputs"]] == ["a", "b", "c"]
    assert {item["name"] for item in criteria["1.1.3"]["inputs"]} == {"a", "b", "c", "d", "e"}
    assert criteria["1.1.3-2"]["printed_code"] == "1.1.3"


def test_frameworks_lint(dti: Dti) -> None:
    everything = done(dti("frameworks", "lint", "--json"))
    one = done(dti("frameworks", "lint", "ninh-thuan-2021", "--json"))
    for finding in everything:
        assert {"severity", "framework", "level", "code", "clause", "rule", "message", "what", "why"} <= set(finding)
    assert one == [finding for finding in everything if finding["framework"] == "ninh-thuan-2021"]
    assert all(finding["what"] and finding["why"] for finding in everything)
    assert {finding["framework"] for finding in everything} >= {
        "bac-giang-2022", "brvt-2022", "hue-2024", "ninh-thuan-2021", "phu-tho-2018", "qd766-2022"
    }  # fmt: skip
    assert {"duplicate-code", "missing-code", "tiers-overlap", "can-exceed-max", "shared-maximum"} <= {
        finding["rule"] for finding in one
    }


def test_a_formula_above_its_maximum_is_told_with_file_and_line(dti: Dti, tmp_path: Path) -> None:
    text = (DATA / "ninh-thuan-2021.yaml").read_text(encoding="utf-8")
    wrong = text.replace('formula: "min(documents * 0.2, max)"', 'formula: "documents * 0.2"', 1)
    assert wrong != text
    file = write(tmp_path / "ninh-thuan-2021.yaml", wrong.rstrip())
    answer = dti("frameworks", "lint", file, "--json")
    assert answer.code == 1
    assert any(f["rule"] == "can-exceed-max" and f["severity"] == "error" for f in answer.data)
    line = next(n for n, row in enumerate(wrong.splitlines(), start=1) if 'code: "1.1.2"' in row)
    (told,) = answer.err.strip().splitlines()
    assert told.startswith(f"ninh-thuan-2021.yaml:{line}: province, 1.1.2: ")


@pytest.mark.parametrize("command", [("list",), ("show", "ninh-thuan-2021"), ("lint",)])
def test_frameworks_for_people(dti: Dti, command: tuple[str, ...]) -> None:
    answer = dti("frameworks", *command)
    assert (answer.code, answer.err) == (0, "")
    assert "ninh-thuan-2021" in answer.out or "562/KH-UBND" in answer.out


# --- score and rank ---

UNIT_KEYS = {
    "unit", "name", "standing", "standing_reason", "total", "max_points", "percent", "basis", "published", "printed",
    "level_published", "provisional", "rank", "pool", "rank_in_pool", "rating", "rating_reason", "criteria",
}  # fmt: skip
CELL_KEYS = {"code", "points", "max_points", "state", "reason"}
INPUTS = "unit,unit_name,criterion,input,value,state"
POINTS = "unit,unit_name,criterion,points,state"
PRACTICE = "tỉnh Thực Hành (đơn vị hư cấu)"


def has_result_keys(data: Any) -> None:
    assert {"framework", "level", "units", "notes"} <= set(data)
    for unit in data["units"]:
        assert set(unit) >= UNIT_KEYS
        assert all(isinstance(unit[key], str) for key in ("total", "max_points", "percent", "published"))
        for cell in unit["criteria"]:
            assert set(cell) >= CELL_KEYS
            assert cell["points"] is None or isinstance(cell["points"], str)
            assert isinstance(cell["max_points"], str)


def test_score_ninh_thuan(dti: Dti, tmp_path: Path) -> None:
    file = write(
        tmp_path / "nhap.csv",
        INPUTS,
        f"H00,{PRACTICE},1.1.1,column,yes,reported",
        f"H00,{PRACTICE},1.1.1,days,10,reported",
        f"H00,{PRACTICE},5.8,a,100,harvested",
        f"H00,{PRACTICE},5.8,b,30,harvested",
        f"H00,{PRACTICE},5.8,c,50,harvested",
        f"H00,{PRACTICE},5.9,a,10,reported",
        f"H00,{PRACTICE},5.9,b,3,reported",
        f"H00,{PRACTICE},5.9,c,20,reported",
        f"H00,{PRACTICE},5.9,d,4,reported",
        f"H00,{PRACTICE},4.1.2,a,100,reported",
        f"H00,{PRACTICE},5.1.1,a,,unavailable",
        f"H00,{PRACTICE},5.1.1,b,3,reported",
    )
    data = done(dti("score", "ninh-thuan-2021", "--level", "province", "--inputs", file, "--json"))
    has_result_keys(data)
    assert (data["framework"], data["level"]) == ("ninh-thuan-2021", "province")
    assert data["notes"]
    (unit,) = data["units"]
    cells = {cell["code"]: cell for cell in unit.pop("criteria")}
    assert len(cells) == 91
    # 3/2 + (3/2 + 5) + (7/30) / (7/10) * 10 + 100/119 * 3 = 8 + 10/3 + 300/119 = 13.8543417…, of 228.
    assert unit == {
        "unit": "H00", "name": PRACTICE, "total": "13.854342", "max_points": "228", "percent": "6.076466",
        "published": "13.85", "provisional": True, "rank": 1, "pool": "province", "rank_in_pool": 1, "rating": None,
        "rating_reason": None, "standing": "ranked", "standing_reason": None, "basis": "points", "printed": "13.85",
        "level_published": "13.85",
    }  # fmt: skip
    expected = {"1.1.1": "1.5", "5.8": "6.5", "5.9": "3.333333", "4.1.2": "2.521008"}
    assert {code: cells[code]["points"] for code in expected} == expected
    assert {cells[code]["state"] for code in expected} == {"scored"}
    assert (cells["5.1.1"]["state"], cells["5.1.1"]["points"]) == ("unavailable", None)
    assert {cells[code]["state"] for code in cells.keys() - expected.keys() - {"5.1.1"}} == {"pending"}


def test_score_qd766(dti: Dti, tmp_path: Path) -> None:
    def lines(unit: str, name: str, *given: tuple[str, str, str]) -> list[str]:
        return [f"{unit},{name},{code},{item},{value},harvested" for code, item, value in given]

    file = write(
        tmp_path / "nhap.csv",
        INPUTS,
        *lines(
            "H00.01", "Sở Thực Hành Một",
            ("DOSSIER_ON_TIME", "on_time", "2"), ("DOSSIER_ON_TIME", "received", "3"),
            ("ONLINE_PAYMENT", "pay_ok", "1"), ("ONLINE_PAYMENT", "fin_obl", "3"),
            ("ONLINE_PAYMENT", "fee_paid", "1"), ("ONLINE_PAYMENT", "fee_dossiers", "2"),
            ("ONLINE_PAYMENT", "fee", "7"),
            ("ONLINE_SERVICE_PROVISION", "s", "7.5"),
            ("PUBLISH_ON_TIME", "n", "0"), ("PUBLISH_ON_TIME", "d", "0"),
        ),
        *lines("H00.02", "Sở Thực Hành Hai", ("DOSSIER_ON_TIME", "on_time", "4"), ("DOSSIER_ON_TIME", "received", "3")),
    )  # fmt: skip
    data = done(dti("score", "qd766-2022", "--level", "department", "--inputs", file, "--json"))
    has_result_keys(data)
    first, second = data["units"]
    cells = {cell["code"]: cell for cell in first.pop("criteria")}
    # 13.33 + (2.00 + 0.36 + 0.71) + 7.5; each term of the payment is rounded on its own.
    assert first == {
        "unit": "H00.01", "name": "Sở Thực Hành Một", "total": "23.9", "max_points": "100", "percent": "23.9",
        "published": "23.90", "provisional": True, "rank": 1, "pool": "H00", "rank_in_pool": 1, "rating": None,
        "rating_reason": None, "standing": "ranked", "standing_reason": None, "basis": "points", "printed": "23.90",
        "level_published": "23.90",
    }  # fmt: skip
    assert {code: (cell["points"], cell["state"]) for code, cell in cells.items() if cell["state"] != "pending"} == {
        "DOSSIER_ON_TIME": ("13.33", "scored"),
        "ONLINE_PAYMENT": ("3.07", "scored"),
        "ONLINE_SERVICE_PROVISION": ("7.5", "source_score"),
        "PUBLISH_ON_TIME": (None, "not_applicable"),
    }
    assert (second["total"], second["rank"]) == ("0", 2)
    (wrong,) = (cell for cell in second["criteria"] if cell["code"] == "DOSSIER_ON_TIME")
    assert wrong["state"] == "pending"
    assert "on_time <= received" in wrong["reason"]


def test_rank_ninh_thuan(dti: Dti, tmp_path: Path) -> None:
    file = write(
        tmp_path / "diem.csv",
        POINTS,
        "H00.02,Đơn vị Đông,1.1.2,1.996,scored",
        "H00.03,Đơn vị Dương,1.1.2,2,stale",
        "H00.01,Đơn vị An,1.2.1,0.5,scored",
        "H00.04,Đơn vị Em,1.1.2,2,scored",
        "H00.04,Đơn vị Em,1.2.1,1,source_score",
        "H00.04,Đơn vị Em,1.2.4,3,zero_late",
    )
    data = done(dti("rank", "ninh-thuan-2021", "--points", file, "--json"))
    has_result_keys(data)
    assert [(unit["rank"], unit["name"], unit["published"], unit["total"]) for unit in data["units"]] == [
        (1, "Đơn vị Em", "3.00", "3"),
        (2, "Đơn vị Dương", "2.00", "2"),
        (2, "Đơn vị Đông", "2.00", "1.996"),
        (4, "Đơn vị An", "0.50", "0.5"),
    ]
    cells = {cell["code"]: cell for cell in data["units"][0]["criteria"]}
    assert (cells["1.2.4"]["points"], cells["1.2.4"]["state"]) == ("0", "zero_late")


def test_rank_qd766_in_pools_of_provinces(dti: Dti, tmp_path: Path) -> None:
    file = write(
        tmp_path / "diem.csv",
        POINTS,
        "H00.01,Sở Thực Hành Một,DOSSIER_ON_TIME,20,scored",
        "H00.02,Sở Thực Hành Hai,DOSSIER_ON_TIME,20,scored",
        "H00.03,Sở Thực Hành Ba,DOSSIER_ON_TIME,19.99,scored",
    )
    data = done(dti("rank", "qd766-2022", "--level", "department", "--points", file, "--json"))
    assert [(unit["unit"], unit["rank"], unit["pool"], unit["rank_in_pool"]) for unit in data["units"]] == [
        ("H00.02", 1, "H00", 1),
        ("H00.01", 1, "H00", 1),
        ("H00.03", 3, "H00", 3),
    ]


def test_an_operators_choice_is_asked_for_and_printed(dti: Dti, tmp_path: Path) -> None:
    file = write(
        tmp_path / "diem.csv", POINTS, f"H00,{PRACTICE},1.1.2,2,scored", f"H00,{PRACTICE},1.2.1,,not_applicable"
    )
    command = ("rank", "ninh-thuan-2021", "--points", file, "--json")
    asked = dti(*command)
    assert (asked.code, asked.out) == (2, "")
    assert "not_applicable" in asked.err
    for choice, maximum, published in (("zero", "228", "2.00"), ("rescale", "225", "0.89")):
        data = done(dti(*command, "--not-applicable", choice))
        assert (data["units"][0]["max_points"], data["units"][0]["published"]) == (maximum, published)
        assert any(choice in note for note in data["notes"])
    assert dti(*command, "--not-applicable", "half").code == 2


def test_a_result_for_people(dti: Dti, tmp_path: Path) -> None:
    file = write(tmp_path / "diem.csv", POINTS, f"H00,{PRACTICE},1.1.2,1.5,scored")
    answer = dti("rank", "ninh-thuan-2021", "--points", file)
    assert answer.code == 0
    assert "1,50" in answer.out
    assert "tạm tính" in answer.out


def test_units_are_checked_only_where_asked(dti: Dti, tmp_path: Path) -> None:
    unknown = write(tmp_path / "la.csv", POINTS, "H00.999,Đơn vị lạ,1.1.2,,pending")
    command = ("rank", "ninh-thuan-2021", "--json", "--points")
    assert dti(*command, unknown).code == 0
    answer = dti(*command, unknown, "--registry")
    assert (answer.code, answer.out) == (2, "")
    assert "H00.999" in answer.err
    known = write(tmp_path / "quen.csv", POINTS, "H44,UBND tỉnh Phú Thọ,1.1.2,,pending")
    assert dti(*command, known, "--registry").code == 0


# --- connectors ---


def test_connectors_list(dti: Dti) -> None:
    data = done(dti("connectors", "list", "--json"))
    for item in data:
        assert {"name", "publisher", "metrics", "evidence_strength", "sites"} <= set(item)
    (portal,) = (item for item in data if item["name"] == "dvcqg766")
    assert "qd766_total_score" in portal["metrics"]
    assert portal["sites"] == []


PROGRESS = {
    "method": "POST",
    "url": "https://dichvucong.gov.vn/api/v1/reporting/evaluation/dvc-progress-tree",
    "json": {"rootDepartmentId": PHU_THO, "timeType": "quarter", "year": 2026, "quarter": 3},
}


def read(dti: Dti, tmp_path: Path, body: Path, request: Any) -> Answer:
    asked = tmp_path / "request.json"
    asked.write_text(json.dumps(request), encoding="utf-8")
    return dti("connectors", "read", "dvcqg766", body, "--request", asked, "--json")


def test_connectors_read(dti: Dti, tmp_path: Path) -> None:
    data = done(read(dti, tmp_path, FIXTURES / "dvc-progress-tree.json", PROGRESS))
    assert {"observations", "warnings", "quarantined", "failure"} <= set(data)
    assert data["failure"] is None
    keys = {
        "metric", "unit", "unit_name", "period_start", "period_end", "value", "numerator", "denominator", "state",
        "locator",
    }  # fmt: skip
    assert all(keys <= set(item) for item in data["observations"])
    (received,) = (
        item for item in data["observations"] if (item["metric"], item["unit"]) == ("dossiers_received", "H44")
    )
    assert (received["value"], received["period_start"], received["period_end"], received["state"]) == (
        "464494", "2026-07-01", "2026-09-30", "harvested",
    )  # fmt: skip
    assert (received["unit_name"], received["locator"]) == ("UBND tỉnh Phú Thọ", "/data/parent/totalReceived")
    assert not list(tmp_path.glob(".dti*")), "reading a file stores nothing"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<html><head><title>Request Rejected</title></head><body>support ID 1</body></html>", "blocked"),
        ('{"code":"OK","data":{"parent":', "truncated"),
        ("không phải JSON", "not_json"),
        ('{"code":"OK","data":[]}', "wrong_shape"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_typed_failure_and_exit_1(
    dti: Dti, tmp_path: Path, body: str, kind: str
) -> None:
    answer = read(dti, tmp_path, write(tmp_path / "answer", body), PROGRESS)
    assert answer.code == 1
    assert answer.data["observations"] == []
    failure = answer.data["failure"]
    assert {"kind", "message", "retryable"} <= set(failure)
    assert failure["kind"] == kind
    assert isinstance(failure["retryable"], bool)
    assert failure["message"] in answer.err


def test_any_key_of_a_request_may_be_absent(dti: Dti, tmp_path: Path) -> None:
    answer = read(dti, tmp_path, FIXTURES / "dvc-progress-tree.json", {})
    assert answer.code == 1
    assert answer.data["failure"]["kind"] == "wrong_shape"


@pytest.mark.parametrize(
    ("request_json", "says"),
    [
        ([], "JSON object"),
        ({"verb": "GET"}, "unknown keys: verb"),
        ({"method": "DELETE"}, "GET or POST"),
        ({"params": "a=1"}, "params"),
        ({"url": "http://[nowhere"}, "url"),
    ],
)
def test_a_request_of_the_wrong_shape_is_bad_input(dti: Dti, tmp_path: Path, request_json: Any, says: str) -> None:
    answer = read(dti, tmp_path, FIXTURES / "dvc-progress-tree.json", request_json)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err


# --- bad input ---


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("frameworks", "show", "no-such", "--json"), "no framework «no-such»; known: "),
        (("frameworks", "lint", "no-such", "--json"), "no framework «no-such»"),
        (("frameworks", "show", "qd766-2022", "--json"), "give --level: province, department"),
        (("frameworks", "show", "ninh-thuan-2021", "--level", "commune", "--json"), "no level «commune»"),
        (("score", "ninh-thuan-2021", "--inputs", "absent.csv", "--json"), "absent.csv: cannot be read"),
        (("score", "ninh-thuan-2021", "--inputs", "bad.csv", "--json"), "bad.csv, line 3: "),
        (("score", "ninh-thuan-2021", "--inputs", "bad.csv"), "bad.csv, line 3: "),
        (("rank", "ninh-thuan-2021", "--points", "bad.csv", "--json"), "bad.csv, line 1: "),
        (("score", "ninh-thuan-2021", "--json"), "--inputs"),
        (("connectors", "read", "no-such", "bad.csv", "--request", "request.json", "--json"), "no connector «no-such»"),
        (("connectors", "read", "dvcqg766", "bad.csv", "--request", "bad.csv", "--json"), "not JSON"),
        (("connectors", "run", "dvcqg766", "--site", "x", "--night", "2026-10-15", "--json"), "no site «x»"),
        (("no-such-command",), "no-such-command"),
        (("frameworks", "list", "--xml"), "--xml"),
    ],
)
def test_bad_input_is_exit_2_with_words_on_stderr_only(
    dti: Dti, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    write(
        tmp_path / "bad.csv", INPUTS, f"H00,{PRACTICE},1.1.2,documents,3,reported", f"H00,{PRACTICE},9.9,a,3,reported"
    )
    write(tmp_path / "request.json", "{}")
    answer = dti(*arguments)
    assert (answer.code, answer.out) == (2, ""), answer.err
    assert says in answer.err
    assert "Traceback" not in answer.err


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("defect")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(RuntimeError, match="defect"):
        cli.main()
