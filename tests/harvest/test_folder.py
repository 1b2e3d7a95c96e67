"""Folders: what is listed and read, and that nothing outside a folder, hidden or half written ever is."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harvest_kit import Clock, Practice, Stored, polite

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.folder import FolderFetcher
from dti_pipeline.harvest.model import FailureKind, Politeness, Request, Site, SourceFailure
from dti_pipeline.harvest.sites import check_folder_url, load_sites


def asks(path: str = "") -> Request:
    return Request("GET", path, kind="file")


def site_at(folder: Path) -> Site:
    return Site(name="tha-tep", connector="practice", base_url=f"file://{folder}", province="H00")


def fetcher(folder: Path, politeness: Politeness | None = None, clock: Clock | None = None) -> FolderFetcher:
    return FolderFetcher(site_at(folder), politeness or polite(), monotonic=(clock or Clock()).monotonic)


def failure_of(asking: FolderFetcher, path: str = "") -> SourceFailure:
    with asking, pytest.raises(SourceFailure) as caught:
        asking.fetch(asks(path))
    return caught.value


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, content: bytes = b"7") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- many files as one answer ---


def contents(folder: Path, pattern: str, politeness: Politeness | None = None) -> list[dict[str, Any]]:
    with fetcher(folder, politeness) as asking:
        request = Request("GET", "", params={"contents": pattern, "don_vi": "H00.01"}, kind="file")
        files: list[dict[str, Any]] = json.loads(asking.fetch(request).body)["files"]
    return files


def test_files_of_a_pattern_come_with_their_bytes_and_no_others(drop: Path) -> None:
    for name in ("2026-09/b.edxml", "2026-09/a.edxml", "2026-09/a.txt", "2026-10/c.edxml", "2026-09/sau/d.edxml"):
        put(drop, name, name.encode())
    found = contents(drop, "2026-09/*.edxml")
    assert [item["name"] for item in found] == ["2026-09/a.edxml", "2026-09/b.edxml"]
    assert [base64.b64decode(item["base64"]) for item in found] == [b"2026-09/a.edxml", b"2026-09/b.edxml"]
    assert [item["bytes"] for item in found] == [15, 15]
    assert contents(drop, "2026-11/*.edxml") == []


def test_the_bytes_of_many_files_keep_within_the_limit_of_an_answer(drop: Path) -> None:
    for number in range(4):
        put(drop, f"m/{number}.edxml", b"x" * 300)
    assert len(contents(drop, "m/*.edxml", polite(max_body_bytes=2600))) == 4
    with pytest.raises(SourceFailure) as caught:
        contents(drop, "m/*.edxml", polite(max_body_bytes=1900))
    assert caught.value.kind is FailureKind.TOO_LARGE


# --- listings ---


def test_a_listing_is_sorted_whole_and_the_same_whatever_the_order_of_dropping(tmp_path: Path) -> None:
    content = {"b.csv": b"so lieu", "Báo cáo tháng 10.xlsx": b"", "2026/10/a.xml": b"<a/>", "a.csv": b"1"}
    bodies = []
    for turn in (1, -1):
        folder = tmp_path / str(turn)
        for name in list(content)[::turn]:
            put(folder, name, content[name])
        with fetcher(folder) as asking:
            snapshot = asking.fetch(asks())
        assert (snapshot.status, snapshot.header("content-type")) == (200, "application/json")
        bodies.append(snapshot.body)
    assert bodies[0] == bodies[1]
    assert json.loads(bodies[0]) == {
        "files": [
            {"name": name, "bytes": len(content[name]), "sha256": hashlib.sha256(content[name]).hexdigest()}
            for name in ("2026/10/a.xml", "Báo cáo tháng 10.xlsx", "a.csv", "b.csv")
        ]
    }


def test_hidden_half_written_linked_and_odd_things_are_not_listed(drop: Path, tmp_path: Path) -> None:
    put(drop, "seen.csv")
    for name in (".hidden.csv", "half.csv.part", ".git/config", "sending.part/a.csv"):
        put(drop, name)
    put(tmp_path, "outside/secret.csv")
    (drop / "link.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (drop / "inner-link.csv").symlink_to(drop / "seen.csv")
    (drop / "linked-folder").symlink_to(tmp_path / "outside")
    os.mkfifo(drop / "pipe.csv")
    with fetcher(drop) as asking:
        assert [file["name"] for file in json.loads(asking.fetch(asks()).body)["files"]] == ["seen.csv"]


def test_an_empty_folder_is_an_empty_listing_and_an_absent_one_a_failure(drop: Path) -> None:
    with fetcher(drop) as asking:
        assert asking.fetch(asks()).body == b'{"files":[]}'
    drop.rmdir()
    failure = failure_of(fetcher(drop))
    assert (failure.kind, failure.retryable) == (FailureKind.CONNECTION, True)
    assert failure.message == f"tha-tep: không đọc được thư mục {drop}: không có"


def test_a_file_in_place_of_the_folder_is_a_failure(drop: Path) -> None:
    failure = failure_of(fetcher(put(drop, "a.csv")))
    assert failure.kind is FailureKind.CONNECTION
    assert "không phải là thư mục" in failure.message


def test_a_folder_without_permission_is_a_failure(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own answer; the tests may run as a user who may read everything."""
    opening = os.open

    def forbid(path: Any, *given: Any, **options: Any) -> int:
        if str(path).endswith("drop"):
            raise PermissionError(13, "Permission denied")
        return opening(path, *given, **options)

    monkeypatch.setattr(os, "open", forbid)
    failure = failure_of(fetcher(drop))
    assert (failure.kind, failure.message) == (
        FailureKind.CONNECTION,
        f"tha-tep: không đọc được thư mục {drop}: không có quyền đọc",
    )


