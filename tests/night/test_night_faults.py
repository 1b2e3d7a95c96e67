"""What a source does wrong over a real socket becomes a typed failure on record, and costs nothing that was known.

Not here: how the fetcher and the connector notice each fault (their own tests), and days without any answer
(`test_night_steps.py`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from night_kit import CONNECTOR, NIGHT, clock_of, copy_of, dump, harvest, inputs, install_small, run
from sqlmodel import Session, col, select

from dti_pipeline.harvest.discovery import load_manifest
from dti_pipeline.harvest.model import FailureKind
from dti_pipeline.night import Workspace, current_figures
from dti_pipeline.sandbox import portal
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.store import facts
from dti_pipeline.store.tables import ObservationRow, QuarantineRow, SnapshotRow

NEXT = NIGHT + dt.timedelta(days=1)
BROKEN = "dvc-progress-tree"
EARLIER = ["service-results", "transparency", "handling-satisfaction", "dossier-digitized"]
LATER = ["provide-online-tree", "formality-online-payment-tree", "formalities", "formalities", "formalities"]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The small installation after one good night. Tests work on copies."""
    with Sandbox() as sandbox:
        work = install_small(tmp_path_factory.mktemp("good"), sandbox.base_url)
        run(work)
        assert [endpoint(path) for path, _ in sandbox.requests] == [*EARLIER, BROKEN, *LATER]
    return work


def endpoint(path: str) -> str:
    return path.rsplit("/", 1)[1]


def snapshots(work: Workspace, night: dt.date) -> list[SnapshotRow]:
    with Session(work.engine) as session:
        rows = session.exec(select(SnapshotRow).where(SnapshotRow.night == night.isoformat())).all()
        session.expunge_all()
    return list(rows)


def figures(work: Workspace, night: dt.date) -> dict[tuple[str, str, str], tuple[str | None, str, str]]:
    """(metric, unit, first day) -> value, its endpoint, the night that it was seen on."""
    return {
        (row.metric, row.unit, row.period_start): (row.value, endpoint(snapshot.url), snapshot.night)
        for row, snapshot in current_figures(work, night).observations
    }


@pytest.mark.parametrize(
    ("fault", "kind", "retryable", "tries", "message", "keeps_bytes"),
    [
        ("html_block", "blocked", False, 1, "Request Rejected", True),
        ("http_429", "blocked", False, 1, "429", True),
        ("redirect", "redirected", False, 1, "elsewhere.invalid", False),
        ("http_503", "http_status", True, 2, "503", True),
        ("silent", "connection", True, 2, "kết nối", False),
        ("truncated", "truncated", True, 1, "cắt ngang", True),
        ("broken_off", "truncated", True, 1, "đứt", False),
        ("gzip_bomb", "too_large", False, 1, "3000000", False),
        ("endless", "too_large", False, 1, "3000000", False),
        ("trickle", "too_slow", True, 1, "1.5 giây", False),
        ("wrong_types", "wrong_shape", False, 1, "không dùng được bản ghi nào", True),
        ("missing_root", "wrong_shape", False, 1, "parent", True),
        ("wrong_root", "wrong_root", False, 1, "đơn vị", True),
        ("source_error", "source_error", False, 1, "INTERNAL_ERROR", True),
    ],
)
def test_a_fault_is_on_record_and_costs_nothing(
    fault: str,
    kind: str,
    retryable: bool,
    tries: int,
    message: str,
    keeps_bytes: bool,
    good: Workspace,
    tmp_path: Path,
) -> None:
    before_rows, before = facts.count_rows(good.engine), figures(good, NIGHT)
    is_refusal = kind in ("blocked", "redirected")
    with Sandbox(faults={BROKEN: fault}) as sandbox:
        work = copy_of(good, tmp_path, sandbox.base_url, clock=clock_of(NEXT))
        (report,) = harvest(work, NEXT)
        asked = [endpoint(path) for path, _ in sandbox.requests]

    # A refusal ends the site's night; anything else only its own question.
    assert asked == [*EARLIER, *[BROKEN] * tries, *([] if is_refusal else LATER)]
    told = [(path.rsplit("/", 1)[-1], failure.kind.value) for path, failure in report.failures]
    assert told == [(BROKEN, kind), *([("*", "stopped")] if is_refusal else [])]

    rows = snapshots(work, NEXT)
    failed = [row for row in rows if row.failure_kind is not None]
    assert len(rows) == len(EARLIER) + 1 + (0 if is_refusal else len(LATER))
    assert [(endpoint(row.url), row.failure_kind, row.is_retryable) for row in failed] == [(BROKEN, kind, retryable)]
    assert message in (failed[0].failure_message or "")
    assert failed[0].reading_id is None
    assert load_manifest(CONNECTOR).words(FailureKind(kind)).vi
    if keeps_bytes:
        assert len(work.snapshots.get(failed[0].body_sha256 or "")) == failed[0].body_bytes
    else:
        assert (failed[0].body_sha256, failed[0].body_bytes) == (None, None)

    # No partial rows: a source that says the same as yesterday adds snapshots alone.
    after_rows = facts.count_rows(work.engine)
    assert {name: n - before_rows[name] for name, n in after_rows.items() if n != before_rows[name]} == {
        "snapshot": len(rows),
        "run": 1,
    }
    after = figures(work, NEXT)
    assert {key: value[:2] for key, value in after.items()} == {key: value[:2] for key, value in before.items()}
    seen = {night: {at for _, at, seen_on in after.values() if seen_on == night} for night in (str(NIGHT), str(NEXT))}
    kept = {BROKEN, *(LATER if is_refusal else [])}
    shown = {at for _, at, _ in before.values()}
    assert seen[str(NIGHT)] == kept & shown
    assert seen[str(NEXT)] == shown - kept


