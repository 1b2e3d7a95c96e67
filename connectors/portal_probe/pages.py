"""HTML pages of portals: links by the words of a menu, dates of a list's items, advertised feeds. Pure.

Here: what stands where on a page. Not here: what to ask and which figure it makes (`connector.py`), feeds (`feeds.py`).

Words are compared as slugs, without diacritics, so that «Chuyển đổi số», «CHUYỂN ĐỔI SỐ» and `chuyen-doi-so.html` are
one. A headline that merely mentions a subject is no section: only a whole menu entry counts.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

from dti_pipeline.harvest.model import Snapshot

_AFTER = r"(-(quoc-gia|tinh|thanh-pho|huyen|xa|cua|nam|so|ban|nganh)(-[a-z0-9]+){0,6})?"
SECTIONS = {
    "column": re.compile(
        r"((chuyen-muc|chuyen-trang|trang|muc|tin|tin-tuc|cong-tac|thong-tin|thong-tin-ve)-)?(ve-)?chuyen-doi-so"
        + _AFTER
    ),
    "open_data": re.compile(
        r"((cong|trang|muc|cung-cap|danh-muc|chuyen-muc)-)*(du-lieu-mo|open-data|opendata)" + _AFTER
    ),
    "budget": re.compile(
        r"(cong-khai-(thong-tin-)?)?(du-toan-|quyet-toan-|thu-chi-)*(ngan-sach|tai-chinh)(-nha-nuoc|-va-[a-z-]{1,30})?"
        + _AFTER
        + r"|cong-khai-(du-toan|quyet-toan|tai-chinh|ngan-sach)(-[a-z0-9]+){0,6}"
    ),
}
WORDS = {"column": ("chuyen-doi-so",), "open_data": ("du-lieu-mo", "open-data"), "budget": ("ngan-sach", "tai-chinh")}
"""What a section's own page must mention."""

DATE = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])(?!\s+\d{1,2}:\d{2}(:\d{2})?\s*[AP]M)")
READABLE_MENU = 10
"""With fewer links of its own a front page builds its menu in the browser, and nothing can be said to be absent."""

_NOT_FOUND = re.compile(r"(^|-)(404|khong-tim-thay|khong-ton-tai|not-found|page-not-found)(-|$)")
_ASIDE = frozenset({"header", "footer", "nav", "aside", "form"})
_ASIDE_NAMES = re.compile(r"header|footer|banner|sidebar|clock|lien-quan|related", re.I)
_HEADLINE = 15
"""A link's text of this many characters or more is a headline; shorter ones are «Xem thêm» and the like."""
_CLIMB = 4
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml"})


class Link(NamedTuple):
    """A link by its words."""

    href: str
    """As an absolute address; of host `portal.invalid` where the page's own address is not known."""
    is_inside: bool
    """Whether it leads to a page beneath the site's own address."""
    at: str


class Dated(NamedTuple):
    """A date on a page; `day` is None where the text is no day of the calendar."""

    day: dt.date | None
    text: str
    at: str


def slug(text: str) -> str:
    """ASCII words joined by hyphens: «Chuyển đổi số» -> chuyen-doi-so."""
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "-".join(re.findall(r"[a-z0-9]+", "".join(sign for sign in plain if not unicodedata.combining(sign))))


def soup_of(snapshot: Snapshot) -> BeautifulSoup:
    return BeautifulSoup(snapshot.body, "lxml")


def css_path(tag: Tag) -> str:
    """A selector of exactly this element."""
    steps: list[str] = []
    here: Tag | None = tag
    while here is not None and here.name != "[document]":
        twins = [] if here.parent is None else here.parent.find_all(here.name, recursive=False)
        place = next((number for number, twin in enumerate(twins, start=1) if twin is here), 1)
        steps.append(here.name if len(twins) < 2 else f"{here.name}:nth-of-type({place})")
        here = here.parent
    return " > ".join(reversed(steps))


def links(snapshot: Snapshot, soup: BeautifulSoup, prefix: str) -> Iterator[tuple[Tag, Link]]:
    """The links of a page that lead to another page; `prefix` is the path of the site's own address."""
    own = snapshot.url or "https://portal.invalid/"
    for tag in soup.find_all("a", href=True):
        href = str(tag["href"]).strip()
        if href.startswith("#") or not href:
            continue
        try:
            address = urljoin(own, href)
            parts = urlsplit(address)
        except ValueError:
            continue
        if parts.scheme in ("http", "https"):
            is_inside = parts.netloc == urlsplit(own).netloc and f"{parts.path}/".startswith(f"{prefix}/")
            yield tag, Link(address, is_inside, css_path(tag))


