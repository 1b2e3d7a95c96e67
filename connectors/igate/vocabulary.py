"""The words of iGate's statistics and the metrics they stand for. Data only.

Here: paths, parameters, field names, metric codes and the relations inside a row. Not here: asking and reading
(`connector.py`). All of it was seen in third-party code for one province; «kgg» in a path is that province's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AGENCIES = "/ba/agency/name+code"
LISTED = frozenset({"id", "code", "name"})
"""Fields of an agency in the list."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report: how it is asked and what its rows hold."""

    name: str
    path: str
    agency: str
    """Parameter for the agency asked about; `first`, `last`: for the days."""
    first: str
    last: str
    figures: Mapping[str, str]
    """Field -> metric."""
    relations: tuple[tuple[tuple[str, ...], str, bool], ...]
    """Fields that add up to at most another, or (True) to exactly it."""
    checked: frozenset[str] = frozenset()
    """Fields that are only needed for a relation."""
    fractions: tuple[str, str] = ("000", "999")
    """Digits after the seconds of the first and the last instant, as the system's clients write them."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    has_agency: bool = True
    """Rows name their agency as `agency: {code, name}`; otherwise by `agency_name` alone."""
    lists_levels: bool = False


_ALL = (
    Report(
        "statistics",
        path="/pa/dossier-statistic/--statistic-agency-kgg",
        agency="agency-id",
        first="from-date",
        last="to-date",
        figures={
            "received": "dossiers_received",
            "receivedOnline": "dossiers_received_online",
            "receivedDirect": "dossiers_received_direct",
            "resolved": "dossiers_resolved",
            "resolvedOverdue": "dossiers_resolved_overdue",
        },
        relations=(
            # Whether postal dossiers are in either is not known, so the two need not add up to all.
            (("receivedOnline", "receivedDirect"), "received", False),
            (("resolvedOverdue",), "resolved", False),
        ),
        fixed={"suppended-cancelled": "true", "hide-agency-no-dossier": "false", "isOnlineAttachResults": "false"},
    ),
    Report(
        "online",
        path="/pa/kgg-dossier-statistic/--kgg-dossier-report-online",
        agency="agency-id",
        first="from-applied-date",
        last="to-applied-date",
        figures={
            "total": "dossiers_submitted_online",
            "phatsinh_1phan_quantity": "dossiers_submitted_partial_services",
            "phatsinh_toanphan_quantity": "dossiers_submitted_full_services",
            "chotiepnhan_quantity": "dossiers_submitted_waiting",
            "datiepnhan_quantity": "dossiers_submitted_accepted",
            "hoanthanh_quantity": "dossiers_submitted_completed",
            "tuchoi_quantity": "dossiers_submitted_refused",
            "onlinepaid_quantity": "dossiers_submitted_paid_online",
        },
        relations=(
            (("phatsinh_1phan_quantity", "phatsinh_toanphan_quantity"), "total", False),
            (("onlinepaid_quantity",), "total", False),
        ),
        fractions=("0", "0"),
        fixed={"is-ignore-free-dossier": "true"},
        has_agency=False,
    ),
    Report(
        "digitization",
        path="/pa/kgg-digitize/digitization-by-agency",
        agency="ancestor-id",
        first="from",
        last="to",
        figures={
            "totalReceiver": "dossiers_received_for_digitisation",
            "totalReceiverHavingFile": "dossiers_received_with_files",
            "totalComplete": "dossiers_completed_for_digitisation",
            "totalCompleteHavingFile": "dossiers_completed_with_files",
        },
        checked=frozenset({"totalReceiverNopeFile", "totalCompleteNopeFile"}),
        relations=(
            (("totalReceiverHavingFile", "totalReceiverNopeFile"), "totalReceiver", True),
            (("totalCompleteHavingFile", "totalCompleteNopeFile"), "totalComplete", True),
            (("totalReceiverHavingFile",), "totalReceiver", False),
            (("totalCompleteHavingFile",), "totalComplete", False),
        ),
        lists_levels=True,
    ),
)
REPORTS: Mapping[str, Report] = {report.name: report for report in _ALL}
