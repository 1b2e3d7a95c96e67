"""The practice province: the figures of «tỉnh Thực Hành (đơn vị hư cấu)», drawn from a seed and scored exactly.

Here: how many dossiers, petitions and procedures each fictional unit has in a month, their sums over a period, and
the points that the portal's rules make of them (the rounding is the portal's own: every metric half up to 2 decimals
before adding). Not here: the portal's envelopes (`portal.py`), sockets (`server.py`), self-reports (`selfreport.py`).

No figure here belongs to a real agency. Every draw has its own generator, seeded by unit, quantity and month, so a
new quantity never shifts the others and a quarter or a year is exactly the sum of its months.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache
from pathlib import Path

from dti_pipeline.datafiles import read_model
from dti_pipeline.scoring.exact import round_half_up
from dti_pipeline.units.registry import Unit, UnitFile

DATA = Path(__file__).parent / "data"
SEED = 766
ROOT = "H00"
FIRST_MONTH = (2024, 1)
LAST_MONTH = (2026, 9)
"""The practice portal knows the months from FIRST_MONTH to LAST_MONTH, both included; the year 2026 is running."""

SILENT_UNIT = "H00.20"
"""A department that never receives a dossier: its metrics are null, not 0."""
PAUSED_UNIT = "H00.28.07"
"""A commune without a dossier in the third quarter of every year: null in the quarter, a figure in the year."""

Month = tuple[int, int]
Procedure = tuple[str, int]
"""A procedure: under which authority (a department's code, or `commune`) and its number there."""

TEMPORARY = "TEMP_NATIONAL_REPORT_DENOMINATOR"
NO_REPORT = "NO_NATIONAL_REPORT_DATA"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a unit is like in every month: sizes and habits. `_permille` are parts of 1000."""

    monthly_dossiers: int
    on_time_permille: int
    digital_permille: int
    online_permille: int
    authority: int
    partial: int
    full: int
    online_services: int
    used_services: int
    """How many of the online services are ever used: the first ones."""
    connected_procedures: int
    fee_procedures: tuple[Procedure, ...]
    paying_procedures: int
    """How many of the fee procedures are ever paid online: the first ones."""
    fee_dossier_procedures: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened in one or more months. Whole numbers and sets; `a + b` is both periods, or both units."""

    received: int = 0
    on_time: int = 0
    completed: int = 0
    processing_days: int = 0
    """Over all completed dossiers."""
    satisfied: int = 0
    synced: int = 0
    original_result: int = 0
    digitised: int = 0
    reused: int = 0
    personal_storage: int = 0
    citizen_data: int = 0
    online: int = 0
    direct: int = 0
    postal: int = 0
    online_on_time: int = 0
    fee_obligation: int = 0
    paid_online: int = 0
    petitions: int = 0
    petitions_on_time: int = 0
    petitions_satisfied: int = 0
    petitions_procedure: int = 0
    petitions_staff: int = 0
    due_to_publish: int = 0
    published_on_time: int = 0
    due_to_update: int = 0
    updated_on_time: int = 0
    services_used: frozenset[int] = frozenset()
    paid_procedures: frozenset[Procedure] = frozenset()
    fee_dossier_procedures: frozenset[Procedure] = frozenset()

    def __add__(self, other: Counts) -> Counts:
        merged = {}
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            merged[field.name] = mine | theirs if isinstance(mine, frozenset) else mine + theirs
        return Counts(**merged)

    @property
    def overdue(self) -> int:
        return self.received - self.on_time

    @property
    def all_channels(self) -> int:
        return self.online + self.direct + self.postal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a group as the portal prints it; None where it prints null."""

    code: str
    numerator: int | None
    denominator: int | None
    ratio: Fraction | None
    score: Fraction | None
    max_score: int
    flag: str | None = None


# --- units ---


@cache
def units() -> tuple[Unit, ...]:
    """The units of the practice province, in the file's order. Raises DataFileError."""
    return read_model(DATA / "units.yaml", UnitFile).units


@cache
def unit(code: str) -> Unit:
    """The unit of that code. Raises KeyError."""
    for candidate in units():
        if candidate.code == code:
            return candidate
    raise KeyError(code)


@cache
def portal_units() -> tuple[str, ...]:
    """Codes of the departments and communes, as the portal lists them: sorted as text. It knows no districts."""
    return tuple(sorted(item.code for item in units() if item.level in ("department", "commune")))


# --- draws ---


def draw(seed: int, *key: object) -> random.Random:
    """The generator of one quantity. Seeding with text hashes it with SHA-512, the same on every Python."""
    return random.Random("/".join(str(part) for part in (seed, *key)))


def part_of(rng: random.Random, whole: int, permille: int, spread: int = 30) -> int:
    """About `permille` thousandths of `whole`: never below 0, never above it."""
    share = min(1000, max(0, permille + rng.randint(-spread, spread)))
    return (whole * share + 500) // 1000


@cache
def profile(code: str, seed: int = SEED) -> Profile:
    """What a unit is like. The province has its own catalogue of services; its dossiers are those of its units."""
    rng = draw(seed, code, "profile")
    level = unit(code).level
    if code == SILENT_UNIT:
        return Profile(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (), 0, 0)
    if level == "province":
        authority = rng.randint(150, 190)
        partial = authority * rng.randint(28, 36) // 100
        full = authority * rng.randint(34, 44) // 100
        connected = authority * rng.randint(20, 40) // 100
        # Every service offered is one of these; so the services used never exceed them.
        offered = partial + full
        used = offered * rng.randint(55, 80) // 100
        return Profile(0, 0, 0, 0, authority, partial, full, offered, used, connected, (), 0, 0)
    if level == "department":
        monthly = rng.choice((12, 60, 140, 260, 420, 700, 1300))
        authority, owner, fees = rng.randint(18, 110), code, rng.randint(1, 24)
    else:
        monthly = rng.randint(90, 900)
        authority, owner, fees = rng.randint(70, 95), "commune", rng.randint(26, 38)
    partial = authority * rng.randint(20, 40) // 100
    full = authority * rng.randint(25, 50) // 100
    return Profile(
        monthly_dossiers=monthly,
        on_time_permille=rng.randint(720, 995),
        digital_permille=rng.randint(150, 900),
        online_permille=rng.randint(350, 980),
        authority=authority,
        partial=partial,
        full=full,
        online_services=partial + full,
        used_services=(partial + full) * rng.randint(15, 85) // 100,
        connected_procedures=authority * rng.randint(0, 60) // 100,
        fee_procedures=tuple((owner, number) for number in range(fees)),
        paying_procedures=fees * rng.randint(30, 100) // 100,
        fee_dossier_procedures=fees * rng.randint(0, 35) // 100,
    )


@cache
def month_counts(code: str, month: Month, seed: int = SEED) -> Counts:
    """What happened in one unit in one month. For the province: only what belongs to it and not to its units."""

    def rng(quantity: str) -> random.Random:
        return draw(seed, code, quantity, *month)

    kind = profile(code, seed)
    if code == ROOT:
        due, update = rng("publish").randint(0, 9), rng("update").randint(0, 12)
        return Counts(
            due_to_publish=due,
            published_on_time=part_of(rng("published"), due, 800, 200),
            due_to_update=update,
            updated_on_time=part_of(rng("updated"), update, 850, 150),
            services_used=_some(rng("services"), kind.used_services, 550),
        )
    if kind.monthly_dossiers == 0 or (code == PAUSED_UNIT and month[1] in (7, 8, 9)):
        return Counts()

    received = kind.monthly_dossiers * rng("received").randint(80, 125) // 100
    on_time = part_of(rng("on_time"), received, kind.on_time_permille)
    completed = part_of(rng("completed"), received, 880, 60)
    synced = part_of(rng("synced"), received, 900, 90)
    # The portal counts channels apart from progress, so their total is near the dossiers received, not equal.
    channels = part_of(rng("channels"), received, 950, 40)
    online = part_of(rng("online"), channels, kind.online_permille)
    postal = part_of(rng("postal"), channels - online, 220, 150)
    fee_obligation = part_of(rng("fee"), received, 420, 120)
    petitions = rng("petitions").choice((0, 0, 0, 0, 0, 1, 1, 2, 5))
    about_procedure = part_of(rng("petitions_procedure"), petitions, 700, 250)
    return Counts(
        received=received,
        on_time=on_time,
        completed=completed,
        processing_days=part_of(rng("days"), completed * 12, 420, 250),
        # Late dossiers lower satisfaction too: on the portal it is the on-time count, or slightly less.
        satisfied=on_time - min(on_time, rng("satisfied").choice((0, 0, 0, 1, 2))),
        synced=synced,
        original_result=part_of(rng("original"), received, kind.digital_permille),
        digitised=part_of(rng("digitised"), received, kind.digital_permille * 2 // 3),
        reused=part_of(rng("reused"), received, kind.digital_permille // 3),
        personal_storage=part_of(rng("storage"), received, kind.digital_permille // 5),
        citizen_data=part_of(rng("citizen"), received, min(1000, kind.digital_permille + 300)),
        online=online,
        direct=channels - online - postal,
        postal=postal,
        online_on_time=part_of(rng("online_on_time"), online, kind.on_time_permille),
        fee_obligation=fee_obligation,
        paid_online=part_of(rng("paid"), fee_obligation, kind.online_permille, 60),
        petitions=petitions,
        petitions_on_time=part_of(rng("petitions_on_time"), petitions, 800, 200),
        petitions_satisfied=part_of(rng("petitions_satisfied"), petitions, 700, 300),
        petitions_procedure=about_procedure,
        petitions_staff=part_of(rng("petitions_staff"), petitions - about_procedure, 500, 400),
        services_used=_some(rng("services"), kind.used_services, 350),
        paid_procedures=frozenset(
            kind.fee_procedures[number] for number in _some(rng("paying"), kind.paying_procedures, 450)
        ),
        fee_dossier_procedures=frozenset(
            kind.fee_procedures[number] for number in _some(rng("fee_dossier"), kind.fee_dossier_procedures, 400)
        ),
    )


def _some(rng: random.Random, total: int, permille: int) -> frozenset[int]:
    return frozenset(number for number in range(total) if rng.randrange(1000) < permille)


# --- periods and sums ---


def months_between(first: Month, last: Month) -> tuple[Month, ...]:
    """The months from `first` to `last` that the practice portal has figures for."""
    start, end = max(first, FIRST_MONTH), min(last, LAST_MONTH)
    return tuple(
        (year, month) for year in range(start[0], end[0] + 1) for month in range(1, 13) if start <= (year, month) <= end
    )


@cache
def counts(code: str, months: tuple[Month, ...], seed: int = SEED) -> Counts:
    """A unit over some months; the province: its own figures and those of all its units."""
    own = _sum(month_counts(code, month, seed) for month in months)
    if code != ROOT:
        return own
    below = _sum(counts(child, months, seed) for child in portal_units())
    # The services of the units are other services than those of the province's own catalogue.
    return own + Counts(**{**{f.name: getattr(below, f.name) for f in fields(below)}, "services_used": frozenset()})


def _sum(parts: Iterable[Counts]) -> Counts:
    return sum(parts, Counts())


@cache
def fee_procedures(code: str, seed: int = SEED) -> frozenset[Procedure]:
    """Procedures with a fee. Communes share one catalogue, so the province's distinct count is not a sum."""
    if code != ROOT:
        return frozenset(profile(code, seed).fee_procedures)
    return frozenset().union(*(fee_procedures(child, seed) for child in portal_units()))


def connected_procedures(code: str, seed: int = SEED) -> tuple[int, int]:
    """Procedures connected to population data, and all that could be."""
    kind = profile(code, seed)
    return kind.connected_procedures, kind.authority


# --- points, as the portal computes them ---


def percent(numerator: int, denominator: int) -> Fraction:
    """100·n/d, half up to 2 decimals; 0 where there is nothing to divide by."""
    return round_half_up(Fraction(100 * numerator, denominator), 2) if denominator else Fraction(0)


def measured(
    code: str,
    numerator: int,
    denominator: int,
    max_score: int,
    *,
    full_at: Fraction = Fraction(1),
    empty: int | None = None,
    flag: str | None = None,
) -> Metric:
    """A metric worth max·min(1, (n/d)/full_at). With d = 0: null, or ratio 0 and the points `empty` where given."""
    if denominator == 0:
        ratio = None if empty is None else Fraction(0)
        score = None if empty is None else Fraction(empty)
        return Metric(code, numerator, denominator, ratio, score, max_score, flag)
    score = max_score * min(Fraction(1), Fraction(numerator, denominator) / full_at)
    return Metric(
        code, numerator, denominator, percent(numerator, denominator), round_half_up(score, 2), max_score, flag
    )


def informative(code: str, numerator: int, denominator: int) -> Metric:
    """A ratio that is shown and worth nothing."""
    return Metric(code, numerator, denominator, percent(numerator, denominator), None, 0)


def transparency(code: str, months: tuple[Month, ...], seed: int = SEED) -> tuple[Metric, ...]:
    """Of 18. The first three are counted for the province only: every unit repeats its figures."""
    province, own = counts(ROOT, months, seed), counts(code, months, seed)
    authority = profile(ROOT, seed).authority
    return (
        measured("PUBLISH_ON_TIME", province.published_on_time, province.due_to_publish, 6),
        measured("PUBLIC_UPDATE_ON_TIME", province.updated_on_time, province.due_to_update, 4),
        measured("PUBLIC_CONTENT_FULL", authority - authority // 40, authority, 2),
        # The portal's denominator is provisional and always equals the numerator.
        measured("DOSSIER_SYNC", own.synced, own.synced, 6, flag=TEMPORARY if own.synced else NO_REPORT),
    )


def satisfaction(code: str, months: tuple[Month, ...], seed: int = SEED) -> tuple[Metric, ...]:
    """Of 18. No petition is worth full marks; no dossier is worth 0."""
    own = counts(code, months, seed)
    return (
        informative("PETITION_CLASSIFICATION_TTHC", own.petitions_procedure, own.petitions),
        measured("DOSSIER_RECEIVING_SATISFACTION", own.satisfied, own.received, 6, full_at=Fraction(9, 10), empty=0),
        measured("PETITION_PROCESSING_ON_TIME", own.petitions_on_time, own.petitions, 6, empty=6),
        measured("PETITION_HANDLING_SATISFACTION", own.petitions_satisfied, own.petitions, 6, empty=6),
        informative("PETITION_CLASSIFICATION_STAFF", own.petitions_staff, own.petitions),
    )


def digitisation(code: str, months: tuple[Month, ...], seed: int = SEED) -> tuple[Metric, ...]:
    """Of 22."""
    own = counts(code, months, seed)
    connected, procedures = connected_procedures(code, seed)
    received = own.received
    return (
        measured("ORIGINAL_RESULT_AVAILABLE", own.original_result, received, 6),
        measured("SO_HOA_GIAY_TO_GIAI_QUYET", own.digitised, received, 4),
        measured("REUSED_DIGITIZED_DATA", own.reused, received, 2, full_at=Fraction(4, 5)),
        measured("SYNCED_WITH_DVCQG_PERSONAL_STORAGE", own.personal_storage, received, 4),
        measured("CITIZEN_DATA_CONNECTED_DOSSIER", own.citizen_data, received, 2),
        measured("CITIZEN_DATA_CONNECTED_FORMALITY", connected, procedures, 2),
        Metric("ELECTRONIC_CERTIFIED_COPY", None, None, Fraction(100), Fraction(2), 2),
    )


def metrics_score(metrics: Sequence[Metric]) -> Fraction:
    """A group's points: the sum of its already rounded metrics; null adds nothing."""
    return sum((metric.score for metric in metrics if metric.score is not None), Fraction(0))


def progress_score(code: str, months: tuple[Month, ...], seed: int = SEED) -> Fraction:
    """Of 20."""
    own = counts(code, months, seed)
    return round_half_up(Fraction(20 * own.on_time, own.received), 2) if own.received else Fraction(0)


def online_score(code: str, months: tuple[Month, ...], seed: int = SEED) -> Fraction:
    """Of 12. The portal's formula is not published; practice figures use a third party's fit to it."""
    kind, own = profile(code, seed), counts(code, months, seed)
    return (
        round_half_up(min(Fraction(2), 2 * _ratio(kind.partial + kind.full, kind.authority) / Fraction(4, 5)), 2)
        + round_half_up(4 * _ratio(len(own.services_used), kind.online_services), 2)
        + round_half_up(min(Fraction(6), 6 * _ratio(own.online, own.all_channels) / Fraction(1, 2)), 2)
    )


def payment_score(code: str, months: tuple[Month, ...], seed: int = SEED) -> Fraction:
    """Of 10: three terms, each rounded before adding; 0/0 counts as 0."""
    own, fees = counts(code, months, seed), len(fee_procedures(code, seed))
    return (
        round_half_up(6 * _ratio(own.paid_online, own.fee_obligation), 2)
        + round_half_up(min(Fraction(2), Fraction(5, 2) * _ratio(len(own.paid_procedures), fees)), 2)
        + round_half_up(Fraction(5, 2) * _ratio(len(own.fee_dossier_procedures), fees), 2)
    )


def _ratio(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator) if denominator else Fraction(0)


@cache
def group_scores(code: str, months: tuple[Month, ...], seed: int = SEED) -> dict[str, Fraction]:
    """The six groups' points under the portal's abbreviations: CLGQ is the online group (12), TTTT payment (10)."""
    return {
        "CKMB": metrics_score(transparency(code, months, seed)),
        "TDGQ": progress_score(code, months, seed),
        "CLGQ": online_score(code, months, seed),
        "TTTT": payment_score(code, months, seed),
        "MDHL": metrics_score(satisfaction(code, months, seed)),
        "MDSH": metrics_score(digitisation(code, months, seed)),
    }


def total_score(code: str, months: tuple[Month, ...], seed: int = SEED) -> Fraction:
    """Of 100: the sum of the six groups."""
    return sum(group_scores(code, months, seed).values(), Fraction(0))


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m dti_pipeline.sandbox.practice --self-report OUT.csv [--seed N]`"""
    parser = argparse.ArgumentParser(prog="dti_pipeline.sandbox.practice", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--self-report", type=Path, required=True, metavar="OUT.csv")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args(arguments)
    # Only this command reads frameworks; the server needs none.
    from dti_pipeline.sandbox import selfreport

    text = selfreport.self_report(given.seed)
    given.self_report.write_text(text, encoding="utf-8", newline="")
    print(f"{given.self_report}: {text.count(chr(10)) - 1} rows", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
