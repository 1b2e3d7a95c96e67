"""The words of the national portal's evaluation API and the metrics they stand for. Data only.

Here: endpoints, field names, metric codes, maxima and the relations that hold inside one row. Not here: asking
(`connector.py`), reading (`rows.py`, `catalogue.py`), publisher, politeness and bounds (`manifest.yaml`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

API = "/api/v1/reporting"
SERVICE_RESULTS = "service-results"
NATIONAL = "service-results-national"
"""Our name for `service-results` asked with a departmentType: the list of all provinces."""
CATALOGUE = "formalities"
SATISFACTION = "handling-satisfaction"
PROVINCES = 34
ADMINISTRATIVE_UNIT = "ADMINISTRATIVE_UNIT"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one endpoint is asked, and where its figures stand in the answer."""

    name: str
    root: str
    """Key of the unit asked about; `rows`: key of the units under it."""
    rows: str
    score: str
    """Our metric for the score of a row, which is out of `maximum`."""
    maximum: Decimal
    page_size: int | None = None
    formality_key: str | None = None
    """The body's name for a filter by one procedure; None: cannot be filtered."""
    items: Mapping[str, Decimal] = field(default_factory=dict)
    """Metric codes of a row's `metrics` with their maximum points."""
    unfiltered_only: frozenset[str] = frozenset()
    """Metric codes that the portal leaves out, together with their points, when one procedure is selected."""
    row_score: tuple[str, str | None] = ("totalScore", "totalMaxScore")
    root_counts: Mapping[str, str] = field(default_factory=dict)
    row_counts: Mapping[str, str] = field(default_factory=dict)
    percentage: tuple[str, str] | None = None
    """What `ratio` is the quotient of; None: score and maximum."""
    shares: tuple[tuple[str, str], ...] = ()
    """Pairs of fields where the first can be at most the second."""
    sums: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A field and the fields that add up to it."""
    categories: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Fields that hold one of a few words; another word is a kind of unit that nobody has thought about."""
    has_code: bool = True

    @property
    def filtered_maximum(self) -> Decimal:
        """Points left when one procedure is selected."""
        return self.maximum - sum(self.items[code] for code in self.unfiltered_only)


_AGENCY = {
    "departmentType": frozenset({"PROVINCE", "PROVINCIAL_DEPARTMENT", "COMMUNE_PEOPLE_COMMITTEE"}),
    "departmentLevel": frozenset({"PROVINCE", "COMMUNE"}),
    "agencyLevel": frozenset({"level_1", "level_2"}),
}
_LEVEL = {"level": frozenset({"PROVINCE", "COMMUNE"})}
_CHILD_GROUP = {"childGroup": frozenset({"AGENCY", "COMMUNE"})}
ROWS_ONLY = frozenset({"level", "childGroup"})
"""Categories that the root does not have."""
STATES = frozenset({"UPDATED", "ACTIVE", "INACTIVE"})
"""Of a procedure in the catalogue."""

GROUPS: Mapping[str, tuple[str, Decimal]] = {
    "CKMB": ("qd766_transparency_score", Decimal(18)),
    "TDGQ": ("qd766_progress_score", Decimal(20)),
    "CLGQ": ("qd766_online_service_score", Decimal(12)),  # by its maximum; older clients read it as payment
    "TTTT": ("qd766_payment_score", Decimal(10)),
    "MDHL": ("qd766_satisfaction_score", Decimal(18)),
    "MDSH": ("qd766_digitisation_score", Decimal(22)),
}

_TRANSPARENCY = {"PUBLISH_ON_TIME": 6, "PUBLIC_UPDATE_ON_TIME": 4, "PUBLIC_CONTENT_FULL": 2, "DOSSIER_SYNC": 6}
_DIGITISATION = {
    "ORIGINAL_RESULT_AVAILABLE": 6,
    "SO_HOA_GIAY_TO_GIAI_QUYET": 4,
    "REUSED_DIGITIZED_DATA": 2,
    "SYNCED_WITH_DVCQG_PERSONAL_STORAGE": 4,
    "CITIZEN_DATA_CONNECTED_DOSSIER": 2,
    "CITIZEN_DATA_CONNECTED_FORMALITY": 2,
    "ELECTRONIC_CERTIFIED_COPY": 2,
}
_SATISFACTION = {
    "DOSSIER_RECEIVING_SATISFACTION": 6,
    "PETITION_PROCESSING_ON_TIME": 6,
    "PETITION_HANDLING_SATISFACTION": 6,
    "PETITION_CLASSIFICATION_TTHC": 0,  # information only: no points, so no score is read
    "PETITION_CLASSIFICATION_STAFF": 0,
}
_PETITIONS = {
    "totalPetitions": "petitions_received",
    "classifiedPetitions": "petitions_classified",
    "totalDossiers": "dossiers_rated",
}
_PAYMENT = {
    "totalDossierOnlinePaymentSuccess": "dossiers_paid_online",
    "totalDossierFinancialObligation": "dossiers_with_fee_obligation",
    "totalDossierOnlineFormalityPaymentSuccess": "procedures_paid_online",
    "totalFeeDossierFormality": "procedures_with_fee_dossiers",
    "totalFeeFormality": "procedures_with_fee",
    "totalFeeDossierFormalityDistinct": "procedures_with_fee_distinct",
}
_PROGRESS = {
    "totalReceived": "dossiers_received",
    "totalOnTime": "dossiers_on_time",
    "avgProcessingDays": "dossier_processing_days",
}
_ONLINE = {
    "authorityCount": "procedures_authorised",
    "partialCount": "services_partial_online",
    "fullCount": "services_full_process",
    "onlineDossierCount": "online_services_with_dossiers",
    "onlineServiceTotal": "online_services_total",
    "channelOnlineSum": "dossiers_received_online",
    "channelDirectSum": "dossiers_received_direct",
    "channelPostalSum": "dossiers_received_postal",
    "channelTotalSum": "dossiers_received_all_channels",
    "onlineOnTimeSum": "dossiers_online_on_time",
    "onlineOverdueSum": "dossiers_online_overdue",
}


