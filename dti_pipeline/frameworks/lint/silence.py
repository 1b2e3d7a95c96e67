"""Rules about what a decision leaves unstated, so that an operator has to choose when the case occurs."""

from __future__ import annotations

from collections.abc import Iterator

from dti_pipeline.frameworks.lint.finding import Defect, rules_file
from dti_pipeline.frameworks.model import Framework, Policies
from dti_pipeline.scoring.footnotes import policy_words


def silence(framework: Framework) -> Iterator[Defect]:
    """One defect for each policy that is unstated, and one for ratings without bands."""
    clause = framework.decision.number
    for policy in Policies.model_fields:
        if getattr(framework.policies, policy) == "unstated":
            words = rules_file().policies[policy]
            options = "; ".join(f"«{value}»: {meaning}" for value, meaning in policy_words().get(policy, {}).items())
            what = f"Văn bản không nói {words.silent}. {words.act.format(options=options)}."
            yield Defect("info", policy, clause, "policy-unstated", what)
    if framework.ratings == "unstated":
        what = (
            "Văn bản yêu cầu xếp loại mà không in mức; chọn các mức (ratings) trong mục choices của đợt đánh giá, "
            "nếu không bảng không có xếp loại."
        )
        yield Defect("info", "ratings", framework.clauses.get("ratings", clause), "ratings-unstated", what)
