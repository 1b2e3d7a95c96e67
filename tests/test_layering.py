"""The layers hold, and the check of them notices when one does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over a tree; the tree's own packages go before the installed ones."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    for package in ("assets", "connectors", "dti_pipeline"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_layers_hold(tree: Path) -> None:
    for place in (ROOT, tree):
        done = lint(place)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "shown"),
    [
        ("connectors/dvcqg766/rows.py", "import dti_pipeline.store.facts", "Connectors know"),
        ("connectors/dvcqg766/rows.py", "import assets.common", "Connectors know"),
        ("dti_pipeline/scoring/exact.py", "import dagster", "The engine knows"),
        ("dti_pipeline/store/facts.py", "import connectors.dvcqg766", "The engine knows"),
    ],
)
def test_an_import_across_the_layers_is_noticed(module: str, line: str, shown: str, tree: Path) -> None:
    path = tree / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(shown in text and "BROKEN" in text for text in done.stdout.splitlines())
