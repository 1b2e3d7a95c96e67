"""One lane per host for everything on this machine that asks it: connectors, nights and commands.

Here: a file per host, locked while a request to it is under way, that holds when it was last asked. Not here: how long
to pause (`http.py`), the lanes of the sites of one connector (`fetching.py`).

The moment is on the monotonic clock, which all processes of a machine share and which begins anew with it: a moment
that lies ahead is of an earlier start of the machine, and long past. Machines know nothing of each other's lanes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

POLL_S = 0.05
"""Between two looks at a lane that somebody else is in. Waiting in the lock itself would keep our turn to ask."""


class HostLanes:
    """See `Fetcher`: `held` as its `hold`, the object itself as its `starts`. Raises OSError where the folder cannot be
    written to."""

    def __init__(self, folder: Path, *, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._monotonic = monotonic
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def held(self, host: str, sleep: Callable[[float], None]) -> Iterator[None]:
        """Alone with a host, once everybody else's request to it has been answered."""
        # Never removed: somebody may be waiting for this very file.
        lane = os.open(self._path(host), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _is_taken(lane):
                sleep(POLL_S)
            yield
        finally:
            os.close(lane)  # which unlocks it

    def get(self, host: str, /) -> float | None:
        """When a host was last asked; None where nobody knows. To be asked for in its lane."""
        try:
            moment = float(self._path(host).read_text("ascii"))
        except (FileNotFoundError, ValueError):  # never asked; broken off while it was being written down
            return None
        return moment if moment <= self._monotonic() else None

    def __setitem__(self, host: str, moment: float, /) -> None:
        self._path(host).write_text(repr(moment), "ascii")

    def _path(self, host: str) -> Path:
        return self._folder / f"{quote(host, safe='')}.lane"


def _is_taken(lane: int) -> bool:
    """Whether the lane is ours now."""
    try:
        fcntl.flock(lane, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
