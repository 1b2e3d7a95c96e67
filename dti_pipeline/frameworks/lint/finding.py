"""What a finding is made of, and the words of `lint_rules.yaml`. Not here: any rule (the modules beside this one)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dti_pipeline.datafiles import read_model
from dti_pipeline.frameworks.model import MAY_BE_UNSTATED, Criterion, Severity
from dti_pipeline.scoring import exact

_FILE = Path(__file__).parent.parent / "lint_rules.yaml"

RECORDED: Literal["recorded"] = "recorded"
"""The rule of every finding that a reader wrote down; its `what` starts with the reader's own rule."""

Rule = Literal[
    "can-exceed-max",
    "can-go-negative",
    "cannot-reach-max",
    "deadline-after-publication",
    "deadline-before-window-end",
    "deadlines-out-of-order",
    "duplicate-code",
    "duplicate-pick",
    "evidence-unnamed",
    "level-without-units",
    "manual-criteria",
    "missing-code",
    "policy-unstated",
    "ratings-unstated",
    "recorded",
    "shared-maximum",
    "threshold-differs-from-title",
    "tiers-overlap",
    "unknown-metric",
    "unsupplied-input",
    "unsupplied-metric",
    "unused-term",
    "window-gap",
    "window-unstated",
    "windows-overlap",
    "working-annex",
    "working-days-past-publication",
]


@dataclass(frozen=True, slots=True)
class Defect:
    """A finding without the framework and level around it."""

    severity: Severity
    code: str | None
    clause: str
    rule: Rule
    what: str


def of_criterion(criterion: Criterion, severity: Severity, rule: Rule, what: str, code: str | None = None) -> Defect:
    """A defect of one criterion; `code` where the printed number itself is the defect."""
    return Defect(severity, code or criterion.code, criterion.clause, rule, what)


def vi(value: Fraction | Decimal) -> str:
    """A number in Vietnamese writing, cut to two decimals where it has no end."""
    rounded = exact.round_half_up(Fraction(value), 2)
    return f"{Decimal(rounded.numerator) / Decimal(rounded.denominator):f}".replace(".", ",")


# --- words ---


_Words = Annotated[str, Field(min_length=1)]


class RuleWords(BaseModel):
    """A rule for people: what it is called, and why its findings matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Words
    why: _Words


class PolicyWords(BaseModel):
    """A policy that a decision can leave unstated: what it is silent about, and what an operator then does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    silent: _Words
    act: _Words
    """`{options}` stands for the values to choose from and their meaning."""


class RulesFile(BaseModel):
    """`lint_rules.yaml`: words for every rule, severity and policy that there is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severities: dict[Severity, _Words]
    rules: dict[Rule, RuleWords]
    recorded: dict[str, _Words]
    """A reader's own rule -> why it matters; a rule that does not stand here has the words of `recorded`."""
    policies: dict[str, PolicyWords]

    @model_validator(mode="after")
    def _names_everything(self) -> Self:
        for field, given, wanted in (
            ("severities", {*self.severities}, {*get_args(Severity)}),
            ("rules", {*self.rules}, {*get_args(Rule)}),
            ("policies", {*self.policies}, {*MAY_BE_UNSTATED}),
        ):
            if given != wanted:
                raise ValueError(f"field {field}: missing or too many: {', '.join(sorted(given ^ wanted))}")
        return self


@cache
def rules_file() -> RulesFile:
    """The words that come with the project. Raises DataFileError."""
    return read_model(_FILE, RulesFile)


def why_it_matters(defect: Defect) -> str:
    """Why a defect matters, in words for a reader."""
    words = rules_file()
    if defect.rule == RECORDED:
        own = words.recorded.get(defect.what.partition(":")[0])
        if own is not None:
            return own
    return words.rules[defect.rule].why
