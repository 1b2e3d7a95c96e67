"""Changing one thing in a JSON document by its path. Pure; the document given is never changed.

Here: paths, JSON Pointers, and edits that make the faults. Not here: which faults (`rules.py`).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

Path = tuple[str | int, ...]


class NoSuchPlace(LookupError):
    """A JSON Pointer that leads nowhere in the document."""


def parse(body: bytes) -> Any:
    """The document, its numbers as Python's. Raises ValueError."""
    return json.loads(body.decode("utf-8-sig"))


def parse_exactly(body: bytes) -> Any:
    """The same with every number as Decimal, for comparing with figures."""
    return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal)


def dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def path_of(document: Any, pointer: str) -> Path:
    """The steps of an RFC 6901 pointer through this document. Raises NoSuchPlace."""
    if pointer and not pointer.startswith("/"):
        raise NoSuchPlace(pointer)
    path: list[str | int] = []
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            step: str | int = int(key) if isinstance(document, list) else key
            document = document[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise NoSuchPlace(pointer) from None
        path.append(step)
    return tuple(path)


def pointer_of(path: Path) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def get(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def replaced(document: Any, path: Path, value: Any) -> Any:
    """With another value in one place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    get(changed, path[:-1])[path[-1]] = value
    return changed


def without(document: Any, path: Path) -> Any:
    """Without a key or an element."""
    changed = copy.deepcopy(document)
    del get(changed, path[:-1])[path[-1]]
    return changed


def renamed(document: Any, path: Path, name: str) -> Any:
    """With a key under another name, in the same position."""
    parent = get(document, path[:-1])
    return replaced(document, path[:-1], {name if key == path[-1] else key: value for key, value in parent.items()})


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is neither object nor list, with its path."""
    match value:
        case dict():
            for key, part in value.items():
                yield from leaves(part, (*path, key))
        case list():
            for position, part in enumerate(value):
                yield from leaves(part, (*path, position))
        case _:
            yield path, value


_TEXT_NUMBER = re.compile(r"\d+([.,]\d+)*%?")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_figure(value: Any) -> bool:
    """A number, or a text that a person would take for one: `12`, `1.204`, `50%`."""
    return is_number(value) or (isinstance(value, str) and _TEXT_NUMBER.fullmatch(value) is not None)