def _points(maxima: Mapping[str, int]) -> dict[str, Decimal]:
    return {code: Decimal(points) for code, points in maxima.items()}


_ALL = (
    Endpoint(
        SERVICE_RESULTS,
        root="overview",
        rows="evaluation",
        score="qd766_total_score",
        maximum=Decimal(100),
        row_score=("totalScore", None),
        categories=_CHILD_GROUP,
    ),
    Endpoint(
        NATIONAL,
        root="overview",
        rows="evaluation",
        score="qd766_total_score",
        maximum=Decimal(100),
        row_score=("totalScore", None),
    ),
    Endpoint(
        "transparency",
        root="overview",
        rows="evaluation",
        score="qd766_transparency_score",
        maximum=Decimal(18),
        page_size=200,
        formality_key="formalityId",
        items=_points(_TRANSPARENCY),
        categories=_AGENCY,
        has_code=False,
    ),
    Endpoint(
        SATISFACTION,
        root="overview",
        rows="evaluation",
        score="qd766_satisfaction_score",
        maximum=Decimal(18),
        page_size=200,
        items=_points(_SATISFACTION),
        root_counts=_PETITIONS,
        row_counts=_PETITIONS,
        shares=(("classifiedPetitions", "totalPetitions"),),
        categories=_AGENCY,
        has_code=False,
    ),
    Endpoint(
        "dossier-digitized",
        root="overview",
        rows="evaluation",
        score="qd766_digitisation_score",
        maximum=Decimal(22),
        page_size=200,
        formality_key="formalityID",  # this one alone has a capital D
        items=_points(_DIGITISATION),
        unfiltered_only=frozenset({"CITIZEN_DATA_CONNECTED_FORMALITY"}),
        categories=_AGENCY,
    ),
    Endpoint(
        "dvc-progress-tree",
        root="parent",
        rows="children",
        score="qd766_progress_score",
        maximum=Decimal(20),
        page_size=100,
        formality_key="formalityId",
        row_score=("score", "maxScore"),
        root_counts={**_PROGRESS, "totalCompleted": "dossiers_completed"},
        row_counts={**_PROGRESS, "totalOverdue": "dossiers_overdue"},
        percentage=("totalOnTime", "totalReceived"),
        shares=(("totalOnTime", "totalReceived"), ("totalCompleted", "totalReceived")),
        sums=(("totalReceived", ("totalOnTime", "totalOverdue")),),
        categories=_LEVEL,
    ),
    Endpoint(
        "provide-online-tree",
        root="parent",
        rows="children",
        score="qd766_online_service_score",
        maximum=Decimal(12),
        page_size=200,
        formality_key="formalityId",
        root_counts=_ONLINE,
        shares=(("onlineDossierCount", "onlineServiceTotal"),),
        sums=(
            ("channelTotalSum", ("channelOnlineSum", "channelDirectSum", "channelPostalSum")),
            ("channelOnlineSum", ("onlineOnTimeSum", "onlineOverdueSum")),
        ),
        categories=_LEVEL,
    ),
    Endpoint(
        "formality-online-payment-tree",
        root="parent",
        rows="children",
        score="qd766_payment_score",
        maximum=Decimal(10),
        page_size=100,
        formality_key="formalityId",
        root_counts=_PAYMENT,
        row_counts=_PAYMENT,
        shares=(
            ("totalDossierOnlinePaymentSuccess", "totalDossierFinancialObligation"),
            ("totalDossierOnlineFormalityPaymentSuccess", "totalFeeFormality"),
            ("totalFeeDossierFormality", "totalFeeFormality"),
        ),
        categories=_LEVEL,
    ),
)
ENDPOINTS: Mapping[str, Endpoint] = {endpoint.name: endpoint for endpoint in _ALL}
NAMES = (*ENDPOINTS, CATALOGUE)
CATALOGUE_PAGE_SIZE = 10
CATALOGUE_METRIC = "procedures_catalogued"

# Read and left aside on purpose. Charts write months without data as 0 in some endpoints and as null in others;
# the radar's ratio is not score over maximum; `stt` is a row number; `source` names the portal's own tables.
IGNORED_DATA = frozenset({"growthPercent", "radar", "donuts", "monthlyChart", "dossierChart", "source", "pagination"})
IGNORED_ROW = frozenset({"stt", "scoreDelta", "averageScore"})
NAMING = frozenset({"departmentId", "departmentName", "departmentCode"})
ITEM_NUMBERS = ("numerator", "denominator", "ratio", "score", "maxScore")
ITEM_FLAGS = ("dataQualityStatus", "dataQualityMessage")
ITEM_FIELDS = frozenset({"code", "name", *ITEM_NUMBERS, *ITEM_FLAGS})
ROOT_SCORE = ("totalScore", "totalMaxScore")
SUM_TOLERANCE = Decimal("0.01")
PAGINATION = ("total", "currentPage", "pageSize", "totalPages")
CATALOGUE_FIELDS = frozenset(
    {"id", "code", "name", "state", "departmentId", "publishingDepartmentIds", "appliedDepartmentIds"}
)
