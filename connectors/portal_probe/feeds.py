"""RSS and Atom feeds: the dates of their items. Pure.

feedparser accepts anything: a block page gives a feed without a version and without items, and no error. So what has no
version is no feed, whatever else it says.
"""

from __future__ import annotations

import calendar
import datetime as dt
import io
import re
import time
from email.utils import parsedate
from typing import Any

from connectors.portal_probe.pages import DATE, Dated, day_of
from dti_pipeline.harvest.model import FailureKind, Snapshot, SourceFailure
from dti_pipeline.scoring.periods import TIME_ZONE

_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2}|\b[A-Z]{2,4})$")
_CLOSED = re.compile(rb"</(\w+:)?(rss|feed|rdf)\s*>\s*(<!--.*?-->\s*)*$", re.I | re.S)


def feed_dates(snapshot: Snapshot) -> tuple[list[Dated], int, list[str]]:
    """Dates of a feed's items, how many items there are, and warnings. Raises SourceFailure: UNREADABLE, TRUNCATED."""
    import feedparser  # type: ignore[import-untyped]

    # Never the bytes themselves: feedparser would take them for an address or a file's name.
    try:
        feed = feedparser.parse(
            io.BytesIO(snapshot.body), response_headers={"content-type": snapshot.header("content-type")}
        )
    except UnicodeError:  # feedparser stumbles over a character reference to half a surrogate pair
        raise SourceFailure(FailureKind.UNREADABLE, "bản tin có ký tự không hợp lệ") from None
    if not feed.get("version"):
        raise SourceFailure(FailureKind.UNREADABLE, "không phải bản tin RSS hay Atom")
    if not _CLOSED.search(snapshot.body):
        length = len(snapshot.body)
        raise SourceFailure(FailureKind.TRUNCATED, f"bản tin bị cắt ngang sau {length} byte", retryable=True)
    warnings = []
    if feed.bozo and not isinstance(feed.bozo_exception, feedparser.exceptions.ThingsNobodyCaresAboutButMe):
        warnings.append(
            f"bản tin sai quy cách ({type(feed.bozo_exception).__name__}), vẫn đọc được {len(feed.entries)} mục"
        )
    is_atom = feed.version.startswith("atom")
    found = [dated for number, entry in enumerate(feed.entries, 1) if (dated := _dated(entry, number, is_atom))]
    return found, len(feed.entries), warnings


def _dated(entry: dict[str, Any], number: int, is_atom: bool) -> Dated | None:
    for key, element in (
        ("published", "published" if is_atom else "pubDate"),
        ("updated", "updated" if is_atom else "date"),
    ):
        # dict.get: feedparser's own lookup would hand out one for the other.
        text, parsed = dict.get(entry, key), dict.get(entry, f"{key}_parsed")
        if text is None:
            continue
        item = "entry" if is_atom else "item"
        at = f"//*[local-name()='{item}'][{number}]/*[local-name()='{element}']"
        text = str(text).strip()
        if match := DATE.search(text):
            return Dated(day_of(match), text, at)
        return Dated(_day(text, parsed), text, at)
    return None


def _day(text: str, parsed: time.struct_time | None) -> dt.date | None:
    """The local day. A time without a zone is the portal's own; feedparser reads it as UTC, or not at all."""
    if parsed is not None:
        moment = dt.datetime.fromtimestamp(calendar.timegm(parsed), dt.UTC)
        return (moment.astimezone(TIME_ZONE) if _ZONE.search(text) else moment).date()
    plain = parsedate(text)
    try:
        return None if plain is None else dt.date(*plain[:3])
    except ValueError:
        return None
