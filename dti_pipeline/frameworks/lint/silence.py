"""Rules about what a decision leaves unstated, so that an operator has to choose when the case occurs."""

from __future__ import annotations

from collections.abc import Iterator

from dti_pipeline.frameworks.lint.finding import Defect, rules_file
from dti_pipeline.frameworks.model import MAY_BE_UNSTATED, Framework, Level
from dti_pipeline.scoring.footnotes import policy_words


def silence(framework: Framework) -> Iterator[Defect]:
    """One defect for each policy that is unstated, and one for ratings without bands."""
    clause = framework.decision.number
    for policy in MAY_BE_UNSTATED:
        if getattr(framework.policies, policy) == "unstated":
            yield _unstated(policy, clause)
    if framework.ratings == "unstated":
        what = (
            "Văn bản yêu cầu xếp loại mà không in mức; chọn các mức (ratings) trong mục choices của đợt đánh giá, "
            "nếu không bảng không có xếp loại."
        )
        yield Defect("info", "ratings", framework.clauses.get("ratings", clause), "ratings-unstated", what)


def level_silence(level: Level, clause: str) -> Iterator[Defect]:
    """One defect for each policy that the decision states for other levels only."""
    for policy in level.unstated:
        yield _unstated(policy, clause)


def _unstated(policy: str, clause: str) -> Defect:
    words = rules_file().policies[policy]
    options = "; ".join(f"«{value}»: {meaning}" for value, meaning in policy_words().get(policy, {}).items())
    what = f"Văn bản không nói {words.silent}. {words.act.format(options=options)}."
    return Defect("info", policy, clause, "policy-unstated", what)
