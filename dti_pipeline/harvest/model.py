"""What passes between a connector and the kit. A connector does no I/O: it plans requests and reads bytes.

Here: requests, snapshots, observations, failures, manifests and the connector's protocol. Not here: fetching
(`http.py`), running a night over sites (`runner.py`) and finding connectors (`discovery.py`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from dti_pipeline.datafiles import read_model
from dti_pipeline.scoring.periods import Period, Window
from dti_pipeline.scoring.states import InputState


class FailureKind(StrEnum):
    """Why a source gave nothing that can be used. Each has words for the operator in the manifest."""

    BLOCKED = "blocked"
    """A block page, 403 or 429: stop at once, ask no more tonight."""
    HTTP_STATUS = "http_status"
    AUTH_FAILED = "auth_failed"
    """The source refused our login or token. Never asked again: repeated failures lock an address out."""
    UNSUPPORTED_PLATFORM = "unsupported_platform"
    """What answers there is not the system that the site's connector is for."""
    NOT_JSON = "not_json"
    UNREADABLE = "unreadable"
    """Bytes that are not of the format that the source speaks, other than JSON: XML, CSV, HTML, a workbook."""
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
    OVER_BUDGET = "over_budget"
    """Not asked, because the site's requests of the night are used up."""
    MISCONFIGURED = "misconfigured"
    """What `sites.yaml` says of the site cannot be used, so it was not asked. Costs this site alone."""
    READER_DEFECT = "reader_defect"
    """The reader stumbled over what it should have refused by name: its own defect, and only this answer's loss."""


MESSAGE_LENGTH = 2000
"""Characters of a failure's words; what they quote of a source may be of any length."""


