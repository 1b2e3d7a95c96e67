"""A site whose entry in sites.yaml is wrong beside a good one: the night goes on, and says what is wrong and where.

Not here: entries one by one (`tests/harvest/test_sites_file.py`) and options that a plan refuses
(`tests/harvest/test_broken_readers.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from night_kit import NIGHT, edit_yaml, harvest, inputs, install_small

from dti_pipeline import night as steps
from dti_pipeline.harvest.model import FailureKind
from dti_pipeline.night import Workspace, current_figures
from dti_pipeline.sandbox.server import Sandbox

# Dagster calls partitioned checks a preview; they are needed (see assets/checks.py).
pytestmark = [pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")]

CONNECTORS = ("dvcqg766", "edoc_axis", "matomo")
NO_DIALECT = "sites.yaml, điểm thu «truc-sai» của bộ đọc edoc_axis: site truc-sai: option dialect is missing"
NO_HTTPS = "sites.yaml, điểm thu «khong-https» của bộ đọc matomo: sites.yaml:"


def with_wrong_sites(data: dict[str, Any]) -> None:
    (good,) = data["sites"]
    wrong_option = {"name": "truc-sai", "connector": "edoc_axis", "base_url": good["base_url"], "province": "H00"}
    wrong_address = {
        "name": "khong-https", "connector": "matomo", "base_url": "http://me:s3cret@portal.example", "province": "H00"
    }  # fmt: skip
    data["sites"] = [wrong_option, good, wrong_address]


def materialize(work: Workspace) -> dg.ExecuteInProcessResult:
    """The harvest of three connectors and what Ninh Thuận's framework makes of it, with the checks on sources."""
    from assets.checks import build_checks
    from assets.harvest import build_harvest_assets, harvest_key
    from assets.inputs import build_input_assets, inputs_key
    from assets.rankings import build_ranking_assets, rankings_key
    from assets.scores import build_score_assets, scores_key

    framework = "ninh-thuan-2021"
    sources = {harvest_key(name) for name in CONNECTORS}
    wanted = sources | {inputs_key(framework), scores_key(framework, "province"), rankings_key(framework, "province")}
    built = [*build_harvest_assets(), *build_input_assets(), *build_score_assets(), *build_ranking_assets()]
    checks = [c for c in build_checks() if {(key.asset_key, key.name) for key in c.check_keys} & answered(sources)]
    return dg.materialize(
        [*(asset for asset in built if asset.key in wanted), *checks],
        partition_key=NIGHT.isoformat(),
        resources={"workspace": dg.ResourceDefinition.hardcoded_resource(work)},
        raise_on_error=False,
    )


def answered(sources: set[dg.AssetKey]) -> set[tuple[dg.AssetKey, str]]:
    return {(key, "sources_answered") for key in sources}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    home = tmp_path_factory.mktemp("wrong")
    with Sandbox() as sandbox:
        found = install_small(home, sandbox.base_url)
        edit_yaml(found.settings.sites_file, with_wrong_sites)
        yield Workspace(found.settings)


@pytest.fixture(scope="module")
def outcome(work: Workspace) -> dg.ExecuteInProcessResult:
    return materialize(work)


def test_the_night_succeeds_and_its_checks_name_the_wrong_sites(outcome: dg.ExecuteInProcessResult) -> None:
    assert outcome.success
    checks = {
        event.asset_check_evaluation_data.asset_key.path[-1]: event.asset_check_evaluation_data
        for event in outcome.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    }
    assert {name: check.passed for name, check in checks.items()} == {
        "dvcqg766": True,
        "edoc_axis": False,
        "matomo": False,
    }
    for name, words in (("edoc_axis", NO_DIALECT), ("matomo", NO_HTTPS)):
        told = str(checks[name].metadata["failures"].value)
        assert words in told
        assert "Mở sites.yaml" in told, "what to do"
        assert "s3cret" not in told


@pytest.mark.usefixtures("outcome")
def test_the_metrics_of_a_wrong_site_are_unavailable_with_the_reason(work: Workspace) -> None:
    failures = {row.site: (row.failure_kind, row.failure_message) for row in current_figures(work, NIGHT).failures}
    assert failures.keys() == {"truc-sai", "khong-https"}
    assert {kind for kind, _ in failures.values()} == {"misconfigured"}
    assert "base_url must not hold a user name or password" in str(failures["khong-https"][1])
    rows = {(row.criterion, row.name): row for row in inputs(work, NIGHT)}
    of_axis = [row for row in rows.values() if row.reason and NO_DIALECT in row.reason]
    assert of_axis
    assert {row.state for row in of_axis} == {"unavailable"}
    assert any(row.state == "harvested" for row in rows.values()), "the good site's figures are there"


@pytest.mark.usefixtures("outcome")
def test_a_site_that_was_put_right_the_same_night_has_nothing_left_against_it(work: Workspace) -> None:
    def corrected(data: dict[str, Any]) -> None:
        data["sites"][0] |= {"base_url": f"{data['sites'][1]['base_url']}/edoc_axis"}
        data["sites"][0] |= {"options": {"dialect": "stat_detail"}, "windows": ["last_closed_quarter"]}

    edit_yaml(work.settings.sites_file, corrected)
    again = Workspace(work.settings)
    (report,) = steps.harvest(again, "edoc_axis", again.night(NIGHT, "again"))
    assert report.failures == []
    assert {row.site for row in current_figures(again, NIGHT).failures} == {"khong-https"}
    # A slip later that night takes nothing away from what the site has answered.
    edit_yaml(work.settings.sites_file, lambda data: data["sites"][0].update(options={}))
    wrong = Workspace(work.settings)
    (report,) = steps.harvest(wrong, "edoc_axis", wrong.night(NIGHT, "wrong"))
    assert [failure.kind for _, failure in report.failures] == [FailureKind.MISCONFIGURED]
    assert {row.site for row in current_figures(wrong, NIGHT).failures} == {"khong-https"}


def test_what_the_fetcher_refuses_costs_its_site_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(site: Any, *_given: Any, **_more: Any) -> Any:
        raise ValueError("option resolver is no address")

    with Sandbox() as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        with monkeypatch.context() as patch:
            patch.setattr(steps, "open_fetcher", refusing)
            (report,) = harvest(work)
        ((path, failure),) = report.failures
        assert (path, failure.kind, report.fetched) == ("sites.yaml", FailureKind.MISCONFIGURED, 0)
        told = "sites.yaml, điểm thu «thuc-hanh» của bộ đọc dvcqg766: option resolver is no address"
        assert [row.failure_message for row in current_figures(work, NIGHT).failures] == [told]
        (report,) = harvest(work)
        assert (report.failures, current_figures(work, NIGHT).failures) == ([], ())
