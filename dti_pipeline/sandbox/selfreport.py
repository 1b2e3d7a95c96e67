"""The practice province's self-reports: what its fictional units say of themselves under each decision.

Here: for `ninh-thuan-2021` the province's one file (figures for the inputs without a metric binding); for any other
framework and level the file of its units, with the cases on purpose that let every state be seen. Figures are drawn
from a seed and consistent with each other, with options and conditions, and with what the practice portal says. Not
here: the portal's figures (`practice.py`), reading such a file (`dti_pipeline.evidence`).
"""

from __future__ import annotations

import csv
import io
import itertools
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, DatedWindow, Framework, InputSpec, Level, LevelName, MetricBinding
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.practice import ROOT, SEED, SILENT_UNIT, Month, draw
from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.exact import Block, Value, evaluate, holds
from dti_pipeline.units.registry import Unit

FRAMEWORK, LEVEL, YEAR = "ninh-thuan-2021", "province", 2026
HEADER = ("unit", "unit_name", "criterion", "input", "value", "state")
LEFT_OUT = ("5.14.3", "feature")
"""Left `missing` on purpose, so that the state can be seen: whether the portal offers electronic elections."""

Figure = int | Decimal | str


class SelfReportError(ValueError):
    """No consistent figures can be drawn for a criterion: its conditions contradict what the portal says."""


# --- the province in numbers: quantities that several criteria ask about, one figure each ---

LEVELS = ("province", "district", "commune")


def facts(seed: int = SEED) -> dict[str, int]:
    """Quantities of the fictional province by name. Agencies are the units of `units.yaml`; money in million đồng."""
    rng = draw(seed, ROOT, "facts")
    count = {level: sum(unit.level == level for unit in practice.units()) for level in ("department", *LEVELS[1:])}
    known = {
        "agencies_province": count["department"],
        "agencies_district": count["district"],
        "agencies_commune": count["commune"],
        "officials_province": rng.randint(900, 1300),
        "officials_district": rng.randint(700, 1000),
        "officials_commune": rng.randint(1100, 1400),
        "computers_province": rng.randint(850, 1320),
        "computers_district": rng.randint(640, 1020),
        "computers_commune": rng.randint(800, 1300),
        "computers_for_secrets": rng.randint(30, 60),
        "systems": rng.randint(38, 52),
        "systems_level_3": rng.randint(9, 14),
        "databases": rng.randint(28, 40),
        "leaders_top": rng.randint(150, 190),
        "leaders_middle": rng.randint(380, 460),
        "leaders_commune": rng.randint(170, 230),
        "budget": rng.randint(7_000_000, 9_500_000),
        "population": rng.randint(560_000, 680_000),
        "valid_results": rng.randint(160_000, 220_000),
        "documents_province": rng.randint(90_000, 120_000),
        "documents_district": rng.randint(120_000, 150_000),
        "documents_commune": rng.randint(140_000, 190_000),
        "data_items": 119,
        "periodic_reports": rng.randint(48, 66),
        "meetings": rng.randint(60, 90),
    }
    officials = sum(known[f"officials_{level}"] for level in LEVELS)
    return known | {
        "agencies": sum(known[f"agencies_{level}"] for level in LEVELS),
        "officials": officials,
        "computers": sum(known[f"computers_{level}"] for level in LEVELS) - known["computers_for_secrets"],
        # Civil servants and public employees together, as the decision counts them in 7.1.
        "staff": officials + rng.randint(7_500, 9_500),
        "it_staff": rng.randint(110, 160),
        "leaders": known["leaders_top"] + known["leaders_middle"] + known["leaders_commune"],
        "it_budget": known["budget"] * rng.randint(6, 9) // 1000,
    }


QUANTITIES: dict[tuple[str, str], str] = {
    ("1.1.3", "b"): "leaders_top",
    ("1.1.3", "d"): "leaders_middle",
    ("2.2.3", "valid"): "valid_results",
    ("2.4.1", "it_spending"): "it_budget",
    ("2.4.1", "total_spending"): "budget",
    ("2.4.2", "it_spending"): "it_budget",
    ("3.1.1", "a"): "officials_province",
    ("3.1.1", "b"): "computers_province",
    ("3.1.2", "a"): "officials_district",
    ("3.1.2", "b"): "computers_district",
    ("3.1.3", "a"): "officials_commune",
    ("3.1.3", "b"): "computers_commune",
    ("3.2.1", "a"): "computers",
    ("3.2.2", "a"): "agencies",
    ("3.3.1", "a"): "agencies_province",
    ("3.3.2", "a"): "agencies_district",
    ("3.3.3", "a"): "agencies_commune",
    ("3.4.2", "systems"): "systems",
    ("3.5.2", "a"): "systems",
    ("4.1.1", "a"): "databases",
    ("4.1.2", "b"): "data_items",
    ("4.1.3", "b"): "data_items",
    ("4.2.1", "a"): "databases",
    ("4.2.2", "a"): "databases",
    ("4.2.3", "b"): "data_items",
    ("4.2.4", "a"): "agencies",
    ("4.3.1", "a"): "agencies",
    ("5.1.1", "a"): "officials",
    ("5.2.1", "a"): "documents_province",
    ("5.2.2", "a"): "documents_district",
    ("5.2.3", "a"): "documents_commune",
    ("5.3.2", "a"): "agencies",
    ("5.3.3", "a"): "leaders",
    ("5.4.1", "a"): "agencies",
    ("5.4.2", "a"): "agencies",
    ("5.4.3", "a"): "agencies",
    ("5.4.4", "a"): "agencies",
    ("5.5.1", "a"): "periodic_reports",
    ("5.6.1", "a"): "meetings",
    ("5.7.1", "a"): "agencies",
    ("5.13.3", "population"): "population",
    ("6.1.1", "systems"): "systems",
    ("6.2.1", "systems"): "systems",
    ("6.2.2", "systems"): "systems",
    ("6.2.3", "systems"): "systems_level_3",
    ("6.3.1", "systems"): "systems",
    ("7.1.1", "a"): "staff",
    ("7.1.1", "b"): "it_staff",
    ("7.1.2", "a"): "it_staff",
    ("7.1.3", "a"): "staff",
    ("7.2.3", "a"): "leaders",
    ("7.2.4", "a"): "it_staff",
    ("7.2.5", "a"): "officials",
    ("7.2.6", "a"): "officials",
}
"""Which of `facts` an input asks about; other inputs are drawn on their own."""

