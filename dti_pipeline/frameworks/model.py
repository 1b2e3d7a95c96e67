"""A decision as data: what one YAML file under `data/` may say.

Here: the shape of a framework, its checks (counts, sums, formulas) and small look-ups. Not here: reading files
(`loader.py`), defects of a printed text (`lint/`), what anything is worth (`dti_pipeline.scoring`).
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dti_pipeline.scoring import formula as f
from dti_pipeline.scoring.periods import Period, Window, window_of_year


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
SignerRole = Literal["leader", "organisation"]
"""Who signs: the unit's leader personally, or the unit itself with its own certificate."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, validate_by_name=True, validate_by_alias=True)


def _check_precedence(voices: tuple[str, ...]) -> tuple[str, ...]:
    if voices[0] != "appraised" or len(set(voices)) != len(voices):
        raise ValueError("precedence names appraised, automatic and self_reported, each once, appraised first")
    return voices


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
    choices: dict[Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$")], Letter] = {}
    """For an input of kind `option`: the harvested figure -> the option that it means. Any other figure waits."""


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
        if self.binding is not None:
            chosen = set(self.binding.choices.values())
            if (self.kind == "option") != bool(chosen) or not chosen <= set(self.option_values):
                raise ValueError(f"input {self.name}: a bound option says in `choices` which figure means which option")
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
    evidence: tuple[Text, ...] = ()
    """«Tài liệu kiểm chứng»: what proves the figures."""
    data_source: Text | None = None
    """«Nguồn thu thập dữ liệu»: who or what supplies the figures."""
    verifier_unit: Text | None = None
    """«Đơn vị phối hợp xác minh số liệu»: who confirms them."""
    manual: bool = False
    """The appraiser gives the points, because the printed rule is not a formula that we can read."""
    library: Code | None = None
    """The criterion of the library that a working annex picked."""
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
        if self.manual and self.formula != "points":
            raise ValueError(f"criterion {self.code}: a manual criterion has the formula «points» and that one input")
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
    basis: Basis = "decision"
    """`working` where the decision prints how many branches there are, but not this one's name or points."""
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
    criteria_of: dict[Code, int] = {}
    """Node code -> how many criteria the decision prints for it."""
    printed_rows: int | None = None
    max_points: Points | None = None


class YearDay(_Model):
    """A day of the assessment year, or of a year near it."""

    day: Annotated[int, Field(ge=1, le=31)]
    month: Annotated[int, Field(ge=1, le=12)]
    year: Annotated[int, Field(ge=-1, le=1)] = 0
    """Years from the assessment year: -1 the one before, 1 the one after."""

    @model_validator(mode="after")
    def _is_a_day(self) -> Self:
        try:
            self.on(2001)  # no leap year: a window never ends on 29 February
        except ValueError:
            raise ValueError(f"{self.day}/{self.month} is not a day of every year") from None
        return self

    def on(self, year: int) -> dt.date:
        """The date in an assessment year."""
        return dt.date(year + self.year, self.month, self.day)


class DatedWindow(_Model):
    """A reporting window between two days of the year, both included."""

    start: Annotated[YearDay, Field(alias="from")]
    end: Annotated[YearDay, Field(alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start.on(2001) > self.end.on(2001):
            raise ValueError("the window ends before it starts; is a `year: -1` missing?")
        return self

    def period(self, year: int) -> Period:
        return Period(self.start.on(year), self.end.on(year))


WindowRule = Window | Literal["unstated"] | DatedWindow
"""`unstated`: the decision leaves the window to somebody else, so the assessment gives it."""

EventName = Literal["guidance", "submission", "supplement", "appraisal", "publication"]


class CalendarEvent(_Model):
    """A date that the decision sets, or an event that it leaves to be dated each year."""

    event: EventName
    levels: tuple[LevelName, ...] = ()
    """For which levels; empty: all."""
    by: YearDay | None = None
    """The last day, included."""
    before: YearDay | None = None
    """The first day that is too late («trước ngày …»)."""
    working_days: Annotated[int, Field(ge=1)] | None = None
    """Working days from complete papers, where the decision counts instead of naming a day."""
    set_by: Literal["assessment", "district"] = "assessment"
    """Who dates the event where the decision does not."""
    clause: Text

    @model_validator(mode="after")
    def _one_way_of_dating(self) -> Self:
        if sum(item is not None for item in (self.by, self.before, self.working_days)) > 1:
            raise ValueError(f"event {self.event}: give one of by, before, working_days (or none)")
        return self

    def last_day(self, year: int) -> dt.date | None:
        """The last day that is in time in an assessment year; None where the decision names none."""
        if self.by is not None:
            return self.by.on(year)
        return self.before.on(year) - dt.timedelta(days=1) if self.before is not None else None


class Stage(_Model):
    """One step of the appraisal: who does what to whom."""

    name: Text
    levels: tuple[LevelName, ...] = Field(min_length=1)
    """The levels whose units are dealt with."""
    by: Literal["parent", "lead"]
    """`parent`: the unit above (a commune's district); `lead`: the lead agency of the assessment."""
    may: tuple[Literal["appraise", "ask_supplement", "adjust", "approve"], ...] = Field(min_length=1)
    clause: Text


class RatingBand(_Model):
    """One rating («xếp loại») and the percent of the applicable maximum from which it holds."""

    name: Text
    least: Annotated[Points, Field(alias="from")]


class ClassMinima(_Model):
    """Classes («mức») that a unit reaches where every group has at least that class's minimum, the best class first."""

    names: tuple[Text, ...] = Field(min_length=1)
    minima: dict[Code, tuple[Points, ...]]
    """Group code -> one minimum per class."""
    clause: Text
    is_unranked_below: bool = True
    """A unit below the lowest class is not ranked."""

    @model_validator(mode="after")
    def _one_minimum_per_class(self) -> Self:
        for code, row in self.minima.items():
            if len(row) != len(self.names):
                raise ValueError(f"classes, group {code}: {len(row)} minima for {len(self.names)} classes")
            if list(row) != sorted(row, reverse=True):
                raise ValueError(f"classes, group {code}: a better class has a lower minimum than a worse one")
        return self


class RecordedFinding(Finding):
    """A defect of the decision's text that belongs to no criterion."""

    clause: Text


Ratings = tuple[RatingBand, ...] | Literal["none", "unstated"]
"""`none`: the decision rates nobody; `unstated`: it wants ratings and does not print their bands."""


def check_bands(bands: Ratings) -> None:
    """The best band first, the lowest from 0 on. Raises ValueError."""
    if isinstance(bands, str):
        return
    least = [band.least for band in bands]
    if least != sorted(set(least), reverse=True) or not least or least[-1] != 0 or least[0] > 100:
        raise ValueError("ratings: bands go from the best down in per cent, each once, the last one from 0")


class Level(_Model):
    """One level of government under a decision: its tree and how its units are ranked."""

    level: LevelName
    name: Text
    basis: Basis
    pools: tuple[Literal["level", "province", "parent"], ...] = ("level",)
    """Ranking pools, the first being the one that is official; the order over the whole level stands beside it."""
    window: WindowRule | None = None
    """Where this level has another window than the framework."""
    classes: ClassMinima | None = None
    unstated: tuple[Code, ...] = ()
    """Policies of the framework that the decision states for other levels only."""
    stated: Stated
    notes: tuple[Text, ...] = ()
    findings: tuple[RecordedFinding, ...] = ()
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
        by_code = {node.code: node for node in nodes}
        for code, stated_count in self.stated.criteria_of.items():
            below = len(list(by_code[code].all_criteria())) if code in by_code else None
            counts[f"criteria of {code}"] = (stated_count, below)
        for what, (stated, found) in counts.items():
            if stated is not None and stated != found:
                raise ValueError(f"level {self.level}, field stated: {what} should be {stated}, found {found}")
        for code, row in (self.classes.minima if self.classes else {}).items():
            if code not in by_code:
                raise ValueError(f"level {self.level}, field classes: no node {code}")
            if row[0] > by_code[code].sum_points:
                raise ValueError(f"level {self.level}, field classes: {code} cannot reach {row[0]}")
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
    """Evidence that was not handed in as required."""
    late: Literal["zero", "unstated"] = "unstated"
    """Evidence or supplement after the deadline."""
    not_applicable: Literal["zero", "peer_mean", "rescale", "prorate", "unstated"] = "unstated"
    """What a unit without anything to perform gets for a criterion; the words are in `policies.yaml`."""
    excluded: Literal["leave_maximum", "unstated"] = "unstated"
    """State secrets, which are not evaluated."""
    not_appraised: Literal["zero", "unstated"] = "unstated"
    """A unit that its appraiser did not appraise."""
    signatures: tuple[SignerRole, ...] | Literal["unstated"] = "unstated"
    """Who has to sign evidence digitally, supplements included."""
    evidence: Literal["required", "statement"] = "statement"
    """Whether a claim needs a document; `statement`: it counts without one, at the lowest grade."""
    supplements: Literal["on_request", "open"] = "open"
    """`on_request`: what comes after the submission deadline counts only where it was asked for; `open`: until the
    assessment's supplement deadline, where it has one."""


MAY_BE_UNSTATED = tuple(name for name, field in Policies.model_fields.items() if field.default == "unstated")
"""Policies that need an operator's choice where a decision is silent and the case occurs."""


Voice = Literal["appraised", "automatic", "self_reported"]
"""Who says what a figure is: an appraiser, a source, the unit itself."""
Precedence = Annotated[tuple[Voice, Voice, Voice], AfterValidator(_check_precedence)]


class Tolerance(_Model):
    """How far a claim may lie from the automatic figure and still be called the same; whichever allows more.

    Exactly at the tolerance is within it.
    """

    absolute: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    """In the input's own unit."""
    relative: Annotated[Decimal, Field(ge=0, le=1)] = Decimal(0)
    """As a share of the automatic figure: 0.01 is 1 %."""

    def allows(self, claimed: Fraction, automatic: Fraction) -> bool:
        allowed = max(Fraction(self.absolute), Fraction(self.relative) * abs(automatic))
        return abs(claimed - automatic) <= allowed


class _MergingWords(_Model):
    """What can be said of merging; None: nothing is said."""

    precedence: Precedence | None = None
    """Who goes first; the appraiser always does."""
    tolerance: Tolerance | None = None
    verify: bool | None = None
    """Whether a claim must not count where the source that should confirm it could not be read."""
    clause: Text | None = None
    """Where that is written: the clause, or in an assessment the paper."""

    @model_validator(mode="after")
    def _claims_need_a_clause(self) -> Self:
        goes_first = self.precedence is not None and self.precedence[1] == "self_reported"
        if (goes_first or self.verify is False) and self.clause is None:
            raise ValueError("merging: who lets a claim go before a source, or through unverified, names the `clause`")
        return self


class MergingRule(_MergingWords):
    """Other words for some inputs: those of these criteria, and those bound to these metrics."""

    levels: tuple[LevelName, ...] = ()
    """Only at these levels; empty: at all."""
    criteria: tuple[Code, ...] = ()
    metrics: tuple[Code, ...] = ()

    @model_validator(mode="after")
    def _names_inputs(self) -> Self:
        if not self.criteria and not self.metrics:
            raise ValueError("merging.rules: name the criteria or the metrics that the rule is for")
        return self

    def fits(self, level: LevelName, criterion: str, spec: InputSpec) -> bool:
        is_named = criterion in self.criteria or (spec.binding is not None and spec.binding.metric in self.metrics)
        return is_named and (not self.levels or level in self.levels)


class InputMerging(NamedTuple):
    """How one input is merged."""

    claim_first: bool
    tolerance: Tolerance
    verify: bool


class Merging(_MergingWords):
    """Which of several values of an input counts. Where nothing is said: appraised, then automatic, then
    self-reported; nothing is tolerated; a claim never stands in for a source that could not be read."""

    rules: tuple[MergingRule, ...] = ()
    """Where several fit an input, the first that says it holds; a rule goes before the general words."""

    def of(self, level: LevelName, criterion: str, spec: InputSpec) -> InputMerging:
        """How an input of a level is merged."""
        said = (*(rule for rule in self.rules if rule.fits(level, criterion, spec)), self)
        precedence = next((item.precedence for item in said if item.precedence is not None), None)
        return InputMerging(
            claim_first=precedence is not None and precedence[1] == "self_reported",
            tolerance=next((item.tolerance for item in said if item.tolerance is not None), Tolerance()),
            verify=next((item.verify for item in said if item.verify is not None), True),
        )

    def under(self, other: Merging | None) -> Merging:
        """These words with those of another, which go first."""
        if other is None:
            return self
        return Merging(
            precedence=other.precedence or self.precedence,
            tolerance=other.tolerance or self.tolerance,
            verify=self.verify if other.verify is None else other.verify,
            clause=other.clause or self.clause,
            rules=(*other.rules, *self.rules),
        )


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
    window: WindowRule
    decimals: Annotated[int, Field(ge=0, le=6)] = 2
    rank_on: Literal["published", "exact"] = "published"
    policies: Policies = Policies()
    merging: Merging = Merging()
    clauses: dict[Code, Text] = {}
    """Policy -> the clause that states it; quoted in footnotes."""
    alternatives: dict[Code, tuple[Text, ...]] = {}
    """Policy -> other values that the decision's words also bear, which an operator may choose instead."""
    ratings: Ratings = "none"
    calendar: tuple[CalendarEvent, ...] = ()
    stages: tuple[Stage, ...] = ()
    notes: tuple[Text, ...] = ()
    findings: tuple[RecordedFinding, ...] = ()
    levels: tuple[Level, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _levels_once(self) -> Self:
        names = [level.level for level in self.levels]
        if len(set(names)) != len(names):
            raise ValueError("field levels: a level stands twice")
        check_bands(self.ratings)
        self.check_merging(self.merging)
        if unknown := sorted(self.clauses.keys() - Policies.model_fields.keys() - {"ratings", "rank", "window"}):
            raise ValueError(f"field clauses: not policies: {', '.join(unknown)}")
        for level in self.levels:
            if unknown := sorted(set(level.unstated) - {*MAY_BE_UNSTATED}):
                raise ValueError(f"level {level.level}, field unstated: not policies: {', '.join(unknown)}")
        return self

    def check_merging(self, merging: Merging) -> None:
        """Every rule names what the framework has. Raises ValueError."""
        criteria = {item.code for level in self.levels for item in level.criteria}
        specs = [spec for level in self.levels for item in level.criteria for spec in item.inputs]
        metrics = {spec.binding.metric for spec in specs if spec.binding is not None}
        levels = {level.level for level in self.levels}
        for rule in merging.rules:
            for what, named, known in (
                ("level", rule.levels, levels),
                ("criterion", rule.criteria, criteria),
                ("input bound to metric", rule.metrics, metrics),
            ):
                if unknown := sorted({*named} - known):
                    raise ValueError(f"merging.rules: {self.id} has no {what} {', '.join(unknown)}")

    def policies_of(self, level: Level) -> Policies:
        """The policies that the decision states for a level."""
        return self.policies.model_copy(update=dict.fromkeys(level.unstated, "unstated"))

    @property
    def working_words(self) -> str:
        """What stands wherever a working annex shows."""
        return f"Phụ lục tạm – không phải phụ lục chính thức của Quyết định {self.decision.number}"

    def window_of(self, level: Level) -> WindowRule:
        return level.window or self.window

    def period(self, level: Level, year: int, night: dt.date) -> Period | None:
        """The days that a level's figures must be about; None where the decision leaves them open."""
        window = self.window_of(level)
        if isinstance(window, DatedWindow):
            return window.period(year)
        return None if window == "unstated" else window_of_year(window, year, night)

    def level(self, name: str) -> Level:
        """The level of that name. Raises KeyError."""
        for level in self.levels:
            if level.level == name:
                return level
        raise KeyError(name)
