"""A decision as data: what one YAML file under `data/` may say.

Here: the shape of a framework, its checks (counts, sums, formulas) and small look-ups. Not here: reading files
(`loader.py`), defects of a printed text (`lint.py`), what anything is worth (`dti_pipeline.scoring`).
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.periods import Window


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


Text = Annotated[str, AfterValidator(_nfc), Field(min_length=1)]
Points = Annotated[Decimal, Field(ge=0, le=10_000)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Letter = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]

Basis = Literal["decision", "working"]
NodeKind = Literal["pillar", "main", "group", "component", "subcomponent"]
InputKind = Literal["count", "number", "percent", "option"]
Severity = Literal["error", "warning", "info"]
LevelName = Literal["province", "department", "district", "commune"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class OptionLabel(_Model):
    """One answer of an input of kind `option`: its identifier in the formula and the words a person sees."""

    value: Letter
    label: Text


class MetricBinding(_Model):
    """Which harvested figure fills an input. A framework names metrics, never sources."""

    metric: Code
    part: Literal["value", "numerator", "denominator"] = "value"
    scope: Literal["unit", "departments", "districts", "communes"] = "unit"
    """`unit`: the figure of the scored unit itself; otherwise the sum over the units of that level under it."""


class InputSpec(_Model):
    """One quantity that a criterion's formula reads, under the decision's own letter where it has one."""

    name: Letter
    label: Text
    kind: InputKind
    binding: MetricBinding | None = None
    options: tuple[OptionLabel, ...] = ()
    default: Points | None = None
    """The figure that the decision itself prints (119 items of a catalogue), used unless another is handed in."""
    part_of: Letter | None = None
    """The input that this one is a part of **by the decision's own definition**; so this/that is at most 1."""

    @model_validator(mode="after")
    def _options_fit_kind(self) -> Self:
        if (self.kind == "option") != bool(self.options):
            raise ValueError(f"input {self.name}: options are given exactly where kind is option")
        return self

    @property
    def option_values(self) -> tuple[str, ...]:
        return tuple(option.value for option in self.options)


class PrintedLine(_Model):
    """A row as printed, where several rows share one formula and one maximum."""

    printed_code: Text
    name: Text


class Finding(_Model):
    """A defect of the printed text that only a reader can see; the linter lists it as recorded."""

    rule: Code
    message: Text
    severity: Severity = "warning"


