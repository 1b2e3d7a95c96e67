"""No value of an unforeseen type, anywhere in a recorded answer, makes a connector stumble: it refuses by name.

Here: one value of each odd kind at every place of every recorded JSON answer. Not here: what has to be said of each
fault (the rules of the conformance suite).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import connectors
from dti_pipeline.harvest.conformance.cases import load_cases
from dti_pipeline.harvest.conformance.rules import attempt
from dti_pipeline.harvest.discovery import connector_names, load_connector
from dti_pipeline.harvest.model import FailureKind

CONNECTORS = Path(connectors.__file__).parent
LONGEST = 60_000
ODD: tuple[Any, ...] = ([], {}, True, None, "\ud800")

Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    yield at
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*at, key))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from places(part, (*at, position))


def kinds_of_place(document: Any) -> list[Place]:
    """Of every place that differs in more than its row's number the first."""
    first: dict[Place, Place] = {}
    for place in places(document):
        first.setdefault(tuple("*" if isinstance(step, int) else step for step in place), place)
    return list(first.values())


def with_value(document: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(document)
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return changed


@pytest.mark.parametrize("name", connector_names())
def test_an_odd_value_is_refused_and_never_stumbled_over(name: str) -> None:
    connector = load_connector(name)
    for case in load_cases(CONNECTORS / name / "recorded"):
        body = case.snapshot.body
        if len(body) > LONGEST or case.is_made_by_kit or body.lstrip()[:1] not in (b"{", b"["):
            continue
        document = json.loads(body)
        for place in kinds_of_place(document):
            for value in ODD:
                odd = json.dumps(with_value(document, place, value)).encode()
                outcome = attempt(connector, replace(case.snapshot, body=odd))
                assert outcome.crash is None, (case.name, place, value, outcome.crash)


def test_a_feed_with_half_a_character_is_refused_too() -> None:
    (feed,) = (case for case in load_cases(CONNECTORS / "portal_probe" / "recorded") if case.name == "feed")
    start = feed.snapshot.body.index(b"<item")
    odd = feed.snapshot.body[:start] + b"<description>&#xD800;</description>" + feed.snapshot.body[start:]
    outcome = attempt(load_connector("portal_probe"), replace(feed.snapshot, body=odd))
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.UNREADABLE
