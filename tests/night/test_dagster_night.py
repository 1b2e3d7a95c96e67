"""The night in Dagster: what the code location declares, one whole run of the job, and what loading it does not touch.

Not here: what the steps do (`test_night_steps.py`).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from night_kit import NIGHT, install
from sqlmodel import Session, select

from assets.launch import run_night
from dti_pipeline.definitions import NIGHT_JOB, build_defs
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts
from dti_pipeline.store.tables import CheckRow

# Dagster calls partitioned checks a preview; they are needed (see assets/checks.py).
pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
]

SNAPSHOT = Path(__file__).with_name("definitions.snapshot.json")
REWRITE = "DTI_REWRITE_SNAPSHOT"
"""Set to 1 to write the file anew after a wanted change; the test then compares as always."""

MOST_CHECKS_OF_AN_ASSET = 50
"""Dagster's UI truncates longer lists."""


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs(Settings())


def described(defs: dg.Definitions) -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    return {
        "assets": {
            key.to_user_string(): {
                "group": graph.get(key).group_name,
                "after": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
                "partitions": str(graph.get(key).partitions_def),
            }
            for key in sorted(graph.get_all_asset_keys())
        },
        "checks": {
            f"{key.asset_key.to_user_string()}:{key.name}": {
                "blocking": graph.get(key).blocking,
                "partitions": str(graph.get(key).partitions_def),
            }
            for key in sorted(graph.asset_check_keys)
        },
        "jobs": {
            job.name: {
                "partitions": str(job.partitions_def),
                "assets": len(job.asset_layer.asset_graph.get_all_asset_keys()),
                "checks": len(job.asset_layer.asset_graph.asset_check_keys),
            }
            for job in repository.get_all_jobs()
            if not job.name.startswith("__")
        },
        "sensors": {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs},
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "time_zone": schedule.execution_timezone,
                "job": schedule.job_name,
                "default_status": schedule.default_status.value,
            }
            for schedule in repository.schedule_defs
        },
    }


def test_the_definitions_are_the_committed_ones(defs: dg.Definitions) -> None:
    found = described(defs)
    if os.environ.get(REWRITE) == "1":
        text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
        SNAPSHOT.write_text(text + "\n", encoding="utf-8")
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_the_night_starts_at_half_past_midnight_in_vietnam_without_being_switched_on(defs: dg.Definitions) -> None:
    assert described(defs)["schedules"] == {
        "every_night": {
            "cron": "30 0 * * *",
            "time_zone": "Asia/Ho_Chi_Minh",
            "job": "night",
            "default_status": "RUNNING",
        }
    }


def test_our_own_tables_are_gates_and_sources_are_not(defs: dg.Definitions) -> None:
    found = described(defs)
    nights = "Daily, starting 2026-01-01 Asia/Ho_Chi_Minh."
    assert {check["partitions"] for check in found["checks"].values()} == {nights}
    assert {asset["partitions"] for asset in found["assets"].values()} == {nights}
    blocking = {name.rsplit(":", 1)[1]: check["blocking"] for name, check in found["checks"].items()}
    assert {name for name, gate in blocking.items() if gate} >= {
        "figures_hold",
        "inputs_hold",
        "scores_hold",
        "rankings_hold",
    }
    assert {name for name, gate in blocking.items() if not gate} >= {
        "sources_answered",
        "sources_fresh",
        "great_expectations",
    }
    assert found["jobs"][NIGHT_JOB]["assets"] == len(found["assets"])
    assert found["jobs"][NIGHT_JOB]["checks"] == len(found["checks"])


def test_no_asset_has_more_checks_than_the_ui_shows(defs: dg.Definitions) -> None:
    per_asset: dict[str, int] = {}
    for name in described(defs)["checks"]:
        asset = name.rsplit(":", 1)[0]
        per_asset[asset] = per_asset.get(asset, 0) + 1
    assert 0 < max(per_asset.values()) < MOST_CHECKS_OF_AN_ASSET


@contextmanager
def silent(_total: int, _title: str) -> Iterator[Callable[[str], None]]:
    yield lambda _step: None


