"""A new connector passes at once, and so does the one of the tutorial; what cannot be begun writes nothing.

Both run in a copy of the tree with no other connector in it, as a newcomer's first commands would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dti_pipeline.harvest.scaffold import ScaffoldError, new_connector

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "connectors.md"
BLOCK = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEW = re.compile(r"^dti connectors new (\w+)$", re.MULTILINE)


def run(checkout: Path, *words: str) -> str:
    """A Python module's output in the copy, whose packages go before the installed ones."""
    done = subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
        [sys.executable, *words],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def failed_rules(checkout: Path, name: str) -> str:
    code = (
        f"from dti_pipeline.harvest.conformance import check; print([(v.rule, v.sees) for v in check({name!r}).failed])"
    )
    return run(checkout, "-c", code).strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "connectors/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "dti_pipeline", tmp_path / "dti_pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests" / "connectors").mkdir(parents=True)
    return tmp_path


def test_a_new_connector_passes_at_once(checkout: Path) -> None:
    written = new_connector("thu_nghiem", checkout)
    assert [path.relative_to(checkout).as_posix() for path in written] == [
        "connectors/thu_nghiem/__init__.py",
        "connectors/thu_nghiem/manifest.yaml",
        "connectors/thu_nghiem/connector.py",
        "connectors/thu_nghiem/recorded/first/request.json",
        "connectors/thu_nghiem/recorded/first/body.json",
        "connectors/thu_nghiem/recorded/first/expected.json",
        "connectors/thu_nghiem/recorded/first/faults.json",
        "dti_pipeline/metrics/data/thu_nghiem.yaml",
        "dti_pipeline/sandbox/twins/thu_nghiem.py",
        "tests/connectors/test_thu_nghiem.py",
    ]
    assert failed_rules(checkout, "thu_nghiem") == "[]"
    assert "2 passed" in run(checkout, "-m", "pytest", "tests/connectors", "-o", "addopts=-p no:cacheprovider")
    ours = [str(path) for path in written if path.suffix == ".py"]
    run(checkout, "-m", "ruff", "check", "--no-cache", *ours)
    run(checkout, "-m", "ruff", "format", "--no-cache", "--check", *ours)
    run(checkout, "-m", "mypy", "--cache-dir", os.devnull, "-p", "connectors.thu_nghiem")


def test_the_tutorial_builds_a_connector_that_conforms(checkout: Path) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    (name,) = set(NEW.findall(text))
    written = {path.relative_to(checkout).as_posix() for path in new_connector(name, checkout)}
    blocks = dict(BLOCK.findall(text))
    assert len(blocks) >= 5
    assert set(blocks) <= written
    for path, block in blocks.items():
        (checkout / path).write_text(block, encoding="utf-8")
    assert failed_rules(checkout, name) == "[]"
    assert "2 passed" in run(checkout, "-m", "pytest", "tests/connectors", "-o", "addopts=-p no:cacheprovider")


@pytest.mark.parametrize("name", ["", "Igate", "1st", "a-b", "a b", "../x", "class", "é", "x" * 41])
def test_a_name_that_cannot_be_one_writes_nothing(name: str, checkout: Path) -> None:
    before = sorted(checkout.rglob("*"))
    with pytest.raises(ScaffoldError, match="cannot be a connector's name"):
        new_connector(name, checkout)
    assert sorted(checkout.rglob("*")) == before


def test_nothing_is_overwritten(checkout: Path) -> None:
    new_connector("thu_nghiem", checkout)
    shutil.rmtree(checkout / "connectors" / "thu_nghiem")
    before = sorted(checkout.rglob("*"))
    with pytest.raises(ScaffoldError, match=r"exists already: dti_pipeline/metrics/data/thu_nghiem\.yaml"):
        new_connector("thu_nghiem", checkout)
    assert sorted(checkout.rglob("*")) == before


def test_another_folder_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="is no checkout"):
        new_connector("thu_nghiem", tmp_path)
    assert list(tmp_path.iterdir()) == []