SHARES: dict[tuple[str, str], tuple[int, int]] = {
    ("2.4.2", "security_spending"): (60, 130),
    ("4.1.2", "a"): (350, 600),
    ("4.1.3", "a"): (250, 350),
    ("4.2.3", "a"): (80, 240),
    ("4.3.1", "b"): (20, 150),
    ("5.2.1", "b"): (60, 140),
    ("5.2.2", "b"): (100, 220),
    ("5.2.3", "b"): (150, 300),
    ("5.4.1", "b"): (1000, 1000),
    ("5.4.4", "b"): (1000, 1000),
    ("5.7.1", "b"): (300, 700),
    ("7.1.3", "b"): (2, 8),
    ("7.2.6", "b"): (100, 320),
}
"""Thousandths of the whole where it is usually small, or must be all; other parts are most of their whole."""
MOST = (620, 980)

RANGES: dict[tuple[str, str], tuple[int, int]] = {
    ("1.1.1", "days"): (1, 12),
    ("1.2.2", "vice_chair_meetings"): (3, 9),
    ("2.3.4", "staff"): (1, 4),
    ("5.13.3", "visits"): (250_000, 600_000),
    ("7.2.4", "b"): (150, 420),
}
"""Inputs that are part of nothing, by their usual size."""
FEW = (2, 9)
THINGS_REQUIRED = (12, 40)


# --- what the practice portal says of a bound input ---


def _flow(name: str) -> Callable[[str, tuple[Month, ...], int], int]:
    def value(code: str, months: tuple[Month, ...], seed: int) -> int:
        figure = getattr(practice.counts(code, months, seed), name)
        return len(figure) if isinstance(figure, frozenset) else int(figure)

    return value


METRICS: dict[str, Callable[[str, tuple[Month, ...], int], int]] = {
    "dossiers_received": _flow("received"),
    "dossiers_on_time": _flow("on_time"),
    "dossiers_overdue": _flow("overdue"),
    "dossiers_completed": _flow("completed"),
    "dossiers_received_all_channels": _flow("all_channels"),
    "dossiers_received_online": _flow("online"),
    "dossiers_received_direct": _flow("direct"),
    "dossiers_received_postal": _flow("postal"),
    "online_services_with_dossiers": _flow("services_used"),
    "dossiers_with_fee_obligation": _flow("fee_obligation"),
    "dossiers_paid_online": _flow("paid_online"),
    "procedures_paid_online": _flow("paid_procedures"),
    "procedures_with_fee": lambda code, _, seed: len(practice.fee_procedures(code, seed)),
    "procedures_authorised": lambda code, _, seed: practice.profile(code, seed).authority,
    "services_partial_online": lambda code, _, seed: practice.profile(code, seed).partial,
    "services_full_process": lambda code, _, seed: practice.profile(code, seed).full,
    "online_services_total": lambda code, _, seed: practice.profile(code, seed).online_services,
}


def portal_binding(spec: InputSpec) -> MetricBinding | None:
    """The binding of an input that the practice portal supplies; None for one that another source does, or none."""
    binding = spec.binding
    is_known = binding is not None and (binding.metric in METRICS or binding.metric.startswith("qd766_"))
    return binding if is_known else None


def portal_figure(
    binding: MetricBinding, seed: int = SEED, unit: str = ROOT, months: tuple[Month, ...] | None = None
) -> int:
    """What the practice portal says of a binding of a unit, in the year unless other months are named.

    Districts, which the portal does not know, have the figures that it would show. Raises SelfReportError for a metric
    unknown here.
    """
    span = practice.months_between((YEAR, 1), (YEAR, 12)) if months is None else months
    if binding.scope != "unit":
        level = binding.scope.removesuffix("s")
        codes = [item.code for item in practice.units() if item.level == level and item.code.startswith(f"{unit}.")]
        if binding.metric in METRICS and binding.part == "value":
            return sum(_figure(binding.metric, "value", code, span, seed) or 0 for code in codes)
    elif (figure := _figure(binding.metric, binding.part, unit, span, seed)) is not None:
        return figure
    raise SelfReportError(f"the practice portal has no figure for {binding.metric} ({binding.part}, {binding.scope})")


@cache
def _figure(metric: str, part: str, unit: str, months: tuple[Month, ...], seed: int) -> int | None:
    """One unit's own figure; None where the portal has no such metric."""
    if part == "value" and metric in METRICS:
        return METRICS[metric](unit, months, seed)
    for group in (practice.transparency, practice.satisfaction, practice.digitisation):
        for item in group(unit, months, seed):
            if f"qd766_{item.code.lower()}" != metric:
                continue
            if part == "value":
                # A whole per cent; the only one that is bound is the portal's constant.
                is_whole = item.ratio is not None and item.ratio.denominator == 1
                return int(item.ratio) if item.ratio is not None and is_whole else None
            return item.numerator if part == "numerator" else item.denominator
    return None


# --- the province's own report ---