def storable(text: str) -> str:
    """Text as every database takes it: without NUL and halves of surrogate pairs, which JSON can spell."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "�")


class SourceFailure(Exception):
    """A reading that failed. Never a 0 and never an empty source.

    `retryable` says whether asking again later the same night can help; every layer above obeys it.
    """

    def __init__(self, kind: FailureKind, message: str, *, retryable: bool = False) -> None:
        # Words quote the source: half a surrogate pair or a NUL could not be stored, and nobody reads a page of them.
        self.message = storable(message)[:MESSAGE_LENGTH]
        super().__init__(self.message)
        self.kind = kind
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Request:
    """One request, relative to the site's base address, so that a moved site keeps its history.

    Logins and tokens are never part of a request: the kit adds what the site's `auth` says when it sends. By `kind`:

    - http: as it stands; the body is one of `json`, `data` (a form) and `content` (text as it is, such as a SOAP
      envelope, sent as UTF-8 with `content_type`);
    - file: `path` names a file beneath a site's `file://` folder; an empty path asks for the folder's listing, which is
      JSON: `{"files": [{"name", "bytes", "sha256"}]}`, sorted, hidden and partly written (`*.part`) files left out;
      `params["contents"]` is a pattern: only the files that fit it, each with its bytes as `base64`;
    - dns: `path` is a host name, `params["type"]` the record type; the answer is JSON `{"name", "type", "outcome":
      "answer|no_answer|nxdomain|timeout|failure", "records": […]}`;
    - tls: `path` is a host name (`params["port"]`, by default the site's); the answer is JSON `{"host", "outcome":
      "trusted|untrusted|refused|timeout", "reason", "protocol", "not_before", "not_after", "subject", "issuer"}`.
    """

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    data: Mapping[str, str] | None = None
    kind: Literal["http", "file", "dns", "tls"] = "http"
    content: str | None = None
    content_type: str | None = None
    is_final: bool = field(default=False, compare=False)
    """The days asked about are over and the source adds nothing to them: where an earlier night has a good answer, it
    is the answer, and the source is not asked again. No part of the request's identity."""

    def __post_init__(self) -> None:
        if sum(body is not None for body in (self.json, self.data, self.content)) > 1:
            raise ValueError("a request has one body: json, data or content")
        if (self.content is None) != (self.content_type is None):
            raise ValueError("content and content_type belong together")

    def canonical(self) -> str:
        """The request as one line of JSON with sorted keys: stored with the bytes and hashed for its id."""
        return json.dumps(
            ({} if self.kind == "http" else {"kind": self.kind})
            | ({} if self.content is None else {"content": self.content, "content_type": self.content_type})
            | {
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
    night: dt.date | None = None
    """The night it was taken on: the day that figures «as of now» are about."""

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
    """A mark of doubt on the figure: the source's own, verbatim, or what the reader saw in the same answer."""
    reason: str | None = None
    """Why a figure in state `unavailable` could not be had, for the operator."""


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


@dataclass(frozen=True, slots=True)
class Redacted:
    """Bytes fit to be kept: what may not be stored is gone, and what was removed is said."""

    body: bytes
    removed: tuple[str, ...]
    """Names of the fields that were removed or replaced, sorted, without any of their content."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Politeness(_Model):
    """How gently a source is asked."""

    concurrency: Annotated[int, Field(ge=1, le=4)] = 1
    """Requests under way to a host at the same time, each the interval after the one before. More than one only where
    the source's operator allowed it, and never while somebody asks the host who keeps to one."""
    min_interval_s: Annotated[float, Field(ge=0)] = 1.0
    jitter_s: Annotated[float, Field(ge=0)] = 0.25
    timeout_s: Annotated[float, Field(gt=0)] = 45.0
    """Between two pieces of an answer."""
    total_timeout_s: Annotated[float, Field(gt=0)] = 180.0
    """For a whole answer, however steadily it trickles."""
    max_body_bytes: Annotated[int, Field(gt=0)] = 20_000_000
    max_requests_per_night: Annotated[int, Field(gt=0)] = 5_000
    """Of a site over all runs of one night, retries not counted; what is above it is not sent. Files are free."""
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    backoff_s: Annotated[float, Field(ge=0)] = 2.0


AuthKind = Literal["none", "bearer", "header", "form_field", "oauth2_client", "oauth2_password"]


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
    cadence: Literal["daily", "weekly", "monthly"]
    stale_after_days: Annotated[int, Field(ge=0)]
    precedence: Annotated[int, Field(ge=1, le=99)] = 50
    """Where several sources give one figure the lowest goes first and the others stay beside it; they are never mixed
    or averaged. The record itself (a one-stop system) goes before a report of it (a portal's statistics)."""
    as_of: Literal["period", "night"] | tuple[str, ...] = "period"
    """`night`: figures are as of the night they were taken (a counter on a page, a certificate). `read` gives them the
    one-day period of the snapshot's night; what equal bytes say is stored anew only where it differs from the night
    before (days left), and holds of every later night until then. A list names the metrics that are, where the source
    has others as well."""
    up_to_night: tuple[str, ...] = ()
    """Metrics that run on: while a period is not over they are its figure up to the night. `read` gives them the whole
    period; a night ends it with its own day."""
    retention_days: Annotated[int, Field(ge=1)] | None = None
    """How long the source keeps what happened (flows and the parts of ratios), where it forgets. What was older when
    it was first harvested is lost: `unavailable`, never missing."""
    auth: AuthKind
    evidence_strength: Literal["official", "third_party_code", "inferred"]
    evidence_note: str
    politeness: Politeness = Politeness()
    metrics: tuple[str, ...]
    expect: dict[str, Expectation]
    invariants: tuple[str, ...] = ()
    """Conditions between metrics of one unit and period, such as «a + b == c»; checked where all of them are there."""
    failures: dict[FailureKind, OperatorWords] = {}
    """Words that fit this source better than those of `failures.yaml`."""

    @model_validator(mode="after")
    def _as_of_names_metrics(self) -> Self:
        for name, named in (
            ("as_of", () if isinstance(self.as_of, str) else self.as_of),
            ("up_to_night", self.up_to_night),
        ):
            if unknown := sorted(set(named) - set(self.metrics)):
                raise ValueError(f"{name} names {', '.join(unknown)}, which is not among metrics")
        if both := sorted(metric for metric in self.up_to_night if self.is_as_of_night(metric)):
            raise ValueError(f"{', '.join(both)} cannot be as_of a night and up_to_night")
        return self

    def is_as_of_night(self, metric: str) -> bool:
        """Whether a metric's figures are as of the night they were taken."""
        return self.as_of == "night" if isinstance(self.as_of, str) else metric in self.as_of

    @property
    def is_dated_by_night(self) -> bool:
        """Whether equal bytes of two nights say two things: some figures are as of the night or up to it."""
        return self.as_of != "period" or bool(self.up_to_night)

    def kept_from(self, first_night: dt.date) -> dt.date | None:
        """The oldest day that a source harvested since a night could still tell whole; None where it forgets nothing.

        A night may be run until a day after its own day ended; the day that is `retention_days` back from there is
        partly gone.
        """
        return None if self.retention_days is None else first_night - dt.timedelta(days=self.retention_days - 2)

    def words(self, kind: FailureKind) -> OperatorWords:
        """What a failure means here and what to do about it."""
        return self.failures.get(kind) or usual_words()[kind]


class _Failures(RootModel[dict[FailureKind, OperatorWords]]):
    pass


@cache
def usual_words() -> Mapping[FailureKind, OperatorWords]:
    """The kit's own words for every kind of failure. Raises DataFileError."""
    return read_model(Path(__file__).with_name("failures.yaml"), _Failures).root


class Auth(_Model):
    """How a site wants to be logged in to. Values are names of environment variables, never secrets themselves.

    bearer: `Authorization: <scheme> <token>`; header: any header; form_field: a field of the form body; oauth2_client
    and oauth2_password: a token from `token_path` (RFC 6749), kept in memory for the run and never stored.
    """

    kind: AuthKind
    token: str | None = None
    scheme: str = "Bearer"
    name: str | None = None
    """Of the header or form field."""
    token_path: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    username: str | None = None
    password: str | None = None
    scope: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {
            "none": (),
            "bearer": ("token",),
            "header": ("name", "token"),
            "form_field": ("name", "token"),
            "oauth2_client": ("token_path", "client_id", "client_secret"),
            "oauth2_password": ("token_path", "client_id", "client_secret", "username", "password"),
        }[self.kind]
        if missing := [field for field in needed if not getattr(self, field)]:
            raise ValueError(f"auth of kind {self.kind} needs {', '.join(missing)}")
        return self


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
    auth: Auth | None = None
    ca_file: str | None = None
    """A pinned certificate authority, where a government one is needed. Verification is never off."""


Plan = Generator[Request, Snapshot | None, None]
"""What a plan yields and receives. It receives None for a request that failed (the kit has recorded why): go on with
what does not depend on it."""


class FaultySite(Site):
    """A site whose entry in `sites.yaml` cannot be used; known by what of it can be read."""

    fault: str
    """What is wrong with the entry and where it stands."""


class Connector(Protocol):
    """What a source folder supplies in `connector.py` as `CONNECTOR`. Both methods are pure."""

    def plan(self, site: Site, window: Period) -> Plan:
        """Yield requests, receiving each one's snapshot, so that later pages can follow earlier ones."""
        ...

    def read(self, snapshot: Snapshot) -> Reading:
        """Bytes -> observations. Raises SourceFailure where the answer as a whole cannot be used."""
        ...


@runtime_checkable
class Redacts(Protocol):
    """A connector whose answers hold what may not be stored, personal columns above all."""

    def redact(self, snapshot: Snapshot) -> Redacted:
        """The bytes to keep. `read` is given these, on the night and in every replay; the original is never stored,
        only its sha256. Pure. Raises SourceFailure where the bytes cannot be understood well enough to redact."""
        ...
