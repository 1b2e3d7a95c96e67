"""README and docs say what is so: commands parse, make targets and linked files exist, example files are valid.

Not here: whether the prose is right, and what the commands do (the tests of each part).
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml
from typer.testing import CliRunner

from dti_pipeline import cli
from dti_pipeline.frameworks.assessment import load_assessments
from dti_pipeline.harvest.discovery import load_connector
from dti_pipeline.harvest.model import FailureKind
from dti_pipeline.harvest.sites import load_sites
from dti_pipeline.scoring.periods import year
from dti_pipeline.settings import Settings
from dti_pipeline.units.registry import load_registry

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
PRACTICE_UNITS = ROOT / "dti_pipeline" / "sandbox" / "data" / "units.yaml"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "sh":
                for line in text.splitlines():
                    if words := shlex.split(line, comments=True):
                        yield page_name(page), words


DTI_LINES = sorted({(page, shlex.join(words[1:])) for page, words in shell_lines() if words[0] == "dti"})
READ_ONLY = sorted({line for _, line in DTI_LINES if re.match("frameworks (list|show|lint|library)", line)})


def parse(words: list[str]) -> None:
    """Parse a command line to its last option without running it. Raises click's usage errors."""
    command: Any = typer.main.get_command(cli.app)
    context = command.make_context("dti", list(words), resilient_parsing=False)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def test_the_pages_show_commands() -> None:
    assert len(DTI_LINES) >= 15
    assert {"README.md", "docs/operations.md", "docs/connectors.md", "docs/frameworks.md"} <= {p for p, _ in DTI_LINES}


@pytest.mark.parametrize(("page", "line"), DTI_LINES)
def test_every_dti_line_parses(page: str, line: str) -> None:
    parse(shlex.split(line))


@pytest.mark.parametrize("line", ["nights", "night --day 2026-11-21", "explain --unit H00", "frameworks print x"])
def test_a_wrong_line_would_be_seen(line: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - typer may carry a click of its own
        parse(shlex.split(line))
    assert any(kind.__name__ == click.UsageError.__name__ for kind in type(caught.value).__mro__)


@pytest.mark.parametrize("line", READ_ONLY)
def test_listings_of_frameworks_run(line: str) -> None:
    result = CliRunner().invoke(cli.app, shlex.split(line))
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {words[1] for _, words in shell_lines() if words[0] == "make"}
    for page in PAGES:
        named |= set(re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8")))
    assert {"demo", "test", "check", "dev"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_relative_link_resolves(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [
        target
        for target in targets
        if not target.startswith(("https://", "http://")) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_readme_names_every_setting_and_only_those() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    ours = {f"DTI_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bDTI_[A-Z_]+\b", text)) - {"DTI_SHARED"} == ours


def test_operations_explain_every_failure_kind() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == {kind.value for kind in FailureKind}


def test_example_sites_are_valid_and_can_be_planned() -> None:
    (site,) = load_sites(DEPLOY / "sites.example.yaml")
    request = next(load_connector(site.connector).plan(site, year(2026)))
    assert request.json["rootDepartmentId"] == site.options["root_department_id"]
    unit = load_registry(()).by_source_id(site.connector, site.options["root_department_id"])
    assert unit is not None
    assert unit.code == site.province


def test_example_assessments_are_valid() -> None:
    (example,) = load_assessments(DEPLOY / "assessments")
    example.check_units(load_registry([PRACTICE_UNITS]))
    assert example.framework == "hue-2024"


def test_dagster_on_postgresql_differs_from_the_default_in_storage_only() -> None:
    text = (DEPLOY / "dagster.postgres.yaml").read_text(encoding="utf-8")
    server, default = yaml.safe_load(text), yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert "postgresql+psycopg2://" in text
    assert set(server["storage"]) == {"postgres"}
    places = {"storage", "local_artifact_storage", "compute_logs"}
    assert {k: v for k, v in server.items() if k not in places} == {k: v for k, v in default.items() if k not in places}
    assert server.keys() == default.keys()


@pytest.mark.parametrize("name", ["webserver", "daemon"])
def test_services_start_the_code_location(name: str) -> None:
    text = (DEPLOY / f"dti-{name}.service").read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    words = shlex.split(start)
    assert os.path.basename(words[0]) == f"dagster-{name}"
    assert words[words.index("-m") + 1] == "dti_pipeline.definitions"
    assert "Environment=DAGSTER_HOME=" in text
    assert "Environment=DTI_HOME=" in text