@dataclass
class _Draft:
    """The figures of one criterion while they are drawn."""

    criterion: Criterion
    seed: int
    figures: dict[str, Figure] = field(default_factory=dict)

    def draw_all(self) -> dict[str, Figure]:
        for spec in self.criterion.inputs:
            if (known := self._known(spec)) is not None:
                self.figures[spec.name] = known
        # Wholes before their parts; whatever stands in a circle is drawn by itself.
        waiting = [spec for spec in self.criterion.inputs if spec.name not in self.figures]
        while waiting:
            ready = next((spec for spec in waiting if self._whole(spec.name) is None), None)
            if ready is None:
                ready = next((spec for spec in waiting if self._whole(spec.name) in self.figures), waiting[0])
            self.figures[ready.name] = self._drawn(ready)
            waiting.remove(ready)
        self._check()
        return self.figures

    def _key(self, name: str) -> tuple[str, str]:
        return self.criterion.code, name

    def _known(self, spec: InputSpec) -> Figure | None:
        # What other practice systems supply is drawn too, unprinted, so that what stands beside it fits.
        if (binding := portal_binding(spec)) is not None:
            return portal_figure(binding, self.seed)
        if (quantity := QUANTITIES.get(self._key(spec.name))) is not None:
            return facts(self.seed)[quantity]
        return None

    def _whole(self, name: str) -> str | None:
        """The input that `name` is a part of: by definition, or because a condition says that it is at most that."""
        if (whole := self.criterion.input(name).part_of) is not None:
            return whole
        for requirement in self.criterion.requirements:
            is_part = requirement.op == "<=" and name in f.input_names(requirement.left)
            if is_part and isinstance(requirement.right, f.Var):
                return requirement.right.name
        return None

    def _drawn(self, spec: InputSpec) -> Figure:
        key = self._key(spec.name)
        rng = draw(self.seed, ROOT, "self-report", *key)
        if spec.kind == "option":
            # Mostly the first option, which is the best one in every criterion of this decision.
            return spec.option_values[0] if rng.randrange(100) < 80 else rng.choice(spec.option_values)
        if spec.kind == "percent":
            return Decimal(rng.randint(250, 800)) / 10
        whole = self._whole(spec.name)
        if whole is None or isinstance(self.figures.get(whole), str | None):
            is_whole = any(self._whole(other.name) == spec.name for other in self.criterion.inputs)
            return rng.randint(*RANGES.get(key, THINGS_REQUIRED if is_whole else FEW))
        low, high = SHARES.get(key, MOST)
        size = Fraction(self.figures[whole])
        return min(int(size * rng.randint(low, high) / 1000), self._room(spec.name, int(size)))

    def _room(self, name: str, size: int) -> int:
        """How much of a whole is left, where a condition makes several parts share it."""
        room = size
        for requirement in self.criterion.requirements:
            sharing = f.input_names(requirement.left)
            if requirement.op == "<=" and name in sharing:
                room = min(room, size - sum(int(Fraction(self.figures.get(other, 0))) for other in sharing))
        return room

    def _check(self) -> None:
        """Every condition holds and the points lie between 0 and the maximum. Raises SelfReportError."""
        criterion = self.criterion
        values: Mapping[str, Value] = {
            name: figure if isinstance(figure, str) else Fraction(figure) for name, figure in self.figures.items()
        }
        for text, requirement in zip(criterion.require, criterion.requirements, strict=True):
            if holds(requirement, values) is not True:
                raise SelfReportError(f"criterion {criterion.code}: «{text}» does not hold for {self.figures}")
        points = evaluate(criterion.expression, values, criterion.max_fraction)
        if isinstance(points, Block) or not 0 <= points <= criterion.max_fraction:
            raise SelfReportError(f"criterion {criterion.code}: {self.figures} is worth {points}")


def criterion_figures(criterion: Criterion, seed: int = SEED) -> dict[str, Figure]:
    """All figures of a criterion by input, the portal's included. Raises SelfReportError."""
    return _Draft(criterion, seed).draw_all()


def self_report(seed: int = SEED) -> str:
    """The CSV: every input without a metric binding, in the framework's order; the same seed gives the same text.

    Raises SelfReportError, or DataFileError where the framework is wrong.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    name = practice.unit(ROOT).name
    for criterion in load_framework(FRAMEWORK).level(LEVEL).criteria:
        figures = criterion_figures(criterion, seed)
        for spec in criterion.inputs:
            if spec.binding is not None:
                continue
            left_out = (criterion.code, spec.name) == LEFT_OUT
            value = "" if left_out else str(figures[spec.name])
            writer.writerow((ROOT, name, criterion.code, spec.name, value, "missing" if left_out else "reported"))
    return out.getvalue()


# --- any framework: the units of a level report their own figures ---

REPORT_HEADER = (*HEADER, "parent")
"""What `dti_pipeline.evidence.tables` reads, with the unit's parent for pools within a district."""


@dataclass(frozen=True, slots=True)
class OnPurpose:
    """A cell that is no plain figure, so that its case can be seen in practice."""

    framework: str
    level: LevelName
    unit: str
    criterion: str | None
    """The criterion of the library; None: every criterion of the unit."""
    state: Literal["missing", "not_applicable", "left_out"]
    """`left_out`: the lines have not been handed in, so the cell waits and the total is provisional."""
    reason: str


_NO_EVIDENCE = "Đơn vị không có tài liệu kiểm chứng cho tiêu chí này"
_NOT_YET = "Đơn vị chưa nộp số liệu của tiêu chí này"
_NO_PROCEDURES = (
    "Đơn vị không có thủ tục hành chính, không cung cấp dịch vụ công trực tuyến; không được đánh giá năm này"
)
_NO_REGULATIONS = "Trong năm đơn vị không chủ trì soạn thảo văn bản quy phạm pháp luật"
_NO_PRODUCTS = "Địa bàn không có sản phẩm OCOP, sản phẩm nông nghiệp chủ lực"
_NO_COMPANIES = "Địa bàn không có doanh nghiệp nhỏ và vừa đang hoạt động"
_NO_DATABASES = "Đơn vị không được giao xây dựng cơ sở dữ liệu chuyên ngành"
_NOTHING = "Trong kỳ đơn vị không phát sinh nội dung của tiêu chí này"
_NO_LOUDSPEAKERS = "Được chấp thuận bằng văn bản: địa bàn không còn truyền thanh cơ sở"

