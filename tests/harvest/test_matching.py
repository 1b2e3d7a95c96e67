"""From a name that nobody knows to a figure: quarantine, suggestion, a person's word, reading the stored bytes again.

A CKAN whose agencies go by names of its own, two sites of it, answers written by hand, and `dti units` as people call
it.
"""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_installation import Dti, command_line, refused
from sqlmodel import Session

from dti_pipeline.datafiles import DataFileError
from dti_pipeline.harvest.discovery import load_connector, load_manifest
from dti_pipeline.harvest.model import Request, Site, Snapshot
from dti_pipeline.harvest.runner import Night, SiteReport, harvest_site
from dti_pipeline.night import Workspace
from dti_pipeline.settings import Settings
from dti_pipeline.store import facts

NAME, METRIC = "ckan", "open_datasets"
NIGHT = dt.date(2026, 10, 15)
NEXT = NIGHT + dt.timedelta(days=1)
LATER = "2026-10-17T00:40:00+07:00"
"""When the first night is closed and the second one is open."""
UNITS = """
source: Đơn vị hư cấu
units:
- {code: H00, name: tỉnh Thử (hư cấu), level: province, fictional: true}
- {code: H00.01, name: Sở Nông nghiệp và Môi trường, level: department, parent: H00, fictional: true}
- {code: H00.02, name: Sở Nội vụ, level: department, parent: H00, fictional: true}
- {code: H00.03, name: Sở Ngoại vụ, level: department, parent: H00, fictional: true}
- {code: H00.04, name: Sở Nội chính, level: department, parent: H00, valid_to: 2025-12-31, successors: [H00.02]}
- {code: H00.05, name: Sở Tư pháp, level: department, parent: H00, source_ids: {ckan: "tư-pháp"}}
- {code: H98, name: tỉnh Khác (hư cấu), level: province, fictional: true}
- {code: H98.02, name: Sở Nội vụ, level: department, parent: H98, fictional: true}
"""


class Catalogue:
    """A CKAN that has these agencies with so many data sets each; a fetcher without sockets."""

    def __init__(self, agencies: dict[str, tuple[str, int]]) -> None:
        self.agencies = agencies

    def fetch(self, request: Request) -> Snapshot:
        result: dict[str, Any] = {"ckan_version": "2.10.4", "site_title": "Dữ liệu mở", "extensions": []}
        if request.path.endswith("package_search"):
            asked = request.params["fq"]
            items = [
                {"name": name, "display_name": title, "count": count}
                for name, (title, count) in self.agencies.items()
                if f'"{name}"' in asked
            ]
            result = {
                "count": sum(item["count"] for item in items),
                "search_facets": {"organization": {"title": "organization", "items": items}},
            }
        body = json.dumps({"help": "", "success": True, "result": result}, ensure_ascii=False).encode()
        return Snapshot(
            request, 200, {"content-type": "application/json"}, body, "https://nguon.example" + request.path
        )


AGENCIES = {"so-noi-vu": ("Sở Nội Vụ", 7), "so-tu-phap-cu": ("Thanh tra", 2), "h00-03": ("Sở Ngoại vụ", 4)}


class Installation:
    """A home with the units above, harvested without sockets and asked on the command line."""

    def __init__(self, home: Path, dti: Dti) -> None:
        self.home, self.dti = home, dti
        self.file = home / "crosswalk.yaml"

    @property
    def work(self) -> Workspace:
        return Workspace(Settings(home=self.home))

    def harvest(
        self,
        agencies: dict[str, tuple[str, int]] = AGENCIES,
        site: str = "mot",
        province: str = "H00",
        night: dt.date = NIGHT,
    ) -> SiteReport:
        asked = {"organizations": list(agencies), "figures": [METRIC]}
        options = Site(name=site, connector=NAME, base_url="https://nguon.example", province=province, options=asked)
        moment = dt.datetime.fromisoformat(f"{night + dt.timedelta(days=1)}T00:30:00+07:00")
        work = self.work
        return harvest_site(
            work.engine,
            work.snapshots,
            work.registry,
            load_connector(NAME),
            load_manifest(NAME),
            options,
            Night(night, lambda: moment, True, "test"),
            Catalogue(agencies),
        )

    def known(self, night: dt.date, site: str = "mot") -> dict[str, str | None]:
        """Unit -> data sets, as a night knows them: its own newest answer by its cut-off."""
        cut_off = dt.datetime.fromisoformat(f"{night + dt.timedelta(days=1)}T23:59:59+07:00")
        with Session(self.work.engine) as session:
            rows = [
                row
                for row in facts.known_snapshots(session, night, cut_off)
                if row.night == night.isoformat() and row.site == site and "package_search" in row.request
            ]
            return {row.unit: row.value for row in facts.observations_of(session, [rows[-1].reading_id or ""])}

    def waiting(self, *options: str) -> list[tuple[str, str, list[tuple[str, int]]]]:
        rows = self.dti("units", "match", *options, "--json").data
        return [
            (row["site"], row["identifier"], [(item["unit"], item["score"]) for item in row["suggestions"]])
            for row in rows
        ]

    def confirm(self, name: str, unit: str, *more: str) -> Any:
        words = ("--connector", NAME, "--by", "Nguyễn Văn A", "--reason", "Công văn 12/SNV")
        return self.dti("units", "confirm", name, unit, *words, *more)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "thu.yaml").write_text(UNITS, encoding="utf-8")
    return Installation(tmp_path, command_line(tmp_path, monkeypatch, capsys))


