"""Which connectors there are: folders of the top-level package `connectors`, found and checked at run time.

Here: names, manifests (read without running any connector's code) and connector objects. The engine may not import
`connectors` (an import linter holds that), so everything goes through importlib. Not here: what a connector is
(`model.py`), running one (`runner.py`).
"""

from __future__ import annotations

import importlib
from pathlib import Path

from dti_pipeline.datafiles import DataFileError, parse_model
from dti_pipeline.harvest.model import Connector, FailureKind, Manifest
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.scoring.formula import FormulaError, parse_requirement

PACKAGE = "connectors"


class ConnectorError(DataFileError):
    """A connector folder that cannot be used: which one, and every problem found with it."""


def connector_names() -> tuple[str, ...]:
    """Every folder of the package, sorted, whether or not it is usable. Imports no connector."""
    return tuple(sorted(_folders()))


def load_manifest(name: str) -> Manifest:
    """A connector's checked manifest; its code is not imported.

    Raises DataFileError where the file is missing or malformed, and ConnectorError where the manifest does not fit its
    folder or the catalogue of metrics, or where words or bounds are missing.
    """
    file = f"{PACKAGE}/{name}/manifest.yaml"
    try:
        text = (_folder(name) / "manifest.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConnectorError(f"{PACKAGE}/{name}: the folder has no manifest.yaml") from None
    except OSError as error:
        raise ConnectorError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConnectorError(f"{file}: not UTF-8 (byte {error.start})") from None
    manifest = parse_model(text, file, Manifest)
    problems = _problems(manifest, name)
    if problems:
        raise ConnectorError("\n".join(f"{file}: {problem}" for problem in problems))
    return manifest


def load_connector(name: str) -> Connector:
    """`CONNECTOR` of the folder's `connector.py`. Raises ConnectorError."""
    file = f"{PACKAGE}/{name}/connector.py"
    if not (_folder(name) / "connector.py").is_file():
        raise ConnectorError(f"{PACKAGE}/{name}: the folder has no connector.py")
    try:
        module = importlib.import_module(f"{PACKAGE}.{name}.connector")
    except (ImportError, SyntaxError) as error:
        raise ConnectorError(f"{file}: cannot be imported ({type(error).__name__}: {error})") from error
    found = getattr(module, "CONNECTOR", None)
    if found is None:
        raise ConnectorError(f"{file}: defines no CONNECTOR")
    if isinstance(found, type):
        raise ConnectorError(f"{file}: CONNECTOR is a class; make it an object, as in CONNECTOR = {found.__name__}()")
    missing = [method for method in ("plan", "read") if not callable(getattr(found, method, None))]
    if missing:
        raise ConnectorError(f"{file}: CONNECTOR lacks {' and '.join(f'{method}()' for method in missing)}")
    connector: Connector = found
    return connector


def _folders() -> dict[str, Path]:
    package = importlib.import_module(PACKAGE)
    return {
        entry.name: entry
        for place in package.__path__
        for entry in Path(place).iterdir()
        if entry.is_dir() and not entry.name.startswith(("_", "."))
    }


def _folder(name: str) -> Path:
    folders = _folders()
    if name not in folders:
        raise ConnectorError(f"there is no connector «{name}»; there are: {', '.join(sorted(folders)) or 'none'}")
    return folders[name]


def _problems(manifest: Manifest, folder: str) -> list[str]:
    problems = []
    if manifest.name != folder:
        problems.append(f"field name: «{manifest.name}» stands in the folder «{folder}»; the two must be equal")
    if not manifest.metrics:
        problems.append("field metrics: a connector supplies at least one metric")
    catalogue = load_metrics()
    for position, metric in enumerate(manifest.metrics):
        if metric in manifest.metrics[:position]:
            problems.append(f"field metrics: «{metric}» stands twice")
        elif metric not in catalogue:
            problems.append(f"field metrics: «{metric}» is not in the catalogue of metrics")
        if metric not in manifest.expect:
            problems.append(f"field expect: no bounds for «{metric}»; every metric needs them")
    for metric, bounds in manifest.expect.items():
        if metric not in manifest.metrics:
            problems.append(f"field expect: «{metric}» is not among the connector's metrics")
        if bounds.min is None and bounds.max is None:
            problems.append(f"field expect: «{metric}» has neither min nor max")
        elif bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
            problems.append(f"field expect: «{metric}» has a min above its max")
    for kind in FailureKind:
        words = manifest.words(kind)
        if not words.vi.strip() or not words.en.strip():
            problems.append(f"field failures: no words for the operator on «{kind}» (vi and en)")
    for text in manifest.invariants:
        try:
            parse_requirement(text, set(manifest.metrics))
        except FormulaError as error:
            problems.append(f"field invariants: {error}")
    return problems
