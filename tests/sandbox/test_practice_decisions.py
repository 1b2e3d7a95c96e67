"""What practice appraisers do before the night: the same each time, every sitting once, through the service.

Not here: what it comes to in the ranked tables (`tests/night/test_all_frameworks.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from sqlmodel import Session

from dti_pipeline.appraisal.chain import rows_of
from dti_pipeline.appraisal.service import ActionError
from dti_pipeline.night import Workspace
from dti_pipeline.sandbox import decided
from dti_pipeline.sandbox.decided import Sitting, Sittings, decide, load_sittings
from dti_pipeline.sandbox.demo import NIGHT, write_installation
from dti_pipeline.sandbox.handed_in import Said, deliver, load_plan
from dti_pipeline.scoring.periods import TIME_ZONE, opening
from dti_pipeline.settings import Settings

PHU_THO = "phu-tho-2018-h00-2026"
TWICE = """
sittings:
  - {assessment: phu-tho-2018-h00-2026, at: "2026-10-15T16:00:00+07:00", by: An, as_unit: H00.11, do: [
      {action: ask, unit: H00.21, criteria: ["1.1", "2.1"], reason: "Vì sao?", until: 2026-10-16}]}
  - {assessment: phu-tho-2018-h00-2026, at: "2026-10-15T16:30:00+07:00", by: Bình, as_unit: H00.21, do: [
      {action: answer, unit: H00.21, criteria: ["2.1"], reason: "Vì thế"}]}
"""


def one_district(home: Path) -> Workspace:
    """Phú Thọ's assessment of one district, which has reported."""
    settings = Settings(home=home, clock="2026-10-16T00:30:00+07:00")
    write_installation(settings, "http://127.0.0.1:9", ["phu-tho-2018"])
    settings.sites_file.unlink()
    file = settings.assessments_folder / f"{PHU_THO}.yaml"
    data = yaml.safe_load(file.read_text(encoding="utf-8")) | {"units": ["H00.21"]}
    data.pop("exempt")
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    assert deliver(Workspace(settings)) == 1
    return Workspace(settings)


def chain(work: Workspace) -> list[tuple[str, str, str, str | None]]:
    with Session(work.engine) as session:
        return [(row.id, row.recorded_at, row.action, row.criterion) for row in rows_of(session, PHU_THO)]


def sittings(text: str) -> tuple[Sitting, ...]:
    return Sittings.model_validate(yaml.safe_load(text)).sittings


def test_the_same_entries_each_time_at_their_moments_and_once(tmp_path: Path) -> None:
    work, other = one_district(tmp_path / "one"), one_district(tmp_path / "two")
    assert decide(work, NIGHT) == 1
    assert decide(other, NIGHT) == 1
    assert [entry[1:] for entry in chain(work)] == [("2026-10-15T09:00:00+00:00", "accept", "2.1")]
    assert chain(work) == chain(other)
    assert decide(Workspace(work.settings), NIGHT) == 0
    assert chain(work) == chain(other)


def test_after_a_stop_the_rest_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = one_district(tmp_path)
    whole = sittings(TWICE)
    with monkeypatch.context() as patch:
        patch.setattr(decided, "load_sittings", lambda: whole[:1])
        assert decide(work, NIGHT) == 2
    with monkeypatch.context() as patch:
        patch.setattr(decided, "load_sittings", lambda: whole)
        assert decide(work, NIGHT) == 1
    assert [entry[2:] for entry in chain(work)] == [("ask", "1.1"), ("ask", "2.1"), ("answer", "2.1")]


def test_a_plan_that_does_not_fit_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = one_district(tmp_path)
    monkeypatch.setattr(decided, "load_sittings", lambda: sittings(TWICE)[1:])
    with pytest.raises(ValueError, match=r"nothing was asked of H00\.21 on 2\.1"):
        decide(work, NIGHT)
    monkeypatch.setattr(
        decided, "load_sittings", lambda: sittings(TWICE.replace("H00.21, criteria", "H00.22, criteria"))
    )
    with pytest.raises(ActionError, match=r"H00\.22"):
        decide(work, NIGHT)
    assert chain(work) == []


def test_sittings_are_in_order_each_at_a_moment_of_its_own_before_the_night() -> None:
    by_assessment: dict[str, list[Sitting]] = {}
    for sitting in load_sittings():
        by_assessment.setdefault(sitting.assessment, []).append(sitting)
    for own in by_assessment.values():
        moments = [sitting.at for sitting in own]
        assert moments == sorted(set(moments))
        assert moments[-1] < opening(NIGHT)
        assert all(moment.astimezone(TIME_ZONE).hour in range(8, 18) for moment in moments)
    assert all("(hư cấu)" in sitting.by for sitting in load_sittings())


def test_a_disagreement_says_one_thing() -> None:
    with pytest.raises(ValidationError, match="say one of"):
        Said.model_validate({"times": "2", "value": "3"})
    with pytest.raises(ValidationError, match="say one of"):
        Said.model_validate({})
    assert all(item.unit.startswith("H00.") for item in load_plan().disagreements)
