"""The database: one engine per URL, brought to the newest migration before anything is written.

Not here: tables (`tables.py`) and queries (`facts.py`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from sqlmodel import create_engine

MIGRATIONS = Path(__file__).parent / "migrations"


class DatabaseUrlError(ValueError):
    """A database URL that would work by accident or not at all."""


@cache
def open_engine(url: str) -> Engine:
    """The engine for a URL, its schema up to date. Raises DatabaseUrlError.

    PostgreSQL needs its driver named: the default behind a plain `postgresql://` differs between SQLAlchemy versions.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql" and "+" not in parsed.drivername:
        raise DatabaseUrlError("name the driver in DTI_DATABASE_URL: postgresql+psycopg2://…")
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _sqlite_pragmas)
    migrate(engine)
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to the newest revision, in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _sqlite_pragmas(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    # Readers (the UI, `dti explain`) must not block the night's writes, nor the reverse.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()
