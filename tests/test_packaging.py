"""What leaves the tree: the wheel's packages and data, and the lock that an installation is made from."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("assets", "connectors", "dti_pipeline")
DATA = (".yaml", ".json", ".csv", ".mako")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for path in ROOT.iterdir():
        # What an installation or a tool leaves behind is no part of the tree.
        if path.name.startswith(".") or path.name in ("build", "dist") or path.suffix == ".egg-info":
            continue
        if path.is_dir():
            shutil.copytree(path, tree / path.name, ignore=shutil.ignore_patterns("__pycache__", ".dti", ".dagster"))
        else:
            shutil.copyfile(path, tree / path.name)
    done = subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            ".",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--disable-pip-version-check",
            "--quiet",
            "--wheel-dir",
            str(folder),
        ],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    with zipfile.ZipFile(found) as archive:
        return archive.namelist()


def test_the_wheel_holds_our_three_packages_and_nothing_else(wheel: list[str]) -> None:
    tops = {name.split("/", 1)[0] for name in wheel}
    (info,) = (top for top in tops if top.endswith(".dist-info"))
    assert info.startswith("dti_pipeline-")
    assert tops - {info} == set(PACKAGES)


def test_every_module_and_data_file_is_in_the_wheel(wheel: list[str]) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", *DATA) and "__pycache__" not in path.parts
    }
    assert {Path(name).suffix for name in wanted} == {".py", *DATA}
    assert "dti_pipeline/store/migrations/script.py.mako" in wanted
    assert sorted(wanted - set(wheel)) == []


def project() -> dict[str, object]:
    data: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return data


def requirement_name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return normal(found.group())


def locked() -> dict[str, list[str]]:
    """Pinned requirement -> its hashes."""
    pins: dict[str, list[str]] = {}
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.match(r"([A-Za-z0-9._-]+)(\[[^\]]*\])?==\S+", line)
        assert found is not None, f"not pinned: {line[:80]}"
        pins.setdefault(normal(found.group(1)), []).extend(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line))
    return pins


def test_every_locked_requirement_has_its_hash_and_no_address_is_in_the_lock() -> None:
    pins = locked()
    assert len(pins) > 50
    assert [name for name, hashes in pins.items() if not hashes] == []
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_pins_everything_that_the_project_names() -> None:
    data = project()
    named: set[str] = set()
    for requirements in (
        data["project"]["dependencies"],  # type: ignore[index]
        data["dependency-groups"]["dev"],  # type: ignore[index]
        data["build-system"]["requires"],  # type: ignore[index]
    ):
        named |= {requirement_name(item) for item in requirements}
    assert len(named) > 20
    assert sorted(named - set(locked())) == []
