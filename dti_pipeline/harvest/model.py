"""What passes between a connector and the kit. A connector does no I/O: it plans requests and reads bytes.

Here: requests, snapshots, observations, failures, manifests and the connector's protocol. Not here: fetching
(`http.py`), running a night over sites (`runner.py`) and finding connectors (`discovery.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from dti_pipeline.scoring.periods import Period, Window
from dti_pipeline.scoring.states import InputState


class FailureKind(StrEnum):
    """Why a source gave nothing that can be used. Each has words for the operator in the manifest."""

    BLOCKED = "blocked"
    """A block page, 403 or 429: stop at once, ask no more tonight."""
    HTTP_STATUS = "http_status"
    NOT_JSON = "not_json"
    TRUNCATED = "truncated"
    WRONG_SHAPE = "wrong_shape"
    SOURCE_ERROR = "source_error"
    """The envelope itself says that it failed."""
    WRONG_ROOT = "wrong_root"
    """The answer is about another unit than the one asked for."""
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    CONNECTION = "connection"
    REDIRECTED = "redirected"
    NOT_FETCHED = "not_fetched"
    """Nothing was fetched while the night was open, and a past night contacts no source."""
    STOPPED = "stopped"
    """Not asked, because the site refused an earlier request of the same night."""


class SourceFailure(Exception):
    """A reading that failed. Never a 0 and never an empty source.

    `retryable` says whether asking again later the same night can help; every layer above obeys it.
    """

    def __init__(self, kind: FailureKind, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Request:
    """One request, relative to the site's base address, so that a moved site keeps its history."""

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    data: Mapping[str, str] | None = None

    def canonical(self) -> str:
        """The request as one line of JSON with sorted keys: stored with the bytes and hashed for its id."""
        return json.dumps(
            {
                "method": self.method,
                "path": self.path,
                "params": dict(self.params),
                "headers": dict(self.headers),
                "json": self.json,
                "data": None if self.data is None else dict(self.data),
            },
            ensure_ascii=False,
            sort_keys=True,
            separators=(",", ":"),
        )

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answer to a request as it arrived: status, headers and the bytes."""

    request: Request
    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def header(self, name: str) -> str:
        """A header's value, whatever the case of its name; empty where absent."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class Observation:
    """One figure about one unit and period, and where in the bytes it stands.

    `value`, `numerator` and `denominator` are exact decimals or None; None together with a state that has a value
    means that the source gives the parts but not the quotient (or the reverse).
    """

    metric: str
    unit: str
    """The unit as the source names it: its identifier there, or its identifier code where the source gives one."""
    unit_name: str
    period: Period
    state: InputState
    locator: str
    """JSON Pointer (or XPath, CSS path, row and column) of the figure in the snapshot's bytes."""
    value: Decimal | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None
    unit_code: str | None = None
    """The identifier code of QĐ 20/2020, where the answer itself carries it."""
    flag: str | None = None
    """The source's own mark of doubt on the figure, verbatim."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that was read but cannot be trusted: kept, with the reason, and used nowhere."""

    locator: str
    reason: str
    record: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the bytes of one snapshot say."""

    observations: tuple[Observation, ...] = ()
    warnings: tuple[str, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Politeness(_Model):
    """How gently a source is asked. One request at a time to a host, always."""

    min_interval_s: Annotated[float, Field(ge=0)] = 1.0
    jitter_s: Annotated[float, Field(ge=0)] = 0.25
    timeout_s: Annotated[float, Field(gt=0)] = 45.0
    """Between two pieces of an answer."""
    total_timeout_s: Annotated[float, Field(gt=0)] = 180.0
    """For a whole answer, however steadily it trickles."""
    max_body_bytes: Annotated[int, Field(gt=0)] = 20_000_000
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    backoff_s: Annotated[float, Field(ge=0)] = 2.0


class Expectation(_Model):
    """Bounds that hold for every observation of a metric: below `min` it is an error, above `max` a warning."""

    min: Decimal | None = None
    max: Decimal | None = None


class OperatorWords(_Model):
    """What a failure means and what to do about it, for the person on duty."""

    vi: str
    en: str


class Manifest(_Model):
    """What is known about a source system before asking it anything (`manifest.yaml`)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: str
    """Of the reader; stands on every observation and changes whenever the same bytes would be read differently."""
    title: str
    publisher: str
    legal_basis: str
    address: str
    cadence: Literal["daily"]
    stale_after_days: Annotated[int, Field(ge=0)]
    auth: Literal["none"]
    evidence_strength: Literal["official", "third_party_code", "inferred"]
    evidence_note: str
    politeness: Politeness = Politeness()
    metrics: tuple[str, ...]
    expect: dict[str, Expectation]
    failures: dict[FailureKind, OperatorWords]


class Site(_Model):
    """One installation of a source system that a province harvests (`sites.yaml`)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    connector: str
    base_url: str
    province: str
    """Identifier code of the province that the site is asked about."""
    options: dict[str, Any] = {}
    """For the connector; it validates them in `plan`."""
    windows: tuple[Window, ...] = ("year",)
    politeness: Politeness | None = None
    ca_file: str | None = None
    """A pinned certificate authority, where a government one is needed. Verification is never off."""


Plan = Generator[Request, Snapshot | None, None]
"""What a plan yields and receives. It receives None for a request that failed (the kit has recorded why): go on with
what does not depend on it."""


class Connector(Protocol):
    """What a source folder supplies in `connector.py` as `CONNECTOR`. Both methods are pure."""

    def plan(self, site: Site, window: Period) -> Plan:
        """Yield requests, receiving each one's snapshot, so that later pages can follow earlier ones."""
        ...

    def read(self, snapshot: Snapshot) -> Reading:
        """Bytes -> observations. Raises SourceFailure where the answer as a whole cannot be used."""
        ...
