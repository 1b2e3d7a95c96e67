"""Rules about who supplies what a level needs: metrics, fields of the self-report, evidence, units.

An input without a binding is a field of the self-report, so it always has a supplier, and a bound input that its metric
does not fill falls back to that field. What is left is told: a metric that nobody has (`unknown-metric`) or harvests
(`unsupplied-metric`), and `unsupplied-input` for figures that can come from nowhere as the framework names them: a part
that the metric does not have, a sum over units that are not beneath this level, the platform's own points without a
metric that carries them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal

from dti_pipeline.frameworks.lint.finding import Defect, of_criterion, vi
from dti_pipeline.frameworks.model import Criterion, InputSpec, Level, LevelName
from dti_pipeline.metrics.catalogue import load_metrics
from dti_pipeline.units.registry import Unit

_BENEATH: dict[LevelName, frozenset[str]] = {
    "province": frozenset({"departments", "districts", "communes"}),
    "department": frozenset(),
    "district": frozenset({"communes"}),
    "commune": frozenset(),
}
"""The scopes over which a level's inputs can be summed."""


def metrics(criterion: Criterion, supplied: Collection[str] | None) -> Iterator[Defect]:
    """Metrics of a criterion that the catalogue does not have, or that no connector supplies (None: not asked)."""
    named = [spec.binding.metric for spec in criterion.inputs if spec.binding is not None]
    if criterion.source_metric is not None:
        named.append(criterion.source_metric)
    catalogue = load_metrics()
    once = list(dict.fromkeys(named))
    if unknown := [metric for metric in once if metric not in catalogue]:
        what = f"Danh mục số liệu không có {_listed(unknown)}."
        yield of_criterion(criterion, "error", "unknown-metric", what)
    if supplied is not None and (bare := [name for name in once if name in catalogue and name not in supplied]):
        what = f"Chưa có nguồn nào cung cấp {_listed(bare)}; đơn vị phải tự báo cáo."
        yield of_criterion(criterion, "warning", "unsupplied-metric", what)


def inputs(level: Level, criterion: Criterion) -> Iterator[Defect]:
    """Inputs of a criterion that no metric supplies in the way the framework asks for them."""
    reasons = [f"{spec.name}: {reason}" for spec in criterion.inputs for reason in _unsupplied(level, criterion, spec)]
    if reasons:
        what = f"Số liệu không lấy được theo cách khai: {'; '.join(reasons)}."
        yield of_criterion(criterion, "warning", "unsupplied-input", what)


def _unsupplied(level: Level, criterion: Criterion, spec: InputSpec) -> Iterator[str]:
    binding = spec.binding
    if binding is None:
        if criterion.source_score:
            yield "điểm của hệ thống nguồn nhưng không gắn với số liệu thu thập nào"
        return
    metric = load_metrics().get(binding.metric)
    if metric is not None and binding.part != "value" and metric.behaviour != "ratio":
        part = "tử số" if binding.part == "numerator" else "mẫu số"
        yield f"«{metric.name}» không phải tỷ lệ nên không có {part}"
    if binding.scope != "unit" and binding.scope not in _BENEATH[level.level]:
        under = {"departments": "sở, ngành", "districts": "cấp huyện", "communes": "cấp xã"}[binding.scope]
        yield f"cộng theo {under} nhưng dưới {level.name} không có đơn vị như vậy"


def evidence(level: Level) -> Iterator[tuple[Criterion, Defect]]:
    """Self-reported criteria without evidence, in a level whose other criteria name theirs."""
    if not any(criterion.evidence for criterion in level.criteria):
        return
    for criterion in level.criteria:
        reported = [spec.name for spec in criterion.inputs if spec.binding is None and spec.default is None]
        if reported and not criterion.evidence and not criterion.manual:
            what = (
                f"Đơn vị tự báo cáo {', '.join(reported)} nhưng không nêu tài liệu kiểm chứng, "
                "trong khi tiêu chí khác của cấp này có nêu."
            )
            yield criterion, of_criterion(criterion, "warning", "evidence-unnamed", what)


def level_units(level: Level, units: Iterable[Unit] | None, clause: str) -> Iterator[Defect]:
    """A level for which there is no unit to score (None: not asked)."""
    if units is not None and not any(unit.level == level.level for unit in units):
        what = f"Danh mục đơn vị không có đơn vị nào của «{level.name}»."
        yield Defect("warning", None, clause, "level-without-units", what)


def annex(level: Level, clause: str) -> Iterator[Defect]:
    """What of a level is a working annex, and what only an appraiser can score."""
    working = [criterion for criterion in level.criteria if criterion.basis == "working"]
    if level.basis == "working" or working:
        what = f"Phụ lục tạm: {len(working)} trên {len(level.criteria)} tiêu chí không phải của quyết định."
        yield Defect("info", None, clause, "working-annex", what)
    if manual := [criterion for criterion in level.criteria if criterion.manual]:
        points = sum((criterion.max_points for criterion in manual), Decimal(0))
        what = f"{len(manual)} tiêu chí ({vi(points)} điểm) do người thẩm định cho điểm, không có công thức."
        yield Defect("info", None, clause, "manual-criteria", what)


def _listed(codes: Iterable[str]) -> str:
    return ", ".join(f"«{code}»" for code in codes)