def test_a_name_waits_is_suggested_confirmed_and_becomes_a_figure(place: Installation) -> None:
    report = place.harvest()
    assert (report.is_good, report.observations, report.quarantined) == (True, 1, 2)
    assert place.known(NIGHT) == {"H00.03": "4"}
    # «so noi vu» (9) and «so ngoai vu» (11) have «so n», «o» and «i vu» in common: 2 × 9 of 20.
    assert place.waiting() == [
        ("mot", "so-noi-vu", [("H00.02", 100), ("H00.03", 90)]),
        ("mot", "so-tu-phap-cu", []),
    ]
    (row, _) = place.dti("units", "match", "--connector", NAME, "--json").data
    assert row == {
        "connector": NAME,
        "site": "mot",
        "identifier": "so-noi-vu",
        "name": "Sở Nội Vụ",
        "nights": ["2026-10-15"],
        "suggestions": [
            {"unit": "H00.02", "name": "Sở Nội vụ", "score": 100, "known_as": []},
            {"unit": "H00.03", "name": "Sở Ngoại vụ", "score": 90, "known_as": []},
        ],
    }
    assert place.confirm("so-noi-vu", "000.00.02.H00", "--json").data == {
        "entry": {
            "connector": NAME,
            "site": "mot",
            "identifier": "so-noi-vu",
            "name": "Sở Nội Vụ",
            "unit": "H00.02",
            "confirmed_by": "Nguyễn Văn A",
            "confirmed_on": "2026-10-16",
            "reason": "Công văn 12/SNV",
        },
        "answers_read": 1,
        "answers_changed": 1,
        "new_observations": 2,
        "refused": [],
    }
    assert place.known(NIGHT) == {"H00.03": "4", "H00.02": "7"}
    assert place.waiting() == [("mot", "so-tu-phap-cu", [])]
    # The next night asks again: the confirmed name is known, the other one still waits.
    assert place.harvest(night=NEXT).quarantined == 1
    assert place.known(NEXT) == {"H00.03": "4", "H00.02": "7"}


def test_a_like_name_is_never_matched(place: Installation) -> None:
    """The very name of a unit, and a confirmed identifier in other letters, at another site, or nearly: all wait."""
    place.harvest()
    place.confirm("so-noi-vu", "H00.02")
    place.harvest({"so_noi_vu": ("Sở Nội vụ", 5), "so-noi-vu-2": ("Sở Nội vụ", 6)}, night=NEXT)
    assert place.known(NEXT) == {}
    place.harvest({"so-noi-vu": ("Sở Nội vụ", 9)}, site="hai", province="H98", night=NEXT)
    assert place.known(NEXT, "hai") == {}
    # Suggestions are of the site's own province.
    assert place.waiting() == [
        ("hai", "so-noi-vu", [("H98.02", 100)]),
        ("mot", "so-noi-vu-2", [("H00.02", 100), ("H00.03", 90)]),
        ("mot", "so_noi_vu", [("H00.02", 100), ("H00.03", 90)]),
        ("mot", "so-tu-phap-cu", []),
    ]


