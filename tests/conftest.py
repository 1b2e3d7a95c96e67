"""Fixtures that any test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The reference folder beside the checkout; the tests that read it are skipped where it is absent."""
    path = Path(os.environ.get("DTI_SHARED", ROOT.parent / "shared"))
    if not (path / "DECISIONS.md").is_file():
        pytest.skip("the reference folder is not here (README: optional tests)")
    return path
