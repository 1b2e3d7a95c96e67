"""Raw bytes by their sha256, through fsspec: a folder by default, an object store where configured.

Not here: the request and the time beside the bytes (`tables.py`, SnapshotRow).
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from fsspec.core import url_to_fs


class SnapshotDamaged(RuntimeError):
    """Stored bytes that no longer have their sha256, or are gone: the chain is broken at a known place."""


class SnapshotStore:
    """Content-addressed bytes under one URL. Writing the same bytes twice is one file."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def _root(self) -> tuple[Any, str]:
        fs, path = url_to_fs(self.url)
        return fs, path

    def path(self, sha256: str) -> str:
        return str(PurePosixPath(self._root[1]) / sha256[:2] / sha256)

    def put(self, body: bytes) -> str:
        """Keep the bytes; gives their sha256. A half-written file is never visible under its final name."""
        sha256 = hashlib.sha256(body).hexdigest()
        fs = self._root[0]
        target = self.path(sha256)
        if not fs.exists(target):
            fs.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            with fs.transaction, fs.open(target, "wb") as file:
                file.write(body)
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes of that sha256. Raises SnapshotDamaged where they are missing or altered."""
        try:
            body: bytes = self._root[0].cat_file(self.path(sha256))
        except FileNotFoundError:
            raise SnapshotDamaged(f"snapshot {sha256}: its bytes are not under {self.url}") from None
        if hashlib.sha256(body).hexdigest() != sha256:
            raise SnapshotDamaged(f"snapshot {sha256}: the stored bytes were altered")
        return body
