"""Telling people and programs of alerts: a CloudEvent, an Alertmanager, mail.

What could not be told is kept and tried again at the next round; whom one channel does not
reach, others do. Only what the settings name is asked, redirections are not followed, and an
answer is not read.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hauberk.errors import UnavailableError
from hauberk.monitor.mailing import deliver
from hauberk.monitor.viewers import terminal_line

if TYPE_CHECKING:
    from hauberk.methods.alerting import Alert
    from hauberk.monitor.settings import Notify
    from hauberk.monitor.store import Shown

TIMEOUT_S = 10.0
LASTS = timedelta(hours=6)
"""How long an Alertmanager keeps an alert that is not sent again, from when it was shown."""

Send = Callable[[Sequence["Shown"]], None]


def channels(notify: Notify) -> dict[str, Send]:
    """Every channel that the settings name."""
    found: dict[str, Send] = {}
    if notify.webhook:
        found["webhook"] = lambda shown: _webhook(notify.webhook, shown)
    if notify.alertmanager:
        found["alertmanager"] = lambda shown: _alertmanager(notify.alertmanager, shown)
    if notify.smtp and notify.mail_to:
        found["mail"] = lambda shown: _mail(notify, shown)
    return found


def cloud_event(item: Shown) -> dict[str, Any]:
    """An alert as a CloudEvent 1.0."""
    alert = item.alert
    return {
        "specversion": "1.0",
        "id": f"{item.number}-{int(alert.at)}",
        "source": "/hauberk/monitor",
        "type": "org.hauberk.alert.v1",
        "subject": alert.cause,
        "time": _time(alert.at),
        "datacontenttype": "application/json",
        "data": {
            "kind": alert.kind,
            "title": alert.title,
            "severity": alert.severity.value,
            "asset": alert.asset,
            "facts": dict(alert.facts),
        },
    }


def _webhook(url: str, shown: Sequence[Shown]) -> None:
    for item in shown:
        body = json.dumps(cloud_event(item)).encode()
        _post(url, body, "application/cloudevents+json; charset=utf-8")


def _alertmanager(url: str, shown: Sequence[Shown]) -> None:
    alerts = [
        {
            "labels": {
                "alertname": "Hauberk",
                "kind": item.alert.kind,
                "cause": item.alert.cause,
                "severity": item.alert.severity.value,
                "asset": item.alert.asset,
            },
            "annotations": {"summary": item.alert.title, **_annotations(item.alert)},
            "startsAt": _time(item.alert.at),
            "endsAt": _time(max(item.at, item.alert.at) + LASTS.total_seconds()),
        }
        for item in shown
    ]
    _post(f"{url.rstrip('/')}/api/v2/alerts", json.dumps(alerts).encode(), "application/json")


def _annotations(alert: Alert) -> dict[str, str]:
    """Names of annotations hold letters, digits and underscores only."""
    return {
        "".join(c if c.isascii() and c.isalnum() else "_" for c in f"fact_{name}"): value
        for name, value in alert.facts.items()
    }


def _mail(notify: Notify, shown: Sequence[Shown]) -> None:
    message = EmailMessage()
    worst = max(shown, key=lambda item: item.alert.severity.rank).alert
    title = terminal_line(worst.title)[:120]
    message["Subject"] = f"[hauberk] {worst.severity.value}: {title}"
    message["From"], message["To"] = notify.mail_from, notify.mail_to
    lines = []
    for item in shown:
        lines.append(f"{item.alert.severity.value}: {terminal_line(item.alert.title)}")
        lines += [
            f"  {terminal_line(name)}: {terminal_line(value)}"
            for name, value in item.alert.facts.items()
        ]
    message.set_content("\n".join(lines) + "\n")
    deliver(notify, message)


def _post(url: str, body: bytes, kind: str) -> None:
    parts = urlsplit(url)
    makers = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in makers or not parts.hostname:
        raise UnavailableError("alerts go to http or https addresses only", subject=url[:80])
    connection = makers[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {"Content-Type": kind})
        status = connection.getresponse().status
    except http.client.HTTPException as error:
        raise UnavailableError("an alert was not taken", found=type(error).__name__) from error
    finally:
        connection.close()
    if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
        raise UnavailableError(
            "an alert was not taken",
            subject=parts.hostname,
            expected="an answer of 2xx",
            found=str(status),
        )


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
