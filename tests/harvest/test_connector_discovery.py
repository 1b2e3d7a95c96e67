"""Finding connectors, against folders written for the purpose: good ones, and each way of being wrong."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.discovery import ConnectorError, connector_names, load_connector, load_manifest
from dti_pipeline.harvest.model import FailureKind

GOOD_CODE = """
    class Practice:
        def plan(self, site, window):
            yield

        def read(self, snapshot):
            return None

    CONNECTOR = Practice()
"""

Change = Callable[[dict[str, Any]], object]


def good_manifest(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1",
        "title": "Nguồn thực hành",
        "publisher": "Tỉnh Thực Hành (đơn vị hư cấu)",
        "legal_basis": "none, fictional",
        "address": "https://practice.example",
        "cadence": "daily",
        "stale_after_days": 2,
        "auth": "none",
        "evidence_strength": "inferred",
        "evidence_note": "written for a test",
        "metrics": ["dossiers_received", "dossiers_on_time"],
        "expect": {"dossiers_received": {"min": 0}, "dossiers_on_time": {"min": 0, "max": 1000000}},
        "failures": {"stopped": {"vi": "Nguồn không trả lời", "en": "No answer"}},
    }


class Folders:
    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, name: str, *, code: str | None = GOOD_CODE, change: Change | None = None) -> None:
        folder = self.root / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        manifest = good_manifest(name)
        if change:
            change(manifest)
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
        if code is not None:
            (folder / "connector.py").write_text(textwrap.dedent(code), encoding="utf-8")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """The package `connectors` looks into an empty folder instead of its own, for one test."""
    monkeypatch.setattr(importlib.import_module("connectors"), "__path__", [str(tmp_path)])
    for module in [name for name in sys.modules if name.startswith("connectors.")]:
        monkeypatch.delitem(sys.modules, module)
    importlib.invalidate_caches()
    return Folders(tmp_path)


def test_names_are_the_folders_sorted(folders: Folders) -> None:
    for name in ("zeta", "alpha", "__pycache__", ".hidden", "_draft"):
        (folders.root / name).mkdir()
    (folders.root / "note.py").touch()
    assert connector_names() == ("alpha", "zeta")


def test_a_good_folder_loads_and_its_manifest_runs_no_code(folders: Folders) -> None:
    folders.add("practice_good", code="raise AssertionError('imported')")
    manifest = load_manifest("practice_good")
    assert manifest.metrics == ("dossiers_received", "dossiers_on_time")
    assert manifest.failures[FailureKind.STOPPED].en == "No answer"
    assert "connectors.practice_good.connector" not in sys.modules


def test_the_kit_has_words_for_every_kind_of_failure_that_a_manifest_leaves_out(folders: Folders) -> None:
    folders.add("bare_words", change=lambda manifest: manifest.pop("failures"))
    manifest = load_manifest("bare_words")
    assert len({manifest.words(kind).vi for kind in FailureKind}) == len(FailureKind)
    folders.add("own_words")
    assert load_manifest("own_words").words(FailureKind.STOPPED).en == "No answer"
    assert load_manifest("own_words").words(FailureKind.BLOCKED) == manifest.words(FailureKind.BLOCKED)


def test_a_good_connector_loads(folders: Folders) -> None:
    folders.add("practice_code")
    assert load_connector("practice_code").read(None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("load", [load_manifest, load_connector])
@pytest.mark.parametrize("name", ["nothing", "../practice", "", "__init__"])
def test_an_unknown_name_is_answered_with_those_that_exist(
    folders: Folders, load: Callable[[str], object], name: str
) -> None:
    folders.add("alpha")
    folders.add("zeta")
    with pytest.raises(ConnectorError, match=r"there is no connector «.*»; there are: alpha, zeta"):
        load(name)


def test_a_folder_without_manifest_is_named(folders: Folders) -> None:
    (folders.root / "bare").mkdir()
    assert connector_names() == ("bare",)
    with pytest.raises(ConnectorError, match=r"connectors/bare: the folder has no manifest\.yaml"):
        load_manifest("bare")


def test_a_malformed_manifest_is_named_with_folder_line_and_field(folders: Folders) -> None:
    folders.add("odd", change=lambda manifest: manifest.update(cadence="hourly"))
    with pytest.raises(DataFileError, match=r"^connectors/odd/manifest\.yaml:\d+: field cadence: "):
        load_manifest("odd")


def test_a_manifest_that_is_not_text_is_named(folders: Folders) -> None:
    folders.add("binary")
    (folders.root / "binary" / "manifest.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ConnectorError, match=r"connectors/binary/manifest\.yaml: not UTF-8 \(byte 6\)"):
        load_manifest("binary")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(name="other"), "field name: «other» stands in the folder «subject»"),
        (lambda m: m.update(metrics=[], expect={}), "field metrics: a connector supplies at least one metric"),
        (
            lambda m: (m["metrics"].append("no_such_metric"), m["expect"].update(no_such_metric={"min": 0})),
            "field metrics: «no_such_metric» is not in the catalogue",
        ),
        (lambda m: m["metrics"].append("dossiers_received"), "field metrics: «dossiers_received» stands twice"),
        (lambda m: m["expect"].pop("dossiers_on_time"), "field expect: no bounds for «dossiers_on_time»"),
        (lambda m: m["expect"].update(dossiers_on_time={}), "field expect: «dossiers_on_time» has neither min nor max"),
        (
            lambda m: m["expect"].update(dossiers_on_time={"min": 2, "max": 1}),
            "field expect: «dossiers_on_time» has a min above its max",
        ),
        (
            lambda m: m["expect"].update(dossiers_overdue={"min": 0}),
            "field expect: «dossiers_overdue» is not among the connector's metrics",
        ),
        (
            lambda m: m["failures"].update(stopped={"vi": " ", "en": "Stopped"}),
            "field failures: no words for the operator on «stopped»",
        ),
        (
            lambda m: m["failures"].update(stopped={"vi": "Dừng", "en": ""}),
            "field failures: no words for the operator on «stopped»",
        ),
    ],
)
def test_each_defect_of_a_manifest_is_reported_alone(folders: Folders, change: Change, words: str) -> None:
    folders.add("subject", change=change)
    with pytest.raises(ConnectorError) as caught:
        load_manifest("subject")
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"connectors/subject/manifest.yaml: {words}")


def test_all_defects_of_a_manifest_are_reported_together(folders: Folders) -> None:
    folders.add("subject", change=lambda m: (m.update(name="other"), m["metrics"].append("dossiers_received")))
    with pytest.raises(ConnectorError) as caught:
        load_manifest("subject")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("c_none", None, r"connectors/c_none: the folder has no connector\.py"),
        ("c_empty", "X = 1", r"connectors/c_empty/connector\.py: defines no CONNECTOR"),
        (
            "c_class",
            "class Practice:\n    def plan(self): ...\n    def read(self): ...\nCONNECTOR = Practice",
            r"CONNECTOR is a class; make it an object, as in CONNECTOR = Practice\(\)",
        ),
        ("c_half", "class P:\n    def plan(self): ...\nCONNECTOR = P()", r"CONNECTOR lacks read\(\)"),
        ("c_other", "class P:\n    def read(self): ...\nCONNECTOR = P()", r"CONNECTOR lacks plan\(\)"),
        ("c_attr", "class P:\n    plan = read = 1\nCONNECTOR = P()", r"CONNECTOR lacks plan\(\) and read\(\)"),
        ("c_syntax", "def", r"connectors/c_syntax/connector\.py: cannot be imported \(SyntaxError"),
        ("c_import", "import no_such_module_here", r"cannot be imported \(ModuleNotFoundError.*no_such_module_here"),
    ],
)
def test_unusable_code_is_reported(folders: Folders, name: str, code: str | None, words: str) -> None:
    folders.add(name, code=code)
    with pytest.raises(ConnectorError, match=words):
        load_connector(name)


@pytest.mark.parametrize("name", connector_names())
def test_every_folder_of_ours_is_whole(name: str) -> None:
    assert load_manifest(name).name == name
    assert callable(load_connector(name).plan)