def test_one_whole_night_and_the_same_again(
    defs: dg.Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        work = install(tmp_path / "installation", sandbox.base_url)
        first = run_night(NIGHT, silent, work.settings)
        asked, counts = len(sandbox.requests), facts.count_rows(work.engine)
        content = facts.canonical_dump(work.engine)
        second = run_night(NIGHT, silent, work.settings)
    assert first.failed_steps == []
    assert (first.success, first.source_failures) == (True, [])
    assert not [check for check in first.failed_checks if check[2]]
    assert len(sandbox.requests) == asked == 24
    assert first.new_rows == sum(counts.values())
    assert (second.success, second.new_rows) == (True, 0)
    assert second.run_id != first.run_id
    assert facts.canonical_dump(work.engine) == content

    assert_suite_is_kept(work)
    graph = defs.resolve_asset_graph()
    with dg.DagsterInstance.get() as instance:
        assert Path(instance.root_directory) == home
        for run_id in (first.run_id, second.run_id):
            records = instance.all_logs(run_id)
            events = [record.dagster_event for record in records if record.dagster_event is not None]
            evaluated = [
                e.asset_check_evaluation_data for e in events if e.event_type_value == "ASSET_CHECK_EVALUATION"
            ]
            assert {item.asset_check_key for item in evaluated} == set(graph.asset_check_keys)
            rows = {
                e.asset_key.to_user_string(): e.step_materialization_data.materialization.metadata["dagster/row_count"]
                for e in events
                if e.event_type_value == "ASSET_MATERIALIZATION" and e.asset_key is not None
            }
            assert set(rows) == {key.to_user_string() for key in graph.get_all_asset_keys()}
            assert rows["harvest/dvcqg766"].value == counts["observation"] * (run_id == first.run_id)
            # 91 criteria of one province; 17 per commune.
            assert rows["scores/ninh-thuan-2021/province"].value == 91
            assert rows["rankings/ninh-thuan-2021/province"].value == 1
            assert rows["evidence/submissions"].value == counts["submission"] * (run_id == first.run_id)


def assert_suite_is_kept(work: Workspace) -> None:
    with Session(work.engine) as session:
        rows = session.exec(select(CheckRow)).all()
    kept = [row for row in rows if row.suite == "harvested_figures"]
    assert [(row.night, row.revision, row.subject) for row in kept] == [
        (NIGHT.isoformat(), 1, "metrics/current_figures")
    ]
    assert kept[0].outcome in ("passed", "failed")
    results = json.loads(kept[0].result)
    assert len(results) > 5
    assert not any(item["could_not_run"] for item in results)
    assert (kept[0].outcome == "passed") == all(item["success"] for item in results)


# --- what is installed, and what loading touches ---


def numbered(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in importlib.metadata.version(name).split(".")[:2])


def test_the_libraries_are_current_and_the_retired_bridges_absent() -> None:
    assert numbered("dagster") >= (1, 13)
    assert numbered("great_expectations") >= (1, 24)
    assert numbered("pandera") >= (0, 32)
    for bridge in ("dagster_ge", "dagster_pandera"):
        assert importlib.util.find_spec(bridge) is None
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("dagster-ge")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("dagster-pandera")


LOAD = """
import sys

touched = []

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "sqlite3.connect"):
        touched.append((event, str(args)))
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        touched.append((event, str(args[:2])))
    elif event in ("os.mkdir", "os.rename"):
        touched.append((event, str(args)))

sys.dont_write_bytecode = True
sys.addaudithook(watch)
{guilty}
import dti_pipeline.definitions as location
loaded = location.defs()
assert loaded.resolve_job_def("night").nodes
if "great_expectations" in sys.modules:
    touched.append(("import", "great_expectations"))
print(touched)
"""


def load(folder: Path, guilty: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DTI_", "DAGSTER_"))}
    root = Path(__file__).resolve().parents[2]
    environment["PYTHONPATH"] = str(root)
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-W", "ignore", "-c", LOAD.format(guilty=guilty)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_loading_the_code_location_touches_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == "[]"
    assert list(tmp_path.iterdir()) == []


def test_the_watch_over_loading_sees_what_it_should(tmp_path: Path) -> None:
    seen = load(tmp_path, "import sqlite3; sqlite3.connect('x.db').close(); open('y', 'w').close()")
    assert "sqlite3.connect" in seen
    assert "'y'" in seen