@pytest.mark.parametrize("name", [b"b\xe1o.csv", b"a\\b.csv", b"a\nb.csv"])
def test_a_name_that_cannot_be_asked_for_is_said(drop: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(drop) + b"/" + name))).write_bytes(b"1")
    failure = failure_of(fetcher(drop))
    assert (failure.kind, failure.retryable) == (FailureKind.UNREADABLE, False)


def test_a_listing_keeps_within_the_limit_of_an_answer(drop: Path) -> None:
    for number in range(30):
        put(drop, f"{number}.csv")
    failure = failure_of(fetcher(drop, polite(max_body_bytes=1000)))
    assert (failure.kind, failure.retryable) == (FailureKind.TOO_LARGE, False)


def test_a_large_file_is_listed_without_being_held_in_memory(drop: Path) -> None:
    with put(drop, "big.bin", b"").open("wb") as file:
        file.truncate(60_000_000)
    asking = fetcher(drop, polite(max_body_bytes=1_000_000))
    tracemalloc.start()
    try:
        (listed,) = json.loads(asking.fetch(asks()).body)["files"]
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert listed["bytes"] == 60_000_000
    assert failure_of(asking, "big.bin").kind is FailureKind.TOO_LARGE


# --- files ---


def test_a_file_comes_as_it_is(drop: Path) -> None:
    put(drop, "2026/10/Báo cáo.csv", b"\xff\x00so lieu")
    with fetcher(drop) as asking:
        snapshot = asking.fetch(asks("2026/10/Báo cáo.csv"))
    assert (snapshot.status, snapshot.body) == (200, b"\xff\x00so lieu")
    assert snapshot.url == f"file://{drop}/2026/10/Báo cáo.csv"


def test_the_limit_itself_is_allowed(drop: Path) -> None:
    put(drop, "a.csv", b"x" * 1000)
    with fetcher(drop, polite(max_body_bytes=1000)) as asking:
        assert len(asking.fetch(asks("a.csv")).body) == 1000
    failure = failure_of(fetcher(drop, polite(max_body_bytes=999)), "a.csv")
    assert (failure.kind, failure.retryable) == (FailureKind.TOO_LARGE, False)


@pytest.mark.parametrize(
    "path",
    [
        "../secret.csv", "a/../../secret.csv", "a/../a.csv", "./a.csv", "/etc/hostname", "a//b", "a/",
        ".hidden", "a/.hidden/b", "a.csv.part", "a.part/b", "a\\b", "a\0b", "a\nb",
    ],
)  # fmt: skip
def test_a_path_out_of_the_folder_or_into_the_hidden_is_a_defect_of_the_connector(drop: Path, path: str) -> None:
    put(drop, "a/a.csv")
    put(drop.parent, "secret.csv")
    with fetcher(drop) as asking, pytest.raises(ValueError, match="beneath its folder"):
        asking.fetch(asks(path))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("none.csv", "không có"),
        ("a.csv/b", "không phải là thư mục"),
        ("folder", "không phải là tệp thường"),
        ("link.csv", "liên kết"),
        ("linked/secret.csv", "liên kết"),
        ("pipe.csv", "không phải là tệp thường"),
    ],
)
def test_what_is_no_file_of_the_folder_is_not_read(drop: Path, path: str, words: str) -> None:
    put(drop, "a.csv")
    secret = put(drop.parent, "outside/secret.csv")
    (drop / "folder").mkdir()
    (drop / "link.csv").symlink_to(secret)
    (drop / "linked").symlink_to(secret.parent)
    os.mkfifo(drop / "pipe.csv")
    failure = failure_of(fetcher(drop), path)
    assert failure.kind is FailureKind.CONNECTION
    assert words in failure.message
    assert path in failure.message