ON_PURPOSE: tuple[OnPurpose, ...] = (
    OnPurpose("brvt-2022", "department", "H00.19", "gov-drafts-consulted-online", "not_applicable", _NO_REGULATIONS),
    OnPurpose("brvt-2022", "department", "H00.18", "gov-databases-operated", "not_applicable", _NO_DATABASES),
    OnPurpose("brvt-2022", "department", "H00.09", "gov-electronic-records-archived", "missing", _NO_EVIDENCE),
    OnPurpose("brvt-2022", "department", "H00.15", "head-signed-directives", "missing", _NO_EVIDENCE),
    OnPurpose("brvt-2022", "district", "H00.21", "economy-local-products-online", "not_applicable", _NO_PRODUCTS),
    OnPurpose("brvt-2022", "district", "H00.24", "subordinate-inspections", "missing", _NO_EVIDENCE),
    OnPurpose("brvt-2022", "district", "H00.26", "gov-socioeconomic-figures-updated", "left_out", _NOT_YET),
    OnPurpose("brvt-2022", "commune", "H00.21.01", "economy-local-products-online", "not_applicable", _NO_PRODUCTS),
    OnPurpose("brvt-2022", "commune", "H00.22.02", "economy-local-products-online", "not_applicable", _NO_PRODUCTS),
    OnPurpose("brvt-2022", "commune", "H00.25.01", "economy-local-products-online", "not_applicable", _NO_PRODUCTS),
    OnPurpose("brvt-2022", "commune", "H00.23.04", "security-regulation", "missing", _NO_EVIDENCE),
    OnPurpose("brvt-2022", "commune", "H00.25.03", "gov-work-dossiers-online", "missing", _NO_EVIDENCE),
    OnPurpose("brvt-2022", "commune", "H00.24.05", "society-smartphones", "left_out", _NOT_YET),
    OnPurpose("bac-giang-2022", "department", SILENT_UNIT, None, "left_out", _NO_PROCEDURES),
    OnPurpose("bac-giang-2022", "department", "H00.18", "gov-databases-operated", "not_applicable", _NO_DATABASES),
    OnPurpose("bac-giang-2022", "department", "H00.08", "security-alerts-handled", "left_out", _NOT_YET),
    OnPurpose("bac-giang-2022", "district", "H00.21", "economy-local-products-online", "not_applicable", _NO_PRODUCTS),
    OnPurpose("bac-giang-2022", "district", "H00.25", "fibre-coverage", "missing", _NO_EVIDENCE),
    OnPurpose("bac-giang-2022", "commune", "H00.23.06", "economy-sme-platforms", "not_applicable", _NO_COMPANIES),
    OnPurpose("bac-giang-2022", "commune", "H00.22.01", "village-heads-trained", "missing", _NO_EVIDENCE),
    OnPurpose("bac-giang-2022", "commune", "H00.24.02", "society-digital-skills", "left_out", _NOT_YET),
    OnPurpose("hue-2024", "department", "H00.18", "gov-databases-shared", "not_applicable", _NO_DATABASES),
    OnPurpose("hue-2024", "department", "H00.04", "it-staff-training", "left_out", _NOT_YET),
    OnPurpose("hue-2024", "district", "H00.23", "smart-city-cameras", "left_out", _NOT_YET),
    OnPurpose("hue-2024", "commune", "H00.21.02", "loudspeaker-broadcasts", "not_applicable", _NO_LOUDSPEAKERS),
    OnPurpose("hue-2024", "commune", "H00.21.02", "smart-city-public-address", "not_applicable", _NO_LOUDSPEAKERS),
    OnPurpose("hue-2024", "commune", "H00.21.05", "economy-local-products-online", "not_applicable", _NO_PRODUCTS),
    OnPurpose("hue-2024", "commune", "H00.23.03", "society-electronic-identity", "left_out", _NOT_YET),
    OnPurpose("phu-tho-2018", "department", SILENT_UNIT, None, "left_out", _NO_PROCEDURES),
    OnPurpose("phu-tho-2018", "commune", "H00.24.06", "egov-news-updates", "left_out", _NOT_YET),
)
"""A few per framework and level. Phú Thọ has no cell that is not applicable, because its decision does not provide for
one; Huế has them in one district's communes only, so that one pool is ranked on percent and the others on points."""

QUALITY: Mapping[str, tuple[int, int]] = {"phu-tho-2018": (740, 980), "brvt-2022": (560, 1000)}
"""Framework -> quality of its weakest and its best unit, in thousandths, wide enough for every rating or class."""
DEFAULT_QUALITY = (550, 970)
UNEVEN = 100
"""By how many thousandths a unit's single criteria lie above or below its quality."""


@cache
def quality(framework: str, level: LevelName, unit: str, seed: int = SEED) -> int:
    """How good a unit's figures are on the whole, in thousandths; a level's units are spread over the whole range.

    Units that do well on the portal mostly do well in the rest too: otherwise none would be good in everything.
    Raises SelfReportError for a unit that is not one of the practice province's at that level.
    """
    order = _weakest_first(framework, level, seed)
    if unit not in order:
        raise SelfReportError(f"{unit} is not a unit of the practice province at level {level}")
    low, high = QUALITY.get(framework, DEFAULT_QUALITY)
    return low + (high - low) * order.index(unit) // max(1, len(order) - 1)


@cache
def _weakest_first(framework: str, level: LevelName, seed: int) -> tuple[str, ...]:
    def strength(code: str) -> tuple[int, str]:
        kind = practice.profile(code, seed)
        habits = kind.on_time_permille + kind.digital_permille + kind.online_permille
        return habits + draw(seed, "quality", framework, level, code).randint(0, 500), code

    return tuple(sorted((item.code for item in practice.units() if item.level == level), key=strength))


@dataclass(frozen=True, slots=True)
class ToldCell:
    """What a practice unit says of one criterion. A criterion that it leaves out has none."""

    criterion: Criterion
    state: Literal["reported", "missing", "not_applicable"]
    figures: Mapping[str, Figure]
    """Input -> figure, in the order of the criterion; empty unless `reported`."""
    reason: str | None
    """Why it is missing or not applicable."""


def told(framework: Framework, level: Level, units: Sequence[Unit], seed: int = SEED) -> dict[str, list[ToldCell]]:
    """Unit code -> what it says of every criterion, those with a binding too, in the framework's order.

    A source's figure goes before a claim, so a claim for a bound input counts where the source has none. The same
    arguments give the same figures, and no criterion's figures depend on another criterion. Raises SelfReportError.
    """
    months = reported_months(framework, level)
    purposes = _purposes(framework, level)
    plans = [_Plan.of(criterion) for criterion in level.criteria]
    found: dict[str, list[ToldCell]] = {}
    for unit in units:
        good = quality(framework.id, level.level, unit.code, seed)
        cells = found[unit.code] = []
        for plan in plans:
            criterion = plan.criterion
            purpose = purposes.get((unit.code, criterion.code))
            if purpose is None:
                rng = draw(seed, "report", framework.id, level.level, unit.code, criterion.code)
                figures = _Report(plan, unit.code, months, seed, rng).figures(good)
                if figures is None:
                    cells.append(ToldCell(criterion, "not_applicable", {}, _NOTHING))
                else:
                    ordered = {spec.name: figures[spec.name] for spec in criterion.inputs}
                    cells.append(ToldCell(criterion, "reported", ordered, None))
            elif purpose.state != "left_out":
                cells.append(ToldCell(criterion, purpose.state, {}, purpose.reason))
    return found


