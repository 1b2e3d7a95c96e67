"""Fixtures of the harvest's tests."""

from __future__ import annotations

import pytest
from harvest_kit import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One private authority for all tests: keys take time."""
    return Authority(tmp_path_factory.mktemp("authority"))
