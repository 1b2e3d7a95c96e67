"""Which inputs of library criteria a source supplies, and how much of each framework that covers.

Not here: bindings of the frameworks' own criteria (`test_ninh_thuan.py`, `test_qd766.py`) and figures that come through
them on a night (`tests/night/test_library_sources.py`).
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dti_pipeline.frameworks.library import LibraryCriterion, load_library
from dti_pipeline.frameworks.loader import load_all
from dti_pipeline.frameworks.model import Criterion, Level
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.scoring.exact import Block, BlockKind, evaluate

DOCS = Path(__file__).parents[2] / "docs" / "frameworks.md"
FLAGS = {"1": "yes", "0": "no"}

OF_THE_UNIT = {
    ("egov-procedures-published", "a"): "procedures_authorised",
    ("egov-level-2-services", "a"): "procedures_authorised",
    ("egov-level-3-services", "a"): "procedures_authorised",
    ("egov-level-3-services", "b"): "services_partial_online",
    ("egov-level-3-services", "c"): "services_full_process",
    ("egov-one-stop-software", "a"): "procedures_authorised",
    ("egov-receipts-from-software", "a"): "dossiers_received",
    ("egov-online-payment-offered", "a"): "procedures_with_fee",
    ("egov-no-resubmission", "a"): "procedures_authorised",
    ("egov-shared-databases", "used"): "databases_of_others_used",
    ("egov-level-4-end-to-end", "a"): "dossiers_received_online",
    ("portal-digital-column", "column"): "portal_digital_column",
    ("portal-digital-column", "days"): "portal_column_age_days",
    ("gov-outgoing-documents-electronic", "a"): "outgoing_documents",
    ("gov-outgoing-documents-electronic", "b"): "edocs_sent_with_paper",
    ("gov-outgoing-documents-electronic", "c"): "edocs_sent_electronic_only",
    ("gov-outgoing-documents-signed", "a"): "outgoing_documents_electronic",
    ("gov-outgoing-documents-signed", "b"): "outgoing_documents_signed",
    ("gov-work-dossiers-online", "a"): "work_dossiers",
    ("gov-work-dossiers-online", "b"): "work_dossiers_online",
    ("gov-portal-mandatory-content", "required"): "portal_sections_required",
    ("gov-portal-mandatory-content", "provided"): "portal_sections_found",
    ("gov-online-services-provided", "a"): "procedures_authorised",
    ("gov-online-services-provided", "b"): "services_partial_online",
    ("gov-online-services-provided", "c"): "services_full_process",
    ("gov-online-services-used", "a"): "online_services_total",
    ("gov-online-services-used", "b"): "online_services_with_dossiers",
    ("gov-dossiers-online", "a"): "dossiers_received_all_channels",
    ("gov-dossiers-online", "b"): "dossiers_received_online",
    ("gov-dossiers-full-process", "a"): "dossiers_received_online",
    ("gov-dossiers-on-time", "received"): "dossiers_received",
    ("gov-dossiers-on-time", "on_time"): "dossiers_on_time",
    ("gov-overdue-dossiers-apology", "a"): "dossiers_overdue",
    ("gov-procedures-shortened", "a"): "procedures_authorised",
    ("gov-dossiers-paid-online", "a"): "dossiers_with_fee_obligation",
    ("gov-dossiers-paid-online", "b"): "dossiers_paid_online",
    ("gov-procedures-paid-online", "a"): "procedures_with_fee",
    ("gov-procedures-paid-online", "b"): "procedures_paid_online",
    ("gov-one-stop-electronic", "a"): "dossiers_completed",
    ("gov-borderless-one-stop", "a"): "procedures_authorised",
    ("gov-certified-copies", "rate"): "qd766_electronic_certified_copy",
    ("gov-databases-operated", "a"): "specialised_databases",
    ("gov-databases-operated", "b"): "specialised_databases_operating",
    ("gov-databases-shared", "a"): "specialised_databases_operating",
    ("gov-databases-shared", "b"): "specialised_databases_on_lgsp",
    ("gov-open-datasets-published", "published"): "open_datasets_machine_readable",
    ("gov-open-datasets-fresh", "a"): "open_datasets",
    ("gov-open-datasets-fresh", "b"): "open_datasets_on_schedule",
}
"""(library criterion, input) -> metric, its value for the unit itself."""
RATIOS = {
    "gov-dossiers-synchronised": "qd766_dossier_sync",
    "gov-dossiers-digitised": "qd766_so_hoa_giay_to_giai_quyet",
    "gov-digitised-data-reused": "qd766_reused_digitized_data",
    "gov-digitised-dossiers-connected": "qd766_synced_with_dvcqg_personal_storage",
    "gov-electronic-results": "qd766_original_result_available",
    "gov-population-data-dossiers": "qd766_citizen_data_connected_dossier",
    "gov-population-data-procedures": "qd766_citizen_data_connected_formality",
    "gov-petitions-on-time": "qd766_petition_processing_on_time",
    "gov-petitions-satisfaction": "qd766_petition_handling_satisfaction",
    "gov-dossier-satisfaction": "qd766_dossier_receiving_satisfaction",
}
"""Library criterion -> the platform's ratio whose denominator is its a and whose numerator is its b."""
STAND_INS = {
    "gov-portal-mandatory-content": "số thay thế",
    "gov-outgoing-documents-electronic": "văn bản gửi điện tử ngoài trục không được tính",
    "egov-shared-databases": "không ghi mức độ thường xuyên",
    "gov-databases-operated": "mới lập kế hoạch hoặc đang xây dựng",
    "gov-open-datasets-fresh": "không được tính là đúng chu kỳ",
    "egov-level-3-services": "suy luận, không phải quy định",
}
"""Where the figure is not to the letter what the criterion asks, a note says so: words of it."""