class Criterion(_Model):
    """One criterion of one level: what is asked, what it is worth and how that is computed."""

    code: Code
    printed_code: Text
    name: Text
    max_points: Points
    rule: Text
    """«Cách tính điểm», verbatim."""
    remark: Text | None = None
    """«Ghi chú», verbatim."""
    formula: str
    terms: dict[Letter, str] = {}
    """Quantities that the decision names by the way, such as Y: a / b."""
    printed_formula: str | None = None
    """The formula as printed, where the reading departs from it; only the linter looks at it."""
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    require: tuple[str, ...] = ()
    """Conditions on the inputs; where one fails the figures are wrong and the cell waits (pending)."""
    lines: tuple[PrintedLine, ...] = ()
    source_score: bool = False
    """The points are the platform's own, because its formula is not published."""
    source_metric: Code | None = None
    """The metric that carries the platform's score of this criterion, kept beside ours and never merged with it."""
    basis: Basis = "decision"
    clause: Text
    notes: tuple[Text, ...] = ()
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="after")
    def _formulas_parse(self) -> Self:
        names = [spec.name for spec in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError(f"criterion {self.code}: an input stands twice")
        if clash := {*names} & {*self.terms} | {*names} & {"max"}:
            raise ValueError(f"criterion {self.code}: name used twice: {', '.join(sorted(clash))}")
        for what, build in (
            ("formula", lambda: self.expression),
            ("printed_formula", lambda: self.printed_expression),
            ("require", lambda: self.requirements),
        ):
            try:
                build()
            except f.FormulaError as error:
                raise ValueError(f"criterion {self.code}, field {what}: {error}") from None
        used = set(f.input_names(self.expression)) | {
            name for requirement in self.requirements for name in f.input_names(requirement)
        }
        if unused := [name for name in names if name not in used]:
            raise ValueError(f"criterion {self.code}: the formula never reads {', '.join(unused)}")
        by_name = {spec.name: spec for spec in self.inputs}
        for node in f.walk(self.expression):
            if isinstance(node, f.Option):
                spec = by_name[node.name]
                labels = {label for label, _ in node.values}
                if spec.kind != "option" or set(spec.option_values) != labels:
                    raise ValueError(
                        f"criterion {self.code}: option({node.name}, …) names {', '.join(sorted(labels))}, "
                        f"the input offers {', '.join(spec.option_values) or 'no options'}"
                    )
            elif isinstance(node, f.Var) and by_name[node.name].kind == "option":
                raise ValueError(f"criterion {self.code}: {node.name} is an option; read it with option(…)")
        for spec in self.inputs:
            if spec.part_of is not None and spec.part_of not in names:
                raise ValueError(f"criterion {self.code}: input {spec.name} is part of unknown {spec.part_of}")
        return self

    @cached_property
    def expression(self) -> f.Expr:
        return f.parse(self.formula, {spec.name for spec in self.inputs}, self.terms)

    @cached_property
    def printed_expression(self) -> f.Expr:
        """The formula as printed: `printed_formula`, or the formula itself where the reading follows it."""
        return f.parse(self.printed_formula or self.formula, {spec.name for spec in self.inputs}, self.terms)

    @cached_property
    def requirements(self) -> tuple[f.Compare, ...]:
        names = {spec.name for spec in self.inputs}
        return tuple(f.parse_requirement(text, names, self.terms) for text in self.require)

    @property
    def max_fraction(self) -> Fraction:
        return Fraction(self.max_points)

    @property
    def printed_row_count(self) -> int:
        return len(self.lines) or 1

    def input(self, name: str) -> InputSpec:
        """The input of that letter. Raises KeyError."""
        for spec in self.inputs:
            if spec.name == name:
                return spec
        raise KeyError(name)


class Node(_Model):
    """A branch of the decision's structure, holding further branches or criteria."""

    code: Code
    kind: NodeKind
    name: Text
    max_points: Points | None = None
    """As printed; checked against the sum of what is below."""
    nodes: tuple[Node, ...] = ()
    criteria: tuple[Criterion, ...] = ()

    def walk(self) -> Iterator[Node]:
        yield self
        for node in self.nodes:
            yield from node.walk()

    def all_criteria(self) -> Iterator[Criterion]:
        for node in self.walk():
            yield from node.criteria

    @property
    def sum_points(self) -> Decimal:
        return sum((criterion.max_points for criterion in self.all_criteria()), Decimal(0))


class Stated(_Model):
    """Counts and totals that the decision prints, or that were counted in it; the loader holds the tree to them."""

    nodes: dict[NodeKind, int] = {}
    criteria: int | None = None
    printed_rows: int | None = None
    max_points: Points | None = None


class Level(_Model):
    """One level of government under a decision: its tree and how its units are ranked."""

    level: LevelName
    name: Text
    basis: Basis
    pools: tuple[Literal["level", "province", "parent"], ...] = ("level",)
    """Ranking pools, the first being the one that `rank` refers to."""
    stated: Stated
    nodes: tuple[Node, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_what_is_stated(self) -> Self:
        nodes = list(self.all_nodes())
        for what, codes in (
            ("node", [node.code for node in nodes]),
            ("criterion", [criterion.code for criterion in self.criteria]),
        ):
            if twice := sorted({code for code in codes if codes.count(code) > 1}):
                raise ValueError(f"level {self.level}: {what} code used twice: {', '.join(twice)}")
        for node in nodes:
            if node.max_points is not None and node.max_points != node.sum_points:
                raise ValueError(
                    f"level {self.level}, node {node.code}, field max_points: printed {node.max_points}, "
                    f"its criteria sum to {node.sum_points}"
                )
        counts: dict[str, tuple[object, object]] = {
            f"nodes of kind {kind}": (count, sum(node.kind == kind for node in nodes))
            for kind, count in self.stated.nodes.items()
        }
        counts["criteria"] = (self.stated.criteria, len(self.criteria))
        counts["printed_rows"] = (self.stated.printed_rows, self.printed_rows)
        counts["max_points"] = (self.stated.max_points, self.max_points)
        for what, (stated, found) in counts.items():
            if stated is not None and stated != found:
                raise ValueError(f"level {self.level}, field stated: {what} should be {stated}, found {found}")
        return self

    def all_nodes(self) -> Iterator[Node]:
        for node in self.nodes:
            yield from node.walk()

    @cached_property
    def criteria(self) -> tuple[Criterion, ...]:
        return tuple(criterion for node in self.nodes for criterion in node.all_criteria())

    @cached_property
    def _by_code(self) -> dict[str, Criterion]:
        return {criterion.code: criterion for criterion in self.criteria}

    def criterion(self, code: str) -> Criterion:
        """The criterion of that code. Raises KeyError."""
        return self._by_code[code]

    def parent_of(self, code: str) -> str | None:
        """Code of the node that directly holds the criterion or node `code`; None for a top node."""
        for node in self.all_nodes():
            if any(child.code == code for child in node.nodes):
                return node.code
        return None

    def group_of(self, criterion: str) -> Node:
        """The node that directly holds a criterion. Raises KeyError."""
        for node in self.all_nodes():
            if any(item.code == criterion for item in node.criteria):
                return node
        raise KeyError(criterion)

    @property
    def max_points(self) -> Decimal:
        return sum((criterion.max_points for criterion in self.criteria), Decimal(0))

    @property
    def printed_rows(self) -> int:
        return sum(criterion.printed_row_count for criterion in self.criteria)


class Policies(_Model):
    """What the decision says of figures that are not plain numbers; `unstated` needs an operator's choice."""

    missing: Literal["zero", "unstated"] = "unstated"
    not_applicable: Literal["zero", "rescale", "unstated"] = "unstated"
    excluded: Literal["leave_maximum", "unstated"] = "unstated"


class Decision(_Model):
    """The legal text behind a framework."""

    number: Text
    issued_on: dt.date
    issuer: Text
    title: Text
    annex: Text | None = None


class Framework(_Model):
    """One decision, all its levels."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    decision: Decision
    province: Text
    window: Window
    decimals: Annotated[int, Field(ge=0, le=6)] = 2
    rank_on: Literal["published", "exact"] = "published"
    policies: Policies = Policies()
    notes: tuple[Text, ...] = ()
    levels: tuple[Level, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _levels_once(self) -> Self:
        names = [level.level for level in self.levels]
        if len(set(names)) != len(names):
            raise ValueError("field levels: a level stands twice")
        return self

    def level(self, name: str) -> Level:
        """The level of that name. Raises KeyError."""
        for level in self.levels:
            if level.level == name:
                return level
        raise KeyError(name)
