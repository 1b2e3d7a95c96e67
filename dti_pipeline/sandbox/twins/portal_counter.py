"""Practice portals of the fictional province: front pages with a visit counter, one layout for each unit.

Here: the pages and what their counters show on a day. Not here: sockets (`server.py`). The pages served are those of
the practice night; `front_page` gives any other day's, for drills with two captures or a reset.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dti_pipeline.sandbox.practice import SEED, draw, unit
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest

NAME = "portal_counter"
NIGHT = dt.date(2026, 10, 15)
OPENED = dt.date(2019, 1, 1)
RESET_UNIT, RESET_DAY = "H00.09", dt.date(2026, 7, 1)
"""Its counter began again at 0 on that day, as counters do when a portal is rebuilt."""
SCRIPTED_UNIT = "H00.15"
"""Its counter is filled by a script after the page has loaded."""


def visits_on(code: str, day: dt.date, seed: int = SEED) -> int:
    """Visits of one day: about a thousand a day for a department, far more for the province."""
    usual = draw(seed, code, "portal-visits").randint(300, 1800) * (12 if unit(code).level == "province" else 1)
    return usual * draw(seed, code, "portal-day", day.isoformat()).randint(60, 140) // 100


def total_on(code: str, day: dt.date, seed: int = SEED) -> int:
    """What the counter shows at the end of a day."""
    first = RESET_DAY if code == RESET_UNIT and day >= RESET_DAY else OPENED
    return sum(visits_on(code, first + dt.timedelta(days=passed), seed) for passed in range((day - first).days + 1))


def online_on(code: str, day: dt.date, seed: int = SEED) -> int:
    """Who is there at the moment of the capture."""
    return draw(seed, code, "portal-online", day.isoformat()).randint(3, 60)


def _dotted(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _as_in_the_seed(code: str, day: dt.date) -> str:
    online = online_on(code, day)

    def line(label: str, number: int | str) -> str:
        return f'<li><img src="/icon.gif" alt="{label}"> {label} {number}</li>'

    return (
        '<h3>THÔNG KÊ TRUY CẬP</h3><ul class="thong-ke"><li><img src="/icon.gif" alt="Người trực tuyến"> '
        f"Người trực tuyến<ul>{line('Khách', online)}{line('Thành viên', 0)}{line('Tổng', online)}"
        f"{line('Tổng lượt truy cập:', total_on(code, day))}</ul></li></ul>"
    )


def _text_line(code: str, day: dt.date) -> str:
    return (
        f"<p>Đang online: {online_on(code, day)} | Hôm nay: {_dotted(visits_on(code, day))} | "
        f"Tổng truy cập: {_dotted(total_on(code, day))}</p>"
    )


def _two_columns(code: str, day: dt.date) -> str:
    rows = {
        "Đang truy cập": online_on(code, day),
        "Hôm nay": visits_on(code, day),
        "Hôm qua": visits_on(code, day - dt.timedelta(days=1)),
        "Tất cả": total_on(code, day),
    }
    return f"<table>{''.join(f'<tr><td>{name}</td><td>{value:,}</td></tr>' for name, value in rows.items())}</table>"


def _header_row(code: str, day: dt.date) -> str:
    return (
        "<table><thead><tr><th>Hôm nay</th><th>Hôm qua</th><th>Tổng lượt truy cập</th></tr></thead><tbody><tr>"
        f"<td>{visits_on(code, day)}</td><td>{visits_on(code, day - dt.timedelta(days=1))}</td>"
        f"<td>{_dotted(total_on(code, day))}</td></tr></tbody></table>"
    )


def _digit_boxes(code: str, day: dt.date) -> str:
    digits = "".join(f"<span>{digit}</span>" for digit in f"{total_on(code, day):09d}")
    return f'<div><h4>Số lượt truy cập</h4><div class="so">{digits}</div></div>'


def _scripted(code: str, day: dt.date) -> str:
    del code, day
    return '<p>Tổng lượt truy cập: <span id="dem"></span></p><script src="/dem.js"></script>'


PORTALS: Mapping[str, Callable[[str, dt.date], str]] = {
    "H00": _as_in_the_seed,
    "H00.05": _text_line,
    "H00.06": _two_columns,
    RESET_UNIT: _header_row,
    "H00.11": _digit_boxes,
    SCRIPTED_UNIT: _scripted,
    "H00.21": _two_columns,
    "H00.22": _text_line,
}
"""Units with a portal, and how its counter is laid out."""


def front_page(code: str, day: dt.date = NIGHT) -> str:
    """The front page of a unit's portal at the end of a day. Raises KeyError for a unit without one."""
    counter = PORTALS[code](code, day)
    return (
        f'<!DOCTYPE html>\n<html lang="vi"><head><meta charset="utf-8"><title>Cổng thông tin điện tử {unit(code).name}'
        "</title></head>\n<body><h1>Tin mới</h1><p>Ý kiến bạn đọc. Tổng số phiếu: 1344</p>\n"
        f"<footer>{counter}<p>© 2026 Bản quyền của đơn vị hư cấu</p></footer></body></html>\n"
    )


def path_of(code: str) -> str:
    """Where the twin shows a unit's portal."""
    return f"{code.lower().replace('.', '-')}/"


class PortalCounterTwin:
    """The practice portals; see `Twin`."""

    def answer(self, request: TwinRequest) -> TwinAnswer:
        """A portal's front page; 404 with a page in HTML for any other path."""
        wanted = request.path.rstrip("/") + "/"
        for code in PORTALS:
            if wanted == path_of(code):
                return TwinAnswer(front_page(code).encode(), "text/html; charset=utf-8")
        return TwinAnswer(
            b"<!DOCTYPE html><html><body><h1>404</h1></body></html>", "text/html; charset=utf-8", status=404
        )

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        """One site with the front pages of all portals."""
        del folder
        return [
            {
                "name": "thuc-hanh-cong",
                "connector": NAME,
                "base_url": base_url,
                "province": "H00",
                "windows": ["year"],
                "politeness": {"min_interval_s": 0, "jitter_s": 0, "backoff_s": 0},
                "options": {"pages": [{"path": f"/{path_of(code)}", "unit": code} for code in PORTALS]},
            }
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        """None: the pages are public."""
        return {}


TWIN = PortalCounterTwin()