def section_link(snapshot: Snapshot, soup: BeautifulSoup, section: str, prefix: str) -> Link | None:
    """The link whose words, or whose address's last part, are the section's name; one inside the site first."""
    found = [link for tag, link in links(snapshot, soup, prefix) if _names_section(tag, link, SECTIONS[section])]
    return next((link for link in found if link.is_inside), found[0] if found else None)


def _names_section(tag: Tag, link: Link, name: re.Pattern[str]) -> bool:
    last = unquote(urlsplit(link.href).path).rstrip("/").rpartition("/")[2]
    return any(name.fullmatch(slug(text)) for text in (_words(tag), re.sub(r"\.\w{2,5}$", "", last)))


def _words(tag: Tag) -> str:
    """What a person reads on a link: its text, else what is said of its picture."""
    picture = tag.find("img", alt=True)
    texts = (tag.get_text(" ", strip=True), str(tag.get("title", "")), str(picture["alt"]) if picture else "")
    return next((text for text in texts if text.strip()), "")


def has_readable_menu(snapshot: Snapshot, soup: BeautifulSoup, prefix: str) -> bool:
    return len({link.href for _, link in links(snapshot, soup, prefix) if link.is_inside}) >= READABLE_MENU


def is_login(snapshot: Snapshot, soup: BeautifulSoup) -> bool:
    """Whether a page is a form to log in with and nothing else; many portals have one beside their menu."""
    return soup.find("input", type="password") is not None and not has_readable_menu(snapshot, soup, "")


def required_links(snapshot: Snapshot, soup: BeautifulSoup, wanted: str, prefix: str) -> Link | None:
    """The first link whose words are a required section's name, or begin or end with it and add little."""
    for tag, link in links(snapshot, soup, prefix):
        words = slug(_words(tag))
        if words == wanted or (f"-{wanted}-" in f"-{words}-" and len(words) <= len(wanted) + 20):
            return link
    return None


def heading_of(soup: BeautifulSoup, section: str) -> str | None:
    """Where a section's page names it; None for a «not found» page and for one that never mentions the section."""
    titles = soup.find_all(["title", "h1", "h2"])
    if any(_NOT_FOUND.search(slug(tag.get_text(" ", strip=True))) for tag in titles):
        return None
    for tag in [*titles, *soup.find_all(["h3", "h4", "strong", "span", "a", "p"])]:
        if any(f"-{word}-" in f"-{slug(tag.get_text(' ', strip=True))}-" for word in WORDS[section]):
            return css_path(tag)
    return None


def advertised_feeds(snapshot: Snapshot, soup: BeautifulSoup) -> list[str]:
    """Addresses of feeds that a page advertises (`<link rel="alternate">`), absolute, in order."""
    own = snapshot.url or "https://portal.invalid/"
    return [
        urljoin(own, str(tag["href"]))
        for tag in soup.find_all("link", rel="alternate", href=True)
        if str(tag.get("type", "")).partition(";")[0].strip().lower() in _FEED_TYPES
    ]


def item_dates(soup: BeautifulSoup, selector: str | None) -> list[Dated]:
    """Dates that belong to items of a list: within `selector`, else beside exactly one headline.

    A page also prints today's date, its licence's date and dates of other lists; those stand beside none.
    """
    found = []
    for tag, text, day in _dates(soup):
        if selector is not None:
            if not any(tag is inside or tag in inside.descendants for inside in soup.select(selector)):
                continue
        elif not _is_item(tag):
            continue
        found.append(Dated(day, text, css_path(tag)))
    return found


def _dates(soup: BeautifulSoup) -> Iterator[tuple[Tag, str, dt.date | None]]:
    for tag in soup.find_all("time", datetime=True):
        text = str(tag["datetime"]).strip()
        try:
            yield tag, text, dt.date.fromisoformat(text[:10])
        except ValueError:
            yield tag, text, None
    for piece in soup.find_all(string=DATE):
        parent = piece.parent
        if parent is None or parent.name in ("script", "style", "time", "option"):
            continue
        for match in DATE.finditer(str(piece)):
            yield parent, match.group(), day_of(match)


def day_of(match: re.Match[str]) -> dt.date | None:
    day, month, year = (int(part) for part in match.groups()[:3])
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _is_item(tag: Tag) -> bool:
    for above in (tag, *tag.parents):
        names = " ".join([*(above.get_attribute_list("class") if above.get("class") else []), str(above.get("id", ""))])
        if above.name in _ASIDE or _ASIDE_NAMES.search(names):
            return False
    for above in (tag, *tag.parents)[: _CLIMB + 1]:
        if above.name in ("body", "html", "[document]"):
            return False
        headlines = {
            str(link["href"]) for link in above.find_all("a", href=True) if len(link.get_text(strip=True)) >= _HEADLINE
        }
        if above.name == "a" and len(above.get_text(strip=True)) >= _HEADLINE:
            headlines.add(str(above.get("href", "")))
        if headlines:
            return len(headlines) == 1
    return False