def self_reports(framework: Framework, level: Level, units: Sequence[Unit], seed: int = SEED) -> str:
    """What units of a level say, as one CSV without evidence; the same arguments give the same text.

    Raises SelfReportError.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(REPORT_HEADER)
    by_code = {unit.code: unit for unit in units}
    for code, cells in told(framework, level, units, seed).items():
        unit = by_code[code]
        for cell in cells:
            for spec in cell.criterion.inputs:
                value = str(cell.figures[spec.name]) if cell.figures else ""
                writer.writerow((code, unit.name, cell.criterion.code, spec.name, value, cell.state, unit.parent or ""))
    return out.getvalue()


def write_reports(folder: Path, framework: Framework, seed: int = SEED) -> dict[LevelName, str]:
    """Write a framework's self-reports into an existing folder; gives level -> file name.

    A level whose every input is bound to a metric has none: a source measures it. Raises SelfReportError, and then
    nothing is written.
    """
    texts: dict[LevelName, str] = {}
    for level in framework.levels:
        if all(spec.binding is not None for criterion in level.criteria for spec in criterion.inputs):
            continue
        # The province's quantities are those of one unit in one decision; they have a report of their own.
        units = [unit for unit in practice.units() if unit.level == level.level]
        is_own = (framework.id, level.level) == (FRAMEWORK, LEVEL)
        texts[level.level] = self_report(seed) if is_own else self_reports(framework, level, units, seed)
    names = {level: f"self-report-{framework.id}-{level}.csv" for level in texts}
    for name, text in texts.items():
        (folder / names[name]).write_text(text, encoding="utf-8", newline="")
    return names


def reported_months(framework: Framework, level: Level) -> tuple[Month, ...]:
    """The months of the window that the portal knows; those of the year where the decision names no days."""
    window = framework.window_of(level)
    if not isinstance(window, DatedWindow):
        return practice.months_between((YEAR, 1), (YEAR, 12))
    days = window.period(YEAR)
    return practice.months_between((days.start.year, days.start.month), (days.end.year, days.end.month))


def _purposes(framework: Framework, level: Level) -> dict[tuple[str, str], OnPurpose]:
    """(unit, criterion code) -> the case on purpose. Raises SelfReportError for a criterion that the level lacks."""
    found: dict[tuple[str, str], OnPurpose] = {}
    for item in ON_PURPOSE:
        if (item.framework, item.level) != (framework.id, level.level):
            continue
        named = [one.code for one in level.criteria if item.criterion in (None, one.library)]
        if not named:
            raise SelfReportError(f"{framework.id}, level {level.level}: no criterion «{item.criterion}»")
        found |= {(item.unit, code): item for code in named}
    return found


# --- what a criterion can be worth, and with which figures ---

Role = Literal["whole", "share", "free", "option", "percent"]

MILLION = 1_000_000
BASE = Fraction(MILLION)
"""A whole big enough that no share of it is worth something else than the same share of any other whole."""
FREE_COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 30, 40, 52, 80, 120, 156, 180, 220)
NEAR = 4
"""How many of the smallest counts that are worth the same can be chosen."""
CLOSED_LISTS = frozenset({"items", "kinds", "features", "fields", "forms", "apps"})
"""Counts of a closed list of things: never above the count that is worth all points."""
RATES: Mapping[tuple[str, str], tuple[Fraction, Fraction]] = {
    ("it-staff-training", "b"): (Fraction(0), Fraction(5, 2)),
    ("economy-digital-enterprises", "b"): (Fraction(0), Fraction(3, 2000)),
    ("egov-feedback-handling-time", "b"): (Fraction(2), Fraction(18)),
    ("digital-spending-share", "b"): (Fraction(0), Fraction(1, 50)),
    ("egov-no-resubmission", "b"): (Fraction(0), Fraction(2, 5)),
    ("data-analysis-skills", "b"): (Fraction(0), Fraction(1, 2)),
    ("gov-postal-results", "b"): (Fraction(0), Fraction(1, 2)),
    ("gov-borderless-one-stop", "b"): (Fraction(0), Fraction(1, 2)),
    ("economy-enterprise-self-assessment", "b"): (Fraction(0), Fraction(2, 5)),
}
"""(Library criterion, input) -> least and most of it for one of its whole, where that is not «any part of it»."""
INSIDE: Mapping[tuple[str, str], str] = {("mobile-coverage", "c"): "b"}
"""(Library criterion, input) -> what it lies within in fact: where there is 5G there is 4G."""
DEFAULT_RATE = (Fraction(0), Fraction(6, 5))
"""Of what is divided by another quantity without being a part of it."""


_Entry = tuple[tuple[str, str | Fraction], ...]
"""One combination of choices by input: option values, free counts, percents, and shares of wholes."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A criterion, the roles of its inputs, and the combinations of choices by what share of the maximum they earn."""

    criterion: Criterion
    roles: Mapping[str, Role]
    whole_of: Mapping[str, str]
    """Input -> the whole that it is drawn as a share of."""
    inputs: tuple[InputSpec, ...]
    """Every whole before its parts."""
    worths: tuple[int, ...]
    """Ascending shares of the maximum, in millionths."""
    menu: Mapping[int, tuple[_Entry, ...]]
    step: Fraction
    """Between two shares on the menu; 0 where several shares must not move apart."""

    @classmethod
    def of(cls, criterion: Criterion) -> _Plan:
        whole_of = _wholes(criterion)
        roles: dict[str, Role] = {}
        for spec in criterion.inputs:
            if spec.name in whole_of:
                roles[spec.name] = "share"
            elif spec.name in whole_of.values():
                roles[spec.name] = "whole"
            elif spec.kind in ("option", "percent"):
                roles[spec.name] = spec.kind
            else:
                roles[spec.name] = "free"
        inputs = _wholes_first(criterion, whole_of)
        # What other practice systems supply is claimed too, and not told apart: a unit knows its own figures.
        drawn = [spec for spec in criterion.inputs if roles[spec.name] != "whole" and portal_binding(spec) is None]
        shares = sum(roles[spec.name] == "share" for spec in drawn)
        steps = 20 if shares == 1 else 10
        menu: dict[int, list[_Entry]] = {}
        if drawn:
            for values in itertools.product(*(_alternatives(criterion, spec, roles, steps) for spec in drawn)):
                entry = tuple(zip((spec.name for spec in drawn), values, strict=True))
                if (worth := _worth(criterion, inputs, roles, whole_of, entry)) is not None:
                    menu.setdefault(int(worth * MILLION), []).append(entry)
            if not menu:
                raise SelfReportError(f"criterion {criterion.code}: no figures meet its conditions")
        free = [place for place, spec in enumerate(drawn) if roles[spec.name] == "free"]
        kept = {worth: _small_counts(entries, free) for worth, entries in menu.items()}
        step = Fraction(1, steps) if shares == 1 else Fraction(0)
        return cls(criterion, roles, whole_of, inputs, tuple(sorted(kept)), kept, step)

    def choose(self, good: int, rng: random.Random) -> dict[str, str | Fraction]:
        """Choices worth about `good` thousandths of the maximum: between two worths on the menu by chance."""
        around = min(UNEVEN, good, 1000 - good)
        aim = (good + rng.randint(-around, around)) * MILLION // 1000
        above = bisect_right(self.worths, aim)
        low, high = self.worths[max(above - 1, 0)], self.worths[min(above, len(self.worths) - 1)]
        is_high = high > low and rng.randrange(high - low) < aim - low
        entries = self.menu[high if is_high else low]
        return dict(entries[rng.randrange(len(entries))])


