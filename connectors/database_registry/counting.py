"""Counts over a province's list: for every agency its own, for the province the whole list, each record once.

Here: what counts towards which metric. Not here: records (`registry.py`), requests (`connector.py`).

A record that stopped operating counts nowhere. Where a record's answer is not yet declared the count cannot be had: it
is unavailable for its owner and for the province, never «no».
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from connectors.database_registry.registry import Database, Item, Registry
from dti_pipeline.harvest.model import Observation
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

DATABASES: dict[str, Callable[[Database], bool | None]] = {
    "databases": lambda database: True,
    "databases_operating": lambda database: database.status == "operating",
    "databases_on_lgsp": lambda database: database.lgsp,
    "databases_on_ngsp": lambda database: database.ngsp,
    "specialised_databases": lambda database: database.kind == "specialised",
    "specialised_databases_operating": lambda database: (
        database.kind == "specialised" and database.status == "operating"
    ),
    "specialised_databases_on_lgsp": lambda database: (
        database.lgsp if database.kind == "specialised" and database.status == "operating" else False
    ),
}
ITEMS: dict[str, Callable[[Item], bool | None]] = {
    "data_items": lambda item: True,
    "data_items_digitised": lambda item: item.digitised,
    "data_items_current": lambda item: item.current,
    "data_items_open": lambda item: item.open,
}
METRICS = (
    *DATABASES,
    "databases_of_others_used",
    "platforms_in_use",
    *ITEMS,
    "agencies",
    "agencies_using_shared_data",
    "agencies_using_big_data",
    "population",
)


def observations(registry: Registry) -> Iterator[Observation]:
    """Every figure of every agency and of the province, as of the list's day."""
    databases = [database for database in registry.databases if database.status != "stopped"]
    operating = [platform for platform in registry.platforms if platform.status == "operating"]
    for unit, name in (*registry.agencies.items(), (registry.province, registry.province)):
        is_whole = unit == registry.province
        own_databases = [database for database in databases if is_whole or database.owner == unit]
        own_items = [item for item in registry.items if is_whole or item.owner == unit]
        for metric, is_database in DATABASES.items():
            yield _counted(registry, metric, unit, name, "/databases", [is_database(one) for one in own_databases])
        for metric, is_item in ITEMS.items():
            yield _counted(registry, metric, unit, name, "/items", [is_item(one) for one in own_items])
        used = [platform.users if is_whole else unit in platform.users for platform in operating]
        yield _counted(registry, "platforms_in_use", unit, name, "/platforms", [bool(one) for one in used])
        if not is_whole:
            shared = [_is_used(database, unit) for database in databases]
            yield _counted(registry, "databases_of_others_used", unit, name, "/databases", shared)
    agencies = list(registry.agencies)
    big_data = {user for platform in operating if platform.kind == "big_data" for user in platform.users}
    for metric, at, answers in (
        ("agencies", "/agencies", [True for _ in agencies]),
        ("agencies_using_shared_data", "/databases", [_uses_any(databases, agency) for agency in agencies]),
        ("agencies_using_big_data", "/platforms", [agency in big_data for agency in agencies]),
    ):
        yield _counted(registry, metric, registry.province, registry.province, at, answers)
    if registry.population is not None:
        yield _observation(
            registry, "population", registry.province, registry.province, "/population/count", registry.population
        )


def _is_used(database: Database, agency: str) -> bool | None:
    """Whether an agency draws on another's database through LGSP or NGSP; None where that is not declared."""
    if database.owner == agency or agency not in database.consumers:
        return False
    if database.lgsp or database.ngsp:
        return True
    return None if database.lgsp is None or database.ngsp is None else False


def _uses_any(databases: Sequence[Database], agency: str) -> bool | None:
    answers = [_is_used(database, agency) for database in databases]
    return True if True in answers else None if None in answers else False


def _counted(
    registry: Registry, metric: str, unit: str, name: str, at: str, answers: Sequence[bool | None]
) -> Observation:
    if open_ones := sum(answer is None for answer in answers):
        reason = f"{open_ones} bản ghi trong {at} chưa khai nên chưa đếm được"
        return _observation(registry, metric, unit, name, at, None, reason)
    return _observation(registry, metric, unit, name, at, Decimal(sum(answer is True for answer in answers)))


def _observation(
    registry: Registry, metric: str, unit: str, name: str, at: str, value: Decimal | None, reason: str | None = None
) -> Observation:
    return Observation(
        metric=metric,
        unit=unit,
        unit_name=name,
        period=Period(registry.as_of, registry.as_of),
        state=InputState.UNAVAILABLE if value is None else InputState.HARVESTED,
        locator=at,
        value=value,
        unit_code=unit,
        reason=reason,
    )
