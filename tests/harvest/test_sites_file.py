"""`sites.yaml`: addresses, unique names, pinned authorities; every error names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.model import FaultySite
from dti_pipeline.harvest.sites import check_base_url, load_sites, load_usable_sites

SITE = """\
  - name: {name}
    connector: {connector}
    base_url: "{url}"
    province: H00
"""


def written(folder: Path, *entries: str, extra: str = "") -> Path:
    path = folder / "sites.yaml"
    path.write_text("sites:\n" + "".join(entries) + extra, encoding="utf-8")
    return path


def entry(name: str = "thuc-hanh", connector: str = "practice", url: str = "https://portal.example/api") -> str:
    return SITE.format(name=name, connector=connector, url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://dichvucong.example",
        "https://portal.example:8443/base/",
        "https://10.0.0.7",
        "https://[2001:db8::1]",
        "http://127.0.0.1:8765",
        "http://127.1.2.3",
        "http://localhost:1",
        "http://[::1]:8765",
    ],
)
def test_good_addresses_pass_unchanged(url: str) -> None:
    assert check_base_url(url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://portal.example", "must be https"),
        ("http://10.0.0.7", "must be https"),
        ("http://127.0.0.1.evil.example", "must be https"),
        ("http://localhost.evil.example", "must be https"),
        ("http://2130706433", "must be https"),
        ("http://[::2]", "must be https"),
        ("ftp://portal.example", "begin with https"),
        ("portal.example", "begin with https"),
        ("file:///etc/passwd", "begin with https"),
        ("https://", "names no host"),
        ("https:///path", "names no host"),
        ("https://user:pw@portal.example", "user name or password"),
        ("https://@portal.example", "user name or password"),
        ("https://portal.example?x=1", "before any"),
        ("https://portal.example/?", "before any"),
        ("https://portal.example/#top", "before any"),
        ("https://portal.example:port", "not an address"),
        ("https://portal.example:99999", "not an address"),
        ("https://[::1", "not an address"),
        ("https://portal.example/a b", "space"),
        ("https://portal.example\\@evil.example", "backslash"),
        ("https://cổng.example", "ASCII"),
        ("https://portal.example/\n", "space"),
    ],
)
def test_bad_addresses_are_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_base_url(url)


def test_sites_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    sites = load_sites(written(tmp_path, entry("b"), entry("a"), entry("b", connector="other")))
    assert [(site.connector, site.name) for site in sites] == [("practice", "b"), ("practice", "a"), ("other", "b")]
    assert sites[0].windows == ("year",)


def test_politeness_and_options_are_read(tmp_path: Path) -> None:
    extra = "    windows: [year, last_closed_quarter]\n    politeness: {min_interval_s: 0.5, retries: 1}\n"
    (site,) = load_sites(written(tmp_path, entry(), extra=extra))
    assert site.windows == ("year", "last_closed_quarter")
    assert site.politeness is not None
    assert (site.politeness.min_interval_s, site.politeness.retries) == (0.5, 1)


def test_a_name_used_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    path = written(tmp_path, entry("a"), entry("b"), entry("a"))
    with pytest.raises(
        DataFileError, match=r"sites\.yaml.*«a» of connector «practice» stands twice \(entries 1 and 3\)"
    ):
        load_sites(path)


def test_a_bad_address_is_refused_with_file_line_and_site_but_without_its_password(tmp_path: Path) -> None:
    path = written(tmp_path, entry("a"), entry("b", url="https://me:s3cret@portal.example"))
    with pytest.raises(DataFileError) as caught:
        load_sites(path)
    assert str(caught.value).startswith("sites.yaml:6: name b,")
    assert "user name or password" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"sites\.yaml:6: name a, field sites\.0\.verify"):
        load_sites(written(tmp_path, entry("a"), extra="    verify: false\n"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"none\.yaml: cannot be read"):
        load_sites(tmp_path / "none.yaml")


def test_a_pinned_authority_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "root.pem").write_text("pem")
    (site,) = load_sites(written(tmp_path, entry(), extra="    ca_file: ca/root.pem\n"))
    assert site.ca_file == str((tmp_path / "ca" / "root.pem").resolve())


def test_a_pinned_authority_that_is_missing_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, entry("a"), extra="    ca_file: ca/root.pem\n")
    with pytest.raises(DataFileError, match=r"sites\.yaml: name a, field ca_file: there is no file «ca/root\.pem»"):
        load_sites(path)


# --- a night's sites ---


def test_a_faulty_entry_costs_only_its_own_site(tmp_path: Path) -> None:
    bad = entry("b", url="https://me:s3cret@portal.example") + "    options: {unit: H00.01}\n"
    without_ca = entry("c") + "    ca_file: ca/root.pem\n"
    good, address, authority = load_usable_sites(written(tmp_path, entry("a"), bad, without_ca))
    assert not isinstance(good, FaultySite)
    assert isinstance(address, FaultySite)
    assert (address.name, address.connector, address.province, address.base_url) == ("b", "practice", "H00", "")
    assert address.options == {"unit": "H00.01"}
    assert address.fault.startswith("sites.yaml:6: name b,")
    assert "s3cret" not in address.fault
    assert isinstance(authority, FaultySite)
    assert authority.fault == "sites.yaml: name c, field ca_file: there is no file «ca/root.pem»"


def test_every_entry_has_its_own_lines_only(tmp_path: Path) -> None:
    many = [entry(f"s{number}") + ("    verify: false\n" if number in (1, 10) else "") for number in range(11)]
    faults = [site.fault for site in load_usable_sites(written(tmp_path, *many)) if isinstance(site, FaultySite)]
    assert [("name s1," in fault, "name s10," in fault) for fault in faults] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    "text",
    [
        "sites: {}\n",
        "sites: [1]\n",
        "sites:\n  - {name: a, connector: practice}\n",
        "other: 1\nsites: []\n",
        "sites: [",
    ],
)
def test_what_names_no_site_is_still_refused_as_a_whole(text: str, tmp_path: Path) -> None:
    (tmp_path / "sites.yaml").write_text(text)
    with pytest.raises(DataFileError, match=r"^sites\.yaml"):
        load_usable_sites(tmp_path / "sites.yaml")


def test_a_name_that_stands_twice_cannot_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="stands twice"):
        load_usable_sites(written(tmp_path, entry("a"), entry("a")))
    with pytest.raises(DataFileError, match="cannot be read"):
        load_usable_sites(tmp_path / "none.yaml")
