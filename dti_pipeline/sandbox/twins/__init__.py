"""Practice twins: source systems of the fictional province that speak the real protocols on loopback.

Here: what a twin is and finding them. One module beside this one per connector, with `TWIN`, and `jsp` for the old
dialect of the national portal. The practice server mounts an HTTP twin under `/<module>/`. Not here: sockets
(`server.py`) and the national portal (`portal.py`).
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class TwinRequest:
    """A request as it reached the twin."""

    method: str
    path: str
    """Beneath the twin's own prefix, without a leading slash."""
    params: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class TwinAnswer:
    """What the twin says."""

    body: bytes
    content_type: str = "application/json; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def revalidated(request: TwinRequest, answer: TwinAnswer, modified: str | None = None) -> TwinAnswer:
    """A good answer to a GET with its validator, or 304 where the client has it already (RFC 9110, 13.1): an entity tag
    over the bytes, or the date of the last change (an HTTP date)."""
    if request.method != "GET" or answer.status != 200:
        return answer
    if modified is None:
        name, asked, validator = "ETag", "if-none-match", f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
    else:
        name, asked, validator = "Last-Modified", "if-modified-since", modified
    headers = {**answer.headers, name: validator}
    if request.headers.get(asked) == validator:
        return TwinAnswer(b"", answer.content_type, 304, headers)
    return TwinAnswer(answer.body, answer.content_type, answer.status, headers)


class Twin(Protocol):
    """A practice source system. Deterministic: figures are seeded, no clock, no randomness."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        """The answer of an HTTP twin. A twin of a folder or of a program never gets asked."""
        ...

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """Entries for `sites.yaml`; `base_url` is the twin's own address. A twin of a folder writes its files beneath
        `folder` here, and gives `file://` addresses. Secrets that a site needs are in `environment`."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables with practice secrets that the sites' `auth` names; made up, worth nothing."""
        ...


@cache
def twin_names() -> tuple[str, ...]:
    """Modules with a twin, sorted: connectors, and `jsp`."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")))


@cache
def load_twin(name: str) -> Twin:
    """`TWIN` of the module of that name. Raises ImportError, AttributeError."""
    twin: Twin = importlib.import_module(f"{__name__}.{name}").TWIN
    return twin
