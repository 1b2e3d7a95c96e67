"""Which installations of which source systems a province harvests: `sites.yaml` -> checked sites.

Here: the file, the rules for a site's base address and login, folders and pinned certificate authorities found on
disk. Not here: what a site is (`model.py`), asking it (`fetching.py`), whether its connector exists (`discovery.py`).
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from dti_pipeline.datafiles import DataFileError, parse_yaml, read_model
from dti_pipeline.harvest.auth import check_auth
from dti_pipeline.harvest.model import FaultySite, Site

FOLDER = "file://"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine: 127.0.0.0/8, ::1 or `localhost`, and no other spelling."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_base_url(url: str) -> str:
    """The address itself, if a site may have it. Raises ValueError that never repeats a user name or password.

    https always; http only to this machine, for the practice systems. Credentials and query values would end up in
    snapshots and logs, so neither may stand in an address.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("base_url is not an address") from None
    if not url.isascii() or any(sign <= " " or sign in "\\\x7f" for sign in url):
        raise ValueError("base_url holds a space, a backslash or a letter outside ASCII (write such a name as xn--…)")
    if parts.scheme not in ("http", "https"):
        raise ValueError("base_url must begin with https:// (or file:// for a folder)")
    if not host:
        raise ValueError("base_url names no host")
    if "@" in parts.netloc:
        raise ValueError("base_url must not hold a user name or password")
    if "?" in url or "#" in url:
        raise ValueError("base_url must end before any «?» or «#»; parameters belong in the site's options")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("base_url must be https: plain http is for this machine only (127.0.0.0/8, ::1, localhost)")
    return url


def is_folder(base_url: str) -> bool:
    """Whether a base address is a folder on this machine: `file://` and a path, written as it is on disk."""
    return base_url.startswith(FOLDER)


def check_folder_url(url: str) -> Path:
    """The folder that a `file://` base address names, absolute or relative. Raises ValueError."""
    path = url.removeprefix(FOLDER)
    if not is_folder(url) or not path:
        raise ValueError("base_url names no folder; write file:///srv/drop, or file://drop beside the sites file")
    if any(sign < " " or sign in "\\?#\x7f" for sign in path):
        raise ValueError("base_url holds a backslash, «?», «#» or an invisible sign")
    if not path.strip("/"):
        raise ValueError("base_url is the root of the file system; name the folder that the files are dropped into")
    if path.split("/")[0] == "localhost":
        raise ValueError("base_url names a folder without a host: write file:///srv/drop")
    return Path(path)


def _checked(site: Site) -> Site:
    if is_folder(site.base_url):
        check_folder_url(site.base_url)
    else:
        check_base_url(site.base_url)
    if site.auth is not None:
        check_auth(site.auth)
        if is_folder(site.base_url) and site.auth.kind != "none":
            raise ValueError("a folder has no login; leave out auth")
    return site


class SitesFile(BaseModel):
    """`sites.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sites: tuple[Annotated[Site, AfterValidator(_checked)], ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        first: dict[tuple[str, str], int] = {}
        for position, site in enumerate(self.sites, start=1):
            earlier = first.setdefault((site.connector, site.name), position)
            if earlier != position:
                what = f"site «{site.name}» of connector «{site.connector}»"
                raise ValueError(f"{what} stands twice (entries {earlier} and {position})")
        return self


def load_sites(path: Path) -> tuple[Site, ...]:
    """The sites in a file, in its order. Raises DataFileError.

    A relative `ca_file` or folder is looked for beside the file; the sites returned hold its absolute path. A folder
    need not be there yet: whether it is shows when it is asked.
    """
    return tuple(_with_folder(_with_ca_file(site, path), path) for site in read_model(path, SitesFile).sites)


def load_usable_sites(path: Path) -> tuple[Site, ...]:
    """As `load_sites`, but an entry that cannot be used is a FaultySite and costs the others nothing.

    Raises DataFileError where not even that can be said: no YAML list of sites, an entry without a name, connector or
    province, a name that stands twice.
    """
    try:
        return load_sites(path)
    except DataFileError as error:
        told = error
    data = parse_yaml(path.read_text("utf-8"), path.name) if path.is_file() else None
    entries = data.get("sites") if isinstance(data, dict) and data.keys() == {"sites"} else None
    if not isinstance(entries, list) or not all(map(_is_named, entries)):
        raise told
    if len({(entry["connector"], entry["name"]) for entry in entries}) < len(entries):
        raise told
    return tuple(_alone(entry, position, path, told) for position, entry in enumerate(entries))


def _is_named(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("name", "connector", "province"))


def _alone(entry: dict[str, Any], position: int, path: Path, told: DataFileError) -> Site:
    """One entry by itself; of what is wrong with the file a faulty one keeps its own lines."""
    try:
        (site,) = SitesFile.model_validate({"sites": [entry]}).sites
        return _with_folder(_with_ca_file(site, path), path)
    except DataFileError as error:
        fault = str(error)
    except ValidationError:
        own = re.compile(rf"field sites\.{position}[.:]")
        fault = "; ".join(line for line in str(told).splitlines() if own.search(line))
    options = entry.get("options")
    return FaultySite.model_construct(
        name=entry["name"],
        connector=entry["connector"],
        province=entry["province"],
        # An address that was refused may hold a password.
        base_url="",
        options=options if isinstance(options, dict) else {},
        fault=fault,
    )


def _with_folder(site: Site, path: Path) -> Site:
    if not is_folder(site.base_url):
        return site
    folder = path.parent.resolve() / check_folder_url(site.base_url)
    return site.model_copy(update={"base_url": FOLDER + os.path.normpath(folder)})


def _with_ca_file(site: Site, path: Path) -> Site:
    if site.ca_file is None:
        return site
    ca_file = (path.parent / site.ca_file).resolve()
    if not ca_file.is_file():
        raise DataFileError(f"{path.name}: name {site.name}, field ca_file: there is no file «{site.ca_file}»")
    return site.model_copy(update={"ca_file": str(ca_file)})