def _wholes(criterion: Criterion) -> dict[str, str]:
    """Input -> what it is part of, or divided by, or by a condition at most."""
    found = {spec.name: spec.part_of for spec in criterion.inputs if spec.part_of is not None}
    found |= {name: whole for (library, name), whole in INSIDE.items() if library == criterion.library}
    numbers = {spec.name for spec in criterion.inputs if spec.kind in ("count", "number")}
    for node in f.walk(criterion.expression):
        match node:
            case f.Ratio(numerator=top, denominator=bottom) | f.Arith(op="/", left=top, right=bottom):
                below = [name for name in f.input_names(bottom) if name in numbers]
                for name in f.input_names(top):
                    if below and name in numbers and name not in found and name not in below:
                        found[name] = below[0]
    for requirement in criterion.requirements:
        if requirement.op == "<=" and isinstance(requirement.right, f.Var):
            for name in f.input_names(requirement.left):
                if name in numbers and found.get(requirement.right.name) != name:
                    found.setdefault(name, requirement.right.name)
    return found


def _alternatives(
    criterion: Criterion, spec: InputSpec, roles: Mapping[str, Role], steps: int
) -> Sequence[str | Fraction]:
    match roles[spec.name]:
        case "option":
            return spec.option_values
        case "percent":
            return [Fraction(number) for number in range(0, 101, 5)]
        case "free":
            return [Fraction(number) for number in FREE_COUNTS]
        case _:
            least, most = _rates(criterion, spec)
            return [least + (most - least) * number / steps for number in range(steps + 1)]


def _rates(criterion: Criterion, spec: InputSpec) -> tuple[Fraction, Fraction]:
    usual = DEFAULT_RATE if spec.part_of is None else (Fraction(0), Fraction(1))
    return RATES.get((criterion.library or "", spec.name), usual)


def _worth(
    criterion: Criterion,
    inputs: Sequence[InputSpec],
    roles: Mapping[str, Role],
    whole_of: Mapping[str, str],
    entry: _Entry,
) -> Fraction | None:
    """The share of the maximum that the choices earn, wholes being big; None where they break a condition."""
    chosen = dict(entry)
    values: dict[str, Value] = {spec.name: BASE for spec in criterion.inputs if roles[spec.name] == "whole"}
    for spec in inputs:
        if spec.name not in values:
            # A bound part takes no choice: half of its whole stands for it here.
            value = chosen.get(spec.name, Fraction(1, 2))
            whole = values.get(whole_of.get(spec.name, ""))
            values[spec.name] = value * whole if isinstance(value, Fraction) and isinstance(whole, Fraction) else value
    points = evaluate(criterion.expression, values, criterion.max_fraction)
    if isinstance(points, Block) or not 0 <= points <= criterion.max_fraction:
        return None
    if any(holds(requirement, values) is not True for requirement in criterion.requirements):
        return None
    return points / criterion.max_fraction if criterion.max_fraction else Fraction(0)


def _wholes_first(criterion: Criterion, whole_of: Mapping[str, str]) -> tuple[InputSpec, ...]:
    """The inputs, every whole before its parts; the order is the criterion's otherwise."""

    def depth(name: str) -> int:
        seen = {name}
        while (name := whole_of.get(name, "")) and name not in seen:
            seen.add(name)
        return len(seen)

    return tuple(sorted(criterion.inputs, key=lambda spec: depth(spec.name)))


def _small_counts(entries: Sequence[_Entry], free: Sequence[int]) -> tuple[_Entry, ...]:
    """Of entries that earn the same, those with the smallest counts: nobody holds 200 meetings where 4 are enough."""
    best = list(entries)
    for place in free:
        counts = sorted({Fraction(entry[place][1]) for entry in best})
        allowed = counts[: 1 if entries[0][place][0] in CLOSED_LISTS else NEAR]
        best = [entry for entry in best if entry[place][1] in allowed]
    return tuple(best)


# --- one unit's figures of one criterion ---