def test_the_folder_itself_may_be_a_link(drop: Path) -> None:
    put(drop, "a.csv")
    (drop.parent / "other-name").symlink_to(drop)
    with fetcher(drop.parent / "other-name") as asking:
        assert asking.fetch(asks("a.csv")).body == b"7"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: os.truncate(path, 10),
        lambda path: os.utime(path, ns=(1, 1)),
    ],
    ids=["longer", "shorter", "rewritten"],
)
@pytest.mark.parametrize("path", ["", "a.csv"])
def test_a_file_that_changes_while_it_is_read_is_not_used(
    drop: Path, monkeypatch: pytest.MonkeyPatch, path: str, change: Callable[[Path], object]
) -> None:
    written = put(drop, "a.csv", b"x" * 100)
    reading = os.read
    done: list[int] = []

    def read_then_change(file: int, length: int) -> bytes:
        piece = reading(file, length)
        if piece and not done:
            done.append(1)
            change(written)
        return piece

    monkeypatch.setattr(os, "read", read_then_change)
    failure = failure_of(fetcher(drop), path)
    assert (failure.kind, failure.retryable) == (FailureKind.TRUNCATED, True)
    assert "a.csv" in failure.message


def test_reading_that_takes_too_long_is_stopped(drop: Path) -> None:
    put(drop, "a.csv", b"x" * 5_000_000)
    failure = failure_of(fetcher(drop, polite(total_timeout_s=3), Clock(tick=1)), "a.csv")
    assert (failure.kind, failure.retryable) == (FailureKind.TOO_SLOW, True)


def test_a_folder_is_not_asked_over_the_network(drop: Path) -> None:
    with fetcher(drop) as asking, pytest.raises(ValueError, match="is a folder"):
        asking.fetch(Request("GET", "/figures"))


def test_no_descriptor_stays_open(drop: Path) -> None:
    put(drop, "2026/a.csv")
    (drop / "link").symlink_to(drop)
    before = len(os.listdir("/proc/self/fd"))
    asking = fetcher(drop)
    for path in ("", "2026/a.csv", "2026/none.csv", "link/a.csv", "2026"):
        for _ in range(3):
            if path in ("", "2026/a.csv"):
                asking.fetch(asks(path))
            else:
                failure_of(asking, path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_night_keeps_listing_and_file_and_reads_neither_again(drop: Path, tmp_path: Path) -> None:
    put(drop, "a.csv", b"12")
    stored = Stored(tmp_path / "store")
    with fetcher(drop) as asking:
        first = stored.harvest(Practice(asks("a.csv")), site_at(drop), asking)
    put(drop, "a.csv", b"13")
    with fetcher(drop) as asking:
        again = stored.harvest(Practice(asks("a.csv")), site_at(drop), asking)
    assert (first.fetched, first.observations, again.fetched, again.reused) == (1, 1, 0, 1)


# --- sites.yaml ---


def written(folder: Path, base_url: str, **more: Any) -> Path:
    path = folder / "sites.yaml"
    entry = {"name": "tha-tep", "connector": "practice", "base_url": base_url, "province": "H00", **more}
    path.write_text(json.dumps({"sites": [entry]}, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("base_url", "folder"),
    [
        ("file:///srv/drop", "/srv/drop"),
        ("file:///srv/drop/", "/srv/drop"),
        ("file:///srv/Hồ sơ/2026", "/srv/Hồ sơ/2026"),
        ("file://drop", "{here}/drop"),
        ("file://./drop/in", "{here}/drop/in"),
        ("file://../drop", "{above}/drop"),
    ],
)
def test_a_folder_is_absolute_or_beside_the_sites_file(tmp_path: Path, base_url: str, folder: str) -> None:
    here = tmp_path / "home"
    here.mkdir()
    (site,) = load_sites(written(here, base_url))
    assert site.base_url == "file://" + folder.format(here=here, above=tmp_path)
    assert str(FolderFetcher(site, polite(), monotonic=Clock().monotonic)._root) == site.base_url[7:]


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("file://", "names no folder"),
        ("file:///", "root of the file system"),
        ("file:drop", "must begin with https:// \\(or file://"),
        ("file:///srv/drop?x=1", "«\\?»"),
        ("file:///srv/drop#x", "«#»"),
        ("file:///srv\\drop", "backslash"),
        ("file:///srv/\ndrop", "invisible"),
        ("file://localhost/srv/drop", "without a host"),
    ],
)
def test_bad_folders_are_refused(tmp_path: Path, base_url: str, words: str) -> None:
    with pytest.raises(DataFileError, match=words):
        load_sites(written(tmp_path, base_url))


def test_an_address_of_the_network_is_no_folder() -> None:
    with pytest.raises(ValueError, match="names no folder"):
        check_folder_url("https://portal.example")


def test_a_folder_has_no_login(tmp_path: Path) -> None:
    path = written(tmp_path, "file:///srv/drop", auth={"kind": "bearer", "token": "DTI_SITE_TOKEN"})
    with pytest.raises(DataFileError, match="a folder has no login"):
        load_sites(path)
    (site,) = load_sites(written(tmp_path, "file:///srv/drop", auth={"kind": "none"}))
    assert site.auth is not None
