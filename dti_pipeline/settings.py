"""Settings from `DTI_*` environment variables. Everything works with none of them set.

Not here: secrets of sites (their own variables, named in `sites.yaml`) and anything that a decision says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are and which moment it is. One folder holds an installation."""

    model_config = SettingsConfigDict(env_prefix="DTI_", extra="ignore", frozen=True)

    home: Path = Path()
    """Folder of the installation: `sites.yaml`, `crosswalk.yaml`, `assessments/*.yaml`, `units/*.yaml`, and `.dti/` for
    what we write."""
    database_url: str | None = None
    """SQLAlchemy URL; name the driver (`postgresql+psycopg2://…`). Default: SQLite under `.dti/`."""
    snapshot_url: str | None = None
    """fsspec URL of the folder that keeps raw bytes by their sha256. Default: under `.dti/`."""
    clock: str | None = None
    """A fixed moment (ISO 8601 with offset) in place of the wall clock: rehearsals, the demo, tests."""
    alert_webhook: SecretStr | None = None
    """Where a failed night is told besides its file: an https address that takes JSON `{"text": …}`."""
    executor: Literal["in_process", "multiprocess"] = "in_process"

    @property
    def data_dir(self) -> Path:
        return self.home.resolve() / ".dti"

    @property
    def sites_file(self) -> Path:
        return self.home / "sites.yaml"

    @property
    def assessments_folder(self) -> Path:
        """One file per assessment."""
        return self.home / "assessments"

    @property
    def inbox_folder(self) -> Path:
        """What units hand in, one folder per assessment, until the night or `dti evidence` takes it in."""
        return self.home / "inbox"

    @property
    def signers_file(self) -> Path:
        """Whose certificate signs for which unit, as its leader or as the organisation."""
        return self.home / "signers.yaml"

    @property
    def publications_folder(self) -> Path:
        """Tables to take along, by night; and the frozen ones."""
        return self.data_dir / "publications"

    @property
    def lanes_folder(self) -> Path:
        """When each host was last asked, for all that asks on this machine."""
        return self.data_dir / "lanes"

    @property
    def units_files(self) -> tuple[Path, ...]:
        """Unit files beside those that come with the project."""
        return tuple(sorted((self.home / "units").glob("*.yaml")))

    @property
    def crosswalk_file(self) -> Path:
        """Names of sources that a person confirmed (`dti units confirm`)."""
        return self.home / "crosswalk.yaml"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'dti.db'}"

    @property
    def resolved_snapshot_url(self) -> str:
        return self.snapshot_url or f"file://{self.data_dir / 'snapshots'}"