class _Report:
    """Draws the figures; `least` and `most` hold a bound input's figure and claim, whichever is smaller and larger."""

    def __init__(self, plan: _Plan, unit: str, months: tuple[Month, ...], seed: int, rng: random.Random) -> None:
        self.plan, self.unit, self.months, self.seed, self.rng = plan, unit, months, seed, rng
        self.given: dict[str, Figure] = {}
        self.least: dict[str, int] = {}
        self.most: dict[str, int] = {}

    def figures(self, good: int) -> dict[str, Figure] | None:
        """All figures, or None where the unit has nothing that the criterion asks about. Raises SelfReportError."""
        criterion = self.plan.criterion
        bindings = {spec.name: binding for spec in criterion.inputs if (binding := portal_binding(spec)) is not None}
        bound = {name: self._portal(binding) for name, binding in bindings.items()}
        # A unit without procedures has no share of them on time either, whatever 0/0 is worth elsewhere.
        if bound and self.unit == SILENT_UNIT:
            return None
        # What the portal counts of one part leaves no room for another part, even before the first one is claimed.
        self.most |= bound
        chosen = self.plan.choose(good, self.rng) if self.plan.menu else {}
        for spec in self.plan.inputs:
            if (binding := bindings.get(spec.name)) is not None:
                figure = bound[spec.name]
                claim = self._claim(spec, binding, figure)
            elif self.plan.roles[spec.name] == "whole":
                known = spec.default
                figure = claim = size(self.unit, spec.label, self.seed) if known is None else int(known)
            elif isinstance(choice := chosen[spec.name], str):
                self.given[spec.name] = choice
                continue
            elif self.plan.roles[spec.name] == "share":
                figure = claim = self._share(spec, choice)
            else:
                figure = claim = int(choice)
            self.given[spec.name] = claim
            self.least[spec.name], self.most[spec.name] = min(figure, claim), max(figure, claim)
        return self._checked()

    def _portal(self, binding: MetricBinding) -> int:
        return portal_figure(binding, self.seed, self.unit, self.months)

    def _claim(self, spec: InputSpec, binding: MetricBinding, figure: int) -> int:
        """What the unit says of a figure that the portal has too: mostly the same, else near it."""
        rng = draw(self.seed, "claim", self.unit, binding.metric)
        is_same = rng.randrange(100) < 55
        if self.plan.roles[spec.name] == "percent":
            return figure
        whole = self.plan.whole_of.get(spec.name)
        if whole is None:
            # Never fewer than the portal counts, so that a part from either fits a whole from the other; and no more
            # where the portal counts all of them as the part, because the claim then says «all» too.
            parts = [item for item in self.plan.inputs if self.plan.whole_of.get(item.name) == spec.name]
            counted = [own for item in parts if (own := portal_binding(item)) is not None]
            all_of_it = any(self._portal(own) == figure for own in counted)
            return figure if is_same or all_of_it else figure * rng.randint(1000, 1030) // 1000
        if figure == self.least[whole]:
            return int(self.given[whole])
        near = figure if is_same else figure * rng.randint(975, 1025) // 1000
        return min(near, self._room(spec.name, figure))

    def _share(self, spec: InputSpec, rate: str | Fraction) -> int:
        least, most = _rates(self.plan.criterion, spec)
        exact_rate = Fraction(rate)
        if self.plan.step and least < exact_rate < most:
            # Between this entry of the menu and the next one, so that figures are not all multiples of 5 %.
            exact_rate += (most - least) * self.plan.step * self.rng.randrange(0, 600) / 1000
        whole = self.least[self.plan.whole_of[spec.name]]
        figure = int(exact_rate * whole + Fraction(1, 2))
        return min(figure, whole, self._room(spec.name, whole)) if spec.part_of is not None else figure

    def _room(self, name: str, otherwise: int) -> int:
        """How much of a whole is left, where a condition makes several parts share it."""
        room: int | None = None
        for requirement in self.plan.criterion.requirements:
            sharing = f.input_names(requirement.left)
            whole = requirement.right
            if requirement.op == "<=" and name in sharing and isinstance(whole, f.Var) and whole.name in self.least:
                taken = sum(self.most.get(other, 0) for other in sharing if other != name)
                left = self.least[whole.name] - taken
                room = left if room is None else min(room, left)
        return otherwise if room is None else max(0, room)

    def _checked(self) -> dict[str, Figure] | None:
        criterion = self.plan.criterion
        values: Mapping[str, Value] = {
            name: figure if isinstance(figure, str) else Fraction(figure) for name, figure in self.given.items()
        }
        for text, requirement in zip(criterion.require, criterion.requirements, strict=True):
            if holds(requirement, values) is not True:
                raise SelfReportError(f"{self.unit}, criterion {criterion.code}: «{text}» fails for {self.given}")
        points = evaluate(criterion.expression, values, criterion.max_fraction)
        if isinstance(points, Block) and any(figure == 0 for figure in self.given.values()):
            return None
        if isinstance(points, Block) or not 0 <= points <= criterion.max_fraction:
            raise SelfReportError(f"{self.unit}, criterion {criterion.code}: {self.given} is worth {points}")
        return self.given


# --- how big things are ---

Sizes = Mapping[LevelName, tuple[int, int]]


def _by_level(department: tuple[int, int], district: tuple[int, int], commune: tuple[int, int]) -> Sizes:
    return {"department": department, "district": district, "commune": commune}


