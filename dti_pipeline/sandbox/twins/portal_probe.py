"""Practice portals of the fictional province: front pages, digital-transformation columns, feeds, as they differ.

Here: pages in the ways that portals are built (feed, list page, no column, empty feed, a menu that only a browser can
see), with dates before the demo night, and the sites that probe every portal. Not here: which portals there are and
their names (`names.py`), their certificates (`certificates.py`).
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dti_pipeline.sandbox import certificates, practice
from dti_pipeline.sandbox.names import Portal, portals
from dti_pipeline.sandbox.sites import UNHURRIED
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest
from dti_pipeline.scoring.periods import TIME_ZONE

DEMO_NIGHT = dt.date(2026, 10, 15)
REQUIRED = ("Giới thiệu", "Tin tức - Sự kiện", "Văn bản pháp luật", "Thủ tục hành chính", "Hỏi đáp", "Sơ đồ cổng")
ITEMS = 5
_MENU = {
    "gioi-thieu": "Giới thiệu",
    "tin-tuc": "Tin tức - Sự kiện",
    "van-ban": "Văn bản pháp luật",
    "thu-tuc": "Thủ tục hành chính",
    "quy-hoach": "Quy hoạch, kế hoạch",
    "dau-tu": "Dự án đầu tư",
    "mua-sam": "Đấu thầu, mua sắm công",
    "lich": "Lịch công tác",
    "thu-vien": "Thư viện ảnh",
    "lien-he": "Liên hệ",
}
SILENCE_S = 0.3
"""How long the demo waits for a name server that will not answer."""


def age_of(code: str) -> int:
    """Days from the newest item of a portal's column to the demo night."""
    return practice.draw(practice.SEED, code, "column age").randint(0, 40)


def item_days(code: str) -> list[dt.date]:
    """Days of the column's items, newest first."""
    newest = DEMO_NIGHT - dt.timedelta(days=age_of(code))
    return [newest - dt.timedelta(days=9 * number) for number in range(ITEMS)]


def _page(code: str, title: str, body: str, head: str = "") -> bytes:
    name = html.escape(practice.unit(code).name)
    # Today's date in the banner and the licence's in the footer are dates of no article.
    banner = f'<div class="top-banner"><span>Thứ năm, {DEMO_NIGHT:%d/%m/%Y}</span> <b>{name}</b></div>'
    footer = "<footer>Trang thực hành, không phải của cơ quan có thật. Giấy phép ngày 05/05/2020</footer>"
    return (
        f'<!DOCTYPE html><html lang="vi"><head><meta charset="utf-8"><title>{title}</title>{head}</head>'
        f"<body>{banner}{body}{footer}</body></html>"
    ).encode()


def _front_page(code: str, kind: str) -> bytes:
    if kind == "scripted":
        return _page(code, "Trang chủ", '<div id="app"></div><script src="app.js"></script>')
    entries = dict(_MENU)
    if practice.draw(practice.SEED, code, "questions page").random() < 0.8:
        entries["hoi-dap"] = "Hỏi đáp"
    if practice.draw(practice.SEED, code, "site map").random() < 0.5:
        entries["so-do"] = "Sơ đồ cổng"
    if kind != "none":
        entries["chuyen-doi-so"] = "Chuyển đổi số"
    if practice.draw(practice.SEED, code, "budget page").random() < 0.7:
        entries["ngan-sach"] = "Công khai ngân sách"
    links = [f'<li><a href="{path}">{html.escape(words)}</a></li>' for path, words in entries.items()]
    if practice.draw(practice.SEED, code, "open data").random() < 0.5:
        links.append('<li><a href="https://dulieumo.thuchanh.invalid/">Dữ liệu mở</a></li>')
    headline = '<p><a href="tin-tuc/1">Hội nghị về chuyển đổi số năm 2026 (hư cấu)</a> (14/10/2026)</p>'
    return _page(code, "Trang chủ", f"<nav><ul>{''.join(links)}</ul></nav>{headline}")


def _column(code: str, kind: str) -> bytes:
    head = ""
    if kind in ("feed", "empty"):
        head = '<link rel="alternate" type="application/rss+xml" href="chuyen-doi-so.rss">'
    items = "".join(
        f'<li><h3><a href="chuyen-doi-so/{number}">Bài thực hành số {number} của chuyên mục</a></h3>'
        f"<span>{day:%d/%m/%Y} 08:30</span></li>"
        for number, day in enumerate(item_days(code), start=1)
    )
    return _page(code, "Chuyển đổi số", f"<h1>Chuyển đổi số</h1><ul>{'' if kind == 'empty' else items}</ul>", head)


def _feed(code: str, kind: str) -> bytes:
    def item(number: int, day: dt.date) -> str:
        published = format_datetime(dt.datetime.combine(day, dt.time(8, 30), TIME_ZONE))
        return f"<item><title>Bài thực hành số {number}</title><pubDate>{published}</pubDate></item>"

    items = "".join(item(number, day) for number, day in enumerate(item_days(code), start=1)) if kind == "feed" else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Chuyển đổi số</title>'
        f"<link>/</link><description>Thực hành</description>{items}</channel></rss>"
    ).encode()


class PortalTwin:
    """See `dti_pipeline.sandbox.twins.Twin`. The portal of a unit is everything beneath `<code>/`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        code, _, path = request.path.strip("/").partition("/")
        portal = portals().get(code)
        if portal is None or portal.pages is None or request.method != "GET":
            return _not_found()
        kind = portal.pages
        pages = {"": _front_page(code, kind)}
        if kind not in ("none", "scripted"):
            pages["chuyen-doi-so"] = _column(code, kind)
        if kind in ("feed", "empty"):
            pages["chuyen-doi-so.rss"] = _feed(code, kind)
        if b'"ngan-sach"' in pages[""]:
            pages["ngan-sach"] = _page(code, "Công khai ngân sách", "<h1>Công khai ngân sách</h1>")
        if path not in pages:
            return _not_found()
        is_feed = path.endswith(".rss")
        return TwinAnswer(pages[path], "application/rss+xml" if is_feed else "text/html; charset=utf-8")

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """One site a portal. The practice server answers about names and shakes hands on its own port."""
        ca_file = folder / "practice-authority.pem"
        ca_file.write_bytes(certificates.authority().root_pem)
        return [_site(portal, base_url.rstrip("/"), ca_file) for portal in portals().values()]

    @property
    def environment(self) -> Mapping[str, str]:
        return {}


def _site(portal: Portal, base_url: str, ca_file: Path) -> dict[str, Any]:
    server = urlsplit(base_url)
    politeness: dict[str, float] = {**UNHURRIED}
    options: dict[str, Any] = {"unit": portal.unit, "host": portal.host, "resolver": server.netloc}
    if portal.name == "known":
        options |= {"tls_port": server.port, "required_sections": list(REQUIRED)}
    else:
        politeness |= {"timeout_s": SILENCE_S, "retries": 0}
        options |= {"checks": ["ipv6"]}
    return {
        "name": f"cong-{portal.unit.lower().replace('.', '-')}",
        "connector": "portal_probe",
        "base_url": f"{base_url}/{portal.unit}/",
        "province": practice.ROOT,
        "windows": ["year"],
        "politeness": politeness,
        "ca_file": str(ca_file),
        "options": options,
    }


def _not_found() -> TwinAnswer:
    return TwinAnswer(b"<html><head><title>404</title></head><body>404</body></html>", "text/html; charset=utf-8", 404)


TWIN = PortalTwin()