def test_a_closed_night_does_not_see_a_later_word(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    place.harvest()
    place.harvest(night=NEXT)
    monkeypatch.setenv("DTI_CLOCK", LATER)
    assert place.confirm("so-noi-vu", "H00.02", "--json").data["answers_read"] == 2
    assert place.known(NIGHT) == {"H00.03": "4"}
    assert place.known(NEXT) == {"H00.03": "4", "H00.02": "7"}


def test_a_corrected_line_moves_the_figure(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong unit keeps nothing: what a person's word stands behind is part of the reading's identity."""
    place.harvest()
    place.confirm("so-tu-phap-cu", "H00.01")
    assert place.known(NIGHT) == {"H00.03": "4", "H00.01": "2"}
    place.file.write_text(place.file.read_text(encoding="utf-8").replace("H00.01", "H00.05"), encoding="utf-8")
    monkeypatch.setenv("DTI_CLOCK", "2026-10-16T01:00:00+07:00")
    assert place.dti("connectors", "reread", NAME, "--since", str(NIGHT), "--json").data["answers_changed"] == 1
    assert place.known(NIGHT) == {"H00.03": "4", "H00.05": "2"}


def test_two_names_in_one_answer_are_not_one_unit(place: Installation) -> None:
    """A word that gives an agency a second figure for the same thing is held back, and says what it collides with."""
    place.harvest()
    place.confirm("so-noi-vu", "H00.03", "--another-name")
    assert place.known(NIGHT) == {"H00.03": "4"}
    reasons = [row["reason"] for row in place.dti("quarantine", "list", "--json").data]
    assert "«so-noi-vu» được xác nhận là H00.03, nhưng cùng câu trả lời đã có H00.03 (h00-03)" in reasons
    assert [identifier for _, identifier, _ in place.waiting()] == ["so-tu-phap-cu"]


@pytest.mark.parametrize(
    ("name", "unit", "more", "says"),
    [
        ("so-noi", "H00.02", (), "không có đơn vị «so-noi» nào chờ xác nhận ở ckan"),
        ("Sở Nội Vụ", "H00.02", (), "không có đơn vị «Sở Nội Vụ» nào chờ xác nhận ở ckan"),
        ("h00-03", "H00.03", (), "không có đơn vị «h00-03» nào chờ xác nhận"),
        ("so-noi-vu", "H00.02", ("--site", "hai"), "không có đơn vị «so-noi-vu» nào chờ xác nhận ở ckan/hai"),
        ("so-noi-vu", "H00.99", (), "the registry knows no unit H00.99"),
        ("so-noi-vu", "Sở Nội vụ", (), "'Sở Nội vụ' is no identifier code"),
        ("so-noi-vu", "H98.02", (), "H98.02 không thuộc H00, tỉnh của điểm thu thập ckan/mot"),
        (
            "so-noi-vu",
            "H00.04",
            (),
            "H00.04 không tồn tại vào đêm 2026-10-15, khi nguồn nêu tên này; đơn vị kế tục: H00.02",
        ),
        ("so-noi-vu", "H00.03", (), "H00.03 đã là «h00-03» ở ckan/mot"),
        ("so-noi-vu", "H00.05", (), "H00.05 đã là «tư-pháp» ở ckan/mot"),
        ("so-noi-vu", "H00.02", ("--by", " "), "a confirmation needs its author (by) and a reason"),
        ("so-noi-vu", "H00.02", ("--reason", ""), "a confirmation needs its author (by) and a reason"),
    ],
)
def test_a_word_that_cannot_be_taken_writes_nothing(
    place: Installation, name: str, unit: str, more: tuple[str, ...], says: str
) -> None:
    place.harvest()
    before = facts.canonical_dump(place.work.engine)
    assert refused(place.confirm(name, unit, *more)).startswith(says)
    assert not place.file.exists()
    assert facts.canonical_dump(place.work.engine) == before


def test_what_is_taken_is_not_confirmed_again(place: Installation) -> None:
    place.harvest()
    place.confirm("so-noi-vu", "H00.02")
    written = place.file.read_bytes()
    assert refused(place.confirm("so-noi-vu", "H00.01")).startswith(
        "«so-noi-vu» ở ckan/mot đã được Nguyễn Văn A xác nhận là H00.02"
    )
    assert refused(place.confirm("so-tu-phap-cu", "H00.02")).startswith("H00.02 đã là «so-noi-vu» ở ckan/mot")
    assert place.file.read_bytes() == written


def test_a_name_at_two_sites_needs_the_site(place: Installation) -> None:
    place.harvest()
    place.harvest(site="hai")
    assert "nhiều điểm thu thập của ckan (hai, mot); thêm --site" in refused(place.confirm("so-noi-vu", "H00.02"))
    place.confirm("so-noi-vu", "H00.02", "--site", "hai")
    assert (place.known(NIGHT, "hai")["H00.02"], "H00.02" in place.known(NIGHT)) == ("7", False)


def test_the_file_keeps_its_comments_and_order(place: Installation) -> None:
    place.harvest()
    place.confirm("so-tu-phap-cu", "H00.01")
    place.file.write_text("# Ghi chú riêng\n" + place.file.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    before = place.file.read_text(encoding="utf-8")
    place.confirm("so-noi-vu", "H00.02", "--reason", "Biên bản: «số 3» # ngày 2/10")
    after = place.file.read_text(encoding="utf-8")
    assert after.startswith(before + "\n- connector: ckan\n")
    entries = yaml.safe_load(after)["entries"]
    assert [(row["identifier"], row["unit"]) for row in entries] == [
        ("so-tu-phap-cu", "H00.01"),
        ("so-noi-vu", "H00.02"),
    ]
    assert entries[1]["reason"] == "Biên bản: «số 3» # ngày 2/10"
    assert sorted(path.name for path in place.home.iterdir()) == [".dti", "crosswalk.yaml", "units"]


def test_a_file_that_cannot_be_added_to_is_left_as_it_is(place: Installation) -> None:
    place.harvest()
    place.file.write_text("entries: []\n", encoding="utf-8")
    assert "a line cannot be put at the end" in refused(place.confirm("so-noi-vu", "H00.02"))
    assert place.file.read_text(encoding="utf-8") == "entries: []\n"
    assert place.known(NIGHT) == {"H00.03": "4"}


ENTRY = """\
- {connector: ckan, site: mot, identifier: so-noi-vu, name: Sở Nội vụ, unit: H00.02, confirmed_by: A,
   confirmed_on: 2026-10-16, reason: b}
"""


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (ENTRY.replace("H00.02", "H00.99"), "units: crosswalk, «so-noi-vu» of ckan/mot: unknown unit H00.99"),
        (ENTRY + ENTRY.replace("H00.02", "H00.01"), "units: crosswalk, «so-noi-vu» of ckan/mot: confirmed twice"),
        (
            ENTRY.replace("so-noi-vu", "tư-pháp"),
            "units: crosswalk, «tư-pháp» of ckan/mot: stands in source_ids of H00.05",
        ),
        (ENTRY.replace("so-noi-vu", "12"), "crosswalk.yaml:2: name Sở Nội vụ, field entries.0.identifier: "),
        (ENTRY.replace("reason: b", "reason: ''"), "crosswalk.yaml:3: name Sở Nội vụ, field entries.0.reason: "),
        (ENTRY.replace("H00.02", "000.00.02.H00"), "crosswalk.yaml:2: name Sở Nội vụ, field entries.0.unit: "),
        (
            ENTRY.replace("reason: b", "reason: b, ghi_chu: c"),
            "crosswalk.yaml:3: name Sở Nội vụ, field entries.0.ghi_chu: ",
        ),
        (ENTRY.replace(", reason: b", ""), "crosswalk.yaml:2: name Sở Nội vụ, field entries.0.reason: Field required"),
    ],
)
def test_a_broken_crosswalk_stops_at_load(place: Installation, entries: str, says: str) -> None:
    place.file.write_text("entries:\n" + entries, encoding="utf-8")
    with pytest.raises(DataFileError) as told:
        _ = place.work.registry
    assert str(told.value).startswith(says)
    assert refused(place.dti("units", "list")) == f"{told.value}\n"


def test_names_are_compared_in_nfc(place: Installation) -> None:
    """The file in one normal form, the source in the other: the same letters. Nothing else is overlooked."""
    entries = ENTRY.replace("so-noi-vu", "Sở Nội vụ")
    place.file.write_text(unicodedata.normalize("NFD", "entries:\n" + entries), encoding="utf-8")
    registry = place.work.registry
    for form in ("NFC", "NFD"):
        found = registry.by_source_id(NAME, unicodedata.normalize(form, "Sở Nội vụ"), "mot")
        assert found is not None
        assert found.code == "H00.02"
    assert registry.by_source_id(NAME, "Sở Nội Vụ", "mot") is None
    assert registry.by_source_id(NAME, "Sở Nội vụ", "hai") is None
    assert registry.by_source_id(NAME, "Sở Nội vụ") is None
    assert registry.by_source_id("igate", "Sở Nội vụ", "mot") is None


def test_the_list_for_people(place: Installation) -> None:
    place.harvest()
    out = place.dti("units", "match").out
    assert "2 đơn vị của nguồn chờ xác nhận" in out
    assert "H00.02 Sở Nội vụ (100)" in out
    assert "không có gợi ý" in out
    assert "Không tên nào được tự ghép." in out
    assert (
        place.confirm("so-noi-vu", "H00.02").out
        == "«so-noi-vu» ở ckan/mot là H00.02\nĐọc lại 1 câu trả lời đã lưu: 2 số liệu mới\n"
    )
    place.harvest({"so-noi-vu-cu": ("Sở Nội vụ", 1)}, night=NEXT)
    assert "H00.02 Sở Nội vụ (100, đã là «so-noi-vu»)" in place.dti("units", "match").out
    assert place.waiting("--connector", "igate") == []
    assert refused(place.dti("units", "match", "--connector", "khong-co")).startswith(
        "no connector «khong-co»; known: "
    )
    assert refused(place.dti("units", "match", "Sở", "--connector", NAME)).startswith("--connector is for the list")
