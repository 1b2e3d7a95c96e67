"""One lane per host for everything on this machine that asks it: connectors, nights and commands.

Here: a file per host, locked while a request to it is under way, that holds when it was last asked. Not here: how long
to pause (`http.py`), the lanes of the sites of one connector (`fetching.py`).

The moment is on the monotonic clock, which all processes of a machine share and which begins anew with it. It lies
ahead where the host asked for a rest; one further ahead than any rest is of an earlier start of the machine, and long
past. Machines know nothing of each other's lanes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from dti_pipeline.harvest.http import MAX_RETRY_AFTER_S

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
    def held(self, host: str, sleep: Callable[[float], None], at_once: int = 1) -> Iterator[None]:
        """Alone with a host, once everybody else's request to it has been answered; or one of `at_once` who may ask it
        side by side, while nobody is alone with it."""
        with ExitStack() as open_files:

            def opened(path: Path) -> int:
                # Never removed: somebody may be waiting for this very file.
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                open_files.callback(os.close, file)  # which unlocks it
                return file

            places = [] if at_once == 1 else [opened(self._path(host, place)) for place in range(1, at_once + 1)]
            lane = opened(self._path(host))
            # A place first: who waits for one must not keep those out who want to be alone.
            while places and not any(_is_taken(place, fcntl.LOCK_EX) for place in places):
                sleep(POLL_S)
            while not _is_taken(lane, fcntl.LOCK_SH if places else fcntl.LOCK_EX):
                sleep(POLL_S)
            yield

    def get(self, host: str, /) -> float | None:
        """When a host was last asked, or its rest ends; None where nobody knows. To be asked for in its lane."""
        try:
            moment = float(self._path(host).read_text("ascii"))
        except (FileNotFoundError, ValueError):  # never asked; broken off while it was being written down
            return None
        return moment if moment <= self._monotonic() + MAX_RETRY_AFTER_S else None

    def __setitem__(self, host: str, moment: float, /) -> None:
        self._path(host).write_text(repr(moment), "ascii")

    def _path(self, host: str, place: int = 0) -> Path:
        return self._folder / f"{quote(host, safe='')}.lane{place or ''}"


def _is_taken(lane: int, how: int) -> bool:
    """Whether the lane is ours now: LOCK_EX alone, LOCK_SH with others."""
    try:
        fcntl.flock(lane, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