SIZES: tuple[tuple[str, str, Sizes], ...] = (
    ("(triệu đồng)", "", _by_level((9_000, 60_000), (400_000, 900_000), (6_000, 14_000))),
    ("lãnh đạo và cbcc được giao ký số", "", _by_level((14, 40), (20, 50), (4, 8))),
    ("lãnh đạo và cán bộ, công chức có trách nhiệm", "", _by_level((12, 30), (14, 36), (5, 10))),
    ("công chức, viên chức chuyên trách công nghệ", "it_staff", _by_level((2, 5), (2, 5), (1, 2))),
    ("chuyên trách hoặc kiêm nhiệm công nghệ", "it_staff_all", _by_level((4, 10), (4, 10), (2, 4))),
    ("tại bộ phận một cửa", "", _by_level((3, 8), (8, 16), (4, 7))),
    ("viên chức, người lao động của đơn vị", "employees", _by_level((60, 190), (120, 240), (22, 32))),
    ("cbccvc", "employees", _by_level((60, 190), (120, 240), (22, 32))),
    ("số lãnh đạo đơn vị và", "leaders_all", _by_level((14, 36), (18, 40), (5, 9))),
    ("số lãnh đạo thuộc phạm vi", "leaders_all", _by_level((14, 36), (18, 40), (5, 9))),
    ("số lãnh đạo đơn vị", "leaders", _by_level((3, 5), (3, 5), (3, 4))),
    ("cán bộ, công chức", "staff", _by_level((38, 95), (85, 150), (18, 24))),
    ("cbcc", "staff", _by_level((38, 95), (85, 150), (18, 24))),
    ("máy tính", "computers", _by_level((45, 130), (100, 190), (18, 32))),
    ("máy chủ, máy trạm", "machines", _by_level((50, 140), (110, 200), (19, 34))),
    ("nhiệm vụ", "", _by_level((30, 160), (50, 200), (16, 60))),
    ("kỳ báo cáo", "", _by_level((18, 52), (24, 64), (14, 40))),
    ("hệ thống đã được phê duyệt", "", _by_level((3, 6), (3, 5), (1, 2))),
    ("hệ thống", "systems", _by_level((4, 12), (4, 9), (1, 3))),
    ("phần mềm chuyên ngành", "", _by_level((2, 6), (3, 7), (2, 5))),
    ("cơ sở dữ liệu", "", _by_level((2, 7), (2, 6), (4, 9))),
    ("số thôn, tổ dân phố", "villages", _by_level((1, 1), (70, 130), (6, 14))),
    ("trưởng thôn, tổ trưởng", "villages", _by_level((1, 1), (70, 130), (6, 14))),
    ("doanh nghiệp", "", _by_level((120, 900), (250, 1_200), (12, 90))),
    ("sản phẩm", "", _by_level((5, 20), (12, 40), (2, 8))),
    ("cơ sở giáo dục", "", _by_level((5, 20), (40, 75), (3, 8))),
    ("cơ sở y tế", "", _by_level((5, 20), (9, 15), (1, 2))),
    ("đối tượng hưởng trợ cấp", "", _by_level((1, 1), (3_000, 6_500), (300, 800))),
    ("vị trí trọng điểm", "", _by_level((1, 1), (40, 120), (5, 16))),
    ("cụm loa", "", _by_level((1, 1), (80, 160), (7, 18))),
    ("hồ sơ khai sinh", "", _by_level((1, 1), (900, 2_000), (90, 260))),
    ("sổ hộ tịch", "", _by_level((1, 1), (40_000, 90_000), (4_000, 9_000))),
    ("kho bạc", "", _by_level((300, 900), (900, 2_400), (120, 320))),
    ("văn bản đi", "documents_out", _by_level((1_400, 5_200), (4_000, 9_000), (500, 1_600))),
    ("văn bản đến", "", _by_level((2_400, 7_500), (5_000, 12_000), (700, 2_200))),
    ("văn bản chỉ đạo", "", _by_level((14, 60), (30, 90), (8, 30))),
    ("văn bản trong năm", "", _by_level((40, 160), (60, 200), (15, 60))),
    ("dự thảo", "", _by_level((2, 9), (2, 8), (1, 3))),
    ("hồ sơ công việc", "", _by_level((200, 1_200), (600, 2_000), (80, 400))),
    ("hồ sơ", "", _by_level((150, 2_000), (1_500, 6_000), (300, 1_800))),
    ("cuộc họp chuyên đề", "", _by_level((3, 8), (4, 9), (2, 6))),
    ("cuộc họp", "", _by_level((24, 90), (50, 140), (12, 40))),
    ("hội nghị trực tuyến", "", _by_level((8, 20), (10, 30), (12, 36))),
    ("biểu mẫu", "", _by_level((30, 160), (120, 260), (60, 140))),
)
"""Words of a label -> the quantity's name, if several labels ask about it, and its size by level; the first match
holds. The words are in lower case."""
ORDINARY: Sizes = _by_level((6, 30), (8, 40), (4, 18))
"""Everything else."""
OF_POPULATION: tuple[tuple[str, int], ...] = (
    ("đủ điều kiện cấp tài khoản định danh", 740),
    ("trong độ tuổi lao động", 610),
    ("dân số trưởng thành", 700),
    ("dân số từ 15 tuổi", 760),
    ("hộ gia đình", 275),
    ("dân số", 1000),
)
"""Words of a label -> thousandths of the unit's population."""
OF_DOSSIERS: tuple[tuple[str, int], ...] = (
    ("hồ sơ có kết quả bản giấy", 400),
    ("hồ sơ tiếp nhận bằng mọi hình thức", 600),
    ("kết quả giải quyết", 850),
    ("lượt đánh giá", 180),
)
"""Words of a label -> thousandths of the dossiers that the portal counts in the year; none for a unit without any."""
ELECTRONIC = ("văn bản đi điện tử", "Tổng số văn bản đi", 960)
"""Words of a label, the label of the whole, and thousandths of it."""


@cache
def size(unit: str, label: str, seed: int = SEED) -> int:
    """How many there are of what a label asks about; the same in every criterion and framework that asks.

    Raises SelfReportError for the province, which has its own quantities (`facts`).
    """
    level: LevelName = practice.unit(unit).level
    if level == "province":
        raise SelfReportError(f"{unit} is the province, and its quantities are `facts`")
    words = label.casefold()
    for part, permille in OF_POPULATION:
        if part in words:
            return _population(unit, seed) * permille // 1000
    for part, permille in OF_DOSSIERS:
        if part in words:
            months = practice.months_between((YEAR, 1), (YEAR, 12))
            return practice.counts(unit, months, seed).received * permille // 1000
    if "dịch vụ công trực tuyến" in words:
        return practice.profile(unit, seed).online_services
    if ELECTRONIC[0] in words:
        return size(unit, ELECTRONIC[1], seed) * ELECTRONIC[2] // 1000
    for part, name, sizes in SIZES:
        if part in words:
            return draw(seed, unit, "size", name or label).randint(*sizes[level])
    return draw(seed, unit, "size", label).randint(*ORDINARY[level])


@cache
def _population(unit: str, seed: int) -> int:
    """A district has the people of its communes."""
    below = [item.code for item in practice.units() if item.parent == unit and item.level == "commune"]
    if below:
        return sum(_population(code, seed) for code in below)
    return draw(seed, unit, "size", "population").randint(3_600, 11_000)