def test_the_broken_endpoint_shows_figures_of_its_own(good: Workspace) -> None:
    """Otherwise the test above would not notice that they are lost."""
    assert {BROKEN, "provide-online-tree"} <= {at for _, at, _ in figures(good, NIGHT).values()}


@pytest.mark.parametrize("fault", ["wrong_types", "truncated", "html_block", "gzip_bomb"])
def test_a_first_night_with_a_fault_keeps_no_part_of_the_broken_answer(fault: str, tmp_path: Path) -> None:
    with Sandbox(faults={BROKEN: fault}) as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        harvest(work)
    good = {row.reading_id for row in snapshots(work, NIGHT) if row.failure_kind is None}
    with Session(work.engine) as session:
        assert set(session.exec(select(ObservationRow.reading_id)).all()) <= good
        assert session.exec(select(QuarantineRow)).all() == []
    assert not any(at == BROKEN for _, at, _ in figures(work, NIGHT).values())


def test_what_cannot_mend_is_not_asked_again_and_what_can_is(good: Workspace, tmp_path: Path) -> None:
    for fault, again in (("html_block", []), ("http_503", [BROKEN])):
        with Sandbox(faults={BROKEN: fault}) as sandbox:
            work = copy_of(good, tmp_path / fault, sandbox.base_url, clock=clock_of(NEXT))
            harvest(work, NEXT)
            sandbox.faults.clear()
            del sandbox.requests[:]
            (report,) = harvest(work, NEXT)
            assert [endpoint(path) for path, _ in sandbox.requests] == again
            assert report.is_good == bool(again)


def test_three_server_errors_in_a_row_end_the_sites_night(good: Workspace, tmp_path: Path) -> None:
    with Sandbox(faults={"*": "http_500"}) as sandbox:
        work = copy_of(good, tmp_path, sandbox.base_url, clock=clock_of(NEXT))
        harvest(work, NEXT)
        assert [endpoint(path) for path, _ in sandbox.requests] == [name for name in EARLIER[:3] for _ in range(2)]


def test_a_record_that_contradicts_itself_waits_in_quarantine_and_the_rest_is_used(tmp_path: Path) -> None:
    with Sandbox(faults={BROKEN: "impossible"}) as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        (report,) = harvest(work)
    assert report.is_good
    with Session(work.engine) as session:
        (row,) = session.exec(select(QuarantineRow)).all()
        assert row.reason
        used = session.exec(
            select(ObservationRow).where(
                ObservationRow.reading_id == row.reading_id, col(ObservationRow.locator).startswith(row.locator + "/")
            )
        ).all()
        assert used == []
    assert any(at == BROKEN for _, at, _ in figures(work, NIGHT).values())


def test_every_endpoint_may_fail_and_the_night_still_ends(tmp_path: Path) -> None:
    with Sandbox(faults=dict.fromkeys(portal.ENDPOINTS, "source_error")) as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        run(work)
    assert facts.count_rows(work.engine)["observation"] == 0
    assert not [row for row in inputs(work, NIGHT) if row.origin == "harvested" and row.value is not None]
    assert "0" not in {row.value for row in inputs(work, NIGHT) if row.state == "unavailable"}
    assert dump(work)
