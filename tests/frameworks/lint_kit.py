"""Small frameworks for tests of the linter; clean unless a test puts a defect in."""

from __future__ import annotations

from typing import Any

from dti_pipeline.frameworks.lint import LintFinding, lint
from dti_pipeline.frameworks.model import Framework


def count(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": f"Số {name}", "kind": "count", **more}


def criterion(code: str, formula: str = "b / a * max", *inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "printed_code": code,
        "name": f"Tiêu chí {code}",
        "max_points": 2,
        "rule": "Điểm = tỷ lệ × điểm tối đa",
        "formula": formula,
        "inputs": list(inputs or (count("b", part_of="a"), count("a"))),
        "clause": f"Phụ lục, mục {code}",
        **more,
    }


def group(code: str, *criteria: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"code": code, "kind": "group", "name": f"Nhóm {code}", "criteria": list(criteria), **more}


def level(name: str = "department", *nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    held = list(nodes or (group("1", criterion("1.1")),))
    return {"level": name, "name": f"Cấp {name}", "basis": "decision", "stated": {}, "nodes": held, **more}


def framework(*nodes: dict[str, Any], **head: Any) -> Framework:
    """One level of departments that holds `nodes`; `head` replaces fields of the framework, `levels` among them."""
    return Framework.model_validate(
        {
            "id": "thu-nghiem",
            "decision": {
                "number": "QĐ 1/QĐ-TH",
                "issued_on": "2024-01-02",
                "issuer": "UBND tỉnh Thực Hành (đơn vị hư cấu)",
                "title": "Thử nghiệm",
            },
            "province": "tỉnh Thực Hành (đơn vị hư cấu)",
            "window": "year",
            "policies": {
                "missing": "zero",
                "late": "zero",
                "not_applicable": "rescale",
                "excluded": "leave_maximum",
                "not_appraised": "zero",
                "signatures": ["leader"],
            },
            "levels": [level("department", *nodes)],
            **head,
        }
    )


def found(*criteria: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(finding.code, finding.rule) for finding in lint(framework(group("1", *criteria)))]


def only(rule: str, *criteria: dict[str, Any]) -> LintFinding:
    (finding,) = lint(framework(group("1", *criteria)))
    assert finding.rule == rule
    return finding


def told(one: Framework, rule: str, **given: Any) -> list[tuple[str | None, str | None, str]]:
    """(level, code, what) of every finding of a rule."""
    return [(item.level, item.code, item.what) for item in lint(one, **given) if item.rule == rule]