def test_bindings_are_exactly_those_whose_metric_means_the_same() -> None:
    found = {
        (item.id, spec.name): (spec.binding.metric, spec.binding.part, spec.binding.scope)
        for item in load_library().values()
        for spec in item.inputs
        if spec.binding is not None
    }
    parts = {"a": "denominator", "b": "numerator"}
    ratios = {(code, name): (metric, part, "unit") for code, metric in RATIOS.items() for name, part in parts.items()}
    assert found == {key: (metric, "value", "unit") for key, metric in OF_THE_UNIT.items()} | ratios
    assert {metric for metric, _, _ in found.values()} <= load_metrics().keys()


def test_options_say_which_figure_means_which_answer() -> None:
    chosen = {
        (item.id, spec.name): dict(spec.binding.choices)
        for item in load_library().values()
        for spec in item.inputs
        if spec.binding is not None and spec.binding.choices
    }
    assert chosen == {("portal-digital-column", "column"): FLAGS}


@pytest.mark.parametrize("code", sorted(STAND_INS))
def test_a_stand_in_says_so(code: str) -> None:
    assert any(STAND_INS[code] in note for note in load_library()[code].notes)


def points(item: LibraryCriterion, **figures: int) -> Fraction | Block:
    own = item.model_dump(exclude={"id", "theme", "levels", "origin", "notes"}, exclude_none=True)
    shape = {"code": "1", "printed_code": "1", "max_points": 10, "basis": "working", "clause": "-"}
    criterion = Criterion.model_validate(own | shape)
    return evaluate(criterion.expression, {name: Fraction(figure) for name, figure in figures.items()}, Fraction(10))


@pytest.mark.parametrize(
    ("code", "figures", "worth"),
    [
        # 5 of 20 with paper, 10 without: 1/4 × 5 + 1/2 × 10.
        ("gov-outgoing-documents-electronic", {"a": 20, "b": 5, "c": 10}, Fraction(25, 4)),
        ("gov-outgoing-documents-signed", {"a": 20, "b": 20}, Fraction(10)),
        ("gov-outgoing-documents-signed", {"a": 20, "b": 18}, Fraction(5)),
        ("gov-outgoing-documents-signed", {"a": 20, "b": 17}, Fraction(0)),
        ("gov-work-dossiers-online", {"a": 20, "b": 8}, Fraction(5)),
    ],
)
def test_documents_are_worth_what_they_were(code: str, figures: dict[str, int], worth: Fraction) -> None:
    assert points(load_library()[code], **figures) == worth


@pytest.mark.parametrize(
    ("code", "figures"),
    [
        ("gov-outgoing-documents-electronic", {"a": 0, "b": 0, "c": 0}),
        ("gov-outgoing-documents-signed", {"a": 0, "b": 0}),
        ("gov-work-dossiers-online", {"a": 0, "b": 0}),
        ("gov-databases-operated", {"a": 0, "b": 0}),
        ("gov-databases-shared", {"a": 0, "b": 0}),
    ],
)
def test_a_source_that_counts_nothing_leaves_the_criterion_out(code: str, figures: dict[str, int]) -> None:
    """A unit would not claim 0 of 0; a source says it every night, and it is neither 0 points nor an error."""
    worth = points(load_library()[code], **figures)
    assert isinstance(worth, Block)
    assert worth.kind is BlockKind.NOT_APPLICABLE


def coverage(level: Level) -> tuple[str, str]:
    whole = [item for item in level.criteria if item.inputs and all(spec.binding for spec in item.inputs)]
    total = sum((item.max_points for item in level.criteria), Decimal(0))
    bound = sum((item.max_points for item in whole), Decimal(0))
    return f"{len(whole)} of {len(level.criteria)}", f"{bound.normalize():f} of {total.normalize():f}"


def test_the_documented_coverage_is_that_of_the_frameworks() -> None:
    printed = re.findall(
        r"^\| `([a-z0-9-]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", DOCS.read_text("utf-8"), re.MULTILINE
    )
    assert printed == [
        (framework.id, level.level, *coverage(level)) for framework in load_all() for level in framework.levels
    ]
