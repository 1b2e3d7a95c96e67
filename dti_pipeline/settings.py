"""Settings from `DTI_*` environment variables. Everything works with none of them set.

Not here: secrets of sites (their own variables, named in `sites.yaml`) and anything that a decision says.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are. Paths are taken from the current folder unless absolute."""

    model_config = SettingsConfigDict(env_prefix="DTI_", extra="ignore", frozen=True)

    data_dir: Path = Path(".dti")
    """Everything that the pipeline writes, except Dagster's own storage."""
    database_url: str | None = None
    """SQLAlchemy URL; name the driver (`postgresql+psycopg2://…`). Default: SQLite under `data_dir`."""
    snapshot_url: str | None = None
    """fsspec URL of the folder that keeps raw bytes by their sha256. Default: under `data_dir`."""
    sites_file: Path = Path("sites.yaml")
    assessments_file: Path = Path("assessments.yaml")
    units_files: tuple[Path, ...] = ()
    """Further unit files beside those that come with the project."""
    clock: str | None = Field(default=None)
    """A fixed moment (ISO 8601 with offset) in place of the wall clock: rehearsals, the demo, tests."""
    executor: str = "in_process"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'dti.db'}"

    @property
    def resolved_snapshot_url(self) -> str:
        return self.snapshot_url or f"file://{self.data_dir.resolve() / 'snapshots'}"
