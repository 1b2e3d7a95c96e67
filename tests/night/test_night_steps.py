"""The steps of a night without Dagster: run again, killed anywhere, run late, run over a broken source, explained.

Not here: what each fault looks like on the wire (`test_night_faults.py`) and Dagster (`test_dagster_night.py`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from night_kit import (
    CONNECTOR,
    NIGHT,
    NINH_THUAN,
    QD766,
    at,
    clock_of,
    copy_of,
    dump,
    harvest,
    inputs,
    install,
    install_small,
    night_steps,
    rankings,
    run,
    scores,
)
from small_installation import hand_in_again, with_value
from sqlmodel import Session, select

from dti_pipeline import night as steps
from dti_pipeline.harvest.http import Fetcher
from dti_pipeline.harvest.model import Request, Snapshot
from dti_pipeline.lineage.explain import NothingToExplain, explain
from dti_pipeline.night import NightNotOpen, Workspace
from dti_pipeline.sandbox.server import Sandbox
from dti_pipeline.store import facts
from dti_pipeline.store.snapshots import SnapshotDamaged
from dti_pipeline.store.tables import ClaimRow, InputRow, ScoreRow, SubmissionRow

NEXT = NIGHT + dt.timedelta(days=1)
FROM_SOURCE = {"3.7.1", "5.8"}
"""Criteria of the framework whose inputs are all the province's own harvested figures."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Sandbox]]:
    """The whole practice installation after one undisturbed night, its portal still running. Not to be changed."""
    with Sandbox() as sandbox:
        work = install(tmp_path_factory.mktemp("full"), sandbox.base_url)
        run(work)
        yield work, sandbox


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The small installation after one undisturbed night. Tests work on copies."""
    with Sandbox() as sandbox:
        work = install_small(tmp_path_factory.mktemp("small"), sandbox.base_url)
        run(work)
    return work


# --- the same night again ---


def test_the_same_night_twice_adds_nothing_and_asks_nothing(full: tuple[Workspace, Sandbox]) -> None:
    work, sandbox = full
    counts, content, asked = facts.count_rows(work.engine), dump(work), len(sandbox.requests)
    assert asked == counts["snapshot"] == 24
    assert min(counts[name] for name in ("unit", "source", "observation", "claim", "input", "score", "ranking")) > 0
    run(Workspace(work.settings))
    assert facts.count_rows(work.engine) == counts
    assert dump(work) == content
    assert len(sandbox.requests) == asked


def test_a_late_run_of_a_past_night_asks_nothing_and_ranks_the_same(full: tuple[Workspace, Sandbox]) -> None:
    work, sandbox = full
    content, asked = dump(work), len(sandbox.requests)
    late = at(work, clock_of(NIGHT, days_later=40))
    assert not late.night(NIGHT, "late").is_open
    run(late)
    assert len(sandbox.requests) == asked
    assert dump(late) == content
    table = rankings(late, NIGHT, QD766, "department")
    assert len(table) > 5
    assert min(row.rank for row in table if row.rank is not None) == 1


def test_facts_of_later_nights_do_not_reach_a_past_night(small: Workspace, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        work = copy_of(small, tmp_path, sandbox.base_url)
        before = [row.model_dump() for row in inputs(work, NIGHT)]
        edit_claim(work, "1.1.3", "e", "9")
        run(at(work, clock_of(NEXT)), NEXT)
        changed = {(r.criterion, r.name): r.value for r in inputs(work, NEXT)}
        assert changed["1.1.3", "e"] == "9"
        run(at(work, clock_of(NEXT)), NIGHT)
        assert [row.model_dump() for row in inputs(work, NIGHT)] == before


def test_a_night_that_has_not_begun_is_refused(small: Workspace) -> None:
    work = at(small, f"{NEXT.isoformat()}T23:59:59+07:00")
    assert work.night(NIGHT, "x").is_open
    with pytest.raises(NightNotOpen, match="2026-10-16"):
        work.night(NEXT, "x")
    assert at(small, "2026-10-17T00:00:00+07:00").night(NEXT, "x").is_open
    assert not at(small, "2026-10-17T00:00:00+07:00").night(NIGHT, "x").is_open


# --- killed ---


def test_killed_between_any_two_steps_and_run_again(small: Workspace, tmp_path: Path) -> None:
    wanted = dump(small)
    with Sandbox() as sandbox:
        undisturbed = install_small(tmp_path / "undisturbed", sandbox.base_url)
        steps_of_night = list(night_steps(undisturbed, NIGHT))
        assert len(steps_of_night) == 7
        for done, step in enumerate(steps_of_night[:-1], start=1):
            step()
            killed = copy_of(undisturbed, tmp_path / str(done), sandbox.base_url)
            assert dump(killed) != wanted
            run(killed)
            assert dump(killed) == wanted, f"killed after step {done}"


@pytest.mark.parametrize("answers", [0, 1, 4, 9])
def test_killed_in_the_middle_of_the_harvest_and_run_again(
    answers: int, small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Fetcher.fetch
    left = iter(range(answers))

    def killed(self: Fetcher, request: Request) -> Snapshot:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return fetch(self, request)

    with Sandbox() as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        monkeypatch.setattr(Fetcher, "fetch", killed)
        with pytest.raises(KeyboardInterrupt):
            run(work)
        assert facts.count_rows(work.engine)["snapshot"] == answers == len(sandbox.requests)
        monkeypatch.setattr(Fetcher, "fetch", fetch)
        run(Workspace(work.settings))
        assert len(sandbox.requests) == facts.count_rows(small.engine)["snapshot"]
    assert dump(work) == dump(small)


@pytest.mark.parametrize("lost", [1, 3])
def test_killed_while_an_answer_is_being_recorded(
    lost: int, small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are already kept, the rows not: the answer is asked for once more, and nothing is there twice."""
    append = facts.append
    seen = iter(range(10_000))

    def killed(session: Session, rows: Any) -> int:
        added = append(session, rows)
        if rows and rows[0].__tablename__ == "observation" and next(seen) == lost:
            raise KeyboardInterrupt
        return added

    with Sandbox() as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        monkeypatch.setattr(facts, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            run(work)
        assert facts.count_rows(work.engine)["snapshot"] == lost
        monkeypatch.setattr(facts, "append", append)
        run(Workspace(work.settings))
        assert len(sandbox.requests) == facts.count_rows(small.engine)["snapshot"] + 1
    assert dump(work) == dump(small)


# --- a source that breaks ---


def harvested(work: Workspace, night: dt.date) -> dict[tuple[str, str], InputRow]:
    return {
        (row.criterion, row.name): row
        for row in inputs(work, night)
        if row.criterion in FROM_SOURCE and row.origin == "harvested"
    }


def test_a_broken_source_leaves_yesterdays_figures_and_then_they_grow_stale(small: Workspace, tmp_path: Path) -> None:
    first = harvested(small, NIGHT)
    assert {code for code, _ in first} == FROM_SOURCE
    assert {(row.state, row.age_days) for row in first.values()} == {("harvested", 0)}
    with Sandbox(faults={"*": "http_503"}) as sandbox:
        work = copy_of(small, tmp_path, sandbox.base_url)
        # The manifest lets figures be three days old.
        for days, state in ((1, "harvested"), (3, "harvested"), (4, "stale")):
            night = NIGHT + dt.timedelta(days=days)
            now = at(work, clock_of(night))
            run(now, night)
            rows = harvested(now, night)
            assert {(row.state, row.age_days) for row in rows.values()} == {(state, days)}
            assert {key: row.value for key, row in rows.items()} == {key: row.value for key, row in first.items()}
            assert {key: row.evidence for key, row in rows.items()} == {key: r.evidence for key, r in first.items()}
            points = {row.criterion: row for row in scores(now, night) if row.criterion in FROM_SOURCE}
            if state == "stale":
                assert {row.state for row in points.values()} == {"stale"}
                assert all(row.is_provisional for row in rankings(now, night, NINH_THUAN, "province"))
            else:
                assert {row.state for row in points.values()} == {"scored"}


def assert_unavailable(work: Workspace, reason: str) -> None:
    rows = harvested(work, NIGHT)
    assert {code for code, _ in rows} == FROM_SOURCE
    assert {(row.state, row.value, row.age_days) for row in rows.values()} == {("unavailable", None, None)}
    assert all(row.reason is not None and reason in row.reason for row in rows.values())
    points = [row for row in scores(work, NIGHT) if row.criterion in FROM_SOURCE]
    assert {(row.state, row.points_micro) for row in points} == {("unavailable", None)}


def test_a_source_that_never_answered_is_unavailable_and_not_zero(tmp_path: Path) -> None:
    with Sandbox(faults={"*": "http_500"}) as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        run(work)
        # Three answers of 5xx in a row, each asked for twice; then the site is left alone.
        assert len(sandbox.requests) == 6
    assert_unavailable(work, "dvcqg766/thuc-hanh")


def test_a_past_night_on_which_nothing_was_asked_is_unavailable_and_not_missing(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        work = at(install_small(tmp_path, sandbox.base_url), clock_of(NIGHT, days_later=5))
        reports = harvest(work)
        run(work)
        assert sandbox.requests == []
    assert {failure.kind.value for report in reports for _, failure in report.failures} == {"not_fetched"}
    assert_unavailable(work, "chưa lấy được")


def test_a_failure_is_asked_again_the_same_night_and_mends_it(small: Workspace, tmp_path: Path) -> None:
    with Sandbox(faults={"*": "http_503"}) as sandbox:
        work = install_small(tmp_path, sandbox.base_url)
        run(work)
        sandbox.faults.clear()
        run(Workspace(work.settings))
    fresh = {key: (row.value, row.state, row.evidence) for key, row in harvested(work, NIGHT).items()}
    assert fresh == {key: (row.value, row.state, row.evidence) for key, row in harvested(small, NIGHT).items()}
    assert {row.revision for row in harvested(work, NIGHT).values()} == {2}
    assert steps.current_figures(work, NIGHT).failures == ()


# --- a changed line ---


def edit_claim(work: Workspace, criterion: str, name: str, value: str) -> None:
    hand_in_again(work, NINH_THUAN, "self-report.csv", lambda text: with_value(text, "H00", criterion, name, value))


def test_a_changed_line_revises_only_what_rests_on_it(small: Workspace, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        work = copy_of(small, tmp_path, sandbox.base_url)
        before = facts.count_rows(work.engine)
        edit_claim(work, "1.1.3", "e", "2")  # of the first 3 only
        run(work)
        after = facts.count_rows(work.engine)
        assert sandbox.requests == []
    new = {name: count - before[name] for name, count in after.items() if count != before[name]}
    with Session(work.engine) as session:
        (second,) = session.exec(select(SubmissionRow).where(SubmissionRow.sequence > 1)).all()
        said = session.exec(select(ClaimRow).where(ClaimRow.submission == second.id)).all()
        assert {row.criterion for row in said} == {"1.1.3"}
        assert {row.value for row in said if row.name == "e"} == {"2"}
    assert {row.criterion for row in inputs(work, NIGHT) if row.revision > 1} == {"1.1.3"}
    assert {row.criterion for row in scores(work, NIGHT) if row.revision > 1} == {"1.1.3"}
    # A submission speaks of whole cells: the five inputs of one.
    assert new == {"submission": 1, "reported_cell": 1, "claim": 5, "input": 5, "score": 1, "ranking": 1}
    old = {row.criterion: row.points_micro for row in scores(small, NIGHT)}
    fresh = {row.criterion: row.points_micro for row in scores(work, NIGHT)}
    assert old["1.1.3"] != fresh["1.1.3"]
    total = sum(points or 0 for points in fresh.values())
    assert abs(rankings(work, NIGHT, NINH_THUAN, "province")[0].total_micro - total) <= len(fresh)


# --- explained ---


def pointed(body: bytes, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) names in the bytes, numbers exact."""
    value = json.loads(body, parse_float=Fraction, parse_int=Fraction)
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def numbers(value: Any) -> set[Fraction]:
    if isinstance(value, Fraction):
        return {value}
    if isinstance(value, dict):
        return {n for part in value.values() for n in numbers(part)}
    if isinstance(value, list):
        return {n for part in value for n in numbers(part)}
    return set()


@pytest.mark.parametrize(
    ("framework", "unit", "criterion", "observations"),
    [
        (NINH_THUAN, "H00", "5.8", 3),
        (NINH_THUAN, "H00", "3.7.1", 2),
        (NINH_THUAN, "H00", "5.11.1", 2),
        # A sum over every department of the province.
        (NINH_THUAN, "H00", "5.10.1", None),
    ],
)
def test_every_harvested_number_stands_in_the_stored_bytes(
    framework: str, unit: str, criterion: str, observations: int | None, full: tuple[Workspace, Sandbox]
) -> None:
    work, _ = full
    chain = explain(work, framework, unit, criterion, NIGHT)
    assert chain["points"] == chain["stored_points"] or chain["points"] is None
    seen = 0
    for item in chain["inputs"]:
        parts = []
        for observation in item["observations"]:
            seen += 1
            stored = observation["snapshot"]
            body = Path(stored["stored_at"]).read_bytes()
            assert hashlib.sha256(body).hexdigest() == stored["sha256"]
            assert len(body) == stored["bytes"]
            number = Fraction(observation[item["part"]])
            assert number in numbers(pointed(body, observation["locator"]))
            parts.append(number)
        if parts:
            assert sum(parts) == Fraction(item["value"])
    if observations is None:
        departments = len(list(work.registry.of("department", "H00", NIGHT)))
        assert seen == departments > 5
    else:
        assert seen == observations


def test_a_self_reported_number_stands_on_its_line_of_the_stored_file(full: tuple[Workspace, Sandbox]) -> None:
    work, _ = full
    chain = explain(work, NINH_THUAN, "H00", "1.1.3", NIGHT)
    claims = [(item, claim) for item in chain["inputs"] for claim in item["claims"]]
    assert len(claims) == len(chain["inputs"]) > 0
    for item, claim in claims:
        body = work.snapshots.get(claim["file_sha256"])
        line = body.decode("utf-8").splitlines()[int(claim["locator"].removeprefix("dòng ")) - 1].split(",")
        assert (line[0], line[2], line[3], line[4]) == ("H00", "1.1.3", item["name"], item["value"])


def test_a_number_of_the_decision_names_its_clause(tmp_path: Path) -> None:
    work = install_small(tmp_path, "http://127.0.0.1:9")
    path = work.settings.inbox_folder / NINH_THUAN / "self-report.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if ",4.1.2,b," not in line), encoding="utf-8")
    steps.take_in_submissions(work, NINH_THUAN)
    steps.merge_inputs(work, NINH_THUAN, NIGHT)
    chain = explain(work, NINH_THUAN, "H00", "4.1.2", NIGHT)
    item = next(item for item in chain["inputs"] if item["name"] == "b")
    assert (item["origin"], item["value"]) == ("decision", "119")
    assert item["printed_in"] == [chain["clause"]]
    assert not item["observations"]
    assert not item["claims"]


def test_what_there_is_not_is_said(full: tuple[Workspace, Sandbox]) -> None:
    with pytest.raises(NothingToExplain, match=r"99\.9"):
        explain(full[0], NINH_THUAN, "H00", "99.9", NIGHT)
    with pytest.raises(NothingToExplain, match="H77"):
        explain(full[0], NINH_THUAN, "H77", "5.8", NIGHT)


def test_a_flipped_byte_breaks_the_chain_loudly(small: Workspace, tmp_path: Path) -> None:
    work = copy_of(small, tmp_path, "http://127.0.0.1:9")
    chain = explain(work, NINH_THUAN, "H00", "5.8", NIGHT)
    stored = chain["inputs"][0]["observations"][0]["snapshot"]
    path = Path(stored["stored_at"])
    assert path.is_relative_to(tmp_path)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(bytes(body))
    with pytest.raises(SnapshotDamaged, match=stored["sha256"]):
        work.snapshots.get(stored["sha256"])
    with pytest.raises(SnapshotDamaged):
        steps.harvest(work, CONNECTOR, work.night(NIGHT, "x"))


def test_a_score_has_no_points_where_it_has_no_value(full: tuple[Workspace, Sandbox]) -> None:
    with Session(full[0].engine) as session:
        rows = session.exec(select(ScoreRow)).all()
    open_rows = [row for row in rows if row.state in ("unavailable", "pending")]
    assert open_rows
    assert all(row.points_micro is None and row.reason for row in open_rows)
