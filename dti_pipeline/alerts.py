"""One plain-language alert for a night that failed: a file always, a webhook where one is configured.

Here: the words and where they go. Not here: noticing that a run failed (`assets/alerts.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from dti_pipeline.settings import Settings

WEBHOOK_TIMEOUT_S = 10


def alert_text(night: str, run_id: str, failures: Sequence[tuple[str, str]]) -> str:
    """What happened and what to do, for the person on duty. `failures`: (step, its message)."""
    lines = [f"Đêm {night} CHƯA XONG (lượt chạy {run_id})."]
    lines += [
        f"- Bước {step}: {message.strip().splitlines()[0] if message.strip() else '?'}" for step, message in failures
    ]
    lines += [
        "Những phần đã xong được giữ nguyên. Xem lý do ở trên hoặc trong giao diện Dagster, xử lý, rồi chạy lại:",
        f"    dti night --date {night}",
        "Chạy lại chỉ làm tiếp phần còn thiếu và không hỏi lại nguồn đã trả lời.",
    ]
    return "\n".join(lines) + "\n"


def send_alert(settings: Settings, night: str, text: str, now: dt.datetime) -> tuple[Path, str | None]:
    """Write the alert under `.dti/alerts/` and post it to the webhook; gives the file and what went wrong with the
    webhook, in words that never hold its address (it may carry a secret)."""
    folder = settings.data_dir / "alerts"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{night}.txt"
    stamp = now.isoformat(timespec="seconds")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"[{stamp}]\n{text}\n")
    if settings.alert_webhook is None:
        return path, None
    import requests

    try:
        answer = requests.post(
            settings.alert_webhook.get_secret_value(), json={"text": text}, timeout=WEBHOOK_TIMEOUT_S
        )
    except requests.RequestException as error:
        return path, f"không gửi được cảnh báo tới webhook ({type(error).__name__})"
    return path, None if answer.ok else f"webhook trả mã {answer.status_code}"
