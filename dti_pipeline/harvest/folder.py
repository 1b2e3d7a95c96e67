"""Folders that a source drops files into: a file, or the listing of all of them, as a snapshot. Linux and macOS.

Here: reading beneath one folder and never outside it, within the limits of politeness. Not here: what a file says (the
connector's `read`), fetching over the network (`http.py`), copying files to the folder (the province's own means).
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self

from dti_pipeline.harvest.model import FailureKind, Politeness, Request, Site, Snapshot, SourceFailure
from dti_pipeline.harvest.sites import check_folder_url

CHUNK_BYTES = 1 << 20
_OPEN = os.O_RDONLY | os.O_CLOEXEC
# A link is never followed, and a pipe put there by mistake does not hold up the night.
_ENTRY = _OPEN | os.O_NOFOLLOW | os.O_NONBLOCK


class FolderFetcher:
    """Answers requests of kind `file` from one folder. A context manager; not for use by several threads.

    Raises ValueError where the site's base address breaks the rules.
    """

    def __init__(self, site: Site, politeness: Politeness, *, monotonic: Callable[[], float]) -> None:
        self._site = site
        self._root = check_folder_url(site.base_url)
        self._politeness = politeness
        self._monotonic = monotonic
        self._deadline = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open between two requests."""

    def fetch(self, request: Request) -> Snapshot:
        """A file's bytes, or for an empty path the listing of all files beneath the folder; status 200.

        The listing goes into subfolders (`2026/10/report.csv`). Hidden files and folders, `*.part` and links are left
        out. Raises SourceFailure: CONNECTION (absent or unreadable), TRUNCATED (it changed while it was read; both
        retryable), TOO_LARGE, TOO_SLOW (retryable), UNREADABLE (a file name that is not UTF-8). Raises ValueError for a
        request that this site cannot answer: another kind, or a path outside the folder.
        """
        if request.kind != "file":
            raise ValueError(f"site «{self._site.name}» is a folder; it cannot be asked over the network")
        self._deadline = self._monotonic() + self._politeness.total_timeout_s
        with self._opened_root() as root:
            if request.path == "":
                return Snapshot(
                    request,
                    200,
                    {"content-type": "application/json"},
                    self._listing(root, request.params.get("contents")),
                    self._site.base_url,
                )
            return Snapshot(request, 200, {}, self._file(root, request.path), f"{self._site.base_url}/{request.path}")

    # --- one file ---

    def _file(self, root: int, path: str) -> bytes:
        if any(_is_left_out(part) for part in path.split("/")) or any(sign < " " or sign == "\\" for sign in path):
            raise ValueError("a file's path stays beneath its folder: no «..», hidden part, *.part or odd sign")
        file = self._open_below(root, path)
        body = io.BytesIO()
        try:
            for piece in self._pieces(file, path):
                body.write(piece)
                if body.tell() > self._politeness.max_body_bytes:
                    limit = self._politeness.max_body_bytes
                    raise self._failure(FailureKind.TOO_LARGE, f"tệp «{path}» lớn hơn giới hạn {limit} byte")
        finally:
            os.close(file)
        return body.getvalue()

    def _open_below(self, root: int, path: str) -> int:
        """A regular file beneath the root, opened part by part so that no link on the way is followed."""
        *folders, name = path.split("/")
        folder = os.dup(root)
        try:
            for part in folders:
                inner = self._open(part, folder, os.O_DIRECTORY, path)
                os.close(folder)
                folder = inner
            return self._open(name, folder, 0, path)
        finally:
            os.close(folder)

    def _open(self, name: str, folder: int, flags: int, path: str) -> int:
        try:
            opened = os.open(name, _ENTRY | flags, dir_fd=folder)
        except OSError as error:
            reason = _reason(error)
            raise self._failure(FailureKind.CONNECTION, f"không đọc được tệp «{path}»: {reason}", True) from None
        if not flags and not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise self._failure(FailureKind.CONNECTION, f"không đọc được tệp «{path}»: không phải là tệp thường")
        return opened

    def _pieces(self, file: int, path: str) -> Iterator[bytes]:
        """A file's bytes in order. A file that changes meanwhile is still being written: nothing of it is used."""
        before = os.fstat(file)
        length = 0
        while True:
            if self._monotonic() > self._deadline:
                late = f"sau {self._politeness.total_timeout_s:g} giây vẫn chưa đọc xong"
                raise self._failure(FailureKind.TOO_SLOW, late, True)
            try:
                piece = os.read(file, CHUNK_BYTES)
            except OSError as error:
                reason = _reason(error)
                raise self._failure(FailureKind.CONNECTION, f"không đọc được tệp «{path}»: {reason}", True) from None
            if not piece:
                break
            length += len(piece)
            yield piece
        after = os.fstat(file)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or length != after.st_size:
            raise self._failure(FailureKind.TRUNCATED, f"tệp «{path}» đang được ghi dở", True)

    # --- the listing ---

    def _listing(self, root: int, contents: str | None) -> bytes:
        """`{"files": [{"name", "bytes", "sha256"}]}` sorted by name: equal folders give equal bytes.

        `contents`: only the files of that pattern (`2026-09/*.edxml`; a star stays within one name), each with its
        bytes as `base64`: for sources where one file is no figure and many files are one.
        """
        files = []
        length = 0
        for name in sorted(self._names(root)):
            if contents is not None and not _matches(name, contents):
                continue
            file = self._open_below(root, name)
            sha256 = hashlib.sha256()
            kept = io.BytesIO()
            size = 0
            try:
                for piece in self._pieces(file, name):
                    sha256.update(piece)
                    size += len(piece)
                    if contents is not None:
                        kept.write(piece)
                        if length + size * 4 // 3 > self._politeness.max_body_bytes:
                            break
            finally:
                os.close(file)
            entry: dict[str, str | int] = {"name": name, "bytes": size, "sha256": sha256.hexdigest()}
            if contents is not None:
                entry["base64"] = base64.b64encode(kept.getvalue()).decode()
                length += size * 4 // 3
            files.append(entry)
            length += len(name.encode()) + 100
            if length > self._politeness.max_body_bytes:
                raise self._failure(FailureKind.TOO_LARGE, "thư mục có quá nhiều tệp")
        return json.dumps({"files": files}, ensure_ascii=False, separators=(",", ":")).encode()

    def _names(self, root: int) -> Iterator[str]:
        def refuse(error: OSError) -> None:
            raise self._failure(FailureKind.CONNECTION, f"không đọc được thư mục con: {_reason(error)}", True)

        for place, folders, names, here in os.fwalk(".", dir_fd=root, onerror=refuse, follow_symlinks=False):
            folders[:] = [name for name in folders if not _is_left_out(name)]
            for name in names:
                if _is_left_out(name):
                    continue
                path = name if place == "." else f"{place.removeprefix('./')}/{name}"
                try:
                    entry = os.stat(name, dir_fd=here, follow_symlinks=False)
                except FileNotFoundError:  # taken away meanwhile
                    continue
                if not stat.S_ISREG(entry.st_mode):
                    continue
                if not _is_text(path):
                    message = "có tệp mà tên không phải UTF-8 hoặc có dấu lạ; xin đặt lại tên"
                    raise self._failure(FailureKind.UNREADABLE, message)
                yield path

    # --- the folder ---

    @contextmanager
    def _opened_root(self) -> Iterator[int]:
        try:
            # The folder itself may be a link: that is the operator's own choice of place.
            root = os.open(self._root, _OPEN | os.O_DIRECTORY)
        except OSError as error:
            message = f"không đọc được thư mục {self._root}: {_reason(error)}"
            raise self._failure(FailureKind.CONNECTION, message, True) from None
        try:
            yield root
        finally:
            os.close(root)

    def _failure(self, kind: FailureKind, message: str, retryable: bool = False) -> SourceFailure:
        return SourceFailure(kind, f"{self._site.name}: {message}", retryable=retryable)


def _matches(name: str, pattern: str) -> bool:
    """Part by part, so that a star never crosses a folder."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _is_left_out(name: str) -> bool:
    """Hidden (which includes «.» and «..»), partly written, or no name at all."""
    return name == "" or name.startswith(".") or name.endswith(".part")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return all(sign >= " " and sign != "\\" for sign in name)


def _reason(error: OSError) -> str:
    return {
        FileNotFoundError: "không có",
        NotADirectoryError: "không phải là thư mục, hoặc là liên kết (không đi theo)",
        PermissionError: "không có quyền đọc",
    }.get(type(error), "là liên kết (không đi theo)" if error.errno == errno.ELOOP else f"lỗi hệ thống {error.errno}")
