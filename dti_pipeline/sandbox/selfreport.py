"""The practice province's self-report for `ninh-thuan-2021`: one CSV row for every input that no source supplies.

Here: figures for the inputs without a metric binding, drawn from a seed and consistent with each other, with the
framework's options and conditions, and with what the practice portal says. Not here: the portal's figures
(`practice.py`), reading such a file (`dti_pipeline.evidence`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from dti_pipeline.frameworks.loader import load_framework
from dti_pipeline.frameworks.model import Criterion, InputSpec, MetricBinding
from dti_pipeline.sandbox import practice
from dti_pipeline.sandbox.practice import ROOT, SEED, Month, draw
from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.exact import Block, Value, evaluate, holds

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
        "dossiers_district": rng.randint(36_000, 52_000),
        "data_items": 119,
        "periodic_reports": rng.randint(48, 66),
        "meetings": rng.randint(60, 90),
    }
    kind = practice.profile(ROOT, seed)
    used = portal_figure(MetricBinding(metric="online_services_with_dossiers"), seed)
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
        # The portal counts these services too; an honest report agrees with it.
        "services_partial": kind.partial,
        "services_full": kind.full,
        "services_partial_used": used * kind.partial // kind.online_services,
        "services_full_used": used - used * kind.partial // kind.online_services,
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
    ("5.9", "a"): "services_partial",
    ("5.9", "b"): "services_partial_used",
    ("5.9", "c"): "services_full",
    ("5.9", "d"): "services_full_used",
    ("5.10.2", "a"): "dossiers_district",
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
    ("5.10.2", "b"): (300, 700),
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
    "dossiers_completed": _flow("completed"),
    "dossiers_received_all_channels": _flow("all_channels"),
    "dossiers_received_online": _flow("online"),
    "dossiers_received_direct": _flow("direct"),
    "dossiers_received_postal": _flow("postal"),
    "online_services_with_dossiers": _flow("services_used"),
    "procedures_paid_online": _flow("paid_procedures"),
    "procedures_with_fee": lambda code, _, seed: len(practice.fee_procedures(code, seed)),
    "procedures_authorised": lambda code, _, seed: practice.profile(code, seed).authority,
    "services_partial_online": lambda code, _, seed: practice.profile(code, seed).partial,
    "services_full_process": lambda code, _, seed: practice.profile(code, seed).full,
    "online_services_total": lambda code, _, seed: practice.profile(code, seed).online_services,
}


def portal_figure(binding: MetricBinding, seed: int = SEED) -> int:
    """What the practice portal says of a binding for the year. Raises SelfReportError for a metric unknown here."""
    months = practice.months_between((YEAR, 1), (YEAR, 12))
    codes = [ROOT]
    if binding.scope != "unit":
        codes = [unit.code for unit in practice.units() if unit.level == binding.scope.removesuffix("s")]
    if binding.metric in METRICS and binding.part == "value":
        return sum(METRICS[binding.metric](code, months, seed) for code in codes)
    if binding.scope == "unit" and binding.part != "value":
        for group in (practice.transparency, practice.satisfaction, practice.digitisation):
            for metric in group(ROOT, months, seed):
                if f"qd766_{metric.code.lower()}" == binding.metric:
                    figure = metric.numerator if binding.part == "numerator" else metric.denominator
                    if figure is not None:
                        return figure
    raise SelfReportError(f"the practice portal has no figure for {binding.metric} ({binding.part}, {binding.scope})")


# --- drawing ---


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
        if spec.binding is not None:
            return portal_figure(spec.binding, self.seed)
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
