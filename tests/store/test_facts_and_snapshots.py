"""The store: ids from content, appended and revised facts, migrations, and bytes by their sha256."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, create_engine, text
from sqlmodel import Session, SQLModel, select

from dti_pipeline.store import facts
from dti_pipeline.store.engine import DatabaseUrlError, migrate, open_engine
from dti_pipeline.store.snapshots import SnapshotDamaged, SnapshotStore
from dti_pipeline.store.tables import (
    ClaimRow,
    InputRow,
    RankingRow,
    ReportedCellRow,
    RunRow,
    SubmissionRow,
    UnitRow,
)

FIRST, LATER = "2026-10-15T17:30:00+00:00", "2026-10-16T17:30:00+00:00"
NIGHT = dt.date(2026, 10, 15)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_engine(f"sqlite:///{tmp_path / 'deep' / 'facts.db'}")


def unit(name: str = "tỉnh Thực Hành (đơn vị hư cấu)", recorded_at: str = FIRST) -> UnitRow:
    return facts.with_id(UnitRow(id="", code="H00", name=name, level="province", recorded_at=recorded_at))


def claim(value: str, *, name: str = "a", recorded_at: str = FIRST) -> ClaimRow:
    return ClaimRow(
        id="",
        submission="s",
        assessment="a",
        level="province",
        unit="H00",
        criterion="1",
        name=name,
        value=value,
        state="reported",
        body_sha256="a" * 64,
        locator="dòng 2",
        recorded_at=recorded_at,
    )


def entry(value: str, *, name: str = "a", recorded_at: str = FIRST) -> InputRow:
    return InputRow(
        id="",
        revision=0,
        night=NIGHT.isoformat(),
        assessment="a",
        framework="f",
        level="province",
        unit="H00",
        unit_name="tỉnh Thực Hành (đơn vị hư cấu)",
        criterion="1",
        name=name,
        value=value,
        state="reported",
        origin="self_reported",
        evidence="[]",
        recorded_at=recorded_at,
    )


# --- ids and appending ---


def test_an_id_is_the_sha256_of_the_canonical_content() -> None:
    wanted = hashlib.sha256('["reading",{"a":1,"b":"đ"}]'.encode()).hexdigest()
    assert facts.content_id("reading", {"b": "đ", "a": 1}) == wanted
    assert facts.content_id("other", {"b": "đ", "a": 1}) != wanted


def test_an_id_depends_on_what_is_so_and_not_on_when() -> None:
    assert unit().id == unit(recorded_at=LATER).id
    assert unit().id != unit("tỉnh khác").id

    def run(dagster_run: str, version: str) -> str:
        row = RunRow(
            id="", night="2026-10-15", cut_off=LATER, code_version=version, dagster_run=dagster_run, recorded_at=FIRST
        )
        return facts.with_id(row).id

    assert run("one", "1") == run("two", "1") != run("one", "2")


def test_what_is_there_is_not_appended_again(engine: Engine) -> None:
    for rows, new in (([unit(), unit()], 1), ([unit(recorded_at=LATER)], 0), ([unit("tỉnh khác"), unit()], 1), ([], 0)):
        with Session(engine) as session, session.begin():
            assert facts.append(session, rows) == new
    assert facts.count_rows(engine)["unit"] == 2
    with Session(engine) as session:
        assert {row.recorded_at for row in session.exec(select(UnitRow)).all()} == {FIRST}


def test_a_moment_needs_its_time_zone() -> None:
    assert facts.utc_text(dt.datetime(2026, 10, 16, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=7)))) == FIRST
    with pytest.raises(ValueError, match="time zone"):
        facts.utc_text(dt.datetime(2026, 10, 16))  # noqa: DTZ001 - the refused case


# --- revisions ---


def drafted(row: Any) -> facts.Draft[Any]:
    return facts.draft(type(row), **row.model_dump(exclude={"id", "revision", "is_withdrawn"}))


def test_a_draft_has_every_column_and_no_other() -> None:
    values = entry("A").model_dump(exclude={"id", "revision", "is_withdrawn"})
    assert facts.draft(InputRow, **{k: v for k, v in values.items() if k != "reason"}).values["reason"] is None
    with pytest.raises(TypeError, match="InputRow has no colour"):
        facts.draft(InputRow, **values, colour="red")
    with pytest.raises(TypeError, match="InputRow needs state"):
        facts.draft(InputRow, **{k: v for k, v in values.items() if k != "state"})


def wish(engine: Engine, wanted: Sequence[InputRow], recorded_at: str = LATER) -> int:
    with Session(engine) as session, session.begin():
        current = facts.of_night(session, InputRow, facts.INPUT_KEY, NIGHT, "a", "province")
        return facts.revise(session, InputRow, current, [drafted(row) for row in wanted], facts.INPUT_KEY, recorded_at)


def history(engine: Engine, name: str = "a") -> list[tuple[int, str | None, bool]]:
    with Session(engine) as session:
        rows = session.exec(select(InputRow).where(InputRow.name == name)).all()
        return sorted((row.revision, row.value, row.is_withdrawn) for row in rows)


def test_there_and_back_again_is_three_revisions(engine: Engine) -> None:
    for value in ("A", "A", "B", "A", "A"):
        wish(engine, [entry(value)])
    assert history(engine) == [(1, "A", False), (2, "B", False), (3, "A", False)]
    with Session(engine) as session:
        (current,) = facts.of_night(session, InputRow, facts.INPUT_KEY, NIGHT, "a", "province")
        assert (current.revision, current.value) == (3, "A")


def test_what_is_no_longer_wanted_is_withdrawn_once_and_may_return(engine: Engine) -> None:
    assert wish(engine, [entry("A"), entry("X", name="b")]) == 2
    assert wish(engine, [entry("A", recorded_at=LATER)]) == 1
    assert wish(engine, [entry("A")]) == 0
    assert history(engine, "b") == [(1, "X", False), (2, "X", True)]
    with Session(engine) as session:
        rows = facts.of_night(session, InputRow, facts.INPUT_KEY, NIGHT, "a", "province")
        assert [row.name for row in facts.live(rows)] == ["a"]
        assert {row.recorded_at for row in rows if row.is_withdrawn} == {LATER}
    assert wish(engine, [entry("A"), entry("X", name="b")]) == 1
    assert history(engine, "b") == [(1, "X", False), (2, "X", True), (3, "X", False)]
    assert history(engine) == [(1, "A", False)]


def test_what_was_handed_in_later_is_not_known_earlier(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        facts.append(session, [facts.with_id(claim("2", name="b", recorded_at=LATER)), facts.with_id(claim("1"))])
        facts.append(session, [facts.with_id(claim("9", name="c").model_copy(update={"assessment": "other"}))])
    early = dt.datetime.fromisoformat(FIRST) - dt.timedelta(seconds=1)
    with Session(engine) as session:
        known = {
            at: [row.value for row in facts.handed_in(session, ClaimRow, "a", moment)]
            for at, moment in (
                ("before", early),
                ("first", dt.datetime.fromisoformat(FIRST)),
                ("later", dt.datetime.fromisoformat(LATER)),
            )
        }
    assert known == {"before": [], "first": ["1"], "later": ["1", "2"]}


def test_a_dump_tells_content_apart_and_leaves_times_out(tmp_path: Path) -> None:
    dumps = []
    for number, (name, at) in enumerate((("A", FIRST), ("A", LATER), ("B", FIRST))):
        engine = open_engine(f"sqlite:///{tmp_path / str(number)}.db")
        with Session(engine) as session, session.begin():
            facts.append(session, [unit(name, at)])
        dumps.append(facts.canonical_dump(engine))
    assert dumps[0] == dumps[1] != dumps[2]


# --- the database ---


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE run DROP COLUMN cut_off"))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    assert len(found) == 1
    assert "cut_off" in str(found)


def test_every_table_is_counted_and_dumped() -> None:
    assert {table.__tablename__ for table in facts.TABLES} == set(SQLModel.metadata.tables)


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        facts.append(session, [unit()])
    before = facts.canonical_dump(engine)
    migrate(engine)
    assert facts.canonical_dump(engine) == before


@pytest.mark.parametrize("url", ["postgresql://dti@db.invalid/dti", "postgresql:///dti"])
def test_postgresql_needs_its_driver_named(url: str) -> None:
    with pytest.raises(DatabaseUrlError, match="postgresql\\+psycopg2"):
        open_engine(url)


# --- bytes ---


def test_the_same_bytes_are_one_file_under_their_sha256(tmp_path: Path) -> None:
    store = SnapshotStore(f"file://{tmp_path / 'snapshots'}")
    body = "«số liệu»".encode()
    sha256 = hashlib.sha256(body).hexdigest()
    assert store.put(body) == store.put(body) == sha256
    files = [path for path in (tmp_path / "snapshots").rglob("*") if path.is_file()]
    assert files == [tmp_path / "snapshots" / sha256[:2] / sha256]
    assert files[0].read_bytes() == store.get(sha256) == body
    store.put(b"")
    assert store.get(hashlib.sha256(b"").hexdigest()) == b""


def test_altered_and_lost_bytes_are_damage(tmp_path: Path) -> None:
    store = SnapshotStore(f"file://{tmp_path}")
    sha256 = store.put(b"0123456789")
    path = Path(store.path(sha256))
    path.write_bytes(b"0123456788")
    with pytest.raises(SnapshotDamaged, match="altered"):
        store.get(sha256)
    path.unlink()
    with pytest.raises(SnapshotDamaged, match="not under"):
        store.get(sha256)


def test_what_older_versions_stored_is_kept(tmp_path: Path) -> None:
    """A database of the first version: its rows are taken over under the one assessment that a framework had."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = create_engine(url)
    migrate(engine, "0001")
    old = MetaData()
    old.reflect(engine)
    common = {"revision": 1, "is_withdrawn": False, "framework": "f", "level": "province", "recorded_at": "t"}
    common |= {"unit": "H00", "unit_name": "Tỉnh"}
    score = {"total_micro": 1_500_000, "max_points": "2", "percent": "75", "published": "1.50"}
    ranks = {"is_provisional": False, "pool": "province", "rank": 1, "rank_in_pool": 1}
    claim = {"criterion": "1", "name": "a", "value": "2", "state": "reported", "body_sha256": "s", "locator": "dòng 2"}
    with engine.begin() as connection:
        row = {"id": "r", "night": NIGHT.isoformat(), **common, **score, **ranks}
        connection.execute(old.tables["ranking"].insert().values(row))
        connection.execute(old.tables["claim"].insert().values({"id": "c", **common, **claim}))
        # On a later day one of two lines of the criterion was corrected, and the other criterion's line taken out.
        for row in (
            {"id": "d", "name": "b", "value": "5"},
            {"id": "e", "criterion": "2", "value": "7"},
            {"id": "f", "value": "3", "revision": 2, "recorded_at": "u", "body_sha256": "z"},
            {"id": "g", "criterion": "2", "value": "7", "revision": 2, "recorded_at": "u", "is_withdrawn": True},
        ):
            connection.execute(old.tables["claim"].insert().values({"id": "c", **common, **claim, **row}))
    engine.dispose()
    with Session(open_engine(url)) as session:
        (ranking,) = facts.of_night(session, RankingRow, facts.RANKING_KEY, NIGHT, "f", "province")
        kept = session.exec(select(ClaimRow)).all()
        handed = session.exec(select(SubmissionRow)).all()
        spoken = session.exec(select(ReportedCellRow)).all()
    assert (ranking.standing, ranking.basis, ranking.published, ranking.printed) == ("ranked", "points", "1.50", "1.50")
    assert (ranking.rank, ranking.level_published, ranking.groups, ranking.rating) == (1, "1.50", "[]", None)
    at = {row.id: row.sequence for row in handed}
    assert {(row.assessment, row.unit, row.sequence, row.recorded_at, row.body_sha256) for row in handed} == {
        ("f", "H00", 1, "t", "s"),
        ("f", "H00", 2, "u", "z"),
    }
    assert sorted((at[row.submission], row.criterion, row.name, row.value, row.state) for row in kept) == [
        (1, "1", "a", "2", "reported"),
        (1, "1", "b", "5", "reported"),
        (1, "2", "a", "7", "reported"),
        (2, "1", "a", "3", "reported"),
        (2, "1", "b", "5", "reported"),
        (2, "2", "a", None, "missing"),
    ]
    assert {row.id for row in kept} > {"c", "d", "e", "f", "g"}
    assert sorted((at[row.submission], row.criterion, row.is_blank) for row in spoken) == [
        (1, "1", False),
        (1, "2", False),
        (2, "1", False),
        (2, "2", True),
    ]
